"""EfficientNet, both versions: width, depth and image size that grow together."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import nn
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import builder
from ._utils import _make_divisible, fill

__all__ = [
    "EfficientNet",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "EfficientNet_V2_L_Weights",
    "EfficientNet_V2_M_Weights",
    "EfficientNet_V2_S_Weights",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
]

Norm = Callable[..., nn.Module]


@dataclass
class _MBConvConfig:
    """One stage's settings.

    Attributes:
        expand_ratio: the channels inside a block, in units of its input's.
        kernel: the size of the block's main convolution.
        stride: the first block's.
        input_channels, out_channels: before and after the stage.
        num_layers: how many blocks there are.
        block: their class.
    """

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Callable[..., nn.Module]

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """``channels * width_mult``, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of `MBConv` blocks; channels and blocks are multiplied by ``width_mult`` and ``depth_mult``."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int,
        out_channels: int, num_layers: int, width_mult: float = 1.0, depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ):  # fmt: skip
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """``num_layers * depth_mult``, rounded up."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of `FusedMBConv` blocks."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int,
        out_channels: int, num_layers: int, block: Callable[..., nn.Module] | None = None,
    ):  # fmt: skip
        super().__init__(
            expand_ratio, kernel, stride, input_channels, out_channels, num_layers,
            block or FusedMBConv,
        )  # fmt: skip


class _Block(nn.Module):
    """What both kinds of block share: ``block``, and past it the input where the shapes are the same."""

    def __init__(self, cnf: _MBConvConfig, layers: list[nn.Module], stochastic_depth_prob: float):
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ValueError(f"illegal stride value {cnf.stride}: 1 or 2 expected")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Block):
    """A 1x1 convolution to more channels, a larger one on each by itself, squeeze and excitation, one back.

    Args:
        cnf: the settings.
        stochastic_depth_prob: the probability of a sample to go only past the block while training.
        norm_layer: called with a number of channels.
        se_layer: called with the channels inside, a quarter of the input's and ``activation``.

    Raises:
        ValueError: the stride is neither 1 nor 2.
    """

    def __init__(
        self, cnf: MBConvConfig, stochastic_depth_prob: float, norm_layer: Norm,
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ):  # fmt: skip
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer)
        activation = partial(unit, activation_layer=nn.SiLU)
        inside = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        squeezed = max(1, cnf.input_channels // 4)
        layers: list[nn.Module] = []
        if inside != cnf.input_channels:
            layers.append(activation(cnf.input_channels, inside, 1))
        layers += [
            activation(inside, inside, cnf.kernel, stride=cnf.stride, groups=inside),
            se_layer(inside, squeezed, activation=partial(nn.SiLU, inplace=True)),
            unit(inside, cnf.out_channels, 1, activation_layer=None),
        ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class FusedMBConv(_Block):
    """A larger convolution to more channels, and a 1x1 one back.

    Args:
        cnf: the settings; where ``expand_ratio`` is 1, there is only one convolution.
        stochastic_depth_prob: the probability of a sample to go only past the block while training.
        norm_layer: called with a number of channels.

    Raises:
        ValueError: the stride is neither 1 nor 2.
    """

    def __init__(self, cnf: FusedMBConvConfig, stochastic_depth_prob: float, norm_layer: Norm):
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer)
        inside = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        widens = inside != cnf.input_channels
        layers: list[nn.Module] = [
            unit(
                cnf.input_channels,
                inside if widens else cnf.out_channels,
                cnf.kernel,
                stride=cnf.stride,
                activation_layer=nn.SiLU,
            )
        ]
        if widens:
            layers.append(unit(inside, cnf.out_channels, 1, activation_layer=None))
        super().__init__(cnf, layers, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """EfficientNet.

    Args:
        inverted_residual_setting: the settings of each stage.
        dropout: the probability of an element before the last layer to be set to zero.
        stochastic_depth_prob: the probability of a sample to go only past a block while training; it
            grows from 0 at the first block to this after the last.
        num_classes: the number of classes.
        norm_layer: called with a number of channels; batch normalisation if None.
        last_channel: the channels before the last layer; four times the last stage's if None.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Raises:
        TypeError: ``inverted_residual_setting`` is no list of settings.
        ValueError: it is empty.

    Source: Tan and Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks";
    Tan and Le 2021, "EfficientNetV2: smaller models and faster training".
    """

    def __init__(
        self, inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig], dropout: float,
        stochastic_depth_prob: float = 0.2, num_classes: int = 1000,
        norm_layer: Norm | None = None, last_channel: int | None = None,
    ):  # fmt: skip
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(setting, Sequence) or not all(
            isinstance(c, _MBConvConfig) for c in setting
        ):
            raise TypeError(
                f"The inverted_residual_setting should be List[MBConvConfig], got {setting}"
            )
        norm_layer = norm_layer or nn.BatchNorm2d
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [unit(3, setting[0].input_channels, stride=2)]
        total, built = sum(cnf.num_layers for cnf in setting), 0
        for cnf in setting:
            stage = nn.Sequential()
            for i in range(cnf.num_layers):
                cnf = copy.copy(cnf)
                if i > 0:
                    cnf.input_channels, cnf.stride = cnf.out_channels, 1
                stage.append(cnf.block(cnf, stochastic_depth_prob * built / total, norm_layer))
                built += 1
            layers.append(stage)
        channels = setting[-1].out_channels
        last_channel = last_channel or 4 * channels
        layers.append(unit(channels, last_channel, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, inplace=True), nn.Linear(last_channel, num_classes)
        )
        bound = 1.0 / math.sqrt(num_classes)
        fill(
            self,
            conv=partial(nn.init.kaiming_normal_, mode="fan_out"),
            linear=partial(nn.init.uniform_, a=-bound, b=bound),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))


# For each stage: how much wider the blocks are inside, the kernel, the first block's stride, the
# channels before and after, the number of blocks. "F" is a stage of FusedMBConv.
_B0 = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
]
_V2_S = [
    ("F", 1, 3, 1, 24, 24, 2),
    ("F", 4, 3, 2, 24, 48, 4),
    ("F", 4, 3, 2, 48, 64, 4),
    (4, 3, 2, 64, 128, 6),
    (6, 3, 1, 128, 160, 9),
    (6, 3, 2, 160, 256, 15),
]
_V2_M = [
    ("F", 1, 3, 1, 24, 24, 3),
    ("F", 4, 3, 2, 24, 48, 5),
    ("F", 4, 3, 2, 48, 80, 5),
    (4, 3, 2, 80, 160, 7),
    (6, 3, 1, 160, 176, 14),
    (6, 3, 2, 176, 304, 18),
    (6, 3, 1, 304, 512, 5),
]
_V2_L = [
    ("F", 1, 3, 1, 32, 32, 4),
    ("F", 4, 3, 2, 32, 64, 7),
    ("F", 4, 3, 2, 64, 96, 7),
    (4, 3, 2, 96, 192, 10),
    (6, 3, 1, 192, 224, 19),
    (6, 3, 2, 224, 384, 25),
    (6, 3, 1, 384, 640, 7),
]


def _efficientnet(
    stages: list[tuple], width_mult: float, depth_mult: float, last_channel: int | None,
    **kwargs: Any,
) -> EfficientNet:  # fmt: skip
    setting = [
        FusedMBConvConfig(*stage[1:])
        if stage[0] == "F"
        else MBConvConfig(*stage, width_mult, depth_mult)
        for stage in stages
    ]
    return EfficientNet(setting, last_channel=last_channel, **kwargs)


_builder = partial(builder, make=_efficientnet)
# The authors of the larger ones of the first version, and of the second, changed these.
_LARGE = {"norm_layer": partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)}
_V2 = {"norm_layer": partial(nn.BatchNorm2d, eps=0.001)}

efficientnet_b0, EfficientNet_B0_Weights = _builder(
    "efficientnet_b0", EfficientNet, _B0, 1.0, 1.0, None, dropout=0.2
)
efficientnet_b1, EfficientNet_B1_Weights = _builder(
    "efficientnet_b1", EfficientNet, _B0, 1.0, 1.1, None, dropout=0.2
)
efficientnet_b2, EfficientNet_B2_Weights = _builder(
    "efficientnet_b2", EfficientNet, _B0, 1.1, 1.2, None, dropout=0.3
)
efficientnet_b3, EfficientNet_B3_Weights = _builder(
    "efficientnet_b3", EfficientNet, _B0, 1.2, 1.4, None, dropout=0.3
)
efficientnet_b4, EfficientNet_B4_Weights = _builder(
    "efficientnet_b4", EfficientNet, _B0, 1.4, 1.8, None, dropout=0.4
)
efficientnet_b5, EfficientNet_B5_Weights = _builder(
    "efficientnet_b5", EfficientNet, _B0, 1.6, 2.2, None, dropout=0.4, **_LARGE
)
efficientnet_b6, EfficientNet_B6_Weights = _builder(
    "efficientnet_b6", EfficientNet, _B0, 1.8, 2.6, None, dropout=0.5, **_LARGE
)
efficientnet_b7, EfficientNet_B7_Weights = _builder(
    "efficientnet_b7", EfficientNet, _B0, 2.0, 3.1, None, dropout=0.5, **_LARGE
)
efficientnet_v2_s, EfficientNet_V2_S_Weights = _builder(
    "efficientnet_v2_s", EfficientNet, _V2_S, 1.0, 1.0, 1280, dropout=0.2, **_V2
)
efficientnet_v2_m, EfficientNet_V2_M_Weights = _builder(
    "efficientnet_v2_m", EfficientNet, _V2_M, 1.0, 1.0, 1280, dropout=0.3, **_V2
)
efficientnet_v2_l, EfficientNet_V2_L_Weights = _builder(
    "efficientnet_v2_l", EfficientNet, _V2_L, 1.0, 1.0, 1280, dropout=0.4, **_V2
)
