"""Tensors of random values for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..random import default_generator
from ..tensor import Tensor, wrap


def make_tensor(
    *shape: Any,
    dtype: dtypes.dtype,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of uniformly distributed values.

    Args:
        shape: ints, or one tuple of them.
        low, high: the range; by default -9 to 9, 0 to 9 for uint8, 0 to 1 for bool.
        noncontiguous: give a tensor whose elements are not neighbours in memory.
        exclude_zero: no element is 0.

    >>> make_tensor(2, 3, dtype=rushlight.float32, low=0, high=1).shape
    torch.Size([2, 3])
    """
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    low = (0 if dtype in (dtypes.uint8, dtypes.bool_) else -9) if low is None else low
    high = (
        (2 if dtype is dtypes.bool_ else 10 if dtype.rank == dtypes.INTEGRAL else 9)
        if high is None
        else high
    )
    draw = np.random.default_rng(default_generator.engine.next64())
    made = (*size[:-1], size[-1] * 2) if noncontiguous and size else size
    if dtype.rank <= dtypes.INTEGRAL:
        array = draw.integers(int(low), int(high), made).astype(dtype.numpy)
    else:
        array = draw.uniform(low, high, made)
        if dtype.is_complex:
            array = array + 1j * draw.uniform(low, high, made)
        array = array.astype(dtype.numpy)
    if exclude_zero:
        array[array == 0] = 1
    if noncontiguous and size:
        array = array[..., ::2]
    out = wrap(np.asarray(array))
    return out.requires_grad_() if requires_grad else out
