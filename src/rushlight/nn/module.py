"""The base class of all layers and models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from ..tensor import Tensor
from ..utils.hooks import RemovableHandle
from .module_calls import (
    HookedCalls,
    everywhere,
    register_module_backward_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from .module_moves import Moves
from .module_state import StateDicts, _IncompatibleKeys
from .parameter import Buffer, Parameter

__all__ = [
    "Module",
    "_IncompatibleKeys",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_parameter_hooks: OrderedDict[int, Callable] = OrderedDict()
_buffer_hooks: OrderedDict[int, Callable] = OrderedDict()
_module_hooks: OrderedDict[int, Callable] = OrderedDict()


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, name, parameter)`` whenever any module gets a parameter.

    What the hook returns, unless None, is registered instead.
    """
    return _keep(_parameter_hooks, hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, name, buffer)`` whenever any module gets a buffer.

    What the hook returns, unless None, is registered instead.
    """
    return _keep(_buffer_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, name, submodule)`` whenever any module gets a submodule.

    What the hook returns, unless None, is registered instead.
    """
    return _keep(_module_hooks, hook)


def _keep(hooks: OrderedDict, hook: Callable) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _through(hooks: OrderedDict, module: Module, name: str, value: Any) -> Any:
    for hook in tuple(hooks.values()):
        changed = hook(module, name, value)
        if changed is not None:
            value = changed
    return value


def _new_attributes() -> dict[str, Any]:
    return {
        "training": True,
        "_parameters": {},
        "_buffers": {},
        "_modules": {},
        "_non_persistent_buffers_set": set(),
        "_backward_pre_hooks": OrderedDict(),
        "_backward_hooks": OrderedDict(),
        "_is_full_backward_hook": None,
        "_forward_hooks": OrderedDict(),
        "_forward_hooks_with_kwargs": OrderedDict(),
        "_forward_hooks_always_called": OrderedDict(),
        "_forward_pre_hooks": OrderedDict(),
        "_forward_pre_hooks_with_kwargs": OrderedDict(),
        "_state_dict_hooks": OrderedDict(),
        "_state_dict_pre_hooks": OrderedDict(),
        "_load_state_dict_pre_hooks": OrderedDict(),
        "_load_state_dict_post_hooks": OrderedDict(),
    }


class Module(HookedCalls, StateDicts, Moves):
    """A layer or a model: a function with parameters.

    A subclass makes its parts in ``__init__``, after calling ``super().__init__()``, and computes with
    them in ``forward``. A `Parameter`, a `Buffer` or a Module that is assigned to an attribute belongs to
    the module from then on: ``parameters()``, ``to()``, ``state_dict()`` and the rest find it.

    Attributes:
        training: whether layers such as dropout behave as in training; ``train()`` and ``eval()`` set it.

    >>> class Scale(rushlight.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = rushlight.nn.Parameter(rushlight.tensor(2.0))
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(rushlight.ones(2)).tolist()
    [2.0, 2.0]
    >>> [name for name, _ in scale.named_parameters()]
    ['factor']
    """

    call_super_init: bool = False
    dump_patches: bool = False
    training: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but "
                    f"{len(args) + 1} were given"
                )
        self.__dict__.update(_new_attributes())
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it. Call the module, not this.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or everywhere
        ):
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_parameters" in own:
            if name in own["_parameters"]:
                return own["_parameters"][name]
            if name in own["_modules"]:
                return own["_modules"][name]
            if name in own["_buffers"]:
                return own["_buffers"][name]
            why = ""
        else:
            why = f": {type(self).__name__}.__init__() did not call super().__init__()"
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{why}")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in own:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in own:
                raise AttributeError("cannot assign module before Module.__init__() call")
            if name in own["_parameters"]:
                raise TypeError(_not_assignable(value, "parameter", name, "torch.nn.Parameter"))
            self._forget(name, "_buffers")
            own["_modules"][name] = _through(_module_hooks, self, name, value)
        elif "_parameters" not in own:
            object.__setattr__(self, name, value)
        elif name in own["_parameters"]:
            if value is not None:
                raise TypeError(_not_assignable(value, "parameter", name, "torch.nn.Parameter"))
            self.register_parameter(name, None)
        elif name in own["_modules"]:
            if value is not None:
                raise TypeError(_not_assignable(value, "child module", name, "torch.nn.Module"))
            own["_modules"][name] = _through(_module_hooks, self, name, None)
        elif isinstance(value, Buffer):
            self._forget(name)
            self.register_buffer(name, value, value.persistent)
        elif name in own["_buffers"]:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    _not_assignable(value, "buffer", name, "torch.nn.Buffer, torch.Tensor")
                )
            own["_buffers"][name] = _through(_buffer_hooks, self, name, value)
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for store in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(store, ()):
                del self.__dict__[store][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def _forget(self, name: str, *stores: str) -> None:
        """Removes ``name`` from the instance and from the named stores, before it means something else."""
        own = self.__dict__
        own.pop(name, None)
        for store in stores:
            own[store].pop(name, None)
        own["_non_persistent_buffers_set"].discard(name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        names.update(self._parameters, self._buffers, self._modules)
        # A child called "0" cannot be reached as an attribute.
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A file may come from a version that had fewer of these.
        self.__dict__.update(_new_attributes())
        self.__dict__.update(state)

    # ---- registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Makes ``param`` a parameter of this module, reachable as the attribute ``name``.

        Args:
            name: any string without a dot that is not taken.
            param: None reserves the name.

        Raises:
            AttributeError: ``super().__init__()`` has not been called.
            KeyError: the name is taken, empty, or has a dot.
            TypeError: ``name`` is no string, or ``param`` is no Parameter.
        """
        self._check_name(name, "_parameters", "parameter")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        if param is not None:
            param = _through(_parameter_hooks, self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Makes ``tensor`` part of this module's state, without being trained.

        Args:
            name: any string without a dot that is not taken.
            tensor: None reserves the name.
            persistent: whether ``state_dict`` has it.

        Raises:
            AttributeError: ``super().__init__()`` has not been called.
            KeyError: the name is taken, empty, or has a dot.
            TypeError: ``name`` is no string, or ``tensor`` is no tensor.

        >>> module = rushlight.nn.Module()
        >>> module.register_buffer("mean", rushlight.zeros(3))
        >>> list(module.state_dict())
        ['mean']
        """
        self._check_name(name, "_buffers", "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        self._buffers[name] = _through(_buffer_hooks, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Makes ``module`` a child of this one, reachable as the attribute ``name``.

        Args:
            name: any string without a dot that is not taken.
            module: None reserves the name.

        Raises:
            AttributeError: ``super().__init__()`` has not been called.
            KeyError: the name is taken, empty, or has a dot.
            TypeError: ``name`` is no string, or ``module`` is no Module.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name(name, "_modules", "module")
        self._modules[name] = _through(_module_hooks, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of `add_module`."""
        self.add_module(name, module)

    def _check_name(self, name: str, store: str, what: str) -> None:
        if store not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if "." in name:
            got = f", got: {name}" if what == "module" else ""
            raise KeyError(f'{what} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in self.__dict__[store] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # ---- lookup by path

    def get_submodule(self, target: str) -> Module:
        """The module below this one whose path is ``target``, such as ``"encoder.layers.0"``.

        Raises:
            AttributeError: there is none, or something else has that path.
        """
        module = self
        for name in target.split(".") if target else ():
            module = module._find(name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter whose path is ``target``, such as ``"encoder.layers.0.weight"``.

        Raises:
            AttributeError: there is none, or something else has that path.
        """
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._find(name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer whose path is ``target``, such as ``"norm.running_mean"``.

        Raises:
            AttributeError: there is none, or something else has that path.
        """
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        found = owner._find(name)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts ``module`` at the path ``target``, where it replaces the one that is there.

        Args:
            target: a path; all but its last part must exist.
            module: the new module.
            strict: the last part must exist as well.

        Raises:
            AttributeError: a part of the path is missing or is no module.
            ValueError: ``target`` is empty, or ``module`` is no Module.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict or hasattr(owner, name):
            if not isinstance(owner._find(name), Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(owner, name, module)

    def _find(self, name: str) -> Any:
        if not hasattr(self, name):
            raise AttributeError(f"{self._get_name()} has no attribute `{name}`")
        return getattr(self, name)

    # ---- walking

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with their paths, parents first.

        Args:
            memo: modules to leave out; those that are given get added.
            prefix: what every path begins with.
            remove_duplicate: give a module that occurs several times only once.

        >>> net = rushlight.nn.Sequential(rushlight.nn.ReLU())
        >>> [name for name, _ in net.named_modules()]
        ['', '0']
        """
        memo = set() if memo is None else memo
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate:
                if module in memo:
                    continue
                memo.add(module)
            yield path, module
            dotted = f"{path}." if path else ""
            for name, child in reversed(module._modules.items()):
                if child is not None:
                    stack.append((dotted + name, child))

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, parents first; each once, unless ``remove_duplicate`` is False."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one with their names, each once."""
        seen = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules directly below this one, each once."""
        for _, child in self.named_children():
            yield child

    def _named_members(
        self,
        get_members_fn: Callable,
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        """The items that ``get_members_fn`` finds in each module, with their paths."""
        seen = set()
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            modules = ((prefix, self),)
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield f"{path}.{name}" if path else name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their paths.

        Args:
            prefix: what every path begins with.
            recurse: also those of the modules below.
            remove_duplicate: give a parameter that occurs several times only once.
        """
        return self._named_members(_parameters_of, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once; ``recurse`` includes those of the modules below.

        >>> [p.shape for p in rushlight.nn.Linear(3, 2).parameters()]
        [torch.Size([2, 3]), torch.Size([2])]
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their paths; arguments as for `named_parameters`."""
        return self._named_members(_buffers_of, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once; ``recurse`` includes those of the modules below."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # ---- modes

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Calls ``fn`` with every module below this one, children first, and then with this one.

        Returns:
            The module itself.
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """Puts this module and all below it in training mode, or out of it.

        Returns:
            The module itself.

        Raises:
            ValueError: ``mode`` is no bool.
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Module:
        """Puts this module and all below it in evaluation mode; the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Says of all parameters whether they need gradients; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters.

        Args:
            set_to_none: drop them; False fills them with zeros.
        """
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                if parameter.grad.requires_grad:
                    parameter.grad.detach_()
                parameter.grad.zero_()

    def compile(self, *args: Any, **kwargs: Any) -> Module:
        """Accepted for programs that ask for compilation; returns the module as it is."""
        return self

    # ---- text

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What ``repr`` shows of the module itself; a subclass overrides it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [
            f"({name}): {indent(repr(child), 2)}" for name, child in self._modules.items()
        ]
        return layout(self._get_name(), extra_lines, child_lines)


def layout(name: str, extra_lines: list[str], child_lines: list[str]) -> str:
    """The text of a module: on one line if it has no children and one line about itself."""
    if not child_lines and len(extra_lines) <= 1:
        return f"{name}({''.join(extra_lines)})"
    return "\n  ".join([f"{name}(", *extra_lines, *child_lines]) + "\n)"


def indent(text: str, spaces: int) -> str:
    """``text`` with all lines but the first moved to the right."""
    return text.replace("\n", "\n" + " " * spaces)


def _parameters_of(module: Module) -> Any:
    return module._parameters.items()


def _buffers_of(module: Module) -> Any:
    return module._buffers.items()


def _type_name(value: Any) -> str:
    return value.type() if isinstance(value, Tensor) else type(value).__name__


def _not_assignable(value: Any, what: str, name: str, expected: str) -> str:
    return f"cannot assign '{_type_name(value)}' as {what} '{name}' ({expected} or None expected)"
