"""Views against PyTorch: values, strides, what is a view, gradients, types of errors."""

from __future__ import annotations

import pytest

import rushlight

from .side_by_side import assert_same_gradients, differentiable, gradients, outcome

torch = pytest.importorskip("torch")


def viewed_tensors(torch):
    """A matrix, vectors and a tensor of three dimensions."""
    return {
        "x": torch.arange(12.0).reshape(3, 4), "z": torch.arange(3.0) + 2, "s": torch.tensor(2.0),
        "c": torch.arange(24.0).reshape(2, 3, 4),
    }  # fmt: skip


VIEWED = """
isinstance(x, torch.FloatTensor)
isinstance(x, torch.LongTensor)
x.select_scatter(torch.ones(4), 0, 1)
x.slice_scatter(torch.ones(2, 4), 0, 1)
x.squeeze_().shape
x.unsqueeze_(0).shape
x.squeeze_(0).t_().shape
x.transpose_(0, 1).shape
x.split_with_sizes([1, 2])
x.split([1, 2])
x.split(2, dim=1)
x.split(0)
x.split(-1)
x.chunk(5, 1)
x.chunk(0)
x.narrow(0, 1, 2)
x.narrow(0, torch.tensor(1), 2)
x.narrow(0, -1, 1)
x.narrow(0, 2, 2)
x.narrow(0, 4, 1)
x.narrow_copy(0, 1, 1)
x.view(torch.int32).dtype
x.view(2, 6)
x.view(-1)
x.view(5, -1)
x.view(-1, -1)
x.view((4, 3))
x.t().view(-1)
x.t().reshape(-1)
x.reshape(2, -1, 2)
x.reshape(-2, 6)
x.reshape(())
x[:1, :1].reshape(())
x.view(torch.Size([12]))
x.view(3, 2, 2).flatten(1)
x.flatten()
x.flatten(1, 0)
x.unflatten(1, (2, 2))
x.unflatten(-1, (2, -1))
x.unflatten(1, (3, 2))
x.ravel()
x.permute(1, 0)
x.permute((1, 0))
x.permute(0)
x.permute(0, 0)
x.permute(-1, 0)
x.permute(2, 0)
torch.permute(x, (1, 0))
x.transpose(0, 1)
x.transpose(0, 2)
x.transpose(-1, -2)
x.swapaxes(0, 1)
x.swapdims(0, 1)
x.t()
x.view(3, 2, 2).t()
x[0].t()
x.T
x.mT
x.movedim(0, 1)
x.view(3, 2, 2).movedim((0, 1), (2, 0))
x.view(3, 2, 2).moveaxis(0, -1)
x.view(3, 2, 2).movedim((0, 0), (1, 2))
x.movedim(0, 5)
x.expand(2, 3, 4)
x.expand(-1, 4)
x.expand(2, -1, 4)
x.expand(-1, 3, 4)
x.expand(3)
x.expand(4, 4)
x[:1].expand(5, 4)
x.expand_as(torch.zeros(2, 3, 4))
torch.broadcast_to(x, (2, 3, 4))
x.broadcast_to(2, 3, 4)
torch.broadcast_tensors(x, x[0])
torch.broadcast_tensors(x, torch.zeros(5))
torch.broadcast_shapes((3,), (4,))
x.squeeze()
x.unsqueeze(0).squeeze()
x.unsqueeze(0).squeeze(0)
x.unsqueeze(0).squeeze(1)
x.unsqueeze(0).unsqueeze(2).squeeze((0, 2))
x.squeeze(5)
x.unsqueeze(-1)
x.unsqueeze(3)
x.unsqueeze(-4)
x.narrow(1, 1, 2)
x.select(0, 1)
x.select(1, -1)
x.select(0, 3)
x.select(2, 0)
x.unbind()
x.unbind(1)
torch.unbind(torch.tensor(1.))
x.split(2)
x.split((1, 2))
x.split((1, 1))
x.split([1, 3], dim=1)
torch.split(x, 2, 1)
x.chunk(2)
x.chunk(2, 1)
x.chunk(9)
x.view_as(torch.zeros(12))
x.reshape_as(torch.zeros(2, 6))
x.view(torch.int16).shape
x.view(torch.uint8).shape
x.t().view(torch.float64)
list(x)[1]
iter(torch.tensor(1.))
r=x*1; v=r.view(-1); v[0]=5; r=r*2
r=x*1; v=r.unsqueeze(0).squeeze(); v.mul_(2); r=r+v
r=x*1; v=r.expand(2, 3, 4); r.mul_(3); r=v*1
r=x*1; v=r.permute(1, 0)[1:]; v[0]=7; r=r*v.sum()
r=x*1; r=r.unsqueeze_(0)*2
r=(x*1).view(1, 3, 4); r=r.squeeze_(0)*2
r=x*1; r.t_(); r=r*r
r=x*1; r.transpose_(0, 1); r.mul_(2); r=r*1
torch.movedim(x, 0, 1)
x.diagonal()
x.diagonal(1)
c.diagonal(0, 1, 2)
c.diagonal(-1, 0, 2)
c.diagonal(5)
c.diagonal(0, 1, 1)
r=x*1; r.diagonal().mul_(z)
c.unfold(2, 2, 1)
c.unfold(1, 3, 2)
z.unfold(0, 2, 1)
s.unfold(0, 1, 1)
z.unfold(0, 4, 1)
z.unfold(0, 2, 0)
z.unfold(1, 2, 1)
c.unfold(0, 1, 1)
x.t().unfold(0, 2, 2)
x.as_strided((2, 2), (1, 2))
x.as_strided((2, 2), (1, 2), 3)
x[1:].as_strided((2, 2), (1, 1))
x.as_strided((9, 9), (9, 9))
x.as_strided((2,), (1, 1))
x.as_strided((2,), (-1,))
z.expand(4, 3).as_strided((2,), (1,))
""".strip().splitlines()


@pytest.mark.parametrize("expression", VIEWED)
def test_viewed(expression):
    assert outcome(rushlight, expression, viewed_tensors) == outcome(
        torch, expression, viewed_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, VIEWED, viewed_tensors))
def test_gradients_of_viewed(expression):
    expected = gradients(torch, expression, viewed_tensors)
    assert_same_gradients(gradients(rushlight, expression, viewed_tensors), expected)
