"""The activation functions of neural networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, reject
from ..tensor import Tensor
from .checks import floating_only, no_complex
from .choice import where
from .family import (
    COMPACT,
    Elementwise,
    calling_module,
    computed_wide,
    constant,
    declared,
    fast_unary,
    gradient,
    loop_kernel,
    plain_kernel,
    unary,
)

_SQRT_HALF = math.sqrt(0.5)
_NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)
# Klambauer et al. 2017, "Self-normalizing neural networks".
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def activation(
    name: str,
    kernel: Callable,
    slope: Callable | None,
    oracle: Callable,
    samples: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    opcode: str | None = None,
    whole: bool = False,
    check: tuple[Callable, ...] = (),
    node_name: str | None = None,
) -> Callable:
    """Declares ``f(input, alpha, beta)`` on floating elements, with two numbers as settings.

    Args:
        kernel: over an array and the two numbers.
        slope: the gradient from ``(g, input, alpha, beta)``.
        samples: the settings of its samples.
        opcode: the extension's loop for dense float32 arrays.
        whole: integers are taken too.
        check: what else refuses tensors.
    """

    def rule(input: Tensor, alpha: float = 0.0, beta: float = 0.0) -> Spec:
        op.check_operands(input)
        return Spec(input._array.shape, input.dtype)

    doc = f"`{name.strip('_')}` with its settings."
    op = Elementwise(
        declared(name, doc, rule, calling_module()), (), promote=None if whole else "float",
        checks="always" if whole else "failure", inplace=True, node_name=node_name,
    )  # fmt: skip
    op.checks_of_operands = (no_complex, *check) if whole else (floating_only,)
    op.wide = computed_wide(kernel)
    plain_kernel(op.function, op.wide)
    if opcode is not None:
        op.add_kernel(
            "cpu", loop_kernel(opcode), when=COMPACT, writes=True, name="native_" + opcode
        )

    def vjp(g: Tensor, input: Tensor, alpha: float, beta: float) -> Tensor:
        return slope(g, input, alpha, beta)

    op.vjp(vjp)
    op.oracle(oracle)

    @op.samples
    def calls(make: Callable) -> Any:
        for settings in samples:
            yield call(make(3, 4), *settings)
            yield call(make((), low=-4, high=4), *settings)
        yield call(make(0, 3), *samples[0])

    @op.rejects
    def rejects(make: Callable) -> Any:
        if not whole:
            yield reject(
                NotImplementedError, "not implemented for 'Long'", make(3, dtype=dtypes.int64)
            )
        yield reject(TypeError, "must be Tensor", [1.0])

    return op.function


def applied(function: Callable, inplace: bool, input: Tensor, *settings: Any) -> Tensor:
    return (function.op.inplace if inplace else function)(input, *settings)


# ---- relu and its kin -------------------------------------------------------------------------------


def _no_bools(name: str, input: Tensor) -> None:
    if input.dtype is dtypes.bool_:
        raise RuntimeError("Boolean inputs not supported for relu")


def _relu_kernel(x):
    if x.dtype.kind in "bc":
        raise TypeError("neither bools nor complex numbers")
    return np.maximum(x, constant(0, x.dtype))


def _relu_gradient_kernel(g, out, a, b):
    none = constant(0, g.dtype)
    return np.where(np.less_equal(out, none), none, g)


_relu_gradient = gradient(
    "_relu_gradient", _relu_gradient_kernel, lambda g, out, a, b: where(out <= 0, 0.0, g), "relu_backward",
)  # fmt: skip
_relu = unary(
    "relu", _relu_kernel, "The larger of each element and 0.", vjp=lambda g, out: _relu_gradient(g, out),
    oracle=lambda x: (x + np.abs(x)) / 2, promote=None, check=(_no_bools, no_complex),
    example="[-1.0, 2.0] -> [0., 2.]",
)  # fmt: skip
fast_unary(_relu, "relu", COMPACT)


@exported("nn.functional")
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """The larger of each element and 0.

    Args:
        inplace: write into ``input``.

    >>> rushlight.nn.functional.relu(rushlight.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _relu.op.inplace(input) if inplace else _relu(input)


exported("nn.functional")(_relu.op.inplace)


@exported("nn.functional")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Each element, but at least 0 and at most 6.

    Args:
        inplace: write into ``input``.

    >>> rushlight.nn.functional.relu6(rushlight.tensor([-1.0, 2.0, 9.0]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


_leaky_relu_gradient = gradient(
    "_leaky_relu_gradient", lambda g, x, a, b: np.where(x > 0, g, g * a),
    lambda g, x, a, b: where(x > 0, g, g * a), "leaky_relu_backward", values=(0.2, 0.0),
)  # fmt: skip
_leaky_relu = activation(
    "_leaky_relu", lambda x, a, b: np.where(x > 0, x, x * a), _leaky_relu_gradient,
    lambda x, a=0.0, b=0.0: np.maximum(x, 0) + a * np.minimum(x, 0), ((0.01, 0.0), (1.5, 0.0)), "leaky_relu",
)  # fmt: skip


@exported("nn.functional")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Each element, times ``negative_slope`` where it is negative.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    >>> rushlight.nn.functional.leaky_relu(rushlight.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return applied(_leaky_relu, inplace, input, negative_slope)


@exported("nn.functional")
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, written into ``input``."""
    return leaky_relu(input, negative_slope, True)


@exported("torch", "nn.functional", "Tensor", autocast="lower")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Each element, times a learnt slope where it is negative.

    Args:
        input: any shape; dimension 1 holds the channels.
        weight: one slope, or one for each channel.

    Raises:
        RuntimeError: there are neither one slope nor as many as channels.

    >>> rushlight.nn.functional.prelu(rushlight.tensor([-1.0, 2.0]), rushlight.tensor([0.25]))
    tensor([-0.2500,  2.0000])
    """
    shape = input._array.shape
    slopes = weight._array.size
    if weight._array.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight._array.ndim}"
        )
    if slopes != 1:
        channels = shape[1] if len(shape) > 1 else 1
        if not shape:
            raise RuntimeError("Not allow zero-dim input tensor.")
        if slopes != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {slopes} and "
                f"channel size = {channels}."
            )
        weight = weight.reshape([1, slopes] + [1] * (len(shape) - 2))
    elif weight._array.ndim:
        weight = weight.reshape([1] * len(shape))
    return where(input > 0, input, input * weight)


# The extension's loop counts the limits themselves as inside; the numbers next to them are what is left.
def _inside(low: float, high: float) -> tuple[float, float]:
    single = np.float32
    return float(np.nextafter(single(low), single(np.inf))), float(
        np.nextafter(single(high), single(-np.inf))
    )


_hardtanh_gradient = gradient(
    "_hardtanh_gradient", lambda g, x, low, high: np.where((x <= low) | (x >= high), constant(0, g.dtype), g),
    lambda g, x, low, high: where((x <= low) | (x >= high), 0.0, g), "clamp_backward", settings=_inside,
    values=(-0.7, 0.9),
)  # fmt: skip


def _no_bool_limits(name: str, input: Tensor) -> None:
    if input.dtype is dtypes.bool_:
        raise RuntimeError("Bool inputs not supported for hardtanh")


_hardtanh = activation(
    "_hardtanh", lambda x, low, high: np.minimum(np.maximum(x, constant(low, x.dtype)), constant(high, x.dtype)),
    _hardtanh_gradient, lambda x, low=0.0, high=0.0: np.clip(x, low, high), ((-0.7, 0.9), (0.0, 1.0)), "clamp",
    whole=True, check=(_no_bool_limits,),
)  # fmt: skip


@exported("nn.functional")
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Each element, but at least ``min_val`` and at most ``max_val``.

    Args:
        inplace: write into ``input``.

    Raises:
        ValueError: ``min_val`` is larger than ``max_val``.

    >>> rushlight.nn.functional.hardtanh(rushlight.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input._array.dtype.kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    return applied(_hardtanh, inplace, input, min_val, max_val)


@exported("nn.functional")
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, written into ``input``."""
    return hardtanh(input, min_val, max_val, True)


_threshold = activation(
    "_threshold", lambda x, t, v: np.where(x <= t, constant(v, x.dtype), x),
    lambda g, input, t, v: where(input <= t, 0.0, g), lambda x, t=0.0, v=0.0: np.where(x > t, x, v), ((0.1, 20.0),),
    whole=True,
)  # fmt: skip


@exported("nn.functional", "torch")
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Each element where it is above ``threshold``, else ``value``.

    Args:
        inplace: write into ``input``.

    >>> rushlight.nn.functional.threshold(rushlight.tensor([-3.0, 0.5]), 0.1, 20)
    tensor([20.0000,  0.5000])
    """
    if input._array.dtype.kind in "iu":
        value = int(value)
    return applied(_threshold, inplace, input, threshold, value)


@exported("nn.functional", "torch")
def threshold_(input: Tensor, threshold_value: float, value: float) -> Tensor:
    """`threshold`, written into ``input``."""
    return threshold(input, threshold_value, value, True)


# ---- steps and gates of straight lines -----------------------------------------------------------

_hardsigmoid_gradient = gradient(
    "_hardsigmoid_gradient", lambda g, x, a, b: (g * np.where((x > -3) & (x < 3), 1 / 6, 0)).astype(g.dtype),
    lambda g, x, a, b: where((x > -3) & (x < 3), g / 6, 0.0), "hardsigmoid_backward", domain=(-4.0, 4.0),
)  # fmt: skip
_hardsigmoid = activation(
    "_hardsigmoid", lambda x, a, b: np.minimum(np.maximum(x + 3, 0), 6) / 6, _hardsigmoid_gradient,
    lambda x, a=0.0, b=0.0: np.clip(x / 6 + 0.5, 0, 1), opcode="hardsigmoid",
)  # fmt: skip


@exported("nn.functional")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """The sigmoid made of three straight lines: 0 up to -3, 1 from 3 on.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    >>> rushlight.nn.functional.hardsigmoid(rushlight.tensor([-4.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    return applied(_hardsigmoid, inplace, input)


_hardswish_gradient = gradient(
    "_hardswish_gradient",
    lambda g, x, a, b: (g * np.where(x <= -3, 0, np.where(x < 3, x / 3 + 0.5, 1))).astype(g.dtype),
    lambda g, x, a, b: g * where(x <= -3, 0.0, where(x < 3, x / 3 + 0.5, 1.0)), "hardswish_backward",
    domain=(-4.0, 4.0),
)  # fmt: skip
_hardswish = activation(
    "_hardswish", lambda x, a, b: x * np.minimum(np.maximum(x + 3, 0), 6) / 6, _hardswish_gradient,
    lambda x, a=0.0, b=0.0: x * np.clip(x / 6 + 0.5, 0, 1), opcode="hardswish",
)  # fmt: skip


@exported("nn.functional")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)``.

    Args:
        input: any shape, floating dtype.
        inplace: write into ``input``.

    Source: Howard et al. 2019, "Searching for MobileNetV3".

    >>> rushlight.nn.functional.hardswish(rushlight.tensor([-1.0, 1.0]))
    tensor([-0.3333,  0.6667])
    """
    return applied(_hardswish, inplace, input)


# ---- shrinking ----------------------------------------------------------------------------------

_softshrink = activation(
    "_softshrink", lambda x, a, b: np.where(x > a, x - a, np.where(x < -a, x + a, x * 0)).astype(x.dtype),
    lambda g, input, a, b: where((input >= -a) & (input <= a), 0.0, g),
    lambda x, a=0.0, b=0.0: np.sign(x) * np.maximum(np.abs(x) - a, 0), ((0.5, 0.0), (1.2, 0.0)),
)  # fmt: skip


@exported("nn.functional")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Each element moved towards 0 by ``lambd``; 0 within that distance.

    Args:
        input: any shape, floating dtype.

    Raises:
        RuntimeError: ``lambd`` is negative.

    >>> rushlight.nn.functional.softshrink(rushlight.tensor([-1.0, 0.2]))
    tensor([-0.5000,  0.0000])
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return _softshrink(input, lambd)


_hardshrink = activation(
    "_hardshrink", lambda x, a, b: np.where((x >= -a) & (x <= a), constant(0, x.dtype), x),
    lambda g, input, a, b: where((input >= -a) & (input <= a), 0.0, g),
    lambda x, a=0.0, b=0.0: x * (np.abs(x) > a), ((0.5, 0.0), (1.2, 0.0)),
)  # fmt: skip


@exported("nn.functional", "torch", "Tensor")
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Each element, but 0 within ``lambd`` of 0.

    Args:
        input: any shape, floating dtype.

    >>> rushlight.nn.functional.hardshrink(rushlight.tensor([-1.0, 0.2]))
    tensor([-1.,  0.])
    """
    return _hardshrink(input, lambd)
