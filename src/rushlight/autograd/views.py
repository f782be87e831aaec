"""Views: tensors that share memory, and what an in-place write does to their histories.

A view remembers the tensor it was taken from and the op that took it. A write that records changes the
value of the tensor written to, of every tensor above it, and of every other view of those. The tensors
above get their new history at once (`rewrite`): each is its old value with the written region replaced.
The views get theirs when someone asks (`history`): the op that took them is recorded again on the new
history of their parent. All of them share one write counter, which tells whether to look.
"""

from __future__ import annotations

from typing import Any

from .graph import AccumulateGrad, hooks_of, next_number
from .modes import state


class View:
    """How a tensor was taken from another.

    Attributes:
        parent: the tensor whose memory it shares.
        op, arguments: the view primitive, and its arguments after the tensor.
        edge: the history of the parent on which the view's own history rests.
        version: the write count for which ``edge`` was last found right.
        recorded: False where it was taken while gradients were off.
    """

    __slots__ = ("parent", "op", "arguments", "edge", "version", "recorded")

    def __init__(self, parent: Any, op: Any, arguments: tuple, edge: Any, version: int):
        self.parent = parent
        self.op = op
        self.arguments = arguments
        self.edge = edge
        self.version = version
        self.recorded = state.grad


def history(x: Any) -> Any:
    """The node that made the present value of ``x``; None if no gradient flows to it."""
    view = x._view
    if view is None or not view.recorded or x._counter[0] == view.version:
        return x._node
    edge = history(view.parent)
    if edge is not view.edge:
        view.edge = edge
        set_history(x, None if edge is None else view.op.record(x, view.parent, *view.arguments))
    view.version = x._counter[0]
    return x._node


def set_history(x: Any, node: Any) -> None:
    """Makes ``node`` the history of ``x``; a wish to keep its gradient goes with the tensor."""
    old = x._node
    x._node = node
    if (
        node is not None
        and type(old) is not AccumulateGrad
        and old is not None
        and old.hooks is not None
    ):
        retained, old.hooks.retain = old.hooks.retain, None
        if retained is not None:
            hooks_of(node).retain = retained


def check_writable(x: Any, recording: bool) -> None:
    """Refuses an in-place write to ``x`` that autograd cannot follow.

    Args:
        recording: whether the write itself has a gradient.

    Raises:
        RuntimeError: gradients are on, and ``x`` is a leaf that requires one, a view of such a leaf, or a view
            taken under ``no_grad`` of memory that has a history or is about to get one.
    """
    what, taken_unseen = "a leaf", False
    while True:
        view = x._view
        if type(x._node) is AccumulateGrad and not taken_unseen:
            raise RuntimeError(
                f"{what} Variable that requires grad is being used in an in-place operation. "
                "Do it under torch.no_grad(), or out of place: x = x + 1 instead of x += 1."
            )
        if view is None:
            break
        what, taken_unseen, x = "a view of a leaf", taken_unseen or not view.recorded, view.parent
    if taken_unseen and (recording or x._node is not None):
        raise RuntimeError(
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
            "Take the view where you write to it, or write under no_grad as well."
        )


class Region:
    """The new value of a tensor of which a view was written to: the old value with a region replaced.

    Its edges are the old value and the written one.
    """

    __slots__ = (
        "op", "arguments", "edges", "shape", "dtype", "number", "hooks", "where", "__weakref__",
    )  # fmt: skip
    freed = False
    saved = None

    def __init__(self, parent: Any, written: Any, op: Any, arguments: tuple):
        self.op = op
        self.arguments = arguments
        self.edges = (history(parent), written)
        self.shape = parent._array.shape
        self.dtype = parent._array.dtype
        self.number = next_number()
        self.hooks = None
        self.where = None

    def backward(self, g: Any) -> tuple:
        """The gradient outside the region goes to the old value, inside it to the written one."""
        old = None
        if self.edges[0] is not None:
            old = g.clone()
            self.op.function(old, *self.arguments).zero_()
        return old, self.op.function(g, *self.arguments)

    def release(self) -> None:
        """Nothing is kept but the shape of the region."""

    def name(self) -> str:
        return "torch::autograd::CopySlices"

    def __repr__(self) -> str:
        return f"<CopySlices object at {id(self):#x}>"


def rewrite(x: Any, node: Any) -> None:
    """Makes ``node`` the history of the value just written into ``x``.

    The write must have been counted already.
    """
    view = x._view
    if view is None:
        set_history(x, node)
    else:
        rewrite(view.parent, Region(view.parent, node, view.op, view.arguments))
        # What was asked about its history meanwhile was answered from the old one.
        view.version = -1


def advance(x: Any) -> None:
    """Counts a write to the memory of ``x``."""
    counter = x._counter
    if counter is None:
        x._counter = [1]
    else:
        counter[0] += 1
