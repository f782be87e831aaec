"""Averaged models and their schedule against PyTorch's."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
import rushlight.optim.swa_utils  # noqa: E402


def model_of(framework, seed=0):
    framework.manual_seed(seed)
    nn = framework.nn
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))


def train(framework, average, steps=5):
    utils = framework.optim.swa_utils
    model = model_of(framework)
    averaged = average(utils, model)
    optimizer = framework.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        x = framework.randn(8, 2, 8, 8)
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()
        averaged.update_parameters(model)
    return averaged


def arrays(module):
    return {key: value.detach().numpy() for key, value in module.state_dict().items()}


def assert_same(ours, theirs):
    assert list(ours) == list(theirs)
    for key in ours:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=2e-5, atol=1e-6, err_msg=key)


AVERAGES = {
    "equal": lambda u, m: u.AveragedModel(m),
    "equal, by one": lambda u, m: u.AveragedModel(m, avg_fn=u.get_swa_avg_fn()),
    "equal, by many": lambda u, m: u.AveragedModel(m, multi_avg_fn=u.get_swa_multi_avg_fn()),
    "exponential, by one": lambda u, m: u.AveragedModel(m, avg_fn=u.get_ema_avg_fn(0.9)),
    "exponential, by many": lambda u, m: u.AveragedModel(
        m, multi_avg_fn=u.get_ema_multi_avg_fn(0.9)
    ),
    "default decay": lambda u, m: u.AveragedModel(m, multi_avg_fn=u.get_ema_multi_avg_fn()),
    "equal with buffers": lambda u, m: u.AveragedModel(m, use_buffers=True),
    "exponential with buffers": lambda u, m: u.AveragedModel(
        m, multi_avg_fn=u.get_ema_multi_avg_fn(0.9), use_buffers=True
    ),
    "on a device": lambda u, m: u.AveragedModel(m, "cpu"),
    "own": lambda u, m: u.AveragedModel(m, None, lambda a, p, n: a * 0.5 + p * 0.5 + n),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages(name):
    ours, theirs = train(rushlight, AVERAGES[name]), train(torch, AVERAGES[name])
    assert_same(arrays(ours), arrays(theirs))
    x = np.random.default_rng(0).standard_normal((2, 2, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(
        ours.eval()(rushlight.tensor(x)).detach().numpy(),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("source, target", [(torch, rushlight), (rushlight, torch)])
def test_state_dicts_load_in_the_other_framework(source, target):
    averaged = train(source, AVERAGES["equal"])
    fresh = target.optim.swa_utils.AveragedModel(model_of(target, seed=1))
    fresh.load_state_dict(
        {key: target.tensor(value.numpy()) for key, value in averaged.state_dict().items()}
    )
    assert_same(arrays(fresh), arrays(averaged))
    assert fresh.n_averaged == 5


def test_what_a_multi_avg_fn_is_given():
    def run(framework):
        model = framework.nn.Sequential(framework.nn.Linear(2, 2), framework.nn.BatchNorm1d(2))
        model[0].double()
        seen = []

        def average(averages, currents, n):
            kinds = {(str(x.dtype), x.requires_grad) for x in (*averages, *currents)}
            seen.append((len(averages), len(currents), kinds, int(n)))

        averaged = framework.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=average, use_buffers=True
        )
        for _ in range(3):
            averaged.update_parameters(model)
        return sorted(seen, key=str)

    assert run(rushlight) == run(torch)


FUNCTIONS = {
    "ema": lambda u, a, b: u.get_ema_avg_fn(0.9)(a, b, 3),
    "swa": lambda u, a, b: u.get_swa_avg_fn()(a, b, 3),
    "ema, many": lambda u, a, b: u.get_ema_multi_avg_fn(0.9)([a], [b], 3),
    "swa, many": lambda u, a, b: u.get_swa_multi_avg_fn()([a], [b], 3),
}


DTYPES = ["float32", "float64", "complex64", "bfloat16", "int64"]


# PyTorch's equal average of many integers is an error.
@pytest.mark.parametrize(
    "name, dtype",
    [(n, d) for n in FUNCTIONS for d in DTYPES if (n, d) != ("swa, many", "int64")],
)
def test_functions(name, dtype):
    def run(framework):
        a = framework.tensor([1, 20, 3]).to(getattr(framework, dtype))
        b = framework.tensor([4, 5, 70]).to(getattr(framework, dtype))
        made = FUNCTIONS[name](framework.optim.swa_utils, a, b)
        return [x.to(framework.complex64).numpy() for x in (a, b, a if made is None else made)]

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=1e-6)


@pytest.mark.parametrize("batches", ["tensors", "pairs", "none"])
@pytest.mark.parametrize("device", [None, "cpu"])
def test_update_bn(batches, device):
    def run(framework):
        model = model_of(framework)
        model[1].momentum = 0.3
        model.eval()
        framework.manual_seed(3)
        loader = [framework.randn(n, 2, 8, 8) for n in (4, 4, 2)]
        if batches == "pairs":
            loader = [(x, framework.zeros(len(x))) for x in loader]
        if batches == "none":
            loader = []
        made = framework.optim.swa_utils.update_bn(loader, model, device)
        assert (made, model.training, model[1].momentum) == (None, False, 0.3)
        return arrays(model)

    assert_same(run(rushlight), run(torch))


def test_update_bn_without_batch_norm():
    # The data are not even looked at.
    for framework in (rushlight, torch):
        assert framework.optim.swa_utils.update_bn(3, framework.nn.Linear(1, 1)) is None


SCHEDULES = {
    "cos": {},
    "linear": {"anneal_strategy": "linear", "anneal_epochs": 20},
    "at once": {"anneal_epochs": 0},
    "one epoch": {"anneal_epochs": 1, "anneal_strategy": "linear"},
    "by group": {"swa_lr": [0.01, 0.3]},
}


def optimizer_of(framework):
    groups = [
        {"params": [framework.nn.Parameter(framework.ones(1))], "lr": 0.1 * (i + 1)}
        for i in range(2)
    ]
    return framework.optim.SGD(groups, lr=0.1)


def schedule(framework, options, optimizer):
    return framework.optim.swa_utils.SWALR(optimizer, **{"swa_lr": 0.05, **options})


def rates(framework, options, steps, by_hand=None, before=0):
    optimizer = optimizer_of(framework)
    decay = framework.optim.lr_scheduler.StepLR(optimizer, 3)
    for _ in range(before):
        optimizer.step()
        decay.step()
    scheduler = schedule(framework, options, optimizer)
    seen = []
    for step in range(steps):
        seen.append((scheduler.get_last_lr(), [g["lr"] for g in optimizer.param_groups]))
        if step == by_hand:
            optimizer.param_groups[0]["lr"] = 0.7
        optimizer.step()
        scheduler.step()
    state = scheduler.state_dict()
    return seen, state, [{**g, "params": None} for g in optimizer.param_groups]


@pytest.mark.parametrize("before", [0, 7])
@pytest.mark.parametrize("by_hand", [None, 4])
@pytest.mark.parametrize("name", SCHEDULES)
def test_swalr(name, by_hand, before):
    ours = rates(rushlight, SCHEDULES[name], 200, by_hand, before)
    theirs = rates(torch, SCHEDULES[name], 200, by_hand, before)
    assert ours[:2] == theirs[:2]
    assert [g["swa_lr"] for g in ours[2]] == [g["swa_lr"] for g in theirs[2]]


@pytest.mark.parametrize("source, target", [(torch, rushlight), (rushlight, torch)])
def test_swalr_state_in_the_other_framework(source, target):
    def go(optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
        return scheduler.get_last_lr()

    first, second = optimizer_of(source), optimizer_of(target)
    linear = {"anneal_strategy": "linear", "anneal_epochs": 30}
    first_scheduler = schedule(source, linear, first)
    second_scheduler = schedule(target, {}, second)
    go(first, first_scheduler, 5)
    second.load_state_dict(first.state_dict())
    second_scheduler.load_state_dict(first_scheduler.state_dict())
    assert go(first, first_scheduler, 9) == go(second, second_scheduler, 9)


def test_swalr_with_a_tensor_rate():
    def run(framework):
        rate = framework.tensor(0.5)
        optimizer = framework.optim.Adam([framework.nn.Parameter(framework.ones(1))], lr=rate)
        scheduler = framework.optim.swa_utils.SWALR(optimizer, 0.1, 4, "linear")
        seen = []
        for _ in range(8):
            optimizer.step()
            scheduler.step()
            seen.append(rate.item())
        assert optimizer.param_groups[0]["lr"] is rate
        return seen

    assert run(rushlight) == run(torch)


def test_swalr_is_copied():
    optimizer = optimizer_of(rushlight)
    scheduler = copy.deepcopy(schedule(rushlight, {}, optimizer))
    scheduler.optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() != [0.1, 0.2]
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.2]


def linear(f):
    return f.nn.Linear(1, 1)


CALLS = {
    "two functions": lambda u, f: u.AveragedModel(linear(f), None, max, max),
    "decay": lambda u, f: u.get_ema_avg_fn(1.5),
    "decay of many": lambda u, f: u.get_ema_multi_avg_fn(-0.5),
    "strategy": lambda u, f: u.SWALR(optimizer_of(f), 0.1, anneal_strategy="x"),
    "epochs": lambda u, f: u.SWALR(optimizer_of(f), 0.1, anneal_epochs=-1),
    "half an epoch": lambda u, f: u.SWALR(optimizer_of(f), 0.1, anneal_epochs=1.5),
    "rates": lambda u, f: u.SWALR(optimizer_of(f), [0.1]),
    "get_lr": lambda u, f: u.SWALR(optimizer_of(f), 0.1).get_lr(),
    "nothing to go on with": lambda u, f: u.SWALR(optimizer_of(f), 0.1, last_epoch=3),
    "another model": lambda u, f: u.AveragedModel(f.nn.BatchNorm1d(1)).update_parameters(linear(f)),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    def outcome(framework):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                CALLS[name](framework.optim.swa_utils, framework)
                error = None
            except Exception as raised:
                error = type(raised)
        return error, [w.category for w in caught]

    assert outcome(rushlight) == outcome(torch)


def test_names():
    assert set(torch.optim.swa_utils.__all__) == set(rushlight.optim.swa_utils.__all__)
