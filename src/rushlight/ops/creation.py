"""Making tensors: from values, filled, counted, or like another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import devices
from .. import dtypes
from ..primitive import exported
from ..tensor import MetaArray, Tensor, settle, values_of, wrap
from .convert import as_dtype
from .view import sizes_of


def placed_array(array: np.ndarray, device: Any, requires_grad: bool) -> Tensor:
    """A new leaf over a new array, on ``device``."""
    place = devices.resolve(device)
    out = wrap(array if place is devices.CPU else MetaArray(array.shape, array.dtype))
    return out.requires_grad_() if requires_grad else out


def new_leaf(make: Any, shape: tuple, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A new leaf whose array is ``make(shape, numpy_dtype)``; without one on the ``meta`` device.

    Raises:
        RuntimeError: a size is negative.
    """
    if any(n < 0 for n in shape):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    numpy_dtype = (dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)).numpy
    place = devices.resolve(device)
    out = wrap(make(shape, numpy_dtype) if place is devices.CPU else MetaArray(shape, numpy_dtype))
    return out.requires_grad_() if requires_grad else out


def _write(out: Tensor | None, made: Tensor) -> Tensor:
    """``made``, or ``out`` with its values."""
    return made if out is None else write_out(out, made)


def write_out(out: Tensor, made: Tensor) -> Tensor:
    """Puts a result into the tensor given as ``out=``, in its dtype, resized where it does not fit.

    Raises:
        TypeError: ``out`` is no tensor.
        RuntimeError: its dtype cannot hold the result, or it requires a gradient.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if not dtypes.can_cast(made.dtype, out.dtype):
        raise RuntimeError(
            f"result type {made.dtype.legacy} can't be cast to the desired output type {out.dtype.legacy}"
        )
    if out.requires_grad or made.requires_grad:
        raise RuntimeError(
            "functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    if out._array.shape != made._array.shape:
        out.resize_(made._array.shape)
    return out.copy_(made)


@exported("torch")
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A tensor with a copy of ``data``.

    Args:
        data: a number, nested sequences of numbers or tensors, a NumPy array, a tensor.
        dtype: by default that of the data; Python floats get the default dtype.

    Raises:
        ValueError: nested sequences differ in length.
        TypeError: an element is no number.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> tensor(2.5)
    tensor(2.5000)
    """
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    array = array_of(data, None if dtype is None else as_dtype(dtype), copy=True)
    return placed_array(array, device, requires_grad)


def array_of(data: Any, dtype: dtypes.dtype | None, copy: bool) -> np.ndarray:
    """The NumPy array that a user's data means, by PyTorch's choice of dtype.

    Raises:
        ValueError: nested sequences differ in length.
        TypeError: an element is no number.
    """
    if isinstance(data, Tensor):
        array = values_of(data)
    elif isinstance(data, np.ndarray):
        array = data
        if array.dtype.byteorder not in "=|" :
            raise ValueError(
                "given numpy array has byte order different from the native byte order. Conversion between "
                "byte orders is currently not supported; use array.astype(array.dtype.newbyteorder('='))."
            )
    elif isinstance(data, (np.number, np.bool_)):
        array = np.asarray(data)
    elif hasattr(data, "__dlpack__"):
        array = np.from_dlpack(data)
    elif hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        array = np.asarray(data)
    else:
        return _array_of_python(data, dtype)
    target = dtypes.of_numpy(array.dtype) if dtype is None else dtype
    if array.dtype != target.numpy:
        return _converted(array, target)
    if copy:
        return array.copy(order="C" if not isinstance(data, Tensor) else "K")
    return array


def _converted(array: np.ndarray, target: dtypes.dtype) -> np.ndarray:
    if array.dtype.kind not in "biufcV":
        raise TypeError(f"can't convert np.ndarray of type {array.dtype}. The only supported types are: {', '.join(d.name for d in dtypes.ALL)}.")
    if array.dtype.kind == "c" and target.rank < dtypes.COMPLEX:
        array = array.real
    with np.errstate(all="ignore"):
        return array.astype(target.numpy)


def _array_of_python(data: Any, dtype: dtypes.dtype | None) -> np.ndarray:
    """An array of nested Python sequences of numbers and 0-dim tensors."""
    shape = _shape_of_nested(data)
    leaves: list[Any] = []
    _collect(data, shape, leaves)
    if any(isinstance(leaf, (Tensor, np.ndarray)) for leaf in leaves):
        leaves = [leaf.item() if isinstance(leaf, (Tensor, np.ndarray)) else leaf for leaf in leaves]
    if dtype is None:
        dtype = dtypes.get_default_dtype()
        if leaves:
            dtype = dtypes.bool_
            for kind in {type(leaf) for leaf in leaves}:
                example = next(leaf for leaf in leaves if type(leaf) is kind)
                if not isinstance(example, (bool, int, float, complex, np.number, np.bool_)):
                    raise _no_number(example)
                found = dtypes.of_number(example)
                if isinstance(example, np.number):
                    found = dtypes.of_numpy(example.dtype)
                dtype = dtypes.promote_types(dtype, found)
    try:
        if dtype.rank == dtypes.BOOLEAN:
            flat = np.fromiter(map(bool, leaves), np.bool_, len(leaves))
        elif dtype.rank == dtypes.INTEGRAL:
            if any(isinstance(leaf, complex) for leaf in leaves):
                raise RuntimeError("value cannot be converted to type int64 without overflow")
            flat = np.array([int(leaf) for leaf in leaves], np.int64).astype(dtype.numpy)
        else:
            flat = np.array(leaves, np.complex128 if dtype.is_complex else np.float64).astype(dtype.numpy)
    except OverflowError:
        raise RuntimeError("Overflow when unpacking long long: a value does not fit into int64") from None
    except (TypeError, ValueError):
        wrong = next(x for x in leaves if not isinstance(x, (bool, int, float, complex, np.number, np.bool_)))
        raise _no_number(wrong) from None
    return flat.reshape(shape)


def _no_number(wrong: Any) -> Exception:
    if isinstance(wrong, str):
        return ValueError(f"too many dimensions 'str': {wrong!r} is text, and a tensor holds numbers")
    return TypeError(
        f"Could not infer dtype of {type(wrong).__name__}: {wrong!r} is no number; a tensor holds numbers"
    )


def _shape_of_nested(data: Any) -> tuple[int, ...]:
    shape = []
    while True:
        if isinstance(data, (Tensor, np.ndarray)):
            return (*shape, *data.shape)
        if isinstance(data, (str, bytes, dict, set)) or not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
            return tuple(shape)
        shape.append(len(data))
        if not len(data):
            return tuple(shape)
        data = data[0]


def _collect(data: Any, shape: tuple[int, ...], leaves: list[Any]) -> None:
    """Appends the numbers of nested sequences in order, checking every length."""
    if not shape:
        if isinstance(data, (list, tuple)):
            raise TypeError(f"expected a number, but found a sequence of length {len(data)} among numbers")
        leaves.append(data)
        return
    if isinstance(data, (Tensor, np.ndarray)):
        if tuple(data.shape) != shape:
            raise ValueError(f"expected sequence of shape {list(shape)}, but got {list(data.shape)}")
        leaves.extend(np.asarray(data.detach() if isinstance(data, Tensor) else data).ravel().tolist())
        return
    if not hasattr(data, "__len__") or isinstance(data, (str, bytes)):
        raise TypeError(f"not a sequence: expected one of length {shape[0]}, but found {data!r}")
    if len(data) != shape[0]:
        raise ValueError(
            f"expected sequence of length {shape[0]} at dim {len(shape)} (got {len(data)}): all rows must have "
            "one length"
        )
    if len(shape) == 1 and not any(isinstance(item, (list, tuple)) for item in data):
        leaves.extend(data)
        return
    for item in data:
        _collect(item, shape[1:], leaves)


@exported("torch")
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of ``data`` that shares its memory where it can.

    >>> as_tensor([1.0, 2.0])
    tensor([1., 2.])
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if isinstance(data, np.ndarray) and dtype is None:
        return from_numpy(data).to(device=device)
    return placed_array(array_of(data, None if dtype is None else as_dtype(dtype), copy=False), device, False)


@exported("torch")
def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False) -> Tensor:
    """`as_tensor`, with a say on copying."""
    out = as_tensor(obj, dtype, device)
    if copy:
        out = out.clone()
    return out.requires_grad_() if requires_grad else out


@exported("torch")
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a NumPy array.

    Raises:
        TypeError: it is no array, or PyTorch has no such dtype.
        ValueError: a stride is negative, or the byte order is foreign.

    >>> a = np.zeros(2)
    >>> rushlight.from_numpy(a).add_(1)
    tensor([1., 1.], dtype=torch.float64)
    >>> a
    array([1., 1.])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are "
            "not currently supported. (You can probably work around this by making a copy of your array  "
            "with array.copy().)"
        )
    if ndarray.dtype.byteorder not in "=|":
        raise ValueError("given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.")
    dtypes.of_numpy(ndarray.dtype)
    if not ndarray.flags.writeable:
        import warnings

        warnings.warn(
            "The given NumPy array is not writable, and tensors are: this one holds a copy of it.",
            UserWarning,
            stacklevel=2,
        )
        ndarray = ndarray.copy()
    return wrap(ndarray if type(ndarray) is np.ndarray else ndarray.view(np.ndarray))


@exported("torch")
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares the memory of another library's array through DLPack.

    >>> rushlight.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    array = np.from_dlpack(ext_tensor)
    return from_numpy(array if array.flags.writeable else array.copy())


@exported("torch")
def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A one-dimensional tensor over the memory of a buffer.

    >>> rushlight.frombuffer(bytearray(b"ab"), dtype=rushlight.uint8)
    tensor([97, 98], dtype=torch.uint8)
    """
    array = np.frombuffer(buffer, as_dtype(dtype).numpy, count, offset)
    out = from_numpy(array)
    return out.requires_grad_() if requires_grad else out


def _filled(name: str, make: Any, doc: str) -> None:
    def function(
        *size: Any, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
        pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None, **names: Any,
    ) -> Tensor:  # fmt: skip
        if names:
            size = (names.pop("size"),) if "size" in names else size
            if names:
                raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(names))}'")
        return _write(out, new_leaf(make, sizes_of(name, size), dtype, device, requires_grad))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    exported("torch")(function)
    globals()[name] = function

    def like(
        input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
        pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        return new_leaf(
            lambda shape, d: _in_order_of(input, make, shape, d), input._array.shape,
            input.dtype if dtype is None else dtype,
            input.device if device is None else device, requires_grad,
        )  # fmt: skip

    like.__name__ = like.__qualname__ = name + "_like"
    like.__doc__ = f"`{name}` in the shape, dtype and on the device of ``input``, unless said otherwise."
    exported("torch")(like)
    globals()[name + "_like"] = like

    def new(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False) -> Tensor:
        return new_leaf(
            make, sizes_of("new_" + name, size), self.dtype if dtype is None else dtype,
            self.device if device is None else device, requires_grad,
        )  # fmt: skip

    new.__name__ = new.__qualname__ = "new_" + name
    new.__doc__ = f"`{name}` of the given size, with the dtype and device of this tensor."
    exported("Tensor")(new)


def _in_order_of(x: Tensor, make: Any, shape: tuple, numpy_dtype: Any) -> np.ndarray:
    """A new array in the memory order of ``x`` where that fills its memory, as PyTorch gives it."""
    settle(x)
    array = x._array
    if array.flags.c_contiguous or type(array) is MetaArray:
        return make(shape, numpy_dtype)
    order = sorted(range(array.ndim), key=lambda i: -array.strides[i])
    if not array.transpose(order).flags.c_contiguous:
        return make(shape, numpy_dtype)
    return make(tuple(shape[i] for i in order), numpy_dtype).transpose(np.argsort(order))


_filled("empty", np.empty, """A tensor of the given size whose values are whatever was in memory.

    Args:
        size: ints, or one tuple of them.
        dtype: by default the default dtype.

    >>> empty(2, 3).shape
    torch.Size([2, 3])
    """)  # fmt: skip
_filled("zeros", np.zeros, """A tensor of zeros.

    Args:
        size: ints, or one tuple of them.
        dtype: by default the default dtype.

    >>> zeros(2)
    tensor([0., 0.])
    """)  # fmt: skip
_filled("ones", np.ones, """A tensor of ones.

    Args:
        size: ints, or one tuple of them.
        dtype: by default the default dtype.

    >>> ones(2)
    tensor([1., 1.])
    """)  # fmt: skip


@exported("torch")
def full(size: Any, fill_value: Any, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A tensor of one value.

    Args:
        dtype: by default that of the value: bool, int64, or the default dtype.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    value = fill_value.item() if isinstance(fill_value, (Tensor, np.generic)) else fill_value
    dtype = dtypes.of_number(value) if dtype is None else dtype
    shape = sizes_of("full", (size,) if not isinstance(size, int) else ((size,),))
    make = lambda s, d: np.full(s, value, d)  # noqa: E731 - one expression, named by its use
    return _write(out, new_leaf(make, shape, dtype, device, requires_grad))


@exported("torch")
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """`full` in the shape, dtype and on the device of ``input``."""
    return full(
        input._array.shape, fill_value, dtype=dtype or input.dtype,
        device=input.device if device is None else device, requires_grad=requires_grad,
    )  # fmt: skip


@exported("Tensor")
def new_full(self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`full` with the dtype and device of this tensor."""
    return full(size, fill_value, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


@exported("Tensor")
def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`tensor` with the dtype and device of this tensor."""
    array = array_of(data, as_dtype(dtype) if dtype else self.dtype, copy=True)
    return placed_array(array, device or self.device, requires_grad)


@exported("torch")
def arange(*bounds: Any, start: Any = None, end: Any = None, step: Any = None, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers from ``start`` (0) up to, not including, ``end``, ``step`` (1) apart.

    Returns:
        int64 if all arguments are integers, else the default dtype.

    Raises:
        RuntimeError: ``step`` is 0 or leads away from ``end``.

    >>> arange(1, 3, 0.5)
    tensor([1.0000, 1.5000, 2.0000, 2.5000])
    """
    if len(bounds) > 3 or not (bounds or end is not None):
        raise TypeError("arange() takes end, or start and end, or start, end and step")
    if len(bounds) == 1:
        if end is None:
            end = bounds[0]
        else:
            start = bounds[0]
    elif bounds:
        start, end = bounds[:2]
        step = bounds[2] if len(bounds) == 3 else step
    start, end, step = (
        value.item() if isinstance(value, (Tensor, np.generic)) else default if value is None else value
        for value, default in ((start, 0), (end, None), (step, 1))
    )
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not all(math.isfinite(v) for v in (start, end, step)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = all(isinstance(v, int) for v in (start, end, step))
    dtype = (dtypes.int64 if whole else dtypes.get_default_dtype()) if dtype is None else as_dtype(dtype)
    count = max(0, -((start - end) // step)) if whole else max(0, math.ceil((end - start) / step))
    if whole and dtype.rank <= dtypes.INTEGRAL:
        array = np.arange(start, start + count * step, step, np.int64).astype(dtype.numpy)
    else:
        array = (start + np.arange(count) * np.float64(step)).astype(dtype.numpy)
    return _write(out, placed_array(array, device, requires_grad))


@exported("torch")
def linspace(start: Any, end: Any, steps: int, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    >>> linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    steps = int(steps)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    start, end = (v.item() if isinstance(v, (Tensor, np.generic)) else v for v in (start, end))
    dtype = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    kind = np.dtype(np.float64) if dtype.rank <= dtypes.INTEGRAL else dtype.numpy
    # From both ends towards the middle, each in the result's precision, as PyTorch counts.
    if dtype is dtypes.float32:
        kind = np.dtype(np.float32)
    step = kind.type((end - start) / (steps - 1)) if steps > 1 else kind.type(0)
    index = np.arange(steps)
    low = kind.type(start) + step * index.astype(kind)
    high = kind.type(end) - step * (steps - 1 - index).astype(kind)
    array = np.where(index < steps // 2 if steps > 1 else index >= 0, low, high)
    return _write(out, placed_array(array.astype(dtype.numpy), device, requires_grad))


@exported("torch")
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``base`` to the power of each number of `linspace`.

    >>> logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    exponents = values_of(linspace(start, end, steps, dtype=dtypes.float64))
    dtype = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    return _write(out, placed_array(np.power(float(base), exponents).astype(dtype.numpy), device, requires_grad))


@exported("torch")
def eye(n: int, m: int | None = None, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal, zeros elsewhere.

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {min(n, m)}")
    return _write(out, new_leaf(lambda s, d: np.eye(*s, dtype=d), (n, m), dtype, device, requires_grad))


@exported("torch")
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A 0-dim tensor of one number."""
    return full((), s, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


@exported("torch", "Tensor")
def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor.

    >>> is_tensor(rushlight.ones(1)), is_tensor([1])
    (True, False)
    """
    return isinstance(obj, Tensor)


def legacy_tensor(args: tuple, dtype: dtypes.dtype, device: Any = None) -> Tensor:
    """What ``torch.Tensor(...)`` and ``torch.FloatTensor(...)`` make.

    Args:
        args: sizes, or one sequence, array or tensor of values; nothing gives an empty tensor.
    """
    if not args:
        return new_leaf(np.empty, (0,), dtype, device, False)
    if len(args) == 1:
        data = args[0]
        if isinstance(data, Tensor):
            return wrap(values_of(data)) if data.dtype is dtype else data.detach().to(dtype)
        from ..size import Size

        if isinstance(data, Size):
            return new_leaf(np.empty, tuple(data), dtype, device, False)
        if not hasattr(data, "__index__"):
            return placed_array(array_of(data, dtype, copy=True), device, False)
    return new_leaf(np.empty, sizes_of("Tensor", args), dtype, device, False)


class _LegacyType(type(Tensor)):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.legacy_dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def legacy_type(dtype: dtypes.dtype) -> type:
    """The class ``torch.FloatTensor`` and its kin: makes tensors, and answers ``isinstance``."""

    def make(cls: type, *args: Any, device: Any = None) -> Tensor:
        return legacy_tensor(args, dtype, device)

    name = dtype.legacy + "Tensor"
    return _LegacyType(name, (), {"__new__": make, "legacy_dtype": dtype, "__doc__": f"Makes tensors of ``torch.{dtype.name}``, and is the type of those."})


for _dtype in dtypes.ALL:
    if _dtype.rank < dtypes.COMPLEX:
        exported("torch")(legacy_type(_dtype))


def wrap_zeros(shape: tuple[int, ...], numpy_dtype: Any) -> Tensor:
    """Zeros of a shape and a NumPy dtype."""
    return wrap(np.zeros(shape, numpy_dtype))
