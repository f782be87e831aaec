"""What the transforms do to image tensors, by torchvision's older name of the module."""

from __future__ import annotations

from .color_tensor import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
)
from .geometry_tensor import (
    affine,
    crop,
    elastic_transform,
    erase,
    gaussian_blur,
    hflip,
    pad,
    perspective,
    resize,
    rotate,
    vflip,
)
from .image_tensors import (
    convert_image_dtype,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
)

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness",
    "affine", "autocontrast", "convert_image_dtype", "crop", "elastic_transform", "equalize", "erase", "gaussian_blur",
    "get_dimensions", "get_image_num_channels", "get_image_size", "hflip", "invert", "pad", "perspective", "posterize",
    "resize", "rgb_to_grayscale", "rotate", "solarize", "vflip",
]  # fmt: skip
