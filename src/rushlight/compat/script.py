"""Executing a script as Python itself would, with ``torch`` being Rushlight."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from .finder import install


class NotAProgramError(Exception):
    """What was given is not a Python script; the message says what it is and what to give."""


def run_script(path: str, arguments: Sequence[str] = ()) -> None:
    """Executes a script as Python would, except that ``import torch`` gives Rushlight.

    The script is ``__main__``; ``sys.argv``, ``sys.path[0]`` and ``__file__`` are what Python would
    have set. What it raises, ``SystemExit`` and ``KeyboardInterrupt`` included, passes through, and
    an uncaught error is printed from the script's own lines on.

    Args:
        path: the script, a text file with Python in it.
        arguments: what the script finds in ``sys.argv[1:]``.

    Raises:
        NotAProgramError: there is no such file, or it holds no Python program.
        SyntaxError: a ``.py`` file has an error in its syntax.
    """
    source = read_program(path)
    absolute = os.path.abspath(path)
    install()
    hide_own_frames()

    module = ModuleType("__main__")
    module.__file__ = absolute
    module.__loader__ = SourceFileLoader("__main__", absolute)
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    sys.argv = [path, *arguments]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(path))

    # So that the children that a program spawns find torch, too.
    import rushlight.multiprocessing  # noqa: F401

    exec(compile_program(source, absolute), module.__dict__)


def read_program(path: str) -> bytes:
    """The bytes of a script.

    Raises:
        NotAProgramError: it cannot be read, or is a directory, a notebook or binary.
    """
    if os.path.isdir(path):
        raise NotAProgramError(
            f"{path!r} is a directory; give a Python file, such as main.py in it"
        )
    try:
        source = Path(path).read_bytes()
    except FileNotFoundError:
        raise NotAProgramError(
            f"there is no file {path!r} (looked in {os.getcwd()!r}); check the name"
        ) from None
    except OSError as error:
        raise NotAProgramError(f"{path!r} cannot be read: {error.strerror}") from None
    if path.endswith(".ipynb"):
        raise NotAProgramError(
            f"{path!r} is a notebook; make a script of it: jupyter nbconvert --to script {path}"
        )
    if b"\0" in source:
        raise NotAProgramError(f"{path!r} is a binary file, not Python; give the .py file")
    return source


def compile_program(source: bytes, path: str) -> CodeType:
    """Compiles a script; what has wrong syntax and is not called ``.py`` is no script.

    Raises:
        NotAProgramError: the text is not Python and the name does not say that it should be.
        SyntaxError: the text of a ``.py`` file is not Python.
    """
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        if path.endswith(".py"):
            raise
        where = f" (line {error.lineno}: {error.msg})" if error.lineno else f" ({error.msg})"
        raise NotAProgramError(
            f"{path!r} is not a Python program{where}; give a .py file"
        ) from None


def hide_own_frames() -> None:
    """Makes uncaught errors be printed without the frames that led to the script."""
    print_error = sys.excepthook

    def print_own_error(kind, error, trace):
        shown = frames_of_script(kind, trace)
        # The printer takes the frames from the error where it has some.
        print_error(kind, error.with_traceback(shown), shown)

    sys.excepthook = print_own_error


def frames_of_script(
    kind: type[BaseException], trace: TracebackType | None
) -> TracebackType | None:
    """The part of a traceback after `run_script` and before the search for a module."""
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    codes = [entry.tb_frame.f_code for entry in entries]
    if run_script.__code__ in codes:
        entries = entries[codes.index(run_script.__code__) + 1 :]
    # Any other error that begins in this package is a fault of its own, and must show where.
    if issubclass(kind, (ModuleNotFoundError, SyntaxError)):
        while entries and is_machinery(entries[-1].tb_frame.f_code.co_filename):
            entries.pop()
    first = None
    for entry in reversed(entries):
        entry.tb_next = first
        first = entry
    return first


def is_machinery(filename: str) -> bool:
    """Whether a file belongs to the import system or to this package."""
    if filename.startswith("<frozen importlib") or filename == importlib.__file__:
        return True
    return Path(filename).parent == Path(__file__).parent
