"""Ops made of others that join, repeat and move elements, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

A = np.arange(6.0).reshape(2, 3)
B = A * 10
V = np.arange(3.0)
CUBE = np.arange(24.0).reshape(2, 3, 4)


def t(array):
    return torch.from_numpy(np.array(array))


CASES = {
    "cat": (lambda: torch.cat([t(A), t(B)], 1), np.concatenate([A, B], 1)),
    "cat_skips_what_is_empty": (lambda: torch.cat([torch.zeros(0, dtype=torch.float64), t(A)]), A),
    "cat_promotes": (lambda: torch.cat([t(V), torch.tensor([1])]), np.append(V, 1)),
    "stack": (lambda: torch.stack([t(A), t(B)], 2), np.stack([A, B], 2)),
    "hstack": (lambda: torch.hstack([t(V), t(V)]), np.hstack([V, V])),
    "vstack": (lambda: torch.vstack([t(V), t(A)]), np.vstack([V, A])),
    "dstack": (lambda: torch.dstack([t(A), t(B)]), np.dstack([A, B])),
    "column_stack": (lambda: torch.column_stack([t(V), t(V)]), np.column_stack([V, V])),
    "block_diag": (lambda: torch.block_diag(t(V), t([[7.0]])), [[0, 1, 2, 0], [0, 0, 0, 7]]),
    "repeat": (lambda: t(A).repeat(2, 1, 2), np.tile(A, (2, 1, 2))),
    "tile": (lambda: torch.tile(t(A), (2,)), np.tile(A, (2,))),
    "repeat_interleave": (lambda: t(A).repeat_interleave(torch.tensor([2, 0]), 0), np.repeat(A, [2, 0], 0)),
    "roll": (lambda: torch.roll(t(A), (1, -1), (0, 1)), np.roll(A, (1, -1), (0, 1))),
    "roll_flat": (lambda: torch.roll(t(A), 2), np.roll(A, 2)),
    "flip": (lambda: torch.flip(t(CUBE), [0, 2]), np.flip(CUBE, (0, 2))),
    "rot90": (lambda: torch.rot90(t(CUBE), 3, (1, 2)), np.rot90(CUBE, 3, (1, 2))),
    "meshgrid": (lambda: torch.meshgrid(t(V), t(A[0]), indexing="xy")[1], np.meshgrid(V, A[0])[1]),
    "cartesian_prod": (lambda: torch.cartesian_prod(t(V), t(V[:2])), [[a, b] for a in V for b in V[:2]]),
    "combinations": (lambda: torch.combinations(t(V)), [[0, 1], [0, 2], [1, 2]]),
    "kron": (lambda: torch.kron(t(A), t(V)), np.kron(A, V)),
    "diff": (lambda: torch.diff(t(A**2), 2, prepend=t(A[:, :1])), np.diff(A**2, 2, prepend=A[:, :1])),
    "tril_indices": (lambda: torch.tril_indices(3, 4, 1), np.stack(np.tril_indices(3, 1, 4))),
    "triu_indices": (lambda: torch.triu_indices(3, 4, -1), np.stack(np.triu_indices(3, -1, 4))),
    "diag": (lambda: torch.diag(t(A), 1), np.diag(A, 1)),
    "diagflat": (lambda: torch.diagflat(t(V), -1), np.diagflat(V, -1)),
    "trace": (lambda: torch.trace(t(A)), np.trace(A)),
    "take_along_dim": (lambda: torch.take_along_dim(t(A), torch.tensor([[2], [0]]), 1), [[2], [3]]),
    "sort": (lambda: torch.sort(t(A), 1, descending=True).indices, [[2, 1, 0], [2, 1, 0]]),
    "topk_of_many": (lambda: torch.topk(t(np.arange(100.0) % 37), 3).values, [36, 36, 35]),
    "histc": (lambda: torch.histc(t(V), 3, 0, 2), [1, 1, 1]),
    "unravel_index": (lambda: torch.stack(torch.unravel_index(torch.tensor([5, 7]), (3, 4))), [[1, 1], [1, 3]]),
    "atleast_3d": (lambda: torch.atleast_3d(t(V)), np.atleast_3d(V)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    function, expected = CASES[name]
    found = function()
    np.testing.assert_array_equal(found.numpy(), expected)
    assert found.shape == np.shape(expected)


@pytest.mark.parametrize("cuts, dim", [(2, 1), (3, 0), ((1, 2), 1), ((5,), 0), (4, 1)])
def test_tensor_split_gives_views_as_numpy_cuts(cuts, dim):
    x = t(A)
    pieces = torch.tensor_split(x, cuts, dim)
    for piece, expected in zip(pieces, np.array_split(A, cuts, dim), strict=True):
        np.testing.assert_array_equal(piece.numpy(), expected)
        assert piece._base is x


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: torch.cat([]), ValueError, "non-empty list"),
        (lambda: torch.cat(torch.zeros(2)), TypeError, "must be tuple of Tensors, not Tensor"),
        (lambda: torch.cat([torch.zeros(2), 1]), TypeError, "expected Tensor as element 1"),
        (
            lambda: torch.cat([torch.zeros(2, 3), torch.zeros(2, 4)]),
            RuntimeError,
            "Expected size 3 but got size 4",
        ),
        (
            lambda: torch.cat([torch.tensor(1.0)]),
            RuntimeError,
            "zero-dimensional tensor (at position 0)",
        ),
        (
            lambda: torch.stack([torch.zeros(2), torch.zeros(3)]),
            RuntimeError,
            "[2] at entry 0 and [3] at entry 1",
        ),
        (lambda: torch.zeros(2).repeat(), RuntimeError, "can not be smaller"),
        (lambda: torch.zeros(2, 2).flip(0, 0), RuntimeError, "dim 0 appears multiple times"),
        (lambda: torch.roll(torch.zeros(2), (1, 1), 0), RuntimeError, "must align"),
        (lambda: torch.tril(torch.zeros(2)), RuntimeError, "at least 2 dimensions"),
        (
            lambda: torch.topk(torch.zeros(2), 3),
            RuntimeError,
            "k is 3, but dimension 0 has 2 elements",
        ),
        (
            lambda: torch.gather(torch.zeros(1, 2), 1, torch.tensor([[2]])),
            RuntimeError,
            "index 2 is out of bounds",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_cat_keeps_channels_last():
    x = torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert torch.cat([x, x], 1).is_contiguous(memory_format=torch.channels_last)
    assert torch.cat([x.t() if x.ndim == 2 else x.contiguous(), x], 1).is_contiguous()


def test_results_can_be_sorted_by_name():
    made = torch.sort(torch.tensor([3, 1, 2]))
    values, indices = made
    assert made.values is values and made.indices is indices
    assert repr(made).startswith("torch.return_types.sort(\nvalues=tensor([1, 2, 3]),")
