"""Comparisons, and logic on truth values and on bits."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import exported
from ..tensor import Tensor, values_of, wrap
from .checks import broadcast, integral_only, no_bool, no_complex
from .family import binary, reflected, refuse, unary


def _comparison(
    name: str, kernel: Any, what: str, example: str, names: tuple[str, ...] = ()
) -> Any:
    return binary(
        name, kernel, f"Where ``input {what} other``, as bools.", dtype=dtypes.bool_, names=names,
        check=() if what in ("==", "!=") else no_complex, example=f"[1, 2, 3], 2 -> {example}",
        oracle=lambda x, y: kernel(np.broadcast_arrays(x, y)[0] - y, 0),
    )  # fmt: skip


eq = _comparison("eq", np.equal, "==", "[False,  True, False]")
ne = _comparison("ne", np.not_equal, "!=", "[ True, False,  True]", ("not_equal",))
lt = _comparison("lt", np.less, "<", "[ True, False, False]", ("less",))
le = _comparison("le", np.less_equal, "<=", "[ True,  True, False]", ("less_equal",))
gt = _comparison("gt", np.greater, ">", "[False, False,  True]", ("greater",))
ge = _comparison("ge", np.greater_equal, ">=", "[False,  True,  True]", ("greater_equal",))

for _function in (lt, le, gt, ge):
    refuse(_function, "c")

Tensor.__eq__ = eq.op.as_operator()
Tensor.__ne__ = ne.op.as_operator()
Tensor.__lt__ = lt.op.as_operator()
Tensor.__le__ = le.op.as_operator()
Tensor.__gt__ = gt.op.as_operator()
Tensor.__ge__ = ge.op.as_operator()


# ---- logic on truth values: whatever is not zero is true ---------------------------------------------

logical_and = binary(
    "logical_and", np.logical_and, "Where both elements are true.", dtype=dtypes.bool_,
    oracle=lambda x, y: x * y != 0, example="[True, True], [True, False] -> [ True, False]",
)  # fmt: skip
logical_or = binary(
    "logical_or", np.logical_or, "Where at least one element is true.", dtype=dtypes.bool_,
    oracle=lambda x, y: abs(x) + abs(y) != 0, example="[True, False], [False, False] -> [ True, False]",
)  # fmt: skip
logical_xor = binary(
    "logical_xor", np.logical_xor, "Where exactly one element is true.", dtype=dtypes.bool_,
    oracle=lambda x, y: (x != 0) != (y != 0), example="[True, False], [True, True] -> [False,  True]",
)  # fmt: skip
logical_not = unary(
    "logical_not", np.logical_not, "Where an element is not true.", promote=None, dtype=lambda d: dtypes.bool_,
    oracle=lambda x: x == 0, example="[True, False] -> [False,  True]",
)  # fmt: skip


# ---- logic on bits ----------------------------------------------------------------------------------


def _left_shift(x, y):
    if x.dtype.kind == "b":
        raise TypeError("bools have no places")
    return np.left_shift(x, y)


def _right_shift(x, y):
    if x.dtype.kind == "b":
        raise TypeError("bools have no places")
    return np.right_shift(x, y)


def _bits(
    name: str, kernel: Any, what: str, oracle: Any, example: str, check: Any = integral_only
) -> Any:
    return binary(
        name, kernel, what, check=check, example=example, of=dtypes.int64,
        domain=(0, 12),
        oracle=np.vectorize(oracle, otypes=[np.int64]),
    )  # fmt: skip


bitwise_and = _bits(
    "bitwise_and", np.bitwise_and, "The bits set in both elements; for bools ``logical_and``.", operator.and_,
    "[6, 3], 2 -> [2, 2]",
)  # fmt: skip
bitwise_or = _bits(
    "bitwise_or", np.bitwise_or, "The bits set in at least one element; for bools ``logical_or``.", operator.or_,
    "[6, 3], 1 -> [7, 3]",
)  # fmt: skip
bitwise_xor = _bits(
    "bitwise_xor", np.bitwise_xor, "The bits set in exactly one element; for bools ``logical_xor``.",
    operator.xor, "[6, 3], 2 -> [4, 1]",
)  # fmt: skip
bitwise_left_shift = _bits(
    "bitwise_left_shift", _left_shift, "The bits of ``input`` moved up by ``other`` places.",
    operator.lshift, "[1, 3], 2 -> [ 4, 12]", (integral_only, no_bool),
)  # fmt: skip
bitwise_right_shift = _bits(
    "bitwise_right_shift", _right_shift, "The bits of ``input`` moved down by ``other`` places, keeping the sign.",
    operator.rshift, "[8, -8], 2 -> [ 2, -2]", (integral_only, no_bool),
)  # fmt: skip
bitwise_not = unary(
    "bitwise_not", np.invert, "Every bit turned over; for bools ``logical_not``.", promote=None,
    check=integral_only, oracle=lambda x: -x - 1, of=dtypes.int64, domain=(-9, 9),
    example="[0, 5] -> [-1, -6]",
)  # fmt: skip


def _invert(self: Tensor) -> Tensor:
    """Every bit turned over; for bools ``logical_not``."""
    if self.dtype.rank >= dtypes.FLOATING:
        raise TypeError(
            f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, not {self.dtype}"
        )
    return bitwise_not(self)


Tensor.__invert__ = _invert
Tensor.__and__ = Tensor.__rand__ = bitwise_and.op.as_operator()
Tensor.__or__ = Tensor.__ror__ = bitwise_or.op.as_operator()
Tensor.__xor__ = Tensor.__rxor__ = bitwise_xor.op.as_operator()
Tensor.__lshift__ = bitwise_left_shift.op.as_operator()
Tensor.__rshift__ = bitwise_right_shift.op.as_operator()
Tensor.__rlshift__ = reflected(bitwise_left_shift)
Tensor.__rrshift__ = reflected(bitwise_right_shift)
Tensor.__iand__ = bitwise_and.op.inplace
Tensor.__ior__ = bitwise_or.op.inplace
Tensor.__ixor__ = bitwise_xor.op.inplace
Tensor.__ilshift__ = bitwise_left_shift.op.inplace
Tensor.__irshift__ = bitwise_right_shift.op.inplace


# ---- what kind of number an element is --------------------------------------------------------------


def _real_infinite(name: str, input: Tensor) -> None:
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} does not support complex inputs.")


def _question(name: str, kernel: Any, what: str, oracle: Any, example: str, check: Any = ()) -> Any:
    return unary(
        name, kernel, what, check=check, promote=None, dtype=lambda d: dtypes.bool_, oracle=oracle, inplace=False,
        example=f'[1.0, float("inf"), float("nan")] -> {example}',
    )  # fmt: skip


isnan = _question(
    "isnan",
    np.isnan,
    "Where an element is not a number.",
    lambda x: x != x,
    "[False, False,  True]",
)
isinf = _question(
    "isinf",
    np.isinf,
    "Where an element is infinite.",
    lambda x: abs(x) == np.inf,
    "[False,  True, False]",
)
isfinite = _question(
    "isfinite",
    np.isfinite,
    "Where an element is neither infinite nor NaN.",
    lambda x: x - x == 0,
    "[ True, False, False]",
)
isposinf = _question(
    "isposinf", lambda x: np.equal(x, np.inf), "Where an element is positive infinity.",
    lambda x: (x > 0) & np.isinf(x), "[False,  True, False]", _real_infinite,
)  # fmt: skip
isneginf = _question(
    "isneginf", lambda x: np.equal(x, -np.inf), "Where an element is negative infinity.",
    lambda x: (x < 0) & np.isinf(x), "[False, False, False]", _real_infinite,
)  # fmt: skip
isreal = _question(
    "isreal", lambda x: np.equal(x.imag, 0), "Where an element has no imaginary part.",
    lambda x: x == x.conjugate(), "[True, True, True]",
)  # fmt: skip
signbit = _question(
    "signbit", lambda x: np.signbit(x) if x.dtype.kind in "fV" else np.less(x, 0),
    "Where the sign of an element is negative, that of -0.0 included.",
    lambda x: np.copysign(1.0, x) < 0, "[False, False, False]", no_complex,
)  # fmt: skip

for _function in (isposinf, isneginf, signbit):
    refuse(_function, "c")


# ---- whole tensors ----------------------------------------------------------------------------------


@exported("torch", "Tensor")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and equal elements.

    >>> rushlight.equal(rushlight.tensor([1, 2]), rushlight.tensor([1, 2]))
    True
    """
    if not isinstance(other, Tensor):
        raise TypeError(
            f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    if input._array.shape != other._array.shape:
        return False
    return bool(np.array_equal(values_of(input), values_of(other)))


@exported("torch", "Tensor")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Where ``abs(input - other) <= atol + rtol * abs(other)``.

    Args:
        rtol, atol: the relative and the absolute difference that is allowed.
        equal_nan: whether two NaN count as close.

    Raises:
        RuntimeError: the dtypes differ.

    >>> rushlight.isclose(rushlight.tensor([1.0, 2.0]), rushlight.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"{input.dtype.legacy} did not match {other.dtype.legacy}: isclose compares tensors of one dtype; "
            "convert one with .to(other.dtype)"
        )
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"rtol and atol must not be negative, but are {rtol} and {atol}")
    broadcast(input._array.shape, other._array.shape)
    x, y = values_of(input), values_of(other)
    close = x == y
    if equal_nan:
        close |= (x != x) & (y != y)
    if x.dtype.kind in "iub":
        x, y = x.astype(np.float64), y.astype(np.float64)
    elif x.dtype.itemsize == 2:
        x, y = x.astype(np.float32), y.astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(x - y)
        near = (difference <= atol + np.abs(rtol * y)) & np.isfinite(difference)
    return wrap(np.asarray(close | near))


@exported("torch", "Tensor")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether `isclose` holds for every pair of elements.

    >>> rushlight.allclose(rushlight.tensor([1.0, 2.0]), rushlight.tensor([1.0, 2.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())
