"""What is asked of every image tensor: its size, its dtype's range, and a shape that the layers' functions take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import dtypes
from ...tensor import Tensor


def check(img: Any) -> None:
    """Refuses what is no tensor of at least two dimensions.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(img, Tensor) or img._array.ndim < 2:
        what = f"a tensor of shape {list(img.shape)}" if isinstance(img, Tensor) else type(img)
        raise TypeError(
            f"Tensor is not a torch image. Expected shape (..., C, H, W), but got {what}"
        )


def check_channels(img: Tensor, permitted: Sequence[int] = (1, 3)) -> None:
    """Refuses another number of channels.

    Raises:
        TypeError: the image has it.
    """
    count = get_dimensions(img)[0]
    if count not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {list(permitted)}, but found {count}"
        )


def check_bytes(img: Tensor) -> None:
    """Refuses another dtype than uint8.

    Raises:
        TypeError: the image has it.
    """
    if img.dtype is not dtypes.uint8:
        raise TypeError(
            f"Only torch.uint8 image tensors are supported, but found {img.dtype}; use convert_image_dtype first"
        )


def get_dimensions(img: Tensor) -> list[int]:
    """Channels, height and width."""
    check(img)
    shape = img._array.shape
    return [1 if len(shape) == 2 else shape[-3], shape[-2], shape[-1]]


def get_image_size(img: Tensor) -> list[int]:
    """Width and height."""
    check(img)
    return [img._array.shape[-1], img._array.shape[-2]]


def get_image_num_channels(img: Tensor) -> int:
    """The number of channels."""
    return get_dimensions(img)[0]


def max_value(dtype: dtypes.dtype) -> int:
    """White in a dtype: the largest whole number, or 1.

    >>> max_value(dtypes.uint8), max_value(dtypes.float32)
    (255, 1)
    """
    if dtype.rank != dtypes.INTEGRAL:
        return 1
    return 2 ** (8 * dtype.itemsize - dtype.is_signed) - 1


def convert_image_dtype(image: Tensor, dtype: dtypes.dtype = dtypes.float32) -> Tensor:
    """The image in another dtype, with black and white at its ends.

    Raises:
        RuntimeError: the floating dtype cannot hold the integers of the new one.

    >>> convert_image_dtype(rushlight.tensor([[0.0, 0.5, 1.0]]), rushlight.uint8)
    tensor([[  0, 127, 255]], dtype=torch.uint8)
    """
    old = image.dtype
    if old is dtype:
        return image
    if old.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        if (old is dtypes.float32 and dtype in (dtypes.int32, dtypes.int64)) or (
            old is dtypes.float64 and dtype is dtypes.int64
        ):
            raise RuntimeError(
                f"The cast from {old} to {dtype} cannot be performed safely: it has too few digits; "
                "choose a smaller integer dtype"
            )
        # Just below the next integer, so that each value gets an equal share.
        return (image * (max_value(dtype) + 1.0 - 1e-3)).to(dtype)
    white, new_white = max_value(old), max_value(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / white
    if white > new_white:
        return (image // ((white + 1) // (new_white + 1))).to(dtype)
    return image.to(dtype) * ((new_white + 1) // (white + 1))


def as_batch(img: Tensor, computed: Sequence[dtypes.dtype]) -> tuple[Tensor, Any]:
    """The image as ``(N, C, H, W)`` in one of the dtypes, and how to bring a result back.

    Args:
        computed: the dtypes as they are; others come to the first.
    """
    dtype, alone = img.dtype, img._array.ndim < 4
    x = img.unsqueeze(0) if alone else img
    if dtype not in computed:
        x = x.to(computed[0])

    def back(out: Tensor) -> Tensor:
        out = out.squeeze(0) if alone else out
        if out.dtype is dtype:
            return out
        return (out.round() if dtype.rank == dtypes.INTEGRAL else out).to(dtype)

    return x, back


def line(start: float, end: float, count: int) -> np.ndarray:
    """``count`` float32 numbers at equal distances, counted from the nearer end and rounded once, as PyTorch's are.

    >>> line(0, 1, 3)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    first, last = np.float32(start), np.float32(end)
    step = (last - first) / np.float32(max(count - 1, 1))
    index = np.arange(count)
    # In float64 a product of two float32 numbers is exact.
    up = np.float64(first) + np.float64(step) * index
    down = np.float64(last) - np.float64(step) * (count - 1 - index)
    return np.where(index < count // 2, up, down).astype(np.float32)


def floating_dtype(img: Tensor) -> dtypes.dtype:
    """The dtype in which an image is computed with: its own if it is floating."""
    return img.dtype if img.dtype.is_floating_point else dtypes.float32
