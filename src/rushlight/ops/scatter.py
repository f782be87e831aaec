"""Writing at indices along one dimension: `scatter` and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor, wrap
from .creation import write_out
from .gather import along, check_gather, gather_at, gather_index
from .view import expand, not_a_view, reshape, wrap_dim
from .write import element


@primitive(node_name="ScatterBackward0")
def _scatter(input: Tensor, src: Tensor, dim: int, index: Tensor) -> Spec:
    """`scatter` of a tensor of the index's shape."""
    check_gather("scatter", input._array.shape, dim, index)
    return Spec(input._array.shape, input.dtype)


@_scatter.kernel("cpu", "cuda", writes=True)
def _scatter_kernel(xp, x, src, dim, index, out=None):
    out = x.copy() if out is None else out
    out[along(x.shape, dim, index)] = src
    return out


_scatter.vjp(
    input=lambda g, dim, index: _scatter(
        g, expand(g.new_zeros(()), index._array.shape), dim, index
    ),
    src=lambda g, dim, index: gather_at(g, dim, index),
)


@_scatter.oracle
def _scatter_oracle(x, src, dim, index):
    out = np.array(x)
    for at in np.ndindex(*index.shape):
        out[(*at[:dim], index[at], *at[dim + 1 :])] = src[at]
    return out


@_scatter.samples
def _scatter_samples(make):
    yield call(make(3, 5), make(2, 3), 0, wrap(np.array([[0, 2, 1], [1, 0, 0]])))
    yield call(make(2, 4), make(2, 2), 1, wrap(np.array([[3, 1], [0, 2]])))


@_scatter.rejects
def _scatter_rejects(make):
    index = wrap(np.array([[4]]))
    yield reject(
        RuntimeError,
        "index 4 is out of bounds for dimension 1 with size 4",
        make(1, 4),
        make(1, 1),
        1,
        index,
    )


@primitive(node_name="ScatterAddBackward0")
def _scatter_add(input: Tensor, src: Tensor, dim: int, index: Tensor) -> Spec:
    """`scatter_add` of a tensor of the index's shape."""
    check_gather("scatter_add", input._array.shape, dim, index)
    return Spec(input._array.shape, input.dtype)


@_scatter_add.kernel("cpu", "cuda", writes=True)
def _scatter_add_kernel(xp, x, src, dim, index, out=None):
    out = x.copy() if out is None else out
    key = along(x.shape, dim, index)
    if out.flags.c_contiguous:
        positions = np.ravel_multi_index(key, x.shape)
        xp.add.at(out.reshape(-1), positions.reshape(-1), src.reshape(-1))
    else:
        xp.add.at(out, key, src)
    return out


_scatter_add.vjp(
    input=lambda g: g,
    src=lambda g, dim, index: gather_at(g, dim, index),
)


def _summed_by_loop(src, dim, index, shape):
    out = np.zeros(shape)
    for at in np.ndindex(*index.shape):
        out[(*at[:dim], index[at], *at[dim + 1 :])] += src[at]
    return out


@_scatter_add.oracle
def _scatter_add_oracle(x, src, dim, index):
    return x + _summed_by_loop(src, dim, index, x.shape)


@_scatter_add.samples
def _scatter_add_samples(make):
    yield call(make(3, 5), make(2, 3), 0, wrap(np.array([[0, 2, 1], [0, 2, 0]])))
    yield call(make(2, 4), make(2, 2), 1, wrap(np.array([[3, 3], [0, 0]])))


_scatter_add.rejects(_scatter_rejects)


def _scatter_arguments(
    name: str, x: Tensor, dim: int, index: Any, src: Any
) -> tuple[int, Tensor, Tensor]:
    """Checked arguments of a scatter: the dimension, the index, and the source in the index's shape.

    Raises:
        RuntimeError: shapes or dtypes do not fit.
    """
    index = gather_index(name, index)
    dim = wrap_dim(dim, x._array.ndim)
    shape = index._array.shape
    if not isinstance(src, Tensor):
        if name != "scatter":
            raise TypeError(f"{name}(): argument 'src' must be Tensor, not {type(src).__name__}")
        value = element(src, x.dtype)
        return dim, index, expand(wrap(np.asarray(value, x._array.dtype)), shape)
    if src._array.dtype != x._array.dtype:
        raise RuntimeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype, but got {x.dtype} and {src.dtype}"
        )
    found = src._array.shape
    if found != shape:
        if len(found) != len(shape) and index._array.size:
            raise RuntimeError(
                "Index tensor must have the same number of dimensions as src tensor, but got "
                f"{list(shape)} and {list(found)}"
            )
        if any(n > m for n, m in zip(shape, found)):
            raise RuntimeError(
                f"Expected index {list(shape)} to be no larger than self {list(x._array.shape)} apart from "
                f"dimension {dim} and to be no larger size than src {list(found)}"
            )
        src = src[tuple(slice(n) for n in shape)]
    return dim, index, src


def _scattered(
    name: str, x: Tensor, dim: int, index: Any, src: Any, op: Any, write: bool, *rest: Any
) -> Tensor:
    dim, index, src = _scatter_arguments(name, x, dim, index, src)
    if not x._array.ndim or not index._array.ndim:
        # Without dimensions there is one place; it is given one for the op.
        check_gather(name, x._array.shape, dim, index)
        source, index = reshape(src, (-1,)), reshape(index, (-1,))
        made = not_a_view(reshape(op(reshape(x, (-1,)), source, 0, index, *rest), x._array.shape))
        return x.copy_(made) if write else made
    if write:
        return op.op.write((x, src, dim, index, *rest))
    return op(x, src, dim, index, *rest)


def _which_scatter(src: Any, value: Any, reduce: str | None) -> tuple[Any, Any, tuple]:
    """The op that a scatter means, its source, and the op's further arguments."""
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter(): needs src, a tensor, or value, a number")
    if reduce is None:
        return _scatter, src, ()
    if reduce not in ("add", "multiply"):
        raise RuntimeError(f"reduce argument must be either add or multiply, not {reduce!r}")
    return _scatter_reduce, src, ("sum" if reduce == "add" else "prod", True)


@exported("torch", "Tensor")
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A copy of ``input`` with elements of ``src`` written where ``index`` points along ``dim``.

    Args:
        index: int64, with as many dimensions as ``input``.
        src: a tensor at least as large as ``index``, of the dtype of ``input``, or a number.
        reduce: ``"add"`` or ``"multiply"`` instead of replacing.

    Raises:
        RuntimeError: an index is out of range, or shapes or dtypes do not fit.

    >>> rushlight.zeros(2, 3).scatter(1, rushlight.tensor([[0], [2]]), 1.0)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    op, src, rest = _which_scatter(src, value, reduce)
    made = _scattered("scatter", input, dim, index, src, op, False, *rest)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def scatter_(
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """`scatter`, written into this tensor, which is returned."""
    op, src, rest = _which_scatter(src, value, reduce)
    return _scattered("scatter", self, dim, index, src, op, True, *rest)


@exported("torch", "Tensor", autocast={"cuda": "promote"})
def scatter_add(
    input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """A copy of ``input`` to which elements of ``src`` are added where ``index`` points along ``dim``.

    >>> rushlight.zeros(3).scatter_add(0, rushlight.tensor([0, 2, 2]), rushlight.ones(3))
    tensor([1., 0., 2.])
    """
    made = _scattered("scatter_add", input, dim, index, src, _scatter_add, False)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`scatter_add`, written into this tensor, which is returned."""
    return _scattered("scatter_add", self, dim, index, src, _scatter_add, True)


# ---- with a reduction -------------------------------------------------------------------------------

# How each reduction starts where nothing is, and the function that adds one value.
_REDUCTIONS = {
    "sum": (0, np.add),
    "prod": (1, np.multiply),
    "mean": (0, np.add),
    "amax": (-np.inf, np.maximum),
    "amin": (np.inf, np.minimum),
}


@primitive(node_name="ScatterReduceBackward0")
def _scatter_reduce(
    input: Tensor, src: Tensor, dim: int, index: Tensor, reduce: str, include_self: bool
) -> Spec:
    """`scatter_reduce` of a tensor of the index's shape."""
    check_gather("scatter_reduce", input._array.shape, dim, index)
    return Spec(input._array.shape, input.dtype)


@_scatter_reduce.kernel("cpu", "cuda", writes=True)
def _scatter_reduce_kernel(xp, x, src, dim, index, reduce, include_self, out=None):
    out = x.copy() if out is None else out
    key = along(x.shape, dim, index)
    start, combine = _REDUCTIONS[reduce]
    if not include_self:
        if x.dtype.kind in "iub" and not np.isfinite(start):
            kind = np.iinfo(x.dtype) if x.dtype.kind != "b" else None
            start = (start > 0) if kind is None else kind.max if start > 0 else kind.min
        out[key] = start
    combine.at(out, key, src)
    if reduce == "mean":
        counts = _counts(xp, x.shape, key, include_self)
        if x.dtype.kind in "iu":
            xp.floor_divide(out, counts, out=out, casting="unsafe")
        else:
            xp.divide(out, counts.astype(x.dtype), out=out)
    return out


def _counts(xp, shape, key, include_self):
    """How many values were combined at each place; 1 where nothing was."""
    counts = xp.full(shape, int(include_self), np.int64)
    xp.add.at(counts, key, 1)
    return xp.maximum(counts, 1)


@_scatter_reduce.vjp
def _scatter_reduce_vjp(g, input, src, dim, index, reduce, include_self, out):
    zeros = expand(g.new_zeros(()), index._array.shape)
    if reduce == "mean":
        ones = g.new_full(g.shape, float(include_self))
        counts = _scatter_add(ones, expand(g.new_ones(()), index._array.shape), dim, index)
        g = g / counts.clamp(min=1)
    if reduce in ("sum", "mean"):
        to_input, to_src = g, gather_at(g, dim, index)
    elif reduce == "prod":
        to_input, to_src = _prod_gradients(g, input, src, dim, index, include_self)
    else:
        # Equal extremes share the gradient.
        won_input = (input == out).to(g.dtype)
        won_src = (src == gather_at(out, dim, index)).to(g.dtype)
        if not include_self:
            won_input = _scatter(won_input, zeros, dim, index)
        share = g / _scatter_add(won_input, won_src, dim, index).clamp(min=1)
        to_input, to_src = share * won_input, gather_at(share, dim, index) * won_src
    if not include_self:
        untouched = _scatter(g, zeros, dim, index)
        to_input = untouched
    return to_input, to_src


def _prod_gradients(g, input, src, dim, index, include_self):
    """The gradients of a product: that of the other factors, also where some of them are 0."""
    zero_src, zero_input = (src == 0).to(g.dtype), (input == 0).to(g.dtype)
    if not include_self:
        zero_input = zero_input * 0
    zeros = _scatter_add(zero_input, zero_src, dim, index)
    filled = _scatter_reduce(
        input.masked_fill(input == 0, 1),
        src.masked_fill(src == 0, 1),
        dim,
        index,
        "prod",
        include_self,
    )
    # The product of the other factors is 0 unless all zeros among the factors are this one.
    others_input = filled * (zeros == zero_input).to(g.dtype) / input.masked_fill(input == 0, 1)
    alone = (gather_at(zeros, dim, index) == zero_src).to(g.dtype)
    others_src = gather_at(filled, dim, index) * alone / src.masked_fill(src == 0, 1)
    return g * others_input, gather_at(g, dim, index) * others_src


@_scatter_reduce.oracle
def _scatter_reduce_oracle(x, src, dim, index, reduce, include_self):
    groups = {at: [x[at]] if include_self else [] for at in np.ndindex(*x.shape)}
    for at in np.ndindex(*index.shape):
        groups[(*at[:dim], index[at], *at[dim + 1 :])].append(src[at])
    function = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[
        reduce
    ]
    return np.array([function(v) if v else x[at] for at, v in groups.items()]).reshape(x.shape)


@_scatter_reduce.samples
def _scatter_reduce_samples(make):
    index = wrap(np.array([[0, 2, 1], [0, 2, 0]]))
    for reduce in _REDUCTIONS:
        yield call(make(3, 5), make(2, 3), 0, index, reduce, True)
        yield call(make(3, 5), make(2, 3), 0, index, reduce, False)


def _check_reduce(reduce: str) -> None:
    if reduce not in _REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )


@exported("torch", "Tensor")
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *,
    include_self: bool = True, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A copy of ``input`` in which elements of ``src`` are combined where ``index`` points along ``dim``.

    Args:
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the elements of ``input`` count among those combined.

    Raises:
        RuntimeError: an index is out of range, or shapes, dtypes or ``reduce`` are wrong.

    >>> x, src = rushlight.zeros(2), rushlight.tensor([3.0, 5.0, 4.0])
    >>> x.scatter_reduce(0, rushlight.tensor([0, 1, 1]), src, "amax")
    tensor([3., 5.])
    """
    _check_reduce(reduce)
    made = _scattered(
        "scatter_reduce", input, dim, index, src, _scatter_reduce, False, reduce, include_self
    )
    return made if out is None else write_out(out, made)


@exported("Tensor")
def scatter_reduce_(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`scatter_reduce`, written into this tensor, which is returned."""
    _check_reduce(reduce)
    return _scattered(
        "scatter_reduce", self, dim, index, src, _scatter_reduce, True, reduce, include_self
    )
