"""Ops whose result shares the memory of their input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import Spec, call, exported, primitive, reject
from ..size import Size
from ..tensor import Tensor, dimension_error


def wrap_dim(dim: int, ndim: int) -> int:
    """``dim`` counted from the front; a tensor without dimensions has dimension 0 for this.

    Raises:
        IndexError: there is no such dimension.
        TypeError: it is not an int.
    """
    try:
        dim = dim.__index__()
    except AttributeError:
        raise TypeError(f"a dimension must be an int, not {type(dim).__name__}") from None
    n = ndim or 1
    if not -n <= dim < n:
        raise dimension_error(dim, ndim)
    return dim + n if dim < 0 else dim


def sizes_of(name: str, sizes: tuple) -> tuple[int, ...]:
    """The shape that ``f(2, 3)`` or ``f((2, 3))`` names.

    Raises:
        TypeError: something in it is not an int.
    """
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    try:
        return tuple([s.__index__() for s in sizes])
    except (AttributeError, TypeError):
        wrong = next(s for s in sizes if not hasattr(s, "__index__"))
        raise TypeError(
            f"{name}(): argument 'size' must be a tuple of ints, but found element of type {type(wrong).__name__}"
        ) from None


def infer_size(sizes: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """``sizes`` with its one -1 replaced by what ``numel`` elements leave for it.

    Raises:
        RuntimeError: the sizes do not hold ``numel`` elements.
    """
    known, at = 1, None
    for i, s in enumerate(sizes):
        if s == -1:
            if at is not None:
                raise RuntimeError("only one dimension can be inferred")
            at = i
        elif s < 0:
            raise RuntimeError(f"invalid shape dimension {s}")
        else:
            known *= s
    if at is None:
        if known == numel:
            return sizes
    elif known == 0:
        raise RuntimeError(
            f"cannot reshape tensor of {numel} elements into shape {list(sizes)} because the unspecified "
            "dimension size -1 can be any value and is ambiguous"
        )
    elif numel % known == 0:
        return (*sizes[:at], numel // known, *sizes[at + 1 :])
    raise RuntimeError(
        f"shape '{list(sizes)}' is invalid for input of size {numel}: its sizes multiply to {known}"
    )


def viewed(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """``x`` in another shape without a copy; None if its memory does not allow that."""
    if x.flags.c_contiguous:
        return x.reshape(shape)
    try:
        return x.reshape(shape, copy=False)
    except ValueError:
        return None


@primitive(view=True, node_name="ViewBackward0", checks="failure")
def _view(input: Tensor, shape: tuple[int, ...]) -> Spec:
    """`Tensor.view` with a complete shape."""
    return Spec(infer_size(shape, input._array.size), input.dtype)


@_view.kernel("cpu", "cuda")
def _view_kernel(xp, x, shape):
    out = viewed(x, shape)
    if out is None:
        raise ValueError(
            "view size is not compatible with input tensor's size and stride (at least one dimension "
            "spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@_view.vjp
def _view_vjp(g, input_shape):
    return g.reshape(input_shape)


@_view.samples
def _view_samples(make):
    yield call(make(3, 4), (4, 3))
    yield call(make(3, 4), (2, -1))
    yield call(make(()), (1, 1))
    yield call(make(0, 3), (3, 0))


@_view.oracle
def _view_oracle(x, shape):
    return x.reshape(shape)


@_view.rejects
def _view_rejects(make):
    yield reject(RuntimeError, "is invalid for input of size 12", make(3, 4), (5, 2))
    yield reject(RuntimeError, "only one dimension can be inferred", make(3, 4), (-1, -1))


@exported("Tensor")
def view(self: Tensor, *shape: Any) -> Tensor:
    """The same memory seen in another shape, or as another dtype.

    Args:
        shape: ints, one of which may be -1 to be inferred; or one dtype of any element size.

    Raises:
        RuntimeError: the number of elements differs, or the memory order needs a copy (see ``reshape``).

    >>> rushlight.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    from ..dtypes import dtype

    if len(shape) == 1 and isinstance(shape[0], dtype):
        return view_dtype(self, shape[0])
    return _view(self, infer_size(sizes_of("view", shape), self._array.size))


@primitive(view=True)
def view_dtype(input: Tensor, dtype: Any) -> Spec:
    """The same memory read as elements of another dtype."""
    shape, old, new = input._array.shape, input.dtype.itemsize, dtype.itemsize
    if old == new:
        return Spec(shape, dtype)
    if not shape:
        raise RuntimeError(
            f"self.dim() cannot be 0 to view {input.dtype} as {dtype} (different element sizes)"
        )
    if shape[-1] * old % new:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {new // old} to view {input.dtype} as {dtype} "
            f"(different element sizes), but got {shape[-1]}"
        )
    return Spec((*shape[:-1], shape[-1] * old // new), dtype)


@view_dtype.kernel("cpu", "cuda")
def _view_dtype(xp, x, dtype):
    return x.view(dtype.numpy)


@exported("torch", "Tensor")
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The values in another shape: a view where memory allows, else a copy.

    Args:
        shape: ints, one of which may be -1 to be inferred.

    Raises:
        RuntimeError: the number of elements differs.

    >>> rushlight.reshape(rushlight.arange(4), (2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    shape = infer_size(sizes_of("reshape", shape), input._array.size)
    if input._private or not input._array.flags.c_contiguous:
        from ..tensor import MetaArray, settle

        settle(input)
        if type(input._array) is not MetaArray and viewed(input._array, shape) is None:
            return _view(input.contiguous(), shape)
    return _view(input, shape)


@exported("Tensor")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of ``other``."""
    return self.view(other._array.shape)


@exported("Tensor")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of ``other``."""
    return reshape(self, other._array.shape)


@exported("torch", "Tensor")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` made one.

    >>> rushlight.flatten(rushlight.zeros(2, 3, 4), 1).shape
    torch.Size([2, 12])
    """
    shape = input._array.shape
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if not shape:
        return reshape(input, (1,))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@exported("torch", "Tensor")
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One dimension split into several.

    >>> rushlight.zeros(2, 12).unflatten(1, (3, -1)).shape
    torch.Size([2, 3, 4])
    """
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    sizes = infer_size(tuple(sizes), shape[dim])
    return reshape(input, (*shape[:dim], *sizes, *shape[dim + 1 :]))


@exported("torch", "Tensor")
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, (-1,))


@primitive(view=True, node_name="PermuteBackward0")
def _permute(input: Tensor, dims: tuple[int, ...]) -> Spec:
    """`permute` with dimensions counted from the front."""
    shape = input._array.shape
    return Spec(tuple([shape[d] for d in dims]), input.dtype)


@_permute.kernel("cpu", "cuda")
def _permute_kernel(xp, x, dims):
    return x.transpose(dims)


@_permute.vjp
def _permute_vjp(g, dims):
    return _permute(g, tuple(sorted(range(len(dims)), key=dims.__getitem__)))


@_permute.samples
def _permute_samples(make):
    yield call(make(2, 3, 4), (2, 0, 1))
    yield call(make(()), ())
    yield call(make(0, 3), (1, 0))


@_permute.oracle
def _permute_oracle(x, dims):
    return np.transpose(x, dims)


@exported("torch", "Tensor")
def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order.

    Raises:
        RuntimeError: not every dimension is named once.

    >>> rushlight.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    ndim = input._array.ndim
    dims = sizes_of("permute", dims)
    if len(dims) != ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of "
            f"the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to "
            f"len(dims) = {len(dims)}".replace("permute(sparse_coo)", "permute")
        )
    dims = tuple([wrap_dim(d, ndim) for d in dims])
    if len(set(dims)) != ndim:
        raise RuntimeError(f"permute(): duplicate dims are not allowed, got {list(dims)}")
    return _permute(input, dims)


@exported("torch", "Tensor", names=("swapaxes", "swapdims"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped.

    >>> rushlight.zeros(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    ndim = input._array.ndim
    a, b = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    dims = list(range(ndim))
    if ndim:
        dims[a], dims[b] = dims[b], dims[a]
    return _transpose(input, tuple(dims))


@primitive(view=True, node_name="TransposeBackward0", checks="failure")
def _transpose(input: Tensor, dims: tuple[int, ...]) -> Spec:
    """A permutation that is its own inverse."""
    shape = input._array.shape
    return Spec(tuple([shape[d] for d in dims]), input.dtype)


_transpose.kernel("cpu", "cuda")(_permute_kernel)


@_transpose.vjp
def _transpose_vjp(g, dims):
    return _transpose(g, dims)


@primitive("torch", "Tensor", view=True, node_name="TBackward0")
def t(input: Tensor) -> Spec:
    """A matrix with its two dimensions swapped; fewer dimensions stay.

    Raises:
        RuntimeError: there are more than two dimensions.

    >>> rushlight.zeros(2, 3).t().shape
    torch.Size([3, 2])
    """
    if input._array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input._array.ndim}D")
    return Spec(input._array.shape[::-1], input.dtype)


@t.kernel("cpu", "cuda")
def _t(xp, x):
    return x.T


@t.vjp
def _t_vjp(g):
    return t(g)


@t.samples
def _t_samples(make):
    yield call(make(3, 4))
    yield call(make(3))


@t.oracle
def _t_oracle(x):
    return x.T


@t.rejects
def _t_rejects(make):
    yield reject(RuntimeError, "expects a tensor with <= 2 dimensions", make(2, 3, 4))


def _reversed(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    return _permute(self, tuple(reversed(range(self._array.ndim))))


def _matrix_transposed(self: Tensor) -> Tensor:
    """The last two dimensions swapped."""
    return transpose(self, -2, -1)


Tensor.T = property(_reversed)
Tensor.mT = property(_matrix_transposed)


@exported("torch", "Tensor")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places; the rest keep their order.

    >>> rushlight.zeros(2, 3, 4).movedim(1, -1).shape
    torch.Size([2, 4, 3])
    """
    ndim = input._array.ndim
    sources = [wrap_dim(d, ndim) for d in ([source] if isinstance(source, int) else source)]
    targets = [wrap_dim(d, ndim) for d in ([destination] if isinstance(destination, int) else destination)]
    if len(sources) != len(targets):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({sources} dims) should contain the same "
            f"number of dims as destination ({targets} dims)"
        )
    order = [d for d in range(ndim) if d not in sources]
    for target, source_dim in sorted(zip(targets, sources)):
        order.insert(target, source_dim)
    return permute(input, order)


@primitive(view=True, node_name="ExpandBackward0")
def _expand(input: Tensor, shape: tuple[int, ...]) -> Spec:
    """`expand` to a complete shape."""
    return Spec(shape, input.dtype)


@_expand.kernel("cpu", "cuda")
def _expand_kernel(xp, x, shape):
    # broadcast_to would give a read-only array; that no element is written twice is checked at the write.
    new = len(shape) - x.ndim
    strides = tuple(
        0 if i < new or (x.shape[i - new] == 1 and n != 1) else x.strides[i - new]
        for i, n in enumerate(shape)
    )
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


@_expand.vjp
def _expand_vjp(g):
    # The walk back sums a gradient to the shape of the value it belongs to.
    return g


@_expand.samples
def _expand_samples(make):
    yield call(make(3, 1), (3, 4))
    yield call(make(1), (2, 5))


@_expand.oracle
def _expand_oracle(x, shape):
    return np.broadcast_to(x, shape)


@exported("Tensor")
def expand(self: Tensor, *sizes: Any, implicit: bool = False) -> Tensor:
    """Dimensions of length 1 repeated without a copy; new ones may be added in front.

    Args:
        sizes: the new shape; -1 keeps a dimension as it is.

    Raises:
        RuntimeError: a dimension that is not 1 would change.

    >>> rushlight.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    sizes = sizes_of("expand", sizes)
    shape = self._array.shape
    new = len(sizes) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand({self.dtype}{list(shape)}, size={list(sizes)}): the number of sizes provided "
            f"({len(sizes)}) must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    full = []
    for i, s in enumerate(sizes):
        old = shape[i - new] if i >= new else None
        if s == -1:
            if old is None:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            s = old
        elif old is not None and old != 1 and old != s:
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) must match the existing size ({old}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(sizes)}.  Tensor sizes: {list(shape)}"
            )
        full.append(s)
    return _expand(self, tuple(full))


@exported("Tensor")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of ``other``."""
    return expand(self, other._array.shape)


@exported("torch")
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """`Tensor.expand` as a function."""
    return expand(input, size)


Tensor.broadcast_to = broadcast_to


@exported("torch")
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Every tensor expanded to the shape to which all of them broadcast."""
    shape = broadcast_shapes(*[x._array.shape for x in tensors])
    return tuple(expand(x, shape) for x in tensors)


@exported("torch")
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape to which shapes broadcast.

    Raises:
        RuntimeError: they do not.

    >>> rushlight.broadcast_shapes((3, 1), (4,))
    torch.Size([3, 4])
    """
    from .family import broadcast

    result: tuple[int, ...] = ()
    for shape in shapes:
        result = broadcast(result, (shape,) if isinstance(shape, int) else tuple(shape))
    return Size(result)


@primitive(view=True, node_name="SqueezeBackward0", checks="failure")
def _reshaped(input: Tensor, shape: tuple[int, ...]) -> Spec:
    """The same elements with dimensions of length 1 added or taken away."""
    return Spec(shape, input.dtype)


@_reshaped.kernel("cpu", "cuda")
def _reshaped_kernel(xp, x, shape):
    return x.reshape(shape)


@_reshaped.vjp
def _reshaped_vjp(g, input_shape):
    return g.reshape(input_shape)


@exported("torch", "Tensor")
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Dimensions of length 1 taken away.

    Args:
        dim: which, as an int or a tuple; by default all of length 1. Others stay.

    >>> rushlight.zeros(1, 2, 1).squeeze().shape
    torch.Size([2])
    """
    shape = input._array.shape
    if dim is None:
        return _reshaped(input, tuple([n for n in shape if n != 1]))
    dims = {wrap_dim(d, len(shape)) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    return _reshaped(input, tuple([n for i, n in enumerate(shape) if n != 1 or i not in dims]))


@primitive(view=True, node_name="UnsqueezeBackward0", checks="failure")
def _with_dim(input: Tensor, shape: tuple[int, ...]) -> Spec:
    """`unsqueeze` to a complete shape."""
    return Spec(shape, input.dtype)


_with_dim.kernel("cpu", "cuda")(_reshaped_kernel)
_with_dim.vjp(_reshaped_vjp)


@exported("torch", "Tensor")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of length 1 put in at ``dim``.

    >>> rushlight.zeros(2).unsqueeze(-1).shape
    torch.Size([2, 1])
    """
    shape = input._array.shape
    if not -len(shape) - 1 <= dim <= len(shape):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-len(shape) - 1}, {len(shape)}], but got {dim})"
        )
    dim = dim + len(shape) + 1 if dim < 0 else dim
    return _with_dim(input, (*shape[:dim], 1, *shape[dim:]))


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
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}: {used} were given")
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
    yield reject(IndexError, "index 3 is out of bounds for dimension 0 with size 3", make(3, 4), (3, Ellipsis))
    yield reject(IndexError, "index -5 is out of bounds for dimension 1 with size 4", make(3, 4), (0, -5))
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
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({shape[dim]}).")
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
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, len(shape))
    before = (slice(None),) * dim
    return tuple([item_at(input, (*before, i, Ellipsis)) for i in range(shape[dim])])


@exported("torch", "Tensor")
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
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
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


@exported("torch", "Tensor")
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
    rows, columns = shape[dim1] + min(offset, 0), shape[dim2] - max(offset, 0)
    rest = [n for i, n in enumerate(shape) if i not in (dim1, dim2)]
    return Spec((*rest, max(min(rows, columns), 0)), input.dtype)


@_diagonal.kernel("cpu", "cuda")
def _diagonal_kernel(xp, x, offset, dim1, dim2):
    rows, columns = x.shape[dim1] + min(offset, 0), x.shape[dim2] - max(offset, 0)
    n = max(min(rows, columns), 0)
    # NumPy's own diagonal is read-only.
    start = [slice(None)] * x.ndim
    start[dim1] = slice(max(-offset, 0) if n else 0, None)
    start[dim2] = slice(max(offset, 0) if n else 0, None)
    x = x[tuple(start)]
    rest = [i for i in range(x.ndim) if i not in (dim1, dim2)]
    shape = (*[x.shape[i] for i in rest], n)
    strides = (*[x.strides[i] for i in rest], x.strides[dim1] + x.strides[dim2])
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


@_diagonal.vjp
def _diagonal_vjp(g, input_shape, offset, dim1, dim2):
    from .creation import zeros

    out = zeros(input_shape, dtype=g.dtype)
    _diagonal(out, offset, dim1, dim2).copy_(g)
    return out


@_diagonal.samples
def _diagonal_samples(make):
    yield call(make(3, 4), 0, 0, 1)
    yield call(make(3, 4, 2), 1, 0, 1)
    yield call(make(3, 4), -1, 1, 0)


@_diagonal.oracle
def _diagonal_oracle(x, offset, dim1, dim2):
    return np.diagonal(x, offset, dim1, dim2)


@exported("torch", "Tensor")
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of ``size`` elements, ``step`` apart, along a dimension; they become the last dimension.

    >>> rushlight.arange(4).unfold(0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    shape = self._array.shape
    dim = wrap_dim(dimension, len(shape))
    length = shape[dim] if shape else 1
    if not 0 <= size <= length:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {length} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    from .index import index_select
    from .creation import arange

    count = (length - size) // step + 1
    starts = arange(count)[:, None] * step + arange(size)
    taken = index_select(self, dim, starts.reshape(-1))
    return movedim(taken.unflatten(dim, (count, size)), dim + 1, -1)


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
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError("as_strided: Negative strides are not supported at the moment")
    return _as_strided(input, size, stride, storage_offset)


@primitive(view=True, node_name="AsStridedBackward0")
def _as_strided(input: Tensor, size: tuple, stride: tuple, storage_offset: int | None) -> Spec:
    """`as_strided` with checked arguments."""
    return Spec(size, input.dtype)


@_as_strided.kernel("cpu", "cuda")
def _as_strided_kernel(xp, x, size, stride, storage_offset):
    memory, offset = _memory_of(x)
    start = offset if storage_offset is None else storage_offset
    last = start + sum((n - 1) * s for n, s in zip(size, stride)) if math.prod(size) else start
    if start < 0 or (math.prod(size) and last >= memory.size):
        raise ValueError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start} are out of "
            f"bounds for storage of {memory.size} elements"
        )
    step = x.dtype.itemsize
    return xp.lib.stride_tricks.as_strided(memory[start:], size, tuple(s * step for s in stride))


def _memory_of(x: np.ndarray) -> tuple[np.ndarray, int]:
    """The whole memory of an array in one dimension, and where the array starts in it."""
    from ..tensor import address

    base = x
    while isinstance(base.base, np.ndarray) and base.base.dtype == x.dtype:
        base = base.base
    offset = (address(x) - address(base)) // x.dtype.itemsize
    flat = np.lib.stride_tricks.as_strided(base, (base.size,), (x.dtype.itemsize,))
    return flat, offset


@_as_strided.vjp
def _as_strided_vjp(g, input_shape, size, stride, storage_offset):
    from .creation import arange, zeros

    positions = arange(math.prod(input_shape)).reshape(input_shape)
    taken = _as_strided(positions, size, stride, storage_offset)
    out = zeros(math.prod(input_shape), dtype=g.dtype)
    return out.index_add(0, taken.reshape(-1), g.reshape(-1)).reshape(input_shape)
