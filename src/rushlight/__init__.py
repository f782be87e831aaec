"""Rushlight: deep learning with PyTorch's API, small and fast."""

from __future__ import annotations

from . import ops  # noqa: F401 - declares every op
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .backend import native as _native_backend
from .device import device, get_default_device, set_default_device
from .dtype import (
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    promote_types,
    set_default_dtype,
)
from .dtype import ALL as _dtypes
from .dtype import ALIASES as _aliases
from .primitive import EXPORTS as _exports
from .primitive import result_type
from .size import Size
from .tensor import Tensor

globals().update({d.name: d for d in _dtypes})
globals().update(_aliases)
globals().update(_exports["torch"])

_native_backend.start()
