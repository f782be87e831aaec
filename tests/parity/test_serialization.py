"""Checkpoint files, written by one of the two and read by the other."""

import io
import pickle
from collections import Counter, OrderedDict

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
from rushlight.nn.parameter import Parameter  # noqa: E402
from rushlight.serialization import load, save  # noqa: E402
from rushlight.tensor import wrap  # noqa: E402

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32"]
DTYPES += ["float64", "complex64", "complex128"]
SHAPES = [(), (1,), (5,), (2, 3), (0,), (0, 3), (2, 1, 3, 1)]


def ours_to_torch(obj, **options):
    file = io.BytesIO()
    save(obj, file, **options)
    file.seek(0)
    return torch.load(file, weights_only=True)


def torch_to_ours(obj, weights_only=True, **options):
    file = io.BytesIO()
    torch.save(obj, file, **options)
    file.seek(0)
    return load(file, weights_only=weights_only)


def bits_of(tensor):
    """The bytes of the values of a tensor of either kind, in order."""
    if isinstance(tensor, rushlight.Tensor):
        return np.ascontiguousarray(tensor.detach().numpy()).tobytes()
    tensor = tensor.detach().resolve_conj().contiguous()
    return tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def check_same(one, other):
    assert str(one.dtype) == str(other.dtype)
    assert tuple(one.shape) == tuple(other.shape)
    assert bits_of(one) == bits_of(other)
    assert one.requires_grad == other.requires_grad


def values(name, shape):
    count = int(np.prod(shape))
    kind = ml_dtypes.bfloat16 if name == "bfloat16" else np.dtype(name)
    return np.asarray(np.arange(count).reshape(shape) % 7 - 3, kind)


FORMATS = [True, False]


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zipped", FORMATS)
def test_dtypes_and_shapes(name, shape, zipped):
    ours = wrap(values(name, shape))
    theirs = ours_to_torch(ours, _use_new_zipfile_serialization=zipped)
    check_same(ours, theirs)
    assert ours.stride() == theirs.stride()
    back = torch_to_ours(theirs, _use_new_zipfile_serialization=zipped)
    check_same(back, theirs)
    assert back.stride() == theirs.stride()


VIEWS = [
    lambda x: x.T,
    lambda x: x[1:],
    lambda x: x[:, 1:3],
    lambda x: x[1, 2, ...],
    lambda x: x[:, 2],
    lambda x: x[None, :, None],
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("zipped", FORMATS)
def test_views_share_memory_and_keep_their_place(view, zipped):
    options = {"_use_new_zipfile_serialization": zipped}
    array = np.arange(20, dtype=np.float32).reshape(4, 5)
    theirs = torch.arange(20.0).reshape(4, 5)
    base, part = ours_to_torch([wrap(array), wrap(view(array))], **options)
    check_same(wrap(view(array)), part)
    assert part.stride() == view(theirs).stride()
    assert part.storage_offset() == view(theirs).storage_offset()
    assert part.untyped_storage().data_ptr() == base.untyped_storage().data_ptr()
    base, part = torch_to_ours([theirs, view(theirs)], **options)
    check_same(part, view(theirs))
    assert part.stride() == view(theirs).stride()
    base.numpy()[:] = 7
    assert set(part.numpy().ravel()) <= {7.0}


def test_channels_last_and_expanded():
    theirs = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    loaded = torch_to_ours([theirs, torch.ones(1, 3).expand(4, 3)])
    assert loaded[0].stride() == theirs.stride()
    assert loaded[1].stride() == (0, 1)
    check_same(loaded[0], theirs)
    back = ours_to_torch(loaded)
    assert back[0].stride() == theirs.stride()
    assert back[1].stride() == (0, 1)


OBJECTS = [
    1, -(10**30), 2.5, float("inf"), True, None, "é", b"\x00\xff", bytearray(b"ab"), 1 + 2j,
    [1, [2]], (), (1, 2, 3, 4), {"a": {1: (2,)}}, {1, 2}, OrderedDict(b=1, a=[2]), Counter("aab"),
]  # fmt: skip


@pytest.mark.parametrize("obj", OBJECTS)
def test_python_objects(obj):
    for loaded in (ours_to_torch(obj), torch_to_ours(obj)):
        assert loaded == obj
        assert type(loaded) is type(obj)


def test_objects_of_the_framework():
    for name in DTYPES:
        assert ours_to_torch(getattr(rushlight, name)) is getattr(torch, name)
        assert torch_to_ours(getattr(torch, name)) is getattr(rushlight, name)
    assert ours_to_torch(rushlight.Size([2, 3])) == torch.Size([2, 3])
    assert torch_to_ours(torch.Size([2, 3])) == rushlight.Size([2, 3])
    for place in ("cpu", "cuda:1", "meta"):
        assert ours_to_torch(rushlight.device(place)) == torch.device(place)
        assert torch_to_ours(torch.device(place)) == rushlight.device(place)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 3:UserWarning")
@pytest.mark.parametrize("protocol", [2, 3])
def test_pickle_protocols(protocol):
    obj = {"w": rushlight.ones(2), "t": (1, "x", {2}), "d": rushlight.float16}
    theirs = ours_to_torch(obj, pickle_protocol=protocol)
    assert theirs["w"].tolist() == [1, 1]
    assert (theirs["t"], theirs["d"]) == ((1, "x", {2}), torch.float16)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols_of_pytorch(protocol):
    obj = {"w": torch.ones(2), "t": (1, b"x", {2}), "n": frozenset([1]), "d": torch.float16}
    ours = torch_to_ours(obj, pickle_protocol=protocol)
    assert ours["w"].tolist() == [1, 1]
    assert (ours["t"], ours["n"], ours["d"]) == ((1, b"x", {2}), frozenset([1]), rushlight.float16)


@pytest.mark.parametrize("requires_grad", [True, False])
def test_parameters_and_attributes(requires_grad):
    ours = Parameter(rushlight.ones(2), requires_grad=requires_grad)
    theirs = ours_to_torch(ours)
    assert type(theirs) is torch.nn.Parameter
    check_same(ours, theirs)
    ours.note = theirs.note = "kept"
    assert ours_to_torch(ours).note == "kept"
    loaded = torch_to_ours(theirs)
    assert (type(loaded), loaded.note) == (Parameter, "kept")
    check_same(loaded, theirs)


def test_attributes_of_tensors():
    theirs = torch.ones(2)
    theirs.note = "kept"
    assert torch_to_ours(theirs).note == "kept"
    assert ours_to_torch(torch_to_ours(theirs)).note == "kept"


def test_tensors_that_require_gradients():
    leaf = torch.ones(2, requires_grad=True)
    check_same(torch_to_ours(leaf), leaf)
    # What an operation made comes back as a leaf.
    assert torch_to_ours(leaf * 2).is_leaf
    assert torch_to_ours(leaf * 2).requires_grad
    assert ours_to_torch(rushlight.ones(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize("zipped", FORMATS)
def test_conjugates_and_negations(zipped):
    options = {"_use_new_zipfile_serialization": zipped}
    z = torch.tensor([1 + 2j, 3 - 1j])
    check_same(torch_to_ours(z.conj(), **options), z.conj().resolve_conj())
    check_same(torch_to_ours(z.conj().imag, **options), z.conj().imag.resolve_neg())


def test_meta_tensors():
    theirs = ours_to_torch(rushlight.empty(2, 3, device="meta", dtype=rushlight.int64))
    assert (theirs.is_meta, theirs.shape, theirs.dtype) == (True, (2, 3), torch.int64)
    ours = torch_to_ours(torch.empty(2, 3, device="meta"))
    assert (ours.is_meta, ours.shape, ours.dtype) == (True, (2, 3), rushlight.float32)


def network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.BatchNorm2d(8),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 10),
    )


@pytest.mark.parametrize("zipped", FORMATS)
def test_state_dicts(zipped):
    options = {"_use_new_zipfile_serialization": zipped}
    state = network().state_dict()
    ours = torch_to_ours(state, **options)
    assert list(ours) == list(state)
    assert ours._metadata == state._metadata
    for name in state:
        check_same(ours[name], state[name])
    back = ours_to_torch(ours, **options)
    assert back._metadata == state._metadata
    network().load_state_dict(back)


def test_whole_models_of_pytorch():
    theirs = network().eval()
    ours = torch_to_ours(theirs, weights_only=False)
    x = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    assert type(ours[0]) is rushlight.nn.Conv2d
    expected = theirs(x).detach().numpy()
    np.testing.assert_allclose(ours(wrap(x.numpy())).detach().numpy(), expected, 1e-5, 1e-6)


@pytest.mark.parametrize(
    "name, options", [("SGD", {"momentum": 0.9}), ("Adam", {}), ("RMSprop", {})]
)
def test_optimizer_state_dicts(name, options):
    model = network()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1, **options)
    model(torch.ones(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    ours = torch_to_ours(state)
    assert ours["param_groups"] == state["param_groups"]
    for index, entries in state["state"].items():
        for key, value in entries.items():
            check_same(ours["state"][index][key], value)
    getattr(torch.optim, name)(model.parameters(), lr=0.1, **options).load_state_dict(
        ours_to_torch(ours)
    )


def test_files_by_path_and_mapped(tmp_path):
    save({"w": rushlight.arange(1000.0)}, tmp_path / "ours.pt")
    torch.save({"w": torch.arange(1000.0)}, tmp_path / "theirs.pt")
    for mmap in (False, True):
        assert torch.load(tmp_path / "ours.pt", mmap=mmap)["w"][-1].item() == 999
        assert load(tmp_path / "theirs.pt", mmap=mmap)["w"].numpy()[-1] == 999


def test_both_lay_records_out_alike(tmp_path):
    save([rushlight.arange(1000.0)] * 2, tmp_path / "ours.pt")
    torch.save([torch.arange(1000.0)] * 2, tmp_path / "theirs.pt")
    ours = torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "ours.pt")
    theirs = torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "theirs.pt")
    assert ours == theirs == []
    reader = torch._C.PyTorchFileReader(str(tmp_path / "ours.pt"))
    assert reader.get_record_offset("data/0") % 64 == 0
    records = torch._C.PyTorchFileReader(str(tmp_path / "theirs.pt")).get_all_records()
    assert set(reader.get_all_records()) == set(records) - {".data/serialization_id"}


@pytest.mark.parametrize("zipped", FORMATS)
@pytest.mark.parametrize(
    "target",
    [None, "cpu", "meta", "place", {"cpu": "meta"}, {"cuda:0": "meta"}, {}, "same", "none"],
    ids=str,
)
def test_map_location(target, zipped):
    functions = {"same": lambda storage, where: storage, "none": lambda storage, where: None}
    for writer, reader in ((torch, rushlight), (rushlight, torch)):
        file = io.BytesIO()
        writer.save(
            {"w": writer.ones(2), "b": writer.zeros(1)}, file, _use_new_zipfile_serialization=zipped
        )
        file.seek(0)
        place = reader.device("cpu") if target == "place" else target
        if isinstance(place, str):
            place = functions.get(place, place)
        loaded = reader.load(file, map_location=place)
        expected = "meta" if target in ("meta", {"cpu": "meta"}) else "cpu"
        assert {x.device.type for x in loaded.values()} == {expected}


def test_large_values_of_both():
    x = torch.arange(3_000_000, dtype=torch.float32)
    check_same(torch_to_ours(x), x)
    check_same(wrap(x.numpy()), ours_to_torch(wrap(x.numpy())))


def test_files_without_checksums():
    torch.serialization.set_crc32_options(False)
    try:
        assert torch_to_ours(torch.ones(3)).tolist() == [1, 1, 1]
    finally:
        torch.serialization.set_crc32_options(True)
    rushlight.serialization.set_crc32_options(False)
    try:
        assert ours_to_torch(rushlight.ones(3)).tolist() == [1, 1, 1]
    finally:
        rushlight.serialization.set_crc32_options(True)


@pytest.mark.parametrize("kind", ["uint16", "float8_e5m2"])
def test_dtypes_that_only_pytorch_has(kind):
    with pytest.raises(
        pickle.UnpicklingError, match=f"torch.{kind}, which Rushlight does not have"
    ):
        torch_to_ours(torch.zeros(2).to(getattr(torch, kind)))


def test_sparse_tensors_are_refused():
    with pytest.raises(
        pickle.UnpicklingError, match="_rebuild_sparse_tensor for sparse tensors, which Rushlight"
    ):
        torch_to_ours(torch.eye(2).to_sparse())


class Point:
    pass


@pytest.mark.parametrize("zipped", FORMATS)
def test_both_refuse_other_classes(zipped):
    for one, other in ((torch.save, load), (save, torch.load)):
        file = io.BytesIO()
        one({"p": Point()}, file, _use_new_zipfile_serialization=zipped)
        file.seek(0)
        with pytest.raises(pickle.UnpicklingError, match="test_serialization.Point"):
            other(file)


def wrong_calls(framework, tmp_path):
    """Calls that must fail, by name."""
    empty, text, cut, old = (tmp_path / name for name in ("empty", "text", "cut", "old"))
    framework.save({}, old, _use_new_zipfile_serialization=False)
    empty.touch()
    text.write_text("<html>")
    file = io.BytesIO()
    framework.save({}, file)
    cut.write_bytes(file.getvalue()[:-30])
    return [
        lambda: framework.save({}, tmp_path / "nowhere" / "x"),
        lambda: framework.save({}, tmp_path),
        lambda: framework.save({}, 3),
        lambda: framework.load(tmp_path / "nothing"),
        lambda: framework.load(tmp_path),
        lambda: framework.load(3),
        lambda: framework.load(empty),
        lambda: framework.load(text),
        lambda: framework.load(cut),
        lambda: framework.load(io.BytesIO(file.getvalue()), mmap=True),
        lambda: framework.load(file, pickle_module=pickle, weights_only=True),
        lambda: framework.load(old, mmap=True),
    ]


def test_both_raise_the_same_types(tmp_path):
    ours, theirs = ([type_of_error(call) for call in wrong_calls(f, tmp_path)] for f in (
        rushlight.serialization, torch,
    ))  # fmt: skip
    assert ours == theirs


def test_names_of_the_module():
    theirs = set(torch.serialization.__all__)
    ours = set(rushlight.serialization.__all__)
    assert ours <= theirs
    assert theirs - ours == {
        # For other devices, for reading PyTorch's own sources, and parts of its readers.
        "validate_hpu_device", "mkdtemp", "check_module_version_greater_or_equal", "StorageType",
        "normalize_storage_type", "storage_to_tensor_type",
    }  # fmt: skip


def type_of_error(call):
    with pytest.raises(Exception) as raised:  # noqa: B017 - which one is what is asked
        call()
    return raised.type
