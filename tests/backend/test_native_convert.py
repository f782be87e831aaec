"""Conversion to and from half precision, against NumPy and ml_dtypes for every value there is."""

import ml_dtypes
import numpy as np
import pytest

from rushlight import _native

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT16 = np.dtype(np.float16)
HALVES = [BFLOAT16, FLOAT16]


def converted(x, dtype):
    out = np.empty_like(x, dtype)
    _native.convert(x, out)
    return out


def floats():
    """float32 of every exponent and sign: at random, and around what lies half-way between two results."""
    draw = np.random.default_rng(0).integers(0, 2**32, 1 << 18).astype(np.uint32)
    near = []
    for low_bits, half in ((16, 0x8000), (13, 0x1000)):
        upper = (np.arange(0, 1 << (32 - low_bits), 5, dtype=np.uint32) << low_bits)[:, None]
        near.append((upper + np.array([0, 1, half - 1, half, half + 1], np.uint32)).ravel())
    return np.concatenate([draw, *near]).view(np.float32)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_every_value_widens(dtype, isa):
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    found, expected = converted(x, np.float32), x.astype(np.float32)
    nan = np.isnan(expected)
    assert nan.any()
    assert (found.view(np.uint32)[~nan] == expected.view(np.uint32)[~nan]).all()
    assert np.isnan(found[nan]).all()
    assert (np.signbit(found) == np.signbit(expected)).all()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_rounds_to_nearest_even(dtype, isa):
    x = floats()
    with np.errstate(over="ignore", invalid="ignore"):
        expected = x.astype(dtype)
    found, number = converted(x, dtype), ~np.isnan(x)
    assert (found.view(np.uint16)[number] == expected.view(np.uint16)[number]).all()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("bits", [0x7F800001, 0x7F801000, 0x7FC00000, 0x7FFFFFFF])
def test_nan_stays_nan(dtype, bits, isa):
    x = np.array([bits, bits | 0x80000000], np.uint32).view(np.float32)
    found = converted(x, dtype)
    assert np.isnan(found.astype(np.float32)).all()
    assert np.signbit(found.astype(np.float32)).tolist() == [False, True]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_known_values(dtype, isa):
    x = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, 3e38, 1e-30], np.float32)
    large, small = {BFLOAT16: (3.00406e38, 9.98402e-31), FLOAT16: (np.inf, 0.0)}[dtype]
    found = converted(x, dtype).astype(np.float64)
    expected = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, large, small]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.signbit(found).tolist() == [False, True, False, True, False, True, False, False]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("n", [0, 1, 3, 7, 8, 15, 16, 17, 31, 33])
def test_no_element_is_left_out_or_added(n, dtype, isa):
    x = np.arange(n, dtype=np.float32)
    block = np.full(n + 2, 7, dtype)
    _native.convert(x, block[1 : n + 1])
    assert block.astype(np.float32).tolist() == [7, *range(n), 7]
    wide = np.full(n + 2, 7, np.float32)
    _native.convert(block[1 : n + 1], wide[1 : n + 1])
    assert wide.tolist() == [7, *range(n), 7]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_many_elements_by_several_threads(dtype, threads):
    x = np.random.default_rng(0).standard_normal(200_001).astype(np.float32)
    narrow = converted(x, dtype)
    assert (narrow == x.astype(dtype)).all()
    assert (converted(narrow, np.float32) == x.astype(dtype).astype(np.float32)).all()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2), (3, 2, 1, 0)])
def test_any_dense_order(order):
    x = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5).transpose(order)
    found = converted(x, BFLOAT16)
    assert [s * 2 for s in found.strides] == list(x.strides)
    assert (found.astype(np.float32) == x).all()


def test_scalar():
    assert converted(np.array(0.1, np.float32), BFLOAT16) == ml_dtypes.bfloat16(0.1)


def read_only(a):
    a.flags.writeable = False
    return a


def unaligned(dtype):
    return np.zeros(12 * np.dtype(dtype).itemsize + 1, np.uint8)[1:].view(dtype).reshape(3, 4)


X = np.ones((3, 4), np.float32)
OUT = np.ones((3, 4), BFLOAT16)
SHARED = np.zeros(24, np.float32)
HOSTILE = [
    (X, X.copy(), TypeError, "got float32 and float32"),
    (OUT, OUT.copy(), TypeError, "got bfloat16 and bfloat16"),
    (OUT, OUT.astype(FLOAT16), TypeError, "got bfloat16 and float16"),
    (X.astype(np.float64), OUT, TypeError, "got float64 and bfloat16"),
    (X.astype(">f4"), OUT, TypeError, "got another dtype"),
    (X, OUT.astype(np.int16), TypeError, "got float32 and int16"),
    (X.tolist(), OUT, TypeError, "incompatible function arguments"),
    (None, OUT, TypeError, "incompatible function arguments"),
    (X, np.ones((4, 3), BFLOAT16), ValueError, r"must have shape \(3, 4\), got \(4, 3\)"),
    (X, np.ones(12, BFLOAT16), ValueError, "must have shape"),
    (X, np.ones((4, 3), BFLOAT16).T, ValueError, "in the order of the other arrays"),
    (np.ones((3, 8), np.float32)[:, ::2], OUT, ValueError, "must be dense"),
    (X[:, ::-1], OUT, ValueError, "must be dense"),
    (np.broadcast_to(X[0], (3, 4)), OUT, ValueError, "must be dense"),
    (X, read_only(OUT.copy()), ValueError, "read-only"),
    (X, unaligned(BFLOAT16), ValueError, "not aligned"),
    (unaligned(np.float32), OUT, ValueError, "not aligned"),
    (SHARED[:8], SHARED.view(BFLOAT16)[4:12], ValueError, "must not share memory"),
]


@pytest.mark.parametrize(("x", "out", "error", "message"), HOSTILE)
def test_hostile_arguments(x, out, error, message):
    with pytest.raises(error, match=message):
        _native.convert(x, out)
