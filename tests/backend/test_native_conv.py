"""Convolution kernels against direct float64 sums."""

import itertools
import threading

import ml_dtypes
import numpy as np
import pytest

from rushlight import _native


def direct_conv(x, w, stride, padding, dilation, groups, out_spatial):
    """conv(x, w) in float64, one kernel element at a time; the right padding is whatever out_spatial needs."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    n, channels = x.shape[:2]
    filters, per_group = w.shape[:2]
    kernel = w.shape[2:]
    padded_shape = [
        max((o - 1) * s + (k - 1) * d + 1, p + size)
        for o, s, k, d, p, size in zip(
            out_spatial, stride, kernel, dilation, padding, x.shape[2:], strict=True
        )
    ]
    padded = np.zeros((n, channels, *padded_shape))
    inside = tuple(slice(p, p + size) for p, size in zip(padding, x.shape[2:], strict=True))
    padded[(slice(None), slice(None), *inside)] = x
    out = np.zeros((n, filters, *out_spatial))
    for offset in itertools.product(*map(range, kernel)):
        window = tuple(
            slice(o * d, o * d + (size - 1) * s + 1, s)
            for o, d, s, size in zip(offset, dilation, stride, out_spatial, strict=True)
        )
        part = padded[(slice(None), slice(None), *window)]
        part = part.reshape(n, groups, per_group, *out_spatial)
        taps = w[(slice(None), slice(None), *offset)].reshape(groups, filters // groups, per_group)
        out += np.einsum("ngc...,gfc->ngf...", part, taps).reshape(out.shape)
    return out


def direct_gradients(x, w, g, stride, padding, dilation, groups):
    """Gradients of sum(conv(x, w) * g) in float64: conv is linear in each of x and w."""
    x, w, g = (a.astype(np.float64) for a in (x, w, g))
    n, channels = x.shape[:2]
    filters, per_group = w.shape[:2]
    spatial, kernel, out_spatial = x.shape[2:], w.shape[2:], g.shape[2:]
    lengths = [
        max((o - 1) * s + (k - 1) * d + 1, p + size)
        for o, s, k, d, p, size in zip(
            out_spatial, stride, kernel, dilation, padding, spatial, strict=True
        )
    ]
    padded = np.zeros((n, channels, *lengths))
    inside = tuple(slice(p, p + size) for p, size in zip(padding, spatial, strict=True))
    padded[(slice(None), slice(None), *inside)] = x
    padded_gradient = np.zeros_like(padded)
    gw = np.zeros_like(w)
    grouped_g = g.reshape(n, groups, filters // groups, *out_spatial)
    for offset in itertools.product(*map(range, kernel)):
        window = tuple(
            slice(o * d, o * d + (size - 1) * s + 1, s)
            for o, d, s, size in zip(offset, dilation, stride, out_spatial, strict=True)
        )
        at = (slice(None), slice(None), *window)
        taps = w[(slice(None), slice(None), *offset)].reshape(groups, filters // groups, per_group)
        part = padded[at].reshape(n, groups, per_group, *out_spatial)
        back = np.einsum("ngf...,gfc->ngc...", grouped_g, taps)
        padded_gradient[at] += back.reshape(padded[at].shape)
        gw[(slice(None), slice(None), *offset)] = np.einsum(
            "ngfp,ngcp->gfc",
            grouped_g.reshape(*grouped_g.shape[:3], -1),
            part.reshape(*part.shape[:3], -1),
        ).reshape(filters, per_group)
    gb = g.sum(axis=(0, *range(2, g.ndim)))
    return padded_gradient[(slice(None), slice(None), *inside)], gw, gb


def plain(a):
    return np.ascontiguousarray(a)


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def gapped(a):
    """The same values in every second element of a larger array."""
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def backwards(a):
    """The same values with negative strides."""
    return np.ascontiguousarray(a[::-1, ..., ::-1])[::-1, ..., ::-1]


LAYOUTS = [plain, channels_last, gapped, backwards]

# x, w, stride, padding, dilation, groups
CASES = {
    "3x3": ((2, 16, 9, 8), (8, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "image": ((2, 3, 11, 13), (6, 3, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    "one channel": ((3, 1, 7, 7), (4, 1, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "stride and uneven sizes": ((2, 5, 10, 7), (7, 5, 3, 2), (2, 3), (1, 0), (1, 1), 1),
    "1x1 stride 2": ((2, 8, 6, 6), (4, 8, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    "dilation": ((2, 4, 12, 12), (4, 4, 3, 3), (1, 1), (2, 2), (2, 2), 1),
    "groups": ((2, 12, 6, 6), (8, 3, 3, 3), (1, 1), (1, 1), (1, 1), 4),
    "depthwise": ((2, 16, 8, 8), (16, 1, 3, 3), (1, 1), (1, 1), (1, 1), 16),
    "depthwise, two filters each": ((2, 6, 8, 8), (12, 1, 3, 3), (2, 2), (1, 1), (1, 1), 6),
    "1-d": ((3, 4, 20), (5, 4, 4), (2,), (3,), (1,), 1),
    "1-d dilated groups": ((2, 6, 15), (4, 3, 3), (1,), (2,), (3,), 2),
    "3-d": ((2, 3, 5, 6, 7), (4, 3, 2, 3, 3), (1, 2, 1), (0, 1, 1), (1, 1, 2), 1),
    "batch of one": ((1, 4, 5, 5), (2, 4, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    "more padding than kernel": ((1, 2, 4, 4), (3, 2, 1, 1), (1, 1), (2, 2), (1, 1), 1),
    "wide": ((2, 64, 8, 8), (48, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1),
}


def out_shape(x, w, stride, padding, dilation):
    spatial = [
        (size + 2 * p - (k - 1) * d - 1) // s + 1
        for size, k, s, p, d in zip(x[2:], w[2:], stride, padding, dilation, strict=True)
    ]
    return (x[0], w[0], *spatial)


def make_case(name):
    x_shape, w_shape, *how = CASES[name]
    rng = np.random.default_rng(len(name))
    stride, padding, dilation, _ = how
    x = rng.standard_normal(x_shape).astype(np.float32)
    w = rng.standard_normal(w_shape).astype(np.float32)
    g = rng.standard_normal(out_shape(x_shape, w_shape, stride, padding, dilation))
    bias = rng.standard_normal(w_shape[0]).astype(np.float32)
    return x, w, bias, g.astype(np.float32), how


def close(actual, expected, tolerance=2e-5):
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(actual.astype(np.float64) / scale, expected / scale, atol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_forward(name, layout):
    x, w, bias, g, how = make_case(name)
    expected = direct_conv(x, w, *how, g.shape[2:])
    out = layout(np.full_like(g, 7))
    _native.conv_forward(layout(x), layout(w), None, out, *how)
    close(out, expected)
    _native.conv_forward(layout(x), layout(w), bias, out, *how)
    close(out, expected + bias.reshape(1, -1, *[1] * (x.ndim - 2)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_gradients(name, layout):
    x, w, bias, g, how = make_case(name)
    expected_gx, expected_gw, expected_gb = direct_gradients(x, w, g, *how)
    gx, gw = layout(np.full_like(x, 7)), layout(np.full_like(w, 7))
    gb = np.full_like(bias, 7)
    _native.conv_backward_data(layout(g), layout(w), gx, *how)
    close(gx, expected_gx)
    _native.conv_backward_weights(layout(x), layout(g), gw, gb, *how)
    close(gw, expected_gw)
    close(gb, expected_gb)
    _native.conv_backward_weights(layout(x), layout(g), gw, None, *how)
    close(gw, expected_gw)


def test_neighbours_of_a_gapped_output_keep_their_values():
    x, w, _, g, how = make_case("3x3")
    wide = np.full((*g.shape[:-1], 2 * g.shape[-1]), 7, np.float32)
    _native.conv_forward(x, w, None, wide[..., ::2], *how)
    close(wide[..., ::2], direct_conv(x, w, *how, g.shape[2:]))
    assert (wide[..., 1::2] == 7).all()


def test_expanded_input_and_bias():
    x, w, _, g, how = make_case("3x3")
    one = np.broadcast_to(x[:1], x.shape)
    shift = np.broadcast_to(np.float32(0.5), (w.shape[0],))
    out = np.empty_like(g)
    _native.conv_forward(one, w, shift, out, *how)
    close(out, direct_conv(one, w, *how, g.shape[2:]) + 0.5)


def test_expanded_gradient():
    x, w, _, g, how = make_case("3x3")
    ones = np.broadcast_to(np.float32(1), g.shape)
    gx, gw, gb = np.empty_like(x), np.empty_like(w), np.empty(w.shape[0], np.float32)
    _native.conv_backward_data(ones, w, gx, *how)
    _native.conv_backward_weights(x, ones, gw, gb, *how)
    for actual, expected in zip((gx, gw, gb), direct_gradients(x, w, ones, *how), strict=True):
        close(actual, expected)


@pytest.mark.parametrize(
    ("out_length", "stride", "dilation"),
    [(6, 2, 1), (7, 2, 1), (5, 1, 3), (4, 3, 1)],
)
def test_right_padding_follows_from_out(out_length, stride, dilation):
    """Windows may end before, at or after the end of x: padding="same", transposed convolution."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 12)).astype(np.float32)
    w = rng.standard_normal((3, 4, 3)).astype(np.float32)
    g = rng.standard_normal((2, 3, out_length)).astype(np.float32)
    how = (stride,), (1,), (dilation,), 1
    out, gx, gw = np.empty_like(g), np.full_like(x, 7), np.empty_like(w)
    _native.conv_forward(x, w, None, out, *how)
    close(out, direct_conv(x, w, *how, (out_length,)))
    _native.conv_backward_data(g, w, gx, *how)
    _native.conv_backward_weights(x, g, gw, None, *how)
    expected_gx, expected_gw, _ = direct_gradients(x, w, g, *how)
    close(gx, expected_gx)
    close(gw, expected_gw)


def test_long_unused_rest_of_x_gets_a_zero_gradient():
    """A transposed convolution with output_padding 2, dilation 3 and stride 1, seen from its gradient."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 12)).astype(np.float32)
    w = rng.standard_normal((3, 4, 2)).astype(np.float32)
    g = rng.standard_normal((2, 3, 7)).astype(np.float32)
    how = (1,), (0,), (3,), 1
    out, gx, gw = np.empty_like(g), np.full_like(x, 7), np.empty_like(w)
    _native.conv_forward(x, w, None, out, *how)
    _native.conv_backward_data(g, w, gx, *how)
    _native.conv_backward_weights(x, g, gw, None, *how)
    expected_gx, expected_gw, _ = direct_gradients(x, w, g, *how)
    close(out, direct_conv(x, w, *how, (7,)))
    close(gx, expected_gx)
    close(gw, expected_gw)
    assert (gx[:, :, 10:] == 0).all()


@pytest.mark.skipif(not _native.has_bfloat16(), reason="this processor has no bfloat16 kernels")
@pytest.mark.parametrize("name", ["3x3", "image", "groups", "1-d", "3-d"])
def test_bfloat16(name):
    arrays = make_case(name)
    how = arrays[-1]
    x, w, bias, g = (a.astype(ml_dtypes.bfloat16) for a in arrays[:4])
    out, gx, gw, gb = np.empty_like(g), np.empty_like(x), np.empty_like(w), np.empty_like(bias)
    _native.conv_forward(x, w, bias, out, *how)
    _native.conv_backward_data(g, w, gx, *how)
    _native.conv_backward_weights(x, g, gw, gb, *how)
    shift = bias.astype(np.float64).reshape(1, -1, *[1] * (x.ndim - 2))
    expected = (
        direct_conv(x, w, *how, g.shape[2:]) + shift,
        *direct_gradients(x, w, g, *how),
    )
    for actual, wanted in zip((out, gx, gw, gb), expected, strict=True):
        close(actual, wanted, tolerance=1e-2)
    wide = np.empty(w.shape, np.float32)
    _native.conv_backward_weights(x, g, wide, None, *how)
    close(wide, expected[2], tolerance=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_thread_count(threads):
    before = _native.get_num_threads()
    x, w, _, g, how = make_case("wide")
    out = np.empty_like(g)
    _native.set_num_threads(threads)
    try:
        _native.conv_forward(x, w, None, out, *how)
    finally:
        _native.set_num_threads(before)
    close(out, direct_conv(x, w, *how, g.shape[2:]))


def test_empty_batch():
    x, w = np.empty((0, 3, 8, 8), np.float32), np.ones((4, 3, 3, 3), np.float32)
    out = np.empty((0, 4, 6, 6), np.float32)
    how = (1, 1), (0, 0), (1, 1), 1
    gx, gw, gb = np.empty_like(x), np.full_like(w, 7), np.full(4, 7, np.float32)
    _native.conv_forward(x, w, None, out, *how)
    _native.conv_backward_data(out, w, gx, *how)
    _native.conv_backward_weights(x, out, gw, gb, *how)
    assert (gw == 0).all()
    assert (gb == 0).all()


def test_empty_output_leaves_a_zero_gradient():
    x, w = np.ones((2, 3, 8, 8), np.float32), np.ones((0, 3, 3, 3), np.float32)
    g = np.empty((2, 0, 6, 6), np.float32)
    gx = np.full_like(x, 7)
    _native.conv_backward_data(g, w, gx, (1, 1), (0, 0), (1, 1), 1)
    assert (gx == 0).all()


GOOD = {
    "x": np.ones((2, 4, 8, 8), np.float32),
    "w": np.ones((6, 4, 3, 3), np.float32),
    "bias": np.ones(6, np.float32),
    "out": np.ones((2, 6, 6, 6), np.float32),
    "stride": (1, 1),
    "padding": (0, 0),
    "dilation": (1, 1),
    "groups": 1,
}


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def unaligned(shape):
    count = int(np.prod(shape))
    return np.zeros(4 * count + 1, np.uint8)[1:].view(np.float32).reshape(shape)


HOSTILE = [
    ({"x": GOOD["x"].astype(np.float64)}, TypeError, "x must be float32, got float64"),
    ({"w": GOOD["w"].astype(np.int32)}, TypeError, "w must be float32, got int32"),
    ({"x": GOOD["x"].astype(">f4")}, TypeError, "x must be float32"),
    ({"out": GOOD["out"].astype(np.float16)}, TypeError, "out must be float32, got float16"),
    ({"bias": GOOD["bias"].astype(np.float64)}, TypeError, "bias must be float32"),
    ({"x": [1.0]}, TypeError, "incompatible function arguments"),
    ({"x": None}, TypeError, "incompatible function arguments"),
    ({"x": np.ones((1,) * 20, np.float32)}, TypeError, "incompatible function arguments"),
    ({"x": unaligned((2, 4, 8, 8))}, ValueError, "not aligned"),
    ({"x": np.ones((4, 8), np.float32)}, ValueError, "1 to 3 spatial dimensions"),
    ({"x": np.ones((2, 4, 8), np.float32)}, ValueError, "equally many dimensions"),
    ({"w": np.ones((6, 5, 3, 3), np.float32)}, ValueError, "5 channels in each group"),
    ({"w": np.ones((6, 4, 0, 3), np.float32)}, ValueError, "kernel sizes of at least 1"),
    ({"w": np.ones((6, 4, 9, 9), np.float32)}, ValueError, "does not fit"),
    ({"bias": np.ones(5, np.float32)}, ValueError, r"bias must have shape \(6,\)"),
    ({"bias": np.ones((6, 1), np.float32)}, ValueError, "bias must have shape"),
    ({"out": np.ones((2, 6, 6, 5), np.float32)}, ValueError, "does not fit"),
    ({"out": np.ones((2, 6, 60, 6), np.float32)}, ValueError, "does not fit"),
    ({"out": np.ones((3, 6, 6, 6), np.float32)}, ValueError, "out must have shape"),
    ({"out": np.ones((2, 5, 6, 6), np.float32)}, ValueError, "out must have shape"),
    ({"out": read_only(GOOD["out"])}, ValueError, "read-only"),
    ({"out": np.broadcast_to(np.float32(0), (2, 6, 6, 6))}, ValueError, "read-only"),
    (
        {
            "out": np.lib.stride_tricks.as_strided(
                np.ones(36, np.float32), (2, 6, 6, 6), (0, 0, 24, 4)
            )
        },
        ValueError,
        "stride of 0",
    ),
    ({"stride": (0, 1)}, ValueError, "stride and dilation must be at least 1"),
    ({"stride": (1,)}, ValueError, "must each have 2 entries"),
    ({"stride": (1, 2**40)}, ValueError, "stride and dilation"),
    ({"stride": (1, 2**80)}, TypeError, "incompatible function arguments"),
    ({"stride": (1.5, 1)}, TypeError, "incompatible function arguments"),
    ({"padding": (-1, 0)}, ValueError, "padding at least 0"),
    ({"padding": (2**31 - 1, 0)}, ValueError, "too large"),
    ({"padding": (10**6, 0)}, ValueError, "does not fit"),
    ({"dilation": (0, 1)}, ValueError, "dilation must be at least 1"),
    ({"dilation": (2**31 - 1, 1)}, ValueError, "too large"),
    ({"groups": 0}, ValueError, "groups must be at least 1"),
    ({"groups": -1}, ValueError, "groups must be at least 1"),
    ({"groups": 3}, ValueError, "groups must be at least 1 and divide"),
    ({"groups": 2}, ValueError, "channels in each group"),
]


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE)
def test_hostile_forward(change, error, message):
    with pytest.raises(error, match=message):
        _native.conv_forward(**(GOOD | change))


HOSTILE_DATA = [
    ({"g": GOOD["out"].astype(np.float64)}, TypeError, "g must be float32, got float64"),
    ({"w": GOOD["w"].astype(np.float64)}, TypeError, "w must be float32, got float64"),
    ({"gx": GOOD["x"].astype(np.float16)}, TypeError, "gx must be float32, got float16"),
    ({"gx": np.ones((2, 4, 9, 11), np.float32)}, ValueError, "does not fit"),
    ({"gx": np.ones((1, 4, 8, 8), np.float32)}, ValueError, "out must have shape"),
    ({"gx": np.ones((2, 3, 8, 8), np.float32)}, ValueError, "4 channels in each group"),
    ({"g": np.ones((2, 6, 6), np.float32)}, ValueError, "equally many dimensions"),
    ({"padding": (-1, -1)}, ValueError, "padding at least 0"),
    ({"groups": 0}, ValueError, "groups must be at least 1"),
]


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE_DATA)
def test_hostile_backward_data(change, error, message):
    how = {k: GOOD[k] for k in ("stride", "padding", "dilation", "groups")}
    good = {"g": GOOD["out"], "w": GOOD["w"], "gx": GOOD["x"].copy()} | how
    with pytest.raises(error, match=message):
        _native.conv_backward_data(**(good | change))


HOSTILE_WEIGHTS = [
    ({"x": GOOD["x"].astype(np.int64)}, TypeError, "x must be float32, got int64"),
    ({"g": GOOD["out"].astype(np.float64)}, TypeError, "g must be float32, got float64"),
    ({"gw": GOOD["w"].astype(np.float64)}, TypeError, "gw must be float32, got float64"),
    ({"gb": np.ones(6)}, TypeError, "gb must be float32, got float64"),
    ({"gb": np.ones(7, np.float32)}, ValueError, r"gb must have shape \(6,\)"),
    ({"gb": np.ones((), np.float32)}, ValueError, r"gb must have shape \(6,\)"),
    ({"gw": np.ones((6, 4, 3, 5), np.float32)}, ValueError, "does not fit"),
    ({"gw": np.ones((5, 4, 3, 3), np.float32)}, ValueError, "out must have shape"),
    ({"g": np.ones((2, 6, 7, 9), np.float32)}, ValueError, "does not fit"),
    ({"dilation": (1, 0)}, ValueError, "dilation must be at least 1"),
    ({"groups": 2}, ValueError, "channels in each group"),
]


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE_WEIGHTS)
def test_hostile_backward_weights(change, error, message):
    how = {k: GOOD[k] for k in ("stride", "padding", "dilation", "groups")}
    good = {"x": GOOD["x"], "g": GOOD["out"], "gw": GOOD["w"].copy(), "gb": GOOD["bias"].copy()}
    with pytest.raises(error, match=message):
        _native.conv_backward_weights(**(good | how | change))


@pytest.mark.parametrize("name", ["gx", "gw", "gb"])
def test_gradients_are_not_written_to_read_only_arrays(name):
    g, x, w, gb = GOOD["out"], GOOD["x"], GOOD["w"], GOOD["bias"]
    how = (1, 1), (0, 0), (1, 1), 1
    targets = {"gx": x.copy(), "gw": w.copy(), "gb": gb.copy()}
    targets[name].flags.writeable = False
    with pytest.raises(ValueError, match=f"{name} is read-only"):
        _native.conv_backward_weights(x, g, targets["gw"], targets["gb"], *how)
        _native.conv_backward_data(g, w, targets["gx"], *how)


def test_no_channels():
    x, w = np.ones((2, 0, 8, 8), np.float32), np.ones((6, 0, 3, 3), np.float32)
    with pytest.raises(ValueError, match="at least one channel"):
        _native.conv_forward(x, w, None, GOOD["out"].copy(), (1, 1), (0, 0), (1, 1), 1)


def test_python_threads_share_one_plan():
    """Calls of one shape from several threads at once, while the thread count changes."""
    x, w, bias, g, how = make_case("3x3")
    shift = bias.reshape(1, -1, 1, 1)
    expected = [direct_conv(x + i, w, *how, g.shape[2:]) + shift for i in range(3)]
    before = _native.get_num_threads()
    worst = []

    def work(i):
        out = np.empty_like(g)
        for count in range(50):
            _native.set_num_threads(1 + count % 3)
            _native.conv_forward(x + np.float32(i), w, bias, out, *how)
            worst.append(np.abs(out - expected[i]).max())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _native.set_num_threads(before)
    assert len(worst) == 150
    assert max(worst) < 1e-3
