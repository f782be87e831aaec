"""The extension's loops against the plain kernels on large arrays, and which of them a call takes."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.backend import native
from rushlight.config import KERNELS
from rushlight.primitive import PRIMITIVES
from rushlight.tensor import wrap

pytestmark = pytest.mark.skipif(
    KERNELS.read() == "plain", reason="without the fast kernels by request"
)

SHAPE = (4, 24, 15, 17)


def arrays_in_order(count, order, low=0.2, high=0.9):
    draw = np.random.default_rng(0)
    made = []
    for _ in range(count):
        x = draw.uniform(low, high, SHAPE).astype(np.float32)
        if order == "channels_last":
            x = native.as_channels_last(x)
        elif order == "fortran":
            x = np.asfortranarray(x)
        made.append(x)
    return made


def kernel_called(op, name):
    return next(k for k in op.kernels["cpu"] if k.name == name)


def answer(op, name, arrays, rest=()):
    kernel = kernel_called(op, name)
    return kernel.run(*([np] if kernel.takes_xp else []), *arrays, *rest)


def with_native(tensors):
    """Every op with that many tensors and no more arguments without defaults that has a loop for them."""
    return [
        (op, kernel.name)
        for op in PRIMITIVES.values()
        for kernel in op.kernels["cpu"][1:]
        if kernel.name.startswith("native_")
        and len(op.tensor_names) == tensors == len(op.parameters)
    ]


UNARY, BINARY = with_native(1), with_native(2)
GRADIENTS = [
    (op, k.name)
    for op in PRIMITIVES.values()
    for k in op.kernels["cpu"][1:]
    if k.name.startswith("native_") and op.parameters == ("grad", "saved", "alpha", "beta")
]
SETTINGS = [
    (op, k.name)
    for op in PRIMITIVES.values()
    for k in op.kernels["cpu"][1:]
    if k.name.startswith("native_") and op.parameters == ("input", "alpha", "beta")
]
REDUCTIONS = [
    (op, k.name)
    for op in PRIMITIVES.values()
    for k in op.kernels["cpu"][1:]
    if k.name.startswith("native_") and op.parameters == ("input", "dims", "keepdim")
]
ORDERS = ["contiguous", "channels_last", "fortran"]


def ids(case):
    return case[0].name if isinstance(case, tuple) else str(case)


def test_the_tables_hold_the_hot_ops():
    assert {"exp", "log", "relu", "sigmoid", "tanh", "sqrt", "square", "abs"} <= {
        op.name for op, _ in UNARY
    }
    assert {"_add", "_sub", "_rsub", "mul", "_div", "_rdiv"} <= {op.name for op, _ in BINARY}
    assert {"_relu_gradient", "_gelu_gradient"} <= {op.name for op, _ in GRADIENTS}
    assert {"_gelu", "_silu", "_leaky_relu", "_elu", "_softplus"} <= {op.name for op, _ in SETTINGS}
    assert {"_sum", "_mean", "_amax", "_amin"} <= {op.name for op, _ in REDUCTIONS}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", UNARY, ids=ids)
def test_one_array(case, order):
    op, name = case
    (x,) = arrays_in_order(1, order)
    assert op.kernel_for(wrap(x)) == name
    fast = answer(op, name, [x])
    np.testing.assert_allclose(
        fast, answer(op, op.kernels["cpu"][0].name, [x]), rtol=2e-6, atol=1e-6
    )
    assert fast.strides == x.strides


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", BINARY, ids=ids)
def test_two_arrays(case, order):
    op, name = case
    x, y = arrays_in_order(2, order)
    assert op.kernel_for(wrap(x), wrap(y)) == name
    fast = answer(op, name, [x, y])
    np.testing.assert_allclose(
        fast, answer(op, op.kernels["cpu"][0].name, [x, y]), rtol=1e-6, atol=1e-6
    )
    assert fast.strides == x.strides


@pytest.mark.parametrize("number", [2.5, -3])
@pytest.mark.parametrize("case", BINARY, ids=ids)
def test_an_array_and_a_number(case, number):
    op, name = case
    (x,) = arrays_in_order(1, "channels_last")
    assert op.kernel_for(wrap(x), number) == name
    fast = answer(op, name, [x, number])
    np.testing.assert_allclose(
        fast, answer(op, op.kernels["cpu"][0].name, [x, number]), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("case", BINARY, ids=ids)
def test_arrays_that_lie_differently_go_to_numpy(case):
    op, name = case
    x, y = arrays_in_order(1, "contiguous") + arrays_in_order(1, "channels_last")
    assert op.kernel_for(wrap(x), wrap(y)) != name
    assert op.kernel_for(wrap(x), wrap(y[:1])) != name


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", GRADIENTS, ids=ids)
def test_gradients(case, order):
    op, name = case
    g, saved = arrays_in_order(2, order)
    settings = next(iter(op.sample_function(lambda *shape, **options: None))).args[2:]
    assert op.kernel_for(wrap(g), wrap(saved), *settings) == name
    fast = answer(op, name, [g, saved], settings)
    np.testing.assert_allclose(
        fast, answer(op, op.kernels["cpu"][0].name, [g, saved], settings), rtol=2e-5, atol=1e-6
    )
    assert fast.strides == g.strides


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", SETTINGS, ids=ids)
def test_activations(case, order):
    op, name = case
    (x,) = arrays_in_order(1, order, -3.0, 3.0)
    settings = next(iter(op.sample_function(lambda *shape, **options: None))).args[1:]
    assert op.kernel_for(wrap(x), *settings) == name
    settings = (*settings, 0.0, 0.0)[:2]
    fast = answer(op, name, [x], settings)
    np.testing.assert_allclose(
        fast, answer(op, op.kernels["cpu"][0].name, [x], settings), rtol=2e-5, atol=1e-6
    )
    assert fast.strides == x.strides


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dims", [None, (0,), (1,), (2, 3), (0, 2, 3), (3,)])
@pytest.mark.parametrize("case", REDUCTIONS, ids=ids)
def test_reductions(case, dims, order):
    op, name = case
    (x,) = arrays_in_order(1, order)
    assert op.kernel_for(wrap(x), dims, False) == name
    for keepdim in (False, True):
        fast = answer(op, name, [x], (dims, keepdim))
        plain = answer(op, op.kernels["cpu"][0].name, [x], (dims, keepdim))
        assert fast.shape == plain.shape
        np.testing.assert_allclose(fast, plain, rtol=2e-6)


def test_small_arrays_of_one_ufunc_stay_with_numpy():
    x = wrap(np.ones(10, np.float32))
    assert PRIMITIVES["_add"].kernel_for(x, x) == "add"
    assert PRIMITIVES["exp"].kernel_for(x) == "exp"
    assert PRIMITIVES["_add"].kernel_for(x, 2.0) == "add"


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_other_dtypes_stay_with_numpy(dtype):
    x = wrap(np.ones((200, 200), dtype))
    assert not PRIMITIVES["_add"].kernel_for(x, x).startswith("native")
    assert not PRIMITIVES["_sum"].kernel_for(x, None, False).startswith("native")


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
@pytest.mark.parametrize(
    "shapes",
    [
        ((80, 80), (80, 80), (80, 80)),
        ((80, 80), (), (80,)),
        ((80, 1), (80, 80), (80, 1)),
        ((80, 80), (1, 80), (80, 80)),
        ((5000,), (5000,), ()),
    ],
)
def test_where_without_branches(shapes, dtype):
    draw = np.random.default_rng(0)
    condition = np.asarray(draw.random(shapes[0]) > 0.5)
    x, y = (np.asarray(draw.normal(0, 100, s)).astype(dtype) for s in shapes[1:])
    op = PRIMITIVES["_where"]
    mixed = answer(op, "where_mixed", [condition, x, y])
    assert mixed.dtype == dtype
    np.testing.assert_array_equal(mixed, np.where(condition, x, y))


def test_where_passes_infinities_and_nan():
    condition = np.arange(5000) % 2 == 0
    x, y = np.full(5000, np.inf, np.float32), np.full(5000, np.nan, np.float32)
    mixed = answer(PRIMITIVES["_where"], "where_mixed", [condition, x, y])
    np.testing.assert_array_equal(mixed, np.where(condition, x, y))
