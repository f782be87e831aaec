"""The container of a checkpoint: a zip file of uncompressed records, aligned to 64 bytes.

PyTorch's files have one folder with these records: ``data.pkl``, the pickled object; ``data/0``,
``data/1`` ..., the memory of its tensors; ``byteorder``; and ``version``, that of the format.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

ALIGNMENT = 64
_FOLDER = "archive/"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
# The record that fills a header up, as PyTorch's writer names it.
_PADDING_ID = b"FB"
# Records below this size are checked faster than a thread can be told to.
_BACKGROUND_SIZE = 1 << 16
# What one read may ask for, so that a check can begin while the next part arrives.
_CHUNK = 1 << 24


class ArchiveWriter:
    """Writes records into a new zip file; a ``with`` block completes it.

    Args:
        file: an object with ``write``; it need not be seekable.
    """

    def __init__(self, file: BinaryIO):
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._zip.close()

    def add(self, name: str, data: Any) -> None:
        """Writes ``data``, bytes or any contiguous buffer, without copying it."""
        data = memoryview(data).cast("B") if len(data) else b""
        info = zipfile.ZipInfo(_FOLDER + name)
        info.file_size = info.compress_size = len(data)
        info.CRC = 0
        # zipfile itself takes the long form of the header from a little below the limit on.
        long = info.file_size * 1.05 > zipfile.ZIP64_LIMIT
        info.extra = self._padding(info, long)
        with self._zip.open(info, "w", force_zip64=long) as record:
            record.write(data)

    def _padding(self, info: zipfile.ZipInfo, long: bool) -> bytes:
        start = self._zip.start_dir + len(info.FileHeader(long)) + 4
        length = -start % ALIGNMENT
        return _PADDING_ID + struct.pack("<H", length) + bytes(length)


class ArchiveReader:
    """Reads the records of a zip file and checks that they are whole.

    Args:
        file: a seekable binary file.
        where: what errors call it.
        mapped: map the file into memory instead of reading it; what is written to the arrays then
            stays in this process. Their checksums are not looked at: that would read everything.

    Raises:
        RuntimeError: the file is cut off, or it is a zip file of something else.
    """

    def __init__(self, file: BinaryIO, where: str, mapped: bool = False):
        self.where = where
        self._file = file
        self._length = file.seek(0, 2)
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if mapped else None
        self._pool: ThreadPoolExecutor | None = None
        self._checks: list[tuple[zipfile.ZipInfo, Future]] = []
        try:
            self._zip = zipfile.ZipFile(file)
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            ValueError,
            OSError,
            struct.error,
        ) as error:
            raise RuntimeError(
                f"{where} is damaged: it begins like a checkpoint, but its table of contents, "
                f"which stands at the end, cannot be read ({error}). The file is probably cut off: "
                "copy or download it again."
            ) from error
        self._records = {info.filename: info for info in self._zip.infolist()}
        self._folder = self._find_folder()

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown()

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
        return self._records[self._folder + name].file_size

    def read(self, name: str) -> bytes:
        """A small record, checked."""
        return self._read(self._records[self._folder + name]).tobytes()

    def read_array(self, name: str) -> np.ndarray:
        """A record as a writable array of bytes. `finish` tells whether it was whole."""
        info = self._records[self._folder + name]
        if info.compress_type != zipfile.ZIP_STORED:
            return self._decompress(info)
        if self._map is not None:
            return np.frombuffer(self._map, np.uint8, info.file_size, self._find_content(info))
        if info.file_size < _BACKGROUND_SIZE:
            return self._read(info)
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(1)
        array = self._allocate(info)
        checksum = None
        for part in self._parts(self._find_content(info), info, array):
            checksum = self._pool.submit(_continue_checksum, checksum, part)
        self._checks.append((info, checksum))
        return array

    def finish(self) -> None:
        """Waits for the checks of all arrays that were read.

        Raises:
            RuntimeError: the content of a record is not what was written.
        """
        for info, checksum in self._checks:
            self._verify(info, checksum.result())
        self._checks.clear()

    def _read(self, info: zipfile.ZipInfo) -> np.ndarray:
        if info.compress_type != zipfile.ZIP_STORED:
            return self._decompress(info)
        array = self._allocate(info)
        checksum = 0
        for part in self._parts(self._find_content(info), info, array):
            checksum = zlib.crc32(part, checksum)
        self._verify(info, checksum)
        return array

    def _allocate(self, info: zipfile.ZipInfo) -> np.ndarray:
        try:
            return np.empty(info.file_size, np.uint8)
        except (MemoryError, ValueError) as error:
            raise self._damaged(info, "it does not fit into memory") from error

    def _parts(self, start: int, info: zipfile.ZipInfo, array: np.ndarray) -> Iterator[memoryview]:
        """Fills ``array`` with the content at ``start``, and yields each part when it is there."""
        self._file.seek(start)
        view = memoryview(array)
        readinto = getattr(self._file, "readinto", self._copy_into)
        while view:
            count = readinto(view[:_CHUNK])
            if not count:
                raise self._damaged(info, "the file ends within it")
            yield view[:count]
            view = view[count:]

    def _copy_into(self, view: memoryview) -> int:
        """``readinto`` of a file object that has only ``read``."""
        data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _find_content(self, info: zipfile.ZipInfo) -> int:
        """Where the content of a record begins: behind its header, which tells its own length."""
        self._file.seek(max(info.header_offset, 0))
        header = self._file.read(_LOCAL_HEADER.size)
        if (
            info.header_offset < 0
            or len(header) < _LOCAL_HEADER.size
            or header[:4] != _LOCAL_SIGNATURE
        ):
            raise self._damaged(info, "there is no record where the table of contents says")
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        start = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        if info.flag_bits & 1:
            raise self._damaged(info, "it is encrypted")
        if start + info.file_size > self._length:
            raise self._damaged(info, "it reaches past the end of the file")
        return start

    def _decompress(self, info: zipfile.ZipInfo) -> np.ndarray:
        """The content of a record in a file that another program has packed again."""
        try:
            content = self._zip.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, MemoryError) as error:
            raise self._damaged(info, str(error)) from error
        return np.frombuffer(bytearray(content), np.uint8)

    def _verify(self, info: zipfile.ZipInfo, checksum: int) -> None:
        if checksum != info.CRC:
            raise self._damaged(info, "its checksum is wrong")

    def _damaged(self, info: zipfile.ZipInfo, what: str) -> RuntimeError:
        return RuntimeError(
            f"{self.where} is damaged: the record {info.filename} of {info.file_size} bytes cannot "
            f"be read, because {what}. Copy or download the file again."
        )


def _continue_checksum(before: Future | None, part: memoryview) -> int:
    return zlib.crc32(part, 0 if before is None else before.result())
