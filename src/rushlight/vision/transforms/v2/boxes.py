"""Boxes and points: their formats, and how they move with their image.

Whatever happens to an image is told as one function of points: where they come to, and the new height and width. A
box is moved by its corners; what holds the moved corners is the new box.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....tensor import Tensor, values_of, wrap
from ...tv_tensors import BoundingBoxFormat as Format
from ...tv_tensors import as_format, is_rotated_bounding_format

Size = tuple[int, int]
Move = Callable[[np.ndarray, Size], tuple[np.ndarray, Size]]


def _halves(xyxy: np.ndarray) -> np.ndarray:
    low, high = xyxy[..., :2], xyxy[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], -1)


# To and from left, top, right, bottom; of rotated boxes, to and from four corners.
def _xyxy_of_xywh(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[..., :2], x[..., :2] + x[..., 2:]], -1)


def _xyxy_of_cxcywh(x: np.ndarray) -> np.ndarray:
    half = x[..., 2:] * 0.5
    return np.concatenate([x[..., :2] - half, x[..., :2] + half], -1)


def _xywh_of_xyxy(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[..., :2], x[..., 2:] - x[..., :2]], -1)


def _sides(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upper side and the right side of rotated boxes, as vectors."""
    w, h, angle = x[..., 2:3], x[..., 3:4], np.deg2rad(x[..., 4:5])
    cos, sin = np.cos(angle), np.sin(angle)
    return w * np.concatenate([cos, -sin], -1), h * np.concatenate([sin, cos], -1)


def _corners_of_xywhr(x: np.ndarray) -> np.ndarray:
    first, (along, down) = x[..., :2], _sides(x)
    return np.concatenate([first, first + along, first + along + down, first + down], -1)


def _corners_of_cxcywhr(x: np.ndarray) -> np.ndarray:
    along, down = _sides(x)
    return _corners_of_xywhr(np.concatenate([x[..., :2] - (along + down) / 2, x[..., 2:]], -1))


def _xywhr_of_corners(x: np.ndarray) -> np.ndarray:
    along, down = x[..., 2:4] - x[..., 0:2], x[..., 4:6] - x[..., 2:4]
    angle = np.rad2deg(np.arctan2(-along[..., 1:], along[..., :1]))
    size = [np.linalg.norm(side, axis=-1, keepdims=True) for side in (along, down)]
    return np.concatenate([x[..., :2], *size, angle], -1)


def _cxcywhr_of_corners(x: np.ndarray) -> np.ndarray:
    centre = (x[..., 0:2] + x[..., 4:6]) / 2
    return np.concatenate([centre, _xywhr_of_corners(x)[..., 2:]], -1)


def _same(x: np.ndarray) -> np.ndarray:
    return x


_FORMATS: dict[Format, tuple[Callable, Callable]] = {
    Format.XYXY: (_same, _same),
    Format.XYWH: (_xyxy_of_xywh, _xywh_of_xyxy),
    Format.CXCYWH: (_xyxy_of_cxcywh, _halves),
    Format.XYXYXYXY: (_same, _same),
    Format.XYWHR: (_corners_of_xywhr, _xywhr_of_corners),
    Format.CXCYWHR: (_corners_of_cxcywhr, _cxcywhr_of_corners),
}


def converted(boxes: Tensor, old: Format | str, new: Format | str) -> Tensor:
    """Boxes in another format; of integers, what is not whole is cut off.

    Raises:
        ValueError: one of the two formats is for rotated boxes, the other not.

    >>> converted(wrap(np.array([[1, 2, 4, 8]])), "XYXY", "XYWH")
    tensor([[1, 2, 3, 6]])
    """
    old, new = as_format(old), as_format(new)
    if is_rotated_bounding_format(old) != is_rotated_bounding_format(new):
        raise ValueError(
            "Cannot convert between rotated and unrotated bounding boxes: "
            f"{old.name} and {new.name}"
        )
    if old is new:
        return boxes
    x = values_of(boxes.detach())
    middle = _FORMATS[old][0](x).astype(x.dtype)
    return wrap(_FORMATS[new][1](middle).astype(x.dtype))


def moved_boxes(
    boxes: Tensor, format: Format, canvas: Size, mode: str | None, move: Move, clamps: bool = True
) -> tuple[Tensor, Size]:
    """Boxes after ``move``, and the new height and width.

    Args:
        clamps: whether what reaches out of the image is cut off, unless ``mode`` is None. Rotated boxes are left.
    """
    x = values_of(boxes.detach())
    real = x.astype(np.float32) if x.dtype.kind in "iu" else x
    to_corners, from_corners = _FORMATS[format]
    corners = to_corners(real)
    rotated = is_rotated_bounding_format(format)
    points = corners.reshape(*corners.shape[:-1], -1, 2)
    if not rotated:
        # All four, since top left and bottom right need not stay so.
        points = points[..., [[0, 0], [1, 0], [1, 1], [0, 1]], [0, 1]]
    points, size = move(points, canvas)
    if rotated:
        corners = _clockwise(points).reshape(*points.shape[:-2], 8)
    else:
        corners = np.concatenate([points.min(-2), points.max(-2)], -1)
        if clamps and mode is not None:
            corners = _clamped(corners, size)
    return wrap(from_corners(corners).astype(x.dtype)), size


def _clockwise(points: np.ndarray) -> np.ndarray:
    """Four corners (..., 4, 2), of mirrored boxes in the order that goes clockwise again."""
    along, down = points[..., 1, :] - points[..., 0, :], points[..., 2, :] - points[..., 1, :]
    mirrored = along[..., 0] * down[..., 1] < along[..., 1] * down[..., 0]
    return np.where(mirrored[..., None, None], points[..., [1, 0, 3, 2], :], points)


def _clamped(xyxy: np.ndarray, canvas: Size) -> np.ndarray:
    height, width = canvas
    return np.clip(xyxy, 0, np.array([width, height] * 2, xyxy.dtype))


def clamped_boxes(boxes: Tensor, format: Format, canvas: Size, mode: str | None) -> Tensor:
    """Boxes with what reaches out of the image cut off; rotated ones, and all where ``mode`` is None, as they are."""
    if mode is None or is_rotated_bounding_format(format):
        return boxes.clone()
    x = values_of(converted(boxes, format, Format.XYXY))
    return converted(wrap(_clamped(x, canvas).astype(x.dtype)), Format.XYXY, format)


def moved_points(points: Tensor, canvas: Size, move: Move) -> tuple[Tensor, Size]:
    """Points after ``move``, and the new height and width."""
    x = values_of(points.detach())
    out, size = move(x.astype(np.float32) if x.dtype.kind in "iu" else x, canvas)
    return wrap(out.astype(x.dtype)), size


def clamped_points(points: Tensor, canvas: Size) -> Tensor:
    """Points, those outside brought to the nearest pixel of the image."""
    x = values_of(points.detach())
    last = np.array([canvas[1] - 1, canvas[0] - 1], x.dtype)
    return wrap(np.clip(x, 0, last).astype(x.dtype))


def valid_boxes(
    boxes: Tensor, format: Format, canvas: Size, min_size: float = 1.0, min_area: float = 1.0
) -> Tensor:
    """Which boxes lie in the image and are large enough, shape (N,), bool."""
    rotated = is_rotated_bounding_format(format)
    sides, corners = [
        values_of(converted(boxes, format, form))
        for form in ((Format.XYWHR, Format.XYXYXYXY) if rotated else (Format.XYWH, Format.XYXY))
    ]
    sides = sides[:, 2:4]
    corners = corners.reshape(len(corners), corners.shape[-1] // 2, 2)
    inside = (corners >= 0) & (corners <= np.array([canvas[1], canvas[0]]))
    large = (sides >= min_size).all(-1) & (sides.prod(-1) >= min_area)
    return wrap(large & inside.all((-2, -1)))


def valid_points(points: Tensor, canvas: Size) -> Tensor:
    """Which points, or groups of points (N, ..., 2), lie in the image, shape (N,), bool."""
    x = values_of(points.detach())
    inside = ((x >= 0) & (x < np.array([canvas[1], canvas[0]]))).all(-1)
    return wrap(inside.reshape(len(inside), -1).all(-1) if inside.ndim > 1 else inside)


def iou_with(boxes: np.ndarray, box: Any) -> np.ndarray:
    """How much of each box and of ``box`` together is in both, shape (N,); all as left, top, right, bottom.

    >>> iou_with(np.array([[0, 0, 2, 2]]), [1, 0, 3, 2])
    array([0.33333333])
    """
    one = np.asarray(box)
    low, high = np.maximum(boxes[:, :2], one[:2]), np.minimum(boxes[:, 2:], one[2:])
    both = np.prod(np.clip(high - low, 0, None), -1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], -1) + np.prod(one[2:] - one[:2])
    return both / (areas - both)
