"""The memory under tensors, as ``x.untyped_storage()`` and ``x.storage()`` show it."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import devices
from .backend import shared_memory
from .dtypes import dtype, uint8
from .tensor import Tensor, address, memory_of, owner_of, python_values, values_of


class UntypedStorage:
    """The bytes of the memory in which a tensor and all its views lie.

    >>> rushlight.zeros(2, 3)[1].untyped_storage().nbytes()
    24
    """

    __slots__ = ("array",)
    dtype = uint8

    def __init__(self, array: np.ndarray):
        self.array = array

    @property
    def device(self) -> devices.device:
        """Where the memory is."""
        return devices.CPU

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return self.array.dtype.itemsize

    element_size = lambda self: self.itemsize  # noqa: E731 - the same thing as a method

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self.array.nbytes

    def size(self) -> int:
        """How many elements there are."""
        return self.array.size

    __len__ = size

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return address(self.array)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)._over(self, self.array[index])
        return python_values(self.array)[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value

    def __iter__(self) -> Any:
        return iter(self.tolist())

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return python_values(self.array).tolist()

    def fill_(self, value: Any) -> Any:
        """Writes one value into every element."""
        self.array.fill(value)
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> Any:
        """Writes the elements of another storage into this one."""
        self.array[...] = source.array
        return self

    def clone(self) -> Any:
        """A copy in memory of its own."""
        return type(self)._over(self, self.array.copy())

    def cpu(self) -> Any:
        """The storage in main memory: itself."""
        return self

    def is_shared(self) -> bool:
        """Whether other processes see this memory."""
        return shared_memory.block_of(owner_of(self.array)) is not None

    def is_pinned(self) -> bool:
        """Whether the memory is locked for transfers."""
        return False

    @staticmethod
    def _over(like: Any, array: np.ndarray) -> Any:
        return UntypedStorage(array)

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self.tolist())
        return f"{lines}[torch.storage.{type(self).__name__}(device=cpu) of size {len(self)}]"


class TypedStorage(UntypedStorage):
    """The memory of a tensor as elements of its dtype.

    >>> rushlight.tensor([[1.0, 2.0], [3.0, 4.0]]).t().storage().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """

    __slots__ = ("dtype",)

    def __init__(self, array: np.ndarray, dtype: dtype):
        super().__init__(array)
        self.dtype = dtype

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self.array.view(np.uint8))

    @staticmethod
    def _over(like: Any, array: np.ndarray) -> Any:
        return TypedStorage(array, like.dtype)

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self.tolist())
        return f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory in which this tensor and its views lie, as bytes."""
    return UntypedStorage(memory_of(values_of(self))[0].view(np.uint8))


def storage(self: Tensor) -> TypedStorage:
    """The memory in which this tensor and its views lie, as elements of its dtype."""
    return TypedStorage(memory_of(values_of(self))[0], self.dtype)


def is_storage(obj: Any) -> bool:
    """Whether ``obj`` is a storage.

    >>> is_storage(rushlight.ones(1).untyped_storage()), is_storage([1.0])
    (True, False)
    """
    return isinstance(obj, UntypedStorage)
