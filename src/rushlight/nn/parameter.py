"""Tensors that belong to a module: parameters, which are trained, and buffers, which are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import get_default_dtype
from ..tensor import Tensor, settle, wrap

__all__ = ["Buffer", "Parameter"]


def _over(cls: type, data: Any) -> Any:
    """A leaf of class ``cls`` over the memory of ``data``; without ``data`` an empty one."""
    if data is None:
        return wrap(np.empty(0, get_default_dtype().numpy), cls)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{cls.__name__}: data must be a Tensor, not {type(data).__name__}; "
            "make it one with torch.tensor(...)"
        )
    settle(data)
    if data._counter is None:
        data._counter = [0]
    out = wrap(data._array, cls)
    # A write through either name must be seen by whoever saved the other for backward.
    out._counter = data._counter
    return out


class Parameter(Tensor):
    """A tensor to be trained: as an attribute of a module it becomes one of its ``parameters()``.

    Args:
        data: the tensor whose memory it takes over, without its history.
        requires_grad: whether it gets gradients.

    Raises:
        RuntimeError: a gradient is required of a dtype that is neither floating nor complex.
        TypeError: ``data`` is no tensor.

    >>> rushlight.nn.Parameter(rushlight.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        out = _over(cls, data)
        return out.requires_grad_() if requires_grad else out

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.detach().clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return "Parameter containing:\n" + super().__repr__(tensor_contents=tensor_contents)


class Buffer(Tensor):
    """A tensor that is part of a module's state but not trained, such as a running mean.

    As an attribute of a module it becomes one of its ``buffers()``.

    Args:
        data: the tensor whose memory it takes over, without its history.
        persistent: whether the module's ``state_dict`` has it.

    Raises:
        TypeError: ``data`` is no tensor.

    >>> module = rushlight.nn.Module()
    >>> module.mean = rushlight.nn.Buffer(rushlight.zeros(1))
    >>> list(module.state_dict())
    ['mean']
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        out = _over(cls, data)
        out.persistent = persistent
        return out
