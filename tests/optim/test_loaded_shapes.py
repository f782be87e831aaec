"""A loaded state whose tensors do not fit the parameters is refused when it is loaded."""

import copy

import pytest

import rushlight
from rushlight import optim

OPTIONS = {
    "ASGD": {},
    "Adadelta": {},
    "Adafactor": {},
    "Adagrad": {},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "LBFGS": {},
    "Muon": {},
    "NAdam": {},
    "RAdam": {},
    "RMSprop": {"centered": True, "momentum": 0.9},
    "Rprop": {},
    "SGD": {"momentum": 0.9},
}


def stepped(name, *shape):
    w = rushlight.nn.Parameter(rushlight.ones(*shape))
    optimizer = getattr(optim, name)([w], **OPTIONS[name])

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer


def contents(optimizer):
    return str(optimizer.state_dict())


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (4, 2)])
def test_another_shape(name, shape):
    optimizer = stepped(name, 2, 3)
    before = contents(optimizer)
    with pytest.raises(ValueError, match="of parameter 0 has the shape .* should have"):
        optimizer.load_state_dict(stepped(name, *shape).state_dict())
    assert contents(optimizer) == before


@pytest.mark.parametrize("name", ["Adam", "Adafactor"])
def test_a_count_may_have_a_dimension(name):
    state = copy.deepcopy(stepped(name, 2, 3).state_dict())
    state["state"][0]["step"] = rushlight.tensor([7.0])
    optimizer = stepped(name, 2, 3)
    optimizer.load_state_dict(state)
    with pytest.raises(ValueError, match="step of parameter 0 has the shape .3,."):
        state["state"][0]["step"] = rushlight.ones(3)
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("name", OPTIONS)
def test_what_a_rule_does_not_know_is_kept_and_ignored(name):
    state = copy.deepcopy(stepped(name, 2, 3).state_dict())
    state["state"][0]["note"] = "text"
    optimizer = stepped(name, 2, 3)
    optimizer.load_state_dict(state)
    optimizer.step(lambda: rushlight.tensor(1.0))
    assert optimizer.state_dict()["state"][0]["note"] == "text"
