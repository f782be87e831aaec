"""Augmentations whose steps are chosen from a table; the tables are those of ``transforms.autoaugment``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....tensor import Tensor, wrap
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from ...tv_tensors import wrap as as_kind
from .. import autoaugment as v1
from .. import draws
from ..image_tensors import max_value
from . import functional as F
from .dispatch import through_batch
from .samples import flatten, rebuild
from .sizes import is_pure_tensor
from .transform import AsBefore, fill_for


class _Augmentation(AsBefore):
    """What all share: the sample has one image or video, and that is changed."""

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        name = type(self).__name__
        images = []
        for i, (x, is_chosen) in enumerate(zip(leaves, self._needs_transform_list(leaves))):
            if isinstance(x, (BoundingBoxes, Mask, KeyPoints)):
                raise TypeError(f"Inputs of type {type(x).__name__} are not supported by {name}()")
            if is_chosen and (is_image(x) or is_pure_tensor(x) or isinstance(x, (Image, Video))):
                images.append(i)
        if len(images) != 1:
            raise TypeError(
                f"{name}() is defined for a single image or video, but found {len(images)} in the sample"
            )
        (i,) = images
        img = leaves[i]
        plain = img.as_subclass(Tensor) if isinstance(img, Tensor) else img
        out = self._augmented(plain, fill_for(self.fill, img))
        leaves[i] = as_kind(out, like=img) if isinstance(img, (Image, Video)) else out
        return rebuild(sample, leaves)

    def _augmented(self, img: Any, fill: Any) -> Any:
        raise NotImplementedError

    def _step(self, img: Any, space: v1.Space, name: str, at: Any, fill: Any) -> Any:
        """One change of an image; ``at`` gives the index of its magnitude if it has one."""
        magnitudes, signed = space[name]
        magnitude = 0.0
        if magnitudes.ndim:
            magnitude = float(magnitudes[at(len(magnitudes))].item())
            if signed and draws.chance() <= 0.5:
                magnitude = -magnitude
        if name == "Solarize" and isinstance(img, Tensor):
            # The tables are made for bytes.
            return F.solarize(img, magnitude * (max_value(img.dtype) / 255))
        if name in ("Posterize", "Equalize"):
            return F.equalize(img) if name == "Equalize" else F.posterize(img, int(magnitude))
        return through_batch(v1.apply_op, img, name, magnitude, self.interpolation, fill)


def _drawn_name(space: v1.Space) -> str:
    return list(space)[draws.integer(0, len(space))]


def _drawn_index(count: int) -> int:
    return draws.integer(0, count)


class AutoAugment(_Augmentation, v1.AutoAugment):
    """One of 25 pairs of changes that were learnt for a data set.

    Args:
        policy: for which.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image, or a dict of it for each type.

    Source: Cubuk et al. 2019, "AutoAugment: learning augmentation policies from data".
    """

    def _augmented(self, img: Any, fill: Any) -> Any:
        space = self._augmentation_space(10, tuple(F.get_size(img)))
        for name, p, index in self.policies[draws.integer(0, len(self.policies))]:
            if draws.chance() <= p:
                img = self._step(img, space, name, lambda _, index=index: index, fill)
        return img


class RandAugment(_Augmentation, v1.RandAugment):
    """Some changes of one magnitude.

    Args:
        num_ops: how many.
        magnitude: of all of them, below ``num_magnitude_bins``.
        num_magnitude_bins: how many magnitudes there are.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image, or a dict of it for each type.

    Source: Cubuk et al. 2020, "RandAugment: practical automated data augmentation with a reduced search space".
    """

    def _augmented(self, img: Any, fill: Any) -> Any:
        space = self._augmentation_space(self.num_magnitude_bins, tuple(F.get_size(img)))
        for _ in range(self.num_ops):
            img = self._step(img, space, _drawn_name(space), lambda _: self.magnitude, fill)
        return img


class TrivialAugmentWide(_Augmentation, v1.TrivialAugmentWide):
    """One change of a random magnitude.

    Args:
        num_magnitude_bins: how many magnitudes there are.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image, or a dict of it for each type.

    Source: Müller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation".
    """

    def _augmented(self, img: Any, fill: Any) -> Any:
        space = self._augmentation_space(self.num_magnitude_bins)
        return self._step(img, space, _drawn_name(space), _drawn_index, fill)


class AugMix(_Augmentation, v1.AugMix):
    """A mixture of the image and of chains of changes of it.

    Args:
        severity: how strong the changes may be, 1 to 10.
        mixture_width: how many chains.
        chain_depth: how many changes each has; 1 to 3 at random if not positive.
        alpha: how even the mixture is.
        all_ops: also change brightness, colour, contrast and sharpness.
        interpolation: nearest or bilinear.
        fill: the colour outside of the image, or a dict of it for each type.

    Source: Hendrycks et al. 2020, "AugMix: a simple data processing method to improve robustness and uncertainty".
    """

    def _augmented(self, img: Any, fill: Any) -> Any:
        if not isinstance(img, Tensor):
            return F.to_pil_image(self._augmented(F.pil_to_tensor(img), fill), img.mode)
        space = self._augmentation_space(self._PARAMETER_MAX, tuple(F.get_size(img)))
        batch = img.reshape((1,) * (4 - img.ndim) + tuple(img.shape))
        count = len(batch)
        kept, mixed = draws.dirichlet(np.full((count, 2), self.alpha, np.float32)).T
        chains = draws.dirichlet(np.full((count, self.mixture_width), self.alpha, np.float32))
        each = (count,) + (1,) * (batch.ndim - 1)
        mix = wrap(kept.reshape(each).copy()) * batch
        for k in range(self.mixture_width):
            changed = batch
            depth = self.chain_depth if self.chain_depth > 0 else draws.integer(1, 4)
            for _ in range(depth):
                name = _drawn_name(space)
                changed = self._step(
                    changed, space, name, lambda _: draws.integer(0, self.severity), fill
                )
            mix = mix + wrap((chains[:, k] * mixed).reshape(each)) * changed
        return mix.reshape(img.shape).to(img.dtype)
