"""Starting processes, and what is told of their failures."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight
from rushlight import multiprocessing as mp

sys.path.insert(0, str(Path(__file__).parent))
import children  # noqa: E402

METHODS = ["fork", "spawn"]


def start(fn, args=(), nprocs=2, method="fork", **options):
    return mp.start_processes(fn, args, nprocs, start_method=method, **options)


@pytest.mark.parametrize("method", METHODS)
def test_processes_write_to_one_tensor(method):
    x = rushlight.zeros(3).share_memory_()
    assert start(children.set_own, (x,), 3, method) is None
    assert x.tolist() == [10, 11, 12]


def test_arguments_are_shared_by_spawn():
    x = rushlight.zeros(2)
    assert mp.spawn(children.set_own, (x,), 2) is None
    assert x.tolist() == [10, 11]
    assert x.is_shared()


@pytest.mark.parametrize("method", METHODS)
def test_an_exception_comes_with_its_traceback(method):
    with pytest.raises(mp.ProcessRaisedException) as caught:
        start(children.raise_in, (1,), 2, method)
    error = caught.value
    assert "-- Process 1 terminated with the following error" in str(error)
    assert "in raise_in" in str(error)
    assert "ValueError: no good: 1" in str(error)
    assert (error.error_index, error.pid > 0, error.msg) == (1, True, str(error))


def test_the_others_are_ended():
    context = start(children.raise_in, (0,), 3, join=False)
    with pytest.raises(mp.ProcessRaisedException, match="no good: 0"):
        context.join()
    assert [p.is_alive() for p in context.processes] == [False] * 3
    assert {p.exitcode for p in context.processes[1:]} == {-15}


def test_the_others_are_killed_if_they_will_not_end():
    context = start(children.ignore_the_end, join=False)
    with pytest.raises(mp.ProcessRaisedException, match="ValueError: first"):
        context.join(grace_period=0)
    assert [p.is_alive() for p in context.processes] == [False, False]


@pytest.mark.parametrize("code", [1, 3])
def test_exit_codes(code):
    with pytest.raises(mp.ProcessExitedException, match=f"with exit code {code}") as caught:
        start(children.exit_with, (code,), 1)
    assert (caught.value.exit_code, caught.value.signal_name) == (code, None)


def test_signals():
    with pytest.raises(mp.ProcessExitedException, match="terminated with signal SIGKILL") as caught:
        start(children.die, nprocs=1)
    assert (caught.value.exit_code, caught.value.signal_name) == (-9, "SIGKILL")
    assert isinstance(caught.value, mp.ProcessException)


@pytest.mark.parametrize("fn, args", [(children.interrupt, ()), (children.exit_with, (0,))])
def test_what_is_no_failure(fn, args):
    assert start(fn, args) is None


def test_join_later():
    event = mp.get_context("fork").Event()
    context = start(children.wait_for, (event,), 2, join=False)
    assert context.pids() == [p.pid for p in context.processes]
    assert len(context.sentinels) == 2
    assert context.join(timeout=0) is False
    event.set()
    while not context.join():
        pass
    assert (context.sentinels, context.join()) == ({}, True)
    assert isinstance(context, mp.ProcessContext)


def test_no_processes():
    assert start(children.nothing, nprocs=0) is None


def test_daemons():
    context = start(children.nothing, nprocs=1, join=False, daemon=True)
    assert context.processes[0].daemon
    context.join()


def test_spawn_knows_one_method():
    with pytest.warns(FutureWarning, match="only supports start_method=spawn .got: fork"):
        mp.spawn(children.nothing, start_method="fork")


def test_unknown_method():
    with pytest.raises(ValueError, match="cannot find context for 'x'"):
        start(children.nothing, method="x")


@pytest.mark.parametrize(
    "error",
    [
        mp.ProcessRaisedException("text", 1, 22),
        mp.ProcessExitedException("text", 1, 22, -9, "SIGKILL"),
    ],
)
def test_errors_can_be_sent(error):
    other = pickle.loads(pickle.dumps(error))
    assert (type(other), other.__dict__, str(other)) == (type(error), error.__dict__, "text")


PROGRAM = """
import torch
import torch.multiprocessing as mp
from torch import nn


def train(index, model, queue):
    model.weight.data[0, index] = index + 1
    queue.put(torch.full((50, 60), float(index)))


if __name__ == "__main__":
    model = nn.Linear(3, 1, bias=False)
    model.weight.data.zero_()
    queue = mp.get_context("METHOD").SimpleQueue()
    context = mp.start_processes(train, (model.share_memory(), queue), 2, False, False, "METHOD")
    print(sorted(queue.get()[7, 7].item() for _ in range(2)))
    while not context.join():
        pass
    print(model.weight.tolist(), torch.__name__)
"""


@pytest.mark.parametrize("method", [*METHODS, "forkserver"])
def test_programs_that_import_torch(tmp_path, method):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("METHOD", method))
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("[0.0, 1.0]\n[[1.0, 2.0, 0.0]] rushlight\n", "")
