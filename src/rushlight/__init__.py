"""Rushlight: deep learning with PyTorch's API, small and fast, that tells you when your training code is wrong."""

from __future__ import annotations

import math as _math

from .backend import native as _native_backend

_native_backend.start()

from . import ops  # noqa: E402, F401 - declares every op
from . import autograd, random  # noqa: E402
from .autograd.modes import (  # noqa: E402
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .devices import device, get_default_device, set_default_device  # noqa: E402
from .dtypes import (  # noqa: E402
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    promote_types,
    set_default_dtype,
)
from .dtypes import ALIASES as _aliases  # noqa: E402
from .dtypes import ALL as _dtypes  # noqa: E402
from .dtypes import can_cast  # noqa: E402
from .memory import (  # noqa: E402
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from .primitive import EXPORTS as _exports  # noqa: E402
from .primitive import result_type  # noqa: E402
from .printing import set_printoptions  # noqa: E402
from .random import (  # noqa: E402
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .serialization import load, save  # noqa: E402
from .size import Size  # noqa: E402
from .tensor import Tensor  # noqa: E402
from .threads import (  # noqa: E402
    get_num_interop_threads,
    get_num_threads,
    set_num_interop_threads,
    set_num_threads,
)

globals().update({d.name: d for d in _dtypes})
globals().update(_aliases)
globals().update(_exports["torch"])

from . import backends, cuda, mps, nn, optim, serialization, testing, utils  # noqa: E402
from . import debug as _debug  # noqa: E402
from .version import __version__  # noqa: E402

_debug.start()

e = _math.e
inf = _math.inf
nan = _math.nan
pi = _math.pi
newaxis = None
