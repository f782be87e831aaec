"""The version that a program finds in ``torch.__version__``."""

from __future__ import annotations

import re
from collections.abc import Sequence


class TorchVersion(str):
    """A version as text that compares as a version, as PyTorch's does.

    Plain text would put ``"2.13"`` before ``"2.2"``. Tuples of numbers can be compared with too.

    Source: the order of release numbers and local parts in PEP 440.

    >>> version = TorchVersion("2.13.0+rushlight")
    >>> version >= "2.2", version < (2, 14), version > "2.13.0", version == "2.13.0"
    (True, True, True, False)
    """

    __slots__ = ()

    def __lt__(self, other):
        return self._compare(other, lambda x, y: x < y)

    def __le__(self, other):
        return self._compare(other, lambda x, y: x <= y)

    def __gt__(self, other):
        return self._compare(other, lambda x, y: x > y)

    def __ge__(self, other):
        return self._compare(other, lambda x, y: x >= y)

    def __eq__(self, other):
        return self._compare(other, lambda x, y: x == y)

    def __ne__(self, other):
        return self._compare(other, lambda x, y: x != y)

    __hash__ = str.__hash__

    def _compare(self, other, compare):
        key = _key(other)
        return NotImplemented if key is None else compare(_key(self), key)


def _key(version: object) -> tuple | None:
    """What versions are ordered by; None for what is no version."""
    if isinstance(version, Sequence) and not isinstance(version, str):
        version = ".".join(str(part) for part in version)
    found = (
        re.match(r"v?(\d+(?:\.\d+)*)([^+]*)\+?(.*)", version) if isinstance(version, str) else None
    )
    if found is None:
        return None
    release = tuple(int(part) for part in found[1].split("."))
    while release and release[-1] == 0:
        release = release[:-1]
    # "rc1", ".dev0" and the like come before the release they name, ".post1" after it.
    suffix = found[2]
    stage = 0 if not suffix else 1 if "post" in suffix else -1
    return release, stage, suffix, found[3]


# What Rushlight follows. Only one local label, because programs split the text at its dots.
TORCH_VERSION = TorchVersion("2.13.0+rushlight")
