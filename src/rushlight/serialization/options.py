"""How files are written and read where a call does not say: defaults that programs may change."""

from __future__ import annotations

import mmap
import sys
import threading
from enum import Enum
from typing import Any

from . import config


class SourceChangeWarning(Warning):
    """The source of a class is another than when an object of it was saved."""


class LoadEndianness(Enum):
    """The order of bytes in files that do not tell it."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness() -> LoadEndianness | None:
    """What `set_default_load_endianness` set; None, which means little, before."""
    return config.load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Sets the order of bytes that `load` takes files to have that do not tell it.

    Raises:
        TypeError: ``endianness`` is neither a `LoadEndianness` nor None.
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError(
            f"Invalid argument type in function set_default_load_endianness: {endianness!r} is no "
            "LoadEndianness"
        )
    config.load.endianness = endianness


def byte_order_of_old_files() -> str:
    """``"little"`` or ``"big"``, for files that do not tell."""
    order = config.load.endianness
    if order is LoadEndianness.NATIVE:
        return sys.byteorder
    return "big" if order is LoadEndianness.BIG else "little"


def get_default_mmap_options() -> int:
    """The flags with which ``load(..., mmap=True)`` maps a file."""
    return mmap.MAP_PRIVATE if config.load.mmap_flags is None else config.load.mmap_flags


class set_default_mmap_options:
    """Sets how ``load(..., mmap=True)`` maps a file, for a ``with`` block or for good.

    Args:
        flags: ``mmap.MAP_PRIVATE``, with which what is written to a tensor stays in this process, or
            ``mmap.MAP_SHARED``, with which it changes the file.

    Raises:
        ValueError: ``flags`` is neither.

    >>> import mmap
    >>> with set_default_mmap_options(mmap.MAP_SHARED):
    ...     get_default_mmap_options() == mmap.MAP_SHARED
    True
    >>> get_default_mmap_options() == mmap.MAP_PRIVATE
    True
    """

    def __init__(self, flags: int):
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or "
                f"mmap.MAP_SHARED, but got {flags}"
            )
        self._before = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: Any) -> None:
        config.load.mmap_flags = self._before


def get_crc32_options() -> bool:
    """Whether `save` computes checksums."""
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Sets whether `save` computes checksums, without which `load` cannot tell damage."""
    config.save.compute_crc32 = bool(compute_crc32)


class _State(threading.local):
    skip_data = False


_state = _State()


def skips_data() -> bool:
    """Whether this thread is within a `skip_data` block."""
    return _state.skip_data


class skip_data:
    """A ``with`` block in which `save` leaves room for values without writing them, and `load` gives
    tensors without reading theirs.

    Args:
        materialize_fake_tensors: accepted; there are none.

    >>> import io
    >>> file = io.BytesIO()
    >>> with skip_data():
    ...     rushlight.save(rushlight.ones(2), file)
    >>> _ = file.seek(0)
    >>> rushlight.load(file)
    tensor([0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False):
        self._before = False

    def __enter__(self) -> None:
        self._before, _state.skip_data = _state.skip_data, True

    def __exit__(self, *exception: Any) -> None:
        _state.skip_data = self._before
