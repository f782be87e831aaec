"""Tensors put together: one after another, or along a new dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import can_cast
from ..primitive import Spec, call, exported, is_channels_last, primitive, reject, result_type
from ..tensor import Tensor
from .creation import write_out, zeros
from .part import item_at, split
from .view import reshape, wrap_dim


@primitive(node_name="CatBackward0")
def _cat(tensors: list[Tensor], dim: int, lengths: tuple[int, ...]) -> Spec:
    """`cat` of tensors of one dtype, whose lengths along ``dim`` are ``lengths``."""
    first = tensors[0]._array.shape
    for i, x in enumerate(tensors):
        shape = x._array.shape
        if len(shape) != len(first):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)} "
                f"(tensors 0 and {i} in the list, of shapes {list(first)} and {list(shape)})"
            )
        for d, (a, b) in enumerate(zip(first, shape)):
            if a != b and d != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {a} but got size "
                    f"{b} for tensor number {i} in the list (dimension {d}: {list(first)} and {list(shape)})."
                )
    return Spec((*first[:dim], sum(lengths), *first[dim + 1 :]), tensors[0].dtype)


@_cat.kernel("cpu", "cuda")
def _cat_kernel(xp, arrays, dim, lengths):
    if all([a.flags.c_contiguous for a in arrays]) or all([is_channels_last(a) for a in arrays]):
        return xp.concatenate(arrays, dim)
    shape = arrays[0].shape
    out = xp.empty((*shape[:dim], sum(lengths), *shape[dim + 1 :]), arrays[0].dtype)
    return xp.concatenate(arrays, dim, out=out)


@_cat.vjp
def _cat_vjp(g, dim, lengths):
    return split(g, lengths, dim)


@_cat.oracle
def _cat_oracle(arrays, dim, lengths):
    return np.moveaxis(np.array([row for a in arrays for row in np.moveaxis(a, dim, 0)]), 0, dim)


@_cat.samples
def _cat_samples(make):
    yield call([make(2, 3), make(1, 3)], 0, (2, 1))
    yield call([make(2, 1), make(2, 3), make(2, 2)], 1, (1, 3, 2))
    yield call([make(4)], 0, (4,))
    yield call([make(0, 3), make(2, 3)], 0, (0, 2))


@_cat.rejects
def _cat_rejects(make):
    yield reject(
        RuntimeError, "must match except in dimension 0", [make(2, 3), make(2, 4)], 0, (2, 2)
    )
    yield reject(
        RuntimeError, "same number of dimensions: got 2 and 1", [make(2, 3), make(3)], 0, (2, 3)
    )


@exported("torch", names=("concat", "concatenate"))
def cat(
    tensors: Any, dim: int = 0, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """Tensors one after another along a dimension that exists.

    Args:
        tensors: a list or tuple of tensors, of equal shapes but for ``dim``; their dtypes are promoted. A
            tensor of shape ``(0,)`` counts as nothing.

    Raises:
        ValueError: the list is empty.
        RuntimeError: the shapes do not fit.
        TypeError: it is no list of tensors.

    >>> rushlight.cat([rushlight.tensor([1, 2]), rushlight.tensor([3])])
    tensor([1, 2, 3])
    """
    dim = dim if axis is None else axis
    tensors = _list_of_tensors("cat", tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, x in enumerate(tensors):
        if not x._array.ndim:
            raise RuntimeError(
                f"zero-dimensional tensor (at position {i}) cannot be concatenated; use torch.stack, or "
                "give it a dimension with .reshape(1)"
            )
    tensors = _in_one_dtype(tensors)
    if out is not None and not can_cast(tensors[0].dtype, out.dtype):
        raise TypeError(
            f"torch.cat(): input types can't be cast to the desired output type {out.dtype.legacy}"
        )
    if any([x._array.shape == (0,) for x in tensors]):
        tensors = [x for x in tensors if x._array.shape != (0,)] or tensors[:1]
    dim = wrap_dim(dim, tensors[0]._array.ndim)
    made = _cat(tensors, dim, tuple([(*x._array.shape, *[0] * dim, 0)[dim] for x in tensors]))
    return made if out is None else write_out(out, made)


def _list_of_tensors(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not hasattr(tensors, "__iter__"):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
        )
    tensors = list(tensors)
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}"
            )
    return tensors


def _in_one_dtype(tensors: list[Tensor]) -> list[Tensor]:
    first = tensors[0]._array.dtype
    if all([x._array.dtype is first for x in tensors]):
        return tensors
    dtype = result_type(*tensors)
    return [x if x._array.dtype == dtype.numpy else x.to(dtype) for x in tensors]


@primitive(node_name="StackBackward0")
def _stack(tensors: list[Tensor], dim: int) -> Spec:
    """`stack` of tensors of one dtype, with ``dim`` counted from the front."""
    shape = tensors[0]._array.shape
    for i, x in enumerate(tensors):
        if x._array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(x._array.shape)} at entry {i}"
            )
    return Spec((*shape[:dim], len(tensors), *shape[dim:]), tensors[0].dtype)


@_stack.kernel("cpu", "cuda")
def _stack_kernel(xp, arrays, dim):
    shape = arrays[0].shape
    out = xp.empty((*shape[:dim], len(arrays), *shape[dim:]), arrays[0].dtype)
    return xp.stack(arrays, dim, out=out)


@_stack.vjp
def _stack_vjp(g, dim):
    before = (slice(None),) * dim
    return [item_at(g, (*before, i, Ellipsis)) for i in range(g.shape[dim])]


@_stack.oracle
def _stack_oracle(arrays, dim):
    return np.moveaxis(np.array(arrays), 0, dim)


@_stack.samples
def _stack_samples(make):
    yield call([make(2, 3), make(2, 3)], 0)
    yield call([make(2, 3), make(2, 3), make(2, 3)], 2)
    yield call([make(()), make(())], 0)


@_stack.rejects
def _stack_rejects(make):
    yield reject(
        RuntimeError, "equal size, but got [2] at entry 0 and [3] at entry 1", [make(2), make(3)], 0
    )


@exported("torch")
def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape along a new dimension.

    Args:
        dim: where the new dimension stands in the result.

    Raises:
        RuntimeError: the shapes differ, or the list is empty.

    >>> rushlight.stack([rushlight.tensor([1, 2]), rushlight.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    tensors = _list_of_tensors("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    made = _stack(_in_one_dtype(tensors), wrap_dim(dim, tensors[0]._array.ndim + 1))
    return made if out is None else write_out(out, made)


@exported("torch")
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one dimension.

    >>> rushlight.atleast_1d(rushlight.tensor(2.0))
    tensor([2.])
    """
    return _each(tensors, lambda x: x if x._array.ndim else reshape(x, (1,)))


@exported("torch")
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dimensions; new ones stand in front.

    >>> rushlight.atleast_2d(rushlight.tensor([2.0, 3.0])).shape
    torch.Size([1, 2])
    """
    return _each(tensors, lambda x: x if x._array.ndim > 1 else reshape(x, (1, -1)))


@exported("torch")
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dimensions: ``(n,)`` becomes ``(1, n, 1)``, ``(m, n)`` becomes ``(m, n, 1)``.

    >>> rushlight.atleast_3d(rushlight.zeros(2, 3)).shape
    torch.Size([2, 3, 1])
    """

    def widened(x: Tensor) -> Tensor:
        if x._array.ndim > 2:
            return x
        return reshape(x, (1, -1, 1)) if x._array.ndim < 2 else x.unsqueeze(-1)

    return _each(tensors, widened)


def _each(tensors: tuple, change: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return change(tensors[0])
    if len(tensors) == 1:
        tensors = tensors[0]
    return tuple([change(x) for x in _list_of_tensors("atleast", tensors)])


@exported("torch")
def hstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """Tensors side by side: along the second dimension, or the only one.

    >>> rushlight.hstack([rushlight.tensor([1, 2]), rushlight.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = _not_empty("hstack", tensors, atleast_1d)
    return cat(tensors, 0 if tensors[0]._array.ndim == 1 else 1, out=out)


@exported("torch", names=("row_stack",))
def vstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """Tensors on top of each other; one of one dimension is a row.

    >>> rushlight.vstack([rushlight.tensor([1, 2]), rushlight.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat(_not_empty("vstack", tensors, atleast_2d), 0, out=out)


@exported("torch")
def dstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """Tensors behind each other, along the third dimension.

    >>> rushlight.dstack([rushlight.tensor([1, 2]), rushlight.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat(_not_empty("dstack", tensors, atleast_3d), 2, out=out)


@exported("torch")
def column_stack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """Tensors side by side; one of fewer than two dimensions is a column.

    >>> rushlight.column_stack([rushlight.tensor([1, 2]), rushlight.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    tensors = _not_empty("column_stack", tensors, lambda xs: xs)
    return hstack([x if x._array.ndim > 1 else reshape(x, (-1, 1)) for x in tensors], out=out)


def _not_empty(name: str, tensors: Any, change: Any) -> Any:
    tensors = _list_of_tensors(name, tensors)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return change(tensors)


@exported("torch")
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given ones along its diagonal, and zeros elsewhere.

    Args:
        tensors: of at most two dimensions; one of one dimension is a row.

    >>> rushlight.block_diag(rushlight.tensor([[1, 2]]), rushlight.tensor([3]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    for i, x in enumerate(_list_of_tensors("block_diag", tensors)):
        if x._array.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                f"Input {i} has {x._array.ndim} dimensions"
            )
    if not tensors:
        return zeros(1, 0)
    blocks = _in_one_dtype([atleast_2d(x) for x in tensors])
    width = sum(x._array.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        height, own = x._array.shape
        before, after = (zeros(height, n, dtype=x.dtype) for n in (left, width - left - own))
        rows.append(cat([before, x, after], 1))
        left += own
    return cat(rows)
