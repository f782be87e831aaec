"""``save`` and ``load``: checkpoint files that PyTorch reads and writes as well."""

from __future__ import annotations

import errno
import io
import os
import pickle
import sys
from mmap import MAP_SHARED
from typing import Any, BinaryIO

from . import config, options, safe_list
from .foreign import check_kind, has_safetensors_name, is_legacy
from .locations import Placement, location_tag
from .names import STORAGES
from .pickler import dump
from .tensors import Block
from .unpickler import SafeUnpickler, load_anything

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

    Layers, optimizers and schedules are written by PyTorch's names for their classes. A path that
    ends in ``.safetensors`` gives a file of that format, which holds a dictionary of tensors alone.

    Args:
        obj: what is to be kept: a ``state_dict``, dicts, lists, numbers, strings and tensors; or any
            object, which then is loaded only with ``weights_only=False``.
        f: a path, or a binary file with ``write``.
        pickle_module: the module whose ``Pickler`` is used.
        pickle_protocol: 2 to 5; PyTorch loads safely only what is written with 2.
        _use_new_zipfile_serialization: False writes the format of PyTorch before 1.6, in which
            damage cannot be found.

    Raises:
        AttributeError: ``f`` is neither a path nor has ``write``.
        OSError: the file cannot be written, for example because the disk is full.
        RuntimeError: the folder does not exist, ``f`` is a folder, or two tensors of different
            dtypes share memory.
        ValueError: ``pickle_protocol`` is none that can be written.

    >>> import io
    >>> file = io.BytesIO()
    >>> rushlight.save({"w": rushlight.ones(2), "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> rushlight.load(file)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            "save: expected 'f' to be a path or a file-like object with a 'write' attribute, "
            f"but got {type(f).__name__}"
        )
    # All that can go wrong with the object does so before the file is touched.
    checkpoint: Any
    if has_safetensors_name(f):
        from .safetensors_files import TensorFile

        checkpoint = TensorFile(obj)
    elif _use_new_zipfile_serialization:
        checkpoint = _Checkpoint(obj, pickle_protocol, pickle_module)
    else:
        from .legacy import LegacyCheckpoint

        checkpoint = LegacyCheckpoint(obj, pickle_protocol, pickle_module)
    if is_path:
        from .replacing import replacing

        with replacing(os.fsdecode(f)) as file:
            checkpoint.write(file)
    else:
        checkpoint.write(f)


class _Checkpoint:
    """An object, pickled and ready to be written.

    Args:
        obj, protocol, pickle_module: as for `save`.
    """

    def __init__(self, obj: Any, protocol: int, pickle_module: Any):
        self._pickle, self._blocks = dump(obj, protocol, pickle_module, _describe)

    def write(self, file: BinaryIO) -> None:
        """Writes it."""
        from .archive_writer import ArchiveWriter

        alignment, skips = config.save.storage_alignment, options.skips_data()
        checksums = config.save.compute_crc32 and not skips
        with ArchiveWriter(file, alignment, checksums) as archive:
            archive.add("data.pkl", self._pickle)
            archive.add(".format_version", b"1")
            archive.add(".storage_alignment", str(alignment).encode())
            archive.add("byteorder", sys.byteorder.encode())
            for block in self._blocks:
                values = block.bytes()
                if skips:
                    archive.add_hole(f"data/{block.key}", len(values))
                else:
                    archive.add(f"data/{block.key}", values)
            archive.add("version", _FORMAT_VERSION)


def _describe(block: Block) -> tuple:
    return "storage", STORAGES[block.dtype], block.key, location_tag(block), block.count


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
        f: a path, or a seekable binary file. A path that ends in ``.safetensors`` is read as such.
        map_location: where tensors go: a device, a dict from saved devices to others, or a function
            of the storage and its saved device. Without it, where they were.
        pickle_module: the module whose ``Unpickler`` is used; only with ``weights_only=False``.
        weights_only: refuse all but safe content; True unless ``pickle_module`` is given.
        mmap: map the file into memory instead of reading it, so that tensors are read when used.
            Their checksums are not looked at then. What is written to them stays in this process.
            Safetensors files are mapped unless this is False.
        pickle_load_args: for the unpickler, such as ``encoding="latin1"`` for files of Python 2.

    Raises:
        FileNotFoundError: there is no such file.
        EOFError: the file is empty.
        UnpicklingError: the file is no checkpoint, or contains what is not known to be safe.
        RuntimeError: the file is damaged, or its device is not on this machine, or ``mmap`` is asked
            of a format that cannot be mapped.
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
    unpickler = (weights_only, pickle_module or pickle, pickle_load_args)
    if isinstance(f, (str, os.PathLike)):
        path = os.fsdecode(f)
        where = f"load: {path}"
        mapped = config.load.mmap if mmap is None else bool(mmap)
        shared = mapped and options.get_default_mmap_options() == MAP_SHARED
        with _open(path, "r+b" if shared else "rb") as file:
            if has_safetensors_name(f):
                from .safetensors_files import read

                # Mapped as its library does it, unless told not to.
                return read(path, file, where, map_location, mmap is not False)
            return _read(file, where, mapped, shared, map_location, *unpickler)
    if mmap:
        raise ValueError("load: f must be a file path in order to use the mmap argument")
    _check_seekable(f)
    where = f"load: {getattr(f, 'name', f'the {type(f).__name__}')}"
    return _read(f, where, False, False, map_location, *unpickler)


def _open(path: str, mode: str) -> BinaryIO:
    try:
        return open(path, mode)
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
    shared: bool,
    map_location: Any,
    weights_only: bool,
    pickle_module: Any,
    pickle_load_args: dict,
) -> Any:
    start = file.tell()
    head = file.read(512)
    if start and not head:
        raise EOFError(f"{where} is at its end, where nothing is left to read; call seek(0) first")
    check_kind(head, where)
    file.seek(start)
    placement = Placement(map_location, where)
    if is_legacy(head):
        if mapped:
            raise RuntimeError(
                f"{where} is in the format of PyTorch before 1.6, which cannot be mapped: load it "
                "without mmap, or save it again in the zip format"
            )
        from .legacy import read

        return read(file, where, placement, weights_only, pickle_module, pickle_load_args)
    from .archive_reader import ArchiveReader
    from .storages import ArchivedStorages

    with ArchiveReader(file, where, mapped, shared) as archive:
        data = io.BytesIO(archive.read("data.pkl"))
        # Functions that the file may call could look at values before all of them are read.
        ahead = weights_only and not safe_list.get_safe_globals()
        try:
            storages = ArchivedStorages(archive, placement, ahead)
            if weights_only:
                obj = SafeUnpickler(data, storages.load, **pickle_load_args).load()
            else:
                obj = load_anything(data, storages.load, pickle_module, **pickle_load_args)
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(f"{where} cannot be loaded: {error}") from error
        archive.finish()
        return obj
