"""The mean of every window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..backend import native
from ..primitive import Spec, call, primitive
from ..tensor import Tensor
from .window import Window, check, positions_of, windows_of


@primitive(layout="channels_last", node_name="AvgPool2DBackward0")
def avg_pool(input: Tensor, window: Window, count_include_pad: bool, divisor: int | None) -> Spec:
    """The mean of every window of ``(N, C, *in)``."""
    out = check("avg_pool", input, window)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    return Spec((*input._array.shape[:2], *out), input.dtype)


def _counts(
    window: Window, size: Sequence[int], include_pad: bool, divisor: int | None
) -> np.ndarray:
    """By what every window's sum is divided, ``(*out)``."""
    out = window.output(size)
    if divisor is not None:
        return np.full(out, float(divisor))
    counts = np.ones(())
    for n, m, k, s, p in zip(size, out, window.kernel, window.stride, window.padding):
        start = np.arange(m) * s - p
        low, high = (-p, n + p) if include_pad else (0, n)
        covered = np.minimum(start + k, high) - np.maximum(start, low)
        counts = np.multiply.outer(counts, covered.astype(np.float64))
    return counts


@avg_pool.kernel("cpu", "cuda")
def _avg_pool(xp, x, window, count_include_pad, divisor):
    windows = windows_of(xp, x, window, 0)
    sums = windows.sum(
        tuple(range(x.ndim, windows.ndim)), dtype=np.float64 if x.dtype.itemsize > 2 else np.float32
    )
    return (sums / _counts(window, x.shape[2:], count_include_pad, divisor)).astype(x.dtype)


@avg_pool.kernel("cpu", when=lambda x, *rest: x.dtype in native.LOOPED and x.size > 0)
def _avg_pool_native(xp, x, window, count_include_pad, divisor):
    x = native.plane_order(x)
    out = native.empty_in_order_of(x, (*x.shape[:2], *window.output(x.shape[2:])), x.dtype)
    native.extension.avg_pool(x, out, *window[:3], count_include_pad, divisor)
    return out


@avg_pool.vjp
def _avg_pool_vjp(g, input_shape, window, count_include_pad, divisor):
    return avg_pool_gradient(g, input_shape[2:], window, count_include_pad, divisor)


@avg_pool.oracle
def _avg_pool_oracle(x, window, count_include_pad, divisor):
    size = x.shape[2:]
    out = window.output(size)
    result = np.zeros((*x.shape[:2], *out))
    positions = positions_of(window, size, out)
    for place in np.ndindex(*out):
        count = 0
        for element in np.ndindex(*window.kernel):
            at = [int(p[i, e]) for p, i, e in zip(positions, place, element)]
            inside = all(0 <= a < n for a, n in zip(at, size))
            padded = all(-p <= a < n + p for a, n, p in zip(at, size, window.padding))
            count += padded if count_include_pad else inside
            if inside:
                result[(slice(None), slice(None), *place)] += x[(slice(None), slice(None), *at)]
        result[(slice(None), slice(None), *place)] /= divisor or count
    return result


@avg_pool.samples
def _avg_pool_samples(make):
    yield call(make(2, 3, 6, 4), Window((2, 2), (2, 2), (0, 0), (1, 1)), True, None)
    yield call(make(2, 3, 7, 5), Window((3, 2), (2, 1), (1, 1), (1, 1)), True, None)
    yield call(make(2, 3, 7, 5), Window((3, 2), (2, 2), (1, 1), (1, 1), True), False, None)
    yield call(make(2, 3, 9), Window((3,), (2,), (1,), (1,)), True, 2)


@primitive(layout="channels_last")
def avg_pool_gradient(
    g: Tensor, size: tuple[int, ...], window: Window, count_include_pad: bool, divisor: int | None
) -> Spec:
    """The gradient of `avg_pool` with respect to its input of spatial ``size``."""
    return Spec((*g._array.shape[:2], *size), g.dtype)


@avg_pool_gradient.kernel("cpu", "cuda")
def _avg_pool_gradient(xp, g, size, window, count_include_pad, divisor):
    out = g.shape[2:]
    share = g / _counts(window, size, count_include_pad, divisor).astype(g.dtype)
    reach = window.reach(size, out)
    result = xp.zeros((*g.shape[:2], *(n + a + b for n, (a, b) in zip(size, reach))), g.dtype)
    for element in np.ndindex(*window.kernel):
        place = tuple(
            slice(e, e + (m - 1) * s + 1, s) for e, m, s in zip(element, out, window.stride)
        )
        result[(slice(None), slice(None), *place)] += share
    inner = tuple(slice(a, a + n) for n, (a, _) in zip(size, reach))
    return xp.ascontiguousarray(result[(slice(None), slice(None), *inner)])


@avg_pool_gradient.kernel("cpu", when=lambda g, *rest: g.dtype in native.LOOPED and g.size > 0)
def _avg_pool_gradient_native(xp, g, size, window, count_include_pad, divisor):
    # One window lies in either order; convolutions want the gradient channels-last.
    one = g.size == g.shape[0] * g.shape[1]
    g = native.as_channels_last(g) if one else native.plane_order(g)
    shape = (*g.shape[:2], *size)
    gx = (
        native.channels_last(shape, g.dtype) if one else native.empty_in_order_of(g, shape, g.dtype)
    )
    native.extension.avg_pool_backward(g, gx, *window[:3], count_include_pad, divisor)
    return gx


avg_pool_gradient.vjp(
    g=lambda gg, window, count_include_pad, divisor: avg_pool(
        gg, window, count_include_pad, divisor
    )
)


@avg_pool_gradient.oracle
def _avg_pool_gradient_oracle(g, size, window, count_include_pad, divisor):
    units = np.eye(math.prod(size)).reshape(-1, 1, *size)
    answers = _avg_pool_oracle(units, window, count_include_pad, divisor)
    return np.tensordot(
        g.reshape(*g.shape[:2], -1), answers.reshape(len(units), -1), ((2,), (1,))
    ).reshape(*g.shape[:2], *size)


@avg_pool_gradient.samples
def _avg_pool_gradient_samples(make):
    yield call(make(2, 3, 3, 2), (6, 4), Window((2, 2), (2, 2), (0, 0), (1, 1)), True, None)
    yield call(make(2, 3, 4, 5), (7, 4), Window((3, 2), (2, 1), (1, 1), (1, 1)), False, None)
