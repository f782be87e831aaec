"""Arguments of the wrong type: what was expected, what came, and what to do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import numpy as np

from . import casting
from .operands import Number
from .tensor import Tensor


def guarded(function: Any, words: dict[str, str] | None = None) -> Any:
    """What users call in the place of a function made of ops: where it fails, it names an argument of a wrong type.

    An op does so itself, and a method's first argument is a tensor.

    Args:
        words: what the function says of autocast; None if it says nothing.
    """
    if type(function) is not FunctionType or hasattr(function, "op") or hasattr(function, "words"):
        return function
    known = [
        n
        for n, a in function.__annotations__.items()
        if n not in ("self", "return") and _is_known(a)
    ]
    if not known and words is None:
        return function

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (AttributeError, TypeError):
            _refuse_arguments(function, args, kwargs)
            raise

    if words is None:
        return checked
    regions = casting.watched(words)

    @functools.wraps(function)
    def casting_checked(*args: Any, **kwargs: Any) -> Any:
        if regions:
            return casting.call(words, checked, args, kwargs)
        try:
            return function(*args, **kwargs)
        except (AttributeError, TypeError):
            _refuse_arguments(function, args, kwargs)
            raise

    casting_checked.words = words
    return casting_checked


def _refuse_arguments(function: FunctionType, args: tuple, kwargs: dict) -> None:
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        given = {}
    refuse_wrong_types(
        function.__name__,
        ((n, p.annotation, given.get(n, _NOT_GIVEN)) for n, p in signature.parameters.items()),
    )


def refuse_wrong_types(name: str, arguments: Iterable[tuple[str, Any, Any]]) -> None:
    """Refuses the first argument that is not of the type its annotation names.

    Args:
        arguments: the name, annotation and value of each.

    Raises:
        TypeError: there is one; nothing is raised if all are right.
    """
    for i, (argument, annotation, value) in enumerate(arguments):
        wanted = None if value is _NOT_GIVEN else _unmet(annotation, value)
        if wanted is not None:
            raise TypeError(
                f"{name}(): argument '{argument}' (position {i + 1}) must be {wanted}, not "
                f"{type(value).__name__}{cure_for(value, wanted)}"
            ) from None


def cure_for(value: Any, wanted: str) -> str:
    """How to make what was wanted of what came in its place."""
    if wanted.startswith("Tensor") and isinstance(value, (list, tuple, np.ndarray, *Number)):
        return "; make it one with torch.tensor(...) or torch.as_tensor(...)"
    if wanted in ("float", "int") and isinstance(value, Tensor):
        return "; take its .item()"
    return ""


_NOT_GIVEN = inspect.Parameter.empty
_TYPES = {
    "Tensor": Tensor,
    "float": (int, float, np.integer, np.floating),
    "int": (int, np.integer),
    "bool": (int, np.bool_),
    "str": str,
}


def _is_known(annotation: Any) -> bool:
    return isinstance(annotation, str) and annotation.removesuffix(" | None") in (
        *_TYPES,
        "list[Tensor]",
    )


def _unmet(annotation: Any, value: Any) -> str | None:
    """What should have come by an annotation; None if that came, or the annotation does not say."""
    if not _is_known(annotation) or (value is None and annotation.endswith("None")):
        return None
    wanted = annotation.removesuffix(" | None")
    if wanted == "list[Tensor]":
        if isinstance(value, (list, tuple)) and all(isinstance(x, Tensor) for x in value):
            return None
        return "tuple of Tensors"
    return None if isinstance(value, _TYPES[wanted]) else wanted
