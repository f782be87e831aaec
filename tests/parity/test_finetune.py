"""What fits is what PyTorch loads after the usual filtering by hand."""

import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
from rushlight import finetune  # noqa: E402


def network(framework, classes, width=6):
    nn = framework.nn
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(), nn.Linear(width * 4, classes)
    )  # fmt: skip


def values(model):
    return {name: value.double().tolist() for name, value in model.state_dict().items()}


CHANGES = {
    "nothing": lambda state: state,
    "other precision": lambda state: {k: v.double() for k, v in state.items()},
    "half": lambda state: {k: v.bfloat16() if v.dim() else v for k, v in state.items()},
    "integers": lambda state: {k: v.long() for k, v in state.items()},
    "one is missing": lambda state: {k: v for k, v in state.items() if k != "1.running_var"},
    "one is new": lambda state: {**state, "7.weight": state["0.weight"]},
    "old counts": lambda state: {**state, "1.num_batches_tracked": torch.tensor([3])},
    "nested": lambda state: {"epoch": 1, "state_dict": state},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("classes, width", [(10, 6), (2, 6), (10, 5)])
def test_the_same_is_loaded(tmp_path, change, classes, width):
    torch.manual_seed(1)
    trained = network(torch, 10)
    trained(torch.randn(4, 1, 4, 4))
    torch.save(CHANGES[change](trained.state_dict()), tmp_path / "net.pt")

    torch.manual_seed(2)
    theirs = network(torch, classes, width)
    given = torch.load(tmp_path / "net.pt")
    given = given.get("state_dict", given)
    held = theirs.state_dict()

    def fits(name):
        one, other = given[name].shape, held[name].shape
        return one == other or (one, other) == ((1,), ())

    filtered = {k: v for k, v in given.items() if k in held and fits(k)}
    # Whole numbers only take whole numbers here; PyTorch cuts off what is behind the point.
    kinds = {k: v for k, v in filtered.items() if torch.can_cast(v.dtype, held[k].dtype)}
    missing = theirs.load_state_dict(kinds, strict=False).missing_keys

    rushlight.manual_seed(2)
    ours = network(rushlight, classes, width)
    report = finetune.load_matching(ours, tmp_path / "net.pt")
    assert values(ours) == values(theirs)
    assert report.loaded == [name for name in held if name in kinds]
    assert report.fresh == [name for name in held if name not in kinds]
    assert set(missing) <= set(report.fresh)


def test_training_with_a_still_body_is_the_same():
    """PyTorch's way to keep batch normalisation still is to call eval() on it after every train()."""
    losses = {}
    for framework in (torch, rushlight):
        framework.manual_seed(3)
        model = network(framework, 3)
        x, y = framework.randn(8, 1, 4, 4), framework.arange(8) % 3
        model(x * 2 + 1)
        if framework is torch:
            model[:2].requires_grad_(False)
            groups = [{"params": model[4].parameters(), "lr": 0.5}]
        else:
            finetune.freeze(model, "[01]")
            groups = finetune.param_groups(model, {"4": 0.5})
        optimizer = framework.optim.SGD(groups, lr=0.1)
        losses[framework] = []
        for _ in range(5):
            model.train()
            if framework is torch:
                model[1].eval()
            loss = framework.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[framework].append(loss.item())
    assert losses[rushlight] == pytest.approx(losses[torch], rel=1e-5)


def test_pytorch_takes_the_groups_as_well():
    """The groups are plain dicts in PyTorch's form."""
    model = network(torch, 3)
    groups = finetune.param_groups(
        network(rushlight, 3), {"4": 0.5, "*.bias": {"weight_decay": 0.0}}
    )
    own = dict(model.named_parameters())
    for group in groups:
        group["params"] = [(name, own[name]) for name, _ in group["params"]]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    assert [group["name"] for group in optimizer.param_groups] == [
        "default",
        "*.bias",
        "4",
        "4, *.bias",
    ]
