"""MNASNet: blocks found by a search that counts the time on a telephone."""

from __future__ import annotations

from functools import partial

from ... import nn
from ...tensor import Tensor
from ._api import builder
from ._utils import _make_divisible, fill

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]

# The authors give 0.9997 as the part of the old statistics that stays.
_BN_MOMENTUM = 1 - 0.9997

# For each stage: the channels, the kernel, the first block's stride, how much wider the blocks are
# inside, the number of blocks (figure 7 of the paper, B1).
_STAGES = [
    (24, 3, 2, 3, 3),
    (40, 5, 2, 3, 3),
    (80, 5, 2, 6, 3),
    (96, 3, 1, 6, 2),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
]


class _InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a larger one on each by itself, one back to few.

    The result is added to the input where both have the same shape.

    Args:
        in_ch: the channels of the input.
        out_ch: those of the output.
        kernel_size: the middle convolution's, 3 or 5.
        stride: likewise, 1 or 2.
        expansion_factor: the channels inside, in units of ``in_ch``.
        bn_momentum: the part of a batch's statistics in the new running ones.

    Raises:
        ValueError: ``kernel_size`` or ``stride`` is another.
    """

    def __init__(
        self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int,
        bn_momentum: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size}")
        inside = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, inside, 1, bias=False),
            nn.BatchNorm2d(inside, momentum=bn_momentum),
            nn.ReLU(inplace=True),
            *_depthwise(inside, kernel_size, stride, bn_momentum),
            nn.Conv2d(inside, out_ch, 1, bias=False),
            nn.BatchNorm2d(out_ch, momentum=bn_momentum),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _depthwise(channels: int, kernel: int, stride: int, momentum: float) -> list[nn.Module]:
    return [
        nn.Conv2d(
            channels,
            channels,
            kernel,
            stride=stride,
            padding=kernel // 2,
            groups=channels,
            bias=False,
        ),
        nn.BatchNorm2d(channels, momentum=momentum),
        nn.ReLU(inplace=True),
    ]


class MNASNet(nn.Module):
    """MNASNet, in the form B1.

    Args:
        alpha: a factor for the channels of all layers, above 0.
        num_classes: the number of classes.
        dropout: the probability of an element before the last layer to be set to zero.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Raises:
        ValueError: ``alpha`` is 0 or less.

    Source: Tan et al. 2019, "MnasNet: platform-aware neural architecture search for mobile".
    """

    # torchvision takes the first version for one whose first layers do not change with alpha.
    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2):
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        norm = partial(nn.BatchNorm2d, momentum=_BN_MOMENTUM)
        first, channels = _make_divisible(32 * alpha, 8), _make_divisible(16 * alpha, 8)
        layers = [
            nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False),
            norm(first),
            nn.ReLU(inplace=True),
            *_depthwise(first, 3, 1, _BN_MOMENTUM),
            nn.Conv2d(first, channels, 1, bias=False),
            norm(channels),
        ]
        for wanted, kernel, stride, expansion, blocks in _STAGES:
            outputs = _make_divisible(wanted * alpha, 8)
            stage = nn.Sequential()
            for i in range(blocks):
                stage.append(
                    _InvertedResidual(
                        channels, outputs, kernel, 1 if i else stride, expansion, _BN_MOMENTUM
                    )
                )
                channels = outputs
            layers.append(stage)
        layers += [nn.Conv2d(channels, 1280, 1, bias=False), norm(1280), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, inplace=True), nn.Linear(1280, num_classes)
        )
        fill(
            self,
            conv=partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
            linear=partial(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))


mnasnet0_5, MNASNet0_5_Weights = builder("mnasnet0_5", MNASNet, 0.5)
mnasnet0_75, MNASNet0_75_Weights = builder("mnasnet0_75", MNASNet, 0.75)
mnasnet1_0, MNASNet1_0_Weights = builder("mnasnet1_0", MNASNet, 1.0)
mnasnet1_3, MNASNet1_3_Weights = builder("mnasnet1_3", MNASNet, 1.3)
