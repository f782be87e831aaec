"""The working model in docs/inside.md works."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "inside.md"


def test_the_model_runs():
    program = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S))
    scope = {}
    exec(compile(program, str(PAGE), "exec"), scope)
    assert scope["b"].grad.tolist() == (scope["a"]._array ** 2 * scope["value"]).tolist()


def test_the_page_is_short():
    assert len(PAGE.read_text().splitlines()) <= 170
