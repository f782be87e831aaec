"""COCO: its index and its samples."""

import json

import pytest

from rushlight.vision.datasets import CocoCaptions, CocoDetection
from rushlight.vision.datasets.coco import CocoIndex

from . import tiny


def test_samples(tmp_path):
    path = tiny.coco(tmp_path)
    data = CocoDetection(tmp_path, str(path))
    assert data.ids == [3, 5, 7]
    image, target = data[2]
    assert image.mode == "RGB" and [each["id"] for each in target] == [10, 12, 14]
    assert CocoCaptions(str(tmp_path), path)[0][1] == ["caption 1"]
    both = CocoDetection(tmp_path, path, transforms=lambda image, target: (image.size, len(target)))
    assert both[-1] == ((8, 6), 3)


def test_index(tmp_path):
    coco = CocoIndex(tiny.coco(tmp_path))
    assert coco.getAnnIds() == [10, 11, 12, 13, 14]
    assert coco.getAnnIds(7) == coco.getAnnIds(imgIds=[7]) == [10, 12, 14]
    assert coco.getAnnIds(imgIds=[3, 5], catIds=2) == [11, 13]
    assert coco.getAnnIds(areaRng=(5, 25)) == [11, 12]
    assert coco.getAnnIds(iscrowd=True) == [11, 13]
    assert coco.getAnnIds(imgIds=99) == []
    assert coco.getCatIds() == [1, 2]
    assert coco.getCatIds(catNms=["car"]) == coco.getCatIds(supNms="vehicle") == [2]
    assert coco.getCatIds(catIds=1) == [1]
    assert sorted(coco.getImgIds()) == [3, 5, 7]
    assert sorted(coco.getImgIds(catIds=[2])) == [3, 5]
    assert coco.getImgIds(catIds=[1, 2]) == []
    assert coco.loadCats(1)[0]["name"] == "cat"
    assert [each["file_name"] for each in coco.loadImgs([5, 3])] == ["5.png", "3.png"]
    assert coco.loadAnns([]) == []
    with pytest.raises(AttributeError, match="install pycocotools"):
        coco.annToMask({})
    with pytest.raises(AttributeError, match="no attribute 'images'"):
        getattr(coco, "images")  # noqa: B009 - the name is what is tested


def test_errors(tmp_path):
    path = tiny.coco(tmp_path)
    data = CocoDetection(tmp_path, path)
    with pytest.raises(IndexError, match="index 3 is out of range for CocoDetection of 3"):
        data[3]
    with pytest.raises(ValueError, match="Index must be of type integer"):
        data["3"]
    (tmp_path / "3.png").unlink()
    with pytest.raises(FileNotFoundError) as told:
        data[0]
    assert told.value.filename == str(tmp_path / "3.png")
    for text in (path.read_text()[:100], "[1]", json.dumps({"images": [{}]}), ""):
        path.write_text(text)
        with pytest.raises(RuntimeError, match="cannot be read as annotations of COCO") as told:
            CocoDetection(tmp_path, path)
        assert str(path) in str(told.value)
    with pytest.raises(FileNotFoundError):
        CocoDetection(tmp_path, tmp_path / "nowhere.json")
