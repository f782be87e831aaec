"""The recorded graph, and the walk back through it.

An operation that records makes a `Node`. It points to the nodes of its inputs (its *edges*), and keeps
what its gradient needs. A leaf that requires a gradient has an `AccumulateGrad` node; so a tensor
requires a gradient exactly if it has a node. One of several outputs has an `Output` node between.

Nodes are numbered as they are made, and an input is always made before its result. So the walk back
needs no counting of dependencies: it takes the youngest node that has a gradient, again and again.

A node knows the shape and dtype of the value it made. The walk sums and casts every gradient to those,
so no gradient rule has to undo broadcasting or promotion.
"""

from __future__ import annotations

import heapq
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count
from sys import getrefcount
from typing import Any

from ..hooks import RemovableHandle, hang
from ..memory import contiguous_format
from .modes import state

next_number = count().__next__


class Node:
    """One recorded operation.

    Attributes:
        op: the primitive; it holds the gradient rule.
        edges: for each input the node that made it, or None where no gradient flows.
        saved: what the rule named: tensors, `Saved` snapshots and plain values; None once freed.
        versions: the write counts of the saved tensors when they were saved; None if all were 0.
        shape, dtype: of the value made here; lists of them where there are several outputs.
        number: the order of creation.
        where: the place in the user's program, filled while someone asks for it (anomaly mode, traps).
        freed: True after a backward that did not retain the graph.
        hooks: what runs on the gradients here; None without any.
    """

    __slots__ = (
        "op", "edges", "saved", "versions", "shape", "dtype", "number", "where", "freed", "hooks",
        "__weakref__",
    )  # fmt: skip

    def backward(self, g: Any) -> Sequence[Any]:
        """The gradients of the inputs from the gradient of the output."""
        if self.freed and self.op.keeps_tensors:
            raise RuntimeError(
                "Trying to backward through the graph a second time: the values that "
                f"{self.name()} saved were freed by an earlier backward(). If the tensor comes from an "
                "earlier iteration, detach() it; for two losses over one graph, add them and call "
                "backward() once, or pass retain_graph=True to the first call."
            )
        return self.op.backward(self, g)

    def release(self) -> None:
        """Frees the tensors saved for backward; a rule that needs none can run again."""
        if self.op.keeps_tensors:
            self.saved = None
        self.freed = True

    def name(self) -> str:
        """PyTorch's name for this kind of node, as in ``"AddBackward0"``."""
        return self.op.node_name

    @property
    def next_functions(self) -> tuple:
        """For each input, the node it came from and which of that node's outputs it was."""
        return tuple(_edge(e) for e in self.edges)

    @property
    def saved_tensors(self) -> tuple:
        """What was kept for backward."""
        return tuple(self.saved or ())

    @property
    def metadata(self) -> dict:
        """A dictionary for the user's own notes on this node."""
        return hooks_of(self).metadata

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(grad_inputs, grad_outputs)`` after this node; it may return new ``grad_inputs``."""
        return hang(hooks_of(self).post, hook)

    def register_prehook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(grad_outputs)`` before this node; it may return new ``grad_outputs``."""
        return hang(hooks_of(self).pre, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


def _edge(node: Any) -> tuple:
    if type(node) is Output:
        return node.edges[0], node.index
    return node, 0


class Hooks:
    """What the user hung on one node."""

    __slots__ = ("tensor", "retain", "pre", "post", "metadata")

    def __init__(self) -> None:
        self.tensor: OrderedDict[int, Callable] = OrderedDict()
        self.retain: Any = None
        self.pre: OrderedDict[int, Callable] = OrderedDict()
        self.post: OrderedDict[int, Callable] = OrderedDict()
        self.metadata: dict = {}


def hooks_of(node: Any) -> Hooks:
    """The hooks of a node, made when first asked for."""
    if node.hooks is None:
        node.hooks = Hooks()
    return node.hooks


class Output:
    """One of several outputs of a node: where its gradient waits for the others."""

    __slots__ = ("edges", "index", "shape", "dtype", "number", "hooks", "where", "__weakref__")
    freed = False
    saved = None

    def __init__(self, node: Node, index: int, array: Any):
        self.edges = (node,)
        self.index = index
        self.shape = array.shape
        self.dtype = array.dtype
        self.number = next_number()
        self.hooks = None
        self.where = None

    def release(self) -> None:
        """An output keeps nothing."""

    def name(self) -> str:
        return self.edges[0].name()


class AccumulateGrad:
    """The end of the graph at a leaf: adds what arrives to the leaf's ``grad``."""

    __slots__ = ("_leaf", "number", "hooks", "after", "where", "__weakref__")
    edges = ()
    saved = None
    freed = False

    def __init__(self, leaf: Any):
        # Weak: the leaf owns this node, and a leaf that nobody holds needs no gradient.
        self._leaf = weakref.ref(leaf)
        self.number = -1  # Older than every operation: gradients arrive complete.
        self.hooks = None
        self.after: OrderedDict[int, Callable] | None = None
        self.where = None

    @property
    def variable(self) -> Any:
        """The leaf, or None if nobody holds it any more."""
        return self._leaf()

    @property
    def shape(self) -> tuple:
        leaf = self._leaf()
        return () if leaf is None else leaf._array.shape

    @property
    def dtype(self) -> Any:
        leaf = self._leaf()
        return None if leaf is None else leaf._array.dtype

    @property
    def next_functions(self) -> tuple:
        return ()

    def register_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(grad_inputs, grad_outputs)`` when a gradient has been added to the leaf."""
        return hang(hooks_of(self).post, hook)

    def register_prehook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(grad_outputs)`` before a gradient is added to the leaf."""
        return hang(hooks_of(self).pre, hook)

    def release(self) -> None:
        """A leaf keeps nothing."""

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"

    def accumulate(self, arrived: list[Any]) -> None:
        """Adds a gradient to the leaf's.

        Args:
            arrived: the gradient alone in a list, which this method empties: then it can tell whether
                somebody else holds it. If nobody does, its memory becomes the leaf's gradient.
        """
        leaf = self._leaf()
        if leaf is None:
            return
        g = arrived.pop()
        held = leaf._grad
        if held is not None:
            if state.grad:
                leaf._grad = held + g
            else:
                held.add_(g)
        elif not state.grad and getrefcount(g) <= _HOLDERS and _is_alone(g) and _lies_like(g, leaf):
            leaf._grad = g
        else:
            leaf._grad = _copied_for(leaf, g)
        if self.after:
            for hook in tuple(self.after.values()):
                hook(leaf)


# How often `getrefcount` counts what only its caller holds: in a variable and in the argument.
# `tests/autograd/test_graph.py` fails if a version of Python counts otherwise.
_HOLDERS = 2


def _is_alone(g: Any) -> bool:
    """Whether the memory of ``g`` belongs to no other tensor and no array of the user's."""
    array = g._array
    return (
        g._view is None
        and g._counter is None
        and g._node is None
        and getrefcount(array) <= _HOLDERS + 1
        and array.flags.writeable
    )


def _lies_like(g: Any, leaf: Any) -> bool:
    """Whether ``g`` lies in memory as ``leaf`` does, as far as anybody sees."""
    x, y = g._array, leaf._array
    if y.flags.c_contiguous:
        return g._private or x.flags.c_contiguous
    return leaf._private or x.strides == y.strides


def _copied_for(leaf: Any, g: Any) -> Any:
    """A copy of ``g`` in the memory order of ``leaf``."""
    if leaf.is_contiguous():
        return g.clone(memory_format=contiguous_format)
    return leaf.detach().clone().copy_(g)


def fit(g: Any, shape: tuple, dtype: Any) -> Any:
    """``g`` summed over broadcast dimensions to ``shape``, and cast to ``dtype``."""
    if g._array.shape != shape:
        g = g.sum_to_size(shape)
    if dtype is not None and g._array.dtype is not dtype:
        g = g._cast_gradient(dtype)
    return g


def walk(
    roots: Sequence[tuple[Any, Any]],
    retain_graph: bool,
    create_graph: bool,
    wanted: dict[Any, int] | None = None,
) -> list[Any]:
    """Carries gradients from the roots back through the graph.

    Args:
        roots: pairs of a node and the gradient of its value.
        retain_graph: keep what the nodes saved, for another walk.
        create_graph: record the gradients' own operations.
        wanted: nodes whose gradients to return, each with its place in the answer; leaves then keep
            their ``grad``. None adds to every leaf that is reached.

    Returns:
        The gradients asked for, None where nothing arrived; an empty list without ``wanted``.
    """
    found: list[Any] = [] if wanted is None else [None] * len(wanted)
    needed = None if wanted is None else _leading_to(wanted, [node for node, _ in roots])
    pending: dict[Any, Any] = {}
    heap: list[tuple[int, int, Any]] = []
    push, pop = heapq.heappush, heapq.heappop
    for node, g in roots:
        if node in pending:
            pending[node] = pending[node] + g
        else:
            pending[node] = g
            push(heap, (-node.number, id(node), node))
    before = state.grad, state.autocast
    # The ops here compute in the dtypes that were recorded, wherever backward() is called.
    state.grad, state.autocast = create_graph, None
    try:
        while heap:
            node = pop(heap)[2]
            g = pending.pop(node)
            hooks = node.hooks
            if hooks is not None:
                g = _run_hooks_before(node, hooks, g)
            kind = type(node)
            if wanted is not None and node in wanted:
                found[wanted[node]] = g
                if kind is AccumulateGrad:
                    continue
            if kind is AccumulateGrad:
                if wanted is None:
                    arrived, seen = [g], g if hooks is not None and hooks.post else None
                    g = None
                    node.accumulate(arrived)
                    if seen is not None:
                        _run_hooks_after(hooks, (), seen)
                continue
            if kind is Output:
                main = node.edges[0]
                waiting = pending.get(main)
                if waiting is None:
                    waiting = pending[main] = [None] * len(main.shape)
                    push(heap, (-main.number, id(main), main))
                held = waiting[node.index]
                waiting[node.index] = g if held is None else held + g
                continue
            gradients = node.backward(g)
            if not retain_graph:
                node.release()
            if hooks is not None and hooks.post:
                gradients = _run_hooks_after(hooks, gradients, g)
            for edge, gx in zip(node.edges, gradients):
                if gx is None or edge is None or (needed is not None and edge not in needed):
                    continue
                array = gx._array
                if array.shape != edge.shape or array.dtype is not edge.dtype:
                    gx = fit(gx, edge.shape, edge.dtype)
                if edge in pending:
                    pending[edge] = pending[edge] + gx
                else:
                    pending[edge] = gx
                    push(heap, (-edge.number, id(edge), edge))
            # Nothing here may hold a gradient that a leaf is about to take over.
            g = gx = gradients = array = None
    finally:
        state.grad, state.autocast = before
    return found


def _leading_to(wanted: dict[Any, int], roots: list[Any]) -> set:
    """The nodes below ``roots`` from which some wanted node can be reached, those included."""
    order: list[Any] = []
    seen = set(roots)
    stack = list(roots)
    while stack:
        node = stack.pop()
        order.append(node)
        for edge in node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    needed = set(wanted)
    # Oldest first: the inputs of a node are decided before the node.
    for node in sorted(order, key=lambda n: n.number):
        if any(edge in needed for edge in node.edges if edge is not None):
            needed.add(node)
    return needed


def _run_hooks_before(node: Any, hooks: Hooks, g: Any) -> Any:
    for hook in tuple(hooks.tensor.values()):
        changed = hook(g)
        if changed is not None:
            if not hasattr(changed, "_array"):
                raise TypeError(
                    f"expected Variable, but hook returned '{type(changed).__name__}': a hook gives the new "
                    "gradient as a tensor, or None"
                )
            if changed.shape != g.shape:
                raise RuntimeError(
                    f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value: "
                    f"the gradient was {tuple(g.shape)}, the hook gave {tuple(changed.shape)}"
                )
            g = changed
    if hooks.retain is not None:
        tensor = hooks.retain()
        if tensor is not None:
            retain(tensor, g)
    for hook in tuple(hooks.pre.values()):
        changed = hook(tuple(g) if isinstance(g, list) else (g,))
        if changed is not None:
            changed = changed if isinstance(changed, (tuple, list)) else (changed,)
            g = list(changed) if isinstance(g, list) else changed[0]
    return g


def retain(x: Any, g: Any) -> None:
    """Adds ``g`` to the ``grad`` of a tensor that is no leaf; the walk goes on with ``g`` itself."""
    x._grad = g.clone(memory_format=contiguous_format) if x._grad is None else x._grad + g


def _run_hooks_after(hooks: Hooks, gradients: Sequence[Any], g: Any) -> Sequence[Any]:
    for hook in tuple(hooks.post.values()):
        changed = hook(tuple(gradients), tuple(g) if isinstance(g, list) else (g,))
        if changed is not None:
            gradients = changed if isinstance(changed, (tuple, list)) else (changed,)
    return gradients
