"""STL-10: parts, folds, and files that are not its own."""

import os

import numpy as np
import pytest

from rushlight.utils import download
from rushlight.vision.datasets import STL10

from ...utils.rude_server import RudeServer, give
from . import tiny


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name, value in tiny.stl10(tmp_path).items():
        monkeypatch.setattr(STL10, name, value)
    return tmp_path


def again(root, monkeypatch):
    """The sums of changed files."""
    for name in ("train_list", "test_list"):
        files = [entry[0] for entry in getattr(STL10, name)]
        sums = [[file, tiny.md5(root / "stl10_binary" / file)] for file in files]
        monkeypatch.setattr(STL10, name, sums)


def test_samples(root):
    data = STL10(root)
    image, label = data[7]
    assert (np.asarray(image) == tiny.pixels(12, 3, 96, 96)[7].transpose(2, 1, 0)).all()
    assert type(label) is int and label == tiny.labels(12)[7]
    assert data.classes[3] == "class3"
    unlabeled = STL10(root, "unlabeled")
    assert unlabeled[0][1] == -1 and (unlabeled.labels == -1).all()
    both = STL10(root, "train+unlabeled")
    assert len(both) == 24 and both[11][1] == data[11][1] and both[12][1] == -1


def test_folds(root):
    whole, fold = STL10(root), STL10(root, folds=3)
    chosen = [(9 + i) % 12 for i in range(4)]
    assert (fold.data == whole.data[chosen]).all()
    assert fold.labels.tolist() == whole.labels[chosen].tolist()


def test_writing_does_not_reach_the_file(root):
    path = root / "stl10_binary" / "train_X.bin"
    before = path.read_bytes()
    STL10(root).data[:] = 0
    assert path.read_bytes() == before


def test_download(root, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    archive = tiny.tar(tmp_path / STL10.filename, root, "stl10_binary")
    monkeypatch.setattr(STL10, "tgz_md5", tiny.md5(archive))
    with RudeServer() as server:
        monkeypatch.setattr(STL10, "url", server.say("/a", give(archive.read_bytes())))
        for _ in range(2):
            assert len(STL10(tmp_path / "new", "test", download=True)) == 12
    assert len(server.asked) == 1
    assert sorted(os.listdir(tmp_path / "new")) == ["stl10_binary", STL10.filename]


def test_arguments(root):
    with pytest.raises(ValueError, match=r"in the range \[0, 10\), but got 10"):
        STL10(root, folds=10)
    with pytest.raises(ValueError, match="Expected type None or int for argument folds"):
        STL10(root, folds=1.0)
    with pytest.raises(ValueError, match="Unknown value 'all' for argument split"):
        STL10(root, "all")


CHANGES = {
    "cut off": ("train_X.bin", lambda c: c[:-1], "331775 bytes are not those of images of 27648"),
    "empty": ("train_X.bin", lambda c: b"", "its 0 bytes"),
    "a label less": ("train_y.bin", lambda c: c[:-1], "it has 11 labels for 12 images"),
    "a label of zero": ("train_y.bin", lambda c: b"\0" + c[1:], "the label of sample 0 is 255"),
    "a label too large": (
        "train_y.bin",
        lambda c: c[:-1] + b"\x0b",
        "the label of sample 11 is 10",
    ),
    "no folds": ("fold_indices.txt", lambda c: b"0 1\n", "no list of indices for fold 3"),
    "words": ("fold_indices.txt", lambda c: b"a b\n" * 10, "no list of indices for fold 3"),
    "a wild fold": (
        "fold_indices.txt",
        lambda c: b"0 12\n" * 10,
        "fold 3 names images that are none",
    ),
}


@pytest.mark.parametrize("name, change, problem", CHANGES.values(), ids=list(CHANGES))
def test_wrong_content(name, change, problem, root, monkeypatch):
    path = root / "stl10_binary" / name
    path.write_bytes(change(path.read_bytes()))
    again(root, monkeypatch)
    with pytest.raises(RuntimeError, match=problem) as told:
        STL10(root, folds=3 if "fold" in name else None)
    assert str(path) in str(told.value)


def test_not_there(tmp_path):
    with pytest.raises(
        RuntimeError, match="download=True .* put stl10_binary.tar.gz, unpacked, into"
    ):
        STL10(tmp_path)
