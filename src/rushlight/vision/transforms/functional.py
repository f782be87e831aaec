"""The transforms as functions: each on PIL images and on tensors ``(..., C, H, W)``.

What they do to either is in `functional_pil` and `functional_tensor`; `backend_of` chooses.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import dtypes
from ...tensor import Tensor
from . import functional_pil, functional_tensor
from . import renamed as old_names
from .checks import two_sizes
from .conversion_functions import normalize, pil_to_tensor, to_pil_image, to_tensor
from .functional_tensor import rgb_to_grayscale as _gray_tensor
from .interpolation import PILLOW_CODES, InterpolationMode, as_mode

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "center_crop", "convert_image_dtype", "crop", "elastic_transform",
    "equalize", "erase", "five_crop", "gaussian_blur", "get_dimensions", "get_image_num_channels", "get_image_size",
    "hflip", "invert", "normalize", "pad", "perspective", "pil_to_tensor", "posterize", "resize", "resized_crop",
    "rgb_to_grayscale", "rotate", "solarize", "ten_crop", "to_grayscale", "to_pil_image", "to_tensor", "vflip",
]  # fmt: skip


def backend_of(img: Any) -> Any:
    """The module whose functions take ``img``; for what is no image, the one whose functions say so."""
    return functional_tensor if isinstance(img, Tensor) else functional_pil


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width.

    >>> get_dimensions(rushlight.ones(3, 4, 5))
    [3, 4, 5]
    """
    return backend_of(img).get_dimensions(img)


def get_image_size(img: Any) -> list[int]:
    """Width and height.

    >>> get_image_size(rushlight.ones(3, 4, 5))
    [5, 4]
    """
    return backend_of(img).get_image_size(img)


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return backend_of(img).get_image_num_channels(img)


def convert_image_dtype(image: Tensor, dtype: dtypes.dtype = dtypes.float32) -> Tensor:
    """The tensor in another dtype, with black and white at its ends: 0 and 1, or 0 and the largest integer.

    Raises:
        TypeError: ``image`` is no tensor.
        RuntimeError: the floating dtype cannot hold the integers of the new one.

    >>> convert_image_dtype(rushlight.tensor([[0, 255]], dtype=rushlight.uint8))
    tensor([[0., 1.]])
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"Input img should be Tensor Image, but got {type(image)}")
    return functional_tensor.convert_image_dtype(image, dtype)


def output_size(size: tuple[int, int], wanted: Any, max_size: int | None = None) -> tuple[int, int]:
    """Height and width after resizing.

    Args:
        size: height and width before.
        wanted: both, or the length of the smaller edge.
        max_size: the most that the longer edge may have where ``wanted`` is one.

    Raises:
        ValueError: ``max_size`` is not above the smaller edge.

    >>> output_size((300, 400), 150)
    (150, 200)
    """
    if not isinstance(wanted, (int, numbers.Integral)) and len(wanted) == 2:
        return wanted[0], wanted[1]
    short = wanted if isinstance(wanted, (int, numbers.Integral)) else wanted[0]
    h, w = size
    long = int(short * max(h, w) / min(h, w))
    if max_size is not None:
        if max_size <= short:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge size = "
                f"{wanted}"
            )
        if long > max_size:
            short, long = int(max_size * short / long), max_size
    return (short, long) if h <= w else (long, short)


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in another size.

    Args:
        size: height and width, or an int, the length of the smaller edge; the other keeps the proportions.
        interpolation: an `InterpolationMode`.
        max_size: the most that the longer edge may have where ``size`` is an int.
        antialias: let every pixel count when shrinking a tensor; with PIL images it always is so.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: the sizes do not fit each other.

    >>> resize(rushlight.ones(3, 4, 8), 2).shape
    torch.Size([3, 2, 4])
    """
    interpolation = as_mode(interpolation)
    if isinstance(size, (list, tuple)):
        if len(size) not in (1, 2):
            raise ValueError(
                f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list"
            )
        if max_size is not None and len(size) != 1:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, i.e. size should be "
                f"an int or a sequence of length 1, but got {size}"
            )
    elif not isinstance(size, (int, numbers.Integral)):
        raise TypeError(f"size should be an int or (height, width), but got {size!r}")
    _, h, w = get_dimensions(img)
    new = output_size((h, w), size, max_size)
    if (h, w) == tuple(new):
        return img
    if isinstance(img, Tensor):
        return functional_tensor.resize(img, new, interpolation.value, antialias)
    if antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.",
            UserWarning,
            stacklevel=2,
        )
    return functional_pil.resize(img, new, PILLOW_CODES[interpolation])


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """More pixels at the edges.

    Args:
        padding: one number, two (left and right, top and bottom) or four (left, top, right, bottom); what is negative
            cuts pixels off.
        fill: what ``"constant"`` fills in: a number, or for PIL images one for each channel.
        padding_mode: ``"constant"``, ``"edge"`` (the last pixel again), ``"reflect"`` (mirrored there) or
            ``"symmetric"`` (mirrored behind it).

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: there are not one, two or four numbers, or the mode is another.

    >>> pad(rushlight.ones(1, 1, 1), 1)
    tensor([[[0., 0., 0.],
             [0., 1., 0.],
             [0., 0., 0.]]])
    """
    return backend_of(img).pad(img, padding, fill, padding_mode)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle; black where it reaches past the image.

    >>> crop(rushlight.ones(3, 8, 8), 2, 2, 3, 4).shape
    torch.Size([3, 3, 4])
    """
    return backend_of(img).crop(img, top, left, height, width)


def center_crop(img: Any, output_size: Any) -> Any:
    """The rectangle in the middle; black where it is larger than the image.

    Args:
        output_size: height and width, or one int for both.
    """
    if isinstance(output_size, numbers.Number):
        output_size = (int(output_size), int(output_size))
    elif isinstance(output_size, (tuple, list)) and len(output_size) == 1:
        output_size = (output_size[0], output_size[0])
    _, h, w = get_dimensions(img)
    new_h, new_w = output_size
    if new_w > w or new_h > h:
        more_w, more_h = max(new_w - w, 0), max(new_h - h, 0)
        img = pad(img, [more_w // 2, more_h // 2, (more_w + 1) // 2, (more_h + 1) // 2])
        _, h, w = get_dimensions(img)
        if (new_w, new_h) == (w, h):
            return img
    top, left = int(round((h - new_h) / 2.0)), int(round((w - new_w) / 2.0))
    return crop(img, top, left, new_h, new_w)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Left and right exchanged.

    >>> hflip(rushlight.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """
    return backend_of(img).hflip(img)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return backend_of(img).vflip(img)


def five_crop(img: Any, size: Any) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle.

    Args:
        size: height and width of each, or one int for both.

    Raises:
        ValueError: the image is smaller.
    """
    h, w = two_sizes(size, "Please provide only two dimensions (h, w) for size.")
    _, image_h, image_w = get_dimensions(img)
    if w > image_w or h > image_h:
        raise ValueError(
            f"Requested crop size {(h, w)} is bigger than input size {(image_h, image_w)}"
        )
    return (
        crop(img, 0, 0, h, w),
        crop(img, 0, image_w - w, h, w),
        crop(img, image_h - h, 0, h, w),
        crop(img, image_h - h, image_w - w, h, w),
        center_crop(img, [h, w]),
    )


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple:
    """`five_crop` of the image, then of the flipped image.

    Args:
        vertical_flip: exchange top and bottom instead of left and right.
    """
    flipped = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(flipped, size)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 gives black, 1 the image, 2 twice its brightness."""
    return backend_of(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 gives one gray, 1 the image, 2 twice its contrast."""
    return backend_of(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 gives shades of gray, 1 the image, 2 twice its saturation."""
    return backend_of(img).adjust_saturation(img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The hue turned by ``hue_factor`` of the whole circle, from -0.5 to 0.5.

    Raises:
        ValueError: it is not.
    """
    return backend_of(img).adjust_hue(img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * pixel ** gamma``, for pixels from 0 to 1: above 1, ``gamma`` makes shadows darker.

    Raises:
        ValueError: ``gamma`` is negative.
    """
    return backend_of(img).adjust_gamma(img, gamma, gain)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 gives a blurred image, 1 the image, 2 twice its sharpness."""
    return backend_of(img).adjust_sharpness(img, sharpness_factor)


def _check_angle(angle: Any) -> None:
    if not isinstance(angle, (int, float)):
        raise TypeError(f"Argument angle should be int or float, but got {angle!r}")


def _check_center(center: Any) -> None:
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError(f"Argument center should be a sequence, but got {center!r}")


def inverse_affine_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """The first two rows of the map from places of the result to places of the image, row by row.

    The image is moved with ``center`` to the origin, sheared, scaled, turned clockwise by ``angle`` degrees, moved
    back, and shifted by ``translate``.

    >>> inverse_affine_matrix([0, 0], 0, [3, 4], 1, [0, 0])[2::3]
    [-3.0, -4.0]
    """
    turn, shear_x, shear_y = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    # Turning and shearing together, as [a b; c d]; its determinant is 1.
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -math.cos(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -math.sin(turn - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(turn)
    xx, xy, yx, yy = d / scale, -b / scale, -c / scale, a / scale
    (cx, cy), (tx, ty) = center, translate
    return [
        xx, xy, xx * (-cx - tx) + xy * (-cy - ty) + cx,
        yx, yy, yx * (-cx - tx) + yy * (-cy - ty) + cy,
    ]  # fmt: skip


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
    *,
    resample: Any = None,
) -> Any:
    """The image turned counter-clockwise.

    Args:
        angle: in degrees.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        expand: make the result large enough for the whole image.
        center: ``(x, y)`` around which to turn, from the upper left corner; by default the middle.
        fill: the colour outside of the image.
        resample: the old name of ``interpolation``.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: the interpolation or the fill does not fit.

    >>> rotate(rushlight.tensor([[[1, 2], [3, 4]]]), 90)
    tensor([[[2, 4],
             [1, 3]]])
    """
    interpolation, fill = old_names.of_today(interpolation, fill, resample)
    interpolation = as_mode(interpolation)
    _check_angle(angle)
    _check_center(center)
    if not isinstance(img, Tensor):
        return functional_pil.rotate(img, angle, PILLOW_CODES[interpolation], expand, center, fill)
    # Tensors count from their middle, and their y axis points down.
    matrix = inverse_affine_matrix(_from_middle(img, center), -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    return functional_tensor.rotate(img, matrix, interpolation.value, expand, fill)


def _from_middle(img: Tensor, center: Any) -> list[float]:
    if center is None:
        return [0.0, 0.0]
    _, h, w = get_dimensions(img)
    return [1.0 * (c - s * 0.5) for c, s in zip(center, [w, h])]


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Any = None,
    *,
    resample: Any = None,
    fillcolor: Any = None,
) -> Any:
    """The image sheared, scaled, turned and shifted, in its old size.

    Args:
        angle: by how many degrees to turn, clockwise.
        translate: how far to shift, in pixels along x and y.
        scale: how many times larger.
        shear: degrees along x, or along x and y.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image.
        center: ``(x, y)`` of what stays in place, from the upper left corner; by default the middle.
        resample, fillcolor: the old names of ``interpolation`` and ``fill``.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument has a wrong length, or does not fit.

    >>> affine(rushlight.tensor([[[1, 2], [3, 4]]]), 0, [1, 0], 1, 0)
    tensor([[[0, 1],
             [0, 3]]])
    """
    interpolation, fill = old_names.of_today(interpolation, fill, resample, fillcolor)
    interpolation = as_mode(interpolation)
    _check_angle(angle)
    if not isinstance(translate, (list, tuple)):
        raise TypeError(f"Argument translate should be a sequence, but got {translate!r}")
    if len(translate) != 2:
        raise ValueError(
            f"Argument translate should be a sequence of length 2, but got {translate}"
        )
    if scale <= 0.0:
        raise ValueError(f"Argument scale should be positive, but got {scale}")
    if not isinstance(shear, (int, float, list, tuple)):
        raise TypeError(
            f"Shear should be either a single value or a sequence of two values, but got {shear!r}"
        )
    _check_center(center)
    shear = [shear, 0.0] if isinstance(shear, (int, float)) else list(shear)
    shear = shear * 2 if len(shear) == 1 else shear
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and len(center) != 2:
        raise ValueError(f"Argument center should be a sequence of length 2, but got {center}")
    if not isinstance(img, Tensor):
        _, h, w = get_dimensions(img)
        center = [w * 0.5, h * 0.5] if center is None else center
        matrix = inverse_affine_matrix(center, float(angle), translate, scale, shear)
        return functional_pil.affine(img, matrix, PILLOW_CODES[interpolation], fill)
    shift = [1.0 * t for t in translate]
    matrix = inverse_affine_matrix(_from_middle(img, center), float(angle), shift, scale, shear)
    return functional_tensor.affine(img, matrix, interpolation.value, fill)


def perspective_coefficients(
    startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]
) -> list[float]:
    """The eight coefficients of the perspective that takes ``startpoints`` to ``endpoints``.

    Raises:
        ValueError: they are not four each.
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    wanted = np.array(startpoints, np.float64).reshape(8)
    found = np.linalg.lstsq(np.array(rows, np.float64), wanted, rcond=None)[0]
    return found.astype(np.float32).tolist()


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The image as from another side.

    Args:
        startpoints: ``[x, y]`` of four corners in the image: top left, top right, bottom right, bottom left.
        endpoints: where they come to.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: there are not four corners each, or the interpolation or the fill does not fit.
    """
    coefficients = perspective_coefficients(startpoints, endpoints)
    interpolation = as_mode(interpolation)
    if isinstance(img, Tensor):
        return functional_tensor.perspective(img, coefficients, interpolation.value, fill)
    return functional_pil.perspective(img, coefficients, PILLOW_CODES[interpolation], fill)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image in shades of gray, as one channel or three equal ones.

    Raises:
        TypeError: ``img`` is no PIL image; tensors go to `rgb_to_grayscale`.
        ValueError: it is another number of channels.
    """
    if isinstance(img, Tensor):
        raise TypeError("Input should be PIL Image; for a tensor use rgb_to_grayscale")
    return functional_pil.to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image in shades of gray, as one channel or three equal ones.

    Raises:
        ValueError: it is another number of channels.

    >>> rgb_to_grayscale(rushlight.ones(3, 1, 1))
    tensor([[[0.9999]]])
    """
    if isinstance(img, Tensor):
        return _gray_tensor(img, num_output_channels)
    return functional_pil.to_grayscale(img, num_output_channels)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """The tensor with the rectangle from row ``i`` and column ``j`` overwritten by ``v``.

    Raises:
        TypeError: ``img`` is no tensor.

    >>> erase(rushlight.ones(1, 2, 2), 0, 0, 1, 2, 0.0)
    tensor([[[0., 0.],
             [1., 1.]]])
    """
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}; put ToTensor() before it")
    return functional_tensor.erase(img, i, j, h, w, v, inplace)


def _through_tensors(img: Any, change: Any) -> Any:
    """What ``change`` makes of a tensor, or of a PIL image by way of one."""
    if isinstance(img, Tensor):
        return change(img)
    functional_pil.check(img)
    return to_pil_image(change(pil_to_tensor(img)), img.mode)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The image with each pixel a mean of its neighbours, weighted by their distance.

    Args:
        kernel_size: how many neighbours count, an odd int, or one for x and one for y.
        sigma: by which distance their weights fall, a number, or one for x and one for y; by default from
            ``kernel_size``.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: a number is not positive or, of the sizes, not odd.

    >>> gaussian_blur(rushlight.tensor([[[0.0, 0.0, 8.0, 0.0, 0.0]] * 3]), 3)[0, 1]
    tensor([0.0000, 1.9120, 4.1761, 1.9120, 0.0000])
    """
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(
            f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}"
        )
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(k % 2 == 0 or k < 0 for k in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [k * 0.15 + 0.35 for k in sizes]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    sigmas = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else list(sigma)
    sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if len(sigmas) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigmas)}")
    if any(s <= 0.0 for s in sigmas):
        raise ValueError(f"sigma should have positive values. Got {sigmas}")
    return _through_tensors(img, lambda x: functional_tensor.gaussian_blur(x, sizes, sigmas))


def invert(img: Any) -> Any:
    """Each pixel as far from white as it was from black."""
    return backend_of(img).invert(img)


def posterize(img: Any, bits: int) -> Any:
    """The upper ``bits`` bits, 0 to 8, of each byte.

    Raises:
        ValueError: ``bits`` are others.
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return backend_of(img).posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """Pixels from ``threshold`` on inverted."""
    return backend_of(img).solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Each channel stretched to the whole range."""
    return backend_of(img).autocontrast(img)


def equalize(img: Any) -> Any:
    """Each channel with its bytes spread evenly.

    Raises:
        TypeError: the tensor is not uint8.
    """
    return backend_of(img).equalize(img)


def elastic_transform(
    img: Any,
    displacement: Tensor,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The image as if drawn on rubber.

    Args:
        displacement: ``(1, H, W, 2)``, how much further on, along x and y, each pixel is taken from; 2 is the whole
            size.
        interpolation: nearest, bilinear or bicubic.
        fill: the colour outside of the image.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: the displacement has another shape.
    """
    interpolation = as_mode(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError(f"Argument displacement should be a Tensor, but got {type(displacement)}")
    if not isinstance(img, Tensor):
        functional_pil.check(img)
    _, h, w = get_dimensions(img)
    if tuple(displacement.shape) != (1, h, w, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, h, w, 2)}, but given {tuple(displacement.shape)}"
        )
    return _through_tensors(
        img,
        lambda x: functional_tensor.elastic_transform(x, displacement, interpolation.value, fill),
    )
