"""Indexing with square brackets, reading and writing.

A key is read in two steps, as PyTorch reads it: ints, slices, None and the ellipsis take a view, then
masks and index tensors copy from that view. So an int beside an index tensor selects first; NumPy would
broadcast it with the indices.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..autograd.modes import state
from ..autograd.views import history
from ..primitive import Number, Spec, call, exported, is_channels_last, primitive, reject
from ..tensor import MetaArray, Tensor, values_of, wrap
from .values import array_of
from .family import broadcast
from .part import item_at, sliced, whole, with_new_dims
from .write import copy_, element, fill_, fill_where

_PLAIN = (int, type(None))
_EVERYTHING = slice(None)


def getitem(self: Tensor, key: Any) -> Tensor:
    """``self[key]``: a view for ints, slices, None and ``...``; a copy for masks and index tensors.

    Raises:
        IndexError: an index is out of range, there are too many, or something cannot be an index.
        ValueError: a slice has a step that is not positive.
    """
    kind = type(key)
    if kind is int:
        return item_at(self, (key, Ellipsis))
    if kind is slice and key.step is None and type(key.start) in _PLAIN and type(key.stop) in _PLAIN:
        return sliced(self, (key, Ellipsis))
    if kind is Tensor and key._array.ndim:
        number = key._array.dtype.num
        if number == _BOOL:
            return at_mask(self, key, 0)
        if number == _LONG:
            return at_index(self, key, 0)
    found = read_key(self, key)
    x = self if found.take is None else found.take(self, found.basic)
    advanced = found.advanced
    if not advanced:
        return x
    if len(advanced) == 1:
        dim, index = advanced[0]
        return at_mask(x, index, dim) if index._array.dtype.num == _BOOL else at_index(x, index, dim)
    return at_indices(x, array_key(x, advanced))


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """``self[key] = value``: a number, or a tensor that broadcasts to what the key takes.

    Raises:
        IndexError, ValueError: as for reading.
        RuntimeError: the value does not broadcast, or does not fit the dtype.
        TypeError: it is neither a number nor a tensor.
    """
    kind = type(key)
    if kind is int:
        x, advanced = item_at(self, (key, Ellipsis)), None
    else:
        found = read_key(self, key)
        x, advanced = self if found.take is None else found.take(self, found.basic), found.advanced
    if not isinstance(value, Tensor):
        if not isinstance(value, Number):
            raise TypeError(
                f"can't assign a {_type_name(value)} to a torch.{self.dtype.legacy}Tensor; "
                "make it a tensor with torch.tensor(...) or torch.from_numpy(...)"
            )
        number = _number(value, self.dtype)
        if not advanced:
            fill_(x, number)
            return
        value = wrap(np.asarray(element(number, self.dtype), self._array.dtype))
    elif value._array.ndim and value._array.shape[0] == 1:
        value = _without_leading_ones(value)
    if not advanced:
        copy_(x, value)
        return
    if len(advanced) == 1 and not value._array.ndim and advanced[0][1]._array.dtype.num == _BOOL:
        dim, mask = advanced[0]
        check_mask(x._array.shape, mask._array.shape, dim)
        after = x._array.ndim - dim - mask._array.ndim
        fill_where(x, mask[(..., *[None] * after)] if after else mask, value)
        return
    put_at.op.write((x, array_key(x, advanced), value, False))


Tensor.__getitem__ = getitem
Tensor.__setitem__ = setitem


def _delitem(self: Tensor, key: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


Tensor.__delitem__ = _delitem

_BOOL = np.dtype(np.bool_).num
_LONG = np.dtype(np.int64).num


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _number(value: Any, dtype: dtypes.dtype) -> Any:
    """The number to assign; what is too large for a half-precision float becomes infinite there."""
    if dtype.itemsize == 2 and dtype.is_floating_point and isinstance(value, (float, np.floating)):
        with np.errstate(over="ignore"):
            return float(dtype.numpy.type(value))
    return value


def _without_leading_ones(value: Tensor) -> Tensor:
    shape = value._array.shape
    first = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return value.reshape(shape[first:])


def _dtypes_differ(x: Tensor, value: Tensor) -> RuntimeError:
    return RuntimeError(
        "Index put requires the source and destination dtypes match, got "
        f"{x.dtype.legacy} for the destination and {value.dtype.legacy} for the source; "
        f"convert the source with .to({x.dtype})"
    )


# ---- reading a key ----------------------------------------------------------------------------------


class Key(NamedTuple):
    """A key in its two steps.

    Attributes:
        take: the view op of the first step; None if it takes everything as it is.
        basic: what that op takes: ints, slices, None and one ellipsis.
        advanced: masks and index tensors, each with the dimension of the view where it starts.
    """

    take: Any
    basic: tuple
    advanced: list[tuple[int, Tensor]]


def read_key(x: Tensor, key: Any) -> Key:
    """The two steps of ``x[key]``.

    Raises:
        IndexError: there are too many indices, a mask does not fit, or something cannot be an index.
        ValueError: a slice has a step that is not positive.
    """
    items: list[Any] = []
    for item in key if type(key) is tuple else _items(key):
        items.append(_item(item))
    shape = x._array.shape
    used = 0
    for item in items:
        if isinstance(item, Tensor):
            used += item._array.ndim if item._array.dtype.num == _BOOL else 1
        elif item is not None and item is not Ellipsis and type(item) is not bool:
            used += 1
    if used > len(shape):
        if not shape and type(items[0]) is int:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use tensor.item() to convert it to a Python number"
            )
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}: {used} were given")
    basic: list[Any] = []
    advanced: list[tuple[int, Tensor]] = []
    take = None
    place = 0  # in the view
    left = len(shape) - used
    for item in items:
        if type(item) is int:
            basic.append(item)
            take = item_at
        elif type(item) is slice:
            basic.append(item)
            place += 1
            if take is None or item != _EVERYTHING:
                take = sliced
        elif item is None:
            basic.append(None)
            place += 1
            take = with_new_dims
        elif item is Ellipsis:
            basic += [_EVERYTHING] * left
            place += left
            left = 0
        elif type(item) is bool:
            basic.append(None)
            advanced.append((place, wrap(np.zeros(int(item), np.int64))))
            place += 1
            take = take or with_new_dims
        else:
            dims = item._array.ndim if item._array.dtype.num == _BOOL else 1
            basic += [_EVERYTHING] * dims
            advanced.append((place, item))
            place += dims
    if take is None and not advanced:
        take = whole
    elif take is sliced and advanced and all(item == _EVERYTHING for item in basic):
        take = None
    basic.append(Ellipsis)
    return Key(take, tuple(basic), advanced)


def _items(key: Any) -> tuple:
    """The items of a key that is no tuple: a list of other than numbers stands for a tuple."""
    if (
        isinstance(key, list)
        and len(key) < 32
        and any(i is None or i is Ellipsis or isinstance(i, (slice, list, tuple, Tensor)) for i in key)
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated; use x[tuple(key)] "
            "for one index per dimension, or x[torch.tensor(key)] for a table of indices",
            UserWarning,
            stacklevel=4,
        )
        return tuple(key)
    return (key,)


def _item(item: Any) -> Any:
    """One item of a key as an int, a slice, None, Ellipsis, a bool, a mask or a tensor of indices."""
    kind = type(item)
    if kind is int or item is None or item is Ellipsis or kind is bool:
        return item
    if kind is slice:
        return _checked_slice(item)
    if isinstance(item, np.bool_):
        return bool(item)
    if isinstance(item, np.integer):
        return int(item)
    if not isinstance(item, Tensor):
        if isinstance(item, (np.ndarray, list, tuple, range)) or (
            hasattr(item, "__len__") and hasattr(item, "__getitem__") and not isinstance(item, (str, dict))
        ):
            array = array_of(item, None, copy=False)
            item = wrap(array if array.size else array.astype(np.int64))
        elif hasattr(item, "__index__"):
            return operator.index(item)
        else:
            raise (TypeError if isinstance(item, str) else IndexError)(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
                f"indices (got {_type_name(item)})"
            )
    dtype = item.dtype
    if dtype is dtypes.uint8:
        if item._array.ndim == 0:
            return bool(item)
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
            UserWarning,
            stacklevel=4,
        )
        return wrap(values_of(item) != 0)
    if dtype is not dtypes.bool_ and dtype is not dtypes.int64 and dtype is not dtypes.int32:
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, not {dtype}; "
            "convert it with .long()"
        )
    if item._array.ndim == 0:
        return item.item()
    return item


def _checked_slice(item: slice) -> slice:
    start, stop, step = item.start, item.stop, item.step
    if step is not None:
        step = _slice_part(step)
        if step == 0:
            raise ValueError("slice step cannot be zero")
        if step < 0:
            raise ValueError(f"step must be greater than zero, not {step}; use torch.flip to reverse")
    if type(start) in _PLAIN and type(stop) in _PLAIN and step is item.step:
        return item
    return slice(
        None if start is None else _slice_part(start), None if stop is None else _slice_part(stop), step
    )


def _slice_part(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        if isinstance(value, Tensor):
            raise
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method, "
            f"not {type(value).__name__}"
        ) from None


# ---- masks and index tensors ------------------------------------------------------------------------


def array_key(x: Tensor, advanced: list[tuple[int, Tensor]]) -> tuple:
    """The NumPy key that masks and index tensors make together, in arrays that nobody else changes.

    Raises:
        IndexError: a mask does not fit, or the indices do not broadcast.
    """
    key: list[Any] = []
    for dim, index in advanced:
        key += [_EVERYTHING] * (dim - len(key))
        array = values_of(index)
        if array.dtype.num == _BOOL:
            check_mask(x._array.shape, array.shape, dim)
            key += array.nonzero()
        else:
            key.append(array.copy() if state.grad else array)
    _index_shape(key)
    return tuple(key)


def check_mask(shape: tuple[int, ...], mask_shape: tuple[int, ...], dim: int) -> None:
    """Refuses a mask whose shape is not that of the dimensions of ``shape`` from ``dim`` on.

    Raises:
        IndexError: naming the first dimension that differs.
    """
    if dim + len(mask_shape) > len(shape):
        raise IndexError(
            f"too many indices for tensor of dimension {len(shape)}: "
            f"a mask of {len(mask_shape)} dimensions from dimension {dim} on"
        )
    for i, n in enumerate(mask_shape):
        if n != shape[dim + i]:
            raise IndexError(
                f"The shape of the mask {list(mask_shape)} at index {i} does not match the shape of the "
                f"indexed tensor {list(shape)} at index {dim + i}"
            )


def _index_shape(key: Any) -> tuple[int, ...]:
    """The shape to which the index arrays of a key broadcast."""
    arrays = [item for item in key if isinstance(item, np.ndarray)]
    shape: tuple[int, ...] = ()
    for array in arrays:
        try:
            shape = broadcast(shape, array.shape)
        except RuntimeError:
            shapes = ", ".join(str(list(a.shape)) for a in arrays)
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
            ) from None
    return shape


def key_shape(shape: tuple[int, ...], key: tuple) -> tuple[int, ...]:
    """The shape of what a key of slices and index arrays takes.

    The indices' dimensions stand where the first index array does, if all of them are neighbours, else in front.
    """
    at = [i for i, item in enumerate(key) if isinstance(item, np.ndarray)]
    taken = _index_shape(key)
    kept = [n for i, n in enumerate(shape) if i not in at]
    first = at[0] if at[-1] - at[0] + 1 == len(at) else 0
    return (*kept[:first], *taken, *kept[first:])


def check_indices(shape: tuple[int, ...], key: tuple) -> None:
    """Refuses index arrays that reach outside of ``shape``.

    Raises:
        IndexError: naming the first wrong index, its dimension and that dimension's size.
    """
    for dim, item in enumerate(key):
        if isinstance(item, np.ndarray):
            check_range(shape, dim, item)


def check_range(
    shape: tuple[int, ...], dim: int, index: np.ndarray, *, from_end: bool = True, error: type = IndexError
) -> None:
    """Refuses indices that reach outside of dimension ``dim``.

    Args:
        from_end: whether negative indices count from the end.
        error: what to raise.

    Raises:
        IndexError: naming the first wrong index, the dimension and its size.
    """
    size = shape[dim]
    if type(index) is MetaArray or not index.size or (index.min() >= (-size if from_end else 0) and index.max() < size):
        return
    wrong = (index < (-size if from_end else 0)) | (index >= size)
    found = index.reshape(-1)[wrong.reshape(-1).argmax()]
    raise error(f"index {found} is out of bounds for dimension {dim} with size {size}")


def taken(x: np.ndarray, index: np.ndarray, dim: int) -> np.ndarray:
    """The slices of ``x`` at ``index`` along ``dim``; the index's dimensions take its place."""
    if not x.ndim:
        raise IndexError("too many indices for tensor of dimension 0")
    try:
        if x.flags.c_contiguous:
            return x.take(index, dim)
        # `take` would copy all of a strided array first.
        return ordered(x[(_EVERYTHING,) * dim + (index,)], x)
    except IndexError:
        check_range(x.shape, dim, index)
        raise


def ordered(out: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A part ``out`` of ``x`` in the memory order that PyTorch gives it: contiguous, or channels-last as ``x``."""
    if out.flags.c_contiguous or is_channels_last(x):
        return out
    return np.ascontiguousarray(out)


def summed(shape: tuple[int, ...], key: tuple, values: np.ndarray) -> np.ndarray:
    """Zeros of ``shape`` with ``values`` added where ``key`` points, as often as it points there."""
    out = np.zeros(shape, values.dtype)
    if values.size == 1 or out.ndim == 1:
        np.add.at(out, key, values)
        return out
    # Adding to a flat array takes a fifth of the time that adding slice by slice takes.
    positions = np.arange(out.size).reshape(shape)[key]
    np.add.at(out.reshape(-1), positions.reshape(-1), np.broadcast_to(values, positions.shape).reshape(-1))
    return out


def summed_slices(shape: tuple[int, ...], dim: int, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`summed` for one index array along ``dim``."""
    out = np.zeros(shape, values.dtype)
    add_slices(out, dim, index, values)
    return out


def add_slices(out: np.ndarray, dim: int, index: np.ndarray, values: np.ndarray) -> None:
    """Adds the slices of ``values`` to those of a C-contiguous ``out`` at ``index`` along ``dim``."""
    index = index.reshape(-1)
    if out.ndim > 1:
        shape = out.shape
        before, size = int(np.prod(shape[:dim], dtype=np.int64)), shape[dim]
        after = int(np.prod(shape[dim + 1 :], dtype=np.int64))
        check_range(shape, dim, index)
        rows = np.where(index < 0, index + size, index)
        positions = np.arange(before)[:, None, None] * (size * after) + rows[:, None] * after + np.arange(after)
        index = positions.reshape(-1)
    np.add.at(out.reshape(-1), index, values.reshape(-1))


def sample_mask(*shape: int) -> Tensor:
    """A mask for samples: True at every second place, counted through all dimensions."""
    return wrap(np.arange(int(np.prod(shape))).reshape(shape) % 2 == 0)


def check_known(what: str, x: Tensor) -> None:
    """Refuses a tensor without values where the shape of a result depends on them.

    Raises:
        NotImplementedError: it is on the meta device.
    """
    if x.is_meta:
        raise NotImplementedError(f"{what}: the shape of the result depends on values, and meta tensors have none")


@primitive(node_name="IndexBackward0", checks="failure")
def at_mask(input: Tensor, mask: Tensor, dim: int) -> Spec:
    """The elements or slices where a mask over the dimensions from ``dim`` on is True."""
    shape, mask_shape = input._array.shape, mask._array.shape
    check_mask(shape, mask_shape, dim)
    check_known("indexing with a mask", mask)
    count = int(np.count_nonzero(mask._array))
    return Spec((*shape[:dim], count, *shape[dim + len(mask_shape) :]), input.dtype)


@at_mask.kernel("cpu", "cuda")
def _at_mask(xp, x, mask, dim):
    return ordered(x[(_EVERYTHING,) * dim + (mask,)], x)


at_mask.vjp(input=lambda g, mask, dim, input_shape: put_at_mask(g, mask, dim, input_shape))


@at_mask.oracle
def _at_mask_oracle(x, mask, dim):
    moved = np.moveaxis(x, tuple(range(dim, dim + mask.ndim)), tuple(range(mask.ndim)))
    rows = [moved[tuple(at)] for at in np.argwhere(mask)]
    rows = np.stack(rows) if rows else np.zeros((0, *moved.shape[mask.ndim :]), x.dtype)
    return np.moveaxis(rows, 0, dim)


@at_mask.samples
def _at_mask_samples(make):
    for shape, mask_shape, dim in (((3, 4), (3,), 0), ((3, 4), (4,), 1), ((2, 3, 4), (3, 4), 1), ((5,), (5,), 0)):
        yield call(make(*shape), sample_mask(*mask_shape), dim)
    yield call(make(0, 2), sample_mask(0), 0)


@at_mask.rejects
def _at_mask_rejects(make):
    mask = sample_mask(3)
    yield reject(IndexError, "The shape of the mask [3] at index 0 does not match", make(4, 3), mask, 0)
    yield reject(IndexError, "too many indices for tensor of dimension 1", make(4), mask, 1)


@primitive()
def put_at_mask(input: Tensor, mask: Tensor, dim: int, shape: tuple[int, ...]) -> Spec:
    """Zeros of ``shape`` with ``input`` where the mask is True: the reverse of `at_mask`."""
    return Spec(shape, input.dtype)


@put_at_mask.kernel("cpu", "cuda")
def _put_at_mask(xp, x, mask, dim, shape):
    out = xp.zeros(shape, x.dtype)
    out[(_EVERYTHING,) * dim + (mask,)] = x
    return out


put_at_mask.vjp(input=lambda g, mask, dim: at_mask(g, mask, dim))


@put_at_mask.samples
def _put_at_mask_samples(make):
    yield call(make(2, 4), sample_mask(3), 0, (3, 4))
    yield call(make(2, 6), sample_mask(3, 4), 1, (2, 3, 4))


@put_at_mask.oracle
def _put_at_mask_oracle(x, mask, dim, shape):
    out = np.zeros(shape, x.dtype)
    moved = np.moveaxis(out, tuple(range(dim, dim + mask.ndim)), tuple(range(mask.ndim)))
    for row, at in zip(np.moveaxis(x, dim, 0), np.argwhere(mask)):
        moved[tuple(at)] = row
    return out


@primitive(node_name="IndexBackward0", checks="failure")
def at_index(input: Tensor, index: Tensor, dim: int) -> Spec:
    """The slices at ``index`` along ``dim``; the index's dimensions take the place of that one."""
    shape = input._array.shape
    if dim >= len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    return Spec((*shape[:dim], *index._array.shape, *shape[dim + 1 :]), input.dtype)


@at_index.kernel("cpu", "cuda")
def _at_index(xp, x, index, dim):
    return taken(x, index, dim)


at_index.vjp(input=lambda g, index, dim, input_shape: sum_at_index(g, index, dim, input_shape))


@at_index.oracle
def _at_index_oracle(x, index, dim):
    rows = [np.moveaxis(x, dim, 0)[i] for i in index.ravel()]
    rest = x.shape[:dim] + x.shape[dim + 1 :]
    stacked = np.stack(rows) if rows else np.zeros((0, *rest), x.dtype)
    shaped = stacked.reshape(*index.shape, *rest)
    return np.moveaxis(shaped, tuple(range(index.ndim)), tuple(range(dim, dim + index.ndim)))


@at_index.samples
def _at_index_samples(make):
    for shape, index, dim in (((3, 4), [0, 2, 2], 0), ((3, 4), [[1, -1], [0, 0]], 1), ((3,), [-3], 0)):
        yield call(make(*shape), wrap(np.array(index)), dim)
    yield call(make(3, 2), wrap(np.zeros((0, 2), np.int64)), 0)


@at_index.rejects
def _at_index_rejects(make):
    index = wrap(np.array([0, 3]))
    yield reject(IndexError, "index 3 is out of bounds for dimension 0 with size 3", make(3, 4), index, 0)
    yield reject(IndexError, "index 3 is out of bounds for dimension 1 with size 2", make(4, 2).t().t(), index, 1)
    yield reject(IndexError, "too many indices for tensor of dimension 0", make(()), index, 0)


@primitive()
def sum_at_index(input: Tensor, index: Tensor, dim: int, shape: tuple[int, ...]) -> Spec:
    """Zeros of ``shape`` with the slices of ``input`` added at ``index``: the reverse of `at_index`."""
    return Spec(shape, input.dtype)


@sum_at_index.kernel("cpu", "cuda")
def _sum_at_index(xp, x, index, dim, shape):
    return summed_slices(shape, dim, index, x)


sum_at_index.vjp(input=lambda g, index, dim: at_index(g, index, dim))


@sum_at_index.oracle
def _sum_at_index_oracle(x, index, dim, shape):
    out = np.zeros(shape, x.dtype)
    rows = np.moveaxis(x, tuple(range(dim, dim + index.ndim)), tuple(range(index.ndim)))
    for at in np.ndindex(*index.shape):
        np.moveaxis(out, dim, 0)[index[at]] += rows[at]
    return out


@sum_at_index.samples
def _sum_at_index_samples(make):
    yield call(make(3, 4), wrap(np.array([0, 2, 2])), 0, (5, 4))
    yield call(make(3, 2, 2), wrap(np.array([[1, -1], [0, 0]])), 1, (3, 4))
    yield call(make(3), wrap(np.array([1, 1, -1])), 0, (4,))


@primitive(node_name="IndexBackward0", checks="failure")
def at_indices(input: Tensor, key: tuple) -> Spec:
    """What a key of slices and several index arrays takes."""
    return Spec(key_shape(input._array.shape, key), input.dtype)


@at_indices.kernel("cpu", "cuda")
def _at_indices(xp, x, key):
    try:
        return ordered(x[key], x)
    except IndexError:
        check_indices(x.shape, key)
        raise


at_indices.vjp(input=lambda g, key, input_shape: sum_at_indices(g, key, input_shape))


@at_indices.oracle
def _at_indices_oracle(x, key):
    return np.arange(x.size).reshape(x.shape)[key].astype(float) * 0 + x.ravel()[np.arange(x.size).reshape(x.shape)[key]]


@at_indices.samples
def _at_indices_samples(make):
    rows, columns = np.array([0, 2, 2]), np.array([1, -1, -1])
    yield call(make(3, 4), (rows, columns))
    yield call(make(3, 2, 4), (rows, _EVERYTHING, columns))
    yield call(make(2, 3, 4), (_EVERYTHING, rows[:, None], columns))


@at_indices.rejects
def _at_indices_rejects(make):
    key = (np.array([0, 1]), np.array([0, 9]))
    yield reject(IndexError, "index 9 is out of bounds for dimension 1 with size 4", make(3, 4), key)


@primitive()
def sum_at_indices(input: Tensor, key: tuple, shape: tuple[int, ...]) -> Spec:
    """Zeros of ``shape`` with ``input`` added where the key points: the reverse of `at_indices`."""
    return Spec(shape, input.dtype)


@sum_at_indices.kernel("cpu", "cuda")
def _sum_at_indices(xp, x, key, shape):
    return summed(shape, key, x)


sum_at_indices.vjp(input=lambda g, key: at_indices(g, key))


@sum_at_indices.oracle
def _sum_at_indices_oracle(x, key, shape):
    out = np.zeros(shape, x.dtype)
    np.add.at(out, key, x)
    return out


@sum_at_indices.samples
def _sum_at_indices_samples(make):
    rows, columns = np.array([0, 2, 2]), np.array([1, -1, -1])
    yield call(make(3), (rows, columns), (3, 4))
    yield call(make(3, 2), (rows, _EVERYTHING, columns), (3, 2, 4))


# ---- writing ----------------------------------------------------------------------------------------


@primitive(node_name="IndexPutBackward0")
def put_at(input: Tensor, key: tuple, values: Tensor, accumulate: bool = False) -> Spec:
    """`index_put` with a checked key of slices and index arrays."""
    if values._array.dtype != input._array.dtype:
        raise _dtypes_differ(input, values)
    return Spec(input._array.shape, input.dtype)


@put_at.kernel("cpu", "cuda", writes=True)
def _put_at(xp, x, key, values, accumulate, out=None):
    out = x.copy(order="K") if out is None else out
    try:
        if accumulate:
            xp.add.at(out, key, values)
        else:
            out[key] = values
    except IndexError:
        check_indices(x.shape, key)
        raise
    except ValueError:
        raise ValueError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing "
            f"result of shape {list(key_shape(x.shape, key))}"
        ) from None
    return out


put_at.vjp(
    input=lambda g, key, accumulate: g if accumulate else put_at(g, key, g.new_zeros(())),
    values=lambda g, key: at_indices(g, key),
)


@put_at.oracle
def _put_at_oracle(x, key, values, accumulate=False):
    out = x.copy()
    positions = np.arange(x.size).reshape(x.shape)[key]
    for at, value in zip(positions.ravel(), np.broadcast_to(values, positions.shape).ravel()):
        out.flat[at] = value + (out.flat[at] if accumulate else 0)
    return out


@put_at.samples
def _put_at_samples(make):
    rows, columns = np.array([0, 2, 2]), np.array([1, -1, 0])
    yield call(make(3, 4), (rows, columns), make(3))
    yield call(make(3, 4), (rows,), make(4), True)
    yield call(make(3, 4), (_EVERYTHING, columns), make(3, 1))


@put_at.rejects
def _put_at_rejects(make):
    key = (np.array([0, 9]),)
    yield reject(IndexError, "index 9 is out of bounds for dimension 0 with size 3", make(3, 4), key, make(()))
    yield reject(RuntimeError, "cannot be broadcast to indexing result of shape [1, 4]", make(3, 4), (np.array([0]),), make(5))
    yield reject(RuntimeError, "source and destination dtypes match", make(3), key, make((), dtype=dtypes.int64))


@exported("torch", "Tensor")
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` where ``indices`` point.

    Args:
        indices: a tuple of index tensors and masks, one for each dimension from the first on.
        values: broadcasts to what the indices take; of the dtype of ``input``.
        accumulate: add to what is there, instead of replacing it.

    Raises:
        IndexError: an index is out of range, or there are too many.
        RuntimeError: ``values`` do not broadcast, or have another dtype.

    >>> x = rushlight.zeros(2, 2)
    >>> x.index_put((rushlight.tensor([0, 1]), rushlight.tensor([1, 0])), rushlight.tensor([1.0, 2.0]))
    tensor([[0., 1.],
            [2., 0.]])
    """
    return put_at(input, _indices_key(input, indices), _value(values), accumulate)


@exported("torch", "Tensor")
def index_put_(
    input: Tensor, indices: Any, values: Tensor, accumulate: bool = False
) -> Tensor:
    """`index_put`, written into ``input``, which is returned."""
    return put_at.op.write((input, _indices_key(input, indices), _value(values), accumulate))


def _value(values: Tensor) -> Tensor:
    if not isinstance(values, Tensor):
        raise TypeError(
            f"index_put(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}"
        )
    if values._array.ndim and values._array.shape[0] == 1:
        return _without_leading_ones(values)
    return values


def _indices_key(x: Tensor, indices: Any) -> tuple:
    if isinstance(indices, Tensor) or not isinstance(indices, (tuple, list)):
        raise TypeError(
            "index_put(): argument 'indices' (position 1) must be tuple of Tensors, "
            f"not {type(indices).__name__}"
        )
    advanced, dim = [], 0
    for i, index in enumerate(indices):
        if not isinstance(index, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(index).__name__}")
        item = _item(index if index._array.ndim else index.reshape(1))
        advanced.append((dim, item))
        dim += item._array.ndim if item._array.dtype.num == _BOOL else 1
    if dim > x._array.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x._array.ndim} (got {dim})")
    return array_key(x, advanced)
