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
        raise _no_sizes(name, sizes) from None


def _no_sizes(name: str, sizes: Any) -> TypeError:
    found = sizes
    for size in sizes if isinstance(sizes, (tuple, list)) else ():
        found = size
        if not isinstance(size, (int, np.integer)):
            break
    return TypeError(
        f"{name}(): argument 'size' must be a tuple of ints, but found element of type {type(found).__name__}"
    )


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


def strided(x: np.ndarray, shape: Any, strides: Any) -> np.ndarray:
    """The memory of ``x`` from its first element on, with another shape and strides in bytes."""
    if x.flags.c_contiguous:
        return np.ndarray(shape, x.dtype, x, 0, strides)
    return np.lib.stride_tricks.as_strided(x, shape, strides)


def not_a_view(x: Tensor) -> Tensor:
    """``x``, a view of a new tensor that nobody else holds, as a tensor of its own."""
    x._view = None
    return x


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


@view_dtype.samples
def _view_dtype_samples(make):
    from ..dtypes import int32, int64

    yield call(make(3, 4, dtype=int64), int32)
    yield call(make(3, 4, dtype=int32), int64)


@view_dtype.oracle
def _view_dtype_oracle(x, dtype):
    return np.frombuffer(x.tobytes(), dtype.numpy).reshape(*x.shape[:-1], -1)


@view_dtype.rejects
def _view_dtype_rejects(make):
    from ..dtypes import int8, int64

    yield reject(RuntimeError, "self.size(-1) must be divisible by 8", make(7, dtype=int8), int64)
    yield reject(RuntimeError, "self.dim() cannot be 0", make((), dtype=int8), int64)


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
            return not_a_view(_view(input.contiguous(), shape))
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


@_transpose.samples
def _transpose_samples(make):
    yield call(make(2, 3, 4), (2, 1, 0))
    yield call(make(2, 3, 4), (1, 0, 2))


_transpose.oracle(_permute_oracle)


@primitive("torch", "Tensor", view=True, node_name="TBackward0")
def t(input: Tensor) -> Spec:
    """A matrix with its two dimensions swapped; fewer dimensions stay.

    Raises:
        RuntimeError: there are more than two dimensions.

    >>> rushlight.zeros(2, 3).t().shape
    torch.Size([3, 2])
    """
    if input._array.ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {input._array.ndim}D"
        )
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
    """The last two dimensions swapped.

    Raises:
        RuntimeError: there are fewer than two.
    """
    if self._array.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self._array.ndim}-D tensor."
        )
    return transpose(self, -2, -1)


Tensor.T = property(_reversed)
Tensor.mT = property(_matrix_transposed)


@exported("torch", "Tensor", names=("moveaxis",))
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places; the rest keep their order.

    >>> rushlight.zeros(2, 3, 4).movedim(1, -1).shape
    torch.Size([2, 4, 3])
    """
    ndim = input._array.ndim
    sources = [
        wrap_dim(d, ndim) for d in ([source] if isinstance(source, (int, np.integer)) else source)
    ]
    targets = [
        wrap_dim(d, ndim)
        for d in ([destination] if isinstance(destination, (int, np.integer)) else destination)
    ]
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
    strides = [
        0 if i < new or (x.shape[i - new] == 1 and n != 1) else x.strides[i - new]
        for i, n in enumerate(shape)
    ]
    return strided(x, shape, strides)


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


@exported("torch", "Tensor")
def broadcast_to(input: Tensor, *size: Any) -> Tensor:
    """`Tensor.expand` as a function.

    >>> rushlight.broadcast_to(rushlight.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return expand(input, sizes_of("broadcast_to", size))


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
        result = broadcast(
            result, (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        )
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


@_reshaped.samples
def _reshaped_samples(make):
    yield call(make(1, 3, 1), (3,))
    yield call(make(1, 1), ())


_reshaped.oracle(_view_oracle)


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
_with_dim.oracle(_view_oracle)


@_with_dim.samples
def _with_dim_samples(make):
    yield call(make(3, 4), (3, 1, 4))
    yield call(make(()), (1,))


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
