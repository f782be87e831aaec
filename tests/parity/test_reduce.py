"""Reductions, running sums, statistics against PyTorch: values, dtypes, shapes, gradients, types of errors."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

# Before the neighbours: without PyTorch they skip themselves, and give no names.
torch = pytest.importorskip("torch")

from .side_by_side import gradients, outcome  # noqa: E402
from .test_pointwise import DTYPES, assert_same, of_dtypes  # noqa: E402


def common(framework):
    def tensor(data, dtype=None):
        return framework.tensor(data, dtype=dtype)

    nan, inf = float("nan"), float("inf")
    return {
        "f": tensor([[0.5, -1.5, 2.25], [-0.75, 0.25, 3.5]]),
        "g": tensor([[1.5, 0.25, -2.0], [-0.75, 1.0, 0.5]]),
        "p": tensor([[0.5, 0.25, 0.9], [0.75, 0.1, 0.6]]),
        "x3": framework.arange(24.0).reshape(2, 3, 4).sin(),
        "line": tensor([1.0, 3.0, 3.0, 0.0, 2.0]),
        "zeros": tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 1.0], [1.0, 2.0, 3.0]]),
        "one": tensor([2.5]),
        "scalar": tensor(2.5),
        "n": tensor([[1.0, nan, 3.0], [0.5, 2.0, -1.0]]),
        "inf": tensor([[inf, 1.0, -inf], [-inf, -inf, -inf]]),
        "d": tensor([[0.5, -1.5, 2.25], [-0.75, 0.0, 3.5]], framework.float64),
        "h": tensor([[0.5, -1.5, 2.25], [-0.75, 0.0, 3.5]], framework.float16),
        "w": tensor([[0.5, -1.5, 2.25], [-0.75, 0.0, 3.5]], framework.bfloat16),
        "i": tensor([[7, -7, 3], [0, 5, 7]]),
        "u": tensor([200, 44, 0, 7], framework.uint8),
        "m": tensor([[True, False, True], [False, False, True]]),
        "c": tensor([[1 + 2j, -0.5j, 3.0], [-1 - 1j, 2 + 0.5j, -2.0]]),
        "e": framework.zeros(0, 3),
        "t": framework.arange(6.0).reshape(2, 3).t(),
    }


def check(expression, names, strides=True):
    assert_same(
        outcome(rushlight, expression, names, strides), outcome(torch, expression, names, strides)
    )


REDUCTIONS = ["sum", "mean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "all", "any", "var", "std",
              "norm", "nansum", "nanmean", "count_nonzero", "median", "logsumexp", "cumsum", "cumprod", "cummax",
              "cummin", "aminmax", "mode"]  # fmt: skip


# PyTorch lets a complex number without dimensions pass as its own running maximum and mode.
NOT_FOR_COMPLEX = ("cummax", "cummin", "mode")


@pytest.mark.parametrize(
    "name, dtype",
    [(n, d) for n in REDUCTIONS for d in DTYPES if d != "complex64" or n not in NOT_FOR_COMPLEX],
)
def test_every_dtype(name, dtype):
    names = of_dtypes(dtype, dtype)
    check(f"a.{name}()", names)
    check(f"a.{name}(0)", names)
    check(f"a.reshape(2, 2).{name}(1)", names)
    check(f"a0.{name}()", names)
    check(f"a0.{name}(0)", names)
    check(f"torch.{name}(a)", names)


@pytest.mark.parametrize(
    "name",
    ["sum", "mean", "amax", "amin", "all", "any", "var", "std", "norm", "nansum", "logsumexp"],
)
@pytest.mark.parametrize(
    "dim",
    [
        "0",
        "-1",
        "(0, 2)",
        "(1,)",
        "[0, 1, 2]",
        "None",
        "3",
        "(0, 0)",
        "(0, -3)",
        "'a'",
        "0.5",
        "(0, 5)",
    ],
)
def test_dimensions(name, dim):
    prefix = f"x3.{name}(2, " if name == "norm" else f"x3.{name}("
    check(f"{prefix}{dim})", common)
    check(f"{prefix}dim={dim}, keepdim=True)", common)


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "all", "any", "var", "std"])
def test_no_dimensions(name):
    check(f"x3.{name}(())", common)
    check(f"x3.{name}(dim=(), keepdim=True)", common)


@pytest.mark.parametrize(
    "name",
    ["prod", "max", "min", "argmax", "argmin", "median", "nanmedian", "mode", "cummax", "cummin"],
)
@pytest.mark.parametrize("dim", ["0", "-1", "1", "3", "(0, 1)", "'a'", "0.5"])
def test_one_dimension(name, dim):
    check(f"x3.{name}({dim})", common)
    if not name.startswith("cum"):
        check(f"x3.{name}(dim={dim}, keepdim=True)", common)


# Where equality with NaN decides, the two choose differently.
@pytest.mark.parametrize(
    "name, x",
    [
        (n, x)
        for n in REDUCTIONS
        for x in ("n", "e", "inf", "scalar", "one", "t", "x3")
        if (n, x) != ("mode", "n")
    ],
)
def test_special_values_and_shapes(name, x):
    check(f"{x}.{name}()", common)
    check(f"{x}.{name}(0)", common)
    check(f"{x}.{name}(-1)", common)


EXPRESSIONS = """
i.sum(dtype=torch.float32)
f.sum(dtype=torch.int64)
f.sum(1, dtype=torch.float64)
f.sum(axis=1)
torch.sum(f, axis=0, keepdims=True)
torch.sum(f, (0, 1), True)
torch.sum(input=f, dim=1)
torch.sum([1, 2])
torch.sum(f, 1, out=torch.empty(2))
f.sum(0, 1, 2)
f.sum(foo=1)
i.mean()
i.mean(dtype=torch.float64)
m.float().mean()
f.mean(axis=(0, 1))
torch.mean(f, 0, True)
f.prod(dtype=torch.float64)
i.prod(1)
torch.prod(f, 1, keepdim=True)
f.max(g)
torch.max(f, g)
torch.max(f, other=g)
torch.min(f, g)
torch.max(f, 1)[1]
torch.max(f, 1).values
torch.max(f, dim=1, keepdim=True).indices
f.max(axis=1)
f.max(1, True)
repr(f.max(1))
repr(f.aminmax())
line.argmax()
line.argmin()
line.max(0)
line.min(0)
line.cummax(0)
line.cummin(0)
line.mode()
i.mode(1)
torch.argmax(f)
torch.argmax(f, dim=1, keepdim=True)
f.argmax(keepdim=True)
torch.aminmax(f, dim=1)
torch.aminmax(f, dim=0, keepdim=True)
f.all(1)
u.all()
u.any()
f.any((0, 1))
torch.all(f > 0, dim=1)
torch.any(m, 0, True)
f.var(1, unbiased=False)
f.var(False)
f.std(0, False)
f.var(1, correction=0)
f.var(dim=(0, 1), correction=2)
torch.var(f, 1, True, True)
torch.std(f, unbiased=False)
torch.var_mean(f)
torch.var_mean(f, 1, keepdim=True)
torch.std_mean(f, 1)
scalar.var()
one.std()
i.var()
c.var()
c.mean()
c.sum(1)
c.prod()
c.norm()
f.norm(1)
f.norm(2, 1)
f.norm(3, 1, True)
f.norm(float('inf'))
f.norm(-float('inf'), 0)
f.norm(0)
f.norm(0.5)
f.norm(-2)
f.norm('fro')
f.norm('fro', dim=1)
f.norm('x')
f.norm(dtype=torch.float64)
f.norm(p=2, dim=(0, 1))
torch.norm(f)
torch.norm(f, dim=0)
torch.norm(f, 1, 0)
i.norm()
h.norm()
w.norm(1)
torch.dist(f, g)
torch.dist(f, g, 1)
torch.dist(f, g, float('inf'))
torch.dist(f, g[0])
torch.renorm(f, 2, 0, 1.0)
torch.renorm(f, 1, 1, 0.5)
torch.nn.functional.normalize(f)
torch.nn.functional.normalize(f, p=1, dim=0)
torch.nn.functional.normalize(f * 0)
torch.logsumexp(f, (0, 1), True)
torch.logsumexp(f * 1000, 1)
inf.logsumexp(1)
i.logsumexp(0)
torch.cumsum(f, 1, dtype=torch.float64)
torch.cumsum(f, dim=0)
i.cumsum(1)
m.cumsum(0)
f.cumsum(2)
torch.cumprod(i, 1)
torch.logcumsumexp(f, 1)
torch.logcumsumexp(inf, 1)
x = f.clone(); x.cumsum_(1); r = x
x = f.clone(); x.cumprod_(0); r = x
torch.diff(f)
torch.diff(f, dim=0)
torch.diff(f, n=2)
torch.diff(line, prepend=one)
torch.diff(m)
torch.diff(scalar)
torch.trapezoid(f)
torch.trapezoid(f, torch.tensor([1.0, 2.0, 4.0]))
torch.trapezoid(f, dx=2, dim=0)
torch.trapz(line)
torch.cumulative_trapezoid(f)
torch.median(f)
torch.median(f, 1).values
torch.nanmedian(n)
torch.nanmedian(n, 1).values
n.median(1).values
i.median()
i.median(1).values
e.median()
torch.quantile(f, 0.3)
torch.quantile(f, 0.3, 1)
torch.quantile(f, torch.tensor([0.1, 0.5]), 1)
torch.quantile(f, torch.tensor([0.1, 0.5]), 1, keepdim=True)
torch.quantile(f, 0.3, dim=0, keepdim=True)
torch.quantile(f, 0.3, interpolation='lower')
torch.quantile(f, 0.3, interpolation='higher')
torch.quantile(f, 0.3, interpolation='nearest')
torch.quantile(f, 0.3, interpolation='midpoint')
torch.quantile(f, 0.3, interpolation='x')
torch.quantile(n, 0.3, 1)
torch.nanquantile(n, 0.3, 1)
torch.nanquantile(n, torch.tensor([0.0, 0.3, 1.0]), 1)
torch.quantile(f, 1.5)
torch.quantile(i, 0.5)
torch.quantile(e, 0.5)
torch.quantile(d, torch.tensor([0.5]))
torch.nansum(n, 1)
torch.nansum(i)
torch.nanmean(n, 0)
torch.nanmean(i)
torch.count_nonzero(f, (0, 1))
torch.count_nonzero(m, 1)
torch.cov(f)
torch.cov(f, correction=0)
torch.cov(line)
torch.cov(f, fweights=torch.tensor([1, 2, 1]))
torch.cov(f, aweights=torch.tensor([0.5, 2.0, 1.0]))
torch.corrcoef(f)
f.sum_to_size(1, 3)
f.sum_to_size(3)
f.sum_to_size(2, 2)
torch.equal(f.sum(0), f.t().sum(1))
max(line).item()
sum(line).item()
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression(expression):
    check(expression, common)


GRADIENTS = """
f.sum()
f.sum(0)
f.sum((0, 1), True)
x3.sum((0, 2))
x3.mean((0, 2), keepdim=True)
f.mean()
f.mean(1)
f.sum(dtype=torch.float64)
f.prod()
zeros.prod()
zeros.prod(0)
zeros.prod(1, keepdim=True)
f.amax(1)
line.amax()
line.amin()
x3.amax((0, 2), keepdim=True)
line.max()
line.min()
line.max(0).values
f.max(1, True).values
f.min(0).values
x3.max(1).values
torch.max(f, g)
torch.aminmax(line)
f.var()
f.var(1, keepdim=True)
f.var(0, unbiased=False)
f.std()
f.std(1)
(f * 0).std()
torch.var_mean(f, 1)
torch.std_mean(f)
f.norm()
f.norm(1)
f.norm(3, 1)
f.norm(float('inf'))
f.norm(-float('inf'), 1)
f.norm(2, 1, True)
f.norm(0.5)
(f * 0).norm()
(f * 0).norm(1)
(f * 0).norm(3)
torch.dist(f, g)
torch.renorm(f, 2, 0, 1.0)
torch.nn.functional.normalize(f)
f.logsumexp(1)
x3.logsumexp((0, 2), True)
f.cumsum(1)
x3.cumsum(1)
f.cumprod(1)
zeros.cumprod(0)
zeros.cumprod(1)
line.cummax(0).values
f.cummin(1).values
f.logcumsumexp(1)
torch.diff(f)
torch.trapezoid(f, dx=2)
line.median()
f.median(1).values
n.nanmedian()
line.mode().values
f.quantile(0.3)
f.quantile(torch.tensor([0.1, 0.5]), 1)
f.quantile(0.3, 1, interpolation='midpoint')
n.nansum()
n.nanmean(1)
torch.cov(f)
torch.corrcoef(f)
h.sum(1)
w.mean()
w.std()
""".strip().splitlines()


@pytest.mark.parametrize("expression", GRADIENTS)
def test_gradient(expression):
    theirs, ours = gradients(torch, expression, common), gradients(rushlight, expression, common)
    assert [k for k in theirs if theirs[k] is not None] == [k for k in ours if ours[k] is not None]
    for name in [k for k in theirs if theirs[k] is not None]:
        loose = 2e-2 if name in ("h", "w") else 2e-5
        np.testing.assert_allclose(
            ours[name], theirs[name], rtol=loose, atol=loose / 10, err_msg=name
        )


@pytest.mark.parametrize(
    "shape, dim", [((1000, 64), 0), ((64, 5000), 1), ((30, 40, 50), (0, 2)), ((200000,), None)]
)
def test_sums_are_at_least_as_accurate(shape, dim):
    values = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    exact = values.astype(np.float64).sum(dim)

    def error(framework):
        return np.abs(framework.tensor(values).sum(dim).numpy() - exact).max()

    assert error(rushlight) <= max(error(torch), 1e-7 * exact.max())
