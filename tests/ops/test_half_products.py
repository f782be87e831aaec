"""Convolutions, matrix products and conversions of bfloat16 and float16 tensors."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.backend import native
from rushlight.ops.convolution import Geometry
from rushlight.primitive import PRIMITIVES

F = torch.nn.functional
HALVES = [torch.bfloat16, torch.float16]
UNIT = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}


@pytest.fixture(params=["as it is", "without instructions"])
def processor(request, monkeypatch):
    """The processor at hand, and one that computes in float32 only."""
    if request.param == "without instructions":
        monkeypatch.setattr(native, "COMPUTED", (native.float32,))


def values(*shape, dtype, seed=0):
    draw = np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
    return torch.tensor(draw).to(dtype).requires_grad_()


# What is called, and the shapes of its tensors.
CALLS = {
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, padding=1), (2, 4, 9), (6, 4, 3), (6,)),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1), (2, 16, 8, 8), (8, 16, 3, 3), (8,)),
    "strided": (lambda x, w: F.conv2d(x, w, None, 2, 1), (2, 32, 8, 8), (8, 32, 3, 3)),
    "grouped": (lambda x, w, b: F.conv2d(x, w, b, groups=4), (2, 8, 6, 6), (8, 2, 3, 3), (8,)),
    "few channels": (lambda x, w, b: F.conv2d(x, w, b), (2, 1, 16, 16), (4, 1, 3, 3), (4,)),
    "conv3d": (lambda x, w: F.conv3d(x, w), (1, 4, 4, 5, 5), (3, 4, 2, 2, 2)),
    "transposed": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1), (2, 8, 5, 5), (8, 6, 3, 3), (6,),
    ),
    "linear": (F.linear, (9, 33), (20, 33), (20,)),
    "linear without bias": (F.linear, (3, 4, 10), (5, 10)),
    "one feature": (F.linear, (7, 10), (10,)),
    "mm": (torch.mm, (30, 40), (40, 20)),
    "small mm": (torch.mm, (2, 3), (3, 2)),
    "mm of a transpose": (lambda x, y: x.t() @ y, (40, 30), (40, 20)),
    "matrix and vector": (torch.mv, (30, 40), (40,)),
    "dot": (torch.dot, (100,), (100,)),
    "bmm": (torch.bmm, (3, 10, 20), (3, 20, 15)),
    "matmul that broadcasts": (torch.matmul, (3, 1, 6, 20), (2, 20, 5)),
    "addmm": (torch.addmm, (5,), (30, 10), (10, 5)),
    "baddbmm": (torch.baddbmm, (2, 3, 5), (2, 3, 4), (2, 4, 5)),
}  # fmt: skip


def run(function, tensors):
    """The result and the gradients that an incoming one of alternating signs gives."""
    out = function(*tensors)
    sign = torch.tensor(np.where(np.arange(out.numel()) % 2, 1.0, -0.5)).reshape(out.shape)
    out.backward(sign.to(out.dtype))
    return [out.detach(), *[t.grad for t in tensors]]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_rounded_once(name, dtype, processor):
    """Values and gradients are those of float64, to within two roundings of what was added up."""
    function, *shapes = CALLS[name]
    tensors = [values(*shape, dtype=dtype, seed=i) for i, shape in enumerate(shapes)]
    doubles = [t.detach().double().requires_grad_() for t in tensors]
    for found, exact in zip(run(function, tensors), run(function, doubles), strict=True):
        assert found.dtype is dtype
        assert found.shape == exact.shape
        found, exact = found.double().numpy(), exact.numpy()
        np.testing.assert_allclose(
            found, exact, rtol=2 * UNIT[dtype], atol=2 * UNIT[dtype] * np.abs(exact).max()
        )


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_sums_are_wider_than_their_terms(dtype, processor):
    """Added up in half precision, 4096 ones would stop at 256 or 2048."""
    ones = torch.ones(64, 4096, dtype=dtype)
    assert F.linear(ones, ones).unique().tolist() == [4096.0]
    assert torch.mm(ones, ones.t()).unique().tolist() == [4096.0]
    image = torch.ones(2, 512, 4, 4, dtype=dtype)
    assert F.conv2d(image, image[:, :, :2, :4]).unique().tolist() == [4096.0]


PADDED = Geometry((1, 1), (1, 1), (1, 1), 1)
IMAGE, WEIGHT = (2, 32, 8, 8), (32, 32, 3, 3)
OPS = [
    ("convolution", (IMAGE, WEIGHT, (32,)), (PADDED,)),
    ("convolution_input_gradient", (IMAGE, WEIGHT), ((8, 8), PADDED)),
    ("convolution_weight_gradient", (IMAGE, IMAGE), ((3, 3), PADDED)),
    ("convolution_weight_bias_gradient", (IMAGE, IMAGE), ((3, 3), PADDED)),
    ("linear", ((9, 200), (20, 200), (20,)), ()),
    ("mm", ((9, 200), (200, 20)), ()),
    ("bmm", ((3, 9, 200), (3, 200, 20)), ()),
]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name, shapes, rest", OPS)
def test_every_kernel_rounds_to_its_dtype(name, shapes, rest, which, dtype, processor):
    """The plain kernel (0) and the extension's (1): the exact sums, rounded not many times but once."""
    arrays = [values(*shape, dtype=dtype, seed=i)._array for i, shape in enumerate(shapes)]
    doubles = [a.astype(np.float64) for a in arrays]
    kernels = PRIMITIVES[name].cpu_kernels()
    results = kernels[which].run(np, *arrays, *rest)
    exact = kernels[0].run(np, *doubles, *rest)
    several = isinstance(exact, tuple)
    for found, wanted in zip(
        results if several else [results], exact if several else [exact], strict=True
    ):
        assert found.dtype == dtype.numpy
        # 1e-5: what sums in float32 are off where terms cancel out.
        bound = UNIT[dtype] * np.abs(wanted) + 1e-5 * np.abs(wanted).max()
        assert (np.abs(found.astype(np.float64) - wanted) <= bound).all()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_convolution_keeps_channels_last_memory(dtype, channels_last, processor):
    x = torch.ones(2, 32, 8, 8, dtype=dtype)
    order = torch.channels_last if channels_last else torch.contiguous_format
    out = F.conv2d(x.contiguous(memory_format=order), torch.ones(16, 32, 3, 3, dtype=dtype))
    assert out.is_contiguous(memory_format=order)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_empty_batches(dtype, processor):
    w = torch.ones(4, 3, 3, 3, dtype=dtype, requires_grad=True)
    out = F.conv2d(torch.ones(0, 3, 8, 8, dtype=dtype), w)
    out.sum().backward()
    assert out.shape == (0, 4, 6, 6)
    assert w.grad.dtype is dtype
    assert not w.grad.any()
    assert F.linear(torch.ones(0, 5, dtype=dtype), torch.ones(2, 5, dtype=dtype)).shape == (0, 2)
    assert not torch.mm(torch.ones(2, 0, dtype=dtype), torch.ones(0, 3, dtype=dtype)).any()


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES], ids=str)
@pytest.mark.parametrize("shape", [(1,), ()])
def test_a_bias_of_one_element_serves_all_outputs(shape, dtype):
    x, w = torch.ones(300, 64, dtype=dtype), torch.ones(4, 64, dtype=dtype)
    assert F.linear(x, w, torch.ones(shape, dtype=dtype)).unique().tolist() == [65.0]


def test_dtypes_are_not_mixed():
    x, w = torch.ones(2, 3), torch.ones(4, 3, dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        F.linear(x, w)
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        torch.mm(w, x.t())
    with pytest.raises(RuntimeError, match="should be the same"):
        F.conv1d(x, w.unsqueeze(0))


# ---- conversions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize(
    ("view", "strides"),
    [
        (lambda x: x, (120, 30, 6, 1)),
        (lambda x: x.permute(0, 2, 3, 1), (120, 6, 1, 30)),
        (lambda x: x.permute(3, 0, 2, 1), (1, 120, 6, 30)),
        (lambda x: x[:, ::2], (60, 30, 6, 1)),
        (lambda x: x[..., 1:], (100, 25, 5, 1)),
        (lambda x: x[:1].expand(3, 4, 5, 6), (120, 30, 6, 1)),
        (lambda x: x[0, 0, 0, 0], ()),
        (lambda x: x.contiguous(memory_format=torch.channels_last), (120, 1, 24, 4)),
    ],
)
def test_conversion_there_and_back(dtype, view, strides):
    x = view(torch.arange(360.0).reshape(3, 4, 5, 6))
    narrow = x.to(dtype)
    back = narrow.float()
    assert narrow.dtype is dtype
    assert back.dtype is torch.float32
    assert back.tolist() == x.numpy().astype(dtype.numpy).tolist()
    assert narrow.stride() == back.stride() == strides


def test_conversion_of_nothing():
    assert torch.ones(0, 3).bfloat16().shape == torch.ones(0, 3).half().float().shape == (0, 3)


def test_conversion_of_what_is_not_aligned():
    block = np.zeros(4 * 100 + 1, np.uint8)[1:].view(np.float32)
    block[:] = 1.5
    assert torch.from_numpy(block).bfloat16().tolist() == [1.5] * 100


def test_conversion_is_differentiable_in_the_dtype_of_each_side():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    narrow = x.bfloat16()
    narrow.retain_grad()
    (narrow.float() * torch.tensor([3.0, 1.0 + 2**-10])).sum().backward()
    assert narrow.grad.dtype is torch.bfloat16
    assert x.grad.dtype is torch.float32
    assert x.grad.tolist() == [3.0, 1.0]


def test_conversion_overflows_and_rounds_as_ieee_says():
    x = torch.tensor([65519.0, 65520.0, -65520.0, 1 + 2**-8, 1 + 3 * 2**-8, 2.0**-25, float("nan")])
    assert x.half()[:3].tolist() == [65504.0, float("inf"), float("-inf")]
    assert x.half()[5].item() == 0.0
    assert x.bfloat16()[3:5].tolist() == [1.0, 1.015625]
    assert x.half()[6].isnan() and x.bfloat16()[6].isnan()
