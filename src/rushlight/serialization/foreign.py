"""Telling what a file is that is no checkpoint."""

from __future__ import annotations

import os
import pickle
from typing import Any

_ZIP = b"PK\x03\x04"
# The number with which PyTorch's files before 1.6 begin, as a pickle of protocol 2 to 5.
_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_PLACES = (2, 11)
_TAR, _TAR_PLACE = b"ustar", 257
_KINDS = [
    (b"PK\x05\x06", "an empty zip file"),
    (b"version https://git-lfs", "a Git LFS pointer: run 'git lfs pull' to get the file itself"),
    (b"\x1f\x8b", "compressed by gzip: decompress it first"),
    (b"BZh", "compressed by bzip2: decompress it first"),
    (b"\xfd7zXZ", "compressed by xz: decompress it first"),
    (b"\x93NUMPY", "a NumPy array: read it with numpy.load"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"%PDF", "a PDF document"),
    (b"\x80", "a plain pickle, not written by save: if you trust it, pickle.load reads it"),
    (b"\0\0\0\0\0\0\0\0", "filled with zeros: writing it was probably interrupted"),
]  # fmt: skip


def check_kind(head: bytes, where: str) -> None:
    """Lets pass what begins like a checkpoint.

    Args:
        head: the first bytes of the file.
        where: what errors call the file.

    Raises:
        EOFError: there are none.
        TypeError: the file was opened as text.
        UnpicklingError: the file is of another kind.
    """
    if isinstance(head, str):
        raise TypeError(f"{where} was opened as text; open it with mode 'rb'")
    if not head:
        raise EOFError(f"{where} is empty: writing it was probably interrupted")
    if not head.startswith(_ZIP) and not is_legacy(head):
        raise pickle.UnpicklingError(f"{where} is no checkpoint: it is {_describe(head)}")


def is_legacy(head: bytes) -> bool:
    """Whether a file begins like those of PyTorch before 1.6."""
    return head[:1] == b"\x80" and any(head.startswith(_LEGACY, at) for at in _LEGACY_PLACES)


def has_safetensors_name(f: Any) -> bool:
    """Whether ``f`` is a path that says that its file is of the safetensors format."""
    return isinstance(f, (str, os.PathLike)) and os.fsdecode(f).endswith(".safetensors")


def check_is_safetensors(head: bytes, where: str) -> None:
    """Lets pass what may be a safetensors file.

    Raises:
        EOFError: there are no bytes.
        UnpicklingError: it begins like another kind of file.
    """
    if not head:
        raise EOFError(f"{where} is empty: writing it was probably interrupted")
    if head.startswith(_ZIP) or is_legacy(head):
        raise pickle.UnpicklingError(
            f"{where} is no safetensors file, but a checkpoint: rename it to end in .pt"
        )
    if not _is_safetensors(head):
        raise pickle.UnpicklingError(f"{where} is no safetensors file: it is {_describe(head)}")


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32


def _describe(head: bytes) -> str:
    for beginning, kind in _KINDS:
        if head.startswith(beginning):
            return kind
    if _is_safetensors(head):
        return "a safetensors file: rename it to end in .safetensors, and load reads it"
    if head.startswith(_TAR, _TAR_PLACE):
        return "a tar file: that of PyTorch 0.1 must be loaded and saved again by PyTorch 1.x"
    if head.lstrip()[:1] == b"<":
        return "a web page or XML; the download probably ended at an error or login page"
    try:
        return f"text that begins with {head[:40].decode('ascii')!r}"
    except UnicodeDecodeError:
        return f"of an unknown kind; it begins with the bytes {head[:8].hex(' ')}"
