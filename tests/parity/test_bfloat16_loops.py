"""Ops on bfloat16 against PyTorch's, whose kernels too compute in float32 and round once."""

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE = (4, 24, 16, 16)


def pair(*shape, seed=0, low=-2.0, high=2.0, order="contiguous"):
    """The same bfloat16 values as a tensor of each framework."""
    values = np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)
    made = []
    for framework in (rushlight, torch):
        x = framework.tensor(values).to(framework.bfloat16)
        if order == "channels_last":
            x = x.contiguous(memory_format=framework.channels_last)
        made.append(x)
    return made


def steps_between(ours, theirs):
    """How many bfloat16 numbers lie between; 0 between NaNs."""
    x, y = (t.detach().float().numpy() for t in (ours, theirs))
    assert x.shape == y.shape
    assert str(ours.dtype) == str(theirs.dtype) == "torch.bfloat16"

    def rank(v):
        bits = (v.view(np.int32) >> 16).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFF), bits)

    steps = np.abs(rank(x) - rank(y))
    return np.where(np.isnan(x) & np.isnan(y), 0, steps)


def gradients(framework, function, *inputs):
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    y = function(framework, *inputs)
    y = y[0] if isinstance(y, tuple) else y
    g = np.random.default_rng(9).uniform(-1, 1, tuple(y.shape)).astype(np.float32)
    found = framework.autograd.grad(y, inputs, framework.tensor(g).to(y.dtype))
    return y, *found


EXACT = {
    "relu": lambda m, x: m.nn.functional.relu(x),
    "leaky_relu": lambda m, x: m.nn.functional.leaky_relu(x, 0.1),
    "relu6": lambda m, x: m.nn.functional.relu6(x),
    "hardtanh": lambda m, x: m.nn.functional.hardtanh(x, -0.7, 0.9),
    "hardswish": lambda m, x: m.nn.functional.hardswish(x),
    "clamp": lambda m, x: x.clamp(-0.3, 0.1),
    "neg": lambda m, x: -x,
    "abs": lambda m, x: x.abs(),
    "add a number": lambda m, x: x + 0.1,
    "subtract from a number": lambda m, x: 0.1 - x,
    "multiply by a number": lambda m, x: x * 0.1,
    "divide by a number": lambda m, x: x / 3,
    "max_pool2d": lambda m, x: m.nn.functional.max_pool2d(x, 2),
    "avg_pool2d": lambda m, x: m.nn.functional.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda m, x: m.nn.functional.adaptive_avg_pool2d(x, (4, 4)),
}


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
@pytest.mark.parametrize("shape", [SHAPE, (2, 3, 4, 4)])
@pytest.mark.parametrize("name", EXACT)
def test_the_same_bits_both_ways(name, shape, order):
    ours, theirs = pair(*shape, order=order)
    for found, expected in zip(
        gradients(rushlight, EXACT[name], ours), gradients(torch, EXACT[name], theirs)
    ):
        assert steps_between(found, expected).max() == 0


TWO = {
    "add": lambda m, x, y: x + y,
    "sub": lambda m, x, y: x - y,
    "mul": lambda m, x, y: x * y,
    "maximum": lambda m, x, y: m.maximum(x, y),
}


@pytest.mark.parametrize("shape", [SHAPE, (24, 1, 1), (1, 16)])
@pytest.mark.parametrize("name", TWO)
def test_the_same_bits_of_two_operands(name, shape):
    x, y = pair(*SHAPE), pair(*shape, seed=1)
    steps = steps_between(TWO[name](rushlight, x[0], y[0]), TWO[name](torch, x[1], y[1]))
    assert steps.max() == 0


def test_a_scaled_sum_has_the_same_bits():
    # Of one shape: where one is broadcast, PyTorch rounds the product too, in some memory orders.
    x, y = pair(*SHAPE), pair(*SHAPE, seed=1)
    ours, theirs = (m.add(x[i], y[i], alpha=0.3) for i, m in enumerate((rushlight, torch)))
    assert steps_between(ours, theirs).max() == 0


@pytest.mark.parametrize("n", [7, 30_000])
def test_powers_of_a_rounded_exponent(n):
    ours, theirs = pair(n, low=0.1)
    assert steps_between(ours.pow(1.7), theirs.pow(1.7)).max() == 0


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_"])
def test_the_same_bits_in_place(name):
    x, y = pair(*SHAPE), pair(*SHAPE, seed=1, low=0.5)
    for t, u in zip(x, y):
        getattr(t, name)(u)
        getattr(t, name)(0.3)
    assert steps_between(*x).max() == 0


NEAR = {
    "exp": lambda m, x: x.exp(),
    "sigmoid": lambda m, x: x.sigmoid(),
    "tanh": lambda m, x: x.tanh(),
    "silu": lambda m, x: m.nn.functional.silu(x),
    "gelu": lambda m, x: m.nn.functional.gelu(x),
    "elu": lambda m, x: m.nn.functional.elu(x),
    "softplus": lambda m, x: m.nn.functional.softplus(x),
    "sin": lambda m, x: x.sin(),
    "softmax": lambda m, x: m.softmax(x, 1),
    "log_softmax": lambda m, x: m.log_softmax(x, 1),
    "overlapping max_pool2d": lambda m, x: m.nn.functional.max_pool2d(x, 3, 2, 1),
    "global average": lambda m, x: m.nn.functional.adaptive_avg_pool2d(x, 1),
    "mean": lambda m, x: x.mean((2, 3)),
    "amax": lambda m, x: x.amax(1),
}


@pytest.mark.parametrize("name", NEAR)
def test_nearly_all_bits(name):
    ours, theirs = pair(*SHAPE)
    found, expected = NEAR[name](rushlight, ours), NEAR[name](torch, theirs)
    steps = steps_between(found, expected)
    # Where float32's last digits differ, a middle between two numbers may be met from either side.
    assert steps.max() <= 1
    assert (steps > 0).mean() < 0.01


@pytest.mark.parametrize("name", [n for n in NEAR if n != "sin"])
def test_gradients_agree_in_bfloat16s_digits(name):
    ours, theirs = pair(*SHAPE)
    _, found = gradients(rushlight, NEAR[name], ours)
    _, expected = gradients(torch, NEAR[name], theirs)
    np.testing.assert_allclose(
        found.float().numpy(), expected.float().numpy(), rtol=2**-5, atol=2**-6
    )


@pytest.mark.parametrize("dims", [None, (0, 2, 3), (1,)])
def test_sums(dims):
    ours, theirs = pair(*SHAPE, low=0.0)
    found = ours.sum() if dims is None else ours.sum(dims)
    expected = theirs.sum() if dims is None else theirs.sum(dims)
    assert steps_between(found, expected).max() <= 1


@pytest.mark.parametrize("weights", ["float32", "bfloat16", None])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_batch_norm(order, training, weights):
    x, g = pair(8, 16, 9, 7, order=order), pair(8, 16, 9, 7, seed=1, order=order)
    results = []
    for i, m in enumerate((rushlight, torch)):
        kind = getattr(m, weights or "float32")
        values = np.random.default_rng(4).uniform(0.5, 1.5, (4, 16)).astype(np.float32)
        mean, var, weight, bias = (m.tensor(v).to(kind) for v in values)
        vectors = [] if weights is None else [weight.requires_grad_(), bias.requires_grad_()]
        leaf = x[i].clone().requires_grad_()
        y = m.nn.functional.batch_norm(leaf, mean, var, *vectors, training=training)
        y.backward(g[i])
        results.append([y, leaf.grad, mean, var, *[v.grad for v in vectors]])
    for found, expected in zip(*results):
        assert str(found.dtype) == str(expected.dtype)
        np.testing.assert_allclose(
            found.detach().float().numpy(),
            expected.detach().float().numpy(),
            rtol=2**-6,
            atol=2**-6,
        )


def test_dropout_draws_and_scales_alike():
    kept = []
    for x, m in zip(pair(100, 300), (rushlight, torch)):
        m.manual_seed(0)
        kept.append(m.nn.functional.dropout(x, 0.1))
    assert steps_between(*kept).max() == 0


def test_special_values():
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, 3e38, -3e38], np.float32)
    ours, theirs = (m.tensor(values).repeat(4000).to(m.bfloat16) for m in (rushlight, torch))
    for function in (
        lambda m, x: m.relu(x),
        lambda m, x: x + x,
        lambda m, x: x * 0.5,
        lambda m, x: x - 1,
        lambda m, x: m.tanh(x),
        lambda m, x: m.exp(x),
    ):
        assert steps_between(function(rushlight, ours), function(torch, theirs)).max() == 0


def test_gradients_add_up_alike():
    def function(m, x):
        return 3 * x + x * x + m.relu(x)

    ours, theirs = pair(*SHAPE)
    _, found = gradients(rushlight, function, ours)
    _, expected = gradients(torch, function, theirs)
    assert steps_between(found, expected).max() <= 1
