"""Layers that resize images and signals."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module


class Upsample(Module):
    """The input resized along its spatial dimensions.

    Args:
        size: the new sizes, one number or one for each dimension; this or ``scale_factor``.
        scale_factor: how many times larger, likewise.
        mode, align_corners, recompute_scale_factor: as `functional.interpolate` takes them.

    Shape:
        ``(N, C, *in)`` to ``(N, C, *out)``, with one to three spatial dimensions.

    >>> Upsample(scale_factor=2)(rushlight.ones(1, 1, 2, 3)).shape
    torch.Size([1, 1, 4, 6])
    """

    __constants__ = [
        "size",
        "scale_factor",
        "mode",
        "align_corners",
        "name",
        "recompute_scale_factor",
    ]

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            scale_factor = tuple([float(s) for s in scale_factor])
        elif scale_factor:
            scale_factor = float(scale_factor)
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images resized by repeating pixels.

    Args:
        size: height and width, or one number for both; this or ``scale_factor``.
        scale_factor: how many times larger, likewise.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images resized by bilinear interpolation; the corner pixels stay where they are.

    Args:
        size: height and width, or one number for both; this or ``scale_factor``.
        scale_factor: how many times larger, likewise.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
