"""Reading pickles: one unpickler that runs no code of the file's choice, and one that may."""

from __future__ import annotations

import _compat_pickle
import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from . import names, safe_list
from .classes import ROOTS, counterpart

_UNSUPPORTED = {
    "torch._utils._rebuild_qtensor": "quantised tensors",
    "torch._utils._rebuild_sparse_tensor": "sparse tensors",
    "torch._utils._rebuild_nested_tensor": "nested tensors",
    "torch._utils._rebuild_wrapper_subclass": "tensors of PyTorch's wrapper classes",
}


def _unknown_torch_name(full_name: str) -> pickle.UnpicklingError:
    kind = f" for {_UNSUPPORTED[full_name]}" if full_name in _UNSUPPORTED else ""
    return pickle.UnpicklingError(
        f"it needs PyTorch's {full_name}{kind}, which Rushlight does not have; save a "
        "state_dict(), or dense tensors of the common dtypes, instead"
    )


def refusal(module: str, name: str) -> pickle.UnpicklingError:
    """The error for a global that a file may not use."""
    full_name = f"{module}.{name}"
    if module.partition(".")[0] in ROOTS and counterpart(module, name) is None:
        return _unknown_torch_name(full_name)
    return pickle.UnpicklingError(
        f"it asks for {full_name}, which is not known to be safe: a class or function that a "
        "file names can run any code. If you trust it, allow this one by "
        f"serialization.add_safe_globals([{full_name}]); if you trust the whole file, "
        "load(..., weights_only=False) allows everything"
    )


class SafeUnpickler(pickle._Unpickler):
    """Understands what checkpoints are made of, and calls only functions that are known to be safe.

    Args:
        file: the pickle; what follows it is not touched.
        load_storage: gives the storage for a persistent id.
        encoding: that of strings written by Python 2.
    """

    # The interpreter in Python keeps its memo in a dict and can be given fewer instructions. Left
    # out are those for extension codes and out-of-band buffers, which no checkpoint has.
    dispatch = {
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]]
        for opcode in (
            pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK,
            pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1,
            pickle.BININT2, pickle.LONG, pickle.LONG1, pickle.LONG4, pickle.FLOAT, pickle.BINFLOAT,
            pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE,
            pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8, pickle.BINBYTES,
            pickle.SHORT_BINBYTES, pickle.BINBYTES8, pickle.EMPTY_LIST, pickle.LIST,
            pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3,
            pickle.EMPTY_DICT, pickle.EMPTY_SET, pickle.GLOBAL, pickle.STACK_GLOBAL,
            pickle.BINPERSID, pickle.GET, pickle.BINGET, pickle.LONG_BINGET, pickle.PUT,
            pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE,
        )
    }  # fmt: skip

    def __init__(
        self, file: BinaryIO, load_storage: Callable, encoding: str = "utf-8", **options: Any
    ):
        super().__init__(file, encoding=encoding, **options)
        self._load_storage = load_storage
        self._error_outside: Exception | None = None
        self._callables: list[Any] = []

    def load(self) -> Any:
        """The pickled object.

        Raises:
            UnpicklingError: the pickle is damaged, or asks for what is not known to be safe.
        """
        try:
            return super().load()
        except (
            LookupError, EOFError, struct.error, ValueError, TypeError, AttributeError,
            OverflowError, RuntimeError, AssertionError, MemoryError,
        ) as error:  # fmt: skip
            if error is self._error_outside:
                raise
            raise pickle.UnpicklingError(
                "its pickle is damaged, or is none that PyTorch or Rushlight writes "
                f"({type(error).__name__}: {error})"
            ) from error

    def persistent_load(self, saved_id: Any) -> Any:
        try:
            return self._load_storage(saved_id)
        except Exception as error:
            self._error_outside = error
            raise

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:
            # Names of Python 2, in which these protocols are written to this day.
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        found = safe_list.find(f"{module}.{name}")
        if found is None:
            raise refusal(module, name)
        self._callables.append(found)
        return found

    def _expect(self, right: bool, what: str) -> None:
        if not right:
            raise pickle.UnpicklingError(f"its pickle {what}")

    def load_bytearray8(self) -> None:
        (length,) = struct.unpack("<Q", self.read(8))
        # Never makes room for what is not there.
        self.append(bytearray(self.read(length)))

    def load_append(self) -> None:
        value = self.stack.pop()
        self._expect(isinstance(self.stack[-1], list), "appends to what is no list")
        self.stack[-1].append(value)

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._expect(isinstance(self.stack[-1], list), "appends to what is no list")
        self.stack[-1].extend(items)

    def load_setitem(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        self._set_items(self.pop_mark())

    def _set_items(self, items: list) -> None:
        target = self.stack[-1]
        self._expect(isinstance(target, dict), "sets items of what is no dict")
        keys = items[::2]
        names.check_keys(keys)
        for key, value in zip(keys, items[1::2], strict=True):
            target[key] = value

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        self._expect(isinstance(self.stack[-1], set), "adds to what is no set")
        names.check_keys(items)
        self.stack[-1].update(items)

    def load_frozenset(self) -> None:
        items = self.pop_mark()
        names.check_keys(items)
        self.append(frozenset(items))

    def load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        known = any(function is other for other in self._callables)
        self._expect(known and isinstance(args, tuple), "calls what is no function")
        self.stack[-1] = function(*args)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        cls = self.stack.pop()
        self._expect(
            safe_list.is_allowed(cls) and isinstance(args, tuple), "makes an unknown object"
        )
        self.append(cls.__new__(cls, *args))

    def load_newobj_ex(self) -> None:
        options = self.stack.pop()
        args = self.stack.pop()
        cls = self.stack.pop()
        self._expect(safe_list.is_allowed(cls), "makes an unknown object")
        self.append(cls.__new__(cls, *args, **options))

    def load_build(self) -> None:
        if safe_list.is_allowed(type(self.stack[-2])):
            super().load_build()
            return
        state = self.stack.pop()
        target = self.stack[-1]
        # A state_dict has _metadata.
        self._expect(isinstance(target, dict), "sets the state of an unknown object")
        names.set_attributes(target, state)

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.APPEND[0]] = load_append
    dispatch[pickle.APPENDS[0]] = load_appends
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build


def load_anything(
    file: BinaryIO, load_storage: Callable, pickle_module: Any, **options: Any
) -> Any:
    """The pickled object, whatever code it takes to make it.

    Raises:
        UnpicklingError: the pickle is damaged, or needs a class of PyTorch's that has no counterpart.
    """

    class Unpickler(pickle_module.Unpickler):
        def persistent_load(self, saved_id: Any) -> Any:
            return load_storage(saved_id)

        def find_class(self, module: str, name: str) -> Any:
            if module.partition(".")[0] in ROOTS:
                return _trusted(module, name)
            return super().find_class(module, name)

    try:
        return Unpickler(file, **options).load()
    except EOFError as error:
        raise pickle.UnpicklingError(f"its pickle is cut off ({error})") from error


def _trusted(module: str, name: str) -> Any:
    """What stands here for a global of PyTorch's, such as ``torch.nn.modules.linear.Linear``."""
    full_name = f"{module}.{name}"
    found = names.TRUSTED_GLOBALS.get(full_name) or names.TORCH_GLOBALS.get(full_name)
    if found is None:
        found = counterpart(module, name)
    if found is None:
        raise _unknown_torch_name(full_name)
    return found
