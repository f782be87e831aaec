"""What all optimizers share."""

import copy
import io
import pickle

import pytest

import rushlight
from rushlight.optim import SGD, Adam, AdamW, Optimizer, optimizer


def parameter(*shape, value=1.0):
    return rushlight.nn.Parameter(rushlight.full(shape or (2,), value))


class Halve(Optimizer):
    """Halves the parameter, whatever its gradient."""

    def update(self, p, g, state, group):
        p.mul_(0.5)


class Count(Optimizer):
    """Written as for PyTorch: a step of its own over groups and state."""

    def __init__(self, params, lr=optimizer.required):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["seen"] = self.state[p].get("seen", 0) + 1


def test_a_rule_needs_only_update():
    w = parameter(3)
    w.grad = rushlight.ones(3)
    Halve([w], {}).step()
    assert w.tolist() == [0.5] * 3
    assert w.requires_grad


def test_parameters_without_gradient_stay():
    w = parameter()
    Halve([w], {}).step()
    assert w.tolist() == [1.0, 1.0]


def test_an_optimizer_may_define_step():
    w = parameter()
    o = Count([w], lr=1)
    calls = []
    o.register_step_post_hook(lambda *_: calls.append("post"))
    o.step()
    o.step()
    assert (o.state[w], calls) == ({"seen": 2}, ["post", "post"])


def test_required_options():
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Count([parameter()])
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Count([{"params": [parameter()], "lr": 1}, {"params": [parameter()]}])
    assert repr(optimizer.required) == "<required parameter>"


def test_neither_step_nor_update():
    w = parameter()
    w.grad = rushlight.ones(2)
    with pytest.raises(NotImplementedError, match="Optimizer must define update"):
        Optimizer([w], {}).step()


def test_closure():
    w = parameter(1)
    o = SGD([w], lr=0.25)

    def closure():
        o.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with rushlight.no_grad():
        assert o.step(closure).item() == 1.0
    assert w.item() == 0.5


@pytest.mark.parametrize(
    "params, error, message",
    [
        ([], ValueError, "empty parameter list"),
        (parameter(), TypeError, "write .tensor. or model.parameters"),
        ({"params": []}, TypeError, "write .group. for a group"),
        ([3], TypeError, "one of the params is int"),
        ("abc", TypeError, "one of the params is str"),
        ([parameter() * 2], ValueError, "non-leaf"),
        ([{"params": {parameter()}}], TypeError, "ordered collections"),
        ([{"params": [parameter()]}, parameter()], TypeError, "param_group must be a dict"),
        ([{"lr": 1}], KeyError, "params"),
        ([("w", parameter()), parameter()], ValueError, "with/without names"),
        (
            [{"params": [("w", parameter())]}, {"params": [parameter()]}],
            ValueError,
            "cannot add param group without names",
        ),
        (
            [{"params": [parameter()]}, {"params": [("w", parameter())]}],
            ValueError,
            "cannot add param group with names",
        ),
        (
            [{"params": [w := parameter()]}, {"params": [w]}],
            ValueError,
            "more than one parameter group",
        ),
    ],
    ids=str,
)
def test_wrong_parameters(params, error, message):
    with pytest.raises(error, match=message):
        SGD(params, lr=0.1)


def test_groups():
    a, b, c = parameter(), parameter(), parameter()
    o = SGD([{"params": a, "lr": 1.0, "note": "x"}, {"params": iter([b])}], lr=0.5)
    o.add_param_group({"params": [c], "momentum": 0.25})
    assert [g["params"] for g in o.param_groups] == [[a], [b], [c]]
    assert [g["lr"] for g in o.param_groups] == [1.0, 0.5, 0.5]
    assert [g["momentum"] for g in o.param_groups] == [0, 0, 0.25]
    for p in (a, b, c):
        p.grad = rushlight.ones(2)
    o.step()
    assert [p.tolist()[0] for p in (a, b, c)] == [0.0, 0.5, 0.5]


def test_names():
    model = rushlight.nn.Linear(2, 1)
    o = SGD(model.named_parameters(), lr=0.1)
    assert o.param_groups[0]["param_names"] == ["weight", "bias"]
    assert o.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_an_option_changed_later_counts():
    w = parameter()
    o = SGD([w], lr=0.5)
    o.param_groups[0]["lr"] = 0.25
    w.grad = rushlight.ones(2)
    o.step()
    assert w.tolist() == [0.75, 0.75]


def test_duplicates_warn_and_are_updated_twice():
    w = parameter()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        o = SGD([w, w], lr=0.25)
    w.grad = rushlight.ones(2)
    o.step()
    assert w.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "rule, options, message",
    [
        (SGD, {"lr": -1}, "Invalid learning rate: -1"),
        (SGD, {"momentum": -1}, "Invalid momentum value: -1"),
        (SGD, {"weight_decay": -1}, "Invalid weight_decay value: -1"),
        (SGD, {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
        (SGD, {"lr": rushlight.ones(2)}, "Tensor lr must be 1-element"),
        (Adam, {"lr": -1}, "Invalid learning rate: -1"),
        (Adam, {"eps": -1}, "Invalid epsilon value: -1"),
        (Adam, {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        (Adam, {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
        (Adam, {"betas": (rushlight.tensor(0.9), 0.9)}, "both floats or both Tensors"),
        (Adam, {"betas": (rushlight.ones(2), rushlight.ones(2))}, "must be 1-element"),
        (AdamW, {"weight_decay": -1}, "Invalid weight_decay value: -1"),
        (Adam, {"lr": rushlight.ones(1), "foreach": True}, "lr as a Tensor is not supported"),
    ],
)
def test_wrong_options(rule, options, message):
    with pytest.raises(ValueError, match=message):
        rule([parameter()], **options)


@pytest.mark.parametrize("other", ["differentiable", "foreach"])
def test_contradicting_forms(other):
    with pytest.raises(RuntimeError, match="fused"):
        SGD([parameter()], fused=True, **{other: True})


def test_repr():
    o = Halve([{"params": [parameter()], "lr": 0.5}, {"params": [parameter()]}], {"lr": 1, "b": 2})
    assert repr(o) == (
        "Halve (\nParameter Group 0\n    b: 2\n    lr: 0.5\n"
        "\nParameter Group 1\n    b: 2\n    lr: 1\n)"
    )


# ---- gradients


def test_zero_grad():
    w = parameter()
    w.grad = grad = rushlight.ones(2)
    o = SGD([w])
    o.zero_grad(set_to_none=False)
    assert w.grad is grad
    assert grad.tolist() == [0.0, 0.0]
    o.zero_grad()
    assert w.grad is None
    o.zero_grad(set_to_none=False)
    assert w.grad is None


def test_zero_grad_cuts_the_history_of_gradients():
    w = parameter()
    w.grad = grad = parameter() * 2
    SGD([w]).zero_grad(set_to_none=False)
    assert (grad.requires_grad, grad.tolist()) == (False, [0.0, 0.0])


def test_gradients_are_not_changed():
    w = parameter()
    w.grad = rushlight.ones(2)
    SGD([w], lr=0.1, momentum=0.9, weight_decay=0.5, nesterov=True, maximize=True).step()
    Adam([w], weight_decay=0.5, maximize=True).step()
    assert w.grad.tolist() == [1.0, 1.0]


def test_the_first_buffer_is_not_the_gradient():
    w = parameter()
    w.grad = rushlight.ones(2)
    o = SGD([w], momentum=0.9)
    o.step()
    w.grad.zero_()
    assert o.state[w]["momentum_buffer"].tolist() == [1.0, 1.0]


# ---- state dicts


def trained(rule=Adam, **options):
    params = [parameter(3, value=0.5), parameter(2, 2)]
    o = rule(params, lr=0.1, **options)
    advance(o)
    return o


def advance(o, steps=3):
    for _ in range(steps):
        for group in o.param_groups:
            for p in group["params"]:
                p.grad = p.detach() * 2
        o.step()


def values(o):
    return [p.tolist() for group in o.param_groups for p in group["params"]]


RULES = [(SGD, {"momentum": 0.9}), (Adam, {}), (AdamW, {"amsgrad": True})]


@pytest.mark.parametrize("rule, options", RULES)
def test_a_loaded_optimizer_goes_on(rule, options):
    o = trained(rule, **options)
    other = rule([rushlight.nn.Parameter(p.detach().clone()) for p in o.param_groups[0]["params"]])
    other.load_state_dict(o.state_dict())
    advance(o)
    advance(other)
    assert values(o) == values(other)


@pytest.mark.parametrize("rule, options", RULES)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_on(rule, options, duplicate):
    o = trained(rule, **options)
    other = duplicate(o)
    advance(o)
    advance(other)
    assert values(o) == values(other)
    assert other.param_groups[0]["params"][0] is not o.param_groups[0]["params"][0]


def test_a_saved_optimizer_goes_on():
    o = trained()
    file = io.BytesIO()
    rushlight.save(o.state_dict(), file)
    file.seek(0)
    other = Adam([rushlight.nn.Parameter(p.detach().clone()) for p in o.param_groups[0]["params"]])
    other.load_state_dict(rushlight.load(file))
    advance(o)
    advance(other)
    assert values(o) == values(other)


def test_loaded_tensors_are_copies():
    o = trained()
    state = o.state_dict()
    other = Adam([parameter(3), parameter(2, 2)])
    other.load_state_dict(state)
    before = state["state"][0]["exp_avg"].tolist()
    advance(other)
    assert o.state_dict()["state"][0]["exp_avg"].tolist() == before
    assert o.state_dict()["state"][0]["step"].item() == 3


def test_loading_does_not_change_the_dictionary():
    state = trained().state_dict()
    groups = copy.deepcopy(state["param_groups"])
    o = Adam([parameter(3), parameter(2, 2)])
    o.load_state_dict(state)
    o.param_groups[0]["lr"] = 7
    assert state["param_groups"] == groups


def test_state_takes_the_dtype_of_the_parameter():
    o = Adam([rushlight.nn.Parameter(rushlight.ones(3, dtype=rushlight.float64)), parameter(2, 2)])
    o.load_state_dict(trained().state_dict())
    kinds = {name: value.dtype for name, value in o.state_dict()["state"][0].items()}
    assert kinds == {
        "step": rushlight.float32,
        "exp_avg": rushlight.float64,
        "exp_avg_sq": rushlight.float64,
    }


def test_state_that_is_no_tensor_is_kept():
    o = Count([parameter()], lr=1)
    o.load_state_dict(
        {
            "state": {0: {"a": 1, "b": [rushlight.ones(1), 2], "c": "text"}, "extra": 5},
            "param_groups": [{"lr": 2, "params": [0]}],
        }
    )
    state = o.state_dict()["state"]
    assert (state[0]["a"], state[0]["b"][1], state[0]["c"], state["extra"]) == (1, 2, "text", 5)


def test_loading_what_does_not_fit():
    state = trained().state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups: 1, .* has 2"):
        Adam([{"params": [parameter()]}, {"params": [parameter()]}]).load_state_dict(state)
    with pytest.raises(ValueError, match="group 0 has 2 parameters there and 1 here"):
        Adam([parameter()]).load_state_dict(state)
    with pytest.raises(KeyError, match="param_groups"):
        Adam([parameter()]).load_state_dict({})


def test_old_files_have_fewer_options():
    state = trained().state_dict()
    for name in ("amsgrad", "maximize", "decoupled_weight_decay", "fused"):
        del state["param_groups"][0][name]
    o = Adam([parameter(3), parameter(2, 2)])
    o.load_state_dict(state)
    advance(o)
    assert o.param_groups[0]["maximize"] is False


# ---- hooks


def test_a_hook_may_change_the_arguments():
    o = SGD([parameter()])
    o.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 7}))
    assert o.step() == 7


def test_a_hook_may_not_return_something_else():
    o = SGD([parameter()])
    o.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        o.step()


def test_global_hooks():
    calls = []
    before = optimizer.register_optimizer_step_pre_hook(lambda *a: calls.append("before"))
    after = optimizer.register_optimizer_step_post_hook(lambda *a: calls.append("after"))
    with before, after:
        SGD([parameter()]).step()
    SGD([parameter()]).step()
    assert calls == ["before", "after"]


def test_hooks_do_not_survive_pickling():
    o = SGD([parameter()])
    o.register_step_pre_hook(lambda *a: None)
    assert len(pickle.loads(pickle.dumps(o))._optimizer_step_pre_hooks) == 0
