"""What programs ask of ``torch.accelerator``: the device beside the CPU, whichever it is. There is none yet."""

from __future__ import annotations

from typing import Any, NoReturn

from .devices import device


def is_available() -> bool:
    """Whether there is an accelerator that tensors can be on: there is none.

    >>> is_available()
    False
    """
    return False


def current_accelerator(check_available: bool = False) -> device | None:
    """The device of the accelerator; None, as there is none.

    >>> device = current_accelerator().type if is_available() else "cpu"
    >>> device
    'cpu'
    """
    return None


def device_count() -> int:
    """How many accelerators can be used: none."""
    return 0


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    """Refuses, as there is no accelerator.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        "Cannot access accelerator device when none is available; "
        "ask torch.accelerator.is_available() first"
    )


current_device_index = current_device_idx = set_device_index = set_device_idx = _refuse
current_stream = set_stream = synchronize = get_device_capability = _refuse
empty_cache = get_memory_info = memory_stats = memory_allocated = memory_reserved = _refuse
max_memory_allocated = max_memory_reserved = _refuse
reset_peak_memory_stats = reset_accumulated_memory_stats = _refuse
