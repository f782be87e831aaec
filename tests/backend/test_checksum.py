"""The checksum agrees with zlib's for every length and start, and checksums of parts are joined."""

import zlib

import numpy as np
import pytest

from rushlight import _native
from rushlight.backend import checksum

CONTENT = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("length", [*range(0, 150), 1000, 4095, 4096, 4097, 32767, 32768, 200_000])
def test_lengths(length):
    part = CONTENT[:length]
    assert checksum.crc32(part) == zlib.crc32(part)
    assert checksum.crc32(part, 0x12345678) == zlib.crc32(part, 0x12345678)


def test_places_in_memory():
    view = memoryview(CONTENT)
    for start in range(17):
        assert checksum.crc32(view[start:1000]) == zlib.crc32(view[start:1000])


@pytest.mark.parametrize("fill", [0, 255])
def test_uniform_content(fill):
    content = bytes([fill]) * 10_000
    assert checksum.crc32(content) == zlib.crc32(content)


@pytest.mark.parametrize("fast", [True, False])
def test_both_ways_to_compute(monkeypatch, fast):
    monkeypatch.setattr(checksum, "_fast", fast)
    assert checksum.crc32(CONTENT, 7) == zlib.crc32(CONTENT, 7)


@pytest.mark.parametrize("cut", [0, 1, 63, 64, 100_000, 199_999, 200_000])
def test_joined_parts(cut):
    first, second = zlib.crc32(CONTENT[:cut]), zlib.crc32(CONTENT[cut:])
    assert checksum.join(first, second, len(CONTENT) - cut) == zlib.crc32(CONTENT)


def test_only_contiguous_buffers():
    assert _native.crc32(bytearray(b"ab")) == zlib.crc32(b"ab")
    with pytest.raises(BufferError):
        _native.crc32(memoryview(CONTENT)[::2])
    with pytest.raises(TypeError):
        _native.crc32("text")
    with pytest.raises(TypeError):
        _native.crc32(b"", -1)
