"""The short road for images in one array: a whole batch by table instead of image by image.

A transform that treats every pixel by itself, such as ``ToTensor`` followed by ``Normalize``, maps each of
the 256 values of a byte to one number per channel. The transform itself makes that table, from an image
that holds all values; a batch is then one look-up. So the numbers are the transform's own, to the last bit.
"""

from __future__ import annotations

import functools
import pickle
from typing import Any

import numpy as np

from ...dtypes import get_default_dtype
from ...tensor import Tensor, values_of, wrap
from ...utils.data import placing
from .. import pillow

HOME = "rushlight.vision.transforms"
POINTWISE = frozenset(
    (
        "Compose",
        "ConvertImageDtype",
        "Identity",
        "Normalize",
        "PILToTensor",
        "ToDtype",
        "ToImage",
        "ToTensor",
    )
)


def table_of(transform: Any, channels: int) -> np.ndarray | None:
    """What ``transform`` makes of the bytes 0 to 255, as (channels, 256); None if it is not pointwise."""
    if not is_pointwise(transform):
        return None
    # Its whole state is the key, because a transform can be changed in place.
    try:
        key = pickle.dumps((transform, channels, get_default_dtype().name))
    except Exception:
        return None
    return _table(key)


def is_pointwise(transform: Any) -> bool:
    """Whether a transform is one of ours that treats every pixel by itself, or a chain of such."""
    kind = type(transform)
    if kind.__name__ not in POINTWISE or not kind.__module__.startswith(HOME):
        return False
    if getattr(transform, "_forward_hooks", None) or getattr(transform, "_forward_pre_hooks", None):
        return False
    if kind.__name__ == "Compose":
        return len(transform.transforms) > 0 and all(map(is_pointwise, transform.transforms))
    return True


@functools.lru_cache(maxsize=16)
def _table(key: bytes) -> np.ndarray | None:
    transform, channels, _ = pickle.loads(key)
    all_bytes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    if channels > 1:
        all_bytes = np.repeat(all_bytes[:, :, None], channels, 2)
    try:
        made = transform(pillow.module().fromarray(all_bytes))
    except Exception:
        return None  # the same error comes from the first image
    if not isinstance(made, Tensor) or tuple(made.shape) != (channels, 16, 16):
        return None
    return values_of(made).reshape(channels, 256).copy()


def taken(images: np.ndarray, labels: Any, transform: Any, index: Any) -> list[Tensor] | None:
    """What ``default_collate`` makes of the samples at ``index``.

    Args:
        images: bytes of shape (N, C, H, W).
        labels: a tensor or an array of ints, or a list of them.
        index: an int64 array of indices, or a slice with a start and a stop.

    Returns:
        None where this road would not give just that, or an error: the samples must be read one by one.
    """
    if transform is None or images.dtype != np.uint8 or images.ndim != 4:
        return None
    table = table_of(transform, images.shape[1])
    if table is None:
        return None
    try:
        targets = _labels_at(labels, index)
        chosen = np.ascontiguousarray(images[index])
    except (IndexError, TypeError):
        return None
    if targets is None or len(targets) != len(chosen):
        return None
    if type(index) is slice and len(chosen) != index.stop - index.start:
        return None
    return [wrap(_looked_up(table, chosen)), wrap(targets)]


def _looked_up(table: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    out = placing.empty(chosen.shape, table.dtype)
    # With "raise", take() would write to a copy of `out` first; a byte is always within the table.
    if (table == table[0]).all():
        table[0].take(chosen, out=out, mode="clip")
    else:
        for channel, row in enumerate(table):
            out[:, channel] = row.take(chosen[:, channel])
    return out


def _labels_at(labels: Any, index: Any) -> np.ndarray | None:
    if type(labels) is Tensor:
        labels = values_of(labels)
    if type(labels) is list:
        chosen = labels[index] if type(index) is slice else [labels[i] for i in index.tolist()]
        return np.array(chosen) if {int}.issuperset(map(type, chosen)) and chosen else None
    if type(labels) is not np.ndarray or labels.dtype.kind not in "iu" or labels.ndim != 1:
        return None
    return labels[index].astype(np.int64)
