"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend.native import extension
from ..tensor import Tensor, wrap
from .optimizer import Optimizer, as_number, checked


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    Args:
        params: the parameters, or groups of them.
        lr: the step size.
        betas: how much of both means is kept at each step.
        eps: added to the root of the second mean.
        weight_decay: the part of a parameter that is added to its gradient.
        amsgrad: divide by the largest second mean so far.
        maximize: climb instead.
        decoupled_weight_decay: shrink the parameter itself instead, as `AdamW` does.
        foreach, fused, capturable, differentiable: accepted; all parameters are always one native pass, except that
            ``differentiable`` records the step.

    Source: Kingma and Ba 2014, "Adam: a method for stochastic optimization"; Reddi et al. 2018 for ``amsgrad``.

    >>> w = rushlight.tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):  # fmt: skip
        checked("learning rate", lr)
        checked("epsilon value", eps)
        for i, beta in enumerate(betas):
            if not 0.0 <= as_number(beta) < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        checked("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
                "maximize": maximize, "foreach": foreach, "capturable": capturable,
                "differentiable": differentiable, "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )  # fmt: skip

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        names = ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if group["amsgrad"] else [])
        step = wrap(np.zeros((), np.float32))
        return {"step": step, **{name: wrap(np.zeros_like(p._array)) for name in names}}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = map(as_number, group["betas"])
        lr, decay = as_number(group["lr"]), group["weight_decay"]
        if group["maximize"]:
            g = -g
        if decay != 0:
            if group["decoupled_weight_decay"]:
                p.mul_(1 - lr * decay)
            else:
                g = g + p * decay
        if p.is_complex():
            # Real and imaginary parts are numbers of their own.
            p, g, *means = (x.view_as_real() for x in (p, g, state["exp_avg"], state["exp_avg_sq"]))
        else:
            means = [state["exp_avg"], state["exp_avg_sq"]]
        state["step"].add_(1)
        step = state["step"].item()
        first, second = means
        first.lerp_(g, 1 - beta1)
        second.mul_(beta2).addcmul_(g, g.conj(), value=1 - beta2)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            largest.copy_(largest.maximum(second))
            second = largest
        denominator = (second.sqrt() / (1 - beta2**step) ** 0.5).add_(group["eps"])
        p.addcdiv_(first, denominator, value=-lr / (1 - beta1**step))

    def fused_update(self, params: list[Tensor], grads: list[Tensor], states: list[dict], group: dict[str, Any]) -> None:
        """The formula of `update` in one pass over all parameters."""
        steps = []
        for state in states:
            count = state["step"]._array
            count += 1
            steps.append(float(count))
        beta1, beta2 = map(as_number, group["betas"])
        extension.adam_step(
            [p._array for p in params],
            [g._array for g in grads],
            [s["exp_avg"]._array for s in states],
            [s["exp_avg_sq"]._array for s in states],
            [s["max_exp_avg_sq"]._array for s in states] if group["amsgrad"] else None,
            steps, as_number(group["lr"]), beta1, beta2, group["eps"], as_number(group["weight_decay"]),
            group["decoupled_weight_decay"], group["maximize"],
        )  # fmt: skip


class AdamW(Adam):
    """`Adam` whose weight decay shrinks the parameters themselves.

    Args:
        As for `Adam`; ``weight_decay`` is 0.01 by default.

    Source: Loshchilov and Hutter 2017, "Decoupled weight decay regularization".

    >>> w = rushlight.tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8990], requires_grad=True)
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
        foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
        fused: bool | None = None,
    ):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip
