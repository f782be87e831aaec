"""Reading pickles: one unpickler that runs no code of the file's choice, and one that may."""

from __future__ import annotations

import importlib
import io
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from . import names

_user_globals: dict[str, Any] = {}


def add_safe_globals(safe_globals: Iterable) -> None:
    """Lets ``load`` with ``weights_only=True`` use these classes and functions from now on.

    Args:
        safe_globals: classes and functions, or pairs of one and the name by which files know it.

    Raises:
        TypeError: an item is neither.

    >>> import fractions
    >>> add_safe_globals([fractions.Fraction])
    >>> get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> clear_safe_globals()
    """
    for item in safe_globals:
        function, name = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if not callable(function) or not isinstance(name, (str, type(None))):
            raise TypeError(
                "add_safe_globals: expected classes, functions or pairs of one and its name, "
                f"but got {item!r}"
            )
        _user_globals[name or f"{function.__module__}.{function.__qualname__}"] = item


def get_safe_globals() -> list:
    """What was added by `add_safe_globals`."""
    return list(_user_globals.values())


def clear_safe_globals() -> None:
    """Takes back all that was added by `add_safe_globals`."""
    _user_globals.clear()


@contextmanager
def safe_globals(safe_globals: Iterable) -> Iterator[None]:
    """A ``with`` block in which these classes and functions are safe.

    >>> import fractions
    >>> with safe_globals([fractions.Fraction]):
    ...     get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> get_safe_globals()
    []
    """
    before = dict(_user_globals)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _user_globals.clear()
        _user_globals.update(before)


def _unknown_torch_name(full_name: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(
        f"it needs PyTorch's {full_name}, which Rushlight does not have; save a state_dict(), or "
        "tensors of the common dtypes, instead"
    )


class SafeUnpickler(pickle._Unpickler):
    """Understands what checkpoints are made of, and calls only functions that are known to be safe.

    Args:
        data: the pickle.
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
        self, data: bytes, load_storage: Callable, encoding: str = "utf-8", **options: Any
    ):
        super().__init__(io.BytesIO(data), encoding=encoding, **options)
        self._load_storage = load_storage
        self._error_outside: Exception | None = None
        self._callables: list[Any] = []
        self._added: list[Any] = []

    def load(self) -> Any:
        """The pickled object.

        Raises:
            UnpicklingError: the pickle is damaged, or asks for what is not known to be safe.
        """
        try:
            return super().load()
        except (
            LookupError, EOFError, struct.error, ValueError, TypeError, AttributeError,
            OverflowError, RecursionError,
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
        full_name = f"{'builtins' if module == '__builtin__' else module}.{name}"
        found = names.SAFE_GLOBALS.get(full_name)
        if found is None and full_name in _user_globals:
            found = _user_globals[full_name]
            found = found[0] if isinstance(found, tuple) else found
            self._added.append(found)
        if found is None:
            raise self._refusal(module, full_name)
        self._callables.append(found)
        return found

    def _refusal(self, module: str, full_name: str) -> pickle.UnpicklingError:
        if module == "torch" or module.startswith("torch."):
            return _unknown_torch_name(full_name)
        return pickle.UnpicklingError(
            f"it asks for {full_name}, which is not known to be safe: a class or function that a "
            "file names can run any code. If you trust it, allow this one by "
            f"serialization.add_safe_globals([{full_name}]); if you trust the whole file, "
            "load(..., weights_only=False) allows everything"
        )

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
        self._expect(self._is_added(cls) and isinstance(args, tuple), "makes an unknown object")
        self.append(cls.__new__(cls, *args))

    def load_newobj_ex(self) -> None:
        options = self.stack.pop()
        args = self.stack.pop()
        cls = self.stack.pop()
        self._expect(self._is_added(cls), "makes an unknown object")
        self.append(cls.__new__(cls, *args, **options))

    def load_build(self) -> None:
        if self._is_added(type(self.stack[-2])):
            super().load_build()
            return
        state = self.stack.pop()
        target = self.stack[-1]
        # A state_dict has _metadata.
        self._expect(isinstance(target, dict), "sets the state of an unknown object")
        names.set_attributes(target, state)

    def _is_added(self, cls: Any) -> bool:
        return isinstance(cls, type) and any(cls is other for other in self._added)

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


def load_anything(data: bytes, load_storage: Callable, pickle_module: Any, **options: Any) -> Any:
    """The pickled object, whatever code it takes to make it.

    Raises:
        UnpicklingError: it needs a class of PyTorch's that has no counterpart here.
    """

    class Unpickler(pickle_module.Unpickler):
        def persistent_load(self, saved_id: Any) -> Any:
            return load_storage(saved_id)

        def find_class(self, module: str, name: str) -> Any:
            if module == "torch" or module.startswith("torch."):
                return _counterpart(module, name)
            return super().find_class(module, name)

    return Unpickler(io.BytesIO(data), **options).load()


def _counterpart(module: str, name: str) -> Any:
    """What stands here for a global of PyTorch's, such as ``torch.nn.modules.linear.Linear``."""
    found = names.TORCH_GLOBALS.get(f"{module}.{name}")
    if found is not None:
        return found
    # Files there are divided otherwise: torch.nn.modules.linear.Linear is rushlight.nn.Linear.
    path = "rushlight" + module[len("torch") :]
    while path:
        with suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(path), name)
        path = path.rpartition(".")[0]
    raise _unknown_torch_name(f"{module}.{name}")
