"""Tensors in queues, pipes and the arguments of processes."""

import os
import pickle
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight import multiprocessing as mp
from rushlight import nn
from rushlight.backend import shared_memory

sys.path.insert(0, str(Path(__file__).parent))
import children  # noqa: E402

METHODS = ["fork", "spawn"]


def sent(obj):
    """``obj`` as another process would get it, were it this one."""
    return pickle.loads(ForkingPickler.dumps(obj))


def large(*shape):
    return rushlight.arange(float(np.prod(shape))).reshape(shape).clone()


@pytest.mark.parametrize("method", METHODS)
def test_there_and_back(method):
    context = mp.get_context(method)
    inbox, outbox = context.Queue(), context.Queue()
    process = context.Process(target=children.double, args=(inbox, outbox))
    process.start()
    for number, shape in enumerate([(3,), (200, 100), (0,), (), (200, 100)]):
        x = rushlight.full(shape, float(number))
        inbox.put(x)
        y, shared, pid = outbox.get(timeout=60)
        assert (y.tolist(), shared, pid) == ((x * 2).tolist(), x.nbytes > 4096, process.pid)
        del y
    inbox.put(None)
    process.join(60)
    assert process.exitcode == 0


@pytest.mark.parametrize("shape", [(3,), (300, 100)])
def test_the_other_side_writes_to_the_same_memory(shape):
    context = mp.get_context("fork")
    inbox, outbox = context.SimpleQueue(), context.SimpleQueue()
    process = context.Process(target=children.write, args=(inbox, outbox, 5.0))
    process.start()
    x = rushlight.zeros(shape).share_memory_()
    inbox.put(x)
    outbox.get()
    process.join(60)
    assert (x == 5).all()


@pytest.mark.parametrize("shape", [(2,), (300, 100)])
@pytest.mark.parametrize("method", METHODS)
def test_a_sender_may_end(method, shape):
    context = mp.get_context(method)
    queue = context.Queue()
    process = context.Process(target=children.put_and_end, args=(queue, shape))
    process.start()
    process.join(60)
    x, y = queue.get(timeout=60)
    assert ((x == 3).all(), y.tolist()) == (True, [0, 1, 2, 3, 4])
    assert [n for n in os.listdir("/dev/shm") if n.startswith(f"rushlight-{os.getpid()}-")] == []


SHARED = """
import multiprocessing, sys
import rushlight
x = rushlight.zeros(3).share_memory_()
queue = multiprocessing.get_context("fork").SimpleQueue()
queue.put(x)
queue.get().fill_(1)
print(x.tolist())
"""


def test_the_standard_queues_send_what_is_shared():
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[1.0, 1.0, 1.0]\n", "")


def test_memory_is_used_again():
    context = mp.get_context("fork")
    queue = context.Queue(maxsize=1)
    process = context.Process(target=children.put_again_and_again, args=(queue, 30), daemon=True)
    process.start()
    tokens = set()
    for number in range(30):
        x = queue.get(timeout=60)
        assert x[7, 7] == number
        tokens.add(shared_memory.block_of(x._array.base).token)
        del x
    process.join(60)
    assert len(tokens) <= 4


def test_what_was_received_survives_its_sender():
    context = mp.get_context("fork")
    queue, event = context.Queue(), context.Event()
    process = context.Process(target=children.put_and_wait, args=(queue, event))
    process.start()
    x = queue.get(timeout=60)
    process.kill()
    process.join(60)
    assert (x == 3).all()
    x.fill_(4)
    assert x.sum() == 40000


def test_a_sender_killed_too_early():
    context = mp.get_context("fork")
    queue, event = context.SimpleQueue(), context.Event()
    process = context.Process(target=children.put_and_wait, args=(queue, event))
    process.start()
    queue._reader.poll(60)
    process.kill()
    process.join(60)
    with pytest.raises(FileNotFoundError, match=f"process {process.pid} sent is gone"):
        queue.get()


def test_a_receiver_killed():
    context = mp.get_context("fork")
    queue, outbox = context.Queue(), context.Queue()
    process = context.Process(target=children.take_and_die, args=(queue, outbox))
    process.start()
    x = rushlight.ones(300, 100)
    queue.put(x)
    assert outbox.get(timeout=60) == 30000
    process.join(60)
    assert process.exitcode == -9
    assert (x == 1).all()


def test_memory_that_a_process_holds_is_not_used_for_others():
    context = mp.get_context("fork")
    queue, outbox, event = context.Queue(), context.Queue(), context.Event()
    process = context.Process(target=children.keep_until, args=(queue, event, outbox))
    process.start()
    queue.put(rushlight.full((2000,), 1.0))
    assert outbox.get(timeout=60) == "taken"
    others = [rushlight.full((2000,), 2.0).share_memory_() for _ in range(5)]
    event.set()
    assert outbox.get(timeout=60) == [1.0] * 2000
    process.join(60)
    assert len(others) == 5


@pytest.mark.parametrize("method", METHODS)
def test_hogwild(method):
    rushlight.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1)).share_memory()
    before = [p.detach().clone() for p in model.parameters()]
    mp.start_processes(children.train, (model, 150), 2, start_method=method)
    assert not any(rushlight.equal(p, b) for p, b in zip(model.parameters(), before))
    x = rushlight.randn(100, 4)
    assert nn.functional.mse_loss(model(x), x.sum(1, keepdim=True)) < 0.5


@pytest.mark.parametrize("threads", [None, 2])
@pytest.mark.parametrize("method", METHODS)
def test_a_child_computes_after_its_parent_did(method, threads):
    expected = children.compute(0)
    context = mp.get_context(method)
    outbox = context.SimpleQueue()
    mp.start_processes(children.compute, (outbox, threads), 1, start_method=method)
    total, used = outbox.get()
    assert total == pytest.approx(expected, rel=1e-4)
    assert used == {"fork": threads or 1, "spawn": threads or rushlight.get_num_threads()}[method]
    assert children.compute(0) == pytest.approx(expected, rel=1e-4)


DTYPES = ["float32", "float64", "float16", "bfloat16", "complex64", "int64", "uint8", "bool"]


@pytest.mark.parametrize("shape", [(5,), (70, 80), ()])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype, shape):
    x = (rushlight.randn(shape) * 3).to(getattr(rushlight, dtype))
    y = sent(x)
    assert (y.dtype, y.shape, y is x) == (x.dtype, x.shape, False)
    assert rushlight.equal(x, y)


def test_a_large_tensor_moves_with_its_object():
    x = large(50, 60)
    assert not x.is_shared()
    y = sent(x)
    assert x.is_shared()
    assert y.is_shared()
    y.fill_(1)
    assert (x == 1).all()


def test_a_tensor_whose_memory_others_use_is_copied():
    x = large(50, 60)
    alias, array = x.detach(), x.numpy()
    y = sent(x)
    y.fill_(1)
    x[0, 0] = 7
    assert (alias[0, 0], array[0, 0], y[0, 0]) == (7, 7, 1)


def test_views_are_sent_without_the_rest():
    x = large(100, 100)
    y = sent(x[5:10])
    assert rushlight.equal(y, x[5:10])
    assert not x.is_shared()


def test_views_of_shared_tensors_are_shared():
    x = large(100, 100).share_memory_()
    view = x.t()[3:, ::2]
    y = sent(view)
    assert (y.stride(), y.storage_offset()) == (view.stride(), view.storage_offset())
    y.fill_(-1)
    assert (view == -1).all()
    assert x[0, 0] == 0
    assert y.data_ptr() == view.data_ptr()


def test_tensors_of_one_memory_share_it_again():
    x = large(100, 100).share_memory_()
    a, b = sent([x[0], x])
    a.fill_(-3)
    assert (b[0] == -3).all()


@pytest.mark.parametrize("memory_format", [rushlight.contiguous_format, rushlight.channels_last])
def test_memory_formats(memory_format):
    x = rushlight.randn(2, 30, 8, 8).contiguous(memory_format=memory_format)
    y = sent(x)
    assert y.stride() == x.stride()
    assert rushlight.equal(x, y)


def test_results_of_convolutions():
    x = nn.functional.conv2d(rushlight.randn(2, 3, 16, 16), rushlight.randn(8, 3, 3, 3))
    expected = x.tolist()
    y = sent(x)
    assert y.is_contiguous()
    assert y.tolist() == expected == x.tolist()


def test_leaves_stay_leaves():
    x = large(50, 60).requires_grad_()
    y = sent(x)
    assert (y.requires_grad, y.is_leaf) == (True, True)
    (y * 2).sum().backward()
    assert (y.grad[0, 0], x.grad) == (2, None)


@pytest.mark.parametrize("shape", [(3,), (50, 60)])
def test_no_history_is_sent(shape):
    x = rushlight.ones(shape, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="Cowardly refusing .* call detach"):
        sent(x)
    assert rushlight.equal(sent(x.detach()), x.detach())


class Named(rushlight.Tensor):
    """A tensor of another class."""


class Reduced(rushlight.Tensor):
    """A tensor that pickles in a way of its own."""

    def __reduce_ex__(self, protocol):
        return str, ("reduced",)


@pytest.mark.parametrize("shape", [(3,), (50, 60)])
def test_subclasses(shape):
    x = rushlight.ones(shape).as_subclass(Named)
    x.name = "x"
    y = sent(x)
    assert (type(y), y.name, y.sum()) == (Named, "x", x.sum())
    assert type(sent(nn.Parameter(rushlight.ones(shape)))) is nn.Parameter
    assert sent(nn.Buffer(rushlight.ones(shape), persistent=False)).persistent is False


def test_a_class_may_reduce_itself():
    assert sent(rushlight.ones(50, 60).as_subclass(Reduced)) == "reduced"


def test_meta_tensors():
    x = rushlight.empty(300, 200, device="meta", requires_grad=True)
    y = sent(x)
    assert (y.is_meta, y.shape, y.requires_grad) == (True, x.shape, True)


def test_modules_keep_their_ties():
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))
    model[1].weight = model[0].weight
    other = sent(model)
    assert other[0].weight is other[1].weight
    other[0].weight.data.fill_(2)
    assert (model[1].weight == 2).all()


def test_plain_pickles_are_copies():
    x = large(50, 60).share_memory_()
    y = pickle.loads(pickle.dumps(x))
    y.fill_(1)
    assert (y.is_shared(), bool((x == 1).any()), x[0, 0].item()) == (False, True, 0.0)


# ---- share_memory_


def test_share_memory():
    x = large(3, 4)
    assert not x.is_shared()
    assert x.share_memory_() is x
    assert x.is_shared()
    assert x.tolist() == large(3, 4).tolist()
    place = x.data_ptr()
    assert x.share_memory_().data_ptr() == place
    assert x[1].is_shared()
    assert x.untyped_storage().is_shared()
    assert not x.clone().is_shared()


def test_sharing_a_view_shares_what_it_views():
    x = large(3, 4)
    view = x[1].unsqueeze(0)
    view.share_memory_()
    assert x.is_shared()
    view.fill_(9)
    assert x[1].tolist() == [9] * 4
    assert (view.storage_offset(), x.storage_offset()) == (4, 0)


def test_sharing_keeps_the_history():
    w = rushlight.ones(3, requires_grad=True)
    y = (w * 2).share_memory_()
    w.share_memory_()
    y.sum().backward()
    assert w.grad.tolist() == [2, 2, 2]
    assert y.is_shared()


@pytest.mark.parametrize(
    "make",
    [
        lambda: rushlight.zeros(0, 3),
        lambda: rushlight.tensor(2.0),
        lambda: large(4, 5).t(),
        lambda: large(2, 3, 4, 5).contiguous(memory_format=rushlight.channels_last),
        lambda: rushlight.ones(3).expand(4, 3),
        lambda: rushlight.from_numpy(np.arange(12.0)[::2]),
        lambda: large(8).to(rushlight.bfloat16),
    ],
)
def test_shapes_and_strides_stay(make):
    x, y = make(), make().share_memory_()
    assert (y.shape, y.stride(), y.dtype) == (x.shape, x.stride(), x.dtype)
    assert rushlight.equal(x, y)
    assert y.is_shared()


def test_meta_tensors_are_not_shared():
    x = rushlight.empty(3, device="meta")
    assert x.share_memory_() is x
    assert not x.is_shared()


def test_modules_are_shared():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model[0].weight.grad = rushlight.ones(3, 2)
    parameters = list(model.parameters())
    assert model.share_memory() is model
    assert all(x.is_shared() for x in model.state_dict().values())
    assert model[0].weight.grad.is_shared()
    assert all(a is b for a, b in zip(parameters, model.parameters()))


def test_strategies():
    assert mp.get_all_sharing_strategies() == {"file_descriptor", "file_system"}
    assert mp.get_sharing_strategy() == "file_descriptor"
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(AssertionError, match="invalid sharing strategy 'x'"):
        mp.set_sharing_strategy("x")


def test_a_pool():
    with mp.get_context("fork").Pool(2) as pool:
        made = pool.map(children.twice, [rushlight.full((50, 60), float(n)) for n in range(5)])
    assert [x[3, 3].item() for x in made] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_it_is_the_standard_module():
    import multiprocessing

    assert [n for n in multiprocessing.__all__ if not hasattr(mp, n)] == []
    assert mp.get_context("fork") is multiprocessing.get_context("fork")
