"""PyTorch's place for the handle that takes a registered hook away again."""

from ..hooks import RemovableHandle

__all__ = ["RemovableHandle"]
