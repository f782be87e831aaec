"""Images: torchvision's API, over Pillow and NumPy.

- `transforms`: changes to images, old names and v2; `datasets`: those that everybody uses;
- `models`: networks with torchvision's state-dict keys; `ops`: boxes; `utils`, `io`: images as files and in grids.

A part is imported when it is first asked for. Images are Pillow's: ``pip install "rushlight[vision]"``.
"""

from __future__ import annotations

import importlib
from typing import Any

_PARTS = ("datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils")
_image_backend = "PIL"


def set_image_backend(backend: str) -> None:
    """Chooses the package that reads images for ``datasets.ImageFolder``: ``"PIL"``, which is Pillow.

    Raises:
        ValueError: it is another one.
    """
    if backend != "PIL":
        raise ValueError(f"Invalid backend {backend!r}: images are read by Pillow; give 'PIL'")


def get_image_backend() -> str:
    """The package that reads images.

    >>> get_image_backend()
    'PIL'
    """
    return _image_backend


def disable_beta_transforms_warning() -> None:
    """Does nothing: there is no such warning. Programs of torchvision 0.15 call it."""


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PARTS})
