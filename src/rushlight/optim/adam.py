"""Adam, and Adam with weight decay apart from the gradient."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_betas, check_forms, check_not_negative, check_rate
from .parts import count, descend_by_quotient, gradient_of, rate_of

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps whose length is scaled, for each element, by the recent size of its gradient.

    With gradient ``g`` at step ``t``: ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g**2`` and
    ``p = p - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: about the length of a step.
        betas: how slowly the averages of the gradient and of its square forget, each in [0, 1).
        eps: keeps the quotient finite where gradients vanish.
        weight_decay: the factor of the L2 penalty.
        amsgrad: divide by the largest average of the square so far.
        foreach, fused, capturable: accepted; all parameters are updated in one native pass where it can
            be done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.
        decoupled_weight_decay: shrink the parameter by ``lr * weight_decay`` instead of adding to the
            gradient, as `AdamW` does.

    Raises:
        ValueError: an option is out of its range.

    Source: Kingma and Ba 2014, "Adam: A Method for Stochastic Optimization"; Reddi et al. 2018, "On the
    Convergence of Adam and Beyond" (amsgrad).

    >>> w = rushlight.tensor([1.0, -1.0], requires_grad=True)
    >>> optimizer = rushlight.optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5000, -0.5000], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        check_rate(lr)
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        check_forms(fused, foreach, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps and the averages, all zero."""
        names = ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if group["amsgrad"] else [])
        step = tensor(0.0, dtype=dtypes.float32)
        return {"step": step, **{name: zeros_like(p) for name in names}}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr = rate_of(group)
        beta1, beta2 = map(float, group["betas"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        steps = count(state)
        g = gradient_of(p, g, group)
        mean.lerp_(g, 1 - beta1)
        square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            # Backward keeps what was compared.
            before = largest.clone() if group["differentiable"] else largest
            square = largest.copy_(before.maximum(square))
        size = (square.sqrt() / math.sqrt(1 - beta2**steps)).add_(group["eps"])
        length = lr / (1 - beta1**steps)
        descend_by_quotient(p, mean, size, length)


class AdamW(Adam):
    """`Adam` in which weight decay shrinks the parameter itself, not by way of the gradient.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: about the length of a step.
        betas: how slowly the averages of the gradient and of its square forget, each in [0, 1).
        eps: keeps the quotient finite where gradients vanish.
        weight_decay: each step takes off ``lr * weight_decay`` of the parameter.
        amsgrad: divide by the largest average of the square so far.
        maximize: go up instead of down.
        foreach, fused, capturable: accepted; all parameters are updated in one native pass where it can
            be done.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Loshchilov and Hutter 2017, "Decoupled Weight Decay Regularization".

    >>> w = rushlight.ones(1, requires_grad=True)
    >>> optimizer = rushlight.optim.AdamW([w], lr=0.5)
    >>> w.grad = rushlight.zeros(1)
    >>> optimizer.step()
    >>> w
    tensor([0.9950], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # AdamW is Adam with this option, whatever a loaded group says.
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
