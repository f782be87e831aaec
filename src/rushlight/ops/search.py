"""Ops that count, find and compare values: unique ones, bins, membership."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive, reject, result_type
from ..return_types import named
from ..tensor import Tensor, values_of, wrap
from .gather import gather
from .taking import check_known
from .values import as_tensor
from .view import wrap_dim

_Histogram = named("histogram", "hist", "bin_edges")


# ---- unique values ----------------------------------------------------------------------------------


def _results(values: np.ndarray, inverse: np.ndarray, counts: np.ndarray) -> tuple:
    return values, inverse.astype(np.int64), counts.astype(np.int64)


@primitive(outputs=("values", "inverse", "counts"), differentiable=0, checks="failure")
def _unique(input: Tensor, dim: int | None) -> tuple[Spec, Spec, Spec]:
    """`unique` in order, with everything it can return."""
    check_known("unique", input)
    values, inverse, counts = _unique_kernel(np, input._array, dim)
    return tuple([Spec(a.shape, dtypes.of_numpy(a.dtype)) for a in (values, inverse, counts)])


@_unique.kernel("cpu", "cuda")
def _unique_kernel(xp, x, dim):
    values, inverse, counts = xp.unique(
        x, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    return _results(values, inverse.reshape(x.shape if dim is None else (x.shape[dim],)), counts)


@_unique.oracle
def _unique_oracle(x, dim):
    rows = [tuple(np.ravel(row)) for row in (x.ravel() if dim is None else np.moveaxis(x, dim, 0))]
    found = sorted(set(rows))
    inverse = np.array([found.index(row) for row in rows])
    counts = np.array([rows.count(row) for row in found])
    if dim is None:
        return np.array(found).reshape(-1), inverse.reshape(x.shape), counts
    rest = x.shape[:dim] + x.shape[dim + 1 :]
    return np.moveaxis(np.array(found).reshape(-1, *rest), 0, dim), inverse, counts


@_unique.samples
def _unique_samples(make):
    for values in ([3, 1, 3, 2, 1], [[1, 2], [1, 2], [0, 5]]):
        yield call(wrap(np.array(values)), None)
    yield call(wrap(np.array([[1, 2], [1, 2], [0, 5]])), 0)
    yield call(wrap(np.array([[1, 2, 1], [0, 5, 0]])), 1)


def _chosen(made: tuple, return_inverse: bool, return_counts: bool) -> Any:
    values, inverse, counts = made
    if not return_inverse and not return_counts:
        return values
    return (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))


@exported("torch", "Tensor")
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The values that occur, each once, in order.

    Args:
        return_inverse: also give for each element where its value stands in the result.
        return_counts: also give how often each value occurs.
        dim: compare whole slices of this dimension; by default single elements.

    >>> rushlight.unique(rushlight.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    dim = None if dim is None else wrap_dim(dim, input._array.ndim)
    return _chosen(_unique(input, dim), return_inverse, return_counts)


@primitive(outputs=("values", "inverse", "counts"), differentiable=0, checks="failure")
def _unique_consecutive(input: Tensor, dim: int | None) -> tuple[Spec, Spec, Spec]:
    """`unique_consecutive` with everything it can return."""
    check_known("unique_consecutive", input)
    arrays = _unique_consecutive_kernel(np, input._array, dim)
    return tuple([Spec(a.shape, dtypes.of_numpy(a.dtype)) for a in arrays])


@_unique_consecutive.kernel("cpu", "cuda")
def _unique_consecutive_kernel(xp, x, dim):
    rows = x.reshape(-1) if dim is None else xp.moveaxis(x, dim, 0)
    n = rows.shape[0]
    new = xp.ones(n, np.bool_)
    differs = rows[1:] != rows[:-1]
    new[1:] = differs.any(tuple(range(1, differs.ndim)))
    starts = new.nonzero()[0]
    values = rows[starts] if dim is None else xp.moveaxis(rows[starts], 0, dim)
    inverse = new.cumsum() - 1
    counts = xp.diff(starts, append=n)
    return _results(values, inverse.reshape(x.shape) if dim is None else inverse, counts)


@_unique_consecutive.oracle
def _unique_consecutive_oracle(x, dim):
    from itertools import groupby

    rows = [tuple(np.ravel(row)) for row in (x.ravel() if dim is None else np.moveaxis(x, dim, 0))]
    groups = [(value, len(list(run))) for value, run in groupby(rows)]
    values, counts = np.array([v for v, _ in groups]), np.array([n for _, n in groups])
    inverse = np.repeat(np.arange(len(groups)), counts)
    if dim is None:
        return values.reshape(-1), inverse.reshape(x.shape), counts
    rest = x.shape[:dim] + x.shape[dim + 1 :]
    return np.moveaxis(values.reshape(-1, *rest), 0, dim), inverse, counts


@_unique_consecutive.samples
def _unique_consecutive_samples(make):
    yield call(wrap(np.array([1, 1, 2, 2, 2, 1])), None)
    yield call(wrap(np.array([[1, 2], [1, 2], [0, 5]])), 0)
    yield call(wrap(np.array([[1, 1, 2], [0, 0, 5]])), 1)


@exported("torch", "Tensor")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The values, each run of equal neighbours once.

    Args:
        return_inverse: also give for each element to which run it belongs.
        return_counts: also give how long each run is.
        dim: compare whole slices of this dimension; by default single elements.

    >>> rushlight.unique_consecutive(rushlight.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    dim = None if dim is None else wrap_dim(dim, input._array.ndim)
    return _chosen(_unique_consecutive(input, dim), return_inverse, return_counts)


# ---- bins -------------------------------------------------------------------------------------------


@primitive("torch", "Tensor")
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Spec:
    """How often each integer from 0 on occurs.

    Args:
        input: one-dimensional, not negative.
        weights: what each element counts; by default 1.
        minlength: the least length of the result.

    Raises:
        RuntimeError: the input has a negative element, another number of dimensions or no integral dtype.

    >>> rushlight.bincount(rushlight.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    check_known("bincount", input)
    array = input._array
    if input.dtype.rank != dtypes.INTEGRAL:
        raise NotImplementedError(
            f"\"bincount_cpu\" not implemented for '{input.dtype.legacy}': expected integers"
        )
    if array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError(
            "bincount only supports 1-d non-negative integral inputs, but got shape "
            f"{list(array.shape)}{f' with minimum {array.min()}' if array.size else ''}"
        )
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, not {minlength}")
    if weights is not None and weights._array.shape != array.shape:
        raise RuntimeError(
            f"weights should be 1-d and have the same length as input: {list(weights._array.shape)} "
            f"and {list(array.shape)}"
        )
    length = max(int(array.max()) + 1 if array.size else 0, minlength)
    if weights is None:
        return Spec((length,), dtypes.int64)
    return Spec((length,), dtypes.float32 if weights.dtype is dtypes.float32 else dtypes.float64)


@bincount.kernel("cpu", "cuda")
def _bincount(xp, x, weights, minlength):
    made = xp.bincount(x, weights, minlength)
    return made.astype(np.float32) if weights is not None and weights.dtype == np.float32 else made


@bincount.oracle
def _bincount_oracle(x, weights=None, minlength=0):
    out = np.zeros(max(int(x.max()) + 1, minlength))
    for i, n in enumerate(x):
        out[n] += 1 if weights is None else weights[i]
    return out


@bincount.samples
def _bincount_samples(make):
    yield call(wrap(np.array([0, 3, 3, 1])))
    yield call(wrap(np.array([0, 3, 3, 1])), make(4), 7)


@bincount.rejects
def _bincount_rejects(make):
    yield reject(RuntimeError, "with minimum -1", wrap(np.array([-1])))
    yield reject(NotImplementedError, "expected integers", make(3))
    yield reject(RuntimeError, "same length as input", wrap(np.array([1])), make(2))


def _bin_range(x: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The ends of the bins: those of the values where both are the same."""
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"max must be larger than min, but the range is [{low}, {high}]")
    return low, high


@primitive("torch", "Tensor")
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Spec:
    """How many elements fall into each of ``bins`` intervals of equal width; those outside are left out.

    Args:
        min, max: the ends of the range; those of the elements where both are 0.

    Returns:
        ``(bins,)`` in the dtype of ``input``.

    Raises:
        RuntimeError: the range is empty or not finite, or there are no bins.

    >>> rushlight.histc(rushlight.tensor([1.0, 2.0, 1.0]), bins=2, min=0, max=4)
    tensor([2., 1.])
    """
    if input.dtype.rank != dtypes.FLOATING:
        raise NotImplementedError(
            f"\"histogram_cpu\" not implemented for '{input.dtype.legacy}': expected a floating-point tensor"
        )
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, but got {bins}")
    if not input.is_meta:
        _bin_range(input._array, float(min), float(max))
    return Spec((bins,), input.dtype)


@histc.kernel("cpu", "cuda")
def _histc(xp, x, bins, min, max):
    counts, _ = xp.histogram(
        x.astype(np.float64, copy=False), bins, _bin_range(x, float(min), float(max))
    )
    return counts.astype(x.dtype)


@histc.oracle
def _histc_oracle(x, bins=100, min=0, max=0):
    low, high = _bin_range(x, float(min), float(max))
    place = np.floor((x.ravel() - low) / (high - low) * bins)
    place[x.ravel() == high] = bins - 1
    return np.array([(place == i).sum() for i in range(bins)], float)


@histc.samples
def _histc_samples(make):
    yield call(make(20), 5)
    yield call(make(4, 5), 4, -1, 1)


@histc.rejects
def _histc_rejects(make):
    yield reject(RuntimeError, "bins must be > 0", make(3), 0)
    yield reject(RuntimeError, "max must be larger than min", make(3), 2, 1, 0)


@exported("torch", "Tensor")
def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """How many elements fall into each bin, and the bins' edges.

    Args:
        bins: how many of equal width, or a vector of edges.
        range: the two ends, where ``bins`` is a number.
        weight: what each element counts.
        density: divide by the total and the widths.

    Returns:
        A named tuple ``(hist, bin_edges)``.

    >>> rushlight.histogram(rushlight.tensor([1.0, 2.0, 1.0]), 2, range=(0.0, 4.0)).hist
    tensor([2., 1.])
    """
    x = values_of(input.detach())
    if input.dtype.rank != dtypes.FLOATING:
        raise RuntimeError(f"torch.histogram: input must be floating, but got {input.dtype}")
    if isinstance(bins, Tensor):
        edges = values_of(bins)
    else:
        low, high = _bin_range(x, *(range or (0.0, 0.0)))
        edges = np.linspace(low, high, bins + 1)
    weights = None if weight is None else values_of(weight.detach()).ravel()
    counts, _ = np.histogram(x.ravel(), edges.astype(np.float64), weights=weights, density=density)
    return _Histogram([wrap(counts.astype(x.dtype)), wrap(edges.astype(x.dtype))])


# ---- finding ----------------------------------------------------------------------------------------


@primitive()
def _searchsorted(sequence: Tensor, input: Tensor, right: bool, dtype: dtypes.dtype) -> Spec:
    """`searchsorted` of tensors in a sequence of one dimension, or of the same rows."""
    a, b = sequence._array.shape, input._array.shape
    if len(a) != 1 and a[:-1] != b[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            f"boundaries tensor and input value tensor must match, but we got boundaries tensor {list(a)} "
            f"and input value tensor {list(b)}"
        )
    return Spec(b, dtype)


@_searchsorted.kernel("cpu", "cuda")
def _searchsorted_kernel(xp, sequence, x, right, dtype):
    side = "right" if right else "left"
    if sequence.ndim == 1:
        return xp.asarray(xp.searchsorted(sequence, x, side)).astype(dtype.numpy)
    out = xp.empty(x.shape, dtype.numpy)
    for at in np.ndindex(*x.shape[:-1]):
        out[at] = xp.searchsorted(sequence[at], x[at], side)
    return out


@_searchsorted.oracle
def _searchsorted_oracle(sequence, x, right, dtype):
    rows = np.broadcast_to(sequence, (*x.shape[:-1], sequence.shape[-1]))
    less = rows[..., None, :] <= x[..., None] if right else rows[..., None, :] < x[..., None]
    return less.sum(-1)


@_searchsorted.samples
def _searchsorted_samples(make):
    sequence = wrap(np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 3.0]]))
    for right in (False, True):
        yield call(
            wrap(np.array([0.0, 1.0, 1.0, 3.0])),
            wrap(np.array([[1.0, -1.0], [2.0, 5.0]])),
            right,
            dtypes.int64,
        )
        yield call(sequence, wrap(np.array([[1.0, -1.0], [1.0, 5.0]])), right, dtypes.int32)


@_searchsorted.rejects
def _searchsorted_rejects(make):
    yield reject(RuntimeError, "first N-1 dimensions", make(2, 3), make(3, 3), False, dtypes.int64)


@exported("torch", "Tensor")
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where values would go into an ordered sequence so that it stays in order.

    Args:
        sorted_sequence: ordered along its last dimension; one dimension, or rows for the rows of ``input``.
        right: after equal elements, instead of before them; also ``side="right"``.
        sorter: the places of the elements in order, where the sequence is not.

    Raises:
        RuntimeError: the shapes do not fit.

    >>> rushlight.searchsorted(rushlight.tensor([1, 3, 5]), rushlight.tensor([3, 6]))
    tensor([1, 3])
    """
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right contradict each other: side='left' with right=True"
        )
    if not isinstance(input, Tensor):
        input = wrap(
            np.asarray(
                input, sorted_sequence._array.dtype if isinstance(input, (int, bool)) else None
            )
        )
    if sorter is not None:
        sorted_sequence = gather(sorted_sequence, -1, sorter)
    dtype = dtypes.int32 if out_int32 else dtypes.int64
    return _searchsorted(sorted_sequence, input, right or side == "right", dtype)


@exported("torch", "Tensor")
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The bin between ordered boundaries into which each value falls.

    Args:
        boundaries: one-dimensional, in order.
        right: whether a boundary belongs to the bin below it instead of that above.

    >>> rushlight.bucketize(rushlight.tensor([1, 4]), rushlight.tensor([1, 3, 5]))
    tensor([0, 2])
    """
    if boundaries._array.ndim != 1:
        raise RuntimeError(
            f"boundaries tensor must be 1 dimension, but got dim({boundaries._array.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@primitive()
def _isin(elements: Tensor, tests: Tensor, invert: bool) -> Spec:
    """`isin` of two tensors of one dtype."""
    return Spec(elements._array.shape, dtypes.bool_)


@_isin.kernel("cpu", "cuda")
def _isin_kernel(xp, x, tests, invert):
    return xp.asarray(xp.isin(x, tests, invert=invert))


@_isin.oracle
def _isin_oracle(x, tests, invert):
    return (x[..., None] == tests.ravel()).any(-1) != invert


@_isin.samples
def _isin_samples(make):
    yield call(wrap(np.array([[1, 2], [3, 4]])), wrap(np.array([2, 4, 9])), False)
    yield call(wrap(np.array([1, 2])), wrap(np.array([2])), True)


@exported("torch")
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is one of some values.

    Args:
        elements, test_elements: tensors, or one of them a number.
        invert: whether it is none of them.

    >>> rushlight.isin(rushlight.tensor([1, 2, 3]), rushlight.tensor([2, 5]))
    tensor([False,  True, False])
    """
    a, b = as_tensor(elements), as_tensor(test_elements)
    if a._array.dtype != b._array.dtype:
        dtype = result_type(elements, test_elements)
        a, b = a.to(dtype), b.to(dtype)
    return _isin(a, b, bool(invert))
