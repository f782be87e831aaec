"""What programs ask of ``torch.backends``: which libraries there are, and their switches."""

from __future__ import annotations


class _Library:
    """One library: whether it can be used, and switches that may be set.

    Args:
        available: what ``is_available()`` answers.
        switches: attributes with their first values; kept, without effect where there is no such library.
    """

    def __init__(self, available: bool, **switches: object):
        self._available = available
        self.__dict__.update(switches)

    def is_available(self) -> bool:
        """Whether this library computes here."""
        return self._available

    def is_built(self) -> bool:
        """Whether Rushlight was built with this library."""
        return self._available

    def version(self) -> int | None:
        """The library's version; None where there is none."""
        return None


cudnn = _Library(False, benchmark=False, deterministic=False, enabled=True, allow_tf32=True)
cuda = _Library(False)
cuda.matmul = _Library(False, allow_tf32=False)
mps = _Library(False)
mkl = _Library(False)
mkldnn = _Library(True, enabled=True, allow_tf32=True)
onednn = mkldnn
openmp = _Library(True)
