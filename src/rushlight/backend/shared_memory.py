"""Blocks of memory that several processes see.

A block is a file without a name (`memfd_create`), mapped by every process that uses it. The system frees it
when the last of them unmaps it or dies, however it dies, so nothing is left behind, and nothing but the
machine's memory limits it.

The process that made a block is its owner. Others open it by its handle, through the owner's file
descriptor under ``/proc``. The block begins with counts, which all processes change atomically:

- TOKEN: a random number, by which a handle knows its block;
- TURN: how often the owner has given the block out before, so that a handle of an earlier turn is refused;
- SENT: the handles that are on their way;
- HELD: the other processes whose arrays lie in it;
- RETIRED: 1 from when the owner uses it no more.

Fresh pages cost many times what writing into used ones does. Hence an owner whose arrays are gone keeps the
block until SENT and HELD are 0, and then gives it out again; and a process that received a block keeps it
mapped for the next time it comes. A process that is killed leaves its counts behind: the block is then
never given out again, and goes when its owner does or needs the room.

A child made by fork has its parent's arrays. In the blocks of others it is counted like its parent; those of
the parent itself it uses without being counted, so if they have arrays at a fork they are never given out
again.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import resource
import weakref
from typing import NamedTuple

import numpy as np

from .native import extension

TOKEN, TURN, SENT, HELD, RETIRED = range(5)
# The counts have a page of their own, so that arrays begin where a page does.
HEADER = 4096
# What is kept for later use, of a process' own blocks as of received ones.
KEPT_BLOCKS = 64
KEPT_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 16


class Handle(NamedTuple):
    """What another process needs to open a block.

    Attributes:
        token: the number by which the block is known.
        turn: for which turn of the block the handle is.
        nbytes: how many bytes of it are in use.
        size: the bytes of the whole file.
        pid: a process that has the file open, and
        fd: under which number.
        keeper: the parent of the sender; it tidies up what nobody took (see `leave`).
    """

    token: int
    turn: int
    nbytes: int
    size: int
    pid: int
    fd: int
    keeper: int


class Block:
    """One mapping of a block in this process.

    Attributes:
        memory: all bytes; they are unmapped with this and the arrays over it.
        counts: the shared counts.
        nbytes: how many bytes are in use.
        array: weakly, the array over the bytes in use, of which all others are views.
        key: the id of that array.
        own: whether ``fd`` is this process' own.
        maker: the process that made the block.
        counted: whether the counts say all about who uses it; not so after a fork.
    """

    __slots__ = (
        "token", "memory", "counts", "size", "pid", "fd", "nbytes", "array", "key", "own", "maker", "counted",
    )  # fmt: skip

    def __init__(self, token: int, memory: np.ndarray, pid: int, fd: int, own: bool):
        self.token = token
        # A buffer and not the array: views of an array over an array would be views of the latter.
        self.memory = memoryview(memory)
        self.counts = np.frombuffer(self.memory, np.int64, 8)
        self.size = memory.size
        self.pid = self.maker = pid
        self.fd = fd
        self.own = own
        self.nbytes = self.key = 0
        self.array: weakref.ref | None = None
        self.counted = True

    def use(self, nbytes: int) -> np.ndarray:
        """An array over the first ``nbytes`` bytes; when it and its views are gone, so is this use."""
        array = np.frombuffer(self.memory, np.uint8, nbytes, HEADER)
        self.nbytes = nbytes
        self.key = id(array)
        self.array = weakref.ref(array, lambda _: _release(self))
        _used[self.token] = _by_array[self.key] = self
        return array

    def close(self) -> None:
        """Gives up the file; the memory goes with the last array."""
        if self.own:
            if self.maker == os.getpid():
                self.counts[RETIRED] = 1
            os.close(self.fd)
            self.own = False


# Plain dictionaries, of which single calls are atomic: arrays may go at any moment, in any thread.
# Blocks with arrays, by token and by the array's id; this process' own without arrays, the oldest first;
# those of others, likewise.
_used: dict[int, Block] = {}
_by_array: dict[int, Block] = {}
_idle: dict[int, Block] = {}
_received: dict[int, Block] = {}


def allocate(nbytes: int) -> np.ndarray:
    """A block of shared memory, as an array of bytes with any values.

    It lives until the array and its views are gone, here and in every process that received it.

    Raises:
        OSError: there is no memory, or no file descriptor, left.
    """
    size = _size_for(nbytes)
    for block in reversed(list(_idle.values())):
        if block.size != size or not block.counted or block.counts[SENT] or block.counts[HELD]:
            continue
        if _idle.pop(block.token, None) is not None:
            block.counts[TURN] += 1
            return block.use(nbytes)
    try:
        block = _new_block(size)
    except OSError:
        trim()
        _allow_more_files()
        block = _new_block(size)
    return block.use(nbytes)


def _size_for(nbytes: int) -> int:
    # Few different sizes, so that blocks fit again; pages that nobody writes to cost nothing.
    step = max(4096, 1 << max(0, nbytes.bit_length() - 3))
    return HEADER + max(1, -(-nbytes // step)) * step


def _new_block(size: int) -> Block:
    fd = os.memfd_create("rushlight", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        # In a file that got shorter, a process would be killed where it reads.
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        memory = extension.map_shared(fd, size)
    except BaseException:
        os.close(fd)
        raise
    token = int.from_bytes(os.urandom(7), "little") + 1
    block = Block(token, memory, os.getpid(), fd, own=True)
    block.counts[TOKEN] = token
    return block


def _allow_more_files() -> None:
    # The usual limit suits programs that wait for files one by one; a model may have more parameters.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def block_of(array: np.ndarray) -> Block | None:
    """The block whose memory ``array`` is, if it is what `allocate` or `receive` gave."""
    return _by_array.get(id(array))


def send(array: np.ndarray) -> Handle:
    """A handle to the block of ``array``, to be received once; until then the block stays as it is.

    Raises:
        ValueError: ``array`` is not what `allocate` or `receive` gave.
    """
    block = block_of(array)
    if block is None:
        raise ValueError("send: the array is no block of shared memory; make one with allocate()")
    extension.atomic_add(block.counts, SENT, 1)
    turn, keeper = int(block.counts[TURN]), os.getppid()
    return Handle(block.token, turn, block.nbytes, block.size, block.pid, block.fd, keeper)


def withdraw(handle: Handle) -> None:
    """Takes a handle back that nobody will receive any more; one that was received stays so."""
    block = _used.get(handle.token) or _idle.get(handle.token)
    if block is not None and block.counts[TURN] == handle.turn:
        if extension.atomic_add(block.counts, SENT, -1) < 0:
            extension.atomic_add(block.counts, SENT, 1)


def receive(handle: Handle) -> np.ndarray:
    """The bytes of a block that was sent: the same memory.

    Raises:
        FileNotFoundError: it is gone, because its sender is, or because it was received before.
    """
    block = _used.get(handle.token)
    array = None if block is None else block.array()
    if array is None:
        block = _idle.pop(handle.token, None) or _received.pop(handle.token, None) or _open(handle)
        if not block.own:
            # Before the handle is counted off, or the owner might see neither.
            extension.atomic_add(block.counts, HELD, 1)
        array = block.use(handle.nbytes)
    if block.counts[TURN] != handle.turn:
        raise FileNotFoundError(_gone(handle))
    if extension.atomic_add(block.counts, SENT, -1) < 0:
        extension.atomic_add(block.counts, SENT, 1)
    return array


def _open(handle: Handle) -> Block:
    forget_retired()
    left = _left_behind(handle.keeper, handle.token)
    for path in (f"/proc/{handle.pid}/fd/{handle.fd}", left):
        block = _map(path, handle)
        if block is not None:
            if path is left and block.counts[SENT] == 1:
                os.unlink(path)
            return block
    raise FileNotFoundError(_gone(handle))


def _map(path: str, handle: Handle) -> Block | None:
    """The block in a file; None where the file is gone, or is another by now."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        memory = extension.map_shared(fd, handle.size)
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)
    block = Block(handle.token, memory, handle.pid, handle.fd, own=False)
    return block if block.counts[TOKEN] == handle.token else None


def _alive(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def _gone(handle: Handle) -> str:
    return (
        f"the shared memory of a tensor that process {handle.pid} sent is gone: the process was "
        "killed before it was received, or what was sent once is being received twice"
    )


def _release(block: Block) -> None:
    """The arrays in a block are gone. This runs at any moment, between any two instructions."""
    _used.pop(block.token, None)
    _by_array.pop(block.key, None)
    block.array = None
    if block.own:
        _idle[block.token] = block
        _trim(_idle, KEPT_BLOCKS, KEPT_BYTES)
    elif block.counted:
        if not block.counts[RETIRED]:
            _received[block.token] = block
        extension.atomic_add(block.counts, HELD, -1)
        _trim(_received, KEPT_BLOCKS, KEPT_BYTES)


def _trim(blocks: dict[int, Block], most: int, most_bytes: int) -> None:
    kept = list(blocks.values())
    count, total = len(kept), sum([block.size for block in kept])
    for block in kept:
        useless = not block.counted
        if not useless and count <= most and total <= most_bytes:
            continue
        # A block that is on its way can only be opened while its file is.
        if (block.own and block.counts[SENT]) or blocks.pop(block.token, None) is None:
            continue
        block.close()
        count -= 1
        total -= block.size


def forget_retired() -> None:
    """Gives back received blocks that will not come again, because their owner uses them no more."""
    for kept in list(_received.values()):
        if kept.counts[RETIRED] or not _alive(kept.maker):
            _received.pop(kept.token, None)


def retire(pid: int) -> None:
    """Says of a process that has ended that it uses its blocks no more; a killed one could not say so."""
    for block in [*_used.values(), *_received.values()]:
        if block.maker == pid and not block.own:
            block.counts[RETIRED] = 1
    forget_retired()


def trim() -> None:
    """Gives back to the system what is only kept for later use."""
    _trim(_idle, 0, 0)
    _received.clear()


# ---- ends of processes
#
# What a process sent must outlive it: many a worker puts its result into a queue and ends. `leave` copies
# what is still on its way to files with names, and the receiver looks there as well. The parent removes
# at its own end what nobody took; a later program, what a parent that was killed left.

_FOLDER = "/dev/shm" if os.path.isdir("/dev/shm") else "/tmp"
_PREFIX = "rushlight-"


def _left_behind(keeper: int, token: int) -> str:
    return f"{_FOLDER}/{_PREFIX}{keeper}-{token:x}"


def leave(to_parent: bool = False) -> None:
    """Ends this process' use of all blocks; no array in a block may be used any more.

    Args:
        to_parent: leave behind what is on its way, for a parent that tidies up.
    """
    for block in [*_used.values(), *_idle.values()]:
        if block.own and block.maker == os.getpid():
            if to_parent and block.counts[SENT] > 0:
                _leave_behind(block)
            block.counts[RETIRED] = 1
        elif not block.own and block.counted and block.array is not None:
            extension.atomic_add(block.counts, HELD, -1)
        # Without the reference there is no call back while the interpreter goes down.
        block.array = None
    for name in _files():
        if _keeper_of(name) == os.getpid():
            _remove(name)
    for blocks in (_used, _by_array, _idle, _received):
        blocks.clear()


def _leave_behind(block: Block) -> None:
    path = _left_behind(os.getppid(), block.token)
    try:
        with open(path + ".part", "xb", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(block.memory[: HEADER + block.nbytes])
            file.truncate(block.size)
        os.rename(path + ".part", path)
    except OSError:
        _remove(os.path.basename(path) + ".part")


def sweep() -> None:
    """Removes what processes whose parents were killed left behind."""
    for name in _files():
        if not _alive(_keeper_of(name)):
            _remove(name)


def _files() -> list[str]:
    try:
        return [n for n in os.listdir(_FOLDER) if n.startswith(_PREFIX) and _keeper_of(n)]
    except OSError:
        return []


def _keeper_of(name: str) -> int:
    keeper = name[len(_PREFIX) :].partition("-")[0]
    return int(keeper) if keeper.isdigit() else 0


def _remove(name: str) -> None:
    try:
        os.unlink(f"{_FOLDER}/{name}")
    except OSError:
        pass


def _before_fork() -> None:
    for block in list(_used.values()):
        if block.own:
            block.counted = False
        elif block.counted:
            extension.atomic_add(block.counts, HELD, 1)


def _after_fork_in_child() -> None:
    for block in list(_idle.values()):
        os.close(block.fd)
    _idle.clear()
    _received.clear()
    for block in list(_used.values()):
        if block.own:
            # The descriptor is the child's, too, and outlives the parent's.
            block.pid = os.getpid()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
atexit.register(leave)
