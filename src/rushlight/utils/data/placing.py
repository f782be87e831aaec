"""Where the values of batches are put: in a worker process into shared memory at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...backend import shared_memory

# Up to here, bytes in a socket are faster than memory that must be opened.
SMALL = 4096

_shared = False


def use_shared_memory() -> None:
    """Lets `empty` give shared memory from now on: this process is a worker."""
    global _shared
    _shared = True


def is_shared() -> bool:
    """Whether `empty` gives shared memory."""
    return _shared


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array for the values of a batch, with any values, in C order.

    >>> empty((2, 3), np.float32).shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    if _shared and math.prod(shape) * dtype.itemsize > SMALL:
        block = shared_memory.allocate(math.prod(shape) * dtype.itemsize)
        return np.ndarray(shape, dtype, block)
    return np.empty(shape, dtype)
