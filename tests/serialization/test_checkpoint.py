"""What goes into a checkpoint comes out of it, and a file is replaced as a whole or not at all."""

import io
import os
import pathlib
import pickle
import stat
from collections import Counter, OrderedDict

import ml_dtypes
import numpy as np
import pytest

import rushlight
from rushlight.nn.parameter import Parameter
from rushlight.serialization import checkpoint, load, replacing, save
from rushlight.tensor import wrap


def saved(obj, **options):
    file = io.BytesIO()
    save(obj, file, **options)
    file.seek(0)
    return file


def trip(obj, **options):
    return load(saved(obj), **options)


def tensor(values, dtype=np.float32):
    return wrap(np.array(values, dtype))


# ---- contents -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "obj",
    [
        1, -1, 255, 70000, 10**30, 2.5, float("inf"), True, False, None, "text", "é", "",
        b"\x00\xff", bytearray(b"ab"), 1 + 2j, [1, [2]], (), (1,), (1, 2, 3, 4), {"a": {1: 2}},
        {1, 2}, set(), frozenset([1]), OrderedDict(b=1, a=2), Counter("aab"),
        rushlight.Size([2, 3]), rushlight.device("cpu"), rushlight.device("cuda:1"),
        rushlight.bfloat16, {(1, "a"): rushlight.bool},
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_python_objects(obj, protocol):
    loaded = load(saved([obj, obj], pickle_protocol=protocol))
    assert loaded == [obj, obj]
    assert [type(x) for x in loaded] == [type(obj)] * 2


@pytest.mark.parametrize(
    "name",
    [
        "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
        "float64", "complex64", "complex128",
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (0, 3), (1, 1, 2)])
def test_dtypes_and_shapes(name, shape):
    kind = getattr(rushlight, name)
    values = np.arange(np.prod(shape)).reshape(shape).astype(kind.numpy)
    loaded = trip(wrap(values))
    assert loaded.dtype is kind
    assert loaded.shape == shape
    assert np.array_equal(loaded.numpy(), values)


def test_special_values_keep_every_bit():
    bits = np.array([0x7FC00001, 0xFF800000, 0x80000000, 1], np.uint32)
    assert np.array_equal(trip(wrap(bits.view(np.float32))).numpy().view(np.uint32), bits)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[1:],
        lambda a: a[:, ::2],
        lambda a: a[1, 2:3].reshape(()),
        lambda a: a[::3, 1:2],
        lambda a: a.reshape(2, 2, 6).transpose(2, 0, 1),
        lambda a: np.broadcast_to(a[:, :1], (4, 6)),
        lambda a: a[2:2],
    ],
)
def test_views_keep_their_strides_and_share_memory(view):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    whole, part = trip([wrap(base), wrap(view(base))])
    expected = view(whole.numpy())
    assert np.array_equal(part.numpy(), view(base))
    assert part.stride() == wrap(expected).stride()
    assert np.shares_memory(part.numpy(), whole.numpy()) == (expected.size > 0)


def test_a_view_brings_all_of_its_memory():
    base = np.arange(10, dtype=np.int64)
    part = trip(wrap(base[3:5]))
    assert (part.storage_offset(), part.numpy().base.size) == (3, 80)


def test_shared_memory_is_written_once():
    base = np.zeros(10_000, np.float32)
    file = saved([wrap(base), wrap(base[:5000]), wrap(base.reshape(100, 100).T)])
    assert len(file.getvalue()) < 45_000


def test_the_same_tensor_is_the_same_object():
    a = tensor([1, 2])
    first, second = trip([a, a])
    assert first is second


def test_arrays_that_numpy_made_backwards_are_saved_in_order():
    base = np.arange(6, dtype=np.float32)
    assert trip(wrap(base[::-1])).tolist() == [5, 4, 3, 2, 1, 0]


def test_fields_of_records_are_saved_alone():
    records = np.zeros(3, [("key", np.uint8), ("value", "<f4")])
    records["value"] = [1, 2, 3]
    assert trip(wrap(records["value"])).tolist() == [1, 2, 3]


def test_channels_last_strides():
    values = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3).transpose(0, 3, 1, 2)
    loaded = trip(wrap(values))
    assert loaded.stride() == (24, 1, 12, 3)
    assert np.array_equal(loaded.numpy(), values)


def test_a_private_memory_order_is_not_shown():
    x = wrap(np.arange(6, dtype=np.float32).reshape(2, 3).T)
    x._private = True
    loaded = trip(x)
    assert loaded.stride() == (2, 1)
    assert loaded.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_one_memory_as_two_dtypes_is_refused():
    base = np.zeros(4, np.float32)
    with pytest.raises(RuntimeError, match=r"different types \(torch.float32 and torch.int32\)"):
        save([wrap(base), wrap(base.view(np.int32))], io.BytesIO())


def test_requires_grad():
    x = tensor([1.0]).requires_grad_()
    assert trip([x, tensor([1.0])])[0].requires_grad
    assert not trip([x, tensor([1.0])])[1].requires_grad


def test_parameters():
    frozen = Parameter(tensor([2.0]), requires_grad=False)
    loaded = trip([Parameter(tensor([1.0])), frozen])
    assert [type(p) for p in loaded] == [Parameter] * 2
    assert [p.requires_grad for p in loaded] == [True, False]
    assert [p.tolist() for p in loaded] == [[1.0], [2.0]]


def test_attributes_of_tensors():
    x, p = tensor([1.0]), Parameter(tensor([2.0]))
    x.note, p.tags = "first", ["a", "b"]
    loaded = trip([x, p])
    assert (loaded[0].note, loaded[1].tags) == ("first", ["a", "b"])
    assert type(loaded[1]) is Parameter


def test_meta_tensors():
    loaded = trip(rushlight.empty(2, 3, device="meta", dtype=rushlight.float16))
    assert (loaded.device.type, loaded.shape, loaded.dtype) == ("meta", (2, 3), rushlight.float16)


def test_metadata_of_a_state_dict():
    state = OrderedDict(w=tensor([1.0]))
    state._metadata = OrderedDict({"": {"version": 1}})
    assert trip(state)._metadata == {"": {"version": 1}}


def test_optimizer_state():
    state = {
        "state": {0: {"step": tensor(3.0), "exp_avg": tensor([[0.5]])}},
        "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999), "amsgrad": False, "params": [0]}],
    }
    loaded = trip(state)
    assert loaded["param_groups"] == state["param_groups"]
    assert loaded["state"][0]["step"].item() == 3.0
    assert loaded["state"][0]["exp_avg"].tolist() == [[0.5]]


def test_a_list_that_contains_itself():
    obj = [1]
    obj.append(obj)
    loaded = trip(obj)
    assert loaded[1] is loaded


def test_loaded_tensors_can_be_written_to():
    loaded = trip([tensor([1.0]), tensor(np.zeros(100_000))])
    for x in loaded:
        x.numpy()[0] = 7
    assert [x.numpy()[0] for x in loaded] == [7, 7]


class Whole:
    def __init__(self, weight):
        self.weight = weight


def test_any_object_when_the_file_is_trusted():
    loaded = trip(Whole(tensor([1.0, 2.0])), weights_only=False)
    assert loaded.weight.tolist() == [1, 2]


def test_pickle_load_args_reach_the_unpickler():
    assert load(saved({"text": "é"}), encoding="latin1") == {"text": "é"}


# ---- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_paths(tmp_path, kind):
    path = kind(tmp_path / "model é.pt")
    save({"w": tensor([1.0])}, path)
    assert load(path)["w"].tolist() == [1.0]


def test_file_objects(tmp_path):
    with open(tmp_path / "model.pt", "wb") as file:
        save([1], file)
    with open(tmp_path / "model.pt", "rb") as file:
        assert load(file) == [1]


def test_a_file_object_that_cannot_seek():
    class Pipe(io.RawIOBase):
        content = b""

        def writable(self):
            return True

        def write(self, data):
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    save([tensor([1.0, 2.0]), 3], pipe)
    assert load(io.BytesIO(pipe.content))[0].tolist() == [1, 2]


def test_a_file_object_without_readinto():
    class Remote:
        def __init__(self, content):
            self.file = io.BytesIO(content)
            self.seek, self.tell, self.read = self.file.seek, self.file.tell, self.file.read

    content = saved(tensor(np.arange(100_000))).getvalue()
    assert load(Remote(content)).numpy()[-1] == 99_999


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a.pt", "b.pt"):
        save({"w": tensor([1.0]), "n": [1, 2]}, tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_mmap(tmp_path):
    save([tensor(np.arange(50_000)), tensor([True], bool), tensor([])], tmp_path / "m.pt")
    big, small, empty = load(tmp_path / "m.pt", mmap=True)
    assert big.numpy()[-1] == 49_999
    assert small.tolist() == [True]
    assert empty.tolist() == []
    big.numpy()[0] = 5
    assert load(tmp_path / "m.pt")[0].numpy()[0] == 0


def test_mmap_needs_a_path():
    with pytest.raises(ValueError, match="f must be a file path"):
        load(io.BytesIO(b"PK"), mmap=True)


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    save(1, tmp_path / "model.pt")
    save(2, tmp_path / "model.pt")
    assert load(tmp_path / "model.pt") == 2
    assert os.listdir(tmp_path) == ["model.pt"]


@pytest.mark.parametrize("obj", [lambda: 0, {"w": [open]}.__iter__()])
def test_what_cannot_be_pickled_leaves_the_old_file(tmp_path, obj):
    save("old", tmp_path / "model.pt")
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save([tensor([1.0]), obj, (x for x in [1])], tmp_path / "model.pt")
    assert load(tmp_path / "model.pt") == "old"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch, failing):
    save("old", tmp_path / "model.pt")

    def fail(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(replacing.os, failing, fail)
    with pytest.raises(OSError, match="no space left"):
        save("new", tmp_path / "model.pt")
    assert os.listdir(tmp_path) == ["model.pt"]
    assert load(tmp_path / "model.pt") == "old"


def test_content_is_on_the_disk_before_the_old_file_goes(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def record(*args, name=name, real=real):
            calls.append(name)
            return real(*args)

        monkeypatch.setattr(replacing.os, name, record)
    save(1, tmp_path / "model.pt")
    assert calls == ["fsync", "replace", "fsync"]


def test_permissions_stay(tmp_path):
    save(1, tmp_path / "model.pt")
    os.chmod(tmp_path / "model.pt", 0o640)
    save(2, tmp_path / "model.pt")
    assert stat.S_IMODE(os.stat(tmp_path / "model.pt").st_mode) == 0o640


def test_a_link_keeps_pointing_at_the_file(tmp_path):
    save(1, tmp_path / "real.pt")
    os.symlink(tmp_path / "real.pt", tmp_path / "link.pt")
    save(2, tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink()
    assert load(tmp_path / "real.pt") == 2


def test_a_device_is_written_to(tmp_path):
    save([1], os.devnull)
    assert not os.path.isfile(os.devnull)


# ---- devices ------------------------------------------------------------------------------------


@pytest.fixture
def saved_on_cuda(monkeypatch):
    """A file whose two storages say that they were on a CUDA device."""
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "location_tag", lambda block: "cuda:0")
        return saved([tensor([1.0]), tensor([2.0])])


@pytest.mark.parametrize(
    "target", ["cpu", rushlight.device("cpu"), {"cuda:0": "cpu"}, lambda storage, where: storage]
)
def test_map_location(saved_on_cuda, target):
    assert [x.item() for x in load(saved_on_cuda, map_location=target)] == [1, 2]


@pytest.mark.parametrize("target", [None, {"cuda:1": "cpu"}, lambda storage, where: None, "cuda"])
def test_a_device_that_is_not_there(saved_on_cuda, target):
    with pytest.raises(RuntimeError, match="has tensors for cuda.* map_location='cpu'"):
        load(saved_on_cuda, map_location=target)


def test_a_function_sees_where_each_storage_was(saved_on_cuda):
    seen = []
    load(saved_on_cuda, map_location=lambda storage, where: seen.append(where) or storage.cpu())
    assert seen == ["cuda:0", "cuda:0"]


def test_map_location_meta():
    loaded = trip(wrap(np.arange(6.0).reshape(2, 3).T), map_location="meta")
    assert (loaded.is_meta, loaded.shape, loaded.dtype) == (True, (3, 2), rushlight.float64)


def test_unknown_device():
    with pytest.raises(RuntimeError, match="don't know how to restore data location 'tpu'"):
        trip(tensor([1.0]), map_location="tpu")


def test_a_function_must_return_the_storage():
    with pytest.raises(TypeError, match="must return the storage .* but returned str"):
        trip(tensor([1.0]), map_location=lambda storage, where: "cpu")


# ---- mistakes -----------------------------------------------------------------------------------


def test_a_missing_file_names_what_is_there(tmp_path):
    save(1, tmp_path / "model_10.pt")
    with pytest.raises(FileNotFoundError, match="No such file in .*; there is 'model_10.pt'"):
        load(tmp_path / "model_1O.pt")
    with pytest.raises(FileNotFoundError, match="the folder .*nowhere does not exist"):
        load(tmp_path / "nowhere" / "model.pt")


def test_folders(tmp_path):
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    with pytest.raises(RuntimeError, match="is a folder"):
        save(1, tmp_path)
    with pytest.raises(RuntimeError, match="the folder .*nowhere does not exist"):
        save(1, tmp_path / "nowhere" / "model.pt")


def test_what_is_no_file():
    with pytest.raises(AttributeError, match="a path or a file-like object .* got int"):
        save(1, 3)
    with pytest.raises(AttributeError, match="read yours into an io.BytesIO first"):
        load(3)
    with pytest.raises(TypeError, match="opened as text"):
        load(io.StringIO("text"))


def test_a_file_object_at_its_end():
    file = saved(1)
    file.seek(0, 2)
    with pytest.raises(EOFError, match=r"call seek\(0\) first"):
        load(file)


def test_options_that_do_not_go_together():
    with pytest.raises(RuntimeError, match="Can not safely load weights"):
        load(io.BytesIO(), pickle_module=pickle, weights_only=True)
    with pytest.raises(ValueError, match="pickle_protocol must be 2, 3, 4 or 5, but got 1"):
        save(1, io.BytesIO(), pickle_protocol=1)


def test_pickle_modules():
    class Python:
        __name__ = "python"
        Pickler = pickle._Pickler
        Unpickler = pickle.Unpickler

    class Compiled:
        __name__ = "compiled"
        Pickler = type("Pickler", (pickle.Pickler,), {})
        Unpickler = pickle.Unpickler

    with pytest.raises(TypeError, match="the Pickler of compiled is compiled, .* in protocol 4"):
        save(1, io.BytesIO(), pickle_module=Compiled(), pickle_protocol=4)
    for module in (Python(), Compiled()):
        file = saved([tensor([1.0]), rushlight.float64], pickle_module=module)
        loaded = load(file, pickle_module=module)
        assert (loaded[0].tolist(), loaded[1]) == ([1.0], rushlight.float64)


def test_load_leaves_ml_dtypes_arrays_as_they_are():
    values = np.array([1.5, -2], ml_dtypes.bfloat16)
    assert trip(wrap(values)).numpy().dtype == ml_dtypes.bfloat16
