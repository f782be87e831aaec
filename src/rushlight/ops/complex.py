"""Complex numbers: their parts, conjugates, angles, and views of them as pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import Spec, call, exported, primitive, reject
from ..tensor import Tensor
from .checks import broadcast
from .choice import where
from .family import unary, write_out, zero
from .pointwise import cos, sin

_I = 1j


def _only_complex(name: str, x: Tensor) -> None:
    if not x.dtype.is_complex:
        raise RuntimeError(
            f"{name} is not implemented for tensors with non-complex dtypes: "
            f"expected complex64 or complex128, got {x.dtype}"
        )


def _real_spec(input: Tensor) -> Spec:
    return Spec(input._array.shape, input.dtype.to_real())


@primitive(view=True, node_name="RealBackward0")
def _real(input: Tensor) -> Spec:
    """The real parts, as a view."""
    _only_complex("real", input)
    return _real_spec(input)


@_real.kernel("cpu", "cuda")
def _real_kernel(xp, x):
    return x.real


# The walk back makes a gradient complex where the value was.
_real.vjp(lambda g: g)


@primitive(view=True, node_name="ImagBackward0")
def _imag(input: Tensor) -> Spec:
    """The imaginary parts, as a view."""
    _only_complex("imag", input)
    return _real_spec(input)


@_imag.kernel("cpu", "cuda")
def _imag_kernel(xp, x):
    return x.imag


_imag.vjp(lambda g: g * _I)


@_imag.rejects
def _imag_rejects(make):
    yield reject(RuntimeError, "imag is not implemented", make(3))


@exported("torch")
def real(input: Tensor) -> Tensor:
    """The real parts, sharing memory; a real tensor is itself.

    >>> rushlight.real(rushlight.tensor([1 + 2j]))
    tensor([1.])
    """
    return _real(input) if input.dtype.is_complex else input


@exported("torch")
def imag(input: Tensor) -> Tensor:
    """The imaginary parts, sharing memory.

    Raises:
        RuntimeError: the dtype is not complex.

    >>> rushlight.imag(rushlight.tensor([1 + 2j]))
    tensor([2.])
    """
    return _imag(input)


Tensor.real = property(real)
Tensor.imag = property(imag)

_conj = unary(
    "_conj", np.conjugate, "The complex conjugate of each element.", vjp=lambda g: g.conj(), oracle=lambda x: x + 0,
    promote=None, places=(), inplace=False, node_name="ConjBackward0",
)  # fmt: skip


@exported("torch", "Tensor")
def conj(input: Tensor) -> Tensor:
    """The complex conjugate of each element; a real tensor is itself.

    >>> rushlight.tensor([1 + 2j]).conj()
    tensor([1.-2.j])
    """
    return _conj(input) if input._array.dtype.kind == "c" else input


@exported("torch", "Tensor")
def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate of each element, in memory of its own.

    >>> rushlight.conj_physical(rushlight.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return _conj(input)


@exported("torch", "Tensor", names=("resolve_neg",))
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugates are never left for later."""
    return input


@exported("torch", "Tensor")
def is_conj(input: Tensor) -> bool:
    """Whether a conjugate was left for later: never."""
    return False


def _adjoint(self: Tensor) -> Tensor:
    """The conjugate with the last two dimensions swapped."""
    return self.mT.conj()


@exported("torch", "Tensor")
def adjoint(input: Tensor) -> Tensor:
    """The conjugate with the last two dimensions swapped.

    >>> rushlight.adjoint(rushlight.tensor([[1j, 2.0]]))
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    return _adjoint(input)


def _conjugate_transposed(self: Tensor) -> Tensor:
    """The conjugate of a matrix with its dimensions swapped."""
    if self._array.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self._array.ndim}-D tensor."
        )
    return _adjoint(self) if self._array.ndim else self.conj()


Tensor.H = property(_conjugate_transposed)
Tensor.mH = property(_adjoint)


def _angle(x):
    if x.dtype.kind == "c":
        return np.arctan2(x.imag, x.real)
    return np.where(np.isnan(x), x, np.where(x < 0, np.pi, 0)).astype(x.dtype)


def _angle_vjp(g, input):
    if not input.is_complex():
        return zero(g)
    size = input.real * input.real + input.imag * input.imag
    return where(size == 0, 0.0, g * (input * _I) / size)


angle = unary(
    "angle", _angle, "The angle of each complex number in radians; of a real one 0, or pi where it is negative.",
    vjp=_angle_vjp, oracle=lambda x: np.pi * (x < 0), inplace=False, dtype=lambda d: d.to_real(),
    example="[1.0, -2.0] -> [0.0000, 3.1416]",
)  # fmt: skip


def _same_parts(input: Any, other: Any) -> None:
    for x in (input, other):
        if not isinstance(x, Tensor) or not x.dtype.is_floating_point:
            raise RuntimeError("Expected both inputs to be Half, Float or Double tensors")
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {input.dtype} but got scalar type {other.dtype} for second argument"
        )


@primitive(node_name="ComplexBackward0")
def _complex(real: Tensor, imag: Tensor) -> Spec:
    """Complex numbers of two parts."""
    _same_parts(real, imag)
    return Spec(broadcast(real._array.shape, imag._array.shape), real.dtype.to_complex())


@_complex.kernel("cpu", "cuda")
def _complex_kernel(xp, x, y):
    out = xp.empty(
        xp.broadcast_shapes(x.shape, y.shape),
        xp.complex128 if x.dtype == np.float64 else xp.complex64,
    )
    out.real, out.imag = x, y
    return out


_complex.vjp(real=lambda g: g.real, imag=lambda g: g.imag)


@_complex.oracle
def _complex_oracle(x, y):
    return x + 1j * y


@_complex.samples
def _complex_parts_samples(make):
    yield call(make(3, 4), make(3, 4))
    yield call(make(3, 1), make(4))


@_complex.rejects
def _complex_rejects(make):
    yield reject(RuntimeError, "Expected both inputs to be", make(3, dtype=dtypes.int64), make(3))


@exported("torch")
def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers with given real and imaginary parts.

    Args:
        real, imag: shapes that broadcast, one floating dtype.

    Returns:
        complex64; complex128 for float64.

    Raises:
        RuntimeError: the dtypes differ or are not floating.

    >>> rushlight.complex(rushlight.tensor([1.0]), rushlight.tensor([2.0]))
    tensor([1.+2.j])
    """
    made = _complex(real, imag)
    return made if out is None else write_out(out, made)


@exported("torch", autocast={"cpu": "float32"})
def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers with given sizes and angles.

    >>> rushlight.polar(rushlight.tensor([2.0]), rushlight.tensor([0.0]))
    tensor([2.+0.j])
    """
    made = _complex(abs * cos(angle), abs * sin(angle))
    return made if out is None else write_out(out, made)


@primitive("torch", view=True, node_name="ViewAsRealBackward0")
def view_as_real(input: Tensor) -> Spec:
    """A complex tensor seen as pairs of real and imaginary parts, in a last dimension of length 2.

    Raises:
        RuntimeError: the dtype is not complex.

    >>> rushlight.view_as_real(rushlight.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return Spec((*input._array.shape, 2), input.dtype.to_real())


@view_as_real.kernel("cpu", "cuda")
def _view_as_real(xp, x):
    return x[..., None].view(np.float32 if x.dtype == np.complex64 else np.float64)


@view_as_real.vjp
def _view_as_real_vjp(g):
    return view_as_complex(g.contiguous())


@primitive("torch", view=True, node_name="ViewAsComplexBackward0", autocast={"cpu": "float32"})
def view_as_complex(input: Tensor) -> Spec:
    """Pairs in a last dimension of length 2 seen as complex numbers.

    Raises:
        RuntimeError: there is no such dimension, its elements are not neighbours in memory, or the dtype is not
            float32 or float64.

    >>> rushlight.view_as_complex(rushlight.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    shape = input._array.shape
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of {input.dtype}"
        )
    if not shape or shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    steps = [s // input._array.dtype.itemsize for s in input._array.strides]
    if steps[-1] != 1 or any(s % 2 for s, n in zip(steps[:-1], shape) if n > 1):
        raise RuntimeError(
            "Tensor must have a last dimension with stride 1, and the other strides even; call .contiguous()"
        )
    return Spec(shape[:-1], input.dtype.to_complex())


@view_as_complex.kernel("cpu", "cuda")
def _view_as_complex(xp, x):
    return x.view(np.complex64 if x.dtype == np.float32 else np.complex128)[..., 0]


@view_as_complex.vjp
def _view_as_complex_vjp(g):
    return view_as_real(g)


@view_as_complex.rejects
def _view_as_complex_rejects(make):
    yield reject(RuntimeError, "last dimension of size 2", make(3))
    yield reject(RuntimeError, "only supported for", make(2, dtype=dtypes.int64))
