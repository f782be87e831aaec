"""Reading MATLAB 5 files as far as datasets need it: arrays of numbers, strings, and structs of them.

Source: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from .utils import damage, telling_damage

NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
MATRIX, COMPRESSED, UTF8, UTF16 = 14, 15, 16, 17
CELL, STRUCT, CHAR = 1, 2, 4


def read(path: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The variables with these names.

    Returns:
        Arrays in Fortran order for numbers, strings for rows of characters, and for structs a list of
        dicts, in the order of MATLAB's index.

    Raises:
        RuntimeError: the file is damaged, or in another format, or a variable is not in it.
    """
    with telling_damage(path):
        content = np.fromfile(path, np.uint8)
        try:
            found = {name: value for name, value in _variables(memoryview(content), names)}
        except (struct.error, KeyError, IndexError, UnicodeError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
    missing = [name for name in names if name not in found]
    if missing:
        raise damage(path, f"there is no variable {', '.join(missing)} in it")
    return found


def _variables(content: memoryview, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if len(content) < 128 or bytes(content[124:128]) not in (b"\0\1IM", b"\1\0MI"):
        raise ValueError("it is no MATLAB file of version 5")
    order = "<" if bytes(content[126:128]) == b"IM" else ">"
    rest = content[128:]
    while len(rest):
        kind, data, rest = _element(rest, order)
        if kind == COMPRESSED:
            kind, data, _ = _element(_decompressed(data, order), order)
        if kind != MATRIX:
            continue
        parts = _Parts(data, order)
        if parts.name in names:
            yield parts.name, parts.value()


def _decompressed(data: memoryview, order: str) -> memoryview:
    """What a compressed element holds: one element, of the size that its head tells."""
    inflate = zlib.decompressobj()
    head = inflate.decompress(data, 8)
    if len(head) < 8:
        raise ValueError("a compressed variable is cut off")
    size = 8 + struct.unpack(f"{order}I", head[4:])[0]
    # No more than deflate can have made of it: the size may be a lie.
    if size > 1040 * len(data) + 64:
        raise ValueError(f"a compressed variable would have {size} bytes")
    out = np.empty(size, np.uint8)
    out[:8] = np.frombuffer(head, np.uint8)
    done = 8
    while done < size:
        chunk = inflate.decompress(inflate.unconsumed_tail, min(size - done, 1 << 24))
        if not chunk:
            raise ValueError("a compressed variable is cut off")
        out[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
        done += len(chunk)
    return memoryview(out)


def _element(content: memoryview, order: str) -> tuple[int, memoryview, memoryview]:
    """The type and the bytes of the first element, and what comes after it."""
    kind, size = struct.unpack(f"{order}II", content[:8])
    if kind >> 16:  # a short one, within the head
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise ValueError(f"a short element of {size} bytes")
        return kind, content[4 : 4 + size], content[8:]
    if size > len(content) - 8:
        raise ValueError(f"a variable would have {size} bytes, but {len(content) - 8} are left")
    end = 8 + size
    padded = end if kind == COMPRESSED else -(-end // 8) * 8
    return kind, content[8:end], content[padded:]


class _Parts:
    """The parts of a matrix: its class, shape and name, and then its values."""

    def __init__(self, data: memoryview, order: str, depth: int = 0):
        if depth > 8:
            raise ValueError("variables within variables without end")
        self.order = order
        self.depth = depth
        self.rest = data
        self.kind = 0
        self.shape: tuple[int, ...] = (0, 0)
        self.name = ""
        if len(data):  # an empty one stands for an empty array
            flags = self._numbers()
            self.kind = int(flags[0]) & 0xFF
            self.complex = bool(int(flags[0]) & 0x800)
            self.shape = tuple(self._numbers().tolist())
            if len(self.shape) < 2 or min(self.shape) < 0:
                raise ValueError(f"a variable of shape {self.shape}")
            self.name = bytes(self._next()[1]).decode("latin1")

    def _next(self) -> tuple[int, memoryview]:
        kind, data, self.rest = _element(self.rest, self.order)
        return kind, data

    def _numbers(self) -> np.ndarray:
        kind, data = self._next()
        return np.frombuffer(data, np.dtype(NUMBERS[kind]).newbyteorder(self.order))

    def value(self) -> Any:
        if self.kind == 0:
            return np.empty((0, 0))
        count = math.prod(self.shape)
        if self.kind == CHAR:
            return self._string(count)
        if self.kind == STRUCT:
            width = int(self._numbers()[0])
            names = bytes(self._next()[1])
            if width < 1 or len(names) % width:
                raise ValueError("a struct whose fields have no names")
            fields = [
                names[i : i + width].partition(b"\0")[0].decode("latin1")
                for i in range(0, len(names), width)
            ]
            if count * max(len(fields), 1) * 8 > len(self.rest):
                raise ValueError(f"a struct of shape {self.shape} is longer than the file")
            return [{field: self._inner() for field in fields} for _ in range(count)]
        if self.kind not in CLASSES or self.complex:
            raise ValueError(f"a variable of class {self.kind}, which is not read here")
        array = self._numbers()
        if array.size != count:
            raise ValueError(f"a variable of shape {self.shape} with {array.size} numbers")
        wanted = np.dtype(CLASSES[self.kind])
        # Numbers are stored as the smallest type that holds them.
        return array.astype(wanted, copy=False).reshape(self.shape, order="F")

    def _inner(self) -> Any:
        kind, data = self._next()
        if kind != MATRIX:
            raise ValueError(f"an element of type {kind} within a struct")
        return _Parts(data, self.order, self.depth + 1).value()

    def _string(self, count: int) -> str:
        kind, data = self._next()
        if kind == UTF8:
            return bytes(data).decode("utf-8")
        if kind in (4, UTF16):
            encoding = "utf-16-le" if self.order == "<" else "utf-16-be"
            return bytes(data).decode(encoding)
        return bytes(data).decode("latin1")
