"""Files of the safetensors format, which `save` and `load` know by the end of their name.

Such a file holds a dictionary of tensors, and of texts about them, and nothing else.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from .. import dtypes
from ..devices import resolve
from ..tensor import Tensor, address, values_of, wrap
from .archive_writer import write_all
from .foreign import check_is_safetensors
from .tensors import MetaArray

_DTYPES = {
    "BOOL": dtypes.bool_, "U8": dtypes.uint8, "I8": dtypes.int8, "I16": dtypes.int16,
    "I32": dtypes.int32, "I64": dtypes.int64, "F16": dtypes.float16, "BF16": dtypes.bfloat16,
    "F32": dtypes.float32, "F64": dtypes.float64, "C64": dtypes.complex64,
}  # fmt: skip
_CODES = {kind.numpy: code for code, kind in _DTYPES.items()}


def _library() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(
            "files called *.safetensors are read and written by the safetensors library, which is not "
            "installed: pip install 'rushlight[safetensors]'"
        ) from error
    return safetensors


class TensorFile:
    """A dictionary of tensors, ready to be written.

    Args:
        obj: the dictionary; texts in its attribute ``metadata`` are written as well.

    Raises:
        ImportError: the safetensors library is not installed.
        RuntimeError: two tensors share memory, which the format cannot tell.
        TypeError: ``obj`` is no dictionary of tensors, or a tensor has a dtype that the format lacks.
    """

    def __init__(self, obj: Any):
        self._library = _library()
        self._arrays = arrays_of(obj)
        self._metadata = dict(getattr(obj, "metadata", {})) or {"format": "pt"}
        _check_texts(self._metadata)

    def write(self, file: BinaryIO) -> None:
        """Writes it to a file that has a path, and has the library look at what is there."""
        # Those with the largest elements come first, so that all lie where their elements may.
        names = sorted(self._arrays, key=lambda name: (-self._arrays[name].itemsize, name))
        table: dict[str, Any] = {"__metadata__": self._metadata}
        position = 0
        for name in names:
            array = self._arrays[name]
            places = [position, position + array.nbytes]
            code = _CODES[array.dtype]
            table[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": places}
            position += array.nbytes
        text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        write_all(file, len(text).to_bytes(8, "little") + text)
        for name in names:
            write_all(file, memoryview(self._arrays[name].reshape(-1).view(np.uint8)))
        file.flush()
        if os.path.isfile(file.name):
            with self._library.safe_open(file.name, framework="np"):
                pass


def arrays_of(obj: Any) -> dict[str, np.ndarray]:
    """The values of a dictionary of tensors, each in an array that is contiguous."""
    if not isinstance(obj, Mapping):
        raise TypeError(
            f"save: a .safetensors file holds a dictionary of tensors, not a {type(obj).__name__}; save "
            "a state_dict(), or choose another name, such as .pt"
        )
    arrays: dict[str, np.ndarray] = {}
    places: list[tuple[int, int, str]] = []
    for name, tensor in obj.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(
                f"save: a .safetensors file holds tensors by their names, but {name!r} is a "
                f"{type(tensor).__name__}; save it in another file, such as .pt"
            )
        if tensor.is_meta:
            raise TypeError(f"save: {name!r} is on the meta device, and has no values to save")
        array = np.asarray(values_of(tensor.detach()))
        if array.dtype not in _CODES:
            raise TypeError(
                f"save: {name!r} is of {tensor.dtype}, which the safetensors format does not have; "
                "convert it, or choose another name, such as .pt"
            )
        if array.size:
            places.append((address(array), _end(array), name))
        arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
    _check_apart(places)
    return arrays


def _end(array: np.ndarray) -> int:
    """The address behind the last element; strides of tensors are not negative."""
    last = sum((n - 1) * s for n, s in zip(array.shape, array.strides))
    return address(array) + last + array.dtype.itemsize


def _check_apart(places: list[tuple[int, int, str]]) -> None:
    places.sort()
    reached, owner = 0, ""
    for start, end, name in places:
        if start < reached:
            raise RuntimeError(
                f"save: {owner!r} and {name!r} share memory, which a .safetensors file cannot tell; "
                f"save one of them only, save a .clone() of it, or choose another name, such as .pt"
            )
        if end > reached:
            reached, owner = end, name


def _check_texts(metadata: Mapping) -> None:
    for name, text in metadata.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(
                f"save: metadata of a .safetensors file are texts by name, not {name!r}: {text!r}"
            )


def read(
    path: str, file: BinaryIO, where: str, map_location: Any, mapped: bool
) -> OrderedDict[str, Tensor]:
    """The tensors in a file, in a dictionary that has its texts in the attribute ``metadata``.

    Args:
        path: of the file.
        file: the same, open.
        where: what errors call it.
        map_location: the device on which the tensors are wanted; None is the CPU.
        mapped: map the file into memory instead of reading it.

    Raises:
        EOFError: the file is empty.
        ImportError: the safetensors library is not installed.
        RuntimeError: the file is damaged, or has a dtype that Rushlight has not.
        TypeError: ``map_location`` is a dictionary or a function: the file does not tell devices.
        UnpicklingError: it is a checkpoint, and should have another name.
    """
    library = _library()
    if isinstance(map_location, dict) or callable(map_location):
        raise TypeError(
            "load: a .safetensors file does not tell where its tensors were: map_location must be a "
            "device, or None"
        )
    check_is_safetensors(file.read(512), where)
    place = resolve("cpu" if map_location is None else map_location)
    tensors: OrderedDict[str, Tensor] = OrderedDict()
    try:
        with library.safe_open(path, framework="np") as opened:
            metadata = opened.metadata()
            if mapped and place.type != "meta":
                tensors.update(_map_tensors(file, where))
            else:
                for name in opened.keys():  # noqa: SIM118 - it is no dictionary
                    tensors[name] = _tensor(opened, name, where, place.type == "meta")
    except library.SafetensorError as error:
        raise RuntimeError(
            f"{where} is damaged, or no safetensors file: {error}. Copy or download it again."
        ) from error
    tensors.metadata = dict(metadata or {})
    return tensors


def _tensor(opened: Any, name: str, where: str, meta: bool) -> Tensor:
    part = opened.get_slice(name)
    kind = _dtype(part.get_dtype(), name, where)
    if meta:
        return wrap(MetaArray(tuple(part.get_shape()), kind))
    array = opened.get_tensor(name)
    return wrap(array if array.flags.writeable else array.copy())


def _dtype(code: str, name: str, where: str) -> np.dtype:
    if code not in _DTYPES:
        raise RuntimeError(f"{where}: the tensor {name!r} is of {code}, which Rushlight has not")
    return _DTYPES[code].numpy


def _map_tensors(file: BinaryIO, where: str) -> dict[str, Tensor]:
    """The tensors as views of the mapped file, whose table the library has found to be right."""
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    start = 8 + int.from_bytes(memory[:8], "little")
    tensors = {}
    for name, entry in json.loads(memory[8:start]).items():
        if name == "__metadata__":
            continue
        kind, shape = _dtype(entry["dtype"], name, where), tuple(entry["shape"])
        if 0 in shape:
            tensors[name] = wrap(np.empty(shape, kind))
            continue
        array = np.frombuffer(memory, kind, math.prod(shape), start + entry["data_offsets"][0])
        tensors[name] = wrap((array if array.flags.aligned else array.copy()).reshape(shape))
    return tensors
