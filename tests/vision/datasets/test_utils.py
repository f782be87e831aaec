"""Archives are unpacked as a whole or not at all, and never outside of their folder."""

import gzip
import io
import os
import stat
import tarfile
import threading
import urllib.error
import zipfile

import pytest

from rushlight.utils import download
from rushlight.vision.datasets import utils

from ...utils.rude_server import RudeServer, fail, give, hang_up
from . import tiny


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with RudeServer() as server:
        yield server


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def tar_bytes(path, **members):
    content = tiny.tar_of(path, **members).read_bytes()
    path.unlink()
    return content


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


# ---- whole archives


def test_it_is_unpacked_beside_itself_or_where_one_says(tmp_path):
    archive = tiny.tar_of(tmp_path / "a.tar", **{"x/1": b"one", "x/y/2": b"two"})
    assert utils.extract_archive(archive) == str(tmp_path)
    assert files(tmp_path) == ["a.tar", "x/1", "x/y/2"]
    assert utils.extract_archive(str(archive), tmp_path / "deep" / "er", remove_finished=True)
    assert files(tmp_path / "deep") == ["er/x/1", "er/x/y/2"]
    assert not archive.exists()


def test_what_is_there_stays_and_is_replaced_where_it_is_new(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1").write_text("old")
    (tmp_path / "x" / "0").write_text("mine")
    utils.extract_archive(tiny.tar_of(tmp_path / "a.tar", **{"x/1": b"new"}))
    assert (tmp_path / "x" / "1").read_text() == "new"
    assert (tmp_path / "x" / "0").read_text() == "mine"


@pytest.mark.parametrize("ending", ["gz", "xz", "bz2"])
def test_one_compressed_file(ending, tmp_path):
    import bz2
    import lzma

    compress = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[ending]
    packed = tmp_path / f"a.txt.{ending}"
    packed.write_bytes(compress(b"text"))
    assert utils.extract_archive(packed) == str(tmp_path / "a.txt")
    (tmp_path / "folder").mkdir()
    utils.extract_archive(packed, tmp_path / "folder")
    assert (tmp_path / "a.txt").read_text() == "text"
    assert (tmp_path / "folder" / "a.txt").read_text() == "text"
    assert files(tmp_path) == sorted(["a.txt", packed.name, "folder/a.txt"])


def test_permissions_are_usual(tmp_path):
    info = member("odd")
    info.mode = 0o4777
    utils.extract_archive(tiny.tar_of(tmp_path / "a.tar", odd=info))
    (tmp_path / "usual").touch()
    assert (tmp_path / "odd").stat().st_mode == (tmp_path / "usual").stat().st_mode


# ---- hostile and damaged archives


HOSTILE = {
    "above": {"good": b"", "../evil": b"x"},
    "above, later": {"good": b"", "a/../../evil": b"x"},
    "absolute": {"good": b"", "/tmp/evil-of-a-test": b"x"},
    "link": {"good": b"", "evil": member("evil", tarfile.SYMTYPE, "/etc/passwd")},
    "hard link": {"good": b"", "evil": member("evil", tarfile.LNKTYPE, "good")},
    "device": {"good": b"", "evil": member("evil", tarfile.CHRTYPE)},
    "pipe": {"good": b"", "evil": member("evil", tarfile.FIFOTYPE)},
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_tar(members, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    archive = tiny.tar_of(folder / "a.tar", **members)
    with pytest.raises(RuntimeError, match="nothing of it was unpacked") as told:
        utils.extract_archive(archive)
    assert str(archive) in str(told.value)
    assert files(tmp_path) == ["folder/a.tar"]
    assert os.listdir(folder) == ["a.tar"]


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil-of-a-test", "a/../../evil", "C:\\evil", "..\\evil"]
)
def test_hostile_zip(name, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("good", "x")
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(RuntimeError, match="outside of its folder"):
        utils.extract_archive(folder / "a.zip")
    assert files(tmp_path) == ["folder/a.zip"]


def test_link_in_zip_is_a_file(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    utils.extract_archive(tmp_path / "a.zip")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_text() == "/etc/passwd"


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip", "a.gz"])
def test_damaged(name, tmp_path):
    path = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x", os.urandom(20000))
    elif ".tar" in name:
        (tmp_path / "x").write_bytes(os.urandom(20000))
        tiny.tar(path, tmp_path, "x")
        (tmp_path / "x").unlink()
    else:
        path.write_bytes(gzip.compress(os.urandom(20000)))
    whole = path.read_bytes()
    for content in (whole[:10000], b"", b"<html>404</html>" * 50):
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match="damaged, or it is another file") as told:
            utils.extract_archive(path)
        assert str(path) in str(told.value)
        assert os.listdir(tmp_path) == [name]


def test_what_a_killed_process_left_is_no_hindrance(tmp_path):
    archive = tiny.tar_of(tmp_path / "a.tar", x=b"new")
    left = tmp_path / ".a.tar.unpacking"
    left.mkdir()
    (left / "half").write_text("half")
    utils.extract_archive(archive)
    assert files(tmp_path) == ["a.tar", "x"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    archive = tiny.tar_of(tmp_path / "a.tar", x=b"x" * 100)

    def full(source, target, length):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(utils.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        utils.extract_archive(archive)
    assert os.listdir(tmp_path) == ["a.tar"]


def test_two_at_once_wait_for_each_other(tmp_path):
    archive = str(tiny.tar_of(tmp_path / "a.tar", x=b"x"))
    entered, both = threading.Event(), []

    def second():
        entered.wait(10)
        with utils.locked(archive):
            both.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with utils.locked(archive):
        entered.set()
        thread.join(0.05)
        both.append("first")
    thread.join(10)
    assert both == ["first", "second"]


# ---- downloads


def test_download(server, tmp_path):
    body = tar_bytes(tmp_path / "b", x=b"text")
    (tmp_path / "sum").write_bytes(body)
    sums = tiny.md5(tmp_path / "sum")
    url = server.say("/a.tar", give(body))
    utils.download_and_extract_archive(url, tmp_path / "new", md5=sums)
    assert files(tmp_path / "new") == ["a.tar", "x"]
    utils.download_url(url, tmp_path / "new", md5=sums)
    assert len(server.asked) == 1


def test_other_addresses_are_asked(server, tmp_path):
    urls = [server.say("/1", fail(403)), server.say("/2", hang_up), server.say("/3", give(b"text"))]
    utils.download_url(urls, tmp_path, "name")
    assert (tmp_path / "name").read_text() == "text"


def test_errors_name_the_file_and_every_address(server, tmp_path):
    urls = [server.say("/1", fail(403)), server.say("/2", give(b"another file"))]
    with pytest.raises(RuntimeError) as told:
        utils.download_url(urls, tmp_path, "name", md5="0" * 32)
    assert "Error downloading name" in str(told.value)
    assert all(url in str(told.value) for url in urls)
    assert os.listdir(tmp_path) == []


def test_an_interrupted_download_goes_on(server, tmp_path):
    body = os.urandom(200_000)
    url = server.say("/a", give(body, cut=100_000), hang_up)
    with pytest.raises(RuntimeError, match="Error downloading a"):
        utils.download_url(url, tmp_path)
    assert not (tmp_path / "a").exists()
    server.say("/a", give(body))
    utils.download_url(url, tmp_path)
    assert server.asked[-1] == ("/a", "bytes=100000-")
    assert (tmp_path / "a").read_bytes() == body


def test_reason_is_chained(server, tmp_path):
    with pytest.raises(RuntimeError) as told:
        utils.download_url(server.say("/1", fail(404)), tmp_path)
    assert isinstance(told.value.__cause__, urllib.error.HTTPError)


def test_streams_of_archives(tmp_path):
    """An archive in an archive is read where it is."""
    content = io.BytesIO(tar_bytes(tmp_path / "b", x=b"text"))
    (tmp_path / "to").mkdir()
    utils.unpack_tar(content, str(tmp_path / "to"), "outer: inner")
    assert files(tmp_path) == ["to/x"]
    with pytest.raises(RuntimeError, match="outer: inner is damaged"):
        utils.unpack_tar(io.BytesIO(b"nothing" * 100), str(tmp_path), "outer: inner")
