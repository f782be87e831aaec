"""Images in folders: what is found, and what cannot be read."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from rushlight.vision.datasets import DatasetFolder, ImageFolder
from rushlight.vision.datasets.folder import find_classes, make_dataset, pil_loader

from . import tiny


def test_samples(tmp_path):
    data = ImageFolder(tiny.folders(tmp_path))
    assert data.classes == ["Ant", "cat", "dog"]
    assert data.targets == [0, 1, 1, 1, 2]
    names = ["Ant/x.png", "cat/1.JPG", "cat/2.png", "cat/deep/3.bmp", "dog/a.jpeg"]
    assert (
        data.imgs == data.samples == [(str(tmp_path / n), t) for n, t in zip(names, data.targets)]
    )
    assert [image.mode for image, _ in data] == ["RGB"] * 5
    assert (np.asarray(data[2][0]) == tiny.pixels(6, 8, 3, seed=0)).all()


def test_transforms(tmp_path):
    data = ImageFolder(tiny.folders(tmp_path), lambda image: image.size, lambda target: -target)
    assert data[-1] == ((8, 6), -2)


def test_links_to_folders_are_followed(tmp_path):
    tiny.image(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "root").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "root" / "cat")
    tiny.image(tmp_path / "more" / "2.png")
    os.symlink(tmp_path / "more", tmp_path / "elsewhere" / "deeper")
    assert len(ImageFolder(tmp_path / "root")) == 2


# ---- errors


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="one folder of images for each class") as told:
        ImageFolder(tmp_path / "nowhere")
    assert told.value.filename == str(tmp_path / "nowhere")
    assert told.value.errno == 2
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        find_classes(tmp_path)


def test_empty_class(tmp_path):
    tiny.folders(tmp_path)
    (tmp_path / "zebra").mkdir()
    (tmp_path / "bear").mkdir()
    with pytest.raises(
        FileNotFoundError, match="for the classes bear, zebra. Supported .*webp. They"
    ):
        ImageFolder(tmp_path)
    assert len(ImageFolder(tmp_path, allow_empty=True).classes) == 5
    assert make_dataset(tmp_path, {"nothing": 0}, ".png", allow_empty=True) == []


@pytest.mark.parametrize("name", ["1.png", "1.jpg", "1.bmp", "1.webp", "1.tif", "1.ppm"])
def test_corrupt_images(name, tmp_path):
    """Cut anywhere, an image is an error that names its path and index, of a type that Pillow's has."""
    path = tiny.image(tmp_path / "cat" / name, size=(40, 30))
    whole = path.read_bytes()
    data = ImageFolder(tmp_path)
    assert data[0][0].size == (40, 30)
    for length in (0, 3, 10, 20, 50, len(whole) // 2, int(len(whole) * 0.8)):
        path.write_bytes(whole[:length])
        with pytest.raises(OSError) as told, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of a TIFF file that breaks off
            data[0]
        assert str(path) in str(told.value)
        assert "sample 0 of ImageFolder" in str(told.value)
        assert "replace it or take it out of the dataset" in str(told.value)


def test_a_file_that_is_no_image(tmp_path):
    path = tiny.image(tmp_path / "cat" / "1.png")
    path.write_text("no image")
    with pytest.raises(UnidentifiedImageError, match="sample 0 of ImageFolder"):
        ImageFolder(tmp_path)[0]


def test_unreadable_file(tmp_path, monkeypatch):
    path = tiny.image(tmp_path / "cat" / "1.png")
    data = ImageFolder(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="sample 0 of ImageFolder cannot be read") as told:
        data[0]
    assert told.value.filename == str(path)
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="sample 0"):
        data[0]

    def forbidden(path, mode):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", forbidden)
    with pytest.raises(PermissionError, match="Permission denied: sample 0") as told:
        data[0]
    assert told.value.filename == str(path)


def test_a_disk_that_fails(tmp_path, monkeypatch):
    path = tiny.image(tmp_path / "cat" / "1.png")

    def failing(file):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Image, "open", failing)
    with pytest.raises(OSError, match="Input/output error: sample 0 of ImageFolder") as told:
        ImageFolder(tmp_path)[0]
    assert told.value.errno == 5 and told.value.filename == str(path)


def test_a_bomb_stays_a_bomb(tmp_path, monkeypatch):
    path = tiny.image(tmp_path / "cat" / "1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(Image.DecompressionBombError):
        pil_loader(path)


def test_errors_of_a_loader_of_ones_own(tmp_path):
    tiny.folders(tmp_path)

    def broken(path):
        raise KeyError(path)

    with pytest.raises(KeyError):
        DatasetFolder(tmp_path, broken, (".png",), allow_empty=True)[0]


def test_arguments(tmp_path):
    tiny.folders(tmp_path)
    for arguments in ({}, {"extensions": ".png", "is_valid_file": str}):
        with pytest.raises(ValueError, match="Both extensions and is_valid_file"):
            make_dataset(tmp_path, **arguments)
    with pytest.raises(ValueError, match="at least one entry"):
        make_dataset(tmp_path, {}, ".png")
    with pytest.raises(ValueError, match="class_to_idx parameter cannot be None"):
        ImageFolder.make_dataset(tmp_path, None)
