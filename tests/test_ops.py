"""Every declared op against its declaration: the table of all ops.

For each op and sample: the value of every kernel against the float64 oracle; shape and dtype as the rule says, also
on the meta device; first and second gradients against finite differences; strided and channels-last inputs; what must
be refused.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import rushlight
from rushlight.autograd import gradcheck, gradgradcheck
from rushlight.primitive import EXPORTS, PRIMITIVES, Spec
from rushlight.tensor import MetaArray, Tensor, values_of, wrap


class Maker:
    """Makes the tensors of samples: float64, or cast to another dtype afterwards.

    Args:
        seed: of the values, so that a failure can be repeated.
    """

    def __init__(self, seed: int = 0, dtype: str = "float64", requires_grad: bool = False):
        self.draw = np.random.default_rng(seed)
        self.dtype = dtype
        self.requires_grad = requires_grad

    def __call__(self, *shape, low=-2.0, high=2.0, dtype=None):
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        values = self.draw.uniform(low, high, shape)
        out = wrap(np.asarray(values).astype(dtype.numpy if dtype else np.dtype(self.dtype)))
        if self.requires_grad and out.is_floating_point():
            out.requires_grad_()
        return out


def declared(part):
    return [op for op in PRIMITIVES.values() if getattr(op, part) is not None]


def samples_of(op, **options):
    return list(op.sample_function(Maker(**options)))


def sample_cases(*parts):
    """One case for each op that has all ``parts`` and each of its samples."""
    return [
        pytest.param(op, i, id=f"{op.name}-{i}")
        for op in declared("sample_function")
        if all(getattr(op, part) is not None for part in parts)
        for i in range(len(samples_of(op)))
    ]


def bound(op, sample):
    """The arguments of a sample in the order of the op's parameters."""
    arguments = op.signature.bind(*sample.args, **sample.kwargs)
    arguments.apply_defaults()
    return [arguments.arguments[name] for name in op.parameters]


def as_arrays(value, dtype=np.float64):
    """Tensors replaced by arrays, floating ones in ``dtype``."""
    if isinstance(value, Tensor):
        array = values_of(value.detach())
        return array.astype(dtype) if array.dtype.kind == "f" else array
    if isinstance(value, list):
        return [as_arrays(v, dtype) for v in value]
    return value


def several(answer):
    return list(answer) if isinstance(answer, tuple) else [answer]


def specs_of(rule_answer):
    return [rule_answer] if isinstance(rule_answer, Spec) else list(rule_answer)


def reached(op, outputs):
    """The outputs through which gradients flow."""
    kept = outputs[: op.differentiable] if op.outputs else outputs
    return [x for x in kept if x.is_floating_point()]


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-9), ("float32", 2e-4)])
@pytest.mark.parametrize("op, i", sample_cases("oracle_function"))
def test_value(op, i, dtype, tolerance):
    sample = samples_of(op, dtype=dtype)[i]
    expected = several(op.oracle_function(*[as_arrays(v) for v in bound(op, sample)]))
    found = several(op.function(*sample.args, **sample.kwargs))
    assert len(found) == len(expected)
    for x, y in zip(found, expected):
        np.testing.assert_allclose(as_arrays(x), y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("op, i", sample_cases("oracle_function"))
def test_every_kernel(op, i):
    """Every fast kernel that accepts the sample gives the plain kernel's answer."""
    sample = samples_of(op, dtype="float32")[i]
    values = bound(op, sample)
    if op.promote is not None:
        values = op._promoted(values)
    arrays = op.arrays(values)
    kernels = op.kernels["cpu"]

    def run(kernel):
        return several(kernel.run(*([np] if kernel.takes_xp else []), *arrays))

    plain = run(kernels[0])
    for kernel in kernels[1:]:
        if op.applies(kernel, arrays):
            for x, y in zip(run(kernel), plain):
                np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5, err_msg=kernel.name)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op, i", sample_cases())
def test_rule(op, i, dtype):
    """Shape and dtype of the result are the rule's."""
    sample = samples_of(op, dtype=dtype)[i]
    values = bound(op, sample)
    found = several(op.function(*sample.args, **sample.kwargs))
    ruled = specs_of(op.rule(*values))
    assert [(tuple(x.shape), x.dtype) for x in found] == [(tuple(s.shape), s.dtype) for s in ruled]


# The shape of what they give depends on values, which meta tensors have none of.
SHAPED_BY_VALUES = {"at_mask", "_nonzero", "_unique", "_unique_consecutive", "bincount"}


@pytest.mark.parametrize(
    "op, i", [c for c in sample_cases() if c.values[0].name not in SHAPED_BY_VALUES]
)
def test_meta(op, i):
    """On the meta device the result has the rule's shape and dtype."""
    sample = samples_of(op)[i]
    ruled = specs_of(op.rule(*bound(op, sample)))

    def moved(v):
        if isinstance(v, list):
            return [moved(x) for x in v]
        return wrap(MetaArray(v._array.shape, v._array.dtype)) if isinstance(v, Tensor) else v

    on_meta = several(
        op.function(
            *[moved(v) for v in sample.args], **{k: moved(v) for k, v in sample.kwargs.items()}
        )
    )
    assert [(tuple(x.shape), x.dtype, str(x.device)) for x in on_meta] == [
        (tuple(s.shape), s.dtype, "meta") for s in ruled
    ]


def differentiable_inputs(op, sample):
    found = []
    for value in bound(op, sample):
        for x in value if isinstance(value, list) else [value]:
            if isinstance(x, Tensor) and x.requires_grad:
                found.append(x)
    return found


def as_function(op, sample, inputs):
    """The op as a function of its differentiable inputs alone."""
    places = {id(x): k for k, x in enumerate(inputs)}

    def function(*given):
        def replaced(v):
            if isinstance(v, list):
                return [replaced(x) for x in v]
            return given[places[id(v)]] if id(v) in places else v

        answer = op.function(
            *[replaced(v) for v in sample.args],
            **{k: replaced(v) for k, v in sample.kwargs.items()},
        )
        return tuple(reached(op, several(answer)))

    return function


@pytest.mark.parametrize("op, i", sample_cases("gradient"))
def test_first_gradient(op, i):
    sample = samples_of(op, requires_grad=True)[i]
    inputs = differentiable_inputs(op, sample)
    assert inputs, "a sample of a differentiable op has no floating input"
    assert gradcheck(as_function(op, sample, inputs), inputs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("op, i", sample_cases("gradient"))
def test_second_gradient(op, i):
    sample = samples_of(op, requires_grad=True)[i]
    inputs = differentiable_inputs(op, sample)
    assert gradgradcheck(as_function(op, sample, inputs), inputs, atol=1e-5, rtol=1e-4)


# What they give depends on the memory order of their input, by definition.
ABOUT_MEMORY = {"_view", "view_dtype", "_as_strided", "clone"}


@pytest.mark.parametrize(
    "op, i", [c for c in sample_cases() if c.values[0].name not in ABOUT_MEMORY]
)
def test_strided_input(op, i):
    """Inputs with gaps in memory, and with another order of dimensions, give the same answer."""
    sample = samples_of(op)[i]
    expected = [as_arrays(x) for x in several(op.function(*sample.args, **sample.kwargs))]

    def gapped(v):
        if isinstance(v, list):
            return [gapped(x) for x in v]
        if not isinstance(v, Tensor) or v.ndim == 0:
            return v
        wide = np.zeros((*v._array.shape[:-1], v._array.shape[-1] * 2), v._array.dtype)
        wide[..., ::2] = v._array
        return wrap(wide[..., ::2])

    def turned(v):
        if isinstance(v, list):
            return [turned(x) for x in v]
        return wrap(v._array.copy(order="F")) if isinstance(v, Tensor) else v

    for change in (gapped, turned):
        answer = op.function(
            *[change(v) for v in sample.args], **{k: change(v) for k, v in sample.kwargs.items()}
        )
        for x, y in zip(several(answer), expected):
            np.testing.assert_allclose(as_arrays(x), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "op, case",
    [
        pytest.param(op, case, id=f"{op.name}-{case.message[:30]}")
        for op in declared("reject_function")
        for case in op.reject_function(Maker())
    ],
)
def test_rejects(op, case):
    with pytest.raises(case.error) as caught:
        op.function(*case.args, **case.kwargs)
    assert case.message in str(caught.value)


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in PRIMITIVES.values()])
def test_declaration_is_complete(op):
    """Every op says what it does and has a kernel that is right everywhere; its roads can be written."""
    assert op.declared.__doc__
    assert op.kernels["cpu"][0].when is None
    assert callable(op.finish)
    assert (op.gradient is None) == (op.backward is None)


def test_public_ops_can_be_called_by_keyword():
    x = rushlight.ones(2)
    assert rushlight.relu(input=x).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("place", ["torch", "nn.functional", "linalg"])
def test_functions_are_pickled_by_their_public_names(place):
    functions = [f for f in EXPORTS[place].values() if hasattr(f, "__qualname__")]
    functions = [f for f in functions if not isinstance(f, type)]
    assert functions
    assert [f for f in functions if pickle.loads(pickle.dumps(f)) is not f] == []
