"""L-BFGS: steps by an approximate second derivative, for full batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..autograd.modes import enable_grad, no_grad
from ..ops.complex import view_as_real
from ..ops.join import cat
from ..size import Size
from ..tensor import Tensor
from .optimizer import Optimizer, ParamsT
from .options import check_rate

__all__ = ["LBFGS"]

# Nocedal and Wright, section 3.1: how much the loss must fall, and how flat it must become, along the line.
_FALL, _FLAT = 1e-4, 0.9


class LBFGS(Optimizer):
    """The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno.

    From the last ``history_size`` steps and changes of the gradient it approximates the inverse of the second
    derivative. It suits smooth losses over a whole data set; `step` evaluates the loss several times.

    Args:
        params: the parameters; one group only, on one device.
        lr: the length of a step; without a line search it should be well chosen.
        max_iter: how many iterations a step makes at most.
        max_eval: how many times a step evaluates the loss at most; None for 5/4 of ``max_iter``.
        tolerance_grad: a step ends where no element of the gradient is larger.
        tolerance_change: a step ends where neither loss nor parameters change more.
        history_size: how many changes are remembered, 1 or more.
        line_search_fn: ``"strong_wolfe"`` to search the length of each step, or None.

    Raises:
        ValueError: an option is out of its range, or there are several groups.
        RuntimeError: there is no such line search.

    Source: Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5 (directions), 3.5 and 3.6 (line
    search), with the limits of Schmidt's minFunc 2005.

    >>> w = rushlight.tensor([4.0, -3.0], requires_grad=True)
    >>> optimizer = rushlight.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - rushlight.tensor([1.0, 2.0])) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    34.0
    >>> w
    tensor([1., 2.], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        check_rate(lr)
        if not history_size >= 1:
            raise ValueError(f"history_size must be 1 or more, but got {history_size}")
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(
                f"line_search_fn must be 'strong_wolfe' or None, but got {line_search_fn!r}"
            )
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Takes the one group; see `Optimizer.add_param_group`.

        Raises:
            ValueError: there is a group already.
        """
        if self.param_groups:
            raise ValueError(
                "LBFGS doesn't support per-parameter options (parameter groups): give it all "
                "parameters at once"
            )
        super().add_param_group(param_group)

    def state_shapes(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """Directions and gradients have an element for each number in the parameters."""
        size = sum(p.numel() * (2 if p.is_complex() else 1) for p in self.param_groups[0]["params"])
        return {"d": Size((size,)), "prev_flat_grad": Size((size,))}

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Makes up to ``max_iter`` iterations.

        Args:
            closure: computes the loss anew, with its gradients, and returns it.

        Returns:
            What the closure returned first, before parameters changed.
        """
        (group,) = self.param_groups
        state = self.state[group["params"][0]]
        evaluate = _Line(group["params"], closure)
        first = evaluate.closure()
        loss, g = float(first), evaluate.gradient()
        evaluations = 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        if _largest(g) <= group["tolerance_grad"]:
            return first
        for left in reversed(range(group["max_iter"])):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state.update(d=-g, old_dirs=[], old_stps=[], ro=[], H_diag=1)
                rate = float(group["lr"]) / max(1.0, g.abs().sum().item())
            else:
                _remember(state, g, group["history_size"])
                state["d"] = _direction(state, g, group["history_size"])
                rate = float(group["lr"])
            before = loss
            d = state["d"]
            state.update(prev_flat_grad=g, prev_loss=before, t=rate)
            slope = g.dot(d).item()
            if slope > -group["tolerance_change"]:
                break
            calls = 0
            if group["line_search_fn"] is not None:
                start = _Point(0, loss, g, slope)
                budget = group["max_eval"] - evaluations
                end, calls = _search(
                    evaluate.along(d), start, rate, _largest(d), group["tolerance_change"], budget
                )
                evaluate.move(d, end.t)
                loss, g, state["t"] = end.loss, end.g, end.t
            else:
                evaluate.move(d, rate)
                if left:
                    loss, g = evaluate()
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or _largest(g) <= group["tolerance_grad"]
                or _largest(d) * abs(state["t"]) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first


# ---- directions


def _remember(state: dict[str, Any], g: Tensor, size: int) -> None:
    """Adds the last step, and the change of the gradient over it, to the history."""
    change, step = g - state["prev_flat_grad"], state["d"] * state["t"]
    product = change.dot(step)
    # A step that does not curve upwards would make the approximation indefinite.
    if product.item() <= 1e-10:
        return
    for name, value in (("old_dirs", change), ("old_stps", step), ("ro", 1.0 / product)):
        state[name].append(value)
        del state[name][:-size]
    state["H_diag"] = product / change.dot(change)


def _direction(state: dict[str, Any], g: Tensor, size: int) -> Tensor:
    """Minus the gradient times the approximate inverse of the second derivative."""
    changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
    weights = state.setdefault("al", [None] * size)
    # A loaded list may be shorter than the history that this optimizer is to keep.
    weights.extend([None] * (size - len(weights)))
    d = -g
    for i in reversed(range(len(changes))):
        weights[i] = steps[i].dot(d) * inverses[i]
        d.add_(changes[i], alpha=-weights[i].item())
    d.mul_(state["H_diag"])
    for i in range(len(changes)):
        slope = changes[i].dot(d) * inverses[i]
        d.add_(steps[i], alpha=(weights[i] - slope).item())
    return d


def _largest(x: Tensor) -> float:
    return x.abs().max().item()


# ---- the line


class _Point(NamedTuple):
    """A place on the line: how far along, the loss there, its gradient, and its slope along the line."""

    t: float
    loss: float
    g: Tensor
    slope: float


class _Line:
    """The loss as a function of all parameters in one vector."""

    def __init__(self, params: list[Tensor], closure: Callable[[], Any]):
        self.params = params
        self.closure = enable_grad()(closure)

    def __call__(self) -> tuple[float, Tensor]:
        loss = float(self.closure())
        return loss, self.gradient()

    def gradient(self) -> Tensor:
        """The gradients, zero where there is none; those of complex numbers as pairs."""
        return cat([_flat(p.new_zeros(p.shape) if p.grad is None else p.grad) for p in self.params])

    def move(self, d: Tensor, t: float) -> None:
        """Moves the parameters ``t`` along ``d``."""
        place = 0
        for p in self.params:
            real = view_as_real(p) if p.is_complex() else p
            real.add_(d[place : place + real.numel()].view_as(real), alpha=t)
            place += real.numel()

    def along(self, d: Tensor) -> Callable[[float], _Point]:
        """The line through where the parameters are now; a look at it leaves them there."""
        start = [p.detach().clone() for p in self.params]

        def look(t: float) -> _Point:
            self.move(d, t)
            try:
                loss, g = self()
            finally:
                for p, value in zip(self.params, start):
                    p.copy_(value)
            # A look that went too far, into overflow, is as high as can be: the search turns back.
            return _Point(t, math.inf if math.isnan(loss) else loss, g, g.dot(d).item())

        return look


def _flat(x: Tensor) -> Tensor:
    return (view_as_real(x) if x.is_complex() else x).reshape(-1)


def _search(
    look: Callable[[float], _Point],
    start: _Point,
    t: float,
    size: float,
    tolerance: float,
    budget: int,
) -> tuple[_Point, int]:
    """A place where the strong Wolfe conditions hold, or the best that was found.

    Args:
        look: evaluates the loss at a place on the line.
        start: where the line begins.
        t: the place to look first.
        size: the largest element of the direction.
        tolerance: an interval in which no parameter moves further is not searched.
        budget: how often to look again after the first time.

    Returns:
        The place, and how often the loss was evaluated.
    """

    def high(p: _Point) -> bool:
        return p.loss > start.loss + _FALL * p.t * start.slope

    def flat(p: _Point) -> bool:
        return abs(p.slope) <= -_FLAT * start.slope

    # Go on until the line rises between two places, so that it has a minimum there.
    last, here = start, look(t)
    looks = 0
    ends = None
    while ends is None and looks < budget:
        if high(here) or (looks > 1 and here.loss >= last.loss):
            ends = (last, here)
        elif flat(here):
            return here, looks + 1
        elif here.slope >= 0:
            ends = (last, here)
        else:
            step = 0.01 * (here.t - last.t)
            t = _minimum(last, here, here.t + step, here.t * 10)
            last, here = here, look(t)
            looks += 1
    ends = list(ends or (start, here))
    low = _lower(ends)

    # Make that interval smaller. Its lower end is the lowest of all places that fell enough.
    stuck = False
    while looks < budget and not abs(ends[0].t - ends[1].t) * size < tolerance:
        left, right = sorted(end.t for end in ends)
        t = _minimum(*ends, left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            stuck = False
        elif stuck or t >= right or t <= left:
            t = right - margin if right - t < t - left else left + margin
            stuck = False
        else:
            stuck = True
        here = look(t)
        looks += 1
        if high(here) or here.loss >= ends[low].loss:
            ends[1 - low] = here
            low = _lower(ends)
        elif flat(here):
            return here, looks + 1
        else:
            if here.slope * (ends[1 - low].t - ends[low].t) >= 0:
                ends[1 - low] = ends[low]
            ends[low] = here
    return ends[low], looks + 1


def _lower(ends: list[_Point]) -> int:
    return 0 if ends[0].loss <= ends[1].loss else 1


def _minimum(a: _Point, b: _Point, lowest: float, highest: float) -> float:
    """Where the cubic through two places with their slopes is lowest, kept between bounds.

    Source: Nocedal and Wright, equation 3.59.
    """
    a, b = (a, b) if a.t <= b.t else (b, a)
    width = b.t - a.t
    middle = (lowest + highest) / 2
    if not width > 0:
        return middle
    bend = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = bend * bend - a.slope * b.slope
    if not square >= 0:
        return middle
    root = math.sqrt(square)
    divisor = b.slope - a.slope + 2 * root
    place = b.t - width * (b.slope + root - bend) / divisor if divisor else math.nan
    return min(max(place, lowest), highest) if math.isfinite(place) else middle
