"""The image examples print the same under PyTorch with torchvision as under Rushlight."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .torchvision_reference import reference

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
# torchvision's import asks for two operators of its C++ part, which may be missing.
UNDER_PYTORCH = """
import runpy, sys
from tests.parity.torchvision_reference import reference
reference()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Threads of two frameworks that meet on few cores wait for each other.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "RUSHLIGHT_THREADS": "1"}


def printed(start, name, folder, *arguments):
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, *start, str(ROOT / "examples" / name), *map(str, arguments)],
        cwd=folder,
        env={**ENVIRONMENT, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def both(name, folder, *arguments):
    ours = printed(["-m", "rushlight", "run"], name, folder / "ours", *arguments)
    theirs = printed(["-c", UNDER_PYTORCH], name, folder / "theirs", *arguments)
    return ours, theirs


def losses(text):
    return [float(number) for number in re.findall(r"step .* loss ([\d.]+)", text)]


def test_lenet_on_image_files(tmp_path):
    reference()
    ours, theirs = both("lenet_images.py", tmp_path, "--epochs", 1, "--every", 5)
    # Then the network learns to tell the first digits apart, where rounding grows quickly: PyTorch
    # with one thread and with two part there, too.
    ours, theirs = (losses(text)[:10] for text in (ours, theirs))
    assert len(theirs) == 10
    assert ours == pytest.approx(theirs, rel=5e-4)
    for index in ("train.txt", "valid.txt", "test.txt"):
        own, other = (tmp_path / side / "lenet-out" / index for side in ("ours", "theirs"))
        assert own.read_text() == other.read_text()


def test_fine_tuning(tmp_path):
    pytest.importorskip("sklearn")
    ours, theirs = both("finetune.py", tmp_path, "--runs", 3)
    assert len(theirs.splitlines()) == 7
    assert ours == theirs
