"""Taking and writing at masks and index tensors: what square brackets, `gather` and their kin are made of.

Index arrays of several dimensions form a NumPy key: a tuple of slices and arrays, which belongs to the call alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Spec, call, is_channels_last, primitive, reject
from ..tensor import MetaArray, Tensor, values_of, wrap
from .family import broadcast

EVERYTHING = slice(None)
_BOOL = np.dtype(np.bool_).num
_LONG = np.dtype(np.int64).num


def array_key(x: Tensor, advanced: list[tuple[int, Tensor]], keep: bool) -> tuple:
    """The NumPy key that masks and index tensors make together.

    Args:
        advanced: each with the dimension where it starts.
        keep: whether the key outlives the call: then it holds copies, which nobody else changes.

    Raises:
        IndexError: a mask does not fit.
    """
    key: list[Any] = []
    for dim, index in advanced:
        key += [EVERYTHING] * (dim - len(key))
        array = values_of(index)
        if array.dtype.num == _BOOL:
            check_mask(x._array.shape, array.shape, dim)
            key += array.nonzero()
        else:
            key.append(array.copy() if keep else array)
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
    """Refuses index arrays that do not broadcast, or reach outside of ``shape``.

    Raises:
        IndexError: naming the first wrong index, its dimension and that dimension's size.
    """
    _index_shape(key)
    for dim, item in enumerate(key):
        if isinstance(item, np.ndarray):
            check_range(shape, dim, item)


def check_range(
    shape: tuple[int, ...],
    dim: int,
    index: np.ndarray,
    *,
    from_end: bool = True,
    error: type = IndexError,
) -> None:
    """Refuses indices that reach outside of dimension ``dim``.

    Args:
        from_end: whether negative indices count from the end.
        error: what to raise.

    Raises:
        IndexError: naming the first wrong index, the dimension and its size.
    """
    size = shape[dim]
    if (
        type(index) is MetaArray
        or not index.size
        or (index.min() >= (-size if from_end else 0) and index.max() < size)
    ):
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
        return ordered(x[(EVERYTHING,) * dim + (index,)], x)
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
    np.add.at(
        out.reshape(-1), positions.reshape(-1), np.broadcast_to(values, positions.shape).reshape(-1)
    )
    return out


def summed_slices(
    shape: tuple[int, ...], dim: int, index: np.ndarray, values: np.ndarray
) -> np.ndarray:
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
        positions = (
            np.arange(before)[:, None, None] * (size * after)
            + rows[:, None] * after
            + np.arange(after)
        )
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
        raise NotImplementedError(
            f"{what}: the shape of the result depends on values, and meta tensors have none"
        )


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
    return ordered(x[(EVERYTHING,) * dim + (mask,)], x)


at_mask.vjp(input=lambda g, mask, dim, input_shape: put_at_mask(g, mask, dim, input_shape))


@at_mask.oracle
def _at_mask_oracle(x, mask, dim):
    moved = np.moveaxis(x, tuple(range(dim, dim + mask.ndim)), tuple(range(mask.ndim)))
    rows = [moved[tuple(at)] for at in np.argwhere(mask)]
    rows = np.stack(rows) if rows else np.zeros((0, *moved.shape[mask.ndim :]), x.dtype)
    return np.moveaxis(rows, 0, dim)


@at_mask.samples
def _at_mask_samples(make):
    for shape, mask_shape, dim in (
        ((3, 4), (3,), 0),
        ((3, 4), (4,), 1),
        ((2, 3, 4), (3, 4), 1),
        ((5,), (5,), 0),
    ):
        yield call(make(*shape), sample_mask(*mask_shape), dim)
    yield call(make(0, 2), sample_mask(0), 0)


@at_mask.rejects
def _at_mask_rejects(make):
    mask = sample_mask(3)
    yield reject(
        IndexError, "The shape of the mask [3] at index 0 does not match", make(4, 3), mask, 0
    )
    yield reject(IndexError, "too many indices for tensor of dimension 1", make(4), mask, 1)


@primitive()
def put_at_mask(input: Tensor, mask: Tensor, dim: int, shape: tuple[int, ...]) -> Spec:
    """Zeros of ``shape`` with ``input`` where the mask is True: the reverse of `at_mask`."""
    return Spec(shape, input.dtype)


@put_at_mask.kernel("cpu", "cuda")
def _put_at_mask(xp, x, mask, dim, shape):
    out = xp.zeros(shape, x.dtype)
    out[(EVERYTHING,) * dim + (mask,)] = x
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
    for shape, index, dim in (
        ((3, 4), [0, 2, 2], 0),
        ((3, 4), [[1, -1], [0, 0]], 1),
        ((3,), [-3], 0),
    ):
        yield call(make(*shape), wrap(np.array(index)), dim)
    yield call(make(3, 2), wrap(np.zeros((0, 2), np.int64)), 0)


@at_index.rejects
def _at_index_rejects(make):
    index = wrap(np.array([0, 3]))
    yield reject(
        IndexError, "index 3 is out of bounds for dimension 0 with size 3", make(3, 4), index, 0
    )
    yield reject(
        IndexError,
        "index 3 is out of bounds for dimension 1 with size 2",
        make(4, 2).t().t(),
        index,
        1,
    )
    yield reject(IndexError, "too many indices for tensor of dimension 0", make(()), index, 0)


@primitive()
def sum_at_index(input: Tensor, index: Tensor, dim: int, shape: tuple[int, ...]) -> Spec:
    """Zeros of ``shape`` with the slices of ``input`` added at ``index``: the reverse of `at_index`."""
    return Spec(shape, input.dtype)


@sum_at_index.kernel("cpu", "cuda")
def _sum_at_index(xp, x, index, dim, shape):
    return summed_slices(shape, dim, index, x)


def adds_natively(values: np.ndarray, index: np.ndarray) -> bool:
    """Whether the extension's loop adds these slices: real, and all in C order."""
    return (
        values.dtype.kind == "f"
        and values.dtype.itemsize > 2
        and index.dtype.num == _LONG
        and values.flags.c_contiguous
        and index.flags.c_contiguous
    )


@sum_at_index.kernel("cpu", when=lambda x, index, dim, shape: adds_natively(x, index))
def _sum_at_index_native(xp, x, index, dim, shape):
    out = np.zeros(shape, x.dtype)
    native.extension.add_slices(x, index, dim, out)
    return out


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
    return x.ravel()[np.arange(x.size).reshape(x.shape)[key]]


@at_indices.samples
def _at_indices_samples(make):
    rows, columns = np.array([0, 2, 2]), np.array([1, -1, -1])
    yield call(make(3, 4), (rows, columns))
    yield call(make(3, 2, 4), (rows, EVERYTHING, columns))
    yield call(make(2, 3, 4), (EVERYTHING, rows[:, None], columns))


@at_indices.rejects
def _at_indices_rejects(make):
    key = (np.array([0, 1]), np.array([0, 9]))
    yield reject(
        IndexError, "index 9 is out of bounds for dimension 1 with size 4", make(3, 4), key
    )


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
    yield call(make(3, 2), (rows, EVERYTHING, columns), (3, 2, 4))


def dtypes_differ(x: Tensor, value: Tensor) -> RuntimeError:
    return RuntimeError(
        "Index put requires the source and destination dtypes match, got "
        f"{x.dtype.legacy} for the destination and {value.dtype.legacy} for the source; "
        f"convert the source with .to({x.dtype})"
    )


@primitive(node_name="IndexPutBackward0")
def put_at(input: Tensor, key: tuple, values: Tensor, accumulate: bool = False) -> Spec:
    """`index_put` with a checked key of slices and index arrays."""
    if values._array.dtype != input._array.dtype:
        raise dtypes_differ(input, values)
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
    yield call(make(3, 4), (EVERYTHING, columns), make(3, 1))


@put_at.rejects
def _put_at_rejects(make):
    key = (np.array([0, 9]),)
    yield reject(
        IndexError,
        "index 9 is out of bounds for dimension 0 with size 3",
        make(3, 4),
        key,
        make(()),
    )
    row = (np.array([0]),)
    yield reject(
        RuntimeError,
        "cannot be broadcast to indexing result of shape [1, 4]",
        make(3, 4),
        row,
        make(5),
    )
    yield reject(
        RuntimeError, "destination dtypes match", make(3), key, make((), dtype=dtypes.int64)
    )
