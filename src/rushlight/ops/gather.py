"""Reading at indices along one dimension: `index_select`, `gather`, `take` and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor, values_of, wrap
from .creation import write_out
from .taking import at_index, check_range
from .view import broadcast_shapes, expand, not_a_view, reshape, wrap_dim


def check_index(name: str, index: Any, *, vector: bool = True, error: type = RuntimeError) -> None:
    """Refuses what is no tensor of int64 or int32, or has more than one dimension where one is wanted.

    Raises:
        TypeError: it is no tensor.
        RuntimeError: the dtype is wrong (or what ``error`` says).
        IndexError: it has more than one dimension.
    """
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        raise error(
            f"{name}(): Expected dtype int32/int64 for index, but got {index.dtype}; convert it with .long()"
        )
    if vector and index._array.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got shape {list(index._array.shape)}"
        )


@exported("torch", "Tensor")
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of a dimension at the places of ``index``.

    Args:
        index: one-dimensional, int64 or int32; each from 0 to the length of the dimension less 1.

    Raises:
        IndexError: an index is out of range, or is no integer.

    >>> rushlight.index_select(rushlight.tensor([10, 20, 30]), 0, rushlight.tensor([2, 0]))
    tensor([30, 10])
    """
    check_index("index_select", index)
    dim = wrap_dim(dim, input._array.ndim)
    # Only square brackets count from the end.
    check_range(input._array.shape or (1,), dim, values_of(index), from_end=False)
    if not index._array.ndim:
        index = reshape(index, (1,))
    if not input._array.ndim:
        made = at_index(reshape(input, (1,)), index, 0)
        made = not_a_view(reshape(made, ())) if index._array.size == 1 else made
    else:
        made = at_index(input, index, dim)
    return made if out is None else write_out(out, made)


# ---- gather and scatter -----------------------------------------------------------------------------


def check_gather(name: str, shape: tuple[int, ...], dim: int, index: Tensor) -> None:
    """Checks an index of `gather` or `scatter` against the tensor it points into."""
    found = index._array.shape
    if len(found) != len(shape) and (found or shape) and not (len(found) + len(shape) == 1):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor, but got "
            f"{list(found)} and {list(shape)}"
        )
    for d, (n, size) in enumerate(zip(found, shape)):
        if n > size and d != dim:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {list(found)} to be no larger than "
                f"self {list(shape)} apart from dimension {dim}"
            )
    check_range(shape or (1,), dim, index._array, from_end=False, error=RuntimeError)


def along(shape: tuple[int, ...], dim: int, index: np.ndarray) -> tuple:
    """The NumPy key that an index of `gather` stands for: its own place in all dimensions but ``dim``."""
    key: list[Any] = list(np.ogrid[tuple(map(slice, index.shape))])
    key[dim] = index
    return tuple(key)


@primitive(node_name="GatherBackward0")
def gather_at(input: Tensor, dim: int, index: Tensor) -> Spec:
    """`gather` where both have as many dimensions, at least one."""
    check_gather("gather", input._array.shape, dim, index)
    return Spec(index._array.shape, input.dtype)


@gather_at.kernel("cpu", "cuda")
def _gather_kernel(xp, x, dim, index):
    return xp.ascontiguousarray(x[along(x.shape, dim, index)])


gather_at.vjp(input=lambda g, dim, index, input_shape: sum_gathered(g, dim, index, input_shape))


@gather_at.oracle
def _gather_oracle(x, dim, index):
    out = np.empty(index.shape)
    for at in np.ndindex(*index.shape):
        out[at] = x[(*at[:dim], index[at], *at[dim + 1 :])]
    return out


@gather_at.samples
def _gather_samples(make):
    index = wrap(np.array([[0, 2, 2], [1, 1, 0]]))
    yield call(make(3, 3), 0, index)
    yield call(make(2, 3), 1, index)
    yield call(make(2, 4), 1, wrap(np.array([[3], [0]])))
    yield call(make(4, 5), 0, wrap(np.array([[3, 1]])))
    yield call(make(4, 5), 1, wrap(np.zeros((0, 3), np.int64)))


@gather_at.rejects
def _gather_rejects(make):
    def index(values):
        return wrap(np.array(values))

    x = make(1, 3)
    yield reject(
        RuntimeError, "index 3 is out of bounds for dimension 1 with size 3", x, 1, index([[3]])
    )
    yield reject(RuntimeError, "index -1 is out of bounds", x, 1, index([[-1]]))
    yield reject(RuntimeError, "same number of dimensions", x, 1, index([0]))
    yield reject(RuntimeError, "Size does not match at dimension 0", x, 1, index([[0], [0]]))


@primitive()
def sum_gathered(
    input: Tensor, dim: int, index: Tensor, shape: tuple[int, ...], distinct: bool = False
) -> Spec:
    """Zeros of ``shape`` with ``input`` added where the index points: the reverse of `gather`.

    Args:
        distinct: whether no place occurs twice.
    """
    return Spec(shape, input.dtype)


@sum_gathered.kernel("cpu", "cuda")
def _sum_gathered(xp, x, dim, index, shape, distinct):
    out = xp.zeros(shape, x.dtype)
    key = along(shape, dim, index)
    if distinct or index.shape[dim] <= 1:
        out[key] = x
    else:
        positions = np.ravel_multi_index(key, shape)
        xp.add.at(out.reshape(-1), positions.reshape(-1), x.reshape(-1))
    return out


sum_gathered.vjp(input=lambda g, dim, index: gather_at(g, dim, index))


@sum_gathered.oracle
def _sum_gathered_oracle(x, dim, index, shape, distinct=False):
    out = np.zeros(shape)
    for at in np.ndindex(*index.shape):
        out[(*at[:dim], index[at], *at[dim + 1 :])] += x[at]
    return out


@sum_gathered.samples
def _sum_gathered_samples(make):
    yield call(make(2, 3), 0, wrap(np.array([[0, 2, 2], [1, 2, 0]])), (3, 4))
    yield call(make(2, 1), 1, wrap(np.array([[3], [0]])), (2, 4))


@exported("torch", "Tensor")
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None
) -> Tensor:
    """For each element of ``index``, the element of ``input`` at that place along ``dim``.

    Args:
        index: int64, with as many dimensions as ``input``; nowhere longer but along ``dim``.

    Returns:
        The shape of ``index``: ``out[i][j] = input[i][index[i][j]]`` for ``dim=1``.

    Raises:
        RuntimeError: an index is out of range, or the shapes do not fit.

    >>> rushlight.gather(rushlight.tensor([[1, 2], [3, 4]]), 1, rushlight.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    index = gather_index("gather", index)
    dim = wrap_dim(dim, input._array.ndim)
    if not input._array.ndim or not index._array.ndim:
        check_gather("gather", input._array.shape, dim, index)
        made = at_index(reshape(input, (-1,)), index, 0)
    elif not index._array.size and index._array.ndim != input._array.ndim:
        made = input.new_empty(index._array.shape)
    else:
        made = gather_at(input, dim, index)
    return made if out is None else write_out(out, made)


def gather_index(name: str, index: Any) -> Tensor:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.dtype is not dtypes.int64 and index.dtype is not dtypes.int32:
        raise RuntimeError(
            f"{name}(): Expected dtype int32/int64 for index, but got {index.dtype}; convert it with .long()"
        )
    return index


@exported("torch", "Tensor")
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`gather` where the dimensions other than ``dim`` broadcast.

    Args:
        indices: as `argsort` and `argmax` give them.
        dim: by default both are flattened first.

    >>> x = rushlight.tensor([[10, 30, 20]])
    >>> rushlight.take_along_dim(x, x.argsort(dim=1), dim=1)
    tensor([[10, 20, 30]])
    """
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.legacy}"
        )
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)), out=out)
    if input._array.ndim != indices._array.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input._array.ndim} dimensions for input, and {indices._array.ndim} dimensions for indices"
        )
    dim = wrap_dim(dim, input._array.ndim)

    def without(shape: tuple[int, ...]) -> list[int]:
        return [1 if i == dim else n for i, n in enumerate(shape)]

    common = list(broadcast_shapes(without(input._array.shape), without(indices._array.shape)))
    sized = [list(common), list(common)]
    for shape, x in zip(sized, (input, indices)):
        shape[dim] = x._array.shape[dim]
    return gather(expand(input, sized[0]), dim, expand(indices, sized[1]), out=out)


@exported("torch", "Tensor")
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at places counted through all dimensions.

    Args:
        index: int64 of any shape, which the result takes.

    Raises:
        IndexError: an index is out of range.

    >>> rushlight.take(rushlight.tensor([[1, 2], [3, 4]]), rushlight.tensor([0, 3]))
    tensor([1, 4])
    """
    if not isinstance(index, Tensor):
        raise TypeError(
            f"take(): argument 'index' (position 2) must be Tensor, not {type(index).__name__}"
        )
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    return at_index(reshape(input, (-1,)), index, 0)
