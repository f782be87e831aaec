"""The command ``rushlight``: ``run`` a script under Rushlight, ``info`` for bug reports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import info
from .compat import NotAProgramError, run_script

# Python's own exit status for a command line that it cannot use.
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line asks for.

    Args:
        arguments: the words after ``rushlight``; those of this process where None.

    Returns:
        The exit status: 0 when done, 2 when the command line cannot be used.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command == "run":
        return run(options.script, options.arguments)
    if options.command == "info":
        print(info.report())
        return 0
    parser.print_help()
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rushlight", description="A deep-learning framework with PyTorch's public API."
    )
    parser.add_argument("--version", action="version", version=f"rushlight {info.own_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    run_parser = commands.add_parser(
        "run",
        help="run a Python script in which `import torch` means Rushlight",
        description="Runs a Python script in which `import torch` means Rushlight.",
    )
    run_parser.add_argument("script", help="the script to run")
    run_parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="passed on to the script as they are"
    )

    commands.add_parser(
        "info",
        help="print versions, processor, threads and memory, for bug reports",
        description="Prints versions, processor, threads and memory, for bug reports.",
    )
    return parser


def run(script: str, arguments: Sequence[str]) -> int:
    """Runs a script; complains in one line where there is nothing to run."""
    try:
        run_script(script, arguments)
    except NotAProgramError as error:
        print(f"rushlight run: {error}", file=sys.stderr)
        return USAGE_ERROR
    return 0
