import pytest

from rushlight.compat import TORCH_VERSION, TorchVersion


@pytest.mark.parametrize("older", ["1.0", "2.2", "2.12.9", "2.13.0", "2.13", "2.13.0rc1", "0.4.1"])
def test_order_after_older_versions(older):
    assert TORCH_VERSION > older
    assert TORCH_VERSION >= older
    assert TORCH_VERSION != older
    assert not TORCH_VERSION < older
    assert older < TORCH_VERSION


@pytest.mark.parametrize("newer", ["2.14", "2.13.1", "2.13.0.post1", "10.0", "3.0.0.dev1"])
def test_order_before_newer_versions(newer):
    assert TORCH_VERSION < newer
    assert TORCH_VERSION <= newer
    assert not TORCH_VERSION >= newer


def test_equality_counts_trailing_zeros_and_the_local_part():
    assert TorchVersion("2.13") == "2.13.0"
    assert TorchVersion("2.13.0+a") != "2.13.0+b"
    assert TORCH_VERSION == "2.13.0+rushlight"


def test_comparison_with_numbers():
    assert TORCH_VERSION >= (1, 10)
    assert TORCH_VERSION >= (2, 13, 0)
    assert TORCH_VERSION < [2, 14]


def test_what_is_no_version_is_not_equal_and_not_ordered():
    assert TORCH_VERSION != "nightly"
    assert TORCH_VERSION != 2.13
    with pytest.raises(TypeError):
        _ = TORCH_VERSION < 2.13


@pytest.mark.parametrize(
    ("parse", "result"),
    [
        (lambda v: [int(part) for part in v.split("+")[0].split(".")], [2, 13, 0]),
        (lambda v: tuple(int(part) for part in v.split(".")[:2]), (2, 13)),
        (lambda v: len(v.split(".")), 3),
        (lambda v: float(".".join(v.split(".")[:2])), 2.13),
        (lambda v: v.startswith("2."), True),
        (lambda v: {v: 1}["2.13.0+rushlight"], 1),
    ],
)
def test_programs_can_take_it_apart(parse, result):
    assert parse(TORCH_VERSION) == result
