"""Trains a small convolutional network to read handwritten digits, and shows how well it does.

    rushlight run examples/digits.py                # the 1,797 digits that scikit-learn ships
    rushlight run examples/digits.py --data DIR     # LeNet on MNIST, from its four IDX files in DIR
    python examples/digits.py                       # either of them under PyTorch, with the same
    losses

It needs scikit-learn, matplotlib and tqdm: ``pip install "rushlight[examples]"``.
"""

import argparse
import gzip
import math
import sys
import time
import zlib
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

matplotlib.use("Agg")  # draws into files, so that no screen is needed
import matplotlib.pyplot as plt  # noqa: E402


class SmallNet(nn.Module):
    """Two convolutions and two dense layers, for images of 8x8."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(64)
        self.dropout = nn.Dropout(0.3)
        self.dense1 = nn.Linear(64 * 4 * 4, 128)
        self.dense2 = nn.Linear(128, 10)

    def forward(self, x):  # (N, 1, 8, 8)
        x = F.relu(self.norm1(self.conv1(x)))  # (N, 32, 8, 8)
        x = F.relu(self.norm2(self.conv2(x)))  # (N, 64, 8, 8)
        x = F.max_pool2d(x, 2)  # (N, 64, 4, 4)
        x = self.dropout(x.flatten(1))  # (N, 1024)
        x = self.dropout(F.relu(self.dense1(x)))  # (N, 128)
        return self.dense2(x)  # (N, 10), one score per digit


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling, for images of 28x28 (LeCun et al. 1998)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.dense1 = nn.Linear(16 * 5 * 5, 120)
        self.dense2 = nn.Linear(120, 84)
        self.dense3 = nn.Linear(84, 10)

    def forward(self, x):  # (N, 1, 28, 28)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = F.relu(self.dense1(x.flatten(1)))  # (N, 120)
        x = F.relu(self.dense2(x))  # (N, 84)
        return self.dense3(x)  # (N, 10)


def main():
    options = parse_options()
    torch.manual_seed(options.seed)
    if options.data is None:
        train_set, test_set = small_digits(options.limit)
        make_model, epochs, decay = SmallNet, options.epochs or 15, 0.85
    else:
        train_set, test_set = mnist(options.data, options.limit)
        make_model, epochs, decay = LeNet, options.epochs or 2, 0.2
    train_batches = DataLoader(train_set, batch_size=64, shuffle=True)
    test_batches = DataLoader(test_set, batch_size=256)

    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=decay)
    print(f"{make_model.__name__}: {len(train_set)} digits to learn from, {len(test_set)} held out")
    start = time.perf_counter()
    for epoch in range(epochs):
        losses = train(model, train_batches, optimizer, f"epoch {epoch + 1}/{epochs}")
        if epoch == 0:
            print_losses(losses[: options.losses])
        scheduler.step()
        loss, labels, predictions = evaluate(model, test_batches)
        print(
            f"epoch {epoch + 1:2}  training loss {sum(losses) / len(losses):.4f}  "
            f"held-out loss {loss:.4f}  accuracy {accuracy(labels, predictions):.2%}"
        )
    print(f"trained in {time.perf_counter() - start:.1f} s")

    options.out.mkdir(parents=True, exist_ok=True)
    matrix = confusion_matrix(labels, predictions)
    print_matrix(matrix)
    draw_matrix(matrix, options.out / "confusion.png")
    save_and_load(model, make_model(), options.out / "model.pt", test_batches)


def parse_options():
    parser = argparse.ArgumentParser(description="Trains a network to read handwritten digits.")
    parser.add_argument("--data", type=Path, help="directory with MNIST's IDX files; trains LeNet")
    parser.add_argument("--epochs", type=int, help="default: 15, with --data 2")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--limit", type=int, help="use only so many images of each part")
    parser.add_argument(
        "--losses", type=int, default=0, metavar="N", help="print the losses of the first N steps"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("digits-out"), help="where picture and model are written"
    )
    options = parser.parse_args()
    for name in ("epochs", "limit"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1, not {value}")
    return options


def train(model, batches, optimizer, title):
    """Goes over the batches once; returns the loss of each step."""
    model.train()
    losses = []
    progress = tqdm(batches, desc=title, leave=False)
    for images, labels in progress:  # (N, 1, H, W), (N,)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        progress.set_postfix(loss=f"{losses[-1]:.3f}")
    return losses


@torch.no_grad()
def evaluate(model, batches):
    """Returns the mean loss over all images, their labels, and what the model takes them for."""
    model.eval()
    total, labels, predictions = 0.0, [], []
    for images, targets in batches:
        scores = model(images)  # (N, 10)
        total += F.cross_entropy(scores, targets, reduction="sum").item()
        labels.append(targets)
        predictions.append(scores.argmax(1))
    labels, predictions = torch.cat(labels), torch.cat(predictions)
    return total / len(labels), labels, predictions


def accuracy(labels, predictions):
    return (labels == predictions).float().mean().item()


def confusion_matrix(labels, predictions):
    """Returns a (10, 10) tensor: how often the digit of a row was taken for that of a column."""
    matrix = torch.zeros(10, 10, dtype=torch.int64)
    for label, prediction in zip(labels.tolist(), predictions.tolist(), strict=True):
        matrix[label, prediction] += 1
    return matrix


def save_and_load(model, fresh, path, batches):
    """Saves the model, loads it into a fresh one, and makes sure that both read alike."""
    torch.save(model.state_dict(), path)
    fresh.load_state_dict(torch.load(path))
    _, labels, before = evaluate(model, batches)
    _, _, after = evaluate(fresh, batches)
    if not torch.equal(before, after):
        raise RuntimeError(f"the model loaded from {path} reads other digits than the one saved")
    print(f"saved to {path}, loaded again: accuracy {accuracy(labels, after):.2%}")


def print_losses(losses):
    for step, loss in enumerate(losses, start=1):
        print(f"step {step:2}  loss {loss:.6f}")


def print_matrix(matrix):
    print("\ntrue digit (rows) and what it was taken for (columns):")
    print("    " + "".join(f"{digit:5}" for digit in range(10)))
    for digit, row in enumerate(matrix.tolist()):
        print(f"  {digit} " + "".join(f"{count or '.':>5}" for count in row))
    print()


def draw_matrix(matrix, path):
    counts = matrix.numpy()
    figure, axes = plt.subplots(figsize=(6, 6))
    axes.imshow(np.sqrt(counts), cmap="Blues")  # the root, so that single mistakes can be seen
    for row, column in np.argwhere(counts):
        colour = "white" if row == column else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour)
    axes.set(xticks=range(10), yticks=range(10), xlabel="taken for", ylabel="true digit")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
    print(f"confusion matrix drawn in {path}")


def small_digits(limit):
    """Returns scikit-learn's digits, four fifths to learn from and one fifth held out."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16  # (1797, 1, 8, 8)
    labels = torch.tensor(digits.target, dtype=torch.int64)  # (1797,)
    order = torch.randperm(len(labels))
    test, train = order[:360], order[360:]
    return (
        TensorDataset(images[train[:limit]], labels[train[:limit]]),
        TensorDataset(images[test[:limit]], labels[test[:limit]]),
    )


def mnist(directory, limit):
    """Returns MNIST's 60,000 digits to learn from and its 10,000 held-out ones."""
    return tuple(
        mnist_part(
            read_idx(find_file(directory, f"{part}-images-idx3-ubyte"), dimensions=3),
            read_idx(find_file(directory, f"{part}-labels-idx1-ubyte"), dimensions=1),
            directory,
            limit,
        )
        for part in ("train", "t10k")
    )


def mnist_part(images, labels, directory, limit):
    if len(images) != len(labels) or images.shape[1:] != (28, 28) or labels.max(initial=0) > 9:
        sys.exit(
            f"the files in {directory} are not MNIST's: images of shape {images.shape} and labels "
            f"of shape {labels.shape}; expected (N, 28, 28), (N,) and labels of 0 to 9"
        )
    images = torch.tensor(images[:limit], dtype=torch.float32).unsqueeze(1) / 255  # (N, 1, 28, 28)
    images = (images - 0.1307) / 0.3081  # the mean and the deviation of MNIST's pixels
    return TensorDataset(images, torch.tensor(labels[:limit], dtype=torch.int64))


def find_file(directory, name):
    """Returns the path of a file that lies in one of the usual places, packed or not."""
    places = (directory, directory / "MNIST" / "raw", directory / "raw")
    for place in places:
        for path in (place / name, place / f"{name}.gz"):
            if path.is_file():
                return path
    looked = ", ".join(map(str, places))
    sys.exit(
        f"{name} (or {name}.gz) is not in any of: {looked}; "
        "download MNIST's four IDX files and give their directory to --data"
    )


def read_idx(path, dimensions):
    """Returns the bytes of an IDX file as an array; its header holds big-endian numbers."""
    try:
        content = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        sys.exit(f"{path} cannot be read ({error}); download it again")
    magic = bytes((0, 0, 8, dimensions))  # 8: unsigned bytes
    if content[:4] != magic:
        sys.exit(
            f"{path} is not an IDX file of bytes in {dimensions} dimensions: it begins with "
            f"{content[:4].hex(' ') or 'nothing'} instead of {magic.hex(' ')}; download it again"
        )
    header = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:header].ljust(header - 4, b"\0"), ">i4").tolist()
    expected = header + math.prod(shape)
    if len(content) != expected or min(shape) < 1:
        sys.exit(
            f"{path} is damaged: with {' x '.join(map(str, shape))} numbers it would have "
            f"{expected} bytes, but it has {len(content)}; download it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


if __name__ == "__main__":
    main()
