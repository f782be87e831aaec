"""Questions to a tensor in the form of functions, and small conversions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import exported
from ..tensor import Tensor, values_of, wrap
from .convert import dtype_of_legacy
from .part import item_at, narrow, sliced, split
from .values import legacy_tensor
from .view import wrap_dim


def _checked(name: str, x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}"
        )
    return x


def _question(name: str, doc: str) -> None:
    def function(input: Tensor) -> Any:
        return getattr(_checked(name, input), name)()

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    exported("torch")(function)


_question("numel", "How many elements ``input`` has.")
_question("is_floating_point", "Whether the dtype is float16, bfloat16, float32 or float64.")
_question("is_complex", "Whether the dtype is complex64 or complex128.")
_question("is_signed", "Whether the dtype has negative values.")
_question("get_device", "The CUDA index of the device; -1 on the CPU.")
_question("detach", "The same values in the same memory, without history.")
_question("detach_", "Cuts ``input`` from its history, and returns it.")


@exported("torch", "Tensor")
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero.

    Raises:
        RuntimeError: there is not exactly one element.

    >>> rushlight.is_nonzero(rushlight.tensor([0.0]))
    False
    """
    return bool(_checked("is_nonzero", input))


@exported("torch", "Tensor")
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode without a write counter: never, all tensors have one here."""
    return False


@exported("torch", "Tensor")
def is_neg(input: Tensor) -> bool:
    """Whether the values wait to be negated: never, that happens at once here."""
    return False


@exported("torch", "Tensor")
def is_distributed(input: Tensor) -> bool:
    """Whether the tensor is spread over several processes: never."""
    return False


@exported("torch", "Tensor")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal.

    >>> rushlight.is_same_size(rushlight.zeros(2), rushlight.ones(2))
    True
    """
    return input._array.shape == other._array.shape


@exported("Tensor")
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same elements of the same memory."""
    same = self._array.shape == tensor._array.shape and self.stride() == tensor.stride()
    return same and self.data_ptr() == tensor.data_ptr()


@exported("Tensor")
def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dimensions from the one whose neighbours lie farthest apart in memory to the nearest."""
    strides = self.stride()
    return tuple(sorted(range(len(strides)), key=lambda i: -strides[i]))


@exported("torch")
def typename(obj: Any) -> str:
    """The name of an object's type; for tensors the legacy one.

    >>> rushlight.typename(rushlight.ones(1))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    return (
        kind.__qualname__
        if kind.__module__ in ("builtins", "")
        else f"{kind.__module__}.{kind.__qualname__}"
    )


@exported("torch")
def set_default_tensor_type(t: Any) -> None:
    """Makes the dtype of a legacy type such as ``torch.DoubleTensor`` the default dtype.

    Raises:
        TypeError: it is no floating type.
    """
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated, please use torch.set_default_dtype() instead",
        UserWarning,
        stacklevel=2,
    )
    dtypes.set_default_dtype(dtype_of_legacy(t))


@exported("Tensor")
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """A tensor of the same dtype: of the given sizes, not set, or of the given values.

    >>> rushlight.ones(2).new([1, 2])
    tensor([1., 2.])
    """
    return legacy_tensor(args, self.dtype, self.device if device is None else device)


@exported("Tensor")
def apply_(self: Tensor, callable: Any) -> Tensor:
    """Writes ``callable(element)`` for each element; slow, since it runs in Python."""
    if self.requires_grad:
        raise RuntimeError("Can't call apply_() on Variable that requires grad.")
    array = values_of(self)
    made = [callable(value) for value in array.ravel().tolist()]
    return self.copy_(wrap(np.asarray(made, array.dtype).reshape(array.shape)))


@exported("torch", "Tensor", names=("unsafe_split_with_sizes",))
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` into pieces of the given lengths.

    >>> rushlight.split_with_sizes(rushlight.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return split(input, list(split_sizes), dim)


@exported("torch", "Tensor")
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of what `narrow` shows."""
    return narrow(input, dim, start, length).clone()


def _replaced(input: Tensor, view: Any, src: Tensor) -> Tensor:
    """A copy of ``input`` in which what ``view`` shows is ``src``."""
    out = input.clone()
    region = view(out)
    if region._array.shape != src._array.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src._array.shape)}, "
            f"slice size = {list(region._array.shape)}"
        )
    region.copy_(src)
    return out


@exported("torch", "Tensor")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` in the place of one slice of a dimension.

    >>> rushlight.select_scatter(rushlight.zeros(2, 2), rushlight.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    before = (slice(None),) * wrap_dim(dim, input._array.ndim)
    return _replaced(input, lambda x: item_at(x, (*before, index, Ellipsis)), src)


@exported("torch", "Tensor")
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """A copy of ``input`` with ``src`` in the place of some slices of a dimension.

    >>> rushlight.slice_scatter(rushlight.zeros(3), rushlight.ones(2), start=1)
    tensor([0., 1., 1.])
    """
    if step < 1:
        raise RuntimeError(f"slice step must be positive, not {step}")
    before = (slice(None),) * wrap_dim(dim, input._array.ndim)
    return _replaced(input, lambda x: sliced(x, (*before, slice(start, end, step), Ellipsis)), src)


@exported("torch", "Tensor")
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of ``input`` with ``src`` in the place of a diagonal.

    >>> rushlight.diagonal_scatter(rushlight.zeros(2, 2), rushlight.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _replaced(input, lambda x: x.diagonal(offset, dim1, dim2), src)


@exported("torch")
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places counted through all dimensions, as one index tensor for each dimension.

    Raises:
        ValueError: a place is outside ``shape``.

    >>> rushlight.unravel_index(rushlight.tensor([5]), (2, 3))
    (tensor([1]), tensor([2]))
    """
    if indices.dtype.rank != dtypes.INTEGRAL:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    array = values_of(indices)
    count = int(np.prod(shape, dtype=np.int64))
    if array.size and not (0 <= array.min() and array.max() < count):
        raise ValueError(f"indices must lie in 0 to {count - 1} for shape {shape}")
    return tuple([wrap(np.ascontiguousarray(a)) for a in np.unravel_index(array, shape)])
