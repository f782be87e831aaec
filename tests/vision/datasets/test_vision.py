"""What all datasets share."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from rushlight.vision.datasets import StandardTransform, VisionDataset


class Numbers(VisionDataset):
    def __getitem__(self, index):
        return self.transforms(index, -index)

    def __len__(self):
        return 3

    def extra_repr(self):
        return "Split: all\nKind: numbers"


class Doubled:
    def __call__(self, x):
        return 2 * x

    def __repr__(self):
        return "Doubled(\n    2\n)"


def test_transforms_apart_and_together():
    apart = Numbers("x", transform=Doubled(), target_transform=str)
    assert apart[2] == (4, "-2")
    assert Numbers("x", lambda image, target: (target, image))[2] == (-2, 2)
    assert Numbers("x", transform=Doubled()).transforms.target_transform is None
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        Numbers("x", str, target_transform=str)


def test_repr():
    assert repr(Numbers("x", transform=Doubled(), target_transform=Doubled())).splitlines() == [
        "Dataset Numbers",
        "    Number of datapoints: 3",
        "    Root location: x",
        "    Split: all",
        "    Kind: numbers",
        "    StandardTransform",
        "Transform: Doubled(",
        "               2",
        "           )",
        "Target transform: Doubled(",
        "                      2",
        "                  )",
    ]
    assert repr(StandardTransform(None, None)) == "StandardTransform"


def test_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert Numbers("~/data").root == "/home/someone/data"
    assert Numbers(Path("~/data")).root == Path("/home/someone/data")


def test_subclass_must_say_what_it_holds():
    with pytest.raises(NotImplementedError, match="VisionDataset has to define __getitem__"):
        VisionDataset()[0]
    with pytest.raises(NotImplementedError, match="VisionDataset has to define __len__"):
        len(VisionDataset())


def test_a_dataset_can_be_pickled():
    assert pickle.loads(pickle.dumps(Numbers("x", transform=Doubled())))[1] == (2, -1)


def test_import_is_light():
    """Neither `rushlight` nor its datasets import Pillow."""
    text = (
        "import sys, rushlight; assert 'rushlight.vision' not in sys.modules; "
        "from rushlight.vision import datasets; assert 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", text], check=True)
