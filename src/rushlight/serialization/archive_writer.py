"""Writing the container of a checkpoint: a zip file of uncompressed, aligned records."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from ..backend.checksum import crc32
from . import zip_format as zf

_FOLDER = "archive/"
# 1 January 1980, the first day there is: equal content gives equal files.
_DATE = 0x21
_MADE_BY = _NEEDED = 20
_NEEDED_LONG = 45
_HOLE = bytes(1 << 20)


class ArchiveWriter:
    """Writes records into a new zip file; a ``with`` block completes it.

    Args:
        file: an object with ``write``; it need not be seekable.
        alignment: of what every record's place in the file is a multiple.
        checksums: whether to compute them; 0 stands for none.
    """

    def __init__(self, file: BinaryIO, alignment: int = zf.ALIGNMENT, checksums: bool = True):
        self._file = file
        self._alignment = alignment
        self._checksums = checksums
        self._position = 0
        self._table: list[bytes] = []

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        if kind is None:
            self._finish()

    def add(self, name: str, data: Any) -> None:
        """Writes ``data``, bytes or any contiguous buffer, without copying it."""
        data = memoryview(data).cast("B") if len(data) else b""
        self._write_header(name, len(data), crc32(data) if self._checksums else 0)
        self._write(data)

    def add_hole(self, name: str, size: int) -> None:
        """Leaves room for a record whose content will be written later."""
        self._write_header(name, size, 0)
        while size:
            part = memoryview(_HOLE)[:size]
            self._write(part)
            size -= len(part)

    def _write_header(self, name: str, size: int, checksum: int) -> None:
        place, encoded = self._position, (_FOLDER + name).encode()
        long = size >= zf.LIMIT
        extra = struct.pack("<2H2Q", zf.LONG_SIZES_ID, 16, size, size) if long else b""
        begin = place + zf.LOCAL.size + len(encoded) + len(extra) + zf.EXTRA.size
        padding = -begin % self._alignment
        extra += zf.EXTRA.pack(zf.PADDING_ID, padding) + bytes(padding)
        shown = _short(size)
        self._write(
            zf.LOCAL.pack(
                zf.LOCAL_SIGNATURE, _NEEDED_LONG if long else _NEEDED, zf.UTF8, zf.STORED, 0, _DATE,
                checksum, shown, shown, len(encoded), len(extra),
            ) + encoded + extra
        )  # fmt: skip
        self._table.append(_entry(encoded, place, size, checksum))

    def _write(self, data: Any) -> None:
        write_all(self._file, data)
        self._position += len(data)

    def _finish(self) -> None:
        start, count, table = self._position, len(self._table), b"".join(self._table)
        self._write(table)
        size, place = len(table), self._position
        many = count >= zf.COUNT_LIMIT
        if many or start >= zf.LIMIT or size >= zf.LIMIT:
            self._write(
                zf.END64.pack(
                    zf.END64_SIGNATURE, zf.END64.size - 12, _NEEDED_LONG, _NEEDED_LONG, 0, 0,
                    count, count, size, start,
                ) + zf.LOCATOR.pack(zf.LOCATOR_SIGNATURE, 0, place, 1)
            )  # fmt: skip
        shown = zf.LONG_COUNT if many else count
        self._write(
            zf.END.pack(zf.END_SIGNATURE, 0, 0, shown, shown, _short(size), _short(start), 0)
        )


def write_all(file: BinaryIO, data: Any) -> None:
    """Writes all of ``data``, bytes or a buffer of bytes."""
    written = file.write(data)
    while written is not None and written < len(data):
        # Only files without a buffer write less than they are given.
        data = memoryview(data)[written:]
        written = file.write(data)


def _entry(name: bytes, place: int, size: int, checksum: int) -> bytes:
    """The line of a record in the table of contents."""
    longs = [number for number in (size, size, place) if number >= zf.LIMIT]
    extra = b""
    if longs:
        extra = zf.EXTRA.pack(zf.LONG_SIZES_ID, 8 * len(longs))
        extra += struct.pack(f"<{len(longs)}Q", *longs)
    shown = _short(size)
    return zf.CENTRAL.pack(
        zf.CENTRAL_SIGNATURE, _MADE_BY, _NEEDED_LONG if longs else _NEEDED, zf.UTF8, zf.STORED, 0,
        _DATE, checksum, shown, shown, len(name), len(extra), 0, 0, 0, 0, _short(place),
    ) + name + extra  # fmt: skip


def _short(number: int) -> int:
    """What stands for a size or place in its field."""
    return zf.LONG if number >= zf.LIMIT else number
