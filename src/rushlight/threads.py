"""How many threads compute."""

from __future__ import annotations

from .backend.native import extension


def get_num_threads() -> int:
    """How many threads every kernel uses.

    >>> get_num_threads() >= 1
    True
    """
    return extension.get_num_threads()


def set_num_threads(int: int) -> None:  # noqa: A002 - PyTorch's name
    """Sets how many threads every kernel uses.

    Raises:
        RuntimeError: it is not positive.
    """
    if int < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, got {int}")
    extension.set_num_threads(int)


def get_num_interop_threads() -> int:
    """How many operations run at the same time: always 1."""
    return 1


def set_num_interop_threads(int: int) -> None:  # noqa: A002 - PyTorch's name
    """Accepted; operations run one after the other."""
    if int < 1:
        raise RuntimeError(f"set_num_interop_threads expects a positive integer, got {int}")
