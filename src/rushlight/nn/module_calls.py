"""What surrounds a module's ``forward``: forward hooks, backward hooks, and the registering of both."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..autograd import Function, is_grad_enabled
from ..ops.creation import zeros
from ..tensor import Tensor
from ..utils.hooks import RemovableHandle


class _Everywhere:
    """A hook for the calls of all modules: which kind it is, and how it wants to be called."""

    __slots__ = ("kind", "hook", "with_kwargs", "always_call")

    def __init__(
        self, kind: str, hook: Callable, with_kwargs: bool = False, always_call: bool = False
    ):
        self.kind = kind
        self.hook = hook
        self.with_kwargs = with_kwargs
        self.always_call = always_call


# One dictionary for all kinds, so that a call without hooks has one thing to look at.
everywhere: OrderedDict[int, _Everywhere] = OrderedDict()


def _register_everywhere(entry: _Everywhere) -> RemovableHandle:
    handle = RemovableHandle(everywhere)
    everywhere[handle.id] = entry
    return handle


def _of_kind(kind: str) -> Iterator[tuple[int, _Everywhere]]:
    return ((key, entry) for key, entry in tuple(everywhere.items()) if entry.kind == kind)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, args)`` before the forward of every module; see `Module.register_forward_pre_hook`."""
    return _register_everywhere(_Everywhere("forward_pre", hook))


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls ``hook(module, args, output)`` after the forward of every module; see `Module.register_forward_hook`."""
    return _register_everywhere(_Everywhere("forward", hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, grad_output)`` for every module; see `Module.register_full_backward_pre_hook`."""
    return _register_everywhere(_Everywhere("backward_pre", hook))


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Calls ``hook(module, grad_input, grad_output)`` for every module; see `Module.register_full_backward_hook`."""
    _forbid_mixing("backward", "legacy_backward", "as a global Module hook")
    return _register_everywhere(_Everywhere("backward", hook))


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """The older form of `register_module_full_backward_hook`; it sees only the last operation of a module."""
    _forbid_mixing("legacy_backward", "backward", "as a global Module hook")
    _warn_of_legacy_hook("register_module_backward_hook", "register_module_full_backward_hook")
    return _register_everywhere(_Everywhere("legacy_backward", hook))


def _forbid_mixing(kind: str, other: str, where: str) -> None:
    if any(True for _ in _of_kind(other)):
        raise RuntimeError(
            f"Cannot use both regular backward hooks and full backward hooks {where}. "
            "Please use only one of them."
        )


def _warn_of_legacy_hook(legacy: str, modern: str) -> None:
    warnings.warn(
        f"{legacy} sees only the gradients of the last operation in forward; use {modern}.",
        FutureWarning,
        stacklevel=3,
    )


class HookedCalls:
    """The part of `Module` that registers hooks and runs them around ``forward``."""

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before every forward.

        Args:
            hook: gets the positional arguments as a tuple; what it returns, unless None, replaces
                them (a single value counts as a tuple of one).
            prepend: run before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs)`` instead, which returns None or a pair
                ``(args, kwargs)``.

        Returns:
            A handle whose ``remove()`` takes the hook away.

        >>> layer = rushlight.nn.Identity()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: print("called with", args))
        >>> _ = layer(3)
        called with (3,)
        """
        flags = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        noted = (self._forward_pre_hooks_with_kwargs,)
        return _register(self._forward_pre_hooks, hook, prepend, flags, noted)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after every forward.

        Args:
            hook: what it returns, unless None, becomes the output.
            prepend: run before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs, output)`` instead.
            always_call: call it also when the forward raised; the output is then None.

        Returns:
            A handle whose ``remove()`` takes the hook away.

        >>> layer = rushlight.nn.Identity()
        >>> with layer.register_forward_hook(lambda module, args, output: output + 1):
        ...     layer(3)
        4
        """
        flags = (self._forward_hooks_with_kwargs,) if with_kwargs else ()
        flags += (self._forward_hooks_always_called,) if always_call else ()
        noted = (self._forward_hooks_with_kwargs, self._forward_hooks_always_called)
        return _register(self._forward_hooks, hook, prepend, flags, noted)

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` when the gradients of the module's outputs are known.

        Args:
            hook: gets a tuple with one gradient per output (None where there is none); what it returns,
                unless None, replaces the tuple.
            prepend: run before the hooks that are there already.

        Returns:
            A handle whose ``remove()`` takes the hook away.
        """
        return _register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known.

        Args:
            hook: gets two tuples, one gradient per positional argument and per output (None where there
                is none); what it returns, unless None, replaces ``grad_input``.
            prepend: run before the hooks that are there already.

        Returns:
            A handle whose ``remove()`` takes the hook away.

        Raises:
            RuntimeError: the module has hooks of the older `register_backward_hook`.

        >>> layer = rushlight.nn.Tanh()
        >>> handle = layer.register_full_backward_hook(lambda module, gx, g: print(gx, g))
        >>> layer(rushlight.zeros(1, requires_grad=True)).backward()
        (tensor([1.]),) (tensor([1.]),)
        """
        self._use_backward_hooks(full=True)
        return _register(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """The older form of `register_full_backward_hook`: sees only the last operation of forward."""
        self._use_backward_hooks(full=False)
        _warn_of_legacy_hook("register_backward_hook", "register_full_backward_hook")
        return _register(self._backward_hooks, hook, False)

    def _use_backward_hooks(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them."
            )
        self._is_full_backward_hook = full

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        """The call of a module that has some hook, or while a global one is registered."""
        done: set[int] = set()
        result = None
        try:
            args, kwargs = _run_pre_hooks(self, args, kwargs)
            boundary = _boundary_of(self)
            if boundary is not None:
                args = boundary.enter(args)
            result = self.forward(*args, **kwargs)
            for key, hook, with_kwargs, always in _forward_hooks(self):
                if always:
                    done.add(key)
                given = (args, kwargs, result) if with_kwargs else (args, result)
                changed = hook(self, *given)
                if changed is not None:
                    result = changed
            if boundary is not None:
                result = boundary.leave(result)
            _hang_legacy_hooks(self, result)
            return result
        except Exception:
            _run_remaining(self, done, args, kwargs, result)
            raise


def _register(
    hooks: OrderedDict,
    hook: Callable,
    prepend: bool,
    flags: Sequence[dict] = (),
    noted: Sequence[dict] = (),
) -> RemovableHandle:
    """Puts ``hook`` into ``hooks``, and its key into ``flags``; the handle clears all of ``noted``."""
    handle = RemovableHandle(hooks, extra_dict=noted)
    hooks[handle.id] = hook
    for flag in flags:
        flag[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _run_pre_hooks(module: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    hooks = [(entry.hook, False) for _, entry in _of_kind("forward_pre")]
    with_kwargs = module._forward_pre_hooks_with_kwargs
    hooks += [(hook, key in with_kwargs) for key, hook in module._forward_pre_hooks.items()]
    for hook, takes_kwargs in hooks:
        if not takes_kwargs:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
            continue
        changed = hook(module, args, kwargs)
        if changed is None:
            continue
        if not isinstance(changed, tuple) or len(changed) != 2:
            raise RuntimeError(
                "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                f"but got {changed}."
            )
        args, kwargs = changed
    return args, kwargs


def _forward_hooks(module: Any) -> list[tuple[int, Callable, bool, bool]]:
    """Each forward hook with its key, whether it takes kwargs, and whether it runs after errors too."""
    with_kwargs = module._forward_hooks_with_kwargs
    always = module._forward_hooks_always_called
    hooks = [(k, e.hook, e.with_kwargs, e.always_call) for k, e in _of_kind("forward")]
    hooks += [(k, h, k in with_kwargs, k in always) for k, h in module._forward_hooks.items()]
    return hooks


def _run_remaining(module: Any, done: set, args: tuple, kwargs: dict, result: Any) -> None:
    """Runs, after an error, the hooks that asked to be called in any case and have not been."""
    for key, hook, with_kwargs, always in _forward_hooks(module):
        if not always or key in done:
            continue
        given = (args, kwargs, result) if with_kwargs else (args, result)
        try:
            changed = hook(module, *given)
            if changed is not None:
                result = changed
        except Exception as error:
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was "
                f"silenced as another error was raised in forward: {error}",
                stacklevel=4,
            )


def _hang_legacy_hooks(module: Any, result: Any) -> None:
    """Puts the hooks of the older form on the operation that made the output."""
    hooks = [entry.hook for _, entry in _of_kind("legacy_backward")]
    if module._is_full_backward_hook is False:
        hooks += module._backward_hooks.values()
    if not hooks:
        return
    while not isinstance(result, Tensor):
        if isinstance(result, dict):
            result = next(value for value in result.values() if isinstance(value, Tensor))
        else:
            result = result[0]
    if result.grad_fn is not None:
        for hook in hooks:
            # The operation passes (grad_inputs, grad_outputs); the hook wants the module first.
            result.grad_fn.register_hook(functools.partial(hook, module))


def _boundary_of(module: Any) -> _Boundary | None:
    """What will run the module's backward hooks in this call; None where there are none."""
    pre_hooks = [entry.hook for _, entry in _of_kind("backward_pre")]
    pre_hooks += module._backward_pre_hooks.values()
    hooks = [entry.hook for _, entry in _of_kind("backward")]
    if module._is_full_backward_hook is True:
        hooks += module._backward_hooks.values()
    return _Boundary(module, hooks, pre_hooks) if hooks or pre_hooks else None


class _Boundary:
    """Watches gradients enter and leave a module during one backward.

    All input tensors pass together through one operation that changes nothing, and so do all outputs. In
    backward the outputs' operation comes first and keeps ``grad_output``; the inputs' operation comes last,
    when every ``grad_input`` is there, and calls the hooks with both.
    """

    def __init__(self, module: Any, hooks: Sequence[Callable], pre_hooks: Sequence[Callable]):
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: tuple | None = None
        self.inputs: list[int] | None = None
        self.input_forms: list[tuple[Any, Any, Any]] = []
        self.outputs: list[int] = []
        self.input_count = 0
        self.output_count = 0

    def enter(self, args: tuple) -> tuple:
        """``args``, of which those that require a gradient are watched."""
        self.input_count = len(args)
        places, args = _watch(args, self.at_inputs)
        self.inputs = places or None
        # Forms only: the inputs themselves need not live until backward.
        self.input_forms = [(args[i].shape, args[i].dtype, args[i].device) for i in places]
        return args

    def leave(self, result: Any) -> Any:
        """``result``, whose tensors are watched where it is a tensor or a tuple of tensors."""
        outputs = result if isinstance(result, tuple) else (result,)
        if not any(isinstance(output, Tensor) for output in outputs):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=4,
            )
            return result
        self.output_count = len(outputs)
        places, watched = _watch(outputs, self.at_outputs)
        if not places:
            return result
        self.outputs = places
        if not isinstance(result, tuple):
            return watched[0]
        # A namedtuple is made from separate arguments, a plain tuple from one.
        return result._make(watched) if hasattr(result, "_make") else type(result)(watched)

    def at_outputs(self, gradients: tuple) -> tuple:
        """Runs the pre-hooks, and the hooks too where no input will be reached."""
        grad_outputs = _spread(gradients, self.outputs, self.output_count)
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_outputs)
            if changed is not None:
                grad_outputs = _checked(
                    changed, len(grad_outputs), "Backward pre hook", "grad_output"
                )
        self.grad_outputs = grad_outputs
        if self.inputs is None and self.hooks:
            self._run_without_inputs(grad_outputs)
        return tuple(grad_outputs[place] for place in self.outputs)

    def _run_without_inputs(self, grad_outputs: tuple) -> None:
        warnings.warn(
            f"The full backward hooks of {self.module._get_name()} run with grad_input=None: "
            "none of the module's inputs requires a gradient.",
            stacklevel=2,
        )
        nothing = (None,) * self.input_count
        for hook in self.hooks:
            changed = hook(self.module, nothing, grad_outputs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or any(g is not None for g in changed):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )

    def at_inputs(self, gradients: tuple) -> tuple:
        """Runs the hooks on the gradients of the inputs."""
        grad_outputs, self.grad_outputs = self.grad_outputs, None
        if grad_outputs is None:
            # The walk started inside the module, so its outputs have no gradient.
            return gradients
        gradients = tuple(
            zeros(shape, dtype=dtype, device=device) if g is None else g
            for g, (shape, dtype, device) in zip(gradients, self.input_forms)
        )
        grad_inputs = _spread(gradients, self.inputs, self.input_count)
        for hook in self.hooks:
            changed = hook(self.module, grad_inputs, grad_outputs)
            if changed is not None:
                grad_inputs = _checked(changed, len(grad_inputs), "Backward hook", "grad_input")
        return tuple(grad_inputs[place] for place in self.inputs)


def _spread(gradients: tuple, places: list[int], count: int) -> tuple:
    spread: list[Any] = [None] * count
    for place, gradient in zip(places, gradients):
        spread[place] = gradient
    return tuple(spread)


def _checked(gradients: Any, count: int, hook: str, what: str) -> tuple:
    if not isinstance(gradients, tuple):
        gradients = (gradients,) if isinstance(gradients, Tensor) else tuple(gradients)
    if len(gradients) != count:
        raise RuntimeError(
            f"{hook} returned an invalid number of {what}, got {len(gradients)}, "
            f"but expected {count}"
        )
    return gradients


class _Watch(Function):
    """Passes tensors on unchanged, and their gradients through a function of all of them."""

    @staticmethod
    def forward(ctx: Any, on_gradients: Callable, *tensors: Tensor) -> tuple:
        ctx.set_materialize_grads(False)
        ctx.on_gradients = on_gradients
        watched = tuple(tensor.view_as(tensor) for tensor in tensors)
        fixed = [w for w, tensor in zip(watched, tensors) if not tensor.requires_grad]
        ctx.mark_non_differentiable(*fixed)
        return watched

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple:
        return (None, *ctx.on_gradients(gradients))


def _watch(values: tuple, on_gradients: Callable) -> tuple[list[int], tuple]:
    """The places of the tensors in ``values``, and ``values`` with those tensors watched.

    No places where nothing records: then there will be no backward.
    """
    places = [place for place, value in enumerate(values) if isinstance(value, Tensor)]
    if not is_grad_enabled() or not any(values[place].requires_grad for place in places):
        return [], values
    watched = _Watch.apply(on_gradients, *(values[place] for place in places))
    values = list(values)
    for place, tensor in zip(places, watched):
        values[place] = tensor
    return places, tuple(values)
