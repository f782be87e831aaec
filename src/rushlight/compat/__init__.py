"""Running programs that say ``import torch``: there, ``torch`` is Rushlight.

`install` makes it so for the rest of the process; ``rushlight run script.py`` installs it and
executes a script.
"""

from .finder import ALIASES, install
from .script import NotAProgramError, run_script
from .version import TORCH_VERSION, TorchVersion

__all__ = [
    "ALIASES",
    "TORCH_VERSION",
    "NotAProgramError",
    "TorchVersion",
    "install",
    "run_script",
]
