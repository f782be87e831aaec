"""Runs the questions: one worker process per framework, asked in turn, A B A B."""

import importlib
import json
import os
import subprocess
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
QUIET = 60  # preemptions per second; an otherwise idle machine shows 10 to 50


class WorkerError(RuntimeError):
    """A worker could not answer; the message holds its traceback."""


class Worker:
    """A process that runs one question under one framework and waits to be asked.

    Args:
        python: path of the interpreter that can import the framework.
        framework: module name, such as ``"torch"``.
        question: name of a file in ``questions/``.
        threads: how many threads the framework may use.
    """

    def __init__(self, python, framework, question, threads):
        environment = dict(os.environ)
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[variable] = str(threads)
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", framework, question, str(threads)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request):
        """Sends one request and returns the answer as a dictionary."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"the worker ended with exit status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Side:
    """A framework together with the interpreter that has it."""

    def __init__(self, framework, python):
        self.framework = framework
        self.python = python

    def worker(self, question, threads):
        return Worker(self.python, self.framework, question, threads)

    def version(self, question, threads):
        with self.worker(question, threads) as worker:
            return worker.ask(ask="version")


def run_question(name, sides, threads, rounds, seconds):
    """Answers one question for each side.

    Returns:
        One dictionary per line of the table: ``label``, ``unit``, ``values`` (per side, the median
        of each round), ``results`` (per side, the first losses; empty where the question has none)
        and ``disturbed`` (in how many of the rounds other programs took the processor).
    """
    question = importlib.import_module(f"benchmarks.questions.{name}")
    if hasattr(question, "sample"):
        return sample(name, question, sides, threads, rounds)
    return time_in_turn(name, sides, threads, rounds, seconds)


def time_in_turn(name, sides, threads, rounds, seconds):
    workers = [side.worker(name, threads) for side in sides]
    try:
        turns = quiet_turns(workers, rounds, seconds)
    finally:
        for worker in workers:
            worker.__exit__()
    return [
        {
            "question": name,
            "label": label,
            "unit": "s",
            "values": [
                [median(turn[side][label]["times"]) for turn in turns] for side in range(len(sides))
            ],
            "results": [turns[0][side][label]["results"] for side in range(len(sides))],
            "disturbed": sum(disturbance(turn) > QUIET for turn in turns),
        }
        for label in turns[0][0]
    ]


def quiet_turns(workers, rounds, seconds):
    """Asks the workers in turn until ``rounds`` turns were quiet, or twice as many are done.

    When another program wants a core, two threads that wait for each other lose whole time slices
    of some milliseconds, and a short step seems to take a hundred times longer. Such turns are
    dropped by how often the process was preempted, never by the time they took.
    """
    turns = []
    for _ in range(2 * rounds):
        turns.append([worker.ask(ask="round", seconds=seconds) for worker in workers])
        if sum(disturbance(turn) <= QUIET for turn in turns) == rounds:
            break
    return sorted(turns, key=disturbance)[:rounds]


def disturbance(turn):
    """Returns the highest rate of preemptions, per second, of the measurements in a turn."""
    return max(case["preemptions_per_second"] for answer in turn for case in answer.values())


def sample(name, question, sides, threads, rounds):
    rows = []
    for label in question.LABELS:
        values = [[] for _ in sides]
        for _ in range(rounds):
            for side, collected in zip(sides, values, strict=True):
                with side.worker(name, threads) as worker:
                    collected.append(worker.ask(ask="sample", label=label)["value"])
        rows.append(
            {
                "question": name,
                "label": label,
                "unit": question.UNIT,
                "values": values,
                "results": [[] for _ in sides],
                "disturbed": 0,
            }
        )
    return rows
