"""Modules, parameters and containers against PyTorch's: what calls give, raise, and print."""

import collections
import copy
import importlib
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402


def plain(value):
    """What a user sees of a value, the same for both frameworks."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return type(value).__name__, str(value.dtype), value.requires_grad, value.tolist()
    if isinstance(value, (torch.nn.Module, rushlight.nn.Module)):
        return type(value).__name__, repr(value), list(value._modules)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, type(None))) else str(type(value).__name__)


def outcome(call, framework, messages=False):
    """What a call gave, or what it raised, and the kinds of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        framework.manual_seed(0)
        try:
            result = plain(call(framework, framework.nn))
        except Exception as error:
            result = (type(error), str(error)) if messages else type(error)
    return result, [w.category for w in caught]


def check(call, messages=False):
    assert outcome(call, rushlight, messages) == outcome(call, torch, messages)


def bare(nn, statement):
    """A module that does something before ``super().__init__()``."""

    class Bare(nn.Module):
        def __init__(self):
            statement(self)

    return Bare


def with_value(nn, name, value):
    module = nn.Linear(2, 2)
    setattr(module, name, value)
    return module


def filled(framework, nn):
    """A module with one of each."""
    module = nn.Linear(2, 2)
    module.child = nn.ReLU()
    module.register_buffer("buf", framework.ones(1))
    return module


# The text of these messages is PyTorch's too.
MESSAGES = {
    "module too early": lambda f, nn: bare(nn, lambda s: setattr(s, "x", nn.ReLU()))(),
    "parameter too early": lambda f, nn: bare(
        nn, lambda s: setattr(s, "x", nn.Parameter(f.ones(1)))
    )(),
    "buffer too early": lambda f, nn: bare(nn, lambda s: s.register_buffer("x", f.ones(1)))(),
    "register too early": lambda f, nn: bare(nn, lambda s: s.register_parameter("x", None))(),
    "argument": lambda f, nn: nn.Module(3),
    "keyword": lambda f, nn: nn.Module(a=3),
    "no forward": lambda f, nn: nn.Module()(1),
    "no attribute": lambda f, nn: nn.Module().foo,
    "nothing to delete": lambda f, nn: delattr(nn.Module(), "foo"),
    "buffer name": lambda f, nn: nn.Module().register_buffer(3, f.ones(1)),
    "buffer dot": lambda f, nn: nn.Module().register_buffer("a.b", f.ones(1)),
    "buffer empty": lambda f, nn: nn.Module().register_buffer("", f.ones(1)),
    "buffer taken": lambda f, nn: nn.Module().register_buffer("training", f.ones(1)),
    "buffer of int": lambda f, nn: nn.Module().register_buffer("b", 3),
    "parameter name": lambda f, nn: nn.Module().register_parameter(3, None),
    "parameter dot": lambda f, nn: nn.Module().register_parameter("a.b", None),
    "parameter empty": lambda f, nn: nn.Module().register_parameter("", None),
    "parameter taken": lambda f, nn: nn.Module().register_parameter("training", None),
    "parameter of tensor": lambda f, nn: nn.Module().register_parameter("b", f.ones(1)),
    "module of int": lambda f, nn: nn.Module().add_module("x", 3),
    "module name": lambda f, nn: nn.Module().add_module(3, nn.ReLU()),
    "module taken": lambda f, nn: nn.Module().add_module("training", nn.ReLU()),
    "module dot": lambda f, nn: nn.Module().add_module("a.b", nn.ReLU()),
    "module empty": lambda f, nn: nn.Module().add_module("", nn.ReLU()),
    "tensor for parameter": lambda f, nn: with_value(nn, "weight", f.ones(2, 2)),
    "int for parameter": lambda f, nn: with_value(nn, "weight", 3),
    "tensor for module": lambda f, nn: setattr(filled(f, nn), "child", f.ones(1)),
    "int for buffer": lambda f, nn: setattr(filled(f, nn), "buf", 3),
    "submodule path": lambda f, nn: filled(f, nn).get_submodule("child.x"),
    "submodule is none": lambda f, nn: filled(f, nn).get_submodule("weight"),
    "parameter path": lambda f, nn: filled(f, nn).get_parameter("child.x"),
    "parameter is none": lambda f, nn: filled(f, nn).get_parameter("child.inplace"),
    "buffer path": lambda f, nn: filled(f, nn).get_buffer("child.x"),
    "buffer is none": lambda f, nn: filled(f, nn).get_buffer("weight"),
    "set nothing": lambda f, nn: nn.Module().set_submodule("", nn.ReLU()),
    "set strictly": lambda f, nn: nn.Module().set_submodule("q", nn.ReLU(), strict=True),
    "set far away": lambda f, nn: nn.Module().set_submodule("r.s", nn.ReLU()),
    "set int": lambda f, nn: nn.Module().set_submodule("s", 3),
    "set over parameter": lambda f, nn: nn.Linear(1, 1).set_submodule("weight", nn.ReLU()),
    "to int": lambda f, nn: nn.Linear(1, 1).to(f.int32),
    "mode": lambda f, nn: nn.Module().train("x"),
    "state dict of int": lambda f, nn: nn.Module().load_state_dict([1]),
    "index": lambda f, nn: nn.Sequential(nn.ReLU())[5],
    "text index": lambda f, nn: nn.Sequential(nn.ReLU())["0"],
    "set index": lambda f, nn: nn.Sequential(nn.ReLU()).__setitem__(5, nn.ReLU()),
    "add": lambda f, nn: nn.Sequential() + 3,
    "times 0": lambda f, nn: int_error(lambda: nn.Sequential(nn.ReLU()) * 0),
    "insert far": lambda f, nn: nn.Sequential().insert(5, nn.ReLU()),
    "int in sequential": lambda f, nn: nn.Sequential(3),
    "list in sequential": lambda f, nn: nn.Sequential([nn.ReLU()]),
    "int in list": lambda f, nn: nn.ModuleList([3]),
    "list of int": lambda f, nn: nn.ModuleList(3),
    "extend": lambda f, nn: nn.ModuleList().extend(nn.ReLU()),
    "list index": lambda f, nn: nn.ModuleList([nn.ReLU()])[5],
    "list call": lambda f, nn: nn.ModuleList()(1),
    "dict key": lambda f, nn: nn.ModuleDict()["x"],
    "dict int key": lambda f, nn: nn.ModuleDict({1: nn.ReLU()}),
    "dict attribute": lambda f, nn: nn.ModuleDict({"keys": nn.ReLU()}),
    "dict of int": lambda f, nn: nn.ModuleDict(3),
    "dict of single": lambda f, nn: nn.ModuleDict([("k",)]),
    "parameter list of int": lambda f, nn: nn.ParameterList(3),
    "parameter list of tensor": lambda f, nn: nn.ParameterList(f.ones(3)),
    "parameter list index": lambda f, nn: nn.ParameterList([f.ones(1)])[5],
    "parameter list call": lambda f, nn: nn.ParameterList()(1),
    "parameter dict call": lambda f, nn: nn.ParameterDict()(1),
    "pre-hook result": lambda f, nn: hooked(nn, lambda m, a, k: 3)(1),
}


def int_error(call):
    try:
        return call()
    except ValueError as error:
        raise ValueError(str(error).split(" for ")[0]) from None


def hooked(nn, hook):
    module = nn.Identity()
    module.register_forward_pre_hook(hook, with_kwargs=True)
    return module


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name):
    check(MESSAGES[name], messages=True)


def changed(value, *steps):
    for step in steps:
        step(value)
    return value


def sequential(nn):
    return nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))


def named(nn):
    layers = collections.OrderedDict([("a", nn.ReLU()), ("1", nn.Tanh()), ("2", nn.ReLU())])
    return nn.Sequential(layers)


RESULTS = {
    "module for parameter": lambda f, nn: with_value(nn, "weight", nn.ReLU()),
    "empty": lambda f, nn: [nn.Module(), nn.Sequential(), nn.ModuleList(), nn.ModuleDict()],
    "empty parameters": lambda f, nn: [nn.ParameterList(), nn.ParameterDict()],
    "attribute": lambda f, nn: with_value(nn, "extra", nn.Parameter(f.ones(1))).extra,
    "none for parameter": lambda f, nn: with_value(nn, "bias", None).state_dict(),
    "parameter over buffer": lambda f, nn: changed(
        filled(f, nn), lambda m: setattr(m, "buf", nn.Parameter(f.ones(1)))
    ).state_dict(),
    "tensor over buffer": lambda f, nn: changed(
        filled(f, nn), lambda m: setattr(m, "buf", f.zeros(3))
    ).state_dict(),
    "none over buffer": lambda f, nn: changed(
        filled(f, nn), lambda m: setattr(m, "buf", None)
    ).state_dict(),
    "module over value": lambda f, nn: changed(
        nn.Module(), lambda m: setattr(m, "x", 3), lambda m: setattr(m, "x", nn.ReLU())
    ),
    "none over module": lambda f, nn: changed(filled(f, nn), lambda m: setattr(m, "child", None)),
    "delete": lambda f, nn: changed(
        filled(f, nn), lambda m: delattr(m, "child"), lambda m: delattr(m, "weight")
    ).state_dict(),
    "buffer object": lambda f, nn: changed(
        nn.Module(),
        lambda m: setattr(m, "b", nn.Buffer(f.ones(1), persistent=False)),
        lambda m: setattr(m, "c", nn.Buffer(f.ones(1))),
    ).state_dict(),
    "no buffer in file": lambda f, nn: changed(
        nn.Module(), lambda m: m.register_buffer("b", f.ones(1), persistent=False)
    ).state_dict(),
    "set_submodule": lambda f, nn: changed(
        nn.Sequential(nn.Sequential(nn.ReLU())),
        lambda m: m.set_submodule("0.0", nn.Tanh()),
        lambda m: m.set_submodule("0.new", nn.Tanh()),
    ),
    "get": lambda f, nn: [
        filled(f, nn).get_submodule(""),
        filled(f, nn).get_submodule("child"),
        filled(f, nn).get_parameter("bias"),
        filled(f, nn).get_buffer("buf"),
    ],
    "dtype": lambda f, nn: [
        getattr(filled(f, nn), name)().state_dict()
        for name in ("half", "double", "bfloat16", "float")
    ],
    "to": lambda f, nn: [
        filled(f, nn).to(*args).weight
        for args in [
            (),
            (None,),
            ("cpu",),
            ("cpu", f.float64, True),
            (f.float16,),
            (f.ones(1).double(),),
        ]
    ],
    "to with keywords": lambda f, nn: filled(f, nn).to(device="cpu", dtype=f.float64).weight,
    "type": lambda f, nn: [
        filled(f, nn).type(f.float64).weight,
        filled(f, nn).type("torch.HalfTensor").weight,
    ],
    "to meta and back": lambda f, nn: [
        str(filled(f, nn).to("meta").weight.device),
        str(filled(f, nn).to("meta").to_empty(device="cpu").weight.device),
    ],
    "from meta": lambda f, nn: nn.Linear(1, 1, device="meta").to("cpu"),
    "requires_grad_": lambda f, nn: filled(f, nn).requires_grad_(False).weight,
    "apply": lambda f, nn: (
        lambda seen: [filled(f, nn).apply(lambda m: seen.append(repr(m))), seen]
    )([]),
    "train": lambda f, nn: [
        [m.training for m in sequential(nn).eval().modules()],
        sequential(nn).eval().train().training,
    ],
    "prefix": lambda f, nn: list(sequential(nn).state_dict(prefix="pre.")),
    "keep_vars": lambda f, nn: nn.Linear(1, 1).state_dict(keep_vars=True),
    "destination": lambda f, nn: nn.Linear(1, 1).state_dict(destination={}),
    "positional": lambda f, nn: nn.Linear(1, 1).state_dict(collections.OrderedDict(), "pre.", True),
    "metadata": lambda f, nn: (
        nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.ReLU())).state_dict()._metadata
    ),
    "dir": lambda f, nn: [
        n for n in dir(sequential(nn)) + dir(filled(f, nn)) if n in "012 weight child buf training"
    ],
    "names": lambda f, nn: [n for n, _ in nested(nn).named_modules()],
    "all names": lambda f, nn: [n for n, _ in nested(nn).named_modules(remove_duplicate=False)],
    "prefixed names": lambda f, nn: [n for n, _ in nested(nn).named_modules(prefix="q")],
    "children": lambda f, nn: [n for n, _ in nested(nn).named_children()],
    "parameter names": lambda f, nn: [n for n, _ in nested(nn).named_parameters()],
    "all parameter names": lambda f, nn: [
        n for n, _ in nested(nn).named_parameters(remove_duplicate=False)
    ],
    "own parameter names": lambda f, nn: [n for n, _ in filled(f, nn).named_parameters("p", False)],
    "buffer names": lambda f, nn: [n for n, _ in nn.Sequential(filled(f, nn)).named_buffers()],
    "memo": lambda f, nn: (lambda m: [n for n, _ in m.named_modules({m[0]})])(sequential(nn)),
    "nested": lambda f, nn: [nested(nn), nested(nn).state_dict()],
    # Sequential
    "slice": lambda f, nn: [sequential(nn)[1:], sequential(nn)[::2], sequential(nn)[-1]],
    "tensor index": lambda f, nn: [sequential(nn)[f.tensor(1)], sequential(nn)[True]],
    "set item": lambda f, nn: changed(sequential(nn), lambda s: s.__setitem__(-2, nn.Tanh())),
    "delete item": lambda f, nn: changed(sequential(nn), lambda s: s.__delitem__(0)),
    "delete slice": lambda f, nn: changed(sequential(nn), lambda s: s.__delitem__(slice(0, 2))),
    "named": lambda f, nn: [named(nn), named(nn)[1:], named(nn).append(nn.ReLU())],
    "delete named": lambda f, nn: changed(named(nn), lambda s: s.__delitem__(0)),
    "pop": lambda f, nn: [sequential(nn).pop(0), sequential(nn).pop(-1)],
    "insert": lambda f, nn: [sequential(nn).insert(i, nn.Tanh()) for i in (0, 1, 3, -1, -3)],
    "append": lambda f, nn: [sequential(nn).append(nn.Tanh()), nn.Sequential().extend([nn.ReLU()])],
    "sum": lambda f, nn: [sequential(nn) + nn.Sequential(nn.Tanh())],
    "sum in place": lambda f, nn: sequential(nn).__iadd__(nn.Sequential(nn.Tanh())),
    "product": lambda f, nn: [nn.Sequential(nn.ReLU()) * 2, 2 * nn.Sequential(nn.ReLU())],
    "product in place": lambda f, nn: nn.Sequential(nn.ReLU(), nn.Tanh()).__imul__(2),
    "product with text": lambda f, nn: nn.Sequential(nn.ReLU()) * "a",
    "none": lambda f, nn: [nn.Sequential(None), nn.ModuleList([None])],
    "call nothing": lambda f, nn: nn.Sequential()(5),
    "call with two": lambda f, nn: nn.Sequential(nn.ReLU())(1, 2),
    "reversed": lambda f, nn: list(reversed(sequential(nn))),
    "fractional index": lambda f, nn: sequential(nn)[1.5],
    # ModuleList
    "list": lambda f, nn: nn.ModuleList([nn.ReLU()] * 3 + [nn.Tanh()] + [nn.ReLU()]),
    "list of lists": lambda f, nn: nn.ModuleList([sequential(nn), sequential(nn), nn.ModuleList()]),
    "list slice": lambda f, nn: [
        nn.ModuleList(sequential(nn))[1:],
        nn.ModuleList(sequential(nn))[-1],
    ],
    "list insert": lambda f, nn: [
        changed(nn.ModuleList(sequential(nn)), lambda m, i=i: m.insert(i, nn.Tanh()))
        for i in (0, 2, 3)
    ],
    "list pop": lambda f, nn: [
        nn.ModuleList(sequential(nn)).pop(1),
        nn.ModuleList(sequential(nn)).pop(-1),
    ],
    "list delete": lambda f, nn: [
        changed(nn.ModuleList(sequential(nn)), lambda m, i=i: m.__delitem__(i))
        for i in (0, -1, slice(0, 2))
    ],
    "list sum": lambda f, nn: [nn.ModuleList(sequential(nn)) + [nn.ReLU()]],
    "list sum in place": lambda f, nn: nn.ModuleList(sequential(nn)).__iadd__([nn.ReLU()]),
    "list set": lambda f, nn: changed(
        nn.ModuleList(sequential(nn)), lambda m: m.__setitem__(-1, nn.Tanh())
    ),
    "list of generator": lambda f, nn: nn.ModuleList(nn.Linear(1, 1) for _ in range(2)),
    # ModuleDict
    "dict": lambda f, nn: nn.ModuleDict({"z": nn.ReLU(), "a": sequential(nn)}),
    "dict of pairs": lambda f, nn: nn.ModuleDict([("z", nn.ReLU()), ("a", nn.Tanh())]),
    "dict methods": lambda f, nn: (
        lambda m: [list(m), list(m.keys()), len(m), "z" in m, "y" in m, m.pop("z"), list(m.items())]
    )(nn.ModuleDict({"z": nn.ReLU(), "a": nn.Tanh()})),
    "dict update": lambda f, nn: changed(
        nn.ModuleDict({"z": nn.ReLU()}),
        lambda m: m.update({"z": nn.Tanh(), "b": nn.ReLU()}),
        lambda m: m.update(nn.ModuleDict({"c": nn.ReLU()})),
    ),
    "dict clear": lambda f, nn: changed(nn.ModuleDict({"z": nn.ReLU()}), lambda m: m.clear()),
    "dict pop": lambda f, nn: nn.ModuleDict().pop("x"),
    "dict attribute access": lambda f, nn: nn.ModuleDict({"z": nn.ReLU()}).z,
    # ParameterList
    "parameters": lambda f, nn: parameters(f, nn),
    "parameters named": lambda f, nn: list(parameters(f, nn).named_parameters()),
    "parameters state": lambda f, nn: parameters(f, nn).state_dict(),
    "parameters items": lambda f, nn: [
        list(parameters(f, nn)),
        parameters(f, nn)[-1],
        parameters(f, nn)[0:2],
    ],
    "parameters append": lambda f, nn: parameters(f, nn).append(f.ones(2, 2)).extend([1]),
    "parameters set": lambda f, nn: changed(
        parameters(f, nn), lambda p: p.__setitem__(0, f.ones(3))
    ),
    "parameters sum": lambda f, nn: parameters(f, nn).__iadd__([2]),
    "parameters of module": lambda f, nn: nn.ParameterList([nn.ReLU()]),
    "parameters of int tensor": lambda f, nn: nn.ParameterList([f.ones(2, dtype=f.int64)]),
    "parameters reversed": lambda f, nn: list(reversed(parameters(f, nn))),
    "parameters of lists": lambda f, nn: nn.ParameterList([nn.ParameterList([1])]),
    # ParameterDict
    "table": lambda f, nn: table(f, nn),
    "table items": lambda f, nn: [
        list(table(f, nn)),
        list(table(f, nn).items()),
        table(f, nn)["b"],
        table(f, nn).b,
    ],
    "table reversed": lambda f, nn: list(reversed(table(f, nn))),
    "table ordered": lambda f, nn: list(nn.ParameterDict(collections.OrderedDict(z=1, a=2))),
    "table set": lambda f, nn: changed(
        table(f, nn), lambda t: t.__setitem__("b", f.zeros(1)), lambda t: t.__setitem__("n", 1)
    ),
    "table delete": lambda f, nn: changed(table(f, nn), lambda t: t.__delitem__("b")).state_dict(),
    "table copy": lambda f, nn: table(f, nn).copy(),
    "table defaults": lambda f, nn: [
        table(f, nn).setdefault("q", 5),
        table(f, nn).setdefault("a", 5),
        table(f, nn).get("q"),
        table(f, nn).get("q", 3),
        table(f, nn).get("a"),
    ],
    "table pop": lambda f, nn: [table(f, nn).pop("a"), table(f, nn).popitem()],
    "table pop nothing": lambda f, nn: table(f, nn).pop("x"),
    "table nothing": lambda f, nn: table(f, nn)["x"],
    "table fromkeys": lambda f, nn: table(f, nn).fromkeys(["x", "y"], 1),
    "table or": lambda f, nn: [
        table(f, nn) | nn.ParameterDict({"v": 1}),
        changed(table(f, nn), lambda t: t.__ior__(nn.ParameterDict({"v": 1}))),
    ],
    "table or from the left": lambda f, nn: nn.ParameterDict({"v": 1}).__ror__(table(f, nn)),
    "table update": lambda f, nn: changed(table(f, nn), lambda t: t.update({"z": 1, "e": 2})),
    "table update by pairs": lambda f, nn: changed(table(f, nn), lambda t: t.update([("z", 1)])),
    "table update by int": lambda f, nn: table(f, nn).update(3),
    "table of ints": lambda f, nn: nn.ParameterDict({1: f.ones(1)}),
    "table clear": lambda f, nn: changed(table(f, nn), lambda t: t.clear()),
    "table of modules": lambda f, nn: nn.ParameterDict({"m": nn.ReLU()}),
    "table of tables": lambda f, nn: nn.ParameterDict({"k": nn.ParameterDict({"a": f.ones(1)})}),
    "table dot": lambda f, nn: nn.ParameterDict({"a.b": f.ones(1)}),
    "keys": lambda f, nn: nn.ParameterDict({"keys": 1}),
    # Parameter
    "parameter": lambda f, nn: [nn.Parameter(), nn.Parameter(None), nn.Parameter(f.ones(2), False)],
    "parameter text": lambda f, nn: [
        repr(nn.Parameter()),
        repr(nn.Parameter(f.ones(2))),
        repr(nn.Parameter(f.ones(2), False)),
    ],
    "parameter of ints": lambda f, nn: nn.Parameter(f.ones(2, dtype=f.int32)),
    "ints without gradient": lambda f, nn: nn.Parameter(f.ones(2, dtype=f.int32), False),
    "parameter ops": lambda f, nn: [
        op(nn.Parameter(f.ones(2)))
        for op in (
            lambda p: p + 1,
            lambda p: p.detach(),
            lambda p: p.data,
            lambda p: p.clone(),
            lambda p: p[0:1],
        )
    ],
    "parameter of result": lambda f, nn: nn.Parameter(f.ones(2, requires_grad=True) * 2).is_leaf,
    "parameter copies": lambda f, nn: [
        copy.deepcopy(nn.Parameter(f.ones(2), r)) for r in (True, False)
    ],
    "buffer text": lambda f, nn: repr(nn.Buffer(f.ones(1))),
    "isinstance": lambda f, nn: isinstance(f.ones(1), nn.Parameter),
}


def parameters(f, nn):
    return nn.ParameterList([f.ones(2), 3, nn.Parameter(f.zeros(1, 2)), "text"])


def table(f, nn):
    return nn.ParameterDict({"b": f.ones(2), "a": 3, "c": nn.Parameter(f.ones(()))})


def nested(nn):
    module = nn.Module()
    module.a = nn.Linear(1, 1)
    module.b = module.a
    module.c = nn.Sequential(module.a, nn.ReLU())
    module.d = None
    module.tied = module.a.weight
    return module


@pytest.mark.parametrize("name", RESULTS)
def test_results(name):
    check(RESULTS[name])


# ---- load_state_dict


def model(nn):
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 1)))


def damaged(f, nn):
    state = collections.OrderedDict(model(nn).state_dict())
    state["foo"] = 1
    state["2.0.bar"] = 1
    del state["0.bias"]
    state["0.weight"] = f.ones(5, 2)
    state["2.0.weight"] = 3
    return state


def incomplete(f, nn):
    state = collections.OrderedDict(model(nn).state_dict())
    state["foo"] = 1
    state["2.0.bar"] = 1
    del state["0.bias"]
    return state


def loaded(module, state, **options):
    report = module.load_state_dict(state, **options)
    return [repr(report), report.missing_keys, report.unexpected_keys, module.state_dict()]


class Extra:
    """Makes a module with extra state."""

    def __new__(cls, nn):
        class Module(nn.Module):
            value = 1

            def get_extra_state(self):
                return self.value

            def set_extra_state(self, state):
                self.value = state

        return Module()


LOADING = {
    "itself": lambda f, nn: loaded(model(nn), model(nn).state_dict()),
    "damaged": lambda f, nn: loaded(model(nn), damaged(f, nn)),
    "damaged, not strict": lambda f, nn: loaded(model(nn), damaged(f, nn), strict=False),
    "incomplete": lambda f, nn: loaded(model(nn), incomplete(f, nn)),
    "incomplete, not strict": lambda f, nn: loaded(model(nn), incomplete(f, nn), strict=False),
    "nothing": lambda f, nn: loaded(model(nn), {}),
    "0-dim for 1-dim": lambda f, nn: loaded(
        nn.Linear(1, 1), {"weight": f.ones(1, 1), "bias": f.tensor(1.0)}
    ),
    "1-dim for 0-dim": lambda f, nn: loaded(
        nn.ParameterDict({"a": f.tensor(1.0)}), {"a": f.ones(1)}
    ),
    "array": lambda f, nn: loaded(nn.Linear(1, 1), {"weight": np.ones((1, 1)), "bias": f.ones(1)}),
    "dtype": lambda f, nn: loaded(
        nn.Linear(1, 1), {"weight": f.ones(1, 1).double(), "bias": f.ones(1)}
    ),
    "assign": lambda f, nn: loaded(
        nn.Linear(1, 1), {"weight": f.ones(1, 1).double(), "bias": f.ones(1)}, assign=True
    ),
    "assign parameter": lambda f, nn: (
        lambda m, p: [loaded(m, {"weight": p}, assign=True, strict=False), m.weight is p]
    )(nn.Linear(1, 1), nn.Parameter(f.ones(1, 1), False)),
    "onto meta": lambda f, nn: str(
        changed(
            nn.Linear(1, 1, device="meta"),
            lambda m: m.load_state_dict(nn.Linear(1, 1).state_dict()),
        ).weight.device
    ),
    "assigned to meta": lambda f, nn: loaded(
        nn.Linear(1, 1, device="meta"), {"weight": f.ones(1, 1), "bias": f.ones(1)}, assign=True
    ),
    "extra": lambda f, nn: [
        Extra(nn).state_dict(),
        repr(Extra(nn).load_state_dict({"_extra_state": 5})),
    ],
    "no extra": lambda f, nn: Extra(nn).load_state_dict({}),
    "unexpected extra": lambda f, nn: nn.Module().load_state_dict({"_extra_state": 1}),
    "a module in place of a parameter": lambda f, nn: nn.Sequential(nn.ReLU()).load_state_dict(
        {"0": f.ones(1)}
    ),
}


@pytest.mark.parametrize("name", LOADING)
def test_loading(name):
    check(LOADING[name], messages=True)


def with_hooks(f, nn):
    log = []
    m = nn.Sequential(nn.Linear(1, 1))
    m.register_state_dict_pre_hook(lambda *a: log.append(["pre", *map(plain, a[1:])]))
    m.register_state_dict_post_hook(lambda m, s, p, meta: s.update({p + "more": 1}))
    state = m.state_dict(prefix="x.")
    m._register_state_dict_hook(lambda m, s, p, meta: {**s, "last": meta["version"]})
    replaced = m.state_dict()
    m.register_load_state_dict_pre_hook(
        lambda *a: log.append([len(a), isinstance(a[0], nn.Module), a[2]])
    )
    m._register_load_state_dict_pre_hook(lambda *a: log.append([len(a), a[1], a[3]]))
    m.register_load_state_dict_post_hook(lambda m, keys: keys.unexpected_keys.clear())
    report = m.load_state_dict({"0.weight": f.ones(1, 1), "0.bias": f.ones(1), "odd": 1})
    return [log, list(state), list(replaced), repr(report), m[0].weight]


def bad_hook(f, nn, register):
    m = nn.Linear(1, 1)
    getattr(m, register)(lambda *a: 3)
    return m.load_state_dict(m.state_dict())


def test_state_dict_hooks():
    check(with_hooks)


@pytest.mark.parametrize(
    "register", ["register_state_dict_post_hook", "register_load_state_dict_post_hook"]
)
def test_hooks_that_return_something(register):
    check(lambda f, nn: bad_hook(f, nn, register))


def converting(f, nn):
    """An older format, told by its version."""

    class Scale(nn.Module):
        _version = 2

        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(f.ones(1))

        def _load_from_state_dict(self, state, prefix, metadata, *rest):
            if metadata.get("version", 1) < 2:
                state[prefix + "factor"] = state.pop(prefix + "scale")
            super()._load_from_state_dict(state, prefix, metadata, *rest)

    old = {"0.scale": f.full((1,), 5.0)}
    m = nn.Sequential(Scale())
    m.load_state_dict(old)
    return [
        m[0].factor,
        list(old),
        m.state_dict()._metadata,
        repr(m.load_state_dict(m.state_dict())),
    ]


def test_older_formats():
    check(converting)


# ---- hooks around calls


def linear(f, nn):
    module = nn.Linear(2, 2)
    module.load_state_dict({"weight": f.tensor([[1.0, 2], [3, 4]]), "bias": f.zeros(2)})
    return module


def run(f, nn, register, x=None, module=None, out=lambda y: y.sum()):
    log = []
    module = module or linear(f, nn)
    register(module, log)
    x = f.ones(3, 2, requires_grad=True) if x is None else x
    y = module(x)
    out(y).backward()
    return [log, x.grad, type(y).__name__]


def note(log):
    def hook(module, grad_input, grad_output):
        log.append([grad_input, grad_output])

    return hook


def full(hook):
    return lambda m, log: m.register_full_backward_hook(hook or note(log))


def pre(hook):
    return lambda m, log: m.register_full_backward_pre_hook(hook)


class Several:
    """Makes a module with several inputs and outputs."""

    def __new__(cls, nn, form=tuple):
        class Module(nn.Module):
            def forward(self, a, b=None, c=None):
                outputs = (a * 2, (a if b is None else b) * 3, "x")
                return outputs if form is tuple else form(outputs)

        return Module()


def several(f, nn, *args, form=tuple, used=(0, 1), **kwargs):
    log = []
    m = Several(nn, form)
    m.register_full_backward_hook(note(log))
    y = m(*args, **kwargs)
    y = list(y.values()) if isinstance(y, dict) else y
    sum(y[i].sum() for i in used).backward()
    return log


def grad(f):
    return f.ones(2, requires_grad=True)


CALLS = {
    "full": lambda f, nn: run(f, nn, full(None)),
    "full without input gradient": lambda f, nn: run(f, nn, full(None), f.ones(3, 2)),
    "doubled": lambda f, nn: run(f, nn, full(lambda m, gi, go: (gi[0] * 2,))),
    "removed": lambda f, nn: run(f, nn, full(lambda m, gi, go: (None,))),
    "too many": lambda f, nn: run(f, nn, full(lambda m, gi, go: (gi[0], gi[0]))),
    "without input": lambda f, nn: run(
        f, nn, full(lambda m, gi, go: (f.ones(3, 2),)), f.ones(3, 2)
    ),
    "pre": lambda f, nn: run(f, nn, pre(lambda m, go: (go[0] * 3,))),
    "pre too many": lambda f, nn: run(f, nn, pre(lambda m, go: (go[0], go[0]))),
    "pre and full": lambda f, nn: run(
        f, nn, lambda m, log: [pre(lambda m, go: (go[0] * 3,))(m, log), full(None)(m, log)]
    ),
    "two inputs": lambda f, nn: several(f, nn, grad(f), grad(f)),
    "one input with gradient": lambda f, nn: several(f, nn, grad(f), f.ones(2), 3),
    "keyword input": lambda f, nn: several(f, nn, grad(f), b=grad(f)),
    "list output": lambda f, nn: several(f, nn, grad(f), form=list),
    "dict output": lambda f, nn: several(f, nn, grad(f), form=lambda o: dict(zip("abc", o))),
    "named output": lambda f, nn: several(
        f, nn, grad(f), form=lambda o: collections.namedtuple("P", "u v w")(*o)
    ),
    "no gradients": lambda f, nn: frozen(f, nn),
    "in place after": lambda f, nn: in_place(f, nn),
    "mixed": lambda f, nn: run(
        f, nn, lambda m, log: [full(None)(m, log), m.register_backward_hook(note(log))]
    ),
    "mixed the other way": lambda f, nn: mixed(f, nn),
    "twice": lambda f, nn: twice(f, nn),
    "order": lambda f, nn: ordered(f, nn),
    "replaced": lambda f, nn: replaced(f, nn),
    "always": lambda f, nn: always(f, nn),
    "always and failing": lambda f, nn: failing(f, nn),
    "everywhere": lambda f, nn: everywhere(f, nn),
    "with handles": lambda f, nn: handles(f, nn),
}


def frozen(f, nn):
    m = linear(f, nn)
    m.register_full_backward_hook(lambda *a: None)
    with f.no_grad():
        return m(grad(f)).requires_grad


def in_place(f, nn):
    m = linear(f, nn)
    m.register_full_backward_hook(lambda *a: None)
    return m(grad(f)).add_(1)


def mixed(f, nn):
    m = nn.Identity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m.register_backward_hook(lambda *a: None)
    m.register_full_backward_hook(lambda *a: None)


def twice(f, nn):
    log = []
    m = linear(f, nn)
    m.register_full_backward_hook(note(log))
    x = grad(f)
    m(m(x)).sum().backward()
    return [log, x.grad]


def ordered(f, nn):
    log = []
    m = nn.Identity()
    m.register_forward_pre_hook(lambda m, a: log.append("p1"))
    m.register_forward_pre_hook(lambda m, a: log.append("p0"), prepend=True)
    m.register_forward_hook(lambda m, a, o: log.append("f1"))
    m.register_forward_hook(
        lambda m, a, k, o: log.append(["f0", k]), prepend=True, with_kwargs=True
    )
    m(1)
    return log


def replaced(f, nn):
    m = nn.Identity()
    m.register_forward_pre_hook(lambda m, a: 2)
    m.register_forward_pre_hook(lambda m, a, k: ((a[0] * 5,), k), with_kwargs=True)
    m.register_forward_hook(lambda m, a, o: [a, o])
    return m(1)


def always(f, nn):
    log = []
    m = linear(f, nn)
    m.register_forward_hook(lambda m, a, o: log.append(["always", o]), always_call=True)
    m.register_forward_hook(lambda m, a, o: log.append("not always"))
    with pytest.raises(TypeError):
        m(3)
    return log


def failing(f, nn):
    log = []
    m = linear(f, nn)

    def bad(m, a, o):
        raise ValueError("bad")

    m.register_forward_hook(bad, always_call=True)
    m.register_forward_hook(lambda m, a, o: log.append("called"), always_call=True)
    with pytest.raises(ValueError, match="bad"):
        m(grad(f))
    with pytest.raises(TypeError):
        m(3)
    return log


def everywhere(f, nn):
    module = importlib.import_module(type(nn.Module()).__module__)
    log = []
    handles = [
        module.register_module_forward_pre_hook(lambda m, a: log.append("pre")),
        module.register_module_forward_hook(lambda m, a, o: log.append("post")),
        module.register_module_full_backward_hook(lambda m, i, o: log.append("back")),
        module.register_module_full_backward_pre_hook(lambda m, o: log.append("before back")),
        module.register_module_module_registration_hook(lambda m, n, s: log.append(["module", n])),
        module.register_module_parameter_registration_hook(lambda m, n, s: log.append(["par", n])),
        module.register_module_buffer_registration_hook(lambda m, n, s: log.append(["buffer", n])),
    ]
    try:
        m = nn.Sequential(nn.Linear(2, 2))
        m.register_buffer("b", f.ones(1))
        m(grad(f)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    m(grad(f)).sum().backward()
    return log


def handles(f, nn):
    m = nn.Identity()
    with m.register_forward_hook(lambda *a: 3) as handle:
        inside = m(1)
    handle.remove()
    return [inside, m(1), len(m._forward_hooks)]


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    ours, theirs = (outcome(CALLS[name], f) for f in (rushlight, torch))
    assert simplified(ours[0]) == simplified(theirs[0])
    assert ours[1] == theirs[1]


def simplified(value):
    """Rounded, and with zeros for missing gradients: which of the two is not a promise."""
    if isinstance(value, list):
        return [simplified(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return value


def test_legacy_hooks():
    def legacy(f, nn):
        log = []
        m = nn.Tanh()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m.register_backward_hook(note(log))
            m(f.zeros(2, requires_grad=True)).sum().backward()
        return log

    check(legacy)


# ---- identity, copies


def test_conversion_keeps_the_parameters():
    def run(f):
        m = f.nn.Linear(1, 1)
        m(f.ones(1, 1)).sum().backward()
        weight, gradient = m.weight, m.weight.grad
        m.double()
        return m.weight is weight, m.weight.grad is gradient, str(gradient.dtype), m.weight.is_leaf

    assert run(rushlight) == run(torch)


def test_copies():
    def run(f):
        m = f.nn.Sequential(linear(f, f.nn), f.nn.ReLU())
        m.tied = m[0].weight
        m(f.ones(1, 2)).sum().backward()
        seen = []
        for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
            seen.append([other.tied is other[0].weight, other[0].weight is not m[0].weight])
            seen.append([plain(other.state_dict()), repr(other), other.training])
        return seen, copy.deepcopy(m)[0].weight.grad

    assert run(rushlight) == run(torch)
