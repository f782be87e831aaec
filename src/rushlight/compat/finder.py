"""How ``import torch`` finds Rushlight: a finder serves its modules under PyTorch's names.

They are the same objects, not copies, so that ``torch.Tensor is rushlight.Tensor`` and that a class
is found under either name.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from .version import TORCH_VERSION

ALIASES = {"torch": "rushlight", "torchvision": "rushlight.vision"}


def install() -> None:
    """Makes ``import torch`` mean Rushlight in this process; a second call changes nothing.

    ``__version__`` becomes a PyTorch version, since programs choose by it what they call. All of
    this holds for the rest of the process, so the example is only shown.

    Raises:
        RuntimeError: PyTorch itself has been imported already.

    >>> install()  # doctest: +SKIP
    >>> import torch.nn, rushlight  # doctest: +SKIP
    >>> torch.nn is rushlight.nn  # doctest: +SKIP
    True
    """
    rushlight = importlib.import_module("rushlight")
    loaded = sys.modules.get("torch", rushlight)
    if loaded is not rushlight:
        raise RuntimeError(
            f"torch was already imported from {getattr(loaded, '__file__', 'elsewhere')}, so it "
            "cannot become Rushlight any more; call rushlight.compat.install() before the first "
            "import of torch"
        )
    if any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        return
    # First, because the usual finder would load rushlight/nn a second time under the name torch.nn.
    sys.meta_path.insert(0, AliasFinder())
    sys.meta_path.append(MissingFinder())
    rushlight.__version__ = TORCH_VERSION


class AliasFinder(MetaPathFinder):
    """Finds ``torch`` and ``torch.anything`` in Rushlight."""

    def find_spec(self, name, path=None, target=None):
        real = real_name(name)
        if real is None:
            return None
        try:
            module = importlib.import_module(real)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{real}.".startswith(f"{error.name}."):
                raise
            raise missing(name) from None
        return importlib.util.spec_from_loader(
            name, AliasLoader(module), is_package=hasattr(module, "__path__")
        )


class AliasLoader(Loader):
    """Hands out a module that is already loaded.

    Args:
        module: the module to serve.
    """

    def __init__(self, module: ModuleType):
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec in the place of the module's own.
        module.__spec__ = self.spec


class MissingFinder(MetaPathFinder):
    """Comes last: at ``from torch import distributed`` Python asks for Rushlight's."""

    def find_spec(self, name, path=None, target=None):
        alias = alias_name(name)
        if alias is not None:
            raise missing(alias)
        return None


def real_name(name: str) -> str | None:
    """Rushlight's name for a module of PyTorch's; None for other modules.

    >>> real_name("torch.nn.functional"), real_name("torchfix")
    ('rushlight.nn.functional', None)
    """
    top, dot, rest = name.partition(".")
    return ALIASES[top] + dot + rest if top in ALIASES else None


def alias_name(name: str) -> str | None:
    """PyTorch's name for a module of Rushlight's; None for other modules.

    >>> alias_name("rushlight.nn"), alias_name("rushlight.vision.models"), alias_name("numpy")
    ('torch.nn', 'torchvision.models', None)
    """
    # The longest first: rushlight.vision is torchvision, not torch.vision.
    for alias, real in sorted(ALIASES.items(), key=lambda pair: -len(pair[1])):
        if name == real or name.startswith(f"{real}."):
            return alias + name[len(real) :]
    return None


def missing(name: str) -> ModuleNotFoundError:
    """The error for a module of PyTorch's that Rushlight does not have."""
    close = [f"{name.rpartition('.')[0]}.{found}" for found in similar_siblings(name)]
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return ModuleNotFoundError(
        f"{name} is not in Rushlight yet.{hint} A script that cannot do without it needs PyTorch: "
        "run it with python instead of rushlight run",
        name=name,
    )


def similar_siblings(name: str) -> list[str]:
    """The modules beside ``name`` whose names are nearly the same."""
    parent, dot, last = name.rpartition(".")
    package = sys.modules.get(real_name(parent) or "")
    if not dot or package is None:
        return []
    siblings = [module.name for module in pkgutil.iter_modules(getattr(package, "__path__", []))]
    return difflib.get_close_matches(last, siblings, n=2, cutoff=0.75)
