"""What the table of ops does not show of activations: memory order, edges, writing in place."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.backend import native
from rushlight.tensor import wrap

F = torch.nn.functional


def private(shape, seed=0):
    """A tensor whose channels-last memory is Rushlight's own choice, as after a convolution."""
    x = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    out = wrap(native.as_channels_last(x))
    out._private = True
    return out


def is_channels_last(x):
    return x._private and native.is_channels_last(x._array)


@pytest.mark.parametrize("shape", [(2, 8, 5, 5), (8, 32, 16, 16)])
@pytest.mark.parametrize(
    "function",
    [
        F.relu,
        F.relu6,
        F.leaky_relu,
        F.gelu,
        F.silu,
        F.elu,
        F.softplus,
        torch.sigmoid,
        torch.tanh,
        F.hardswish,
        torch.abs,
    ],
)
def test_channels_last_memory_is_passed_on_both_ways(function, shape):
    x = private(shape).requires_grad_()
    y = function(x)
    assert is_channels_last(y)
    seen = []
    x.register_hook(seen.append)
    y.backward(private(shape, 1))
    assert native.is_channels_last(seen[0]._array)
    assert y.is_contiguous()
    assert not y._private


def test_sums_of_channels_last_memory_pass_it_on():
    x, y = private((8, 32, 16, 16)), private((8, 32, 16, 16), 1)
    assert is_channels_last(x + y)
    assert is_channels_last(x * 2)
    assert is_channels_last(torch.softmax(x, 1))
    np.testing.assert_allclose((x + y).numpy(), x.numpy() + y.numpy())


def test_relu_lets_nan_through():
    x = torch.tensor([float("nan"), -1.0, 0.0, 2.0], requires_grad=True)
    y = F.relu(x)
    y.sum().backward()
    assert np.isnan(y[0].item())
    assert x.grad.tolist() == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("size", [4, 40000])
def test_no_gradient_at_the_limits_of_hardtanh(size):
    x = torch.tensor([-1.0, 1.0, 0.999, -1.001]).repeat(size // 4).requires_grad_()
    # The product gives the gradient memory of its own, as the fast kernel wants it.
    (F.hardtanh(x) * torch.ones(size)).sum().backward()
    assert x.grad[:4].tolist() == [0.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "function",
    [F.relu, F.silu, F.elu, F.leaky_relu, F.hardtanh, F.mish, F.hardswish, F.celu, F.selu],
)
def test_in_place_gives_the_same_gradient(function):
    values = torch.linspace(-3, 3, 13)
    x, y = values.clone().requires_grad_(), values.clone().requires_grad_()
    function(x).sum().backward()
    inner = y * 1
    assert function(inner, inplace=True) is inner
    inner.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6)


def test_large_arguments_stay_finite():
    x = torch.tensor([-200.0, 200.0])
    assert F.softplus(x).tolist() == [0.0, 200.0]
    assert F.logsigmoid(x).tolist() == [-200.0, 0.0]
    assert torch.sigmoid(x).tolist() == [0.0, 1.0]
    assert F.elu(x).tolist() == [-1.0, 200.0]
    assert F.gelu(x).tolist() == [0.0, 200.0]
    assert F.silu(x).tolist() == [0.0, 200.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "function", [F.gelu, F.silu, F.softplus, F.mish, F.elu, torch.sigmoid, F.logsigmoid]
)
def test_16_bits_are_rounded_once(function, dtype):
    x = (torch.arange(-15, 16) / 5).to(dtype)
    made = function(x)
    assert made.dtype is dtype
    exact = function(x.double())
    assert made.tolist() == exact.to(dtype).tolist()


def test_prelu_names_both_sizes():
    with pytest.raises(RuntimeError, match="parameter numbers = 2 and channel size = 3"):
        F.prelu(torch.ones(2, 3), torch.ones(2))
