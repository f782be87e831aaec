"""The shapes that we claim are fast take the fast kernels: a lost fast path is slow, and silent otherwise."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.backend import native
from rushlight.ops.convolution import Geometry
from rushlight.ops.window import Window
from rushlight.primitive import PRIMITIVES
from rushlight.tensor import wrap

PLAIN = Geometry((1, 1), (0, 0), (1, 1), 1)
HALVES = Window((2, 2), (2, 2), (0, 0), (1, 1))
LABELS = torch.zeros(100, dtype=torch.int64)


def images(*shape, channels_last=False):
    array = np.ones(shape, np.float32)
    return wrap(native.as_channels_last(array) if channels_last else array)


CASES = [
    ("convolution", (images(2, 64, 8, 8), images(64, 64, 3, 3), None, PLAIN), "convolution_onednn"),
    ("convolution", (images(2, 3, 32, 32), images(6, 3, 5, 5), None, PLAIN), "convolution_planar"),
    ("convolution", (images(2, 3, 32, 32), images(64, 3, 5, 5), None, PLAIN), "convolution_onednn"),
    ("max_pool_taps", (images(2, 6, 28, 28), HALVES), "max_pool_taps_planar"),
    ("max_pool_taps", (images(2, 6, 28, 28, channels_last=True), HALVES), "max_pool_taps_native"),
    ("batch_norm_train", (images(2, 4, 8, 8), None, None, 1e-5), "batch_norm_train_native"),
    ("linear", (torch.ones(100, 784), torch.ones(10, 784), torch.ones(10)), "linear_onednn"),
    ("mm", (torch.ones(128, 784), torch.ones(784, 256)), "mm_onednn"),
    ("adaptive_avg_pool", (images(2, 512, 4, 4), (1, 1)), "adaptive_avg_pool_native"),
    (
        "softmax_cross_entropy",
        (torch.ones(100, 10), LABELS, None, -100, "mean"),
        "softmax_cross_entropy_native",
    ),
]


@pytest.mark.parametrize("name, arguments, kernel", CASES)
def test_the_fast_kernel_is_chosen(name, arguments, kernel):
    assert PRIMITIVES[name].kernel_for(*arguments) == kernel


def test_double_precision_takes_the_plain_kernel():
    x = torch.ones(2, 64, 8, 8, dtype=torch.float64)
    w = torch.ones(64, 64, 3, 3, dtype=torch.float64)
    assert PRIMITIVES["convolution"].kernel_for(x, w, None, PLAIN) == "convolution"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    "name, shapes, rest, kernel",
    [
        ("convolution", [(2, 64, 8, 8), (64, 64, 3, 3)], (None, PLAIN), "convolution_onednn"),
        ("convolution", [(2, 3, 32, 32), (6, 3, 5, 5)], (None, PLAIN), "convolution_onednn"),
        (
            "convolution_input_gradient",
            [(2, 64, 6, 6), (64, 64, 3, 3)],
            ((8, 8), PLAIN),
            "convolution_input_gradient_onednn",
        ),
        (
            "convolution_weight_gradient",
            [(2, 64, 6, 6), (2, 64, 8, 8)],
            ((3, 3), PLAIN),
            "convolution_weight_gradient_onednn",
        ),
        ("linear", [(2, 4), (3, 4)], (None,), "linear_onednn"),
        ("mm", [(2, 4), (4, 3)], (), "mm_onednn"),
        ("bmm", [(5, 2, 4), (5, 4, 3)], (), "bmm_onednn"),
    ],
)
def test_half_precision_runs_in_the_extension(name, shapes, rest, kernel, dtype):
    tensors = [torch.ones(shape, dtype=dtype) for shape in shapes]
    assert PRIMITIVES[name].kernel_for(*tensors, *rest) == kernel


@pytest.mark.parametrize("shape", [(64, 32, 28, 28), (1 << 20,)])
def test_large_relu_runs_in_the_extension(shape):
    x = torch.ones(shape)
    assert "native" in torch.relu.op.kernel_for(x)
