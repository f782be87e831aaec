"""Which dtype an op computes in inside of an ``autocast`` region.

Declarations say it in a word, ``autocast="lower"``, or in one for each type of device,
``autocast={"cpu": "keep", "cuda": "lower"}``:

    lower     the region's dtype: what is much faster in it, products and convolutions
    float32   what loses too much in 16 bits: losses, sums, powers
    promote   the widest dtype that came, where the op itself would refuse to mix them
    keep      the dtypes that came; only for functions made of ops that have words of their own
    unsafe    none: the call is refused

Floating tensors are cast before the op sees them, float64 excepted, by ordinary recorded ops: gradients
come back in the dtype of what was cast. What runs inside of the op is not cast again, and in-place forms
and calls with ``out=`` never are.

Outside of all regions a call pays one look at a list in `regions`, and only where the op has a word.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import dtypes
from .autograd.graph import AccumulateGrad
from .autograd.modes import state
from .tensor import Tensor

# For a type of device, and for any: an entry for each thread that is in such a region. While a list is
# empty, the ops that watch it ask no further.
regions: dict[str, list[int]] = {"cpu": [], "cuda": [], "any": []}

# The dtype of a region that names none, for each type of device that can have one.
DEFAULTS = {
    "cpu": dtypes.bfloat16, "cuda": dtypes.float16, "mps": dtypes.float16, "xpu": dtypes.float16,
    "hpu": dtypes.bfloat16, "xla": dtypes.bfloat16,
}  # fmt: skip
# What is cast: float64 says that somebody wants its precision.
_CAST = frozenset((dtypes.bfloat16, dtypes.float16, dtypes.float32))
_WORDS = ("lower", "float32", "promote", "keep", "unsafe")


class Cached(NamedTuple):
    """The cast of a parameter, and what tells whether it still holds."""

    parameter: Tensor
    array: np.ndarray
    version: int
    cast: Tensor


class _Region(threading.local):
    """What a thread has set; `state.autocast` holds what follows of it for the ops."""

    def __init__(self) -> None:
        self.enabled: frozenset[str] = frozenset()
        self.dtypes = dict(DEFAULTS)
        self.nesting = 0
        self.cache_enabled = True
        self.cache: dict[int, Cached] = {}


local = _Region()


def words(autocast: str | dict[str, str] | None) -> dict[str, str] | None:
    """A declaration's ``autocast`` as a word for each type of device.

    Raises:
        ValueError: there is no such word.
    """
    if autocast is None:
        return None
    found = autocast if isinstance(autocast, dict) else dict.fromkeys(("cpu", "cuda"), autocast)
    for word in found.values():
        if word not in _WORDS:
            raise ValueError(f"autocast must be one of {', '.join(_WORDS)}, not {word!r}")
    return found


def watched(chosen: dict[str, str]) -> list[int]:
    """The list in `regions` that is empty while no thread is in a region that these words are for."""
    return regions["any" if len(chosen) > 1 else next(iter(chosen))]


def switch(device_type: str, enabled: bool, dtype: dtypes.dtype) -> None:
    """Sets this thread's casts for one type of device."""
    before = device_type in local.enabled
    one = frozenset((device_type,))
    local.enabled = local.enabled | one if enabled else local.enabled - one
    local.dtypes[device_type] = dtype
    state.autocast = {t: local.dtypes[t] for t in local.enabled} or None
    if enabled != before:
        for name in (device_type, "any"):
            inside = regions.setdefault(name, [])
            (inside.append if enabled else inside.remove)(threading.get_ident())


def suspended() -> bool:
    """Whether this thread is in a region whose casts do not apply here: in backward, or in an op."""
    return bool(local.enabled) and state.autocast is None


def suspend() -> None:
    """Ends the casts in this thread until what suspended them before lets them on again."""
    state.autocast = None


def call(
    chosen: dict[str, str], function: Callable, args: tuple, kwargs: dict | None = None
) -> Any:
    """Calls an op with its tensors in the dtypes that its words ask for here."""
    kwargs = kwargs or {}
    region = state.autocast
    device_type = None if region is None else _device_type(args, kwargs, region)
    word = None if device_type is None else chosen.get(device_type)
    if word is None:
        return function(*args, **kwargs)
    if word == "unsafe":
        raise RuntimeError(
            f"torch.nn.functional.{function.__name__} is unsafe to autocast: the gradient of its logarithm "
            f"overflows float16. Pass what comes before the sigmoid to {function.__name__}_with_logits, which is "
            "safe, or call it on float32 tensors inside of autocast(..., enabled=False)."
        )
    state.autocast = None
    try:
        if word != "keep" and kwargs.get("out") is None:
            target = _target(word, region[device_type], device_type, args, kwargs)
            args = [cast(x, target, device_type) for x in args]
            kwargs = {name: cast(x, target, device_type) for name, x in kwargs.items()}
        return function(*args, **kwargs)
    finally:
        state.autocast = region


def outside(function: Callable, *args: Any) -> Any:
    """Calls ``function`` as outside of all regions."""
    before = state.autocast
    state.autocast = None
    try:
        return function(*args)
    finally:
        state.autocast = before


def device_type_of(x: Tensor) -> str:
    """The type of the device that a tensor is on."""
    return "cpu" if type(x._array) is np.ndarray else x.device.type


def _tensors(args: Any, kwargs: dict) -> Iterator[Tensor]:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (x for x in value if isinstance(x, Tensor))


def _device_type(args: tuple, kwargs: dict, region: dict[str, dtypes.dtype]) -> str | None:
    """The type of device whose region this call is in, if any."""
    for x in _tensors(args, kwargs):
        found = device_type_of(x)
        if found in region:
            return found
    return None


def _target(
    word: str, lower: dtypes.dtype, device_type: str, args: tuple, kwargs: dict
) -> dtypes.dtype:
    if word == "lower":
        return lower
    if word == "promote":
        came = {
            x.dtype
            for x in _tensors(args, kwargs)
            if x.dtype in _CAST and device_type_of(x) == device_type
        }
        if len(came) == 1:
            return came.pop()
    return dtypes.float32


def cast(value: Any, target: dtypes.dtype, device_type: str) -> Any:
    """``value`` in the dtype ``target`` if it is a tensor that autocast concerns, or a list of such; else itself."""
    if isinstance(value, Tensor):
        dtype = value.dtype
        if dtype is target or dtype not in _CAST or device_type_of(value) != device_type:
            return value
        return _cast_tensor(value, target)
    if type(value) in (list, tuple) and any([isinstance(x, Tensor) for x in value]):
        return type(value)([cast(x, target, device_type) for x in value])
    return value


def _cast_tensor(x: Tensor, target: dtypes.dtype) -> Tensor:
    """The cast of a tensor; that of a parameter is kept until the outermost region ends."""
    if (
        type(x._node) is not AccumulateGrad
        or x._view is not None
        or x.dtype is not dtypes.float32
        or target is dtypes.float32
        or not local.cache_enabled
    ):
        return x.to(target)
    held = local.cache.get(id(x))
    if (
        held is not None
        and held.array is x._array
        and held.version == x._version
        and held.cast.dtype is target
    ):
        return held.cast
    made = x.to(target)
    # Made while nothing records, it would cut the parameter off from later losses.
    if state.grad:
        local.cache[id(x)] = Cached(x, x._array, x._version, made)
    return made
