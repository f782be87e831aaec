"""The joined step: all parameters of a group in one pass of the extension."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..ops.creation import empty_like
from ..tensor import Tensor
from .tape import Scalar, State, Tape

if TYPE_CHECKING:
    from .optimizer import Optimizer


class JoinedStep:
    """Steps the parameters of a group together, with an element-wise rule.

    Parameters whose state has the same form and the same numbers (nearly always: all of them) share one
    tape. The 0-dim tensors of their states are views of one array, so that one write counts for all.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple, tuple[np.ndarray, list[np.ndarray]]] = {}

    def step(
        self, rule: Optimizer, params: list[Tensor], group: dict[str, Any]
    ) -> Sequence[Tensor]:
        """Updates the parameters in place.

        Args:
            rule: the optimizer.
            params: those of the group that have a gradient.
            group: the options.

        Returns:
            The parameters that the extension does not take, with nothing changed: of half precision, for
            example.
        """
        # A parameter that is listed twice is updated twice, one after the other.
        if group.get("differentiable") or len(set(map(id, params))) != len(params):
            return params
        known = rule.state
        states = [known.get(p) or rule.init_state(p, group) for p in params]
        left: list[Tensor] = []
        # The numbers in a state may have the precision of its parameter.
        kinds = [(p._array.dtype.char, *state) for p, state in zip(params, states)]
        for (_, *form), places in _alike(kinds):
            if places is None:
                left += self._step_form(rule, group, form, params, states)
            else:
                some = [params[i] for i in places], [states[i] for i in places]
                left += self._step_form(rule, group, form, *some)
        return left

    def _step_form(
        self,
        rule: Optimizer,
        group: dict[str, Any],
        form: list[str],
        params: list[Tensor],
        states: list[dict[str, Any]],
    ) -> Sequence[Tensor]:
        """The step of parameters whose states have the same names."""
        names = [name for name in rule.numbers if name in form]
        numbers = [self._joined(group, form, name, states) for name in names]
        rows = list(zip(*[array.tolist() for array in numbers])) or [()] * len(params)
        left: list[Tensor] = []
        for _, places in _alike(rows):
            first = 0 if places is None else places[0]
            scalars = {name: Scalar(array[first]) for name, array in zip(names, numbers)}
            some, theirs = params, states
            if places is not None:
                some, theirs = [params[i] for i in places], [states[i] for i in places]
            if not _run(rule, group, form, scalars, some, theirs):
                left += some
                continue
            for array, scalar in zip(numbers, scalars.values()):
                array[slice(None) if places is None else places] = scalar.value
        return left

    def _joined(
        self, group: dict[str, Any], form: list[str], name: str, states: list[dict[str, Any]]
    ) -> np.ndarray:
        """The 0-dim tensors called ``name`` as one array, of which those in the states are views."""
        arrays = [state[name]._array for state in states]
        key = (id(group), arrays[0].dtype.char, name, *form)
        joined, views = self._numbers.get(key, (None, ()))
        if len(views) == len(arrays) and all(map(is_, views, arrays)):
            return joined
        joined = np.array(arrays).reshape(len(arrays))
        views = [joined[place, ...] for place in range(len(arrays))]
        for state, view in zip(states, views):
            state[name]._array = view
        self._numbers[key] = (joined, views)
        return joined


def _alike(keys: list[Hashable]) -> list[tuple[Any, list[int] | None]]:
    """Each key with the places where it stands; None for all places."""
    if keys.count(keys[0]) == len(keys):
        return [(keys[0], None)]
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return list(places.items())


def _run(
    rule: Optimizer,
    group: dict[str, Any],
    form: list[str],
    scalars: dict[str, Scalar],
    params: list[Tensor],
    states: list[dict[str, Any]],
) -> bool:
    """One step of ``params``; False, with nothing changed, where the extension does not take them."""
    remembered = [name for name in form if name not in scalars]
    tape = Tape(["p", "g", *remembered])
    p, g, *symbols = tape.operands()
    rule.update(p, g, State(tape, {**dict(zip(remembered, symbols)), **scalars}), group)
    made = {name: [empty_like(p) for p in params] for name in tape.names[2 + len(remembered) :]}
    try:
        operands = [
            [p._array for p in params],
            [p._grad._array for p in params],
            *([state[name]._array for state in states] for name in remembered),
            *([tensor._array for tensor in tensors] for tensors in made.values()),
        ]
    except AttributeError:
        # A loaded state may hold more than tensors, which the rule does not look at.
        return False
    if any([array.dtype.kind == "c" for array in operands[0]]):
        operands = [list(map(_as_real, arrays)) for arrays in operands]
    try:
        tape.run(operands)
    except (TypeError, ValueError):
        return False
    for name, tensors in made.items():
        for state, tensor in zip(states, tensors):
            state[name] = tensor
    for p, state in zip(params, states):
        if state:
            rule.state[p] = state
        # What backward saved of the old values must not be taken for the new ones.
        counter = p._counter
        if counter is None:
            p._counter = [1]
        else:
            counter[0] += 1
    return True


def _as_real(array: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs of real ones, in the same memory."""
    if array.dtype.kind != "c":
        return array
    real = array.real
    return as_strided(real, (*array.shape, 2), (*array.strides, real.itemsize))
