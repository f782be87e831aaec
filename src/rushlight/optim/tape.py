"""How the formula of an element-wise rule becomes a program for the extension.

The rule's `update` is called with symbols in the place of tensors. What it does with them is written
down as instructions, one pass each, that the extension then runs block by block over all parameters:

    tape = Tape(["p", "g", "exp_avg"])
    p, g, average = tape.operands()
    average.lerp_(g, 0.1)
    p.add_(average, alpha=-0.01)            # nothing has been computed so far
    tape.run([[...], [...], [...]])         # a list of arrays for each operand

A rule is written down anew for each step, so it may decide by numbers (options, the count of steps) as
it likes; it must not ask for the values of its tensors, which symbols do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend.native import extension
from ..ops.choice import where as where_of_tensors

_UNARY, _BINARY, _SCALAR, _TERNARY, _EXTRA = range(5)


class Tape:
    """The instructions of one rule.

    Args:
        names: the operands: the parameter, its gradient, then what the rule remembers.

    Attributes:
        names: the operands, with those that the rule made.
    """

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        self._instructions: list[tuple] = []
        self._written = 0
        self._free: list[int] = []
        self._temporaries = 0

    def operands(self) -> list[Symbol]:
        """The operands, for the rule to reckon with."""
        return [Symbol(self, place) for place in range(len(self.names))]

    def put(
        self,
        out: Symbol | None,
        family: int,
        op: int,
        x: Symbol,
        y: Symbol | None = None,
        z: Symbol | None = None,
        a: float = 0.0,
        b: float = 0.0,
    ) -> Symbol:
        """Writes an instruction down; without ``out`` its result is a new symbol."""
        if out is None:
            out = Symbol(self, self._temporary())
        place = out._register
        if place < extension.FIRST_TEMPORARY:
            self._written |= 1 << place
        self._instructions.append(
            (
                family,
                op,
                place,
                x._register,
                y._register if y is not None else x._register,
                z._register if z is not None else x._register,
                a,
                b,
            )
        )
        return out

    def _temporary(self) -> int:
        if self._free:
            return self._free.pop()
        self._temporaries += 1
        return extension.FIRST_TEMPORARY + self._temporaries - 1

    def add_operand(self, name: str) -> Symbol:
        """A new operand, which the rule fills."""
        self.names.append(name)
        return Symbol(self, len(self.names) - 1)

    def run(self, operands: list[list[np.ndarray]]) -> None:
        """Runs the program over the arrays of each operand, which are changed in place.

        Raises:
            TypeError: they are no arrays of float32 or of float64.
            ValueError: their shapes differ, or they share memory.
        """
        extension.run_program(self._instructions, operands, self._written, self._temporaries)


class Symbol:
    """Stands for a tensor while a rule is written down: it has a tensor's element-wise methods."""

    __slots__ = ("_register", "_tape")

    def __init__(self, tape: Tape, register: int):
        self._tape = tape
        self._register = register

    def __del__(self) -> None:
        if self._register >= extension.FIRST_TEMPORARY:
            self._tape._free.append(self._register)

    def __bool__(self) -> bool:
        raise TypeError(
            "an element-wise rule cannot decide by the values of its tensors; use where(), or set "
            "elementwise = False"
        )

    def keep_as(self, register: int) -> None:
        """Moves the value to an operand, which this symbol then stands for."""
        tape, there = self._tape, Symbol(self._tape, register)
        _copy(there, self)
        if self._register >= extension.FIRST_TEMPORARY:
            tape._free.append(self._register)
            self._register = register

    def detach(self) -> Symbol:
        """Itself: nothing is recorded here."""
        return self

    def is_complex(self) -> bool:
        """Never: real and imaginary parts are elements of their own here."""
        return False


class State(dict):
    """What a rule remembers, as symbols and numbers; what it adds becomes an operand."""

    def __init__(self, tape: Tape, symbols: dict[str, Any]):
        super().__init__(symbols)
        self._tape = tape

    def __setitem__(self, name: str, value: Any) -> None:
        known = self.get(name)
        if value is known:
            return
        if not isinstance(value, Symbol) or isinstance(known, Scalar):
            raise TypeError(f"a traced rule can only keep tensors, but {name!r} is {value!r}")
        if known is None:
            known = self._tape.add_operand(name)
        value.keep_as(known._register)
        super().__setitem__(name, value if value._register == known._register else known)


class Scalar:
    """A 0-dim tensor of a rule's state, such as the count of steps: one number for all parameters."""

    __slots__ = ("value",)

    def __init__(self, value: np.floating):
        self.value = value

    def item(self) -> float:
        """The number."""
        return float(self.value)

    def fill_(self, number: float) -> Scalar:
        """Sets it."""
        self.value = type(self.value)(number)
        return self

    def add_(self, number: float) -> Scalar:
        """Adds to it, in its own precision."""
        return self.fill_(self.value + type(self.value)(number))

    def mul_(self, number: float) -> Scalar:
        """Multiplies it, in its own precision."""
        return self.fill_(self.value * type(self.value)(number))


# ---- the methods of symbols
#
# Each maker gives a function (out, x, *arguments) that writes the instruction down; without `out` its
# result is a new symbol. From it come two methods: `sqrt` and `sqrt_`.


def _plain(family: int, code: int) -> Callable:
    return lambda out, x: x._tape.put(out, family, code, x)


def _arithmetic(code: int) -> Callable:
    def put(out: Symbol | None, x: Symbol, other: Any, alpha: float = 1.0) -> Symbol:
        if isinstance(other, Symbol):
            return x._tape.put(out, _BINARY, code, x, other, a=alpha)
        return x._tape.put(out, _SCALAR, code, x, a=1.0, b=alpha * float(other))

    return put


def _with_number(family: int, code: int) -> Callable:
    return lambda out, x, number: x._tape.put(out, family, code, x, a=float(number))


def _with_factor(code: int) -> Callable:
    return lambda out, x, y, z, *, value=1.0: x._tape.put(out, _TERNARY, code, x, y, z, a=value)


def _lerp(out: Symbol | None, x: Symbol, end: Symbol, weight: float) -> Symbol:
    return x._tape.put(out, _EXTRA, extension.PROGRAM_EXTRA["lerp"], x, end, a=float(weight))


def _clamp(out: Symbol | None, x: Symbol, min: Any = None, max: Any = None) -> Symbol:
    low, high = (-np.inf if min is None else min), (np.inf if max is None else max)
    return x._tape.put(out, _UNARY, extension.UNARY["clamp"], x, a=float(low), b=float(high))


def _copy(out: Symbol, source: Symbol) -> Symbol:
    return out._tape.put(out, _EXTRA, extension.PROGRAM_EXTRA["copy"], source)


def _makers() -> dict[str, Callable]:
    unary, binary, extra = extension.UNARY, extension.BINARY, extension.PROGRAM_EXTRA
    makers = {
        name: _plain(_UNARY, unary[name])
        for name in ("neg", "abs", "square", "sqrt", "rsqrt", "reciprocal", "exp")
    }
    for name in ("add", "sub", "mul", "div", "maximum", "minimum"):
        makers[name] = _arithmetic(binary[name])
    for name in ("addcmul", "addcdiv"):
        makers[name] = _with_factor(extension.TERNARY[name])
    makers["rsub"], makers["rdiv"] = _arithmetic(binary["rsub"]), _arithmetic(binary["rdiv"])
    makers["pow"] = _with_number(_UNARY, unary["pow"])
    makers["sign"] = _plain(_EXTRA, extra["sign"])
    makers["gt"] = _with_number(_EXTRA, extra["greater"])
    makers["lt"] = _with_number(_EXTRA, extra["less"])
    makers["eq"] = _with_number(_EXTRA, extra["equal"])
    makers["fill"] = _with_number(_EXTRA, extra["fill"])
    return {**makers, "lerp": _lerp, "clamp": _clamp}


def _give_methods() -> None:
    for name, put in _makers().items():
        setattr(Symbol, name, lambda self, *args, _put=put, **kw: _put(None, self, *args, **kw))
        setattr(
            Symbol, name + "_", lambda self, *args, _put=put, **kw: _put(self, self, *args, **kw)
        )
    operators = {
        "add": "add", "radd": "add", "sub": "sub", "rsub": "rsub", "mul": "mul", "rmul": "mul",
        "truediv": "div", "rtruediv": "rdiv", "pow": "pow", "neg": "neg", "abs": "abs",
        "gt": "gt", "lt": "lt", "iadd": "add_", "isub": "sub_", "imul": "mul_", "itruediv": "div_",
    }  # fmt: skip
    for operator, name in operators.items():
        setattr(Symbol, f"__{operator}__", getattr(Symbol, name))
    Symbol.copy_ = lambda self, source: _copy(self, source)
    Symbol.clone = lambda self: _copy(Symbol(self._tape, self._tape._temporary()), self)
    Symbol.zero_ = lambda self: self.fill_(0.0)


_give_methods()


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`rushlight.where`, of tensors as of symbols."""
    if not isinstance(condition, Symbol):
        return where_of_tensors(condition, yes, no)
    yes, no = (v if isinstance(v, Symbol) else condition.fill(v) for v in (yes, no))
    code = extension.PROGRAM_EXTRA["where"]
    return condition._tape.put(None, _EXTRA, code, condition, yes, no)
