"""Pooling over windows that divide the input into a given number of parts."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Spec, call, primitive
from ..tensor import Tensor
from .max_pool import _max_pool_vjp
from .window import not_for


def _bounds(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of ``m`` windows over ``n`` elements starts and ends."""
    i = np.arange(m)
    return i * n // m, -(-(i + 1) * n // m)


@primitive(layout="channels_last", node_name="AdaptiveAvgPool2DBackward0")
def adaptive_avg_pool(input: Tensor, size: tuple[int, ...]) -> Spec:
    """The means of windows that divide ``(N, C, *in)`` into ``size`` parts."""
    shape = input._array.shape
    if input.dtype.rank != dtypes.FLOATING:
        raise not_for("adaptive_avg_pool", input)
    if 0 in shape[1:] or min(size, default=0) < 0:
        raise RuntimeError(
            f"adaptive_avg_pool: expected non-empty input and output sizes, but got {list(shape)} and {list(size)}"
        )
    return Spec((*shape[:2], *size), input.dtype)


@adaptive_avg_pool.kernel("cpu", "cuda")
def _adaptive_avg_pool(xp, x, size):
    wide = np.float64 if x.dtype.itemsize > 2 else np.float32
    out = x.astype(wide)
    for i, m in enumerate(size):
        starts, ends = _bounds(out.shape[2 + i], m)
        parts = [
            out[(slice(None),) * (2 + i) + (slice(a, b),)].mean(2 + i) for a, b in zip(starts, ends)
        ]
        out = (
            xp.stack(parts, 2 + i)
            if parts
            else xp.zeros((*out.shape[: 2 + i], 0, *out.shape[3 + i :]), wide)
        )
    return out.astype(x.dtype)


@adaptive_avg_pool.kernel(
    "cpu",
    when=lambda x, size: x.dtype in native.LOOPED and x.size > 0 and min(size, default=0) > 0,
)
def _adaptive_avg_pool_native(xp, x, size):
    x = native.plane_order(x)
    out = native.empty_in_order_of(x, (*x.shape[:2], *size), x.dtype)
    native.extension.adaptive_avg_pool(x, out)
    return out


@adaptive_avg_pool.vjp
def _adaptive_avg_pool_vjp(g, input_shape):
    return adaptive_avg_pool_gradient(g, input_shape[2:])


@adaptive_avg_pool.oracle
def _adaptive_avg_pool_oracle(x, size):
    out = np.zeros((*x.shape[:2], *size))
    bounds = [_bounds(n, m) for n, m in zip(x.shape[2:], size)]
    for place in np.ndindex(*size):
        part = x[
            (slice(None), slice(None), *[slice(b[0][i], b[1][i]) for b, i in zip(bounds, place)])
        ]
        out[(slice(None), slice(None), *place)] = part.reshape(*x.shape[:2], -1).sum(
            -1
        ) / math.prod(part.shape[2:])
    return out


@adaptive_avg_pool.samples
def _adaptive_avg_pool_samples(make):
    yield call(make(2, 3, 5, 7), (2, 3))
    yield call(make(2, 3, 4, 4), (1, 1))
    yield call(make(2, 3, 3), (5,))


@primitive(layout="channels_last")
def adaptive_avg_pool_gradient(g: Tensor, size: tuple[int, ...]) -> Spec:
    """The gradient of `adaptive_avg_pool` with respect to its input of spatial ``size``."""
    return Spec((*g._array.shape[:2], *size), g.dtype)


@adaptive_avg_pool_gradient.kernel("cpu", "cuda")
def _adaptive_avg_pool_gradient(xp, g, size):
    out = xp.zeros((*g.shape[:2], *size), g.dtype)
    bounds = [_bounds(n, m) for n, m in zip(size, g.shape[2:])]
    for place in np.ndindex(*g.shape[2:]):
        region = [slice(b[0][i], b[1][i]) for b, i in zip(bounds, place)]
        count = math.prod(r.stop - r.start for r in region)
        share = g[(slice(None), slice(None), *place)] / g.dtype.type(count)
        out[(slice(None), slice(None), *region)] += share.reshape(*g.shape[:2], *[1] * len(size))
    return out


@adaptive_avg_pool_gradient.kernel(
    "cpu", when=lambda g, size: g.dtype in native.LOOPED and g.size > 0
)
def _adaptive_avg_pool_gradient_native(xp, g, size):
    # Channels-last, as the convolution that takes this gradient wants it.
    g = native.as_channels_last(g)
    gx = native.channels_last((*g.shape[:2], *size), g.dtype)
    native.extension.adaptive_avg_pool_backward(g, gx)
    return gx


adaptive_avg_pool_gradient.vjp(g=lambda gg, g_shape: adaptive_avg_pool(gg, g_shape[2:]))


@adaptive_avg_pool_gradient.oracle
def _adaptive_avg_pool_gradient_oracle(g, size):
    units = np.eye(math.prod(size)).reshape(-1, 1, *size)
    answers = _adaptive_avg_pool_oracle(units, g.shape[2:])
    return np.tensordot(
        g.reshape(*g.shape[:2], -1), answers.reshape(len(units), -1), ((2,), (1,))
    ).reshape(*g.shape[:2], *size)


@adaptive_avg_pool_gradient.samples
def _adaptive_avg_pool_gradient_samples(make):
    yield call(make(2, 3, 2, 3), (5, 7))
    yield call(make(2, 3, 1, 1), (4, 4))


@primitive(
    layout="channels_last", outputs=("out", "indices"), node_name="AdaptiveMaxPool2DBackward0"
)
def adaptive_max_pool(input: Tensor, size: tuple[int, ...]) -> tuple:
    """The largest elements of windows that divide ``(N, C, *in)`` into ``size`` parts, and where they are."""
    shape = input._array.shape
    if input.dtype.rank != dtypes.FLOATING:
        raise not_for("adaptive_max_pool", input)
    if 0 in shape[1:] or min(size, default=0) < 0:
        raise RuntimeError(
            f"adaptive_max_pool: expected non-empty input and output sizes, but got {list(shape)} and {list(size)}"
        )
    return Spec((*shape[:2], *size), input.dtype), Spec((*shape[:2], *size), dtypes.int64)


@adaptive_max_pool.kernel("cpu", "cuda")
def _adaptive_max_pool(xp, x, size):
    out = xp.empty((*x.shape[:2], *size), x.dtype)
    index = xp.empty(out.shape, np.int64)
    bounds = [_bounds(n, m) for n, m in zip(x.shape[2:], size)]
    numbers = xp.arange(math.prod(x.shape[2:])).reshape(x.shape[2:])
    for place in np.ndindex(*size):
        region = tuple(slice(b[0][i], b[1][i]) for b, i in zip(bounds, place))
        part = x[(slice(None), slice(None), *region)].reshape(*x.shape[:2], -1)
        at = part.argmax(-1)
        out[(slice(None), slice(None), *place)] = xp.take_along_axis(part, at[..., None], -1)[
            ..., 0
        ]
        index[(slice(None), slice(None), *place)] = numbers[region].ravel()[at]
    return out, index


adaptive_max_pool.vjp(_max_pool_vjp)


@adaptive_max_pool.oracle
def _adaptive_max_pool_oracle(x, size):
    values, index = np.zeros((*x.shape[:2], *size)), np.zeros((*x.shape[:2], *size), np.int64)
    bounds = [_bounds(n, m) for n, m in zip(x.shape[2:], size)]
    for n, c in np.ndindex(*x.shape[:2]):
        for place in np.ndindex(*size):
            candidates = [range(int(b[0][i]), int(b[1][i])) for b, i in zip(bounds, place)]
            at = max(
                np.ndindex(*map(len, candidates)),
                key=lambda e: x[(n, c, *[r[i] for r, i in zip(candidates, e)])],
            )
            at = [r[i] for r, i in zip(candidates, at)]
            values[(n, c, *place)] = x[(n, c, *at)]
            index[(n, c, *place)] = np.ravel_multi_index(at, x.shape[2:])
    return values, index


@adaptive_max_pool.samples
def _adaptive_max_pool_samples(make):
    yield call(make(2, 3, 5, 7), (2, 3))
    yield call(make(2, 3, 4, 4), (1, 1))
