"""Writing pickles in which tensors are named as PyTorch names them."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any

from ..devices import device
from ..dtypes import dtype
from ..nn.parameter import Buffer, Parameter
from ..size import Size
from . import names
from .tensors import MemoryMap, MetaArray, Storage, Tensor, _array_of, _is_tensor, strides_of


def dump(obj: Any, protocol: int, pickle_module: Any) -> tuple[bytes, list[Storage]]:
    """The pickle of ``obj``, and the storages that it refers to by their place in the list.

    Raises:
        TypeError: the Pickler of ``pickle_module`` cannot be told to use other names.
        ValueError: ``protocol`` is none from 2 to 5.
    """
    if protocol not in (2, 3, 4, 5):
        raise ValueError(f"save: pickle_protocol must be 2, 3, 4 or 5, but got {protocol!r}")
    file = io.BytesIO()
    pickler = _pickler_class(pickle_module)(file, protocol)
    pickler.memory = MemoryMap()
    pickler.dump(obj)
    return file.getvalue(), pickler.memory.storages


def _pickler_class(pickle_module: Any) -> type:
    base = pickle._Pickler if pickle_module is pickle else pickle_module.Pickler
    if not isinstance(getattr(base, "dispatch", None), dict):
        raise TypeError(
            f"save: the Pickler of {pickle_module.__name__} is compiled, and cannot name PyTorch's "
            "classes; use pickle, or a module whose Pickler is written in Python, such as dill"
        )
    dispatch = type(base.dispatch)(base.dispatch)
    dispatch[names.Name] = dispatch[names.StorageName] = _save_name
    dispatch[dtype] = _save_dtype
    return type("Pickler", (_TensorPickler, base), {"dispatch": dispatch})


# The C pickler looks every global up in its module, and PyTorch's modules need not be there: so the
# one that the standard library has in Python is taken.
class _TensorPickler:
    memory: MemoryMap

    def persistent_id(self, obj: Any) -> tuple | None:
        if type(obj) is Storage:
            return "storage", names.STORAGES[obj.dtype], obj.key, obj.device, obj.size
        return None

    def reducer_override(self, obj: Any) -> Any:
        if _is_tensor(obj):
            return self._reduce_tensor(obj)
        if type(obj) is Size:
            return names.SIZE, (tuple(obj),)
        if type(obj) is device:
            return names.DEVICE, (obj.type,) if obj.index is None else (obj.type, obj.index)
        return NotImplemented

    def _reduce_tensor(self, tensor: Tensor) -> tuple:
        cls, attributes = type(tensor), tensor.__dict__
        if cls is Parameter:
            data = tensor.detach()
            if attributes:
                args = (data, tensor.requires_grad, OrderedDict(), attributes)
                return names.REBUILD_PARAMETER_WITH_STATE, args
            return names.REBUILD_PARAMETER, (data, tensor.requires_grad, OrderedDict())
        rebuild, args = self._reduce_values(tensor)
        if cls in (Tensor, Buffer) and not attributes:
            return rebuild, args
        written = names.TENSOR if cls in (Tensor, Buffer) else cls
        return names.REBUILD_FROM_TYPE, (rebuild, written, args, attributes)

    def _reduce_values(self, tensor: Tensor) -> tuple:
        array, kind = _array_of(tensor), tensor.dtype
        if isinstance(array, MetaArray):
            strides = strides_of(array)
            return names.REBUILD_META, (kind, tuple(array.shape), strides, tensor.requires_grad)
        storage, offset, strides = self.memory.locate(array, kind)
        shape = tuple(array.shape)
        return names.REBUILD_TENSOR, (
            storage, offset, shape, strides, tensor.requires_grad, OrderedDict(),
        )  # fmt: skip


def _save_name(pickler: Any, name: names.Name) -> None:
    _write_global(pickler, name)
    pickler.memoize(name)


def _save_dtype(pickler: Any, kind: dtype) -> None:
    _write_global(pickler, names.DTYPES[kind])
    pickler.memoize(kind)


def _write_global(pickler: Any, name: names.Name) -> None:
    if pickler.proto >= 4:
        pickler.save(name.module)
        pickler.save(name.name)
        pickler.write(pickle.STACK_GLOBAL)
    else:
        pickler.write(pickle.GLOBAL + f"{name.module}\n{name.name}\n".encode("ascii"))
