"""Adagrad."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops.creation import full_like, tensor
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_forms, check_not_negative, check_rate
from .parts import count, descend_by_quotient, gradient_of, rate_of

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Steps that become shorter, for each element, by all the gradients it has had.

    At step ``t`` with gradient ``g`` (to which ``weight_decay * p`` is added): ``sum = sum + g**2`` and
    ``p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: the length of the first step.
        lr_decay: how fast all steps become shorter.
        weight_decay: the factor of the L2 penalty.
        initial_accumulator_value: where the sums begin.
        eps: keeps the quotient finite where gradients vanish.
        foreach, fused: accepted; all parameters are updated in one native pass where it can be done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.
        RuntimeError: ``fused`` beside ``foreach`` or ``differentiable``.

    Source: Duchi et al. 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization".

    >>> w = rushlight.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.Adagrad([w], lr=0.5)
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
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_rate(lr)
        check_not_negative("lr_decay value", lr_decay)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("epsilon value", eps)
        check_forms(fused, foreach, differentiable)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self.init_state(p, group)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, and the sum of squares."""
        start = self.defaults["initial_accumulator_value"]
        return {
            "step": tensor(0.0, dtype=dtypes.float32),
            "sum": full_like(p, complex(start, start) if p.is_complex() else start),
        }

    def share_memory(self) -> None:
        """Moves the sums of squares to memory that other processes can see."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr, squares = rate_of(group), state["sum"]
        steps = count(state)
        g = gradient_of(p, g, group)
        length = lr / (1 + (steps - 1) * group["lr_decay"])
        squares.addcmul_(g, g)
        size = squares.sqrt() + group["eps"]
        descend_by_quotient(p, g, size, length)
