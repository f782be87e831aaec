"""The digits example, run as its users run it."""

import gzip
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits.py"
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def run(cwd, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(EXAMPLE), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path):
    """MNIST's four files in small: 1280 and 32 images, each a bar at the place of its digit."""
    directory = tmp_path / "data"
    directory.mkdir()
    for part, count in (("train", 1280), ("t10k", 32)):
        labels = np.arange(count) % 10
        images = np.zeros((count, 28, 28))
        images[np.arange(count), :, labels * 2 + 3] = 255
        (directory / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (directory / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return directory


def test_it_learns_the_digits_and_shows_them(tmp_path):
    done = run(tmp_path, "--losses", 3, "--out", "result")
    assert done.returncode == 0, done.stderr
    assert "1437 digits to learn from, 360 held out" in done.stdout
    assert len(re.findall(r"^step  \d  loss \d\.\d{6}$", done.stdout, re.M)) == 3
    assert len(re.findall(r"^epoch .* accuracy \d+\.\d+%$", done.stdout, re.M)) == 15
    reloaded = re.search(r"loaded again: accuracy (\S+)%", done.stdout)
    assert float(reloaded[1]) > 98
    rows = re.findall(r"^  \d ((?: +(?:\d+|\.)){10})$", done.stdout, re.M)
    counts = [[int(cell.replace(".", "0")) for cell in row.split()] for row in rows]
    assert np.shape(counts) == (10, 10)
    assert np.sum(counts) == 360
    assert np.trace(counts) / 360 == pytest.approx(float(reloaded[1]) / 100, abs=1e-4)
    assert (tmp_path / "result" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "result" / "model.pt").read_bytes().startswith(b"PK")
    assert "epoch 15/15" in done.stderr  # the progress bar


def test_the_same_seed_gives_the_same_run(tmp_path):
    first, second, other = (
        run(tmp_path, "--epochs", 1, "--limit", 200, "--losses", 4, "--seed", seed).stdout
        for seed in (1, 1, 2)
    )
    pattern = re.compile(r"^step.*$", re.M)
    assert len(pattern.findall(first)) == 4
    assert pattern.findall(first) == pattern.findall(second)
    assert pattern.findall(first) != pattern.findall(other)


@pytest.mark.parametrize(("place", "packed"), [(".", False), ("MNIST/raw", True), ("raw", False)])
def test_it_reads_idx_files(tmp_path, mnist, place, packed):
    directory = tmp_path / "root" / place
    directory.mkdir(parents=True)
    pack, suffix = (gzip.compress, ".gz") if packed else (bytes, "")
    for name in FILES:
        (directory / f"{name}{suffix}").write_bytes(pack((mnist / name).read_bytes()))
    before = sorted((tmp_path / "root").rglob("*"))
    done = run(tmp_path, "--data", tmp_path / "root", "--epochs", 1, "--limit", 20)
    assert done.returncode == 0, done.stderr
    assert "LeNet: 20 digits to learn from, 20 held out" in done.stdout
    assert sorted((tmp_path / "root").rglob("*")) == before


def test_lenet_learns(tmp_path, mnist):
    done = run(tmp_path, "--data", mnist)
    assert re.search(r"loaded again: accuracy (\S+)%", done.stdout)[1] == "100.00"


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named_with_the_places(tmp_path, mnist, missing):
    (mnist / missing).unlink()
    done = run(tmp_path, "--data", mnist)
    assert done.returncode == 1
    assert done.stderr == (
        f"{missing} (or {missing}.gz) is not in any of: {mnist}, {mnist}/MNIST/raw, {mnist}/raw; "
        "download MNIST's four IDX files and give their directory to --data\n"
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "begins with nothing instead of 00 00 08 03"),
        (lambda content: content[:9], "but it has 9"),
        (lambda content: b"<html>" + content, "begins with 3c 68 74 6d instead of 00 00 08 03"),
        (lambda content: content[:-5], "it would have 1003536 bytes, but it has 1003531"),
    ],
)
def test_a_damaged_file_is_named_with_the_fault(tmp_path, mnist, damage, message):
    path = mnist / FILES[0]
    path.write_bytes(damage(path.read_bytes()))
    done = run(tmp_path, "--data", mnist)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{path} is ")
    assert message in done.stderr
    assert done.stderr.endswith("download it again\n")


@pytest.mark.parametrize("keep", [10, -8], ids=["the header alone", "without the end"])
def test_a_damaged_gzip_file_is_named(tmp_path, mnist, keep):
    plain = mnist / FILES[1]
    packed = mnist / f"{FILES[1]}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes())[:keep])
    plain.unlink()
    done = run(tmp_path, "--data", mnist)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{packed} cannot be read (")
    assert done.stderr.endswith("download it again\n")


def test_a_page_that_calls_itself_gzip_is_named(tmp_path, mnist):
    (mnist / FILES[0]).rename(mnist / f"{FILES[0]}.gz")
    done = run(tmp_path, "--data", mnist)
    assert done.returncode == 1
    assert f"{FILES[0]}.gz cannot be read (Not a gzipped file" in done.stderr


@pytest.mark.parametrize(
    ("name", "array"),
    [
        (FILES[1], np.zeros(1279)),
        (FILES[1], np.full(1280, 10)),
        (FILES[0], np.zeros((1280, 27, 28))),
    ],
    ids=["one label too few", "a label of 10", "smaller images"],
)
def test_files_that_are_not_mnist_are_refused(tmp_path, mnist, name, array):
    (mnist / name).write_bytes(idx(array))
    done = run(tmp_path, "--data", mnist)
    assert done.returncode == 1
    assert done.stderr.startswith(f"the files in {mnist} are not MNIST's: ")


@pytest.mark.parametrize("option", ["--epochs", "--limit"])
def test_counts_start_at_one(tmp_path, option):
    done = run(tmp_path, option, 0)
    assert done.returncode == 2
    assert f"{option} must be at least 1, not 0" in done.stderr
