"""Comparing tensors up to rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..ops.creation import as_tensor
from ..tensor import Tensor, values_of

# PyTorch's tolerances: relative and absolute.
TOLERANCES = {
    dtypes.float16: (1e-3, 1e-5), dtypes.bfloat16: (1.6e-2, 1e-5), dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7), dtypes.complex64: (1.3e-6, 1e-5), dtypes.complex128: (1e-7, 1e-7),
}  # fmt: skip


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """Passes if both are equal up to rounding: tensors, numbers, or sequences and mappings of them.

    Args:
        rtol, atol: the relative and absolute tolerance, both or neither; by default those of the dtype.
        equal_nan: whether NaN equals NaN.
        msg: the text of the error, or a function that makes it from the text we would give.

    Raises:
        AssertionError: naming how many elements differ, and the largest differences with their places.
        ValueError: only one tolerance is given.

    >>> assert_close(rushlight.tensor([1.0]), rushlight.tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "rtol and atol must both be specified or both be unspecified, "
            f"but got rtol={rtol} and atol={atol}"
        )
    try:
        _compare(
            actual, expected, "", rtol, atol, equal_nan, check_dtype, check_device, check_stride
        )
    except AssertionError as error:
        text = str(error)
        raise AssertionError(msg(text) if callable(msg) else text if msg is None else msg) from None


def _compare(
    actual, expected, where, rtol, atol, equal_nan, check_dtype, check_device, check_stride
):
    rest = (rtol, atol, equal_nan, check_dtype, check_device, check_stride)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        if set(actual) != set(expected):
            raise AssertionError(
                f"The keys of the mappings do not match:{where}\n"
                f"missing: {sorted(map(str, set(expected) - set(actual)))}, "
                f"unexpected: {sorted(map(str, set(actual) - set(expected)))}"
            )
        for key in expected:
            _compare(actual[key], expected[key], f"{where}[{key!r}]", *rest)
        return
    plain = (str, bytes, Tensor, np.ndarray)
    if (
        isinstance(expected, Sequence)
        and isinstance(actual, Sequence)
        and not isinstance(expected, plain)
    ):
        if len(actual) != len(expected):
            raise AssertionError(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}{where}"
            )
        for i, (a, b) in enumerate(zip(actual, expected)):
            _compare(a, b, f"{where}[{i}]", *rest)
        return
    if actual is None and expected is None:
        return
    numbers = not isinstance(actual, (Tensor, np.ndarray)) and not isinstance(
        expected, (Tensor, np.ndarray)
    )
    a, b = as_tensor(actual), as_tensor(expected)
    _compare_tensors(
        a, b, where, rtol, atol, equal_nan, check_dtype and not numbers, check_device, check_stride
    )


def _compare_tensors(a, b, where, rtol, atol, equal_nan, check_dtype, check_device, check_stride):
    at = f" at {where}" if where else ""
    if a.shape != b.shape:
        raise AssertionError(
            f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}.{at}"
        )
    if check_device and a.device != b.device:
        raise AssertionError(
            f"The values for attribute 'device' do not match: {a.device} != {b.device}.{at}"
        )
    if check_dtype and a.dtype is not b.dtype:
        raise AssertionError(
            f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}.{at}"
        )
    if check_stride and a.stride() != b.stride():
        raise AssertionError(
            f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}.{at}"
        )
    if rtol is None:
        pairs = [TOLERANCES.get(x.dtype, (0.0, 0.0)) for x in (a, b)]
        rtol, atol = (max(values) for values in zip(*pairs))
    x, y = (
        values_of(t.detach()).astype(np.complex128 if t.is_complex() else np.float64)
        if t.dtype.rank >= dtypes.FLOATING
        else values_of(t)
        for t in (a, b)
    )
    close = np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if close.all():
        return
    with np.errstate(all="ignore"):
        difference = np.abs(np.subtract(x, y, dtype=np.result_type(x, y, np.float64)))
        relative = difference / np.abs(y)
    worst = _place(np.where(close, -1, np.nan_to_num(difference, nan=np.inf)))
    worst_relative = _place(np.where(close, -1, np.nan_to_num(relative, nan=np.inf)))
    count = int((~close).sum())
    raise AssertionError(
        f"Tensor-likes are not close!{at}\n\nMismatched elements: {count} / {close.size} "
        f"({100 * count / close.size:.1f}%)\n"
        f"Greatest absolute difference: {difference[worst]} at index {worst} (up to {atol} allowed)\n"
        f"Greatest relative difference: {relative[worst_relative]} at index {worst_relative} (up to {rtol} allowed)"
    )


def _place(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(values.argmax()), values.shape))


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: Any = None,
) -> None:
    """The old name of `assert_close`, which does not compare dtypes."""
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_dtype=False,
        check_device=False,
        msg=msg,
    )
