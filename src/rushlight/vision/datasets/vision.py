"""What all image datasets share: a root folder, transforms, and how they show themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ...tensor import Tensor, values_of
from ...utils.data import Dataset


class VisionDataset(Dataset):
    """A dataset of images. Derive from it and define ``__getitem__`` and ``__len__``.

    Args:
        root: the folder of the files.
        transforms: a function of an image and its target that returns both.
        transform: in place of ``transforms``, a function of the image alone,
        target_transform: and one of the target alone.

    Raises:
        ValueError: ``transforms`` is given beside one of the others.

    >>> class Squares(VisionDataset):
    ...     def __len__(self):
    ...         return 3
    >>> Squares("pictures")
    Dataset Squares
        Number of datapoints: 3
        Root location: pictures
    """

    _repr_indent = 4

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ):
        self.root = _expanded(root)
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument: transforms "
                "gets image and target together, the other two get one each"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has to define __getitem__(index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has to define __len__()")

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            body.append(repr(self.transforms))
        indent = " " * self._repr_indent
        return "\n".join([f"Dataset {type(self).__name__}", *(indent + line for line in body)])

    def extra_repr(self) -> str:
        """More lines for ``repr``."""
        return ""

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


class StandardTransform:
    """``transform`` and ``target_transform`` as one function of image and target.

    >>> StandardTransform(None, str)("image", 3)
    ('image', '3')
    """

    def __init__(self, transform: Callable | None = None, target_transform: Callable | None = None):
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, function in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if function is not None:
                lines.append(repr_under(head, function))
        return "\n".join(lines)


def repr_under(head: str, value: Any) -> str:
    """``repr(value)`` after ``head``, its further lines indented to begin below the first."""
    first, *more = repr(value).splitlines()
    return "\n".join([head + first, *(" " * len(head) + line for line in more)])


def row_of(values: Any, index: Any, name: str) -> Any:
    """``values[index]``, for a tensor as a NumPy array or number.

    Raises:
        IndexError: there is no such row in the dataset called ``name``.
        TypeError: it is no index.
    """
    if type(index) is Tensor:
        index = index.item()
    try:
        return (values_of(values) if type(values) is Tensor else values)[index]
    except IndexError:
        if not hasattr(index, "__index__"):
            raise TypeError(
                f"{name}: an index must be an int, not {type(index).__name__}"
            ) from None
        raise index_error(index, name, len(values)) from None


def index_error(index: Any, name: str, length: int) -> IndexError:
    return IndexError(f"index {index} is out of range for {name} of {length} images")


def checked_labels(labels: Any, classes: int, path: str, first: int = 0) -> Any:
    """``labels`` themselves.

    Raises:
        RuntimeError: one of them is not among the classes, which are counted from ``first``.
    """
    array = np.asarray(labels)
    wrong = np.flatnonzero((array < first) | (array >= first + classes))
    if wrong.size:
        raise RuntimeError(
            f"{path}: the label of sample {wrong[0]} is {array[wrong[0]]}, but there are {classes} "
            f"classes, {first} to {first + classes - 1}. The file is not that of this dataset, or it "
            "is damaged: delete it and download it again (a dataset of your own: define `classes`)"
        )
    return labels


def _expanded(root: Any) -> Any:
    if isinstance(root, str):
        return os.path.expanduser(root)
    return root.expanduser() if hasattr(root, "expanduser") else root
