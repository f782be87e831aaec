"""Comparing gradients with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .modes import no_grad


class GradcheckError(RuntimeError):
    """A gradient differs from its finite difference."""


def _tensors(inputs: Any) -> tuple:
    from ..tensor import Tensor

    return (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)


def _outputs(function: Callable, inputs: Sequence[Any]) -> list[Any]:
    from ..tensor import Tensor

    answer = function(*inputs)
    answer = [answer] if isinstance(answer, Tensor) else list(answer)
    return [
        x for x in answer if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())
    ]


def numerical_jacobian(
    function: Callable, inputs: Sequence[Any], at: int, eps: float
) -> list[np.ndarray]:
    """The derivatives of every output by each element of one input, by central differences.

    Returns:
        For each output an array ``(elements of the input, *output)``.
    """
    array = inputs[at]._array
    rows: list[list[np.ndarray]] = []
    with no_grad():
        for place in np.ndindex(*array.shape):
            kept = array[place]
            answers = []
            for step in (eps, -eps):
                array[place] = kept + step
                answers.append(
                    [np.array(x.detach().numpy(), np.float64) for x in _outputs(function, inputs)]
                )
            array[place] = kept
            rows.append([(a - b) / (2 * eps) for a, b in zip(*answers)])
    if not rows:
        return [np.zeros((0, *x.shape)) for x in _outputs(function, inputs)]
    return [np.stack(column) for column in zip(*rows)]


def analytical_jacobian(output: Any, x: Any, create_graph: bool = False) -> np.ndarray:
    """The derivatives of one output by each element of ``x``, by walking back once for each of its elements.

    Returns:
        ``(elements of x, *output)``.
    """
    from ..tensor import wrap
    from . import grad

    columns = np.zeros((x._array.size, *output._array.shape))
    if not output.requires_grad:
        return columns
    for place in np.ndindex(*output._array.shape):
        one = np.zeros_like(output._array, order="C")
        one[place] = 1
        (g,) = grad(
            output, x, wrap(one), retain_graph=True, allow_unused=True, create_graph=create_graph
        )
        if g is not None:
            if g._array.shape != x._array.shape:
                raise GradcheckError(
                    f"a gradient has shape {list(g.shape)}, its input {list(x.shape)}"
                )
            columns[(slice(None), *place)] = g.detach().numpy().ravel()
    return columns


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of a function agree with finite differences.

    Args:
        func: takes the inputs, gives one tensor or several.
        inputs: tensors; those that require gradients are checked, and should be float64.
        eps: the step of the differences.
        atol, rtol: how far the gradients may differ.
        raise_exception: raise at the first difference instead of returning False.

    Raises:
        GradcheckError: a gradient differs, naming input, output and both values.
        ValueError: no input requires a gradient.

    >>> x = rushlight.rand(3, dtype=rushlight.float64, requires_grad=True)
    >>> gradcheck(lambda x: x * x, x)
    True
    """
    inputs = _tensors(inputs)
    checked = [i for i, x in enumerate(inputs) if getattr(x, "requires_grad", False)]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them "
            "have requires_grad=True."
        )
    outputs = _outputs(func, inputs)
    for i in checked:
        numerical = numerical_jacobian(func, inputs, i, eps)
        for j, (output, expected) in enumerate(zip(outputs, numerical)):
            found = analytical_jacobian(output, inputs[i])
            close = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
            if not close.all():
                if not raise_exception:
                    return False
                place = tuple(int(k) for k in np.argwhere(~close)[0])
                raise GradcheckError(
                    f"Jacobian mismatch for output {j} with respect to input {i}: the derivative of element "
                    f"{list(place[1:])} of the output by element {place[0]} of the input is "
                    f"{found[place]:.6g} by backward, "
                    f"but {expected[place]:.6g} by finite differences\nnumerical:\n{expected}\nanalytical:\n{found}"
                )
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    **options: Any,
) -> bool:
    """Whether the gradients of a function's gradients agree with finite differences.

    Args:
        grad_outputs: the gradients of the outputs; drawn at random if not given.

    >>> x = rushlight.rand(3, dtype=rushlight.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x * x * x, x)
    True
    """
    from ..tensor import wrap
    from . import grad

    inputs = _tensors(inputs)
    outputs = [x for x in _outputs(func, inputs) if x.requires_grad]
    if grad_outputs is None:
        draw = np.random.default_rng(0)
        grad_outputs = [
            wrap(draw.uniform(0.5, 1.5, x._array.shape).astype(x._array.dtype)).requires_grad_()
            for x in outputs
        ]
    else:
        grad_outputs = list(_tensors(grad_outputs))
    wanted = [i for i, x in enumerate(inputs) if getattr(x, "requires_grad", False)]

    def first_gradients(*arguments: Any) -> tuple:
        given, incoming = arguments[: len(inputs)], arguments[len(inputs) :]
        answers = [x for x in _outputs(func, given) if x.requires_grad]
        found = grad(
            answers, [given[i] for i in wanted], incoming, create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None and g.requires_grad)

    def with_gradients(*arguments: Any) -> tuple:
        from .modes import enable_grad

        with enable_grad():
            return first_gradients(*arguments)

    if not with_gradients(*inputs, *grad_outputs):
        return True
    return gradcheck(
        with_gradients,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )
