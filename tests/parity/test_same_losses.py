"""One script, one seed, two frameworks: the losses of the first steps must be the same.

Nothing else shows so much at once: initial weights, shuffling, dropout masks, forward, gradients
and updates must all agree, or the numbers part within a few steps.
"""

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits.py"
STEPS = 15

MLP = """
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)
data = TensorDataset(torch.randn(256, 20), torch.randint(0, 4, (256,)))
model = nn.Sequential(
    nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5),
    nn.Linear(64, 64), nn.Tanh(), nn.Dropout(0.2),
    nn.Linear(64, 4),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
criterion = nn.CrossEntropyLoss()
for epoch in range(2):
    for x, y in DataLoader(data, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        print("loss", loss.item())
"""

CNN = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.norm2 = nn.BatchNorm2d(16)
        self.dropout = nn.Dropout(0.4)
        self.fc1 = nn.Linear(16 * 5 * 5, 84)
        self.fc2 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        x = self.dropout(torch.flatten(x, 1))
        x = F.dropout(F.relu(self.fc1(x)), 0.25, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


torch.manual_seed(3)
data = TensorDataset(torch.rand(150, 3, 32, 32), torch.randint(0, 10, (150,)))
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for x, y in DataLoader(data, batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
        print("loss", loss.item())
"""


def losses(command, cwd):
    """Runs a command and returns the first numbers it prints after the word ``loss``."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    found = [float(line[line.index("loss") + 1]) for line in words if "loss" in line]
    return found[:STEPS]


def both(script, cwd, *arguments):
    ours = losses([sys.executable, "-m", "rushlight", "run", script, *arguments], cwd)
    theirs = losses([sys.executable, script, *arguments], cwd)
    assert len(theirs) == STEPS
    return ours, theirs


@pytest.mark.parametrize("text", [MLP, CNN], ids=["mlp", "cnn"])
def test_losses_of_a_script(text, tmp_path):
    (tmp_path / "script.py").write_text(text)
    ours, theirs = both("script.py", tmp_path)
    assert ours == pytest.approx(theirs, rel=5e-4)


def test_losses_of_the_digits_example(tmp_path):
    ours, theirs = both(str(DIGITS), tmp_path, "--epochs", "1", "--losses", str(STEPS))
    assert ours == pytest.approx(theirs, rel=5e-4)
