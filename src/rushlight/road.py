"""The text of the roads: the Python functions that `primitive` writes from a declaration.

For `softplus(input, beta=1.0, threshold=20.0)` with one plain and one fast kernel it reads

    def softplus(input, beta=_default_beta, threshold=_default_threshold):
        try:
            input_ = input._array
        except AttributeError:
            return slow(input, beta, threshold)
        if listeners or type(input_) is not ndarray:
            return slow(input, beta, threshold)
        rule(input, beta, threshold)
        try:
            if when_1(input_, beta, threshold):
                result = kernel_1(np, input_, beta, threshold)
            else:
                result = kernel_0(np, input_, beta, threshold)
        except Exception as error:
            result = explain(error, input, beta, threshold)
        out = new(Tensor)
        ...                                   # the slots of the tensor
        if (input._node is not None or input._view is not None) and state.grad:
            out._node = record(out, input, beta, threshold)
        return out

`finish` is the part from `out = ...` on, for calls that went the slow way; `record` makes the node;
`backward` unpacks what the node kept and calls the gradient rule.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

TENSOR, OPTIONAL, OPERAND, TENSORS, VALUE = "tensor", "optional", "operand", "tensors", "value"


def road(op: Any, kernels: Sequence[Any], watches: bool = True) -> str:
    """The source of the public function.

    Args:
        watches: whether a call inside of an autocast region goes the slow way, if the op has a word for it.
    """
    head = f"def {op.name}{signature(op)}:"
    values = ", ".join(op.parameters)
    slow = f"return slow({values})"
    if TENSORS in op.kinds:
        return f"{head}\n    {slow}\n"
    fetch, ready = _fetch(op)
    lines = ["try:", *_indent(fetch), "except AttributeError:", f"    {slow}"]
    watches = watches and op.autocast is not None and "cpu" in op.autocast
    watched = "listeners or regions" if watches else "listeners"
    lines += [f"if {watched} or not ({' and '.join(ready)}):", f"    {slow}"]
    if op.view:
        x = op.parameters[0]
        lines += [f"if {x}._private:", f"    settle({x})", f"    {x}_ = {x}._array"]
    if op.checks == "always":
        lines.append(f"rule({values})")
    lines += ["try:", *_indent(_choice(op, kernels))]
    lines += ["except Exception as error:", f"    result = explain(error, {values})"]
    lines += _finish(op, on_road=True)
    return "\n".join([head, *_indent(lines)]) + "\n"


def recording(op: Any) -> str:
    """The source of `finish`, `record` and `backward`."""
    values = ", ".join(op.parameters)
    texts = [f"def finish(result, {values}):", *_indent(_finish(op, on_road=False))]
    if op.gradient is not None:
        kept = _kept(op)
        texts += [f"def record(out, {values}):", *_indent(_record(op, kept))]
        texts += ["def backward(node, incoming):", *_indent(_backward(op, kept))]
    return "\n".join(texts) + "\n"


def signature(op: Any) -> str:
    """The parameters; defaults stand there by name, so that any object can be one."""
    parts, star = [], False
    for name, p in op.signature.parameters.items():
        if p.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        parts.append(name if p.default is inspect.Parameter.empty else f"{name}=_default_{name}")
    return f"({', '.join(parts)})"


def condition(expression: str, op: Any) -> str:
    """A kernel's condition with the arrays' names in the place of the parameters'."""
    names = [n for n, k in zip(op.parameters, op.kinds) if k != VALUE]
    return re.sub(rf"\b({'|'.join(names)})\b", r"\1_", f"({expression})")


def named_by(rule: Any) -> list[str]:
    """What a gradient rule asks for after the incoming gradient."""
    return list(inspect.signature(rule).parameters)[1:]


def _indent(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


def _tensors(op: Any) -> list[tuple[str, str]]:
    return [(n, k) for n, k in zip(op.parameters, op.kinds) if k != VALUE]


def _fetch(op: Any) -> tuple[list[str], list[str]]:
    """The lines that fetch the arrays, and the conditions under which the road can go on."""
    fetch, ready = [], []
    for name, kind in _tensors(op):
        if kind == TENSOR:
            fetch.append(f"{name}_ = {name}._array")
            ready.append(f"type({name}_) is ndarray")
        elif kind == OPTIONAL:
            fetch.append(f"{name}_ = None if {name} is None else {name}._array")
            ready.append(f"({name}_ is None or type({name}_) is ndarray)")
        else:
            fetch.append(f"{name}_ = {name} if type({name}) in PLAIN_NUMBERS else {name}._array")
    if op.uniform:
        first, *others = [(n, k) for n, k in _tensors(op)]
        for name, kind in others:
            absent = f"{name}_ is None or " if kind == OPTIONAL else ""
            ready.append(f"({absent}{name}_.dtype is {first[0]}_.dtype)")
    if op.promote is None:
        return fetch, ready
    operands = [n for n, k in _tensors(op) if k == OPERAND]
    tensors = [n for n, k in _tensors(op) if k == TENSOR]
    if not tensors:
        # Two operands, of which the first is the tensor if one is a number; `2 - x` goes the slow way.
        ready.append(f"type({operands[0]}_) is ndarray")
        tensors, operands = operands[:1], operands[1:]
    first = tensors[0]
    if op.promote == "float":
        ready.append(f'{first}_.dtype.kind == "f"')
    for name in tensors[1:]:
        ready.append(f"{name}_.dtype is {first}_.dtype")
    for name in operands:
        ready.append(
            f"({name}_.dtype is {first}_.dtype if type({name}_) is ndarray "
            f'else type({name}) in PLAIN_NUMBERS and {first}_.dtype.kind == "f")'
        )
    return fetch, ready


def _choice(op: Any, kernels: Sequence[Any]) -> list[str]:
    """The lines that choose a kernel and run it: the last declared that applies."""
    arrays = [f"{n}_" if k != VALUE else n for n, k in zip(op.parameters, op.kinds)]
    lines: list[str] = []
    for i in reversed(range(len(kernels))):
        kernel = kernels[i]
        arguments = ["np", *arrays] if kernel.takes_xp else arrays
        run = f"result = kernel_{i}({', '.join(arguments)})"
        if kernel.when is None:
            return [*lines, "else:", f"    {run}"] if lines else [run]
        if isinstance(kernel.when, str):
            test = condition(kernel.when, op)
        else:
            test = f"when_{i}({', '.join(arrays)})"
        lines += [f"{'elif' if lines else 'if'} {test}:", f"    {run}"]
    raise TypeError(f"{op.name} has no kernel without a condition")


def _finish(op: Any, on_road: bool) -> list[str]:
    """The lines that wrap ``result`` in tensors and record the node."""
    values = ", ".join(op.parameters)
    private = _any_private(op, on_road)
    if op.outputs:
        lines = [f"out = wrap_all(result, {private}, {op.parameters[0]})"]
    else:
        lines = [
            "if type(result) is not ndarray:",
            "    result = as_array(result)",
            "out = new(Tensor)",
            "out._array = result",
            "out._node = out._counter = out._view = out._grad = out._origin = None",
        ]
        if op.view:
            lines.append("out._private = False")
        elif op.layout == "channels_last":
            lines.append(f"out._private = hides_order(result, {op.parameters[0]})")
        else:
            lines.append(f"out._private = ({private}) and not result.flags.c_contiguous")
    if op.view:
        x, *rest = op.parameters
        arguments = f"({', '.join(rest)},)" if rest else "()"
        lines += [
            f"edge = {x}._node if {x}._view is None else history({x})",
            f"counter = {x}._counter",
            "if counter is None:",
            f"    counter = {x}._counter = [0]",
            "out._counter = counter",
            f"out._origin = {x}._origin",
            f"out._view = View({x}, op, {arguments}, edge, counter[0])",
            "if edge is not None and state.grad:",
            f"    out._node = record(out, {values})",
        ]
    elif op.gradient is not None:
        keep = "" if op.outputs else "out._node = "
        lines += [
            f"if ({_any_history(op, on_road)}) and state.grad:",
            f"    {keep}record(out, {values})",
        ]
    return [*lines, "return out"]


def _any_private(op: Any, on_road: bool) -> str:
    terms = []
    for name, kind in _tensors(op):
        if kind == TENSORS:
            terms.append(f"any([t._private for t in {name}])")
        else:
            terms.append(_guarded(name, kind, on_road, f"{name}._private"))
    return " or ".join(terms) or "False"


def _any_history(op: Any, on_road: bool) -> str:
    terms = []
    for name, kind in _tensors(op):
        if isinstance(op.gradient, dict) and op.gradient.get(name) is None:
            continue
        if kind == TENSORS:
            terms.append(f"any([t._node is not None or t._view is not None for t in {name}])")
        else:
            has = f"{name}._node is not None or {name}._view is not None"
            terms.append(_guarded(name, kind, on_road, f"({has})"))
    return " or ".join(terms)


def _guarded(name: str, kind: str, on_road: bool, term: str) -> str:
    """``term`` where ``name`` is a tensor, else false."""
    if kind == TENSOR:
        return term
    if kind == OPTIONAL:
        return f"({name} is not None and {term})"
    is_tensor = f"type({name}_) is ndarray" if on_road else f"isinstance({name}, Tensor)"
    return f"({is_tensor} and {term})"


def _kept(op: Any) -> list[str]:
    """What the gradient rule names and the node must keep: parameters and outputs."""
    rules = op.gradient.values() if isinstance(op.gradient, dict) else [op.gradient]
    known = (*op.parameters, *_outputs(op))
    kept: list[str] = []
    for rule in rules:
        for name in named_by(rule) if rule is not None else []:
            if name in known:
                if name not in kept:
                    kept.append(name)
            elif name != "needs" and not (name[-6:] in ("_shape", "_dtype") and name[:-6] in known):
                raise TypeError(
                    f"the gradient of {op.name} names {name}, which the op does not have"
                )
    return kept


def keeps_tensors(op: Any) -> bool:
    """Whether the node keeps tensors, so that it cannot run again once they are freed."""
    names = (*op.tensor_names, *_outputs(op))
    return any(name in names for name in _kept(op))


def _outputs(op: Any) -> tuple[str, ...]:
    return op.outputs or ("out",)


def _record(op: Any, kept: Sequence[str]) -> list[str]:
    """The lines that make the node."""
    kinds = dict(_tensors(op))
    lines, edges, none = [], [], []
    for name, kind in kinds.items():
        differentiable = not isinstance(op.gradient, dict) or op.gradient.get(name) is not None
        fetch = f"{name}._node if {name}._view is None else history({name})"
        if not differentiable:
            lines.append(f"{name}_node = None")
        elif kind == TENSOR:
            lines.append(f"{name}_node = {fetch}")
        elif kind == OPTIONAL:
            lines.append(f"{name}_node = None if {name} is None else ({fetch})")
        elif kind == OPERAND:
            lines.append(f"{name}_node = ({fetch}) if isinstance({name}, Tensor) else None")
        else:
            lines.append(f"{name}_node = [history(t) for t in {name}]")
        edges.append(f"*{name}_node" if kind == TENSORS else f"{name}_node")
        none.append(f"not any({name}_node)" if kind == TENSORS else f"{name}_node is None")
    lines += [f"if {' and '.join(none)}:", "    return None"]
    if "dtype" in op.parameters:
        # The caller chooses the result's dtype, maybe one without gradients.
        lines += ["if out._array.dtype.num in NOT_DIFFERENTIABLE:", "    return None"]
    outputs = _outputs(op)
    kept_outputs = [n for n in kept if n in outputs]
    place = {n: f"out[{i}]" if op.outputs else "out" for i, n in enumerate(outputs)}
    for name in kept_outputs:
        lines += [f"if {place[name]}._counter is None:", f"    {place[name]}._counter = [0]"]
    lines += ["node = new(Node)", "node.op = op", f"node.edges = ({', '.join(edges)},)"]
    if kept:
        texts = [_kept_text(op, name, place, outputs) for name in kept]
        lines.append(f"saved = node.saved = ({', '.join(texts)},)")
    else:
        lines.append("node.saved = None")
    written = [f"{n}._counter is not None" for n in kept if kinds.get(n) == TENSOR]
    written += [f"version_of({n})" for n in kept if kinds.get(n) in (OPTIONAL, OPERAND, TENSORS)]
    written += [f"{place[n]}._counter[0]" for n in kept_outputs]
    lines.append("node.versions = None")
    if written:
        lines += [
            f"if {' or '.join(written)}:",
            "    node.versions = [version_of(value) for value in saved]",
        ]
    if op.outputs:
        lines += [
            "node.shape = [o._array.shape for o in out]",
            "node.dtype = [o._array.dtype for o in out]",
        ]
    else:
        lines += ["result = out._array", "node.shape = result.shape", "node.dtype = result.dtype"]
    lines += [
        "node.number = next_number()",
        "node.where = node.hooks = None",
        "node.freed = False",
    ]
    if op.outputs:
        lines.append("attach_outputs(node, out)")
    return [*lines, "return node"]


def _kept_text(op: Any, name: str, place: dict[str, str], outputs: Sequence[str]) -> str:
    """The expression that keeps ``name``: None if no gradient that is wanted names it."""
    if name in place:
        return f"Saved({place[name]}, {outputs.index(name)})"
    if name in op.kept_for:
        return (
            f"{name} if {' or '.join(f'{u}_node is not None' for u in op.kept_for[name])} else None"
        )
    if isinstance(op.gradient, dict) and name in op.tensor_names:
        users = [
            t for t, rule in op.gradient.items() if rule is not None and name in named_by(rule)
        ]
        if len(users) < sum(rule is not None for rule in op.gradient.values()):
            return f"{name} if {' or '.join(f'{u}_node is not None' for u in users)} else None"
    return name


def _backward(op: Any, kept: Sequence[str]) -> list[str]:
    """The lines that unpack what was kept, check that it is unchanged, and call the rule."""
    kinds = dict(zip(op.parameters, op.kinds))
    outputs = _outputs(op)
    lines = ["saved = node.saved"] if kept else []
    for i, name in enumerate(kept):
        lines.append(f"{name} = saved[{i}]")
        if name in outputs:
            lines += [
                f"if {name}.counter[0]:",
                f"    check_version(node, {i}, {name}.counter)",
                f"{name} = unpack({name}, node)",
            ]
        elif kinds[name] == TENSORS:
            lines += [f"check_versions(node, {i}, {name})"]
        elif kinds[name] != VALUE:
            sure = (
                kinds[name] == TENSOR
                and not isinstance(op.gradient, dict)
                and name not in op.kept_for
            )
            guard = "" if sure else f"isinstance({name}, Tensor) and "
            lines += [
                f"if {guard}{name}._counter is not None:",
                f"    check_version(node, {i}, {name}._counter)",
            ]
    edge_of = {name: f"node.edges[{i}]" for i, name in enumerate(op.tensor_names)}

    def argument(name: str) -> str:
        if name == "needs":
            return "[e is not None for e in node.edges]"
        if name in kinds or name in outputs:
            return name
        edge, part = edge_of.get(name[:-6]), name[-5:]
        if edge is None:
            return f"node.{part}"
        return f"(None if {edge} is None else {edge}.{part})"

    if isinstance(op.gradient, dict):
        answers = []
        for name in op.tensor_names:
            rule = op.gradient.get(name)
            if rule is None:
                answers.append("None")
                continue
            arguments = ", ".join(["incoming", *map(argument, named_by(rule))])
            answers.append(f"None if {edge_of[name]} is None else vjp[{name!r}]({arguments})")
        return [*lines, f"return ({', '.join(answers)},)"]
    arguments = ", ".join(["incoming", *map(argument, named_by(op.gradient))])
    return [
        *lines,
        f"answer = vjp({arguments})",
        "return answer if type(answer) in SEVERAL else (answer,)",
    ]
