"""Element-wise loops against float64."""

import itertools
import math

import numpy as np
import pytest

from rushlight import _native

UNARY, BINARY, TERNARY = _native.UNARY, _native.BINARY, _native.TERNARY
SIZES = [0, 1, 3, 7, 15, 16, 17, 31, 33, 64, 100, 1000]
INF = math.inf
erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])


@pytest.fixture(autouse=True)
def quiet():
    """The oracles meet infinities on purpose."""
    with np.errstate(all="ignore"):
        yield


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(x, 0)


def normal(x):
    return 0.5 * erfc(-x / math.sqrt(2))


def gelu_tanh(x):
    return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def signed(rng, n):
    return rng.uniform(-8, 8, n)


def positive(rng, n):
    return np.exp(rng.uniform(-8, 8, n))


def above_minus_one(rng, n):
    return positive(rng, n) - 1


# name: inputs, alpha, beta, function, largest error in units of the last place of float32
FORWARD = {
    "neg": (signed, 0, 0, lambda x: -x, 0.5),
    "abs": (signed, 0, 0, np.abs, 0.5),
    "square": (signed, 0, 0, np.square, 0.51),
    "sqrt": (positive, 0, 0, np.sqrt, 0.51),
    "rsqrt": (positive, 0, 0, lambda x: 1 / np.sqrt(x), 1.51),
    "reciprocal": (signed, 0, 0, lambda x: 1 / x, 0.51),
    "exp": (signed, 0, 0, np.exp, 1.05),
    "expm1": (signed, 0, 0, np.expm1, 1.6),
    "log": (positive, 0, 0, np.log, 1),
    "log1p": (above_minus_one, 0, 0, np.log1p, 1.6),
    "tanh": (signed, 0, 0, np.tanh, 1.6),
    "sigmoid": (signed, 0, 0, sigmoid, 2.6),
    "erf": (signed, 0, 0, erf, 1.6),
    "relu": (signed, 0, 0, lambda x: np.maximum(x, 0), 0.5),
    "leaky_relu": (signed, 0.1, 0, lambda x: np.where(x > 0, x, 0.1 * x), 1.6),
    "elu": (signed, 0.7, 1, lambda x: np.where(x > 0, x, 0.7 * np.expm1(x)), 2.6),
    "celu": (signed, 0.5, 0, lambda x: np.where(x > 0, x, 0.5 * np.expm1(x / 0.5)), 2.6),
    "silu": (signed, 0, 0, lambda x: x * sigmoid(x), 2.6),
    "gelu": (signed, 0, 0, lambda x: x * normal(x), 64),
    "gelu_tanh": (signed, 0, 0, gelu_tanh, 400),
    "mish": (signed, 0, 0, lambda x: x * np.tanh(softplus(x)), 5),
    "softplus": (signed, 1, 20, softplus, 2),
    "logsigmoid": (signed, 0, 0, lambda x: -softplus(-x), 2),
    "hardsigmoid": (signed, 0, 0, lambda x: np.clip(x + 3, 0, 6) / 6, 600),
    "hardswish": (signed, 0, 0, lambda x: x * np.clip(x + 3, 0, 6) / 6, 600),
    "clamp": (signed, -1.5, 2, lambda x: np.clip(x, -1.5, 2), 0.5),
    "pow": (positive, 1.75, 0, lambda x: x**1.75, 0.51),
    "affine": (positive, 1.5, 0.25, lambda x: 1.5 * x + 0.25, 1.01),
}


# name: what the forward saved (its "input" or "output"), alpha, beta, gradient for an incoming gradient of 1
BACKWARD = {
    "relu": ("output", 0, 0, lambda y: (y > 0) * 1.0),
    "leaky_relu": ("input", 0.1, 0, lambda x: np.where(x > 0, 1, 0.1)),
    "elu": ("input", 0.7, 1, lambda x: np.where(x > 0, 1, 0.7 * np.exp(x))),
    "celu": ("input", 0.5, 0, lambda x: np.where(x > 0, 1, np.exp(x / 0.5))),
    "sigmoid": ("output", 0, 0, lambda y: y * (1 - y)),
    "tanh": ("output", 0, 0, lambda y: 1 - y**2),
    "silu": ("input", 0, 0, lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "gelu": ("input", 0, 0, lambda x: normal(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
    "gelu_tanh": ("input", 0, 0, lambda x: central_difference(gelu_tanh, x)),
    "mish": ("input", 0, 0, lambda x: central_difference(lambda v: v * np.tanh(softplus(v)), x)),
    "softplus": ("input", 1.5, 20, lambda x: sigmoid(1.5 * x)),
    "logsigmoid": ("input", 0, 0, lambda x: sigmoid(-x)),
    "hardsigmoid": ("input", 0, 0, lambda x: (np.abs(x) < 3) / 6),
    "hardswish": ("input", 0, 0, lambda x: np.where(np.abs(x) < 3, x / 3 + 0.5, x > 0)),
    "clamp": ("input", -1.5, 2, lambda x: ((x >= -1.5) & (x <= 2)) * 1.0),
    "abs": ("input", 0, 0, np.sign),
    "square": ("input", 0, 0, lambda x: 2 * x),
    "sqrt": ("output", 0, 0, lambda y: 1 / (2 * y)),
    "rsqrt": ("output", 0, 0, lambda y: -0.5 * y**3),
    "reciprocal": ("output", 0, 0, lambda y: -(y**2)),
    "pow": ("input", 1.75, 0, lambda x: 1.75 * x**0.75),
}

ARITHMETIC = {
    "add": lambda x, y, a: x + a * y,
    "sub": lambda x, y, a: x - a * y,
    "rsub": lambda x, y, a: y - a * x,
    "mul": lambda x, y, a: x * y,
    "div": lambda x, y, a: x / y,
    "rdiv": lambda x, y, a: y / x,
    "maximum": lambda x, y, a: np.maximum(x, y),
    "minimum": lambda x, y, a: np.minimum(x, y),
}


def central_difference(f, x, step=1e-5):
    return (f(x + step) - f(x - step)) / (2 * step)


def unary(name, x, alpha=0.0, beta=0.0):
    out = np.full_like(x, 77)
    _native.unary(UNARY[name], x, out, alpha, beta)
    return out


def binary(name, x, y, alpha=1.0, beta=0.0):
    out = np.full_like(x, 77)
    _native.binary(BINARY[name], x, y, out, alpha, beta)
    return out


def last_places(actual, expected):
    """The difference in units of the last place of the float32 nearest to what is expected."""
    nearest = np.abs(expected).astype(np.float32)
    return np.abs(actual - expected) / np.spacing(np.maximum(nearest, np.float32(1e-30)))


def in_every_order(a):
    """The same array in several dense orders of memory."""
    yield np.ascontiguousarray(a)
    yield np.asfortranarray(a)
    for order in itertools.islice(itertools.permutations(range(a.ndim)), 1, None, 2):
        yield np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order))


def test_every_opcode_is_tested():
    assert set(UNARY) == set(FORWARD)
    assert set(BINARY) == {*ARITHMETIC, "mask_scale", *(f"{name}_backward" for name in BACKWARD)}
    assert list(TERNARY) == ["addcmul", "addcdiv", "lerp"]


@pytest.mark.parametrize("name", FORWARD)
def test_forward_is_exact_to_the_last_places(name, isa):
    inputs, alpha, beta, function, most = FORWARD[name]
    x = inputs(np.random.default_rng(1), 100_003).astype(np.float32)
    error = last_places(unary(name, x, alpha, beta), function(x.astype(np.float64)))
    assert error.max() <= most


@pytest.mark.parametrize("name", FORWARD)
def test_forward_in_double(name, isa):
    inputs, alpha, beta, function, _ = FORWARD[name]
    x = inputs(np.random.default_rng(2), 1001)
    np.testing.assert_allclose(unary(name, x, alpha, beta), function(x), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 3e-6), (np.float64, 1e-8)])
@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name, dtype, tolerance, isa):
    saved, alpha, beta, gradient = BACKWARD[name]
    inputs, *_, function, _ = FORWARD[name]
    rng = np.random.default_rng(3)
    x = inputs(rng, 10_001).astype(dtype)
    kept = x if saved == "input" else function(x.astype(np.float64)).astype(dtype)
    g = rng.standard_normal(len(x)).astype(dtype)
    expected = g * gradient(kept.astype(np.float64))
    actual = binary(f"{name}_backward", g, kept, alpha, beta)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("size", SIZES)
def test_sizes_that_are_no_whole_vectors(size, isa):
    x = np.linspace(-4, 4, size, dtype=np.float32)
    np.testing.assert_allclose(unary("exp", x), np.exp(x), rtol=2e-7)
    np.testing.assert_array_equal(binary("add", x, x), 2 * x)
    np.testing.assert_allclose(unary("pow", np.abs(x), 1.3), np.abs(x) ** 1.3, rtol=1e-6)


def test_threads_share_the_work(threads):
    x = np.random.default_rng(4).standard_normal(200_001).astype(np.float32)
    np.testing.assert_allclose(unary("tanh", x), np.tanh(x.astype(np.float64)), rtol=3e-7)
    np.testing.assert_array_equal(binary("mul", x, x), x * x)


SPECIAL = np.array(
    [
        0.0,
        -0.0,
        INF,
        -INF,
        np.nan,
        1.0,
        -1.0,
        1e-40,
        -1e-40,
        1e-20,
        88.8,
        -88.8,
        104,
        -104,
        3e38,
        -3e38,
        0.5,
    ],
    np.float32,
)


@pytest.mark.parametrize(
    "name", ["exp", "expm1", "log", "log1p", "tanh", "sqrt", "rsqrt", "reciprocal", "abs"]
)
def test_special_values(name, isa):
    function = FORWARD[name][3]
    x = np.tile(SPECIAL, 3)
    expected = function(x.astype(np.float64)).astype(np.float32)
    actual = unary(name, x)
    np.testing.assert_allclose(actual, expected, rtol=3e-7, atol=1e-44)
    held = ~np.isnan(expected)
    zeros = held & (expected == 0)
    np.testing.assert_array_equal(np.signbit(actual[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize(
    "name, alpha, beta, at_inf, at_minus_inf",
    [
        ("sigmoid", 0, 0, 1, 0),
        ("erf", 0, 0, 1, -1),
        ("relu", 0, 0, INF, 0),
        ("leaky_relu", 0.1, 0, INF, -INF),
        ("elu", 0.5, 1, INF, -0.5),
        ("celu", 0.5, 0, INF, -0.5),
        ("softplus", 1, 20, INF, 0),
        ("logsigmoid", 0, 0, 0, -INF),
        ("hardsigmoid", 0, 0, 1, 0),
        ("clamp", -2, 3, 3, -2),
        ("neg", 0, 0, -INF, INF),
        ("square", 0, 0, INF, INF),
    ],
)
def test_limits(name, alpha, beta, at_inf, at_minus_inf, isa):
    x = np.array([INF, -INF, np.nan] * 11, np.float32)
    expected = np.array([at_inf, at_minus_inf, np.nan] * 11, np.float32)
    np.testing.assert_array_equal(unary(name, x, alpha, beta), expected)


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "mish", "silu"])
def test_gates_far_out(name, isa):
    x = np.array([100.0, 1000.0, 1e30, -100.0, -1000.0, -1e30] * 7, np.float32)
    expected = np.where(x > 0, x, 0)
    np.testing.assert_allclose(unary(name, x), expected, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(
    "exponent", [0, 1, 2, 3, 0.5, -0.5, -1, -2, 4, 5, -3, 0.3, -1.7, 1e3, 31, INF, -INF, np.nan]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pow(exponent, dtype, isa):
    x = np.concatenate([SPECIAL, -np.arange(1, 20) / 7, np.arange(1, 20) / 7]).astype(dtype)
    # A square root is what 0.5 means, also below 0.
    roots = {0.5: np.sqrt, -0.5: lambda v: 1 / np.sqrt(v)}
    exact = roots.get(exponent, lambda v: np.power(v, np.float64(dtype(exponent))))
    expected = exact(x.astype(np.float64)).astype(dtype)
    np.testing.assert_allclose(unary("pow", x, exponent), expected, rtol=4e-7, atol=1e-44)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.5, -1.5, 4])
def test_pow_backward(exponent, isa):
    x = np.linspace(0.1, 3, 50).astype(np.float32)
    g = np.linspace(-1, 1, 50).astype(np.float32)
    expected = g * exponent * x.astype(np.float64) ** (exponent - 1)
    np.testing.assert_allclose(binary("pow_backward", g, x, exponent), expected, rtol=1e-6)
    zero = np.zeros(1, np.float32)
    np.testing.assert_array_equal(binary("pow_backward", np.ones(1, np.float32), zero, 0), zero)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name, dtype, isa):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((2, 3, 4, 5, 6)).astype(dtype)
    vector = rng.standard_normal(4).astype(dtype)
    function = ARITHMETIC[name]
    tolerance = dict(rtol=1e-6, atol=1e-6) if dtype is np.float32 else dict(rtol=1e-14, atol=1e-14)
    for a, b in zip(in_every_order(x), in_every_order(y), strict=True):
        np.testing.assert_allclose(binary(name, a, b, 0.5), function(x, y, 0.5), **tolerance)
        out = np.full_like(a, 77)
        _native.binary_scalar(BINARY[name], a, 1.25, out, 0.5)
        np.testing.assert_allclose(out, function(x, dtype(1.25), 0.5), **tolerance)
        for dim in (1, -3):
            out = np.full_like(a, 77)
            _native.binary_channel(BINARY[name], a, vector, out, dim, 0.5)
            expected = function(x, vector[:, None, None], 0.5)
            np.testing.assert_allclose(out, expected, **tolerance)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_nan_comes_through_from_either_side(name, isa):
    x = np.array([np.nan, 1, np.nan] * 20, np.float32)
    y = np.array([1, np.nan, np.nan] * 20, np.float32)
    assert np.isnan(binary(name, x, y)).all()


def test_channels_share_threads(threads):
    rng = np.random.default_rng(6)
    planes = rng.standard_normal((8, 64, 20, 20)).astype(np.float32)
    vector = rng.standard_normal(64).astype(np.float32)
    one = rng.standard_normal((1, 64, 60, 60)).astype(np.float32)
    for x in (planes, one, np.ascontiguousarray(np.moveaxis(planes, 1, -1)).transpose(0, 3, 1, 2)):
        out = np.empty_like(x)
        _native.binary_channel(BINARY["add"], x, vector, out, 1, 1.0)
        np.testing.assert_array_equal(out, x + vector[:, None, None])


def test_channel_of_length_one_and_none():
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 6)
    out = np.empty_like(x)
    _native.binary_channel(BINARY["mul"], x, np.array([3], np.float32), out, 1, 1.0)
    np.testing.assert_array_equal(out, 3 * x)
    empty = np.empty((2, 0, 3), np.float32)
    _native.binary_channel(BINARY["mul"], empty, np.empty(0, np.float32), empty.copy(), 1, 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ternary(dtype, isa):
    rng = np.random.default_rng(7)
    x, y, z = rng.uniform(0.1, 2, (3, 4, 45)).astype(dtype)
    expected = {"addcmul": x + 0.3 * y * z, "addcdiv": x + 0.3 * y / z, "lerp": x + z * (y - x)}
    for name, code in TERNARY.items():
        out = np.empty_like(x)
        _native.ternary(code, x, y, z, out, 0.3)
        np.testing.assert_allclose(out, expected[name], rtol=1e-6, atol=1e-6)


def test_lerp_reaches_both_ends():
    x = np.full(33, 1e8, np.float32)
    y = np.full(33, -3.3, np.float32)
    out = np.empty_like(x)
    _native.ternary(TERNARY["lerp"], x, y, np.ones_like(x), out)
    np.testing.assert_array_equal(out, y)
    _native.ternary(TERNARY["lerp"], x, y, np.zeros_like(x), out)
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mask_dtype", [np.uint8, np.bool_, None])
def test_mask(dtype, mask_dtype, isa):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((7, 5, 3)).astype(dtype).transpose(2, 0, 1)
    mask = np.empty_like(x, dtype=mask_dtype or dtype)
    mask[...] = rng.integers(0, 2, x.shape)
    out = np.empty_like(x)
    _native.bernoulli_mask_apply(x, mask, 1.25, out)
    np.testing.assert_allclose(out, x * (mask * 1.25), rtol=1e-6)
    _native.bernoulli_mask_apply(x, mask, 1.25, x)
    np.testing.assert_array_equal(x, out)


def test_in_place():
    x = np.linspace(-3, 3, 101, dtype=np.float32)
    y = x[::-1].copy()
    expected = np.exp(x)
    both = x - 2 * y
    _native.binary(BINARY["sub"], x, y, y, 2.0)
    np.testing.assert_array_equal(y, both)
    _native.unary(UNARY["exp"], x, x)
    np.testing.assert_allclose(x, expected, rtol=2e-7)
    _native.binary(BINARY["mul"], x, x, x)
    np.testing.assert_allclose(x, expected**2, rtol=5e-7)


def test_scalars_and_empty_arrays():
    x = np.array(4.0, np.float32)
    assert unary("sqrt", x) == 2
    for shape in ((0,), (3, 0, 2)):
        assert unary("exp", np.empty(shape, np.float32)).shape == shape


@pytest.mark.parametrize("name", FORWARD)
def test_instruction_sets_agree(name):
    inputs, alpha, beta, _, most = FORWARD[name]
    x = inputs(np.random.default_rng(9), 5001).astype(np.float32)
    before = _native.get_isa()
    best = unary(name, x, alpha, beta)
    _native.set_isa("baseline")
    plain = unary(name, x, alpha, beta)
    _native.set_isa(before)
    assert last_places(best, plain.astype(np.float64)).max() <= 2 * most


def numbers(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def test_rejected_arrays():
    x = numbers(4, 6)
    exp, add = UNARY["exp"], BINARY["add"]
    read_only = numbers(4, 6)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="unknown opcode 999"):
        _native.unary(999, x, x)
    with pytest.raises(ValueError, match="unknown opcode -1"):
        _native.binary(-1, x, x, x)
    with pytest.raises(TypeError, match="unary: x must be float32, .* or float16, got int64"):
        _native.unary(exp, np.ones(3, np.int64), np.ones(3, np.int64))
    with pytest.raises(TypeError, match="unary: out must be float32, got float64"):
        _native.unary(exp, x, numbers(4, 6, dtype=np.float64))
    with pytest.raises(TypeError):
        _native.unary(exp, [1.0], x)
    with pytest.raises(TypeError, match="got another dtype"):
        _native.unary(exp, x.astype(">f4"), x)
    with pytest.raises(ValueError, match=r"unary: out must have shape \(4, 6\), got \(6, 4\)"):
        _native.unary(exp, x, numbers(6, 4))
    with pytest.raises(ValueError, match="in the order of the other arrays"):
        _native.unary(exp, x, np.asfortranarray(x))
    with pytest.raises(ValueError, match="must be dense"):
        _native.unary(exp, numbers(4, 12)[:, ::2], x)
    with pytest.raises(ValueError, match="must be dense"):
        _native.unary(exp, x[::-1], x[::-1])
    with pytest.raises(ValueError, match="read-only"):
        _native.unary(exp, x, read_only)
    with pytest.raises(ValueError, match="dense"):
        _native.unary(exp, np.broadcast_to(np.float32(1), (4, 6)), x)
    with pytest.raises(ValueError, match="stride of 0|order of the other arrays"):
        _native.unary(exp, x, np.lib.stride_tricks.as_strided(x, (4, 6), (0, 4)))
    unaligned = np.zeros(41, np.uint8)[1:].view(np.float32)
    with pytest.raises(ValueError, match="not aligned"):
        _native.unary(exp, unaligned, numbers(10))
    with pytest.raises(ValueError, match="binary: y must have shape"):
        _native.binary(add, x, numbers(4, 5), x)


def test_rejected_overlaps():
    memory = numbers(20)
    with pytest.raises(ValueError, match="overlaps an input"):
        _native.unary(UNARY["exp"], memory[:10], memory[1:11])
    with pytest.raises(ValueError, match="overlaps an input"):
        _native.binary(BINARY["add"], memory[:10], numbers(10), memory[5:15])
    with pytest.raises(ValueError, match="overlaps an input"):
        _native.binary(BINARY["add"], numbers(10), memory[:10], memory[5:15])
    with pytest.raises(ValueError, match="must not share memory"):
        _native.binary_channel(
            BINARY["add"], memory.reshape(4, 5), memory[:5], memory.reshape(4, 5), 1
        )
    square = np.ones((5, 5), np.float32)
    with pytest.raises(ValueError, match="order of the other arrays"):
        _native.unary(UNARY["exp"], square, square.T)
    with pytest.raises(ValueError, match="must not share memory"):
        _native.bernoulli_mask_apply(memory, memory.view(np.uint8)[:20], 1.0, memory)


def test_rejected_operations():
    x = numbers(4, 6)
    backward = BINARY["relu_backward"]
    with pytest.raises(ValueError, match="relu_backward takes two arrays of one shape"):
        _native.binary_scalar(backward, x, 1.0, x)
    with pytest.raises(ValueError, match="relu_backward takes two arrays of one shape"):
        _native.binary_channel(backward, x, numbers(6), x.copy(), 1)
    with pytest.raises(IndexError, match=r"dim 2 is out of range for an array of shape \(4, 6\)"):
        _native.binary_channel(BINARY["add"], x, numbers(6), x.copy(), 2)
    with pytest.raises(IndexError, match="dim -3"):
        _native.binary_channel(BINARY["add"], x, numbers(6), x.copy(), -3)
    with pytest.raises(ValueError, match=r"y must have shape \(6,\), got \(4,\)"):
        _native.binary_channel(BINARY["add"], x, numbers(4), x.copy(), 1)
    with pytest.raises(TypeError, match="mask must be float32, got int64"):
        _native.bernoulli_mask_apply(x, np.ones((4, 6), np.int64), 1.0, x)
