"""One pass over a loader, in the main process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from ...random import engine_of
from .fetch import Source, takes_rows
from .sampler import index_arrays

_told: set[str] = set()


class _BaseDataLoaderIter:
    """What both ways of loading have in common."""

    def __init__(self, loader: Any):
        if loader.pin_memory:
            tell_once(
                "pin_memory",
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=5,
            )
        self._num_workers = loader.num_workers
        # PyTorch draws the seed of worker processes also where it starts none.
        self._base_seed = engine_of(loader.generator).next64() & (2**63 - 1)

    def _begin(self, loader: Any) -> None:
        """Begins a pass with what the loader's attributes say now."""
        self._dataset = loader.dataset
        self._index_sampler = loader._index_sampler
        self._num_yielded = 0
        self._length_told = loader._length_told
        self._indices: Iterator | None = None
        if takes_rows(loader.dataset, loader._auto_collation, loader.collate_fn):
            self._indices = index_arrays(self._index_sampler)
        if self._indices is None:
            self._indices = iter(self._index_sampler)

    def __iter__(self) -> Iterator:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        batch = self._next_batch()
        self._num_yielded += 1
        if self._length_told is not None and self._num_yielded == self._length_told + 1:
            self._tell_length()
        return batch

    def _next_batch(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _next_batch")

    def _tell_length(self) -> None:
        text = (
            f"Length of IterableDataset {self._dataset} was reported to make "
            f"{self._length_told} batches (when accessing len(dataloader)), but more are "
            "fetched; let its __len__ count what its __iter__ yields"
        )
        if self._num_workers > 0:
            text += (
                f". With {self._num_workers} workers each reads a copy of the dataset: let its "
                "__iter__ ask get_worker_info() for the share that is this worker's"
            )
        warnings.warn(text, stacklevel=3)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """A pass that loads in the main process."""

    def __init__(self, loader: Any):
        super().__init__(loader)
        self._begin(loader)
        self._source = Source(
            loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
        )

    def _next_batch(self) -> Any:
        return self._source.fetch(next(self._indices))


def tell_once(topic: str, text: str, stacklevel: int) -> None:
    """Warns, but of each topic only once."""
    if topic not in _told:
        _told.add(topic)
        warnings.warn(text, stacklevel=stacklevel)
