"""The zip file: its layout, and that damage of any kind is told."""

import bz2
import gzip
import io
import pickle
import struct
import sys
import zipfile

import numpy as np
import pytest

from rushlight.serialization import load, save, zip_format
from rushlight.serialization.archive_reader import ArchiveReader
from rushlight.serialization.archive_writer import ArchiveWriter
from rushlight.tensor import wrap

OBJECT = {"w": np.arange(40_000, dtype=np.float32), "b": np.array([1, 2], np.int64)}


@pytest.fixture
def content():
    file = io.BytesIO()
    save({name: wrap(values) for name, values in OBJECT.items()}, file)
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


def check_same(loaded):
    assert {name: x.tolist() for name, x in loaded.items()} == {
        name: values.tolist() for name, values in OBJECT.items()
    }


def records(content):
    archive = zipfile.ZipFile(io.BytesIO(content))
    return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(files, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    file.seek(0)
    return file


def replaced(content, **changes):
    changes = {f"archive/{name}": data for name, data in changes.items()}
    return packed({**records(content), **changes})


def content_start(content, info):
    name_length, extra_length = struct.unpack_from("<HH", content, info.header_offset + 26)
    return info.header_offset + 30 + name_length + extra_length


# ---- layout -------------------------------------------------------------------------------------


def test_records(content):
    found = records(content)
    assert list(found) == [
        "archive/data.pkl",
        "archive/.format_version",
        "archive/.storage_alignment",
        "archive/byteorder",
        "archive/data/0",
        "archive/data/1",
        "archive/version",
    ]
    assert found["archive/version"] == b"3\n"
    assert found["archive/byteorder"] == sys.byteorder.encode()
    assert found["archive/data/0"] == OBJECT["w"].tobytes()


def test_every_record_is_uncompressed_and_aligned(content):
    for info in zipfile.ZipFile(io.BytesIO(content)).infolist():
        assert info.compress_type == zipfile.ZIP_STORED
        assert content_start(content, info) % 64 == 0
        assert content[content_start(content, info) :][: info.file_size] == zipfile.ZipFile(
            io.BytesIO(content)
        ).read(info)


def test_the_zip_file_is_whole(content):
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_records_over_the_limit_of_short_headers(monkeypatch):
    # 4 GiB in small: both forms of the header must come out aligned.
    monkeypatch.setattr(zip_format, "LIMIT", 1000)
    file = io.BytesIO()
    with ArchiveWriter(file) as archive:
        archive.add("data.pkl", b"")
        archive.add("data/0", bytes(range(100)) * 20)
        archive.add("data/1", bytes(10))
    found = zipfile.ZipFile(file)
    starts = [content_start(file.getvalue(), info) % 64 for info in found.infolist()]
    assert starts == [0, 0, 0]
    assert found.read("archive/data/0") == bytes(range(100)) * 20
    with ArchiveReader(file, "here") as reader:
        assert reader.read("data/0") == bytes(range(100)) * 20
        assert reader.read("data/1") == bytes(10)


def test_files_that_another_program_packed(content):
    check_same(load(packed(records(content), compression=zipfile.ZIP_DEFLATED)))
    check_same(load(packed(records(content), compression=zipfile.ZIP_STORED)))


def test_mapped_records_that_are_not_aligned(content, path):
    path.write_bytes(packed({"x": b"", **records(content)}).getvalue())
    loaded = load(path, mmap=True)
    check_same(loaded)
    assert all(x.numpy().flags.aligned for x in loaded.values())


def test_other_names_of_the_folder(content):
    renamed = {name.replace("archive", "model"): data for name, data in records(content).items()}
    check_same(load(packed(renamed)))


def test_a_file_without_byte_order_is_little_endian(content):
    files = records(content)
    del files["archive/byteorder"]
    check_same(load(packed(files)))


def test_the_other_byte_order(path):
    values = {
        "h": np.array([1, -2], np.int16),
        "d": np.array([1.5, 1e300]),
        "z": np.array([1 + 2j, -3j], np.complex64),
        "b": np.array([True, False]),
        "e": np.array([], np.float32),
    }
    file = io.BytesIO()
    save({name: wrap(x) for name, x in values.items()}, file)
    swapped = {f"data/{i}": x.byteswap().tobytes() for i, x in enumerate(values.values())}
    other = {"little": b"big", "big": b"little"}[sys.byteorder]
    loaded = load(replaced(file.getvalue(), byteorder=other, **swapped))
    assert {name: x.tolist() for name, x in loaded.items()} == {
        name: x.tolist() for name, x in values.items()
    }


def test_bytes_that_are_no_bool_count_as_true():
    file = io.BytesIO()
    save(wrap(np.array([True, False, True])), file)
    loaded = load(replaced(file.getvalue(), **{"data/0": b"\x02\x00\xff"}))
    assert loaded.numpy().view(np.uint8).tolist() == [1, 0, 1]


# ---- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["data.pkl", "data/0", "data/1", "byteorder"])
def test_flipped_bits(content, path, part):
    info = zipfile.ZipFile(io.BytesIO(content)).getinfo(f"archive/{part}")
    damaged = bytearray(content)
    damaged[content_start(content, info) + info.file_size // 2] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(RuntimeError, match=f"model.pt is damaged: .*{part}.* checksum is wrong"):
        load(path)


@pytest.mark.parametrize("length", [5, 30, 100, 1000, 100_000, -1, -22, -100, -300])
def test_truncated_files(content, path, length):
    path.write_bytes(content[:length])
    with pytest.raises(RuntimeError, match="model.pt is damaged: .* probably cut off"):
        load(path)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_hole_in_the_file(content, path, mapped):
    # The table of contents is there, but what it tells of is not where it says.
    path.write_bytes(content[:200] + content[100_000:])
    with pytest.raises(RuntimeError, match="model.pt is damaged"):
        load(path, mmap=mapped)


def test_sizes_beyond_the_file(content, path):
    damaged = bytearray(content)
    entry = content.index(b"PK\x01\x02")
    while content[entry + 46 : entry + 60] != b"archive/data/0":
        entry = content.index(b"PK\x01\x02", entry + 4)
    damaged[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(damaged)
    with pytest.raises(RuntimeError, match="data/0 of 2147483648 bytes reaches past the end"):
        load(path)


def test_an_encrypted_record(content, path):
    damaged = bytearray(content)
    entry = content.index(b"PK\x01\x02")
    damaged[entry + 8] |= 1
    path.write_bytes(damaged)
    with pytest.raises(RuntimeError, match="data.pkl .* because it is encrypted"):
        load(path)


def test_a_damaged_compressed_record(content, path):
    damaged = bytearray(packed(records(content), compression=zipfile.ZIP_DEFLATED).getvalue())
    damaged[200] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(RuntimeError, match="model.pt is damaged"):
        load(path)


def test_an_unknown_byte_order(content):
    with pytest.raises(pickle.UnpicklingError, match="unknown byte order 'middle'"):
        load(replaced(content, byteorder=b"middle"))


# ---- other kinds of file ------------------------------------------------------------------------


def test_an_empty_file(path):
    path.touch()
    with pytest.raises(EOFError, match="model.pt is empty: writing it was probably interrupted"):
        load(path)


def numpy_file():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "data, message",
    [
        (b"<!DOCTYPE html><html>Not found</html>", "a web page"),
        (b"\n <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer: run 'git lfs pull'"),
        (b'{"error": "no access"}', 'text that begins with \'{"error": "no access"}\''),
        (gzip.compress(b"x"), "compressed by gzip: decompress it first"),
        (bz2.compress(b"x"), "compressed by bzip2: decompress it first"),
        (numpy_file(), "a NumPy array: read it with numpy.load"),
        (b"\x80\x04K\x01.", "a plain pickle"),
        (b"storages".ljust(257, b"\0") + b"ustar", "a tar file: that of PyTorch 0.1"),
        (struct.pack("<Q", 60) + b'{"w":{}}', "a safetensors file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (bytes(100), "filled with zeros: writing it was probably interrupted"),
        (b"\xca\xfe\xba\xbe\xff", "of an unknown kind; it begins with the bytes ca fe ba be ff"),
    ],
)
def test_foreign_files(path, data, message):
    path.write_bytes(data)
    with pytest.raises(pickle.UnpicklingError, match="model.pt is no checkpoint: it is ") as raised:
        load(path)
    assert message in str(raised.value)


def test_other_zip_files(path):
    np.savez(path.with_suffix(".npz"), x=np.zeros(2))
    with pytest.raises(RuntimeError, match="has no data.pkl, but x.npy"):
        load(path.with_suffix(".npz"))
    program = {"m/data.pkl": b"", "m/constants.pkl": b"", "m/code/x.py": b""}
    path.write_bytes(packed(program).getvalue())
    with pytest.raises(RuntimeError, match="is a TorchScript program"):
        load(path)
