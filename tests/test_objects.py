"""Tensors, modules, optimizers and schedules are copied and pickled, alone and together."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

import rushlight
from rushlight import nn
from rushlight.optim import SGD, Adam, lr_scheduler
from rushlight.optim.swa_utils import AveragedModel


def pickled(obj, protocol=pickle.DEFAULT_PROTOCOL):
    return pickle.loads(pickle.dumps(obj, protocol))


WAYS = {
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "pickle 2": partial(pickled, protocol=2),
    "pickle 5": partial(pickled, protocol=5),
}
every_way = pytest.mark.parametrize("copied", WAYS.values(), ids=list(WAYS))


# ---- tensors

DTYPES = [
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "uint8", "int8", "int16", "int32",
    "int64", "bool",
]  # fmt: skip


@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3, 4)])
@pytest.mark.parametrize("dtype", DTYPES)
@every_way
def test_tensors(copied, dtype, shape):
    rushlight.manual_seed(0)
    x = (rushlight.randn(shape) * 3).to(getattr(rushlight, dtype))
    y = copied(x)
    assert (y.dtype, y.shape, type(y)) == (x.dtype, x.shape, rushlight.Tensor)
    assert rushlight.equal(x, y)
    y.zero_()
    assert y.numel() == 0 or not x.any() or not rushlight.equal(x, y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_know_the_dtype_of_what_was_unpickled(dtype):
    """NumPy makes a new dtype object for an unpickled array, and kernels are chosen by identity."""
    kind = getattr(rushlight, dtype)
    x = rushlight.ones(3).to(kind)
    assert pickled(x)._array.dtype is kind.numpy
    array = pickled(x.numpy())
    assert rushlight.from_numpy(array)._array.dtype is kind.numpy
    assert rushlight.as_tensor(array)._array.dtype is kind.numpy
    assert rushlight.tensor(array)._array.dtype is kind.numpy
    rushlight.from_numpy(array).zero_()
    assert not array.any()


@every_way
def test_leaves(copied):
    x = rushlight.ones(2, requires_grad=True)
    x.name = ["x"]
    y = copied(x)
    assert (y.requires_grad, y.is_leaf, y.name, y.name is x.name) == (True, True, ["x"], False)
    (y * 3).sum().backward()
    assert (y.grad.tolist(), x.grad) == ([3.0, 3.0], None)


def test_a_deep_copy_has_the_gradient():
    x = rushlight.ones(2, requires_grad=True)
    x.grad = rushlight.tensor([3.0, 4.0])
    y = copy.deepcopy(x)
    y.grad.zero_()
    assert (x.grad.tolist(), pickled(x).grad) == ([3.0, 4.0], None)


def test_a_shallow_copy_shares_the_memory():
    x = rushlight.ones(2, 3).t()
    x.name = ["x"]
    y = copy.copy(x)
    y[0, 0] = 5
    assert (x[0, 0], y.stride(), y.name is x.name) == (5, x.stride(), True)


def test_only_leaves_are_copied_deeply():
    x = rushlight.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x)
    assert copy.deepcopy(x.detach()).tolist() == [2.0, 2.0]


@every_way
def test_one_tensor_stays_one(copied):
    x = rushlight.ones(2)
    a, b = copied([x, x])
    assert a is b


def test_deep_copies_of_views_share_memory_again():
    x = rushlight.arange(6.0)
    a, b, c = copy.deepcopy([x, x[2:4], x.view(2, 3).t()])
    a[2] = -1
    assert (b[0], c[2, 0], x[2]) == (-1, -1, 2)
    assert (b.storage_offset(), c.stride()) == (2, (1, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: rushlight.arange(6.0).view(2, 3).t(),
        lambda: rushlight.randn(2, 3, 4, 5).contiguous(memory_format=rushlight.channels_last),
        lambda: rushlight.randn(2, 3, 4).permute(2, 0, 1),
        lambda: rushlight.randn(2, 3, 4, 5, 6).contiguous(memory_format=rushlight.channels_last_3d),
    ],
)
@every_way
def test_orders_of_memory(copied, make):
    x = make()
    y = copied(x)
    assert y.stride() == x.stride()
    assert rushlight.equal(x, y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: rushlight.ones(1).expand(5),
        lambda: rushlight.arange(10.0)[::3],
        lambda: rushlight.tensor([1 + 1j]).conj(),
        lambda: nn.functional.conv2d(rushlight.ones(1, 2, 8, 8), rushlight.ones(3, 2, 3, 3)),
    ],
)
@every_way
def test_views_of_other_kinds(copied, make):
    assert rushlight.equal(copied(make()), make())


@every_way
def test_meta_tensors(copied):
    y = copied(rushlight.empty(2, 3, device="meta", requires_grad=True))
    assert (y.is_meta, y.shape, y.requires_grad) == (True, (2, 3), True)


class Named(rushlight.Tensor):
    """A tensor of another class."""


@every_way
def test_subclasses(copied):
    x = rushlight.ones(2).as_subclass(Named)
    x.name = "x"
    y = copied(x)
    assert (type(y), y.name) == (Named, "x")


@every_way
def test_parameters_and_buffers(copied):
    p = copied(nn.Parameter(rushlight.ones(2)))
    q = copied(nn.Parameter(rushlight.ones(2), requires_grad=False))
    assert (type(p), p.requires_grad, q.requires_grad) == (nn.Parameter, True, False)
    assert copied(nn.Buffer(rushlight.ones(2), persistent=False)).persistent is False


def test_hooks_of_tensors_stay_behind():
    x = rushlight.ones(2, requires_grad=True)
    x.register_hook(lambda g: g * 2)
    y = copy.deepcopy(x)
    (y * 1).sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("protocol", [0, 1])
def test_old_protocols(protocol):
    x = rushlight.ones(2, 3, requires_grad=True)
    assert rushlight.equal(pickled(x, protocol), x)


def test_buffers_out_of_band_can_be_written():
    x = rushlight.arange(1000.0)
    buffers = []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    y = pickle.loads(data, buffers=[bytes(b) for b in buffers])
    y += 1
    assert y[0] == 1


# ---- what belongs to tensors


@pytest.mark.parametrize(
    "value",
    [
        rushlight.float32,
        rushlight.bfloat16,
        rushlight.bool,
        rushlight.channels_last,
        rushlight.strided,
    ],
    ids=str,
)
@pytest.mark.parametrize("copied", [copy.copy, *WAYS.values()])
def test_names_stay_themselves(copied, value):
    assert copied(value) is value


@pytest.mark.parametrize("copied", [copy.copy, *WAYS.values()])
def test_sizes_and_devices(copied):
    size = copied(rushlight.Size([2, 3]))
    assert (type(size), size) == (rushlight.Size, (2, 3))
    assert copied(rushlight.device("cuda:1")) == rushlight.device("cuda:1")
    assert copied(rushlight.device("cpu")).type == "cpu"


@every_way
def test_generators_go_on_alike(copied):
    g = rushlight.Generator().manual_seed(3)
    rushlight.randn(5, generator=g)
    other = copied(g)
    assert rushlight.equal(rushlight.randn(9, generator=other), rushlight.randn(9, generator=g))
    assert other is not g


@every_way
def test_storages(copied):
    assert copied(rushlight.arange(3.0).untyped_storage()).nbytes() == 12


# ---- modules


def double(module, args, out):
    return out * 2


def model_of():
    rushlight.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    model.register_buffer("scratch", rushlight.ones(2), persistent=False)
    model.note = {"text": [1]}
    return model


def same(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return list(ours) == list(theirs) and all(rushlight.equal(ours[k], theirs[k]) for k in ours)


@every_way
def test_modules(copied):
    model = model_of().eval()
    other = copied(model)
    assert same(model, other)
    assert (repr(other), other.training) == (repr(model), False)
    assert (other.note, other.note is model.note) == ({"text": [1]}, False)
    assert other.scratch.tolist() == [1, 1]
    other[0].weight.data.zero_()
    other[1].running_mean.fill_(5)
    assert not same(model, other)
    x = rushlight.randn(2, 3)
    assert rushlight.equal(copied(model)(x), model(x))


def test_a_shallow_copy_of_a_module_shares_its_parts():
    model = model_of()
    other = copy.copy(model)
    assert other[0] is model[0]
    assert other._modules is model._modules


@every_way
def test_tied_weights_stay_tied(copied):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[2] = model[0]
    other = copied(model)
    assert other[1].weight is other[0].weight
    assert other[2] is other[0]
    assert len(list(other.parameters())) == 3
    assert other[0].weight is not model[0].weight


@every_way
def test_frozen_parts_stay_frozen(copied):
    model = model_of()
    model[0].requires_grad_(False)
    assert [p.requires_grad for p in copied(model).parameters()] == [False] * 2 + [True] * 4


@every_way
def test_hooks_of_modules_go_along(copied):
    model = nn.Linear(1, 1)
    model.register_forward_hook(double)
    other = copied(model)
    x = rushlight.ones(1, 1)
    assert rushlight.equal(other(x), model(x))
    other._forward_hooks.clear()
    assert len(model._forward_hooks) == 1


@every_way
def test_containers(copied):
    model = nn.Module()
    model.parameters_ = nn.ParameterList([nn.Parameter(rushlight.ones(1))])
    model.named = nn.ParameterDict({"a": nn.Parameter(rushlight.ones(2))})
    model.list = nn.ModuleList([nn.Linear(1, 1)])
    model.dict = nn.ModuleDict({"b": nn.Linear(2, 2)})
    other = copied(model)
    assert same(model, other)
    assert other.dict["b"].weight is not model.dict["b"].weight


@every_way
def test_averaged_models(copied):
    average = AveragedModel(model_of())
    average.update_parameters(model_of())
    other = copied(average)
    assert same(average, other)
    other.update_parameters(model_of())
    assert (other.n_averaged, average.n_averaged) == (2, 1)


# ---- optimizers and schedules


def step(model, optimizer, scheduler=None):
    optimizer.zero_grad()
    model(rushlight.arange(12.0).view(4, 3) / 10).square().mean().backward()
    optimizer.step()
    if scheduler is not None:
        scheduler.step()


OPTIMIZERS = {
    "SGD": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: Adam(p, lr=0.01, amsgrad=True),
    "groups": lambda p: SGD([{"params": list(p), "lr": 0.2}], lr=0.1, nesterov=True, momentum=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@every_way
def test_a_model_and_its_optimizer(copied, name):
    model = model_of()
    optimizer = OPTIMIZERS[name](model.parameters())
    step(model, optimizer)
    other = copied({"optimizer": optimizer, "model": model})
    mine = other["optimizer"].param_groups[0]["params"]
    assert all(a is b for a, b in zip(mine, other["model"].parameters(), strict=True))
    assert [id(p) for p in other["optimizer"].state] == [id(p) for p in mine]
    for _ in range(3):
        step(model, optimizer)
        step(other["model"], other["optimizer"])
    assert same(model, other["model"])


SCHEDULES = {
    "step": lambda o: lr_scheduler.StepLR(o, 1),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, Halve()),
    "multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, Halve()),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 3, scale_fn=Halve()),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 1.0, 20),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o), lr_scheduler.PolynomialLR(o)], [2]
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "swa": lambda o: rushlight.optim.swa_utils.SWALR(o, 0.5),
}


class Halve:
    """A function with state, as an object that can be called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 0.5**epoch


@pytest.mark.parametrize("name", SCHEDULES)
@every_way
def test_schedules_with_their_optimizers(copied, name):
    model = model_of()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = SCHEDULES[name](optimizer)

    def go(optimizer, scheduler):
        optimizer.step()
        scheduler.step(*([1.0] if name == "plateau" else []))
        return [group["lr"] for group in optimizer.param_groups], scheduler.get_last_lr()

    go(optimizer, scheduler)
    other_model, other_optimizer, other = copied((model, optimizer, scheduler))
    assert other.optimizer is other_optimizer
    assert other_optimizer.param_groups[0]["params"][0] is other_model[0].weight
    before = [group["lr"] for group in optimizer.param_groups]
    theirs = [go(other_optimizer, other) for _ in range(4)]
    assert [group["lr"] for group in optimizer.param_groups] == before
    assert [go(optimizer, scheduler) for _ in range(4)] == theirs


def test_rates_that_are_tensors_are_copied():
    rate = rushlight.tensor(0.5)
    optimizer = Adam([rushlight.ones(1)], lr=rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    other_optimizer, other = copy.deepcopy((optimizer, scheduler))
    other_optimizer.step()
    other.step()
    assert (rate, other_optimizer.param_groups[0]["lr"]) == (0.5, 0.25)


@every_way
def test_hooks_of_optimizers_stay_behind(copied):
    optimizer = SGD([rushlight.ones(1)], lr=0.1)
    optimizer.register_step_pre_hook(double)
    assert len(copied(optimizer)._optimizer_step_pre_hooks) == 0


@every_way
def test_data(copied):
    data = rushlight.utils.data
    loader = data.DataLoader(data.TensorDataset(rushlight.arange(4)), batch_size=2)
    assert [batch[0].tolist() for batch in copied(loader)] == [[0, 1], [2, 3]]


def test_arrays_of_numpy_stay_arrays():
    x = pickled({"a": rushlight.ones(2), "b": np.ones(2)})
    assert (type(x["a"]), type(x["b"])) == (rushlight.Tensor, np.ndarray)
