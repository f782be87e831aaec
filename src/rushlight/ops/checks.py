"""What operands an op takes: shapes that broadcast, dtypes for which it has a meaning."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..primitive import result_type
from ..tensor import Tensor


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which two shapes broadcast.

    Raises:
        RuntimeError: they do not, naming the first dimension from the right that differs.
    """
    if a == b:
        return a
    ndim = max(len(a), len(b))
    shape = [1] * ndim
    for i in reversed(range(ndim)):
        x = a[i - ndim + len(a)] if i >= ndim - len(a) else 1
        y = b[i - ndim + len(b)] if i >= ndim - len(b) else 1
        if x != y and x != 1 and y != 1:
            raise RuntimeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton "
                f"dimension {i}: shapes {list(a)} and {list(b)} do not broadcast"
            )
        shape[i] = y if x == 1 else x
    return tuple(shape)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor; a number has none."""
    return x._array.shape if isinstance(x, Tensor) else ()


def floating_only(name: str, *operands: Any) -> None:
    """Refuses operands whose common dtype is not floating, as PyTorch's kernels do.

    Raises:
        NotImplementedError: naming op and dtype.
    """
    common = result_type(*operands)
    if common.rank != dtypes.FLOATING:
        raise _not_for(name, common, "expected floating-point numbers; convert with .float()")


def no_complex(name: str, *operands: Any) -> None:
    """Refuses complex operands.

    Raises:
        NotImplementedError: naming op and dtype.
    """
    common = result_type(*operands)
    if common.is_complex:
        raise _not_for(name, common, "expected real numbers; take .abs(), .real or .imag first")


def no_bool(name: str, *operands: Any) -> None:
    """Refuses operands that are all bools.

    Raises:
        NotImplementedError: naming op and dtype.
    """
    common = result_type(*operands)
    if common is dtypes.bool_:
        raise _not_for(name, common, "convert with .int()")


def integral_only(name: str, *operands: Any) -> None:
    """Refuses operands whose common dtype is neither integral nor bool.

    Raises:
        NotImplementedError: naming op and dtype.
    """
    common = result_type(*operands)
    if common.rank > dtypes.INTEGRAL:
        raise _not_for(name, common, "expected integers")


def _not_for(name: str, dtype: dtypes.dtype, cure: str) -> NotImplementedError:
    return NotImplementedError(f"\"{name}_cpu\" not implemented for '{dtype.legacy}': {cure}")
