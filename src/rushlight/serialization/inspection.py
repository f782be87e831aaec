"""What a checkpoint would ask for, found without making anything of it."""

from __future__ import annotations

import _compat_pickle
import os
from typing import Any, BinaryIO

from . import safe_list
from .archive_reader import ArchiveReader
from .foreign import check_kind, is_legacy

_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}


def get_unsafe_globals_in_checkpoint(f: str | os.PathLike | BinaryIO) -> list[str]:
    """The classes and functions that a file names and that ``load`` does not know to be safe.

    Args:
        f: a path or a seekable binary file in the zip format.

    Returns:
        Their names, such as ``"fractions.Fraction"``, sorted.

    Raises:
        ValueError: the file is no checkpoint in the zip format.

    >>> import fractions, io
    >>> file = io.BytesIO()
    >>> rushlight.save([fractions.Fraction(1, 2)], file)
    >>> get_unsafe_globals_in_checkpoint(file)
    ['fractions.Fraction']
    """
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _unsafe_globals(file, os.fsdecode(f))
    return _unsafe_globals(f, getattr(f, "name", type(f).__name__))


def _unsafe_globals(file: BinaryIO, where: str) -> list[str]:
    file.seek(0)
    head = file.read(512)
    try:
        check_kind(head, where)
        if is_legacy(head):
            raise ValueError(f"{where} is in the format of PyTorch before 1.6")
        with ArchiveReader(file, where) as archive:
            data = archive.read("data.pkl")
    except Exception as error:
        raise ValueError(
            f"Expected input to be a checkpoint returned by torch.save: {error}"
        ) from error
    return sorted(name for name in _globals_of(data) if safe_list.find(name) is None)


def _globals_of(data: bytes) -> set[str]:
    """All globals that a pickle names."""
    import pickletools

    found = set()
    protocol = 2
    strings: list[Any] = [None, None]
    memo: dict[int, Any] = {}
    last: Any = None
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "PROTO":
            protocol = argument
        elif opcode.name in _PUTS:
            memo[argument] = last
            continue
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = last
            continue
        elif opcode.name == "GLOBAL":
            found.add(_modern(*argument.split(" ", 1), protocol))
        elif opcode.name == "STACK_GLOBAL":
            found.add(_modern(*strings[-2:], protocol))
        last = argument if opcode.name in _STRINGS else None
        if opcode.name in _GETS:
            last = memo.get(argument)
        if last is not None:
            strings.append(last)
    return found


def _modern(module: Any, name: Any, protocol: int) -> str:
    """The name of a global in Python 3."""
    if protocol < 3:
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
    return f"{module}.{name}"
