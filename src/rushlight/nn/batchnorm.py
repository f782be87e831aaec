"""Batch normalisation layers."""

from __future__ import annotations

from typing import Any

from ..dtypes import int64
from ..ops.creation import empty, ones, zeros
from ..ops.creation import tensor as new_tensor
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _BatchNorm(Module):
    """Every channel normalised over the batch, then scaled and shifted.

    Args:
        num_features: the number of channels.
        eps: added to the variance.
        momentum: the part of a batch's statistics in the new running ones; None keeps their plain mean.
        affine: whether to learn a scale (``weight``) and a shift (``bias``).
        track_running_stats: keep running statistics, which ``eval()`` then uses.
        bias: False learns a scale alone.
    """

    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]
    dims: tuple[int, ...]

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = Parameter(empty(num_features, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = Parameter(empty(num_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        if track_running_stats:
            self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", new_tensor(0, dtype=int64, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets all batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forgets all batches, and starts scale and shift at 1 and 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self.dims:
            wanted = " or ".join(f"{d}D" for d in self.dims)
            raise ValueError(
                f"expected {wanted} input (got {input.dim()}D input): {type(self).__name__} of "
                f"{self.num_features} channels"
            )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        average = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                average = 1.0 / float(self.num_batches_tracked)
        keeps = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if keeps else None,
            self.running_var if keeps else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            average,
            self.eps,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: list,
        unexpected_keys: list, error_msgs: list,
    ) -> None:  # fmt: skip
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            # Checkpoints of the first version did not count batches.
            kept = self.num_batches_tracked
            state_dict[key] = (
                kept if kept is not None and not kept.is_meta else new_tensor(0, dtype=int64)
            )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class BatchNorm1d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shape:
        ``(N, C)`` or ``(N, C, L)``.

    >>> BatchNorm1d(3)(rushlight.rand(4, 3)).shape
    torch.Size([4, 3])
    """
    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shape:
        ``(N, C, H, W)``.

    >>> BatchNorm2d(3)(rushlight.rand(4, 3, 2, 2)).shape
    torch.Size([4, 3, 2, 2])
    """
    dims = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shape:
        ``(N, C, D, H, W)``.
    """
    dims = (5,)
