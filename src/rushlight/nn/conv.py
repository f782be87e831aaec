"""Convolutional layers."""

from __future__ import annotations

import math
from typing import Any

from ..ops.conv import several
from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _ConvNd(Module):
    """What the convolutional layers share."""

    __constants__ = [
        "stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels",
        "out_channels", "kernel_size",
    ]  # fmt: skip
    spatial: int
    transposed = False

    def _build(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
        output_padding: Any, groups: int, bias: bool, padding_mode: str, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        n = self.spatial
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError(
                f"in_channels must be divisible by groups, got {in_channels} and {groups}"
            )
        if out_channels % groups:
            raise ValueError(
                f"out_channels must be divisible by groups, got {out_channels} and {groups}"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string '{padding}', should be one of ['same', 'valid']"
            )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "padding_mode must be one of ['zeros', 'reflect', 'replicate', 'circular'], but got "
                f"padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = several(kernel_size, n, "kernel_size")
        self.stride = several(stride, n, "stride")
        self.padding = padding if isinstance(padding, str) else several(padding, n, "padding")
        self.dilation = several(dilation, n, "dilation")
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
        self.output_padding = several(output_padding, n, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        # PyTorch's name, which its own layers expect in a file.
        self._reversed_padding_repeated_twice = self._edges()
        channels = (
            (in_channels, out_channels // groups)
            if self.transposed
            else (out_channels, in_channels // groups)
        )
        self.weight = Parameter(empty(*channels, *self.kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new values for weight and bias."""
        # He et al. 2015 with a = sqrt(5) is uniform within 1 / sqrt(fan_in).
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight[0].numel()
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != (0,) * self.spatial:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.spatial:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * self.spatial:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def _edges(self) -> list[int]:
        """The padding as `pad` takes it: before and after, from the last dimension on."""
        if self.padding == "valid":
            return [0, 0] * self.spatial
        if self.padding == "same":
            totals = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation)]
            return [v for t in reversed(totals) for v in (t // 2, t - t // 2)]
        return [v for p in reversed(self.padding) for v in (p, p)]

    def _convolve(self, function: Any, input: Tensor) -> Tensor:
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return function(
                input, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
            )
        return function(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


_ARGS = """Args:
        in_channels, out_channels: the channels of input and output.
        kernel_size, stride, padding, dilation: an int, or one for each spatial dimension; ``padding`` may also be
            ``"same"`` or ``"valid"``.
        groups: into how many separate parts the channels are divided.
        bias: whether to add a learnt bias.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.

    Attributes:
        weight: ``(out_channels, in_channels / groups, *kernel_size)``, uniform within ``1 / sqrt(fan_in)`` at first.
        bias: ``(out_channels)``, likewise.
"""


class _Conv(_ConvNd):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ):  # fmt: skip
        super().__init__()
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip


class Conv1d(_Conv):
    __doc__ = f"""Convolution over ``(N, C, L)``.

    {_ARGS}
    >>> Conv1d(2, 3, 3)(rushlight.ones(1, 2, 5)).shape
    torch.Size([1, 3, 3])
    """
    spatial = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv1d, input)


class Conv2d(_Conv):
    __doc__ = f"""Convolution over ``(N, C, H, W)``.

    {_ARGS}
    >>> Conv2d(2, 3, 3)(rushlight.ones(1, 2, 5, 5)).shape
    torch.Size([1, 3, 3, 3])
    """
    spatial = 2

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv2d, input)


class Conv3d(_Conv):
    __doc__ = f"""Convolution over ``(N, C, D, H, W)``.

    {_ARGS}
    >>> Conv3d(2, 3, 3)(rushlight.ones(1, 2, 5, 5, 5)).shape
    torch.Size([1, 3, 3, 3, 3])
    """
    spatial = 3

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv3d, input)


class _ConvTranspose(_ConvNd):
    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives ``output_size``.

        Raises:
            ValueError: no output padding does.
        """
        if output_size is None:
            return self.output_padding
        n = self.spatial
        wanted = list(output_size)[-n:]
        smallest = [
            (m - 1) * s - 2 * p + d * (k - 1) + 1
            for m, k, s, p, d in zip(
                input.shape[-n:], self.kernel_size, self.stride, self.padding, self.dilation
            )
        ]
        largest = [low + s - 1 for low, s in zip(smallest, self.stride)]
        if len(wanted) != n or any(
            not low <= w <= high for w, low, high in zip(wanted, smallest, largest)
        ):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {smallest} to {largest} (for an "
                f"input of {list(input.shape[-n:])})"
            )
        return tuple(w - low for w, low in zip(wanted, smallest))

    def _reverse(self, function: Any, input: Tensor, output_size: Any) -> Tensor:
        return function(
            input, self.weight, self.bias, self.stride, self.padding, self._output_padding(input, output_size),
            self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over ``(N, C, L)``: `Conv1d` the other way round, which enlarges.

    >>> ConvTranspose1d(2, 3, 3, stride=2)(rushlight.ones(1, 2, 5)).shape
    torch.Size([1, 3, 11])
    """

    spatial = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._reverse(F.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over ``(N, C, H, W)``: `Conv2d` the other way round, which enlarges.

    >>> ConvTranspose2d(2, 3, 4, stride=2, padding=1)(rushlight.ones(1, 2, 5, 5)).shape
    torch.Size([1, 3, 10, 10])
    """

    spatial = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._reverse(F.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over ``(N, C, D, H, W)``: `Conv3d` the other way round, which enlarges.

    >>> ConvTranspose3d(2, 3, 2, stride=2)(rushlight.ones(1, 2, 2, 2, 2)).shape
    torch.Size([1, 3, 4, 4, 4])
    """

    spatial = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._reverse(F.conv_transpose3d, input, output_size)
