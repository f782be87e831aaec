"""The format of PyTorch before 1.6: what goes in comes out, and nothing in it is trusted."""

import io
import pickle
import struct
import sys

import numpy as np
import pytest

import rushlight
from rushlight.serialization import legacy, load, save
from rushlight.tensor import wrap

NAME = {"FloatStorage": np.float32, "BoolStorage": np.bool_}


def saved(obj, **options):
    file = io.BytesIO()
    save(obj, file, _use_new_zipfile_serialization=False, **options)
    return file.getvalue()


def trip(obj, **options):
    return load(io.BytesIO(saved(obj)), **options)


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32"]
DTYPES += ["float64", "complex64", "complex128"]


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_dtypes_and_shapes(name, shape):
    kind = getattr(rushlight, name)
    values = np.arange(np.prod(shape)).reshape(shape).astype(kind.numpy)
    loaded = trip(wrap(values))
    assert (loaded.dtype, loaded.shape) == (kind, shape)
    assert np.array_equal(loaded.numpy(), values)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(protocol):
    content = saved({"w": rushlight.ones(2), "s": ["é", b"\xff"]}, pickle_protocol=protocol)
    loaded = load(io.BytesIO(content))
    assert (loaded["w"].tolist(), loaded["s"]) == ([1, 1], ["é", b"\xff"])


def test_views_share_memory():
    base = wrap(np.arange(12, dtype=np.float32).reshape(3, 4))
    whole, part = trip([base, base.T[1:]])
    assert part.stride() == (1, 4)
    whole.numpy()[:] = 7
    assert set(part.numpy().ravel()) == {7.0}


def test_whole_objects():
    model = rushlight.nn.Sequential(rushlight.nn.Linear(2, 3), rushlight.nn.ReLU())
    optimizer = rushlight.optim.SGD(model.parameters(), lr=0.5)
    loaded, other = trip([model, optimizer], weights_only=False)
    x = rushlight.ones(1, 2)
    assert loaded(x).tolist() == model(x).tolist()
    assert other.param_groups[0]["params"][0] is loaded[0].weight
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.container.Sequential"):
        trip(model)


def test_objects_one_after_the_other():
    file = io.BytesIO(b"before" + saved([1]) + saved([rushlight.ones(2)]) + saved([3]))
    file.seek(6)
    assert load(file) == [1]
    assert load(file)[0].tolist() == [1, 1]
    assert load(file) == [3]
    with pytest.raises(EOFError, match="at its end"):
        load(file)


def test_files_by_path(tmp_path):
    path = tmp_path / "old.pt"
    path.write_bytes(saved({"w": rushlight.arange(100_000)}))
    assert load(path)["w"].numpy()[-1] == 99_999
    with pytest.raises(RuntimeError, match="old.pt is in the format of PyTorch before 1.6, which"):
        load(path, mmap=True)


def test_a_file_without_readinto():
    class Remote:
        def __init__(self, content):
            self.file = io.BytesIO(content)
            for name in ("seek", "tell", "read", "readline"):
                setattr(self, name, getattr(self.file, name))

    assert load(Remote(saved(rushlight.arange(1000.0)))).numpy()[-1] == 999


def test_map_location():
    seen = []
    loaded = trip(wrap(np.ones(2)), map_location=lambda s, where: seen.append((where, len(s))) or s)
    assert (seen, loaded.tolist()) == ([("cpu", 2)], [1, 1])
    assert trip(wrap(np.ones(2)), map_location="meta").is_meta


def test_the_other_byte_order(monkeypatch):
    values = [wrap(np.array([1.5, -2], np.float32)), wrap(np.array([1 + 2j])), wrap(np.array([3]))]
    content = saved(values)
    # Files are little-endian everywhere.
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    swapped = load(io.BytesIO(content))
    assert [x.numpy().byteswap().tolist() for x in swapped] == [[1.5, -2], [1 + 2j], [3]]
    assert saved(values)[-8:] == content[-8:][::-1]


# ---- written by hand ----------------------------------------------------------------------------


def old_file(obj_pickle, *storages, keys=None):
    """A file with the pickle of the object, and (key, values) of storages behind it."""
    parts = [pickle.dumps(x, 2) for x in (legacy._MAGIC_NUMBER, 1001, {"little_endian": True})]
    parts += [obj_pickle, pickle.dumps([key for key, _ in storages] if keys is None else keys, 2)]
    for _, values in storages:
        parts += [struct.pack("<q", values.size), values.tobytes()]
    return io.BytesIO(b"".join(parts))


def text(value):
    return pickle.BINUNICODE + struct.pack("<I", len(value)) + value.encode()


def short(value):
    return pickle.SHORT_BINSTRING + bytes([len(value)]) + value


def glob(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def number(value):
    return pickle.dumps(value, 2)[2:-1]


def storage(kind="torch\nFloatStorage", key="7", location="cpu", count=6, view=None, text=text):
    fields = [text("storage"), pickle.GLOBAL + kind.encode() + b"\n", text(key), text(location)]
    fields += [number(count), pickle.NONE if view is None else view]
    return pickle.MARK + b"".join(fields) + pickle.TUPLE + pickle.BINPERSID


def tensor(source, size=(6,), stride=(1,), offset=0, name="_rebuild_tensor"):
    fields = source + number(offset) + number(size) + number(stride)
    call = glob("torch._utils", name) + pickle.MARK + fields
    return call + pickle.TUPLE + pickle.REDUCE


SIX = np.arange(6, dtype=np.float32)


def test_the_oldest_tensors():
    assert load(old_file(tensor(storage()) + b".", ("7", SIX))).tolist() == [0, 1, 2, 3, 4, 5]


def test_storage_classes_of_cuda():
    file = old_file(
        tensor(storage("torch.cuda\nFloatStorage", location="cuda:0")) + b".", ("7", SIX)
    )
    assert load(file, map_location="cpu").tolist() == SIX.tolist()


def test_python_2():
    source = storage(text=lambda value: short(value.encode()))
    file = old_file(short(b"caf\xe9") + tensor(source) + pickle.TUPLE2 + b".", ("7", SIX))
    name, loaded = load(file, encoding="latin1")
    assert (name, loaded.tolist()) == ("café", SIX.tolist())
    file.seek(0)
    assert load(file, encoding="bytes")[0] == b"caf\xe9"


def test_parts_of_storages():
    view = text("8") + number(2) + number(3) + pickle.TUPLE3
    part = tensor(storage(view=view), size=(3,))
    whole, first, second = load(
        old_file(pickle.MARK + tensor(storage()) + part + part + pickle.TUPLE + b".", ("7", SIX))
    )
    assert first.tolist() == second.tolist() == [2, 3, 4]
    whole.numpy()[:] = 9
    assert first.tolist() == second.tolist() == [9, 9, 9]


def test_conjugates_wait_for_their_values():
    values = np.array([1 + 2j, 3 - 1j], np.complex64)
    fields = (
        storage("torch\nComplexFloatStorage", count=2) + number(0) + number((2,)) + number((1,))
    )
    fields += pickle.NEWFALSE + pickle.NONE + pickle.EMPTY_DICT + text("conj") + pickle.NEWTRUE
    call = glob("torch._utils", "_rebuild_tensor_v2") + pickle.MARK + fields + pickle.SETITEM
    loaded = load(old_file(call + pickle.TUPLE + pickle.REDUCE + b".", ("7", values)))
    assert loaded.tolist() == [1 - 2j, 3 + 1j]


def test_bytes_that_are_no_bool_count_as_true():
    file = old_file(
        tensor(storage("torch\nBoolStorage", count=3), size=(3,)) + b".",
        ("7", np.array([2, 0, 255], np.uint8)),
    )
    assert load(file).numpy().view(np.uint8).tolist() == [1, 0, 1]


def test_the_source_of_a_class_is_not_looked_at():
    layer = glob("torch.nn.modules.linear", "Identity")
    fields = text("module") + layer + text("/x/linear.py") + text("class Identity: ...")
    pickled = pickle.MARK + fields + pickle.TUPLE + pickle.BINPERSID + b"."
    assert load(old_file(pickled), weights_only=False) is rushlight.nn.Identity
    with pytest.raises(
        pickle.UnpicklingError, match="torch.nn.modules.linear.Identity, which is not"
    ):
        load(old_file(pickled))


# ---- hostile ------------------------------------------------------------------------------------


def test_every_shortened_file_is_refused(tmp_path):
    content = saved({"w": wrap(SIX), "b": wrap(np.array([True]))})
    for length in range(1, len(content)):
        with pytest.raises((pickle.UnpicklingError, EOFError), match="^load: the BytesIO "):
            load(io.BytesIO(content[:length]))
    (tmp_path / "old.pt").write_bytes(content[:-1])
    for weights_only in (True, False):
        with pytest.raises(pickle.UnpicklingError, match="old.pt cannot be loaded: .*storage"):
            load(tmp_path / "old.pt", weights_only=weights_only)


def test_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    harm = glob("os", "mkdir") + text("harm") + pickle.TUPLE1 + pickle.REDUCE + b"."
    first = pickle.dumps(legacy._MAGIC_NUMBER, 2)
    for content in (old_file(harm), io.BytesIO(first + harm), io.BytesIO(first + first + harm)):
        with pytest.raises(pickle.UnpicklingError):
            load(content)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "source, message",
    [
        (storage(count=1 << 40), "its storages take .* left in the file: it is probably cut off"),
        (storage(count=-1), "which is none"),
        (storage(count=7), "its storages take|should have 7 elements"),
        (storage(count=5), "should have 5 elements"),
        (storage(kind="torch\nfloat32"), "which is none"),
        (storage(view=number((1, 2))), "no part of a storage"),
        (
            storage(view=text("8") + number(4) + number(3) + pickle.TUPLE3),
            "no part of a storage of 6",
        ),
        (storage(view=text("8") + number(-1) + number(3) + pickle.TUPLE3), "no part of a storage"),
        (storage(key="9"), r"its storages are \['9'\], but it lists \['7'\]"),
        (text("storage") + pickle.TUPLE1 + pickle.BINPERSID, "which is no storage"),
    ],
)
def test_storages_that_are_none(source, message):
    with pytest.raises(pickle.UnpicklingError, match=message):
        load(old_file(tensor(source, size=(5,)) + b".", ("7", SIX)))


@pytest.mark.parametrize("keys", [[], ["7", "7"], ["7", "8"], [7], "7", {"7": 1}, [["7"]], None])
def test_lists_of_keys_that_are_none(keys):
    content = old_file(tensor(storage()) + b".", ("7", SIX), keys=[keys] if keys is None else keys)
    with pytest.raises(pickle.UnpicklingError, match="but it lists|should have|is damaged"):
        load(content)


def test_another_version():
    parts = [pickle.dumps(x, 2) for x in (legacy._MAGIC_NUMBER, 1002, {}, [], [])]
    with pytest.raises(pickle.UnpicklingError, match="version 1002 of the format, not 1001"):
        load(io.BytesIO(b"".join(parts)))
