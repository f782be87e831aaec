"""Medians, modes and quantiles: what the order of the elements tells."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive, reject
from ..return_types import named
from ..tensor import Tensor, values_of, wrap
from .checks import no_bool, no_complex
from .choice import where
from .extreme import chosen_gradient
from .family import write_out
from .reduce import reduced
from .view import wrap_dim


def _choose_middle(x: np.ndarray, ignore_nan: bool) -> np.ndarray:
    """Where the lower median stands along the last dimension, of length 1 or more."""
    order = np.argsort(x, axis=-1, kind="stable")
    if x.dtype.kind in "fV":
        # NaN comes last in the order.
        present = x.shape[-1] - np.isnan(x).sum(-1)
    else:
        present = np.full(x.shape[:-1], x.shape[-1])
    middle = np.maximum(present - 1, 0) // 2
    if not ignore_nan:
        middle = np.where(present < x.shape[-1], np.minimum(present, x.shape[-1] - 1), middle)
    return np.take_along_axis(order, middle[..., None], -1)[..., 0]


@primitive(node_name="MedianBackward0")
def _median(input: Tensor, ignore_nan: bool) -> Spec:
    """The lower median of all elements."""
    no_complex("median", input)
    no_bool("median", input)
    return Spec((), input.dtype)


@_median.kernel("cpu", "cuda")
def _median_kernel(xp, x, ignore_nan):
    flat = x.reshape(-1)
    if not flat.size:
        return xp.array(xp.nan if x.dtype.kind in "fV" else np.iinfo(x.dtype).min, x.dtype)
    return flat[_choose_middle(flat, ignore_nan)].copy()


@_median.vjp
def _median_vjp(g, input, out):
    chosen = (input == out) | (input.isnan() & out.isnan())
    return where(chosen, g / chosen.sum(), 0.0)


@_median.oracle
def _median_oracle(x, ignore_nan):
    return sorted(x.reshape(-1).tolist())[(x.size - 1) // 2]


@_median.samples
def _median_samples(make):
    yield call(make(3, 4), False)
    yield call(make(5), True)
    yield call(make(()), False)


@primitive(node_name="MedianBackward1", outputs=("values", "indices"), differentiable=1)
def _median_dim(input: Tensor, dim: int, keepdim: bool, ignore_nan: bool) -> tuple[Spec, Spec]:
    """The lower median along a dimension counted from the front, and where it stands."""
    no_complex("median", input)
    no_bool("median", input)
    if input._array.ndim and not input._array.shape[dim]:
        raise IndexError(f"median(): Expected reduction dim {dim} to have non-zero size.")
    shape = reduced(input._array.shape, (dim,), keepdim)
    return Spec(shape, input.dtype), Spec(shape, dtypes.int64)


@_median_dim.kernel("cpu", "cuda")
def _median_dim_kernel(xp, x, dim, keepdim, ignore_nan):
    if not x.ndim:
        return x.copy(), xp.zeros((), np.int64)
    lines = xp.moveaxis(x, dim, -1)
    index = xp.asarray(_choose_middle(lines, ignore_nan))
    values = xp.take_along_axis(lines, index[..., None], -1)[..., 0]
    shape = reduced(x.shape, (dim,), keepdim)
    return values.reshape(shape), index.reshape(shape)


@_median_dim.vjp
def _median_dim_vjp(g, input_shape, dim, keepdim, indices):
    return chosen_gradient(g[0], input_shape, dim, keepdim, indices)


@_median_dim.oracle
def _median_dim_oracle(x, dim, keepdim, ignore_nan):
    if not x.ndim:
        return x, 0
    lines = np.moveaxis(x, dim, -1)
    values, indices = np.zeros(lines.shape[:-1]), np.zeros(lines.shape[:-1], np.int64)
    for at in np.ndindex(*lines.shape[:-1]):
        values[at] = sorted(lines[at].tolist())[(lines.shape[-1] - 1) // 2]
        indices[at] = lines[at].tolist().index(values[at])
    shape = reduced(x.shape, (dim,), keepdim)
    return values.reshape(shape), indices.reshape(shape)


@_median_dim.samples
def _median_dim_samples(make):
    yield call(make(3, 4), 1, False, False)
    yield call(make(3, 4, 2), 0, True, True)
    yield call(make(()), 0, False, False)


@_median_dim.rejects
def _median_dim_rejects(make):
    yield reject(IndexError, "to have non-zero size", make(0, 3), 0, False, False)


def _middle(name: str, input: Tensor, dim: int | None, keepdim: bool, ignore_nan: bool) -> Any:
    if dim is None:
        return _median(input, ignore_nan)
    found = _median_dim(input, wrap_dim(dim, input._array.ndim), keepdim, ignore_nan)
    return named(name, "values", "indices")(found)


@exported("torch", "Tensor")
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle of the sorted elements, the lower one of two; NaN if one element is.

    Args:
        dim: along which dimension; by default of all elements.
        keepdim: keep that dimension, with length 1.

    Returns:
        One element; with a dimension ``(values, indices)``.

    Raises:
        IndexError: there is no such dimension, or it has length 0.

    >>> rushlight.median(rushlight.tensor([3.0, 1.0, 2.0, 4.0]))
    tensor(2.)
    """
    return _middle("median", input, dim, keepdim, False)


@exported("torch", "Tensor")
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the elements that are not NaN.

    >>> rushlight.nanmedian(rushlight.tensor([3.0, float("nan"), 2.0]))
    tensor(2.)
    """
    return _middle("nanmedian", input, dim, keepdim, True)


# ---- the most frequent ------------------------------------------------------------------------------


@primitive(node_name="ModeBackward0", outputs=("values", "indices"), differentiable=1)
def _mode(input: Tensor, dim: int, keepdim: bool) -> tuple[Spec, Spec]:
    """The most frequent value along a dimension counted from the front, and where it stands last."""
    no_complex("mode", input)
    if input._array.ndim and not input._array.shape[dim]:
        raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")
    shape = reduced(input._array.shape, (dim,), keepdim)
    return Spec(shape, input.dtype), Spec(shape, dtypes.int64)


@_mode.kernel("cpu", "cuda")
def _mode_kernel(xp, x, dim, keepdim):
    if not x.ndim:
        return x.copy(), xp.zeros((), np.int64)
    lines = xp.moveaxis(x, dim, -1)
    n = lines.shape[-1]
    order = xp.argsort(lines, axis=-1, kind="stable")
    ordered = xp.take_along_axis(lines, order, -1)
    # The length of each run so far, in sorted order; the first place of the largest is the smallest such value.
    starts = xp.ones(ordered.shape, bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    places = xp.arange(n)
    length = places - xp.maximum.accumulate(xp.where(starts, places, 0), -1)
    last = xp.asarray(length.argmax(-1))[..., None]
    index = xp.take_along_axis(order, last, -1)
    shape = reduced(x.shape, (dim,), keepdim)
    return xp.take_along_axis(lines, index, -1).reshape(shape), index.reshape(shape)


@_mode.vjp
def _mode_vjp(g, input_shape, dim, keepdim, indices):
    return chosen_gradient(g[0], input_shape, dim, keepdim, indices)


@_mode.oracle
def _mode_oracle(x, dim, keepdim):
    if not x.ndim:
        return x, 0
    lines = np.moveaxis(x, dim, -1)
    values, indices = np.zeros(lines.shape[:-1]), np.zeros(lines.shape[:-1], np.int64)
    for at in np.ndindex(*lines.shape[:-1]):
        line = lines[at].tolist()
        values[at] = min(line, key=lambda v: (-line.count(v), v))
        indices[at] = max(i for i, v in enumerate(line) if v == values[at])
    shape = reduced(x.shape, (dim,), keepdim)
    return values.reshape(shape), indices.reshape(shape)


@_mode.samples
def _mode_samples(make):
    yield call(make(3, 4), 1, False)
    yield call(make(()), 0, True)


@exported("torch", "Tensor")
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along a dimension, the smallest of several, and the last place where it stands.

    Returns:
        ``(values, indices)``.

    >>> rushlight.mode(rushlight.tensor([2, 1, 2, 3])).values
    tensor(2)
    """
    return named("mode", "values", "indices")(
        _mode(input, wrap_dim(dim, input._array.ndim), keepdim)
    )


# ---- quantiles --------------------------------------------------------------------------------------

_ROUNDINGS = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}


def _quantile(
    name: str, input: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Tensor:
    from .gather import gather_at

    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            f"{name}() input tensor must be either float or double dtype, not {input.dtype}"
        )
    if not input._array.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if interpolation not in (*_ROUNDINGS, "linear", "midpoint"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    many = isinstance(q, Tensor)
    if many and q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if many and q._array.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    wanted = np.atleast_1d(values_of(q.detach()) if many else np.asarray(q, np.float64)).astype(
        np.float64
    )
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise RuntimeError(
            f"{name}() q must be in the range [0, 1] but got {q if not many else q.tolist()}"
        )
    shape = input._array.shape
    if dim is None:
        x, shape = input.reshape(-1), reduced(shape, None, keepdim)
    else:
        dim = wrap_dim(dim, len(shape))
        x, shape = (
            (input.movedim(dim, -1) if shape else input.reshape(1)),
            reduced(shape, (dim,), keepdim),
        )
    values = values_of(x.detach())
    x = gather_at(x, x._array.ndim - 1, wrap(np.argsort(values, axis=-1, kind="stable")))
    n = values.shape[-1]
    missing = np.isnan(values).sum(-1, keepdims=True)
    present = np.maximum(n - missing, 1)
    # For each line the place, between whole numbers, of each quantile; NaN stands last.
    place = wanted * (present - 1)
    if not ignore_nan:
        place = np.where(missing > 0, n - 1, place)
    if interpolation in _ROUNDINGS:
        place = _ROUNDINGS[interpolation](place)
    low = np.floor(place)
    weight = np.where(place > low, 0.5, 0.0) if interpolation == "midpoint" else place - low
    below, above = (
        gather_at(x, x._array.ndim - 1, wrap(p.astype(np.int64))) for p in (low, np.ceil(place))
    )
    weight = wrap(weight.astype(values.dtype))
    # A place that is met exactly must not touch its neighbour, which may be infinite.
    out = where(weight == 0, below, below + (above - below) * weight).movedim(-1, 0)
    return out.reshape((len(wanted), *shape) if many and q._array.ndim else shape).clone()


@exported("torch", "Tensor", autocast={"cpu": "float32"})
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The value below which the share ``q`` of the sorted elements lies; NaN if one element is.

    Args:
        input: float32 or float64.
        q: from 0 to 1, a number or a one-dimensional tensor of the dtype of ``input``.
        dim: along which dimension; by default of all elements.
        keepdim: keep that dimension, with length 1.
        interpolation: between two elements: ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"``, ``"nearest"``.

    Returns:
        The reduced shape; for several ``q`` a dimension for them in front.

    Raises:
        RuntimeError: the dtype is another, ``q`` is out of range, or there are no elements.

    >>> rushlight.quantile(rushlight.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
    tensor(1.5000)
    """
    made = _quantile("quantile", input, q, dim, keepdim, interpolation, False)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor", autocast={"cpu": "float32"})
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`quantile` of the elements that are not NaN.

    >>> rushlight.nanquantile(rushlight.tensor([0.0, float("nan"), 1.0]), 0.5)
    tensor(0.5000)
    """
    made = _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
    return made if out is None else write_out(out, made)
