"""Writing a file so that it takes the place of the old one when it is whole, and not before.

The new content goes to a temporary file beside the old one, reaches the disk, and gets the old one's name,
which the system does as one step. So after a crash, a full disk or a power cut the name stands for the
whole of the old file or the whole of the new one.

A process that is killed leaves its temporary file behind. The next that writes the same name deletes it: a
writer holds a lock on its temporary file, and the lock of a dead process is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

_PREFIX_LENGTH = 100


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` when the block ends without an error.

    Raises:
        OSError: it cannot be written; the old file is as it was.
        RuntimeError: the folder does not exist, or ``path`` is a folder.
    """
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"save: the folder {folder} does not exist; make it with os.makedirs")
    if os.path.isdir(path):
        raise RuntimeError(f"save: {path} is a folder; give the path of a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        # A device or a pipe: there is nothing to replace.
        with open(path, "wb") as file:
            yield file
        return
    prefix = f".{name[:_PREFIX_LENGTH]}."
    _clean_up(folder, prefix)
    try:
        file, temporary = _open_temporary(folder, prefix)
    except OSError as error:
        raise _explained(error, path) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.path.exists(path):
                os.chmod(temporary, os.stat(path).st_mode & 0o7777)
            os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise _explained(error, path) from error
        raise
    _sync_folder(folder)


def _explained(error: OSError, path: str) -> OSError:
    rest = "the old file is as it was" if os.path.exists(path) else "nothing is left of it"
    return OSError(error.errno, f"save: {error.strerror or error}; {rest}", path)


def _open_temporary(folder: str, prefix: str) -> tuple[BinaryIO, str]:
    while True:
        temporary = os.path.join(folder, f"{prefix}{os.urandom(4).hex()}.tmp")
        file = open(temporary, "xb")  # noqa: SIM115 - the caller closes it
        if not _lock(file.fileno(), wait=True) or os.fstat(file.fileno()).st_nlink:
            return file, temporary
        # Another process took it for one that was left behind, before it was locked.
        file.close()


def _clean_up(folder: str, prefix: str) -> None:
    """Deletes the temporary files of the same name that no living process is writing."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.name.startswith(prefix) and entry.name.endswith(".tmp")):
                continue
            if len(entry.name) != len(prefix) + len("01234567.tmp"):
                continue
            with suppress(OSError), open(entry.path, "r+b") as file:
                if _lock(file.fileno(), wait=False):
                    os.unlink(entry.path)


def _lock(handle: int, wait: bool) -> bool:
    """Takes the lock of a file; False where another has it, or the file system has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _sync_folder(folder: str) -> None:
    """Makes the new name of a file outlast a power cut, where the system lets folders be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
