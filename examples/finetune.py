"""Fine-tuning: a network that has learnt the digits 0 to 6 learns 7 to 9 from a few examples.

    rushlight run examples/finetune.py              # PyTorch's API alone
    rushlight run examples/finetune.py --short      # and then the same by rushlight.finetune
    python examples/finetune.py                     # under PyTorch, with the same losses

The trained network is saved, loaded into a new one except for its head, and trained in two ways:
the head alone, with the other layers frozen; and the whole of it, with a lower learning rate for
the layers that know something already. A third network of the same kind starts from nothing.

It needs scikit-learn: ``pip install "rushlight[examples]"``.
"""

import argparse
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class Net(nn.Module):
    """Two convolutions that find shapes, and a head that tells classes by them."""

    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(32)
        self.head = nn.Linear(32 * 2 * 2, classes)

    def forward(self, x):  # (N, 1, 8, 8)
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)  # (N, 16, 4, 4)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)  # (N, 32, 2, 2)
        return self.head(x.flatten(1))  # (N, classes)


def main():
    options = parse_options()
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "digits-0-to-6.pt"
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16  # (1797, 1, 8, 8)
    labels = torch.tensor(digits.target, dtype=torch.int64)  # (1797,)

    known = labels < 7
    trained = Net(7)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.05, momentum=0.9)
    loss = train(trained, optimizer, images[known], labels[known], 150)
    torch.save(trained.state_dict(), path)
    print(f"0 to 6: trained on {int(known.sum())} images, last loss {loss:.4f}, saved in {path}")

    ways = {"from nothing": from_nothing, "head alone": head_alone, "two rates": two_rates}
    if options.short:
        ways |= {"head alone, short": head_alone_short, "two rates, short": two_rates_short}
    print(
        f"7 to 9: {options.runs} runs of {options.steps} steps, each with {options.examples} images "
        f"of each digit\n\n"
        f"{'':20}{'weights trained':>16}{'last loss':>12}{'accuracy on the rest (lowest)':>32}"
    )
    results = {title: [] for title in ways}
    for run in range(options.runs):
        torch.manual_seed(options.seed + run)
        few, rest = split(images[~known], labels[~known] - 7, options.examples)
        for title, way in ways.items():
            torch.manual_seed(options.seed + run)  # so that all begin with the same head
            model, optimizer = way(path)
            loss = train(model, optimizer, *few, options.steps)
            count = sum(x.numel() for x in model.parameters() if x.requires_grad)
            results[title].append((count, loss, accuracy(model, *rest)))
    for title, rows in results.items():
        counts, losses, accuracies = zip(*rows, strict=True)
        mean = sum(accuracies) / len(rows)
        print(
            f"{title:20}{counts[0]:16,}{sum(losses) / len(rows):12.4f}"
            f"{mean:22.2%} ({min(accuracies):.2%})"
        )


def parse_options():
    parser = argparse.ArgumentParser(description="Compares ways to fine-tune a small network.")
    parser.add_argument("--examples", type=int, default=3, help="of each new digit (default: 3)")
    parser.add_argument("--steps", type=int, default=10, help="for each way (default: 10)")
    parser.add_argument("--runs", type=int, default=8, help="with other examples (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--short", action="store_true", help="also use rushlight.finetune")
    parser.add_argument(
        "--out", type=Path, default=Path("finetune-out"), help="where the trained network is saved"
    )
    options = parser.parse_args()
    for name in ("examples", "steps", "runs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}")
    return options


# ---- ways to begin: each returns a network and its optimizer


def from_nothing(path):
    model = Net(3)
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def head_alone(path):
    model = with_new_head(path)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("head.")
    return model, torch.optim.SGD(model.head.parameters(), lr=0.02, momentum=0.9)


def two_rates(path):
    model = with_new_head(path)
    head = {id(x) for x in model.head.parameters()}
    body = [x for x in model.parameters() if id(x) not in head]
    groups = [{"params": body}, {"params": model.head.parameters(), "lr": 0.02}]
    return model, torch.optim.SGD(groups, lr=0.002, momentum=0.9)


def with_new_head(path):
    """Returns a network with the saved weights, except for its head, which is new."""
    model = Net(3)
    state = model.state_dict()
    saved = torch.load(path)
    state.update({name: x for name, x in saved.items() if not name.startswith("head.")})
    model.load_state_dict(state)
    return model


# ---- the last two once more, the shorter way, which PyTorch does not have


def head_alone_short(path):
    from rushlight import finetune

    model = Net(3)
    finetune.load_matching(model, path, rename={"head": None})
    finetune.freeze(model, "conv*", "norm*")
    return model, torch.optim.SGD(finetune.param_groups(model, {"head": 0.02}), momentum=0.9)


def two_rates_short(path):
    from rushlight import finetune

    model = Net(3)
    finetune.load_matching(model, path, rename={"head": None})
    groups = finetune.param_groups(model, {"head": 0.02}, default=0.002)
    return model, torch.optim.SGD(groups, momentum=0.9)


# ---- training


def train(model, optimizer, images, labels, steps):
    """Takes ``steps`` steps on random batches of up to 64 images; returns the last loss."""
    model.train()
    for layer in model.children():
        if not any(x.requires_grad for x in layer.parameters()):
            layer.eval()  # or batch normalisation would adapt its statistics, frozen or not
    for _ in range(steps):
        batch = torch.randperm(len(labels))[:64]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
    return loss.item()


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    return (model(images).argmax(1) == labels).float().mean().item()


def split(images, labels, examples):
    """Returns ``examples`` random images of each class with their labels, and all others."""
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(3):
        places = (labels == label).nonzero()[:, 0]
        chosen[places[torch.randperm(len(places))[:examples]]] = True
    return (images[chosen], labels[chosen]), (images[~chosen], labels[~chosen])


if __name__ == "__main__":
    main()
