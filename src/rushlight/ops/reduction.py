"""How a loss becomes one number."""

from __future__ import annotations

import warnings
from typing import Any

from ..tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


def check_tensors(name: str, input: Any, target: Any) -> None:
    for i, (what, x) in enumerate((("input", input), ("target", target))):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name}(): argument '{what}' (position {i + 1}) must be Tensor, not {type(x).__name__}; make it one "
                "with torch.tensor(...)"
            )


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'"
        )


def legacy_reduction(size_average: bool | None, reduce: bool | None) -> str:
    """The reduction that the old arguments ``size_average`` and ``reduce`` mean; warns.

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     legacy_reduction(False, None)
    'sum'
    """
    reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
        UserWarning,
        stacklevel=3,
    )
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    check_reduction(reduction)
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """`reduced`, where each element counts as much as ``weight`` says; also in the mean."""
    if weight is None:
        return reduced(loss, reduction)
    loss = loss * weight
    if reduction == "mean":
        return loss.sum() / weight.expand(loss._array.shape).sum()
    return reduced(loss, reduction)
