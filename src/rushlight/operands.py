"""The dtype in which tensors and numbers meet, and numbers brought into it."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from . import dtypes
from .tensor import Tensor

Number = (int, float, complex, bool, np.number, np.bool_)
# The numbers that a floating array takes as they are.
PLAIN_NUMBERS = frozenset((int, float))


def result_type(*operands: Any) -> dtypes.dtype:
    """The dtype in which tensors and numbers meet, by PyTorch's rules.

    Args:
        operands: tensors and Python numbers.

    >>> result_type(rushlight.ones(2, dtype=rushlight.int32), 1.5)
    torch.float32
    """
    dimensioned, zero_dim, plain = [], [], []
    for operand in operands:
        if isinstance(operand, Tensor):
            (dimensioned if operand._array.ndim else zero_dim).append(operand.dtype)
        else:
            plain.append(dtypes.of_number(operand))
    return dtypes.join(dimensioned, zero_dim, plain)


def fit_number(value: Any, target: dtypes.dtype) -> Any:
    """A Python number as an operand of ``target``: integers wrap around as in PyTorch."""
    if target.rank == dtypes.INTEGRAL:
        bits = target.itemsize * 8
        value = int(value) & ((1 << bits) - 1)
        if target.is_signed and value >= 1 << (bits - 1):
            value -= 1 << bits
        return value
    if target.rank == dtypes.BOOLEAN:
        return bool(value)
    if target.rank == dtypes.FLOATING:
        return float(value) if isinstance(value, numbers.Real) else value
    return complex(value)


def rounded_number(value: Any, target: dtypes.dtype) -> Any:
    """A number as a tensor of half precision would hold it; itself beside any other dtype."""
    if target.rank == dtypes.FLOATING and target.itemsize == 2 and value is not None:
        return float(target.numpy.type(value))
    return value
