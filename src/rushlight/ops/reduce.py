"""Ops that combine the elements of whole dimensions: sums, means, products, largest and smallest, all and any."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor
from .choice import where
from .convert import as_dtype
from .family import write_out
from .view import sizes_of, wrap_dim

_float32, _float64, _int64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
# The extension reduces whatever lies in memory without gaps.
COMPACT = "input.dtype is native.float32 and (input.flags.c_contiguous or native.dense(input))"
COMPACT_LOOPED = COMPACT.replace("is native.float32", "in native.LOOPED")
_EVERY = tuple(tuple(range(ndim)) for ndim in range(65))


# ---- dimensions -------------------------------------------------------------------------------------


def dims_of(dim: Any, ndim: int) -> tuple[int, ...] | None:
    """The dimensions that an argument ``dim`` means, counted from the front; None for all of them.

    Args:
        dim: an int, a sequence of them, or None; an empty sequence means all.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: one is named twice.
    """
    if dim is None:
        return None
    if type(dim) is int:
        dims = (wrap_dim(dim, ndim),)
    elif isinstance(dim, (tuple, list)):
        dims = tuple([wrap_dim(d, ndim) for d in dim])
        if len(set(dims)) < len(dims):
            twice = next(d for i, d in enumerate(dims) if d in dims[:i])
            raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    else:
        dims = (wrap_dim(dim, ndim),)
    return dims if dims and ndim else None


def reduced(shape: tuple[int, ...], dims: tuple[int, ...] | None, keepdim: bool) -> tuple[int, ...]:
    """``shape`` without ``dims``, or with 1 in their place."""
    if dims is None:
        return (1,) * len(shape) if keepdim else ()
    if keepdim:
        return tuple([1 if i in dims else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in dims])


def count_of(shape: tuple[int, ...], dims: tuple[int, ...] | None) -> int:
    """How many elements are combined into one."""
    return math.prod(shape) if dims is None else math.prod([shape[d] for d in dims])


def kept(x: Tensor, shape: tuple[int, ...], dims: tuple[int, ...] | None, keepdim: bool) -> Tensor:
    """What was reduced from ``shape``, with 1 in the place of the dimensions that are gone."""
    return x if keepdim or dims is None else x.reshape(reduced(shape, dims, True))


def numpy_names(name: str, dim: Any, keepdim: bool, names: dict) -> tuple[Any, bool]:
    """``dim`` and ``keepdim`` where they came by NumPy's names ``axis`` and ``keepdims``.

    Raises:
        TypeError: another keyword came.
    """
    dim, keepdim = names.pop("axis", dim), names.pop("keepdims", keepdim)
    if names:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(names))}'")
    return dim, keepdim


def native_reduction(opcode: str) -> Any:
    """The extension's reduction of a float32 or bfloat16 array as ``f(x, dims, keepdim)``."""
    code, loop, empty = native.extension.REDUCTIONS[opcode], native.extension.reduce, np.empty

    def run(x: np.ndarray, dims: tuple[int, ...] | None, keepdim: bool) -> np.ndarray:
        if dims is None:
            out = empty((1,) * x.ndim if keepdim else (), x.dtype)
            loop(code, x, _EVERY[x.ndim], out)
            return out
        if x.flags.c_contiguous or not x.size:
            out = empty(reduced(x.shape, dims, keepdim), x.dtype)
        else:
            # In the memory order of what is reduced.
            one = slice(0, 1) if keepdim else 0
            out = np.empty_like(
                x[tuple([one if i in dims else slice(None) for i in range(x.ndim)])]
            )
        loop(code, x, dims, out)
        return out

    run.__name__ = "native_" + opcode
    return run


def whole_samples(*more: Any) -> Any:
    """The samples of a reduction ``f(input, dims, keepdim, *more)``."""

    def samples(make: Any) -> Any:
        yield call(make(3, 4), None, False, *more)
        yield call(make(3, 4, 2), (0, 2), False, *more)
        yield call(make(3, 4, 2), (1,), True, *more)
        yield call(make(()), None, False, *more)
        yield call(make(5), None, True, *more)

    return samples


def _common_rejects(make: Any) -> Any:
    yield reject(TypeError, "must be Tensor, not list", [1.0], None, False)


# ---- sum and mean -----------------------------------------------------------------------------------


def _dtype_of_sum(x: np.ndarray, dims: tuple[int, ...] | None) -> Any:
    """The dtype in which to add; None for that of ``x``."""
    kind = x.dtype
    if kind.kind in "iub":
        return _int64
    if kind.itemsize == 2:
        return _float32
    if kind is _float32 and x.size > 4096:
        # NumPy adds pairwise along one run of memory; what it adds one after the other has an error that grows.
        if dims is None:
            flags = x.flags
            return None if flags.c_contiguous or flags.f_contiguous else _float64
        steps = sorted([(abs(s), i) for i, (s, n) in enumerate(zip(x.strides, x.shape)) if n > 1])
        runs = {i for _, i in steps[: len(dims)]}
        return None if x.flags.c_contiguous and runs.issuperset(dims) else _float64
    return None


def _add_up(x: np.ndarray, dims: tuple[int, ...] | None, keepdim: bool) -> Any:
    dtype = _dtype_of_sum(x, dims)
    if dtype is None:
        return np.add.reduce(x, dims, None, None, keepdim)
    total = np.add.reduce(x, dims, dtype, None, keepdim)
    return total if dtype is _int64 else total.astype(x.dtype)


def _spread(
    g: Tensor, shape: tuple[int, ...], dims: tuple[int, ...] | None, keepdim: bool
) -> Tensor:
    """The gradient of a sum: the same for every element."""
    return kept(g, shape, dims, keepdim).expand(shape)


@primitive(checks="failure", node_name="SumBackward0")
def _sum(input: Tensor, dims: Any, keepdim: bool) -> Spec:
    """The sum over dimensions counted from the front; integers add up in int64."""
    dtype = dtypes.int64 if input.dtype.rank < dtypes.FLOATING else input.dtype
    return Spec(reduced(input._array.shape, dims, keepdim), dtype)


@_sum.kernel("cpu", "cuda")
def _sum_kernel(xp, x, dims, keepdim):
    return _add_up(x, dims, keepdim)


_sum.op.add_kernel("cpu", native_reduction("sum"), when=COMPACT_LOOPED)


@_sum.vjp
def _sum_vjp(g, input_shape, dims, keepdim):
    return _spread(g, input_shape, dims, keepdim)


@_sum.oracle
def _sum_oracle(x, dims, keepdim):
    dims = tuple(range(x.ndim)) if dims is None else dims
    total = np.zeros(reduced(x.shape, dims, True))
    for at in np.ndindex(*x.shape):
        total[tuple(0 if i in dims else k for i, k in enumerate(at))] += x[at]
    return total if keepdim else total.reshape(reduced(x.shape, dims, False))


_sum.samples(whole_samples())
_sum.rejects(_common_rejects)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def sum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None, **names: Any
) -> Tensor:  # fmt: skip
    """The sum of all elements, or of those along dimensions.

    Args:
        input: any shape and dtype.
        dim: an int or several; by default all dimensions.
        keepdim: keep the dimensions that are summed, with length 1.
        dtype: converts ``input`` first.

    Returns:
        int64 for integers and bools, else the dtype of ``input``.

    Raises:
        IndexError: there is no such dimension.

    >>> x = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum(), x.sum(0), x.sum(1, keepdim=True)
    (tensor(10.), tensor([4., 6.]), tensor([[3.],
            [7.]]))
    """
    if names:
        dim, keepdim = numpy_names("sum", dim, keepdim, names)
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    made = _sum(input, None if dim is None else dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed over the dimensions along which ``size`` broadcast to this shape.

    >>> rushlight.ones(3, 2).sum_to_size(1, 2)
    tensor([[3., 3.]])
    """
    size = sizes_of("sum_to_size", size)
    shape = self._array.shape
    new = len(shape) - len(size)
    fitting = [n in (1, shape[i + new]) for i, n in enumerate(size)] if new >= 0 else [False]
    if False in fitting:
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(shape)}}}.")
    dims = (*range(new), *[i + new for i, n in enumerate(size) if n == 1 and shape[i + new] != 1])
    out = _sum(self, dims, True) if dims else self
    return out.reshape(size) if new else out


@primitive(checks="failure", node_name="MeanBackward0")
def _mean(input: Tensor, dims: Any, keepdim: bool) -> Spec:
    """The mean over dimensions counted from the front."""
    if input.dtype.rank < dtypes.FLOATING:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {input.dtype.legacy}; convert it with .float()"
        )
    return Spec(reduced(input._array.shape, dims, keepdim), input.dtype)


@_mean.kernel("cpu", "cuda")
def _mean_kernel(xp, x, dims, keepdim):
    kind = x.dtype
    if kind.kind in "iub":
        raise TypeError("integers have no mean of their dtype")
    count = x.size if dims is None else count_of(x.shape, dims)
    if kind.itemsize == 2:
        return (xp.add.reduce(x, dims, _float32, None, keepdim) / count).astype(kind)
    return xp.true_divide(_add_up(x, dims, keepdim), count)


_mean.op.add_kernel("cpu", native_reduction("mean"), when=COMPACT_LOOPED)


@_mean.vjp
def _mean_vjp(g, input_shape, dims, keepdim):
    return _spread(g / count_of(input_shape, dims), input_shape, dims, keepdim)


@_mean.oracle
def _mean_oracle(x, dims, keepdim):
    return _sum_oracle(x, dims, keepdim) / count_of(x.shape, dims)


_mean.samples(whole_samples())


@_mean.rejects
def _mean_rejects(make):
    yield reject(
        RuntimeError, "could not infer output dtype", make(3, dtype=dtypes.int64), None, False
    )


@exported("torch", "Tensor")
def mean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None, **names: Any
) -> Tensor:  # fmt: skip
    """The mean of all elements, or of those along dimensions.

    Args:
        input: any shape, floating or complex dtype.
        dim: an int or several; by default all dimensions.
        keepdim: keep the dimensions that are averaged, with length 1.
        dtype: converts ``input`` first.

    Returns:
        The dtype of ``input``; NaN for no elements.

    Raises:
        RuntimeError: ``input`` is integral and no ``dtype`` is given.
        IndexError: there is no such dimension.

    >>> rushlight.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(0)
    tensor([2., 3.])
    """
    if names:
        dim, keepdim = numpy_names("mean", dim, keepdim, names)
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    made = _mean(input, None if dim is None else dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`sum` in which NaN counts as 0.

    >>> rushlight.nansum(rushlight.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    if input.dtype.is_complex:
        raise RuntimeError("nansum does not support complex inputs")
    return sum(where(input.isnan(), 0, input), dim, keepdim, dtype=dtype)


@exported("torch", "Tensor")
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`mean` of the elements that are not NaN.

    >>> rushlight.nanmean(rushlight.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5000)
    """
    if input.dtype.rank < dtypes.FLOATING:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype.legacy}"
        )
    return nansum(input, dim, keepdim, dtype=dtype) / sum(~input.isnan(), dim, keepdim)


@exported("torch", "Tensor")
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not 0.

    >>> rushlight.count_nonzero(rushlight.tensor([0, 3, 0, 1]))
    tensor(2)
    """
    return sum(input != 0, dim)


# ---- products ---------------------------------------------------------------------------------------


@primitive(checks="failure", node_name="ProdBackward0")
def _prod(input: Tensor, dims: Any, keepdim: bool) -> Spec:
    """The product over dimensions counted from the front; integers multiply in int64."""
    dtype = dtypes.int64 if input.dtype.rank < dtypes.FLOATING else input.dtype
    return Spec(reduced(input._array.shape, dims, keepdim), dtype)


@_prod.kernel("cpu", "cuda")
def _prod_kernel(xp, x, dims, keepdim):
    if x.dtype.kind in "iub":
        return xp.multiply.reduce(x, dims, _int64, None, keepdim)
    if x.dtype.itemsize == 2:
        return xp.multiply.reduce(x, dims, _float32, None, keepdim).astype(x.dtype)
    return xp.multiply.reduce(x, dims, None, None, keepdim)


@_prod.vjp
def _prod_vjp(g, input, out, dims, keepdim):
    shape = input._array.shape
    g, out = kept(g, shape, dims, keepdim), kept(out, shape, dims, keepdim)
    zeros = input == 0
    if not bool(zeros.any()):
        return g * (out / input).conj()
    # The derivative of a factor 0 is the product of the others, which is 0 unless it is the only one.
    alone = zeros & (_sum(zeros, dims, True) == 1)
    others = _prod(where(alone, 1, input), dims, True)
    return g * where(zeros, where(alone, others, 0), out / where(zeros, 1, input)).conj()


@_prod.oracle
def _prod_oracle(x, dims, keepdim):
    dims = tuple(range(x.ndim)) if dims is None else dims
    total = np.ones(reduced(x.shape, dims, True))
    for at in np.ndindex(*x.shape):
        total[tuple(0 if i in dims else k for i, k in enumerate(at))] *= x[at]
    return total if keepdim else total.reshape(reduced(x.shape, dims, False))


_prod.samples(whole_samples())
_prod.rejects(_common_rejects)


@exported("torch", "Tensor", autocast="float32")
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None,
    **names: Any,
) -> Tensor:  # fmt: skip
    """The product of all elements, or of those along a dimension.

    Args:
        dim: by default all dimensions.
        keepdim: keep that dimension, with length 1.
        dtype: converts ``input`` first.

    Returns:
        int64 for integers and bools, else the dtype of ``input``.

    >>> rushlight.prod(rushlight.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor([ 2., 12.])
    """
    if names:
        dim, keepdim = numpy_names("prod", dim, keepdim, names)
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    ndim = input._array.ndim
    made = _prod(input, (wrap_dim(dim, ndim),) if dim is not None and ndim else None, keepdim)
    return made if out is None else write_out(out, made)


# ---- all and any ------------------------------------------------------------------------------------


def _truth(name: str, ufunc: Any) -> Any:
    """Declares ``all`` or ``any`` over dimensions counted from the front."""

    def rule(input: Tensor, dims: Any, keepdim: bool) -> Spec:
        dtype = dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_
        return Spec(reduced(input._array.shape, dims, keepdim), dtype)

    rule.__name__ = f"_{name}"
    rule.__doc__ = f"`{name}` over dimensions counted from the front."
    function = primitive(checks="failure")(rule)

    @function.kernel("cpu", "cuda")
    def kernel(xp, x, dims, keepdim):
        found = ufunc.reduce(x, dims, None, None, keepdim)
        return found.astype(np.uint8) if x.dtype == np.uint8 else found

    @function.oracle
    def oracle(x, dims, keepdim):
        total = _sum_oracle((x == 0) if name == "all" else (x != 0), dims, keepdim)
        return total == 0 if name == "all" else total != 0

    function.samples(whole_samples())
    return function


_all = _truth("all", np.logical_and)
_any = _truth("any", np.logical_or)


@exported("torch", "Tensor")
def all(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    **names: Any,
) -> Tensor:
    """Whether all elements are true, or all of those along dimensions.

    Args:
        dim: an int or several; by default all dimensions. An empty sequence combines nothing.
        keepdim: keep the dimensions, with length 1.

    Returns:
        bool; uint8 for uint8.

    >>> rushlight.tensor([[True, False], [True, True]]).all(1)
    tensor([False,  True])
    """
    if names:
        dim, keepdim = numpy_names("all", dim, keepdim, names)
    if isinstance(dim, (tuple, list)) and not dim:
        made = input != 0
    else:
        made = _all(input, dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def any(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    **names: Any,
) -> Tensor:
    """Whether at least one element is true, or one of those along dimensions.

    Args:
        dim: an int or several; by default all dimensions. An empty sequence combines nothing.
        keepdim: keep the dimensions, with length 1.

    Returns:
        bool; uint8 for uint8.

    >>> rushlight.tensor([[True, False], [False, False]]).any(1)
    tensor([ True, False])
    """
    if names:
        dim, keepdim = numpy_names("any", dim, keepdim, names)
    if isinstance(dim, (tuple, list)) and not dim:
        made = input != 0
    else:
        made = _any(input, dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)
