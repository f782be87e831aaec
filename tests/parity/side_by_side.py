"""One expression evaluated under PyTorch and under Rushlight, and what a user can see of both results."""

from __future__ import annotations

import warnings

import numpy as np


def seen(value, strides=True):
    """What a user sees of a result: types, shapes, dtypes, strides and values, nested as it is."""
    if type(value).__name__ == "Tensor" or type(value).__name__ == "Parameter":
        array = value.detach()
        dtype = str(value.dtype).removeprefix("torch.")
        values = (array.float() if dtype in ("bfloat16", "float16") else array).numpy()
        memory = None
        if strides and values.size:
            # The stride of a dimension of length 1 means nothing.
            memory = [s for s, n in zip(value.stride(), value.shape) if n != 1]
        return Seen(dtype, tuple(value.shape), memory, value._base is not None, values)
    if isinstance(value, (tuple, list)):
        names = getattr(value, "_fields", None) or tuple(
            n for n in ("values", "indices") if hasattr(type(value), n)
        )
        return [names, *[seen(v, strides) for v in value]]
    if isinstance(value, (bool, int, float, complex, str, type(None))):
        return value
    return str(value)


class Seen:
    """A tensor as a user sees it; equal within float rounding."""

    def __init__(self, *parts):
        *self.parts, self.values = parts

    def __eq__(self, other):
        if not isinstance(other, Seen) or self.parts != other.parts:
            return False
        return np.allclose(self.values, other.values, rtol=1e-5, atol=1e-6, equal_nan=True)

    def __repr__(self):
        return f"{self.parts} {self.values.tolist()}"


def outcome(framework, expression, names, strides=True):
    """What an expression (or statements that end in setting ``r``) gives, or the type of its error."""
    scope = {"torch": framework, "np": np, **names(framework)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if "\n" in expression or ";" in expression:
                exec(expression.replace("; ", "\n"), scope)
                return seen(scope.get("r", scope.get("x")), strides)
            return seen(eval(expression, scope), strides)
        except Exception as error:
            return type(error).__name__


def gradients(framework, expression, names):
    """The gradients of a weighted sum of a result for each floating leaf among the names."""
    leaves = {
        name: value.clone().requires_grad_()
        for name, value in names(framework).items()
        if hasattr(value, "is_floating_point") and value.is_floating_point()
    }
    scope = {"torch": framework, "np": np, **names(framework), **leaves}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "\n" in expression or ";" in expression:
            exec(expression.replace("; ", "\n"), scope)
            result = scope.get("r", scope.get("x"))
        else:
            result = eval(expression, scope)
    results = [result] if hasattr(result, "backward") else list(result)
    results = [r for r in results if r.requires_grad]
    total = 0
    for r in results:
        weights = framework.arange(r.numel(), dtype=r.dtype).reshape(r.shape) * 0.25 + 0.5
        total = total + (r * weights).sum()
    total.backward()
    return {n: None if v.grad is None else v.grad.double().numpy() for n, v in leaves.items()}


def differentiable(framework, expressions, names):
    """The expressions whose result has a gradient under ``framework``."""
    found = []
    for expression in expressions:
        try:
            gradients(framework, expression, names)
        except Exception:
            continue
        found.append(expression)
    return found


def assert_same_gradients(found, expected):
    """Asserts that each leaf has the same gradient, or none in both."""
    assert {n: g is None for n, g in found.items()} == {n: g is None for n, g in expected.items()}
    for name, g in expected.items():
        if g is not None:
            np.testing.assert_allclose(found[name], g, rtol=1e-4, atol=1e-5, err_msg=name)
