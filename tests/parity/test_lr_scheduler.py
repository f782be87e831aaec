"""Schedules against PyTorch's: the rates of 200 steps, state dicts, jumps, warnings and errors."""

import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
import rushlight.optim.swa_utils  # noqa: E402


class Cube:
    """A function with state, as an object that can be called."""

    def __init__(self):
        self.power = 3

    def __call__(self, x):
        return 1 / (1 + x) ** self.power


def optimizer_of(framework, groups=2, rule="SGD", **options):
    made = [
        {"params": [framework.nn.Parameter(framework.ones(1))], "lr": 0.1 * (i + 1)}
        for i in range(groups)
    ]
    return getattr(framework.optim, rule)(made, lr=0.1, **options)


def chained(s, o):
    return s.ChainedScheduler([s.ConstantLR(o, 0.5, 20), s.ExponentialLR(o, 0.97)])


def swa_utils(s):
    return {rushlight.optim.lr_scheduler: rushlight, torch.optim.lr_scheduler: torch}[
        s
    ].optim.swa_utils


SCHEDULES = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.97**epoch),
    "two lambdas": lambda s, o: s.LambdaLR(o, [lambda e: 1 / (1 + e), Cube()]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 0.99),
    "step": lambda s, o: s.StepLR(o, 30),
    "step by 1": lambda s, o: s.StepLR(o, 1, gamma=0.9),
    "multi-step": lambda s, o: s.MultiStepLR(o, [7, 7, 80, 81], gamma=0.3),
    "constant": lambda s, o: s.ConstantLR(o),
    "constant long": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=50),
    "linear": lambda s, o: s.LinearLR(o),
    "linear down": lambda s, o: s.LinearLR(o, 1.0, 0.01, total_iters=150),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.98),
    "polynomial": lambda s, o: s.PolynomialLR(o),
    "polynomial 2": lambda s, o: s.PolynomialLR(o, total_iters=150, power=2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 30),
    "cosine above 0": lambda s, o: s.CosineAnnealingLR(o, 150, eta_min=0.01),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "longer restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, 2, eta_min=0.001),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, [0.1, 0.2], step_size_up=9),
    "cyclic 2": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, 5, mode="triangular2"),
    "cyclic exp": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, mode="exp_range", gamma=0.99),
    "cyclic own": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, scale_fn=Cube(), cycle_momentum=False),
    "cyclic own by step": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, 9, scale_fn=lambda x: 0.99**x, scale_mode="iterations"
    ),
    "one cycle": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=201),
    "one cycle linear": lambda s, o: s.OneCycleLR(
        o, [1.0, 2.0], epochs=3, steps_per_epoch=67, anneal_strategy="linear", pct_start=0.2
    ),
    "one cycle of three": lambda s, o: s.OneCycleLR(o, 1.0, 201, three_phase=True),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, total_iters=10), s.ExponentialLR(o, 0.98), s.StepLR(o, 20)], [10, 100]
    ),
    "sequential from 0": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o), s.ExponentialLR(o, 0.9)], [0]
    ),
    "chained": chained,
    "swa": lambda s, o: swa_utils(s).SWALR(o, 0.01, 50),
    "swa linear": lambda s, o: swa_utils(s).SWALR(o, [0.01, 0.5], 50, "linear"),
    "chain of chains": lambda s, o: s.ChainedScheduler([chained(s, o), s.StepLR(o, 50)], o),
    "sequence in a chain": lambda s, o: s.ChainedScheduler(
        [s.SequentialLR(o, [s.ConstantLR(o), s.ExponentialLR(o, 0.97)], [15]), s.StepLR(o, 70)]
    ),
}
RULES = ["SGD", "Adam"]


def trace(framework, make, rule, steps=200):
    options = {"momentum": 0.9} if rule == "SGD" else {}
    optimizer = optimizer_of(framework, rule=rule, **options)
    scheduler = make(framework.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(shown(optimizer, scheduler))
        optimizer.step()
        scheduler.step()
    return rates


def shown(optimizer, scheduler):
    options = [
        [g["lr"], g.get("initial_lr"), g.get("momentum"), g.get("betas")]
        for g in optimizer.param_groups
    ]
    return options, [float(lr) for lr in scheduler.get_last_lr()]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates(name, rule):
    # Equal to the last bit: the same operations in the same order.
    ours = trace(rushlight, SCHEDULES[name], rule)
    assert ours == trace(torch, SCHEDULES[name], rule)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_rate_set_by_hand(name):
    def run(framework):
        optimizer = optimizer_of(framework, momentum=0.9)
        scheduler = SCHEDULES[name](framework.optim.lr_scheduler, optimizer)
        rates = []
        for step in range(20):
            if step == 9:
                optimizer.param_groups[1]["lr"] = 0.7
            optimizer.step()
            scheduler.step()
            rates.append(shown(optimizer, scheduler))
        return rates

    assert run(rushlight) == run(torch)


def plain(state):
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [plain(item) for item in state]
    return state


@pytest.mark.parametrize("name", SCHEDULES)
def test_state_dict(name):
    def run(framework):
        optimizer = optimizer_of(framework, momentum=0.9)
        scheduler = SCHEDULES[name](framework.optim.lr_scheduler, optimizer)
        for _ in range(12):
            optimizer.step()
            scheduler.step()
        return scheduler.state_dict()

    ours = run(rushlight)
    assert plain(ours) == plain(run(torch))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("source, target", [(torch, rushlight), (rushlight, torch)])
def test_state_dicts_load_in_the_other_framework(name, source, target):
    def start(framework):
        optimizer = optimizer_of(framework, momentum=0.9)
        return optimizer, SCHEDULES[name](framework.optim.lr_scheduler, optimizer)

    def go(optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.step()
            scheduler.step()

    first, first_scheduler = start(source)
    go(first, first_scheduler, 12)
    second, second_scheduler = start(target)
    second.load_state_dict(first.state_dict())
    second_scheduler.load_state_dict(first_scheduler.state_dict())
    go(first, first_scheduler, 12)
    go(second, second_scheduler, 12)
    assert shown(first, first_scheduler) == shown(second, second_scheduler)


JUMPING = [n for n in SCHEDULES if not n.startswith(("seq", "chain"))]


@pytest.mark.parametrize("name", JUMPING)
def test_jumps(name):
    def run(framework):
        optimizer = optimizer_of(framework, momentum=0.9)
        scheduler = SCHEDULES[name](framework.optim.lr_scheduler, optimizer)
        optimizer.step()
        rates = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in [5, 31, 2, 0]:
                scheduler.step(epoch)
                rates.append((shown(optimizer, scheduler), scheduler.last_epoch))
        return rates

    assert run(rushlight) == run(torch)


@pytest.mark.parametrize("name", JUMPING)
@pytest.mark.parametrize("last_epoch", [0, 2, 6])
def test_going_on_with_last_epoch(name, last_epoch):
    arguments = {
        "lambda": ("LambdaLR", lambda e: 0.9**e),
        "multiplicative": ("MultiplicativeLR", lambda e: 0.9),
        "step": ("StepLR", 3),
        "multi-step": ("MultiStepLR", [3, 7]),
        "constant": ("ConstantLR",),
        "linear": ("LinearLR",),
        "exponential": ("ExponentialLR", 0.9),
        "polynomial": ("PolynomialLR",),
        "cosine": ("CosineAnnealingLR", 5),
        "restarts": ("CosineAnnealingWarmRestarts", 3, 2),
        "cyclic": ("CyclicLR", 0.01, 0.1, 4),
        "one cycle": ("OneCycleLR", 1.0, 30),
    }.get(name, ("StepLR", 2))

    def run(framework):
        def make(optimizer, last=-1):
            kind, *rest = arguments
            return getattr(framework.optim.lr_scheduler, kind)(optimizer, *rest, last_epoch=last)

        optimizer = optimizer_of(framework, momentum=0.9)
        scheduler = make(optimizer)
        for _ in range(last_epoch):
            optimizer.step()
            scheduler.step()
        scheduler = make(optimizer, last_epoch)
        rates = []
        for _ in range(10):
            optimizer.step()
            scheduler.step()
            rates.append(shown(optimizer, scheduler))
        return rates

    assert run(rushlight) == run(torch)


@pytest.mark.parametrize(
    "inner",
    [chained, lambda s, o: s.SequentialLR(o, [s.LinearLR(o), s.StepLR(o, 9)], [8])],
    ids=["chain", "sequence"],
)
def test_several_in_a_sequence(inner):
    def make(s, optimizer):
        with pytest.warns(UserWarning, match="before `optimizer.step"):
            return s.SequentialLR(optimizer, [inner(s, optimizer), s.StepLR(optimizer, 9)], [50])

    assert trace(rushlight, make, "SGD") == trace(torch, make, "SGD")


def test_fractions_of_epochs():
    def run(framework):
        optimizer = optimizer_of(framework)
        s = framework.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, 2)
        rates = []
        for epoch in [0.5, 1, 2.9, 3, 3.5, 9, 8, 2, 25]:
            s.step(epoch)
            rates.append((s.get_last_lr(), s.T_cur, s.T_i, s.last_epoch))
        return rates

    assert run(rushlight) == run(torch)


PLATEAUS = [
    {},
    {"mode": "max", "patience": 1, "factor": 0.5},
    {"threshold_mode": "abs", "threshold": 0.5, "patience": 2, "cooldown": 3},
    {"mode": "max", "threshold_mode": "abs", "patience": 0, "min_lr": [0.01, 0.02]},
    {"patience": 0, "eps": 0.01, "min_lr": 0.001},
]


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_plateau(options):
    losses = [
        9,
        8,
        7,
        7,
        7,
        7.2,
        6.9,
        6.9,
        5,
        5,
        5,
        5,
        5,
        5.1,
        5,
        5,
        5,
        5,
        5,
        5,
        5,
        4,
        float("nan"),
        3,
    ]

    def run(framework):
        optimizer = optimizer_of(framework)
        s = framework.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        seen = []
        for step, loss in enumerate(losses * 2):
            s.step(framework.tensor(loss) if step % 2 else loss)
            seen.append((s.get_last_lr(), str(s.state_dict())))
        return seen

    assert run(rushlight) == run(torch)


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_plateau_for_200_steps(options):
    metrics = np.random.default_rng(0).normal(size=200) + np.linspace(9, 1, 200)

    def run(framework):
        optimizer = optimizer_of(framework)
        s = framework.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        rates = []
        for metric in metrics.tolist():
            s.step(metric)
            rates.append(s.get_last_lr())
        return rates

    assert run(rushlight) == run(torch)


def test_plateau_with_a_new_group():
    def run(framework, min_lr):
        optimizer = optimizer_of(framework)
        s = framework.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=min_lr)
        optimizer.add_param_group({"params": [framework.nn.Parameter(framework.ones(1))]})
        s.step(1.0)
        s.step(1.0)
        return s.get_last_lr()

    assert run(rushlight, 0.01) == run(torch, 0.01)
    with pytest.raises(RuntimeError, match="The number of param groups"):
        run(rushlight, [0.01, 0.02])


@pytest.mark.parametrize(
    "name", ["step", "multi-step", "exponential", "cosine", "restarts", "linear"]
)
def test_tensor_rates_are_written_into(name):
    def run(framework):
        rate = framework.tensor(0.5)
        optimizer = framework.optim.Adam([framework.nn.Parameter(framework.ones(1))], lr=rate)
        scheduler = SCHEDULES[name](framework.optim.lr_scheduler, optimizer)
        rates = []
        for _ in range(10):
            optimizer.step()
            scheduler.step()
            rates.append((rate.item(), scheduler.get_last_lr()[0].item()))
        assert optimizer.param_groups[0]["lr"] is rate
        return rates, scheduler.base_lrs[0].item()

    assert run(rushlight) == run(torch)


def outcome(call, framework):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call(framework.optim.lr_scheduler, framework)
            error = None
        except Exception as raised:
            error = type(raised)
    return error, [w.category for w in caught]


def o(framework, *args, **kwargs):
    return optimizer_of(framework, 1, *args, **kwargs)


def steps(optimizer, scheduler, order):
    for letter in order:
        {"o": optimizer, "s": scheduler}[letter].step()


def two(f, make):
    optimizer = o(f)
    s = f.optim.lr_scheduler
    return make(s, optimizer, s.ConstantLR(optimizer), s.ExponentialLR(optimizer, 0.9))


def ordered(f, order):
    optimizer = o(f)
    steps(optimizer, f.optim.lr_scheduler.StepLR(optimizer, 3), order)


CALLS = {
    "no optimizer": lambda s, f: s.StepLR(3, 3),
    "nothing to go on with": lambda s, f: s.StepLR(o(f), 3, last_epoch=2),
    "wrong order": lambda s, f: ordered(f, "sso"),
    "right order": lambda s, f: ordered(f, "oss"),
    "epoch": lambda s, f: s.CosineAnnealingLR(o(f), 3).step(2),
    "get_lr": lambda s, f: s.StepLR(o(f), 3).get_lr(),
    "too few lambdas": lambda s, f: s.LambdaLR(optimizer_of(f), [abs]),
    "too few factors": lambda s, f: s.MultiplicativeLR(optimizer_of(f), [abs]),
    "no function": lambda s, f: s.MultiplicativeLR(o(f), 0.5),
    "constant": lambda s, f: s.ConstantLR(o(f), factor=2),
    "linear start": lambda s, f: s.LinearLR(o(f), start_factor=0),
    "linear end": lambda s, f: s.LinearLR(o(f), end_factor=2),
    "T_0": lambda s, f: s.CosineAnnealingWarmRestarts(o(f), 0),
    "T_0 of 1.5": lambda s, f: s.CosineAnnealingWarmRestarts(o(f), 1.5),
    "T_mult": lambda s, f: s.CosineAnnealingWarmRestarts(o(f), 3, 0),
    "eta_min": lambda s, f: s.CosineAnnealingWarmRestarts(o(f), 3, eta_min="a"),
    "negative epoch": lambda s, f: s.CosineAnnealingWarmRestarts(o(f), 3).step(-1),
    "mode": lambda s, f: s.CyclicLR(o(f), 0.1, 0.2, mode="x"),
    "bounds": lambda s, f: s.CyclicLR(o(f), [0.1, 0.2], 0.2),
    "total_steps": lambda s, f: s.OneCycleLR(o(f), 0.1, total_steps=0),
    "no steps": lambda s, f: s.OneCycleLR(o(f), 0.1),
    "epochs alone": lambda s, f: s.OneCycleLR(o(f), 0.1, epochs=1),
    "epochs": lambda s, f: s.OneCycleLR(o(f), 0.1, epochs=0, steps_per_epoch=1),
    "steps_per_epoch": lambda s, f: s.OneCycleLR(o(f), 0.1, epochs=1, steps_per_epoch=0),
    "pct_start": lambda s, f: s.OneCycleLR(o(f), 0.1, total_steps=10, pct_start=2),
    "pct_start of 1": lambda s, f: s.OneCycleLR(o(f), 0.1, total_steps=10, pct_start=1),
    "strategy": lambda s, f: s.OneCycleLR(o(f), 0.1, total_steps=10, anneal_strategy="x"),
    "max_lr": lambda s, f: s.OneCycleLR(o(f), [0.1, 0.2], total_steps=10),
    "too many steps": lambda s, f: [s.OneCycleLR(o(f), 0.1, 3)] * 5,
    "no schedulers": lambda s, f: s.SequentialLR(o(f), [], []),
    "milestones": lambda s, f: two(f, lambda s, p, a, b: s.SequentialLR(p, [a, b], [1, 2])),
    "other optimizer": lambda s, f: two(f, lambda s, p, a, b: s.SequentialLR(o(f), [a, b], [1])),
    "no scheduler": lambda s, f: two(f, lambda s, p, a, b: s.SequentialLR(p, [a, 3], [1])),
    "plateau in sequence": lambda s, f: two(
        f, lambda s, p, a, b: s.SequentialLR(p, [a, s.ReduceLROnPlateau(p)], [1])
    ),
    "epoch in sequence": lambda s, f: two(
        f, lambda s, p, a, b: s.SequentialLR(p, [a, b], [1]).step(3)
    ),
    "empty chain": lambda s, f: s.ChainedScheduler([]),
    "mixed chain": lambda s, f: two(
        f, lambda s, p, a, b: s.ChainedScheduler([a, s.StepLR(o(f), 1)])
    ),
    "factor": lambda s, f: s.ReduceLROnPlateau(o(f), factor=1.0),
    "plateau mode": lambda s, f: s.ReduceLROnPlateau(o(f), mode="x"),
    "threshold mode": lambda s, f: s.ReduceLROnPlateau(o(f), threshold_mode="x"),
    "plateau without optimizer": lambda s, f: s.ReduceLROnPlateau(3),
    "min_lr": lambda s, f: s.ReduceLROnPlateau(o(f), min_lr=[1, 2]),
    "no metric": lambda s, f: s.ReduceLROnPlateau(o(f)).step(),
    "plateau epoch": lambda s, f: s.ReduceLROnPlateau(o(f)).step(1.0, 3),
    "plateau get_lr": lambda s, f: s.ReduceLROnPlateau(o(f)).get_lr(),
    "abstract": lambda s, f: s.LRScheduler(o(f)),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    assert outcome(CALLS[name], rushlight) == outcome(CALLS[name], torch)


def test_too_many_steps():
    def run(framework):
        optimizer = o(framework, momentum=0.9)
        scheduler = framework.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3)
        steps(optimizer, scheduler, "osss")
        with pytest.raises(ValueError, match="Tried to step 4 times"):
            scheduler.step()

    run(rushlight)
    run(torch)


def test_no_momentum_to_cycle():
    optimizer = rushlight.optim.Optimizer([rushlight.ones(1)], {"lr": 0.1})
    with pytest.raises(ValueError, match="must support momentum or beta1"):
        rushlight.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.2)


def test_schedules_are_pickled_with_their_optimizer():
    optimizer = o(rushlight)
    scheduler = rushlight.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.2, 3)
    copy = pickle.loads(pickle.dumps(scheduler))
    copy.optimizer.step()
    copy.step()
    optimizer.step()
    scheduler.step()
    assert copy.get_last_lr() == scheduler.get_last_lr()
    assert copy.optimizer is not optimizer


def test_names():
    ours, theirs = rushlight.optim.lr_scheduler, torch.optim.lr_scheduler
    assert [n for n in theirs.__all__ if not hasattr(ours, n)] == []
    assert issubclass(ours._LRScheduler, ours.LRScheduler)
