"""Watching every operation: the first NaN, the time each op takes, the kernel it chose.

`RUSHLIGHT_DEBUG=1` (or 2, 3) watches a whole program, ``with debug(1):`` a part of it.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import config
from .primitive import Primitive, listeners
from .tensor import MetaArray, Tensor

_HOME = str(Path(__file__).parent)


class NotANumberError(RuntimeError):
    """An operation gave NaN although none of its inputs had one."""


def call_site() -> str:
    """The line of the user's program that is being executed, as ``file:line``."""
    frame: Any = sys._getframe()
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_HOME, "<rushlight")):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return "an unknown place"


def _has_nan(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_has_nan, value))
    if not isinstance(value, Tensor) or type(value._array) is MetaArray:
        return False
    return value._array.dtype.kind in "fcV" and bool(np.isnan(value._array).any())


class debug:
    """Watches every operation inside it.

    Args:
        level: 1 raises at the first NaN, with the op and the line; 2 also counts and times every op and prints a table
            at the end; 3 also prints each call with the kernel chosen.
        file: where to print; standard error by default.

    Raises:
        NotANumberError: (inside) naming op and line.

    >>> with debug(1):
    ...     rushlight.log(rushlight.tensor(-1.0))
    Traceback (most recent call last):
        ...
    rushlight.debug.NotANumberError: ...
    """

    def __init__(self, level: int = 1, file: Any = None):
        if level not in (1, 2, 3):
            raise ValueError(f"the level of debug must be 1, 2 or 3, not {level!r}")
        self.level = level
        self.file = file
        self.spent: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])

    def __enter__(self) -> debug:
        listeners.append(self._hear)
        return self

    def __exit__(self, *exception: Any) -> None:
        listeners.remove(self._hear)
        if self.level >= 2:
            self.report()

    def _hear(self, op: Primitive, values: Any, proceed: Callable) -> Any:
        start = time.perf_counter()
        answer = proceed(values)
        took = time.perf_counter() - start
        if self.level >= 2:
            entry = self.spent[op.name]
            entry[0] += 1
            entry[1] += took
        if self.level >= 3:
            kernel = op.choose(op.arrays(values)).name
            print(
                f"{op.name}: {kernel}, {took * 1e6:.1f} us, {call_site()}",
                file=self.file or sys.stderr,
            )
        if _has_nan(answer) and not _has_nan(values):
            raise NotANumberError(
                f"{op.name} gave NaN at {call_site()}, although its inputs have none: look at their "
                "range there (a logarithm "
                "or root of a negative number, 0 / 0, infinity minus infinity)"
            )
        return answer

    def report(self) -> None:
        """Prints how often each op was called and how long it took in all."""
        print(f"{'op':<32} {'calls':>9} {'ms in all':>11}", file=self.file or sys.stderr)
        for name, (calls, seconds) in sorted(self.spent.items(), key=lambda item: -item[1][1]):
            print(f"{name:<32} {calls:>9} {seconds * 1e3:>11.3f}", file=self.file or sys.stderr)


def start() -> None:
    """Watches from now on, if the environment asks for it."""
    level = int(config.DEBUG.read())
    if level:
        watch = debug(level)
        watch.__enter__()
        atexit.register(watch.__exit__)
