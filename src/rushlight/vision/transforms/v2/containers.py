"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....nn import ModuleList
from ....ops.random import multinomial, randperm
from ....ops.values import tensor
from .. import draws
from .transform import Transform, _probability


class _Container(Transform):
    _kinds: tuple[type, ...] = (Sequence,)

    def __init__(self, transforms: Sequence[Callable]):
        if not isinstance(transforms, self._kinds):
            raise TypeError(
                f"Argument transforms should be a sequence of callables, got {transforms!r}"
            )
        if not len(transforms):
            raise ValueError("Pass at least one transform")
        super().__init__()
        self.transforms = transforms

    def extra_repr(self) -> str:
        return "\n".join([f"    {transform}" for transform in self.transforms])


def _one_after_the_other(transforms: Sequence[Callable], inputs: tuple) -> Any:
    several = len(inputs) > 1
    for transform in transforms:
        out = transform(*inputs)
        inputs = out if several else (out,)
    return inputs if several else inputs[0]


class Compose(_Container):
    """One transform after the other.

    Args:
        transforms: the transforms; functions will do.

    Raises:
        TypeError: they are no sequence.
        ValueError: there is none.

    >>> Compose([lambda x: x + 1, lambda x: x * 2])(3)
    8
    """

    def forward(self, *inputs: Any) -> Any:
        return _one_after_the_other(self.transforms, inputs)


class RandomApply(_Container):
    """All of some transforms, or none.

    Args:
        transforms: the transforms.
        p: how likely they are applied.
    """

    _kinds = (Sequence, ModuleList)

    def __init__(self, transforms: Sequence[Callable] | ModuleList, p: float = 0.5):
        super().__init__(transforms)
        self.p = _probability(p)

    def forward(self, *inputs: Any) -> Any:
        if draws.chance() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return _one_after_the_other(self.transforms, inputs)


class RandomChoice(_Container):
    """One of some transforms.

    Args:
        transforms: the transforms.
        p: how likely each is, by default equally; they need not sum to 1.

    Raises:
        ValueError: there are not as many probabilities.
    """

    def __init__(self, transforms: Sequence[Callable], p: list[float] | None = None):
        super().__init__(transforms)
        weights = [1] * len(transforms) if p is None else p
        if len(weights) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(weights)} != {len(transforms)}"
            )
        self.p = [weight / sum(weights) for weight in weights]

    def forward(self, *inputs: Any) -> Any:
        chosen = int(multinomial(tensor(self.p), 1))
        return self.transforms[chosen](*inputs)


class RandomOrder(_Container):
    """All of some transforms, in random order.

    Args:
        transforms: the transforms.
    """

    def forward(self, *inputs: Any) -> Any:
        order = randperm(len(self.transforms)).tolist()
        return _one_after_the_other([self.transforms[i] for i in order], inputs)
