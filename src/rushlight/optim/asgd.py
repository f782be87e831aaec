"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_not_negative, check_rate
from .parts import count, gradient_of, rate_of

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Gradient descent that also keeps the average of the parameters on its way.

    At step ``t`` with gradient ``g`` (to which ``weight_decay * p`` is added):
    ``p = (1 - lambd * eta) * p - eta * g`` and ``ax = ax + mu * (p - ax)``, where ``eta`` begins with ``lr`` and ``mu``
    with 1; then ``eta = lr / (1 + lambd * lr * t)**alpha`` and ``mu = 1 / max(1, t - t0)``. The average is
    ``optimizer.state[p]["ax"]``.

    Args:
        params: the parameters, or groups of them; see `Optimizer`.
        lr: the length of the first step.
        lambd: how much each step shrinks the parameter, and how fast steps become shorter.
        alpha: the power by which steps become shorter.
        t0: the step from which on ``ax`` is an average; before, it is a copy of the parameter.
        weight_decay: the factor of the L2 penalty.
        foreach, capturable: accepted; all parameters are updated in one native pass where it can be
            done.
        maximize: go up instead of down.
        differentiable: record the step itself, for gradients through it.

    Raises:
        ValueError: an option is out of its range.

    Source: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging", with the
    schedules of Bottou's ``asgd`` in the form that PyTorch gave them.

    >>> w = rushlight.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = rushlight.optim.ASGD([w], lr=0.25, lambd=0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000, 1.0000], requires_grad=True)
    """

    elementwise = True
    numbers = ("step", "eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_rate(lr)
        check_not_negative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, the first step's length, the weight of the parameter, and the average."""
        return {
            "step": tensor(0.0, dtype=dtypes.float32),
            "eta": tensor(float(rate_of(group)), dtype=dtypes.float32),
            "mu": tensor(1.0, dtype=dtypes.float32),
            "ax": zeros_like(p),
        }

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        lr, lambd, average = float(rate_of(group)), group["lambd"], state["ax"]
        eta, mu = state["eta"].item(), state["mu"].item()
        steps = count(state)
        g = gradient_of(p, g, group)
        p.mul_(1 - lambd * eta)
        p.add_(g, alpha=-eta)
        if mu == 1:
            average.copy_(p)
        else:
            average.add_((p - average) * mu)
        # Rounded to what a new state holds: a loaded one has the dtype of its parameter, and training
        # that goes on from a file must not differ from training that was never interrupted.
        state["eta"].fill_(float(np.float32(lr / (1 + lambd * lr * steps) ** group["alpha"])))
        state["mu"].fill_(float(np.float32(1 / max(1, steps - group["t0"]))))
