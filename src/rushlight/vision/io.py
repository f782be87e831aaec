"""Image files to tensors and back, over Pillow.

A decoded image has the shape (C, H, W) and the dtype uint8, whatever the file; PNG files of 16 bits give int32 with
values from 0 to 65535, as there is no uint16. What is written takes the place of an old file when it is whole.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from enum import Enum
from typing import Any

import numpy as np

from .. import dtypes
from ..ops.values import from_numpy
from ..serialization.replacing import replacing
from ..tensor import Tensor
from . import pillow

__all__ = [
    "ImageReadMode",
    "decode_avif",
    "decode_gif",
    "decode_heic",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]

# What Pillow raises where a file is damaged.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


class ImageReadMode(Enum):
    """The channels of a decoded image; functions also take the name, as in ``mode="RGB"``.

    ``UNCHANGED`` gives those of the file (of a PNG file with a palette the numbers of the colours, as masks need
    them), ``GRAY`` one, ``GRAY_ALPHA`` two, ``RGB`` three, ``RGB_ALPHA`` (or ``RGBA``) four.
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


Mode = ImageReadMode | str


# ---- files -----------------------------------------------------------------------------------------


def read_file(path: str | os.PathLike) -> Tensor:
    """The bytes of a file, shape (size,), uint8.

    Raises:
        RuntimeError: it cannot be read.
    """
    try:
        return from_numpy(np.fromfile(os.fspath(path), dtype=np.uint8))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise RuntimeError(
            f"[Errno {error.errno}] {reason}: '{os.fspath(path)}'; check the path; a relative one starts at "
            f"{os.getcwd()}"
        ) from error


def write_file(filename: str | os.PathLike, data: Tensor) -> None:
    """Writes bytes to a file, in one step: there is the old one or the whole new one.

    Args:
        data: shape (size,), uint8.

    Raises:
        RuntimeError: ``data`` is something else, or the folder is not there.
    """
    _write(filename, _bytes_of(data, "write_file").tobytes())


def _write(filename: str | os.PathLike, data: bytes) -> None:
    path = os.fspath(filename)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise RuntimeError(
            f"[Errno {errno.ENOENT}] {os.strerror(errno.ENOENT)}: '{path}'; there is no folder {folder}, "
            "make it with os.makedirs"
        )
    with replacing(path) as file:
        file.write(data)


def _bytes_of(data: Any, caller: str) -> np.ndarray:
    if not isinstance(data, Tensor) or data.dtype is not dtypes.uint8 or data.ndim != 1:
        got = (
            f"{data.dtype} of shape {tuple(data.shape)}" if isinstance(data, Tensor) else type(data)
        )
        raise RuntimeError(
            f"{caller}(): expected a 1-dimensional torch.uint8 tensor, the bytes of a file as read_file gives them; "
            f"got {got}"
        )
    return data.numpy()


# ---- decoding --------------------------------------------------------------------------------------


def decode_image(
    input: Tensor | str | os.PathLike,
    mode: Mode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image in a JPEG, PNG, GIF or WEBP file.

    Args:
        input: the path of the file, or its bytes as `read_file` gives them.
        mode: which channels are wanted, an `ImageReadMode` or its name.
        apply_exif_orientation: whether the image is turned as its file says; else it is as it was stored.

    Returns:
        Shape (C, H, W), uint8; of a PNG file of 16 bits int32; of a GIF file with several images (N, 3, H, W).

    Raises:
        RuntimeError: the file is not there, is no such image, or is damaged.
        ValueError: there is no such mode.

    >>> image = rushlight.zeros(3, 2, 4, dtype=rushlight.uint8)
    >>> decode_image(encode_png(image), mode="GRAY").shape
    torch.Size([1, 2, 4])
    """
    path = None
    if not isinstance(input, Tensor):
        path = os.fspath(input)
        input = read_file(path)
    formats = ("JPEG", "PNG", "GIF", "WEBP")
    return _decode("decode_image", formats, input, mode, apply_exif_orientation, path)


def read_image(
    path: str | os.PathLike,
    mode: Mode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """The image in a file: `decode_image` of its path."""
    return decode_image(os.fspath(path), mode, apply_exif_orientation)


def decode_jpeg(
    input: Tensor | list[Tensor],
    mode: Mode = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Tensor | list[Tensor]:
    """The image in the bytes of a JPEG file, or a list of them; see `decode_image`.

    Raises:
        RuntimeError: the bytes are no such image, or ``device`` is not the CPU.
        ValueError: the list is empty, or holds something else.
    """
    if str(device).partition(":")[0] != "cpu":
        raise RuntimeError(f"decode_jpeg(): images are decoded on the CPU; device is {device!r}")
    if isinstance(input, list):
        if not input:
            raise ValueError("Input list must contain at least one element")
        if not all(isinstance(x, Tensor) for x in input):
            raise ValueError("All elements of the input list must be tensors.")
        return [decode_jpeg(x, mode, device, apply_exif_orientation) for x in input]
    return _decode("decode_jpeg", ("JPEG",), input, mode, apply_exif_orientation)


def decode_png(
    input: Tensor, mode: Mode = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """The image in the bytes of a PNG file; see `decode_image`."""
    return _decode("decode_png", ("PNG",), input, mode, apply_exif_orientation)


def decode_gif(input: Tensor) -> Tensor:
    """The images in the bytes of a GIF file: shape (3, H, W), or (N, 3, H, W) where there are several."""
    return _decode("decode_gif", ("GIF",), input, ImageReadMode.RGB, False)


def decode_webp(input: Tensor, mode: Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """The image in the bytes of a WEBP file; see `decode_image`."""
    return _decode("decode_webp", ("WEBP",), input, mode, False)


def decode_avif(input: Tensor, mode: Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """The image in the bytes of an AVIF file; see `decode_image`. Pillow reads them from version 11.3 on."""
    return _decode("decode_avif", ("AVIF",), input, mode, False)


def decode_heic(input: Tensor, mode: Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """The image in the bytes of a HEIC file; see `decode_image`.

    Pillow reads them with an addition: ``pip install pillow-heif``, then ``pillow_heif.register_heif_opener()``.
    """
    return _decode("decode_heic", ("HEIF",), input, mode, False)


def _decode(
    caller: str,
    formats: tuple[str, ...],
    input: Tensor,
    mode: Mode,
    turn: bool,
    path: str | None = None,
) -> Tensor:
    mode = _as_mode(mode)
    data = io.BytesIO(_bytes_of(input, caller))
    images = pillow.module()
    # Formats that Pillow loads only when the common ones do not fit.
    images.init()
    missing = [name for name in formats if name not in images.OPEN]
    if len(missing) == len(formats):
        raise RuntimeError(
            f"{caller}(): this Pillow cannot read {missing[0]} files; see the documentation of {caller}"
        )
    try:
        with images.open(data, formats=formats) as image:
            pixels = _frames(image) if image.format == "GIF" else _pixels(image, mode)
            if turn:
                pixels = _turned(pixels, image.getexif().get(0x0112, 1))
    except _DAMAGE as error:
        what = f"the file {path!r}" if path else "the bytes"
        wanted = formats[0] if len(formats) == 1 else "JPEG, PNG, GIF or WEBP"
        raise RuntimeError(
            f"{caller}(): {what} cannot be read as a {wanted} image ({str(error) or type(error).__name__}); "
            "check that it is one and was copied as a whole"
        ) from error
    pixels = pixels.astype(np.int32) if pixels.dtype == np.uint16 else pixels
    return from_numpy(pixels).movedim(-1, -3)


def _as_mode(mode: Mode) -> ImageReadMode:
    if isinstance(mode, str):
        try:
            return ImageReadMode[mode.upper()]
        except KeyError:
            names = ", ".join(ImageReadMode.__members__)
            raise ValueError(f"there is no mode {mode!r}; give one of {names}") from None
    return mode


def _pixels(image: Any, mode: ImageReadMode) -> np.ndarray:
    """The pixels of an image that is open, shape (H, W, C), uint8 or uint16."""
    unchanged = mode is ImageReadMode.UNCHANGED
    wide = image.format == "PNG" and image.tile and str(image.tile[0][3]).endswith(";16B")
    if wide:
        return _channels(_sixteen_bits(image), mode)
    if image.format in ("JPEG", "MPO") and mode in (ImageReadMode.GRAY, ImageReadMode.GRAY_ALPHA):
        # The file holds the brightness as such: nothing else needs to be decoded.
        image.draft("L", None)
    if image.mode == "CMYK" and unchanged:
        # Files hold such values inverted; Pillow turns them, torchvision does not.
        return 255 - np.array(image)
    has_alpha = "transparency" in image.info and mode in (
        ImageReadMode.GRAY_ALPHA,
        ImageReadMode.RGB_ALPHA,
    )
    if has_alpha:
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "LA", "RGB", "RGBA") and not (image.mode == "P" and unchanged):
        image = image.convert("RGB")
    pixels = np.array(image)
    return _channels(pixels[..., None] if pixels.ndim == 2 else pixels, mode)


def _sixteen_bits(image: Any) -> np.ndarray:
    """The pixels of a PNG file of 16 bits, shape (H, W, C), uint16."""
    if image.mode.startswith("I"):
        return np.array(image).astype(np.uint16)[..., None]
    # Pillow keeps the upper 8 of 16 bits. So the file is decoded as if it were something else: LA as four channels of
    # 8 bits, RGB and RGBA a second time with the order of the two bytes exchanged.
    layout = image.tile[0][3]
    if layout == "LA;16B":
        four = _as_layout(image, "RGBA").astype(np.uint16)
        return four[..., 0::2] << 8 | four[..., 1::2]
    stream = image.fp.getvalue()
    with pillow.module().open(io.BytesIO(stream), formats=("PNG",)) as again:
        lower = _as_layout(again, layout.replace("16B", "16L"))
    return np.array(image).astype(np.uint16) << 8 | lower


def _as_layout(image: Any, layout: str) -> np.ndarray:
    image.tile = [(*part[:3], layout) for part in image.tile]
    return np.array(image)


def _frames(image: Any) -> np.ndarray:
    """The pixels of all images of a GIF file, shape (H, W, 3) of one and (N, H, W, 3) of several."""
    frames = []
    for k in range(image.n_frames):
        image.seek(k)
        frames.append(np.array(image.convert("RGB")))
    return frames[0] if len(frames) == 1 else np.stack(frames)


def _channels(pixels: np.ndarray, mode: ImageReadMode) -> np.ndarray:
    """Pixels of shape (H, W, C) with the channels that ``mode`` asks for."""
    have, wanted = pixels.shape[-1], mode.value
    if mode is ImageReadMode.UNCHANGED or have == wanted:
        return pixels
    color = pixels[..., : 3 if have > 2 else 1]
    if wanted < 3 and have > 2:
        # Shades of gray as Pillow takes them (ITU-R 601), in integers.
        weights = np.array([19595, 38470, 7471], dtype=np.int64)
        color = ((color @ weights + 32768) >> 16).astype(pixels.dtype)[..., None]
    elif wanted > 2 and have < 3:
        color = color.repeat(3, -1)
    if wanted % 2:
        return np.ascontiguousarray(color)
    opaque = np.full_like(color[..., :1], np.iinfo(pixels.dtype).max)
    return np.concatenate([color, opaque if have % 2 else pixels[..., -1:]], -1)


# What the number in a file says about rows and columns: exchanged first or not, then each reversed or not.
_TURNS: dict[int, tuple[bool, int, int]] = {
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}


def _turned(pixels: np.ndarray, orientation: Any) -> np.ndarray:
    if orientation not in _TURNS or pixels.ndim != 3:
        return pixels
    exchanged, rows, columns = _TURNS[orientation]
    pixels = pixels.swapaxes(0, 1) if exchanged else pixels
    return np.ascontiguousarray(pixels[::rows, ::columns])


# ---- encoding --------------------------------------------------------------------------------------


def encode_jpeg(input: Tensor | list[Tensor], quality: int = 75) -> Tensor | list[Tensor]:
    """The bytes of a JPEG file of an image, or a list of them.

    Args:
        input: shape (1 or 3, H, W), uint8.
        quality: 1 (small file) to 100 (good image).

    Returns:
        Shape (size,), uint8.

    Raises:
        ValueError: ``quality`` is something else, or the list is empty.
        RuntimeError: ``input`` is something else.
    """
    if not 1 <= quality <= 100:
        raise ValueError(
            f"Image quality should be a positive number between 1 and 100, got {quality}"
        )
    if isinstance(input, list):
        if not input:
            raise ValueError("encode_jpeg requires at least one input tensor when a list is passed")
        return [encode_jpeg(x, quality) for x in input]
    return _encode("encode_jpeg", input, "JPEG", quality=quality)


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file of an image.

    Args:
        input: shape (1 or 3, H, W), uint8.
        compression_level: 0 (fast) to 9 (small).

    Returns:
        Shape (size,), uint8.

    Raises:
        RuntimeError: an argument is something else.
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError(f"Compression level should be between 0 and 9, got {compression_level}")
    return _encode("encode_png", input, "PNG", compress_level=compression_level)


def write_jpeg(input: Tensor, filename: str | os.PathLike, quality: int = 75) -> None:
    """Writes an image to a JPEG file; see `encode_jpeg`, `write_file`."""
    write_file(filename, encode_jpeg(input, quality))


def write_png(input: Tensor, filename: str | os.PathLike, compression_level: int = 6) -> None:
    """Writes an image to a PNG file; see `encode_png`, `write_file`.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "image.png")
    >>> write_png(rushlight.full((3, 2, 2), 7, dtype=rushlight.uint8), path)
    >>> read_image(path)[0]
    tensor([[7, 7],
            [7, 7]], dtype=torch.uint8)
    """
    write_file(filename, encode_png(input, compression_level))


def _encode(caller: str, image: Tensor, format: str, **options: Any) -> Tensor:
    if not isinstance(image, Tensor) or image.dtype is not dtypes.uint8:
        got = image.dtype if isinstance(image, Tensor) else type(image)
        raise RuntimeError(
            f"{caller}(): Input tensor dtype should be uint8, got {got}; of values from 0 to 1: "
            "(image * 255).round().to(torch.uint8)"
        )
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise RuntimeError(
            f"{caller}(): expected an image of shape (1 or 3, H, W), got {tuple(image.shape)}"
        )
    pixels = image.numpy()
    pixels = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    data = io.BytesIO()
    pillow.module().fromarray(np.ascontiguousarray(pixels)).save(data, format=format, **options)
    return from_numpy(np.frombuffer(data.getbuffer(), dtype=np.uint8).copy())
