"""Both keep their downloads in one place, and take each other's."""

import builtins
import inspect
import io

import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
from rushlight import hub  # noqa: E402


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub"


@pytest.fixture
def url(tmp_path):
    torch.save({"w": torch.arange(3.0)}, tmp_path / "net.pt")
    return (tmp_path / "net.pt").as_uri()


@pytest.mark.parametrize("name", ["download_url_to_file", "load", "load_state_dict_from_url"])
def test_signatures(name):
    ours = inspect.signature(getattr(hub, name)).parameters
    theirs = inspect.signature(getattr(torch.hub, name)).parameters
    assert builtins.list(ours) == builtins.list(theirs)
    defaults = {key: value.default for key, value in theirs.items()}
    # Safe unless told otherwise, as load is in both.
    defaults.update({"weights_only": True} if name == "load_state_dict_from_url" else {})
    assert {key: value.default for key, value in ours.items()} == defaults
    assert all(ours[key].kind == theirs[key].kind for key in ours)


@pytest.mark.parametrize("name", ["list", "help"])
def test_signatures_with_a_source_more(name):
    ours = inspect.signature(getattr(hub, name)).parameters
    theirs = inspect.signature(getattr(torch.hub, name)).parameters
    assert builtins.list(ours) == [*theirs, "source"]
    assert all(ours[key].default == value.default for key, value in theirs.items())


@pytest.mark.parametrize(
    "variables", [{}, {"TORCH_HOME": "~/x"}, {"XDG_CACHE_HOME": "/cache"}, {"HOME": "/home/me"}]
)
def test_folders(monkeypatch, variables):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub.get_dir() == torch.hub.get_dir()


def test_we_take_what_pytorch_downloaded(url, tmp_path, capsys):
    torch.hub.load_state_dict_from_url(url, progress=False)
    (tmp_path / "net.pt").unlink()
    capsys.readouterr()
    assert hub.load_state_dict_from_url(url)["w"].tolist() == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_pytorch_takes_what_we_downloaded(url, tmp_path, capsys):
    hub.load_state_dict_from_url(url, progress=False)
    ours = capsys.readouterr().out
    (tmp_path / "net.pt").unlink()
    assert torch.hub.load_state_dict_from_url(url)["w"].tolist() == [0, 1, 2]
    assert capsys.readouterr().out == ""
    torch.hub.set_dir(tmp_path / "elsewhere")
    try:
        (tmp_path / "net.pt").write_bytes(b"")
        with pytest.raises(EOFError):
            torch.hub.load_state_dict_from_url(url, progress=False)
        theirs = capsys.readouterr().out
    finally:
        torch.hub._hub_dir = None
    assert ours.split(" to ")[0] == theirs.split(" to ")[0]


def test_trust_is_shared(home, monkeypatch):
    (home / "owner_name_main").mkdir(parents=True)
    (home / "owner_name_main" / "hubconf.py").write_text("def tiny(): return 7\n")
    (home / "other_name_main").mkdir()
    (home / "other_name_main" / "hubconf.py").write_text("def tiny(): return 8\n")
    assert torch.hub.load("owner/name:main", "tiny", trust_repo=True, verbose=False) == 7
    assert hub.load("owner/name:main", "tiny", verbose=False) == 7
    assert hub.load("other/name:main", "tiny", trust_repo=True, verbose=False) == 8
    assert torch.hub.load("other/name:main", "tiny", verbose=False) == 8
    assert hub.list("owner/name:main") == torch.hub.list("owner/name:main")


def test_a_sum_that_differs(url, tmp_path):
    texts = []
    for module in (hub, torch.hub):
        with pytest.raises(RuntimeError) as caught:
            module.download_url_to_file(url, str(tmp_path / "out"), "0000", False)
        texts.append(str(caught.value))
        assert not (tmp_path / "out").exists()
    assert texts[0].startswith(texts[1])


def test_a_file_of_ours(tmp_path):
    file = io.BytesIO()
    rushlight.save({"w": rushlight.ones(2)}, file)
    (tmp_path / "ours.pt").write_bytes(file.getvalue())
    state = torch.hub.load_state_dict_from_url((tmp_path / "ours.pt").as_uri(), progress=False)
    assert state["w"].tolist() == [1, 1]
