"""Ops that order the elements along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive, reject
from ..return_types import named
from ..tensor import Tensor
from .creation import write_out
from .gather import sum_gathered
from .view import not_a_view, reshape, wrap_dim

_Sorted = named("sort", "values", "indices")
_TopK = named("topk", "values", "indices")
_Kth = named("kthvalue", "values", "indices")


def _order(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """The places of the elements in order; equal ones keep theirs, and NaN counts as the largest."""
    if not descending:
        return x.argsort(dim, kind="stable")
    # Turned around twice, so that equal elements keep their order here too.
    turned = np.flip(x, dim).argsort(dim, kind="stable")
    return np.ascontiguousarray(x.shape[dim] - 1 - np.flip(turned, dim))


def _refuse_complex(name: str, x: Tensor) -> None:
    if x.dtype.is_complex:
        raise RuntimeError(f"{name}(): complex numbers have no order, got {x.dtype}")


@primitive(outputs=("values", "indices"), differentiable=1, node_name="SortBackward0")
def _sort(input: Tensor, dim: int, descending: bool) -> tuple[Spec, Spec]:
    """`sort` along a dimension counted from the front."""
    _refuse_complex("sort", input)
    shape = input._array.shape
    return Spec(shape, input.dtype), Spec(shape, dtypes.int64)


@_sort.kernel("cpu", "cuda")
def _sort_kernel(xp, x, dim, descending):
    order = _order(x, dim, descending)
    return xp.take_along_axis(x, order, dim), order


@_sort.vjp
def _sort_vjp(g, dim, indices, input_shape):
    return sum_gathered(g[0], dim, indices, input_shape, True)


@_sort.oracle
def _sort_oracle(x, dim, descending):
    rows = np.moveaxis(x, dim, -1)
    order = np.empty(rows.shape, np.int64)
    for at in np.ndindex(*rows.shape[:-1]):
        order[at] = sorted(
            range(rows.shape[-1]), key=lambda i: -rows[at][i] if descending else rows[at][i]
        )
    order = np.moveaxis(order, -1, dim)
    return np.take_along_axis(x, order, dim), order


@_sort.samples
def _sort_samples(make):
    yield call(make(5), 0, False)
    yield call(make(3, 4), 0, True)
    yield call(make(3, 4), 1, False)
    yield call(make(0, 4), 0, False)


@_sort.rejects
def _sort_rejects(make):
    yield reject(
        RuntimeError, "complex numbers have no order", make(3, dtype=dtypes.complex64), 0, False
    )


def _at_least_1d(x: Tensor) -> Tensor:
    return x if x._array.ndim else reshape(x, (1,))


def _shaped(made: tuple[Tensor, Tensor], x: Tensor, kind: type) -> Any:
    """Two results as a named tuple, without dimensions where ``x`` has none."""
    if not x._array.ndim:
        made = tuple([not_a_view(reshape(r, ())) for r in made])
    return kind(made)


@exported("torch", "Tensor")
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False, out: Any = None
) -> Any:
    """The elements along a dimension in order, and where each was.

    Args:
        descending: the largest first.
        stable: equal elements keep their order; they always do here.

    Returns:
        A named tuple ``(values, indices)``. NaN counts as the largest.

    Raises:
        IndexError: there is no dimension ``dim``.
        RuntimeError: the tensor is complex.

    >>> rushlight.sort(rushlight.tensor([3, 1, 2]))
    torch.return_types.sort(
    values=tensor([1, 2, 3]),
    indices=tensor([1, 2, 0]))
    """
    dim = wrap_dim(dim, input._array.ndim)
    made = _shaped(_sort(_at_least_1d(input), dim, bool(descending)), input, _Sorted)
    return made if out is None else _Sorted([write_out(o, r) for o, r in zip(out, made)])


@exported("torch", "Tensor")
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The places of the elements along a dimension in order: the second result of `sort`.

    >>> rushlight.argsort(rushlight.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return sort(input, dim, descending, stable=stable)[1]


@exported("torch", "Tensor")
def msort(input: Tensor) -> Tensor:
    """The elements in order along the first dimension.

    >>> rushlight.msort(rushlight.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return sort(input, 0)[0]


@primitive(outputs=("values", "indices"), differentiable=1, node_name="TopkBackward0")
def _topk(input: Tensor, k: int, dim: int, largest: bool) -> tuple[Spec, Spec]:
    """`topk` along a dimension counted from the front."""
    _refuse_complex("topk", input)
    shape = input._array.shape
    if not 0 <= k <= shape[dim]:
        raise RuntimeError(
            f"selected index k out of range: k is {k}, but dimension {dim} has {shape[dim]} elements"
        )
    shape = (*shape[:dim], k, *shape[dim + 1 :])
    return Spec(shape, input.dtype), Spec(shape, dtypes.int64)


@_topk.kernel("cpu", "cuda")
def _topk_kernel(xp, x, k, dim, largest):
    n = x.shape[dim]
    first = (slice(None),) * dim + (slice(k),)
    if n < 32 or k * 4 > n or not k:
        order = xp.ascontiguousarray(_order(x, dim, largest)[first])
        return xp.take_along_axis(x, order, dim), order
    if largest:
        some = xp.argpartition(x, n - k, dim)[(slice(None),) * dim + (slice(n - k, None),)]
    else:
        some = xp.argpartition(x, k - 1, dim)[first]
    some = xp.sort(some, dim)
    order = xp.take_along_axis(some, _order(xp.take_along_axis(x, some, dim), dim, largest), dim)
    return xp.take_along_axis(x, order, dim), order


@_topk.vjp
def _topk_vjp(g, dim, indices, input_shape):
    return sum_gathered(g[0], dim, indices, input_shape, True)


@_topk.oracle
def _topk_oracle(x, k, dim, largest):
    values, order = _sort_oracle(x, dim, largest)
    return np.take(values, range(k), dim), np.take(order, range(k), dim)


@_topk.samples
def _topk_samples(make):
    yield call(make(5), 2, 0, True)
    yield call(make(3, 40), 3, 1, True)
    yield call(make(40, 2), 3, 0, False)
    yield call(make(3, 4), 0, 1, True)


@_topk.rejects
def _topk_rejects(make):
    yield reject(RuntimeError, "k is 4, but dimension 0 has 3 elements", make(3), 4, 0, True)


@exported("torch", "Tensor")
def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Any = None,
) -> Any:
    """The ``k`` largest (or smallest) elements along a dimension, in order, and where they are.

    Args:
        largest: False for the smallest.

    Returns:
        A named tuple ``(values, indices)``.

    Raises:
        RuntimeError: there are fewer than ``k`` elements.

    >>> rushlight.topk(rushlight.tensor([3, 1, 2]), 2).values
    tensor([3, 2])
    """
    dim = wrap_dim(dim, input._array.ndim)
    x = _at_least_1d(input)
    made = _topk(x, int(k), dim, bool(largest))
    made = _shaped(made, input, _TopK) if k == 1 else _TopK(made)
    return made if out is None else _TopK([write_out(o, r) for o, r in zip(out, made)])


@primitive(outputs=("values", "indices"), differentiable=1, node_name="KthvalueBackward0")
def _kthvalue(input: Tensor, k: int, dim: int) -> tuple[Spec, Spec]:
    """`kthvalue` with the dimension counted from the front, and kept."""
    _refuse_complex("kthvalue", input)
    shape = input._array.shape
    if not 1 <= k <= shape[dim]:
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {dim}: "
            f"k is {k}, and must lie in 1 to {shape[dim]}"
        )
    shape = (*shape[:dim], 1, *shape[dim + 1 :])
    return Spec(shape, input.dtype), Spec(shape, dtypes.int64)


@_kthvalue.kernel("cpu", "cuda")
def _kthvalue_kernel(xp, x, k, dim):
    order = xp.argpartition(x, k - 1, dim)[(slice(None),) * dim + (slice(k - 1, k),)].copy()
    return xp.take_along_axis(x, order, dim), order


@_kthvalue.vjp
def _kthvalue_vjp(g, dim, indices, input_shape):
    return sum_gathered(g[0], dim, indices, input_shape, True)


@_kthvalue.oracle
def _kthvalue_oracle(x, k, dim):
    values, order = _sort_oracle(x, dim, False)
    return np.take(values, [k - 1], dim), np.take(order, [k - 1], dim)


@_kthvalue.samples
def _kthvalue_samples(make):
    yield call(make(5), 2, 0)
    yield call(make(3, 4), 3, 0)


@_kthvalue.rejects
def _kthvalue_rejects(make):
    yield reject(RuntimeError, "k is 4, and must lie in 1 to 3", make(3), 4, 0)


@exported("torch", "Tensor")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest element along a dimension, counted from 1, and where it is.

    Returns:
        A named tuple ``(values, indices)``.

    Raises:
        RuntimeError: there are fewer than ``k`` elements.

    >>> rushlight.kthvalue(rushlight.tensor([3, 1, 2]), 2).values
    tensor(2)
    """
    dim = wrap_dim(dim, input._array.ndim)
    made = _kthvalue(_at_least_1d(input), int(k), dim)
    if not keepdim or not input._array.ndim:
        made = [not_a_view(r.squeeze(dim)) for r in made]
    return _Kth(made)
