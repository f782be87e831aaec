"""What programs ask of ``torch.cuda``. There are no CUDA kernels yet, and it says so."""

from __future__ import annotations

from typing import Any

from .. import devices
from . import amp  # noqa: F401 - torch.cuda.amp


def is_available() -> bool:
    """Whether tensors can be on a CUDA device: they cannot.

    >>> is_available()
    False
    """
    return devices.is_available("cuda")


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether CUDA kernels take bfloat16: there are none."""
    return is_available()


def device_count() -> int:
    """How many CUDA devices can be used: none."""
    return 0


def _none(*args: Any) -> AssertionError:
    return AssertionError("Rushlight has no CUDA kernels yet; ask torch.cuda.is_available() first")


def current_device() -> int:
    """The index of the CUDA device in use.

    Raises:
        AssertionError: there is none.
    """
    raise _none()


def get_device_name(device: Any = None) -> str:
    """The name of a CUDA device.

    Raises:
        AssertionError: there is none.
    """
    raise _none()


def set_device(device: Any) -> None:
    """Chooses a CUDA device.

    Raises:
        AssertionError: there is none.
    """
    raise _none()


def synchronize(device: Any = None) -> None:
    """Waits for a CUDA device.

    Raises:
        AssertionError: there is none.
    """
    raise _none()


def empty_cache() -> None:
    """Gives unused CUDA memory back; there is none."""


def manual_seed(seed: int) -> None:
    """Seeds the CUDA stream; accepted, as in PyTorch without CUDA."""


def manual_seed_all(seed: int) -> None:
    """Seeds all CUDA streams; accepted, as in PyTorch without CUDA."""


def is_initialized() -> bool:
    """Whether CUDA has been used: never."""
    return False


def memory_allocated(device: Any = None) -> int:
    """Bytes of CUDA memory in use: 0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated
