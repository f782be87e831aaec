"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend.native import extension
from ..tensor import Tensor, wrap
from .optimizer import Optimizer, as_number, checked


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Args:
        params: the parameters, or groups of them.
        lr: the step size.
        momentum: the part of the last direction that is kept.
        dampening: the part of a new gradient that does not enter the direction.
        weight_decay: the part of a parameter that is added to its gradient.
        nesterov: look ahead along the direction.
        maximize: climb instead.
        foreach, fused, differentiable: accepted; all parameters are always one native pass, except that
            ``differentiable`` records the step.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".

    >>> w = rushlight.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: Any = 0,
        nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None,
        differentiable: bool = False, fused: bool | None = None,
    ):  # fmt: skip
        checked("learning rate", lr)
        checked("momentum value", momentum)
        checked("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
                "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if group["maximize"]:
            g = -g
        if group["weight_decay"] != 0:
            g = g + p * group["weight_decay"]
        momentum = group["momentum"]
        if momentum != 0:
            held = state.get("momentum_buffer")
            if held is None:
                held = state["momentum_buffer"] = g.detach().clone()
            else:
                held.mul_(momentum).add_(g, alpha=1 - group["dampening"])
            g = g + held * momentum if group["nesterov"] else held
        p.add_(g, alpha=-as_number(group["lr"]))

    def fused_update(self, params: list[Tensor], grads: list[Tensor], states: list[dict], group: dict[str, Any]) -> None:
        """The formula of `update` in one pass over all parameters."""
        momentum = group["momentum"]
        arrays, gradients = [p._array for p in params], [g._array for g in grads]
        options = (
            as_number(group["lr"]), momentum, group["dampening"], as_number(group["weight_decay"]),
            group["nesterov"], group["maximize"],
        )  # fmt: skip
        if momentum == 0:
            extension.sgd_step(arrays, gradients, None, *options, False)
            return
        first, later = [], []
        for i, state in enumerate(states):
            (first if state.get("momentum_buffer") is None else later).append(i)
        for i in first:
            states[i]["momentum_buffer"] = wrap(np.zeros_like(arrays[i]))
        for chosen, is_first in ((first, True), (later, False)):
            if chosen:
                extension.sgd_step(
                    [arrays[i] for i in chosen],
                    [gradients[i] for i in chosen],
                    [states[i]["momentum_buffer"]._array for i in chosen],
                    *options,
                    is_first,
                )
