"""Trains LeNet on image files, from the folders they lie in to curves and a table of its mistakes.

    rushlight run examples/lenet_images.py                 # the 1,797 digits of scikit-learn
    rushlight run examples/lenet_images.py --data DIR      # MNIST, which lies in DIR/MNIST/raw
    rushlight run examples/lenet_images.py --images DIR    # yours: DIR/{train,valid,test}/CLASS/*
    python examples/lenet_images.py                        # under PyTorch, with the same losses

The digits are written as image files first, because the program is about such files: an index of
them, a Dataset that reads it, transforms, a network with its own initialisation, training with
validation, a schedule of the learning rate, and the best network kept for the test.

It needs scikit-learn, matplotlib and Pillow: ``pip install "rushlight[examples]"``.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import torchvision.transforms as transforms
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

matplotlib.use("Agg")  # draws into files, so that no screen is needed
import matplotlib.pyplot as plt  # noqa: E402

SPLITS = ("train", "valid", "test")
FILE_TYPES = (".png", ".jpg", ".jpeg", ".bmp")


class ImageList(Dataset):
    """The images that an index names.

    Args:
        index: a text file; each line has the path of an image and the number of its class.
        transform: what is done to an image when it is read.
    """

    def __init__(self, index, transform):
        lines = [line.rsplit(maxsplit=1) for line in index.read_text().splitlines()]
        self.samples = [(path, int(label)) for path, label in lines]
        self.transform = transform

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        path, label = self.samples[i]
        with Image.open(path) as image:
            return self.transform(image.convert("RGB")), label  # (3, 32, 32), a number


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling, for colour images of 32x32 (LeCun et al. 1998)."""

    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool1 = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool2 = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):  # (N, 3, 32, 32)
        x = self.pool1(F.relu(self.conv1(x)))  # (N, 6, 14, 14)
        x = self.pool2(F.relu(self.conv2(x)))  # (N, 16, 5, 5)
        x = F.relu(self.fc1(x.flatten(1)))  # (N, 120)
        x = F.relu(self.fc2(x))  # (N, 84)
        return self.fc3(x)  # (N, classes), one score per class

    def initialize_weights(self):
        """Draws the first weights: Xavier's for convolutions, small normal ones for dense layers."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.05)
                nn.init.zeros_(layer.bias)


def main():
    options = parse_options()
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.images is None:
        options.images = write_images(options)
    classes, indices = write_indices(options.images, options.out)
    train_transform, test_transform = make_transforms(indices["train"])
    batches = {
        "train": DataLoader(
            ImageList(indices["train"], train_transform),
            batch_size=options.batch_size,
            shuffle=True,
            num_workers=options.workers,
        )
    }
    for split in ("valid", "test"):
        dataset = ImageList(indices[split], test_transform)
        batches[split] = DataLoader(dataset, batch_size=256, num_workers=options.workers)
    counts = ", ".join(f"{len(batches[split].dataset)} to {split}" for split in SPLITS)
    print(f"images in {options.images}: {len(classes)} classes, {counts}")

    model = LeNet(len(classes))
    model.initialize_weights()
    print(model)
    best = options.out / "best.pt"
    history = fit(model, batches["train"], batches["valid"], options, best)
    draw_curves(history, options.out / "curves.png")

    kept = torch.load(best)
    model = LeNet(len(classes))
    model.load_state_dict(kept["model"])
    print(f"\nthe best network is that of epoch {kept['epoch']} ({best}); its answers on the test:")
    loss, matrix = evaluate(model, batches["test"], len(classes))
    print_classes(matrix, classes)
    print(f"test loss {loss:.4f}  accuracy {accuracy(matrix):.2%}")
    draw_matrix(matrix, classes, options.out / "confusion.png")


def parse_options():
    parser = argparse.ArgumentParser(description="Trains LeNet on the image files in folders.")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, help="use MNIST; its files lie in DATA/MNIST/raw")
    source.add_argument(
        "--images", type=Path, help="use the files in IMAGES/train/CLASS, .../valid and .../test"
    )
    parser.add_argument("--count", type=int, default=6000, help="how many of MNIST (default: 6000)")
    parser.add_argument("--epochs", type=int, default=12, help="default: 12")
    parser.add_argument("--batch-size", type=int, default=16, help="default: 16")
    parser.add_argument("--rate", type=float, default=0.01, help="of learning (default: 0.01)")
    parser.add_argument("--workers", type=int, default=0, help="processes that read (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument(
        "--every", type=int, default=30, help="print the loss every so many steps (default: 30)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("lenet-out"), help="where everything is written"
    )
    options = parser.parse_args()
    for name in ("epochs", "batch_size", "every"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if options.count < 100:
        parser.error(f"--count must be at least 100, not {options.count}")
    return options


# ---- from images to batches


def write_images(options):
    """Writes digits as ``FOLDER/SPLIT/DIGIT/NUMBER.png``, a tenth each for validation and test.

    Returns:
        The folder. Its name tells what it holds, so that no run finds another one's images in it.
    """
    if options.data is None:
        name = f"digits-{options.seed}"
        digits = load_digits()
        images = (digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8)
        labels = digits.target
    else:
        try:
            mnist = torchvision.datasets.MNIST(options.data, train=True)
        except RuntimeError as error:
            sys.exit(f"{error}\nMNIST's files have to lie in {options.data}/MNIST/raw")
        name = f"mnist-{options.count}-{options.seed}"
        images = mnist.data[: options.count].numpy()  # (N, 28, 28)
        labels = mnist.targets[: options.count].numpy()
    order = torch.randperm(len(labels)).tolist()
    tenth = len(order) // 10
    parts = {"valid": order[:tenth], "test": order[tenth : 2 * tenth], "train": order[2 * tenth :]}
    for split, members in parts.items():
        for i in members:
            folder = options.out / name / split / str(labels[i])
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[i]).save(folder / f"{i:05}.png")
    return options.out / name


def write_indices(images, out):
    """Writes ``train.txt``, ``valid.txt`` and ``test.txt``; returns the classes and these paths.

    The folders of ``images/train`` are the classes; each line has the path of an image and the
    number of its class.
    """
    missing = [split for split in SPLITS if not (images / split).is_dir()]
    if missing:
        sys.exit(f"there is no folder {images / missing[0]}; it should hold a folder per class")
    classes = sorted(folder.name for folder in (images / "train").iterdir() if folder.is_dir())
    paths = {}
    for split in SPLITS:
        lines = [
            f"{file} {label}\n"
            for label, name in enumerate(classes)
            for file in sorted((images / split / name).glob("*"))
            if file.suffix.lower() in FILE_TYPES
        ]
        if not lines:
            sys.exit(f"no class of {images / split} has images ({', '.join(FILE_TYPES)})")
        paths[split] = out / f"{split}.txt"
        paths[split].write_text("".join(lines))
    return classes, paths


def make_transforms(index):
    """Returns what is done to an image for training, and otherwise."""
    resize, to_tensor = transforms.Resize((32, 32)), transforms.ToTensor()
    plain = ImageList(index, transforms.Compose([resize, to_tensor]))
    # Every few images will do for two numbers per channel.
    step = max(1, len(plain) // 500)
    pixels = torch.stack([plain[i][0] for i in range(0, len(plain), step)])  # (N, 3, 32, 32)
    mean, deviation = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))  # (3,), (3,)
    normalize = transforms.Normalize(mean.tolist(), deviation.tolist())
    crop = transforms.RandomCrop(32, padding=4)
    return (
        transforms.Compose([resize, crop, to_tensor, normalize]),
        transforms.Compose([resize, to_tensor, normalize]),
    )


# ---- training


def fit(model, train_batches, valid_batches, options, best):
    """Trains ``model`` and keeps that of the highest validation accuracy in the file ``best``.

    Returns:
        A dictionary of lists with one number per epoch.
    """
    classes = model.fc3.out_features
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=options.rate, momentum=0.9)
    third = max(1, options.epochs // 3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=third, gamma=0.3)
    names = ("train loss", "train accuracy", "valid loss", "valid accuracy", "rate")
    history = {name: [] for name in names}
    start = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        title = f"epoch {epoch:03}/{options.epochs:03}"
        rate = optimizer.param_groups[0]["lr"]
        loss, matrix = train(model, train_batches, criterion, optimizer, options.every, title)
        valid_loss, valid_matrix = evaluate(model, valid_batches, classes)
        scheduler.step()
        numbers = (loss, accuracy(matrix), valid_loss, accuracy(valid_matrix), rate)
        is_best = accuracy(valid_matrix) > max(history["valid accuracy"], default=-1)
        for name, number in zip(names, numbers, strict=True):
            history[name].append(number)
        if is_best:
            torch.save({"epoch": epoch, "model": model.state_dict()}, best)
        print(
            f"{title}  train loss {loss:.4f}  accuracy {accuracy(matrix):.2%}  "
            f"valid loss {valid_loss:.4f}  accuracy {accuracy(valid_matrix):.2%}  "
            f"rate {rate:.4g}{'  best so far' if is_best else ''}"
        )
    print(f"trained in {time.perf_counter() - start:.1f} s")
    return history


def train(model, batches, criterion, optimizer, every, title):
    """Goes over the batches once; returns the mean loss and the confusion matrix."""
    model.train()
    matrix = torch.zeros(model.fc3.out_features, model.fc3.out_features, dtype=torch.int64)
    losses = []
    for step, (images, labels) in enumerate(batches, start=1):  # (N, 3, 32, 32), (N,)
        optimizer.zero_grad()
        scores = model(images)  # (N, classes)
        loss = criterion(scores, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        count(matrix, labels, scores.argmax(1))
        if step % every == 0:
            mean = sum(losses[-every:]) / every
            print(f"{title}  step {step:03}/{len(batches):03}  loss {mean:.4f}")
    return sum(losses) / len(losses), matrix


@torch.no_grad()
def evaluate(model, batches, classes):
    """Returns the mean loss and the confusion matrix of all images."""
    model.eval()
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    total = 0.0
    for images, labels in batches:
        scores = model(images)
        total += F.cross_entropy(scores, labels, reduction="sum").item()
        count(matrix, labels, scores.argmax(1))
    return total / len(batches.dataset), matrix


def count(matrix, labels, answers):
    """Adds to ``matrix[i, j]`` how often an image of class i was taken for one of class j."""
    for label, answer in zip(labels.tolist(), answers.tolist(), strict=True):
        matrix[label, answer] += 1


def accuracy(matrix):
    return (matrix.diagonal().sum() / matrix.sum()).item()


# ---- results


def print_classes(matrix, classes):
    """Prints the precision and the recall of each class."""
    for name, row, column in zip(classes, matrix.tolist(), matrix.T.tolist(), strict=True):
        right = row[classes.index(name)]
        precision, recall = right / max(1, sum(column)), right / max(1, sum(row))
        print(
            f"class {name:<10}  images {sum(row):4}  right {right:4}  "
            f"precision {precision:7.2%}  recall {recall:7.2%}"
        )


def draw_curves(history, path):
    epochs = range(1, len(history["rate"]) + 1)
    figure, panels = plt.subplots(1, 3, figsize=(13, 4))
    for axes, name in zip(panels, ("loss", "accuracy"), strict=False):
        axes.plot(epochs, history[f"train {name}"], label="train")
        axes.plot(epochs, history[f"valid {name}"], label="valid")
        axes.set(xlabel="epoch", ylabel=name)
        axes.legend()
    panels[2].step(epochs, history["rate"], where="mid")
    panels[2].set(xlabel="epoch", ylabel="learning rate", yscale="log")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
    print(f"curves drawn in {path}")


def draw_matrix(matrix, classes, path):
    counts = matrix.numpy()
    figure, axes = plt.subplots(figsize=(6, 6))
    axes.imshow(np.sqrt(counts), cmap="Blues")  # the root, so that single mistakes can be seen
    for row, column in np.argwhere(counts):
        colour = "white" if row == column else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour)
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=45)
    axes.set_yticks(places, classes)
    axes.set(xlabel="taken for", ylabel="true class")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
    print(f"confusion matrix drawn in {path}")


if __name__ == "__main__":
    main()
