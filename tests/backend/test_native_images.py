"""Loops over images: bytes to planes, resizing along a dimension, reading between elements."""

import numpy as np
import pytest

from rushlight import _native
from rushlight.ops.grid_sample import _grid_sampler

draw = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(1, 1, 1), (2, 3, 5), (3, 40, 60), (1, 1, 1025), (2, 300, 301)])
def test_planes(isa, threads, size, channels):
    x = draw.integers(0, 256, (*size, channels), dtype=np.uint8)
    out = np.empty((size[0], channels, *size[1:]), np.float32)
    mean, std = draw.uniform(0.1, 0.9, (2, channels)).astype(np.float32)
    scaled = x.transpose(0, 3, 1, 2) / np.float32(255)
    _native.image_to_planes(x, out)
    np.testing.assert_array_equal(out, scaled)
    _native.image_to_planes(x, out, mean, std)
    columns = (1, channels, 1, 1)
    np.testing.assert_array_equal(out, (scaled - mean.reshape(columns)) / std.reshape(columns))


def test_planes_refuse_what_does_not_fit():
    x, out = np.zeros((1, 2, 3, 3), np.uint8), np.zeros((1, 3, 2, 3), np.float32)
    one = np.ones(3, np.float32)
    for arguments, error in (
        ((x.astype(np.int8), out), TypeError),
        ((x[0], out), ValueError),
        ((x[:, :, ::2], out), ValueError),
        ((x, out.astype(np.float64)), TypeError),
        ((x, out[:, :2]), ValueError),
        ((x, out.transpose(0, 1, 3, 2).copy()), ValueError),
        ((x, out, one), ValueError),
        ((x, out, one, one[:2]), ValueError),
        ((x, out, one.astype(np.float64), one), TypeError),
        ((x, np.broadcast_to(np.float32(0), out.shape)), ValueError),
    ):
        with pytest.raises(error, match="image_to_planes"):
            _native.image_to_planes(*arguments)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(
    "shape, axis", [((5, 9), 1), ((9, 5), 0), ((2, 3, 9, 40), 2), ((2, 9, 1), 1)]
)
def test_resample(isa, threads, shape, axis, k, dtype):
    x = draw.standard_normal(shape).astype(dtype)
    starts = draw.integers(0, 9 - k + 1, 11)
    weights = draw.standard_normal((11, k)).astype(dtype)
    out = np.empty((*shape[:axis], 11, *shape[axis + 1 :]), dtype)
    _native.resample(x, starts, weights, axis, out)
    matrix = np.zeros((11, 9))
    for j in range(11):
        matrix[j, starts[j] : starts[j] + k] = weights[j]
    expected = np.moveaxis(np.tensordot(x, matrix, ((axis,), (1,))), -1, axis)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_resample_refuses_taps_outside():
    x, out = np.zeros((2, 5)), np.zeros((2, 3))
    weights = np.ones((3, 2))
    for starts in ([0, 1, 4], [-1, 0, 0], [0, 0, 2**40]):
        with pytest.raises(IndexError, match="do not lie in a dimension of 5"):
            _native.resample(x, np.array(starts), weights, 1, out)
    for arguments, error in (
        ((x, np.zeros(3, np.int64), weights, 2, out), IndexError),
        ((x, np.zeros(3, np.int32), weights, 1, out), TypeError),
        ((x, np.zeros(2, np.int64), weights, 1, out), ValueError),
        ((x, np.zeros(3, np.int64), weights[:, :0], 1, out), ValueError),
        ((x, np.zeros(3, np.int64), weights, 0, out), ValueError),
        ((x[:, ::2], np.zeros(3, np.int64), weights, 1, out), ValueError),
        ((x, np.zeros(3, np.int64), weights.astype(np.float32), 1, out), TypeError),
    ):
        with pytest.raises(error, match="resample"):
            _native.resample(*arguments)


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_grid_sample(isa, threads, last, align_corners, nearest):
    """Equal on every instruction set."""
    x = draw.standard_normal((2, 3, 40, 50)).astype(np.float32)
    grid = draw.uniform(-1.2, 1.2, (2, 60, 70, 2)).astype(np.float32)
    grid[0, 0, :4] = [[np.nan, 0], [0, np.inf], [-np.inf, 0], [1e30, -1e30]]
    laid = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1) if last else x
    out = np.empty((2, 3, 60, 70), np.float32)
    _native.grid_sample(laid, grid, nearest, align_corners, out)
    mode = "nearest" if nearest else "bilinear"
    with np.errstate(invalid="ignore"):
        expected = _grid_sampler(np, x, grid, mode, "zeros", align_corners)
    np.testing.assert_array_equal(out, expected)


def test_grid_sample_refuses_what_does_not_fit():
    x, out = np.zeros((1, 2, 3, 3), np.float32), np.zeros((1, 2, 4, 5), np.float32)
    grid = np.zeros((1, 4, 5, 2), np.float32)
    for arguments, error in (
        ((x.astype(np.float64), grid, False, False, out), TypeError),
        ((x, grid[..., :1], False, False, out), ValueError),
        ((x, np.zeros((2, 4, 5, 2), np.float32), False, False, out), ValueError),
        ((x[..., ::2], grid, False, False, out), ValueError),
        ((x[:, :, :0], grid, False, False, out), ValueError),
        ((x, grid, False, False, out[..., :4]), ValueError),
        ((x, grid, False, False, np.broadcast_to(np.float32(0), out.shape)), ValueError),
    ):
        with pytest.raises(error, match="grid_sample"):
            _native.grid_sample(*arguments)
