"""COCO: photographs with objects or captions, listed in one JSON file."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from .folder import pil_loader
from .utils import damage
from .vision import VisionDataset, index_error


class CocoIndex:
    """What a COCO annotation file lists, under the names of pycocotools.

    Args:
        annotation_file: the path of the file.

    Attributes:
        dataset: the file's content.
        imgs, anns, cats: its images, annotations and categories by their id.
        imgToAnns: the annotations of each image, by its id.
        catToImgs: the ids of the images of each category, by its id.

    Raises:
        RuntimeError: it is not such a file.
    """

    def __init__(self, annotation_file: str | os.PathLike):
        import json

        path = os.fspath(annotation_file)
        if not os.path.exists(path):
            told = (
                "No such annotation file; give annFile the path of one of COCO's instances_*.json"
            )
            raise FileNotFoundError(errno.ENOENT, told, path)
        with open(path, encoding="utf-8") as file:
            try:
                self.dataset = json.load(file)
                self._list()
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                problem = (
                    f"it cannot be read as annotations of COCO ({type(error).__name__}: {error})"
                )
                raise damage(path, problem) from error

    def _list(self) -> None:
        self.imgs = {image["id"]: image for image in self.dataset.get("images", [])}
        self.anns = {each["id"]: each for each in self.dataset.get("annotations", [])}
        self.cats = {each["id"]: each for each in self.dataset.get("categories", [])}
        self.imgToAnns: dict[int, list] = defaultdict(list)
        self.catToImgs: dict[int, list] = defaultdict(list)
        for each in self.dataset.get("annotations", []):
            self.imgToAnns[each["image_id"]].append(each)
            if "category_id" in each:
                self.catToImgs[each["category_id"]].append(each["image_id"])

    def getAnnIds(
        self, imgIds: Any = (), catIds: Any = (), areaRng: Any = (), iscrowd: bool | None = None
    ) -> list[int]:
        """The ids of the annotations of these images (all, if none are given), of these categories, whose
        area is within these bounds, and which are crowds or not."""
        images, categories = _ids(imgIds), set(_ids(catIds))
        if images:
            # pycocotools asks for images one by one, so that their order stays.
            found = [each for i in images if i in self.imgToAnns for each in self.imgToAnns[i]]
        else:
            found = self.dataset.get("annotations", [])
        return [
            each["id"]
            for each in found
            if (not categories or each["category_id"] in categories)
            and (len(areaRng) == 0 or areaRng[0] < each["area"] < areaRng[1])
            and (iscrowd is None or each["iscrowd"] == iscrowd)
        ]

    def getCatIds(self, catNms: Any = (), supNms: Any = (), catIds: Any = ()) -> list[int]:
        """The ids of the categories with these names, super-categories and ids."""
        names, above, ids = _ids(catNms), _ids(supNms), _ids(catIds)
        return [
            each["id"]
            for each in self.dataset.get("categories", [])
            if (not names or each["name"] in names)
            and (not above or each["supercategory"] in above)
            and (not ids or each["id"] in ids)
        ]

    def getImgIds(self, imgIds: Any = (), catIds: Any = ()) -> list[int]:
        """The ids of those of these images (all, if none are given) that have all these categories."""
        images = set(_ids(imgIds)) or set(self.imgs)
        for category in _ids(catIds):
            images &= set(self.catToImgs.get(category, ()))
        return list(images)

    def loadAnns(self, ids: Any = ()) -> list[dict]:
        """The annotations with these ids."""
        return [self.anns[i] for i in _ids(ids)]

    def loadCats(self, ids: Any = ()) -> list[dict]:
        """The categories with these ids."""
        return [self.cats[i] for i in _ids(ids)]

    def loadImgs(self, ids: Any = ()) -> list[dict]:
        """The images with these ids."""
        return [self.imgs[i] for i in _ids(ids)]

    def __getattr__(self, name: str) -> Any:
        if name in ("annToMask", "annToRLE", "showAnns", "loadRes", "download"):
            raise AttributeError(
                f"{name} is pycocotools' own: install pycocotools, and call "
                f"pycocotools.coco.COCO(annFile).{name}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _ids(ids: Any) -> list:
    return list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else [ids]


class CocoDetection(VisionDataset):
    """COCO with the objects of each image (Lin et al. 2014).

    Its samples are pairs of an RGB image and the list of its annotations, each a dict.

    Args:
        root: the folder of the images.
        annFile: the path of the JSON file of annotations.
        transform: a function of the image,
        target_transform: and one of the target, or
        transforms: one of both.

    Attributes:
        coco: what the file lists, a `CocoIndex`.
        ids: the ids of the images, sorted.

    Raises:
        RuntimeError: the file is none of annotations.
        FileNotFoundError: it is not there.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        annFile: str,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ):
        super().__init__(root, transforms, transform, target_transform)
        self.coco = CocoIndex(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: int) -> Any:
        return pil_loader(os.path.join(self.root, self.coco.loadImgs(id)[0]["file_name"]))

    def _load_target(self, id: int) -> list[Any]:
        return self.coco.loadAnns(self.coco.getAnnIds(id))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        try:
            id = self.ids[index]
        except IndexError:
            raise index_error(index, type(self).__name__, len(self)) from None
        image, target = self._load_image(id), self._load_target(id)
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return image, target

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """COCO with the captions of each image, a list of strings; as `CocoDetection`, which see."""

    def _load_target(self, id: int) -> list[str]:
        return [annotation["caption"] for annotation in super()._load_target(id)]
