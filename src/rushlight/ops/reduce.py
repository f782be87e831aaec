"""Ops that combine the elements of whole dimensions."""

from __future__ import annotations

from typing import Any

from ..primitive import Spec, exported, primitive
from ..tensor import Tensor


@primitive(node_name="SumBackward0")
def _sum(input: Tensor, dims: tuple[int, ...], keepdim: bool) -> Spec:
    """The sum over dimensions counted from the front."""
    shape = input._array.shape
    if keepdim:
        return Spec(tuple([1 if i in dims else n for i, n in enumerate(shape)]), input.dtype)
    return Spec(tuple([n for i, n in enumerate(shape) if i not in dims]), input.dtype)


@_sum.kernel("cpu", "cuda")
def _sum_kernel(xp, x, dims, keepdim):
    return xp.add.reduce(x, dims, keepdims=keepdim)


@_sum.vjp
def _sum_vjp(g, input_shape, dims, keepdim):
    if not keepdim:
        g = g.reshape([1 if i in dims else n for i, n in enumerate(input_shape)])
    return g.expand(input_shape)


@exported("Tensor")
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed over the dimensions along which ``size`` broadcast to this shape."""
    from .view import sizes_of

    size = sizes_of("sum_to_size", size)
    shape = self._array.shape
    new = len(shape) - len(size)
    dims = tuple(range(new)) + tuple(i + new for i, n in enumerate(size) if n == 1 and shape[i + new] != 1)
    out = _sum(self, dims, True) if dims else self
    return out.reshape(size) if new else out


@exported("torch", "Tensor")
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of all elements."""
    dims = tuple(range(input._array.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    return _sum(input, dims, keepdim)
