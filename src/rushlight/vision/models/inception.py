"""Inception v3: large convolutions as several small ones."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from ... import nn
from ...nn import functional as F
from ...ops.join import cat
from ...tensor import Tensor
from ._api import builder
from ._utils import fill_truncated, from_minus_one_to_one
from .googlenet import BasicConv2d

__all__ = [
    "Inception3",
    "InceptionOutputs",
    "Inception_V3_Weights",
    "_InceptionOutputs",
    "inception_v3",
]

Layer = Callable[..., nn.Module]

# What the model gives while training.
InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
_InceptionOutputs = InceptionOutputs


class _Branches(nn.Module):
    """What the blocks share: branches of convolutions, whose results are joined."""

    def __init__(self, conv_block: Layer | None, **branches: tuple[int, int, int | tuple, int]):
        """Each branch's convolution by its name: channels before and after, kernel, stride.

        At stride 1 a convolution keeps the size; at stride 2 it has no padding.
        """
        super().__init__()
        for name, (inputs, outputs, kernel, stride) in branches.items():
            high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
            padding = (high // 2, wide // 2) if stride == 1 else 0
            conv = (conv_block or BasicConv2d)(
                inputs, outputs, kernel_size=kernel, stride=stride, padding=padding
            )
            setattr(self, name, conv)

    def run(self, x: Tensor, *names: str) -> Tensor:
        """``x`` through these convolutions, one after the other."""
        for name in names:
            x = getattr(self, name)(x)
        return x


class InceptionA(_Branches):
    """Branches of 1x1, 5x5, twice 3x3, and average pooling.

    Args:
        in_channels: the channels of the input.
        pool_features: those after the pooling branch.
        conv_block: the class of the convolutions; `BasicConv2d` if None.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, 224 + pool_features, H, W)``.
    """

    def __init__(self, in_channels: int, pool_features: int, conv_block: Layer | None = None):
        super().__init__(
            conv_block,
            branch1x1=(in_channels, 64, 1, 1),
            branch5x5_1=(in_channels, 48, 1, 1),
            branch5x5_2=(48, 64, 5, 1),
            branch3x3dbl_1=(in_channels, 64, 1, 1),
            branch3x3dbl_2=(64, 96, 3, 1),
            branch3x3dbl_3=(96, 96, 3, 1),
            branch_pool=(in_channels, pool_features, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch1x1(x),
            self.run(x, "branch5x5_1", "branch5x5_2"),
            self.run(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1)),
        ]
        return cat(branches, 1)


class InceptionB(_Branches):
    """Half the height and width: branches of 3x3, twice 3x3, and max pooling.

    Args:
        in_channels: the channels of the input.
        conv_block: the class of the convolutions; `BasicConv2d` if None.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, 480 + in_channels, (H - 1) // 2, (W - 1) // 2)``.
    """

    def __init__(self, in_channels: int, conv_block: Layer | None = None):
        super().__init__(
            conv_block,
            branch3x3=(in_channels, 384, 3, 2),
            branch3x3dbl_1=(in_channels, 64, 1, 1),
            branch3x3dbl_2=(64, 96, 3, 1),
            branch3x3dbl_3=(96, 96, 3, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch3x3(x),
            self.run(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            F.max_pool2d(x, 3, stride=2),
        ]
        return cat(branches, 1)


class InceptionC(_Branches):
    """Branches of 1x1, 7x7, twice 7x7, and average pooling; 7x7 is 1x7 and 7x1.

    Args:
        in_channels: the channels of the input.
        channels_7x7: those inside the larger branches.
        conv_block: the class of the convolutions; `BasicConv2d` if None.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, 768, H, W)``.
    """

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Layer | None = None):
        c = channels_7x7
        super().__init__(
            conv_block,
            branch1x1=(in_channels, 192, 1, 1),
            branch7x7_1=(in_channels, c, 1, 1),
            branch7x7_2=(c, c, (1, 7), 1),
            branch7x7_3=(c, 192, (7, 1), 1),
            branch7x7dbl_1=(in_channels, c, 1, 1),
            branch7x7dbl_2=(c, c, (7, 1), 1),
            branch7x7dbl_3=(c, c, (1, 7), 1),
            branch7x7dbl_4=(c, c, (7, 1), 1),
            branch7x7dbl_5=(c, 192, (1, 7), 1),
            branch_pool=(in_channels, 192, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch1x1(x),
            self.run(x, *(f"branch7x7_{i}" for i in (1, 2, 3))),
            self.run(x, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
            self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1)),
        ]
        return cat(branches, 1)


class InceptionD(_Branches):
    """Half the height and width: branches of 3x3, 7x7 and 3x3, and max pooling.

    Args:
        in_channels: the channels of the input.
        conv_block: the class of the convolutions; `BasicConv2d` if None.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, 512 + in_channels, (H - 1) // 2, (W - 1) // 2)``.
    """

    def __init__(self, in_channels: int, conv_block: Layer | None = None):
        super().__init__(
            conv_block,
            branch3x3_1=(in_channels, 192, 1, 1),
            branch3x3_2=(192, 320, 3, 2),
            branch7x7x3_1=(in_channels, 192, 1, 1),
            branch7x7x3_2=(192, 192, (1, 7), 1),
            branch7x7x3_3=(192, 192, (7, 1), 1),
            branch7x7x3_4=(192, 192, 3, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.run(x, "branch3x3_1", "branch3x3_2"),
            self.run(x, *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))),
            F.max_pool2d(x, 3, stride=2),
        ]
        return cat(branches, 1)


class InceptionE(_Branches):
    """Branches of 1x1, 3x3, twice 3x3, and average pooling; the last 3x3 is 1x3 and 3x1 side by side.

    Args:
        in_channels: the channels of the input.
        conv_block: the class of the convolutions; `BasicConv2d` if None.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, 2048, H, W)``.
    """

    def __init__(self, in_channels: int, conv_block: Layer | None = None):
        super().__init__(
            conv_block,
            branch1x1=(in_channels, 320, 1, 1),
            branch3x3_1=(in_channels, 384, 1, 1),
            branch3x3_2a=(384, 384, (1, 3), 1),
            branch3x3_2b=(384, 384, (3, 1), 1),
            branch3x3dbl_1=(in_channels, 448, 1, 1),
            branch3x3dbl_2=(448, 384, 3, 1),
            branch3x3dbl_3a=(384, 384, (1, 3), 1),
            branch3x3dbl_3b=(384, 384, (3, 1), 1),
            branch_pool=(in_channels, 192, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.run(x, "branch3x3dbl_1", "branch3x3dbl_2")
        branches = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1)),
        ]
        return cat(branches, 1)


class InceptionAux(nn.Module):
    """A classifier half way, for training.

    Args:
        in_channels: the channels of the input.
        num_classes: the number of classes.
        conv_block: the class of the convolutions; `BasicConv2d` if None.

    Shape:
        ``(N, in_channels, H, W)``, of 17x17 or more, to ``(N, num_classes)``.
    """

    def __init__(self, in_channels: int, num_classes: int, conv_block: Layer | None = None):
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, stride=3)))  # (N, 768, H, W)
        x = F.adaptive_avg_pool2d(x, (1, 1))
        return self.fc(x.flatten(1))


class Inception3(nn.Module):
    """Inception v3.

    Args:
        num_classes: the number of classes.
        aux_logits: whether there is one more classifier half way, for training.
        transform_input: images come normalised by ImageNet's mean and deviation, but the weights are
            for a mean and deviation of 0.5.
        inception_blocks: the classes `BasicConv2d`, `InceptionA` to `InceptionE` and `InceptionAux`, or
            others in their places.
        init_weights: draw the first values from a truncated normal distribution (None does), rather
            than leave those of the layers.
        dropout: the probability of an element before the last layer to be set to zero.

    Shape:
        ``(N, 3, H, W)``, of 75x75 or more, to ``(N, num_classes)``; while training with ``aux_logits``
        of 299x299 or more, to a named tuple of two: ``logits`` and ``aux_logits``.

    Raises:
        RuntimeError: images are smaller.
        ValueError: ``inception_blocks`` has not seven elements.

    Source: Szegedy et al. 2016, "Rethinking the inception architecture for computer vision".
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        inception_blocks: list[Layer] | None = None, init_weights: bool | None = None,
        dropout: float = 0.5,
    ):  # fmt: skip
        super().__init__()
        blocks = inception_blocks or [
            BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux,
        ]  # fmt: skip
        if len(blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(blocks)}")
        conv, block_a, block_b, block_c, block_d, block_e, aux = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = block_a(192, pool_features=32)
        self.Mixed_5c = block_a(256, pool_features=64)
        self.Mixed_5d = block_a(288, pool_features=64)
        self.Mixed_6a = block_b(288)
        self.Mixed_6b = block_c(768, channels_7x7=128)
        self.Mixed_6c = block_c(768, channels_7x7=160)
        self.Mixed_6d = block_c(768, channels_7x7=160)
        self.Mixed_6e = block_c(768, channels_7x7=192)
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = block_d(768)
        self.Mixed_7b = block_e(1280)
        self.Mixed_7c = block_e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is None or init_weights:
            fill_truncated(self, 0.1)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        helps = self.training and self.aux_logits
        _check_size(x, 299 if helps else 75)
        if self.transform_input:
            x = from_minus_one_to_one(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (N, 64, 147, 147)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))  # (N, 192, 71, 71)
        x = self.maxpool2(x)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (N, 288, 35, 35)
        x = self.Mixed_6a(x)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))  # (N, 768, 17, 17)
        aux = self.AuxLogits(x) if helps else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (N, 2048, 8, 8)
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return InceptionOutputs(x, aux) if helps else x


def _check_size(x: Tensor, least: int) -> None:
    if min(x.shape[-2:]) < least:
        raise RuntimeError(
            f"Inception3 takes images of at least {least}x{least}"
            + (" while training with aux_logits" if least == 299 else "")
            + f", but got {tuple(x.shape)}; resize them, or "
            + ("build the model with aux_logits=False" if least == 299 else "take another model")
        )


def _pretrained(
    load: Callable[[Inception3], Inception3], aux_logits: bool = True,
    transform_input: bool = True, init_weights: bool | None = None, **kwargs: Any,
) -> Inception3:  # fmt: skip
    """Weights are for both classifiers."""
    model = load(Inception3(transform_input=transform_input, init_weights=False, **kwargs))
    if not aux_logits:
        model.aux_logits, model.AuxLogits = False, None
    return model


inception_v3, Inception_V3_Weights = builder("inception_v3", Inception3, pretrained=_pretrained)
