"""The fine-tuning example, run as its users run it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "finetune.py"
WAYS = ["from nothing", "head alone", "two rates"]


def run(cwd, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(EXAMPLE), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def rows(done):
    """The lines of the table: title, weights trained, loss, mean accuracy, lowest accuracy."""
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    pattern = r"^(\w[\w ,]*?) +([\d,]+) +(\d+\.\d{4}) +([\d.]+)% \(([\d.]+)%\)$"
    found = re.findall(pattern, done.stdout, re.M)
    return [(title, count, *map(float, numbers)) for title, count, *numbers in found]


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    return run(folder, "--short"), folder


def test_what_was_learnt_helps(default):
    done, _ = default
    assert "0 to 6: trained on 1264 images" in done.stdout
    assert "7 to 9: 8 runs of 10 steps, each with 3 images of each digit" in done.stdout
    table = rows(done)
    assert [row[0] for row in table[:3]] == WAYS
    nothing, head, both = (row[3] for row in table[:3])
    assert head > nothing + 5
    assert both > nothing + 5


def test_the_frozen_layers_are_not_trained(default):
    done, _ = default
    assert [row[1] for row in rows(done)[:3]] == ["5,283", "387", "5,283"]


def test_the_short_way_gives_the_same_numbers(default):
    done, _ = default
    table = rows(done)
    assert [row[0] for row in table[3:]] == ["head alone, short", "two rates, short"]
    assert [row[1:] for row in table[3:]] == [row[1:] for row in table[1:3]]


def test_the_network_is_saved(default):
    done, folder = default
    assert "saved in finetune-out/digits-0-to-6.pt" in done.stdout
    saved = rushlight.load(folder / "finetune-out" / "digits-0-to-6.pt")
    assert saved["head.weight"].shape == (7, 128)


def test_options(tmp_path):
    options = ("--steps", 1, "--examples", 1, "--runs", 2, "--seed", 3, "--out", "there")
    first, second = (run(tmp_path, *options) for _ in range(2))
    assert "2 runs of 1 steps, each with 1 images of each digit" in first.stdout
    assert [row[0] for row in rows(first)] == WAYS
    assert first.stdout == second.stdout
    assert (tmp_path / "there" / "digits-0-to-6.pt").is_file()


@pytest.mark.parametrize("option", ["--examples", "--steps", "--runs"])
def test_counts_start_at_one(tmp_path, option):
    done = run(tmp_path, option, 0)
    assert done.returncode == 2
    assert f"{option} must be at least 1, not 0" in done.stderr
