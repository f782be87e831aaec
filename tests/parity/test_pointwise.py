"""Element-wise ops against PyTorch: values, dtypes, shapes, strides, gradients, types of errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rushlight

from .side_by_side import gradients, outcome

torch = pytest.importorskip("torch")

# A result of 16 bits may be rounded to the neighbour, when both are right to float32.
TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2}

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
)
NUMBERS = ("True", "3", "-2", "2.5", "1 + 2j")


def values(dtype):
    """Four values of a dtype, two of which are negative where it has such."""
    if dtype == "bool":
        return [True, False, True, True]
    if dtype.startswith("uint"):
        return [3, 1, 2, 5]
    if dtype.startswith("int"):
        return [3, -1, 2, -5]
    if dtype.startswith("complex"):
        return [0.5 + 1j, -1.5 - 0.25j, 2.0, -1j]
    return [0.5, -1.5, 2.25, -0.75]


def of_dtypes(left, right):
    """``a`` and ``b`` of two dtypes, and their elements as 0-dim tensors ``a0`` and ``b0``."""

    def names(framework):
        a = framework.tensor(values(left), dtype=getattr(framework, left))
        b = framework.tensor(values(right)[::-1], dtype=getattr(framework, right))
        return {"a": a, "b": b, "a0": a[0].clone(), "b0": b[0].clone()}

    return names


def common(framework):
    """Tensors for expressions that are compared once."""

    def tensor(data, dtype=None):
        return framework.tensor(data, dtype=dtype)

    nan, inf = float("nan"), float("inf")
    return {
        "f": tensor([[0.5, -1.5, 2.25], [-0.75, 0.0, 3.5]]),
        "g": tensor([[1.5, 0.25, -2.0], [-0.75, 1.0, 0.5]]),
        "p": tensor([[0.5, 0.25, 0.9], [0.75, 0.1, 0.6]]),
        "row": tensor([1.0, -2.0, 0.5]),
        "column": tensor([[2.0], [-1.0]]),
        "special": tensor([nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 1e-30, 1e30]),
        "special2": tensor([1.0, inf, 1.0, 0.0, 1.0, nan, -inf, 2.0, -1e30]),
        "d": tensor([[0.5, -1.5, 2.25], [-0.75, 0.0, 3.5]], framework.float64),
        "h": tensor([[0.5, -1.5, 2.25], [-0.75, 0.0, 3.5]], framework.float16),
        "w": tensor([[0.5, -1.5, 2.25], [-0.75, 0.0, 3.5]], framework.bfloat16),
        "i": tensor([[7, -7, 3], [0, 5, -1]]),
        "j": tensor([[2, 3, -4], [5, -1, 2]]),
        "u": tensor([200, 44, 0, 7], framework.uint8),
        "m": tensor([[True, False, True], [False, False, True]]),
        "c": tensor([[1 + 2j, -0.5j, 3.0], [-1 - 1j, 2 + 0.5j, -2.0]]),
        "e": framework.zeros(0, 3),
        "t": framework.arange(6.0).reshape(2, 3).t(),
    }


def assert_same(ours, theirs):
    if not isinstance(ours, list) or not isinstance(theirs, list):
        ours, theirs = [ours], [theirs]
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs):
        if not hasattr(x, "parts") or not hasattr(y, "parts"):
            assert x == y
            continue
        assert x.parts == y.parts
        tolerance = TOLERANCE.get(x.parts[0], 1e-5)
        np.testing.assert_allclose(x.values, y.values, rtol=tolerance, atol=tolerance / 10)


def check(expression, names, strides=True):
    assert_same(
        outcome(rushlight, expression, names, strides), outcome(torch, expression, names, strides)
    )


# PyTorch's meet in complex32, which NumPy does not have.
WITHOUT_MEETING = {
    ("float16", "complex64"),
    ("complex64", "float16"),
    ("float16", "1 + 2j"),
    ("bfloat16", "1 + 2j"),
}

# ---- dtypes of pairs --------------------------------------------------------------------------------

PAIRS = [
    "a + b", "a - b", "a * b", "a / b", "a // b", "a % b", "a ** b", "a == b", "a != b", "a < b", "a >= b",
    "a & b", "a | b", "a ^ b", "torch.logical_and(a, b)", "torch.logical_xor(a, b)", "torch.fmod(a, b)",
    "torch.maximum(a, b)", "torch.minimum(a, b)", "torch.fmax(a, b)", "torch.fmin(a, b)", "torch.atan2(a, b)",
    "torch.where(a == a, a, b)", "torch.float_power(a, b)", "torch.copysign(a, b)", "torch.xlogy(a, b)",
    "torch.hypot(a, b)", "torch.div(a, b, rounding_mode='trunc')",
    "torch.add(a, b, alpha=2)", "torch.sub(a, b, alpha=2)", "a.clone().add_(b)", "a.clone().mul_(b)",
    "a.clone().div_(b)", "a.clone().eq_(b)", "torch.addcmul(a, a, b)", "torch.addcdiv(a, a, b)",
    "torch.gcd(a, b)", "torch.lcm(a, b)", "torch.clamp(a, b)", "torch.result_type(a, b)",
]  # fmt: skip


@pytest.mark.parametrize(
    "left, right", [p for p in itertools.product(DTYPES, DTYPES) if p not in WITHOUT_MEETING]
)
def test_dtypes_of_two_tensors(left, right):
    names = of_dtypes(left, right)
    for expression in PAIRS:
        check(expression, names)


@pytest.mark.parametrize("left, right", list(itertools.product(DTYPES[:-1], DTYPES[:-1])))
def test_dtypes_of_two_real_tensors(left, right):
    check("torch.logaddexp(a, b)", of_dtypes(left, right))


@pytest.mark.parametrize(
    "left, right", [p for p in itertools.product(DTYPES, DTYPES) if p not in WITHOUT_MEETING]
)
def test_dtypes_beside_a_tensor_without_dimensions(left, right):
    names = of_dtypes(left, right)
    for operator in ("+", "-", "*", "/", "//", "<", "=="):
        for pair in (("a", "b0"), ("a0", "b"), ("a0", "b0")):
            check(f" {operator} ".join(pair), names)
    check("torch.where(a == a, a, b0)", names)
    check("torch.where(a == a, a0, b)", names)


@pytest.mark.parametrize(
    "dtype, number", [p for p in itertools.product(DTYPES, NUMBERS) if p not in WITHOUT_MEETING]
)
def test_dtypes_beside_a_number(dtype, number):
    names = of_dtypes(dtype, dtype)
    for operator in ("+", "-", "*", "/", "//", "%", "**", "<", "==", "&", "<<"):
        for x in ("a", "a0"):
            check(f"{x} {operator} ({number})", names)
            check(f"({number}) {operator} {x}", names)
    check(f"torch.where(a == a, a, {number})", names)
    check(f"torch.where(a == a, {number}, {number})", names)
    check(f"torch.add(a, a, alpha={number})", names)
    check(f"torch.result_type(a, {number})", names)
    check(f"a.clone().add_({number})", names)
    check(f"torch.xlogy(a, {number})", names)


@pytest.mark.parametrize("dtype, number", list(itertools.product(DTYPES, NUMBERS[:-1])))
def test_limits_of_a_number(dtype, number):
    check(f"torch.clamp(a, min={number})", of_dtypes(dtype, dtype))
    check(f"torch.clamp(a, max={number})", of_dtypes(dtype, dtype))


# ---- one tensor -------------------------------------------------------------------------------------

UNARY = [
    "abs", "acos", "acosh", "angle", "arccos", "arcsin", "arctan", "asin", "asinh", "atan", "atanh", "bitwise_not",
    "ceil", "cos", "cosh", "deg2rad", "digamma", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "fix",
    "floor", "frac", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "isreal", "lgamma", "log", "log10",
    "log1p", "log2", "logical_not", "logit", "nan_to_num", "neg", "negative", "positive", "rad2deg", "reciprocal",
    "relu", "round", "rsqrt", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "sqrt", "square", "tan",
    "tanh", "trunc",
]  # fmt: skip
ACTIVATIONS = [
    "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
]  # fmt: skip
ONE = [f"torch.{name}({{}})" for name in UNARY] + [
    f"torch.nn.functional.{name}({{}})" for name in ACTIVATIONS
]


@pytest.mark.parametrize("form", [f for f in ONE if "silu" not in f])
def test_every_dtype(form):
    for dtype in DTYPES:
        check(form.format("a"), of_dtypes(dtype, dtype))
        check(form.format("a0"), of_dtypes(dtype, dtype))


@pytest.mark.parametrize("dtype", DTYPES[:-1])
def test_silu_of_every_real_dtype(dtype):
    check("torch.nn.functional.silu(a)", of_dtypes(dtype, dtype))


@pytest.mark.parametrize("form", ONE)
def test_shapes(form):
    for name in ("p", "e", "t"):
        check(form.format(name), common, strides="logsigmoid" not in form)


# PyTorch gives NaN for the gelu of infinity, whose limit is infinity.
@pytest.mark.parametrize("form", [f for f in ONE if "gelu" not in f])
def test_special_values(form):
    check(form.format("special"), common)


WITHOUT_GRADIENT = (
    "bitwise_not",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "logical_not",
    "signbit",
)
DIFFERENTIABLE = [f for f in ONE if f.split(".")[-1].split("(")[0] not in WITHOUT_GRADIENT]


@pytest.mark.parametrize("form", DIFFERENTIABLE)
def test_gradient_of_one(form):
    name = "p" if "logit" in form else "f"
    expression = form.format(name)
    theirs = gradients(torch, expression, common)
    ours = gradients(rushlight, expression, common)
    np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in UNARY if hasattr(torch.Tensor, n + "_")])
def test_in_place(name):
    for dtype in DTYPES:
        check(f"x = a.clone(); r = [x.{name}_(), x]", of_dtypes(dtype, dtype))


# ---- everything else --------------------------------------------------------------------------------

EXPRESSIONS = """
f + row
f * column
row + column
f - t
t * t
e + row
f + e
special + special2
special * special2
special / special2
special // special2
special % special2
torch.fmod(special, special2)
special ** special2
special2 ** special
special < special2
special == special
torch.maximum(special, special2)
torch.fmin(special, special2)
torch.atan2(special, special2)
torch.hypot(special, special2)
torch.logaddexp(special, special2)
torch.copysign(special, special2)
torch.xlogy(special, special2)
torch.nextafter(special, special2)
torch.heaviside(f, g)
torch.heaviside(i, j)
torch.heaviside(f, i)
torch.ldexp(f, i)
i // 0
i % 0
torch.fmod(i, 0)
torch.div(i, 0, rounding_mode='trunc')
i / 0
f // 0
f % 0
torch.div(i, j, rounding_mode='trunc')
torch.div(i, j, rounding_mode='floor')
torch.div(f, g, rounding_mode='trunc')
torch.div(f, g, rounding_mode='up')
i // j
i % j
torch.fmod(i, j)
i ** -1
i ** j.abs()
i ** j
f ** 2
f ** 3
f ** 0.5
f ** -1
f ** 0
2 ** f
2.0 ** i
f ** torch.tensor(2)
i << 2
i >> 1
1 << i.abs()
i << 70
i >> 70
i << j.abs()
u << 3
u + 300
u * 2
u - 1
-u
~u
u == 300
u & 300
~f
~m
m + m
m - m
m * m
-m
m / m
m ** m
m & True
m | 1
+m
+f
abs(f)
divmod(f, 2)
i & 2.5
f == None
f != None
f == 'a'
f < 'a'
f + 'a'
f + None
f + [1.0, 2.0, 3.0]
torch.add(f, 'a')
torch.add(f, [1.0])
torch.add(f)
torch.mul(f, g)
torch.multiply(f, 2)
torch.subtract(f, g)
torch.divide(f, g)
torch.true_divide(i, j)
torch.floor_divide(f, 0.7)
torch.rsub(f, 2)
torch.rsub(f, g, alpha=3)
f.mul(2)
f.sub(g, alpha=0.5)
torch.add(i, i, alpha=1.5)
torch.add(m, m, alpha=2)
torch.add(f, g, out=torch.empty(2, 3))
torch.add(f, g, out=torch.empty(2, 3, dtype=torch.int64))
torch.mul(f, g, out=torch.empty(2, 3, dtype=torch.float64))
torch.exp(f, out=torch.empty(2, 3))
torch.sum(f, 1, out=torch.empty(2))
torch.remainder(5, i + 10)
torch.pow(2, f)
torch.pow(f, 2)
torch.pow(input=f, exponent=2)
f.pow(exponent=3)
torch.float_power(2, i)
torch.float_power(f, -2)
torch.addcmul(f, row, column)
torch.addcmul(f, g, g, value=0.5)
torch.addcmul(i, i, j, value=2)
torch.addcdiv(f, g, row, value=0.5)
torch.addcdiv(i, i, j)
torch.lerp(f, g, 0.25)
torch.lerp(f, g, 0.75)
torch.lerp(f, g, p)
torch.lerp(f, d, 0.5)
torch.lerp(i, i, 0.5)
torch.lerp(f, row, column)
torch.where(m, f, g)
torch.where(m, f, 0)
torch.where(m, 1.0, 0)
torch.where(m, 1, 0)
torch.where(m, f, d)
torch.where(m, i, f)
torch.where(m, f, torch.tensor(1.0, dtype=torch.float64))
torch.where(i, f, g)
torch.where(m)
torch.where(m, row, column)
torch.where(m[0], f, 0.0)
f.where(m, g)
f.where(m, 0)
torch.clamp(f, 0, 1)
torch.clamp(f, max=1)
torch.clamp(f, 1, 0)
torch.clamp(f)
torch.clamp(f, None, None)
torch.clamp(f, row)
torch.clamp(f, row, column)
torch.clamp(f, 0, row)
torch.clamp(i, 0.5)
torch.clamp(i, 0, 3)
torch.clamp(i, row)
torch.clamp(u, 5, 100)
torch.clamp(u, 0, 300)
torch.clamp(m, 0, 1)
torch.clamp(c, 0, 1)
torch.clamp(special, -1, 1)
torch.clip(f, -1, 1)
f.clamp_min(0.5)
f.clamp_max(row)
torch.clamp_min(i, 2.5)
x = f.clone(); r = [x.clamp_(0, 1), x]
x = f.clone(); r = [x.clamp_(row), x]
x = i.clone(); x.clamp_(0.5)
x = f.clone(); x.clamp_min_(0)
x = f.clone(); x += 1; r = x
x = f.clone(); x -= g; r = x
x = f.clone(); x *= 2; r = x
x = f.clone(); x /= row; r = x
x = f.clone(); x //= 2; r = x
x = f.clone(); x %= 2; r = x
x = f.clone(); x **= 2; r = x
x = i.clone(); x += 1.5
x = i.clone(); x /= 2
x = i.clone(); x //= 2; r = x
x = i.clone(); x &= 3; r = x
x = i.clone(); x |= 8; r = x
x = i.clone(); x ^= j; r = x
x = i.clone(); x <<= 1; r = x
x = i.clone(); x >>= 1; r = x
x = row.clone(); x += f
x = f.clone(); x += row; r = x
x = f.clone(); y = x[0]; y += 1; r = x
x = f.clone(); x.add_(g, alpha=2); r = x
x = f.clone(); x.sub_(1, alpha=2); r = x
x = f.clone(); x.addcmul_(g, g, value=2); r = x
x = f.clone(); x.addcdiv_(g, g, value=2); r = x
x = f.clone(); x.lerp_(g, 0.5); r = x
x = f.clone(); x.div_(2, rounding_mode='floor'); r = x
x = f.clone(); x.pow_(2); r = x
x = f.clone(); x.lt_(0); r = x
x = f.clone(); x.logical_not_(); r = x
x = f.clone(); x += x; r = x
x = f.clone(); x *= x; r = x
x = torch.ones(1).expand(3); x += 1
torch.isclose(f, f + 1e-7)
torch.isclose(f, g, rtol=1)
torch.isclose(special, special)
torch.isclose(special, special, equal_nan=True)
torch.isclose(i, i + 1, atol=1)
torch.isclose(i, f)
torch.isclose(f, f, rtol=-1)
torch.allclose(f, f + 1e-7)
torch.allclose(f, g)
torch.allclose(f, row)
torch.equal(f, f)
torch.equal(f, g)
torch.equal(f, row)
torch.equal(f, f.double())
torch.round(f, decimals=1)
torch.round(f * 100, decimals=-1)
torch.round(torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5]))
torch.round(i, decimals=1)
torch.nan_to_num(special, nan=1.0)
torch.nan_to_num(special, 1.0, 2.0, 3.0)
torch.logit(p, eps=0.2)
torch.logit(f, 0.1)
torch.polygamma(1, p)
torch.polygamma(2, p)
torch.polygamma(0, p)
torch.polygamma(-1, p)
torch.mvlgamma(p + 3, 3)
torch.lgamma(torch.tensor([1.0, 2.0, 0.5, -0.5, -1.0, 0.0, 10.0, 170.0, -3.7]))
torch.digamma(torch.tensor([1.0, 2.0, 0.5, -0.5, -1.0, 0.0, 10.0, 170.0, -3.7]))
torch.erfinv(torch.tensor([0.0, 0.5, -0.999, 1.0, -1.0, 1.5, 1e-9]))
torch.erf(torch.tensor([0.0, 0.1, -0.5, 1.0, 3.0, 6.0, -30.0]))
torch.erfc(torch.tensor([0.0, 0.1, -0.5, 1.0, 3.0, 6.0, 9.0, -30.0]))
torch.gcd(i, j)
torch.frexp(f)
torch.frexp(special)
torch.frexp(i)
x = f.clone(); x.ldexp_(torch.tensor(2)); r = x
x = i.clone(); x.ldexp_(torch.tensor(2))
x = d.clone(); x.float_power_(2); r = x
x = f.clone(); x.float_power_(2)
x = f.clone(); x.renorm_(2, 0, 1.0); r = x
x = p.clone(); x.polygamma_(1); r = x
x = p + 3; x.mvlgamma_(2); r = x
torch.nn.functional.relu_(f.clone())
torch.lcm(i, j)
torch.gcd(f, f)
torch.real(c)
torch.imag(c)
torch.imag(f)
torch.real(f)
c.real
c.imag
torch.conj(c) + 0
torch.abs(c)
torch.angle(c)
torch.sgn(c)
torch.sign(c)
c * 2
c * (1 + 1j)
c / c
c + f
c == c
c < c
c ** 2
c.exp()
torch.sqrt(c)
torch.log(c)
torch.tanh(c)
torch.sigmoid(c)
torch.complex(f, g)
torch.complex(f, d)
torch.complex(i, i)
torch.polar(f.abs(), g)
torch.view_as_real(c)
torch.view_as_real(f)
torch.view_as_complex(torch.arange(6.0).reshape(3, 2))
torch.view_as_complex(f)
f * (1 + 1j)
f + 1j
torch.nn.functional.relu(m)
torch.nn.functional.relu(f, inplace=True)
torch.nn.functional.leaky_relu(f, 0.2)
torch.nn.functional.elu(f, 1.5)
torch.nn.functional.celu(f, 0.5)
torch.nn.functional.celu(f, 0)
torch.nn.functional.gelu(f, approximate='tanh')
torch.nn.functional.gelu(f, approximate='x')
torch.nn.functional.softplus(f, 2, 3)
torch.nn.functional.hardtanh(f, -0.5, 0.5)
torch.nn.functional.hardtanh(f, 0.5, -0.5)
torch.nn.functional.hardtanh(i, -2, 3)
torch.nn.functional.threshold(f, 0.1, 20)
torch.nn.functional.threshold(i, 1, 20)
torch.nn.functional.softshrink(f, 0.3)
torch.nn.functional.softshrink(f, -1)
torch.nn.functional.hardshrink(f, 1)
torch.nn.functional.glu(torch.arange(8.0).reshape(2, 4) - 4)
torch.nn.functional.glu(torch.arange(8.0).reshape(2, 4) - 4, 0)
torch.nn.functional.glu(f)
torch.nn.functional.prelu(f, torch.tensor([0.25]))
torch.nn.functional.prelu(f, torch.tensor([0.25, 0.5, 0.1]))
torch.nn.functional.prelu(f, torch.tensor([0.25, 0.5]))
torch.nn.functional.softmax(f, 1)
torch.nn.functional.softmax(f, -2)
torch.nn.functional.softmax(f)
torch.nn.functional.softmax(i, 1)
torch.nn.functional.softmax(i, 1, dtype=torch.float64)
torch.nn.functional.softmax(h, 1)
torch.nn.functional.softmax(w, 1)
torch.nn.functional.softmax(d, 1)
torch.nn.functional.softmax(e, 0)
torch.nn.functional.softmax(e, 1)
torch.nn.functional.softmax(f, 2)
torch.nn.functional.softmax(torch.tensor(2.0), 0)
torch.nn.functional.softmax(f * 1000, 1)
torch.nn.functional.log_softmax(f * 1000, 1)
torch.nn.functional.log_softmax(f, 0)
torch.nn.functional.log_softmax(t, 0)
torch.nn.functional.softmin(f, 1)
torch.softmax(f, dim=1)
torch.softmax(f)
torch.log_softmax(f, -1, dtype=torch.float64)
f.softmax(-1)
f.log_softmax(-1)
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression(expression):
    check(expression, common)


GRADIENTS = """
f + row
f - column
f * row
f / g
2 - f
2 / g
f / 2
row * column
f ** 2
f ** 3
f ** -1
p ** 0.5
p ** g
2 ** f
f ** 0
0 ** p
f % g
torch.fmod(f, g)
torch.div(f, g, rounding_mode='floor')
torch.maximum(f, g)
torch.minimum(f, row)
torch.fmax(f, f)
torch.fmin(f, g)
torch.maximum(f, f)
torch.atan2(f, g)
torch.hypot(f, g)
torch.copysign(f, g)
torch.logaddexp(f, g)
torch.logaddexp2(f, g)
torch.xlogy(p, p)
torch.xlogy(p, 2.0)
torch.ldexp(f, row)
torch.where(m, f, g)
torch.where(m, f, 0.0)
torch.where(m, row, column)
torch.clamp(f, 0, 1)
torch.clamp(f, -0.75, 2.25)
torch.clamp(f, max=1)
torch.clamp(f, row)
torch.clamp(f, row, column)
torch.clamp(f, column, row)
torch.clamp(f, max=row)
torch.addcmul(f, g, row, value=2)
torch.addcdiv(f, g, row, value=2)
torch.lerp(f, g, 0.3)
torch.lerp(f, g, p)
torch.add(f, g, alpha=3)
torch.sub(f, g, alpha=3)
torch.nan_to_num(f)
torch.logit(p)
torch.logit(p, eps=0.2)
torch.polygamma(1, p)
torch.float_power(p, 2)
torch.round(f, decimals=1)
f.double() * d
f * d
h * f
w * f
x = f * 1; x += row; r = x
x = f * 1; x *= g; r = x
x = f * 1; x /= g; r = x
x = f * 1; x -= g; r = x
x = f * 1; x **= 2; r = x
x = f * 1; x.exp_(); r = x
x = f * 1; x.sin_(); r = x
x = f * 1; x.relu_(); r = x
x = f * 1; x.clamp_(0, 1); r = x
x = f * 1; x[0] += row; r = x
x = f * 1; x[:, 1].mul_(2); r = x
x = f * 1; x.zero_(); r = x * g
x = f * 1; x.fill_(2); r = x * g
x = f * 1; x.copy_(row); r = x
x = f * 1; x.addcmul_(g, g); r = x
x = f * 1; r = torch.nn.functional.relu(x, inplace=True)
x = f * 1; r = torch.nn.functional.silu(x, inplace=True)
x = f * 1; r = torch.nn.functional.leaky_relu(x, 0.2, inplace=True)
x = f * 1; r = torch.nn.functional.elu(x, 1.5, inplace=True)
x = f * 1; r = torch.nn.functional.hardtanh(x, inplace=True)
torch.nn.functional.relu6(f * 3)
torch.nn.functional.hardtanh(f, -0.75, 2.25)
torch.nn.functional.threshold(f, 0.5, 20)
torch.nn.functional.celu(f, 0.5)
torch.nn.functional.gelu(f, approximate='tanh')
torch.nn.functional.softplus(f, 2, 3)
torch.nn.functional.glu(torch.cat([f, g], 1))
torch.nn.functional.prelu(f, row)
torch.nn.functional.prelu(f, row[:1])
torch.nn.functional.softmax(f, 1)
torch.nn.functional.softmax(f, 0)
torch.nn.functional.log_softmax(f, 1)
torch.nn.functional.softmin(f, 0)
torch.softmax(f, 1, dtype=torch.float64)
torch.softmax(w, 1)
""".strip().splitlines()


@pytest.mark.parametrize("expression", GRADIENTS)
def test_gradient(expression):
    theirs, ours = gradients(torch, expression, common), gradients(rushlight, expression, common)
    assert [k for k in theirs if theirs[k] is not None] == [k for k in ours if ours[k] is not None]
    for name in [k for k in theirs if theirs[k] is not None]:
        loose = 2e-2 if name in ("h", "w") else 2e-5
        np.testing.assert_allclose(
            ours[name], theirs[name], rtol=loose, atol=loose / 10, err_msg=name
        )
