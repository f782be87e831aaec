"""DenseNet: every layer sees what all layers before it gave."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

from ... import nn
from ...nn import functional as F
from ...ops.join import cat
from ...tensor import Tensor
from ._api import builder
from ._utils import fill

__all__ = [
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]


class _DenseLayer(nn.Module):
    """Convolutions of 1x1 and 3x3, each after a normalisation and ReLU.

    Args:
        num_input_features: the channels of all inputs together.
        growth_rate: the channels of the output.
        bn_size: the channels between the convolutions, in units of ``growth_rate``.
        drop_rate: the probability of an output to be set to zero while training.
        memory_efficient: has no effect; PyTorch then keeps less, and computes it again in the backward
            pass, with the same result.
    """

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float,
        memory_efficient: bool = False,
    ):  # fmt: skip
        super().__init__()
        between = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, between, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(between)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(between, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def forward(self, input: Tensor | list[Tensor]) -> Tensor:
        x = input if isinstance(input, Tensor) else cat(input, 1)
        x = self.conv1(self.relu1(self.norm1(x)))
        x = self.conv2(self.relu2(self.norm2(x)))
        if self.drop_rate > 0:
            x = F.dropout(x, self.drop_rate, self.training)
        return x


class _DenseBlock(nn.ModuleDict):
    """Dense layers: each gets the block's input and the outputs of all before it.

    Args:
        num_layers: how many.
        num_input_features: the channels of the input.

    Shape:
        ``(N, num_input_features, H, W)`` to ``(N, num_input_features + num_layers * growth_rate, H, W)``.
    """

    _version = 2

    def __init__(
        self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int,
        drop_rate: float, memory_efficient: bool = False,
    ):  # fmt: skip
        super().__init__()
        for i in range(num_layers):
            self[f"denselayer{i + 1}"] = _DenseLayer(
                num_input_features + i * growth_rate,
                growth_rate,
                bn_size,
                drop_rate,
                memory_efficient,
            )

    def forward(self, init_features: Tensor) -> Tensor:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Half the height and width, and other channels.

    Shape:
        ``(N, num_input_features, H, W)`` to ``(N, num_output_features, H / 2, W / 2)``.
    """

    def __init__(self, num_input_features: int, num_output_features: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """DenseNet.

    Args:
        growth_rate: the channels that each layer adds (the paper's ``k``).
        block_config: how many layers there are in each block.
        num_init_features: the channels after the first convolution.
        bn_size: the channels between a layer's convolutions, in units of ``growth_rate``.
        drop_rate: the probability of a layer's output to be set to zero while training.
        num_classes: the number of classes.
        memory_efficient: has no effect; PyTorch then keeps less, and computes it again in the backward
            pass, with the same result.

    Shape:
        ``(N, 3, H, W)``, of 29x29 or more, to ``(N, num_classes)``.

    Source: Huang et al. 2017, "Densely connected convolutional networks".
    """

    def __init__(
        self, growth_rate: int = 32, block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0,
        num_classes: int = 1000, memory_efficient: bool = False,
    ):  # fmt: skip
        super().__init__()
        channels = num_init_features
        layers = OrderedDict(
            conv0=nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(channels),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        for i, count in enumerate(block_config, 1):
            layers[f"denseblock{i}"] = _DenseBlock(
                count, channels, bn_size, growth_rate, drop_rate, memory_efficient
            )
            channels += count * growth_rate
            if i < len(block_config):
                layers[f"transition{i}"] = _Transition(channels, channels // 2)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, num_classes)
        # The linear layer keeps its weight; its bias starts at 0.
        fill(self, conv=nn.init.kaiming_normal_, linear=lambda weight: None)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)  # (N, C, H / 32, W / 32)
        x = F.adaptive_avg_pool2d(x, (1, 1))
        return self.classifier(x.flatten(1))


def _renamed(state: dict[str, Any]) -> dict[str, Any]:
    """Weights under today's names; the published files have those of a time when points were allowed.

    >>> _renamed({"features.denseblock1.denselayer2.norm.1.weight": 0})
    {'features.denseblock1.denselayer2.norm1.weight': 0}
    """
    return {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)", r"\1\2", k): v
        for k, v in state.items()
    }


densenet121, DenseNet121_Weights = builder(
    "densenet121", DenseNet, 32, (6, 12, 24, 16), 64, rename=_renamed
)
densenet161, DenseNet161_Weights = builder(
    "densenet161", DenseNet, 48, (6, 12, 36, 24), 96, rename=_renamed
)
densenet169, DenseNet169_Weights = builder(
    "densenet169", DenseNet, 32, (6, 12, 32, 32), 64, rename=_renamed
)
densenet201, DenseNet201_Weights = builder(
    "densenet201", DenseNet, 32, (6, 12, 48, 32), 64, rename=_renamed
)
