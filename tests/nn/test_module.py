"""Registration, attributes, walking, modes and text of modules."""

import copy
import pickle

import pytest

import rushlight
from rushlight import nn
from rushlight.nn import module as core


class Net(nn.Module):
    """One of each."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(rushlight.ones(2))
        self.first = nn.Linear(2, 2)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(2, 1))
        self.register_buffer("mean", rushlight.zeros(2))
        self.register_buffer("scratch", rushlight.zeros(1), persistent=False)
        self.register_parameter("unused", None)
        self.number = 3

    def forward(self, x):
        return self.rest(self.first(x) * self.scale)


def test_attributes():
    net = Net()
    assert list(net._parameters) == ["scale", "unused"]
    assert list(net._buffers) == ["mean", "scratch"]
    assert list(net._modules) == ["first", "rest"]
    assert net.scale is net._parameters["scale"]
    assert net.first is net._modules["first"]
    assert net.mean is net._buffers["mean"]
    assert net.unused is None
    assert net.number == 3


def test_no_such_attribute():
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'foo'$"):
        _ = Net().foo
    with pytest.raises(AttributeError):
        del Net().foo


def early(statement):
    class Early(nn.Module):
        def __init__(self):
            statement(self)

    return Early


@pytest.mark.parametrize(
    "statement",
    [
        lambda s: setattr(s, "x", nn.ReLU()),
        lambda s: setattr(s, "x", nn.Parameter(rushlight.ones(1))),
        lambda s: s.register_buffer("x", rushlight.ones(1)),
        lambda s: s.register_parameter("x", None),
        lambda s: s.add_module("x", nn.ReLU()),
    ],
)
def test_registration_before_init(statement):
    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        early(statement)()


@pytest.mark.parametrize("use", [lambda m: m(1), repr, lambda m: list(m.parameters())])
def test_use_without_init(use):
    module = early(lambda s: setattr(s, "x", 3))()
    assert module.x == 3
    with pytest.raises(
        AttributeError, match=r"Early.__init__\(\) did not call super\(\).__init__\(\)"
    ):
        use(module)


def test_init_takes_no_arguments():
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        nn.Module(3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'a'"):
        nn.Module(a=3)


def test_several_bases():
    class Named:
        def __init__(self, name):
            self.name = name

    class Both(nn.Module, Named):
        call_super_init = True

    assert Both(name="x").name == "x"


def test_assignments_move_names_between_the_stores():
    m = nn.Module()
    m.x = 3
    m.x = nn.ReLU()
    assert ("x" in m.__dict__, list(m._modules)) == (False, ["x"])
    m.x = nn.Parameter(rushlight.ones(1))
    assert (list(m._modules), list(m._parameters)) == ([], ["x"])
    m.x = None
    assert m._parameters == {"x": None}
    del m.x
    m.register_buffer("x", rushlight.ones(1), persistent=False)
    m.x = nn.ReLU()
    assert (list(m._buffers), m._non_persistent_buffers_set, list(m._modules)) == ([], set(), ["x"])
    m.x = None
    assert m._modules == {"x": None}
    assert repr(m) == "Module(\n  (x): None\n)"


def test_deleted_buffers_leave_nothing():
    net = Net()
    del net.scratch
    assert ("scratch" in net._buffers, net._non_persistent_buffers_set) == (False, set())


def test_buffers_are_replaced_in_place():
    net = Net()
    net.mean = rushlight.ones(3)
    assert net._buffers["mean"].tolist() == [1.0] * 3
    net.mean = None
    assert "mean" not in net.state_dict()
    net.kept = nn.Buffer(rushlight.ones(1))
    net.lost = nn.Buffer(rushlight.ones(1), persistent=False)
    assert net._non_persistent_buffers_set == {"scratch", "lost"}
    net.register_buffer("lost", rushlight.ones(1))
    assert net._non_persistent_buffers_set == {"scratch"}


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("scale", rushlight.ones(2), "cannot assign 'torch.FloatTensor' as parameter 'scale'"),
        ("scale", 3, "cannot assign 'int' as parameter 'scale'"),
        ("scale", nn.ReLU(), "cannot assign 'ReLU' as parameter 'scale'"),
        ("first", rushlight.ones(2), "cannot assign 'torch.FloatTensor' as child module 'first'"),
        ("mean", 3, "cannot assign 'int' as buffer 'mean'"),
    ],
)
def test_wrong_assignments(name, value, message):
    with pytest.raises(TypeError, match=message):
        setattr(Net(), name, value)


@pytest.mark.parametrize(
    "register", ["register_buffer", "register_parameter", "add_module", "register_module"]
)
@pytest.mark.parametrize(
    "name, error, message",
    [
        (3, TypeError, "should be a string. Got int"),
        ("a.b", KeyError, "t contain"),
        ("", KeyError, "t be empty string"),
        ("number", KeyError, "attribute 'number' already exists"),
    ],
)
def test_wrong_names(register, name, error, message):
    with pytest.raises(error, match=message):
        getattr(Net(), register)(name, None)


@pytest.mark.parametrize(
    "register, message",
    [
        ("register_buffer", "cannot assign 'int' object to buffer 'b'"),
        ("register_parameter", "cannot assign 'int' object to parameter 'b'"),
        ("add_module", "int is not a Module subclass"),
    ],
)
def test_wrong_values(register, message):
    with pytest.raises(TypeError, match=message):
        getattr(Net(), register)("b", 3)


def test_properties_still_work():
    class WithProperty(nn.Module):
        @property
        def half(self):
            return self._half

        @half.setter
        def half(self, value):
            self._half = value / 2

    m = WithProperty()
    m.half = 4
    assert m.half == 2


def test_dir():
    names = dir(Net())
    assert {"scale", "first", "mean", "number", "forward", "training"} <= set(names)
    assert not [name for name in dir(nn.Sequential(nn.ReLU())) if name[0].isdigit()]


# ---- walking


def test_names():
    net = Net()
    assert [n for n, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert [n for n, _ in net.named_children()] == ["first", "rest"]
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "first.weight", "first.bias", "rest.1.weight", "rest.1.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_parameters("p", recurse=False)] == ["p.scale"]
    assert [n for n, _ in net.named_buffers()] == ["mean", "scratch"]
    assert len(list(net.parameters())) == 5
    assert len(list(net.buffers(recurse=False))) == 2
    assert [type(m).__name__ for m in net.children()] == ["Linear", "Sequential"]


def test_what_occurs_twice():
    net = nn.Module()
    net.a = nn.Linear(1, 1)
    net.b = net.a
    net.tied = net.a.weight
    assert [n for n, _ in net.named_modules()] == ["", "a"]
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == ["", "a", "b"]
    assert [n for n, _ in net.named_children()] == ["a"]
    assert [n for n, _ in net.named_parameters()] == ["tied", "a.bias"]
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == [
        "tied", "a.weight", "a.bias", "b.weight", "b.bias",
    ]  # fmt: skip
    assert list(net.state_dict()) == ["tied", "a.weight", "a.bias", "b.weight", "b.bias"]


def test_paths():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("rest.1") is net.rest[1]
    assert net.get_parameter("rest.1.bias") is net.rest[1].bias
    assert net.get_buffer("mean") is net.mean
    net.set_submodule("rest.0", nn.Tanh())
    net.set_submodule("rest.new", nn.Tanh())
    assert list(net.rest._modules) == ["0", "1", "new"]
    assert isinstance(net.rest[0], nn.Tanh)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m: m.get_submodule("rest.7"), "Sequential has no attribute `7`"),
        (lambda m: m.get_submodule("scale"), "`scale` is not an nn.Module"),
        (lambda m: m.get_parameter("mean"), "`mean` is not an nn.Parameter"),
        (lambda m: m.get_parameter("first.x"), "Linear has no attribute `x`"),
        (lambda m: m.get_buffer("scale"), "`scale` is not a buffer"),
        (lambda m: m.set_submodule("x.y", nn.ReLU()), "Net has no attribute `x`"),
        (lambda m: m.set_submodule("x", nn.ReLU(), strict=True), "Net has no attribute `x`"),
        (lambda m: m.set_submodule("scale", nn.ReLU()), "`scale` is not an nn.Module"),
    ],
)
def test_wrong_paths(call, message):
    with pytest.raises(AttributeError, match=message):
        call(Net())


def test_wrong_submodules():
    with pytest.raises(ValueError, match="without a target name"):
        Net().set_submodule("", nn.ReLU())
    with pytest.raises(ValueError, match="`module` is not an nn.Module"):
        Net().set_submodule("first", 3)


# ---- modes


def test_apply():
    seen = []
    net = Net()
    assert net.apply(seen.append) is net
    assert seen == [net.first, net.rest[0], net.rest[1], net.rest, net]


def test_train_and_eval():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with pytest.raises(ValueError, match="expected to be boolean"):
        net.train(1)


def test_gradients():
    net = Net()
    net(rushlight.ones(1, 2)).sum().backward()
    gradient = net.scale.grad
    net.zero_grad(set_to_none=False)
    assert (net.scale.grad is gradient, gradient.tolist()) == (True, [0.0, 0.0])
    net.zero_grad()
    assert net.scale.grad is None
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())


def test_forward_is_required():
    with pytest.raises(
        NotImplementedError, match=r'Module \[Module\] is missing the required "forward"'
    ):
        nn.Module()(1)


def test_compile_changes_nothing():
    net = Net()
    assert net.compile(mode="max-autotune") is net


# ---- text, copies


def test_repr():
    class Lines(nn.Module):
        def extra_repr(self):
            return "one\ntwo"

    net = nn.Sequential(Lines(), nn.Sequential(nn.Linear(1, 2)), nn.Module())
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Lines(\n"
        "    one\n"
        "    two\n"
        "  )\n"
        "  (1): Sequential(\n"
        "    (0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  )\n"
        "  (2): Module()\n"
        ")"
    )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(duplicate):
    net = Net().eval()
    net.tied = net.first.weight
    other = duplicate(net)
    assert other.tied is other.first.weight
    assert other.first.weight is not net.first.weight
    assert other.training is False
    assert repr(other) == repr(net)
    x = rushlight.ones(1, 2)
    assert other(x).tolist() == net(x).tolist()


def test_older_pickles_lack_some_attributes():
    net = Net()
    state = net.__getstate__()
    del state["_load_state_dict_post_hooks"], state["_backward_pre_hooks"]
    other = Net.__new__(Net)
    other.__setstate__(state)
    assert other(rushlight.ones(1, 2)).shape == (1, 1)
    assert other.load_state_dict(net.state_dict()).missing_keys == []


def test_registration_hooks():
    seen = []
    doubled = nn.Parameter(rushlight.full((1,), 2.0))
    handles = [
        core.register_module_parameter_registration_hook(lambda m, n, p: doubled),
        core.register_module_buffer_registration_hook(lambda m, n, b: seen.append(n)),
        core.register_module_module_registration_hook(lambda m, n, s: seen.append(n)),
    ]
    try:
        m = nn.Module()
        m.p = nn.Parameter(rushlight.ones(1))
        m.register_buffer("b", rushlight.ones(1))
        m.b = rushlight.zeros(1)
        m.c = nn.Identity()
        m.add_module("d", nn.Identity())
    finally:
        for handle in handles:
            handle.remove()
    assert m.p is doubled
    assert seen == ["b", "b", "c", "d"]
    m.q = nn.Parameter(rushlight.ones(1))
    assert m.q is not doubled


def test_modules_are_freed_at_once():
    import gc
    import weakref

    gc.disable()
    try:
        net = Net()
        net.register_load_state_dict_pre_hook(lambda *a: None)
        net.register_forward_hook(lambda *a: None)
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()
