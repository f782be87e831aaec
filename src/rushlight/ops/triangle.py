"""Triangles and diagonals of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, like, primitive, reject
from ..tensor import Tensor
from .convert import as_dtype
from .creation import write_out
from .part import diagonal
from .values import placed_array
from .view import wrap_dim


def _is_matrix(name: str, x: Tensor) -> None:
    if x._array.ndim < 2:
        raise RuntimeError(
            f"{name}: input tensor must have at least 2 dimensions, but it has shape {list(x._array.shape)}"
        )


@primitive(inplace=True, node_name="TrilBackward0")
def _tril(input: Tensor, diagonal: int) -> Spec:
    """`tril` with its diagonal given."""
    _is_matrix("tril", input)
    return like(input)


@_tril.kernel("cpu", "cuda")
def _tril_kernel(xp, x, diagonal):
    return xp.tril(x, diagonal)


@_tril.vjp
def _tril_vjp(g, diagonal):
    return _tril(g, diagonal)


@_tril.oracle
def _tril_oracle(x, diagonal):
    rows, columns = np.ogrid[: x.shape[-2], : x.shape[-1]]
    return np.where(columns - rows <= diagonal, x, 0)


@_tril.samples
def _tril_samples(make):
    for k in (0, 1, -1):
        yield call(make(3, 4), k)
    yield call(make(2, 4, 3), 0)
    yield call(make(0, 3), 0)


@_tril.rejects
def _tril_rejects(make):
    yield reject(RuntimeError, "at least 2 dimensions", make(3), 0)


@primitive(inplace=True, node_name="TriuBackward0")
def _triu(input: Tensor, diagonal: int) -> Spec:
    """`triu` with its diagonal given."""
    _is_matrix("triu", input)
    return like(input)


@_triu.kernel("cpu", "cuda")
def _triu_kernel(xp, x, diagonal):
    return xp.triu(x, diagonal)


@_triu.vjp
def _triu_vjp(g, diagonal):
    return _triu(g, diagonal)


@_triu.oracle
def _triu_oracle(x, diagonal):
    rows, columns = np.ogrid[: x.shape[-2], : x.shape[-1]]
    return np.where(columns - rows >= diagonal, x, 0)


_triu.samples(_tril_samples)
_triu.rejects(_tril_rejects)


@exported("torch", "Tensor")
def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrix below and on a diagonal, zeros above it.

    Args:
        diagonal: which; 0 is the main one, positive ones lie above it.

    Raises:
        RuntimeError: there are fewer than two dimensions.

    >>> rushlight.tril(rushlight.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    made = _tril(input, int(diagonal))
    return made if out is None else write_out(out, made)


@exported("Tensor")
def tril_(self: Tensor, diagonal: int = 0) -> Tensor:
    """`tril`, written into this tensor, which is returned."""
    return _tril.op.write((self, int(diagonal)))


@exported("torch", "Tensor")
def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrix above and on a diagonal, zeros below it.

    Args:
        diagonal: which; 0 is the main one, positive ones lie above it.

    Raises:
        RuntimeError: there are fewer than two dimensions.

    >>> rushlight.triu(rushlight.ones(2, 2), diagonal=1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    made = _triu(input, int(diagonal))
    return made if out is None else write_out(out, made)


@exported("Tensor")
def triu_(self: Tensor, diagonal: int = 0) -> Tensor:
    """`triu`, written into this tensor, which is returned."""
    return _triu.op.write((self, int(diagonal)))


def _indices(rows: int, columns: int, keep: Any, dtype: Any, device: Any) -> Tensor:
    if rows < 0 or columns < 0:
        raise RuntimeError(f"row and col must be non-negative, got {rows} and {columns}")
    found = as_dtype(dtypes.int64 if dtype is None else dtype)
    i, j = np.ogrid[:rows, :columns]
    return placed_array(np.stack(np.nonzero(keep(j - i))).astype(found.numpy), device, False)


@exported("torch")
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """The places of the lower triangle of a matrix: a row of row numbers, and one of column numbers.

    >>> rushlight.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _indices(row, col, lambda above: above <= offset, dtype, device)


@exported("torch")
def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """The places of the upper triangle of a matrix: a row of row numbers, and one of column numbers.

    >>> rushlight.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _indices(row, col, lambda above: above >= offset, dtype, device)


@primitive(node_name="DiagEmbedBackward0")
def _diag_embed(input: Tensor, offset: int, dim1: int, dim2: int) -> Spec:
    """`diag_embed` with dimensions counted from the front."""
    *rest, n = input._array.shape
    shape = list(rest)
    for d in sorted((dim1, dim2)):
        shape.insert(d, n + abs(offset))
    return Spec(tuple(shape), input.dtype)


@_diag_embed.kernel("cpu", "cuda")
def _diag_embed_kernel(xp, x, offset, dim1, dim2):
    *rest, n = x.shape
    size = n + abs(offset)
    shape = list(rest)
    for d in sorted((dim1, dim2)):
        shape.insert(d, size)
    out = xp.zeros(shape, x.dtype)
    at = xp.arange(n)
    xp.moveaxis(out, (dim1, dim2), (-2, -1))[..., at + max(-offset, 0), at + max(offset, 0)] = x
    return out


@_diag_embed.vjp
def _diag_embed_vjp(g, offset, dim1, dim2):
    return diagonal(g, offset, dim1, dim2)


@_diag_embed.oracle
def _diag_embed_oracle(x, offset, dim1, dim2):
    size = x.shape[-1] + abs(offset)
    made = np.zeros((*x.shape[:-1], size, size), x.dtype)
    for at in np.ndindex(*x.shape):
        made[(*at[:-1], at[-1] + max(-offset, 0), at[-1] + max(offset, 0))] = x[at]
    return np.moveaxis(made, (-2, -1), (dim1, dim2))


@_diag_embed.samples
def _diag_embed_samples(make):
    yield call(make(3), 0, 0, 1)
    yield call(make(2, 3), 1, 1, 2)
    yield call(make(2, 3), -2, 2, 0)


@exported("torch", "Tensor")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension as the diagonals of matrices of zeros.

    Args:
        offset: which diagonal.
        dim1, dim2: where the two dimensions of the matrices stand in the result.

    Raises:
        RuntimeError: both dimensions are the same.

    >>> rushlight.diag_embed(rushlight.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if not input._array.ndim:
        raise IndexError("diag_embed: input must have at least one dimension")
    ndim = input._array.ndim + 1
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diag_embed(input, offset, a, b)


@exported("torch", "Tensor")
def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A copy of the diagonal of a matrix; of a vector, the matrix with it on its diagonal.

    Raises:
        RuntimeError: there are neither one nor two dimensions.

    >>> rushlight.diag(rushlight.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    ndim = input._array.ndim
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    made = diag_embed(input, diagonal) if ndim == 1 else _diagonal_of(input, diagonal)
    return made if out is None else write_out(out, made)


def _diagonal_of(input: Tensor, offset: int) -> Tensor:
    return diagonal(input, offset).clone()


@exported("torch", "Tensor")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix of zeros with all elements on a diagonal.

    >>> rushlight.diagflat(rushlight.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(input.reshape(-1), offset)


@exported("torch", "Tensor", autocast={"cpu": "float32", "cuda": "keep"})
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    >>> rushlight.trace(rushlight.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    if input._array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input._array.ndim}")
    return diagonal(input).sum()


@exported("Tensor")
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Writes one value into the main diagonal, and returns the tensor.

    Args:
        wrap: go on in a tall matrix below its square part.

    >>> rushlight.zeros(2, 2).fill_diagonal_(1)
    tensor([[1., 0.],
            [0., 1.]])
    """
    shape = self._array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError(
            f"all dimensions of input must be of equal length, but they are {list(shape)}"
        )
    n = min(shape)
    if len(shape) == 2:
        rows = shape[0]
        starts = range(0, rows, shape[1] + 1) if wrap and rows > shape[1] else (0,)
        for start in starts:
            diagonal(self[start : start + n] if start else self).fill_(fill_value)
        return self
    strides = self.stride()
    self.as_strided((n,), (sum(strides),), self.storage_offset()).fill_(fill_value)
    return self
