"""One process, one framework, one question: the part of a benchmark that does the work.

It is started by ``runner.py`` and answers one line of JSON on standard output for each line on
standard input. A process of its own gives each framework its own thread pool and its own memory
figures.
"""

import importlib
import json
import os
import resource
import sys
import time
import traceback

SANITY_STEPS = 3
SHORT_CALL = 200e-6  # seconds; below this the clock is read once for many calls


def main():
    name, question_name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    # Whatever the framework prints must not be taken for an answer.
    os.dup2(2, 1)

    question = importlib.import_module(f"benchmarks.questions.{question_name}")
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = answer_to(request, name, question, threads)
        except BaseException:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def answer_to(request, name, question, threads):
    if request["ask"] == "sample":
        return {"value": question.sample(name, request["label"])}
    torch = importlib.import_module(name)
    torch.set_num_threads(threads)
    if request["ask"] == "version":
        return {"version": torch.__version__, "python": sys.version.split()[0]}
    # Built anew for every round, so that all rounds time the same stretch of training.
    return {
        label: measure(function, request["seconds"])
        for label, function in question.cases(torch).items()
    }


def measure(function, seconds):
    """Calls ``function`` for about ``seconds``; returns first results and times per call."""
    results = [function() for _ in range(SANITY_STEPS)]
    results = [result.item() for result in results if result is not None]
    estimate = warm_up(function, seconds / 5)
    calls = max(1, round(SHORT_CALL / estimate)) if estimate < SHORT_CALL else 1
    times = []
    switches = preemptions()
    begin = time.perf_counter()
    while time.perf_counter() < begin + seconds or len(times) < 3:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        times.append((time.perf_counter() - start) / calls)
    elapsed = time.perf_counter() - begin
    return {
        "results": results,
        "times": times,
        "preemptions_per_second": (preemptions() - switches) / elapsed,
    }


def preemptions():
    """Returns how often the system took a core away from this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def warm_up(function, seconds):
    """Calls ``function`` until ``seconds`` are over; returns the mean time of a call."""
    start = time.perf_counter()
    calls = 0
    while calls == 0 or time.perf_counter() - start < seconds:
        function()
        calls += 1
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    main()
