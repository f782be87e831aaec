"""Telling what a file is that is no checkpoint."""

from __future__ import annotations

import pickle

_ZIP = b"PK\x03\x04"
_KINDS = [
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "in the format of PyTorch before 1.6: load it in "
     "PyTorch and save it again"),
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
    if not head.startswith(_ZIP):
        raise pickle.UnpicklingError(f"{where} is no checkpoint: it is {_describe(head)}")


def _describe(head: bytes) -> str:
    for beginning, kind in _KINDS:
        if head.startswith(beginning):
            return kind
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return "a safetensors file: read it with the safetensors library"
    if head.lstrip()[:1] == b"<":
        return "a web page or XML; the download probably ended at an error or login page"
    try:
        return f"text that begins with {head[:40].decode('ascii')!r}"
    except UnicodeDecodeError:
        return f"of an unknown kind; it begins with the bytes {head[:8].hex(' ')}"
