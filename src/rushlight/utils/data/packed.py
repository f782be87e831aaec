"""Lists that worker processes read without copying them.

A forked process shares its parent's memory until one of both writes to it. Python writes to an object
whenever it is looked at, because it counts references; so a list of a million small objects is copied page
by page into every worker that reads it. An object that is packed into bytes is not written to.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, MutableSequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...tensor import Tensor, wrap
from .dataset import Dataset

# A list of this length or more is packed for the workers; below, its objects are too few to matter.
LONG = 100_000
# Containers of datasets that are looked through.
SHORT = 1000

_ATOMS = frozenset((str, int, float, bool, bytes, complex, type(None)))


class SharedList(MutableSequence):
    """A list in memory that processes share: an element is made anew each time it is read.

    For the index of a large dataset, such as the paths and labels of a million files. In a worker process
    of a ``DataLoader``, a dataset's long lists of numbers, text and tuples of these have become such lists
    already; this class is for other elements, and for processes of one's own.

    Writing to it first turns it into an ordinary list, in the process that writes.

    Args:
        values: numbers, or anything that can be pickled.

    >>> files = SharedList([("a.jpg", 0), ("b.jpg", 1)])
    >>> files[1], len(files)
    (('b.jpg', 1), 2)
    >>> list(files) == files == [("a.jpg", 0), ("b.jpg", 1)]
    True
    """

    __slots__ = ("_values", "_ends", "_own", "_read")
    __hash__ = None

    def __init__(self, values: Iterable = ()):
        values = values if type(values) is list else list(values)
        array = _numbers(values)
        # Numbers: the array, and None. Others: their pickles, and where each ends.
        self._values: Tensor | None = None
        self._ends: Tensor | None = None
        # The ordinary list, once it was written to.
        self._own: list | None = None
        if array is None:
            pickles = [pickle.dumps(value, 2) for value in values]
            ends = np.zeros(len(values) + 1, np.int64)
            np.cumsum(np.fromiter(map(len, pickles), np.int64, len(pickles)), out=ends[1:])
            array = np.frombuffer(b"".join(pickles), np.uint8)
            self._ends = wrap(ends).share_memory_()
        self._values = wrap(array).share_memory_()
        self._prepare()

    def _prepare(self) -> None:
        # Plain memory views, because a step through a tensor would cost ten times the reading.
        ends = None if self._ends is None else memoryview(self._ends._array)
        self._read = memoryview(self._values._array), ends

    def __getstate__(self) -> tuple:
        return self._values, self._ends, self._own

    def __setstate__(self, state: tuple) -> None:
        self._values, self._ends, self._own = state
        self._prepare()

    def __len__(self) -> int:
        if self._own is not None:
            return len(self._own)
        values, ends = self._read
        return len(values) if ends is None else len(ends) - 1

    def __getitem__(self, index: Any) -> Any:
        if self._own is not None:
            return self._own[index]
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        n = len(self)
        i = index.__index__()
        if i < 0:
            i += n
        if not 0 <= i < n:
            raise IndexError(f"list index out of range: {index} of {n}")
        values, ends = self._read
        return values[i] if ends is None else pickle.loads(values[ends[i] : ends[i + 1]])

    def __iter__(self) -> Iterator:
        return iter(self._own) if self._own is not None else map(self.__getitem__, range(len(self)))

    def _list(self) -> list:
        """The ordinary list that is written to from now on."""
        if self._own is None:
            self._own = list(self)
        return self._own

    def __setitem__(self, index: Any, value: Any) -> None:
        self._list()[index] = value

    def __delitem__(self, index: Any) -> None:
        del self._list()[index]

    def insert(self, index: int, value: Any) -> None:
        """Inserts ``value`` before ``index``."""
        self._list().insert(index, value)

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Sorts in place."""
        self._list().sort(key=key, reverse=reverse)

    def copy(self) -> list:
        """An ordinary list of the elements."""
        return list(self)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, (list, SharedList)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other))

    def __add__(self, other: Any) -> list:
        return list(self) + list(other)

    def __radd__(self, other: Any) -> list:
        return list(other) + list(self)

    def __mul__(self, times: int) -> list:
        return list(self) * times

    __rmul__ = __mul__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._own is None and self._ends is None:
            return np.array(self._values._array, dtype)
        return np.array(list(self), dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"


def _numbers(values: list) -> np.ndarray | None:
    """A list of ints alone or floats alone as an array."""
    kinds = set(map(type, values))
    try:
        if kinds == {int}:
            return np.array(values, np.int64)
        return np.array(values, np.float64) if kinds == {float} else None
    except OverflowError:
        return None


def _is_worth_it(values: list) -> bool:
    """Whether the elements are many and cannot be written to, so that copies do instead of them."""
    if len(values) < LONG:
        return False
    kinds = set(map(type, values))
    if tuple in kinds:
        kinds.discard(tuple)
        kinds |= {type(part) for value in values if type(value) is tuple for part in value}
    # Of True, False and None there is one each.
    return kinds <= _ATOMS and not kinds <= {bool, type(None)}


class _Packed:
    """A list as it was when it was packed."""

    def __init__(self, values: list):
        self.values = values
        self.elements = list(values)
        self.shared = SharedList(values)

    def is_current(self) -> bool:
        """Whether the list still has the same elements; they cannot change themselves."""
        return len(self.values) == len(self.elements) and all(
            a is b for a, b in zip(self.values, self.elements)
        )


@contextmanager
def packed_lists(job: Any, cache: dict[int, _Packed]) -> Iterator[None]:
    """While this lasts, ``job.dataset`` has a `SharedList` in the place of each long list.

    Args:
        job: what has a dataset.
        cache: the lists that were packed before, by id.
    """
    places = list(_places(job))
    current = {}
    for _, _, values in places:
        known = cache.get(id(values))
        if known is None or known.values is not values or not known.is_current():
            known = _Packed(values)
        current[id(values)] = known
    cache.clear()
    cache.update(current)
    try:
        for owner, name, values in places:
            _put(owner, name, current[id(values)].shared)
        yield
    finally:
        for owner, name, values in places:
            _put(owner, name, values)


def _put(owner: Any, name: str, value: Any) -> None:
    # Not by setattr, which a class may have made into something else.
    if isinstance(owner, dict):
        owner[name] = value
    else:
        object.__setattr__(owner, name, value)


def _places(job: Any) -> Iterator[tuple[Any, str, list]]:
    """Where there are lists that are worth packing: in which object, under which name, and the list."""
    if type(job.dataset) is list:
        if _is_worth_it(job.dataset):
            yield job, "dataset", job.dataset
        return
    left, seen = [job.dataset], set()
    while left:
        dataset = left.pop()
        if id(dataset) in seen or not isinstance(getattr(dataset, "__dict__", None), dict):
            continue
        seen.add(id(dataset))
        for name, value in vars(dataset).items():
            if type(value) is list and _is_worth_it(value):
                yield vars(dataset), name, value
            elif isinstance(value, Dataset):
                left.append(value)
            elif isinstance(value, (list, tuple)) and len(value) <= SHORT:
                left += [part for part in value if isinstance(part, Dataset)]
            elif isinstance(value, dict) and len(value) <= SHORT:
                left += [part for part in value.values() if isinstance(part, Dataset)]
