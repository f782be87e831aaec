"""``kill -9`` at any moment of ``save`` leaves a file that loads, and is one of those saved whole."""

import os
import random
import signal
import subprocess
import sys

import pytest

from rushlight.serialization import load

# A few megabytes, so that most of the time goes by within `save`. What is saved says of itself which it is.
PROGRAM = """
import sys
import rushlight
path, zipped, version = sys.argv[1], sys.argv[2] == "zip", int(sys.argv[3])
while True:
    version += 1
    state = {"version": version, "w": rushlight.full((1 << 19,), float(version))}
    rushlight.save(state, path, _use_new_zipfile_serialization=zipped)
    print(version, flush=True)
"""


def save_until_killed(path, form, version, moment):
    """Saves in a process that is killed ``moment`` seconds after its first file; gives the last version
    that it said was saved."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), form, str(version)], stdout=subprocess.PIPE
    )
    with process:
        first = process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moment)
        process.kill()
        rest = process.stdout.read().split(b"\n")
    assert process.returncode == -signal.SIGKILL
    # The last line may be cut off.
    return int([first, *rest[:-1]][-1])


def check(path, said):
    loaded = load(path)
    # What was announced is there, or the next one, which was done but not announced.
    assert loaded["version"] in (said, said + 1)
    assert loaded["w"].shape == (1 << 19,)
    assert (loaded["w"] == loaded["version"]).all()
    return loaded["version"]


@pytest.mark.parametrize("form", ["zip", "old"])
def test_killed_at_random_moments(tmp_path, form):
    path = tmp_path / "model.pt"
    draw = random.Random(0)
    version = 0
    for _ in range(int(os.environ.get("RUSHLIGHT_TEST_KILLS", 10))):
        version = check(path, save_until_killed(path, form, version, draw.uniform(0, 0.05)))
        # A killed writer leaves at most its own file; the next deletes it.
        assert len(os.listdir(tmp_path)) <= 2
