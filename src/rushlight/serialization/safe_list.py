"""The classes and functions that ``load`` may use though a file names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import names
from .classes import torch_name

_user_globals: dict[str, Any] = {}


def add_safe_globals(safe_globals: Iterable) -> None:
    """Lets ``load`` with ``weights_only=True`` use these classes and functions from now on.

    Args:
        safe_globals: classes and functions, or pairs of one and the name by which files know it.

    Raises:
        TypeError: an item is neither.

    >>> import fractions
    >>> add_safe_globals([fractions.Fraction])
    >>> get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> clear_safe_globals()
    """
    for item in safe_globals:
        function, name = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if not callable(function) or not isinstance(name, (str, type(None))):
            raise TypeError(
                "add_safe_globals: expected classes, functions or pairs of one and its name, "
                f"but got {item!r}"
            )
        _user_globals[name or f"{function.__module__}.{function.__qualname__}"] = item


def get_safe_globals() -> list:
    """What was added by `add_safe_globals`."""
    return list(_user_globals.values())


def clear_safe_globals() -> None:
    """Takes back all that was added by `add_safe_globals`."""
    _user_globals.clear()


class safe_globals:
    """A ``with`` block in which these classes and functions are safe.

    Args:
        safe_globals: as for `add_safe_globals`.

    >>> import fractions
    >>> with safe_globals([fractions.Fraction]):
    ...     get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> get_safe_globals()
    []
    """

    def __init__(self, safe_globals: Iterable):
        self._added = list(safe_globals)
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> None:
        self._before.append(dict(_user_globals))
        add_safe_globals(self._added)

    def __exit__(self, *exception: Any) -> None:
        before = self._before.pop()
        _user_globals.clear()
        _user_globals.update(before)


def find(full_name: str) -> Any:
    """What stands for a global that a file names, if that is safe; None otherwise.

    Args:
        full_name: as in the file.
    """
    found = names.SAFE_GLOBALS.get(full_name)
    if found is None:
        found = _user_globals.get(full_name)
    if found is None and full_name.startswith("torch."):
        same = (item for item in _user_globals.values() if _torch_path(item) == full_name)
        found = next(same, None)
    return found[0] if isinstance(found, tuple) else found


def is_allowed(cls: Any) -> bool:
    """Whether the user allowed a class, so that objects of it are made and get their state."""
    if not isinstance(cls, type):
        return False
    items = _user_globals.values()
    return any(cls is (item[0] if isinstance(item, tuple) else item) for item in items)


def _torch_path(item: Any) -> str | None:
    """PyTorch's name of a class or function of ours that the user allowed."""
    if isinstance(item, tuple) or (item.__module__ or "").partition(".")[0] != "rushlight":
        return None
    return ".".join(torch_name(item) or ())
