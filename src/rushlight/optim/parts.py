"""The parts of which the formulas of element-wise rules are made."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


def rate_of(group: dict[str, Any]) -> Any:
    """The learning rate of a group: a number, or a 0-dim tensor where a gradient is to reach it."""
    lr = group["lr"]
    if not isinstance(lr, Tensor):
        return lr
    return lr.reshape(()) if lr.requires_grad else lr.item()


def count(state: dict[str, Any]) -> float:
    """Counts the step, and tells which one it is: the first is 1."""
    state["step"].add_(1)
    return state["step"].item()


def gradient_of(p: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
    """The gradient to follow, with the penalty for large parameters; decoupled, it shrinks ``p`` at once."""
    if group["maximize"]:
        g = -g
    decay = group["weight_decay"]
    if decay == 0:
        return g
    if group.get("decoupled_weight_decay"):
        p.mul_(1 - rate_of(group) * decay)
        return g
    return g + p * decay if isinstance(decay, Tensor) else g.add(p, alpha=decay)


def descend(p: Tensor, direction: Tensor, length: Any) -> None:
    """``p - length * direction``, in place."""
    if isinstance(length, Tensor):
        p.sub_(direction * length)
    else:
        p.add_(direction, alpha=-length)


def descend_by_quotient(p: Tensor, direction: Tensor, size: Tensor, length: Any) -> None:
    """``p - length * direction / size``, in place."""
    if isinstance(length, Tensor):
        p.sub_(direction / size * length)
    else:
        p.addcdiv_(direction, size, value=-length)
