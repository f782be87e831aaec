"""Whatever happens while a file is written, the old one is as it was."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from rushlight.serialization import archive_writer, legacy, load, replacing, save
from rushlight.tensor import wrap

BIG = wrap(np.arange(500_000.0))


@pytest.fixture
def path(tmp_path):
    save("old", tmp_path / "model.pt")
    return tmp_path / "model.pt"


def check_old(path):
    assert load(path) == "old"
    assert os.listdir(path.parent) == [path.name]


class FullDisk:
    """A file on a disk with room for some bytes."""

    def __init__(self, file, room):
        self.file = file
        self.room = room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


@pytest.mark.parametrize("room", [0, 100, 1000, 3_000_000])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_full_disk(path, monkeypatch, room, zipped):
    module = archive_writer if zipped else legacy
    real = archive_writer.write_all
    disks = {}

    def write_all(file, data):
        real(disks.setdefault(id(file), FullDisk(file, room)), data)

    monkeypatch.setattr(module, "write_all", write_all)
    with pytest.raises(OSError, match="No space left on device; the old file is as it was") as e:
        save([BIG, 1], path, _use_new_zipfile_serialization=zipped)
    assert e.value.errno == errno.ENOSPC
    assert e.value.filename == str(path)
    check_old(path)


def test_a_real_limit_of_the_file_size(path):
    program = f"""
import resource, signal
import rushlight
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    rushlight.save(rushlight.zeros(1 << 20), {str(path)!r})
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) == errno.EFBIG
    check_old(path)


def test_a_new_file_that_cannot_be_written(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(replacing.os, "fsync", fail)
    with pytest.raises(OSError, match="Disk quota exceeded; nothing is left of it"):
        save(BIG, tmp_path / "model.pt")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_to_be_written_to(path, monkeypatch):
    def fail(*args):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(replacing, "_open_temporary", fail)
        with pytest.raises(PermissionError, match="Permission denied; the old file is as it was"):
            save("new", path)
    check_old(path)


def test_an_interruption(path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(replacing.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(BIG, path)
    check_old(path)


def test_what_a_dead_process_left_behind_is_deleted(path):
    left = path.parent / ".model.pt.0123abcd.tmp"
    left.write_bytes(b"half")
    others = [".model.pt.tmp", "model.pt.0123abcd.tmp", ".other.pt.0123abcd.tmp"]
    for name in others:
        (path.parent / name).touch()
    save("new", path)
    assert load(path) == "new"
    assert sorted(os.listdir(path.parent)) == sorted([*others, "model.pt"])


def test_what_a_living_process_writes_stays(path):
    with replacing.replacing(str(path)) as file:
        file.write(b"first")
        save("second", path)
        assert load(path) == "second"
        assert len(os.listdir(path.parent)) == 2
    assert path.read_bytes() == b"first"
    assert os.listdir(path.parent) == ["model.pt"]


def test_a_temporary_file_that_was_deleted_before_it_was_locked(path, monkeypatch):
    real, seen = replacing._lock, []

    def lock(handle, wait):
        seen.append(os.readlink(f"/proc/self/fd/{handle}"))
        if len(seen) == 1:
            os.unlink(seen[0])
        return real(handle, wait)

    monkeypatch.setattr(replacing, "_lock", lock)
    save("new", path)
    assert load(path) == "new"
    assert len(seen) == 2


@pytest.mark.parametrize("fcntl", [None, replacing.fcntl])
def test_a_file_system_without_locks(path, monkeypatch, fcntl):
    def fail(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(replacing.fcntl, "flock", fail)
    monkeypatch.setattr(replacing, "fcntl", fcntl)
    left = path.parent / ".model.pt.0123abcd.tmp"
    left.touch()
    save("new", path)
    assert load(path) == "new"
    # Whether another process still writes it cannot be known.
    assert left.exists()


def test_paths_as_bytes_are_not_taken_for_files(tmp_path):
    with pytest.raises(AttributeError, match="a path or a file-like object"):
        save(1, os.fsencode(tmp_path / "model.pt"))


def test_names_that_are_as_long_as_they_may_be(tmp_path):
    path = tmp_path / ("m" * 252 + ".pt")
    save([1], path)
    assert load(path) == [1]


def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save([1], "model.pt")
    assert load("model.pt") == [1]
