"""The older spellings in ``torch.cuda.amp`` and ``torch.cpu.amp``: they work, and say what is written today."""

from __future__ import annotations

import warnings


def deprecated(device_type: str, name: str) -> None:
    """Warns of ``torch.<device_type>.amp.<name>``, at the line that calls the caller."""
    warnings.warn(
        f"torch.{device_type}.amp.{name}(args...) is deprecated; write torch.amp.{name}('{device_type}', args...)",
        FutureWarning,
        stacklevel=3,
    )
