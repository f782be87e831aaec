"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops.creation import full_like, tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_rate
from .parts import count, rate_of
from .tape import where

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Steps that look only at the sign of the gradient; for gradients of the whole data set.

    Each element has a step size of its own. It grows by ``etas[1]`` while the element's gradient keeps
    its sign; it shrinks by ``etas[0]`` when the sign turns, and the element then waits for one step.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: the first step size.
        etas: the factors by which a step size shrinks, in (0, 1), and grows, above 1.
        step_sizes: the least and the largest step size.
        capturable, foreach: accepted; all parameters are updated in one native pass where it can be
            done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Riedmiller and Braun 1993, "A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm".

    >>> w = rushlight.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.Rprop([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.7500, -1.7500], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(
                f"Invalid eta values: {etas[0]}, {etas[1]}; the first must lie between 0 and 1, "
                "the second above 1"
            )
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, the gradient of the step before, and the step sizes."""
        lr = float(rate_of(group))
        return {
            "step": tensor(0.0, dtype=dtypes.float32),
            "prev": zeros_like(p),
            "step_size": full_like(p, complex(lr, lr) if p.is_complex() else lr),
        }

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        before, size = state["prev"], state["step_size"]
        shrink, grow = group["etas"]
        least, largest = group["step_sizes"]
        count(state)
        if group["maximize"]:
            g = -g
        turn = g * before
        scaled = where(turn > 0, size * grow, where(turn < 0, size * shrink, size))
        size.copy_(scaled.clamp(least, largest))
        g = where(turn < 0, 0.0, g)
        p.addcmul_(g.sign(), size, value=-1)
        before.copy_(g)
