"""The small digits that come with the package."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ...tensor import Tensor, values_of, wrap
from .. import pillow
from . import batches
from .utils import damage
from .vision import VisionDataset, row_of

COUNT, TRAINING = 1797, 1437
FILE = os.path.join(os.path.dirname(__file__), "digits.zlib")


class Digits(VisionDataset):
    """1,797 handwritten digits of 8x8 pixels, which are part of the package: nothing is downloaded.

    They are those of scikit-learn's ``load_digits``. Its samples are pairs of a PIL image of 8x8 gray
    pixels, 0 to 255, and the digit, an int.

    Args:
        root: not used; it is there so that the call can be that of `MNIST`.
        train: the first 1,437 for training, or the other 360 for tests; None for all.
        transform: a function of the image.
        target_transform: a function of the label.
        download: not used.

    Attributes:
        data: the images, a uint8 tensor of shape (N, 8, 8): how much ink, 0 to 16.
        targets: the digits, an int64 tensor of shape (N,).
        classes: the names of the labels.
        class_to_idx: the label for each name.

    Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, CC BY 4.0; its part for tests.

    >>> digits = Digits()
    >>> len(digits), digits[0][1], digits.data[0, 0].tolist()
    (1797, 0, [0, 0, 5, 13, 9, 1, 0, 0])
    """

    classes = [str(digit) for digit in range(10)]

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        train: bool | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        part = slice(0, TRAINING) if train else slice(TRAINING, None)
        if train is None:
            part = slice(None)
        images, labels = _read()
        self.data, self.targets = wrap(images[part].copy()), wrap(labels[part].copy())

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        ink = row_of(self.data, index, type(self).__name__)
        image = pillow.module().fromarray(_brightness(ink))
        return self._transformed(image, int(row_of(self.targets, index, type(self).__name__)))

    def __len__(self) -> int:
        return len(self.data)

    def _collated_rows(self, index: Any) -> list[Tensor] | None:
        """A whole batch for ``DataLoader``, where that is the same as its samples one by one."""
        own = type(self).__getitem__ is Digits.__getitem__ and self.target_transform is None
        if not own or type(self.data) is not Tensor or self.data.ndim != 3:
            return None
        images = _brightness(values_of(self.data))[:, None]
        return batches.taken(images, self.targets, self.transform, index)

    def extra_repr(self) -> str:
        names = {True: "Split: Train", False: "Split: Test"}
        return names.get(self.train, "")


def _brightness(ink: np.ndarray) -> np.ndarray:
    return (ink.astype(np.uint16) * 255 // 16).astype(np.uint8)


def _read() -> tuple[np.ndarray, np.ndarray]:
    with open(FILE, "rb") as file:
        content = np.frombuffer(zlib.decompress(file.read()), np.uint8)
    if content.size != COUNT * 65:
        raise damage(FILE, f"it has {content.size} bytes")
    pixels, labels = content[: COUNT * 64], content[COUNT * 64 :]
    return pixels.reshape(COUNT, 8, 8), labels.astype(np.int64)
