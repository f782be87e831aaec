"""Whole models, optimizers and schedules, and by which names they are written."""

import io
import pickle
import zipfile
from functools import partial

import numpy as np
import pytest

import rushlight
from rushlight import nn
from rushlight.serialization import load, pickler, safe_globals, save


def saved(obj, **options):
    file = io.BytesIO()
    save(obj, file, **options)
    file.seek(0)
    return file


def trip(obj, **options):
    return load(saved(obj, **options), weights_only=False)


def pickled(file):
    return zipfile.ZipFile(file).read("archive/data.pkl")


def model():
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)
    )


X = rushlight.linspace(-1, 1, 32).reshape(2, 1, 4, 4)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_model(protocol):
    before = model()
    before(X)
    before.eval()
    after = trip(before, pickle_protocol=protocol)
    assert after(X).tolist() == before(X).tolist()
    assert repr(after) == repr(before)
    assert not after.training
    assert type(after[0].weight) is nn.Parameter


def test_classes_have_the_names_of_pytorch():
    content = pickled(saved([model(), rushlight.optim.Adam([rushlight.ones(1)])]))
    for name in (
        b"ctorch.nn.modules.container\nSequential\n",
        b"ctorch.nn.modules.conv\nConv2d\n",
        b"ctorch.nn.modules.batchnorm\nBatchNorm2d\n",
        b"ctorch.optim.adam\nAdam\n",
    ):
        assert content.count(name) == 1
    assert b"rushlight" not in content


def test_texts_that_look_like_names_stay():
    # The compiled pickler's result cannot be told apart then, and the other one is used.
    texts = ["crushlight.nn.linear\nLinear\n", "crushlight.dtypes\nfloat32\n"]
    obj = [*texts, nn.Linear(1, 1), rushlight.float32]
    assert pickler._dump_compiled(obj, 2, pickle.Pickler, lambda block: ("storage",)) is None
    loaded = trip(obj)
    assert loaded[:2] == texts
    assert (type(loaded[2]), loaded[3]) == (nn.Linear, rushlight.float32)


def test_both_picklers_write_the_same():
    obj = {
        "model": model(),
        "dtype": rushlight.bfloat16,
        "size": rushlight.Size([1]),
        "n": (1, "x"),
    }

    class Python:
        __name__ = "python"
        Pickler = pickle._Pickler

    assert pickled(saved(obj)) == pickled(saved(obj, pickle_module=Python()))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("mean", rushlight.zeros(2), persistent=False)
        self.activation = nn.functional.relu
        self.scale = partial(rushlight.mul, other=2.0)

    def forward(self, x):
        return self.scale(self.activation(self.layer(x)) + self.mean)


def test_a_model_of_the_program():
    before = Net()
    after = trip(before)
    x = rushlight.ones(1, 2)
    assert after(x).tolist() == before(x).tolist()
    assert after.activation is nn.functional.relu
    assert list(after.state_dict()) == ["layer.weight", "layer.bias"]
    with pytest.raises(pickle.UnpicklingError, match="test_objects.Net, which is not known"):
        load(saved(before))


def test_functions_have_the_names_of_pytorch():
    functions = [nn.functional.relu, rushlight.tanh, nn.init.zeros_]
    content = pickled(saved(functions))
    for name in (b"ctorch.nn.functional\nrelu\n", b"ctorch\ntanh\n", b"ctorch.nn.init\nzeros_\n"):
        assert name in content
    assert trip(functions) == functions


def test_a_layer_that_was_allowed():
    with safe_globals([nn.Linear, set]):
        loaded = load(saved(nn.Linear(2, 1)))
    assert loaded.in_features == 2


@pytest.mark.parametrize("name, options", [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {})])
def test_training_goes_on(name, options):
    def step(net, optimizer, schedule):
        optimizer.zero_grad()
        net(rushlight.ones(1, 2)).sum().backward()
        optimizer.step()
        schedule.step()

    net = nn.Linear(2, 2)
    optimizer = getattr(rushlight.optim, name)(net.parameters(), lr=0.1, **options)
    schedule = rushlight.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    one = (net, optimizer, schedule)
    for _ in range(3):
        step(*one)
    other = trip(one)
    assert other[1].param_groups[0]["params"][0] is other[0].weight
    assert other[2].optimizer is other[1]
    for _ in range(3):
        step(*one)
        step(*other)
    assert other[0].weight.tolist() == net.weight.tolist()
    assert other[2].get_last_lr() == schedule.get_last_lr()


def test_generators_go_on():
    generator = rushlight.Generator().manual_seed(3)
    rushlight.randn(5, generator=generator)
    loaded = trip({"rng": generator, "state": rushlight.get_rng_state()})
    assert type(loaded["rng"]) is rushlight.Generator
    drawn = [rushlight.randn(3, generator=g).tolist() for g in (generator, loaded["rng"])]
    assert drawn[0] == drawn[1]
    assert loaded["state"].dtype is rushlight.uint8


def test_storages():
    x = rushlight.arange(4.0)
    loaded = trip([x, x.storage(), x[2:]])
    assert loaded[1].tolist() == [0, 1, 2, 3]
    loaded[1].fill_(7.0)
    assert (loaded[0].tolist(), loaded[2].tolist()) == ([7] * 4, [7] * 2)
    # What was loaded can be saved again.
    assert trip(loaded)[1].tolist() == [7] * 4
    assert trip(x.untyped_storage()).tolist() == list(x.numpy().tobytes())


def test_other_things_with_names():
    things = [
        rushlight.strided, rushlight.channels_last, rushlight.Tensor, rushlight.device("cpu"),
        rushlight.device, rushlight.Size, rushlight.dtype,
    ]  # fmt: skip
    assert trip(things) == things
    assert load(saved(rushlight.strided)) is rushlight.strided


def test_numpy_is_allowed_by_name():
    obj = {"loss": np.float64(0.5), "history": np.arange(3)}
    with pytest.raises(pickle.UnpicklingError, match="it asks for numpy"):
        load(saved(obj))
    assert trip(obj)["loss"] == 0.5
    allowed = [
        np._core.multiarray.scalar, np._core.multiarray._reconstruct, np.ndarray, np.dtype,
        np.dtypes.Float64DType, np.dtypes.Int64DType,
    ]  # fmt: skip
    with safe_globals(allowed):
        loaded = load(saved(obj))
    assert (loaded["loss"], loaded["history"].tolist()) == (0.5, [0, 1, 2])


def test_hooks_of_a_model_of_the_program():
    net = nn.Linear(1, 1)
    net.register_forward_hook(double)
    x = rushlight.ones(1, 1)
    assert trip(net)(x).tolist() == net(x).tolist()


def double(module, args, out):
    return 2 * out


def test_what_is_not_here_is_named():
    with pytest.raises(
        pickle.UnpicklingError, match="torch.jit.ScriptModule, which Rushlight does"
    ):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/data.pkl", b"ctorch.jit\nScriptModule\n.")
        file.seek(0)
        load(file, weights_only=False)
