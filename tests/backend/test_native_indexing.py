"""Adding slices at indices: against NumPy, on any number of threads, and what it must refuse."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight import _native

SHAPES = [
    ((7,), 0),
    ((5, 7), 1),
    ((5, 7, 3), 1),
    ((4, 300), 0),
    ((2, 3, 4, 5), 2),
    ((6, 0), 0),
    ((40, 129), 0),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, dim", SHAPES)
@pytest.mark.parametrize("count", [0, 1, 50, 3000])
def test_values(shape, dim, count, dtype, threads):
    draw = np.random.default_rng(0)
    index = draw.integers(-shape[dim], shape[dim], count)
    values = draw.standard_normal((*shape[:dim], count, *shape[dim + 1 :])).astype(dtype)
    out = draw.standard_normal(shape).astype(dtype)
    expected = out.astype(np.float64)
    np.add.at(expected, (slice(None),) * dim + (index,), values)
    _native.add_slices(values, index, dim, out)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def test_index_of_two_dimensions():
    index = np.array([[1, -1], [0, 6]])
    values = np.arange(60.0).reshape(5, 2, 2, 3)
    out, expected = np.zeros((5, 7, 3)), np.zeros((5, 7, 3))
    np.add.at(expected, (slice(None), index), values)
    _native.add_slices(values, index, 1, out)
    np.testing.assert_array_equal(out, expected)


def test_the_order_of_the_sum_does_not_depend_on_the_threads():
    draw = np.random.default_rng(1)
    index, values = draw.integers(0, 3, 20000), draw.standard_normal((20000, 8)).astype(np.float32)
    before = _native.get_num_threads()
    answers = []
    for threads in (1, 2, 3):
        _native.set_num_threads(threads)
        out = np.zeros((3, 8), np.float32)
        _native.add_slices(values, index, 0, out)
        answers.append(out)
    _native.set_num_threads(before)
    np.testing.assert_array_equal(answers[1], answers[0])
    np.testing.assert_array_equal(answers[2], answers[0])


VALUES, INDEX = np.ones((2, 3)), np.array([0, 1])


@pytest.mark.parametrize(
    "error, message, arguments",
    [
        (
            IndexError,
            "index 4 is out of bounds for dimension 0 with size 4",
            (VALUES, INDEX + 3, 0, np.ones((4, 3))),
        ),
        (IndexError, "index -5 is out of bounds", (VALUES, INDEX - 5, 0, np.ones((4, 3)))),
        (IndexError, "no dimension 2", (VALUES, INDEX, 2, np.ones((4, 3)))),
        (IndexError, "no dimension -1", (VALUES, INDEX, -1, np.ones((4, 3)))),
        (ValueError, "do not fit an array of shape", (VALUES, INDEX[:1], 0, np.ones((4, 3)))),
        (TypeError, "index must be int64", (VALUES, INDEX.astype(np.int32), 0, np.ones((4, 3)))),
        (TypeError, "different dtypes", (VALUES, INDEX, 0, np.ones((4, 3), np.float32))),
        (
            TypeError,
            "must be float32 or float64",
            (VALUES.astype(int), INDEX, 0, np.ones((4, 3), int)),
        ),
        (ValueError, "C-contiguous", (VALUES, INDEX, 0, np.ones((3, 4)).T)),
        (ValueError, "share memory", (VALUES, INDEX, 0, VALUES)),
        (TypeError, "incompatible", (VALUES, [0, 1], 0, np.ones((4, 3)))),
    ],
)
def test_refused(error, message, arguments):
    with pytest.raises(error, match=message):
        _native.add_slices(*arguments)


def test_read_only_target():
    out = np.ones((4, 3))
    out.flags.writeable = False
    with pytest.raises(ValueError):
        _native.add_slices(VALUES, INDEX, 0, out)
