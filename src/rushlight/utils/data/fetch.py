"""Reading a dataset: the batch that belongs to what a sampler yielded."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import rows
from .collate import default_collate
from .dataset import IterableDataset
from .errors import note


class Source:
    """One reading of a dataset, by index or one sample after the other.

    Args:
        dataset: what to read.
        auto_collation: whether a sampler yields lists of indices, of which batches are made.
        collate_fn: makes the batch.
        drop_last: whether a last batch of an iterable dataset that would be smaller is left out.
    """

    def __init__(
        self,
        dataset: Any,
        auto_collation: bool,
        collate_fn: Callable[[Any], Any],
        drop_last: bool,
    ):
        self._dataset = dataset
        self._auto_collation = auto_collation
        self._collate_fn = collate_fn
        self._drop_last = drop_last
        self._ended = False
        self._samples = iter(dataset) if isinstance(dataset, IterableDataset) else None
        self._rows = takes_rows(dataset, auto_collation, collate_fn)

    def fetch(self, index: Any) -> Any:
        """The batch (or the sample) of what the sampler yielded.

        Raises:
            StopIteration: an iterable dataset has no more.
        """
        batch = rows.taken(self._dataset, index) if self._rows else None
        if batch is not None:
            return batch
        if self._samples is not None:
            if self._auto_collation:
                return self._collate_fn(self._next_samples(len(index)))
            return self._collate_fn(next(self._samples))
        if not self._auto_collation:
            return self._collate_fn(_sample(self._dataset, index))
        if isinstance(index, slice):
            index = list(range(index.start, index.stop))
        elif isinstance(index, np.ndarray):
            index = index.tolist()
        samples = _samples_at(self._dataset, index)
        try:
            return self._collate_fn(samples)
        except Exception as error:
            note(error, f"while the samples {list(index)} of the dataset were made into a batch")
            raise

    def _next_samples(self, count: int) -> list:
        """The next samples of an iterable dataset.

        Raises:
            StopIteration: there are none left, or too few for a batch with ``drop_last``.
        """
        samples = [] if self._ended else list(itertools.islice(self._samples, count))
        self._ended = len(samples) < count
        if not samples or (self._ended and self._drop_last):
            raise StopIteration
        return samples


def takes_rows(dataset: Any, auto_collation: bool, collate_fn: Any) -> bool:
    """Whether batches are taken by the short road of `rows`."""
    return auto_collation and collate_fn is default_collate and rows.are_all_of(dataset)


def _sample(dataset: Any, index: Any) -> Any:
    try:
        return dataset[index]
    except Exception as error:
        note(error, f"while sample {index!r} of {type(dataset).__name__} was read")
        raise


def _samples_at(dataset: Any, indices: Any) -> list:
    if not callable(getattr(dataset, "__getitems__", None)):
        return [_sample(dataset, index) for index in indices]
    try:
        return dataset.__getitems__(indices)
    except Exception as error:
        note(error, f"while the samples {list(indices)} of {type(dataset).__name__} were read")
        raise
