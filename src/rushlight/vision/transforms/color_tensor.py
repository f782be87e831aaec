"""Colours of image tensors: brightness, contrast, hue and the like."""

from __future__ import annotations

import numpy as np

from ... import dtypes
from ...nn import functional as nnf
from ...ops.choice import where
from ...ops.join import stack
from ...tensor import Tensor, values_of, wrap
from .image_tensors import (
    as_batch,
    check,
    check_bytes,
    check_channels,
    convert_image_dtype,
    floating_dtype,
    max_value,
)

# ITU-R BT.601: how bright the eye sees red, green and blue.
_LUMA = (0.2989, 0.587, 0.114)


def rgb_to_grayscale(img: Tensor, num_output_channels: int = 1) -> Tensor:
    """``(..., 3, H, W)`` in shades of gray, as one channel or three equal ones.

    Raises:
        TypeError: there are less than three dimensions, or neither one nor three channels.
        ValueError: ``num_output_channels`` is neither 1 nor 3.
    """
    check(img)
    if img._array.ndim < 3:
        raise TypeError(
            f"Input image tensor should have at least 3 dimensions, but found {img._array.ndim}"
        )
    check_channels(img)
    if num_output_channels not in (1, 3):
        raise ValueError(
            f"num_output_channels should be either 1 or 3, but got {num_output_channels}"
        )
    if img._array.shape[-3] == 1:
        return img.clone()
    r, g, b = img.unbind(-3)
    gray = (_LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b).to(img.dtype).unsqueeze(-3)
    return gray.expand(img.shape) if num_output_channels == 3 else gray


def _blend(first: Tensor, second: Tensor | None, ratio: float) -> Tensor:
    """``ratio`` of the first image and the rest of the second; None is black."""
    ratio = float(ratio)
    mixed = ratio * first if second is None else ratio * first + (1.0 - ratio) * second
    return mixed.clamp(0, max_value(first.dtype)).to(first.dtype)


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def adjust_brightness(img: Tensor, brightness_factor: float) -> Tensor:
    """0 gives black, 1 the image, 2 twice its brightness.

    Raises:
        ValueError: the factor is negative.
    """
    _check_factor("brightness_factor", brightness_factor)
    check(img)
    check_channels(img)
    return _blend(img, None, brightness_factor)


def adjust_contrast(img: Tensor, contrast_factor: float) -> Tensor:
    """0 gives one gray, 1 the image, 2 twice its contrast.

    Raises:
        ValueError: the factor is negative.
    """
    _check_factor("contrast_factor", contrast_factor)
    check(img)
    check_channels(img)
    gray = rgb_to_grayscale(img) if img._array.shape[-3] == 3 else img
    mean = gray.to(floating_dtype(img)).mean(dim=(-3, -2, -1), keepdim=True)
    return _blend(img, mean, contrast_factor)


def adjust_saturation(img: Tensor, saturation_factor: float) -> Tensor:
    """0 gives shades of gray, 1 the image, 2 twice its saturation.

    Raises:
        ValueError: the factor is negative.
    """
    _check_factor("saturation_factor", saturation_factor)
    check(img)
    check_channels(img)
    if img._array.shape[-3] == 1:
        return img
    return _blend(img, rgb_to_grayscale(img), saturation_factor)


def adjust_hue(img: Tensor, hue_factor: float) -> Tensor:
    """The hue turned by ``hue_factor`` of the whole circle.

    Raises:
        ValueError: it is not from -0.5 to 0.5.
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    check(img)
    check_channels(img)
    if img._array.shape[-3] == 1:
        return img
    dtype = img.dtype
    h, s, v = rgb_to_hsv(convert_image_dtype(img, floating_dtype(img)))
    return convert_image_dtype(hsv_to_rgb((h + hue_factor) % 1.0, s, v), dtype)


def rgb_to_hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (in turns), saturation and value of ``(..., 3, H, W)``, each ``(..., H, W)``.

    Source: Smith 1978, "Color gamut transform pairs".
    """
    r, g, b = img.unbind(-3)
    value, low = img.amax(-3), img.amin(-3)
    gray = value == low
    spread = value - low
    # Where there is no hue, anything but 0 will do as a divisor.
    saturation = spread / where(gray, 1.0, value)
    divisor = where(gray, 1.0, spread)
    from_r, from_g, from_b = (value - r) / divisor, (value - g) / divisor, (value - b) / divisor
    red, green = value == r, value == g
    sixths = where(red, from_b - from_g, where(green, 2.0 + from_r - from_b, 4.0 + from_g - from_r))
    return (sixths / 6.0 + 1.0).fmod(1.0), saturation, value


def hsv_to_rgb(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """``(..., 3, H, W)`` of hue, saturation and value, each ``(..., H, W)``."""
    sixth = (h * 6.0).floor()
    f = h * 6.0 - sixth
    sixth = sixth.to(dtypes.int32) % 6
    p = (v * (1.0 - s)).clamp(0.0, 1.0)
    q = (v * (1.0 - s * f)).clamp(0.0, 1.0)
    t = (v * (1.0 - s * (1.0 - f))).clamp(0.0, 1.0)
    at = [sixth == i for i in range(5)]

    def chosen(*each: Tensor) -> Tensor:
        out = each[5]
        for where_at, value in zip(at, each):
            out = where(where_at, value, out)
        return out

    return stack([chosen(v, q, p, p, t, v), chosen(t, v, v, q, p, p), chosen(p, p, t, v, v, q)], -3)


def adjust_gamma(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """``gain * pixel ** gamma``, for pixels from 0 to 1.

    Raises:
        ValueError: ``gamma`` is negative.
    """
    check(img)
    check_channels(img)
    if gamma < 0:
        raise ValueError(f"Gamma should be a non-negative real number, but got {gamma}")
    x = convert_image_dtype(img, floating_dtype(img))
    return convert_image_dtype((gain * x**gamma).clamp(0, 1), img.dtype)


def invert(img: Tensor) -> Tensor:
    """Each pixel as far from white as it was from black."""
    check(img)
    check_channels(img)
    return max_value(img.dtype) - img


def posterize(img: Tensor, bits: int) -> Tensor:
    """The upper ``bits`` bits of each byte."""
    check(img)
    check_channels(img)
    check_bytes(img)
    return img & (256 - 2 ** (8 - bits))


def solarize(img: Tensor, threshold: float) -> Tensor:
    """Pixels from ``threshold`` on inverted.

    Raises:
        TypeError: ``threshold`` is above white.
    """
    check(img)
    check_channels(img)
    if threshold > max_value(img.dtype):
        raise TypeError(
            f"Threshold should be less than bound of img. Got {threshold}, but white is {max_value(img.dtype)}"
        )
    return where(img >= threshold, invert(img), img)


def adjust_sharpness(img: Tensor, sharpness_factor: float) -> Tensor:
    """0 gives a blurred image, 1 the image, 2 twice its sharpness.

    Raises:
        ValueError: the factor is negative.
    """
    _check_factor("sharpness_factor", sharpness_factor)
    check(img)
    check_channels(img)
    if min(img._array.shape[-2:]) <= 2:
        return img
    return _blend(img, _smoothed(img), sharpness_factor)


def _smoothed(img: Tensor) -> Tensor:
    """The image with each pixel the mean of its neighbours and five times itself; the edges as they are."""
    dtype = floating_dtype(img)
    kernel = np.ones((3, 3))
    kernel[1, 1] = 5.0
    kernel = (kernel / kernel.sum()).astype(dtype.numpy)
    channels = img._array.shape[-3]
    weight = wrap(np.tile(kernel, (channels, 1, 1, 1)))
    x, back = as_batch(img, [dtype])
    inner = back(nnf.conv2d(x, weight, groups=channels))
    out = img.clone()
    out[..., 1:-1, 1:-1] = inner
    return out


def autocontrast(img: Tensor) -> Tensor:
    """Each channel stretched to the whole range."""
    check(img)
    check_channels(img)
    dtype = floating_dtype(img)
    low = img.amin(dim=(-2, -1), keepdim=True).to(dtype)
    high = img.amax(dim=(-2, -1), keepdim=True).to(dtype)
    white = max_value(img.dtype)
    flat = low == high
    scale = where(flat, 1.0, white / where(flat, 1.0, high - low))
    return ((img - where(flat, 0.0, low)) * scale).clamp(0, white).to(img.dtype)


def equalize(img: Tensor) -> Tensor:
    """Each channel with its bytes spread evenly."""
    check(img)
    check_channels(img)
    check_bytes(img)
    pixels = values_of(img)
    out = np.empty_like(pixels, order="C")
    height, width = pixels.shape[-2:]
    for channel, into in zip(pixels.reshape(-1, height, width), out.reshape(-1, height, width)):
        into[:] = _equalized(channel)
    return wrap(out)


def _equalized(channel: np.ndarray) -> np.ndarray:
    counts = np.bincount(channel.ravel(), minlength=256)
    # All that is darker than the brightest byte there is, in 255 steps.
    step = (channel.size - counts[np.flatnonzero(counts)[-1]]) // 255
    if step == 0:
        return channel
    below = np.cumsum(counts) - counts
    table = np.clip((below + step // 2) // step, 0, 255)
    return table.astype(np.uint8)[channel]
