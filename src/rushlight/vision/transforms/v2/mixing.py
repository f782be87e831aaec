"""Transforms of batches: two images, and their labels, mixed into one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....nn.functional import one_hot
from ....tensor import Tensor
from ... import tv_tensors
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from .. import draws
from .misc import as_getter
from .samples import flatten, has_any, query_size, rebuild
from .sizes import is_pure_tensor
from .transform import Transform


class _Mixing(Transform):
    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: Any = "default",
    ):
        super().__init__()
        if alpha <= 0:
            raise ValueError(f"alpha must be positive, got {alpha}")
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._labels_getter = as_getter(labels_getter)

    def _share(self) -> float:
        """A share from 0 to 1, beta-distributed."""
        return float(draws.dirichlet(np.full((1, 2), self.alpha, np.float32))[0, 0])

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        name = type(self).__name__
        if has_any(leaves, is_image, BoundingBoxes, Mask, KeyPoints):
            raise ValueError(
                f"{name}() does not support PIL images, bounding boxes, keypoints and masks."
            )
        labels = self._labels_getter(sample)
        self._check_labels(labels)
        chosen = self._needs_transform_list(leaves)
        params = self.make_params([x for x, is_chosen in zip(leaves, chosen) if is_chosen])
        params |= {"labels": labels, "batch_size": len(labels)}
        return rebuild(
            sample,
            [
                self.transform(x, params) if is_chosen or x is labels else x
                for x, is_chosen in zip(leaves, chosen)
            ],
        )

    def _check_labels(self, labels: Any) -> None:
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with shape "
                f"(batch_size, num_classes), but got a tensor of shape {tuple(labels.shape)} instead."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[1]):
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match num_classes: "
                f"{labels.shape[1]} != {self.num_classes}. You can leave num_classes to None."
            )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if inpt is params["labels"]:
            label = one_hot(inpt, self.num_classes) if inpt.ndim == 1 else inpt
            label = label if label.is_floating_point() else label.float()
            return _mixed(label, params["label_share"])
        if not (is_pure_tensor(inpt) or isinstance(inpt, (Image, Video))):
            return inpt
        ndim = 5 if isinstance(inpt, Video) else 4
        if inpt.ndim != ndim:
            raise ValueError(
                f"Expected a batched input with {ndim} dims, but got {inpt.ndim} dimensions instead."
            )
        if len(inpt) != params["batch_size"]:
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the labels: "
                f"{len(inpt)} != {params['batch_size']}."
            )
        out = self._mix(inpt.as_subclass(Tensor), params)
        return out if is_pure_tensor(inpt) else tv_tensors.wrap(out, like=inpt)

    def _mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        raise NotImplementedError


def _mixed(x: Tensor, share: float) -> Tensor:
    """``share`` of each part of a batch and the rest of the one before it."""
    return x.roll(1, 0) * (1.0 - share) + x * share


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
        share = self._share()
        return {"lam": share, "label_share": share}

    def _mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        return _mixed(images, params["lam"])


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
        share = self._share()
        height, width = query_size(flat_inputs)
        x, y = draws.integer(0, width), draws.integer(0, height)
        part = 0.5 * math.sqrt(1.0 - share)
        half_w, half_h = int(part * width), int(part * height)
        left, top = max(x - half_w, 0), max(y - half_h, 0)
        right, bottom = min(x + half_w, width), min(y + half_h, height)
        kept = 1.0 - (right - left) * (bottom - top) / (width * height)
        return {"box": (left, top, right, bottom), "lam_adjusted": kept, "label_share": kept}

    def _mix(self, images: Tensor, params: dict[str, Any]) -> Tensor:
        left, top, right, bottom = params["box"]
        out = images.clone()
        out[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return out
