"""Arguments by the names of old programs: they work, and say once what is written today."""

from __future__ import annotations

import functools
import warnings
from typing import Any


@functools.cache
def _said(text: str) -> None:
    warnings.warn(text, FutureWarning, stacklevel=4)


def of_today(
    interpolation: Any, fill: Any, resample: Any, fillcolor: Any = None
) -> tuple[Any, Any]:
    """The interpolation and the fill of arguments among which ``resample`` or ``fillcolor`` may have been given.

    >>> of_today(0, None, None)
    (0, None)
    """
    if resample is not None:
        _said("The argument resample is deprecated; write interpolation=InterpolationMode....")
        interpolation = resample
    if fillcolor is not None:
        _said("The argument fillcolor is deprecated; write fill=...")
        fill = fillcolor
    return interpolation, fill


def class_of_today(old: str, new: str) -> None:
    """Says that the class ``old`` is now called ``new``."""
    _said(f"transforms.{old} is deprecated; write transforms.{new}")
