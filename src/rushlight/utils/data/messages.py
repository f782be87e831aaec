"""Messages between a loader and its workers: through sockets, with the values in shared blocks.

A message is a kind, the number of a task, and an object. Its pickled form goes through the socket, or
through a block where it is long, so that a socket takes many messages before it is full. The arrays and
tensors in it are blocks: those that `placing.empty` gave stay where they are, others are copied there.
"""

from __future__ import annotations

import io
import pickle
import socket
import struct
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from ...backend import shared_memory
from ...multiprocessing import reductions
from ...tensor import MetaArray, Tensor, address, owner_of, values_of
from .placing import SMALL

# From the loader: read this index; begin to read the dataset anew.
TASK, AGAIN = range(2)
# From a worker: the batch; no more samples; an error; a batch that could not be sent.
BATCH, END, ERROR = range(3)

_IN_BLOCK = 128
_HEAD = struct.Struct("<Bq")
LONGEST = 32768

# A block has a file descriptor, so a message gets no more than this many of its own for arrays that
# were not collated; the rest share blocks of at least this size.
OWN_BLOCKS = 8
SHARED_BLOCK = 4 << 20
# Where an array begins in a block that it shares: a line of the processor's cache.
ALIGNMENT = 64


class Message:
    """What arrived.

    Attributes:
        kind: one of the constants above.
        number: the number of the task.
        content: the object.
        error: what went wrong when the object was rebuilt; None if nothing did.
    """

    __slots__ = ("kind", "number", "content", "error")

    def __init__(self, kind: int, number: int, content: Any, error: Exception | None):
        self.kind = kind
        self.number = number
        self.content = content
        self.error = error


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets; a message is received as a whole or not at all."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def packed(
    kind: int, number: int, content: Any, handles: list[shared_memory.Handle] | None = None
) -> bytes:
    """A message as bytes, to be received once.

    Args:
        handles: gets the handles to blocks that the message has.

    Raises:
        Exception: the object cannot be pickled.
    """
    file = io.BytesIO()
    file.write(_HEAD.pack(kind, number))
    handles = [] if handles is None else handles
    try:
        _Pickler(file, handles).dump(content)
        if file.tell() <= LONGEST:
            return file.getvalue()
        values = file.getbuffer()[_HEAD.size :]
        block = shared_memory.allocate(len(values))
        block[:] = values
        handles.append(shared_memory.send(block))
    except BaseException:
        for handle in handles:
            shared_memory.withdraw(handle)
        raise
    return _HEAD.pack(kind | _IN_BLOCK, number) + pickle.dumps(tuple(handles[-1]))


def unpacked(data: Any) -> Message:
    """The message in received bytes."""
    kind, number = _HEAD.unpack_from(data)
    content, error = None, None
    values = data[_HEAD.size :]
    try:
        if kind & _IN_BLOCK:
            values = shared_memory.receive(shared_memory.Handle(*pickle.loads(values)))
        content = pickle.loads(values)
    except Exception as caught:
        error = caught
    return Message(kind & ~_IN_BLOCK, number, content, error)


class Receiver:
    """Receives messages from a socket."""

    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._view = memoryview(bytearray(_HEAD.size + LONGEST))

    def receive(self, wait: bool) -> Message | None:
        """The next message; None if none is there yet.

        Raises:
            EOFError: the other end is closed.
        """
        try:
            n = self._socket.recv_into(self._view, 0, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionError:
            n = 0
        if n == 0:
            raise EOFError
        return unpacked(self._view[:n])


class _Block:
    """A block that arrays of a message share; the other side has the block's bytes in its place."""

    def __init__(self, array: np.ndarray):
        self.array = array
        self.used = 0


class _Pickler(ForkingPickler):
    """Pickles arrays and tensors as places in shared blocks."""

    def __init__(self, file: io.BytesIO, handles: list[shared_memory.Handle]):
        super().__init__(file, 5)
        self._handles = handles
        self._blocks: list[_Block] = []
        self._shared: _Block | None = None

    def reducer_override(self, x: Any) -> Any:
        kind = type(x)
        if kind is np.ndarray:
            return self._array(x)
        if kind is _Block:
            handle = shared_memory.send(x.array)
            self._handles.append(handle)
            return _received, tuple(handle)
        if kind is Tensor or _is_sent_as_memory(kind):
            return self._tensor(x)
        return NotImplemented

    def _array(self, x: np.ndarray) -> Any:
        # Other kinds have a dtype that is not known by a few letters, or are no memory.
        if x.nbytes <= SMALL or x.dtype.kind not in "biufc":
            return NotImplemented
        return _array_in, (*self._placed(x), x.shape, x.dtype.str)

    def _tensor(self, x: Tensor) -> Any:
        if type(x._array) is MetaArray or (x.requires_grad and not x.is_leaf):
            return reductions.reduce_tensor(x)
        array = values_of(x)
        if array.nbytes <= SMALL:
            return reductions.reduce_tensor(x)
        shape, dtype = reductions.described(x)
        common = (type(x), x.requires_grad, x.__dict__ or None)
        return _tensor_in, (*common, *self._placed(array), shape, dtype)

    def _placed(self, x: np.ndarray) -> tuple[_Block, int, tuple[int, ...]]:
        """The block in which the values of ``x`` are, where they begin, and the strides."""
        owner = owner_of(x)
        known = shared_memory.block_of(owner)
        if known is not None:
            block = _Block(owner)
            self._blocks.append(block)
            return block, address(x) - address(owner), x.strides
        strides = _dense_strides(x)
        block, begin = self._room_for(x.nbytes)
        np.ndarray(x.shape, x.dtype, block.array, begin, strides)[...] = x
        return block, begin, strides

    def _room_for(self, nbytes: int) -> tuple[_Block, int]:
        if len(self._blocks) < OWN_BLOCKS:
            self._blocks.append(_Block(shared_memory.allocate(nbytes)))
            return self._blocks[-1], 0
        block = self._shared
        begin = 0 if block is None else -(-block.used // ALIGNMENT) * ALIGNMENT
        if block is None or begin + nbytes > len(block.array):
            block, begin = _Block(shared_memory.allocate(max(nbytes, SHARED_BLOCK))), 0
            self._shared = block
        block.used = begin + nbytes
        return block, begin


def _is_sent_as_memory(kind: type) -> bool:
    return ForkingPickler._extra_reducers.get(kind) is reductions.reduce_tensor


def _dense_strides(x: np.ndarray) -> tuple[int, ...]:
    """The strides of a copy of ``x`` that has its order of memory and no gaps."""
    strides, step = [0] * x.ndim, x.itemsize
    # By stride, and where they are equal (of length 1, or repeated) the last dimension first.
    for axis in sorted(range(x.ndim), key=lambda k: (abs(x.strides[k]), -k)):
        strides[axis] = step
        step *= x.shape[axis]
    return tuple(strides)


def _received(*handle: int) -> np.ndarray:
    return shared_memory.receive(shared_memory.Handle(*handle))


def _array_in(
    block: np.ndarray, offset: int, strides: tuple[int, ...], shape: tuple[int, ...], dtype: str
) -> np.ndarray:
    return np.ndarray(shape, dtype, block, offset, strides)


def _tensor_in(
    cls: type,
    requires_grad: bool,
    attributes: dict | None,
    block: np.ndarray,
    offset: int,
    strides: tuple[int, ...],
    shape: tuple[int, ...],
    dtype: Any,
) -> Tensor:
    array = np.ndarray(shape, dtype.numpy, block, offset, strides)
    return reductions.made(array, cls, requires_grad, attributes)
