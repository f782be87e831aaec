"""Changes of images, on PIL images and tensors, with the names of torchvision's ``transforms``."""

from __future__ import annotations

import importlib
from typing import Any

from . import autoaugment, functional, transforms
from .autoaugment import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from .transforms import *  # noqa: F403 - what it lists in __all__


def __getattr__(name: str) -> Any:
    if name == "v2":
        return importlib.import_module(f"{__name__}.v2")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
