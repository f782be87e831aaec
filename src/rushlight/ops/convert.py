"""Ops that change what a tensor is, not its values: dtype, device, memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices, dtypes
from ..backend import native
from ..memory import NAMES, channels_last, checked_format, contiguous_format, preserve_format
from ..primitive import Spec, export, exported, like, primitive
from ..tensor import MetaArray, Tensor, settle, wrap

for _name, _value in NAMES.items():
    export(_value, ("torch",), _name)

PYTHON_TYPES = {
    bool: dtypes.bool_,
    int: dtypes.int64,
    float: dtypes.float64,
    complex: dtypes.complex128,
}


def as_dtype(dtype: Any) -> dtypes.dtype:
    """The dtype that a user's argument means: a dtype, or Python's ``float``, ``int``, ``bool``, ``complex``.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(dtype, dtypes.dtype):
        return dtype
    if isinstance(dtype, type) and dtype in PYTHON_TYPES:
        return PYTHON_TYPES[dtype]
    raise TypeError(f"dtype must be a torch.dtype such as torch.float32, not {dtype!r}")


@primitive(node_name="ToCopyBackward0")
def cast(input: Tensor, dtype: dtypes.dtype) -> Spec:
    """The values of ``input`` in another dtype; real parts only where it is not complex."""
    return like(input, dtype)


@cast.kernel("cpu", "cuda")
def _cast(xp, x, dtype):
    return cast_array(x, dtype)


def cast_array(x: np.ndarray, dtype: dtypes.dtype) -> np.ndarray:
    """A copy of an array in another dtype; of complex values the real parts where that is real."""
    if native.converts(x.dtype, dtype.numpy):
        return native.converted(x, dtype.numpy)
    kind = x.dtype.kind
    if kind == "c" and dtype.rank < dtypes.COMPLEX and dtype.rank != dtypes.BOOLEAN:
        x, kind = x.real, "f"
    if dtype.rank == dtypes.INTEGRAL and kind in "fV":
        # Through a wider integer, so that what is out of range wraps around instead of being undefined.
        with np.errstate(invalid="ignore"):
            wide = np.int64 if dtype.itemsize < 4 else dtype.numpy
            return x.astype(wide).astype(dtype.numpy, copy=False)
    if dtype.rank >= dtypes.FLOATING and x.dtype.itemsize > dtype.itemsize:
        with np.errstate(over="ignore"):
            return x.astype(dtype.numpy)
    return x.astype(dtype.numpy)


# The walk back casts a gradient to the dtype of the value it belongs to.
@cast.vjp
def _cast_vjp(g):
    return g


@cast.oracle
def _cast_oracle(x, dtype):
    return x.astype(dtype.numpy)


@cast.samples
def _cast_samples(make):
    from ..primitive import call

    # To the dtype of the finite differences: a narrower one would round them away.
    yield call(make(3, 4), dtypes.float64)
    yield call(make(0, 4), dtypes.float64)


def _cast_gradient(self: Tensor, numpy_dtype: Any) -> Tensor:
    return cast(self, dtypes.of_numpy(numpy_dtype))


Tensor._cast_gradient = _cast_gradient


@exported("Tensor")
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype or on another device; itself where nothing changes.

    Args:
        args: a dtype, a device, a device and a dtype, or a tensor whose dtype and device to take;
            then ``non_blocking`` and ``copy``.
        kwargs: ``dtype``, ``device``, ``non_blocking``, ``copy``, ``memory_format``.

    Returns:
        The same shape; differentiable if the new dtype is floating or complex.

    >>> rushlight.tensor([1, 2]).to(rushlight.float32)
    tensor([1., 2.])
    """
    device, dtype, copy, memory_format = to_arguments(args, kwargs)
    out = self
    if device is not None and devices.resolve(device).type != self.device.type:
        out = _move(out, devices.resolve(device))
    if dtype is not None and dtype.numpy != out._array.dtype:
        out = cast(out, dtype)
    if memory_format is not None and memory_format is not preserve_format:
        out = out.contiguous(memory_format=memory_format)
    return out.clone() if copy and out is self else out


def to_arguments(args: tuple, kwargs: dict) -> tuple:
    """What the arguments of ``to`` say: device, dtype, copy, memory format.

    Raises:
        TypeError: they say nothing that ``to`` takes.
    """
    kwargs = dict(kwargs)
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    copy, memory_format = kwargs.pop("copy", False), kwargs.pop("memory_format", None)
    kwargs.pop("non_blocking", None)
    other = kwargs.pop("other", None)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
    elif rest and (
        rest[0] is None or isinstance(rest[0], (str, devices.device)) or type(rest[0]) is int
    ):
        device = rest.pop(0)
        if rest and (rest[0] is None or not isinstance(rest[0], bool)):
            dtype = rest.pop(0)
    elif rest:
        dtype = rest.pop(0)
    if other is not None:
        device, dtype = other.device, other.dtype
    if len(rest) > 1:
        copy = rest[1]
    return device, None if dtype is None else as_dtype(dtype), bool(copy), memory_format


def _move(x: Tensor, device: devices.device) -> Tensor:
    if device.type == "meta":
        return wrap(MetaArray(x._array.shape, x._array.dtype))
    raise NotImplementedError(
        "Cannot copy out of meta tensor; no data! Use torch.empty_like(x, device='cpu') for a tensor to fill."
    )


def _dtype_method(name: str, dtype: dtypes.dtype) -> None:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return (
            self.to(dtype) if memory_format is None else self.to(dtype, memory_format=memory_format)
        )

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The tensor with dtype ``torch.{dtype.name}``; itself if it has it already."
    exported("Tensor")(method)


for _name, _dtype in (
    ("float", dtypes.float32), ("double", dtypes.float64), ("half", dtypes.float16),
    ("bfloat16", dtypes.bfloat16), ("int", dtypes.int32), ("long", dtypes.int64),
    ("short", dtypes.int16), ("char", dtypes.int8), ("byte", dtypes.uint8), ("bool", dtypes.bool_),
    ("cfloat", dtypes.complex64), ("cdouble", dtypes.complex128),
):  # fmt: skip
    _dtype_method(_name, _dtype)


def legacy_name(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The legacy type name, as in ``"torch.FloatTensor"``; with an argument, the tensor in that dtype.

    >>> rushlight.ones(2).type()
    'torch.FloatTensor'
    """
    if dtype is None:
        return f"torch.{self.dtype.legacy}Tensor"
    return self.to(dtype_of_legacy(dtype))


export(legacy_name, ("Tensor",), "type")


def dtype_of_legacy(name: Any) -> dtypes.dtype:
    """The dtype that ``"torch.FloatTensor"`` or the class of that name means.

    Raises:
        ValueError: there is no such type.
    """
    if not isinstance(name, str):
        return getattr(name, "legacy_dtype", None) or as_dtype(name)
    word = name.rsplit(".", 1)[-1].removesuffix("Tensor")
    for dtype in dtypes.ALL:
        if dtype.legacy == word and word:
            return dtype
    raise ValueError(
        f"invalid type: '{name}'; write for example 'torch.FloatTensor' or torch.float32"
    )


@exported("Tensor")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype and device of ``other``."""
    return self.to(other)


@exported("Tensor")
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the CPU; itself if it is there."""
    return self.to("cpu")


@exported("Tensor")
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """The tensor on a CUDA device.

    Raises:
        AssertionError: there is none.
    """
    return self.to("cuda" if device is None else devices.device(device))


@primitive("torch", "Tensor", checks="failure")
def clone(input: Tensor, *, memory_format: Any = None) -> Spec:
    """A copy in memory of its own, through which gradients flow.

    Args:
        memory_format: the memory order of the copy; by default that of ``input``.

    >>> x = rushlight.zeros(2)
    >>> x.clone().fill_(1.0), x
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    return like(input)


@clone.kernel("cpu", "cuda")
def _clone(xp, x, memory_format):
    if memory_format is None or memory_format is preserve_format:
        return x.copy(order="K")
    return ordered_copy(x, memory_format)


@clone.vjp
def _clone_vjp(g):
    return g


@clone.oracle
def _clone_oracle(x, memory_format=None):
    return x.copy()


@clone.samples
def _clone_samples(make):
    from ..primitive import call

    yield call(make(3, 4))
    yield call(make(()))
    yield call(make(2, 3, 4, 5), memory_format=channels_last)


def ordered_copy(x: np.ndarray, memory_format: Any) -> np.ndarray:
    """A copy of an array in a named memory order.

    Raises:
        RuntimeError: the order does not fit the number of dimensions.
    """
    ndim = checked_format(memory_format).ndim
    if ndim is None:
        return x.copy(order="C")
    if x.ndim != ndim:
        raise RuntimeError(
            f"required rank {ndim} tensor to use {memory_format.name} format, "
            f"but this one has shape {list(x.shape)}"
        )
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(order="C"), -1, 1)


@exported("Tensor")
def contiguous(self: Tensor, memory_format: Any = contiguous_format) -> Tensor:
    """The values in memory in the order asked for; the tensor itself if they are.

    >>> rushlight.zeros(2, 3).t().contiguous().stride()
    (2, 1)
    """
    settle(self)
    if self.is_contiguous(memory_format):
        return self
    return clone(self, memory_format=memory_format)
