"""Whole models, optimizers and schedules, written by one of the two and read by the other."""

import inspect
import io
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
from rushlight.serialization import classes  # noqa: E402

BOTH_WAYS = [(torch, rushlight), (rushlight, torch)]
WAYS = ["torch to rushlight", "rushlight to torch"]


def trip(writer, reader, obj, **options):
    file = io.BytesIO()
    writer.save(obj, file, **options)
    file.seek(0)
    return reader.load(file, weights_only=False)


# ---- names --------------------------------------------------------------------------------------


def test_every_class_is_in_the_module_where_pytorch_has_it():
    for module, names in classes._MODULES.items():
        for name in names.split():
            cls = getattr(__import__(module, fromlist=["x"]), name)
            assert (cls.__module__, cls.__qualname__) == (
                torch.optim.__name__ if name in ("Adafactor", "Muon") else module,
                name,
            )


@pytest.mark.parametrize(
    "package", ["nn", "optim", "optim.lr_scheduler", "optim.swa_utils", "utils.data", "utils.hooks"]
)
def test_every_class_that_both_have_is_written_by_its_name(package):
    ours, theirs = (
        __import__(f"{root}.{package}", fromlist=["x"]) for root in ("rushlight", "torch")
    )
    common = [
        name
        for name, cls in vars(ours).items()
        if inspect.isclass(cls)
        and cls.__module__.startswith("rushlight.")
        and inspect.isclass(getattr(theirs, name, None))
    ]
    missing = [name for name in common if classes.torch_name(getattr(ours, name)) is None]
    # Workers and iterators of loaders are not saved.
    assert set(missing) <= {"DataLoader", "LRScheduler", "_LRScheduler", "Parameter", "Tensor"}
    assert len(common) > len(missing)


# ---- layers -------------------------------------------------------------------------------------

ARGUMENTS = {
    "Linear": (4, 3), "Bilinear": (4, 4, 3), "LayerNorm": (4,), "RMSNorm": (4,), "GroupNorm": (2, 4),
    "LocalResponseNorm": (2,), "CrossMapLRN2d": (2,), "Embedding": (5, 3), "EmbeddingBag": (5, 3),
    "RNN": (4, 3), "GRU": (4, 3), "LSTM": (4, 3), "RNNCell": (4, 3), "GRUCell": (4, 3),
    "LSTMCell": (4, 3), "MultiheadAttention": (4, 2), "TransformerEncoderLayer": (4, 2),
    "TransformerDecoderLayer": (4, 2), "Transformer": (4, 2, 1, 1, 8), "Threshold": (0.1, 0.2),
    "ChannelShuffle": (2,), "PixelShuffle": (2,), "PixelUnshuffle": (2,), "Fold": ((4, 4), 2),
    "Unfold": (2,), "Unflatten": (1, (2, 2)), "AdaptiveLogSoftmaxWithLoss": (4, 10, [5]),
    "LazyLinear": (3,), "SyncBatchNorm": (4,),
}  # fmt: skip
for d in "123":
    ARGUMENTS |= {f"{name}Norm{d}d": (4,) for name in ("Batch", "Instance")}
    ARGUMENTS |= {f"{name}Pool{d}d": (2,) for name in ("Max", "Avg", "AdaptiveAvg", "AdaptiveMax")}
    ARGUMENTS |= {f"{name}{d}d": (4, 8, 3) for name in ("Conv", "ConvTranspose")}
    ARGUMENTS |= {f"{name}{d}d": (8, 3) for name in ("LazyConv", "LazyConvTranspose")}
    ARGUMENTS |= {f"{n}Pad{d}d": (1,) for n in ("Circular", "Reflection", "Replication", "Zero")}
    ARGUMENTS |= {f"MaxUnpool{d}d": (2,), f"LPPool{d}d": (2, 2), f"ConstantPad{d}d": (1, 0.5)}
# These want more than a number, or are not for programs.
SKIPPED = {"FractionalMaxPool2d", "FractionalMaxPool3d", "TransformerEncoder", "TransformerDecoder"}
SKIPPED |= {"Module", "Container", "RNNBase", "RNNCellBase", "NLLLoss2d"}
LAYERS = [
    name
    for module, names in classes._MODULES.items()
    for name in names.split()
    if module.startswith("torch.nn.modules.") and hasattr(rushlight.nn, name)
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in LAYERS if name not in SKIPPED])
def test_layers(name):
    arguments = ARGUMENTS.get(name, ())
    ours, theirs = (getattr(f.nn, name)(*arguments) for f in (rushlight, torch))
    there = trip(rushlight, torch, ours)
    here = trip(torch, rushlight, theirs)
    assert (type(there), type(here)) == (type(theirs), type(ours))
    assert (repr(there), repr(here)) == (repr(theirs), repr(ours))
    assert list(there.state_dict()) == list(theirs.state_dict()) == list(here.state_dict())
    # And on: what came from there goes back.
    assert repr(trip(rushlight, torch, here)) == repr(theirs)
    assert repr(trip(torch, rushlight, there)) == repr(ours)


def network(framework):
    nn = framework.nn
    framework.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.ConvTranspose2d(4, 4, 2), nn.LeakyReLU(0.1), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5),
        nn.ModuleDict({"a": nn.Linear(4, 3), "b": nn.ModuleList([nn.GELU(), nn.Softmax(1)])})["a"],
    )  # fmt: skip


X = np.linspace(-1, 1, 2 * 16, dtype=np.float32).reshape(2, 1, 4, 4)


@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source")
def test_models_compute_the_same(writer, reader, zipped):
    before = network(writer)
    before(writer.from_numpy(X))
    before.eval()
    after = trip(writer, reader, before, _use_new_zipfile_serialization=zipped)
    outputs = [m(f.from_numpy(X)).detach().numpy() for m, f in ((before, writer), (after, reader))]
    np.testing.assert_allclose(*outputs, 1e-5, 1e-6)
    assert not after.training
    assert all(p.requires_grad for p in after.parameters())


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "leaky_relu", "softmax"])
@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
def test_functions(writer, reader, name):
    for functions in (lambda f: f.nn.functional, lambda f: f):
        obj = getattr(functions(writer), name, None)
        loaded = trip(writer, reader, [obj])[0]
        x = [f.tensor([-1.0, 2.0]) for f in (writer, reader)]
        arguments = {"softmax": (0,)}.get(name, ())
        results = [f(y, *arguments) for f, y in zip((obj, loaded), x) if obj is not None]
        assert len({str(np.round(y.numpy(), 5)) for y in results}) <= 1


# ---- training -----------------------------------------------------------------------------------

OPTIMIZERS = [
    "SGD", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop",
    "Rprop",
]  # fmt: skip


def step(framework, model, optimizer, schedule=None):
    optimizer.zero_grad()
    (model(framework.ones(2, 4)) ** 2).sum().backward()
    optimizer.step()
    if schedule is not None:
        schedule.step()


@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if hasattr(rushlight.optim, name)])
def test_optimizers_go_on(writer, reader, name):
    writer.manual_seed(0)
    model = writer.nn.Linear(4, 3)
    optimizer = getattr(writer.optim, name)(model.parameters(), lr=0.01)
    for _ in range(3):
        step(writer, model, optimizer)
    there, other = trip(writer, reader, (model, optimizer))
    assert type(other) is getattr(reader.optim, name)
    assert other.param_groups[0]["params"][0] is there.weight
    for _ in range(3):
        step(writer, model, optimizer)
        step(reader, there, other)
    np.testing.assert_allclose(
        there.weight.detach().numpy(), model.weight.detach().numpy(), 1e-5, 1e-6
    )


SCHEDULES = {
    "StepLR": (2,), "MultiStepLR": ([2, 4],), "ConstantLR": (), "LinearLR": (), "ExponentialLR": (0.9,),
    "CosineAnnealingLR": (10,), "CosineAnnealingWarmRestarts": (3,), "OneCycleLR": (1.0, 20),
    "PolynomialLR": (),
}  # fmt: skip


@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_go_on(writer, reader, name):
    model = writer.nn.Linear(4, 3)
    optimizer = writer.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    schedule = getattr(writer.optim.lr_scheduler, name)(optimizer, *SCHEDULES[name])
    for _ in range(3):
        step(writer, model, optimizer, schedule)
    there, other, same = trip(writer, reader, (model, optimizer, schedule))
    assert same.optimizer is other
    for _ in range(8):
        step(writer, model, optimizer, schedule)
        step(reader, there, other, same)
        assert same.get_last_lr() == pytest.approx(schedule.get_last_lr(), rel=1e-9)


@pytest.mark.filterwarnings("ignore:Seems like `optimizer.step:UserWarning")
@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
def test_schedules_of_schedules(writer, reader):
    parts = writer.optim.lr_scheduler
    optimizer = writer.optim.SGD([writer.ones(1)], lr=1.0)
    first = parts.SequentialLR(
        optimizer, [parts.ConstantLR(optimizer), parts.LinearLR(optimizer)], [3]
    )
    for _ in range(2):
        optimizer.step()
        first.step()
    other, second = trip(writer, reader, (optimizer, first))
    for _ in range(6):
        for o, schedule in ((optimizer, first), (other, second)):
            o.step()
            schedule.step()
        assert second.get_last_lr() == pytest.approx(first.get_last_lr())


@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
def test_a_plateau_goes_on(writer, reader):
    optimizer = writer.optim.SGD([writer.ones(1)], lr=1.0)
    first = writer.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
    first.step(1.0)
    other, second = trip(writer, reader, (optimizer, first))
    for _ in range(6):
        first.step(1.0)
        second.step(1.0)
        assert other.param_groups[0]["lr"] == pytest.approx(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
def test_generators_go_on(writer, reader):
    generator = writer.Generator().manual_seed(5)
    writer.rand(3, generator=generator)
    loaded = trip(writer, reader, {"g": generator, "state": writer.get_rng_state()})
    assert type(loaded["g"]) is reader.Generator
    drawn = [
        f.rand(4, generator=g).tolist() for f, g in ((writer, generator), (reader, loaded["g"]))
    ]
    assert drawn[0] == drawn[1]
    reader.set_rng_state(loaded["state"])
    assert reader.rand(2).tolist() == writer.rand(2).tolist()


# ---- other things -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
def test_storages(writer, reader):
    x = writer.arange(4.0)
    tensor, storage = trip(writer, reader, [x, x.storage()])
    assert storage.tolist() == [0, 1, 2, 3]
    storage[0] = 7.0
    assert tensor[0].item() == 7
    untyped = trip(writer, reader, writer.ones(1).untyped_storage())
    assert list(untyped) == [0, 0, 128, 63]


def test_names_of_things():
    for name in ("strided", "float32", "Tensor", "Size", "device", "dtype"):
        for writer, reader in BOTH_WAYS:
            assert trip(writer, reader, getattr(writer, name)) == getattr(reader, name)
    assert trip(rushlight, torch, rushlight.channels_last) is torch.channels_last


def test_tensors_in_plain_pickles_of_pytorch():
    import pickle

    data = pickle.dumps({"w": torch.arange(3.0), "g": torch.Generator().manual_seed(3)}, 2)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", data)
    file.seek(0)
    loaded = rushlight.load(file, weights_only=False)
    assert loaded["w"].tolist() == [0, 1, 2]
    assert loaded["g"].initial_seed() == 3


def test_safe_globals_of_layers():
    for writer, reader in BOTH_WAYS:
        file = io.BytesIO()
        writer.save(writer.nn.Linear(2, 1), file)
        file.seek(0)
        with reader.serialization.safe_globals([reader.nn.Linear, set]):
            assert reader.load(file).in_features == 2


class Marked:
    """A class of the program, which both may load when it is allowed."""

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize("writer, reader", BOTH_WAYS, ids=WAYS)
def test_numpy_is_refused_and_allowed_alike(writer, reader):
    obj = {"loss": np.float64(0.5), "x": np.arange(3), "m": Marked(2)}
    file = io.BytesIO()
    writer.save(obj, file)
    ours = rushlight.serialization.get_unsafe_globals_in_checkpoint(file)
    file.seek(0)
    assert ours == sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    file.seek(0)
    with pytest.raises(Exception, match="numpy"):
        reader.load(file)
    allowed = [
        np._core.multiarray.scalar, np._core.multiarray._reconstruct, np.ndarray, np.dtype,
        np.dtypes.Float64DType, np.dtypes.Int64DType, Marked,
    ]  # fmt: skip
    file.seek(0)
    with reader.serialization.safe_globals(allowed):
        loaded = reader.load(file)
    assert (loaded["loss"], loaded["x"].tolist(), loaded["m"].value) == (0.5, [0, 1, 2], 2)
