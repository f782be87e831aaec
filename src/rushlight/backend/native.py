"""The extension, and the cheap questions that decide whether its kernels are right for some arrays.

No other module imports `rushlight._native`.
"""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np

from .. import _native as extension
from .. import config

float32 = np.dtype(np.float32)
float16 = np.dtype(np.float16)
bfloat16 = np.dtype(ml_dtypes.bfloat16)
HALVES = (bfloat16, float16)

# The dtypes in which the extension convolves and multiplies matrices on this processor.
COMPUTED = (float32, bfloat16) if extension.has_bfloat16() else (float32,)
# Those that the loops of norms, pools and reductions take.
LOOPED = (float32, bfloat16)

# From this many elements on, a pass over an array is worth several threads.
LARGE = 16384

# By the number of dimensions: the order of axes that puts the channels last, and the one that puts them back.
CHANNELS_TO_END = {n: (0, *range(2, n), 1) for n in range(2, 65)}
CHANNELS_FROM_END = {n: (0, n - 1, *range(1, n - 1)) for n in range(2, 65)}


def same_order(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two arrays of a dtype that the loops take lie in memory alike, without gaps."""
    return (
        (x.dtype is float32 or x.dtype in HALVES)
        and y.dtype is x.dtype
        and x.strides == y.strides
        and x.shape == y.shape
        and dense(x)
    )


def dense(x: np.ndarray) -> bool:
    """Whether the elements fill their memory without gaps, in whatever order."""
    flags = x.flags
    if flags.c_contiguous or flags.f_contiguous:
        return True
    return x.ndim > 2 and x.transpose(CHANNELS_TO_END[x.ndim]).flags.c_contiguous


def converts(a: np.dtype, b: np.dtype) -> bool:
    """Whether `converted` goes from one dtype to the other."""
    return (a is float32 and b in HALVES) or (b is float32 and a in HALVES)


def converted(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """``x`` in another dtype, rounded to nearest even, in the same order of memory."""
    if not (dense(x) and x.flags.aligned):
        # NumPy takes a stride of 0 for the smallest; as an order of memory it means nothing.
        x = x.copy(order="C" if 0 in x.strides else "K")
    out = np.empty_like(x, dtype)
    extension.convert(x, out)
    return out


def in_dtype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`converted`, but ``x`` itself where that is its dtype."""
    return x if x.dtype is dtype else converted(x, dtype)


def widened(x: np.ndarray | None) -> np.ndarray | None:
    """``x``, of float32 or half precision, in float32."""
    return x if x is None or x.dtype is float32 else converted(x, float32)


def computable(x: np.ndarray | None) -> np.ndarray | None:
    """``x``, of float32 or half precision, in a dtype in which the extension computes."""
    return x if x is None or x.dtype in COMPUTED else converted(x, float32)


def matrices(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold matrices that the extension multiplies: of one dtype, none empty."""
    return b.dtype is a.dtype and a.size > 0 and b.size > 0


def channels_last(shape: tuple[int, ...], dtype: np.dtype = float32) -> np.ndarray:
    """An uninitialised array of shape ``(N, C, *spatial)`` whose memory is ``(N, *spatial, C)``."""
    n, c, *spatial = shape
    return np.empty((n, *spatial, c), dtype).transpose(CHANNELS_FROM_END[len(shape)])


def is_channels_last(x: np.ndarray) -> bool:
    """Whether ``(N, C, *spatial)`` lies in memory as ``(N, *spatial, C)``, and not in C order."""
    return not x.flags.c_contiguous and x.transpose(CHANNELS_TO_END[x.ndim]).flags.c_contiguous


def as_channels_last(x: np.ndarray) -> np.ndarray:
    """``x`` in channels-last memory; itself if it is."""
    return np.ascontiguousarray(x.transpose(CHANNELS_TO_END[x.ndim])).transpose(
        CHANNELS_FROM_END[x.ndim]
    )


def plane_order(x: np.ndarray) -> np.ndarray:
    """``x`` in one of the two orders that the kernels take: channels-last if it is, else C order."""
    return x if is_channels_last(x) else np.ascontiguousarray(x)


def empty_in_order_of(x: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new array of ``shape`` in the memory order of ``x``, which is one of those two."""
    return channels_last(shape, dtype) if is_channels_last(x) else np.empty(shape, dtype)


def in_order_of(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``x`` in the memory order of ``other``, which is one of those two."""
    return as_channels_last(x) if is_channels_last(other) else np.ascontiguousarray(x)


def start() -> None:
    """Sets threads and memory as the environment asks."""
    threads = config.THREADS.read_int(0) or len(os.sched_getaffinity(0))
    extension.set_num_threads(threads)
    limit = config.CACHE_LIMIT.read_int(0)
    if limit:
        extension.set_cache_limit(limit << 20)
        extension.install_allocator()
