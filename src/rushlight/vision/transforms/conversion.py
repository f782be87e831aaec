"""Transforms between images, arrays and tensors, and of a tensor's values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...nn.module import Module
from ...tensor import Tensor, values_of, wrap
from ..pillow import is_image
from . import functional as F
from .conversion_functions import pixels_of, planes


class ToTensor:
    """A PIL image or array ``(H, W, C)`` as a tensor ``(C, H, W)``; bytes from 0 to 255 become floats from 0 to 1.

    >>> ToTensor()(np.array([[0, 255]], np.uint8))
    tensor([[[0., 1.]]])
    """

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor ``(C, H, W)`` of its own dtype."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ConvertImageDtype(Module):
    """A tensor in another dtype, with black and white at its ends.

    Args:
        dtype: the new dtype.

    >>> ConvertImageDtype(rushlight.float32)(rushlight.tensor([0, 255], dtype=rushlight.uint8))
    tensor([0., 1.])
    """

    def __init__(self, dtype: dtypes.dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class ToPILImage:
    """A tensor ``(C, H, W)`` or array ``(H, W, C)`` as a PIL image; floats from 0 to 1 become bytes.

    Args:
        mode: the image's mode; by default that of the channels and dtype.

    >>> ToPILImage()(rushlight.ones(3, 2, 4)).size
    (4, 2)
    """

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        mode = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({mode})"


class Normalize(Module):
    """``(tensor - mean) / std`` for each channel.

    Args:
        mean, std: one number for each channel.
        inplace: overwrite the tensor.

    >>> Normalize([0.5], [0.5])(rushlight.ones(1, 1, 2))
    tensor([[[1., 1.]]])
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False):
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def of_image(self, pic: Any) -> Tensor | None:
        """What `ToTensor` and then this gives for an image or array of bytes; None for anything else."""
        if not (is_image(pic) or isinstance(pic, np.ndarray) and pic.ndim in (2, 3)):
            return None
        pixels = pixels_of(pic)
        out = self.of_pixels(pixels[None])
        return None if out is None else wrap(out[0])

    def of_pixels(self, pixels: np.ndarray) -> np.ndarray | None:
        """The planes ``(N, C, H, W)`` that `ToTensor` and then this give of images ``(N, H, W, C)``.

        Returns:
            A float32 array, or None where the pixels are no bytes, or the means and deviations are not one for each
            channel or not good: then the usual way computes it, or says what is wrong.
        """
        if pixels.dtype != np.uint8 or dtypes.get_default_dtype() is not dtypes.float32:
            return None
        channels = pixels.shape[-1]
        columns = []
        for values in (self.mean, self.std):
            array = values_of(values.detach()) if isinstance(values, Tensor) else np.asarray(values)
            if array.size not in (1, channels) or array.ndim > 1 or array.dtype.kind not in "fiu":
                return None
            columns.append(np.full(channels, array, np.float32))
        mean, std = columns
        return planes(pixels, mean, std) if std.all() else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class LinearTransformation(Module):
    """``(tensor - mean_vector) @ transformation_matrix`` of the flattened tensor, as for whitening.

    Args:
        transformation_matrix: ``(D, D)``, where D is ``C * H * W``.
        mean_vector: ``(D)``.

    Raises:
        ValueError: the shapes do not fit.
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor):
        super().__init__()
        n = transformation_matrix.size(0)
        if n != transformation_matrix.size(1):
            raise ValueError(
                "transformation_matrix should be square. Got "
                f"{tuple(transformation_matrix.shape)} rectangular matrix."
            )
        if mean_vector.size(0) != n:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.size(0)} as any one of the dimensions of the "
                f"transformation_matrix [{tuple(transformation_matrix.shape)}]"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        shape = tensor.shape
        n = shape[-3] * shape[-2] * shape[-1]
        if n != self.transformation_matrix.shape[0]:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{shape[-3]} x {shape[-2]} x {shape[-1]}] != {self.transformation_matrix.shape[0]}"
            )
        flat = tensor.reshape(-1, n) - self.mean_vector
        return flat.mm(self.transformation_matrix).reshape(shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
