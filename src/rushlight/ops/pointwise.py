"""Ops on each element, or on pairs of elements that broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import exported
from ..tensor import Tensor
from .family import binary, unary

_add = binary(
    "_add", np.add, "``input + other``.",
    vjp=(lambda g: g, lambda g: g), places=(), node_name="AddBackward0", layout=True,
)  # fmt: skip
_mul = binary(
    "_mul", np.multiply, "``input * other``.",
    vjp=(lambda g, other: g * other, lambda g, input: g * input), places=(), node_name="MulBackward0", layout=True,
)  # fmt: skip
Tensor.__add__ = _add.op.as_operator()
Tensor.__radd__ = Tensor.__add__
Tensor.__mul__ = _mul.op.as_operator()
Tensor.__rmul__ = Tensor.__mul__


@exported("torch", "Tensor")
def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``."""
    return _add(input, other if alpha == 1 else other * alpha)


@exported("Tensor")
def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """`add`, written into this tensor."""
    return _add.op.inplace(self, other if alpha == 1 else other * alpha)
