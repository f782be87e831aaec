"""The handle that takes a registered hook away again."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["RemovableHandle", "hang"]


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook away.

    As a context manager it takes the hook away at the end of the block. It can be pickled together with
    the object that holds the hooks, and keeps neither of them alive.

    Args:
        hooks_dict: where the caller puts the hook, under the key ``handle.id``.
        extra_dict: one dictionary or a list of them in which the hook is noted under the same key.

    >>> hooks = OrderedDict()
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove()
    >>> len(hooks)
    0
    """

    next_id = 0

    def __init__(self, hooks_dict: OrderedDict, *, extra_dict: Any = None):
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self._refer(hooks_dict, extra_dict)

    def _refer(self, hooks_dict: Any, extra_dicts: Any) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extra_dicts)

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple:
        extras = tuple(reference() for reference in self.extra_dict_ref)
        return self.hooks_dict_ref(), self.id, extras

    def __setstate__(self, state: tuple) -> None:
        hooks_dict, self.id, extras = state
        # A dictionary that was gone when the handle was pickled has nothing left to remove.
        self._refer(
            OrderedDict() if hooks_dict is None else hooks_dict,
            [extra for extra in extras if extra is not None],
        )
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def hang(hooks: OrderedDict, hook: Callable) -> RemovableHandle:
    """Puts ``hook`` behind the others in ``hooks``; the handle takes it away again."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
