"""Formulas written down with symbols give what they give with tensors."""

import numpy as np
import pytest

import rushlight
from rushlight.optim.tape import Scalar, State, Tape, where

FORMULAS = {
    "operators": lambda p, g, m: p.copy_(2 * p - g / 3 + m**2 - (1 - g) * m),
    "divided number": lambda p, g, m: p.copy_(2 / (1 + g * g) - -m),
    "in-place operators": lambda p, g, m: in_place(p, g, m),
    "add and sub": lambda p, g, m: p.add_(g, alpha=0.5).sub_(m, alpha=2).sub_(0.25).add_(1.5),
    "mul and div": lambda p, g, m: p.mul_(g).div_(m.abs() + 1).mul_(3).div_(7),
    "addcmul": lambda p, g, m: p.addcmul_(g, m, value=-0.5).copy_(p.addcmul(m, m)),
    "addcdiv": lambda p, g, m: p.addcdiv_(g, m.abs() + 1, value=0.5),
    "lerp near": lambda p, g, m: p.lerp_(g, 0.2),
    "lerp far": lambda p, g, m: p.copy_(p.lerp(g, 0.9)),
    "roots": lambda p, g, m: p.copy_(g.abs().sqrt() + (m.abs() + 1).rsqrt()),
    "squares": lambda p, g, m: p.copy_(g.square() + m.pow(3) + (m + 3).reciprocal()),
    "sign": lambda p, g, m: p.copy_(g.sign() + m.neg()),
    "extremes": lambda p, g, m: p.copy_(g.maximum(m) - g.minimum(p)),
    "clamp": lambda p, g, m: p.copy_(g.clamp(-0.5, 0.5) + m.clamp(min=0.1) + p.clamp(max=0.2)),
    "where": lambda p, g, m: p.copy_(where(g > 0, m, where(g < -0.5, 2.0, p))),
    "clone": lambda p, g, m: p.copy_(p.detach().clone().mul_(2) + p),
    "zero and fill": lambda p, g, m: p.zero_().add_(m.fill_(2.0)),
    "exp": lambda p, g, m: p.copy_(g.exp()),
}


def in_place(p, g, m):
    p += g
    p *= m
    p -= 0.5
    p /= 2


def values(dtype):
    rng = np.random.default_rng(0)
    # More than one block of the extension, and not a whole number of them.
    return [rng.standard_normal((33, 41)).astype(dtype) for _ in range(3)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FORMULAS)
def test_symbols_reckon_as_tensors_do(name, dtype):
    formula = FORMULAS[name]
    tensors = [rushlight.tensor(x) for x in values(dtype)]
    formula(*tensors)
    arrays = values(dtype)
    tape = Tape(["p", "g", "m"])
    formula(*tape.operands())
    tape.run([[x] for x in arrays])
    tolerance = dict(rtol=1e-6, atol=1e-6) if dtype is np.float32 else dict(rtol=1e-14, atol=1e-14)
    for array, tensor in zip(arrays, tensors):
        np.testing.assert_allclose(array, tensor.numpy(), **tolerance)


def test_what_a_rule_keeps_becomes_an_operand():
    tape = Tape(["p", "g"])
    p, g = tape.operands()
    state = State(tape, {})
    buffer = state["buffer"] = g.clone()
    buffer.add_(1)
    p.sub_(state["buffer"])
    assert tape.names == ["p", "g", "buffer"]
    arrays = [np.array([x]) for x in (5.0, 2.0, 0.0)]
    tape.run([[x] for x in arrays])
    assert [x.item() for x in arrays] == [2.0, 2.0, 3.0]


def test_an_operand_that_is_kept_is_copied():
    tape = Tape(["p", "g"])
    p, g = tape.operands()
    state = State(tape, {})
    state["before"] = g
    state["before"].mul_(10)
    p.add_(g)
    arrays = [np.array([x]) for x in (5.0, 2.0, 0.0)]
    tape.run([[x] for x in arrays])
    assert [x.item() for x in arrays] == [7.0, 2.0, 20.0]


def test_a_gradient_that_a_rule_changes_is_refused():
    tape = Tape(["p", "g"])
    _, g = tape.operands()
    g.mul_(2)
    frozen = np.ones(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="operands"):
        tape.run([[np.ones(3)], [frozen]])


def test_values_cannot_be_asked_for():
    p, g = Tape(["p", "g"]).operands()
    with pytest.raises(TypeError, match="by the values"):
        if g > 0:
            p.add_(g)


def test_only_tensors_can_be_kept():
    state = State(Tape(["p", "g"]), {"step": Scalar(np.float32(0))})
    with pytest.raises(TypeError, match="can only keep tensors"):
        state["scale"] = 0.5
    with pytest.raises(TypeError, match="can only keep tensors"):
        state["step"] = Tape(["p"]).operands()[0]


def test_scalars_keep_their_precision():
    count = Scalar(np.float32(0.1))
    count.mul_(3)
    count.add_(0.7)
    expected = np.float32(np.float32(0.1) * np.float32(3)) + np.float32(0.7)
    assert count.value.dtype == np.float32
    assert count.item() == float(expected)
    assert count.fill_(2).item() == 2.0


def test_long_formulas_use_few_temporaries():
    tape = Tape(["p", "g"])
    p, g = tape.operands()
    for _ in range(40):
        g = (g * 2 + p) / 3
    p.copy_(g)
    x, y = np.full(3, 2.0), np.full(3, 2.0)
    tape.run([[x], [y]])
    np.testing.assert_allclose(x, 2.0)
