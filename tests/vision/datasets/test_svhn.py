"""SVHN: digits, their labels, and files that are not its own."""

import numpy as np
import pytest

from rushlight.utils import download
from rushlight.vision.datasets import SVHN

from ...utils.rude_server import RudeServer, give
from . import tiny


def with_sum(monkeypatch, path, split="train", url="http://127.0.0.1:9/"):
    monkeypatch.setitem(SVHN.split_list, split, [url, path.name, tiny.md5(path)])


@pytest.mark.parametrize("split", ["train", "test", "extra"])
def test_samples(split, tmp_path, monkeypatch):
    with_sum(monkeypatch, tiny.svhn(tmp_path, split), split)
    data = SVHN(tmp_path, split, target_transform=str)
    assert data.data.shape == (12, 3, 32, 32)
    image, label = data[5]
    assert (np.asarray(image) == tiny.pixels(32, 32, 3, 12)[..., 5]).all()
    assert label == str((tiny.labels(12)[5] + 1) % 10)
    assert set(data.labels) <= set(range(10))
    with pytest.raises(IndexError, match="index 12 is out of range for SVHN of 12 images"):
        data[12]


def test_download(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "made").mkdir()
    made = tiny.svhn(tmp_path / "made")
    with RudeServer() as server:
        server.say("/there/train_32x32.mat", give(made.read_bytes()))
        with_sum(monkeypatch, made, url=f"{server.url}/gone/train_32x32.mat")
        monkeypatch.setattr(SVHN, "mirrors", [f"{server.url}/there/"])
        assert len(SVHN(tmp_path, download=True)) == 12
        assert len(SVHN(tmp_path, download=True)) == 12
    assert len(server.asked) == 2


def test_not_there(tmp_path):
    with pytest.raises(RuntimeError, match="download=True .* put train_32x32.mat into"):
        SVHN(tmp_path)
    tiny.svhn(tmp_path)
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        SVHN(tmp_path)
    with pytest.raises(ValueError, match="Unknown value 'val' for argument split"):
        SVHN(tmp_path, "val")


@pytest.mark.parametrize(
    "x, y, problem",
    [
        (tiny.pixels(32, 32, 3, 4), np.array([[1], [2], [11], [4]]), "sample 2 is 11"),
        (tiny.pixels(32, 32, 3, 4), np.ones((5, 1)), "N labels y"),
        (tiny.pixels(32, 32), np.ones((4, 1)), r"uint8 of shape \(32, 32\)"),
    ],
)
def test_wrong_content(x, y, problem, tmp_path, monkeypatch):
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(tiny.mat(tiny.mat_variable("X", x), tiny.mat_variable("y", y)))
    with_sum(monkeypatch, path)
    with pytest.raises(RuntimeError, match=problem) as told:
        SVHN(tmp_path)
    assert str(path) in str(told.value)
