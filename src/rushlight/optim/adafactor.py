"""Adafactor: steps scaled as Adam's are, with far less to remember for matrices."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_not_negative, check_rate

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Steps whose length is scaled by the recent size of the gradients, kept by rows and columns.

    Of a matrix only the mean square of each row and of each column is remembered; an element's own is
    taken to be their product. Steps are relative to the size of the parameter and never longer than
    ``d`` times the usual. With gradient ``g`` at step ``t`` and ``b = 1 - t**beta2_decay``::

        length = max(eps2, rms(p)) * min(lr, 1 / sqrt(t))
        row = b * row + (1 - b) * mean(g**2, over columns), col likewise over rows
        v = row * col / max(mean(row), eps1)
        u = g / max(sqrt(v), eps1)
        p = p - lr * weight_decay * p - length * u / max(1, rms(u) / d)

    A parameter of less than two dimensions has a ``v`` of its own shape; one of more is a stack of matrices.

    Args:
        params: the parameters, or groups of them; see `Optimizer`. They must be real.
        lr: the longest relative step, and the factor of ``weight_decay``.
        beta2_decay: how fast the averages come to forget more slowly, 0 or less.
        eps: ``eps1``, below which nothing is divided by (None: the rounding of the parameter's dtype), and
            ``eps2``, the size that a smaller parameter is taken to have.
        d: how long a step may be, 1 or more.
        weight_decay: each step takes off ``lr * weight_decay`` of the parameter.
        foreach: accepted.
        maximize: go up instead of down.

    Raises:
        ValueError: an option is out of its range.
        RuntimeError: at a step, a parameter is complex.

    Source: Shazeer and Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", with the
    learning rate, decay and ``eps1`` of PyTorch's form.

    >>> w = rushlight.ones(2, 2, requires_grad=True)
    >>> optimizer = rushlight.optim.Adafactor([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]], requires_grad=True)
    """

    elementwise = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        check_rate(lr)
        if not beta2_decay <= 0.0:
            raise ValueError(f"Invalid beta2_decay: {beta2_decay}; it must be 0 or less")
        if eps[0] is not None:
            check_not_negative("epsilon1 value", eps[0])
        check_not_negative("epsilon2 value", eps[1])
        if not d >= 1.0:
            raise ValueError(f"Invalid clipping threshold d: {d}; it must be 1 or more")
        check_not_negative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The count of steps, and mean squares by rows and columns, or by elements of a vector."""
        state = {"step": tensor(0.0, dtype=dtypes.float32)}
        if p.dim() < 2:
            return {**state, "variance": zeros_like(p)}
        shape = p.shape
        row = p.new_zeros((*shape[:-1], 1))
        return {**state, "row_var": row, "col_var": p.new_zeros((*shape[:-2], 1, shape[-1]))}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        if p.is_complex():
            raise RuntimeError(
                "Adafactor does not support complex parameters; pass rushlight.view_as_real(p)"
            )
        lr, (eps1, eps2) = float(group["lr"]), group["eps"]
        eps1 = dtypes.finfo(p.dtype).eps if eps1 is None else eps1
        state["step"].add_(1)
        steps = state["step"].item()
        if group["maximize"]:
            g = -g
        length = max(eps2, _rms(p)) * min(lr, 1 / math.sqrt(steps))
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        fresh = steps ** group["beta2_decay"]
        square = g * g
        if p.dim() < 2:
            v = state["variance"].lerp_(square, fresh)
        else:
            row = state["row_var"].lerp_(square.mean(-1, keepdim=True), fresh)
            col = state["col_var"].lerp_(square.mean(-2, keepdim=True), fresh)
            v = row * col / row.mean(-2, keepdim=True).clamp(min=eps1)
        u = g / v.sqrt().clamp(min=eps1)
        p.add_(u, alpha=-length / max(1.0, _rms(u) / group["d"]))


def _rms(x: Tensor) -> float:
    """The root of the mean square; 0 where there is nothing."""
    return x.norm().item() / math.sqrt(x.numel()) if x.numel() else 0.0
