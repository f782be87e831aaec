"""Adadelta."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_not_negative, check_rate
from .parts import count, descend, gradient_of, rate_of

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps whose length follows, for each element, from its recent steps and gradients.

    With gradient ``g`` (to which ``weight_decay * p`` is added): ``v = rho * v + (1 - rho) * g**2``,
    ``d = sqrt(u + eps) / sqrt(v + eps) * g``, ``u = rho * u + (1 - rho) * d**2`` and ``p = p - lr * d``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: the factor on the step that the rule finds.
        rho: how slowly the averages of the squares forget, in [0, 1].
        eps: starts the first steps, and keeps the quotient finite where gradients vanish.
        weight_decay: the factor of the L2 penalty.
        foreach, capturable: accepted; all parameters are updated in one native pass where it can be
            done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method".

    >>> w = rushlight.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.Adadelta([w], lr=100.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.6838, -1.6838], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}; it must lie between 0 and 1")
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, and the averages of squared gradients and steps, all zero."""
        step = tensor(0.0, dtype=dtypes.float32)
        return {"step": step, "square_avg": zeros_like(p), "acc_delta": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr, rho, eps = rate_of(group), group["rho"], group["eps"]
        square, steps_square = state["square_avg"], state["acc_delta"]
        count(state)
        g = gradient_of(p, g, group)
        square.mul_(rho).addcmul_(g, g, value=1 - rho)
        delta = (steps_square + eps).sqrt() / (square + eps).sqrt() * g
        steps_square.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        descend(p, delta, lr)
