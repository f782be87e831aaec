"""The storages that a pickle refers to, read from the archive beside it."""

from __future__ import annotations

import sys
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ..dtypes import bool_
from . import options
from .archive_reader import ArchiveReader
from .locations import Placement
from .names import StorageName
from .tensors import Storage


class ArchivedStorages:
    """Gives the storages that a pickle asks for, each read once, on the device where it belongs.

    Args:
        archive: the file.
        placement: where storages go.
        ahead: values may come later than their storages; the archive's `finish` waits for them.
    """

    def __init__(self, archive: ArchiveReader, placement: Placement, ahead: bool):
        self._archive = archive
        self._placement = placement
        self._ahead = ahead and not placement.looks
        self._storages: dict[str, Storage] = {}
        self._swapped = self._byte_order() != sys.byteorder

    def _byte_order(self) -> str:
        if "byteorder" not in self._archive:
            return options.byte_order_of_old_files()
        order = self._archive.read("byteorder").decode("latin1")
        if order not in ("little", "big"):
            raise UnpicklingError(f"it has the unknown byte order {order!r}")
        return order

    def load(self, saved_id: Any) -> Storage:
        """The storage of an id ``("storage", class, key, device, number of elements)``."""
        name, key, location, count = self._parse(saved_id)
        known = self._storages.get(key)
        if known is None:
            known = self._storages[key] = self._read(name, key, location, count)
        check_same(known, name, count)
        return known

    def _parse(self, saved_id: Any) -> tuple[StorageName, str, str, int]:
        if isinstance(saved_id, tuple) and len(saved_id) == 5:
            kind, name, key, location, count = saved_id
            if (
                kind == "storage"
                and type(name) is StorageName
                and isinstance(key, str)
                and isinstance(location, str)
                and isinstance(count, int)
                and count >= 0
            ):
                return name, key, location, count
        raise UnpicklingError(f"its pickle refers to {saved_id!r}, which is no storage")

    def _read(self, name: StorageName, key: str, location: str, count: int) -> Storage:
        record = f"data/{key}"
        expected = count * name.dtype.itemsize
        if record not in self._archive:
            raise UnpicklingError(f"the record {record} with the values of a tensor is missing")
        if self._archive.size(record) != expected:
            raise UnpicklingError(
                f"the record {record} has {self._archive.size(record)} bytes, but {count} elements "
                f"of {name.dtype} take {expected}"
            )
        storage = Storage(name.dtype, count, None, key, "cpu", self._archive.when_filled)
        if options.skips_data():
            storage.array = np.zeros(count, name.dtype.numpy)
        elif not self._placement.is_meta(location):
            storage.array = self._values(name, record)
            if not self._ahead:
                self._archive.finish()
        return self._placement.put(storage, location)

    def _values(self, name: StorageName, record: str) -> np.ndarray:
        raw = self._archive.read_array(record)
        if self._swapped:
            if name.name == "UntypedStorage":
                raise UnpicklingError(
                    f"{record} has another byte order than this machine, and no dtype to swap it by"
                )
            self._archive.when_filled(lambda: swap_bytes(raw, name))
        if name.dtype is bool_:
            self._archive.when_filled(lambda: make_bool(raw))
        values = raw.view(name.dtype.numpy)
        # A mapped record of a file that another program packed may begin anywhere.
        return values if values.flags.aligned else values.copy()


def check_same(known: Storage, name: StorageName, count: int) -> None:
    """Refuses a storage that is asked for as two different things.

    Raises:
        UnpicklingError: the dtypes or the numbers of elements differ.
    """
    if known.dtype is not name.dtype or known.count != count:
        raise UnpicklingError(
            f"storage {known.key} is asked for as {count} elements of {name.dtype}, but also as "
            f"{known.count} of {known.dtype}"
        )


def swap_bytes(raw: np.ndarray, name: StorageName) -> None:
    """Turns the bytes of every number around, in place."""
    word = name.dtype.itemsize // (2 if name.dtype.is_complex else 1)
    raw.view(f"u{word}").byteswap(inplace=True)


def make_bool(raw: np.ndarray) -> None:
    """Turns bytes other than 0 into 1, in place: NumPy reckons with these two alone."""
    if raw.size and raw.max() > 1:
        np.not_equal(raw, 0, out=raw.view(np.bool_))
