"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_forms, check_not_negative, check_rate
from .parts import descend, gradient_of, rate_of

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    With gradient ``g`` (to which ``weight_decay * p`` is added) the buffer ``b`` and the parameter ``p`` become
    ``b = momentum * b + (1 - dampening) * g`` and ``p = p - lr * b``; at the first step ``b = g``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: the length of a step.
        momentum: how much of the last step is kept.
        dampening: how much of the gradient is left out of the buffer.
        weight_decay: the factor of the L2 penalty.
        nesterov: step along ``g + momentum * b``, as if the gradient were taken after the step.
        maximize: go up instead of down.
        foreach, fused: accepted; all parameters are updated in one native pass where it can be done.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning",
    in the form that PyTorch gave it.

    >>> w = rushlight.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000, 1.0000], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_rate(lr)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening, "
                f"but momentum is {momentum} and dampening {dampening}"
            )
        check_forms(fused, foreach, differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def state_shapes(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The buffer has the shape of the parameter."""
        return {"momentum_buffer": p.shape}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr, momentum = rate_of(group), group["momentum"]
        g = gradient_of(p, g, group)
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = g.detach().clone()
            else:
                buffer.mul_(momentum).add_(g, alpha=1 - group["dampening"])
            g = g.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        descend(p, g, lr)
