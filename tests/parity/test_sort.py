"""Ordering, finding and counting values against PyTorch."""

from __future__ import annotations

import pytest

import rushlight

from .side_by_side import assert_same_gradients, differentiable, gradients, outcome

torch = pytest.importorskip("torch")


def ordered_tensors(torch):
    """Values with ties, NaN and infinity."""
    return {
        "x": torch.tensor([[3.0, 1, 2, 1], [5, -1, 7, 0.5], [2, 2, 2, 9]]), "z": torch.tensor([3.0, 1, 2]),
        "i": torch.tensor([2, 0, 2, 5, 0]), "s": torch.tensor(2.0),
        "n": torch.tensor([1.0, float("nan"), -2, float("inf")]),
        "c": torch.arange(24.0).reshape(2, 3, 4) % 5, "e": torch.zeros(0, 3),
        "b": torch.tensor([True, False, True]), "d": torch.tensor([[1, 2], [1, 2], [0, 3]]),
    }  # fmt: skip


ORDERED = """
x.sort()
x.sort(0)
x.sort(0, True)
x.sort(descending=True)
x.sort(dim=1, descending=True, stable=True)
torch.sort(x, stable=True)
i.sort()
b.sort()
n.sort()
n.sort(descending=True)
s.sort()
e.sort()
e.sort(0)
x.sort(2)
x.argsort()
x.argsort(0, descending=True)
torch.argsort(i, stable=True)
x.msort()
x.bfloat16().sort()
x.topk(2, 0)
x.topk(5)
x.topk(0)
z.topk(3)
s.topk(1)
s.topk(2)
n.topk(2)
n.topk(2, largest=False)
torch.topk(z, k=2, sorted=True)
x.kthvalue(3, 0, keepdim=True)
x.kthvalue(0)
x.kthvalue(5)
s.kthvalue(1)
i.unique()
i.unique(return_inverse=True)
i.unique(return_counts=True)
i.unique(return_inverse=True, return_counts=True)
i.unique(sorted=False, return_counts=True)[1].sum()
c.unique()
c.unique(return_inverse=True)
d.unique(dim=0)
d.unique(dim=0, return_inverse=True, return_counts=True)
d.t().unique(dim=1, return_inverse=True)
n.unique()
torch.tensor([float('nan'), float('nan')]).unique()
b.unique()
s.unique()
e.unique()
torch.unique(x, dim=1)
i.unique_consecutive()
torch.tensor([1, 1, 2, 1]).unique_consecutive(return_inverse=True, return_counts=True)
d.unique_consecutive(dim=0, return_counts=True)
d.unique_consecutive(return_inverse=True)
e.unique_consecutive()
i.bincount()
i.bincount(minlength=10)
i.bincount(torch.arange(5.))
i.bincount(torch.arange(5))
i.bincount(torch.arange(5.).double())
i.bincount(torch.arange(4.))
x.bincount()
(i-1).bincount()
d.bincount()
i[:0].bincount()
i[:0].bincount(minlength=3)
x.histc(4)
x.histc(4, 0, 4)
x.histc(bins=3, min=1, max=1)
i.histc(3)
x.histc(0)
x.histc(3, 2, 1)
n.histc(3)
e.histc(3)
torch.histogram(x, 4)
torch.histogram(x, 3, range=(0., 6.))
torch.histogram(x, torch.tensor([0., 1., 2.]))
torch.histogram(x, 3, density=True)
torch.searchsorted(z.sort()[0], x)
torch.searchsorted(z.sort()[0], x, right=True)
torch.searchsorted(x.sort()[0], x)
torch.searchsorted(x.sort()[0], x, side='right')
torch.searchsorted(z.sort()[0], 1.5)
torch.searchsorted(z.sort()[0], x.double())
torch.searchsorted(z, x, sorter=z.argsort())
torch.searchsorted(x, z)
torch.searchsorted(z.sort()[0], x, out_int32=True)
torch.searchsorted(z.sort()[0], x, side='a')
torch.bucketize(x, z.sort()[0])
torch.bucketize(x, z.sort()[0], right=True)
torch.bucketize(2, i.sort()[0])
torch.bucketize(x, x)
torch.isin(i, torch.tensor([0, 5]))
torch.isin(i, 2)
torch.isin(2, i)
torch.isin(i, torch.tensor([0, 5]), invert=True)
torch.isin(x, torch.tensor([1, 2]))
torch.isin(torch.tensor(1), i)
repr(z.sort())
repr(z.topk(1))
type(z.sort()).__name__
v, j=z.sort(); r=v
z.sort().values
z.sort().indices
z.sort()[0]
""".strip().splitlines()


@pytest.mark.parametrize("expression", ORDERED)
def test_ordered(expression):
    assert outcome(rushlight, expression, ordered_tensors) == outcome(
        torch, expression, ordered_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, ORDERED, ordered_tensors))
def test_gradients_of_ordered(expression):
    expected = gradients(torch, expression, ordered_tensors)
    assert_same_gradients(gradients(rushlight, expression, ordered_tensors), expected)
