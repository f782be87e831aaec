"""`gather`, `scatter`, `index_add` and their kin against PyTorch."""

from __future__ import annotations

import pytest

import rushlight

from .side_by_side import assert_same_gradients, differentiable, gradients, outcome

torch = pytest.importorskip("torch")


def along_tensors(torch):
    """Matrices, vectors, indices and a mask."""
    x = torch.arange(12.0).reshape(3, 4) * 0.5 + 1
    y = torch.tensor([[8.0, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]])
    return {
        "x": x, "y": y, "z": torch.arange(3.0) + 2, "i": torch.tensor([2, 0]), "s": torch.tensor(2.0), "m": x > 3,
        "j": torch.tensor([[0, 1], [2, 3], [1, 1]]), "k": torch.tensor([[0, 2, 1, 1], [1, 0, 2, 2]]),
        "h": torch.tensor([0, 1, 1]), "d": torch.tensor([2, 2, 0]),
    }  # fmt: skip


ALONG = """
x.index_select(0, i)
x.index_select(1, i)
x.index_select(-1, i.int())
x.t().index_select(0, i)
x.index_select(0, torch.tensor(1))
x.index_select(0, torch.tensor([3]))
x.index_select(0, torch.tensor([-1]))
x.index_select(2, i)
x.index_select(0, j)
s.index_select(0, torch.tensor([0]))
s.index_select(0, torch.tensor(0))
x.index_select(0, i.short())
x.gather(1, j)
x.gather(0, k)
x.gather(-1, j)
x.gather(1, j.int())
x.gather(1, j.short())
x.gather(1, j.float())
x.gather(1, j+3)
x.gather(1, j-3)
x.gather(1, k.t())
x.gather(0, j)
x.gather(1, i)
x.gather(1, j[:2])
x.gather(0, torch.zeros(1, 9, dtype=torch.long))
x.t().gather(0, j.t())
z.gather(0, i)
z.gather(0, torch.tensor(1))
s.gather(0, torch.tensor(0))
s.gather(0, torch.tensor([0]))
s.gather(0, torch.tensor([0, 0]))
x.gather(1, torch.zeros(3, 0, dtype=torch.long))
torch.take_along_dim(x, j, 1)
torch.take_along_dim(x, j[:1], 1)
torch.take_along_dim(x, i)
torch.take_along_dim(x, j, dim=0)
torch.take(x, i)
torch.take(x, j)
torch.take(x, torch.tensor(-1))
torch.take(x, torch.tensor(12))
x.t().take(j)
x.take(j.int())
x.scatter(1, j, y)
x.scatter(0, k, y)
x.scatter(1, j, 2.5)
x.scatter(1, j, y.double())
x.scatter(1, j, s)
x.scatter(1, j, y[:, :1])
x.scatter(1, j+3, y)
x.scatter(1, torch.zeros(3, 5, dtype=torch.long), y)
x.scatter(1, torch.zeros(4, 1, dtype=torch.long), 1.)
x.scatter(1, j, 2)
x.scatter(1, j, value=2)
x.scatter(1, j, src=y)
x.scatter(1, j)
x.scatter(1, j, y, reduce='add')
x.scatter(1, j, 2.0, reduce='multiply')
x.scatter(1, j, 2.0, reduce='foo')
r=x.clone(); r.scatter_(1, j, y)
r=x.clone(); r.scatter_(1, j, 3)
r=x*1; r.scatter_(1, j[:, :1], y)
r=torch.zeros(3, 5).scatter_(1, torch.tensor([[1], [2], [3]]), 1)
r=x.t(); r=r.scatter(0, j.t(), y.t())
s.scatter(0, torch.tensor(0), 3.)
z.scatter(0, i, torch.tensor([9., 8.]))
x.scatter_add(1, j, y)
x.scatter_add(0, k, y)
r=x.clone(); r.scatter_add_(0, k, y)
r=x.t().clone(); r=r.t().scatter_add_(0, k, y)
x.scatter_add(1, j, y.double())
x.scatter_add(1, j, 2.)
x.scatter_add(1, j+9, y)
x.scatter_reduce(1, j, y,'sum')
x.scatter_reduce(1, j, y,'prod')
x.scatter_reduce(1, j, y,'mean')
x.scatter_reduce(1, j, y,'amax')
x.scatter_reduce(1, j, y,'amin')
x.scatter_reduce(0, k, y,'sum', include_self=False)
x.scatter_reduce(0, k, y,'prod', include_self=False)
x.scatter_reduce(0, k, y,'mean', include_self=False)
x.scatter_reduce(0, k, y,'amax', include_self=False)
x.scatter_reduce(0, k, y,'amin', include_self=False)
x.scatter_reduce(0, k, y,'foo')
x.long().scatter_reduce(0, k, y.long(),'mean')
x.long().scatter_reduce(0, k, y.long(),'amax', include_self=False)
r=x*1; r.scatter_reduce_(0, k, y,'amax')
x.index_add(0, h, y)
x.index_add(0, h, y, alpha=2)
x.index_add(1, i, y[:, :2])
x.index_add(0, h, y[:2])
x.index_add(0, h, y.double())
x.index_add(0, h+3, y)
x.index_add(0, h-1, y)
x.index_add(0, h.float(), y)
r=x*1; r.index_add_(0, h, y, alpha=0.5)
r=x.t()*1; r.index_add_(1, h, y.t())
x.index_copy(0, i, y[:2])
x.index_copy(1, i, y[:, :2])
x.index_copy(0, i, y)
r=x*1; r.index_copy_(0, i, y[:2])
x.index_fill(0, i, 9.)
x.index_fill(1, i, s)
x.index_fill(1, i, z)
r=x*1; r.index_fill_(1, i, -1)
x.index_fill(1, i+3, 1.)
s.index_fill(0, torch.tensor([0]), 1.)
x.put(i, torch.tensor([7., 8.]))
r=x.clone(); r.put_(j, y[:, :2])
r=x*1; r.put_(i, z[:2], accumulate=True)
r=x.t()*1; r.put_(i, z[:2])
x.put(i, z)
x.put(i+99, z[:2])
x.masked_select(m)
x.masked_select(m[:1])
x.masked_select(m.int())
z.masked_select(torch.tensor([[True], [False]]))
s.masked_select(torch.tensor(True))
x.masked_scatter(m, y)
x.masked_scatter(m[0], y)
x.masked_scatter(m, y[:1])
x.masked_scatter(m, y.double())
r=x*1; r.masked_scatter_(m, y)
x.masked_fill(m, 3.)
x.masked_fill(m, s)
x.masked_fill(m[0], s)
r=x*1; r.masked_fill_(m, s)
r=x*1; r.masked_fill_(m[0], 1)
z.masked_fill(torch.tensor([[True], [False]]), 0)
m.nonzero()
torch.nonzero(x, as_tuple=True)
torch.nonzero(s)
torch.nonzero(s, as_tuple=True)
torch.tensor(0).nonzero()
torch.argwhere(m)
torch.zeros(0, 3).nonzero()
r=torch.empty(0); torch.gather(x, 1, j, out=r)
x.index_put((h,), y)
x.index_put((h,), y, accumulate=True)
x.index_put((h, d), z, accumulate=True)
x.index_put((m,), s)
x.index_put((h, torch.tensor([True, False, False, True])), y[:2])
""".strip().splitlines()


@pytest.mark.parametrize("expression", ALONG)
def test_along(expression):
    assert outcome(rushlight, expression, along_tensors) == outcome(
        torch, expression, along_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, ALONG, along_tensors))
def test_gradients_of_along(expression):
    expected = gradients(torch, expression, along_tensors)
    assert_same_gradients(gradients(rushlight, expression, along_tensors), expected)


def one_hot_tensors(torch):
    """Class indices."""
    return {"h": torch.tensor([0, 1, 1]), "j": torch.tensor([[0, 1], [2, 3], [1, 1]])}


ONE_HOT = """
torch.nn.functional.one_hot(h)
torch.nn.functional.one_hot(h, 5)
torch.nn.functional.one_hot(h, 1)
torch.nn.functional.one_hot(h-1)
torch.nn.functional.one_hot(h.float())
torch.nn.functional.one_hot(j, num_classes=4)
torch.nn.functional.one_hot(h[:0], 3)
torch.nn.functional.one_hot(h[:0])
torch.nn.functional.one_hot(torch.tensor(1), 3)
""".strip().splitlines()


@pytest.mark.parametrize("expression", ONE_HOT)
def test_one_hot(expression):
    assert outcome(rushlight, expression, one_hot_tensors) == outcome(
        torch, expression, one_hot_tensors
    )
