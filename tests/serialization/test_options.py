"""Defaults that programs may change, and what they do to files."""

import io
import mmap
import zipfile

import numpy as np
import pytest

import rushlight
from rushlight import serialization
from rushlight.serialization import (
    LoadEndianness,
    config,
    get_unsafe_globals_in_checkpoint,
    load,
    locations,
    options,
    save,
    set_default_mmap_options,
    skip_data,
)
from rushlight.tensor import wrap


@pytest.fixture(autouse=True)
def defaults():
    yield
    config.load.mmap, config.load.endianness, config.load.mmap_flags = False, None, None
    config.save.compute_crc32, config.save.storage_alignment = True, 64
    locations._packages.clear()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


def saved(obj):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return file


def content_start(file, name):
    info = zipfile.ZipFile(file).getinfo(name)
    header = file.getvalue()[info.header_offset + 26 :][:4]
    return (
        info.header_offset + 30 + sum(int.from_bytes(header[i : i + 2], "little") for i in (0, 2))
    )


# ---- byte order ---------------------------------------------------------------------------------


def without_byte_order(values):
    old, new = saved(wrap(values)), io.BytesIO()
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(new, "w") as target:
        for name in source.namelist():
            if not name.endswith("byteorder"):
                target.writestr(name, source.read(name))
    new.seek(0)
    return new


@pytest.mark.parametrize(
    "order, dtype",
    [
        (None, "<f4"),
        (LoadEndianness.LITTLE, "<f4"),
        (LoadEndianness.BIG, ">f4"),
        (LoadEndianness.NATIVE, "=f4"),
    ],
)
def test_files_that_do_not_tell_their_byte_order(order, dtype):
    values = np.array([1.5, -2], np.float32)
    serialization.set_default_load_endianness(order)
    assert serialization.get_default_load_endianness() is order
    expected = values.view(dtype).astype(np.float32)
    assert load(without_byte_order(values)).tolist() == expected.tolist()
    assert load(saved(wrap(values))).tolist() == [1.5, -2]


def test_what_is_no_byte_order():
    with pytest.raises(TypeError, match="'big' is no LoadEndianness"):
        serialization.set_default_load_endianness("big")


# ---- mapping ------------------------------------------------------------------------------------


def test_shared_mapping_changes_the_file(path):
    save(wrap(np.zeros(3)), path)
    with set_default_mmap_options(mmap.MAP_SHARED):
        load(path, mmap=True).numpy()[1] = 5
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    load(path, mmap=True).numpy()[2] = 6
    assert load(path, mmap=True).tolist() == [0, 5, 0]
    # Its checksum is that of the content before.
    with pytest.raises(RuntimeError, match="its checksum is wrong"):
        load(path)


def test_what_is_no_way_of_mapping():
    with pytest.raises(
        ValueError, match="expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, but got 99"
    ):
        set_default_mmap_options(99)


def test_mapping_by_default(path):
    save(wrap(np.zeros(3)), path)
    config.load.mmap = True
    # The values may lie in the map alone where nothing owns a copy of them.
    root = load(path).numpy()
    while isinstance(root.base, np.ndarray):
        root = root.base
    assert isinstance(root.base.obj, mmap.mmap)
    config.load.mmap = False
    assert load(path).numpy().base.base is None


# ---- writing ------------------------------------------------------------------------------------


def test_without_checksums():
    serialization.set_crc32_options(False)
    assert not serialization.get_crc32_options()
    file = saved(wrap(np.ones(3)))
    assert {info.CRC for info in zipfile.ZipFile(file).infolist()} == {0}
    file.seek(0)
    assert load(file).tolist() == [1, 1, 1]


@pytest.mark.parametrize("alignment", [1, 64, 4096])
def test_alignment(alignment):
    config.save.storage_alignment = alignment
    file = saved([wrap(np.ones(3)), wrap(np.zeros(5))])
    assert zipfile.ZipFile(file).read("archive/.storage_alignment") == str(alignment).encode()
    for name in ("archive/data/0", "archive/data/1"):
        assert content_start(file, name) % alignment == 0
    file.seek(0)
    assert load(file)[0].tolist() == [1, 1, 1]


def test_room_for_values_that_come_later():
    x = wrap(np.arange(300_000.0))
    with skip_data():
        file = saved([x, rushlight.ones(1)])
        assert options.skips_data()
    assert not options.skips_data()
    content = bytearray(file.getvalue())
    start = content_start(file, "archive/data/0")
    assert content[start:][: x.nbytes] == bytes(x.nbytes)
    content[start : start + x.nbytes] = x.numpy().tobytes()
    loaded = load(io.BytesIO(content))
    assert loaded[0].tolist() == x.tolist()
    assert loaded[1].tolist() == [0]


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_without_their_values(zipped):
    file = io.BytesIO()
    save([wrap(np.ones((2, 3))), 5], file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    with skip_data():
        loaded = load(file)
    assert (loaded[0].shape, loaded[0].dtype, loaded[1]) == ((2, 3), rushlight.float64, 5)


# ---- devices ------------------------------------------------------------------------------------


def test_a_device_of_another_package():
    moved = []

    def place(storage, location):
        return moved.append(location) or storage if location.startswith("toy") else None

    serialization.register_package(5, lambda storage: "toy:0", place)
    file = saved(wrap(np.ones(2)))
    assert load(file).tolist() == [1, 1]
    assert moved == ["toy:0"]
    locations._packages.clear()
    file.seek(0)
    with pytest.raises(RuntimeError, match="don't know how to restore data location 'toy:0'"):
        load(file)


def test_packages_are_asked_by_priority():
    for priority, answer in ((20, "late"), (10, "early"), (5, None)):
        serialization.register_package(priority, lambda s, a=answer: a, lambda s, where: None)
    assert serialization.location_tag(rushlight.ones(1).untyped_storage()) == "early"


def test_places_without_packages():
    storage = rushlight.ones(1).storage()
    assert serialization.location_tag(storage) == "cpu"
    assert serialization.default_restore_location(storage, "cpu") is storage
    for call in (
        serialization.default_restore_location,
        lambda s, p: serialization.validate_cuda_device(p),
    ):
        with pytest.raises(RuntimeError, match="cuda:1, which is not to be had here"):
            call(storage, "cuda:1")


# ---- what a file asks for -----------------------------------------------------------------------


class Point:
    pass


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_unsafe_globals(protocol, path):
    obj = [rushlight.nn.Linear(1, 1), Point(), Point(), {"w": rushlight.ones(1)}, rushlight.float16]
    save(obj, path, pickle_protocol=protocol)
    expected = [f"{__name__}.Point", "torch.nn.modules.linear.Linear"]
    assert get_unsafe_globals_in_checkpoint(path) == expected
    with serialization.safe_globals([Point]):
        assert get_unsafe_globals_in_checkpoint(str(path)) == expected[1:]
        with serialization.safe_globals([rushlight.nn.Linear]):
            assert get_unsafe_globals_in_checkpoint(path) == []
    with open(path, "rb") as file:
        assert get_unsafe_globals_in_checkpoint(file) == expected


def test_files_without_globals(path):
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="Expected input to be a checkpoint .* a web page"):
        get_unsafe_globals_in_checkpoint(path)
    save(1, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="in the format of PyTorch before 1.6"):
        get_unsafe_globals_in_checkpoint(path)
