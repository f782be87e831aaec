"""The benchmarks' own arithmetic, and a short run of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import report

    return report


def row(values, results=((), ()), **more):
    values = [list(side) for side in values]
    return {"label": "x", "unit": "s", "values": values, "results": list(results), **more}


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_the_ratio_is_the_median_over_rounds_of_neighbours_in_time(report):
    # The third round ran on a machine four times slower: the quotient of medians would be 2.4.
    summary = report.summarise(row([[1.0, 1.0, 4.0], [2.0, 2.4, 8.0]]))
    assert summary["medians"] == [1.0, 2.4]
    assert summary["ratio"] == 2.0
    assert summary["ratio_range"] == [2.0, 2.4]


def test_losses_agree_to_rounding_only(report):
    assert report.agree([2.3, 2.2], [2.3001, 2.2001]) is True
    assert report.agree([2.3, 2.2], [2.3, 2.21]) is False
    assert report.agree([2.3, 2.2], [2.3]) is False
    assert report.agree([], []) is None


def test_differing_losses_are_named(report):
    rows = [
        report.summarise(row([[1.0], [1.0]], ([2.0], [2.0]))),
        report.summarise(row([[1.0], [1.0]], ([2.0], [3.0]), label="LeNet")),
    ]
    assert report.loss_lines(rows[:1]) == ["The first losses agree in all 1 trainings."]
    assert report.loss_lines(rows) == ["THE LOSSES DIFFER in 'LeNet': [2.0] against [3.0]."]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.9e-6, "s", "1.90 us"),
        (2.85e-4, "s", "285 us"),
        (0.0067, "s", "6.70 ms"),
        (0.9996, "s", "1000 ms"),
        (1.04, "s", "1.04 s"),
        (15.25, "s", "15.2 s"),
        (312.4, "MB", "312 MB"),
    ],
)
def test_quantity(report, value, unit, text):
    assert report.quantity(value, unit) == text


def test_the_table_is_aligned(report):
    rows = [
        report.summarise(row([[1e-3], [2e-3]], label="long name")),
        report.summarise(row([[100e-3], [50e-3]], label="b")),
    ]
    assert report.table(rows, ["ours", "peer"]).splitlines() == [
        "              ours     peer  peer / ours  lowest - highest",
        "long name  1.00 ms  2.00 ms         2.00       2.00 - 2.00",
        "b           100 ms  50.0 ms         0.50       0.50 - 0.50",
    ]


def test_a_short_run_against_itself(tmp_path):
    path = tmp_path / "figures.json"
    done = benchmarks(
        *("softmax_regression", "tiny_ops", "import_time"),
        *("--against", "rushlight", "--rounds", "1", "--seconds", "0.01", "--threads", "1"),
        *("--json", str(path)),
    )
    assert done.returncode == 0, done.stderr
    assert "rushlight / rushlight" in done.stdout
    assert "The first losses agree in all 1 trainings." in done.stdout
    figures = json.loads(path.read_text())
    assert figures["failed"] == []
    assert [found["question"] for found in figures["rows"]] == [
        *("softmax_regression", "tiny_ops", "tiny_ops", "tiny_ops", "import_time")
    ]
    assert all(time > 0 for found in figures["rows"] for time in found["medians"])


def test_every_question_trains_one_step(monkeypatch):
    import rushlight

    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.questions import lenet, mlp, resnet18, softmax_regression, three_block_cnn

    for question in (softmax_regression, mlp, lenet, three_block_cnn, resnet18):
        (step,) = question.cases(rushlight).values()
        assert step().item() == pytest.approx(2.3, abs=0.6)


def test_a_framework_that_is_not_there_is_said(tmp_path):
    done = benchmarks("mlp", "--framework", "no_such_framework")
    assert done.returncode == 1
    assert "No module named 'no_such_framework'" in done.stderr


def test_an_unknown_question_lists_the_known_ones():
    done = benchmarks("lennet")
    assert done.returncode == 2
    assert "no question named lennet; there are: softmax_regression, mlp, lenet" in done.stderr
