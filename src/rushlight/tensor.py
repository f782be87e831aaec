"""The tensor: an array, its history, and what it shares with its views.

Operations are not here: each is declared once under `ops/`, and its declaration puts the method on this
class. What stands here is what is not an operation: making a tensor from an array, its attributes, its
gradient, conversion to and from Python and NumPy, and printing.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

import numpy as np

from . import devices, dtypes
from .autograd.graph import AccumulateGrad, hooks_of
from .autograd.views import history
from .hooks import RemovableHandle, hang
from .memory import checked_format, contiguous_format, layout, strided
from .size import Size

_new = object.__new__


class MetaArray:
    """What an array is on the ``meta`` device: a shape and a dtype without values."""

    __slots__ = ("shape", "dtype")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype):
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return Size(self.shape).numel()

    @property
    def strides(self) -> tuple[int, ...]:
        return contiguous_strides(self.shape, self.dtype.itemsize)

    @property
    def flags(self) -> Any:
        return _MetaFlags


class _MetaFlags:
    """What `numpy.ndarray.flags` is of a `MetaArray`."""

    c_contiguous = writeable = True
    f_contiguous = False


def contiguous_strides(shape: tuple[int, ...], step: int = 1) -> tuple[int, ...]:
    """The strides of a C-contiguous array of ``shape`` whose elements are ``step`` apart."""
    strides = []
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


class _TensorType(type):
    """Lets ``torch.Tensor`` be the name of a class that also reads well in messages."""

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


class Tensor(metaclass=_TensorType):
    """A multi-dimensional array of one dtype that can record how it was computed.

    Made by ``torch.tensor`` and its kin. ``Tensor(2, 3)`` makes an uninitialised float32 tensor of that
    shape, ``Tensor([1, 2])`` a float32 tensor of those values.

    >>> rushlight.tensor([[1.0, 2.0], [3.0, 4.0]]) @ rushlight.ones(2)
    tensor([3., 7.])
    """

    # _array:   the values, a NumPy array (CPU) or MetaArray (meta)
    # _node:    the history; None if no gradient is required (of a view: see autograd/views.py)
    # _counter: [how often the memory was written to], shared by all views; None stands for [0]
    # _view:    how it was taken from another tensor, or None
    # _private: the array's memory order is ours alone: what looks at it settles it first
    # _grad:    the gradient of a leaf
    # _origin:  where the values come from (softmax, sigmoid, ...), for checks of training code
    __slots__ = (
        "_array", "_node", "_counter", "_view", "_private", "_grad", "_origin",
        "__dict__", "__weakref__",
    )  # fmt: skip

    # NumPy's operators leave mixed expressions to ours.
    __array_priority__ = 1000

    def __new__(cls, *args: Any, device: Any = None) -> Tensor:
        from .ops.values import legacy_tensor

        made = legacy_tensor(args, None, device)
        return made if cls is Tensor else made.as_subclass(cls)

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The lengths of the dimensions."""
        return Size(self._array.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements."""
        return dtypes.of_numpy(self._array.dtype)

    @property
    def device(self) -> devices.device:
        """Where the values are."""
        return devices.META if type(self._array) is MetaArray else devices.CPU

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return self._array.ndim

    def dim(self) -> int:
        """How many dimensions there are."""
        return self._array.ndim

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dimension.

        Raises:
            IndexError: there is no dimension ``dim``.
        """
        shape = self._array.shape
        if dim is None:
            return Size(shape)
        if not -len(shape) <= dim < len(shape):
            raise dimension_error(dim, len(shape))
        return shape[dim]

    def numel(self) -> int:
        """How many elements there are."""
        return self._array.size

    nelement = numel

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    @property
    def layout(self) -> layout:
        """How the values are stored: always ``torch.strided``."""
        return strided

    @property
    def is_cuda(self) -> bool:
        """Whether the values are on a CUDA device."""
        return False

    is_mps = is_xpu = is_sparse = is_quantized = is_mkldnn = is_nested = is_sparse_csr = is_cuda

    @property
    def is_cpu(self) -> bool:
        """Whether the values are in main memory."""
        return type(self._array) is np.ndarray

    @property
    def is_meta(self) -> bool:
        """Whether there is only a shape and a dtype, no values."""
        return type(self._array) is MetaArray

    def get_device(self) -> int:
        """The CUDA index of the device; -1 on the CPU."""
        return -1

    def is_floating_point(self) -> bool:
        """Whether the dtype is float16, bfloat16, float32 or float64."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex64 or complex128."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has negative values."""
        return self.dtype.is_signed

    def element_size(self) -> int:
        """Bytes an element takes."""
        return self._array.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return self._array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes all elements take."""
        return self._array.size * self._array.dtype.itemsize

    # ---- memory ---------------------------------------------------------------------------------

    def stride(self, dim: int | None = None) -> Any:
        """Elements between neighbours, for each dimension or for ``dim``."""
        settle(self)
        array = self._array
        if array.size == 0 or 1 in array.shape:
            strides = _strides_like_torch(array)
        else:
            strides = tuple(s // array.dtype.itemsize for s in array.strides)
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Elements between the start of the memory and the first element of this view."""
        settle(self)
        array = self._array
        if type(array) is MetaArray:
            return 0
        return (address(array) - address(owner_of(array))) // array.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        settle(self)
        return address(self._array) if self.is_cpu and self._array.size else 0

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in memory in order, by default that of the last dimension first."""
        settle(self)
        if memory_format is None or memory_format is contiguous_format:
            return self._array.flags.c_contiguous
        ndim = checked_format(memory_format).ndim
        return self._array.ndim == ndim and np.moveaxis(self._array, 1, -1).flags.c_contiguous

    @property
    def _version(self) -> int:
        """How often the memory was written to in place."""
        return 0 if self._counter is None else self._counter[0]

    @property
    def _base(self) -> Tensor | None:
        """The tensor that owns the memory of this view; None if it is no view."""
        base = None
        x = self
        while x._view is not None:
            x = base = x._view.parent
        return base

    def _is_view(self) -> bool:
        return self._view is not None

    # ---- history --------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return history(self) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Says whether this leaf requires a gradient, and returns it.

        Raises:
            RuntimeError: the dtype is neither floating nor complex, or the tensor is no leaf.
        """
        node = history(self)
        if not requires_grad:
            if node is not None and type(node) is not AccumulateGrad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a "
                    "computed variable in a subgraph that doesn't require differentiation use "
                    "var_no_grad = var.detach()."
                )
            self._node = None
        elif node is None:
            if self.dtype.rank < dtypes.FLOATING:
                raise RuntimeError(
                    "only Tensors of floating point and complex dtype can require gradients, "
                    f"but this one is {self.dtype}; convert it with .float() first"
                )
            self._node = AccumulateGrad(self)
            if self._view is not None:
                # A leaf of its own: writes to what it was taken from no longer concern its history.
                self._view.recorded = False
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        node = history(self)
        return node is None or type(node) is AccumulateGrad

    @property
    def grad_fn(self) -> Any:
        """The node of the operation that made this tensor; None for a leaf."""
        node = history(self)
        if node is None or type(node) is AccumulateGrad:
            return None
        return node.edges[0] if type(node).__name__ == "Output" else node

    @property
    def output_nr(self) -> int:
        """Which output of its operation this is."""
        return getattr(self._node, "index", 0)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` added up for this leaf; None before."""
        if (
            self._grad is None
            and self._node is not None
            and not (self.is_leaf or self.retains_grad)
        ):
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(). Call .retain_grad() on it before backward(), or "
                "read .grad of the leaf it was computed from.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got {type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value.shape != self.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: the tensor is {tuple(self.shape)}, "
                    f"the gradient {tuple(value.shape)}"
                )
            if value.dtype is not self.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: the tensor is {self.dtype}, "
                    f"the gradient {value.dtype}"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds to the ``grad`` of every leaf the gradient of this tensor with respect to it.

        Args:
            gradient: the gradient of this tensor, of its shape; a scalar needs none.
            retain_graph: keep the graph for another walk; by default as ``create_graph``.
            create_graph: record the gradients' own operations, for gradients of gradients.
            inputs: the leaves to add to; by default all.

        Raises:
            RuntimeError: the tensor has no history, or is no scalar and ``gradient`` is missing, or the
                graph was freed by an earlier walk.

        >>> w = rushlight.tensor([1.0, 2.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> w.grad
        tensor([2., 4.])
        """
        from . import autograd

        autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Calls ``hook(grad)`` when the gradient of this tensor is known; it may return a new one.

        Raises:
            RuntimeError: the tensor requires no gradient.
        """
        node = history(self)
        if node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return hang(hooks_of(node).tensor, hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> RemovableHandle:
        """Calls ``hook(tensor)`` when a gradient has been added to this leaf.

        Raises:
            RuntimeError: the tensor is no leaf that requires a gradient.
        """
        node = history(self)
        if type(node) is not AccumulateGrad:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        if node.after is None:
            node.after = OrderedDict()
        return hang(node.after, hook)

    def retain_grad(self) -> None:
        """Keeps the gradient of this tensor in ``grad`` although it is no leaf.

        Raises:
            RuntimeError: the tensor requires no gradient.
        """
        import weakref

        node = history(self)
        if node is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if type(node) is not AccumulateGrad:
            hooks_of(node).retain = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether ``retain_grad`` was called on this tensor, and it is no leaf."""
        node = self._node
        return not self.is_leaf and node.hooks is not None and node.hooks.retain is not None

    def detach(self) -> Tensor:
        """The same values in the same memory, without history.

        >>> x = rushlight.ones(2, requires_grad=True)
        >>> (x * 2).detach().requires_grad
        False
        """
        settle(self)
        if self._counter is None:
            self._counter = [0]
        out = wrap(self._array)
        out._counter = self._counter
        out._origin = self._origin
        return out

    def detach_(self) -> Tensor:
        """Cuts this tensor from its history, and returns it.

        Raises:
            RuntimeError: it is a view; its history is that of its base.
        """
        if self._view is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradients are views, detach the base."
            )
        self._node = None
        return self

    @property
    def data(self) -> Tensor:
        """The same values in the same memory, without history; may be assigned to."""
        settle(self)
        return wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self.requires_grad and value.dtype.rank < dtypes.FLOATING:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype, "
                f"but this one is {value.dtype}; convert it with .float() first"
            )
        settle(value)
        self._array = value._array
        self._private = False

    # ---- Python and NumPy -----------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The values as a NumPy array that shares their memory.

        Args:
            force: also for a tensor that requires a gradient.

        Raises:
            RuntimeError: the tensor requires a gradient.
        """
        if not force and history(self) is not None:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        if type(self._array) is MetaArray:
            raise TypeError(
                "can't convert meta device type tensor to numpy: it has only a shape and a dtype; "
                "make it on the CPU to compute"
            )
        return values_of(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(
        self, array: np.ndarray, context: Any = None, return_scalar: bool = False
    ) -> Any:
        return wrap(np.asarray(array))

    def __dlpack__(self, **options: Any) -> Any:
        """The values as a DLPack capsule, without a copy."""
        if history(self) is not None:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return values_of(self).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return values_of(self).__dlpack_device__()

    def item(self) -> Any:
        """The one value as a Python number.

        Raises:
            RuntimeError: there is not exactly one element.
        """
        array = self._array
        if array.size != 1:
            raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
        return python_values(values_of(self)).item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers; a number for a 0-dim tensor."""
        return python_values(values_of(self)).tolist()

    def __bool__(self) -> bool:
        array = self._array
        if array.size == 1:
            return bool(values_of(self).reshape(()))
        if array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError(
            "Boolean value of Tensor with more than one value is ambiguous: ask for .any() or .all()"
        )

    def _number(self, kind: type) -> Any:
        if self._array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars, but this one has shape "
                f"{list(self.shape)}; use .tolist()"
            )
        value = self.item()
        if isinstance(value, complex) and kind is not complex:
            if value.imag:
                raise RuntimeError(
                    f"value cannot be converted to type {kind.__name__} without overflow: {value} is "
                    "complex; take .real"
                )
            value = value.real
        return kind(value)

    def __float__(self) -> float:
        return self._number(float)

    def __int__(self) -> int:
        return self._number(int)

    def __complex__(self) -> complex:
        return self._number(complex)

    def __index__(self) -> int:
        if self.dtype.rank > dtypes.INTEGRAL or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, (Tensor, bool, int, float, complex, np.number)):
            raise RuntimeError(
                "Tensor.__contains__ only supports Tensor or scalar, "
                f"but you passed in a {type(value)}."
            )
        return bool((self == value).any())

    def __iter__(self) -> Any:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    # By identity: `==` compares elements.
    __hash__ = object.__hash__

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from . import printing

        meta = type(self._array) is MetaArray
        node = self.grad_fn
        return printing.tensor_repr(
            self._array if meta else values_of(self),
            dtype_name=self.dtype.name,
            default_dtype=dtypes.get_default_dtype().name,
            requires_grad=self.requires_grad,
            grad_fn_name=None if node is None else node.name().rsplit("::", 1)[-1],
            device=str(self.device),
            is_parameter=False,
            meta=meta,
        )

    def __format__(self, spec: str) -> str:
        if self._array.ndim == 0 and type(self._array) is not MetaArray:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    # ---- copies ---------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment. Use tensor.detach().clone() for a copy without history."
            )
        if id(self) in memo:
            return memo[id(self)]
        out = wrap(_copy_of_memory(self, memo), type(self))
        memo[id(self)] = out
        if self._node is not None:
            out._node = AccumulateGrad(out)
        if self._grad is not None:
            out._grad = self._grad.__deepcopy__(memo)
        for name, value in self.__dict__.items():
            from copy import deepcopy

            out.__dict__[name] = deepcopy(value, memo)
        return out

    def __reduce_ex__(self, protocol: int) -> tuple:
        array = self._array if type(self._array) is MetaArray else values_of(self)
        order = None
        if not array.flags.c_contiguous:
            axes = sorted(range(array.ndim), key=lambda d: -array.strides[d])
            if array.transpose(axes).flags.c_contiguous:
                # As such it is pickled without losing the order of its memory.
                array, order = array.transpose(axes), tuple(map(axes.index, range(array.ndim)))
        attributes = self.__dict__ or None
        return _rebuild, (type(self), array, self.requires_grad, attributes, order)


def _rebuild(
    cls: type,
    array: Any,
    requires_grad: bool,
    attributes: dict | None,
    order: tuple[int, ...] | None = None,
) -> Tensor:
    # Out-of-band buffers may come back read-only, and a tensor's values can be written.
    if type(array) is not MetaArray:
        array = dtypes.standard(array if array.flags.writeable else array.copy())
    out = wrap(array if order is None else array.transpose(order), cls)
    if requires_grad:
        out._node = AccumulateGrad(out)
    if attributes:
        out.__dict__.update(attributes)
    return out


def wrap(array: Any, cls: type = Tensor) -> Any:
    """A tensor without history over ``array``, without a copy."""
    out = _new(cls)
    out._array = array
    out._node = None
    out._counter = None
    out._view = None
    out._private = False
    out._grad = None
    out._origin = None
    return out


def settle(x: Tensor) -> None:
    """Gives ``x`` the memory order that PyTorch would have given it, if ours was another."""
    if x._private:
        x._array = np.ascontiguousarray(x._array)
        x._private = False


def values_of(x: Tensor) -> np.ndarray:
    """The NumPy array of ``x`` in the order that the user sees.

    Raises:
        NotImplementedError: ``x`` is on the ``meta`` device.
    """
    if x._private:
        settle(x)
    array = x._array
    if type(array) is MetaArray:
        raise NotImplementedError(
            "Cannot copy out of meta tensor; no data! It has only a shape and a dtype; "
            "make it on the CPU to compute."
        )
    return array


def python_values(array: np.ndarray) -> np.ndarray:
    """``array`` in a dtype that NumPy itself can turn into Python numbers."""
    return array.astype(np.float32) if array.dtype == dtypes.bfloat16.numpy else array


def address(array: np.ndarray) -> int:
    """Where the first element of ``array`` lies in memory."""
    return array.__array_interface__["data"][0] if array.dtype.kind != "V" else array.ctypes.data


def owner_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory of ``array``: the last one of its bases."""
    base = array
    # Between two arrays there may be an object that only describes memory.
    while (base := getattr(base, "base", None)) is not None:
        if isinstance(base, np.ndarray):
            array = base
    return array


def _only_element(x: Tensor) -> Any:
    if x._array.size != 1:
        raise ValueError(
            "only one element tensors can be converted to Python scalars, "
            f"but this one has shape {list(x._array.shape)}"
        )
    return x.item()


def dimension_error(dim: int, ndim: int) -> IndexError:
    """The error for a dimension that does not exist."""
    low, high = (-ndim, ndim - 1) if ndim else (-1, 0)
    return IndexError(
        f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})"
    )


def _strides_like_torch(array: np.ndarray) -> tuple[int, ...]:
    """Strides where some are free: NumPy and PyTorch choose differently for lengths 0 and 1."""
    if type(array) is MetaArray or array.flags.c_contiguous:
        return contiguous_strides(array.shape)
    return tuple(s // array.dtype.itemsize for s in array.strides)


def memory_of(array: np.ndarray) -> tuple[np.ndarray, int]:
    """The whole memory of which ``array`` is a part, in one dimension, and where the array starts in it."""
    owner = owner_of(array)
    item = owner.dtype.itemsize
    last = sum([(n - 1) * s for n, s in zip(owner.shape, owner.strides)]) // item
    flat = np.lib.stride_tricks.as_strided(owner, (last + 1 if owner.size else 0,), (item,))
    if owner.dtype != array.dtype:
        whole = flat.size * item // array.dtype.itemsize * array.dtype.itemsize // item
        flat = flat[:whole].view(array.dtype)
    return flat, (address(array) - address(owner)) // array.dtype.itemsize


def _copy_of_memory(x: Tensor, memo: dict) -> Any:
    """A copy of the values in which tensors of one memory, copied with one ``memo``, share memory again."""
    if type(x._array) is MetaArray:
        return x._array
    array = values_of(x)
    owner = owner_of(array)
    copied = memo.get(("memory", id(owner)))
    if copied is None:
        copied = memo["memory", id(owner)] = owner.copy(order="K")
        # As long as the memo lives, no other array may get the owner's id.
        memo.setdefault("owners", []).append(owner)
    if array is owner:
        return copied
    if copied.strides != owner.strides:
        return array.copy(order="K")
    memory, offset = memory_of(array)
    flat = memory_of(copied)[0].view(memory.dtype)
    return np.lib.stride_tricks.as_strided(flat[offset:], array.shape, array.strides)
