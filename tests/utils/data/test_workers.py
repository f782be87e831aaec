"""Loading in worker processes: what comes, from whom, in which order, and in which memory."""

import gc
import multiprocessing
import os
import pickle
import select
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.backend import shared_memory
from rushlight.tensor import owner_of
from rushlight.utils.data import (
    DataLoader,
    TensorDataset,
    default_collate,
    get_worker_info,
    messages,
    workers,
)

sys.path.insert(0, str(Path(__file__).parent))
import loading  # noqa: E402

METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture(autouse=True)
def nothing_stays():
    before = set(os.listdir("/dev/shm"))
    yield
    gc.collect()
    assert [p for p in multiprocessing.active_children() if p.is_alive()] == []
    assert set(os.listdir("/dev/shm")) <= before


def listed(loader):
    return [batch.tolist() for batch in loader]


def block_of(x):
    return shared_memory.block_of(owner_of(x._array))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("persistent", [False, True])
def test_batches_are_those_of_one_process(method, persistent):
    loader = DataLoader(
        loading.Images(),
        4,
        shuffle=True,
        num_workers=2,
        multiprocessing_context=method,
        persistent_workers=persistent,
        generator=torch.Generator().manual_seed(1),
    )
    alone = DataLoader(loading.Images(), 4, True, generator=torch.Generator().manual_seed(1))
    # The seed of the workers is drawn once in their life, that of a pass in one process in each.
    for _ in range(1 if persistent else 2):
        for (x, y), (x0, y0) in zip(loader, alone, strict=True):
            assert torch.equal(x, x0)
            assert y.tolist() == y0.tolist()
            assert (x.is_shared(), y.is_shared()) == (True, False)
            del x


@pytest.mark.parametrize("batch_size", [None, 1, 5, 100])
@pytest.mark.parametrize("number", [1, 2])
def test_tensors(batch_size, number):
    data = TensorDataset(torch.randn(20, 500), torch.arange(20))
    loader = DataLoader(data, batch_size, num_workers=number)
    for (x, y), (x0, y0) in zip(loader, DataLoader(data, batch_size), strict=True):
        assert torch.equal(x, x0)
        assert torch.equal(y, y0)


@pytest.mark.parametrize("index", [[-1, 3], [9, 0, 0]])
def test_tensors_at_any_index(index):
    data = TensorDataset(torch.randn(10, 5000))
    ((x,),) = DataLoader(data, batch_sampler=[index], num_workers=1)
    assert torch.equal(x, data.tensors[0][index])


def test_tensors_out_of_range():
    data = TensorDataset(torch.randn(10, 5000))
    with pytest.raises(IndexError, match="Caught IndexError in DataLoader worker process 0"):
        list(DataLoader(data, batch_sampler=[[1, 10]], num_workers=1))


def test_who_loads():
    loader = DataLoader(loading.Processes(8), 1, num_workers=2, collate_fn=loading.as_list)
    seen = [sample for (sample,) in loader]
    assert [worker for _, worker, _ in seen] == [0, 1] * 4
    assert {threads for _, _, threads in seen} == {1}
    pids = [pid for pid, _, _ in seen]
    assert pids == pids[:2] * 4
    assert os.getpid() not in pids


def test_persistent_workers_stay():
    loader = DataLoader(
        loading.Processes(4), 1, num_workers=2, collate_fn=loading.as_list, persistent_workers=True
    )
    first, second = list(loader), list(loader)
    assert first == second
    assert iter(loader) is iter(loader)
    assert len(multiprocessing.active_children()) == 2
    assert list(DataLoader(loading.Processes(4), num_workers=2)) != first


def test_seeds():
    torch.manual_seed(4)
    expected = torch.Generator().manual_seed(4)
    seed = torch.empty((), dtype=torch.int64).random_(generator=expected).item()
    loader = DataLoader(loading.Draws(4), 1, num_workers=2, collate_fn=loading.as_list)
    first = [sample for (sample,) in loader]
    assert [(n, w, s) for _, w, n, s, *_ in first] == [(2, 0, seed), (2, 1, seed + 1)] * 2
    assert len({draw for _, _, _, _, *draws in first for draw in draws}) == 12
    torch.manual_seed(4)
    assert [sample for (sample,) in loader] == first
    assert [sample for (sample,) in loader] != first


def test_worker_init_fn():
    class Lengths(loading.Images):
        def __getitem__(self, index):
            return self.n

    loader = DataLoader(Lengths(4), num_workers=2, worker_init_fn=loading.note_worker)
    assert listed(loader) == [[100], [101]] * 2
    assert loader.dataset.n == 4
    assert get_worker_info() is None


def test_worker_info():
    class Info(loading.Images):
        def __getitem__(self, index):
            info = get_worker_info()
            with pytest.raises(AttributeError):
                info.id = 3
            return info.dataset is self, repr(info)

    ((same, text),) = DataLoader(Info(1), None, num_workers=1)
    assert same
    assert text.startswith("WorkerInfo(id=0, num_workers=1, seed=")


# ---- order


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize(
    ("batch_size", "drop_last", "expected"),
    [
        (2, False, [[0, 2], [1, 3], [4, 6], [5, 7], [8]]),
        (2, True, [[0, 2], [1, 3], [4, 6], [5, 7]]),
        (5, False, [[0, 2, 4, 6, 8], [1, 3, 5, 7]]),
        (1, False, [[i] for i in range(9)]),
    ],
)
def test_iterable_datasets_are_shared_out(batch_size, drop_last, expected, persistent):
    loader = DataLoader(
        loading.Share(9),
        batch_size,
        num_workers=2,
        drop_last=drop_last,
        persistent_workers=persistent,
    )
    assert listed(loader) == expected
    assert listed(loader) == expected


def test_iterable_datasets_without_batches():
    assert list(DataLoader(loading.Share(5), None, num_workers=2)) == [0, 1, 2, 3, 4]


def test_an_empty_iterable_dataset():
    assert list(DataLoader(loading.Share(0), num_workers=2)) == []


def test_copies_that_are_not_shared_out_are_told():
    class Copies(loading.Share):
        def __iter__(self):
            return iter(range(self.n))

    loader = DataLoader(Copies(4), 2, num_workers=2)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="reported to make 2 .* ask get_worker_info") as caught:
        assert len(list(loader)) == 4
    assert [w.filename for w in caught] == [__file__]


def test_in_order_waits_for_the_slow():
    event = multiprocessing.get_context("fork").Event()
    batches = iter(DataLoader(loading.Waits(event, 6), num_workers=2, in_order=True))
    event.set()
    assert listed(batches) == [[i] for i in range(6)]


def test_out_of_order_does_not():
    event = multiprocessing.get_context("fork").Event()
    batches = iter(DataLoader(loading.Waits(event, 6), num_workers=2, in_order=False))
    seen = [next(batches).item() for _ in range(3)]
    assert 0 not in seen
    event.set()
    assert sorted(seen + [x.item() for x in batches]) == list(range(6))


def test_two_passes_at_once():
    loader = DataLoader(range(3), num_workers=1)
    assert [(a.item(), b.item()) for a in loader for b in loader] == [
        (a, b) for a in range(3) for b in range(3)
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_persistent_pass_left_early(count):
    loader = DataLoader(loading.Images(10), 1, num_workers=2, persistent_workers=True)
    batches = iter(loader)
    for _ in range(count):
        next(batches)
    for _ in range(2):
        assert [y.item() for x, y in loader] == list(range(10))


def test_a_persistent_pass_of_an_iterable_dataset_left_early():
    loader = DataLoader(loading.Share(4), None, num_workers=2, persistent_workers=True)
    for _ in range(3):
        assert next(iter(loader)) == 0
        assert list(loader) == [0, 1, 2, 3]


def test_a_pass_left_early_ends_its_workers():
    for _ in DataLoader(loading.Images(100), num_workers=2):
        assert len(multiprocessing.active_children()) == 2
        break
    gc.collect()
    assert multiprocessing.active_children() == []


def test_an_exhausted_pass_stays_exhausted():
    batches = iter(DataLoader(range(3), num_workers=2))
    assert len(batches) == len(list(batches)) == 3
    with pytest.raises(StopIteration):
        next(batches)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("prefetch", [1, 3, 300])
def test_indices_are_given_out_ahead(prefetch):
    read = []

    def order():
        for i in range(1000):
            read.append(i)
            yield [i]

    loader = DataLoader(range(1000), batch_sampler=order(), num_workers=2, prefetch_factor=prefetch)
    batches = iter(loader)
    assert len(read) == 2 * prefetch
    next(batches)
    assert len(read) == 2 * prefetch + 1


def test_more_messages_than_a_socket_takes():
    class Lengths:
        def __getitem__(self, index):
            return index

        def __len__(self):
            return 100

    order = [chr(97 + i % 26) * 20000 for i in range(100)]
    loader = DataLoader(Lengths(), None, sampler=order, num_workers=2, prefetch_factor=50)
    assert list(loader) == order


def test_no_prefetch_is_refused():
    with pytest.raises(AssertionError, match="prefetch_factor must be greater than 0 .* got 0"):
        iter(DataLoader(range(3), num_workers=1, prefetch_factor=0))


def test_more_workers_than_processors_are_told(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    with pytest.warns(UserWarning, match="will create 2 worker processes in total") as caught:
        DataLoader(range(3), num_workers=2)
    assert [w.filename for w in caught] == [__file__]


# ---- memory


def test_memory_is_used_again():
    loader = DataLoader(loading.Images(60), 2, num_workers=2)
    tokens = set()
    for x, _ in loader:
        tokens.add(block_of(x).token)
        del x
    assert 2 <= len(tokens) <= 10


def test_memory_is_used_again_though_others_fork():
    loader = DataLoader(loading.Images(30), 2, num_workers=2, persistent_workers=True)
    tokens = set()
    for x, _ in loader:
        tokens.add(block_of(x).token)
        assert len(list(DataLoader(range(2), num_workers=1))) == 2
        del x
    assert 2 <= len(tokens) <= 10
    del loader


def test_batches_that_are_kept_stay_as_they_are():
    kept = list(DataLoader(loading.Images(30), 2, num_workers=2))
    assert [x[1, 2, 3, 4].item() for x, _ in kept] == list(range(1, 30, 2))
    assert len({block_of(x).token for x, _ in kept}) == 15


def test_memory_goes_with_the_last_batch():
    def own_blocks():
        maps = Path("/proc/self/maps").read_text().splitlines()
        return len({line.split()[4] for line in maps if "memfd:rushlight" in line})

    gc.collect()
    shared_memory.trim()
    before = own_blocks()
    batches = list(DataLoader(loading.Images(8), 2, num_workers=2))
    assert own_blocks() == before + 4
    batches.clear()
    gc.collect()
    assert own_blocks() == before


def test_what_was_read_ahead_is_not_left_behind():
    before = os.listdir("/dev/shm")
    batches = iter(DataLoader(loading.Images(30), 2, num_workers=2))
    next(batches)
    select.select(batches._workers._sockets, [], [], 60)
    del batches
    gc.collect()
    assert os.listdir("/dev/shm") == before


def test_indices_that_nobody_took_are_taken_back(monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.0)
    batches = iter(DataLoader(range(3), num_workers=1))
    pool = batches._workers
    os.kill(pool.pid(0), signal.SIGSTOP)
    index = np.arange(10_000)
    pool.send(0, messages.TASK, 100, index)
    (handle,) = pool._handles[100]
    block = shared_memory._idle[handle.token]
    assert block.counts[shared_memory.SENT] == 1
    pool.stop()
    assert block.counts[shared_memory.SENT] == 0


def test_the_parents_objects_are_not_collected_in_workers():
    class Frozen(loading.Images):
        def __getitem__(self, index):
            return gc.get_freeze_count() > 0

    assert list(DataLoader(Frozen(1), None, num_workers=1)) == [True]


def test_files_are_closed():
    before = len(os.listdir("/proc/self/fd"))
    list(DataLoader(loading.Images(8), 2, num_workers=2))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def sent(value):
    return messages.unpacked(memoryview(messages.packed(messages.BATCH, 7, value)))


def test_messages():
    message = sent({"a": [1, "x" * 100_000], "b": torch.ones(3)})
    assert (message.kind, message.number, message.error) == (messages.BATCH, 7, None)
    assert message.content["a"] == [1, "x" * 100_000]
    assert message.content["b"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.randn(50, 60).t(),
        lambda: torch.randn(2, 30, 40, 5).to(memory_format=torch.channels_last),
        lambda: torch.randn(70, 3).expand(40, 70, 3),
        lambda: torch.randn(9000)[::2],
        lambda: torch.randn(100, 70).to(torch.bfloat16),
        lambda: torch.randn(100, 70) > 0,
        lambda: torch.tensor(3.0),
        lambda: torch.zeros(0, 4),
        lambda: torch.randn(80, 70, requires_grad=True),
        lambda: torch.nn.Parameter(torch.randn(80, 70)),
        lambda: torch.empty(800, 70, device="meta"),
    ],
)
def test_tensors_arrive_as_they_are(make):
    x = make()
    y = sent(x).content
    assert (type(y), y.dtype, y.shape, y.device) == (type(x), x.dtype, x.shape, x.device)
    assert (y.requires_grad, y.is_leaf) == (x.requires_grad, True)
    assert y.is_meta or torch.equal(x, y)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(5000.0),
        np.asfortranarray(np.arange(5000).reshape(50, 100)),
        np.arange(9000, dtype=">i2")[::-1],
        np.array(["text"] * 2000),
        np.array([{}, None] * 1000),
        np.zeros(0),
        np.zeros(1000, [("a", "f4"), ("b", "i8")]),
    ],
)
def test_arrays_arrive_as_they_are(array):
    other = sent(array).content
    assert (type(other), other.dtype, other.shape) == (np.ndarray, array.dtype, array.shape)
    assert (other == array).all()


class Named(torch.Tensor):
    pass


def test_subclasses_keep_their_attributes():
    x = torch.ones(50, 60).as_subclass(Named)
    x.name = "x"
    y = sent(x).content
    assert (type(y), y.name) == (type(x), "x")


def test_many_tensors_share_few_blocks():
    values = [torch.full((60, 60), float(i)) for i in range(200)]
    others = sent(values).content
    assert all(torch.equal(x, y) for x, y in zip(values, others))
    assert len({block_of(y).token for y in others}) <= messages.OWN_BLOCKS + 1


def test_lists_of_tensors_come_through_workers():
    loader = DataLoader(loading.Images(60), 30, num_workers=1, collate_fn=loading.as_list)
    assert [[int(x[0, 0, 0]) for x, _ in batch] for batch in loader] == [
        list(range(30)),
        list(range(30, 60)),
    ]


def test_what_cannot_be_sent_leaves_no_trace():
    x = torch.ones(50, 60).share_memory_()
    with pytest.raises(Exception, match="pickle"):
        messages.packed(messages.BATCH, 0, [x, lambda: 0])
    assert block_of(x).counts[shared_memory.SENT] == 0


def test_default_collate_writes_into_shared_memory_in_workers():
    class Batched(loading.Images):
        def __getitems__(self, indices):
            batch = default_collate([super(Batched, self).__getitem__(i) for i in indices])
            return [batch[0].is_shared(), batch[1].is_shared()]

    assert list(DataLoader(Batched(2), 2, num_workers=1, collate_fn=loading.as_list)) == [
        [True, False]
    ]
    assert not default_collate([torch.ones(9000)]).is_shared()


def test_kernels_run_in_workers():
    class Convolved(loading.Images):
        def __getitem__(self, index):
            return convolved()

    def convolved():
        torch.manual_seed(3)
        x, w = torch.randn(4, 8, 32, 32), torch.randn(8, 8, 3, 3)
        return torch.nn.functional.conv2d(x, w) @ torch.randn(30, 20)

    expected = convolved()
    for y in DataLoader(Convolved(4), None, num_workers=2):
        assert torch.allclose(y, expected, atol=1e-4)


def test_pools_of_forked_processes_are_not_theirs():
    batches = iter(DataLoader(range(8), num_workers=1))
    outlet, inlet = multiprocessing.get_context("fork").Pipe(duplex=False)

    def child():
        try:
            next(batches)
        except RuntimeError as error:
            inlet.send(str(error))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    assert outlet.poll(60)
    assert "belong to the process that this one was forked from" in outlet.recv()
    process.join()
    assert len(list(batches)) == 8


def test_loaders_can_be_pickled():
    loader = DataLoader(range(4), 2, num_workers=1, persistent_workers=True)
    assert listed(loader) == listed(pickle.loads(pickle.dumps(loader))) == [[0, 1], [2, 3]]


def test_a_loader_in_a_worker():
    assert listed(DataLoader(loading.Nested(0), num_workers=2)) == [[6]] * 4
    with pytest.raises(AssertionError, match="daemonic processes are not allowed to have children"):
        list(DataLoader(loading.Nested(1), num_workers=1))


def test_the_pool_of_a_loader_is_stopped_twice_without_harm():
    batches = iter(DataLoader(range(8), num_workers=1))
    pool = batches._workers
    assert isinstance(pool, workers.Workers)
    pool.stop()
    pool.stop()
    with pytest.raises(RuntimeError, match="begin a new pass"):
        list(batches)
