"""PyTorch's CPU random numbers, written into NumPy arrays.

An `Engine` is one stream: PyTorch's Mersenne Twister with its saved state. The functions below fill
an array from a stream and draw exactly what PyTorch draws for a tensor of that dtype, size and
layout.

Layout: PyTorch fills a tensor in the order of its memory, and draws normals of a non-contiguous
tensor by another method. Pass `in_memory_order=True` where the strides of the array are those the
user sees; without it the array is taken as contiguous, whatever its strides.
"""

import math
import os
import warnings
from collections.abc import Callable

import ml_dtypes
import numpy as np

from .native import extension

__all__ = [
    "DEFAULT_SEED",
    "Engine",
    "bernoulli",
    "bernoulli_each",
    "cauchy",
    "exponential",
    "fresh_seed",
    "geometric",
    "get_state",
    "log_normal",
    "multinomial",
    "normal",
    "permutation",
    "random",
    "seed_bits",
    "set_state",
    "truncated_normal",
    "uniform",
]

Engine = extension.RandomEngine

# What PyTorch's default generator starts from: a prime.
DEFAULT_SEED = 67280421310721

# Up to 2^digits every integer has its own number in the dtype.
_DIGITS = {
    np.dtype(np.float16): 11,
    np.dtype(ml_dtypes.bfloat16): 8,
    np.dtype(np.float32): 24,
    np.dtype(np.float64): 53,
}
_COUNTING = frozenset(np.dtype(t) for t in ("uint8", "int8", "int16", "int32", "int64", *_DIGITS))
_MARKING = _COUNTING | {np.dtype(bool)}
_LARGEST = {dtype: float(ml_dtypes.finfo(dtype).max) for dtype in _DIGITS}
# The smallest and largest integer that a dtype holds.
_BOUNDS = {dtype: (-int(largest), int(largest)) for dtype, largest in _LARGEST.items()}
_BOUNDS |= {
    np.dtype(code): (int(np.iinfo(code).min), int(np.iinfo(code).max)) for code in "bBhHiIqQ"
}
_BOUNDS[np.dtype(bool)] = (0, 1)
_REAL_OF = {np.dtype(np.complex64): np.float32, np.dtype(np.complex128): np.float64}
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


# --- seeds and states -----------------------------------------------------------------------------


def seed_bits(seed: int) -> int:
    """The 64 bits that stand for a seed: negative ones count from the end.

    Args:
        seed: -2**63 to 2**64 - 1.

    Returns:
        0 to 2**64 - 1.

    Raises:
        ValueError: the seed lies outside that range.

    >>> seed_bits(-1) == 2**64 - 1
    True
    """
    seed = int(seed)
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"seed: expected an integer from -2**63 to 2**64 - 1, got {seed}")
    return seed % 2**64


def fresh_seed() -> int:
    """A seed of 64 bits from the operating system."""
    return int.from_bytes(os.urandom(8), "little")


def get_state(engine: Engine) -> np.ndarray:
    """The state of a stream, as the 5056 bytes that PyTorch's `Generator.get_state` gives."""
    state = np.empty(Engine.state_bytes, np.uint8)
    engine.get_state(state)
    return state


def set_state(engine: Engine, state: np.ndarray) -> None:
    """Continues a stream from a saved state.

    Args:
        engine: the stream.
        state: 5056 bytes, uint8, from `get_state` or from PyTorch.

    Raises:
        RuntimeError: another number of bytes, or bytes that are no state.
    """
    engine.set_state(np.ascontiguousarray(state))


# --- layout ---------------------------------------------------------------------------------------


def _memory_order(out: np.ndarray) -> np.ndarray:
    return out.transpose(sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis])))


def _fill(out: np.ndarray, in_memory_order: bool, draw: Callable[[np.ndarray], None]) -> None:
    if not out.flags.c_contiguous and in_memory_order:
        out = _memory_order(out)
    if out.flags.carray:
        draw(out)
        return
    whole = np.empty(out.shape, out.dtype)
    draw(whole)
    out[...] = whole


def _real_view(out: np.ndarray) -> np.ndarray:
    real = _REAL_OF.get(out.dtype)
    return out if real is None else out[..., np.newaxis].view(real)


def _expect_floating(out: np.ndarray, name: str, error: type[Exception] = NotImplementedError):
    if out.dtype not in _DIGITS:
        raise error(
            f"{name}: expected a floating dtype, got {out.dtype.name}; "
            "fill a floating tensor and convert it"
        )


def _expect_one_of(dtypes: frozenset[np.dtype], out: np.ndarray, name: str):
    if out.dtype not in dtypes:
        raise NotImplementedError(
            f"{name}: not for {out.dtype.name}; fill a tensor of another dtype and convert it"
        )


# --- continuous distributions ---------------------------------------------------------------------


def uniform(engine, out, low=0.0, high=1.0, *, in_memory_order=False) -> None:
    """Fills with numbers uniform in [low, high).

    Args:
        engine: the stream.
        out: floating or complex dtype, any shape.
        low, high: bounds, within the range of the dtype.
        in_memory_order: see the module.

    Raises:
        NotImplementedError: another dtype.
        RuntimeError: low > high, or a bound that the dtype cannot hold.

    >>> out = np.empty(3, np.float32)
    >>> uniform(Engine(0), out)
    >>> out
    array([0.4962566 , 0.7682218 , 0.08847743], dtype=float32)
    """
    out = _real_view(out)
    _expect_floating(out, "uniform_")
    largest = _LARGEST[out.dtype]
    for name, bound in (("from", low), ("to", high)):
        if not -largest <= bound <= largest:
            raise RuntimeError(
                f"uniform_: {name}={bound} is out of bounds for {out.dtype.name}, whose largest "
                f"number is {largest}"
            )
    if low > high:
        raise RuntimeError(f"uniform_: expected from <= to, got from={low} and to={high}")
    if high - low > largest:
        raise RuntimeError(
            f"uniform_: to - from must be a {out.dtype.name} too, got from={low} and to={high}; "
            "draw from a smaller range and scale the result"
        )
    _fill(out, in_memory_order, lambda array: engine.uniform(array, low, high))


def normal(engine, out, mean=0.0, std=1.0, *, in_memory_order=False) -> None:
    """Fills with normal numbers.

    Args:
        engine: the stream.
        out: floating or complex dtype, any shape. Each part of a complex number gets half the
            variance.
        mean: of the real part; a complex dtype must leave it 0.
        std: not negative.
        in_memory_order: see the module.

    Raises:
        NotImplementedError: another dtype.
        RuntimeError: std < 0 or nan.

    >>> out = np.empty(2, np.float32)
    >>> normal(Engine(0), out)
    >>> out
    array([ 1.5409961, -0.2934289], dtype=float32)
    """
    if not std >= 0:
        raise RuntimeError(f"normal_: expected std >= 0, got {std}")
    real = _real_view(out)
    _expect_floating(real, "normal_")
    if real is not out:
        std = std / math.sqrt(2)
    singly = in_memory_order and not real.flags.c_contiguous
    _fill(real, in_memory_order, lambda array: engine.normal(array, mean, std, singly))


def log_normal(engine, out, mean=1.0, std=2.0, *, in_memory_order=False) -> None:
    """Fills with exp of normal numbers of that mean and std; floating dtype, std > 0."""
    if not std > 0:
        raise RuntimeError(f"log_normal_: expected std > 0, got {std}")
    _expect_floating(out, "log_normal_")
    _fill(out, in_memory_order, lambda array: engine.log_normal(array, mean, std))


def exponential(engine, out, rate=1.0, *, in_memory_order=False) -> None:
    """Fills with exponential numbers of mean 1 / rate; floating dtype, rate > 0."""
    _expect_floating(out, "exponential_", RuntimeError)
    _fill(out, in_memory_order, lambda array: engine.exponential(array, rate))


def cauchy(engine, out, median=0.0, sigma=1.0, *, in_memory_order=False) -> None:
    """Fills with Cauchy numbers; floating dtype, sigma > 0."""
    _expect_floating(out, "cauchy_", RuntimeError)
    _fill(out, in_memory_order, lambda array: engine.cauchy(array, median, sigma))


def truncated_normal(engine, out, mean=0.0, std=1.0, low=-2.0, high=2.0) -> None:
    """Fills with normal numbers that lie in [low, high], as `nn.init.trunc_normal_` draws them.

    Args:
        engine: the stream.
        out: floating dtype, any shape.
        mean, std: of the normal distribution before it is cut.
        low, high: the bounds.

    Raises:
        NotImplementedError: another dtype.
        RuntimeError: std < 0 or nan, or low > high.

    >>> out = np.empty(1000, np.float32)
    >>> truncated_normal(Engine(0), out, std=0.02, low=-0.03, high=0.03)
    >>> bool(abs(out).max() <= 0.03)
    True
    """
    _expect_floating(out, "trunc_normal_")
    if not low <= high:
        raise RuntimeError(f"trunc_normal_: expected a <= b, got a={low} and b={high}")

    def below(x):
        return (1 + math.erf((x - mean) / std / math.sqrt(2))) / 2

    # Where the bounds keep little of the bell, drawing normals until all fit would take long.
    if below(high) - below(low) > 0.3:
        _reject_normals(engine, out, mean, std, low, high)
    else:
        _reject_uniforms(engine, out, mean, std, low, high)


def _reject_normals(engine, out, mean, std, low, high) -> None:
    low, high = out.dtype.type(low), out.dtype.type(high)
    normal(engine, out, mean, std)
    again = np.empty(out.shape, out.dtype)
    while True:
        outside = (out < low) | (out > high)
        if not outside.any():
            return
        normal(engine, again, mean, std)
        np.copyto(out, again, where=outside)


def _reject_uniforms(engine, out, mean, std, low, high) -> None:
    number = out.dtype.type
    peak = -0.5 * ((max(low, min(mean, high)) - mean) / std) ** 2
    candidates, accept = np.empty(out.shape, out.dtype), np.empty(out.shape, out.dtype)
    pending = np.ones(out.shape, bool)
    while pending.any():
        uniform(engine, candidates, low, high)
        np.copyto(out, candidates, where=pending)
        z = (candidates - number(mean)) / number(std)
        log_density = z * z * number(-0.5) - number(peak)
        uniform(engine, accept)
        with np.errstate(divide="ignore"):
            pending &= np.log(accept) > log_density


# --- discrete distributions -----------------------------------------------------------------------


def bernoulli(engine, out, p=0.5, *, in_memory_order=False) -> None:
    """Fills with 1 (probability p) and 0.

    Args:
        engine: the stream.
        out: floating, integer or bool dtype, any shape.
        p: one number in [0, 1].
        in_memory_order: see the module.

    Raises:
        NotImplementedError: another dtype.
        RuntimeError: p outside [0, 1].

    >>> out = np.empty(5, bool)
    >>> bernoulli(Engine(0), out, 0.5)
    >>> out
    array([False, False,  True, False, False])
    """
    _expect_one_of(_MARKING, out, "bernoulli_")
    _fill(out, in_memory_order, lambda array: engine.bernoulli(array, p))


def bernoulli_each(engine, out, p, *, in_memory_order=False) -> None:
    """Fills with 1 and 0, each with a probability of its own.

    Args:
        engine: the stream.
        out: floating, integer or bool dtype, any shape.
        p: floating array that broadcasts to `out`, in [0, 1].
        in_memory_order: see the module.

    Raises:
        NotImplementedError: another dtype, or p is not floating.
        RuntimeError: a probability outside [0, 1].
    """
    _expect_floating(p, "bernoulli")
    _expect_one_of(_MARKING, out, "bernoulli_")
    p = np.broadcast_to(p, out.shape)
    if in_memory_order and not out.flags.c_contiguous:
        p = p.transpose(sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis])))
    p = np.ascontiguousarray(p, np.float64 if p.dtype == np.float64 else np.float32)
    _fill(out, in_memory_order, lambda array: engine.bernoulli_each(array, p))


def geometric(engine, out, p, *, in_memory_order=False) -> None:
    """Fills with counts of trials up to the first success; floating or integer dtype, 0 < p < 1."""
    _expect_one_of(_COUNTING, out, "geometric_")
    _fill(out, in_memory_order, lambda array: engine.geometric(array, p))


def random(engine, out, low=None, high=None, *, in_memory_order=False) -> None:
    """Fills with integers, all equally likely.

    Args:
        engine: the stream.
        out: floating, integer or bool dtype, any shape.
        low: the smallest; 0 where only `high` is given.
        high: one past the largest. Left out, the range ends with the dtype's largest integer (for a
            floating dtype, the last up to which it holds every integer). Both left out: 0 to there.
        in_memory_order: see the module.

    Raises:
        RuntimeError: an empty range, or a bound that the dtype cannot hold.
        NotImplementedError: a dtype without such numbers.

    >>> out = np.empty(5, np.int64)
    >>> random(Engine(0), out, 0, 10)
    >>> out
    array([4, 9, 3, 0, 3])
    """
    dtype = out.dtype
    if dtype not in _BOUNDS:
        raise NotImplementedError(
            f"random_: expected a floating, integer or bool dtype, got {dtype.name}"
        )
    if low is None and high is None:
        start, count, wide = _whole_range(dtype)
    else:
        start, count = _checked_range(dtype, low, high)
        wide = count >= 2**28
    _fill(out, in_memory_order, lambda array: engine.integers(array, start, count % 2**64, wide))


def _last_integer(dtype: np.dtype) -> int:
    if dtype in _DIGITS:
        return 2 ** _DIGITS[dtype]
    return min(_BOUNDS[dtype][1], _INT64_MAX)


def _whole_range(dtype: np.dtype) -> tuple[int, int, bool]:
    if dtype.kind == "u" and dtype.itemsize > 1:
        raise NotImplementedError(
            f"random_: needs bounds for {dtype.name}; pass from and to, for example random_(0, 10)"
        )
    return 0, _last_integer(dtype) + 1, dtype.itemsize == 8


def _checked_range(dtype: np.dtype, low: int | None, high: int | None) -> tuple[int, int]:
    low = 0 if low is None else int(low)
    for name, bound in (("from", low), ("to", high)):
        if bound is not None and not _INT64_MIN <= bound <= _INT64_MAX:
            raise ValueError(f"random_: {name} must be an int64, got {bound}")
    if high is None:
        return _open_range(dtype, low)
    high = int(high)
    if low >= high:
        raise RuntimeError(f"random_: expected from < to, got from={low} and to={high}")
    _expect_within(dtype, "from", low)
    _expect_within(dtype, "to - 1", high - 1)
    if dtype in _DIGITS and max(-low, high) > 2 ** _DIGITS[dtype]:
        low, high = _representable(dtype, low, high)
        if low >= high:
            raise RuntimeError(f"random_: {dtype.name} holds no integer between from and to")
    return low, high - low


def _open_range(dtype: np.dtype, low: int) -> tuple[int, int]:
    if low == _INT64_MIN:
        if dtype.itemsize == 8 and dtype.kind == "i" or dtype in _DIGITS and dtype != np.float16:
            return 0, 2**64  # all the bits, read as an int64
        raise RuntimeError(f"random_: {dtype.name} cannot hold all of int64's range")
    last = _last_integer(dtype)
    _expect_within(dtype, "from", low)
    if low > last or (dtype in _DIGITS and low == last):
        raise RuntimeError(
            f"random_: expected from below {last}, the last integer before gaps in {dtype.name}, "
            f"got {low}; pass to as well"
        )
    return low, last - low + 1


def _expect_within(dtype: np.dtype, name: str, bound: int) -> None:
    smallest, largest = _BOUNDS[dtype]
    if not smallest <= bound <= largest:
        raise RuntimeError(
            f"random_: {name}={bound} is out of bounds for {dtype.name}, which holds {smallest} "
            f"to {largest}"
        )
    exact = 2 ** _DIGITS.get(dtype, 64)
    if abs(bound) > exact:
        warnings.warn(
            f"random_: {name}={bound} lies outside -{exact} to {exact}, where {dtype.name} holds "
            "every integer; the numbers drawn will not be equally likely",
            UserWarning,
            stacklevel=5,
        )


def _representable(dtype: np.dtype, low: int, high: int) -> tuple[int, int]:
    """Moves bounds that the dtype would round out of the range to the next numbers inside."""

    # PyTorch's way from an int64 to a half-precision number leads through single precision.
    through = np.float64 if dtype == np.float64 else np.float32

    def rounded(x):
        return int(float(np.int64(x).astype(through).astype(dtype)))

    def gap(x):
        return 1 << max(0, abs(x).bit_length() - _DIGITS[dtype])

    if rounded(low + 1) < low:
        low = rounded(low + 1) + gap(low + 1)
    if rounded(high - 1) >= high:
        high = rounded(high - 1) - gap(high - 1)
    return low, high


def permutation(engine: Engine, n: int) -> np.ndarray:
    """0 to n - 1 in random order, as int64.

    Raises:
        RuntimeError: n is negative.

    >>> permutation(Engine(0), 5)
    array([4, 0, 1, 3, 2])
    """
    if n < 0:
        raise RuntimeError(f"randperm: expected n >= 0, got {n}")
    out = np.empty(n, np.int64)
    engine.permutation(out)
    return out


def multinomial(engine, weights, count, replacement=False) -> np.ndarray:
    """Draws indices with probabilities in proportion to weights.

    Args:
        engine: the stream.
        weights: (K,) or (N, K), floating; finite, not negative, with a positive sum in each row.
        count: indices to draw for each row; at most K without replacement.
        replacement: whether an index may come twice.

    Returns:
        int64, (count,) or (N, count).

    Raises:
        RuntimeError: weights or a count outside what is described here.

    >>> multinomial(Engine(0), np.array([0.0, 1.0, 0.0]), 4, replacement=True)
    array([1, 1, 1, 1])
    """
    _expect_floating(weights, "multinomial", RuntimeError)
    if weights.ndim not in (1, 2) or weights.shape[-1] == 0:
        raise RuntimeError(
            f"multinomial: expected weights of shape (K,) or (N, K) with K > 0, got {weights.shape}"
        )
    if count <= 0:
        raise RuntimeError(f"multinomial: expected num_samples > 0, got {count}")
    if not replacement and count > weights.shape[-1]:
        raise RuntimeError(
            f"multinomial: cannot draw {count} of {weights.shape[-1]} without replacement"
        )
    rows = weights.reshape(-1, weights.shape[-1])
    if not (np.isfinite(rows) & (rows >= 0)).all():
        raise RuntimeError("multinomial: weights must be finite and >= 0; got inf, nan or < 0")
    if not (rows > 0).any(axis=1).all():
        raise RuntimeError("multinomial: the weights of a row must have a positive sum")
    single = not replacement or count == 1
    out = (_first_arrivals if single else _by_cumulative_sum)(engine, rows, count)
    return out.reshape(*weights.shape[:-1], count)


def _first_arrivals(engine, rows, count) -> np.ndarray:
    """Of exponential waiting times, the shortest: those of large weights come early."""
    times = np.empty(rows.shape, rows.dtype)
    exponential(engine, times)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        speed = rows / times
    if count == 1:
        return speed.argmax(axis=1, keepdims=True)
    return np.argsort(-speed.astype(np.float64), axis=1, kind="stable")[:, :count]


def _by_cumulative_sum(engine, rows, count) -> np.ndarray:
    unit = np.empty((len(rows), count), np.float64)
    uniform(engine, unit)
    # Half-precision sums would stop growing.
    sums = np.cumsum(rows, axis=1, dtype=np.float32 if rows.itemsize == 2 else rows.dtype)
    sums = (sums / sums[:, -1:]).astype(np.float64)
    sums[:, -1] = 1
    out = np.empty(unit.shape, np.int64)
    for i, row in enumerate(sums):
        out[i] = np.searchsorted(row, unit[i])
    return out
