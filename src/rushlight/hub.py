"""Models from the network: files with their weights, and repositories with their code.

Everything is kept where PyTorch keeps it, so that neither downloads what the other has.
"""

from __future__ import annotations

import builtins
import os
import pickle
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from .serialization import load as load_file
from .utils.download import fetch, is_intact

__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

HUBCONF = "hubconf.py"

_dir: str | None = None


# ---- where things are kept


def get_dir() -> str:
    """The folder of everything that is downloaded.

    It is the one of `set_dir`, or else ``$TORCH_HOME/hub``, where ``TORCH_HOME`` is
    ``$XDG_CACHE_HOME/torch`` if not set, and ``XDG_CACHE_HOME`` is ``~/.cache``: PyTorch's folder.

    >>> set_dir("/tmp/models")
    >>> get_dir()
    '/tmp/models'
    >>> set_dir(None)
    """
    if os.environ.get("TORCH_HUB"):
        warnings.warn("TORCH_HUB is not read any more; set TORCH_HOME instead", stacklevel=2)
    if _dir is not None:
        return _dir
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike | None) -> None:
    """Says where downloads are kept; None is the usual place again."""
    global _dir
    _dir = None if d is None else os.path.expanduser(d)


# ---- files


def download_url_to_file(
    url: str, dst: str | os.PathLike, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Downloads a file to ``dst``, which it replaces when all has come and is right.

    What came of a download that broke off stays beside it as ``dst.part``, and the next call goes on
    from there.

    Args:
        url: its address.
        dst: the path for it.
        hash_prefix: how its SHA256 sum begins, in hexadecimal digits.
        progress: show a bar on stderr.

    Raises:
        HTTPError, URLError: it could not be had, as for `rushlight.utils.download.fetch`.
        RuntimeError: the sum is another.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a").write_text("hello")
    >>> download_url_to_file((folder / "a").as_uri(), folder / "b", "2cf24dba", progress=False)
    >>> (folder / "b").read_text()
    'hello'
    """
    fetch(url, dst, sha256=hash_prefix, overwrite=True, progress=progress)


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """Loads a checkpoint from the network, or from the folder of those that were downloaded before.

    Args:
        url: its address.
        model_dir: the folder; ``checkpoints`` in `get_dir` without it.
        map_location: where tensors go, as for `rushlight.load`.
        progress: show a bar on stderr while it is downloaded.
        check_hash: the name tells how the SHA256 sum begins, as in ``resnet18-f37072fd.pth`` (eight
            digits or more): refuse a download that has another.
        file_name: the name to keep it under; without it, the last part of the address.
        weights_only: refuse all but tensors and Python's own containers; unlike PyTorch's function,
            this one does so unless told otherwise, since a pickle may run any program.

    Raises:
        HTTPError, URLError: it could not be had.
        RuntimeError: what came, or what is in the folder, has another sum than its name says.
        UnpicklingError: it contains more than weights.
        ValueError: the address has no name of a file, and ``file_name`` is not given.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rushlight.save({"w": rushlight.ones(2)}, folder / "net.pt")
    >>> url = (folder / "net.pt").as_uri()
    >>> load_state_dict_from_url(url, model_dir=folder / "cache", progress=False)
    Downloading: ...
    {'w': tensor([1., 1.])}
    """
    if os.environ.get("TORCH_MODEL_ZOO"):
        warnings.warn("TORCH_MODEL_ZOO is not read any more; set TORCH_HOME instead", stacklevel=2)
    from urllib.parse import urlparse

    name = file_name or os.path.basename(urlparse(url).path)
    if not name:
        raise ValueError(
            f"load_state_dict_from_url: {url} does not end with the name of a file; "
            "say what to call it with file_name="
        )
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else os.fspath(model_dir)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        prefix = _sum_in(name) if check_hash else None
        if check_hash and prefix is None:
            warnings.warn(
                f"check_hash=True, but the name {name} does not tell the sum of the file (as in "
                "name-0123abcd.pth), so that nothing is checked",
                stacklevel=2,
            )
        sys.stdout.write(f'Downloading: "{url}" to {path}\n')
        fetch(url, path, sha256=prefix, progress=progress)
    try:
        return _load_checkpoint(path, map_location, weights_only)
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        if is_intact(path, sha256=_sum_in(name)):
            raise
        raise RuntimeError(
            f"{path} is damaged: its SHA256 sum is not the one in its name. Delete it, and the next "
            "call downloads it again"
        ) from error


def _sum_in(name: str) -> str | None:
    """How a file's sum begins by its name.

    >>> _sum_in("resnet18-f37072fd.pth"), _sum_in("resnet-18.pth")
    ('f37072fd', None)
    """
    found = re.search(r"-([0-9a-f]{8,64})\.", name)
    return found[1] if found else None


def _load_checkpoint(path: str, map_location: Any, weights_only: bool) -> Any:
    import io
    import zipfile

    options = {"map_location": map_location, "weights_only": weights_only}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            # A checkpoint of ours or PyTorch's has more; this is one that somebody compressed.
            if len(members) == 1 and not members[0].is_dir():
                return load_file(io.BytesIO(archive.read(members[0])), **options)
    return load_file(path, **options)


# ---- repositories


def load(
    repo_or_dir: str | os.PathLike,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: bool | str = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """Calls a function of a repository's ``hubconf.py``, and gives the model that it makes.

    The code of the repository is run: load only what you would run as a program. Where it imports
    ``torch``, that is Rushlight under ``rushlight run``, or after ``rushlight.compat.install()``.

    Args:
        repo_or_dir: ``"owner/name"`` or ``"owner/name:ref"``, where ``ref`` is a branch or tag; or a
            folder, where ``source`` is ``"local"``.
        model: the name of the function.
        args, kwargs: its arguments.
        source: ``"github"`` or ``"local"``.
        trust_repo: whether to run code of an owner that was not trusted before: True trusts it, False
            asks, ``"check"`` asks unless it is in the list of the trusted.
        force_reload: download the repository even if it is here.
        verbose: tell when it is here already.
        skip_validation: do not ask GitHub whether ``ref`` belongs to this repository, rather than to a
            fork. ``GITHUB_TOKEN``, where set, is shown to it.

    Raises:
        ValueError: ``source`` or the form of ``repo_or_dir`` is none, or ``ref`` is not found.
        FileNotFoundError: the folder has no ``hubconf.py``.
        RuntimeError: there is no such function, a package that it needs is missing, or the repository
            is not trusted.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "hubconf.py").write_text(
    ...     "from rushlight import nn\\n"
    ...     "def tiny(width=2):\\n"
    ...     "    'A tiny model.'\\n"
    ...     "    return nn.Linear(width, 1)\\n"
    ... )
    >>> load(folder, "tiny", width=3, source="local")
    Linear(in_features=3, out_features=1, bias=True)
    >>> list(folder, source="local"), help(folder, "tiny", source="local")
    (['tiny'], 'A tiny model.')
    """
    folder = _folder_of(repo_or_dir, source, force_reload, trust_repo, verbose, skip_validation)
    with _hubconf(folder) as module:
        return _entry(module, model, folder)(*args, **kwargs)


def list(
    github: str | os.PathLike,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str = "check",
    verbose: bool = True,
    *,
    source: str = "github",
) -> builtins.list[str]:
    """The names that `load` takes as ``model``; arguments and errors as there."""
    folder = _folder_of(github, source, force_reload, trust_repo, verbose, skip_validation)
    with _hubconf(folder) as module:
        return _entries(module)


def help(
    github: str | os.PathLike,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str = "check",
    *,
    source: str = "github",
) -> str | None:
    """The docstring of a repository's function ``model``; arguments and errors as for `load`."""
    folder = _folder_of(github, source, force_reload, trust_repo, True, skip_validation)
    with _hubconf(folder) as module:
        return _entry(module, model, folder).__doc__


def _folder_of(
    repository: str | os.PathLike, source: str, force_reload: bool, trust_repo: bool | str,
    verbose: bool, skip_validation: bool,
) -> str:  # fmt: skip
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local":
        return os.path.expanduser(repository)
    from .utils.github import bring_repository

    return bring_repository(
        repository, get_dir(), force_reload, trust_repo, verbose, skip_validation
    )


@contextmanager
def _hubconf(folder: str) -> Iterator[ModuleType]:
    """A repository's ``hubconf.py`` as a module, whose neighbours can be imported meanwhile."""
    path = os.path.join(folder, HUBCONF)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"hub: {path} does not exist; a repository of models has a {HUBCONF} at its top"
        )
    import importlib.util

    spec = importlib.util.spec_from_file_location(HUBCONF, path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
        yield module
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("torch", "torchvision"):
            raise
        raise ModuleNotFoundError(
            f"{error}: the repository in {folder} is written for PyTorch. Call "
            "rushlight.compat.install() before, or run the program with `rushlight run`",
            name=error.name,
        ) from error
    finally:
        sys.path.remove(folder)


def _entries(module: ModuleType) -> builtins.list[str]:
    names = (name for name in dir(module) if not name.startswith("_"))
    return [name for name in names if callable(getattr(module, name))]


def _entry(module: ModuleType, name: str, folder: str) -> Any:
    if not isinstance(name, str):
        raise ValueError(
            "Invalid input: model should be a string of function name, "
            f"but got {type(name).__name__}"
        )
    needed = getattr(module, "dependencies", None) or ()
    missing = [package for package in needed if not _is_installed(package)]
    if missing:
        raise RuntimeError(
            f"Missing dependencies: {', '.join(missing)}. The repository in {folder} needs them; "
            "install them first (torch is there after rushlight.compat.install())"
        )
    entry = getattr(module, name, None)
    if not callable(entry):
        known = ", ".join(_entries(module)) or "none"
        raise RuntimeError(f"Cannot find callable {name} in hubconf of {folder}; it has {known}")
    return entry


def _is_installed(package: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(package) is not None
    except (ModuleNotFoundError, ValueError):
        # The package around a subpackage is missing; or it is loaded, but not from a file.
        return package in sys.modules
