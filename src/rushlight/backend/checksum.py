"""The checksum of zip files."""

from __future__ import annotations

import functools
import zlib
from typing import Any

from .. import _native as extension

_fast = extension.has_fast_crc32()
_POLYNOMIAL = 0xEDB88320
_ONE, _X = 1 << 31, 1 << 30  # the polynomials 1 and x; the highest power stands in the lowest bit


def crc32(data: Any, before: int = 0) -> int:
    """The CRC-32 of ``data``, as ``zlib.crc32`` gives it; several times faster where the processor helps.

    Args:
        data: an object with a contiguous buffer. Other threads run meanwhile, if it is large.
        before: the checksum of what came before it.

    >>> crc32(b"123456789") == 0xCBF43926
    True
    """
    return extension.crc32(data, before) if _fast else zlib.crc32(data, before)


def join(first: int, second: int, length: int) -> int:
    """The CRC-32 of two parts one after the other, from theirs.

    Args:
        first, second: the checksums of the parts.
        length: how many bytes the second one has.

    >>> join(crc32(b"1234"), crc32(b"56789"), 5) == crc32(b"123456789")
    True
    """
    return _multiply(_power(8 * length), first) ^ second


def _multiply(a: int, b: int) -> int:
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@functools.lru_cache(64)
def _power(exponent: int) -> int:
    """x to the power of ``exponent``, modulo the polynomial."""
    result, square = _ONE, _X
    while exponent:
        if exponent & 1:
            result = _multiply(result, square)
        square = _multiply(square, square)
        exponent >>= 1
    return result
