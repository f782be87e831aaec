"""Writing pickles in which everything of PyTorch's has PyTorch's name."""

from __future__ import annotations

import _pickle
import io
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..devices import device
from ..memory import layout
from ..nn.parameter import Buffer, Parameter
from ..random import Generator
from ..size import Size
from ..storage import UntypedStorage
from . import names
from .tensors import Block, MemoryMap, MetaArray, Tensor, _array_of, _is_tensor, strides_of

# What a persistent id says of a block: five or, in the older format, six fields.
Describe = Callable[[Block], tuple]


def dump(
    obj: Any, protocol: int, pickle_module: Any, describe: Describe
) -> tuple[bytes, list[Block]]:
    """The pickle of ``obj``, and the blocks of memory that it refers to.

    Args:
        obj: what is to be saved.
        protocol: 2 to 5.
        pickle_module: the module whose Pickler is used.
        describe: gives the persistent id of a block.

    Raises:
        TypeError: the Pickler of ``pickle_module`` cannot be told to use other names.
        ValueError: ``protocol`` is none from 2 to 5.
    """
    if protocol not in (2, 3, 4, 5):
        raise ValueError(f"save: pickle_protocol must be 2, 3, 4 or 5, but got {protocol!r}")
    base = pickle_module.Pickler
    if issubclass(base, _pickle.Pickler):
        # The later protocols pack names into frames, where they cannot be changed any more.
        if protocol < 4:
            done = _dump_compiled(obj, protocol, base, describe)
            if done is not None:
                return done
        base = pickle._Pickler if base is pickle.Pickler else None
    if base is None or not issubclass(base, pickle._Pickler):
        raise TypeError(
            f"save: the Pickler of {pickle_module.__name__} is compiled, and cannot name PyTorch's "
            f"classes in protocol {protocol}; leave pickle_protocol out, or use a module whose "
            "Pickler is written in Python, such as pickle or dill"
        )
    file = io.BytesIO()
    pickler = type("Pickler", (_TensorPickler, _OtherNames, base), {})(file, protocol)
    pickler.prepare(describe, searches=False)
    pickler.dump(obj)
    return file.getvalue(), pickler.memory.blocks


class _FoundElsewhere(Exception):
    """A function is not where it says it is, and the compiled Pickler would refuse it."""


def _dump_compiled(
    obj: Any, protocol: int, base: type, describe: Describe
) -> tuple[bytes, list[Block]] | None:
    """The pickle by the compiled Pickler; None where that cannot write it.

    That Pickler insists on finding every global where its name says, so it writes the names by which
    things are found here. They are changed afterwards: each stands in the pickle exactly once,
    because later uses refer to the first, unless a text in the pickle looks just like it.
    """
    file = io.BytesIO()
    pickler = type("Pickler", (_TensorPickler, base), {})(file, protocol)
    pickler.prepare(describe, searches=True)
    try:
        pickler.dump(obj)
    except _FoundElsewhere:
        return None
    data = file.getvalue()
    for own_module, own_name, module, name in pickler.used:
        written = _global(own_module, own_name)
        if data.count(written) != 1:
            return None
        data = data.replace(written, _global(module, name))
    return data, pickler.memory.blocks


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


class _TensorPickler:
    """The part of a Pickler that knows tensors and names."""

    searches: bool
    memory: MemoryMap
    used: list[tuple[str, str, str, str]]
    describe: Describe

    def prepare(self, describe: Describe, searches: bool) -> None:
        self.searches = searches
        self.memory = MemoryMap()
        self.used = []
        self.describe = describe

    def persistent_id(self, obj: Any) -> tuple | None:
        if type(obj) is Block:
            return self.describe(obj)
        if isinstance(obj, UntypedStorage):
            return self.describe(self.memory.block_of_storage(obj))
        return None

    def reducer_override(self, obj: Any) -> Any:
        if _is_tensor(obj):
            return self._reduce_tensor(obj)
        reduce = _REDUCERS.get(type(obj))
        if reduce is not None:
            return reduce(obj)
        found = names.name_of(obj)
        if found is not None:
            if self.searches and getattr(sys.modules[found[0]], found[1], None) is not obj:
                raise _FoundElsewhere
            self.used.append(found)
            return found[1]
        other = getattr(super(), "reducer_override", None)
        return NotImplemented if other is None else other(obj)

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
        block, offset, strides = self.memory.locate(array, kind)
        return names.REBUILD_TENSOR, (
            block, offset, array.shape, strides, tensor.requires_grad, OrderedDict(),
        )  # fmt: skip


def _reduce_size(size: Size) -> tuple:
    return names.SIZE, (tuple(size),)


def _reduce_device(place: device) -> tuple:
    return names.DEVICE, (place.type,) if place.index is None else (place.type, place.index)


def _reduce_layout(kind: layout) -> tuple:
    return names.LAYOUT, (repr(kind),)


def _reduce_generator(generator: Generator) -> tuple:
    state = (generator.initial_seed(), None, generator.get_state())
    return names.GENERATOR, (generator.device,), state


_REDUCERS = {
    Size: _reduce_size,
    device: _reduce_device,
    layout: _reduce_layout,
    Generator: _reduce_generator,
}


class _OtherNames:
    """The part of a Pickler written in Python that writes other names than those found here."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        found = names.name_of(obj)
        if found is None:
            super().save_global(obj, name)
            return
        _, _, module, other = found
        if self.proto >= 4:
            self.save(module)
            self.save(other)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(_global(module, other))
        self.memoize(obj)
