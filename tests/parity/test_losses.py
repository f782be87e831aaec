"""Losses against PyTorch's: values and gradients, every reduction, odd targets."""

import numpy as np
import pytest

import rushlight

from .side_by_side import gradients, outcome

torch = pytest.importorskip("torch")


def names(framework):
    draw = np.random.default_rng(0)
    new = lambda *s: framework.tensor(draw.normal(size=s).astype(np.float32))  # noqa: E731
    return {
        "F": framework.nn.functional, "x": new(4, 3), "y": new(4, 3), "big": new(2, 3, 5),
        "labels": framework.tensor([0, 2, 1, 2]), "many": framework.tensor([[0, 1, 2, 2, 1], [2, -100, 0, 0, 1]]),
        "weight": framework.tensor([0.5, 1.0, 2.0]), "p": new(4, 3).sigmoid(), "q": new(4, 3).sigmoid(),
    }  # fmt: skip


CASES = [
    template.replace("R", repr(reduction))
    for reduction in ("mean", "sum", "none")
    for template in (
        "F.cross_entropy(x, labels, reduction=R)",
        "F.cross_entropy(x, labels, weight.detach(), reduction=R, label_smoothing=0.1)",
        "F.cross_entropy(x, labels, ignore_index=2, reduction=R)",
        "F.cross_entropy(x, labels.byte(), reduction=R)",
        "F.cross_entropy(big, many, weight.detach(), reduction=R)",
        "F.cross_entropy(big, many, reduction=R, label_smoothing=0.2)",
        "F.cross_entropy(x, q.detach(), reduction=R)",
        "F.cross_entropy(x, q.detach(), weight.detach(), reduction=R, label_smoothing=0.1)",
        "F.cross_entropy(x[0], labels[0], reduction=R)",
        "F.cross_entropy(x * 100, labels, reduction=R)",
        "F.nll_loss(x.log_softmax(1), labels, reduction=R)",
        "F.nll_loss(big, many, weight.detach(), reduction=R)",
        "F.nll_loss(x[0], labels[1], reduction=R)",
        "F.mse_loss(x, y, reduction=R)",
        "F.l1_loss(x, y, reduction=R)",
        "F.smooth_l1_loss(x, y, reduction=R, beta=0.5)",
        "F.huber_loss(x, y, reduction=R, delta=0.7)",
        "F.kl_div(x.log_softmax(1), q.softmax(1), reduction=R)",
        "F.binary_cross_entropy(p, q, reduction=R)",
        "F.binary_cross_entropy(p, q, weight.detach(), reduction=R)",
        "F.binary_cross_entropy_with_logits(x, q, reduction=R)",
        "F.binary_cross_entropy_with_logits(x * 50, q, weight.detach(), reduction=R, pos_weight=weight.detach() * 2)",
    )
]


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_same_loss(case):
    ours, theirs = outcome(rushlight, case, names), outcome(torch, case, names)
    assert ours.parts[:2] == theirs.parts[:2]
    np.testing.assert_allclose(ours.values, theirs.values, rtol=2e-5, atol=1e-6)
    ours, theirs = gradients(rushlight, case, names), gradients(torch, case, names)
    for name, expected in theirs.items():
        found = 0.0 if ours[name] is None else ours[name]
        np.testing.assert_allclose(
            found, 0.0 if expected is None else expected, rtol=2e-4, atol=2e-5, err_msg=name
        )


@pytest.mark.parametrize(
    "case",
    [
        "F.cross_entropy(x, many)",
        "F.cross_entropy(x, labels - 1)",
        "F.cross_entropy(x, labels.int())",
        "F.cross_entropy(x, labels * 0 - 100)",
        "F.cross_entropy(x[:0], labels[:0])",
        "F.nll_loss(x, labels[:2])",
        "F.nll_loss(x[0], labels[:1])",
        "F.mse_loss(x, y[:2])",
        "F.mse_loss(x[:0], y[:0])",
        "F.huber_loss(x, y, delta=0)",
        "F.binary_cross_entropy(x, q)",
        "F.binary_cross_entropy(p, x)",
        "F.binary_cross_entropy_with_logits(x, labels)",
    ],
)
def test_same_odd_uses(case):
    assert outcome(rushlight, case, names) == outcome(torch, case, names)
