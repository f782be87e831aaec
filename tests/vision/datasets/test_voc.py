"""PASCAL VOC: lists, trees, masks, and archives that share a folder."""

import os
from xml.etree.ElementTree import fromstring

import pytest

from rushlight.utils import download
from rushlight.vision.datasets import VOCDetection, VOCSegmentation, voc

from ...utils.rude_server import RudeServer, give
from . import tiny


def test_detection(tmp_path):
    data = VOCDetection(tiny.voc(tmp_path))
    image, target = data[1]
    assert image.mode == "RGB" and image.size == (8, 6)
    boxes = [{"name": "cat", "bndbox": {"xmin": str(i)}} for i in range(2)]
    assert target == {"annotation": {"filename": "2007_000032.jpg", "object": boxes}}
    assert data.annotations == data.targets and data.images[0].endswith("2007_000027.jpg")
    with pytest.raises(IndexError, match="index 2 is out of range for VOCDetection of 2"):
        data[2]


def test_segmentation(tmp_path):
    data = VOCSegmentation(tiny.voc(tmp_path), transforms=lambda image, mask: (mask, image))
    mask, image = data[0]
    assert mask.mode == "P" and image.mode == "RGB"
    assert data.masks == data.targets


@pytest.mark.parametrize(
    "text, expected",
    [
        ("<a/>", {}),
        ("<a> 3 </a>", {"a": "3"}),
        ("<a><b>1</b><b>2</b></a>", {"a": {"b": ["1", "2"]}}),
        ("<a>text<b>1</b></a>", {"a": {"b": "1"}}),
        ("<annotation><b>1</b></annotation>", {"annotation": {"b": "1", "object": []}}),
    ],
)
def test_trees(text, expected):
    assert VOCDetection.parse_voc_xml(fromstring(text)) == expected


def test_two_archives_of_one_year(tmp_path, monkeypatch):
    """The archives of 2007 share a folder; the lists that say what is there come last."""
    monkeypatch.setattr(download, "WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    moved = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (moved.append(b), replace(a, b)))
    with RudeServer() as server:
        for year, split, names in (("2007", "train", ["1", "2"]), ("2007-test", "test", ["3"])):
            made = tiny.voc(tmp_path / split, "VOCdevkit/VOC2007", names, [split])
            archive = tiny.tar(made / "a.tar", made, "VOCdevkit")
            known = dict(voc.DATASET_YEAR_DICT[year])
            known |= {"url": server.say(f"/{split}", give(archive.read_bytes()))}
            monkeypatch.setitem(voc.DATASET_YEAR_DICT, year, known | {"md5": tiny.md5(archive)})
        for _ in range(2):
            assert len(VOCDetection(tmp_path, "2007", download=True)) == 2
            assert len(VOCSegmentation(tmp_path, "2007", "test", download=True)) == 1
    assert len(server.asked) == 2
    assert VOCDetection(tmp_path, "2007", "test")[0][1]["annotation"]["filename"] == "3.jpg"
    assert "ImageSets" in moved[-1]


def test_errors(tmp_path):
    with pytest.raises(RuntimeError, match="put VOCtrainval_11-May-2012.tar, unpacked, into"):
        VOCDetection(tmp_path)
    with pytest.raises(ValueError, match="Unknown value '2001' for argument year"):
        VOCDetection(tmp_path, "2001")
    with pytest.raises(ValueError, match="Unknown value 'test' for argument image_set"):
        VOCDetection(tmp_path, "2012", "test")
    data = VOCDetection(tiny.voc(tmp_path))
    path = tmp_path / "VOCdevkit" / "VOC2012" / "Annotations" / "2007_000027.xml"
    path.write_text("<annotation><object>")
    with pytest.raises(RuntimeError, match="cannot be read as XML") as told:
        data[0]
    assert str(path) in str(told.value)
    with open(data.images[1], "wb") as file:
        file.write(b"no image")
    with pytest.raises(OSError, match="cannot identify image file") as told:
        data[1]
    assert data.images[1] in str(told.value)
