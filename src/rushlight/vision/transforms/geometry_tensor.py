"""Places in image tensors: cropping, padding, resizing, rotating and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import dtypes
from ...nn import functional as nnf
from ...ops.choice import where
from ...ops.join import cat
from ...tensor import Tensor, wrap
from .checks import four_sides
from .image_tensors import (
    as_batch,
    check,
    floating_dtype,
    get_dimensions,
    get_image_size,
    line,
)

_PAD_MODES = {"edge": "replicate", "reflect": "reflect", "constant": "constant"}


def hflip(img: Tensor) -> Tensor:
    """Left and right exchanged."""
    check(img)
    return img.flip(-1)


def vflip(img: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    check(img)
    return img.flip(-2)


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A rectangle; zeros where it reaches past the image."""
    check(img)
    _, h, w = get_dimensions(img)
    inner = img[..., _span(top, height, h), _span(left, width, w)]
    missing = [
        *_missing(left, width, w, inner._array.shape[-1]),
        *_missing(top, height, h, inner._array.shape[-2]),
    ]
    return nnf.pad(inner, missing) if any(missing) else inner


def _span(start: int, length: int, n: int) -> slice:
    first = min(max(start, 0), n)
    return slice(first, max(min(start + length, n), first))


def _missing(start: int, length: int, n: int, found: int) -> tuple[int, int]:
    before = min(max(-start, 0), length)
    return before, length - found - before


def pad(
    img: Tensor,
    padding: int | Sequence[int],
    fill: float | None = 0,
    padding_mode: str = "constant",
) -> Tensor:
    """More pixels at the edges.

    Args:
        padding: one number, two (left and right, top and bottom) or four (left, top, right, bottom); what is negative
            cuts pixels off.
        fill: the value of ``"constant"``.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: there are not one, two or four numbers, or the mode is another.
    """
    check(img)
    fill = 0 if fill is None else fill
    if not isinstance(fill, (int, float)):
        raise TypeError(
            f"Got inappropriate fill arg {fill!r}; tensors take one number for all channels"
        )
    left, top, right, bottom = [int(p) for p in four_sides(padding, padding_mode)]
    if padding_mode == "symmetric":
        return _pad_symmetric(img, left, top, right, bottom)
    sides = [left, right, top, bottom]
    if padding_mode == "constant":
        if img.dtype.rank == dtypes.INTEGRAL:
            fill = int(fill)
        return nnf.pad(img, sides, value=fill)
    alone = img._array.ndim < 4
    out = nnf.pad(img.unsqueeze(0) if alone else img, sides, _PAD_MODES[padding_mode])
    return out.squeeze(0) if alone else out


def _pad_symmetric(img: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    if img._array.ndim > 4:
        raise RuntimeError(
            f"Symmetric padding of N-D tensors are not supported yet: got {img._array.ndim} dimensions"
        )
    rows = _mirrored(img._array.shape[-2], top, bottom)
    columns = _mirrored(img._array.shape[-1], left, right)
    return img.index_select(-2, wrap(rows)).index_select(-1, wrap(columns))


def _mirrored(n: int, before: int, after: int) -> np.ndarray:
    if max(before, after) > n:
        raise IndexError(
            f"symmetric padding of {max(before, after)} is more than the {n} pixels there are to mirror"
        )
    index = np.pad(np.arange(n), (max(before, 0), max(after, 0)), mode="symmetric")
    return index[max(-before, 0) : len(index) - max(-after, 0)].copy()


def resize(
    img: Tensor,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool | None = True,
) -> Tensor:
    """The image in ``size``, height and width.

    Raises:
        TypeError: ``interpolation`` is no string.
    """
    check(img)
    antialias = bool(antialias) and interpolation in ("bilinear", "bicubic", "lanczos")
    x, back = as_batch(img, [dtypes.float32, dtypes.float64])
    align = False if interpolation in ("bilinear", "bicubic") else None
    out = nnf.interpolate(
        x, tuple(size), mode=interpolation, align_corners=align, antialias=antialias
    )
    if interpolation in ("bicubic", "lanczos") and img.dtype is dtypes.uint8:
        out = out.clamp(0, 255)
    return back(out)


def affine(
    img: Tensor,
    matrix: Sequence[float],
    interpolation: str = "nearest",
    fill: int | float | Sequence[float] | None = None,
) -> Tensor:
    """The image whose pixel at (x, y) is that at ``matrix`` times (x, y, 1), counted from the centre."""
    check_sampled(img, interpolation, fill, ("nearest", "bilinear"))
    w, h = get_image_size(img)
    return sampled(img, _affine_places(img, matrix, w, h, w, h), interpolation, fill)


def rotate(
    img: Tensor,
    matrix: Sequence[float],
    interpolation: str = "nearest",
    expand: bool = False,
    fill: int | float | Sequence[float] | None = None,
) -> Tensor:
    """`affine`; with ``expand``, as large as the whole result is."""
    check_sampled(img, interpolation, fill, ("nearest", "bilinear"))
    w, h = get_image_size(img)
    new_w, new_h = affine_output_size(matrix, w, h) if expand else (w, h)
    return sampled(img, _affine_places(img, matrix, w, h, new_w, new_h), interpolation, fill)


def affine_output_size(matrix: Sequence[float], w: int, h: int) -> tuple[int, int]:
    """Width and height of what an affine map makes of an image.

    >>> affine_output_size([0, 1, 0, -1, 0, 0], 6, 4)
    (4, 6)
    """
    corners = np.array([[x * w, y * h, 1] for x in (-0.5, 0.5) for y in (-0.5, 0.5)], np.float32)
    moved = corners @ np.array(matrix, np.float32).reshape(2, 3).T
    moved += np.array([w * 0.5, h * 0.5], np.float32)
    # Less than a ten-thousandth of a pixel is rounding.
    part = np.float32(1e-4)
    high = np.ceil(np.trunc(moved.max(0) / part) * part)
    low = np.floor(np.trunc(moved.min(0) / part) * part)
    new_w, new_h = high - low
    return int(new_w), int(new_h)


def _centers(w: int, h: int, from_middle: bool, dtype: np.dtype) -> np.ndarray:
    """``(h, w, 2)``: x and y of each pixel's centre."""
    places = np.empty((h, w, 2), dtype)
    for axis, n in ((0, w), (1, h)):
        first = 0.5 - n * 0.5 if from_middle else 0.5
        line = first + np.arange(n)
        places[..., axis] = line if axis == 0 else line[:, None]
    return places


def _mapped(centers: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Each centre times ``(3, k)``, rounded after each step: near a border between pixels the last bit decides."""
    x, y = centers[..., :1], centers[..., 1:2]
    return (x * matrix[0] + y * matrix[1]) + matrix[2]


def _affine_places(
    img: Tensor, matrix: Sequence[float], w: int, h: int, new_w: int, new_h: int
) -> Tensor:
    real = floating_dtype(img).numpy
    theta = np.array(matrix, real).reshape(2, 3)
    theta = theta.T / np.array([0.5 * w, 0.5 * h], real)
    return wrap(_mapped(_centers(new_w, new_h, True, real), theta)[None])


def perspective(
    img: Tensor,
    perspective_coeffs: Sequence[float],
    interpolation: str = "bilinear",
    fill: int | float | Sequence[float] | None = None,
) -> Tensor:
    """The image whose pixel at (x, y) is that at ((a x + b y + c), (d x + e y + f)) / (g x + h y + 1)."""
    check_sampled(img, interpolation, fill, ("nearest", "bilinear"))
    real = floating_dtype(img).numpy
    w, h = get_image_size(img)
    a, b, c, d, e, f, g, i = perspective_coeffs
    above = np.array([[a, b, c], [d, e, f]], real).T / np.array([0.5 * w, 0.5 * h], real)
    below = np.array([[g, i, 1.0], [g, i, 1.0]], real).T
    centers = _centers(w, h, False, real)
    places = _mapped(centers, above) / _mapped(centers, below) - real.type(1)
    return sampled(img, wrap(places[None]), interpolation, fill)


def elastic_transform(
    img: Tensor,
    displacement: Tensor,
    interpolation: str = "bilinear",
    fill: int | float | Sequence[float] | None = None,
) -> Tensor:
    """The image with each pixel taken from ``displacement`` further on, ``(1, H, W, 2)`` in halves of the size.

    Raises:
        TypeError: ``img`` or ``displacement`` is no tensor.
    """
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor. Got {type(img)}")
    check_sampled(img, interpolation, fill, ("nearest", "bilinear", "bicubic"))
    w, h = get_image_size(img)
    places = np.empty((1, h, w, 2), np.float32)
    places[..., 0] = line((1 - w) / w, (w - 1) / w, w)
    places[..., 1] = line((1 - h) / h, (h - 1) / h, h)[:, None]
    return sampled(img, wrap(places) + displacement, interpolation, fill)


def check_sampled(img: Any, interpolation: str, fill: Any, modes: Sequence[str]) -> None:
    """Refuses what `sampled` does not take.

    Raises:
        TypeError: ``img`` is no image, or ``fill`` no number.
        ValueError: ``fill`` has another number of channels, or the interpolation is not for tensors.
    """
    check(img)
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        raise TypeError(
            f"Argument fill should be either int, float, tuple or list, but got {fill!r}"
        )
    if isinstance(fill, (tuple, list)):
        count = get_dimensions(img)[0]
        if len(fill) > 1 and len(fill) != count:
            raise ValueError(
                "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
                f"({len(fill)} != {count})"
            )
    if interpolation not in modes:
        raise ValueError(
            f"Interpolation mode '{interpolation}' is unsupported with Tensor input; use one of {', '.join(modes)}"
        )


def sampled(img: Tensor, places: Tensor, interpolation: str, fill: Any) -> Tensor:
    """The image read at places as `grid_sample` counts them, with ``fill`` outside of it."""
    x, back = as_batch(img, [places.dtype])
    places = places.expand(x._array.shape[0], -1, -1, -1)
    if fill is None:
        return back(nnf.grid_sample(x, places, interpolation, "zeros", False))
    # One more channel of ones says how much of each pixel came from the image.
    n, channels, h, w = x._array.shape
    x = cat([x, wrap(np.ones((n, 1, h, w), x._array.dtype))], 1)
    out = nnf.grid_sample(x, places, interpolation, "zeros", False)
    out, part = out[:, :channels], out[:, channels:]
    colours = fill if isinstance(fill, (tuple, list)) else [fill]
    colour = wrap(np.array([float(f) for f in colours], x._array.dtype).reshape(1, -1, 1, 1))
    if interpolation == "nearest":
        return back(where(part < 0.5, colour, out))
    return back(out * part + (1.0 - part) * colour)


def gaussian_blur(img: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """The image with each pixel a mean of its neighbours, weighted by their distance.

    Args:
        kernel_size: how many of them count, along x and y; odd.
        sigma: by which distance the weights fall, along x and y.
    """
    check(img)
    dtype = floating_dtype(img)
    along_x, along_y = (_gaussian(k, s, dtype.numpy) for k, s in zip(kernel_size, sigma))
    channels = img._array.shape[-3]
    weight = wrap(np.tile(along_y[:, None] * along_x[None], (channels, 1, 1, 1)))
    x, back = as_batch(img, [dtype])
    half_x, half_y = kernel_size[0] // 2, kernel_size[1] // 2
    x = nnf.pad(x, [half_x, half_x, half_y, half_y], mode="reflect")
    return back(nnf.conv2d(x, weight, groups=channels))


def _gaussian(count: int, sigma: float, dtype: np.dtype) -> np.ndarray:
    half = (count - 1) * 0.5
    x = np.linspace(-half, half, count).astype(dtype)
    exponents = dtype.type(-0.5) * (x / dtype.type(sigma)) ** 2
    weights = np.exp(exponents.astype(np.float64)).astype(dtype)
    return weights / _sum(weights)


def _sum(values: np.ndarray) -> Any:
    """The sum in the order in which PyTorch adds up: what eight does not divide first, then in eight lanes."""
    whole = len(values) // 8 * 8
    lanes = values[:whole].reshape(-1, 8).sum(0)
    total = values.dtype.type(0)
    for value in (*values[whole:], *(lanes if whole else ())):
        total += value
    return total


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """The image with a rectangle overwritten by ``v``."""
    check(img)
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out
