"""Pooling over one to three spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor, values_of, wrap
from .conv import several


class Window(NamedTuple):
    """How a pooling window moves, one entry for each spatial dimension.

    Attributes:
        kernel: the size of the window.
        stride: steps between neighbouring windows.
        padding: elements outside the input at either end that windows may cover.
        dilation: steps between the elements of a window.
        ceil: let a last window reach past the end, if it starts inside.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool = False

    def output(self, size: Sequence[int]) -> tuple[int, ...]:
        """How many windows there are in each dimension."""
        counts = []
        for n, k, s, p, d in zip(size, *self[:4]):
            span = n + 2 * p - d * (k - 1) - 1
            count = (-(-span // s) if self.ceil else span // s) + 1
            if self.ceil and (count - 1) * s >= n + p:
                count -= 1
            counts.append(count)
        return tuple(counts)

    def reach(self, size: Sequence[int], out: Sequence[int]) -> list[tuple[int, int]]:
        """How far windows reach before and after the input."""
        return [
            (p, max((m - 1) * s + d * (k - 1) + 1 - n - p, 0))
            for n, m, k, s, p, d in zip(size, out, *self[:4])
        ]


def _not_for(name: str, input: Tensor) -> NotImplementedError:
    return NotImplementedError(
        f"\"{name}\" not implemented for '{input.dtype.legacy}'; convert the input with .float()"
    )


def _check(
    name: str, input: Tensor, window: Window, ranks: Sequence[int] = (dtypes.INTEGRAL, dtypes.FLOATING)
) -> tuple[int, ...]:
    """The output's spatial size.

    Args:
        ranks: the kinds of dtypes that can be pooled.

    Raises:
        RuntimeError: the window's settings or the input's size do not fit.
        NotImplementedError: the input's dtype cannot be pooled.
    """
    for what, values, low in (
        ("kernel_size", window.kernel, 1), ("stride", window.stride, 1), ("padding", window.padding, 0),
        ("dilation", window.dilation, 1),
    ):  # fmt: skip
        if any(v < low for v in values):
            raise RuntimeError(f"{name}: {what} must be at least {low}, but got {list(values)}")
    for p, k in zip(window.padding, window.kernel):
        if p > k // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={window.dilation[0]}"
            )
    shape = input._array.shape
    if input.dtype.rank not in ranks:
        raise _not_for(name, input)
    if 0 in shape[1:]:
        raise RuntimeError(
            f"Expected {len(shape)}D tensor with optional 0 dim batch size for input, but got: {list(shape)}"
        )
    out = window.output(shape[2:])
    if min(out) <= 0:
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, shape[1:]))}). Calculated output size: "
            f"({'x'.join(map(str, (shape[1], *out)))}). Output size is too small: the kernel "
            f"{list(window.kernel)} is larger than the input"
        )
    return out


def _windows(xp: Any, x: np.ndarray, window: Window, fill: Any) -> np.ndarray:
    """``(N, C, *out, *kernel)``: what each window sees, with ``fill`` outside the input."""
    out = window.output(x.shape[2:])
    reach = window.reach(x.shape[2:], out)
    if any(a or b for a, b in reach):
        x = xp.pad(x, [(0, 0), (0, 0), *reach], constant_values=fill)
    step = x.strides[2:]
    return xp.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *out, *window.kernel),
        (
            *x.strides[:2],
            *(t * s for t, s in zip(step, window.stride)),
            *(t * d for t, d in zip(step, window.dilation)),
        ),
        writeable=False,
    )


def lowest(dtype: np.dtype) -> Any:
    """The value below all others of a dtype."""
    return -np.inf if dtype.kind in "fV" else np.iinfo(dtype).min


def _positions(window: Window, size: Sequence[int], out: Sequence[int]) -> list[np.ndarray]:
    """For each spatial dimension the input index of every (window, element) pair; may lie outside."""
    return [
        (np.arange(m) * s - p)[:, None] + np.arange(k) * d
        for m, k, s, p, d in zip(out, *window[:4])
    ]


@primitive(
    layout="channels_last", outputs=("out", "indices"), node_name="MaxPool2DWithIndicesBackward0"
)
def max_pool(input: Tensor, window: Window) -> tuple:
    """The largest element of every window of ``(N, C, *in)``, and where in ``*in`` it is, counted in C order."""
    out = _check("max_pool", input, window)
    shape = (*input._array.shape[:2], *out)
    return Spec(shape, input.dtype), Spec(shape, dtypes.int64)


@max_pool.kernel("cpu", "cuda")
def _max_pool(xp, x, window):
    windows = _windows(xp, x, window, lowest(x.dtype))
    flat = windows.reshape(*windows.shape[: x.ndim], math.prod(window.kernel))
    place = flat.argmax(-1)
    values = xp.take_along_axis(flat, place[..., None], -1)[..., 0]
    return xp.ascontiguousarray(values), _indices_of(place, x.shape[2:], window)


@max_pool.kernel("cpu", when=lambda x, window: x.dtype is native.float32 and x.size > 0)
def _max_pool_native(xp, x, window):
    x = native.plane_order(x)
    shape = (*x.shape[:2], *window.output(x.shape[2:]))
    out = native.empty_in_order_of(x, shape, x.dtype)
    indices = native.empty_in_order_of(x, shape, np.dtype(np.int64))
    native.extension.max_pool(x, out, indices, *window[:4])
    return out, indices


@max_pool.vjp
def _max_pool_vjp(gradients, indices, input_shape):
    return None if gradients[0] is None else scatter_spatial(gradients[0], indices, input_shape[2:])


@max_pool.oracle
def _max_pool_oracle(x, window):
    size = x.shape[2:]
    out = window.output(size)
    values, index = np.full((*x.shape[:2], *out), -np.inf), np.zeros((*x.shape[:2], *out), np.int64)
    positions = _positions(window, size, out)
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
    out = _check("max_pool", input, window)
    shape = (*input._array.shape[:2], *out)
    return Spec(shape, input.dtype), Spec(shape, _taps_dtype(window))


@max_pool_taps.kernel("cpu", "cuda")
def _max_pool_taps(xp, x, window):
    windows = _windows(xp, x, window, lowest(x.dtype))
    flat = windows.reshape(*windows.shape[: x.ndim], math.prod(window.kernel))
    taps = flat.argmax(-1)
    values = xp.take_along_axis(flat, taps[..., None], -1)[..., 0]
    return xp.ascontiguousarray(values), taps.astype(_taps_dtype(window).numpy)


@max_pool_taps.kernel(
    "cpu",
    when=lambda x, window: (
        x.dtype is native.float32 and x.size > 0 and math.prod(window.kernel) <= 256
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
    windows = _windows(np, x, window, -np.inf)
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
    positions = _positions(window, size, taps.shape[2:])
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
        g.dtype is native.float32 and taps.dtype.itemsize == 1 and g.size > 0
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


@primitive(layout="channels_last", node_name="AvgPool2DBackward0")
def avg_pool(input: Tensor, window: Window, count_include_pad: bool, divisor: int | None) -> Spec:
    """The mean of every window of ``(N, C, *in)``."""
    out = _check("avg_pool", input, window)
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
    windows = _windows(xp, x, window, 0)
    sums = windows.sum(
        tuple(range(x.ndim, windows.ndim)), dtype=np.float64 if x.dtype.itemsize > 2 else np.float32
    )
    return (sums / _counts(window, x.shape[2:], count_include_pad, divisor)).astype(x.dtype)


@avg_pool.kernel("cpu", when=lambda x, *rest: x.dtype is native.float32 and x.size > 0)
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
    positions = _positions(window, size, out)
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


@avg_pool_gradient.kernel("cpu", when=lambda g, *rest: g.dtype is native.float32 and g.size > 0)
def _avg_pool_gradient_native(xp, g, size, window, count_include_pad, divisor):
    g = native.plane_order(g)
    gx = native.empty_in_order_of(g, (*g.shape[:2], *size), g.dtype)
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


# ---- adaptive ------------------------------------------------------------------------------------------


def _bounds(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of ``m`` windows over ``n`` elements starts and ends."""
    i = np.arange(m)
    return i * n // m, -(-(i + 1) * n // m)


@primitive(layout="channels_last", node_name="AdaptiveAvgPool2DBackward0")
def adaptive_avg_pool(input: Tensor, size: tuple[int, ...]) -> Spec:
    """The means of windows that divide ``(N, C, *in)`` into ``size`` parts."""
    shape = input._array.shape
    if input.dtype.rank != dtypes.FLOATING:
        raise _not_for("adaptive_avg_pool", input)
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
    when=lambda x, size: x.dtype is native.float32 and x.size > 0 and min(size, default=0) > 0,
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
    "cpu", when=lambda g, size: g.dtype is native.float32 and g.size > 0
)
def _adaptive_avg_pool_gradient_native(xp, g, size):
    # Channels-last, as the convolution that takes this gradient wants it.
    g = native.as_channels_last(g)
    gx = native.channels_last((*g.shape[:2], *size))
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
        raise _not_for("adaptive_max_pool", input)
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


# ---- the public functions -------------------------------------------------------------------------------


def _batched(name: str, input: Tensor, n: int) -> tuple[Tensor, bool]:
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    ndim = input._array.ndim
    if ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor for input, but got: {list(input.shape)}"
        )
    return (input.unsqueeze(0), True) if ndim == n + 1 else (input, False)


def _window(
    n: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Window:
    kernel = several(kernel_size, n, "kernel_size")
    empty = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    return Window(
        kernel, kernel if empty else several(stride, n, "stride"), several(padding, n, "padding"),
        several(dilation, n, "dilation"), bool(ceil_mode),
    )  # fmt: skip


def _sizes(name: str, output_size: Any, input: Tensor, n: int) -> tuple[int, ...]:
    values = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if any(v is not None and not hasattr(v, "__index__") for v in values):
        raise TypeError(f"{name}(): output_size must be an int or a tuple of {n} ints, not {output_size!r}")
    if len(values) != n:
        raise RuntimeError(f"{name}: output_size must be {n} ints, but got {output_size}")
    return tuple([m if v is None else v.__index__() for v, m in zip(values, input._array.shape[2:])])


def _pooling_functions(n: int) -> None:
    plural = "s" if n > 1 else ""

    def max_pool_nd(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        x, alone = _batched(max_pool_nd.__name__, input, n)
        window = _window(n, kernel_size, stride, padding, dilation, ceil_mode)
        if not return_indices:
            out, _ = max_pool_taps(x, window)
            return out.squeeze(0) if alone else out
        out, indices = max_pool(x, window)
        return (out.squeeze(0), indices.squeeze(0)) if alone else (out, indices)

    max_pool_nd.__doc__ = f"""The largest element of every window over {n} spatial dimension{plural}.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        kernel_size, stride, padding, dilation: an int, or one for each spatial dimension; ``stride`` is by default
            ``kernel_size``.
        ceil_mode: let a last window reach past the end.
        return_indices: also give where in ``*in`` each element was, counted in C order.

    Returns:
        ``(N, C, *out)``, or that and the indices.

    Raises:
        RuntimeError: a setting or the size does not fit.

    >>> max_pool{n}d(rushlight.ones(1, 1{", 4" * n}), 2).shape
    torch.Size([1, 1{", 2" * n}])
    """

    def avg_pool_nd(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Tensor:  # fmt: skip
        x, alone = _batched(avg_pool_nd.__name__, input, n)
        window = _window(n, kernel_size, stride, padding, 1, ceil_mode)
        out = avg_pool(x, window, count_include_pad, divisor_override)
        return out.squeeze(0) if alone else out

    avg_pool_nd.__doc__ = f"""The mean of every window over {n} spatial dimension{plural}.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        kernel_size, stride, padding: an int, or one for each spatial dimension; ``stride`` is by default
            ``kernel_size``.
        ceil_mode: let a last window reach past the end.
        count_include_pad: count padding in the mean.
        divisor_override: divide by this instead of by the number of elements.

    Raises:
        RuntimeError: a setting or the size does not fit.

    >>> avg_pool{n}d(rushlight.ones(1, 1{", 4" * n}), 2).shape
    torch.Size([1, 1{", 2" * n}])
    """

    def adaptive_avg_pool_nd(input: Tensor, output_size: Any) -> Tensor:
        x, alone = _batched(adaptive_avg_pool_nd.__name__, input, n)
        out = adaptive_avg_pool(x, _sizes(adaptive_avg_pool_nd.__name__, output_size, x, n))
        return out.squeeze(0) if alone else out

    adaptive_avg_pool_nd.__doc__ = f"""The means of windows that divide the input into ``output_size`` parts.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        output_size: an int, or one for each of {n} spatial dimension{plural}; None keeps a dimension's size.

    >>> adaptive_avg_pool{n}d(rushlight.ones(1, 1{", 5" * n}), 1).shape
    torch.Size([1, 1{", 1" * n}])
    """

    def adaptive_max_pool_nd(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        x, alone = _batched(adaptive_max_pool_nd.__name__, input, n)
        out, indices = adaptive_max_pool(
            x, _sizes(adaptive_max_pool_nd.__name__, output_size, x, n)
        )
        if alone:
            out, indices = out.squeeze(0), indices.squeeze(0)
        return (out, indices) if return_indices else out

    adaptive_max_pool_nd.__doc__ = f"""The largest elements of windows that divide the input into ``output_size`` parts.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        output_size: an int, or one for each of {n} spatial dimension{plural}; None keeps a dimension's size.
        return_indices: also give where in ``*in`` each element was, counted in C order.

    >>> adaptive_max_pool{n}d(rushlight.ones(1, 1{", 5" * n}), 1).shape
    torch.Size([1, 1{", 1" * n}])
    """

    def max_unpool_nd(
        input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
        output_size: Any = None,
    ) -> Tensor:  # fmt: skip
        x, alone = _batched(max_unpool_nd.__name__, input, n)
        where = indices.unsqueeze(0) if alone else indices
        window = _window(n, kernel_size, stride, padding, 1, False)
        if output_size is None:
            size = tuple(
                (m - 1) * s - 2 * p + k
                for m, k, s, p in zip(
                    x._array.shape[2:], window.kernel, window.stride, window.padding
                )
            )
        else:
            size = tuple(output_size)[-n:]
        out = scatter_spatial(x, where, size)
        return out.squeeze(0) if alone else out

    max_unpool_nd.__doc__ = f"""The reverse of `max_pool{n}d`: zeros with every element at its index.

    Args:
        input, indices: what ``max_pool{n}d(..., return_indices=True)`` gave.
        kernel_size, stride, padding: those of the pooling.
        output_size: the size before the pooling, where it was not the smallest possible.
    """
    for function, name in (
        (max_pool_nd, f"max_pool{n}d"), (avg_pool_nd, f"avg_pool{n}d"),
        (adaptive_avg_pool_nd, f"adaptive_avg_pool{n}d"), (adaptive_max_pool_nd, f"adaptive_max_pool{n}d"),
        (max_unpool_nd, f"max_unpool{n}d"),
    ):  # fmt: skip
        function.__name__ = function.__qualname__ = name
        globals()[name] = exported("nn.functional", "torch")(function)


for _n in (1, 2, 3):
    _pooling_functions(_n)
