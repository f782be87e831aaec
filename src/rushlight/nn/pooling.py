"""Pooling layers."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module


class _MaxPool(Module):
    """The largest element of every window.

    Args:
        kernel_size, stride, padding, dilation: an int, or one for each spatial dimension; ``stride`` is by default
            ``kernel_size``.
        return_indices: also give where each element was.
        ceil_mode: let a last window reach past the end.
    """

    __constants__ = ["kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode"]

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )

    def _pool(self, function: Any, input: Tensor) -> Any:
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool1d(_MaxPool):
    __doc__ = _MaxPool.__doc__

    def forward(self, input: Tensor) -> Any:
        return self._pool(F.max_pool1d, input)


class MaxPool2d(_MaxPool):
    __doc__ = _MaxPool.__doc__

    def forward(self, input: Tensor) -> Any:
        return self._pool(F.max_pool2d, input)


class MaxPool3d(_MaxPool):
    __doc__ = _MaxPool.__doc__

    def forward(self, input: Tensor) -> Any:
        return self._pool(F.max_pool3d, input)


class _MaxUnpool(Module):
    """The reverse of max pooling: zeros with every element at its index.

    Args:
        kernel_size, stride, padding: those of the pooling.
    """

    spatial: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        super().__init__()
        n = self.spatial
        self.kernel_size, self.stride, self.padding = (
            v if isinstance(v, tuple) else (v,) * n
            for v in (kernel_size, stride if stride is not None else kernel_size, padding)
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        function = getattr(F, f"max_unpool{self.spatial}d")
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    spatial = 1


class MaxUnpool2d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    spatial = 2


class MaxUnpool3d(_MaxUnpool):
    __doc__ = _MaxUnpool.__doc__
    spatial = 3


class AvgPool1d(Module):
    """The mean of every window of ``(N, C, L)``.

    Args:
        kernel_size, stride, padding: ints; ``stride`` is by default ``kernel_size``.
        ceil_mode: let a last window reach past the end.
        count_include_pad: count padding in the mean.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        single = lambda v: v if isinstance(v, tuple) else (v,)  # noqa: E731 - PyTorch shows tuples here
        self.kernel_size = single(kernel_size)
        self.stride = single(stride if stride is not None else kernel_size)
        self.padding = single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """The mean of every window.

    Args:
        kernel_size, stride, padding: an int, or one for each spatial dimension; ``stride`` is by default
            ``kernel_size``.
        ceil_mode: let a last window reach past the end.
        count_include_pad: count padding in the mean.
        divisor_override: divide by this instead of by the number of elements.
    """

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ):  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def _pool(self, function: Any, input: Tensor) -> Tensor:
        return function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class AvgPool2d(_AvgPool):
    __doc__ = _AvgPool.__doc__

    def forward(self, input: Tensor) -> Tensor:
        return self._pool(F.avg_pool2d, input)


class AvgPool3d(_AvgPool):
    __doc__ = _AvgPool.__doc__

    def forward(self, input: Tensor) -> Tensor:
        return self._pool(F.avg_pool3d, input)


class _AdaptivePool(Module):
    """Windows that divide the input into ``output_size`` parts.

    Args:
        output_size: an int, or one for each spatial dimension; None keeps a dimension's size.
        return_indices: also give where each element was (of the largest).
    """

    function: str
    __constants__ = ["output_size"]

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self.function)(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptivePool):
    __doc__ = _AdaptivePool.__doc__
    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptivePool):
    __doc__ = _AdaptivePool.__doc__
    function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptivePool):
    __doc__ = _AdaptivePool.__doc__
    function = "adaptive_avg_pool3d"


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return getattr(F, self.function)(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    __doc__ = _AdaptivePool.__doc__
    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    __doc__ = _AdaptivePool.__doc__
    function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    __doc__ = _AdaptivePool.__doc__
    function = "adaptive_max_pool3d"
