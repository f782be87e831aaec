"""What programs ask of ``torch.mps``. There are no kernels for it, and it says so."""

from __future__ import annotations


def is_available() -> bool:
    """Whether tensors can be on an Apple GPU: they cannot."""
    return False


def device_count() -> int:
    """How many Apple GPUs can be used: none."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the stream of the Apple GPU; accepted."""


def empty_cache() -> None:
    """Gives unused memory back; there is none."""
