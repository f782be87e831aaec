"""The largest and the smallest elements, and where they stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive, reject
from ..return_types import named
from ..tensor import Tensor
from .choice import maximum, minimum, where
from .family import write_out
from .reduce import (
    COMPACT_LOOPED,
    _sum,
    dims_of,
    kept,
    native_reduction,
    numpy_names,
    reduced,
    whole_samples,
)
from .view import wrap_dim

_int64 = np.dtype(np.int64)


def check_not_empty(name: str, x: Tensor, dims: tuple[int, ...] | None) -> None:
    """Refuses to choose among no elements.

    Raises:
        IndexError: a dimension to choose along has length 0.
        RuntimeError: there are no elements at all, and no dimension is named.
    """
    shape = x._array.shape
    if dims is None:
        if 0 in shape:
            error = IndexError if name.startswith("arg") else RuntimeError
            raise error(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
                "dim with the 'dim' argument."
            )
        return
    for d in dims:
        if shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def _check_order(name: str, x: Tensor, error: type = RuntimeError) -> None:
    if x.dtype.is_complex:
        raise error(
            f"\"{name}\" not implemented for '{x.dtype.legacy}': complex numbers have no order"
        )


def _extreme(name: str, ufunc: Any, word: str, opcode: str) -> Any:
    """Declares ``amax`` or ``amin`` over dimensions counted from the front."""

    def rule(input: Tensor, dims: Any, keepdim: bool) -> Spec:
        _check_order(name, input, NotImplementedError)
        check_not_empty(name, input, dims)
        return Spec(reduced(input._array.shape, dims, keepdim), input.dtype)

    rule.__name__ = f"_{name}"
    rule.__doc__ = f"The {word} element over dimensions counted from the front."
    function = primitive(node_name=f"{name.capitalize()}Backward0", checks="failure")(rule)

    @function.kernel("cpu", "cuda")
    def kernel(xp, x, dims, keepdim):
        if x.dtype.kind == "c":
            raise TypeError("complex numbers have no order")
        return ufunc.reduce(x, dims, None, None, keepdim)

    function.op.add_kernel("cpu", native_reduction(opcode), when=COMPACT_LOOPED)

    @function.vjp
    def vjp(g, input, out, dims, keepdim):
        shape = input._array.shape
        g, out = kept(g, shape, dims, keepdim), kept(out, shape, dims, keepdim)
        # Elements that are equally large share the gradient.
        chosen = input == out
        return where(chosen, g / _sum(chosen, dims, True), 0.0)

    @function.oracle
    def oracle(x, dims, keepdim):
        dims = tuple(range(x.ndim)) if dims is None else dims
        last = np.moveaxis(x, dims, range(x.ndim - len(dims), x.ndim)).reshape(
            *reduced(x.shape, dims, False), -1
        )
        return np.sort(last)[..., -1 if word == "largest" else 0].reshape(
            reduced(x.shape, dims, keepdim)
        )

    function.samples(whole_samples())

    @function.rejects
    def rejects(make):
        yield reject(IndexError, "to have non-zero size", make(0, 3), (0,), False)
        yield reject(
            RuntimeError, "to be specified for input.numel() == 0", make(0, 3), None, False
        )

    return function


_amax = _extreme("amax", np.maximum, "largest", "max")
_amin = _extreme("amin", np.minimum, "smallest", "min")


@exported("torch", "Tensor")
def amax(
    input: Tensor, dim: Any = (), keepdim: bool = False, *, out: Tensor | None = None, **names: Any
) -> Tensor:
    """The largest element along dimensions; elements that are equally large share the gradient.

    Args:
        dim: an int or several; by default all dimensions.
        keepdim: keep the dimensions, with length 1.

    Raises:
        IndexError: there is no such dimension, or there are no elements to choose from.

    >>> rushlight.tensor([[1.0, 5.0], [3.0, 4.0]]).amax(1)
    tensor([5., 4.])
    """
    if names:
        dim, keepdim = numpy_names("amax", dim, keepdim, names)
    made = _amax(input, dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def amin(
    input: Tensor, dim: Any = (), keepdim: bool = False, *, out: Tensor | None = None, **names: Any
) -> Tensor:
    """The smallest element along dimensions; elements that are equally small share the gradient.

    Args:
        dim: an int or several; by default all dimensions.
        keepdim: keep the dimensions, with length 1.

    Raises:
        IndexError: there is no such dimension, or there are no elements to choose from.

    >>> rushlight.tensor([[1.0, 5.0], [3.0, 4.0]]).amin(1)
    tensor([1., 3.])
    """
    if names:
        dim, keepdim = numpy_names("amin", dim, keepdim, names)
    made = _amin(input, dims_of(dim, input._array.ndim), keepdim)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """`amin` and `amax` together, as ``(min, max)``.

    >>> rushlight.aminmax(rushlight.tensor([3.0, 1.0, 2.0])).max
    tensor(3.)
    """
    dims = dims_of(dim, input._array.ndim)
    check_not_empty("aminmax", input, dims)
    return named("aminmax", "min", "max")(
        (_amin(input, dims, keepdim), _amax(input, dims, keepdim))
    )


def _choice(name: str, ufunc: Any, arg: str) -> Any:
    """Declares ``max`` or ``min`` along one dimension, with the first place where it stands."""

    def rule(input: Tensor, dim: int, keepdim: bool) -> tuple[Spec, Spec]:
        _check_order(name, input)
        check_not_empty(name, input, (dim,) if input._array.ndim else None)
        shape = reduced(input._array.shape, (dim,), keepdim)
        return Spec(shape, input.dtype), Spec(shape, dtypes.int64)

    rule.__name__ = f"_{name}_dim"
    rule.__doc__ = f"`{name}` along one dimension counted from the front."
    function = primitive(
        node_name=f"{name.capitalize()}Backward0",
        checks="failure",
        outputs=("values", "indices"),
        differentiable=1,
    )(rule)

    @function.kernel("cpu", "cuda")
    def kernel(xp, x, dim, keepdim):
        if x.dtype.kind == "c":
            raise TypeError("complex numbers have no order")
        if not x.ndim:
            return x.copy(), xp.zeros((), _int64)
        values = ufunc.reduce(x, dim, None, None, keepdim)
        indices = xp.asarray(getattr(x, arg)(dim))
        return values, indices.reshape(values.shape)

    @function.vjp
    def vjp(g, input_shape, dim, keepdim, indices):
        return chosen_gradient(g[0], input_shape, dim, keepdim, indices)

    @function.oracle
    def oracle(x, dim, keepdim):
        sign = 1 if name == "min" else -1
        order = (
            np.argsort(sign * x, axis=dim, kind="stable") if x.ndim else np.zeros((1,), np.int64)
        )
        first = np.take(order, [0], axis=dim)
        values = np.take_along_axis(x, first, dim) if x.ndim else x
        shape = reduced(x.shape, (dim,), keepdim)
        return values.reshape(shape), first.reshape(shape)

    @function.samples
    def samples(make):
        yield call(make(3, 4), 1, False)
        yield call(make(3, 4, 2), 0, True)
        yield call(make(()), 0, False)
        yield call(make(0, 3), 1, False)

    @function.rejects
    def rejects(make):
        yield reject(IndexError, "to have non-zero size", make(0, 3), 0, False)

    return function


def chosen_gradient(
    g: Tensor, shape: tuple[int, ...], dim: int, keepdim: bool, indices: Tensor
) -> Tensor:
    """The gradient of an op that chose one element along ``dim``: all of it goes there."""
    from .gather import sum_gathered

    if not shape:
        return g
    if not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return sum_gathered(g, dim, indices, shape)


_max_dim = _choice("max", np.maximum, "argmax")
_min_dim = _choice("min", np.minimum, "argmin")


def _largest(
    name: str,
    whole: Any,
    along: Any,
    pair: Any,
    input: Tensor,
    dim: Any,
    keepdim: bool,
    names: dict,
) -> Any:
    """`max` and `min` in all their forms."""
    other = names.pop("other", None)
    if isinstance(dim, Tensor):
        dim, other = None, dim
    if other is not None:
        return pair(input, other)
    if names:
        dim, keepdim = numpy_names(name, dim, keepdim, names)
    if dim is None:
        _check_order(f"{name}_all", input, NotImplementedError)
        check_not_empty(name, input, None)
        return whole(input, None, False)
    if not hasattr(dim, "__index__"):
        raise TypeError(
            f"{name}() takes one dimension, an int, or a tensor to compare with, but got {type(dim).__name__}; "
            f"a{name} takes several dimensions"
        )
    return named(name, "values", "indices")(along(input, wrap_dim(dim, input._array.ndim), keepdim))


@exported("torch", "Tensor")
def max(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Any = None, **names: Any
) -> Any:
    """The largest element; along a dimension also where it stands; or the larger of each pair of two tensors.

    Args:
        dim: a dimension, or a tensor to compare with (as `maximum` does); by default all elements.
        keepdim: keep that dimension, with length 1.

    Returns:
        One element; with a dimension ``(values, indices)``, the index being that of the first of several equal ones.
        NaN counts as the largest.

    Raises:
        IndexError: there is no such dimension, or it has length 0.

    >>> x = rushlight.tensor([[1.0, 5.0], [3.0, 2.0]])
    >>> x.max()
    tensor(5.)
    >>> values, indices = x.max(1)
    >>> indices
    tensor([1, 0])
    """
    made = _largest("max", _amax, _max_dim, maximum, input, dim, keepdim, names)
    return made if out is None else _write_each(out, made)


@exported("torch", "Tensor")
def min(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Any = None, **names: Any
) -> Any:
    """The smallest element; along a dimension also where it stands; or the smaller of each pair of two tensors.

    Args:
        dim: a dimension, or a tensor to compare with (as `minimum` does); by default all elements.
        keepdim: keep that dimension, with length 1.

    Returns:
        One element; with a dimension ``(values, indices)``, the index being that of the first of several equal ones.
        NaN counts as the smallest.

    Raises:
        IndexError: there is no such dimension, or it has length 0.

    >>> rushlight.tensor([[1.0, 5.0], [3.0, 4.0]]).min(0).values
    tensor([1., 4.])
    """
    made = _largest("min", _amin, _min_dim, minimum, input, dim, keepdim, names)
    return made if out is None else _write_each(out, made)


def _write_each(out: Any, made: Any) -> Any:
    if isinstance(made, tuple):
        return type(made)([write_out(o, m) for o, m in zip(out, made)])
    return write_out(out, made)


def _place(name: str) -> Any:
    """Declares ``argmax`` or ``argmin``."""

    def rule(input: Tensor, dim: Any, keepdim: bool) -> Spec:
        _check_order(name, input)
        if input.dtype is dtypes.bool_:
            raise RuntimeError(f"{name}(): does not support bool input")
        check_not_empty(name, input, None if dim is None or not input._array.ndim else (dim,))
        dims = None if dim is None else (dim,)
        return Spec(reduced(input._array.shape, dims, keepdim), dtypes.int64)

    rule.__name__ = f"_{name}"
    rule.__doc__ = (
        f"`{name}` with the dimension counted from the front, or None for all elements in order."
    )
    function = primitive(checks="failure")(rule)

    @function.kernel("cpu", "cuda")
    def kernel(xp, x, dim, keepdim):
        if x.dtype.kind in "cb":
            raise TypeError("no order")
        found = xp.asarray(getattr(x, name)(dim if x.ndim else None), _int64)
        return (
            found.reshape(reduced(x.shape, None if dim is None else (dim,), True))
            if keepdim
            else found
        )

    @function.oracle
    def oracle(x, dim, keepdim):
        flat = x.reshape(-1) if dim is None or not x.ndim else x
        axis = 0 if flat.ndim == 1 else dim
        order = np.argsort(flat if name == "argmin" else -flat, axis=axis, kind="stable")
        return np.take(order, 0, axis=axis).reshape(
            reduced(x.shape, None if dim is None else (dim,), keepdim)
        )

    @function.samples
    def samples(make):
        yield call(make(3, 4), None, False)
        yield call(make(3, 4), 1, True)
        yield call(make(3, 4, 2), 0, False)
        yield call(make(()), None, False)
        yield call(make(5), None, True)

    @function.rejects
    def rejects(make):
        yield reject(IndexError, "input.numel() == 0", make(0, 3), None, False)
        yield reject(IndexError, "to have non-zero size", make(0, 3), 0, False)
        yield reject(
            RuntimeError, "does not support bool", make(3, dtype=dtypes.bool_), None, False
        )

    return function


_argmax = _place("argmax")
_argmin = _place("argmin")


@exported("torch", "Tensor")
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False, **names: Any) -> Tensor:
    """Where the largest element stands: the first place of several equal ones.

    Args:
        dim: along which dimension; by default the place among all elements in order.
        keepdim: keep that dimension, with length 1.

    Returns:
        int64.

    Raises:
        IndexError: there is no such dimension, or there are no elements to choose from.

    >>> rushlight.tensor([[1.0, 5.0], [3.0, 2.0]]).argmax(1)
    tensor([1, 0])
    """
    if names:
        dim, keepdim = numpy_names("argmax", dim, keepdim, names)
    return _argmax(input, None if dim is None else wrap_dim(dim, input._array.ndim), keepdim)


@exported("torch", "Tensor")
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False, **names: Any) -> Tensor:
    """Where the smallest element stands: the first place of several equal ones.

    Args:
        dim: along which dimension; by default the place among all elements in order.
        keepdim: keep that dimension, with length 1.

    Returns:
        int64.

    Raises:
        IndexError: there is no such dimension, or there are no elements to choose from.

    >>> rushlight.tensor([[1.0, 5.0], [3.0, 2.0]]).argmin(1)
    tensor([0, 1])
    """
    if names:
        dim, keepdim = numpy_names("argmin", dim, keepdim, names)
    return _argmin(input, None if dim is None else wrap_dim(dim, input._array.ndim), keepdim)
