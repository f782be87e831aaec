"""The ways to compute pixels between pixels."""

from __future__ import annotations

from enum import Enum
from typing import Any


class InterpolationMode(Enum):
    """How pixels between pixels are computed.

    Tensors take ``NEAREST``, ``NEAREST_EXACT``, ``BILINEAR``, ``BICUBIC`` and, with ``antialias``, ``LANCZOS``; PIL
    images take all for resizing, and ``NEAREST``, ``BILINEAR`` and ``BICUBIC`` for rotations and the like.

    >>> InterpolationMode("bilinear")
    <InterpolationMode.BILINEAR: 'bilinear'>
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's constants; old programs give them in the place of modes.
PILLOW_CODES = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.NEAREST_EXACT: 0,
}
_OF_CODE = {
    code: mode for mode, code in PILLOW_CODES.items() if mode is not InterpolationMode.NEAREST_EXACT
}


def as_mode(interpolation: Any) -> InterpolationMode:
    """The mode that a mode or a Pillow constant means.

    Raises:
        TypeError: it is neither.
        KeyError: Pillow has no such constant.

    >>> as_mode(2)
    <InterpolationMode.BILINEAR: 'bilinear'>
    """
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int):
        try:
            return _OF_CODE[int(interpolation)]
        except KeyError:
            raise KeyError(
                f"interpolation {interpolation} is no Pillow constant; give an InterpolationMode"
            ) from None
    raise TypeError(
        "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant, but got "
        f"{interpolation!r}; write InterpolationMode.BILINEAR"
    )
