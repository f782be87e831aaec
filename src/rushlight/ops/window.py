"""How a pooling window moves, and what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..tensor import Tensor


class Window(NamedTuple):
    """How a pooling window moves, one entry for each spatial dimension.

    Attributes:
        kernel: the size of the window.
        stride: steps between neighbouring windows.
        padding: elements outside the input at either end that windows may cover.
        dilation: steps between the elements of a window.
        ceil: let a last window reach past the end, if it starts inside.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool = False

    def output(self, size: Sequence[int]) -> tuple[int, ...]:
        """How many windows there are in each dimension."""
        counts = []
        for n, k, s, p, d in zip(size, *self[:4]):
            span = n + 2 * p - d * (k - 1) - 1
            count = (-(-span // s) if self.ceil else span // s) + 1
            if self.ceil and (count - 1) * s >= n + p:
                count -= 1
            counts.append(count)
        return tuple(counts)

    def reach(self, size: Sequence[int], out: Sequence[int]) -> list[tuple[int, int]]:
        """How far windows reach before and after the input."""
        return [
            (p, max((m - 1) * s + d * (k - 1) + 1 - n - p, 0))
            for n, m, k, s, p, d in zip(size, out, *self[:4])
        ]


def not_for(name: str, input: Tensor) -> NotImplementedError:
    return NotImplementedError(
        f"\"{name}\" not implemented for '{input.dtype.legacy}'; convert the input with .float()"
    )


def check(
    name: str,
    input: Tensor,
    window: Window,
    ranks: Sequence[int] = (dtypes.INTEGRAL, dtypes.FLOATING),
) -> tuple[int, ...]:
    """The output's spatial size.

    Args:
        ranks: the kinds of dtypes that can be pooled.

    Raises:
        RuntimeError: the window's settings or the input's size do not fit.
        NotImplementedError: the input's dtype cannot be pooled.
    """
    for what, values, low in (
        ("kernel_size", window.kernel, 1), ("stride", window.stride, 1), ("padding", window.padding, 0),
        ("dilation", window.dilation, 1),
    ):  # fmt: skip
        if any(v < low for v in values):
            raise RuntimeError(f"{name}: {what} must be at least {low}, but got {list(values)}")
    for p, k in zip(window.padding, window.kernel):
        if p > k // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={window.dilation[0]}"
            )
    shape = input._array.shape
    if input.dtype.rank not in ranks:
        raise not_for(name, input)
    if 0 in shape[1:]:
        raise RuntimeError(
            f"Expected {len(shape)}D tensor with optional 0 dim batch size for input, but got: {list(shape)}"
        )
    out = window.output(shape[2:])
    if min(out) <= 0:
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, shape[1:]))}). Calculated output size: "
            f"({'x'.join(map(str, (shape[1], *out)))}). Output size is too small: the kernel "
            f"{list(window.kernel)} is larger than the input"
        )
    return out


def windows_of(xp: Any, x: np.ndarray, window: Window, fill: Any) -> np.ndarray:
    """``(N, C, *out, *kernel)``: what each window sees, with ``fill`` outside the input."""
    out = window.output(x.shape[2:])
    reach = window.reach(x.shape[2:], out)
    if any(a or b for a, b in reach):
        x = xp.pad(x, [(0, 0), (0, 0), *reach], constant_values=fill)
    step = x.strides[2:]
    return xp.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *out, *window.kernel),
        (
            *x.strides[:2],
            *(t * s for t, s in zip(step, window.stride)),
            *(t * d for t, d in zip(step, window.dilation)),
        ),
        writeable=False,
    )


def lowest(dtype: np.dtype) -> Any:
    """The value below all others of a dtype."""
    return -np.inf if dtype.kind in "fV" else np.iinfo(dtype).min


def positions_of(window: Window, size: Sequence[int], out: Sequence[int]) -> list[np.ndarray]:
    """For each spatial dimension the input index of every (window, element) pair; may lie outside."""
    return [
        (np.arange(m) * s - p)[:, None] + np.arange(k) * d
        for m, k, s, p, d in zip(out, *window[:4])
    ]
