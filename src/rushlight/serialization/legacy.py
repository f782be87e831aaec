"""The format of PyTorch before 1.6: pickles one after the other, and behind them the values.

They are: a number that tells the format; its version; facts about the machine; the object; and the keys of
its storages, in the order in which their values follow, each behind its number of elements. Nothing in
such a file tells whether it is whole: damage to values goes unnoticed.
"""

from __future__ import annotations

import pickle
import struct
import sys
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from ..dtypes import bool_
from . import options
from .archive_writer import write_all
from .locations import Placement, location_tag
from .names import STORAGES, StorageName
from .pickler import dump
from .storages import check_same, make_bool, swap_bytes
from .tensors import Block, Storage
from .unpickler import SafeUnpickler, load_anything

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001
# The number as every protocol from 2 on writes it.
MAGIC = b"\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little")
_MACHINE = {
    "protocol_version": _VERSION,
    "little_endian": sys.byteorder == "little",
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_COUNT = struct.Struct("<q")


# ---- writing ------------------------------------------------------------------------------------


class LegacyCheckpoint:
    """An object, pickled and ready to be written.

    Args:
        obj, protocol, pickle_module: as for `save`.
    """

    def __init__(self, obj: Any, protocol: int, pickle_module: Any):
        data, self._blocks = dump(obj, protocol, pickle_module, _describe)
        keys = [block.key for block in self._blocks]
        parts = (_MAGIC_NUMBER, _VERSION, _MACHINE)
        self._head = b"".join(
            [*(pickle.dumps(part, protocol) for part in parts), data, pickle.dumps(keys, protocol)]
        )

    def write(self, file: BinaryIO) -> None:
        """Writes it."""
        write_all(file, self._head)
        for block in self._blocks:
            write_all(file, _COUNT.pack(block.count))
            values = block.bytes()
            if sys.byteorder != "little":
                values = values.copy()
                swap_bytes(values, STORAGES[block.dtype])
            write_all(file, memoryview(values))


def _describe(block: Block) -> tuple:
    return "storage", STORAGES[block.dtype], block.key, location_tag(block), block.count, None


# ---- reading ------------------------------------------------------------------------------------


def read(
    file: BinaryIO,
    where: str,
    placement: Placement,
    weights_only: bool,
    pickle_module: Any,
    pickle_load_args: dict,
) -> Any:
    """The object at the present place of ``file``, which then stands behind it.

    Raises:
        UnpicklingError: the file is damaged, or asks for what is not known to be safe.
    """
    bounded = _Bounded(file)
    storages = _LegacyStorages(bounded, placement, modules=not weights_only)

    def load(**options: Any) -> Any:
        if weights_only:
            return SafeUnpickler(bounded, storages.load, **options).load()
        return load_anything(bounded, storages.load, pickle_module, **options)

    try:
        if load() != _MAGIC_NUMBER:
            raise UnpicklingError("it has another number than a checkpoint begins with")
        version = load()
        if version != _VERSION:
            raise UnpicklingError(f"it has version {version!r} of the format, not {_VERSION}")
        load()
        obj = load(**pickle_load_args)
        storages.fill(load())
    except UnpicklingError as error:
        raise UnpicklingError(f"{where} cannot be loaded: {error}") from error
    return obj


class _Bounded:
    """A file that never makes room for more than it still has."""

    def __init__(self, file: BinaryIO):
        self._file = file
        start = file.tell()
        self._left = file.seek(0, 2) - start
        file.seek(start)

    @property
    def left(self) -> int:
        """How many bytes are not yet read."""
        return self._left

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self._file.readline(self._left)
        self._left -= len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def fill(self, array: np.ndarray) -> bool:
        """Reads the bytes of ``array``; False where there are fewer."""
        view = memoryview(array)
        readinto = getattr(self._file, "readinto", None)
        while view:
            count = (readinto or self.readinto)(view)
            if not count:
                return False
            self._left -= count if readinto else 0
            view = view[count:]
        return True


class _LegacyStorages:
    """The storages that the pickle asks for: first without, and behind it with their values."""

    def __init__(self, file: _Bounded, placement: Placement, modules: bool):
        self._file = file
        self._placement = placement
        self._modules = modules
        self._storages: dict[str, Storage] = {}
        self._views: dict[str, Storage] = {}
        self._raw: dict[str, tuple[StorageName, np.ndarray]] = {}
        self._asked = 0
        self._afterwards: list[Any] | None = []

    def load(self, saved_id: Any) -> Any:
        """The storage or class that an id stands for."""
        if isinstance(saved_id, tuple) and len(saved_id) == 6 and _text(saved_id[0]) == "storage":
            return self._storage(*saved_id[1:])
        if self._modules and isinstance(saved_id, tuple) and len(saved_id) == 4:
            if _text(saved_id[0]) == "module":
                # The class of a layer, with the file and the source that it had.
                return saved_id[1]
        raise UnpicklingError(f"its pickle refers to {saved_id!r}, which is no storage")

    def _storage(self, name: Any, key: Any, location: Any, count: Any, view: Any) -> Storage:
        key, location = _text(key), _text(location)
        if not (
            type(name) is StorageName
            and isinstance(key, str)
            and isinstance(location, str)
            and isinstance(count, int)
            and count >= 0
        ):
            raise UnpicklingError(f"its pickle refers to the storage {key!r}, which is none")
        root = self._storages.get(key)
        if root is None:
            root = self._storages[key] = self._make(name, key, location, count)
        check_same(root, name, count)
        return root if view is None else self._view(root, view)

    def _make(self, name: StorageName, key: str, location: str, count: int) -> Storage:
        size = count * name.dtype.itemsize
        self._asked += size
        if self._asked > self._file.left:
            raise UnpicklingError(
                f"its storages take {self._asked} bytes or more, but only {self._file.left} are "
                "left in the file: it is probably cut off"
            )
        raw = np.zeros(size, np.uint8) if options.skips_data() else np.empty(size, np.uint8)
        self._raw[key] = name, raw
        values = raw.view(name.dtype.numpy)
        storage = Storage(name.dtype, count, values, key, "cpu", self._when_filled)
        return self._placement.put(storage, location)

    def _view(self, root: Storage, view: Any) -> Storage:
        """A part of a storage that once was an object of its own."""
        if not (isinstance(view, tuple) and len(view) == 3):
            raise UnpicklingError(f"its pickle refers to {view!r}, which is no part of a storage")
        key, offset, count = _text(view[0]), *view[1:]
        right = isinstance(key, str) and all(type(n) is int and n >= 0 for n in (offset, count))
        if not right or offset + count > root.count:
            raise UnpicklingError(
                f"its pickle refers to {view!r}, which is no part of a storage of {root.count}"
            )
        if key not in self._views:
            part = root.array[offset : offset + count]
            self._views[key] = Storage(root.dtype, count, part, key, root.place, self._when_filled)
        return self._views[key]

    def _when_filled(self, function: Any) -> None:
        if self._afterwards is None:
            function()
        else:
            self._afterwards.append(function)

    def fill(self, keys: Any) -> None:
        """Reads the values of the storages, in the order of their keys."""
        names = [_text(key) for key in keys] if isinstance(keys, list) else [None]
        if not all(isinstance(name, str) for name in names) or sorted(names) != sorted(self._raw):
            raise UnpicklingError(f"its storages are {sorted(self._raw)}, but it lists {keys!r}")
        for key in names:
            name, raw = self._raw[key]
            count = self._file.read(_COUNT.size)
            expected = raw.size // name.dtype.itemsize
            if len(count) < _COUNT.size or _COUNT.unpack(count)[0] != expected:
                raise UnpicklingError(
                    f"the storage {key} should have {expected} elements, and has another number"
                )
            if not self._file.fill(raw):
                raise UnpicklingError("the file ends within a storage")
            if sys.byteorder != "little":
                swap_bytes(raw, name)
            if name.dtype is bool_:
                make_bool(raw)
        functions, self._afterwards = self._afterwards, None
        for function in functions:
            function()


def _text(value: Any) -> Any:
    """Strings of Python 2 may come as bytes."""
    return value.decode("latin1") if isinstance(value, bytes) else value
