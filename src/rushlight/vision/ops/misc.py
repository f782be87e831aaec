"""Small blocks that many networks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import nn
from ...tensor import Tensor

__all__ = [
    "Conv2dNormActivation",
    "Conv3dNormActivation",
    "ConvNormActivation",
    "MLP",
    "Permute",
    "SqueezeExcitation",
]

Layer = Callable[..., nn.Module]


class ConvNormActivation(nn.Sequential):
    """A convolution, a normalisation and an activation, in this order.

    Args:
        in_channels: the channels of the input.
        out_channels: the channels of the output.
        kernel_size: an int, or one for each dimension.
        stride: likewise.
        padding: likewise; None keeps the size (at stride 1 and an odd kernel).
        groups: into how many groups the channels fall.
        norm_layer: called with ``out_channels``; None leaves it out.
        activation_layer: called with ``inplace``; None leaves it out.
        dilation: an int, or one for each dimension.
        inplace: whether the activation writes into its input; None where it takes no such argument.
        bias: whether the convolution has one; None: where there is no normalisation.
        conv_layer: the convolution's class.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int] = 3,
        stride: int | Sequence[int] = 1, padding: int | Sequence[int] | str | None = None,
        groups: int = 1, norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU, dilation: int | Sequence[int] = 1,
        inplace: bool | None = True, bias: bool | None = None, conv_layer: Layer = nn.Conv2d,
    ):  # fmt: skip
        if padding is None:
            padding = _same_size(kernel_size, dilation)
        if bias is None:
            bias = norm_layer is None
        layers = [
            conv_layer(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(_activation(activation_layer, inplace))
        super().__init__(*layers)
        self.out_channels = out_channels


def _same_size(kernel: int | Sequence[int], dilation: int | Sequence[int]) -> Any:
    """The padding that keeps the size.

    >>> _same_size(3, 1), _same_size((1, 5), 2)
    (1, (0, 4))
    """
    if isinstance(kernel, int) and isinstance(dilation, int):
        return (kernel - 1) // 2 * dilation
    dims = len(kernel) if isinstance(kernel, Sequence) else len(dilation)
    kernels = kernel if isinstance(kernel, Sequence) else (kernel,) * dims
    dilations = dilation if isinstance(dilation, Sequence) else (dilation,) * dims
    return tuple((k - 1) // 2 * d for k, d in zip(kernels, dilations))


def _activation(layer: Layer, inplace: bool | None) -> nn.Module:
    return layer() if inplace is None else layer(inplace=inplace)


class Conv2dNormActivation(ConvNormActivation):
    """`Conv2d`, a normalisation and an activation; the arguments are those of `ConvNormActivation`.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``.

    >>> Conv2dNormActivation(3, 8, stride=2)(rushlight.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 8, 16, 16])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int] = 3,
        stride: int | Sequence[int] = 1, padding: int | Sequence[int] | str | None = None,
        groups: int = 1, norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU, dilation: int | Sequence[int] = 1,
        inplace: bool | None = True, bias: bool | None = None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer,
            activation_layer, dilation, inplace, bias, nn.Conv2d,
        )  # fmt: skip


class Conv3dNormActivation(ConvNormActivation):
    """`Conv3d`, a normalisation and an activation; the arguments are those of `ConvNormActivation`.

    Shape:
        ``(N, in_channels, D, H, W)`` to ``(N, out_channels, D', H', W')``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int] = 3,
        stride: int | Sequence[int] = 1, padding: int | Sequence[int] | str | None = None,
        groups: int = 1, norm_layer: Layer | None = nn.BatchNorm3d,
        activation_layer: Layer | None = nn.ReLU, dilation: int | Sequence[int] = 1,
        inplace: bool | None = True, bias: bool | None = None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer,
            activation_layer, dilation, inplace, bias, nn.Conv3d,
        )  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Each channel times a factor that is learnt from the means of all channels.

    Args:
        input_channels: the channels of the input.
        squeeze_channels: the channels between the two layers that make the factors of the means.
        activation: follows the first layer.
        scale_activation: follows the second, and gives the factors.

    Shape:
        ``(N, input_channels, H, W)`` to the same.

    Source: Hu et al. 2018, "Squeeze-and-excitation networks".

    >>> SqueezeExcitation(8, 2)(rushlight.zeros(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self, input_channels: int, squeeze_channels: int, activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ):  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def _scale(self, input: Tensor) -> Tensor:
        squeezed = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(squeezed))

    def forward(self, input: Tensor) -> Tensor:
        return self._scale(input) * input


class MLP(nn.Sequential):
    """Linear layers, with an activation and dropout after each but the last, which has only dropout.

    Args:
        in_channels: the size of the input's last dimension.
        hidden_channels: the sizes after each layer.
        norm_layer: follows each linear layer but the last; called with its size.
        activation_layer: called with ``inplace``.
        inplace: whether activations and dropout write into their input; None is as they do by default.
        bias: whether the linear layers have one.
        dropout: the probability of an element to be set to zero while training.

    Shape:
        ``(*, in_channels)`` to ``(*, hidden_channels[-1])``.

    >>> MLP(4, [8, 2])(rushlight.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self, in_channels: int, hidden_channels: list[int], norm_layer: Layer | None = None,
        activation_layer: Layer | None = nn.ReLU, inplace: bool | None = None, bias: bool = True,
        dropout: float = 0.0,
    ):  # fmt: skip
        layers = []
        *hidden, last = hidden_channels
        for channels in hidden:
            layers.append(nn.Linear(in_channels, channels, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(channels))
            layers.append(_activation(activation_layer, inplace))
            layers.append(nn.Dropout(dropout, inplace=bool(inplace)))
            in_channels = channels
        layers.append(nn.Linear(in_channels, last, bias=bias))
        layers.append(nn.Dropout(dropout, inplace=bool(inplace)))
        super().__init__(*layers)


class Permute(nn.Module):
    """The dimensions in another order.

    Args:
        dims: the input's dimension for each of the output's.

    >>> Permute([0, 2, 3, 1])(rushlight.zeros(1, 3, 4, 5)).shape
    torch.Size([1, 4, 5, 3])
    """

    def __init__(self, dims: list[int]):
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)
