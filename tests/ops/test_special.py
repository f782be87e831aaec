"""Special functions over their whole range, against the standard library and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight as torch


def on_numbers(function, values):
    return np.array([function(v) for v in values])


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_error_functions(name):
    x = np.concatenate(
        [np.linspace(-6, 6, 2001), np.linspace(6, 27, 500), [1e-300, -1e-20, 0.46875, 4.0, 0.5]]
    )
    np.testing.assert_allclose(
        getattr(torch, name)(torch.tensor(x)).numpy(),
        on_numbers(getattr(math, name), x),
        rtol=1e-13,
        atol=0,
    )


def test_error_functions_at_the_ends():
    x = torch.tensor([float("inf"), -float("inf"), float("nan"), 30.0], dtype=torch.float64)
    assert torch.erf(x).tolist()[:2] == [1.0, -1.0]
    assert torch.erfc(x).tolist()[:2] == [0.0, 2.0]
    assert torch.erfc(x)[3].item() == 0.0
    assert torch.erf(x)[2].isnan()


def test_inverse_of_erf():
    p = np.concatenate([np.linspace(-0.999999, 0.999999, 999), [1e-12, 1 - 1e-12]])
    back = on_numbers(math.erf, torch.erfinv(torch.tensor(p)).numpy())
    np.testing.assert_allclose(back, p, rtol=1e-14, atol=1e-15)
    ends = torch.erfinv(torch.tensor([1.0, -1.0, 1.5])).tolist()
    assert ends[:2] == [math.inf, -math.inf]
    assert math.isnan(ends[2])


def test_lgamma():
    x = np.concatenate(
        [np.linspace(0.01, 30, 1000), np.linspace(-10.3, -0.1, 77), [1e-10, 1e5, 171.5]]
    )
    np.testing.assert_allclose(
        torch.lgamma(torch.tensor(x)).numpy(), on_numbers(math.lgamma, x), rtol=1e-12, atol=1e-13
    )
    assert torch.lgamma(torch.tensor([0.0, -1.0, float("inf")])).tolist() == [math.inf] * 3


def test_digamma():
    known = {
        1.0: -0.5772156649015329,
        0.5: -1.9635100260214235,
        10.0: 2.251752589066721,
        -0.5: 0.03648997397857652,
    }
    found = torch.digamma(torch.tensor(list(known), dtype=torch.float64))
    np.testing.assert_allclose(found.numpy(), list(known.values()), rtol=1e-13)
    assert torch.digamma(torch.tensor([0.0])).item() == -math.inf
    assert torch.digamma(torch.tensor([-2.0])).isnan()


def test_polygamma():
    x = torch.tensor([1.0, 0.5], dtype=torch.float64)
    np.testing.assert_allclose(
        torch.polygamma(1, x).numpy(), [math.pi**2 / 6, math.pi**2 / 2], rtol=1e-13
    )
    np.testing.assert_allclose(
        torch.polygamma(3, x).numpy(), [math.pi**4 / 15, math.pi**4], rtol=1e-12
    )
    with pytest.raises(RuntimeError, match="does not support negative n"):
        torch.polygamma(-1, x)
