"""Views of complex tensors: shared memory and gradients."""

from __future__ import annotations

import pytest

import rushlight as torch


def test_parts_share_memory():
    x = torch.tensor([1 + 2j, 3 - 1j])
    x.real.mul_(2)
    x.imag[0] = 5
    assert x.tolist() == [2 + 5j, 6 - 1j]
    torch.view_as_real(x)[1, 1] = 7
    assert x.tolist() == [2 + 5j, 6 + 7j]


def test_pairs_seen_as_complex_share_memory():
    pairs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x = torch.view_as_complex(pairs)
    x.mul_(1j)
    assert pairs.tolist() == [[-2.0, 1.0], [-4.0, 3.0]]
    assert torch.view_as_real(x).tolist() == pairs.tolist()
    with pytest.raises(RuntimeError, match="last dimension with stride 1"):
        torch.view_as_complex(torch.zeros(2, 3).t())


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda z: z.real.sum(), [1 + 0j, 1 + 0j]),
        (lambda z: z.imag.sum(), [1j, 1j]),
        (lambda z: torch.view_as_real(z).sum(), [1 + 1j, 1 + 1j]),
        (lambda z: (z * z.conj()).real.sum(), [2 + 4j, 6 - 2j]),
        (lambda z: z.abs().square().sum(), [2 + 4j, 6 - 2j]),
        (lambda z: (z * (1 + 1j)).real.sum(), [1 - 1j, 1 - 1j]),
    ],
)
def test_gradients_point_along_the_steepest_ascent(function, expected):
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    function(z).backward()
    assert torch.allclose(z.grad, torch.tensor(expected, dtype=torch.complex64))


def test_gradients_of_parts_made_complex():
    x, y = (
        torch.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([3.0, 4.0], requires_grad=True),
    )
    torch.complex(x, y).abs().square().sum().backward()
    assert torch.allclose(x.grad, torch.tensor([2.0, 4.0]))
    assert torch.allclose(y.grad, torch.tensor([6.0, 8.0]))
    pairs = torch.tensor([[3.0, 4.0]], requires_grad=True)
    torch.view_as_complex(pairs).abs().sum().backward()
    assert torch.allclose(pairs.grad, torch.tensor([[0.6, 0.8]]))


def test_real_functions_refuse_complex_numbers():
    z = torch.tensor([1 + 2j])
    for call in (z.erf, z.floor, z.lgamma, lambda: z < z, lambda: z // 2, lambda: z.clamp(0, 1)):
        with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
            call()
