"""How tensors go to other processes: as handles to shared memory."""

from __future__ import annotations

import sys
from multiprocessing import context, process, util
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from ..autograd.graph import AccumulateGrad
from ..backend import shared_memory
from ..dtypes import dtype
from ..sharing import share, shared_copy
from ..tensor import MetaArray, Tensor, address, owner_of, values_of, wrap

# Up to here, bytes in a pipe are faster than memory that must be opened.
SMALL = 4096


def reduce_tensor(x: Tensor) -> tuple:
    """What the pickler of processes writes for a tensor.

    The values of a shared tensor stay where they are, and both sides write to the same memory. Another
    tensor is moved into shared memory first, or copied where NumPy arrays or tensors beside it use its
    memory; a small one that goes through a pipe or queue is sent by value.

    Raises:
        RuntimeError: the tensor was computed, and a gradient flows to it.
    """
    if x.requires_grad and not x.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not "
            "support crossing process boundaries. If you just want to transfer the data, call detach() "
            "on the tensor before serializing (e.g., putting it on the queue)."
        )
    common = (type(x), x.requires_grad, x.__dict__ or None)
    if type(x._array) is MetaArray:
        return rebuild_meta, (*common, tuple(x.shape), x.dtype)
    array = values_of(x)
    if shared_memory.block_of(owner_of(array)) is None:
        if array.nbytes <= SMALL and context.get_spawning_popen() is None:
            return rebuild_small, (*common, array.tobytes(), *described(x))
        del array
        if _is_alone(x):
            share(x)
            array = x._array
        else:
            array = shared_copy(x._array)
    block = owner_of(array)
    offset = address(array) - address(block) if array.size else 0
    handle = shared_memory.send(block)
    return rebuild_tensor, (*common, handle, offset, array.strides, *described(x))


def described(x: Tensor) -> tuple[tuple[int, ...], dtype]:
    """The shape and the dtype."""
    return tuple(x._array.shape), x.dtype


def _is_alone(x: Tensor) -> bool:
    """Whether nothing but ``x`` refers to its array and to the memory of it."""
    if x._view is not None or _references(x) > _ALONE:
        return False
    base = x._array.base
    # Those of the array, of this function, and of the call.
    return base is None or (type(base) is np.ndarray and sys.getrefcount(base) <= 3)


def _references(x: Tensor) -> int:
    return sys.getrefcount(x._array)


_ALONE = _references(wrap(np.empty(1)))


def rebuild_tensor(
    cls: type,
    requires_grad: bool,
    attributes: dict | None,
    handle: shared_memory.Handle,
    offset: int,
    strides: tuple[int, ...],
    shape: tuple[int, ...],
    kind: dtype,
) -> Tensor:
    """A tensor over the shared memory of one in another process."""
    block = shared_memory.receive(handle)
    return made(
        np.ndarray(shape, kind.numpy, block, offset, strides), cls, requires_grad, attributes
    )


def rebuild_small(
    cls: type,
    requires_grad: bool,
    attributes: dict | None,
    values: bytes,
    shape: tuple[int, ...],
    kind: dtype,
) -> Tensor:
    """A tensor of values that came with it."""
    array = np.frombuffer(values, kind.numpy).reshape(shape).copy()
    return made(array, cls, requires_grad, attributes)


def rebuild_meta(
    cls: type, requires_grad: bool, attributes: dict | None, shape: tuple[int, ...], kind: dtype
) -> Tensor:
    """A tensor without values."""
    return made(MetaArray(shape, kind.numpy), cls, requires_grad, attributes)


def made(array: Any, cls: type, requires_grad: bool, attributes: dict | None) -> Tensor:
    """A leaf of a class, with the attributes it had."""
    out = wrap(array, cls)
    if requires_grad:
        out._node = AccumulateGrad(out)
    if attributes:
        out.__dict__.update(attributes)
    return out


def register(cls: type) -> None:
    """Lets the pickler of processes send tensors of a class, unless the class pickles in a way of its own."""
    if cls.__reduce_ex__ is Tensor.__reduce_ex__ and cls.__reduce__ is object.__reduce__:
        ForkingPickler.register(cls, reduce_tensor)


def _register_subclass(cls: type, **options: Any) -> None:
    super(Tensor, cls).__init_subclass__(**options)
    register(cls)


def _leave() -> None:
    shared_memory.leave(to_parent=process.parent_process() is not None)


def _leave_at_exit(_: Any = None) -> None:
    # After the threads of queues have sent what was put into them, at priority -5.
    util.Finalize(None, _leave, exitpriority=-100)


def init_reductions() -> None:
    """Lets the pickler of processes send tensors, of classes made so far and later."""

    def register_all(cls: type) -> None:
        register(cls)
        for sub in cls.__subclasses__():
            register_all(sub)

    register_all(Tensor)
    Tensor.__init_subclass__ = classmethod(_register_subclass)
    shared_memory.sweep()
    _leave_at_exit()
    util.register_after_fork(shared_memory, _leave_at_exit)
