"""How long is a pass over image files, from the disk to batches: JPEGs of 500x375 changed at random by two
worker processes, as for ImageNet, and MNIST with `ToTensor`?

The JPEGs hold noise with the spectrum of photographs. PyTorch's side uses torchvision; of that its Python part
is enough.
"""

import atexit
import importlib
import io
import os
import tempfile
import time
from pathlib import Path

import numpy as np

UNIT = "s"
FOLDER = "RUSHLIGHT_BENCHMARK_IMAGES"  # each pass runs in a process of its own, but all read the same files
WIDTH, HEIGHT = 500, 375
COUNT, DISTINCT, CLASSES = 2000, 100, 10

if FOLDER not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="rushlight-benchmark-")
    atexit.register(_folder.cleanup)
    os.environ[FOLDER] = _folder.name


def sample(framework, label):
    torch = importlib.import_module(framework)
    vision = vision_of(torch)
    torch.manual_seed(0)
    loader = PASSES[label](torch, vision, Path(os.environ[FOLDER]))
    start = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - start


def jpegs(torch, vision, folder):
    if not (folder / "jpegs").exists():
        write_jpegs(folder / "jpegs")
    transforms = vision.transforms
    changes = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    images = vision.datasets.ImageFolder(folder / "jpegs", changes)
    return torch.utils.data.DataLoader(images, 32, shuffle=True, num_workers=2)


def mnist(torch, vision, folder):
    if not (folder / "MNIST").exists():
        write_mnist(folder / "MNIST" / "raw")
    images = vision.datasets.MNIST(folder, transform=vision.transforms.ToTensor())
    return torch.utils.data.DataLoader(images, 64, shuffle=True)


PASSES = {"2,000 JPEGs, 2 workers, batch 32": jpegs, "MNIST with ToTensor, batch 64": mnist}
LABELS = tuple(PASSES)


def vision_of(torch):
    """Returns the framework's torchvision."""
    if torch.__name__ != "torch":
        return importlib.import_module(f"{torch.__name__}.vision")
    # torchvision's import asks for two operators of its C++ part, which these passes do not need.
    library = torch.library.Library("torchvision", "FRAGMENT")
    if not hasattr(torch.ops.torchvision, "nms"):
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torchvision = importlib.import_module("torchvision")
    torchvision.declared = library  # what a library declares lasts as long as it does
    return torchvision


def write_jpegs(folder):
    from PIL import Image

    random = np.random.default_rng(0)
    picture = natural_noise(random, 1200)
    files = []
    for _ in range(DISTINCT):
        top, left = random.integers(0, 1200 - HEIGHT), random.integers(0, 1200 - WIDTH)
        crop = Image.fromarray(picture[top : top + HEIGHT, left : left + WIDTH])
        file = io.BytesIO()
        crop.save(file, "JPEG", quality=92)
        files.append(file.getvalue())
    for i in range(COUNT):
        place = folder / f"class{i % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:04}.jpg").write_bytes(files[i % DISTINCT])


def natural_noise(random, size):
    """Returns RGB bytes of shape (size, size, 3) whose amplitudes fall with the frequency, as in photographs."""
    across, down = np.meshgrid(np.fft.rfftfreq(size), np.fft.fftfreq(size))
    amplitude = 1 / np.maximum(np.hypot(across, down), 1 / size)
    shared = np.fft.rfft2(random.standard_normal((size, size)))
    channels = []
    for _ in range(3):
        own = np.fft.rfft2(random.standard_normal((size, size)))
        field = np.fft.irfft2((shared + 0.3 * own) * amplitude, (size, size))
        channels.append(128 + 55 * field / field.std())
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def write_mnist(folder):
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 60_000), ("t10k", 10)):
        images = random.integers(0, 256, (count, 28, 28))
        labels = random.integers(0, 10, count)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">i4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())
