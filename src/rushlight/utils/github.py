"""Repositories of code from GitHub, for `rushlight.hub`."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import warnings
from typing import Any, NamedTuple

from .download import fetch, open_url

SITE = "https://github.com"
API = "https://api.github.com"
TRUSTED_OWNERS = ("facebookresearch", "facebookincubator", "pytorch", "fairinternal")


class Repository(NamedTuple):
    """A repository at one of its branches or tags."""

    owner: str
    name: str
    ref: str

    @property
    def url(self) -> str:
        return f"{SITE}/{self.owner}/{self.name}"

    @property
    def folder(self) -> str:
        """The name of its folder among the downloads; a ref may have a slash."""
        return f"{self.owner}_{self.name}_{self.ref.replace('/', '_')}"


def bring_repository(
    github: str,
    hub_dir: str,
    force_reload: bool,
    trust_repo: bool | str,
    verbose: bool,
    skip_validation: bool,
) -> str:
    """The folder with a repository's code, downloaded if it is not there; see `rushlight.hub.load`."""
    os.makedirs(hub_dir, exist_ok=True)
    repository = _parsed(github, hub_dir)
    _check_trust(repository, hub_dir, trust_repo)
    folder = os.path.join(hub_dir, repository.folder)
    if os.path.exists(folder) and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {folder}\n")
        return folder
    if not skip_validation:
        _check_ref(repository)
    archive = f"{folder}.zip"
    _download(repository, archive)
    try:
        _unpack(archive, folder)
    finally:
        os.unlink(archive)
    return folder


def _parsed(github: str, hub_dir: str) -> Repository:
    found = re.fullmatch(r"([\w.-]+)/([\w.-]+)(?::([\w./+@-]+))?", str(github))
    if found is None or ".." in str(github):
        raise ValueError(
            f'hub: expected "owner/name" or "owner/name:ref", but got {github!r}; '
            'a folder needs source="local"'
        )
    owner, name, ref = found.groups()
    return Repository(owner, name, ref or _default_branch(owner, name, hub_dir))


def _default_branch(owner: str, name: str, hub_dir: str) -> str:
    from urllib.error import HTTPError, URLError

    try:
        open_url(f"{SITE}/{owner}/{name}/tree/main/").close()
        return "main"
    except HTTPError as error:
        error.close()
        if error.code == 404:
            return "master"
        raise
    except (URLError, OSError) as error:
        for branch in ("main", "master"):
            if os.path.exists(os.path.join(hub_dir, Repository(owner, name, branch).folder)):
                return branch
        raise RuntimeError(
            "It looks like there is no internet connection and the repo could not be found in the "
            f"cache ({hub_dir}): {error}"
        ) from error


def _check_trust(repository: Repository, hub_dir: str, trust_repo: bool | str) -> None:
    """Refuses a repository that neither the list nor the user trusts; keeps the list."""
    path = os.path.join(hub_dir, "trusted_list")
    name = f"{repository.owner}_{repository.name}"
    with open(path, "a+", encoding="utf-8") as file:
        file.seek(0)
        listed = name in file.read().split()
        trusted = (
            listed
            or repository.owner in TRUSTED_OWNERS
            # What has been downloaded was trusted then.
            or os.path.isdir(os.path.join(hub_dir, repository.folder))
        )
        if trust_repo is False or (trust_repo == "check" and not trusted):
            _ask(repository, name)
        if not trusted:
            file.write(f"{name}\n")


def _ask(repository: Repository, name: str) -> None:
    question = (
        f"The repository {name} does not belong to the list of trusted repositories and as such "
        "cannot be downloaded. Do you trust this repository and wish to add it to the trusted list "
        "of repositories (y/N)?"
    )
    try:
        answer = input(question).lower()
    except EOFError:
        answer = "n"
    if answer in ("n", "no", ""):
        raise RuntimeError(
            f"Untrusted repository. Its code would be run: look at {repository.url}, and say "
            "trust_repo=True if you trust it"
        )
    if answer not in ("y", "yes"):
        raise ValueError(f"Unrecognized response {answer}.")


def _check_ref(repository: Repository) -> None:
    """GitHub serves commits of forks under the original's name; they are somebody else's code."""
    base = f"{API}/repos/{repository.owner}/{repository.name}"
    for kind in ("branches", "tags"):
        page = 1
        while found := _api(f"{base}/{kind}?per_page=100&page={page}"):
            for one in found:
                if one["name"] == repository.ref or one["commit"]["sha"].startswith(repository.ref):
                    return
            page += 1
    raise ValueError(
        f"Cannot find {repository.ref} in {repository.url}. "
        "If it's a commit from a forked repo, please call hub.load() with forked repo directly."
    )


def _api(url: str) -> Any:
    from urllib.error import HTTPError

    headers = {"Accept": "application/vnd.github.v3+json"}
    token = os.environ.get("GITHUB_TOKEN")
    if token:
        try:
            with open_url(url, {**headers, "Authorization": f"token {token}"}) as response:
                return json.load(response)
        except HTTPError as error:
            # The token may allow less than none does.
            error.close()
    with open_url(url, headers) as response:
        return json.load(response)


def _download(repository: Repository, archive: str) -> None:
    from urllib.error import HTTPError

    url = f"{repository.url}/zipball/{repository.ref}"
    sys.stdout.write(f'Downloading: "{url}" to {archive}\n')
    try:
        fetch(url, archive, overwrite=True, progress=False)
    except HTTPError as error:
        if error.code != 300:
            raise
        warnings.warn(
            f"The ref {repository.ref} is ambiguous: it is both a branch and a tag, and the branch is "
            f"taken. Write refs/heads/{repository.ref} or refs/tags/{repository.ref}, with "
            "skip_validation=True.",
            stacklevel=5,
        )
        url = f"{repository.url}/zipball/refs/heads/{repository.ref}"
        fetch(url, archive, overwrite=True, progress=False)


def _unpack(archive: str, folder: str) -> None:
    """Makes ``folder`` of the archive's only top folder, all at once."""
    import zipfile

    hub_dir = os.path.dirname(folder)
    with tempfile.TemporaryDirectory(dir=hub_dir, prefix=".unpacking-") as scratch:
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                _check_member(member.filename, archive)
            file.extractall(scratch)
        tops = os.listdir(scratch)
        if len(tops) != 1:
            raise ValueError(f"{archive} is no archive of a repository: it has {len(tops)} folders")
        if os.path.exists(folder):
            shutil.rmtree(folder)
        os.rename(os.path.join(scratch, tops[0]), folder)


def _check_member(name: str, archive: str) -> None:
    parts = re.split(r"[/\\]", name)
    if ".." in parts or parts[0] == "" or re.match(r"[A-Za-z]:", name):
        raise ValueError(
            f"Archive entry {name!r} of {archive} leads out of its folder; nothing was unpacked"
        )
