"""Files made or broken to do harm: they are refused by name, and nothing they ask for is done."""

import errno
import io
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest

import rushlight
from rushlight.serialization import archive_reader, load, names, save
from rushlight.tensor import wrap

FOREIGN = (RuntimeError, pickle.UnpicklingError, EOFError)
VALUES = {"w": [1.0, 2.0, 3.0], "flag": [True, False], "epoch": 7}


def small(**options):
    file = io.BytesIO()
    obj = {
        "w": wrap(np.array(VALUES["w"], np.float32)),
        "flag": wrap(np.array(VALUES["flag"])),
        "epoch": VALUES["epoch"],
    }
    save(obj, file, **options)
    return file.getvalue()


def values_in(content):
    loaded = load(io.BytesIO(content))
    return {name: getattr(x, "tolist", lambda x=x: x)() for name, x in loaded.items()}


def outcome(content):
    """The values in a file, or None where it is refused."""
    try:
        return values_in(content)
    except FOREIGN as error:
        assert str(error).startswith("load: the BytesIO ")
        return None


# ---- pickles ------------------------------------------------------------------------------------


def checkpoint_of(pickled, **records):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        for key, content in records.items():
            archive.writestr(f"a/data/{key[1:]}", content)
    file.seek(0)
    return file


def glob(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def text(value):
    return pickle.BINUNICODE + struct.pack("<I", len(value)) + value.encode()


def call(function, *args):
    return function + pickle.MARK + b"".join(args) + pickle.TUPLE + pickle.REDUCE


ORDERED = glob("collections", "OrderedDict")
GETATTR = glob("builtins", "getattr")
SIZE = glob("torch", "Size")


@pytest.mark.parametrize(
    "pickled, name",
    [
        (call(glob("os", "system"), text("touch harm")), "os.system"),
        (call(glob("posix", "system"), text("touch harm")), "posix.system"),
        (call(glob("builtins", "eval"), text("open('harm', 'w')")), "builtins.eval"),
        (call(glob("__builtin__", "eval"), text("open('harm', 'w')")), "builtins.eval"),
        (call(glob("builtins", "open"), text("harm"), text("w")), "builtins.open"),
        (call(GETATTR, ORDERED, text("__init__")), "builtins.getattr"),
        (call(call(GETATTR, ORDERED, text("__class__")), text("x")), "builtins.getattr"),
        (glob("collections", "OrderedDict.__init__.__globals__"), "OrderedDict.__init__"),
        (glob("torch._utils", "_rebuild_tensor_v2.function"), "_rebuild_tensor_v2.function"),
        (glob("torch", "serialization.load"), "torch.serialization.load"),
        (glob("torch.storage", "_load_from_bytes"), "torch.storage._load_from_bytes"),
        (glob("torch.hub", "load"), "torch.hub.load"),
        (glob("rushlight.serialization.names", "torch:Size"), "names.torch:Size"),
        (glob("rushlight.serialization.checkpoint", "os.system"), "checkpoint.os.system"),
        (glob("numpy", "load"), "numpy.load"),
        (glob("numpy._core.multiarray", "_reconstruct"), "numpy._core.multiarray._reconstruct"),
        (glob("copyreg", "_reconstructor"), "copyreg._reconstructor"),
        (glob("copy_reg", "_reconstructor"), "copyreg._reconstructor"),
        (glob("torch.nn.modules.linear", "Linear"), "torch.nn.modules.linear.Linear"),
        (glob("torch._C", "Generator"), "torch._C.Generator"),
    ],
)
def test_dangerous_names(tmp_path, monkeypatch, pickled, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="^load: the BytesIO cannot be loaded: ") as e:
        load(checkpoint_of(pickled + pickle.STOP))
    assert name in str(e.value)
    assert os.listdir() == []


def test_safe_names_called_with_each_other():
    # A safe function is given others as arguments, to be called in its stead.
    for pickled in (
        call(ORDERED, SIZE),
        call(SIZE, ORDERED),
        call(call(ORDERED), text("x")),
        call(glob("torch", "device"), text("tpu")),
        call(glob("collections", "Counter"), SIZE),
        call(glob("torch._tensor", "_rebuild_from_type_v2"), SIZE, ORDERED, pickle.EMPTY_TUPLE,
             pickle.NONE),
        call(glob("torch._tensor", "_rebuild_from_type_v2"), ORDERED, SIZE, pickle.EMPTY_TUPLE,
             pickle.NONE),
    ):  # fmt: skip
        with pytest.raises(pickle.UnpicklingError):
            load(checkpoint_of(pickled + pickle.STOP))


@pytest.mark.parametrize(
    "target", [SIZE, ORDERED, glob("torch", "float32"), glob("torch", "FloatStorage")]
)
@pytest.mark.parametrize("attribute", ["__class__", "__dict__", "function", "dtype", "__call__"])
def test_attributes_of_what_is_shared_stay(target, attribute):
    before = names.SIZE.function, names.STORAGES[rushlight.float32].dtype
    state = pickle.EMPTY_DICT + text(attribute) + ORDERED + pickle.SETITEM
    for given in (state, pickle.NONE + state + pickle.TUPLE2):
        with pytest.raises(pickle.UnpicklingError, match="sets the state of an unknown object"):
            load(checkpoint_of(target + given + pickle.BUILD + pickle.STOP))
    assert before == (names.SIZE.function, names.STORAGES[rushlight.float32].dtype)


@pytest.mark.parametrize("attribute", ["__class__", "__dict__", "items", "__getitem__", "get"])
def test_a_state_dict_gets_no_attribute_that_hides_another(attribute):
    state = pickle.EMPTY_DICT + text(attribute) + pickle.NONE + pickle.SETITEM
    with pytest.raises(pickle.UnpicklingError, match=f"sets the attribute '{attribute}'"):
        load(checkpoint_of(call(ORDERED) + state + pickle.BUILD + pickle.STOP))


@pytest.mark.parametrize(
    "bomb",
    [
        pickle.MARK * 1_000_000,
        pickle.EMPTY_LIST + pickle.TUPLE1 * 1_000_000 + pickle.STOP,
        (pickle.EMPTY_LIST + pickle.APPEND * 3) * 10_000 + pickle.STOP,
        b"\x8e" + struct.pack("<Q", 1 << 60),
        pickle.BINUNICODE8 + struct.pack("<Q", 1 << 60) + b"x",
        pickle.BINSTRING + struct.pack("<i", -5),
        pickle.LONG4 + struct.pack("<i", 1 << 30),
        pickle.LONG4 + struct.pack("<i", -1),
        pickle.LONG_BINPUT + struct.pack("<I", 1 << 31),
        pickle.NONE + pickle.LONG_BINPUT + struct.pack("<I", 0xFFFFFFFF) + pickle.POP,
        pickle.PUT + b"-1\n",
        pickle.PROTO + b"\xff",
        pickle.FRAME + struct.pack("<Q", 1 << 60),
        b"I" + b"9" * 10_000 + b"\n" + pickle.STOP,
        pickle.STOP,
    ],
    ids=range(15),
)
def test_bombs(bomb):
    try:
        load(checkpoint_of(bomb))
    except pickle.UnpicklingError as error:
        assert str(error).startswith("load: the BytesIO cannot be loaded: ")


def test_a_list_nested_a_million_times_is_only_a_list():
    # Nothing that is made while loading may walk down into it on the C stack.
    pickled = pickle.EMPTY_LIST * 100_000 + pickle.APPEND * 99_999 + pickle.STOP
    loaded = load(checkpoint_of(pickled))
    while loaded:
        (loaded,) = loaded


@pytest.mark.parametrize(
    "given",
    [
        pickle.NONE,
        text("0"),
        pickle.EMPTY_TUPLE,
        pickle.EMPTY_LIST,
        SIZE,
        text("storage") + pickle.TUPLE1,
        call(glob("collections", "OrderedDict")),
    ],
)
def test_persistent_ids_of_another_form(given):
    with pytest.raises(pickle.UnpicklingError, match="refers to .* which is no storage"):
        load(checkpoint_of(given + pickle.BINPERSID + pickle.STOP))


# ---- zip files ----------------------------------------------------------------------------------


def test_every_flipped_bit_is_found_or_changes_nothing():
    content = small()
    assert values_in(content) == VALUES
    found = 0
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            result = outcome(damaged)
            assert result in (None, VALUES), (position, bit)
            found += result is None
    # The rest are dates, versions and the zeros between the records.
    assert found > 0.3 * 8 * len(content)


def test_every_shortened_file_is_refused(tmp_path):
    content = small()
    for length in range(1, len(content)):
        assert outcome(content[:length]) is None
    path = tmp_path / "model.pt"
    path.write_bytes(content[:-1])
    for mapped in (False, True):
        with pytest.raises(RuntimeError, match="model.pt is damaged: .* probably cut off"):
            load(path, mmap=mapped)


def test_bytes_added_at_the_end_are_refused():
    assert outcome(small() + b"\n") is None


def test_two_records_of_one_name():
    file = io.BytesIO(small())
    with pytest.warns(UserWarning, match="Duplicate name"):
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("archive/data/0", bytes(12))
    with pytest.raises(RuntimeError, match="it has two records called archive/data/0"):
        load(io.BytesIO(file.getvalue()))


def directory_of(content):
    """The place of the table of contents, and the places of its entries by name."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries, position = {}, archive.start_dir
    for info in archive.infolist():
        entries[info.filename] = position
        position += 46 + len(info.filename)
    return entries


def test_records_that_overlap():
    # A thousand entries for the same bytes would be a thousand times the file in memory.
    content = bytearray(small())
    entries = directory_of(content)
    one, other = entries["archive/data/0"], entries["archive/data/1"]
    content[other + 42 : other + 46] = content[one + 42 : one + 46]
    with pytest.raises(RuntimeError, match="reaches past the end of the file or into the next"):
        load(io.BytesIO(content))


def test_a_record_over_its_neighbours():
    content = bytearray(small())
    entry = directory_of(content)["archive/data/0"]
    content[entry + 20 : entry + 28] = struct.pack("<II", 400, 400)
    with pytest.raises(RuntimeError, match="archive/data/0 of 400 bytes reaches past"):
        load(io.BytesIO(content))


def test_content_that_unpacks_to_too_much(monkeypatch):
    monkeypatch.setattr(archive_reader, "_LARGE", 1 << 20)
    file = io.BytesIO()
    save(wrap(np.zeros(1 << 20)), file)
    packed = io.BytesIO()
    with zipfile.ZipFile(file) as old:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
            for info in old.infolist():
                new.writestr(info.filename, old.read(info))
    with pytest.raises(RuntimeError, match="the file of .* bytes would unpack to 8388771 or more"):
        load(io.BytesIO(packed.getvalue()))


def test_content_that_unpacks_to_more_than_it_says():
    packer = zlib.compressobj(wbits=-15)
    deflated = packer.compress(bytes(1 << 16)) + packer.flush()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1 << 16))
    content = bytearray(file.getvalue())
    entry = content.index(b"PK\x01\x02")
    assert struct.unpack_from("<I", content, entry + 20) == (len(deflated),)
    content[entry + 24 : entry + 28] = struct.pack("<I", 100)
    with pytest.raises(RuntimeError, match="its unpacked content has another length"):
        load(io.BytesIO(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a/data.pkl", b"N.")
    with pytest.raises(RuntimeError, match="packed by the method .* not deflate"):
        load(io.BytesIO(file.getvalue()))


def test_many_entries_promised_in_a_small_file():
    content = bytearray(small())
    content[-14:-10] = struct.pack("<HH", 0xFFF0, 0xFFF0)
    with pytest.raises(RuntimeError, match="is longer than the file"):
        load(io.BytesIO(content))


def test_a_checksum_that_was_not_computed_is_not_checked():
    content = bytearray(small())
    for entry in directory_of(content).values():
        content[entry + 16 : entry + 20] = bytes(4)
    assert values_in(content) == VALUES


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    save(wrap(np.arange(100_000.0)), tmp_path / "model.pt")
    real = os.preadv
    monkeypatch.setattr(
        archive_reader.os,
        "preadv",
        lambda handle, views, at: real(handle, [v[:0] for v in views], at),
    )
    with pytest.raises(RuntimeError, match="model.pt is damaged: .* the file ends within it"):
        load(tmp_path / "model.pt")


def test_a_disk_that_cannot_be_read(tmp_path, monkeypatch):
    save(wrap(np.arange(100_000.0)), tmp_path / "model.pt")

    def fail(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(archive_reader.os, "preadv", fail)
    with pytest.raises(OSError, match="load: .*model.pt: Input/output error"):
        load(tmp_path / "model.pt")
