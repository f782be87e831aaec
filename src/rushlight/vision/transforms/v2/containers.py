"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ....dtypes import float32
from ....nn import ModuleList
from ....ops.random import multinomial, randperm
from ....ops.values import tensor
from ...tv_tensors import Image
from .. import draws
from ..containers import _heard
from .misc import Normalize, ToDtype, ToImage
from .transform import Transform, _probability


class _Container(Transform):
    """What all share: transforms, at least one."""

    _takes: tuple[type, ...] = (Sequence,)

    def __init__(self, transforms: Sequence[Callable]):
        super().__init__()
        if not isinstance(transforms, self._takes):
            raise TypeError(
                f"Argument transforms should be a sequence of callables, but got {type(transforms)}"
            )
        if len(transforms) == 0:
            raise ValueError("Pass at least one transform; Identity() leaves a sample as it is")
        self.transforms = transforms


def _chained(transforms: Iterable[Callable], inputs: tuple) -> Any:
    """What the last gives; of several inputs each gives as many for the next to take."""
    if len(inputs) > 1:
        for transform in transforms:
            inputs = transform(*inputs)
        return inputs
    steps = list(transforms)
    while steps:
        joined = _normalized(steps[:3], inputs)
        inputs = (steps[0](*inputs) if joined is None else joined,)
        del steps[: 1 if joined is None else 3]
    return inputs[0]


def _normalized(steps: list[Callable], inputs: tuple) -> Image | None:
    """What `ToImage`, `ToDtype` and `Normalize` give an image of bytes, in one pass over it; None for anything else."""
    if [type(step) for step in steps] != [ToImage, ToDtype, Normalize] or not inputs:
        return None
    _, to_dtype, normalize = steps
    if to_dtype.dtype is not float32 or not to_dtype.scale or any(_heard(x) for x in steps):
        return None
    out = normalize.of_image(inputs[0])
    return None if out is None else Image(out)


def _lines(container: _Container) -> str:
    return "\n".join([f"    {transform}" for transform in container.transforms])


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

    extra_repr = _lines

    def forward(self, *inputs: Any) -> Any:
        return _chained(self.transforms, inputs)


class RandomApply(_Container):
    """All of some transforms, or none.

    Args:
        transforms: the transforms.
        p: how likely they are applied.
    """

    _takes = (Sequence, ModuleList)
    extra_repr = _lines

    def __init__(self, transforms: Sequence[Callable] | ModuleList, p: float = 0.5):
        super().__init__(transforms)
        self.p = _probability(p)

    def forward(self, *inputs: Any) -> Any:
        return _chained(self.transforms if draws.chance() < self.p else (), inputs)


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
                f"Length of p should be the number of transforms, but got {len(weights)} for {len(transforms)}"
            )
        total = sum(weights)
        self.p = [weight / total for weight in weights]

    def forward(self, *inputs: Any) -> Any:
        chosen = multinomial(tensor(self.p), 1).item()
        return self.transforms[chosen](*inputs)


class RandomOrder(_Container):
    """All of some transforms, in random order.

    Args:
        transforms: the transforms.
    """

    def forward(self, *inputs: Any) -> Any:
        order = randperm(len(self.transforms)).tolist()
        return _chained([self.transforms[i] for i in order], inputs)
