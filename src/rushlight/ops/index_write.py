"""Writing at the indices of one dimension, and where a mask is True."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Number, Spec, call, exported, primitive, reject
from ..tensor import Tensor, wrap
from .creation import write_out
from .gather import check_index
from .taking import (
    add_slices,
    adds_natively,
    at_index,
    at_mask,
    check_known,
    check_range,
    put_at,
    sample_mask,
)
from .view import broadcast_tensors, not_a_view, reshape, wrap_dim
from .write import element, masked_fill

_EVERYTHING = slice(None)


def _slices(dim: int, index: np.ndarray) -> tuple:
    return (_EVERYTHING,) * dim + (index,)


def _check_slices(
    name: str, input: Tensor, source: Tensor, dim: int, index: Tensor, error: type
) -> None:
    """Checks that ``source`` has one slice of ``input`` along ``dim`` for each index; ``error`` where one is wrong."""
    shape, found = input._array.shape, source._array.shape
    wanted = (*shape[:dim], index._array.size, *shape[dim + 1 :])
    if found != wanted:
        same_rest = found[:dim] + found[dim + 1 :] == wanted[:dim] + wanted[dim + 1 :]
        raise (error if same_rest else RuntimeError)(
            f"{name}(): source/destination must have same slice shapes: {index._array.size} indices along "
            f"dimension {dim} of {list(shape)} need a source of shape {list(wanted)}, but got {list(found)}"
        )
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"{name}(): self and source expected to have the same dtype, but got (self) {input.dtype} and "
            f"(source) {source.dtype}"
        )
    check_range(shape, dim, index._array, from_end=False, error=error)


@primitive(node_name="IndexAddBackward0")
def _index_add(input: Tensor, source: Tensor, dim: int, index: Tensor) -> Spec:
    """`index_add` with checked arguments."""
    _check_slices("index_add", input, source, dim, index, RuntimeError)
    return Spec(input._array.shape, input.dtype)


@_index_add.kernel("cpu", "cuda", writes=True)
def _index_add_kernel(xp, x, source, dim, index, out=None):
    out = x.copy() if out is None else out
    if out.flags.c_contiguous:
        add_slices(out, dim, index, source)
    else:
        xp.add.at(out, _slices(dim, index), source)
    return out


@_index_add.kernel(
    "cpu",
    when=lambda x, source, dim, index: x.flags.c_contiguous and adds_natively(source, index),
    writes=True,
)
def _index_add_native(xp, x, source, dim, index, out=None):
    out = x.copy() if out is None else out
    native.extension.add_slices(source, index, dim, out)
    return out


_index_add.vjp(input=lambda g: g, source=lambda g, dim, index: at_index(g, index, dim))


@_index_add.oracle
def _index_add_oracle(x, source, dim, index):
    out = np.array(x)
    for i, row in zip(index, np.moveaxis(source, dim, 0)):
        np.moveaxis(out, dim, 0)[i] += row
    return out


@_index_add.samples
def _index_add_samples(make):
    index = wrap(np.array([0, 2, 2]))
    yield call(make(3, 4), make(3, 4), 0, index)
    yield call(make(2, 3, 2), make(2, 3, 2), 1, index)
    yield call(make(4), make(3), 0, index)


@_index_add.rejects
def _index_add_rejects(make):
    index = wrap(np.array([0, 3]))
    yield reject(
        RuntimeError,
        "index 3 is out of bounds for dimension 0 with size 3",
        make(3, 2),
        make(2, 2),
        0,
        index,
    )
    yield reject(
        RuntimeError,
        "need a source of shape [2, 2], but got [1, 2]",
        make(3, 2),
        make(1, 2),
        0,
        index,
    )


@primitive(node_name="IndexCopyBackward0")
def _index_copy(input: Tensor, source: Tensor, dim: int, index: Tensor) -> Spec:
    """`index_copy` with checked arguments."""
    _check_slices("index_copy", input, source, dim, index, IndexError)
    return Spec(input._array.shape, input.dtype)


@_index_copy.kernel("cpu", "cuda", writes=True)
def _index_copy_kernel(xp, x, source, dim, index, out=None):
    out = x.copy() if out is None else out
    out[_slices(dim, index)] = source
    return out


_index_copy.vjp(
    input=lambda g, dim, index: _index_fill(g, dim, index, 0),
    source=lambda g, dim, index: at_index(g, index, dim),
)


@_index_copy.oracle
def _index_copy_oracle(x, source, dim, index):
    out = np.array(x)
    for i, row in zip(index, np.moveaxis(source, dim, 0)):
        np.moveaxis(out, dim, 0)[i] = row
    return out


@_index_copy.samples
def _index_copy_samples(make):
    index = wrap(np.array([2, 0]))
    yield call(make(3, 4), make(2, 4), 0, index)
    yield call(make(2, 3), make(2, 2), 1, index)


@_index_copy.rejects
def _index_copy_rejects(make):
    index = wrap(np.array([0, -1]))
    yield reject(
        IndexError,
        "index -1 is out of bounds for dimension 0 with size 3",
        make(3),
        make(2),
        0,
        index,
    )
    yield reject(
        RuntimeError,
        "need a source of shape [2, 2], but got [2, 1]",
        make(3, 2),
        make(2, 1),
        0,
        index,
    )


@primitive(node_name="IndexFillBackward0")
def _index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Spec:
    """`index_fill` with checked arguments."""
    check_range(input._array.shape, dim, index._array)
    return Spec(input._array.shape, input.dtype)


@_index_fill.kernel("cpu", "cuda", writes=True)
def _index_fill_kernel(xp, x, dim, index, value, out=None):
    out = x.copy() if out is None else out
    out[_slices(dim, index)] = value
    return out


_index_fill.vjp(
    input=lambda g, dim, index: _index_fill(g, dim, index, 0),
    value=lambda g, dim, index: at_index(g, index, dim).sum(),
)


@_index_fill.oracle
def _index_fill_oracle(x, dim, index, value):
    out = np.array(x)
    for i in index:
        np.moveaxis(out, dim, 0)[i] = value
    return out


@_index_fill.samples
def _index_fill_samples(make):
    index = wrap(np.array([2, 0]))
    yield call(make(3, 4), 0, index, 1.5)
    yield call(make(2, 3), 1, index, make(()))


@_index_fill.rejects
def _index_fill_rejects(make):
    index = wrap(np.array([3]))
    yield reject(
        IndexError, "index 3 is out of bounds for dimension 0 with size 3", make(3), 0, index, 1.0
    )


def _arguments(name: str, x: Tensor, dim: int, index: Any) -> tuple[int, Tensor]:
    check_index(name, index, error=IndexError if name == "index_fill" else RuntimeError)
    return wrap_dim(dim, x._array.ndim), index if index._array.ndim else reshape(index, (1,))


def _along_dim(
    name: str, op: Any, x: Tensor, dim: int, index: Any, source: Tensor, write: bool
) -> Tensor:
    """Runs an op of a source with one slice for each index, in place or not; 0-dim tensors as ``(1,)``."""
    if not isinstance(source, Tensor):
        raise TypeError(f"{name}(): argument 'source' must be Tensor, not {type(source).__name__}")
    dim, index = _arguments(name, x, dim, index)
    if not source._array.ndim:
        source = reshape(source, (1,))
    if not x._array.ndim:
        made = not_a_view(reshape(op(reshape(x, (1,)), source, 0, index), ()))
        return x.copy_(made) if write else made
    return op.op.write((x, source, dim, index)) if write else op(x, source, dim, index)


@exported("torch", "Tensor")
def index_add(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of ``input`` with the slices of ``source`` added at the places of ``index`` along ``dim``.

    Args:
        index: one-dimensional, int64 or int32; a place may occur more than once.
        source: the shape of ``input``, but along ``dim`` one slice for each index.
        alpha: a factor for ``source``.

    Raises:
        IndexError: an index is out of range.
        RuntimeError: shapes or dtypes do not fit.

    >>> rushlight.zeros(3).index_add(0, rushlight.tensor([0, 2, 2]), rushlight.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    made = _along_dim("index_add", _index_add, input, dim, index, _scaled(source, alpha), False)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """`index_add`, written into this tensor, which is returned."""
    return _along_dim("index_add", _index_add, self, dim, index, _scaled(source, alpha), True)


def _scaled(source: Any, alpha: Any) -> Any:
    return source if alpha == 1 else source * alpha


@exported("torch", "Tensor", autocast={"cpu": "promote"})
def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """A copy of ``input`` with the slices of ``source`` written at the places of ``index`` along ``dim``.

    Raises:
        IndexError: an index is out of range.
        RuntimeError: shapes or dtypes do not fit.

    >>> rushlight.zeros(3).index_copy(0, rushlight.tensor([2]), rushlight.tensor([4.0]))
    tensor([0., 0., 4.])
    """
    made = _along_dim("index_copy", _index_copy, input, dim, index, source, False)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`index_copy`, written into this tensor, which is returned."""
    return _along_dim("index_copy", _index_copy, self, dim, index, source, True)


def _fill_value(x: Tensor, value: Any) -> Any:
    if not isinstance(value, Tensor):
        return element(value, x.dtype)
    if value._array.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value._array.ndim} dimension(s)."
        )
    return value


@exported("torch", "Tensor")
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of ``input`` with one value in the slices at the places of ``index`` along ``dim``.

    >>> rushlight.zeros(3).index_fill(0, rushlight.tensor([0, 2]), 1.0)
    tensor([1., 0., 1.])
    """
    dim, index = _arguments("index_fill", input, dim, index)
    if not input._array.ndim:
        made = _index_fill(reshape(input, (1,)), 0, index, _fill_value(input, value))
        return not_a_view(reshape(made, ()))
    return _index_fill(input, dim, index, _fill_value(input, value))


@exported("Tensor")
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`index_fill`, written into this tensor, which is returned."""
    dim, index = _arguments("index_fill", self, dim, index)
    if not self._array.ndim:
        return self.copy_(index_fill(self, dim, index, value))
    return _index_fill.op.write((self, dim, index, _fill_value(self, value)))


@exported("torch", "Tensor")
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with elements written at places counted through all dimensions.

    >>> rushlight.zeros(2, 2).put(rushlight.tensor([3]), rushlight.tensor([5.0]))
    tensor([[0., 0.],
            [0., 5.]])
    """
    return put_at(input, *_put_arguments(input, index, source), accumulate)


@exported("Tensor")
def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`put`, written into this tensor, which is returned."""
    return put_at.op.write((self, *_put_arguments(self, index, source), accumulate))


def _put_arguments(x: Tensor, index: Tensor, source: Tensor) -> tuple[tuple, Tensor]:
    """The NumPy key of an index through all dimensions, and the source in the index's shape."""
    check_index("put_", index, vector=False)
    if index._array.size != source._array.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source._array.size}, index.numel() = {index._array.size}"
        )
    count = x._array.size
    check_range((count,), 0, index._array)
    places = np.where(index._array < 0, index._array + count, index._array)
    return np.unravel_index(places, x._array.shape), reshape(source, index._array.shape)


# ---- masks ------------------------------------------------------------------------------------------


def _check_mask(name: str, mask: Any) -> None:
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name}(): argument 'mask' must be Tensor, not {type(mask).__name__}")
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"{name}: expected BoolTensor for mask, but got {mask.dtype}; make one by a comparison, or with .bool()"
        )


@exported("torch", "Tensor")
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where a mask is True, in one dimension; both broadcast.

    Raises:
        RuntimeError: the mask is not bool, or the shapes do not broadcast.

    >>> x = rushlight.tensor([[1, 2], [3, 4]])
    >>> rushlight.masked_select(x, x > 2)
    tensor([3, 4])
    """
    _check_mask("masked_select", mask)
    if input._array.shape != mask._array.shape:
        input, mask = broadcast_tensors(input, mask)
    if not input._array.ndim:
        input, mask = reshape(input, (1,)), reshape(mask, (1,))
    made = at_mask(input, mask, 0)
    return made if out is None else write_out(out, made)


@primitive(node_name="MaskedScatterBackward0")
def _masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Spec:
    """`masked_scatter` with a mask of the shape of ``input``."""
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and {source.dtype}"
        )
    return Spec(input._array.shape, input.dtype)


@_masked_scatter.kernel("cpu", "cuda", writes=True)
def _masked_scatter_kernel(xp, x, mask, source, out=None):
    count = int(xp.count_nonzero(mask))
    if source.size < count:
        raise ValueError(
            f"expected self to have no more elements where mask is True than source: {count} and {source.size}"
        )
    out = x.copy() if out is None else out
    out[mask] = source.reshape(-1)[:count]
    return out


_masked_scatter.vjp(
    input=lambda g, mask: masked_fill(g, mask, 0),
    source=lambda g, mask, source_shape: _first(at_mask(g, mask, 0), source_shape),
)


def _first(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``values`` as the first elements of a tensor of ``shape``, zeros after them."""
    missing = math.prod(shape) - values._array.size
    if missing:
        from .join import cat

        values = cat([values, values.new_zeros(missing)])
    return reshape(values, shape)


@_masked_scatter.oracle
def _masked_scatter_oracle(x, mask, source):
    values = iter(source.ravel())
    return np.array([next(values) if m else e for e, m in zip(x.ravel(), mask.ravel())]).reshape(
        x.shape
    )


@_masked_scatter.samples
def _masked_scatter_samples(make):
    yield call(make(3, 4), sample_mask(3, 4), make(12))
    yield call(make(5), sample_mask(5), make(3, 2))


@_masked_scatter.rejects
def _masked_scatter_rejects(make):
    yield reject(
        RuntimeError,
        "elements where mask is True than source: 3 and 2",
        make(5),
        sample_mask(5),
        make(2),
    )
    yield reject(RuntimeError, "same dtypes", make(2), sample_mask(2), make(2, dtype=dtypes.int64))


@exported("torch", "Tensor")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``input`` with the elements of ``source``, in order, where a mask is True; input and mask broadcast.

    Raises:
        RuntimeError: the mask is not bool, or ``source`` has too few elements.

    >>> x = rushlight.zeros(3)
    >>> x.masked_scatter(rushlight.tensor([True, False, True]), rushlight.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    _check_mask("masked_scatter", mask)
    if input._array.shape != mask._array.shape:
        input, mask = broadcast_tensors(input, mask)
    return _masked_scatter(input, mask, source)


@exported("Tensor")
def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`masked_scatter`, written into this tensor, which is returned."""
    _check_mask("masked_scatter_", mask)
    if self._array.shape != mask._array.shape:
        mask = mask.expand(self._array.shape)
    return _masked_scatter.op.write((self, mask, source))


@primitive()
def _nonzero(input: Tensor) -> Spec:
    """`nonzero`: the places in rows."""
    check_known("nonzero", input)
    return Spec((int(np.count_nonzero(input._array)), input._array.ndim), dtypes.int64)


@_nonzero.kernel("cpu", "cuda")
def _nonzero_kernel(xp, x):
    if not x.ndim:
        return xp.empty((int(bool(x)), 0), np.int64)
    return xp.argwhere(x)


@_nonzero.oracle
def _nonzero_oracle(x):
    return np.array([at for at in np.ndindex(*x.shape) if x[at] != 0]).reshape(-1, x.ndim)


@_nonzero.samples
def _nonzero_samples(make):
    yield call(sample_mask(3, 4))
    yield call(make(5))


@exported("torch", "Tensor")
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Tensor | None = None) -> Any:
    """Where the elements that are not zero are.

    Args:
        as_tuple: give one index tensor for each dimension, as square brackets take them.

    Returns:
        int64 ``(count, ndim)``, one row for each; or a tuple.

    >>> rushlight.nonzero(rushlight.tensor([0, 3, 0, 4]))
    tensor([[1],
            [3]])
    """
    if as_tuple:
        found = _nonzero(input if input._array.ndim else reshape(input, (1,)))
        return tuple(found.t().contiguous().unbind(0))
    made = _nonzero(input)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def argwhere(input: Tensor) -> Tensor:
    """`nonzero` in rows.

    >>> rushlight.argwhere(rushlight.tensor([[0, 1], [1, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    return _nonzero(input)


@primitive("nn.functional")
def one_hot(input: Tensor, num_classes: int = -1) -> Spec:
    """Each class index as a row of zeros with a one at its place.

    Args:
        input: int64, from 0 on, of any shape.
        num_classes: the length of the rows; by default one more than the largest index.

    Returns:
        int64, with a last dimension of ``num_classes``.

    Raises:
        RuntimeError: the dtype is not int64, or an index does not fit.

    >>> nn.functional.one_hot(rushlight.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if input.dtype is not dtypes.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor, but got {input.dtype}; "
            "convert it with .long()"
        )
    if num_classes == -1:
        check_known("one_hot without num_classes", input)
    array = input._array
    if input.is_meta:
        return Spec((*array.shape, num_classes), dtypes.int64)
    if not array.size and num_classes <= 0:
        raise RuntimeError(
            "Can not infer total number of classes from empty tensor: pass num_classes"
        )
    if array.size and array.min() < 0:
        raise RuntimeError(f"Class values must be non-negative, but the smallest is {array.min()}")
    if num_classes != -1 and num_classes < 1:
        raise RuntimeError(f"num_classes should be positive, not {num_classes}")
    if num_classes != -1 and array.size and array.max() >= num_classes:
        raise RuntimeError(
            f"Class values must be smaller than num_classes, but {array.max()} is not below {num_classes}"
        )
    return Spec(
        (*array.shape, int(array.max()) + 1 if num_classes == -1 else num_classes), dtypes.int64
    )


@one_hot.kernel("cpu", "cuda")
def _one_hot(xp, x, num_classes):
    n = int(x.max()) + 1 if num_classes == -1 else num_classes
    out = xp.zeros((x.size, n), np.int64)
    out[xp.arange(x.size), x.reshape(-1)] = 1
    return out.reshape(*x.shape, n)


@one_hot.oracle
def _one_hot_oracle(x, num_classes=-1):
    return np.eye(int(x.max()) + 1 if num_classes == -1 else num_classes)[x]


@one_hot.samples
def _one_hot_samples(make):
    yield call(wrap(np.array([0, 2, 1])), 3)
    yield call(wrap(np.array([[0, 2], [1, 1]])), 4)


@one_hot.rejects
def _one_hot_rejects(make):
    yield reject(RuntimeError, "LongTensor", make(3))
    yield reject(RuntimeError, "3 is not below 3", wrap(np.array([3])), 3)
    yield reject(RuntimeError, "must be non-negative", wrap(np.array([-1])), 3)
