"""Making tensors from values: numbers, nested sequences, arrays, other tensors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import devices, dtypes
from ..primitive import exported
from ..size import Size
from ..tensor import MetaArray, Tensor, values_of, wrap
from .convert import as_dtype, cast_array
from .view import sizes_of
from .write import LIMITS

_NUMBERS = (bool, int, float, complex, np.number, np.bool_)


def placed_array(array: np.ndarray, device: Any, requires_grad: bool) -> Tensor:
    """A new leaf over a new array, on ``device``."""
    place = devices.resolve(device)
    out = wrap(array if place is devices.CPU else MetaArray(array.shape, array.dtype))
    return out.requires_grad_() if requires_grad else out


@exported("torch")
def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of ``data``.

    Args:
        data: a number, nested sequences of numbers, a NumPy array, a tensor.
        dtype: by default that of the data; Python floats get the default dtype.

    Raises:
        ValueError: nested sequences differ in length, or an integer does not fit into int64.
        TypeError: an element is text or a sequence.
        RuntimeError: an element is no number, or does not fit into ``dtype``.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> tensor(2.5)
    tensor(2.5000)
    """
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy a tensor, write sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    array = array_of(data, None if dtype is None else as_dtype(dtype), copy=True)
    return placed_array(array, device, requires_grad)


def array_of(data: Any, dtype: dtypes.dtype | None, copy: bool) -> np.ndarray:
    """The NumPy array that a user's data means, by PyTorch's choice of dtype.

    Raises:
        ValueError, TypeError, RuntimeError: as `tensor`.
    """
    if isinstance(data, Tensor):
        array = values_of(data)
    elif isinstance(data, np.ndarray):
        array = _native_order(data)
    elif isinstance(data, np.generic):
        array = np.asarray(data)
    elif isinstance(data, (list, tuple, int, float, complex)):
        return _array_of_python(data, dtype)
    elif hasattr(data, "__dlpack__"):
        array = np.from_dlpack(data)
    elif hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        array = np.asarray(data)
    else:
        return _array_of_python(data, dtype)
    target = dtypes.of_numpy(array.dtype) if dtype is None else dtype
    if array.dtype != target.numpy:
        dtypes.of_numpy(array.dtype)
        return cast_array(array, target)
    array = dtypes.standard(array)
    if copy:
        return array.copy(order="K" if isinstance(data, Tensor) else "C")
    return array


def _native_order(array: np.ndarray) -> np.ndarray:
    if array.dtype.byteorder not in "=|":
        raise ValueError(
            "given numpy array has byte order different from the native byte order: convert it with "
            "array.astype(array.dtype.newbyteorder('='))"
        )
    return array


# ---- nested sequences -------------------------------------------------------------------------------


def _array_of_python(data: Any, dtype: dtypes.dtype | None) -> np.ndarray:
    """An array of a number, or of nested sequences of numbers, arrays and one-element tensors."""
    shape = _nested_shape(data)
    leaves: list[Any] = []
    found: set[dtypes.dtype] = set()
    _collect(data, shape, 1, leaves, found)
    kinds = {type(leaf): leaf for leaf in leaves}
    for kind, leaf in kinds.items():
        if not issubclass(kind, _NUMBERS):
            raise _no_number(leaf)
        found.add(
            dtypes.of_numpy(leaf.dtype) if isinstance(leaf, np.generic) else dtypes.of_number(leaf)
        )
    if dtype is None:
        # Those of an ndarray's numbers were added with their own dtype.
        dtype = dtypes.get_default_dtype() if not found else None
        for d in found:
            dtype = d if dtype is None else dtypes.promote_types(dtype, d)
    elif dtype.rank < dtypes.COMPLEX and any(
        issubclass(kind, (complex, np.complexfloating)) for kind in kinds
    ):
        raise TypeError(f"complex numbers cannot become elements of {dtype}; take their .real")
    return _flat_array(leaves, dtype).reshape(shape)


def _flat_array(leaves: list, dtype: dtypes.dtype) -> np.ndarray:
    """Numbers as an array of ``dtype``.

    Raises:
        ValueError: an integer does not fit into int64.
        RuntimeError: a number is out of the dtype's range.
    """
    if dtype.rank == dtypes.BOOLEAN:
        return np.fromiter(map(bool, leaves), np.bool_, len(leaves))
    if dtype.rank != dtypes.INTEGRAL:
        try:
            wide = np.array(leaves, np.complex128 if dtype.is_complex else np.float64)
        except OverflowError:
            raise RuntimeError(f"an integer is too large for {dtype}") from None
        with np.errstate(over="ignore"):
            return wide.astype(dtype.numpy)
    try:
        wide = np.array([int(leaf) for leaf in leaves], np.int64)
    except OverflowError as error:
        if "infinity" in str(error):
            raise RuntimeError(
                f"value cannot be converted to type {dtype.name} without overflow: inf"
            ) from None
        raise ValueError(
            "Overflow when unpacking long long: an integer does not fit into int64"
        ) from None
    except ValueError:
        raise RuntimeError(
            f"value cannot be converted to type {dtype.name} without overflow: nan"
        ) from None
    if dtype is not dtypes.int64 and wide.size:
        low, high = LIMITS[dtype]
        if wide.min() < low or wide.max() > high:
            wrong = wide[(wide < low) | (wide > high)][0]
            raise RuntimeError(
                f"value cannot be converted to type {dtype.name} without overflow: {wrong}"
            )
    return wide.astype(dtype.numpy)


def _no_number(wrong: Any) -> Exception:
    kind = type(wrong).__name__
    if isinstance(wrong, (str, bytes)):
        return TypeError(
            f"new(): invalid data type '{kind}': {wrong!r} is text, and a tensor holds numbers"
        )
    if isinstance(wrong, (list, tuple, np.ndarray)):
        return TypeError(f"'{kind}' object found among numbers: all rows must have one depth")
    return RuntimeError(
        f"Could not infer dtype of {kind}: {wrong!r} is no number, and a tensor holds numbers"
    )


def _is_sequence(data: Any) -> bool:
    if isinstance(data, (list, tuple, range)):
        return True
    if isinstance(data, np.ndarray):
        return data.ndim > 0
    return (
        not isinstance(data, (str, bytes, Tensor, dict, np.generic))
        and hasattr(data, "__len__")
        and hasattr(data, "__getitem__")
    )


def _nested_shape(data: Any) -> tuple[int, ...]:
    """The shape by the first element at each depth."""
    shape: list[int] = []
    while _is_sequence(data):
        if isinstance(data, np.ndarray):
            return (*shape, *data.shape)
        shape.append(len(data))
        if not shape[-1]:
            break
        data = data[0]
    if shape and isinstance(data, str):
        raise ValueError(f"too many dimensions 'str': {data!r} is text, and a tensor holds numbers")
    return tuple(shape)


def _collect(data: Any, shape: tuple[int, ...], depth: int, leaves: list, found: set) -> None:
    """Appends the numbers of nested sequences in order, checking every length; dtypes of arrays go to ``found``."""
    if not shape:
        leaves.append(_number_of(data, found))
        return
    if not _is_sequence(data):
        raise TypeError(
            f"not a sequence: expected one of length {shape[0]} at dim {depth - 1}, but found {data!r}"
        )
    if len(data) != shape[0]:
        raise ValueError(
            f"expected sequence of length {shape[0]} at dim {depth - 1} (got {len(data)}): all rows must have "
            "one length"
        )
    if isinstance(data, np.ndarray):
        if data.shape != shape:
            raise ValueError(
                f"expected an array of shape {list(shape)}, but got {list(data.shape)}"
            )
        found.add(dtypes.of_numpy(data.dtype))
        leaves.extend(data.ravel())
    elif len(shape) > 1:
        for item in data:
            _collect(item, shape[1:], depth + 1, leaves, found)
    else:
        leaves.extend(data)
        if not all([type(leaf) in _PLAIN for leaf in data]):
            start = len(leaves) - len(data)
            leaves[start:] = [_number_of(item, found) for item in data]


_PLAIN = frozenset((int, float, bool, complex))


def _number_of(item: Any, found: set) -> Any:
    """A number as it is, and the one element of a tensor, whose dtype goes to ``found``."""
    if isinstance(item, Tensor):
        if item._array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars: stack larger ones with torch.stack"
            )
        return values_of(item).reshape(-1)[0]
    if isinstance(item, np.ndarray) and not item.ndim:
        return item[()]
    return item


# ---- sharing memory ---------------------------------------------------------------------------------


@exported("torch")
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of ``data`` that shares its memory where it can.

    >>> as_tensor([1.0, 2.0])
    tensor([1., 2.])
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if isinstance(data, np.ndarray):
        return from_numpy(data).to(device=device, dtype=dtype)
    return placed_array(
        array_of(data, None if dtype is None else as_dtype(dtype), copy=False), device, False
    )


@exported("torch")
def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`as_tensor`, with a say on copying.

    Args:
        copy: True always copies, False never, None where it must.

    Raises:
        ValueError: ``copy`` is False and there is no way without.

    >>> asarray([1, 2])
    tensor([1, 2])
    """
    out = as_tensor(obj, dtype, device)
    shares = out is obj or (isinstance(obj, np.ndarray) and np.shares_memory(obj, values_of(out)))
    if copy is False and not shares:
        raise ValueError(
            "can't alias the given object without a copy: leave copy out, or convert it first"
        )
    if copy and shares:
        out = out.clone()
    return out.requires_grad_() if requires_grad else out


@exported("torch")
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a NumPy array.

    A read-only array gives a tensor that cannot be written to, and a warning.

    Raises:
        TypeError: it is no array, or PyTorch has no such dtype.
        ValueError: a stride is negative or no multiple of the element size, or the byte order is foreign.

    >>> a = np.zeros(2)
    >>> rushlight.from_numpy(a).add_(1)
    tensor([1., 1.], dtype=torch.float64)
    >>> a
    array([1., 1.])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    for s in ndarray.strides:
        if s < 0:
            raise ValueError(
                "At least one stride in the given numpy array is negative, and tensors with negative strides "
                "are not supported: copy the array with array.copy()"
            )
        if s % ndarray.dtype.itemsize:
            raise ValueError(
                f"given numpy array strides not a multiple of the element byte size: {ndarray.strides}; "
                "copy the array with array.copy()"
            )
    array = dtypes.standard(_native_order(ndarray))
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, and neither is the tensor that shares its memory: "
            "copy the array where you mean to write into the tensor.",
            UserWarning,
            stacklevel=2,
        )
    return wrap(array if type(array) is np.ndarray else array.view(np.ndarray))


@exported("torch")
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares the memory of another library's array through DLPack.

    Raises:
        RuntimeError: the object does not offer its memory that way.

    >>> rushlight.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(
            f"from_dlpack(): expected an object with __dlpack__, such as an array of another library, "
            f"but got {type(ext_tensor).__name__}; for Python values use torch.tensor(...)"
        )
    array = np.from_dlpack(ext_tensor)
    return from_numpy(array if array.flags.writeable else array.copy())


@exported("torch")
def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A one-dimensional tensor over the memory of a buffer.

    Raises:
        ValueError: the buffer is empty, or too small, or no whole number of elements.

    >>> rushlight.frombuffer(bytearray(b"ab"), dtype=rushlight.uint8)
    tensor([97, 98], dtype=torch.uint8)
    """
    if not memoryview(buffer).nbytes:
        raise ValueError("both buffer length (0) and count must not be 0")
    out = from_numpy(np.frombuffer(buffer, as_dtype(dtype).numpy, count, offset))
    return out.requires_grad_() if requires_grad else out


@exported("Tensor")
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`tensor` with the dtype and device of this tensor.

    >>> rushlight.zeros(2, dtype=rushlight.int8).new_tensor([1, 2])
    tensor([1, 2], dtype=torch.int8)
    """
    array = array_of(data, self.dtype if dtype is None else as_dtype(dtype), copy=True)
    return placed_array(array, self.device if device is None else device, requires_grad)


@exported("torch")
def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor.

    >>> is_tensor(rushlight.ones(1)), is_tensor([1])
    (True, False)
    """
    return isinstance(obj, Tensor)


# ---- legacy types -----------------------------------------------------------------------------------


def legacy_tensor(args: tuple, dtype: dtypes.dtype | None, device: Any = None) -> Tensor:
    """What ``torch.Tensor(...)`` and ``torch.FloatTensor(...)`` make.

    Args:
        args: sizes, or one sequence, array or tensor of values; nothing gives an empty tensor.
        dtype: None for ``torch.Tensor``: the default dtype, or that of a tensor.
    """
    if len(args) == 1:
        data = args[0]
        if isinstance(data, Tensor):
            if dtype is not None and data.dtype is not dtype:
                raise TypeError(
                    f"expected a tensor of {dtype}, but got {data.dtype}; convert it with .to({dtype})"
                )
            return data.detach()
        if not isinstance(data, Size) and (_is_sequence(data) or hasattr(data, "__array__")):
            if not isinstance(data, np.integer):
                return placed_array(
                    array_of(data, dtype or dtypes.get_default_dtype(), copy=True), device, False
                )
        elif isinstance(data, (str, bytes)):
            raise _no_number(data)
        elif isinstance(data, (bool, float, complex)):
            raise TypeError(
                f"new(): data must be a sequence (got {type(data).__name__}): write torch.tensor({data!r})"
            )
    shape = sizes_of("Tensor", args) if args else (0,)
    if any(n < 0 for n in shape):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    return placed_array(np.empty(shape, (dtype or dtypes.get_default_dtype()).numpy), device, False)


class _LegacyType(type(Tensor)):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.legacy_dtype


def legacy_type(dtype: dtypes.dtype) -> type:
    """The class ``torch.FloatTensor`` and its kin: makes tensors, and answers ``isinstance``."""

    def make(cls: type, *args: Any, device: Any = None) -> Tensor:
        return legacy_tensor(args, dtype, device)

    doc = f"Makes tensors of ``torch.{dtype.name}``, and is the type of those."
    return _LegacyType(
        dtype.legacy + "Tensor", (), {"__new__": make, "legacy_dtype": dtype, "__doc__": doc}
    )


for _dtype in dtypes.ALL:
    if _dtype.rank < dtypes.COMPLEX:
        exported("torch")(legacy_type(_dtype))
