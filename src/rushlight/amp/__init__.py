"""Mixed precision: `autocast` chooses the dtype of each op, `GradScaler` keeps float16 gradients in range."""

from .autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
