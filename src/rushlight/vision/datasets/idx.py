"""IDX, the file format of MNIST: a type, sizes, numbers; as it is, or compressed by gzip or xz."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .utils import damage, open_compressed, telling_damage

TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
ENDINGS = ("", ".gz", ".xz")
# The longest run of equal bytes takes deflate two bits for each 258.
LARGEST_GROWTH = {"": 1, ".gz": 1040, ".xz": 1 << 20}


def find(path: str, archive: tuple[str, str] | None = None) -> str | None:
    """Where the file called ``path`` is: there, or there with .gz or .xz, or inside a zip archive.

    Args:
        archive: a zip archive and the folder in it, where it is compressed by gzip.

    Returns:
        A path for `read`, ``archive.zip!member`` inside an archive; None where it is nowhere.
    """
    for ending in ENDINGS:
        if os.path.isfile(path + ending):
            return path + ending
    if archive is not None and os.path.isfile(archive[0]):
        member = f"{archive[1]}/{os.path.basename(path)}.gz"
        with telling_damage(archive[0]), zipfile.ZipFile(archive[0]) as content:
            if member in content.namelist():
                return f"{archive[0]}!{member}"
    return None


def read(path: str) -> np.ndarray:
    """The numbers of an IDX file as a new array in the byte order of the machine.

    Args:
        path: one from `find`.

    Raises:
        RuntimeError: the file is damaged, or it is none.
        FileNotFoundError: it is not there.
    """
    with telling_damage(path), _opened(path) as (file, limit):
        start = file.read(4)
        if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in TYPES or start[3] == 0:
            raise damage(path, f"an IDX file does not begin with {start.hex(' ') or 'nothing'}")
        dtype = np.dtype(TYPES[start[2]])
        sizes = file.read(4 * start[3])
        if len(sizes) < 4 * start[3]:
            raise damage(path, f"it ends within the sizes of its {start[3]} dimensions")
        shape = tuple(np.frombuffer(sizes, ">u4").tolist())
        expected = math.prod(shape) * dtype.itemsize
        told = f"with {' x '.join(map(str, shape))} numbers it would have {expected} bytes"
        # Before memory is asked for: the sizes may be lies.
        if expected > limit:
            raise damage(path, f"{told} after its header, but it has at most {limit}")
        content = np.empty(expected, np.uint8)
        come = _fill(file, memoryview(content))
        if come < expected:
            raise damage(path, f"{told} after its header, but it has {come}")
        if file.read(1):
            raise damage(path, f"{told} after its header, but it has more")
    array = content.view(dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _fill(file: Any, view: memoryview) -> int:
    done = 0
    while done < len(view):
        count = file.readinto(view[done : done + (1 << 24)])
        if not count:
            break
        done += count
    return done


@contextmanager
def _opened(path: str) -> Iterator[tuple[Any, int]]:
    """The content of a file, and how many bytes it can have at most."""
    archive, _, member = path.partition(".zip!")
    if not member:
        size = os.path.getsize(path) * LARGEST_GROWTH.get(os.path.splitext(path)[1], 1)
        with open_compressed(path) as file:
            yield file, size
        return
    import gzip

    with zipfile.ZipFile(f"{archive}.zip") as content, content.open(member) as packed:
        size = content.getinfo(member).file_size * LARGEST_GROWTH[".gz"]
        with gzip.GzipFile(fileobj=packed) as file:
            yield file, size
