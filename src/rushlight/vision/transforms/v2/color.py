"""Transforms of colours, blurring, noise and erasing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....ops.random import randperm
from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from .. import draws
from .. import transforms as v1
from . import functional as F
from .samples import query_chw
from .transform import AsBefore, RandomApplyTransform, Transform, stand_in


class Grayscale(AsBefore, v1.Grayscale):
    """The image in shades of gray.

    Args:
        num_output_channels: 1, or 3 for three equal ones.
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.rgb_to_grayscale, inpt, self.num_output_channels)


class RandomGrayscale(RandomApplyTransform):
    """The image in shades of gray, or as it is; with as many channels as before.

    Args:
        p: how likely it is gray.
    """

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"num_input_channels": query_chw(flat_inputs)[0]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.rgb_to_grayscale, inpt, params["num_input_channels"])


class RGB(Transform):
    """The image with three channels: of shades of gray three equal ones."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.grayscale_to_rgb, inpt)


_FACTORS = {
    "brightness_factor": F.adjust_brightness,
    "contrast_factor": F.adjust_contrast,
    "saturation_factor": F.adjust_saturation,
    "hue_factor": F.adjust_hue,
}


class ColorJitter(AsBefore, v1.ColorJitter):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Args:
        brightness, contrast, saturation: the factor lies within this of 1, or between two numbers.
        hue: the hue turns by at most this part of the circle, at most 0.5, or between two numbers.
    """

    def __init__(
        self,
        brightness: Any = None,
        contrast: Any = None,
        saturation: Any = None,
        hue: Any = None,
    ):
        given = (brightness, contrast, saturation, hue)
        super().__init__(*[0 if value is None else value for value in given])

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        drawn = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return dict(zip(("fn_idx", *_FACTORS), drawn))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        names = list(_FACTORS)
        for i in params["fn_idx"].tolist():
            factor = params[names[i]]
            if factor is not None:
                inpt = self._call_kernel(_FACTORS[names[i]], inpt, factor)
        return inpt


class RandomPhotometricDistort(Transform):
    """Brightness, contrast, saturation, hue and the order of channels, each changed at random or not.

    Args:
        brightness, contrast, saturation, hue: the smallest and largest factor.
        p: how likely each is changed.

    Source: Liu et al. 2016, "SSD: single shot multibox detector".
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ):
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels = query_chw(flat_inputs)[0]
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        params: dict[str, Any] = {}
        for name, span in zip(_FACTORS, ranges):
            params[name] = draws.uniform(*span) if draws.chance() < self.p else None
        params["contrast_before"] = draws.chance() < 0.5
        shuffled = draws.chance() < self.p
        params["channel_permutation"] = randperm(channels).tolist() if shuffled else None
        return params

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        order = ["brightness_factor", "saturation_factor", "hue_factor"]
        order.insert(1 if params["contrast_before"] else 3, "contrast_factor")
        for name in order:
            if params[name] is not None:
                inpt = self._call_kernel(_FACTORS[name], inpt, params[name])
        if params["channel_permutation"] is not None:
            inpt = self._call_kernel(F.permute_channels, inpt, params["channel_permutation"])
        return inpt


class RandomChannelPermutation(Transform):
    """The channels of the image in random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"permutation": randperm(query_chw(flat_inputs)[0]).tolist()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.permute_channels, inpt, params["permutation"])


def _randomly(name: str, function: Callable, *settings: str) -> type:
    """The class ``name``: ``function`` with the settings of the class of the old names, or nothing."""
    old = getattr(v1, name)

    def transform(self: Any, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(function, inpt, *[getattr(self, s) for s in settings])

    body = {"__doc__": old.__doc__, "__module__": __name__, "transform": transform}
    return type(name, (AsBefore, old), body)


RandomEqualize = _randomly("RandomEqualize", F.equalize)
RandomInvert = _randomly("RandomInvert", F.invert)
RandomAutocontrast = _randomly("RandomAutocontrast", F.autocontrast)
RandomPosterize = _randomly("RandomPosterize", F.posterize, "bits")
RandomSolarize = _randomly("RandomSolarize", F.solarize, "threshold")
RandomAdjustSharpness = _randomly("RandomAdjustSharpness", F.adjust_sharpness, "sharpness_factor")


class GaussianBlur(AsBefore, v1.GaussianBlur):
    """The image blurred by a random amount.

    Args:
        kernel_size: how many neighbours count, an odd int, or one for y and one for x.
        sigma: the smallest and largest amount, or one number.
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": [self.get_params(*self.sigma)] * 2}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.gaussian_blur, inpt, self.kernel_size, **params)


class GaussianNoise(Transform):
    """The image with noise; ``mean`` and ``sigma`` are parts of white.

    Args:
        mean, sigma: of the noise.
        clip: whether what is darker than black or brighter than white becomes black or white.
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True):
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.gaussian_noise, inpt, self.mean, self.sigma, self.clip)


class RandomErasing(AsBefore, v1.RandomErasing):
    """An image with a random rectangle overwritten, or as it is; masks and boxes stay as they are.

    Args:
        p: how likely there is a rectangle.
        scale: the smallest and largest part of the image's area.
        ratio: the smallest and largest height over width.
        value: a number, one for each channel, or ``"random"`` for normally distributed numbers.
        inplace: overwrite the tensor.

    Source: Zhong et al. 2017, "Random erasing data augmentation".
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ):
        super().__init__(p, scale, ratio, value, inplace)
        if isinstance(value, str):
            self.value = None
        else:
            self.value = [
                float(v) for v in (value if isinstance(value, (list, tuple)) else [value])
            ]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels, height, width = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of inpt channels), but got {self.value}"
            )
        image = stand_in(height, width, channels)
        *place, content = self.get_params(image, self.scale, self.ratio, self.value)
        content = None if content is image else content
        return dict(zip(("i", "j", "h", "w", "v"), (*place, content)))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["v"] is None or isinstance(inpt, (Mask, BoundingBoxes, KeyPoints)):
            return inpt
        return self._call_kernel(F.erase, inpt, **params, inplace=self.inplace)


class JPEG(Transform):
    """The image after it was a JPEG file.

    Args:
        quality: 1 to 100, or the smallest and largest to draw from.

    Raises:
        ValueError: it is out of range.
        TypeError: it is neither an int nor two.
    """

    def __init__(self, quality: int | Sequence[int]):
        super().__init__()
        span = [quality, quality] if isinstance(quality, int) else quality
        if not isinstance(span, Sequence) or not all(isinstance(q, int) for q in span):
            raise TypeError(f"quality should be an int or a sequence of two, but got {quality!r}")
        if len(span) != 2 or not 1 <= span[0] <= span[1] <= 100:
            raise ValueError(
                f"quality must be an integer from 1 to 100, or two in order, got {quality}"
            )
        self.quality = span

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"quality": draws.integer(self.quality[0], self.quality[1] + 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.jpeg, inpt, params["quality"])
