"""Resizing images and signals: nearest, linear, cubic and Lanczos interpolation, with and without antialiasing.

Every method is, along each dimension, a sum of neighbouring elements times weights; a dimension's table of both
is all that a method is. The gradient is the same op with the table read the other way round.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor
from .adaptive_pool import adaptive_avg_pool

# By method: for how many dimensions, and how far its filter reaches.
_DIMENSIONS = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "linear": (1,), "bilinear": (2,), "bicubic": (2,),
    "trilinear": (3,), "lanczos": (2,), "area": (1, 2, 3),
}  # fmt: skip
_REACH = {"linear": 1, "cubic": 2, "lanczos": 3}
_FILTER = {
    "linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic", "lanczos": "lanczos",
}  # fmt: skip
_ALIGNABLE = ("linear", "bilinear", "bicubic", "trilinear")


class Method(NamedTuple):
    """How a tensor is resized.

    Attributes:
        mode: PyTorch's name of the method.
        align_corners: whether the centres of the corner elements stay where they are, instead of the outer edges.
        antialias: whether the filter widens when shrinking, so that every element counts.
        scales: for each dimension the factor that places the elements; None takes it from the sizes.
    """

    mode: str
    align_corners: bool
    antialias: bool
    scales: tuple[float | None, ...]


class Taps(NamedTuple):
    """What each element along a dimension is made of.

    Attributes:
        starts: ``(m,)``, int64, the first element it takes.
        weights: ``(m, k)``, by what that and the following ones are multiplied.
    """

    starts: np.ndarray
    weights: np.ndarray


def _linear(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(a: float) -> Any:
    def filter(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * a - 4 * a
        return np.where(x < 1, near, np.where(x < 2, far, 0))

    return filter


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


# Keys 1981, "Cubic convolution interpolation for digital image processing": the slope at 1 is a choice. PyTorch
# takes -0.75, and with antialias -0.5 as Pillow does.
_FILTERS = {"linear": _linear, "cubic": _cubic(-0.5), "lanczos": _lanczos}
_CUBIC = _cubic(-0.75)


@functools.lru_cache(256)
def taps_of(n: int, m: int, method: Method, dim: int, wide: bool) -> Taps:
    """The table of a dimension that goes from ``n`` to ``m`` elements.

    Args:
        wide: compute places and weights in float64, as PyTorch does for float64 tensors; else in float32.
    """
    nearest = method.mode in ("nearest", "nearest-exact")
    # PyTorch places what it copies in float32, whatever the dtype.
    real = np.float64 if wide and not nearest else np.float32
    at = np.arange(m).astype(real)
    if n == m and _stays(method):
        return _copied(np.arange(n), wide)
    if m == 2 * n and method.mode == "nearest" and _stays(method):
        return _copied(np.arange(m) // 2, wide)
    scale = _scale(n, m, method.align_corners, method.scales[dim], real)
    if nearest:
        shift = real(0.5 if method.mode == "nearest-exact" else 0)
        index = np.minimum(np.floor((at + shift) * scale).astype(np.int64), n - 1)
        return _copied(index, wide)
    kind = _FILTER[method.mode]
    if method.antialias:
        return _antialiased(n, at, scale, kind, real)
    half = real(0.5)
    place = at * scale if method.align_corners else scale * (at + half) - half
    if kind == "linear":
        place = np.maximum(place, 0)
        first = np.minimum(np.floor(place).astype(np.int64), n - 1)
        part = np.clip(place - first.astype(real), 0, 1).astype(real)
        weights = np.stack([1 - part, part], 1)
        index = np.stack([first, first + 1], 1)
    else:
        first = np.floor(place)
        part = (place - first).astype(real)
        weights = np.stack([_CUBIC(part - t).astype(real) for t in (-1, 0, 1, 2)], 1)
        index = first.astype(np.int64)[:, None] + np.arange(-1, 3)
    return _joined(np.clip(index, 0, n - 1), weights, n)


def _stays(method: Method) -> bool:
    """Whether a dimension that keeps its size keeps its elements too, whatever the scale says."""
    if method.mode == "nearest":
        return len(method.scales) == 2
    return method.antialias or method.mode in ("linear", "bilinear", "trilinear")


def _copied(index: np.ndarray, wide: bool) -> Taps:
    """The table of what takes the elements at ``index`` as they are."""
    return Taps(index, np.ones((len(index), 1), np.float64 if wide else np.float32))


def _scale(n: int, m: int, align_corners: bool, given: float | None, real: Any) -> Any:
    """How many old elements a step to the next new one is."""
    if align_corners:
        return real(n - 1) / real(m - 1) if m > 1 else real(0)
    return real(1.0 / given) if given else real(n) / real(m)


def _antialiased(n: int, at: np.ndarray, scale: Any, kind: str, real: Any) -> Taps:
    widening = max(scale, real(1))
    support = real(_REACH[kind]) * widening
    half = real(0.5)
    # Also with align_corners, which changes the scale alone.
    center = scale * (at + half)
    low = np.maximum((center - support + half).astype(np.int64), 0)
    high = np.minimum((center + support + half).astype(np.int64), n)
    index = low[:, None] + np.arange(max(int((high - low).max()), 1))
    distance = (index.astype(real) - center[:, None] + half) / widening
    weights = np.where(index < high[:, None], _FILTERS[kind](distance), 0).astype(real)
    weights /= weights.sum(1, keepdims=True)
    return _joined(np.minimum(index, n - 1), weights, n)


def _joined(index: np.ndarray, weights: np.ndarray, n: int) -> Taps:
    """The table of taps that lie at ``index``: of each row neighbours, some perhaps the same."""
    first = index.min(1)
    count = min(int((index.max(1) - first).max()) + 1, n)
    starts = np.minimum(first, n - count)
    joined = np.zeros((len(index), count), weights.dtype)
    rows = np.broadcast_to(np.arange(len(index))[:, None], index.shape)
    np.add.at(joined, (rows, index - starts[:, None]), weights)
    return Taps(starts, joined)


@functools.lru_cache(256)
def taps_back(m: int, n: int, method: Method, dim: int, wide: bool) -> Taps:
    """The table of the gradient: what each of ``n`` elements gets back from the ``m`` it went to."""
    starts, weights = taps_of(n, m, method, dim, wide)
    rows, taps = np.nonzero(weights)
    targets = starts[rows] + taps
    first, last = np.full(n, m), np.full(n, -1)
    np.minimum.at(first, targets, rows)
    np.maximum.at(last, targets, rows)
    count = max(int((last - first).max()) + 1, 1)
    first = np.minimum(np.where(last < 0, 0, first), m - count)
    back = np.zeros((n, count), weights.dtype)
    np.add.at(back, (targets, rows - first[targets]), weights[rows, taps])
    return Taps(first.astype(np.int64), back)


def _along(xp: Any, x: np.ndarray, taps: Taps, axis: int) -> np.ndarray:
    """``x`` with one dimension resized."""
    starts, weights = taps
    out = None
    for t in range(weights.shape[1]):
        weight = weights[:, t].reshape(-1, *[1] * (x.ndim - 1 - axis))
        term = xp.take(x, starts + t, axis) * weight
        out = term if out is None else out + term
    return out


def _resampled(
    xp: Any, x: np.ndarray, size: Sequence[int], table: Any, method: Method
) -> np.ndarray:
    """``x`` with its spatial dimensions resized, the last first."""
    if method.mode in ("nearest", "nearest-exact") and table is taps_of:
        # Copied: even weights of 1 would make numbers of what is none.
        last = native.is_channels_last(x)
        out = x.transpose(native.CHANNELS_TO_END[x.ndim]) if last else x
        for dim, (n, m) in enumerate(zip(x.shape[2:], size)):
            starts = table(n, m, method, dim, x.dtype == np.float64).starts
            out = xp.take(out, starts, dim + (1 if last else 2))
        return out.transpose(native.CHANNELS_FROM_END[x.ndim]) if last else out
    images = x.dtype == np.uint8
    out = x if x.dtype in (np.float32, np.float64) else x.astype(np.int32 if images else np.float32)
    for dim in reversed(range(len(size))):
        n, m = x.shape[2 + dim], size[dim]
        if not images:
            out = _along(xp, out, table(n, m, method, dim, x.dtype == np.float64), 2 + dim)
        elif n != m:
            out = _bytes_along(xp, out, *_fixed_point(n, m, method, dim), 2 + dim)
    return out.astype(x.dtype, copy=False)


def _bytes_along(xp: Any, x: np.ndarray, taps: Taps, bits: int, axis: int) -> np.ndarray:
    """`_along` in whole numbers; each pass gives bytes, as Pillow's does."""
    return xp.clip((_along(xp, x, taps, axis) + (1 << bits - 1)) >> bits, 0, 255)


@functools.lru_cache(256)
def _fixed_point(n: int, m: int, method: Method, dim: int) -> tuple[Taps, int]:
    """The table with weights of 16 bits, and how many of those follow the binary point."""
    starts, weights = taps_of(n, m, method, dim, True)
    bits = 0
    while bits < 22 and int(weights.max() * (2 << bits) + 0.5) < 1 << 15:
        bits += 1
    whole = np.trunc(weights * (1 << bits) + np.copysign(0.5, weights)).astype(np.int32)
    return Taps(starts, whole), bits


def _native_resampled(x: np.ndarray, size: Sequence[int], table: Any, method: Method) -> np.ndarray:
    """`_resampled` by the extension's loop, in the memory order of ``x``."""
    ends = native.CHANNELS_TO_END[x.ndim] if native.is_channels_last(x) else range(x.ndim)
    out = np.ascontiguousarray(x.transpose(ends))
    spatial = 1 if native.is_channels_last(x) else 2
    wide = x.dtype == np.float64
    if x.dtype not in (np.float32, np.float64):
        out = out.astype(np.float32)
    for dim in reversed(range(len(size))):
        n, m = x.shape[2 + dim], size[dim]
        taps = table(n, m, method, dim, wide)
        axis = spatial + dim
        made = np.empty((*out.shape[:axis], m, *out.shape[axis + 1 :]), out.dtype)
        native.extension.resample(out, taps.starts, taps.weights, axis, made)
        out = made
    return out.astype(x.dtype, copy=False).transpose(np.argsort(ends))


def _looped(x: np.ndarray, *rest: Any) -> bool:
    return x.size > 0 and (x.dtype in (np.float32, np.float64) or x.dtype in native.HALVES)


@primitive(layout="channels_last", node_name="UpsampleBackward0")
def resample(input: Tensor, size: tuple[int, ...], method: Method) -> Spec:
    """``(N, C, *in)`` resized to ``(N, C, *size)``."""
    shape = input._array.shape
    if min(*shape[2:], *size) <= 0:
        names = ("D", "H", "W")[-len(size) :]
        old, new = (", ".join(f"{n}: {s}" for n, s in zip(names, v)) for v in (shape[2:], size))
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({old}) output ({new})"
        )
    if shape[1] == 0:
        raise RuntimeError(
            f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes {list(shape)}"
        )
    images = input.dtype is dtypes.uint8 and (len(size) == 2 or method.mode.startswith("nearest"))
    if input.dtype.rank != dtypes.FLOATING and not images:
        raise NotImplementedError(
            f"interpolate: mode {method.mode!r} is not implemented for {len(shape)}D tensors of {input.dtype}; "
            "convert the input with .float()"
        )
    return Spec((*shape[:2], *size), input.dtype)


@resample.kernel("cpu", "cuda")
def _resample(xp, x, size, method):
    out = _resampled(xp, x, size, taps_of, method)
    return out.copy() if out is x else out


@resample.kernel(
    "cpu",
    when=lambda x, size, method: _looped(x) and not method.mode.startswith("nearest"),
)
def _resample_native(xp, x, size, method):
    return _native_resampled(x, size, taps_of, method)


@resample.vjp
def _resample_vjp(g, input_shape, method):
    return resample_gradient(g, input_shape[2:], method)


@resample.oracle
def _resample_oracle(x, size, method):
    for dim, m in enumerate(size):
        matrix = _oracle_matrix(x.shape[2 + dim], m, method, dim)
        x = np.moveaxis(np.tensordot(x, matrix, ((2 + dim,), (1,))), -1, 2 + dim)
    return x


def _oracle_matrix(n: int, m: int, method: Method, dim: int) -> np.ndarray:
    """The weights of a dimension written out one by one."""
    matrix = np.zeros((m, n))
    scale = 1 / method.scales[dim] if method.scales[dim] else n / m
    kind = _FILTER.get(method.mode)
    if n == m and _stays(method):
        return np.eye(n)
    if method.align_corners:
        scale = (n - 1) / (m - 1) if m > 1 else 0.0
    for j in range(m):
        aligned = method.align_corners and not method.antialias
        place = j * scale if aligned else (j + 0.5) * scale - 0.5
        if kind is None:
            matrix[j, min(int((j + 0.5 * (method.mode != "nearest")) * scale), n - 1)] = 1
        elif method.antialias:
            wide = max(scale, 1.0)
            for i in range(n):
                if abs(i - place) < _REACH[kind] * wide:
                    matrix[j, i] = float(_FILTERS[kind](np.float64((i - place) / wide)))
            matrix[j] /= matrix[j].sum()
        else:
            filter = _linear if kind == "linear" else _CUBIC
            for i in range(math.floor(place) - 2, math.floor(place) + 4):
                matrix[j, min(max(i, 0), n - 1)] += float(filter(np.float64(i - place)))
    return matrix


def _methods():
    for mode in ("nearest", "nearest-exact"):
        yield (2, 3, 5), (7,), Method(mode, False, False, (None,))
        yield (2, 3, 5, 4), (3, 9), Method(mode, False, False, (0.7, 2.3))
    yield (2, 3, 5), (8,), Method("linear", False, False, (None,))
    yield (2, 3, 5), (2,), Method("linear", True, False, (None,))
    yield (1, 2, 3, 4, 2), (5, 3, 4), Method("trilinear", False, False, (None,) * 3)
    for mode in ("bilinear", "bicubic"):
        yield (2, 3, 5, 4), (8, 3), Method(mode, False, False, (None, None))
        yield (2, 3, 5, 4), (1, 9), Method(mode, True, False, (None, None))
        yield (2, 2, 5, 4), (10, 2), Method(mode, False, False, (2.1, 0.55))
    for mode in ("bilinear", "bicubic", "lanczos"):
        yield (1, 2, 13, 5), (4, 8), Method(mode, False, True, (None, None))


@resample.samples
def _resample_samples(make):
    for shape, size, method in _methods():
        yield call(make(*shape), size, method)


@resample.rejects
def _resample_rejects(make):
    bilinear = Method("bilinear", False, False, (None, None))
    yield reject(RuntimeError, "greater than 0", make(1, 1, 2, 2), (0, 2), bilinear)
    yield reject(RuntimeError, "Non-empty 4D", make(1, 0, 2, 2), (2, 2), bilinear)
    whole = make(1, 1, 2, 2, dtype=dtypes.int32)
    yield reject(NotImplementedError, "convert the input", whole, (2, 2), bilinear)


@primitive(layout="channels_last")
def resample_gradient(g: Tensor, size: tuple[int, ...], method: Method) -> Spec:
    """The gradient of `resample` with respect to its input of spatial ``size``."""
    return Spec((*g._array.shape[:2], *size), g.dtype)


@resample_gradient.kernel("cpu", "cuda")
def _resample_gradient(xp, g, size, method):
    return _resampled(xp, g, size, taps_back, method)


@resample_gradient.kernel("cpu", when=_looped)
def _resample_gradient_native(xp, g, size, method):
    return _native_resampled(g, size, taps_back, method)


resample_gradient.vjp(g=lambda gg, g_shape, method: resample(gg, g_shape[2:], method))


@resample_gradient.oracle
def _resample_gradient_oracle(g, size, method):
    for dim, n in enumerate(size):
        matrix = _oracle_matrix(n, g.shape[2 + dim], method, dim)
        g = np.moveaxis(np.tensordot(g, matrix, ((2 + dim,), (0,))), -1, 2 + dim)
    return g


@resample_gradient.samples
def _resample_gradient_samples(make):
    for shape, size, method in _methods():
        yield call(make(*shape[:2], *size), shape[2:], method)


def _several(value: Any, n: int, what: str, input: Tensor) -> tuple:
    if not isinstance(value, (tuple, list)):
        return (value,) * n
    if len(value) != n:
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(input.shape[2:])} and {what} {tuple(value)}; give one number, or {n}"
        )
    return tuple(value)


@exported("nn.functional", autocast={"cuda": "float32"})
def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The input resized along its spatial dimensions.

    Args:
        input: ``(N, C, *in)`` with one to three spatial dimensions, floating; ``(N, C, H, W)`` also uint8.
        size: the new ``*in``, one number or one for each dimension; this or ``scale_factor``.
        scale_factor: how many times larger, one number or one for each dimension.
        mode: ``"nearest"``, ``"nearest-exact"`` or ``"area"`` for any; ``"linear"`` for one dimension, ``"bilinear"``,
            ``"bicubic"`` or, with ``antialias``, ``"lanczos"`` for two, ``"trilinear"`` for three.
        align_corners: whether the centres of the corner elements stay where they are; else their outer edges do. Only
            for the linear and cubic modes.
        recompute_scale_factor: place the elements by the sizes instead of by ``scale_factor``, which differs where
            it does not give whole sizes.
        antialias: let every element count when shrinking, as Pillow does; for two dimensions.

    Raises:
        ValueError: the arguments contradict each other.
        NotImplementedError: the mode is not for this number of dimensions or dtype.
        RuntimeError: a size is not positive.

    Source: Keys 1981, "Cubic convolution interpolation for digital image processing", for bicubic.

    >>> x = rushlight.tensor([[[1.0, 2.0]]])
    >>> interpolate(x, 4)
    tensor([[[1., 1., 2., 2.]]])
    >>> interpolate(x, scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.2500, 1.7500, 2.0000]]])
    """
    n = input._array.ndim - 2
    if mode not in _DIMENSIONS or n not in (1, 2, 3):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {n + 2}D) for the modes: "
            f"{' | '.join(_DIMENSIONS)} (got {mode})"
        )
    if align_corners is not None and mode not in _ALIGNABLE:
        raise ValueError(
            f"align_corners option can only be set with the interpolating modes: {' | '.join(_ALIGNABLE)}; leave it "
            f"out for {mode}"
        )
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as "
            f"input, but got {mode} and {n + 2}-D"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined, but got both")
    old = input._array.shape[2:]
    scales: tuple = (None,) * n
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        new = _several(size, n, "output size", input)
        if not all(hasattr(m, "__index__") for m in new):
            raise TypeError(f"interpolate(): size must be ints, but got {size!r}")
        new = tuple([m.__index__() for m in new])
    elif scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    else:
        factors = tuple([float(s) for s in _several(scale_factor, n, "scale_factor", input)])
        new = tuple([math.floor(m * s) for m, s in zip(old, factors)])
        if not recompute_scale_factor:
            scales = tuple([s if s > 0 else None for s in factors])
    if n not in _DIMENSIONS[mode]:
        raise NotImplementedError(
            f"Got {n + 2}D input, but {mode} mode needs {_DIMENSIONS[mode][0] + 2}D input"
        )
    if mode == "area":
        return adaptive_avg_pool(input, new)
    return resample(input, new, Method(mode, bool(align_corners), bool(antialias), scales))


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=4,
    )


@exported("nn.functional", autocast={"cuda": "float32"})
def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` by its old name, with a warning."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@exported("nn.functional", autocast={"cuda": "float32"})
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with ``mode="nearest"`` by its old name, with a warning."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


@exported("nn.functional", autocast={"cuda": "float32"})
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with ``mode="bilinear", align_corners=True`` by its old name, with a warning."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
