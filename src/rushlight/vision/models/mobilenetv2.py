"""MobileNet v2: blocks that are wide inside, where each channel has a convolution of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ... import nn
from ...nn import functional as F
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation
from ._api import builder
from ._utils import _make_divisible, fill

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]

Norm = Callable[..., nn.Module]

# For each stage: how much wider the blocks are inside, the channels, the number of blocks, the
# first one's stride (table 2 of the paper).
_STAGES = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, one of 3x3 on each by itself, one back to few.

    The result is added to the input where both have the same shape.

    Args:
        inp: the channels of the input.
        oup: those of the output.
        stride: the middle convolution's, 1 or 2.
        expand_ratio: the channels inside, in units of ``inp``; 1 leaves out the first convolution.
        norm_layer: called with a number of channels; batch normalisation if None.

    Shape:
        ``(N, inp, H, W)`` to ``(N, oup, H / stride, W / stride)``.

    Raises:
        ValueError: ``stride`` is another.
    """

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm | None = None
    ):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm_layer = norm_layer or nn.BatchNorm2d
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        hidden = round(inp * expand_ratio)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(
            *([unit(inp, hidden, 1)] if expand_ratio != 1 else []),
            unit(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, bias=False),
            norm_layer(oup),
        )
        self.out_channels = oup

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNet v2.

    Args:
        num_classes: the number of classes.
        width_mult: a factor for the channels of all layers.
        inverted_residual_setting: for each stage: how much wider the blocks are inside, the channels,
            the number of blocks, the first one's stride; the paper's if None.
        round_nearest: what the numbers of channels are multiples of.
        block: `InvertedResidual` if None.
        norm_layer: called with a number of channels; batch normalisation if None.
        dropout: the probability of an element before the last layer to be set to zero.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Raises:
        ValueError: ``inverted_residual_setting`` is not a list of four numbers each.

    Source: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks".
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None, round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None, norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ):  # fmt: skip
        super().__init__()
        block = block or InvertedResidual
        norm_layer = norm_layer or nn.BatchNorm2d
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or any(len(stage) != 4 for stage in stages):
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, "
                f"got {inverted_residual_setting}"
            )
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        layers: list[nn.Module] = [unit(3, channels, stride=2)]
        for expand_ratio, wanted, blocks, stride in stages:
            outputs = _make_divisible(wanted * width_mult, round_nearest)
            for i in range(blocks):
                layers.append(
                    block(
                        channels,
                        outputs,
                        stride if i == 0 else 1,
                        expand_ratio=expand_ratio,
                        norm_layer=norm_layer,
                    )
                )
                channels = outputs
        layers.append(unit(channels, self.last_channel, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes)
        )
        fill(
            self,
            conv=partial(nn.init.kaiming_normal_, mode="fan_out"),
            linear=partial(nn.init.normal_, std=0.01),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))  # (N, last_channel, 1, 1)
        return self.classifier(x.flatten(1))


mobilenet_v2, MobileNet_V2_Weights = builder("mobilenet_v2", MobileNetV2)
