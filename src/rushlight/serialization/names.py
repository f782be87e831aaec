"""PyTorch's names in pickles, and what stands for them here: one table for both directions."""

from __future__ import annotations

import codecs
import functools
import io
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from .. import memory
from ..devices import device, resolve
from ..dtypes import ALL, dtype, uint8
from ..random import Generator
from ..size import Size
from .classes import torch_name
from .tensors import (
    Parameter,
    Storage,
    Tensor,
    _array_of,
    _is_tensor,
    _make_parameter,
    _make_tensor,
    meta_tensor,
    view_of,
    wrap,
)


class Name:
    """A global of a pickle: written by name, and called where the pickle calls it."""

    __slots__ = ("module", "name", "function")

    def __init__(self, module: str, name: str, function: Callable | None = None):
        self.module = module
        self.name = name
        self.function = function

    @property
    def path(self) -> str:
        """Under which name this very object is found in the present module."""
        return f"{self.module}.{self.name}".replace(".", ":")

    def __call__(self, *args: Any) -> Any:
        if self.function is None:
            raise pickle.UnpicklingError(f"{self} is no function, but the pickle calls it")
        return self.function(*args)

    def __repr__(self) -> str:
        return f"{self.module}.{self.name}"


class StorageName(Name):
    """The name of a storage class, which tells the dtype of the elements."""

    __slots__ = ("dtype",)

    def __init__(self, module: str, name: str, dtype: dtype):
        super().__init__(module, name)
        self.dtype = dtype


# ---- tensors ------------------------------------------------------------------------------------


def _rebuild_tensor(storage, offset, size, stride):
    _check(isinstance(storage, Storage), "a tensor has no storage")
    return view_of(storage, storage.dtype, offset, size, stride)


def _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata=None):
    _check(isinstance(storage, Storage), "a tensor has no storage")
    tensor = view_of(storage, storage.dtype, offset, size, stride, requires_grad)
    return _resolve_bits(tensor, storage, metadata, requires_grad)


def _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, kind, metadata=None):
    _check(isinstance(storage, Storage), "a tensor has no storage")
    _check(isinstance(kind, dtype), f"the dtype of a tensor is {kind!r}")
    tensor = view_of(storage, kind, offset, size, stride, requires_grad)
    return _resolve_bits(tensor, storage, metadata, requires_grad)


def _resolve_bits(tensor, storage, metadata, requires_grad):
    """PyTorch may leave a conjugate or a negation to be computed by who reads the memory."""
    _check(metadata is None or isinstance(metadata, dict), "the metadata of a tensor is no dict")
    for bit, function in (("conj", np.conj), ("neg", np.negative)):
        if metadata and metadata.get(bit) and not tensor.is_meta:
            source = tensor._array
            result = np.empty_like(source)
            storage.when_filled(functools.partial(function, source, out=result))
            tensor = _make_tensor(result, requires_grad)
    return tensor


def _rebuild_meta_tensor(kind, size, stride, requires_grad):
    _check(isinstance(kind, dtype), f"the dtype of a tensor is {kind!r}")
    return meta_tensor(kind, size, requires_grad)


def _rebuild_parameter(data, requires_grad, hooks):
    _check(_is_tensor(data), "the data of a parameter is no tensor")
    _check(isinstance(requires_grad, bool), "requires_grad of a parameter is no bool")
    return _make_parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, hooks, state):
    return _with_attributes(_rebuild_parameter(data, requires_grad, hooks), state)


def _rebuild_from_type(rebuild, cls, args, state):
    _check(isinstance(rebuild, Name), "a tensor is made by something unknown")
    tensor = rebuild(*args)
    _check(_is_tensor(tensor), f"{rebuild} does not make a tensor")
    if isinstance(cls, type):
        _check(issubclass(cls, Tensor), f"{cls} is no class of tensors")
        tensor = _make_tensor(_array_of(tensor), tensor.requires_grad, cls)
    return _with_attributes(tensor, state)


def _rebuild_device_tensor(tensor, kind, place, requires_grad):
    tensor = wrap(tensor) if isinstance(tensor, np.ndarray) else tensor
    _check(_is_tensor(tensor) and isinstance(kind, dtype), "the data of a tensor is none")
    _check(isinstance(place, (str, device)), "the device of a tensor is none")
    return tensor.to(resolve(place), kind).detach().requires_grad_(bool(requires_grad))


def _load_from_bytes(data):
    # How a pickle that `save` did not write holds the memory of a tensor: as a file within it.
    from .checkpoint import load

    return load(io.BytesIO(data), weights_only=False)


def _get_layout(name):
    for known in (memory.strided, memory.sparse_coo, memory.sparse_csr):
        if repr(known) == name:
            return known
    raise pickle.UnpicklingError(f"{name!r} is no layout that Rushlight has")


class _LoadedGenerator(Generator):
    """A generator between its making and its state, which pickles give it in two steps."""

    def __setstate__(self, state: Any) -> None:
        _seed, _offset, values = state
        self.set_state(values)
        self.__class__ = Generator


def _with_attributes(tensor, state):
    # Classes with slots give a pair of dictionaries.
    parts = state if isinstance(state, tuple) else (state,)
    for part in filter(None, parts):
        set_attributes(tensor, part)
    return tensor


def set_attributes(target: Any, attributes: Any) -> None:
    """Gives ``target`` attributes of its own; none may hide what its class defines.

    Raises:
        UnpicklingError: they are no dictionary of such names.
    """
    _check(isinstance(attributes, dict), f"the attributes of {type(target).__name__} are no dict")
    for name, value in attributes.items():
        _check(
            isinstance(name, str) and not hasattr(type(target), name),
            f"it sets the attribute {name!r} of {type(target).__name__}",
        )
        target.__dict__[name] = value


REBUILD_TENSOR = Name("torch._utils", "_rebuild_tensor_v2", _rebuild_tensor_v2)
REBUILD_META = Name("torch._utils", "_rebuild_meta_tensor_no_storage", _rebuild_meta_tensor)
REBUILD_PARAMETER = Name("torch._utils", "_rebuild_parameter", _rebuild_parameter)
REBUILD_PARAMETER_WITH_STATE = Name(
    "torch._utils", "_rebuild_parameter_with_state", _rebuild_parameter_with_state
)
REBUILD_FROM_TYPE = Name("torch._tensor", "_rebuild_from_type_v2", _rebuild_from_type)
GENERATOR = Name("torch._C", "Generator", _LoadedGenerator)
LAYOUT = Name("torch.serialization", "_get_layout", _get_layout)
TENSOR = Name("torch", "Tensor")
SIZE = Name("torch", "Size", lambda sizes=(): Size(sizes))
DEVICE = Name("torch", "device", lambda *args: device(*args))
DTYPES = {kind: Name("torch", kind.name) for kind in ALL}
STORAGES = {kind: StorageName("torch", f"{kind.legacy}Storage", kind) for kind in ALL}


# ---- Python's own -------------------------------------------------------------------------------


def _check(right: Any, complaint: str) -> None:
    if not right:
        raise pickle.UnpicklingError(complaint)


def check_keys(keys: Iterable, depth: int = 20) -> None:
    """Refuses what must not be hashed: deeply nested tuples, whose hash would overflow the C stack.

    Raises:
        UnpicklingError: a key of a dict or an item of a set is nested deeper than ``depth``.
    """
    for key in keys:
        if isinstance(key, (tuple, frozenset)):
            _check(depth > 0, "a key or an item of a set is nested too deeply")
            check_keys(key, depth - 1)


def _make_ordered_dict(pairs=()):
    pairs = [tuple(pair) for pair in pairs]
    check_keys(pair[0] for pair in pairs)
    return OrderedDict(pairs)


def _make_counter(counts=None):
    _check(counts is None or isinstance(counts, dict), "the content of a Counter is no dict")
    return Counter(counts)


def _make_set(items=()):
    check_keys(items)
    return set(items)


def _make_frozenset(items=()):
    check_keys(items)
    return frozenset(items)


def _make_bytearray(content=b""):
    _check(isinstance(content, bytes), "the content of a bytearray is no bytes")
    return bytearray(content)


def _make_bytes(text="", encoding="latin1"):
    # How protocol 2 writes bytes.
    _check(isinstance(text, str) and encoding == "latin1", "bytes are not written as latin1")
    return codecs.encode(text, "latin1")


_PYTHON = [
    Name("collections", "OrderedDict", _make_ordered_dict),
    Name("collections", "Counter", _make_counter),
    Name("builtins", "set", _make_set),
    Name("builtins", "frozenset", _make_frozenset),
    Name("builtins", "bytearray", _make_bytearray),
    Name("builtins", "complex", complex),
    Name("builtins", "bytes", _make_bytes),
    Name("_codecs", "encode", _make_bytes),
]

_TORCH = [
    REBUILD_TENSOR,
    REBUILD_META,
    REBUILD_PARAMETER,
    REBUILD_PARAMETER_WITH_STATE,
    REBUILD_FROM_TYPE,
    TENSOR,
    SIZE,
    DEVICE,
    Name("torch._utils", "_rebuild_tensor", _rebuild_tensor),
    Name("torch._utils", "_rebuild_tensor_v3", _rebuild_tensor_v3),
    Name("torch.nn.parameter", "Parameter"),
    Name("torch._tensor", "_rebuild_from_type", _rebuild_from_type),
    Name("torch.tensor", "_rebuild_from_type", _rebuild_from_type),
    Name("torch._utils", "_rebuild_device_tensor_from_cpu_tensor", _rebuild_device_tensor),
    Name("torch._utils", "_rebuild_device_tensor_from_numpy", _rebuild_device_tensor),
    LAYOUT,
    StorageName("torch.storage", "UntypedStorage", uint8),
    *STORAGES.values(),
    # Files from before 1.6 name the class for the device as well.
    *(StorageName("torch.cuda", name.name, kind) for kind, name in STORAGES.items()),
]

# What a restricted unpickler may meet, and what it then takes.
TORCH_GLOBALS: dict[str, Any] = {repr(name): name for name in _TORCH}
TORCH_GLOBALS.update({repr(name): kind for kind, name in DTYPES.items()})
SAFE_GLOBALS: dict[str, Any] = {**TORCH_GLOBALS, **{repr(name): name for name in _PYTHON}}
# What only a trusted file may ask for.
TRUSTED_GLOBALS: dict[str, Any] = {
    repr(name): name
    for name in (GENERATOR, Name("torch.storage", "_load_from_bytes", _load_from_bytes))
}
TRUSTED_GLOBALS |= {"torch.Tensor": Tensor, "torch.Size": Size, "torch.device": device}
TRUSTED_GLOBALS |= {"torch.dtype": dtype, "torch.nn.parameter.Parameter": Parameter}

_BY_PATH = {name.path: name for name in (*_TORCH, *DTYPES.values(), GENERATOR)}


def __getattr__(name: str) -> Any:
    # The C pickler makes sure that a global is found where its name says.
    try:
        return _BY_PATH[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def name_of(obj: Any) -> tuple[str, str, str, str] | None:
    """The two names of an object that a pickle refers to by name.

    Returns:
        Module and name by which it is found here, module and name by which PyTorch knows it; None
        for objects that are not written by such a name.
    """
    cls = type(obj)
    if cls is Name or cls is StorageName:
        return __name__, obj.path, obj.module, obj.name
    if cls is dtype:
        return cls.__module__, "bool_" if obj.name == "bool" else obj.name, "torch", obj.name
    if cls is memory.memory_format:
        return cls.__module__, obj.name, "torch", obj.name
    if isinstance(obj, (type, FunctionType)):
        if obj is Tensor:
            return obj.__module__, "Tensor", TENSOR.module, TENSOR.name
        if obj is device:
            return obj.__module__, "device", DEVICE.module, DEVICE.name
        if obj is Size:
            return obj.__module__, "Size", SIZE.module, SIZE.name
        if obj is dtype:
            return obj.__module__, "dtype", "torch", "dtype"
        if obj is Generator:
            return obj.__module__, "Generator", GENERATOR.module, GENERATOR.name
        own = (obj.__module__ or "").partition(".")[0] == "rushlight"
        known = torch_name(obj) if own else None
        if known is not None:
            return obj.__module__, obj.__qualname__, *known
    return None
