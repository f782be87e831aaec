"""A run that was saved and begun anew goes on bit for bit as if it had not been interrupted."""

import numpy as np
import pytest

import rushlight
from rushlight import nn, optim
from rushlight.optim import lr_scheduler

# What each optimizer is given here; an optimizer that is missing fails `test_every_optimizer_is_here`.
OPTIMIZERS = {
    "ASGD": {"lr": 0.01, "t0": 2},
    "Adadelta": {"lr": 0.5},
    "Adafactor": {"lr": 0.05, "weight_decay": 0.01},
    "Adagrad": {"lr": 0.05, "lr_decay": 0.1},
    "Adam": {"lr": 0.01, "amsgrad": True},
    "AdamW": {"lr": 0.01},
    "Adamax": {"lr": 0.01},
    "LBFGS": {"lr": 0.1, "max_iter": 3, "history_size": 4, "line_search_fn": "strong_wolfe"},
    "Muon": {"lr": 0.05},
    "NAdam": {"lr": 0.01, "weight_decay": 0.01},
    "RAdam": {"lr": 0.01},
    "RMSprop": {"lr": 0.01, "momentum": 0.9, "centered": True},
    "Rprop": {"lr": 0.01},
    "SGD": {"lr": 0.05, "momentum": 0.9, "nesterov": True},
}


def step_by_step(scheduler, loss):
    scheduler.step()


def by_the_loss(scheduler, loss):
    scheduler.step(loss)


# How each schedule is made, and how it is stepped.
SCHEDULES = {
    "cosine": (lambda o: lr_scheduler.CosineAnnealingLR(o, 6), step_by_step),
    "one cycle": (lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=8), step_by_step),
    "cyclic": (lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=2), step_by_step),
    "restarts": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2), step_by_step),
    "plateau": (lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0), by_the_loss),
    "sequence": (
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)], milestones=[2]
        ),
        step_by_step,
    ),
    "chain": (
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.LinearLR(o), lr_scheduler.StepLR(o, 2)]
        ),
        step_by_step,
    ),
}


class Run:
    """A small network in training on batches that are drawn as it goes."""

    def __init__(self, name, schedule="cosine", seed=0):
        rushlight.manual_seed(seed)
        self.model = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(4 * 36, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.5),
            nn.Linear(8, 3),
        )
        params = list(self.model.parameters())
        if name == "Muon":
            params = [p for p in params if p.dim() == 2]
        self.optimizer = getattr(optim, name)(params, **OPTIMIZERS[name])
        make, self.advance = SCHEDULES[schedule]
        self.scheduler = make(self.optimizer)

    def train(self, steps):
        return [self.step() for _ in range(steps)]

    def step(self):
        x, y = rushlight.randn(8, 3, 6, 6), rushlight.randint(3, (8,))

        def closure():
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            return loss

        loss = self.optimizer.step(closure).item()
        self.advance(self.scheduler, loss)
        return loss

    def save(self, path):
        parts = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": rushlight.get_rng_state(),
        }
        rushlight.save(parts, path)

    def load(self, path):
        parts = rushlight.load(path)
        self.model.load_state_dict(parts["model"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.scheduler.load_state_dict(parts["scheduler"])
        rushlight.set_rng_state(parts["random"])

    def everything(self):
        return [
            flat(self.model.state_dict()),
            flat(self.optimizer.state_dict()),
            flat(self.scheduler.state_dict()),
            flat(rushlight.get_rng_state()),
        ]


def flat(value):
    """A nest of tensors with their bits instead."""
    if isinstance(value, rushlight.Tensor):
        array = np.ascontiguousarray(value.detach().numpy())
        return str(value.dtype), tuple(value.shape), array.tobytes()
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [flat(item) for item in value]
    return value


def interrupted(path, name, schedule="cosine"):
    """Three steps, a file, and three steps by objects that were made anew."""
    first = Run(name, schedule)
    losses = first.train(3)
    first.save(path)
    second = Run(name, schedule, seed=1)
    second.load(path)
    return losses + second.train(3), second.everything()


@pytest.fixture(params=["fast", "plain"])
def kernels(request, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_KERNELS", request.param)


def test_every_optimizer_is_here():
    exported = [getattr(optim, name) for name in optim.__all__]
    classes = [v for v in exported if isinstance(v, type) and issubclass(v, optim.Optimizer)]
    rules = {v.__name__ for v in classes} - {"Optimizer"}
    assert rules == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, tmp_path, kernels):
    whole = Run(name)
    losses = whole.train(6)
    found, everything = interrupted(tmp_path / "run.pt", name)
    assert found == losses
    assert everything == whole.everything()
    assert len(set(losses)) == 6


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules(schedule, name, tmp_path):
    whole = Run(name, schedule)
    losses = whole.train(6)
    found, everything = interrupted(tmp_path / "run.pt", name, schedule)
    assert found == losses
    assert everything == whole.everything()


@pytest.mark.parametrize("part", ["model", "optimizer", "scheduler", "random"])
def test_what_is_not_loaded_shows(part, tmp_path):
    whole = Run("Adam")
    whole.train(6)
    first, second = Run("Adam"), Run("Adam", seed=1)
    second.save(tmp_path / "new.pt")
    first.train(3)
    first.save(tmp_path / "run.pt")
    parts = rushlight.load(tmp_path / "run.pt")
    parts[part] = rushlight.load(tmp_path / "new.pt")[part]
    rushlight.save(parts, tmp_path / "run.pt")
    second.load(tmp_path / "run.pt")
    second.train(3)
    assert second.everything() != whole.everything()
