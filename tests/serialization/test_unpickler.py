"""What a file may ask for, and that nothing it asks for can do harm."""

import fractions
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pickle import (
    APPEND,
    BINPERSID,
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    NEWOBJ,
    REDUCE,
    SETITEM,
    STOP,
    TUPLE,
    TUPLE1,
    TUPLE2,
)

import numpy as np
import pytest

import rushlight
from rushlight.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    load,
    safe_globals,
    save,
)
from rushlight.tensor import wrap


@pytest.fixture(autouse=True)
def no_safe_globals():
    clear_safe_globals()
    yield
    clear_safe_globals()


def archive(pickled, **data):
    """A checkpoint with the pickle and the storages ``data``."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("archive/data.pkl", pickled)
        for key, content in data.items():
            written.writestr(f"archive/data/{key[1:]}", content)
    file.seek(0)
    return file


def name(module, attribute):
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def value(obj):
    return pickle.dumps(obj, 2)[2:-1]


def storage(kind="FloatStorage", key="0", location="cpu", size=6):
    fields = value("storage") + name("torch", kind) + value(key) + value(location) + value(size)
    return MARK + fields + TUPLE + BINPERSID


def tensor(offset=0, size=(2, 3), stride=(3, 1), requires_grad=False, source=None):
    fields = storage() if source is None else source
    for field in (offset, size, stride, requires_grad, OrderedDict()):
        fields += value(field)
    return name("torch._utils", "_rebuild_tensor_v2") + MARK + fields + TUPLE + REDUCE


SIX = np.arange(6, dtype=np.float32).tobytes()


def load_tensor(**changes):
    return load(archive(tensor(**changes) + STOP, _0=SIX))


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


class Point:
    def __init__(self, x):
        self.x = x


class Callable:
    def __call__(self):
        return "called"


class Slotted:
    __slots__ = ("x",)


def saved(obj):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return file


# ---- what is refused ----------------------------------------------------------------------------


def test_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="mkdir, which is not known to be safe"):
        load(saved({"w": Harmful()}))
    assert os.listdir(tmp_path) == []


def test_the_refusal_names_the_cures():
    with pytest.raises(pickle.UnpicklingError) as raised:
        load(saved(fractions.Fraction(1, 2)))
    assert "it asks for fractions.Fraction" in str(raised.value)
    assert "add_safe_globals([fractions.Fraction])" in str(raised.value)
    assert "weights_only=False" in str(raised.value)


@pytest.mark.parametrize(
    "full_name",
    [
        "os.system", "builtins.eval", "__builtin__.exec", "builtins.getattr", "posix.system",
        "nt.system", "subprocess.Popen", "pickle.loads", "functools.partial", "operator.attrgetter",
        "rushlight.load", "rushlight.tensor.Tensor", "numpy.load", "collections.namedtuple",
        "collections.OrderedDict.__init__", "_codecs.decode", "torch.load", "torch.nn.Linear",
    ],
)  # fmt: skip
def test_other_names_are_refused(full_name):
    module, _, attribute = full_name.rpartition(".")
    short = name(module, attribute) + STOP
    long = b"\x80\x04" + value(module) + value(attribute) + pickle.STACK_GLOBAL + STOP
    for pickled in (short, long):
        with pytest.raises(pickle.UnpicklingError, match="not known to be safe|does not have"):
            load(archive(pickled))


def test_names_of_pytorch_without_counterpart():
    with pytest.raises(pickle.UnpicklingError, match="torch.float8_e4m3fn, which Rushlight does"):
        load(archive(name("torch", "float8_e4m3fn") + STOP))
    for weights_only in (True, False):
        with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.nope.Nope, which Rush"):
            file = archive(name("torch.nn.modules.nope", "Nope") + STOP)
            load(file, weights_only=weights_only)


CALL = EMPTY_TUPLE + REDUCE


@pytest.mark.parametrize(
    "pickled",
    [
        value(1) + CALL,  # calls what is no function
        name("torch", "float32") + CALL,
        name("torch", "FloatStorage") + CALL,
        name("collections", "OrderedDict") + value([1]) + REDUCE,  # arguments in no tuple
        name("collections", "OrderedDict") + EMPTY_TUPLE + NEWOBJ,
        name("torch", "Tensor") + EMPTY_TUPLE + NEWOBJ,
        name("torch", "Size") + value({"a": 1}) + BUILD,  # sets attributes of a function
        name("torch._utils", "_rebuild_tensor_v2") + value({"function": 1}) + BUILD,
        name("torch._utils", "_rebuild_tensor_v2") + value((None, {"function": 1})) + BUILD,
        name("torch", "float32") + value({"numpy": 1}) + BUILD,
        tensor() + value({"_array": 1}) + BUILD,
        EMPTY_DICT + value({"a": 1}) + BUILD,
        value(OrderedDict()) + value({"items": 1}) + BUILD,  # would hide a method
        value(OrderedDict()) + value(([], {"a": 1})) + BUILD,
        value(OrderedDict()) + value([1]) + BUILD,
        value(1) + value(2) + APPEND,
        tensor() + value(0) + value(1) + SETITEM,
        EMPTY_LIST + value(0) + value(1) + SETITEM,
        EMPTY_DICT + EMPTY_LIST + value(1) + SETITEM,  # an unhashable key
        name("builtins", "bytearray") + value(10**12) + TUPLE1 + REDUCE,
        name("builtins", "bytes") + value(10**12) + TUPLE1 + REDUCE,
        name("_codecs", "encode") + value("x") + value("rot13") + TUPLE2 + REDUCE,
        name("collections", "Counter") + value("ab") + TUPLE1 + REDUCE,
        pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 62),
        pickle.BINBYTES8 + struct.pack("<Q", 1 << 62) + b"x",
        pickle.LONG_BINPUT + struct.pack("<I", 1 << 31),
        pickle.LONG_BINGET + struct.pack("<I", 1 << 31),
        pickle.EXT1 + b"\x01",
        pickle.NEXT_BUFFER,
        pickle.INST + b"os\nsystem\n",
        pickle.PERSID + b"0\n",
        value("no id") + BINPERSID,
        value(("storage", "FloatStorage", "0", "cpu", 6)) + BINPERSID,
        storage(size=-1),
        storage(key=0),
        storage(location=None),
        b"\xff",
        b"",
        b"garbage",
    ],
)
def test_hostile_and_broken_pickles(pickled):
    with pytest.raises(pickle.UnpicklingError, match="^load: the BytesIO cannot be loaded: "):
        load(archive(pickled + STOP, _0=SIX))


def test_deep_keys_do_not_overflow_the_stack():
    nested = value(1) + TUPLE1 * 300_000
    as_key = EMPTY_DICT + nested + value(1) + SETITEM
    as_item = name("builtins", "set") + EMPTY_LIST + nested + APPEND + TUPLE1 + REDUCE
    as_item_at_once = MARK + nested + pickle.FROZENSET
    for pickled in (as_key, as_item, as_item_at_once):
        with pytest.raises(pickle.UnpicklingError, match="nested too deeply"):
            load(archive(pickled + STOP))


def test_truncated_pickles():
    whole = tensor() + STOP
    assert load(archive(whole, _0=SIX)).tolist() == [[0, 1, 2], [3, 4, 5]]
    for length in range(len(whole)):
        with pytest.raises(pickle.UnpicklingError):
            load(archive(whole[:length], _0=SIX))


# ---- tensors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"size": (2, 4)},
        {"size": (3, 3)},
        {"offset": 1},
        {"stride": (4, 1)},
        {"stride": (1, 3)},
        {"size": (1,), "stride": (1,), "offset": 6},
        {"size": (), "stride": (), "offset": 6},
        {"size": (2**62, 2**62), "stride": (1, 1)},
        {"size": (2,), "stride": (2**63,)},
    ],
)
def test_views_outside_the_storage(changes):
    with pytest.raises(pickle.UnpicklingError, match="of storage 0, which has 6"):
        load_tensor(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": -1},
        {"size": (-2, 3)},
        {"stride": (-3, 1)},
        {"size": (2.0, 3)},
        {"size": "ab"},
        {"size": 6},
        {"offset": True},
        {"stride": (1,)},
        {"requires_grad": "yes"},
        {"size": (0, 2**62, 2**62), "stride": (1, 1, 1)},
        {"size": (2**62, 2**62), "stride": (0, 0)},
        {"size": (1,) * 100, "stride": (1,) * 100},
        {"source": value(None)},
        {"source": value([1.0] * 6)},
    ],
)
def test_descriptions_of_no_tensor(changes):
    with pytest.raises(pickle.UnpicklingError):
        load_tensor(**changes)


def test_views_that_just_fit():
    assert load_tensor(size=(2,), stride=(5,)).tolist() == [0, 5]
    assert load_tensor(size=(1, 1), stride=(100, 100), offset=5).tolist() == [[5]]
    assert load_tensor(size=(3, 2), stride=(1, 3)).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert load_tensor(size=(0, 5), stride=(5, 1), offset=6).shape == (0, 5)
    assert load_tensor(size=(3, 2), stride=(0, 1)).tolist() == [[0, 1]] * 3


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"size": 7}, "the record data/0 has 24 bytes, but 7 elements of torch.float32 take 28"),
        ({"size": 5}, "the record data/0 has 24 bytes, but 5 elements of torch.float32 take 20"),
        ({"kind": "DoubleStorage"}, "has 24 bytes, but 6 elements of torch.float64 take 48"),
        ({"size": 1 << 70}, "has 24 bytes"),
        ({"key": "1"}, "the record data/1 with the values of a tensor is missing"),
        ({"key": "../data.pkl"}, "is missing"),
    ],
)
def test_storages_of_another_size(changes, message):
    with pytest.raises(pickle.UnpicklingError, match=message):
        load_tensor(source=storage(**changes))


def test_one_storage_with_two_dtypes():
    pickled = storage() + storage(kind="IntStorage") + TUPLE2 + STOP
    with pytest.raises(pickle.UnpicklingError, match="storage 0 is asked for as 6 elements of"):
        load(archive(pickled, _0=SIX))


def test_integers_cannot_require_gradients():
    with pytest.raises(pickle.UnpicklingError, match="torch.int32 cannot require a gradient"):
        load_tensor(source=storage(kind="IntStorage"), requires_grad=True)


def test_attributes_cannot_replace_what_a_tensor_is_made_of():
    rebuild, _, args = tensor().partition(MARK)
    for attribute, allowed in (("_array", False), ("shape", False), ("note", True)):
        pickled = name("torch._tensor", "_rebuild_from_type_v2") + MARK + rebuild
        pickled += (
            name("torch", "Tensor") + MARK + args[:-1] + value({attribute: 7}) + TUPLE + REDUCE
        )
        assert can_load(archive(pickled + STOP, _0=SIX)) == allowed


def can_load(file):
    try:
        load(file)
    except pickle.UnpicklingError:
        return False
    return True


def test_conjugates_and_negations_left_to_the_reader():
    values = np.array([1 + 2j, 3 - 1j], np.complex64)
    source = storage(kind="ComplexFloatStorage", size=2)
    call = tensor(source=source, size=(2,), stride=(1,))[: -len(TUPLE + REDUCE)]
    for metadata, expected in (
        ({"conj": True}, values.conj()),
        ({"neg": True}, -values),
        ({"conj": True, "neg": True}, -values.conj()),
        ({"conj": False}, values),
    ):
        pickled = call + value(metadata) + TUPLE + REDUCE + STOP
        assert load(archive(pickled, _0=values.tobytes())).tolist() == expected.tolist()


# ---- what the user allows -----------------------------------------------------------------------


def test_added_classes_are_made():
    add_safe_globals([Point])
    loaded = load(saved(Point(wrap(np.ones(2)))))
    assert type(loaded) is Point
    assert loaded.x.tolist() == [1, 1]


def test_added_classes_with_slots_and_functions():
    point = Slotted()
    point.x = fractions.Fraction(1, 3)
    add_safe_globals([Slotted, fractions.Fraction])
    assert load(saved(point)).x == fractions.Fraction(1, 3)


def test_added_under_another_name():
    pickled = name("old_module", "OldPoint") + EMPTY_TUPLE + NEWOBJ + value({"x": 3}) + BUILD + STOP
    add_safe_globals([(Point, "old_module.OldPoint")])
    assert load(archive(pickled)).x == 3
    assert get_safe_globals() == [(Point, "old_module.OldPoint")]


def test_objects_of_added_classes_are_not_called():
    add_safe_globals([Callable])
    made = name(__name__, "Callable") + EMPTY_TUPLE + NEWOBJ
    assert type(load(archive(made + STOP))) is Callable
    with pytest.raises(pickle.UnpicklingError, match="calls what is no function"):
        load(archive(made + CALL + STOP))


def test_added_for_a_block():
    with safe_globals([Point]):
        assert load(saved(Point(1))).x == 1
        assert get_safe_globals() == [Point]
    assert get_safe_globals() == []
    with pytest.raises(pickle.UnpicklingError, match="test_unpickler.Point, which is not known"):
        load(saved(Point(1)))


def test_only_what_can_be_called_is_added():
    with pytest.raises(TypeError, match="expected classes, functions or pairs .* but got 1"):
        add_safe_globals([1])
    with pytest.raises(TypeError, match="but got"):
        add_safe_globals([(Point, 3)])


def test_subclasses_of_tensors():
    class_ = type("Mask", (rushlight.Tensor,), {"__module__": __name__, "__qualname__": "Mask"})
    globals()["Mask"] = class_
    mask = wrap(np.array([1.0, 2.0]), class_)
    mask.note = "kept"
    with pytest.raises(pickle.UnpicklingError, match="Mask, which is not known to be safe"):
        load(saved(mask))
    with safe_globals([class_]):
        loaded = load(saved(mask))
    assert (type(loaded), loaded.note, loaded.tolist()) == (class_, "kept", [1, 2])
