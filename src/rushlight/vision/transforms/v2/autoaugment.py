"""Augmentations whose steps are chosen from a table; tables and steps are those of ``transforms.autoaugment``."""

from __future__ import annotations

from typing import Any

from ....tensor import Tensor
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, KeyPoints, Mask, Video
from .. import autoaugment as v1
from .. import draws
from ..geometry import fill_of
from ..image_tensors import max_value
from . import functional as F
from .dispatch import like, through_batch
from .samples import flatten, rebuild
from .transform import AsBefore, fill_for


class _Augmentation(AsBefore):
    """What all share: the sample has one image or video, and that is changed."""

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        for x in leaves:
            if isinstance(x, (Mask, BoundingBoxes, KeyPoints)):
                raise TypeError(
                    f"Inputs of type {type(x).__name__} are not supported by {type(self).__name__}()"
                )
        places = [i for i, is_chosen in enumerate(self._needs_transform_list(leaves)) if is_chosen]
        if len(places) != 1:
            raise TypeError(
                f"{type(self).__name__}() takes samples of one image or video, but found {len(places)}"
            )
        leaves[places[0]] = self._changed(leaves[places[0]])
        return rebuild(sample, leaves)

    def _changed(self, inpt: Any) -> Any:
        fill = fill_for(self.fill, inpt)
        if is_image(inpt):
            return self._augmented(inpt, fill)
        img = inpt.as_subclass(Tensor)
        # A video alone is a batch of one: all of its frames are changed, and mixed, alike.
        batch = img[None] if isinstance(inpt, Video) and img.ndim == 4 else img
        return like(inpt, self._augmented(batch, fill).reshape(img.shape))

    def _drawn_minus(self) -> bool:
        return draws.chance() <= 0.5

    def _applied(self, img: Any, name: str, magnitude: float, fill: Any) -> Any:
        if name == "Solarize" and isinstance(img, Tensor):
            # The tables are for bytes.
            magnitude *= max_value(img.dtype) / 255
        fill = fill_of(fill, img)
        return through_batch(v1.apply_op, img, name, magnitude, self.interpolation, fill, F)


class AutoAugment(_Augmentation, v1.AutoAugment):
    """One of 25 pairs of changes that were learnt for a data set.

    Args:
        policy: for which.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image, or a dict of it for each type.

    Source: Cubuk et al. 2019, "AutoAugment: learning augmentation policies from data".
    """

    def _augmented(self, img: Any, fill: Any) -> Any:
        space = self._augmentation_space(10, F.get_size(img))
        for name, p, step in self.policies[draws.integer(0, len(self.policies))]:
            if draws.chance() <= p:
                magnitudes, signed = space[name]
                magnitude = 0.0 if step is None else float(magnitudes[step].item())
                if signed and self._drawn_minus():
                    magnitude = -magnitude
                img = self._applied(img, name, magnitude, fill)
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


class TrivialAugmentWide(_Augmentation, v1.TrivialAugmentWide):
    """One change of a random magnitude.

    Args:
        num_magnitude_bins: how many magnitudes there are.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image, or a dict of it for each type.

    Source: Müller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation".
    """


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
