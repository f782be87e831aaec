"""Pooling, both ways, against loops over windows in float64."""

import itertools

import numpy as np
import pytest

from rushlight import _native

# shape, kernel, stride, padding, dilation, output
WINDOWS = [
    ((2, 3, 8), (2,), (2,), (0,), (1,), (4,)),
    ((2, 5, 9), (3,), (2,), (1,), (1,), (5,)),
    ((1, 2, 11), (3,), (1,), (0,), (3,), (5,)),
    ((2, 6, 8, 6), (2, 2), (2, 2), (0, 0), (1, 1), (4, 3)),
    ((2, 6, 7, 9), (2, 2), (2, 2), (0, 0), (1, 1), (3, 4)),
    ((1, 16, 7, 9), (2, 2), (2, 2), (0, 0), (1, 1), (4, 5)),  # ceil_mode
    ((2, 17, 9, 8), (3, 3), (2, 2), (1, 1), (1, 1), (5, 4)),
    ((1, 33, 6, 6), (3, 3), (1, 1), (1, 1), (1, 1), (6, 6)),
    ((1, 4, 10, 9), (2, 3), (1, 2), (1, 1), (3, 2), (9, 4)),
    ((2, 8, 9, 9), (2, 2), (4, 3), (0, 0), (1, 1), (2, 3)),  # gaps between windows
    ((3, 64, 4, 4), (4, 4), (4, 4), (0, 0), (1, 1), (1, 1)),
    ((1, 1, 12, 10), (2, 2), (2, 2), (0, 0), (1, 1), (6, 5)),
    ((2, 7, 4, 6, 5), (2, 3, 2), (2, 2, 1), (1, 1, 0), (1, 1, 2), (3, 3, 3)),
    ((1, 5, 4, 4, 4), (2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1), (2, 2, 2)),
]
UNDILATED = [case for case in WINDOWS if set(case[4]) == {1}]
ADAPTIVE = [
    ((2, 3, 10), (4,)),
    ((2, 6, 7, 9), (1, 1)),
    ((2, 6, 7, 9), (3, 5)),
    ((1, 17, 4, 4), (7, 2)),
    ((2, 5, 4, 6, 5), (2, 3, 5)),
]
TYPES = [(np.float32, 1e-6), (np.float64, 1e-14)]


def plain(a):
    return np.ascontiguousarray(a)


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def turned(a):
    """Channels outermost and the spatial dimensions in reverse order."""
    order = (1, 0, *range(a.ndim - 1, 1, -1))
    return np.ascontiguousarray(a.transpose(order)).transpose(order)


LAYOUTS = [plain, channels_last, turned]


def case(shape, dtype=np.float32):
    """Few different values, so that windows have equal elements and the order decides."""
    rng = np.random.default_rng(sum(shape))
    return (rng.integers(-9, 9, shape) / 8).astype(dtype)


def strided_windows(size, kernel, stride, padding, dilation, out):
    """For each output place the pairs (tap, index inside) along one dimension."""
    taps = [[(k, o * stride - padding + k * dilation) for k in range(kernel)] for o in range(out)]
    return [[(k, i) for k, i in pairs if 0 <= i < size] for pairs in taps]


def adaptive_windows(size, out):
    return [[(0, i) for i in range(o * size // out, -(-(o + 1) * size // out))] for o in range(out)]


def places(windows):
    """For each output index: the tap numbers and the index inside of each tap of its window."""
    for at in itertools.product(*(range(len(w)) for w in windows)):
        yield at, list(itertools.product(*(w[o] for w, o in zip(windows, at, strict=True))))


def expected_max(x, windows, kernel):
    """Values, numbers of the taps, indices in the plane; the first of equals, the last NaN."""
    shape = x.shape[:2] + tuple(map(len, windows))
    out, taps, flat = np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64)
    for at, window in places(windows):
        here = (slice(None), slice(None), *at)
        values = np.stack([x[(slice(None), slice(None), *(i for _, i in tap))] for tap in window])
        names = np.array([np.ravel_multi_index([k for k, _ in tap], kernel) for tap in window])
        indices = np.array(
            [np.ravel_multi_index([i for _, i in tap], x.shape[2:]) for tap in window]
        )
        nan = np.isnan(values)
        first = np.where(nan, -np.inf, values).argmax(0)
        last_nan = len(window) - 1 - nan[::-1].argmax(0)
        chosen = np.where(nan.any(0), last_nan, first)
        out[here] = np.take_along_axis(values, chosen[None], 0)[0]
        taps[here], flat[here] = names[chosen], indices[chosen]
    return out, taps, flat


def scattered(g, flat, shape):
    """Each gradient added at its index in the plane."""
    gx = np.zeros((*shape[:2], int(np.prod(shape[2:]))))
    n, c = np.indices(g.shape[:2])
    spread = (*g.shape[:2], -1)
    np.add.at(gx, (n[..., None], c[..., None], flat.reshape(spread)), g.reshape(spread))
    return gx.reshape(shape)


def averages(x, windows, divisors):
    out = np.empty(x.shape[:2] + tuple(map(len, windows)))
    for at, window in places(windows):
        total = sum(
            x[(slice(None), slice(None), *(i for _, i in tap))].astype(np.float64) for tap in window
        )
        out[(slice(None), slice(None), *at)] = total / divisors[at]
    return out


def shares(g, windows, divisors, shape):
    gx = np.zeros(shape)
    for at, window in places(windows):
        for tap in window:
            here = (slice(None), slice(None), *(i for _, i in tap))
            gx[here] += g[(slice(None), slice(None), *at)].astype(np.float64) / divisors[at]
    return gx


def strided_divisors(shape, kernel, stride, padding, out, windows, count_include_pad):
    if not count_include_pad:
        return np.array([len(w) for _, w in places(windows)]).reshape(out)
    lengths = [
        [min(o * s - p + k, n + p) - (o * s - p) for o in range(m)]
        for n, k, s, p, m in zip(shape[2:], kernel, stride, padding, out, strict=True)
    ]
    return np.array([np.prod(each) for each in itertools.product(*lengths)]).reshape(out)


def all_windows(shape, *sizes):
    return [strided_windows(*each) for each in zip(shape[2:], *sizes, strict=True)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, _", TYPES)
@pytest.mark.parametrize("shape, kernel, stride, padding, dilation, out_size", WINDOWS)
def test_max_pool(shape, kernel, stride, padding, dilation, out_size, dtype, _, layout, isa):
    x = case(shape, dtype)
    windows = all_windows(shape, kernel, stride, padding, dilation, out_size)
    values, taps, flat = expected_max(x, windows, kernel)
    g = np.random.default_rng(1).standard_normal(values.shape).astype(dtype)
    expected_gradient = scattered(g, flat, shape)
    sizes = (kernel, stride, padding, dilation)

    out = layout(np.full(values.shape, 77, dtype))
    _native.max_pool(layout(x), out, None, *sizes)
    np.testing.assert_array_equal(out, values)
    for index_type, expected in ((np.uint8, taps), (np.int32, flat), (np.int64, flat)):
        out[...] = 77
        indices = layout(np.full(values.shape, 77, index_type))
        _native.max_pool(layout(x), out, indices, *sizes)
        np.testing.assert_array_equal(out, values)
        np.testing.assert_array_equal(indices, expected)
        gx = layout(np.full(shape, 77, dtype))
        _native.max_pool_backward(layout(g), indices, gx, *sizes)
        np.testing.assert_allclose(gx, expected_gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, tolerance", TYPES)
@pytest.mark.parametrize(
    "include_pad, override", [(True, None), (False, None), (True, 5), (False, -2)]
)
@pytest.mark.parametrize("shape, kernel, stride, padding, dilation, out_size", UNDILATED)
def test_avg_pool(
    shape,
    kernel,
    stride,
    padding,
    dilation,
    out_size,
    include_pad,
    override,
    dtype,
    tolerance,
    layout,
    isa,
):
    x = case(shape, dtype)
    windows = all_windows(shape, kernel, stride, padding, dilation, out_size)
    divisors = strided_divisors(shape, kernel, stride, padding, out_size, windows, include_pad)
    divisors = divisors if override is None else np.full(out_size, override)
    sizes = (kernel, stride, padding, include_pad, override)
    expected = averages(x, windows, divisors)
    out = layout(np.full(expected.shape, 77, dtype))
    _native.avg_pool(layout(x), out, *sizes)
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)
    g = np.random.default_rng(2).standard_normal(expected.shape).astype(dtype)
    gx = layout(np.full(shape, 77, dtype))
    _native.avg_pool_backward(layout(g), gx, *sizes)
    np.testing.assert_allclose(
        gx, shares(g, windows, divisors, shape), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, tolerance", TYPES)
@pytest.mark.parametrize("shape, out_size", ADAPTIVE)
def test_adaptive(shape, out_size, dtype, tolerance, layout, isa):
    x = case(shape, dtype)
    windows = [adaptive_windows(*each) for each in zip(shape[2:], out_size, strict=True)]
    divisors = np.array([len(w) for _, w in places(windows)]).reshape(out_size)
    expected = averages(x, windows, divisors)
    g = np.random.default_rng(3).standard_normal(expected.shape).astype(dtype)
    out, gx = layout(np.full(expected.shape, 77, dtype)), layout(np.full(shape, 77, dtype))
    _native.adaptive_avg_pool(layout(x), out)
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)
    _native.adaptive_avg_pool_backward(layout(g), gx)
    expected = shares(g, windows, divisors, shape)
    np.testing.assert_allclose(gx, expected, rtol=3 * tolerance, atol=tolerance)

    values, _, flat = expected_max(x, windows, (1,) * len(out_size))
    _native.adaptive_max_pool(layout(x), out, None)
    np.testing.assert_array_equal(out, values)
    for index_type in (np.int32, np.int64):
        indices = layout(np.full(values.shape, 77, index_type))
        _native.adaptive_max_pool(layout(x), out, indices)
        np.testing.assert_array_equal(out, values)
        np.testing.assert_array_equal(indices, flat)
        _native.adaptive_max_pool_backward(layout(g), indices, gx)
        np.testing.assert_allclose(gx, scattered(g, flat, shape), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 4, 19])
def test_nan_and_infinities(channels, layout, isa):
    x = case((2, channels, 8, 8))
    rng = np.random.default_rng(4)
    for value, share in ((np.nan, 0.2), (-np.inf, 0.4), (np.inf, 0.1)):
        x[rng.random(x.shape) < share] = value
    x[:, 0, :4, :4] = -np.inf
    sizes = ((2, 2), (2, 2), (0, 0), (1, 1))
    values, taps, _ = expected_max(x, all_windows(x.shape, *sizes, (4, 4)), (2, 2))
    out, indices = (
        layout(np.zeros(values.shape, np.float32)),
        layout(np.zeros(values.shape, np.uint8)),
    )
    _native.max_pool(layout(x), out, indices, *sizes)
    np.testing.assert_array_equal(out, values)
    np.testing.assert_array_equal(indices, taps)


@pytest.mark.parametrize("layout", [plain, channels_last])
@pytest.mark.parametrize(
    "kernel, stride, padding, out_size", [(2, 2, 0, 16), (3, 2, 1, 16), (3, 1, 1, 32)]
)
def test_threads_share_the_work(kernel, stride, padding, out_size, layout, threads):
    x = case((3, 48, 32, 32))
    sizes = [(v, v) for v in (kernel, stride, padding, 1)]
    windows = all_windows(x.shape, *sizes, (out_size, out_size))
    values, _, flat = expected_max(x, windows, (kernel, kernel))
    out, indices = (
        layout(np.zeros(values.shape, np.float32)),
        layout(np.zeros(values.shape, np.uint8)),
    )
    _native.max_pool(layout(x), out, indices, *sizes)
    np.testing.assert_array_equal(out, values)
    gx = layout(np.full(x.shape, 77, np.float32))
    _native.max_pool_backward(out, indices, gx, *sizes)
    np.testing.assert_allclose(gx, scattered(values, flat, x.shape), rtol=1e-5, atol=1e-5)
    divisors = np.full((out_size, out_size), kernel**2)
    _native.avg_pool(layout(x), out, *sizes[:3], True, None)
    np.testing.assert_allclose(out, averages(x, windows, divisors), rtol=1e-5, atol=1e-6)
    _native.avg_pool_backward(out, gx, *sizes[:3], True, None)
    np.testing.assert_allclose(
        gx, shares(np.array(out), windows, divisors, x.shape), rtol=1e-5, atol=1e-6
    )


def test_one_image_is_shared_by_its_channels(threads):
    """Overlapping windows of a single image: the threads take blocks of channels."""
    x = channels_last(case((1, 70, 24, 24)))
    sizes = ((3, 3), (2, 2), (1, 1), (1, 1))
    values, _, flat = expected_max(x, all_windows(x.shape, *sizes, (12, 12)), (3, 3))
    for index_type in (np.uint8, np.int64):
        out, indices = (
            channels_last(values.astype(np.float32)),
            channels_last(values.astype(index_type)),
        )
        _native.max_pool(x, out, indices, *sizes)
        gx = np.full_like(x, 77)
        _native.max_pool_backward(out, indices, gx, *sizes)
        np.testing.assert_allclose(gx, scattered(values, flat, x.shape), rtol=1e-5, atol=1e-6)


def test_mean_of_a_large_plane(isa):
    x = channels_last((1 + np.random.default_rng(5).random((1, 20, 300, 300))).astype(np.float32))
    out = np.zeros((1, 20, 1, 1), np.float32)
    _native.adaptive_avg_pool(x, out)
    np.testing.assert_allclose(out[..., 0, 0], x.astype(np.float64).mean((2, 3)), rtol=2e-6)


@pytest.mark.parametrize("shape, out", [((0, 3, 4, 4), (0, 3, 2, 2)), ((2, 0, 4, 4), (2, 0, 2, 2))])
def test_no_samples_or_channels(shape, out):
    x, y, indices = np.zeros(shape, np.float32), np.zeros(out, np.float32), np.zeros(out, np.uint8)
    sizes = ((2, 2), (2, 2), (0, 0), (1, 1))
    _native.max_pool(x, y, indices, *sizes)
    _native.max_pool_backward(y, indices, x, *sizes)
    _native.avg_pool(x, y, *sizes[:3], True, None)
    _native.adaptive_avg_pool_backward(y, x)


HOSTILE = [(np.uint8, 4), (np.uint8, 255), (np.int32, 16), (np.int64, -1), (np.int64, 77)]


def hostile_case(channels, size, index_type, bad):
    gx = channels_last(np.full((1, channels, 4, 4), 5, np.float32))
    g = channels_last(np.ones((1, channels, size, size), np.float32))
    return g, np.full_like(g, bad, dtype=index_type), gx


@pytest.mark.parametrize("index_type, bad", HOSTILE)
@pytest.mark.parametrize("channels", [1, 20])
def test_indices_of_no_tap_give_no_gradient(index_type, bad, channels):
    g, indices, gx = hostile_case(channels, 2, index_type, bad)
    _native.max_pool_backward(g, indices, gx, (2, 2), (2, 2), (0, 0), (1, 1))
    np.testing.assert_array_equal(gx, np.zeros_like(gx))


@pytest.mark.parametrize("index_type, bad", [*HOSTILE, (np.int64, 2**62), (np.int64, -(2**63))])
@pytest.mark.parametrize("channels", [1, 20])
def test_indices_outside_are_named_where_windows_overlap(index_type, bad, channels):
    g, indices, gx = hostile_case(channels, 3, index_type, bad)
    with pytest.raises(IndexError, match="max_pool_backward: an index lies outside"):
        _native.max_pool_backward(g, indices, gx, (2, 2), (1, 1), (0, 0), (1, 1))


def pool(
    x=None, out=None, indices=None, kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1)
):
    x = np.zeros((1, 3, 4, 4), np.float32) if x is None else x
    out = np.zeros((1, 3, 2, 2), np.float32) if out is None else out
    _native.max_pool(x, out, indices, kernel, stride, padding, dilation)


def test_rejected():
    zeros = np.zeros
    with pytest.raises(TypeError, match="x must be float32, float64 or bfloat16, got int64"):
        pool(x=zeros((1, 3, 4, 4), np.int64))
    with pytest.raises(TypeError, match="out must be float32, got float64"):
        pool(out=zeros((1, 3, 2, 2)))
    with pytest.raises(ValueError, match="3 to 5 dimensions"):
        pool(x=zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match="out must have 4 dimensions"):
        pool(out=zeros((3, 2, 2), np.float32))
    with pytest.raises(ValueError, match="the batch and the channels"):
        pool(out=zeros((1, 4, 2, 2), np.float32))
    with pytest.raises(ValueError, match="window 2 of 3 lies outside of the input of length 4"):
        pool(out=zeros((1, 3, 3, 2), np.float32))
    with pytest.raises(ValueError, match="spatial dimensions must not be empty"):
        pool(out=zeros((1, 3, 0, 2), np.float32))
    with pytest.raises(ValueError, match="must be dense"):
        pool(x=zeros((1, 3, 4, 8), np.float32)[..., ::2])
    with pytest.raises(ValueError, match="need 2 numbers each"):
        pool(kernel=(2,))
    for sizes in (
        dict(kernel=(0, 2)),
        dict(stride=(2, 0)),
        dict(padding=(-1, 0)),
        dict(dilation=(0, 1)),
    ):
        with pytest.raises(ValueError, match="must be positive, and padding not negative"):
            pool(**sizes)
    with pytest.raises(ValueError, match="must be positive"):
        pool(stride=(2**40, 2))
    with pytest.raises(ValueError, match="lies outside"):
        pool(padding=(2, 2))
    with pytest.raises(TypeError):
        pool(kernel="22")
    with pytest.raises(TypeError, match="indices must be uint8, int32 or int64, got float32"):
        pool(indices=zeros((1, 3, 2, 2), np.float32))
    with pytest.raises(ValueError, match=r"must have shape \(1, 3, 2, 2\)"):
        pool(indices=zeros((1, 3, 2, 1), np.int64))
    with pytest.raises(ValueError, match="in the order of the output"):
        pool(indices=zeros((1, 3, 2, 2), np.int64, order="F"))
    with pytest.raises(ValueError, match="at most 256 taps"):
        pool(
            x=zeros((1, 3, 20, 20), np.float32),
            out=zeros((1, 3, 1, 1), np.float32),
            indices=zeros((1, 3, 1, 1), np.uint8),
            kernel=(17, 17),
        )
    x = zeros((1, 3, 4, 4), np.float32)
    with pytest.raises(ValueError, match="must not share memory"):
        pool(x=x, out=x.reshape(-1)[:12].reshape(1, 3, 2, 2))
    with pytest.raises(ValueError, match="divisor_override must not be 0"):
        _native.avg_pool(x, zeros((1, 3, 2, 2), np.float32), (2, 2), (2, 2), (0, 0), True, 0)
    with pytest.raises(ValueError, match="uint8 hold"):
        _native.adaptive_max_pool(x, zeros((1, 3, 2, 2), np.float32), zeros((1, 3, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="spatial dimensions must not be empty"):
        _native.adaptive_avg_pool(x, zeros((1, 3, 0, 0), np.float32))
    read_only = zeros((1, 3, 2, 2), np.float32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        pool(out=read_only)


def test_enormous_sizes_are_refused_or_harmless():
    x, out = np.zeros((1, 1, 8), np.float32), np.zeros((1, 1, 1), np.float32)
    big = 2**31 - 1
    _native.max_pool(x, out, None, (big,), (big,), (0,), (1,))
    _native.avg_pool(x, out, (big,), (big,), (0,), False, None)
    _native.avg_pool_backward(out, x, (big,), (big,), (0,), False, None)
    with pytest.raises(ValueError, match="256 taps"):
        _native.max_pool(x, out, np.zeros((1, 1, 1), np.uint8), (big,), (1,), (0,), (1,))
    with pytest.raises(ValueError):
        _native.max_pool(x, out, None, (2**63 - 1,), (1,), (0,), (1,))
