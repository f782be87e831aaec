"""Transforms made of transforms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from ...nn.module import Module
from ...nn.module_calls import everywhere
from . import draws
from .conversion import Normalize, ToTensor


class Compose:
    """One transform after the other.

    Args:
        transforms: the transforms, each a function of what the one before gave.

    >>> Compose([abs, lambda x: x + 1])(-3)
    4
    """

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        transforms = iter(self.transforms)
        for transform in transforms:
            if type(transform) is ToTensor:
                img = _to_tensor_and(transform, next(transforms, None), img)
            else:
                img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(self, self.transforms)


def _to_tensor_and(transform: ToTensor, following: Callable | None, img: Any) -> Any:
    """What both give one after the other; a `Normalize` in the same pass over the pixels."""
    if type(following) is Normalize and not _heard(following):
        joined = following.of_image(img)
        if joined is not None:
            return joined
    img = transform(img)
    return img if following is None else following(img)


def _heard(module: Module) -> bool:
    """Whether a hook would notice that the module is not called."""
    return bool(module._forward_hooks or module._forward_pre_hooks or everywhere)


def _listed(transform: Any, parts: Any, first: str = "") -> str:
    lines = "".join([f"\n    {part}" for part in parts])
    return f"{type(transform).__name__}({first}{lines}\n)"


class Lambda:
    """A function as a transform.

    Args:
        lambd: the function.

    Raises:
        TypeError: ``lambd`` cannot be called.

    >>> Lambda(abs)(-3)
    3
    """

    def __init__(self, lambd: Callable):
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransforms:
    """What `RandomOrder` and `RandomChoice` share: a list of transforms.

    Raises:
        TypeError: ``transforms`` is no sequence.
    """

    def __init__(self, transforms: Sequence[Callable]):
        if not isinstance(transforms, Sequence):
            raise TypeError(f"Argument transforms should be a sequence, but got {transforms!r}")
        self.transforms = transforms

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what its transforms do")

    def __repr__(self) -> str:
        return _listed(self, self.transforms)


class RandomApply(Module):
    """All of some transforms, or none.

    Args:
        transforms: the transforms.
        p: how likely they are applied.
    """

    def __init__(self, transforms: Sequence[Callable], p: float = 0.5):
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < draws.chance():
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(self, self.transforms, f"\n    p={self.p}")


class RandomOrder(RandomTransforms):
    """All of some transforms, in random order; Python's ``random`` chooses it.

    Args:
        transforms: the transforms.
    """

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of some transforms; Python's ``random`` chooses it.

    Args:
        transforms: the transforms.
        p: how likely each is, by default equally.

    Raises:
        TypeError: ``transforms`` or ``p`` is no sequence.
    """

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None):
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(f"Argument p should be a sequence, but got {p!r}")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
