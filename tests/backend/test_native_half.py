"""The loops on half precision: float32 inside, rounded once at the end."""

import ml_dtypes
import numpy as np
import pytest

from rushlight import _native

UNARY, BINARY, TERNARY = _native.UNARY, _native.BINARY, _native.TERNARY
BFLOAT16, FLOAT16 = np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16)
HALVES = [BFLOAT16, FLOAT16]
# Around the widths of vectors, the length of a block, and what is worth a second thread.
SIZES = [0, 1, 3, 7, 15, 16, 17, 31, 33, 511, 512, 513, 1000, 70001]
ARITHMETIC = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "rsub": lambda x, y: y - x,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "rdiv": lambda x, y: y / x,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@pytest.fixture(autouse=True)
def quiet():
    """Infinities and NaNs come on purpose."""
    with np.errstate(all="ignore"):
        yield


def every_value(dtype):
    return np.arange(1 << 16, dtype=np.uint16).view(dtype)


def drawn(dtype, *shape, low=-4.0, high=4.0, seed=0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def wide(x):
    return x.astype(np.float32)


def bits(x):
    """The bits of all elements, with one pattern for every NaN."""
    return np.where(np.isnan(wide(x)), np.uint16(0x7FFF), x.view(np.uint16))


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(bits(found), bits(expected))


def run(function, *arguments, like):
    out = np.empty_like(like)
    function(*arguments, out)
    return out


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("op", sorted(UNARY))
def test_unary_of_every_value_is_the_float32_loop_rounded_once(op, dtype, isa):
    x = every_value(dtype)
    settings = {"pow": (1.7, 0.0), "clamp": (-1.5, 2.0), "elu": (0.7, 1.0)}.get(op, (0.5, 20.0))
    found, answer = np.empty_like(x), np.empty(x.shape, np.float32)
    _native.unary(UNARY[op], x, found, *settings)
    _native.unary(UNARY[op], wide(x), answer, *settings)
    assert_same(found, answer.astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize(
    "op, function",
    [
        ("neg", np.negative),
        ("abs", np.abs),
        ("relu", lambda x: np.where(x < 0, 0, x)),
        ("square", np.square),
        ("sqrt", np.sqrt),
        ("reciprocal", np.reciprocal),
    ],
)
def test_unary_of_every_value_is_numpys_rounded_once(op, function, dtype, isa):
    x = every_value(dtype)
    found = run(_native.unary, UNARY[op], x, like=x)
    assert_same(found, function(wide(x)).astype(dtype))


@pytest.mark.parametrize(
    "op, function, low, high",
    [
        ("exp", np.exp, -80, 80),
        ("log", np.log, 1e-6, 1e6),
        ("tanh", np.tanh, -4, 4),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), -20, 20),
        ("silu", lambda x: x / (1 + np.exp(-x)), -20, 20),
    ],
)
def test_functions_round_the_exact_value(op, function, low, high, isa):
    x = drawn(BFLOAT16, 4000, low=low, high=high)
    found = run(_native.unary, UNARY[op], x, like=x)
    exact = function(x.astype(np.float64)).astype(np.float32).astype(BFLOAT16)
    steps = np.abs(found.view(np.int16).astype(int) - exact.view(np.int16).astype(int))
    # float32's own error decides between neighbours where the exact value lies in their middle.
    assert steps.max() <= 1
    assert (steps > 0).mean() < 0.001


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("op", ARITHMETIC)
@pytest.mark.parametrize("n", SIZES)
def test_arithmetic(op, dtype, n, isa, threads):
    x, y = drawn(dtype, n), drawn(dtype, n, seed=1)
    found = np.empty_like(x)
    _native.binary(BINARY[op], x, y, found)
    assert_same(found, ARITHMETIC[op](wide(x), wide(y)).astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("op", ARITHMETIC)
def test_arithmetic_on_special_values(op, dtype, isa):
    tiny = np.array(1, np.uint16).view(dtype)
    special = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, tiny, -tiny, 1e30], dtype)
    special[-1] = ml_dtypes.finfo(dtype).max
    x, y = (a.ravel().copy() for a in np.meshgrid(special, special))
    found = np.empty_like(x)
    _native.binary(BINARY[op], x, y, found)
    expected = ARITHMETIC[op](wide(x), wide(y)).astype(dtype)
    # Which of 0.0 and -0.0 is the larger is left open.
    zeros = (wide(expected) == 0) & (op in ("maximum", "minimum"))
    assert_same(found[~zeros], expected[~zeros])
    np.testing.assert_array_equal(wide(found[zeros]), 0)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("op", sorted(BINARY))
def test_binary_is_the_float32_loop_rounded_once(op, dtype, isa):
    x, y = drawn(dtype, 3000), drawn(dtype, 3000, seed=1)
    found, answer = np.empty_like(x), np.empty(x.shape, np.float32)
    _native.binary(BINARY[op], x, y, found, 0.75, 1.25)
    _native.binary(BINARY[op], wide(x), wide(y), answer, 0.75, 1.25)
    assert_same(found, answer.astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("n", SIZES)
def test_a_number_keeps_its_own_digits(dtype, n, isa):
    x = drawn(dtype, n)
    found = np.empty_like(x)
    _native.binary_scalar(BINARY["mul"], x, 0.1, found)
    assert_same(found, (wide(x) * np.float32(0.1)).astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize(
    "shape, dim", [((5, 40), 1), ((5, 40), 0), ((3, 4, 600), 1), ((1, 700), 1)]
)
def test_a_value_for_each_channel(dtype, shape, dim, isa):
    x, y = drawn(dtype, *shape), drawn(dtype, shape[dim], seed=1)
    found = np.empty_like(x)
    _native.binary_channel(BINARY["mul"], x, y, found, dim)
    over = wide(y).reshape([-1 if i == dim else 1 for i in range(len(shape))])
    assert_same(found, (wide(x) * over).astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("op", sorted(TERNARY))
def test_ternary(op, dtype, isa):
    x, y, z = (drawn(dtype, 1500, low=0.1, high=0.9, seed=s) for s in range(3))
    found, answer = np.empty_like(x), np.empty(x.shape, np.float32)
    _native.ternary(TERNARY[op], x, y, z, found, 0.3)
    _native.ternary(TERNARY[op], wide(x), wide(y), wide(z), answer, 0.3)
    assert_same(found, answer.astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("mask_dtype", ["same", np.uint8, np.bool_], ids=str)
def test_masks(dtype, mask_dtype, isa, threads):
    x = drawn(dtype, 70001)
    kept = np.random.default_rng(3).random(x.shape) < 0.7
    mask = kept.astype(dtype if mask_dtype == "same" else mask_dtype)
    found = np.empty_like(x)
    _native.bernoulli_mask_apply(x, mask, 1.25, found)
    assert_same(found, (wide(x) * (kept * np.float32(1.25))).astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_out_may_be_an_input(dtype, isa):
    x, y = drawn(dtype, 1300), drawn(dtype, 1300, seed=1)
    expected = (wide(x) + wide(y)).astype(dtype)
    _native.binary(BINARY["add"], x, y, y)
    assert_same(y, expected)
    expected = np.maximum(wide(x), 0).astype(dtype)
    _native.unary(UNARY["relu"], x, x)
    assert_same(x, expected)


# --- reductions, pools and norms: bfloat16 --------------------------------------------------------


@pytest.mark.parametrize("op", sorted(_native.REDUCTIONS))
@pytest.mark.parametrize(
    "shape, axes",
    [
        ((70001,), (0,)),
        ((7, 33, 9), (1,)),
        ((64, 5), (0,)),
        ((700, 3), (0,)),
        ((4, 100, 130), (0, 2)),
        ((300, 20), (1,)),
        ((5, 6), ()),
    ],
)
def test_reductions(op, shape, axes, isa, threads):
    x = drawn(BFLOAT16, *shape)
    kept = [n for i, n in enumerate(shape) if i not in axes]
    found, answer = np.empty(kept, BFLOAT16), np.empty(kept, np.float32)
    _native.reduce(_native.REDUCTIONS[op], x, axes, found)
    _native.reduce(_native.REDUCTIONS[op], wide(x), axes, answer)
    assert_same(found, answer.astype(BFLOAT16))


def test_sums_do_not_stop_where_bfloat16_has_no_next_integer(isa):
    ones = np.ones(100_000, BFLOAT16)
    out = np.empty((), BFLOAT16)
    _native.reduce(_native.REDUCTIONS["sum"], ones, (0,), out)
    assert float(out) == float(np.float32(100_000).astype(BFLOAT16))


def test_reductions_of_nothing_and_of_nan(isa):
    out = np.empty((), BFLOAT16)
    nothing = np.empty(0, BFLOAT16)
    _native.reduce(_native.REDUCTIONS["sum"], nothing, (0,), out)
    assert float(out) == 0
    _native.reduce(_native.REDUCTIONS["mean"], nothing, (0,), out)
    assert np.isnan(float(out))
    x = drawn(BFLOAT16, 100)
    x[70] = np.nan
    _native.reduce(_native.REDUCTIONS["max"], x, (0,), out)
    assert np.isnan(float(out))


def images(order, *shape, seed=0):
    x = drawn(BFLOAT16, *shape, seed=seed)
    if order == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        return np.moveaxis(x, -1, 1)
    return x


def empty_in(order, dtype, *shape):
    if order == "channels_last":
        return np.moveaxis(np.empty((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
    return np.empty(shape, dtype)


WINDOWS = [
    ((2, 2), (2, 2), (0, 0), (1, 1), (8, 8), (4, 4)),
    ((2, 2), (2, 2), (0, 0), (1, 1), (9, 7), (4, 3)),
    ((3, 3), (2, 2), (1, 1), (1, 1), (9, 7), (5, 4)),
    ((2, 3), (1, 2), (1, 1), (2, 1), (6, 7), (6, 4)),
]


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
@pytest.mark.parametrize("channels", [1, 2, 5, 8, 16, 37])
@pytest.mark.parametrize("kernel, stride, padding, dilation, size, out_size", WINDOWS)
def test_max_pool(order, channels, kernel, stride, padding, dilation, size, out_size, isa):
    x = images(order, 3, channels, *size)
    x[0, 0, 0, 0] = np.nan
    window = (kernel, stride, padding, dilation)
    shape = (3, channels, *out_size)
    out, taps = empty_in(order, BFLOAT16, *shape), empty_in(order, np.uint8, *shape)
    answer, answer_taps = empty_in(order, np.float32, *shape), empty_in(order, np.uint8, *shape)
    _native.max_pool(x, out, taps, *window)
    _native.max_pool(wide(x), answer, answer_taps, *window)
    assert_same(out, answer.astype(BFLOAT16))
    np.testing.assert_array_equal(taps, answer_taps)

    alone = empty_in(order, BFLOAT16, *shape)
    _native.max_pool(x, alone, None, *window)
    assert_same(alone, out)

    g = images(order, *shape, seed=1)
    gx, answer = np.empty_like(x), np.empty_like(x, np.float32)
    _native.max_pool_backward(g, taps, gx, *window)
    _native.max_pool_backward(wide(g), taps, answer, *window)
    assert_same(gx, answer.astype(BFLOAT16))


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
@pytest.mark.parametrize("channels", [1, 3, 8, 37])
@pytest.mark.parametrize("kernel, stride, padding, dilation, size, out_size", WINDOWS[:3])
def test_avg_pool(order, channels, kernel, stride, padding, dilation, size, out_size, isa):
    x, shape = images(order, 3, channels, *size), (3, channels, *out_size)
    out, answer = empty_in(order, BFLOAT16, *shape), empty_in(order, np.float32, *shape)
    _native.avg_pool(x, out, kernel, stride, padding, True, None)
    _native.avg_pool(wide(x), answer, kernel, stride, padding, True, None)
    assert_same(out, answer.astype(BFLOAT16))

    g = images(order, *shape, seed=1)
    gx, answer = np.empty_like(x), np.empty_like(x, np.float32)
    _native.avg_pool_backward(g, gx, kernel, stride, padding, True, None)
    _native.avg_pool_backward(wide(g), answer, kernel, stride, padding, True, None)
    assert_same(gx, answer.astype(BFLOAT16))


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_adaptive_avg_pool(order, isa):
    x = images(order, 2, 20, 7, 5)
    out, answer = empty_in(order, BFLOAT16, 2, 20, 1, 1), empty_in(order, np.float32, 2, 20, 1, 1)
    _native.adaptive_avg_pool(x, out)
    _native.adaptive_avg_pool(wide(x), answer)
    assert_same(out, answer.astype(BFLOAT16))
    gx, answer = np.empty_like(x), np.empty_like(x, np.float32)
    _native.adaptive_avg_pool_backward(out, gx)
    _native.adaptive_avg_pool_backward(wide(out), answer)
    assert_same(gx, answer.astype(BFLOAT16))


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
@pytest.mark.parametrize("channels", [3, 16, 40])
def test_batch_norm_keeps_float32_beside_bfloat16(order, channels, isa, threads):
    x, g = images(order, 16, channels, 9, 7), images(order, 16, channels, 9, 7, seed=1)
    weight = drawn(np.float32, channels, low=0.5, high=1.5, seed=2)
    bias = drawn(np.float32, channels, seed=3)
    mean, var, gw, gb = (np.empty(channels, np.float32) for _ in range(4))
    out, gx = np.empty_like(x), np.empty_like(x)
    _native.batch_norm_forward(x, weight, bias, mean, var, out, 1e-5)
    _native.batch_norm_backward(g, x, weight, mean, var, gx, gw, gb, 1e-5, True)

    exact, over = x.astype(np.float64), (1, channels, 1, 1)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(var, exact.var((0, 2, 3)), rtol=1e-5)
    scale = 1 / np.sqrt(exact.var((0, 2, 3), keepdims=True) + 1e-5)
    normal = (exact - exact.mean((0, 2, 3), keepdims=True)) * scale
    expected = normal * weight.reshape(over) + bias.reshape(over)
    np.testing.assert_allclose(wide(out), expected, rtol=2**-8, atol=1e-5)
    incoming = g.astype(np.float64)
    np.testing.assert_allclose(gw, (incoming * normal).sum((0, 2, 3)), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(gb, incoming.sum((0, 2, 3)), rtol=1e-4, atol=1e-3)
    centred = incoming - incoming.mean((0, 2, 3), keepdims=True)
    centred -= normal * (incoming * normal).mean((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(
        wide(gx), centred * scale * weight.reshape(over), rtol=2**-8, atol=1e-4
    )


# --- what is refused ------------------------------------------------------------------------------


def at_an_odd_address(dtype, n):
    return np.zeros(2 * n + 1, np.uint8)[1:].view(dtype)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_pointwise_refuses(dtype):
    x, other = np.zeros(8, dtype), np.zeros(8, np.float32)
    with pytest.raises(TypeError, match=f"unary: out must be {dtype.name}, got float32"):
        _native.unary(UNARY["relu"], x, other)
    with pytest.raises(TypeError, match=f"binary: y must be {dtype.name}, got float32"):
        _native.binary(BINARY["add"], x, other, x)
    with pytest.raises(TypeError, match="binary: y must be float32"):
        _native.binary(BINARY["add"], other, x, other)
    with pytest.raises(ValueError, match="not aligned"):
        _native.unary(UNARY["relu"], at_an_odd_address(dtype, 8), x)
    with pytest.raises(ValueError, match="must be dense"):
        _native.unary(UNARY["relu"], np.zeros(16, dtype)[::2], x)
    memory = np.zeros(9, dtype)
    with pytest.raises(ValueError, match="overlaps an input"):
        _native.unary(UNARY["relu"], memory[:8], memory[1:])
    frozen = np.zeros(8, dtype)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _native.unary(UNARY["relu"], x, frozen)
    with pytest.raises(TypeError, match="mask must be"):
        _native.bernoulli_mask_apply(x, other, 2.0, x)


def test_foreign_byte_order_is_refused():
    swapped = np.zeros(8, ">f2")
    with pytest.raises(TypeError, match="got another dtype"):
        _native.unary(UNARY["relu"], swapped, swapped)


def test_float16_has_no_loops_of_norms_pools_and_reductions():
    x, channel = np.zeros((2, 3, 4, 4), FLOAT16), np.ones(3, np.float32)
    with pytest.raises(TypeError, match="reduce: x must be float32, float64 or bfloat16"):
        _native.reduce(_native.REDUCTIONS["sum"], x, (0, 1, 2, 3), np.empty((), FLOAT16))
    with pytest.raises(TypeError, match="avg_pool: x must be float32, float64 or bfloat16"):
        _native.adaptive_avg_pool(x, np.empty((2, 3, 1, 1), FLOAT16))
    with pytest.raises(TypeError, match="batch_norm_forward: x must be float32, got float16"):
        _native.batch_norm_forward(x, None, None, channel, channel, x, 1e-5)


def test_bfloat16_pools_refuse():
    x, out = np.zeros((2, 3, 4, 4), BFLOAT16), np.empty((2, 3, 2, 2), BFLOAT16)
    window = ((2, 2), (2, 2), (0, 0), (1, 1))
    for wrong in (np.int32, np.int64):
        indices = np.zeros(out.shape, wrong)
        with pytest.raises(TypeError, match="beside bfloat16, indices must be uint8"):
            _native.max_pool(x, out, indices, *window)
        with pytest.raises(TypeError, match="beside bfloat16, indices must be uint8"):
            _native.max_pool_backward(out, indices, x, *window)
    with pytest.raises(TypeError, match="out must be bfloat16"):
        _native.max_pool(x, out.astype(np.float32), None, *window)
    # Overlapping windows, where an index is looked up.
    with pytest.raises(IndexError, match="lies outside"):
        taps = np.full((2, 3, 3, 3), 4, np.uint8)
        _native.max_pool_backward(
            np.zeros(taps.shape, BFLOAT16), taps, x, (2, 2), (1, 1), *window[2:]
        )


def test_batch_norm_refuses_weights_in_bfloat16():
    x, channel = np.ones((2, 3), BFLOAT16), np.ones(3, np.float32)
    with pytest.raises(TypeError, match="weight must be float32, got bfloat16"):
        _native.batch_norm_forward(x, np.ones(3, BFLOAT16), None, channel, channel, x.copy(), 1e-5)
    with pytest.raises(TypeError, match="g must be bfloat16, got float32"):
        _native.batch_norm_backward(
            wide(x), x, None, channel, channel, x.copy(), None, None, 1e-5, True
        )
