"""Convolution and transposed convolution in one to three spatial dimensions, as users call them."""

from __future__ import annotations

from typing import Any

from ..primitive import exported
from ..tensor import Tensor
from .convolution import Geometry, check, convolution, convolution_input_gradient


def several(value: Any, n: int, name: str) -> tuple[int, ...]:
    """``value`` for each of ``n`` spatial dimensions.

    Raises:
        RuntimeError: it is a sequence of another length.
        TypeError: it holds something that is no int.
    """
    if hasattr(value, "__index__"):
        return (value.__index__(),) * n
    try:
        values = tuple([v.__index__() for v in value])
    except (AttributeError, TypeError):
        raise TypeError(f"{name} must be an int or a tuple of {n} ints, not {value!r}") from None
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values, but got {list(values)}"
        )
    return values


def _batched(name: str, input: Tensor, n: int) -> tuple[Tensor, bool]:
    """``input`` with a batch dimension, and whether it had none."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if input._array.ndim == n + 1:
        return input.unsqueeze(0), True
    if input._array.ndim != n + 2:
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}"
        )
    return input, False


def _conv(
    n: int,
    input: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    name = f"conv{n}d"
    if not isinstance(weight, Tensor):
        raise TypeError(
            f"{name}(): argument 'weight' (position 2) must be Tensor, not {type(weight).__name__}"
        )
    if weight._array.ndim != n + 2:
        raise RuntimeError(
            f"{name}: weight must have {n + 2} dimensions (out_channels, in_channels / groups, *kernel), but has "
            f"shape {list(weight.shape)}"
        )
    input, alone = _batched(name, input, n)
    stride, dilation = several(stride, n, "stride"), several(dilation, n, "dilation")
    if isinstance(padding, str):
        input, padding = _named_padding(name, input, weight, padding, stride, dilation)
    out = convolution(
        input, weight, bias, Geometry(stride, several(padding, n, "padding"), dilation, groups)
    )
    return out.squeeze(0) if alone else out


def _named_padding(
    name: str, input: Tensor, weight: Tensor, padding: str, stride: tuple, dilation: tuple
) -> tuple:
    n = len(stride)
    if padding == "valid":
        return input, (0,) * n
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'; use 'same' or 'valid', or ints")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for k, d in zip(weight._array.shape[2:], dilation)]
    if any(t % 2 for t in total):
        # The odd element goes behind, as in PyTorch.
        from .pad import pad

        input = pad(input, [v for t in reversed(total) for v in (0, t % 2)])
    return input, tuple(t // 2 for t in total)


def _conv_function(n: int) -> None:
    def function(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        return _conv(n, input, weight, bias, stride, padding, dilation, groups)

    size = ", ".join("DHW"[-n:])
    function.__name__ = function.__qualname__ = f"conv{n}d"
    function.__doc__ = f"""Convolution over {n} spatial dimension{"s" if n > 1 else ""}.

    Args:
        input: ``(N, C, {size})``, or without ``N``.
        weight: ``(O, C / groups, *kernel)``, of the same dtype.
        bias: ``(O,)``.
        stride, dilation: an int, or one for each spatial dimension; at least 1.
        padding: likewise, at least 0; or ``"valid"`` (none) or ``"same"`` (the output is as large as the input).
        groups: into how many separate parts the channels are divided.

    Returns:
        ``(N, O, *out)`` with ``out = (in + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1``.

    Raises:
        RuntimeError: a shape, dtype or setting does not fit.

    >>> conv{n}d(rushlight.ones(1, 2{", 5" * n}), rushlight.ones(3, 2{", 3" * n})).shape
    torch.Size([1, 3{", 3" * n}])
    """
    globals()[function.__name__] = exported("torch", "nn.functional", autocast="lower")(function)

    def transposed(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Tensor:  # fmt: skip
        return _conv_transpose(
            n, input, weight, bias, stride, padding, output_padding, groups, dilation
        )

    transposed.__name__ = transposed.__qualname__ = f"conv_transpose{n}d"
    transposed.__doc__ = f"""The gradient of `conv{n}d`, forward: transposed convolution over ``({size})``.

    Args:
        input: ``(N, C, {size})``, or without ``N``.
        weight: ``(C, O / groups, *kernel)``, of the same dtype.
        bias: ``(O,)``.
        stride, padding, dilation: those of the convolution that this one reverses.
        output_padding: added to the size of the output on one side; less than ``stride`` or ``dilation``.
        groups: into how many separate parts the channels are divided.

    Returns:
        ``(N, O, *out)`` with ``out = (in - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1``.

    >>> conv_transpose{n}d(rushlight.ones(1, 2{", 3" * n}), rushlight.ones(2, 4{", 3" * n}), stride=2).shape
    torch.Size([1, 4{", 7" * n}])
    """
    globals()[transposed.__name__] = exported("torch", "nn.functional", autocast="lower")(
        transposed
    )


def _conv_transpose(n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    name = f"conv_transpose{n}d"
    if not isinstance(weight, Tensor) or weight._array.ndim != n + 2:
        raise RuntimeError(
            f"{name}: weight must be a tensor of {n + 2} dimensions (in_channels, out_channels / groups, *kernel)"
        )
    input, alone = _batched(name, input, n)
    geometry = Geometry(
        several(stride, n, "stride"),
        several(padding, n, "padding"),
        several(dilation, n, "dilation"),
        groups,
    )
    extra = several(output_padding, n, "output_padding")
    shape = weight._array.shape
    check(input, weight, bias, shape[1] * groups, shape[0], geometry)
    for e, s, d in zip(extra, geometry.stride, geometry.dilation):
        if not 0 <= e < max(s, d):
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but got output_padding: "
                f"{list(extra)}, stride: {list(geometry.stride)}, dilation: {list(geometry.dilation)}"
            )
    size = tuple(
        (m - 1) * s - 2 * p + d * (k - 1) + e + 1
        for m, k, e, s, p, d in zip(input._array.shape[2:], shape[2:], extra, *geometry[:3])
    )
    if min(size) <= 0:
        raise RuntimeError(
            f"Given input size per channel: {list(input.shape[2:])}. Calculated output size per channel: {list(size)}. "
            "Output size is too small"
        )
    out = convolution_input_gradient(input, weight, size, geometry)
    if bias is not None:
        out = out + bias.reshape(-1, *[1] * n)
    return out.squeeze(0) if alone else out


for _n in (1, 2, 3):
    _conv_function(_n)
