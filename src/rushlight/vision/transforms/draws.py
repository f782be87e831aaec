"""Random choices, drawn from the default stream as torchvision's transforms draw theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...backend import random_streams as streams
from ...random import engine_of
from ...tensor import Tensor, wrap


def chance() -> float:
    """A float32 number from 0 up to 1."""
    return uniform(0.0, 1.0)


def uniform(low: float, high: float) -> float:
    """A float32 number from ``low`` up to ``high``."""
    drawn = np.empty(1, np.float32)
    streams.uniform(engine_of(None), drawn, float(low), float(high))
    return drawn.item()


def uniforms(*shape: int) -> Tensor:
    """Float32 numbers from 0 up to 1."""
    drawn = np.empty(shape, np.float32)
    streams.uniform(engine_of(None), drawn)
    return wrap(drawn)


def integer(low: int, high: int) -> int:
    """A whole number from ``low`` up to, but without, ``high``.

    Raises:
        RuntimeError: there is none.
    """
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    drawn = np.empty(1, np.int64)
    streams.random(engine_of(None), drawn, low, high)
    return drawn.item()


def area_and_ratio(
    area: float, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[float, float]:
    """A part of an area, and a proportion of its sides whose logarithm is uniform.

    Args:
        scale: the smallest and largest part.
        ratio: the smallest and largest proportion.
    """
    low, high = np.log(np.array(ratio, np.float32)).tolist()
    part = area * uniform(scale[0], scale[1])
    return part, float(np.exp(np.float32(uniform(low, high))))


def dirichlet(concentration: np.ndarray) -> np.ndarray:
    """Shares that sum to 1 along the last dimension, float32.

    Args:
        concentration: float32; the larger, the closer to equal shares.
    """
    parts = np.array([_gamma(float(a)) for a in concentration.ravel()]).reshape(concentration.shape)
    parts = np.maximum(parts, np.finfo(np.float64).tiny)
    return (parts / parts.sum(-1, keepdims=True)).astype(np.float32)


def _gamma(shape: float) -> float:
    """A gamma-distributed number.

    Source: Marsaglia and Tsang 2000, "A simple method for generating gamma variables".
    """
    engine = engine_of(None)
    uniform, normal = np.empty(1, np.float64), np.empty(1, np.float64)
    scale = 1.0
    if shape < 1.0:
        if shape == 0.0:
            return 0.0
        streams.uniform(engine, uniform)
        scale = (1.0 - uniform.item()) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        v = 0.0
        while v <= 0.0:
            streams.normal(engine, normal)
            x = normal.item()
            v = 1.0 + c * x
        v = v * v * v
        streams.uniform(engine, uniform)
        u = 1.0 - uniform.item()
        if u < 1.0 - 0.0331 * x**4 or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return scale * d * v
