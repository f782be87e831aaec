"""Gradients are clipped as PyTorch clips them: results, dtypes, warnings, errors."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402


def parameters(f, *gradients, dtype="float32"):
    made = []
    for gradient in gradients:
        gradient = f.tensor(gradient, dtype=getattr(f, dtype))
        p = f.zeros_like(gradient).requires_grad_()
        p.grad = gradient
        made.append(p)
    return made


def resnet(f):
    """Gradients of the shapes of a small residual network."""
    rng = np.random.default_rng(0)
    shapes = [(64, 3, 7, 7), (64,), (64, 64, 3, 3), (128, 64, 1, 1), (10, 128), (10,), ()]
    made = []
    for shape in shapes:
        p = f.zeros(shape).requires_grad_()
        p.grad = f.tensor(rng.standard_normal(shape), dtype=f.float32)
        made.append(p)
    return made


def shown(f, value):
    if isinstance(value, f.Tensor):
        return str(value.dtype), value.to(f.complex128).numpy()
    return value


def outcome(f, call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = call(f.nn.utils, f)
        except Exception as error:
            return type(error), []
    return [shown(f, x) for x in made], [w.category for w in caught]


def assert_same(call):
    (ours, our_warnings), (theirs, their_warnings) = outcome(rushlight, call), outcome(torch, call)
    assert our_warnings == their_warnings
    if isinstance(theirs, type):
        assert ours is theirs
        return
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        if other is None:
            assert mine is None
        else:
            assert mine[0] == other[0]
            np.testing.assert_allclose(mine[1], other[1], rtol=1e-5)


def clipped(made, total):
    return [total, *(p.grad for p in made)]


NORMS = [0, 0.5, 1, 2, 3, float("inf"), float("-inf"), -1, "inf", "x", None]


@pytest.mark.parametrize("max_norm", [0.5, 1e6, -1.0, 0])
@pytest.mark.parametrize("norm_type", NORMS)
def test_norm_types(norm_type, max_norm):
    def call(u, f):
        made = resnet(f)
        return clipped(made, u.clip_grad_norm_(made, max_norm, norm_type))

    assert_same(call)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "complex64"])
@pytest.mark.parametrize("foreach", [None, True, False])
def test_dtypes(dtype, foreach):
    def call(u, f):
        made = parameters(f, [3.0, -1.0], [4.0], dtype=dtype)
        return clipped(made, u.clip_grad_norm_(made, 2.5, foreach=foreach))

    assert_same(call)


def mixed(u, f):
    made = parameters(f, [3.0]) + parameters(f, [4.0], dtype="float64")
    return clipped(made, u.clip_grad_norm_(made, 2.5))


def not_finite(value):
    def call(u, f):
        made = parameters(f, [1.0, value], [2.0])
        return clipped(made, u.clip_grad_norm_(made, 1.0))

    return call


def with_norm(total):
    def call(u, f):
        made = parameters(f, [1.0, 2.0], [3.0])
        return clipped(made, u.clip_grads_with_norm_(made, 1.0, f.tensor(total)))

    return call


def values(limit, **options):
    def call(u, f):
        made = parameters(f, [1.0, -5.0, float("nan")], [2.5], **options)
        return clipped(made, u.clip_grad_value_(made, limit))

    return call


def listed_twice(u, f):
    (p,) = parameters(f, [3.0, 4.0])
    return clipped([p], u.clip_grad_norm_([p, p], 1.0))


def of_a_generator(u, f):
    made = parameters(f, [3.0], [4.0])
    return clipped(made, u.clip_grad_norm_((p for p in made), 1.0))


CALLS = {
    "mixed dtypes": mixed,
    "nan": not_finite(float("nan")),
    "inf": not_finite(float("inf")),
    "listed twice": listed_twice,
    "generator": of_a_generator,
    "empty generator": lambda u, f: [u.clip_grad_norm_((p for p in []), 1.0)],
    "nothing": lambda u, f: [u.clip_grad_norm_([], 1.0)],
    "no gradient": lambda u, f: [u.clip_grad_norm_(f.ones(2, requires_grad=True), 1.0)],
    "error": lambda u, f: [
        u.clip_grad_norm_(parameters(f, [float("nan")]), 1.0, error_if_nonfinite=True)
    ],
    "large norm": with_norm(4.0),
    "small norm": with_norm(0.1),
    "norm of nan": with_norm(float("nan")),
    "norm of 0": with_norm(0.0),
    "one parameter": lambda u, f: [u.clip_grads_with_norm_(f.ones(1), 1.0, f.tensor(1.0))],
    "values": values(2),
    "values below": values(1e-3, dtype="float64"),
    "negative value": values(-2),
    "value of bfloat16": values(2, dtype="bfloat16"),
    "complex values": values(2, dtype="complex64"),
    "no value": values("a"),
    "old name": lambda u, f: [u.clip_grad_norm(parameters(f, [3.0]), 1.0, 1, True, None)],
    "total": lambda u, f: [u.get_total_norm([f.ones(3), f.ones(2, 2)], 3)],
    "total of one": lambda u, f: [u.get_total_norm(f.ones(3))],
    "total of none": lambda u, f: [u.get_total_norm([])],
    "total of integers": lambda u, f: [u.get_total_norm([f.arange(3)])],
    "largest of nothing": lambda u, f: [u.get_total_norm([f.ones(0)], float("inf"))],
    "total of nothing": lambda u, f: [u.get_total_norm([f.ones(0), f.ones(2)])],
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    assert_same(CALLS[name])


def test_names():
    theirs = [n for n in dir(torch.nn.utils) if n.startswith("clip") and n != "clip_grad"]
    assert [n for n in theirs if not hasattr(rushlight.nn.utils, n)] == []
