"""ShuffleNet v2: half of the channels pass by, then all are shuffled."""

from __future__ import annotations

from collections.abc import Callable

from ... import nn
from ...ops.join import cat
from ...tensor import Tensor
from ._api import builder

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The channels in the order: the first of each group, the second of each, and so on.

    Args:
        x: ``(N, C, H, W)``, ``C`` a multiple of ``groups``.
        groups: how many there are, one after the other.

    >>> channel_shuffle(rushlight.arange(6).view(1, 6, 1, 1), 2).flatten()
    tensor([0, 3, 1, 4, 2, 5])
    """
    n, channels, height, width = x.shape
    x = x.view(n, groups, channels // groups, height, width)
    return x.transpose(1, 2).reshape(n, channels, height, width)


class InvertedResidual(nn.Module):
    """At stride 1, one half of the channels through convolutions; else all of them, twice.

    Args:
        inp: the channels of the input.
        oup: those of the output.
        stride: 1 to 3.

    Shape:
        ``(N, inp, H, W)`` to ``(N, oup, H / stride, W / stride)``.

    Raises:
        ValueError: ``stride`` is another, or is 1 where the numbers of channels differ.
    """

    def __init__(self, inp: int, oup: int, stride: int):
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError(f"illegal stride value {stride}: 1 to 3 expected")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup}: at stride 1, "
                f"inp is {2 * half}"
            )
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(*_depthwise(inp, stride), *_pointwise(inp, half))
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else half, half),
            *_depthwise(half, stride),
            *_pointwise(half, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            past, inside = x.chunk(2, 1)
        else:
            past, inside = self.branch1(x), x
        return channel_shuffle(cat([past, self.branch2(inside)], 1), 2)


def _pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


class ShuffleNetV2(nn.Module):
    """ShuffleNet v2.

    Args:
        stages_repeats: how many blocks there are in each of the three stages.
        stages_out_channels: the channels after the first convolution, each stage and the last convolution.
        num_classes: the number of classes.
        inverted_residual: the class of the blocks.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Raises:
        ValueError: there are not three and five numbers.

    Source: Ma et al. 2018, "ShuffleNet V2: practical guidelines for efficient CNN architecture design".
    """

    def __init__(
        self, stages_repeats: list[int], stages_out_channels: list[int], num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ):  # fmt: skip
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError(f"expected stages_repeats as list of 3 ints, got {stages_repeats}")
        if len(stages_out_channels) != 5:
            raise ValueError(
                f"expected stages_out_channels as list of 5 ints, got {stages_out_channels}"
            )
        self._stage_out_channels = stages_out_channels
        first, *stages, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = first
        for number, blocks, outputs in zip((2, 3, 4), stages_repeats, stages):
            stage = nn.Sequential(inverted_residual(channels, outputs, 2))
            for _ in range(1, blocks):
                stage.append(inverted_residual(outputs, outputs, 1))
            setattr(self, f"stage{number}", stage)
            channels = outputs
        self.conv5 = nn.Sequential(*_pointwise(channels, last))
        self.fc = nn.Linear(last, num_classes)

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))  # (N, C, H / 4, W / 4)
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))  # (N, C, H / 32, W / 32)
        return self.fc(x.mean([2, 3]))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


_BLOCKS = [4, 8, 4]

shufflenet_v2_x0_5, ShuffleNet_V2_X0_5_Weights = builder(
    "shufflenet_v2_x0_5", ShuffleNetV2, _BLOCKS, [24, 48, 96, 192, 1024]
)
shufflenet_v2_x1_0, ShuffleNet_V2_X1_0_Weights = builder(
    "shufflenet_v2_x1_0", ShuffleNetV2, _BLOCKS, [24, 116, 232, 464, 1024]
)
shufflenet_v2_x1_5, ShuffleNet_V2_X1_5_Weights = builder(
    "shufflenet_v2_x1_5", ShuffleNetV2, _BLOCKS, [24, 176, 352, 704, 1024]
)
shufflenet_v2_x2_0, ShuffleNet_V2_X2_0_Weights = builder(
    "shufflenet_v2_x2_0", ShuffleNetV2, _BLOCKS, [24, 244, 488, 976, 2048]
)
