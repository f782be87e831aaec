"""What `functional` does to colours and values of images and videos."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import dtypes
from ....ops.creation import empty
from ....ops.values import from_numpy
from ....tensor import Tensor, values_of, wrap
from ... import io, tv_tensors
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask
from .. import functional as v1
from ..conversion_functions import normalize_or_spread
from ..functional import pil_to_tensor, to_pil_image
from ..image_tensors import convert_image_dtype as _scaled
from .dispatch import functional, through_batch
from .sizes import is_pure_tensor


@functional
def adjust_brightness(inpt: Any, brightness_factor: float) -> Any:
    """0 gives black, 1 the image, 2 twice its brightness."""
    return v1.adjust_brightness(inpt, brightness_factor)


@functional
def adjust_contrast(inpt: Any, contrast_factor: float) -> Any:
    """0 gives one gray, 1 the image, 2 twice its contrast."""
    return v1.adjust_contrast(inpt, contrast_factor)


@functional
def adjust_saturation(inpt: Any, saturation_factor: float) -> Any:
    """0 gives shades of gray, 1 the image, 2 twice its saturation."""
    return v1.adjust_saturation(inpt, saturation_factor)


@functional
def adjust_hue(inpt: Any, hue_factor: float) -> Any:
    """The hue turned by ``hue_factor`` of the whole circle, from -0.5 to 0.5."""
    return v1.adjust_hue(inpt, hue_factor)


@functional
def adjust_gamma(inpt: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * pixel ** gamma``, for pixels from 0 to 1."""
    return v1.adjust_gamma(inpt, gamma, gain)


@functional
def adjust_sharpness(inpt: Any, sharpness_factor: float) -> Any:
    """0 gives a blurred image, 1 the image, 2 twice its sharpness."""
    return through_batch(v1.adjust_sharpness, inpt, sharpness_factor)


@functional(kinds=(Image,))
def rgb_to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """The image in shades of gray, as one channel or three equal ones."""
    if isinstance(inpt, Tensor) and inpt.shape[-3] == 1 and num_output_channels == 3:
        return grayscale_to_rgb(inpt)
    return v1.rgb_to_grayscale(inpt, num_output_channels)


to_grayscale = rgb_to_grayscale


@functional(kinds=(Image,))
def grayscale_to_rgb(inpt: Any) -> Any:
    """The image with three channels; one that has them stays as it is."""
    if not isinstance(inpt, Tensor):
        return inpt.convert("RGB")
    if inpt.shape[-3] >= 3:
        return inpt
    return inpt.expand(*inpt.shape[:-3], 3, *inpt.shape[-2:]).clone()


@functional
def invert(inpt: Any) -> Any:
    """Each pixel as far from white as it was from black."""
    return v1.invert(inpt)


@functional
def posterize(inpt: Any, bits: int) -> Any:
    """The upper ``bits`` bits of each byte; of floats as many steps.

    Raises:
        TypeError: ``bits`` is no int from 0 to 8.
    """
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise TypeError(f"bits must be a positive integer in the range [0, 8], got {bits} instead.")
    if isinstance(inpt, Tensor) and inpt.is_floating_point():
        steps = 1 << bits
        return (inpt * steps).floor().clamp(0, steps - 1) * (1.0 / steps)
    return v1.posterize(inpt, bits)


@functional
def solarize(inpt: Any, threshold: float) -> Any:
    """Pixels from ``threshold`` on inverted."""
    return v1.solarize(inpt, threshold)


@functional
def autocontrast(inpt: Any) -> Any:
    """Each channel stretched to the whole range."""
    return v1.autocontrast(inpt)


@functional
def equalize(inpt: Any) -> Any:
    """Each channel with its values spread evenly; other dtypes by way of bytes."""
    if not isinstance(inpt, Tensor) or inpt.dtype is dtypes.uint8:
        return v1.equalize(inpt)
    return _scaled(v1.equalize(_scaled(inpt, dtypes.uint8)), inpt.dtype)


@functional
def permute_channels(inpt: Any, permutation: Sequence[int]) -> Any:
    """The channels in another order: ``permutation[i]`` is the channel that becomes the one at ``i``.

    Raises:
        ValueError: they are not as many.

    >>> permute_channels(Image([[[1]], [[2]], [[3]]]), [2, 0, 1]).flatten()
    tensor([3, 1, 2])
    """
    if not isinstance(inpt, Tensor):
        return to_pil_image(permute_channels(pil_to_tensor(inpt), permutation))
    if len(permutation) != inpt.shape[-3]:
        raise ValueError(
            "Length of permutation does not match number of channels: "
            f"{len(permutation)} != {inpt.shape[-3]}"
        )
    return inpt.index_select(-3, wrap(np.array(permutation)))


@functional
def gaussian_blur(inpt: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The image with each pixel a mean of its neighbours, weighted by their distance."""
    return through_batch(v1.gaussian_blur, inpt, kernel_size, sigma)


@functional
def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """The image with noise; ``mean`` and ``sigma`` are parts of white.

    Args:
        clip: whether what is darker than black or brighter than white becomes black or white.

    Raises:
        ValueError: ``sigma`` is negative, or the image is a PIL image or of integers other than bytes.
    """
    if not isinstance(inpt, Tensor):
        raise ValueError("Gaussian Noise is not implemented for PIL images; put ToImage() before")
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if inpt.is_floating_point():
        out = inpt + mean + _normal(inpt, inpt.dtype) * sigma
        return out.clamp(0, 1) if clip else out
    if inpt.dtype is not dtypes.uint8:
        raise ValueError(
            f"Input tensor is expected to be in uint8 or float dtype, got dtype={inpt.dtype}"
        )
    noise = (mean * 255 + _normal(inpt, dtypes.float32) * sigma * 255).to(dtypes.int16)
    out = inpt.to(dtypes.int16) + noise
    return (out.clamp(0, 255) if clip else out).to(dtypes.uint8)


def _normal(img: Tensor, dtype: dtypes.dtype) -> Tensor:
    return empty(*img.shape, dtype=dtype).normal_()


@functional
def erase(inpt: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """The image with the rectangle from row ``i`` and column ``j`` overwritten by ``v``."""
    if isinstance(inpt, Tensor):
        return v1.erase(inpt, i, j, h, w, v, inplace)
    return to_pil_image(v1.erase(pil_to_tensor(inpt), i, j, h, w, v, inplace))


@functional
def jpeg(inpt: Any, quality: int) -> Any:
    """The image after it was a JPEG file of that quality, 1 to 100."""
    if not isinstance(inpt, Tensor):
        return to_pil_image(jpeg(pil_to_tensor(inpt), quality))
    flat = inpt.reshape(-1, *inpt.shape[-3:])
    decoded = [io.decode_jpeg(io.encode_jpeg(x, quality)) for x in flat]
    if not decoded:
        return inpt
    return wrap(np.stack([values_of(x) for x in decoded])).reshape(inpt.shape)


@functional
def normalize(inpt: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
    """``(inpt - mean) / std`` for each channel."""
    return normalize_or_spread(inpt, mean, std, inplace)


def to_dtype(inpt: Any, dtype: dtypes.dtype = dtypes.float32, scale: bool = False) -> Any:
    """A tensor in another dtype.

    Args:
        scale: whether the values of images and videos are scaled so that white stays white: from 255 to 1.

    >>> to_dtype(Image([[0, 255]], dtype=rushlight.uint8), scale=True)
    Image([[[0., 1.]]])
    """
    if not isinstance(inpt, Tensor):
        raise TypeError(
            f"Functional F.to_dtype supports tensors, but got {type(inpt)}; put ToImage() before"
        )
    if not scale or isinstance(inpt, (Mask, BoundingBoxes, KeyPoints)):
        return inpt.to(dtype)
    out = _scaled(inpt.as_subclass(Tensor), dtype)
    return out if is_pure_tensor(inpt) else tv_tensors.wrap(out, like=inpt)


def convert_image_dtype(image: Tensor, dtype: dtypes.dtype = dtypes.float32) -> Tensor:
    """A tensor in another dtype, scaled so that white stays white."""
    return to_dtype(image, dtype, scale=True)


def to_image(inpt: Any) -> Image:
    """An `Image` of a tensor, a PIL image, or an array ``(H, W, C)`` or ``(H, W)``.

    Raises:
        TypeError: it is none of these.

    >>> to_image(np.zeros((2, 4, 3), np.uint8)).shape
    torch.Size([3, 2, 4])
    """
    if isinstance(inpt, np.ndarray):
        inpt = from_numpy(np.ascontiguousarray(np.atleast_3d(inpt).transpose(2, 0, 1)))
    elif not (isinstance(inpt, Tensor) or is_image(inpt)):
        raise TypeError(
            f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead."
        )
    return Image(inpt)


def to_tensor(inpt: Any) -> Tensor:
    """An old form of `to_image` and `to_dtype`, with a warning."""
    warnings.warn(
        "The function to_tensor(...) is deprecated; write to_image(...), then "
        "to_dtype(..., dtype=torch.float32, scale=True)",
        UserWarning,
        stacklevel=2,
    )
    return v1.to_tensor(inpt)


@functional
def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """``num_samples`` frames of a video (..., T, C, H, W), equally far from each other.

    >>> uniform_temporal_subsample(rushlight.arange(5).reshape(5, 1, 1, 1), 3).flatten()
    tensor([0, 2, 4])
    """
    last = inpt.shape[-4] - 1
    frames = np.linspace(0, last, num_samples, dtype=np.float32).astype(np.int64)
    return inpt.index_select(-4, wrap(frames))
