"""Making tensors: filled, counted, or like another. Those from values are in `values`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import devices, dtypes
from ..memory import checked_format, preserve_format, strided
from ..memory import memory_format as MemoryFormat
from ..primitive import export, exported
from ..tensor import MetaArray, Tensor, settle, values_of, wrap
from .convert import as_dtype
from .values import array_of, as_tensor, legacy_tensor, placed_array, tensor
from .view import sizes_of
from .write import element

__all__ = [
    "array_of", "as_tensor", "legacy_tensor", "new_leaf", "placed_array", "tensor", "wrap_zeros", "write_out",
]  # fmt: skip


def new_leaf(make: Any, shape: tuple, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A new leaf whose array is ``make(shape, numpy_dtype)``; without one on the ``meta`` device.

    Raises:
        RuntimeError: a size is negative, or there is not enough memory.
    """
    for n in shape:
        if n < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {n}: {list(shape)}"
            )
    numpy_dtype = (dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)).numpy
    place = devices.resolve(device)
    if place is not devices.CPU:
        out = wrap(MetaArray(shape, numpy_dtype))
    else:
        try:
            out = wrap(make(shape, numpy_dtype))
        except (MemoryError, ValueError):
            raise RuntimeError(
                "not enough memory: you tried to allocate "
                f"{math.prod(shape) * numpy_dtype.itemsize} bytes for a tensor of shape {list(shape)}"
            ) from None
    return out.requires_grad_() if requires_grad else out


def wrap_zeros(shape: tuple, numpy_dtype: Any) -> Tensor:
    """Zeros by NumPy's name of a dtype."""
    return wrap(np.zeros(shape, numpy_dtype))


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
        if out._array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out._array.shape)}, "
                f"which does not match the required output shape {list(made._array.shape)}: give one of that "
                "shape, or an empty one.",
                UserWarning,
                stacklevel=3,
            )
        out.resize_(made._array.shape)
    return out.copy_(made)


def _written(out: Tensor | None, made: Tensor) -> Tensor:
    """``made``, or ``out`` with its values."""
    return made if out is None else write_out(out, made)


def _checked_layout(layout: Any) -> None:
    if layout is not None and layout is not strided:
        raise RuntimeError(f"tensors are torch.strided, not {layout}")


def in_order(make: Any, shape: tuple, numpy_dtype: Any, memory_format: Any) -> np.ndarray:
    """A new array in a named memory order."""
    ndim = memory_format.ndim if isinstance(memory_format, MemoryFormat) else None
    if ndim is None:
        return make(shape, numpy_dtype)
    if len(shape) != ndim:
        raise RuntimeError(
            f"required rank {ndim} tensor to use {memory_format.name} format, but the shape is {list(shape)}"
        )
    return np.moveaxis(make((shape[0], *shape[2:], shape[1]), numpy_dtype), -1, 1)


def in_order_of(x: Tensor, make: Any, shape: tuple, numpy_dtype: Any) -> np.ndarray:
    """A new array in the memory order of ``x`` where that fills its memory, as PyTorch gives it."""
    settle(x)
    array = x._array
    if type(array) is MetaArray or array.flags.c_contiguous:
        return make(shape, numpy_dtype)
    order = sorted(range(array.ndim), key=lambda i: -array.strides[i])
    if not array.transpose(order).flags.c_contiguous:
        return make(shape, numpy_dtype)
    return make(tuple(shape[i] for i in order), numpy_dtype).transpose(np.argsort(order))


def like_leaf(
    input: Any, make: Any, dtype: Any, device: Any, requires_grad: bool, memory_format: Any
) -> Tensor:
    """A new leaf in the shape, dtype, memory order and on the device of ``input``, unless said otherwise.

    Raises:
        TypeError: ``input`` is no tensor.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if memory_format is None or checked_format(memory_format) is preserve_format:
        ordered = lambda shape, d: in_order_of(input, make, shape, d)  # noqa: E731 - named by its use
    else:
        ordered = lambda shape, d: in_order(make, shape, d, memory_format)  # noqa: E731
    return new_leaf(
        ordered, input._array.shape, input.dtype if dtype is None else dtype,
        input.device if device is None else device, requires_grad,
    )  # fmt: skip


def _filled(name: str, make: Any, doc: str) -> None:
    def function(
        *size: Any, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
        pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None, **named: Any,
    ) -> Tensor:  # fmt: skip
        if named:
            size = _named_size(name, size, named)
        if layout is not None:
            _checked_layout(layout)
        ordered = make
        if memory_format is not None:
            ordered = lambda shape, d: in_order(make, shape, d, memory_format)  # noqa: E731 - named by its use
        made = new_leaf(ordered, sizes_of(name, size), dtype, device, requires_grad)
        return made if out is None else write_out(out, made)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    exported("torch")(function)
    globals()[name] = function

    def like(
        input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
        pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        return like_leaf(input, make, dtype, device, requires_grad, memory_format)

    like.__name__ = like.__qualname__ = name + "_like"
    like.__doc__ = (
        f"`{name}` in the shape, dtype and on the device of ``input``, unless said otherwise."
    )
    exported("torch")(like)
    globals()[name + "_like"] = like

    def new(
        self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        layout: Any = None, pin_memory: bool = False, **named: Any,
    ) -> Tensor:  # fmt: skip
        if named:
            size = _named_size("new_" + name, size, named)
        return new_leaf(
            make, sizes_of("new_" + name, size), self.dtype if dtype is None else dtype,
            self.device if device is None else device, requires_grad,
        )  # fmt: skip

    new.__name__ = new.__qualname__ = "new_" + name
    new.__doc__ = f"`{name}` of the given size, with the dtype and device of this tensor."
    exported("Tensor")(new)


def _named_size(name: str, size: tuple, named: dict) -> tuple:
    if "size" in named and not size:
        size = (named.pop("size"),)
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    return size


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


def _fill_value(value: Any) -> Any:
    if isinstance(value, (np.number, np.bool_)) or (
        isinstance(value, Tensor) and not value._array.ndim
    ):
        return value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(
            f"full(): argument 'fill_value' (position 2) must be Number, not {type(value).__name__}"
        )
    return value


@exported("torch")
def full(
    size: Any, fill_value: Any, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one value.

    Args:
        size: a tuple of ints.
        dtype: by default that of the value: bool, int64, or the default dtype.

    Raises:
        RuntimeError: the value does not fit into ``dtype``.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    value = _fill_value(fill_value)
    dtype = dtypes.of_number(value) if dtype is None else as_dtype(dtype)
    value = element(value, dtype)
    make = lambda s, d: np.full(s, value, d)  # noqa: E731 - one expression, named by its use
    return _written(out, new_leaf(make, sizes_of("full", (size,)), dtype, device, requires_grad))


@exported("torch")
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """`full` in the shape, dtype and on the device of ``input``, unless said otherwise.

    >>> full_like(zeros(2), 7)
    tensor([7., 7.])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"full_like(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    value = element(_fill_value(fill_value), input.dtype if dtype is None else as_dtype(dtype))
    make = lambda s, d: np.full(s, value, d)  # noqa: E731 - one expression, named by its use
    return like_leaf(input, make, dtype, device, requires_grad, memory_format)


@exported("Tensor")
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`full` with the dtype and device of this tensor."""
    return full(
        size, fill_value, dtype=self.dtype if dtype is None else dtype,
        device=self.device if device is None else device, requires_grad=requires_grad,
    )  # fmt: skip


@exported("torch")
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """An uninitialised tensor with the given strides.

    >>> empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})"
        )
    if any(s < 0 for s in stride):
        raise RuntimeError(f"empty_strided: strides must not be negative, got {list(stride)}")

    def make(shape: tuple, d: Any) -> np.ndarray:
        span = 1 + sum((n - 1) * s for n, s in zip(shape, stride)) if math.prod(shape) else 0
        return np.ndarray(shape, d, np.empty(span, d), 0, tuple([s * d.itemsize for s in stride]))

    return new_leaf(make, size, dtype, device, requires_grad)


@exported("Tensor")
def new_empty_strided(self: Tensor, size: Any, stride: Any, **options: Any) -> Tensor:
    """`empty_strided` with the dtype and device of this tensor."""
    return empty_strided(size, stride, **{"dtype": self.dtype, "device": self.device, **options})


# ---- counted ----------------------------------------------------------------------------------------


def _numbers(*values: Any) -> list:
    """Tensors and NumPy numbers as Python numbers."""
    return [v.item() if isinstance(v, (Tensor, np.generic)) else v for v in values]


@exported("torch")
def arange(
    *bounds: Any, start: Any = None, end: Any = None, step: Any = None, out: Tensor | None = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` (0) up to, not including, ``end``, ``step`` (1) apart.

    Returns:
        int64 if all arguments are integers, else the default dtype.

    Raises:
        RuntimeError: ``step`` is 0 or leads away from ``end``, or a bound is not finite.

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
    start, end, step = _numbers(0 if start is None else start, end, 1 if step is None else step)
    for value in (start, end, step):
        if isinstance(value, complex):
            raise RuntimeError(
                f"value cannot be converted to type double without overflow: {value}"
            )
        if not isinstance(value, (int, float)):
            raise TypeError(f"arange(): bounds must be numbers, not {type(value).__name__}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not all(math.isfinite(v) for v in (start, end, step)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start} -> {end} in steps of {step}"
        )
    whole = all(isinstance(v, int) for v in (start, end, step))
    dtype = (
        (dtypes.int64 if whole else dtypes.get_default_dtype())
        if dtype is None
        else as_dtype(dtype)
    )
    count = max(0, -((start - end) // step)) if whole else max(0, math.ceil((end - start) / step))

    def make(shape: tuple, d: np.dtype) -> np.ndarray:
        if whole and dtype.rank <= dtypes.INTEGRAL:
            return np.arange(start, start + count * step, step, np.int64).astype(d, copy=False)
        return (start + np.arange(count) * np.float64(step)).astype(d)

    return _written(out, new_leaf(make, (count,), dtype, device, requires_grad))


def including_range(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Tensor | None = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`arange` that includes ``end``, of floating dtype; an old name, for old programs."""
    warnings.warn(
        "torch.range is deprecated because it includes its end, unlike Python's range: use torch.arange",
        UserWarning,
        stacklevel=2,
    )
    start, end, step = _numbers(start, end, step)
    count = math.floor((end - start) / step) + 1
    dtype = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    make = lambda shape, d: (start + np.arange(count) * np.float64(step)).astype(d)  # noqa: E731
    return _written(out, new_leaf(make, (count,), dtype, device, requires_grad))


export(including_range, ("torch",), "range")


@exported("torch")
def linspace(
    start: Any, end: Any, steps: int, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    Raises:
        RuntimeError: ``steps`` is negative.

    >>> linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    steps = int(steps)
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    start, end = _numbers(start, end)
    if dtype is None:
        dtype = dtypes.get_default_dtype()
        if isinstance(start, complex) or isinstance(end, complex):
            dtype = dtype.to_complex()
    dtype = as_dtype(dtype)

    def make(shape: tuple, d: np.dtype) -> np.ndarray:
        # From both ends towards the middle. Ends and step are rounded to the result's precision and
        # what is between them once, as in PyTorch.
        whole = dtype.rank < dtypes.FLOATING
        kind = np.dtype(np.float64) if whole else d
        first, last = (kind.type(int(x) if whole else x) for x in (start, end))
        step = kind.type((last - first) / kind.type(steps - 1)) if steps > 1 else kind.type(0)
        wide = np.result_type(kind, np.float64 if kind.itemsize > 2 else np.float32)
        index = np.arange(steps)
        low = wide.type(first) + wide.type(step) * index
        high = wide.type(last) - wide.type(step) * (steps - 1 - index)
        return (
            np.where(index < steps // 2 if steps > 1 else index >= 0, low, high)
            .astype(kind)
            .astype(d)
        )

    return _written(out, new_leaf(make, (steps,), dtype, device, requires_grad))


@exported("torch")
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Tensor | None = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the power of each number of `linspace`.

    >>> logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    exponents = values_of(linspace(start, end, steps, dtype=dtypes.float64))
    make = lambda shape, d: np.power(float(base), exponents).astype(d)  # noqa: E731 - named by its use
    return _written(out, new_leaf(make, exponents.shape, dtype, device, requires_grad))


@exported("torch")
def eye(
    n: int, m: int | None = None, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere.

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    m = n if m is None else m
    if not (hasattr(n, "__index__") and hasattr(m, "__index__")):
        raise TypeError(f"eye(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0 or m < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {min(n, m)}")
    return _written(
        out, new_leaf(lambda s, d: np.eye(*s, dtype=d), (n, m), dtype, device, requires_grad)
    )


@exported("torch")
def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A 0-dim tensor of one number, in the default dtype unless another is given.

    >>> scalar_tensor(3)
    tensor(3.)
    """
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    return full((), s, dtype=dtype, device=device, requires_grad=requires_grad)
