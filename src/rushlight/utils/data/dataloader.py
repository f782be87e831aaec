"""The loader: batches of a dataset in the order of a sampler, in one process."""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.context
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from ...random import engine_of
from . import rows
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .sampler import (
    BatchSampler,
    EndlessSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    index_arrays,
)

T_co = TypeVar("T_co", covariant=True)

_FIXED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)
_told: set[str] = set()


def get_worker_info() -> None:
    """What a dataset asks in a worker process; None in the main process.

    >>> get_worker_info() is None
    True
    """
    return None


class DataLoader(Generic[T_co]):
    """Batches of a dataset, as often as it is iterated over.

    Args:
        dataset: one with ``__getitem__`` and ``__len__``, or an ``IterableDataset``.
        batch_size: samples in a batch; None gives each sample as it is.
        shuffle: whether to read in a new random order in each pass.
        sampler: any iterable of indices, in place of ``shuffle``.
        batch_sampler: any iterable of lists of indices, in place of ``batch_size``, ``shuffle``,
            ``sampler`` and ``drop_last``.
        num_workers: how many processes to load with. The samples are loaded in the main process whatever
            it is; a warning says so once.
        collate_fn: makes a batch of a list of samples; by default ``default_collate``, and for
            ``batch_size=None`` ``default_convert`` of the one sample.
        pin_memory, pin_memory_device: accepted; there is no memory to pin without an accelerator.
        drop_last: whether to leave out a last batch that would be smaller.
        timeout, worker_init_fn, multiprocessing_context, in_order: for worker processes.
        generator: the stream of the random order; by default the default one.
        prefetch_factor: how many batches a worker process reads ahead; only with ``num_workers``.
        persistent_workers: whether worker processes outlive a pass; only with ``num_workers``.

    Raises:
        ValueError: options exclude each other, or have values out of range.
        TypeError: ``multiprocessing_context`` is neither a context nor a name.

    >>> from rushlight.utils.data import TensorDataset
    >>> data = TensorDataset(rushlight.arange(5), rushlight.arange(5) * 10)
    >>> for x, y in DataLoader(data, batch_size=2):
    ...     print(x, y)
    tensor([0, 1]) tensor([ 0, 10])
    tensor([2, 3]) tensor([20, 30])
    tensor([4]) tensor([40])
    """

    dataset: Dataset[T_co]
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Sampler | Iterable
    pin_memory_device: str
    prefetch_factor: int | None

    _initialized = False
    _iterator: _SingleProcessDataLoaderIter | None = None
    _length_told: int | None = None

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order

        if isinstance(dataset, IterableDataset):
            _check_iterable(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            if isinstance(dataset, IterableDataset):
                sampler = EndlessSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._initialized = True
        if num_workers > 0:
            _tell_once(
                "workers",
                f"DataLoader with num_workers={num_workers} loads in the main process: there are no "
                "worker processes, and worker_init_fn is not called. The batches are the same.",
                stacklevel=3,
            )

    @property
    def multiprocessing_context(self) -> Any:
        """The context that worker processes would be started from."""
        return self._multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading "
                    "(num_workers > 0), but got num_workers=0"
                )
            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start method in "
                        f"{methods}, but got multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            elif not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string "
                    f"specifying the start method, but got multiprocessing_context={context!r}"
                )
        self._multiprocessing_context = context

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and self._initialized:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; "
                "make another loader"
            )
        super().__setattr__(name, value)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> _SingleProcessDataLoaderIter:
        if not (self.persistent_workers and self.num_workers > 0):
            return _SingleProcessDataLoaderIter(self)
        if self._iterator is None:
            self._iterator = _SingleProcessDataLoaderIter(self)
        else:
            self._iterator.restart(self)
        return self._iterator

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = len(self.dataset)
        if self.batch_size is not None:
            whole, rest = divmod(length, self.batch_size)
            length = whole if self.drop_last or not rest else whole + 1
        self._length_told = length
        return length


class _SingleProcessDataLoaderIter:
    """One pass over a loader."""

    def __init__(self, loader: DataLoader):
        if loader.pin_memory:
            _tell_once(
                "pin_memory",
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=4,
            )
        # PyTorch draws the seed of worker processes also where it starts none.
        self._base_seed = engine_of(loader.generator).next64() & (2**63 - 1)
        self.restart(loader)

    def restart(self, loader: DataLoader) -> None:
        """Begins a pass with what the loader's attributes say now."""
        self._dataset = loader.dataset
        self._collate_fn = loader.collate_fn
        self._auto_collation = loader._auto_collation
        self._index_sampler = loader._index_sampler
        self._drop_last = loader.drop_last
        self._num_yielded = 0
        self._length_told = loader._length_told
        self._ended = False
        self._samples = None
        self._rows = False
        self._indices = None
        if isinstance(loader.dataset, IterableDataset):
            self._samples = iter(loader.dataset)
        elif self._auto_collation and loader.collate_fn is default_collate:
            self._rows = rows.are_all_of(loader.dataset)
            if self._rows:
                self._indices = index_arrays(self._index_sampler)
        if self._indices is None:
            self._indices = iter(self._index_sampler)
        # Worker processes are given their indices ahead of time; the generator's state shows it.
        ahead = loader.num_workers * loader.prefetch_factor if loader.num_workers > 0 else 0
        self._ahead = deque(itertools.islice(self._indices, ahead)) if ahead else None

    def __iter__(self) -> Iterator:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        if self._ahead is None:
            index = next(self._indices)
        elif self._ahead:
            index = self._ahead.popleft()
            self._ahead.extend(itertools.islice(self._indices, 1))
        else:
            raise StopIteration
        batch = rows.taken(self._dataset, index) if self._rows else None
        if batch is None:
            batch = self._fetched(index)
        self._num_yielded += 1
        if self._length_told is not None and self._num_yielded == self._length_told + 1:
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to make "
                f"{self._length_told} batches (when accessing len(dataloader)), but more are "
                "fetched; let its __len__ count what its __iter__ yields",
                stacklevel=2,
            )
        return batch

    def _fetched(self, index: Any) -> Any:
        """The batch (or sample) of what the sampler yielded."""
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
            _note(error, f"while the samples {list(index)} of the dataset were made into a batch")
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


def _sample(dataset: Any, index: Any) -> Any:
    try:
        return dataset[index]
    except Exception as error:
        _note(error, f"while sample {index!r} of {type(dataset).__name__} was read")
        raise


def _samples_at(dataset: Any, indices: Any) -> list:
    if not callable(getattr(dataset, "__getitems__", None)):
        return [_sample(dataset, index) for index in indices]
    try:
        return dataset.__getitems__(indices)
    except Exception as error:
        _note(error, f"while the samples {list(indices)} of {type(dataset).__name__} were read")
        raise


def _note(error: Exception, note: str) -> None:
    # Python 3.10 has no notes.
    if hasattr(error, "add_note"):
        error.add_note(note)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            f"multiprocessing, but got num_workers={num_workers}"
        )
    if timeout < 0:
        raise ValueError(f"timeout option should be non-negative, but got timeout={timeout}")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing: let num_workers > 0 "
            f"to enable it, or leave prefetch_factor out (got prefetch_factor={prefetch_factor})"
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(
            "prefetch_factor option should be non-negative, "
            f"but got prefetch_factor={prefetch_factor}"
        )
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, "
                f"but got {name}={value}; the dataset itself says the order"
            )


def _tell_once(topic: str, text: str, stacklevel: int) -> None:
    if topic not in _told:
        _told.add(topic)
        warnings.warn(text, stacklevel=stacklevel)
