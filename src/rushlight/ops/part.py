"""Views of a part of a tensor: indexing, slices, pieces, diagonals, windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor, memory_of, settle, wrap
from .view import strided, wrap_dim


def _indexing(name: str, node_name: str) -> Any:
    """Declares basic indexing under one of PyTorch's names for its node."""

    def rule(input: Tensor, key: tuple) -> Spec:
        return Spec(_indexed_shape(input._array.shape, key), input.dtype)

    rule.__name__ = rule.__qualname__ = name
    rule.__doc__ = "Indexing with ints, slices of positive steps, None and one ellipsis."
    function = primitive(view=True, node_name=node_name, checks="failure")(rule)
    function.kernel("cpu", "cuda")(_basic_index_kernel)
    function.vjp(_basic_index_vjp)
    function.samples(_basic_index_samples)
    function.oracle(lambda x, key: x[key])
    function.rejects(_basic_index_rejects)
    return function


def _indexed_shape(shape: tuple[int, ...], key: tuple) -> tuple[int, ...]:
    """The shape of what ``key`` takes from a tensor of ``shape``.

    Raises:
        IndexError: an index is out of range, or there are too many.
    """
    used = sum(item is not None and item is not Ellipsis for item in key)
    if used > len(shape):
        if not shape:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use tensor.item() to convert it to a Python number"
            )
        raise IndexError(
            f"too many indices for tensor of dimension {len(shape)}: {used} were given"
        )
    dim, made = 0, []
    for item in key:
        if item is None:
            made.append(1)
        elif item is Ellipsis:
            made.extend(shape[dim : dim + len(shape) - used])
            dim += len(shape) - used
        elif type(item) is slice:
            made.append(len(range(*item.indices(shape[dim]))))
            dim += 1
        else:
            if not -shape[dim] <= item < shape[dim]:
                raise IndexError(
                    f"index {item} is out of bounds for dimension {dim} with size {shape[dim]}"
                )
            dim += 1
    return (*made, *shape[dim:])


def _basic_index_kernel(xp, x, key):
    return x[key]


def _basic_index_vjp(g, key, input_shape):
    return placed(g, input_shape, key)


def _basic_index_samples(make):
    yield call(make(3, 4), (1, Ellipsis))
    yield call(make(3, 4), (slice(1, 3), slice(None, None, 2), Ellipsis))
    yield call(make(3, 4), (None, Ellipsis, 2))
    yield call(make(()), (None, Ellipsis))


def _basic_index_rejects(make):
    yield reject(
        IndexError,
        "index 3 is out of bounds for dimension 0 with size 3",
        make(3, 4),
        (3, Ellipsis),
    )
    yield reject(
        IndexError, "index -5 is out of bounds for dimension 1 with size 4", make(3, 4), (0, -5)
    )
    yield reject(IndexError, "too many indices for tensor of dimension 1", make(3), (0, 0))
    yield reject(IndexError, "invalid index of a 0-dim tensor", make(()), (0, Ellipsis))


# One op under four names: what a user sees in grad_fn is the last step that PyTorch would have taken.
item_at = _indexing("item_at", "SelectBackward0")
sliced = _indexing("sliced", "SliceBackward0")
with_new_dims = _indexing("with_new_dims", "UnsqueezeBackward0")
whole = _indexing("whole", "AliasBackward0")


@primitive()
def placed(input: Tensor, shape: tuple[int, ...], key: tuple) -> Spec:
    """Zeros of ``shape`` with ``input`` where ``key`` points: the reverse of indexing."""
    return Spec(shape, input.dtype)


@placed.kernel("cpu", "cuda")
def _placed(xp, x, shape, key):
    out = xp.zeros(shape, x.dtype)
    out[key] = x
    return out


@placed.vjp
def _placed_vjp(g, key):
    return sliced(g, key)


@placed.samples
def _placed_samples(make):
    yield call(make(4), (3, 4), (1, Ellipsis))


@placed.oracle
def _placed_oracle(x, shape, key):
    out = np.zeros(shape, x.dtype)
    out[key] = x
    return out


@exported("torch", "Tensor")
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """``length`` elements of dimension ``dim`` from ``start`` on.

    Raises:
        RuntimeError: they reach past the end.

    >>> rushlight.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    start = int(start)
    if not -shape[dim] <= start <= shape[dim]:
        raise IndexError(
            f"start out of range (expected to be in range of [{-shape[dim]}, {shape[dim]}], but got {start})"
        )
    start = start + shape[dim] if start < 0 else start
    if length < 0 or start + length > shape[dim]:
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({shape[dim]})."
        )
    return sliced(input, (*[slice(None)] * dim, slice(start, start + length), Ellipsis))


@exported("torch", "Tensor")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice of dimension ``dim`` at ``index``, without that dimension.

    Raises:
        IndexError: there is no such index.

    >>> rushlight.tensor([[1, 2], [3, 4]]).select(1, 0)
    tensor([1, 3])
    """
    shape = input._array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = wrap_dim(dim, len(shape)), int(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}"
        )
    return item_at(input, (*[slice(None)] * dim, index, Ellipsis))


@exported("torch", "Tensor")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along a dimension, as a tuple of views.

    >>> rushlight.tensor([1, 2]).unbind()
    (tensor(1), tensor(2))
    """
    shape = input._array.shape
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, len(shape))
    before = (slice(None),) * dim
    return tuple([item_at(input, (*before, i, Ellipsis)) for i in range(shape[dim])])


@exported("torch", "Tensor", names=("unsafe_split",))
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """The tensor cut along a dimension, as a tuple of views.

    Args:
        split_size_or_sections: the length of every piece (the last may be shorter), or the lengths.

    Raises:
        RuntimeError: the lengths do not add up.

    >>> rushlight.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    shape = tensor._array.shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, len(shape))
    total = shape[dim]
    if hasattr(split_size_or_sections, "__index__"):
        size = split_size_or_sections.__index__()
        if size < 0 or (size == 0 and total):
            raise RuntimeError(f"split expects split_size be positive, but got split_size={size}")
        lengths = [size] * (total // size) if size else []
        if size and total % size:
            lengths.append(total % size)
        lengths = lengths or [total]
    else:
        lengths = [int(s) for s in split_size_or_sections]
        if sum(lengths) != total or min(lengths, default=0) < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at "
                f"dimension {dim}), but got split_sizes={lengths}"
            )
    pieces, start = [], 0
    for length in lengths:
        pieces.append(narrow(tensor, dim, start, length))
        start += length
    return tuple(pieces)


@exported("torch", "Tensor", names=("unsafe_chunk",))
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """The tensor cut into at most ``chunks`` pieces of equal length (the last may be shorter).

    >>> [len(c) for c in rushlight.arange(5).chunk(3)]
    [2, 2, 1]
    """
    shape = input._array.shape
    if not shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = -(-shape[wrap_dim(dim, len(shape))] // chunks)
    return split(input, max(size, 1), dim)


@exported("torch", "Tensor")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as a view; it becomes the last dimension.

    Args:
        offset: which diagonal; 0 is the main one, positive ones lie above it.

    Raises:
        RuntimeError: both dimensions are the same.

    >>> rushlight.tensor([[1, 2], [3, 4]]).diagonal()
    tensor([1, 4])
    """
    ndim = input._array.ndim
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diagonal(input, offset, a, b)


@primitive(view=True, node_name="DiagonalBackward0")
def _diagonal(input: Tensor, offset: int, dim1: int, dim2: int) -> Spec:
    """`diagonal` with dimensions counted from the front."""
    shape = input._array.shape
    rest = [n for i, n in enumerate(shape) if i not in (dim1, dim2)]
    return Spec((*rest, _diagonal_length(shape[dim1], shape[dim2], offset)), input.dtype)


def _diagonal_length(rows: int, columns: int, offset: int) -> int:
    return max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)


@_diagonal.kernel("cpu", "cuda")
def _diagonal_kernel(xp, x, offset, dim1, dim2):
    n = _diagonal_length(x.shape[dim1], x.shape[dim2], offset)
    start = [slice(None)] * x.ndim
    start[dim1] = slice(max(-offset, 0) if n else 0, None)
    start[dim2] = slice(max(offset, 0) if n else 0, None)
    x = x[tuple(start)]
    rest = [i for i in range(x.ndim) if i not in (dim1, dim2)]
    shape = (*[x.shape[i] for i in rest], n)
    strides = (*[x.strides[i] for i in rest], x.strides[dim1] + x.strides[dim2])
    # NumPy's own diagonal is read-only.
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


@_diagonal.vjp
def _diagonal_vjp(g, input_shape, offset, dim1, dim2):
    return _on_diagonal(g, input_shape, offset, dim1, dim2)


@_diagonal.samples
def _diagonal_samples(make):
    yield call(make(3, 4), 0, 0, 1)
    yield call(make(3, 4, 2), 1, 0, 1)
    yield call(make(3, 4), -1, 1, 0)
    yield call(make(3, 4), 7, 0, 1)


@_diagonal.oracle
def _diagonal_oracle(x, offset, dim1, dim2):
    return np.diagonal(x, offset, dim1, dim2)


@primitive()
def _on_diagonal(input: Tensor, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Spec:
    """Zeros of ``shape`` with ``input`` on a diagonal: the reverse of `_diagonal`."""
    return Spec(shape, input.dtype)


@_on_diagonal.kernel("cpu", "cuda")
def _on_diagonal_kernel(xp, x, shape, offset, dim1, dim2):
    out = xp.zeros(shape, x.dtype)
    _diagonal_kernel(xp, out, offset, dim1, dim2)[...] = x
    return out


@_on_diagonal.vjp
def _on_diagonal_vjp(g, offset, dim1, dim2):
    return _diagonal(g, offset, dim1, dim2)


@_on_diagonal.samples
def _on_diagonal_samples(make):
    yield call(make(3), (3, 4), 1, 0, 1)
    yield call(make(2, 2), (3, 2, 4), -1, 0, 2)


@_on_diagonal.oracle
def _on_diagonal_oracle(x, shape, offset, dim1, dim2):
    moved = np.zeros(
        [n for i, n in enumerate(shape) if i not in (dim1, dim2)] + [shape[dim1], shape[dim2]]
    )
    for at in np.ndindex(*x.shape):
        moved[(*at[:-1], at[-1] + max(-offset, 0), at[-1] + max(offset, 0))] = x[at]
    return np.moveaxis(moved, (-2, -1), (dim1, dim2))


@exported("Tensor")
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of ``size`` elements, ``step`` apart, along a dimension, as a view; they become the last dimension.

    Raises:
        RuntimeError: the dimension is shorter than ``size``, or ``step`` is not positive.

    >>> rushlight.arange(4).unfold(0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    shape = self._array.shape
    dim = wrap_dim(dimension, len(shape))
    length = shape[dim] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {dim} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not shape:
        return with_new_dims(self, (None, Ellipsis)) if size else sliced(self, (None, Ellipsis))[:0]
    return _unfold(self, dim, size, step)


@primitive(view=True, node_name="UnfoldBackward0")
def _unfold(input: Tensor, dim: int, size: int, step: int) -> Spec:
    """`unfold` with checked arguments."""
    shape = input._array.shape
    return Spec(
        (*shape[:dim], (shape[dim] - size) // step + 1, *shape[dim + 1 :], size), input.dtype
    )


@_unfold.kernel("cpu", "cuda")
def _unfold_kernel(xp, x, dim, size, step):
    shape = (*x.shape[:dim], (x.shape[dim] - size) // step + 1, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return strided(x, shape, strides)


@_unfold.vjp
def _unfold_vjp(g, input_shape, dim, size, step):
    return _windows_added(g, input_shape, dim, size, step)


@_unfold.samples
def _unfold_samples(make):
    yield call(make(7), 0, 3, 2)
    yield call(make(2, 5, 3), 1, 2, 1)
    yield call(make(2, 5), 1, 2, 3)


@_unfold.oracle
def _unfold_oracle(x, dim, size, step):
    starts = range(0, x.shape[dim] - size + 1, step)
    windows = [np.take(x, range(i, i + size), dim) for i in starts]
    return np.stack([np.moveaxis(w, dim, -1) for w in windows], dim)


@primitive()
def _windows_added(input: Tensor, shape: tuple[int, ...], dim: int, size: int, step: int) -> Spec:
    """Zeros of ``shape`` with every window of ``input`` added at its place: the reverse of `_unfold`."""
    return Spec(shape, input.dtype)


@_windows_added.kernel("cpu", "cuda")
def _windows_added_kernel(xp, x, shape, dim, size, step):
    out = xp.zeros(shape, x.dtype)
    span = (x.shape[dim] - 1) * step + 1
    for i in range(size):
        out[(slice(None),) * dim + (slice(i, i + span, step),)] += x[..., i]
    return out


@_windows_added.vjp
def _windows_added_vjp(g, dim, size, step):
    return _unfold(g, dim, size, step)


@_windows_added.samples
def _windows_added_samples(make):
    yield call(make(3, 3), (7,), 0, 3, 2)
    yield call(make(2, 2, 2), (2, 6), 1, 2, 4)


@_windows_added.oracle
def _windows_added_oracle(x, shape, dim, size, step):
    out = np.zeros(shape)
    windows = np.moveaxis(x, dim, 0)
    for i, window in enumerate(windows):
        rows = np.moveaxis(out, dim, -1)
        rows[..., i * step : i * step + size] += window
    return out


@exported("torch", "Tensor")
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the memory with any shape and strides.

    Args:
        size, stride: for each dimension its length, and the elements between neighbours.
        storage_offset: the first element, counted from the start of the memory; by default that of ``input``.

    Raises:
        RuntimeError: it would reach outside the memory.

    >>> rushlight.as_strided(rushlight.arange(4), (3, 2), (1, 1))
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: {len(stride)} strides for {len(size)} sizes"
        )
    if any(s < 0 for s in stride):
        raise RuntimeError(
            f"as_strided: Negative strides are not supported, got strides {list(stride)}"
        )
    if any(n < 0 for n in size):
        raise RuntimeError(f"as_strided: sizes must not be negative, got {list(size)}")
    settle(input)
    start = 0 if storage_offset is None else storage_offset - input.storage_offset()
    own = tuple([s // input._array.dtype.itemsize for s in input._array.strides])
    return _as_strided(input, size, stride, start, own)


@primitive(view=True, node_name="AsStridedBackward0")
def _as_strided(input: Tensor, size: tuple, stride: tuple, start: int, own: tuple) -> Spec:
    """`as_strided` from ``start`` elements after the first one of ``input``, whose strides are ``own``."""
    return Spec(size, input.dtype)


@_as_strided.kernel("cpu", "cuda")
def _as_strided_kernel(xp, x, size, stride, start, own):
    step = x.dtype.itemsize
    if x.size > 1 and x.strides != tuple([s * step for s in own]):
        raise ValueError(
            "a view made by as_strided was written to with gradients on, and it was taken from a tensor that "
            f"is not contiguous (strides {own}); take it from a contiguous one"
        )
    memory, offset = memory_of(x)
    first = offset + start
    last = first + sum((n - 1) * s for n, s in zip(size, stride))
    if first < 0 or (math.prod(size) and last >= memory.size):
        raise ValueError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {first} are out of "
            f"bounds for storage of {memory.size} elements"
        )
    return strided(memory[first:], size, tuple([s * step for s in stride]))


def _positions(size: tuple, stride: tuple, start: int) -> np.ndarray:
    """For each element of a strided tensor, how many elements after the start of memory it lies."""
    grid = np.ogrid[tuple(map(slice, size))]
    return start + sum((i * s for i, s in zip(grid, stride)), np.zeros(size, np.int64))


@_as_strided.vjp
def _as_strided_vjp(g, input_shape, size, stride, start, own):
    from .taking import at_index

    own_end = sum([(n - 1) * s for n, s in zip(input_shape, own)])
    end = start + sum([(n - 1) * s for n, s in zip(size, stride)])
    low = min(0, start)
    memory = g.new_zeros(max(own_end, end, start) - low + 1)
    places = wrap(_positions(size, stride, start - low).reshape(-1))
    memory = memory.index_add(0, places, g.reshape(-1))
    places = _positions(input_shape, own, -low)
    shared = np.bincount(places.reshape(-1), minlength=memory._array.size)
    if shared.max(initial=0) > 1:
        # Several elements of the input lie in one place: each gets its part.
        memory = memory / wrap(np.maximum(shared, 1).astype(g._array.dtype))
    return at_index(memory, wrap(places), 0)


@_as_strided.samples
def _as_strided_samples(make):
    yield call(make(3, 4), (2, 2), (1, 2), 3, (4, 1))
    yield call(make(6), (3, 2), (2, 1), 0, (1,))


@_as_strided.oracle
def _as_strided_oracle(x, size, stride, start, own):
    return x.reshape(-1)[_positions(size, stride, start)]


@_as_strided.rejects
def _as_strided_rejects(make):
    yield reject(
        RuntimeError,
        "are out of bounds for storage of 4 elements",
        make(4),
        (3, 3),
        (2, 1),
        0,
        (1,),
    )
