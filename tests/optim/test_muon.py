"""Muon against singular values in float64: bfloat16 leaves about two digits."""

import io
import math

import numpy as np
import pytest

import rushlight
from rushlight.optim import Muon

SHAPES = [(3, 5), (16, 4), (8, 8), (1, 6), (40, 60)]
USUAL = (3.4445, -4.775, 2.0315)


def orthogonal(x, coefficients=USUAL, steps=5, eps=1e-7):
    """The polynomial applied to each singular value."""
    a, b, c = coefficients
    u, s, v = np.linalg.svd(x, full_matrices=False)
    s = s / max(np.linalg.norm(x), eps)
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return u * s @ v


def matrix(shape, seed=0):
    """A matrix whose singular values lie close enough that rounding does not mix them up."""
    u, s, v = np.linalg.svd(np.random.default_rng(seed).normal(size=shape), full_matrices=False)
    return u * (0.5 + 0.5 * s / s.max()) @ v


def step_of(g, **options):
    """What one step takes off a parameter at zero."""
    w = rushlight.nn.Parameter(rushlight.zeros(*g.shape))
    w.grad = rushlight.tensor(g, dtype=rushlight.float32)
    Muon([w], lr=1.0, momentum=0, **options).step()
    return -w.detach().double().numpy()


def scale(rows, columns):
    return math.sqrt(max(1, rows / columns))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_is_orthogonal(shape):
    step = step_of(matrix(shape)) / scale(*shape)
    values = np.linalg.svd(step, compute_uv=False)
    assert values.min() > 0.65
    assert values.max() < 1.25


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_keeps_the_directions_of_the_gradient(shape):
    g = matrix(shape)
    step = step_of(g) / scale(*shape)
    u, _, v = np.linalg.svd(g, full_matrices=False)
    crossed = u.T @ step @ v.T
    np.testing.assert_allclose(crossed - np.diag(np.diag(crossed)), 0, atol=0.06)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "options",
    [{}, {"steps": 1}, {"steps": 0}, {"coefficients": (1.5, -0.5, 0.0)}, {"eps": 2.0}],
    ids=str,
)
def test_the_polynomial(shape, options):
    g = matrix(shape)
    names = {"steps": "ns_steps", "coefficients": "ns_coefficients", "eps": "eps"}
    step = step_of(g, **{names[key]: value for key, value in options.items()})
    np.testing.assert_allclose(step / scale(*shape), orthogonal(g, **options), atol=0.05)


def muon(w, lr, weight_decay=0.1, momentum=0.95, nesterov=True, adjust_lr_fn=None):
    mean = np.zeros_like(w)
    for step in range(5):
        g = matrix(w.shape, step)
        mean = momentum * mean + (1 - momentum) * g
        aim = momentum * mean + (1 - momentum) * g if nesterov else mean
        rows, columns = w.shape
        factor = scale(rows, columns)
        if adjust_lr_fn == "match_rms_adamw":
            factor = 0.2 * math.sqrt(max(rows, columns))
        w = (1 - lr * weight_decay) * w - lr * factor * orthogonal(aim)
    return w


@pytest.mark.parametrize("dtype", [rushlight.float32, rushlight.float64], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.9, "momentum": 0.5},
        {"lr": 0.1, "nesterov": False, "adjust_lr_fn": "original"},
        {"lr": 0.1, "momentum": 0, "adjust_lr_fn": "match_rms_adamw"},
    ],
    ids=str,
)
def test_formula(options, shape, dtype):
    start = np.random.default_rng(9).normal(size=shape)
    w = rushlight.nn.Parameter(rushlight.tensor(start, dtype=dtype))
    optimizer = Muon([w], **options)
    for step in range(5):
        w.grad = rushlight.tensor(matrix(shape, step), dtype=dtype)
        optimizer.step()
    assert w.dtype is optimizer.state[w]["momentum_buffer"].dtype is dtype
    wanted = muon(start, **options)
    np.testing.assert_allclose(w.detach().numpy(), wanted, atol=0.02)


def test_the_size_of_the_gradient_does_not_count():
    g = matrix((4, 6))
    assert (step_of(g * 2**-14) == step_of(g)).all()
    assert (step_of(g * 2**14) == step_of(g)).all()


def test_no_gradient_no_step():
    assert (step_of(np.zeros((3, 4))) == 0).all()


def test_a_step_is_rounded_to_bfloat16():
    step = step_of(matrix((8, 8)))
    assert (step.astype(np.float32).view(np.uint32) & 0xFFFF == 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_parameters(shape):
    w = rushlight.nn.Parameter(rushlight.zeros(*shape))
    w.grad = rushlight.zeros(*shape)
    Muon([w], adjust_lr_fn="match_rms_adamw").step()
    assert w.shape == shape


@pytest.mark.parametrize("dtype", [rushlight.float16, rushlight.bfloat16])
def test_half_precision(dtype):
    g = matrix((4, 6))
    w = rushlight.nn.Parameter(rushlight.zeros(4, 6, dtype=dtype))
    w.grad = rushlight.tensor(g, dtype=dtype)
    Muon([w], lr=1.0).step()
    assert w.dtype is dtype
    np.testing.assert_allclose(-w.detach().float().numpy(), orthogonal(g), atol=0.06)


def test_gradients_are_not_changed():
    w = rushlight.nn.Parameter(rushlight.ones(2, 2))
    w.grad = rushlight.ones(2, 2)
    Muon([w]).step()
    assert w.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_tensor_rate():
    w = rushlight.nn.Parameter(rushlight.ones(2, 2))
    w.grad = rushlight.zeros(2, 2)
    Muon([w], lr=rushlight.tensor(0.5), weight_decay=0.5).step()
    assert w.tolist() == [[0.75, 0.75], [0.75, 0.75]]


def test_closure():
    w = rushlight.nn.Parameter(rushlight.ones(2, 2))
    optimizer = Muon([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert optimizer.step(closure).item() < 4.0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lr": -1}, "Invalid learning rate: -1"),
        ({"lr": rushlight.ones(2)}, "Tensor lr must be 1-element"),
        ({"momentum": -1}, "Invalid momentum value: -1"),
        ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ({"eps": -1}, "Invalid epsilon value: -1"),
        ({"ns_coefficients": (1, 2)}, "ns_coefficients must be three numbers"),
        ({"ns_coefficients": 3.0}, "ns_coefficients must be three numbers"),
        ({"ns_steps": 100}, "ns_steps must be below 100, but got 100"),
        ({"adjust_lr_fn": "x"}, "one of original, match_rms_adamw, but got 'x'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        Muon([rushlight.ones(2, 2)], **options)


def test_only_matrices():
    with pytest.raises(ValueError, match="only supports 2D parameters, but one has the shape .3,."):
        Muon([rushlight.ones(2, 2), rushlight.ones(3)])
    optimizer = Muon([rushlight.ones(2, 2)])
    with pytest.raises(ValueError, match="only supports 2D parameters"):
        optimizer.add_param_group({"params": [rushlight.ones(2, 2, 2)]})
    assert len(optimizer.param_groups) == 1


def test_complex_parameters_are_refused():
    w = rushlight.nn.Parameter(rushlight.ones(2, 2, dtype=rushlight.complex64))
    w.grad = rushlight.ones(2, 2, dtype=rushlight.complex64)
    with pytest.raises(RuntimeError, match="does not support complex parameters"):
        Muon([w]).step()


def test_a_saved_run_goes_on():
    def go_on(w, optimizer, steps):
        for step in steps:
            w.grad = rushlight.tensor(matrix((3, 4), step), dtype=rushlight.float32)
            optimizer.step()

    w = rushlight.nn.Parameter(rushlight.ones(3, 4))
    optimizer = Muon([w], lr=0.1)
    go_on(w, optimizer, range(3))
    file = io.BytesIO()
    rushlight.save(optimizer.state_dict(), file)
    file.seek(0)
    other = rushlight.nn.Parameter(w.detach().clone())
    continued = Muon([other])
    continued.load_state_dict(rushlight.load(file))
    go_on(w, optimizer, range(3, 6))
    go_on(other, continued, range(3, 6))
    assert other.tolist() == w.tolist()
    assert list(continued.state_dict()["state"][0]) == ["momentum_buffer"]
