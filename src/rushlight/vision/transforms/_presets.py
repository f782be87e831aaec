"""What turns an image into the input of a trained model."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...tensor import Tensor
from . import functional as F
from .interpolation import InterpolationMode

__all__ = ["ImageClassification"]


class ImageClassification(nn.Module):
    """The middle of an image, resized and normalised.

    Args:
        crop_size: the height and width of the result.
        resize_size: the length of the image's shorter side before it is cut.
        mean, std: of each channel.
        interpolation: how it is resized.
        antialias: whether a tensor is smoothed when it becomes smaller, as Pillow's images always are.

    Shape:
        A Pillow image, or a tensor ``(*, C, H, W)``, to a float tensor ``(*, C, crop_size, crop_size)``.

    >>> image = rushlight.zeros(3, 300, 400, dtype=rushlight.uint8)
    >>> ImageClassification(crop_size=224)(image).shape
    torch.Size([3, 224, 224])
    """

    def __init__(
        self, *, crop_size: int, resize_size: int = 256,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ):  # fmt: skip
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        img = F.resize(
            img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias
        )
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img), mean=self.mean, std=self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        settings = "".join(f"\n    {name}={getattr(self, name)}" for name in names)
        return f"{type(self).__name__}({settings}\n)"

    def describe(self) -> str:
        """What it does, in a sentence."""
        return (
            f"Pillow images, or tensors (*, C, H, W), are resized to {self.resize_size} by "
            f"{self.interpolation} and cut to the middle {self.crop_size}; their values, from 0 to 1, "
            f"are normalised by the mean {self.mean} and the deviation {self.std}."
        )
