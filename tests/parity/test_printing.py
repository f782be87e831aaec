"""The text of generated tensors, compared with PyTorch's own."""

import random

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rushlight import printing  # noqa: E402

DTYPES = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
DTYPES += ["int8", "int16", "int32", "int64", "uint8", "bool"]
OPTIONS = {
    "precision": [0, 1, 2, 3, 6, 8],
    "threshold": [0, 5, 20, 100, 1000, float("inf")],
    "edgeitems": [0, 1, 2, 3, 5],
    "linewidth": [0, 10, 40, 60, 79, 80, 100, 200],
    "profile": ["default", "short", "full"],
    "sci_mode": [True, False],
}
EXPONENTS = [-12, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 5, 8, 9, 12, 30, 37]
BORDERS = [1e-45, 9.99999e-5, 1e-4, 0.1, 0.5, 1.0, 1000.0, 1001.0, 1e5, 1e8, 100000001.0, -1.0]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0]


@pytest.fixture(autouse=True)
def default_options():
    yield
    torch.set_default_dtype(torch.float32)
    for owner in (torch, printing):
        owner.set_printoptions(profile="default")


def make_options(choose):
    return {
        name: choose.choice(values) for name, values in OPTIONS.items() if choose.random() < 0.15
    }


def make_shape(choose):
    sizes = [0, *[1, 2, 3, 4, 5, 6, 7, 8, 11] * 4, 30, 400]
    return tuple(
        choose.choice(sizes[: len(sizes) - 2 * (i > 1)]) for i in range(choose.randrange(5))
    )


def make_values(choose, shape):
    draw = np.random.default_rng(choose.randrange(2**30))
    normal = draw.standard_normal(shape) * 10.0 ** choose.choice(EXPONENTS)
    values = choose.choice(
        [
            normal,
            np.round(normal),
            np.where(draw.random(shape) < 0.3, 0, normal),
            np.zeros(shape),
            draw.integers(-3, 4, shape).astype(float),
            np.full(shape, choose.choice(BORDERS)),
            draw.choice(BORDERS, shape),
            10.0 ** draw.uniform(-3, 4, shape),
        ]
    )
    chance = choose.choice([0, 0, 0, 0.3, 1])
    return np.where(draw.random(shape) < chance, draw.choice(SPECIAL, shape), values)


def make_tensor(choose, dtype):
    shape = make_shape(choose)
    values = torch.from_numpy(make_values(choose, shape))
    if dtype.is_complex:
        values = torch.complex(values, torch.from_numpy(make_values(choose, shape)))
    elif dtype == torch.bool:
        values = values > 0
    elif not dtype.is_floating_point:
        values = values.nan_to_num().clamp(-(2**62), 2**62)
    values = values.to(dtype)
    return values.transpose(0, -1) if values.dim() and choose.random() < 0.2 else values


def as_array(tensor):
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def with_gradient(choose, tensor):
    """The tensor, sometimes with a gradient, and what ours must be told about it."""
    kind = choose.randrange(4) * (tensor.is_floating_point() or tensor.is_complex())
    if kind == 1:
        return tensor.requires_grad_(), {"requires_grad": True}
    if kind == 2:
        return tensor.requires_grad_() * 1, {"grad_fn_name": "MulBackward0"}
    if kind == 3:
        return torch.nn.Parameter(tensor), {"requires_grad": True, "is_parameter": True}
    return tensor, {}


def compare(choose):
    """(ours, theirs) for one generated tensor under generated options."""
    given = make_options(choose)
    for owner in (torch, printing):
        owner.set_printoptions(profile="default")
        owner.set_printoptions(**given)
    name = choose.choice(DTYPES)
    default = choose.choice(["float32", "float32", "float64", "float16", "bfloat16"])
    torch.set_default_dtype(torch.float32)
    tensor, told = with_gradient(choose, make_tensor(choose, getattr(torch, name)))
    torch.set_default_dtype(getattr(torch, default))
    return printing.tensor_repr(as_array(tensor), name, default, **told), repr(tensor)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("seed", range(8))
def test_generated_tensors(seed):
    choose = random.Random(seed)
    pairs = [compare(choose) for _ in range(500)]
    assert [pair for pair in pairs if pair[0] != pair[1]] == []


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (10**6, 10**6)])
@pytest.mark.parametrize("name", ["float32", "float64", "int64", "bool", "complex64"])
def test_meta_tensors(shape, name):
    tensor = torch.empty(shape, dtype=getattr(torch, name), device="meta")
    array = np.broadcast_to(np.zeros((), name), shape)
    assert printing.tensor_repr(array, name, device="meta", meta=True) == repr(tensor)


@pytest.mark.parametrize("class_name", ["M", "Measurement"])
def test_subclasses(class_name):
    tensor = torch.arange(60.0).view(3, 20).as_subclass(type(class_name, (torch.Tensor,), {}))
    assert printing.tensor_repr(as_array(tensor), class_name=class_name) == repr(tensor)


@pytest.mark.parametrize("spec", ["", ".3f", "8.2e", "g", "+.1%"])
def test_format_of_one_value(spec):
    assert printing.format_scalar(np.array(0.7734375), spec) == format(
        torch.tensor(0.7734375), spec
    )
