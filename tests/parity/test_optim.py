"""What all optimizers share, against PyTorch's: groups, names, messages, text, hooks."""

import warnings

import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
from rushlight.optim import optimizer as core  # noqa: E402

# ---- state dicts


def described(value):
    """A state dict of either framework with arrays for tensors, so that two can be compared."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        array = value.detach().float().numpy()
        rounded = [float(f"{x:.3g}") for x in array.ravel().tolist()]
        return str(value.dtype), tuple(value.shape), rounded
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    return value


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ([("w", 0)], [0]),
        ([0], [("w", 0)]),
        ([("q", 0)], [("w", 0)]),
    ],
)
def test_names_survive_loading(ours, theirs):
    def run(framework):
        def named(items):
            p = framework.nn.Parameter(framework.ones(2))
            return [(item[0], p) if isinstance(item, tuple) else p for item in items]

        optimizer = framework.optim.SGD(named(ours))
        optimizer.load_state_dict(framework.optim.SGD(named(theirs)).state_dict())
        return optimizer.state_dict()

    assert run(rushlight) == run(torch)


def test_adamw_stays_decoupled_when_it_loads_adam():
    def run(framework):
        p = framework.nn.Parameter(framework.ones(2))
        p.grad = framework.ones(2)
        adam = framework.optim.Adam([p])
        adam.step()
        adamw = framework.optim.AdamW([p])
        adamw.load_state_dict(adam.state_dict())
        return described(adamw.state_dict())

    assert run(rushlight) == run(torch)


def test_half_precision_state_keeps_its_count():
    def run(framework):
        p = framework.nn.Parameter(framework.ones(2))
        p.grad = framework.ones(2)
        optimizer = framework.optim.Adam([p])
        optimizer.step()
        half = framework.optim.Adam([framework.nn.Parameter(p.detach().half())])
        half.load_state_dict(optimizer.state_dict())
        return {key: str(value.dtype) for key, value in half.state_dict()["state"][0].items()}

    assert run(rushlight) == run(torch)


def test_counts_that_are_python_numbers_become_tensors():
    def run(framework):
        state = {"step": 3, "exp_avg": framework.ones(2), "exp_avg_sq": framework.ones(2)}
        group = {"lr": 1, "params": [0], "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0}
        optimizer = framework.optim.Adam([framework.nn.Parameter(framework.ones(2))])
        group["amsgrad"] = False
        optimizer.load_state_dict({"state": {0: state}, "param_groups": [group]})
        return described(optimizer.state_dict()["state"])

    assert run(rushlight) == run(torch)


# ---- text


def outcome(call, framework):
    """What a call gave: text, or the type of the error and the beginning of its message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(call(framework))
        except Exception as error:
            return type(error)


def p(framework, *shape):
    return framework.nn.Parameter(framework.ones(*shape or (2,)))


CALLS = {
    "repr": lambda f: f.optim.SGD([p(f)]),
    "repr of names": lambda f: f.optim.SGD([("w", p(f))]),
    "repr of groups": lambda f: f.optim.Adam(
        [{"params": [p(f)], "lr": 0.5, "foo": 1}, {"params": [p(f)]}]
    ),
    "repr of AdamW": lambda f: f.optim.AdamW([p(f)]),
    "defaults of SGD": lambda f: f.optim.SGD([p(f)]).defaults,
    "defaults of Adam": lambda f: f.optim.Adam([p(f)]).defaults,
    "defaults of AdamW": lambda f: f.optim.AdamW([p(f)]).defaults,
    "groups": lambda f: f.optim.SGD([p(f)]).param_groups,
    "named groups": lambda f: f.optim.SGD([("w", p(f)), ("b", p(f))]).state_dict(),
    "generator": lambda f: f.optim.SGD(x for x in [p(f)]),
    "set": lambda f: f.optim.SGD({p(f)}),
    "one tensor as group": lambda f: f.optim.SGD([{"params": p(f)}]),
    "no gradient wanted": lambda f: f.optim.SGD([f.ones(1)]),
    "empty": lambda f: f.optim.SGD([], lr=0.1),
    "tensor": lambda f: f.optim.SGD(p(f)),
    "number": lambda f: f.optim.SGD([3]),
    "nested list": lambda f: f.optim.SGD([[p(f)]]),
    "non-leaf": lambda f: f.optim.SGD([p(f) * 2]),
    "two groups": lambda f: (lambda w: f.optim.SGD([{"params": [w]}, {"params": [w]}]))(p(f)),
    "set as group": lambda f: f.optim.SGD([{"params": {p(f)}}]),
    "dict": lambda f: f.optim.SGD({"params": [p(f)]}),
    "text": lambda f: f.optim.SGD("abc"),
    "None": lambda f: f.optim.SGD(None),
    "int": lambda f: f.optim.SGD(3),
    "group without params": lambda f: f.optim.SGD([{"lr": 1}]),
    "group and tensor": lambda f: f.optim.SGD([{"params": [p(f)]}, p(f)]),
    "name and no name": lambda f: f.optim.SGD([("w", p(f)), p(f)]),
    "group without names": lambda f: f.optim.SGD([{"params": [("w", p(f))]}, {"params": [p(f)]}]),
    "group is a list": lambda f: f.optim.SGD([p(f)]).add_param_group([p(f)]),
    "required option": lambda f: f.optim.Optimizer([p(f)], {"lr": required(f)}),
    "no rule": lambda f: f.optim.Optimizer([graded(f)], {}).step(),
    "other groups": lambda f: f.optim.SGD([p(f)]).load_state_dict(
        f.optim.SGD([{"params": [p(f)]}, {"params": [p(f)]}]).state_dict()
    ),
    "other params": lambda f: f.optim.SGD([p(f)]).load_state_dict(
        f.optim.SGD([p(f), p(f)]).state_dict()
    ),
    "no state dict": lambda f: f.optim.SGD([p(f)]).load_state_dict({}),
    "grouped with a negative rate": lambda f: f.optim.Adam([{"params": [p(f)], "lr": -3}]),
}


def required(framework):
    return __import__(f"{framework.__name__}.optim.optimizer", fromlist=["required"]).required


def graded(framework):
    w = p(framework)
    w.grad = framework.ones(2)
    return w


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    assert outcome(CALLS[name], rushlight) == outcome(CALLS[name], torch)


OPTIONS = [
    {"lr": -1},
    {"lr": "x"},
    {"momentum": -1},
    {"weight_decay": -1},
    {"nesterov": True},
    {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
    {"eps": -1},
    {"betas": (1, 0.9)},
    {"betas": (0.9, 1.0)},
    {"betas": (0.9,)},
    {"fused": True, "foreach": True},
    {"fused": True, "differentiable": True},
    {"foreach": True, "differentiable": True},
    {"fused": True},
    {"capturable": True},
    {"unknown": 1},
]


def test_hooks():
    def run(framework):
        calls = []

        def note(name):
            def hook(optimizer, args, kwargs):
                calls.append((name, len(args), sorted(kwargs)))

            return hook

        module = __import__(f"{framework.__name__}.optim.optimizer", fromlist=["x"])
        optimizer = framework.optim.SGD([p(framework)])
        handles = [
            module.register_optimizer_step_pre_hook(note("global pre")),
            module.register_optimizer_step_post_hook(note("global post")),
            optimizer.register_step_pre_hook(note("pre")),
            optimizer.register_step_post_hook(note("post")),
        ]
        try:
            optimizer.step()
            calls.append(optimizer.step(lambda: 5.0))
            optimizer.step(closure=lambda: 5.0)
        finally:
            for handle in handles:
                handle.remove()
        optimizer.step()
        changed = optimizer.register_step_pre_hook(lambda o, a, k: ((*a, lambda: 7.0), k))
        calls.append(optimizer.step())
        changed.remove()
        optimizer.register_step_pre_hook(lambda o, a, k: 3)
        return calls, outcome(lambda f: optimizer.step(), framework)

    assert run(rushlight) == run(torch)


def test_state_dict_hooks():
    def run(framework):
        calls = []
        optimizer = framework.optim.SGD([p(framework)], lr=1.0)
        optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre 1"))
        optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre 0"), prepend=True)
        optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
        state = optimizer.state_dict()
        optimizer.register_load_state_dict_pre_hook(lambda o, s: calls.append("load pre"))

        def lower(o, s):
            return {**s, "param_groups": [{**g, "lr": 0.25} for g in s["param_groups"]]}

        optimizer.register_load_state_dict_pre_hook(lower)
        optimizer.register_load_state_dict_post_hook(lambda o: calls.append("load post"))
        optimizer.load_state_dict(state)
        return calls, sorted(state), optimizer.param_groups[0]["lr"]

    assert run(rushlight) == run(torch)


def test_closure_runs_with_gradients():
    def run(framework):
        optimizer = framework.optim.SGD([p(framework)])
        with framework.no_grad():
            return optimizer.step(lambda: framework.is_grad_enabled())

    assert run(rushlight) is run(torch) is True


def test_zero_grad():
    def run(framework):
        w = graded(framework)
        grad = w.grad
        optimizer = framework.optim.SGD([w])
        optimizer.zero_grad(set_to_none=False)
        kept = w.grad is grad, w.grad.tolist()
        optimizer.zero_grad()
        return kept, w.grad

    assert run(rushlight) == run(torch)


def test_public_names():
    assert set(core.__all__) <= set(dir(core))
