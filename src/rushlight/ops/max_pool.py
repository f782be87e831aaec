"""The largest element of every window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Spec, call, primitive, reject
from ..tensor import Tensor, values_of, wrap
from .window import Window, check, lowest, positions_of, windows_of


@primitive(
    layout="channels_last", outputs=("out", "indices"), node_name="MaxPool2DWithIndicesBackward0"
)
def max_pool(input: Tensor, window: Window) -> tuple:
    """The largest element of every window of ``(N, C, *in)``, and where in ``*in`` it is, counted in C order."""
    out = check("max_pool", input, window)
    shape = (*input._array.shape[:2], *out)
    return Spec(shape, input.dtype), Spec(shape, dtypes.int64)


@max_pool.kernel("cpu", "cuda")
def _max_pool(xp, x, window):
    windows = windows_of(xp, x, window, lowest(x.dtype))
    flat = windows.reshape(*windows.shape[: x.ndim], math.prod(window.kernel))
    place = flat.argmax(-1)
    values = xp.take_along_axis(flat, place[..., None], -1)[..., 0]
    return xp.ascontiguousarray(values), _indices_of(place, x.shape[2:], window)


@max_pool.kernel("cpu", when=lambda x, window: x.dtype in native.LOOPED and x.size > 0)
def _max_pool_native(xp, x, window):
    wide = native.widened(native.plane_order(x))
    shape = (*x.shape[:2], *window.output(x.shape[2:]))
    out = native.empty_in_order_of(wide, shape, wide.dtype)
    indices = native.empty_in_order_of(wide, shape, np.dtype(np.int64))
    native.extension.max_pool(wide, out, indices, *window[:4])
    return native.in_dtype(out, x.dtype), indices


@max_pool.vjp
def _max_pool_vjp(gradients, indices, input_shape):
    return None if gradients[0] is None else scatter_spatial(gradients[0], indices, input_shape[2:])


@max_pool.oracle
def _max_pool_oracle(x, window):
    size = x.shape[2:]
    out = window.output(size)
    values, index = np.full((*x.shape[:2], *out), -np.inf), np.zeros((*x.shape[:2], *out), np.int64)
    positions = positions_of(window, size, out)
    for n, c in np.ndindex(*x.shape[:2]):
        for place in np.ndindex(*out):
            best = -np.inf
            for element in np.ndindex(*window.kernel):
                at = [int(p[i, e]) for p, i, e in zip(positions, place, element)]
                if any(not 0 <= a < m for a, m in zip(at, size)):
                    continue
                if x[(n, c, *at)] > best:
                    best = x[(n, c, *at)]
                    values[(n, c, *place)] = best
                    index[(n, c, *place)] = np.ravel_multi_index(at, size)
    return values, index


@max_pool.samples
def _max_pool_samples(make):
    yield call(make(2, 3, 6, 4), Window((2, 2), (2, 2), (0, 0), (1, 1)))
    yield call(make(2, 3, 7, 5), Window((3, 2), (2, 1), (1, 1), (1, 2)))
    yield call(make(2, 3, 5, 5), Window((2, 2), (2, 2), (0, 0), (1, 1), True))
    yield call(make(2, 3, 9), Window((3,), (2,), (1,), (1,)))
    yield call(make(1, 2, 4, 4, 4), Window((2,) * 3, (2,) * 3, (0,) * 3, (1,) * 3))


@max_pool.rejects
def _max_pool_rejects(make):
    yield reject(
        RuntimeError,
        "Output size is too small",
        make(1, 1, 2, 2),
        Window((3, 3), (3, 3), (0, 0), (1, 1)),
    )
    yield reject(
        RuntimeError, "at most half", make(1, 1, 4, 4), Window((2, 2), (2, 2), (2, 2), (1, 1))
    )
    yield reject(
        RuntimeError,
        "stride must be at least 1",
        make(1, 1, 4, 4),
        Window((2, 2), (0, 2), (0, 0), (1, 1)),
    )


def _taps_dtype(window: Window) -> dtypes.dtype:
    return dtypes.uint8 if math.prod(window.kernel) <= 256 else dtypes.int64


@primitive(
    layout="channels_last", outputs=("out", "taps"), node_name="MaxPool2DWithIndicesBackward0"
)
def max_pool_taps(input: Tensor, window: Window) -> tuple:
    """`max_pool`, with the place of each element counted inside its window: what a gradient needs, in less memory."""
    out = check("max_pool", input, window)
    shape = (*input._array.shape[:2], *out)
    return Spec(shape, input.dtype), Spec(shape, _taps_dtype(window))


@max_pool_taps.kernel("cpu", "cuda")
def _max_pool_taps(xp, x, window):
    windows = windows_of(xp, x, window, lowest(x.dtype))
    flat = windows.reshape(*windows.shape[: x.ndim], math.prod(window.kernel))
    taps = flat.argmax(-1)
    values = xp.take_along_axis(flat, taps[..., None], -1)[..., 0]
    return xp.ascontiguousarray(values), taps.astype(_taps_dtype(window).numpy)


@max_pool_taps.kernel(
    "cpu",
    when=lambda x, window: (
        x.dtype in native.LOOPED and x.size > 0 and math.prod(window.kernel) <= 256
    ),
)
def _max_pool_taps_native(xp, x, window):
    x = native.plane_order(x)
    shape = (*x.shape[:2], *window.output(x.shape[2:]))
    out = native.empty_in_order_of(x, shape, x.dtype)
    taps = native.empty_in_order_of(x, shape, np.dtype(np.uint8))
    native.extension.max_pool(x, out, taps, *window[:4])
    return out, taps


def _halves(window: Window) -> bool:
    """Whether a window is the most frequent one: 2x2 with stride 2."""
    return window == ((2, 2), (2, 2), (0, 0), (1, 1), False)


@max_pool_taps.kernel(
    "cpu",
    when=lambda x, window: (
        _halves(window) and x.dtype is native.float32 and x.flags.c_contiguous and x.size > 0
    ),
)
def _max_pool_taps_planar(xp, x, window):
    shape = (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)
    out, taps = np.empty(shape, x.dtype), np.empty(shape, np.uint8)
    native.extension.max_pool_2x2(x, out, taps)
    return out, taps


@max_pool_taps.vjp
def _max_pool_taps_vjp(gradients, taps, input_shape, window):
    g = gradients[0]
    return None if g is None else max_pool_gradient(g, taps, input_shape[2:], window)


@max_pool_taps.oracle
def _max_pool_taps_oracle(x, window):
    values, _ = _max_pool_oracle(x, window)
    windows = windows_of(np, x, window, -np.inf)
    flat = windows.reshape(*windows.shape[: x.ndim], -1)
    return values, np.argmax(flat == values[..., None], -1)


max_pool_taps.samples(_max_pool_samples)
max_pool_taps.rejects(_max_pool_rejects)


@primitive(layout="channels_last")
def max_pool_gradient(g: Tensor, taps: Tensor, size: tuple[int, ...], window: Window) -> Spec:
    """The gradient of `max_pool_taps` with respect to its input of spatial ``size``."""
    return Spec((*g._array.shape[:2], *size), g.dtype)


def _indices_of(taps: np.ndarray, size: Sequence[int], window: Window) -> np.ndarray:
    """Where in the input's plane each tap points, counted in C order."""
    index = np.zeros(taps.shape, np.int64)
    inside = np.unravel_index(taps, window.kernel)
    positions = positions_of(window, size, taps.shape[2:])
    for i, (n, at, element) in enumerate(zip(size, positions, inside)):
        starts = at[:, 0].reshape(-1, *[1] * (len(size) - 1 - i))
        index = index * n + np.clip(starts + element * window.dilation[i], 0, n - 1)
    return index


@max_pool_gradient.kernel("cpu", "cuda")
def _max_pool_gradient(xp, g, taps, size, window):
    return _scatter_spatial(xp, g, _indices_of(taps, size, window), size)


@max_pool_gradient.kernel(
    "cpu",
    when=lambda g, taps, size, window: (
        g.dtype in native.LOOPED and taps.dtype.itemsize == 1 and g.size > 0
    ),
)
def _max_pool_gradient_native(xp, g, taps, size, window):
    taps = native.plane_order(taps)
    gx = native.empty_in_order_of(taps, (*g.shape[:2], *size), g.dtype)
    native.extension.max_pool_backward(native.in_order_of(g, taps), taps, gx, *window[:4])
    return gx


@max_pool_gradient.kernel(
    "cpu",
    when=lambda g, taps, size, window: (
        _halves(window) and g.dtype is native.float32 and taps.flags.c_contiguous and g.size > 0
    ),
)
def _max_pool_gradient_planar(xp, g, taps, size, window):
    gx = np.empty((*g.shape[:2], *size), g.dtype)
    native.extension.max_pool_2x2_backward(np.ascontiguousarray(g), taps, gx)
    return gx


max_pool_gradient.vjp(
    g=lambda gg, taps, size, window: gather_spatial(
        gg, wrap(_indices_of(values_of(taps), size, window))
    )
)


@primitive(layout="channels_last")
def scatter_spatial(g: Tensor, indices: Tensor, size: tuple[int, ...]) -> Spec:
    """Every element of ``(N, C, *out)`` added at its index in zeros ``(N, C, *size)``."""
    return Spec((*g._array.shape[:2], *size), g.dtype)


@scatter_spatial.kernel("cpu", "cuda")
def _scatter_spatial(xp, g, indices, size):
    planes = g.shape[0] * g.shape[1]
    each = math.prod(size)
    at = indices.reshape(planes, -1)
    if at.size and not (0 <= at.min() and at.max() < each):
        wrong = at.max() if at.max() >= each else at.min()
        raise ValueError(
            f"Found an invalid max index: {wrong} (output volumes are of size {'x'.join(map(str, size))})"
        )
    base = xp.arange(planes)[:, None] * each
    out = xp.bincount(
        (at + base).ravel(), g.reshape(planes, -1).ravel().astype(np.float64), planes * each
    )
    return out.reshape(*g.shape[:2], *size).astype(g.dtype)


scatter_spatial.vjp(g=lambda gg, indices: gather_spatial(gg, indices))


@scatter_spatial.oracle
def _scatter_spatial_oracle(g, indices, size):
    out = np.zeros((*g.shape[:2], math.prod(size)))
    for n, c in np.ndindex(*g.shape[:2]):
        np.add.at(out[n, c], indices[n, c].ravel(), g[n, c].ravel())
    return out.reshape(*g.shape[:2], *size)


@scatter_spatial.samples
def _scatter_spatial_samples(make):
    yield call(make(1, 2, 2, 2), wrap(np.array([[[[0, 1], [1, 8]], [[2, 2], [2, 2]]]])), (3, 3))


@primitive()
def gather_spatial(input: Tensor, indices: Tensor) -> Spec:
    """The elements of the planes of ``(N, C, *in)`` at indices ``(N, C, *out)``."""
    return Spec(indices._array.shape, input.dtype)


@gather_spatial.kernel("cpu", "cuda")
def _gather_spatial(xp, x, indices):
    flat = x.reshape(*x.shape[:2], -1)
    return xp.take_along_axis(flat, indices.reshape(*x.shape[:2], -1), 2).reshape(indices.shape)


gather_spatial.vjp(
    input=lambda g, indices, input_shape: scatter_spatial(g, indices, input_shape[2:])
)


@gather_spatial.oracle
def _gather_spatial_oracle(x, indices):
    out = np.zeros(indices.shape)
    for n, c in np.ndindex(*x.shape[:2]):
        out[n, c] = x[n, c].ravel()[indices[n, c]]
    return out


@gather_spatial.samples
def _gather_spatial_samples(make):
    yield call(make(1, 2, 3, 3), wrap(np.array([[[[0, 1], [1, 8]], [[2, 2], [2, 2]]]])))
