"""Ops that put the elements of a tensor elsewhere, or repeat them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive
from ..tensor import Tensor, values_of, wrap
from .creation import write_out
from .join import cat, stack
from .part import narrow, sliced
from .taking import at_index
from .view import expand, not_a_view, reshape, sizes_of, transpose, wrap_dim


@exported("Tensor")
def repeat(self: Tensor, *sizes: Any) -> Tensor:
    """Copies of the tensor beside each other.

    Args:
        sizes: for each dimension how often; more of them than dimensions add dimensions in front.

    Raises:
        RuntimeError: there are fewer sizes than dimensions, or one is negative.

    >>> rushlight.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    sizes = sizes_of("repeat", sizes)
    shape = self._array.shape
    if len(sizes) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"{list(sizes)} for a tensor of shape {list(shape)}"
        )
    if any(n < 0 for n in sizes):
        raise RuntimeError(f"Trying to create tensor with negative dimension: repeat{tuple(sizes)}")
    return _repeat(self, sizes)


@primitive(node_name="RepeatBackward0")
def _repeat(input: Tensor, sizes: tuple[int, ...]) -> Spec:
    """`repeat` with a size for every dimension of the result."""
    shape = (1,) * (len(sizes) - input._array.ndim) + input._array.shape
    return Spec(tuple([n * s for n, s in zip(shape, sizes)]), input.dtype)


@_repeat.kernel("cpu", "cuda")
def _repeat_kernel(xp, x, sizes):
    # `tile` leaves the memory order of what it need not repeat.
    return xp.tile(x, sizes).copy() if set(sizes) <= {1} else xp.tile(x, sizes)


@_repeat.vjp
def _repeat_vjp(g, input_shape, sizes):
    if not g._array.size:
        return g.new_zeros(input_shape)
    shape = (1,) * (len(sizes) - len(input_shape)) + input_shape
    apart = reshape(g, tuple(itertools.chain.from_iterable(zip(sizes, shape))))
    return apart.sum(tuple(range(0, 2 * len(sizes), 2))) if sizes else apart


@_repeat.oracle
def _repeat_oracle(x, sizes):
    return np.tile(x, sizes)


@_repeat.samples
def _repeat_samples(make):
    yield call(make(3), (2,))
    yield call(make(2, 3), (2, 1, 3))
    yield call(make(2, 3), (0, 1))
    yield call(make(()), (3,))
    yield call(make(2, 3), (1, 1))


@exported("torch", "Tensor")
def tile(input: Tensor, *dims: Any) -> Tensor:
    """`repeat` that may be given fewer sizes than there are dimensions.

    >>> rushlight.tile(rushlight.tensor([[1], [2]]), (2,))
    tensor([[1, 1],
            [2, 2]])
    """
    dims = sizes_of("tile", dims)
    return repeat(input, (1,) * (input._array.ndim - len(dims)) + dims)


@exported("torch", "Tensor")
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each slice of a dimension repeated.

    Args:
        repeats: how often, one int for all or a tensor with one for each slice. Alone, as the first argument, it
            gives the indices of the slices.
        dim: by default the tensor is flattened first.

    Raises:
        RuntimeError: there is not one number for each slice, or one is negative.

    >>> rushlight.repeat_interleave(rushlight.tensor([7, 8]), 2)
    tensor([7, 7, 8, 8])
    """
    if repeats is None:
        return _repeated_indices(input, input._array.size)
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    dim = wrap_dim(dim, input._array.ndim)
    if not input._array.ndim:
        input = reshape(input, (1,))
    size = input._array.shape[dim]
    if not isinstance(repeats, Tensor):
        if repeats < 0:
            raise RuntimeError(f"Repeats must be non-negative, but got {repeats}")
        repeats = wrap(np.full(size, repeats, np.int64))
    index = _repeated_indices(repeats, size)
    if output_size is not None and output_size != index._array.size:
        raise RuntimeError(
            f"allocated size {output_size} does not match required size {index._array.size}"
        )
    return at_index(input, index, dim)


def _repeated_indices(repeats: Tensor, size: int) -> Tensor:
    if repeats.dtype is not dtypes.int64 and repeats.dtype is not dtypes.int32:
        raise NotImplementedError(f"repeats has to be Long or Int tensor, but got {repeats.dtype}")
    counts = values_of(repeats)
    if counts.ndim > 1:
        raise RuntimeError(
            f"repeats must be 0-dim or 1-dim tensor, but got shape {list(counts.shape)}"
        )
    if counts.size not in (1, size):
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} "
            f"and input.size(dim) = {size}"
        )
    if counts.size and counts.min() < 0:
        raise RuntimeError(f"repeats can not be negative, but one is {counts.min()}")
    return wrap(np.repeat(np.arange(size), np.broadcast_to(counts.reshape(-1), (size,))))


# ---- turning and shifting ---------------------------------------------------------------------------


@primitive(node_name="FlipBackward0")
def _flip(input: Tensor, dims: tuple[int, ...]) -> Spec:
    """`flip` with dimensions counted from the front."""
    return Spec(input._array.shape, input.dtype)


@_flip.kernel("cpu", "cuda")
def _flip_kernel(xp, x, dims):
    # In the memory order of x, as PyTorch gives it.
    return xp.flip(x, dims).copy(order="K") if dims and x.ndim else x.copy(order="K")


@_flip.vjp
def _flip_vjp(g, dims):
    return _flip(g, dims)


@_flip.oracle
def _flip_oracle(x, dims):
    for d in dims:
        x = np.take(x, np.arange(x.shape[d])[::-1], d)
    return x


@_flip.samples
def _flip_samples(make):
    yield call(make(3, 4), (0,))
    yield call(make(2, 3, 4), (0, 2))
    yield call(make(0, 3), (1,))


@exported("torch", "Tensor")
def flip(input: Tensor, *dims: Any) -> Tensor:
    """A copy with the order of the elements reversed along dimensions.

    Raises:
        RuntimeError: a dimension is named twice.

    >>> rushlight.flip(rushlight.tensor([[1, 2], [3, 4]]), [1])
    tensor([[2, 1],
            [4, 3]])
    """
    return _flip(input, _distinct("flip", sizes_of("flip", dims), input._array.ndim))


def _distinct(name: str, dims: Any, ndim: int) -> tuple[int, ...]:
    dims = tuple([wrap_dim(d, ndim) for d in dims])
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"{name}(): dim {d} appears multiple times in the list of dims")
    return dims


@exported("torch", "Tensor")
def fliplr(input: Tensor) -> Tensor:
    """`flip` along the second dimension.

    >>> rushlight.fliplr(rushlight.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    if input._array.ndim < 2:
        raise RuntimeError(
            f"fliplr: input must be >= 2-d, but it has shape {list(input._array.shape)}"
        )
    return _flip(input, (1,))


@exported("torch", "Tensor")
def flipud(input: Tensor) -> Tensor:
    """`flip` along the first dimension.

    >>> rushlight.flipud(rushlight.tensor([1, 2]))
    tensor([2, 1])
    """
    if input._array.ndim < 1:
        raise RuntimeError("flipud: input must be >= 1-d, but it has none")
    return _flip(input, (0,))


@exported("torch", "Tensor")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """A copy turned by quarter turns in the plane of two dimensions, from the first towards the second.

    Args:
        k: how many; negative ones turn the other way.

    >>> rushlight.rot90(rushlight.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    ndim = input._array.ndim
    dims = tuple(dims)
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    a, b = (wrap_dim(d, ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    k %= 4
    if k == 1:
        return not_a_view(transpose(_flip(input, (b,)), a, b))
    if k == 2:
        return _flip(input, (a, b))
    return not_a_view(transpose(_flip(input, (a,)), a, b)) if k == 3 else input.clone()


@primitive(node_name="RollBackward0")
def _roll(input: Tensor, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Spec:
    """`roll` with a shift for each dimension named."""
    return Spec(input._array.shape, input.dtype)


@_roll.kernel("cpu", "cuda")
def _roll_kernel(xp, x, shifts, dims):
    return xp.ascontiguousarray(xp.roll(x, shifts, dims))


@_roll.vjp
def _roll_vjp(g, shifts, dims):
    return _roll(g, tuple([-s for s in shifts]), dims)


@_roll.oracle
def _roll_oracle(x, shifts, dims):
    for shift, d in zip(shifts, dims):
        x = np.take(x, (np.arange(x.shape[d]) - shift) % max(x.shape[d], 1), d)
    return x


@_roll.samples
def _roll_samples(make):
    yield call(make(5), (2,), (0,))
    yield call(make(3, 4), (1, -6), (0, 1))
    yield call(make(3, 0), (1,), (1,))


@exported("torch", "Tensor")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """A copy with the elements moved along dimensions; what leaves at the end comes in at the start.

    Args:
        shifts: an int or a tuple, as many as ``dims``.
        dims: by default the tensor is flattened, rolled, and given its shape again.

    >>> rushlight.roll(rushlight.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    shifts = (shifts,) if isinstance(shifts, (int, np.integer)) else tuple(shifts)
    if dims is None or (not isinstance(dims, (int, np.integer)) and not len(dims)):
        if len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        return not_a_view(reshape(_roll(reshape(input, (-1,)), shifts, (0,)), input._array.shape))
    dims = (dims,) if isinstance(dims, (int, np.integer)) else tuple(dims)
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    ndim = input._array.ndim
    return _roll(input, shifts, tuple([wrap_dim(d, ndim) for d in dims]))


# ---- grids and products -----------------------------------------------------------------------------


@exported("torch")
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of a grid: each vector expanded along the dimensions of the others.

    Args:
        tensors: one-dimensional or 0-dim, of one dtype.
        indexing: ``"ij"`` (the default) or ``"xy"``, which swaps the first two dimensions.

    Returns:
        One view for each.

    >>> rows, columns = rushlight.meshgrid(rushlight.tensor([1, 2]), rushlight.tensor([3, 4]), indexing="ij")
    >>> rows
    tensor([[1, 1],
            [2, 2]])
    >>> columns
    tensor([[3, 4],
            [3, 4]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(f"meshgrid(): expected Tensors, not {type(x).__name__}")
        if x._array.ndim > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got shape "
                f"{list(x._array.shape)}"
            )
        if x._array.dtype != tensors[0]._array.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing is None:
        import warnings

        warnings.warn(
            "torch.meshgrid: pass indexing='ij' (the default, first argument along the first dimension) or "
            "indexing='xy'; it will be required",
            UserWarning,
            stacklevel=2,
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(
            f"torch.meshgrid: indexing must be one of 'xy' or 'ij', but received: {indexing}"
        )
    swap = indexing == "xy" and len(tensors) > 1
    order = [1, 0, *range(2, len(tensors))] if swap else list(range(len(tensors)))
    shape = tuple([tensors[i]._array.size for i in order])
    views = []
    for i, x in enumerate(tensors):
        at = order.index(i)
        views.append(expand(reshape(x, (1,) * at + (-1,) + (1,) * (len(tensors) - at - 1)), shape))
    return tuple(views)


@exported("torch")
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element of each vector, in rows.

    >>> rushlight.cartesian_prod(rushlight.tensor([1, 2]), rushlight.tensor([4, 5]))
    tensor([[1, 4],
            [1, 5],
            [2, 4],
            [2, 5]])
    """
    for x in tensors:
        if x._array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x._array.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(x, (-1,)) for x in meshgrid(*tensors, indexing="ij")], 1)


@exported("torch")
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, in rows.

    >>> rushlight.combinations(rushlight.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input._array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input._array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if not r:
        return input.new_empty(0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input._array.size), r))
    return at_index(input, wrap(np.array(rows, np.int64).reshape(-1, r)), 0)


@exported("torch", "Tensor")
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of ``input`` times all of ``other``.

    >>> rushlight.kron(rushlight.tensor([1, 10]), rushlight.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    a, b = input._array.shape, other._array.shape
    ndim = max(len(a), len(b))
    a, b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    apart = reshape(input, tuple(itertools.chain.from_iterable((n, 1) for n in a)))
    within = reshape(other, tuple(itertools.chain.from_iterable((1, n) for n in b)))
    made = not_a_view(reshape(apart * within, tuple([m * n for m, n in zip(a, b)])))
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None, *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The differences of neighbours along a dimension, taken ``n`` times.

    Args:
        prepend, append: values to put before and after along the dimension first.

    >>> rushlight.diff(rushlight.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if not input._array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = wrap_dim(dim, input._array.ndim)
    pieces = [x for x in (prepend, input, append) if x is not None]
    x = cat(pieces, dim) if len(pieces) > 1 else input
    for _ in range(n):
        size = x._array.shape[dim]
        if size < 2:
            x = narrow(x, dim, 0, 0)
            break
        later, earlier = narrow(x, dim, 1, size - 1), narrow(x, dim, 0, size - 1)
        x = later.logical_xor(earlier) if x.dtype is dtypes.bool_ else later - earlier
    x = x.clone() if x._view is not None or x is input else x
    return x if out is None else write_out(out, x)


@exported("torch", "Tensor")
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """The tensor cut along a dimension, as a tuple of views.

    Args:
        indices_or_sections: how many pieces, of which the first are longer by one where they cannot be equal; or
            the places of the cuts, as a tuple or a tensor.

    >>> rushlight.arange(5).tensor_split(2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if not input._array.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a 0-dim tensor"
        )
    dim = wrap_dim(dim, input._array.ndim)
    size = input._array.shape[dim]
    cuts = indices_or_sections
    if isinstance(cuts, Tensor):
        if cuts.dtype is not dtypes.int64 or cuts._array.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a 0-dim or 1-dim int64 tensor, but got "
                f"{cuts.dtype} of shape {list(cuts._array.shape)}"
            )
        cuts = cuts.tolist()
    if hasattr(cuts, "__index__"):
        cuts = cuts.__index__()
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        short, longer = divmod(size, cuts)
        cuts = list(itertools.accumulate([short + (i < longer) for i in range(cuts - 1)]))
    before = (slice(None),) * dim
    starts, ends = [0, *cuts], [*cuts, size]
    return tuple([sliced(input, (*before, slice(a, b), Ellipsis)) for a, b in zip(starts, ends)])


def _split_as(name: str, least: int, dim: Any) -> None:
    def function(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        shape = input._array.shape
        if len(shape) < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension(s), "
                f"but got a tensor with {len(shape)} dimensions!"
            )
        along = dim(len(shape))
        if (
            isinstance(indices_or_sections, (int, np.integer))
            and indices_or_sections > 0
            and shape[along] % indices_or_sections
        ):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {along}, but the size of the dimension "
                f"{shape[along]} is not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, along)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`tensor_split` along the dimension of ``{name}``, into equal parts."
    exported("torch", "Tensor")(function)


_split_as("hsplit", 1, lambda ndim: 0 if ndim == 1 else 1)
_split_as("vsplit", 2, lambda ndim: 0)
_split_as("dsplit", 3, lambda ndim: 2)
