"""SGD, Adam and AdamW against their formulas written for float64 arrays, on both roads."""

import numpy as np
import pytest

import rushlight
from rushlight.optim import SGD, Adam, AdamW
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


START = [np.linspace(-2, 2, 12).reshape(3, 4), np.array(0.5), np.zeros((0, 3)), np.ones(40000)]


def train(rule, dtype, **options):
    params = [rushlight.nn.Parameter(rushlight.tensor(a, dtype=dtype)) for a in START]
    optimizer = rule(params, **options)
    for step in range(STEPS):
        for p in params:
            p.grad = rushlight.tensor(gradient(p.detach().double().numpy(), step), dtype=dtype)
        optimizer.step()
    return [p.detach().double().numpy() for p in params]


SGD_OPTIONS = [
    {"lr": 0.1},
    {"lr": 0.1, "weight_decay": 0.2},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True},
]
ADAM_OPTIONS = [
    {},
    {"lr": 0.05, "betas": (0.6, 0.8), "eps": 1e-2},
    {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True},
    {"lr": 0.05, "weight_decay": 0.3, "maximize": True},
]
DTYPES = [(rushlight.float64, 1e-12), (rushlight.float32, 2e-5)]


@pytest.mark.parametrize("dtype, tolerance", DTYPES, ids=str)
@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
def test_sgd(options, dtype, tolerance, road):
    for got, start in zip(train(SGD, dtype, **options), START, strict=True):
        np.testing.assert_allclose(got, sgd(start, **options), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype, tolerance", DTYPES, ids=str)
@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
@pytest.mark.parametrize("rule", [Adam, AdamW])
def test_adam(rule, options, dtype, tolerance, road):
    known = {"weight_decay": 0.01 if rule is AdamW else 0.0, **options}
    for got, start in zip(train(rule, dtype, **options), START, strict=True):
        wanted = adam(start, apart=rule is AdamW, **known)
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_decoupled_adam_is_adamw(road):
    one = train(Adam, rushlight.float32, weight_decay=0.1, decoupled_weight_decay=True)
    other = train(AdamW, rushlight.float32, weight_decay=0.1)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("rule", [SGD, Adam, AdamW])
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


@pytest.mark.parametrize("rule", [SGD, Adam, AdamW])
def test_an_overridden_formula_is_used(rule):
    class Nothing(rule):
        def update(self, p, g, state, group):
            p.zero_()

    assert all((w == 0).all() for w in train(Nothing, rushlight.float32))


@pytest.mark.parametrize("rule", [SGD, Adam])
@pytest.mark.parametrize("dtype", [rushlight.float16, rushlight.bfloat16])
def test_half_precision_falls_back(rule, dtype):
    options = {"momentum": 0.9} if rule is SGD else {}
    w = rushlight.nn.Parameter(rushlight.ones(3, dtype=dtype))
    optimizer = rule([w], lr=0.5, **options)
    for _ in range(2):
        w.grad = rushlight.ones(3, dtype=dtype)
        optimizer.step()
    wanted = {SGD: 1 - 0.5 - 0.95, Adam: 0.0}[rule]
    np.testing.assert_allclose(w.detach().float().numpy(), np.full(3, wanted), atol=0.02)


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


def test_complex_sgd():
    w = rushlight.nn.Parameter(rushlight.ones(2, dtype=rushlight.complex64))
    w.grad = rushlight.full((2,), 1j, dtype=rushlight.complex64)
    SGD([w], lr=0.5).step()
    assert w.tolist() == [1 - 0.5j] * 2


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


@pytest.mark.parametrize("rule", [SGD, Adam])
def test_strided_parameters_and_gradients(rule, road):
    options = {"lr": 0.1, "momentum": 0.9} if rule is SGD else {"lr": 0.1}
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
