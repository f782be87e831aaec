"""Adafactor against its formula for float64 arrays."""

import io
import math

import numpy as np
import pytest

import rushlight
from rushlight.optim import Adafactor

STEPS = 6
START = [
    np.linspace(-2, 2, 12).reshape(3, 4),
    np.linspace(-1, 1, 5),
    np.array(0.5),
    np.linspace(-3, 1, 48).reshape(2, 3, 2, 4),
    np.zeros((0, 3)),
    np.zeros((2, 2)),
]


def gradient(w, step):
    return np.sin(3 * w + step)


def rms(x):
    return math.sqrt(np.mean(np.square(x))) if x.size else 0.0


def adafactor(
    w,
    lr=1e-2,
    beta2_decay=-0.8,
    eps=(None, 1e-3),
    d=1.0,
    weight_decay=0.0,
    maximize=False,
    smallest=2**-52,
):
    eps1 = smallest if eps[0] is None else eps[0]
    squares = 0.0
    rows = columns = 0.0
    for step in range(STEPS):
        g = gradient(w, step) * (-1 if maximize else 1)
        t = step + 1
        kept = 1 - t**beta2_decay
        length = max(eps[1], rms(w)) * min(lr, t**-0.5)
        w = w - lr * weight_decay * w
        if w.ndim < 2:
            squares = v = kept * squares + (1 - kept) * g**2
        else:
            n, m = w.shape[-2:]
            rows = kept * rows + (1 - kept) * np.einsum("...ij->...i", g**2) / max(m, 1)
            columns = kept * columns + (1 - kept) * np.einsum("...ij->...j", g**2) / max(n, 1)
            total = rows.sum(-1)[..., None, None] / max(n, 1)
            v = rows[..., :, None] * columns[..., None, :] / np.maximum(total, eps1)
        u = g / np.maximum(np.sqrt(v), eps1)
        w = w - length * u / max(1.0, rms(u) / d)
    return w


def train(dtype, **options):
    params = [rushlight.nn.Parameter(rushlight.tensor(a, dtype=dtype)) for a in START]
    optimizer = Adafactor(params, **options)
    go_on(optimizer, range(STEPS))
    return [p.detach().double().numpy() for p in params], optimizer


def go_on(optimizer, steps):
    for step in steps:
        for p in optimizer.param_groups[0]["params"]:
            g = gradient(p.detach().double().numpy(), step)
            p.grad = rushlight.tensor(g, dtype=p.dtype)
        optimizer.step()


OPTIONS = [
    {},
    {"lr": 0.2, "weight_decay": 0.3},
    {"lr": 0.6},
    {"beta2_decay": -0.3, "maximize": True},
    {"eps": (0.05, 0.5), "d": 1.5},
    {"beta2_decay": 0},
]


@pytest.mark.parametrize(
    "dtype, tolerance", [(rushlight.float64, 1e-12), (rushlight.float32, 2e-4)], ids=str
)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_formula(options, dtype, tolerance):
    smallest = float(np.finfo(np.float64 if dtype is rushlight.float64 else np.float32).eps)
    for got, start in zip(train(dtype, **options)[0], START, strict=True):
        wanted = adafactor(start, smallest=smallest, **options)
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_one_step_by_hand():
    w = rushlight.nn.Parameter(rushlight.tensor([[3.0, 4.0], [0.0, 0.0]]))
    w.grad = rushlight.tensor([[1.0, 1.0], [2.0, 2.0]])
    Adafactor([w], lr=0.1).step()
    # rms(w) is 2.5, and a gradient of rank 1 is divided by exactly itself: 0.25 off each.
    np.testing.assert_allclose(w.detach().numpy(), [[2.75, 3.75], [-0.25, -0.25]], rtol=1e-6)


def test_long_steps_are_clipped():
    w = rushlight.nn.Parameter(rushlight.full((4,), 2.0))
    optimizer = Adafactor([w], lr=0.1)
    for size in (0.001, 100.0):
        before = w.detach().clone()
        w.grad = rushlight.full((4,), size)
        optimizer.step()
    np.testing.assert_allclose((before - w.detach()).numpy(), before.numpy() * 0.1, rtol=1e-5)


def test_what_is_remembered_of_a_matrix_grows_with_its_sides_only():
    _, optimizer = train(rushlight.float32)
    shapes = [
        {name: tuple(value.shape) for name, value in state.items()}
        for state in optimizer.state_dict()["state"].values()
    ]
    assert shapes[0] == {"step": (), "row_var": (3, 1), "col_var": (1, 4)}
    assert shapes[1] == {"step": (), "variance": (5,)}
    assert shapes[3] == {"step": (), "row_var": (2, 3, 2, 1), "col_var": (2, 3, 1, 4)}
    assert optimizer.state_dict()["state"][0]["step"].item() == STEPS


@pytest.mark.parametrize("dtype", [rushlight.float16, rushlight.bfloat16])
def test_half_precision(dtype):
    w = rushlight.nn.Parameter(rushlight.ones(2, 3, dtype=dtype))
    optimizer = Adafactor([w], lr=0.25)
    w.grad = rushlight.full((2, 3), 0.5, dtype=dtype)
    optimizer.step()
    assert w.dtype is dtype
    np.testing.assert_allclose(w.detach().float().numpy(), np.full((2, 3), 0.75), rtol=1e-2)


def test_gradients_are_not_changed():
    w = rushlight.nn.Parameter(rushlight.ones(2, 2))
    w.grad = rushlight.ones(2, 2)
    Adafactor([w], maximize=True, weight_decay=0.1).step()
    assert w.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_tensor_rate():
    w = rushlight.nn.Parameter(rushlight.ones(2))
    w.grad = rushlight.ones(2)
    Adafactor([w], lr=rushlight.tensor(0.25)).step()
    assert w.tolist() == [0.75, 0.75]


def test_closure():
    w = rushlight.nn.Parameter(rushlight.ones(1))
    optimizer = Adafactor([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert (optimizer.step(closure).item(), w.item()) == (1.0, 0.75)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lr": -1}, "Invalid learning rate: -1"),
        ({"lr": rushlight.ones(2)}, "Tensor lr must be 1-element"),
        ({"beta2_decay": 0.1}, "Invalid beta2_decay: 0.1; it must be 0 or less"),
        ({"eps": (-1, 1e-3)}, "Invalid epsilon1 value: -1"),
        ({"eps": (None, -1)}, "Invalid epsilon2 value: -1"),
        ({"d": 0.5}, "Invalid clipping threshold d: 0.5; it must be 1 or more"),
        ({"d": float("nan")}, "Invalid clipping threshold d: nan"),
        ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        Adafactor([rushlight.ones(2)], **options)


def test_complex_parameters_are_refused():
    w = rushlight.nn.Parameter(rushlight.ones(2, dtype=rushlight.complex64))
    w.grad = rushlight.ones(2, dtype=rushlight.complex64)
    with pytest.raises(RuntimeError, match="does not support complex parameters"):
        Adafactor([w]).step()


def test_a_saved_run_goes_on():
    whole, _ = train(rushlight.float32)
    params = [rushlight.nn.Parameter(rushlight.tensor(a, dtype=rushlight.float32)) for a in START]
    first = Adafactor(params)
    go_on(first, range(3))
    file = io.BytesIO()
    rushlight.save(first.state_dict(), file)
    file.seek(0)
    second = Adafactor([rushlight.nn.Parameter(p.detach().clone()) for p in params])
    second.load_state_dict(rushlight.load(file))
    go_on(second, range(3, STEPS))
    for p, wanted in zip(second.param_groups[0]["params"], whole, strict=True):
        assert (p.detach().double().numpy() == wanted).all()
