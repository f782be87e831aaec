"""First values against PyTorch's: the same numbers from the same seed, and the same errors."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402

SHAPES = [(7, 5), (3, 40), (40, 3), (6, 4, 3), (8, 2, 3, 3), (2, 3, 3, 2, 2)]
ANY = {
    "uniform_": {"a": -3.0, "b": 2.0},
    "normal_": {"mean": 1.0, "std": 0.5},
    "trunc_normal_": {"std": 0.7, "a": -1.0, "b": 0.8},
    "constant_": {"val": 0.3},
    "ones_": {},
    "zeros_": {},
    "xavier_uniform_": {"gain": 2.0},
    "xavier_normal_": {},
    "kaiming_uniform_": {"a": 0.2},
    "kaiming_normal_": {"mode": "fan_out", "nonlinearity": "relu"},
    "orthogonal_": {"gain": 1.5},
}


def filled(framework, name, shape, dtype="float32", generator=False, **options):
    framework.manual_seed(3)
    t = framework.nn.Parameter(framework.zeros(shape, dtype=getattr(framework, dtype)))
    if generator:
        options["generator"] = framework.Generator().manual_seed(9)
    out = getattr(framework.nn.init, name)(t, **options)
    assert out is t
    assert t.requires_grad
    assert t.grad_fn is None
    after = framework.rand(3)
    return t.detach().float().numpy(), after.numpy()


def compare(name, shape, rtol=1e-5, atol=1e-6, **options):
    ours, theirs = (filled(f, name, shape, **options) for f in (rushlight, torch))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=rtol, atol=atol)
    # As many random numbers were used.
    np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ANY)
def test_numbers(name, shape):
    compare(name, shape, **ANY[name])


@pytest.mark.parametrize(
    "name", ["uniform_", "normal_", "xavier_normal_", "kaiming_uniform_", "trunc_normal_"]
)
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_dtypes(name, dtype):
    compare(name, (5, 7), dtype=dtype, rtol=1e-2 if "16" in dtype else 1e-6, atol=1e-3)


@pytest.mark.parametrize(
    "name",
    ["uniform_", "normal_", "xavier_uniform_", "kaiming_normal_", "orthogonal_", "trunc_normal_"],
)
def test_generators(name):
    compare(name, (6, 5), generator=True)


@pytest.mark.parametrize(
    "options", [{"a": 5.0, "b": 6.0}, {"a": -0.1, "b": 0.1}, {"mean": -2.0, "std": 3.0}]
)
def test_narrow_truncation(options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare("trunc_normal_", (30,), **options)


@pytest.mark.parametrize("shape", [(4, 4), (2, 5), (5, 2)])
def test_matrices(shape):
    compare("eye_", shape)
    compare("sparse_", shape, sparsity=0.4)


@pytest.mark.parametrize("shape", [(4, 2, 3), (2, 4, 3, 3), (4, 4, 1, 3, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac(shape, groups):
    compare("dirac_", shape, groups=groups)


def outcome(framework, call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call(framework.nn.init, framework.empty)
            result = result if isinstance(result, (int, float, tuple)) else "done"
        except Exception as error:
            result = type(error)
    return result, [w.category for w in caught]


CALLS = {
    "vector fan": lambda i, e: i.xavier_uniform_(e(3)),
    "fan": lambda i, e: i._calculate_fan_in_and_fan_out(e(2, 3, 4, 5)),
    "correct fan": lambda i, e: i._calculate_correct_fan(e(3, 4), "FAN_OUT"),
    "mode": lambda i, e: i.kaiming_uniform_(e(3, 3), mode="x"),
    "nonlinearity": lambda i, e: i.kaiming_uniform_(e(3, 3), nonlinearity="x"),
    "empty": lambda i, e: i.kaiming_normal_(e(0, 3)),
    "empty xavier": lambda i, e: i.xavier_uniform_(e(0, 3)),
    "empty orthogonal": lambda i, e: i.orthogonal_(e(0, 3)),
    "eye": lambda i, e: i.eye_(e(2)),
    "dirac": lambda i, e: i.dirac_(e(3, 2)),
    "dirac groups": lambda i, e: i.dirac_(e(3, 2, 3), 2),
    "orthogonal": lambda i, e: i.orthogonal_(e(3)),
    "sparse": lambda i, e: i.sparse_(e(4, 3, 1), 0.5),
    "std": lambda i, e: i.normal_(e(3), std=-1),
    "bounds": lambda i, e: i.uniform_(e(3), 2, 1),
    "far mean": lambda i, e: i.trunc_normal_(e(3), mean=10),
    "gains": lambda i, e: tuple(
        i.calculate_gain(n)
        for n in ("linear", "conv2d", "conv_transpose1d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
    ),
    "slope": lambda i, e: i.calculate_gain("leaky_relu", 0.2),
    "slope True": lambda i, e: i.calculate_gain("leaky_relu", True),
    "slope text": lambda i, e: i.calculate_gain("leaky_relu", "x"),
    "gain": lambda i, e: i.calculate_gain("foo"),
    **{
        f"old {name}": lambda i, e, name=name: getattr(i, name)(e(3, 3))
        for name in (
            "uniform", "normal", "eye", "xavier_uniform", "xavier_normal",
            "kaiming_uniform", "kaiming_normal", "orthogonal",
        )
    },
    "old constant": lambda i, e: i.constant(e(3), 1.0),
    "old sparse": lambda i, e: i.sparse(e(3, 3), 0.5),
    "old dirac": lambda i, e: i.dirac(e(3, 3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    assert outcome(rushlight, CALLS[name]) == outcome(torch, CALLS[name])


def test_strided_tensors():
    def run(framework, name):
        framework.manual_seed(0)
        base = framework.zeros(6, 4)
        getattr(framework.nn.init, name)(base.t())
        return base.numpy()

    for name in ("normal_", "xavier_uniform_", "eye_"):
        np.testing.assert_allclose(run(rushlight, name), run(torch, name), rtol=1e-6)
