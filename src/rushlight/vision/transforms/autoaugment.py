"""Augmentations whose steps are chosen from a table: AutoAugment, RandAugment, TrivialAugment and AugMix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from ...nn.module import Module
from ...ops.creation import arange
from ...ops.random import randint
from ...ops.values import tensor as new_tensor
from ...tensor import Tensor, wrap
from . import draws
from . import functional as F
from .geometry import fill_of
from .image_tensors import line
from .interpolation import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

# A change's magnitudes, the smallest first, and whether its sign is drawn.
Space = dict[str, tuple[Tensor, bool]]


def apply_op(
    img: Any,
    op_name: str,
    magnitude: float,
    interpolation: Any,
    fill: Sequence[float] | None,
    functions: Any = F,
) -> Any:
    """One change of an image by its name in the tables.

    Args:
        functions: the module whose functions are used.

    Raises:
        ValueError: there is no such change.
    """
    if op_name in ("ShearX", "ShearY"):
        # Magnitudes are slopes.
        degrees = math.degrees(math.atan(magnitude))
        shear = [degrees, 0.0] if op_name == "ShearX" else [0.0, degrees]
        return functions.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, center=[0, 0])
    if op_name in ("TranslateX", "TranslateY"):
        far = int(magnitude)
        shift = [far, 0] if op_name == "TranslateX" else [0, far]
        return functions.affine(img, 0.0, shift, 1.0, [0.0, 0.0], interpolation, fill)
    if op_name == "Rotate":
        return functions.rotate(img, magnitude, interpolation, fill=fill)
    if op_name in _BLENDS:
        return getattr(functions, _BLENDS[op_name])(img, 1.0 + magnitude)
    if op_name == "Posterize":
        return functions.posterize(img, int(magnitude))
    if op_name == "Solarize":
        return functions.solarize(img, magnitude)
    if op_name in _PLAIN:
        return getattr(functions, _PLAIN[op_name])(img)
    if op_name == "Identity":
        return img
    raise ValueError(f"The provided operator {op_name} is not recognized.")


_BLENDS = {
    "Brightness": "adjust_brightness", "Color": "adjust_saturation", "Contrast": "adjust_contrast",
    "Sharpness": "adjust_sharpness",
}  # fmt: skip
_PLAIN = {"AutoContrast": "autocontrast", "Equalize": "equalize", "Invert": "invert"}


class AutoAugmentPolicy(Enum):
    """The data set for which a table of `AutoAugment` was learnt."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Cubuk et al. 2019, "AutoAugment: learning augmentation policies from data", appendix: each line is two changes, each
# with how likely it is and its magnitude of 0 to 9.
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
Posterize 0.4 8, Rotate 0.6 9
Solarize 0.6 5, AutoContrast 0.6
Equalize 0.8, Equalize 0.6
Posterize 0.6 7, Posterize 0.6 6
Equalize 0.4, Solarize 0.2 4
Equalize 0.4, Rotate 0.8 8
Solarize 0.6 3, Equalize 0.6
Posterize 0.8 5, Equalize 1.0
Rotate 0.2 3, Solarize 0.6 8
Equalize 0.6, Posterize 0.4 6
Rotate 0.8 8, Color 0.4 0
Rotate 0.4 9, Equalize 0.6
Equalize 0.0, Equalize 0.8
Invert 0.6, Equalize 1.0
Color 0.6 4, Contrast 1.0 8
Rotate 0.8 8, Color 1.0 2
Color 0.8 8, Solarize 0.8 7
Sharpness 0.4 7, Invert 0.6
ShearX 0.6 5, Equalize 1.0
Color 0.4 0, Equalize 0.6
Equalize 0.4, Solarize 0.2 4
Solarize 0.6 5, AutoContrast 0.6
Invert 0.6, Equalize 1.0
Color 0.6 4, Contrast 1.0 8
Equalize 0.8, Equalize 0.6""",
    AutoAugmentPolicy.CIFAR10: """
Invert 0.1, Contrast 0.2 6
Rotate 0.7 2, TranslateX 0.3 9
Sharpness 0.8 1, Sharpness 0.9 3
ShearY 0.5 8, TranslateY 0.7 9
AutoContrast 0.5, Equalize 0.9
ShearY 0.2 7, Posterize 0.3 7
Color 0.4 3, Brightness 0.6 7
Sharpness 0.3 9, Brightness 0.7 9
Equalize 0.6, Equalize 0.5
Contrast 0.6 7, Sharpness 0.6 5
Color 0.7 7, TranslateX 0.5 8
Equalize 0.3, AutoContrast 0.4
TranslateY 0.4 3, Sharpness 0.2 6
Brightness 0.9 6, Color 0.2 8
Solarize 0.5 2, Invert 0.0
Equalize 0.2, AutoContrast 0.6
Equalize 0.2, Equalize 0.6
Color 0.9 9, Equalize 0.6
AutoContrast 0.8, Solarize 0.2 8
Brightness 0.1 3, Color 0.7 0
Solarize 0.4 5, AutoContrast 0.9
TranslateY 0.9 9, TranslateY 0.7 9
AutoContrast 0.9, Solarize 0.8 3
Equalize 0.8, Invert 0.1
TranslateY 0.7 9, AutoContrast 0.9""",
    AutoAugmentPolicy.SVHN: """
ShearX 0.9 4, Invert 0.2
ShearY 0.9 8, Invert 0.7
Equalize 0.6, Solarize 0.6 6
Invert 0.9, Equalize 0.6
Equalize 0.6, Rotate 0.9 3
ShearX 0.9 4, AutoContrast 0.8
ShearY 0.9 8, Invert 0.4
ShearY 0.9 5, Solarize 0.2 6
Invert 0.9, AutoContrast 0.8
Equalize 0.6, Rotate 0.9 3
ShearX 0.9 4, Solarize 0.3 3
ShearY 0.8 8, Invert 0.7
Equalize 0.9, TranslateY 0.6 6
Invert 0.9, Equalize 0.6
Contrast 0.3 3, Rotate 0.8 4
Invert 0.8, TranslateY 0.0 2
ShearY 0.7 6, Solarize 0.4 8
Invert 0.6, Rotate 0.8 4
ShearY 0.3 7, TranslateX 0.9 3
ShearX 0.1 6, Invert 0.6
Solarize 0.7 2, TranslateY 0.6 7
ShearY 0.8 4, Invert 0.8
ShearX 0.7 9, TranslateY 0.8 3
ShearY 0.8 5, AutoContrast 0.7
ShearX 0.7 2, Invert 0.1""",
}


def _read_policy(text: str) -> list[tuple]:
    policies = []
    for pair in text.strip().splitlines():
        steps = []
        for step in pair.split(","):
            name, p, *magnitude = step.split()
            steps.append((name, float(p), int(magnitude[0]) if magnitude else None))
        policies.append(tuple(steps))
    return policies


def _bits(removed: float, num_bins: int, kept: int = 8) -> Tensor:
    """For each magnitude how many bits stay, up to ``removed`` less than ``kept``."""
    return kept - (arange(num_bins) / ((num_bins - 1) / removed)).round().int()


def _none() -> tuple[Tensor, bool]:
    return new_tensor(0.0), False


def _signed(num_bins: int, **largest: float) -> Space:
    return {name: (wrap(line(0.0, high, num_bins)), True) for name, high in largest.items()}


def _paper_space(num_bins: int, image_size: Sequence[int]) -> Space:
    """What AutoAugment and RandAugment share.

    Args:
        image_size: height and width.
    """
    # In the paper, 150 pixels of images of 331.
    far_y, far_x = (150.0 / 331.0 * n for n in image_size)
    return {
        **_signed(
            num_bins, ShearX=0.3, ShearY=0.3, TranslateX=far_x, TranslateY=far_y, Rotate=30.0
        ),
        **_signed(num_bins, Brightness=0.9, Color=0.9, Contrast=0.9, Sharpness=0.9),
        "Posterize": (_bits(4, num_bins), False),
        "Solarize": (wrap(line(255.0, 0.0, num_bins)), False),
        "AutoContrast": _none(),
        "Equalize": _none(),
    }


class _Augmentation(Module):
    """What all share: how pixels are interpolated and filled in."""

    def __init__(self, interpolation: Any, fill: Any):
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    _shown: tuple[str, ...] = ()

    def forward(self, img: Any) -> Any:
        return self._augmented(img, self.fill)

    def _augmented(self, img: Any, fill: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how it changes images")

    def _drawn_change(self, img: Any, space: Space, at: Callable[[int], int], fill: Any) -> Any:
        """A change drawn from ``space``; of n magnitudes it takes number ``at(n)``."""
        name = list(space)[draws.integer(0, len(space))]
        magnitudes, signed = space[name]
        magnitude = float(magnitudes[at(len(magnitudes))].item()) if magnitudes.ndim else 0.0
        if signed and self._drawn_minus():
            magnitude = -magnitude
        return self._applied(img, name, magnitude, fill)

    def _drawn_minus(self) -> bool:
        return draws.integer(0, 2) == 1

    def _applied(self, img: Any, name: str, magnitude: float, fill: Any) -> Any:
        return apply_op(img, name, magnitude, self.interpolation, fill_of(fill, img))

    def __repr__(self) -> str:
        settings = ", ".join([f"{name}={getattr(self, name)}" for name in self._shown])
        return f"{type(self).__name__}({settings})"


class AutoAugment(_Augmentation):
    """One of 25 pairs of changes that were learnt for a data set.

    Args:
        policy: for which.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image; black by default.

    Source: Cubuk et al. 2019, "AutoAugment: learning augmentation policies from data".
    """

    _shown = ("policy", "fill")

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Sequence[float] | None = None,
    ):
        super().__init__(interpolation, fill)
        self.policy = policy
        self.policies = self._get_policies(policy)

    def _get_policies(self, policy: AutoAugmentPolicy) -> list[tuple]:
        if policy not in _POLICIES:
            raise ValueError(
                f"The provided policy {policy} is not recognized; give an AutoAugmentPolicy"
            )
        return _read_policy(_POLICIES[policy])

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        return {**_paper_space(num_bins, image_size), "Invert": _none()}

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Which pair, and for each of its changes a number that decides whether, and one for its sign."""
        policy = draws.integer(0, transform_num)
        return policy, draws.uniforms(2), randint(2, (2,))

    def _augmented(self, img: Any, fill: Any) -> Any:
        chosen, chances, signs = self.get_params(len(self.policies))
        space = self._augmentation_space(10, F.get_dimensions(img)[1:])
        for (name, p, step), chance, sign in zip(
            self.policies[chosen], chances.tolist(), signs.tolist()
        ):
            if chance <= p:
                magnitudes, signed = space[name]
                magnitude = 0.0 if step is None else float(magnitudes[step].item())
                if signed and sign == 0:
                    magnitude = -magnitude
                img = self._applied(img, name, magnitude, fill)
        return img


class RandAugment(_Augmentation):
    """Some changes of one magnitude.

    Args:
        num_ops: how many.
        magnitude: of all of them, below ``num_magnitude_bins``.
        num_magnitude_bins: how many magnitudes there are.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image; black by default.

    Source: Cubuk et al. 2020, "RandAugment: practical automated data augmentation with a reduced search space".
    """

    _shown = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Sequence[float] | None = None,
    ):
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        return {"Identity": _none(), **_paper_space(num_bins, image_size)}

    def _augmented(self, img: Any, fill: Any) -> Any:
        size = F.get_dimensions(img)[1:]
        space = self._augmentation_space(self.num_magnitude_bins, size)
        for _ in range(self.num_ops):
            img = self._drawn_change(img, space, lambda _: self.magnitude, fill)
        return img


class TrivialAugmentWide(_Augmentation):
    """One change of a random magnitude.

    Args:
        num_magnitude_bins: how many magnitudes there are.
        interpolation: nearest or bilinear; for PIL images also bicubic.
        fill: the colour outside of the image; black by default.

    Source: Müller and Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art data augmentation".
    """

    _shown = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Sequence[float] | None = None,
    ):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmentation_space(self, num_bins: int) -> Space:
        return {
            "Identity": _none(),
            **_signed(num_bins, ShearX=0.99, ShearY=0.99, TranslateX=32.0, TranslateY=32.0),
            **_signed(
                num_bins, Rotate=135.0, Brightness=0.99, Color=0.99, Contrast=0.99, Sharpness=0.99
            ),
            "Posterize": (_bits(6, num_bins), False),
            "Solarize": (wrap(line(255.0, 0.0, num_bins)), False),
            "AutoContrast": _none(),
            "Equalize": _none(),
        }

    def _augmented(self, img: Any, fill: Any) -> Any:
        space = self._augmentation_space(self.num_magnitude_bins)
        return self._drawn_change(img, space, lambda count: draws.integer(0, count), fill)


class AugMix(_Augmentation):
    """A mixture of the image and of chains of changes of it.

    Args:
        severity: how strong the changes may be, 1 to 10.
        mixture_width: how many chains.
        chain_depth: how many changes each has; 1 to 3 at random if not positive.
        alpha: how even the mixture is.
        all_ops: also change brightness, colour, contrast and sharpness.
        interpolation: nearest or bilinear.
        fill: the colour outside of the image; black by default.

    Raises:
        ValueError: ``severity`` is out of range.

    Source: Hendrycks et al. 2020, "AugMix: a simple data processing method to improve robustness and uncertainty".
    """

    _PARAMETER_MAX = 10
    _shown = (
        "severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill",
    )  # fmt: skip

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Sequence[float] | None = None,
    ):
        super().__init__(interpolation, fill)
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(
                f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead."
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        far_y, far_x = (n / 3.0 for n in image_size)
        space = {
            **_signed(
                num_bins, ShearX=0.3, ShearY=0.3, TranslateX=far_x, TranslateY=far_y, Rotate=30.0
            ),
            "Posterize": (_bits(4, num_bins, kept=4), False),
            "Solarize": (wrap(line(255.0, 0.0, num_bins)), False),
            "AutoContrast": _none(),
            "Equalize": _none(),
        }
        if self.all_ops:
            space.update(_signed(num_bins, Brightness=0.9, Color=0.9, Contrast=0.9, Sharpness=0.9))
        return space

    def _augmented(self, orig_img: Any, fill: Any) -> Any:
        space = self._augmentation_space(self._PARAMETER_MAX, F.get_dimensions(orig_img)[1:])
        img = orig_img if isinstance(orig_img, Tensor) else F.pil_to_tensor(orig_img)
        shape = tuple(img.shape)
        batch = img.reshape((1,) * (4 - len(shape)) + shape)
        n = batch.shape[0]
        between = draws.dirichlet(np.full((n, 2), self.alpha, np.float32))
        among = draws.dirichlet(np.full((n, self.mixture_width), self.alpha, np.float32))
        shares = among * between[:, 1:]
        each = (n,) + (1,) * (batch.ndim - 1)
        mix = wrap(between[:, 0].reshape(each).copy()) * batch
        for i in range(self.mixture_width):
            changed = batch
            depth = self.chain_depth if self.chain_depth > 0 else draws.integer(1, 4)
            for _ in range(depth):
                changed = self._drawn_change(changed, space, self._drawn_severity, fill)
            mix.add_(wrap(shares[:, i].reshape(each).copy()) * changed)
        mix = mix.reshape(shape).to(img.dtype)
        return mix if isinstance(orig_img, Tensor) else F.to_pil_image(mix, orig_img.mode)

    def _drawn_severity(self, count: int) -> int:
        return draws.integer(0, self.severity)
