import copy
import pickle

import pytest

import rushlight
from rushlight.amp import GradScaler


@pytest.fixture
def training():
    """A parameter of ones whose gradient is one of ones times the scale, its optimizer, and a scaler."""
    p = rushlight.ones(3, requires_grad=True)
    return p, rushlight.optim.SGD([p], lr=0.5), GradScaler("cpu", init_scale=8.0)


def test_a_step(training):
    p, optimizer, scaler = training
    loss = scaler.scale(p.sum())
    loss.backward()
    assert (loss.item(), p.grad.tolist()) == (24.0, [8.0] * 3)
    scaler.step(optimizer)
    scaler.update()
    assert (p.grad.tolist(), p.tolist()) == ([1.0] * 3, [0.5] * 3)
    assert scaler.state_dict()["_growth_tracker"] == 1


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_step_left_out(training, value):
    p, optimizer, scaler = training
    scaler.scale(p.sum()).backward()
    p.grad[2] = value
    assert scaler.step(optimizer) is None
    scaler.update()
    assert p.tolist() == [1.0] * 3
    assert scaler.get_scale() == 4.0


def test_growth(training):
    p, optimizer, scaler = training
    scaler.set_growth_interval(2)
    scales = []
    for _ in range(5):
        p.grad = None
        scaler.scale(p.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [8.0, 16.0, 16.0, 32.0, 32.0]


def test_unscale_before_clipping(training):
    p, optimizer, scaler = training
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [1.0] * 3
    with pytest.raises(RuntimeError, match="divided twice"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert p.tolist() == [0.5] * 3
    with pytest.raises(RuntimeError, match="call scaler.update\\(\\) after each step"):
        scaler.step(optimizer)


def test_what_step_returns(training):
    p, optimizer, scaler = training
    scaler.scale(p.sum()).backward()
    assert scaler.step(optimizer, lambda: 3.0) == 3.0


def test_channels_last_gradient(training):
    _, _, scaler = training
    w = rushlight.ones(2, 3, 4, 4).to(memory_format=rushlight.channels_last).requires_grad_()
    optimizer = rushlight.optim.SGD([w], lr=1.0)
    scaler.scale(w.sum()).backward()
    scaler.step(optimizer)
    assert w.abs().sum().item() == 0


def test_nested_outputs(training):
    _, _, scaler = training
    one, (two,) = scaler.scale([rushlight.ones(1), (rushlight.ones(2),)])
    assert (one.tolist(), two.tolist()) == ([8.0], [8.0, 8.0])
    with pytest.raises(ValueError, match="not float"):
        scaler.scale(3.0)


def test_order_of_calls(training):
    p, optimizer, scaler = training
    for method in (
        lambda: scaler.step(optimizer),
        lambda: scaler.unscale_(optimizer),
        scaler.update,
    ):
        with pytest.raises(AssertionError, match="scale a loss first"):
            method()
    scaler.scale(p.sum())
    with pytest.raises(AssertionError, match="none of its parameters has a gradient"):
        scaler.step(optimizer)
    scaler.update(4.0)
    with pytest.raises(AssertionError, match="call scaler.step"):
        scaler.update()
    with pytest.raises(RuntimeError, match="Closure use is not currently supported"):
        scaler.step(optimizer, closure=lambda: 1)


def test_half_precision_parameters(training):
    _, _, scaler = training
    p = rushlight.ones(2, dtype=rushlight.float16, requires_grad=True)
    scaler.scale(p.sum()).backward()
    with pytest.raises(ValueError, match="Keep the model in float32"):
        scaler.step(rushlight.optim.SGD([p], lr=1.0))


def test_new_scale(training):
    p, optimizer, scaler = training
    scaler.scale(p.sum())
    scaler.update(5.5)
    assert scaler.get_scale() == 5.5
    scaler.update(rushlight.tensor([7.0]))
    assert scaler.get_scale() == 7.0
    with pytest.raises(AssertionError, match="a tensor of one element"):
        scaler.update(rushlight.ones(2))


def test_state(training):
    p, optimizer, scaler = training
    scaler.scale(p.sum()).backward()
    scaler.step(optimizer)
    with pytest.raises(AssertionError, match="between steps"):
        pickle.dumps(scaler)
    scaler.update()
    other = GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    for twin in (other, pickle.loads(pickle.dumps(scaler)), copy.deepcopy(scaler)):
        assert twin.state_dict() == scaler.state_dict()
        assert twin.scale(rushlight.ones(())).item() == 8.0
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        other.load_state_dict({})


def test_checkpoint(training, tmp_path):
    _, _, scaler = training
    rushlight.save({"scaler": scaler.state_dict()}, tmp_path / "state.pt")
    assert rushlight.load(tmp_path / "state.pt")["scaler"] == scaler.state_dict()


def test_not_enabled(training):
    p, optimizer, _ = training
    scaler = GradScaler("cpu", enabled=False)
    assert scaler.scale("anything") == "anything"
    assert (scaler.state_dict(), scaler.get_scale(), scaler.is_enabled()) == ({}, 1.0, False)
    p.sum().backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.5] * 3


def test_without_cuda():
    with pytest.warns(UserWarning, match="step\\(optimizer\\) is optimizer.step\\(\\)"):
        assert not GradScaler().is_enabled()
    with pytest.warns(FutureWarning), pytest.warns(UserWarning):
        assert not rushlight.cuda.amp.GradScaler().is_enabled()
    with pytest.warns(FutureWarning, match="torch.amp.GradScaler\\('cpu', args...\\)"):
        assert rushlight.cpu.amp.GradScaler(4.0).get_scale() == 4.0


@pytest.mark.parametrize("options", [{"growth_factor": 1.0}, {"backoff_factor": 1.0}])
def test_factors(options):
    with pytest.raises(AssertionError, match="factor must be"):
        GradScaler("cpu", **options)
