"""Element types: PyTorch's names over NumPy's, the rules by which they combine, and their limits."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np


class dtype:
    """The type of a tensor's elements, such as ``torch.float32``.

    Attributes:
        itemsize: bytes an element takes.
        is_floating_point: True for float16, bfloat16, float32 and float64.
        is_complex: True for complex64 and complex128.
        is_signed: False for bool and uint8.
        numpy: the NumPy dtype of the same elements.
    """

    __slots__ = (
        "name", "legacy", "numpy", "itemsize", "is_floating_point", "is_complex", "is_signed", "rank",
    )  # fmt: skip

    def __init__(self, name: str, legacy: str, numpy: Any, rank: int):
        self.name = name
        self.legacy = legacy
        self.numpy = np.dtype(numpy)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = rank == FLOATING
        self.is_complex = rank == COMPLEX
        self.is_signed = name not in ("bool", "uint8")
        self.rank = rank

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple:
        return of_name, (self.name,)

    def __deepcopy__(self, memo: Any) -> dtype:
        return self

    def __copy__(self) -> dtype:
        return self

    def to_complex(self) -> dtype:
        """The complex type whose parts are of this type."""
        if self is float64 or self is complex128:
            return complex128
        return complex64

    def to_real(self) -> dtype:
        """The type of the parts of this complex type; any other type is itself."""
        return {complex64: float32, complex128: float64}.get(self, self)


# The categories of promotion, from weak to strong: a number or 0-dim tensor of a category that is no
# stronger than that of the tensors with dimensions does not change the result's type.
BOOLEAN, INTEGRAL, FLOATING, COMPLEX = range(4)

bool_ = dtype("bool", "Bool", np.bool_, BOOLEAN)
uint8 = dtype("uint8", "Byte", np.uint8, INTEGRAL)
int8 = dtype("int8", "Char", np.int8, INTEGRAL)
int16 = short = dtype("int16", "Short", np.int16, INTEGRAL)
int32 = int_ = dtype("int32", "Int", np.int32, INTEGRAL)
int64 = long = dtype("int64", "Long", np.int64, INTEGRAL)
float16 = half = dtype("float16", "Half", np.float16, FLOATING)
bfloat16 = dtype("bfloat16", "BFloat16", ml_dtypes.bfloat16, FLOATING)
float32 = float_ = dtype("float32", "Float", np.float32, FLOATING)
float64 = double = dtype("float64", "Double", np.float64, FLOATING)
complex64 = cfloat = dtype("complex64", "ComplexFloat", np.complex64, COMPLEX)
complex128 = cdouble = dtype("complex128", "ComplexDouble", np.complex128, COMPLEX)

ALL = (
    bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
_BY_NUMPY = {d.numpy: d for d in ALL}
_BY_NAME = {d.name: d for d in ALL}

# What users name: torch.float is float32, torch.int is int32, ...
ALIASES = {
    "bool": bool_, "short": int16, "int": int32, "long": int64, "half": float16, "float": float32,
    "double": float64, "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip


def of_name(name: str) -> dtype:
    """The dtype called ``name``, as in ``"float32"``."""
    return _BY_NAME[name]


def of_numpy(numpy_dtype: Any) -> dtype:
    """The dtype of the elements of a NumPy array.

    Raises:
        TypeError: PyTorch has no such elements (strings, objects, dates, uint16, ...).
    """
    found = _BY_NUMPY.get(numpy_dtype)
    if found is None:
        found = _BY_NUMPY.get(np.dtype(numpy_dtype).newbyteorder("="))
        if found is None:
            raise TypeError(
                f"can't convert np.ndarray of type {numpy_dtype}. The only supported types are: "
                f"{', '.join(d.name for d in ALL)}."
            )
    return found


def standard(array: np.ndarray) -> np.ndarray:
    """``array`` with the NumPy dtype object that kernels know; an array that was unpickled has one of its own.

    Raises:
        TypeError: PyTorch has no such elements.
    """
    kind = of_numpy(array.dtype).numpy
    return array if array.dtype is kind else array.view(kind)


_default = float32


def get_default_dtype() -> dtype:
    """The type of new floating-point tensors that do not say.

    >>> get_default_dtype()
    torch.float32
    """
    return _default


def set_default_dtype(d: dtype) -> None:
    """Makes ``d`` the type of new floating-point tensors that do not say.

    Raises:
        TypeError: ``d`` is not a floating dtype.
    """
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default = d


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest type that holds both, by PyTorch's rules.

    >>> promote_types(uint8, int8)
    torch.int16
    >>> promote_types(int64, float16)
    torch.float16
    """
    if a is b:
        return a
    for d in (a, b):
        if not isinstance(d, dtype):
            raise TypeError(f"expected a torch.dtype such as torch.float32, not {type(d).__name__}")
    if a.rank > b.rank:
        a, b = b, a
    if a.rank < b.rank:
        if a is float64 and b is complex64:
            return complex128
        return b
    if a.rank == INTEGRAL:
        if uint8 in (a, b):
            other = b if a is uint8 else a
            return int16 if other is int8 else other
        return a if a.itemsize > b.itemsize else b
    if a.itemsize == b.itemsize:  # float16 with bfloat16
        return float32
    return a if a.itemsize > b.itemsize else b


def of_number(value: Any) -> dtype:
    """The type that a Python number has as a tensor.

    >>> of_number(True), of_number(2), of_number(2.5)
    (torch.bool, torch.int64, torch.float32)
    """
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, (float, np.floating)):
        return _default
    return _default.to_complex()


def join(dimensioned: Any, zero_dim: Any, numbers: Any) -> dtype:
    """The common type of operands, by PyTorch's rules.

    Three classes of operands count in turn; a weaker class changes the result only where its category
    (boolean, integral, floating, complex) is stronger than what the stronger classes gave.

    Args:
        dimensioned: the dtypes of the tensors with at least one dimension.
        zero_dim: the dtypes of the tensors without dimensions.
        numbers: the dtypes of the Python numbers, by ``of_number``.
    """
    result = None
    for group in (dimensioned, zero_dim, numbers):
        joined = None
        for d in group:
            joined = d if joined is None else promote_types(joined, d)
        if joined is None:
            continue
        if result is None:
            result = joined
        elif joined.rank > result.rank:
            # A complex number beside float64 values is complex128: promote, do not replace.
            result = promote_types(result, joined) if joined.rank == COMPLEX else joined
    return result


def can_cast(source: dtype, target: dtype) -> bool:
    """Whether values of ``source`` may be written into a tensor of ``target`` in place.

    >>> can_cast(float32, int64), can_cast(int64, float16)
    (False, True)
    """
    return source.rank <= target.rank or (source.rank == BOOLEAN)


class finfo:
    """The limits of a floating dtype: ``bits, eps, max, min, tiny, smallest_normal, resolution``.

    >>> finfo(float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None):
        type = _default if type is None else type
        if not isinstance(type, dtype) or not (type.is_floating_point or type.is_complex):
            raise TypeError(
                f"torch.finfo() requires a floating point input type, got {type}. Use torch.iinfo for integers."
            )
        type = type.to_real()
        limits = ml_dtypes.finfo(type.numpy)
        self.bits = type.itemsize * 8
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = float(limits.resolution)
        self.dtype = type.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integral dtype: ``bits, max, min``.

    >>> iinfo(int8).max
    127
    """

    def __init__(self, type: dtype):
        if not isinstance(type, dtype) or type.rank != INTEGRAL:
            raise TypeError(
                f"torch.iinfo() requires an integer input type, got {type}. Use torch.finfo for floats."
            )
        limits = np.iinfo(type.numpy)
        self.bits = limits.bits
        self.max = int(limits.max)
        self.min = int(limits.min)
        self.dtype = type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
