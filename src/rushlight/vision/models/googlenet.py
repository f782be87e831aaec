"""GoogLeNet: convolutions of several sizes side by side."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from ... import nn
from ...nn import functional as F
from ...ops.join import cat
from ...tensor import Tensor
from ._api import builder
from ._utils import fill_truncated, from_minus_one_to_one

__all__ = [
    "GoogLeNet",
    "GoogLeNetOutputs",
    "GoogLeNet_Weights",
    "_GoogLeNetOutputs",
    "googlenet",
]

Layer = Callable[..., nn.Module]

# What the model gives while training.
GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])
_GoogLeNetOutputs = GoogLeNetOutputs


class BasicConv2d(nn.Module):
    """A convolution without bias, batch normalisation and ReLU.

    Args:
        in_channels, out_channels, kwargs: the convolution's.
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Convolutions of 1x1, 3x3 and again 3x3, and max pooling, joined.

    Args:
        in_channels: the channels of the input.
        ch1x1: the channels after the first branch.
        ch3x3red, ch3x3: those inside and after the second.
        ch5x5red, ch5x5: those inside and after the third, which is 5x5 in the paper.
        pool_proj: those after the fourth.
        conv_block: the class of the convolutions; `BasicConv2d` if None.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W)``.
    """

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
        pool_proj: int, conv_block: Layer | None = None,
    ):  # fmt: skip
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1),
            conv(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1),
            # The published weights are of 3x3.
            conv(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A classifier half way, for training.

    Args:
        in_channels: the channels of the input.
        num_classes: the number of classes.
        conv_block: the class of the convolution; `BasicConv2d` if None.
        dropout: the probability of an element before the last layer to be set to zero.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, num_classes)``.
    """

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: Layer | None = None,
        dropout: float = 0.7,
    ):  # fmt: skip
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4)))  # (N, 128, 4, 4)
        x = F.relu(self.fc1(x.flatten(1)), inplace=True)
        return self.fc2(self.dropout(x))


class GoogLeNet(nn.Module):
    """GoogLeNet, with batch normalisation; also known as Inception v1.

    Args:
        num_classes: the number of classes.
        aux_logits: whether there are two more classifiers half way, for training.
        transform_input: images come normalised by ImageNet's mean and deviation, but the weights are
            for a mean and deviation of 0.5.
        init_weights: draw the first values from a truncated normal distribution (None does), rather
            than leave those of the layers.
        blocks: the classes `BasicConv2d`, `Inception` and `InceptionAux`, or others in their places.
        dropout: the probability of an element before the last layer to be set to zero.
        dropout_aux: the same in the classifiers half way.

    Shape:
        ``(N, 3, H, W)``, of 15x15 or more, to ``(N, num_classes)``; while training with ``aux_logits``
        to a named tuple of three: ``logits``, ``aux_logits2`` and ``aux_logits1``.

    Raises:
        ValueError: ``blocks`` has not three elements.

    Source: Szegedy et al. 2015, "Going deeper with convolutions".
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        init_weights: bool | None = None, blocks: list[Layer] | None = None, dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ):  # fmt: skip
        super().__init__()
        blocks = blocks or [BasicConv2d, Inception, InceptionAux]
        if len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        conv, inception, aux = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is None or init_weights:
            fill_truncated(self, 0.01)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        helps = self.training and self.aux_logits
        if self.transform_input:
            x = from_minus_one_to_one(x)
        x = self.maxpool1(self.conv1(x))  # (N, 64, H / 4, W / 4)
        x = self.maxpool2(self.conv3(self.conv2(x)))  # (N, 192, H / 8, W / 8)
        x = self.maxpool3(self.inception3b(self.inception3a(x)))  # (N, 480, H / 16, W / 16)
        x = self.inception4a(x)
        aux1 = self.aux1(x) if helps else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if helps else None
        x = self.maxpool4(self.inception4e(x))  # (N, 832, H / 32, W / 32)
        x = self.avgpool(self.inception5b(self.inception5a(x)))  # (N, 1024, 1, 1)
        x = self.fc(self.dropout(x.flatten(1)))
        return GoogLeNetOutputs(x, aux2, aux1) if helps else x


def _pretrained(
    load: Callable[[GoogLeNet], GoogLeNet], aux_logits: bool = False, transform_input: bool = True,
    init_weights: bool | None = None, **kwargs: Any,
) -> GoogLeNet:  # fmt: skip
    """Weights are for all three classifiers, but those half way were not trained."""
    model = load(GoogLeNet(transform_input=transform_input, init_weights=False, **kwargs))
    if aux_logits:
        warnings.warn(
            "googlenet: the two classifiers half way are not trained yet (aux_logits=False leaves "
            "them out)",
            stacklevel=4,
        )
    else:
        model.aux_logits, model.aux1, model.aux2 = False, None, None
    return model


googlenet, GoogLeNet_Weights = builder("googlenet", GoogLeNet, pretrained=_pretrained)
