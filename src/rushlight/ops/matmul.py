"""Products of vectors, matrices and stacks of matrices, and the linear layer's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import native
from ..casting import outside
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor
from .creation import write_out
from .family import broadcast

# From this many multiplications on, the extension's product is faster than NumPy's.
WORTHWHILE = 1 << 14


def _same_dtype(name: str, a: Tensor, b: Tensor) -> None:
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(
            f"{name}: mat1 and mat2 must have the same dtype, but got {a.dtype.legacy} and {b.dtype.legacy}; "
            f"convert one of them, as in .to({b.dtype})"
        )


def _product(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """``a @ b + bias`` by the extension."""
    dtype = a.dtype
    a, b, bias = native.computable(a), native.computable(b), native.computable(bias)
    out = np.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    native.extension.matmul(a, b, bias, out)
    return native.in_dtype(out, dtype)


@primitive("torch", "Tensor", uniform=True, checks="failure", autocast="lower")
def mm(input: Tensor, mat2: Tensor) -> Spec:
    """The product of two matrices.

    Args:
        input: ``(n, m)``.
        mat2: ``(m, p)``, of the same dtype.

    Returns:
        ``(n, p)``.

    Raises:
        RuntimeError: a shape or dtype does not fit.

    >>> rushlight.mm(rushlight.ones(2, 3), rushlight.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    a, b = input._array, mat2._array
    _same_dtype("mm", input, mat2)
    for name, x in (("self", a), ("mat2", b)):
        if x.ndim != 2:
            raise RuntimeError(f"mm: {name} must be a matrix, but has shape {list(x.shape)}")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
            f"{b.shape[0]}x{b.shape[1]})"
        )
    return Spec((a.shape[0], b.shape[1]), input.dtype)


@mm.kernel("cpu", "cuda")
def _mm(xp, a, b):
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError("mm multiplies matrices")
    return half_product(xp, a, b)


def half_product(xp: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """NumPy's product; half-precision values are added up in float32."""
    if a.dtype.itemsize == 2 and a.dtype.kind in "fV":
        return xp.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    if a.dtype.kind == "b":
        return xp.matmul(a.astype(np.int64), b.astype(np.int64)) != 0
    return xp.matmul(a, b)


@mm.kernel(
    "cpu",
    when="(input.dtype in native.HALVES or input.dtype is native.float32 and input.size * mat2.shape[-1] >= 16384) "
    "and native.matrices(input, mat2)",
)
def _mm_onednn(xp, a, b):
    return _product(a, b)


mm.vjp(
    input=lambda g, mat2: mm(g, transposed(mat2)),
    mat2=lambda g, input: mm(transposed(input), g),
)


def transposed(x: Tensor) -> Tensor:
    """The last two dimensions swapped; complex values conjugated, as gradients need them."""
    x = x.mT
    return x.conj() if x.is_complex() else x


@mm.oracle
def _mm_oracle(a, b):
    return np.einsum("nm,mp->np", a, b)


@mm.samples
def _mm_samples(make):
    yield call(make(3, 4), make(4, 5))
    yield call(make(40, 30), make(30, 50))
    yield call(make(0, 4), make(4, 5))
    yield call(make(3, 0), make(0, 5))


@mm.rejects
def _mm_rejects(make):
    yield reject(RuntimeError, "cannot be multiplied (3x4 and 3x4)", make(3, 4), make(3, 4))
    yield reject(RuntimeError, "must be a matrix", make(3), make(3, 4))


@primitive("torch", "Tensor", uniform=True, autocast="lower")
def bmm(input: Tensor, mat2: Tensor) -> Spec:
    """The products of two stacks of matrices.

    Args:
        input: ``(b, n, m)``.
        mat2: ``(b, m, p)``, of the same dtype.

    Returns:
        ``(b, n, p)``.

    >>> rushlight.bmm(rushlight.ones(2, 3, 4), rushlight.ones(2, 4, 5)).shape
    torch.Size([2, 3, 5])
    """
    a, b = input._array, mat2._array
    _same_dtype("bmm", input, mat2)
    if a.ndim != 3 or b.ndim != 3:
        raise RuntimeError(
            f"batch1 and batch2 must be 3D tensors, but have shapes {list(a.shape)} and {list(b.shape)}"
        )
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] "
            f"but got: [{b.shape[0]}, {b.shape[1]}]."
        )
    return Spec((a.shape[0], a.shape[1], b.shape[2]), input.dtype)


@bmm.kernel("cpu", "cuda")
def _bmm(xp, a, b):
    return half_product(xp, a, b)


@bmm.kernel(
    "cpu",
    when="(input.dtype in native.HALVES or input.dtype is native.float32 and input.size * mat2.shape[-1] >= 16384) "
    "and native.matrices(input, mat2)",
)
def _bmm_onednn(xp, a, b):
    return _product(a, b)


bmm.vjp(
    input=lambda g, mat2: bmm(g, transposed(mat2)),
    mat2=lambda g, input: bmm(transposed(input), g),
)


@bmm.oracle
def _bmm_oracle(a, b):
    return np.einsum("bnm,bmp->bnp", a, b)


@bmm.samples
def _bmm_samples(make):
    yield call(make(2, 3, 4), make(2, 4, 5))
    yield call(make(2, 20, 30), make(2, 30, 20))
    yield call(make(0, 3, 4), make(0, 4, 5))


@bmm.rejects
def _bmm_rejects(make):
    yield reject(RuntimeError, "must be 3D tensors", make(2, 3), make(2, 3, 4))
    yield reject(RuntimeError, "[2, 4]", make(2, 3, 4), make(2, 3, 4))


@exported("torch", "Tensor")
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product, by the number of dimensions.

    Two vectors give their dot product; a vector beside a matrix counts as a row (left) or column (right); with more
    than two dimensions the last two are the matrices, and those before broadcast.

    Raises:
        RuntimeError: shapes or dtypes do not fit.

    >>> rushlight.matmul(rushlight.ones(5, 2, 3), rushlight.ones(3)).shape
    torch.Size([5, 2])
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        wrong = other if isinstance(input, Tensor) else input
        raise TypeError(f"matmul(): both arguments must be Tensor, not {type(wrong).__name__}")
    if out is not None:
        return write_out(out, outside(_matmul, input, other))
    return _matmul(input, other)


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    a_shape, b_shape = a._array.shape, b._array.shape
    if len(a_shape) == 2 and len(b_shape) == 2:
        return mm(a, b)
    if not a_shape or not b_shape:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {len(a_shape)}D and {len(b_shape)}D"
        )
    if len(a_shape) == 1 and len(b_shape) == 1:
        return _dot(a, b)
    if len(b_shape) == 1:
        if a_shape[-1] != b_shape[0]:
            raise _cannot_multiply(a_shape, b_shape)
        return _matmul(a, b.unsqueeze(1)).squeeze(-1)
    if len(a_shape) == 1:
        if a_shape[0] != b_shape[-2]:
            raise _cannot_multiply(a_shape, b_shape)
        return _matmul(a.unsqueeze(0), b).squeeze(-2)
    if a_shape[-1] != b_shape[-2]:
        raise _cannot_multiply(a_shape, b_shape)
    if len(b_shape) == 2:
        # Many rows times one matrix is one product.
        return mm(a.reshape(-1, a_shape[-1]), b).reshape(*a_shape[:-1], b_shape[-1])
    batch = broadcast(a_shape[:-2], b_shape[:-2])
    stacked = bmm(
        a.expand(*batch, *a_shape[-2:]).reshape(-1, *a_shape[-2:]),
        b.expand(*batch, *b_shape[-2:]).reshape(-1, *b_shape[-2:]),
    )
    return stacked.reshape(*batch, a_shape[-2], b_shape[-1])


def _cannot_multiply(a: tuple, b: tuple) -> RuntimeError:
    wanted = b[0] if len(b) == 1 else b[-2]
    return RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a))} and {'x'.join(map(str, b))}): "
        f"the last dimension of the first is {a[-1]}, but the second needs {wanted}"
    )


def _matmul_operator(self: Tensor, other: Any) -> Any:
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


Tensor.__matmul__ = _matmul_operator
Tensor.__rmatmul__ = lambda self, other: NotImplemented


@exported("torch", "Tensor", autocast={"cpu": "keep", "cuda": "promote"})
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors.

    >>> rushlight.dot(rushlight.tensor([1.0, 2.0]), rushlight.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if input._array.dtype != tensor._array.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {input.dtype.legacy} and {tensor.dtype.legacy}"
        )
    return _dot(input, tensor)


def _dot(input: Tensor, tensor: Tensor) -> Tensor:
    a, b = input._array.shape, tensor._array.shape
    if len(a) != 1 or len(b) != 1:
        raise RuntimeError(f"1D tensors expected, but got {len(a)}D and {len(b)}D tensors")
    if a != b:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same number of "
            f"elements, but got {a[0]} and {b[0]} elements respectively"
        )
    return mm(input.unsqueeze(0), tensor.unsqueeze(1)).reshape(())


@exported("torch", "Tensor", autocast={"cpu": "keep", "cuda": "lower"})
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector.

    >>> rushlight.mv(rushlight.ones(2, 3), rushlight.ones(3))
    tensor([3., 3.])
    """
    if input._array.ndim != 2 or vec._array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {input._array.ndim}, {vec._array.ndim}"
        )
    return matmul(input, vec)


@exported("torch", "Tensor", names=("ger",))
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every element of one vector times every element of another.

    >>> rushlight.outer(rushlight.tensor([1, 2]), rushlight.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    for name, x in (("self", input), ("vec2", vec2)):
        if x._array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x._array.ndim}-D")
    return input.unsqueeze(1) * vec2


def _scaled(x: Tensor, factor: Any) -> Tensor:
    return x if factor == 1 else x * factor


@exported("torch", "Tensor", autocast="lower")
def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``; ``input`` broadcasts.

    >>> rushlight.addmm(rushlight.ones(2), rushlight.ones(2, 3), rushlight.ones(3, 2))
    tensor([[4., 4.],
            [4., 4.]])
    """
    product = _scaled(mm(mat1, mat2), alpha)
    made = product if beta == 0 else _scaled(input, beta) + product
    return made if out is None else write_out(out, made)


@exported("torch", "Tensor", autocast={"cpu": "keep", "cuda": "lower"})
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``."""
    return _scaled(input, beta) + _scaled(mv(mat, vec), alpha)


@exported("torch", "Tensor", autocast={"cuda": "lower"})
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``."""
    return _scaled(input, beta) + _scaled(outer(vec1, vec2), alpha)


@exported("torch", "Tensor", autocast="lower")
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``."""
    return _scaled(input, beta) + _scaled(bmm(batch1, batch2), alpha)


@exported("torch", autocast={"cuda": "lower"})
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices from left to right."""
    product = matrices[0]
    for matrix in matrices[1:]:
        product = mm(product, matrix)
    return product


@primitive(
    "nn.functional", uniform=True, checks="failure", node_name="AddmmBackward0", autocast="lower",
    kept_for={"input": ["weight"], "weight": ["input"]},
)  # fmt: skip
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Spec:
    """``input @ weight.T + bias``.

    Args:
        input: ``(*, in_features)``.
        weight: ``(out_features, in_features)``, or ``(in_features,)`` for one feature without its dimension.
        bias: ``(out_features)``.

    Returns:
        ``(*, out_features)``.

    Raises:
        RuntimeError: a shape or dtype does not fit.

    >>> linear(rushlight.ones(2, 3), rushlight.ones(4, 3)).shape
    torch.Size([2, 4])
    """
    x, w = input._array, weight._array
    _same_dtype("linear", input, weight)
    if w.ndim not in (1, 2) or not x.ndim:
        raise RuntimeError(
            f"linear: weight must have shape (out_features, in_features) and input at least one dimension, but "
            f"weight has shape {list(w.shape)} and input {list(x.shape)}"
        )
    if x.shape[-1] != w.shape[-1]:
        rows = x.size // x.shape[-1] if x.shape[-1] else 0
        hint = ""
        if x.ndim > 2 and int(np.prod(x.shape[1:])) == w.shape[-1]:
            hint = f"; flatten(1) gives exactly {w.shape[-1]}"
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{w.shape[-1]}x{w.shape[0]}): linear: input {list(x.shape)} has {x.shape[-1]} features in its last "
            f"dimension, but weight expects {w.shape[-1]} (weight: {' x '.join(map(str, w.shape))}){hint}"
        )
    outputs = w.shape[:-1]
    if bias is not None:
        _same_dtype("linear", input, bias)
        if bias._array.shape not in (outputs, (1,), ()):
            raise RuntimeError(
                f"linear: bias must have shape {list(outputs)} like the rows of weight, but has {list(bias.shape)}"
            )
    return Spec((*x.shape[:-1], *outputs), input.dtype)


@linear.kernel("cpu", "cuda")
def _linear(xp, x, w, bias):
    if w.ndim > 2:
        raise ValueError("weight is no matrix")
    if bias is None:
        return half_product(xp, x, w.T)
    if x.dtype in native.HALVES:
        wide = [v.astype(np.float32) for v in (x, w, bias)]
        return (xp.matmul(wide[0], wide[1].T) + wide[2]).astype(x.dtype)
    return half_product(xp, x, w.T) + bias


@linear.kernel(
    "cpu",
    when="(input.dtype in native.HALVES or input.dtype is native.float32 and input.size * weight.shape[0] >= 16384) "
    "and weight.ndim == 2 and input.ndim > 1 and native.matrices(input, weight) "
    "and (bias is None or bias.shape == weight.shape[:1])",
)
def _linear_onednn(xp, x, w, bias):
    if x.ndim > 2:
        flat = x.reshape(-1, x.shape[-1])
        return _product(flat, w.T, bias).reshape(*x.shape[:-1], w.shape[0])
    return _product(x, w.T, bias)


@linear.vjp
def _linear_vjp(g, input, weight, input_shape, weight_shape, needs):
    gx = gw = gb = None
    # An input of one feature's weight without its dimension, or of one row, is a matrix for this.
    shape = weight_shape if weight is None else weight._array.shape
    if shape is not None and len(shape) == 1:
        g, weight = g.unsqueeze(-1), None if weight is None else weight.unsqueeze(0)
    elif g.ndim == 0:
        g = g.unsqueeze(0)
    rows = g if g.ndim == 2 else g.reshape(-1, g._array.shape[-1])
    if needs[0]:
        gx = mm(rows, weight.conj() if weight.is_complex() else weight)
        if len(input_shape) != 2:
            gx = gx.reshape(input_shape)
    if needs[1]:
        x = input if input.ndim == 2 else input.reshape(-1, input._array.shape[-1])
        gw = mm(rows.t(), x.conj() if x.is_complex() else x)
    if needs[2]:
        gb = rows.sum(0)
    return gx, gw, gb


@linear.oracle
def _linear_oracle(x, w, bias=None):
    out = np.einsum("...i,oi->...o", x, w) if w.ndim == 2 else np.einsum("...i,i->...", x, w)
    return out if bias is None else out + bias


@linear.samples
def _linear_samples(make):
    yield call(make(3, 4), make(5, 4), make(5))
    yield call(make(3, 4), make(5, 4))
    yield call(make(2, 3, 4), make(5, 4), make(5))
    yield call(make(4), make(5, 4), make(5))
    yield call(make(64, 40), make(50, 40), make(50))
    yield call(make(0, 4), make(5, 4), make(5))


@linear.rejects
def _linear_rejects(make):
    yield reject(
        RuntimeError,
        "has 4 features in its last dimension, but weight expects 5",
        make(3, 4),
        make(2, 5),
    )
    yield reject(RuntimeError, "flatten(1) gives exactly 12", make(2, 3, 4), make(2, 12))
    yield reject(RuntimeError, "bias must have shape [2]", make(3, 4), make(2, 4), make(3))
    yield reject(TypeError, "must be Tensor, not list", [[1.0]], make(2, 4))


@exported("nn.functional", autocast={"cuda": "promote"})
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[k] @ input2`` for every output ``k``, plus ``bias``.

    Args:
        input1, input2: ``(*, in1_features)`` and ``(*, in2_features)``.
        weight: ``(out_features, in1_features, in2_features)``.
        bias: ``(out_features)``.
    """
    left = matmul(input1.unsqueeze(-2).unsqueeze(-2), weight)  # (*, out, 1, in2)
    out = (left.squeeze(-2) * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias
