"""One pass over a loader with worker processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import weakref
from typing import Any

from . import messages
from .iterators import _BaseDataLoaderIter
from .worker import Job
from .workers import WorkerEndedError, Workers, ending

_NOTHING = object()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """A pass that loads in worker processes.

    Tasks are numbered as long as the workers live. Task by task they go to one worker after the other,
    and their batches come out in the same order, whichever is ready first.
    """

    def __init__(self, loader: Any):
        if loader.prefetch_factor <= 0:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter, but got "
                f"{loader.prefetch_factor}"
            )
        if multiprocessing.current_process().daemon:
            raise AssertionError(
                f"DataLoader with num_workers={loader.num_workers}: daemonic processes are not "
                "allowed to have children, and workers of another DataLoader are such processes; "
                "use num_workers=0 there"
            )
        super().__init__(loader)
        self._timeout = loader.timeout
        self._in_order = loader.in_order
        self._prefetch_factor = loader.prefetch_factor
        self._sent = 0
        job = Job(
            loader.dataset,
            loader._auto_collation,
            loader.collate_fn,
            loader.drop_last,
            loader.worker_init_fn,
            self._base_seed,
            self._num_workers,
            os.getpid(),
        )
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self._workers = Workers(job, context, loader._packed)
        self._persistent = loader.persistent_workers
        self._at_end = weakref.finalize(self, self._workers.stop)
        self._first_pass = True
        self.restart(loader)

    @property
    def stopped(self) -> bool:
        """Whether the workers have been ended."""
        return self._workers.stopped

    def restart(self, loader: Any) -> None:
        """Begins a pass; what is left of the pass before is dropped when it comes."""
        self._begin(loader)
        # The next task to give out; those that are out, with their worker and index; their answers.
        self._due = self._sent
        self._tasks: dict[int, tuple[int, Any]] = {}
        self._answers: dict[int, messages.Message] = {}
        self._active = [True] * self._num_workers
        self._turns = itertools.cycle(range(self._num_workers))
        if not self._first_pass:
            for number in range(self._num_workers):
                self._workers.send(number, messages.AGAIN, 0, None)
        self._first_pass = False
        for _ in range(self._prefetch_factor * self._num_workers):
            self._give_task()

    def _give_task(self) -> None:
        """Gives the sampler's next index to the worker whose turn it is."""
        index = next(self._indices, _NOTHING)
        if index is _NOTHING:
            return
        for number in itertools.islice(self._turns, self._num_workers):
            if self._active[number] and (self._in_order or self._has_room(number)):
                break
        else:
            return
        self._tasks[self._sent] = number, index
        self._workers.send(number, messages.TASK, self._sent, index)
        self._sent += 1

    def _has_room(self, number: int) -> bool:
        out = sum(worker == number for worker, _ in self._tasks.values())
        return out < self._prefetch_factor * self._num_workers // sum(self._active)

    def _next_batch(self) -> Any:
        try:
            answer = self._next_answer()
            self._give_task()
        except KeyboardInterrupt:
            self._workers.stop(at_once=True)
            raise
        if answer.error is not None:
            raise RuntimeError(
                "DataLoader: what a worker process has sent cannot be rebuilt here: "
                f"{type(answer.error).__name__}: {answer.error}"
            ) from answer.error
        if answer.kind == messages.ERROR:
            answer.content.reraise()
        return answer.content

    def _next_answer(self) -> messages.Message:
        while True:
            self._pass_over()
            if self._due == self._sent:
                if not self._persistent:
                    self._at_end()
                raise StopIteration
            number = self._due if self._in_order else next(iter(self._answers), -1)
            ready = number in self._answers
            self._receive(wait=not ready)
            if ready:
                del self._tasks[number]
                return self._answers.pop(number)

    def _pass_over(self) -> None:
        """Goes on to the first task whose answer is still to be given out."""
        while self._due < self._sent:
            if self._due in self._answers:
                return
            if self._due in self._tasks and self._active[self._tasks[self._due][0]]:
                return
            self._tasks.pop(self._due, None)
            self._due += 1

    def _receive(self, wait: bool) -> None:
        """Notes the answers that have come; waits for one if asked to."""
        if self._workers.stopped:
            raise RuntimeError(
                "DataLoader: the worker processes of this pass have ended, or belong to the process "
                "that this one was forked from; begin a new pass with iter(loader)"
            )
        try:
            arrived = self._workers.receive((self._timeout or None) if wait else 0)
            for worker, message in arrived:
                self._note(worker, message)
        except WorkerEndedError as error:
            for _, message in error.answers:
                self._tasks.pop(message.number, None)
            text = self._story(error.number)
            self._workers.stop(at_once=True)
            raise RuntimeError(text) from None
        if wait and not arrived:
            raise RuntimeError(
                f"DataLoader timed out after {self._timeout} seconds: no worker has finished a batch; "
                "give a larger timeout, or 0 for none"
            )

    def _note(self, worker: int, message: messages.Message) -> None:
        if message.number not in self._tasks:
            return  # of a pass that was left early
        if message.kind == messages.END:
            self._active[worker] = False
            del self._tasks[message.number]
            self._give_task()
            return
        if (
            isinstance(message.error, FileNotFoundError)
            and self._workers.exit_code(worker) is not None
        ):
            raise WorkerEndedError(worker, [])
        self._answers[message.number] = message

    def _story(self, number: int) -> str:
        """What is to be told of a worker that has ended."""
        text = (
            f"DataLoader worker (pid(s) {self._workers.pid(number)}) exited unexpectedly: worker "
            f"{number} {ending(self._workers.exit_code(number))}"
        )
        for task, (worker, index) in self._tasks.items():
            if worker == number and task not in self._answers:
                return text + _samples_text(index)
        return text


def _samples_text(index: Any) -> str:
    if isinstance(index, slice):
        index = range(index.start, index.stop)
    chosen = index.tolist() if hasattr(index, "tolist") else index
    if isinstance(chosen, (list, tuple, range)):
        if None in chosen:
            return ""
        shown = ", ".join(map(repr, chosen[:10])) + (", ..." if len(chosen) > 10 else "")
        return f". It was loading the samples [{shown}]"
    return "" if chosen is None else f". It was loading sample {chosen!r}"
