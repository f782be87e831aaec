"""Indexing with square brackets, reading and writing.

A key is read in two steps, as PyTorch reads it: ints, slices, None and the ellipsis take a view, then
masks and index tensors copy from that view. So an int beside an index tensor selects first; NumPy would
broadcast it with the indices.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..autograd.modes import state
from ..autograd.views import history
from ..primitive import Number, exported
from ..tensor import Tensor, values_of, wrap
from .part import item_at, sliced, whole, with_new_dims
from .taking import EVERYTHING, array_key, at_index, at_indices, at_mask, check_mask, put_at
from .values import array_of
from .write import copy_, element, fill_, fill_where

_PLAIN = (int, type(None))


def getitem(self: Tensor, key: Any) -> Tensor:
    """``self[key]``: a view for ints, slices, None and ``...``; a copy for masks and index tensors.

    Raises:
        IndexError: an index is out of range, there are too many, or something cannot be an index.
        ValueError: a slice has a step that is not positive.
    """
    kind = type(key)
    if kind is int:
        return item_at(self, (key, Ellipsis))
    if (
        kind is slice
        and key.step is None
        and type(key.start) in _PLAIN
        and type(key.stop) in _PLAIN
    ):
        return sliced(self, (key, Ellipsis))
    if kind is Tensor and key._array.ndim:
        number = key._array.dtype.num
        if number == _BOOL:
            return at_mask(self, key, 0)
        if number == _LONG:
            return at_index(self, key, 0)
    if kind is tuple and key:
        take = _view_of_plain(key)
        if take is not None:
            return take(self, key if Ellipsis in key else (*key, Ellipsis))
    found = read_key(self, key)
    x = self if found.take is None else found.take(self, found.basic)
    advanced = found.advanced
    if not advanced:
        return x
    if len(advanced) == 1:
        dim, index = advanced[0]
        return (
            at_mask(x, index, dim) if index._array.dtype.num == _BOOL else at_index(x, index, dim)
        )
    return at_indices(x, array_key(x, advanced, state.grad and history(x) is not None))


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """``self[key] = value``: a number, or a tensor that broadcasts to what the key takes.

    Raises:
        IndexError, ValueError: as for reading.
        RuntimeError: the value does not broadcast, or does not fit the dtype.
        TypeError: it is neither a number nor a tensor.
    """
    kind = type(key)
    advanced: Any = None
    if kind is int:
        x = item_at(self, (key, Ellipsis))
    elif kind is tuple and key and (take := _view_of_plain(key)) is not None:
        x = take(self, key if Ellipsis in key else (*key, Ellipsis))
    else:
        found = read_key(self, key)
        x, advanced = self if found.take is None else found.take(self, found.basic), found.advanced
    if not isinstance(value, Tensor):
        if not isinstance(value, Number):
            raise TypeError(
                f"can't assign a {_type_name(value)} to a torch.{self.dtype.legacy}Tensor; "
                "make it a tensor with torch.tensor(...) or torch.from_numpy(...)"
            )
        number = _number(value, self.dtype)
        if not advanced:
            fill_(x, number)
            return
        value = wrap(np.asarray(element(number, self.dtype), self._array.dtype))
    elif value._array.ndim and value._array.shape[0] == 1:
        value = _without_leading_ones(value)
    if not advanced:
        copy_(x, value)
        return
    if len(advanced) == 1 and not value._array.ndim and advanced[0][1]._array.dtype.num == _BOOL:
        dim, mask = advanced[0]
        check_mask(x._array.shape, mask._array.shape, dim)
        after = x._array.ndim - dim - mask._array.ndim
        fill_where(x, mask[(..., *[None] * after)] if after else mask, value)
        return
    put_at.op.write((x, array_key(x, advanced, state.grad), value, False))


def _view_of_plain(key: tuple) -> Any:
    """The view op for a key of ints, slices of step 1, None and one ellipsis; None for any other key."""
    take, ellipses = whole, 0
    for item in key:
        kind = type(item)
        if kind is int:
            take = item_at
        elif kind is slice:
            if (
                item.step is not None
                or type(item.start) not in _PLAIN
                or type(item.stop) not in _PLAIN
            ):
                return None
            if take is whole or item.start is not None or item.stop is not None:
                take = sliced
        elif item is None:
            take = with_new_dims
        elif item is Ellipsis and not ellipses:
            ellipses = 1
        else:
            return None
    return take


Tensor.__getitem__ = getitem
Tensor.__setitem__ = setitem


def _delitem(self: Tensor, key: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


Tensor.__delitem__ = _delitem

_BOOL = np.dtype(np.bool_).num
_LONG = np.dtype(np.int64).num


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _number(value: Any, dtype: dtypes.dtype) -> Any:
    """The number to assign; what is too large for a half-precision float becomes infinite there."""
    if dtype.itemsize == 2 and dtype.is_floating_point and isinstance(value, (float, np.floating)):
        with np.errstate(over="ignore"):
            return float(dtype.numpy.type(value))
    return value


def _without_leading_ones(value: Tensor) -> Tensor:
    shape = value._array.shape
    first = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return value.reshape(shape[first:])


# ---- reading a key ----------------------------------------------------------------------------------


class Key(NamedTuple):
    """A key in its two steps.

    Attributes:
        take: the view op of the first step; None if it takes everything as it is.
        basic: what that op takes: ints, slices, None and one ellipsis.
        advanced: masks and index tensors, each with the dimension of the view where it starts.
    """

    take: Any
    basic: tuple
    advanced: list[tuple[int, Tensor]]


def read_key(x: Tensor, key: Any) -> Key:
    """The two steps of ``x[key]``.

    Raises:
        IndexError: there are too many indices, a mask does not fit, or something cannot be an index.
        ValueError: a slice has a step that is not positive.
    """
    items: list[Any] = []
    for item in key if type(key) is tuple else _items(key):
        items.append(_item(item))
    shape = x._array.shape
    used = 0
    for item in items:
        if isinstance(item, Tensor):
            used += item._array.ndim if item._array.dtype.num == _BOOL else 1
        elif item is not None and item is not Ellipsis and type(item) is not bool:
            used += 1
    if used > len(shape):
        if not shape and type(items[0]) is int:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use tensor.item() to convert it to a Python number"
            )
        raise IndexError(
            f"too many indices for tensor of dimension {len(shape)}: {used} were given"
        )
    basic: list[Any] = []
    advanced: list[tuple[int, Tensor]] = []
    take = None
    place = 0  # in the view
    left = len(shape) - used
    for item in items:
        if type(item) is int:
            basic.append(item)
            take = item_at
        elif type(item) is slice:
            basic.append(item)
            place += 1
            if take is None or item != EVERYTHING:
                take = sliced
        elif item is None:
            basic.append(None)
            place += 1
            take = with_new_dims
        elif item is Ellipsis:
            basic += [EVERYTHING] * left
            place += left
            left = 0
        elif type(item) is bool:
            basic.append(None)
            advanced.append((place, wrap(np.zeros(int(item), np.int64))))
            place += 1
            take = take or with_new_dims
        else:
            dims = item._array.ndim if item._array.dtype.num == _BOOL else 1
            basic += [EVERYTHING] * dims
            advanced.append((place, item))
            place += dims
    if take is None and not advanced:
        take = whole
    elif take is sliced and advanced and all(item == EVERYTHING for item in basic):
        take = None
    basic.append(Ellipsis)
    return Key(take, tuple(basic), advanced)


def _items(key: Any) -> tuple:
    """The items of a key that is no tuple: a list of other than numbers stands for a tuple."""
    if (
        isinstance(key, list)
        and len(key) < 32
        and any(
            i is None or i is Ellipsis or isinstance(i, (slice, list, tuple, Tensor)) for i in key
        )
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated; use x[tuple(key)] "
            "for one index per dimension, or x[torch.tensor(key)] for a table of indices",
            UserWarning,
            stacklevel=4,
        )
        return tuple(key)
    return (key,)


def _item(item: Any) -> Any:
    """One item of a key as an int, a slice, None, Ellipsis, a bool, a mask or a tensor of indices."""
    kind = type(item)
    if kind is int or item is None or item is Ellipsis or kind is bool:
        return item
    if kind is slice:
        return _checked_slice(item)
    if isinstance(item, np.bool_):
        return bool(item)
    if isinstance(item, np.integer):
        return int(item)
    if not isinstance(item, Tensor):
        if isinstance(item, (np.ndarray, list, tuple, range)) or (
            hasattr(item, "__len__")
            and hasattr(item, "__getitem__")
            and not isinstance(item, (str, dict))
        ):
            array = array_of(item, None, copy=False)
            item = wrap(array if array.size else array.astype(np.int64))
        elif hasattr(item, "__index__"):
            return operator.index(item)
        else:
            raise (TypeError if isinstance(item, str) else IndexError)(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
                f"indices (got {_type_name(item)})"
            )
    dtype = item.dtype
    if dtype is dtypes.uint8:
        if item._array.ndim == 0:
            return bool(item)
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
            UserWarning,
            stacklevel=4,
        )
        return wrap(values_of(item) != 0)
    if dtype is not dtypes.bool_ and dtype is not dtypes.int64 and dtype is not dtypes.int32:
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, not {dtype}; "
            "convert it with .long()"
        )
    if item._array.ndim == 0:
        return item.item()
    return item


def _checked_slice(item: slice) -> slice:
    start, stop, step = item.start, item.stop, item.step
    if step is not None:
        step = _slice_part(step)
        if step == 0:
            raise ValueError("slice step cannot be zero")
        if step < 0:
            raise ValueError(
                f"step must be greater than zero, not {step}; use torch.flip to reverse"
            )
    if type(start) in _PLAIN and type(stop) in _PLAIN and step is item.step:
        return item
    return slice(
        None if start is None else _slice_part(start),
        None if stop is None else _slice_part(stop),
        step,
    )


def _slice_part(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        if isinstance(value, Tensor):
            raise
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method, "
            f"not {type(value).__name__}"
        ) from None


# ---- writing, as functions ----------------------------------------------------------------------------


@exported("torch", "Tensor", autocast={"cuda": "promote"})
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` where ``indices`` point.

    Args:
        indices: a tuple of index tensors and masks, one for each dimension from the first on.
        values: broadcasts to what the indices take; of the dtype of ``input``.
        accumulate: add to what is there, instead of replacing it.

    Raises:
        IndexError: an index is out of range, or there are too many.
        RuntimeError: ``values`` do not broadcast, or have another dtype.

    >>> x = rushlight.zeros(2, 2)
    >>> x.index_put((rushlight.tensor([0, 1]), rushlight.tensor([1, 0])), rushlight.tensor([1.0, 2.0]))
    tensor([[0., 1.],
            [2., 0.]])
    """
    return put_at(input, _indices_key(input, indices), _value(values), accumulate)


@exported("torch", "Tensor")
def index_put_(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """`index_put`, written into ``input``, which is returned."""
    return put_at.op.write((input, _indices_key(input, indices), _value(values), accumulate))


def _value(values: Tensor) -> Tensor:
    if not isinstance(values, Tensor):
        raise TypeError(
            f"index_put(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}"
        )
    if values._array.ndim and values._array.shape[0] == 1:
        return _without_leading_ones(values)
    return values


def _indices_key(x: Tensor, indices: Any) -> tuple:
    if isinstance(indices, Tensor) or not isinstance(indices, (tuple, list)):
        raise TypeError(
            "index_put(): argument 'indices' (position 1) must be tuple of Tensors, "
            f"not {type(indices).__name__}"
        )
    advanced, dim = [], 0
    for i, index in enumerate(indices):
        if not isinstance(index, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(index).__name__}"
            )
        item = _item(index if index._array.ndim else index.reshape(1))
        advanced.append((dim, item))
        dim += item._array.ndim if item._array.dtype.num == _BOOL else 1
    if dim > x._array.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x._array.ndim} (got {dim})")
    return array_key(x, advanced, state.grad)
