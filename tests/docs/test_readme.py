"""The program in the README runs as it stands there."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_first_program(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    exec(compile(program, str(README), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["0", "100", "200", "300"]
    losses = [float(line.split()[1]) for line in lines]
    assert losses[-1] < 0.02 < losses[0]
    assert (tmp_path / "cubic.pt").exists()
