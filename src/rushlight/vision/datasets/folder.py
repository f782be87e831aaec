"""Images in folders, one for each class."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .. import pillow
from .vision import VisionDataset

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Samples = list[tuple[str, int]]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether a file name ends in one of ``extensions`` (lower case), in either case.

    >>> has_file_allowed_extension("cat.JPG", (".jpg", ".png"))
    True
    """
    return filename.lower().endswith(
        extensions if isinstance(extensions, str) else tuple(extensions)
    )


def is_image_file(filename: str) -> bool:
    """Whether a file name ends as those of images do.

    >>> is_image_file("cat.jpeg"), is_image_file("cat.txt")
    (True, False)
    """
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | os.PathLike) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in ``directory`` in their order, and the index of each.

    Raises:
        FileNotFoundError: there is none, or ``directory`` is not there.
    """
    try:
        with os.scandir(directory) as entries:
            classes = sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError as error:
        text = f"{error.strerror}; give the folder that holds one folder of images for each class"
        raise FileNotFoundError(error.errno, text, os.fspath(directory)) from None
    if not classes:
        raise FileNotFoundError(
            f"Couldn't find any class folder in {directory}. Put the images of each class into a "
            "folder of its own there"
        )
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> Samples:
    """The files in the folders of classes, at any depth, sorted by class and path.

    Args:
        directory: the folder of those folders.
        class_to_idx: the index of each class; by default that of `find_classes`.
        extensions: how the names of samples end, or
        is_valid_file: a function that says of a path whether it is one; one of the two is to be given.
        allow_empty: a class may be without files.

    Returns:
        Pairs of a path and the index of its class.

    Raises:
        FileNotFoundError: a class has no files.
        ValueError: there is no class, or not just one of ``extensions`` and ``is_valid_file``.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "Both extensions and is_valid_file cannot be None or not None at the same time: give one "
            "of them"
        )
    if is_valid_file is None:

        def is_valid_file(path: str) -> bool:
            return has_file_allowed_extension(path, extensions)

    samples: Samples = []
    empty = []
    for name in sorted(class_to_idx):
        before = len(samples)
        for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True)):
            paths = [os.path.join(folder, file) for file in sorted(files)]
            samples += [(path, class_to_idx[name]) for path in paths if is_valid_file(path)]
        if len(samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        known = extensions if isinstance(extensions, str) else ", ".join(extensions or ())
        told = f"Supported extensions are: {known}. " * (extensions is not None)
        raise FileNotFoundError(
            f"Found no valid file for the classes {', '.join(empty)}. {told}They are looked for in "
            f"{directory}; remove these folders, or say allow_empty=True"
        )
    return samples


def pil_loader(path: str | os.PathLike) -> Any:
    """The image in a file, as an RGB image of Pillow's.

    Raises:
        OSError: the file cannot be read, or is no image (``PIL.UnidentifiedImageError``), or is damaged.
    """
    return read_image(path).convert("RGB")


def default_loader(path: str | os.PathLike) -> Any:
    """What `ImageFolder` reads images with: `pil_loader`."""
    return pil_loader(path)


def read_image(path: str | os.PathLike) -> Any:
    """The image in a file, decoded, in the mode in which it is stored.

    Raises:
        OSError: as of `pil_loader`.
    """
    image_module = pillow.module()
    with open(path, "rb") as file:
        try:
            image = image_module.open(file)
            image.load()
        except image_module.DecompressionBombError:
            raise
        except Exception as error:
            # Decoders meet damage with errors of many kinds.
            if getattr(error, "errno", None) is not None:
                raise
            kind = type(error) if isinstance(error, OSError) else OSError
            raise kind(
                f"cannot identify image file {os.fspath(path)!r}, or it is damaged "
                f"({type(error).__name__}: {error}); replace it or take it out of the dataset"
            ) from error
    return image


class DatasetFolder(VisionDataset):
    """Files in folders, where the folder is the class: ``root/cat/a.ext``, ``root/dog/more/b.ext``.

    Args:
        root: the folder of those folders.
        loader: a function that reads the file of a path.
        extensions, is_valid_file, allow_empty: as for `make_dataset`.
        transform: a function of what the loader gives.
        target_transform: a function of the class's index.

    Attributes:
        classes: the names of the classes in their order.
        class_to_idx: the index of each.
        samples: pairs of a path and the index of its class.
        targets: these indices.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root,
            class_to_idx=self.class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | os.PathLike,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> Samples:
        """The samples; a subclass may find them in another way. See the function `make_dataset`."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | os.PathLike) -> tuple[list[str], dict[str, int]]:
        """The classes; a subclass may choose others. See the function `find_classes`."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        try:
            path, target = self.samples[index]
        except IndexError:
            raise IndexError(
                f"index {index} is out of range for {type(self).__name__} of {len(self.samples)} samples"
            ) from None
        try:
            sample = self.loader(path)
        except OSError as error:
            raise _of_sample(error, index, path, type(self).__name__) from error
        return self._transformed(sample, target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in folders, where the folder is the class: ``root/cat/a.jpg``, ``root/dog/more/b.png``.

    Args:
        root: the folder of those folders.
        transform: a function of the image.
        target_transform: a function of the class's index.
        loader: a function that reads the image of a path.
        is_valid_file: a function that says of a path whether it is an image; by default its name does.
        allow_empty: a class may be without files.

    Attributes:
        classes, class_to_idx, samples, targets: as of `DatasetFolder`.
        imgs: ``samples``.

    >>> import os, tempfile
    >>> root = tempfile.mkdtemp()
    >>> for name in ("cat", "dog"):
    ...     os.mkdir(f"{root}/{name}")
    ...     pillow.module().new("L", (4, 4)).save(f"{root}/{name}/1.png")
    >>> images = ImageFolder(root)
    >>> images.class_to_idx, images.targets, images[1][0].mode
    ({'cat': 0, 'dog': 1}, [0, 1], 'RGB')
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples


def _of_sample(error: OSError, index: Any, path: str, name: str) -> OSError:
    """The same error that says whose it is."""
    where = f"sample {index} of {name}"
    if error.errno is not None and type(error)(error.errno, "").errno is not None:
        cure = "; was it moved since the folder was listed?" * isinstance(error, FileNotFoundError)
        return type(error)(error.errno, f"{error.strerror}: {where} cannot be read{cure}", path)
    told = "" if path in str(error) else f" ({path})"
    return type(error)(f"{where}{told}: {error}")
