"""Convolution and transposed convolution in one to three spatial dimensions.

Three bilinear ops carry all of it: the convolution of `x` with `w`, its gradient with respect to `x`, and its
gradient with respect to `w`. Each one's gradients are the other two, so gradients of any order come free; a
transposed convolution is the second of them, used forward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backend import native
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor


class Geometry(NamedTuple):
    """How a kernel moves over its input, one entry for each spatial dimension.

    Attributes:
        stride: steps between neighbouring windows.
        padding: zeros before the input's first element.
        dilation: steps between neighbouring elements of the kernel.
        groups: into how many separate parts the channels are divided.
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def output(self, size: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """The spatial size of the convolution of an input of ``size``, padded alike on both sides."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, kernel, self.stride, self.padding, self.dilation)
        )

    def right(
        self, size: Sequence[int], kernel: Sequence[int], out: Sequence[int]
    ) -> tuple[int, ...]:
        """The zeros needed after the last element for ``out`` windows; negative where elements are not reached."""
        return tuple(
            (m - 1) * s + d * (k - 1) + 1 - n - p
            for n, k, m, s, p, d in zip(size, kernel, out, self.stride, self.padding, self.dilation)
        )


def _check(
    input: Tensor, weight: Tensor, bias: Tensor | None, outputs: int, inputs: int, g: Geometry
) -> None:
    """What convolution and transposed convolution both ask of their arguments.

    Args:
        outputs, inputs: the channels that ``bias`` and ``input`` must have.
    """
    x, w = input._array, weight._array
    if x.dtype != w.dtype:
        raise RuntimeError(
            f"Input type (torch.{input.dtype.name}) and weight type (torch.{weight.dtype.name}) should be the same: "
            f"convert the input with .to({weight.dtype})"
        )
    if x.ndim != w.ndim:
        raise RuntimeError(
            f"Expected {w.ndim - 1}D (unbatched) or {w.ndim}D (batched) input to conv{w.ndim - 2}d, but got input of "
            f"size: {list(x.shape)}"
        )
    if not isinstance(g.groups, (int, np.integer)):
        raise TypeError(f"groups must be an int, not {g.groups!r}")
    if g.groups < 1:
        raise RuntimeError(f"non-positive groups is not supported: groups={g.groups}")
    if any(s < 1 for s in g.stride):
        raise RuntimeError(f"non-positive stride is not supported: stride={g.stride}")
    if any(p < 0 for p in g.padding):
        raise RuntimeError(f"negative padding is not supported: padding={g.padding}")
    if any(d < 1 for d in g.dilation):
        raise RuntimeError(f"dilation should be greater than zero: dilation={g.dilation}")
    if w.shape[0] % g.groups:
        raise RuntimeError(
            f"Given groups={g.groups}, expected weight to be divisible by {g.groups} at dimension 0, but got "
            f"weight of size {list(w.shape)} instead"
        )
    if x.shape[1] != inputs:
        raise RuntimeError(
            f"Given groups={g.groups}, weight of size {list(w.shape)}, expected input{list(x.shape)} to have "
            f"{inputs} channels, but got {x.shape[1]} channels instead"
        )
    if bias is not None and bias._array.shape != (outputs,):
        raise RuntimeError(
            f"Given weight of size {list(w.shape)}, expected bias to be 1-dimensional with {outputs} elements, but "
            f"got bias of size {list(bias.shape)} instead"
        )
    if 0 in w.shape:
        raise RuntimeError(
            f"expected weight to be at least 1 at every dimension, but got weight of size {list(w.shape)} instead"
        )
    if 0 in x.shape[1:]:
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {list(x.shape)}"
        )


def _windows(
    xp: Any, x: np.ndarray, kernel: Sequence[int], out: Sequence[int], g: Geometry
) -> np.ndarray:
    """A view ``(N, C, *out, *kernel)`` of the padded input: what each window sees."""
    right = g.right(x.shape[2:], kernel, out)
    pad = [(0, 0), (0, 0), *((p, max(r, 0)) for p, r in zip(g.padding, right))]
    if any(before or after for before, after in pad):
        x = xp.pad(x, pad)
    step = x.strides[2:]
    return xp.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *out, *kernel),
        (
            *x.strides[:2],
            *(t * s for t, s in zip(step, g.stride)),
            *(t * d for t, d in zip(step, g.dilation)),
        ),
        writeable=False,
    )


@primitive(
    uniform=True, layout="channels_last", node_name="ConvolutionBackward0", autocast="lower",
    kept_for={"input": ["weight"], "weight": ["input"]},
)  # fmt: skip
def convolution(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Spec:
    """The convolution of ``(N, C, *in)`` with ``(O, C / groups, *kernel)``, plus ``bias`` ``(O,)``."""
    x, w = input._array, weight._array
    _check(input, weight, bias, w.shape[0], w.shape[1] * geometry.groups, geometry)
    out = geometry.output(x.shape[2:], w.shape[2:])
    if min(out, default=1) <= 0:
        padded = " x ".join(str(n + 2 * p) for n, p in zip(x.shape[2:], geometry.padding))
        kernel = " x ".join(str(d * (k - 1) + 1) for k, d in zip(w.shape[2:], geometry.dilation))
        raise RuntimeError(
            f"Calculated padded input size per channel: ({padded}). Kernel size: ({kernel}). "
            "Kernel size can't be greater than actual input size"
        )
    return Spec((x.shape[0], w.shape[0], *out), input.dtype)


@convolution.kernel("cpu", "cuda")
def _convolution(xp, x, w, bias, geometry):
    out = geometry.output(x.shape[2:], w.shape[2:])
    result = _convolve(xp, x, w, out, geometry)
    if bias is not None:
        result += bias.reshape(-1, *[1] * len(out))
    return result


def _convolve(xp, x, w, out, geometry):
    groups, spatial = geometry.groups, len(out)
    windows = _windows(xp, x, w.shape[2:], out, geometry)
    o, c = w.shape[0] // groups, w.shape[1]
    result = xp.empty((x.shape[0], w.shape[0], *out), x.dtype)
    # (N, c, *out, *kernel) x (o, c, *kernel) over c and the kernel's dimensions
    axes = [1, *range(2 + spatial, 2 + 2 * spatial)]
    for i in range(groups):
        part = xp.tensordot(
            windows[:, i * c : (i + 1) * c],
            w[i * o : (i + 1) * o],
            (axes, list(range(1, 2 + spatial))),
        )
        result[:, i * o : (i + 1) * o] = xp.moveaxis(part, -1, 1)
    return result


@convolution.kernel("cpu", when=lambda x, w, bias, geometry: _fast(x, w))
def _convolution_onednn(xp, x, w, bias, geometry):
    out = native.channels_last((x.shape[0], w.shape[0], *geometry.output(x.shape[2:], w.shape[2:])))
    stride, padding, dilation, groups = geometry
    native.extension.conv_forward(x, w, bias, out, stride, padding, dilation, groups)
    return out


def _planar(x: np.ndarray, outputs: int, kernel: Sequence[int], geometry: Geometry) -> bool:
    """Whether the loops over planar memory are right, and faster than oneDNN: few outputs, long rows.

    oneDNN fills its vectors with channels, of which few leave them mostly empty.
    """
    return (
        x.dtype is native.float32
        and x.ndim == 4
        and outputs <= 8
        and x.shape[1] <= 8
        and x.shape[3] >= 12
        and x.size > 0
        and x.flags.c_contiguous
        and geometry[0] == (1, 1)
        and geometry[2:] == ((1, 1), 1)
        and min(geometry.output(x.shape[2:], kernel)) > 0
    )


@convolution.kernel(
    "cpu", when=lambda x, w, bias, geometry: _planar(x, w.shape[0], w.shape[2:], geometry)
)
def _convolution_planar(xp, x, w, bias, geometry):
    out = np.empty((x.shape[0], w.shape[0], *geometry.output(x.shape[2:], w.shape[2:])), np.float32)
    w = np.ascontiguousarray(w)
    native.extension.conv_planar(x, w, bias, out, geometry.padding, False)
    return out


def _fast(x: np.ndarray, w: np.ndarray) -> bool:
    return x.dtype is native.float32 and x.size > 0 and w.size > 0 and x.ndim <= 5


@convolution.vjp
def _convolution_vjp(g, input, weight, input_shape, weight_shape, geometry, needs):
    gx = gw = gb = None
    if needs[0]:
        gx = convolution_input_gradient(g, weight, input_shape[2:], geometry)
    if needs[1] and needs[2]:
        gw, gb = convolution_weight_bias_gradient(g, input, weight_shape[2:], geometry)
    elif needs[1]:
        gw = convolution_weight_gradient(g, input, weight_shape[2:], geometry)
    elif needs[2]:
        gb = g.sum((0, *range(2, g.ndim)))
    return gx, gw, gb


def _convolution_oracle(x, w, bias, geometry):
    """By the definition: one product for each element of the kernel."""
    stride, padding, dilation, groups = geometry
    out = geometry.output(x.shape[2:], w.shape[2:])
    right = geometry.right(x.shape[2:], w.shape[2:], out)
    x = np.pad(x, [(0, 0), (0, 0), *((p, max(r, 0)) for p, r in zip(padding, right))])
    result = np.zeros((x.shape[0], w.shape[0], *out))
    o, c = w.shape[0] // groups, w.shape[1]
    for place in np.ndindex(*w.shape[2:]):
        seen = x[
            (slice(None), slice(None))
            + tuple(
                slice(k * d, k * d + (m - 1) * s + 1, s)
                for k, d, m, s in zip(place, dilation, out, stride)
            )
        ]
        for i in range(groups):
            result[:, i * o : (i + 1) * o] += np.einsum(
                "nc...,oc->no...",
                seen[:, i * c : (i + 1) * c],
                w[(slice(i * o, (i + 1) * o), slice(None)) + place],
            )
    return result if bias is None else result + bias.reshape(-1, *[1] * len(out))


convolution.oracle(_convolution_oracle)


@convolution.samples
def _convolution_samples(make):
    plain = Geometry((1, 1), (0, 0), (1, 1), 1)
    yield call(make(2, 3, 5, 6), make(4, 3, 3, 2), make(4), plain)
    yield call(make(2, 3, 5, 6), make(4, 3, 3, 3), None, Geometry((2, 1), (1, 2), (1, 1), 1))
    yield call(make(2, 4, 6, 6), make(6, 2, 3, 3), make(6), Geometry((1, 2), (1, 0), (2, 1), 2))
    yield call(make(2, 4, 5, 5), make(4, 1, 3, 3), make(4), Geometry((1, 1), (1, 1), (1, 1), 4))
    yield call(make(2, 3, 7), make(4, 3, 3), make(4), Geometry((2,), (1,), (1,), 1))
    yield call(
        make(1, 2, 4, 4, 4),
        make(3, 2, 2, 2, 2),
        make(3),
        Geometry((1,) * 3, (0, 1, 0), (1,) * 3, 1),
    )
    yield call(make(1, 1, 3, 13), make(3, 1, 2, 3), make(3), Geometry((1, 1), (1, 2), (1, 1), 1))


@convolution.rejects
def _convolution_rejects(make):
    plain = Geometry((1, 1), (0, 0), (1, 1), 1)
    yield reject(
        RuntimeError,
        "to have 3 channels, but got 2",
        make(1, 2, 5, 5),
        make(4, 3, 3, 3),
        None,
        plain,
    )
    yield reject(
        RuntimeError,
        "Kernel size can't be greater",
        make(1, 3, 2, 2),
        make(4, 3, 3, 3),
        None,
        plain,
    )
    yield reject(
        RuntimeError,
        "bias to be 1-dimensional with 4",
        make(1, 3, 5, 5),
        make(4, 3, 3, 3),
        make(3),
        plain,
    )
    yield reject(
        RuntimeError,
        "non-positive stride",
        make(1, 3, 5, 5),
        make(4, 3, 3, 3),
        None,
        plain._replace(stride=(0, 1)),
    )


@primitive(uniform=True, layout="channels_last", node_name="ConvolutionBackward0", autocast="lower")
def convolution_input_gradient(
    g: Tensor, weight: Tensor, size: tuple[int, ...], geometry: Geometry
) -> Spec:
    """The gradient of `convolution` with respect to its input of spatial ``size``, from that of its output."""
    return Spec((g._array.shape[0], weight._array.shape[1] * geometry.groups, *size), g.dtype)


@convolution_input_gradient.kernel("cpu", "cuda")
def _convolution_input_gradient(xp, g, w, size, geometry):
    stride, padding, dilation, groups = geometry
    kernel, out = w.shape[2:], g.shape[2:]
    right = geometry.right(size, kernel, out)
    padded = [n + p + max(r, 0) for n, p, r in zip(size, padding, right)]
    o, c = w.shape[0] // groups, w.shape[1]
    result = xp.zeros((g.shape[0], c * groups, *padded), g.dtype)
    for place in np.ndindex(*kernel):
        seen = result[
            (slice(None), slice(None))
            + tuple(
                slice(k * d, k * d + (m - 1) * s + 1, s)
                for k, d, m, s in zip(place, dilation, out, stride)
            )
        ]
        for i in range(groups):
            part = xp.tensordot(
                g[:, i * o : (i + 1) * o],
                w[(slice(i * o, (i + 1) * o), slice(None)) + place],
                ((1,), (0,)),
            )
            seen[:, i * c : (i + 1) * c] += xp.moveaxis(part, -1, 1)
    inner = tuple(slice(p, p + n) for p, n in zip(padding, size))
    return xp.ascontiguousarray(result[(slice(None), slice(None)) + inner])


@convolution_input_gradient.kernel("cpu", when=lambda g, w, size, geometry: _fast(g, w))
def _convolution_input_gradient_onednn(xp, g, w, size, geometry):
    stride, padding, dilation, groups = geometry
    gx = native.channels_last((g.shape[0], w.shape[1] * groups, *size))
    native.extension.conv_backward_data(g, w, gx, stride, padding, dilation, groups)
    return gx


convolution_input_gradient.vjp(
    g=lambda gg, weight, geometry, g_shape: _exactly(gg, weight, geometry, g_shape[2:]),
    weight=lambda gg, g, geometry, weight_shape: convolution_weight_gradient(
        g, gg, weight_shape[2:], geometry
    ),
)


def _exactly(x: Tensor, weight: Tensor, geometry: Geometry, out: Sequence[int]) -> Tensor:
    """The convolution for ``out`` windows, where padding behind was chosen by the size of a gradient."""
    kernel = weight._array.shape[2:]
    missing = [
        max(r - p, 0)
        for r, p in zip(geometry.right(x._array.shape[2:], kernel, out), geometry.padding)
    ]
    if any(missing):
        from .pad import pad

        x = pad(x, [v for m in reversed(missing) for v in (0, m)])
    y = convolution(x, weight, None, geometry)
    return (
        y
        if y._array.shape[2:] == tuple(out)
        else y[(slice(None), slice(None), *[slice(0, m) for m in out])]
    )


@convolution_input_gradient.oracle
def _convolution_input_gradient_oracle(g, w, size, geometry):
    """By the definition: the input element by element, from the convolution of unit inputs."""
    n, c = g.shape[0], w.shape[1] * geometry.groups
    units = np.eye(c * math.prod(size)).reshape(-1, c, *size)
    out = g.shape[2:]
    answers = _convolution_oracle(units, w, None, geometry)
    answers = answers[(slice(None), slice(None), *[slice(0, m) for m in out])]
    flat = np.tensordot(g.reshape(n, -1), answers.reshape(len(units), -1), ((1,), (1,)))
    return flat.reshape(n, c, *size)


@convolution_input_gradient.samples
def _convolution_input_gradient_samples(make):
    yield call(make(2, 4, 3, 5), make(4, 3, 3, 2), (5, 6), Geometry((1, 1), (0, 0), (1, 1), 1))
    yield call(make(2, 4, 3, 3), make(4, 2, 3, 3), (6, 5), Geometry((2, 2), (1, 1), (1, 1), 2))


@primitive(uniform=True, node_name="ConvolutionBackward0", autocast="lower")
def convolution_weight_gradient(
    g: Tensor, input: Tensor, kernel: tuple[int, ...], geometry: Geometry
) -> Spec:
    """The gradient of `convolution` with respect to its weight of size ``kernel``, from that of its output."""
    return Spec((g._array.shape[1], input._array.shape[1] // geometry.groups, *kernel), g.dtype)


@convolution_weight_gradient.kernel("cpu", "cuda")
def _convolution_weight_gradient(xp, g, x, kernel, geometry):
    groups, spatial = geometry.groups, len(kernel)
    windows = _windows(xp, x, kernel, g.shape[2:], geometry)
    o, c = g.shape[1] // groups, x.shape[1] // groups
    axes = [0, *range(2, 2 + spatial)]
    parts = [
        xp.tensordot(g[:, i * o : (i + 1) * o], windows[:, i * c : (i + 1) * c], (axes, axes))
        for i in range(groups)
    ]
    return xp.concatenate(parts)


@convolution_weight_gradient.kernel("cpu", when=lambda g, x, kernel, geometry: _fast(x, g))
def _convolution_weight_gradient_onednn(xp, g, x, kernel, geometry):
    stride, padding, dilation, groups = geometry
    gw = np.empty((g.shape[1], x.shape[1] // groups, *kernel), np.float32)
    native.extension.conv_backward_weights(x, g, gw, None, stride, padding, dilation, groups)
    return gw


@convolution_weight_gradient.kernel(
    "cpu",
    when=lambda g, x, kernel, geometry: (
        _planar(x, g.shape[1], kernel, geometry)
        and g.shape[2:] == geometry.output(x.shape[2:], kernel)
    ),
)
def _convolution_weight_gradient_planar(xp, g, x, kernel, geometry):
    gw = np.empty((g.shape[1], x.shape[1], *kernel), np.float32)
    native.extension.conv_planar_weights(x, np.ascontiguousarray(g), gw, None, geometry.padding)
    return gw


convolution_weight_gradient.vjp(
    g=lambda gg, input, geometry, g_shape: _exactly(input, gg, geometry, g_shape[2:]),
    input=lambda gg, g, geometry, input_shape: convolution_input_gradient(
        g, gg, input_shape[2:], geometry
    ),
)


@convolution_weight_gradient.oracle
def _convolution_weight_gradient_oracle(g, x, kernel, geometry):
    o, c = g.shape[1], x.shape[1] // geometry.groups
    result = np.zeros((o, c, *kernel))
    for place in np.ndindex(o, c, *kernel):
        unit = np.zeros((o, c, *kernel))
        unit[place] = 1
        y = _convolution_oracle(x, unit, None, geometry)
        result[place] = (
            y[(slice(None), slice(None), *[slice(0, m) for m in g.shape[2:]])] * g
        ).sum()
    return result


@convolution_weight_gradient.samples
def _convolution_weight_gradient_samples(make):
    yield call(make(2, 4, 3, 5), make(2, 3, 5, 6), (3, 2), Geometry((1, 1), (0, 0), (1, 1), 1))
    yield call(make(2, 4, 3, 3), make(2, 4, 6, 5), (3, 3), Geometry((2, 2), (1, 1), (1, 1), 2))


@primitive(uniform=True, node_name="ConvolutionBackward0", outputs=("gw", "gb"), autocast="lower")
def convolution_weight_bias_gradient(
    g: Tensor, input: Tensor, kernel: tuple[int, ...], geometry: Geometry
) -> tuple[Spec, Spec]:
    """`convolution_weight_gradient`, and the gradient of the bias from the same pass."""
    outputs = g._array.shape[1]
    return (
        Spec((outputs, input._array.shape[1] // geometry.groups, *kernel), g.dtype),
        Spec((outputs,), g.dtype),
    )


@convolution_weight_bias_gradient.kernel("cpu", "cuda")
def _convolution_weight_bias_gradient(xp, g, x, kernel, geometry):
    gb = xp.add.reduce(g, (0, *range(2, g.ndim)))
    return _convolution_weight_gradient(xp, g, x, kernel, geometry), gb


@convolution_weight_bias_gradient.kernel("cpu", when=lambda g, x, kernel, geometry: _fast(x, g))
def _convolution_weight_bias_gradient_onednn(xp, g, x, kernel, geometry):
    stride, padding, dilation, groups = geometry
    gw = np.empty((g.shape[1], x.shape[1] // groups, *kernel), np.float32)
    gb = np.empty(g.shape[1], np.float32)
    native.extension.conv_backward_weights(x, g, gw, gb, stride, padding, dilation, groups)
    return gw, gb


@convolution_weight_bias_gradient.kernel(
    "cpu",
    when=lambda g, x, kernel, geometry: (
        _planar(x, g.shape[1], kernel, geometry)
        and g.shape[2:] == geometry.output(x.shape[2:], kernel)
    ),
)
def _convolution_weight_bias_gradient_planar(xp, g, x, kernel, geometry):
    gw = np.empty((g.shape[1], x.shape[1], *kernel), np.float32)
    gb = np.empty(g.shape[1], np.float32)
    native.extension.conv_planar_weights(x, np.ascontiguousarray(g), gw, gb, geometry.padding)
    return gw, gb


@convolution_weight_bias_gradient.vjp
def _convolution_weight_bias_gradient_vjp(gradients, g, input, geometry):
    ggw, ggb = gradients
    to_g = to_x = None
    if ggw is not None:
        to_g = _exactly(input, ggw, geometry, g._array.shape[2:])
        to_x = convolution_input_gradient(g, ggw, input._array.shape[2:], geometry)
    if ggb is not None:
        spread = ggb.reshape(-1, *[1] * (g.ndim - 2)).expand(g._array.shape)
        to_g = spread if to_g is None else to_g + spread
    return to_g, to_x


@convolution_weight_bias_gradient.oracle
def _convolution_weight_bias_gradient_oracle(g, x, kernel, geometry):
    return _convolution_weight_gradient_oracle(g, x, kernel, geometry), g.sum(
        (0, *range(2, g.ndim))
    )


convolution_weight_bias_gradient.samples(_convolution_weight_gradient_samples)


# ---- the public functions -------------------------------------------------------------------------------


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
    globals()[function.__name__] = exported("torch", "nn.functional")(function)

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
    globals()[transposed.__name__] = exported("torch", "nn.functional")(transposed)


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
    _check(input, weight, bias, shape[1] * groups, shape[0], geometry)
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
