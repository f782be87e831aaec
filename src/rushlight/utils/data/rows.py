"""The short road for tensors: a whole batch of a `TensorDataset` by one index operation per tensor.

Another class of datasets takes it by a method ``_collated_rows(index)`` that does what `taken` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.views import history
from ...tensor import MetaArray, Tensor, values_of, wrap
from . import placing
from .dataset import Subset, TensorDataset


def are_all_of(dataset: Any) -> bool:
    """Whether the samples of ``dataset`` are rows: of a `TensorDataset` or its like, or a `Subset` of one."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset or hasattr(type(dataset), "_collated_rows")


def taken(dataset: Any, index: Any) -> list[Tensor] | None:
    """What ``default_collate`` makes of the samples at ``index``.

    Args:
        dataset: one for which `are_all_of` holds.
        index: a list or an int64 array of indices, or a slice with a start and a stop.

    Returns:
        None where this road would not give just that, or an error: the samples must be read one by one.
    """
    while type(dataset) is Subset:
        index = _inner_index(dataset.indices, index)
        dataset = dataset.dataset
    if type(index) is not slice and type(index) is not np.ndarray:
        index = _as_array(index)
    if index is None:
        return None
    if type(dataset) is not TensorDataset:
        return dataset._collated_rows(index)
    batch = []
    for tensor in dataset.tensors:
        if (
            type(tensor) is not Tensor
            or type(tensor._array) is MetaArray
            or history(tensor) is not None
        ):
            return None
        array = values_of(tensor)
        rows = _rows_of(array, index)
        if rows is None:
            return None
        batch.append(wrap(rows))
    return batch


def _rows_of(array: np.ndarray, index: np.ndarray | slice) -> np.ndarray | None:
    """The rows in an array of their own; None where the index is out of range."""
    if type(index) is slice:
        if index.stop > len(array):
            return None
        out = placing.empty((index.stop - index.start, *array.shape[1:]), array.dtype)
        out[...] = array[index]
        return out
    try:
        # take() would first make a contiguous copy of the whole of another array.
        if not array.flags.c_contiguous:
            return np.ascontiguousarray(array[index])
        if not placing.is_shared():
            return array.take(index, 0)
    except IndexError:
        return None
    if index.min() < -len(array) or index.max() >= len(array):
        return None
    out = placing.empty((len(index), *array.shape[1:]), array.dtype)
    # With "raise", take() would write to a copy of `out` first.
    array.take(index, 0, out=out, mode="wrap")
    return out


def _inner_index(indices: Any, index: Any) -> Any:
    """The indices into the whole dataset for those into a subset; None if they are not plain."""
    if type(indices) is Tensor:
        indices = values_of(indices)
    if type(index) is slice:
        if index.stop > len(indices):
            return None
        if type(indices) is list or type(indices) is np.ndarray:
            return _as_array(indices[index])
        index = range(index.start, index.stop)
    elif type(index) is np.ndarray:
        index = index.tolist()
    if index is None:
        return None
    try:
        return _as_array([indices[i] for i in index])
    except (IndexError, TypeError):
        return None


def _as_array(index: Any) -> np.ndarray | None:
    """``index`` as an array of indices; None if it holds anything but ints."""
    if type(index) is list and {int, np.int64}.issuperset(map(type, index)):
        try:
            index = np.array(index)
        except OverflowError:
            return None
    if type(index) is np.ndarray and index.dtype == np.int64 and index.ndim == 1 and index.size:
        return index
    return None
