"""What a declaration says to its tests: calls that must work, and calls that must fail."""

from __future__ import annotations

from typing import Any, NamedTuple


class Call(NamedTuple):
    """A sample: the arguments of one call."""

    args: tuple
    kwargs: dict


def call(*args: Any, **kwargs: Any) -> Call:
    """A sample call of an op, for its tests."""
    return Call(args, kwargs)


class Reject(NamedTuple):
    """A call that must fail, with the exception and a part of its message."""

    error: type
    message: str
    args: tuple
    kwargs: dict


def reject(error: type, message: str, *args: Any, **kwargs: Any) -> Reject:
    """A call of an op that must raise ``error`` with a text that contains ``message``."""
    return Reject(error, message, args, kwargs)
