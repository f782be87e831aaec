"""From a kernel's arrays to tensors, and from what a node kept back to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .autograd.graph import Node, Output
from .autograd.modes import state
from .backend import native
from .tensor import MetaArray, Tensor, wrap

NOT_DIFFERENTIABLE = frozenset(d.numpy.num for d in dtypes.ALL if d.rank < dtypes.FLOATING)


class Saved:
    """An output kept for backward: its array, not its tensor, which holds the node that holds this."""

    __slots__ = ("array", "private", "counter", "index")

    def __init__(self, x: Tensor, index: int = 0):
        self.array = x._array
        self.private = x._private
        self.counter = x._counter
        self.index = index


def unpack(saved: Saved, node: Node) -> Tensor:
    """The output again as a tensor, with its history where gradients are being recorded."""
    out = wrap(saved.array)
    out._private = saved.private
    out._counter = saved.counter
    if state.grad and not node.op.outputs:
        out._node = node
    elif state.grad and saved.index < node.op.differentiable:
        out._node = Output(node, saved.index, saved.array)
    return out


def version_of(value: Any) -> int:
    """How often the memory of a saved value has been written to; the sum for a list."""
    if isinstance(value, Tensor):
        return 0 if value._counter is None else value._counter[0]
    if type(value) is Saved:
        return value.counter[0]
    if isinstance(value, (list, tuple)):
        return sum(map(version_of, value))
    return 0


def check_version(node: Node, i: int, counter: list[int]) -> None:
    """Refuses a saved value that was overwritten since.

    Raises:
        RuntimeError: naming the op that needs it.
    """
    then = 0 if node.versions is None else node.versions[i]
    if counter[0] != then:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: {node.name()} kept a tensor of shape {_shape_text(node.saved[i])} for backward, which was "
            f"written to after that (it is at version {counter[0]}; expected version {then} instead). "
            "Write the changed value to a new tensor, as in b = b + 1 instead of b += 1."
        )


def _shape_text(saved: Any) -> str:
    if isinstance(saved, (list, tuple)):
        return ", ".join(map(_shape_text, saved))
    array = saved.array if isinstance(saved, Saved) else saved._array
    return str(list(array.shape))


def check_versions(node: Node, i: int, values: Sequence[Tensor]) -> None:
    """`check_version` for the tensors of a list."""
    for x in values:
        if x._counter is not None and sum(map(version_of, values)) != (
            0 if node.versions is None else node.versions[i]
        ):
            check_version(node, i, [version_of(values)])


def attach_outputs(node: Node, outputs: Sequence[Tensor]) -> None:
    """Gives each differentiable output of a node its place in the graph."""
    for i, out in enumerate(outputs[: node.op.differentiable]):
        if out._array.dtype.num not in NOT_DIFFERENTIABLE:
            out._node = Output(node, i, out._array)


def wrap_all(arrays: Sequence[Any], private: bool, first: Tensor) -> tuple[Tensor, ...]:
    """Tensors over the arrays of an op with several outputs."""
    made = tuple(wrap(as_array(array)) for array in arrays)
    for out in made:
        out._private = hides_order(out._array, first) if out._array.ndim > 2 else False
    return made


def as_array(result: Any) -> Any:
    """A kernel's answer as an array: NumPy gives numbers for results without dimensions."""
    return result if type(result) is MetaArray else np.asarray(result)


def hides_order(result: Any, x: Tensor) -> bool:
    """Whether the memory order of a result made from ``x`` is ours alone.

    It is, unless it is what PyTorch would have given: contiguous, or channels-last because the user made ``x`` so.
    """
    if type(result) is MetaArray or result.flags.c_contiguous:
        return False
    return x._private or x._array.flags.c_contiguous or not is_channels_last(x._array)


def is_channels_last(array: np.ndarray) -> bool:
    """Whether ``(N, C, *spatial)`` lies in memory as ``(N, *spatial, C)``."""
    return array.ndim > 2 and native.is_channels_last(array)
