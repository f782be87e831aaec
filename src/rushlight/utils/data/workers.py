"""The worker processes of a loader, as the main process sees them."""

from __future__ import annotations

import errno
import itertools
import os
import pickle
import select
import signal
import socket
import time
import weakref
from collections import deque
from typing import Any

import numpy as np

from ...backend import shared_memory
from . import messages
from .packed import packed_lists
from .worker import Job, work

# How long workers may take to end their last batch before they are ended.
PATIENCE = 5.0

_pools: weakref.WeakSet[Workers] = weakref.WeakSet()


class Workers:
    """Processes that answer tasks. `stop` must be called in the end.

    Args:
        job: what they all need to know.
        context: the ``multiprocessing`` context to start them from.

    Raises:
        Exception: they cannot be started, because what they need cannot be pickled.
    """

    def __init__(self, job: Job, context: Any, packed: dict):
        # Here, so that they need not import it each for itself.
        np.random.get_state()
        self._owner = os.getpid()
        self._processes: list[Any] = []
        self._sockets: list[socket.socket] = []
        self._receivers: list[messages.Receiver] = []
        self._unsent: list[deque[bytes]] = []
        # The blocks that were sent with tasks that have no answer yet.
        self._handles: dict[int, list[shared_memory.Handle]] = {}
        self._poll = select.poll()
        # What the poll tells of, by descriptor: a worker's socket, or its end.
        self._socket_of: dict[int, int] = {}
        self._end_of: dict[int, int] = {}
        self._pidfds: list[int] = []
        _pools.add(self)
        try:
            with packed_lists(job, packed):
                for number in range(job.num_workers):
                    self._start(job, number, context)
        except BaseException:
            self.stop(at_once=True)
            raise

    def _start(self, job: Job, number: int, context: Any) -> None:
        ours, theirs = messages.pair()
        self._sockets.append(ours)
        process = context.Process(target=work, args=(job, number, theirs), daemon=True)
        try:
            process.start()
        except Exception as error:
            _explain(error, job, context)
            raise
        finally:
            theirs.close()
        self._processes.append(process)
        self._receivers.append(messages.Receiver(ours))
        self._unsent.append(deque())
        self._socket_of[ours.fileno()] = number
        self._poll.register(ours, select.POLLIN)
        end = self._descriptor_of_end(process)
        self._end_of[end] = number
        self._poll.register(end, select.POLLIN)

    def _descriptor_of_end(self, process: Any) -> int:
        # The sentinel stays silent while a program that the worker started has it open.
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            return process.sentinel
        self._pidfds.append(descriptor)
        return descriptor

    @property
    def stopped(self) -> bool:
        """Whether there are no processes any more, or none of this process."""
        return not self._sockets

    def send(self, number: int, kind: int, task: int, content: Any) -> None:
        """Sends a message to a worker; where it takes none at the moment, later."""
        handles: list[shared_memory.Handle] = []
        message = messages.packed(kind, task, content, handles)
        if handles:
            self._handles[task] = handles
        unsent = self._unsent[number]
        unsent.append(message)
        if len(unsent) == 1 and not self._flush(number):
            self._poll.modify(self._sockets[number], select.POLLIN | select.POLLOUT)

    def _flush(self, number: int) -> bool:
        """Sends what has to wait, as far as it goes; whether that is all."""
        unsent = self._unsent[number]
        try:
            while unsent:
                self._sockets[number].send(unsent[0], socket.MSG_DONTWAIT)
                unsent.popleft()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            unsent.clear()  # the worker is gone; its end is told where answers are waited for
        return True

    def receive(self, timeout: float | None) -> list[tuple[int, messages.Message]]:
        """All answers that are there, each with the number of its worker; waits if there are none.

        Args:
            timeout: wait at most so many seconds; None, without end; 0, not at all.

        Raises:
            WorkerEndedError: a worker has ended.
        """
        deadline = None if not timeout else time.monotonic() + timeout
        while True:
            answers: list[tuple[int, messages.Message]] = []
            left = timeout if deadline is None else max(0.0, deadline - time.monotonic())
            ended = None
            for descriptor, events in self._poll.poll(None if left is None else left * 1000):
                number = self._socket_of.get(descriptor)
                if number is None:
                    ended = self._end_of[descriptor]
                    continue
                if events & select.POLLOUT and self._flush(number):
                    self._poll.modify(descriptor, select.POLLIN)
                if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    try:
                        while message := self._receivers[number].receive(wait=False):
                            answers.append((number, message))
                            self._handles.pop(message.number, None)
                    except EOFError:
                        ended = number
            if ended is not None:
                raise WorkerEndedError(ended, answers)
            if answers or timeout == 0 or (deadline is not None and time.monotonic() >= deadline):
                return answers

    def pid(self, number: int) -> int:
        """The process id of a worker."""
        return self._processes[number].pid

    def exit_code(self, number: int) -> int | None:
        """How a worker that has ended did so; None if it does not."""
        process = self._processes[number]
        process.join(PATIENCE)
        return process.exitcode

    def stop(self, at_once: bool = False) -> None:
        """Ends all workers, and waits until they are gone.

        Args:
            at_once: not even what they are doing is brought to its end.
        """
        if self._owner != os.getpid() or self.stopped:
            return
        self._close()
        deadline = time.monotonic() + (0.0 if at_once else PATIENCE)
        try:
            for process in self._processes:
                process.join(max(0.0, deadline - time.monotonic()))
        finally:
            self._end_all()

    def _end_all(self) -> None:
        for process in self._processes:
            if process.exitcode is None:
                process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in self._processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()
            shared_memory.retire(process.pid)
        for handle in itertools.chain.from_iterable(self._handles.values()):
            shared_memory.withdraw(handle)
        self._handles.clear()

    def _close(self) -> None:
        """Closes the connections; the workers see that."""
        for connection in self._sockets:
            try:
                # Closing alone does nothing while another forked process has the socket, too.
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.abandon()

    def abandon(self) -> None:
        """Forgets the workers, which are another process' affair."""
        for connection in self._sockets:
            connection.close()
        for descriptor in self._pidfds:
            os.close(descriptor)
        self._sockets, self._pidfds = [], []


class WorkerEndedError(Exception):
    """A worker has ended that should not.

    Attributes:
        number: which.
        answers: what came besides.
    """

    def __init__(self, number: int, answers: list[tuple[int, messages.Message]]):
        super().__init__(number)
        self.number = number
        self.answers = answers


def ending(exit_code: int | None) -> str:
    """In words how a process has ended, and what is the usual reason."""
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code}; what it wrote to the terminal may say why"
    try:
        name = signal.Signals(-exit_code).name
        told = signal.strsignal(-exit_code)
    except ValueError:
        return f"was killed by signal {-exit_code}"
    reasons = {
        "SIGKILL": "; the system does so when memory runs out: fewer workers, a smaller "
        "prefetch_factor or smaller batches need less",
        "SIGSEGV": "; some compiled code that the dataset uses has crashed",
        "SIGBUS": "; a file that was mapped has become shorter, or memory has run out",
        "SIGABRT": "; some compiled code that the dataset uses gave up",
    }
    return f"was killed by signal: {told} ({name}){reasons.get(name, '')}"


def _explain(error: Exception, job: Job, context: Any) -> None:
    """Adds to an error of starting a process what could not be pickled, and the cure."""
    if not isinstance(error, (pickle.PicklingError, AttributeError, TypeError)):
        return
    names = ("dataset", "collate_fn", "worker_init_fn")
    culprits = [name for name in names if not _pickles(getattr(job, name))]
    if not culprits:
        return
    method = context.get_start_method()
    text = (
        f"DataLoader: the {' and the '.join(culprits)} cannot be sent to a worker process, which "
        f"{method!r} starts as a new interpreter: {error}. Define classes and functions at the top "
        "level of a module (no lambda, no class in a function), open files in worker_init_fn or at "
        "the first access"
    )
    if (
        "fork" in context.get_all_start_methods()
        if hasattr(context, "get_all_start_methods")
        else True
    ):
        text += ", or pass multiprocessing_context='fork'"
    error.args = (text + ".",)


def _pickles(value: Any) -> bool:
    try:
        messages.packed(messages.TASK, 0, value)
    except Exception:
        return False
    return True


def _abandon_all() -> None:
    for pool in list(_pools):
        pool.abandon()


os.register_at_fork(after_in_child=_abandon_all)
