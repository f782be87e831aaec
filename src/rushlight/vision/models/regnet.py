"""RegNet: stages whose widths follow a straight line."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

from ... import nn
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import builder
from ._utils import _make_divisible, fill

__all__ = [
    "RegNet",
    "RegNet_X_16GF_Weights",
    "RegNet_X_1_6GF_Weights",
    "RegNet_X_32GF_Weights",
    "RegNet_X_3_2GF_Weights",
    "RegNet_X_400MF_Weights",
    "RegNet_X_800MF_Weights",
    "RegNet_X_8GF_Weights",
    "RegNet_Y_128GF_Weights",
    "RegNet_Y_16GF_Weights",
    "RegNet_Y_1_6GF_Weights",
    "RegNet_Y_32GF_Weights",
    "RegNet_Y_3_2GF_Weights",
    "RegNet_Y_400MF_Weights",
    "RegNet_Y_800MF_Weights",
    "RegNet_Y_8GF_Weights",
    "regnet_x_16gf",
    "regnet_x_1_6gf",
    "regnet_x_32gf",
    "regnet_x_3_2gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_x_8gf",
    "regnet_y_128gf",
    "regnet_y_16gf",
    "regnet_y_1_6gf",
    "regnet_y_32gf",
    "regnet_y_3_2gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
    "regnet_y_8gf",
]

Layer = Callable[..., nn.Module]


class SimpleStemIN(Conv2dNormActivation):
    """The first layer: a 3x3 convolution of stride 2."""

    def __init__(self, width_in: int, width_out: int, norm_layer: Layer, activation_layer: Layer):
        super().__init__(
            width_in, width_out, 3, 2, norm_layer=norm_layer, activation_layer=activation_layer
        )


class BottleneckTransform(nn.Sequential):
    """Convolutions of 1x1, 3x3 in groups, and 1x1, with squeeze and excitation before the last.

    Args:
        width_in: the channels of the input.
        width_out: those of the output.
        stride: the middle convolution's.
        norm_layer: called with a number of channels.
        activation_layer: called with ``inplace``.
        group_width: the channels per group.
        bottleneck_multiplier: the channels inside, in units of ``width_out``.
        se_ratio: the squeezed channels, in units of ``width_in``; None or 0 is without.
    """

    def __init__(
        self, width_in: int, width_out: int, stride: int, norm_layer: Layer,
        activation_layer: Layer, group_width: int, bottleneck_multiplier: float,
        se_ratio: float | None,
    ):  # fmt: skip
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer)
        inside = round(width_out * bottleneck_multiplier)
        layers = OrderedDict(
            a=unit(width_in, inside, 1, activation_layer=activation_layer),
            b=unit(
                inside,
                inside,
                stride=stride,
                groups=inside // group_width,
                activation_layer=activation_layer,
            ),
        )
        if se_ratio:
            squeezed = round(se_ratio * width_in)
            layers["se"] = SqueezeExcitation(inside, squeezed, activation=activation_layer)
        layers["c"] = unit(inside, width_out, 1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """`BottleneckTransform`, whose arguments it takes, added to its input or to a projection of it."""

    def __init__(
        self, width_in: int, width_out: int, stride: int, norm_layer: Layer,
        activation_layer: Layer, group_width: int = 1, bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ):  # fmt: skip
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, 1, stride, norm_layer=norm_layer, activation_layer=None
            )
        self.f = BottleneckTransform(
            width_in,
            width_out,
            stride,
            norm_layer,
            activation_layer,
            group_width,
            bottleneck_multiplier,
            se_ratio,
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        past = x if self.proj is None else self.proj(x)
        return self.activation(past + self.f(x))


class AnyStage(nn.Sequential):
    """Blocks of one width, the first of which has the stride.

    Args:
        width_in: the channels of the input.
        width_out: those of the output.
        stride: the first block's.
        depth: how many blocks there are.
        block_constructor: called with the arguments of `ResBottleneckBlock`.
        stage_index: the number in the blocks' names.
    """

    def __init__(
        self, width_in: int, width_out: int, stride: int, depth: int, block_constructor: Layer,
        norm_layer: Layer, activation_layer: Layer, group_width: int,
        bottleneck_multiplier: float, se_ratio: float | None = None, stage_index: int = 0,
    ):  # fmt: skip
        super().__init__()
        for i in range(depth):
            block = block_constructor(
                width_out if i else width_in,
                width_out,
                1 if i else stride,
                norm_layer,
                activation_layer,
                group_width,
                bottleneck_multiplier,
                se_ratio,
            )
            self.add_module(f"block{stage_index}-{i}", block)


class BlockParams:
    """The settings of all stages, one element for each.

    Args:
        depths: the number of blocks.
        widths: the channels.
        group_widths: the channels per group.
        bottleneck_multipliers: the channels inside the blocks, in units of ``widths``.
        strides: the first block's.
        se_ratio: the squeezed channels of all blocks, in units of their input's; None is without.
    """

    def __init__(
        self, depths: list[int], widths: list[int], group_widths: list[int],
        bottleneck_multipliers: list[float], strides: list[int], se_ratio: float | None = None,
    ):  # fmt: skip
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls, depth: int, w_0: int, w_a: float, w_m: float, group_width: int,
        bottleneck_multiplier: float = 1.0, se_ratio: float | None = None, **kwargs: Any,
    ) -> BlockParams:  # fmt: skip
        """The settings by the paper's parameters.

        Block ``j`` would have the width ``w_0 + w_a * j``; it gets ``w_0`` times the nearest power of
        ``w_m``, as a multiple of 8. Blocks of the same width are a stage.

        Raises:
            ValueError: ``w_a`` is negative, ``w_0`` is not a multiple of 8, or ``w_m`` is not above 1.

        Source: equations 2 to 4 of the paper of `RegNet`.

        >>> BlockParams.from_init_params(16, 48, 27.89, 2.09, 8).widths
        [48, 104, 208, 440]
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError(
                f"Invalid RegNet settings: w_a {w_a} (at least 0), w_0 {w_0} (a multiple of 8), "
                f"w_m {w_m} (above 1)"
            )
        powers = [round(math.log((w_0 + w_a * j) / w_0, w_m)) for j in range(depth)]
        every = [round(w_0 * w_m**power / 8) * 8 for power in powers]
        stages = [(width, len(list(blocks))) for width, blocks in groupby(every)]
        widths, groups = [], []
        for width, _ in stages:
            inside = int(width * bottleneck_multiplier)
            groups.append(min(group_width, inside))
            widths.append(int(_make_divisible(inside, groups[-1]) / bottleneck_multiplier))
        count = len(stages)
        return cls(
            depths=[blocks for _, blocks in stages],
            widths=widths,
            group_widths=groups,
            bottleneck_multipliers=[bottleneck_multiplier] * count,
            strides=[2] * count,
            se_ratio=se_ratio,
        )

    def _get_expanded_params(self) -> Any:
        """The settings stage by stage: width, stride, depth, group width, multiplier."""
        return zip(
            self.widths, self.strides, self.depths, self.group_widths, self.bottleneck_multipliers
        )


class RegNet(nn.Module):
    """RegNet, X and (with squeeze and excitation) Y.

    Args:
        block_params: the settings of the stages.
        num_classes: the number of classes.
        stem_width: the channels after the first layer.
        stem_type: the first layer's class; `SimpleStemIN` if None.
        block_type: the blocks' class; `ResBottleneckBlock` if None.
        norm_layer: called with a number of channels; batch normalisation if None.
        activation: called with ``inplace``; ReLU if None.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Source: Radosavovic et al. 2020, "Designing network design spaces".
    """

    def __init__(
        self, block_params: BlockParams, num_classes: int = 1000, stem_width: int = 32,
        stem_type: Layer | None = None, block_type: Layer | None = None,
        norm_layer: Layer | None = None, activation: Layer | None = None,
    ):  # fmt: skip
        super().__init__()
        layers = (norm_layer or nn.BatchNorm2d, activation or nn.ReLU)
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, *layers)
        stages = OrderedDict()
        channels = stem_width
        for i, setting in enumerate(block_params._get_expanded_params(), 1):
            width, stride, depth, group_width, multiplier = setting
            stages[f"block{i}"] = AnyStage(
                channels,
                width,
                stride,
                depth,
                block_type or ResBottleneckBlock,
                *layers,
                group_width,
                multiplier,
                block_params.se_ratio,
                stage_index=i,
            )
            channels = width
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)
        fill(self, _fill_conv, linear=partial(nn.init.normal_, std=0.01), conv_bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk_output(self.stem(x))
        x = self.avgpool(x)
        return self.fc(x.flatten(1))


def _fill_conv(weight: Tensor) -> None:
    # The fan out here does not take the groups into account.
    outputs, _, height, width = weight.shape
    nn.init.normal_(weight, std=math.sqrt(2.0 / (height * width * outputs)))


def _regnet(*params: Any, se_ratio: float | None = None, **kwargs: Any) -> RegNet:
    return RegNet(BlockParams.from_init_params(*params, se_ratio=se_ratio), **kwargs)


_x = partial(builder, make=_regnet)
_y = partial(builder, make=_regnet, se_ratio=0.25)

# After the names: depth, w_0, w_a, w_m and the group width (the paper's appendix).
regnet_y_400mf, RegNet_Y_400MF_Weights = _y("regnet_y_400mf", RegNet, 16, 48, 27.89, 2.09, 8)
regnet_y_800mf, RegNet_Y_800MF_Weights = _y("regnet_y_800mf", RegNet, 14, 56, 38.84, 2.4, 16)
regnet_y_1_6gf, RegNet_Y_1_6GF_Weights = _y("regnet_y_1_6gf", RegNet, 27, 48, 20.71, 2.65, 24)
regnet_y_3_2gf, RegNet_Y_3_2GF_Weights = _y("regnet_y_3_2gf", RegNet, 21, 80, 42.63, 2.66, 24)
regnet_y_8gf, RegNet_Y_8GF_Weights = _y("regnet_y_8gf", RegNet, 17, 192, 76.82, 2.19, 56)
regnet_y_16gf, RegNet_Y_16GF_Weights = _y("regnet_y_16gf", RegNet, 18, 200, 106.23, 2.48, 112)
regnet_y_32gf, RegNet_Y_32GF_Weights = _y("regnet_y_32gf", RegNet, 20, 232, 115.89, 2.53, 232)
regnet_y_128gf, RegNet_Y_128GF_Weights = _y("regnet_y_128gf", RegNet, 27, 456, 160.83, 2.52, 264)
regnet_x_400mf, RegNet_X_400MF_Weights = _x("regnet_x_400mf", RegNet, 22, 24, 24.48, 2.54, 16)
regnet_x_800mf, RegNet_X_800MF_Weights = _x("regnet_x_800mf", RegNet, 16, 56, 35.73, 2.28, 16)
regnet_x_1_6gf, RegNet_X_1_6GF_Weights = _x("regnet_x_1_6gf", RegNet, 18, 80, 34.01, 2.25, 24)
regnet_x_3_2gf, RegNet_X_3_2GF_Weights = _x("regnet_x_3_2gf", RegNet, 25, 88, 26.31, 2.25, 48)
regnet_x_8gf, RegNet_X_8GF_Weights = _x("regnet_x_8gf", RegNet, 23, 80, 49.56, 2.88, 120)
regnet_x_16gf, RegNet_X_16GF_Weights = _x("regnet_x_16gf", RegNet, 22, 216, 55.59, 2.1, 128)
regnet_x_32gf, RegNet_X_32GF_Weights = _x("regnet_x_32gf", RegNet, 23, 320, 69.86, 2.0, 168)
