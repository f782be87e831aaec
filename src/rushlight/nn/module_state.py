"""Saving and loading what a module holds: ``state_dict`` and ``load_state_dict``."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from ..autograd import no_grad
from ..tensor import Tensor
from ..utils.hooks import RemovableHandle
from .parameter import Parameter

_EXTRA_STATE_KEY = "_extra_state"


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `Module.load_state_dict` found out: the keys that were missing, and those of no use."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateDicts:
    """The part of `Module` that turns it into a dictionary of tensors and back."""

    _version: int = 1

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Everything the module would have to remember, by name.

        Args:
            destination: a dictionary to fill; a new OrderedDict without it.
            prefix: what every key begins with.
            keep_vars: give the parameters themselves instead of tensors detached from them.

        Returns:
            The dictionary of parameters and persistent buffers, sharing their memory. Its attribute
            ``_metadata`` holds the version of each module's format.

        >>> list(rushlight.nn.Linear(2, 1).state_dict())
        ['weight', 'bias']
        """
        if args:
            warnings.warn(
                "state_dict() got positional arguments; write destination=, prefix= and keep_vars=.",
                FutureWarning,
                stacklevel=2,
            )
            named = (destination, prefix, keep_vars)
            destination, prefix, keep_vars = args + named[len(args) :]
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, local_metadata)
            if changed is not None:
                destination = changed
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Puts what this module itself holds, without its children, into ``destination``."""
        for name, value in self._own_state().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if _overrides(self, "get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        own = {name: p for name, p in self._parameters.items() if p is not None}
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                own[name] = buffer
        return own

    def get_extra_state(self) -> Any:
        """What ``state_dict`` keeps under ``_extra_state``; a module with more to save overrides this.

        Raises:
            RuntimeError: the module does not override it.
        """
        raise RuntimeError(
            f"{self._get_name()} has no extra state: override get_extra_state() and set_extra_state() "
            "in the module that has."
        )

    def set_extra_state(self, state: Any) -> None:
        """Takes back what `get_extra_state` gave.

        Raises:
            RuntimeError: the module does not override it.
        """
        raise RuntimeError(
            f"{self._get_name()} cannot take extra state: override set_extra_state() beside "
            "get_extra_state()."
        )

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before ``state_dict`` collects."""
        return _keep(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` at the end of ``state_dict``.

        The hook changes the dictionary in place and returns None.
        """
        return _keep(self._state_dict_hooks, _ReturnsNone(hook))

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """As `register_state_dict_post_hook`, for a hook that may return another dictionary."""
        return _keep(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook`` before the module loads what belongs to it.

        Args:
            hook: called as ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
                unexpected_keys, error_msgs)``; it may change the dictionary and the lists in place.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable, with_module: bool = False
    ) -> RemovableHandle:
        return _keep(
            self._load_state_dict_pre_hooks, _WithModule(hook, self) if with_module else hook
        )

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` after the module has loaded.

        The hook may change the two lists in place, and returns None.
        """
        return _keep(self._load_state_dict_post_hooks, hook)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copies tensors from ``state_dict`` into the parameters and buffers of the same names.

        Args:
            state_dict: what ``state_dict()`` gave.
            strict: refuse missing and unexpected keys instead of only returning them.
            assign: let the module hold the given tensors themselves, with their dtype and device.

        Returns:
            A pair ``(missing_keys, unexpected_keys)``.

        Raises:
            RuntimeError: a shape differs, a value is no tensor, or, where ``strict``, keys differ. The
                text lists everything that was wrong.
            TypeError: ``state_dict`` is no dictionary.

        >>> layer = rushlight.nn.Linear(2, 1)
        >>> layer.load_state_dict(rushlight.nn.Linear(2, 1).state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        # Hooks may change the dictionary, and the caller's must stay as it is.
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata
        report = _IncompatibleKeys(missing, unexpected)
        _load_tree(self, state_dict, "", metadata or {}, assign, report, errors)
        if strict:
            if unexpected:
                errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
            if missing:
                errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if errors:
            listed = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {self._get_name()}:\n\t{listed}"
            )
        return report

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Loads what belongs to this module itself; a module that must convert older files overrides it.

        Args:
            state_dict: the dictionary; it may be changed.
            prefix: what this module's keys begin with.
            local_metadata: at ``"version"`` the version of the format the module was saved in.
            strict: note missing and unexpected keys.
            missing_keys, unexpected_keys, error_msgs: lists to add to.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict, prefix, local_metadata, strict,
                missing_keys, unexpected_keys, error_msgs,
            )  # fmt: skip
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = self._own_state()
        for name, held in own.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            problem = _load_one(self, name, held, key, state_dict[key], assign)
            if problem:
                error_msgs.append(problem)
        extra_key = prefix + _EXTRA_STATE_KEY
        takes_extra = _overrides(self, "set_extra_state")
        if takes_extra and extra_key in state_dict:
            self.set_extra_state(state_dict[extra_key])
        elif takes_extra and strict:
            missing_keys.append(extra_key)
        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or (takes_extra and key == extra_key):
                    continue
                name, dot, _ = key[len(prefix) :].partition(".")
                if name not in (self._modules if dot else own):
                    unexpected_keys.append(key)


def _load_tree(
    module: Any,
    state_dict: dict,
    prefix: str,
    metadata: Mapping,
    assign: bool,
    report: _IncompatibleKeys,
    errors: list[str],
) -> None:
    """Loads ``module`` and, each from its own part of the dictionary, the modules below it."""
    local_metadata = dict(metadata.get(prefix[:-1], {}))
    if assign:
        local_metadata["assign_to_params_buffers"] = True
    module._load_from_state_dict(
        state_dict,
        prefix,
        local_metadata,
        True,
        report.missing_keys,
        report.unexpected_keys,
        errors,
    )
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            part = {key: value for key, value in state_dict.items() if key.startswith(below)}
            _load_tree(child, part, below, metadata, assign, report, errors)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, report) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                "inplace."
            )


def _load_one(
    module: Any, name: str, held: Tensor, key: str, given: Any, assign: bool
) -> str | None:
    """Loads one parameter or buffer; returns what was wrong with it, if anything."""
    if not isinstance(given, Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(given)}"
        )
    if held.dim() == 0 and given.dim() == 1 and given.shape[0] == 1:
        # Scalars were saved with one dimension by PyTorch before 0.4.
        given = given[0]
    if held.shape != given.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, "
            f"the shape in current model is {held.shape}."
        )
    if held.is_meta and not given.is_meta and not assign:
        warnings.warn(
            f"for {key}: the model's tensor is on the meta device, which holds no values, so copying "
            "into it does nothing. Pass assign=True to take over the tensors of the state_dict.",
            stacklevel=6,
        )
    try:
        with no_grad():
            if assign:
                setattr(module, name, _as_parameter_like(held, given))
            else:
                held.copy_(given)
    except Exception as error:
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{held.shape} and whose dimensions in the checkpoint are {given.shape}, an exception "
            f"occurred : {error.args}."
        )
    return None


def _as_parameter_like(held: Tensor, given: Tensor) -> Tensor:
    if not isinstance(held, Parameter):
        return given
    if isinstance(given, Parameter):
        return given.requires_grad_(held.requires_grad)
    return Parameter(given, requires_grad=held.requires_grad)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _overrides(module: Any, name: str) -> bool:
    return getattr(type(module), name) is not getattr(StateDicts, name)


def _keep(hooks: OrderedDict, hook: Callable) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


class _ReturnsNone:
    """A hook whose result would be lost, so it may not have one."""

    def __init__(self, hook: Callable):
        self.hook = hook

    def __call__(self, *args: Any) -> None:
        if self.hook(*args) is not None:
            raise RuntimeError(
                "state_dict post-hook must return None: it changes the dictionary in place"
            )


class _WithModule:
    """A hook that gets its module as the first argument; a copy of the module gets the copy."""

    def __init__(self, hook: Callable, module: Any):
        self.__setstate__((hook, module))

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module(), *args)

    def __getstate__(self) -> tuple:
        return self.hook, self.module()

    def __setstate__(self, state: tuple) -> None:
        self.hook, module = state
        # Weak, because the module holds the hook.
        self.module = weakref.ref(module)
