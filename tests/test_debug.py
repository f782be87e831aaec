"""Watching every operation."""

import io

import pytest

import rushlight as torch
from rushlight.debug import NotANumberError, debug


def test_the_first_nan_is_named_with_op_and_line():
    x = torch.tensor([1.0, -1.0])
    with pytest.raises(NotANumberError, match=r"^log gave NaN at .*test_debug\.py:\d+"), debug(1):
        torch.log(x)


def test_a_nan_of_the_input_is_no_news():
    x = torch.tensor([float("nan")])
    with debug(1):
        assert torch.exp(x).isnan().item()


def test_an_in_place_nan_is_named():
    x = torch.tensor([0.0])
    with pytest.raises(NotANumberError, match="div"), debug(1):
        x.div_(torch.tensor([0.0]))


def test_calls_and_times_are_reported():
    text = io.StringIO()
    with debug(2, text):
        torch.ones(2) * torch.ones(2)
    assert [line.split()[:2] for line in text.getvalue().splitlines()] == [
        ["op", "calls"],
        ["mul", "1"],
    ]


def test_the_chosen_kernel_is_shown():
    text = io.StringIO()
    with debug(3, text):
        torch.ones(200, 200) @ torch.ones(200, 200)
    assert text.getvalue().startswith("mm: mm_onednn, ")


def test_a_foreign_level_is_refused():
    with pytest.raises(ValueError, match="must be 1, 2 or 3, not 4"):
        debug(4)
