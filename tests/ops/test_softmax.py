"""Softmax: any dimension and memory order, large values, the guessed dimension."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.config import KERNELS
from rushlight.primitive import PRIMITIVES

F = torch.nn.functional


@pytest.mark.parametrize("name", ["_softmax", "_log_softmax"])
@pytest.mark.parametrize("dim", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("order", ["contiguous", "channels_last", "strided"])
def test_every_dimension_and_order(name, dim, order):
    values = np.random.default_rng(0).normal(0, 3, (3, 5, 4, 6)).astype(np.float32)
    x = torch.tensor(values)
    if order == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    elif order == "strided":
        x = torch.tensor(np.repeat(values, 2, 3))[..., ::2]
    op = PRIMITIVES[name]
    e = np.exp(values.astype(np.float64))
    exact = e / e.sum(dim, keepdims=True)
    expected = exact if name == "_softmax" else np.log(exact)
    np.testing.assert_allclose(op.function(x, dim).numpy(), expected, rtol=2e-6, atol=1e-6)


@pytest.mark.skipif(KERNELS.read() == "plain", reason="without the fast kernels by request")
def test_kernels():
    x = torch.zeros(4, 5)
    assert PRIMITIVES["_softmax"].kernel_for(x, 1) == "softmax_native"
    assert PRIMITIVES["_softmax"].kernel_for(x.double(), 1) == "softmax_kernel"
    assert PRIMITIVES["_log_softmax_gradient"].kernel_for(x, x, 1) == "log_softmax_gradient_native"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_large_values(dtype):
    x = torch.tensor([[10000.0, 10000.0, -10000.0], [-10000.0, -10000.0, -10000.0]], dtype=dtype)
    assert F.softmax(x, 1)[0].tolist() == [0.5, 0.5, 0.0]
    third = F.softmax(x.double(), 1)[1, 0].to(dtype).item()
    assert F.softmax(x, 1)[1].tolist() == [third] * 3
    assert F.log_softmax(x, 1)[0, 2].item() < -9000


def test_the_guessed_dimension_warns():
    x = torch.zeros(2, 3)
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert F.softmax(x).sum(1).tolist() == pytest.approx([1.0, 1.0])


def test_integers_are_refused():
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        F.softmax(torch.arange(3), 0)
    assert F.softmax(torch.arange(3), 0, dtype=torch.float32).dtype is torch.float32


def test_rows_add_up_to_one_and_gradients_to_zero():
    x = torch.randn(7, 11, requires_grad=True)
    y = F.softmax(x, 1)
    np.testing.assert_allclose(y.detach().sum(1).numpy(), np.ones(7), rtol=1e-6)
    (y * torch.randn(7, 11)).sum().backward()
    np.testing.assert_allclose(x.grad.sum(1).numpy(), np.zeros(7), atol=1e-6)
