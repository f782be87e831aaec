"""The extension, and the cheap questions that decide whether its kernels are right for some arrays.

No other module imports `rushlight._native`.
"""

from __future__ import annotations

import os

import numpy as np

from .. import _native as extension
from .. import config

float32 = np.dtype(np.float32)

# From this many elements on, a pass over an array is worth several threads.
LARGE = 16384


def same_order(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two float32 arrays lie in memory alike, without gaps."""
    return (
        x.dtype is float32
        and y.dtype is float32
        and x.strides == y.strides
        and x.shape == y.shape
        and dense(x)
    )


def dense(x: np.ndarray) -> bool:
    """Whether the elements fill their memory without gaps, in whatever order."""
    flags = x.flags
    if flags.c_contiguous or flags.f_contiguous:
        return True
    return x.ndim > 2 and np.moveaxis(x, 1, -1).flags.c_contiguous


def channels_last(shape: tuple[int, ...], dtype: np.dtype = float32) -> np.ndarray:
    """An uninitialised array of shape ``(N, C, *spatial)`` whose memory is ``(N, *spatial, C)``."""
    n, c, *spatial = shape
    return np.moveaxis(np.empty((n, *spatial, c), dtype), -1, 1)


def start() -> None:
    """Sets threads and memory as the environment asks."""
    threads = config.THREADS.read_int(0) or len(os.sched_getaffinity(0))
    extension.set_num_threads(threads)
    limit = config.CACHE_LIMIT.read_int(0)
    if limit:
        extension.set_cache_limit(limit << 20)
        extension.install_allocator()
