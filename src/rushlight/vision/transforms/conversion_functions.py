"""From images and arrays to tensors and back, and tensors normalised."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ... import dtypes
from ...backend import native
from ...tensor import Tensor, values_of, wrap
from .. import pillow
from ..pillow import is_image

# Of the modes that Pillow gives in dtypes of their own.
_WIDE_MODES = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def pixels_of(pic: Any) -> np.ndarray:
    """The pixels of an image or array of two or three dimensions, as ``(H, W, C)``; perhaps not a copy.

    Raises:
        TypeError: ``pic`` is neither.
        ValueError: the array has another number of dimensions.
    """
    if is_image(pic):
        pixels = np.asarray(pic)
    elif isinstance(pic, np.ndarray):
        pixels = pic
        if pixels.ndim not in (2, 3):
            raise ValueError(
                f"pic should be 2/3 dimensional. Got {pixels.ndim} dimensions; expected (H, W) or (H, W, C)"
            )
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def planes(
    pixels: np.ndarray, mean: np.ndarray | None = None, std: np.ndarray | None = None
) -> np.ndarray:
    """``pixels / 255`` of bytes ``(N, H, W, C)`` as float32 ``(N, C, H, W)``, less ``mean`` and over ``std``.

    In one pass, and with each step rounded as by itself.

    Args:
        mean, std: float32, one for each channel; both or none.

    >>> planes(np.full((1, 1, 1, 1), 51, np.uint8))
    array([[[[0.2]]]], dtype=float32)
    """
    n, h, w, channels = pixels.shape
    out = np.empty((n, channels, h, w), np.float32)
    native.extension.image_to_planes(np.ascontiguousarray(pixels), out, mean, std)
    return out


def to_tensor(pic: Any) -> Tensor:
    """An image or array ``(H, W, C)`` as a tensor ``(C, H, W)``; bytes from 0 to 255 become floats from 0 to 1.

    Args:
        pic: a PIL image, or a NumPy array ``(H, W)`` or ``(H, W, C)``. Of images only the modes of bytes, and
            ``"1"``, are scaled; of arrays only uint8.

    Raises:
        TypeError: ``pic`` is neither.
        ValueError: the array has another number of dimensions.

    >>> to_tensor(np.array([[0, 255]], np.uint8))
    tensor([[[0., 1.]]])
    """
    pixels = pixels_of(pic)
    if pixels.dtype == np.bool_ and not isinstance(pic, np.ndarray):
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype == np.uint8:
        default = dtypes.get_default_dtype()
        if default is dtypes.float32:
            return wrap(planes(pixels[None])[0])
        scaled = wrap(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(default)
        return scaled / 255
    if not isinstance(pic, np.ndarray):
        pixels = pixels.astype(_WIDE_MODES.get(pic.mode, pixels.dtype), copy=False)
    return wrap(_checked_dtype(pixels).transpose(2, 0, 1).copy())


def _checked_dtype(pixels: np.ndarray) -> np.ndarray:
    try:
        dtypes.of_numpy(pixels.dtype)
    except (KeyError, TypeError):
        raise TypeError(
            f"can't convert np.ndarray of type {pixels.dtype}; convert it first, as with array.astype(np.float32)"
        ) from None
    return pixels


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a tensor ``(C, H, W)`` of its own dtype; mode ``"I;16"`` as int32.

    Raises:
        TypeError: ``pic`` is no PIL image.

    >>> pil_to_tensor(pillow.module().new("L", (2, 1), 7))
    tensor([[[7, 7]]], dtype=torch.uint8)
    """
    if not is_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    pixels = pixels_of(pic)
    # There is no uint16, so its values go where they fit.
    pixels = pixels.astype(np.int32) if pixels.dtype == np.uint16 else pixels.copy()
    # Seen through a view, as PyTorch's is: the memory stays pixel by pixel.
    return wrap(pixels.transpose(2, 0, 1))


# By channels: the modes that can be asked for, the first being the default.
_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
_GRAY_MODES = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor ``(C, H, W)`` or array ``(H, W, C)`` as a PIL image; floats from 0 to 1 become bytes.

    Args:
        pic: one to four channels; one may be left out of the shape.
        mode: the image's mode; by default that of the channels and dtype.

    Raises:
        TypeError: ``pic`` is neither, or of a dtype that has no image.
        ValueError: its shape is no image's, or the mode does not fit.

    >>> to_pil_image(rushlight.ones(3, 2, 4)).size
    (4, 2)
    """
    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if isinstance(pic, Tensor):
        pixels = values_of(pic.detach())
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels.transpose(1, 2, 0)
    else:
        pixels = pic[..., None] if pic.ndim == 2 else pic
    channels = pixels.shape[-1]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if pixels.dtype.kind in "fV" and mode != "F":
        pixels = _as_bytes(pixels)
    if channels == 1:
        pixels = pixels[..., 0]
        default = _GRAY_MODES.get(pixels.dtype.name)
        if mode is not None and default is not None and mode != default:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {pixels.dtype}. Should be {default}"
            )
    else:
        modes = _MODES[channels]
        if mode is not None and mode not in modes:
            raise ValueError(
                f"Only modes {list(modes)} are supported for {channels}D inputs, but got {mode!r}"
            )
        default = modes[0] if pixels.dtype == np.uint8 else None
    if default is None:
        raise TypeError(
            f"Input type {pixels.dtype} is not supported for {channels} channel(s); convert it to uint8"
        )
    return image_of(np.ascontiguousarray(pixels), mode or default)


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    scaled = pixels * pixels.dtype.type(255)
    # Through a wider integer, so that what is out of range wraps around as PyTorch's bytes do.
    with np.errstate(invalid="ignore"):
        return scaled.astype(np.int32).astype(np.uint8)


def image_of(pixels: np.ndarray, mode: str) -> Any:
    """The PIL image of an array in memory order, its elements understood as ``mode`` says."""
    image = pillow.module()
    height, width = pixels.shape[:2]
    raw = mode
    if mode == "I;16" and sys.byteorder == "big":
        raw = "I;16B"
    elif mode in ("I", "F"):
        raw = {"I": "I;32NS", "F": "F;32NF"}[mode]
    if pixels.size == 0:
        return image.new(mode, (width, height))
    return image.frombytes(mode, (width, height), pixels.tobytes(), "raw", raw)


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std`` for each channel.

    Args:
        tensor: ``(..., C, H, W)``, floating.
        mean, std: one number, or one for each channel.
        inplace: overwrite ``tensor``.

    Raises:
        TypeError: ``tensor`` is no floating tensor.
        ValueError: it has less than three dimensions, or a deviation is 0.
        RuntimeError: there are more means or deviations than channels.

    >>> normalize(rushlight.ones(1, 1, 2), [0.5], [0.5])
    tensor([[[1., 1.]]])
    """
    out = normalize_or_spread(tensor, mean, std, inplace)
    if out.shape != tensor.shape:
        raise RuntimeError(
            f"output with shape {list(tensor.shape)} doesn't match the broadcast shape {list(out.shape)}: the "
            f"image has 1 channel, but mean or std has {out.shape[-3]}; give one number for a grey image, or "
            "make it RGB first"
        )
    return out


def normalize_or_spread(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """`normalize`, which for one channel and several means gives several channels."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"img should be Tensor Image. Got {type(tensor)}; put ToTensor() before the normalisation"
        )
    if not tensor.dtype.is_floating_point:
        raise TypeError(
            f"Input tensor should be a float tensor. Got {tensor.dtype}; use ToTensor or convert_image_dtype first"
        )
    if tensor._array.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tensor.shape}"
        )
    less, by = statistics(mean, std, tensor.dtype)
    if inplace:
        return tensor.sub_(less).div_(by)
    return tensor.sub(less).div_(by)


def statistics(mean: Any, std: Any, dtype: dtypes.dtype) -> tuple[Tensor, Tensor]:
    """Means and deviations in a dtype, in the shape that fits ``(C, H, W)``.

    Raises:
        ValueError: a deviation is 0.
    """
    less, by = _column(mean, dtype), _column(std, dtype)
    if not by.all():
        raise ValueError(
            f"std evaluated to zero after conversion to {dtype}, leading to division by zero."
        )
    return wrap(less), wrap(by)


def _column(values: Any, dtype: dtypes.dtype) -> np.ndarray:
    array = values_of(values.detach()) if isinstance(values, Tensor) else np.asarray(values)
    array = array.astype(dtype.numpy)
    return array.reshape(-1, 1, 1) if array.ndim == 1 else array
