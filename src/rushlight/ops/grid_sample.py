"""Reading a tensor at any place between its elements, and the grids of places that affine maps give."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..backend import native
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor, values_of, wrap
from .choice import where
from .gather import gather
from .join import stack
from .matmul import matmul
from .pointwise import abs as absolute
from .pointwise import floor
from .scatter import scatter_add

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")

# The slope of the cubic filter at 1, as `interpolate` has it.
_A = -0.75


class _TensorOps:
    """What `_Axis` needs of NumPy, on tensors."""

    floor, where, abs = staticmethod(floor), staticmethod(where), staticmethod(absolute)


class Axis(NamedTuple):
    """Where the places of a grid lie along one dimension.

    Attributes:
        index: for each tap the element it reads, inside the dimension.
        inside: for each tap where that is the element meant; None where all are.
        weights: for each tap by what the element is multiplied.
        slopes: for each tap the derivative of the weight by the grid's coordinate.
    """

    index: list[np.ndarray]
    inside: list[np.ndarray | None]
    weights: list[Any]
    slopes: list[Any]


def _reflected(xp: Any, x: Any, low: float, span: float) -> tuple[Any, Any]:
    """``x`` brought between ``low`` and ``low + span`` by mirrors there, and the sign of its slope."""
    if span == 0:
        return x * 0, x * 0
    distance = xp.abs(x - low)
    turns = xp.floor(distance / span)
    rest = distance - turns * span
    even = xp.floor(turns / 2) * 2 == turns
    rising = x >= low
    out = xp.where(even, rest + low, (span + low) - rest)
    return out, xp.where(even == rising, x * 0 + 1, x * 0 - 1)


def _limited(xp: Any, x: Any, slope: Any, last: int) -> tuple[Any, Any]:
    outside = (x <= 0) | (x >= last)
    held = xp.where(x <= 0, x * 0, xp.where(x >= last, x * 0 + last, x))
    return held, xp.where(outside, x * 0, slope)


def _place(xp: Any, grid: Any, n: int, padding: str, align: bool) -> tuple[Any, Any]:
    """The element numbers that grid coordinates of -1 to 1 mean, and their slope."""
    half = (n - 1) / 2 if align else n / 2
    x = grid + 1
    if xp is np:
        x = _fused(x, half, 0 if align else -0.5)
    else:
        x = x * half if align else x * half - 0.5
    slope = x * 0 + half
    return _padded(xp, x, slope, n, padding, align)


def _fused(x: np.ndarray, by: Any, plus: Any) -> np.ndarray:
    """``x * by + plus``, rounded once as PyTorch's is: near a border between elements the last bit decides."""
    if x.dtype != np.float32:
        return x * by + plus
    return (x.astype(np.float64) * by + plus).astype(np.float32)


def _padded(xp: Any, x: Any, slope: Any, n: int, padding: str, align: bool) -> tuple[Any, Any]:
    if padding == "reflection":
        x, sign = _reflected(xp, x, *((0.0, n - 1.0) if align else (-0.5, float(n))))
        slope = slope * sign
    if padding != "zeros":
        x, slope = _limited(xp, x, slope, n - 1)
    return x, slope


def _numbers(x: Any) -> np.ndarray:
    return values_of(x.detach()) if isinstance(x, Tensor) else x


def _axis(xp: Any, grid: Any, n: int, mode: str, padding: str, align: bool) -> Axis:
    if mode == "bicubic":
        # Here each tap, not the place, is brought back inside.
        x, slope = _place(xp, grid, n, "zeros", align)
        first, offsets = xp.floor(x), (-1, 0, 1, 2)
        part = x - first
        weights = [_cubic(part - t if t <= 0 else t - part) for t in offsets]
        slopes = [
            slope * _cubic_slope(part - t if t <= 0 else t - part) * (1 if t <= 0 else -1)
            for t in offsets
        ]
        return Axis(*_taps(_numbers(first), offsets, n, padding, align), weights, slopes)
    if mode == "nearest":
        nearest = np.rint(_place(np, _numbers(grid), n, padding, align)[0])
        return Axis(*_taps(nearest, (0,), n, "zeros", align), [1], [0])
    x, slope = _place(xp, grid, n, padding, align)
    first = xp.floor(x)
    part = x - first
    taps = _taps(_numbers(first), (0, 1), n, "zeros", align)
    return Axis(*taps, [1 - part, part], [-slope, slope])


def _cubic(x: Any) -> Any:
    """The filter at ``x``, 0 to 2 from its centre."""
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * _A - 4 * _A
    return _one_of(x, near, far)


def _cubic_slope(x: Any) -> Any:
    near = (3 * (_A + 2) * x - 2 * (_A + 3)) * x
    far = ((3 * x - 10) * x + 8) * _A
    return _one_of(x, near, far)


def _one_of(x: Any, near: Any, far: Any) -> Any:
    return where(x <= 1, near, far) if isinstance(x, Tensor) else np.where(x <= 1, near, far)


def _taps(
    first: np.ndarray, offsets: Sequence[int], n: int, padding: str, align: bool
) -> tuple[list, list]:
    index, inside = [], []
    for offset in offsets:
        at = first + np.asarray(offset, first.dtype)
        if padding != "zeros":
            at = _padded(np, at, at, n, padding, align)[0]
        # NaN and what is too large for an integer is outside.
        within = (at >= 0) & (at <= n - 1)
        inside.append(None if within.all() else within)
        index.append(np.where(within, at, 0).astype(np.int64))
    return index, inside


def _each_tap(axes: Sequence[Axis], sizes: Sequence[int]) -> Any:
    """For every combination of taps: its number on each axis, flat indices, and where they are inside."""
    for taps in itertools.product(*[range(len(a.weights)) for a in axes]):
        flat = np.int64(0)
        inside = None
        for axis, n, k in zip(axes, sizes, taps):
            flat = flat * n + axis.index[k]
            within = axis.inside[k]
            if within is not None:
                inside = within if inside is None else inside & within
        yield taps, flat, inside


def _product(axes: Sequence[Axis], taps: Sequence[int], sloped: int | None = None) -> Any:
    out: Any = 1
    for d, (axis, k) in enumerate(zip(axes, taps)):
        factor = axis.slopes[k] if d == sloped else axis.weights[k]
        out = factor if isinstance(out, int) and out == 1 else out * factor
    return out


def _axes(
    xp: Any, grid: Any, sizes: Sequence[int], mode: str, padding: str, align: bool
) -> list[Axis]:
    # The grid's last dimension counts x, y, z; the tensor's dimensions go z, y, x.
    last = len(sizes) - 1
    return [_axis(xp, grid[..., last - d], n, mode, padding, align) for d, n in enumerate(sizes)]


@primitive(node_name="GridSampler2DBackward0", uniform=True)
def grid_sampler(input: Tensor, grid: Tensor, mode: str, padding: str, align_corners: bool) -> Spec:
    """``(N, C, *in)`` read at the places ``(N, *out, dims)``."""
    shape, places = input._array.shape, grid._array.shape
    n = len(shape) - 2
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{input.dtype} and grid has {grid.dtype}; write grid.to(input.dtype)"
        )
    if n not in (2, 3):
        raise RuntimeError(
            f"grid_sampler(): expected 4D or 5D input, but got input with sizes {list(shape)}"
        )
    if len(places) != n + 2:
        raise RuntimeError(
            f"grid_sampler(): expected {n + 2}D grid with same number of dimensions as input, but got grid with sizes "
            f"{list(places)}"
        )
    if shape[0] != places[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(shape)} and grid with sizes {list(places)}"
        )
    if places[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid with sizes {list(places)}"
        )
    for d in range(2, n + 2):
        if shape[d] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(shape)} with dimension {d} being empty"
            )
    if mode == "bicubic" and n == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype.rank != dtypes.FLOATING:
        raise NotImplementedError(
            f"grid_sampler() is not implemented for {input.dtype}; convert the input with .float()"
        )
    return Spec((*shape[:2], *places[1:-1]), input.dtype)


@grid_sampler.kernel("cpu", "cuda")
def _grid_sampler(xp, x, grid, mode, padding, align_corners):
    dtype = x.dtype
    if dtype.itemsize < 4:
        x, grid = x.astype(np.float32), grid.astype(np.float32)
    sizes, out_size = x.shape[2:], grid.shape[1:-1]
    flat_x = np.ascontiguousarray(x).reshape(*x.shape[:2], -1)
    axes = _axes(
        np, grid.reshape(len(grid), math.prod(out_size), -1), sizes, mode, padding, align_corners
    )
    out = None
    for taps, index, inside in _each_tap(axes, sizes):
        term = np.take_along_axis(flat_x, index[:, None], 2)
        if inside is not None:
            # Not multiplied away: what lies outside may be infinite.
            np.copyto(term, 0, where=~inside[:, None])
        weight = _product(axes, taps)
        if isinstance(weight, int):
            out = term
        elif out is None:
            out = term * weight[:, None]
        else:
            out = _fused(term, weight[:, None], out)
    return out.reshape(*x.shape[:2], *out_size).astype(dtype, copy=False)


@grid_sampler.kernel(
    "cpu",
    when=lambda x, grid, mode, padding, align_corners: (
        x.dtype is native.float32
        and x.ndim == 4
        and mode != "bicubic"
        and padding == "zeros"
        and x.size > 0
        and grid.size > 0
    ),
)
def _grid_sampler_native(xp, x, grid, mode, padding, align_corners):
    x = native.plane_order(x)
    out = np.empty((*x.shape[:2], *grid.shape[1:3]), x.dtype)
    native.extension.grid_sample(
        x, np.ascontiguousarray(grid), mode == "nearest", align_corners, out
    )
    return out


@grid_sampler.vjp
def _grid_sampler_vjp(g, input, grid, mode, padding, align_corners, needs):
    shape = input._array.shape
    sizes, places = shape[2:], math.prod(grid._array.shape[1:-1])
    flat_g = g.reshape(*shape[:2], places)
    flat_x = input.reshape(*shape[:2], math.prod(sizes))
    flat_grid = grid.reshape(shape[0], places, len(sizes))
    axes = _axes(_TensorOps, flat_grid, sizes, mode, padding, align_corners)
    gx = flat_x.detach() * 0
    along: list[Any] = [0] * len(sizes)
    for taps, index, inside in _each_tap(axes, sizes):
        at = wrap(np.ascontiguousarray(np.broadcast_to(index[:, None], (*shape[:2], places))))
        arriving = flat_g
        if inside is not None:
            arriving = where(wrap(np.ascontiguousarray(inside[:, None])), flat_g, flat_g * 0)
        if needs[0]:
            weight = _product(axes, taps)
            share = arriving if isinstance(weight, int) else arriving * weight.unsqueeze(1)
            gx = scatter_add(gx, 2, at, share)
        if needs[1] and mode != "nearest":
            effect = (arriving * gather(flat_x, 2, at)).sum(1)
            for d in range(len(sizes)):
                along[d] = along[d] + effect * _product(axes, taps, sloped=d)
    if not needs[1]:
        return gx.reshape(shape) if needs[0] else None, None
    if mode == "nearest":
        ggrid = grid.detach() * 0
    else:
        ggrid = stack(along[::-1], -1).reshape(grid._array.shape)
    return gx.reshape(shape) if needs[0] else None, ggrid


@grid_sampler.oracle
def _grid_sampler_oracle(x, grid, mode, padding, align_corners):
    sizes = x.shape[2:]
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    reach = {"nearest": 0.5, "bilinear": 1, "bicubic": 2}[mode]
    kernels = {"nearest": lambda d: 1.0, "bilinear": lambda d: 1 - abs(d), "bicubic": _oracle_cubic}
    for batch in range(len(x)):
        for place in np.ndindex(*grid.shape[1:-1]):
            centers = []
            for u, n in zip(grid[(batch, *place)][::-1], sizes):
                at = (u + 1) / 2 * (n - 1) if align_corners else ((u + 1) * n - 1) / 2
                centers.append(
                    at if mode == "bicubic" else _oracle_inside(at, n, padding, align_corners)
                )
            spans = [range(math.floor(c - reach), math.ceil(c + reach) + 1) for c in centers]
            for element in itertools.product(*spans):
                distances = [e - c for e, c in zip(element, centers)]
                if max(map(abs, distances)) > reach:
                    continue
                weight = math.prod(kernels[mode](d) for d in distances)
                if mode == "bicubic":
                    element = [
                        int(_oracle_inside(e, n, padding, align_corners))
                        for e, n in zip(element, sizes)
                    ]
                if all(0 <= e < n for e, n in zip(element, sizes)):
                    out[(batch, slice(None), *place)] += weight * x[(batch, slice(None), *element)]
    return out


def _oracle_cubic(d):
    d = abs(d)
    if d <= 1:
        return (_A + 2) * d**3 - (_A + 3) * d**2 + 1
    return _A * (d**3 - 5 * d**2 + 8 * d - 4)


def _oracle_inside(at, n, padding, align_corners):
    if padding == "reflection":
        low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
        while low < high and not low <= at <= high:
            at = 2 * low - at if at < low else 2 * high - at
    return at if padding == "zeros" else min(max(at, 0), n - 1)


@grid_sampler.samples
def _grid_sampler_samples(make):
    for mode in _MODES:
        for padding in _PADDINGS:
            for align_corners in (False, True):
                grid = make(2, 3, 4, 2, low=-1.6, high=1.6)
                yield call(make(2, 3, 5, 4), grid, mode, padding, align_corners)
    grid = make(1, 2, 3, 2, 3, low=-1.6, high=1.6)
    yield call(make(1, 2, 3, 4, 2), grid, "bilinear", "zeros", False)
    yield call(make(1, 2, 3, 4, 2), grid, "nearest", "border", True)


@grid_sampler.rejects
def _grid_sampler_rejects(make):
    rest = ("bilinear", "zeros", False)
    yield reject(RuntimeError, "4D or 5D", make(2, 2, 2), make(2, 2, 2), *rest)
    yield reject(RuntimeError, "size 2 in last", make(1, 1, 2, 2), make(1, 2, 2, 3), *rest)
    yield reject(RuntimeError, "same batch size", make(1, 1, 2, 2), make(2, 2, 2, 2), *rest)
    volume = make(1, 1, 2, 2, 2), make(1, 2, 2, 2, 3)
    yield reject(RuntimeError, "bicubic", *volume, "bicubic", "zeros", False)


def _aligned(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired; align_corners=False says that it is not.",
            UserWarning,
            stacklevel=4,
        )
    return bool(align_corners)


@exported("nn.functional", autocast={"cpu": "float32", "cuda": "promote"})
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The input read at places between its elements.

    Args:
        input: ``(N, C, H, W)`` or ``(N, C, D, H, W)``, floating.
        grid: ``(N, *out, 2)`` or ``(N, *out, 3)`` of the same dtype, places ``(x, y)`` or ``(x, y, z)``; -1 is one
            end of the input and 1 the other.
        mode: ``"bilinear"``, ``"nearest"`` or, for four dimensions, ``"bicubic"``.
        padding_mode: what lies outside: ``"zeros"``, ``"border"`` (the nearest element) or ``"reflection"``.
        align_corners: whether -1 and 1 mean the centres of the corner elements instead of their outer edges.

    Returns:
        ``(N, C, *out)``.

    Raises:
        ValueError: there is no such mode.
        RuntimeError: shapes or dtypes do not fit.

    >>> x = rushlight.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> grid_sample(x, rushlight.zeros(1, 1, 1, 2), align_corners=False)
    tensor([[[[2.5000]]]])
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    return grid_sampler(input, grid, mode, padding_mode, _aligned(align_corners))


@exported("nn.functional")
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid of places that an affine map gives, for `grid_sample`.

    Args:
        theta: ``(N, 2, 3)`` or ``(N, 3, 4)``, floating: from places of the output to places of the input.
        size: of the output, ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        align_corners: as for `grid_sample`.

    Returns:
        ``(N, *out, 2)`` or ``(N, *out, 3)``.

    Raises:
        ValueError: ``theta`` or ``size`` do not fit.
        NotImplementedError: ``size`` has neither four nor five numbers.

    >>> affine_grid(rushlight.eye(2, 3)[None], (1, 1, 1, 2), align_corners=True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    if theta.dtype.rank != dtypes.FLOATING:
        raise ValueError(
            f"Expected theta to have floating point type, but got {theta.dtype}; write theta.float()"
        )
    spatial = tuple([int(n) for n in size[2:]])
    n = len(spatial)
    if n not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {tuple(size)}."
        )
    shape = tuple(theta._array.shape)
    if len(shape) != 3 or shape[1:] != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {tuple(size)}. "
            f"Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    if shape[0] != size[0]:
        raise RuntimeError(
            f"affine_grid: expected theta to hold {size[0]} maps as size says, but got {shape[0]}"
        )
    aligned = _aligned(align_corners)
    base = np.ones((*spatial, n + 1), theta._array.dtype)
    for d, m in enumerate(spatial):
        ends = np.linspace(-1, 1, m) if m > 1 else np.zeros(1)
        line = ends if aligned else ends * ((m - 1) / m)
        base[..., n - 1 - d] = line.reshape(-1, *[1] * (n - 1 - d))
    places = matmul(wrap(base.reshape(1, -1, n + 1)), theta.transpose(1, 2))
    return places.reshape(shape[0], *spatial, n)
