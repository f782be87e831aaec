"""Losses of values, element by element."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor, values_of
from .family import broadcast
from .reduction import check_tensors, legacy_reduction, reduced, weighted
from .smooth import logsigmoid


def _values(name: str, input: Tensor, target: Tensor) -> None:
    """Checks prediction and target of a loss that compares them element by element; warns where they stretch."""
    check_tensors(name, input, target)
    if name == "mse_loss" and not (
        input.is_floating_point() or target.is_floating_point() or input.is_complex()
    ):
        raise NotImplementedError(
            f"\"mse_cpu\" not implemented for '{input.dtype.legacy}'; convert it with .float()"
        )
    if input._array.shape != target._array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=4,
        )
        broadcast(input._array.shape, target._array.shape)


@exported("nn.functional", autocast="float32")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared difference.

    Args:
        input, target: of one shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: how much each element counts.

    >>> mse_loss(rushlight.tensor([1.0, 2.0]), rushlight.tensor([1.0, 4.0]))
    tensor(2.)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _values("mse_loss", input, target)
    difference = input - target
    loss = difference * difference
    return weighted(loss, weight, reduction)


@exported("nn.functional", autocast="float32")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute difference.

    Args:
        input, target: of one shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: how much each element counts.

    >>> l1_loss(rushlight.tensor([1.0, 2.0]), rushlight.tensor([1.0, 4.0]))
    tensor(1.)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _values("l1_loss", input, target)
    loss = (input - target).abs()
    return weighted(loss, weight, reduction)


@exported("nn.functional", autocast="float32")
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``0.5 * d**2 / beta`` for a difference ``d`` below ``beta``, else ``|d| - 0.5 * beta``.

    Source: Girshick 2015, "Fast R-CNN".

    >>> smooth_l1_loss(rushlight.tensor([0.0, 2.0]), rushlight.tensor([0.5, 0.0]), reduction="none")
    tensor([0.1250, 1.5000])
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    _values("smooth_l1_loss", input, target)
    d = (input - target).abs()
    return reduced((d * d * (0.5 / beta)).where(d < beta, d - 0.5 * beta), reduction)


@exported("nn.functional", autocast="float32")
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``0.5 * d**2`` for a difference ``d`` below ``delta``, else ``delta * (|d| - 0.5 * delta)``.

    >>> huber_loss(rushlight.tensor([0.0, 2.0]), rushlight.tensor([0.5, 0.0]), reduction="none")
    tensor([0.1250, 1.5000])
    """
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _values("huber_loss", input, target)
    d = (input - target).abs()
    loss = (d * d * 0.5).where(d < delta, (d - 0.5 * delta) * delta)
    return weighted(loss, weight, reduction)


@exported("nn.functional", autocast="float32")
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """The Kullback-Leibler divergence of log-probabilities ``input`` from probabilities ``target``.

    Args:
        reduction: ``"batchmean"`` is its mathematical value for each sample; also ``"mean"``, ``"sum"``, ``"none"``.
        log_target: ``target`` holds log-probabilities too.

    >>> kl_div(rushlight.tensor([[0.5, 0.5]]).log(), rushlight.tensor([[0.5, 0.5]]), reduction="batchmean")
    tensor(0.)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.",
            UserWarning,
            stacklevel=2,
        )
    loss = target.exp() * (target - input) if log_target else target.xlogy(target) - target * input
    if reduction == "batchmean":
        return loss.sum() / input._array.shape[0]
    return reduced(loss, reduction)


@primitive(node_name="BinaryCrossEntropyBackward0", uniform=True)
def _binary_cross_entropy(input: Tensor, target: Tensor) -> Spec:
    """`binary_cross_entropy` of every element."""
    if input._array.dtype != target._array.dtype:
        raise RuntimeError(
            f"Found dtype {target.dtype.legacy} but expected {input.dtype.legacy}: convert the target "
            f"with .to({input.dtype})"
        )
    x = values_of(input) if input.is_cpu else None
    if x is not None and x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RuntimeError(
            "all elements of input should be between 0 and 1: binary_cross_entropy takes probabilities, as of sigmoid; "
            "for raw scores use binary_cross_entropy_with_logits"
        )
    y = values_of(target) if target.is_cpu else None
    if y is not None and y.size and not (y.min() >= 0 and y.max() <= 1):
        raise RuntimeError(
            "all elements of target should be between 0 and 1: they are the probabilities of the class"
        )
    return Spec(input._array.shape, input.dtype)


@_binary_cross_entropy.kernel("cpu", "cuda")
def _binary_cross_entropy_kernel(xp, x, y):
    # The logarithm of 0 counts as -100, so that one sure mistake leaves the loss finite (PyTorch's bound).
    return (y - 1) * xp.maximum(xp.log1p(-x), -100) - y * xp.maximum(xp.log(x), -100)


_binary_cross_entropy.vjp(
    input=lambda g, input, target: g * (input - target) / ((1 - input) * input).clamp(min=1e-12),
    target=lambda g, input: g * ((1 - input).log().clamp(min=-100) - input.log().clamp(min=-100)),
)


@_binary_cross_entropy.oracle
def _binary_cross_entropy_oracle(x, y):
    return -(y * np.log(x) + (1 - y) * np.log(1 - x))


@_binary_cross_entropy.samples
def _binary_cross_entropy_samples(make):
    yield call(make(3, 4, low=0.1, high=0.9), make(3, 4, low=0.1, high=0.9))


@_binary_cross_entropy.rejects
def _binary_cross_entropy_rejects(make):
    yield reject(
        RuntimeError, "between 0 and 1", make(3, low=2.0, high=3.0), make(3, low=0.1, high=0.9)
    )


@exported("nn.functional", autocast={"cpu": "float32", "cuda": "unsafe"})
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """The cross entropy of probabilities of one class.

    Args:
        input: probabilities, from 0 to 1.
        target: of the same shape and dtype, from 0 to 1.
        weight: how much each element counts; broadcasts.

    Raises:
        ValueError: the shapes differ.
        RuntimeError: an element of ``input`` is no probability.

    >>> binary_cross_entropy(rushlight.tensor([0.5]), rushlight.tensor([1.0]))
    tensor(0.6931)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if target._array.shape != input._array.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    loss = _binary_cross_entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@exported("nn.functional", autocast="float32")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Sigmoid and `binary_cross_entropy` in one, exact for large scores.

    Args:
        input: raw scores.
        target: of the same shape, from 0 to 1.
        weight: how much each element counts; broadcasts.
        pos_weight: how much the positive class counts; broadcasts.

    Raises:
        ValueError: the shapes differ.

    >>> binary_cross_entropy_with_logits(rushlight.tensor([0.0]), rushlight.tensor([1.0]))
    tensor(0.6931)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if target._array.shape != input._array.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    if not target.is_floating_point():
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {target.dtype.legacy}: "
            "binary_cross_entropy_with_logits takes probabilities as target; convert it with .float()"
        )
    positive = logsigmoid(input)
    if pos_weight is not None:
        positive = positive * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - positive
    return reduced(loss if weight is None else loss * weight, reduction)
