"""Samples: what a transform is called with, and what is in it.

A sample is one image, or images with boxes, masks and labels in dicts, lists and tuples, to any depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from .sizes import get_dimensions, get_size, is_pure_tensor

Check = type | Callable[[Any], bool]


def flatten(sample: Any) -> list[Any]:
    """What is in the dicts, lists and tuples of a sample, one after the other.

    >>> flatten({"a": [1, 2], "b": (3, {})})
    [1, 2, 3]
    """
    leaves = []
    _walk(sample, lambda x: leaves.append(x))
    return leaves


def rebuild(sample: Any, leaves: list[Any]) -> Any:
    """The sample with other things in its dicts, lists and tuples.

    >>> rebuild({"a": [1, 2], "b": (3, {})}, ["x", "y", "z"])
    {'a': ['x', 'y'], 'b': ('z', {})}
    """
    rest: Iterator[Any] = iter(leaves)
    return _walk(sample, lambda _: next(rest))


def _walk(x: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(x, dict):
        changed = {key: _walk(value, change) for key, value in x.items()}
        if type(x) is dict:
            return changed
        # A dict that knows more than its items (a default, an order) keeps it.
        copy = x.copy()
        copy.update(changed)
        return copy
    if type(x) in (list, tuple):
        return type(x)([_walk(value, change) for value in x])
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*[_walk(value, change) for value in x])
    return change(x)


def check_type(obj: Any, types_or_checks: tuple[Check, ...]) -> bool:
    """Whether ``obj`` is of one of the types, or a function among them says yes."""
    return any(isinstance(obj, c) if isinstance(c, type) else c(obj) for c in types_or_checks)


def has_any(flat_inputs: list[Any], *types_or_checks: Check) -> bool:
    """Whether there is something of one of the types."""
    return any(check_type(x, types_or_checks) for x in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: Check) -> bool:
    """Whether there is something of each of the types."""
    return all(has_any(flat_inputs, check) for check in types_or_checks)


def query_chw(flat_inputs: list[Any]) -> tuple[int, int, int]:
    """Channels, height and width of the images.

    Raises:
        TypeError: there is none.
        ValueError: they differ.
    """
    images = (is_pure_tensor, Image, is_image, Video)
    return _the_one(
        {tuple(get_dimensions(x)) for x in flat_inputs if check_type(x, images)},
        "No image or video was found in the sample",
        "CxHxW",
    )


def query_size(flat_inputs: list[Any]) -> tuple[int, int]:
    """Height and width of the images, masks, boxes and points.

    Raises:
        TypeError: there is none.
        ValueError: they differ.

    >>> query_size([Image([[1, 2, 3]]), "cat"])
    (1, 3)
    """
    sized = (is_pure_tensor, is_image, Image, Video, Mask, BoundingBoxes, KeyPoints)
    return _the_one(
        {tuple(get_size(x)) for x in flat_inputs if check_type(x, sized)},
        "No image, video, mask, bounding box or keypoint was found in the sample",
        "HxW",
    )


def _the_one(found: set[tuple], none: str, what: str) -> Any:
    if not found:
        raise TypeError(none)
    if len(found) > 1:
        raise ValueError(f"Found multiple {what} dimensions in the sample: {sorted(found)}")
    return found.pop()


def get_bounding_boxes(flat_inputs: list[Any]) -> BoundingBoxes:
    """The boxes.

    Raises:
        ValueError: there are none.
    """
    return _first(flat_inputs, BoundingBoxes, "bounding boxes")


def get_keypoints(flat_inputs: list[Any]) -> KeyPoints:
    """The points.

    Raises:
        ValueError: there are none.
    """
    return _first(flat_inputs, KeyPoints, "keypoints")


def _first(flat_inputs: list[Any], kind: type, name: str) -> Any:
    for x in flat_inputs:
        if isinstance(x, kind):
            return x
    raise ValueError(f"No {name} were found in the sample; wrap them as tv_tensors.{kind.__name__}")
