"""Ops that change which memory a tensor shows, in place: `resize_`, `set_`, `squeeze_` and their kin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import sharing
from ..autograd.graph import AccumulateGrad
from ..autograd.modes import state
from ..autograd.views import history
from ..primitive import export, exported
from ..storage import TypedStorage, UntypedStorage, is_storage, storage, untyped_storage
from ..tensor import Tensor, contiguous_strides, memory_of, settle, values_of, wrap
from .part import as_strided
from .view import sizes_of, squeeze, strided, t, transpose, unsqueeze

export(UntypedStorage, ("torch",))
export(TypedStorage, ("torch",))
export(is_storage, ("torch",))
export(untyped_storage, ("Tensor",))
export(storage, ("Tensor",))


@exported("Tensor")
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Gives the tensor another shape, contiguous from its first element on.

    What lies in memory stays; where it is too small, new memory is taken, whose further elements are not set.

    Raises:
        RuntimeError: the tensor requires a gradient, or a size is negative.

    >>> rushlight.arange(6).resize_(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    shape = sizes_of("resize_", sizes)
    if history(self) is not None:
        raise RuntimeError("cannot resize variables that require grad")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"resize_: sizes must not be negative, got {list(shape)}")
    array = values_of(self)
    if array.shape == shape:
        return self
    memory, offset = memory_of(array)
    count = math.prod(shape)
    if offset + count > memory.size:
        larger = np.empty(count, array.dtype)
        larger[: memory.size - offset] = memory[offset:]
        memory, offset = larger, 0
    self._array = strided(memory[offset:], shape, contiguous_strides(shape, array.dtype.itemsize))
    return self


@exported("Tensor", "torch")
def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    return resize_(input, the_template._array.shape)


@exported("Tensor")
def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Makes the tensor show the memory of another tensor or of a storage.

    Args:
        source: a tensor of the same dtype, or a storage; nothing leaves an empty tensor.
        storage_offset, size, stride: which elements of the memory, counted in elements.

    Raises:
        RuntimeError: the elements lie outside the memory, or the dtypes differ.

    >>> x = rushlight.zeros(0).set_(rushlight.tensor([1.0, 2.0]))
    >>> x
    tensor([1., 2.])
    """
    if source is None:
        self._array = np.empty(0, self._array.dtype)
        return self
    if isinstance(source, Tensor):
        if source._array.dtype != self._array.dtype:
            raise RuntimeError(
                f"Could not set tensor of type {source.dtype} to a tensor of type {self.dtype}"
            )
        settle(source)
        source._counter = self._counter = source._counter or [0]
        shown = source if size is None else _shown(source, storage_offset, size, stride)
    elif isinstance(source, UntypedStorage):
        elements = source.array.view(self._array.dtype)
        size = (elements.size,) if size is None else size
        shown = _shown(wrap(elements), storage_offset, size, stride)
    else:
        raise TypeError(
            f"set_(): argument 'source' must be a Tensor or a storage, not {type(source).__name__}"
        )
    self._array = shown._array
    self._private = False
    return self


def _shown(source: Tensor, offset: int, size: Any, stride: Any) -> Tensor:
    size = tuple(size)
    return as_strided(
        source.detach(), size, contiguous_strides(size) if stride is None else stride, offset
    )


def _become(x: Tensor, view: Any) -> Tensor:
    """Makes ``x`` what ``view(x)`` is, its history and its memory included."""
    node = history(x)
    if state.grad and type(node) is AccumulateGrad:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    settle(x)
    before = wrap(x._array)
    before._node, before._view = node, x._view
    before._counter = x._counter = x._counter or [0]
    after = view(before)
    x._node = history(after)
    x._array = after._array
    if x._view is not None:
        x._view = after._view
    return x


@exported("Tensor")
def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """`squeeze`, applied to this tensor itself, which is returned.

    >>> rushlight.zeros(1, 2).squeeze_().shape
    torch.Size([2])
    """
    return _become(self, lambda x: squeeze(x, dim))


@exported("Tensor")
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """`unsqueeze`, applied to this tensor itself, which is returned.

    >>> rushlight.zeros(2).unsqueeze_(0).shape
    torch.Size([1, 2])
    """
    return _become(self, lambda x: unsqueeze(x, dim))


@exported("Tensor", names=("swapaxes_", "swapdims_"))
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """`transpose`, applied to this tensor itself, which is returned.

    >>> rushlight.zeros(2, 3).transpose_(0, 1).shape
    torch.Size([3, 2])
    """
    return _become(self, lambda x: transpose(x, dim0, dim1))


@exported("Tensor")
def t_(self: Tensor) -> Tensor:
    """`t`, applied to this tensor itself, which is returned.

    >>> rushlight.zeros(2, 3).t_().shape
    torch.Size([3, 2])
    """
    return _become(self, t)


@exported("Tensor", "torch")
def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """`as_strided`, applied to this tensor itself, which is returned."""
    return _become(input, lambda x: as_strided(x, size, stride, storage_offset))


@exported("Tensor")
def as_subclass(self: Tensor, cls: type) -> Tensor:
    """The same memory and history as an instance of a subclass of ``Tensor``.

    Raises:
        TypeError: ``cls`` is no such class.
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass(): cls must be a subclass of torch.Tensor, not {cls!r}")
    out = self.view(self._array.shape)
    out.__class__ = cls
    return out


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Tensor:
    """A leaf of class ``cls`` over the memory of ``data``."""
    out = data.detach()
    out.__class__ = cls
    return out.requires_grad_(require_grad)


Tensor._make_subclass = staticmethod(_make_subclass)


@exported("Tensor")
def share_memory_(self: Tensor) -> Tensor:
    """Moves the values to memory that other processes see as well, and returns the tensor.

    Tensors of which it is a view move along; other views, and NumPy arrays, keep the memory that was.

    >>> rushlight.ones(2).share_memory_().is_shared()
    True
    """
    sharing.share(self)
    return self


@exported("Tensor")
def is_shared(self: Tensor) -> bool:
    """Whether other processes see this memory."""
    return sharing.is_shared(self)


@exported("Tensor")
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the memory is locked for transfers to a device: never, as there is none."""
    return False


@exported("Tensor")
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """The tensor in memory locked for transfers to a device.

    Raises:
        RuntimeError: there is no such device.
    """
    raise RuntimeError(
        "Cannot access accelerator device when none is available: pin_memory() serves transfers to one; leave "
        "it out on a machine without"
    )
