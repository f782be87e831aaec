"""Operators, numbers of all kinds, writing in place, and what NumPy would warn of."""

from __future__ import annotations

import operator
import warnings

import numpy as np
import pytest

import rushlight as torch


def test_numpy_numbers_count_as_python_numbers():
    x = torch.tensor([1.0, 2.0])
    for number in (np.float64(2), np.float32(2), np.int32(2), np.int64(2)):
        assert (x * number).dtype is torch.float32
        assert (number * x).tolist() == [2.0, 4.0]
        assert (number - x).tolist() == [1.0, 0.0]
        assert (number / x).tolist() == [2.0, 1.0]


def test_numpy_arrays_become_tensors():
    x = torch.tensor([1.0, 2.0])
    for made in (x + np.array([1.0, 2.0], np.float32), np.array([1.0, 2.0], np.float32) + x):
        assert isinstance(made, torch.Tensor)
        assert made.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "//", "%", "**", "<", ">="])
def test_foreign_operands_give_python_the_other_side(symbol):
    class Other:
        def answer(self, x):
            return "mine"

        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = answer
        __gt__ = __le__ = answer

    scope = {"x": torch.ones(2), "other": Other()}
    assert eval(f"x {symbol} other", scope) == "mine"
    with pytest.raises(TypeError, match="not supported|unsupported operand"):
        eval(f"x {symbol} object()", scope)


@pytest.mark.parametrize(
    "method",
    [
        operator.iadd,
        operator.isub,
        operator.imul,
        operator.itruediv,
        operator.ipow,
        operator.ifloordiv,
    ],
)
def test_in_place_operators_keep_the_tensor_and_count_the_write(method):
    x = torch.tensor([4.0, 6.0])
    view = x[:1]
    before = x._version
    expected = method(torch.tensor([4.0, 6.0]), 2).tolist()
    y = method(x, 2)
    assert y is x
    assert x.tolist() == expected
    assert view.tolist() == expected[:1]
    assert x._version == view._version == before + 1


def test_in_place_while_the_gradient_needs_the_old_value():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_in_place_on_a_leaf_that_requires_grad_is_refused():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x += 1
    with torch.no_grad():
        x += 1
    assert x.tolist() == [2.0, 2.0]


def test_in_place_sums_of_overlapping_views():
    x = torch.arange(6.0)
    x[1:].add_(x[:-1].clone())
    assert x.tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 9.0]
    x = torch.arange(6.0)
    x[1:] += x[:-1]
    assert x.tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 9.0]


def test_in_place_on_expanded_memory_is_refused_also_without_gradients():
    x = torch.zeros(1).expand(3)
    with torch.no_grad(), pytest.raises(RuntimeError, match="single memory location"):
        x.add_(1)


def test_in_place_with_a_read_only_array_is_refused():
    array = np.ones(3, np.float32)
    x = torch.from_numpy(array)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        x.add_(1)


def test_division_by_zero_and_overflow_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zero, large = torch.zeros(2), torch.full((2,), 3e38)
        assert (1 / zero).tolist() == [float("inf")] * 2
        assert (large * large).tolist() == [float("inf")] * 2
        assert zero.log().tolist() == [-float("inf")] * 2
        assert torch.isnan(zero / zero).all()
        assert large.clone().mul_(large).tolist() == [float("inf")] * 2
        assert zero.clone().div_(0).isnan().all()
        assert zero.clone().log_().tolist() == [-float("inf")] * 2
        assert (torch.ones(2, dtype=torch.float16) * 1e6).tolist() == [float("inf")] * 2


def test_numpys_own_warnings_stay():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.log(np.zeros(1))


def test_bfloat16_beside_a_number_is_rounded_once():
    x = torch.tensor([1.0, 3.0], dtype=torch.bfloat16)
    exact = (torch.tensor([1.0, 3.0]) * 0.1).bfloat16()
    assert (x * 0.1).tolist() == exact.tolist()
    assert (x * 0.1).dtype is torch.bfloat16
    assert x.clone().mul_(0.1).tolist() == exact.tolist()


def test_out_takes_the_result():
    out = torch.empty(2)
    assert torch.add(torch.ones(2), 1, out=out) is out
    assert out.tolist() == [2.0, 2.0]
    assert torch.exp(torch.zeros(2), out=out).tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.mul(torch.ones(2), 2.5, out=torch.empty(2, dtype=torch.int64))


@pytest.mark.parametrize("function", [torch.floor_divide, torch.remainder, torch.fmod])
def test_integers_are_not_divided_by_zero(function):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        function(torch.tensor([1, 2]), torch.tensor([1, 0]))


def test_comparing_with_what_is_no_number():
    x = torch.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != "text") is True
    assert x not in [None, "text"]


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(RuntimeError, match=r"tensor a \(3\) must match the size of tensor b \(4\)"):
        torch.ones(2, 3) + torch.ones(2, 4)


def test_gradients_are_summed_over_broadcast_dimensions():
    x, bias = torch.ones(3, 4, requires_grad=True), torch.ones(4, requires_grad=True)
    number = torch.tensor(2.0, requires_grad=True)
    (x * number + bias).sum().backward()
    assert bias.grad.tolist() == [3.0] * 4
    assert number.grad.item() == 12.0
    assert x.grad.shape == (3, 4)
