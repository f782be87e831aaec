"""What `functional` does to boxes and points alone."""

from __future__ import annotations

from typing import Any

from ....tensor import Tensor
from ... import tv_tensors
from ...tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints
from . import boxes as _boxes
from .sizes import is_pure_tensor

Size = tuple[int, int]


def convert_bounding_box_format(
    inpt: Tensor,
    old_format: BoundingBoxFormat | str | None = None,
    new_format: BoundingBoxFormat | str | None = None,
    inplace: bool = False,
) -> Tensor:
    """Boxes in another format.

    Args:
        inpt: `BoundingBoxes`, or a plain tensor.
        old_format: the format of a plain tensor.
        new_format: the format that is wanted.
        inplace: overwrite ``inpt`` where it is a plain tensor.

    Raises:
        TypeError: ``new_format`` is missing.
        ValueError: ``old_format`` is missing for a plain tensor, or given for `BoundingBoxes`.

    >>> convert_bounding_box_format(rushlight.tensor([[1, 2, 3, 4]]), "XYWH", "XYXY")
    tensor([[1, 2, 4, 6]])
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    if is_pure_tensor(inpt):
        if old_format is None:
            raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
        out = _boxes.converted(inpt, old_format, new_format)
        return inpt.copy_(out) if inplace else out
    _check_kind(inpt, BoundingBoxes)
    if old_format is not None:
        raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
    out = _boxes.converted(inpt.as_subclass(Tensor), inpt.format, new_format)
    return tv_tensors.wrap(out, like=inpt, format=new_format)


def _check_kind(inpt: Any, kind: type) -> None:
    if not isinstance(inpt, kind):
        raise TypeError(
            f"Input can either be a plain tensor or {kind.__name__}, but got {type(inpt)}."
        )


def _of_boxes(inpt: Any, format: Any, canvas_size: Any) -> tuple[Tensor, BoundingBoxFormat, Size]:
    """Boxes, their format and the size of their image, from either form of arguments."""
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None:
            raise ValueError(
                f"For pure tensor inputs, `format` and `canvas_size` have to be passed, got {format=}, {canvas_size=}."
            )
        return inpt, tv_tensors.as_format(format), canvas_size
    _check_kind(inpt, BoundingBoxes)
    if format is not None or canvas_size is not None:
        raise ValueError(
            "For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed, "
            f"got {format=}, {canvas_size=}."
        )
    return inpt.as_subclass(Tensor), inpt.format, inpt.canvas_size


def clamp_bounding_boxes(
    inpt: Tensor,
    format: BoundingBoxFormat | str | None = None,
    canvas_size: Size | None = None,
    clamping_mode: str | None = "auto",
) -> Tensor:
    """Boxes with what reaches out of the image cut off; rotated boxes stay as they are.

    Args:
        inpt: `BoundingBoxes`, or a plain tensor.
        format, canvas_size: those of a plain tensor.
        clamping_mode: ``"auto"`` for that of the boxes, ``"soft"``, ``"hard"``, or None, which cuts nothing off.

    Raises:
        ValueError: the format and size are missing for a plain tensor, or given for `BoundingBoxes`; or the mode is
            another.
    """
    if clamping_mode not in (None, "auto", "soft", "hard"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    boxes, format, canvas_size = _of_boxes(inpt, format, canvas_size)
    if clamping_mode == "auto":
        clamping_mode = "soft" if boxes is inpt else inpt.clamping_mode
    out = _boxes.clamped_boxes(boxes, format, canvas_size, clamping_mode)
    return out if boxes is inpt else tv_tensors.wrap(out, like=inpt)


def sanitize_bounding_boxes(
    bounding_boxes: Tensor,
    format: BoundingBoxFormat | str | None = None,
    canvas_size: Size | None = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """The boxes that are large enough and lie in the image, and which they are, (N,), bool.

    >>> boxes = BoundingBoxes([[0, 0, 5, 5], [3, 3, 3, 4]], format="XYXY", canvas_size=(9, 9))
    >>> sanitize_bounding_boxes(boxes)[1]
    tensor([ True, False])
    """
    boxes, format, canvas_size = _of_boxes(bounding_boxes, format, canvas_size)
    valid = _boxes.valid_boxes(boxes, format, canvas_size, min_size, min_area)
    out = boxes[valid]
    return out if boxes is bounding_boxes else tv_tensors.wrap(out, like=bounding_boxes), valid


def _of_points(inpt: Any, canvas_size: Any) -> tuple[Tensor, Size]:
    if is_pure_tensor(inpt):
        if canvas_size is None:
            raise ValueError("canvas_size cannot be None if the keypoints are a pure tensor.")
        return inpt, canvas_size
    _check_kind(inpt, KeyPoints)
    if canvas_size is not None:
        raise ValueError(f"canvas_size must be None for tv_tensors.KeyPoints, got {canvas_size}.")
    return inpt.as_subclass(Tensor), inpt.canvas_size


def clamp_keypoints(inpt: Tensor, canvas_size: Size | None = None) -> Tensor:
    """Points, those outside brought to the nearest pixel of the image."""
    points, canvas_size = _of_points(inpt, canvas_size)
    out = _boxes.clamped_points(points, canvas_size)
    return out if points is inpt else tv_tensors.wrap(out, like=inpt)


def sanitize_keypoints(
    key_points: Tensor, canvas_size: Size | None = None
) -> tuple[Tensor, Tensor]:
    """The points that lie in the image, and which they are, (N,), bool."""
    points, canvas_size = _of_points(key_points, canvas_size)
    valid = _boxes.valid_points(points, canvas_size)
    out = points[valid]
    return out if points is key_points else tv_tensors.wrap(out, like=key_points), valid
