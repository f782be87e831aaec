"""What `save` and `load` do where a call does not say.

- ``load.mmap``: whether files given by a path are mapped (False).
- ``load.endianness``: the byte order of files that do not tell it (None: little).
- ``load.mmap_flags``: how files are mapped (None: private).
- ``save.compute_crc32``: whether checksums are written (True).
- ``save.storage_alignment``: of what the place of a tensor in its file is a multiple (64).

>>> from rushlight.serialization import config
>>> config.save.storage_alignment
64
"""

from __future__ import annotations

from typing import Any


class load:
    """Settings of `load`; the last one is accepted and changes nothing."""

    mmap: bool = False
    endianness: Any = None
    mmap_flags: int | None = None
    calculate_storage_offsets: bool = False


class save:
    """Settings of `save`; the last one is accepted and changes nothing."""

    compute_crc32: bool = True
    storage_alignment: int = 64
    use_pinned_memory_for_d2h: bool = False
