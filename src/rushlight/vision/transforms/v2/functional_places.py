"""What `functional` does to places: images are resized, cropped, turned; masks, boxes and points go along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....ops.choice import where
from ....tensor import Tensor, values_of, wrap
from ...pillow import is_image
from .. import functional as v1
from ..checks import four_sides
from ..functional import InterpolationMode
from ..geometry_tensor import affine_output_size
from .dispatch import functional, geometric, mode_of, through_batch
from .sizes import get_size

Size = tuple[int, int]
Points = np.ndarray


def _flipped(points: Points, canvas: Size, extent: int, axis: int) -> tuple[Points, Size]:
    moved = points.copy()
    moved[..., axis] = canvas[1 - axis] - extent - points[..., axis]
    return moved, canvas


@geometric(lambda points, canvas, extent: _flipped(points, canvas, extent, 0), clamps=False)
def horizontal_flip(inpt: Any) -> Any:
    """Left and right exchanged.

    >>> horizontal_flip(rushlight.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """
    return v1.hflip(inpt)


@geometric(lambda points, canvas, extent: _flipped(points, canvas, extent, 1), clamps=False)
def vertical_flip(inpt: Any) -> Any:
    """Top and bottom exchanged."""
    return v1.vflip(inpt)


def _resized_size(old: Size, size: Any, max_size: int | None) -> Size:
    if size is None:
        h, w = old
        longer = max(h, w)
        return int(max_size * h / longer), int(max_size * w / longer)
    return tuple(v1.output_size(old, size, max_size))


def _resized(
    points: Points, canvas: Size, size: Any, max_size: int | None = None, **_: Any
) -> tuple[Points, Size]:
    new = _resized_size(canvas, size, max_size)
    factor = np.array([new[1] / canvas[1], new[0] / canvas[0]], points.dtype)
    return points * factor, new


@geometric(_resized, clamps=False)
def resize(
    inpt: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in another size.

    Args:
        size: height and width; or an int, the length of the smaller edge, the other keeps the proportions; or None:
            then ``max_size`` is the length of the longer edge.
        interpolation: an `InterpolationMode`, or its name.
        max_size: the most that the longer edge may have.
        antialias: let every pixel count when shrinking a tensor; with PIL images it always is so.

    >>> resize(rushlight.ones(3, 8, 4), None, max_size=2).shape
    torch.Size([3, 2, 1])
    """
    mode = mode_of(interpolation)
    if size is None:
        size = _resized_size(get_size(inpt), None, max_size)
        max_size = None
    return through_batch(v1.resize, inpt, size, mode, max_size, antialias)


def _cropped(
    points: Points, canvas: Size, top: int, left: int, height: int, width: int, **_: Any
) -> tuple[Points, Size]:
    return points - np.array([left, top], points.dtype), (height, width)


@geometric(_cropped)
def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle; black where it reaches past the image."""
    return v1.crop(inpt, top, left, height, width)


def _two(size: Any) -> Size:
    if isinstance(size, (int, float)):
        return int(size), int(size)
    return (size[0], size[0]) if len(size) == 1 else tuple(size)


def _center_cropped(
    points: Points, canvas: Size, output_size: Any, **_: Any
) -> tuple[Points, Size]:
    (h, w), (new_h, new_w) = canvas, _two(output_size)
    top, left = int(round((h - new_h) / 2.0)), int(round((w - new_w) / 2.0))
    return _cropped(points, canvas, top, left, new_h, new_w)


@geometric(_center_cropped)
def center_crop(inpt: Any, output_size: Any) -> Any:
    """The rectangle in the middle; black where it is larger than the image."""
    return v1.center_crop(inpt, output_size)


def _resize_cropped(
    points: Points, canvas: Size, top: int, left: int, height: int, width: int, size: Any, **_: Any
) -> tuple[Points, Size]:
    # Boxes are cut off at the edges of the crop: that is where those of the result are.
    return _resized(*_cropped(points, canvas, top, left, height, width), size)


@geometric(_resize_cropped)
def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def _padded(
    points: Points, canvas: Size, padding: Any, padding_mode: str = "constant", **_: Any
) -> tuple[Points, Size]:
    if padding_mode != "constant":
        raise ValueError(
            f"Padding mode '{padding_mode}' is not supported with boxes and points; use 'constant'"
        )
    left, top, right, bottom = four_sides(padding)
    size = (canvas[0] + top + bottom, canvas[1] + left + right)
    return points + np.array([left, top], points.dtype), size


def _pad_mask(
    mask: Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant"
) -> Tensor:
    if isinstance(fill, (tuple, list)):
        raise ValueError(f"Non-scalar fill value is not supported for masks, got {fill}")
    return _pad(mask, padding, fill, padding_mode)


def _pad(img: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    fill = 0 if fill is None else fill
    if not isinstance(img, Tensor):
        return v1.pad(img, padding, fill, padding_mode)
    if isinstance(fill, (tuple, list)) and len(fill) == 1:
        fill = fill[0]
    if not isinstance(fill, (tuple, list)):
        fill = float(fill) if img.is_floating_point() else int(fill)
        return through_batch(v1.pad, img, padding, fill, padding_mode)
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported if fill is not scalar")
    out = v1.pad(img, padding, 0)
    shape = (1, *img.shape[-2:])
    inside = v1.pad(wrap(np.ones(shape, np.uint8)), padding, 0) > 0
    colour = wrap(np.array(fill).astype(values_of(out).dtype).reshape(-1, 1, 1))
    return where(inside, out, colour)


@geometric(_padded, masked=_pad_mask)
def pad(inpt: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    """More pixels at the edges.

    Args:
        padding: one number, two (left and right, top and bottom) or four (left, top, right, bottom).
        fill: what ``"constant"`` fills in: a number, or one for each channel.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.
    """
    return _pad(inpt, padding, fill, padding_mode)


def _matrix(canvas: Size, center: Any, *how: Any) -> np.ndarray:
    """From places of the image to places of the result, (2, 3)."""
    middle = [canvas[1] * 0.5, canvas[0] * 0.5] if center is None else center
    back = np.array(v1.inverse_affine_matrix(middle, *how)).reshape(2, 3)
    forth = np.linalg.inv(back[:, :2])
    return np.concatenate([forth, -forth @ back[:, 2:]], 1)


def _through(points: Points, matrix: np.ndarray) -> Points:
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(points.dtype)


def _shears(shear: Any) -> list[float]:
    shear = [shear, 0.0] if isinstance(shear, (int, float)) else list(shear)
    return shear * 2 if len(shear) == 1 else shear


def _affine(
    points: Points,
    canvas: Size,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    center: Any = None,
    **_: Any,
) -> tuple[Points, Size]:
    return _through(
        points, _matrix(canvas, center, angle, translate, scale, _shears(shear))
    ), canvas


@geometric(_affine)
def affine(
    inpt: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """The image sheared, scaled, turned clockwise and shifted, in its old size."""
    mode = mode_of(interpolation)
    return through_batch(
        v1.affine, inpt, angle, translate, scale, shear, mode, _float_fill(inpt, fill), center
    )


def _float_fill(img: Any, fill: Any) -> Any:
    return [float(f) for f in fill] if isinstance(img, Tensor) and _is_list(fill) else fill


def _is_list(fill: Any) -> bool:
    return isinstance(fill, (tuple, list))


def _rotated(
    points: Points, canvas: Size, angle: float, expand: bool = False, center: Any = None, **_: Any
) -> tuple[Points, Size]:
    how = (-angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    matrix = _matrix(canvas, center, *how)
    moved = _through(points, matrix)
    if not expand:
        return moved, canvas
    h, w = canvas
    corners = np.array([[0, 0], [0, h], [w, h], [w, 0]], np.float32)
    moved -= _through(corners, matrix).min(0).astype(moved.dtype)
    middle = [w * 0.5, h * 0.5] if center is None else center
    new_w, new_h = affine_output_size(v1.inverse_affine_matrix(middle, *how), w, h)
    return moved, (new_h, new_w)


def _rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    mode = mode_of(interpolation)
    if isinstance(img, Tensor):
        angle = angle % 360
        turns, rest = divmod(angle, 90)
        square = img.shape[-1] == img.shape[-2]
        if center is None and rest == 0 and (turns % 2 == 0 or expand or square):
            # Whole quarters move pixels and compute none.
            return img.rot90(int(turns), (-2, -1)) if turns else img.clone()
    return through_batch(v1.rotate, img, angle, mode, expand, center, _float_fill(img, fill))


@geometric(_rotated, masked=_rotate)
def rotate(
    inpt: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """The image turned counter-clockwise by ``angle`` degrees."""
    return _rotate(inpt, angle, interpolation, expand, center, fill)


def _projected(
    points: Points,
    canvas: Size,
    startpoints: Any,
    endpoints: Any,
    coefficients: Any = None,
    **_: Any,
) -> tuple[Points, Size]:
    if coefficients is None:
        coefficients = v1.perspective_coefficients(startpoints, endpoints)
    # They lead from the result to the image.
    forth = np.linalg.inv(np.append(np.array(coefficients, np.float64), 1.0).reshape(3, 3))
    above = points @ forth[:2, :2].T + forth[:2, 2]
    below = points @ forth[2:, :2].T + forth[2, 2]
    return (above / below).astype(points.dtype), canvas


def _perspective(
    img: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
    coefficients: Any = None,
) -> Any:
    mode, fill = mode_of(interpolation), _float_fill(img, fill)
    if coefficients is None:
        return through_batch(v1.perspective, img, startpoints, endpoints, mode, fill)
    if len(coefficients) != 8:
        raise ValueError(f"Argument coefficients should have 8 float values, got {coefficients}")
    how = v1.PILLOW_CODES[mode] if is_image(img) else mode.value
    return through_batch(v1.backend_of(img).perspective, img, coefficients, how, fill)


@geometric(_projected, masked=_perspective)
def perspective(
    inpt: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
    coefficients: Any = None,
) -> Any:
    """The image as from another side.

    Args:
        startpoints: ``[x, y]`` of four corners in the image.
        endpoints: where they come to.
        coefficients: eight numbers in the place of both.
    """
    return _perspective(inpt, startpoints, endpoints, interpolation, fill, coefficients)


def _displaced(
    points: Points, canvas: Size, extent: int, displacement: Tensor, **_: Any
) -> tuple[Points, Size]:
    whole = np.floor(points) if extent else np.ceil(points)
    h, w = canvas
    # The displacement says where a pixel comes from; where it goes to is near the opposite.
    last = np.array([w - 1, h - 1])
    x, y = np.moveaxis(np.clip(whole.astype(np.int64), 0, last), -1, 0)
    size = np.array([w, h], np.float32)
    places = (np.stack([x, y], -1) * 2 + 1) / size - 1
    moved = places - values_of(displacement.detach())[0][y, x]
    return ((moved + 1) * (0.5 * size) - 0.5).astype(points.dtype), canvas


@geometric(_displaced)
def elastic(
    inpt: Any,
    displacement: Tensor,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The image as if drawn on rubber.

    Args:
        displacement: ``(1, H, W, 2)``, how much further on, along x and y, each pixel is taken from; 2 is the whole
            size.
    """
    mode = mode_of(interpolation)
    return through_batch(v1.elastic_transform, inpt, displacement, mode, _float_fill(inpt, fill))


@functional
def five_crop(inpt: Any, size: Any) -> tuple:
    """The four corners (top left, top right, bottom left, bottom right) and the middle."""
    return v1.five_crop(inpt, size)


@functional
def ten_crop(inpt: Any, size: Any, vertical_flip: bool = False) -> tuple:
    """`five_crop` of the image, then of the flipped image."""
    return v1.ten_crop(inpt, size, vertical_flip)


hflip, vflip, elastic_transform = horizontal_flip, vertical_flip, elastic
