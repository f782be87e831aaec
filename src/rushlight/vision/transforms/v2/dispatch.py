"""Functions that do to each kind of tensor what must be done to it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ....tensor import Tensor
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video, wrap
from ..interpolation import InterpolationMode, as_mode
from . import boxes as box_kernels

# For each function, what it does to each special kind of tensor.
KERNELS: dict[Callable, dict[type, Callable]] = {}


def mode_of(interpolation: Any) -> InterpolationMode:
    """The mode that a name, a mode or a Pillow constant means.

    Raises:
        ValueError: there is none of that name.

    >>> mode_of("nearest-exact")
    <InterpolationMode.NEAREST_EXACT: 'nearest-exact'>
    """
    if not isinstance(interpolation, str):
        return as_mode(interpolation)
    try:
        return InterpolationMode(interpolation)
    except ValueError:
        names = [mode.value for mode in InterpolationMode]
        raise ValueError(
            f"Invalid interpolation mode: {interpolation!r}. Supported string values are: {names}."
        ) from None


def functional(
    declared: Callable | None = None, *, kinds: tuple[type, ...] = (Image, Video)
) -> Callable:
    """What ``declared`` does to PIL images and plain tensors, also for these kinds, which stay what they are.

    Other kinds are refused; a transform passes them through.
    """
    if declared is None:
        return functools.partial(functional, kinds=kinds)

    @functools.wraps(declared)
    def function(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kind = type(inpt)
        if kind is Tensor or is_image(inpt):
            return declared(inpt, *args, **kwargs)
        kernel = kernel_of(function, kind)
        if kernel is None:
            raise TypeError(
                f"Functional F.{declared.__name__} supports inputs of type Tensor, PIL.Image.Image, "
                f"{', '.join(k.__name__ for k in KERNELS[function])}, but got {kind} instead"
            )
        return kernel(inpt, *args, **kwargs)

    def image_kernel(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        return like(inpt, declared(inpt.as_subclass(Tensor), *args, **kwargs))

    KERNELS[function] = {kind: image_kernel for kind in kinds}
    return function


def plain_kernel(function: Callable, kind: type, name: str) -> Callable:
    """What ``function`` does to a kind of tensor, from plain tensors to plain tensors."""

    def kernel(inpt: Tensor, *args: Any, **kwargs: Any) -> Any:
        out = KERNELS[function][kind](inpt.as_subclass(kind), *args, **kwargs)
        if isinstance(out, tuple):
            return tuple([x.as_subclass(Tensor) for x in out])
        return out.as_subclass(Tensor)

    kernel.__name__ = kernel.__qualname__ = name
    kernel.__doc__ = f"`{function.__name__}` of a plain tensor that holds {kind.__name__.lower()}s."
    return kernel


def like(inpt: Any, out: Any) -> Any:
    """A result, or each of several, as what the input is."""
    if isinstance(out, tuple):
        return tuple([like(inpt, x) for x in out])
    return wrap(out, like=inpt) if type(out) is Tensor else out


def kernel_of(function: Callable, kind: type) -> Callable | None:
    """What a function does to a kind of tensor, or to the nearest kind that it is made from; None for nothing."""
    found = KERNELS[function]
    if kind in found:
        return found[kind]
    if issubclass(kind, TVTensor):
        for parent in kind.__mro__[1:]:
            if parent in found:
                return found[parent]
        return None
    return function if issubclass(kind, Tensor) or kind in found else None


def takes(function: Callable, inpt: Any) -> bool:
    """Whether a function does something to such an input."""
    return is_image(inpt) or type(inpt) is Tensor or kernel_of(function, type(inpt)) is not None


def geometric(move: Callable, clamps: bool = True, masked: Callable | None = None) -> Callable:
    """`functional` of what moves pixels: also for masks, boxes and points.

    Args:
        move: given the points, the height and width, and the arguments of the function by name, it says where the
            points come to and the new height and width. ``extent`` is 0 for boxes, whose coordinates count edges of
            pixels, and 1 for points, whose coordinates count their centres.
        clamps: whether boxes are cut off at the edges of the image.
        masked: what is done to masks, (C, H, W), where it is not the function itself.
    """

    def register(declared: Callable) -> Callable:
        function = functional(declared)
        signature = inspect.signature(declared)

        def named(inpt: Any, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
            bound = signature.bind(inpt, *args, **kwargs)
            bound.apply_defaults()
            return dict(list(bound.arguments.items())[1:])

        def mask_kernel(inpt: Mask, *args: Any, **kwargs: Any) -> Mask:
            given = named(inpt, args, kwargs)
            if "interpolation" in given:
                # Between two classes there is nothing.
                given["interpolation"] = InterpolationMode.NEAREST
            mask = inpt.as_subclass(Tensor)
            flat = mask.ndim == 2
            out = (masked or declared)(mask[None] if flat else mask, **given)
            return wrap(out.squeeze(0) if flat else out, like=inpt)

        def box_kernel(inpt: BoundingBoxes, *args: Any, **kwargs: Any) -> BoundingBoxes:
            given = named(inpt, args, kwargs)
            out, size = box_kernels.moved_boxes(
                inpt.as_subclass(Tensor),
                inpt.format,
                inpt.canvas_size,
                inpt.clamping_mode,
                lambda points, canvas: move(points, canvas, extent=0, **given),
                clamps,
            )
            return wrap(out, like=inpt, canvas_size=size)

        def point_kernel(inpt: KeyPoints, *args: Any, **kwargs: Any) -> KeyPoints:
            given = named(inpt, args, kwargs)
            out, size = box_kernels.moved_points(
                inpt.as_subclass(Tensor),
                inpt.canvas_size,
                lambda points, canvas: move(points, canvas, extent=1, **given),
            )
            return wrap(out, like=inpt, canvas_size=size)

        KERNELS[function] |= {
            Mask: mask_kernel,
            BoundingBoxes: box_kernel,
            KeyPoints: point_kernel,
        }
        return function

    return register


def register_kernel(functional: Callable, tv_tensor_cls: type) -> Callable:
    """A decorator for what one of the functions here does to a class of one's own.

    Args:
        functional: the function.
        tv_tensor_cls: a subclass of `TVTensor`.

    Raises:
        ValueError: ``functional`` is none of them, or the class is no such class.

    >>> from .functional_places import hflip
    >>> class Sound(TVTensor):
    ...     pass
    >>> @register_kernel(hflip, Sound)
    ... def backwards(sound):
    ...     return sound.flip(0)
    >>> hflip(Sound([1, 2]))
    tensor([2, 1])
    """
    if functional not in KERNELS:
        raise ValueError(
            f"Kernels can only be registered on functionals of transforms.v2.functional, but got {functional}."
        )
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, TVTensor)):
        raise ValueError(
            f"Kernels can only be registered for subclasses of tv_tensors.TVTensor, but got {tv_tensor_cls}."
        )

    def register(kernel: Callable) -> Callable:
        KERNELS[functional][tv_tensor_cls] = kernel
        return kernel

    return register


def through_batch(function: Callable, img: Any, *args: Any, **kwargs: Any) -> Any:
    """``function`` of an image tensor with any number of leading dimensions, or of a PIL image."""
    if not isinstance(img, Tensor) or img.ndim <= 4:
        return function(img, *args, **kwargs)
    lead = img.shape[:-3]
    out = function(img.reshape(int(np.prod(lead)), *img.shape[-3:]), *args, **kwargs)
    return out.reshape(*lead, *out.shape[-3:])
