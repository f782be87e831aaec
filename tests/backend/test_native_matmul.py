"""Matrix products against float64."""

import ml_dtypes
import numpy as np
import pytest

from rushlight import _native


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def close(actual, expected, tolerance=1e-5):
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual.astype(np.float64) / scale, expected / scale, atol=tolerance)


def plain(a):
    return np.ascontiguousarray(a)


def transposed(a):
    return np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)


def gapped(a):
    wide = np.full((*a.shape[:-2], 2 * a.shape[-2], 3 * a.shape[-1]), np.nan, a.dtype)
    wide[..., ::2, ::3] = a
    return wide[..., ::2, ::3]


def padded_rows(a):
    wide = np.full((*a.shape[:-1], a.shape[-1] + 5), np.nan, a.dtype)
    wide[..., : a.shape[-1]] = a
    return wide[..., : a.shape[-1]]


def backwards(a):
    return np.ascontiguousarray(a[..., ::-1, ::-1])[..., ::-1, ::-1]


LAYOUTS = [plain, transposed, gapped, padded_rows, backwards]
SIZES = [
    (1, 1, 1),
    (1, 7, 1),
    (4, 4, 4),
    (1, 100, 33),
    (33, 100, 1),
    (2, 50, 40),
    (100, 784, 10),
    (10, 100, 84),
    (13, 19, 17),
    (64, 40, 120),
    (3, 17, 16),
    (70, 130, 90),
]


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def isa(request):
    before = _native.get_isa()
    try:
        _native.set_isa(request.param)
    except ValueError:
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    _native.set_isa(before)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_values(m, k, n, layout):
    a, b, bias = random(m, k), random(k, n), random(n)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    empty = np.full((m, n), 7, np.float32)
    for left, right, out in [
        (layout(a), b, empty.copy()),
        (a, layout(b), empty.copy()),
        (a, b, layout(empty)),
        (layout(a), layout(b), layout(empty)),
    ]:
        _native.matmul(left, right, None, out)
        close(out, expected)
        _native.matmul(left, right, bias, out)
        close(out, expected + bias)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("m", "k", "n"), [*SIZES, (300, 2000, 3), (2, 5000, 300), (1, 3000, 500)])
def test_every_instruction_set_and_thread_count(isa, threads, m, k, n):
    a, b, bias = random(m, k), random(n, k).T, random(n)
    expected = a.astype(np.float64) @ b.astype(np.float64) + bias
    out = np.empty((m, n), np.float32)
    before = _native.get_num_threads()
    _native.set_num_threads(threads)
    try:
        _native.matmul(a, b, bias, out)
        close(out, expected)
        _native.matmul(a, np.ascontiguousarray(b), bias[::-1], out)
        close(out, expected - bias + bias[::-1])
    finally:
        _native.set_num_threads(before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches(layout):
    a, b, bias = random(5, 6, 7), random(5, 7, 8), random(8)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    out = layout(np.full((5, 6, 8), 7, np.float32))
    _native.matmul(layout(a), layout(b), None, out)
    close(out, expected)
    _native.matmul(layout(a), layout(b), bias, out)
    close(out, expected + bias)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_expanded_batches(layout):
    a, b, bias = random(5, 6, 7), random(5, 7, 8), random(8)
    one_a, one_b = np.broadcast_to(layout(a[0]), a.shape), np.broadcast_to(layout(b[0]), b.shape)
    out = np.empty((5, 6, 8), np.float32)
    _native.matmul(layout(a), one_b, bias, out)
    close(out, a.astype(np.float64) @ b[0].astype(np.float64) + bias)
    _native.matmul(one_a, layout(b), None, out)
    close(out, a[0].astype(np.float64) @ b.astype(np.float64))
    _native.matmul(one_a, one_b, None, out)
    close(out, np.broadcast_to(a[0].astype(np.float64) @ b[0].astype(np.float64), out.shape))


def test_batch_whose_rows_are_apart_differently():
    a, b = random(4, 3, 10)[::2, :, :7], random(7, 8)
    out = np.empty((2, 3, 8), np.float32)
    _native.matmul(a, np.broadcast_to(b, (2, 7, 8)), None, out)
    close(out, a.astype(np.float64) @ b.astype(np.float64))


def test_expanded_operands():
    row, column = np.broadcast_to(random(1, 9), (4, 9)), np.broadcast_to(random(9, 1), (9, 6))
    bias = np.broadcast_to(np.float32(0.5), (6,))
    out = np.empty((4, 6), np.float32)
    _native.matmul(row, column, bias, out)
    close(out, row.astype(np.float64) @ column.astype(np.float64) + 0.5)


def test_nothing_to_sum():
    out = np.full((3, 4), 7, np.float32)
    _native.matmul(np.empty((3, 0), np.float32), np.empty((0, 4), np.float32), None, out)
    assert (out == 0).all()
    bias = np.arange(4, dtype=np.float32)
    _native.matmul(np.empty((3, 0), np.float32), np.empty((0, 4), np.float32), bias, out)
    assert (out == bias).all()
    stack = np.full((2, 3, 4), 7, np.float32)
    _native.matmul(np.empty((2, 3, 0), np.float32), np.empty((2, 0, 4), np.float32), bias, stack)
    assert (stack == bias).all()


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0), (0, 0, 0)])
def test_empty_result(shape):
    m, k, n = shape
    _native.matmul(random(m, k), random(k, n), None, np.empty((m, n), np.float32))
    _native.matmul(
        np.empty((0, 2, 3), np.float32),
        np.empty((0, 3, 4), np.float32),
        None,
        np.empty((0, 2, 4), np.float32),
    )


@pytest.mark.skipif(not _native.has_bfloat16(), reason="this processor has no bfloat16 kernels")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_bfloat16(m, k, n, layout):
    a, b = random(m, k).astype(ml_dtypes.bfloat16), random(k, n).astype(ml_dtypes.bfloat16)
    bias = random(n)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    out = layout(np.empty((m, n), ml_dtypes.bfloat16))
    _native.matmul(layout(a), layout(b), None, out)
    close(out, expected, tolerance=1e-2)
    _native.matmul(layout(a), layout(b), bias.astype(ml_dtypes.bfloat16), out)
    close(out, expected + bias, tolerance=1e-2)
    wide = np.empty((m, n), np.float32)
    _native.matmul(layout(a), layout(b), bias, wide)
    close(wide, expected + bias, tolerance=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(100, 784, 10), (7, 5, 33), (1, 40, 1)])
def test_linear_backward(rows, inputs, outputs, layout, isa):
    g, x, w = random(rows, outputs), random(rows, inputs), random(outputs, inputs)
    gx, gw = layout(np.full_like(x, 7)), layout(np.full_like(w, 7))
    gb = np.full(2 * outputs, 7, np.float32)[::2]
    _native.linear_backward(layout(g), layout(x), layout(w), gx, gw, gb)
    g, x, w = (a.astype(np.float64) for a in (g, x, w))
    close(gx, g @ w)
    close(gw, g.T @ x)
    close(gb, g.sum(0))


def test_linear_backward_gives_what_is_asked_for():
    g, x, w = random(4, 3), random(4, 5), random(3, 5)
    gw = np.empty_like(w)
    _native.linear_backward(g, x, w, None, gw, None)
    close(gw, g.T.astype(np.float64) @ x)
    _native.linear_backward(g, x, w, None, None, None)


def test_linear_backward_of_an_empty_batch():
    gw, gb = np.full((3, 5), 7, np.float32), np.full(3, 7, np.float32)
    none = np.empty((0, 5), np.float32)
    _native.linear_backward(
        np.empty((0, 3), np.float32), none, np.ones_like(gw), none.copy(), gw, gb
    )
    assert (gw == 0).all()
    assert (gb == 0).all()


def read_only(a):
    a.flags.writeable = False
    return a


GOOD = {
    "a": random(3, 4),
    "b": random(4, 5),
    "bias": random(5),
    "out": np.empty((3, 5), np.float32),
}
HOSTILE = [
    ({"a": GOOD["a"].astype(np.float64)}, TypeError, "a must be float32, got float64"),
    ({"b": GOOD["b"].astype(np.int32)}, TypeError, "b must be float32, got int32"),
    ({"out": GOOD["out"].astype(np.float64)}, TypeError, "out must be float32, got float64"),
    ({"out": GOOD["out"].astype(ml_dtypes.bfloat16)}, TypeError, "out must be float32"),
    ({"bias": GOOD["bias"].astype(np.float16)}, TypeError, "bias must be float32, got float16"),
    ({"bias": GOOD["bias"].astype(ml_dtypes.bfloat16)}, TypeError, "bias must be float32"),
    ({"a": [[1.0]]}, TypeError, "incompatible function arguments"),
    ({"a": random(4)}, ValueError, "a must have 2 to 3 dimensions"),
    ({"a": random(2, 3, 4, 5)}, ValueError, "a must have 2 to 3 dimensions"),
    ({"a": random(1, 3, 4)}, ValueError, "b must have 3 dimensions"),
    ({"a": random(3, 5)}, ValueError, "do not fit"),
    ({"out": random(5, 3)}, ValueError, r"out must have shape \(3, 5\), got \(5, 3\)"),
    ({"out": random(15)}, ValueError, "out must have shape"),
    ({"out": read_only(random(3, 5))}, ValueError, "out is read-only"),
    (
        {"out": np.lib.stride_tricks.as_strided(random(5), (3, 5), (0, 4))},
        ValueError,
        "stride of 0",
    ),
    ({"bias": random(4)}, ValueError, r"bias must have shape \(5,\)"),
    ({"bias": random(1, 5)}, ValueError, "bias must have shape"),
    ({"bias": random(1)}, ValueError, "bias must have shape"),
    ({"a": np.zeros(49, np.uint8)[1:].view(np.float32).reshape(3, 4)}, ValueError, "not aligned"),
    ({"a": np.broadcast_to(np.float32(1), (2**31, 4))}, ValueError, "longer than"),
]


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE)
def test_hostile_arguments(change, error, message):
    with pytest.raises(error, match=message):
        _native.matmul(**(GOOD | change))


def test_batches_of_different_lengths():
    with pytest.raises(ValueError, match="the batches equal"):
        _native.matmul(random(2, 3, 4), random(3, 4, 5), None, random(2, 3, 5))


HOSTILE_LINEAR = [
    ({"g": random(4, 2)}, ValueError, "g must have shape"),
    ({"x": random(3, 5)}, ValueError, "g must have shape"),
    ({"w": random(3, 6)}, ValueError, "x must have shape"),
    ({"x": random(20)}, ValueError, "must have 2 dimensions"),
    ({"gx": random(5, 4)}, ValueError, "gx must have shape"),
    ({"gw": random(5, 3)}, ValueError, "gw must have shape"),
    ({"gb": random(4)}, ValueError, "gb must have shape"),
    ({"gb": read_only(random(3))}, ValueError, "gb is read-only"),
    ({"gw": np.empty((3, 5))}, TypeError, "gw must be float32"),
    ({"g": np.empty((4, 3))}, TypeError, "g must be float32"),
]


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE_LINEAR)
def test_hostile_linear_backward(change, error, message):
    good = {"g": random(4, 3), "x": random(4, 5), "w": random(3, 5)}
    good |= {"gx": random(4, 5), "gw": random(3, 5), "gb": random(3)}
    with pytest.raises(error, match=message):
        _native.linear_backward(**(good | change))
