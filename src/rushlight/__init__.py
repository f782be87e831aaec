"""Rushlight: deep learning with PyTorch's API, small and fast, that tells you when your training code is wrong."""

from __future__ import annotations

import math as _math

from .backend import native as _native_backend

_native_backend.start()

from . import ops  # declares every op
from . import autograd, random
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .devices import device, get_default_device, set_default_device
from .dtypes import (
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    promote_types,
    set_default_dtype,
)
from .dtypes import ALIASES as _aliases
from .dtypes import ALL as _dtypes
from .dtypes import can_cast
from .memory import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from .primitive import EXPORTS as _exports
from .primitive import result_type
from .printing import set_printoptions
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .serialization import load, save
from .size import Size
from .tensor import Tensor
from .threads import (
    get_num_interop_threads,
    get_num_threads,
    set_num_interop_threads,
    set_num_threads,
)

globals().update({d.name: d for d in _dtypes})
globals().update(_aliases)
globals().update(_exports["torch"])

from . import (
    accelerator,
    amp,
    backends,
    cpu,
    cuda,
    linalg,
    mps,
    nn,
    optim,
    serialization,
    testing,
    utils,
)
from .amp import autocast
from .amp.state import *  # noqa: F403 - what it lists in __all__
from . import debug as _debug
from .version import __version__

_debug.start()

e = _math.e
inf = _math.inf
nan = _math.nan
pi = _math.pi
newaxis = None

# Rooms that are entered at their first use, so that the import stays short.
_LATER = ("finetune", "hub", "multiprocessing", "vision")


def __getattr__(name: str) -> object:
    if name in _LATER:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
