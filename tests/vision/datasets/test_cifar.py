"""CIFAR: its files and its archive; and pickles that would run something."""

import os
import pickle

import numpy as np
import pytest

from rushlight.utils import download
from rushlight.vision.datasets import CIFAR10, CIFAR100, pickles

from ...utils.rude_server import RudeServer, give
from . import tiny


@pytest.fixture(params=[CIFAR10, CIFAR100])
def dataset(request, tmp_path, monkeypatch):
    """The class with the sums of the tiny files in ``tmp_path``."""
    tiny.cifar(tmp_path, request.param)
    for name, value in tiny.cifar_sums(tmp_path, request.param).items():
        monkeypatch.setattr(request.param, name, value)
    return request.param


def test_samples(dataset, tmp_path):
    data = dataset(tmp_path)
    count = 4 * len(dataset.train_list)
    assert len(data) == len(data.targets) == count
    assert data.data.shape == (count, 32, 32, 3) and data.data.dtype == np.uint8
    image, label = data[-1]
    assert image.mode == "RGB" and type(label) is int
    seed = len(dataset.train_list) - 1
    last = tiny.pixels(4, 3072, seed=seed)[3].reshape(3, 32, 32).transpose(1, 2, 0)
    assert (np.asarray(image) == last).all()
    assert data.class_to_idx["class 3"] == 3
    assert len(dataset(tmp_path, train=False)) == 4
    with pytest.raises(IndexError, match=f"index {count} is out of range for {dataset.__name__}"):
        data[count]


def archived(dataset, folder):
    archive = tiny.tar(folder / dataset.filename, folder, dataset.base_folder)
    for path in (folder / dataset.base_folder).iterdir():
        path.unlink()
    (folder / dataset.base_folder).rmdir()
    return archive


def test_the_archive_is_read_as_it_is(dataset, tmp_path, monkeypatch):
    whole = dataset(tmp_path)
    monkeypatch.setattr(dataset, "tgz_md5", tiny.md5(archived(dataset, tmp_path)))
    read = dataset(tmp_path)
    assert os.listdir(tmp_path) == [dataset.filename]
    assert (read.data == whole.data).all()
    assert read.targets == whole.targets and read.classes == whole.classes


def test_download(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    archive = archived(dataset, tmp_path)
    monkeypatch.setattr(dataset, "tgz_md5", tiny.md5(archive))
    with RudeServer() as server:
        url = server.say("/good.tar.gz", give(archive.read_bytes()))
        monkeypatch.setattr(dataset, "url", f"{server.url}/nothing")
        monkeypatch.setattr(dataset, "mirrors", [f"{server.url}/nothing", url])
        for _ in range(2):
            assert len(dataset(tmp_path / "new", download=True, train=False)) == 4
    assert len(server.asked) == 2
    assert sorted(os.listdir(tmp_path / "new")) == sorted([dataset.base_folder, dataset.filename])


def test_not_there(dataset, tmp_path):
    with pytest.raises(
        RuntimeError, match="not found or corrupted. You can use download=True"
    ) as told:
        dataset(tmp_path / "nowhere")
    assert dataset.filename in str(told.value) and str(tmp_path / "nowhere") in str(told.value)
    path = tmp_path / dataset.base_folder / dataset.test_list[0][0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        dataset(tmp_path)


BROKEN = {
    "no data": ({"labels": [0]}, "expected 3072 bytes"),
    "short rows": ({"data": np.zeros((1, 5), np.uint8), "labels": [0]}, r"uint8 of shape \(1, 5\)"),
    "floats": ({"data": np.zeros((1, 3072)), "labels": [0]}, "expected 3072 bytes"),
    "fewer labels": ({"data": np.zeros((2, 3072), np.uint8), "labels": [0]}, "each of 1 labels"),
    "no labels": ({"data": np.zeros((2, 3072), np.uint8)}, "a list of int under 'fine_labels'"),
    "a class too many": (
        {"data": np.zeros((2, 3072), np.uint8), "labels": [9, 10]},
        "the label of sample 1 is 10, but there are 10 classes",
    ),
    "text": ({"data": np.zeros((1, 3072), np.uint8), "labels": ["0"]}, "a list of int"),
}


@pytest.mark.parametrize("fields, problem", BROKEN.values(), ids=list(BROKEN))
def test_wrong_content(fields, problem, tmp_path, monkeypatch):
    tiny.cifar(tmp_path, CIFAR10)
    path = tmp_path / CIFAR10.base_folder / "test_batch"
    path.write_bytes(pickle.dumps(fields, protocol=2))
    for name, value in tiny.cifar_sums(tmp_path, CIFAR10).items():
        monkeypatch.setattr(CIFAR10, name, value)
    with pytest.raises(RuntimeError, match=problem) as told:
        CIFAR10(tmp_path, train=False)
    assert str(path) in str(told.value)


# ---- pickles


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    "value",
    [
        Hostile(os.mkdir, "made-by-a-pickle"),
        Hostile(eval, "1"),
        Hostile(getattr, "x", "upper"),
        np.array([Hostile(os.mkdir, "made-by-a-pickle")], object),
        np.dtype("O"),
        os.getcwd,
    ],
    ids=["mkdir", "eval", "getattr", "objects", "dtype", "function"],
)
def test_nothing_is_run(value, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="the/file asks for .*; nothing of it was run"):
        pickles.read("the/file", pickle.dumps({"data": value}, protocol))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i4", "f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(dtype, order):
    array = np.arange(6).reshape(2, 3).astype(dtype, order=order)
    for content in (tiny.python2_pickle(x=array), pickle.dumps({"x": array}, 2)):
        found = pickles.read("file", content)["x"]
        assert found.dtype == array.dtype and (found == array).all()
        assert found.flags.writeable


def test_texts():
    content = tiny.python2_pickle(names=[b"caf\xe9"], text=b"abc", number=3)
    assert pickles.read("file", content) == {"names": ["café"], "text": "abc", "number": 3}


WHOLE = tiny.python2_pickle(data=np.arange(6), labels=[1, 2])


def test_damaged_pickles():
    for content in (*(WHOLE[:i] for i in range(len(WHOLE))), b"<html>", pickle.dumps([1])):
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match="file"):
            pickles.read("file", content)


def test_every_flipped_byte_is_an_error_or_a_dict():
    for i in range(len(WHOLE)):
        for bit in (1, 128):
            content = WHOLE[:i] + bytes([WHOLE[i] ^ bit]) + WHOLE[i + 1 :]
            try:
                assert isinstance(pickles.read("file", content), dict)
            except (RuntimeError, pickle.UnpicklingError) as error:
                assert "file" in str(error)


def test_an_array_whose_shape_lies():
    lying = WHOLE.replace(b"K\x06\x85", b"K\x07\x85")
    assert lying != WHOLE
    with pytest.raises(RuntimeError, match="an array of shape"):
        pickles.read("file", lying)
