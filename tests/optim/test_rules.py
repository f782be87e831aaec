"""The element-wise rules against their formulas written for float64 arrays, on both roads."""

import numpy as np
import pytest

import rushlight
from rushlight.optim import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)
from rushlight.optim.tape import Tape

STEPS = 6


@pytest.fixture(params=["together", "each"])
def road(request, monkeypatch):
    """The native pass, and the formula in ordinary ops."""
    kernels = {"together": "fast", "each": "plain"}[request.param]
    monkeypatch.setenv("RUSHLIGHT_KERNELS", kernels)
    return request.param


def gradient(w, step):
    return np.sin(3 * w + step)


def sgd(w, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    buffer = None
    for step in range(STEPS):
        g = gradient(w, step) * (-1 if maximize else 1) + weight_decay * w
        buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
        direction = g + momentum * buffer if nesterov else (buffer if momentum else g)
        w = w - lr * direction
    return w


def adam(
    w,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    amsgrad=False,
    maximize=False,
    apart=False,
):
    m = v = largest = np.zeros_like(w)
    for step in range(STEPS):
        g = gradient(w, step) * (-1 if maximize else 1)
        if apart:
            w = w - lr * weight_decay * w
        else:
            g = g + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        second = (largest if amsgrad else v) / (1 - betas[1] ** (step + 1))
        w = w - lr * m / (1 - betas[0] ** (step + 1)) / (np.sqrt(second) + eps)
    return w


def descend(w, change, lr, weight_decay=0.0, decoupled_weight_decay=False, maximize=False):
    """All steps of a rule that takes ``lr * change(gradients so far)`` off ``w``."""
    seen = []
    for step in range(STEPS):
        g = gradient(w, step) * (-1 if maximize else 1)
        if decoupled_weight_decay:
            w = w - lr * weight_decay * w
        else:
            g = g + weight_decay * w
        seen.append(g)
        w = w - lr * change(seen)
    return w


def average(values, beta):
    """The average that forgets, unrolled."""
    return (1 - beta) * sum(beta**age * x for age, x in enumerate(reversed(values)))


def squares(values):
    return [x**2 for x in values]


def asgd(w, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0, maximize=False):
    for step in range(STEPS):
        g = gradient(w, step) * (-1 if maximize else 1) + weight_decay * w
        # What is remembered between steps is of float32.
        eta = float(np.float32(lr / (1 + lambd * lr * step) ** alpha))
        w = w - eta * (lambd * w + g)
    return w


def rprop(w, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), maximize=False):
    size, before = np.full_like(w, lr), np.zeros_like(w)
    for step in range(STEPS):
        sign = np.sign(gradient(w, step)) * (-1 if maximize else 1)
        turned = sign * before < 0
        size = np.where(turned, size * etas[0], np.where(before == 0, size, size * etas[1]))
        size = np.clip(size, *step_sizes)
        before = np.where(turned, 0, sign)
        w = w - size * before
    return w


def adagrad(w, lr=1e-2, lr_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, **others):
    def change(seen):
        total = initial_accumulator_value + sum(squares(seen))
        return seen[-1] / (np.sqrt(total) + eps) / (1 + (len(seen) - 1) * lr_decay)

    return descend(w, change, lr, **others)


def adadelta(w, lr=1.0, rho=0.9, eps=1e-6, **others):
    steps = []

    def change(seen):
        size = average(squares(seen), rho) + eps
        steps.append(seen[-1] * np.sqrt((average(squares(steps), rho) + eps) / size))
        return steps[-1]

    return descend(w, change, lr, **others)


def rmsprop(w, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, centered=False, **others):
    quotients = []

    def change(seen):
        size = average(squares(seen), alpha) - centered * average(seen, alpha) ** 2
        quotients.append(seen[-1] / (np.sqrt(size) + eps))
        return average(quotients, momentum) / (1 - momentum)

    return descend(w, change, lr, **others)


def adamax(w, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, **others):
    def change(seen):
        sizes = [betas[1] ** age * (abs(g) + eps) for age, g in enumerate(reversed(seen))]
        return average(seen, betas[0]) / (1 - betas[0] ** len(seen)) / np.max(sizes, axis=0)

    return descend(w, change, lr, **others)


def nadam(w, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3, **others):
    def change(seen):
        t = np.arange(1, len(seen) + 2)
        momenta = betas[0] * (1 - 0.96 ** (t * momentum_decay) / 2)
        # What is remembered between steps is of float32.
        product = np.prod(momenta[:-1].astype(np.float32), dtype=np.float32).astype(np.float64)
        ahead = average(seen, betas[0]) * momenta[-1] / (1 - product * momenta[-1])
        here = seen[-1] * (1 - momenta[-2]) / (1 - product)
        size = average(squares(seen), betas[1]) / (1 - betas[1] ** len(seen))
        return (ahead + here) / (np.sqrt(size) + eps)

    return descend(w, change, lr, **others)


def radam(w, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, **others):
    def change(seen):
        t, longest = len(seen), 2 / (1 - betas[1]) - 1
        mean = average(seen, betas[0]) / (1 - betas[0] ** t)
        known = 1 - betas[1] ** t
        length = longest - 2 * t * betas[1] ** t / known
        if length <= 5:
            return mean
        least = (longest - 4) * (longest - 2) / longest
        rectified = (length - 4) * (length - 2) / length / least
        size = np.sqrt(average(squares(seen), betas[1])) + eps
        return mean * np.sqrt(rectified * known) / size

    return descend(w, change, lr, **others)


START = [np.linspace(-2, 2, 12).reshape(3, 4), np.array(0.5), np.zeros((0, 3)), np.ones(40000)]


def train(rule, dtype, **options):
    params = [rushlight.nn.Parameter(rushlight.tensor(a, dtype=dtype)) for a in START]
    optimizer = rule(params, **options)
    for step in range(STEPS):
        for p in params:
            p.grad = rushlight.tensor(gradient(p.detach().double().numpy(), step), dtype=dtype)
        optimizer.step()
    return [p.detach().double().numpy() for p in params]


def adamw(w, weight_decay=0.01, **options):
    return adam(w, weight_decay=weight_decay, apart=True, **options)


ADAM = [
    {},
    {"lr": 0.05, "betas": (0.6, 0.8), "eps": 1e-2},
    {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True},
    {"lr": 0.05, "weight_decay": 0.3, "maximize": True},
]
APART = {"weight_decay": 0.3, "decoupled_weight_decay": True}
TABLE = {
    SGD: [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.2},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True},
    ],
    Adam: ADAM,
    AdamW: ADAM,
    ASGD: [
        {},
        {"lr": 0.1, "lambd": 0.2, "alpha": 0.5, "t0": 2, "weight_decay": 0.1},
        {"lr": 0.1, "maximize": True},
    ],
    Rprop: [
        {},
        {"lr": 0.1, "etas": (0.3, 1.9)},
        {"lr": 0.1, "step_sizes": (0.09, 0.15), "maximize": True},
    ],
    Adagrad: [
        {},
        {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1},
        {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 0.1, "maximize": True},
    ],
    Adadelta: [
        {},
        {"lr": 5.0, "rho": 0.6, "eps": 1e-3, "weight_decay": 0.1},
        {"lr": 5.0, "rho": 0.0, "eps": 1e-3, "maximize": True},
    ],
    RMSprop: [
        {},
        {"momentum": 0.8, "weight_decay": 0.1},
        {"alpha": 0.8, "eps": 0.1, "centered": True, "maximize": True},
        {"momentum": 0.5, "eps": 0.1, "centered": True},
    ],
    Adamax: [
        {},
        {"lr": 0.05, "betas": (0.6, 0.8), "eps": 1e-2, "weight_decay": 0.1},
        {"lr": 0.05, "maximize": True},
    ],
    NAdam: [
        {},
        {"lr": 0.05, "betas": (0.6, 0.8), "eps": 1e-2, "weight_decay": 0.1},
        {"lr": 0.05, "momentum_decay": 0.3, "maximize": True, **APART},
    ],
    RAdam: [
        {},
        {"lr": 0.05, "betas": (0.6, 0.9), "eps": 1e-2, "weight_decay": 0.1},
        {"lr": 0.05, "maximize": True, **APART},
    ],
}
ORACLES = {rule: globals()[rule.__name__.lower()] for rule in TABLE}
ROWS = [(rule, options) for rule, table in TABLE.items() for options in table]
DTYPES = [(rushlight.float64, 1e-11), (rushlight.float32, 3e-5)]


@pytest.mark.parametrize("dtype, tolerance", DTYPES, ids=str)
@pytest.mark.parametrize("rule, options", ROWS, ids=str)
def test_rule(rule, options, dtype, tolerance, road):
    for got, start in zip(train(rule, dtype, **options), START, strict=True):
        wanted = ORACLES[rule](start, **options)
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_decoupled_adam_is_adamw(road):
    one = train(Adam, rushlight.float32, weight_decay=0.1, decoupled_weight_decay=True)
    other = train(AdamW, rushlight.float32, weight_decay=0.1)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("rule", TABLE)
def test_the_native_pass_is_taken(rule, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_KERNELS", "fast")
    taken = []
    original = Tape.run
    monkeypatch.setattr(Tape, "run", lambda *a: taken.append(original(*a)))
    train(rule, rushlight.float32)
    assert taken == [None] * STEPS


def test_a_parameter_that_is_listed_twice_is_updated_twice(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_KERNELS", "fast")
    w = rushlight.nn.Parameter(rushlight.ones(2))
    w.grad = rushlight.ones(2)
    with pytest.warns(UserWarning, match="duplicate"):
        optimizer = SGD([w, w], lr=0.25)
    optimizer.step()
    assert w.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("rule", TABLE)
def test_an_overridden_formula_is_used(rule):
    class Nothing(rule):
        def update(self, p, g, state, group):
            p.zero_()

    assert all((w == 0).all() for w in train(Nothing, rushlight.float32))


@pytest.mark.parametrize("dtype", [rushlight.float16, rushlight.bfloat16])
@pytest.mark.parametrize("rule", TABLE)
def test_half_precision_falls_back(rule, dtype):
    # With eps as it is, the squares of small numbers would be too small for float16.
    options = {SGD: {"momentum": 0.9}, ASGD: {}, Rprop: {}}.get(rule, {"eps": 0.1})

    def run(dtype):
        w = rushlight.nn.Parameter(rushlight.linspace(0.5, 2, 4).to(dtype))
        optimizer = rule([w], lr=0.25, **options)
        for _ in range(3):
            w.grad = w.detach() / 2
            optimizer.step()
        return w.detach()

    half = run(dtype)
    assert half.dtype is dtype
    np.testing.assert_allclose(half.float().numpy(), run(rushlight.float32).numpy(), atol=0.03)


def test_a_mixed_group_is_updated_once(road):
    # The native pass takes no float16, so the whole group goes the other way, none of it twice.
    params = [
        rushlight.nn.Parameter(rushlight.ones(3)),
        rushlight.nn.Parameter(rushlight.ones(3, dtype=rushlight.float16)),
    ]
    optimizer = SGD(params, lr=0.5, momentum=0.5)
    params[0].grad = rushlight.ones(3)
    optimizer.step()
    params[1].grad = rushlight.ones(3, dtype=rushlight.float16)
    optimizer.step()
    assert params[0].tolist() == [1 - 0.5 - 0.75] * 3
    assert params[1].tolist() == [0.5] * 3


@pytest.mark.parametrize("rule, options", ROWS, ids=str)
def test_real_and_imaginary_parts_are_numbers_of_their_own(rule, options, road):
    start = rushlight.arange(12.0).sin().reshape(2, 3, 2)
    pair = rushlight.nn.Parameter(start.clone())
    whole = rushlight.nn.Parameter(rushlight.view_as_complex(start.clone()))
    a, b = rule([pair], **options), rule([whole], **options)
    for step in range(STEPS):
        pair.grad = (3 * start + step).cos()
        whole.grad = rushlight.view_as_complex(pair.grad)
        a.step()
        b.step()
    assert rushlight.view_as_real(whole.detach()).tolist() == pair.tolist()
    kept = [key for key in a.state[pair] if a.state[pair][key].ndim > 0]
    assert [b.state[whole][key].dtype for key in kept] == [rushlight.complex64] * len(kept)


@pytest.mark.parametrize(
    "w", [rushlight.nn.Parameter(rushlight.ones(2)), rushlight.ones(2, requires_grad=True)]
)
def test_backward_sees_that_the_step_changed_the_parameters(w, road):
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_parameter_on_meta_does_not_disturb(road):
    w = rushlight.nn.Parameter(rushlight.ones(2, device="meta"))
    w.grad = rushlight.ones(2, device="meta")
    SGD([w], lr=0.1).step()
    assert w.is_meta


@pytest.mark.parametrize("rule, options", ROWS, ids=str)
def test_strided_parameters_and_gradients(rule, options, road):
    base = rushlight.ones(4, 6)
    w = base[:, ::2].requires_grad_()
    plain = rushlight.nn.Parameter(rushlight.ones(4, 3))
    a, b = rule([w], **options), rule([plain], **options)
    for _ in range(3):
        w.grad = rushlight.arange(12.0).reshape(3, 4).t()
        plain.grad = w.grad.contiguous()
        a.step()
        b.step()
    assert w.tolist() == plain.tolist()
    assert base[:, 1].tolist() == [1.0] * 4


# ---- the count of steps


def counts(optimizer):
    return [state["step"].item() for state in optimizer.state.values()]


def test_counts_are_tensors_of_their_own(road):
    params = [rushlight.nn.Parameter(rushlight.ones(2)) for _ in range(3)]
    optimizer = Adam(params)
    for skipped in (None, 1, 2):
        for place, p in enumerate(params):
            p.grad = None if place == skipped else rushlight.ones(2)
        optimizer.step()
    assert counts(optimizer) == [3.0, 2.0, 2.0]
    state = optimizer.state[params[0]]["step"]
    assert (state.dtype, state.shape) == (rushlight.float32, ())
    kept = state.clone()
    optimizer.step()
    assert (kept.item(), state.item()) == (3.0, 4.0)


def test_a_count_set_by_hand_counts(road):
    w = rushlight.nn.Parameter(rushlight.ones(1))
    w.grad = rushlight.ones(1)
    optimizer = Adam([w], lr=0.1)
    optimizer.step()
    optimizer.state[w]["step"].fill_(9)
    optimizer.step()
    assert counts(optimizer) == [10.0]
    optimizer.state[w]["step"] = rushlight.tensor(20.0)
    optimizer.step()
    assert counts(optimizer) == [21.0]


def test_state_that_was_thrown_away_begins_anew(road):
    w = rushlight.nn.Parameter(rushlight.ones(1))
    w.grad = rushlight.ones(1)
    optimizer = Adam([w], lr=0.1)
    optimizer.step()
    optimizer.state.clear()
    optimizer.step()
    assert counts(optimizer) == [1.0]
    assert abs(w.item() - 0.8) < 1e-6


# ---- what single rules have of their own


def test_asgd_averages(road):
    w = rushlight.nn.Parameter(rushlight.ones(2, dtype=rushlight.float64))
    optimizer = ASGD([w], lr=0.5, lambd=0.0, t0=1)
    visited = []
    for step in range(STEPS):
        w.grad = rushlight.tensor([1.0, step], dtype=rushlight.float64)
        optimizer.step()
        visited.append(w.detach().numpy().copy())
    # Up to step t0 + 1 the average is the parameter itself.
    wanted = np.mean(visited[2:], axis=0)
    np.testing.assert_allclose(optimizer.state[w]["ax"].numpy(), wanted, rtol=1e-6)


def test_rprop_waits_where_the_sign_turns(road):
    w = rushlight.nn.Parameter(rushlight.zeros(3))
    optimizer = Rprop([w], lr=0.5, etas=(0.5, 2.0))
    for signs in ([1.0, 1.0, 0.0], [1.0, -1.0, 1.0], [1.0, -1.0, 1.0]):
        w.grad = rushlight.tensor(signs)
        optimizer.step()
    assert w.tolist() == [-0.5 - 1.0 - 2.0, -0.5 + 0.25, -0.5 - 1.0]
    assert optimizer.state[w]["step_size"].tolist() == [2.0, 0.25, 1.0]


def test_adagrad_remembers_from_the_start():
    w = rushlight.nn.Parameter(rushlight.ones(2))
    z = rushlight.nn.Parameter(rushlight.ones(1, dtype=rushlight.complex64))
    optimizer = Adagrad([w, z], initial_accumulator_value=0.5)
    assert optimizer.state[w]["sum"].tolist() == [0.5, 0.5]
    assert optimizer.state[z]["sum"].tolist() == [0.5 + 0.5j]
    assert counts(optimizer) == [0.0, 0.0]
    optimizer.share_memory()
    assert optimizer.state[w]["sum"].tolist() == [0.5, 0.5]


def test_adagrad_begins_where_the_defaults_say():
    # As in PyTorch, the value that a group gives is kept but not used.
    w = rushlight.nn.Parameter(rushlight.ones(1))
    optimizer = Adagrad([{"params": [w], "initial_accumulator_value": 3.0}])
    assert optimizer.state[w]["sum"].item() == 0.0


@pytest.mark.parametrize("beta2, adapts", [(0.999, [5]), (0.5, [])])
def test_radam_adapts_when_it_has_seen_enough(beta2, adapts):
    w = rushlight.nn.Parameter(rushlight.zeros(1))
    optimizer = RAdam([w], lr=1.0, betas=(0.0, beta2))
    different = []
    for step in range(STEPS):
        before = w.item()
        w.grad = rushlight.ones(1)
        optimizer.step()
        different += [step] if abs(w.item() - (before - 1)) > 1e-6 else []
    assert different == adapts


@pytest.mark.parametrize("option", ["foreach", "capturable"])
@pytest.mark.parametrize("rule", [ASGD, Rprop, Adadelta, RMSprop, Adamax, NAdam, RAdam, Adam])
def test_options_that_change_nothing(rule, option, road):
    one, other = train(rule, rushlight.float32), train(rule, rushlight.float32, **{option: True})
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


# ---- gradients through the step


def leaf(*values):
    return rushlight.tensor(values, dtype=rushlight.float64, requires_grad=True)


# SGD's first buffer is apart from the gradient it is a copy of, as in PyTorch.
DIFFERENTIABLE = [row for row in ROWS if "momentum" not in row[1] or row[0] is not SGD]


@pytest.mark.parametrize("rule, options", DIFFERENTIABLE, ids=str)
def test_gradients_through_two_steps(rule, options):
    def stepped(start, *gradients):
        w = start.clone()
        optimizer = rule([w], **options, differentiable=True)
        for g in gradients:
            w.grad = g * 1
            optimizer.step()
        return w

    values = [leaf(0.9, -0.4, 0.2), leaf(0.5, 0.7, -0.3), leaf(0.8, -0.6, -0.9)]
    assert rushlight.autograd.gradcheck(stepped, values)


# The length of ASGD's steps and the step sizes of Rprop are remembered as numbers.
@pytest.mark.parametrize(
    "rule, options", [row for row in ROWS if row[0] not in (ASGD, Rprop)], ids=str
)
def test_gradients_of_the_rate(rule, options):
    def stepped(lr):
        w = rushlight.tensor([0.9, -0.4], dtype=rushlight.float64)
        optimizer = rule([w], **{**options, "lr": lr, "differentiable": True})
        for g in ([0.5, -0.6], [0.7, 0.2]):
            w.grad = rushlight.tensor(g, dtype=rushlight.float64)
            optimizer.step()
        return w

    rate = rushlight.tensor(0.3, dtype=rushlight.float64, requires_grad=True)
    assert rushlight.autograd.gradcheck(stepped, [rate])


def test_numbers_of_states_keep_their_precision():
    params = [
        rushlight.nn.Parameter(rushlight.ones(3, dtype=dtype))
        for dtype in (rushlight.float32, rushlight.float64)
    ]
    optimizer = rushlight.optim.ASGD(params)
    for p in params:
        p.grad = rushlight.ones_like(p)
    for p in params:
        eta = rushlight.ones((), dtype=p.dtype)
        optimizer.state[p] = {**optimizer.init_state(p, optimizer.param_groups[0]), "eta": eta}
    optimizer.step()
    kept = [optimizer.state[p]["eta"].dtype for p in params]
    assert kept == [rushlight.float32, rushlight.float64]
