"""STL-10: colour images of 96x96, few with labels and many without."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ...tensor import Tensor
from .. import pillow
from . import batches
from .utils import (
    check_integrity,
    damage,
    download_url,
    extract_archive,
    not_found,
    verify_str_arg,
)
from .vision import VisionDataset, checked_labels, row_of

PIXELS = 3 * 96 * 96


class STL10(VisionDataset):
    """Photographs in 10 classes, for learning from many that have no label (Coates, Lee and Ng 2011).

    Its samples are pairs of a PIL image of 96x96 RGB pixels and the class, an int, -1 without a label.
    The files lie in ``root/stl10_binary``.

    Args:
        root: the folder in which the dataset has its own.
        split: ``"train"`` (5,000), ``"test"`` (8,000), ``"unlabeled"`` (100,000) or
            ``"train+unlabeled"``.
        folds: one of the ten parts of 1,000 of the training images, 0 to 9; None for all.
        transform: a function of the image.
        target_transform: a function of the label.
        download: bring the files first, unless they are there.

    Attributes:
        data: the images, a uint8 array of shape (N, 3, 96, 96), in memory only as far as it is used.
        labels: an array of shape (N,), of uint8, or int64 where there is -1 in it.
        classes: the names of the labels.

    Raises:
        RuntimeError: the files are not there, or damaged, or could not be downloaded.
        ValueError: there is no such split or fold.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    mirrors = [url, "https://cs.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"]
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        folds: int | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        self.folds = _checked_fold(folds)
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found(os.path.join(self.root), f"{self.filename}, unpacked,")
        self.classes = self._lines(self.class_names_file) or []
        self._load()

    def _load(self) -> None:
        (train, _), (train_labels, _), (unlabeled, _) = self.train_list
        (test, _), (test_labels, _) = self.test_list
        labelled = {"train": (train, train_labels), "test": (test, test_labels)}
        name = self.split.partition("+")[0]
        if name in labelled:
            images, labels = self._labelled(*labelled[name])
            if name == "train" and self.folds is not None:
                chosen = self._fold(len(images))
                images, labels = images[chosen], labels[chosen]
        if self.split.endswith("unlabeled"):
            more = self._images(unlabeled)
            none = np.full(len(more), -1, np.int64)
            both = name in labelled
            images = np.concatenate((images, more)) if both else more
            labels = np.concatenate((labels, none)) if both else none
        self.data, self.labels = images, labels

    def _images(self, name: str) -> np.ndarray:
        path = self._path(name)
        size = os.path.getsize(path)
        if not size or size % PIXELS:
            raise damage(path, f"its {size} bytes are not those of images of {PIXELS}")
        # Three gigabytes, which few programs want in memory at once.
        images = np.memmap(path, np.uint8, "c").view(np.ndarray)
        return images.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)

    def _labelled(self, images_name: str, labels_name: str) -> tuple[np.ndarray, np.ndarray]:
        images, path = self._images(images_name), self._path(labels_name)
        labels = np.fromfile(path, np.uint8) - np.uint8(1)
        if len(labels) != len(images):
            raise damage(path, f"it has {len(labels)} labels for {len(images)} images")
        return images, checked_labels(labels, 10, path)

    def _fold(self, length: int) -> np.ndarray:
        path = self._path(self.folds_list_file)
        lines = self._lines(self.folds_list_file)
        try:
            fold = np.array(lines[self.folds].split(), np.int64)
        except (TypeError, IndexError, ValueError) as error:
            raise damage(
                path, f"there is no list of indices for fold {self.folds} in it"
            ) from error
        if fold.size and not 0 <= fold.min() <= fold.max() < length:
            raise damage(path, f"fold {self.folds} names images that are none of the {length}")
        return fold

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = row_of(self.data, index, type(self).__name__)
        image = pillow.module().fromarray(pixels.transpose(1, 2, 0))
        return self._transformed(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def _collated_rows(self, index: Any) -> list[Tensor] | None:
        """A whole batch for ``DataLoader``, where that is the same as its samples one by one."""
        own = type(self).__getitem__ is STL10.__getitem__ and self.target_transform is None
        if not own or type(self.data) is not np.ndarray:
            return None
        return batches.taken(self.data, self.labels, self.transform, index)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"

    # ---- files

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _lines(self, name: str) -> list[str] | None:
        path = self._path(name)
        if not os.path.isfile(path):
            return None
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()

    def _check_integrity(self) -> bool:
        files = [*self.train_list, *self.test_list]
        return all(check_integrity(self._path(name), md5) for name, md5 in files)

    def download(self) -> None:
        """Brings the archive and unpacks it, unless its files are there.

        Raises:
            RuntimeError: no address gave it.
        """
        if not self._check_integrity():
            addresses = [self.url, *(m for m in self.mirrors if m != self.url)]
            download_url(addresses, self.root, filename=self.filename, md5=self.tgz_md5)
            extract_archive(os.path.join(self.root, self.filename))


def _checked_fold(folds: Any) -> int | None:
    if folds is None:
        return None
    if not isinstance(folds, int):
        raise ValueError(
            f"Expected type None or int for argument folds, but got type {type(folds)}."
        )
    if not 0 <= folds < 10:
        raise ValueError(
            f"Value for argument folds should be in the range [0, 10), but got {folds}."
        )
    return folds
