"""Batch normalisation against float64."""

import ml_dtypes
import numpy as np
import pytest

from rushlight import _native

EPS = 1e-5


def plain(a):
    return np.ascontiguousarray(a)


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def some_rows(a):
    """Channels last, every second of twice as many samples."""
    twice = channels_last(np.repeat(a, 2, axis=0))
    return twice[::2]


def some_channels(a):
    """Channels last, the middle of more channels."""
    more = np.full((a.shape[0], a.shape[1] + 4, *a.shape[2:]), np.nan, a.dtype)
    more[:, 2:-2] = a
    return channels_last(more)[:, 2:-2]


def backwards(a):
    return np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1]


LAYOUTS = [plain, channels_last, some_rows, some_channels, backwards]
SHAPES = [
    (8, 3),
    (1000, 1),
    (2, 5, 7),
    (4, 16, 6, 6),
    (3, 33, 5, 4),
    (2, 4, 3, 4, 5),
    (1, 2, 1, 1),
    (70, 64, 9, 9),
]


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def isa(request):
    before = _native.get_isa()
    try:
        _native.set_isa(request.param)
    except ValueError:
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    _native.set_isa(before)


def case(shape, dtype=np.float32):
    rng = np.random.default_rng(sum(shape))
    x = (3 + 2 * rng.standard_normal(shape)).astype(dtype)
    g = rng.standard_normal(shape).astype(dtype)
    weight, bias = rng.standard_normal((2, shape[1])).astype(np.float32)
    return x, g, weight, bias


def over_channels(v, ndim):
    return v.astype(np.float64).reshape(1, -1, *[1] * (ndim - 2))


def reduced(x):
    return tuple(i for i in range(x.ndim) if i != 1)


def normalised(x, mean, var, weight, bias, eps=EPS):
    d = x.ndim
    unit = (x.astype(np.float64) - over_channels(mean, d)) / np.sqrt(over_channels(var, d) + eps)
    return unit * over_channels(weight, d) + over_channels(bias, d)


def numbers(shape, value=7):
    return np.full(shape, value, np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward(shape, layout):
    x, _, weight, bias = case(shape)
    out, mean, var = layout(numbers(shape)), numbers(shape[1]), numbers(shape[1])
    _native.batch_norm_forward(layout(x), weight, bias, mean, var, out, EPS)
    wide = x.astype(np.float64)
    expected_mean, expected_var = wide.mean(reduced(x)), wide.var(reduced(x))
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6)
    np.testing.assert_allclose(var, expected_var, rtol=1e-5, atol=1e-7)
    expected = normalised(x, expected_mean, expected_var, weight, bias)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_inference(shape, layout):
    x, _, weight, bias = case(shape)
    mean, var = weight + 1, bias**2 + 0.5
    out = layout(numbers(shape))
    _native.batch_norm_inference(layout(x), weight, bias, mean, var, out, EPS)
    np.testing.assert_allclose(out, normalised(x, mean, var, weight, bias), rtol=1e-5, atol=1e-5)
    _native.batch_norm_inference(layout(x), None, None, mean, var, out, EPS)
    one, zero = np.ones_like(weight), np.zeros_like(weight)
    np.testing.assert_allclose(out, normalised(x, mean, var, one, zero), rtol=1e-5, atol=1e-5)


def expected_gradients(g, x, weight, mean, var, training):
    """By the chain rule through the mean and the variance, one step at a time."""
    d, axes = x.ndim, reduced(x)
    g, x = g.astype(np.float64), x.astype(np.float64)
    n = x.size // x.shape[1]
    centred = x - over_channels(mean, d)
    deviation = np.sqrt(over_channels(var, d) + EPS)
    gweight, gbias = (g * centred / deviation).sum(axes), g.sum(axes)
    g_unit = g * over_channels(weight, d)
    gx = g_unit / deviation
    if training:
        g_var = (g_unit * centred).sum(axes, keepdims=True) * -0.5 / deviation**3
        g_mean = -(g_unit / deviation).sum(axes, keepdims=True)
        gx = gx + g_var * 2 * centred / n + g_mean / n
    return gx, gweight, gbias


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_backward(shape, layout, training):
    x, g, weight, _ = case(shape)
    wide = x.astype(np.float64)
    mean = wide.mean(reduced(x)).astype(np.float32)
    var = wide.var(reduced(x)).astype(np.float32)
    expected = expected_gradients(g, x, weight, mean, var, training)
    scale = 1 + 1 / np.sqrt(var.min() + EPS)
    gx, gweight, gbias = layout(numbers(shape)), numbers(shape[1]), numbers(shape[1])
    _native.batch_norm_backward(
        layout(g), layout(x), weight, mean, var, gx, gweight, gbias, EPS, training
    )
    for actual, wanted in zip((gx, gweight, gbias), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=2e-5 * scale)


def test_backward_gives_what_is_asked_for():
    shape = (4, 16, 6, 6)
    x, g, weight, bias = case(shape)
    mean, var = weight, bias**2 + 0.5
    one = np.ones_like(weight)
    expected = expected_gradients(g, x, one, mean, var, True)
    gbias, gx = numbers(16), numbers(shape)
    _native.batch_norm_backward(g, x, None, mean, var, None, None, gbias, EPS, True)
    np.testing.assert_allclose(gbias, expected[2], rtol=1e-4, atol=1e-4)
    _native.batch_norm_backward(g, x, None, mean, var, gx, None, None, EPS, True)
    np.testing.assert_allclose(gx, expected[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_instruction_set_and_thread_count(isa, threads):
    shape = (70, 64, 9, 9)
    x, g, weight, bias = (channels_last(a) if a.ndim > 1 else a for a in case(shape))
    out, gx, mean, var = np.empty_like(x), np.empty_like(x), numbers(64), numbers(64)
    before = _native.get_num_threads()
    _native.set_num_threads(threads)
    try:
        _native.batch_norm_forward(x, weight, bias, mean, var, out, EPS)
        _native.batch_norm_backward(g, x, weight, mean, var, gx, None, None, EPS, True)
    finally:
        _native.set_num_threads(before)
    wide = x.astype(np.float64)
    exact_mean, exact_var = wide.mean(reduced(x)), wide.var(reduced(x))
    np.testing.assert_allclose(mean, exact_mean, rtol=1e-6)
    np.testing.assert_allclose(var, exact_var, rtol=1e-6)
    np.testing.assert_allclose(
        out, normalised(x, exact_mean, exact_var, weight, bias), rtol=1e-5, atol=1e-5
    )
    expected = expected_gradients(g, x, weight, exact_mean, exact_var, True)[0]
    np.testing.assert_allclose(gx, expected, rtol=1e-4, atol=1e-5)


def test_a_mean_far_from_zero_costs_no_precision():
    x = (1e4 + np.random.default_rng(0).standard_normal((4096, 8))).astype(np.float32)
    out, mean, var = np.empty_like(x), numbers(8), numbers(8)
    _native.batch_norm_forward(x, None, None, mean, var, out, 0.0)
    np.testing.assert_allclose(var, x.astype(np.float64).var(0), rtol=1e-5)
    np.testing.assert_allclose(out.std(0), 1, rtol=1e-3)


def test_a_constant_channel():
    x = np.full((64, 3), 5, np.float32)
    out, mean, var = np.empty_like(x), numbers(3), numbers(3)
    _native.batch_norm_forward(x, None, None, mean, var, out, EPS)
    assert (mean == 5).all()
    assert (var == 0).all()
    assert (out == 0).all()


def test_nan_and_infinity_stay_in_their_channel():
    x = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    x[5, 0], x[6, 1] = np.nan, np.inf
    out, mean, var = np.empty_like(x), numbers(3), numbers(3)
    _native.batch_norm_forward(x, None, None, mean, var, out, EPS)
    assert np.isnan(var[:2]).all()
    assert np.isnan(out[:, :2]).any(0).all()
    assert np.isfinite(out[:, 2]).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16(layout, isa):
    shape = (4, 19, 6, 6)
    x, g, weight, bias = case(shape, ml_dtypes.bfloat16)
    out, gx = layout(np.zeros_like(x)), layout(np.zeros_like(x))
    mean, var, gweight, gbias = (numbers(19) for _ in range(4))
    _native.batch_norm_forward(layout(x), weight, bias, mean, var, out, EPS)
    wide = x.astype(np.float64)
    exact_mean, exact_var = wide.mean(reduced(x)), wide.var(reduced(x))
    np.testing.assert_allclose(mean, exact_mean, rtol=1e-5)
    np.testing.assert_allclose(var, exact_var, rtol=1e-5)
    expected = normalised(x, exact_mean, exact_var, weight, bias)
    np.testing.assert_allclose(out.astype(np.float64), expected, rtol=1e-2, atol=1e-2)
    _native.batch_norm_backward(
        layout(g), layout(x), weight, mean, var, gx, gweight, gbias, EPS, True
    )
    expected = expected_gradients(g, x, weight, exact_mean, exact_var, True)
    np.testing.assert_allclose(gx.astype(np.float64), expected[0], rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(gweight, expected[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gbias, expected[2], rtol=1e-4, atol=1e-4)


def test_bfloat16_rounds_to_nearest_even_and_keeps_nan(isa):
    values = np.array([1.00390625, 1.01171875, -1.00390625, 3e38, np.nan, 0.0], np.float32)
    x = np.zeros((6, 1), ml_dtypes.bfloat16)
    out = np.empty((6, 6), ml_dtypes.bfloat16)
    zero, one = np.zeros(6, np.float32), np.ones(6, np.float32)
    _native.batch_norm_inference(
        np.ascontiguousarray(np.broadcast_to(x, (6, 6))), one, values, zero, one, out, 0.0
    )
    np.testing.assert_array_equal(
        out[0].astype(np.float32), values.astype(ml_dtypes.bfloat16).astype(np.float32)
    )


def test_empty():
    none = np.empty((0, 3, 4), np.float32)
    three = numbers(3)
    _native.batch_norm_inference(none, None, None, three, three, none.copy(), EPS)
    gweight, gbias = numbers(3), numbers(3)
    _native.batch_norm_backward(
        none, none, None, three, three, none.copy(), gweight, gbias, EPS, True
    )
    assert (gweight == 0).all()
    assert (gbias == 0).all()
    with pytest.raises(ValueError, match="at least one value in each channel"):
        _native.batch_norm_forward(none, None, None, numbers(3), numbers(3), none.copy(), EPS)
    no_channels, nothing = np.empty((4, 0), np.float32), numbers(0)
    _native.batch_norm_forward(
        no_channels, None, None, nothing, nothing.copy(), no_channels.copy(), EPS
    )


def read_only(a):
    a.flags.writeable = False
    return a


X = numbers((4, 3, 5))
HOSTILE = [
    ({"x": X.astype(np.float64)}, TypeError, "x must be float32, got float64"),
    ({"out": X.astype(np.float16)}, TypeError, "out must be float32, got float16"),
    ({"x": numbers(4)}, ValueError, "must have 2 to 16 dimensions"),
    ({"x": numbers(())}, ValueError, "must have 2 to 16 dimensions"),
    ({"out": numbers((4, 3, 6))}, ValueError, "out must have shape"),
    ({"out": read_only(numbers((4, 3, 5)))}, ValueError, "out is read-only"),
    ({"weight": numbers(4)}, ValueError, r"weight must have shape \(3,\)"),
    ({"weight": numbers(3).astype(np.float64)}, TypeError, "weight must be float32"),
    ({"bias": numbers((3, 1))}, ValueError, "bias must have shape"),
    ({"mean_out": numbers(2)}, ValueError, "mean_out must have shape"),
    ({"mean_out": read_only(numbers(3))}, ValueError, "mean_out is read-only"),
    (
        {"var_out": np.lib.stride_tricks.as_strided(numbers(1), (3,), (0,))},
        ValueError,
        "stride of 0",
    ),
    ({"mean_out": None}, TypeError, "incompatible function arguments"),
    ({"eps": "small"}, TypeError, "incompatible function arguments"),
]


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE)
def test_hostile_forward(change, error, message):
    good = {
        "x": X,
        "weight": numbers(3),
        "bias": None,
        "mean_out": numbers(3),
        "var_out": numbers(3),
    }
    good |= {"out": numbers((4, 3, 5)), "eps": EPS}
    with pytest.raises(error, match=message):
        _native.batch_norm_forward(**(good | change))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"g": numbers((4, 3, 4))}, ValueError, "g must have shape"),
        ({"g": X.astype(np.float64)}, TypeError, "g must be float32"),
        ({"gx": numbers((4, 3))}, ValueError, "gx must have shape"),
        ({"gx": read_only(numbers((4, 3, 5)))}, ValueError, "gx is read-only"),
        ({"mean": numbers(4)}, ValueError, "mean must have shape"),
        ({"var": numbers(())}, ValueError, "var must have shape"),
        ({"gweight": numbers(2)}, ValueError, "gweight must have shape"),
        ({"gbias": read_only(numbers(3))}, ValueError, "gbias is read-only"),
    ],
)
def test_hostile_backward(change, error, message):
    good = {"g": X, "x": X, "weight": None, "mean": numbers(3), "var": numbers(3)}
    good |= {"gx": numbers((4, 3, 5)), "gweight": numbers(3), "gbias": numbers(3)}
    with pytest.raises(error, match=message):
        _native.batch_norm_backward(**(good | {"eps": EPS, "training": True} | change))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mean": numbers(4)}, ValueError, "mean must have shape"),
        ({"var": numbers(3).astype(np.int32)}, TypeError, "var must be float32"),
        ({"out": numbers((4, 3))}, ValueError, "out must have shape"),
    ],
)
def test_hostile_inference(change, error, message):
    good = {"x": X, "weight": None, "bias": None, "mean": numbers(3), "var": numbers(3)}
    with pytest.raises(error, match=message):
        _native.batch_norm_inference(**(good | {"out": numbers((4, 3, 5)), "eps": EPS} | change))
