"""Hooks around forward and backward."""

from collections import OrderedDict, namedtuple

import pytest

import rushlight
from rushlight import nn
from rushlight.nn import module as core


class Twice(nn.Module):
    """Doubles its input."""

    def forward(self, x, *, plus=0):
        return x * 2 + plus


def test_forward_pre_hooks():
    m = Twice()
    m.register_forward_pre_hook(lambda m, args: args[0] + 1)
    m.register_forward_pre_hook(lambda m, args: None)
    m.register_forward_pre_hook(lambda m, args, kwargs: (args, {"plus": 5}), with_kwargs=True)
    assert m(1) == 9


def test_a_pre_hook_for_kwargs_returns_a_pair():
    m = Twice()
    m.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="None or a tuple of .new_args, new_kwargs., but got 3"):
        m(1)


def test_forward_hooks():
    m = Twice()
    m.register_forward_hook(lambda m, args, out: out + args[0])
    m.register_forward_hook(lambda m, args, kwargs, out: out * kwargs["plus"], with_kwargs=True)
    assert m(1, plus=10) == 130


def test_order():
    seen = []
    m = Twice()
    for name in "ab":
        m.register_forward_pre_hook(lambda *_, n=name: seen.append("pre " + n), prepend=name == "b")
        m.register_forward_hook(lambda *_, n=name: seen.append("post " + n), prepend=name == "b")
    m(1)
    assert seen == ["pre b", "pre a", "post b", "post a"]


def test_removed_hooks():
    m = Twice()
    handles = [
        m.register_forward_pre_hook(lambda *a: 9, with_kwargs=True),
        m.register_forward_hook(lambda *a: 9, with_kwargs=True, always_call=True),
        m.register_full_backward_hook(lambda *a: None),
        m.register_full_backward_pre_hook(lambda *a: None),
    ]
    for handle in handles:
        handle.remove()
    stores = [v for v in vars(m).values() if isinstance(v, OrderedDict)]
    assert [len(store) for store in stores] == [0] * len(stores)
    assert m(1) == 2


def test_hooks_that_run_after_errors():
    seen = []
    m = Twice()
    m.register_forward_hook(lambda m, args, out: seen.append(("always", out)), always_call=True)
    m.register_forward_hook(lambda m, args, out: seen.append("not then"))
    with pytest.raises(TypeError):
        m(None)
    assert seen == [("always", None)]
    m(1)
    assert seen[1:] == [("always", 2), "not then"]


def test_hooks_that_fail_after_errors():
    m = Twice()

    def bad(*args):
        raise ValueError("bad")

    m.register_forward_hook(bad, always_call=True)
    with pytest.raises(ValueError, match="bad"):
        m(1)
    with pytest.raises(TypeError), pytest.warns(UserWarning, match="was silenced .*: bad"):
        m(None)


def test_hooks_everywhere():
    seen = []
    handles = [
        core.register_module_forward_pre_hook(lambda m, a: seen.append("pre")),
        core.register_module_forward_hook(lambda m, a, k, o: o + 1, with_kwargs=True),
        core.register_module_full_backward_pre_hook(lambda m, g: seen.append("back pre")),
        core.register_module_full_backward_hook(lambda m, gx, g: seen.append("back")),
    ]
    x = rushlight.ones(1, requires_grad=True)
    try:
        y = Twice()(x)
        y.backward()
        with pytest.raises(RuntimeError, match="Cannot use both"):
            core.register_module_backward_hook(lambda *a: None)
    finally:
        for handle in handles:
            handle.remove()
    assert (y.item(), seen) == (3.0, ["pre", "back pre", "back"])
    assert Twice()(1) == 2


# ---- backward


def record(seen):
    def hook(module, grad_input, grad_output):
        seen.append((values(grad_input), values(grad_output)))

    return hook


def values(gradients):
    assert type(gradients) is tuple
    return [None if g is None else g.tolist() for g in gradients]


def test_full_backward_hook():
    seen = []
    m = Twice()
    m.register_full_backward_hook(record(seen))
    x = rushlight.ones(2, requires_grad=True)
    (m(x) * 3).sum().backward()
    assert seen == [([[6.0, 6.0]], [[3.0, 3.0]])]
    assert x.grad.tolist() == [6.0, 6.0]


def test_a_hook_may_replace_grad_input():
    m = Twice()
    m.register_full_backward_hook(lambda m, gx, g: (gx[0] * 10,))
    m.register_full_backward_hook(lambda m, gx, g: gx[0] + 1)
    x = rushlight.ones(2, requires_grad=True)
    m(x).sum().backward()
    assert x.grad.tolist() == [21.0, 21.0]


def test_a_pre_hook_may_replace_grad_output():
    seen = []
    m = Twice()
    m.register_full_backward_pre_hook(lambda m, g: (g[0] * 10,))
    m.register_full_backward_hook(record(seen))
    x = rushlight.ones(1, requires_grad=True)
    m(x).backward()
    assert seen == [([[20.0]], [[10.0]])]


@pytest.mark.parametrize(
    "register, what",
    [
        ("register_full_backward_hook", "Backward hook .* grad_input, got 2, but expected 1"),
        (
            "register_full_backward_pre_hook",
            "Backward pre hook .* grad_output, got 2, but expected 1",
        ),
    ],
)
def test_a_hook_may_not_change_how_many(register, what):
    m = Twice()
    getattr(m, register)(lambda m, g, *rest: (g[0], g[0]))
    y = m(rushlight.ones(1, requires_grad=True))
    with pytest.raises(RuntimeError, match=what):
        y.backward()


class Several(nn.Module):
    """Several inputs and outputs."""

    def forward(self, a, b, c=None):
        return a * 2, b * 3, c


def test_one_gradient_for_each_input_and_output():
    seen = []
    m = Several()
    m.register_full_backward_hook(record(seen))
    a, b = (rushlight.ones(1, requires_grad=True) for _ in range(2))
    x, y, c = m(a, b, "text")
    assert c == "text"
    (x + y).backward()
    x, y, _ = m(a, rushlight.ones(1), None)
    assert not y.requires_grad
    x.backward()
    assert seen == [
        ([[2.0], [3.0], None], [[1.0], [1.0], None]),
        ([[2.0], [0.0], None], [[1.0], None, None]),
    ]


def test_namedtuples_stay_namedtuples():
    Pair = namedtuple("Pair", "u v")

    class Named(nn.Module):
        def forward(self, x):
            return Pair(x * 2, x * 3)

    seen = []
    m = Named()
    m.register_full_backward_hook(record(seen))
    out = m(rushlight.ones(1, requires_grad=True))
    assert isinstance(out, Pair)
    (out.u + out.v).backward()
    assert seen == [([[5.0]], [[1.0], [1.0]])]


def test_outputs_that_are_no_tensors():
    class Listed(nn.Module):
        def forward(self, x):
            return [x * 2]

    m = Listed()
    m.register_full_backward_hook(lambda *a: None)
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple of Tensors"):
        m(rushlight.ones(1, requires_grad=True))


def test_no_input_requires_a_gradient():
    seen = []
    m = nn.Linear(1, 1)
    handle = m.register_full_backward_hook(record(seen))
    with pytest.warns(UserWarning, match="none of the module's inputs requires a gradient"):
        m(rushlight.ones(1, 1)).sum().backward()
    assert seen == [([None], [[[1.0]]])]
    handle.remove()
    m.register_full_backward_hook(lambda m, gx, g: g)
    y = m(rushlight.ones(1, 1)).sum()
    with (
        pytest.warns(UserWarning, match="none of the module's inputs"),
        pytest.raises(RuntimeError, match="should always return None"),
    ):
        y.backward()


def test_nothing_is_watched_without_gradients():
    m = Twice()
    m.register_full_backward_hook(lambda *a: None)
    with rushlight.no_grad():
        assert not m(rushlight.ones(1, requires_grad=True)).requires_grad


def test_gradients_of_gradients_pass_through():
    m = Twice()
    m.register_full_backward_hook(lambda *a: None)
    x = rushlight.full((1,), 3.0, requires_grad=True)
    (g,) = rushlight.autograd.grad(m(x) ** 3, x, create_graph=True)
    (gg,) = rushlight.autograd.grad(g, x)
    assert (g.item(), gg.item()) == (216.0, 144.0)


def test_legacy_backward_hooks():
    seen = []
    m = nn.Tanh()
    with pytest.warns(FutureWarning, match="use register_full_backward_hook"):
        m.register_backward_hook(record(seen))
    m(rushlight.zeros(1, requires_grad=True)).backward()
    assert seen == [([[1.0]], [[1.0]])]
    with pytest.raises(RuntimeError, match="Cannot use both"):
        m.register_full_backward_hook(lambda *a: None)


def test_legacy_hooks_do_not_mix_with_full_ones():
    m = nn.Tanh()
    m.register_full_backward_hook(lambda *a: None)
    with pytest.raises(RuntimeError, match="Cannot use both"):
        m.register_backward_hook(lambda *a: None)


def test_legacy_hooks_look_into_structures():
    class Deep(nn.Module):
        def forward(self, x):
            return [{"a": 1, "b": x * 2}]

    seen = []
    m = Deep()
    with pytest.warns(FutureWarning):
        m.register_backward_hook(record(seen))
    m(rushlight.ones(1, requires_grad=True))[0]["b"].backward()
    assert seen[0][1] == [[1.0]]


def test_legacy_hooks_everywhere():
    seen = []
    with pytest.warns(FutureWarning):
        handle = core.register_module_backward_hook(record(seen))
    with handle:
        Twice()(rushlight.ones(1, requires_grad=True)).backward()
        with pytest.raises(RuntimeError, match="Cannot use both"):
            core.register_module_full_backward_hook(lambda *a: None)
    assert len(seen) == 1
