"""The digits of the package."""

import zlib

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision.datasets import Digits, digits


def test_they_are_those_of_scikit_learn():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    known, data = sklearn_datasets.load_digits(), Digits()
    assert (data.data.numpy() == known.images).all()
    assert (data.targets.numpy() == known.target).all()


def test_parts():
    whole, train, test = Digits(), Digits("data", train=True, download=True), Digits(train=False)
    assert (len(whole), len(train), len(test)) == (1797, 1437, 360)
    assert torch.equal(whole.data, torch.cat([train.data, test.data]))
    assert torch.equal(whole.targets, torch.cat([train.targets, test.targets]))
    assert whole.data.dtype is torch.uint8 and whole.targets.dtype is torch.int64
    assert repr(test).splitlines()[-1] == "    Split: Test"


def test_samples():
    data = Digits(target_transform=lambda label: data.classes[label])
    image, label = data[10]
    assert image.mode == "L" and image.size == (8, 8) and label == "0"
    ink = data.data.numpy()[10].astype(int)
    assert (np.asarray(image) == ink * 255 // 16).all()
    assert np.asarray(image).max() > 230
    with pytest.raises(IndexError, match="index 1797 is out of range for Digits of 1797"):
        data[1797]
    assert data.class_to_idx["7"] == 7


def test_writing_into_one_does_not_reach_another():
    one, other = Digits(), Digits()
    one.data.zero_()
    assert other.data.sum() > 0


def test_a_damaged_package(tmp_path, monkeypatch):
    path = tmp_path / "digits"
    path.write_bytes(zlib.compress(b"123"))
    monkeypatch.setattr(digits, "FILE", str(path))
    with pytest.raises(RuntimeError, match="it has 3 bytes"):
        Digits()
