"""Ops on three operands: sums of products, points on a line."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Number, Spec, call, exported, primitive, reject, result_type
from ..tensor import Tensor
from .checks import broadcast, floating_only, no_bool
from .family import computed_wide, conj, plain_kernel, write_out


def _common(name: str, *tensors: Tensor) -> Spec:
    shape: tuple[int, ...] = ()
    for x in tensors:
        shape = broadcast(shape, x._array.shape)
    return Spec(shape, result_type(*tensors))


def _three_alike(x: np.ndarray, y: np.ndarray, z: np.ndarray, value: float) -> bool:
    return x.size > 16383 and native.same_order(x, y) and native.same_order(x, z)


def _ternary(opcode: str) -> Any:
    code = native.extension.TERNARY[opcode]

    def run(xp, x, y, z, value, out=None):
        if out is None:
            out = xp.empty_like(x)
        native.extension.ternary(code, x, y, z, out, value)
        return out

    run.__name__ = "native_" + opcode
    return run


@primitive(promote="same", checks="failure", inplace=True, node_name="AddcmulBackward0")
def _addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: float) -> Spec:
    """``input + value * tensor1 * tensor2``."""
    no_bool("addcmul", input, tensor1, tensor2)
    return _common("addcmul", input, tensor1, tensor2)


def _addcmul_kernel(x, y, z, value):
    if x.dtype.kind == "b":
        raise TypeError("bools")
    return x + (y * z if value == 1 else y * value * z)


plain_kernel(_addcmul, computed_wide(_addcmul_kernel))

_addcmul.kernel("cpu", when=_three_alike, writes=True)(_ternary("addcmul"))
_addcmul.vjp(
    input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * conj(tensor2 * value),
    tensor2=lambda g, tensor1, value: g * conj(tensor1 * value),
)


@_addcmul.oracle
def _addcmul_oracle(x, y, z, value):
    return x - -value * z * y


@_addcmul.samples
def _addcmul_samples(make):
    yield call(make(3, 4), make(3, 4), make(3, 4), 2.5)
    yield call(make(3, 1), make(4), make(()), 1)


@exported("torch", "Tensor")
def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 * tensor2``.

    >>> one = rushlight.ones(2)
    >>> rushlight.addcmul(one, rushlight.tensor([1.0, 2.0]), rushlight.tensor([3.0, 4.0]), value=0.5)
    tensor([2.5000, 5.0000])
    """
    made = _addcmul(input, tensor1, tensor2, value)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def addcmul_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """`addcmul`, written into this tensor, which is returned."""
    return _addcmul.op.inplace(self, tensor1, tensor2, value)


@primitive(promote="same", checks="failure", inplace=True, node_name="AddcdivBackward0")
def _addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: float) -> Spec:
    """``input + value * tensor1 / tensor2``."""
    if tensor1.dtype.rank < dtypes.FLOATING and tensor2.dtype.rank < dtypes.FLOATING:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported: make one of them floating, or write "
            "input + value * torch.div(tensor1, tensor2, rounding_mode='trunc')"
        )
    return _common("addcdiv", input, tensor1, tensor2)


def _addcdiv_kernel(x, y, z, value):
    if x.dtype.kind in "iub":
        raise TypeError("integers")
    return x + (y / z if value == 1 else y * value / z)


plain_kernel(_addcdiv, computed_wide(_addcdiv_kernel))
_addcdiv.kernel("cpu", when=_three_alike, writes=True)(_ternary("addcdiv"))
_addcdiv.vjp(
    input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * conj(value / tensor2),
    tensor2=lambda g, tensor1, tensor2, value: -g * conj(tensor1 * value / tensor2 / tensor2),
)


@_addcdiv.oracle
def _addcdiv_oracle(x, y, z, value):
    return x - -value * y * z**-1.0


@_addcdiv.samples
def _addcdiv_samples(make):
    yield call(make(3, 4), make(3, 4), make(3, 4, low=0.5, high=2), 2.5)
    yield call(make(3, 1), make(4), make((), low=0.5, high=2), 1)


@_addcdiv.rejects
def _addcdiv_rejects(make):
    whole = make(3, dtype=dtypes.int64, low=1, high=5)
    yield reject(RuntimeError, "Integer division with addcdiv", whole, whole, whole, 1)


@exported("torch", "Tensor")
def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 / tensor2``.

    Raises:
        RuntimeError: both ``tensor1`` and ``tensor2`` are integral.

    >>> one = rushlight.ones(2)
    >>> rushlight.addcdiv(one, rushlight.tensor([1.0, 2.0]), rushlight.tensor([2.0, 4.0]))
    tensor([1.5000, 1.5000])
    """
    made = _addcdiv(input, tensor1, tensor2, value)
    return made if out is None else write_out(out, made)


@exported("Tensor")
def addcdiv_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """`addcdiv`, written into this tensor, which is returned."""
    return _addcdiv.op.inplace(self, tensor1, tensor2, value)


@primitive("torch", "Tensor", inplace=True, node_name="LerpBackward0")
def lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Spec:
    """The point between ``input`` (weight 0) and ``end`` (weight 1).

    Args:
        input, end: shapes that broadcast, one floating dtype.
        weight: a number, or a tensor of the same dtype that broadcasts.

    Raises:
        RuntimeError: the dtypes differ.
        NotImplementedError: they are not floating.

    >>> rushlight.lerp(rushlight.tensor([0.0, 10.0]), rushlight.tensor([10.0, 20.0]), 0.3)
    tensor([ 3., 13.])
    """
    for name, x in (("end", end), ("weight", weight)):
        if isinstance(x, Tensor) and x.dtype is not input.dtype:
            raise RuntimeError(f"expected dtype {input.dtype} for `{name}` but got dtype {x.dtype}")
    if input.dtype.rank < dtypes.FLOATING:
        floating_only("lerp", input)
    shape = broadcast(input._array.shape, end._array.shape)
    return Spec(
        broadcast(shape, weight._array.shape) if isinstance(weight, Tensor) else shape, input.dtype
    )


def _lerp(x, y, w):
    # From the nearer end, so that weight 1 gives that end exactly.
    if not isinstance(w, np.ndarray):
        return x + w * (y - x) if abs(w) < 0.5 else y - (y - x) * (1 - w)
    return np.where(np.abs(w) < 0.5, x + w * (y - x), y - (y - x) * (1 - w)).astype(x.dtype)


plain_kernel(lerp, computed_wide(_lerp))
lerp.vjp(
    input=lambda g, weight: g * conj(1 - weight),
    end=lambda g, weight: g * conj(weight),
    weight=lambda g, input, end: g * conj(end - input),
)


@lerp.oracle
def _lerp_oracle(x, y, w):
    return x * (1 - w) + y * w


@lerp.samples
def _lerp_samples(make):
    yield call(make(3, 4), make(3, 4), 0.3)
    yield call(make(3, 1), make(4), 0.8)
    yield call(make(3, 4), make(4), make(3, 4, low=0, high=1))


@lerp.rejects
def _lerp_rejects(make):
    yield reject(RuntimeError, "expected dtype", make(3), make(3, dtype=dtypes.float16), 0.5)
