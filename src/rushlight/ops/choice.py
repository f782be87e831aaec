"""Ops that choose between values: `where`, the larger and the smaller of two, limits."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import native
from ..operands import rounded_number
from ..primitive import Spec, call, exported, fit_number, like, primitive, reject, result_type
from ..tensor import Tensor, wrap
from .checks import broadcast, no_bool, no_complex
from .family import binary, constant, gradient, refuse, write_out

# ---- where ------------------------------------------------------------------------------------------


@primitive(node_name="WhereBackward0", checks="failure")
def _where(condition: Tensor, input: Tensor, other: Tensor) -> Spec:
    """`where` for a bool tensor and two tensors of one dtype."""
    shape = broadcast(input._array.shape, other._array.shape)
    return Spec(broadcast(condition._array.shape, shape), input.dtype)


@_where.kernel("cpu", "cuda")
def _where_kernel(xp, condition, x, y):
    return xp.where(condition, x, y)


@_where.kernel(
    "cpu", when="condition.size > 4096 and input.dtype.kind in 'fiu' and input.dtype.itemsize >= 4"
)
def _where_mixed(xp, condition, x, y):
    """Bit by bit, because NumPy's own `where` branches, and a mask without a pattern is mispredicted."""
    kind = x.dtype
    whole = np.dtype(f"i{kind.itemsize}")
    mask = xp.negative(condition.view(np.int8).astype(whole))
    x, y = x.view(whole), y.view(whole)
    mixed = xp.bitwise_xor(x, y)
    if mixed.shape == mask.shape and mixed.strides == mask.strides:
        xp.bitwise_and(mixed, mask, out=mask)
    else:
        mask = mixed & mask
    if mask.shape == xp.broadcast_shapes(mask.shape, y.shape):
        return xp.bitwise_xor(mask, y, out=mask).view(kind)
    return (mask ^ y).view(kind)


_where.vjp(
    input=lambda g, condition: where(condition, g, 0.0),
    other=lambda g, condition: where(condition, 0.0, g),
)


@_where.oracle
def _where_oracle(condition, x, y):
    return np.choose(condition.astype(int), [y, x])


@_where.samples
def _where_samples(make):
    yield call(make(3, 4, dtype=dtypes.bool_), make(3, 4), make(3, 4))
    yield call(make(3, 1, dtype=dtypes.bool_), make(4), make(()))
    yield call(make(0, 4, dtype=dtypes.bool_), make(0, 4), make(4))


@_where.rejects
def _where_rejects(make):
    yield reject(
        RuntimeError, "must match the size", make(3, dtype=dtypes.bool_), make(4), make(())
    )


@exported("torch")
def where(
    condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None
) -> Any:
    """``input`` where ``condition`` is true, ``other`` elsewhere.

    Args:
        condition: a bool tensor.
        input, other: tensors or numbers; all three broadcast. Without them the answer is where ``condition``
            holds, as `nonzero` with ``as_tuple=True`` gives it.

    Returns:
        The shape to which all broadcast, in the common dtype of ``input`` and ``other``.

    Raises:
        RuntimeError: ``condition`` is not bool.

    >>> x = rushlight.tensor([1.0, -2.0])
    >>> rushlight.where(x > 0, x, 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if not isinstance(condition, Tensor):
        raise TypeError(
            f"where(): argument 'condition' (position 1) must be Tensor, not {type(condition).__name__}"
        )
    if condition._array.dtype.kind != "b":
        condition = _as_condition(condition)
    if not (
        type(input) is Tensor and type(other) is Tensor and input._array.dtype is other._array.dtype
    ):
        input, other = _in_common(input, other)
    made = _where(condition, input, other)
    return made if out is None else write_out(out, made)


def _as_condition(condition: Tensor) -> Tensor:
    if condition.dtype is not dtypes.uint8:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{condition.dtype.legacy}: compare it, as in condition != 0"
        )
    warnings.warn(
        "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future "
        "version of PyTorch. Use a boolean condition instead.",
        UserWarning,
        stacklevel=3,
    )
    return condition != 0


def _in_common(input: Any, other: Any) -> tuple[Tensor, Tensor]:
    """Two operands as tensors of their common dtype."""
    for name, x in (("input", input), ("other", other)):
        if not isinstance(x, (Tensor, bool, int, float, complex, np.number, np.bool_)):
            raise TypeError(
                f"where(): argument '{name}' must be Tensor or a number, not {type(x).__name__}"
            )
    target = result_type(input, other)
    return tuple(
        x.to(target)
        if isinstance(x, Tensor)
        else wrap(np.asarray(fit_number(x, target), target.numpy))
        for x in (input, other)
    )


@exported("Tensor")
def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor where ``condition`` is true, ``other`` elsewhere.

    >>> x = rushlight.tensor([1.0, -2.0])
    >>> x.where(x > 0, 0.0)
    tensor([1., 0.])
    """
    return where(condition, self, other)


Tensor.where = _where_method


# ---- the larger and the smaller ---------------------------------------------------------------------


def _no_complex(name: str, input: Any, other: Any) -> None:
    if result_type(input, other).is_complex:
        raise RuntimeError(f"{name} not implemented for complex tensors, which have no order")


def _of_larger(g, input, other):
    return where(input < other, 0.0, where(input == other, g / 2, g))


def _of_smaller(g, input, other):
    return where(input > other, 0.0, where(input == other, g / 2, g))


maximum = binary(
    "maximum", np.maximum, "The larger of two elements; NaN if one of them is.",
    vjp=(_of_larger, lambda g, input, other: _of_larger(g, other, input)),
    oracle=lambda x, y: (x + y + abs(x - y)) / 2, check=_no_complex, inplace=False,
    example="[1.0, 5.0], [3.0, 2.0] -> [3., 5.]",
)  # fmt: skip

minimum = binary(
    "minimum", np.minimum, "The smaller of two elements; NaN if one of them is.",
    vjp=(_of_smaller, lambda g, input, other: _of_smaller(g, other, input)),
    oracle=lambda x, y: (x + y - abs(x - y)) / 2, check=_no_complex, inplace=False,
    example="[1.0, 5.0], [3.0, 2.0] -> [1., 2.]",
)  # fmt: skip

fmax = binary(
    "fmax", np.fmax, "The larger of two elements; the other one if one of them is NaN.",
    vjp=(
        lambda g, input, other: where((input >= other) | (other != other), g, 0.0),
        lambda g, input, other: where((input >= other) | (other != other), 0.0, g),
    ),
    oracle=lambda x, y: (x + y + abs(x - y)) / 2, check=_no_complex, inplace=False,
    example="[1.0, 5.0], [3.0, 2.0] -> [3., 5.]",
)  # fmt: skip

fmin = binary(
    "fmin", np.fmin, "The smaller of two elements; the other one if one of them is NaN.",
    vjp=(
        lambda g, input, other: where((input <= other) | (other != other), g, 0.0),
        lambda g, input, other: where((input <= other) | (other != other), 0.0, g),
    ),
    oracle=lambda x, y: (x + y - abs(x - y)) / 2, check=_no_complex, inplace=False,
    example="[1.0, 5.0], [3.0, 2.0] -> [1., 2.]",
)  # fmt: skip


for _function in (maximum, minimum, fmax, fmin):
    refuse(_function, "c")


# ---- limits -----------------------------------------------------------------------------------------

_clamp_gradient = gradient(
    "_clamp_gradient", lambda g, x, low, high: np.where((x >= low) & (x <= high), g, g.dtype.type(0)),
    lambda g, x, low, high: where((x >= low) & (x <= high), g, 0.0),
    "clamp_backward", values=(-0.7, 0.9),
)  # fmt: skip


@primitive(checks="failure", inplace=True, node_name="ClampBackward1")
def _clamp(input: Tensor, min: Any, max: Any) -> Spec:
    """`clamp` to numbers of the kind of ``input``; None where there is no limit."""
    return like(input)


@_clamp.kernel("cpu", "cuda")
def _clamp_kernel(xp, x, low, high):
    out = x if low is None else xp.maximum(x, constant(low, x.dtype))
    # A high limit below the low one wins, as in PyTorch.
    return out if high is None else xp.minimum(out, constant(high, x.dtype))


@_clamp.kernel("cpu", when="input.size > 16383 and native.same_order(input, input)", writes=True)
def _clamp_native(xp, x, low, high, out=None):
    if out is None:
        out = xp.empty_like(x)
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    native.extension.unary(native.extension.UNARY["clamp"], x, out, low, high)
    return out


@_clamp.vjp
def _clamp_vjp(g, input, min, max):
    if min is None:
        min = -math.inf
    return _clamp_gradient(g, input, min, math.inf if max is None else max)


@_clamp.oracle
def _clamp_oracle(x, low, high):
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    return np.sort(np.stack([x, np.full_like(x, low), np.full_like(x, high)]), axis=0)[1]


@_clamp.samples
def _clamp_samples(make):
    yield call(make(3, 4), -0.7, 0.9)
    yield call(make(3, 4), None, 0.9)
    yield call(make(()), -0.7, None)
    yield call(make(0, 3), -0.7, 0.9)


def _limited(run: Any, input: Tensor, low: Any, high: Any) -> Tensor:
    """`clamp`, with ``run`` for numbers that the dtype of ``input`` holds."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"clamp(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    kind = input._array.dtype.kind
    plain = (type(low) in _NUMBERS or low is None) and (type(high) in _NUMBERS or high is None)
    if plain and input._array.dtype.itemsize == 2:
        low, high = (rounded_number(x, input.dtype) for x in (low, high))
    if plain and kind == "f" and not (low is None and high is None):
        return run(input, low, high)
    if low is None and high is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    low, high = (x.item() if isinstance(x, (np.number, np.bool_)) else x for x in (low, high))
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return _limited_by_tensors(input, low, high)
    from .write import element

    target = result_type(input, *[x for x in (low, high) if x is not None])
    given = [x for x in (low, high) if x is not None]
    no_complex("clamp", input, *given)
    no_bool("clamp", input, *given)
    inplace = run is not _clamp
    if target is not input.dtype:
        if inplace:
            raise RuntimeError(
                f"result type {target.legacy} can't be cast to the desired output type {input.dtype.legacy}"
            )
        input = input.to(target)
    return run(input, *[None if x is None else element(x, target) for x in (low, high)])


_NUMBERS = frozenset((int, float))


def _limited_by_tensors(input: Tensor, low: Any, high: Any) -> Tensor:
    for x in (low, high):
        if x is not None and not isinstance(x, Tensor):
            raise TypeError(
                "clamp() received an invalid combination of arguments: min and max must both be numbers or "
                f"both tensors, but one is {type(x).__name__}; make it a tensor with torch.tensor(...)"
            )
    operands = [x for x in (input, low, high) if x is not None]
    no_complex("clamp", *operands)
    target = result_type(*operands)
    input, low, high = (x if x is None else x.to(target) for x in (input, low, high))
    return _clamp_tensors(input, low, high)


@primitive(node_name="ClampBackward0", checks="failure")
def _clamp_tensors(input: Tensor, min: Tensor | None, max: Tensor | None) -> Spec:
    """`clamp` to tensors of one dtype."""
    shape = input._array.shape
    for x in (min, max):
        shape = shape if x is None else broadcast(shape, x._array.shape)
    return Spec(shape, input.dtype)


@_clamp_tensors.kernel("cpu", "cuda")
def _clamp_tensors_kernel(xp, x, low, high):
    out = x if low is None else xp.maximum(x, low)
    return out if high is None else xp.minimum(out, high)


def _clamp_low_vjp(g, input, min, max):
    inside = input < min
    return where(inside if max is None else inside & (min < max), g, 0.0)


def _clamp_high_vjp(g, input, min, max):
    outside = input > max
    return where(outside if min is None else outside | (max < min), g, 0.0)


def _clamp_input_vjp(g, input, min, max):
    inside = True
    if min is not None:
        inside = input >= min
    if max is not None:
        inside = (input <= max) & inside
    return where(inside, g, 0.0)


_clamp_tensors.vjp(input=_clamp_input_vjp, min=_clamp_low_vjp, max=_clamp_high_vjp)


@_clamp_tensors.oracle
def _clamp_tensors_oracle(x, low, high):
    low = -np.inf if low is None else low
    high = np.inf if high is None else high
    return np.where(x > high, high, np.where(x < low, low, x))


@_clamp_tensors.samples
def _clamp_tensors_samples(make):
    yield call(make(3, 4), make(4, low=-2, high=-0.5), make(3, 4, low=0.5, high=2))
    yield call(make(3, 4), None, make((), low=0.5, high=2))
    yield call(make(3, 1), make(4, low=-2, high=-0.5), None)


@exported("torch", "Tensor", names=("clip",))
def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Each element brought into the range from ``min`` to ``max``.

    Args:
        min, max: numbers, or tensors that broadcast; None leaves that side open. Where ``min`` is larger than
            ``max``, the result is ``max``.

    Returns:
        The shape of ``input``; NaN stays NaN.

    Raises:
        RuntimeError: both limits are None.
        TypeError: one limit is a number and the other a tensor.

    >>> rushlight.clamp(rushlight.tensor([-1.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    made = _limited(_clamp, input, min, max)
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor", names=("clip_",))
def clamp_(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """`clamp`, written into this tensor, which is returned."""
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        # What the gradient keeps must not be what is about to be overwritten.
        return self.copy_(_limited_by_tensors(self.clone(), min, max))
    return _limited(_clamp.op.inplace, self, min, max)


@exported("torch", "Tensor")
def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """`clamp` with a lower limit alone.

    >>> rushlight.clamp_min(rushlight.tensor([-1.0, 0.5]), 0)
    tensor([0.0000, 0.5000])
    """
    return clamp(input, min, out=out)


@exported("torch", "Tensor")
def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """`clamp` with an upper limit alone.

    >>> rushlight.clamp_max(rushlight.tensor([-1.0, 0.5]), 0)
    tensor([-1.,  0.])
    """
    return clamp(input, None, max, out=out)


@exported("torch", "Tensor")
def clamp_min_(self: Tensor, min: Any) -> Tensor:
    """`clamp_min`, written into this tensor, which is returned."""
    return clamp_(self, min)


@exported("torch", "Tensor")
def clamp_max_(self: Tensor, max: Any) -> Tensor:
    """`clamp_max`, written into this tensor, which is returned."""
    return clamp_(self, None, max)


# ---- replacing what is no finite number -------------------------------------------------------------


@primitive(inplace=True, node_name="NanToNumBackward0")
def _nan_to_num(input: Tensor, nan: float, posinf: float, neginf: float) -> Spec:
    """`nan_to_num` of floating values with all replacements given."""
    return like(input)


@_nan_to_num.kernel("cpu", "cuda")
def _nan_to_num_kernel(xp, x, nan, posinf, neginf):
    if x.dtype.kind == "c":
        out = xp.empty_like(x)
        out.real = _nan_to_num_kernel(xp, x.real, nan, posinf, neginf)
        out.imag = _nan_to_num_kernel(xp, x.imag, nan, posinf, neginf)
        return out
    out = x.copy(order="K")
    out[xp.isnan(x)] = nan
    out[x == xp.inf] = posinf
    out[x == -xp.inf] = neginf
    return out


@_nan_to_num.vjp
def _nan_to_num_vjp(g, input):
    return where(input.isfinite(), g, 0.0)


@_nan_to_num.oracle
def _nan_to_num_oracle(x, nan, posinf, neginf):
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@_nan_to_num.samples
def _nan_to_num_samples(make):
    yield call(make(3, 4), 0.0, 1.0, 2.0)
    yield call(make(()), 0.0, 1.0, 2.0)


def _replacements(input: Tensor, nan: Any, posinf: Any, neginf: Any) -> tuple[float, float, float]:
    limits = dtypes.finfo(input.dtype)
    return (
        0.0 if nan is None else nan,
        limits.max if posinf is None else posinf,
        limits.min if neginf is None else neginf,
    )


@exported("torch", "Tensor")
def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None,
    *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """NaN and infinities replaced by numbers.

    Args:
        nan: what stands for NaN.
        posinf, neginf: what stands for the infinities; by default the largest and smallest finite numbers.

    >>> rushlight.nan_to_num(rushlight.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    if input.dtype.rank < dtypes.FLOATING:
        made = input.clone()
    else:
        made = _nan_to_num(input, *_replacements(input, nan, posinf, neginf))
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def nan_to_num_(
    self: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """`nan_to_num`, written into this tensor, which is returned."""
    if self.dtype.rank < dtypes.FLOATING:
        return self
    return _nan_to_num.op.inplace(self, *_replacements(self, nan, posinf, neginf))
