"""What goes wrong with data, as a newcomer meets it: each error says where it is and what to do."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from PIL import Image, UnidentifiedImageError

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.utils import download
from rushlight.utils.data import DataLoader, Dataset
from rushlight.vision import datasets, io, transforms

from ..utils.rude_server import RudeServer, give, hang_up
from .datasets import tiny

CURE = "replace it or take it out of the dataset"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with RudeServer() as server:
        yield server


@pytest.fixture
def cats_and_dogs(tmp_path):
    """Eight photographs in two classes; the tests spoil ``dog/1.jpg``, which is sample 5."""
    for i in range(8):
        path = tmp_path / ("cat", "dog")[i // 4] / f"{i % 4}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(tiny.pixels(40, 30, 3, seed=i)).save(path)
    return datasets.ImageFolder(tmp_path, transforms.ToTensor())


class Photographs(Dataset):
    """A dataset of one's own, as the tutorials write it."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        with Image.open(self.paths[i]) as image:
            return transforms.ToTensor()(image.convert("RGB"))


class MixedSizes(Dataset):
    """Photographs that nobody resized."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return torch.zeros(3, 30 + i // 3, 40), i


def spoiled(dataset, length=None, content=None):
    path = dataset.samples[5][0]
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(whole[:length] if content is None else content)
    return path, whole


def read_all(dataset, workers):
    return list(DataLoader(dataset, batch_size=4, num_workers=workers))


def failure(dataset, workers, kind):
    """The error at reading all of a dataset, and everything that its user sees of it."""
    with pytest.raises(kind) as told:
        read_all(dataset, workers)
    return told.value, "\n".join([str(told.value), *getattr(told.value, "__notes__", ())])


# ---- an image that is damaged, or cannot be read


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("length", [10, 300, -200])
def test_a_photograph_that_was_not_copied_as_a_whole(cats_and_dogs, length, workers):
    path, whole = spoiled(cats_and_dogs, length)
    error, text = failure(cats_and_dogs, workers, OSError)
    assert path in str(error)
    assert CURE in str(error)
    assert "sample 5 of ImageFolder" in text
    spoiled(cats_and_dogs, content=whole)
    assert len(read_all(cats_and_dogs, workers)) == 2


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>"])
def test_a_page_that_was_saved_as_a_photograph(cats_and_dogs, content, workers):
    path, _ = spoiled(cats_and_dogs, content=content)
    error, text = failure(cats_and_dogs, workers, UnidentifiedImageError)
    assert path in str(error)
    assert CURE in str(error)
    assert "sample 5 of ImageFolder" in text


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_is_gone(cats_and_dogs, workers):
    path = cats_and_dogs.samples[5][0]
    os.remove(path)
    error, text = failure(cats_and_dogs, workers, FileNotFoundError)
    assert path in str(error)
    assert "sample 5 of ImageFolder cannot be read" in text


@pytest.mark.parametrize("workers", [0, 2])
def test_a_link_to_nowhere(cats_and_dogs, workers):
    path = cats_and_dogs.samples[5][0]
    os.remove(path)
    os.symlink("/nowhere/1.jpg", path)
    again = datasets.ImageFolder(cats_and_dogs.root, transforms.ToTensor())
    error, text = failure(again, workers, FileNotFoundError)
    assert path in str(error)
    assert "sample 5 of ImageFolder cannot be read" in text


@pytest.mark.parametrize("workers", [0, 2])
def test_a_dataset_of_ones_own(cats_and_dogs, workers):
    spoiled(cats_and_dogs, -200)
    paths = [path for path, _ in cats_and_dogs.samples]
    _, text = failure(Photographs(paths), workers, OSError)
    assert "image file is truncated" in text
    assert "while sample 5 of Photographs was read" in text


@pytest.mark.parametrize("workers", [0, 2])
def test_photographs_of_several_sizes(workers):
    error, text = failure(MixedSizes(), workers, RuntimeError)
    assert "expects each tensor to be equal size" in str(error)
    assert "[3, 30, 40] at entry 0 and [3, 31, 40] at entry 3" in str(error)
    assert "make the shapes equal in the dataset (crop, resize, pad)" in str(error)
    assert "while the samples [0, 1, 2, 3] of the dataset were made into a batch" in text


def test_a_worker_tells_its_own_traceback(cats_and_dogs):
    path, _ = spoiled(cats_and_dogs, 300)
    error, _ = failure(cats_and_dogs, 2, OSError)
    lines = str(error).splitlines()
    assert lines[0] == "Caught OSError in DataLoader worker process 1."
    assert lines[1] == "Original Traceback (most recent call last):"
    assert any(line.endswith(", in pil_loader") for line in lines)
    assert any(line.endswith(", in __getitem__") for line in lines)
    said = [line for line in lines if line.startswith("OSError: sample 5 of ImageFolder: ")]
    assert len(said) == 1
    assert path in said[0] and said[0].endswith(CURE)


def test_read_image_names_the_file(cats_and_dogs):
    path, _ = spoiled(cats_and_dogs, 300)
    with pytest.raises(
        RuntimeError, match="check that it is one and was copied as a whole"
    ) as told:
        io.read_image(path)
    assert path in str(told.value)
    os.remove(path)
    with pytest.raises(RuntimeError, match="No such file or directory") as told:
        io.read_image(path)
    assert path in str(told.value) and "check the path" in str(told.value)


# ---- a dataset that is not there


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("MNIST", "MNIST/raw"),
        ("FashionMNIST", "FashionMNIST/raw"),
        ("KMNIST", "KMNIST/raw"),
        ("QMNIST", "QMNIST/raw"),
        ("CIFAR10", ""),
        ("CIFAR100", ""),
        ("SVHN", ""),
        ("STL10", ""),
        ("VOCDetection", ""),
    ],
)
def test_a_missing_dataset(tmp_path, name, where):
    with pytest.raises(RuntimeError) as told:
        getattr(datasets, name)(tmp_path / "data")
    text = str(told.value)
    assert text.startswith("Dataset not found or corrupted. You can use download=True")
    assert text.endswith(f" into {os.path.join(tmp_path, 'data', where).rstrip('/')}")
    assert not (tmp_path / "data").exists()


def test_a_missing_dataset_that_cannot_be_downloaded(tmp_path):
    with pytest.raises(RuntimeError, match="image-net.org.*place it in") as told:
        datasets.ImageNet(tmp_path / "data")
    assert str(tmp_path / "data") in str(told.value)


def test_a_missing_folder_of_images(tmp_path):
    with pytest.raises(FileNotFoundError, match="one folder of images for each class") as told:
        datasets.ImageFolder(tmp_path / "train")
    assert told.value.filename == str(tmp_path / "train")


def test_the_folder_of_a_class_instead_of_that_above(cats_and_dogs):
    inside = os.path.join(cats_and_dogs.root, "cat")
    with pytest.raises(FileNotFoundError, match="into a folder of its own there") as told:
        datasets.ImageFolder(inside)
    assert inside in str(told.value)


# ---- a label out of range


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (F.cross_entropy, "target 2 at position 0 is out of bounds for 2 classes"),
        (F.nll_loss, r"the label at \[0\] is 2, but there are classes 0 to 1; check the labels"),
    ],
)
def test_labels_that_begin_at_one(cats_and_dogs, criterion, message, workers):
    cats_and_dogs.target_transform = (1).__add__
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 40 * 30, 2))
    cats, dogs = read_all(cats_and_dogs, workers)
    assert criterion(model(cats[0]), cats[1]).isfinite()
    with pytest.raises(IndexError, match=message):
        criterion(model(dogs[0]), dogs[1])


@pytest.mark.parametrize(("label", "place"), [(10, 2), (-1, 0), (255, 3)])
def test_the_label_and_its_place_are_named(label, place):
    labels = torch.zeros(4, dtype=torch.int64)
    labels[place] = label
    with pytest.raises(IndexError) as told:
        F.cross_entropy(torch.zeros(4, 10), labels)
    assert f"target {label} at position {place} is out of bounds for 10 classes" in str(told.value)
    assert "targets must lie in 0 to 9, or be ignore_index (-100)" in str(told.value)
    with pytest.raises(IndexError) as told:
        F.nll_loss(torch.zeros(4, 10), labels)
    assert f"the label at [{place}] is {label}, but there are classes 0 to 9" in str(told.value)


def test_a_label_of_a_pixel_out_of_range():
    labels = torch.zeros(2, 3, 3, dtype=torch.int64)
    labels[1, 0, 2] = 21
    with pytest.raises(IndexError, match=r"target 21 at position \(1, 0, 2\)"):
        F.cross_entropy(torch.zeros(2, 21, 3, 3), labels)


# ---- a download that breaks off


@pytest.fixture
def mirror(server, tmp_path, monkeypatch):
    """MNIST's files behind a server that has everything but the whole of the first one."""
    made = tiny.mnist(tmp_path / "made", n=300, ending=".gz") / "MNIST" / "raw"
    names = [name for name, _ in datasets.MNIST.resources]
    for name in names:
        server.say(f"/{name}", give((made / name).read_bytes()))
    whole = (made / names[0]).read_bytes()
    server.say(f"/{names[0]}", give(whole, cut=len(whole) // 2), hang_up)
    resources = [(name, tiny.md5(made / name)) for name in names]
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{server.url}/"])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    return names[0], whole


def test_an_interrupted_download(server, mirror, tmp_path):
    name, whole = mirror
    with pytest.raises(RuntimeError, match=f"Error downloading {name}") as told:
        datasets.MNIST(tmp_path, download=True)
    assert f"{server.url}/{name}" in str(told.value)
    # The half of a file is not taken for the file.
    assert not (tmp_path / "MNIST" / "raw" / name).exists()
    with pytest.raises(RuntimeError, match=f"not found or corrupted.*download=True.*{name}"):
        datasets.MNIST(tmp_path)

    server.say(f"/{name}", give(whole))
    assert len(datasets.MNIST(tmp_path, download=True)) == 300
    assert server.asked[-4:][0] == (f"/{name}", f"bytes={len(whole) // 2}-")
    assert len(os.listdir(tmp_path / "MNIST" / "raw")) == 4


DOWNLOAD = """
import sys
from rushlight.vision.datasets import MNIST
MNIST.mirrors, MNIST.resources = [sys.argv[2]], [(sys.argv[3], sys.argv[4])]
MNIST(sys.argv[1], download=True)
"""


def test_a_program_that_is_killed_while_it_downloads(server, mirror, tmp_path):
    name, whole = mirror
    half_sent, killed = threading.Event(), threading.Event()

    def half(request):
        give(whole, cut=len(whole) // 2)(request)
        request.wfile.flush()
        half_sent.set()
        killed.wait(60)

    server.say(f"/{name}", half)
    arguments = (tmp_path, f"{server.url}/", name, dict(datasets.MNIST.resources)[name])
    program = subprocess.Popen([sys.executable, "-c", DOWNLOAD, *map(str, arguments)])
    assert half_sent.wait(60)
    program.send_signal(signal.SIGKILL)
    program.wait()
    killed.set()
    assert not (tmp_path / "MNIST" / "raw" / name).exists()
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.MNIST(tmp_path)
    server.say(f"/{name}", give(whole))
    assert len(datasets.MNIST(tmp_path, download=True)) == 300


def test_a_packed_file_that_breaks_off(tmp_path):
    root = tiny.mnist(tmp_path, n=300, ending=".gz")
    path = root / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RuntimeError, match="Delete it and download it again") as told:
        datasets.MNIST(root)
    assert str(path) in str(told.value)
