"""Batches out of samples: tensors are stacked, containers keep their structure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...autograd.views import history
from ...dtypes import float64
from ...ops.creation import as_tensor, tensor
from ...ops.join import stack
from ...tensor import Tensor, wrap
from .placing import empty

# NumPy values of these kinds (text, bytes, objects, records) have no tensor.
_KINDS_WITHOUT_TENSOR = "SUOV"


def default_collate(batch: Any) -> Any:
    """A list of samples as one batch, what ``DataLoader`` does if it is given no ``collate_fn``.

    Tensors and NumPy arrays are stacked along a new first dimension. Numbers become a tensor: ints int64,
    floats float64. Text stays as it is, in a list, or in a tuple for the elements of a sequence. Mappings,
    named tuples and sequences keep their structure, with a batch at each place; a tuple becomes a list.

    Args:
        batch: at least one sample; all of the same structure, and with equal shapes.

    Raises:
        RuntimeError: shapes or lengths differ.
        TypeError: something is neither tensor, array, number, text nor container.
        KeyError: a sample lacks a key that the first one has.
        IndexError: the batch is empty.

    >>> default_collate([(rushlight.tensor([1.0]), 3), (rushlight.tensor([2.0]), 4)])
    [tensor([[1.],
            [2.]]), tensor([3, 4])]
    >>> default_collate([{"name": "a", "label": 0}, {"name": "b", "label": 1}])
    {'name': ['a', 'b'], 'label': tensor([0, 1])}
    """
    return _collate(batch, "", default_collate_fn_map)


def collate(
    batch: Any, *, collate_fn_map: dict[type | tuple[type, ...], Callable] | None = None
) -> Any:
    """`default_collate` with functions of one's own for some types.

    Args:
        batch: a list of samples.
        collate_fn_map: for a type, or a tuple of types, the function that makes a batch of a list of such
            values. It is called as ``fn(values, collate_fn_map=collate_fn_map)``. What is an instance of
            none of them must be a container.

    >>> fns = {**default_collate_fn_map, set: lambda values, *, collate_fn_map=None: set.union(*values)}
    >>> collate([({1, 2}, 0), ({3}, 1)], collate_fn_map=fns)
    [{1, 2, 3}, tensor([0, 1])]
    """
    return _collate(batch, "", collate_fn_map or {})


def _collate(batch: Any, place: str, fns: dict) -> Any:
    """`collate` of what stands in each sample at ``place``, such as ``['image'][0]``."""
    if not len(batch):
        raise IndexError("default_collate: the batch is empty; it needs at least one sample")
    first = batch[0]
    fn = fns.get(type(first)) or _function_for(first, fns)
    if fn is not None:
        own = _PLACED.get(fn)
        return fn(batch, collate_fn_map=fns) if own is None else own(batch, place)
    if isinstance(first, Mapping):
        return _collated_mapping(batch, first, place, fns)
    if isinstance(first, Sequence):
        return _collated_sequence(batch, first, place, fns)
    raise _no_batch(type(first), 0, place)


def _function_for(first: Any, fns: dict) -> Callable | None:
    for types, fn in fns.items():
        if isinstance(first, types):
            return fn
    return None


def collate_tensor_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Tensor:
    """Tensors stacked along a new first dimension."""
    return _stacked(batch, "")


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Tensor:
    """NumPy arrays as one tensor, stacked along a new first dimension."""
    return _stacked_arrays(batch, "")


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Tensor:
    """NumPy scalars as a tensor of their dtype."""
    return _tensor_of_scalars(batch, "")


def collate_float_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Tensor:
    """Numbers as a float64 tensor."""
    return _tensor_of_numbers(batch, "")


def collate_int_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Tensor:
    """Whole numbers as an int64 tensor."""
    return _tensor_of_numbers(batch, "")


def collate_str_fn(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """Text as it is."""
    return batch


def _stacked(batch: Sequence[Tensor], place: str) -> Tensor:
    if {Tensor}.issuperset(map(type, batch)) and type(batch) is not Tensor:
        arrays = [x._array for x in batch if history(x) is None and not x._private]
        if len(arrays) == len(batch) and type(arrays[0]) is np.ndarray and _are_alike(arrays):
            return wrap(_one_array(arrays))
    shape = batch[0].shape
    for i, x in enumerate(batch):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"default_collate: expected Tensor as element {i} in argument 0, but got "
                f"{type(x).__name__}: sample 0 of the batch has a tensor{_at(place)}, sample {i} has not"
            )
        if x.shape != shape:
            raise RuntimeError(
                f"default_collate: stack expects each tensor to be equal size, but got {list(shape)} "
                f"at entry 0 and {list(x.shape)} at entry {i} of the batch{_at(place)}; "
                "make the shapes equal in the dataset (crop, resize, pad), or pass a collate_fn"
            )
    return stack(batch, 0)


def _stacked_arrays(batch: Sequence[Any], place: str) -> Tensor:
    if {np.ndarray}.issuperset(map(type, batch)) and _are_alike(batch):
        _check_dtype(batch[0], 0, place)
        # as_tensor of an empty array refuses the dtypes that tensors do not have.
        as_tensor(np.empty(0, batch[0].dtype))
        return wrap(_one_array(batch))
    tensors = []
    for i, x in enumerate(batch):
        _check_dtype(x, i, place)
        tensors.append(as_tensor(x))
    return _stacked(tensors, place)


def _check_dtype(x: Any, i: int, place: str) -> None:
    if isinstance(x, np.ndarray) and x.dtype.kind in _KINDS_WITHOUT_TENSOR:
        raise _no_batch(x.dtype, i, place)


def _tensor_of_scalars(batch: Sequence[Any], place: str) -> Tensor:
    if batch[0].dtype.kind in _KINDS_WITHOUT_TENSOR + "Mm":
        raise _no_batch(type(batch[0]), 0, place)
    return as_tensor(np.array(batch) if len(set(map(type, batch))) == 1 else batch)


def _are_alike(arrays: Sequence[np.ndarray]) -> bool:
    """Whether all have one shape and dtype."""
    dtype, shape = arrays[0].dtype, arrays[0].shape
    return all([x.dtype is dtype and x.shape == shape for x in arrays])


def _one_array(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of one shape and dtype along a new first dimension, in C order."""
    shape = arrays[0].shape
    out = empty((len(arrays), *shape), arrays[0].dtype)
    if shape:
        # concatenate costs a third of stack, which makes a view of each array first.
        np.concatenate(arrays, out=out.reshape(len(arrays) * shape[0], *shape[1:]))
    else:
        out[:] = arrays
    return out


def _tensor_of_numbers(batch: Sequence[Any], place: str) -> Tensor:
    kinds = set(map(type, batch))
    if kinds == {float}:
        return wrap(np.array(batch, np.float64))
    if kinds == {int}:
        try:
            return wrap(np.array(batch, np.int64))
        except OverflowError:
            return tensor(batch)
    for i, x in enumerate(batch):
        if not isinstance(x, (float, int, np.number, np.bool_, Tensor)):
            raise TypeError(
                f"default_collate: sample 0 of the batch has a number{_at(place)}, "
                f"but sample {i} has {type(x).__name__}; make them alike in the dataset"
            )
    return tensor(batch, dtype=float64) if isinstance(batch[0], float) else tensor(batch)


def _collated_mapping(batch: Sequence[Any], first: Mapping, place: str, fns: dict) -> Any:
    _check_kind(batch, first, Mapping, place)
    columns = {}
    for key in first:
        column = []
        for i, sample in enumerate(batch):
            try:
                column.append(sample[key])
            except KeyError:
                text = f"sample {i} of the batch lacks this key, sample 0 has it"
                raise KeyError(key, text) from None
        columns[key] = _collate(column, f"{place}[{key!r}]", fns)
    return _rebuilt_mapping(first, columns)


def _collated_sequence(batch: Sequence[Any], first: Sequence, place: str, fns: dict) -> Any:
    _check_kind(batch, first, Sequence, place)
    lengths = list(map(len, batch))
    if lengths.count(lengths[0]) != len(lengths):
        i = next(i for i, length in enumerate(lengths) if length != lengths[0])
        raise RuntimeError(
            "each element in list of batch should be of equal size: sample 0 of the batch has "
            f"{lengths[0]} elements{_at(place)}, sample {i} has {lengths[i]}; make the lengths "
            "equal in the dataset, or pass a collate_fn"
        )
    columns = [_collate(c, f"{place}[{k}]", fns) for k, c in enumerate(zip(*batch, strict=True))]
    return _rebuilt_sequence(first, columns)


def _check_kind(batch: Sequence[Any], first: Any, kind: type, place: str) -> None:
    for i, sample in enumerate(batch):
        if type(sample) is type(first):
            continue
        if not isinstance(sample, kind) or isinstance(sample, (str, bytes)):
            raise TypeError(
                f"default_collate: sample 0 of the batch is a {type(first).__name__}{_at(place)}, "
                f"but sample {i} is {type(sample).__name__}; make them alike in the dataset"
            )


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars as tensors, through containers; all else stays what it is.

    What ``DataLoader`` does to each sample with ``batch_size=None`` if it is given no ``collate_fn``.

    >>> default_convert({"x": np.array([1.5, 2.5]), "name": "a"})
    {'x': tensor([1.5000, 2.5000], dtype=torch.float64), 'name': 'a'}
    """
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in _KINDS_WITHOUT_TENSOR else as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuilt_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence):
        return _rebuilt_sequence(data, [default_convert(element) for element in data])
    return data


def _rebuilt_mapping(like: Mapping, values: dict) -> Any:
    """``values`` in a mapping of the type of ``like``, with the state that ``like`` has besides them."""
    if type(like) is dict:
        return values
    try:
        if isinstance(like, MutableMapping):
            made = copy.copy(like)
            made.update(values)
            return made
        return type(like)(values)
    except TypeError:
        return values


def _rebuilt_sequence(like: Sequence, values: list) -> Any:
    """``values`` in a sequence of the type of ``like``; in a list for a tuple, or where that fails."""
    if type(like) is list or type(like) is tuple:
        return values
    if isinstance(like, tuple):
        return type(like)(*values) if hasattr(like, "_fields") else values
    try:
        if isinstance(like, MutableSequence):
            made = copy.copy(like)
            for i, value in enumerate(values):
                made[i] = value
            return made
        return type(like)(values)
    except TypeError:
        return values


def _no_batch(found: Any, i: int, place: str) -> TypeError:
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {found} in sample {i} of the batch{_at(place)}; "
        "convert it in the dataset, or pass a collate_fn"
    )


def _at(place: str) -> str:
    return f" at {place}" if place else ""


# What makes a batch of values of a type; `default_collate` uses it, and takes further types from here.
default_collate_fn_map: dict[type | tuple[type, ...], Callable] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}

# The same functions with the place in the sample, for their errors.
_PLACED: dict[Callable, Callable[[Any, str], Any]] = {
    collate_tensor_fn: _stacked,
    collate_numpy_array_fn: _stacked_arrays,
    collate_numpy_scalar_fn: _tensor_of_scalars,
    collate_float_fn: _tensor_of_numbers,
    collate_int_fn: _tensor_of_numbers,
    collate_str_fn: lambda batch, place: batch,
}
