"""MNIST and the datasets in its format: bytes of one channel in IDX files."""

from __future__ import annotations

import os
import string
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ...serialization import load as load_file
from ...tensor import Tensor, values_of, wrap
from .. import pillow
from . import batches, idx
from .utils import check_integrity, damage, download_url, not_found, verify_str_arg
from .vision import VisionDataset, checked_labels, row_of

DIGITS = [
    "0 - zero",
    "1 - one",
    "2 - two",
    "3 - three",
    "4 - four",
    "5 - five",
    "6 - six",
    "7 - seven",
    "8 - eight",
    "9 - nine",
]


class MNIST(VisionDataset):
    """The 70,000 handwritten digits of LeCun, Cortes and Burges: 60,000 for training, 10,000 for tests.

    Its samples are pairs of a PIL image of 28x28 gray pixels and the digit, an int. The files lie in
    ``root/MNIST/raw``, compressed as they come or unpacked.

    Args:
        root: the folder in which the dataset has its own.
        train: the part for training, or the one for tests.
        transform: a function of the image.
        target_transform: a function of the label.
        download: bring the files first, unless they are there.

    Attributes:
        data: the images, a uint8 tensor of shape (N, 28, 28).
        targets: the labels, an int64 tensor of shape (N,).
        classes: the names of the labels.
        class_to_idx: the label for each name.

    Raises:
        RuntimeError: the files are not there, or one is damaged, or could not be downloaded.

    >>> digits = MNIST("data", train=False, download=True)  # doctest: +SKIP
    >>> digits[0]  # doctest: +SKIP
    (<PIL.Image.Image image mode=L size=28x28>, 7)
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes = DIGITS

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
        if self._check_legacy_exist():
            self.data, self.targets = self._load_legacy_data()
            return
        if download:
            self.download()
        if not self._check_exists():
            raise not_found(self.raw_folder, self._wanted())
        self.data, self.targets = self._load_data()

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = row_of(self.data, index, type(self).__name__)
        image = pillow.module().fromarray(np.asarray(pixels))
        return self._transformed(image, int(row_of(self.targets, index, type(self).__name__)))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"

    def _collated_rows(self, index: Any) -> list[Tensor] | None:
        """A whole batch for ``DataLoader``, where that is the same as its samples one by one."""
        own = type(self).__getitem__ is MNIST.__getitem__ and self.target_transform is None
        if not own or type(self.data) is not Tensor:
            return None
        images = values_of(self.data)
        if images.ndim != 3:
            return None
        return batches.taken(images[:, None], self.targets, self.transform, index)

    # ---- names of older programs

    @property
    def train_labels(self) -> Any:
        return self._renamed("train_labels", "targets")

    @property
    def test_labels(self) -> Any:
        return self._renamed("test_labels", "targets")

    @property
    def train_data(self) -> Any:
        return self._renamed("train_data", "data")

    @property
    def test_data(self) -> Any:
        return self._renamed("test_data", "data")

    def _renamed(self, old: str, new: str) -> Any:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
        return getattr(self, new)

    # ---- files

    @property
    def raw_folder(self) -> str:
        """The folder of the IDX files."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """The folder where torchvision before 0.9 kept the dataset; it is read if it is there."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def _check_legacy_exist(self) -> bool:
        files = (self.training_file, self.test_file)
        return all(check_integrity(os.path.join(self.processed_folder, file)) for file in files)

    def _load_legacy_data(self) -> tuple[Tensor, Tensor]:
        file = self.training_file if self.train else self.test_file
        return load_file(os.path.join(self.processed_folder, file), weights_only=True)

    def _check_exists(self) -> bool:
        return all(
            idx.find(os.path.join(self.raw_folder, _stem(name))) for name, _ in self.resources
        )

    def _wanted(self) -> str:
        return ", ".join(os.path.basename(name) for name, _ in self.resources)

    def _load_data(self) -> tuple[Tensor, Tensor]:
        part = os.path.join(self.raw_folder, "train" if self.train else "t10k")
        return self._read(f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")

    def _read(
        self, images: str, labels: str, archive: tuple[str, str] | None = None
    ) -> tuple[Tensor, Tensor]:
        images, labels = idx.find(images, archive), idx.find(labels, archive)
        pixels, targets = read_image_file(images), read_label_file(labels)
        if len(pixels) != len(targets):
            raise damage(labels, f"it has {len(targets)} labels, but {images} {len(pixels)} images")
        return pixels, checked_labels(targets, len(self.classes), labels)

    def download(self) -> None:
        """Brings the files that are not there.

        Raises:
            RuntimeError: no mirror gave one of them.
        """
        for name, md5 in self.resources:
            if not os.path.isfile(os.path.join(self.raw_folder, _stem(name))):
                addresses = [mirror + name for mirror in self.mirrors]
                download_url(addresses, self.raw_folder, filename=name, md5=md5)


class FashionMNIST(MNIST):
    """70,000 images of clothes in the format of `MNIST`, which see (Xiao, Rasul and Vollgraf 2017)."""

    mirrors = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """70,000 characters of old Japanese script in the format of `MNIST`, which see (Clanuwat et al. 2018)."""

    mirrors = [
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


# Letters whose capital looks like them, so that "bymerge" and "balanced" do not tell them apart.
_ALIKE = set("cijklmopsuvwxyz")
_LETTERS_AND_DIGITS = sorted(string.digits + string.ascii_letters)
_MERGED = [c for c in _LETTERS_AND_DIGITS if c not in _ALIKE]


class EMNIST(MNIST):
    """Handwritten digits and letters in the format of `MNIST`, which see (Cohen et al. 2017).

    The files are read from the archive ``root/EMNIST/raw/gzip.zip``, or as torchvision unpacks them.
    The images lie on their side, as in the files.

    Args:
        root: the folder in which the dataset has its own.
        split: ``"byclass"`` (62 classes), ``"bymerge"`` or ``"balanced"`` (47), ``"letters"`` (26,
            counted from 1), ``"digits"`` or ``"mnist"`` (10).
        kwargs: those of `MNIST`.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    mirrors = [url, "http://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip"]
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict = {
        "byclass": _LETTERS_AND_DIGITS,
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike, split: str, **kwargs: Any):
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file = f"training_{split}.pt"
        self.test_file = f"test_{split}.pt"
        self.classes = self.classes_split_dict[split]
        super().__init__(root, **kwargs)

    @property
    def _file_prefix(self) -> str:
        return f"emnist-{self.split}-{'train' if self.train else 'test'}"

    @property
    def images_file(self) -> str:
        return os.path.join(self.raw_folder, f"{self._file_prefix}-images-idx3-ubyte")

    @property
    def labels_file(self) -> str:
        return os.path.join(self.raw_folder, f"{self._file_prefix}-labels-idx1-ubyte")

    @property
    def _archive(self) -> tuple[str, str]:
        return os.path.join(self.raw_folder, "gzip.zip"), "gzip"

    def _check_exists(self) -> bool:
        return all(idx.find(file, self._archive) for file in (self.images_file, self.labels_file))

    def _wanted(self) -> str:
        return "gzip.zip"

    def _load_data(self) -> tuple[Tensor, Tensor]:
        return self._read(self.images_file, self.labels_file, self._archive)

    def download(self) -> None:
        """Brings the archive, unless its files are there."""
        unpacked = all(map(idx.find, (self.images_file, self.labels_file)))
        if not unpacked:
            addresses = [self.url, *(m for m in self.mirrors if m != self.url)]
            download_url(addresses, self.raw_folder, filename="gzip.zip", md5=self.md5)


class QMNIST(MNIST):
    """MNIST made anew from its source, with all of its test images and with who wrote each digit.

    In the format of `MNIST`, which see (Yadav and Bottou 2019).

    Args:
        root: the folder in which the dataset has its own.
        what: ``"train"``, ``"test"`` (60,000), ``"test10k"`` (those of MNIST), ``"test50k"`` (the
            others), or ``"nist"`` (all 402,953); by default as ``train`` says.
        compat: samples have the digit for a label; otherwise all eight numbers, a tensor.
        train: ``"train"`` or ``"test"``, where ``what`` is not given.
        kwargs: those of `MNIST`.
    """

    subsets = {
        "train": "train",
        "test": "test",
        "test10k": "test",
        "test50k": "test",
        "nist": "nist",
    }
    mirrors = [
        "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
        "https://github.com/facebookresearch/qmnist/raw/master/",
    ]
    resources = {
        part: [(mirrors[0] + name, md5) for name, md5 in files]
        for mirrors in [mirrors]
        for part, files in {
            "train": (
                ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
                ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
            ),
            "test": (
                ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
                ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
            ),
            "nist": (
                ("xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
                ("xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
            ),
        }.items()
    }

    def __init__(
        self,
        root: str | os.PathLike,
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ):
        if what is None:
            what = "train" if train else "test"
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        self.data_file = what + ".pt"
        self.training_file = self.data_file
        self.test_file = self.data_file
        super().__init__(root, train, **kwargs)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels = row_of(self.data, index, type(self).__name__)
        image = pillow.module().fromarray(np.asarray(pixels))
        target = row_of(self.targets, index, type(self).__name__)
        return self._transformed(image, int(target[0]) if self.compat else wrap(target))

    def _collated_rows(self, index: Any) -> list[Tensor] | None:
        own = type(self).__getitem__ is QMNIST.__getitem__ and self.target_transform is None
        if not own or type(self.data) is not Tensor or type(self.targets) is not Tensor:
            return None
        if not self.compat or self.data.ndim != 3 or self.targets.ndim != 2:
            return None
        images, labels = values_of(self.data), values_of(self.targets)
        return batches.taken(images[:, None], labels[:, 0], self.transform, index)

    @property
    def images_file(self) -> str:
        return self._file(0)

    @property
    def labels_file(self) -> str:
        return self._file(1)

    def _file(self, which: int) -> str:
        address, _ = self.resources[self.subsets[self.what]][which]
        return os.path.join(self.raw_folder, _stem(os.path.basename(address)))

    def _check_exists(self) -> bool:
        return all(map(idx.find, (self.images_file, self.labels_file)))

    def _wanted(self) -> str:
        return ", ".join(os.path.basename(a) for a, _ in self.resources[self.subsets[self.what]])

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = idx.find(self.images_file), idx.find(self.labels_file)
        pixels, targets = read_image_file(images), idx.read(labels)
        if targets.dtype != np.int32 or targets.ndim != 2 or targets.shape[1] < 1:
            raise damage(labels, f"expected rows of 4-byte ints, but it has {_told(targets)}")
        if len(pixels) != len(targets):
            raise damage(labels, f"it has {len(targets)} rows, but {images} {len(pixels)} images")
        checked_labels(targets[:, 0], len(self.classes), labels)
        part = {"test10k": slice(0, 10000), "test50k": slice(10000, None)}.get(
            self.what, slice(None)
        )
        # int64, as in torchvision
        return wrap(values_of(pixels)[part]), wrap(targets[part].astype(np.int64))

    def download(self) -> None:
        """Brings the files of the part that was asked for, unless they are there."""
        for which, (address, md5) in enumerate(self.resources[self.subsets[self.what]]):
            if not os.path.isfile(self._file(which)):
                name = os.path.basename(address)
                addresses = [address, *(m + name for m in self.mirrors if m + name != address)]
                download_url(addresses, self.raw_folder, filename=name, md5=md5)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"


def read_image_file(path: str | os.PathLike) -> Tensor:
    """The images of an IDX file, a uint8 tensor of shape (N, H, W).

    Raises:
        RuntimeError: the file is damaged, or holds something else.
    """
    return wrap(_bytes_of(path, 3))


def read_label_file(path: str | os.PathLike) -> Tensor:
    """The labels of an IDX file, an int64 tensor of shape (N,).

    Raises:
        RuntimeError: the file is damaged, or holds something else.
    """
    return wrap(_bytes_of(path, 1).astype(np.int64))


def read_sn3_pascalvincent_tensor(path: str | os.PathLike, strict: bool = True) -> Tensor:
    """The numbers of any IDX file, a tensor of their shape and type."""
    return wrap(idx.read(os.fspath(path)))


def _bytes_of(path: str | os.PathLike, ndim: int) -> np.ndarray:
    path = os.fspath(path)
    array = idx.read(path)
    if array.dtype != np.uint8 or array.ndim != ndim:
        raise damage(path, f"expected bytes in {ndim} dimensions, but it has {_told(array)}")
    return array


def _told(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]
