"""First values: their distribution, their structure, and what is refused."""

import math

import pytest

import rushlight
from rushlight.nn import init


def moments(t):
    t = t.detach().double()
    return t.mean().item(), t.var().item(), t.min().item(), t.max().item()


@pytest.mark.parametrize(
    "fill, variance, bound",
    [
        (lambda t: init.uniform_(t, -2, 2), 16 / 12, 2),
        (lambda t: init.normal_(t, 0, 3), 9, None),
        (lambda t: init.xavier_uniform_(t, 2.0), 4 * 2 / 500, math.sqrt(3 * 8 / 500)),
        (lambda t: init.xavier_normal_(t), 2 / 500, None),
        (lambda t: init.kaiming_uniform_(t), 2 / 200, math.sqrt(6 / 200)),
        (lambda t: init.kaiming_uniform_(t, math.sqrt(5)), 1 / 600, math.sqrt(1 / 200)),
        (lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"), 2 / 300, None),
        (lambda t: init.kaiming_normal_(t, nonlinearity="tanh"), 25 / 9 / 200, None),
        (lambda t: init.trunc_normal_(t, std=10.0, a=-1.0, b=1.0), 1 / 3, 1),
    ],
)
def test_distributions(fill, variance, bound):
    rushlight.manual_seed(0)
    t = rushlight.nn.Parameter(rushlight.empty(300, 200))
    assert fill(t) is t
    mean, spread, low, high = moments(t)
    assert abs(mean) < 0.02 * math.sqrt(variance)
    assert spread == pytest.approx(variance, rel=0.02)
    assert bound is None or max(-low, high) == pytest.approx(bound, rel=0.01)
    assert t.requires_grad
    assert t.grad_fn is None


def test_constants():
    t = rushlight.empty(2, 3)
    assert init.constant_(t, 0.5).tolist() == [[0.5] * 3] * 2
    assert init.ones_(t).tolist() == [[1.0] * 3] * 2
    assert init.zeros_(t).tolist() == [[0.0] * 3] * 2
    assert init.eye_(t).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (4, 2, 3)])
def test_orthogonal(shape):
    rushlight.manual_seed(0)
    t = init.orthogonal_(rushlight.empty(*shape), gain=2.0).view(shape[0], -1)
    rows, columns = t.shape
    product = t @ t.t() if rows <= columns else t.t() @ t
    wanted = 4 * rushlight.eye(min(rows, columns))
    assert (product - wanted).abs().max().item() < 1e-5


def test_sparse():
    rushlight.manual_seed(0)
    t = init.sparse_(rushlight.empty(10, 50), 0.25)
    assert (t == 0).sum(0).tolist() == [3] * 50


def test_dirac_passes_channels_on():
    x = rushlight.arange(40.0).reshape(1, 4, 10)
    weight = init.dirac_(rushlight.empty(4, 4, 3))
    assert rushlight.nn.functional.conv1d(x, weight, padding=1).tolist() == x.tolist()
    grouped = init.dirac_(rushlight.empty(4, 2, 3), groups=2)
    assert rushlight.nn.functional.conv1d(x, grouped, padding=1, groups=2).tolist() == x.tolist()


def test_gains():
    assert init.calculate_gain("linear") == 1
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 1) == 1
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)


def test_fans():
    t = rushlight.empty(2, 3, 4, 5)
    assert init._calculate_fan_in_and_fan_out(t) == (60, 40)
    assert init._calculate_correct_fan(t, "fan_out") == 40


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: init.xavier_uniform_(rushlight.empty(3)), "fewer than 2 dimensions"),
        (lambda: init.kaiming_normal_(rushlight.empty(3, 3), mode="x"), "Mode x not supported"),
        (lambda: init.calculate_gain("foo"), "Unsupported nonlinearity foo"),
        (lambda: init.calculate_gain("leaky_relu", "x"), "negative_slope x not a valid number"),
        (lambda: init.eye_(rushlight.empty(3)), "Only tensors with 2 dimensions"),
        (lambda: init.dirac_(rushlight.empty(3, 3)), "3, 4, or 5 dimensions"),
        (lambda: init.dirac_(rushlight.empty(3, 3, 3), 2), "divisible by groups"),
        (lambda: init.orthogonal_(rushlight.empty(3)), "2 or more dimensions"),
        (lambda: init.sparse_(rushlight.empty(3), 0.5), "Only tensors with 2 dimensions"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_empty_tensors():
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        init.kaiming_uniform_(rushlight.empty(0, 3))
    assert init.orthogonal_(rushlight.empty(0, 3)).shape == (0, 3)


def test_a_mean_far_away():
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        t = init.trunc_normal_(rushlight.empty(9), mean=10)
    assert 1 < t.min().item() <= t.max().item() <= 2


def test_old_names():
    with pytest.warns(FutureWarning, match="in favor of `nn.init.constant_`"):
        assert init.constant(rushlight.empty(1), 3.0).item() == 3.0
