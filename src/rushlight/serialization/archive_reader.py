"""Reading the container of a checkpoint: a zip file of records, checked to be whole.

PyTorch's files have one folder with these records: ``data.pkl``, the pickled object; ``data/0``,
``data/1`` ..., the memory of its tensors; ``byteorder``; and ``version``, that of the format.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..backend.checksum import crc32, join
from . import zip_format as zf
from .contents import Damage, Record, read_contents

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

# What is read and checked at once: large enough to be worth a task, small enough to be shared out.
_CHUNK = 1 << 23
# Records below this size are read faster than a thread can be told to.
_BACKGROUND_SIZE = 1 << 16
_THREADS = 4
# Packed records may become so many times as large as the file, and this large in any case. The
# packing allows a factor of 1032, which only content made to harm reaches with this size.
_LARGEST_FACTOR = 100
_LARGE = 1 << 28


class ArchiveReader:
    """Reads the records of a zip file.

    Args:
        file: a seekable binary file.
        where: what errors call it.
        mapped: map the file into memory instead of reading it. Checksums of arrays are not looked
            at then: that would read everything.
        shared: what is written to mapped arrays goes into the file, which must be open for it.

    Raises:
        RuntimeError: the file is cut off, or it is a zip file of something else.
    """

    def __init__(self, file: BinaryIO, where: str, mapped: bool = False, shared: bool = False):
        self.where = where
        self._file = file
        self._length = file.seek(0, 2)
        try:
            self._records = read_contents(file, self._length)
        except (Damage, OSError) as damage:
            raise RuntimeError(
                f"{where} is damaged: it begins like a checkpoint, but its table of contents, "
                f"which stands at the end, cannot be read ({damage}). The file is probably cut "
                "off: copy or download it again."
            ) from damage
        self._folder = self._find_folder()
        # A writer that was told not to compute checksums has zeros in their places.
        self._has_checksums = any(record.checksum for record in self._records.values())
        self._unpacked = 0
        self._map: mmap.mmap | None = None
        if mapped:
            access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
            self._map = mmap.mmap(file.fileno(), 0, access=access)
        self._handle = _handle_of(file)
        self._pool: ThreadPoolExecutor | None = None
        self._reading: list[tuple[Record, list[tuple[int, Future]]]] = []
        self._afterwards: list[Callable[[], None]] = []

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _find_folder(self) -> str:
        for name in self._records:
            folder, slash, last = name.rpartition("/")
            if last == "data.pkl" and "/" not in folder:
                if folder + slash + "constants.pkl" in self._records:
                    raise RuntimeError(
                        f"{self.where} is a TorchScript program, not a checkpoint: save the "
                        "model's state_dict() in PyTorch and load that"
                    )
                return folder + slash
        shown = ", ".join(list(self._records)[:3]) or "nothing"
        raise RuntimeError(
            f"{self.where} is a zip file, but not a checkpoint: it has no data.pkl, but {shown}"
        )

    def __contains__(self, name: str) -> bool:
        return self._folder + name in self._records

    def size(self, name: str) -> int:
        """Bytes in the record ``name``."""
        return self._records[self._folder + name].size

    def read(self, name: str) -> bytes:
        """A small record, checked."""
        record = self._records[self._folder + name]
        if record.method != zf.STORED:
            return self._unpack(record).tobytes()
        return self._read_now(record).tobytes()

    def read_array(self, name: str) -> np.ndarray:
        """A record as a writable array of bytes, which may be filled only by `finish`."""
        record = self._records[self._folder + name]
        if record.method != zf.STORED:
            return self._unpack(record)
        if self._map is not None:
            return np.frombuffer(self._map, np.uint8, record.size, self._find_content(record))
        if self._handle is None or record.size < _BACKGROUND_SIZE:
            return self._read_now(record)
        return self._read_in_background(record)

    def when_filled(self, function: Callable[[], None]) -> None:
        """Has ``function`` called when the arrays read so far have their content."""
        if self._reading:
            self._afterwards.append(function)
        else:
            function()

    def finish(self) -> None:
        """Waits until all arrays that were asked for are filled.

        Raises:
            RuntimeError: the content of a record is not what was written.
        """
        for record, parts in self._reading:
            checksum = 0
            for length, future in parts:
                count, part_checksum = self._result_of(future)
                if count != length:
                    raise self._damaged(record, "the file ends within it")
                checksum = join(checksum, part_checksum, length) if checksum else part_checksum
            self._verify(record, checksum)
        self._reading.clear()
        for function in self._afterwards:
            function()
        self._afterwards.clear()

    def _result_of(self, future: Future) -> tuple[int, int]:
        try:
            return future.result()
        except OSError as error:
            raise OSError(error.errno, f"{self.where}: {error.strerror}") from error

    def _read_in_background(self, record: Record) -> np.ndarray:
        start = self._find_content(record)
        array = self._allocate(record)
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(min(_THREADS, len(os.sched_getaffinity(0))))
        view = memoryview(array)
        parts = []
        for begin in range(0, record.size, _CHUNK):
            part = view[begin : begin + _CHUNK]
            task = self._pool.submit(
                _read_part, self._handle, start + begin, part, self._has_checksums
            )
            parts.append((len(part), task))
        self._reading.append((record, parts))
        return array

    def _read_now(self, record: Record) -> np.ndarray:
        self._file.seek(self._find_content(record))
        array = self._allocate(record)
        readinto = getattr(self._file, "readinto", self._copy_into)
        view, checksum = memoryview(array), 0
        while view:
            count = readinto(view[:_CHUNK])
            if not count:
                raise self._damaged(record, "the file ends within it")
            checksum = crc32(view[:count], checksum)
            view = view[count:]
        self._verify(record, checksum)
        return array

    def _copy_into(self, view: memoryview) -> int:
        """``readinto`` of a file object that has only ``read``."""
        data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _allocate(self, record: Record) -> np.ndarray:
        try:
            return np.empty(record.size, np.uint8)
        except (MemoryError, ValueError) as error:
            raise self._damaged(record, "it does not fit into memory") from error

    def _find_content(self, record: Record) -> int:
        """Where the content of a record begins: behind its header, which tells its own length."""
        start = record.place + zf.LOCAL.size
        header = self._read_header(record.place)
        if len(header) < zf.LOCAL.size or not header.startswith(zf.LOCAL_SIGNATURE):
            raise self._damaged(record, "there is no record where the table of contents says")
        fields = zf.LOCAL.unpack(header)
        start += fields[9] + fields[10]
        if record.flags & zf.ENCRYPTED:
            raise self._damaged(record, "it is encrypted")
        if record.packed_size != record.size and record.method == zf.STORED:
            raise self._damaged(record, f"it is said to be packed into {record.packed_size} bytes")
        if start + record.packed_size > self._length:
            raise self._damaged(record, "it reaches past the end of the file")
        return start

    def _read_header(self, place: int) -> bytes:
        if self._map is not None:
            return self._map[place : place + zf.LOCAL.size]
        if self._handle is not None:
            return os.pread(self._handle, zf.LOCAL.size, place)
        self._file.seek(place)
        return self._file.read(zf.LOCAL.size)

    def _unpack(self, record: Record) -> np.ndarray:
        """The content of a record in a file that another program has packed again."""
        if record.method != zf.DEFLATED:
            raise self._damaged(record, f"it is packed by the method {record.method}, not deflate")
        self._unpacked += record.size
        if self._unpacked > max(_LARGE, _LARGEST_FACTOR * self._length):
            raise self._damaged(
                record, f"the file of {self._length} bytes would unpack to {self._unpacked} or more"
            )
        self._file.seek(self._find_content(record))
        unpacker = zlib.decompressobj(-15)
        try:
            content = unpacker.decompress(self._file.read(record.packed_size), record.size + 1)
        except (zlib.error, MemoryError) as error:
            raise self._damaged(record, str(error)) from error
        if len(content) != record.size:
            raise self._damaged(record, "its unpacked content has another length")
        self._verify(record, crc32(content))
        return np.frombuffer(bytearray(content), np.uint8)

    def _verify(self, record: Record, checksum: int) -> None:
        if self._has_checksums and checksum != record.checksum:
            raise self._damaged(record, "its checksum is wrong")

    def _damaged(self, record: Record, what: str) -> RuntimeError:
        return RuntimeError(
            f"{self.where} is damaged: the record {record.name} of {record.size} bytes cannot "
            f"be read, because {what}. Copy or download the file again."
        )


def _handle_of(file: BinaryIO) -> int | None:
    """The system's handle, by which threads read at any place; None where there is none."""
    # Other kinds of file may have a handle and yet show other content, as gzip's do.
    raw = getattr(file, "raw", file)
    return raw.fileno() if type(raw).__module__ == "_io" and hasattr(raw, "name") else None


def _read_part(handle: int, start: int, view: memoryview, checked: bool) -> tuple[int, int]:
    """Fills ``view`` with what is at ``start``; gives how much that was, and its checksum."""
    done = 0
    while done < len(view):
        count = os.preadv(handle, [view[done:]], start + done)
        if not count:
            break
        done += count
    return done, crc32(view[:done]) if checked else 0
