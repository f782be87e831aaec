"""Dropout: elements or whole channels set to zero at random while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..backend import native
from ..backend import random_streams as streams
from ..primitive import Spec, call, exported, like, primitive
from ..random import engine_of
from ..tensor import Tensor, wrap


@primitive(checks="failure")
def mask_scale(input: Tensor, mask: Tensor, scale: float) -> Spec:
    """``input * (mask * scale)``, with a mask of ones and zeros of the same shape."""
    return like(input)


@mask_scale.kernel("cpu", "cuda")
def _mask_scale(xp, x, mask, scale):
    return x * (mask * x.dtype.type(scale))


@mask_scale.kernel("cpu", when="input.size >= native.LARGE and native.same_order(input, mask)")
def _mask_scale_native(xp, x, mask, scale):
    out = np.empty_like(x)
    native.extension.bernoulli_mask_apply(x, mask, scale, out)
    return out


mask_scale.vjp(input=lambda g, mask, scale: mask_scale(g, mask, scale))


@mask_scale.oracle
def _mask_scale_oracle(x, mask, scale):
    return np.where(mask != 0, x * scale, x * 0.0)


@mask_scale.samples
def _mask_scale_samples(make):
    ones = make(3, 4)
    yield call(make(3, 4), (ones > 0).to(ones.dtype).detach(), 2.0)


def _checked(name: str, input: Tensor, p: float) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if input.dtype.rank < dtypes.FLOATING:
        raise RuntimeError(
            f"{name}: result type Float can't be cast to the desired output type {input.dtype.legacy}; "
            "convert the input with .float()"
        )


def _mask(input: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Ones of probability ``1 - p``, drawn in the order in which PyTorch's tensor lies in memory."""
    array = input._array
    if shape != array.shape:
        mask = np.empty(shape, array.dtype)
        streams.bernoulli(engine_of(None), mask, 1.0 - p)
        return wrap(mask)
    mask = np.empty_like(array)
    visible = not input._private and not array.flags.c_contiguous and native.dense(array)
    streams.bernoulli(engine_of(None), mask, 1.0 - p, in_memory_order=visible)
    out = wrap(mask)
    out._private = not mask.flags.c_contiguous and not visible
    return out


def _dropped(
    name: str, input: Tensor, shape: Any, p: float, training: bool, inplace: bool
) -> Tensor:
    _checked(name, input, p)
    if not training or p == 0.0 or input._array.size == 0:
        return input
    if p == 1.0:
        return input.mul_(0) if inplace else input * 0
    mask = _mask(input, input._array.shape if shape is None else shape, p)
    # Rounded as the mask's own elements would be.
    scale = float(input._array.dtype.type(1.0 / (1.0 - p)))
    if inplace:
        return input.mul_(mask * scale)
    if shape is None:
        return mask_scale(input, mask, scale)
    return input * (mask * scale)


@exported("nn.functional", "torch")
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements set to zero with probability ``p``, the others divided by ``1 - p``.

    Args:
        input: any shape, floating.
        p: from 0 to 1.
        training: False returns ``input``.
        inplace: write into ``input``.

    Raises:
        ValueError: ``p`` is outside [0, 1].

    >>> dropout(rushlight.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    return _dropped("dropout", input, None, p, training, inplace)


Tensor.dropout = dropout
exported("torch")(dropout)


def _channels(name: str, input: Tensor, n: int) -> tuple[int, ...]:
    """The shape of a mask with one element for each channel."""
    shape = input._array.shape
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D input, but received a {len(shape)}D input; for elements instead of "
            "channels use dropout"
        )
    if name == "dropout2d" and len(shape) == 3:
        return (*shape[:2], 1)
    return (*shape[: len(shape) - n], *[1] * n)


def _channel_dropout(n: int) -> None:
    name = f"dropout{n}d"

    def function(
        input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        _checked(name, input, p)
        return _dropped(name, input, _channels(name, input, n), p, training, inplace)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Whole channels set to zero with probability ``p``, the others divided by ``1 - p``.

    Args:
        input: ``(N, C, {", ".join("DHW"[-n:])})``, floating.
        p: from 0 to 1.
        training: False returns ``input``.
        inplace: write into ``input``.
    """
    globals()[name] = exported("nn.functional")(function)


for _n in (1, 2, 3):
    _channel_dropout(_n)


def _alpha(name: str, input: Tensor, shape: Any, p: float, training: bool, inplace: bool) -> Tensor:
    _checked(name, input, p)
    if not training or p == 0.0 or input._array.size == 0:
        return input
    if p == 1.0:
        return input.mul_(0) if inplace else input * 0
    # Klambauer et al. 2017, "Self-normalizing neural networks", section 3: -alpha * scale of selu.
    alpha = 1.7580993408473766
    a = 1.0 / ((alpha * alpha * p + 1.0) * (1.0 - p)) ** 0.5
    mask = _mask(input, input._array.shape if shape is None else shape, p)
    shift = (mask - 1.0) * (a * alpha) + a * alpha * p
    if inplace:
        return input.mul_(mask * a).add_(shift)
    return input * (mask * a) + shift


@exported("nn.functional", "torch")
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout to the negative saturation of selu, which keeps mean and variance.

    Args:
        input: any shape, floating.
        p: from 0 to 1.
        training: False returns ``input``.
    """
    return _alpha("alpha_dropout", input, None, p, training, inplace)


@exported("nn.functional", "torch")
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels.

    Args:
        input: ``(N, C, ...)``, floating.
    """
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return _alpha(
        "feature_alpha_dropout", input, (*shape[:2], *[1] * (len(shape) - 2)), p, training, inplace
    )
