"""Writing into a tensor: `fill_`, `zero_`, `copy_`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.graph import AccumulateGrad
from ..autograd.modes import state
from ..primitive import Number, Spec, call, exported, like, primitive, reject
from ..tensor import MetaArray, Tensor, values_of, wrap
from .convert import cast_array
from .family import broadcast
from .part import whole

LIMITS = {
    d: (np.iinfo(d.numpy).min, np.iinfo(d.numpy).max)
    for d in dtypes.ALL
    if d.rank == dtypes.INTEGRAL
}
# A negative number counts as the bits of its absolute value.
LIMITS[dtypes.uint8] = (-255, 255)
_LARGEST = {d: dtypes.finfo(d).max for d in dtypes.ALL if d.rank >= dtypes.FLOATING}


def element(value: Any, dtype: dtypes.dtype) -> Any:
    """A number as an element of ``dtype``.

    Raises:
        RuntimeError: it is out of the dtype's range, or complex and the dtype is not.
        TypeError: it is no number.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, Number):
        raise TypeError(f"expected a number, not {type(value).__name__}")
    if isinstance(value, complex) and dtype.rank < dtypes.COMPLEX:
        if value.imag:
            raise _overflow(value, dtype)
        value = value.real
    if dtype.rank == dtypes.BOOLEAN:
        return bool(value)
    if dtype.rank == dtypes.INTEGRAL:
        low, high = LIMITS[dtype]
        if not low <= value <= high:
            raise _overflow(value, dtype)
        return int(value) & 255 if dtype is dtypes.uint8 else int(value)
    parts = (value.real, value.imag) if isinstance(value, complex) else (value,)
    if any(abs(part) > _LARGEST[dtype] and not math.isinf(part) for part in parts):
        raise _overflow(value, dtype)
    return value


def _overflow(value: Any, dtype: dtypes.dtype) -> RuntimeError:
    return RuntimeError(
        f"value cannot be converted to type {dtype.name} without overflow: {value} is not in its range"
    )


def assign(out: np.ndarray, values: np.ndarray) -> None:
    """Writes ``values``, broadcast, into ``out``, converted as `cast` converts."""
    if values.dtype != out.dtype:
        values = cast_array(values, dtypes.of_numpy(out.dtype))
    np.copyto(out, values)


@primitive(node_name="FillBackward0", checks="failure")
def _filled(input: Tensor, value: Any) -> Spec:
    """One number in the shape and dtype of ``input``."""
    return like(input)


@_filled.kernel("cpu", "cuda", writes=True)
def _filled_kernel(xp, x, value, out=None):
    out = xp.empty_like(x) if out is None else out
    out.fill(value)
    return out


@_filled.oracle
def _filled_oracle(x, value):
    return np.full(x.shape, value, x.dtype)


@_filled.samples
def _filled_samples(make):
    yield call(make(3, 4), 2.5)
    yield call(make(()), 0)
    yield call(make(0, 4), 1.0)


@exported("Tensor", "torch")
def fill_(input: Tensor, value: Any) -> Tensor:
    """Writes one value into every element.

    Args:
        value: a number in the range of the dtype, or a tensor without dimensions.

    Raises:
        RuntimeError: the number is out of range, or the tensor has dimensions.

    >>> rushlight.zeros(2).fill_(1.5)
    tensor([1.5000, 1.5000])
    """
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value._array.ndim} "
                "dimensions; use copy_ to write different values"
            )
        return copy_(input, value)
    _filled.op.write((_recorded(input), element(value, input.dtype)))
    return input


@exported("torch")
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor in the shape and dtype of ``input`` with one value in every element.

    >>> rushlight.fill(rushlight.zeros(2), 1.5)
    tensor([1.5000, 1.5000])
    """
    if isinstance(value, Tensor):
        return fill_(input.clone(), value)
    return _filled(input, element(value, input.dtype))


@exported("torch", "Tensor")
def zero_(input: Tensor) -> Tensor:
    """Writes zero into every element.

    >>> rushlight.ones(2).zero_()
    tensor([0., 0.])
    """
    _filled.op.write((_recorded(input), 0))
    return input


@primitive(node_name="CopyBackwards")
def _copied(input: Tensor, other: Tensor) -> Spec:
    """The values of ``other`` in the shape and dtype of ``input``."""
    return Spec(broadcast(input._array.shape, other._array.shape), input.dtype)


@_copied.kernel("cpu", "cuda", writes=True)
def _copied_kernel(xp, x, other, out=None):
    out = xp.empty_like(x) if out is None else out
    assign(out, other)
    return out


_copied.vjp(input=None, other=lambda g: g)


@_copied.oracle
def _copied_oracle(x, other):
    return np.broadcast_to(other, x.shape)


@_copied.samples
def _copied_samples(make):
    yield call(make(3, 4), make(3, 4))
    yield call(make(3, 4), make(4))
    yield call(make(3, 4), make(()))


@_copied.rejects
def _copied_rejects(make):
    yield reject(RuntimeError, "must match the size of tensor b (3)", make(4), make(3))


@exported("Tensor")
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Writes the values of another tensor, which broadcast and are cast, into this one.

    Raises:
        RuntimeError: the shapes do not fit.

    >>> rushlight.zeros(2, 2).copy_(rushlight.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    if not isinstance(src, Tensor):
        src = wrap(np.asarray(element(src, self.dtype), self.dtype.numpy))
    if src._array.dtype.kind == "c" and self._array.dtype.kind not in "cb":
        warnings.warn(
            "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=2
        )
    if type(src._array) is MetaArray and type(self._array) is not MetaArray:
        values_of(src)
    _copied.op.write((_recorded(self), src))
    return self


def _recorded(x: Tensor) -> Tensor:
    """``x``, as a view of all of it where it has a history: that keeps it in the graph when overwritten."""
    if (
        x._view is None
        and x._node is not None
        and state.grad
        and type(x._node) is not AccumulateGrad
    ):
        return whole(x, (Ellipsis,))
    return x


@primitive(node_name="MaskedFillBackward0")
def _masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Spec:
    """`masked_fill` with a number that fits the dtype, or a tensor without dimensions."""
    if mask._array.dtype.num != _BOOL:
        raise RuntimeError(
            f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}; "
            "make one by a comparison, or convert it with .bool()"
        )
    if isinstance(value, Tensor) and value._array.ndim:
        raise RuntimeError(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{value._array.ndim} dimension(s); use torch.where for different values"
        )
    if isinstance(value, Tensor) and value.dtype.is_complex and not input.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {input.dtype.name}: it is complex")
    return Spec(broadcast(input._array.shape, mask._array.shape), input.dtype)


@_masked_fill.kernel("cpu", "cuda", writes=True)
def _masked_fill_kernel(xp, x, mask, value, out=None):
    if isinstance(value, np.ndarray) and value.dtype != x.dtype:
        value = cast_array(value, dtypes.of_numpy(x.dtype))
    if out is None:
        return xp.where(mask, xp.asarray(value, x.dtype), x)
    xp.copyto(out, value, where=mask)
    return out


_masked_fill.vjp(
    input=lambda g, mask: _masked_fill(g, mask, 0),
    value=lambda g, mask: _masked_fill(g, ~mask, 0),
)


@_masked_fill.oracle
def _masked_fill_oracle(x, mask, value):
    x, mask = np.broadcast_arrays(x, mask)
    return np.array([value if m else e for e, m in zip(x.ravel(), mask.ravel())]).reshape(x.shape)


@_masked_fill.samples
def _masked_fill_samples(make):
    rows, columns = (
        wrap(np.array(m)) for m in ([[True], [False], [True]], [False, True, True, False])
    )
    yield call(make(3, 4), rows | columns, 2.5)
    yield call(make(3, 4), columns, make(()))
    yield call(make(4), rows, -1.0)


@_masked_fill.rejects
def _masked_fill_rejects(make):
    mask = wrap(np.array([True, False, True]))
    yield reject(
        RuntimeError, "only supports boolean masks", make(3), make(3, dtype=dtypes.int64), 1.0
    )
    yield reject(RuntimeError, "0-dimensional value tensor", make(3), mask, make(3))
    yield reject(RuntimeError, "must match the size of tensor b (3)", make(4), mask, 1.0)


@exported("torch", "Tensor")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``input`` with ``value`` where ``mask`` is True; both broadcast.

    Args:
        mask: bool.
        value: a number in the range of the dtype, or a tensor without dimensions.

    Raises:
        RuntimeError: the mask is not bool, or the value does not fit.

    >>> x = rushlight.tensor([1.0, 2.0, 3.0])
    >>> x.masked_fill(x > 1.5, 0)
    tensor([1., 0., 0.])
    """
    return _masked_fill(input, mask, _fitting(value, input))


@exported("torch", "Tensor")
def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`masked_fill`, written into ``input``, which is returned."""
    return fill_where(input, mask, _fitting(value, input))


def fill_where(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`masked_fill_` with a value that fits."""
    return _masked_fill.op.write((x, mask, value))


def _fitting(value: Any, x: Tensor) -> Any:
    return value if isinstance(value, Tensor) else element(value, x.dtype)


_BOOL = np.dtype(np.bool_).num
