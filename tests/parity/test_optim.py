"""Optimizers against PyTorch's: ten steps of every option, messages, text, and state dicts both ways."""

import io
import itertools
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
from rushlight.optim import optimizer as core  # noqa: E402

SHAPES = [(3, 4), (5,), (), (2, 3, 2, 2)]


def parameters(framework, dtype="float32", seed=0):
    values = np.random.default_rng(seed)
    arrays = [np.asarray(values.normal(size=shape), dtype) for shape in SHAPES]
    return [framework.nn.Parameter(framework.from_numpy(a)) for a in arrays]


def train(framework, make, steps=10, skip=(), dtype="float32"):
    """Ten steps with gradients that depend on the parameters; some parameters miss some steps."""
    params = parameters(framework, dtype)
    optimizer = make(params)
    for step in range(steps):
        for place, p in enumerate(params):
            if (step, place) in skip:
                p.grad = None
            else:
                p.grad = p.detach() * 0.7 + (place - 1.5) * 0.1 * (step % 3)
        optimizer.step()
    return params, optimizer


def values(params):
    return [p.detach().numpy() for p in params]


def assert_same(ours, theirs, rtol=2e-6, atol=1e-7):
    for a, b in zip(values(ours), values(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def combinations(**choices):
    return [dict(zip(choices, c, strict=True)) for c in itertools.product(*choices.values())]


SGD = [
    o
    for o in combinations(
        lr=[0.1],
        momentum=[0, 0.9],
        dampening=[0, 0.3],
        weight_decay=[0, 0.05],
        nesterov=[False, True],
        maximize=[False, True],
    )
    if not o["nesterov"] or (o["momentum"] and not o["dampening"])
]
ADAM = [
    {**o, "betas": betas, "eps": eps}
    for o in combinations(
        lr=[0.01], weight_decay=[0, 0.1], amsgrad=[False, True], maximize=[False, True]
    )
    for betas, eps in [((0.9, 0.999), 1e-8), ((0.5, 0.7), 1e-3)]
]


@pytest.fixture(params=["together", "each"])
def road(request, monkeypatch):
    """The native pass, and the formula in ordinary ops."""
    kernels = {"together": "fast", "each": "plain"}[request.param]
    monkeypatch.setenv("RUSHLIGHT_KERNELS", kernels)
    return request.param


@pytest.mark.parametrize("options", SGD, ids=str)
def test_sgd(options, road):
    ours, _ = train(rushlight, lambda p: rushlight.optim.SGD(p, **options))
    theirs, _ = train(torch, lambda p: torch.optim.SGD(p, **options))
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("options", ADAM, ids=str)
def test_adam(name, options, road):
    ours, _ = train(rushlight, lambda p: getattr(rushlight.optim, name)(p, **options))
    theirs, _ = train(torch, lambda p: getattr(torch.optim, name)(p, **options))
    assert_same(ours, theirs, rtol=1e-5)


RULES = [
    ("SGD", {"momentum": 0.9, "lr": 0.1}),
    ("Adam", {"lr": 0.01}),
    ("AdamW", {"amsgrad": True}),
]


@pytest.mark.parametrize("name, options", RULES)
def test_float64(name, options, road):
    ours, _ = train(
        rushlight, lambda p: getattr(rushlight.optim, name)(p, **options), dtype="float64"
    )
    theirs, _ = train(torch, lambda p: getattr(torch.optim, name)(p, **options), dtype="float64")
    assert ours[0].dtype is rushlight.float64
    assert_same(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name, options", RULES)
def test_parameters_without_gradient_wait(name, options, road):
    # The first step of two parameters comes late, one misses a step later, one never has a gradient.
    skip = {(0, 0), (0, 1), (1, 1), (5, 2), *((step, 3) for step in range(10))}
    ours, a = train(rushlight, lambda p: getattr(rushlight.optim, name)(p, **options), skip=skip)
    theirs, b = train(torch, lambda p: getattr(torch.optim, name)(p, **options), skip=skip)
    assert_same(ours, theirs)
    assert described(a.state_dict()) == described(b.state_dict())


@pytest.mark.parametrize("name, options", RULES)
def test_groups_with_options_of_their_own(name, options, road):
    def make(framework):
        def build(p):
            groups = [{"params": p[:2], "lr": 0.05, "weight_decay": 0.2}, {"params": p[2:]}]
            return getattr(framework.optim, name)(groups, **options)

        return build

    ours, _ = train(rushlight, make(rushlight))
    theirs, _ = train(torch, make(torch))
    assert_same(ours, theirs)


@pytest.mark.parametrize("name, options", [("SGD", {"momentum": 0.9}), ("Adam", {})])
def test_tensor_rate(name, options, road):
    def make(framework):
        return lambda p: getattr(framework.optim, name)(p, lr=framework.tensor(0.05), **options)

    ours, a = train(rushlight, make(rushlight))
    theirs, _ = train(torch, make(torch))
    assert isinstance(a.param_groups[0]["lr"], rushlight.Tensor)
    assert_same(ours, theirs)


def test_tensor_betas(road):
    def make(framework):
        betas = (framework.tensor(0.8), framework.tensor(0.9))
        return lambda p: framework.optim.Adam(p, betas=betas)

    ours, _ = train(rushlight, make(rushlight))
    theirs, _ = train(torch, make(torch))
    assert_same(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_gradients_in_another_memory_order(name, road):
    def run(framework):
        p = framework.nn.Parameter(framework.arange(24.0).reshape(2, 3, 4))
        optimizer = getattr(framework.optim, name)([p], lr=0.1)
        for _ in range(3):
            p.grad = framework.arange(24.0).reshape(4, 3, 2).permute(2, 1, 0)
            optimizer.step()
        return p.detach().numpy()

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=1e-6)


@pytest.mark.parametrize("name, options", RULES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(name, options, dtype):
    def run(framework):
        p = framework.nn.Parameter(framework.linspace(0.1, 1, 7).to(getattr(framework, dtype)))
        optimizer = getattr(framework.optim, name)([p], **options)
        for _ in range(3):
            p.grad = p.detach() * 0.5
            optimizer.step()
        assert p.dtype == getattr(framework, dtype)
        return p.detach().float().numpy()

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("name, options", [*RULES, ("Adam", {"weight_decay": 0.1})])
def test_complex_parameters(name, options):
    def run(framework):
        p = framework.nn.Parameter(framework.tensor([1 + 2j, -0.5j]))
        optimizer = getattr(framework.optim, name)([p], **options)
        for _ in range(4):
            p.grad = p.detach() * (0.3 + 0.1j)
            optimizer.step()
        return p.detach().numpy(), optimizer.state_dict()["state"][0]

    (ours, kept), (theirs, wanted) = run(rushlight), run(torch)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert {k: str(v.dtype) for k, v in kept.items()} == {
        k: str(v.dtype) for k, v in wanted.items()
    }


def test_duplicate_parameters_are_updated_twice(road):
    def run(framework):
        p = framework.nn.Parameter(framework.ones(3))
        with pytest.warns(UserWarning, match="duplicate parameters"):
            optimizer = framework.optim.SGD([p, p], lr=0.1)
        for _ in range(3):
            p.grad = p.detach().clone()
            optimizer.step()
        return p.detach().numpy()

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_gradients_through_the_step(name):
    def run(framework):
        first = framework.tensor([1.0, 2.0], requires_grad=True)
        p = first.clone()
        p.retain_grad()
        optimizer = getattr(framework.optim, name)([p], lr=0.1, differentiable=True)
        p.grad = 3 * first**2
        optimizer.step()
        return framework.autograd.grad((p**2).sum(), first)[0].detach().numpy()

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=1e-5)


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


def converted(value, framework):
    """The state dict of one framework as the other would have loaded it from a file."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        array = value.detach().numpy()
        return framework.tensor(array.tolist(), dtype=getattr(framework, str(array.dtype)))
    if isinstance(value, dict):
        return {key: converted(item, framework) for key, item in value.items()}
    return value


@pytest.mark.parametrize("name, options", [*RULES, ("SGD", {"lr": 0.1})])
def test_state_dict(name, options, road):
    _, a = train(rushlight, lambda p: getattr(rushlight.optim, name)(p, **options), steps=2)
    _, b = train(torch, lambda p: getattr(torch.optim, name)(p, **options), steps=2)
    ours, theirs = a.state_dict(), b.state_dict()
    assert described(ours) == described(theirs)
    assert [list(g) for g in ours["param_groups"]] == [list(g) for g in theirs["param_groups"]]
    assert [list(s) for s in ours["state"].values()] == [list(s) for s in theirs["state"].values()]


@pytest.mark.parametrize("name, options", RULES)
@pytest.mark.parametrize("source, target", [(torch, rushlight), (rushlight, torch)])
def test_training_goes_on_in_the_other_framework(name, options, source, target, road):
    def make(framework):
        return lambda p: getattr(framework.optim, name)(p, **options)

    whole, _ = train(torch, make(torch))
    params, optimizer = train(source, make(source), steps=4)
    others = [target.nn.Parameter(target.tensor(p.detach().numpy().tolist())) for p in params]
    continued = make(target)(others)
    continued.load_state_dict(converted(optimizer.state_dict(), target))
    for step in range(4, 10):
        for place, p in enumerate(others):
            p.grad = p.detach() * 0.7 + (place - 1.5) * 0.1 * (step % 3)
        continued.step()
    assert_same(others, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, options", RULES)
def test_saved_files_load_in_pytorch(name, options, road):
    _, a = train(rushlight, lambda p: getattr(rushlight.optim, name)(p, **options), steps=2)
    file = io.BytesIO()
    rushlight.save(a.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert described(loaded) == described(a.state_dict())


@pytest.mark.parametrize("name, options", RULES)
def test_pytorch_files_load_here(name, options):
    _, b = train(torch, lambda p: getattr(torch.optim, name)(p, **options), steps=2)
    file = io.BytesIO()
    torch.save(b.state_dict(), file)
    file.seek(0)
    optimizer = getattr(rushlight.optim, name)(parameters(rushlight), **options)
    optimizer.load_state_dict(rushlight.load(file))
    assert described(optimizer.state_dict()) == described(b.state_dict())


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


@pytest.mark.parametrize("name, options", RULES)
def test_pickled_optimizers_remember(name, options):
    _, a = train(rushlight, lambda p: getattr(rushlight.optim, name)(p, **options), steps=2)
    copy = pickle.loads(pickle.dumps(a))
    assert described(copy.state_dict()) == described(a.state_dict())


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


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options(name, options):
    def call(framework):
        return getattr(framework.optim, name)([p(framework)], **options)

    assert outcome(call, rushlight) == outcome(call, torch)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("shape", [(1,), (2,)])
@pytest.mark.parametrize("foreach", [None, True])
def test_tensor_rates(name, shape, foreach):
    def call(framework):
        lr = framework.full(shape, 0.5)
        return type(getattr(framework.optim, name)([p(framework)], lr, foreach=foreach)).__name__

    assert outcome(call, rushlight) == outcome(call, torch)


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
