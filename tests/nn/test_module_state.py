"""Saving and loading what modules hold."""

import copy
from collections import OrderedDict

import numpy as np
import pytest

import rushlight
from rushlight import nn


class Tagged(nn.Module):
    """A module with extra state."""

    tag = "new"

    def get_extra_state(self):
        return self.tag

    def set_extra_state(self, state):
        self.tag = state


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 1)))


def test_state_dict():
    net = model()
    state = net.state_dict()
    assert list(state) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked", "2.0.weight", "2.0.bias",
    ]  # fmt: skip
    assert type(state["0.weight"]) is rushlight.Tensor
    assert state["0.weight"].data_ptr() == net[0].weight.data_ptr()
    assert not state["0.weight"].requires_grad
    assert state._metadata == {
        "": {"version": 1}, "0": {"version": 1}, "1": {"version": 2}, "2": {"version": 1}, "2.0": {"version": 1},
    }  # fmt: skip


def test_options_of_state_dict():
    net = nn.Linear(1, 1)
    mine = {}
    assert net.state_dict(destination=mine, prefix="a.", keep_vars=True) is mine
    assert mine["a.weight"] is net.weight
    with pytest.warns(FutureWarning, match="write destination="):
        assert list(net.state_dict(OrderedDict(), "b.")) == ["b.weight", "b.bias"]


def test_loading():
    net, other = model(), model()
    report = other.load_state_dict(net.state_dict())
    assert repr(report) == str(report) == "<All keys matched successfully>"
    assert (report.missing_keys, report.unexpected_keys) == ([], [])
    assert other[0].weight.tolist() == net[0].weight.tolist()
    assert other[0].weight.requires_grad
    assert other[0].weight.data_ptr() != net[0].weight.data_ptr()


def damaged():
    state = OrderedDict(model().state_dict())
    state["foo"] = state["2.0.bar"] = 1
    del state["0.bias"]
    return state


def test_the_report():
    with pytest.raises(RuntimeError) as caught:
        model().load_state_dict(damaged())
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.bias". \n'
        '\tUnexpected key(s) in state_dict: "foo", "2.0.bar". '
    )
    report = model().load_state_dict(damaged(), strict=False)
    assert report.missing_keys == ["0.bias"]
    assert report.unexpected_keys == ["foo", "2.0.bar"]
    assert repr(report) == (
        "_IncompatibleKeys(missing_keys=['0.bias'], unexpected_keys=['foo', '2.0.bar'])"
    )


def test_values_that_do_not_fit():
    state = {**model().state_dict(), "0.weight": rushlight.ones(5, 2), "0.bias": np.ones(3)}
    with pytest.raises(RuntimeError) as caught:
        model().load_state_dict(state, strict=False)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        "\tsize mismatch for 0.weight: copying a param with shape torch.Size([5, 2]) from checkpoint, "
        "the shape in current model is torch.Size([3, 2]).\n"
        '\tWhile copying the parameter named "0.bias", expected torch.Tensor or Tensor-like object '
        "from checkpoint but received <class 'numpy.ndarray'>"
    )


@pytest.mark.parametrize("state", [3, [1], None])
def test_no_dictionary(state):
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        model().load_state_dict(state)


def test_the_dictionary_stays_as_it_is():
    class Renaming(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, metadata, *rest):
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, metadata, *rest)

    state = {"kernel": rushlight.full((1, 1), 7.0), "bias": rushlight.zeros(1)}
    net = Renaming(1, 1)
    net.load_state_dict(state)
    assert net.weight.item() == 7.0
    assert list(state) == ["kernel", "bias"]


def test_versions_reach_the_module():
    seen = []

    class Versioned(nn.Module):
        _version = 3

        def _load_from_state_dict(self, state_dict, prefix, metadata, *rest):
            seen.append(metadata.get("version"))

    net = nn.Sequential(Versioned())
    state = net.state_dict()
    net.load_state_dict(state)
    net.load_state_dict(dict(state))
    assert seen == [3, None]


def test_scalars_of_old_files():
    m = nn.Module()
    m.p = nn.Parameter(rushlight.tensor(0.0))
    m.load_state_dict({"p": rushlight.ones(1)})
    assert m.p.item() == 1.0


def test_dtypes_are_converted():
    net = nn.Linear(1, 1)
    net.load_state_dict({"weight": rushlight.ones(1, 1).double(), "bias": rushlight.ones(1).half()})
    assert (net.weight.dtype, net.bias.dtype) == (rushlight.float32, rushlight.float32)


def test_assign():
    net = nn.Linear(1, 1).requires_grad_(False)
    net.register_buffer("b", rushlight.ones(1))
    given = {
        "weight": rushlight.ones(1, 1).double(),
        "bias": nn.Parameter(rushlight.ones(1)),
        "b": rushlight.zeros(2)[:1],
    }
    net.load_state_dict(given, assign=True)
    assert net.weight.dtype is rushlight.float64
    assert net.weight.data_ptr() == given["weight"].data_ptr()
    assert net.bias is given["bias"]
    assert net.b is given["b"]
    assert not any(p.requires_grad for p in net.parameters())


def test_meta():
    net = nn.Linear(1, 1, device="meta")
    state = {"weight": rushlight.ones(1, 1), "bias": rushlight.ones(1)}
    with pytest.warns(UserWarning, match="Pass assign=True"):
        net.load_state_dict(state)
    assert net.weight.is_meta
    net.load_state_dict(state, assign=True)
    assert net.weight.item() == 1.0


def test_extra_state():
    net = nn.Sequential(Tagged())
    net[0].tag = "saved"
    state = net.state_dict()
    assert dict(state) == {"0._extra_state": "saved"}
    other = nn.Sequential(Tagged())
    other.load_state_dict(state)
    assert other[0].tag == "saved"
    assert other.load_state_dict({}, strict=False).missing_keys == ["0._extra_state"]
    with pytest.raises(RuntimeError, match="Unexpected key.*_extra_state"):
        nn.Module().load_state_dict({"_extra_state": 1})


def test_no_extra_state():
    with pytest.raises(RuntimeError, match="override get_extra_state"):
        nn.Module().get_extra_state()
    with pytest.raises(RuntimeError, match="override set_extra_state"):
        nn.Module().set_extra_state(1)


# ---- hooks


def test_state_dict_hooks():
    seen = []
    net = nn.Linear(1, 1)
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((m is net, prefix, keep)))
    net.register_state_dict_post_hook(lambda m, s, prefix, meta: s.update(more=meta["version"]))
    assert net.state_dict(prefix="p.")["more"] == 1
    assert seen == [(True, "p.", False)]
    with net._register_state_dict_hook(lambda m, s, prefix, meta: {"only": 1}):
        assert net.state_dict() == {"only": 1}
    net.register_state_dict_post_hook(lambda *a: 3)
    with pytest.raises(RuntimeError, match="post-hook must return None"):
        net.state_dict()


def test_load_hooks():
    seen = []
    net = nn.Linear(1, 1)
    net.register_load_state_dict_pre_hook(lambda m, state, *rest: seen.append((m, list(state))))
    net._register_load_state_dict_pre_hook(lambda state, *rest: state.pop("odd"))
    net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    report = net.load_state_dict({"weight": rushlight.ones(1, 1), "odd": 1})
    assert repr(report) == "<All keys matched successfully>"
    assert seen == [(net, ["weight", "odd"])]
    other = copy.deepcopy(net)
    other.load_state_dict({"odd": 1})
    assert seen[1] == (other, ["odd"])


def test_a_post_hook_returns_nothing():
    net = nn.Linear(1, 1)
    net.register_load_state_dict_post_hook(lambda m, keys: 3)
    with pytest.raises(AssertionError, match="not expected to return new values"):
        net.load_state_dict(net.state_dict())
