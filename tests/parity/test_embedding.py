"""`nn.functional.embedding` against PyTorch."""

from __future__ import annotations

import pytest

import rushlight

from .side_by_side import assert_same_gradients, differentiable, gradients, outcome

torch = pytest.importorskip("torch")


def tensors(torch):
    """A table and row numbers; ``F`` is the module of functions."""
    return {
        "w": torch.arange(12.0).reshape(4, 3) - 3,
        "i": torch.tensor([[0, 2], [2, 1]]),
        "h": torch.tensor([1, 1, 3]),
        "F": torch.nn.functional,
    }


EXPRESSIONS = """
F.embedding(i, w)
F.embedding(h, w)
F.embedding(h.int(), w)
F.embedding(torch.tensor(2), w)
F.embedding(h[:0], w)
F.embedding(h, w, padding_idx=1)
F.embedding(i, w, padding_idx=-2)
F.embedding(h, w, padding_idx=4)
F.embedding(h, w, padding_idx=-5)
F.embedding(h, w, scale_grad_by_freq=True)
F.embedding(h, w, padding_idx=3, scale_grad_by_freq=True)
F.embedding(h + 1, w)
F.embedding(h - 2, w)
F.embedding(h.float(), w)
F.embedding(h.short(), w)
F.embedding(h, w[0])
F.embedding(h, w.t())
F.embedding(h, w.half())
v = w.clone(); F.embedding(h, v, max_norm=1.5); r = v
v = w.clone(); r = F.embedding(i, v, max_norm=3.0, norm_type=1.0)
v = w.clone(); r = F.embedding(i + 3, v, max_norm=3.0)
v = w.clone(); r = F.embedding(i, v, None, 100.0)
torch.embedding(w, h)
torch.embedding(w, h, 1)
F.embedding(h, w) * F.embedding(h, w)
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values(expression):
    assert outcome(rushlight, expression, tensors) == outcome(torch, expression, tensors)


@pytest.mark.parametrize("expression", differentiable(torch, EXPRESSIONS, tensors))
def test_gradients(expression):
    expected = gradients(torch, expression, tensors)
    assert_same_gradients(gradients(rushlight, expression, tensors), expected)


def test_the_error_names_the_index_its_position_and_the_rows():
    x = tensors(rushlight)
    with pytest.raises(
        IndexError, match=r"4 at position \[2\] of the input, but the embedding has 4 rows"
    ):
        x["F"].embedding(x["h"] + 1, x["w"])


def test_second_gradient_of_a_padded_table():
    def second(framework):
        x = tensors(framework)
        w = x["w"].clone().requires_grad_()
        y = (x["F"].embedding(x["h"], w, padding_idx=1) ** 3).sum()
        (g,) = framework.autograd.grad(y, w, create_graph=True)
        (g * g).sum().backward()
        return w.grad.tolist()

    assert second(rushlight) == second(torch)
