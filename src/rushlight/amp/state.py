"""What this thread has set for autocast, to ask and to change; `autocast` does so by itself."""

from __future__ import annotations

import warnings
from typing import Any

from .. import casting
from ..autograd.modes import state
from ..dtypes import dtype

# Types of device that programs may name, and that have no autocast.
_OTHERS = ("meta", "mkldnn", "vulkan", "lazy", "privateuseone")


def device_type_of(device_type: Any) -> str:
    """The type in ``"cuda"`` or ``"cuda:0"``.

    Raises:
        TypeError: it is no string.
        RuntimeError: there is no such type of device.
    """
    if not isinstance(device_type, str):
        raise TypeError(
            f"argument 'device_type' must be str, such as 'cpu', not {type(device_type).__name__}"
        )
    name = device_type.partition(":")[0]
    if name not in casting.DEFAULTS and name not in _OTHERS:
        raise RuntimeError(
            f"Expected one of {', '.join((*casting.DEFAULTS, *_OTHERS))} device type at start of device string: "
            f"{device_type}"
        )
    return name


def _supported(device_type: Any) -> str:
    name = device_type_of(device_type)
    if name not in casting.DEFAULTS:
        raise RuntimeError(f"there is no autocast for device type '{name}'")
    return name


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this thread is inside of an autocast region for a type of device.

    >>> with rushlight.autocast("cpu"):
    ...     is_autocast_enabled("cpu"), is_autocast_enabled("cuda")
    (True, False)
    """
    return _supported(device_type) in (state.autocast or ())


def set_autocast_enabled(*args: Any) -> None:
    """Switches autocast in this thread for good: ``set_autocast_enabled("cpu", True)``.

    Args:
        args: a type of device (without one, CUDA) and whether its ops are cast.
    """
    device_type, enabled = args if len(args) == 2 else ("cuda", *args)
    name = _supported(device_type)
    casting.switch(name, bool(enabled), casting.local.dtypes[name])


def get_autocast_dtype(device_type: str) -> dtype:
    """The dtype of a region that names none.

    >>> get_autocast_dtype("cpu")
    torch.bfloat16
    """
    return casting.local.dtypes[_supported(device_type)]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Sets the dtype of regions that name none, and of the one this thread is in."""
    name = _supported(device_type)
    casting.switch(name, name in casting.local.enabled, dtype)


def is_autocast_cache_enabled() -> bool:
    """Whether the casts of parameters are kept until the outermost region ends."""
    return casting.local.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Sets whether the casts of parameters are kept until the outermost region ends."""
    casting.local.cache_enabled = bool(enabled)


def clear_autocast_cache() -> None:
    """Drops the casts of parameters that are kept."""
    casting.local.cache.clear()


def autocast_increment_nesting() -> int:
    """Counts one more region around what follows; how many there are now."""
    casting.local.nesting += 1
    return casting.local.nesting


def autocast_decrement_nesting() -> int:
    """Counts one region less; how many there are now."""
    casting.local.nesting -= 1
    return casting.local.nesting


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"torch.{old} is deprecated; write torch.{new}", DeprecationWarning, stacklevel=3)


def is_autocast_cpu_enabled() -> bool:
    """`is_autocast_enabled` of the CPU, as it was spelled before."""
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """`set_autocast_enabled` of the CPU, as it was spelled before."""
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> dtype:
    """`get_autocast_dtype` of the CPU, as it was spelled before."""
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: dtype) -> None:
    """`set_autocast_dtype` of the CPU, as it was spelled before."""
    _deprecated("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> dtype:
    """`get_autocast_dtype` of CUDA, as it was spelled before."""
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: dtype) -> None:
    """`set_autocast_dtype` of CUDA, as it was spelled before."""
    _deprecated("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)


__all__ = [
    "autocast_decrement_nesting",
    "autocast_increment_nesting",
    "clear_autocast_cache",
    "get_autocast_cpu_dtype",
    "get_autocast_dtype",
    "get_autocast_gpu_dtype",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
    "set_autocast_gpu_dtype",
]
