"""Dropout layers."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module


class _DropoutNd(Module):
    """Elements or channels set to zero at random while training.

    Args:
        p: the probability, from 0 to 1.
        inplace: write into the input.
    """

    __constants__ = ["p", "inplace"]
    function: str

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self.function)(input, self.p, self.training, self.inplace)


class Dropout(_DropoutNd):
    """Elements set to zero with probability ``p`` while training, the others divided by ``1 - p``.

    Args:
        p: the probability, from 0 to 1.
        inplace: write into the input.

    >>> Dropout(0.2).eval()(rushlight.ones(2))
    tensor([1., 1.])
    """

    function = "dropout"


class Dropout1d(_DropoutNd):
    """Whole channels of ``(N, C, L)`` set to zero with probability ``p`` while training."""

    function = "dropout1d"


class Dropout2d(_DropoutNd):
    """Whole channels of ``(N, C, H, W)`` set to zero with probability ``p`` while training."""

    function = "dropout2d"


class Dropout3d(_DropoutNd):
    """Whole channels of ``(N, C, D, H, W)`` set to zero with probability ``p`` while training."""

    function = "dropout3d"


class AlphaDropout(_DropoutNd):
    """Dropout to the negative saturation of selu while training, which keeps mean and variance."""

    function = "alpha_dropout"


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels."""

    function = "feature_alpha_dropout"
