"""Writes the reference of every op and switch from their declarations.

    python docs/reference.py FOLDER

makes one Markdown page for each place where ops are found (`torch`, `Tensor`, `nn.functional`), and one of
all switches.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import rushlight  # noqa: F401 - declares every op
from rushlight.config import SWITCHES
from rushlight.primitive import EXPORTS

PLACES = ("torch", "Tensor", "nn.functional")


def page_of(place: str) -> str:
    """The Markdown page of the ops that users find in ``place``."""
    lines = [f"# {place}", ""]
    for name, function in sorted(EXPORTS[place].items()):
        if not callable(function) or isinstance(function, type):
            continue
        lines += [f"## {name}{inspect.signature(function)}", "", inspect.getdoc(function), ""]
    return "\n".join(lines)


def switches() -> str:
    """The Markdown page of the environment variables that Rushlight reads."""
    lines = ["# Switches", "", "| variable | default | meaning |", "|---|---|---|"]
    for switch in SWITCHES:
        choices = (
            f" One of {', '.join(c or 'empty' for c in switch.choices)}." if switch.choices else ""
        )
        lines.append(
            f"| `{switch.name}` | {switch.default or 'empty'} | {switch.meaning}{choices} |"
        )
    return "\n".join([*lines, ""])


def main(folder: str) -> None:
    """Writes all pages into ``folder``."""
    to = Path(folder)
    to.mkdir(parents=True, exist_ok=True)
    for place in PLACES:
        (to / f"{place}.md").write_text(page_of(place))
    (to / "switches.md").write_text(switches())
    print(f"wrote {len(PLACES) + 1} pages to {to}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
