"""Rectified Adam."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_betas, check_not_negative, check_rate
from .parts import count, gradient_of, rate_of

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """`Adam` that trusts the average of the squares only as far as it has seen enough of them.

    With the averages ``m`` and ``v`` of the gradient and its square, both corrected as in `Adam`, and
    ``rho = 2 / (1 - beta2) - 1``: ``r(t) = rho - 2 * t * beta2**t / (1 - beta2**t)`` says for how many gradients
    ``v`` stands. Where it is 5 or less, ``p = p - lr * m``; else ``p = p - lr * c * m / (sqrt(v) + eps)`` with
    ``c**2 = (r - 4) * (r - 2) * rho / ((rho - 4) * (rho - 2) * r)``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: about the length of a step.
        betas: how slowly the averages of the gradient and of its square forget, each in [0, 1).
        eps: keeps the quotient finite where gradients vanish; it is added before the correction of ``v``.
        weight_decay: the factor of the L2 penalty.
        decoupled_weight_decay: shrink the parameter by ``lr * weight_decay`` instead of adding to the
            gradient, as `AdamW` does.
        foreach, capturable: accepted; all parameters are updated in one native pass where it can be
            done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Liu et al. 2019, "On the Variance of the Adaptive Learning Rate and Beyond".

    >>> w = rushlight.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5000, -1.0000], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps and the averages, all zero."""
        step = tensor(0.0, dtype=dtypes.float32)
        return {"step": step, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr = rate_of(group)
        beta1, beta2 = map(float, group["betas"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        steps = count(state)
        g = gradient_of(p, g, group)
        mean.lerp_(g, 1 - beta1)
        square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        direction = mean / (1 - beta1**steps) * lr
        correction = 1 - beta2**steps
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * steps * beta2**steps / correction
        if length > 5:
            rectified = (length - 4) * (length - 2) * longest
            rectified /= (longest - 4) * (longest - 2) * length
            size = math.sqrt(correction) / (square.sqrt() + group["eps"])
            direction = direction * size * math.sqrt(rectified)
        p.sub_(direction)
