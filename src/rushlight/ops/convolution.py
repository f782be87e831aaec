"""The bilinear ops under every convolution.

There are three: the convolution of `x` with `w`, its gradient with respect to `x`, and its gradient with respect to
`w`. Each one's gradients are the other two, so gradients of any order come free; a transposed convolution is the
second of them, used forward.

Sums of half-precision products run in float32: within the extension where the processor has such instructions,
else the arrays are converted before and after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backend import native
from ..primitive import Spec, call, primitive, reject
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


def check(
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
    check(input, weight, bias, w.shape[0], w.shape[1] * geometry.groups, geometry)
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
    result = _convolve(xp, _summable(x), _summable(w), out, geometry)
    if bias is not None:
        result += bias.reshape(-1, *[1] * len(out))
    return result.astype(x.dtype, copy=False)


def _summable(x: np.ndarray) -> np.ndarray:
    """``x`` in a dtype in which sums are exact enough."""
    return x.astype(np.float32) if x.dtype in native.HALVES else x


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
    dtype = x.dtype
    x, w, bias = native.computable(x), native.computable(w), native.computable(bias)
    shape = (x.shape[0], w.shape[0], *geometry.output(x.shape[2:], w.shape[2:]))
    out = native.channels_last(shape, x.dtype)
    stride, padding, dilation, groups = geometry
    native.extension.conv_forward(x, w, bias, out, stride, padding, dilation, groups)
    return native.in_dtype(out, dtype)


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
    return (
        (x.dtype is native.float32 or x.dtype in native.HALVES)
        and x.size > 0
        and w.size > 0
        and x.ndim <= 5
    )


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
    dtype = g.dtype
    g, w = _summable(g), _summable(w)
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
    result = xp.ascontiguousarray(result[(slice(None), slice(None)) + inner])
    return result.astype(dtype, copy=False)


@convolution_input_gradient.kernel("cpu", when=lambda g, w, size, geometry: _fast(g, w))
def _convolution_input_gradient_onednn(xp, g, w, size, geometry):
    stride, padding, dilation, groups = geometry
    dtype = g.dtype
    g, w = native.computable(g), native.computable(w)
    gx = native.channels_last((g.shape[0], w.shape[1] * groups, *size), g.dtype)
    native.extension.conv_backward_data(g, w, gx, stride, padding, dilation, groups)
    return native.in_dtype(gx, dtype)


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
    dtype = g.dtype
    g, x = _summable(g), _summable(x)
    windows = _windows(xp, x, kernel, g.shape[2:], geometry)
    o, c = g.shape[1] // groups, x.shape[1] // groups
    axes = [0, *range(2, 2 + spatial)]
    parts = [
        xp.tensordot(g[:, i * o : (i + 1) * o], windows[:, i * c : (i + 1) * c], (axes, axes))
        for i in range(groups)
    ]
    return xp.concatenate(parts).astype(dtype, copy=False)


@convolution_weight_gradient.kernel("cpu", when=lambda g, x, kernel, geometry: _fast(x, g))
def _convolution_weight_gradient_onednn(xp, g, x, kernel, geometry):
    stride, padding, dilation, groups = geometry
    dtype = g.dtype
    g, x = native.computable(g), native.computable(x)
    gw = np.empty((g.shape[1], x.shape[1] // groups, *kernel), g.dtype)
    native.extension.conv_backward_weights(x, g, gw, None, stride, padding, dilation, groups)
    return native.in_dtype(gw, dtype)


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
    gb = xp.add.reduce(_summable(g), (0, *range(2, g.ndim))).astype(g.dtype, copy=False)
    return _convolution_weight_gradient(xp, g, x, kernel, geometry), gb


@convolution_weight_bias_gradient.kernel("cpu", when=lambda g, x, kernel, geometry: _fast(x, g))
def _convolution_weight_bias_gradient_onednn(xp, g, x, kernel, geometry):
    stride, padding, dilation, groups = geometry
    dtype = g.dtype
    g, x = native.computable(g), native.computable(x)
    gw = np.empty((g.shape[1], x.shape[1] // groups, *kernel), g.dtype)
    gb = np.empty(g.shape[1], g.dtype)
    native.extension.conv_backward_weights(x, g, gw, gb, stride, padding, dilation, groups)
    return native.in_dtype(gw, dtype), native.in_dtype(gb, dtype)


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
