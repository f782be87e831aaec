"""RMSprop."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_not_negative, check_rate
from .parts import count, descend, descend_by_quotient, gradient_of, rate_of

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Steps divided, for each element, by the recent size of its gradient.

    With gradient ``g`` (to which ``weight_decay * p`` is added): ``v = alpha * v + (1 - alpha) * g**2`` and
    ``p = p - lr * g / (sqrt(v) + eps)``. With momentum the quotient is collected first:
    ``b = momentum * b + g / (sqrt(v) + eps)`` and ``p = p - lr * b``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: about the length of a step.
        alpha: how slowly the average of the square forgets.
        eps: keeps the quotient finite where gradients vanish.
        weight_decay: the factor of the L2 penalty.
        momentum: how much of the last step is kept.
        centered: take the average of the gradient, squared, off ``v``, so that the root is of the variance.
        capturable, foreach: accepted; all parameters are updated in one native pass where it can be
            done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Tieleman and Hinton 2012, "Neural Networks for Machine Learning", lecture 6; Graves 2013,
    "Generating Sequences With Recurrent Neural Networks" (centered).

    >>> w = rushlight.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.RMSprop([w], lr=0.05)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5000, -1.5000], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_rate(lr)
        check_not_negative("epsilon value", eps)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, and the averages that the options ask for, all zero."""
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        step = tensor(0.0, dtype=dtypes.float32)
        return {"step": step, **{name: zeros_like(p) for name in names}}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr, alpha, square = rate_of(group), group["alpha"], state["square_avg"]
        count(state)
        g = gradient_of(p, g, group)
        square.mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"]
            mean.lerp_(g, 1 - alpha)
            square = square.addcmul(mean, mean, value=-1)
        size = square.sqrt() + group["eps"]
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"]
            buffer.mul_(group["momentum"]).addcdiv_(g, size)
            descend(p, buffer, lr)
        else:
            descend_by_quotient(p, g, size, lr)
