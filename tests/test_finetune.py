"""Fine-tuning: loading what fits, keeping still, rates by layer, other heads."""

import copy
import io
import pickle
from collections import OrderedDict

import pytest

import rushlight
from rushlight import finetune, nn
from rushlight.finetune import freeze, load_matching, param_groups, replace_head, unfreeze


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4))
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.body(x).relu())


BODY = [
    "body.0.weight",
    "body.1.weight",
    "body.1.bias",
    "body.1.running_mean",
    "body.1.running_var",
]
ALL = [*BODY, "body.1.num_batches_tracked", "fc.weight", "fc.bias"]


@pytest.fixture
def trained():
    """A network whose values are all its own, statistics included."""
    rushlight.manual_seed(1)
    net = Net()
    net(rushlight.randn(16, 3) * 3 + 1)
    return net


def same(net, other, names):
    mine, its = net.state_dict(), other.state_dict()
    return all(mine[name].tolist() == its[name].tolist() for name in names)


# ---- loading


def test_all_fits(trained):
    model = Net()
    report = load_matching(model, trained.state_dict())
    assert (report.loaded, report.skipped, report.fresh) == (ALL, [], [])
    assert str(report) == repr(report) == "loaded 8 of 8 tensors"
    assert same(model, trained, ALL)
    assert model.fc.weight.requires_grad


def test_another_head(trained, tmp_path):
    rushlight.save(trained.state_dict(), tmp_path / "net.pt")
    model = Net(2)
    head = model.fc.weight.tolist()
    report = load_matching(model, tmp_path / "net.pt")
    assert report.loaded == ALL[:-2]
    assert report.fresh == ["fc.weight", "fc.bias"]
    assert report.skipped[0] == (
        "fc.weight",
        "shape (10, 4) in the checkpoint, (2, 4) in the model",
    )
    assert str(report) == (
        f"loaded 6 of 8 tensors from {tmp_path}/net.pt\n"
        "skipped:\n"
        "  fc.weight  shape (10, 4) in the checkpoint, (2, 4) in the model\n"
        "  fc.bias    shape (10,) in the checkpoint, (2,) in the model"
    )
    assert same(model, trained, report.loaded)
    assert model.fc.weight.tolist() == head


def test_every_reason():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    state = {
        "5.weight": rushlight.ones(1, 1),
        "0.weight": rushlight.ones(1, 1, dtype=rushlight.float64),
        "0.bias": rushlight.ones(1, dtype=rushlight.complex64),
        "1.weight": [1.0],
        "1.bias": rushlight.ones(1, dtype=rushlight.int64),
        "2.weight": rushlight.ones(2, 1),
        7: rushlight.ones(1),
    }
    report = load_matching(model, state)
    assert report.loaded == ["0.weight", "1.bias"]
    assert report.skipped == [
        ("0.bias", "torch.complex64 in the checkpoint cannot become torch.float32 of the model"),
        ("1.weight", "no tensor but list in the checkpoint"),
        ("2.weight", "shape (2, 1) in the checkpoint, (1, 1) in the model"),
        ("2.bias", "not in the checkpoint"),
        ("5.weight", "not in the model"),
    ]
    assert report.fresh == ["0.bias", "1.weight", "2.weight", "2.bias"]
    assert model[0].weight.dtype == rushlight.float32


def test_numbers_of_old(trained):
    state = {**trained.state_dict(), "body.1.num_batches_tracked": rushlight.tensor([5])}
    model = Net()
    assert load_matching(model, state).fresh == []
    assert model.body[1].num_batches_tracked.item() == 5


def test_many_are_not_printed(trained):
    state = {**trained.state_dict(), **{f"x{i}": rushlight.ones(1) for i in range(50)}}
    lines = str(load_matching(Net(), state)).splitlines()
    assert lines[2] == "  x0   not in the model"
    assert lines[-1] == "  and 30 more, in .skipped"
    assert len(lines) == 23


@pytest.mark.parametrize("wrapper", ["module.", "model.", "module.model.", "_orig_mod.", "net."])
def test_wrappers(trained, wrapper):
    state = {wrapper + name: value for name, value in trained.state_dict().items()}
    model = Net()
    assert load_matching(model, state).skipped == []
    assert same(model, trained, ALL)


def test_a_wrapped_model(trained):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = Net()

    model = Wrapped()
    assert load_matching(model, trained.state_dict()).fresh == []
    assert same(model.module, trained, ALL)


def test_names_of_the_model_come_before_wrapped_ones(trained):
    other = {f"module.{name}": value * 0 for name, value in trained.state_dict().items()}
    model = Net()
    report = load_matching(model, {**other, **trained.state_dict()})
    assert same(model, trained, ALL)
    assert report.skipped[-1] == (
        "module.fc.bias", "fc.bias was taken for fc.bias of the model",
    )  # fmt: skip


@pytest.mark.parametrize(
    "pack, entry",
    [
        (lambda net: {"epoch": 3, "state_dict": net.state_dict()}, "state_dict"),
        (lambda net: {"best": rushlight.tensor(0.9), "model": net.state_dict()}, "model"),
        (lambda net: {"optimizer": {"state": {}}, "net": net.state_dict()}, "net"),
        (lambda net: {"generator": net.state_dict(), "steps": [1]}, "generator"),
        (lambda net: {"checkpoint": {"model": net}}, "model"),
    ],
)
def test_entries(trained, pack, entry):
    report = load_matching(Net(), pack(trained))
    assert str(report) == f"loaded 8 of 8 tensors (entry '{entry}')"


def test_another_model(trained):
    model = Net(2)
    assert load_matching(model, trained).loaded == ALL[:-2]


def test_no_entry():
    state = {"a": {"x": rushlight.ones(1)}, "b": {"x": rushlight.ones(1)}}
    with pytest.raises(
        ValueError, match=r"the entries 'a', 'b', and none .* give checkpoint\[...\]"
    ):
        load_matching(Net(), state)
    with pytest.raises(ValueError, match="the entries none"):
        load_matching(Net(), {})


@pytest.mark.parametrize("checkpoint", [3, None, [1], {"model": {"state_dict": {"state_dict": 1}}}])
def test_no_checkpoint(checkpoint):
    with pytest.raises((TypeError, ValueError), match="load_matching: "):
        load_matching(Net(), checkpoint)


def test_renaming_by_beginnings(trained):
    state = {name.replace("body", "old.backbone"): v for name, v in trained.state_dict().items()}
    model = Net()
    report = load_matching(model, state, rename={"old.backbone": "body", "fc.bias": None})
    assert report.loaded == ALL[:-1]
    assert report.skipped == [("fc.bias", "not in the checkpoint")]


def test_the_longest_beginning_counts(trained):
    state = {f"x.{name}": value for name, value in trained.state_dict().items()}
    report = load_matching(Net(), state, rename={"x.fc": "elsewhere", "x.": ""})
    assert report.fresh == ["fc.weight", "fc.bias"]


def test_renaming_puts_before(trained):
    head = {"weight": trained.fc.weight, "bias": trained.fc.bias}
    assert load_matching(Net(), head, rename={"": "fc"}).loaded == ["fc.weight", "fc.bias"]


def test_renaming_by_a_function(trained):
    def rename(name):
        return None if name.startswith("fc") else name.upper().lower()

    assert load_matching(Net(), trained.state_dict(), rename=rename).loaded == ALL[:-2]


def test_renaming_what_is_not_there(trained):
    with pytest.raises(
        ValueError, match="no name in the checkpoint is 'bodi' .* nearest .* 'body'"
    ):
        load_matching(Net(), trained.state_dict(), rename={"bodi": "x"})


def test_nothing_fits(trained):
    state = {f"encoder.{name}": value for name, value in trained.state_dict().items()}
    with pytest.raises(RuntimeError) as caught:
        load_matching(Net(), state)
    assert str(caught.value) == (
        "load_matching: nothing fits Net. The model has body.0.weight, body.1.weight, body.1.bias and 5 "
        "more; the checkpoint has encoder.body.0.weight, encoder.body.1.weight, encoder.body.1.bias and "
        "5 more. Try rename={'encoder': ''}."
    )
    assert load_matching(Net(), state, rename={"encoder": ""}).fresh == []


def test_nothing_fits_the_other_way():
    with pytest.raises(RuntimeError, match=r"Try rename=\{'': 'body.0'\}"):
        load_matching(Net(), {"weight": rushlight.ones(4, 3)})


def test_nothing_fits_but_the_names():
    with pytest.raises(RuntimeError, match=r"The names agree, but:\n  bias: shape \(3,\) in"):
        load_matching(nn.Linear(1, 2), {"bias": rushlight.ones(3)})


def test_nothing_is_like_it():
    with pytest.raises(RuntimeError, match="nearest to 'weight' are 'weigth'"):
        load_matching(nn.Linear(1, 2), {"weigth": rushlight.ones(2, 1)})


def test_a_model_that_changed_its_format():
    """What a module is told about the version of a file is that of the file."""
    seen = []

    class Versioned(nn.Linear):
        _version = 3

        def _load_from_state_dict(self, state_dict, prefix, metadata, *rest):
            seen.append(metadata.get("version"))
            super()._load_from_state_dict(state_dict, prefix, metadata, *rest)

    state = nn.Sequential(OrderedDict(old=Versioned(1, 1))).state_dict()
    load_matching(nn.Sequential(OrderedDict(new=Versioned(1, 1))), state, rename={"old": "new"})
    assert seen == [3]


def test_extra_state():
    class Tagged(nn.Linear):
        tag = 1

        def get_extra_state(self):
            return self.tag

        def set_extra_state(self, state):
            self.tag = state

    old, new = Tagged(1, 1), Tagged(1, 1)
    old.tag = "seen"
    assert "_extra_state" in load_matching(new, old).loaded
    assert new.tag == "seen"


# ---- keeping still


def test_freezing():
    model = Net()
    assert freeze(model, "body") == BODY
    assert [p.requires_grad for p in model.parameters()] == [False, False, False, True, True]
    assert unfreeze(model, "*.weight") == ["body.0.weight", "body.1.weight", "fc.weight"]
    assert [p.requires_grad for p in model.parameters()] == [True, True, False, True, True]


def test_freezing_all():
    model = Net()
    assert freeze(model) == [*BODY, "fc.weight", "fc.bias"]
    assert unfreeze(model) == [*BODY, "fc.weight", "fc.bias"]
    assert all(p.requires_grad for p in model.parameters())


def test_what_was_loaded_can_be_frozen(trained):
    model = Net(2)
    assert freeze(model, *load_matching(model, trained).loaded) == BODY


def test_statistics_stay(trained):
    """Gradients alone are not all: batch normalisation learns in its forward pass."""
    x = rushlight.randn(8, 3)
    before = copy.deepcopy(trained)
    freeze(trained, "body")
    trained.train()
    out = trained(x)
    assert same(trained, before, ALL)
    assert out.tolist() == before.eval()(x).tolist()
    assert trained.training and not trained.body[1].training


def test_statistics_move_when_told(trained):
    before = copy.deepcopy(trained)
    assert freeze(trained, "body", statistics=False) == BODY[:3]
    trained.train()(rushlight.randn(8, 3))
    assert not same(trained, before, ["body.1.running_mean"])


def test_a_frozen_layer_without_parameters():
    model = nn.Sequential(nn.BatchNorm1d(2, affine=False))
    assert freeze(model, "0") == ["0.running_mean", "0.running_var"]
    model.train()(rushlight.ones(4, 2))
    assert model[0].running_mean.tolist() == [0, 0]


def test_unfrozen_statistics_move(trained):
    before = copy.deepcopy(trained)
    freeze(trained, "body")
    freeze(trained, "body")
    trained.train()(rushlight.randn(8, 3))
    assert unfreeze(trained, "body") == BODY
    assert trained.body[1].training
    assert not trained.body[1]._forward_pre_hooks
    trained(rushlight.randn(8, 3))
    assert not same(trained, before, ["body.1.running_mean"])


def test_unfreezing_leaves_others_in_their_mode(trained):
    trained.train()
    trained.body[1].eval()
    unfreeze(trained)
    assert not trained.body[1].training
    freeze(trained)
    trained.eval()
    unfreeze(trained)
    assert not trained.body[1].training


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_stay_frozen(trained, again):
    freeze(trained, "body")
    other = again(trained)
    other.train()(rushlight.randn(8, 3))
    assert same(other, trained, ALL)
    unfreeze(other)
    other.train()(rushlight.randn(8, 3))
    assert not same(other, trained, ["body.1.running_mean"])
    assert not trained.body[1].training


def test_saved_and_loaded(trained):
    freeze(trained, "body")
    file = io.BytesIO()
    rushlight.save(trained.state_dict(), file)
    file.seek(0)
    assert Net().load_state_dict(rushlight.load(file)).missing_keys == []


def test_an_optimizer_does_not_move_what_is_frozen(trained):
    optimizer = rushlight.optim.SGD(trained.parameters(), lr=1.0, momentum=0.9, weight_decay=0.1)
    trained(rushlight.randn(8, 3)).sum().backward()
    optimizer.step()
    trained(rushlight.randn(8, 3)).sum().backward()
    freeze(trained, "body")
    before = copy.deepcopy(trained)
    optimizer.step()
    assert same(trained, before, BODY)
    assert not same(trained, before, ["fc.weight"])


def test_shared_parameters():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert freeze(model, "1") == ["1.weight", "1.bias"]
    assert not model[0].weight.requires_grad


def test_whole_numbers_have_no_gradient():
    model = nn.Module()
    model.codes = nn.Parameter(rushlight.ones(2, dtype=rushlight.int8), requires_grad=False)
    model.scale = nn.Parameter(rushlight.ones(2))
    assert freeze(model) == ["codes", "scale"]
    assert unfreeze(model) == ["scale"]


@pytest.mark.parametrize("call", [freeze, unfreeze])
def test_patterns_that_match_nothing(call):
    with pytest.raises(ValueError) as caught:
        call(Net(), "fc", "boddy.*")
    assert str(caught.value).startswith(
        "'boddy.*' matches no parameter and no module of Net; nearest to 'boddy.*' are 'body"
    )
    with pytest.raises(TypeError, match=r"got list; a list of them is given as \*names"):
        call(Net(), ["fc"])


# ---- rates by layer


def seen(groups):
    return [
        ({k: v for k, v in group.items() if k != "params"}, [n for n, _ in group["params"]])
        for group in groups
    ]


def test_groups():
    model = Net()
    groups = param_groups(model, {"body": 1e-4, "fc": {"lr": 1e-2, "momentum": 0.9}})
    assert seen(groups) == [
        ({"lr": 1e-4, "name": "body"}, BODY[:3]),
        ({"lr": 1e-2, "momentum": 0.9, "name": "fc"}, ["fc.weight", "fc.bias"]),
    ]
    assert groups[1]["params"][0][1] is model.fc.weight


def test_the_rest_gets_the_default():
    assert seen(param_groups(Net(), {"fc": 0.1}, {"lr": 0.2, "weight_decay": 0.3})) == [
        ({"lr": 0.2, "weight_decay": 0.3, "name": "default"}, BODY[:3]),
        ({"lr": 0.1, "weight_decay": 0.3, "name": "fc"}, ["fc.weight", "fc.bias"]),
    ]
    assert seen(param_groups(Net(), {"fc": 0.1}))[0] == ({"name": "default"}, BODY[:3])
    assert seen(param_groups(Net(), {}, 0.5)) == [
        ({"lr": 0.5, "name": "default"}, [*BODY[:3], "fc.weight", "fc.bias"])
    ]


def test_options_of_several_patterns_are_joined():
    rates = {"body": 0.1, "*.bias": {"weight_decay": 0.0}}
    assert [(g["name"], len(g["params"])) for g in param_groups(Net(), rates)] == [
        ("body", 2), ("body, *.bias", 1), ("default", 1), ("*.bias", 1),
    ]  # fmt: skip


def test_options_that_contradict_each_other():
    with pytest.raises(ValueError) as caught:
        param_groups(Net(), {"body": 0.1, "*.bias": {"lr": 0.2}})
    assert str(caught.value) == (
        "param_groups: body.1.bias has lr=0.1 by 'body', but lr=0.2 by '*.bias'; let only one of them "
        "match it"
    )


def test_frozen_parameters_are_left_out():
    model = Net()
    freeze(model, "body")
    assert seen(param_groups(model, {"fc": 0.1})) == [
        ({"lr": 0.1, "name": "fc"}, ["fc.weight", "fc.bias"])
    ]
    with pytest.raises(ValueError, match="all that 'body.0' matches is frozen; unfreeze it"):
        param_groups(model, {"body.0": 0.1})
    freeze(model)
    with pytest.raises(ValueError, match="all parameters are frozen"):
        param_groups(model, {})


def test_groups_of_shared_parameters():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    assert seen(param_groups(model, {"1": 0.1})) == [({"lr": 0.1, "name": "1"}, ["0.weight"])]


def test_patterns_of_rates_that_match_nothing():
    with pytest.raises(ValueError, match="'head' matches no parameter and no module of Net"):
        param_groups(Net(), {"head": 0.1})


def test_an_optimizer_takes_the_groups(trained):
    groups = param_groups(trained, {"body": 0.0, "fc": 0.1})
    optimizer = rushlight.optim.SGD(groups, lr=1.0, momentum=0.9)
    before = copy.deepcopy(trained)
    trained(rushlight.randn(8, 3)).sum().backward()
    optimizer.step()
    assert same(trained, before, BODY[:3])
    expected = before.fc.weight - 0.1 * trained.fc.weight.grad
    assert rushlight.allclose(trained.fc.weight, expected)
    assert [group["name"] for group in optimizer.param_groups] == ["body", "fc"]
    assert optimizer.param_groups[1]["param_names"] == ["fc.weight", "fc.bias"]
    other = rushlight.optim.SGD(param_groups(trained, {"body": 0.0, "fc": 0.1}), lr=1.0)
    other.load_state_dict(optimizer.state_dict())


# ---- heads


def test_a_linear_head(trained):
    freeze(trained)
    trained.double().eval()
    head = replace_head(trained, 2)
    assert trained.fc is head
    assert (head.in_features, head.out_features) == (4, 2)
    assert head.weight.dtype == rushlight.float64
    assert not head.training
    assert [name for name, p in trained.named_parameters() if p.requires_grad] == [
        "fc.weight",
        "fc.bias",
    ]
    assert trained(rushlight.ones(1, 3, dtype=rushlight.float64)).shape == (1, 2)


def test_a_head_without_bias():
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU())
    assert replace_head(model, 5).bias is None


def test_a_convolution_as_head():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Sequential(nn.Dropout(), nn.Conv2d(8, 1000, 1, stride=2)), nn.ReLU()
    )
    head = replace_head(model, 2)
    assert model[1][1] is head
    assert (head.in_channels, head.out_channels, head.stride) == (8, 2, (2, 2))


def test_a_head_by_name(trained):
    model = nn.Sequential(OrderedDict(net=trained, extra=nn.Linear(10, 1)))
    assert replace_head(model, 3, "net") is trained.fc
    assert replace_head(model, 4, "net.fc") is trained.fc
    assert trained.fc.out_features == 4
    with pytest.raises(
        ValueError, match="has no module 'net.fx'; nearest to 'net.fx' are 'net.fc'"
    ):
        replace_head(model, 3, "net.fx")


def test_models_without_a_head():
    with pytest.raises(
        ValueError, match="'0', is a convolution with a kernel of .3, 3., which is no"
    ):
        replace_head(nn.Sequential(nn.Conv2d(3, 8, 3)), 2)
    with pytest.raises(ValueError, match="ReLU has no linear layer or convolution in it"):
        replace_head(nn.ReLU(), 2)
    with pytest.raises(ValueError, match="Linear has no linear layer or convolution in it"):
        replace_head(nn.Linear(2, 2), 2)
    with pytest.raises(ValueError, match="expected num_classes of at least 1, but got 0"):
        replace_head(Net(), 0)


def test_public_names():
    assert all(getattr(finetune, name).__doc__ for name in finetune.__all__)
