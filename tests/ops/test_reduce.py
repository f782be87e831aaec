"""What the table of ops does not show of reductions: precision, names of arguments, named results."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import rushlight as torch


@pytest.mark.parametrize(
    "shape, dim", [((100000, 3), 0), ((3, 100000), 1), ((200, 30, 300), (0, 2)), ((500000,), None)]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_of_many_are_precise(shape, dim, order):
    values = np.asarray(np.random.default_rng(0).uniform(0, 1, shape), np.float32, order=order)
    exact = values.astype(np.float64).sum(dim)
    np.testing.assert_allclose(torch.from_numpy(values).sum(dim).numpy(), exact, rtol=3e-7)
    np.testing.assert_allclose(
        torch.from_numpy(values).mean(dim).numpy(), values.astype(np.float64).mean(dim), rtol=3e-7
    )


def test_plain_sums_of_many_are_precise_too():
    values = np.random.default_rng(0).uniform(0, 1, (100000, 3)).astype(np.float32)
    kernel = torch.primitive.PRIMITIVES["_sum"].kernels["cpu"][0]
    np.testing.assert_allclose(
        kernel.run(np, values, (0,), False), values.astype(np.float64).sum(0), rtol=3e-7
    )


def test_16_bits_add_up_in_32():
    assert torch.full((5000,), 0.25, dtype=torch.float16).sum().item() == 1250.0
    assert torch.full((5000,), 0.25, dtype=torch.bfloat16).sum().item() == 1248.0
    assert torch.full((5000,), 0.25, dtype=torch.bfloat16).mean().item() == 0.25


def test_small_integers_add_up_in_64_bits():
    assert torch.full((1000,), 200, dtype=torch.uint8).sum().item() == 200000
    assert torch.full((1000,), 100, dtype=torch.int8).cumsum(0)[-1].item() == 100000
    assert torch.ones(5, dtype=torch.bool).sum().dtype is torch.int64


def test_running_sums_are_precise():
    values = np.random.default_rng(0).uniform(0, 1, 100000).astype(np.float32)
    np.testing.assert_allclose(
        torch.from_numpy(values).cumsum(0).numpy(), values.astype(np.float64).cumsum(), rtol=1e-7
    )


def test_numpys_names_of_arguments():
    x = torch.arange(6.0).reshape(2, 3)
    assert x.sum(axis=1).tolist() == [3.0, 12.0]
    assert x.mean(axis=0, keepdims=True).shape == (1, 3)
    assert x.argmax(axis=1).tolist() == [2, 2]
    with pytest.raises(TypeError, match="unexpected keyword argument 'dims'"):
        x.sum(dims=1)


def test_named_results():
    x = torch.tensor([[1.0, 5.0], [3.0, 2.0]])
    found = x.max(1)
    values, indices = found
    assert found.values is values is found[0]
    assert found.indices is indices
    assert (
        repr(found) == "torch.return_types.max(\nvalues=tensor([5., 3.]),\nindices=tensor([1, 0]))"
    )
    assert type(found) is torch.return_types.max
    assert pickle.loads(pickle.dumps(found)).values.tolist() == [5.0, 3.0]
    assert copy.copy(found).indices.tolist() == [1, 0]
    with pytest.raises(TypeError, match="takes a 2-sequence"):
        torch.return_types.max([values])


def test_the_first_of_equal_elements_is_chosen():
    x = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
    assert x.argmax(1).tolist() == x.max(1).indices.tolist() == [1, 0]
    assert x.argmin(1).tolist() == x.min(1).indices.tolist() == [0, 2]
    assert torch.tensor([1.0, float("nan"), float("nan")]).argmax().item() == 1


def test_nothing_to_choose_from():
    empty = torch.zeros(0, 3)
    for call in (empty.max, empty.amax, empty.argmax):
        with pytest.raises((RuntimeError, IndexError), match="numel\\(\\) == 0"):
            call()
    with pytest.raises(IndexError, match="reduction dim 0 to have non-zero size"):
        empty.max(0)
    assert empty.max(1).values.shape == (0,)
    assert empty.sum().item() == 0.0
    assert empty.prod().item() == 1.0
    assert np.isnan(empty.mean().item())


def test_mean_of_integers_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"convert it with \.float\(\)"):
        torch.arange(3).mean()


def test_variance_of_one_element_warns():
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert np.isnan(torch.ones(1).var().item())


def test_python_builtins_use_the_operators():
    x = torch.tensor([1.0, 3.0, 2.0])
    assert max(x).item() == 3.0
    assert sum(x).item() == 6.0
    assert abs(-x).tolist() == x.tolist()
    assert round(2.5) == 2


def test_norm_of_small_and_large_values():
    assert torch.tensor([3e-30, 4e-30], dtype=torch.float64).norm().item() == pytest.approx(5e-30)
    assert torch.full((4,), 1e18).norm().item() == pytest.approx(2e18)


def test_gradient_of_a_mean_of_a_channels_last_array_is_right():
    x = (
        torch.arange(48.0)
        .reshape(2, 4, 2, 3)
        .to(memory_format=torch.channels_last)
        .requires_grad_()
    )
    (x.mean((2, 3)) * torch.arange(8.0).reshape(2, 4)).sum().backward()
    np.testing.assert_allclose(
        x.grad[:, :, 0, 0].numpy(), np.arange(8.0).reshape(2, 4) / 6, rtol=1e-6
    )
