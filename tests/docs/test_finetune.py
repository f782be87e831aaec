"""The program in docs/finetune.md does what the page says."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "finetune.md"


def test_the_program(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S))
    exec(compile(program, str(PAGE), "exec"), {"__name__": "finetune_page"})
    out = capsys.readouterr().out
    (printed,) = re.findall(r"```\n(loaded.*?)```", PAGE.read_text(), re.S)
    assert printed in out
    shares = {name: int(share) for name, share in re.findall(r"^(.*): (\d+)%$", out, re.M)}
    assert list(shares) == ["from nothing", "new head", "all of it"]
    assert shares["new head"] >= shares["from nothing"] + 5
    assert shares["all of it"] >= shares["from nothing"] + 5
