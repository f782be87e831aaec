"""Tensors as checkpoints describe them: views of storages, which are blocks of memory."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import devices
from ..dtypes import dtype
from ..nn.parameter import Parameter
from ..storage import TypedStorage, UntypedStorage
from ..tensor import MetaArray, Tensor, address, contiguous_strides, values_of, wrap


def _is_tensor(obj: Any) -> bool:
    return isinstance(obj, Tensor)


def _array_of(tensor: Tensor) -> Any:
    return tensor._array if tensor.is_meta else np.asarray(values_of(tensor))


def _make_tensor(array: Any, requires_grad: bool, cls: type = Tensor) -> Tensor:
    tensor = wrap(array, cls)
    return tensor.requires_grad_() if requires_grad else tensor


def _make_parameter(tensor: Tensor, requires_grad: bool) -> Parameter:
    return Parameter(tensor, requires_grad)


# ---- writing ------------------------------------------------------------------------------------


class Block:
    """One block of memory that tensors to be saved share.

    Attributes:
        dtype: what the elements are.
        count: how many elements there are.
        array: the memory, as an array that fills it.
        key: the name of the block within its file.
    """

    __slots__ = ("dtype", "count", "array", "key")

    def __init__(self, dtype: dtype, count: int, array: np.ndarray, key: str):
        self.dtype = dtype
        self.count = count
        self.array = array
        self.key = key

    def bytes(self) -> np.ndarray:
        """The memory as bytes."""
        return self.array.reshape(-1).view(np.uint8)


class MemoryMap:
    """Finds out which tensors share memory, so that each block is written once."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._by_place: dict[tuple[int, int], Block] = {}

    def locate(self, array: np.ndarray, kind: dtype) -> tuple[Block, int, tuple[int, ...]]:
        """The block of ``array``, and the offset and strides of ``array`` within it, in elements.

        Raises:
            RuntimeError: the memory belongs to a tensor of another dtype as well.
        """
        block = array if array.base is None and array.flags.c_contiguous else _block_of(array)
        if block is None:
            array = block = np.array(array, order="C")
        strides = strides_of(array)
        if array.size == 0:
            return self._add(kind, block.reshape(-1)[:0]), 0, strides
        start = address(block)
        place = (start, block.nbytes)
        known = self._by_place.get(place)
        if known is None:
            known = self._by_place[place] = self._add(kind, block)
        elif known.dtype is not kind:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types ({known.dtype} and {kind}): save a .clone() of one of them"
            )
        if block is array:
            return known, 0, strides
        return known, (address(array) - start) // array.dtype.itemsize, strides

    def block_of_storage(self, storage: UntypedStorage) -> Block:
        """The block that is a storage's memory."""
        return self.locate(storage.array, storage.dtype)[0]

    def _add(self, kind: dtype, array: np.ndarray) -> Block:
        block = Block(kind, array.nbytes // kind.itemsize, array, str(len(self.blocks)))
        self.blocks.append(block)
        return block


def _block_of(array: np.ndarray) -> np.ndarray | None:
    """The memory of which ``array`` is a view, as bytes; None if no strides could describe it."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    ordered = root.transpose(sorted(range(root.ndim), key=lambda d: -root.strides[d]))
    if not ordered.flags.c_contiguous:
        return None
    block = ordered.reshape(-1).view(np.uint8)
    item = array.dtype.itemsize
    distances = [s for s, n in zip(array.strides, array.shape, strict=True) if n > 1]
    if block.size % item or (address(array) - address(block)) % item:
        return None
    if any(s < 0 or s % item for s in distances):
        return None
    return block


def strides_of(array: Any) -> tuple[int, ...]:
    """Strides in elements; where the lengths leave them free, those of a contiguous tensor."""
    if isinstance(array, MetaArray) or array.flags.c_contiguous:
        return contiguous_strides(array.shape)
    item = array.dtype.itemsize
    free = contiguous_strides(array.shape)
    lengths = zip(array.strides, array.shape, free, strict=True)
    return tuple(stride // item if n > 1 else other for stride, n, other in lengths)


# ---- reading ------------------------------------------------------------------------------------


def _at_once(function: Callable[[], None]) -> None:
    function()


class Storage(TypedStorage):
    """One block of memory that tensors of a checkpoint share.

    Attributes:
        dtype: what the elements are; uint8 where the checkpoint leaves it to the tensors.
        count: how many elements there are.
        array: the elements; None on the ``meta`` device.
        key: the name of the block within its file.
        place: the type of the device on which it is.
        when_filled: calls a function when the elements have their values, which may be later.
    """

    __slots__ = ("count", "key", "place", "when_filled")

    def __init__(
        self,
        dtype: dtype,
        count: int,
        array: Any,
        key: str,
        place: str = "cpu",
        when_filled: Callable[[Callable[[], None]], None] = _at_once,
    ):
        super().__init__(array, dtype)
        self.count = count
        self.key = key
        self.place = place
        self.when_filled = when_filled

    @property
    def device(self) -> devices.device:
        """Where the memory is."""
        return devices.resolve(self.place)

    def cuda(self, device: Any = None) -> Storage:
        """The storage on a CUDA device, where there is one."""
        devices.resolve("cuda" if device is None else device)
        return self

    def __reduce__(self) -> tuple:
        return TypedStorage, (self.array, self.dtype)


def view_of(
    storage: Storage, kind: dtype, offset: Any, size: Any, stride: Any, requires_grad: Any = False
) -> Tensor:
    """The tensor that the arguments describe, after checking that it lies within ``storage``.

    Args:
        storage: the memory.
        kind: the dtype of the elements.
        offset: where the first element is, in elements.
        size: the shape.
        stride: elements between neighbours, for each dimension.
        requires_grad: whether the tensor does.

    Raises:
        UnpicklingError: there is no such tensor, or a part of it is outside the storage.
    """
    _check_counts("offset", (offset,))
    _check_counts("size", size)
    _check_counts("stride", stride)
    if len(size) != len(stride):
        raise pickle.UnpicklingError(f"a tensor has {len(size)} dimensions, but strides {stride}")
    if requires_grad is not False:
        _check_gradient(kind, requires_grad)
    elements = storage.count
    if storage.dtype is not kind:
        elements = elements * storage.dtype.itemsize // kind.itemsize
    empty = 0 in size
    last = offset
    for n, s in zip(size, stride):
        last += (n - 1) * s
    if not empty and last >= elements:
        raise pickle.UnpicklingError(
            f"a tensor of size {tuple(size)}, strides {tuple(stride)} and offset {offset} reaches "
            f"to element {last} of storage {storage.key}, which has {elements}"
        )
    try:
        array = _place(storage, kind, offset, tuple(size), tuple(stride), empty)
    except ValueError as error:
        raise pickle.UnpicklingError(f"a tensor has size {tuple(size)}: {error}") from error
    return _make_tensor(array, requires_grad)


def _check_counts(what: str, counts: Any) -> None:
    if isinstance(counts, Sequence):
        for n in counts:
            if type(n) is not int or n < 0:
                break
        else:
            return
    raise pickle.UnpicklingError(
        f"the {what} of a tensor must be whole numbers from 0 on, not {counts!r}"
    )


def _check_gradient(kind: dtype, requires_grad: Any) -> None:
    if not isinstance(requires_grad, bool):
        raise pickle.UnpicklingError(f"requires_grad of a tensor is {requires_grad!r}")
    if not (kind.is_floating_point or kind.is_complex):
        raise pickle.UnpicklingError(f"a tensor of {kind} cannot require a gradient")


def _place(storage, kind, offset, size, stride, empty):
    if storage.place == "meta":
        return MetaArray(size, kind.numpy)
    if empty:
        return np.empty(size, kind.numpy)
    elements = storage.array if storage.dtype is kind else storage.array.view(kind.numpy)
    if stride == contiguous_strides(size):
        return elements[offset : offset + math.prod(size)].reshape(size)
    item = kind.itemsize
    return np.ndarray(size, kind.numpy, elements, offset * item, [s * item for s in stride])


def meta_tensor(kind: dtype, size: Any, requires_grad: Any) -> Tensor:
    """A tensor of the ``meta`` device."""
    storage = Storage(kind, 1, None, "of a meta tensor", "meta")
    return view_of(storage, kind, 0, size, [0] * len(size), requires_grad)
