"""The functions behind the layers, and the rest of ``torch.nn.functional``."""

from __future__ import annotations

from ..primitive import EXPORTS

globals().update(EXPORTS["nn.functional"])
__all__ = sorted(EXPORTS["nn.functional"])
