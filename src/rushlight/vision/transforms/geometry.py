"""Transforms of places: flips, rotations and the like."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from ...nn.module import Module
from ...ops.join import cat
from ...tensor import Tensor
from . import draws
from . import functional as F
from . import renamed as old_names
from .checks import check_sequence, symmetric_range
from .interpolation import InterpolationMode, as_mode


class _RandomFlip(Module):
    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Left and right exchanged, or not.

    Args:
        p: how likely they are.

    >>> RandomHorizontalFlip(p=1)(rushlight.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if draws.chance() < self.p else img


class RandomVerticalFlip(_RandomFlip):
    """Top and bottom exchanged, or not.

    Args:
        p: how likely they are.
    """

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if draws.chance() < self.p else img


def fill_of(fill: Any, img: Any) -> Any:
    """A transform's ``fill`` as the functions take it: for a tensor a float for each channel."""
    if fill is None or not isinstance(img, Tensor):
        return fill
    if isinstance(fill, (int, float)):
        return [float(fill)] * F.get_dimensions(img)[0]
    return [float(f) for f in fill]


def _checked_fill(fill: Any) -> Any:
    """``fill``, 0 for None.

    Raises:
        TypeError: it is neither a number nor a sequence.
    """
    if fill is None:
        return 0
    if not isinstance(fill, (Sequence, numbers.Number)):
        raise TypeError(f"Fill should be either a sequence or a number, but got {fill!r}")
    return fill


class RandomPerspective(Module):
    """The image as from another side, or as it is.

    Args:
        distortion_scale: how far the corners move, 0 to 1: at 1 up to the middle.
        p: how likely they do.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        super().__init__()
        self.p = p
        self.interpolation = as_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = _checked_fill(fill)

    def forward(self, img: Any) -> Any:
        fill = fill_of(self.fill, img)
        if draws.chance() >= self.p:
            return img
        _, height, width = F.get_dimensions(img)
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The corners, and where they move: top left, top right, bottom right, bottom left."""
        far_x = int(distortion_scale * (width // 2))
        far_y = int(distortion_scale * (height // 2))
        left, right = (0, far_x + 1), (width - far_x - 1, width)
        top, bottom = (0, far_y + 1), (height - far_y - 1, height)
        end = [
            [draws.integer(*x), draws.integer(*y)]
            for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
        ]
        last_x, last_y = width - 1, height - 1
        return [[0, 0], [last_x, 0], [last_x, last_y], [0, last_y]], end

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomRotation(Module):
    """The image turned by a random angle.

    Args:
        degrees: the smallest and largest angle, or one number for both signs.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        expand: make the result large enough for the whole image.
        center: ``(x, y)`` around which to turn; by default the middle.
        fill: the colour outside of the image.
        resample: the old name of ``interpolation``.
    """

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
        resample: Any = None,
    ):
        super().__init__()
        interpolation, fill = old_names.of_today(interpolation, fill, resample)
        self.degrees = _degrees(degrees)
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center
        self.resample = self.interpolation = as_mode(interpolation)
        self.expand = expand
        self.fill = _checked_fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """An angle."""
        return draws.uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        fill = fill_of(self.fill, img)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        text = (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}"
        )
        if self.center is not None:
            text += f", center={self.center}"
        if self.fill is not None:
            text += f", fill={self.fill}"
        return text + ")"


def _degrees(degrees: Any) -> list[float]:
    # A text has a length, so that is what is wrong with it.
    return symmetric_range(degrees, "degrees")


class RandomAffine(Module):
    """The image turned, shifted, scaled and sheared at random, in its old size.

    Args:
        degrees: the smallest and largest angle, or one number for both signs.
        translate: the largest shifts along x and y, as parts of width and height; None shifts nothing.
        scale: the smallest and largest factor; None scales nothing.
        shear: the largest angle along x, or the smallest and largest along x, or those along x and y; None
            shears nothing.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image.
        center: ``(x, y)`` of what stays in place; by default the middle.
        resample, fillcolor: the old names of ``interpolation`` and ``fill``.
    """

    def __init__(
        self,
        degrees: Any,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Any = None,
        resample: Any = None,
        fillcolor: Any = None,
    ):
        super().__init__()
        interpolation, fill = old_names.of_today(interpolation, fill, resample, fillcolor)
        self.degrees = _degrees(degrees)
        if translate is not None:
            check_sequence(translate, "translate", (2,))
            if not all(0.0 <= t <= 1.0 for t in translate):
                raise ValueError(
                    f"translation values should be between 0 and 1, parts of the size, but got {translate}"
                )
        self.translate = translate
        if scale is not None:
            check_sequence(scale, "scale", (2,))
            if any(s <= 0 for s in scale):
                raise ValueError(f"scale values should be positive, but got {scale}")
        self.scale = scale
        self.shear = None if shear is None else symmetric_range(shear, "shear", (2, 4))
        self.resample = self.interpolation = as_mode(interpolation)
        self.fillcolor = self.fill = _checked_fill(fill)
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """An angle, shifts in pixels, a factor, and shears along x and y.

        Args:
            img_size: width and height.
        """
        angle = draws.uniform(degrees[0], degrees[1])
        shift = (0, 0)
        if translate is not None:
            far_x, far_y = float(translate[0] * img_size[0]), float(translate[1] * img_size[1])
            shift_x = int(round(draws.uniform(-far_x, far_x)))
            shift = (shift_x, int(round(draws.uniform(-far_y, far_y))))
        scale = 1.0 if scale_ranges is None else draws.uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = draws.uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = draws.uniform(shears[2], shears[3])
        return angle, shift, scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        fill = fill_of(self.fill, img)
        _, height, width = F.get_dimensions(img)
        params = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return F.affine(
            img, *params, interpolation=self.interpolation, fill=fill, center=self.center
        )

    def __repr__(self) -> str:
        text = f"{type(self).__name__}(degrees={self.degrees}"
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                text += f", {name}={getattr(self, name)}"
        if self.interpolation is not InterpolationMode.NEAREST:
            text += f", interpolation={self.interpolation.value}"
        if self.fill != 0:
            text += f", fill={self.fill}"
        if self.center is not None:
            text += f", center={self.center}"
        return text + ")"


def _pair_of_floats(value: Any, name: str) -> list[float]:
    if isinstance(value, numbers.Real):
        return [float(value)] * 2
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
    return list(value)


class ElasticTransform(Module):
    """The image as if drawn on rubber that is pulled at random.

    Args:
        alpha: how far pixels move, one number, or one along x and one along y.
        sigma: how smoothly neighbours move together, likewise.
        interpolation: nearest, bilinear or bicubic.
        fill: the colour outside of the image.

    Source: Simard et al. 2003, "Best practices for convolutional neural networks applied to visual document analysis".
    """

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        super().__init__()
        self.alpha = _pair_of_floats(alpha, "alpha")
        self.sigma = _pair_of_floats(sigma, "sigma")
        self.interpolation = as_mode(interpolation)
        if not isinstance(fill, (int, float, list, tuple)):
            raise TypeError(
                f"fill should be int or float or a list or tuple of them. Got {type(fill)}"
            )
        self.fill = [float(f) for f in (fill if isinstance(fill, (list, tuple)) else [fill])]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """A displacement, ``(1, H, W, 2)``.

        Args:
            size: height and width.
        """
        along = []
        for axis in (0, 1):
            moved = draws.uniforms(1, 1, *size) * 2 - 1
            if sigma[axis] > 0.0:
                # Odd, and wide enough for four deviations to either side.
                count = int(8 * sigma[axis] + 1) | 1
                moved = F.gaussian_blur(moved, [count, count], list(sigma))
            # x moves in parts of the width, y in parts of the height.
            along.append(moved * alpha[axis] / size[1 - axis])
        return cat(along, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
