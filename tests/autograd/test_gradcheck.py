"""The comparison of gradients with finite differences."""

import pytest

import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck
from rushlight.autograd.gradcheck import GradcheckError


class Wrong(Function):
    @staticmethod
    def forward(ctx, x):
        return x * x

    @staticmethod
    def backward(ctx, g):
        return g


def values(*shape):
    return (
        torch.arange(1.0, 1.0 + torch.Size(shape).numel(), dtype=torch.float64)
        .view(*shape)
        .requires_grad_()
    )


def test_right_gradients():
    assert gradcheck(lambda x, y: (x * y, x.exp()), (values(2, 2), values(2)), rtol=1e-4)
    assert gradgradcheck(lambda x: x**3, values(3))
    assert gradcheck(lambda x, i: x[i] * 2, (values(3), torch.tensor([0, 2])))


def test_wrong_gradients():
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0"):
        gradcheck(Wrong.apply, values(3))
    assert gradcheck(Wrong.apply, values(3), raise_exception=False) is False


def test_no_input_with_gradient():
    with pytest.raises(ValueError, match="require gradient"):
        gradcheck(lambda x: x, values(3).detach())
