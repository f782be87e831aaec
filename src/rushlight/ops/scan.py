"""Ops whose every element combines all elements before it: running sums, products, maxima."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, like, primitive
from ..return_types import named
from ..tensor import Tensor
from .checks import no_complex
from .choice import where
from .convert import as_dtype
from .family import write_out
from .view import wrap_dim


def _dim_samples(make: Any) -> Any:
    yield call(make(3, 4), 1)
    yield call(make(3, 4, 2), 0)
    yield call(make(()), 0)
    yield call(make(0, 3), 0)


def _loop(step: Any) -> Any:
    """The oracle of a scan: one element after the other."""

    def oracle(x: np.ndarray, dim: int, *rest: Any) -> np.ndarray:
        if not x.ndim:
            return x + 0
        out = np.moveaxis(x, dim, 0) + 0
        for i in range(1, len(out)):
            out[i] = step(out[i - 1], out[i])
        return np.moveaxis(out, 0, dim)

    return oracle


# ---- running sums -----------------------------------------------------------------------------------


@primitive(node_name="CumsumBackward0", checks="failure")
def _cumsum(input: Tensor, dim: int, backwards: bool = False) -> Spec:
    """The running sum along a dimension counted from the front; ``backwards`` from its end."""
    return like(input, dtypes.int64 if input.dtype.rank < dtypes.FLOATING else None)


@_cumsum.kernel("cpu", "cuda")
def _cumsum_kernel(xp, x, dim, backwards):
    kind = x.dtype
    # Each element carries the errors of all before it, so floats add up in float64.
    wide = np.int64 if kind.kind in "iub" else np.complex128 if kind.kind == "c" else np.float64
    if not x.ndim:
        return x.astype(np.int64 if kind.kind in "iub" else kind)
    x = xp.flip(x, dim) if backwards else x
    total = xp.add.accumulate(x, dim, wide)
    total = xp.flip(total, dim) if backwards else total
    return xp.ascontiguousarray(total, total.dtype if kind.kind in "iub" else kind)


@_cumsum.vjp
def _cumsum_vjp(g, dim, backwards):
    return _cumsum(g, dim, not backwards)


@_cumsum.oracle
def _cumsum_oracle(x, dim, backwards=False):
    x = np.flip(x, dim) if backwards else x
    total = _loop(lambda a, b: a + b)(x, dim)
    return np.flip(total, dim) if backwards else total


@_cumsum.samples
def _cumsum_samples(make):
    yield from _dim_samples(make)
    yield call(make(3, 4), 1, True)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def cumsum(
    input: Tensor,
    dim: int,
    *,
    dtype: Any = None,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """The running sum along a dimension.

    Args:
        dtype: converts ``input`` first.

    Returns:
        int64 for integers and bools, else the dtype of ``input``.

    >>> rushlight.cumsum(rushlight.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    dim = wrap_dim(dim, input._array.ndim)
    made = _cumsum(input if dtype is None else input.to(as_dtype(dtype)), dim)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def cumsum_(self: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """`cumsum`, written into this tensor, which is returned."""
    return self.copy_(cumsum(self, dim, dtype=dtype))


# ---- running products -------------------------------------------------------------------------------


@primitive(node_name="CumprodBackward0", checks="failure")
def _cumprod(input: Tensor, dim: int) -> Spec:
    """The running product along a dimension counted from the front."""
    return like(input, dtypes.int64 if input.dtype.rank < dtypes.FLOATING else None)


@_cumprod.kernel("cpu", "cuda")
def _cumprod_kernel(xp, x, dim):
    kind = x.dtype
    wide = np.int64 if kind.kind in "iub" else np.complex128 if kind.kind == "c" else np.float64
    if not x.ndim:
        return x.astype(np.int64 if kind.kind in "iub" else kind)
    total = xp.multiply.accumulate(x, dim, wide)
    return xp.ascontiguousarray(total, total.dtype if kind.kind in "iub" else kind)


@_cumprod.vjp
def _cumprod_vjp(g, input, out, dim):
    zeros = input == 0
    smooth = _cumsum(g * out.conj(), dim, True) / where(zeros, 1, input).conj()
    if not bool(zeros.any()):
        return smooth
    # The first 0 of a line multiplies all that follows; taken as 1 it shows what it is the factor of.
    first = zeros & (_cumsum(zeros, dim) == 1)
    without = _cumprod(where(first, 1, input), dim)
    at_first = _cumsum(where(_cumsum(first, dim) == 1, g * without.conj(), 0), dim, True)
    return where(zeros, where(first, at_first, 0), smooth)


_cumprod.oracle(_loop(lambda a, b: a * b))
_cumprod.samples(_dim_samples)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def cumprod(input: Tensor, dim: int, *, dtype: Any = None, out: Tensor | None = None) -> Tensor:
    """The running product along a dimension.

    Args:
        dtype: converts ``input`` first.

    Returns:
        int64 for integers and bools, else the dtype of ``input``.

    >>> rushlight.cumprod(rushlight.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    dim = wrap_dim(dim, input._array.ndim)
    made = _cumprod(input if dtype is None else input.to(as_dtype(dtype)), dim)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def cumprod_(self: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """`cumprod`, written into this tensor, which is returned."""
    return self.copy_(cumprod(self, dim, dtype=dtype))


# ---- running maxima ---------------------------------------------------------------------------------


def _running(name: str, ufunc: Any) -> Any:
    """Declares ``cummax`` or ``cummin`` along a dimension counted from the front."""

    def rule(input: Tensor, dim: int) -> tuple[Spec, Spec]:
        no_complex(name, input)
        return like(input), like(input, dtypes.int64)

    rule.__name__ = f"_{name}"
    rule.__doc__ = f"`{name}` along a dimension counted from the front."
    function = primitive(
        node_name=f"{name.capitalize()}Backward0", outputs=("values", "indices"), differentiable=1
    )(rule)

    @function.kernel("cpu", "cuda")
    def kernel(xp, x, dim):
        if not x.ndim:
            return x.copy(), xp.zeros((), np.int64)
        x = xp.ascontiguousarray(x)
        values = ufunc.accumulate(x, dim)
        places = xp.arange(x.shape[dim]).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
        # Of several equal ones the last; a NaN stays until the next.
        reached = xp.where((x == values) | (x != x), places, 0)
        return values, xp.maximum.accumulate(reached, dim)

    @function.vjp
    def vjp(g, input_shape, dim, indices):
        from .gather import sum_gathered

        return sum_gathered(g[0], dim, indices, input_shape) if input_shape else g[0]

    @function.oracle
    def oracle(x, dim):
        better = (lambda a, b: a > b) if name == "cummax" else (lambda a, b: a < b)
        values = _loop(lambda a, b: np.where(better(a, b), a, b))(x, dim)
        if not x.ndim:
            return values, 0
        lines, best = np.moveaxis(x, dim, 0), np.moveaxis(values, dim, 0)
        indices = np.zeros(lines.shape, np.int64)
        for at in np.ndindex(*lines.shape):
            indices[at] = max(j for j in range(at[0] + 1) if lines[(j, *at[1:])] == best[at])
        return values, np.moveaxis(indices, 0, dim)

    function.samples(_dim_samples)
    return function


_cummax = _running("cummax", np.maximum)
_cummin = _running("cummin", np.minimum)


@exported("torch", "Tensor")
def cummax(input: Tensor, dim: int) -> Any:
    """The largest element so far along a dimension, and where it stands: the last place of several equal ones.

    Returns:
        ``(values, indices)``.

    >>> rushlight.cummax(rushlight.tensor([1, 3, 2]), 0).values
    tensor([1, 3, 3])
    """
    return named("cummax", "values", "indices")(_cummax(input, wrap_dim(dim, input._array.ndim)))


@exported("torch", "Tensor")
def cummin(input: Tensor, dim: int) -> Any:
    """The smallest element so far along a dimension, and where it stands: the last place of several equal ones.

    Returns:
        ``(values, indices)``.

    >>> rushlight.cummin(rushlight.tensor([2, 3, 1]), 0).values
    tensor([2, 2, 1])
    """
    return named("cummin", "values", "indices")(_cummin(input, wrap_dim(dim, input._array.ndim)))


@primitive(node_name="LogcumsumexpBackward0", checks="failure")
def _logcumsumexp(input: Tensor, dim: int) -> Spec:
    """`logcumsumexp` along a dimension counted from the front."""
    return like(input)


@_logcumsumexp.kernel("cpu", "cuda")
def _logcumsumexp_kernel(xp, x, dim):
    if not x.ndim:
        return x.copy()
    return xp.logaddexp.accumulate(x.astype(np.float64), dim).astype(x.dtype)


@_logcumsumexp.vjp
def _logcumsumexp_vjp(g, input, out, dim):
    # Divided by the largest of each line, so that no exponential overflows.
    shift = out.amax(dim, keepdim=True).detach() if out.dim() else out.detach()
    return _cumsum(g * (shift - out).exp(), dim, True) * (input - shift).exp()


_logcumsumexp.oracle(_loop(lambda a, b: np.log(np.exp(a) + np.exp(b))))


@_logcumsumexp.samples
def _logcumsumexp_samples(make):
    yield call(make(3, 4), 1)
    yield call(make(3, 4, 2), 0)
    yield call(make(()), 0)


@exported("torch", "Tensor")
def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the running sum of exponentials along a dimension.

    >>> rushlight.logcumsumexp(rushlight.tensor([0.0, 0.0]), 0)
    tensor([0.0000, 0.6931])
    """
    made = _logcumsumexp(input, wrap_dim(dim, input._array.ndim))
    return made if out is None else write_out(out, made)


# ---- differences and areas --------------------------------------------------------------------------


@exported("torch", "Tensor")
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The differences between neighbours along a dimension.

    Args:
        n: how often to take them.
        prepend, append: what to put before and after ``input`` first.

    >>> rushlight.diff(rushlight.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    from .join import cat

    if not input._array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = wrap_dim(dim, input._array.ndim)
    parts = [x for x in (prepend, input, append) if x is not None]
    input = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        length = max(input._array.shape[dim] - 1, 0)
        if not length:
            return input.narrow(dim, 0, 0)
        later, earlier = input.narrow(dim, 1, length), input.narrow(dim, 0, length)
        input = later ^ earlier if input.dtype is dtypes.bool_ else later - earlier
    return input


def _areas(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    length = y._array.shape[dim] - 1
    middle = (y.narrow(dim, 0, length) + y.narrow(dim, 1, length)) / 2
    if x is None:
        return middle * dx
    if x._array.ndim == 1:
        x = x.reshape([-1 if i == dim else 1 for i in range(y._array.ndim)])
    return middle * diff(x, dim=dim)


@exported("torch", names=("trapz",))
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The area under points joined by straight lines.

    Args:
        y: their heights, along ``dim``.
        x: where they stand; by default ``dx`` apart.

    >>> rushlight.trapezoid(rushlight.tensor([1.0, 3.0, 2.0]))
    tensor(4.5000)
    """
    dim = wrap_dim(dim, y._array.ndim)
    if not y._array.shape[dim]:
        return y.sum(dim)
    return _areas(y, x, dx, dim).sum(dim)


@exported("torch")
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1
) -> Tensor:
    """`trapezoid` up to each point but the first.

    >>> rushlight.cumulative_trapezoid(rushlight.tensor([1.0, 3.0, 2.0]))
    tensor([2.0000, 4.5000])
    """
    dim = wrap_dim(dim, y._array.ndim)
    return cumsum(_areas(y, x, dx, dim), dim)
