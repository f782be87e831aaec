"""Files of datasets: their sums, their downloads, and archives that are unpacked as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.error import URLError

from ...utils.download import digest, fetch, is_intact

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_url",
    "extract_archive",
    "iterable_to_str",
    "list_dir",
    "list_files",
    "verify_str_arg",
]

# What readers of compressed files raise where one is cut off or is something else.
DAMAGE = (EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, OSError, ValueError)


def calculate_md5(fpath: str | os.PathLike, chunk_size: int = 1 << 20) -> str:
    """The MD5 sum of a file in hexadecimal digits."""
    return digest(os.fspath(fpath), "md5")


def check_md5(fpath: str | os.PathLike, md5: str) -> bool:
    """Whether a file has this MD5 sum."""
    return calculate_md5(fpath) == md5


def check_integrity(fpath: str | os.PathLike, md5: str | None = None) -> bool:
    """Whether there is such a file, with this MD5 sum if one is given.

    >>> check_integrity("no such file")
    False
    """
    return is_intact(fpath, md5=md5)


def verify_str_arg(
    value: Any,
    arg: str | None = None,
    valid_values: Iterable[str] | None = None,
    custom_msg: str | None = None,
) -> Any:
    """``value`` itself, if it is a str and one of the valid ones.

    Raises:
        ValueError: it is not.

    >>> verify_str_arg("trian", "split", ("train", "test"))
    Traceback (most recent call last):
    ValueError: Unknown value 'trian' for argument split. Valid values are 'train', 'test'.
    """
    of = f" for argument {arg}" if arg else ""
    if not isinstance(value, str):
        raise ValueError(f"Expected type str{of}, but got type {type(value)}.")
    if valid_values is not None and value not in (valid := list(valid_values)):
        raise ValueError(
            custom_msg or f"Unknown value '{value}'{of}. Valid values are {iterable_to_str(valid)}."
        )
    return value


def iterable_to_str(iterable: Iterable[Any]) -> str:
    """Its elements in quotes, between commas.

    >>> iterable_to_str(["a", "b"])
    "'a', 'b'"
    """
    return ", ".join(f"'{element}'" for element in iterable)


def list_dir(root: str | os.PathLike, prefix: bool = False) -> list[str]:
    """The folders in ``root``, with its path before them if ``prefix``."""
    return _listed(root, prefix, lambda path: os.path.isdir(path))


def list_files(root: str | os.PathLike, suffix: str | tuple, prefix: bool = False) -> list[str]:
    """The files in ``root`` whose names end in ``suffix``, with its path before them if ``prefix``."""
    return _listed(root, prefix, lambda path: os.path.isfile(path) and path.endswith(suffix))


def _listed(root: str | os.PathLike, prefix: bool, wanted: Callable[[str], bool]) -> list[str]:
    root = os.path.expanduser(os.fspath(root))
    paths = [os.path.join(root, name) for name in os.listdir(root)]
    return [path if prefix else os.path.basename(path) for path in paths if wanted(path)]


# ---- downloads


def download_url(
    url: str | Sequence[str],
    root: str | os.PathLike,
    filename: str | os.PathLike | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Brings a file into the folder ``root``, unless it is there; see ``rushlight.utils.download``.

    Args:
        url: its address, or several of the same file.
        filename: its name there; by default the end of the (first) address.

    Raises:
        RuntimeError: none of the addresses gave it.
    """
    urls = [url] if isinstance(url, str) else list(url)
    name = os.fspath(filename) if filename else os.path.basename(urls[0])
    try:
        fetch(urls, os.path.join(os.path.expanduser(os.fspath(root)), name), md5=md5)
    except (URLError, RuntimeError) as error:
        reason = getattr(error, "reason", None) or error
        raise RuntimeError(f"Error downloading {name}: {reason}") from error


def download_and_extract_archive(
    url: str | Sequence[str],
    download_root: str | os.PathLike,
    extract_root: str | os.PathLike | None = None,
    filename: str | os.PathLike | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """`download_url` into ``download_root``, then `extract_archive` into ``extract_root`` (or there)."""
    download_root = os.path.expanduser(os.fspath(download_root))
    name = filename or os.path.basename(url if isinstance(url, str) else url[0])
    download_url(url, download_root, name, md5)
    archive = os.path.join(download_root, name)
    extract_archive(archive, extract_root or download_root, remove_finished)


# ---- archives


def extract_archive(
    from_path: str | os.PathLike,
    to_path: str | os.PathLike | None = None,
    remove_finished: bool = False,
) -> str:
    """Unpacks a tar or zip archive, or one file that is compressed by gzip, bzip2 or xz.

    All of it is unpacked beside its place first, so that nothing half-unpacked is ever found there.

    Args:
        from_path: the archive; what it is is told by its name.
        to_path: the folder for it (for one compressed file: its path); by default beside the archive.
        remove_finished: delete the archive afterwards.

    Returns:
        ``to_path``.

    Raises:
        RuntimeError: it is damaged, or it holds a link, or a name that lies outside of the folder, or its
            name has no ending that is known.
    """
    path = os.path.expanduser(os.fspath(from_path))
    unpack = _unpacker(path)
    if unpack is None:
        target = os.path.expanduser(os.fspath(to_path or os.path.splitext(path)[0]))
        if os.path.isdir(target):
            target = os.path.join(target, os.path.splitext(os.path.basename(path))[0])
        _decompress(path, target)
        to_path = to_path or target
    else:
        to_path = to_path or os.path.dirname(path)
        with unpacking(path, os.path.expanduser(os.fspath(to_path))) as folder:
            unpack(path, folder)
    if remove_finished:
        os.remove(path)
    return os.fspath(to_path)


def _unpacker(path: str) -> Callable[[str, str], None] | None:
    """What unpacks an archive of this name; None for one compressed file."""
    name = os.path.basename(path).lower()
    stem, ending = os.path.splitext(name)
    if ending == ".zip":
        return unpack_zip
    if ending in (".tar", ".tgz", ".tbz", ".tbz2", ".txz") or stem.endswith(".tar"):
        return unpack_tar
    if ending in (".gz", ".bz2", ".xz"):
        return None
    raise RuntimeError(
        f"Unknown archive type of {path}; known are .tar, .tar.gz, .tgz, .tar.bz2, .tbz2, .tar.xz, "
        ".zip, .gz, .bz2 and .xz"
    )


@contextmanager
def unpacking(archive: str, target: str) -> Iterator[str]:
    """A new folder to unpack into; what is in it goes to ``target`` when the block ends without an error.

    Other processes that unpack the same archive wait meanwhile.
    """
    with locked(archive):
        os.makedirs(target, exist_ok=True)
        folder = os.path.join(target, f".{os.path.basename(archive)}.unpacking")
        shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
        os.mkdir(folder)
        try:
            yield folder
            _move_into(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Other processes that lock the same file wait while the block runs."""
    import fcntl

    with open(path, "rb") as file:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _move_into(source: str, target: str) -> None:
    # Lists of samples last: what is looked for first must not be there before what it lists.
    names = sorted(os.listdir(source), key=lambda name: (name == "ImageSets", name))
    for name in names:
        old, new = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(old) and os.path.isdir(new):
            _move_into(old, new)
        else:
            os.replace(old, new)


def unpack_tar(path: str | IO[bytes], folder: str, name: str = "") -> None:
    """Writes the files of a tar archive (a path, or an open file called ``name``) into ``folder``."""
    named = {"fileobj": path} if name else {"name": path}
    name = name or str(path)
    with telling_damage(name, "unpacked"), tarfile.open(mode="r:*", **named) as archive:
        for member in archive:
            target = _place(member.name, folder, name)
            if member.isdir():
                os.makedirs(target, exist_ok=True)
            elif member.isfile():
                _write(archive.extractfile(member), target)
            else:
                raise RefusedError(
                    f"{name}: the archive holds {member.name!r}, which is neither a file nor a folder "
                    "(a link or a device); nothing of it was unpacked"
                )


def unpack_zip(path: str, folder: str) -> None:
    """Writes the files of a zip archive into ``folder``."""
    with telling_damage(path, "unpacked"), zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            target = _place(member.filename, folder, path)
            if member.is_dir():
                os.makedirs(target, exist_ok=True)
            else:
                _write(archive.open(member), target)


class RefusedError(RuntimeError):
    """An archive that would do what no dataset needs."""


def _place(name: str, folder: str, archive: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise RefusedError(
            f"{archive}: the archive would write {name!r}, outside of its folder; nothing of it was "
            "unpacked. It is not the dataset's: delete it and download it again"
        )
    return os.path.join(folder, *parts)


def _write(source: IO[bytes], target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with source, open(target, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _decompress(path: str, target: str) -> None:
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    if not os.path.getsize(path):
        raise damage(path, "it is empty")  # which gzip takes for a file of no bytes
    part = f"{target}.{os.urandom(4).hex()}.unpacking"
    try:
        with telling_damage(path, "unpacked"), open_compressed(path) as source:
            with open(part, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
        os.replace(part, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def open_compressed(path: str) -> Any:
    """The content of a file that is compressed by gzip, bzip2 or xz as its name says, else the file."""
    ending = os.path.splitext(path)[1]
    if ending == ".gz":
        import gzip as module
    elif ending == ".bz2":
        import bz2 as module
    elif ending == ".xz":
        import lzma as module
    else:
        return open(path, "rb")
    return module.open(path, "rb")


@contextmanager
def telling_damage(path: str, done: str = "read") -> Iterator[None]:
    """Errors of a reader in the block become one that names the file and says what to do.

    Raises:
        RuntimeError: the file is damaged.
        OSError: the system could not read or write, as it says itself.
    """
    try:
        yield
    except Exception as error:
        damaged = isinstance(error, DAMAGE) or type(error).__name__ == "LZMAError"
        if not damaged or getattr(error, "errno", None) is not None:
            raise
        raise damage(path, f"it cannot be {done} ({type(error).__name__}: {error})") from error


def damage(path: str, problem: str) -> RuntimeError:
    """The error for a file that is not what it should be."""
    return RuntimeError(
        f"{path} is damaged, or it is another file: {problem}. Delete it and download it again"
    )


# ---- what is not there


def not_found(folder: str, wanted: str, download: bool = True) -> RuntimeError:
    """The error for a dataset whose files are not there, or not whole."""
    cure = "You can use download=True to download it, or put" if download else "Put"
    return RuntimeError(f"Dataset not found or corrupted. {cure} {wanted} into {folder}")
