"""What all schedules share."""

import warnings

import pytest

import rushlight
from rushlight.optim.lr_scheduler import (
    ChainedScheduler,
    LambdaLR,
    LRScheduler,
    ReduceLROnPlateau,
    StepLR,
    _LRScheduler,
)


def sgd(**options):
    return rushlight.optim.SGD([rushlight.ones(1)], **{"lr": 1.0, **options})


class Fixed(LRScheduler):
    """Always the same rate."""

    def get_lr(self):
        return [0.25 for _ in self.base_lrs]


def test_a_schedule_needs_only_get_lr():
    optimizer = sgd()
    scheduler = Fixed(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert (scheduler.base_lrs, scheduler.last_epoch) == ([1.0], 0)
    optimizer.step()
    scheduler.step()
    assert (scheduler.get_last_lr(), scheduler.last_epoch) == ([0.25], 1)


def test_get_lr_is_required():
    with pytest.raises(NotImplementedError, match="must define get_lr"):
        LRScheduler(sgd())


def test_the_first_rate_is_kept():
    optimizer = sgd()
    StepLR(optimizer, 1)
    optimizer.param_groups[0]["lr"] = 0.5
    assert StepLR(optimizer, 1).base_lrs == [1.0]


def test_no_optimizer():
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        StepLR(3, 1)


def test_going_on_needs_the_first_rate():
    with pytest.raises(KeyError, match="initial_lr.*Load the optimizer's state dict first"):
        StepLR(sgd(), 1, last_epoch=3)


def test_a_step_before_the_optimizers_warns():
    scheduler = StepLR(sgd(), 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_steps_before_the_schedule_do_not_count():
    optimizer = sgd()
    optimizer.step()
    scheduler = StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_a_second_schedule_does_not_forget_the_steps():
    optimizer = sgd()
    StepLR(optimizer, 1)
    optimizer.step()
    StepLR(optimizer, 1).step()


def test_get_lr_by_hand_warns():
    with pytest.warns(UserWarning, match="use `get_last_lr"):
        StepLR(sgd(), 1).get_lr()


def test_epoch_warns_and_jumps():
    optimizer = sgd()
    scheduler = StepLR(optimizer, 2, gamma=0.5)
    optimizer.step()
    with pytest.warns(UserWarning, match="argument epoch is deprecated"):
        scheduler.step(5)
    assert (scheduler.last_epoch, scheduler.get_last_lr()) == (5, [0.25])


def test_a_group_that_came_later():
    optimizer = sgd()
    scheduler = LambdaLR(optimizer, lambda epoch: 1.0)
    optimizer.add_param_group({"params": [rushlight.ones(1)]})
    optimizer.step()
    with pytest.raises(ValueError, match="rates for 1 groups, but the optimizer has 2"):
        scheduler.step()


def test_a_group_that_came_later_follows_where_it_can():
    optimizer = sgd()
    scheduler = StepLR(optimizer, 1, gamma=0.5)
    optimizer.add_param_group({"params": [rushlight.ones(1)]})
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 0.5]


def test_tensor_rates_are_written_into():
    rate = rushlight.tensor(1.0)
    optimizer = sgd(lr=rate)
    scheduler = StepLR(optimizer, 1, gamma=0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    last = scheduler.get_last_lr()[0]
    rate.fill_(9.0)
    assert (last.item(), scheduler.base_lrs[0].item()) == (0.5, 1.0)


def test_state_dict():
    optimizer = sgd()
    scheduler = StepLR(optimizer, 2, gamma=0.5)
    optimizer.step()
    scheduler.step()
    state = scheduler.state_dict()
    assert state["last_epoch"] == 1
    assert "optimizer" not in state
    other = StepLR(sgd(), 7)
    other.load_state_dict(state)
    assert (other.step_size, other.last_epoch, other.get_last_lr()) == (2, 1, [1.0])


def test_the_older_name():
    class Old(_LRScheduler):
        def get_lr(self):
            return self.base_lrs

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(Old(sgd()), LRScheduler)


@pytest.mark.parametrize(
    "make",
    [
        lambda o: StepLR(o, 3, verbose=True),
        lambda o: StepLR(o, 3, 0.1, -1, True),
        lambda o: Fixed(o, -1, True),
        lambda o: ReduceLROnPlateau(o, verbose=True),
        lambda o: ChainedScheduler([StepLR(o, 1)], verbose=True),
    ],
)
def test_verbose_is_taken_and_warns(make):
    with pytest.warns(UserWarning, match="verbose is deprecated and prints nothing"):
        scheduler = make(sgd())
    assert "verbose" not in scheduler.state_dict()


@pytest.mark.parametrize("value", [False, "deprecated"])
def test_verbose_that_asks_for_nothing(value):
    StepLR(sgd(), 3, verbose=value)


def test_a_subclass_that_passes_verbose_on():
    class WarmUp(LRScheduler):
        def __init__(self, optimizer, steps, last_epoch=-1, verbose=False):
            self.steps = steps
            super().__init__(optimizer, last_epoch, verbose)

        def get_lr(self):
            return [base * min(1, self.last_epoch / self.steps) for base in self.base_lrs]

    assert WarmUp(sgd(), 4).get_last_lr() == [0.0]
    with pytest.warns(UserWarning, match="verbose is deprecated"):
        WarmUp(sgd(), 4, verbose=True)


def test_too_many_arguments():
    with pytest.raises(TypeError, match="takes from 3 to 5 positional arguments but 7 were given"):
        StepLR(sgd(), 3, 0.1, -1, True, 5)
