"""Checkpoint files in PyTorch's format, safe by default.

- `archive`: the zip file that holds them.
- `tensors`: tensors as views of storages, checked.
- `names`: PyTorch's names in pickles, and what stands for them here.
- `pickler`, `unpickler`: both directions of the pickle.
- `foreign`: what a file is that is no checkpoint.
- `checkpoint`: ``save`` and ``load``.
"""

from .checkpoint import load, save
from .unpickler import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]
