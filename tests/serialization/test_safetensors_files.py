"""Files of the safetensors format, known by their names."""

import builtins
import errno
import io
import json
import os
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

import rushlight
from rushlight.serialization import load, replacing, safetensors_files, save
from rushlight.tensor import wrap

safetensors = pytest.importorskip("safetensors")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32"]
DTYPES += ["float64", "complex64"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
@pytest.mark.parametrize("mapped", [False, True])
def test_dtypes_and_shapes(path, name, shape, mapped):
    kind = getattr(rushlight, name)
    values = np.arange(np.prod(shape)).reshape(shape).astype(kind.numpy)
    save({"x": wrap(values), "odd": wrap(np.ones(3, np.int8))}, path)
    loaded = load(path, mmap=mapped)
    assert (loaded["x"].dtype, loaded["x"].shape) == (kind, shape)
    assert np.array_equal(loaded["x"].numpy(), values)
    assert loaded["x"].numpy().flags.writeable
    assert loaded["x"].numpy().flags.aligned


def test_the_library_reads_it(path):
    save(OrderedDict(a=rushlight.ones(2), b=rushlight.arange(3)), str(path))
    read = safetensors_numpy.load_file(path)
    assert {name: x.tolist() for name, x in read.items()} == {"a": [1, 1], "b": [0, 1, 2]}


def test_what_the_library_wrote_is_read(path):
    safetensors_numpy.save_file({"a": np.ones(2)}, path, metadata={"note": "text"})
    loaded = load(path)
    assert loaded["a"].tolist() == [1, 1]
    assert loaded.metadata == {"note": "text"}
    assert isinstance(loaded, dict)


def test_metadata_goes_and_comes(path):
    save({"a": rushlight.ones(1)}, path)
    loaded = load(path)
    assert loaded.metadata == {"format": "pt"}
    loaded.metadata["author"] = "é"
    save(loaded, path)
    assert load(path).metadata == {"format": "pt", "author": "é"}
    # A checkpoint keeps it, too.
    file = io.BytesIO()
    save(loaded, file)
    file.seek(0)
    assert load(file).metadata == loaded.metadata
    loaded.metadata["epoch"] = 3
    with pytest.raises(TypeError, match="are texts by name, not 'epoch': 3"):
        save(loaded, path)


def test_a_state_dict(path):
    model = rushlight.nn.Sequential(rushlight.nn.Linear(2, 3), rushlight.nn.BatchNorm1d(3))
    save(model.state_dict(), path)
    other = rushlight.nn.Sequential(rushlight.nn.Linear(2, 3), rushlight.nn.BatchNorm1d(3))
    other.load_state_dict(load(path))
    assert other[0].weight.tolist() == model[0].weight.tolist()


def test_tensors_that_are_not_contiguous(path):
    x = rushlight.arange(6.0).reshape(2, 3)
    save({"t": x.t(), "last": x.clone()[:, 2], "grad": rushlight.ones(1, requires_grad=True)}, path)
    loaded = load(path)
    assert loaded["t"].tolist() == x.t().tolist()
    assert loaded["last"].tolist() == [2, 5]
    assert not loaded["grad"].requires_grad


def test_shared_memory_is_refused(path):
    x = rushlight.arange(6.0)
    for other in (x, x[2:4], x.reshape(2, 3).t()):
        with pytest.raises(RuntimeError, match="'first' and 'second' share memory, which"):
            save({"first": x, "alone": rushlight.ones(1), "second": other}, path)
    save({"first": x[:3], "second": x[3:]}, path)
    assert load(path)["second"].tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    "obj, message",
    [
        ([1], "holds a dictionary of tensors, not a list"),
        ({"a": 1}, "but 'a' is a int"),
        ({1: rushlight.ones(1)}, "but 1 is a Tensor"),
        ({"a": {"b": rushlight.ones(1)}}, "but 'a' is a dict"),
        ({"a": rushlight.ones(1).to(rushlight.complex128)}, "'a' is of torch.complex128, which"),
        ({"a": rushlight.ones(1, device="meta")}, "'a' is on the meta device"),
    ],
)
def test_what_the_format_does_not_hold(path, obj, message):
    with pytest.raises(TypeError, match=message):
        save(obj, path)
    assert not path.exists()


def test_devices(path):
    save({"a": rushlight.ones(2, dtype=rushlight.bfloat16)}, path)
    loaded = load(path, map_location="meta")
    assert (loaded["a"].is_meta, loaded["a"].dtype) == (True, rushlight.bfloat16)
    assert load(path, map_location=rushlight.device("cpu"))["a"].tolist() == [1, 1]
    for target in ({"cpu": "meta"}, lambda storage, where: storage):
        with pytest.raises(TypeError, match="map_location must be a device, or None"):
            load(path, map_location=target)


def test_a_mapped_file_is_not_written_to(path):
    save({"a": rushlight.zeros(3)}, path)
    load(path)["a"].numpy()[:] = 7
    assert load(path)["a"].tolist() == [0, 0, 0]


def test_the_old_file_stays_until_the_new_one_is_whole(path, monkeypatch):
    save({"a": rushlight.zeros(1)}, path)

    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(replacing.os, "fsync", fail)
        with pytest.raises(OSError, match="the old file is as it was"):
            save({"a": rushlight.ones(1)}, path)
    assert load(path)["a"].tolist() == [0]
    assert os.listdir(path.parent) == [path.name]
    save({"a": rushlight.ones(1)}, path)
    assert load(path)["a"].tolist() == [1]
    assert os.listdir(path.parent) == [path.name]


def test_what_the_library_refuses_does_not_take_the_place_of_the_old_file(path, monkeypatch):
    save({"a": rushlight.zeros(1)}, path)
    with monkeypatch.context() as patch:
        patch.setitem(safetensors_files._CODES, np.dtype(np.float32), "F99")
        with pytest.raises(safetensors.SafetensorError):
            save({"a": rushlight.ones(1)}, path)
    assert load(path)["a"].tolist() == [0]
    assert os.listdir(path.parent) == [path.name]


# ---- other and broken files ---------------------------------------------------------------------


def test_names_that_do_not_fit(tmp_path, path):
    save({"a": rushlight.ones(1)}, tmp_path / "model.pt")
    os.rename(tmp_path / "model.pt", path)
    with pytest.raises(pickle.UnpicklingError, match="is no safetensors file, but a checkpoint"):
        load(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(
        pickle.UnpicklingError, match="model.safetensors is no .*: it is a web page"
    ):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(EOFError, match="model.safetensors is empty"):
        load(path)
    with pytest.raises(FileNotFoundError, match="there is 'model.safetensors'"):
        load(tmp_path / "modell.safetensors")
    save({"a": rushlight.ones(1)}, path)
    os.rename(path, tmp_path / "model.pt")
    with pytest.raises(pickle.UnpicklingError, match="rename it to end in .safetensors"):
        load(tmp_path / "model.pt")


def test_every_shortened_file_is_refused(path):
    save({"a": rushlight.arange(4.0)}, path)
    content = path.read_bytes()
    for length in range(1, len(content)):
        path.write_bytes(content[:length])
        for mapped in (False, True):
            with pytest.raises(
                (RuntimeError, pickle.UnpicklingError), match="model.safetensors is"
            ):
                load(path, mmap=mapped)


def table(**entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        table(a={"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}) + bytes(4),
        table(a={"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}) + bytes(4),
        table(a={"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}) + bytes(8),
        table(a={"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 0]}),
        table(a={"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}) + bytes(8),
        table(a={"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}) + bytes(4),
        table(
            a={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            b={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        ) + bytes(4),
        struct.pack("<Q", 5) + b"{}" + b" " * 20,
        struct.pack("<Q", 1 << 31) + b"{}",
    ],
)  # fmt: skip
def test_tables_that_lie(path, content):
    path.write_bytes(content)
    for mapped in (False, True):
        with pytest.raises(RuntimeError, match="model.safetensors is damaged"):
            load(path, mmap=mapped)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_dtype_that_is_not_here(path, mapped):
    safetensors_numpy.save_file({"a": np.ones(2, np.uint16)}, path)
    with pytest.raises(RuntimeError, match="the tensor 'a' is of U16, which Rushlight has not"):
        load(path, mmap=mapped)


def test_without_the_library(path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **options):
        if name.partition(".")[0] == "safetensors":
            raise ImportError(name)
        return real(name, *args, **options)

    path.write_bytes(table())
    monkeypatch.setattr(builtins, "__import__", refuse)
    for call in (lambda: load(path), lambda: save({}, path)):
        with pytest.raises(ImportError, match=r"pip install 'rushlight\[safetensors\]'"):
            call()


def test_file_objects_are_checkpoints(path):
    with open(path, "wb") as file:
        save([1], file)
    assert load(io.BytesIO(path.read_bytes())) == [1]
