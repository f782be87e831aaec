"""SVHN: colour images of house numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ...tensor import Tensor
from .. import pillow
from . import batches, matlab
from .utils import check_integrity, damage, download_url, not_found, verify_str_arg
from .vision import VisionDataset, checked_labels, row_of


class SVHN(VisionDataset):
    """Digits cut out of photographs of house numbers (Netzer et al. 2011).

    Its samples are pairs of a PIL image of 32x32 RGB pixels and the digit, an int.

    Args:
        root: the folder of the files.
        split: ``"train"`` (73,257), ``"test"`` (26,032) or ``"extra"`` (531,131, less difficult).
        transform: a function of the image.
        target_transform: a function of the label.
        download: bring the file first, unless it is there.

    Attributes:
        data: the images, a uint8 array of shape (N, 3, 32, 32).
        labels: the digits, an int64 array of shape (N,).

    Raises:
        RuntimeError: the file is not there, or damaged, or could not be downloaded.
    """

    split_list = {
        "train": [
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
        ],
        "test": [
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            "test_32x32.mat",
            "eb5a983be6a315427106f1b164d9cef3",
        ],
        "extra": [
            "http://ufldl.stanford.edu/housenumbers/extra_32x32.mat",
            "extra_32x32.mat",
            "a93ce644f1a588dc4d68dda5feec44a7",
        ],
    }
    mirrors = [
        "http://ufldl.stanford.edu/housenumbers/",
        "https://ufldl.stanford.edu/housenumbers/",
    ]

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split][:3]
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found(os.path.join(self.root), self.filename)
        self._load(os.path.join(self.root, self.filename))

    def _load(self, path: str) -> None:
        found = matlab.read(path, ("X", "y"))
        pixels, labels = found["X"], found["y"]
        for array in (pixels, labels):
            if not isinstance(array, np.ndarray):
                raise damage(path, "expected X and y in it to be arrays of numbers")
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != labels.size:
            raise damage(
                path,
                f"expected X of shape (32, 32, 3, N) and N labels y, but they are {pixels.dtype} of "
                f"shape {pixels.shape} and {labels.dtype} of shape {labels.shape}",
            )
        self.data = pixels.transpose(3, 2, 0, 1)
        labels = labels.astype(np.int64).reshape(-1)
        # In the file, ten stands for the digit zero.
        self.labels = checked_labels(np.where(labels == 10, 0, labels), 10, path)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = row_of(self.data, index, type(self).__name__)
        image = pillow.module().fromarray(pixels.transpose(1, 2, 0))
        return self._transformed(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def _collated_rows(self, index: Any) -> list[Tensor] | None:
        """A whole batch for ``DataLoader``, where that is the same as its samples one by one."""
        own = type(self).__getitem__ is SVHN.__getitem__ and self.target_transform is None
        if not own or type(self.data) is not np.ndarray:
            return None
        return batches.taken(self.data, self.labels, self.transform, index)

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.file_md5)

    def download(self) -> None:
        """Brings the file, unless it is there.

        Raises:
            RuntimeError: no address gave it.
        """
        others = [mirror + self.filename for mirror in self.mirrors]
        addresses = [self.url, *(m for m in others if m != self.url)]
        download_url(addresses, self.root, filename=self.filename, md5=self.file_md5)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
