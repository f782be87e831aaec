"""Transforms between kinds and dtypes, of values, and of boxes and points."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .... import dtypes
from ....tensor import Tensor
from ... import tv_tensors
from ...pillow import is_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video
from .. import transforms as v1
from ..functional import to_tensor
from . import functional as F
from .samples import flatten, get_bounding_boxes, get_keypoints, rebuild
from .sizes import is_pure_tensor
from .transform import AsBefore, Transform, fill_for


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


class Identity(Transform):
    """The sample as it is."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """A function of the parts of a sample.

    Args:
        lambd: the function.
        *types: of the parts that it is called with; by default of all.

    >>> Lambda(str, int)([1, 2.5])
    ['1', 2.5]
    """

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type):
        super().__init__()
        self.lambd = lambd
        self.types = types or self._transformed_types

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        return [True] * len(flat_inputs)

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", None)
        shown = [name] if name else []
        return ", ".join([*shown, f"types={[t.__name__ for t in self.types]}"])


class ToImage(Transform):
    """Plain tensors, PIL images and arrays as an `Image`, with the values that they have.

    >>> ToImage()(np.zeros((2, 4, 3), np.uint8)).shape
    torch.Size([3, 2, 4])
    """

    _transformed_types = (is_pure_tensor, is_image, _is_array)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Image:
        return F.to_image(inpt)


class PILToTensor(Transform):
    """PIL images as tensors ``(C, H, W)`` of their own dtype."""

    _transformed_types = (is_image,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return F.pil_to_tensor(inpt)


class ToPILImage(Transform):
    """Plain tensors, images and arrays as PIL images; floats from 0 to 1 become bytes.

    Args:
        mode: the image's mode; by default that of the channels and dtype.
    """

    _transformed_types = (is_pure_tensor, Image, _is_array)

    def __init__(self, mode: str | None = None):
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_pil_image(inpt, self.mode)


class ToTensor(Transform):
    """An old form of `ToImage` and ``ToDtype(torch.float32, scale=True)``, with a warning."""

    _transformed_types = (is_image, _is_array)

    def __init__(self) -> None:
        warnings.warn(
            "The transform ToTensor() is deprecated; write Compose([ToImage(), ToDtype(torch.float32, scale=True)])",
            UserWarning,
            stacklevel=2,
        )
        super().__init__()

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return to_tensor(inpt)


class ToPureTensor(Transform):
    """The tensors of ``tv_tensors`` as plain ones."""

    _transformed_types = (TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return inpt.as_subclass(Tensor)


class ToDtype(Transform):
    """Images and videos in another dtype; or what a dict says of each type.

    Args:
        dtype: the dtype of images and videos; or a dict from types, or ``"others"``, to dtypes, or to None for what
            keeps its own.
        scale: whether the values of images and videos are scaled so that white stays white: from 255 to 1.

    Raises:
        ValueError: the dict does not say what to do with a type.

    >>> ToDtype(rushlight.float32, scale=True)(Image([[0, 255]], dtype=rushlight.uint8))
    Image([[[0., 1.]]])
    """

    _transformed_types = (Tensor,)

    def __init__(self, dtype: Any, scale: bool = False):
        super().__init__()
        if not isinstance(dtype, (dtypes.dtype, dict)):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and Tensor in dtype and {Image, Video} & set(dtype):
            warnings.warn(
                "dtype has a value for plain tensors as well as for images or videos; plain tensors beside an image "
                "are labels and stay as they are",
                UserWarning,
                stacklevel=2,
            )
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(self.dtype, dict):
            kinds = [*type(inpt).__mro__, "others"]
            if not any(kind in self.dtype for kind in kinds):
                raise ValueError(
                    f"No dtype was specified for type {type(inpt)}; add it, or 'others', to dtype"
                )
            dtype = fill_for(self.dtype, inpt)
        else:
            dtype = self.dtype if is_pure_tensor(inpt) or isinstance(inpt, (Image, Video)) else None
        if dtype is None:
            if self.scale and isinstance(inpt, (Image, Video)):
                raise ValueError(
                    "scale was set to True but no dtype was specified for images or videos: no scaling will be done"
                )
            return inpt
        return F.to_dtype(inpt, dtype, self.scale)

    def extra_repr(self) -> str:
        return f"dtype={self.dtype}, scale={self.scale}"


class ConvertImageDtype(Transform):
    """Tensors in another dtype, images and videos scaled so that white stays white; today `ToDtype`.

    Args:
        dtype: the dtype.
    """

    def __init__(self, dtype: dtypes.dtype = dtypes.float32):
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_dtype(inpt, self.dtype, scale=True) if isinstance(inpt, Tensor) else inpt


class Normalize(AsBefore, v1.Normalize):
    """``(image - mean) / std`` for each channel of images and videos.

    Args:
        mean, std: one number for each channel.
        inplace: overwrite the tensor.

    Raises:
        TypeError: the sample holds a PIL image.
    """

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if any(is_image(x) for x in flat_inputs):
            raise TypeError(
                f"{type(self).__name__}() does not support PIL images; put ToImage() before"
            )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.normalize, inpt, self.mean, self.std, self.inplace)


class LinearTransformation(AsBefore, v1.LinearTransformation):
    """``(image - mean_vector) @ transformation_matrix`` of flattened images, as for whitening.

    Args:
        transformation_matrix: ``(D, D)``, where D is ``C * H * W``.
        mean_vector: ``(D)``.

    Raises:
        TypeError: the sample holds a PIL image.
    """

    check_inputs = Normalize.check_inputs

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, (Mask, BoundingBoxes, KeyPoints)):
            return inpt
        out = v1.LinearTransformation.forward(self, inpt.as_subclass(Tensor))
        return out if is_pure_tensor(inpt) else tv_tensors.wrap(out, like=inpt)


class UniformTemporalSubsample(Transform):
    """Some frames of a video, equally far from each other.

    Args:
        num_samples: how many.
    """

    _transformed_types = (Tensor,)

    def __init__(self, num_samples: int):
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.uniform_temporal_subsample, inpt, self.num_samples)


# ---- boxes and points ------------------------------------------------------------------------------


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format.

    Args:
        format: a `BoundingBoxFormat`, or its name.
    """

    _transformed_types = (BoundingBoxes,)

    def __init__(self, format: Any):
        super().__init__()
        self.format = tv_tensors.as_format(format)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes with what reaches out of the image cut off.

    Args:
        clamping_mode: ``"auto"`` for that of the boxes, ``"soft"``, ``"hard"``, or None, which cuts nothing off.
    """

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto"):
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Points, those outside brought to the nearest pixel of the image."""

    _transformed_types = (KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_keypoints(inpt)


class SetClampingMode(Transform):
    """Boxes that later transforms clamp in another way.

    Args:
        clamping_mode: ``"soft"``, ``"hard"`` or None.

    Raises:
        ValueError: it is another.
    """

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None):
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        out = inpt.clone()
        out.clamping_mode = self.clamping_mode
        return out


def labels_of(sample: Any) -> Any:
    """The labels of a sample: its second part if that is a tensor, or of a dict the value of ``labels``.

    Raises:
        ValueError: there are none.

    >>> labels_of(("image", {"Labels": 3}))
    3
    """
    target = sample[1] if isinstance(sample, (tuple, list)) and len(sample) > 1 else sample
    if isinstance(target, Tensor) and target is not sample:
        return target
    if not isinstance(target, dict):
        raise ValueError(
            "To find the labels, a sample must be a dict, or its second part a dict or a tensor, but got "
            f"{type(target)}; pass labels_getter, a function of the sample"
        )
    named = [key for key in target if isinstance(key, str) and "label" in key.lower()]
    if not named:
        raise ValueError(
            "Could not infer where the labels are in the sample; pass labels_getter, a function of the sample, "
            "or None if it has no labels"
        )
    # The key that is just that word, in capitals or not, before those that only hold it.
    return target[min(named, key=lambda key: key.lower() != "labels")]


def as_getter(labels_getter: Any) -> Callable[[Any], Any]:
    """What finds the labels: ``"default"`` is `labels_of`, None nothing, a function itself.

    Raises:
        ValueError: it is something else.
    """
    if labels_getter is None:
        return _no_labels
    if callable(labels_getter):
        return labels_getter
    if labels_getter == "default":
        return labels_of
    raise ValueError(
        f"labels_getter should be 'default', a function of the sample, or None, but got {labels_getter!r}"
    )


def _no_labels(sample: Any) -> None:
    return None


class _Sanitizing(Transform):
    """What removes some boxes or points, and their labels.

    Attributes:
        _kinds: what is thinned out with them where there are as many.
    """

    _kinds: tuple[type, ...] = ()

    def __init__(self, labels_getter: Any):
        super().__init__()
        self.labels_getter = labels_getter
        self._getter = as_getter(labels_getter)

    def _valid(self, leaves: list[Any]) -> Tensor:
        """Which stay, (N,), bool."""
        raise NotImplementedError(f"{type(self).__name__} does not say what stays")

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        valid = self._valid(leaves)
        labels = self._labels(sample, len(valid))
        params = {"valid": valid, "labels": labels}
        return rebuild(sample, [self.transform(x, params) for x in leaves])

    def _labels(self, sample: Any, count: int) -> list[Tensor]:
        labels = self._getter(sample)
        if labels is None:
            return []
        labels = list(labels) if isinstance(labels, (tuple, list)) else [labels]
        for x in labels:
            if not isinstance(x, Tensor):
                raise ValueError(f"The labels must be a tensor or None, but got {type(x)}")
            if tuple(x.shape[:1]) != (count,):
                raise ValueError(
                    f"The number of labels must match that of boxes or points: {count}, but got labels of shape "
                    f"{tuple(x.shape)}"
                )
        return labels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        valid = params["valid"]
        if any(inpt is x for x in params["labels"]):
            return inpt.as_subclass(Tensor)[valid]
        if isinstance(inpt, self._kinds) and len(inpt) == len(valid):
            return tv_tensors.wrap(inpt.as_subclass(Tensor)[valid], like=inpt)
        return inpt


class SanitizeBoundingBoxes(_Sanitizing):
    """Removes boxes that are empty or not in the image, and their labels and masks.

    Args:
        min_size: the least width and height.
        min_area: the least area.
        labels_getter: how to find the labels: ``"default"`` (the sample's second part or its key ``labels``), a
            function of the sample that gives one tensor or several, or None if there are none.

    Raises:
        ValueError: there are no boxes, or not as many labels; or a limit is below 1.

    >>> boxes = BoundingBoxes([[0, 0, 5, 5], [3, 3, 3, 4]], format="XYXY", canvas_size=(9, 9))
    >>> SanitizeBoundingBoxes()({"boxes": boxes, "labels": rushlight.tensor([7, 8])})["labels"]
    tensor([7])
    """

    _kinds = (BoundingBoxes, Mask)

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"
    ):
        for name, least in (("min_size", min_size), ("min_area", min_area)):
            if least < 1:
                raise ValueError(f"{name} must be >= 1, got {least}.")
        super().__init__(labels_getter)
        self.min_size = min_size
        self.min_area = min_area

    def _valid(self, leaves: list[Any]) -> Tensor:
        boxes = get_bounding_boxes(leaves)
        return F.sanitize_bounding_boxes(boxes, min_size=self.min_size, min_area=self.min_area)[1]


class SanitizeKeyPoints(_Sanitizing):
    """Removes points, or groups of points, that are not in the image, and their labels.

    Args:
        labels_getter: how to find the labels, as for `SanitizeBoundingBoxes`.

    Raises:
        ValueError: there are no points, or not as many labels.
    """

    _kinds = (KeyPoints,)

    def __init__(self, labels_getter: Any = None):
        super().__init__(labels_getter)

    def _valid(self, leaves: list[Any]) -> Tensor:
        return F.sanitize_keypoints(get_keypoints(leaves))[1]
