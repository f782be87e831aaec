"""Convolution kernels in bfloat16: exact products, added up in float32, rounded once.

The exact results are those of the plain kernels in float64.
"""

import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from rushlight import _native
from rushlight.backend.native import as_channels_last
from rushlight.ops.convolution import (
    Geometry,
    _convolution,
    _convolution_input_gradient,
    _convolution_weight_gradient,
)

pytestmark = pytest.mark.skipif(
    not _native.has_bfloat16(), reason="this processor has no bfloat16 kernels"
)

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def random(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(BFLOAT16)


def assert_rounded(found, exact, magnitude, terms):
    """The exact result to within one rounding to bfloat16 and `terms` roundings of float32 sums.

    Args:
        magnitude: the same sums over absolute values.
    """
    unit = 2.0**-8 if found.dtype == BFLOAT16 else 2.0**-24
    bound = unit * np.abs(exact) + terms * 2.0**-24 * magnitude + 1e-30
    assert (np.abs(found.astype(np.float64) - exact) <= bound).all()


# x, w, stride, padding
CASES = {
    "first layer": ((2, 3, 12, 12), (16, 3, 3, 3), (1, 1), (1, 1)),
    "3x3": ((2, 32, 8, 8), (48, 32, 3, 3), (1, 1), (1, 1)),
    "stride 2": ((2, 32, 8, 8), (16, 32, 3, 3), (2, 2), (1, 1)),
    "stride 2, odd size": ((3, 32, 9, 7), (16, 32, 3, 3), (2, 2), (1, 1)),
    "stride 2, no padding": ((2, 32, 9, 9), (8, 32, 3, 3), (2, 2), (0, 0)),
    "stride 2, unused rest": ((2, 32, 8, 8), (8, 32, 3, 3), (2, 2), (0, 0)),
    "uneven strides": ((2, 64, 9, 12), (8, 64, 3, 5), (2, 3), (1, 2)),
    "more padding than kernel": ((2, 32, 5, 5), (8, 32, 2, 2), (2, 2), (3, 3)),
    "stride 2, 35 channels": ((2, 35, 8, 8), (8, 35, 3, 3), (2, 2), (1, 1)),
    "short rows": ((4, 64, 4, 4), (32, 64, 3, 3), (1, 1), (1, 1)),
    "1x1 stride 2": ((2, 32, 8, 8), (64, 32, 1, 1), (2, 2), (0, 0)),
    "one output channel": ((2, 32, 8, 8), (1, 32, 3, 3), (2, 2), (1, 1)),
}


def case(name):
    x_shape, w_shape, stride, padding = CASES[name]
    geometry = Geometry(stride, padding, (1, 1), 1)
    out = (x_shape[0], w_shape[0], *geometry.output(x_shape[2:], w_shape[2:]))
    return random(*x_shape, seed=1), random(*w_shape, seed=2), random(*out, seed=3), geometry


def double(*arrays):
    return [a.astype(np.float64) for a in arrays]


@pytest.mark.parametrize("layout", [np.ascontiguousarray, as_channels_last])
@pytest.mark.parametrize("name", CASES)
def test_forward(name, layout):
    x, w, g, geometry = case(name)
    bias = random(w.shape[0], seed=4)
    out = layout(np.full_like(g, 7))
    _native.conv_forward(layout(x), w, bias, out, *geometry)
    exact = _convolution(np, *double(x, w, bias), geometry)
    magnitude = _convolution(np, *map(np.abs, double(x, w, bias)), geometry)
    assert_rounded(out, exact, magnitude, w[0].size)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, as_channels_last])
@pytest.mark.parametrize("name", CASES)
def test_input_gradient(name, layout):
    x, w, g, geometry = case(name)
    gx = layout(np.full_like(x, 7))
    _native.conv_backward_data(layout(g), w, gx, *geometry)
    exact, magnitude = (
        _convolution_input_gradient(np, *arrays, x.shape[2:], geometry)
        for arrays in (double(g, w), map(np.abs, double(g, w)))
    )
    assert_rounded(gx, exact, magnitude, w[:, 0].size)


@pytest.mark.parametrize("dtype", [BFLOAT16, np.float32], ids=str)
@pytest.mark.parametrize("layout", [np.ascontiguousarray, as_channels_last])
@pytest.mark.parametrize("name", CASES)
def test_weight_gradient(name, layout, dtype, threads):
    x, w, g, geometry = case(name)
    gw = np.full(w.shape, 7, dtype)
    _native.conv_backward_weights(layout(x), layout(g), gw, None, *geometry)
    exact, magnitude = (
        _convolution_weight_gradient(np, *arrays, w.shape[2:], geometry)
        for arrays in (double(g, x), map(np.abs, double(g, x)))
    )
    assert_rounded(gw, exact, magnitude, g[:, 0].size)


@pytest.mark.parametrize("name", ["stride 2", "short rows"])
def test_weight_gradient_in_any_memory_order(name):
    x, w, g, geometry = case(name)
    plain, last = np.empty_like(w), as_channels_last(np.empty_like(w))
    x, g = as_channels_last(x), as_channels_last(g)
    _native.conv_backward_weights(x, g, plain, None, *geometry)
    _native.conv_backward_weights(x, g, last, None, *geometry)
    largest = np.abs(plain.astype(np.float64)).max()
    np.testing.assert_allclose(*double(plain, last), atol=largest * 2.0**-7)


def test_weight_gradient_reads_nothing_outside_of_x():
    """NaN around x in memory must not reach the result."""
    x, w, g, geometry = case("stride 2")
    block = np.full(x.size + 2000, np.nan, BFLOAT16)
    n, c, height, width = x.shape
    inner = block[1000:-1000].reshape(n, height, width, c).transpose(0, 3, 1, 2)
    inner[...] = x
    gw = np.empty_like(w)
    _native.conv_backward_weights(inner, as_channels_last(g), gw, None, *geometry)
    assert np.isfinite(gw.astype(np.float32)).all()


X, W, G, GEOMETRY = case("stride 2")
GOOD = {"x": as_channels_last(X), "g": as_channels_last(G), "gw": np.empty_like(W)}
HOSTILE = [
    ({"g": G.astype(np.float32)}, TypeError, "g must be bfloat16, got float32"),
    ({"x": X.astype(np.float32)}, TypeError, "g must be float32, got bfloat16"),
    ({"x": X.astype(np.float16)}, TypeError, "x must be float32, got float16"),
    ({"x": X.view(np.uint16)}, TypeError, "x must be float32, got uint16"),
    ({"gw": W.astype(np.float16)}, TypeError, "gw must be bfloat16, got float16"),
    ({"gw": W.astype(np.float64)}, TypeError, "gw must be bfloat16, got float64"),
    ({"gw": np.broadcast_to(W[:1], W.shape)}, ValueError, "gw is read-only"),
    ({"gw": np.empty((16, 31, 3, 3), BFLOAT16)}, ValueError, "31 channels in each group"),
    ({"gw": np.empty((16, 32, 9, 9), BFLOAT16)}, ValueError, "does not fit"),
    ({"gw": np.empty((16, 32, 0, 3), BFLOAT16)}, ValueError, "at least 1"),
    ({"g": G[:, :, :3]}, ValueError, "does not fit"),
    ({"g": G[:1]}, ValueError, "out must have shape"),
]


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE)
def test_hostile_arguments(change, error, message):
    arrays = GOOD | change
    with pytest.raises(error, match=message):
        _native.conv_backward_weights(arrays["x"], arrays["g"], arrays["gw"], None, *GEOMETRY)


def test_the_bias_gradient_has_the_dtype_of_the_weight_gradient():
    with pytest.raises(TypeError, match="gb must be bfloat16, got float32"):
        _native.conv_backward_weights(
            GOOD["x"], GOOD["g"], GOOD["gw"], np.empty(16, np.float32), *GEOMETRY
        )


PROGRAM = """
import ml_dtypes, numpy, rushlight
from rushlight import _native
assert not _native.has_bfloat16()
x = rushlight.ones(2, 3, 8, 8).bfloat16()
assert rushlight.nn.functional.conv2d(x, x[:, :, :3, :3]).unique().tolist() == [27.0]
assert (rushlight.ones(4, 300).bfloat16() @ rushlight.ones(300, 4).bfloat16()).unique().tolist() == [300.0]
half = numpy.ones((4, 4), ml_dtypes.bfloat16)
try:
    _native.matmul(half, half, None, half.copy())
except TypeError as error:
    print(error)
"""


def test_a_processor_without_the_instructions_computes_in_float32():
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert "matmul: a is bfloat16, for which this processor has no fast kernels" in done.stdout
