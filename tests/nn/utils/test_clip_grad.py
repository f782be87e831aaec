"""Gradients are measured and limited."""

import math

import numpy as np
import pytest

import rushlight
from rushlight.nn.utils import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)


def parameters(*gradients, **options):
    made = []
    for gradient in gradients:
        gradient = rushlight.tensor(gradient, **options)
        p = rushlight.zeros_like(gradient).requires_grad_()
        p.grad = gradient
        made.append(p)
    return made


def gradients(made):
    return [p.grad.tolist() for p in made]


@pytest.mark.parametrize(
    "norm_type, expected",
    [
        (2, math.sqrt(3)),
        (2.0, math.sqrt(3)),
        (1, 3.0),
        (0, 2.0),  # the norm of two norms that are not 0, as in PyTorch
        (3, 3 ** (1 / 3)),
        (0.5, 9.0),
        (-1, 1 / 3),
        (math.inf, 1.0),
        ("inf", 1.0),
        (-math.inf, 1.0),
    ],
)
def test_norms(norm_type, expected):
    made = parameters([1.0, -1.0], [[1.0]])
    assert get_total_norm([p.grad for p in made], norm_type).item() == pytest.approx(expected)
    assert clip_grad_norm_(made, 1e9, norm_type).item() == pytest.approx(expected)
    assert gradients(made) == [[1.0, -1.0], [[1.0]]]


def test_gradients_are_scaled_together():
    made = parameters([3.0], [4.0, 0.0])
    assert clip_grad_norm_(made, 1.0).item() == 5.0
    np.testing.assert_allclose(sum(gradients(made), []), [0.6, 0.8, 0.0], rtol=1e-6)
    np.testing.assert_allclose(get_total_norm([p.grad for p in made]).item(), 1.0, rtol=1e-6)


def test_gradients_below_stay_as_they_are():
    made = parameters([0.3], [0.4])
    before = [p.grad._version for p in made]
    clip_grad_norm_(made, 1.0)
    assert [p.grad._version for p in made] == before


def test_what_was_saved_for_backward_is_not_taken_for_the_new_value():
    p = parameters([3.0, 4.0])[0]
    p.grad.requires_grad_()
    y = p.grad * p.grad
    clip_grad_norm_(p, 1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize("count", [1, 70])
def test_many_large_gradients(count, scale):
    rushlight.manual_seed(0)
    made = []
    for number in range(count):
        p = rushlight.zeros(40, 50 + number).requires_grad_()
        p.grad = rushlight.randn(p.shape) * scale
        made.append(p)
    every = np.concatenate([p.grad.numpy().ravel() for p in made]).astype(np.float64)
    norm = np.linalg.norm(every)
    assert clip_grad_norm_(made, 0.5).item() == pytest.approx(norm, rel=1e-5)
    after = np.concatenate([p.grad.numpy().ravel() for p in made])
    np.testing.assert_allclose(after, every * min(1.0, 0.5 / (norm + 1e-6)), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "complex64"])
def test_dtypes(dtype):
    made = parameters([3.0], [4.0], dtype=getattr(rushlight, dtype))
    assert clip_grad_norm_(made, 2.5) == 5.0
    assert [g[0].real for g in gradients(made)] == pytest.approx([1.5, 2.0], rel=1e-2)
    assert {p.grad.dtype for p in made} == {getattr(rushlight, dtype)}


def test_gradients_of_several_dtypes():
    made = parameters([3.0]) + parameters([4.0], dtype=rushlight.float64)
    total = clip_grad_norm_(made, 2.5)
    assert (total.item(), total.dtype) == (5.0, rushlight.float64)
    assert [str(p.grad.dtype) for p in made] == ["torch.float32", "torch.float64"]


def test_one_tensor_and_one_that_is_listed_twice():
    p = parameters([3.0, 4.0])[0]
    assert clip_grad_norm_(p, 10.0).item() == 5.0
    clip_grads_with_norm_([p, p], 1.0, rushlight.tensor(2.0))
    np.testing.assert_allclose(p.grad.tolist(), [0.75, 1.0], rtol=1e-5)


def test_gradients_that_share_their_memory():
    memory = rushlight.tensor([3.0, 4.0, 0.0])
    p, q = rushlight.zeros(2).requires_grad_(), rushlight.zeros(1).requires_grad_()
    p.grad, q.grad = memory[:2], memory[2:]
    clip_grad_norm_([p, q], 2.5)
    np.testing.assert_allclose(memory.tolist(), [1.5, 2.0, 0.0], rtol=1e-6)


def test_strided_gradients():
    p = rushlight.zeros(3, 2).requires_grad_()
    p.grad = rushlight.tensor([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]).t()
    clip_grad_norm_(p, 2.5)
    np.testing.assert_allclose(p.grad.tolist(), [[1.5, 0], [0, 2.0], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite(value):
    made = parameters([1.0, value], [2.0])
    with pytest.raises(RuntimeError, match="order 2.0 .* is non-finite"):
        clip_grad_norm_(made, 1.0, error_if_nonfinite=True)
    assert made[1].grad.item() == 2.0
    total = clip_grad_norm_(made, 1.0).item()
    assert str(total) == str(value)
    assert str(made[1].grad.item()) == {"nan": "nan", "inf": "0.0"}[str(value)]


def test_no_gradients():
    assert clip_grad_norm_([], 1.0).item() == 0.0
    assert clip_grad_norm_([rushlight.ones(2, requires_grad=True)], 1.0).item() == 0.0
    assert clip_grads_with_norm_([], 1.0, rushlight.tensor(1.0)) is None
    assert clip_grad_value_([], 1.0) is None


def test_a_generator():
    made = parameters([3.0], [4.0])
    assert clip_grad_norm_((p for p in made), 1.0).item() == 5.0
    assert made[0].grad.item() == pytest.approx(0.6)
    with pytest.warns(UserWarning, match="empty generator, no gradient clipping"):
        clip_grad_norm_((p for p in []), 1.0)


def test_no_history():
    p = parameters([3.0])[0]
    p.grad.requires_grad_()
    assert not clip_grad_norm_(p, 1.0).requires_grad
    assert p.grad.grad_fn is None


def test_integers_have_no_norm():
    with pytest.raises(RuntimeError, match="Expected a floating point or complex tensor"):
        get_total_norm([rushlight.arange(3)])


def test_values():
    made = parameters([1.0, -5.0, math.nan], [0.5])
    assert clip_grad_value_(made, 2) is None
    assert str(gradients(made)) == "[[1.0, -2.0, nan], [0.5]]"
    clip_grad_value_(made[1], 0.25)
    assert made[1].grad.item() == 0.25


def test_values_that_are_no_numbers():
    with pytest.raises(ValueError, match="could not convert"):
        clip_grad_value_(parameters([1.0]), "a")


def test_the_old_name():
    made = parameters([3.0], [4.0])
    with pytest.warns(
        FutureWarning, match="deprecated in favor of `torch.nn.utils.clip_grad_norm_`"
    ):
        assert clip_grad_norm(made, 1.0, 2.0, False, None).item() == 5.0
    assert made[0].grad.item() == pytest.approx(0.6)
