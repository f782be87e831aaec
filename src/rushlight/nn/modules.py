"""PyTorch's place for the layers: everything that ``nn`` has."""

from . import *  # noqa: F403
