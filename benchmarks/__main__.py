"""The command line: ``python -m benchmarks [names] --against torch``."""

import argparse
import json
import sys
from pathlib import Path

from rushlight import info

from . import report, runner
from .questions import ORDER


def main(arguments=None):
    options = parse(arguments)
    sides = [runner.Side(options.framework, options.python)]
    if options.against:
        sides.append(runner.Side(options.against, options.peer_python))
    names = options.names or list(ORDER)

    try:
        versions = [side.version(names[0], options.threads) for side in sides]
    except runner.WorkerError as error:
        print(f"a framework cannot be imported:\n{error}", file=sys.stderr)
        return 1
    heading = introduce(sides, versions, options)
    print("\n".join(heading) + "\n", flush=True)

    rows, failed = [], []
    for name in names:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        try:
            answered = runner.run_question(
                name, sides, options.threads, options.rounds, options.seconds
            )
        except runner.WorkerError as error:
            failed.append(name)
            print(f"{name} failed:\n{error}", file=sys.stderr)
            continue
        rows += [report.summarise(row) for row in answered]

    print(report.table(rows, [side.framework for side in sides]))
    print("\n" + "\n".join(conclude(rows, sides, options, failed)))
    if options.json:
        write_json(options.json, sides, versions, options, rows, failed)
    return 1 if failed else 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Runs one source under two frameworks in turn and prints medians and ratios.",
        epilog="questions: " + ", ".join(ORDER),
    )
    parser.add_argument(
        "names", nargs="*", metavar="question", help="which questions; all when none is named"
    )
    parser.add_argument("--framework", default="rushlight", help="module to measure")
    parser.add_argument("--against", metavar="MODULE", help="module to compare with, e.g. torch")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the framework")
    parser.add_argument(
        "--peer-python",
        metavar="PYTHON",
        help="interpreter of the peer, where it is installed elsewhere",
    )
    parser.add_argument(
        "--threads", type=int, default=info.usable_cores(), help="default: all cores"
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns per framework (default 7)")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="length of a timed turn (default 0.5)"
    )
    parser.add_argument("--json", metavar="FILE", help="write every figure to this file too")
    options = parser.parse_args(arguments)
    options.peer_python = options.peer_python or options.python

    unknown = sorted(set(options.names) - set(ORDER))
    if unknown:
        parser.error(f"no question named {', '.join(unknown)}; there are: {', '.join(ORDER)}")
    if options.threads < 1 or options.rounds < 1 or options.seconds <= 0:
        parser.error("--threads and --rounds must be at least 1, --seconds more than 0")
    return options


def introduce(sides, versions, options):
    here = info.machine()
    return [
        " against ".join(
            f"{side.framework} {version['version']} (Python {version['python']})"
            for side, version in zip(sides, versions, strict=True)
        ),
        f"{here['processor']}, {here['cores']} cores, {here['instructions']}, "
        f"{here['memory_gb']} GB, {here['system']}",
        f"{options.threads} threads; medians of {options.rounds} rounds, the frameworks in turn",
    ]


def conclude(rows, sides, options, failed):
    lines = []
    if len(sides) == 2:
        ours, peer = (side.framework for side in sides)
        lines.append(
            f"{peer} / {ours} above 1 means that {ours} is faster or smaller. Lowest and "
            f"highest are over the rounds."
        )
        lines += report.loss_lines(rows)
    lines.append("A training step is zero_grad, forward, loss, backward and step.")
    lines += report.disturbance_lines(rows, options.rounds)
    if failed:
        lines.append(f"FAILED (see above): {', '.join(failed)}")
    return lines


def write_json(path, sides, versions, options, rows, failed):
    document = {
        "machine": info.machine(),
        "threads": options.threads,
        "rounds": options.rounds,
        "frameworks": [
            {"name": side.framework, **version}
            for side, version in zip(sides, versions, strict=True)
        ],
        "rows": rows,
        "failed": failed,
    }
    Path(path).write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
