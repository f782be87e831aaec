"""What copies and pickles keep, and what they leave behind, as in PyTorch."""

import collections
import copy
import pickle
import warnings

import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402


def pickled(obj):
    return pickle.loads(pickle.dumps(obj))


WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled}


def hook(module, args, out):
    return None


def described(f, x):
    gradient = None if x.grad is None else x.grad.tolist()
    return str(x.dtype), x.tolist(), x.stride(), x.requires_grad, x.is_leaf, gradient, x.__dict__


def leaf(f, c):
    x = f.ones(2, requires_grad=True)
    x.grad = f.ones(2) * 3
    x.note = [1]
    y = c(x)
    return described(f, y), y.data_ptr() == x.data_ptr(), y.note is x.note


def computed(f, c):
    y = c(f.ones(2, requires_grad=True) * 2)
    return y.requires_grad, y.is_leaf, y.tolist(), y.grad_fn is None


def parameter(f, c):
    x = f.nn.Parameter(f.ones(2))
    x.grad = f.ones(2) * 3
    x.note = [1]
    y = c(x)
    return type(y) is f.nn.Parameter, described(f, y), y.data_ptr() == x.data_ptr()


def views(f, c):
    x = f.arange(6.0)
    a, b = c([x, x[2:4]])
    b.fill_(-1)
    return a.tolist(), x.tolist(), b._is_view()


def tied(f, c):
    model = f.nn.Sequential(f.nn.Linear(2, 2), f.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    other = c(model)
    return (
        other[0].weight is other[1].weight,
        other[0].weight is model[0].weight,
        len(list(other.parameters())),
    )


def optimizer(f, c):
    model = f.nn.Linear(2, 2)
    adam = f.optim.Adam(model.parameters())
    model(f.ones(1, 2)).sum().backward()
    adam.step()
    other = c({"model": model, "adam": adam})
    weight = other["model"].weight
    state = other["adam"].state
    return (
        other["adam"].param_groups[0]["params"][0] is weight,
        list(state)[0] is weight,
        state[weight]["step"].item(),
        weight.grad is None,
        sorted(other["adam"].defaults),
    )


def schedule(f, c):
    model = f.nn.Linear(2, 2)
    sgd = f.optim.SGD(model.parameters(), 0.1)
    parts = c((model, sgd, f.optim.lr_scheduler.StepLR(sgd, 1)))
    return parts[2].optimizer is parts[1], parts[1].param_groups[0]["params"][0] is parts[0].weight


def generator(f, c):
    g = f.Generator()
    g.manual_seed(3)
    f.rand(5, generator=g)
    other = c(g)
    return f.rand(3, generator=other).tolist(), other is g


def module(f, c):
    nn = f.nn
    model = nn.Sequential(collections.OrderedDict(a=nn.Linear(2, 2), b=nn.BatchNorm1d(2))).eval()
    model.note = {"x": 1}
    model.register_forward_hook(hook)
    other = c(model)
    return (
        repr(other) == repr(model),
        other.training,
        other.note is model.note,
        other._modules is model._modules,
        other.a is model.a,
        other.b.running_mean is model.b.running_mean,
        list(other._forward_hooks.values()) == [hook],
    )


def inference(f, c):
    with f.inference_mode():
        x = f.ones(2)
    return c(x).tolist()


def meta(f, c):
    y = c(f.empty(2, 3, device="meta"))
    return str(y.device), tuple(y.shape)


OBJECTS = {
    "leaf": leaf,
    "computed": computed,
    "parameter": parameter,
    "frozen": lambda f, c: c(f.nn.Parameter(f.ones(2), requires_grad=False)).requires_grad,
    "buffer": lambda f, c: isinstance(c(f.nn.Buffer(f.ones(2))), f.nn.Buffer),
    "transposed": lambda f, c: described(f, c(f.arange(12.0).reshape(3, 4).t())),
    "channels last": lambda f, c: c(
        f.zeros(2, 3, 4, 5).contiguous(memory_format=f.channels_last)
    ).stride(),
    "views": views,
    "twice": lambda f, c: len({id(x) for x in c([f.ones(1)] * 2)}),
    "conjugate": lambda f, c: c(f.tensor([1 + 1j]).conj()).tolist(),
    "empty": lambda f, c: tuple(c(f.zeros(0, 3)).shape),
    "bfloat16": lambda f, c: described(f, c(f.tensor([1.5], dtype=f.bfloat16))),
    "meta": meta,
    "inference": inference,
    "tied": tied,
    "module": module,
    "parameter list": lambda f, c: len(c(f.nn.ParameterList([f.ones(1)]))),
    "optimizer": optimizer,
    "schedule": schedule,
    "size": lambda f, c: (repr(c(f.Size([1, 2]))), type(c(f.Size([1]))) is f.Size),
    "dtype": lambda f, c: c(f.bfloat16) is f.bfloat16,
    "device": lambda f, c: repr(c(f.device("cuda:1"))),
    "generator": generator,
    "loss": lambda f, c: repr(c(f.nn.CrossEntropyLoss(label_smoothing=0.1))),
}


def outcome(f, call, way):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(f, way)
        except Exception as error:
            return type(error)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OBJECTS)
def test_objects(name, way):
    call = OBJECTS[name]
    assert outcome(rushlight, call, WAYS[way]) == outcome(torch, call, WAYS[way])


def sent(obj):
    from multiprocessing.reduction import ForkingPickler

    return pickle.loads(ForkingPickler.dumps(obj))


SENT = {
    "leaf": lambda f: described(f, sent(f.ones(2, requires_grad=True))),
    "large": lambda f: described(f, sent(f.ones(50, 60))),
    "computed": lambda f: sent(f.ones(2, requires_grad=True) * 2),
    "parameter": lambda f: type(sent(f.nn.Parameter(f.ones(2)))) is f.nn.Parameter,
    "transposed": lambda f: described(f, sent(f.ones(50, 60).share_memory_().t())),
    "moved": lambda f: [(x := f.ones(50, 60)), sent(x).fill_(2), x.sum().item(), x.is_shared()][2:],
    "meta": lambda f: str(sent(f.empty(2, device="meta")).device),
}


@pytest.mark.parametrize("name", SENT)
def test_what_other_processes_get(name):
    import rushlight.multiprocessing  # noqa: F401

    def run(f):
        try:
            return SENT[name](f)
        except Exception as error:
            return type(error)

    assert run(rushlight) == run(torch)


def test_names_of_multiprocessing():
    import torch.multiprocessing as theirs

    import rushlight.multiprocessing as ours

    assert [n for n in theirs.__all__ if not hasattr(ours, n)] == []
    public = "ProcessContext ProcessExitedException ProcessRaisedException SpawnContext spawn start_processes"
    assert [n for n in public.split() if not hasattr(ours, n)] == []
    assert ours.get_all_sharing_strategies() == theirs.get_all_sharing_strategies()
    assert ours.get_sharing_strategy() == theirs.get_sharing_strategy()
