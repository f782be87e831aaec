"""Averages of a model's weights along training: equal (SWA) or exponential (EMA).

Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization"; Polyak and
Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any

from .. import dtypes
from ..autograd.modes import no_grad
from ..many import lerp_all
from ..nn.batchnorm import _BatchNorm
from ..nn.module import Module
from ..ops.creation import tensor
from ..tensor import Tensor
from .lr_scheduler.base import LRScheduler, check_optimizer, for_each_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AverageOne = Callable[[Tensor, Tensor, Tensor], Tensor]
AverageMany = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def get_ema_avg_fn(decay: float = 0.999) -> AverageOne:
    """The exponential average of one tensor, as an ``avg_fn``.

    Args:
        decay: what the average keeps of itself, from 0 to 1; the rest comes from the model.

    Raises:
        ValueError: ``decay`` is not in that range.

    >>> average = get_ema_avg_fn(0.75)
    >>> average(rushlight.tensor(4.0), rushlight.tensor(8.0), 1)
    tensor(5.)
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageMany:
    """The exponential average of many tensors at once, in place, as a ``multi_avg_fn``.

    Args:
        decay: what the average keeps of itself, from 0 to 1; the rest comes from the model.

    Raises:
        ValueError: ``decay`` is not in that range.

    >>> averages = [rushlight.tensor(4.0)]
    >>> get_ema_multi_avg_fn(0.75)(averages, [rushlight.tensor(8.0)], 1)
    >>> averages
    [tensor(5.)]
    """
    _check_decay(decay)
    one = get_ema_avg_fn(decay)

    @no_grad()
    def ema_update(ema_params: Sequence[Tensor], params: Sequence[Tensor], _: Any) -> None:
        _move_towards(ema_params, params, 1 - decay, lambda x, y: one(x, y, None))

    return ema_update


def get_swa_avg_fn() -> AverageOne:
    """The equal average of one tensor, as an ``avg_fn``.

    >>> average = get_swa_avg_fn()
    >>> average(rushlight.tensor(4.0), rushlight.tensor(8.0), 3)
    tensor(5.)
    """

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn() -> AverageMany:
    """The equal average of many tensors at once, in place, as a ``multi_avg_fn``.

    >>> averages = [rushlight.tensor(4.0)]
    >>> get_swa_multi_avg_fn()(averages, [rushlight.tensor(8.0)], 3)
    >>> averages
    [tensor(5.)]
    """
    one = get_swa_avg_fn()

    @no_grad()
    def swa_update(averages: Sequence[Tensor], params: Sequence[Tensor], num_averaged: Any) -> None:
        weight = 1 / (float(num_averaged) + 1)
        _move_towards(averages, params, weight, lambda x, y: one(x, y, num_averaged))

    return swa_update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def _move_towards(
    averages: Sequence[Tensor],
    currents: Sequence[Tensor],
    weight: float,
    exact: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Moves every average by the part ``weight`` of the way; ``exact`` is for integers, which must be rounded."""
    if averages and averages[0].dtype.rank >= dtypes.FLOATING:
        lerp_all(averages, currents, weight)
        return
    for average, current in zip(averages, currents):
        average.copy_(exact(average, current))


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those that the model has had.

    The first `update_parameters` copies the model's parameters; each later one takes their present values
    into the average. Calling it computes with the averages.

    Args:
        model: the model; it is copied and stays as it is.
        device: where the averages are stored; where the model is, without it.
        avg_fn: ``avg_fn(average, current, num_averaged)`` gives the new average of one tensor.
        multi_avg_fn: ``multi_avg_fn(averages, currents, num_averaged)`` changes a list of averages, all of one
            dtype and device, in place. Without either, all values count equally.
        use_buffers: average the buffers as well (running means, for example); otherwise they are copied at
            every update.

    Attributes:
        module: the model with the averages.
        n_averaged: how many updates there were, a tensor.

    Raises:
        AssertionError: both ``avg_fn`` and ``multi_avg_fn`` are given.

    >>> model = rushlight.nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.75))
    >>> for weight in [4.0, 8.0]:
    ...     model.weight.data = rushlight.full((1, 1), weight)
    ...     average.update_parameters(model)
    >>> average.module.weight.item(), average.n_averaged.item()
    (5.0, 2)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AverageOne | None = None,
        multi_avg_fn: AverageMany | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError(
                "Only one of avg_fn and multi_avg_fn should be provided: they say the same of one "
                "tensor and of many"
            )
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the model computes with the averages."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Takes the present values of ``model`` into the averages."""
        pairs = list(zip(_values(self.module, self.use_buffers), _values(model, self.use_buffers)))
        pairs = [(average.detach(), now.detach().to(average.device)) for average, now in pairs]
        if self.n_averaged == 0:
            for average, now in pairs:
                average.copy_(now)
        elif self.avg_fn is not None:
            for average, now in pairs:
                average.copy_(self.avg_fn(average, now, self.n_averaged))
        else:
            average_many = self.multi_avg_fn or get_swa_multi_avg_fn()
            for averages, currents in _alike(pairs):
                average_many(averages, currents, self.n_averaged)
        if not self.use_buffers:
            for copy, now in zip(self.module.buffers(), model.buffers(), strict=True):
                copy.detach().copy_(now)
        self.n_averaged += 1


def _values(model: Module, buffers: bool) -> Iterable[Tensor]:
    return chain(model.parameters(), model.buffers()) if buffers else model.parameters()


def _alike(pairs: list[tuple[Tensor, Tensor]]) -> Iterable[tuple[list[Tensor], list[Tensor]]]:
    """The averages and the present values, by device and dtype of the average."""
    groups: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
    for average, now in pairs:
        averages, currents = groups.setdefault((average.device, average.dtype), ([], []))
        averages.append(average)
        currents.append(now)
    return groups.values()


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running means and variances of all batch norm layers anew, in one pass over the data.

    Those of an averaged model belong to none of the models it was averaged from.

    Args:
        loader: gives inputs of the model, or lists or tuples that begin with one.
        model: the model; it is left in the mode, training or not, that it was in.
        device: where the inputs are moved; they stay where they are without it.

    >>> model = rushlight.nn.BatchNorm1d(1)
    >>> update_bn([rushlight.tensor([[1.0], [3.0]]), rushlight.tensor([[5.0], [7.0]])], model)
    >>> model.running_mean
    tensor([4.])
    """
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for layer in momenta:
        layer.reset_running_stats()
        # Without a momentum, a layer keeps the equal mean of all batches.
        layer.momentum = None
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for layer, momentum in momenta.items():
        layer.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Leads the rate of every group to a value at which weights are worth averaging, and stays there.

    Args:
        optimizer: whose rates change.
        swa_lr: that value, or a list of one for each group.
        anneal_epochs: how many epochs the way takes.
        anneal_strategy: ``"cos"`` or ``"linear"``: along what.
        last_epoch: the number of the last epoch, to go on after it; -1 begins.

    Raises:
        TypeError: ``optimizer`` is no Optimizer.
        ValueError: ``anneal_strategy`` is neither, ``anneal_epochs`` is no int or negative, or the list has
            another length than there are groups.

    >>> optimizer = rushlight.optim.SGD([rushlight.ones(1)], lr=1.0)
    >>> scheduler = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        check_optimizer(optimizer)
        targets = for_each_group("swa_lr", optimizer, swa_lr)
        for group, target in zip(optimizer.param_groups, targets):
            group["swa_lr"] = target
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """How much of the way is done after the part ``t`` of the time."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def _way(self, step: int) -> float:
        return self.anneal_func(max(0, min(1, step / max(1, self.anneal_epochs))))

    def get_lr(self) -> list[Any]:
        """The new rate of every group."""
        self._expect_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._way(step - 1), self._way(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, target = group["lr"], group["swa_lr"]
            # Where the way began, had the present rate been reached on it; another schedule may have set it.
            start = target if before == 1 else (lr - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates
