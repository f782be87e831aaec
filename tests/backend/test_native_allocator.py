"""The recycling of large NumPy buffers."""

import contextvars
import gc
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy._core.multiarray import get_handler_name

from rushlight import _native

BIG = 1 << 18  # floats: a megabyte


@pytest.fixture
def recycling():
    """The hook, in this context, with an empty cache; all as before afterwards."""
    before = get_handler_name()
    limit = _native.cache_stats()["limit"]
    _native.install_allocator()
    _native.empty_cache()
    yield
    _native.set_cache_limit(limit)
    restore = {"rushlight": _native.install_allocator}.get(before, _native.uninstall_allocator)
    restore()


def address(a):
    return a.__array_interface__["data"][0]


def test_handler_is_told_apart(recycling):
    assert get_handler_name() == "rushlight"
    assert get_handler_name(np.empty(BIG, np.float32)) == "rushlight"
    _native.uninstall_allocator()
    assert get_handler_name(np.empty(BIG, np.float32)) == "default_allocator"


def test_freed_buffer_is_used_again(recycling):
    a = np.empty(BIG, np.float32)
    place = address(a)
    del a
    assert address(np.empty(BIG, np.float32)) == place


@pytest.mark.parametrize("size", [1 << 14, 20000, 1 << 18, 300001, 1 << 22])
def test_large_buffers_are_aligned(recycling, size):
    arrays = [np.empty(size, np.float32) for _ in range(8)]
    assert all(address(a) % 64 == 0 for a in arrays)
    for i, a in enumerate(arrays):
        a.fill(i)
    assert [a.min() for a in arrays] == [a.max() for a in arrays] == list(range(8))


def test_zeros_are_zero_in_used_buffers(recycling):
    for size in (20000, BIG, 1 << 22):
        np.empty(size, np.float32).fill(7)
        again = np.zeros(size, np.float32)
        assert not again.any()


def test_stats_follow_the_buffers(recycling):
    start = _native.cache_stats()
    a = np.empty(BIG, np.float32)
    live = _native.cache_stats()
    assert live["live_blocks"] == start["live_blocks"] + 1
    assert a.nbytes <= live["live_bytes"] - start["live_bytes"] <= a.nbytes * 9 // 8
    assert live["misses"] == start["misses"] + 1
    del a
    freed = _native.cache_stats()
    assert freed["live_bytes"] == start["live_bytes"]
    assert freed["cached_blocks"] == 1
    a = np.empty(BIG, np.float32)
    a.fill(0)
    again = _native.cache_stats()
    assert again["hits"] == freed["hits"] + 1
    assert again["cached_bytes"] == 0


def test_cache_is_bounded_and_the_oldest_go_first(recycling):
    _native.set_cache_limit(3 << 20)
    arrays = [np.empty(BIG, np.float32) for _ in range(6)]
    places = [address(a) for a in arrays]
    while arrays:
        arrays.pop(0)
    stats = _native.cache_stats()
    assert stats["cached_blocks"] == 3
    assert stats["cached_bytes"] <= 3 << 20
    kept = [np.empty(BIG, np.float32) for _ in range(3)]
    assert {address(a) for a in kept} == set(places[3:])


def test_limit_of_zero_and_empty_cache(recycling):
    del_me = np.empty(BIG, np.float32)
    del del_me
    assert _native.cache_stats()["cached_blocks"] == 1
    _native.empty_cache()
    assert _native.cache_stats()["cached_bytes"] == 0
    _native.set_cache_limit(0)
    del_me = np.empty(BIG, np.float32)
    del del_me
    assert _native.cache_stats()["cached_bytes"] == 0


def test_limit_must_not_be_negative():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        _native.set_cache_limit(-1)


def test_small_buffers_are_not_kept(recycling):
    before = _native.cache_stats()
    arrays = [np.empty(n, np.float32) for n in range(1, 1000)]
    del arrays
    after = _native.cache_stats()
    assert after["live_blocks"] == before["live_blocks"]
    assert after["misses"] == before["misses"]


def test_arrays_outlive_a_change_of_handler(recycling):
    ours = np.arange(BIG, dtype=np.float32)
    _native.uninstall_allocator()
    theirs = np.arange(BIG, dtype=np.float32)
    _native.install_allocator()
    assert (ours == theirs).all()
    live = _native.cache_stats()["live_blocks"]
    del theirs
    assert _native.cache_stats()["live_blocks"] == live
    _native.uninstall_allocator()
    del ours
    assert _native.cache_stats()["live_blocks"] == live - 1


@pytest.mark.parametrize(
    ("start", "end"),
    [(10, BIG), (BIG, 10), (BIG, BIG + 5), (BIG, 4 * BIG), (4 * BIG, BIG), (BIG, 20000), (BIG, 0)],
)
def test_resize_keeps_values(recycling, start, end):
    a = np.arange(start, dtype=np.float32)
    a.resize(end, refcheck=False)
    kept = min(start, end)
    assert (a[:kept] == np.arange(kept)).all()
    assert not a[kept:].any()


def test_array_made_elsewhere_may_grow_here(recycling):
    _native.uninstall_allocator()
    a = np.arange(BIG, dtype=np.float32)
    _native.install_allocator()
    a.resize(4 * BIG, refcheck=False)
    assert (a[:BIG] == np.arange(BIG)).all()


def test_arrays_that_grow_while_they_are_filled(recycling):
    a = np.fromiter((i for i in range(100000)), np.int64)
    assert (a == np.arange(100000)).all()
    b = np.fromstring(" ".join(map(str, range(50000))), np.int64, sep=" ")
    assert (b == np.arange(50000)).all()


def test_arrays_without_elements(recycling):
    for shape in [(0,), (0, 1 << 40), (1 << 20, 0, 1 << 20)]:
        assert np.empty(shape, np.float32).size == 0
        assert np.zeros(shape, np.float32).size == 0
    with pytest.raises((MemoryError, ValueError)):
        np.empty(1 << 60, np.float32)
    with pytest.raises((MemoryError, ValueError)):
        np.zeros(1 << 59, np.float32)


def test_objects_and_strings(recycling):
    objects = np.empty(20000, object)
    assert objects[7] is None
    objects[:] = [str(i) for i in range(20000)]
    assert objects[19999] == "19999"
    assert np.zeros(20000, "U8")[5] == ""


def test_later_threads_take_part_after_their_first_kernel(recycling):
    names = []

    def work():
        names.append(get_handler_name())
        out = np.empty((2, 2), np.float32)
        _native.matmul(out, out, None, out.copy())
        names.append(get_handler_name())
        names.append(get_handler_name(np.empty(BIG, np.float32)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert names == ["default_allocator", "rushlight", "rushlight"]


def test_threads_that_begin_uninstalled_stay_so():
    context = contextvars.Context()
    names = []

    def work():
        _native.uninstall_allocator()
        out = np.empty((2, 2), np.float32)
        _native.matmul(out, out, None, out.copy())
        names.append(get_handler_name())

    thread = threading.Thread(target=context.run, args=(work,))
    installed = get_handler_name() == "rushlight"
    thread.start()
    thread.join()
    assert names == ["default_allocator"]
    restore = {True: _native.install_allocator, False: _native.uninstall_allocator}[installed]
    restore()


def test_many_threads_at_once(recycling):
    wrong = []

    def work(seed):
        _native.install_allocator()
        rng = np.random.default_rng(seed)
        held = []
        for _ in range(300):
            a = np.full(int(rng.integers(1 << 12, 1 << 18)), seed, np.float32)
            held.append(a)
            if len(held) > 5:
                b = held.pop(int(rng.integers(5)))
                wrong.extend([seed] * int((b != seed).any()))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_blocks_return_from_other_threads(recycling):
    live = _native.cache_stats()["live_blocks"]
    held = [np.empty(BIG, np.float32) for _ in range(4)]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    gc.collect()
    assert _native.cache_stats()["live_blocks"] == live


PROGRAM = """
import os
import numpy as np
from rushlight import _native
_native.install_allocator()
kept = np.ones(1 << 20, np.float32)
a = np.ones((300, 300), np.float32)
_native.matmul(a, a, None, np.empty_like(a))
pid = os.fork()
if pid == 0:
    np.ones(1 << 20, np.float32).sum()
    out = np.empty_like(a)
    _native.matmul(a, a, None, out)
    os._exit(0 if (out == 300).all() and _native.get_num_threads() == 1 else 3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print("fine")
"""


def test_fork_and_the_end_of_the_process():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
