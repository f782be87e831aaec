"""Every switch of Rushlight in one table: its name in the environment, its meaning, its value."""

from __future__ import annotations

import os
from typing import NamedTuple


class Switch(NamedTuple):
    """One environment variable that Rushlight reads.

    Args:
        name: the environment variable.
        default: its value where the variable is not set.
        choices: the values it may have; empty where any text that ``read`` takes is right.
        meaning: one sentence for the list of switches.
    """

    name: str
    default: str
    choices: tuple[str, ...]
    meaning: str

    def read(self) -> str:
        """The value now, checked.

        Raises:
            ValueError: the variable has a value that is not among ``choices``.
        """
        value = os.environ.get(self.name, self.default)
        if self.choices and value not in self.choices:
            raise ValueError(
                f"{self.name} is {value!r}, but must be one of {', '.join(self.choices)}: "
                f"{self.meaning}"
            )
        return value

    def read_int(self, low: int) -> int:
        """The value now as an int of at least ``low``.

        Raises:
            ValueError: the value is no such number.
        """
        value = self.read()
        if not value.isdigit() or int(value) < low:
            raise ValueError(f"{self.name} is {value!r}, but must be a whole number from {low} on.")
        return int(value)


KERNELS = Switch(
    "RUSHLIGHT_KERNELS",
    "fast",
    ("fast", "plain"),
    "plain computes with NumPy alone, without the extension's kernels; the answers are the same.",
)
DEBUG = Switch(
    "RUSHLIGHT_DEBUG",
    "0",
    ("0", "1", "2", "3"),
    "1 names the op at the first NaN, 2 also times every op, 3 also names the kernel chosen.",
)
THREADS = Switch(
    "RUSHLIGHT_THREADS",
    "0",
    (),
    "how many threads kernels use; 0 takes what the process may use.",
)
CACHE_LIMIT = Switch(
    "RUSHLIGHT_CACHE_MB",
    "1024",
    (),
    "how many MiB of freed array memory are kept for the next arrays; 0 keeps none.",
)
ISA = Switch(
    "RUSHLIGHT_ISA",
    "",
    ("", "baseline", "avx2", "avx512"),
    "which build of our own loops runs; empty takes the best that the processor has.",
)

SWITCHES = (KERNELS, DEBUG, THREADS, CACHE_LIMIT, ISA)
