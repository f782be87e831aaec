"""Convolutions, matrix products and conversions in bfloat16 against PyTorch's.

Both round a sum of exact products once, but add up in different orders, so a result may be the other neighbour:
values may differ by 2**-7 of their size, and by as much of the largest where terms cancel out. Gradients of
several steps may differ by twice that.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402

STEP = 2.0**-7

# What is called, and the shapes of its tensors.
CALLS = {
    "first layer": (
        lambda t, x, w: t.nn.functional.conv2d(x, w, None, 1, 1), (4, 3, 16, 16), (64, 3, 3, 3),
    ),
    "3x3": (lambda t, x, w: t.nn.functional.conv2d(x, w, None, 1, 1), (4, 64, 8, 8), (64, 64, 3, 3)),
    "stride 2": (
        lambda t, x, w: t.nn.functional.conv2d(x, w, None, 2, 1), (4, 64, 8, 8), (128, 64, 3, 3),
    ),
    "shortcut": (lambda t, x, w: t.nn.functional.conv2d(x, w, None, 2), (4, 64, 8, 8), (96, 64, 1, 1)),
    "short rows": (
        lambda t, x, w: t.nn.functional.conv2d(x, w, None, 1, 1), (4, 64, 4, 4), (64, 64, 3, 3),
    ),
    "bias": (
        lambda t, x, w, b: t.nn.functional.conv2d(x, w, b, 1, 2), (2, 6, 14, 14), (16, 6, 5, 5), (16,),
    ),
    "depthwise": (
        lambda t, x, w: t.nn.functional.conv2d(x, w, None, 1, 1, 1, 32), (2, 32, 8, 8), (32, 1, 3, 3),
    ),
    "dilated": (
        lambda t, x, w: t.nn.functional.conv2d(x, w, None, 1, 2, 2), (2, 32, 8, 8), (8, 32, 3, 3),
    ),
    "conv1d": (lambda t, x, w: t.nn.functional.conv1d(x, w), (2, 8, 30), (4, 8, 5)),
    "conv3d": (lambda t, x, w: t.nn.functional.conv3d(x, w), (1, 8, 4, 6, 6), (4, 8, 3, 3, 3)),
    "transposed": (
        lambda t, x, w, b: t.nn.functional.conv_transpose2d(x, w, b, 2, 1, 1),
        (2, 16, 5, 5), (16, 8, 3, 3), (8,),
    ),
    "linear": (lambda t, x, w, b: t.nn.functional.linear(x, w, b), (32, 512), (10, 512), (10,)),
    "linear of a stack": (lambda t, x, w: t.nn.functional.linear(x, w), (2, 7, 64), (48, 64)),
    "mm": (lambda t, x, y: t.mm(x, y), (50, 64), (64, 30)),
    "bmm": (lambda t, x, y: t.bmm(x, y), (6, 16, 32), (6, 32, 16)),
    "matmul that broadcasts": (lambda t, x, y: t.matmul(x, y), (3, 1, 6, 32), (2, 32, 5)),
    "attention scores": (lambda t, x, y: x @ y.transpose(-2, -1), (2, 4, 16, 32), (2, 4, 16, 32)),
    "addmm": (lambda t, b, x, y: t.addmm(b, x, y), (30,), (20, 64), (64, 30)),
    "mv": (lambda t, x, y: t.mv(x, y), (20, 64), (64,)),
}  # fmt: skip


def run(framework, name):
    """Dtypes, shapes and values of the result and of the gradients."""
    function, *shapes = CALLS[name]
    draw = np.random.default_rng(len(name))
    leaves = []
    for shape in shapes:
        array = draw.standard_normal(shape).astype(np.float32)
        leaves.append(framework.tensor(array).bfloat16().requires_grad_())
    out = function(framework, *leaves)
    g = draw.standard_normal(tuple(out.shape)).astype(np.float32)
    out.backward(framework.tensor(g).bfloat16())
    results = [out.detach(), *[leaf.grad for leaf in leaves]]
    return [(str(r.dtype), tuple(r.shape)) for r in results], [r.float().numpy() for r in results]


@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients(name):
    kinds, found = run(rushlight, name)
    expected_kinds, expected = run(torch, name)
    assert kinds == expected_kinds
    for mine, theirs in zip(found, expected, strict=True):
        largest = np.abs(theirs).max()
        np.testing.assert_allclose(mine, theirs, rtol=2 * STEP, atol=STEP * largest)


def every_float():
    """float32 around every value of both half-precision types, half-way points included."""
    upper = np.arange(1 << 19, dtype=np.uint32)[:, None] << 13
    bits = (upper + np.array([0, 1, 0xFFF, 0x1000, 0x1001], np.uint32)).ravel()
    return bits.view(np.float32)


@pytest.mark.parametrize("name", ["bfloat16", "half"])
def test_conversions_are_bit_equal(name):
    x = every_float()
    theirs = getattr(torch.tensor(x), name)()
    mine = getattr(rushlight.tensor(x), name)()
    bits = theirs.view(torch.int16).numpy()
    number = ~np.isnan(x)
    assert (mine.view(rushlight.int16).numpy()[number] == bits[number]).all()
    assert mine.isnan().numpy().tolist() == theirs.isnan().numpy().tolist()
    wide = mine.float().numpy()
    assert (wide[number] == theirs.float().numpy()[number]).all()


@pytest.mark.parametrize(
    "view",
    [
        "x",
        "x.permute(0, 2, 3, 1)",
        "x.permute(3, 0, 2, 1)",
        "x[:, ::2]",
        "x[:1].expand(2, 4, 5, 6)",
    ],
)
def test_conversions_keep_the_order_of_memory(view):
    def strides(framework):
        x = framework.zeros(2, 4, 5, 6)
        x = eval(view, {"x": x})
        return list(x.bfloat16().stride()), list(x.bfloat16().float().stride())

    assert strides(rushlight) == strides(torch)


def test_a_layer_in_bfloat16_gives_gradients_in_bfloat16():
    def dtypes(framework):
        layer = framework.nn.Sequential(
            framework.nn.Conv2d(3, 32, 3), framework.nn.Flatten(), framework.nn.Linear(32 * 36, 5)
        ).bfloat16()
        layer(framework.ones(2, 3, 8, 8).bfloat16()).float().sum().backward()
        return [str(p.grad.dtype) for p in layer.parameters()]

    assert dtypes(rushlight) == dtypes(torch) == ["torch.bfloat16"] * 4
