import pytest

import rushlight
from rushlight.vision.ops import StochasticDepth, stochastic_depth


def test_a_row_stays_whole():
    rushlight.manual_seed(0)
    y = stochastic_depth(rushlight.ones(200, 2, 3), 0.25, "row")
    rows = y.view(200, 6)
    assert bool((rows == rows[:, :1]).all())
    assert sorted(set(rows[:, 0].tolist())) == pytest.approx([0, 1 / 0.75])
    assert 0.65 < (rows[:, 0] > 0).float().mean().item() < 0.85


def test_a_batch_stays_whole():
    rushlight.manual_seed(0)
    seen = {tuple(stochastic_depth(rushlight.ones(3), 0.5, "batch").tolist()) for _ in range(20)}
    assert seen == {(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)}


def test_with_probability_1_nothing_is_left():
    assert stochastic_depth(rushlight.ones(2, 2), 1.0, "row").tolist() == [[0, 0], [0, 0]]


def test_nothing_is_drawn_where_nothing_is_left_out():
    x = rushlight.ones(2, 2)
    state = rushlight.get_rng_state()
    assert stochastic_depth(x, 0.0, "row") is x
    assert stochastic_depth(x, 0.5, "row", training=False) is x
    assert StochasticDepth(0.5, "row").eval()(x) is x
    assert bool((rushlight.get_rng_state() == state).all())


def test_gradient_passes_where_a_row_is_kept():
    rushlight.manual_seed(1)
    x = rushlight.ones(8, 2, requires_grad=True)
    y = stochastic_depth(x, 0.5, "row")
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    assert 0 < y.count_nonzero().item() < 16


def test_repr():
    assert repr(StochasticDepth(0.2, "row")) == "StochasticDepth(p=0.2, mode=row)"


@pytest.mark.parametrize(
    "p, mode, message",
    [(-0.1, "row", "between 0 and 1"), (1.5, "row", "between 0 and 1"), (0.5, "col", "'col'")],
)
def test_rejects(p, mode, message):
    with pytest.raises(ValueError, match=message):
        stochastic_depth(rushlight.ones(2), p, mode)
