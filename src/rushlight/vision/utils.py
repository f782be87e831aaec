"""Images in a grid, images as files, and drawings on images."""

from __future__ import annotations

import errno
import math
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .. import dtypes
from ..autograd.modes import no_grad
from ..ops.creation import full
from ..ops.join import cat, stack
from ..ops.values import from_numpy
from ..serialization.replacing import replacing
from ..tensor import Tensor, values_of
from . import pillow

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]

Color = str | tuple[int, int, int]
Colors = Color | list[Color] | None


@no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images side by side as one image.

    Args:
        tensor: images of shape (N, C, H, W), a list of N images (C, H, W), or one image. Those of one channel
            become three equal channels.
        nrow: how many images stand in a row.
        padding: how many pixels stand between two images, and around all.
        normalize: whether the values are brought from ``value_range`` to 0 to 1.
        value_range: least and greatest value; those of the images where it is None.
        scale_each: whether each image is normalized by itself.
        pad_value: the value of the pixels in between.

    Returns:
        Shape (C, rows * (H + padding) + padding, columns * (W + padding) + padding); of one image the image itself,
        without padding.

    Raises:
        TypeError: ``tensor`` is neither a tensor nor a list of them, or ``value_range`` is no tuple.
        RuntimeError: images of integers are normalized, or those of a list differ in shape.

    >>> make_grid(rushlight.zeros(10, 1, 28, 28), nrow=5).shape
    torch.Size([3, 62, 152])
    """
    images = _as_batch(tensor)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(
                "value_range has to be a tuple (min, max) if specified. min and max are numbers; "
                f"got {value_range!r}"
            )
        images = images.clone()
        for part in images if scale_each else [images]:
            low, high = value_range or (float(part.min()), float(part.max()))
            part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    if images.shape[0] == 1:
        return images.squeeze(0)
    count, channels, height, width = images.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    high, wide = height + padding, width + padding
    size = (channels, rows * high + padding, columns * wide + padding)
    grid = full(size, pad_value, dtype=images.dtype)
    cells = values_of(grid)[:, padding:, padding:].reshape(channels, rows, high, columns, wide)
    for k, image in enumerate(values_of(images)):
        cells[:, k // columns, :height, k % columns, :width] = image
    return grid


def _as_batch(images: Any) -> Tensor:
    """Images of shape (N, C, H, W), with three channels where there was one."""
    if isinstance(images, list):
        for x in images:
            if not isinstance(x, Tensor):
                raise TypeError(
                    f"tensor or list of tensors expected, got a list containing {type(x)}"
                )
        images = stack(images)
    if not isinstance(images, Tensor):
        raise TypeError(
            f"tensor or list of tensors expected, got {type(images)}; make it of images with torch.stack"
        )
    images = images[(None,) * (4 - images.ndim)] if images.ndim in (2, 3) else images
    return cat([images] * 3, 1) if images.ndim == 4 and images.shape[1] == 1 else images


@no_grad()
def save_image(
    tensor: Tensor | list[Tensor],
    fp: str | Path | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Writes an image, or a grid of several, to a file.

    A file of that name is replaced when the new one is whole, so an interruption leaves the old one.

    Args:
        tensor: what `make_grid` takes, with values from 0 to 1.
        fp: a path, or a file open for writing bytes.
        format: such as ``"PNG"``; where it is None the ending of the path says it.
        **kwargs: arguments of `make_grid`.

    Raises:
        ValueError: no format has the ending of the path.
        FileNotFoundError: the folder is not there.
    """
    grid = make_grid(tensor, **kwargs)
    # Half a step more, so that the cut to an integer rounds to the nearest one.
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).to(dtypes.uint8)
    image = pillow.module().fromarray(np.ascontiguousarray(pixels.numpy().transpose(1, 2, 0)))
    if hasattr(fp, "write"):
        image.save(fp, format=format)
        return
    path = os.fspath(fp)
    # Pillow looks at the ending of the name, which the temporary file does not have.
    format = format or _format_of(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        text = "there is no such folder; make it with os.makedirs"
        raise FileNotFoundError(errno.ENOENT, text, folder)
    with replacing(path) as file:
        image.save(file, format=format)


def _format_of(path: str) -> str:
    ending = os.path.splitext(path)[1].lower()
    known = pillow.module().registered_extensions()
    if ending not in known:
        raise ValueError(
            f"unknown file extension: {ending} of {path!r}; give one like .png, or the argument format"
        )
    return known[ending]


# ---- drawings --------------------------------------------------------------------------------------


def _check_image(image: Any) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(
            f"The image must be a tensor, got {type(image)}; read one with io.decode_image"
        )
    if not (image.dtype is dtypes.uint8 or image.is_floating_point()):
        raise ValueError(
            f"The image dtype must be uint8 or float, got {image.dtype}; convert it with .to(torch.uint8)"
        )
    if image.ndim != 3:
        raise ValueError(
            f"Pass individual images, not batches: (C, H, W) is expected, the shape is {tuple(image.shape)}"
        )


def _check_rgb(image: Tensor) -> None:
    _check_image(image)
    if image.shape[0] != 3:
        raise ValueError(
            "Pass an RGB image. Other Image formats are not supported; "
            f"this one has {image.shape[0]} channels"
        )


def _canvas(image: Tensor) -> Any:
    """The image as one of Pillow."""
    pixels = image.detach().numpy()
    if image.is_floating_point():
        # Just below 256, so that each of the 256 values gets an equal share of 0 to 1.
        pixels = (pixels * pixels.dtype.type(256 - 1e-3)).astype(np.uint8)
    if pixels.shape[0] == 1:
        pixels = pixels.repeat(3, 0)
    return pillow.module().fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _from_canvas(canvas: Any, dtype: dtypes.dtype) -> Tensor:
    pixels = from_numpy(np.array(canvas)).permute(2, 0, 1)
    return pixels.to(dtype) / 255 if dtype.is_floating_point else pixels


def _colors(colors: Colors, count: int) -> list[tuple[int, ...]]:
    """One colour for each of ``count`` objects."""
    if colors is None:
        # Steps that are large and no divisors of 255 keep the first colours far from each other.
        return [tuple(i * step % 255 for step in (1, 127, 31)) for i in range(count)]
    if isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                "Number of colors must be equal or larger than the number of objects, "
                f"but got {len(colors)} < {count}."
            )
        colors = colors[:count]
    elif isinstance(colors, (str, tuple)):
        colors = [colors] * count
    else:
        raise ValueError(
            f"colors must be a tuple or a string, or a list thereof, but got {colors!r}."
        )
    to_rgb = pillow.module("ImageColor").getrgb
    return [to_rgb(c) if isinstance(c, str) else tuple(c) for c in colors]


@no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str | None] | None = None,
    colors: Colors = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Colors = None,
    label_background_colors: Colors = None,
    fill_labels: bool = False,
) -> Tensor:
    """An image with boxes drawn on it.

    Args:
        image: shape (1 or 3, H, W), uint8, or floating with values from 0 to 1.
        boxes: shape (N, 4), as left, top, right, bottom; or (N, 8), the corners of rotated boxes one after the other.
        labels: a text for each box, or None for none.
        colors: one colour, or a list with one for each box: a name (``"red"``), ``"#FF00FF"`` or ``(R, G, B)``.
        fill: whether the boxes are filled, with a shade that is seen through.
        width: of the lines, in pixels.
        font: file of a TrueType font.
        font_size: its size; 10 where it is None.
        label_colors: of the texts; those of the boxes where it is None, or black with ``fill_labels``.
        label_background_colors: of what is behind the texts; those of the boxes where it is None.
        fill_labels: whether there is something behind the texts.

    Returns:
        Shape (3, H, W), dtype of ``image``.

    Raises:
        TypeError: ``image`` is no tensor.
        ValueError: there are not as many labels or colours as boxes, a box has its corners in the wrong order, or
            an argument is otherwise wrong.

    >>> image = rushlight.zeros(3, 20, 20)
    >>> draw_bounding_boxes(image, rushlight.tensor([[2, 3, 10, 12]]), colors="red")[:, 3, 2]
    tensor([1., 0., 0.])
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"Tensor expected, got {type(image)}; read an image with io.decode_image")
    _check_image(image)
    if image.shape[0] not in (1, 3):
        raise ValueError(
            f"Only grayscale and RGB images are supported; this one has {image.shape[0]} channels"
        )
    # Whole pixels, with the fraction cut off.
    corners = boxes.long().tolist()
    count = len(corners)
    for box in corners:
        if len(box) not in (4, 8):
            raise ValueError(
                f"boxes must have 4 or 8 numbers each, wrong number of coordinates: {len(box)}"
            )
        if len(box) == 4 and (box[0] > box[2] or box[1] > box[3]):
            raise ValueError(
                "Boxes need to be in (xmin, ymin, xmax, ymax) format. "
                f"Use torchvision.ops.box_convert to convert them; this one is {box}"
            )
    if not count:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. "
            "Please specify labels for each box."
        )
    colors = _colors(colors, count)
    if label_colors is None:
        text_colors = [(0, 0, 0)] * count if fill_labels else colors
    else:
        text_colors = _colors(label_colors, count)
    behind = _colors(label_background_colors, count) if label_background_colors else colors
    letters = _font(font, font_size)
    canvas = _canvas(image)
    draw = pillow.module("ImageDraw").Draw(canvas, "RGBA" if fill else "RGB")
    for i, box in enumerate(corners):
        inside = (*colors[i], 100) if fill else None
        if len(box) == 4:
            draw.rectangle(box, fill=inside, outline=colors[i], width=width)
        else:
            _draw_rotated(draw, box, inside, colors[i], width)
        if labels is not None and labels[i] is not None:
            at = (box[0] + width + 1, box[1] + width + 1)
            if fill_labels:
                left, top, right, bottom = draw.textbbox(at, labels[i], font=letters)
                draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=behind[i])
            draw.text(at, labels[i], fill=text_colors[i], font=letters)
    return _from_canvas(canvas, image.dtype)


def _font(font: str | None, size: int | None) -> Any:
    fonts = pillow.module("ImageFont")
    if font is not None:
        return fonts.truetype(font, size or 10)
    if size is not None:
        warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=3)
    return fonts.load_default()


def _draw_rotated(draw: Any, box: list[float], inside: Any, color: Any, width: int) -> None:
    """A rotated box; its upper side is dashed, so that one sees how it is turned."""
    corners = np.array(box, dtype=float).reshape(4, 2)
    length = math.dist(corners[0], corners[1])
    for start in np.arange(0, length, 10):
        ends = np.array([[start], [min(start + 5, length)]]) / length
        dash = corners[0] + ends * (corners[1] - corners[0])
        draw.line([tuple(point) for point in dash.tolist()], fill=color, width=width)
    for k in (1, 2, 3):
        side = [tuple(corners[k]), tuple(corners[(k + 1) % 4])]
        draw.line(side, fill=color, width=width)
    draw.polygon([tuple(point) for point in corners], fill=inside, outline=None, width=0)


@no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Colors = None
) -> Tensor:
    """An image with masks painted over it, black where two overlap.

    Args:
        image: shape (3, H, W), uint8, or floating with values from 0 to 1.
        masks: shape (N, H, W) or (H, W), bool.
        alpha: how much of the colour is seen: 0 the image alone, 1 the colour alone.
        colors: one colour, or a list with one for each mask, as for `draw_bounding_boxes`.

    Returns:
        Shape and dtype of ``image``.

    Raises:
        TypeError: ``image`` is no tensor.
        ValueError: ``masks`` has another dtype or another height and width.

    >>> masks = rushlight.tensor([[True, False]])
    >>> draw_segmentation_masks(rushlight.zeros(3, 1, 2), masks, alpha=0.5, colors="red")[0]
    tensor([[0.5000, 0.0000]])
    """
    _check_rgb(image)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise ValueError(
            f"masks must be of shape (H, W) or (batch_size, H, W), got {tuple(masks.shape)}"
        )
    if masks.dtype is not dtypes.bool_:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}; compare: masks > 0")
    if masks.shape[1:] != image.shape[1:]:
        raise ValueError(
            "The image and the masks must have the same height and width, got "
            f"{tuple(image.shape[1:])} and {tuple(masks.shape[1:])}"
        )
    if not len(masks):
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    before = image.detach().numpy()
    painted = before.copy()
    covers = masks.numpy()
    for mask, color in zip(covers, _colors(colors, len(covers))):
        shade = np.array(color) / 255 if image.is_floating_point() else np.array(color)
        painted[:, mask] = shade[:, None].astype(before.dtype)
    painted[:, covers.sum(0) > 1] = 0
    exact = before.dtype.type if image.is_floating_point() else np.float32
    mixed = before * exact(1 - alpha) + painted * exact(alpha)
    return from_numpy(mixed.astype(before.dtype))


@no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: Color | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """An image with points drawn on it, and lines between them.

    Args:
        image: shape (3, H, W), uint8, or floating with values from 0 to 1.
        keypoints: shape (N, K, 2): x and y of the K points of each of N instances.
        connectivity: pairs of points that are connected.
        colors: of the points: a name, ``"#FF00FF"`` or ``(R, G, B)``; None draws none of them.
        radius: of the points.
        width: of the lines.
        visibility: shape (N, K) or (N, K, 1): which points are drawn; lines are drawn between two such.

    Returns:
        Shape and dtype of ``image``.

    Raises:
        TypeError: ``image`` is no tensor.
        ValueError: a shape is wrong.

    >>> points = rushlight.tensor([[[2, 1]]])
    >>> draw_keypoints(rushlight.zeros(3, 5, 5), points, colors="red", radius=1)[0, 1]
    tensor([0., 1., 1., 1., 0.])
    """
    _check_rgb(image)
    if keypoints.ndim != 3:
        raise ValueError(
            f"keypoints must be of shape (num_instances, K, 2), got {tuple(keypoints.shape)}"
        )
    seen = np.ones(keypoints.shape[:2], dtype=bool)
    if visibility is not None:
        seen = visibility.numpy().astype(bool)
        seen = seen[..., 0] if seen.ndim == 3 and seen.shape[-1] == 1 else seen
        if seen.ndim != 2:
            raise ValueError(
                f"visibility must be of shape (num_instances, K). Got ndim={visibility.ndim}"
            )
        if seen.shape != keypoints.shape[:2]:
            raise ValueError(
                "keypoints and visibility must have the same dimensionality for num_instances and K. "
                f"Got {visibility.shape=} and {keypoints.shape=}"
            )
    canvas = _canvas(image)
    draw = pillow.module("ImageDraw").Draw(canvas)
    for points, shown in zip(keypoints.long().tolist(), seen):
        for (x, y, *_), is_shown in zip(points, shown):
            if is_shown:
                around = (x - radius, y - radius, x + radius, y + radius)
                draw.ellipse(around, fill=colors, outline=None, width=0)
        for a, b in connectivity or ():
            if shown[a] and shown[b]:
                draw.line((*points[a][:2], *points[b][:2]), width=width)
    return _from_canvas(canvas, image.dtype)


@no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """Optical flow as colours: the hue says where each pixel moves, the saturation how far.

    Args:
        flow: shape (2, H, W) or (N, 2, H, W), float32.

    Returns:
        Shape (3, H, W) or (N, 3, H, W), uint8; white where nothing moves.

    Raises:
        ValueError: another dtype or shape.

    Source: Baker et al. 2007, "A Database and Evaluation Methodology for Optical Flow".

    >>> flow_to_image(rushlight.tensor([[[1.0, 0.5, 0.0]], [[0.0, 0.0, 0.0]]]))[:, 0]
    tensor([[255, 255, 255],
            [  0, 127, 255],
            [  0, 127, 255]], dtype=torch.uint8)
    """
    if flow.dtype is not dtypes.float32:
        raise ValueError(
            f"Flow should be of dtype torch.float, got {flow.dtype}; convert it with .float()."
        )
    if flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ValueError(
            f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {tuple(flow.shape)}."
        )
    x, y = np.moveaxis(flow.detach().numpy(), -3, 0)
    farthest = np.sqrt(x * x + y * y).max() + np.finfo(np.float32).eps
    x, y = x / farthest, y / farthest
    distance = np.sqrt(x * x + y * y)[..., None]
    wheel = _color_wheel()
    place = (np.arctan2(-y, -x) / np.float32(np.pi) + 1) / 2 * (len(wheel) - 1)
    below = np.floor(place).astype(int)
    share = (place - below)[..., None].astype(np.float32)
    above = (below + 1) % len(wheel)
    hue = ((1 - share) * wheel[below] + share * wheel[above]) / 255
    colors = np.floor(255 * (1 - distance * (1 - hue)))
    return from_numpy(np.ascontiguousarray(np.moveaxis(colors.astype(np.uint8), -1, -3)))


@cache
def _color_wheel() -> np.ndarray:
    """The 55 hues around the circle, shape (55, 3), from 0 to 255."""
    rgb = []
    # From red over yellow, green, cyan, blue and magenta back to red, in steps the eye finds equal: in each part
    # one channel rises (+) or falls (-) and another stays at its greatest.
    parts = [
        (15, 0, 1, +1),
        (6, 1, 0, -1),
        (4, 1, 2, +1),
        (11, 2, 1, -1),
        (13, 2, 0, +1),
        (6, 0, 2, -1),
    ]
    for count, full_channel, moving, direction in parts:
        hues = np.zeros((count, 3), dtype=np.float32)
        hues[:, full_channel] = 255
        rising = np.floor(255 * np.arange(count) / count)
        hues[:, moving] = rising if direction > 0 else 255 - rising
        rgb.append(hues)
    return np.concatenate(rgb)
