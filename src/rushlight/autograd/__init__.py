"""Gradients: the walk back through what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import function, graph
from . import modes as grad_mode
from .function import Function
from .gradcheck import gradcheck, gradgradcheck
from .graph import AccumulateGrad, retain, walk
from .modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .views import history

__all__ = [
    "Function",
    "Variable",
    "backward",
    "enable_grad",
    "function",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]


class _VariableType(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        from ..tensor import Tensor

        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableType):
    """The old name of a tensor: over the memory of ``data``, marked as a leaf if asked for.

    >>> Variable(rushlight.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    >>> isinstance(rushlight.ones(2), Variable)
    True
    """

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: bool | None = None) -> Any:
        import warnings

        from ..tensor import Tensor

        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        if volatile is not None:
            warnings.warn(
                "volatile was removed (Variable.volatile is always False), please use torch.no_grad() instead.",
                UserWarning,
                stacklevel=2,
            )
        out = data.detach()
        return out.requires_grad_() if requires_grad else out


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Adds to the ``grad`` of every leaf the gradient of the sum of ``tensors`` with respect to it.

    Args:
        tensors: one tensor or several.
        grad_tensors: the gradient of each, of its shape; None for scalars.
        retain_graph: keep the graph for another walk; by default as ``create_graph``.
        create_graph: record the gradients' own operations. The ``grad`` of a leaf then holds a graph that holds
            the leaf, until it is set to None; `grad` has no such cycle.
        inputs: the tensors whose ``grad`` to add to; by default every leaf.

    Raises:
        RuntimeError: a tensor has no history, or is no scalar and has no gradient given.

    >>> w = rushlight.tensor(3.0, requires_grad=True)
    >>> backward(w * w)
    >>> w.grad
    tensor(6.)
    """
    retain_graph = create_graph if retain_graph is None else retain_graph
    roots = _roots(
        _several(tensors),
        grad_tensors if grad_tensors is not None else grad_variables,
        create_graph,
    )
    if inputs is None:
        walk(roots, retain_graph, create_graph)
        return
    inputs = _several(inputs)
    if not inputs:
        raise RuntimeError("'inputs' argument to backward() cannot be empty.")
    wanted, places = _wanted(inputs)
    found = walk(roots, retain_graph, create_graph, wanted)
    for x, place in zip(inputs, places):
        if found[place] is None:
            continue
        with set_grad_enabled(create_graph):
            if type(x._node) is AccumulateGrad:
                x._node.accumulate([found[place]])
            else:
                retain(x, found[place])


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """The gradients of the sum of ``outputs`` with respect to each of ``inputs``; no ``grad`` is touched.

    Args:
        outputs, inputs: one tensor or several.
        grad_outputs: the gradient of each output, of its shape; None for scalars.
        retain_graph: keep the graph for another walk; by default as ``create_graph``.
        create_graph: record the gradients' own operations, for gradients of gradients.
        allow_unused: give None for an input that no output depends on, instead of an error.
        materialize_grads: give zeros for such an input.

    Returns:
        A tuple with one gradient for each input.

    Raises:
        RuntimeError: an input is not part of the graph, or an output has no history.

    >>> x = rushlight.tensor(2.0, requires_grad=True)
    >>> (first,) = grad(x**3, x, create_graph=True)
    >>> grad(first, x)
    (tensor(12.),)
    """
    outputs, inputs = _several(outputs), _several(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    retain_graph = create_graph if retain_graph is None else retain_graph
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    for i, x in enumerate(inputs):
        if history(x) is None:
            raise RuntimeError(
                f"One of the differentiated Tensors does not require grad: input {i}; "
                "call requires_grad_() on it before it is used"
            )
    roots = _roots(outputs, grad_outputs, create_graph)
    wanted, places = _wanted(inputs)
    found = walk(roots, retain_graph, create_graph, wanted)
    answers = []
    for i, (x, place) in enumerate(zip(inputs, places)):
        g = found[place]
        if g is None:
            if materialize_grads:
                from ..ops.creation import zeros_like

                g = zeros_like(x)
            elif not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set "
                    f"allow_unused=True if this is the desired behavior. (input {i})"
                )
        answers.append(g)
    return tuple(answers)


def _several(tensors: Any) -> Sequence[Any]:
    from ..tensor import Tensor

    tensors = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"expected a tensor or a sequence of tensors, but found {type(x).__name__}"
            )
    return tensors


def _wanted(inputs: Sequence[Any]) -> tuple[dict, list[int]]:
    wanted: dict[Any, int] = {}
    places = []
    for x in inputs:
        node = history(x)
        if node is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        places.append(wanted.setdefault(node, len(wanted)))
    return wanted, places


def _roots(tensors: Sequence[Any], gradients: Any, create_graph: bool) -> list[tuple[Any, Any]]:
    from ..ops.creation import ones_like
    from ..tensor import Tensor

    if gradients is None or isinstance(gradients, Tensor):
        gradients = (gradients,) * (1 if isinstance(gradients, Tensor) else len(tensors))
    for g in gradients:
        if g is not None and not isinstance(g, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if len(gradients) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    roots = []
    for i, (x, g) in enumerate(zip(tensors, gradients)):
        node = history(x)
        if node is None:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn: nothing that it "
                "was computed from requires a gradient, or it was computed under no_grad()"
            )
        if g is None:
            if x._array.size != 1:
                raise RuntimeError(
                    "grad can be implicitly created only for scalar outputs, but this tensor has shape "
                    f"{list(x.shape)}: reduce it first (.sum(), .mean()) or pass its gradient"
                )
            if not x.is_floating_point():
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {x.dtype}"
                )
            g = ones_like(x.detach())
        elif g.shape != x.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape "
                f"of {x.shape}."
            )
        roots.append((node, g))
    return roots
