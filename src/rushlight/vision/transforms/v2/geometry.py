"""Transforms of places: sizes, crops, flips, rotations and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....tensor import Tensor, values_of, wrap
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, KeyPoints, Mask, Video
from .. import draws
from .. import transforms as v1
from ..checks import four_sides
from ..functional import perspective_coefficients
from . import functional as F
from .boxes import converted, iou_with
from .dispatch import mode_of
from .samples import get_bounding_boxes, has_any, query_size
from .sizes import is_pure_tensor
from .transform import AsBefore, RandomApplyTransform, Transform, fill_for, stand_in


class RandomHorizontalFlip(AsBefore, v1.RandomHorizontalFlip):
    """Left and right exchanged, or not.

    Args:
        p: how likely they are.

    >>> RandomHorizontalFlip(p=1)(Image([[1, 2]]), "label")
    (Image([[[2, 1]]]), 'label')
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.horizontal_flip, inpt)


class RandomVerticalFlip(AsBefore, v1.RandomVerticalFlip):
    """Top and bottom exchanged, or not.

    Args:
        p: how likely they are.
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.vertical_flip, inpt)


class _Resizing(Transform):
    """What has an interpolation, and says in `make_params` which size."""

    def __init__(self, interpolation: Any = "bilinear", antialias: bool | None = True):
        super().__init__()
        mode_of(interpolation)
        self.interpolation = interpolation
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.resize, inpt, params["size"], self.interpolation, antialias=self.antialias
        )


class Resize(_Resizing):
    """The sample in another size.

    Args:
        size: height and width; or an int, the length of the smaller edge, the other keeps the proportions; or None:
            then ``max_size`` is the length of the longer edge.
        interpolation: nearest, bilinear, bicubic, ..., as an `InterpolationMode` or its name.
        max_size: the most that the longer edge may have.
        antialias: let every pixel count when shrinking a tensor; with PIL images it always is so.

    Raises:
        ValueError: ``size`` is none of these.

    >>> Resize(2)(rushlight.ones(3, 8, 12)).shape
    torch.Size([3, 2, 3])
    """

    def __init__(
        self,
        size: Any,
        interpolation: Any = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        super().__init__(interpolation, antialias)
        if isinstance(size, int):
            size = [size]
        elif size is None:
            if not isinstance(max_size, int):
                raise ValueError(
                    f"max_size must be an integer when size is None, but got {max_size} instead."
                )
        elif not (isinstance(size, Sequence) and len(size) in (1, 2)):
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead."
            )
        self.size = size if size is None else list(size)
        self.max_size = max_size

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.resize, inpt, self.size, self.interpolation, self.max_size, self.antialias
        )


class RandomResize(_Resizing):
    """The sample with a random length of its smaller edge.

    Args:
        min_size, max_size: the smallest length, and one more than the largest.
        interpolation, antialias: as for `Resize`.
    """

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ):
        super().__init__(interpolation, antialias)
        self.min_size = min_size
        self.max_size = max_size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": [draws.integer(self.min_size, self.max_size)]}


class RandomShortestSize(_Resizing):
    """The sample with a random length of its smaller edge, out of a list.

    Args:
        min_size: the lengths, or one.
        max_size: the most that the longer edge may have.
        interpolation, antialias: as for `Resize`.
    """

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ):
        super().__init__(interpolation, antialias)
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        factor = self.min_size[draws.integer(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            factor = min(factor, self.max_size / max(height, width))
        return {"size": (int(height * factor), int(width * factor))}


def _between(low: float, high: float) -> np.float32:
    return np.float32(low) + np.float32(draws.chance()) * np.float32(high - low)


class ScaleJitter(_Resizing):
    """The sample scaled at random around a size that it would just fit into.

    Args:
        target_size: that size.
        scale_range: the smallest and largest factor to it.
        interpolation, antialias: as for `Resize`.

    Source: Ghiasi et al. 2021, "Simple copy-paste is a strong data augmentation method for instance segmentation".
    """

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ):
        super().__init__(interpolation, antialias)
        self.target_size = target_size
        self.scale_range = scale_range

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        fits = min(self.target_size[1] / height, self.target_size[0] / width)
        factor = np.float32(fits) * _between(*self.scale_range)
        return {"size": (int(np.float32(height) * factor), int(np.float32(width) * factor))}


class CenterCrop(AsBefore, v1.CenterCrop):
    """The rectangle in the middle; black where it is larger than the image.

    Args:
        size: height and width, or one int for both.
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.center_crop, inpt, self.size)


class RandomResizedCrop(AsBefore, v1.RandomResizedCrop):
    """A rectangle of random place, size and proportions, resized.

    Args:
        size: height and width of the result, or one int for both.
        scale: the smallest and largest part of the image's area.
        ratio: the smallest and largest width over height.
        interpolation, antialias: as for `Resize`.

    Source: Szegedy et al. 2015, "Going deeper with convolutions".
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        place = self.get_params(stand_in(*query_size(flat_inputs)), self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), place))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.resized_crop,
            inpt,
            **params,
            size=self.size,
            interpolation=self.interpolation,
            antialias=self.antialias,
        )


class _ManyCrops(AsBefore):
    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, BoundingBoxes, Mask, KeyPoints):
            raise TypeError(
                f"{type(self).__name__}() does not take boxes, masks or points along: of one image it makes several"
            )


class FiveCrop(_ManyCrops, v1.FiveCrop):
    """The four corners and the middle of an image or video, as a tuple.

    Args:
        size: height and width of each, or one int for both.

    Raises:
        TypeError: the sample holds masks, boxes or points.
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(_ManyCrops, v1.TenCrop):
    """`FiveCrop` of the image, then of the flipped image.

    Args:
        size: height and width of each, or one int for both.
        vertical_flip: exchange top and bottom instead of left and right.

    Raises:
        TypeError: the sample holds masks, boxes or points.
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.ten_crop, inpt, self.size, self.vertical_flip)


class Pad(AsBefore, v1.Pad):
    """More pixels at the edges.

    Args:
        padding: one number, two (left and right, top and bottom) or four (left, top, right, bottom).
        fill: what ``"constant"`` fills in: a number, one for each channel, or a dict of either for each type.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = fill_for(self.fill, inpt)
        return self._call_kernel(F.pad, inpt, self.padding, fill, self.padding_mode)


class RandomCrop(AsBefore, v1.RandomCrop):
    """A rectangle at a random place.

    Args:
        size: height and width, or one int for both.
        padding: pad first, as `Pad` takes it.
        pad_if_needed: pad what is too small.
        fill, padding_mode: how to pad.

    Raises:
        ValueError: the image is smaller than ``size``.
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        left, top, right, bottom = (0,) * 4 if self.padding is None else four_sides(self.padding)
        new_h, new_w = self.size
        if self.pad_if_needed:
            more_h = max(new_h - (height + top + bottom), 0)
            more_w = max(new_w - (width + left + right), 0)
            left, top, right, bottom = left + more_w, top + more_h, right + more_w, bottom + more_h
        spare_h = height + top + bottom - new_h
        spare_w = width + left + right - new_w
        if spare_h < 0 or spare_w < 0:
            padded = (spare_h + new_h, spare_w + new_w)
            raise ValueError(
                f"Required crop size {(new_h, new_w)} is larger than padded input image size {padded}; "
                "pass pad_if_needed=True, or resize first"
            )
        padding = [left, top, right, bottom]
        return {
            "needs_crop": spare_h > 0 or spare_w > 0,
            "top": draws.integer(0, spare_h + 1) if spare_h > 0 else 0,
            "left": draws.integer(0, spare_w + 1) if spare_w > 0 else 0,
            "height": new_h,
            "width": new_w,
            "needs_pad": any(padding),
            "padding": padding,
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["needs_pad"]:
            fill = fill_for(self.fill, inpt)
            inpt = self._call_kernel(F.pad, inpt, params["padding"], fill, self.padding_mode)
        if params["needs_crop"]:
            place = [params[name] for name in ("top", "left", "height", "width")]
            inpt = self._call_kernel(F.crop, inpt, *place)
        return inpt


class RandomZoomOut(RandomApplyTransform):
    """The image at a random place of a larger one, or as it is.

    Args:
        fill: the colour around it.
        side_range: how many times larger it gets, at least and at most.
        p: how likely it does.

    Raises:
        ValueError: ``side_range`` is below 1 or not in order.

    Source: Liu et al. 2016, "SSD: single shot multibox detector".
    """

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5):
        super().__init__(p)
        if len(side_range) != 2 or not 1.0 <= side_range[0] <= side_range[1]:
            raise ValueError(
                f"Invalid side range provided {side_range}: give two factors from 1 on"
            )
        self.fill = fill
        self.side_range = side_range

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        factor = _between(*self.side_range)
        more_w = int(np.float32(width) * factor) - width
        more_h = int(np.float32(height) * factor) - height
        at_x, at_y = draws.uniforms(2).numpy()
        left, top = int(np.float32(more_w) * at_x), int(np.float32(more_h) * at_y)
        return {"padding": [left, top, more_w - left, more_h - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.pad, inpt, **params, fill=fill_for(self.fill, inpt))


class RandomRotation(AsBefore, v1.RandomRotation):
    """The sample turned by a random angle.

    Args:
        degrees: the smallest and largest angle, or one number for both signs.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        expand: make the result large enough for the whole image.
        center: ``(x, y)`` around which to turn; by default the middle.
        fill: the colour outside of the image, or a dict of it for each type.
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": self.get_params(self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.rotate,
            inpt,
            **params,
            interpolation=self.interpolation,
            expand=self.expand,
            center=self.center,
            fill=fill_for(self.fill, inpt),
        )


class RandomAffine(AsBefore, v1.RandomAffine):
    """The sample turned, shifted, scaled and sheared at random, in its old size.

    Args:
        degrees: the smallest and largest angle, or one number for both signs.
        translate: the largest shifts along x and y, as parts of width and height.
        scale: the smallest and largest factor.
        shear: the largest angle along x, or the smallest and largest along x, or those along x and y.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image, or a dict of it for each type.
        center: ``(x, y)`` of what stays in place; by default the middle.
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        drawn = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return dict(zip(("angle", "translate", "scale", "shear"), drawn))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.affine,
            inpt,
            **params,
            interpolation=self.interpolation,
            fill=fill_for(self.fill, inpt),
            center=self.center,
        )


class RandomPerspective(AsBefore, v1.RandomPerspective):
    """The sample as from another side, or as it is.

    Args:
        distortion_scale: how far the corners move, 0 to 1: at 1 up to the middle.
        p: how likely they do.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image, or a dict of it for each type.
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        start, end = self.get_params(width, height, self.distortion_scale)
        return {"coefficients": perspective_coefficients(start, end)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.perspective,
            inpt,
            startpoints=None,
            endpoints=None,
            **params,
            interpolation=self.interpolation,
            fill=fill_for(self.fill, inpt),
        )


class ElasticTransform(AsBefore, v1.ElasticTransform):
    """The sample as if drawn on rubber that is pulled at random.

    Args:
        alpha: how far pixels move, one number, or one along x and one along y.
        sigma: how smoothly neighbours move together, likewise.
        interpolation: nearest, bilinear or bicubic.
        fill: the colour outside of the image, or a dict of it for each type.

    Source: Simard et al. 2003, "Best practices for convolutional neural networks applied to visual document analysis".
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"displacement": self.get_params(self.alpha, self.sigma, query_size(flat_inputs))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.elastic,
            inpt,
            **params,
            interpolation=self.interpolation,
            fill=fill_for(self.fill, inpt),
        )


class RandomIoUCrop(Transform):
    """A random rectangle that overlaps at least one box by a random share, as detectors are trained with.

    Boxes whose centre is outside of it become empty: put `SanitizeBoundingBoxes` after it.

    Args:
        min_scale, max_scale: the smallest and largest part of each side.
        min_aspect_ratio, max_aspect_ratio: of the rectangle.
        sampler_options: the shares to choose from; one from 1 on means that the sample stays as it is.
        trials: how many rectangles are tried for a share before another is drawn.

    Source: Liu et al. 2016, "SSD: single shot multibox detector".
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ):
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        if sampler_options is None:
            # The paper's: any rectangle, one that overlaps by a share, or the whole image.
            sampler_options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
        self.options = sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        images = (is_pure_tensor, is_image, Image, Video)
        if not (has_any(flat_inputs, *images) and has_any(flat_inputs, BoundingBoxes)):
            raise TypeError(
                f"{type(self).__name__}() needs a sample with an image, or video, and bounding boxes"
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = query_size(flat_inputs)
        found = get_bounding_boxes(flat_inputs)
        boxes = converted(found.as_subclass(Tensor), found.format, BoundingBoxFormat.XYXY)
        boxes = values_of(boxes)
        while True:
            share = self.options[draws.integer(0, len(self.options))]
            if share >= 1.0:
                return {}
            for _ in range(self.trials):
                place = self._drawn_place(*size)
                if place is None:
                    continue
                inside = _centres_inside(boxes, place)
                if inside.any() and iou_with(boxes[inside], place).max() >= share:
                    left, top, right, bottom = place
                    crop = (top, left, bottom - top, right - left)
                    return {"crop": crop, "outside": wrap(~inside)}

    def _drawn_place(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom; None where the proportions do not fit."""
        spread = self.max_scale - self.min_scale
        w, h = (
            int(length * (self.min_scale + spread * part))
            for length, part in zip((width, height), _two_parts())
        )
        if not (w and h and self.min_aspect_ratio <= w / h <= self.max_aspect_ratio):
            return None
        left, top = (int(room * part) for room, part in zip((width - w, height - h), _two_parts()))
        return left, top, left + w, top + h

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params:
            return inpt
        out = self._call_kernel(F.crop, inpt, *params["crop"])
        if isinstance(inpt, BoundingBoxes):
            out[params["outside"]] = 0
        return out


def _two_parts() -> np.ndarray:
    return values_of(draws.uniforms(2))


def _centres_inside(boxes: np.ndarray, place: tuple[int, int, int, int]) -> np.ndarray:
    centres = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    return ((centres > place[:2]) & (centres < place[2:])).all(-1)
