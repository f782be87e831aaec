"""``save`` and ``load``: checkpoint files that PyTorch reads and writes as well."""

from __future__ import annotations

import errno
import io
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..devices import TYPES, resolve
from ..dtypes import bool_
from .foreign import check_kind
from .names import StorageName
from .pickler import dump
from .tensors import Storage
from .unpickler import SafeUnpickler, load_anything

if TYPE_CHECKING:
    from .archive import ArchiveReader

# Of PyTorch's zip format; its readers look at it.
_FORMAT_VERSION = b"3\n"


def save(
    obj: Any,
    f: str | os.PathLike | BinaryIO,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Writes ``obj`` to a file that PyTorch's ``torch.load`` reads as well.

    A file given by its path is replaced as a whole when all is written: whatever happens before,
    the old file stays as it was. Tensors that share memory share it again when loaded; of a small
    view of a large tensor, all the memory is written (save its ``clone()`` to avoid that).

    Args:
        obj: what is to be kept: a ``state_dict``, or dicts, lists, numbers, strings and tensors.
        f: a path, or a binary file with ``write``.
        pickle_module: the module whose ``Pickler`` is used; it must be written in Python.
        pickle_protocol: 2 to 5.

    Raises:
        AttributeError: ``f`` is neither a path nor has ``write``.
        RuntimeError: the folder does not exist, ``f`` is a folder, or two tensors of different
            dtypes share memory.
        ValueError: ``pickle_protocol`` or the format is none that can be written.

    >>> import io
    >>> file = io.BytesIO()
    >>> rushlight.save({"w": rushlight.ones(2), "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> rushlight.load(file)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    if not _use_new_zipfile_serialization:
        raise ValueError(
            "save: only the zip format is written, which every PyTorch since 1.4 reads; leave "
            "_use_new_zipfile_serialization out"
        )
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError(
            "save: expected 'f' to be a path or a file-like object with a 'write' attribute, "
            f"but got {type(f).__name__}"
        )
    # All that can go wrong with the object does so before the file is touched.
    data, storages = dump(obj, pickle_protocol, pickle_module)
    if isinstance(f, (str, os.PathLike)):
        with _replacing(os.fspath(f)) as file:
            _write(file, data, storages)
    else:
        _write(f, data, storages)


def _write(file: BinaryIO, data: bytes, storages: list[Storage]) -> None:
    # Imported when used, as zipfile takes longer to import than all else here.
    from .archive import ArchiveWriter

    with ArchiveWriter(file) as archive:
        archive.add("data.pkl", data)
        archive.add(".format_version", b"1")
        archive.add(".storage_alignment", b"64")
        archive.add("byteorder", sys.byteorder.encode())
        for storage in storages:
            archive.add(f"data/{storage.key}", storage.array)
        archive.add("version", _FORMAT_VERSION)


@contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` when the block ends without an error."""
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"save: the folder {folder} does not exist; make it with os.makedirs")
    if os.path.isdir(path):
        raise RuntimeError(f"save: {path} is a folder; give the path of a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        # A device or a pipe: there is nothing to replace.
        with open(path, "wb") as file:
            yield file
        return
    temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Makes the new name of a file outlast a power cut, where the system lets folders be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load(
    f: str | os.PathLike | BinaryIO,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads what ``save`` or PyTorch's ``torch.save`` wrote.

    Only tensors, Python's own containers, numbers and strings are made, and no code of the file's
    choice is run, unless ``weights_only=False``. Never say that for a file that you would not run
    as a program.

    Args:
        f: a path, or a seekable binary file.
        map_location: where tensors go: a device, a dict from saved devices to others, or a function
            of the storage and its saved device. Without it, where they were.
        pickle_module: the module whose ``Unpickler`` is used; only with ``weights_only=False``.
        weights_only: refuse all but safe content; True unless ``pickle_module`` is given.
        mmap: map the file into memory instead of reading it, so that tensors are read when used.
        pickle_load_args: for the unpickler, such as ``encoding="latin1"`` for files of Python 2.

    Raises:
        FileNotFoundError: there is no such file.
        EOFError: the file is empty.
        UnpicklingError: the file is no checkpoint, or contains what is not known to be safe.
        RuntimeError: the file is damaged, or its device is not on this machine.
        ValueError: ``mmap`` is asked of something that is no path.

    >>> import io
    >>> file = io.BytesIO()
    >>> rushlight.save([rushlight.zeros(2)], file)
    >>> _ = file.seek(0)
    >>> rushlight.load(file, map_location="cpu")
    [tensor([0., 0.])]
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError(
            "load: Can not safely load weights when explicit pickle_module is specified; leave "
            "pickle_module out, or say weights_only=False if you trust the file"
        )
    options = (map_location, weights_only, pickle_module or pickle, pickle_load_args)
    if isinstance(f, (str, os.PathLike)):
        with _open(os.fspath(f)) as file:
            return _read(file, f"load: {os.fspath(f)}", bool(mmap), *options)
    if mmap:
        raise ValueError("load: f must be a file path in order to use the mmap argument")
    _check_seekable(f)
    return _read(f, f"load: {getattr(f, 'name', f'the {type(f).__name__}')}", False, *options)


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, _what_is_there(path), path) from None


def _what_is_there(path: str) -> str:
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        return f"No such file, and the folder {folder} does not exist"
    import difflib

    near = difflib.get_close_matches(name, os.listdir(folder), n=3, cutoff=0.5)
    hint = f"; there is {' and '.join(map(repr, near))}" if near else ""
    return f"No such file in {folder}{hint}"


def _check_seekable(f: Any) -> None:
    try:
        f.seek(f.tell())
    except (AttributeError, io.UnsupportedOperation) as error:
        raise type(error)(
            f"load: {error}. A checkpoint is read from a path or from a file that is seekable: "
            "read yours into an io.BytesIO first"
        ) from error


def _read(
    file: BinaryIO,
    where: str,
    mapped: bool,
    map_location: Any,
    weights_only: bool,
    pickle_module: Any,
    pickle_load_args: dict,
) -> Any:
    from .archive import ArchiveReader

    start = file.tell()
    head = file.read(512)
    if start and not head:
        raise EOFError(f"{where} is at its end, where nothing is left to read; call seek(0) first")
    check_kind(head, where)
    file.seek(start)
    with ArchiveReader(file, where, mapped) as archive:
        storages = _StorageReader(archive, where, map_location)
        data = archive.read("data.pkl")
        try:
            if weights_only:
                obj = SafeUnpickler(data, storages.load, **pickle_load_args).load()
            else:
                obj = load_anything(data, storages.load, pickle_module, **pickle_load_args)
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(f"{where} cannot be loaded: {error}") from error
        archive.finish()
        return obj


class _StorageReader:
    """Gives the storages that a pickle asks for, each read once, on the device where it belongs."""

    def __init__(self, archive: ArchiveReader, where: str, map_location: Any):
        self._archive = archive
        self._where = where
        self._map_location = map_location
        self._storages: dict[str, Storage] = {}
        order = archive.read("byteorder").decode("latin1") if "byteorder" in archive else "little"
        if order not in ("little", "big"):
            raise pickle.UnpicklingError(f"{where} has the unknown byte order {order!r}")
        self._swapped = order != sys.byteorder

    def load(self, saved_id: Any) -> Storage:
        """The storage of an id ``("storage", class, key, device, number of elements)``."""
        name, key, location, size = self._parse(saved_id)
        known = self._storages.get(key)
        if known is None:
            known = self._storages[key] = self._read(name, key, location, size)
        if known.dtype is not name.dtype or known.size != size:
            raise pickle.UnpicklingError(
                f"storage {key} is asked for as {size} elements of {name.dtype}, but also as "
                f"{known.size} of {known.dtype}"
            )
        return known

    def _parse(self, saved_id: Any) -> tuple[StorageName, str, str, int]:
        kinds = (str, StorageName, str, str, int)
        if isinstance(saved_id, tuple) and len(saved_id) == 5 and saved_id[0] == "storage":
            if all(map(isinstance, saved_id, kinds)) and saved_id[4] >= 0:
                return saved_id[1:]
        raise pickle.UnpicklingError(f"its pickle refers to {saved_id!r}, which is no storage")

    def _read(self, name: StorageName, key: str, location: str, size: int) -> Storage:
        record = f"data/{key}"
        expected = size * name.dtype.itemsize
        if record not in self._archive:
            raise pickle.UnpicklingError(
                f"the record {record} with the values of a tensor is missing"
            )
        if self._archive.size(record) != expected:
            raise pickle.UnpicklingError(
                f"the record {record} has {self._archive.size(record)} bytes, but {size} elements "
                f"of {name.dtype} take {expected}"
            )
        storage = Storage(name.dtype, size, None, key)
        if callable(self._map_location):
            storage.array = self._read_values(name, record)
            placed = self._map_location(storage, location)
            storage.device = self._resolve(location) if placed is None else _device_of(placed)
        else:
            storage.device = self._resolve(self._mapped(location))
            if storage.device != "meta":
                storage.array = self._read_values(name, record)
        return storage

    def _read_values(self, name: StorageName, record: str) -> np.ndarray:
        raw = self._archive.read_array(record)
        word = name.dtype.itemsize // (2 if name.dtype.is_complex else 1)
        if self._swapped:
            if name.name == "UntypedStorage":
                raise pickle.UnpicklingError(
                    f"{record} has another byte order than this machine, and no dtype to swap it by"
                )
            raw.view(f"u{word}").byteswap(inplace=True)
        if name.dtype is bool_ and raw.size and raw.max() > 1:
            # NumPy reckons with 0 and 1 alone.
            np.not_equal(raw, 0, out=raw.view(np.bool_))
        values = raw.view(name.dtype.numpy)
        # A mapped record of a file that another program packed may begin anywhere.
        return values if values.flags.aligned else values.copy()

    def _mapped(self, location: str) -> str:
        target = self._map_location
        if isinstance(target, dict):
            target = target.get(location, location)
        return location if target is None else str(target)

    def _resolve(self, location: str) -> str:
        if location.partition(":")[0] not in TYPES:
            raise RuntimeError(
                f"{self._where}: don't know how to restore data location {location!r}; give a "
                f"map_location of {', '.join(TYPES)}"
            )
        try:
            return resolve(location).type
        except (AssertionError, RuntimeError) as error:
            raise RuntimeError(
                f"{self._where} has tensors for {location}, which is not to be had here. Load them "
                "with map_location='cpu'."
            ) from error


def _device_of(placed: Any) -> str:
    if not isinstance(placed, Storage):
        raise TypeError(
            "load: a map_location function must return the storage that it was given, or None, "
            f"but returned {type(placed).__name__}"
        )
    return placed.device
