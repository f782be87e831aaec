"""The command line, run as a user runs it: in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight


def rushlight_command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "rushlight", *arguments], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture
def run(tmp_path):
    """Runs a text as ``script.py`` in an empty directory, with arguments."""

    def run_text(text, *arguments):
        (tmp_path / "script.py").write_text(text)
        return rushlight_command("run", "script.py", *arguments, cwd=tmp_path)

    return run_text


def test_without_a_command_it_prints_help(tmp_path):
    done = rushlight_command(cwd=tmp_path)
    assert done.returncode == 0
    assert "run a Python script" in done.stdout


def test_version_is_its_own(tmp_path):
    done = rushlight_command("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("rushlight ")


def test_an_unknown_command_is_an_error(tmp_path):
    done = rushlight_command("trian", cwd=tmp_path)
    assert done.returncode == 2
    assert "choose from" in done.stderr


def test_info_names_what_a_bug_report_needs(tmp_path):
    done = rushlight_command("info", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert names == [
        "rushlight",
        "place",
        "python",
        "numpy",
        "ml_dtypes",
        "oneDNN",
        "processor",
        "cores",
        "own kernels",
        "threads",
        "memory",
        "install size",
        "system",
    ]
    assert str(Path(rushlight.__file__).parent) in done.stdout
    assert f"python        {sys.version.split()[0]}" in done.stdout


def test_a_script_finds_torch_to_be_rushlight(run):
    done = run(
        "import torch, rushlight\n"
        "import torch.nn as nn\n"
        "import torch.nn.functional as F\n"
        "import torch.optim\n"
        "from torch.utils.data import DataLoader\n"
        "from torch import Tensor\n"
        "print(torch is rushlight, nn is rushlight.nn, F is rushlight.nn.functional)\n"
        "print(torch.optim is rushlight.optim, DataLoader is rushlight.utils.data.DataLoader)\n"
        "print(isinstance(torch.ones(2), Tensor), Tensor is rushlight.Tensor)\n"
    )
    assert done.stdout == "True True True\nTrue True\nTrue True\n", done.stderr


def test_a_script_sees_what_python_would_have_set(run, tmp_path):
    (tmp_path / "neighbour.py").write_text("NAME = 'from beside the script'\n")
    done = run(
        "import sys, inspect, neighbour\n"
        "def f():\n"
        "    return 1\n"
        "print(__name__, __file__, __spec__, __package__)\n"
        "print(sys.argv)\n"
        "print(sys.path[0])\n"
        "print(sys.modules['__main__'].f is f, neighbour.NAME)\n"
        "print(inspect.getsource(f).strip())\n",
        "--help",
        "--",
        "a b",
        "-x",
    )
    assert done.stdout.splitlines() == [
        f"__main__ {tmp_path}/script.py None None",
        "['script.py', '--help', '--', 'a b', '-x']",
        str(tmp_path),
        "True from beside the script",
        "def f():",
        "    return 1",
    ], done.stderr


def test_a_script_in_another_directory_imports_its_neighbours(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "neighbour.py").write_text("NAME = 1\n")
    (tmp_path / "below" / "script.py").write_text("import neighbour; print(neighbour.NAME)\n")
    done = rushlight_command("run", "below/script.py", cwd=tmp_path)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    ("text", "status", "printed"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit('no data')", 1, "no data\n"),
    ],
)
def test_exit_status_is_the_scripts(run, text, status, printed):
    done = run(text)
    assert (done.returncode, done.stderr) == (status, printed)


def test_a_traceback_begins_in_the_script(run, tmp_path):
    done = run("def f():\n    return 1 / 0\n\n\nf()\n")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path}/script.py", line 5, in <module>'
    assert lines[2] == "    f()"
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "rushlight" not in done.stderr


def test_a_traceback_keeps_its_cause(run):
    done = run(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('v') from e\n"
    )
    assert "ZeroDivisionError" in done.stderr
    assert "direct cause" in done.stderr
    assert done.stderr.endswith("ValueError: v\n")
    assert "rushlight" not in done.stderr


def test_a_syntax_error_is_shown_as_python_shows_it(run, tmp_path):
    done = run("x = 1\ndef f(:\n")
    assert done.returncode == 1
    assert done.stderr.startswith(f'  File "{tmp_path}/script.py", line 2\n')
    assert "run_script" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("SyntaxError: ")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import torch.distributed as dist\n", "torch.distributed"),
        ("from torch import distributed\n", "torch.distributed"),
        ("from torch.distributed.optim import ZeroRedundancyOptimizer\n", "torch.distributed"),
    ],
)
def test_a_module_that_is_not_there_is_named_at_the_scripts_line(run, tmp_path, text, name):
    done = run(text)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[1] == f'  File "{tmp_path}/script.py", line 1, in <module>'
    assert lines[-1].startswith(f"ModuleNotFoundError: {name} is not in Rushlight yet.")
    assert "finder.py" not in done.stderr


def test_a_misspelt_module_gets_a_proposal(run):
    done = run("import torch.nn.functionl as F\n")
    assert "Did you mean torch.nn.functional?" in done.stderr


def test_a_script_may_do_without_a_missing_module(run):
    done = run("try:\n    import torch.jit\nexcept ImportError:\n    print('without')\n")
    assert (done.returncode, done.stdout) == (0, "without\n")


def test_other_missing_modules_are_pythons_own_affair(run):
    done = run("import no_such_module_at_all\n")
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: No module named 'no_such_module_at_all'"
    )


def test_ctrl_c_ends_the_script_like_python(run, tmp_path):
    # A shell that starts its jobs in the background makes them ignore the signal, hence line 2.
    done = run(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.raise_signal(signal.SIGINT)\n"
    )
    assert done.returncode == -signal.SIGINT
    lines = done.stderr.splitlines()
    assert lines[1] == f'  File "{tmp_path}/script.py", line 3, in <module>'
    assert lines[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.py", None, "there is no file 'none.py'"),
        ("notes.txt", b"milk, bread; and butter\n", "notes.txt' is not a Python program (line 1: "),
        ("book.ipynb", b"{}", "is a notebook; make a script of it: jupyter nbconvert"),
        ("model.py", b"PK\x03\x04\x00\x00", "'model.py' is a binary file, not Python"),
    ],
)
def test_what_is_not_a_script_is_refused_in_one_line(tmp_path, name, content, message):
    files = {name: content} if content is not None else {}
    for file, bytes_ in files.items():
        (tmp_path / file).write_bytes(bytes_)
    done = rushlight_command("run", name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("rushlight run: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_directory_is_refused(tmp_path):
    done = rushlight_command("run", os.fspath(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "is a directory; give a Python file" in done.stderr


def test_a_script_is_required(tmp_path):
    done = rushlight_command("run", cwd=tmp_path)
    assert done.returncode == 2
    assert "script" in done.stderr
