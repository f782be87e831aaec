"""The error function, the gamma function, and their kin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive
from ..tensor import Tensor
from .checks import no_complex
from .family import COMPACT, fast_unary, overwrite, unary, write_out
from .pointwise import exp

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

# Cody 1969, "Rational Chebyshev approximations for the error function": erf near 0, erfc in the middle, erfc far out.
_NEAR = (
    (0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)  # fmt: skip
_MIDDLE = (
    (
        2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131,
        881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725,
    ),
    (
        1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019,
        3290.79923573345963, 4362.61909014324716, 3439.36767414372164, 1230.33935480374942,
    ),
)  # fmt: skip
_FAR = (
    (
        0.0163153871373020978, 0.305326634961232344, 0.360344899949804439, 0.125781726111229246,
        0.0160837851487422766, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242, 1.87295284992346725, 0.527905102951428412, 0.0605183413124413191,
        2.33520497626869185e-3,
    ),
)  # fmt: skip


def _ratio(coefficients: Any, x: np.ndarray) -> np.ndarray:
    above, below = coefficients
    return _polynomial(above, x) / _polynomial(below, x)


def _polynomial(coefficients: Any, x: np.ndarray) -> np.ndarray:
    """The highest power first."""
    total = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _erf_and_erfc(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, in float64, each exact where it is small."""
    x = np.asarray(x, np.float64)
    y = np.abs(x)
    near = x * _ratio(_NEAR, np.minimum(y, 0.5) ** 2)
    # exp(-y*y) without the rounding error of y*y.
    coarse = np.trunc(np.minimum(y, 30.0) * 16) / 16
    fall = np.exp(-coarse * coarse) * np.exp(-(y - coarse) * (y + coarse))
    middle = _ratio(_MIDDLE, np.minimum(y, 4.0))
    inverse = 1 / np.maximum(y, 4.0) ** 2
    far = (1 / math.sqrt(math.pi) - inverse * _ratio(_FAR, inverse)) / np.maximum(y, 4.0)
    tail = fall * np.where(y <= 4, middle, far)
    tail = np.where(y > 27, 0.0, tail)
    small = y <= 0.46875
    erf = np.where(small, near, np.copysign(1 - tail, x))
    erfc = np.where(small, 1 - near, np.where(x < 0, 2 - tail, tail))
    return np.where(np.isnan(x), x, erf), np.where(np.isnan(x), x, erfc)


def erf_array(x: np.ndarray) -> np.ndarray:
    """`erf` of an array, in its dtype."""
    return _erf_and_erfc(x)[0].astype(x.dtype)


def erfc_array(x: np.ndarray) -> np.ndarray:
    """`erfc` of an array, in its dtype."""
    return _erf_and_erfc(x)[1].astype(x.dtype)


erf = unary(
    "erf", erf_array, "The error function: twice the area from 0 under the normal curve of variance 1/2.",
    vjp=lambda g, input: g * (exp(-input * input) * _TWO_OVER_ROOT_PI), oracle=math.erf, domain=(-3.0, 3.0),
    check=no_complex, example="[0.0, 1.0] -> [0.0000, 0.8427]",
)  # fmt: skip
fast_unary(erf, "erf", COMPACT)

erfc = unary(
    "erfc", erfc_array, "``1 - erf(input)``, exact also where that is tiny.",
    vjp=lambda g, input: g * (exp(-input * input) * -_TWO_OVER_ROOT_PI), oracle=math.erfc, domain=(-3.0, 6.0),
    check=no_complex, example="[0.0, 1.0] -> [1.0000, 0.1573]",
)  # fmt: skip


def _erfinv(x):
    given, x = x, np.asarray(x, np.float64)
    # Winitzki's formula to start from, then Halley's steps on whichever of erf and erfc is the small one.
    outside = np.abs(x) >= 1
    p = np.where(outside, 0.0, x)
    w = np.log1p(-p * p)
    t = 2 / (math.pi * 0.147) + w / 2
    y = np.copysign(np.sqrt(np.sqrt(t * t - w / 0.147) - t), p)
    for _ in range(3):
        erf, erfc = _erf_and_erfc(np.abs(y))
        size = np.abs(p)
        error = np.where(size < 0.5, erf - size, (1 - size) - erfc)
        step = error / (_TWO_OVER_ROOT_PI * np.exp(-y * y))
        y = np.copysign(np.abs(y) - step / (1 + np.abs(y) * step), p)
    y = np.where(np.abs(x) == 1, np.copysign(np.inf, x), np.where(outside, np.nan, y))
    return np.where(np.isnan(x), x, y).astype(given.dtype)


erfinv = unary(
    "erfinv", _erfinv, "The inverse of `erf`; NaN outside -1 to 1.",
    vjp=lambda g, out: g * (exp(out * out) / _TWO_OVER_ROOT_PI),
    oracle=lambda x: np.vectorize(_by_bisection, otypes=[np.float64])(x), domain=(-0.95, 0.95),
    check=no_complex, example="[0.0, 0.5] -> [0.0000, 0.4769]",
    autocast={"cuda": "float32"},
)  # fmt: skip


def _by_bisection(p: float) -> float:
    low, high = -6.0, 6.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < p else (low, middle)
    return low


# ---- the gamma function -----------------------------------------------------------------------------

# Lanczos 1964 with Godfrey's coefficients for g = 7.
_LANCZOS = (
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
)  # fmt: skip


def _lgamma(x):
    given, x = x, np.asarray(x, np.float64)
    mirrored = x < 0.5
    z = np.where(mirrored, 1 - x, x) - 1
    total = np.full_like(z, _LANCZOS[0])
    for i, c in enumerate(_LANCZOS[1:]):
        total += c / (z + (i + 1))
    t = z + 7.5
    right = 0.5 * math.log(2 * math.pi) + (z + 0.5) * np.log(t) - t + np.log(total)
    # The distance to the nearest whole number keeps the sine exact near the poles.
    left = math.log(math.pi) - np.log(np.abs(np.sin(math.pi * (x - np.rint(x))))) - right
    out = np.where(mirrored, left, right)
    out = np.where((x == 1) | (x == 2), 0.0, out)
    return np.where(np.isinf(x), np.inf, out).astype(given.dtype)


lgamma = unary(
    "lgamma", _lgamma, "The logarithm of the size of the gamma function.", vjp=lambda g, input: g * digamma(input),
    oracle=math.lgamma, domain=(0.2, 5.0), check=no_complex, example="[1.0, 4.0] -> [0.0000, 1.7918]",
)  # fmt: skip

# The coefficients of 1/x**2, 1/x**4, ... in Stirling's series of digamma: Bernoulli numbers over 2k.
_STIRLING = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def _digamma(x):
    given, x = x, np.asarray(x, np.float64)
    mirrored = x < 0
    z = np.where(mirrored, 1 - x, x)
    below = np.zeros_like(z)
    for _ in range(10):
        small = z < 10
        below += np.where(small, 1 / z, 0.0)
        z = np.where(small, z + 1, z)
    inverse = 1 / (z * z)
    out = np.log(z) - 0.5 / z - inverse * _polynomial(_STIRLING[::-1], inverse) - below
    out = np.where(mirrored, out - math.pi / np.tan(math.pi * (x - np.rint(x))), out)
    out = np.where(mirrored & (x == np.rint(x)), np.nan, out)
    return np.where(x == 0, np.copysign(np.inf, -x), out).astype(given.dtype)


digamma = unary(
    "digamma", _digamma, "The derivative of `lgamma`.", vjp=lambda g, input: g * polygamma(1, input),
    oracle=lambda x: np.vectorize(_by_difference, otypes=[np.float64])(x), domain=(0.5, 5.0),
    check=no_complex, example="[1.0, 4.0] -> [-0.5772,  1.2561]",
)  # fmt: skip


def _by_difference(x: float) -> float:
    # From far out, where log(x) - 1/(2x) - 1/(12x**2) is exact, down by the recurrence.
    far = x + 3000
    return (
        math.log(far)
        - 0.5 / far
        - 1 / (12 * far * far)
        - math.fsum(1 / (x + k) for k in range(3000))
    )


_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _zeta(s: int, x: np.ndarray) -> np.ndarray:
    """Hurwitz' zeta function for s > 1 and x > 0, by Euler and Maclaurin's formula."""
    total = np.zeros_like(x)
    for k in range(12):
        total += (x + k) ** -float(s)
    a = x + 12
    total += a ** (1.0 - s) / (s - 1) + 0.5 * a ** -float(s)
    factor, power = float(s), a ** (-s - 1.0)
    for j, b in enumerate(_BERNOULLI, 1):
        total += b * factor / math.factorial(2 * j) * power
        factor *= (s + 2 * j - 1) * (s + 2 * j)
        power = power / (a * a)
    return total


@primitive(promote="float", checks="failure", node_name="PolygammaBackward0")
def _polygamma(input: Tensor, n: int) -> Spec:
    """`polygamma` for n of at least 1."""
    return Spec(
        input._array.shape,
        input.dtype if input.dtype.rank >= dtypes.FLOATING else dtypes.get_default_dtype(),
    )


@_polygamma.kernel("cpu", "cuda")
def _polygamma_kernel(xp, x, n):
    z = np.asarray(x, np.float64)
    if n == 1:
        mirrored = z < 0.5
        inside = _zeta(2, np.where(mirrored, 1 - z, z))
        sine = np.sin(math.pi * (z - np.rint(z)))
        return np.where(mirrored, (math.pi / sine) ** 2 - inside, inside).astype(x.dtype)
    return ((-1.0) ** (n + 1) * math.factorial(n) * _zeta(n + 1, z)).astype(x.dtype)


@_polygamma.vjp
def _polygamma_vjp(g, input, n):
    return g * _polygamma(input, n + 1)


@_polygamma.oracle
def _polygamma_oracle(x, n):
    k = np.arange(20000).reshape(-1, *[1] * x.ndim)
    rest = 20000 + x - 0.5
    return (-1) ** (n + 1) * math.factorial(n) * (((x + k) ** -float(n + 1)).sum(0) + rest**-n / n)


@_polygamma.samples
def _polygamma_samples(make):
    yield call(make(3, 4, low=0.5, high=4), 1)
    yield call(make((), low=0.5, high=4), 2)


@exported("torch")
def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of order ``n`` of `digamma`.

    Raises:
        RuntimeError: ``n`` is negative.

    >>> rushlight.polygamma(1, rushlight.tensor([1.0, 0.5]))
    tensor([1.6449, 4.9348])
    """
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    made = digamma(input) if n == 0 else _polygamma(input, n)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """The derivative of order ``n`` of `digamma`."""
    return polygamma(n, self)


Tensor.polygamma = _polygamma_method


@exported("Tensor")
def polygamma_(self: Tensor, n: int) -> Tensor:
    """`polygamma`, written into this tensor, which is returned."""
    return overwrite(self, polygamma(n, self.clone()))


@exported("torch", "Tensor")
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the gamma function in ``p`` dimensions.

    Args:
        input: each element above ``(p - 1) / 2``.

    >>> rushlight.mvlgamma(rushlight.tensor([3.0]), 2)
    tensor([1.5502])
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    total = lgamma(input)
    for j in range(1, p):
        total = total + lgamma(input - j / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)


@exported("Tensor")
def mvlgamma_(self: Tensor, p: int) -> Tensor:
    """`mvlgamma`, written into this tensor, which is returned."""
    return overwrite(self, mvlgamma(self.clone(), p))
