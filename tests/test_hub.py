"""Models from the network, which is here a server of our own."""

import hashlib
import io
import pickle
import subprocess
import sys
import urllib.error
import zipfile

import pytest

import rushlight
from rushlight import hub
from rushlight.utils import download, github, model_zoo

from .utils.rude_server import RudeServer, fail, give


@pytest.fixture
def server():
    with RudeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0,))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "HTTP_PROXY", "GITHUB_TOKEN", "TORCH_HUB", "TORCH_MODEL_ZOO"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home" / "hub"


def saved(obj):
    file = io.BytesIO()
    rushlight.save(obj, file)
    return file.getvalue()


WEIGHTS = saved({"w": rushlight.arange(3.0)})
SUM = hashlib.sha256(WEIGHTS).hexdigest()


class Program:
    def __reduce__(self):
        return print, ("run",)


# ---- where


def test_the_folder(monkeypatch, tmp_path):
    assert hub.get_dir() == f"{tmp_path}/home/hub"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert hub.get_dir() == "/somewhere/torch/hub"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert hub.get_dir() == "/home/me/.cache/torch/hub"
    monkeypatch.setenv("TORCH_HOME", "~/torch")
    assert hub.get_dir() == "/home/me/torch/hub"


def test_another_folder(monkeypatch):
    monkeypatch.setattr(hub, "_dir", None)
    monkeypatch.setenv("HOME", "/home/me")
    hub.set_dir("~/models")
    assert hub.get_dir() == "/home/me/models"
    hub.set_dir(None)


@pytest.mark.parametrize("name", ["TORCH_HUB", "TORCH_MODEL_ZOO"])
def test_variables_of_old(server, monkeypatch, name):
    monkeypatch.setenv(name, "/old")
    with pytest.warns(UserWarning, match=f"{name} is not read any more; set TORCH_HOME instead"):
        hub.load_state_dict_from_url(server.say("/a.pt", give(WEIGHTS)), progress=False)


# ---- files


def test_a_download(server, tmp_path):
    url = server.say("/a", give(b"hello"))
    assert hub.download_url_to_file(url, tmp_path / "a", "2cf24dba", progress=False) is None
    (tmp_path / "a").write_bytes(b"old")
    hub.download_url_to_file(url, str(tmp_path / "a"), progress=False)
    assert (tmp_path / "a").read_bytes() == b"hello"


def test_a_download_with_another_sum(server, tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RuntimeError, match='invalid hash value .expected "00", got "2cf24dba'):
        hub.download_url_to_file(server.say("/a", give(b"hello")), tmp_path / "a", "00", False)
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_state_dict(server, home, capsys):
    url = server.say("/models/net.pt", give(WEIGHTS)) + "?download=1"
    server.answers["/models/net.pt?download=1"] = [give(WEIGHTS)]
    state = hub.load_state_dict_from_url(url)
    assert state["w"].tolist() == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == f'Downloading: "{url}" to {home}/checkpoints/net.pt\n'
    assert "100%" in err
    assert hub.load_state_dict_from_url(url)["w"].tolist() == [0, 1, 2]
    assert len(server.asked) == 1
    assert capsys.readouterr() == ("", "")


def test_names_and_places(server, tmp_path):
    url = server.say("/net.pt", give(WEIGHTS))
    state = model_zoo.load_url(url, tmp_path / "mine", "meta", False, file_name="my.pt")
    assert state["w"].is_meta
    assert (tmp_path / "mine" / "my.pt").read_bytes() == WEIGHTS


def test_no_name(server):
    with pytest.raises(ValueError, match="does not end with the name of a file; .*file_name="):
        hub.load_state_dict_from_url(server.url + "/models/")


def test_the_sum_in_the_name(server, home):
    url = server.say(f"/net-{SUM[:8]}.pt", give(WEIGHTS))
    assert "w" in hub.load_state_dict_from_url(url, check_hash=True, progress=False)
    other = server.say("/net-00000000.pt", give(WEIGHTS))
    with pytest.raises(RuntimeError, match='invalid hash value .expected "00000000", got'):
        hub.load_state_dict_from_url(other, check_hash=True, progress=False)
    assert not (home / "checkpoints" / "net-00000000.pt").exists()
    assert "w" in hub.load_state_dict_from_url(other, progress=False)


def test_a_name_without_a_sum(server):
    url = server.say("/resnet-50.pt", give(WEIGHTS))
    with pytest.warns(UserWarning, match="the name resnet-50.pt does not tell the sum"):
        assert "w" in hub.load_state_dict_from_url(url, check_hash=True, progress=False)


def test_a_damaged_file_in_the_folder(server, home):
    url = server.say(f"/net-{SUM[:8]}.pt", give(WEIGHTS))
    (home / "checkpoints").mkdir(parents=True)
    path = home / "checkpoints" / f"net-{SUM[:8]}.pt"
    path.write_bytes(WEIGHTS[:-50])
    with pytest.raises(RuntimeError, match="is damaged: .* Delete it, and the next call downloads"):
        hub.load_state_dict_from_url(url)


def test_programs_are_refused(server):
    url = server.say("/net.pt", give(saved({"w": Program()})))
    with pytest.raises(pickle.UnpicklingError):
        hub.load_state_dict_from_url(url, progress=False)


def test_programs_are_run_when_told(server, capsys):
    url = server.say("/net.pt", give(saved({"w": Program()})))
    hub.load_state_dict_from_url(url, progress=False, weights_only=False)
    assert capsys.readouterr().out.endswith("run\n")


def test_a_compressed_checkpoint(server):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../net.pt", WEIGHTS)
    url = server.say("/net.zip", give(file.getvalue()))
    assert "w" in hub.load_state_dict_from_url(url, progress=False)


def test_not_there(server, home):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        hub.load_state_dict_from_url(server.url + "/none.pt", progress=False)
    assert not list(home.rglob("*.*"))


PROGRAM = """
import sys, rushlight
print(rushlight.hub.load_state_dict_from_url(sys.argv[1], progress=False)["w"].tolist())
"""


def test_two_processes(server):
    command = [sys.executable, "-c", "import rushlight.hub\n" + PROGRAM]
    command.append(server.say("/net.pt", give(WEIGHTS)))
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert all(b"[0.0, 1.0, 2.0]" in process.communicate()[0] for process in both)
    assert server.asked == [("/net.pt", None)]


# ---- repositories in a folder

HUBCONF = """
dependencies = ["numpy"]
from helper_of_this_repository import WIDTH as _WIDTH

def tiny(width=_WIDTH, *, bias=True):
    "A tiny model."
    from rushlight import nn
    return nn.Linear(width, 1, bias)

def _hidden():
    pass
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "hubconf.py").write_text(HUBCONF)
    (folder / "helper_of_this_repository.py").write_text("WIDTH = 4\n")
    monkeypatch.delitem(sys.modules, "helper_of_this_repository", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return folder


def test_a_folder(repository):
    path = list(sys.path)
    assert hub.load(repository, "tiny", source="local").in_features == 4
    assert hub.load(str(repository), "tiny", 5, source="LOCAL", bias=False).bias is None
    assert hub.list(repository, source="local") == ["tiny"]
    assert hub.help(repository, "tiny", source="local") == "A tiny model."
    assert sys.path == path


def test_no_such_model(repository):
    with pytest.raises(
        RuntimeError, match="Cannot find callable big in hubconf of .*; it has tiny"
    ):
        hub.load(repository, "big", source="local")
    with pytest.raises(RuntimeError, match="Cannot find callable _WIDTH"):
        hub.help(repository, "_WIDTH", source="local")
    with pytest.raises(ValueError, match="model should be a string of function name, but got int"):
        hub.load(repository, 3, source="local")


def test_no_hubconf(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="a repository of models has a hubconf.py at its top"
    ):
        hub.list(tmp_path, source="local")


def test_no_source():
    with pytest.raises(ValueError, match='Unknown source: "gitlab". Allowed values: "github"'):
        hub.load("a/b", "tiny", source="gitlab")


def test_missing_dependencies(repository):
    (repository / "hubconf.py").write_text(
        "dependencies = ['numpy', 'no_such_package', 'no_such.part']\ndef tiny(): pass\n"
    )
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package, no_such.part. "):
        hub.load(repository, "tiny", source="local")


def test_a_repository_for_pytorch(repository, monkeypatch):
    (repository / "hubconf.py").write_text("import torch\n")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match="Call rushlight.compat.install.. before, or run"):
        hub.list(repository, source="local")
    (repository / "hubconf.py").write_text("import no_such_package\n")
    with pytest.raises(ModuleNotFoundError, match="^No module named 'no_such_package'$"):
        hub.list(repository, source="local")


# ---- repositories of GitHub


def archive(files, top="owner-name-0123abc/"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(top + name, text)
    return file.getvalue()


CODE = {"hubconf.py": "def tiny():\n    'Of the net.'\n    return 7\n", "sub/x.py": ""}


@pytest.fixture
def site(server, monkeypatch):
    """A GitHub with one repository, whose branch is main."""
    monkeypatch.setattr(github, "SITE", server.url)
    monkeypatch.setattr(github, "API", server.url)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    server.say("/owner/name/tree/main/", give(b"a page"))
    heads = b'[{"name": "main", "commit": {"sha": "0123abc"}}]'
    server.say("/repos/owner/name/branches?per_page=100&page=1", give(heads))
    server.say("/repos/owner/name/branches?per_page=100&page=2", give(b"[]"))
    tags = b'[{"name": "v1", "commit": {"sha": "4567def"}}]'
    server.say("/repos/owner/name/tags?per_page=100&page=1", give(tags))
    server.say("/repos/owner/name/tags?per_page=100&page=2", give(b"[]"))
    server.say("/owner/name/zipball/main", give(archive(CODE)))
    server.say("/owner/name/zipball/v1", give(archive(CODE)))
    return server


def answer(monkeypatch, text):
    asked = []

    def ask(question):
        asked.append(question)
        return text

    monkeypatch.setattr("builtins.input", ask)
    return asked


def test_a_repository(site, home, capsys):
    assert hub.load("owner/name", "tiny", trust_repo=True) == 7
    assert sorted(path.name for path in home.iterdir()) == ["owner_name_main", "trusted_list"]
    assert (home / "trusted_list").read_text() == "owner_name\n"
    assert (home / "owner_name_main" / "sub" / "x.py").exists()
    assert f'Downloading: "{site.url}/owner/name/zipball/main"' in capsys.readouterr().out
    site.asked.clear()
    assert hub.list("owner/name") == ["tiny"]
    assert hub.help("owner/name:main", "tiny") == "Of the net."
    assert capsys.readouterr().err == f"Using cache found in {home}/owner_name_main\n" * 2
    hub.list("owner/name", verbose=False)
    assert capsys.readouterr().err == ""
    assert {path for path, _ in site.asked} == {"/owner/name/tree/main/"}


def test_it_is_downloaded_anew_when_told(site, home):
    hub.load("owner/name", "tiny", trust_repo=True)
    site.say("/owner/name/zipball/main", give(archive({"hubconf.py": "def big(): return 8\n"})))
    assert hub.load("owner/name", "big", force_reload=True) == 8
    assert not (home / "owner_name_main" / "sub").exists()


@pytest.mark.parametrize("ref", ["v1", "4567d"])
def test_refs(site, home, ref):
    site.say(f"/owner/name/zipball/{ref}", give(archive(CODE)))
    assert hub.load(f"owner/name:{ref}", "tiny", trust_repo=True) == 7
    assert (home / f"owner_name_{ref}").is_dir()


def test_the_older_default_branch(site, home):
    site.say("/owner/name/tree/main/", fail(404))
    site.say("/owner/name/zipball/master", give(archive(CODE)))
    hub.load("owner/name", "tiny", trust_repo=True, skip_validation=True)
    assert (home / "owner_name_master").is_dir()


def test_a_ref_of_a_fork(site):
    with pytest.raises(
        ValueError, match="Cannot find 99999 in .*/owner/name. If it's a commit from"
    ):
        hub.load("owner/name:99999", "tiny", trust_repo=True)


def test_a_token_that_allows_nothing(site, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    url = "/repos/owner/name/branches?per_page=100&page=1"
    site.say(url, fail(401), *site.answers[url])
    assert hub.load("owner/name", "tiny", trust_repo=True) == 7
    asked = [
        h.get("Authorization") for h, (path, _) in zip(site.headers, site.asked) if path == url
    ]
    assert asked == ["token secret", None]


def test_a_branch_that_is_also_a_tag(site):
    site.say("/owner/name/zipball/v1", fail(300))
    site.say("/owner/name/zipball/refs/heads/v1", give(archive(CODE)))
    with pytest.warns(
        UserWarning, match="The ref v1 is ambiguous: .* the branch is taken"
    ) as caught:
        assert hub.load("owner/name:v1", "tiny", trust_repo=True) == 7
    assert caught[0].filename == __file__


def test_trust(site, monkeypatch, home):
    asked = answer(monkeypatch, "n")
    with pytest.raises(RuntimeError, match="Untrusted repository. .*trust_repo=True"):
        hub.load("owner/name", "tiny")
    with pytest.raises(RuntimeError, match="Untrusted repository"):
        hub.load("owner/name", "tiny", trust_repo=False)
    assert len(asked) == 2
    assert "The repository owner_name does not belong to the list of trusted" in asked[0]
    answer(monkeypatch, "perhaps")
    with pytest.raises(ValueError, match="Unrecognized response perhaps."):
        hub.load("owner/name", "tiny")
    assert (home / "trusted_list").read_text() == ""
    asked = answer(monkeypatch, "Yes")
    assert hub.load("owner/name", "tiny") == 7
    assert hub.load("owner/name", "tiny", force_reload=True) == 7
    assert len(asked) == 1
    assert (home / "trusted_list").read_text() == "owner_name\n"


def test_nobody_to_ask(site, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(RuntimeError, match="Untrusted repository"):
        hub.load("owner/name", "tiny")


def test_trusted_owners(site, monkeypatch):
    monkeypatch.setattr(github, "TRUSTED_OWNERS", ("owner",))
    assert hub.load("owner/name", "tiny") == 7


def test_no_network(monkeypatch, home):
    with RudeServer() as gone:
        monkeypatch.setattr(github, "SITE", gone.url)
    with pytest.raises(RuntimeError, match="It looks like there is no internet connection"):
        hub.load("owner/name", "tiny")
    (home / "owner_name_master").mkdir()
    (home / "owner_name_master" / "hubconf.py").write_text("def tiny(): return 9\n")
    assert hub.load("owner/name", "tiny") == 9


def test_a_site_that_refuses(site):
    site.say("/owner/name/tree/main/", fail(403))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        hub.load("owner/name", "tiny")
    site.say("/owner/name/zipball/v1", fail(403))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        hub.load("owner/name:v1", "tiny", trust_repo=True)


@pytest.mark.parametrize("name", ["owner", "a/b/c", "/a/b", "a/b:", "a/b:../../c", "../a", ""])
def test_no_repository(name):
    with pytest.raises(ValueError, match='expected "owner/name" or "owner/name:ref", but got'):
        hub.load(name, "tiny")


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../out.py", "C:\\out.py"])
def test_archives_that_lead_out(site, home, name):
    site.say("/owner/name/zipball/main", give(archive({**CODE, name: ""}, top="")))
    with pytest.raises(ValueError, match="leads out of its folder; nothing was unpacked"):
        hub.load("owner/name", "tiny", trust_repo=True)
    assert [path.name for path in home.iterdir()] == ["trusted_list"]


def test_archives_of_something_else(site, home):
    site.say("/owner/name/zipball/main", give(archive({"a/x": "", "b/x": ""}, top="")))
    with pytest.raises(ValueError, match="is no archive of a repository: it has 2 folders"):
        hub.load("owner/name", "tiny", trust_repo=True)
