"""Tensors that know what they hold: an image, a mask, boxes, points, a video.

The transforms of ``transforms.v2`` treat each as it must be. They are tensors like any other, and what operations make
of them are plain tensors, except ``clone``, ``to``, ``detach`` and ``requires_grad_``; see `set_return_type`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any

from ..ops.values import as_tensor
from ..primitive import EXPORTS
from ..tensor import Tensor
from .pillow import is_image
from .transforms.conversion_functions import pil_to_tensor

__all__ = [
    "BoundingBoxFormat",
    "BoundingBoxes",
    "Image",
    "KeyPoints",
    "Mask",
    "TVTensor",
    "Video",
    "is_rotated_bounding_format",
    "set_return_type",
    "wrap",
]


class TVTensor(Tensor):
    """What all tensors of this module are: a tensor, with the attributes named in ``_about`` beside it."""

    _about: tuple[str, ...] = ()

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> TVTensor:
        return cls._made(cls._values(data, dtype, device), requires_grad)

    @staticmethod
    def _values(data: Any, dtype: Any, device: Any) -> Tensor:
        made = as_tensor(data, dtype=dtype, device=device)
        return made.as_subclass(Tensor) if isinstance(made, TVTensor) else made

    @classmethod
    def _made(cls, tensor: Tensor, requires_grad: bool | None = None, **about: Any) -> TVTensor:
        made = tensor.as_subclass(cls)
        if requires_grad is not None:
            # Said of this tensor, which is a leaf: it is a view of one without history.
            Tensor.requires_grad_(made, requires_grad)
        for name, value in about.items():
            setattr(made, name, value)
        return made

    def _like(self, out: Tensor) -> TVTensor:
        """``out`` as what this tensor is; its shape may have become another."""
        return self._made(out, **{name: getattr(self, name) for name in self._about})

    def clone(self, *args: Any, **kwargs: Any) -> TVTensor:
        """A copy of the same kind."""
        return self._like(super().clone(*args, **kwargs))

    def to(self, *args: Any, **kwargs: Any) -> TVTensor:
        """The same kind with another dtype or on another device."""
        return self._like(super().to(*args, **kwargs))

    def detach(self) -> TVTensor:
        """The same kind without history."""
        return self._like(super().detach())

    def requires_grad_(self, requires_grad: bool = True) -> TVTensor:
        """Says whether this leaf requires a gradient, and returns it."""
        super().requires_grad_(requires_grad)
        return self

    def __deepcopy__(self, memo: dict) -> TVTensor:
        made = self._like(Tensor.clone(self.as_subclass(Tensor).detach()))
        return made.requires_grad_(self.requires_grad)

    def __reduce_ex__(self, protocol: int) -> tuple:
        about = {name: getattr(self, name) for name in self._about}
        return _rebuilt, (type(self), self.as_subclass(Tensor), about)

    def __repr__(self) -> str:
        values = repr(self.as_subclass(Tensor)).removeprefix("tensor(").removesuffix(")")
        about = [f"{name}={getattr(self, name)}" for name in self._about]
        return f"{type(self).__name__}({', '.join([values, *about])})"


def _rebuilt(cls: type[TVTensor], tensor: Tensor, about: dict[str, Any]) -> TVTensor:
    return cls._made(tensor, **about)


class _Pictures(TVTensor):
    _least = 2

    @classmethod
    def _values(cls, data: Any, *options: Any) -> Tensor:
        values = super()._values(pil_to_tensor(data) if is_image(data) else data, *options)
        if values.ndim < cls._least:
            shape = "(..., T, C, H, W)" if cls._least > 2 else "(..., C, H, W)"
            raise ValueError(
                f"Tensor must be {cls._least}D or higher, got {values.ndim}D tensor; {cls.__name__} holds {shape}"
            )
        return values[None] if values.ndim == 2 else values


class Image(_Pictures):
    """An image, shape (..., C, H, W); of a PIL image, its pixels.

    Args:
        data: whatever ``torch.as_tensor`` takes, or a PIL image; (H, W) gets a dimension of channels.
        dtype, device, requires_grad: as for ``torch.tensor``; by default those of ``data``.

    Raises:
        ValueError: it has less than two dimensions.

    >>> Image([[1, 2]])
    Image([[[1, 2]]])
    >>> Image([[1, 2]]) + 1
    tensor([[[2, 3]]])
    """


class Video(_Pictures):
    """A video, shape (..., T, C, H, W).

    Raises:
        ValueError: it has less than four dimensions.
    """

    _least = 4


class Mask(TVTensor):
    """A mask for segmentation or detection, shape (..., H, W): of classes, or one for each object."""

    @staticmethod
    def _values(data: Any, *options: Any) -> Tensor:
        return TVTensor._values(pil_to_tensor(data) if is_image(data) else data, *options)


class BoundingBoxFormat(Enum):
    """What the numbers of a box say.

    ``XYXY``: left, top, right, bottom; ``XYWH``: left, top, width, height; ``CXCYWH``: x and y of the centre, width,
    height. Of rotated boxes, ``XYWHR`` and ``CXCYWHR`` add an angle in degrees, counter-clockwise, and ``XYXYXYXY``
    has the four corners one after the other, from the top left one on clockwise.
    """

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


def as_format(format: BoundingBoxFormat | str) -> BoundingBoxFormat:
    """The format of that name.

    Raises:
        KeyError: there is none.

    >>> as_format("xyxy")
    <BoundingBoxFormat.XYXY: 'XYXY'>
    """
    if not isinstance(format, str):
        return format
    try:
        return BoundingBoxFormat[format.upper()]
    except KeyError:
        names = ", ".join(BoundingBoxFormat.__members__)
        raise KeyError(f"there is no box format {format!r}; give one of {names}") from None


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Whether boxes of this format can be turned.

    Raises:
        ValueError: ``format`` is neither a format nor a name.
    """
    if not isinstance(format, (BoundingBoxFormat, str)):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    name = format if isinstance(format, str) else format.name
    return name in ("XYWHR", "CXCYWHR", "XYXYXYXY")


class BoundingBoxes(TVTensor):
    """Boxes of one image, shape (N, 4); of rotated ones (N, 5) or (N, 8).

    Args:
        data: whatever ``torch.as_tensor`` takes; one box alone gets a dimension.
        format: a `BoundingBoxFormat`, or its name.
        canvas_size: height and width of the image.
        clamping_mode: how boxes that reach out of the image are brought back: ``"soft"``, ``"hard"`` or None, not at
            all. The first two differ for rotated boxes only.
        dtype, device, requires_grad: as for ``torch.tensor``.

    Raises:
        ValueError: there are more than two dimensions, the mode is another, or rotated boxes are integers.
        KeyError: there is no such format.

    >>> BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(10, 20)).canvas_size
    (10, 20)
    """

    _about = ("format", "canvas_size", "clamping_mode")

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> BoundingBoxes:
        values = cls._values(data, dtype, device)
        if is_rotated_bounding_format(format) and not values.is_floating_point():
            raise ValueError(
                f"Rotated bounding boxes should be floating point tensors, got {values.dtype}."
            )
        if values.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {values.ndim}D")
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        values = values[None] if values.ndim == 1 else values
        return cls._made(
            values,
            requires_grad,
            format=as_format(format),
            canvas_size=canvas_size,
            clamping_mode=clamping_mode,
        )


class KeyPoints(TVTensor):
    """Points in an image, shape (..., 2): x and y.

    Args:
        data: whatever ``torch.as_tensor`` takes; one point alone gets a dimension.
        canvas_size: height and width of the image.
        dtype, device, requires_grad: as for ``torch.tensor``.

    Raises:
        ValueError: the last dimension is not 2.
    """

    _about = ("canvas_size",)

    def __new__(
        cls,
        data: Any,
        *,
        canvas_size: tuple[int, int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> KeyPoints:
        values = cls._values(data, dtype, device)
        values = values[None] if values.ndim == 1 else values
        if values.ndim == 0 or values.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {values.shape}")
        return cls._made(values, requires_grad, canvas_size=canvas_size)


def wrap(wrappee: Tensor, *, like: Tensor, **kwargs: Any) -> Tensor:
    """A tensor as what ``like`` is.

    Args:
        wrappee: the tensor.
        like: a tensor of this module; its format, canvas size and the like are taken over.
        **kwargs: attributes that shall differ, such as ``canvas_size``.

    >>> boxes = BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(10, 20))
    >>> wrap(boxes * 2, like=boxes, canvas_size=(20, 40)).canvas_size
    (20, 40)
    """
    if not isinstance(like, TVTensor):
        return wrappee.as_subclass(type(like))
    about = {name: kwargs.get(name, getattr(like, name)) for name in like._about}
    if "format" in about:
        about["format"] = as_format(about["format"])
    return type(like)._made(wrappee, **about)


class set_return_type:
    """Says what operations on the tensors of this module give; as a context manager, within its block.

    Methods and operators are meant (``image.add(1)``, ``image + 1``); functions (``torch.add(image, 1)``) always
    give plain tensors.

    Args:
        return_type: ``"Tensor"``, plain tensors, which is the default; ``"TVTensor"``, the same kind again.

    Raises:
        ValueError: it is another word.

    >>> with set_return_type("TVTensor"):
    ...     Image([[1, 2]]) + 1
    Image([[[2, 3]]])
    """

    _keeps = False

    def __init__(self, return_type: str):
        words = {"tensor": False, "tvtensor": True}
        if str(return_type).lower() not in words:
            raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
        self._before = set_return_type._keeps
        _keep_kind(words[return_type.lower()])

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        _keep_kind(self._before)


_OWN = {name for name in vars(TVTensor)}
# What gives a plain tensor on purpose, or looks at the tensor without making another.
_PLAIN = {"as_subclass", "numpy", "backward", "tolist", "item"}


def _keep_kind(keeps: bool) -> None:
    """Puts methods on `TVTensor` that keep the kind, or takes them away; a call costs nothing while they are away."""
    if keeps != set_return_type._keeps:
        for name in set(_methods()) - _OWN - _PLAIN:
            if keeps:
                setattr(TVTensor, name, _keeping(getattr(Tensor, name)))
            else:
                delattr(TVTensor, name)
    set_return_type._keeps = keeps


def _methods() -> list[str]:
    operators = [
        name
        for name in vars(Tensor)
        if name.strip("_") in _OPERATORS and callable(getattr(Tensor, name))
    ]
    return [*(n for n in EXPORTS["Tensor"] if not n.startswith("_")), *operators]


_OPERATORS = set(
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul neg pos abs "
    "invert and or xor lshift rshift eq ne lt le gt ge getitem".split()
)


def _keeping(method: Callable) -> Callable:
    @wraps(method)
    def keeping(self: TVTensor, *args: Any, **kwargs: Any) -> Any:
        return _as_kind(self, method(self, *args, **kwargs))

    return keeping


def _as_kind(like: TVTensor, out: Any) -> Any:
    if type(out) is Tensor:
        return like._like(out)
    if type(out) in (tuple, list):
        return type(out)(_as_kind(like, x) for x in out)
    return out
