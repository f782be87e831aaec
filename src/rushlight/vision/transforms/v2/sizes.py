"""The sizes of images, and of what belongs to them."""

from __future__ import annotations

import warnings
from typing import Any

from ....tensor import Tensor
from ...tv_tensors import BoundingBoxes, KeyPoints, Mask, TVTensor, Video
from .. import functional as v1


def is_pure_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor of no special kind."""
    return isinstance(x, Tensor) and not isinstance(x, TVTensor)


def get_dimensions(inpt: Any) -> list[int]:
    """Channels, height and width of an image or video.

    >>> get_dimensions(rushlight.ones(3, 4, 5))
    [3, 4, 5]
    """
    _no_annotation(inpt, "get_dimensions", (Mask, BoundingBoxes, KeyPoints))
    return v1.get_dimensions(inpt)


def get_num_channels(inpt: Any) -> int:
    """The number of channels of an image or video."""
    return get_dimensions(inpt)[0]


def get_size(inpt: Any) -> list[int]:
    """Height and width of an image, video or mask, or of the image of boxes or points.

    >>> get_size(KeyPoints([[1, 2]], canvas_size=(3, 4)))
    [3, 4]
    """
    if isinstance(inpt, (BoundingBoxes, KeyPoints)):
        return list(inpt.canvas_size)
    return v1.get_dimensions(inpt)[1:]


def get_num_frames(inpt: Any) -> int:
    """The number of frames of a video."""
    if not (is_pure_tensor(inpt) or isinstance(inpt, Video)):
        raise TypeError(f"Functional F.get_num_frames does not support inputs of type {type(inpt)}")
    return inpt.shape[-4]


def get_image_size(inpt: Any) -> list[int]:
    """Width and height: the old form of `get_size`, with a warning."""
    warnings.warn(
        "The function get_image_size(...) is deprecated; write get_size(...), which gives [h, w]",
        UserWarning,
        stacklevel=2,
    )
    return v1.get_image_size(inpt)


get_image_num_channels = get_num_channels


def _no_annotation(inpt: Any, name: str, kinds: tuple[type, ...]) -> None:
    if isinstance(inpt, kinds):
        raise TypeError(f"Functional F.{name} does not support inputs of type {type(inpt)}")
