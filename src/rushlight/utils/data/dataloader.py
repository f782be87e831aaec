"""The loader: batches of a dataset in the order of a sampler, loaded here or in worker processes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from .collate import default_collate, default_convert
from .dataset import (
    Dataset,
    IterableDataset,
)
from .iterators import _BaseDataLoaderIter, _SingleProcessDataLoaderIter
from .sampler import BatchSampler, EndlessSampler, RandomSampler, Sampler, SequentialSampler

T_co = TypeVar("T_co", covariant=True)

_FIXED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class DataLoader(Generic[T_co]):
    """Batches of a dataset, as often as it is iterated over.

    Args:
        dataset: one with ``__getitem__`` and ``__len__``, or an ``IterableDataset``.
        batch_size: samples in a batch; None gives each sample as it is.
        shuffle: whether to read in a new random order in each pass.
        sampler: any iterable of indices, in place of ``shuffle``.
        batch_sampler: any iterable of lists of indices, in place of ``batch_size``, ``shuffle``,
            ``sampler`` and ``drop_last``.
        num_workers: how many processes to load with; 0 loads in the main process.
        collate_fn: makes a batch of a list of samples; by default ``default_collate``, and for
            ``batch_size=None`` ``default_convert`` of the one sample.
        pin_memory, pin_memory_device: accepted; there is no memory to pin without an accelerator.
        drop_last: whether to leave out a last batch that would be smaller.
        timeout: how many seconds to wait at most for a batch of a worker; 0 waits as long as it takes.
        worker_init_fn: called in each worker with its number, before the dataset is read.
        multiprocessing_context: how workers are started: ``"fork"``, ``"spawn"``, ``"forkserver"`` or a
            ``multiprocessing`` context. By default, as Python starts processes.
        generator: the stream of the random order, and of the seeds of workers; by default the default
            one. A worker starts its random streams (also Python's and NumPy's) from the seed of the
            pass plus its number.
        prefetch_factor: how many batches each worker reads ahead; 2 if there are workers.
        persistent_workers: whether workers outlive a pass; only with ``num_workers``.
        in_order: whether batches come in the order of the sampler, as they do in one process; False
            gives each when it is ready.

    Batches come from workers in shared memory, which is used again when they are gone. Long lists of
    numbers, text and tuples in the attributes of a dataset are `SharedList` in the workers, so that these
    do not copy them. An error in a worker is raised here with its own traceback; a worker that dies is a
    RuntimeError at the next batch.

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
    _iterator: Any = None
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
        # Lists that were packed for the workers of an earlier pass.
        self._packed: dict = {}
        self.check_worker_number_rationality()

    def check_worker_number_rationality(self) -> None:
        """Warns if there are to be more workers than processors."""
        processors = len(os.sched_getaffinity(0))
        if self.num_workers > processors:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {processors}: more compete for "
                "the same processors, and need more memory",
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
            context = _context_of(context)
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

    def __iter__(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        # What it needs is slow to import.
        from .worker_pass import _MultiProcessingDataLoaderIter

        if not self.persistent_workers:
            return _MultiProcessingDataLoaderIter(self)
        if self._iterator is None or self._iterator.stopped:
            self._iterator = _MultiProcessingDataLoaderIter(self)
        else:
            self._iterator.restart(self)
        return self._iterator

    def __getstate__(self) -> dict:
        # Workers cannot be sent along, nor be those of a copy.
        return {**self.__dict__, "_iterator": None, "_packed": {}}

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = len(self.dataset)
        if self.batch_size is not None:
            whole, rest = divmod(length, self.batch_size)
            length = whole if self.drop_last or not rest else whole + 1
        self._length_told = length
        return length


def _context_of(context: Any) -> Any:
    import multiprocessing

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context!r}"
        )
    return context


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


def __getattr__(name: str) -> Any:
    if name == "_MultiProcessingDataLoaderIter":
        from .worker_pass import _MultiProcessingDataLoaderIter

        return _MultiProcessingDataLoaderIter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
