"""Variance, norms, and what sorting tells: medians, modes, quantiles."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor
from .choice import where
from .convert import as_dtype
from .family import conj, write_out
from .pointwise import sgn, sqrt
from .reduce import (
    COMPACT,
    _add_up,
    _mean,
    _sum,
    count_of,
    dims_of,
    kept,
    native_reduction,
    numpy_names,
    reduced,
    whole_samples,
)
from .view import wrap_dim

_float32 = np.dtype(np.float32)


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(_float32) if x.dtype.itemsize == 2 else x


def _shared(total: np.ndarray, degrees: float) -> np.ndarray:
    """Sums of squares divided by the degrees of freedom."""
    if degrees > 0:
        return np.true_divide(total, degrees, out=total)
    # The user has been warned already, in PyTorch's words.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(total, 0, out=total)


# ---- variance ---------------------------------------------------------------------------------------


@primitive(checks="failure", node_name="VarBackward0")
def _var(input: Tensor, dims: Any, keepdim: bool, correction: float) -> Spec:
    """The variance over dimensions counted from the front."""
    if input.dtype.rank < dtypes.FLOATING:
        raise RuntimeError(
            "std and var only support floating point and complex dtypes; convert with .float()"
        )
    return Spec(reduced(input._array.shape, dims, keepdim), input.dtype.to_real())


@_var.kernel("cpu", "cuda")
def _var_kernel(xp, x, dims, keepdim, correction):
    if x.dtype.kind in "iub":
        raise TypeError("integers have no variance of their dtype")
    wide = _wide(x)
    count = count_of(x.shape, dims)
    distance = wide - xp.true_divide(_add_up(wide, dims, True), count)
    if x.dtype.kind == "c":
        squares = distance.real**2 + distance.imag**2
    else:
        squares = xp.multiply(distance, distance, out=distance if distance.ndim else None)
    out = _shared(xp.asarray(_add_up(xp.asarray(squares), dims, keepdim)), count - correction)
    return out.astype(x.dtype) if x.dtype.itemsize == 2 else out


_native_mean, _native_squares = native_reduction("mean"), native_reduction("sum_squares")


def _var_native(x: np.ndarray, dims: Any, keepdim: bool, correction: float) -> np.ndarray:
    distance = np.subtract(x, _native_mean(x, dims, True), out=np.empty_like(x))
    out = _native_squares(distance, dims, keepdim)
    return _shared(out, count_of(x.shape, dims) - correction)


def _std_native(x: np.ndarray, dims: Any, keepdim: bool, correction: float) -> np.ndarray:
    out = _var_native(x, dims, keepdim, correction)
    return np.sqrt(out, out=out)


_var.op.add_kernel("cpu", _var_native, when=COMPACT)


def _distance(input: Tensor, dims: Any) -> Tensor:
    return input - _mean(input, dims, True)


@_var.vjp
def _var_vjp(g, input, dims, keepdim, correction):
    shape = input._array.shape
    degrees = count_of(shape, dims) - correction
    return (
        kept(g, shape, dims, keepdim)
        * (2 / degrees if degrees > 0 else math.nan)
        * _distance(input, dims)
    )


@_var.oracle
def _var_oracle(x, dims, keepdim, correction):
    count = count_of(x.shape, dims)
    axis = None if dims is None else dims
    squares = np.mean(x * x, axis, keepdims=keepdim) - np.mean(x, axis, keepdims=keepdim) ** 2
    return squares * count / (count - correction)


@_var.samples
def _var_samples(make):
    yield call(make(3, 4), None, False, 1)
    yield call(make(3, 4, 2), (0, 2), False, 0)
    yield call(make(3, 4, 2), (1,), True, 1)
    yield call(make(5), None, True, 2)


@_var.rejects
def _var_rejects(make):
    yield reject(
        RuntimeError, "only support floating point", make(3, dtype=dtypes.int64), None, False, 1
    )


@primitive(checks="failure", node_name="StdBackward0")
def _std(input: Tensor, dims: Any, keepdim: bool, correction: float) -> Spec:
    """The standard deviation over dimensions counted from the front."""
    return _var.__wrapped__(input, dims, keepdim, correction)


@_std.kernel("cpu", "cuda")
def _std_kernel(xp, x, dims, keepdim, correction):
    return xp.sqrt(_var_kernel(xp, x, dims, keepdim, correction))


_std.op.add_kernel("cpu", _std_native, when=COMPACT)


@_std.vjp
def _std_vjp(g, input, out, dims, keepdim, correction):
    shape = input._array.shape
    degrees = count_of(shape, dims) - correction
    # Where all elements are equal the slope is taken as 0.
    slope = where(out == 0, 0.0, g / (out * degrees)) if degrees > 0 else g * math.nan
    return kept(slope, shape, dims, keepdim) * _distance(input, dims)


@_std.oracle
def _std_oracle(x, dims, keepdim, correction):
    return np.sqrt(_var_oracle(x, dims, keepdim, correction))


_std.samples(_var_samples)
_std.rejects(_var_rejects)


def _spread_arguments(
    name: str, input: Tensor, dim: Any, unbiased: Any, correction: Any, keepdim: bool, names: dict
) -> tuple:
    """What ``var`` and its kin were asked for: dimensions, ``keepdim``, correction."""
    if names:
        dim, keepdim = numpy_names(name, dim, keepdim, names)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    dims = dims_of(dim, input._array.ndim)
    shape = input._array.shape
    if input.dtype.rank >= dtypes.FLOATING and count_of(shape, dims) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
            "(input numel divided by output numel).",
            UserWarning,
            stacklevel=3,
        )
    return dims, keepdim, correction


@exported("torch", "Tensor")
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, out: Tensor | None = None, **names: Any,
) -> Tensor:  # fmt: skip
    """The variance: the mean squared distance from the mean.

    Args:
        dim: an int or several; by default all dimensions.
        unbiased: divide by one less than the number of elements (the default).
        keepdim: keep the dimensions, with length 1.
        correction: divide by the number of elements less this.

    Raises:
        RuntimeError: the dtype is integral.

    >>> rushlight.var(rushlight.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    dims, keepdim, correction = _spread_arguments(
        "var", input, dim, unbiased, correction, keepdim, names
    )
    made = _var(input, dims, keepdim, correction)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, out: Tensor | None = None, **names: Any,
) -> Tensor:  # fmt: skip
    """The standard deviation: the root of `var`.

    Args:
        dim: an int or several; by default all dimensions.
        unbiased: divide by one less than the number of elements (the default).
        keepdim: keep the dimensions, with length 1.
        correction: divide by the number of elements less this.

    Raises:
        RuntimeError: the dtype is integral.

    >>> rushlight.std(rushlight.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    dims, keepdim, correction = _spread_arguments(
        "std", input, dim, unbiased, correction, keepdim, names
    )
    made = _std(input, dims, keepdim, correction)
    return made if out is None else write_out(out, made)


@exported("torch")
def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, **names: Any,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`var` and `mean`.

    >>> rushlight.var_mean(rushlight.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    dims, keepdim, correction = _spread_arguments(
        "var_mean", input, dim, unbiased, correction, keepdim, names
    )
    return _var(input, dims, keepdim, correction), _mean(input, dims, keepdim)


@exported("torch")
def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, **names: Any,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`std` and `mean`.

    >>> rushlight.std_mean(rushlight.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    dims, keepdim, correction = _spread_arguments(
        "std_mean", input, dim, unbiased, correction, keepdim, names
    )
    return _std(input, dims, keepdim, correction), _mean(input, dims, keepdim)


@exported("torch", "Tensor")
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of variables, one a row, over observations, one a column.

    Args:
        correction: divide by the number of observations less this.
        fweights: how often each observation counts, as integers.
        aweights: how much each observation weighs.

    >>> rushlight.cov(rushlight.tensor([[0.0, 2.0], [1.0, 3.0]]))
    tensor([[2., 2.],
            [2., 2.]])
    """
    if input._array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions"
        )
    x = input.reshape(1, -1) if input._array.ndim < 2 else input
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            weights = given.to(x.dtype) if weights is None else weights * given
    if weights is None:
        count: Any = x._array.shape[1]
        centred = x - x.mean(1, keepdim=True)
        scaled, degrees = centred, count - correction
    else:
        count = weights.sum()
        centred = x - ((x * weights).sum(1, keepdim=True) / count)
        scaled = centred * weights
        if aweights is None:
            degrees = count - correction
        else:
            degrees = count - correction * (weights * aweights).sum() / count
    out = scaled @ conj(centred.t()) / degrees
    return out.squeeze()


@exported("torch", "Tensor")
def corrcoef(input: Tensor) -> Tensor:
    """`cov` divided by the standard deviations: from -1 to 1.

    >>> rushlight.corrcoef(rushlight.tensor([[0.0, 2.0], [1.0, 3.0]]))
    tensor([[1., 1.],
            [1., 1.]])
    """
    c = cov(input)
    if not c._array.ndim:
        return c / c
    deviation = sqrt(c.diagonal())
    return (c / deviation.unsqueeze(1) / deviation.unsqueeze(0)).clamp(-1, 1)


# ---- norms ------------------------------------------------------------------------------------------


@primitive(checks="failure", node_name="LinalgVectorNormBackward0")
def _vector_norm(input: Tensor, ord: float, dims: Any, keepdim: bool) -> Spec:
    """The norm of order ``ord`` over dimensions counted from the front."""
    if input.dtype.rank < dtypes.FLOATING:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {input.dtype.legacy}; "
            "convert it with .float()"
        )
    if (ord < 0 or ord == math.inf) and not count_of(input._array.shape, dims):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not have "
            "an identity"
        )
    return Spec(reduced(input._array.shape, dims, keepdim), input.dtype.to_real())


@_vector_norm.kernel("cpu", "cuda")
def _vector_norm_kernel(xp, x, ord, dims, keepdim):
    if x.dtype.kind in "iub" or (ord < 0 and not count_of(x.shape, dims)):
        raise TypeError("integers and negative orders of nothing have no norm")
    wide = _wide(x)
    if ord == 2 and wide.dtype.kind == "f":
        if dims is None and not keepdim and wide.flags.c_contiguous:
            flat = wide.reshape(-1)
            out = xp.sqrt(xp.dot(flat, flat))
        else:
            out = xp.sqrt(_add_up(xp.square(wide), dims, keepdim))
    else:
        size = xp.asarray(xp.absolute(wide))
        if ord == math.inf:
            out = xp.maximum.reduce(size, dims, None, None, keepdim)
        elif ord == -math.inf:
            out = xp.minimum.reduce(size, dims, None, None, keepdim)
        elif ord == 0:
            out = xp.add.reduce(size != 0, dims, size.dtype, None, keepdim)
        elif ord == 1:
            out = _add_up(size, dims, keepdim)
        else:
            out = _add_up(size ** size.dtype.type(ord), dims, keepdim) ** size.dtype.type(1 / ord)
    return out.astype(x.dtype) if x.dtype.itemsize == 2 else out


def _vector_norm_native(x: np.ndarray, ord: float, dims: Any, keepdim: bool) -> np.ndarray:
    out = _native_squares(x, dims, keepdim)
    return np.sqrt(out, out=out)


_vector_norm.op.add_kernel("cpu", _vector_norm_native, when=f"ord == 2 and {COMPACT}")


@_vector_norm.vjp
def _vector_norm_vjp(g, input, out, ord, dims, keepdim):
    shape = input._array.shape
    if ord == 0:
        return None
    g, out = kept(g, shape, dims, keepdim), kept(out, shape, dims, keepdim)
    if ord == 2:
        return input * where(out == 0, 0.0, g / out)
    if ord == 1:
        return g * sgn(input)
    size = input.abs()
    if abs(ord) == math.inf:
        chosen = size == out
        return sgn(input) * where(chosen, g / _sum(chosen, dims, True), 0.0)
    slope = where(size == 0, 0.0, where(size == 0, 1.0, size) ** (ord - 1))
    return sgn(input) * slope * where(out == 0, 0.0, g * out ** (1 - ord))


@_vector_norm.oracle
def _vector_norm_oracle(x, ord, dims, keepdim):
    dims = tuple(range(x.ndim)) if dims is None else dims
    last = np.moveaxis(x, dims, range(x.ndim - len(dims), x.ndim)).reshape(
        *reduced(x.shape, dims, False), -1
    )
    return np.linalg.norm(last, ord, axis=-1).reshape(reduced(x.shape, dims, keepdim))


@_vector_norm.samples
def _vector_norm_samples(make):
    for ord in (2, 1, 3, 0.5, math.inf, -math.inf, -2):
        yield call(make(3, 4), ord, None, False)
        yield call(make(3, 4, 2), ord, (0, 2), True)


@_vector_norm.rejects
def _vector_norm_rejects(make):
    yield reject(
        RuntimeError, "Expected a floating point", make(3, dtype=dtypes.int64), 2, None, False
    )


def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None
) -> Tensor:  # fmt: skip
    """The norm of a vector: the root of order ``ord`` of the sum of the sizes to that power.

    Args:
        x: any shape, floating or complex dtype.
        ord: any number; ``inf`` and ``-inf`` give the largest and the smallest size, 0 how many are not 0.
        dim: an int or several; by default all dimensions.
        keepdim: keep the dimensions, with length 1.
        dtype: converts ``x`` first.

    Raises:
        RuntimeError: the dtype is integral.

    >>> vector_norm(rushlight.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dtype is not None:
        x = x.to(as_dtype(dtype))
    made = _vector_norm(x, ord, dims_of(dim, x._array.ndim), keepdim)
    return made if out is None else write_out(out, made)


vector_norm = exported("linalg", autocast={"cuda": "float32"})(vector_norm)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Tensor | None = None, dtype: Any = None
) -> Tensor:  # fmt: skip
    """The norm of all elements, or of those along dimensions.

    Args:
        p: the order; ``"fro"`` is 2, ``"nuc"`` the sum of a matrix's singular values.
        dim: an int or several; by default all dimensions.
        keepdim: keep the dimensions, with length 1.
        dtype: converts ``input`` first.

    Raises:
        RuntimeError: the dtype is integral.

    >>> rushlight.norm(rushlight.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    if p == "nuc":
        from ..primitive import EXPORTS

        made = EXPORTS["linalg"]["svdvals"](input).sum(-1, keepdim)
    elif p == "fro" or p is None:
        made = _vector_norm(input, 2, dims_of(dim, input._array.ndim), keepdim)
    elif isinstance(p, str):
        raise RuntimeError(f"norm(): p must be a number, 'fro' or 'nuc', but is {p!r}")
    else:
        made = _vector_norm(input, float(p), dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of order ``p`` of the difference.

    >>> rushlight.dist(rushlight.tensor([3.0, 4.0]), rushlight.zeros(2))
    tensor(5.)
    """
    return norm(input - other, p)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along ``dim`` scaled so that its norm of order ``p`` is at most ``maxnorm``.

    >>> rushlight.renorm(rushlight.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    ndim = input._array.ndim
    dim = wrap_dim(dim, ndim)
    if ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")
    size = _vector_norm(input, float(p), tuple(i for i in range(ndim) if i != dim), True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


@exported("Tensor")
def renorm_(self: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """`renorm`, written into this tensor, which is returned."""
    return self.copy_(renorm(self.clone(), p, dim, maxnorm))


@exported("nn.functional")
def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Each slice along ``dim`` divided by its norm of order ``p``.

    Args:
        eps: what to divide by at least.

    >>> rushlight.nn.functional.normalize(rushlight.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    made = input / norm(input, p, dim, keepdim=True).clamp_min(eps)
    return made if out is None else write_out(out, made)


# ---- logarithms of sums -----------------------------------------------------------------------------


@primitive(promote="float", checks="failure", node_name="LogsumexpBackward0")
def _logsumexp(input: Tensor, dims: Any, keepdim: bool) -> Spec:
    """`logsumexp` over dimensions counted from the front."""
    dtype = input.dtype if input.dtype.rank >= dtypes.FLOATING else dtypes.get_default_dtype()
    return Spec(reduced(input._array.shape, dims, keepdim), dtype)


@_logsumexp.kernel("cpu", "cuda")
def _logsumexp_kernel(xp, x, dims, keepdim):
    wide = _wide(x)
    if not x.size:
        return xp.log(xp.add.reduce(wide, dims, None, None, keepdim)).astype(x.dtype)
    largest = xp.maximum.reduce(wide, dims, None, None, True)
    # Infinities stay what they are instead of becoming NaN.
    shift = xp.where(xp.isfinite(largest), largest, 0).astype(wide.dtype)
    total = xp.log(_add_up(xp.exp(wide - shift), dims, True)) + shift
    return xp.asarray(total).reshape(reduced(x.shape, dims, keepdim)).astype(x.dtype)


@_logsumexp.vjp
def _logsumexp_vjp(g, input, out, dims, keepdim):
    shape = input._array.shape
    return kept(g, shape, dims, keepdim) * (input - kept(out, shape, dims, keepdim)).exp()


@_logsumexp.oracle
def _logsumexp_oracle(x, dims, keepdim):
    return np.log(np.sum(np.exp(x), axis=dims, keepdims=keepdim))


_logsumexp.samples(whole_samples())


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def logsumexp(
    input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The logarithm of the sum of exponentials along dimensions, without overflow on the way.

    Args:
        dim: an int or several.
        keepdim: keep the dimensions, with length 1.

    >>> rushlight.logsumexp(rushlight.tensor([100.0, 100.0]), 0)
    tensor(100.6931)
    """
    if dim is None:
        raise TypeError(
            "logsumexp(): argument 'dim' (position 2) must be int or tuple of ints, not NoneType"
        )
    made = _logsumexp(input, dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)
