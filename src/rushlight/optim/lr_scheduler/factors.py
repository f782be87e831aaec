"""Schedules that multiply the rate."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer, read, state_of_function


class _ByFunctions(LRScheduler):
    """A schedule by functions of the user's, one for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        check_optimizer(optimizer)
        groups = len(optimizer.param_groups)
        functions = lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(functions) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(functions)}")
        for function in functions:
            if not callable(function):
                raise TypeError(
                    f"lr_lambda should be a function, but got {type(function).__name__}"
                )
        self.lr_lambdas = list(functions)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything the schedule would have to remember; of functions only objects' attributes."""
        state = super().state_dict()
        state["lr_lambdas"] = [state_of_function(function) for function in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; the functions stay."""
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for function, attributes in zip(functions, state_dict["lr_lambdas"]):
            if attributes is not None:
                function.__dict__.update(attributes)


class LambdaLR(_ByFunctions):
    """The first rate times a function of the epoch.

    Args:
        optimizer: whose rates change.
        lr_lambda: the function, or a list of one for each group.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    Raises:
        ValueError: the list has another length.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=8.0)
    >>> scheduler = rushlight.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    >>> optimizer.step(), scheduler.step(), scheduler.get_last_lr()
    (None, None, [4.0])
    """

    def get_lr(self) -> list[Any]:
        """The new rate of every group."""
        self._expect_step()
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(_ByFunctions):
    """The present rate times a function of the epoch, at every step.

    Args:
        optimizer: whose rates change.
        lr_lambda: the function, or a list of one for each group.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    Raises:
        TypeError: it is no function.
        ValueError: the list has another length.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=8.0)
    >>> scheduler = rushlight.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> optimizer.step(), scheduler.step(), scheduler.get_last_lr()
    (None, None, [4.0])
    """

    def get_lr(self) -> list[Any]:
        """The new rate of every group."""
        self._expect_step()
        rates = read(self.optimizer, "lr")
        if self._is_initial:
            return rates
        return [lr * f(self.last_epoch) for lr, f in zip(rates, self.lr_lambdas)]


class _Factors(LRScheduler):
    """A schedule whose steps multiply all present rates by the same factor.

    A subclass gives that factor, and the product of all factors up to the present epoch.
    """

    def _factor(self) -> float | None:
        """What the step to ``last_epoch`` multiplies by; None leaves the rates alone."""
        raise NotImplementedError

    def _product(self) -> float:
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        """The new rate of every group."""
        self._expect_step()
        rates, factor = read(self.optimizer, "lr"), self._factor()
        return rates if factor is None else [lr * factor for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self._product() for base in self.base_lrs]


class StepLR(_Factors):
    """Multiplies the rate by ``gamma`` every ``step_size`` epochs.

    Args:
        optimizer: whose rates change.
        step_size: how many epochs lie between two changes.
        gamma: the factor.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = rushlight.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ):
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        return None if self.last_epoch == 0 or self.last_epoch % self.step_size else self.gamma

    def _product(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_Factors):
    """Multiplies the rate by ``gamma`` at certain epochs.

    Args:
        optimizer: whose rates change.
        milestones: the epochs; one that is listed twice counts twice.
        gamma: the factor.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = rushlight.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> optimizer.step(), scheduler.step(), scheduler.get_last_lr()
    (None, None, [0.5])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ):
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        times = self.milestones[self.last_epoch]
        return self.gamma**times if times else None

    def _product(self) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(_Factors):
    """Multiplies the rate by ``factor`` until ``total_iters`` epochs have passed.

    Args:
        optimizer: whose rates change.
        factor: from 0 to 1.
        total_iters: how many epochs the smaller rate lasts.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    Raises:
        ValueError: ``factor`` is outside its range.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = rushlight.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=1)
    >>> scheduler.get_last_lr(), optimizer.step(), scheduler.step(), scheduler.get_last_lr()
    ([0.5], None, None, [1.0])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        if not 0 <= factor <= 1.0:
            raise ValueError(
                "Constant multiplicative factor expected to be between 0 and 1, "
                f"but got factor={factor}"
            )
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else None

    def _product(self) -> float:
        # Not 1.0, which the sum may miss by a rounding that PyTorch has too.
        return self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(_Factors):
    """Lets the rate grow or fall in a straight line from one multiple of the first rate to another.

    Args:
        optimizer: whose rates change.
        start_factor: the multiple at first, above 0 and up to 1.
        end_factor: the multiple at the end, from 0 to 1.
        total_iters: how many epochs lie between.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    Raises:
        ValueError: a factor is outside its range.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = rushlight.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> scheduler.get_last_lr(), optimizer.step(), scheduler.step(), scheduler.get_last_lr()
    ([0.5], None, None, [0.75])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        if not 0 < start_factor <= 1.0:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1, "
                f"but got start_factor={start_factor}"
            )
        if not 0 <= end_factor <= 1.0:
            raise ValueError(
                "Ending multiplicative factor expected to be between 0 and 1, "
                f"but got end_factor={end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)

    def _product(self) -> float:
        rise = self.end_factor - self.start_factor
        return self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters


class ExponentialLR(_Factors):
    """Multiplies the rate by ``gamma`` every epoch.

    Args:
        optimizer: whose rates change.
        gamma: the factor.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = rushlight.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step(), scheduler.step(), scheduler.get_last_lr()
    (None, None, [0.5])
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        return None if self._is_initial else self.gamma

    def _product(self) -> float:
        return self.gamma**self.last_epoch


class PolynomialLR(_Factors):
    """Lets the rate fall to 0 along ``(1 - epoch / total_iters) ** power``.

    Args:
        optimizer: whose rates change.
        total_iters: after how many epochs the rate is 0.
        power: the exponent.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = rushlight.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=1.0)
    >>> optimizer.step(), scheduler.step(), scheduler.get_last_lr()
    (None, None, [0.75])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ):
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _left(self, epoch: int) -> float:
        return 1.0 - epoch / self.total_iters

    def _factor(self) -> float | None:
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        return (self._left(self.last_epoch) / self._left(self.last_epoch - 1)) ** self.power

    def _product(self) -> float:
        return self._left(min(self.total_iters, self.last_epoch)) ** self.power
