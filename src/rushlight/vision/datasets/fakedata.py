"""Images of noise, for trying things out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import randint, randn, random
from ...tensor import values_of
from .. import pillow
from .vision import VisionDataset


class FakeData(VisionDataset):
    """Random images with random labels, always the same: each depends on its index alone.

    Args:
        size: how many.
        image_size: channels (1 to 4), height, width.
        num_classes: labels are 0 to ``num_classes - 1``.
        transform: a function of the image.
        target_transform: a function of the label.
        random_offset: added to the index, which seeds the numbers of an image.

    >>> FakeData(image_size=(3, 8, 8))[0][0].size
    (8, 8)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ):
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range: {index} of {len(self)}")
        before = random.get_rng_state()
        random.manual_seed(index + self.random_offset)
        pixels = values_of(randn(self.image_size))
        target = int(values_of(randint(0, self.num_classes, (1,)))[0])
        random.set_rng_state(before)
        return self._transformed(_picture(pixels), target)

    def __len__(self) -> int:
        return self.size


def _picture(pixels: np.ndarray) -> Any:
    # Normal numbers are no brightness: what is below 0 or above 1 wraps around, as in torchvision.
    values = (pixels * np.float32(255)).astype(np.int64).astype(np.uint8)
    image = values[0] if len(values) == 1 else values.transpose(1, 2, 0)
    return pillow.module().fromarray(np.ascontiguousarray(image))
