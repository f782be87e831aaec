"""Schedules as numbers and as pictures, without stepping them."""

import builtins
import copy

import pytest

import rushlight
from rushlight.optim import SGD, Adam, lr_scheduler
from rushlight.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
    plot,
    rates,
)


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def trained(optimizer):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = rushlight.ones_like(p)
    optimizer.step()
    return optimizer


def adam(lr=1.0):
    groups = [{"params": [rushlight.ones(3)]}, {"params": [rushlight.ones(2)], "lr": 2 * lr}]
    return trained(Adam(groups, lr=lr))


class Steps:
    """A function that counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 0.5**epoch


MAKERS = {
    "step": lambda o: StepLR(o, 2),
    "lambda": lambda o: LambdaLR(o, lambda e: 0.9**e),
    "object": lambda o: LambdaLR(o, Steps()),
    "cosine": lambda o: CosineAnnealingLR(o, 5),
    "cyclic": lambda o: CyclicLR(o, 0.1, 1.0, 3),
    "one cycle": lambda o: OneCycleLR(o, 1.0, 20),
    "sequential": lambda o: SequentialLR(o, [LinearLR(o), ExponentialLR(o, 0.9)], [4]),
    "chained": lambda o: ChainedScheduler([ConstantLR(o), ExponentialLR(o, 0.9)]),
}


@pytest.mark.parametrize("name", MAKERS)
def test_rates_are_those_of_the_training(name):
    optimizer = adam()
    scheduler = MAKERS[name](optimizer)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    expected = [rates(scheduler, 8, group=g) for g in range(2)]
    seen = []
    for _ in range(8):
        seen.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    assert expected == [list(values) for values in zip(*seen)]


def state_of(scheduler):
    optimizer = scheduler.optimizer
    return (
        copy.deepcopy(scheduler.state_dict()),
        str(optimizer.state_dict()),
        [id(p) for group in optimizer.param_groups for p in group["params"]],
        optimizer._opt_called,
    )


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_is_changed(name):
    scheduler = MAKERS[name](adam())
    before = state_of(scheduler)
    rates(scheduler, 9)
    assert state_of(scheduler) == before


def test_objects_that_count_are_copied():
    steps = Steps()
    scheduler = LambdaLR(adam(), steps)
    before = steps.calls
    rates(scheduler, 9)
    assert steps.calls == before


def test_tensor_rates():
    rate = rushlight.tensor(1.0)
    scheduler = StepLR(Adam([rushlight.ones(1)], lr=rate), 1, gamma=0.5)
    assert rates(scheduler, 3) == [1.0, 0.5, 0.25]
    assert rate == 1.0


def test_neither_parameters_nor_state_are_copied(monkeypatch):
    scheduler = StepLR(adam(), 1)

    def refuse(self, memo):
        raise AssertionError("copied")

    monkeypatch.setattr(rushlight.Tensor, "__deepcopy__", refuse)
    assert rates(scheduler, 2) == [1.0, 0.1]


def test_metrics():
    optimizer = SGD([rushlight.ones(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    assert rates(scheduler, metrics=[3.0, 3.0, 2.0, 2.0]) == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert rates(scheduler, 3, metrics=[3.0, 3.0]) == [1.0, 1.0, 0.5]
    assert (scheduler.num_bad_epochs, optimizer.param_groups[0]["lr"]) == (0, 1.0)


def test_functions_that_make_schedules():
    assert rates(lambda o: StepLR(o, 1), 3, lr=0.5) == pytest.approx([0.5, 0.05, 0.005])


@pytest.mark.parametrize(
    "schedule, options, error, match",
    [
        (3, {"steps": 2}, TypeError, "expected a schedule, or a function .* got 3"),
        (lambda o: 3, {"steps": 2}, TypeError, "must make a schedule .* got 3"),
        (MAKERS["step"], {}, TypeError, "Pass steps="),
        (MAKERS["step"], {"steps": 0}, ValueError, "at least 1, not 0"),
        (
            MAKERS["step"],
            {"steps": 2, "group": 1},
            IndexError,
            "1 parameter groups, but group is 1",
        ),
        (MAKERS["one cycle"], {"steps": 30}, ValueError, "Tried to step 21 times"),
        (ReduceLROnPlateau, {"steps": 3}, TypeError, "pass metrics="),
        (ReduceLROnPlateau, {"steps": 3, "metrics": [1]}, ValueError, "there are 1 metrics"),
    ],
)
def test_wrong_arguments(schedule, options, error, match):
    with pytest.raises(error, match=match):
        rates(schedule, **options)


def lines_of(ax):
    return {line.get_label(): line.get_xydata().tolist() for line in ax.lines}


def test_plot(pyplot):
    scheduler = StepLR(SGD([rushlight.ones(1)], lr=1.0), 1, gamma=0.5)
    ax = plot(scheduler, 3)
    assert ax is pyplot.gca()
    assert lines_of(ax) == {"StepLR": [[0, 1.0], [1, 0.5], [2, 0.25]]}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "learning rate")


def test_plot_goes_on_from_the_present_step(pyplot):
    optimizer = trained(SGD([rushlight.ones(1)], lr=1.0))
    scheduler = StepLR(optimizer, 1, gamma=0.5)
    optimizer.step()
    scheduler.step()
    assert lines_of(plot(scheduler, 2)) == {"StepLR": [[1, 0.5], [2, 0.25]]}


def test_groups_have_lines_where_they_differ(pyplot):
    groups = [{"params": [rushlight.ones(1)], "lr": lr} for lr in (1.0, 2.0, 1.0)]
    ax = plot(StepLR(SGD(groups, lr=1.0), 1), 2)
    assert list(lines_of(ax)) == ["StepLR, group 0, 2", "StepLR, group 1"]


def test_pictures_to_compare(pyplot):
    _, ax = pyplot.subplots()
    plot(MAKERS["step"], 4, ax=ax, label="steps", color="red")
    plot(ReduceLROnPlateau, metrics=[1.0, 1.0], ax=ax)
    plot(lambda o: StepLR(o, 1), 2, ax=ax)
    assert list(lines_of(ax)) == ["steps", "ReduceLROnPlateau", "schedule"]
    assert ax.lines[0].get_color() == "red"


def test_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(ImportError, match=r'pip install "rushlight\[plot\]"'):
        plot(MAKERS["step"], 3)
    assert rates(MAKERS["step"], 1) == [1.0]


def test_they_are_where_the_schedules_are():
    assert lr_scheduler.plot is plot
