"""Losses of classes: negative log-likelihood and cross entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.modes import state
from ..backend import native
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor, values_of, wrap
from .reduction import check_reduction, check_tensors, legacy_reduction


def _check_classes(
    name: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> None:
    """What `nll_loss` and `cross_entropy` ask of scores ``(N, C, *)`` and labels ``(N, *)``."""
    x, y = input._array, target._array
    if x.dtype.kind not in "fV":
        raise NotImplementedError(
            f"\"{name}_cpu\" not implemented for '{input.dtype.legacy}': the scores must be floating; convert them "
            "with .float()"
        )
    if x.ndim != y.ndim + 1 or x.shape[:1] != y.shape[:1] or x.shape[2:] != y.shape[1:]:
        if x.ndim and y.ndim and x.shape[0] != y.shape[0]:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({y.shape[0]}): scores are "
                f"{list(x.shape)}, labels {list(y.shape)}"
            )
        cure = ""
        if y.ndim == 2 and x.ndim == 2:
            cure = (
                "; pass target.squeeze(1)"
                if y.shape[1] == 1
                else "; for one-hot labels pass target.argmax(1)"
            )
        raise RuntimeError(
            f"{name}: scores of shape {list(x.shape)} need labels of shape "
            f"{[*x.shape[:1], *x.shape[2:]]}, but they have "
            f"{list(y.shape)} (0D or 1D target tensor expected, multi-target not supported){cure}"
        )
    if y.dtype not in (np.int64, np.uint8):
        raise RuntimeError(
            f"expected scalar type Long but found {target.dtype.legacy}: {name} wants class numbers; convert them with "
            ".long()"
        )
    classes = x.shape[1]
    if weight is not None and weight._array.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(weight.shape)}"
        )


def _check_labels(name: str, target: np.ndarray, classes: int, ignore_index: int) -> None:
    """Refuses labels that are no class.

    Raises:
        IndexError: naming the first such label and its place.
    """
    wrong = ((target < 0) | (target >= classes)) & (target != ignore_index)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        label = int(target[place])
        raise IndexError(
            f"Target {label} is out of bounds. {name}: the label at {list(place)} is {label}, but "
            "there are classes 0 to "
            f"{classes - 1}; check the labels, or the number of the model's outputs"
        )


def _picked(xp, x, target, weight, ignore_index):
    """For every label its score, its weight (0 where ignored), and where it points."""
    used = target != ignore_index
    index = xp.where(used, target, 0).astype(np.int64)
    score = xp.take_along_axis(x, xp.expand_dims(index, 1), 1).squeeze(1)
    w = used.astype(x.dtype) if weight is None else xp.where(used, weight[index], 0)
    return score, w.astype(x.dtype), index


def _reduce_items(xp, losses, w, reduction):
    total = xp.asarray(w.sum(), w.dtype)
    if reduction == "none":
        return losses, total
    loss = losses.sum()
    return xp.asarray(loss / total if reduction == "mean" else loss, losses.dtype), total


def _ready(x: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> bool:
    return (
        x.dtype is native.float32
        and target.dtype.num == _INT64
        and x.flags.c_contiguous
        and target.flags.c_contiguous
        and x.shape[1] > 0
        and (weight is None or (weight.dtype is native.float32 and weight.flags.c_contiguous))
    )


_INT64 = np.dtype(np.int64).num


@primitive(outputs=("loss", "total"), differentiable=1, node_name="NllLossBackward0")
def nll(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> tuple:
    """`nll_loss` of ``(N, C, *)``, and the sum of the labels' weights."""
    _check_classes("nll_loss", input, target, weight, ignore_index)
    shape = target._array.shape if reduction == "none" else ()
    return Spec(shape, input.dtype), Spec((), input.dtype)


@nll.kernel("cpu", "cuda")
def _nll(xp, x, target, weight, ignore_index, reduction):
    _check_labels("nll_loss", target, x.shape[1], ignore_index)
    score, w, _ = _picked(xp, x, target, weight, ignore_index)
    return _reduce_items(xp, -score * w, w, reduction)


@nll.vjp
def _nll_vjp(gradients, target, weight, ignore_index, reduction, total, input_shape):
    g = nll_gradient(
        gradients[0], target, weight, total.detach(), ignore_index, reduction, input_shape
    )
    return g, None, None


@nll.oracle
def _nll_oracle(x, target, weight, ignore_index, reduction):
    losses = np.zeros(target.shape)
    total = 0.0
    for place in np.ndindex(*target.shape):
        label = target[place]
        if label == ignore_index:
            continue
        w = 1.0 if weight is None else weight[label]
        losses[place] = -w * x[(place[0], label, *place[1:])]
        total += w
    reduced = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / total}[reduction]
    return np.asarray(reduced), np.asarray(total)


def _class_samples(make):
    labels = wrap(np.array([0, 2, 1, 2]))
    weight = make(3, low=0.5, high=1.5).detach()
    yield call(make(4, 3), labels, None, -100, "mean")
    yield call(make(4, 3), labels, weight, -100, "sum")
    yield call(make(4, 3), labels, weight, 2, "none")
    yield call(make(4, 3, 2), wrap(np.array([[0, 1], [2, 2], [1, 0], [0, 0]])), weight, 2, "mean")


nll.samples(_class_samples)


def _class_rejects(make):
    yield reject(
        IndexError,
        "Target 5 is out of bounds",
        make(2, 3),
        wrap(np.array([1, 5])),
        None,
        -100,
        "mean",
    )
    yield reject(
        ValueError,
        "batch_size (2) to match target batch_size (3)",
        make(2, 3),
        wrap(np.array([1, 2, 0])),
        None,
        -100,
        "mean",
    )
    yield reject(RuntimeError, "expected scalar type Long", make(2, 3), make(2), None, -100, "mean")


nll.rejects(_class_rejects)


@primitive()
def nll_gradient(
    g: Tensor, target: Tensor, weight: Tensor | None, total: Tensor, ignore_index: int, reduction: str,
    shape: tuple[int, ...],
) -> Spec:  # fmt: skip
    """The gradient of `nll` with respect to its scores of ``shape``."""
    return Spec(shape, g.dtype)


@nll_gradient.kernel("cpu", "cuda")
def _nll_gradient(xp, g, target, weight, total, ignore_index, reduction, shape):
    out = xp.zeros(shape, g.dtype)
    _, w, index = _picked(xp, out, target, weight, ignore_index)
    value = -w * (g / total if reduction == "mean" else g)
    xp.put_along_axis(out, xp.expand_dims(index, 1), xp.expand_dims(value, 1).astype(g.dtype), 1)
    return out


# Linear in g, and the other way round it is the loss itself.
nll_gradient.vjp(
    g=lambda gg, target, weight, ignore_index, reduction: nll(
        gg, target, weight, ignore_index, reduction
    )[0]
)


@exported("nn.functional", autocast="float32")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of the labels.

    Args:
        input: log-probabilities ``(N, C, *)`` or ``(C,)``, as of ``log_softmax``.
        target: class numbers ``(N, *)`` or ``()``, int64, from 0 to C - 1.
        weight: ``(C,)``, how much each class counts.
        ignore_index: the label that does not count.
        reduction: ``"mean"`` (by weight), ``"sum"`` or ``"none"``.

    Raises:
        IndexError: a label is no class.
        RuntimeError, ValueError: a shape or dtype does not fit.

    >>> nll_loss(rushlight.tensor([[-0.5, -1.0]]), rushlight.tensor([1]))
    tensor(1.)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    check_reduction(reduction)
    check_tensors("nll_loss", input, target)
    if input._array.ndim == 1 and target._array.size == 1:
        loss = nll(input.unsqueeze(0), target.reshape((1,)), weight, ignore_index, reduction)[0]
        return loss.reshape(target._array.shape) if reduction == "none" else loss
    return nll(input, target, weight, ignore_index, reduction)[0]


@primitive(
    outputs=("loss", "probs", "total"),
    differentiable=1,
    node_name="NllLossBackward0",
)
def softmax_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
    label_smoothing: float = 0.0,
) -> tuple:  # fmt: skip
    """`cross_entropy` with class numbers; also the softmax and the sum of the labels' weights."""
    _check_classes("cross_entropy", input, target, weight, ignore_index)
    shape = target._array.shape if reduction == "none" else ()
    return Spec(shape, input.dtype), Spec(input._array.shape, input.dtype), Spec((), input.dtype)


@softmax_cross_entropy.kernel("cpu", "cuda")
def _softmax_cross_entropy(xp, x, target, weight, ignore_index, reduction, label_smoothing=0.0):
    _check_labels("cross_entropy", target, x.shape[1], ignore_index)
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    shifted = wide - wide.max(1, keepdims=True) if wide.size else wide
    exponential = xp.exp(shifted)
    sums = exponential.sum(1, keepdims=True)
    log_probs = shifted - xp.log(sums)
    score, w, _ = _picked(xp, log_probs, target, weight, ignore_index)
    losses = -score * w
    if label_smoothing:
        classes = x.shape[1]
        each = log_probs if weight is None else log_probs * weight.reshape(-1, *[1] * (x.ndim - 2))
        spread = -each.sum(1) * (target != ignore_index)
        losses = (1 - label_smoothing) * losses + label_smoothing / classes * spread
    loss, total = _reduce_items(xp, losses.astype(wide.dtype), w, reduction)
    return loss.astype(x.dtype), (exponential / sums).astype(x.dtype), total.astype(x.dtype)


@softmax_cross_entropy.kernel(
    "cpu", when=lambda x, target, weight, *rest: _ready(x, target, weight)
)
def _softmax_cross_entropy_native(
    xp, x, target, weight, ignore_index, reduction, label_smoothing=0.0
):
    probs = np.empty_like(x)
    losses = np.empty_like(target, native.float32) if reduction == "none" else None
    loss, total = native.extension.cross_entropy(
        x, target, weight, ignore_index, label_smoothing, probs, losses
    )
    if losses is None:
        # NaN where no label counts, as in PyTorch.
        losses = np.array(
            loss if reduction == "sum" else loss / total if total else np.nan, np.float32
        )
    return losses, probs, np.array(total, np.float32)


@softmax_cross_entropy.vjp
def _softmax_cross_entropy_vjp(
    gradients, input, target, weight, ignore_index, reduction, label_smoothing, probs, total
):
    g, total = gradients[0], total.detach()
    if not state.grad:
        gx = softmax_cross_entropy_gradient(
            g, probs, target, weight, total, ignore_index, reduction, label_smoothing
        )
        return gx, None, None
    share = _shares(input, target, weight, ignore_index, label_smoothing)
    g = g / total if reduction == "mean" else g.unsqueeze(1) if reduction == "none" else g
    return (input.softmax(1) * share.sum(1, keepdim=True) - share) * g, None, None


def _shares(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, smoothing: float
) -> Tensor:
    """How much every log-probability counts in the loss of its item: ``loss = -(share * log_probs).sum(1)``."""
    y, like_input = values_of(target), np.zeros(input._array.shape, input._array.dtype)
    w = None if weight is None else values_of(weight)
    _, label_weight, index = _picked(np, like_input, y, w, ignore_index)
    np.put_along_axis(like_input, index[:, None], ((1 - smoothing) * label_weight)[:, None], 1)
    if smoothing:
        classes = like_input.shape[1]
        each = np.ones(classes) if w is None else w
        used = (y != ignore_index)[:, None]
        like_input += (used * (smoothing / classes * each).reshape(-1, *[1] * (y.ndim - 1))).astype(
            like_input.dtype
        )
    return wrap(like_input)


@softmax_cross_entropy.oracle
def _softmax_cross_entropy_oracle(x, target, weight, ignore_index, reduction, label_smoothing=0.0):
    classes = x.shape[1]
    w = np.ones(classes) if weight is None else weight
    probs = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    losses, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(*target.shape):
        label = target[place]
        if label == ignore_index:
            continue
        log_probs = np.log(probs[(place[0], slice(None), *place[1:])])
        losses[place] = -(1 - label_smoothing) * w[label] * log_probs[label]
        losses[place] -= label_smoothing / classes * (w * log_probs).sum()
        total += w[label]
    reduced = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / total}[reduction]
    return np.asarray(reduced), probs, np.asarray(total)


@softmax_cross_entropy.samples
def _softmax_cross_entropy_samples(make):
    yield from _class_samples(make)
    for sample in _class_samples(make):
        yield call(*sample.args, 0.1)


softmax_cross_entropy.rejects(_class_rejects)


@primitive()
def softmax_cross_entropy_gradient(
    g: Tensor, probs: Tensor, target: Tensor, weight: Tensor | None, total: Tensor, ignore_index: int,
    reduction: str, label_smoothing: float,
) -> Spec:  # fmt: skip
    """The gradient of `softmax_cross_entropy`, in one pass; used only while nothing records."""
    return Spec(probs._array.shape, probs.dtype)


@softmax_cross_entropy_gradient.kernel("cpu", "cuda")
def _softmax_cross_entropy_gradient(
    xp, g, probs, target, weight, total, ignore_index, reduction, label_smoothing
):
    y = wrap(probs)
    share = _shares(
        y, wrap(target), None if weight is None else wrap(weight), ignore_index, label_smoothing
    )._array
    g = g / total if reduction == "mean" else xp.expand_dims(g, 1) if reduction == "none" else g
    return ((probs * share.sum(1, keepdims=True) - share) * g).astype(probs.dtype)


@softmax_cross_entropy_gradient.kernel(
    "cpu",
    when=lambda g, probs, target, weight, *rest: (
        _ready(probs, target, weight) and g.flags.c_contiguous
    ),
)
def _softmax_cross_entropy_gradient_native(
    xp, g, probs, target, weight, total, ignore_index, reduction, label_smoothing
):
    out = np.empty_like(probs)
    scale, each = 1.0, None
    if reduction == "none":
        each = g
    else:
        scale = float(g) / (float(total) or np.nan) if reduction == "mean" else float(g)
    native.extension.cross_entropy_backward(
        probs, target, weight, ignore_index, label_smoothing, scale, each, out
    )
    return out


@exported("nn.functional", autocast="float32")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Softmax and negative log-likelihood in one.

    Args:
        input: raw scores ``(N, C, *)`` or ``(C,)``.
        target: class numbers ``(N, *)`` or ``()``, int64, from 0 to C - 1; or probabilities of the shape and dtype of
            ``input``.
        weight: ``(C,)``, how much each class counts.
        ignore_index: the label that does not count.
        reduction: ``"mean"`` (by weight), ``"sum"`` or ``"none"``.
        label_smoothing: the part of every label that is spread over all classes, from 0 to 1.

    Raises:
        IndexError: a label is no class.
        RuntimeError, ValueError: a shape or dtype does not fit.

    >>> cross_entropy(rushlight.tensor([[0.0, 0.0]]), rushlight.tensor([1]))
    tensor(0.6931)
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    check_reduction(reduction)
    check_tensors("cross_entropy", input, target)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if input._array.ndim == 0:
        raise RuntimeError(
            "cross_entropy: scores must have a dimension of classes, but they have shape []"
        )
    if target._array.shape == input._array.shape and target.is_floating_point():
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if target._array.shape == input._array.shape and input._array.ndim > 1:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{target.dtype.legacy}: these labels "
            "look one-hot; pass target.argmax(1), or target.float() as probabilities"
        )
    if input._array.ndim == 1:
        loss = softmax_cross_entropy(
            input.unsqueeze(0),
            target.reshape((1,)),
            weight,
            ignore_index,
            reduction,
            float(label_smoothing),
        )[0]
        return loss.squeeze(0) if reduction == "none" else loss
    return softmax_cross_entropy(
        input, target, weight, ignore_index, reduction, float(label_smoothing)
    )[0]


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Any, reduction: str, smoothing: float
) -> Tensor:
    dim = 0 if input._array.ndim == 1 else 1
    classes = input._array.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    counted = input.log_softmax(dim) * target
    if weight is not None:
        counted = counted * weight.reshape(
            (-1,) if dim == 0 else (1, -1, *[1] * (input._array.ndim - 2))
        )
    if reduction == "none":
        return -counted.sum(dim)
    total = -counted.sum()
    return total / (input._array.size // classes) if reduction == "mean" else total
