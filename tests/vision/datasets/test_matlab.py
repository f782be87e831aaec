"""MATLAB files: what datasets hold, and damage anywhere."""

import struct
import zlib

import numpy as np
import pytest

from rushlight.vision.datasets import matlab

from . import tiny


def written(tmp_path, content):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4, 5), (1, 1), (0, 3)])
def test_arrays(shape, compressed, tmp_path):
    array = tiny.pixels(*shape)
    other = tiny.mat_variable("other", tiny.pixels(5, 5))
    content = tiny.mat(other, tiny.mat_variable("X", array), other, compressed=compressed)
    found = matlab.read(written(tmp_path, content), ("X",))
    assert list(found) == ["X"]
    assert found["X"].dtype == np.uint8 and (found["X"] == array).all()
    assert found["X"].shape == shape


def test_numbers_are_stored_as_the_smallest_type(tmp_path):
    path = written(tmp_path, tiny.mat(tiny.mat_variable("X", np.array([[1, 200]]), kind=6)))
    assert matlab.read(path, ("X",))["X"].dtype == np.float64


def test_structs(tmp_path):
    path = written(tmp_path, tiny.imagenet_meta({"n1": "cat, kitty", "n2": "dog"}))
    first, second, above = matlab.read(path, ("synsets",))["synsets"]
    assert first["WNID"] == "n1" and first["words"] == "cat, kitty"
    assert second["ILSVRC2012_ID"].item() == 2
    assert above["num_children"].item() == 2


WHOLE = {
    compressed: tiny.mat(
        tiny.mat_variable("X", tiny.pixels(2, 3)),
        tiny.mat_matrix(2, (1, 1), struct.pack("<HHi", 5, 4, 8) + tiny.mat_element(1, b"a\0\0\0\0\0\0\0")
                        + tiny.mat_string("text"), b"s"),
        compressed=compressed,
    )
    for compressed in (True, False)
}  # fmt: skip


@pytest.mark.parametrize("compressed", [True, False])
def test_every_cut_is_an_error(compressed, tmp_path):
    whole = WHOLE[compressed]
    assert len(matlab.read(written(tmp_path, whole), ("X", "s"))) == 2
    # The last bytes of the compressed form are a sum that is not needed.
    for length in range(len(whole) - 8):
        path = written(tmp_path, whole[:length])
        with pytest.raises(RuntimeError) as told:
            matlab.read(path, ("X", "s"))
        assert path in str(told.value) and "download it again" in str(told.value)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("bit", [1, 16, 128])
def test_every_flip_is_an_error_or_a_value(compressed, bit, tmp_path):
    whole = WHOLE[compressed]
    for i in range(124, len(whole)):
        path = written(tmp_path, whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :])
        try:
            matlab.read(path, ("X", "s"))
        except RuntimeError as error:
            assert path in str(error)


HEAD = WHOLE[False][:128]
DAMAGED = {
    "text": (b"<html>" * 50, "no MATLAB file of version 5"),
    "another variable": (
        tiny.mat(tiny.mat_variable("Y", tiny.pixels(2, 2))),
        "no variable X in it",
    ),
    "lying size": (HEAD + struct.pack("<II", 14, 2**31), "a variable would have 2147483648 bytes"),
    "lying size, compressed": (
        HEAD + tiny.mat_element(15, zlib.compress(struct.pack("<II", 14, 2**31) + b"x" * 100)),
        "a compressed variable would have 2147483656 bytes",
    ),
    "complex": (
        HEAD
        + tiny.mat_element(
            14,
            tiny.mat_element(6, struct.pack("<II", 0x806, 0))
            + tiny.mat_element(5, struct.pack("<2i", 1, 1))
            + tiny.mat_element(1, b"X")
            + tiny.mat_element(9, b"\0" * 8),
        ),
        "which is not read here",
    ),
    "a struct of millions": (
        HEAD
        + tiny.mat_matrix(
            2, (2**30, 1), struct.pack("<HHi", 5, 4, 8) + tiny.mat_element(1, b"abcdefgh"), b"X"
        ),
        "is longer than the file",
    ),
    "a negative shape": (
        HEAD + tiny.mat_matrix(9, (-1, 1), tiny.mat_element(2, b""), b"X"),
        "shape",
    ),
    "fewer numbers": (
        HEAD + tiny.mat_matrix(9, (3, 1), tiny.mat_element(2, b"ab"), b"X"),
        "2 numbers",
    ),
}


@pytest.mark.parametrize("content, problem", DAMAGED.values(), ids=list(DAMAGED))
def test_damage(content, problem, tmp_path):
    with pytest.raises(RuntimeError, match=problem):
        matlab.read(written(tmp_path, content), ("X",))
