"""The transforms as functions of images, videos, masks, boxes and points.

Each does to a PIL image or a plain tensor ``(..., C, H, W)`` what its namesake in ``transforms.functional`` does, keeps
the kinds of ``tv_tensors``, and moves masks, boxes and points along with their image.
"""

from __future__ import annotations

from ...tv_tensors import Image, Mask, Video
from ..functional import InterpolationMode, pil_to_tensor, to_pil_image
from .dispatch import KERNELS, plain_kernel, register_kernel
from .functional_boxes import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    sanitize_bounding_boxes,
    sanitize_keypoints,
)
from .functional_colors import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    convert_image_dtype,
    equalize,
    erase,
    gaussian_blur,
    gaussian_noise,
    grayscale_to_rgb,
    invert,
    jpeg,
    normalize,
    permute_channels,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_dtype,
    to_grayscale,
    to_image,
    to_tensor,
    uniform_temporal_subsample,
)
from .functional_places import (
    affine,
    center_crop,
    crop,
    elastic,
    elastic_transform,
    five_crop,
    hflip,
    horizontal_flip,
    pad,
    perspective,
    resize,
    resized_crop,
    rotate,
    ten_crop,
    vertical_flip,
    vflip,
)
from .sizes import (
    get_dimensions,
    get_image_num_channels,
    get_image_size,
    get_num_channels,
    get_num_frames,
    get_size,
    is_pure_tensor,
)

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "center_crop", "clamp_bounding_boxes", "clamp_keypoints",
    "convert_bounding_box_format", "convert_image_dtype", "crop", "elastic", "elastic_transform", "equalize", "erase",
    "five_crop", "gaussian_blur", "gaussian_noise", "get_dimensions", "get_image_num_channels", "get_image_size",
    "get_num_channels", "get_num_frames", "get_size", "grayscale_to_rgb", "hflip", "horizontal_flip", "invert",
    "is_pure_tensor", "jpeg", "normalize", "pad", "permute_channels", "perspective", "pil_to_tensor", "posterize",
    "register_kernel", "resize", "resized_crop", "rgb_to_grayscale", "rotate", "sanitize_bounding_boxes",
    "sanitize_keypoints", "solarize", "ten_crop", "to_dtype", "to_grayscale", "to_image", "to_pil_image", "to_tensor",
    "uniform_temporal_subsample", "vertical_flip", "vflip",
]  # fmt: skip

# For plain tensors that are known to be an image, a video or a mask: resize_image, resize_mask, ...
for _function, _kernels in KERNELS.items():
    for _kind, _ending in ((Image, "image"), (Video, "video"), (Mask, "mask")):
        if _kind in _kernels:
            _name = f"{_function.__name__}_{_ending}"
            globals()[_name] = plain_kernel(_function, _kind, _name)
for _function in (get_dimensions, get_num_channels, get_size, to_dtype):
    for _ending in ("image", "video"):
        globals()[f"{_function.__name__}_{_ending}"] = _function
get_size_mask = get_size_bounding_boxes = get_size_keypoints = get_size
get_num_frames_video = get_num_frames
