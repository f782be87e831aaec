"""The short forms of declaration: ops that compute element by element.

`unary` and `binary` declare an op in a few lines: the NumPy function that computes it, its gradient, the
float64 answer by another way, and one example, from which its docs are made. `fast_unary` and
`fast_binary` add the extension's loops for large arrays, `gradient` declares a gradient that has a
kernel of its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from .. import config, dtypes
from ..autograd.modes import state
from ..autograd.views import advance
from ..backend import native
from ..casting import outside
from ..operands import PLAIN_NUMBERS, rounded_number
from ..primitive import (
    Number,
    Primitive,
    Spec,
    call,
    export,
    listeners,
    reject,
    result_type,
)
from ..tensor import Tensor, values_of, wrap
from .checks import broadcast, floating_only, shape_of

# When the extension's loops take over: below, a call of theirs costs more than it gains.
# Where a kernel of several steps has a loop, the loop wins at any size. Half precision that is large goes to them
# however it lies: NumPy takes it element by element.
COMPACT = (
    "input.dtype is native.float32 and (input.flags.c_contiguous or native.dense(input)) "
    "or input.dtype in native.HALVES"
)
LARGE = "input.size > 16383 and (native.same_order(input, input) or input.dtype in native.HALVES)"
LARGE_PAIR = (
    "input.size > 16383 and (native.same_order(input, input if type(other) in PLAIN_NUMBERS else other) "
    "or input.dtype in native.HALVES)"
)
_LARGE_HALF = "input.size > 16383 and input.dtype in native.HALVES"
_COMPACT_GRADIENT = (
    "(grad.dtype is native.float32 or grad.dtype in native.HALVES) and saved.dtype is grad.dtype and "
    "(grad.flags.c_contiguous and saved.flags.c_contiguous or native.same_order(grad, saved))"
)


def write_at_once(op: Primitive, kernel: np.ufunc) -> None:
    """Gives an op of two operands a short way to write small results in place while nothing records."""
    write, named = op.write, op.inplace

    def inplace(input: Tensor, other: Any) -> Tensor:
        number = type(other) in PLAIN_NUMBERS
        try:
            x, y = input._array, other if number else other._array
        except AttributeError:
            return write((input, other))
        if (
            listeners
            or type(x) is not np.ndarray
            or x.dtype.kind != "f"
            or x.size > 16383
            or 0 in x.strides
            or not (number or (y.dtype is x.dtype and y.shape == x.shape and type(y) is np.ndarray))
            or (state.grad and (_has_history(input) or not (number or not _has_history(other))))
        ):
            return write((input, other))
        try:
            kernel(x, y, x)
        except RuntimeWarning:
            # The user made warnings errors; the result stands, and NumPy's concern is none of ours.
            pass
        except ValueError:
            return write((input, other))
        advance(input)
        input._origin = None
        return input

    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__wrapped__", "op"):
        setattr(inplace, name, getattr(named, name))
    op.inplace = inplace


def _has_history(x: Tensor) -> bool:
    return x._node is not None or x._view is not None


def refuse(function: Callable, kinds: str) -> None:
    """Makes an op whose ufunc would take them refuse arrays of NumPy's ``kinds``; its checks then say why."""
    kernels = function.op.kernels["cpu"]
    ufunc = kernels[0]

    def checked(x: np.ndarray, *rest: Any) -> Any:
        if x.dtype.kind in kinds:
            raise TypeError("the kernel does not take this dtype")
        return ufunc.run(x, *rest)

    kernels[0] = ufunc._replace(run=checked, writes=False)
    taken = f"{function.op.parameters[0]}.dtype.kind not in {kinds!r}"
    kernels.insert(1, ufunc._replace(when=taken))


def conj(x: Any) -> Any:
    """The complex conjugate of a tensor or number; a real one is itself."""
    if isinstance(x, Tensor):
        return x.conj() if x._array.dtype.kind == "c" else x
    return x.conjugate()


@lru_cache(1024)
def constant(value: float, dtype: np.dtype) -> np.ndarray:
    """A number as an array of ``dtype``, beside which ufuncs are faster than beside a Python number."""
    made = np.array(value, dtype)
    made.flags.writeable = False
    return made


def computed_wide(kernel: Callable) -> Callable:
    """A kernel that computes half precision in float32 and rounds once, at the end."""

    def run(x: np.ndarray, *rest: Any, out: np.ndarray | None = None) -> Any:
        if x.dtype not in native.HALVES:
            return kernel(x, *rest) if out is None else kernel(x, *rest, out=out)
        wide = [native.widened(r) if isinstance(r, np.ndarray) else r for r in (x, *rest)]
        made = np.asarray(kernel(*wide))
        if made.dtype == native.float32:
            made = native.converted(made, x.dtype)
        if out is None:
            return made
        np.copyto(out, made)
        return out

    run.__name__ = getattr(kernel, "__name__", "kernel")
    return run


class Elementwise(Primitive):
    """A primitive on elements that looks at its operands before they come to one dtype.

    Attributes:
        checks_of_operands: functions that get the op's name and the operands as the user gave them, and raise
            for what the op does not take.
        rounds_numbers: beside half precision a number is rounded first, as PyTorch does in sums and powers.
        wide: the kernel that computes half precision in float32.
    """

    checks_of_operands: tuple[Callable, ...] = ()
    rounds_numbers = False
    wide: Callable

    def check_operands(self, *operands: Any) -> None:
        """Raises for operands that the op does not take."""
        for check in self.checks_of_operands:
            check(self.name.strip("_"), *operands)

    def _promoted(self, values: Sequence[Any]) -> list[Any]:
        if self.checks_of_operands:
            self.check_operands(*[values[i] for i in self._operands(values)])
        values = super()._promoted(values)
        if self.rounds_numbers and not isinstance(values[1], Tensor):
            values[1] = rounded_number(values[1], values[0].dtype)
        return values

    def compute(self, values: Sequence[Any], out: np.ndarray | None = None) -> Any:
        arrays = self.arrays(values)
        if arrays[0].dtype is not native.bfloat16 or type(arrays[-1]) is np.ndarray:
            return super().compute(values, out)
        if arrays[0].size > 16383 and config.KERNELS.read() != "plain":
            return super().compute(values, out)
        # NumPy answers in float32 where a number stands beside bfloat16.
        try:
            with np.errstate(all="ignore"):
                return self.wide(*arrays, out=out)
        except Exception as error:
            return self.explain(error, *values)


def declared(name: str, doc: str, rule: Callable, module: str) -> Callable:
    """A function called ``name`` with the code of ``rule`` and its own values of the free names."""
    function = FunctionType(
        rule.__code__, rule.__globals__, name, rule.__defaults__, rule.__closure__
    )
    function.__annotations__ = dict(rule.__annotations__)
    function.__kwdefaults__ = rule.__kwdefaults__
    function.__doc__ = doc
    function.__module__ = module
    return function


def calling_module() -> str:
    """The module that called a short form: an op is at home where it is declared."""
    return sys._getframe(2).f_globals["__name__"]


def documented(
    name: str, places: Sequence[str], what: str, arguments: str, returns: str, example: str
) -> str:
    """The docstring of a short declaration.

    Args:
        example: ``"[1.0, 2.0], 3 -> [3., 6.]"``, where a list stands for a tensor; or whole doctest lines.
    """
    text = f"{what}\n\n    Args:\n{arguments}\n    Returns:\n        {returns}\n"
    if " -> " in example:
        given, gives = example.split(" -> ")
        path = "rushlight.nn.functional" if "nn.functional" in places else "rushlight"
        given = re.sub(r"\[[^\]]*\]+", r"rushlight.tensor(\g<0>)", given)
        gives = f"tensor({gives})" if gives.startswith("[") else gives
        example = f">>> {path}.{name}({given})\n{gives}"
    lines = "".join(f"    {line}\n" for line in example.splitlines())
    return f"{text}\n{lines}    " if lines else text


def _oracle(function: Callable) -> Callable:
    if isinstance(function, BuiltinFunctionType):
        # A function of `math`, on numbers.
        return np.vectorize(function, otypes=[np.float64])
    return function


def unary(
    name: str,
    kernel: Callable,
    what: str,
    *,
    vjp: Callable | None = None,
    oracle: Callable | None = None,
    example: str = "",
    domain: tuple[float, float] = (-2.0, 2.0),
    of: Any = None,
    promote: str | None = "float",
    dtype: Callable | None = None,
    check: Callable | tuple[Callable, ...] = (),
    inplace: bool = True,
    places: Sequence[str] = ("torch", "Tensor"),
    names: Sequence[str] = (),
    **options: Any,
) -> Callable:
    """Declares an op on each element of one tensor.

    Args:
        name: the public name.
        kernel: a NumPy ufunc, or a function of an array that gives a new one.
        what: what it gives: the docstring's first sentence or more.
        vjp: its gradient from ``g`` and what it names of ``input`` and ``out``; None if there is none.
        oracle: the float64 answer: a function of arrays, or one of `math`.
        example: for the docs, as `documented` takes it.
        domain: where samples lie.
        of: the dtype of samples where it is not the default one.
        promote: ``"float"`` computes integers in the default dtype; None keeps the dtype.
        dtype: the result's dtype from the computation's; None leaves it.
        check: what refuses operands, as `floating_only` does; one function or several.
        names: other public names of the same op.
    """

    def rule(input: Tensor) -> Spec:
        op.check_operands(input)
        found = input.dtype
        if promote == "float" and found.rank < dtypes.FLOATING:
            found = dtypes.get_default_dtype()
        return Spec(input._array.shape, found if dtype is None else dtype(found))

    floating = check is floating_only
    takes = "a floating dtype" if floating else "integers are computed in the default dtype"
    doc = documented(
        name, places, what,
        f"        input: any shape{'; ' + takes if promote else ''}.\n",
        "The shape of ``input``.", example,
    )  # fmt: skip
    op = Elementwise(
        declared(name, doc, rule, calling_module()),
        (),
        promote=promote,
        inplace=inplace,
        **{"checks": "failure"} | options,
    )
    op.checks_of_operands = check if isinstance(check, tuple) else (check,)
    _finish(op, kernel, vjp, oracle, places, names, inplace)

    @op.samples
    def samples(make: Callable) -> Any:
        values = {"low": domain[0], "high": domain[1], "dtype": of}
        yield call(make(3, 4, **values))
        yield call(make((), **values))
        yield call(make(0, 3, **values))

    @op.rejects
    def rejects(make: Callable) -> Any:
        yield reject(TypeError, "must be Tensor, not list", [1.0, 2.0])
        if floating:
            yield reject(
                NotImplementedError, "not implemented for 'Long'", make(3, dtype=dtypes.int64)
            )

    return op.function


def binary(
    name: str,
    kernel: Callable,
    what: str,
    *,
    vjp: tuple[Callable | None, Callable | None] | None = None,
    oracle: Callable | None = None,
    example: str = "",
    domain: tuple[float, float] = (-2.0, 2.0),
    of: Any = None,
    promote: str | None = "same",
    dtype: Any = None,
    check: Callable | tuple[Callable, ...] = (),
    inplace: bool = True,
    places: Sequence[str] = ("torch", "Tensor"),
    names: Sequence[str] = (),
    exact: bool = False,
    rounds_numbers: bool = False,
    **options: Any,
) -> Callable:
    """Declares an op on pairs of elements of two tensors that broadcast, or of a tensor and a number.

    Args:
        name, kernel, what, oracle, example, domain, of, check, names: as for `unary`.
        vjp: the gradients of both operands; the walk back sums them over broadcast dimensions.
        promote: ``"same"`` computes in the operands' common dtype; ``"float"`` in the default dtype for integers.
        dtype: the dtype of the result where it is not that of the computation.
        exact: half precision must not be computed in float32, because the result depends on how close its numbers lie.
        rounds_numbers: as `Elementwise` has it.
    """

    def rule(input: Tensor | Number, other: Tensor | Number) -> Spec:
        op.check_operands(input, other)
        found = result_type(input, other)
        if promote == "float" and found.rank < dtypes.FLOATING:
            found = dtypes.get_default_dtype()
        return Spec(broadcast(shape_of(input), shape_of(other)), found if dtype is None else dtype)

    doc = documented(
        name, places, what,
        "        input: any shape.\n        other: a shape that broadcasts with it, or a number.\n",
        "The shape to which both broadcast.", example,
    )  # fmt: skip
    op = Elementwise(
        declared(name, doc, rule, calling_module()),
        (),
        promote=promote,
        inplace=inplace,
        **{"checks": "failure"} | options,
    )
    op.checks_of_operands = check if isinstance(check, tuple) else (check,)
    op.rounds_numbers = rounds_numbers
    if inplace and dtype is None and isinstance(kernel, np.ufunc):
        write_at_once(op, kernel)
    _finish(op, kernel, vjp, oracle, places, names, inplace, exact)

    @op.samples
    def samples(make: Callable) -> Any:
        values = {"low": domain[0], "high": domain[1], "dtype": of}
        yield call(make(3, 4, **values), make(3, 4, **values))
        yield call(make(3, 1, **values), make(4, **values))
        yield call(make(3, **values), make((), **values))
        yield call(make(0, 4, **values), make(4, **values))
        number = (domain[0] + 3 * domain[1]) / 4
        yield call(make(2, 3, **values), number if of is None else int(number))

    @op.rejects
    def rejects(make: Callable) -> Any:
        yield reject(
            RuntimeError,
            "must match the size of tensor b (4)",
            make(3, dtype=of),
            make(4, dtype=of),
        )
        yield reject(TypeError, "must be Tensor or a number, not str", make(3), "3")

    return op.function


def _finish(
    op: Primitive,
    kernel: Callable,
    vjp: Any,
    oracle: Callable | None,
    places: Sequence[str],
    names: Sequence[str],
    inplace: bool,
    exact: bool = False,
) -> None:
    """The parts that all short forms share."""
    plain_kernel(op.function, kernel)
    op.wide = computed_wide(kernel)
    if not exact:
        name = "wide_" + op.name.strip("_")
        op.add_kernel("cpu", op.wide, when=_LARGE_HALF, writes=True, name=name)
    if vjp is not None:
        op.vjp(**dict(zip(op.tensor_names, vjp if isinstance(vjp, tuple) else (vjp,))))
    if oracle is not None:
        op.oracle(_oracle(oracle))
    for name in (op.name, *names):
        spread(op, places, name)
        if inplace:
            export(op.inplace, places, name + "_")


def plain_kernel(function: Callable, kernel: Callable) -> None:
    """Gives an op the kernel that is right everywhere, as a function of the arrays alone."""
    for target in ("cpu", "cuda"):
        function.op.add_kernel(
            target, kernel, writes=isinstance(kernel, np.ufunc), name=function.op.name.strip("_")
        )


def spread(op: Primitive, places: Sequence[str], name: str) -> None:
    """Makes an op findable under ``name``; as ``torch.name`` it takes ``out=`` too."""
    for place in places:
        export(taking_out(op, name) if place == "torch" else op.function, (place,), name)


def taking_out(op: Primitive, name: str) -> Callable:
    """An op of one or two operands as a function that also takes ``out=``, the tensor to write the result into."""
    run = op.function
    if len(op.parameters) == 1:

        def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
            return run(input) if out is None else write_out(out, outside(run, input))

    else:

        def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
            if out is None:
                return run(input, other)
            return write_out(out, outside(run, input, other))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = run.__doc__
    function.op = op
    return function


def write_out(out: Any, made: Tensor) -> Tensor:
    """`creation.write_out`, which cannot be imported where ops are declared that it is made of."""
    from . import creation

    return creation.write_out(out, made)


def overwrite(x: Tensor, made: Tensor) -> Tensor:
    """The in-place form of a composite: what it made of a copy of ``x``, written into ``x``.

    Raises:
        RuntimeError: the dtype of ``x`` cannot hold it.
    """
    if not dtypes.can_cast(made.dtype, x.dtype):
        raise RuntimeError(
            f"result type {made.dtype.legacy} can't be cast to the desired output type {x.dtype.legacy}: "
            f"it cannot be written into a tensor of {x.dtype}; use the function without the underscore"
        )
    return x.copy_(made)


def zero(g: Tensor) -> Tensor:
    """The gradient of a step function: zeros like ``g``."""
    from .creation import zeros_like

    return zeros_like(g)


def reflected(function: Callable) -> Callable:
    """``number ? tensor`` as a method of the tensor, for an op without a kernel for it."""

    def method(self: Tensor, other: Any) -> Any:
        if isinstance(other, (Tensor, np.ndarray, *Number)):
            return function(other, self)
        return NotImplemented

    return method


def loop_kernel(opcode: str) -> Callable:
    """The extension's loop over one array, ``f(x, *settings)``, as a kernel for arrays of `COMPACT` or `LARGE`."""
    code, loop, empty_like = native.extension.UNARY[opcode], native.extension.unary, np.empty_like
    float32 = native.float32

    def run(x: np.ndarray, *settings: float, out: np.ndarray | None = None) -> np.ndarray:
        if x.dtype is float32 or native.dense(x):
            if out is None:
                out = empty_like(x)
            loop(code, x, out, *settings)
            return out
        made = x.copy(order="K")
        loop(code, made, made, *settings)
        if out is None:
            return made
        np.copyto(out, made)
        return out

    return run


def fast_unary(function: Callable, opcode: str, when: str = LARGE) -> None:
    """Adds the extension's loop for arrays without gaps to an op of one tensor; by default for large ones."""
    op = function.op
    _drop_wide(op)
    op.add_kernel("cpu", loop_kernel(opcode), when=when, writes=True, name="native_" + opcode)


def fast_binary(function: Callable, opcode: str) -> None:
    """Adds the extension's loop for two large arrays that lie alike, or for one and a number."""
    op, code, empty_like = function.op, native.extension.BINARY[opcode], np.empty_like
    pair_loop, number_loop = native.extension.binary, native.extension.binary_scalar
    _drop_wide(op)
    wide = op.wide

    def run(x: np.ndarray, y: Any, out: np.ndarray | None = None) -> np.ndarray:
        pair = type(y) is np.ndarray
        if x.dtype is not native.float32 and not native.same_order(x, y if pair else x):
            return wide(x, y, out=out)
        if out is None:
            out = empty_like(x)
        if pair:
            pair_loop(code, x, y, out)
        else:
            if op.rounds_numbers and x.dtype is native.float16:
                y = float(x.dtype.type(y))
            number_loop(code, x, y, out)
        return out

    op.add_kernel("cpu", run, when=LARGE_PAIR, writes=True, name="native_" + opcode)


def _drop_wide(op: Elementwise) -> None:
    """Takes away the kernel that computes large half precision in float32: a loop does that too."""
    op.kernels["cpu"] = [k for k in op.kernels["cpu"] if k.run is not op.wide]


def gradient(
    name: str,
    kernel: Callable,
    formula: Callable,
    opcode: str | None = None,
    *,
    settings: Callable = lambda alpha, beta: (alpha, beta),
    values: tuple[float, float] = (0.0, 0.0),
    domain: tuple[float, float] = (-2.0, 2.0),
) -> Callable:
    """Declares the gradient of an op of one tensor as an op of its own, ``f(g, saved, alpha, beta)``.

    It computes in one kernel. While gradients are recorded, ``formula`` takes its place: the same in
    ordinary ops, so that gradients of gradients are theirs.

    Args:
        name: what it is called, as ``"_relu_gradient"``.
        kernel: computes it from the arrays of the incoming gradient and of what was saved, and the two values.
        formula: the same over tensors.
        opcode: the extension's loop for large float32 arrays that lie alike.
        settings: the loop's two values from those of the op.
        values: the two values in samples.
        domain: where the saved tensor lies in samples.
    """

    def rule(grad: Tensor, saved: Tensor, alpha: float = 0.0, beta: float = 0.0) -> Spec:
        return Spec(grad._array.shape, grad.dtype)

    op = Primitive(
        declared(name, "The gradient of an op of one tensor.", rule, calling_module()),
        (),
        checks="failure",
    )
    plain_kernel(op.function, computed_wide(kernel))
    if opcode is not None:
        code, loop, empty_like = (
            native.extension.BINARY[opcode],
            native.extension.binary,
            np.empty_like,
        )

        def run(g: np.ndarray, saved: np.ndarray, alpha: float, beta: float) -> np.ndarray:
            out = empty_like(g)
            loop(code, g, saved, out, *settings(alpha, beta))
            return out

        op.add_kernel("cpu", run, when=_COMPACT_GRADIENT, name="native_" + opcode)

    @op.samples
    def samples(make: Callable) -> Any:
        yield call(make(3, 4), make(3, 4, low=domain[0], high=domain[1]), *values)
        yield call(make(()), make((), low=domain[0], high=domain[1]), *values)

    @op.oracle
    def oracle(
        g: np.ndarray, saved: np.ndarray, alpha: float = 0.0, beta: float = 0.0
    ) -> np.ndarray:
        return values_of(formula(wrap(g), wrap(saved), alpha, beta))

    single = op.function

    def choose(g: Tensor, saved: Tensor, alpha: float = 0.0, beta: float = 0.0) -> Tensor:
        return formula(g, saved, alpha, beta) if state.grad else single(g, saved, alpha, beta)

    choose.__name__ = choose.__qualname__ = name
    choose.op = op
    return choose
