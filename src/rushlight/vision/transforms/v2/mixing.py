"""Transforms of batches: two images, and their labels, mixed into one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....nn.functional import one_hot
from ....tensor import Tensor
from ... import tv_tensors
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, KeyPoints, Mask, Video
from .. import draws
from .misc import as_getter
from .samples import flatten, has_any, query_size, rebuild
from .sizes import is_pure_tensor
from .transform import Transform


class _Mixing(Transform):
    """What both share: a batch is mixed with itself, moved on by one place.

    ``make_params`` draws ``share``, how much of its own each label keeps, and what `_mix` needs.
    """

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"
    ):
        super().__init__()
        if not alpha > 0:
            raise ValueError(f"alpha should be greater than 0, but got {alpha}")
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._getter = as_getter(labels_getter)

    def _beta(self) -> float:
        """A number from 0 to 1, beta-distributed."""
        # The first of two Dirichlet shares is; so torchvision's stream of random numbers is kept.
        return draws.dirichlet(np.full((1, 2), self.alpha, np.float32))[0, 0].item()

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        if has_any(leaves, is_image, BoundingBoxes, Mask, KeyPoints):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, masks and keypoints; "
                "give it a batch of image tensors and their labels"
            )
        labels = self._checked(self._getter(sample))
        # Labels are no image, even where they are the first plain tensor.
        chosen = self._needs_transform_list([None if x is labels else x for x in leaves])
        images = [x for x, is_chosen in zip(leaves, chosen) if is_chosen]
        params = self.make_params(images)
        for x in images:
            _check_batch(x, len(labels))
        mixed = [self.transform(x, params) if c else x for x, c in zip(leaves, chosen)]
        shares = self._mixed_labels(labels, params["share"])
        return rebuild(sample, [shares if x is labels else out for x, out in zip(leaves, mixed)])

    def _checked(self, labels: Any) -> Tensor:
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "The labels should be class numbers, shape (batch_size,), or probabilities, shape "
                f"(batch_size, num_classes), but got shape {tuple(labels.shape)}"
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are class numbers")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[1]):
            raise ValueError(
                f"The labels have {labels.shape[1]} classes, but num_classes is {self.num_classes}; "
                "leave it away where labels are probabilities"
            )
        return labels

    def _mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        if labels.ndim == 1:
            labels = one_hot(labels, self.num_classes)
        return _blend(labels if labels.is_floating_point() else labels.float(), share)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        out = self._mix(inpt.as_subclass(Tensor), params)
        return out if is_pure_tensor(inpt) else tv_tensors.wrap(out, like=inpt)

    def _mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not say how it mixes images")


def _check_batch(images: Tensor, count: int) -> None:
    ndim = 5 if isinstance(images, Video) else 4
    if images.ndim != ndim:
        raise ValueError(
            f"Expected a batch of {ndim} dimensions, but got {images.ndim}; mix after collating"
        )
    if len(images) != count:
        raise ValueError(
            f"The batch size of the images does not match that of the labels: {len(images)} and {count}"
        )


def _blend(x: Tensor, share: float) -> Tensor:
    """``share`` of each part of a batch, and the rest of the one before it."""
    return x.roll(1, 0).mul_(1.0 - share).add_(x.mul(share))


class MixUp(_Mixing):
    """Each image of a batch mixed with the one before it, and their labels likewise; shuffle the batches.

    Args:
        alpha: the larger, the more even the mixtures.
        num_classes: how many classes there are, where labels are their numbers, shape (N,); those that come out have
            the shape (N, num_classes).
        labels_getter: how to find the labels in a sample; by default its second part or its key ``labels``.

    Raises:
        ValueError: the sample holds no batch of images with labels.

    Source: Zhang et al. 2018, "mixup: beyond empirical risk minimization".

    >>> images, labels = MixUp(num_classes=3)(rushlight.ones(2, 1, 4, 4), rushlight.tensor([0, 2]))
    >>> labels.shape
    torch.Size([2, 3])
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"share": self._beta()}

    def _mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        return _blend(images, params["share"])


class CutMix(_Mixing):
    """Each image of a batch with a rectangle of the one before it, and their labels mixed by its area.

    Args:
        alpha: how the areas are distributed; 1 means uniformly.
        num_classes: how many classes there are, where labels are their numbers.
        labels_getter: how to find the labels in a sample.

    Raises:
        ValueError: the sample holds no batch of images with labels.

    Source: Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable features".
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        half = 0.5 * math.sqrt(1.0 - self._beta())
        height, width = query_size(flat_inputs)
        left, right = _span(width, half)
        top, bottom = _span(height, half)
        # What is outside of the image was cut off, so the area may be less than was drawn.
        cut = (right - left) * (bottom - top) / (height * width)
        return {"rows": slice(top, bottom), "columns": slice(left, right), "share": 1.0 - cut}

    def _mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        rectangle = (..., params["rows"], params["columns"])
        out = images.clone()
        out[rectangle] = images.roll(1, 0)[rectangle]
        return out


def _span(length: int, half: float) -> tuple[int, int]:
    """From where to where a part of twice ``half`` of a side reaches, around a random place."""
    middle = draws.integer(0, length)
    reach = int(half * length)
    return max(middle - reach, 0), min(middle + reach, length)
