"""VGG: convolutions of 3x3 all the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import nn
from ...tensor import Tensor
from ._api import builder
from ._utils import fill

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

# The channels after each convolution; "M" is max pooling. The letters are the paper's.
cfgs: dict[str, list[int | str]] = {
    "A": [64, "M", 128, "M", *[256] * 2, "M", *[512] * 2, "M", *[512] * 2, "M"],
    "B": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 2, "M", *[512] * 2, "M", *[512] * 2, "M"],
    "D": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"],
    "E": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}


class VGG(nn.Module):
    """VGG: layers that find features, and three linear ones that tell the class.

    Args:
        features: ``(N, 3, H, W)`` to ``(N, 512, H', W')``; see `make_layers`.
        num_classes: the number of classes.
        init_weights: draw the first values as the paper does, rather than leave those of the layers.
        dropout: the probability of an element after the first two linear layers to be set to zero.

    Shape:
        ``(N, 3, H, W)``, of 32x32 or more, to ``(N, num_classes)``.

    Source: Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition".
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True,
        dropout: float = 0.5,
    ):  # fmt: skip
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            fill(
                self,
                conv=partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
                linear=partial(nn.init.normal_, std=0.01),
            )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))  # (N, 512, 7, 7)
        return self.classifier(x.flatten(1))


def make_layers(cfg: list[int | str], batch_norm: bool = False) -> nn.Sequential:
    """The features of a VGG.

    Args:
        cfg: one of `cfgs`, or the like.
        batch_norm: whether each convolution is followed by batch normalisation.

    >>> make_layers([8, "M"])
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (1): ReLU(inplace=True)
      (2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    )
    """
    layers: list[nn.Module] = []
    channels = 3
    for wanted in cfg:
        if wanted == "M":
            layers.append(nn.MaxPool2d(2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, wanted, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(wanted))
        layers.append(nn.ReLU(inplace=True))
        channels = wanted
    return nn.Sequential(*layers)


def _vgg(cfg: str, batch_norm: bool, **kwargs: Any) -> VGG:
    return VGG(make_layers(cfgs[cfg], batch_norm), **kwargs)


def _pretrained(
    load: Callable[[VGG], VGG],
    cfg: str,
    batch_norm: bool,
    init_weights: bool = False,
    **kwargs: Any,
) -> VGG:
    return load(_vgg(cfg, batch_norm, init_weights=False, **kwargs))


_builder = partial(builder, make=_vgg, pretrained=_pretrained)

vgg11, VGG11_Weights = _builder("vgg11", VGG, "A", False)
vgg11_bn, VGG11_BN_Weights = _builder("vgg11_bn", VGG, "A", True)
vgg13, VGG13_Weights = _builder("vgg13", VGG, "B", False)
vgg13_bn, VGG13_BN_Weights = _builder("vgg13_bn", VGG, "B", True)
vgg16, VGG16_Weights = _builder("vgg16", VGG, "D", False)
vgg16_bn, VGG16_BN_Weights = _builder("vgg16_bn", VGG, "D", True)
vgg19, VGG19_Weights = _builder("vgg19", VGG, "E", False)
vgg19_bn, VGG19_BN_Weights = _builder("vgg19_bn", VGG, "E", True)
