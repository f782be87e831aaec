"""`autocast`: regions in which each op computes in the dtype that suits it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .. import casting, devices
from ..autograd.modes import Mode
from ..dtypes import bfloat16, dtype, float16
from .state import (
    autocast_decrement_nesting,
    autocast_increment_nesting,
    clear_autocast_cache,
    device_type_of,
    get_autocast_dtype,
    is_autocast_cache_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
)


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows this type of device; the device itself may be missing.

    Raises:
        RuntimeError: there is no such type of device.

    >>> is_autocast_available("cpu")
    True
    """
    return device_type_of(device_type) in casting.DEFAULTS


class autocast(Mode):
    """A region in which each op computes in the dtype that suits it. A context manager or a decorator.

    Products and convolutions run in ``dtype``, which is fast; losses and the like in float32, which is
    exact; everything else in the dtypes that come. The layers' parameters stay what they are, and get
    gradients of their own dtype. Call ``backward()`` after the region; it computes in the dtypes that the
    forward ops chose, wherever it is called.

    Args:
        device_type: ``"cpu"``, ``"cuda"``, ``"mps"``...: which tensors the region concerns.
        dtype: bfloat16 or float16; by default that of `get_autocast_dtype`: bfloat16 on the CPU.
        enabled: False makes a region in which nothing is cast, also within another one.
        cache_enabled: whether a float32 parameter is cast only once in the outermost region.

    Raises:
        ValueError: ``device_type`` is no string.
        RuntimeError: `autocast` does not know this type of device.

    >>> layer = rushlight.nn.Linear(3, 2)
    >>> with autocast("cpu", dtype=rushlight.bfloat16):
    ...     y = layer(rushlight.ones(4, 3))
    >>> y.dtype, layer.weight.dtype
    (torch.bfloat16, torch.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        if not isinstance(device_type, str):
            raise ValueError(
                f"autocast: device_type must be a str such as 'cpu' or 'cuda', not {type(device_type)}; of a "
                "torch.device take its .type"
            )
        self.device = device_type_of(device_type)
        if not is_autocast_available(self.device):
            raise RuntimeError(
                f"autocast: device_type '{device_type}' has no autocast; use one of {', '.join(casting.DEFAULTS)}"
            )
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        self._enabled = bool(enabled) and self._can_be_enabled()
        self._cache_enabled = (
            is_autocast_cache_enabled() if cache_enabled is None else bool(cache_enabled)
        )
        self._before: list[tuple] = []

    def _can_be_enabled(self) -> bool:
        if self.device == "cuda" and not devices.is_available("cuda"):
            warnings.warn(
                "CUDA is not available. Disabling autocast('cuda'): everything runs in the dtypes it has; for "
                "mixed precision on the CPU use autocast('cpu', dtype=torch.bfloat16).",
                stacklevel=3,
            )
            return False
        if self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In {self.device.upper()} autocast, but the target dtype is not supported. Disabling autocast: the "
                f"dtype must be torch.bfloat16 or torch.float16, not {self.fast_dtype}.",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self) -> autocast:
        local = casting.local
        # A list, as one region can be entered again within itself.
        self._before.append(
            (
                self.device in local.enabled,
                local.dtypes[self.device],
                local.cache_enabled,
                casting.suspended(),
            )
        )
        casting.switch(self.device, self._enabled, self.fast_dtype)
        set_autocast_cache_enabled(self._cache_enabled)
        autocast_increment_nesting()
        return self

    def __exit__(self, *exception: Any) -> None:
        enabled, fast_dtype, cache_enabled, suspended = self._before.pop()
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        set_autocast_cache_enabled(cache_enabled)
        casting.switch(self.device, enabled, fast_dtype)
        if suspended:
            casting.suspend()

    def clone(self) -> autocast:
        return self

    def __call__(self, function: Any) -> Any:
        if not callable(function):
            raise TypeError(
                f"autocast(...) decorates a function, not {type(function).__name__}; as a context manager write "
                "with autocast(...):"
            )
        return super().__call__(function)


def custom_fwd(
    fwd: Callable | None = None, *, device_type: str, cast_inputs: dtype | None = None
) -> Callable:
    """Decorates ``forward`` of an `autograd.Function`, so that it has a say in how autocast treats it.

    Args:
        device_type: whose autocast.
        cast_inputs: inside of a region, floating tensors come in this dtype (float64 excepted) and
            ``forward`` runs without autocast. None leaves it as it is where the function is called.

    >>> class Square(rushlight.autograd.Function):
    ...     @staticmethod
    ...     @custom_fwd(device_type="cpu", cast_inputs=rushlight.float32)
    ...     def forward(ctx, x):
    ...         return x @ x
    ...
    ...     @staticmethod
    ...     @custom_bwd(device_type="cpu")
    ...     def backward(ctx, g):
    ...         return g
    >>> with autocast("cpu"):
    ...     print(Square.apply(rushlight.ones(1, 1, dtype=rushlight.bfloat16)).dtype)
    torch.float32
    """
    _check_name(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        inside = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = inside and cast_inputs is None
        if not inside or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                ctx,
                *[_cast(x, cast_inputs, device_type) for x in args],
                **{name: _cast(x, cast_inputs, device_type) for name, x in kwargs.items()},
            )

    return forward


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorates ``backward`` of an `autograd.Function`, so that it runs under the same autocast as its ``forward``.

    ``forward`` must have `custom_fwd`.

    Args:
        device_type: whose autocast.
    """
    _check_name(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return backward


def _check_name(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"device_type must be a str such as 'cpu', not {type(device_type)}")


def _cast(value: Any, target: dtype, device_type: str) -> Any:
    """`casting.cast` of tensors wherever they are in lists, tuples and dictionaries."""
    if isinstance(value, dict):
        return {key: _cast(x, target, device_type) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_cast(x, target, device_type) for x in value])
    return casting.cast(value, target, device_type)
