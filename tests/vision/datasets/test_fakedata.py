"""FakeData: always the same, and it leaves the random numbers of the program alone."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision.datasets import FakeData


def test_samples_depend_on_their_index_alone():
    one, other = FakeData(10, (3, 6, 5)), FakeData(10, (3, 6, 5), random_offset=4)
    assert (np.asarray(one[5][0]) == np.asarray(other[1][0])).all()
    assert one[5][1] == other[1][1]
    assert one[0][0].size == (5, 6) and one[0][0].mode == "RGB"
    assert {label for _, label in FakeData(60, (1, 2, 2), 3)} == {0, 1, 2}
    assert FakeData(1, (1, 2, 2))[0][0].mode == "L"


def test_the_stream_of_the_program_goes_on():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    FakeData(10, (3, 6, 5))[3]
    assert torch.equal(torch.rand(3), expected)


def test_end():
    assert len(list(FakeData(3, (1, 2, 2)))) == 3
    with pytest.raises(IndexError, match="FakeData index out of range: 3 of 3"):
        FakeData(3)[3]
