"""What every optimizer shares: groups of parameters, their state, closures, hooks, and the fused pass.

A rule is a subclass that gives `defaults`, `init_state` and `update` (its formula in ordinary tensor ops, for one
parameter). Where the extension has the formula as one pass over all parameters, it also gives `fused_update`; that is
taken for floating parameters on the CPU unless an option forbids it. Both give the same numbers.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from .. import config
from ..autograd.graph import RemovableHandle
from ..autograd.modes import enable_grad, no_grad, set_grad_enabled
from ..tensor import Tensor

_FUSED_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """The base of all optimizers.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dicts that each hold ``"params"`` and options of that group.
        defaults: the options of groups that do not say otherwise.

    Attributes:
        param_groups: a list of dicts, each with ``"params"`` and its options.
        state: for each parameter a dict of what the rule keeps.

    Raises:
        TypeError: ``params`` is a single tensor, or holds something that is no tensor.
        ValueError: there are no parameters, or one is in two groups, or is no leaf.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}; write [tensor]"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._prepare_hooks()
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list: did the model register its layers? "
                "(layers in a plain list are not registered; use nn.ModuleList)"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group))

    def _prepare_hooks(self) -> None:
        self._step_pre_hooks: dict[int, Callable] = OrderedDict()
        self._step_post_hooks: dict[int, Callable] = OrderedDict()
        self._state_dict_pre_hooks: dict[int, Callable] = OrderedDict()
        self._state_dict_post_hooks: dict[int, Callable] = OrderedDict()
        self._load_pre_hooks: dict[int, Callable] = OrderedDict()
        self._load_post_hooks: dict[int, Callable] = OrderedDict()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        step = cls.__dict__.get("step")
        if step is not None:
            # An optimizer of the user's own with its own step has the hooks and the step count as well.
            cls.step = _with_hooks(step)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group: a dict of ``"params"`` and options.

        Raises:
            TypeError: it is no dict, or a parameter is no tensor.
            ValueError: a parameter is no leaf, or is in a group already, or an option without default is missing.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        params = list(params)
        named = [isinstance(p, tuple) for p in params]
        if any(named):
            if not all(named):
                raise ValueError(
                    "all optimizer params should be with/without names. Some param names are missing"
                )
            param_group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        param_group["params"] = params
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        if len({id(p) for p in params}) != len(params):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ---- the rule, given by subclasses --------------------------------------------------------------

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """What the rule keeps for a parameter before its first step."""
        return {}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter, in ordinary tensor ops."""
        raise NotImplementedError

    fused_update: Callable | None = None

    # ---- a step -------------------------------------------------------------------------------------

    def step(self, closure: Callable | None = None) -> Any:
        """Changes every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with its gradients, and returns it.

        Returns:
            What ``closure`` returned; None without one.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p._grad is not None]
            if not params:
                continue
            states = [self._state_of(p, group) for p in params]
            if self._can_fuse(params, group):
                with no_grad():
                    self.fused_update(params, [p._grad for p in params], states, group)
                for p in params:
                    counter = p._counter
                    if counter is None:
                        p._counter = [1]
                    else:
                        counter[0] += 1
                continue
            with set_grad_enabled(bool(group.get("differentiable"))):
                for p, state in zip(params, states):
                    self.update(p, p._grad, state, group)
        return loss

    def _state_of(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state.update(self.init_state(p, group))
        return state

    def _can_fuse(self, params: list[Tensor], group: dict[str, Any]) -> bool:
        if self.fused_update is None or group.get("differentiable") or _PLAIN:
            return False
        for p in params:
            dtype = p._array.dtype
            if dtype not in _FUSED_DTYPES or p._grad._array.dtype is not dtype or p.is_meta:
                return False
        return True

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients.

        Args:
            set_to_none: True makes them None, False overwrites them with zeros.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is None:
                    continue
                if set_to_none:
                    p._grad = None
                else:
                    p._grad.detach_() if p._grad._view is None else p._grad.requires_grad_(False)
                    with no_grad():
                        p._grad.zero_()

    # ---- hooks --------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` before each step; it may return new ``(args, kwargs)``."""
        return RemovableHandle(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` after each step."""
        return RemovableHandle(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer)`` before `state_dict`."""
        return _hang(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` after `state_dict`; it may return another one."""
        return _hang(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` before `load_state_dict`; it may return another one."""
        return _hang(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(optimizer)`` after `load_state_dict`."""
        return _hang(self._load_post_hooks, hook, prepend)

    # ---- state dicts --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and options, with parameters replaced by their numbers: what to save.

        Returns:
            ``{"state": {number: {...}}, "param_groups": [{..., "params": [number, ...]}]}``, as PyTorch has it.
        """
        for hook in self._state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {k: v for k, v in group.items() if k != "params"}
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {numbers[id(p)] if isinstance(p, Tensor) else p: s for p, s in self.state.items()}
        answer = {"state": state, "param_groups": groups}
        for hook in self._state_dict_post_hooks.values():
            changed = hook(self, answer)
            answer = answer if changed is None else changed
        return answer

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over state and options that `state_dict` gave, here or in PyTorch.

        Raises:
            ValueError: the groups do not fit: another number of them, or of parameters in one.
        """
        state_dict = dict(state_dict)
        for hook in self._load_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for ours, theirs in zip(self.param_groups, saved):
            if len(ours["params"]) != len(theirs["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"{len(theirs['params'])} parameters, but the optimizer has {len(ours['params'])}"
                )
        numbers = chain.from_iterable(g["params"] for g in saved)
        params = chain.from_iterable(g["params"] for g in self.param_groups)
        owner = dict(zip(numbers, params))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            if number in owner:
                state[owner[number]] = _cast_like(owner[number], values)
            else:
                state[number] = values
        for ours, theirs in zip(self.param_groups, saved):
            theirs["params"] = ours["params"]
            if "param_names" in ours and "param_names" not in theirs:
                theirs["param_names"] = ours["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._load_post_hooks.values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_step_pre_hooks" not in self.__dict__:
            self._prepare_hooks()
        for group in self.param_groups:
            for name, default in self.defaults.items():
                if default is not required:
                    group.setdefault(name, default)

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines += ["", f"Parameter Group {i}"]
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k not in ("params", "param_names")]
        return "\n".join([lines[0], *lines[2:], ")"])


_PLAIN = config.KERNELS.read() == "plain"


def _with_hooks(step: Callable) -> Callable:
    """A step with the optimizer's hooks around it."""
    if getattr(step, "hooked", False):
        return step
    import functools

    @functools.wraps(step)
    def wrapped(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        for hook in tuple(self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        answer = step(self, *args, **kwargs)
        self._opt_called = True
        for hook in tuple(self._step_post_hooks.values()):
            hook(self, args, kwargs)
        return answer

    wrapped.hooked = True
    return wrapped


Optimizer.step = _with_hooks(Optimizer.step)


def _hang(hooks: OrderedDict, hook: Callable, prepend: bool) -> RemovableHandle:
    handle = RemovableHandle(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _cast_like(p: Tensor, value: Any, key: str | None = None) -> Any:
    """A loaded state in the dtype and on the device of its parameter; step counts as they are."""
    if isinstance(value, Tensor):
        if key == "step":
            return value.clone()
        return value.to(dtype=p.dtype, device=p.device, copy=True) if p.is_floating_point() else value.clone()
    if isinstance(value, dict):
        return {k: _cast_like(p, v, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_cast_like(p, v) for v in value)
    return value


def as_number(value: Any) -> float:
    """An option that may be given as a 0-dim tensor, as a number."""
    return float(value) if isinstance(value, Tensor) else value


def checked(name: str, value: Any, low: float = 0.0) -> None:
    """Refuses an option below ``low``.

    Raises:
        ValueError: naming it.
    """
    if not low <= as_number(value):
        raise ValueError(f"Invalid {name}: {value}")
