"""Linear algebra: what ``torch.linalg`` has of the ops that are here."""

from __future__ import annotations

from .ops.matmul import matmul
from .primitive import EXPORTS

globals().update(EXPORTS["linalg"])
__all__ = ["matmul", *sorted(EXPORTS["linalg"])]
