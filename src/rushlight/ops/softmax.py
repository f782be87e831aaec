"""Softmax and its logarithm."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import state
from ..backend import native
from ..primitive import Spec, call, exported, like, primitive, reject
from ..tensor import Tensor
from .checks import floating_only
from .convert import as_dtype
from .family import computed_wide, write_out
from .view import wrap_dim

# The loops take one block of memory in any order of dimensions.
_COMPACT = "input.dtype is native.float32 and input.ndim > 0 and (input.flags.c_contiguous or native.dense(input))"
_COMPACT_GRADIENT = (
    "grad.dtype is native.float32 and saved.dtype is native.float32 and grad.ndim > 0 and "
    "(grad.flags.c_contiguous and saved.flags.c_contiguous or native.same_order(grad, saved))"
)


_HALF = "input.dtype in native.HALVES and input.ndim > 0 and input.size > 0"
_HALF_GRADIENT = "grad.dtype in native.HALVES and grad.ndim > 0 and native.same_order(grad, saved)"


def _add_wide(function: Any, kernel: Any, when: str) -> None:
    """Adds the extension's loop for half precision too, in float32."""
    run = computed_wide(lambda *arguments: kernel(np, *arguments))
    function.op.add_kernel("cpu", run, when=when, name="wide" + function.op.name)


def _checked(name: str, input: Tensor, dim: int) -> Spec:
    wrap_dim(dim, input._array.ndim)
    floating_only(name, input)
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"{name}\" not implemented for '{input.dtype.legacy}'")
    return like(input)


def _in_order(x: np.ndarray) -> np.ndarray:
    """``x``, contiguous unless it is channels-last, which PyTorch keeps too."""
    return (
        x
        if x.flags.c_contiguous or (x.ndim > 2 and native.is_channels_last(x))
        else np.ascontiguousarray(x)
    )


def _shifted(x: np.ndarray, dim: int) -> np.ndarray:
    """``x`` minus its largest element along ``dim``, in float32 or wider, so that no exponential overflows."""
    x = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    return x - np.maximum.reduce(x, dim, keepdims=True) if x.ndim else x - x


def _total(x: np.ndarray, dim: int) -> np.ndarray:
    return np.add.reduce(x, dim, keepdims=True) if x.ndim else x


@primitive(checks="failure", node_name="SoftmaxBackward0")
def _softmax(input: Tensor, dim: int) -> Spec:
    """`softmax` in the dtype of ``input``."""
    return _checked("softmax", input, dim)


@_softmax.kernel("cpu", "cuda")
def _softmax_kernel(xp, x, dim):
    if x.dtype.kind not in "fV":
        raise TypeError("only floating-point numbers have a softmax")
    if not x.size:
        if x.ndim and not -x.ndim <= dim < x.ndim:
            raise IndexError("there is no such dimension")
        return x.copy()
    e = xp.exp(_shifted(_in_order(x), dim))
    return (e / _total(e, dim)).astype(x.dtype, copy=False)


@_softmax.kernel("cpu", when=_COMPACT)
def _softmax_native(xp, x, dim):
    x = _in_order(x)
    out = xp.empty_like(x)
    native.extension.softmax(x, out, dim)
    return out


_add_wide(_softmax, _softmax_native, _HALF)


@_softmax.vjp
def _softmax_vjp(g, dim, out):
    if state.grad:
        return (g - (g * out).sum(dim, keepdim=True)) * out
    return _softmax_gradient(g, out, dim)


@primitive(checks="failure")
def _softmax_gradient(grad: Tensor, saved: Tensor, dim: int) -> Spec:
    """The gradient of `softmax` from its result, in one pass; used only while nothing records."""
    return like(grad)


@_softmax_gradient.kernel("cpu", "cuda")
def _softmax_gradient_kernel(xp, g, out, dim):
    wide = np.float32 if g.dtype.itemsize == 2 else g.dtype
    g, given, out = g.astype(wide, copy=False), g, out.astype(wide, copy=False)
    return ((g - _total(g * out, dim)) * out).astype(given.dtype, copy=False)


@_softmax_gradient.kernel("cpu", when=_COMPACT_GRADIENT)
def _softmax_gradient_native(xp, g, saved, dim):
    out = xp.empty_like(g)
    native.extension.softmax_backward(g, saved, out, dim)
    return out


_add_wide(_softmax_gradient, _softmax_gradient_native, _HALF_GRADIENT)


@_softmax_gradient.oracle
def _softmax_gradient_oracle(g, out, dim):
    g, out = np.moveaxis(g, dim, -1), np.moveaxis(out, dim, -1)
    jacobian = out[..., None] * (np.eye(out.shape[-1]) - out[..., None, :])
    return np.moveaxis((g[..., None, :] @ jacobian)[..., 0, :], -1, dim)


@_softmax_gradient.samples
def _softmax_gradient_samples(make):
    yield call(make(3, 4), make(3, 4), 1)
    yield call(make(3, 4, 2), make(3, 4, 2), -2)


def _dim_samples(make):
    yield call(make(3, 4), 1)
    yield call(make(3, 4, 2), -2)
    yield call(make(5, low=80, high=120), 0)
    yield call(make(()), 0)
    yield call(make(3, 0), 1)
    yield call(make(0, 3), 1)


def _dim_rejects(make):
    yield reject(IndexError, "Dimension out of range", make(3, 4), 2)
    yield reject(NotImplementedError, "not implemented for 'Long'", make(3, dtype=dtypes.int64), 0)


@_softmax.oracle
def _softmax_oracle(x, dim):
    e = np.exp(x - 100 * (x > 50))
    return e / np.sum(e, axis=dim, keepdims=True) if x.ndim else np.ones(())


_softmax.samples(_dim_samples)
_softmax.rejects(_dim_rejects)


@primitive(checks="failure", node_name="LogSoftmaxBackward0")
def _log_softmax(input: Tensor, dim: int) -> Spec:
    """`log_softmax` in the dtype of ``input``."""
    return _checked("log_softmax", input, dim)


@_log_softmax.kernel("cpu", "cuda")
def _log_softmax_kernel(xp, x, dim):
    if x.dtype.kind not in "fV":
        raise TypeError("only floating-point numbers have a softmax")
    if not x.size:
        if x.ndim and not -x.ndim <= dim < x.ndim:
            raise IndexError("there is no such dimension")
        return x.copy()
    shifted = _shifted(_in_order(x), dim)
    return (shifted - xp.log(_total(xp.exp(shifted), dim))).astype(x.dtype, copy=False)


@_log_softmax.kernel("cpu", when=_COMPACT)
def _log_softmax_native(xp, x, dim):
    x = _in_order(x)
    out = xp.empty_like(x)
    native.extension.log_softmax(x, out, dim)
    return out


_add_wide(_log_softmax, _log_softmax_native, _HALF)


@_log_softmax.vjp
def _log_softmax_vjp(g, dim, out):
    if state.grad:
        return g - out.exp() * g.sum(dim, keepdim=True)
    return _log_softmax_gradient(g, out, dim)


@primitive(checks="failure")
def _log_softmax_gradient(grad: Tensor, saved: Tensor, dim: int) -> Spec:
    """The gradient of `log_softmax` from its result, in one pass; used only while nothing records."""
    return like(grad)


@_log_softmax_gradient.kernel("cpu", "cuda")
def _log_softmax_gradient_kernel(xp, g, out, dim):
    wide = np.float32 if g.dtype.itemsize == 2 else g.dtype
    g, given, out = g.astype(wide, copy=False), g, out.astype(wide, copy=False)
    return (g - xp.exp(out) * _total(g, dim)).astype(given.dtype, copy=False)


@_log_softmax_gradient.kernel("cpu", when=_COMPACT_GRADIENT)
def _log_softmax_gradient_native(xp, g, saved, dim):
    out = xp.empty_like(g)
    native.extension.log_softmax_backward(g, saved, out, dim)
    return out


_add_wide(_log_softmax_gradient, _log_softmax_gradient_native, _HALF_GRADIENT)


@_log_softmax_gradient.oracle
def _log_softmax_gradient_oracle(g, out, dim):
    g, out = np.moveaxis(g, dim, -1), np.moveaxis(out, dim, -1)
    jacobian = np.eye(out.shape[-1]) - np.exp(out)[..., None, :]
    return np.moveaxis((g[..., None, :] @ jacobian)[..., 0, :], -1, dim)


_log_softmax_gradient.samples(_softmax_gradient_samples)


@_log_softmax.oracle
def _log_softmax_oracle(x, dim):
    e = np.exp(x - 100 * (x > 50))
    return np.log(e / np.sum(e, axis=dim, keepdims=True)) if x.ndim else np.zeros(())


_log_softmax.samples(_dim_samples)
_log_softmax.rejects(_dim_rejects)


def _applied(op: Any, input: Tensor, dim: Any, dtype: Any) -> Tensor:
    if dtype is not None:
        input = input.to(as_dtype(dtype))
    return op(input, dim)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def softmax(input: Tensor, dim: int, dtype: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Exponentials divided by their sum along a dimension: positive numbers that add up to 1.

    Args:
        input: any shape, floating dtype.
        dim: the dimension along which they add up.
        dtype: converts ``input`` first.

    Returns:
        The shape of ``input``.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: the dtype is not floating.

    >>> rushlight.softmax(rushlight.tensor([0.0, 0.0, 2.0]), 0)
    tensor([0.1065, 0.1065, 0.7870])
    """
    made = _softmax(input, dim) if dtype is None else _applied(_softmax, input, dim, dtype)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor", autocast={"cuda": "float32"})
def log_softmax(input: Tensor, dim: int, dtype: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of `softmax`, exact for small probabilities.

    Args:
        input: any shape, floating dtype.
        dim: the dimension along which the probabilities add up to 1.
        dtype: converts ``input`` first.

    >>> rushlight.log_softmax(rushlight.tensor([0.0, 0.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    made = _log_softmax(input, dim) if dtype is None else _applied(_log_softmax, input, dim, dtype)
    return made if out is None else write_out(out, made)


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        UserWarning,
        stacklevel=stacklevel + 2,
    )
    return 0 if input._array.ndim in (0, 1, 3) else 1


def _functional(name: str, op: Any, doc: str) -> Any:
    def function(
        input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Tensor:
        if dim is None:
            dim = _implicit_dim(name, input, _stacklevel - 2)
        return op(input, dim) if dtype is None else _applied(op, input, dim, dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return exported("nn.functional", autocast={"cuda": "float32"})(function)


_functional("softmax", _softmax, """`torch.softmax`.

    Args:
        dim: the dimension along which the results add up to 1; guessed, with a warning, if None.
        dtype: converts ``input`` first.

    >>> rushlight.nn.functional.softmax(rushlight.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """)  # fmt: skip
_functional("log_softmax", _log_softmax, """`torch.log_softmax`.

    Args:
        dim: the dimension along which the probabilities add up to 1; guessed, with a warning, if None.
        dtype: converts ``input`` first.

    >>> rushlight.nn.functional.log_softmax(rushlight.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """)  # fmt: skip
_functional("softmin", lambda input, dim: _softmax(-input, dim), """`softmax` of the negative values.

    Args:
        dim: the dimension along which the results add up to 1; guessed, with a warning, if None.
        dtype: converts ``input`` first.

    >>> rushlight.nn.functional.softmin(rushlight.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """)  # fmt: skip
