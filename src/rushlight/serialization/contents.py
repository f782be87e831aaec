"""Reading the table of contents of a zip file, trusting none of it."""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple

from . import zip_format as zf

# The longest comment, which stands behind the end record, and the records of the long form.
_TAIL = 0xFFFF + zf.END.size + zf.LOCATOR.size


class Record(NamedTuple):
    """One line of the table: what is said of a record, checked only against the other lines."""

    name: str
    place: int  # of its header
    size: int
    packed_size: int
    checksum: int
    method: int
    flags: int


class Damage(Exception):
    """What is wrong with a zip file."""


def read_contents(file: BinaryIO, length: int) -> dict[str, Record]:
    """The records of a zip file by name.

    Args:
        file: a seekable binary file.
        length: of the file.

    Raises:
        Damage: there is no table of contents, or it contradicts itself or the length of the file.
    """
    start, size, count, end = _find_table(file, length)
    # Where other content stands before the zip file, all places count from the zip file's start.
    shift = end - size - start
    if shift < 0:
        raise Damage("its table of contents does not lie where its end says")
    file.seek(start + shift)
    table = _read(file, size)
    records: dict[str, Record] = {}
    position = 0
    for _ in range(count):
        record, position = _parse_entry(table, position, shift)
        if record.name in records:
            raise Damage(f"it has two records called {record.name}")
        records[record.name] = record
    if position != size:
        raise Damage("its table of contents has another length than its end says")
    _check_overlap(records, start + shift)
    return records


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise Damage("it ends within its table of contents")
    return data


def _find_table(file: BinaryIO, length: int) -> tuple[int, int, int, int]:
    """Start and size of the table as the end record says, the count of entries, and where it ends."""
    tail_start = max(0, length - _TAIL)
    file.seek(tail_start)
    tail = _read(file, length - tail_start)
    at = len(tail)
    while True:
        at = tail.rfind(zf.END_SIGNATURE, 0, at)
        if at < 0:
            raise Damage("it has no end record")
        if at + zf.END.size <= len(tail):
            fields = zf.END.unpack_from(tail, at)
            if at + zf.END.size + fields[7] == len(tail):
                break
    _, _, _, _, count, size, start, _ = fields
    end = tail_start + at
    locator_at = at - zf.LOCATOR.size
    if locator_at >= 0 and tail.startswith(zf.LOCATOR_SIGNATURE, locator_at):
        # The long record stands right before its locator, whatever place the locator tells.
        end = tail_start + locator_at - zf.END64.size
        if end < 0:
            raise Damage("its long end record is cut off")
        file.seek(end)
        fields = zf.END64.unpack(_read(file, zf.END64.size))
        if fields[0] != zf.END64_SIGNATURE:
            raise Damage("it has no long end record where one should be")
        count, size, start = fields[7:]
    if size > end or count * zf.CENTRAL.size > size:
        raise Damage("its table of contents is longer than the file")
    return start, size, count, end


def _parse_entry(table: bytes, position: int, shift: int) -> tuple[Record, int]:
    if position + zf.CENTRAL.size > len(table):
        raise Damage("its table of contents is cut off")
    (
        signature, _, _, flags, method, _, _, checksum, packed, size,
        name_length, extra_length, comment_length, _, _, _, place,
    ) = zf.CENTRAL.unpack_from(table, position)  # fmt: skip
    if signature != zf.CENTRAL_SIGNATURE:
        raise Damage("its table of contents has an entry that is none")
    begin = position + zf.CENTRAL.size
    end = begin + name_length + extra_length + comment_length
    if end > len(table):
        raise Damage("its table of contents is cut off")
    name = table[begin : begin + name_length].decode("utf-8", "replace")
    if zf.LONG in (size, packed, place):
        extra = table[begin + name_length : begin + name_length + extra_length]
        size, packed, place = _long_numbers(extra, size, packed, place)
    return Record(name, place + shift, size, packed, checksum, method, flags), end


def _long_numbers(extra: bytes, *shown: int) -> list[int]:
    """The numbers of an entry; those that do not fit their fields stand in an extra field."""
    numbers = list(shown)
    position = 0
    while position + zf.EXTRA.size <= len(extra):
        kind, length = zf.EXTRA.unpack_from(extra, position)
        position += zf.EXTRA.size
        if kind == zf.LONG_SIZES_ID:
            field = extra[position : position + length]
            longs = [int.from_bytes(field[i : i + 8], "little") for i in range(0, len(field), 8)]
            for i, number in enumerate(numbers):
                if number == zf.LONG and longs:
                    numbers[i] = longs.pop(0)
            break
        position += length
    return numbers


def _check_overlap(records: dict[str, Record], table_start: int) -> None:
    """Refuses records that share bytes: so that a small file cannot stand for endless content."""
    places = sorted(records.values(), key=_place)
    followers: list[Any] = [record.place for record in places[1:]] + [table_start]
    for record, follower in zip(places, followers):
        # The name may be written in more bytes than it has letters, never in fewer.
        if record.place + zf.LOCAL.size + len(record.name) + record.packed_size > follower:
            raise Damage(
                f"its record {record.name} of {record.packed_size} bytes reaches past the end of "
                "the file or into the next record"
            )


def _place(record: Record) -> int:
    return record.place
