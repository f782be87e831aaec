"""Muon: momentum made orthogonal, for the matrices between layers."""

from __future__ import annotations

import math
from typing import Any

from ..ops.creation import zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_not_negative, check_rate

__all__ = ["Muon"]


class Muon(Optimizer):
    """Steps along the nearest orthogonal matrix to the momentum, so that all directions move alike.

    With gradient ``g`` the buffer ``b`` and the parameter ``p`` become ``b = momentum * b + (1 - momentum) * g``
    and ``p = p - lr * weight_decay * p - lr * scale * orthogonal(b)``.

    Meant for the weights of hidden linear layers. Biases, gains, embeddings and the last layer belong to
    another optimizer, such as `AdamW`.

    Args:
        params: the parameters, or groups of them; see `Optimizer`. Each must have two dimensions and be real.
        lr: the length of a step along each direction, before ``adjust_lr_fn``.
        weight_decay: each step takes off ``lr * weight_decay`` of the parameter.
        momentum: how much of the last buffer is kept.
        nesterov: make ``momentum * b + (1 - momentum) * g`` orthogonal, as if the gradient were taken after the step.
        ns_coefficients: three numbers of the polynomial that brings singular values near 1.
        eps: the norm that a momentum of smaller norm is taken to have.
        ns_steps: how often the polynomial is applied, below 100.
        adjust_lr_fn: the scale for a parameter of ``A`` rows and ``B`` columns: ``"original"`` (the default) is
            ``sqrt(max(1, A / B))``; ``"match_rms_adamw"`` is ``0.2 * sqrt(max(A, B))``, with which steps are as
            long as those of `AdamW`.

    Raises:
        ValueError: an option is out of its range, or a parameter has not two dimensions.
        RuntimeError: at a step, a parameter is complex.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks" (with the
    coefficients); Liu et al. 2025, "Muon is Scalable for LLM Training" (``"match_rms_adamw"``).

    >>> w = rushlight.zeros(2, 3, requires_grad=True)
    >>> optimizer = rushlight.optim.Muon([w], lr=1.0)
    >>> w.grad = rushlight.tensor([[5.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    >>> optimizer.step()
    >>> w.detach().round()
    tensor([[-1.,  0.,  0.],
            [ 0.,  0., -1.]])
    """

    elementwise = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        check_rate(lr)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("epsilon value", eps)
        if not isinstance(ns_coefficients, (tuple, list)) or len(ns_coefficients) != 3:
            raise ValueError(f"ns_coefficients must be three numbers, but got {ns_coefficients}")
        if ns_steps >= 100:
            raise ValueError(f"ns_steps must be below 100, but got {ns_steps}; 5 is usual")
        if adjust_lr_fn not in (None, *_SCALES):
            raise ValueError(
                f"adjust_lr_fn must be None or one of {', '.join(_SCALES)}, but got {adjust_lr_fn!r}"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own; see `Optimizer.add_param_group`.

        Raises:
            ValueError: also where a parameter has not two dimensions.
        """
        super().add_param_group(param_group)
        for p in param_group["params"]:
            if p.dim() != 2:
                self.param_groups.pop()
                raise ValueError(
                    "Muon only supports 2D parameters, but one has the shape "
                    f"{tuple(p.shape)}; give those to another optimizer, such as AdamW"
                )

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The average of the gradient, all zero."""
        return {"momentum_buffer": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        lr, momentum = float(group["lr"]), group["momentum"]
        mean = state["momentum_buffer"].lerp_(g, 1 - momentum)
        aim = g.lerp(mean, momentum) if group["nesterov"] else mean
        aim = _orthogonal(aim, group["ns_coefficients"], group["ns_steps"], group["eps"])
        scale = _SCALES[group["adjust_lr_fn"] or "original"](*p.shape)
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(aim.to(p.dtype), alpha=-lr * scale)


_SCALES = {
    "original": lambda rows, columns: math.sqrt(max(1, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
}


def _orthogonal(x: Tensor, coefficients: tuple, steps: int, eps: float) -> Tensor:
    """``x`` with all singular values near 1, by ``x <- a * x + b * (x @ x.T) @ x + c * (x @ x.T)^2 @ x``.

    In bfloat16, whose rounding the iteration forgives. Sums of products are rounded once: they add up in float32.
    """
    a, b, c = coefficients
    # The products with the shorter side are the smaller ones.
    wide = x.shape[0] <= x.shape[1]
    x = (x if wide else x.T).bfloat16()
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        square, full = (x @ x.T).float(), x.float()
        both = (square * b + (square @ square) * c).bfloat16()
        x = (full * a + both.float() @ full).bfloat16()
    return x if wide else x.T
