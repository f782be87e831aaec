"""What all optimizers share: parameter groups, state, closures, hooks, saving, and the step.

A rule is a subclass with `init_state` and `update`: its formula in ordinary tensor ops, for one parameter.
Where the formula is element-wise (``elementwise = True``) all parameters of a group are updated in one
pass of the extension: `joined` makes a program of the same formula. Where the extension cannot, and for
all other rules, `update` does one parameter after the other.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias

from .. import config, dtypes
from ..autograd.modes import enable_grad, no_grad, set_grad_enabled
from ..ops.complex import view_as_real
from ..ops.creation import tensor, zeros_like
from ..tensor import Tensor
from ..utils.hooks import RemovableHandle
from .joined import JoinedStep

__all__ = [
    "Optimizer",
    "ParamsT",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]

ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class _Required:
    """Stands in ``defaults`` for an option that every group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_global_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_post_hooks: OrderedDict[int, Callable] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(optimizer, args, kwargs)`` before every step of every optimizer."""
    return _keep(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return _keep(_global_post_hooks, hook)


def _keep(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _with_hooks(step: Callable) -> Callable:
    """``step`` with the hooks around it, and a note for schedulers that it was called."""

    @functools.wraps(step)
    def stepping(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        if not (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_pre_hooks
            or _global_post_hooks
        ):
            return step(self, *args, **kwargs)
        args = (self, *args)
        for hook in (*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise RuntimeError(
                    f"{hook} must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {changed}."
                )
            args, kwargs = changed
        out = step(*args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
            hook(self, args, kwargs)
        return out

    return stepping


class Optimizer:
    """The base of all optimizers.

    A rule defines `init_state` and `update`, which say what happens to one parameter; this class does
    the rest. A program's own optimizer may define ``step`` instead, over ``param_groups`` and ``state``.

    Args:
        params: the parameters; or dictionaries, each with the parameters of a group under ``"params"``
            and with options of its own; or pairs of a name and a parameter.
        defaults: the options for groups that do not give their own.

    Attributes:
        param_groups: a dictionary for each group: its parameters under ``"params"``, and its options.
        state: for each parameter what the rule remembers of it, by name.
        defaults: as given.

    Raises:
        TypeError: ``params`` is no iterable of the above.
        ValueError: there are no parameters, or one is no leaf, or one is in two groups.

    >>> class Halve(rushlight.optim.Optimizer):
    ...     def update(self, p, g, state, group):
    ...         p.sub_(g, alpha=group["lr"] / 2)
    >>> w = rushlight.ones(1, requires_grad=True)
    >>> optimizer = Halve([w], {"lr": 1.0})
    >>> (3 * w).backward()
    >>> optimizer.step()
    >>> w
    tensor([-0.5000], requires_grad=True)
    """

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._prepare()
        for group in _groups_of(params):
            self.add_param_group(group)

    def _prepare(self) -> None:
        """Makes what is neither saved nor copied."""
        self._optimizer_step_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable] = OrderedDict()
        self._opt_called = False
        # Only the class that has the formula knows whether it is element-wise.
        rule = next(cls for cls in type(self).__mro__ if "update" in cls.__dict__)
        joins = rule.__dict__.get("elementwise", False) and config.KERNELS.read() == "fast"
        self._joined = JoinedStep() if joins else None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])

    # ---- what a rule defines

    # Whether `update` is element-wise arithmetic: it uses what `tape.Symbol` has, and decides nothing by
    # the values of its tensors. To be said by the class that defines `update`.
    elementwise = False
    # What the rule keeps as 0-dim tensors of which it uses the values.
    numbers: tuple[str, ...] = ("step",)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """What the rule remembers of ``p`` before its first update, by PyTorch's names."""
        return {}

    def state_shapes(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The shapes that remembered tensors must have, by name, for a loaded state to fit ``p``."""
        made = self.init_state(p, group)
        return {name: value.shape for name, value in made.items() if isinstance(value, Tensor)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Changes one parameter in place. Nothing is recorded meanwhile, unless ``differentiable``.

        Args:
            p: the parameter.
            g: its gradient, not to be changed.
            state: what the rule remembers of ``p``, to be kept up to date.
            group: the options.

        Raises:
            NotImplementedError: the class defines neither this nor ``step``.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define update(p, g, state, group), or its own step()."
        )

    # ---- stepping

    @_with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have a gradient.

        Args:
            closure: computes the loss anew, with its gradients, and returns it.

        Returns:
            What the closure returned; None without one.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p._grad is not None]
            if params and self._joined is not None:
                params = self._joined.step(self, params, group)
            if params:
                self._step_each(params, group)
        return loss

    def _step_each(self, params: Iterable[Tensor], group: dict[str, Any]) -> None:
        recorded = bool(group.get("differentiable", False))
        with set_grad_enabled(recorded):
            for p in params:
                state = self.state.get(p) or self.init_state(p, group)
                if recorded:
                    # Backward keeps what the last step used, which this one must not write to.
                    state = {
                        name: value.clone() if isinstance(value, Tensor) else value
                        for name, value in state.items()
                    }
                if self.elementwise and p.is_complex():
                    self._update_complex(p, state, group)
                else:
                    self.update(p, p._grad, state, group)
                if state:
                    self.state[p] = state

    def _update_complex(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Real and imaginary parts are numbers of their own."""
        parts = {k: view_as_real(t) if t.is_complex() else t for k, t in state.items()}
        self.update(view_as_real(p), view_as_real(p._grad), parts, group)
        for name in parts.keys() - state.keys():
            state[name] = zeros_like(p)
            view_as_real(state[name]).copy_(parts[name])

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters.

        Args:
            set_to_none: drop them; False fills them with zeros.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    if p._grad.requires_grad:
                        p._grad.detach_()
                    with no_grad():
                        p._grad.zero_()

    # ---- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own, for example layers that are unfrozen later.

        Args:
            param_group: the parameters under ``"params"``, and options; ``defaults`` gives the others.

        Raises:
            TypeError: the argument is no dictionary, or holds something else than tensors.
            ValueError: a parameter is no leaf, or belongs to a group already, or an option is missing,
                or only some parameters have names.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params, names = _params_of(param_group)
        _check_leaves(params, bool(self.defaults.get("differentiable")))
        param_group["params"] = params
        if names is not None:
            param_group["param_names"] = names
        for option, default in self.defaults.items():
            if default is required and option not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{option}"
                )
            param_group.setdefault(option, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; each of them is "
                "updated several times in one step. List every parameter once.",
                stacklevel=3,
            )
        taken = set(chain.from_iterable(group["params"] for group in self.param_groups))
        if not taken.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in self.param_groups[0]) != (names is not None):
            which = "without names" if names is None else "with names"
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {which} to the optimizer"
            )
        self.param_groups.append(param_group)

    def __repr__(self) -> str:
        groups = []
        for number, group in enumerate(self.param_groups):
            lines = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            groups.append(f"\nParameter Group {number}\n{''.join(lines)}")
        return f"{type(self).__name__} ({''.join(groups)})"

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """Everything the optimizer would have to remember, in PyTorch's format.

        Returns:
            A dictionary: under ``"param_groups"`` the groups with numbers instead of parameters, under
            ``"state"`` what is remembered of each number. The tensors are the optimizer's own.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[Tensor, int] = {}
        start = 0
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            # As in PyTorch, a parameter that is listed twice has the number of its last place.
            numbers.update((p, start + place) for place, p in enumerate(group["params"]))
            start += len(group["params"])
            packed["params"] = [numbers[p] for p in group["params"]]
            groups.append(packed)
        state = {
            numbers[key] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        state_dict = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave, of this or of another optimizer of the same form.

        Args:
            state_dict: it stays as it is; tensors are copied, in the dtype of their parameters.

        Raises:
            KeyError: ``state_dict`` has no ``"param_groups"`` or no ``"state"``.
            ValueError: the number of groups or the length of one differs, or the shape of a remembered
                tensor does not fit its parameter.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        _check_groups(groups, saved)
        owners: dict[Any, tuple[Tensor, dict]] = {}
        for group, other in zip(groups, saved):
            owners.update(zip(other["params"], ((p, other) for p in group["params"])))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in owners:
                p, group = owners[key]
                if isinstance(value, dict):
                    _check_shapes(key, value, self.state_shapes(p, {**self.defaults, **group}))
                state[p] = _fitted(value, p, group)
            else:
                state[key] = value
        for group, other in zip(groups, saved):
            other["params"] = group["params"]
            if "param_names" in group:
                other.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_opt_called" not in self.__dict__:
            self._prepare()
        # A file may come from a version with fewer options, or one that counted with Python numbers.
        for group in self.param_groups:
            for option, default in self.defaults.items():
                group.setdefault(option, default)
        for remembered in self.state.values():
            for name in self.numbers if isinstance(remembered, dict) else ():
                if isinstance(remembered.get(name), (int, float)):
                    remembered[name] = tensor(float(remembered[name]), dtype=dtypes.float32)

    # ---- hooks

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` before ``step``.

        Args:
            hook: what it returns, unless None, is the pair ``(args, kwargs)`` for the step; ``args``
                begins with the optimizer.
        """
        return _keep(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(optimizer, args, kwargs)`` after ``step``."""
        return _keep(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer)`` before ``state_dict``; ``prepend`` runs it before the others."""
        return _keep(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` at the end of ``state_dict``; it may return another."""
        return _keep(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer, state_dict)`` before ``load_state_dict``; it may return another."""
        return _keep(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(optimizer)`` after ``load_state_dict``; ``prepend`` runs it before the others."""
        return _keep(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _groups_of(params: Any) -> list[dict[str, Any]]:
    """``params``, in whichever form it came, as groups."""
    if isinstance(params, Tensor):
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, "
            f"but got {params.type()}; write [tensor] or model.parameters()"
        )
    if isinstance(params, Mapping):
        raise TypeError(
            "params argument given to the optimizer should be an iterable of Tensors or dicts, "
            f"but got a {type(params).__name__}; write [group] for a group, "
            "or model.parameters() for a model's parameters"
        )
    groups = list(params)
    if not groups:
        raise ValueError(
            "optimizer got an empty parameter list: has the model registered its layers (in a plain "
            "list they are not; use nn.ModuleList), or was a generator used up before?"
        )
    return groups if isinstance(groups[0], dict) else [{"params": groups}]


def _params_of(group: dict[str, Any]) -> tuple[list[Tensor], list[str] | None]:
    """The parameters of a group, and their names if they came with names."""
    params = group["params"]
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead."
        )
    params = [params] if isinstance(params, Tensor) else list(params)
    named = [isinstance(p, tuple) for p in params]
    if not any(named):
        return params, None
    if not all(named):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return [p for _, p in params], [name for name, _ in params]


def _check_leaves(params: list[Tensor], differentiable: bool) -> None:
    for p in params:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
            )
        if not differentiable and not (p.is_leaf or p.retains_grad):
            raise ValueError(
                "can't optimize a non-leaf Tensor: it is the result of an operation. "
                "Pass the leaf it was computed from, or x.detach().requires_grad_()"
            )


def _check_groups(groups: list[dict[str, Any]], saved: list[dict[str, Any]]) -> None:
    if len(groups) != len(saved):
        raise ValueError(
            "loaded state dict has a different number of parameter groups: "
            f"{len(saved)}, but the optimizer has {len(groups)}"
        )
    for place, (group, other) in enumerate(zip(groups, saved)):
        if len(group["params"]) != len(other["params"]):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                f"optimizer's group: group {place} has {len(other['params'])} parameters there "
                f"and {len(group['params'])} here"
            )


def _check_shapes(number: Any, state: dict[str, Any], shapes: dict[str, Any]) -> None:
    for name, shape in shapes.items():
        value = state.get(name)
        if not isinstance(value, Tensor) or value.shape == shape:
            continue
        # A count may have a dimension.
        if shape or value.numel() != 1:
            raise ValueError(
                f"loaded state dict doesn't fit: {name} of parameter {number} has the shape "
                f"{tuple(value.shape)}, but should have {tuple(shape)}. Was it saved for another model, "
                "or with the parameters in another order?"
            )


def _fitted(value: Any, p: Tensor, group: dict[str, Any], name: Any = None) -> Any:
    """A copy of what was remembered of a parameter, in the dtype and on the device of ``p``."""
    if isinstance(value, Tensor):
        if name == "step":
            # A count must not be rounded to half precision.
            moves = group.get("capturable") or group.get("fused")
            return value.to(p.device, dtypes.float32).clone() if moves else value.clone()
        dtype = p.dtype if p.is_floating_point() else value.dtype
        return value.to(p.device, dtype).clone()
    if isinstance(value, dict):
        return {key: _fitted(item, p, group, key) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_fitted(item, p, group) for item in value)
    return value
