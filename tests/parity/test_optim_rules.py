"""Every optimizer against PyTorch's, ten steps under every option: parameters, state dicts both ways, errors."""

import inspect
import io
import itertools
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402

STEPS = 10
SHAPES = [(3, 4), (5,), (), (0, 3), (2, 3, 2, 2), (3000,)]
TOLERANCES = {"float32": 1e-6, "complex64": 1e-6, "float64": 1e-13}


AVERAGES = [{"betas": (0.9, 0.999), "eps": 1e-8}, {"betas": (0.5, 0.7), "eps": 1e-3}]
MAXIMIZE = [{}, {"maximize": True}]
DECAY = [{}, {"weight_decay": 0.1}]
TWO_DECAYS = [*DECAY, {"weight_decay": 0.1, "decoupled_weight_decay": True}]


def rows(*choices):
    """Every combination of one dictionary from each list."""
    return [
        {key: value for choice in chosen for key, value in choice.items()}
        for chosen in itertools.product(*choices)
    ]


TABLE = {
    "SGD": rows(
        [
            {"lr": 0.1},
            {"lr": 0.1, "dampening": 0.3},
            {"lr": 0.1, "momentum": 0.9},
            {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
            {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        ],
        DECAY,
        MAXIMIZE,
    ),
    "Adam": rows(AVERAGES, [{"lr": 0.01}, {"amsgrad": True}], TWO_DECAYS, MAXIMIZE),
    "AdamW": rows(
        AVERAGES, [{"lr": 0.01}, {"amsgrad": True}], [*DECAY, {"weight_decay": 0}], MAXIMIZE
    ),
    "ASGD": rows(
        [{}, {"lr": 0.1}],
        [{"lambd": 0}, {"lambd": 0.1, "alpha": 2}],
        [{}, {"t0": 3}, {"t0": 0}],
        DECAY,
        MAXIMIZE,
    ),
    "Rprop": rows(
        [{}, {"lr": 0.1}],
        [{}, {"etas": (0.3, 1.7)}],
        [{}, {"step_sizes": (0.03, 0.2)}],
        MAXIMIZE,
    ),
    "Adagrad": rows(
        [{"lr": 0.1}, {"lr_decay": 0.1}],
        [{}, {"initial_accumulator_value": 0.5}, {"eps": 0.01}],
        DECAY,
        MAXIMIZE,
    ),
    "Adadelta": rows(
        [{}, {"lr": 10.0, "eps": 1e-2}],
        [{}, {"rho": 0}, {"rho": 0.5}, {"rho": 1}],
        DECAY,
        MAXIMIZE,
    ),
    "RMSprop": rows(
        [{}, {"alpha": 0.5, "eps": 1e-2, "lr": 0.05}],
        [{}, {"momentum": 0.9}],
        [{}, {"centered": True}],
        DECAY,
        MAXIMIZE,
    ),
    "Adamax": rows(AVERAGES, [{}, {"lr": 0.1}], DECAY, MAXIMIZE),
    "NAdam": rows(AVERAGES, [{}, {"lr": 0.1, "momentum_decay": 0.5}], TWO_DECAYS, MAXIMIZE),
    "RAdam": rows(
        [*AVERAGES, {"betas": (0.9, 0.9), "lr": 0.1}], [{}, {"eps": 0.1}], TWO_DECAYS, MAXIMIZE
    ),
}
# One row that uses as much of each rule as possible, and the rules with their defaults.
RICH = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "Adam": {"lr": 0.02, "amsgrad": True, "weight_decay": 0.1},
    "AdamW": {"lr": 0.02, "amsgrad": True},
    "ASGD": {"lr": 0.1, "lambd": 0.1, "t0": 3, "weight_decay": 0.1},
    "Rprop": {"lr": 0.05, "step_sizes": (0.02, 0.3)},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2},
    "Adadelta": {"lr": 10.0, "weight_decay": 0.1},
    "RMSprop": {"momentum": 0.9, "centered": True, "weight_decay": 0.1},
    "Adamax": {"lr": 0.02, "weight_decay": 0.1},
    "NAdam": {"lr": 0.02, "weight_decay": 0.1},
    "RAdam": {"lr": 0.02, "weight_decay": 0.1, "betas": (0.9, 0.9)},
}
ROWS = [(name, options) for name in RICH for options in ({}, RICH[name])]


@pytest.fixture(params=["together", "each"])
def road(request, monkeypatch):
    """The native pass, and the formula in ordinary ops."""
    kernels = {"together": "fast", "each": "plain"}[request.param]
    monkeypatch.setenv("RUSHLIGHT_KERNELS", kernels)
    return request.param


def numbers(values, shape, dtype):
    made = values.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        made = made + 1j * values.normal(size=shape)
    return np.asarray(made, dtype)


def parameters(framework, dtype="float32", shapes=SHAPES):
    values = np.random.default_rng(0)
    return [framework.nn.Parameter(framework.from_numpy(numbers(values, s, dtype))) for s in shapes]


def gradient(framework, p, step, place):
    """The same in both frameworks, with some elements exactly zero, in some steps not contiguous."""
    values = np.random.default_rng([step, place])
    shape = tuple(p.shape)
    if step % 3 == 1:
        shape = shape[::-1]
    array = numbers(values, shape, p.detach().numpy().dtype)
    array[values.random(shape) < 0.1] = 0
    g = framework.from_numpy(array)
    return g.permute(tuple(reversed(range(g.ndim)))) if step % 3 == 1 else g


def advance(framework, optimizer, params, steps, skip=()):
    for step in steps:
        for place, p in enumerate(params):
            missing = (step, place) in skip
            p.grad = None if missing else gradient(framework, p, step, place)
        optimizer.step()


# The first step of two parameters comes late, others miss one later, one never has a gradient.
SKIP = {(0, 0), (0, 1), (1, 1), (4, 2), (6, 5), *((step, 4) for step in range(STEPS))}


def train(framework, name, options, dtype="float32", steps=STEPS, skip=(), group=list):
    params = parameters(framework, dtype)
    optimizer = getattr(framework.optim, name)(group(params), **options)
    advance(framework, optimizer, params, range(steps), skip)
    return params, optimizer


def assert_same(ours, theirs, tolerance):
    """That two values, nested as they are, agree in types, order of keys, dtypes, shapes and numbers.

    Rounding is seen beside the largest number of a tensor: a small one may be the rest of large steps.
    """
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, rushlight.Tensor)
        assert str(ours.dtype) == str(theirs.dtype)
        assert tuple(ours.shape) == tuple(theirs.shape)
        wanted = theirs.detach().numpy()
        largest = max(1, np.abs(wanted).max(initial=0))
        np.testing.assert_allclose(
            ours.detach().numpy(), wanted, rtol=10 * tolerance, atol=tolerance * largest
        )
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key], tolerance)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b, tolerance)
    else:
        assert ours == theirs


def assert_same_training(name, options, dtype="float32", **how):
    ours, a = train(rushlight, name, options, dtype, **how)
    theirs, b = train(torch, name, options, dtype, **how)
    assert_same(ours, theirs, TOLERANCES[dtype])
    assert_same(a.state_dict(), b.state_dict(), TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name, options",
    [(name, options) for name, table in TABLE.items() for options in table],
    ids=str,
)
def test_ten_steps(name, options, dtype, road):
    assert_same_training(name, options, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, options", ROWS, ids=str)
def test_parameters_without_gradient_wait(name, options, dtype, road):
    assert_same_training(name, options, dtype, skip=SKIP)


@pytest.mark.parametrize("name", RICH)
def test_groups_with_options_of_their_own(name, road):
    own = {
        "Rprop": {"lr": 0.2, "etas": (0.2, 3.0)},
        "ASGD": {"lr": 0.2, "t0": 1.0, "weight_decay": 0},
        "Adagrad": {"lr": 0.2, "initial_accumulator_value": 3.0, "eps": 0.1},
    }.get(name, {"lr": 0.2, "weight_decay": 0.3})

    def grouped(params):
        return [{"params": params[:2], **own}, {"params": params[2:], "maximize": True}]

    assert_same_training(name, RICH[name], group=grouped)


@pytest.mark.parametrize("name", RICH)
def test_named_parameters(name, road):
    def named(params):
        return [(f"layer.{place}", p) for place, p in enumerate(params)]

    assert_same_training(name, RICH[name], group=named)


@pytest.mark.parametrize("name", RICH)
def test_a_group_that_joins_later(name, road):
    def run(framework):
        params = parameters(framework)
        optimizer = getattr(framework.optim, name)(params[:3], **RICH[name])
        advance(framework, optimizer, params, range(3))
        optimizer.add_param_group({"params": params[3:], "lr": 0.07})
        advance(framework, optimizer, params, range(3, 6))
        return params, optimizer.state_dict()

    assert_same(run(rushlight), run(torch), TOLERANCES["float32"])


@pytest.mark.parametrize("name", RICH)
def test_the_rate_of_a_schedule(name, road):
    def run(framework):
        params = parameters(framework)
        optimizer = getattr(framework.optim, name)(params, **RICH[name])
        schedule = framework.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
        for step in range(5):
            advance(framework, optimizer, params, [step])
            schedule.step()
        return params, optimizer.state_dict()["state"]

    assert_same(run(rushlight), run(torch), TOLERANCES["float32"])


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("name", RICH)
def test_a_tensor_as_rate(name, shape, road):
    def run(framework):
        options = {**RICH[name], "lr": framework.full(shape, 0.05)}
        params, optimizer = train(framework, name, options)
        optimizer.param_groups[0]["lr"].fill_(0.3)
        advance(framework, optimizer, params, range(3))
        return params, optimizer.state_dict()

    assert_same(run(rushlight), run(torch), TOLERANCES["float32"])


def test_tensor_betas(road):
    def run(framework):
        betas = (framework.tensor(0.8), framework.tensor(0.9))
        return train(framework, "Adam", {"betas": betas})[0]

    assert_same(run(rushlight), run(torch), TOLERANCES["float32"])


# In PyTorch the momentum of SGD's first step is lost for all places of a parameter but the last.
@pytest.mark.parametrize("name, options", [r for r in ROWS if "nesterov" not in r[1]], ids=str)
def test_duplicate_parameters_are_updated_twice(name, options, road):
    def run(framework):
        params = parameters(framework)
        with pytest.warns(UserWarning, match="duplicate parameters"):
            optimizer = getattr(framework.optim, name)([params[0], *params], **options)
        advance(framework, optimizer, params, range(3))
        return params, optimizer.state_dict()

    assert_same(run(rushlight), run(torch), TOLERANCES["float32"])


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("name, options", ROWS, ids=str)
def test_complex_parameters(name, options, maximize, road):
    assert_same_training(name, {**options, "maximize": maximize}, "complex64", skip=SKIP)


@pytest.mark.parametrize("name, options", ROWS, ids=str)
def test_foreach_changes_nothing(name, options, road):
    assert_same_training(name, {**options, "foreach": True})


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name, options", ROWS, ids=str)
def test_half_precision(name, options, dtype):
    # A step of Adadelta's is as long as the square root of eps, which must not round to nothing.
    options = {**options, **({"eps": 1e-2} if name in ("Adadelta", "Adagrad", "NAdam") else {})}

    def run(framework):
        p = framework.nn.Parameter(framework.linspace(0.5, 1, 7).to(getattr(framework, dtype)))
        optimizer = getattr(framework.optim, name)([p], **options)
        for step in range(3):
            p.grad = framework.full_like(p, 0.5 + 0.1 * step)
            optimizer.step()
        kinds = {key: str(value.dtype) for key, value in optimizer.state[p].items()}
        return p.detach().float().numpy(), str(p.dtype), kinds

    (ours, *kinds), (theirs, *wanted) = run(rushlight), run(torch)
    assert kinds == wanted
    np.testing.assert_allclose(ours, theirs, rtol=3e-2, atol=4e-3)


# ---- gradients through the step

# What is remembered and may want a gradient; counts may not.
STATES = {
    "SGD": ["momentum_buffer"],
    "Adam": ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
    "AdamW": ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
    "ASGD": ["ax"],
    "Rprop": ["prev", "step_size"],
    "Adagrad": ["sum"],
    "Adadelta": ["square_avg", "acc_delta"],
    "RMSprop": ["square_avg", "momentum_buffer", "grad_avg"],
    "Adamax": ["exp_avg", "exp_inf"],
    "NAdam": ["exp_avg", "exp_avg_sq"],
    "RAdam": ["exp_avg", "exp_avg_sq"],
}
COUNTS = {
    "SGD": {},
    "ASGD": {"step": 4.0, "eta": 0.9, "mu": 1.0},
    "NAdam": {"step": 6.0, "mu_product": 0.7},
    "RAdam": {"step": 12.0},
}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("name", RICH)
def test_gradients_through_the_step(name, plain):
    def run(framework):
        values = np.random.default_rng(3)

        def made():
            return framework.tensor(values.uniform(0.3, 1, 6).tolist(), requires_grad=True)

        start, grad = made(), made()
        kept = {key: made() for key in STATES[name]}
        p = start.clone()
        p.retain_grad()
        p.grad = grad * 1
        options = {} if plain else RICH[name]
        optimizer = getattr(framework.optim, name)([p], differentiable=True, **options)
        counts = COUNTS.get(name, {"step": 3.0})
        optimizer.state[p] = {
            **{key: framework.tensor(value) for key, value in counts.items()},
            # More for averages of squares, so that they stay above the square of the average.
            **{key: value + ("square" in key) for key, value in kept.items()},
        }
        optimizer.step()
        reached = [p, *(v for v in optimizer.state[p].values() if v.requires_grad)]
        total = sum((value * (place + 1)).sin().sum() for place, value in enumerate(reached))
        wanted = [start, grad, *kept.values()]
        found = framework.autograd.grad(total, wanted, allow_unused=True)
        return len(reached), [v.detach() for v in reached], [zero_if_none(g) for g in found]

    assert_same(run(rushlight), run(torch), 5e-6)


def zero_if_none(g):
    """The gradient of what has no influence may come as None or as zeros."""
    return 0.0 if g is None or not bool((g != 0).any()) else g


# ---- state dicts


def converted(value, framework):
    """The state dict of one framework as the other would have loaded it from a file."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return framework.from_numpy(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {key: converted(item, framework) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [converted(item, framework) for item in value]
    return value


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("name, options", ROWS, ids=str)
@pytest.mark.parametrize("source, target", [(torch, rushlight), (rushlight, torch)])
def test_training_goes_on_in_the_other_framework(name, options, source, target, dtype, road):
    def run(source, target):
        params, optimizer = train(source, name, options, dtype, steps=4, skip={(0, 1), (1, 1)})
        others = [target.nn.Parameter(target.from_numpy(p.detach().numpy().copy())) for p in params]
        continued = getattr(target.optim, name)(others, **options)
        continued.load_state_dict(converted(optimizer.state_dict(), target))
        advance(target, continued, others, range(4, 7))
        return dict(enumerate(others)), continued.state_dict()

    ours = converted(run(source, target), rushlight)
    assert_same(ours, run(torch, torch), TOLERANCES[dtype])


@pytest.mark.parametrize("name", RICH)
def test_saved_files_load_in_pytorch(name, road):
    _, optimizer = train(rushlight, name, RICH[name], steps=2)
    file = io.BytesIO()
    rushlight.save(optimizer.state_dict(), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert_same(optimizer.state_dict(), loaded, 0)


@pytest.mark.parametrize("name", RICH)
def test_pytorch_files_load_here(name, road):
    _, trained = train(torch, name, RICH[name], steps=2)
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    optimizer = getattr(rushlight.optim, name)(parameters(rushlight), **RICH[name])
    optimizer.load_state_dict(rushlight.load(file))
    assert_same(optimizer.state_dict(), trained.state_dict(), 0)


@pytest.mark.parametrize("name", RICH)
def test_pickled_optimizers_go_on(name, road):
    params, optimizer = train(rushlight, name, RICH[name], steps=4)
    optimizer = pickle.loads(pickle.dumps(optimizer))
    copies = optimizer.param_groups[0]["params"]
    advance(rushlight, optimizer, copies, range(4, STEPS))
    theirs, whole = train(torch, name, RICH[name])
    assert_same(copies, theirs, TOLERANCES["float32"])
    assert_same(optimizer.state_dict(), whole.state_dict(), TOLERANCES["float32"])


@pytest.mark.parametrize("to", ["float64", "float16"])
@pytest.mark.parametrize("name", RICH)
def test_loading_for_parameters_of_another_dtype(name, to):
    def run(framework):
        _, optimizer = train(framework, name, RICH[name], steps=2)
        other = getattr(framework.optim, name)(parameters(framework, to), **RICH[name])
        other.load_state_dict(optimizer.state_dict())
        return {
            number: {key: str(value.dtype) for key, value in state.items()}
            for number, state in other.state_dict()["state"].items()
        }

    assert run(rushlight) == run(torch)


@pytest.mark.parametrize("name", [name for name in RICH if name != "SGD"])
def test_counts_that_are_python_numbers_become_tensors(name):
    def run(framework):
        _, optimizer = train(framework, name, {}, steps=2)
        saved = optimizer.state_dict()
        for state in saved["state"].values():
            for key in {"step", "eta", "mu", "mu_product"} & state.keys():
                state[key] = state[key].item()
        other = getattr(framework.optim, name)(parameters(framework))
        other.load_state_dict(saved)
        return other.state_dict()

    assert_same(run(rushlight), run(torch), TOLERANCES["float32"])


def test_adagrad_remembers_from_the_start():
    def run(framework):
        optimizer = framework.optim.Adagrad(
            parameters(framework), initial_accumulator_value=0.3, lr=1.0
        )
        optimizer.share_memory()
        return optimizer.state_dict()

    assert_same(run(rushlight), run(torch), TOLERANCES["float32"])


# ---- what the constructors take


def p(framework):
    return framework.nn.Parameter(framework.ones(2))


def outcome(call, framework):
    """What a call gave: text, or the type of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(call(framework))
        except Exception as error:
            return type(error)


@pytest.mark.parametrize("name", RICH)
def test_arguments(name):
    def arguments(framework):
        found = inspect.signature(getattr(framework.optim, name).__init__).parameters.values()
        return [(a.name, a.kind, a.default) for a in found]

    assert arguments(rushlight) == arguments(torch)


@pytest.mark.parametrize("name", RICH)
def test_defaults(name):
    def call(framework):
        optimizer = getattr(framework.optim, name)([p(framework)])
        return optimizer, optimizer.defaults, list(optimizer.param_groups[0])

    assert outcome(call, rushlight) == outcome(call, torch)


BAD = [
    {"lr": -1},
    {"lr": "x"},
    {"lr": None},
    {"eps": -1},
    {"weight_decay": -1},
    {"weight_decay": "x"},
    {"momentum": -1},
    {"alpha": -1},
    {"alpha": 2},
    {"lambd": -1},
    {"t0": -1},
    {"rho": -0.1},
    {"rho": 1.1},
    {"rho": 1},
    {"lr_decay": -1},
    {"initial_accumulator_value": -1},
    {"momentum_decay": -1},
    {"betas": (1, 0.9)},
    {"betas": (0.9, 1.0)},
    {"betas": (-0.1, 0.9)},
    {"betas": (0.9,)},
    {"betas": 0.9},
    {"etas": (0, 1.2)},
    {"etas": (1, 1.2)},
    {"etas": (0.5, 1)},
    {"etas": (0.5,)},
    {"step_sizes": (2, 1)},
    {"step_sizes": 3},
    {"nesterov": True},
    {"dampening": 1},
    {"amsgrad": True},
    {"centered": True},
    {"decoupled_weight_decay": True},
    {"fused": True},
    {"foreach": True},
    {"capturable": True},
    {"maximize": True},
    {"differentiable": True},
    {"fused": True, "foreach": True},
    {"fused": True, "differentiable": True},
    {"foreach": True, "differentiable": True},
    {"unknown": 1},
]


@pytest.mark.parametrize("name", RICH)
@pytest.mark.parametrize("options", BAD, ids=str)
def test_options(name, options):
    def call(framework):
        return getattr(framework.optim, name)([p(framework)], **options)

    assert outcome(call, rushlight) == outcome(call, torch)


@pytest.mark.parametrize("name", RICH)
@pytest.mark.parametrize("count", range(2, 13))
def test_positional_options(name, count):
    values = [0.05, 0.25, 0.5, 0.125, 0.0, True, False, None, False, False, False, False]
    if name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam"):
        values[1] = (0.8, 0.9)
    if name == "Rprop":
        values[1:3] = (0.4, 1.5), (0.1, 2)

    def call(framework):
        return getattr(framework.optim, name)([p(framework)], *values[: count - 1])

    assert outcome(call, rushlight) == outcome(call, torch)


@pytest.mark.parametrize("name", RICH)
@pytest.mark.parametrize("shape", [(), (1,), (2,)])
@pytest.mark.parametrize("foreach", [None, True])
def test_tensor_rates(name, shape, foreach):
    def call(framework):
        lr = framework.full(shape, 0.5)
        return type(getattr(framework.optim, name)([p(framework)], lr, foreach=foreach)).__name__

    assert outcome(call, rushlight) == outcome(call, torch)
