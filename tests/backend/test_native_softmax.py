"""Softmax and log-softmax, both ways, against float64."""

import numpy as np
import pytest

from rushlight import _native

# Short rows (tiles), rows that are no whole vectors, long rows, and the dimension outside and in the middle.
CASES = [
    ((1,), 0),
    ((3,), 0),
    ((7, 1), 1),
    ((100, 10), 1),
    ((33, 16), -1),
    ((5, 17), 1),
    ((9, 32), 1),
    ((40, 100), 1),
    ((3, 513), 1),
    ((2, 5001), 1),
    ((10, 37), 0),
    ((4, 5, 6), 1),
    ((2, 21, 300), 1),
    ((2, 3, 7, 5), 2),
    ((3, 600), 0),
]
TOLERANCES = [(np.float32, 2e-6), (np.float64, 1e-13)]


def softmax(x, dim):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


def log_softmax(x, dim):
    z = x - x.max(dim, keepdims=True)
    return z - np.log(np.exp(z).sum(dim, keepdims=True))


def case(shape, dtype):
    rng = np.random.default_rng(sum(shape))
    return (4 * rng.standard_normal(shape)).astype(dtype), rng.standard_normal(shape).astype(dtype)


def reversed_order(a):
    return np.ascontiguousarray(a.T).T


LAYOUTS = [np.ascontiguousarray, reversed_order]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, tolerance", TOLERANCES)
@pytest.mark.parametrize("shape, dim", CASES)
def test_forward(shape, dim, dtype, tolerance, layout, isa):
    x = layout(case(shape, dtype)[0])
    out = np.full_like(x, 77)
    _native.softmax(x, out, dim)
    np.testing.assert_allclose(out, softmax(x.astype(np.float64), dim), rtol=10 * tolerance)
    _native.log_softmax(x, out, dim)
    expected = log_softmax(x.astype(np.float64), dim)
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, tolerance", TOLERANCES)
@pytest.mark.parametrize("shape, dim", CASES)
def test_backward(shape, dim, dtype, tolerance, layout, isa):
    x, g = map(layout, case(shape, dtype))
    wide, wide_g = x.astype(np.float64), g.astype(np.float64)
    p = softmax(wide, dim)
    out = np.full_like(x, 77)
    _native.softmax_backward(g, layout(p.astype(dtype)), out, dim)
    expected = p * (wide_g - (wide_g * p).sum(dim, keepdims=True))
    np.testing.assert_allclose(out, expected, atol=2 * tolerance)
    _native.log_softmax_backward(g, layout(log_softmax(wide, dim).astype(dtype)), out, dim)
    expected = wide_g - p * wide_g.sum(dim, keepdims=True)
    np.testing.assert_allclose(out, expected, rtol=3 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("shape", [(100, 10), (40, 100), (3, 2000), (2, 21, 300)])
def test_in_place(shape):
    x, g = case(shape, np.float32)
    expected = np.empty_like(x)
    for forward in (_native.softmax, _native.log_softmax):
        forward(x, expected, 1)
        both = x.copy()
        forward(both, both, 1)
        np.testing.assert_array_equal(both, expected)
    for backward in (_native.softmax_backward, _native.log_softmax_backward):
        saved = -np.abs(x)
        backward(g, saved, expected, 1)
        both = g.copy()
        backward(both, saved, both, 1)
        np.testing.assert_array_equal(both, expected)
        backward(g, saved, saved, 1)
        np.testing.assert_array_equal(saved, expected)


@pytest.mark.parametrize("shape", [(4000, 10), (300, 100), (5, 9000), (4, 21, 1000)])
def test_threads_share_the_work(shape, threads):
    x = case(shape, np.float32)[0]
    out = np.empty_like(x)
    _native.softmax(x, out, 1)
    np.testing.assert_allclose(out, softmax(x.astype(np.float64), 1), rtol=2e-5)


@pytest.mark.parametrize("classes", [3, 10, 20, 100, 1500])
def test_large_and_masked_values(classes, isa):
    x = np.linspace(-1e4, 1e4, 2 * classes, dtype=np.float32).reshape(2, classes)
    x[:, 1] = -np.inf
    out = np.empty_like(x)
    _native.softmax(x, out, 1)
    np.testing.assert_allclose(out, softmax(x.astype(np.float64), 1), rtol=1e-5, atol=1e-37)
    np.testing.assert_array_equal(out[:, 1], [0, 0])
    _native.log_softmax(x, out, 1)
    np.testing.assert_array_equal(out[:, 1], [-np.inf, -np.inf])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("classes", [3, 10, 20, 100, 1500])
def test_nan_spoils_its_own_row_only(classes, value, isa):
    x = np.zeros((20, classes), np.float32)
    x[7, classes - 1] = value
    out = np.empty_like(x)
    _native.softmax(x, out, 1)
    assert np.isnan(out[7]).any()
    np.testing.assert_allclose(np.delete(out, 7, 0), 1 / classes, rtol=1e-6)


@pytest.mark.parametrize("shape, dim", [((0, 3), 1), ((3, 0), 1), ((0,), 0), ((2, 0, 3), 0)])
def test_empty(shape, dim):
    x = np.empty(shape, np.float32)
    _native.softmax(x, x.copy(), dim)
    _native.log_softmax_backward(x, x.copy(), x.copy(), dim)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_rejected(name):
    run = getattr(_native, name)
    x = np.ones((3, 4), np.float32)
    with pytest.raises(IndexError, match=r"dim 2 is out of range for an array of shape \(3, 4\)"):
        run(x, x.copy(), 2)
    with pytest.raises(IndexError, match="dim 0 is out of range"):
        run(np.ones((), np.float32), np.ones((), np.float32), 0)
    with pytest.raises(TypeError, match="must be float32 or float64, got int32"):
        run(x.astype(np.int32), x, 1)
    with pytest.raises(TypeError, match="must be float32, got float64"):
        run(x, x.astype(np.float64), 1)
    with pytest.raises(ValueError, match=r"must have shape \(3, 4\)"):
        run(x, np.ones((4, 3), np.float32), 1)
    with pytest.raises(ValueError, match="in the order of the other arrays"):
        run(x, np.asfortranarray(x), 1)
    with pytest.raises(ValueError, match="must be dense"):
        run(np.ones((3, 8), np.float32)[:, ::2], x, 1)
    memory = np.ones(20, np.float32)
    with pytest.raises(ValueError, match="overlaps"):
        run(memory[:12].reshape(3, 4), memory[4:16].reshape(3, 4), 1)


def test_backward_rejected():
    x = np.ones((3, 4), np.float32)
    with pytest.raises(ValueError, match="probs must have shape|must have shape"):
        _native.softmax_backward(x, np.ones((3, 5), np.float32), x.copy(), 1)
    with pytest.raises(
        TypeError, match="must be float32, got float64|must be float64, got float32"
    ):
        _native.log_softmax_backward(x, np.ones((3, 4)), x.copy(), 1)
