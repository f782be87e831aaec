"""The short forms of declaration: ops that compute element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from .. import dtype as dtypes
from ..primitive import Number, Primitive, Spec, result_type
from ..tensor import Tensor


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which two shapes broadcast.

    Raises:
        RuntimeError: they do not, naming the first dimension from the right that differs.
    """
    if a == b:
        return a
    ndim = max(len(a), len(b))
    shape = []
    for i in range(ndim):
        x = a[i - ndim + len(a)] if i >= ndim - len(a) else 1
        y = b[i - ndim + len(b)] if i >= ndim - len(b) else 1
        if x != y and x != 1 and y != 1:
            raise RuntimeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton "
                f"dimension {i}: shapes {list(a)} and {list(b)} do not broadcast"
            )
        shape.append(y if x == 1 else x)
    return tuple(shape)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor; a number has none."""
    return x._array.shape if isinstance(x, Tensor) else ()


def floating_only(name: str, x: Tensor) -> None:
    """Refuses a tensor that is neither floating nor complex, as PyTorch's kernels do.

    Raises:
        NotImplementedError: naming op and dtype.
    """
    if x.dtype.rank < dtypes.FLOATING:
        raise NotImplementedError(
            f"\"{name}_cpu\" not implemented for '{x.dtype.legacy}': expected a floating-point tensor; "
            "convert it with .float()"
        )


def _declared(name: str, doc: str, rule: Callable) -> Callable:
    """A function called ``name`` with the code of ``rule`` and its own values of the free names."""
    function = FunctionType(
        rule.__code__, rule.__globals__, name, rule.__defaults__, rule.__closure__
    )
    function.__annotations__ = dict(rule.__annotations__)
    function.__kwdefaults__ = rule.__kwdefaults__
    function.__doc__ = doc
    function.__module__ = "rushlight.ops.pointwise"
    return function


def unary(
    name: str,
    kernel: Callable,
    doc: str,
    *,
    vjp: Callable | None = None,
    promote: str | None = "float",
    dtype: Callable | None = None,
    inplace: bool = True,
    places: Sequence[str] = ("torch", "Tensor"),
    names: Sequence[str] = (),
    **options: Any,
) -> Callable:
    """Declares an op on each element of one tensor.

    Args:
        name: the public name.
        kernel: a NumPy ufunc, or a function of an array with ``out=None`` that treats it alike.
        doc: the docstring.
        vjp: its gradient from ``g`` and what it names of ``input`` and ``out``; None if there is none.
        promote: ``"float"`` computes integers in the default dtype; None keeps the dtype.
        dtype: the result's dtype from the computation's; None leaves it.
        names: other public names of the same op.
    """

    def rule(input: Tensor) -> Spec:
        found = input.dtype
        if promote == "float" and found.rank < dtypes.FLOATING:
            found = dtypes.get_default_dtype()
        return Spec(input._array.shape, found if dtype is None else dtype(found))

    op = Primitive(
        _declared(name, doc, rule), places, promote=promote, inplace=inplace, checks="failure", **options
    )
    op.add_kernel("cpu", kernel, writes=True, name=name)
    op.add_kernel("cuda", kernel, writes=True, name=name)
    if vjp is not None:
        op.vjp(input=vjp)
    _alias(op, names, places, inplace)
    return op.function


def binary(
    name: str,
    kernel: Callable,
    doc: str,
    *,
    vjp: tuple[Callable | None, Callable | None] | None = None,
    promote: str = "same",
    dtype: Any = None,
    inplace: bool = True,
    places: Sequence[str] = ("torch", "Tensor"),
    names: Sequence[str] = (),
    **options: Any,
) -> Callable:
    """Declares an op on pairs of elements of two tensors that broadcast, or of a tensor and a number.

    Args:
        name, kernel, doc, names: as for `unary`.
        vjp: the gradients of both operands; the walk back sums them over broadcast dimensions.
        promote: ``"same"`` computes in the operands' common dtype; ``"float"`` in the default dtype for integers.
        dtype: the dtype of the result where it is not that of the computation.
    """

    def rule(input: Tensor | Number, other: Tensor | Number) -> Spec:
        found = result_type(input, other)
        if promote == "float" and found.rank < dtypes.FLOATING:
            found = dtypes.get_default_dtype()
        return Spec(broadcast(shape_of(input), shape_of(other)), found if dtype is None else dtype)

    op = Primitive(
        _declared(name, doc, rule), places, promote=promote, inplace=inplace, checks="failure", **options
    )
    op.add_kernel("cpu", kernel, writes=True, name=name)
    op.add_kernel("cuda", kernel, writes=True, name=name)
    if vjp is not None:
        op.vjp(input=vjp[0], other=vjp[1])
    _alias(op, names, places, inplace)
    return op.function


def _alias(op: Primitive, names: Sequence[str], places: Sequence[str], inplace: bool) -> None:
    from ..primitive import export

    for other in names:
        export(op.function, places, other)
        if inplace:
            export(op.inplace, places, other + "_")


