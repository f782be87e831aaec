"""LBFGS, Adafactor and Muon against PyTorch's: whole runs, evaluations, state dicts both ways, messages."""

import itertools
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402

BOTH = [torch, rushlight]


def combinations(**choices):
    return [dict(zip(choices, c, strict=True)) for c in itertools.product(*choices.values())]


def values(params):
    return [p.detach().double().numpy() for p in params]


def assert_close(ours, theirs, rtol, atol):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def converted(value, framework):
    """A state dict of one framework as the other would have loaded it from a file."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        array = value.detach().numpy()
        return framework.tensor(array.tolist(), dtype=getattr(framework, str(array.dtype)))
    if isinstance(value, dict):
        return {key: converted(item, framework) for key, item in value.items()}
    if isinstance(value, list):
        return [converted(item, framework) for item in value]
    return value


def shapes(value):
    """A state dict without its numbers."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return str(value.dtype), tuple(value.shape)
    if isinstance(value, dict):
        return {key: shapes(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shapes(item) for item in value]
    return None if isinstance(value, float) else value


# ---- Adafactor and Muon: ten steps


SHAPES = {"Adafactor": [(3, 4), (5,), (), (2, 3, 2, 2), (6, 1)], "Muon": [(3, 4), (7, 2), (5, 5)]}
ADAFACTOR = combinations(
    lr=[0.01, 0.1],
    beta2_decay=[-0.8, -0.3],
    eps=[(None, 1e-3), (0.05, 2.0)],
    d=[1.0, 1.5],
    weight_decay=[0, 0.1],
    maximize=[False, True],
)
MUON = combinations(
    lr=[0.02],
    weight_decay=[0, 0.1],
    momentum=[0, 0.95],
    nesterov=[False, True],
    adjust_lr_fn=[None, "original", "match_rms_adamw"],
)
MUON += [{"ns_steps": 2}, {"ns_coefficients": (1.5, -0.5, 0.0)}, {"eps": 100.0}]


def parameters(framework, name, dtype):
    numbers = np.random.default_rng(3)
    arrays = [np.asarray(numbers.normal(size=shape), dtype) for shape in SHAPES[name]]
    return [framework.nn.Parameter(framework.from_numpy(a)) for a in arrays]


def go_on(params, optimizer, steps):
    """Steps with gradients that depend on the parameters."""
    for step in steps:
        for place, p in enumerate(params):
            p.grad = p.detach() ** 3 * 0.7 + (place - 1.5) * 0.1 * (step % 3)
        optimizer.step()


def train(framework, name, options, dtype="float32", steps=range(10)):
    params = parameters(framework, name, dtype)
    optimizer = getattr(framework.optim, name)(params, **options)
    go_on(params, optimizer, steps)
    return params, optimizer


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("options", ADAFACTOR, ids=str)
def test_adafactor(options, dtype, tolerance):
    ours, _ = train(rushlight, "Adafactor", options, dtype)
    theirs, _ = train(torch, "Adafactor", options, dtype)
    assert_close(values(ours), values(theirs), rtol=tolerance, atol=tolerance)


# A step is as long as the rounding of bfloat16 says: 2**-8 of it, a few times amplified.
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", MUON, ids=str)
def test_muon(options, dtype):
    ours, _ = train(rushlight, "Muon", options, dtype)
    theirs, _ = train(torch, "Muon", options, dtype)
    assert_close(values(ours), values(theirs), rtol=0, atol=0.02 * options.get("lr", 1e-3) * 10)


@pytest.mark.parametrize("shape", [(3, 5), (64, 32), (128, 256)])
def test_one_step_of_muon(shape):
    g = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def run(framework):
        w = framework.nn.Parameter(framework.zeros(shape))
        w.grad = framework.from_numpy(g)
        framework.optim.Muon([w], lr=1.0).step()
        return w.detach().numpy()

    np.testing.assert_allclose(run(rushlight), run(torch), atol=2**-6)


RULES = [
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.1, "weight_decay": 0.1, "eps": (1e-8, 1e-2)}),
    ("Muon", {"lr": 0.02}),
    ("Muon", {"lr": 0.02, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"}),
]
LOOSE = {"Adafactor": (1e-5, 1e-6), "Muon": (0, 4e-3)}


@pytest.mark.parametrize("name, options", RULES)
def test_tensor_rate(name, options):
    def run(framework):
        params, _ = train(framework, name, {**options, "lr": framework.tensor(0.05)})
        return values(params)

    rtol, atol = LOOSE[name]
    assert_close(run(rushlight), run(torch), rtol, atol * 3)


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(name, dtype):
    def run(framework):
        start = framework.tensor([[1.0, 0.5, -0.25], [-0.5, 2.0, 0.0]])
        p = framework.nn.Parameter(start.to(getattr(framework, dtype)))
        optimizer = getattr(framework.optim, name)([p], lr=0.1)
        for _ in range(3):
            p.grad = p.detach() * 0.5
            optimizer.step()
        return str(p.dtype), shapes(optimizer.state_dict()), p.detach().float().numpy()

    ours, theirs = run(rushlight), run(torch)
    assert ours[:2] == theirs[:2]
    np.testing.assert_allclose(ours[2], theirs[2], rtol=2e-2, atol=4e-3)


@pytest.mark.parametrize("name, options", RULES)
def test_state_dict(name, options):
    _, a = train(rushlight, name, options)
    _, b = train(torch, name, options)
    ours, theirs = a.state_dict(), b.state_dict()
    assert shapes(ours) == shapes(theirs)
    assert [list(g) for g in ours["param_groups"]] == [list(g) for g in theirs["param_groups"]]
    assert [list(s) for s in ours["state"].values()] == [list(s) for s in theirs["state"].values()]


@pytest.mark.parametrize("name, options", RULES)
@pytest.mark.parametrize("source, target", [(torch, rushlight), (rushlight, torch)])
def test_training_goes_on_in_the_other_framework(name, options, source, target):
    whole, _ = train(torch, name, options)
    params, optimizer = train(source, name, options, steps=range(4))
    params = [target.nn.Parameter(converted(p, target)) for p in params]
    continued = getattr(target.optim, name)(params)
    continued.load_state_dict(converted(optimizer.state_dict(), target))
    go_on(params, continued, range(4, 10))
    rtol, atol = LOOSE[name]
    assert_close(values(params), values(whole), rtol, atol)


# ---- LBFGS


def rosenbrock(framework, dtype, **options):
    """The valley whose lowest place is (1, 1), from the usual start."""
    w = framework.nn.Parameter(
        framework.tensor([[-1.2, 1.0], [2.0, -1.0]], dtype=getattr(framework, dtype))
    )
    optimizer = framework.optim.LBFGS([w], **options)

    def closure():
        optimizer.zero_grad()
        x, y = w[:, 0], w[:, 1]
        loss = (100 * (y - x**2) ** 2 + (1 - x) ** 2).sum()
        loss.backward()
        return loss

    return [w], optimizer, closure


def network(framework, dtype, **options):
    """A small network on 20 points, and one parameter that the loss does not use."""
    numbers = np.random.default_rng(0)

    def make(*shape):
        return framework.from_numpy(numbers.normal(size=shape)).to(getattr(framework, dtype))

    x, y = make(20, 3), make(20, 1)
    params = [framework.nn.Parameter(make(*s)) for s in [(5, 3), (5,), (1, 5), (1,), (2, 2)]]
    optimizer = framework.optim.LBFGS(params, **options)

    def closure():
        optimizer.zero_grad()
        hidden = framework.tanh(framework.nn.functional.linear(x, params[0], params[1]))
        loss = ((framework.nn.functional.linear(hidden, params[2], params[3]) - y) ** 2).mean()
        loss.backward()
        return loss

    return params, optimizer, closure


def quartic(framework, dtype, **options):
    """Flat at its lowest place, steep far from it: the line search has to widen and to narrow."""
    w = framework.nn.Parameter(framework.full((3,), 30.0, dtype=getattr(framework, dtype)))
    optimizer = framework.optim.LBFGS([w], **options)

    def closure():
        optimizer.zero_grad()
        loss = (((w - framework.arange(3)) ** 4) * 0.01 + framework.cos(w * 3)).sum()
        loss.backward()
        return loss

    return [w], optimizer, closure


PROBLEMS = {f.__name__: f for f in (rosenbrock, network, quartic)}
LBFGS = [
    {"line_search_fn": search, **options}
    for search in (None, "strong_wolfe")
    for options in (
        {},
        {"lr": 0.3},
        {"max_iter": 1},
        {"max_iter": 4},
        {"max_iter": 9, "max_eval": 7},
        {"max_eval": 1},
        {"max_eval": 2},
        {"history_size": 2},
        {"history_size": 1},
        {"tolerance_grad": 0.5},
        {"tolerance_change": 0.01},
    )
]


def descend(framework, problem, dtype, options, steps):
    """The parameters, the optimizer, its closure, and every loss that it evaluated."""
    params, optimizer, closure = PROBLEMS[problem](framework, dtype, **options)
    losses = []

    def noting():
        loss = closure()
        losses.append(loss.item())
        return loss

    for _ in range(steps):
        optimizer.step(noting)
    return params, optimizer, closure, losses


def counts(optimizer):
    state = optimizer.state_dict()["state"][0]
    return state["func_evals"], state["n_iter"]


# The two add up in another order, and each iteration multiplies that rounding a few times: after 40 of them
# a short history leaves half of the digits.
@pytest.mark.parametrize("options", LBFGS, ids=str)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_lbfgs(problem, options):
    ours, a, _, found = descend(rushlight, problem, "float64", options, steps=2)
    theirs, b, _, wanted = descend(torch, problem, "float64", options, steps=2)
    assert counts(a) == counts(b) == (len(found), a.state_dict()["state"][0]["n_iter"])
    np.testing.assert_allclose(found[:15], wanted[:15], rtol=1e-10)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-10)
    assert_close(values(ours), values(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_lbfgs_in_float32(problem, search):
    options = {"line_search_fn": search, "max_iter": 5}
    ours, a, _, found = descend(rushlight, problem, "float32", options, steps=2)
    theirs, b, _, wanted = descend(torch, problem, "float32", options, steps=2)
    assert counts(a) == counts(b)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert_close(values(ours), values(theirs), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(40))
def test_line_searches_over_hills(seed):
    numbers = np.random.default_rng(seed)
    a, b = numbers.normal(size=6).tolist(), numbers.uniform(0.3, 6, size=6).tolist()
    start = (numbers.normal(size=2) * 3).tolist()
    lr = 10 ** numbers.uniform(-3, 2)

    def run(framework):
        w = framework.nn.Parameter(framework.tensor(start, dtype=framework.float64))
        optimizer = framework.optim.LBFGS(
            [w], lr=lr, max_iter=2, max_eval=40, line_search_fn="strong_wolfe"
        )
        losses = []

        def closure():
            optimizer.zero_grad()
            loss = 0.05 * (w**4).sum()
            for i in range(6):
                loss = loss + a[i] * framework.sin(b[i] * w[i % 2] + a[i - 1] * w[(i + 1) % 2])
            loss.backward()
            losses.append(loss.item())
            return loss

        optimizer.step(closure)
        return losses, w.tolist()

    ours, theirs = run(rushlight), run(torch)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-8)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_of_complex_parameters(search):
    def run(framework):
        w = framework.nn.Parameter(framework.tensor([1 + 2j, -0.5j], dtype=framework.complex128))
        v = framework.nn.Parameter(framework.tensor([2.0], dtype=framework.float64))
        optimizer = framework.optim.LBFGS([w, v], line_search_fn=search)

        def closure():
            optimizer.zero_grad()
            loss = ((w - 1j).abs() ** 4).sum() + (v - w.real.sum()).pow(2).sum()
            loss.backward()
            return loss

        for _ in range(2):
            optimizer.step(closure)
        state = optimizer.state_dict()["state"][0]
        return counts(optimizer), w.detach().numpy(), v.detach().numpy(), state["d"].dtype

    ours, theirs = run(rushlight), run(torch)
    assert ours[0] == theirs[0]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_where_the_loss_is_no_number(search):
    def run(framework):
        w = framework.nn.Parameter(framework.ones(2))
        optimizer = framework.optim.LBFGS([w], line_search_fn=search)

        def closure():
            optimizer.zero_grad()
            loss = (w * float("nan")).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return counts(optimizer), w.tolist()

    assert str(run(rushlight)) == str(run(torch))


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_state_dict_of_lbfgs(problem, search):
    options = {"line_search_fn": search, "history_size": 7, "max_iter": 6}
    _, a, _, _ = descend(rushlight, problem, "float64", options, steps=2)
    _, b, _, _ = descend(torch, problem, "float64", options, steps=2)
    ours, theirs = a.state_dict(), b.state_dict()
    for state in (ours["state"][0], theirs["state"][0]):
        state["t"] = float(state["t"])
    assert shapes(ours) == shapes(theirs)
    for name in ("d", "H_diag", "prev_flat_grad", "prev_loss", "t"):
        found, wanted = (np.asarray(s["state"][0][name]) for s in (ours, theirs))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9, err_msg=name)
    for name in ("old_dirs", "old_stps", "ro"):
        found, wanted = (np.stack(s["state"][0][name]) for s in (ours, theirs))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("source, target", [(torch, rushlight), (rushlight, torch)])
def test_lbfgs_goes_on_in_the_other_framework(problem, search, source, target):
    options = {"line_search_fn": search, "max_iter": 5}
    whole, first, _, _ = descend(torch, problem, "float64", options, steps=4)
    halfway, before, _, _ = descend(source, problem, "float64", options, steps=2)
    params, optimizer, closure = PROBLEMS[problem](target, "float64")
    with target.no_grad():
        for p, value in zip(params, halfway, strict=True):
            p.copy_(converted(value, target))
    optimizer.load_state_dict(converted(before.state_dict(), target))
    for _ in range(2):
        optimizer.step(closure)
    assert counts(optimizer) == counts(first)
    assert_close(values(params), values(whole), rtol=1e-7, atol=1e-8)


# ---- arguments


def outcome(call, framework):
    """What a call gave as text, or the type of its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(call(framework))
        except Exception as error:
            return type(error)


def p(framework, *shape):
    w = framework.nn.Parameter(framework.ones(*shape or (2, 2)))
    w.grad = framework.ones(*shape or (2, 2))
    return w


@pytest.mark.parametrize("name", ["LBFGS", "Adafactor", "Muon"])
def test_defaults_and_text(name):
    def call(framework):
        optimizer = getattr(framework.optim, name)([p(framework)])
        return optimizer, optimizer.defaults, optimizer.state_dict()

    assert outcome(call, rushlight) == outcome(call, torch)


CALLS = [
    ("LBFGS", {"lr": -1}),
    ("LBFGS", {"lr": "x"}),
    ("LBFGS", {"lr": None}),
    ("LBFGS", {"lr": float("nan")}),
    ("LBFGS", {"max_iter": "x"}),
    ("LBFGS", {"max_iter": 0}),
    ("LBFGS", {"max_iter": -3}),
    ("LBFGS", {"max_iter": 7}),
    ("LBFGS", {"max_eval": 0}),
    ("LBFGS", {"unknown": 1}),
    ("Adafactor", {"lr": -1}),
    ("Adafactor", {"lr": float("nan")}),
    ("Adafactor", {"lr": "x"}),
    ("Adafactor", {"beta2_decay": 0.1}),
    ("Adafactor", {"beta2_decay": 0}),
    ("Adafactor", {"eps": (-1, 1e-3)}),
    ("Adafactor", {"eps": (None, -1)}),
    ("Adafactor", {"eps": 1e-3}),
    ("Adafactor", {"eps": (None, None)}),
    ("Adafactor", {"eps": (0.5,)}),
    ("Adafactor", {"d": 0.5}),
    ("Adafactor", {"weight_decay": -1}),
    ("Adafactor", {"foreach": True}),
    ("Adafactor", {"fused": True}),
    ("Muon", {"lr": -1}),
    ("Muon", {"lr": "x"}),
    ("Muon", {"momentum": -1}),
    ("Muon", {"momentum": 1.5}),
    ("Muon", {"weight_decay": -1}),
    ("Muon", {"adjust_lr_fn": "x"}),
    ("Muon", {"ns_steps": 99}),
    ("Muon", {"maximize": True}),
]


@pytest.mark.parametrize("name, options", CALLS, ids=str)
def test_arguments(name, options):
    def call(framework):
        return getattr(framework.optim, name)([p(framework)], **options).defaults

    assert outcome(call, rushlight) == outcome(call, torch)


@pytest.mark.parametrize("name", ["LBFGS", "Adafactor", "Muon"])
@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_shapes_of_tensor_rates(name, shape):
    def call(framework):
        lr = framework.full(shape, 0.5)
        return type(getattr(framework.optim, name)([p(framework)], lr)).__name__

    assert outcome(call, rushlight) == outcome(call, torch)


# What PyTorch refuses at the step, too.
STEPS = {
    "complex Adafactor": lambda f: f.optim.Adafactor([complex_p(f)]).step(),
    "complex Muon": lambda f: f.optim.Muon([complex_p(f)]).step(),
    "three coefficients": lambda f: f.optim.Muon([p(f)], ns_coefficients=(1, 2)).step(),
    "a hundred steps": lambda f: f.optim.Muon([p(f)], ns_steps=100).step(),
    "negative steps": lambda f: f.optim.Muon([p(f)], ns_steps=-1).step(),
    "a vector for Muon": lambda f: f.optim.Muon([p(f, 3)]),
    "images for Muon": lambda f: f.optim.Muon([p(f, 3, 3, 3)]),
    "unknown line search": lambda f: f.optim.LBFGS([p(f)], line_search_fn="x").step(
        lambda: p(f).sum()
    ),
    "two groups": lambda f: f.optim.LBFGS([{"params": [p(f)]}, {"params": [p(f)]}]),
    "no closure": lambda f: f.optim.LBFGS([p(f)]).step(),
    "None as closure": lambda f: f.optim.LBFGS([p(f)]).step(None),
    "a closure without result": lambda f: f.optim.LBFGS([p(f)]).step(lambda: None),
    "a closure with a number": lambda f: f.optim.LBFGS([p(f)]).step(lambda: 3.0),
}


def complex_p(framework):
    w = framework.nn.Parameter(framework.ones(2, 2, dtype=framework.complex64))
    w.grad = framework.ones(2, 2, dtype=framework.complex64)
    return w


@pytest.mark.parametrize("name", STEPS)
def test_steps(name):
    assert outcome(STEPS[name], rushlight) == outcome(STEPS[name], torch)
