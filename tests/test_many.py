"""Small changes to many tensors: in one pass, and one by one."""

import numpy as np
import pytest

import rushlight
from rushlight import many
from rushlight.backend.native import extension


@pytest.fixture
def passes(monkeypatch):
    """How many tensors each native pass has changed."""
    seen = []
    run = extension.run_program

    def counted(instructions, operands, written, temporaries):
        run(instructions, operands, written, temporaries)
        seen.append(len(operands[0]))

    monkeypatch.setattr(many, "extension", Counted(counted))
    return seen


class Counted:
    """The extension with another `run_program`."""

    def __init__(self, run):
        self.run_program = run

    def __getattr__(self, name):
        return getattr(extension, name)


def tensors(dtype, *shapes):
    rushlight.manual_seed(0)
    return [(rushlight.randn(shape) * 5).to(dtype) for shape in shapes]


SHAPES = [(3,), (40, 50), (), (0, 2), (2, 3, 8, 8)]
CHANGES = {
    "lerp": (lambda xs, ys: many.lerp_all(xs, ys, 0.25), lambda x, y: x + 0.25 * (y - x)),
    "scale": (lambda xs, ys: many.scale_all(xs, -1.5), lambda x, y: x * -1.5),
    "clamp": (lambda xs, ys: many.clamp_all(xs, -2.0, 1.0), lambda x, y: np.clip(x, -2, 1)),
}


@pytest.mark.parametrize(
    "dtype, expected",
    [("float32", [5]), ("float64", [5]), ("float16", []), ("bfloat16", [])],
)
@pytest.mark.parametrize("name", CHANGES)
def test_changes(name, dtype, expected, passes):
    change, formula = CHANGES[name]
    dtype = getattr(rushlight, dtype)
    xs, ys = tensors(dtype, *SHAPES), [x * 2 + 1 for x in tensors(dtype, *SHAPES)]
    wanted = [formula(x.double().numpy(), y.double().numpy()) for x, y in zip(xs, ys)]
    change(xs, ys)
    for x, value in zip(xs, wanted):
        tolerance = {2: 2e-2, 4: 1e-5, 8: 1e-12}[dtype.itemsize]
        np.testing.assert_allclose(x.double().numpy(), value, rtol=tolerance, atol=tolerance)
    assert passes == expected
    assert [x._version > 0 for x in xs] == [True] * 5


@pytest.mark.parametrize("name", CHANGES)
def test_without_the_extension(name, passes, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_KERNELS", "plain")
    change, formula = CHANGES[name]
    xs, ys = tensors(rushlight.float32, *SHAPES), tensors(rushlight.float32, *SHAPES)
    wanted = [formula(x.numpy().copy(), y.numpy()) for x, y in zip(xs, ys)]
    change(xs, ys)
    for x, value in zip(xs, wanted):
        np.testing.assert_allclose(x.numpy(), value, rtol=1e-5, atol=1e-6)
    assert passes == []


def test_some_tensors_join_and_some_do_not(passes):
    xs = [rushlight.ones(3), rushlight.ones(3, dtype=rushlight.bfloat16), rushlight.ones(4)]
    many.scale_all(xs, 2.0)
    assert [x.tolist() for x in xs] == [[2.0] * 3, [2.0] * 3, [2.0] * 4]
    assert passes == [2]


def test_a_tensor_that_is_listed_twice(passes):
    x = rushlight.ones(2)
    many.scale_all([x, x], 3.0)
    assert (x.tolist(), passes) == ([9.0, 9.0], [])


def test_tensors_of_one_memory(passes):
    x = rushlight.arange(4.0)
    many.lerp_all([x[1:]], [x[:3]], 1.0)
    assert (x.tolist(), passes) == ([0.0, 0.0, 1.0, 2.0], [])


def test_orders_of_memory(passes):
    x = rushlight.randn(2, 3, 4, 5).contiguous(memory_format=rushlight.channels_last)
    y = rushlight.randn(5, 4, 3, 2).permute(3, 2, 1, 0)
    expected = (x + (y - x) * 0.5).numpy()
    many.lerp_all([x], [y], 0.5)
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert passes == [1]


def test_nothing(passes):
    many.scale_all([], 2.0)
    assert passes == []


def test_parameters_change_without_history():
    p = rushlight.nn.Parameter(rushlight.ones(2))
    many.scale_all([p], 2.0)
    assert (p.is_leaf, p.requires_grad, p.tolist()) == (True, True, [2.0, 2.0])
