"""Trains with batches that need not fit into memory: gradients of small batches add up to that of a large one.

    rushlight run examples/accumulate.py                    # batches of 64 digits, in 4 parts
    rushlight run examples/accumulate.py --accumulate 16    # in 16 parts
    python examples/accumulate.py                           # under PyTorch

It needs scikit-learn: ``pip install "rushlight[examples]"``.
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from rushlight.optim import accumulate


class Net(nn.Module):
    """A convolution and two dense layers, for images of 8x8."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.dense = nn.Linear(16 * 4 * 4, 64)
        self.out = nn.Linear(64, 10)

    def forward(self, x):  # (N, 1, 8, 8)
        x = F.max_pool2d(F.relu(self.conv(x)), 2)  # (N, 16, 4, 4)
        x = F.relu(self.dense(x.flatten(1)))  # (N, 64)
        return self.out(x)  # (N, 10), one score per digit


def main():
    options = parse_options()
    torch.manual_seed(options.seed)
    train_set, test_set = digits()
    if options.batch < options.accumulate:
        raise SystemExit(f"{options.batch} digits cannot be had in {options.accumulate} parts")
    # The parts may differ in size: 64 digits in 5 parts are four times 13 and once 12.
    size = -(-options.batch // options.accumulate)
    compare(train_set, options.batch, size)

    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    groups = accumulate(DataLoader(train_set, size, shuffle=True), options.accumulate)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, options.epochs * len(groups))
    for epoch in range(options.epochs):
        total = 0.0
        for group in groups:
            optimizer.zero_grad()
            for (images, labels), weight in group:
                loss = F.cross_entropy(model(images), labels) * weight
                loss.backward()
                total += loss.item()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
        print(
            f"epoch {epoch + 1:2}  {len(groups)} steps  training loss {total / len(groups):.4f}  "
            f"accuracy {accuracy(model, test_set):.2%}"
        )


def parse_options():
    parser = argparse.ArgumentParser(description="Trains with accumulated gradients.")
    parser.add_argument(
        "--accumulate", type=int, default=4, metavar="N", help="small batches in a step"
    )
    parser.add_argument("--batch", type=int, default=64, help="digits in a step (default: 64)")
    parser.add_argument("--epochs", type=int, default=5, help="(default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    options = parser.parse_args()
    for name in ("accumulate", "batch", "epochs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}")
    return options


def compare(data, batch, size):
    """Prints how far the gradient of one large batch is from those of its parts, put together in three ways."""
    model = Net()
    images, labels = data[:batch]
    large = gradient(model, [((images, labels), 1.0)])
    loader = DataLoader(TensorDataset(images, labels), size)
    (group,) = accumulate(loader, len(loader))
    parts = [part for part, _ in group]
    sizes = ", ".join(str(len(labels)) for _, labels in parts)
    print(f"one batch of {batch} digits against parts of {sizes}; their gradients")
    ways = {
        "weighted by accumulate": group,
        "divided by their number": [(part, 1 / len(parts)) for part in parts],
        "merely added up": [(part, 1.0) for part in parts],
    }
    for way, weighted in ways.items():
        difference = (gradient(model, weighted) - large).norm() / large.norm()
        print(f"  {way:23}  differ by {difference.item():.1e} of its length")


def gradient(model, parts):
    """Returns the gradient of all parameters as one vector."""
    model.zero_grad()
    for (images, labels), weight in parts:
        (F.cross_entropy(model(images), labels) * weight).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@torch.no_grad()
def accuracy(model, data):
    images, labels = data[:]
    return (model(images).argmax(1) == labels).float().mean().item()


def digits():
    """Returns scikit-learn's 1,797 digits, four fifths to learn from and one fifth held out."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16  # (1797, 1, 8, 8)
    labels = torch.tensor(data.target, dtype=torch.int64)  # (1797,)
    order = torch.randperm(len(labels))
    return [TensorDataset(images[part], labels[part]) for part in (order[360:], order[:360])]


if __name__ == "__main__":
    main()
