"""Limiting the size of gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

from ...autograd.modes import no_grad
from ...ops.creation import tensor
from ...tensor import Tensor


def _gradients(parameters: Any) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in parameters if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    Args:
        norm_type: the order; ``inf`` gives the largest absolute value.
        error_if_nonfinite: raise where the norm is NaN or infinite.

    Raises:
        RuntimeError: see ``error_if_nonfinite``.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not tensors:
        return tensor(0.0)
    norm_type = float(norm_type)
    if norm_type == math.inf:
        total = max((g.abs().max() for g in tensors), key=float)
    elif norm_type == 2.0:
        total = tensor(
            math.sqrt(sum(float((g * g).sum()) for g in tensors)), dtype=tensors[0].dtype
        )
    else:
        each = sum(float(g.abs().pow(norm_type).sum()) for g in tensors)
        total = tensor(each ** (1.0 / norm_type), dtype=tensors[0].dtype)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so "
            "it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients so that their norm together is at most ``max_norm``.

    Args:
        parameters: a tensor, or several; those without a gradient do not count.
        norm_type: the order of the norm; may be ``inf``.
        error_if_nonfinite: raise where the norm is NaN or infinite.

    Returns:
        The norm before.

    >>> w = rushlight.ones(4, requires_grad=True)
    >>> (w * 3).sum().backward()
    >>> clip_grad_norm_(w, 1.0), w.grad
    (tensor(6.), tensor([0.5000, 0.5000, 0.5000, 0.5000]))
    """
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    factor = float(max_norm) / (float(total) + 1e-6)
    if not factor >= 1.0:  # NaN too scales, as in PyTorch
        for g in gradients:
            g.mul_(factor)
    return total


def clip_grad_norm(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "torch.nn.utils.clip_grad_norm is now deprecated in favor of torch.nn.utils.clip_grad_norm_.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type)


@no_grad()
def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Brings every element of the gradients into ``[-clip_value, clip_value]``."""
    for g in _gradients(parameters):
        g.clamp_(-float(clip_value), float(clip_value))
