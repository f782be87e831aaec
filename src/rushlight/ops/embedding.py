"""Looking up rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import no_grad
from ..primitive import Spec, call, export, exported, primitive, reject
from ..tensor import MetaArray, Tensor, wrap
from .search import unique
from .taking import at_index, sum_at_index, taken


@primitive(node_name="EmbeddingBackward0", checks="failure")
def _embedding(input: Tensor, weight: Tensor, padding_idx: int | None, by_frequency: bool) -> Spec:
    """`embedding` with a row number from 0 on for the padding, and without a limit of norms."""
    if input.dtype is not dtypes.int64 and input.dtype is not dtypes.int32:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, "
            f"Int; but got {input.dtype} instead (while checking arguments for embedding); convert it with .long()"
        )
    shape = weight._array.shape
    if len(shape) != 2:
        raise RuntimeError(f"'weight' must be 2-D, but it has shape {list(shape)}")
    check_rows(input._array, shape[0])
    return Spec((*input._array.shape, shape[1]), weight.dtype)


def check_rows(index: Any, rows: int) -> None:
    """Refuses row numbers that a table of ``rows`` does not have.

    Raises:
        IndexError: naming the first wrong one, its position and the number of rows.
    """
    if type(index) is MetaArray or not index.size or (index.min() >= 0 and index.max() < rows):
        return
    place = np.unravel_index(((index < 0) | (index >= rows)).argmax(), index.shape)
    at = ", ".join(map(str, place))
    raise IndexError(
        f"index out of range: {index[place]} at position [{at}] of the input, but the embedding has {rows} rows "
        f"(0 to {rows - 1})"
    )


@_embedding.kernel("cpu", "cuda")
def _embedding_kernel(xp, index, weight, padding_idx, by_frequency):
    if weight.ndim != 2 or index.dtype.kind != "i" or index.dtype.itemsize < 4:
        raise ValueError("embedding takes integers and a matrix")
    check_rows(index, weight.shape[0])
    return taken(weight, index, 0)


def _embedding_vjp(g, input, weight_shape, padding_idx, by_frequency):
    if by_frequency:
        counts = input.reshape(-1).bincount(minlength=weight_shape[0])
        g = g / at_index(counts, input, 0).unsqueeze(-1).to(g.dtype)
    out = sum_at_index(g, input, 0, weight_shape)
    if padding_idx is not None:
        out[padding_idx].zero_()
    return out


_embedding.vjp(input=None, weight=_embedding_vjp)


@_embedding.oracle
def _embedding_oracle(index, weight, padding_idx, by_frequency):
    one_hot = index[..., None] == np.arange(weight.shape[0])
    return one_hot @ weight


@_embedding.samples
def _embedding_samples(make):
    yield call(wrap(np.array([0, 2, 2])), make(3, 4), None, False)
    yield call(wrap(np.array([[1, 2], [2, 0]])), make(3, 2), None, False)
    yield call(wrap(np.zeros((0, 2), np.int64)), make(3, 2), None, False)
    yield call(wrap(np.array(1, np.int32)), make(3, 2), None, False)


@_embedding.rejects
def _embedding_rejects(make):
    weight = make(3, 2)
    yield reject(IndexError, "3 at position [0, 1]", wrap(np.array([[0, 3]])), weight, None, False)
    yield reject(IndexError, "-1 at position [0]", wrap(np.array([-1])), weight, None, False)
    yield reject(IndexError, "has 3 rows", wrap(np.array([7])), weight, None, False)
    yield reject(RuntimeError, "Long, Int; but got torch.float64", make(2), weight, None, False)
    yield reject(RuntimeError, "'weight' must be 2-D", wrap(np.array([0])), make(3), None, False)


@exported("nn.functional")
def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of a table at the given numbers.

    Args:
        input: row numbers, int64 or int32, of any shape.
        weight: the table, ``(rows, D)``.
        padding_idx: a row that gets no gradient; negative ones count from the end.
        max_norm: rows that are looked up and have a larger norm are scaled down to it first, in the table itself.
        norm_type: which norm: the ``p`` of the p-norm.
        scale_grad_by_freq: divide the gradient of each row by how often it was looked up.
        sparse: has no effect: gradients are dense.

    Returns:
        ``(*, D)``, with the shape of ``input`` for ``*``.

    Raises:
        IndexError: there is no such row.
        RuntimeError: ``input`` holds no integers, or ``weight`` is no matrix.

    >>> weight = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> nn.functional.embedding(rushlight.tensor([1, 0]), weight)
    tensor([[3., 4.],
            [1., 2.]])
    """
    if padding_idx is not None:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError(
                f"Padding_idx must be within num_embeddings: it is {padding_idx}, and there are {rows} rows"
            )
        padding_idx = padding_idx + rows if padding_idx < 0 else padding_idx
    if max_norm is not None:
        _limit_norms(input, weight, max_norm, norm_type)
    return _embedding(input, weight, padding_idx, bool(scale_grad_by_freq))


def _limit_norms(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    """Scales the rows of ``weight`` that ``input`` names down to ``max_norm``, in place."""
    with no_grad():
        check_rows(input._array, weight.size(0))
        used = unique(input)
        rows = at_index(weight, used, 0)
        norms = (rows.abs() ** norm_type).sum(1, keepdim=True) ** (1 / norm_type)
        # As PyTorch guards against dividing by 0.
        scale = (max_norm / (norms + 1e-7)).masked_fill(norms <= max_norm, 1.0)
        weight.detach().index_copy_(0, used.long(), rows * scale)


def embedding_of(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """`nn.functional.embedding` with the table first; ``padding_idx`` -1 stands for none."""
    return _embedding(
        indices, weight, None if padding_idx < 0 else padding_idx, bool(scale_grad_by_freq)
    )


export(embedding_of, ("torch",), "embedding")
