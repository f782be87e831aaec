"""Downloads from a server that cuts, lies, forgets and fails."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import random
import subprocess
import sys
import urllib.error

import pytest

from rushlight.utils import download
from rushlight.utils.download import fetch, is_intact

from .rude_server import RudeServer, fail, give, hang_up

BODY = bytes(range(256)) * 1000  # four chunks
OTHER = BODY[::-1]
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def server():
    with RudeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(download, "WAITS", (0, 0, 0))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def bring(url, folder, **options):
    path = str(folder / "file.bin")
    assert fetch(url, path, progress=False, **options) == path
    return (folder / "file.bin").read_bytes()


def only_the_file(folder):
    return os.listdir(folder) == ["file.bin"]


def leave_a_part(server, folder, url, length=100_000, **options):
    """A download that broke off after ``length`` bytes, in an earlier run of the program."""
    path = url.removeprefix(server.url)
    server.say(path, give(BODY, cut=length, **options), hang_up)
    with pytest.raises(urllib.error.URLError):
        bring(url, folder)
    assert (folder / "file.bin.part").stat().st_size == length
    assert not (folder / "file.bin").exists()
    server.asked.clear()


# ---- when all is well


def test_a_file_comes(server, tmp_path):
    url = server.say("/a", give(BODY))
    assert bring(url, tmp_path, sha256=SHA256, md5=MD5, size=len(BODY)) == BODY
    assert only_the_file(tmp_path)
    assert server.asked == [("/a", None)]
    assert server.headers[0]["User-Agent"].startswith("rushlight/")


def test_folders_are_made_and_permissions_are_usual(server, tmp_path):
    fetch(server.say("/a", give(BODY)), tmp_path / "x" / "y", progress=False)
    usual = tmp_path / "usual"
    usual.touch()
    assert (tmp_path / "x" / "y").stat().st_mode == usual.stat().st_mode


def test_a_file_that_is_there_stays(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(BODY)
    url = server.say("/a", give(OTHER))
    assert bring(url, tmp_path) == BODY
    assert bring(url, tmp_path, sha256=SHA256) == BODY
    assert server.asked == []


def test_a_file_that_is_there_is_replaced_when_it_is_wrong_or_when_told(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(OTHER)
    url = server.say("/a", give(BODY))
    assert bring(url, tmp_path, md5=MD5) == BODY
    assert bring(url, tmp_path, md5=MD5, overwrite=True) == BODY
    assert len(server.asked) == 2


def test_a_link_stays_a_link(server, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "file.bin").symlink_to(tmp_path / "real" / "file.bin")
    assert bring(server.say("/a", give(BODY)), tmp_path) == BODY
    assert (tmp_path / "file.bin").is_symlink()
    assert only_the_file(tmp_path / "real")


def test_an_empty_file(server, tmp_path):
    assert bring(server.say("/a", give(b"")), tmp_path) == b""
    assert only_the_file(tmp_path)


def test_a_redirect(server, tmp_path):
    server.say("/a", fail(302, Location="/b"))
    server.say("/b", give(BODY))
    assert bring(server.url + "/a", tmp_path) == BODY


def test_file_addresses(tmp_path):
    (tmp_path / "source").write_bytes(BODY)
    (tmp_path / "out").mkdir()
    assert bring((tmp_path / "source").as_uri(), tmp_path / "out", sha256=SHA256) == BODY


def test_a_length_that_the_server_does_not_tell(server, tmp_path):
    assert bring(server.say("/a", give(BODY, length=-1)), tmp_path, size=len(BODY)) == BODY


# ---- connections that break off


def test_a_cut_connection_goes_on_where_it_broke(server, tmp_path):
    url = server.say("/a", give(BODY, cut=100_000), give(BODY, cut=80_000), give(BODY))
    assert bring(url, tmp_path) == BODY
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", "bytes=180000-"]
    assert server.headers[1]["If-Range"] == '"1"'
    assert only_the_file(tmp_path)


def test_a_server_that_cuts_every_chunk_is_worn_down(server, tmp_path):
    url = server.say("/a", give(BODY, cut=download.CHUNK))
    assert bring(url, tmp_path) == BODY
    assert len(server.asked) == 4


def test_a_server_that_always_cuts_at_the_same_place(server, tmp_path):
    url = server.say("/a", give(BODY, cut=1000, ranges=False))
    with pytest.raises(urllib.error.ContentTooShortError) as caught:
        bring(url, tmp_path)
    assert f"{url} broke off: 1000 of 256000 bytes came" in str(caught.value)
    assert len(server.asked) == 3
    assert not (tmp_path / "file.bin").exists()


def test_more_announced_than_there_is(server, tmp_path):
    url = server.say("/a", give(BODY, length=len(BODY) + 1, ranges=False))
    with pytest.raises(urllib.error.ContentTooShortError, match="256000 of 256001 bytes"):
        bring(url, tmp_path)
    assert not (tmp_path / "file.bin").exists()


def test_less_announced_than_wanted(server, tmp_path):
    url = server.say("/a", give(BODY, length=1000))
    with pytest.raises(RuntimeError, match=r"invalid size \(expected 256000 bytes, got 1000\)"):
        bring(url, tmp_path, size=len(BODY))
    assert os.listdir(tmp_path) == []


def test_nothing_announced_and_cut(server, tmp_path):
    url = server.say("/a", give(BODY, length=-1, cut=1000))
    with pytest.raises(RuntimeError, match=r"invalid size \(expected 256000 bytes, got 1000\)"):
        bring(url, tmp_path, size=len(BODY))
    assert os.listdir(tmp_path) == []


def test_the_next_run_goes_on(server, tmp_path):
    url = server.url + "/a"
    leave_a_part(server, tmp_path, url)
    server.say("/a", give(BODY))
    assert bring(url, tmp_path) == BODY
    assert server.asked == [("/a", "bytes=100000-")]
    assert only_the_file(tmp_path)


def test_the_next_run_goes_on_by_the_date(server, tmp_path):
    url, date = server.url + "/a", "Wed, 21 Oct 2015 07:28:00 GMT"
    leave_a_part(server, tmp_path, url, etag='W/"1"', modified=date)
    server.say("/a", give(BODY, etag='W/"1"', modified=date))
    assert bring(url, tmp_path) == BODY
    assert server.headers[-1]["If-Range"] == date


def test_a_server_that_ignores_range_starts_over(server, tmp_path):
    url = server.url + "/a"
    leave_a_part(server, tmp_path, url)
    server.say("/a", give(BODY, ranges=False))
    assert bring(url, tmp_path) == BODY
    assert len(server.asked) == 1


@pytest.mark.parametrize("ignore_if_range", [False, True])
def test_another_version_starts_over(server, tmp_path, ignore_if_range):
    url = server.url + "/a"
    leave_a_part(server, tmp_path, url)
    server.say("/a", give(OTHER, etag='"2"', ignore_if_range=ignore_if_range))
    assert bring(url, tmp_path) == OTHER


def test_another_length_starts_over(server, tmp_path):
    url = server.url + "/a"
    leave_a_part(server, tmp_path, url)
    server.say("/a", give(BODY + b"!", ignore_if_range=True))
    assert bring(url, tmp_path) == BODY + b"!"


def test_a_rest_that_nobody_asked_for_starts_over(server, tmp_path):
    def wrong_place(request):
        request.send_response(206)
        request.send_header("Content-Range", f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
        request.end_headers()
        request.wfile.write(BODY[5:])

    url = server.url + "/a"
    leave_a_part(server, tmp_path, url)
    server.say("/a", wrong_place, give(BODY))
    assert bring(url, tmp_path) == BODY
    assert [asked for _, asked in server.asked] == ["bytes=100000-", None]


def test_a_file_that_became_shorter_starts_over(server, tmp_path):
    url = server.url + "/a"
    leave_a_part(server, tmp_path, url)
    server.say("/a", give(BODY[:5]))
    assert bring(url, tmp_path) == BODY[:5]
    assert [asked for _, asked in server.asked] == ["bytes=100000-", None]


def test_pieces_of_two_versions_are_found_by_the_sum(server, tmp_path):
    url = server.url + "/a"
    leave_a_part(server, tmp_path, url, etag=None)
    (tmp_path / "file.bin.part").write_bytes(OTHER[:100_000])
    server.say("/a", give(BODY, etag=None))
    assert bring(url, tmp_path, sha256=SHA256) == BODY
    assert [asked for _, asked in server.asked] == ["bytes=100000-", None]


def test_without_a_mark_or_a_sum_nothing_is_pieced_together(server, tmp_path):
    url = server.url + "/a"
    leave_a_part(server, tmp_path, url, etag=None)
    server.say("/a", give(BODY, etag=None))
    assert bring(url, tmp_path) == BODY
    assert server.asked == [("/a", None)]


NOTES = [
    None, b"", b"{", b"[]", b"\xff\xfe", b"{}", b'{"mark": 3}', b'{"url": null, "mark": [], "total": {}}',
]  # fmt: skip


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("sha256", [None, SHA256])
def test_a_stale_part(server, tmp_path, note, sha256):
    (tmp_path / "file.bin.part").write_bytes(OTHER[:1000])
    if note is not None:
        (tmp_path / "file.bin.part.json").write_bytes(note)
    assert bring(server.say("/a", give(BODY)), tmp_path, sha256=sha256) == BODY
    assert only_the_file(tmp_path)


def test_a_part_that_is_whole(server, tmp_path):
    url = server.say("/a", give(BODY))
    (tmp_path / "file.bin.part").write_bytes(BODY)
    note = {"url": url, "mark": '"1"', "total": len(BODY)}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    assert bring(url, tmp_path) == BODY


def test_interrupting_keeps_what_came(server, tmp_path, monkeypatch):
    class Impatient(download._NoBar):
        def show(self, done, total):
            if done > 100_000:
                raise KeyboardInterrupt

    url = server.say("/a", give(BODY))
    with monkeypatch.context() as patch:
        patch.setattr(download, "_NoBar", Impatient)
        with pytest.raises(KeyboardInterrupt):
            bring(url, tmp_path)
    assert not (tmp_path / "file.bin").exists()
    assert bring(url, tmp_path) == BODY
    assert server.asked[1][1] == f"bytes={2 * download.CHUNK}-"


def test_a_full_disk(server, tmp_path, monkeypatch):
    def full(self, chunk):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download._Part, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        bring(server.say("/a", give(BODY)), tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert len(server.asked) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("has_sum", [False, True])
def test_any_misbehaviour(server, tmp_path, seed, has_sum):
    """Whatever the server does, and however often the program is begun anew, no version is mixed."""
    draw = random.Random(seed)
    versions = [draw.randbytes(draw.randrange(1, 300_000)) for _ in range(3)]
    wanted = hashlib.sha256(versions[-1]).hexdigest() if has_sum else None
    for _ in range(6):
        answers = [hang_up, fail(503)]
        for number, body in enumerate(versions):
            options = {"etag": f'"{number}"', "ranges": draw.random() < 0.7}
            options["ignore_if_range"] = draw.random() < 0.3
            answers += [give(body, cut=draw.randrange(len(body)), **options) for _ in range(3)]
        answers = draw.sample(answers, 8)
        with contextlib.suppress(urllib.error.URLError, RuntimeError):
            bring(server.say("/a", *answers), tmp_path, sha256=wanted)
        found = [path.read_bytes() for path in tmp_path.glob("file.bin")]
        assert all(body in (versions[-1:] if has_sum else versions) for body in found)
    last = give(versions[-1], etag='"2"')
    assert bring(server.say("/a", last), tmp_path, sha256=wanted, overwrite=True) == versions[-1]
    assert only_the_file(tmp_path)


# ---- errors


def test_not_there(server, tmp_path):
    with pytest.raises(urllib.error.HTTPError) as caught:
        bring(server.url + "/a", tmp_path)
    assert caught.value.code == 404
    assert str(caught.value) == (
        f"HTTP Error 404: Not Found was the answer of {server.url}/a. Check the address. "
        f"Or get the file in another way, and put it at {tmp_path}/file.bin"
    )
    assert len(server.asked) == 1
    assert os.listdir(tmp_path) == []


def test_a_server_that_comes_back(server, tmp_path):
    url = server.say("/a", fail(500), fail(503), give(BODY))
    assert bring(url, tmp_path) == BODY


def test_a_server_that_does_not_come_back(server, tmp_path):
    with pytest.raises(urllib.error.HTTPError, match="503: Service Unavailable"):
        bring(server.say("/a", fail(503)), tmp_path)
    assert len(server.asked) == 3


def test_a_server_that_hangs_up(server, tmp_path):
    url = server.say("/a", hang_up)
    with pytest.raises(urllib.error.URLError, match="could not be read: RemoteDisconnected"):
        bring(url, tmp_path)
    assert bring(server.say("/a", hang_up, give(BODY)), tmp_path) == BODY


def test_no_server(tmp_path):
    with RudeServer() as gone:
        url = gone.url
    with pytest.raises(urllib.error.URLError, match="could not be read: .*refused.*the proxy"):
        bring(url + "/a", tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(urllib.error.URLError, match="could not be read: .*No such file"):
        bring((tmp_path / "none").as_uri(), tmp_path)


def test_a_wrong_sum(server, tmp_path):
    url = server.say("/a", give(OTHER))
    with pytest.raises(RuntimeError) as caught:
        bring(url, tmp_path, sha256=SHA256[:8].upper())
    other = hashlib.sha256(OTHER).hexdigest()
    assert str(caught.value).startswith(
        f'invalid hash value (expected "{SHA256[:8].upper()}", got "{other}"): {url} did not give'
    )
    assert len(server.asked) == 1
    assert os.listdir(tmp_path) == []


def test_a_wrong_sum_leaves_the_old_file(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        bring(server.say("/a", give(OTHER)), tmp_path, md5=MD5)
    assert (tmp_path / "file.bin").read_bytes() == b"old"
    assert only_the_file(tmp_path)


def test_mirrors(server, tmp_path):
    urls = [
        server.url + "/gone",
        server.say("/wrong", give(OTHER)),
        server.say("/cut", give(BODY, cut=70_000), hang_up),
        server.say("/good", give(BODY, etag='"of this server"')),
    ]
    assert bring(urls, tmp_path, sha256=SHA256) == BODY
    assert server.asked == [
        ("/gone", None), ("/wrong", None), ("/cut", None), ("/cut", "bytes=70000-"),
        ("/good", "bytes=70000-"),
    ]  # fmt: skip


def test_mirrors_that_all_fail(server, tmp_path):
    urls = [server.url + "/gone", server.say("/ill", fail(500))]
    with pytest.raises(urllib.error.URLError) as caught:
        bring(urls, tmp_path)
    assert "none of the 2 addresses of file.bin gave it:" in str(caught.value)
    assert f"404: Not Found was the answer of {urls[0]}" in str(caught.value)
    assert f"500: Internal Server Error was the answer of {urls[1]}" in str(caught.value)
    assert [path for path, _ in server.asked] == ["/gone", "/ill", "/ill", "/ill"]


def test_mirrors_stay_apart_where_nothing_proves_them_equal(server, tmp_path):
    urls = [server.say("/a", give(OTHER, cut=1000), hang_up), server.say("/b", give(BODY))]
    assert bring(urls, tmp_path) == BODY
    assert server.asked[-1] == ("/b", None)


@pytest.mark.parametrize("urls", ["example.org/a", "", "mailto:a@b", ["http://a/b", "c"], []])
def test_no_address(tmp_path, urls):
    with pytest.raises(ValueError, match="address"):
        bring(urls, tmp_path)


@pytest.mark.parametrize("sums", [{"sha256": "xyz"}, {"md5": "0" * 33}, {"sha256": "0" * 65}])
def test_no_sum(tmp_path, sums):
    with pytest.raises(ValueError, match="hexadecimal digits, but got"):
        bring("http://localhost/a", tmp_path, **sums)


def test_an_address_that_is_garbled(tmp_path):
    with pytest.raises(urllib.error.URLError, match="could not be read: InvalidURL"):
        bring("http://localhost/a b", tmp_path)


def test_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; give the path of a file in it"):
        fetch("http://localhost/a", tmp_path)


def test_is_intact(tmp_path):
    path = tmp_path / "a"
    assert not is_intact(path)
    path.write_bytes(BODY)
    assert is_intact(path)
    assert is_intact(path, sha256=SHA256[:8], md5=MD5, size=len(BODY))
    assert not is_intact(path, size=len(BODY) + 1)
    assert not is_intact(path, md5=MD5[::-1])


# ---- several at once

PROGRAM = (
    "import sys; from rushlight.utils.download import fetch; fetch(*sys.argv[1:], progress=False)"
)


def test_two_processes(server, tmp_path):
    url = server.say("/a", give(BODY))
    command = [sys.executable, "-c", PROGRAM, url, str(tmp_path / "file.bin")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert errors == [b"", b""]
    assert server.asked == [("/a", None)]
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert only_the_file(tmp_path)


def test_who_waits_says_so(server, tmp_path, capsys, monkeypatch):
    lock = fcntl.flock

    def busy(file, how):
        if how & fcntl.LOCK_NB:
            raise BlockingIOError
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", busy)
    fetch(server.say("/a", give(BODY)), tmp_path / "a")
    assert "Waiting for another process that downloads" in capsys.readouterr().err


@pytest.mark.parametrize("overwrite, body", [(False, BODY), (True, OTHER)])
def test_the_lock_of_a_part_that_got_its_name(server, tmp_path, monkeypatch, overwrite, body):
    """Meanwhile the other process finishes: the file that we have locked is now the whole one."""
    lock = fcntl.flock

    def finished(file, how):
        monkeypatch.setattr(fcntl, "flock", lock)
        os.rename(tmp_path / "file.bin.part", tmp_path / "file.bin")
        (tmp_path / "file.bin").write_bytes(BODY)

    monkeypatch.setattr(fcntl, "flock", finished)
    url = server.say("/a", give(OTHER))
    assert bring(url, tmp_path, overwrite=overwrite) == body
    assert len(server.asked) == overwrite
    assert only_the_file(tmp_path)


def test_a_file_system_without_locks(server, tmp_path, monkeypatch):
    def no_locks(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    url = server.say("/a", give(BODY), give(BODY, cut=100), hang_up)
    assert bring(url, tmp_path) == BODY
    with pytest.raises(urllib.error.URLError):
        bring(url, tmp_path, overwrite=True)
    assert only_the_file(tmp_path)


# ---- the bar


def test_the_bar_of_tqdm(server, tmp_path, capsys):
    fetch(server.say("/a", give(BODY)), tmp_path / "a.pth")
    assert "a.pth: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("length, end", [(None, "100% of 256.0 kB"), (-1, "256.0 kB")])
def test_the_bar_without_tqdm(server, tmp_path, capsys, monkeypatch, length, end):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fetch(server.say("/a", give(BODY, length=length)), tmp_path / "a.pth")
    text = capsys.readouterr().err
    assert text.endswith(f"\ra.pth: {end}\n")
    assert "\ra.pth: 0" in text


def test_no_bar(server, tmp_path, capsys):
    fetch(server.say("/a", give(BODY)), tmp_path / "a.pth", progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "count, text", [(5, "5 bytes"), (1000, "1.0 kB"), (3_500_000, "3.5 MB"), (2e9, "2.0 GB")]
)
def test_sizes_for_people(count, text):
    assert download._readable(count) == text
