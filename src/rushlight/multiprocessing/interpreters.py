"""New interpreters begin like this one.

They send tensors as this one does, even if nothing in them imports this package; and where ``import torch``
means Rushlight here, it does there, before the program is imported.
"""

from __future__ import annotations

import functools
import importlib
import sys
from multiprocessing import spawn
from typing import Any

FINDER = "rushlight.compat.finder"


class _Beginning:
    """What `begin` does where it is unpickled."""

    def __reduce__(self) -> tuple:
        finder = sys.modules.get(FINDER)
        kinds = [type(found) for found in sys.meta_path]
        return begin, (finder is not None and finder.AliasFinder in kinds,)


def begin(with_finder: bool) -> None:
    """Makes this interpreter like the one that has started it. To be found, it has imported the package."""
    if with_finder:
        importlib.import_module(FINDER).install()


def prepare_interpreters() -> None:
    """Lets processes that are not forked `begin` before all else."""
    prepare = spawn.get_preparation_data
    if hasattr(prepare, "__wrapped__"):
        return

    @functools.wraps(prepare)
    def prepare_beginning(name: str) -> dict[str, Any]:
        # First: what is unpickled after it may need it.
        return {"rushlight": _Beginning(), **prepare(name)}

    spawn.get_preparation_data = prepare_beginning
