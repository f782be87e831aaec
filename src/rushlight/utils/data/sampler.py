"""Samplers: the order in which a dataset is read.

The samplers of this file produce whole arrays of indices at a time (`index_blocks`); iterating over one
gives the same indices one by one as ints. Where a block begins is where random numbers are drawn, so
both ways of reading leave the generator in the same state.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from ...backend import random_streams as streams
from ...dtypes import float64
from ...ops.creation import as_tensor
from ...ops.random import multinomial
from ...random import engine_of
from ...tensor import values_of

T_co = TypeVar("T_co", covariant=True)

# With replacement, PyTorch draws this many indices at a time.
REPLACEMENT_BLOCK = 32


class Sampler(Generic[T_co]):
    """What yields indices of a dataset. Derive from it and define ``__iter__``.

    >>> class EvenSampler(Sampler):
    ...     def __init__(self, length):
    ...         self.length = length
    ...     def __iter__(self):
    ...         return iter(range(0, self.length, 2))
    >>> list(EvenSampler(5))
    [0, 2, 4]
    """

    def __init__(self, data_source: Sized | None = None):
        if data_source is not None:
            warnings.warn(
                "Sampler takes no data_source: call super().__init__() and keep the dataset yourself",
                FutureWarning,
                stacklevel=2,
            )

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__} must define __iter__, which yields indices"
        )


class SequentialSampler(Sampler[int]):
    """The indices of a dataset in order.

    Args:
        data_source: anything with a length.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices of a dataset in random order.

    Args:
        data_source: anything with a length.
        replacement: whether an index may come again before all others came.
        num_samples: how many indices to yield; by default the length of the dataset.
        generator: the stream to draw from. Without one, each pass takes a seed from the default stream
            and draws from a stream of its own.

    Raises:
        TypeError: ``replacement`` is no bool.
        ValueError: ``num_samples`` is no positive int.

    >>> sorted(RandomSampler("abc"))
    [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ):
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, "
                f"but got num_samples={self.num_samples}"
                + ("; the dataset is empty" if num_samples is None else "")
            )

    @property
    def num_samples(self) -> int:
        """How many indices a pass yields."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def index_blocks(self) -> Iterator[np.ndarray]:
        """The indices of a pass in int64 arrays, each drawn when it is asked for."""
        n = len(self.data_source)
        if self.generator is None:
            engine = streams.Engine(engine_of(None).next64())
        else:
            engine = engine_of(self.generator)
        if self.replacement:
            whole, rest = divmod(self.num_samples, REPLACEMENT_BLOCK)
            for size in [REPLACEMENT_BLOCK] * whole + [rest]:
                block = np.empty(size, np.int64)
                streams.random(engine, block, 0, n)
                yield block
        else:
            whole, rest = divmod(self.num_samples, n)
            for _ in range(whole):
                yield streams.permutation(engine, n)
            # PyTorch draws this permutation also where none of it is used.
            yield streams.permutation(engine, n)[:rest]

    def __iter__(self) -> Iterator[int]:
        for block in self.index_blocks():
            yield from block.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order, each once.

    Args:
        indices: a sequence of indices.
        generator: the stream to draw from; by default the default one.

    >>> sorted(SubsetRandomSampler([2, 5, 7]))
    [2, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None):
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in streams.permutation(engine_of(self.generator), len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices from 0 to ``len(weights) - 1``, drawn with probabilities proportional to the weights.

    Args:
        weights: a number of at least 0 for each index; they need not sum to 1.
        num_samples: how many indices to yield.
        replacement: whether an index may come again.
        generator: the stream to draw from; by default the default one.

    Raises:
        ValueError: an argument is of the wrong type or shape, or ``num_samples`` is not positive.

    >>> list(WeightedRandomSampler([0.0, 3.0, 0.0], 4))
    [1, 1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ):
        if not _is_int(num_samples) or num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.weights = as_tensor(weights, dtype=float64)
        if self.weights.ndim != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def index_blocks(self) -> Iterator[np.ndarray]:
        """The indices of a pass as one int64 array."""
        drawn = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield values_of(drawn)

    def __iter__(self) -> Iterator[int]:
        for block in self.index_blocks():
            yield from block.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices that another sampler yields.

    Args:
        sampler: any iterable of indices.
        batch_size: how many indices a list has.
        drop_last: whether to leave out a last list that would be shorter.

    Raises:
        ValueError: ``batch_size`` is no positive int, or ``drop_last`` no bool.

    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=True))
    [[0, 1], [2, 3]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool):
        if not _is_int(batch_size) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        least = self.batch_size if self.drop_last else 1
        while len(batch := list(itertools.islice(indices, self.batch_size))) >= least:
            yield batch

    def __len__(self) -> int:
        if self.drop_last:
            return len(self.sampler) // self.batch_size
        return (len(self.sampler) + self.batch_size - 1) // self.batch_size


class EndlessSampler(Sampler[None]):
    """The order of a dataset that has no indices: None, for ever."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


def index_arrays(batches: Any) -> Iterator[Any] | None:
    """What ``iter(batches)`` would yield, with slices or int64 arrays in place of the lists of ints.

    Args:
        batches: a batch sampler.

    Returns:
        None if it, or the sampler under it, is of a class that is not from this file.
    """
    if type(batches) is not BatchSampler:
        return None
    sampler = batches.sampler
    if type(sampler) is SequentialSampler:
        return _slices(len(sampler), batches.batch_size, batches.drop_last)
    if type(sampler) is RandomSampler or type(sampler) is WeightedRandomSampler:
        return _rebatched(sampler.index_blocks(), batches.batch_size, batches.drop_last)
    return None


def _slices(n: int, batch_size: int, drop_last: bool) -> Iterator[slice]:
    for start in range(0, n - n % batch_size if drop_last else n, batch_size):
        yield slice(start, min(start + batch_size, n))


def _rebatched(
    blocks: Iterator[np.ndarray], batch_size: int, drop_last: bool
) -> Iterator[np.ndarray]:
    """Arrays of ``batch_size`` out of arrays of other sizes; a block is asked for only when needed."""
    block, start = next(blocks), 0
    while True:
        batch = block[start : start + batch_size]
        start += batch_size
        while len(batch) < batch_size:
            start = batch_size - len(batch)
            if (block := next(blocks, None)) is None:
                if len(batch) and not drop_last:
                    yield batch
                return
            batch = np.concatenate((batch, block[:start]))
        yield batch


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
