"""Checks of the options that several rules have in common."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


def check_not_negative(what: str, value: Any) -> None:
    """Refuses a value below 0.

    Raises:
        ValueError: it is.
    """
    if not 0.0 <= value:
        raise ValueError(f"Invalid {what}: {value}; it must be 0 or more")


def check_rate(lr: Any) -> None:
    """Refuses a learning rate that is negative or a tensor of several values.

    Raises:
        ValueError: it is.
    """
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError(f"Tensor lr must be 1-element, but it has {lr.numel()}")
    check_not_negative("learning rate", lr)


def check_betas(betas: Any) -> None:
    """Refuses betas outside [0, 1), a number beside a tensor, and tensors of several values.

    Raises:
        ValueError: they are.
    """
    first, second = betas[0], betas[1]
    if isinstance(first, Tensor) != isinstance(second, Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for place, beta in enumerate((first, second)):
        if isinstance(beta, Tensor) and beta.numel() != 1:
            raise ValueError(f"Tensor betas[{place}] must be 1-element, but it has {beta.numel()}")
        if not 0.0 <= beta < 1.0:
            raise ValueError(
                f"Invalid beta parameter at index {place}: {beta}; it must be 0 or more, and below 1"
            )


def check_forms(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Refuses ``fused`` beside what contradicts it.

    Raises:
        RuntimeError: both are asked for.
    """
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
