"""Errors of worker processes: they arrive with their own traceback."""

from __future__ import annotations

import pickle
import sys
import traceback
from typing import Any


def note(error: BaseException, text: str) -> None:
    """Adds to an error what was being done; the traceback shows it from Python 3.11 on."""
    if hasattr(error, "add_note"):
        error.add_note(text)
    else:
        error.__notes__ = [*getattr(error, "__notes__", ()), text]


class ExceptionWrapper:
    """An exception in a form that can be sent to another process and raised there.

    Args:
        exc_info: what ``sys.exc_info()`` gives; by default, that of the exception being handled.
        where: where it happened, for the message.

    Attributes:
        exc_type: its class.
        exc_msg: its traceback as text.
        where: as given.
    """

    def __init__(self, exc_info: Any = None, where: str = "in background"):
        kind, error, trace = exc_info or sys.exc_info()
        self.exc_type = kind
        # Text, because frames cannot be sent.
        self.exc_msg = "".join(traceback.format_exception(kind, error, trace))
        if sys.version_info < (3, 11):
            self.exc_msg += "".join(f"{text}\n" for text in getattr(error, "__notes__", ()))
        self.where = where

    def __getstate__(self) -> dict:
        try:
            kind = pickle.dumps(self.exc_type)
        except Exception:
            kind = None  # a class that only the sender knows
        return {**self.__dict__, "exc_type": kind}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        try:
            self.exc_type = pickle.loads(state["exc_type"])
        except Exception:
            self.exc_type = RuntimeError

    def reraise(self) -> None:
        """Raises an exception of the same class whose message has the first one's traceback.

        Raises:
            RuntimeError: a class whose exceptions cannot be made from a message alone.
        """
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if issubclass(self.exc_type, KeyError):
            # A KeyError shows the repr of its argument, which would hide the lines of the text.
            text = _Lines(text)
        raise self._made(text)

    def _made(self, text: str) -> BaseException:
        # A class with an attribute `message` is likely to take it by that name.
        ways = [lambda: self.exc_type(text)]
        if getattr(self.exc_type, "message", None) is not None:
            ways.insert(0, lambda: self.exc_type(message=text))
        for way in ways:
            try:
                made = way()
            except Exception:
                continue
            if isinstance(made, BaseException):
                return made
        return RuntimeError(text)


class _Lines(str):
    """Text whose repr is itself."""

    def __repr__(self) -> str:
        return str(self)
