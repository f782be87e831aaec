"""Moving tensors into memory that other processes see."""

from __future__ import annotations

from importlib import import_module

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .backend import shared_memory
from .tensor import MetaArray, Tensor, address, owner_of, settle


def is_shared(x: Tensor) -> bool:
    """Whether other processes can see the memory of ``x``."""
    array = x._array
    return type(array) is not MetaArray and shared_memory.block_of(owner_of(array)) is not None


def share(x: Tensor) -> None:
    """Moves the memory of ``x`` to where other processes can see it.

    The tensors of which ``x`` is a view move along. Other views of the same memory, and NumPy arrays,
    stay where it was.
    """
    if type(x._array) is MetaArray or is_shared(x):
        return
    # With it, the standard queues and pipes send what is shared as such.
    import_module("rushlight.multiprocessing")
    settle(x)
    owner = owner_of(x._array)
    family = [x]
    while family[-1]._view is not None:
        family.append(family[-1]._view.parent)
    family = [t for t in family if not t._private and owner_of(t._array) is owner]
    for tensor, array in zip(family, _moved(owner, [t._array for t in family])):
        tensor._array = array


def shared_copy(array: np.ndarray) -> np.ndarray:
    """A copy of ``array`` in a shared block of its own, in the same order of memory."""
    array = array.copy(order="K")
    return _moved(array, [array])[0]


def _moved(owner: np.ndarray, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The same views of a copy of ``owner`` in a shared block."""
    low, high = byte_bounds(owner)
    block = shared_memory.allocate(max(1, high - low))

    def there(array: np.ndarray) -> np.ndarray:
        if array.size == 0:
            return np.ndarray(array.shape, array.dtype, block)
        return np.ndarray(array.shape, array.dtype, block, address(array) - low, array.strides)

    there(owner)[...] = owner
    return [there(array) for array in arrays]
