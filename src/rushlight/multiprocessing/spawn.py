"""Starting several processes that run one function, and learning what went wrong in them."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

# A pipe holds this much without a reader.
LONGEST_MESSAGE = 30000


class ProcessException(Exception):
    """A process has failed.

    Attributes:
        msg: what happened.
        error_index: the number of the process.
        pid, error_pid: its process id.
    """

    def __init__(self, msg: str, error_index: int, error_pid: int):
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = self.error_pid = error_pid

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """A process has failed by an exception; the message has its traceback."""


class ProcessExitedException(ProcessException):
    """A process has failed by a signal or with an exit code.

    Attributes:
        exit_code: the code; a negative number for a signal.
        signal_name: the signal, such as ``"SIGKILL"``; None where it was none.
    """

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ):
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self) -> tuple:
        return type(self), (
            self.msg,
            self.error_index,
            self.error_pid,
            self.exit_code,
            self.signal_name,
        )


def _run(fn: Callable, index: int, args: tuple, errors: Any) -> None:
    """What every process does."""
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # meant for the parent, which ends its children
    except Exception:
        errors.send(traceback.format_exc()[-LONGEST_MESSAGE:])
        sys.exit(1)


def _received(errors: Any) -> str | None:
    # The other end is closed, unless a process that the failed one has started keeps it open.
    try:
        return errors.recv() if errors.poll() else None
    except EOFError:
        return None


class ProcessContext:
    """The processes that `start_processes` has started.

    Attributes:
        processes: the processes.
        sentinels: for each process that has not been joined, its number by its sentinel.
    """

    def __init__(self, processes: list[Any], errors: list[Any]):
        self.processes = processes
        self.errors = errors
        self.sentinels = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The process ids."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for processes to end; if one has failed, ends the others and raises.

        Args:
            timeout: wait at most so many seconds, for any of them.
            grace_period: how many seconds the others have to end after SIGTERM, before SIGKILL.

        Returns:
            Whether all processes have ended.

        Raises:
            ProcessExitedException: a process has exited with a code or by a signal.
            ProcessRaisedException: a process has raised.
        """
        if not self.sentinels:
            return True
        ended = multiprocessing.connection.wait(list(self.sentinels), timeout=timeout)
        failed = None
        for sentinel in ended:
            index = self.sentinels.pop(sentinel)
            process = self.processes[index]
            process.join()
            if process.exitcode != 0 and failed is None:
                failed = index
        if failed is None:
            return not self.sentinels
        self._end_all(grace_period)
        raise self._error_of(failed)

    def _end_all(self, grace_period: float | None) -> None:
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        deadline = time.monotonic() + (30 if grace_period is None else grace_period)
        for process in self.processes:
            process.join(max(0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def _error_of(self, index: int) -> ProcessException:
        process = self.processes[index]
        text = _received(self.errors[index])
        if text is not None:
            message = f"\n\n-- Process {index} terminated with the following error:\n{text}"
            return ProcessRaisedException(message, index, process.pid)
        code = process.exitcode
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"<Unknown signal {-code}>"
            message = f"process {index} terminated with signal {name}"
            return ProcessExitedException(message, index, process.pid, code, name)
        message = f"process {index} terminated with exit code {code}"
        return ProcessExitedException(message, index, process.pid, code)


class SpawnContext(ProcessContext):
    """The name of `ProcessContext` in older programs."""


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs ``fn(i, *args)`` in ``nprocs`` processes, with ``i`` from 0 on.

    Tensors among the arguments are put into shared memory: all processes write to the same values.

    Args:
        fn: a function of a module, so that a new process can find it.
        args: its further arguments.
        nprocs: how many processes.
        join: wait until all have ended.
        daemon: end the processes with this one.
        start_method: ``"spawn"``, ``"fork"`` or ``"forkserver"``.

    Returns:
        None, or with ``join=False`` the `ProcessContext` to wait with.

    Raises:
        ProcessExitedException: a process has exited with a code or by a signal; the others are ended.
        ProcessRaisedException: a process has raised; the message has its traceback.
        ValueError: there is no such start method.
    """
    mp = multiprocessing.get_context(start_method)
    processes, errors = [], []
    for index in range(nprocs):
        reader, writer = mp.Pipe(duplex=False)
        process = mp.Process(target=_run, args=(fn, index, args, writer), daemon=daemon)
        process.start()
        writer.close()
        processes.append(process)
        errors.append(reader)
    context = ProcessContext(processes, errors)
    if not join:
        return context
    while not context.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`start_processes` with new interpreters: nothing of this one's state but the arguments goes along."""
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}). "
            "To use a different start_method use start_processes(...)",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
