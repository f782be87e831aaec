"""What a worker process does."""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backend import shared_memory
from ...random import manual_seed
from ...threads import set_num_threads
from . import messages, placing, worker_info
from .dataset import IterableDataset
from .errors import ExceptionWrapper
from .fetch import Source


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What `get_worker_info` gives in a worker process.

    Attributes:
        id: the number of the worker, from 0.
        num_workers: how many there are.
        seed: with what its random streams were started: the seed of the pass plus ``id``.
        dataset: the worker's own copy of the dataset.
        rng: always None.
        worker_method: always ``"multiprocessing"``.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str = "multiprocessing"


@dataclass(slots=True)
class Job:
    """What every worker of a loader needs to know."""

    dataset: Any
    auto_collation: bool
    collate_fn: Callable
    drop_last: bool
    worker_init_fn: Callable[[int], None] | None
    base_seed: int
    num_workers: int
    parent: int


def work(job: Job, number: int, connection: socket.socket) -> None:
    """The life of worker ``number``: it answers tasks until the other end of the connection is closed."""
    _be_a_worker(job.parent)
    try:
        _answer(job, number, connection)
    except (EOFError, ConnectionError):
        pass
    finally:
        # Nobody will take what was read ahead; else it would be left behind for the loader.
        shared_memory.leave()


def _be_a_worker(parent: int) -> None:
    # Ctrl-C reaches every process of a terminal, and the loader ends its workers. A handler that does
    # nothing, since programs that the dataset starts would inherit that the signal is ignored.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    # The program's own handler is not meant for the workers, which are ended by this signal.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A collection would write to every object of the parent, and so copy its memory.
    gc.freeze()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    set_num_threads(1)
    placing.use_shared_memory()


def _end_with(parent: int) -> None:
    """Ends this process when the loader's is gone, whatever is being done."""
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
        os._exit(1)
    except OSError:  # the system has no such descriptors
        while os.path.exists(f"/proc/{parent}"):
            time.sleep(1)
        os._exit(1)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()
    os._exit(1)


def _seed_all(base_seed: int, number: int) -> None:
    random.seed(base_seed + number)
    manual_seed(base_seed + number)
    words = [number, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))


def _answer(job: Job, number: int, connection: socket.socket) -> None:
    where = f"in DataLoader worker process {number}"
    _seed_all(job.base_seed, number)
    worker_info.current = WorkerInfo(number, job.num_workers, job.base_seed + number, job.dataset)
    source, failure = None, None
    try:
        if job.worker_init_fn is not None:
            job.worker_init_fn(number)
        source = _source(job)
    except Exception:
        failure = ExceptionWrapper(where=where)
    ended = False
    for message in _messages(connection):
        if message.kind == messages.AGAIN:
            ended = False
            try:
                source, failure = _source(job), None
            except Exception:
                failure = ExceptionWrapper(where=where)
            continue
        if ended:
            continue
        kind, content = messages.BATCH, None
        try:
            if message.error is not None:
                raise message.error
            if failure is not None:
                kind, content = messages.ERROR, failure
            else:
                content = source.fetch(message.content)
            answer = messages.packed(kind, message.number, content)
        except Exception as error:
            ended = isinstance(error, StopIteration) and isinstance(job.dataset, IterableDataset)
            if ended:
                answer = messages.packed(messages.END, message.number, None)
            else:
                wrapped = ExceptionWrapper(where=where)
                answer = messages.packed(messages.ERROR, message.number, wrapped)
        connection.send(answer)


def _messages(connection: socket.socket) -> Any:
    """The messages in order, until the other end is closed: then also those that came before go unread."""
    receiver = messages.Receiver(connection)
    arrived: deque[messages.Message] = deque()
    while True:
        while message := receiver.receive(wait=not arrived):
            arrived.append(message)
        yield arrived.popleft()


def _source(job: Job) -> Source:
    return Source(job.dataset, job.auto_collation, job.collate_fn, job.drop_last)
