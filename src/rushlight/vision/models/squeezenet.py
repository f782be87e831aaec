"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters."""

from __future__ import annotations

from ... import nn
from ...ops.join import cat
from ...tensor import Tensor
from ._api import builder
from ._utils import fill

__all__ = [
    "SqueezeNet",
    "SqueezeNet1_0_Weights",
    "SqueezeNet1_1_Weights",
    "squeezenet1_0",
    "squeezenet1_1",
]

# For each version, the first convolution's channels and kernel, and the channels of the fires:
# squeezed, and expanded by each of the two kernels. "M" is max pooling.
_STAGES = {
    "1_0": (96, 7, ["M", (16, 64), (16, 64), (32, 128), "M", (32, 128), (48, 192), (48, 192), (64, 256),
                    "M", (64, 256)]),
    "1_1": (64, 3, ["M", (16, 64), (16, 64), "M", (32, 128), (32, 128), "M", (48, 192), (48, 192),
                    (64, 256), (64, 256)]),
}  # fmt: skip


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then ones of 1x1 and 3x3 side by side.

    Args:
        inplanes: the channels of the input.
        squeeze_planes: those after the first convolution.
        expand1x1_planes, expand3x3_planes: those after the two others.

    Shape:
        ``(N, inplanes, H, W)`` to ``(N, expand1x1_planes + expand3x3_planes, H, W)``.
    """

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ):
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        small = self.expand1x1_activation(self.expand1x1(x))
        large = self.expand3x3_activation(self.expand3x3(x))
        return cat([small, large], 1)


class SqueezeNet(nn.Module):
    """SqueezeNet.

    Args:
        version: ``"1_0"``, the paper's, or ``"1_1"``, which pools earlier and costs 2.4 times less.
        num_classes: the number of classes.
        dropout: the probability of an element before the last convolution to be set to zero.

    Shape:
        ``(N, 3, H, W)``, of 21x21 or more (17x17 for ``"1_1"``), to ``(N, num_classes)``.

    Raises:
        ValueError: there is no such version.

    Source: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters".
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        if version not in _STAGES:
            raise ValueError(
                f"Unsupported SqueezeNet version {version}: {' or '.join(_STAGES)} expected"
            )
        self.num_classes = num_classes
        channels, kernel, stages = _STAGES[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel, stride=2), nn.ReLU(inplace=True)]
        for stage in stages:
            if stage == "M":
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            else:
                squeezed, expanded = stage
                layers.append(Fire(channels, squeezed, expanded, expanded))
                channels = 2 * expanded
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Conv2d(channels, num_classes, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((1, 1)),
        )
        last = self.classifier[1].weight
        fill(
            self,
            conv=lambda weight: (
                nn.init.normal_(weight, std=0.01)
                if weight is last
                else nn.init.kaiming_uniform_(weight)
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


squeezenet1_0, SqueezeNet1_0_Weights = builder("squeezenet1_0", SqueezeNet, "1_0")
squeezenet1_1, SqueezeNet1_1_Weights = builder("squeezenet1_1", SqueezeNet, "1_1")
