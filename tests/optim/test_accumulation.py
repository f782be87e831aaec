"""Small batches add up to the gradient of a large one."""

import numpy as np
import pytest

import rushlight
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.optim.accumulation import accumulate
from rushlight.utils.data import DataLoader, TensorDataset


def data(count=23):
    rushlight.manual_seed(0)
    return rushlight.randn(count, 5), rushlight.randint(0, 3, (count,))


def model_of():
    rushlight.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


def accumulated(model, group, loss_of):
    model.zero_grad()
    for batch, weight in group:
        (loss_of(model, batch) * weight).backward()
    return [p.grad.clone() for p in model.parameters()]


def assert_same(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-15)


def mean_loss(model, batch, **options):
    x, y = batch
    return F.cross_entropy(model(x.double()), y, **options)


@pytest.mark.parametrize("batch_size, steps", [(4, 3), (5, 2), (23, 1), (1, 23), (4, 100), (7, 4)])
def test_each_group_is_one_large_batch(batch_size, steps):
    x, y = data()
    model = model_of()
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size)
    start = 0
    for group in accumulate(loader, steps):
        stop = min(start + batch_size * steps, len(x))
        large = gradients(model, mean_loss(model, (x[start:stop], y[start:stop])))
        assert_same(accumulated(model, group, mean_loss), large)
        start = stop
    assert start == len(x)


def test_the_last_group_and_the_last_batch():
    x, y = data(11)
    groups = accumulate(DataLoader(TensorDataset(x, y), batch_size=2), 4)
    weights = [[weight for _, weight in group] for group in groups]
    assert weights == [[0.25] * 4, [2 / 3, 1 / 3]]


def test_batches_of_any_size():
    x, y = data()
    model = model_of()
    batches = [(x[:1], y[:1]), (x[1:9], y[1:9]), (x[9:23], y[9:23])]
    (group,) = accumulate(batches, 3)
    assert_same(accumulated(model, group, mean_loss), gradients(model, mean_loss(model, (x, y))))


def test_means_over_tokens():
    x, y = data()
    y[rushlight.tensor([0, 1, 2, 5, 9, 17])] = -100
    model = model_of()
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    (group,) = accumulate(loader, 6, size=lambda batch: (batch[1] != -100).sum())
    assert_same(accumulated(model, group, mean_loss), gradients(model, mean_loss(model, (x, y))))


def test_means_with_class_weights():
    x, y = data()
    weight = rushlight.tensor([1.0, 5.0, 0.5]).double()

    def loss_of(model, batch):
        return mean_loss(model, batch, weight=weight)

    model = model_of()
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    (group,) = accumulate(loader, 6, size=lambda batch: weight[batch[1]].sum())
    assert_same(accumulated(model, group, loss_of), gradients(model, loss_of(model, (x, y))))


def test_a_scaled_loss():
    x, y = data()
    model = model_of()
    (group,) = accumulate(DataLoader(TensorDataset(x, y), batch_size=4), 6)
    scaled = accumulated(model, group, lambda m, b: mean_loss(m, b) * 1024.0)
    expected = gradients(model, mean_loss(model, (x, y)))
    assert_same([g / 1024.0 for g in scaled], expected)


def test_a_whole_training_is_that_of_large_batches():
    x, y = data()

    def train(small):
        model = model_of()
        optimizer = rushlight.optim.Adam(model.parameters(), lr=0.05)
        scheduler = rushlight.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
        loader = DataLoader(TensorDataset(x, y), batch_size=2 if small else 8)
        for _ in range(3):
            for group in accumulate(loader, 4 if small else 1):
                optimizer.zero_grad()
                for batch, weight in group:
                    (mean_loss(model, batch) * weight).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
                optimizer.step()
                scheduler.step()
        return [p.detach() for p in model.parameters()], scheduler.get_last_lr()

    (small, small_rate), (large, large_rate) = train(True), train(False)
    assert small_rate == large_rate
    for a, b in zip(small, large):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("count, steps, expected", [(12, 4, 3), (13, 4, 4), (1, 4, 1), (0, 4, 0)])
def test_length(count, steps, expected):
    groups = accumulate([np.zeros(1)] * count, steps)
    assert len(groups) == len(list(groups)) == expected


def test_every_loop_begins_anew():
    groups = accumulate([np.zeros(1)] * 3, 2)
    assert [len(list(groups)), len(list(groups))] == [2, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: [x, 3],
        lambda x: ("name", {"a": 1.5, "x": x}),
        lambda x: {"id": "n", "x": x},
        lambda x: x.numpy(),
        lambda x: [rushlight.tensor(1.0), x],
    ],
)
def test_where_the_size_is_found(make):
    (group,) = accumulate([make(rushlight.ones(3, 2)), make(rushlight.ones(1, 2))], 2)
    assert [weight for _, weight in group] == [0.75, 0.25]


def test_no_size():
    with pytest.raises(TypeError, match="no tensor was found in a batch of type list; pass size="):
        list(accumulate([["a"], ["b"]], 2))
    (group,) = accumulate([["a"], ["b", "c", "d"]], 2, size=len)
    assert [weight for _, weight in group] == [0.25, 0.75]


@pytest.mark.parametrize("sizes", [[0, 0], [2, -1], [float("nan"), 1]])
def test_sizes_of_nothing(sizes):
    with pytest.raises(ValueError, match="of which there must be some"):
        list(accumulate([0, 1], 2, size=lambda batch: sizes[batch]))


def test_an_empty_batch_beside_others():
    (group,) = accumulate([np.zeros(0), np.zeros(4)], 2)
    assert [weight for _, weight in group] == [0.0, 1.0]


@pytest.mark.parametrize("steps", [0, -1])
def test_steps(steps):
    with pytest.raises(ValueError, match=f"at least 1, not {steps}"):
        accumulate([], steps)
