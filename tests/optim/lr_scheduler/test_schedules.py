"""The rates of every schedule against their closed forms."""

import math

import pytest

import rushlight
from rushlight.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

STEPS = 60


def two_groups(rule=rushlight.optim.SGD, **options):
    groups = [
        {"params": [rushlight.ones(1)], "lr": 1.0},
        {"params": [rushlight.ones(1)], "lr": 4.0},
    ]
    return rule(groups, lr=1.0, **options)


def rates(optimizer, scheduler, steps=STEPS):
    seen = []
    for _ in range(steps):
        seen.append(scheduler.get_last_lr())
        optimizer.step()
        scheduler.step()
    return seen


def cosine(t, period):
    return (1 + math.cos(math.pi * t / period)) / 2


def restarted(epoch):
    """Falls of 4, 8, 16, ... epochs."""
    length = 4
    while epoch >= length:
        epoch -= length
        length *= 2
    return cosine(epoch, length)


CLOSED = [
    (lambda o: LambdaLR(o, lambda e: 1 / (1 + e)), lambda e: 1 / (1 + e)),
    (
        lambda o: MultiplicativeLR(o, lambda e: 0.5 if e == 3 else 1.0),
        lambda e: 0.5 if e >= 3 else 1.0,
    ),
    (lambda o: StepLR(o, 7, 0.5), lambda e: 0.5 ** (e // 7)),
    (lambda o: MultiStepLR(o, [3, 3, 30], 0.5), lambda e: 0.5 ** (2 * (e >= 3) + (e >= 30))),
    (lambda o: ConstantLR(o, 0.25, 9), lambda e: 0.25 if e < 9 else 1.0),
    (lambda o: LinearLR(o, 0.5, 0.125, 20), lambda e: 0.5 - 0.375 * min(e, 20) / 20),
    (lambda o: ExponentialLR(o, 0.9), lambda e: 0.9**e),
    (lambda o: PolynomialLR(o, 40, 2.0), lambda e: (1 - min(e, 40) / 40) ** 2),
    (lambda o: CosineAnnealingLR(o, 13), lambda e: cosine(e, 13)),
    (lambda o: CosineAnnealingWarmRestarts(o, 4, 2), restarted),
    (lambda o: CosineAnnealingWarmRestarts(o, 7), lambda e: cosine(e % 7, 7)),
    (
        lambda o: SequentialLR(o, [ConstantLR(o, 0.5, 99), ExponentialLR(o, 0.9)], [5]),
        lambda e: 0.5 if e < 5 else 0.9 ** (e - 5),
    ),
    (
        lambda o: ChainedScheduler([ConstantLR(o, 0.5, 5), StepLR(o, 10, 0.5)]),
        lambda e: (0.5 if e < 5 else 1.0) * 0.5 ** (e // 10),
    ),
]


@pytest.mark.parametrize("make, factor", CLOSED)
def test_factor_of_the_first_rate(make, factor):
    optimizer = two_groups()
    for epoch, (first, second) in enumerate(rates(optimizer, make(optimizer))):
        assert first == pytest.approx(factor(epoch), rel=1e-9, abs=1e-12)
        assert second == pytest.approx(4 * factor(epoch), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda o: CosineAnnealingLR(o, 13, 0.25),
        lambda o: CosineAnnealingWarmRestarts(o, 13, 1, 0.25),
    ],
)
def test_the_lowest_rate_of_a_cosine(make):
    optimizer = two_groups()
    for epoch, (first, second) in enumerate(rates(optimizer, make(optimizer), 13)):
        assert first == pytest.approx(0.25 + 0.75 * cosine(epoch, 13))
        assert second == pytest.approx(0.25 + 3.75 * cosine(epoch, 13))


def triangle(t, up, down):
    t %= up + down
    return t / up if t <= up else (up + down - t) / down


@pytest.mark.parametrize(
    "mode, height",
    [
        ("triangular", lambda t: 1.0),
        ("triangular2", lambda t: 0.5 ** (t // 8)),
        ("exp_range", lambda t: 0.9**t),
    ],
)
def test_cyclic(mode, height):
    optimizer = two_groups(momentum=0.9)
    scheduler = CyclicLR(optimizer, [1.0, 2.0], [3.0, 6.0], 5, 3, mode=mode, gamma=0.9)
    for step in range(STEPS):
        part = triangle(step, 5, 3) * height(step)
        assert scheduler.get_last_lr() == pytest.approx([1 + 2 * part, 2 + 4 * part])
        assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.9 - 0.1 * part)
        optimizer.step()
        scheduler.step()


def test_cyclic_with_a_function():
    optimizer = two_groups()
    scheduler = CyclicLR(optimizer, 0.0, 1.0, 5, scale_fn=lambda cycle: cycle, cycle_momentum=False)
    seen = [first for first, _ in rates(optimizer, scheduler, 20)]
    assert seen == pytest.approx([triangle(t, 5, 5) * (1 + t // 10) for t in range(20)])


@pytest.mark.parametrize("rule", [rushlight.optim.SGD, rushlight.optim.Adam])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle(rule, three_phase):
    optimizer = two_groups(rule, **({"momentum": 0.5} if rule is rushlight.optim.SGD else {}))
    scheduler = OneCycleLR(
        optimizer, [1.0, 2.0], 41, pct_start=0.25, anneal_strategy="linear", three_phase=three_phase
    )
    first, top, low = 1 / 25, 1.0, 1 / 25 / 1e4
    # The points between which the rate and the momentum go straight.
    turns = [(0, first, 0.95), (9.25, top, 0.85)]
    turns += [(18.5, first, 0.95), (40, low, 0.95)] if three_phase else [(40, low, 0.95)]
    for step in range(41):
        after = next(i for i, (at, _, _) in enumerate(turns) if step <= at and i)
        (t0, r0, m0), (t1, r1, m1) = turns[after - 1], turns[after]
        part = (step - t0) / (t1 - t0)
        rate = r0 + (r1 - r0) * part
        assert scheduler.get_last_lr() == pytest.approx([rate, 2 * rate])
        group = optimizer.param_groups[0]
        momentum = group["betas"][0] if "betas" in group else group["momentum"]
        assert momentum == pytest.approx(m0 + (m1 - m0) * part)
        optimizer.step()
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 42 times"):
        scheduler.step()


def test_one_cycle_along_cosines():
    optimizer = two_groups(momentum=0.9)
    scheduler = OneCycleLR(optimizer, 1.0, epochs=4, steps_per_epoch=5, pct_start=0.25)
    seen = [first for first, _ in rates(optimizer, scheduler, 20)]
    up = [1.0 + (1 / 25 - 1.0) * cosine(t, 4) for t in range(5)]
    low = 1 / 25 / 1e4
    down = [low + (1.0 - low) * cosine(t, 15) for t in range(1, 16)]
    assert seen == pytest.approx(up + down)


@pytest.mark.parametrize(
    "options, metrics, expected",
    [
        ({"patience": 1}, [3, 3, 3], [1, 1, 0.5]),
        ({"patience": 0}, [3, 2, 2, 1, 2], [1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 0, "mode": "max"}, [3, 4, 2], [1, 1, 0.5]),
        ({"patience": 0, "threshold": 0.5, "threshold_mode": "abs"}, [3, 2.6, 2.4], [1, 0.5, 0.5]),
        ({"patience": 0, "threshold": 0.5}, [4, 2.1, 1.9], [1, 0.5, 0.5]),
        ({"patience": 0, "cooldown": 2}, [1, 1, 1, 1, 1], [1, 0.5, 0.5, 0.5, 0.25]),
        ({"patience": 0, "min_lr": 0.3}, [1, 1, 1, 1], [1, 0.5, 0.3, 0.3]),
        ({"patience": 0, "eps": 0.3}, [1, 1, 1], [1, 0.5, 0.5]),
        ({"patience": 0}, [float("nan"), 1], [0.5, 0.5]),
    ],
)
def test_plateau(options, metrics, expected):
    optimizer = two_groups()
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, **options)
    seen = []
    for metric in metrics:
        scheduler.step(rushlight.tensor(float(metric)))
        seen.append(scheduler.get_last_lr()[0])
    assert seen == pytest.approx(expected)


def test_a_new_group_on_a_plateau():
    optimizer = two_groups()
    scheduler = ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.1, 0.1])
    optimizer.add_param_group({"params": [rushlight.ones(1)]})
    scheduler.step(1.0)
    with pytest.raises(RuntimeError, match="modify the `min_lrs` field"):
        scheduler.step(1.0)


class Cube:
    """A function with state, as an object that can be called."""

    def __init__(self, power):
        self.power = power

    def __call__(self, x):
        return 1 / (1 + x) ** self.power


@pytest.mark.parametrize(
    "make",
    [
        lambda o, power: LambdaLR(o, Cube(power)),
        lambda o, power: MultiplicativeLR(o, Cube(power)),
        lambda o, power: CyclicLR(o, 0.1, 1.0, 7, scale_fn=Cube(power), cycle_momentum=False),
    ],
)
def test_functions_that_are_objects_are_saved(make):
    one, other = two_groups(), two_groups()
    first, second = make(one, 3), make(other, 1)
    rates(one, first, 5)
    other.load_state_dict(one.state_dict())
    second.load_state_dict(first.state_dict())
    assert rates(one, first, 5) == rates(other, second, 5)


def test_functions_are_not_saved():
    scheduler = LambdaLR(two_groups(), [lambda e: 1.0, Cube(2)])
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [None, {"power": 2}]
    functions = list(scheduler.lr_lambdas)
    scheduler.load_state_dict(state)
    assert scheduler.lr_lambdas == functions


@pytest.mark.parametrize(
    "make",
    [
        lambda o: SequentialLR(o, [LinearLR(o), ExponentialLR(o, 0.9)], [5]),
        lambda o: ChainedScheduler([LinearLR(o), ExponentialLR(o, 0.9)]),
        lambda o: ReduceLROnPlateau(o, patience=0),
    ],
)
def test_state_dicts(make):
    def go(optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.step()
            scheduler.step(*([1.0] if isinstance(scheduler, ReduceLROnPlateau) else []))
        return scheduler.get_last_lr()

    one, other = two_groups(), two_groups()
    first, second = make(one), make(other)
    go(one, first, 4)
    other.load_state_dict(one.state_dict())
    second.load_state_dict(first.state_dict())
    assert go(one, first, 4) == go(other, second, 4)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda o: LambdaLR(o, [abs]), "Expected 2 lr_lambdas, but got 1"),
        (lambda o: ConstantLR(o, 2), "between 0 and 1, but got factor=2"),
        (lambda o: LinearLR(o, 0), "greater than 0 .* start_factor=0"),
        (lambda o: LinearLR(o, 1, 2), "between 0 and 1, but got end_factor=2"),
        (lambda o: CosineAnnealingWarmRestarts(o, 0), "positive integer T_0, but got 0"),
        (lambda o: CosineAnnealingWarmRestarts(o, 1, 0.5), "integer T_mult >= 1, but got 0.5"),
        (lambda o: CosineAnnealingWarmRestarts(o, 1, 1, "a"), "float or int eta_min"),
        (lambda o: CosineAnnealingWarmRestarts(o, 1).step(-1), "non-negative epoch, but got -1"),
        (lambda o: CyclicLR(o, 1, 2, mode="x"), "mode is invalid .* got 'x'"),
        (lambda o: CyclicLR(o, [1], 2), "base_lr has 1 values, param_groups has 2"),
        (lambda o: OneCycleLR(o, 1), "either total_steps OR"),
        (lambda o: OneCycleLR(o, 1, 0), "positive integer total_steps, but got 0"),
        (lambda o: OneCycleLR(o, 1, 9, pct_start=1), "float between 0 and 1 pct_start, but got 1"),
        (lambda o: OneCycleLR(o, 1, 9, anneal_strategy="x"), "'cos' or 'linear', instead got x"),
        (lambda o: SequentialLR(o, [], []), "at least one scheduler"),
        (lambda o: SequentialLR(o, [ConstantLR(o)], [1]), "one more than the number of milestone"),
        (lambda o: SequentialLR(o, [ConstantLR(two_groups())], []), "belongs to another SGD"),
        (lambda o: SequentialLR(o, [ReduceLROnPlateau(o)], []), "does not support"),
        (lambda o: ChainedScheduler([]), "at least one scheduler"),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), "Factor should be < 1.0"),
        (lambda o: ReduceLROnPlateau(o, mode="x"), "mode x is unknown"),
        (lambda o: ReduceLROnPlateau(o, threshold_mode="x"), "threshold mode x is unknown"),
        (lambda o: ReduceLROnPlateau(o, min_lr=[1]), "expected 2 min_lrs, got 1"),
    ],
)
def test_wrong_values(make, message):
    with pytest.raises(ValueError, match=message):
        make(two_groups())


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda o: MultiplicativeLR(o, 0.5), "should be a function, but got float"),
        (lambda o: SequentialLR(o, [3], []), "at index 0 should have `optimizer`.* got int"),
        (lambda o: ReduceLROnPlateau(None), "NoneType is not an Optimizer"),
        (lambda o: CyclicLR(None, 1, 2), "NoneType is not an Optimizer"),
        (lambda o: OneCycleLR(None, 1, 2), "NoneType is not an Optimizer"),
    ],
)
def test_wrong_types(make, message):
    with pytest.raises(TypeError, match=message):
        make(two_groups())


@pytest.mark.parametrize("make", [lambda o: CyclicLR(o, 1, 2), lambda o: OneCycleLR(o, 1, 2)])
def test_nothing_to_cycle(make):
    optimizer = rushlight.optim.Optimizer([rushlight.ones(1)], {"lr": 1.0})
    with pytest.raises(ValueError, match="Optimizer has neither; pass cycle_momentum=False"):
        make(optimizer)


def test_a_sequence_of_chains():
    optimizer = two_groups()
    chain = ChainedScheduler([ConstantLR(optimizer, 0.5, 20), ExponentialLR(optimizer, 0.5)])
    scheduler = SequentialLR(optimizer, [StepLR(optimizer, 9), chain], [10])
    assert [first for first, _ in rates(optimizer, scheduler, 12)[-2:]] == [0.5, 0.25]
