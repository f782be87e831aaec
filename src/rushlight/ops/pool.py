"""The public pooling functions, over one to three spatial dimensions."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..primitive import exported
from ..tensor import Tensor
from .adaptive_pool import adaptive_avg_pool, adaptive_max_pool
from .avg_pool import avg_pool
from .conv import several
from .max_pool import max_pool, max_pool_taps, scatter_spatial
from .window import Window


def _batched(name: str, input: Tensor, n: int) -> tuple[Tensor, bool]:
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    ndim = input._array.ndim
    if ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor for input, but got: {list(input.shape)}"
        )
    return (input.unsqueeze(0), True) if ndim == n + 1 else (input, False)


def _window(
    n: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Window:
    kernel = several(kernel_size, n, "kernel_size")
    empty = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    return Window(
        kernel, kernel if empty else several(stride, n, "stride"), several(padding, n, "padding"),
        several(dilation, n, "dilation"), bool(ceil_mode),
    )  # fmt: skip


def _sizes(name: str, output_size: Any, input: Tensor, n: int) -> tuple[int, ...]:
    values = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if any(v is not None and not hasattr(v, "__index__") for v in values):
        raise TypeError(
            f"{name}(): output_size must be an int or a tuple of {n} ints, not {output_size!r}"
        )
    if len(values) != n:
        raise RuntimeError(f"{name}: output_size must be {n} ints, but got {output_size}")
    return tuple(
        [m if v is None else v.__index__() for v, m in zip(values, input._array.shape[2:])]
    )


def _pooling_functions(n: int) -> None:
    plural = "s" if n > 1 else ""

    def max_pool_nd(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        x, alone = _batched(max_pool_nd.__name__, input, n)
        window = _window(n, kernel_size, stride, padding, dilation, ceil_mode)
        if not return_indices:
            out, _ = max_pool_taps(x, window)
            return out.squeeze(0) if alone else out
        out, indices = max_pool(x, window)
        return (out.squeeze(0), indices.squeeze(0)) if alone else (out, indices)

    max_pool_nd.__doc__ = f"""The largest element of every window over {n} spatial dimension{plural}.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        kernel_size, stride, padding, dilation: an int, or one for each spatial dimension; ``stride`` is by default
            ``kernel_size``.
        ceil_mode: let a last window reach past the end.
        return_indices: also give where in ``*in`` each element was, counted in C order.

    Returns:
        ``(N, C, *out)``, or that and the indices.

    Raises:
        RuntimeError: a setting or the size does not fit.

    >>> max_pool{n}d(rushlight.ones(1, 1{", 4" * n}), 2).shape
    torch.Size([1, 1{", 2" * n}])
    """

    def avg_pool_nd(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Tensor:  # fmt: skip
        x, alone = _batched(avg_pool_nd.__name__, input, n)
        window = _window(n, kernel_size, stride, padding, 1, ceil_mode)
        out = avg_pool(x, window, count_include_pad, divisor_override)
        return out.squeeze(0) if alone else out

    avg_pool_nd.__doc__ = f"""The mean of every window over {n} spatial dimension{plural}.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        kernel_size, stride, padding: an int, or one for each spatial dimension; ``stride`` is by default
            ``kernel_size``.
        ceil_mode: let a last window reach past the end.
        count_include_pad: count padding in the mean.
        divisor_override: divide by this instead of by the number of elements.

    Raises:
        RuntimeError: a setting or the size does not fit.

    >>> avg_pool{n}d(rushlight.ones(1, 1{", 4" * n}), 2).shape
    torch.Size([1, 1{", 2" * n}])
    """

    def adaptive_avg_pool_nd(input: Tensor, output_size: Any) -> Tensor:
        x, alone = _batched(adaptive_avg_pool_nd.__name__, input, n)
        out = adaptive_avg_pool(x, _sizes(adaptive_avg_pool_nd.__name__, output_size, x, n))
        return out.squeeze(0) if alone else out

    adaptive_avg_pool_nd.__doc__ = f"""The means of windows that divide the input into ``output_size`` parts.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        output_size: an int, or one for each of {n} spatial dimension{plural}; None keeps a dimension's size.

    >>> adaptive_avg_pool{n}d(rushlight.ones(1, 1{", 5" * n}), 1).shape
    torch.Size([1, 1{", 1" * n}])
    """

    def adaptive_max_pool_nd(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        x, alone = _batched(adaptive_max_pool_nd.__name__, input, n)
        out, indices = adaptive_max_pool(
            x, _sizes(adaptive_max_pool_nd.__name__, output_size, x, n)
        )
        if alone:
            out, indices = out.squeeze(0), indices.squeeze(0)
        return (out, indices) if return_indices else out

    adaptive_max_pool_nd.__doc__ = f"""The largest elements of windows that divide the input into ``output_size`` parts.

    Args:
        input: ``(N, C, *in)``, or without ``N``.
        output_size: an int, or one for each of {n} spatial dimension{plural}; None keeps a dimension's size.
        return_indices: also give where in ``*in`` each element was, counted in C order.

    >>> adaptive_max_pool{n}d(rushlight.ones(1, 1{", 5" * n}), 1).shape
    torch.Size([1, 1{", 1" * n}])
    """

    def max_unpool_nd(
        input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
        output_size: Any = None,
    ) -> Tensor:  # fmt: skip
        x, alone = _batched(max_unpool_nd.__name__, input, n)
        where = indices.unsqueeze(0) if alone else indices
        window = _window(n, kernel_size, stride, padding, 1, False)
        if output_size is None:
            size = tuple(
                (m - 1) * s - 2 * p + k
                for m, k, s, p in zip(
                    x._array.shape[2:], window.kernel, window.stride, window.padding
                )
            )
        else:
            size = several(tuple(output_size)[-n:], n, "output_size")
        if where._array.shape != x._array.shape or where.dtype is not dtypes.int64:
            raise RuntimeError(
                f"{max_unpool_nd.__name__}: expected int64 indices of shape {list(input.shape)} as pooling gave them, "
                f"but got {indices.dtype} of shape {list(indices.shape)}"
            )
        if min(size) <= 0:
            raise RuntimeError(
                f"{max_unpool_nd.__name__}: the output size {list(size)} is too small"
            )
        out = scatter_spatial(x, where, size)
        return out.squeeze(0) if alone else out

    max_unpool_nd.__doc__ = f"""The reverse of `max_pool{n}d`: zeros with every element at its index.

    Args:
        input, indices: what ``max_pool{n}d(..., return_indices=True)`` gave.
        kernel_size, stride, padding: those of the pooling.
        output_size: the size before the pooling, where it was not the smallest possible.
    """
    for function, name in (
        (max_pool_nd, f"max_pool{n}d"), (avg_pool_nd, f"avg_pool{n}d"),
        (adaptive_avg_pool_nd, f"adaptive_avg_pool{n}d"), (adaptive_max_pool_nd, f"adaptive_max_pool{n}d"),
        (max_unpool_nd, f"max_unpool{n}d"),
    ):  # fmt: skip
        function.__name__ = function.__qualname__ = name
        in_float32 = function is max_unpool_nd or n == 3
        globals()[name] = exported(
            "nn.functional", "torch", autocast={"cpu": "float32"} if in_float32 else None
        )(function)


for _n in (1, 2, 3):
    _pooling_functions(_n)
