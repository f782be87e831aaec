"""What a schedule will do, as numbers and as a picture, without doing it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from ...nn.parameter import Parameter
from ...ops.creation import zeros
from ..sgd import SGD
from .base import LRScheduler
from .plateau import ReduceLROnPlateau

Schedule = LRScheduler | Callable[[Any], LRScheduler]


def rates(
    schedule: Schedule,
    steps: int | None = None,
    *,
    metrics: Sequence[float] | None = None,
    group: int = 0,
    lr: float = 1.0,
) -> list[float]:
    """The learning rates of the next steps, the present one first.

    The schedule and its optimizer stay exactly as they are: a copy of them is stepped, without the
    parameters and what the optimizer remembers of them.

    Args:
        schedule: a schedule, or a function that makes one for an optimizer.
        steps: how many rates; one more than there are ``metrics`` without it.
        metrics: what each step is told, for `ReduceLROnPlateau`.
        group: the number of the parameter group.
        lr: the rate from which a function's schedule begins.

    Raises:
        IndexError: there is no such group.
        TypeError: ``schedule`` is neither, or ``steps`` and ``metrics`` are missing.
        ValueError: ``steps`` is less than 1, or there are not as many metrics as steps between rates, or
            the schedule ends before.

    >>> from rushlight.optim.lr_scheduler import StepLR
    >>> rates(lambda optimizer: StepLR(optimizer, step_size=2, gamma=0.5), 5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _, by_group = _rehearse(schedule, steps, metrics, lr)
    if not -len(by_group) <= group < len(by_group):
        raise IndexError(f"rates: there are {len(by_group)} parameter groups, but group is {group}")
    return by_group[group]


def plot(
    schedule: Schedule,
    steps: int | None = None,
    *,
    metrics: Sequence[float] | None = None,
    lr: float = 1.0,
    ax: Any = None,
    **line: Any,
) -> Any:
    """Draws the learning rates of the next steps.

    The schedule and its optimizer stay exactly as they are. Groups whose rates are the same share a line;
    plots one after the other come into one picture, so that schedules can be compared.

    Args:
        schedule: a schedule, or a function that makes one for an optimizer.
        steps: how many rates; one more than there are ``metrics`` without it.
        metrics: what each step is told, for `ReduceLROnPlateau`.
        lr: the rate from which a function's schedule begins.
        ax: the matplotlib Axes to draw in; the current ones of pyplot without it.
        line: more arguments for ``ax.plot``, such as ``color`` or ``label``.

    Returns:
        The matplotlib Axes.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError, ValueError: as `rates`.

        >>> scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=1000)  # doctest: +SKIP
        >>> lr_scheduler.plot(scheduler, 1000).figure.savefig("rates.png")   # doctest: +SKIP
    """
    begin, by_group = _rehearse(schedule, steps, metrics, lr)
    lines: dict[tuple[float, ...], list[int]] = {}
    for number, values in enumerate(by_group):
        lines.setdefault(tuple(values), []).append(number)
    ax = _current_axes() if ax is None else ax
    name = line.pop("label", None) or _name_of(schedule)
    for values, numbers in lines.items():
        which = f"group {', '.join(map(str, numbers))}"
        label = name if len(lines) == 1 else f"{name}, {which}"
        ax.plot(range(begin, begin + len(values)), values, label=label, **line)
    ax.set(xlabel="step", ylabel="learning rate")
    ax.legend()
    return ax


def _current_axes() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            'plot draws with matplotlib, which is not installed: pip install "rushlight[plot]"; '
            "rates() gives the numbers without it"
        ) from error
    return pyplot.gca()


def _name_of(schedule: Any) -> str:
    if isinstance(schedule, LRScheduler):
        return type(schedule).__name__
    name = getattr(schedule, "__name__", "<lambda>")
    return "schedule" if name == "<lambda>" else name


def _rehearse(
    schedule: Any, steps: int | None, metrics: Sequence[float] | None, lr: float
) -> tuple[int, list[list[float]]]:
    """The number of the present step, and the rates of each group from it on."""
    scheduler = _copy_of(schedule) if isinstance(schedule, LRScheduler) else _made_by(schedule, lr)
    given = _metrics_for(scheduler, steps, metrics)
    # Nobody steps this optimizer, so the order of the two need not be checked.
    scheduler.optimizer._opt_called = True
    seen = [_present(scheduler)]
    begin = _epoch_of(scheduler)
    for arguments in given:
        scheduler.step(*arguments)
        seen.append(_present(scheduler))
    return begin, [list(values) for values in zip(*seen)]


def _present(scheduler: LRScheduler) -> list[float]:
    return [float(group["lr"]) for group in scheduler.optimizer.param_groups]


def _epoch_of(scheduler: Any) -> int:
    # A chain does not count; its schedules do.
    while not hasattr(scheduler, "last_epoch"):
        scheduler = scheduler._schedulers[0]
    return scheduler.last_epoch


def _metrics_for(
    scheduler: LRScheduler, steps: int | None, metrics: Sequence[float] | None
) -> list[tuple]:
    """The arguments of each step that the schedule is to take."""
    if metrics is None:
        if isinstance(scheduler, ReduceLROnPlateau):
            raise TypeError(
                "ReduceLROnPlateau follows a metric: pass metrics=[...], a value for each step"
            )
        if steps is None:
            raise TypeError("how many steps? Pass steps=..., such as the epochs of the training")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        return [()] * (steps - 1)
    if steps is not None and steps != len(metrics) + 1:
        raise ValueError(
            f"{steps} rates have {steps - 1} steps between them, but there are {len(metrics)} "
            "metrics; leave steps out to take as many as there are"
        )
    return [(metric,) for metric in metrics]


def _made_by(make: Any, lr: float) -> LRScheduler:
    if not callable(make):
        raise TypeError(
            f"expected a schedule, or a function that makes one for an optimizer, got {make!r}"
        )
    made = make(SGD([Parameter(zeros(1))], lr=lr, momentum=0.9))
    if not isinstance(made, LRScheduler):
        raise TypeError(
            f"the function must make a schedule for the optimizer that it is given, got {made!r}"
        )
    return made


def _copy_of(scheduler: LRScheduler) -> LRScheduler:
    optimizer = scheduler.optimizer
    # Rates do not depend on these, and they may be large.
    memo: dict[int, Any] = {id(optimizer.state): defaultdict(dict)}
    for group in optimizer.param_groups:
        memo.update((id(p), p) for p in group["params"])
    return deepcopy(scheduler, memo)
