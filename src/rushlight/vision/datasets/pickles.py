"""The pickles in which CIFAR comes: dicts of arrays, strings and numbers, and nothing that runs."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np

from .utils import damage


def read(path: str, content: bytes) -> dict[str, Any]:
    """The dict in a pickle, its strings decoded as Latin-1, as those of Python 2 are to be.

    Args:
        path: the name for errors.
        content: the bytes of the file.

    Raises:
        UnpicklingError: the pickle asks for anything but arrays; it is not run.
        RuntimeError: it is damaged, or holds no dict.
    """
    import io

    try:
        made = _Unpickler(io.BytesIO(content), encoding="latin1").load()
        if not isinstance(made, dict):
            raise ValueError(f"it holds no dict, but {type(made).__name__}")
        return {_text(key): _value(value) for key, value in made.items()}
    except _Refused as error:
        raise pickle.UnpicklingError(
            f"{path} asks for {error}, which no file of this dataset does; nothing of it was run. "
            "Delete it and download it again"
        ) from error
    except Exception as error:
        # A damaged pickle meets with errors of any kind.
        raise damage(path, f"it cannot be read ({type(error).__name__}: {error})") from error


class _Refused(Exception):
    pass


class _Array:
    """Stands for an array while the pickle is read, so that NumPy sees only what has been checked."""

    array: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if isinstance(content, str):
            content = content.encode("latin1")
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            raise ValueError("an array of it has no bytes")
        if math.prod(shape) * dtype.numpy.itemsize != len(content):
            raise ValueError(f"an array of shape {shape} of it has {len(content)} bytes")
        flat = np.frombuffer(bytearray(content), dtype.numpy)
        self.array = flat.reshape(shape, order="F" if fortran else "C")


class _Dtype:
    """Stands for a dtype; only those of numbers."""

    def __init__(self, name: str, align: Any = False, copy: Any = True):
        self.numpy = np.dtype(_text(name))
        if self.numpy.kind not in "biuf":
            raise _Refused(f"an array of {name}")

    def __setstate__(self, state: Any) -> None:
        order = _text(state[1])
        if order in "<>":
            self.numpy = self.numpy.newbyteorder(order)


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _Refused(f"the encoding {encoding!r}")
    return text.encode("latin1")


_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise _Refused(f"{module}.{name}")
        return _KNOWN[module, name]


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else value


def _value(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, list):
        return [_text(element) for element in value]
    return _text(value)
