"""Schedules that go up and down, with the momentum going the other way."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer, for_each_group, state_of_function, write


class _WithMomentum(LRScheduler):
    """A schedule that can change the momentum, or Adam's first beta, as well."""

    def _prepare_momentum(self, base_momentum: Any, max_momentum: Any, begins: bool) -> None:
        optimizer = self.optimizer
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError(
                "optimizer must support momentum or beta1 with `cycle_momentum` option enabled, "
                f"but {type(optimizer).__name__} has neither; pass cycle_momentum=False"
            )
        self.use_beta1 = "betas" in optimizer.defaults
        lowest = for_each_group("base_momentum", optimizer, base_momentum)
        highest = for_each_group("max_momentum", optimizer, max_momentum)
        if begins:
            for group, low, high in zip(optimizer.param_groups, lowest, highest):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_WithMomentum):
    """Lets the rate go up and down between two bounds, once per cycle, usually at every batch.

    Args:
        optimizer: whose rates change.
        base_lr: the lower bound, or a list of one for each group.
        max_lr: the upper bound, or a list of one for each group.
        step_size_up: how many steps the way up takes.
        step_size_down: how many steps the way down takes; as many as up without it.
        mode: ``"triangular"``, ``"triangular2"`` (the height halves with each cycle) or ``"exp_range"`` (it shrinks by
            ``gamma`` at each step).
        gamma: for ``"exp_range"``.
        scale_fn: the height as a function of the cycle or the step, instead of ``mode``.
        scale_mode: ``"cycle"`` or ``"iterations"``: what ``scale_fn`` is a function of.
        cycle_momentum: let the momentum go down where the rate goes up.
        base_momentum: the lower bound of the momentum, or a list.
        max_momentum: the upper bound of the momentum, or a list.
        last_epoch: the number of the last step, to go on after it; -1 begins.

    Raises:
        ValueError: ``mode`` is none of these, or a list has another length than there are groups, or the
            optimizer has no momentum to change.

    Source: Smith 2015, "Cyclical Learning Rates for Training Neural Networks".

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0, momentum=0.9)
    >>> scheduler = rushlight.optim.lr_scheduler.CyclicLR(optimizer, 1.0, 3.0, step_size_up=2)
    >>> rates = []
    >>> for step in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = for_each_group("base_lr", optimizer, base_lr)
        self.max_lrs = for_each_group("max_lr", optimizer, max_lr)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(
                "mode is invalid and scale_fn is None: mode must be 'triangular', 'triangular2' or "
                f"'exp_range', but got {mode!r}"
            )
        begins = last_epoch == -1
        if begins:
            for group, lr in zip(optimizer.param_groups, base_lrs):
                write(group, "lr", lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
            self._scale_fn_ref = {
                "triangular": self._triangular_scale_fn,
                "triangular2": self._triangular2_scale_fn,
                "exp_range": functools.partial(self._exp_range_scale_fn, gamma),
            }[mode]
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._prepare_momentum(base_momentum, max_momentum, begins)
            self.base_momentums = for_each_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = for_each_group("max_momentum", optimizer, max_momentum)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle as a part of the first one's."""
        return (self._scale_fn_custom or self._scale_fn_ref)(x)

    # The names by which PyTorch's files call the modes.

    @staticmethod
    def _triangular_scale_fn(x: float) -> float:
        return 1.0

    @staticmethod
    def _triangular2_scale_fn(x: float) -> float:
        return 1 / (2.0 ** (x - 1))

    @staticmethod
    def _exp_range_scale_fn(gamma: float, x: float) -> float:
        return gamma**x

    def get_lr(self) -> list[Any]:
        """The new rate of every group; it sets the momenta on the way."""
        self._expect_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        if x <= self.step_ratio:
            way = x / self.step_ratio
        else:
            way = (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums)
            for group, low, high in bounds:
                self._set_momentum(group, high - (high - low) * way * scale)
        return [low + (high - low) * way * scale for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        """Everything the schedule would have to remember; of ``scale_fn`` only an object's attributes."""
        state = super().state_dict()
        state["_scale_fn_custom"] = state_of_function(state.pop("_scale_fn_custom"))
        state.pop("_scale_fn_ref", None)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; ``scale_fn`` stays."""
        function = self._scale_fn_custom
        super().load_state_dict(state_dict)
        self._scale_fn_custom = function
        attributes = state_dict["_scale_fn_custom"]
        if attributes is not None:
            function.__dict__.update(attributes)


class OneCycleLR(_WithMomentum):
    """Lets the rate go up to ``max_lr`` and then far down, once in the whole training; step at every batch.

    Args:
        optimizer: whose rates change.
        max_lr: the highest rate, or a list of one for each group.
        total_steps: how many steps the training has; or ``epochs`` and ``steps_per_epoch`` instead.
        epochs: how many epochs the training has.
        steps_per_epoch: how many steps each epoch has.
        pct_start: the part of the steps that go up, a float from 0 to 1.
        anneal_strategy: ``"cos"`` or ``"linear"``: along what.
        cycle_momentum: let the momentum go down where the rate goes up.
        base_momentum: the lowest momentum, or a list.
        max_momentum: the highest momentum, or a list.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first divided by this.
        three_phase: come back to the first rate as fast as up, and only then go down to the last.
        last_epoch: the number of the last step, to go on after it; -1 begins.

    Raises:
        ValueError: an argument is out of its range, or there are more steps than announced.

    Source: Smith and Topin 2017, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates".

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0, momentum=0.9)
    >>> scheduler = rushlight.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=4, pct_start=0.5)
    >>> rates = []
    >>> for step in range(4):
    ...     rates.append(round(scheduler.get_last_lr()[0], 3))
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [0.04, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _count_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        highest = for_each_group("max_lr", optimizer, max_lr)
        begins = last_epoch == -1
        if begins:
            for group, high in zip(optimizer.param_groups, highest):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._prepare_momentum(base_momentum, max_momentum, begins)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start

    def get_lr(self) -> list[Any]:
        """The new rate of every group; it sets the momenta on the way.

        Raises:
            ValueError: there have been ``total_steps`` steps already.
        """
        self._expect_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        begin = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begin = phase["end_step"]
        part = (step - begin) / (phase["end_step"] - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._between(*ends, part))
        return rates


def _count_steps(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total is not None:
        counts = {"total_steps": total}
    elif epochs is not None and steps_per_epoch is not None:
        counts = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    else:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    for name, count in counts.items():
        if not isinstance(count, int) or count <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {count}")
    return math.prod(counts.values())


def _phases(total: int, part: float, three: bool) -> list[dict[str, Any]]:
    """The phases of a cycle: the step at which each ends, and the options between whose values it leads."""
    ways = [("initial_lr", "max_lr", "max_momentum", "base_momentum")]
    ends: list[float] = [float(part * total) - 1]
    if three:
        ways.append(("max_lr", "initial_lr", "base_momentum", "max_momentum"))
        ways.append(("initial_lr", "min_lr", "max_momentum", "max_momentum"))
        ends.append(float(2 * part * total) - 2)
    else:
        ways.append(("max_lr", "min_lr", "base_momentum", "max_momentum"))
    ends.append(total - 1)
    names = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return [{"end_step": end, **dict(zip(names, way))} for end, way in zip(ends, ways)]
