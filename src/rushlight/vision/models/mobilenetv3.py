"""MobileNet v3: blocks found by search, with squeeze and excitation and hard-swish."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...tensor import Tensor
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import builder
from ._utils import _make_divisible, fill

__all__ = [
    "MobileNetV3",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
]

Norm = Callable[..., nn.Module]

_HardSqueezeExcitation = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """One block's settings.

    Args:
        input_channels: the channels of the input, before ``width_mult``.
        kernel: the middle convolution's size.
        expanded_channels: the channels inside, before ``width_mult``.
        out_channels: the channels of the output, before ``width_mult``.
        use_se: whether there is squeeze and excitation.
        activation: ``"RE"`` for ReLU, ``"HS"`` for hard-swish.
        stride: the middle convolution's.
        dilation: likewise; above 1 it takes the stride's place.
        width_mult: a factor for the channels.
    """

    def __init__(
        self, input_channels: int, kernel: int, expanded_channels: int, out_channels: int,
        use_se: bool, activation: str, stride: int, dilation: int, width_mult: float,
    ):  # fmt: skip
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """``channels * width_mult``, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a larger one on each by itself, one back to few.

    The result is added to the input where both have the same shape.

    Args:
        cnf: the settings.
        norm_layer: called with a number of channels.
        se_layer: called with the channels inside and a quarter of them.

    Raises:
        ValueError: the stride is neither 1 nor 2.
    """

    def __init__(
        self, cnf: InvertedResidualConfig, norm_layer: Norm,
        se_layer: Callable[..., nn.Module] = _HardSqueezeExcitation,
    ):  # fmt: skip
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ValueError(f"illegal stride value {cnf.stride}: 1 or 2 expected")
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer)
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        inside = cnf.expanded_channels
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        layers: list[nn.Module] = []
        if inside != cnf.input_channels:
            layers.append(unit(cnf.input_channels, inside, 1, activation_layer=activation))
        layers.append(
            unit(
                inside,
                inside,
                cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=inside,
                activation_layer=activation,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(inside, _make_divisible(inside // 4, 8)))
        layers.append(unit(inside, cnf.out_channels, 1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """MobileNet v3.

    Args:
        inverted_residual_setting: the settings of each block.
        last_channel: the size before the last layer.
        num_classes: the number of classes.
        block: `InvertedResidual` if None.
        norm_layer: called with a number of channels; batch normalisation of ``eps`` 0.001 and
            ``momentum`` 0.01 if None.
        dropout: the probability of an element before the last layer to be set to zero.
        kwargs: are not looked at.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Raises:
        TypeError: ``inverted_residual_setting`` is not a list of `InvertedResidualConfig`.
        ValueError: it is empty.

    Source: Howard et al. 2019, "Searching for MobileNetV3".
    """

    def __init__(
        self, inverted_residual_setting: list[InvertedResidualConfig], last_channel: int,
        num_classes: int = 1000, block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None, dropout: float = 0.2, **kwargs: Any,
    ):  # fmt: skip
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not all(isinstance(cnf, InvertedResidualConfig) for cnf in setting):
            raise TypeError(
                "The inverted_residual_setting should be List[InvertedResidualConfig], got "
                + ", ".join(sorted({type(cnf).__name__ for cnf in setting}))
            )
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        unit = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.Hardswish)
        first, last = setting[0].input_channels, setting[-1].out_channels
        self.features = nn.Sequential(
            unit(3, first, stride=2),
            *[block(cnf, norm_layer) for cnf in setting],
            unit(last, 6 * last, 1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        fill(
            self,
            conv=partial(nn.init.kaiming_normal_, mode="fan_out"),
            linear=partial(nn.init.normal_, std=0.01),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))


# Tables 1 and 2 of the paper, and the size before the last layer: for each block the kernel, the
# channels inside and after it, squeeze and excitation, the activation, the stride. The last three
# are the tail, which can be halved or dilated.
_BLOCKS = {
    "mobilenet_v3_large": (
        [
            (3, 16, 16, False, "RE", 1),
            (3, 64, 24, False, "RE", 2),
            (3, 72, 24, False, "RE", 1),
            (5, 72, 40, True, "RE", 2),
            (5, 120, 40, True, "RE", 1),
            (5, 120, 40, True, "RE", 1),
            (3, 240, 80, False, "HS", 2),
            (3, 200, 80, False, "HS", 1),
            (3, 184, 80, False, "HS", 1),
            (3, 184, 80, False, "HS", 1),
            (3, 480, 112, True, "HS", 1),
            (3, 672, 112, True, "HS", 1),
            (5, 672, 160, True, "HS", 2),
            (5, 960, 160, True, "HS", 1),
            (5, 960, 160, True, "HS", 1),
        ],
        1280,
    ),
    "mobilenet_v3_small": (
        [
            (3, 16, 16, True, "RE", 2),
            (3, 72, 24, False, "RE", 2),
            (3, 88, 24, False, "RE", 1),
            (5, 96, 40, True, "HS", 2),
            (5, 240, 40, True, "HS", 1),
            (5, 240, 40, True, "HS", 1),
            (5, 120, 48, True, "HS", 1),
            (5, 144, 48, True, "HS", 1),
            (5, 288, 96, True, "HS", 2),
            (5, 576, 96, True, "HS", 1),
            (5, 576, 96, True, "HS", 1),
        ],
        1024,
    ),
}


def _mobilenet_v3_conf(
    arch: str, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False
) -> tuple[list[InvertedResidualConfig], int]:
    """The settings of all blocks, and the size before the last layer.

    Args:
        arch: ``"mobilenet_v3_large"`` or ``"mobilenet_v3_small"``.
        width_mult: a factor for all channels.
        reduced_tail: halve the channels of the last three blocks and of what follows.
        dilated: spread the kernels of the last three blocks instead of halving the size.
    """
    blocks, last_channel = _BLOCKS[arch]
    divisor = 2 if reduced_tail else 1
    tail = len(blocks) - 3
    setting = []
    channels = 16
    for i, (kernel, inside, outputs, use_se, activation, stride) in enumerate(blocks):
        if i >= tail:
            outputs //= divisor
        if i > tail:
            inside //= divisor
        dilation = 2 if dilated and i >= tail else 1
        setting.append(
            InvertedResidualConfig(
                channels, kernel, inside, outputs, use_se, activation, stride, dilation, width_mult
            )
        )
        channels = outputs
    adjusted = InvertedResidualConfig.adjust_channels(last_channel // divisor, width_mult)
    return setting, adjusted


def _mobilenet_v3(
    arch: str, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False,
    **kwargs: Any,
) -> MobileNetV3:  # fmt: skip
    setting, last_channel = _mobilenet_v3_conf(arch, width_mult, reduced_tail, dilated)
    return MobileNetV3(setting, last_channel, **kwargs)


mobilenet_v3_large, MobileNet_V3_Large_Weights = builder(
    "mobilenet_v3_large", MobileNetV3, "mobilenet_v3_large", make=_mobilenet_v3
)
mobilenet_v3_small, MobileNet_V3_Small_Weights = builder(
    "mobilenet_v3_small", MobileNetV3, "mobilenet_v3_small", make=_mobilenet_v3
)
