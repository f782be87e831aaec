"""The form in which an op is declared, and the one road that every call of it takes.

A declaration is a function whose signature, docstring and body are the op's signature, docs and shape
rule, with parts hung on it:

    @primitive("torch", "Tensor")
    def relu(input: Tensor) -> Spec: ...      # checks, then the shape and dtype of the result
    @relu.kernel("cpu", "cuda")               # computes on arrays; the last that applies is taken
    @relu.vjp                                 # the gradient, in ordinary ops
    @relu.oracle @relu.samples @relu.rejects  # how the tests know that all of this is right

From the signature `primitive` writes the road: the Python function that fetches the arrays, chooses the
kernel, wraps the result and records the node, with nothing looked up that was known at the declaration.
What the road does not handle at once (promotion, other devices, meta tensors, wrong arguments, someone
listening) goes the slow way, `Primitive.slow`, which ends in the same wrapping and recording.

A parameter's annotation says what may come: `Tensor`, `Tensor | None`, `Tensor | Number`, `list[Tensor]`
(first only); anything else is a plain value that is passed on to the kernel and the rule.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import warnings
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import casting, config, dtypes, road
from .arguments import cure_for, guarded, refuse_wrong_types
from .autograd.graph import Node, next_number
from .autograd.modes import state
from .autograd.views import View, advance, check_writable, history, rewrite
from .backend import native
from .operands import PLAIN_NUMBERS, Number, fit_number, result_type
from .results import (
    NOT_DIFFERENTIABLE,
    Saved,
    as_array,
    attach_outputs,
    check_version,
    check_versions,
    hides_order,
    is_channels_last,  # noqa: F401 - ops find it here
    unpack,
    version_of,
    wrap_all,
)
from .road import OPERAND, OPTIONAL, TENSOR, TENSORS, VALUE
from .samples import Call, Reject, call, reject  # noqa: F401 - ops find them here
from .tensor import MetaArray, Tensor, settle, wrap

# What NumPy warns of, a division by zero or an overflow, gives an ordinary value here, as in PyTorch.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\.")


class Spec(NamedTuple):
    """What an op's rule says of a result: its shape and its dtype."""

    shape: tuple[int, ...]
    dtype: dtypes.dtype


def like(x: Tensor, dtype: dtypes.dtype | None = None) -> Spec:
    """The shape of ``x``, and its dtype unless another is given."""
    return Spec(x._array.shape, x.dtype if dtype is None else dtype)


class Kernel(NamedTuple):
    """One way to compute an op.

    Attributes:
        run: the function over arrays.
        when: whether it is right for these arguments; None where it always is. A text is an expression
            over the parameters' arrays that becomes part of the road.
        takes_xp: whether its first argument is the array module.
        writes: whether it takes ``out=``, the array to write into.
        name: what tests and `RUSHLIGHT_DEBUG=3` call it.
    """

    run: Callable
    when: Any
    takes_xp: bool
    writes: bool
    name: str


_KINDS = {
    "Tensor": TENSOR,
    "Tensor | None": OPTIONAL,
    "Tensor | Number": OPERAND,
    "list[Tensor]": TENSORS,
}

# Every op by name, and every name by the place where users find it.
PRIMITIVES: dict[str, Primitive] = {}
EXPORTS: dict[str, dict[str, Any]] = {}

# Who listens to every call: debug switches, profilers, tracers. Each is a function
# (op, values, proceed) -> result that calls proceed(values) to go on.
listeners: list[Callable] = []


def export(function: Any, places: Sequence[str], name: str | None = None) -> None:
    """Makes ``function`` findable under its name in each of ``places``.

    Args:
        places: ``"torch"`` (the package itself), ``"Tensor"`` (a method), or a submodule as in
            ``"nn.functional"``.
    """
    name = name or function.__name__
    public = guarded(function)
    if public is not function:
        public.__name__ = name
    made = hasattr(public, "__wrapped__") or hasattr(public, "op")
    if made and name == public.__name__:
        _give_address(public, places)
    for place in places:
        EXPORTS.setdefault(place, {})[name] = public
        if place == "Tensor":
            setattr(Tensor, name, public)


def _give_address(function: Any, places: Sequence[str]) -> None:
    """Names a made function after the place where users, and pickles, find it."""
    homes = [place for place in places if place != "Tensor"]
    if homes:
        function.__module__ = "rushlight" if homes[0] == "torch" else f"rushlight.{homes[0]}"
        function.__qualname__ = function.__name__
    elif places:
        function.__module__, function.__qualname__ = "rushlight", f"Tensor.{function.__name__}"


def exported(
    *places: str, names: Sequence[str] = (), autocast: str | dict[str, str] | None = None
) -> Callable:
    """Declares an op that is made of other ops: a plain function with a public name.

    Args:
        names: more names for the same function.
        autocast: its word or words, as `casting` lists them; without, each op in it goes by its own.
    """

    def declare(function: Callable) -> Callable:
        if autocast is not None:
            function = guarded(function, casting.words(autocast))
        for name in (function.__name__, *names):
            export(function, places, name)
        return function

    return declare


def primitive(*places: str, **options: Any) -> Callable:
    """Declares an op; see the module's docstring. The options are those of `Primitive`."""

    def declare(function: Callable) -> Callable:
        return Primitive(function, places, **options).function

    return declare


class Primitive:
    """One op: its rule, kernels, gradient, oracle and samples, and the roads made from them.

    Args:
        rule: the declared function: checks, and the `Spec` of the result (a tuple of them for several).
        places: where its public name goes.
        promote: how operands come to one dtype: None (not at all), ``"same"``, ``"float"`` (integers become
            the default dtype).
        view: the kernel returns a view of the first argument's memory.
        layout: ``"channels_last"`` where the kernels give ``(N, C, *spatial)`` channels-last memory of their
        own choice.
        uniform: the tensors must have one dtype; the rule says what is wrong where they do not.
        checks: ``"always"`` runs the rule at each call, ``"failure"`` only to explain a kernel's error.
        inplace: whether there is a ``name_`` that writes into the first argument.
        outputs: the names of several outputs.
        differentiable: how many of them, from the first, have gradients; by default all that are floating.
        kept_for: for what the gradient rule names, the parameters whose gradients need it; where none of those is
            wanted, the rule gets None.
        node_name: PyTorch's name for its node in the graph.
        random: the kernel draws random numbers, so samples are compared with care.
        autocast: its dtype under autocast, a word or one for each type of device, as `casting` lists them.
    """

    def __init__(
        self,
        rule: Callable,
        places: Sequence[str],
        *,
        promote: str | None = None,
        view: bool = False,
        layout: str | None = None,
        uniform: bool = False,
        checks: str = "always",
        inplace: bool = False,
        outputs: Sequence[str] = (),
        differentiable: int | None = None,
        kept_for: dict[str, Sequence[str]] | None = None,
        node_name: str | None = None,
        random: bool = False,
        autocast: str | dict[str, str] | None = None,
    ):
        self.declared = rule
        self.name = rule.__name__
        self.title = self.name.strip("_")
        self.places = tuple(places)
        self.promote = promote
        self.view = view
        self.layout = layout
        self.uniform = uniform
        self.checks = checks
        self.outputs = tuple(outputs)
        self.differentiable = len(self.outputs) if differentiable is None else differentiable
        self.kept_for = kept_for or {}
        words = self.title.split("_")
        self.node_name = node_name or "".join(w[:1].upper() + w[1:] for w in words) + "Backward0"
        self.random = random
        self.autocast = casting.words(autocast)
        self.kernels: dict[str, list[Kernel]] = {"cpu": [], "cuda": []}
        self.gradient: Any = None
        self.first_needed_by: list[int] | None = None
        self.kept_dtypes: set[np.dtype] = set()
        self.oracle_function: Callable | None = None
        self.sample_function: Callable | None = None
        self.reject_function: Callable | None = None
        names = rule.__code__.co_varnames[
            : rule.__code__.co_argcount + rule.__code__.co_kwonlyargcount
        ]
        self.parameters = names
        self.rule = rule
        if rule.__code__.co_kwonlyargcount:
            # Everything behind the public function passes arguments by position.
            self.rule = lambda *values: rule(**dict(zip(names, values)))
        self.kinds = tuple(_KINDS.get(rule.__annotations__.get(n), VALUE) for n in names)
        self.tensor_names = tuple(n for n, k in zip(names, self.kinds) if k != VALUE)
        self.function = self._stand_in(self.slow)
        if self.autocast is not None:
            self.cast_already = self._stand_in(self._proceed, watches=False)
        for part in ("kernel", "vjp", "oracle", "samples", "rejects"):
            setattr(self.function, part, getattr(self, part))
        PRIMITIVES[self.name] = self
        export(self.function, places)
        if inplace:
            self._export_inplace()

    @property
    def signature(self) -> inspect.Signature:
        """The declared signature."""
        return inspect.signature(self.declared)

    # ---- the parts of a declaration ---------------------------------------------------------------

    def kernel(self, *targets: str, when: Any = None, writes: bool = False) -> Callable:
        """Adds a kernel for devices; of several that apply, the last declared is taken.

        The function takes ``(xp, *arguments)``, arrays in the place of tensors, and ``out=`` if it ``writes``.
        """

        def declare(run: Callable) -> Callable:
            for target in targets:
                self.kernels[target].append(
                    Kernel(run, when, True, writes, run.__name__.strip("_"))
                )
            return run

        return declare

    def add_kernel(
        self,
        target: str,
        run: Callable,
        when: Any = None,
        writes: bool = False,
        name: str | None = None,
    ) -> None:
        """Adds a kernel that takes the arrays alone, as a NumPy ufunc does."""
        self.kernels[target].append(Kernel(run, when, False, writes, name or run.__name__))

    def vjp(self, rule: Callable | None = None, **each: Callable | None) -> Callable | None:
        """Gives the gradient rule: one function, or one for each differentiable tensor parameter.

        It takes ``g`` (one gradient for each output, None where none came back) and, by name, what it needs:
        parameters,
        ``out`` or the names of outputs, ``<parameter>_shape``, ``<parameter>_dtype``, and ``needs`` (for each tensor
        parameter whether its gradient is wanted). Only what it names is kept alive. One function returns a
        gradient for each tensor parameter (a list for a ``list[Tensor]``).
        """
        self.gradient = each if rule is None else rule
        return rule

    def oracle(self, function: Callable) -> Callable:
        """Gives the float64 answer by another formula than the kernels', over NumPy arrays."""
        self.oracle_function = function
        return function

    def samples(self, function: Callable) -> Callable:
        """Gives the sample calls: ``function(make)`` yields `call`."""
        self.sample_function = function
        return function

    def rejects(self, function: Callable) -> Callable:
        """Gives the calls that must fail: ``function(make)`` yields `reject`."""
        self.reject_function = function
        return function

    # ---- making the roads -------------------------------------------------------------------------

    def _stand_in(self, slow: Callable, watches: bool = True) -> Callable:
        """The public function: at its first call it writes the road and becomes it.

        Args:
            watches: whether it looks out for autocast.
        """
        scope = {"__name__": self.declared.__module__, "slow": slow}
        function = FunctionType(_FIRST_CALL, scope, self.name)
        scope["become_road"] = lambda: self._become_road(function, watches)
        scope["itself"] = function
        function.__doc__ = self.declared.__doc__
        function.__module__ = self.declared.__module__
        function.__qualname__ = self.name
        function.__wrapped__ = self.declared
        function.op = self
        return function

    def as_operator(self) -> Callable:
        """The same road for ``a + b``: an operand of a foreign type gives Python the other side's turn."""
        return self._stand_in(self.slow_operator)

    def _become_road(self, function: Callable, watches: bool) -> None:
        scope = function.__globals__
        scope.update(self._scope(), record=self.record)
        text = road.road(self, self.cpu_kernels(), watches)
        made = self._execute(text, scope, "road")[self.name]
        function.__code__ = made.__code__
        function.__defaults__ = made.__defaults__
        function.__kwdefaults__ = made.__kwdefaults__

    def _scope(self) -> dict:
        """What the text of the roads refers to."""
        scope = dict(_SCOPE)
        for i, kernel in enumerate(self.cpu_kernels()):
            scope[f"kernel_{i}"] = kernel.run
            scope[f"when_{i}"] = kernel.when
        for name, p in self.signature.parameters.items():
            if p.default is not inspect.Parameter.empty:
                scope[f"_default_{name}"] = p.default
        scope.update(op=self, rule=self.rule, explain=self.explain, vjp=self.gradient)
        return scope

    def _execute(self, source: str, scope: dict, what: str) -> dict:
        # The text stays where tracebacks look for it.
        filename = f"<rushlight: {what} of {self.name}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        exec(compile(source, filename, "exec"), scope)
        return scope

    def __getattr__(self, name: str) -> Any:
        # The parts that are written when first needed.
        if name not in ("finish", "record", "backward", "keeps_tensors"):
            raise AttributeError(f"'Primitive' object has no attribute '{name}'")
        made = self._execute(road.recording(self), self._scope(), "recording")
        self.finish = made["finish"]
        self.record = made["record"] if self.gradient is not None else _record_nothing
        self.keeps_tensors = self.gradient is not None and road.keeps_tensors(self)
        self.backward = made.get("backward")
        return getattr(self, name)

    def cpu_kernels(self) -> list[Kernel]:
        """The kernels among which a call on the CPU chooses; the first is right everywhere."""
        kernels = self.kernels["cpu"]
        return kernels[:1] if config.KERNELS.read() == "plain" else kernels

    # ---- the slow way -----------------------------------------------------------------------------

    def slow_operator(self, *values: Any) -> Any:
        """`slow` for ``a + b``: what is no operand gives Python the chance to ask the other side."""
        for value, kind in zip(values, self.kinds):
            if kind == OPERAND and not isinstance(value, (Tensor, np.ndarray, *Number)):
                return NotImplemented
        return self.slow(*values)

    def slow(self, *values: Any) -> Any:
        """The call, for everything that the road does not handle at once."""
        if self.autocast is not None and state.autocast is not None:
            return casting.call(self.autocast, self.cast_already, values)
        return self._proceed(*values)

    def _proceed(self, *values: Any) -> Any:
        values = self._checked(values)
        if self.promote is not None:
            values = self._promoted(values)
        if listeners:
            return self._heard(values, len(listeners))
        return self.execute(values)

    def _heard(self, values: Sequence[Any], level: int) -> Any:
        if level == 0:
            return self.execute(values)
        return listeners[level - 1](self, values, lambda v: self._heard(v, level - 1))

    def _checked(self, values: Sequence[Any]) -> list[Any]:
        checked = []
        for i, (name, kind, value) in enumerate(zip(self.parameters, self.kinds, values)):
            if kind == TENSOR or (kind == OPTIONAL and value is not None):
                if not isinstance(value, Tensor):
                    raise self._wrong_type(i, name, "Tensor", value)
            elif kind == OPERAND and not isinstance(value, Tensor):
                if isinstance(value, np.ndarray):
                    value = wrap(np.asarray(value))
                elif not isinstance(value, Number):
                    raise self._wrong_type(i, name, "Tensor or a number", value)
                elif isinstance(value, (np.number, np.bool_)):
                    value = value.item()
            elif kind == TENSORS:
                if isinstance(value, Tensor) or not isinstance(value, (list, tuple)):
                    raise self._wrong_type(i, name, "tuple of Tensors", value)
                for j, item in enumerate(value):
                    if not isinstance(item, Tensor):
                        raise TypeError(
                            f"expected Tensor as element {j} in argument {i}, "
                            f"but got {type(item).__name__}"
                        )
            checked.append(value)
        return checked

    def _wrong_type(self, i: int, name: str, wanted: str, value: Any) -> TypeError:
        got = type(value).__name__
        return TypeError(
            f"{self.title}(): argument '{name}' (position {i + 1}) must be {wanted}, not {got}"
            f"{cure_for(value, wanted)}"
        )

    def _operands(self, values: Sequence[Any]) -> list[int]:
        found = [i for i, k in enumerate(self.kinds) if k == OPERAND]
        return found or [i for i, k in enumerate(self.kinds) if k in (TENSOR, OPTIONAL)]

    def _promoted(self, values: Sequence[Any]) -> list[Any]:
        """The operands in their common dtype; numbers stay numbers, brought into its range."""
        values = list(values)
        at = self._operands(values)
        target = result_type(*[values[i] for i in at if values[i] is not None])
        if self.promote == "float" and target.rank < dtypes.FLOATING:
            target = dtypes.get_default_dtype()
        tensors = [i for i in at if isinstance(values[i], Tensor)]
        if at[0] not in tensors:
            # Kernels and their conditions rely on an array in front, as the road does.
            values[at[0]] = wrap(np.asarray(fit_number(values[at[0]], target), target.numpy))
            tensors.append(at[0])
        for i in at:
            value = values[i]
            if value is None:
                continue
            if i in tensors:
                if value._array.dtype is not target.numpy and value._array.dtype != target.numpy:
                    values[i] = value.to(target)
            elif (
                type(value) is bool
                or type(value) not in PLAIN_NUMBERS
                or target.rank != dtypes.FLOATING
            ):
                values[i] = fit_number(value, target)
        return values

    def execute(self, values: Sequence[Any]) -> Any:
        """Runs the op on canonical arguments: rule, device, kernel, wrapping, recording."""
        specs = self.rule(*values)
        tensors = self._tensors(values)
        meta = [type(t._array) is MetaArray for t in tensors]
        if any(meta):
            if not all(meta):
                raise self._mixed_devices()
            several = isinstance(specs, tuple) and not isinstance(specs, Spec)
            arrays = [
                MetaArray(tuple(s.shape), s.dtype.numpy) for s in (specs if several else [specs])
            ]
            return self.finish(tuple(arrays) if self.outputs else arrays[0], *values)
        if self.view:
            settle(values[0])
        return self.finish(self.compute(values), *values)

    def _mixed_devices(self) -> RuntimeError:
        return RuntimeError(
            f"{self.title}: expected all tensors to be on the same device, but found meta and cpu; "
            "move them with .to(device)"
        )

    def _tensors(self, values: Sequence[Any]) -> list[Tensor]:
        tensors: list[Tensor] = []
        for value, kind in zip(values, self.kinds):
            if kind == TENSORS:
                tensors.extend(value)
            elif kind != VALUE and isinstance(value, Tensor):
                tensors.append(value)
        return tensors

    def compute(self, values: Sequence[Any], out: np.ndarray | None = None) -> Any:
        """The kernel's answer for canonical arguments, as arrays."""
        arrays = self.arrays(values)
        kernel = self.choose(arrays)
        arguments = [np, *arrays] if kernel.takes_xp else arrays
        try:
            with np.errstate(all="ignore"):
                if out is None:
                    return kernel.run(*arguments)
                if kernel.writes:
                    kernel.run(*arguments, out=out)
                else:
                    np.copyto(out, kernel.run(*arguments), casting="unsafe")
                return out
        except Exception as error:
            self.explain(error, *values)

    def arrays(self, values: Sequence[Any]) -> list[Any]:
        """The arguments as kernels take them."""
        return [
            [t._array for t in v]
            if k == TENSORS
            else (v._array if k != VALUE and isinstance(v, Tensor) else v)
            for v, k in zip(values, self.kinds)
        ]

    def choose(self, arrays: Sequence[Any]) -> Kernel:
        """The kernel for these arguments on the CPU."""
        kernels = self.cpu_kernels()
        for kernel in reversed(kernels[1:]):
            if self.applies(kernel, arrays):
                return kernel
        return kernels[0]

    def applies(self, kernel: Kernel, arrays: Sequence[Any]) -> bool:
        """Whether a kernel is right for these arguments."""
        if kernel.when is None:
            return True
        if isinstance(kernel.when, str):
            # The expression is a declaration's, the values are the arrays by the parameters' names.
            return bool(eval(_compiled(kernel.when), _SCOPE, dict(zip(self.parameters, arrays))))
        return bool(kernel.when(*arrays))

    def kernel_for(self, *args: Any, **kwargs: Any) -> str:
        """The name of the kernel that a call with these arguments takes, for tests of fast paths."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = self._checked([bound.arguments[p] for p in self.parameters])
        if self.promote is not None:
            values = self._promoted(values)
        return self.choose(self.arrays(values)).name

    def explain(self, error: Exception, *values: Any) -> Any:
        """Turns the failure of a kernel into what the user did wrong, and raises that.

        It returns only where the user made warnings errors and NumPy warned: then what the kernel gives.
        """
        if isinstance(error, RuntimeWarning):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                return self.compute(values)
        try:
            values = self._checked(values)
            annotations = self.rule.__annotations__
            refuse_wrong_types(
                self.title, ((n, annotations.get(n), v) for n, v in zip(self.parameters, values))
            )
            self.rule(*values)
        except Exception as wrong:
            # The kernel's own words say nothing to the user.
            raise wrong from None
        if isinstance(error, IndexError):
            raise error
        if isinstance(error, MemoryError):
            raise RuntimeError(f"{self.title}: not enough memory: {error}") from None
        raise RuntimeError(f"{self.title}: {error}") from (
            None if isinstance(error, ValueError) else error
        )

    # ---- in place ---------------------------------------------------------------------------------

    def _export_inplace(self) -> None:
        op = self

        def inplace(*args: Any, **kwargs: Any) -> Tensor:
            if kwargs or len(args) != len(op.parameters):
                bound = op.signature.bind(*args, **kwargs)
                bound.apply_defaults()
                args = tuple(bound.arguments.values())
            return args[0] if op.write_at_once(args) else op.write(args)

        name = self.name + "_"
        inplace.__name__ = inplace.__qualname__ = name
        inplace.__module__ = self.declared.__module__
        inplace.__wrapped__ = self.declared
        inplace.__doc__ = (
            f"`{self.name}`, written into ``{self.parameters[0]}``, which is returned."
        )
        inplace.op = self
        self.inplace = inplace
        export(inplace, self.places, name)

    def write_at_once(self, values: Sequence[Any]) -> bool:
        """`write` for the most frequent case, if this is it: nothing to record, promote or broadcast.

        Whether a dtype stays what it is was seen by an earlier `write`.
        """
        x = values[0]
        target = getattr(x, "_array", None)
        if (
            type(target) is not np.ndarray
            or target.dtype not in self.kept_dtypes
            or listeners
            or 0 in target.strides
            or (state.grad and (x._node is not None or x._view is not None))
        ):
            return False
        arrays: list[Any] = [target]
        for value, kind in zip(values[1:], self.kinds[1:]):
            if kind == VALUE or value is None:
                arrays.append(value)
            elif type(value) in PLAIN_NUMBERS:
                if target.dtype.kind != "f":
                    return False
                arrays.append(value)
            else:
                array = getattr(value, "_array", None)
                if (
                    type(array) is not np.ndarray
                    or array.dtype is not target.dtype
                    or array.shape != target.shape
                    or (state.grad and (value._node is not None or value._view is not None))
                ):
                    return False
                arrays.append(array)
        kernel = self.choose(arrays)
        if not kernel.writes:
            return False
        try:
            kernel.run(*([np] if kernel.takes_xp else []), *arrays, out=target)
        except Exception:
            return False  # `write` meets the same error, and explains it.
        advance(x)
        x._origin = None
        return True

    def write(self, values: Sequence[Any]) -> Tensor:
        """Runs the op with its result written into its first argument."""
        values = self._checked(values)
        x = values[0]
        if not isinstance(x, Tensor):
            raise self._wrong_type(0, self.parameters[0], "Tensor", x)
        recording = state.grad and any(history(t) is not None for t in self._tensors(values))
        if recording or (x._view is not None and state.grad):
            check_writable(x, recording)
        if self.promote is not None:
            values = self._promoted(values)
        spec = self.rule(*values)
        _check_fits(self.title, x, spec)
        if type(x._array) is MetaArray:
            return x
        if self.promote is not None and spec.dtype is x.dtype:
            self.kept_dtypes.add(x._array.dtype)
        if any(type(t._array) is MetaArray for t in self._tensors(values)):
            raise self._mixed_devices()
        before = history(x) if recording else None
        saved = values
        if recording:
            # What the gradient keeps of the old value must not keep the tensor, whose history will be this node.
            old = wrap(self._old_value(values))
            old._node = before if values[0] is x else values[0]._node
            saved = [old if v is x else v for v in values]
            saved[0] = old
            x._counter = x._counter or [0]
        if values[0] is x or values[0]._array is x._array:
            self.compute(values, out=x._array)
        else:
            np.copyto(x._array, self.compute(values), casting="unsafe")
        advance(x)
        for listener in reversed(listeners):
            listener(self, [*values[1:]], lambda _: x)
        if recording:
            if x._array.dtype.num in NOT_DIFFERENTIABLE:
                return x
            result = wrap(x._array)
            result._counter = x._counter
            node = self.record(result, *saved)
            rewrite(x, node)
        x._origin = None
        return x

    def _old_value(self, values: Sequence[Any]) -> np.ndarray:
        """The array about to be overwritten: a copy where a gradient will need what was in it."""
        array = values[0]._array
        if self.first_needed_by is None:
            name, rules = self.parameters[0], self.gradient
            if not isinstance(rules, dict):
                rules = dict.fromkeys(self.tensor_names, rules)
            self.first_needed_by = [
                self.parameters.index(n) for n, r in rules.items() if r and name in road.named_by(r)
            ]
        for i in self.first_needed_by:
            if isinstance(values[i], Tensor) and history(values[i]) is not None:
                return array.copy(order="K")
        return array


def _check_fits(name: str, x: Tensor, spec: Spec) -> None:
    if tuple(spec.shape) != x._array.shape:
        raise RuntimeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(spec.shape)}: "
            f"{name}_ writes into its first argument, which cannot grow; use {name} instead"
        )
    if not dtypes.can_cast(spec.dtype, x.dtype):
        raise RuntimeError(
            f"result type {spec.dtype.legacy} can't be cast to the desired output type "
            f"{x.dtype.legacy}: {name}_ writes into a tensor of {x.dtype}; use {name} instead"
        )
    refuse_overlap(x)


def refuse_overlap(x: Tensor) -> None:
    """Refuses to write into a tensor that holds some element of memory more than once.

    Raises:
        RuntimeError: it does, as what ``expand`` gives.
    """
    if type(x._array) is np.ndarray and 0 in x._array.strides and x._array.size > 1:
        if any(s == 0 and n > 1 for s, n in zip(x._array.strides, x._array.shape)):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a "
                "single memory location. Please clone() the tensor before performing the operation."
            )


@functools.cache
def _compiled(condition: str) -> CodeType:
    return compile(condition, "<rushlight: condition of a kernel>", "eval")


def _record_nothing(*values: Any) -> None:
    return None


def _first_call_template(*args: Any, **kwargs: Any) -> Any:
    become_road()  # noqa: F821 - both names are in the scope that each op gives to this code
    return itself(*args, **kwargs)  # noqa: F821


_FIRST_CALL: CodeType = _first_call_template.__code__
_SCOPE = {
    "ndarray": np.ndarray, "np": np, "Tensor": Tensor, "new": object.__new__, "Node": Node,
    "next_number": next_number, "state": state, "history": history, "settle": settle, "View": View,
    "listeners": listeners, "regions": casting.regions["cpu"], "PLAIN_NUMBERS": PLAIN_NUMBERS, "SEVERAL": (tuple, list),
    "as_array": as_array, "wrap_all": wrap_all, "hides_order": hides_order, "Saved": Saved,
    "unpack": unpack, "version_of": version_of, "check_version": check_version,
    "check_versions": check_versions, "attach_outputs": attach_outputs, "native": native,
    "NOT_DIFFERENTIABLE": NOT_DIFFERENTIABLE,
}  # fmt: skip
