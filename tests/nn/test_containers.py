"""Lists and dictionaries of modules and parameters."""

from collections import OrderedDict

import pytest

import rushlight
from rushlight import nn


def kinds(container):
    return [type(m).__name__ for m in container]


def three():
    return nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Tanh())


def test_sequential():
    net = three()
    assert len(net) == 3
    assert kinds(net) == ["Linear", "ReLU", "Tanh"]
    assert net[1] in net
    assert kinds(reversed(net)) == ["Tanh", "ReLU", "Linear"]
    assert net(rushlight.ones(1, 1)).shape == (1, 2)
    assert nn.Sequential()(5) == 5


def test_sequential_with_names():
    net = nn.Sequential(OrderedDict([("a", nn.ReLU()), ("b", nn.Tanh())]))
    assert list(net._modules) == ["a", "b"]
    assert list(net[1:]._modules) == ["b"]
    net[0] = nn.GELU()
    assert list(net._modules) == ["a", "b"]
    del net[0]
    assert list(net._modules) == ["0"]


def test_indices():
    net = three()
    assert net[-1] is net[2]
    assert net[rushlight.tensor(1)] is net[1]
    assert kinds(net[::2]) == ["Linear", "Tanh"]
    net[-1] = nn.Sigmoid()
    assert kinds(net) == ["Linear", "ReLU", "Sigmoid"]
    del net[:2]
    assert (kinds(net), list(net._modules)) == (["Sigmoid"], ["0"])
    assert type(net.pop(0)) is nn.Sigmoid
    assert len(net) == 0


def test_growing():
    net = nn.Sequential().append(nn.ReLU()).extend([nn.Tanh()]).insert(0, nn.GELU())
    assert (kinds(net), list(net._modules)) == (["GELU", "ReLU", "Tanh"], ["0", "1", "2"])
    same = net
    net += nn.Sequential(nn.ReLU())
    net *= 2
    assert net is same
    assert kinds(net) == ["GELU", "ReLU", "Tanh", "ReLU"] * 2
    pair = nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh())
    assert kinds(pair) == ["ReLU", "Tanh"]
    assert kinds(2 * pair) == kinds(pair * 2) == ["ReLU", "Tanh"] * 2
    assert kinds(pair.extend(pair)) == ["ReLU", "Tanh"] * 2


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda s: s[3], IndexError, "index 3 is out of range"),
        (lambda s: s[-4], IndexError, "index -4 is out of range"),
        (lambda s: s["0"], TypeError, "cannot be interpreted as an integer"),
        (lambda s: s.__setitem__(9, nn.ReLU()), IndexError, "index 9 is out of range"),
        (lambda s: s.insert(9, nn.ReLU()), IndexError, "Index out of range: 9"),
        (lambda s: s.insert(0, 3), TypeError, "int is not a Module subclass"),
        (lambda s: s.append(3), TypeError, "int is not a Module subclass"),
        (lambda s: s + 3, ValueError, "only objects of Sequential class"),
        (lambda s: s * 0, ValueError, "Non-positive multiplication factor 0"),
        (lambda s: s * "a", TypeError, "unsupported operand type"),
        (lambda s: nn.Sequential([nn.ReLU()]), TypeError, "list is not a Module subclass"),
        (lambda s: nn.ModuleList([3]), TypeError, "int is not a Module subclass"),
        (
            lambda s: nn.ModuleList(3),
            TypeError,
            "ModuleList.extend should be called with an iterable",
        ),
        (
            lambda s: nn.ModuleList([nn.ReLU()]).insert(0, 3),
            TypeError,
            "int is not a Module subclass",
        ),
        (lambda s: nn.ModuleList()[0], IndexError, "index 0 is out of range"),
        (lambda s: nn.ModuleList()(1), NotImplementedError, "missing the required"),
        (
            lambda s: nn.ModuleDict(3),
            TypeError,
            "ModuleDict.update should be called with an iterable of",
        ),
        (lambda s: nn.ModuleDict([3]), TypeError, "element #0 should be Iterable; is int"),
        (lambda s: nn.ModuleDict([("a",)]), ValueError, "element #0 has length 1; 2 is required"),
        (lambda s: nn.ModuleDict({1: nn.ReLU()}), TypeError, "module name should be a string"),
        (lambda s: nn.ModuleDict()["x"], KeyError, "x"),
        (
            lambda s: nn.ParameterList(rushlight.ones(2)),
            TypeError,
            "ParameterList.extend should be",
        ),
        (lambda s: nn.ParameterList()(1), RuntimeError, "ParameterList should not be called"),
        (lambda s: nn.ParameterDict()(1), RuntimeError, "ParameterDict should not be called"),
        (lambda s: nn.ParameterDict({1: rushlight.ones(1)}), TypeError, "it is not a string"),
        (lambda s: nn.ParameterDict(3), TypeError, "ParameterDict.update should be called with"),
    ],
)
def test_wrong_calls(call, error, message):
    with pytest.raises(error, match=message):
        call(three())


def test_list():
    layers = nn.ModuleList(nn.Linear(1, 1) for _ in range(2))
    layers.append(nn.ReLU()).extend([nn.Tanh()])
    layers.insert(0, nn.GELU())
    assert kinds(layers) == ["GELU", "Linear", "Linear", "ReLU", "Tanh"]
    assert list(layers.state_dict()) == ["1.weight", "1.bias", "2.weight", "2.bias"]
    assert kinds(layers[1:3]) == ["Linear", "Linear"]
    assert type(layers.pop(-1)) is nn.Tanh
    layers[0] = nn.ReLU()
    del layers[1:3]
    assert (kinds(layers), list(layers._modules)) == (["ReLU", "ReLU"], ["0", "1"])
    layers += [nn.Tanh()]
    assert kinds(layers + [nn.GELU()]) == ["ReLU", "ReLU", "Tanh", "GELU"]
    assert len(layers) == 3


def test_neighbours_share_a_line():
    layers = nn.ModuleList([nn.ReLU(), nn.ReLU(), three(), nn.ReLU()])
    assert repr(layers) == (
        "ModuleList(\n"
        "  (0-1): 2 x ReLU()\n"
        "  (2): Sequential(\n"
        "    (0): Linear(in_features=1, out_features=2, bias=True)\n"
        "    (1): ReLU()\n"
        "    (2): Tanh()\n"
        "  )\n"
        "  (3): ReLU()\n"
        ")"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_dict():
    heads = nn.ModuleDict({"z": nn.ReLU(), "a": nn.Tanh()})
    assert (list(heads), len(heads), "z" in heads, "y" in heads) == (["z", "a"], 2, True, False)
    heads["b"] = nn.Linear(1, 1)
    heads.update([("c", nn.ReLU())])
    heads.update(nn.ModuleDict({"d": nn.ReLU()}))
    assert list(heads.keys()) == ["z", "a", "b", "c", "d"]
    assert kinds(heads.values()) == ["ReLU", "Tanh", "Linear", "ReLU", "ReLU"]
    assert [k for k, _ in heads.items()] == list(heads)
    assert type(heads.pop("a")) is nn.Tanh
    del heads["b"]
    assert list(heads) == ["z", "c", "d"]
    heads.clear()
    assert repr(heads) == "ModuleDict()"


def test_parameter_list():
    values = nn.ParameterList([rushlight.ones(2), 3])
    values.append(rushlight.zeros(1, 2)).extend(["text"])
    values += [4]
    assert [type(v).__name__ for v in values] == ["Parameter", "int", "Parameter", "str", "int"]
    assert [n for n, _ in values.named_parameters()] == ["0", "2"]
    values[0] = rushlight.ones(3)
    assert values[-5].shape == (3,)
    assert len(values[1:4]) == 3
    assert repr(values[:3]) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 3]\n"
        "    (1): Object of type: int\n"
        "    (2): Parameter containing: [torch.float32 of size 1x2]\n"
        ")"
    )


def test_parameter_dict():
    values = nn.ParameterDict({"b": rushlight.ones(2), "a": 3})
    assert list(values) == ["a", "b"]
    assert isinstance(values["b"], nn.Parameter)
    values["c"] = rushlight.ones(())
    assert (values.get("x"), values.get("x", 1), values.setdefault("x", 2)) == (None, 1, 2)
    assert values.pop("x") == 2
    assert [n for n, _ in values.named_parameters()] == ["b", "c"]
    assert repr(values) == (
        "ParameterDict(\n"
        "    (a): Object of type: int\n"
        "    (b): Parameter containing: [torch.FloatTensor of size 2]\n"
        "    (c): Parameter containing: [torch.FloatTensor of size ]\n"
        ")"
    )
    other = values | nn.ParameterDict({"z": 1})
    assert (list(other), list(values)) == (["a", "b", "c", "z"], ["a", "b", "c"])
    assert other["b"] is values["b"]
    values |= nn.ParameterDict({"y": 1})
    assert list(reversed(values)) == ["y", "c", "b", "a"]
    assert values.popitem() == ("y", 1)
    assert list(values.copy().keys()) == ["a", "b", "c"]
    assert dict(values.fromkeys("pq", 0).items()) == {"p": 0, "q": 0}
    del values["b"]
    assert ("b" in values, len(values), list(values.state_dict())) == (False, 2, ["c"])
    values.clear()
    assert repr(values) == "ParameterDict()"
