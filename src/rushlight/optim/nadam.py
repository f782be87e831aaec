"""Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_betas, check_not_negative, check_rate
from .parts import count, descend_by_quotient, gradient_of, rate_of

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """`Adam` that steps along the average of the gradient as it will be after the step.

    With gradient ``g`` at step ``t``, the averages ``m`` of ``g`` and ``v`` of ``g**2`` as in `Adam`, momenta
    ``mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)`` and ``q(t) = mu(1) * ... * mu(t)``:
    ``p = p - lr * (m * mu(t + 1) / (1 - q(t + 1)) + g * (1 - mu(t)) / (1 - q(t))) / (sqrt(v / (1 - beta2**t)) + eps)``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: about the length of a step.
        betas: how slowly the averages of the gradient and of its square forget, each in [0, 1).
        eps: keeps the quotient finite where gradients vanish.
        weight_decay: the factor of the L2 penalty.
        momentum_decay: how fast the momentum comes up to ``betas[0]``.
        decoupled_weight_decay: shrink the parameter by ``lr * weight_decay`` instead of adding to the
            gradient, as `AdamW` does.
        foreach, capturable: accepted; all parameters are updated in one native pass where it can be
            done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam".

    >>> w = rushlight.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.NAdam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.4718, -1.4718], requires_grad=True)
    """

    elementwise = True
    numbers = ("step", "mu_product")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, the product of all momenta, and the averages."""
        return {
            "step": tensor(0.0, dtype=dtypes.float32),
            "mu_product": tensor(1.0, dtype=dtypes.float32),
            "exp_avg": zeros_like(p),
            "exp_avg_sq": zeros_like(p),
        }

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr = rate_of(group)
        beta1, beta2 = map(float, group["betas"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        steps = count(state)
        g = gradient_of(p, g, group)
        momentum = beta1 * (1 - 0.5 * 0.96 ** (steps * group["momentum_decay"]))
        next_momentum = beta1 * (1 - 0.5 * 0.96 ** ((steps + 1) * group["momentum_decay"]))
        state["mu_product"].mul_(momentum)
        product = state["mu_product"].item()
        mean.lerp_(g, 1 - beta1)
        square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        size = (square / (1 - beta2**steps)).sqrt() + group["eps"]
        along_g = lr * (1 - momentum) / (1 - product)
        along_mean = lr * next_momentum / (1 - product * next_momentum)
        descend_by_quotient(p, g, size, along_g)
        descend_by_quotient(p, mean, size, along_mean)
