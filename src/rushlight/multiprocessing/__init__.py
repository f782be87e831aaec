"""The standard ``multiprocessing``, with tensors that go to other processes as shared memory.

Importing it is enough: queues, pipes and the arguments of processes then carry tensors without copying
them. `Tensor.share_memory_` and `Module.share_memory` let processes change the same values.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403 - the whole of it is part of this module

from . import reductions
from .interpreters import prepare_interpreters
from .reductions import init_reductions
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *multiprocessing.__all__,
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "init_reductions",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]

_STRATEGIES = frozenset({"file_descriptor", "file_system"})
_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` takes.

    >>> sorted(get_all_sharing_strategies())
    ['file_descriptor', 'file_system']
    """
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """The name that was set last.

    >>> get_sharing_strategy()
    'file_descriptor'
    """
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepts the name of a strategy; there is one way here, without the limits that call for another.

    A received tensor keeps no file open, and no file with a name exists that could stay behind.

    Raises:
        AssertionError: there is no such strategy.
    """
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise AssertionError(
            f"invalid sharing strategy {new_strategy!r}, expected one of {sorted(_STRATEGIES)}"
        )
    _strategy = new_strategy


init_reductions()
prepare_interpreters()
