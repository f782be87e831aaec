"""The example of gradient accumulation, run as its users run it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "accumulate.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(EXAMPLE), *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def differences(output):
    found = re.findall(r"^  (.*\w)  +differ by (\S+) of its length$", output, re.M)
    return {way: float(number) for way, number in found}


def test_parts_of_unequal_size():
    done = run("--accumulate", 5)
    assert done.returncode == 0, done.stderr
    assert "one batch of 64 digits against parts of 13, 13, 13, 13, 12;" in done.stdout
    differ = differences(done.stdout)
    assert differ["weighted by accumulate"] < 1e-5
    assert 1e-5 < differ["divided by their number"] < 1
    assert differ["merely added up"] > 1
    epochs = re.findall(r"^epoch +\d  23 steps .* accuracy (\S+)%$", done.stdout, re.M)
    assert len(epochs) == 5
    assert float(epochs[-1]) > 90


def test_one_part():
    differ = differences(run("--accumulate", 1, "--epochs", 1).stdout)
    assert set(differ.values()) == {0.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accumulate", 0], "--accumulate must be at least 1, not 0"),
        (["--batch", 3, "--accumulate", 4], "3 digits cannot be had in 4 parts"),
    ],
)
def test_numbers_out_of_range(arguments, message):
    done = run(*arguments)
    assert done.returncode != 0
    assert message in done.stderr
