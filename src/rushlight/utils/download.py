"""Downloads for models and datasets: a file comes whole and checked, or not at all.

What has come so far is kept beside the file as ``NAME.part``, with a note in ``NAME.part.json`` of what
it is a part of, so that the next try goes on from there. The part is locked while somebody writes to it:
a second process waits, and then finds the file. Only a file that is whole gets the name asked for.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import NoneType
from typing import IO, Any, NamedTuple

from ..version import __version__

__all__ = ["fetch", "is_intact"]

CHUNK = 1 << 16
TIMEOUT = 30.0  # seconds without a sign of the server
WAITS = (0.0, 0.5, 1.5, 4.0)  # seconds before each round over the addresses
PASSING = {408, 425, 429, 500, 502, 503, 504}  # what a server may not say the next time
CURES = {
    401: "It asks for a login.",
    403: "It refuses access, or asks for a login.",
    404: "Check the address.",
    410: "It was there once; look for a new address.",
    429: "It has had too many requests; try again later.",
}


def fetch(
    urls: str | Sequence[str],
    path: str | os.PathLike,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> str:
    """Brings a file from the network to ``path``, unless it is there already.

    Args:
        urls: the address (``http``, ``https``, ``ftp`` or ``file``), or several that hold the same
            file: where one fails, the next is asked.
        path: where the file is to be; folders that are missing are made.
        sha256, md5: the sum of the file in hexadecimal digits, or how it begins.
        size: its length in bytes.
        overwrite: download it even if it is there. Otherwise a file that agrees with the sums and the
            size stays; only whole files get that name, so where none are given it is enough to be there.
        progress: show a bar on stderr, tqdm's where that is installed.

    Returns:
        The path.

    Raises:
        HTTPError: the server answered with an error.
        URLError: no server could be reached, or the file broke off again and again
            (ContentTooShortError); what has come is kept for the next call.
        RuntimeError: what came is not the file that was wanted, by a sum or by its size.
        ValueError: an address or a sum is none.
        IsADirectoryError: ``path`` is a folder.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("hello")
    >>> copy = fetch((folder / "a.txt").as_uri(), folder / "b.txt", size=5, progress=False)
    >>> pathlib.Path(copy).read_text()
    'hello'
    """
    urls = _addresses(urls)
    wanted = _Wanted.of(sha256, md5, size)
    path = os.path.expanduser(os.fspath(path))
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise IsADirectoryError(f"fetch: {path} is a folder; give the path of a file in it")
    if not overwrite and wanted.is_at(target):
        return path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with _locked_part(target, progress) as part:
        if not overwrite and wanted.is_at(target):
            part.drop()  # another process brought the file while this one waited
        else:
            bar = _Bar(os.path.basename(path)) if progress else _NoBar()
            try:
                _bring(urls, part, wanted, bar, path)
            finally:
                bar.close()
            part.become(target)
    return path


def is_intact(
    path: str | os.PathLike,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
) -> bool:
    """Whether there is a file that agrees with what is given; arguments as for `fetch`.

    >>> is_intact("no such file")
    False
    """
    return _Wanted.of(sha256, md5, size).is_at(os.path.expanduser(os.fspath(path)))


def open_url(url: str, headers: dict[str, str] | None = None) -> Any:
    """The answer to one request, a file to read from; errors are urllib's."""
    from urllib.request import Request, urlopen

    headers = {"User-Agent": f"rushlight/{__version__}", **(headers or {})}
    return urlopen(Request(url, headers=headers), timeout=TIMEOUT)


def _addresses(urls: str | Sequence[str]) -> list[str]:
    urls = [urls] if isinstance(urls, str) else list(urls)
    if not urls:
        raise ValueError("fetch: expected the address of the file, or several, but got none")
    for url in urls:
        if not re.match(r"(https?|ftp|file)://", str(url), re.IGNORECASE):
            raise ValueError(
                f"fetch: expected an address that begins with http://, https://, ftp:// or file://, "
                f"but got {url!r}"
            )
    return urls


class _Wanted(NamedTuple):
    """What is known of a file before it comes."""

    sha256: str | None
    md5: str | None
    size: int | None

    @classmethod
    def of(cls, sha256: str | None, md5: str | None, size: int | None) -> _Wanted:
        for name, value, length in (("sha256", sha256, 64), ("md5", md5, 32)):
            if value is not None and not re.fullmatch(f"[0-9a-fA-F]{{0,{length}}}", value):
                raise ValueError(
                    f"fetch: expected {name} to be up to {length} hexadecimal digits, but got {value!r}"
                )
        return cls(sha256, md5, size)

    @property
    def has_sum(self) -> bool:
        return bool(self.sha256 or self.md5)

    def is_at(self, path: str) -> bool:
        return os.path.isfile(path) and self.mismatch(path) is None

    def mismatch(self, path: str) -> str | None:
        """What is wrong with the file at ``path``, if anything."""
        found = os.path.getsize(path)
        if self.size is not None and found != self.size:
            return f"invalid size (expected {self.size} bytes, got {found})"
        for name in ("sha256", "md5"):
            known = getattr(self, name)
            if known and not (found := digest(path, name)).startswith(known.lower()):
                return f'invalid hash value (expected "{known}", got "{found}")'
        return None


def digest(path: str, name: str) -> str:
    """The sum of a file by the method ``name``, such as ``"sha256"``, in hexadecimal digits."""
    import hashlib

    total = hashlib.new(name, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


# ---- the part that is there


class _Part:
    """The file in which a download grows, and the note of what it is a part of."""

    def __init__(self, file: IO[bytes], path: str):
        self.file = file
        self.path = path
        self.note_path = f"{path}.json"
        self.note = self._read_note()
        self.pieced = False  # of more than one answer
        self.size = os.fstat(file.fileno()).st_size

    def _read_note(self) -> dict[str, Any]:
        import json

        try:
            with open(self.note_path, encoding="utf-8") as file:
                note = json.load(file)
        except (OSError, ValueError):
            return {}
        kinds = {"url": str, "mark": (str, NoneType), "total": (int, NoneType)}
        whole = isinstance(note, dict) and note.keys() == kinds.keys()
        return note if whole and all(isinstance(note[k], kinds[k]) for k in kinds) else {}

    def reusable(self, url: str, wanted: _Wanted) -> int:
        """How many bytes may stay: those of the same file by the server's mark, or by a sum to come."""
        if not self.note or self.size == self.note["total"]:
            return 0
        same = self.note["url"] == url and self.note["mark"] is not None
        return self.size if same or wanted.has_sum else 0

    def start(self, note: dict[str, Any]) -> None:
        """Begins anew. The note comes before any byte, so that no byte is without its note."""
        import json

        self.file.truncate(0)
        self.size, self.note, self.pieced = 0, note, False
        with open(self.note_path, "w", encoding="utf-8") as file:
            json.dump(note, file)

    def write(self, chunk: bytes) -> None:
        self.file.write(chunk)
        # A process that is killed must not lose what has come.
        self.file.flush()
        self.size += len(chunk)

    def become(self, target: str) -> None:
        """Gives the whole file its name."""
        os.fsync(self.file.fileno())
        # The note first: without the part, its name is free for the next process.
        self._forget(self.note_path)
        os.replace(self.path, target)

    def drop(self) -> None:
        self._forget(self.note_path, self.path)

    @staticmethod
    def _forget(*paths: str) -> None:
        for path in paths:
            if os.path.exists(path):
                os.unlink(path)


@contextmanager
def _locked_part(target: str, progress: bool) -> Iterator[_Part]:
    """The part of ``target``, to be written by nobody else meanwhile; it goes where it is of no use."""
    file, path, shared = _open_locked(target, progress)
    with file:
        part = _Part(file, path)
        try:
            yield part
        except BaseException:
            if not (shared and part.size and part.note):
                part.drop()
            raise


def _open_locked(target: str, progress: bool) -> tuple[IO[bytes], str, bool]:
    path = f"{target}.part"
    while True:
        file = open(path, "a+b")
        try:
            _lock(file, f"Waiting for another process that downloads {target}\n" * progress)
        except OSError:
            # Some network file systems have no locks: then nobody else may know the name.
            file.close()
            if not os.path.getsize(path):
                os.unlink(path)
            path = f"{target}.{os.urandom(4).hex()}.part"
            return open(path, "a+b"), path, False
        # Who had the lock before may have given the file its name, and a new one is to be opened.
        if _is_at(file, path):
            return file, path, True
        file.close()


def _is_at(file: IO[bytes], path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(file: IO[bytes], waiting: str) -> None:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(waiting)
        fcntl.flock(file, fcntl.LOCK_EX)


# ---- bringing the rest


class _Failure(Exception):
    """One try at one address failed; ``passing``: another try may succeed."""

    def __init__(self, error: Exception, passing: bool):
        super().__init__(error)
        self.error = error
        self.passing = passing


def _bring(urls: list[str], part: _Part, wanted: _Wanted, bar: Any, path: str) -> None:
    """Asks one address after the other, and again those that may answer later."""
    failures: dict[str, Exception] = {}
    for wait in WAITS:
        time.sleep(wait)
        for url in list(urls):
            try:
                return _bring_from(url, part, wanted, bar, path)
            except _Failure as failure:
                failures[url] = failure.error
                if not failure.passing:
                    urls.remove(url)
        if not urls:
            break
    errors = list(failures.values())
    if len(errors) > 1:
        listed = "".join(f"\n  {error}" for error in errors)
        text = f"none of the {len(errors)} addresses of {os.path.basename(path)} gave it:{listed}"
        from urllib.error import URLError

        raise RuntimeError(text) if type(errors[-1]) is RuntimeError else URLError(text)
    raise errors[0]


def _bring_from(url: str, part: _Part, wanted: _Wanted, bar: Any, path: str) -> None:
    """Fills the part from one address, as long as every try brings something new."""
    may_restart = True
    while True:
        before = part.size
        reused = part.reusable(url, wanted)
        try:
            _receive(url, reused, part, wanted, bar, path)
        except _Failure as failure:
            if failure.passing and part.size >= before + CHUNK:
                continue
            raise
        problem = wanted.mismatch(part.path)
        if problem is None:
            return
        # Pieces of two versions of a file do not make a file: once more from the beginning.
        again = part.pieced and may_restart
        part.start({})
        if not again:
            error = RuntimeError(
                f"{problem}: {url} did not give the file that was wanted; it may have changed, or "
                "something on the way replaced it. Nothing was kept of it."
            )
            raise _Failure(error, passing=False)
        may_restart = False


def _receive(url: str, reused: int, part: _Part, wanted: _Wanted, bar: Any, path: str) -> None:
    """One request: the bytes after the first ``reused``, or all, as the server likes."""
    from http.client import HTTPException
    from urllib.error import ContentTooShortError

    with _ask(url, reused, part, path) as response:
        note = _note_of(url, response)
        if wanted.size is not None and note["total"] not in (None, wanted.size):
            problem = f"invalid size (expected {wanted.size} bytes, got {note['total']})"
            raise _Failure(RuntimeError(f"{problem}: {url} has another file"), passing=False)
        if reused and _continues(response, note, part):
            part.pieced = True
        elif response.status == 206 and reused:
            # The rest of something else; the next request is for all of it.
            part.start({})
            return _receive(url, 0, part, wanted, bar, path)
        else:
            part.start(note)
        total = part.note["total"]
        bar.show(part.size, total)
        while True:
            try:
                chunk = response.read(CHUNK)
            except (OSError, HTTPException) as error:
                raise _Failure(_unreachable(url, error, path), passing=True) from error
            if not chunk:
                break
            part.write(chunk)
            bar.show(part.size, total)
    if total is not None and part.size != total:
        text = f"{url} broke off: {part.size} of {total} bytes came. Call again to go on from there"
        raise _Failure(ContentTooShortError(text, None), passing=True)


def _ask(url: str, reused: int, part: _Part, path: str) -> Any:
    from http.client import HTTPException, InvalidURL
    from urllib.error import HTTPError

    headers = {"Accept-Encoding": "identity"}
    if reused:
        headers["Range"] = f"bytes={reused}-"
        if part.note["url"] == url and part.note["mark"]:
            headers["If-Range"] = part.note["mark"]
    try:
        return open_url(url, headers)
    except HTTPError as error:
        error.close()
        if error.code == 416 and reused:
            part.start({})
            return _ask(url, 0, part, path)
        text = (
            f"{error.reason} was the answer of {url}. {CURES.get(error.code, 'Try again later.')}"
        )
        named = HTTPError(url, error.code, _with_own_way(text, path), error.headers, None)
        raise _Failure(named, passing=error.code in PASSING) from error
    except InvalidURL as error:
        raise _Failure(_unreachable(url, error, path), passing=False) from error
    except (OSError, HTTPException) as error:
        passing = not _is_final(getattr(error, "reason", error))
        raise _Failure(_unreachable(url, error, path), passing) from error


def _note_of(url: str, response: Any) -> dict[str, Any]:
    """What the server says of the file: where it is, its mark (of this version), its length."""
    headers = response.headers
    mark = headers.get("ETag")
    if mark is None or mark.startswith("W/"):
        # A weak mark stands for files that differ in their bytes.
        mark = headers.get("Last-Modified")
    if response.status == 206:
        total = headers.get("Content-Range", "").rpartition("/")[2]
    else:
        total = headers.get("Content-Length", "")
    return {"url": url, "mark": mark, "total": int(total) if total.isdigit() else None}


def _continues(response: Any, note: dict[str, Any], part: _Part) -> bool:
    """Whether an answer is the rest of the part, and not of another version, or something else."""
    begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if response.status != 206 or begins is None or int(begins[1]) != part.size:
        return False
    # Each server has marks of its own; the length is the same everywhere.
    compared = ("total", "mark") if note["url"] == part.note["url"] else ("total",)
    pairs = [(note[key], part.note[key]) for key in compared]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def _is_final(reason: Any) -> bool:
    """Whether what kept us from the server will do so again."""
    import socket
    import ssl

    if isinstance(reason, socket.gaierror):
        return reason.errno == socket.EAI_NONAME
    # A text is what urllib itself objects to; the others are of file://.
    kinds = (str, ssl.SSLCertVerificationError, FileNotFoundError, IsADirectoryError)
    return isinstance(reason, (*kinds, PermissionError))


def _unreachable(url: str, error: Exception, path: str) -> Exception:
    from urllib.error import URLError

    reason = getattr(error, "reason", None) or f"{type(error).__name__}: {error}"
    text = f"{url} could not be read: {reason}. Check the address, the connection and the proxy."
    return URLError(_with_own_way(text, path))


def _with_own_way(text: str, path: str) -> str:
    return f"{text} Or get the file in another way, and put it at {path}"


# ---- telling how far it is


class _NoBar:
    def show(self, done: int, total: int | None) -> None:
        pass

    def close(self) -> None:
        pass


class _Bar:
    """Progress on stderr: tqdm's bar where that is installed, else a line that is written over."""

    def __init__(self, name: str):
        self.name = name
        self.text = ""
        self.bar: Any = None
        try:
            from tqdm import tqdm
        except ImportError:
            return
        options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
        self.bar = tqdm(desc=name, file=sys.stderr, **options)

    def show(self, done: int, total: int | None) -> None:
        if self.bar is not None:
            self.bar.total = total
            self.bar.update(done - self.bar.n)
            return
        how_far = f"{100 * done // total}% of {_readable(total)}" if total else _readable(done)
        text = f"{self.name}: {how_far}"
        if text != self.text:
            sys.stderr.write(f"\r{text.ljust(len(self.text))}")
            sys.stderr.flush()
            self.text = text

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.text:
            sys.stderr.write("\n")


def _readable(count: int) -> str:
    """A number of bytes for people: ``_readable(3_500_000)`` is ``"3.5 MB"``."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} bytes"
