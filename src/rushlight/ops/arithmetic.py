"""Sums, products, quotients, remainders and powers of elements, and Python's operators for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..backend import native
from ..operands import rounded_number
from ..primitive import Spec, call, exported, fit_number, primitive, result_type
from ..tensor import Tensor
from .checks import broadcast, no_bool, no_complex
from .family import (
    binary,
    computed_wide,
    conj,
    fast_binary,
    plain_kernel,
    reflected,
    unary,
    write_out,
    zero,
)

# ---- sums and differences ---------------------------------------------------------------------------


def _no_bools(name: str, *operands: Any) -> None:
    for x in operands:
        if isinstance(x, (bool, np.bool_)) or (isinstance(x, Tensor) and x.dtype is dtypes.bool_):
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
                "invert a mask, use the `~` or `logical_not()` operator instead."
            )


_add = binary(
    "_add", np.add, "``input + other``.", vjp=(lambda g: g, lambda g: g), places=(),
    oracle=lambda x, y: -(-x - y), node_name="AddBackward0", rounds_numbers=True,
)  # fmt: skip
fast_binary(_add, "add")

_sub = binary(
    "_sub", np.subtract, "``input - other``.", vjp=(lambda g: g, lambda g: -g), places=(),
    oracle=lambda x, y: x + -y, check=_no_bools, node_name="SubBackward0", rounds_numbers=True,
)  # fmt: skip
fast_binary(_sub, "sub")

_rsub = binary(
    "_rsub", lambda x, y: np.subtract(y, x), "``other - input``.", vjp=(lambda g: -g, lambda g: g), places=(),
    oracle=lambda x, y: y + -x, check=_no_bools, inplace=False, node_name="RsubBackward1", rounds_numbers=True,
)  # fmt: skip
fast_binary(_rsub, "rsub")


@primitive(promote="same", checks="failure", inplace=True, node_name="AddBackward0")
def _add_scaled(input: Tensor, other: Tensor, alpha: float) -> Spec:
    """``input + alpha * other``."""
    shape = broadcast(input._array.shape, other._array.shape)
    return Spec(shape, result_type(input, other))


plain_kernel(_add_scaled, computed_wide(lambda x, y, alpha: x + y * alpha))


@_add_scaled.kernel(
    "cpu", when="input.size > 16383 and native.same_order(input, other)", writes=True
)
def _add_scaled_native(xp, x, y, alpha, out=None):
    if out is None:
        out = xp.empty_like(x)
    native.extension.binary(native.extension.BINARY["add"], x, y, out, alpha)
    return out


@_add_scaled.vjp
def _add_scaled_vjp(g, alpha):
    return g, g * conj(alpha)


@_add_scaled.oracle
def _add_scaled_oracle(x, y, alpha):
    return (x / alpha + y) * alpha


@_add_scaled.samples
def _add_scaled_samples(make):
    yield call(make(3, 4), make(3, 4), 2.5)
    yield call(make(3, 1), make(4), -0.5)


def _small_floats(*operands: Any) -> bool:
    for x in operands:
        array = getattr(x, "_array", None)
        if type(array) is not np.ndarray or array.dtype.kind != "f" or array.size >= native.LARGE:
            return False
    return True


def _scaled(run: Any, input: Any, other: Any, alpha: Any) -> Tensor:
    """`_add_scaled` or its in-place form, after PyTorch's checks of ``alpha``."""
    if isinstance(alpha, Tensor):
        alpha = alpha.item()
    if run is _add_scaled.op.inplace and _small_floats(input, other) and type(alpha) is not complex:
        # Two short passes cost less than the way of a rarer op.
        return _add.op.inplace(input, other * alpha)
    found = result_type(input, other)
    if isinstance(alpha, bool) and found is not dtypes.bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, (float, complex)) and found.rank < dtypes.FLOATING:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if isinstance(alpha, complex) and not found.is_complex:
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number."
        )
    if not isinstance(other, Tensor):
        return (_add.op.inplace if run is _add_scaled.op.inplace else _add)(input, other * alpha)
    return run(input, other, rounded_number(fit_number(alpha, found), found))


@exported("torch", "Tensor")
def add(input: Tensor, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``.

    Args:
        input: any shape.
        other: a shape that broadcasts with it, or a number.
        alpha: what ``other`` is multiplied by.

    Returns:
        The shape to which both broadcast, in their common dtype.

    >>> rushlight.add(rushlight.tensor([1.0, 2.0]), rushlight.tensor([3.0, 4.0]), alpha=10)
    tensor([31., 42.])
    """
    made = (
        _add(input, other)
        if alpha == 1 and alpha is not True
        else _scaled(_add_scaled, input, other, alpha)
    )
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor", names=("subtract",))
def sub(input: Tensor, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input - alpha * other``.

    Args:
        input: any shape.
        other: a shape that broadcasts with it, or a number.
        alpha: what ``other`` is multiplied by.

    Returns:
        The shape to which both broadcast, in their common dtype.

    Raises:
        RuntimeError: one of them is bool; use ``~`` or ``^``.

    >>> rushlight.sub(rushlight.tensor([1.0, 2.0]), 3)
    tensor([-2., -1.])
    """
    if alpha == 1 and alpha is not True:
        made = _sub(input, other)
    else:
        _no_bools("sub", input, other)
        made = _scaled(_add_scaled, input, other, -alpha)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``.

    >>> rushlight.rsub(rushlight.tensor([1.0, 2.0]), 3)
    tensor([2., 1.])
    """
    return _rsub(input if alpha == 1 else input * alpha, other)


@exported("Tensor")
def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """`add`, written into this tensor, which is returned."""
    if alpha == 1 and alpha is not True:
        return _add.op.inplace(self, other)
    return _scaled(_add_scaled.op.inplace, self, other, alpha)


@exported("Tensor", names=("subtract_",))
def sub_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """`sub`, written into this tensor, which is returned."""
    if alpha == 1 and alpha is not True:
        return _sub.op.inplace(self, other)
    _no_bools("sub", self, other)
    return _scaled(_add_scaled.op.inplace, self, other, -alpha)


# ---- products and quotients -------------------------------------------------------------------------

mul = binary(
    "mul", np.multiply, "``input * other``.", names=("multiply",),
    vjp=(lambda g, other: g * conj(other), lambda g, input: g * conj(input)),
    oracle=lambda x, y: ((x + y) ** 2 - (x - y) ** 2) / 4,
    example="[1.0, 2.0], 3 -> [3., 6.]",
)  # fmt: skip
fast_binary(mul, "mul")

_div = binary(
    "_div", np.true_divide, "``input / other``.", promote="float", places=(), domain=(0.5, 2.0),
    vjp=(lambda g, other: g / conj(other), lambda g, input, other: -(g * conj(input / other)) / conj(other)),
    oracle=lambda x, y: x * y**-1.0, node_name="DivBackward0",
)  # fmt: skip
fast_binary(_div, "div")

_rdiv = binary(
    "_rdiv", lambda x, y: np.true_divide(y, x), "``other / input``.", promote="float", places=(),
    domain=(0.5, 2.0), inplace=False, node_name="DivBackward0",
    vjp=(lambda g, input, other: -(g * conj(other / input)) / conj(input), lambda g, input: g / conj(input)),
    oracle=lambda x, y: y * x**-1.0,
    autocast={"cuda": "float32"},
)  # fmt: skip
fast_binary(_rdiv, "rdiv")


_REAL = (no_complex, no_bool)


def _no_zero(x: np.ndarray, y: Any) -> None:
    if x.dtype.kind in "bc":
        raise TypeError("neither bools nor complex numbers are divided with rounding")
    if x.dtype.kind in "iu" and not np.all(y):
        raise ZeroDivisionError("ZeroDivisionError: an integer is divided by zero")


def _floor_divide(x, y):
    _no_zero(x, y)
    return np.floor_divide(x, y)


def _trunc_divide(x, y):
    _no_zero(x, y)
    if x.dtype.kind in "iu":
        quotient = np.floor_divide(x, y)
        return quotient + ((quotient < 0) & (quotient * y != x))
    return np.trunc(np.true_divide(x, y))


def _remainder(x, y):
    _no_zero(x, y)
    return np.remainder(x, y)


def _fmod(x, y):
    _no_zero(x, y)
    return np.fmod(x, y)


floor_divide = binary(
    "floor_divide", _floor_divide, "``input / other`` rounded down.\n\n    No gradient flows through it.",
    oracle=lambda x, y: np.floor(x / y), example="[7, -7], 2 -> [ 3, -4]", domain=(0.5, 2.0), check=_REAL,
)  # fmt: skip

_div_floor = binary(
    "_div_floor", _floor_divide, "``input / other`` rounded down.", vjp=(zero, zero), places=(),
    oracle=lambda x, y: np.floor(x / y), domain=(0.5, 2.0), check=_REAL, node_name="DivBackward1",
)  # fmt: skip

_div_trunc = binary(
    "_div_trunc", _trunc_divide, "``input / other`` rounded towards zero.", vjp=(zero, zero), places=(),
    oracle=lambda x, y: np.trunc(x / y), domain=(0.5, 2.0), check=_REAL, node_name="DivBackward1",
)  # fmt: skip

_ROUNDINGS = {None: _div, "floor": _div_floor, "trunc": _div_trunc}


def _rounding(rounding_mode: Any) -> Any:
    if rounding_mode not in _ROUNDINGS:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
        )
    return _ROUNDINGS[rounding_mode]


@exported("torch", "Tensor", names=("divide",))
def div(
    input: Tensor, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """``input / other``.

    Args:
        input: any shape.
        other: a shape that broadcasts with it, or a number.
        rounding_mode: None gives the quotient (integers give floats), ``"floor"`` and ``"trunc"`` round it down or
            towards zero and keep integers.

    Returns:
        The shape to which both broadcast.

    Raises:
        RuntimeError: the mode is another, or integers are divided by zero with rounding.

    >>> rushlight.div(rushlight.tensor([7, -7]), 2)
    tensor([ 3.5000, -3.5000])
    >>> rushlight.div(rushlight.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    made = (_div if rounding_mode is None else _rounding(rounding_mode))(input, other)
    return made if out is None else write_out(out, made)


@exported("Tensor", names=("divide_",))
def div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """`div`, written into this tensor, which is returned."""
    return _rounding(rounding_mode).op.inplace(self, other)


@exported("torch", "Tensor")
def true_divide(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
    """`div` without rounding."""
    return div(input, other, out=out)


@exported("Tensor")
def true_divide_(self: Tensor, other: Any) -> Tensor:
    """`true_divide`, written into this tensor, which is returned."""
    return _div.op.inplace(self, other)


remainder = binary(
    "remainder", _remainder,
    "What is left of ``input`` when divided by ``other``, with the sign of ``other``, as Python's ``%``.",
    vjp=(lambda g: g, lambda g, input, other: -g * _div_floor(input, other)),
    oracle=lambda x, y: x - y * np.floor(x / y), example="[7, -7], 4 -> [3, 1]", domain=(0.5, 2.0), check=_REAL,
)  # fmt: skip

fmod = binary(
    "fmod", _fmod,
    "What is left of ``input`` when divided by ``other``, with the sign of ``input``, as C's ``fmod``.",
    vjp=(lambda g: g, lambda g, input, other: -g * _div_trunc(input, other)),
    oracle=lambda x, y: x - y * np.trunc(x / y), example="[7, -7], 4 -> [ 3, -3]", domain=(0.5, 2.0), check=_REAL,
)  # fmt: skip


# ---- signs ------------------------------------------------------------------------------------------


def _negatable(name: str, input: Tensor) -> None:
    if input.dtype is dtypes.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a "
            "mask, use the `~` or `logical_not()` operator instead."
        )


neg = unary(
    "neg", np.negative, "``-input``.", vjp=lambda g: -g, oracle=lambda x: 0.0 - x, promote=None,
    check=_negatable, names=("negative",), example="[1.0, -2.0] -> [-1.,  2.]",
)  # fmt: skip


@exported("torch", "Tensor")
def positive(input: Tensor) -> Tensor:
    """The tensor itself.

    Raises:
        RuntimeError: it is bool.
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# ---- Python's operators -----------------------------------------------------------------------------


Tensor.__add__ = Tensor.__radd__ = _add.op.as_operator()
Tensor.__mul__ = Tensor.__rmul__ = mul.op.as_operator()
Tensor.__sub__ = _sub.op.as_operator()
Tensor.__rsub__ = _rsub.op.as_operator()
Tensor.__truediv__ = _div.op.as_operator()
Tensor.__rtruediv__ = _rdiv.op.as_operator()
Tensor.__floordiv__ = floor_divide.op.as_operator()
Tensor.__rfloordiv__ = reflected(floor_divide)
Tensor.__mod__ = remainder.op.as_operator()
Tensor.__rmod__ = reflected(remainder)
Tensor.__neg__ = neg
Tensor.__pos__ = positive
Tensor.__iadd__ = _add.op.inplace
Tensor.__isub__ = _sub.op.inplace
Tensor.__imul__ = mul.op.inplace
Tensor.__itruediv__ = _div.op.inplace
Tensor.__ifloordiv__ = floor_divide.op.inplace
Tensor.__imod__ = remainder.op.inplace
