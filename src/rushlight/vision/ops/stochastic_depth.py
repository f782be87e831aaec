"""Stochastic depth: branches of a residual network left out at random."""

from __future__ import annotations

from ... import nn
from ...tensor import Tensor

__all__ = ["StochasticDepth", "stochastic_depth"]


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Samples set to zero with probability ``p``, the others divided by ``1 - p``.

    Args:
        input: ``(N, ...)``, floating: what a branch gives, before it is added to what goes round it.
        p: the probability, from 0 to 1.
        mode: ``"row"`` chooses for each sample, ``"batch"`` for all at once.
        training: otherwise the input itself is the result.

    Raises:
        ValueError: ``p`` or ``mode`` is none of these.

    Source: Huang et al. 2016, "Deep networks with stochastic depth".

    >>> stochastic_depth(rushlight.ones(2, 3), 0.0, "row")
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("row", "batch"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode!r}")
    if not training or p == 0.0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    kept = input.new_empty((rows,) + (1,) * (input.ndim - 1)).bernoulli_(1.0 - p)
    if p < 1.0:
        kept.div_(1.0 - p)
    return input * kept


class StochasticDepth(nn.Module):
    """`stochastic_depth` while training.

    Args:
        p: the probability, from 0 to 1.
        mode: ``"row"`` chooses for each sample, ``"batch"`` for all at once.
    """

    def __init__(self, p: float, mode: str):
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"
