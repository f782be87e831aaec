"""Convolution and pooling over planar memory, against float64 and refusing what does not fit."""

import numpy as np
import pytest

from rushlight import _native
from rushlight.ops.convolution import (
    Geometry,
    _convolution_oracle,
    _convolution_weight_gradient_oracle,
)

# (N, C, H, W), outputs, kernel, padding: rows shorter and longer than a vector, every block size.
CASES = [
    ((2, 3, 9, 12), 6, (5, 5), (0, 0)),
    ((1, 1, 4, 40), 1, (3, 3), (1, 1)),
    ((2, 2, 5, 17), 8, (2, 7), (1, 3)),
    ((3, 8, 3, 33), 5, (1, 1), (0, 0)),
    ((1, 4, 6, 16), 7, (3, 6), (2, 0)),
    ((0, 2, 5, 16), 3, (3, 3), (1, 1)),
]


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def made(case):
    shape, outputs, kernel, padding = case
    geometry = Geometry((1, 1), padding, (1, 1), 1)
    x, w, bias = drawn(0, *shape), drawn(1, outputs, shape[1], *kernel), drawn(2, outputs)
    return x, w, bias, geometry, (shape[0], outputs, *geometry.output(shape[2:], kernel))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_convolution(case, isa):
    x, w, bias, geometry, shape = made(case)
    out = np.full(shape, np.nan, np.float32)
    _native.conv_planar(x, w, bias, out, geometry.padding, False)
    close(out, _convolution_oracle(*(a.astype(np.float64) for a in (x, w, bias)), geometry))


@pytest.mark.parametrize("case", CASES)
def test_weight_and_bias_gradient(case, isa):
    x, w, bias, geometry, shape = made(case)
    g, gw, gb = drawn(3, *shape), np.full_like(w, np.nan), np.full_like(bias, np.nan)
    _native.conv_planar_weights(x, g, gw, gb, geometry.padding)
    wide = g.astype(np.float64), x.astype(np.float64)
    close(gw, _convolution_weight_gradient_oracle(*wide, w.shape[2:], geometry))
    close(gb, wide[0].sum((0, 2, 3)))


def test_reversed_weights_give_the_gradient_of_the_input(isa):
    w, g = drawn(0, 6, 3, 5, 5), drawn(1, 2, 6, 8, 12)
    gx = np.empty((2, 3, 12, 16), np.float32)
    _native.conv_planar(g, w, None, gx, (4, 4), True)
    turned = w.astype(np.float64).transpose(1, 0, 2, 3)[..., ::-1, ::-1]
    close(
        gx,
        _convolution_oracle(
            g.astype(np.float64), turned, None, Geometry((1, 1), (4, 4), (1, 1), 1)
        ),
    )


F = np.float32
X, W, OUT = np.ones((1, 2, 4, 12), F), np.ones((3, 2, 3, 3), F), np.ones((1, 3, 2, 10), F)


@pytest.mark.parametrize(
    "x, w, bias, out, padding",
    [
        (X.astype(np.float64), W, None, OUT, (0, 0)),
        (X[..., ::2], W, None, OUT, (0, 0)),
        (X[0], W, None, OUT, (0, 0)),
        (X, W[:, :1].copy(), None, OUT, (0, 0)),
        (X, W[:2].copy(), None, OUT, (0, 0)),
        (X, W, np.ones(2, F), OUT, (0, 0)),
        (X, W, None, OUT[..., :9].copy(), (0, 0)),
        (X, W, None, OUT, (1, 1)),
        (X, W, None, OUT, (-1, 0)),
        (X, W, None, OUT, (0,)),
        (X, W, None, OUT, (1 << 40, 0)),
        (X, np.ones((3, 2, 9, 3), F), None, OUT, (0, 0)),
    ],
)  # fmt: skip
def test_convolution_refuses(x, w, bias, out, padding):
    with pytest.raises((ValueError, TypeError)):
        _native.conv_planar(x, w, bias, out.copy(), padding, False)
    with pytest.raises((ValueError, TypeError)):
        _native.conv_planar_weights(x, out.copy(), w.copy(), bias, padding)


POOLED = [(2, 3, 6, 28), (1, 1, 5, 7), (1, 2, 7, 33), (3, 1, 2, 2), (1, 1, 1, 9), (0, 2, 4, 4)]


@pytest.mark.parametrize("shape", POOLED)
def test_largest_of_four(shape, isa):
    x = drawn(0, *shape)
    half = (*shape[:2], shape[2] // 2, shape[3] // 2)
    out, taps = np.full(half, np.nan, F), np.full(half, 9, np.uint8)
    _native.max_pool_2x2(x, out, taps)
    windows = np.stack(
        [x[:, :, i : 2 * half[2] : 2, j : 2 * half[3] : 2] for i in (0, 1) for j in (0, 1)]
    )
    np.testing.assert_array_equal(out, windows.max(0))
    np.testing.assert_array_equal(taps, windows.argmax(0))
    g, gx, expected = drawn(1, *half), np.full(shape, np.nan, F), np.zeros(shape, F)
    _native.max_pool_2x2_backward(g, taps, gx)
    for tap, (i, j) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        expected[:, :, i : 2 * half[2] : 2, j : 2 * half[3] : 2] = np.where(taps == tap, g, 0)
    np.testing.assert_array_equal(gx, expected)


def test_nan_wins_and_the_last_one_is_named(isa):
    x = np.array([[1, np.nan], [np.nan, 2]], F).reshape(1, 1, 2, 2)
    out, taps = np.zeros((1, 1, 1, 1), F), np.zeros((1, 1, 1, 1), np.uint8)
    _native.max_pool_2x2(x, out, taps)
    assert np.isnan(out.item())
    assert taps.item() == 2


@pytest.mark.parametrize("wrong", [(1, 1, 2, 3), (1, 2, 2, 2), (1, 1, 4)])
def test_pooling_refuses(wrong):
    x, right = np.ones((1, 1, 4, 4), F), (1, 1, 2, 2)
    for out, taps in ((wrong, right), (right, wrong)):
        with pytest.raises((ValueError, TypeError)):
            _native.max_pool_2x2(x, np.ones(out, F), np.ones(taps, np.uint8))
        with pytest.raises((ValueError, TypeError)):
            _native.max_pool_2x2_backward(np.ones(out, F), np.ones(taps, np.uint8), x.copy())
