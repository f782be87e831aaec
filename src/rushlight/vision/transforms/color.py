"""Transforms of colours, blurring and erasing."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

from ...nn.module import Module
from ...ops.creation import empty
from ...ops.random import randperm
from ...ops.values import tensor as new_tensor
from ...tensor import Tensor
from . import draws
from . import functional as F
from .checks import two_sizes


class ColorJitter(Module):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Args:
        brightness, contrast, saturation: the factor lies within this of 1, or between two numbers.
        hue: the hue turns by at most this part of the circle, at most 0.5, or between two numbers.

    Raises:
        TypeError: an argument is neither a number nor two.
        ValueError: it is out of range.
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0):
        super().__init__()
        self.brightness = _jitter_range(brightness, "brightness")
        self.contrast = _jitter_range(contrast, "contrast")
        self.saturation = _jitter_range(saturation, "saturation")
        self.hue = _jitter_range(hue, "hue", center=0, bound=(-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four, and their factors; None for what does not change."""
        order = randperm(4)
        b, c, s, h = [
            None if span is None else draws.uniform(span[0], span[1])
            for span in (brightness, contrast, saturation, hue)
        ]
        return order, b, c, s, h

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = changes[i](img, factors[i])
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _jitter_range(
    value: Any, name: str, center: float = 1, bound: tuple[float, float] = (0, math.inf)
) -> tuple[float, float] | None:
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(
                f"If {name} is a single number, it must be non negative, but got {value}"
            )
        span = [center - float(value), center + float(value)]
        if center == 1:
            span[0] = max(span[0], 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        span = [float(value[0]), float(value[1])]
    else:
        raise TypeError(
            f"{name} should be a single number or a list/tuple with length 2, but got {value!r}"
        )
    if not bound[0] <= span[0] <= span[1] <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {span}.")
    return None if span[0] == span[1] == center else (span[0], span[1])


class Grayscale(Module):
    """The image in shades of gray.

    Args:
        num_output_channels: 1, or 3 for three equal ones.
    """

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(Module):
    """The image in shades of gray, or as it is; with as many channels as before.

    Args:
        p: how likely it is gray.
    """

    def __init__(self, p: float = 0.1):
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        channels = F.get_dimensions(img)[0]
        if draws.chance() < self.p:
            return F.rgb_to_grayscale(img, channels)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class _Randomly(Module):
    """A change of the image, or the image as it is.

    Args:
        p: how likely it is changed.
    """

    # The names of what the change takes.
    _settings: tuple[str, ...] = ()

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def _change(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        return self._change(img) if draws.chance() < self.p else img

    def __repr__(self) -> str:
        settings = "".join([f"{name}={getattr(self, name)}," for name in self._settings])
        return f"{type(self).__name__}({settings}p={self.p})"


class RandomInvert(_Randomly):
    """Each pixel as far from white as it was from black, or as it is.

    Args:
        p: how likely it is changed.
    """

    def _change(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Randomly):
    """The upper bits of each byte, or all.

    Args:
        bits: how many to keep, 0 to 8.
        p: how likely the image is changed.
    """

    _settings = ("bits",)

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    def _change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Randomly):
    """Bright pixels inverted, or as they are.

    Args:
        threshold: the darkest that is inverted.
        p: how likely the image is changed.
    """

    _settings = ("threshold",)

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def _change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Randomly):
    """The image sharper or blurred, or as it is.

    Args:
        sharpness_factor: 0 gives a blurred image, 1 the image, 2 twice its sharpness.
        p: how likely the image is changed.
    """

    _settings = ("sharpness_factor",)

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Randomly):
    """Each channel stretched to the whole range, or as it is.

    Args:
        p: how likely the image is changed.
    """

    def _change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Randomly):
    """Each channel with its bytes spread evenly, or as it is.

    Args:
        p: how likely the image is changed.
    """

    def _change(self, img: Any) -> Any:
        return F.equalize(img)


class GaussianBlur(Module):
    """The image blurred by a random amount.

    Args:
        kernel_size: how many neighbours count, an odd int, or one for y and one for x.
        sigma: the smallest and largest amount, or one number.

    Raises:
        ValueError: a number is not positive or, of the sizes, not odd.
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)):
        super().__init__()
        self.kernel_size = two_sizes(
            kernel_size, "Kernel size should be a tuple/list of two integers."
        )
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError(
                f"Kernel size value should be an odd and positive number, but got {kernel_size}"
            )
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:
                raise ValueError(
                    f"If sigma is a single number, it must be positive, but got {sigma}"
                )
            sigma = (sigma, sigma)
        elif isinstance(sigma, Sequence) and len(sigma) == 2:
            if not 0.0 < sigma[0] <= sigma[1]:
                raise ValueError(
                    f"sigma values should be positive and of the form (min, max), but got {sigma}"
                )
        else:
            raise ValueError(
                f"sigma should be a single number or a list/tuple with length 2, but got {sigma!r}"
            )
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """An amount."""
        return draws.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomErasing(Module):
    """A tensor with a random rectangle overwritten, or as it is.

    Args:
        p: how likely there is a rectangle.
        scale: the smallest and largest part of the image's area.
        ratio: the smallest and largest height over width.
        value: a number, one for each channel, or ``"random"`` for normally distributed numbers.
        inplace: overwrite the tensor.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range.

    Source: Zhong et al. 2017, "Random erasing data augmentation".
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ):
        super().__init__()
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError(
                f"Argument value should be either a number or str or a sequence, but got {value!r}"
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(f"If value is str, it should be 'random', but got {value!r}")
        for name, span in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(span, Sequence):
                raise TypeError(f"{name} should be a sequence, but got {span!r}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", UserWarning, stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"Scale should be between 0 and 1, but got {scale}")
        if not 0 <= p <= 1:
            raise ValueError(f"Random erasing probability should be between 0 and 1, but got {p}")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: Sequence[float] | None = None,
    ) -> tuple[int, int, int, int, Tensor]:
        """Top, left, height and width of a rectangle, and what to put there; None for random numbers."""
        channels, height, width = img.shape[-3:]
        for _ in range(10):
            area, proportion = draws.area_and_ratio(height * width, scale, ratio)
            h = int(round(math.sqrt(area * proportion)))
            w = int(round(math.sqrt(area / proportion)))
            if h >= height or w >= width:
                continue
            if value is None:
                content = empty(channels, h, w).normal_()
            else:
                content = new_tensor(value)[:, None, None]
            top = draws.integer(0, height - h + 1)
            return top, draws.integer(0, width - w + 1), h, w, content
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        if draws.chance() >= self.p:
            return img
        if not isinstance(img, Tensor):
            raise TypeError(
                f"img should be Tensor Image. Got {type(img)}; put ToTensor() before it"
            )
        value = self.value
        if isinstance(value, str):
            value = None
        elif isinstance(value, numbers.Number):
            value = [float(value)]
        else:
            value = [float(v) for v in value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{img.shape[-3]} (number of input channels), but got {self.value}"
            )
        place = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, *place, self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )
