"""PASCAL VOC: photographs with boxes, and with the class of each pixel."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, ParseError, parse

from .folder import pil_loader, read_image
from .utils import damage, download_url, extract_archive, not_found, verify_str_arg
from .vision import VisionDataset, index_error

_OXFORD = "https://thor.robots.ox.ac.uk/pascal/VOC"
MIRRORS = ("http://host.robots.ox.ac.uk/pascal/VOC", "https://data.pjreddie.com/files")


def _year(folder: str, name: str, md5: str, year: str) -> dict[str, str]:
    url = f"{_OXFORD}/{folder}/{name}"
    inside = "TrainVal/VOCdevkit" if year == "2011" else "VOCdevkit"
    return {"url": url, "filename": name, "md5": md5, "base_dir": f"{inside}/VOC{year}"}


DATASET_YEAR_DICT = {
    "2012": _year(
        "voc2012", "VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", "2012"
    ),
    "2011": _year(
        "voc2011", "VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e", "2011"
    ),
    "2010": _year(
        "voc2010", "VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb", "2010"
    ),
    "2009": _year(
        "voc2009", "VOCtrainval_11-May-2009.tar", "a3e00b113cfcfebf17e343f59da3caa1", "2009"
    ),
    "2008": {
        "url": f"{_OXFORD}/voc2008/VOCtrainval_14-Jul-2008.tar",
        "filename": "VOCtrainval_11-May-2012.tar",
        "md5": "2629fa636546599198acfcfbfcf1904a",
        "base_dir": "VOCdevkit/VOC2008",
    },
    "2007": _year(
        "voc2007", "VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", "2007"
    ),
    "2007-test": _year(
        "voc2007", "VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", "2007"
    ),
}


class _VOCBase(VisionDataset):
    _SPLITS_DIR: str
    _TARGET_DIR: str
    _TARGET_FILE_EXT: str

    def __init__(
        self,
        root: str | os.PathLike,
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ):
        super().__init__(root, transforms, transform, target_transform)
        years = [str(y) for y in range(2007, 2013)]
        self.year = verify_str_arg(year, "year", years)
        sets = ["train", "trainval", "val", *(["test"] * (year == "2007"))]
        self.image_set = verify_str_arg(image_set, "image_set", sets)
        known = DATASET_YEAR_DICT["2007-test" if image_set == "test" else year]
        self.url, self.filename, self.md5 = known["url"], known["filename"], known["md5"]

        folder = os.path.join(self.root, *known["base_dir"].split("/"))
        listed = os.path.join(folder, "ImageSets", self._SPLITS_DIR, f"{image_set}.txt")
        if download and not os.path.isfile(listed):
            self._download()
        if not os.path.isfile(listed):
            raise not_found(os.path.join(self.root), f"{self.filename}, unpacked,")
        with open(listed, encoding="utf-8") as file:
            names = [line.strip() for line in file if line.strip()]
        self.images = [os.path.join(folder, "JPEGImages", f"{name}.jpg") for name in names]
        self.targets = [
            os.path.join(folder, self._TARGET_DIR, name + self._TARGET_FILE_EXT) for name in names
        ]

    def _download(self) -> None:
        # Mirrors have the folder of the year too, or no folders at all.
        end = self.url.removeprefix(_OXFORD)
        addresses = [self.url, MIRRORS[0] + end, f"{MIRRORS[1]}/{os.path.basename(end)}"]
        download_url(addresses, self.root, filename=self.filename, md5=self.md5)
        extract_archive(os.path.join(self.root, self.filename), self.root)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        try:
            paths = self.images[index], self.targets[index]
        except IndexError:
            raise index_error(index, type(self).__name__, len(self)) from None
        image, target = pil_loader(paths[0]), self._target(paths[1])
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target

    def _target(self, path: str) -> Any:
        raise NotImplementedError


class VOCSegmentation(_VOCBase):
    """PASCAL VOC with the class of each pixel (Everingham et al. 2010).

    Its samples are pairs of an RGB image and an image of mode P, whose pixels are classes, 255 for none.
    The files lie in ``root/VOCdevkit``.

    Args:
        root: the folder in which the dataset has its own.
        year: ``"2007"`` to ``"2012"``.
        image_set: ``"train"``, ``"trainval"``, ``"val"``, and ``"test"`` of 2007.
        download: bring and unpack the archive first, unless that has been done.
        transform: a function of the image,
        target_transform: and one of the target, or
        transforms: one of both.

    Attributes:
        images, masks: the paths of the files.

    Raises:
        RuntimeError: the files are not there, or could not be downloaded.
    """

    _SPLITS_DIR = "Segmentation"
    _TARGET_DIR = "SegmentationClass"
    _TARGET_FILE_EXT = ".png"

    @property
    def masks(self) -> list[str]:
        return self.targets

    def _target(self, path: str) -> Any:
        return read_image(path)


class VOCDetection(_VOCBase):
    """PASCAL VOC with the boxes of objects (Everingham et al. 2010).

    Its samples are pairs of an RGB image and a dict, which is the XML file's tree.
    The files lie in ``root/VOCdevkit``.

    Args:
        root, year, image_set, download, transform, target_transform, transforms: as for
            `VOCSegmentation`.

    Attributes:
        images, annotations: the paths of the files.

    Raises:
        RuntimeError: the files are not there, or could not be downloaded.
    """

    _SPLITS_DIR = "Main"
    _TARGET_DIR = "Annotations"
    _TARGET_FILE_EXT = ".xml"

    @property
    def annotations(self) -> list[str]:
        return self.targets

    def _target(self, path: str) -> Any:
        try:
            tree = parse(path)
        except ParseError as error:
            raise damage(path, f"it cannot be read as XML ({error})") from error
        return self.parse_voc_xml(tree.getroot())

    @staticmethod
    def parse_voc_xml(node: Element) -> dict[str, Any]:
        """The tree of an annotation as dicts: children by their names, texts at the ends.

        Where a name comes several times it has the list of them; ``object`` of an annotation always,
        with none of them too.

        >>> from xml.etree.ElementTree import fromstring
        >>> text = "<annotation><size><width>4</width></size><object><name>cat</name></object></annotation>"
        >>> VOCDetection.parse_voc_xml(fromstring(text))
        {'annotation': {'size': {'width': '4'}, 'object': [{'name': 'cat'}]}}
        """
        if len(node) == 0:
            return {node.tag: node.text.strip()} if node.text else {}
        values: dict[str, list] = {}
        for child in node:
            for name, value in VOCDetection.parse_voc_xml(child).items():
                values.setdefault(name, []).append(value)
        found: dict[str, Any] = {n: v[0] if len(v) == 1 else v for n, v in values.items()}
        if node.tag == "annotation":
            found["object"] = values.get("object", [])
        return {node.tag: found}
