"""Adamax."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_betas, check_not_negative, check_rate
from .parts import count, descend_by_quotient, gradient_of, rate_of

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """`Adam` with the recent maximum of the gradient's size in place of the root of its mean square.

    With gradient ``g`` (to which ``weight_decay * p`` is added) at step ``t``: ``m = beta1 * m + (1 - beta1) * g``,
    ``u = max(beta2 * u, abs(g) + eps)`` and ``p = p - lr / (1 - beta1**t) * m / u``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: about the length of a step.
        betas: how slowly the average of the gradient and the maximum forget, each in [0, 1).
        eps: keeps the quotient finite where gradients vanish.
        weight_decay: the factor of the L2 penalty.
        foreach, capturable: accepted; all parameters are updated in one native pass where it can be
            done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Kingma and Ba 2014, "Adam: A Method for Stochastic Optimization", section 7.

    >>> w = rushlight.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.Adamax([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5000, -1.5000], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_rate(lr)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, the average and the maximum, all zero."""
        step = tensor(0.0, dtype=dtypes.float32)
        return {"step": step, "exp_avg": zeros_like(p), "exp_inf": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr, mean, largest = rate_of(group), state["exp_avg"], state["exp_inf"]
        beta1, beta2 = map(float, group["betas"])
        steps = count(state)
        g = gradient_of(p, g, group)
        mean.lerp_(g, 1 - beta1)
        largest.copy_((largest * beta2).maximum(g.abs() + group["eps"]))
        length = lr / (1 - beta1**steps)
        descend_by_quotient(p, mean, largest, length)
