"""Image files against what Pillow reads and writes, and files that are damaged."""

import io as bytes_io
import os
import struct
import zlib

import numpy as np
import pytest

import rushlight
from rushlight.vision import io

Image = pytest.importorskip("PIL.Image")
random = np.random.default_rng(0)
PHOTO = np.kron(random.integers(0, 256, (9, 11, 3)), np.ones((4, 4, 1))).astype(np.uint8)


def encoded(image, format, **options):
    """The bytes of a file of a PIL image, as a tensor."""
    data = bytes_io.BytesIO()
    image.save(data, format=format, **options)
    return rushlight.from_numpy(np.frombuffer(data.getvalue(), dtype=np.uint8).copy())


def pixels(image):
    """The pixels of a PIL image as (C, H, W)."""
    array = np.array(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def png16(values):
    """The bytes of a PNG file of 16 bits; ``values`` has shape (H, W, C)."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    # Each row says that it holds differences to the row above, so that the decoder has to add up.
    big = values.astype(">u2").view(np.uint8).reshape(height, -1)
    rows = np.diff(big, axis=0, prepend=np.zeros_like(big[:1]))
    body = b"".join(b"\x02" + row.tobytes() for row in rows)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return rushlight.frombuffer(bytearray(b"\x89PNG\r\n\x1a\n" + parts), dtype=rushlight.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [20, 75, 100])
def test_encode_jpeg_and_decode_jpeg_are_pillow_s(mode, quality):
    image = Image.fromarray(PHOTO).convert(mode)
    data = io.encode_jpeg(rushlight.from_numpy(pixels(image).copy()), quality)
    expected = encoded(image, "JPEG", quality=quality)
    assert np.array_equal(data.numpy(), expected.numpy())
    with Image.open(bytes_io.BytesIO(expected.numpy().tobytes())) as opened:
        assert np.array_equal(io.decode_jpeg(data).numpy(), pixels(opened))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("level", [0, 6, 9])
def test_encode_png_keeps_every_pixel(mode, level):
    image = rushlight.from_numpy(pixels(Image.fromarray(PHOTO).convert(mode)).copy())
    data = io.encode_png(image, level)
    assert np.array_equal(data.numpy()[:8], np.frombuffer(b"\x89PNG\r\n\x1a\n", np.uint8))
    assert np.array_equal(io.decode_png(data).numpy(), image.numpy())


MODES = {"GRAY": "L", "GRAY_ALPHA": "LA", "RGB": "RGB", "RGB_ALPHA": "RGBA", "RGBA": "RGBA"}


@pytest.mark.parametrize("stored", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("mode", MODES)
def test_decode_png_in_each_mode(stored, mode):
    image = Image.fromarray(PHOTO).convert("RGBA")
    image.putalpha(Image.fromarray(PHOTO[..., 0]))
    image = image.convert(stored)
    by_name = io.decode_png(encoded(image, "PNG"), mode)
    by_member = io.decode_image(encoded(image, "PNG"), io.ImageReadMode[mode])
    expected = pixels(image.convert(MODES[mode]))
    assert np.array_equal(by_name.numpy(), expected)
    assert np.array_equal(by_member.numpy(), expected)
    assert np.array_equal(io.decode_png(encoded(image, "PNG")).numpy(), pixels(image))


@pytest.mark.parametrize("mode", ["UNCHANGED", *MODES])
def test_decode_jpeg_in_each_mode(mode):
    data = encoded(Image.fromarray(PHOTO), "JPEG", quality=95)
    with Image.open(bytes_io.BytesIO(data.numpy().tobytes())) as image:
        # Gray is in the file itself: it does not come by way of RGB.
        image.draft("L" if "GRAY" in mode else "RGB", None)
        expected = pixels(image.convert(MODES.get(mode, "RGB")))
    assert np.array_equal(io.decode_jpeg(data, mode).numpy(), expected)


def test_a_jpeg_file_of_four_colours():
    image = Image.fromarray(random.integers(0, 256, (8, 8, 4), dtype=np.uint8), "CMYK")
    data = encoded(image, "JPEG", quality=100, subsampling=0)
    with Image.open(bytes_io.BytesIO(data.numpy().tobytes())) as opened:
        assert np.array_equal(io.decode_jpeg(data).numpy(), 255 - pixels(opened))
        assert np.array_equal(io.decode_jpeg(data, "RGB").numpy(), pixels(opened.convert("RGB")))


def test_a_palette_stays_as_numbers_unless_colours_are_asked_for():
    image = Image.fromarray(PHOTO).quantize(7)
    data = encoded(image, "PNG")
    assert np.array_equal(io.decode_image(data).numpy(), pixels(image))
    assert np.array_equal(io.decode_image(data, "RGB").numpy(), pixels(image.convert("RGB")))


def test_transparency_of_a_palette():
    image = Image.fromarray(PHOTO).quantize(7)
    data = encoded(image, "PNG", transparency=2)
    image.info["transparency"] = 2
    assert np.array_equal(io.decode_image(data, "RGBA").numpy(), pixels(image.convert("RGBA")))
    assert io.decode_image(data, "RGB").shape == (3, 36, 44)


def test_black_and_white_becomes_0_and_255():
    image = Image.fromarray(PHOTO).convert("1")
    assert np.array_equal(io.decode_png(encoded(image, "PNG")).numpy(), pixels(image) * 255)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_files_of_16_bits_keep_all_of_them(channels):
    values = random.integers(0, 65536, (5, 7, channels))
    decoded = io.decode_png(png16(values))
    assert decoded.dtype is rushlight.int32
    assert np.array_equal(decoded.numpy(), values.transpose(2, 0, 1))


def test_modes_of_png_files_of_16_bits():
    values = random.integers(0, 65536, (5, 7, 4))
    gray = io.decode_png(png16(values), "GRAY").numpy()
    assert np.allclose(gray[0], values[..., :3] @ [0.299, 0.587, 0.114], atol=1)
    rgba = io.decode_png(png16(values[..., :1]), "RGBA").numpy()
    assert np.array_equal(rgba[:3], np.stack([values[..., 0]] * 3))
    assert (rgba[3] == 65535).all()


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_orientation(orientation, format):
    from PIL import ImageOps

    image = Image.fromarray(PHOTO)
    exif = image.getexif()
    exif[0x0112] = orientation
    data = encoded(image, format, exif=exif)
    with Image.open(bytes_io.BytesIO(data.numpy().tobytes())) as opened:
        expected = pixels(ImageOps.exif_transpose(opened))
        stored = pixels(opened)
    turned = io.decode_image(data, apply_exif_orientation=True)
    assert np.array_equal(turned.numpy(), expected)
    assert np.array_equal(io.decode_image(data).numpy(), stored)


def test_gif_files_of_one_and_of_several_images():
    frames = [Image.fromarray(np.roll(PHOTO, k, 0)).quantize(16) for k in range(3)]
    one = io.decode_gif(encoded(frames[0], "GIF"))
    assert np.array_equal(one.numpy(), pixels(frames[0].convert("RGB")))
    all_of_them = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert io.decode_gif(all_of_them).shape == (3, 3, 36, 44)
    second = io.decode_image(all_of_them)[1].numpy()
    assert np.array_equal(second, pixels(frames[1].convert("RGB")))


@pytest.mark.parametrize("mode, channels", [("RGB", 3), ("RGBA", 4)])
def test_webp_files(mode, channels):
    image = Image.fromarray(PHOTO).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(PHOTO[..., 0]))
    data = encoded(image, "WEBP", lossless=True, exact=True)
    assert np.array_equal(io.decode_webp(data).numpy(), pixels(image))
    assert io.decode_image(data, "RGB").shape == (3, 36, 44)


def test_a_list_of_images():
    data = [io.encode_jpeg(rushlight.full((3, 4, 4), v, dtype=rushlight.uint8)) for v in (9, 200)]
    first, second = io.decode_jpeg(data)
    assert first[0, 0, 0] == 9
    assert second[0, 0, 0] == 200
    assert len(io.encode_jpeg([first, second])) == 2
    with pytest.raises(ValueError, match="at least one"):
        io.decode_jpeg([])


def test_files_to_tensors_and_back(tmp_path):
    image = rushlight.from_numpy(PHOTO.transpose(2, 0, 1).copy())
    io.write_png(image, tmp_path / "image.png")
    io.write_jpeg(image, str(tmp_path / "image.jpg"), quality=90)
    assert np.array_equal(io.read_image(tmp_path / "image.png").numpy(), image.numpy())
    jpeg = io.encode_jpeg(image, 90)
    assert np.array_equal(io.read_file(tmp_path / "image.jpg").numpy(), jpeg.numpy())
    assert io.decode_image(str(tmp_path / "image.jpg")).shape == (3, 36, 44)
    assert sorted(os.listdir(tmp_path)) == ["image.jpg", "image.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    io.write_file(path, rushlight.arange(9, dtype=rushlight.uint8))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        io.write_png(rushlight.zeros(3, 2, 2, dtype=rushlight.uint8), path)
    monkeypatch.undo()
    assert io.read_file(path).tolist() == list(range(9))
    assert os.listdir(tmp_path) == ["image.png"]


@pytest.mark.parametrize("format, function", [("PNG", io.decode_png), ("JPEG", io.decode_jpeg)])
@pytest.mark.parametrize("kept", [0, 10, 60, 0.5, 0.9])
def test_cut_off_data(format, function, kept):
    data = encoded(Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)), format)
    length = kept if isinstance(kept, int) else int(len(data) * kept)
    with pytest.raises(
        RuntimeError, match=f"cannot be read as a {format} image.*copied as a whole"
    ):
        function(data[:length])


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(RuntimeError, match=r"cat\.jpg' cannot be read"):
        io.read_image(path)
    with pytest.raises(RuntimeError, match=r"No such file.*dog\.jpg.*check the path"):
        io.read_image(tmp_path / "dog.jpg")
    with pytest.raises(RuntimeError, match="make it with os.makedirs"):
        io.write_file(tmp_path / "no" / "file", rushlight.zeros(3, dtype=rushlight.uint8))


ZEROS = rushlight.zeros(3, 2, 2, dtype=rushlight.uint8)


@pytest.mark.parametrize(
    "error, text, call",
    [
        (RuntimeError, "dtype should be uint8", lambda: io.encode_png(ZEROS.float())),
        (RuntimeError, "shape .1 or 3, H, W.", lambda: io.encode_png(ZEROS[0])),
        (RuntimeError, "shape .1 or 3, H, W.", lambda: io.encode_jpeg(ZEROS[:2])),
        (RuntimeError, "between 0 and 9", lambda: io.encode_png(ZEROS, 10)),
        (ValueError, "between 1 and 100", lambda: io.encode_jpeg(ZEROS, 0)),
        (ValueError, "at least one", lambda: io.encode_jpeg([])),
        (RuntimeError, "1-dimensional", lambda: io.decode_png(ZEROS)),
        (RuntimeError, "1-dimensional", lambda: io.decode_jpeg(rushlight.zeros(9))),
        (ValueError, "there is no mode 'BGR'", lambda: io.decode_png(io.encode_png(ZEROS), "BGR")),
        (RuntimeError, "PNG image", lambda: io.decode_png(io.encode_jpeg(ZEROS))),
        (RuntimeError, "on the CPU", lambda: io.decode_jpeg(io.encode_jpeg(ZEROS), device="cuda")),
    ],
)
def test_wrong_arguments(error, text, call):
    with pytest.raises(error, match=text):
        call()
