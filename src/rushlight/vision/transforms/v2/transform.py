"""What all transforms of samples share."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from typing import Any

from ....nn.module import Module
from ....ops.creation import empty
from ....tensor import Tensor
from ...pillow import is_image
from ...tv_tensors import Image, Video
from .. import draws
from .dispatch import mode_of, takes
from .samples import check_type, flatten, rebuild
from .sizes import is_pure_tensor


class Transform(Module):
    """A transform of samples: an image, or dicts, lists and tuples that hold images, masks, boxes and what else.

    What is random is drawn once for the whole sample by `make_params`; `transform` then does the same to each part.
    Everything that is no image, video, mask, boxes or points comes out as it went in. A plain tensor is taken for the
    image if it is the first and there is no image otherwise, so labels stay as they are.

    To write one, define `transform`, and `make_params` where something is random.

    >>> class Doubled(Transform):
    ...     def transform(self, inpt, params):
    ...         return inpt * 2
    >>> Doubled()({"image": Image([[1, 2]]), "label": 3})
    {'image': tensor([[[2, 4]]]), 'label': 3}
    """

    # What is transformed: types, or functions that say so.
    _transformed_types: tuple[type | Callable[[Any], bool], ...] = (Tensor, is_image)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuses a sample whose parts do not fit; by default none."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn for a sample.

        Args:
            flat_inputs: what of the sample will be transformed.
        """
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """What becomes of one part of a sample.

        Args:
            inpt: the part.
            params: what `make_params` gave.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say what it does to {type(inpt)}"
        )

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed: one argument alone, or all of several as a tuple."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        self.check_inputs(leaves)
        if not self._happens():
            return sample
        chosen = self._needs_transform_list(leaves)
        params = self.make_params([x for x, is_chosen in zip(leaves, chosen) if is_chosen])
        return rebuild(
            sample,
            [self.transform(x, params) if is_chosen else x for x, is_chosen in zip(leaves, chosen)],
        )

    def _happens(self) -> bool:
        return True

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        """Which parts of a sample are transformed."""
        has_image = any(isinstance(x, (Image, Video)) or is_image(x) for x in flat_inputs)
        chosen = []
        for x in flat_inputs:
            takes_part = check_type(x, self._transformed_types)
            if takes_part and is_pure_tensor(x):
                takes_part = not has_image
                has_image = True
            chosen.append(takes_part)
        return chosen

    def _call_kernel(self, functional: Callable, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        """What ``functional`` does to a part; the part itself if it does nothing to this kind."""
        return functional(inpt, *args, **kwargs) if takes(functional, inpt) else inpt

    def extra_repr(self) -> str:
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        return ", ".join(
            [
                f"{name}={value}"
                for name, value in vars(self).items()
                if not name.startswith("_") and name != "training" and isinstance(value, shown)
            ]
        )

    # Also for those that inherit from a transform of the old names, which has its own.
    __repr__ = Module.__repr__


class RandomApplyTransform(Transform):
    """A transform that changes the sample, or leaves all of it.

    Args:
        p: how likely it is changed.

    Raises:
        ValueError: ``p`` is no probability.
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = _probability(p)

    def _happens(self) -> bool:
        return draws.chance() < self.p


def _probability(p: float) -> float:
    if not 0.0 <= p <= 1.0:
        raise ValueError(
            f"`p` should be a floating point value in the interval [0.0, 1.0], got {p}."
        )
    return p


class AsBefore(Transform):
    """A transform whose arguments are those of the transform of the old names that it also inherits from.

    ``interpolation`` may also be a name, and ``fill`` a dict: from types, or ``"others"``, to what is filled in there.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        old = next(c for c in type(self).__mro__ if not issubclass(c, Transform))
        bound = inspect.signature(old.__init__).bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        if "interpolation" in given:
            given["interpolation"] = mode_of(given["interpolation"])
        fill = given.get("fill")
        if isinstance(fill, dict):
            given["fill"] = 0
        old.__init__(self, **given)
        if "fill" in given:
            self.fill = fill
        for name in ("resample", "fillcolor"):
            vars(self).pop(name, None)

    def _happens(self) -> bool:
        # Only flips and the like have a probability.
        return not hasattr(self, "p") or draws.chance() < _probability(self.p)


def fill_for(fill: Any, inpt: Any) -> Any:
    """What is filled in around an input: ``fill``, or what a dict says of its type.

    >>> fill_for({Tensor: 1, "others": 2}, Image([[0]])), fill_for({"others": 2}, 3)
    (1, 2)
    """
    if not isinstance(fill, dict):
        return fill
    for kind in type(inpt).__mro__:
        if kind in fill:
            return fill[kind]
    return fill.get("others")


def stand_in(height: int, width: int, channels: int = 1) -> Tensor:
    """A tensor without values, for functions that only look at an image's size."""
    return empty(channels, height, width, device="meta")
