"""ImageNet of the challenge of 2012, from the archives that one has to ask for."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...serialization import load as load_file
from ...serialization import save as save_file
from . import matlab
from .folder import ImageFolder
from .utils import (
    check_integrity,
    damage,
    locked,
    telling_damage,
    unpack_tar,
    unpacking,
    verify_str_arg,
)

ARCHIVE_META = {
    "train": ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
    "val": ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
    "devkit": ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
}
META_FILE = "meta.bin"


class ImageNet(ImageFolder):
    """1.3 million photographs in 1,000 classes (Russakovsky et al. 2015).

    The archives are to be had from image-net.org, for those who register there; put them into ``root``.
    They are unpacked the first time.

    Args:
        root: the folder of the archives, where they are unpacked.
        split: ``"train"`` or ``"val"``.
        kwargs: those of `ImageFolder`.

    Attributes:
        wnids: the identifiers of the classes in WordNet, in their order.
        wnid_to_idx: the index of each.
        classes: for each class the tuple of its names.
        class_to_idx: the index for each name.
        samples, imgs, targets: as of `ImageFolder`.

    Raises:
        RuntimeError: an archive is not there, or damaged.
    """

    def __init__(self, root: str | os.PathLike, split: str = "train", **kwargs: Any):
        root = self.root = os.path.expanduser(root)
        self.split = verify_str_arg(split, "split", ("train", "val"))
        self.parse_archives()
        names_of = load_meta_file(self.root)[0]
        super().__init__(self.split_folder, **kwargs)
        self.root = root
        self.wnids = self.classes
        self.wnid_to_idx = self.class_to_idx
        unknown = [wnid for wnid in self.wnids if wnid not in names_of]
        if unknown:
            raise RuntimeError(
                f"{self.split_folder} holds the folder {unknown[0]}, which is no class of ImageNet "
                f"by {os.path.join(self.root, META_FILE)}; take it out"
            )
        self.classes = [names_of[wnid] for wnid in self.wnids]
        self.class_to_idx = {name: i for i, names in enumerate(self.classes) for name in names}

    def parse_archives(self) -> None:
        """Unpacks what is not unpacked yet."""
        if not check_integrity(os.path.join(self.root, META_FILE)):
            parse_devkit_archive(self.root)
        if not os.path.isdir(self.split_folder):
            if self.split == "train":
                parse_train_archive(self.root)
            else:
                parse_val_archive(self.root)

    @property
    def split_folder(self) -> str:
        """The folder of the split's images."""
        return os.path.join(self.root, self.split)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


def load_meta_file(
    root: str | os.PathLike, file: str | None = None
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The names of each class, and the class of each image for validation.

    Raises:
        RuntimeError: the file is not there; `parse_devkit_archive` makes it.
    """
    path = os.path.join(root, file or META_FILE)
    if not check_integrity(path):
        raise RuntimeError(
            f"The meta file {os.path.basename(path)} is not present in the root directory or is "
            f"corrupted ({path}). It is made of the archive {ARCHIVE_META['devkit'][0]}."
        )
    return load_file(path, weights_only=True)


def parse_devkit_archive(root: str | os.PathLike, file: str | None = None) -> None:
    """Makes the file for `load_meta_file` of the archive of the development kit.

    Args:
        root: the folder of the archive.
        file: its name, if not the usual one.
    """
    archive = _checked_archive(root, file, "devkit")
    with locked(archive):
        parts = {"data/meta.mat": None, "data/ILSVRC2012_validation_ground_truth.txt": None}
        folder = os.path.join(root, f".{os.path.basename(archive)}.unpacking")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        try:
            unpack_tar(archive, folder)
            paths = [
                os.path.join(folder, "ILSVRC2012_devkit_t12", *part.split("/")) for part in parts
            ]
            for part, path in zip(parts, paths):
                if not os.path.isfile(path):
                    raise damage(archive, f"there is no {part} in it")
            meta = _meta(archive, *paths)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    save_file(meta, os.path.join(root, META_FILE))


def _meta(
    archive: str, synsets_path: str, truth_path: str
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    synsets = matlab.read(synsets_path, ("synsets",))["synsets"]
    try:
        classes = [s for s in synsets if int(s["num_children"].item()) == 0]
        wnids = {int(s["ILSVRC2012_ID"].item()): s["WNID"] for s in classes}
        names_of = {s["WNID"]: tuple(s["words"].split(", ")) for s in classes}
        with open(truth_path, encoding="ascii") as file:
            truth = [wnids[int(line)] for line in file.read().split()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"its classes cannot be read ({type(error).__name__}: {error})"
        raise damage(archive, problem) from error
    return names_of, truth


def parse_train_archive(
    root: str | os.PathLike, file: str | None = None, folder: str = "train"
) -> None:
    """Unpacks the archive of images for training into ``root/train``, one folder for each class."""
    archive = _checked_archive(root, file, "train")
    with _unpacking_once(archive, os.path.join(root, folder)) as target:
        if target is None:
            return
        with telling_damage(archive, "unpacked"), tarfile.open(archive) as content:
            for member in content:
                name, ending = os.path.splitext(os.path.basename(member.name))
                if not member.isfile() or ending != ".tar" or not name:
                    raise damage(archive, f"{member.name!r} in it is not the archive of a class")
                inner = os.path.join(target, name)
                os.mkdir(inner)
                unpack_tar(content.extractfile(member), inner, f"{archive}: {member.name}")


def parse_val_archive(
    root: str | os.PathLike,
    file: str | None = None,
    wnids: list[str] | None = None,
    folder: str = "val",
) -> None:
    """Unpacks the archive of images for validation into ``root/val``, one folder for each class.

    Args:
        wnids: the class of each image in the order of their names; by default from `load_meta_file`.
    """
    archive = _checked_archive(root, file, "val")
    if wnids is None:
        wnids = load_meta_file(root)[1]
    with _unpacking_once(archive, os.path.join(root, folder)) as target:
        if target is None:
            return
        unpack_tar(archive, target)
        images = sorted(os.listdir(target))
        if len(images) != len(wnids):
            raise damage(archive, f"it has {len(images)} images, but {len(wnids)} have a class")
        for wnid in set(wnids):
            os.mkdir(os.path.join(target, wnid))
        for wnid, image in zip(wnids, images):
            os.rename(os.path.join(target, image), os.path.join(target, wnid, image))


@contextmanager
def _unpacking_once(archive: str, target: str) -> Iterator[str | None]:
    """A folder that becomes ``target`` as a whole; None if another process has made that meanwhile."""
    with unpacking(archive, os.path.dirname(target)) as place:
        if os.path.isdir(target):
            yield None
            return
        folder = os.path.join(place, os.path.basename(target))
        os.mkdir(folder)
        yield folder


def _checked_archive(root: str | os.PathLike, file: str | None, part: str) -> str:
    name, md5 = ARCHIVE_META[part]
    path = os.path.join(root, file or name)
    if not check_integrity(path, md5):
        raise RuntimeError(
            f"The archive {file or name} is not present in the root directory or is corrupted. You "
            f"need to download it externally (from image-net.org, as a registered user) and place it "
            f"in {root}."
        )
    return path
