"""Modules and parameters in lists and dictionaries."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from ..tensor import Tensor
from .module import Module, indent, layout
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def _position(index: Any, length: int) -> int:
    """``index`` counted from the front.

    Raises:
        IndexError: it is out of range.
        TypeError: it is no integer.
    """
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range")
    return index % length


class Sequential(Module):
    """Modules that are applied one after the other.

    Args:
        *args: the modules in order, or one OrderedDict of names and modules.

    Raises:
        TypeError: an argument is no Module.

    >>> net = rushlight.nn.Sequential(rushlight.nn.ReLU(), rushlight.nn.Tanh())
    >>> net[1]
    Tanh()
    >>> net(rushlight.tensor([-1.0, 0.0]))
    tensor([0., 0.])
    """

    def __init__(self, *args: Any):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named = args[0].items()
        else:
            named = ((str(place), module) for place, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Gives ``input`` to the first module, its output to the second, and so on."""
        for module in self._modules.values():
            input = module(input)
        return input

    def _key(self, index: Any) -> str:
        place = _position(index, len(self))
        return next(islice(self._modules, place, None))

    def _replace(self, modules: Iterable[Module]) -> None:
        """Holds ``modules`` instead, named by their places."""
        self._modules = {str(place): module for place, module in enumerate(modules)}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            delattr(self, key)
        self._replace(list(self))

    def pop(self, key: int | slice) -> Any:
        """Removes the module at a place, or those of a slice, and returns what was removed."""
        removed = self[key]
        del self[key]
        return removed

    def append(self, module: Module) -> Sequential:
        """Adds a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module) -> Sequential:
        """Adds a module before the one at ``index``; returns the container.

        Raises:
            IndexError: ``index`` is beyond the ends.
            TypeError: ``module`` is no Module.
        """
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        length = len(self)
        if not -length <= index <= length:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Sequential:
        """Adds several modules at the end; returns the container."""
        for module in list(sequential):
            self.append(module)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        _check_sequential(other)
        joined = Sequential()
        joined.extend(chain(self, other))
        return joined

    def __iadd__(self, other: Sequential) -> Sequential:
        _check_sequential(other)
        return self.extend(other)

    def __mul__(self, other: int) -> Sequential:
        _check_factor(self, other)
        repeated = Sequential()
        for _ in range(other):
            repeated.extend(self)
        return repeated

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Sequential:
        _check_factor(self, other)
        modules = list(self)
        for _ in range(other - 1):
            self.extend(modules)
        return self


def _check_sequential(other: Any) -> None:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given."
        )


def _check_factor(container: Any, factor: Any) -> None:
    if not isinstance(factor, int):
        raise TypeError(f"unsupported operand type(s) for *: {type(container)} and {type(factor)}")
    if factor <= 0:
        raise ValueError(f"Non-positive multiplication factor {factor} for {type(container)}")


class ModuleList(Module):
    """A list of modules whose parameters the owner sees.

    Args:
        modules: what the list begins with.

    Raises:
        TypeError: an item is no Module.

    >>> layers = rushlight.nn.ModuleList(rushlight.nn.Linear(4, 4) for _ in range(3))
    >>> layers
    ModuleList(
      (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _replace(self, modules: Iterable[Module]) -> None:
        self._modules = {str(place): module for place, module in enumerate(modules)}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[str(_position(index, len(self)))]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, str(_position(index, len(self))), module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        del modules[index if isinstance(index, slice) else _position(index, len(self))]
        self._replace(modules)

    def pop(self, key: int | slice) -> Any:
        """Removes the module at a place, or those of a slice, and returns what was removed."""
        removed = self[key]
        del self[key]
        return removed

    def append(self, module: Module) -> ModuleList:
        """Adds a module at the end; returns the list."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Adds a module before the one at ``index``, as ``list.insert`` does."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Adds several modules at the end; returns the list.

        Raises:
            TypeError: ``modules`` is not iterable.
        """
        _check_iterable(modules, "ModuleList.extend")
        for module in list(modules):
            self.append(module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        joined = ModuleList()
        joined.extend(chain(self, other))
        return joined

    def __repr__(self) -> str:
        """The modules with their places; neighbours with the same text share a line."""
        groups: list[list[Any]] = []
        for place, text in enumerate(map(repr, self)):
            if groups and groups[-1][2] == text:
                groups[-1][1] = place
            else:
                groups.append([place, place, text])
        lines = []
        for first, last, text in groups:
            line = f"({first}): {text}"
            if first != last:
                line = f"({first}-{last}): {last - first + 1} x {text}"
            lines.append(indent(line, 2))
        return layout(self._get_name(), [], lines)


def _check_iterable(value: Any, where: str, what: str = "an iterable") -> None:
    if not isinstance(value, Iterable) or isinstance(value, Tensor):
        raise TypeError(f"{where} should be called with {what}, but got {type(value).__name__}")


def _pairs(items: Any, name: str) -> list[tuple[Any, Any]]:
    """The keys and values in a mapping or in an iterable of pairs.

    Raises:
        TypeError: ``items`` or one of its elements is not iterable.
        ValueError: an element is no pair.
    """
    _check_iterable(items, f"{name}.update", "an iterable of key/value pairs")
    if isinstance(items, (Mapping, ModuleDict, ParameterDict)):
        return list(items.items())
    pairs = []
    for place, item in enumerate(items):
        if not isinstance(item, Iterable):
            raise TypeError(
                f"{name} update sequence element #{place} should be Iterable; "
                f"is {type(item).__name__}"
            )
        pair = tuple(item)
        if len(pair) != 2:
            raise ValueError(
                f"{name} update sequence element #{place} has length {len(pair)}; 2 is required"
            )
        pairs.append(pair)
    return pairs


class ModuleDict(Module):
    """A dictionary of modules whose parameters the owner sees. It keeps the order of insertion.

    Args:
        modules: a mapping, or an iterable of pairs, that the dictionary begins with.

    Raises:
        TypeError: a key is no string, or a value is no Module.

    >>> heads = rushlight.nn.ModuleDict({"relu": rushlight.nn.ReLU()})
    >>> heads["relu"]
    ReLU()
    """

    def __init__(self, modules: Any = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Removes everything."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Removes the module under ``key`` and returns it."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """The keys, as of a dict."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules, as of a dict."""
        return self._modules.values()

    def items(self) -> Any:
        """The pairs of keys and modules, as of a dict."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Takes over the entries of a mapping or of an iterable of pairs.

        Raises:
            TypeError: it is neither.
            ValueError: an element of the iterable is no pair.
        """
        for key, module in _pairs(modules, "ModuleDict"):
            self[key] = module


def _as_entry(value: Any) -> Any:
    """What a list or dictionary of parameters holds for ``value``: tensors become parameters."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


def _describe(value: Any, type_of: Any) -> str:
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    size = "x".join(str(n) for n in value.shape)
    place = "" if value.device.type == "cpu" else f" ({value.device})"
    return f"{kind} containing: [{type_of(value)} of size {size}{place}]"


class ParameterList(Module):
    """A list of parameters that the owner sees; other values may be among them.

    Args:
        values: what the list begins with; tensors are made parameters.

    >>> weights = rushlight.nn.ParameterList([rushlight.ones(2), rushlight.ones(3)])
    >>> len(list(weights.parameters()))
    2
    """

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            picked = type(self)()
            picked.extend(self[place] for place in range(*index.indices(len(self))))
            return picked
        return getattr(self, str(_position(index, len(self))))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(_position(index, len(self))), _as_entry(value))

    def append(self, value: Any) -> ParameterList:
        """Adds a value at the end; returns the list."""
        place = len(self)
        self._size = place + 1
        self[place] = value
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Adds several values at the end; returns the list.

        Raises:
            TypeError: ``values`` is not iterable, or is a tensor.
        """
        _check_iterable(values, "ParameterList.extend")
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def extra_repr(self) -> str:
        """One line for each value."""
        return "\n".join(
            f"  ({place}): {_describe(value, lambda p: p.dtype)}"
            for place, value in enumerate(self)
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters that the owner sees; other values may be among them.

    Args:
        parameters: a mapping, or an iterable of pairs, that the dictionary begins with; tensors are
            made parameters. The keys of a plain dict are taken in sorted order, those of an OrderedDict
            in its own.

    >>> weights = rushlight.nn.ParameterDict({"left": rushlight.ones(2)})
    >>> weights["left"].requires_grad
    True
    """

    def __init__(self, parameters: Any = None):
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _attribute(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}')."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._attribute(key))

    def __setitem__(self, key: str, value: Any) -> None:
        attribute = self._attribute(key)
        setattr(self, attribute, _as_entry(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._attribute(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Any:
        """The keys, as of a dict."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The values, in the order of the keys."""
        return (self[key] for key in self._keys)

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs of keys and values."""
        return ((key, self[key]) for key in self._keys)

    def copy(self) -> ParameterDict:
        """A dictionary with the same values in the same order."""
        return ParameterDict(OrderedDict(self.items()))

    def get(self, key: str, default: Any = None) -> Any:
        """The value under ``key``, or ``default`` where there is none."""
        return self[key] if key in self else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value under ``key``, which is put there first where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Removes the value under ``key`` and returns it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Removes the last pair and returns it."""
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def clear(self) -> None:
        """Removes everything."""
        for key in list(self._keys):
            del self[key]

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dictionary with these keys, and ``default`` under each."""
        return ParameterDict((key, default) for key in keys)

    def update(self, parameters: Any) -> None:
        """Takes over the entries of a mapping or of an iterable of pairs.

        Raises:
            TypeError: it is neither.
            ValueError: an element of the iterable is no pair.
        """
        pairs = _pairs(parameters, "ParameterDict")
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs.sort()
        for key, value in pairs:
            self[key] = value

    def extra_repr(self) -> str:
        """One line for each value."""
        return "\n".join(
            f"  ({key}): {_describe(value, lambda p: p.type())}" for key, value in self.items()
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        joined = ParameterDict(OrderedDict(other.items()))
        joined.update(self)
        return joined

    def __ior__(self, other: ParameterDict) -> ParameterDict:
        self.update(other)
        return self
