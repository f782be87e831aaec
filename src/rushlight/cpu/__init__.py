"""What programs ask of ``torch.cpu``, so that code for any device runs on this one."""

from __future__ import annotations

from typing import Any

from . import amp  # noqa: F401 - torch.cpu.amp


def is_available() -> bool:
    """Whether tensors can be in main memory: they can.

    >>> is_available()
    True
    """
    return True


def device_count() -> int:
    """How many devices of this type there are: one."""
    return 1


def current_device() -> str:
    """The device in use: ``"cpu"``."""
    return "cpu"


def set_device(device: Any) -> None:
    """Chooses the device; there is one."""


def synchronize(device: Any = None) -> None:
    """Waits until the device is done; it always is."""


def is_initialized() -> bool:
    """Whether the device has been started: it has."""
    return True
