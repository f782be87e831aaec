"""Which worker process this is."""

from __future__ import annotations

from typing import Any

# What a worker process sets when it begins.
current: Any = None


def get_worker_info() -> Any:
    """In a worker process, which one it is; None in the main process.

    An ``IterableDataset`` asks for it to give each worker its share of the samples:

    >>> class Range(rushlight.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         info = get_worker_info()
    ...         first, step = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter(range(first, 6, step))
    >>> list(Range())
    [0, 1, 2, 3, 4, 5]
    """
    return current
