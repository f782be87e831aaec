"""Pillow, imported when the first image needs it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# glibc gives memory back to the system when the free end of its heap is twice the largest block freed so far.
# Between two photographs that would be all of it, each time, and to fetch it again costs a third of decoding.
bytes(16 << 20)


def module(name: str = "Image") -> Any:
    """The module ``PIL.<name>``.

    Raises:
        ImportError: Pillow is not installed.

    >>> module("ImageOps").__name__
    'PIL.ImageOps'
    """
    loaded = sys.modules.get("PIL." + name)
    if loaded is not None:
        return loaded
    try:
        return importlib.import_module("PIL." + name)
    except ImportError as error:
        raise ImportError(
            f'images need Pillow, which could not be imported ({error}); pip install "rushlight[vision]"'
        ) from error


def is_image(x: Any) -> bool:
    """Whether ``x`` is a PIL image; false without importing Pillow where nobody has.

    >>> is_image(module().new("L", (2, 2))), is_image(3)
    (True, False)
    """
    loaded = sys.modules.get("PIL.Image")
    return loaded is not None and isinstance(x, loaded.Image)
