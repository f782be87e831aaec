"""Limiting the size of gradients."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from types import GeneratorType

from ...autograd.modes import no_grad
from ...many import clamp_all, scale_all
from ...ops.creation import tensor
from ...ops.join import stack
from ...ops.statistics import vector_norm
from ...tensor import Tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p._grad for p in parameters if p._grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    Args:
        tensors: one, or several, floating or complex.
        norm_type: the order, any number; ``inf`` gives the largest absolute value.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: accepted; there is one way.

    Raises:
        RuntimeError: see ``error_if_nonfinite``; or a tensor is not floating, or has no elements and
            the norm of nothing is not defined.

    >>> get_total_norm([rushlight.tensor([3.0]), rushlight.tensor([4.0])])
    tensor(5.)
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return tensor(0.0)
    norms = [vector_norm(x, norm_type) for x in tensors]
    total = vector_norm(stack(norms), norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite norm "
            "anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scales all gradients by ``max_norm / total_norm`` where that is less than 1.

    Args:
        parameters: a tensor, or several; those without a gradient do not count.
        max_norm: the norm that the gradients may have.
        total_norm: the norm that they have, as `get_total_norm` gives it.
        foreach: accepted; there is one way.

    >>> w = rushlight.ones(4, requires_grad=True)
    >>> (w * 3).sum().backward()
    >>> clip_grads_with_norm_(w, 1.0, get_total_norm(w.grad))
    >>> w.grad
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    gradients = _gradients(parameters)
    if not gradients:
        return
    factor = float(float(max_norm) / (total_norm + 1e-6))
    # A norm of NaN makes all gradients NaN, which is seen sooner than one of them.
    if not factor >= 1.0:
        scale_all(gradients, factor)


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients so that their norm together is at most ``max_norm``.

    Args:
        parameters: a tensor, or several; those without a gradient do not count.
        max_norm: the norm that the gradients may have.
        norm_type: the order of the norm; may be ``inf``.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: accepted; there is one way.

    Returns:
        The norm before.

    Raises:
        RuntimeError: see ``error_if_nonfinite``.

    >>> w = rushlight.ones(4, requires_grad=True)
    >>> (w * 3).sum().backward()
    >>> clip_grad_norm_(w, 1.0), w.grad
    (tensor(6.), tensor([0.5000, 0.5000, 0.5000, 0.5000]))
    """
    if not isinstance(parameters, Tensor):
        is_generator = isinstance(parameters, GeneratorType)
        parameters = list(parameters)
        if is_generator and not parameters:
            # Used up before, most likely.
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur. Call "
                "model.parameters() anew, or keep list(model.parameters()).",
                stacklevel=2,
            )
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Brings every element of the gradients into ``[-clip_value, clip_value]``.

    Args:
        parameters: a tensor, or several; those without a gradient do not count.
        clip_value: the largest size.
        foreach: accepted; there is one way.

    >>> w = rushlight.ones(2, requires_grad=True)
    >>> (w * rushlight.tensor([-3.0, 0.5])).sum().backward()
    >>> clip_grad_value_(w, 1.0)
    >>> w.grad
    tensor([-1.0000,  0.5000])
    """
    clip_value = float(clip_value)
    clamp_all(_gradients(parameters), -clip_value, clip_value)
