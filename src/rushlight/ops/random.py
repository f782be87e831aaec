"""Random tensors: every function draws from a generator's stream exactly as PyTorch does."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices, dtypes
from ..autograd.modes import state
from ..autograd.views import advance, history
from ..backend import random_streams as streams
from ..primitive import exported, refuse_overlap
from ..random import engine_of
from ..tensor import MetaArray, Tensor, settle, values_of, wrap
from .convert import as_dtype
from .creation import in_order_of, new_leaf, placed_array, write_out
from .family import broadcast
from .view import sizes_of


def _filled_in_place(x: Tensor, generator: Any, fill: Any) -> Tensor:
    """Overwrites ``x`` with ``fill(engine, array, in_memory_order)``; no gradient flows through."""
    if type(x._array) is MetaArray:
        return x
    refuse_overlap(x)
    if state.grad and history(x) is not None:
        # The old values count no more: as an op, that is a fill.
        x.zero_()
    settle(x)
    fill(engine_of(generator), x._array, not x._array.flags.c_contiguous)
    advance(x)
    x._origin = None
    return x


def _number(name: str, argument: str, value: Any) -> Any:
    """A real number from a Python or NumPy number, or a tensor of one element.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, (Tensor, np.generic)):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(
            f"{name}(): argument '{argument}' must be a number, not {type(value).__name__}"
        )
    return value


def _whole(name: str, argument: str, value: Any) -> int:
    """An int from what counts as one.

    Raises:
        TypeError: it does not.
    """
    try:
        return value.__index__()
    except (AttributeError, TypeError):
        raise TypeError(
            f"{name}(): argument '{argument}' must be int, not {type(value).__name__}"
        ) from None


def _draws(name: str, names: tuple[str, ...], defaults: tuple, doc: str, run: Any) -> None:
    """Declares an in-place method that overwrites a tensor with draws of one distribution."""

    def method(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        if len(args) > len(names):
            raise TypeError(f"{name}() takes at most {len(names)} arguments ({len(args)} given)")
        given = dict(zip(names, args))
        for key, value in kwargs.items():
            if key not in names or key in given:
                raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
            given[key] = value
        values = [given.get(n, d) for n, d in zip(names, defaults)]
        values = [_number(name, n, v) for n, v in zip(names, values)]
        return _filled_in_place(
            self,
            generator,
            lambda engine, array, order: run(engine, array, *values, in_memory_order=order),
        )

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    exported("Tensor")(method)


_draws(
    "uniform_",
    ("from", "to"),
    (0.0, 1.0),
    "Overwritten with numbers from ``from`` up to ``to``, all equally likely.",
    streams.uniform,
)
_draws(
    "normal_",
    ("mean", "std"),
    (0.0, 1.0),
    "Overwritten with normally distributed numbers.",
    streams.normal,
)
_draws(
    "log_normal_",
    ("mean", "std"),
    (1.0, 2.0),
    "Overwritten with ``exp`` of normally distributed numbers.",
    streams.log_normal,
)
_draws(
    "exponential_",
    ("lambd",),
    (1.0,),
    "Overwritten with exponentially distributed numbers of rate ``lambd``.",
    streams.exponential,
)
_draws(
    "cauchy_",
    ("median", "sigma"),
    (0.0, 1.0),
    "Overwritten with Cauchy-distributed numbers.",
    streams.cauchy,
)
_draws(
    "geometric_",
    ("p",),
    (0.5,),
    "Overwritten with the number of trials up to the first success of probability ``p``.",
    streams.geometric,
)


@exported("Tensor")
def random_(self: Tensor, *bounds: Any, generator: Any = None, **names: Any) -> Tensor:
    """Overwritten with whole numbers: of the dtype's range, below ``to``, or from ``from`` up to ``to``.

    >>> rushlight.empty(100, dtype=rushlight.int64).random_(3, 5).unique()
    tensor([3, 4])
    """
    low, high = names.get("from"), names.get("to")
    if len(bounds) == 1:
        low, high = (0, bounds[0]) if high is None else (bounds[0], high)
    elif bounds:
        low, high = bounds
    elif low is None and high is not None:
        low = 0
    low, high = (
        None if v is None else _whole("random_", n, v) for n, v in (("from", low), ("to", high))
    )
    return _filled_in_place(
        self, generator,
        lambda engine, array, order: streams.random(engine, array, low, high, in_memory_order=order),
    )  # fmt: skip


@exported("Tensor")
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Overwritten with 1 of probability ``p``, else 0; ``p`` may be a tensor of this shape."""
    if isinstance(p, Tensor) and p._array.ndim:
        if broadcast(p._array.shape, self._array.shape) != self._array.shape:
            raise RuntimeError(
                f"bernoulli_: probabilities of shape {list(p.shape)} do not broadcast to {list(self.shape)}"
            )
        each = np.broadcast_to(values_of(p), self._array.shape)

        def run(engine: Any, array: Any, order: bool) -> None:
            streams.bernoulli_each(engine, array, each, in_memory_order=order)

    else:
        p = _number("bernoulli_", "p", p)

        def run(engine: Any, array: Any, order: bool) -> None:
            streams.bernoulli(engine, array, p, in_memory_order=order)

    return _filled_in_place(self, generator, run)


def _new_random(name: str, fill: Any, doc: str) -> None:
    def function(
        *size: Any, generator: Any = None, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
        device: Any = None, requires_grad: bool = False, pin_memory: bool = False, **names: Any,
    ) -> Tensor:  # fmt: skip
        if names:
            size = (names.pop("size"),) if "size" in names else size
            if names:
                raise TypeError(
                    f"{name}() got an unexpected keyword argument '{next(iter(names))}'"
                )
        made = new_leaf(np.empty, sizes_of(name, size), dtype, device, False)
        if type(made._array) is not MetaArray:
            fill(engine_of(generator), made._array)
        if out is not None:
            made = write_out(out, made)
        return made.requires_grad_() if requires_grad else made

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    exported("torch")(function)

    def like(
        input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
        pin_memory: bool = False, memory_format: Any = None, generator: Any = None,
    ) -> Tensor:  # fmt: skip
        made = new_leaf(
            lambda shape, d: in_order_of(input, np.empty, shape, d), input._array.shape,
            input.dtype if dtype is None else dtype, input.device if device is None else device, False,
        )  # fmt: skip
        if type(made._array) is not MetaArray:
            fill(
                engine_of(generator),
                made._array,
                in_memory_order=not made._array.flags.c_contiguous,
            )
        return made.requires_grad_() if requires_grad else made

    like.__name__ = like.__qualname__ = name + "_like"
    like.__doc__ = (
        f"`{name}` in the shape, dtype and on the device of ``input``, unless said otherwise."
    )
    exported("torch")(like)


_new_random("rand", streams.uniform, """Numbers from 0 up to 1, all equally likely.

    Args:
        size: ints, or one tuple of them.
        generator: the stream; by default that of ``manual_seed``.

    >>> _ = rushlight.manual_seed(0)
    >>> rushlight.rand(2)
    tensor([0.4963, 0.7682])
    """)  # fmt: skip
_new_random("randn", streams.normal, """Normally distributed numbers of mean 0 and variance 1.

    Args:
        size: ints, or one tuple of them.
        generator: the stream; by default that of ``manual_seed``.

    >>> _ = rushlight.manual_seed(0)
    >>> rushlight.randn(2)
    tensor([ 1.5410, -0.2934])
    """)  # fmt: skip


@exported("torch")
def randint(
    *args: Any,
    low: Any = None,
    high: Any = None,
    size: Any = None,
    generator: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whole numbers from ``low`` (0) up to, not including, ``high``, all equally likely.

    Args:
        args: ``high, size`` or ``low, high, size``.
        dtype: by default int64.

    Raises:
        RuntimeError: there is no number between ``low`` and ``high``.

    >>> _ = rushlight.manual_seed(0)
    >>> rushlight.randint(10, (3,))
    tensor([4, 9, 3])
    """
    rest = list(args)
    if size is None:
        if not rest:
            raise TypeError("randint() missing the argument 'size'")
        size = rest.pop()
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"randint(): argument 'size' must be tuple of ints, not {type(size).__name__}; write ({size},)"
        )
    if len(rest) == 2:
        low, high = rest
    elif len(rest) == 1:
        low, high = (low, rest[0]) if high is None else (rest[0], high)
    low = 0 if low is None else low
    if high is None:
        raise TypeError("randint() missing the argument 'high'")
    low, high = _whole("randint", "low", low), _whole("randint", "high", high)
    made = new_leaf(
        np.empty,
        sizes_of("randint", (size,)),
        dtypes.int64 if dtype is None else dtype,
        device,
        False,
    )
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if type(made._array) is not MetaArray:
        streams.random(engine_of(generator), made._array, low, high)
    if out is not None:
        made = write_out(out, made)
    return made.requires_grad_() if requires_grad else made


@exported("torch")
def randint_like(
    input: Tensor,
    *bounds: Any,
    low: Any = None,
    high: Any = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """`randint` in the shape, dtype and on the device of ``input``."""
    return randint(
        *bounds,
        low=low,
        high=high,
        size=input._array.shape,
        dtype=dtype or input.dtype,
        device=device or input.device,
    )


@exported("torch")
def randperm(
    n: int,
    *,
    generator: Any = None,
    out: Tensor | None = None,
    dtype: Any = dtypes.int64,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers from 0 to ``n - 1`` in random order.

    >>> _ = rushlight.manual_seed(0)
    >>> rushlight.randperm(4)
    tensor([0, 1, 3, 2])
    """
    n = _whole("randperm", "n", n)
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    if devices.resolve(device) is not devices.CPU:
        return new_leaf(np.empty, (n,), dtype, device, False)
    array = streams.permutation(engine_of(generator), n).astype(as_dtype(dtype).numpy, copy=False)
    made = placed_array(array, device, requires_grad)
    return made if out is None else write_out(out, made)


@exported("torch")
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normally distributed numbers, each of its own mean and standard deviation where these are tensors.

    >>> rushlight.normal(rushlight.zeros(3), 1.0).shape
    torch.Size([3])
    """
    tensors = [v for v in (mean, std) if isinstance(v, Tensor)]
    if not tensors:
        if size is None:
            raise TypeError("normal() with a mean and std that are numbers needs a size")
        made = new_leaf(np.empty, sizes_of("normal", (size,)), dtype, device, False)
        if type(made._array) is not MetaArray:
            mean, std = _number("normal", "mean", mean), _number("normal", "std", std)
            streams.normal(engine_of(generator), made._array, mean, std)
    else:
        if isinstance(std, Tensor) and std._array.size and values_of(std).min() < 0:
            raise RuntimeError("normal expects all elements of std >= 0.0")
        shape = broadcast(tensors[0]._array.shape, tensors[-1]._array.shape)
        z = new_leaf(np.empty, shape, tensors[0].dtype, device, False)
        if isinstance(std, Tensor):
            streams.normal(engine_of(generator), z._array)
            made = z * std.detach() + (mean.detach() if isinstance(mean, Tensor) else mean)
        else:
            streams.normal(engine_of(generator), z._array, 0.0, _number("normal", "std", std))
            made = z + mean.detach()
    if out is not None:
        made = write_out(out, made)
    return made.requires_grad_() if requires_grad else made


@exported("torch", "Tensor")
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Any = None, out: Tensor | None = None
) -> Tensor:
    """1 with the probability that ``input`` gives for each element (or ``p``), else 0.

    Raises:
        RuntimeError: a probability is outside [0, 1].

    >>> rushlight.bernoulli(rushlight.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    made = new_leaf(np.empty, input._array.shape, input.dtype, input.device, False)
    if type(made._array) is not MetaArray:
        if p is None:
            streams.bernoulli_each(engine_of(generator), made._array, values_of(input))
        else:
            streams.bernoulli(engine_of(generator), made._array, _number("bernoulli", "p", p))
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor")
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with the probabilities that a vector, or each row of a matrix, is proportional to.

    Args:
        input: ``(n,)`` or ``(m, n)``, floating, not negative.
        num_samples: how many from each row.
        replacement: whether an index may come again.

    Returns:
        int64, ``(num_samples,)`` or ``(m, num_samples)``.

    Raises:
        RuntimeError: the weights are no probabilities, or too few of them are above 0.

    >>> rushlight.multinomial(rushlight.tensor([0.0, 1.0, 0.0]), 1)
    tensor([1])
    """
    made = wrap(
        streams.multinomial(engine_of(generator), values_of(input), num_samples, replacement)
    )
    return made if out is None else write_out(out, made)


@exported("torch")
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson-distributed numbers, each of the rate that ``input`` gives.

    The distribution is PyTorch's; its stream is not.
    """
    if not input.is_floating_point():
        raise NotImplementedError(
            f"\"poisson\" not implemented for '{input.dtype.legacy}'; convert the input with .float()"
        )
    rate = values_of(input)
    if rate.size and rate.min() < 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    seed = engine_of(generator).next64()
    return wrap(np.asarray(np.random.default_rng(seed).poisson(rate)).astype(rate.dtype))
