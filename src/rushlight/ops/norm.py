"""Normalisation over the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import no_grad, state
from ..backend import native
from ..primitive import Spec, call, exported, like, primitive, reject
from ..tensor import Tensor


def _channel_shape(x: Any) -> tuple[int, ...]:
    """The shape in which a value for each channel broadcasts against ``x``."""
    return (1, -1, *[1] * (x.ndim - 2))


def _check_channels(input: Tensor, **vectors: Tensor | None) -> None:
    channels = input._array.shape[1]
    for name, v in vectors.items():
        if v is not None and v._array.shape != (channels,):
            raise RuntimeError(
                f"{name} should contain {channels} elements not {v._array.size}: input {list(input.shape)} has "
                f"{channels} channels"
            )
        if v is not None and v._array.dtype != input._array.dtype:
            # 16-bit inputs may go with float32 statistics.
            if not (input._array.dtype.itemsize == 2 and v._array.dtype == np.float32):
                raise RuntimeError(
                    f"mixed dtype (CPU): all inputs must share same datatype, but the input is {input.dtype} and "
                    f"{name} {v.dtype}; convert the input with .to({v.dtype})"
                )


def _fast(x: np.ndarray, *vectors: np.ndarray | None) -> bool:
    if x.dtype not in native.LOOPED or x.size == 0:
        return False
    return all([v is None or v.dtype is native.float32 or v.dtype is x.dtype for v in vectors])


def _statistics_dtype(x: np.dtype) -> np.dtype:
    """Means, variances and the gradients of weights keep their digits beside half precision."""
    return native.float32 if x in native.HALVES else x


@primitive(
    layout="channels_last",
    outputs=("out", "mean", "var"),
    differentiable=1,
    node_name="NativeBatchNormBackward0",
)
def batch_norm_train(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple:
    """Every channel of ``(N, C, *)`` with mean 0 and variance 1 over the batch, then scaled and shifted.

    Returns:
        The normalised values, and the mean and (biased) variance of every channel.
    """
    _check_channels(input, weight=weight, bias=bias)
    channel = _channel_spec(input)
    return like(input), channel, channel


def _channel_spec(input: Tensor) -> Spec:
    dtype = dtypes.of_numpy(_statistics_dtype(input._array.dtype))
    return Spec((input._array.shape[1],), dtype)


@batch_norm_train.kernel("cpu", "cuda")
def _batch_norm_train(xp, x, weight, bias, eps):
    axes, shape = (0, *range(2, x.ndim)), _channel_shape(x)
    wide = x.astype(np.float64) if x.dtype.itemsize < 8 else x
    mean, var = wide.mean(axes), wide.var(axes)
    out = (wide - mean.reshape(shape)) / xp.sqrt(var.reshape(shape) + eps)
    channel = _statistics_dtype(x.dtype)
    out = _affine(out, weight, bias, shape).astype(x.dtype)
    return out, mean.astype(channel), var.astype(channel)


def _affine(x, weight, bias, shape):
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


@batch_norm_train.kernel("cpu", when=lambda x, weight, bias, eps: _fast(x, weight, bias))
def _batch_norm_train_native(xp, x, weight, bias, eps):
    out = _channels_last_like(x)
    mean, var = np.empty(x.shape[1], native.float32), np.empty(x.shape[1], native.float32)
    weight, bias = native.widened(weight), native.widened(bias)
    native.extension.batch_norm_forward(x, weight, bias, mean, var, out, eps)
    return out, mean, var


def _channels_last_like(x):
    return native.channels_last(x.shape, x.dtype) if x.ndim > 2 else np.empty(x.shape, x.dtype)


@batch_norm_train.vjp
def _batch_norm_train_vjp(gradients, input, weight, mean, var, eps):
    g = gradients[0]
    if g is None:
        return None, None, None
    if not state.grad:
        return batch_norm_gradient(g, input, weight, mean, var, eps, True)
    # Recorded: by ordinary ops, from statistics that depend on the input.
    axes, shape = (0, *range(2, input.ndim)), _channel_shape(input)
    centred = input - input.mean(axes, keepdim=True)
    scale = ((centred * centred).mean(axes, keepdim=True) + eps).rsqrt()
    normal = centred * scale
    gn = g if weight is None else g * weight.reshape(shape)
    gx = scale * (
        gn - gn.mean(axes, keepdim=True) - normal * (gn * normal).mean(axes, keepdim=True)
    )
    return gx, (g * normal).sum(axes), g.sum(axes)


def _batch_norm_train_oracle(x, weight, bias, eps):
    axes, shape = (0, *range(2, x.ndim)), _channel_shape(x)
    count = x.size / x.shape[1]
    mean = x.sum(axes) / count
    var = (x * x).sum(axes) / count - mean**2
    out = (x - mean.reshape(shape)) * (var.reshape(shape) + eps) ** -0.5
    return _affine(out, weight, bias, shape), mean, var


batch_norm_train.oracle(_batch_norm_train_oracle)


@batch_norm_train.samples
def _batch_norm_train_samples(make):
    yield call(make(4, 3), make(3), make(3), 1e-5)
    yield call(make(4, 3, 5, 2), make(3), make(3), 1e-3)
    yield call(make(4, 3, 5), None, None, 1e-5)


@batch_norm_train.rejects
def _batch_norm_train_rejects(make):
    yield reject(
        RuntimeError, "weight should contain 3 elements not 4", make(2, 3, 4), make(4), None, 1e-5
    )


@primitive(layout="channels_last", node_name="NativeBatchNormBackward0")
def batch_norm_eval(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float
) -> Spec:
    """``(N, C, *)`` normalised by a given mean and variance of every channel, then scaled and shifted."""
    _check_channels(input, weight=weight, bias=bias, running_mean=mean, running_var=var)
    return like(input)


@batch_norm_eval.kernel("cpu", "cuda")
def _batch_norm_eval(xp, x, weight, bias, mean, var, eps):
    shape = _channel_shape(x)
    scale = 1 / xp.sqrt(var.astype(np.float64) + eps)
    out = (x - mean.reshape(shape)) * scale.reshape(shape)
    return _affine(out, weight, bias, shape).astype(x.dtype)


@batch_norm_eval.kernel(
    "cpu", when=lambda x, weight, bias, mean, var, eps: _fast(x, weight, bias, mean, var)
)
def _batch_norm_eval_native(xp, x, weight, bias, mean, var, eps):
    out = _channels_last_like(x)
    vectors = [native.widened(v) for v in (weight, bias, mean, var)]
    native.extension.batch_norm_inference(x, *vectors, out, eps)
    return out


@batch_norm_eval.vjp
def _batch_norm_eval_vjp(g, input, weight, mean, var, eps):
    if not state.grad:
        return (*batch_norm_gradient(g, input, weight, mean, var, eps, False), None, None)
    axes, shape = (0, *range(2, input.ndim)), _channel_shape(input)
    scale = (var + eps).rsqrt()
    gn = g if weight is None else g * weight.reshape(shape)
    gw = (g * ((input - mean.reshape(shape)) * scale.reshape(shape))).sum(axes)
    return gn * scale.reshape(shape), gw, g.sum(axes), None, None


@batch_norm_eval.oracle
def _batch_norm_eval_oracle(x, weight, bias, mean, var, eps):
    shape = _channel_shape(x)
    return _affine(
        (x - mean.reshape(shape)) / (var.reshape(shape) + eps) ** 0.5, weight, bias, shape
    )


@batch_norm_eval.samples
def _batch_norm_eval_samples(make):
    mean, var = make(3).detach(), make(3, low=0.5, high=2.0).detach()
    yield call(make(4, 3), make(3), make(3), mean, var, 1e-5)
    yield call(make(4, 3, 5, 2), None, None, mean, var, 1e-5)


@primitive(layout="channels_last", outputs=("gx", "gw", "gb"))
def batch_norm_gradient(
    g: Tensor,
    input: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    training: bool,
) -> tuple:
    """The gradients of both forms with respect to input, weight and bias, in two passes over the memory.

    Used only while nothing records; recorded, the same gradients are made of ordinary ops.
    """
    channel = _channel_spec(input)
    return like(input), channel, channel


@batch_norm_gradient.kernel("cpu", "cuda")
def _batch_norm_gradient(xp, g, x, weight, mean, var, eps, training):
    axes, shape = (0, *range(2, x.ndim)), _channel_shape(x)
    wide = g.astype(np.float64)
    scale = 1 / xp.sqrt(var.astype(np.float64) + eps)
    normal = (x - mean.reshape(shape)) * scale.reshape(shape)
    gw, gb = (wide * normal).sum(axes), wide.sum(axes)
    gx = wide
    if training:
        count = x.size / x.shape[1]
        gx = gx - (gb.reshape(shape) + normal * gw.reshape(shape)) / count
    factor = scale if weight is None else scale * weight
    gx = gx * factor.reshape(shape)
    channel = _statistics_dtype(x.dtype)
    return gx.astype(x.dtype), gw.astype(channel), gb.astype(channel)


@batch_norm_gradient.kernel(
    "cpu",
    when=lambda g, x, weight, mean, var, eps, training: (
        g.dtype is x.dtype and _fast(x, weight, mean, var)
    ),
)
def _batch_norm_gradient_native(xp, g, x, weight, mean, var, eps, training):
    gx = _channels_last_like(x)
    gw, gb = np.empty(x.shape[1], native.float32), np.empty(x.shape[1], native.float32)
    vectors = [native.widened(v) for v in (weight, mean, var)]
    native.extension.batch_norm_backward(g, x, *vectors, gx, gw, gb, eps, training)
    return gx, gw, gb


@exported("nn.functional")
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Every channel normalised to mean 0 and variance 1, then scaled by ``weight`` and shifted by ``bias``.

    Args:
        input: ``(N, C, *)``, floating.
        running_mean, running_var: ``(C,)``; used where ``training`` is False, updated where it is True.
        weight, bias: ``(C,)``.
        training: normalise by the statistics of this batch.
        momentum: the part of the batch's statistics in the new running ones.
        eps: added to the variance.

    Returns:
        The shape and dtype of ``input``.

    Raises:
        ValueError: the batch has one value for each channel.
        RuntimeError: a shape does not fit.

    Source: Ioffe and Szegedy 2015, "Batch normalization: accelerating deep network training".

    >>> batch_norm(rushlight.tensor([[1.0], [3.0]]), None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"batch_norm(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError(
            f"batch_norm expects input of at least 2 dimensions (N, C, ...), got {list(shape)}"
        )
    if not input.is_floating_point():
        raise NotImplementedError(
            f"\"batch_norm\" not implemented for '{input.dtype.legacy}'; convert the input with .float()"
        )
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when training=False"
            )
        if state.grad:
            # Backward needs them as they are now; a training pass in between updates them in place.
            running_mean, running_var = running_mean.clone(), running_var.clone()
        return batch_norm_eval(input, weight, bias, running_mean, running_var, eps)
    count = input._array.size // shape[1] if shape[1] else 0
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}: one sample has no "
            "variance; use drop_last=True in the DataLoader, or call eval()"
        )
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    _check_channels(input, running_mean=running_mean, running_var=running_var)
    out, mean, var = batch_norm_train(input, weight, bias, eps)
    if running_mean is not None and count:
        with no_grad():
            _follow(running_mean, mean * momentum, 1 - momentum)
            _follow(running_var, var * (momentum * count / (count - 1)), 1 - momentum)
    return out


def _follow(running: Tensor, news: Tensor, kept: float) -> None:
    """Moves a running value towards what a batch tells."""
    if running.dtype is news.dtype:
        running.mul_(kept).add_(news)
    else:
        # Of half precision, which is rounded once.
        running.copy_(running.to(news.dtype) * kept + news)
