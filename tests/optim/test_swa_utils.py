"""Averaged models, and the schedule that makes weights worth averaging."""

import copy
import pickle

import pytest

import rushlight
from rushlight import nn
from rushlight.optim import SGD
from rushlight.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)


class Weight(nn.Module):
    """One weight and one running value."""

    def __init__(self, weight=0.0):
        super().__init__()
        self.weight = nn.Parameter(rushlight.tensor([weight]))
        self.register_buffer("seen", rushlight.tensor([0.0]))

    def forward(self, x, scale=1.0):
        return x * self.weight * scale


def average_of(weights, **options):
    model = Weight()
    average = AveragedModel(model, **options)
    for weight in weights:
        model.weight.data.fill_(weight)
        model.seen.fill_(10 * weight)
        average.update_parameters(model)
    return average


HALVES = {
    "avg_fn": get_ema_avg_fn(0.5),
    "multi_avg_fn": get_ema_multi_avg_fn(0.5),
}


@pytest.mark.parametrize(
    "options",
    [{}, {"avg_fn": get_swa_avg_fn()}, {"multi_avg_fn": get_swa_multi_avg_fn()}],
    ids=["default", "one", "many"],
)
def test_equal_average(options):
    average = average_of([1.0, 2.0, 6.0], **options)
    assert average.module.weight.item() == 3.0
    assert average.n_averaged.item() == 3


@pytest.mark.parametrize("which", HALVES)
def test_exponential_average(which):
    average = average_of([1.0, 3.0, 6.0], **{which: HALVES[which]})
    assert average.module.weight.item() == 4.0


def test_buffers_are_copied_or_averaged():
    assert average_of([1.0, 3.0]).module.seen.item() == 30.0
    assert average_of([1.0, 3.0], use_buffers=True).module.seen.item() == 20.0


def test_integer_buffers_are_rounded_down():
    average, one = rushlight.tensor([1, 20]), rushlight.tensor([4, 5])
    get_swa_multi_avg_fn()([average], [one], 3)
    assert average.tolist() == [1, 16]


def test_the_model_stays_as_it_is():
    model = Weight(1.0)
    average = AveragedModel(model)
    average.update_parameters(model)
    model.weight.data.fill_(5.0)
    assert average.module.weight.item() == 1.0
    assert average.module is not model
    average.update_parameters(model)
    assert model.weight.item() == 5.0


def test_no_gradient_flows_into_the_average():
    average = average_of([1.0, 3.0])
    assert average.module.weight.is_leaf
    assert average.module.weight.requires_grad


def test_it_computes_with_the_average():
    average = average_of([1.0, 3.0])
    assert average(rushlight.tensor(2.0), scale=10.0).tolist() == [40.0]


def test_state_dict():
    average = average_of([1.0, 3.0])
    assert list(average.state_dict()) == ["n_averaged", "module.weight", "module.seen"]
    fresh = AveragedModel(Weight())
    fresh.load_state_dict(average.state_dict())
    assert (fresh.module.weight.item(), fresh.n_averaged.item()) == (2.0, 2)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(copied):
    average = average_of([1.0, 3.0])
    other = copied(average)
    other.update_parameters(Weight(5.0))
    assert (other.module.weight.item(), average.module.weight.item()) == (3.0, 2.0)


def test_two_ways_of_averaging():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        AveragedModel(Weight(), avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn())


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("make", [get_ema_avg_fn, get_ema_multi_avg_fn])
def test_decay_out_of_range(make, decay):
    with pytest.raises(ValueError, match=r"in \[0,1\] range"):
        make(decay)


def test_update_bn_is_the_mean_of_all_batches():
    layer = nn.BatchNorm1d(1, momentum=0.3)
    layer.running_mean.fill_(99.0)
    loader = [(rushlight.tensor([[x], [x + 2.0]]), "label") for x in (0.0, 4.0, 10.0)]
    update_bn(loader, layer.eval())
    assert layer.running_mean.item() == pytest.approx(17.0 / 3)
    assert layer.running_var.item() == pytest.approx(2.0)
    assert layer.num_batches_tracked.item() == 3
    assert (layer.momentum, layer.training) == (0.3, False)


def test_update_bn_records_nothing():
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    seen = []
    model.register_forward_hook(lambda module, args, out: seen.append(out.requires_grad))
    update_bn([rushlight.ones(2, 1)], model, "cpu")
    assert seen == [False]


def rates_of(scheduler, steps):
    rates = []
    for _ in range(steps):
        rates += [round(lr, 6) for lr in scheduler.get_last_lr()]
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def sgd():
    return SGD([rushlight.ones(1)], lr=1.0)


def test_linear_way():
    scheduler = SWALR(sgd(), 0.2, anneal_epochs=4, anneal_strategy="linear")
    assert rates_of(scheduler, 6) == [1.0, 0.8, 0.6, 0.4, 0.2, 0.2]


def test_cosine_way():
    assert rates_of(SWALR(sgd(), 0.0, anneal_epochs=3), 5) == [1.0, 0.75, 0.25, 0.0, 0.0]


def test_no_way_at_all():
    assert rates_of(SWALR(sgd(), 0.2, anneal_epochs=0), 3) == [0.2, 0.2, 0.2]


def test_a_rate_for_each_group():
    optimizer = SGD([{"params": [rushlight.ones(1)]}, {"params": [rushlight.ones(1)]}], lr=1.0)
    scheduler = SWALR(optimizer, [0.5, 0.1], anneal_epochs=1)
    assert rates_of(scheduler, 2) == [1.0, 1.0, 0.5, 0.1]


def test_schedule_is_saved():
    scheduler = SWALR(sgd(), 0.2, anneal_epochs=4, anneal_strategy="linear")
    rates_of(scheduler, 2)
    state = scheduler.state_dict()
    assert (state["anneal_epochs"], state["_anneal_strategy"]) == (4, "linear")
    other = SWALR(sgd(), 0.9)
    other.optimizer.load_state_dict(scheduler.optimizer.state_dict())
    other.load_state_dict(pickle.loads(pickle.dumps(state)))
    assert rates_of(other, 3) == rates_of(scheduler, 3)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"anneal_strategy": "sin"}, "must be one of 'cos' or 'linear', instead got sin"),
        ({"anneal_epochs": -1}, "must be equal or greater than 0, got -1"),
        ({"anneal_epochs": 2.5}, "must be equal or greater than 0, got 2.5"),
        ({"swa_lr": [0.1, 0.2]}, "swa_lr has 2 values, param_groups has 1"),
    ],
)
def test_arguments_out_of_range(options, match):
    with pytest.raises(ValueError, match=match):
        SWALR(sgd(), **{"swa_lr": 0.1, **options})


def test_no_optimizer():
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        SWALR(3, 0.1)
