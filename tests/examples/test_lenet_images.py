"""The example with image files in folders, run as its users run it."""

import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rushlight

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lenet_images.py"


def run(cwd, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(EXAMPLE), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A run of six epochs on the embedded digits: what it printed, and the folder it wrote."""
    folder = tmp_path_factory.mktemp("digits")
    done = run(folder, "--epochs", 6, "--every", 10, "--out", "result")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout, folder / "result"


@pytest.fixture
def colours(tmp_path):
    """A folder of images in two classes: red and blue, of several sizes and file types."""
    images = tmp_path / "colours"
    files = {"train": 24, "valid": 4, "test": 4}
    for split, count in files.items():
        for name, colour in (("red sky", (200, 20, 30)), ("sea", (10, 30, 220))):
            folder = images / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                suffix = (".png", ".jpg", ".JPEG", ".bmp")[i % 4]
                Image.new("RGB", (20 + i, 30), colour).save(folder / f"{i}{suffix}")
            (folder / "notes.txt").write_text("not an image")
    return images


def mnist(folder, count):
    """MNIST's files in small: each image is a bar at the place of its digit."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    labels = np.arange(count) % 10
    images = np.zeros((count, 28, 28))
    images[np.arange(count), :, labels * 2 + 3] = 255
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        for part in ("train", "t10k"):
            (raw / f"{part}-{name}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())


def epochs(text):
    pattern = (
        r"^epoch (\d+)/\d+  train loss ([\d.]+)  accuracy ([\d.]+)%  "
        r"valid loss ([\d.]+)  accuracy ([\d.]+)%  rate ([\d.]+)(  best so far)?$"
    )
    return re.findall(pattern, text, re.M)


def test_it_writes_images_and_an_index_of_them(digits):
    _, folder = digits
    paths = {}
    for split, expected in (("train", 1439), ("valid", 179), ("test", 179)):
        lines = (folder / f"{split}.txt").read_text().splitlines()
        paths[split] = {line.split()[0] for line in lines}
        assert len(lines) == len(paths[split]) == expected
        assert {line.split()[1] for line in lines} == set("0123456789")
        assert all(line.split("/")[-2] == line.split()[1] for line in lines)
        assert all((folder.parent / path).is_file() for path in paths[split])
    names = [Path(path).name for split in paths for path in paths[split]]
    assert len(set(names)) == 1797  # no image is in two of them


def test_it_learns_and_keeps_the_best(digits):
    text, folder = digits
    rows = epochs(text)
    assert [row[0] for row in rows] == ["001", "002", "003", "004", "005", "006"]
    assert [row[5] for row in rows] == ["0.01", "0.01", "0.003", "0.003", "0.0009", "0.0009"]
    accuracies = [float(row[4]) for row in rows]
    best = accuracies.index(max(accuracies)) + 1
    assert [row[6] for row in rows][best - 1] == "  best so far"
    assert f"the best network is that of epoch {best} (result/best.pt)" in text
    kept = rushlight.load(folder / "best.pt")
    assert kept["epoch"] == best
    assert kept["model"]["conv1.weight"].shape == (6, 3, 5, 5)
    assert float(rows[0][1]) > 2
    assert max(accuracies) > 80


def test_it_prints_losses_classes_and_the_test(digits):
    text, folder = digits
    assert "images in result/digits-0: 10 classes, 1439 to train, 179 to valid, 179 to test" in text
    assert "(fc3): Linear(in_features=84, out_features=10, bias=True)" in text
    steps = re.findall(r"^epoch 002/006  step (\d+)/090  loss \d\.\d{4}$", text, re.M)
    assert steps == [f"{step:03}" for step in range(10, 91, 10)]
    pattern = r"^class (\d) +images +(\d+)  right +(\d+)  precision +\S+%  recall +\S+%$"
    classes = re.findall(pattern, text, re.M)
    assert [name for name, _, _ in classes] == list("0123456789")
    assert sum(int(images) for _, images, _ in classes) == 179
    right = sum(int(right) for _, _, right in classes)
    tested = float(re.search(r"^test loss \S+  accuracy (\S+)%$", text, re.M)[1])
    assert tested == pytest.approx(100 * right / 179, abs=0.01)
    assert tested > 75


def test_it_draws_pictures(digits):
    _, folder = digits
    for name, size in (("curves.png", (1300, 400)), ("confusion.png", (600, 600))):
        with Image.open(folder / name) as picture:
            assert picture.size == size


def test_no_image_of_another_run_is_taken(tmp_path):
    indices = []
    for seed in (0, 1, 0):
        done = run(tmp_path, "--seed", seed, "--epochs", 1)
        assert "1439 to train, 179 to valid, 179 to test" in done.stdout
        indices.append((tmp_path / "lenet-out" / "valid.txt").read_text())
    assert indices[0] == indices[2] != indices[1]


def test_the_same_seed_gives_the_same_run(tmp_path):
    first, second, other = (
        run(tmp_path, "--epochs", 1, "--every", 9, "--seed", seed, "--out", f"out{i}").stdout
        for i, seed in enumerate((1, 1, 2))
    )
    pattern = re.compile(r"loss \S+")
    assert len(pattern.findall(first)) == 13
    assert pattern.findall(first) == pattern.findall(second)
    assert pattern.findall(first) != pattern.findall(other)


def test_it_takes_mnist(tmp_path):
    mnist(tmp_path, 400)
    done = run(tmp_path, "--data", tmp_path, "--count", 300, "--epochs", 4)
    assert done.returncode == 0, done.stderr
    assert "10 classes, 240 to train, 30 to valid, 30 to test" in done.stdout
    files = sorted((tmp_path / "lenet-out" / "mnist-300-0").rglob("*.png"))
    assert len(files) == 300
    with Image.open(files[0]) as image:
        assert image.size == (28, 28)


def test_it_takes_folders_of_ones_own_and_reads_them_in_processes(tmp_path, colours):
    done = run(tmp_path, "--images", colours, "--epochs", 3, "--workers", 2, "--every", 1)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "2 classes, 48 to train, 8 to valid, 8 to test" in done.stdout
    assert re.search(r"^class red sky +images    4  right    4 ", done.stdout, re.M)
    assert re.search(r"^test loss \S+  accuracy 100.00%$", done.stdout, re.M)


def test_a_missing_folder_is_named(tmp_path, colours):
    (colours / "valid").rename(colours / "check")
    done = run(tmp_path, "--images", colours)
    assert done.returncode == 1
    assert done.stderr == (
        f"there is no folder {colours}/valid; it should hold a folder per class\n"
    )


def test_a_folder_without_images_is_named(tmp_path, colours):
    for file in (colours / "test").rglob("*.*"):
        file.unlink()
    done = run(tmp_path, "--images", colours)
    assert done.returncode == 1
    assert done.stderr == (f"no class of {colours}/test has images (.png, .jpg, .jpeg, .bmp)\n")


def test_missing_mnist_files_are_said_with_the_place(tmp_path):
    done = run(tmp_path, "--data", tmp_path / "nowhere")
    assert done.returncode == 1
    assert f"MNIST's files have to lie in {tmp_path}/nowhere/MNIST/raw" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [("--epochs", 0, 1), ("--batch-size", 0, 1), ("--every", -1, 1), ("--count", 99, 100)],
)
def test_numbers_have_a_least_value(tmp_path, option, value, least):
    done = run(tmp_path, option, value)
    assert done.returncode == 2
    assert f"{option} must be at least {least}" in done.stderr
