"""MNIST and its kin: how files are found, brought and refused."""

import gzip
import os
import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils import download
from rushlight.vision.datasets import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from rushlight.vision.datasets.mnist import (
    read_image_file,
    read_label_file,
    read_sn3_pascalvincent_tensor,
)

from ...utils.rude_server import RudeServer, fail, give
from . import tiny


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with RudeServer() as server:
        yield server


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST, KMNIST])
def test_files_are_read_as_they_are(dataset, ending, tmp_path):
    tiny.mnist(tmp_path, dataset.__name__, ending=ending)
    before = sorted(os.listdir(tmp_path / dataset.__name__ / "raw"))
    data = dataset(str(tmp_path), download=ending == "")
    assert sorted(os.listdir(tmp_path / dataset.__name__ / "raw")) == before
    images, targets = tiny.pixels(12, 28, 28), tiny.labels(12)
    assert data.data.dtype is torch.uint8 and (data.data.numpy() == images).all()
    assert data.targets.dtype is torch.int64 and (data.targets.numpy() == targets).all()
    image, label = data[3]
    assert image.mode == "L" and (np.asarray(image) == images[3]).all()
    assert type(label) is int and label == targets[3]
    assert len(dataset(tmp_path, train=False)) == 6


def test_indices(tmp_path):
    data = MNIST(tiny.mnist(tmp_path))
    for index in (np.int64(3), torch.tensor(3), -9):
        assert np.asarray(data[index][0]).tolist() == data.data[3].tolist()
        assert data[index][1] == data.targets[3]
    with pytest.raises(IndexError, match="index 12 is out of range for MNIST of 12 images"):
        data[12]
    with pytest.raises(IndexError, match="index -13"):
        data[-13]
    with pytest.raises(TypeError, match="an index must be an int, not str"):
        data["3"]
    assert len(list(data)) == 12


def test_an_image_does_not_write_into_the_data(tmp_path):
    data = MNIST(tiny.mnist(tmp_path))
    before = data.data.clone()
    image, _ = data[0]
    image.putpixel((0, 0), 255 - image.getpixel((0, 0)))
    assert torch.equal(data.data, before)


def test_data_may_be_replaced(tmp_path):
    data = MNIST(tiny.mnist(tmp_path))
    data.data, data.targets = data.data[2:5], [7, 8, 9]
    assert [label for _, label in data] == [7, 8, 9]
    data.data = data.data.numpy()
    assert data[0][0].size == (28, 28)


def test_it_can_be_pickled(tmp_path):
    data = pickle.loads(pickle.dumps(MNIST(tiny.mnist(tmp_path), target_transform=str)))
    assert data[0][1] == str(tiny.labels(12)[0])


# ---- downloads


def test_download(server, tmp_path, monkeypatch):
    """Two mirrors, one of which has nothing; then nothing more is asked for."""
    made = tiny.mnist(tmp_path / "made", ending=".gz") / "MNIST" / "raw"
    names = [name for name, _ in MNIST.resources]
    for name in names:
        server.say(f"/bad/{name}", fail(404))
        server.say(f"/good/{name}", give((made / name).read_bytes()))
    monkeypatch.setattr(MNIST, "mirrors", [f"{server.url}/bad/", f"{server.url}/good/"])
    monkeypatch.setattr(MNIST, "resources", [(name, tiny.md5(made / name)) for name in names])
    data = MNIST(tmp_path, download=True)
    assert len(data) == 12
    assert sorted(os.listdir(data.raw_folder)) == sorted(names)
    asked = len(server.asked)
    assert len(MNIST(tmp_path, download=True)) == 12
    assert len(server.asked) == asked == 8


def test_download_replaces_a_damaged_file(server, tmp_path, monkeypatch):
    raw = tiny.mnist(tmp_path, ending=".gz") / "MNIST" / "raw"
    names = [name for name, _ in MNIST.resources]
    monkeypatch.setattr(MNIST, "mirrors", [f"{server.url}/"])
    monkeypatch.setattr(MNIST, "resources", [(name, tiny.md5(raw / name)) for name in names])
    whole = (raw / names[0]).read_bytes()
    server.say(f"/{names[0]}", give(whole))
    (raw / names[0]).write_bytes(whole[:1000])
    with pytest.raises(RuntimeError, match="damaged"):
        MNIST(tmp_path)
    assert len(MNIST(tmp_path, download=True)) == 12
    assert [path for path, _ in server.asked] == [f"/{names[0]}"]


def test_download_of_something_else(server, tmp_path, monkeypatch):
    name = MNIST.resources[0][0]
    server.say(f"/{name}", give(b"<html>404</html>"))
    monkeypatch.setattr(MNIST, "mirrors", [f"{server.url}/"])
    with pytest.raises(RuntimeError, match=f"Error downloading {name}: invalid hash value"):
        MNIST(tmp_path, download=True)
    assert os.listdir(tmp_path / "MNIST" / "raw") == []


def test_emnist_download(server, tmp_path, monkeypatch):
    made = (
        tiny.emnist(tmp_path / "made", {"digits": 10}, zipped=True) / "EMNIST" / "raw" / "gzip.zip"
    )
    server.say("/gzip.zip", give(made.read_bytes()))
    monkeypatch.setattr(EMNIST, "mirrors", [f"{server.url}/nothing.zip", f"{server.url}/gzip.zip"])
    monkeypatch.setattr(EMNIST, "url", f"{server.url}/nothing.zip")
    monkeypatch.setattr(EMNIST, "md5", tiny.md5(made))
    data = EMNIST(tmp_path, "digits", train=False, download=True)
    assert (data.data.numpy() == tiny.pixels(6, 28, 28, seed=1)).all()
    assert os.listdir(data.raw_folder) == ["gzip.zip"]


def test_emnist_has_the_classes_of_its_split(tmp_path):
    counts = {
        "byclass": 62,
        "bymerge": 47,
        "balanced": 47,
        "letters": 27,
        "digits": 10,
        "mnist": 10,
    }
    tiny.emnist(tmp_path, counts)
    for split, count in counts.items():
        data = EMNIST(tmp_path, split)
        assert len(data.classes) == len(data.class_to_idx) == count
        assert 0 <= data.targets.min() and data.targets.max() < count
    assert EMNIST(tmp_path, "letters").targets.min() >= 1


def test_qmnist_download(server, tmp_path, monkeypatch):
    made = tiny.qmnist(tmp_path / "made", "nist", ending=".xz") / "QMNIST" / "raw"
    files = sorted(made.iterdir(), key=lambda path: "labels" in path.name)
    entries = [(server.say(f"/{p.name}", give(p.read_bytes())), tiny.md5(p)) for p in files]
    monkeypatch.setitem(QMNIST.resources, "nist", entries)
    data = QMNIST(tmp_path, "nist", compat=False, download=True)
    assert data.data.shape == (12, 28, 28)
    assert data[0][1].shape == (8,) and data[0][1].dtype is torch.int64
    assert repr(data).splitlines()[-1] == "    Split: nist"


# ---- errors


def test_not_there(tmp_path):
    with pytest.raises(RuntimeError, match="You can use download=True to download it") as told:
        MNIST(tmp_path)
    assert str(tmp_path / "MNIST" / "raw") in str(told.value)
    assert all(name in str(told.value) for name, _ in MNIST.resources)
    with pytest.raises(RuntimeError, match="gzip.zip into"):
        EMNIST(tmp_path, "letters")
    with pytest.raises(RuntimeError, match="qmnist-test-images-idx3-ubyte.gz, qmnist-test-labels"):
        QMNIST(tmp_path, train=False)


def test_one_file_is_missing(tmp_path):
    raw = tiny.mnist(tmp_path) / "MNIST" / "raw"
    (raw / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(RuntimeError, match="Dataset not found"):
        MNIST(tmp_path)


@pytest.mark.parametrize(
    "content, problem",
    [
        (
            tiny.idx(tiny.pixels(12, 28)),
            r"bytes in 3 dimensions, but it has uint8 of shape \(12, 28\)",
        ),
        (
            tiny.idx(tiny.pixels(12, 2, 2), ">i4"),
            "expected bytes in 3 dimensions, but it has int32",
        ),
        (tiny.idx(tiny.pixels(11, 28, 28)), "it has 12 labels, but .* 11 images"),
        (tiny.idx(tiny.pixels(12, 28, 28))[:-5], "would have 9408 bytes"),
    ],
)
def test_damaged_images(content, problem, tmp_path):
    raw = tiny.mnist(tmp_path) / "MNIST" / "raw"
    (raw / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(RuntimeError, match=problem) as told:
        MNIST(tmp_path)
    assert str(raw) in str(told.value)


def test_label_out_of_range(tmp_path):
    raw = tiny.mnist(tmp_path) / "MNIST" / "raw"
    path = raw / "train-labels-idx1-ubyte"
    path.write_bytes(tiny.idx(np.array([1, 2, 3, 10] * 3)))
    with pytest.raises(
        RuntimeError, match="the label of sample 3 is 10, but there are 10 classes"
    ) as t:
        MNIST(tmp_path)
    assert str(path) in str(t.value)


def test_a_dataset_of_ones_own_has_its_own_classes(tmp_path):
    class Letters(MNIST):
        classes = [chr(97 + i) for i in range(26)]

    tiny.mnist(tmp_path, "Letters", classes=26)
    data = Letters(tmp_path)
    assert data.targets.max() > 9
    assert data.class_to_idx["z"] == 25


def test_qmnist_with_wrong_labels(tmp_path):
    raw = tiny.qmnist(tmp_path) / "QMNIST" / "raw"
    path = raw / "qmnist-train-labels-idx2-int"
    path.write_bytes(tiny.idx(tiny.labels(12)))
    with pytest.raises(RuntimeError, match="expected rows of 4-byte ints, but it has uint8"):
        QMNIST(tmp_path)
    path.write_bytes(tiny.idx(tiny.pixels(11, 8), ">i4"))
    with pytest.raises(RuntimeError, match="it has 11 rows, but .* 12 images"):
        QMNIST(tmp_path)
    path.write_bytes(tiny.idx(np.full((12, 8), 10), ">i4"))
    with pytest.raises(RuntimeError, match="the label of sample 0 is 10"):
        QMNIST(tmp_path)


def test_damaged_zip(tmp_path):
    path = tiny.emnist(tmp_path, {"letters": 27}, zipped=True) / "EMNIST" / "raw" / "gzip.zip"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RuntimeError, match="gzip.zip is damaged"):
        EMNIST(tmp_path, "letters")


def test_old_names_warn(tmp_path):
    data = MNIST(tiny.mnist(tmp_path))
    with pytest.warns(UserWarning, match="train_labels has been renamed targets"):
        assert data.train_labels is data.targets


def test_functions_that_read_files(tmp_path):
    raw = tiny.mnist(tmp_path, ending=".gz") / "MNIST" / "raw"
    images = read_image_file(raw / "train-images-idx3-ubyte.gz")
    assert images.shape == (12, 28, 28) and images.dtype is torch.uint8
    assert read_label_file(raw / "train-labels-idx1-ubyte.gz").dtype is torch.int64
    (raw / "any.gz").write_bytes(gzip.compress(tiny.idx(np.arange(4.0), ">f8")))
    any_type = read_sn3_pascalvincent_tensor(raw / "any.gz")
    assert any_type.dtype is torch.float64 and any_type.tolist() == [0, 1, 2, 3]
