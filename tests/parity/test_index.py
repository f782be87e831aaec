"""Square brackets, reading and writing, against PyTorch: values, strides, views, gradients, types of errors."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rushlight

from .side_by_side import assert_same_gradients, differentiable, gradients, outcome

torch = pytest.importorskip("torch")


def reading_tensors(torch):
    """Two tensors of three dimensions."""
    x = torch.arange(24.0).reshape(2, 3, 4)
    return {"x": x, "xs": x.clone()}


READING = """
x[5]
x[-3]
x[0, 5]
x[0, 0, 0, 0]
x[1.5]
x[::-1]
x[::0]
x[1:'a']
x['a']
x[..., ...]
x[[0, 1]]
x[[0, 1], [1, 2]]
x[[[0, 1], [1, 0]]]
x[[slice(0, 1), 1]]
x[[0, None]]
x[(0, 1)]
x[torch.tensor(1)]
x[torch.tensor([1, 0])]
x[torch.tensor([5])]
x[torch.tensor([-3])]
x[torch.tensor([1.0])]
x[torch.tensor([1], dtype=torch.int16)]
x[torch.tensor([1], dtype=torch.int32)]
x[torch.tensor([1], dtype=torch.int8)]
x[torch.tensor([1, 0], dtype=torch.uint8)]
x[torch.tensor(1, dtype=torch.uint8)]
x[torch.tensor(True)]
x[True]
x[False]
x[True, False]
x[:, True]
x[None, True]
x[0, :, torch.tensor([1, 2])]
x[:, [0, 1], [1, 2]]
x[[0, 1], :, [1, 2]]
x[torch.tensor([True, False])]
x[torch.tensor([True, False, True])]
x[:, torch.tensor([True, False, True])]
x[torch.ones(2, 3, dtype=torch.bool)]
x[torch.ones(2, 4, dtype=torch.bool)]
x[torch.ones(2, 3, 4, 1, dtype=torch.bool)]
x[np.array([0, 1])]
x[np.array([True, False])]
x[np.int64(1)]
x[np.float32(1)]
x[np.array(1)]
x[[0, 1], [0, 1, 2]]
x[torch.tensor([0, 1]), torch.tensor([0, 1, 2])]
x[torch.tensor([]).long()]
x[[]]
x[()]
x[...]
x[:]
x[None]
x[..., None]
x[:, :, 0]
x[0, ..., 0]
x[[True, False]]
x[torch.tensor([[0]])]
torch.tensor(3.)[0]
torch.tensor(3.)[()]
torch.tensor(3.)[None]
torch.tensor(3.)[...]
torch.tensor(3.)[True]
torch.tensor(3.)[torch.tensor(True)]
torch.tensor(3.)[torch.tensor([0])]
x[:, 5:2]
x[0:100]
x[range(2)]
x[:, range(2)]
x[{1}]
x[1j]
x[None, None, [0, 1], None]
xs[0]
xs[1:]
xs[:]
xs[None]
xs[...]
xs[0, 1:]
xs[0, 1:, None]
xs[:, 0]
xs[1:, :]
xs[[0]]
xs[()]
xs[..., 0]
xs[0, ...]
xs[0, :]
xs[xs>0]
xs[None, 0]
xs[True]
x[torch.tensor(5)]
x[torch.tensor(1.5)]
x[:torch.tensor(1)]
x[:torch.tensor(1.5)]
x[:1.5]
x[:np.int64(1)]
x[:True]
x[torch.tensor([0, 1]), 0]
x[0, torch.tensor([0, 1])]
x[torch.tensor([0, 1]), None, 0]
x[torch.tensor([[0, 1]]), :, torch.tensor([[1], [0]])]
torch.zeros(0, 3)[0]
torch.zeros(0, 3)[torch.tensor([0])]
torch.zeros(2, 3)[:, 3]
torch.zeros(2, 3)[torch.tensor([0]), torch.tensor([7])]
torch.zeros(2, 3)[:, torch.tensor([7])]
x[x]
x[1][2][3]
x[[1, 2], ...]
x[..., [0, 1], None, :]
x[(slice(None),)*4]
x[[torch.tensor(0), torch.tensor(1)]]
x[[torch.tensor([0]), torch.tensor([1])]]
x[[[0, 1], slice(None)]]
""".strip().splitlines()


@pytest.mark.parametrize("expression", READING)
def test_reading(expression):
    assert outcome(rushlight, expression, reading_tensors) == outcome(
        torch, expression, reading_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, READING, reading_tensors))
def test_gradients_of_reading(expression):
    expected = gradients(torch, expression, reading_tensors)
    assert_same_gradients(gradients(rushlight, expression, reading_tensors), expected)


def writing_tensors(torch):
    """Zeros to write into."""
    return {"x": torch.zeros(2, 3, 4)}


WRITING = """
x[0]=torch.ones(1, 1, 1, 4);
x[0]=torch.ones(5);
x[0]=torch.ones(2, 3, 4);
x[torch.tensor([0, 1])]=torch.ones(3);
x[torch.tensor([0])]=torch.ones(4, dtype=torch.float64);
x[torch.tensor([0])]=torch.tensor(2, dtype=torch.int64);
x[torch.tensor([0])]=torch.ones(4, dtype=torch.int64);
x[x==0]=torch.ones(4, dtype=torch.int64);
x[x==0]=torch.ones(24, dtype=torch.float64);
x[x==0]=torch.ones(23);
x[x==0]=torch.ones(1);
x[x==0]=torch.tensor(1);
x[x==0]=torch.tensor(1j);
x[0]=1j;
x[0]=torch.tensor(1j);
x[0]='a';
x[0]=[1, 2, 3, 4];
x[0]=np.ones(4);
x[0]=None;
x[[0, 1], [0, 1]]=np.ones(4);
x[[0, 1], [0, 1]]=5;
x[[0, 0], [0, 0]]=torch.arange(8.).reshape(2, 4);
x[5]=1;
x[0, torch.tensor([9])]=1;
x[torch.tensor(True)]=1;
x[True]=2;
x[False]=2;
x[...]=3;
x[()]=4;
x[:]=torch.ones(2, 1, 1);
x[None]=1;
x[0, :, torch.tensor([1])]=7;
x[0]=np.float64(3);
x[0]=torch.ones(4, requires_grad=True);
x[[0]]=torch.ones(4, requires_grad=True);
x[x==0]=torch.ones(24, requires_grad=True);
x[x==0]=torch.tensor(2., requires_grad=True);
x[0, 0, 0]=torch.tensor(2., requires_grad=True);
x[0, 0, 0]=torch.tensor([2.]);
x[0, 0, 0]=torch.tensor([2., 3.]);
x[1.5]=1;
x[::-1]=1;
x[0:1, [0, 1]]=torch.ones(1, 1, 2, 4);
x[0:1, [0, 1]]=torch.ones(2, 1, 2, 4);
x=x.int(); x[0]=1.7
x=x.int(); x[0]=float('nan')
x=x.int(); x[0]=2**40
x=x.byte(); x[0]=300
x=x.byte(); x[0]=-1
x=x.bool(); x[0]=5
x=x.int(); x[[0]]=1.7
x=x.half(); x[0]=1e10
x=x.expand(2, 3, 4); x[0]=1
x=torch.zeros(1, 4).expand(3, 4); x[0]=1
x=torch.zeros(1, 4).expand(3, 4); x[:]=1
x=torch.zeros(4, requires_grad=True); x[0]=1
x=torch.zeros(4, requires_grad=True)*1; x[0]=1
x=torch.zeros(4, requires_grad=True)*1; x[[0]]=1
x=torch.zeros(4, requires_grad=True)*1; x[x==0]=1
x=torch.zeros(4); del x[0]
x.index_put_((torch.tensor([0]),), torch.ones(4, dtype=torch.float64));
x.index_put_([torch.tensor([0]), None, torch.tensor([1])], torch.tensor(1.));
x.index_put_((torch.tensor([0]),), torch.tensor(1));
x.index_put_((x==0,), torch.tensor(1.));
x.index_put_((x==0,), torch.tensor(1.), accumulate=True);
x.index_put_(torch.tensor([0]), torch.tensor(1.));
""".strip().splitlines()


@pytest.mark.parametrize("expression", WRITING)
def test_writing(expression):
    assert outcome(rushlight, expression, writing_tensors) == outcome(
        torch, expression, writing_tensors
    )


def recorded_tensors(torch):
    """Matrices, vectors, indices and a mask."""
    x = torch.arange(12.0).reshape(3, 4) * 0.5 + 1
    y = torch.tensor([[8.0, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]])
    return {
        "x": x, "y": y, "z": torch.arange(3.0) + 2, "i": torch.tensor([2, 0]), "s": torch.tensor(2.0), "m": x > 3,
        "j": torch.tensor([[0, 1], [2, 3], [1, 1]]), "h": torch.tensor([0, 1, 1]), "d": torch.tensor([2, 2, 0]),
    }  # fmt: skip


RECORDED = """
x[h, d]
x[j]
x[:, j]
x[h][:, d]
x[m]
x[:, torch.tensor([True, False, False, True])]
x[h, torch.tensor([0])]
x[h[:, None], i]
x[-1]
x[:, -1]
x[:, None, :, None][0]
r=x*1; r[h]=y
r=x*1; r[h, d]=z
r=x*1; r[m]=s
r=x*1; r[m]=y[m]
r=x*1; r[0]=z[0]
r=x*1; r[:, 1:3]=y[:, :2]
r=x*1; r[0, 1:]=z
r=x*1; v=r[0]; v[1]=s; r[1]=v*2
r=x*1; r[1:][0]*=s
r=x*1; r[0]+=z[0]; r[h]=r[h]*2
r=x*1; r[:, h]=y[:, :3]
r=x*1; r[1:, h[:2]]=y[:2, :2]
r=x*1; v=r[0]; r.mul_(2); r=v*r
r=x*1; r[m]+=1
r=x*1; r[h]+=1
r=x*1; r.fill_(2); r=r*x
r=x*1; r[...]=y; r=r*x
r=x*1; r.copy_(y)
r=x*1; r[0].fill_(s)
r=x*1; r[0].zero_()
r=x*1; r.t()[0]=z
""".strip().splitlines()


@pytest.mark.parametrize("expression", RECORDED)
def test_recorded(expression):
    assert outcome(rushlight, expression, recorded_tensors) == outcome(
        torch, expression, recorded_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, RECORDED, recorded_tensors))
def test_gradients_of_recorded(expression):
    expected = gradients(torch, expression, recorded_tensors)
    assert_same_gradients(gradients(rushlight, expression, recorded_tensors), expected)


def in_place_tensors(torch):
    """Vectors and a matrix."""
    return {
        "x": torch.arange(4.0) + 1, "s": torch.tensor(3.0), "y": torch.arange(4.0) * 2 + 1,
        "X": torch.arange(12.0).reshape(3, 4) + 1,
    }  # fmt: skip


IN_PLACE = """
r=x*1; r.mul_(s)
r=x*1; r.mul_(y)
r=x*1; r.mul_(r)
r=x*1; r.div_(y)
r=x*1; r.pow_(2)
r=x*1; r.exp_()
r=x*1; r.sub_(y)
r=x*1; r.add_(y); r=r*r
r=x*1; r[0].mul_(s)
r=x*1; r[0]*=s
r=x*1; r[:2]*=y[:2]
r=x*1; r.clamp_(min=2)
r=x*1; r.addcmul_(y, y)
r=x*1; r.sigmoid_()
r=x*1; r.log_()
r=x*1; r.sqrt_()
r=x*1; r.square_()
r=x*1; r.abs_()
r=x*1; r.neg_()
r=x*1; r.relu_()
r=x*1; v=r[:2]; v.mul_(v); r=r*2
r=x*1; r.mul_(x)
r=X*1; v=r[0]; v[1]=s; r[1]=v*2
r=X*1; v=r[0]; w=v[1:]; w.mul_(2); v.add_(1); r=r*w.sum()+v.sum()
r=X*1; v=r[0]; u=r.t(); u[2].mul_(s); r=v*u[:, 0].sum()
r=X*1; a=r[0]; b=r[1]; a.copy_(b); b.mul_(a); r=r*1
r=X*1; v=r.view(-1)[3:7]; v.mul_(s); v=v*2; r[0]=1; r=r.sum()+v
r=X*1; v=r[0]; r[0]=v*v; r=r*v
""".strip().splitlines()


@pytest.mark.parametrize("expression", IN_PLACE)
def test_in_place(expression):
    assert outcome(rushlight, expression, in_place_tensors) == outcome(
        torch, expression, in_place_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, IN_PLACE, in_place_tensors))
def test_gradients_of_in_place(expression):
    expected = gradients(torch, expression, in_place_tensors)
    assert_same_gradients(gradients(rushlight, expression, in_place_tensors), expected)


def random_key(draw, shape):
    """The text of a key for a tensor of ``shape``: ints, slices, None, an ellipsis, lists, masks and index tensors."""
    items, dim = [], 0
    ellipsis = draw.random() < 0.2
    length = draw.choice([1, 2, 3])
    while dim < len(shape) and draw.random() < 0.85:
        size = shape[dim]
        kind = draw.choice(
            ["int", "slice", "slice", "none", "list", "table", "mask", "mask2", "bool"]
        )
        if kind == "none":
            items.append("None")
            continue
        if kind == "bool":
            items.append(draw.choice(["True", "False"]) if draw.random() < 0.1 else "None")
            continue
        if kind == "mask2" and dim + 1 < len(shape):
            bits = [[draw.random() < 0.5 for _ in range(shape[dim + 1])] for _ in range(size)]
            items.append(f"torch.tensor({bits})")
            dim += 2
            continue
        if kind == "int":
            items.append(str(draw.randrange(-size, size)))
        elif kind == "slice":
            ends = [draw.choice(["", str(draw.randrange(-size - 1, size + 2))]) for _ in range(2)]
            items.append(":".join([*ends, draw.choice(["", "1", "2", "3"])]))
        elif kind == "list":
            items.append(str([draw.randrange(-size, size) for _ in range(length)]))
        elif kind == "table":
            rows = [[draw.randrange(-size, size) for _ in range(length)] for _ in range(2)]
            items.append(f"torch.tensor({rows})")
        else:
            items.append(f"torch.tensor({[draw.random() < 0.5 for _ in range(size)]})")
        dim += 1
    if ellipsis:
        items.insert(draw.randrange(len(items) + 1), "...")
        # After the ellipsis the dimensions differ: then both must refuse, or agree.
    return ", ".join(items) or "..."


SHAPES = ((4,), (3, 4), (2, 3, 4), (4, 2, 3, 2))


def fuzz_case(seed):
    draw = random.Random(seed)
    shape = draw.choice(SHAPES)
    return shape, random_key(draw, shape)


@pytest.mark.parametrize("seed", range(400))
def test_random_key(seed):
    shape, key = fuzz_case(seed)

    def tensors(torch):
        count = int(np.prod(shape))
        return {
            "x": torch.arange(float(count)).reshape(shape),
            "t": torch.arange(float(count))
            .reshape(shape[::-1])
            .permute(tuple(reversed(range(len(shape))))),
        }

    for expression in (
        f"x[{key}]",
        f"x[{key}]; x[{key}] = 7; r = x",
        f"t[{key}]; r = x * 1; r[{key}] = t[{key}] * 2",
    ):
        assert outcome(rushlight, expression, tensors, False) == outcome(
            torch, expression, tensors, False
        ), key


@pytest.mark.parametrize("seed", range(0, 400, 4))
def test_gradients_of_random_key(seed):
    shape, key = fuzz_case(seed)

    def tensors(torch):
        return {"x": torch.arange(float(np.prod(shape))).reshape(shape)}

    expressions = differentiable(
        torch, [f"x[{key}]", f"r = x * 1; r[{key}] = x[{key}] * 2"], tensors
    )
    for expression in expressions:
        expected = gradients(torch, expression, tensors)
        assert_same_gradients(gradients(rushlight, expression, tensors), expected)
