"""Datasets: what can be asked for its samples, by index or one after the other."""

from __future__ import annotations

import itertools
import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ...backend import random_streams as streams
from ...random import engine_of
from ...tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """What gives a sample for each index. Derive from it and define ``__getitem__`` and ``__len__``.

    A subclass may define ``__getitems__(indices)``, which gives the list of samples of a whole batch.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> Squares()[2]
    4
    >>> len(Squares() + Squares())
    6
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(
            f"Subclasses of Dataset should implement __getitem__; {type(self).__name__} does not."
        )

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """What gives its samples one after the other. Derive from it and define ``__iter__``.

    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> list(Countdown() + Countdown())
    [3, 2, 1, 3, 2, 1]
    """

    def __add__(self, other: Dataset[T_co]) -> ChainDataset:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors whose first dimension counts the samples: sample ``i`` is the tuple of their rows ``i``.

    Args:
        tensors: all with the same length of the first dimension.

    Raises:
        AssertionError: the lengths differ.

    >>> data = TensorDataset(rushlight.arange(6).reshape(3, 2), rushlight.tensor([7, 8, 9]))
    >>> data[1]
    (tensor([2, 3]), tensor(8))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor):
        lengths = [tensor.size(0) for tensor in tensors]
        if len(set(lengths)) > 1:
            raise AssertionError(
                "Size mismatch between tensors: the first dimensions are "
                f"{', '.join(map(str, lengths))}, but each must count the same samples"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple([tensor[index] for tensor in self.tensors])

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset):
    """Datasets of one length side by side: sample ``i`` holds sample ``i`` of each.

    Args:
        args: datasets whose samples make a tuple.
        kwargs: or, datasets whose samples make a dict under these names.

    Raises:
        ValueError: there is no dataset, or both forms are used, or the lengths differ.

    >>> StackDataset(image=["a", "b"], label=[0, 1])[1]
    {'image': 'b', 'label': 1}
    """

    def __init__(self, *args: Any, **kwargs: Any):
        if args and kwargs:
            raise ValueError(
                "StackDataset takes datasets by position (samples are tuples) or by name (samples "
                "are dicts), but both were given"
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in (args or kwargs.values())]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"Size mismatch between datasets: their lengths are {', '.join(map(str, lengths))}"
            )
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __getitems__(self, indices: Sequence[Any]) -> list:
        if isinstance(self.datasets, dict):
            columns = [_samples_of(dataset, indices) for dataset in self.datasets.values()]
            return [
                dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)
            ]
        columns = [_samples_of(dataset, indices) for dataset in self.datasets]
        return list(zip(*columns, strict=True))

    def __len__(self) -> int:
        return self._length


def _samples_of(dataset: Any, indices: Sequence[Any]) -> Sequence[Any]:
    if not callable(getattr(dataset, "__getitems__", None)):
        return [dataset[index] for index in indices]
    samples = dataset.__getitems__(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(samples)} "
            f"from {type(dataset).__name__}.__getitems__"
        )
    return samples


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other under one index.

    Args:
        datasets: at least one, none of them iterable-style.

    Attributes:
        cumulative_sizes: for each dataset, how many samples it and those before it have.

    Raises:
        AssertionError: there is no dataset, or one is an IterableDataset.

    >>> ConcatDataset(["ab", "cde"])[2]
    'c'
    """

    datasets: list
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise AssertionError(
                    "ConcatDataset does not support IterableDataset; join those with ChainDataset"
                )
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        length = len(self)
        if index < -length:
            raise ValueError(
                f"absolute value of index should not exceed dataset length: {index} of {length}"
            )
        if index >= length:
            raise IndexError(f"index {index} is out of range for a dataset of {length} samples")
        if index < 0:
            index += length
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]

    @property
    def cummulative_sizes(self) -> list[int]:
        """An old spelling of ``cumulative_sizes``."""
        warnings.warn(
            "`cummulative_sizes` attribute is renamed to `cumulative_sizes`",
            FutureWarning,
            stacklevel=2,
        )
        return self.cumulative_sizes


class ChainDataset(IterableDataset):
    """Iterable-style datasets one after the other.

    Args:
        datasets: an iterable of them.

    Raises:
        AssertionError: (while iterating) one is no IterableDataset.
    """

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = datasets

    def __iter__(self) -> Iterator:
        for dataset in self.datasets:
            yield from self._checked(dataset)

    def __len__(self) -> int:
        return sum(len(self._checked(dataset)) for dataset in self.datasets)

    @staticmethod
    def _checked(dataset: Any) -> Any:
        if not isinstance(dataset, IterableDataset):
            raise AssertionError(
                f"ChainDataset only supports IterableDataset, but got {type(dataset).__name__}"
            )
        return dataset


class Subset(Dataset[T_co]):
    """Those samples of a dataset that have the given indices.

    Args:
        dataset: the whole.
        indices: a sequence of indices into it.

    >>> list(Subset("abcd", [3, 0]))
    ['d', 'a']
    """

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        chosen = [self.indices[i] for i in indices]
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__(chosen)
        return [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[T_co]]:
    """Splits a dataset at random into parts that do not overlap.

    Args:
        dataset: anything with a length.
        lengths: the lengths of the parts, which sum to that of the dataset; or fractions that sum to 1,
            where samples left over by rounding down go to the first parts, one each.
        generator: the stream to draw from; by default the default one.

    Raises:
        ValueError: the lengths do not sum to the dataset's, or one is negative or above 1 as a fraction.
        TypeError: a length is neither an int nor a fraction.

    >>> first, second = random_split(range(10), [0.7, 0.3])
    >>> len(first), len(second), sorted([*first, *second]) == list(range(10))
    (7, 3, True)
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _lengths_of_fractions(lengths, total)
    if sum(lengths) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"The lengths sum to {sum(lengths)}, the dataset has {total} samples"
        )
    for i, length in enumerate(lengths):
        if not hasattr(length, "__index__"):
            raise TypeError(
                f"the length at index {i} is {length!r}; give ints that sum to the length of the "
                "dataset, or fractions that sum to 1"
            )
        if length < 0:
            raise ValueError(f"the length at index {i} is negative: {length}")
    order = iter(streams.permutation(engine_of(generator), total).tolist())
    return [Subset(dataset, list(itertools.islice(order, int(length)))) for length in lengths]


def _lengths_of_fractions(fractions: Sequence[float], total: int) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
    lengths = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return lengths
