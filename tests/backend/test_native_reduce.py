"""Reductions over any dimensions, in any order of memory, against float64."""

import itertools

import numpy as np
import pytest

from rushlight import _native

CODES = _native.REDUCTIONS
FUNCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "sum_squares": lambda x, axis, keepdims=False: np.sum(
        np.square(x), axis=axis, keepdims=keepdims
    ),
}
SHAPES = [
    (),
    (1,),
    (7,),
    (3, 5),
    (1, 9),
    (100, 10),
    (17, 33),
    (70, 130),
    (2, 3, 4, 5),
    (4, 6, 9, 7),
    (3, 1, 5, 2, 4),
]
TYPES = [(np.float32, 1e-6), (np.float64, 1e-14)]


def in_every_order(a):
    for order in itertools.islice(itertools.permutations(range(a.ndim)), 0, None, 3):
        yield np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order)) if a.ndim else a


def subsets(ndim):
    return itertools.chain.from_iterable(
        itertools.combinations(range(ndim), k) for k in range(ndim + 1)
    )


def reduce(name, x, axes, keepdims=False, order="C"):
    kept = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    out = np.full(kept, 77, x.dtype, order)
    _native.reduce(CODES[name], x, axes, out)
    return out


def test_every_opcode_is_tested():
    assert set(CODES) == set(FUNCTIONS)


@pytest.mark.parametrize("dtype, tolerance", TYPES)
@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_order_and_every_set_of_axes(shape, name, dtype, tolerance, isa):
    values = np.asarray(np.random.default_rng(sum(shape)).standard_normal(shape), dtype)
    for x, axes in itertools.product(in_every_order(values), subsets(len(shape))):
        expected = FUNCTIONS[name](values.astype(np.float64), axis=axes, keepdims=True)
        actual = reduce(name, x, axes, keepdims=True)
        np.testing.assert_allclose(actual, expected, rtol=10 * tolerance, atol=10 * tolerance)
        again = reduce(name, x, axes, order="F").reshape(expected.shape)
        np.testing.assert_allclose(again, expected, rtol=10 * tolerance, atol=10 * tolerance)


LARGE = [
    ((300_000,), (0,)),
    ((1000, 301), (1,)),
    ((1000, 301), (0,)),
    ((40_000, 6), (0,)),
    ((70_000, 3), (1,)),
    ((3, 70_001), (1,)),
    ((3, 70_001), (0,)),
    ((8, 20, 40, 41), (0, 2, 3)),
    ((8, 20, 40, 41), (1,)),
    ((8, 20, 40, 41), (2, 3)),
    ((8, 20, 40, 41), (0, 1, 2, 3)),
]


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("shape, axes", LARGE)
def test_threads_share_the_work(shape, axes, name, threads):
    values = np.random.default_rng(1).random(shape, np.float32)
    channels_last = np.moveaxis(
        np.ascontiguousarray(np.moveaxis(values, min(1, len(shape) - 1), -1)),
        -1,
        min(1, len(shape) - 1),
    )
    expected = FUNCTIONS[name](values.astype(np.float64), axis=axes)
    for x in (values, channels_last):
        np.testing.assert_allclose(reduce(name, x, axes), expected, rtol=1e-6)


@pytest.mark.parametrize("shape, axes", LARGE)
def test_sums_do_not_depend_on_threads(shape, axes):
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    before = _native.get_num_threads()
    results = []
    for count in (1, 2, 5):
        _native.set_num_threads(count)
        results.append(reduce("sum", x, axes))
    _native.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_a_long_sum_keeps_its_digits(isa):
    """Added up in one float32, the sum of ones would stop at 2^24, and that of tenths would be 1% off."""
    for x in (np.ones(2**25, np.float32), np.full(3_000_000, 0.1, np.float32)):
        expected = x.astype(np.float64).sum()
        np.testing.assert_allclose(reduce("sum", x, (0,)), expected, rtol=1e-6)
        np.testing.assert_allclose(reduce("sum", x.reshape(-1, 4), (0,)).sum(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "shape, axes",
    [((40,), (0,)), ((5, 200), (1,)), ((200, 5), (0,)), ((20, 70), (0,)), ((9, 10), (1,))],
)
def test_nan_and_infinities(shape, axes, isa):
    x = np.zeros(shape, np.float32)
    for value, place in itertools.product((np.nan, np.inf, -np.inf), (0, 3, x.size - 1)):
        spoiled = x.copy()
        spoiled.flat[place] = value
        for name in ("sum", "max", "min", "mean"):
            np.testing.assert_array_equal(
                reduce(name, spoiled, axes), FUNCTIONS[name](spoiled, axis=axes)
            )


def test_negative_axes():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(reduce("sum", x, (0, 2)), x.sum((0, 2)))
    out = np.empty(3, np.float32)
    _native.reduce(CODES["sum"], x, (-1, 0), out)
    np.testing.assert_array_equal(out, x.sum((0, 2)))


@pytest.mark.parametrize(
    "shape, axes", [((0,), (0,)), ((3, 0), (1,)), ((0, 3), (0,)), ((0, 3), (1,)), ((2, 0, 3), (0,))]
)
def test_empty(shape, axes):
    x = np.empty(shape, np.float32)
    np.testing.assert_array_equal(reduce("sum", x, axes), x.sum(axes))
    mean = np.full_like(reduce("sum", x, axes), np.nan)
    np.testing.assert_array_equal(reduce("mean", x, axes), mean)


def test_rejected():
    x = np.ones((3, 4), np.float32)
    code = CODES["sum"]
    with pytest.raises(ValueError, match="unknown opcode 5"):
        _native.reduce(5, x, (0,), np.ones(4, np.float32))
    with pytest.raises(TypeError, match="x must be float32, float64 or bfloat16, got int64"):
        _native.reduce(code, np.ones(3, np.int64), (0,), np.ones((), np.float32))
    with pytest.raises(TypeError, match="out must be float32, got float64"):
        _native.reduce(code, x, (0,), np.ones(4))
    with pytest.raises(ValueError, match=r"out must have shape \(4,\), got \(3,\)"):
        _native.reduce(code, x, (0,), np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"out must have shape \(1, 4\), got \(3, 4\)"):
        _native.reduce(code, x, (0,), np.ones((3, 4), np.float32))
    with pytest.raises(IndexError, match=r"axis 2 is out of range for an array of shape \(3, 4\)"):
        _native.reduce(code, x, (2,), np.ones(4, np.float32))
    with pytest.raises(IndexError, match="axis -3"):
        _native.reduce(code, x, (-3,), np.ones(4, np.float32))
    with pytest.raises(ValueError, match="axis -2 is given twice"):
        _native.reduce(code, x, (0, -2), np.ones(4, np.float32))
    with pytest.raises(ValueError, match="x must be dense"):
        _native.reduce(code, x[:, ::2], (0,), np.ones(2, np.float32))
    with pytest.raises(ValueError, match="out must be dense"):
        _native.reduce(code, x, (0,), np.ones(8, np.float32)[::2])
    with pytest.raises(ValueError, match="must not share memory"):
        _native.reduce(code, x, (0,), x[0])
    for name in ("max", "min"):
        with pytest.raises(ValueError, match=f"an empty reduction has no {name}"):
            reduce(name, np.ones((3, 0), np.float32), (1,))
