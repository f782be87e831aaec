"""Checks of arguments that PIL images and tensors share."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def four_sides(padding: Any, padding_mode: Any = "constant") -> tuple[int, int, int, int]:
    """What ``padding`` says of left, top, right and bottom.

    Args:
        padding: one number, two (left and right, top and bottom) or four.

    Raises:
        TypeError: it is neither a number nor some of them, or the mode is no text.
        ValueError: they are not one, two or four, or there is no such mode.

    >>> four_sides((1, 2))
    (1, 2, 1, 2)
    """
    if not isinstance(padding, (numbers.Number, tuple, list)):
        raise TypeError(
            f"Got inappropriate padding arg {padding!r}; give a number, or (left, top, right, bottom)"
        )
    if not isinstance(padding_mode, str):
        raise TypeError(f"Got inappropriate padding_mode arg {padding_mode!r}; give a string")
    if padding_mode not in PADDING_MODES:
        raise ValueError(
            f"Padding mode should be either constant, edge, reflect or symmetric, not {padding_mode!r}"
        )
    sides = [padding] if isinstance(padding, numbers.Number) else list(padding)
    if len(sides) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(sides)} element tuple"
        )
    left, top, right, bottom = (sides * 4)[:4]
    return left, top, right, bottom


def two_sizes(size: Any, complaint: str) -> tuple[int, int]:
    """Height and width from one int, one in a sequence, or two.

    Args:
        complaint: what to say where there are more.

    Raises:
        ValueError: there are more.

    >>> two_sizes(3, "")
    (3, 3)
    """
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"{complaint} Got {size!r}")
    return size


def symmetric_range(value: Any, name: str, length: Sequence[int] = (2,)) -> list[float]:
    """``[-value, value]`` of a number; of a sequence its numbers.

    Raises:
        TypeError: it is neither.
        ValueError: it is negative, or has another length.

    >>> symmetric_range(3, "degrees")
    [-3.0, 3.0]
    """
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive, but got {value}")
        return [float(-value), float(value)]
    check_sequence(value, name, length)
    return [float(v) for v in value]


def check_sequence(value: Any, name: str, length: Sequence[int]) -> None:
    """Refuses what is no sequence of one of the lengths.

    Raises:
        TypeError: it is no sequence.
        ValueError: it has another length.
    """
    words = " or ".join(str(n) for n in length)
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {words}, but got {value!r}")
    if len(value) not in length:
        raise ValueError(f"{name} should be a sequence of length {words}, but got {value!r}")
