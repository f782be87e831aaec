"""Where the storages of a checkpoint were, and where they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import devices
from ..devices import TYPES
from .tensors import Storage

_packages: list[tuple[int, Callable, Callable]] = []


def register_package(priority: int, tagger: Callable, deserializer: Callable) -> None:
    """Adds a kind of device to those that `save` and `load` know.

    Args:
        priority: those with lower numbers are asked first, all of them before Rushlight's own.
        tagger: called with a storage when it is saved; gives the location to write, or None.
        deserializer: called with a storage and its location when it is loaded; gives the storage
            where it belongs, or None.
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda package: package[0])


def location_tag(storage: Any) -> str:
    """What a file says of where a storage is, such as ``"cpu"``.

    >>> location_tag(rushlight.ones(1).untyped_storage())
    'cpu'
    """
    for _, tagger, _ in _packages:
        location = tagger(storage)
        if location:
            return location
    return str(getattr(storage, "device", devices.CPU))


def default_restore_location(storage: Any, location: str) -> Any:
    """The storage on the device that ``location`` names.

    Raises:
        RuntimeError: there is no such kind of device, or none on this machine.
    """
    for _, _, deserializer in _packages:
        placed = deserializer(storage, location)
        if placed is not None:
            return placed
    if isinstance(storage, Storage):
        storage.place = place_of(location)
    else:
        place_of(location)
    return storage


def place_of(location: str) -> str:
    """The type of device that a location names, if it is to be had.

    Raises:
        RuntimeError: it is not.
    """
    if location.partition(":")[0] not in TYPES:
        raise RuntimeError(
            f"don't know how to restore data location {location!r}; give a map_location of "
            f"{', '.join(TYPES)}"
        )
    try:
        return devices.resolve(location).type
    except (AssertionError, RuntimeError) as error:
        raise RuntimeError(
            f"has tensors for {location}, which is not to be had here. Load them with "
            "map_location='cpu'."
        ) from error


def validate_cuda_device(location: str) -> int:
    """The index of the CUDA device that ``location`` names.

    Raises:
        RuntimeError: it is not on this machine.
    """
    place_of(location)
    return devices.device(location).index or 0


class Placement:
    """Sends storages to their devices as ``map_location`` says.

    Args:
        map_location: a device, its name, a dict from saved locations to others, a function of a
            storage and its saved location, or None.
        where: what errors call the file.
    """

    def __init__(self, map_location: Any, where: str):
        self._target = map_location
        self._where = where
        self.is_function = callable(map_location)
        # What a function or another package makes of a storage may depend on its values.
        self.looks = self.is_function or bool(_packages)

    def is_meta(self, location: str) -> bool:
        """Whether a storage needs no values, as it goes to the ``meta`` device."""
        return not self.looks and self._place(self._mapped(location)) == "meta"

    def put(self, storage: Storage, location: str) -> Storage:
        """The storage where it belongs.

        Raises:
            RuntimeError: its device is not on this machine.
            TypeError: a function returned something else than a storage.
        """
        if self.is_function:
            placed = self._target(storage, location)
            if placed is None:
                placed = self._restore(storage, location)
        else:
            placed = self._restore(storage, self._mapped(location))
        if isinstance(placed, Storage):
            return placed
        raise TypeError(
            "load: a map_location function must return the storage that it was given, or None, "
            f"but returned {type(placed).__name__}"
        )

    def _mapped(self, location: str) -> str:
        target = self._target
        if isinstance(target, dict):
            target = target.get(location, location)
        return location if target is None else str(target)

    def _restore(self, storage: Storage, location: str) -> Any:
        try:
            return default_restore_location(storage, location)
        except RuntimeError as error:
            raise self._named(error) from error

    def _place(self, location: str) -> str:
        try:
            return place_of(location)
        except RuntimeError as error:
            raise self._named(error) from error

    def _named(self, error: RuntimeError) -> RuntimeError:
        text = str(error)
        return RuntimeError(f"{self._where}{'' if text.startswith('has') else ':'} {text}")
