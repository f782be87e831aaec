"""Functions of each element: powers of e, logarithms, roots, angles, rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, like, primitive
from ..return_types import named
from ..tensor import Tensor
from .checks import floating_only, integral_only, no_bool, no_complex
from .choice import where
from .family import (
    COMPACT,
    binary,
    computed_wide,
    conj,
    fast_unary,
    gradient,
    overwrite,
    refuse,
    unary,
    write_out,
    zero,
)

_LN2, _LN10 = math.log(2.0), math.log(10.0)


# ---- exponentials and logarithms --------------------------------------------------------------------

exp = unary(
    "exp", np.exp, "``e`` to the power of each element.", vjp=lambda g, out: g * conj(out), oracle=math.exp,
    example="[0.0, 1.0] -> [1.0000, 2.7183]",
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_unary(exp, "exp")

exp2 = unary(
    "exp2", np.exp2, "2 to the power of each element.", vjp=lambda g, out: g * conj(out) * _LN2,
    oracle=lambda x: np.power(2.0, x), example="[0.0, 3.0] -> [1., 8.]",
)  # fmt: skip

expm1 = unary(
    "expm1", np.expm1, "``exp(input) - 1``, exact also near 0.", vjp=lambda g, out: g * conj(out + 1),
    oracle=math.expm1, example="[0.0, 1.0] -> [0.0000, 1.7183]",
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_unary(expm1, "expm1")

log = unary(
    "log", np.log, "The natural logarithm; NaN for negative elements.", vjp=lambda g, input: g / conj(input),
    oracle=math.log, domain=(0.1, 4.0), example="[1.0, 10.0] -> [0.0000, 2.3026]",
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_unary(log, "log")

log2 = unary(
    "log2", np.log2, "The logarithm to base 2.", vjp=lambda g, input: g / conj(input * _LN2),
    oracle=math.log2, domain=(0.1, 4.0), example="[1.0, 8.0] -> [0., 3.]",
    autocast={"cuda": "float32"},
)  # fmt: skip

log10 = unary(
    "log10", np.log10, "The logarithm to base 10.", vjp=lambda g, input: g / conj(input * _LN10),
    oracle=math.log10, domain=(0.1, 4.0), example="[1.0, 20.0] -> [0.0000, 1.3010]",
    autocast={"cuda": "float32"},
)  # fmt: skip

log1p = unary(
    "log1p", np.log1p, "``log(1 + input)``, exact also near 0.", vjp=lambda g, input: g / conj(input + 1),
    oracle=math.log1p, domain=(-0.9, 4.0), example="[0.0, 1.0] -> [0.0000, 0.6931]",
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_unary(log1p, "log1p")


# ---- roots and powers -------------------------------------------------------------------------------

_sqrt_gradient = gradient(
    "_sqrt_gradient", lambda g, out, a, b: g / (2 * out), lambda g, out, a, b: g / (2 * conj(out)),
    "sqrt_backward", domain=(0.5, 2.0),
)  # fmt: skip
sqrt = unary(
    "sqrt", np.sqrt, "The square root; NaN for negative elements.", vjp=lambda g, out: _sqrt_gradient(g, out),
    oracle=math.sqrt, domain=(0.1, 4.0), example="[4.0, 9.0] -> [2., 3.]",
)  # fmt: skip
fast_unary(sqrt, "sqrt")

_rsqrt_gradient = gradient(
    "_rsqrt_gradient", lambda g, out, a, b: g * out**3 * -0.5, lambda g, out, a, b: g * conj(out) ** 3 * -0.5,
    "rsqrt_backward", domain=(0.5, 2.0),
)  # fmt: skip
rsqrt = unary(
    "rsqrt", computed_wide(lambda x: 1 / np.sqrt(x)), "``1 / sqrt(input)``.",
    vjp=lambda g, out: _rsqrt_gradient(g, out), oracle=lambda x: x**-0.5, domain=(0.1, 4.0),
    example="[4.0, 0.25] -> [0.5000, 2.0000]",
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_unary(rsqrt, "rsqrt", COMPACT)

reciprocal = unary(
    "reciprocal", np.reciprocal, "``1 / input``.", vjp=lambda g, out: -g * conj(out * out),
    oracle=lambda x: x**-1.0, domain=(0.5, 2.0), example="[4.0, 0.5] -> [0.2500, 2.0000]",
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_unary(reciprocal, "reciprocal")


def _square(x):
    return np.square(x, dtype=np.int64 if x.dtype.kind == "b" else None)


_square_gradient = gradient(
    "_square_gradient", lambda g, x, a, b: g * (2 * x), lambda g, x, a, b: g * (2 * conj(x)), "square_backward",
)  # fmt: skip
square = unary(
    "square", _square, "``input * input``.", vjp=lambda g, input: _square_gradient(g, input),
    oracle=lambda x: x**2.0, promote=None, dtype=lambda d: dtypes.int64 if d is dtypes.bool_ else d,
    example="[3.0, -2.0] -> [9., 4.]",
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_unary(square, "square")


# ---- size and sign ----------------------------------------------------------------------------------


def _sign(x):
    if x.dtype.kind == "b":
        return x.copy()
    # NumPy's sign of NaN is NaN; here it is 0, as in PyTorch.
    return np.subtract(np.greater(x, 0), np.less(x, 0), dtype=np.int8).astype(x.dtype)


def _sgn(x):
    if x.dtype.kind != "c":
        return _sign(x)
    return np.where(x == 0, 0, x / np.abs(x)).astype(x.dtype)


def _sign_checks(name: str, input: Tensor) -> None:
    if input.dtype.is_complex:
        raise NotImplementedError(
            "torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
        )


def _sgn_vjp(g, input, out):
    if not input.is_complex():
        return zero(g)
    size = input.abs()
    slope = (g - out * (conj(out) * g).real) / size
    return where(size == 0, 0.0, slope)


def _real_sign(x):
    if x.dtype.kind == "c":
        raise TypeError("complex")
    return _sign(x)


sign = unary(
    "sign", _real_sign, "1 for positive elements, -1 for negative ones, 0 for the rest.", vjp=lambda g: zero(g),
    oracle=lambda x: (x > 0) * 1.0 - (x < 0), promote=None, check=_sign_checks,
    example="[3.0, -2.0, 0.0] -> [ 1., -1.,  0.]",
)  # fmt: skip

sgn = unary(
    "sgn", _sgn, "`sign`; of a complex number the number of size 1 in its direction.", vjp=_sgn_vjp,
    oracle=lambda x: (x > 0) * 1.0 - (x < 0), promote=None, example="[3.0, -2.0, 0.0] -> [ 1., -1.,  0.]",
)  # fmt: skip

_abs_gradient = gradient(
    "_abs_gradient",
    lambda g, x, a, b: g * _sgn(x),
    lambda g, x, a, b: g * sgn(x),
    "abs_backward",
)
abs = unary(
    "abs", np.absolute, "The size of each element: ``-input`` where it is negative.",
    vjp=lambda g, input: _abs_gradient(g, input), oracle=math.fabs, promote=None, names=("absolute",),
    dtype=lambda d: d.to_real(), check=no_bool,
    example="[3.0, -2.0] -> [3., 2.]",
)  # fmt: skip
fast_unary(abs, "abs")
refuse(abs, "b")
Tensor.__abs__ = abs


@exported("torch", "Tensor", names=("absolute_",))
def abs_(input: Tensor) -> Tensor:
    """`abs`, written into ``input``, which is returned."""
    if input.dtype.is_complex:
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return abs.op.inplace(input)


copysign = binary(
    "copysign", np.copysign, "The size of ``input`` with the sign of ``other``.", promote="float",
    vjp=(lambda g, input, other: g * where(input == 0, 0.0, copysign(input, other) / input), lambda g: zero(g)),
    oracle=math.copysign, check=no_complex, example="[3.0, -2.0], [-1.0, 1.0] -> [-3.,  2.]",
)  # fmt: skip


# ---- rounding ---------------------------------------------------------------------------------------


_REAL = (no_complex, no_bool)


def _rounding(
    name: str, kernel: Any, what: str, oracle: Any, example: str, names: tuple[str, ...] = ()
) -> Any:
    return unary(
        name, kernel, what, vjp=lambda g: zero(g), oracle=oracle, promote=None,
        check=_REAL, example=example, names=names, domain=(-3.0, 3.0),
    )  # fmt: skip


def _by_rounding(function: Any) -> Any:
    def run(x):
        if x.dtype.kind in "bc":
            raise TypeError("neither bools nor complex numbers are rounded")
        return x.copy(order="K") if x.dtype.kind in "iu" else function(x)

    return run


floor = _rounding(
    "floor", _by_rounding(np.floor), "The largest whole number that is not above each element.", math.floor,
    "[1.5, -1.5] -> [ 1., -2.]",
)  # fmt: skip
ceil = _rounding(
    "ceil", _by_rounding(np.ceil), "The smallest whole number that is not below each element.", math.ceil,
    "[1.5, -1.5] -> [ 2., -1.]",
)  # fmt: skip
trunc = _rounding(
    "trunc", _by_rounding(np.trunc), "Each element without what is behind the point.", math.trunc,
    "[1.5, -1.5] -> [ 1., -1.]", ("fix",),
)  # fmt: skip
_round = unary(
    "_round", _by_rounding(np.rint), "The nearest whole number; of two, the even one.", vjp=lambda g: zero(g),
    oracle=np.vectorize(round, otypes=[np.float64]), promote=None, places=(), domain=(-3.0, 3.0),
    check=_REAL, node_name="RoundBackward0",
)  # fmt: skip


@exported("torch", "Tensor")
def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest whole number; of two that are equally near, the even one.

    Args:
        decimals: how many digits behind the point stay; negative ones round before it.

    >>> rushlight.round(rushlight.tensor([0.5, 1.5, -1.7]))
    tensor([ 0.,  2., -2.])
    >>> rushlight.round(rushlight.tensor([1.234]), decimals=1)
    tensor([1.2000])
    """
    if decimals == 0:
        made = _round(input)
    else:
        floating_only("round", input)
        tens = 10.0 ** max(decimals, -decimals)
        made = _round(input * tens) / tens if decimals > 0 else _round(input / tens) * tens
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def round_(self: Tensor, *, decimals: int = 0) -> Tensor:
    """`round`, written into this tensor, which is returned."""
    return _round.op.inplace(self) if decimals == 0 else self.copy_(round(self, decimals=decimals))


frac = unary(
    "frac", lambda x: x - np.trunc(x), "What is behind the point, with the sign of the element.", vjp=lambda g: g,
    oracle=lambda x: np.fmod(x, 1.0), check=floating_only, example="[1.5, -1.25] -> [ 0.5000, -0.2500]",
)  # fmt: skip


# ---- angles -----------------------------------------------------------------------------------------

sin = unary(
    "sin", np.sin, "The sine of each element, an angle in radians.", vjp=lambda g, input: g * conj(cos(input)),
    oracle=math.sin, example="[0.0, 1.0] -> [0.0000, 0.8415]",
)  # fmt: skip
cos = unary(
    "cos", np.cos, "The cosine of each element, an angle in radians.", vjp=lambda g, input: g * conj(-sin(input)),
    oracle=math.cos, example="[0.0, 1.0] -> [1.0000, 0.5403]",
)  # fmt: skip
tan = unary(
    "tan", np.tan, "The tangent of each element, an angle in radians.", vjp=lambda g, out: g * conj(1 + out * out),
    oracle=math.tan, domain=(-1.2, 1.2), example="[0.0, 1.0] -> [0.0000, 1.5574]",
    autocast={"cuda": "float32"},
)  # fmt: skip
asin = unary(
    "asin", np.arcsin, "The angle whose sine is each element; NaN outside -1 to 1.", names=("arcsin",),
    vjp=lambda g, input: g * conj(rsqrt(1 - input * input)), oracle=math.asin, domain=(-0.9, 0.9),
    example="[0.0, 1.0] -> [0.0000, 1.5708]",
    autocast={"cuda": "float32"},
)  # fmt: skip
acos = unary(
    "acos", np.arccos, "The angle whose cosine is each element; NaN outside -1 to 1.", names=("arccos",),
    vjp=lambda g, input: -g * conj(rsqrt(1 - input * input)), oracle=math.acos, domain=(-0.9, 0.9),
    example="[0.0, 1.0] -> [1.5708, 0.0000]",
    autocast={"cuda": "float32"},
)  # fmt: skip
atan = unary(
    "atan", np.arctan, "The angle whose tangent is each element.", names=("arctan",),
    vjp=lambda g, input: g / conj(1 + input * input), oracle=math.atan,
    example="[0.0, 1.0] -> [0.0000, 0.7854]",
)  # fmt: skip
sinh = unary(
    "sinh", np.sinh, "The hyperbolic sine.", vjp=lambda g, input: g * conj(cosh(input)), oracle=math.sinh,
    example="[0.0, 1.0] -> [0.0000, 1.1752]",
    autocast={"cuda": "float32"},
)  # fmt: skip
cosh = unary(
    "cosh", np.cosh, "The hyperbolic cosine.", vjp=lambda g, input: g * conj(sinh(input)), oracle=math.cosh,
    example="[0.0, 1.0] -> [1.0000, 1.5431]",
    autocast={"cuda": "float32"},
)  # fmt: skip
asinh = unary(
    "asinh", np.arcsinh, "The inverse of `sinh`.", names=("arcsinh",),
    vjp=lambda g, input: g * conj(rsqrt(input * input + 1)), oracle=math.asinh,
    example="[0.0, 1.0] -> [0.0000, 0.8814]",
)  # fmt: skip
acosh = unary(
    "acosh", np.arccosh, "The inverse of `cosh`; NaN below 1.", names=("arccosh",),
    vjp=lambda g, input: g * conj(rsqrt(input * input - 1)), oracle=math.acosh, domain=(1.5, 4.0),
    example="[1.0, 2.0] -> [0.0000, 1.3170]",
)  # fmt: skip
atanh = unary(
    "atanh", np.arctanh, "The inverse of `tanh`; NaN outside -1 to 1.", names=("arctanh",),
    vjp=lambda g, input: g / conj(1 - input * input), oracle=math.atanh, domain=(-0.9, 0.9),
    example="[0.0, 0.5] -> [0.0000, 0.5493]",
)  # fmt: skip
deg2rad = unary(
    "deg2rad", np.deg2rad, "Degrees in radians.", vjp=lambda g: deg2rad(g), oracle=math.radians,
    example="[0.0, 180.0] -> [0.0000, 3.1416]",
)  # fmt: skip
rad2deg = unary(
    "rad2deg", np.rad2deg, "Radians in degrees.", vjp=lambda g: rad2deg(g), oracle=math.degrees,
    example="[0.0, 1.0] -> [ 0.0000, 57.2958]",
)  # fmt: skip
atan2 = binary(
    "atan2", np.arctan2, "The angle of the point at ``(other, input)`` from the first axis.", names=("arctan2",),
    vjp=(
        lambda g, input, other: g * other / (input * input + other * other),
        lambda g, input, other: g * -input / (input * input + other * other),
    ),
    promote="float", oracle=math.atan2, check=no_complex, domain=(0.5, 2.0), 
    example="[1.0, -1.0], [1.0, -1.0] -> [ 0.7854, -2.3562]",
)  # fmt: skip
hypot = binary(
    "hypot", np.hypot, "``sqrt(input**2 + other**2)`` without overflow on the way.", check=floating_only,
    promote="float",
    vjp=(
        lambda g, input, other: g * (input / hypot(input, other)),
        lambda g, input, other: g * (other / hypot(input, other)),
    ),
    oracle=math.hypot, domain=(0.5, 2.0), example="[3.0, 5.0], [4.0, 12.0] -> [ 5., 13.]",
)  # fmt: skip


# ---- the logistic function and its kin --------------------------------------------------------------

_sigmoid_gradient = gradient(
    "_sigmoid_gradient", lambda g, out, a, b: g * out * (1 - out), lambda g, out, a, b: g * conj((1 - out) * out),
    "sigmoid_backward", domain=(0.1, 0.9),
)  # fmt: skip
sigmoid = unary(
    "sigmoid", computed_wide(lambda x: 1 / (1 + np.exp(-x))), "``1 / (1 + exp(-input))``, between 0 and 1.",
    vjp=lambda g, out: _sigmoid_gradient(g, out), oracle=lambda x: (np.tanh(x / 2) + 1) / 2,
    example="[0.0, 2.0] -> [0.5000, 0.8808]", places=("torch", "Tensor"),
)  # fmt: skip
fast_unary(sigmoid, "sigmoid", COMPACT)

_tanh_gradient = gradient(
    "_tanh_gradient", lambda g, out, a, b: g * (1 - out * out), lambda g, out, a, b: g * conj(1 - out * out),
    "tanh_backward", domain=(-0.9, 0.9),
)  # fmt: skip
tanh = unary(
    "tanh", np.tanh, "The hyperbolic tangent, between -1 and 1.", vjp=lambda g, out: _tanh_gradient(g, out),
    oracle=math.tanh, example="[0.0, 1.0] -> [0.0000, 0.7616]",
)  # fmt: skip
fast_unary(tanh, "tanh")


@exported("torch", "Tensor")
def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """``log(input / (1 - input))``, the inverse of `sigmoid`.

    Args:
        input: values from 0 to 1; NaN outside.
        eps: brings values into the range from ``eps`` to ``1 - eps`` first.

    >>> rushlight.logit(rushlight.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    no_complex("logit", input)
    if input.dtype.rank < dtypes.FLOATING:
        input = input.to(dtypes.get_default_dtype())
    if eps is not None:
        input = input.clamp(eps, 1 - eps)
    made = log(input / (1 - input))
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def logit_(self: Tensor, eps: float | None = None) -> Tensor:
    """`logit`, written into this tensor, which is returned."""
    return overwrite(self, logit(self.clone(), eps))


logaddexp = binary(
    "logaddexp", np.logaddexp, "``log(exp(input) + exp(other))`` without overflow on the way.", check=floating_only,
    vjp=(lambda g, input, other: g * sigmoid(input - other), lambda g, input, other: g * sigmoid(other - input)),
    oracle=lambda x, y: np.log(np.exp(x) + np.exp(y)), inplace=False, promote="float",
    example="[0.0, 1.0], [0.0, 1.0] -> [0.6931, 1.6931]",
)  # fmt: skip
logaddexp2 = binary(
    "logaddexp2", np.logaddexp2, "``log2(2**input + 2**other)`` without overflow on the way.", check=floating_only,
    vjp=(
        lambda g, input, other: g * sigmoid((input - other) * _LN2),
        lambda g, input, other: g * sigmoid((other - input) * _LN2),
    ),
    oracle=lambda x, y: np.log2(2**x + 2**y), inplace=False, promote="float",
    example="[0.0, 1.0], [0.0, 1.0] -> [1., 2.]",
)  # fmt: skip


def _xlogy(x, y):
    return np.where((x == 0) & (y == y), 0, x * np.log(y)).astype(x.dtype)


xlogy = binary(
    "xlogy", _xlogy, "``input * log(other)``, and 0 where ``input`` is 0.", promote="float", domain=(0.5, 2.0),
    vjp=(lambda g, input, other: g * xlogy((input != 0).to(g.dtype), other), lambda g, input, other: g * input / other),
    oracle=lambda x, y: np.log(y**x), check=no_complex,
    example="[0.0, 2.0], [0.0, 3.0] -> [0.0000, 2.1972]",
)  # fmt: skip


@computed_wide
def _sinc(x):
    angle = np.pi * x
    return np.where(x == 0, 1, np.sin(angle) / angle).astype(x.dtype)


def _sinc_vjp(g, input):
    angle = math.pi * input
    return g * where(input == 0, 0.0, (angle * cos(angle) - sin(angle)) / (angle * input))


sinc = unary(
    "sinc", _sinc, "``sin(pi * input) / (pi * input)``, and 1 at 0.", vjp=_sinc_vjp,
    oracle=np.sinc, example="[0.0, 0.5] -> [1.0000, 0.6366]",
)  # fmt: skip


# ---- the rest ---------------------------------------------------------------------------------------


def _one_dtype(name: str, input: Any, other: Any) -> None:
    if isinstance(input, Tensor) and isinstance(other, Tensor) and input.dtype is not other.dtype:
        raise RuntimeError(
            f"{name} is not yet implemented for tensors with different dtypes: {input.dtype} and {other.dtype}"
        )


heaviside = binary(
    "heaviside", lambda x, y: np.where(x == 0, y, x > 0).astype(x.dtype),
    "0 where ``input`` is negative, ``other`` where it is 0, 1 where it is positive.", promote=None,
    oracle=lambda x, y: np.where(x < 0, 0, np.where(x > 0, 1, y)), check=_one_dtype, checks="always",
    example="[-1.0, 0.0, 2.0], [0.5, 0.5, 0.5] -> [0.0000, 0.5000, 1.0000]",
)  # fmt: skip

nextafter = binary(
    "nextafter", np.nextafter, "The next floating-point number after ``input`` in the direction of ``other``.",
    vjp=(lambda g, input, other: where(input == other, 0.0, g), lambda g: zero(g)), check=floating_only,
    promote="float", exact=True,
    oracle=lambda x, y: x + 0 * y,
)  # fmt: skip


@exported("torch", "Tensor")
def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2**other``.

    >>> rushlight.ldexp(rushlight.tensor([1.0, 3.0]), rushlight.tensor([2, 1]))
    tensor([4., 6.])
    """
    made = input * (2.0**other)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def ldexp_(self: Tensor, other: Tensor) -> Tensor:
    """`ldexp`, written into this tensor, which is returned."""
    return overwrite(self, ldexp(self.clone(), other))


@primitive(outputs=("mantissa", "exponent"), differentiable=1, node_name="FrexpBackward0")
def _frexp(input: Tensor) -> tuple[Spec, Spec]:
    """`frexp` as a plain pair."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "torch.frexp() only supports floating-point dtypes; convert with .float()"
        )
    return like(input), like(input, dtypes.int32)


@_frexp.kernel("cpu", "cuda")
def _frexp_kernel(xp, x):
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    mantissa, exponent = xp.frexp(wide)
    return mantissa.astype(x.dtype), exponent.astype(np.int32)


@_frexp.vjp
def _frexp_vjp(g, exponent):
    return ldexp(g[0], -exponent)


@_frexp.oracle
def _frexp_oracle(x):
    pairs = [math.frexp(v) for v in x.reshape(-1).tolist()]
    return tuple(np.array([p[i] for p in pairs]).reshape(x.shape) for i in range(2))


@_frexp.samples
def _frexp_samples(make):
    yield call(make(3, 4, low=0.6, high=0.9))
    yield call(make((), low=5, high=7))


@exported("torch", "Tensor")
def frexp(input: Tensor) -> Any:
    """A number from 0.5 to 1 and a power of 2 whose product each element is.

    Returns:
        ``(mantissa, exponent)``, the exponents as int32.

    Raises:
        RuntimeError: the dtype is not floating.

    >>> rushlight.frexp(rushlight.tensor([6.0])).mantissa
    tensor([0.7500])
    """
    return named("frexp", "mantissa", "exponent")(_frexp(input))


gcd = binary(
    "gcd", np.gcd, "The greatest common divisor.", check=(integral_only, no_bool), of=dtypes.int64, domain=(1, 30),
    oracle=np.vectorize(math.gcd, otypes=[np.int64]), example="[12, 7], [18, 21] -> [6, 7]",
)  # fmt: skip
lcm = binary(
    "lcm", np.lcm, "The least common multiple.", check=(integral_only, no_bool), of=dtypes.int64, domain=(1, 30),
    oracle=np.vectorize(math.lcm, otypes=[np.int64]), example="[12, 7], [18, 21] -> [36, 21]",
)  # fmt: skip
