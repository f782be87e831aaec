"""ImageNet: unpacked once, as a whole, from the archives that are there."""

import os

import pytest

from rushlight.vision.datasets import ImageNet, imagenet

from . import tiny

CLASSES = {"n02": "tabby, tabby cat", "n01": "tench", "n03": "golden retriever"}
TRUTH = [2, 1, 1, 3]


@pytest.fixture
def root(tmp_path, monkeypatch):
    for part, entry in tiny.imagenet(tmp_path, CLASSES, TRUTH).items():
        monkeypatch.setitem(imagenet.ARCHIVE_META, part, entry)
    return tmp_path


def set_sum(root, monkeypatch, part):
    name = imagenet.ARCHIVE_META[part][0]
    monkeypatch.setitem(imagenet.ARCHIVE_META, part, (name, tiny.md5(root / name)))


def test_train(root):
    data = ImageNet(str(root), transform=lambda image: image.size)
    assert data.wnids == ["n01", "n02", "n03"] and data.wnid_to_idx["n03"] == 2
    assert data.classes == [("tench",), ("tabby", "tabby cat"), ("golden retriever",)]
    assert data.class_to_idx["tabby cat"] == 1
    assert data.targets == [0, 0, 1, 1, 2, 2]
    assert data[0] == ((8, 6), 0)
    assert data.root == str(root) and data.split_folder == str(root / "train")
    assert "    Split: train" in repr(data).splitlines()


def test_val(root):
    data = ImageNet(root, "val")
    assert [(os.path.basename(path), target) for path, target in data.imgs] == [
        ("ILSVRC2012_val_00000001.JPEG", 0),
        ("ILSVRC2012_val_00000002.JPEG", 1),
        ("ILSVRC2012_val_00000003.JPEG", 1),
        ("ILSVRC2012_val_00000004.JPEG", 2),
    ]


def test_the_second_time_needs_no_archive(root):
    first = ImageNet(root).imgs
    for name, _ in imagenet.ARCHIVE_META.values():
        (root / name).unlink()
    assert ImageNet(root).imgs == first
    assert sorted(os.listdir(root)) == ["meta.bin", "train"]
    with pytest.raises(RuntimeError, match="ILSVRC2012_img_val.tar is not present"):
        ImageNet(root, "val")


def test_another_process_was_first(root):
    first = ImageNet(root)
    (root / "train" / "n01" / "mark").touch()
    imagenet.parse_train_archive(root)
    imagenet.parse_val_archive(root)
    imagenet.parse_val_archive(root)
    assert (root / "train" / "n01" / "mark").exists()
    assert len(ImageNet(root)) == len(first) and len(ImageNet(root, "val")) == 4


def test_nothing_is_left_of_an_archive_that_is_damaged(root, monkeypatch):
    for part, split in (("train", "train"), ("val", "val")):
        path = root / imagenet.ARCHIVE_META[part][0]
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(RuntimeError, match="not present in the root directory or is corrupted"):
            ImageNet(root, split)
        set_sum(root, monkeypatch, part)
        before = sorted(os.listdir(root)) + ["meta.bin"] * (split == "train")
        with pytest.raises(RuntimeError, match="damaged"):
            ImageNet(root, split)
        assert set(os.listdir(root)) == set(before)


def test_hostile_inner_archive(root, monkeypatch):
    inner = tiny.tar_of(root / "inner.tar", **{"../../evil": b"x"})
    tiny.tar_of(root / "ILSVRC2012_img_train.tar", **{"n01.tar": inner.read_bytes()})
    inner.unlink()
    set_sum(root, monkeypatch, "train")
    with pytest.raises(RuntimeError, match="outside of its folder"):
        ImageNet(root)
    assert not (root / "train").exists() and not (root.parent / "evil").exists()


def test_archive_with_something_else(root, monkeypatch):
    tiny.tar_of(root / "ILSVRC2012_img_train.tar", **{"notes.txt": b"x"})
    set_sum(root, monkeypatch, "train")
    with pytest.raises(RuntimeError, match="'notes.txt' in it is not the archive of a class"):
        ImageNet(root)
    tiny.tar_of(root / "ILSVRC2012_img_val.tar", **{"1.JPEG": b"x"})
    set_sum(root, monkeypatch, "val")
    with pytest.raises(RuntimeError, match="it has 1 images, but 4 have a class"):
        ImageNet(root, "val")


def test_devkit_without_its_files(root, monkeypatch):
    (root / "x").write_text("x")
    tiny.tar(root / "ILSVRC2012_devkit_t12.tar.gz", root, "x")
    set_sum(root, monkeypatch, "devkit")
    with pytest.raises(RuntimeError, match="there is no data/meta.mat in it"):
        ImageNet(root)
    assert not (root / "meta.bin").exists()


def test_a_folder_that_is_no_class(root):
    ImageNet(root)
    tiny.image(root / "train" / "pictures" / "1.png")
    with pytest.raises(RuntimeError, match="folder pictures, which is no class of ImageNet"):
        ImageNet(root)


def test_arguments(root):
    with pytest.raises(ValueError, match="Unknown value 'test' for argument split"):
        ImageNet(root, "test")
    with pytest.raises(RuntimeError, match="The meta file meta.bin is not present"):
        imagenet.load_meta_file(root)
