"""Convolutions over many geometries, against PyTorch's: values, gradients, gradients of gradients."""

import itertools

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

GEOMETRIES = [
    (size, kernel, stride, padding, dilation, groups)
    for size, kernel, stride, padding, dilation, groups in itertools.product(
        ((7, 9), (12, 16)), ((1, 1), (3, 3), (2, 5)), (1, 2), (0, 1), (1, 2), (1, 2, 4)
    )
    if kernel != (1, 1) or dilation == 1
]


def results(framework, dtype, transposed, size, kernel, stride, padding, dilation, groups):
    draw = np.random.default_rng(0)
    new = lambda *s: framework.from_numpy(draw.normal(size=s).astype(dtype)).requires_grad_()  # noqa: E731
    x, bias = new(2, 4, *size), new(8)
    if transposed:
        weight = new(4, 8 // groups, *kernel)
        y = framework.nn.functional.conv_transpose2d(
            x, weight, bias, stride, padding, 0, groups, dilation
        )
    else:
        weight = new(8, 4 // groups, *kernel)
        y = framework.nn.functional.conv2d(x, weight, bias, stride, padding, dilation, groups)
    first = framework.autograd.grad((y * y).sum(), [x, weight, bias], create_graph=True)
    second = framework.autograd.grad(sum((g * g).sum() for g in first), [x, weight])
    return [t.detach().numpy() for t in (y, *first, *second)]


@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "transposed"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_same_convolution(geometry, transposed):
    for dtype, tolerance in (("float32", 2e-3), ("float64", 1e-9)):
        theirs = results(torch, dtype, transposed, *geometry)
        for found, expected in zip(results(rushlight, dtype, transposed, *geometry), theirs):
            np.testing.assert_allclose(
                found, expected, rtol=tolerance, atol=tolerance * abs(expected).max()
            )
