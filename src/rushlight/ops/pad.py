"""Padding at the edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import native
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor

_NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@primitive(node_name="ConstantPadNdBackward0")
def constant_pad(input: Tensor, amounts: tuple[tuple[int, int], ...], value: float) -> Spec:
    """``value`` before and after each dimension; a negative amount cuts elements off."""
    shape = input._array.shape
    out = tuple([n + a + b for n, (a, b) in zip(shape, amounts)])
    if min(out, default=1) < 0:
        raise RuntimeError(
            f"The input size {list(shape)}, plus padding {[list(a) for a in amounts]}, resulted in a negative output "
            "size, which is invalid. Check the padding."
        )
    return Spec(out, input.dtype)


@constant_pad.kernel("cpu", "cuda")
def _constant_pad(xp, x, amounts, value):
    inner = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, amounts))
    grown = [(max(a, 0), max(b, 0)) for a, b in amounts]
    if x.ndim in (4, 5) and native.is_channels_last(x):
        grown.append(grown.pop(1))
        out = xp.pad(xp.moveaxis(x[inner], 1, -1), grown, constant_values=value)
        return xp.moveaxis(out, -1, 1)
    return xp.pad(x[inner], grown, constant_values=value)


@constant_pad.vjp
def _constant_pad_vjp(g, amounts):
    return constant_pad(g, tuple([(-a, -b) for a, b in amounts]), 0)


@constant_pad.oracle
def _constant_pad_oracle(x, amounts, value):
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, amounts)], value, x.dtype)
    for place in np.ndindex(*x.shape):
        at = tuple(i + a for i, (a, _) in zip(place, amounts))
        if all(0 <= i < n for i, n in zip(at, out.shape)):
            out[at] = x[place]
    return out


@constant_pad.samples
def _constant_pad_samples(make):
    yield call(make(2, 3), ((0, 0), (1, 2)), 0.5)
    yield call(make(3, 4), ((1, 0), (-1, 2)), 0.0)


@constant_pad.rejects
def _constant_pad_rejects(make):
    yield reject(RuntimeError, "negative output size", make(3), ((-2, -2),), 0)


@exported("nn.functional")
def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """More elements at the edges of the last dimensions.

    Args:
        input: any shape; the other modes pad the last one to three of ``(N, C, *)`` or ``(C, *)``.
        pad: before and after the last dimension, then the one before it, and so on.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        value: what ``"constant"`` fills in; 0 by default.

    Raises:
        RuntimeError: the amounts do not fit the shape.
        NotImplementedError: the mode does not take this many dimensions.

    >>> pad(rushlight.tensor([1, 2, 3]), (1, 1))
    tensor([0, 1, 2, 3, 0])
    >>> pad(rushlight.tensor([[1.0, 2.0, 3.0]]), (1, 1), mode="reflect")
    tensor([[2., 1., 2., 3., 2.]])
    """
    amounts = [int(p) for p in pad]
    ndim, count = input._array.ndim, len(amounts) // 2
    if len(amounts) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, but got {len(amounts)}")
    if count > ndim:
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(amounts)} and input of dimension {ndim}"
        )
    pairs = [(0, 0)] * (ndim - count) + [
        (amounts[2 * i], amounts[2 * i + 1]) for i in reversed(range(count))
    ]
    if mode == "constant":
        return constant_pad(input, tuple(pairs), 0 if value is None else value)
    if mode not in _NUMPY_MODES:
        raise NotImplementedError(
            f"Unrecognised padding mode {mode}; use constant, reflect, replicate or circular"
        )
    if value:
        raise ValueError(f"Padding mode '{mode}' doesn't take in value argument")
    if not 1 <= count <= 3 or ndim not in (count + 1, count + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"{mode} of {count} dimensions needs a tensor of {count + 1} or {count + 2}, but got {ndim}"
        )
    alone = mode == "circular" or (mode == "reflect" and count == 3)
    return (_padded if alone else _padded_in_float32)(input, pairs, mode)


def _padded(input: Tensor, pairs: list[tuple[int, int]], mode: str) -> Tensor:
    out = input
    for dim, (before, after) in enumerate(pairs):
        if before or after:
            out = out.index_select(dim, _source_indices(input, dim, before, after, mode))
    return out


# What PyTorch's list for the CPU names; the other modes are not on it.
_padded_in_float32 = exported(autocast={"cpu": "float32"})(_padded)


def _source_indices(input: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """For every element of a padded dimension, which of the old ones it repeats."""
    from ..tensor import wrap

    n = input._array.shape[dim]
    limit = {"reflect": n - 1, "circular": n, "replicate": None}[mode]
    if limit is not None and max(before, after) > limit:
        text = "less than" if mode == "reflect" else "at most"
        raise RuntimeError(
            f"Padding size should be {text} the corresponding input dimension, but got: padding ({before}, {after}) at "
            f"dimension {dim} of input {list(input.shape)}"
        )
    indices = np.pad(np.arange(n), (max(before, 0), max(after, 0)), mode=_NUMPY_MODES[mode])
    stop: Any = len(indices) - max(-after, 0)
    return wrap(np.ascontiguousarray(indices[max(-before, 0) : stop]))
