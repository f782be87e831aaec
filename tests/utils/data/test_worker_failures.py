"""What goes wrong in workers: it is told, and nothing is left behind."""

import contextlib
import multiprocessing
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.backend import shared_memory
from rushlight.tensor import owner_of
from rushlight.utils.data import DataLoader, Dataset
from rushlight.utils.data.errors import ExceptionWrapper

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import loading  # noqa: E402


def children():
    return multiprocessing.active_children()


@pytest.fixture(autouse=True)
def nothing_stays():
    before = set(os.listdir("/dev/shm"))
    yield
    assert children() == []
    assert set(os.listdir("/dev/shm")) <= before


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


class WithMessage(Exception):
    message = "a class attribute"

    def __init__(self, *, message):
        super().__init__(message)
        self.message = message


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ValueError("five"), ValueError),
        (lambda: KeyError("five"), KeyError),
        (lambda: OSError("five"), OSError),
        (lambda: WithMessage(message="five"), WithMessage),
        (lambda: TwoArguments("five", 5), RuntimeError),
        (lambda: UnicodeDecodeError("utf8", b"five", 0, 1, "five"), RuntimeError),
        (lambda: type("Local", (Exception,), {})("five"), RuntimeError),
    ],
)
def test_an_exception_comes_with_its_own_traceback(make, expected):
    batches = iter(DataLoader(loading.Fails(make), 2, num_workers=2))
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(expected) as caught:
        next(batches)
    assert type(caught.value) is expected
    text = str(caught.value)
    name = re.escape(type(make()).__name__ if expected is not RuntimeError else "")
    assert re.match(rf"Caught {name}\w* in DataLoader worker process 0\.\nOriginal Traceback", text)
    assert "in __getitem__\n    raise self.make()" in text
    assert "five" in text
    assert "while sample 5 of Fails was read" in text
    assert [y.tolist() for y in batches] == [[6, 7], [8, 9], [10, 11]]


def test_samples_that_do_not_fit():
    data = [torch.zeros(1), torch.zeros(1), torch.zeros(1), torch.zeros(2)]
    with pytest.raises(RuntimeError, match=r"while the samples \[2, 3\] of the dataset were made"):
        list(DataLoader(data, 2, num_workers=2))


def test_batches_that_cannot_be_sent():
    loader = DataLoader(range(2), num_workers=1, collate_fn=lambda batch: lambda: batch)
    with pytest.raises(Exception, match="in DataLoader worker process 0(.|\n)*pickle"):
        list(loader)


class Unloadable:
    """Can be sent, but not rebuilt."""

    def __reduce__(self):
        return int, ("x",)


def test_batches_that_cannot_be_rebuilt():
    loader = DataLoader(range(2), num_workers=1, collate_fn=lambda batch: Unloadable())
    batches = iter(loader)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="sent cannot be rebuilt here: ValueError: invalid"):
            next(batches)
    assert list(batches) == []


def test_an_iterable_dataset_that_breaks_off():
    batches = iter(DataLoader(loading.BreaksOff(), None, num_workers=1))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match="broken off"):
        next(batches)
    assert list(batches) == []


def test_an_iterable_dataset_that_cannot_begin():
    class NoBeginning(loading.Share):
        def __iter__(self):
            raise ValueError("no beginning")

    with pytest.raises(ValueError, match="Caught ValueError in .* process 0(.|\n)*no beginning"):
        list(DataLoader(NoBeginning(3), num_workers=2))


def test_a_worker_init_fn_that_fails():
    batches = iter(DataLoader(range(3), num_workers=2, worker_init_fn=loading.refuse))
    for number in [0, 1, 0]:
        with pytest.raises(ValueError, match=f"process {number}.(.|\n)*worker {number} refuses"):
            next(batches)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("how", "told"),
    [
        (loading.kill, r"was killed by signal: Killed \(SIGKILL\); the system does so when memory"),
        (
            loading.crash,
            r"was killed by signal: Segmentation fault \(SIGSEGV\); some compiled code",
        ),
        (loading.leave, "ended with exit code 3"),
    ],
)
def test_a_dead_worker_is_told(how, told, method):
    loader = DataLoader(loading.Dies(how), 2, num_workers=2, multiprocessing_context=method)
    with pytest.raises(RuntimeError, match=told) as caught:
        list(loader)
    found = re.match(
        r"DataLoader worker \(pid\(s\) (\d+)\) exited unexpectedly: worker 0 .*"
        r"It was loading the samples \[4, 5\]$",
        str(caught.value),
    )
    assert not os.path.exists(f"/proc/{found[1]}")
    assert children() == []


def test_a_worker_killed_from_outside():
    loader = DataLoader(loading.Images(1000), num_workers=2, persistent_workers=True)
    batches = iter(loader)
    next(batches)
    victim = children()[0]
    victim.kill()
    with pytest.raises(RuntimeError, match=rf"pid\(s\) {victim.pid}\) exited .* \(SIGKILL\)"):
        list(batches)
    with pytest.raises(RuntimeError, match="begin a new pass"):
        next(batches)
    assert len(list(loader)) == 1000
    del batches, loader


def test_the_memory_of_a_killed_worker_is_given_back():
    batches = iter(DataLoader(loading.Dies(loading.kill), num_workers=1, collate_fn=large))
    kept = [next(batches)]
    with pytest.raises(RuntimeError, match="SIGKILL"):
        kept.extend(batches)
    assert [int(x.sum()) for x in kept] == [40_000] * len(kept)
    pid = shared_memory.block_of(owner_of(kept[0]._array)).maker
    kept.clear()
    assert [b for b in shared_memory._received.values() if b.maker == pid] == []


def large(batch):
    return torch.ones(200, 200)


def test_a_worker_that_leaves_by_sys_exit():
    with pytest.raises(RuntimeError, match="worker 0 ended with exit code 4"):
        list(DataLoader(loading.Fails(lambda: SystemExit(4)), num_workers=1))


def test_timeout():
    event = multiprocessing.get_context("fork").Event()
    batches = iter(DataLoader(loading.Waits(event, 3), num_workers=1, timeout=0.01))
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.01 seconds"):
        next(batches)
    event.set()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize(
    ("dataset", "options", "culprit"),
    [
        (type("Local", (Dataset,), {"__len__": lambda self: 3})(), {}, "dataset"),
        (range(3), {"collate_fn": lambda batch: batch}, "collate_fn"),
        (range(3), {"worker_init_fn": lambda number: None}, "worker_init_fn"),
    ],
)
def test_what_cannot_be_sent_to_new_interpreters(dataset, options, culprit, method):
    loader = DataLoader(dataset, num_workers=2, multiprocessing_context=method, **options)
    told = (
        f"the {culprit} cannot be sent to a worker .* {method!r} .* multiprocessing_context='fork'"
    )
    with pytest.raises(Exception, match=told):
        iter(loader)


def test_no_exception_is_lost_without_a_message():
    try:
        raise KeyError("x")
    except KeyError:
        wrapped = ExceptionWrapper(where="here")
    with pytest.raises(KeyError) as caught:
        wrapped.reraise()
    assert "\n" in str(caught.value)
    assert str(caught.value).startswith("Caught KeyError here.\nOriginal Traceback (most recent")


# ---- the main process ends

PROGRAM = """
import signal
import sys
# A shell starts what it puts into the background with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {here!r})
import loading
from rushlight.utils.data import DataLoader
if __name__ == "__main__":
    loader = DataLoader(
        loading.Hangs({outlet}), 5, num_workers=2, multiprocessing_context={method!r}
    )
    for batch in loader:
        pass
"""


@pytest.fixture
def hanging(request, tmp_path):
    """A program whose two workers do not come back from a sample: it, and descriptors of all three."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(here=str(HERE), outlet=writer, method="fork"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    program = subprocess.Popen(
        [sys.executable, str(script)],
        pass_fds=[writer],
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    text = ""
    while len(set(text.split("\n")) - {""}) < 2 or not text.endswith("\n"):
        text += os.read(reader, 1000).decode()
    os.close(reader)
    ends = [os.pidfd_open(int(pid)) for pid in set(text.split())]
    yield program, ends
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.communicate()
    for end in ends:
        os.close(end)


def has_ended(descriptor):
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll(60_000) != []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_main_process(hanging, number):
    program, ends = hanging
    program.send_signal(number)
    assert program.wait(60) == -number
    assert [has_ended(end) for end in ends] == [True, True]


def test_an_interrupt_ends_everything(hanging):
    program, ends = hanging
    os.killpg(program.pid, signal.SIGINT)
    _, text = program.communicate(timeout=60)
    assert program.returncode == -signal.SIGINT
    assert text.count("KeyboardInterrupt") == text.count("Traceback") == 1
    assert [has_ended(end) for end in ends] == [True, True]
