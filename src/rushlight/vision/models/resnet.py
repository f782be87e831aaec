"""ResNet, ResNeXt and wide ResNet: blocks that add to what goes past them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ... import nn
from ...tensor import Tensor
from ._api import builder
from ._utils import fill

__all__ = [
    "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights",
    "ResNeXt50_32X4D_Weights",
    "ResNet",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "Wide_ResNet101_2_Weights",
    "Wide_ResNet50_2_Weights",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "resnext50_32x4d",
    "wide_resnet101_2",
    "wide_resnet50_2",
]

Norm = Callable[..., nn.Module]


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1."""
    return nn.Conv2d(
        in_planes,
        out_planes,
        3,
        stride=stride,
        padding=dilation,
        groups=groups,
        bias=False,
        dilation=dilation,
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution."""
    return nn.Conv2d(in_planes, out_planes, 1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to their input.

    Args:
        inplanes: the channels of the input.
        planes: those of the output.
        stride: the first convolution's.
        downsample: brings the input to the shape of the output.
        groups, base_width, dilation: 1, 64 and 1; others are for `Bottleneck`.
        norm_layer: called with a number of channels; batch normalisation if None.

    Shape:
        ``(N, inplanes, H, W)`` to ``(N, planes, H / stride, W / stride)``.

    Raises:
        NotImplementedError: ``groups``, ``base_width`` or ``dilation`` is another.
    """

    expansion: int = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None,
    ):  # fmt: skip
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64; use Bottleneck")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock; use Bottleneck")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x += past
        return self.relu(x)


class Bottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1, added to their input; the middle one has fewer channels.

    The stride is the middle one's, not the first one's as in the paper: this is known as ResNet v1.5.

    Args:
        inplanes: the channels of the input.
        planes: a quarter of those of the output.
        stride: the middle convolution's.
        downsample: brings the input to the shape of the output.
        groups: the middle convolution's.
        base_width: the middle one's channels per group, where ``planes`` is 64.
        dilation: the middle one's.
        norm_layer: called with a number of channels; batch normalisation if None.

    Shape:
        ``(N, inplanes, H, W)`` to ``(N, 4 * planes, H / stride, W / stride)``.
    """

    expansion: int = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None,
    ):  # fmt: skip
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += past
        return self.relu(x)


class ResNet(nn.Module):
    """ResNet, and with ``groups`` or ``width_per_group`` ResNeXt and wide ResNet.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: how many blocks there are in each of the four stages.
        num_classes: the number of classes.
        zero_init_residual: start each block's last scale at 0, so that all blocks begin as the identity.
        groups: the groups of the 3x3 convolutions in `Bottleneck`.
        width_per_group: their channels per group in the first stage.
        replace_stride_with_dilation: for each of the last three stages, whether to keep the size and
            spread the kernels instead.
        norm_layer: called with a number of channels; batch normalisation if None.

    Shape:
        ``(N, 3, H, W)`` to ``(N, num_classes)``.

    Raises:
        ValueError: ``replace_stride_with_dilation`` has not three elements.

    Source: He et al. 2016, "Deep residual learning for image recognition"; Xie et al. 2017, "Aggregated
    residual transformations for deep neural networks"; Zagoruyko and Komodakis 2016, "Wide residual
    networks"; ``zero_init_residual``: Goyal et al. 2017, "Accurate, large minibatch SGD".
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], layers: list[int], num_classes: int = 1000,
        zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None, norm_layer: Norm | None = None,
    ):  # fmt: skip
        super().__init__()
        dilate = replace_stride_with_dilation or [False, False, False]
        if len(dilate) != 3:
            raise ValueError(
                f"replace_stride_with_dilation should be None or a 3-element tuple, got {dilate}"
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        fill(self, conv=partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"))
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, Bottleneck):
                    nn.init.zeros_(module.bn3.weight)
                elif isinstance(module, BasicBlock):
                    nn.init.zeros_(module.bn2.weight)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:  # fmt: skip
        """One stage, whose first block changes the shape."""
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        outputs = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != outputs:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, outputs, stride), self._norm_layer(outputs)
            )
        shared = (self.groups, self.base_width)
        stage = [
            block(
                self.inplanes, planes, stride, downsample, *shared, first_dilation, self._norm_layer
            )
        ]
        self.inplanes = outputs
        for _ in range(1, blocks):
            stage.append(block(outputs, planes, 1, None, *shared, self.dilation, self._norm_layer))
        return nn.Sequential(*stage)

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, C, H / 32, W / 32)
        x = self.avgpool(x)
        return self.fc(x.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


resnet18, ResNet18_Weights = builder("resnet18", ResNet, BasicBlock, [2, 2, 2, 2])
resnet34, ResNet34_Weights = builder("resnet34", ResNet, BasicBlock, [3, 4, 6, 3])
resnet50, ResNet50_Weights = builder("resnet50", ResNet, Bottleneck, [3, 4, 6, 3])
resnet101, ResNet101_Weights = builder("resnet101", ResNet, Bottleneck, [3, 4, 23, 3])
resnet152, ResNet152_Weights = builder("resnet152", ResNet, Bottleneck, [3, 8, 36, 3])
resnext50_32x4d, ResNeXt50_32X4D_Weights = builder(
    "resnext50_32x4d", ResNet, Bottleneck, [3, 4, 6, 3], fixed={"groups": 32, "width_per_group": 4}
)
resnext101_32x8d, ResNeXt101_32X8D_Weights = builder(
    "resnext101_32x8d",
    ResNet,
    Bottleneck,
    [3, 4, 23, 3],
    fixed={"groups": 32, "width_per_group": 8},
)
resnext101_64x4d, ResNeXt101_64X4D_Weights = builder(
    "resnext101_64x4d",
    ResNet,
    Bottleneck,
    [3, 4, 23, 3],
    fixed={"groups": 64, "width_per_group": 4},
)
wide_resnet50_2, Wide_ResNet50_2_Weights = builder(
    "wide_resnet50_2", ResNet, Bottleneck, [3, 4, 6, 3], fixed={"width_per_group": 128}
)
wide_resnet101_2, Wide_ResNet101_2_Weights = builder(
    "wide_resnet101_2", ResNet, Bottleneck, [3, 4, 23, 3], fixed={"width_per_group": 128}
)
