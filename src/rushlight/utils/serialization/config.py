"""What `save` and `load` do where a call does not say: see `rushlight.serialization.config`."""

from ...serialization.config import load, save

__all__ = ["load", "save"]
