"""Activation layers."""

from __future__ import annotations

import warnings
from typing import Any

from ..ops.creation import full
from ..tensor import Tensor
from . import functional as F
from .module import Module
from .parameter import Parameter


class _Activation(Module):
    """A function of every element, with its settings as attributes.

    Attributes:
        function: its name in ``nn.functional``.
        settings: the names of the settings in the order in which it takes them; ``inplace`` shows in the repr only
            where it is True.
    """

    function: str
    settings: tuple[str, ...] = ()

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self.function)(input, *[getattr(self, name) for name in self.settings])

    def extra_repr(self) -> str:
        return ", ".join(
            f"{name}={getattr(self, name)}"
            for name in self.settings
            if name != "inplace" or self.inplace
        )


class _Inplace(_Activation):
    settings = ("inplace",)

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace


class ReLU(_Inplace):
    """The larger of each element and 0.

    Args:
        inplace: write into the input.

    >>> ReLU()(rushlight.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    __constants__ = ["inplace"]

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)


class ReLU6(_Inplace):
    """Each element, but at least 0 and at most 6."""

    function = "relu6"

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)
        # In PyTorch it is a Hardtanh, whose file has them.
        self.min_val, self.max_val = 0.0, 6.0

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class SiLU(_Inplace):
    """``x * sigmoid(x)``."""

    function = "silu"


class Mish(_Inplace):
    """``x * tanh(softplus(x))``."""

    function = "mish"


class SELU(_Inplace):
    """The self-normalising form of `ELU`."""

    function = "selu"


class Hardsigmoid(_Inplace):
    """The sigmoid made of three straight lines."""

    function = "hardsigmoid"

    def extra_repr(self) -> str:
        return ""


class Hardswish(_Inplace):
    """``x * hardsigmoid(x)``."""

    function = "hardswish"

    def extra_repr(self) -> str:
        return ""


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``.

    >>> Sigmoid()(rushlight.tensor([0.0]))
    tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return input.sigmoid()


class Tanh(Module):
    """The hyperbolic tangent.

    >>> Tanh()(rushlight.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return input.tanh()


class LeakyReLU(_Activation):
    """Each element, times ``negative_slope`` where it is negative."""

    function = "leaky_relu"
    settings = ("negative_slope", "inplace")

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace


class ELU(_Activation):
    """Each element, but ``alpha * (exp(x) - 1)`` where it is negative."""

    function = "elu"
    settings = ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class CELU(_Activation):
    """Each element, but ``alpha * (exp(x / alpha) - 1)`` where it is negative."""

    function = "celu"
    settings = ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class GELU(_Activation):
    """Each element times the normal distribution function of it.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for a faster formula.
    """

    function = "gelu"

    def __init__(self, approximate: str = "none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(_Activation):
    """The smooth form of `ReLU`: ``log(1 + exp(beta * x)) / beta``."""

    function = "softplus"
    settings = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold


class Softsign(_Activation):
    """``x / (1 + |x|)``."""

    function = "softsign"


class Tanhshrink(_Activation):
    """``x - tanh(x)``."""

    function = "tanhshrink"


class LogSigmoid(_Activation):
    """``log(sigmoid(x))``."""

    function = "logsigmoid"


class Softshrink(_Activation):
    """Each element moved towards 0 by ``lambd``; 0 within that distance."""

    function = "softshrink"

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Activation):
    """Each element, but 0 within ``lambd`` of 0."""

    function = "hardshrink"

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardtanh(_Activation):
    """Each element, but at least ``min_val`` and at most ``max_val``."""

    function = "hardtanh"
    settings = ("min_val", "max_val", "inplace")

    def __init__(
        self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, min_value: float | None = None,
        max_value: float | None = None,
    ):  # fmt: skip
        super().__init__()
        for old, new in ((min_value, "min_val"), (max_value, "max_val")):
            if old is not None:
                warnings.warn(
                    f"keyword argument `{new}ue` is deprecated and rename to `{new}`",
                    FutureWarning,
                    stacklevel=2,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"max_val must be larger than min_val, but got {self.max_val} and {self.min_val}"
            )


class Threshold(_Activation):
    """Each element where it is above ``threshold``, else ``value``."""

    function = "threshold"
    settings = ("threshold", "value", "inplace")

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace


class GLU(_Activation):
    """The first half of a dimension times the sigmoid of the second."""

    function = "glu"
    settings = ("dim",)

    def __init__(self, dim: int = -1):
        super().__init__()
        self.dim = dim


class PReLU(Module):
    """Each element, times a learnt slope where it is negative.

    Args:
        num_parameters: 1, or the number of channels.
        init: the slope at first.
    """

    __constants__ = ["num_parameters"]

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ):
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Starts the slope anew."""
        from . import init

        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _AlongDim(Module):
    __constants__ = ["dim"]
    function: str

    def __init__(self, dim: int | None = None):
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self.function)(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """Exponentials along a dimension, divided by their sum.

    >>> Softmax(dim=0)(rushlight.zeros(2))
    tensor([0.5000, 0.5000])
    """

    function = "softmax"


class Softmin(_AlongDim):
    """`Softmax` of the negative values."""

    function = "softmin"


class LogSoftmax(_AlongDim):
    """The logarithm of `Softmax`, exact for small probabilities.

    >>> LogSoftmax(dim=0)(rushlight.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    function = "log_softmax"


class Softmax2d(Module):
    """`Softmax` over the channels of ``(N, C, H, W)`` or ``(C, H, W)``."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3)
