"""`cat`, `stack`, and ops that repeat and move elements, against PyTorch."""

from __future__ import annotations

import pytest

import rushlight

from .side_by_side import assert_same_gradients, differentiable, gradients, outcome

torch = pytest.importorskip("torch")


def joined_tensors(torch):
    """Matrices, vectors, and a tensor in channels-last order."""
    x = torch.arange(6.0).reshape(2, 3)
    wide = torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last)
    return {
        "x": x, "y": x * 2, "z": torch.arange(3.0), "i": torch.arange(3), "s": torch.tensor(2.0),
        "e": torch.zeros(0), "cl": wide,
    }  # fmt: skip


JOINED = """
torch.cat([x, y])
torch.cat([x, y], 1)
torch.cat((x, y), dim=-1)
torch.cat([x, z])
torch.cat([x, y[:, :2]])
torch.cat([x, y[:, :2]], 1)
torch.cat([x, y, x[:0]])
torch.cat([e, e])
torch.cat([z, i])
torch.cat([i, i.int()])
torch.cat([i, z.half()])
torch.cat([])
torch.cat(x)
torch.cat([x, 1])
torch.cat([s, s])
torch.cat([x, y], 2)
torch.cat([x.t(), y.t()])
torch.cat([cl, cl], 1)
torch.cat([cl, cl.contiguous()], 1)
torch.cat([x[:, ::2], y[:, 1:]], 1)
torch.concat([x, y])
torch.concatenate([x, y], axis=1)
torch.cat([x.t(), y.t()], 1)
torch.cat([x, x])
torch.stack([x, y])
torch.stack([x, y], 2)
torch.stack([x, y], -1)
torch.stack([x, z])
torch.stack([])
torch.stack([s, s])
torch.stack([s, i[0]])
torch.stack([x, y], 3)
torch.stack([x, y], -4)
torch.stack([x.t(), y.t()], 1)
torch.hstack([x, y])
torch.hstack([z, z])
torch.hstack([s, s])
torch.vstack([x, z])
torch.row_stack([x, z])
torch.dstack([x, y])
torch.dstack([z, z])
torch.column_stack([z, z, z])
torch.column_stack([x, y])
torch.hstack([])
torch.atleast_1d(s, z)
torch.atleast_2d(z)
torch.atleast_3d([z, x])
torch.atleast_3d(s)
torch.block_diag(x, z, s)
torch.block_diag()
torch.block_diag(torch.zeros(1, 1, 1))
o=torch.empty(0); r=torch.cat([x, y], out=o); r=o
o=torch.empty(4, 3, dtype=torch.int64); r=torch.cat([x, y], out=o)
o=torch.empty(4, 3, dtype=torch.float64); r=torch.cat([x, y], out=o)
""".strip().splitlines()


@pytest.mark.parametrize("expression", JOINED)
def test_joined(expression):
    assert outcome(rushlight, expression, joined_tensors) == outcome(
        torch, expression, joined_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, JOINED, joined_tensors))
def test_gradients_of_joined(expression):
    expected = gradients(torch, expression, joined_tensors)
    assert_same_gradients(gradients(rushlight, expression, joined_tensors), expected)


def rearranged_tensors(torch):
    """Matrices, vectors and a tensor of three dimensions."""
    x = torch.arange(12.0).reshape(3, 4) * 0.5 + 1
    return {
        "x": x, "z": torch.arange(3.0) + 2, "i": torch.tensor([2, 0]), "h": torch.tensor([0, 1, 2]),
        "s": torch.tensor(2.0), "c": torch.arange(24.0).reshape(2, 3, 4), "e": torch.zeros(0, 3),
        "w": torch.arange(4.0) * 3,
    }  # fmt: skip


REARRANGED = """
x.repeat(2, 1)
x.repeat(2, 1, 3)
x.repeat(2)
x.repeat((2, 2))
x.repeat(0, 1)
x.repeat(-1, 1)
s.repeat(3)
s.repeat(())
x.t().repeat(1, 2)
x.tile(2)
torch.tile(x, (2, 1, 2))
x.tile((2,))
z.repeat_interleave(h)
x.repeat_interleave(h, dim=0)
x.repeat_interleave(h[:2], dim=0)
torch.repeat_interleave(h)
x.repeat_interleave(-1)
x.repeat_interleave(h-1, 0)
x.repeat_interleave(h.float(), 0)
x.repeat_interleave(torch.tensor(2), 0)
x.repeat_interleave(torch.tensor([2]), dim=1)
x.flip(0)
x.flip(0, 1)
x.flip([1])
x.flip(0, 0)
x.flip(2)
x.flip([])
s.flip(0)
x.t().flip(0)
x.fliplr()
x.flipud()
z.fliplr()
x.rot90()
x.rot90(2)
x.rot90(3)
x.rot90(0)
x.rot90(-1, [0, 1])
c.rot90(1, (1, 2))
x.rot90(1, [0, 0])
x.rot90(1, [0])
z.rot90()
x.roll(1)
x.roll(1, 0)
x.roll((1, 2), (0, 1))
x.roll((1, 2))
x.roll(1, 2)
torch.roll(x, shifts=-1, dims=1)
x.roll((1, 1), (0, 0))
e.roll(1, 0)
torch.meshgrid(z, w, indexing='ij')
torch.meshgrid(z, w, indexing='xy')
torch.meshgrid([z, w])
torch.meshgrid(z, w, z, indexing='xy')
torch.meshgrid(s, z, indexing='ij')
torch.meshgrid(x, z, indexing='ij')
torch.meshgrid(z, h, indexing='ij')
torch.meshgrid(z, indexing='xy')
torch.meshgrid(z, w, indexing='zz')
torch.meshgrid()
torch.cartesian_prod(z, w)
torch.cartesian_prod(z)
torch.cartesian_prod(x)
torch.combinations(z)
torch.combinations(z, 3)
torch.combinations(z, 2, True)
torch.combinations(z, r=1)
torch.combinations(z, 0)
torch.combinations(z, 4)
torch.combinations(x)
torch.kron(x, z)
torch.kron(z, z)
torch.kron(x, c)
torch.kron(s, x)
torch.diff(x)
torch.diff(x, dim=0)
torch.diff(x, n=2)
torch.diff(x, n=0)
torch.diff(z, prepend=w, append=z)
torch.diff(x>2)
torch.diff(s)
x.tensor_split(2)
x.tensor_split(3, 1)
x.tensor_split((1, 3), 1)
x.tensor_split(torch.tensor([1, 2]), dim=1)
x.tensor_split(torch.tensor(2), dim=1)
x.tensor_split((1, 9, 2), 1)
x.tensor_split(0)
x.tensor_split((-1,), 1)
s.tensor_split(2)
x.hsplit(2)
x.vsplit(3)
c.dsplit(2)
x.hsplit(3)
x.hsplit([1, 2])
z.hsplit(3)
z.vsplit(3)
x.tril()
x.tril(1)
x.triu(-1)
c.triu(1)
x.t().tril()
z.tril()
r=x*1; r.tril_()
r=x*1; r.triu_(1)
torch.tril_indices(3, 4)
torch.triu_indices(3, 4, 1)
torch.tril_indices(4, 2, -1, dtype=torch.int32)
torch.triu_indices(0, 3)
torch.triu_indices(-1, 3)
x.diag()
z.diag()
z.diag(1)
x.diag(-1)
x.diag(9)
c.diag()
s.diag()
torch.diag_embed(x)
torch.diag_embed(x, 1)
torch.diag_embed(x, -2, 0, 1)
torch.diag_embed(x, 0, 2, 0)
torch.diag_embed(x, 0, 1, 1)
torch.diag_embed(s)
x.diagflat(1)
x.trace()
x[:, :3].trace()
z.trace()
h.diag().trace()
r=x*1; r.fill_diagonal_(5)
r=torch.zeros(7, 3); r.fill_diagonal_(5, wrap=True)
r=torch.zeros(7, 3); r.fill_diagonal_(5)
r=torch.zeros(3, 3, 3); r.fill_diagonal_(5)
r=torch.zeros(3, 3, 2); r.fill_diagonal_(5)
z.fill_diagonal_(5)
""".strip().splitlines()


@pytest.mark.parametrize("expression", REARRANGED)
def test_rearranged(expression):
    assert outcome(rushlight, expression, rearranged_tensors) == outcome(
        torch, expression, rearranged_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, REARRANGED, rearranged_tensors))
def test_gradients_of_rearranged(expression):
    expected = gradients(torch, expression, rearranged_tensors)
    assert_same_gradients(gradients(rushlight, expression, rearranged_tensors), expected)
