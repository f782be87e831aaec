"""Whether operations record their gradients: ``no_grad`` and its kin, one flag per thread."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import Any


class _State(threading.local):
    grad = True
    inference = False
    # The dtype in which "lower" ops compute, for each type of device inside of whose region this thread
    # is; None outside of all (see casting.py).
    autocast: dict[str, Any] | None = None


state = _State()
# A value of its own in the main thread, so that the hot road finds it at the first look.
state.grad = True
state.inference = False
state.autocast = None


class Mode:
    """A context manager that is a decorator too, for functions and for generators."""

    def __call__(self, function: Any) -> Any:
        if inspect.isclass(function):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the class {function.__name__}; "
                "decorate its methods."
            )
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapped

    def _wrap_generator(self, function: Any) -> Any:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            # The mode holds while the generator runs, not while its caller does.
            generator = function(*args, **kwargs)
            step, value = generator.send, None
            while True:
                try:
                    with self.clone():
                        item = step(value)
                except StopIteration as end:
                    return end.value
                try:
                    value = yield item
                    step = generator.send
                except GeneratorExit:
                    with self.clone():
                        generator.close()
                    raise
                except BaseException as error:
                    step, value = generator.throw, error

        return wrapped

    def clone(self) -> Mode:
        return type(self)()


class no_grad(Mode):
    """Inside it no operation records a gradient. A context manager or a decorator.

    >>> x = rushlight.ones(2, requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    __slots__ = ("_before",)

    def __new__(cls, function: Any = None) -> Any:
        self = object.__new__(cls)
        # `@no_grad` without parentheses decorates as well.
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._before = state.grad
        state.grad = False

    def __exit__(self, *exception: Any) -> None:
        state.grad = self._before


class enable_grad(Mode):
    """Inside it operations record gradients, also within ``no_grad``. A context manager or a decorator.

    >>> x = rushlight.ones(2, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    __slots__ = ("_before",)

    def __new__(cls, function: Any = None) -> Any:
        self = object.__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._before = state.grad
        state.grad = True

    def __exit__(self, *exception: Any) -> None:
        state.grad = self._before


class set_grad_enabled(Mode):
    """Switches recording on or off at once; as a context manager it switches back at its end.

    Args:
        mode: True records, False does not.

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    """

    __slots__ = ("_before", "mode")

    def __init__(self, mode: bool):
        self._before = state.grad
        self.mode = bool(mode)
        state.grad = self.mode

    def __call__(self, function: Any) -> Any:
        # Used as a decorator, it must not have switched anything where it stands.
        state.grad = self._before
        return super().__call__(function)

    def __enter__(self) -> None:
        state.grad = self.mode

    def __exit__(self, *exception: Any) -> None:
        state.grad = self._before

    def clone(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)


class inference_mode(Mode):
    """``no_grad`` for code that never needs gradients of its results.

    Args:
        mode: False leaves an outer inference mode.

    >>> with inference_mode():
    ...     is_inference_mode_enabled()
    True
    """

    __slots__ = ("_before", "mode")

    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        self.mode = True
        return self(mode) if callable(mode) else self

    def __init__(self, mode: bool = True):
        self.mode = bool(mode)

    def __enter__(self) -> None:
        self._before = (state.grad, state.inference)
        state.inference = self.mode
        state.grad = not self.mode

    def __exit__(self, *exception: Any) -> None:
        state.grad, state.inference = self._before

    def clone(self) -> inference_mode:
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations record gradients in this thread now.

    >>> is_grad_enabled()
    True
    """
    return state.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside ``inference_mode``."""
    return state.inference
