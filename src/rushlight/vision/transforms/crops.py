"""Transforms of an image's size: resizing, padding and cropping."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

from ...nn.module import Module
from . import draws
from . import functional as F
from . import renamed as old_names
from .checks import four_sides, two_sizes
from .interpolation import InterpolationMode, as_mode

_TWO = "Please provide only two dimensions (h, w) for size."


class Resize(Module):
    """The image in another size.

    Args:
        size: height and width, or an int, the length of the smaller edge; the other keeps the proportions.
        interpolation: an `InterpolationMode`.
        max_size: the most that the longer edge may have where ``size`` is an int.
        antialias: let every pixel count when shrinking a tensor; with PIL images it always is so.

    Raises:
        TypeError: ``size`` is neither.
        ValueError: it has more than two numbers.

    >>> Resize(4)(rushlight.ones(3, 8, 12)).shape
    torch.Size([3, 4, 6])
    """

    def __init__(
        self,
        size: Any,
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(f"If size is a sequence, it should have 1 or 2 values, but got {size}")
        self.size = size
        self.max_size = max_size
        self.interpolation = as_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class Scale(Resize):
    """The old name of `Resize`, with a warning."""

    def __init__(self, *args: Any, **kwargs: Any):
        old_names.class_of_today("Scale", "Resize")
        super().__init__(*args, **kwargs)


class CenterCrop(Module):
    """The rectangle in the middle; black where it is larger than the image.

    Args:
        size: height and width, or one int for both.

    Raises:
        ValueError: ``size`` has more than two numbers.
    """

    def __init__(self, size: Any):
        super().__init__()
        self.size = two_sizes(size, _TWO)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(Module):
    """More pixels at the edges.

    Args:
        padding: one number, two (left and right, top and bottom) or four (left, top, right, bottom).
        fill: what ``"constant"`` fills in: a number, or for PIL images one for each channel.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: there are not one, two or four numbers, or the mode is another.
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant"):
        super().__init__()
        if not isinstance(fill, (numbers.Number, tuple, list)):
            raise TypeError(f"Got inappropriate fill arg {fill!r}; give a number, or one a channel")
        four_sides(padding, padding_mode)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop(Module):
    """A rectangle at a random place.

    Args:
        size: height and width, or one int for both.
        padding: pad the image first, as `Pad` takes it.
        pad_if_needed: pad an image that is too small.
        fill, padding_mode: how to pad.

    Raises:
        ValueError: the image is smaller than ``size``.

    >>> RandomCrop(4)(rushlight.ones(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    @staticmethod
    def get_params(img: Any, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a rectangle of ``output_size`` in the image."""
        _, h, w = F.get_dimensions(img)
        new_h, new_w = output_size
        if h < new_h or w < new_w:
            raise ValueError(
                f"Required crop size {(new_h, new_w)} is larger than input image size {(h, w)}; "
                "pass pad_if_needed=True, or resize first"
            )
        if (w, h) == (new_w, new_h):
            return 0, 0, h, w
        top = draws.integer(0, h - new_h + 1)
        return top, draws.integer(0, w - new_w + 1), new_h, new_w

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ):
        super().__init__()
        self.size = tuple(two_sizes(size, _TWO))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, h, w = F.get_dimensions(img)
            for missing in ([self.size[1] - w, 0], [0, self.size[0] - h]):
                if max(missing) > 0:
                    img = F.pad(img, missing, self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(Module):
    """A rectangle of random place, size and proportions, resized.

    Args:
        size: height and width of the result, or one int for both.
        scale: the smallest and largest part of the image's area.
        ratio: the smallest and largest width over height.
        interpolation: an `InterpolationMode`.
        antialias: let every pixel count when shrinking a tensor.

    Source: Szegedy et al. 2015, "Going deeper with convolutions".

    >>> RandomResizedCrop(4)(rushlight.ones(3, 8, 12)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        size: Any,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.size = two_sizes(size, _TWO)
        for name, value in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(value, Sequence):
                raise TypeError(f"{name} should be a sequence, but got {value!r}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", UserWarning, stacklevel=2)
        self.interpolation = as_mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """Top, left, height and width of a rectangle in the image."""
        _, height, width = F.get_dimensions(img)
        for _ in range(10):
            area, proportion = draws.area_and_ratio(height * width, scale, ratio)
            w = int(round(math.sqrt(area * proportion)))
            h = int(round(math.sqrt(area / proportion)))
            if 0 < w <= width and 0 < h <= height:
                top = draws.integer(0, height - h + 1)
                return top, draws.integer(0, width - w + 1), h, w
        # None fitted: the largest rectangle in the middle that does.
        proportion = float(width) / float(height)
        w, h = width, height
        if proportion < min(ratio):
            h = int(round(width / min(ratio)))
        elif proportion > max(ratio):
            w = int(round(height * max(ratio)))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple([round(v, 4) for v in pair]) for pair in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomSizedCrop(RandomResizedCrop):
    """The old name of `RandomResizedCrop`, with a warning."""

    def __init__(self, *args: Any, **kwargs: Any):
        old_names.class_of_today("RandomSizedCrop", "RandomResizedCrop")
        super().__init__(*args, **kwargs)


class FiveCrop(Module):
    """The four corners and the middle, as a tuple.

    Args:
        size: height and width of each, or one int for both.

    >>> len(FiveCrop(2)(rushlight.ones(3, 4, 4)))
    5
    """

    def __init__(self, size: Any):
        super().__init__()
        self.size = two_sizes(size, _TWO)

    def forward(self, img: Any) -> tuple:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(Module):
    """`FiveCrop` of the image, then of the flipped image.

    Args:
        size: height and width of each, or one int for both.
        vertical_flip: exchange top and bottom instead of left and right.
    """

    def __init__(self, size: Any, vertical_flip: bool = False):
        super().__init__()
        self.size = two_sizes(size, _TWO)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"
