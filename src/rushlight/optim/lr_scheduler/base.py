"""What all schedules share."""

from __future__ import annotations

import functools
import inspect
import types
import warnings
from collections.abc import Callable
from typing import Any

from ...tensor import Tensor
from ..optimizer import Optimizer


def check_optimizer(optimizer: Any) -> None:
    """Refuses what is no optimizer.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def read(optimizer: Optimizer, option: str) -> list[Any]:
    """An option of every group; tensors are copied, since a schedule writes into them."""
    return [_copied(group[option]) for group in optimizer.param_groups]


def write(group: dict[str, Any], option: str, value: Any) -> None:
    """Sets an option of a group; where it is a tensor, the value goes into that tensor."""
    if isinstance(group[option], Tensor):
        group[option].fill_(float(value))
    else:
        group[option] = value


def for_each_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """An argument that is one value for all groups, or a list with one for each.

    Raises:
        ValueError: the list has another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {groups}."
        )
    return [_copied(item) for item in value]


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def state_of_function(function: Callable | None) -> dict[str, Any] | None:
    """What a state dict keeps of a function: the attributes of an object that can be called.

    Plain functions have nothing to keep, and could not be saved.
    """
    if function is None or isinstance(function, types.FunctionType):
        return None
    return function.__dict__.copy()


def warn_of_epoch() -> None:
    """Says that ``step`` needs no epoch."""
    warnings.warn(
        "step() counts the epochs itself; the argument epoch is deprecated. With it, the rate is computed "
        "from the start, where the schedule has such a form.",
        UserWarning,
        stacklevel=3,
    )


def takes_verbose(init: Callable) -> Callable:
    """``init`` with the argument ``verbose`` of older programs, at the end or by name.

    An ``init`` that has such a parameter itself, or passes on what it does not know, stays as it is.
    """
    parameters = inspect.signature(init).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    if "verbose" in parameters or kinds & {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }:
        return init
    count = len(parameters)

    @functools.wraps(init)
    def init_with_verbose(self: Any, *args: Any, **kwargs: Any) -> None:
        verbose = kwargs.pop("verbose", None)
        if len(args) == count:
            *args, verbose = args
        if verbose and verbose != "deprecated":
            warnings.warn(
                "The argument verbose is deprecated and prints nothing; "
                "print scheduler.get_last_lr() after step().",
                UserWarning,
                stacklevel=2,
            )
        init(self, *args, **kwargs)

    return init_with_verbose


class LRScheduler:
    """The base of all schedules.

    A schedule defines ``get_lr``, which gives the new rate of every group from ``self.last_epoch`` and from the
    rates that the groups have now or, in ``self.base_lrs``, had at first.

    Args:
        optimizer: whose rates change.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    Raises:
        KeyError: training is to go on, but a group has no ``initial_lr``.
        TypeError: ``optimizer`` is no Optimizer.

    >>> class Halve(rushlight.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [base / 2**self.last_epoch for base in self.base_lrs]
    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = Halve(optimizer)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = takes_verbose(cls.__dict__["__init__"])

    @takes_verbose
    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for place, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{place}] when resuming "
                    "scheduler with last_epoch >= 0. Load the optimizer's state dict first, or leave "
                    "last_epoch out to begin."
                )
        self.base_lrs: list[Any] = read(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if not optimizer.__dict__.get("_scheduled"):
            # Steps before there was any schedule say nothing about the order.
            optimizer._scheduled = True
            optimizer._opt_called = False
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The new rate of every group; `get_last_lr` gives the present ones.

        Raises:
            NotImplementedError: the schedule does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define get_lr().")

    def get_last_lr(self) -> list[Any]:
        """The rate of every group that the last step has set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Sets the rates for the next epoch. Call it after ``optimizer.step()``.

        Args:
            epoch: jump to this epoch; deprecated.
        """
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the other "
                "order, or the first value of the schedule is skipped.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self._set_lr(closed_form or self.get_lr)

    def _set_lr(self, compute: Callable[[], list[Any]]) -> None:
        self._get_lr_called_within_step = True
        try:
            rates = compute()
        finally:
            self._get_lr_called_within_step = False
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{type(self).__name__} has rates for {len(rates)} groups, but the optimizer has "
                f"{len(groups)} now; make the schedule after the last add_param_group()"
            )
        for group, lr in zip(groups, rates):
            write(group, "lr", lr)
        self._last_lr: list[Any] = read(self.optimizer, "lr")

    def _expect_step(self) -> None:
        """Warns where ``get_lr`` is called by the user, who wants another number."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "get_lr() computes the rate of the next step. To get the last learning rate computed by "
                "the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything the schedule would have to remember, without the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.__dict__.update(state_dict)


class _LRScheduler(LRScheduler):
    """The name of `LRScheduler` in older programs."""
