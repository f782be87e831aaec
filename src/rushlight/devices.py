"""Where a tensor's values are: ``cpu``, ``cuda:0``, ``mps``, ``meta``."""

from __future__ import annotations

import threading
from typing import Any

TYPES = ("cpu", "cuda", "mps", "meta")


class device:
    """A place for tensors, by type and index; also a context in which new tensors go there.

    Args:
        type: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, ``"meta"``, an int (a CUDA index) or a device.
        index: which of several; only where ``type`` does not say it.

    Raises:
        RuntimeError: there is no such type of device, or the index is given twice or malformed.

    >>> device("cuda:1").index
    1
    >>> device("cpu")
    device(type='cpu')
    """

    __slots__ = ("_type", "_index", "_entered")

    def __new__(cls, type: str | int | device, index: int | None = None) -> device:
        if isinstance(type, device):
            return type
        if isinstance(type, int) and not isinstance(type, bool):
            if type < 0:
                raise RuntimeError(f"Device index must not be negative, got {type}")
            name, index = "cuda", type
        elif isinstance(type, str):
            name, colon, tail = type.partition(":")
            if colon and not tail.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'; write for example 'cuda:0'")
            if colon and index is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed "
                    f"explicitly: {type}"
                )
            index = int(tail) if colon else index
        else:
            raise TypeError(
                "device(): argument 'type' must be str, int or device, "
                f"not {type.__class__.__name__}"
            )
        if name not in TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(TYPES)} device type at start of device string: {type}"
            )
        self = object.__new__(cls)
        self._type = name
        self._index = index
        self._entered = None
        return self

    @property
    def type(self) -> str:
        """``"cpu"``, ``"cuda"``, ``"mps"`` or ``"meta"``."""
        return self._type

    @property
    def index(self) -> int | None:
        """Which of several; None where it was not said."""
        return self._index

    def __repr__(self) -> str:
        index = "" if self._index is None else f", index={self._index}"
        return f"device(type='{self._type}'{index})"

    def __str__(self) -> str:
        return self._type if self._index is None else f"{self._type}:{self._index}"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, device) and other._type == self._type and other._index == self._index
        )

    def __hash__(self) -> int:
        return hash((self._type, self._index))

    def __reduce__(self) -> tuple:
        return device, (str(self),)

    def __deepcopy__(self, memo: Any) -> device:
        return self

    def __enter__(self) -> device:
        self._entered = (_default.device, self._entered)
        _default.device = self
        return self

    def __exit__(self, *exception: Any) -> None:
        _default.device, self._entered = self._entered


CPU = device("cpu")
META = device("meta")


class _Default(threading.local):
    device = CPU


_default = _Default()


def is_available(device_type: str) -> bool:
    """Whether tensors can be on devices of a type here.

    >>> is_available("cpu")
    True
    """
    return device_type in ("cpu", "meta")


def resolve(place: device | str | int | None) -> device:
    """The device that ``place`` means; None is the default one.

    Raises:
        RuntimeError: the device is not to be had on this machine.
    """
    if place is None:
        return _default.device
    if place is CPU or place == "cpu":
        return CPU
    place = device(place)
    if place.type == "cuda":
        raise AssertionError(
            f"cannot use {place}: this build of Rushlight found no CUDA device. "
            "Ask torch.cuda.is_available() first, or use device='cpu'."
        )
    if place.type == "mps":
        raise RuntimeError(
            "cannot use mps: Rushlight has no kernels for it on this machine. "
            "Ask torch.backends.mps.is_available() first, or use device='cpu'."
        )
    return CPU if place.type == "cpu" else META


def get_default_device() -> device:
    """Where new tensors go that do not say.

    >>> get_default_device()
    device(type='cpu')
    """
    return _default.device


def set_default_device(place: device | str | int | None) -> None:
    """Sends new tensors that do not say where to ``place``; None means the CPU."""
    _default.device = CPU if place is None else resolve(place)
