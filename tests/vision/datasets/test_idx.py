"""IDX files: whole ones of every type, and damaged ones."""

import gzip
import struct

import numpy as np
import pytest

from rushlight.vision.datasets import idx

from . import tiny


def written(path, content):
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
@pytest.mark.parametrize("kind", list(tiny.TYPES))
@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (0, 28, 28), (2, 1, 3, 2)])
def test_types(kind, shape, ending, tmp_path):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(kind)
    path = written(tmp_path / f"a{ending}", tiny.packed(tiny.idx(values, kind), ending))
    assert idx.find(str(tmp_path / "a")) == path
    found = idx.read(path)
    assert found.dtype == values.dtype.newbyteorder("=")
    assert found.flags.writeable
    assert found.shape == shape
    assert (found == values).all()


def test_unpacked_comes_first(tmp_path):
    for ending in (".xz", ".gz", ""):
        path = written(tmp_path / f"a{ending}", b"")
        assert idx.find(str(tmp_path / "a")) == path


WHOLE = tiny.idx(tiny.pixels(4, 5, 5))
DAMAGED = {
    "empty": (b"", "does not begin with nothing"),
    "a page of HTML": (b"<html><body>404</body></html>", "does not begin with 3c 68 74 6d"),
    "another type": (b"\0\0\x0a\x01" + WHOLE[4:], "does not begin with 00 00 0a 01"),
    "no dimensions": (b"\0\0\x08\x00", "does not begin with 00 00 08 00"),
    "half a header": (WHOLE[:10], "ends within the sizes of its 3 dimensions"),
    "cut off": (WHOLE[:-1], "4 x 5 x 5 numbers it would have 100 bytes"),
    "too long": (WHOLE + b"x", "would have 100 bytes after its header, but it has more"),
    "lying sizes": (b"\0\0\x08\x03" + struct.pack(">3I", *[2**31] * 3), "2147483648 x 2147483648"),
}


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
@pytest.mark.parametrize("content, problem", DAMAGED.values(), ids=list(DAMAGED))
def test_damage(content, problem, ending, tmp_path):
    path = written(tmp_path / f"a{ending}", tiny.packed(content, ending))
    with pytest.raises(RuntimeError) as told:
        idx.read(path)
    assert problem in str(told.value)
    assert path in str(told.value)
    assert "Delete it and download it again" in str(told.value)


def test_sizes_are_not_believed_before_memory_is_asked_for(tmp_path):
    """Sizes that fit into an address space but not into the file."""
    content = gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", 1, 2**32 - 1) + b"x" * 100)
    with pytest.raises(RuntimeError, match="but it has at most"):
        idx.read(written(tmp_path / "a.gz", content))


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_damaged_compression(ending, tmp_path):
    packed = tiny.packed(WHOLE, ending)
    middle = len(packed) // 2
    flipped = packed[:middle] + bytes([packed[middle] ^ 255]) + packed[middle + 1 :]
    for content in (packed[:middle], packed[:-4], flipped, b"no such format", packed[:5], b""):
        path = written(tmp_path / f"a{ending}", content)
        with pytest.raises(RuntimeError, match="damaged") as told:
            idx.read(path)
        assert path in str(told.value)


def test_every_cut_and_every_flip_is_an_error_or_an_array(tmp_path):
    for ending in ("", ".gz"):
        packed = tiny.packed(tiny.idx(tiny.pixels(2, 3)), ending)
        for i in range(len(packed)):
            with pytest.raises(RuntimeError):
                idx.read(written(tmp_path / f"a{ending}", packed[:i]))
        for i in range(12):
            flipped = packed[:i] + bytes([packed[i] ^ 1]) + packed[i + 1 :]
            try:
                idx.read(written(tmp_path / f"a{ending}", flipped))
            except RuntimeError as error:
                assert "damaged" in str(error)
