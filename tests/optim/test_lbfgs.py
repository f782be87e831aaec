"""LBFGS against dense matrices in float64, and its line search against the conditions it is to fulfil."""

import io

import numpy as np
import pytest

import rushlight
from rushlight.optim import LBFGS


def parameter(values, dtype=rushlight.float64):
    return rushlight.nn.Parameter(rushlight.tensor(values, dtype=dtype))


def closure_of(optimizer, loss_of, seen=None):
    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        if seen is not None:
            seen.append(loss.item())
        return loss

    return closure


def valley(w):
    """Rosenbrock's function, with its gradient."""
    x, y = w
    loss = 100 * (y - x**2) ** 2 + (1 - x) ** 2
    return loss, np.array([-400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)])


def dense(w, iterations, lr, size):
    """The method with the inverse of the second derivative as a matrix, which it never forms."""
    steps, changes = [], []
    _, g = valley(w)
    for k in range(iterations):
        h = np.eye(2)
        if changes:
            h *= steps[-1] @ changes[-1] / (changes[-1] @ changes[-1])
        for s, y in zip(steps[-size:], changes[-size:], strict=True):
            v = np.eye(2) - np.outer(s, y) / (s @ y)
            h = v @ h @ v.T + np.outer(s, s) / (s @ y)
        length = lr * min(1, 1 / np.abs(g).sum()) if k == 0 else lr
        step = -length * h @ g
        w, old = w + step, g
        _, g = valley(w)
        if step @ (g - old) > 1e-10:
            steps.append(step)
            changes.append(g - old)
    return w


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("lr", [1, 0.4])
@pytest.mark.parametrize("per_step", [1, 4, 12])
def test_directions(size, lr, per_step):
    w = parameter([-1.2, 1.0])
    optimizer = LBFGS([w], lr=lr, max_iter=per_step, max_eval=100, history_size=size)
    closure = closure_of(optimizer, lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2)
    for _ in range(12 // per_step):
        optimizer.step(closure)
    wanted = dense(np.array([-1.2, 1.0]), 12, lr, size)
    np.testing.assert_allclose(w.detach().numpy(), wanted, rtol=1e-8)
    assert optimizer.state_dict()["state"][0]["n_iter"] == 12


def test_first_step_by_hand():
    w = parameter([3.0, 0.0])
    optimizer = LBFGS([w], lr=0.5, max_iter=1)
    optimizer.step(closure_of(optimizer, lambda: (w * w).sum()))
    # The gradient is (6, 0), so the step is 0.5 / 6 of it.
    assert w.tolist() == [2.5, 0.0]


def test_a_parabola_is_solved_in_two_iterations():
    w = parameter([3.0])
    optimizer = LBFGS([w])
    optimizer.step(closure_of(optimizer, lambda: ((w - 1) ** 2).sum()))
    np.testing.assert_allclose(w.detach().numpy(), [1.0], atol=1e-12)
    assert optimizer.state_dict()["state"][0]["n_iter"] <= 4


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("dtype, tolerance", [(rushlight.float64, 1e-4), (rushlight.float32, 1e-2)])
def test_the_valley(search, dtype, tolerance):
    w = parameter([-1.2, 1.0], dtype)
    optimizer = LBFGS([w], line_search_fn=search)
    closure = closure_of(optimizer, lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2)
    for _ in range(8):
        optimizer.step(closure)
    np.testing.assert_allclose(w.detach().numpy(), [1, 1], atol=tolerance)


# ---- the line search


LINES = {
    "parabola": lambda w: ((w - 1) ** 2).sum(),
    "quartic": lambda w: ((w - 5) ** 4).sum(),
    "waves": lambda w: (rushlight.cos(3 * w) + 0.1 * (w - 2) ** 2).sum(),
    "steep": lambda w: (rushlight.exp(w) - 3 * w).sum(),
    "bowl": lambda w: rushlight.log(1 + (w - 4) ** 2).sum(),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("lr", [0.001, 0.1, 1, 7, 1000])
@pytest.mark.parametrize("start", [[0.5, -0.25], [3.0, 8.0], [-30.0, 2.0]])
def test_strong_wolfe_conditions(line, lr, start):
    w = parameter(start)
    optimizer = LBFGS([w], lr=lr, max_iter=1, max_eval=60, line_search_fn="strong_wolfe")
    closure = closure_of(optimizer, lambda: LINES[line](w))
    before = w.detach().clone()
    loss = optimizer.step(closure).item()
    state = optimizer.state[w]
    slope = (state["prev_flat_grad"] * state["d"]).sum().item()
    end = closure().item()
    assert end <= loss + 1e-4 * state["t"] * slope
    assert abs((w.grad * state["d"]).sum().item()) <= -0.9 * slope
    np.testing.assert_allclose(w.tolist(), (before + state["t"] * state["d"]).tolist())


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 0, -1])
def test_a_line_search_keeps_to_its_budget(budget):
    w = parameter([0.5])
    optimizer = LBFGS([w], lr=1e-6, max_eval=budget, line_search_fn="strong_wolfe")
    seen = []
    optimizer.step(closure_of(optimizer, lambda: ((w - 1e6) ** 4).sum(), seen))
    assert len(seen) <= max(budget, 1) + 1
    assert ((w - 1e6) ** 4).sum().item() <= seen[0]


def test_an_error_in_a_line_search_leaves_the_parameters():
    w = parameter([3.0])
    optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    losses = iter([(w**2).sum()])

    def closure():
        loss = next(losses)
        loss.backward()
        return loss

    with pytest.raises(StopIteration):
        optimizer.step(closure)
    assert w.item() == 3.0


def test_a_search_comes_back_from_overflow():
    w = parameter([1.0])
    optimizer = LBFGS([w], lr=1e5, line_search_fn="strong_wolfe", max_iter=1, max_eval=60)
    # At 1e5 this is infinity less infinity.
    loss_of = lambda: (rushlight.exp(w) * 2 - rushlight.exp(w) - 4 * w).sum()  # noqa: E731
    optimizer.step(closure_of(optimizer, loss_of))
    assert 1.0 < w.item() < 3.0


@pytest.mark.parametrize(
    "lr, evaluations, end",
    [
        # Beyond the minimum, and nearly as high as the start: the cubic through both is the parabola.
        (1.97, 3, 1.0),
        # Higher than the start, with the same cubic.
        (2.5, 3, 1.0),
        # Short of the minimum: ten times as far is flat enough.
        (0.03, 3, 0.3),
        # Flat enough.
        (0.5, 2, 0.5),
    ],
)
def test_looks_along_a_parabola(lr, evaluations, end):
    w = parameter([0.0])
    optimizer = LBFGS([w], lr=lr, line_search_fn="strong_wolfe", max_iter=1, max_eval=60)
    seen = []
    optimizer.step(closure_of(optimizer, lambda: ((w - 1) ** 2).sum(), seen))
    assert len(seen) == evaluations
    np.testing.assert_allclose(w.item(), end, rtol=1e-12)


def test_a_line_without_end():
    w = parameter([1.0])
    optimizer = LBFGS([w], line_search_fn="strong_wolfe", max_iter=4)
    optimizer.step(closure_of(optimizer, lambda: -w.sum()))
    assert w.item() > 100


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_no_number_does_not_hang(search):
    w = parameter([1.0])
    optimizer = LBFGS([w], line_search_fn=search)
    seen = []
    optimizer.step(closure_of(optimizer, lambda: (w * float("nan")).sum(), seen))
    assert len(seen) <= 26


# ---- when a step ends


def ended(**options):
    w = parameter([-1.2, 1.0])
    optimizer = LBFGS([w], **options)
    seen = []
    optimizer.step(
        closure_of(optimizer, lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2, seen)
    )
    state = optimizer.state[w]
    assert state["func_evals"] == len(seen)
    return state["n_iter"], len(seen)


@pytest.mark.parametrize(
    "options, iterations, evaluations",
    [
        ({"max_iter": 7}, 7, 7),
        ({"max_iter": 0}, 0, 1),
        ({"max_eval": 5}, 4, 5),
        ({"max_eval": 0}, 1, 2),
        ({"tolerance_grad": 1e9}, 0, 1),
        ({"tolerance_change": 1e9}, 1, 1),
    ],
)
def test_limits(options, iterations, evaluations):
    assert ended(**options) == (iterations, evaluations)


def test_where_the_gradient_vanishes_nothing_moves():
    w = parameter([1.0])
    optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    assert optimizer.step(closure_of(optimizer, lambda: ((w - 1) ** 2).sum())).item() == 0
    assert (w.item(), optimizer.state[w]) == (1.0, {"func_evals": 1, "n_iter": 0})


def test_a_change_that_does_not_curve_upwards_is_not_remembered():
    w = parameter([1.0])
    optimizer = LBFGS([w], max_iter=3)
    optimizer.step(closure_of(optimizer, lambda: -(w**2).sum()))
    assert optimizer.state[w]["old_dirs"] == []


# ---- parameters


def test_the_result_is_the_loss_before():
    w = parameter([3.0])
    optimizer = LBFGS([w])
    assert optimizer.step(closure_of(optimizer, lambda: (w * w).sum())).item() == 9.0


def test_several_parameters_are_one_vector():
    whole = parameter([1.0, 2.0, 3.0, 4.0, 5.0])
    parts = [parameter([[1.0, 2.0], [3.0, 4.0]]), parameter(5.0)]
    scale = rushlight.tensor([1.0, 5.0, 2.0, 0.5, 3.0], dtype=rushlight.float64)
    one, other = LBFGS([whole], max_iter=3), LBFGS(parts, max_iter=3)
    one.step(closure_of(one, lambda: (scale * whole**2).sum()))
    joined = lambda: rushlight.cat([p.reshape(-1) for p in parts])  # noqa: E731
    other.step(closure_of(other, lambda: (scale * joined() ** 2).sum()))
    np.testing.assert_allclose(joined().detach().numpy(), whole.detach().numpy(), rtol=1e-12)


def test_parameters_out_of_order_in_memory():
    w = rushlight.nn.Parameter(rushlight.arange(6.0).reshape(2, 3).T)
    optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    aim = rushlight.arange(6.0).reshape(3, 2)
    optimizer.step(closure_of(optimizer, lambda: ((w - aim) ** 2).sum()))
    np.testing.assert_allclose(w.detach().numpy(), aim.numpy(), atol=1e-5)


def test_a_parameter_without_gradient_stays():
    w, other = parameter([3.0]), parameter([7.0])
    optimizer = LBFGS([w, other])
    optimizer.step(closure_of(optimizer, lambda: (w * w).sum()))
    assert other.item() == 7.0
    assert abs(w.item()) < 1e-6


def test_complex_parameters():
    w = rushlight.nn.Parameter(rushlight.tensor([1 + 2j, -3j], dtype=rushlight.complex128))
    optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    optimizer.step(closure_of(optimizer, lambda: ((w - (2 - 1j)).abs() ** 2).sum()))
    np.testing.assert_allclose(w.detach().numpy(), [2 - 1j] * 2, atol=1e-9)
    assert optimizer.state[w]["d"].dtype is rushlight.float64


def test_tensor_rate():
    w = parameter([3.0, 0.0])
    optimizer = LBFGS([w], lr=rushlight.tensor(0.5), max_iter=1)
    optimizer.step(closure_of(optimizer, lambda: (w * w).sum()))
    assert w.tolist() == [2.5, 0.0]


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_gradients_are_recorded_in_closures_only(search):
    w = parameter([3.0])
    optimizer = LBFGS([w], line_search_fn=search)
    modes = []

    def loss_of():
        modes.append(rushlight.is_grad_enabled())
        return (w * w).sum()

    with rushlight.no_grad():
        optimizer.step(closure_of(optimizer, loss_of))
    assert set(modes) == {True}
    assert not any(t.requires_grad for t in optimizer.state[w]["old_dirs"])


def test_a_closure_may_return_a_number():
    w = parameter([3.0])
    optimizer = LBFGS([w])
    w.grad = rushlight.zeros(1, dtype=rushlight.float64)
    assert optimizer.step(lambda: 2.5) == 2.5


# ---- arguments


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lr": -1}, "Invalid learning rate: -1"),
        ({"lr": float("nan")}, "Invalid learning rate: nan"),
        ({"lr": rushlight.ones(2)}, "Tensor lr must be 1-element"),
        ({"history_size": 0}, "history_size must be 1 or more, but got 0"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        LBFGS([parameter([1.0])], **options)


def test_unknown_line_search():
    with pytest.raises(RuntimeError, match="must be 'strong_wolfe' or None, but got 'armijo'"):
        LBFGS([parameter([1.0])], line_search_fn="armijo")


def test_one_group_only():
    w, v = parameter([1.0]), parameter([1.0])
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        LBFGS([{"params": [w]}, {"params": [v]}])
    optimizer = LBFGS([w])
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optimizer.add_param_group({"params": [v]})


def test_a_step_needs_a_closure():
    optimizer = LBFGS([parameter([1.0])])
    with pytest.raises(TypeError, match="closure"):
        optimizer.step()
    with pytest.raises(TypeError):
        optimizer.step(lambda: None)


def test_defaults():
    assert LBFGS([parameter([1.0])], max_iter=8).defaults == {
        "lr": 1,
        "max_iter": 8,
        "max_eval": 10,
        "tolerance_grad": 1e-7,
        "tolerance_change": 1e-9,
        "history_size": 100,
        "line_search_fn": None,
    }


# ---- state dicts


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_a_saved_run_goes_on(search):
    def make(value):
        w = parameter(value)
        optimizer = LBFGS([w], line_search_fn=search, max_iter=4, history_size=3)
        loss_of = lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2  # noqa: E731
        return w, optimizer, closure_of(optimizer, loss_of)

    w, optimizer, closure = make([-1.2, 1.0])
    optimizer.step(closure)
    file = io.BytesIO()
    rushlight.save(optimizer.state_dict(), file)
    file.seek(0)
    other, continued, again = make(w.tolist())
    continued.load_state_dict(rushlight.load(file))
    for _ in range(3):
        optimizer.step(closure)
        continued.step(again)
    assert other.tolist() == w.tolist()
    assert continued.state[other]["func_evals"] == optimizer.state[w]["func_evals"]


def test_names_in_the_state():
    w = parameter([-1.2, 1.0])
    optimizer = LBFGS([w], max_iter=4, history_size=5)
    optimizer.step(closure_of(optimizer, lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2))
    state = optimizer.state_dict()["state"][0]
    assert sorted(state) == sorted(
        ["func_evals", "n_iter", "al", "d", "t", "old_dirs", "old_stps", "ro", "H_diag"]
        + ["prev_flat_grad", "prev_loss"]
    )
    assert (len(state["al"]), len(state["ro"]), state["d"].shape) == (5, 3, (2,))


def test_a_longer_history_after_loading():
    w = parameter([-1.2, 1.0])
    loss_of = lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2  # noqa: E731
    optimizer = LBFGS([w], max_iter=4, history_size=2)
    optimizer.step(closure_of(optimizer, loss_of))
    longer = LBFGS([w])
    longer.load_state_dict(optimizer.state_dict())
    longer.param_groups[0]["history_size"] = 10
    for _ in range(2):
        longer.step(closure_of(longer, loss_of))
    assert len(longer.state[w]["ro"]) > 2
