"""The parts of this package under the names by which programs reach into PyTorch's."""

from __future__ import annotations

import importlib
from typing import Any

from . import collate


def __getattr__(name: str) -> Any:
    # What it needs is slow to import.
    if name == "worker":
        return importlib.import_module(f"{__name__}.worker")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
