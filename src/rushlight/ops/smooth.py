"""Activation functions with an exponential in them."""

from __future__ import annotations

import math

import numpy as np

from ..primitive import exported
from ..tensor import Tensor
from .activation import activation, applied
from .checks import floating_only
from .choice import clamp, where
from .family import constant, gradient
from .pointwise import exp, sigmoid, tanh
from .special import erf, erfc_array
from .view import wrap_dim

_SQRT_HALF = math.sqrt(0.5)
_NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)
# Klambauer et al. 2017, "Self-normalizing neural networks".
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


# ---- with an exponential below zero -----------------------------------------------------------------

_elu_gradient = gradient(
    "_elu_gradient", lambda g, x, a, b: g * np.where(x > 0, b, a * b * np.exp(np.minimum(x, 0))).astype(g.dtype),
    lambda g, x, a, b: g * where(x > 0, b, exp(clamp(x, max=0.0)) * (a * b)), "elu_backward", values=(1.3, 1.1),
)  # fmt: skip
_elu = activation(
    "_elu", lambda x, a, b: (b * np.where(x > 0, x, a * np.expm1(np.minimum(x, 0)))).astype(x.dtype), _elu_gradient,
    lambda x, a=0.0, b=0.0: b * (np.maximum(x, 0) + a * (np.exp(np.minimum(x, 0)) - 1)),
    ((1.0, 1.0), (_SELU_ALPHA, _SELU_SCALE)), "elu",
)  # fmt: skip


@exported("nn.functional")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Each element, but ``alpha * (exp(input) - 1)`` where it is negative.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    Source: Clevert et al. 2016, "Fast and accurate deep network learning by exponential linear units".

    >>> rushlight.nn.functional.elu(rushlight.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return applied(_elu, inplace, input, alpha, 1.0)


@exported("nn.functional")
def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, written into ``input``."""
    return elu(input, alpha, True)


@exported("nn.functional", "torch")
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu` scaled so that it keeps mean 0 and variance 1 from layer to layer.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    Source: Klambauer et al. 2017, "Self-normalizing neural networks".

    >>> rushlight.nn.functional.selu(rushlight.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """
    return applied(_elu, inplace, input, _SELU_ALPHA, _SELU_SCALE)


@exported("nn.functional", "torch")
def selu_(input: Tensor) -> Tensor:
    """`selu`, written into ``input``."""
    return selu(input, True)


_celu_gradient = gradient(
    "_celu_gradient", lambda g, x, a, b: g * np.where(x > 0, 1, np.exp(np.minimum(x, 0) / a)).astype(g.dtype),
    lambda g, x, a, b: g * where(x > 0, 1.0, exp(clamp(x, max=0.0) / a)), "celu_backward", values=(1.3, 0.0),
)  # fmt: skip
_celu = activation(
    "_celu", lambda x, a, b: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0) / a)).astype(x.dtype), _celu_gradient,
    lambda x, a=1.0, b=0.0: np.maximum(x, 0) + a * (np.exp(np.minimum(x, 0) / a) - 1), ((1.0, 0.0), (0.6, 0.0)),
    "celu",
)  # fmt: skip


@exported("nn.functional", "torch")
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Each element, but ``alpha * (exp(input / alpha) - 1)`` where it is negative.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    Raises:
        RuntimeError: ``alpha`` is 0.

    Source: Barron 2017, "Continuously differentiable exponential linear units".

    >>> rushlight.nn.functional.celu(rushlight.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return applied(_celu, inplace, input, alpha)


@exported("nn.functional", "torch")
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, written into ``input``."""
    return celu(input, alpha, True)


# ---- gated by a smooth step -------------------------------------------------------------------------


def _phi(x):
    """The normal distribution function."""
    return 0.5 * erfc_array(x * -_SQRT_HALF)


_gelu_gradient = gradient(
    "_gelu_gradient",
    lambda g, x, a, b: g * (_phi(x) + x * (np.exp(-0.5 * x * x) * _NORMAL_PEAK)).astype(g.dtype),
    lambda g, x, a, b: g * ((1 + erf(x * _SQRT_HALF)) * 0.5 + x * (exp(x * x * -0.5) * _NORMAL_PEAK)),
    "gelu_backward",
)  # fmt: skip
_gelu = activation(
    "_gelu", lambda x, a, b: (x * _phi(x)).astype(x.dtype), _gelu_gradient,
    lambda x, a=0.0, b=0.0: x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x * _SQRT_HALF)) / 2,
    opcode="gelu",
)  # fmt: skip

# Hendrycks and Gimpel 2016, "Gaussian error linear units".
_GELU_LINE, _GELU_BEND = math.sqrt(2 / math.pi), 0.044715


def _gelu_tanh_kernel(x, a, b):
    return (0.5 * x * (1 + np.tanh(_GELU_LINE * (x + _GELU_BEND * x * x * x)))).astype(x.dtype)


def _gelu_tanh_gradient_kernel(g, x, a, b):
    t = np.tanh(_GELU_LINE * (x + _GELU_BEND * x * x * x))
    inner = _GELU_LINE * (1 + 3 * _GELU_BEND * x * x)
    return (g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)).astype(g.dtype)


def _gelu_tanh_slope(g, x, a, b):
    t = tanh((x + x * x * x * _GELU_BEND) * _GELU_LINE)
    inner = (x * x * (3 * _GELU_BEND) + 1) * _GELU_LINE
    return g * ((t + 1) * 0.5 + x * (1 - t * t) * inner * 0.5)


_gelu_tanh_gradient = gradient(
    "_gelu_tanh_gradient",
    _gelu_tanh_gradient_kernel,
    _gelu_tanh_slope,
    "gelu_tanh_backward",
)
_gelu_tanh = activation(
    "_gelu_tanh", _gelu_tanh_kernel, _gelu_tanh_gradient,
    lambda x, a=0.0, b=0.0: x / (1 + np.exp(-2 * _GELU_LINE * (x + _GELU_BEND * x**3))), opcode="gelu_tanh",
    node_name="GeluBackward0",
)  # fmt: skip


@exported("nn.functional")
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Each element times the normal distribution function of it.

    Args:
        input: any shape, floating dtype.
        approximate: ``"none"``, or ``"tanh"`` for a formula that is faster without special functions.

    Raises:
        RuntimeError: ``approximate`` is something else.

    Source: Hendrycks and Gimpel 2016, "Gaussian error linear units".

    >>> rushlight.nn.functional.gelu(rushlight.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _gelu_tanh(input)
    raise RuntimeError(f"approximate argument must be either none or tanh, but is {approximate!r}.")


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _silu_gradient_kernel(g, x, a, b):
    s = _logistic(x)
    return g * (s * (1 + x * (1 - s)))


def _silu_slope(g, x, a, b):
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


_silu_gradient = gradient(
    "_silu_gradient",
    _silu_gradient_kernel,
    _silu_slope,
    "silu_backward",
)
_silu = activation(
    "_silu", lambda x, a, b: x / (1 + np.exp(-x)), _silu_gradient,
    lambda x, a=0.0, b=0.0: x * (np.tanh(x / 2) + 1) / 2, opcode="silu",
)  # fmt: skip


@exported("nn.functional")
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``, also called swish.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    >>> rushlight.nn.functional.silu(rushlight.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """
    return applied(_silu, inplace, input)


def _softplus_of(x):
    return np.logaddexp(x, constant(0, x.dtype))


def _mish_gradient_kernel(g, x, a, b):
    t = np.tanh(_softplus_of(x))
    return g * (t + x * (1 - t * t) * _logistic(x))


def _mish_slope(g, x, a, b):
    t = tanh(softplus(x))
    return g * (t + x * (1 - t * t) * sigmoid(x))


_mish_gradient = gradient(
    "_mish_gradient",
    _mish_gradient_kernel,
    _mish_slope,
    "mish_backward",
)
_mish = activation(
    "_mish", lambda x, a, b: x * np.tanh(_softplus_of(x)), _mish_gradient,
    lambda x, a=0.0, b=0.0: x * np.tanh(np.log(1 + np.exp(x))), opcode="mish",
)  # fmt: skip


@exported("nn.functional")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    Source: Misra 2019, "Mish: a self regularized non-monotonic activation function".

    >>> rushlight.nn.functional.mish(rushlight.tensor([-1.0, 1.0]))
    tensor([-0.3034,  0.8651])
    """
    return applied(_mish, inplace, input)


# ---- smooth steps -------------------------------------------------------------------------------

_logsigmoid_gradient = gradient(
    "_logsigmoid_gradient", lambda g, x, a, b: g * _logistic(-x), lambda g, x, a, b: g * sigmoid(-x),
    "logsigmoid_backward",
)  # fmt: skip
_logsigmoid = activation(
    "_logsigmoid", lambda x, a, b: -_softplus_of(-x), _logsigmoid_gradient,
    lambda x, a=0.0, b=0.0: np.minimum(x, 0) - np.log(1 + np.exp(-np.abs(x))), opcode="logsigmoid",
    node_name="LogSigmoidBackward0",
)  # fmt: skip


@exported("nn.functional")
def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))``, exact where the sigmoid is tiny.

    Args:
        input: any shape, floating dtype.

    >>> rushlight.nn.functional.logsigmoid(rushlight.tensor([0.0, -200.0]))
    tensor([  -0.6931, -200.0000])
    """
    return _logsigmoid(input)


def _softplus_kernel(x, beta, threshold):
    z = x * beta
    # logaddexp, because exp(z) overflows float32 from z = 89, even where the choice drops it.
    return np.where(z > threshold, x, _softplus_of(z) / beta).astype(x.dtype)


_softplus_gradient = gradient(
    "_softplus_gradient", lambda g, x, beta, t: np.where(x * beta > t, g, g * _logistic(x * beta)).astype(g.dtype),
    lambda g, x, beta, t: where(x * beta > t, g, g * sigmoid(x * beta)), "softplus_backward", values=(1.5, 2.0),
)  # fmt: skip
_softplus = activation(
    "_softplus", _softplus_kernel, _softplus_gradient,
    lambda x, b=1.0, t=20.0: np.where(x * b > t, x, np.log(1 + np.exp(np.minimum(x * b, 30))) / b),
    ((1.0, 20.0), (2.5, 3.0)), "softplus",
)  # fmt: skip


@exported("nn.functional", autocast={"cuda": "float32"})
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """The smooth form of `relu`: ``log(1 + exp(beta * input)) / beta``.

    Args:
        input: any shape, floating dtype.
        beta: how sharp the bend at 0 is.
        threshold: where ``beta * input`` passes it, the result is the element itself.

    Source: Dugas et al. 2000, "Incorporating second-order functional knowledge for better option pricing".

    >>> rushlight.nn.functional.softplus(rushlight.tensor([-1.0, 0.0, 30.0]))
    tensor([ 0.3133,  0.6931, 30.0000])
    """
    return _softplus(input, beta, threshold)


@exported("nn.functional")
def softsign(input: Tensor) -> Tensor:
    """``input / (1 + abs(input))``.

    >>> rushlight.nn.functional.softsign(rushlight.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return input / (input.abs() + 1)


@exported("nn.functional")
def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``.

    >>> rushlight.nn.functional.tanhshrink(rushlight.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return input - tanh(input)


@exported("nn.functional")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of a dimension times the sigmoid of the second half.

    Args:
        input: dimension ``dim`` of even length.

    Raises:
        RuntimeError: the dimension is odd, or there is none.

    Source: Dauphin et al. 2017, "Language modeling with gated convolutional networks".

    >>> rushlight.nn.functional.glu(rushlight.tensor([2.0, 0.0]))
    tensor([1.])
    """
    shape = input._array.shape
    if not shape:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = wrap_dim(dim, len(shape))
    if shape[dim] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim} is size {shape[dim]}"
        )
    floating_only("glu", input)
    half = shape[dim] // 2
    return input.narrow(dim, 0, half) * sigmoid(input.narrow(dim, half, half))


exported("nn.functional")(tanh)
exported("nn.functional")(sigmoid)
