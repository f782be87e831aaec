"""Powers of elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import exported, result_type
from ..tensor import Tensor
from .choice import where
from .family import (
    binary,
    conj,
    reflected,
    write_out,
    zero,
)


def _power(x, y):
    if x.dtype.kind == "b":
        if type(y) is np.ndarray:
            raise TypeError("bools have no powers")
        return x.copy() if y else np.ones_like(x)
    if type(y) is np.ndarray:
        if x.dtype.kind not in "iu":
            return np.power(x, y)
        # NumPy refuses negative exponents of integers; the quotients are 0, but those of 1 and -1.
        negative = y < 0
        inverse = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0))
        return np.where(negative, inverse, np.power(x, np.where(negative, 0, y))).astype(x.dtype)
    if y == 2:
        return np.square(x)
    if x.dtype.kind in "iu" and y < 0:
        raise ValueError("Integers to negative integer powers are not allowed.")
    if y == 0.5:
        return np.sqrt(x)
    if y == 3:
        return x * x * x
    if y == -1:
        return np.reciprocal(x)
    return np.power(x, y)


def _power_checks(name: str, input: Any, other: Any) -> None:
    both = isinstance(input, Tensor) and isinstance(other, Tensor)
    if both and result_type(input, other) is dtypes.bool_:
        raise NotImplementedError("\"pow\" not implemented for 'Bool': convert it with .int()")
    if not both and isinstance(other, int) and other < 0 and input.dtype.rank <= dtypes.INTEGRAL:
        raise RuntimeError(
            "Integers to negative integer powers are not allowed: make the base floating with .float()"
        )


def _power_vjp_of_base(g, input, other):
    if isinstance(other, Tensor):
        slope = where(other == 0, 0.0, other * _pow(input, other - 1))
    elif other == 2:
        slope = 2 * input
    elif other == 0:
        return zero(g)
    else:
        slope = other * _pow(input, other - 1)
    return g * conj(slope)


def _power_vjp_of_exponent(g, input, other):
    slope = _pow(input, other) * input.log()
    if not slope.is_complex():
        slope = where((input == 0) & (other >= 0), 0.0, slope)
    return g * conj(slope)


_pow = binary(
    "_pow", _power, "``input`` to the power of ``other``.", places=(), domain=(0.5, 2.0), check=_power_checks,
    vjp=(_power_vjp_of_base, _power_vjp_of_exponent), oracle=lambda x, y: np.exp(y * np.log(x)),
    node_name="PowBackward0", rounds_numbers=True,
    autocast={"cuda": "float32"},
)  # fmt: skip


@exported("torch", "Tensor")
def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """Each element to a power.

    Args:
        input: any shape, or a number.
        exponent: a shape that broadcasts with it, or a number.

    Returns:
        The shape to which both broadcast, in their common dtype.

    Raises:
        RuntimeError: the base is integral and the exponent a negative int.

    >>> rushlight.pow(rushlight.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    made = _pow(input, exponent)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def pow_(self: Tensor, exponent: Any) -> Tensor:
    """`pow`, written into this tensor, which is returned."""
    return _pow.op.inplace(self, exponent)


@exported("torch", "Tensor")
def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """`pow` in float64, or complex128.

    >>> rushlight.float_power(rushlight.tensor([2, 3]), -1)
    tensor([0.5000, 0.3333], dtype=torch.float64)
    """
    wide = dtypes.complex128 if result_type(input, exponent).is_complex else dtypes.float64
    input, exponent = (
        x.to(wide) if isinstance(x, Tensor) else (complex if wide.is_complex else float)(x)
        for x in (input, exponent)
    )
    made = _pow(input, exponent)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """`float_power`, written into this tensor, which is returned."""
    made = float_power(self.clone(), exponent)
    if made.dtype is not self.dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype.legacy} but the operation's result requires "
            f"dtype {made.dtype.legacy}; use float_power instead"
        )
    return self.copy_(made)


Tensor.__pow__ = _pow.op.as_operator()
Tensor.__rpow__ = reflected(_pow)
Tensor.__ipow__ = _pow.op.inplace
