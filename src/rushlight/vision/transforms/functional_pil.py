"""What the transforms do to PIL images."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import pillow
from ..pillow import is_image
from .checks import four_sides


def check(img: Any) -> None:
    """Refuses what is no PIL image.

    Raises:
        TypeError: it is none.
    """
    if not is_image(img):
        raise TypeError(
            f"img should be PIL Image or Tensor. Got {type(img)}; make one of an array with to_pil_image or to_tensor"
        )


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width.

    >>> get_dimensions(pillow.module().new("RGB", (4, 3)))
    [3, 3, 4]
    """
    check(img)
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """Width and height."""
    check(img)
    return [img.width, img.height]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    check(img)
    return len(img.getbands())


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    check(img)
    return img.transpose(0)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    check(img)
    return img.transpose(1)


def _enhanced(kind: str, img: Any, factor: float) -> Any:
    check(img)
    return getattr(pillow.module("ImageEnhance"), kind)(img).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 gives black, 1 the image, 2 twice its brightness."""
    return _enhanced("Brightness", img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 gives one gray, 1 the image, 2 twice its contrast."""
    return _enhanced("Contrast", img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 gives shades of gray, 1 the image, 2 twice its saturation."""
    return _enhanced("Color", img, saturation_factor)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 gives a blurred image, 1 the image, 2 twice its sharpness."""
    return _enhanced("Sharpness", img, sharpness_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The hue turned by ``hue_factor`` of the whole circle.

    Raises:
        ValueError: it is not from -0.5 to 0.5.
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    check(img)
    if img.mode in ("L", "1", "I", "F"):
        return img
    image = pillow.module()
    h, s, v = img.convert("HSV").split()
    turned = np.array(h)
    # Hue is a circle of 256 steps, so the sum may wrap around.
    turned += np.uint8(int(hue_factor * 255) & 255)
    return image.merge("HSV", (image.fromarray(turned), s, v)).convert(img.mode)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``255 * gain * (pixel / 255) ** gamma``.

    Raises:
        ValueError: ``gamma`` is negative.
    """
    check(img)
    if gamma < 0:
        raise ValueError(f"Gamma should be a non-negative real number, but got {gamma}")
    # Just below 256, so that each of the 256 values gets an equal share.
    table = [int((255 + 1 - 1e-3) * gain * pow(v / 255.0, gamma)) for v in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def fill_for(img: Any, fill: Any) -> Any:
    """What Pillow takes as the colour that ``fill`` means for this image.

    Raises:
        ValueError: it has another number of channels than the image.
    """
    count = len(img.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)):
        if count > 1:
            fill = (fill,) * count
    elif isinstance(fill, (list, tuple)):
        if len(fill) != count:
            raise ValueError(
                "The number of elements in 'fill' does not match the number of channels of the image "
                f"({len(fill)} != {count})"
            )
        fill = tuple(fill)
    if img.mode == "F":
        return fill
    return tuple([int(f) for f in fill]) if isinstance(fill, tuple) else int(fill)


def pad(
    img: Any,
    padding: int | Sequence[int],
    fill: Any = 0,
    padding_mode: str = "constant",
) -> Any:
    """More pixels at the edges.

    Args:
        padding: one number, two (left and right, top and bottom) or four (left, top, right, bottom); what is negative
            cuts pixels off.
        fill: the colour of ``"constant"``.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: there are not one, two or four numbers, or the mode is another.
    """
    check(img)
    if not isinstance(fill, (numbers.Number, tuple, list)):
        raise TypeError(f"Got inappropriate fill arg {fill!r}; give a number, or one a channel")
    left, top, right, bottom = four_sides(padding, padding_mode)
    palette = img.getpalette() if img.mode == "P" else None
    if padding_mode == "constant":
        out = pillow.module("ImageOps").expand(img, (left, top, right, bottom), fill_for(img, fill))
    else:
        if min(left, top, right, bottom) < 0:
            img = img.crop(
                (
                    max(-left, 0),
                    max(-top, 0),
                    img.width - max(-right, 0),
                    img.height - max(-bottom, 0),
                )
            )
        pixels = np.asarray(img)
        grown = [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))]
        grown += [(0, 0)] * (pixels.ndim - 2)
        out = pillow.module().fromarray(np.pad(pixels, grown, mode=padding_mode))
    if palette is not None:
        out.putpalette(palette)
    return out


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle; black where it reaches past the image."""
    check(img)
    return img.crop((left, top, left + width, top + height))


def resize(img: Any, size: Sequence[int], interpolation: int = 2) -> Any:
    """The image in ``size``, height and width.

    Raises:
        TypeError: ``size`` is not two ints.
    """
    check(img)
    if not (isinstance(size, (list, tuple)) and len(size) == 2):
        raise TypeError(f"Got inappropriate size arg: {size}; give (height, width)")
    return img.resize(tuple(size[::-1]), interpolation)


def affine(img: Any, matrix: Sequence[float], interpolation: int = 0, fill: Any = None) -> Any:
    """The image whose pixel at (x, y) is that at ``matrix`` times (x, y, 1)."""
    check(img)
    return img.transform(img.size, 0, matrix, interpolation, fillcolor=fill_for(img, fill))


def rotate(
    img: Any,
    angle: float,
    interpolation: int = 0,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """The image turned by ``angle`` degrees, counter-clockwise."""
    check(img)
    return img.rotate(angle, interpolation, expand, center, fillcolor=fill_for(img, fill))


def perspective(
    img: Any, perspective_coeffs: Sequence[float], interpolation: int = 3, fill: Any = None
) -> Any:
    """The image whose pixel at (x, y) is that at ((a x + b y + c), (d x + e y + f)) / (g x + h y + 1)."""
    check(img)
    return img.transform(
        img.size, 2, perspective_coeffs, interpolation, fillcolor=fill_for(img, fill)
    )


def to_grayscale(img: Any, num_output_channels: int) -> Any:
    """The image in shades of gray, as one channel or three equal ones.

    Raises:
        ValueError: it is another number.
    """
    check(img)
    if num_output_channels not in (1, 3):
        raise ValueError(
            f"num_output_channels should be either 1 or 3, but got {num_output_channels}"
        )
    gray = img.convert("L")
    if num_output_channels == 1:
        return gray
    return pillow.module().merge("RGB", (gray, gray, gray))


def invert(img: Any) -> Any:
    """Each pixel as far from white as it was from black."""
    check(img)
    return pillow.module("ImageOps").invert(img)


def posterize(img: Any, bits: int) -> Any:
    """The upper ``bits`` bits of each pixel."""
    check(img)
    return pillow.module("ImageOps").posterize(img, bits)


def solarize(img: Any, threshold: int) -> Any:
    """Pixels from ``threshold`` on inverted."""
    check(img)
    return pillow.module("ImageOps").solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Each channel stretched to the whole range."""
    check(img)
    return pillow.module("ImageOps").autocontrast(img)


def equalize(img: Any) -> Any:
    """Each channel with its values spread evenly."""
    check(img)
    return pillow.module("ImageOps").equalize(img)
