"""Small changes to many tensors at once, such as all parameters of a model or all gradients.

Where the extension knows the dtype, all tensors are changed in one pass over their memory, on all
threads; the others one by one, by the ops that do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import config
from .autograd.modes import no_grad
from .backend.native import extension, float32
from .tensor import Tensor

float64 = np.dtype(np.float64)


@no_grad()
def lerp_all(tensors: Sequence[Tensor], ends: Sequence[Tensor], weight: float) -> None:
    """Moves every tensor, in place, by the part ``weight`` of the way to the one of ``ends`` at its place."""
    _change("extra", extension.PROGRAM_EXTRA["lerp"], weight, 0.0, _lerp, tensors, ends)


def _lerp(weight: float, _: float, tensor: Tensor, end: Tensor) -> None:
    tensor.lerp_(end, weight)


@no_grad()
def scale_all(tensors: Sequence[Tensor], factor: float) -> None:
    """Multiplies every tensor, in place."""
    _change("unary", extension.UNARY["affine"], factor, 0.0, _scale, tensors)


def _scale(factor: float, _: float, tensor: Tensor) -> None:
    tensor.mul_(factor)


@no_grad()
def clamp_all(tensors: Sequence[Tensor], low: float, high: float) -> None:
    """Brings every element of every tensor, in place, to between ``low`` and ``high``."""
    _change("unary", extension.UNARY["clamp"], low, high, _clamp, tensors)


def _clamp(low: float, high: float, tensor: Tensor) -> None:
    tensor.clamp_(low, high)


def _change(
    family: str, code: int, a: float, b: float, one: Callable, *lists: Sequence[Tensor]
) -> None:
    joined, alone = [], []
    fast = config.KERNELS.read() == "fast"
    for row in zip(*lists):
        (joined if fast and _runs(row) else alone).append(row)
    if not _in_one_pass(family, code, a, b, joined):
        alone += joined
    for row in alone:
        one(a, b, *row)


def _runs(row: Sequence[Tensor]) -> bool:
    """Whether the extension takes the tensors of a row."""
    first = row[0]._array
    if type(first) is not np.ndarray or not (first.dtype is float32 or first.dtype is float64):
        return False
    return all([x._array.dtype is first.dtype and x._array.shape == first.shape for x in row])


def _in_one_pass(family: str, code: int, a: float, b: float, rows: list[tuple]) -> bool:
    # A tensor that is listed twice must be changed twice, one after the other.
    if not rows or len({id(row[0]) for row in rows}) < len(rows):
        return False
    instruction = (extension.PROGRAM_FAMILIES[family], code, 0, 0, len(rows[0]) - 1, 0, a, b)
    operands = [[x._array for x in column] for column in zip(*rows)]
    try:
        extension.run_program([instruction], operands, 1, 0)
    except ValueError:
        return False  # memory that a tensor shares with its row, or that must not be written to
    for row in rows:
        _count_write(row[0])
    return True


def _count_write(x: Tensor) -> None:
    if x._counter is None:
        x._counter = [1]
    else:
        x._counter[0] += 1
