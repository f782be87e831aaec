"""Blocks of shared memory: given out, sent, received, used again, left behind."""

import ast
import gc
import os
import resource
import signal

import numpy as np
import pytest

from rushlight.backend import shared_memory as shared
from rushlight.backend.native import extension


@pytest.fixture(autouse=True)
def clean():
    shared.trim()
    yield
    gc.collect()
    shared.trim()


def in_child(run):
    """Forks, runs, and says what came of it; the child ends without cleaning up."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = repr(run())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read()
    os.waitpid(pid, 0)
    return answer


def open_files():
    return len(os.listdir("/proc/self/fd"))


def test_a_block_is_bytes():
    x = shared.allocate(1000)
    assert (x.dtype, x.shape, x.flags.writeable) == (np.uint8, (1000,), True)
    assert x.ctypes.data % 4096 == 0
    assert shared.block_of(x).nbytes == 1000


def test_views_keep_it():
    x = shared.allocate(1000)
    view = x[8:].view(np.float32).reshape(2, -1)[1]
    token = shared.block_of(x).token
    del x
    assert token in shared._used
    assert shared.block_of(view.base).token == token
    del view
    assert token not in shared._used


def test_no_block():
    assert shared.block_of(np.zeros(3)) is None
    with pytest.raises(ValueError, match="no block of shared memory"):
        shared.send(np.zeros(3))


def test_it_is_given_out_again():
    x = shared.allocate(100_000)
    x.fill(7)
    place = x.ctypes.data
    del x
    y = shared.allocate(99_000)
    assert y.ctypes.data == place
    assert shared.allocate(99_000).ctypes.data != place


def test_not_while_a_handle_is_on_its_way():
    x = shared.allocate(1000)
    x.fill(7)
    handle, place = shared.send(x), x.ctypes.data
    del x
    other = shared.allocate(1000)
    other.fill(8)
    assert other.ctypes.data != place
    x = shared.receive(handle)
    assert x.ctypes.data == place
    assert (x == 7).all()


def test_not_while_another_process_holds_it():
    x = shared.allocate(1000)
    block, place = shared.block_of(x), x.ctypes.data
    block.counts[shared.HELD] = 1
    del x
    other = shared.allocate(1000)
    block.counts[shared.HELD] = 0
    x = shared.allocate(1000)
    assert (other.ctypes.data == place, x.ctypes.data == place) == (False, True)


def as_if_by_another_process(run):
    """Runs without this process' own knowledge of its blocks."""
    hidden = [dict(known) for known in (shared._used, shared._by_array, shared._idle)]
    for known in (shared._used, shared._by_array, shared._idle):
        known.clear()
    try:
        return run()
    finally:
        for known, before in zip((shared._used, shared._by_array, shared._idle), hidden):
            known.update(before)


def test_another_process_sees_the_same_memory():
    x = shared.allocate(1000)
    x.fill(1)
    handle = shared.send(x)

    def other():
        y = as_if_by_another_process(lambda: shared.receive(handle))
        y[0] = 9
        return int(y.sum()), int(shared.block_of(y).counts[shared.HELD])

    assert in_child(other) == "(1008, 1)"
    assert x[0] == 9
    assert shared.block_of(x).counts[shared.SENT] == 0


def test_what_was_received_stays_mapped():
    x = shared.allocate(1000)
    handles = [shared.send(x), shared.send(x)]
    counts = shared.block_of(x).counts

    def other():
        y = as_if_by_another_process(lambda: shared.receive(handles[0]))
        place = y.ctypes.data
        held = [int(counts[shared.HELD])]
        del y
        held.append(int(counts[shared.HELD]))
        files = open_files()
        y = as_if_by_another_process(lambda: shared.receive(handles[1]))
        return y.ctypes.data == place, held, open_files() - files

    assert in_child(other) == "(True, [1, 0], 0)"
    assert counts[shared.SENT] == 0


def test_a_received_block_keeps_no_file_open():
    arrays = [shared.allocate(100) for _ in range(20)]
    handles = [shared.send(x) for x in arrays]

    def other():
        before = open_files()
        received = as_if_by_another_process(lambda: [shared.receive(h) for h in handles])
        return len(received), open_files() - before

    assert in_child(other) == "(20, 0)"


def test_a_handle_of_an_earlier_turn_is_refused():
    x = shared.allocate(1000)
    handle = shared.send(x)
    shared.receive(handle)
    del x
    x = shared.allocate(1000)
    with pytest.raises(FileNotFoundError, match="received twice"):
        shared.receive(handle)
    assert shared.block_of(x).counts[shared.SENT] == 0


def test_a_second_receipt_does_not_count():
    x = shared.allocate(1000)
    handle = shared.send(x)
    shared.receive(handle)
    shared.receive(handle)
    assert shared.block_of(x).counts[shared.SENT] == 0


@pytest.mark.parametrize(
    "change", [{"token": 5}, {"fd": 9999}, {"size": 1 << 30}, {"pid": 1 << 22}]
)
def test_a_wrong_handle(change):
    x = shared.allocate(1000)
    handle = shared.send(x)._replace(**change)
    with pytest.raises(FileNotFoundError, match=f"process {handle.pid} sent is gone"):
        as_if_by_another_process(lambda: shared.receive(handle))
    shared.block_of(x).counts[shared.SENT] = 0


def test_a_block_that_a_child_uses_is_never_given_out_again():
    x = shared.allocate(1000)
    place = x.ctypes.data
    in_child(lambda: 0)
    files = open_files()
    del x
    assert open_files() == files - 1
    assert shared.allocate(1000).ctypes.data != place or not shared._idle


def test_a_child_has_no_part_in_its_parents_free_blocks():
    x = shared.allocate(1000)
    place = x.ctypes.data
    del x

    def child():
        mine = shared.allocate(1000)
        mine.fill(5)
        return len(shared._idle), shared.block_of(mine).pid == os.getpid()

    assert in_child(child) == "(0, True)"
    x = shared.allocate(1000)
    assert (x.ctypes.data == place, int(x.max())) == (True, 0)


def test_a_child_can_send_what_it_inherited():
    x = shared.allocate(1000)
    sent = in_child(lambda: (shared.send(x).pid == os.getpid(), shared.send(x).nbytes))
    assert sent == "(True, 1000)"
    shared.block_of(x).counts[shared.SENT] = 0


def test_a_killed_process_leaves_nothing():
    before = set(os.listdir("/dev/shm"))
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        x = shared.allocate(1 << 20)
        x.fill(1)
        shared.send(x)
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    assert set(os.listdir("/dev/shm")) == before


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(shared, "KEPT_BLOCKS", 3)
    before = open_files()
    arrays = [shared.allocate(100) for _ in range(5)]
    assert open_files() == before + 5
    del arrays
    assert (len(shared._idle), open_files()) == (3, before + 3)
    shared.trim()
    assert (len(shared._idle), open_files()) == (0, before)


def test_bytes_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(shared, "KEPT_BYTES", 100_000)
    arrays = [shared.allocate(60_000), shared.allocate(60_000)]
    newest = shared.block_of(arrays[1]).token
    while arrays:
        arrays.pop(0)
    assert list(shared._idle) == [newest]


def test_what_is_on_its_way_is_not_given_up():
    x = shared.allocate(1000)
    handle = shared.send(x)
    del x
    shared.trim()
    assert shared.receive(handle).size == 1000


def test_what_was_sent_outlives_the_sender():
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        x = shared.allocate(1000)
        x.fill(6)
        os.write(writer, repr(tuple(shared.send(x))).encode())
        shared.leave(to_parent=True)
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as file:
        handle = shared.Handle(*ast.literal_eval(file.read()))
    path = shared._left_behind(os.getpid(), handle.token)
    assert os.stat(path).st_mode & 0o777 == 0o600
    x = shared.receive(handle)
    assert (x == 6).all()
    assert not os.path.exists(path)


def test_what_nobody_takes_is_removed():
    mine = shared._left_behind(os.getpid(), 1)
    dead = in_child(lambda: os.getpid())
    theirs = shared._left_behind(int(dead), 1)
    other = shared._left_behind(os.getppid(), 1)
    for path in (mine, theirs, other):
        open(path, "w").close()
    shared.sweep()
    assert [os.path.exists(p) for p in (mine, theirs, other)] == [True, False, True]
    os.unlink(other)
    # At the end of this process; what it still uses must not be forgotten for that.
    as_if_by_another_process(shared.leave)
    assert not os.path.exists(mine)


def test_the_usual_number_of_files_is_no_limit():
    def child():
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files() + 10, most))
        return len([shared.allocate(100) for _ in range(50)])

    assert in_child(child) == "50"


def test_mapping_checks_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"123")
    with open(path, "r+b") as file:
        assert extension.map_shared(file.fileno(), 3).tobytes() == b"123"
        with pytest.raises(ValueError, match="has not the 4 bytes"):
            extension.map_shared(file.fileno(), 4)
        with pytest.raises(ValueError, match="has not the 0 bytes"):
            extension.map_shared(file.fileno(), 0)
    with pytest.raises(OSError, match="map_shared: fd 9999"):
        extension.map_shared(9999, 4)


def test_a_block_cannot_be_made_shorter():
    x = shared.allocate(1000)
    with pytest.raises(PermissionError):
        os.ftruncate(shared.block_of(x).fd, 0)


def test_atomic_add():
    counts = np.zeros(3, np.int64)
    assert [extension.atomic_add(counts, 2, n) for n in (1, 5, -2)] == [1, 6, 4]
    assert counts.tolist() == [0, 0, 4]
    with pytest.raises(IndexError, match="index 3 is outside an array of 3"):
        extension.atomic_add(counts, 3, 1)
    with pytest.raises(TypeError):
        extension.atomic_add(np.zeros(3, np.int32), 0, 1)
    counts.flags.writeable = False
    with pytest.raises(ValueError):
        extension.atomic_add(counts, 0, 1)
