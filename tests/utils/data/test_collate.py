"""Batches out of samples."""

import collections

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import _utils, default_collate, default_convert
from rushlight.utils.data.collate import collate, default_collate_fn_map

Point = collections.namedtuple("Point", "x y")


class Tagged(dict):
    """A mapping with state besides its items."""

    tag = "none"


@pytest.mark.parametrize(
    ("batch", "dtype", "values"),
    [
        ([1, 2], torch.int64, [1, 2]),
        ([1.0, 2.0], torch.float64, [1.0, 2.0]),
        ([1.5, 2], torch.float64, [1.5, 2.0]),
        ([1, 2.5], torch.float32, [1.0, 2.5]),
        ([True, False], torch.bool, [True, False]),
        ([np.float32(1), np.float32(2)], torch.float32, [1.0, 2.0]),
        ([np.int16(1), np.int16(2)], torch.int16, [1, 2]),
        ([np.ones(2), np.zeros(2)], torch.float64, [[1.0, 1.0], [0.0, 0.0]]),
        ([np.array(1), np.array(2)], torch.int64, [1, 2]),
    ],
)
def test_numbers_and_arrays_become_a_tensor(batch, dtype, values):
    made = default_collate(batch)
    assert made.dtype is dtype
    assert made.tolist() == values


def test_tensors_are_stacked_with_their_history():
    x = torch.ones(2, requires_grad=True)
    made = default_collate([x, torch.zeros(2)])
    assert made.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    made.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_text_stays():
    batch = ["a", "b"]
    assert default_collate(batch) is batch
    assert default_collate([("a", 1), ("b", 2)])[0] == ("a", "b")


def test_structure_stays():
    made = default_collate([{"p": Point(1, [2.0])}, {"p": Point(3, [4.0])}])
    assert type(made) is dict
    assert type(made["p"]) is Point
    assert made["p"].x.tolist() == [1, 3]
    assert type(made["p"].y) is list
    assert made["p"].y[0].tolist() == [2.0, 4.0]
    assert type(default_collate([(1, 2), (3, 4)])) is list


def test_a_mapping_keeps_its_type_and_state():
    sample = Tagged(a=1)
    sample.tag = "train"
    made = default_collate([sample, Tagged(a=2)])
    assert type(made) is Tagged
    assert made.tag == "train"
    assert made["a"].tolist() == [1, 2]
    assert sample == {"a": 1}


def test_a_defaultdict_supplies_what_a_sample_lacks():
    made = default_collate([{"a": 1}, collections.defaultdict(lambda: 7)])
    assert made["a"].tolist() == [1, 7]


def test_containers_that_cannot_be_rebuilt_become_plain_ones():
    class Keyed(collections.abc.Mapping):
        def __init__(self, a, b):
            self.values_by_name = {"a": a, "b": b}

        def __getitem__(self, key):
            return self.values_by_name[key]

        def __iter__(self):
            return iter(self.values_by_name)

        def __len__(self):
            return 2

    made = default_collate([Keyed(1, 2), Keyed(3, 4)])
    assert type(made) is dict
    assert made["b"].tolist() == [2, 4]
    assert type(default_collate([range(2), range(2)])) is list


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ([], IndexError, "batch is empty"),
        (torch.zeros(2), TypeError, "must be tuple of Tensors, not Tensor"),
        (
            [torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(4)],
            RuntimeError,
            r"got \[2, 3\] at entry 0 and \[4\] at entry 2 of the batch; .*crop, resize, pad.*collate_fn",
        ),
        (
            [{"x": (torch.zeros(1), 1)}, {"x": (torch.zeros(2), 1)}],
            RuntimeError,
            r"got \[1\] at entry 0 and \[2\] at entry 1 of the batch at \['x'\]\[0\]",
        ),
        ([np.zeros(1), np.zeros(2)], RuntimeError, r"got \[1\] at entry 0 and \[2\] at entry 1"),
        (
            [(1, 2), (3, 4), (5,)],
            RuntimeError,
            "of equal size: sample 0 of the batch has 2 elements, sample 2 has 1",
        ),
        ([{"a": 1}, {}], KeyError, "sample 1 of the batch lacks this key"),
        ([(1, None)], TypeError, r"found <class 'NoneType'> in sample 0 of the batch at \[1\]"),
        ([{1}], TypeError, "found <class 'set'> in sample 0"),
        ([np.array(["a"])], TypeError, "found <U1 in sample 0"),
        ([np.zeros(1), np.array([None])], TypeError, "found object in sample 1"),
        ([1, "a"], TypeError, "sample 0 of the batch has a number, but sample 1 has str"),
        ([torch.zeros(1), 3], TypeError, "expected Tensor as element 1 in argument 0, but got int"),
        ([{"a": 1}, 3], TypeError, "sample 0 of the batch is a dict, but sample 1 is int"),
        ([[1], 3], TypeError, "sample 0 of the batch is a list, but sample 1 is int"),
        ([[1], "a"], TypeError, "sample 0 of the batch is a list, but sample 1 is str"),
    ],
)
def test_errors_name_the_sample_and_the_place(batch, error, text):
    with pytest.raises(error, match=text):
        default_collate(batch)


def test_conversion_of_numpy_values():
    made = default_convert({"x": np.ones(2), "n": np.float32(2), "p": Point(np.array([1]), "a")})
    assert made["x"].dtype is torch.float64
    assert made["n"].dtype is torch.float32
    assert made["p"].x.tolist() == [1]
    assert made["p"].y == "a"


@pytest.mark.parametrize("value", ["a", b"a", 1, 1.5, None, {1}, np.str_("a")])
def test_conversion_leaves_other_values(value):
    assert default_convert(value) is value


def test_conversion_leaves_tensors_and_arrays_of_text():
    x, words = torch.ones(2), np.array(["a"])
    assert default_convert(x) is x
    assert default_convert(words) is words
    assert default_convert((1, [2])) == [1, [2]]


def test_converted_arrays_share_memory():
    array = np.zeros(2)
    made = default_convert(array)
    array[0] = 3.0
    assert made.tolist() == [3.0, 0.0]


# ---- the registry of types


class Place:
    def __init__(self, x):
        self.x = x


def joined(batch, *, collate_fn_map=None):
    return collate([point.x for point in batch], collate_fn_map=collate_fn_map)


def test_types_can_be_added(monkeypatch):
    monkeypatch.setitem(default_collate_fn_map, Place, joined)
    batch = [{"p": (Place(1), "a")}, {"p": (Place(2), "b")}]
    made = default_collate(batch)
    assert made["p"][0].tolist() == [1, 2]
    assert list(made["p"][1]) == ["a", "b"]


def test_subclasses_and_tuples_of_types():
    class Sub(Place):
        pass

    fns = {(Place, set): lambda batch, *, collate_fn_map: len(batch)}
    assert collate([Sub(1), Sub(2)], collate_fn_map=fns) == 2
    assert collate([{1}], collate_fn_map=fns) == 1


def test_known_types_can_be_overridden():
    fns = {**default_collate_fn_map, str: lambda batch, *, collate_fn_map: "".join(batch)}
    assert collate([("a", 1), ("b", 2)], collate_fn_map=fns)[0] == "ab"
    assert default_collate(["a", "b"]) == ["a", "b"]


def test_without_functions_nothing_but_containers_is_known():
    assert collate([[], []]) == []
    with pytest.raises(TypeError, match="must contain tensors"):
        collate([torch.ones(1)])


@pytest.mark.parametrize(
    ("name", "batch", "expected"),
    [
        ("collate_tensor_fn", [torch.ones(1), torch.zeros(1)], [[1.0], [0.0]]),
        ("collate_numpy_array_fn", [np.ones(1), np.zeros(1)], [[1.0], [0.0]]),
        ("collate_numpy_scalar_fn", [np.int16(1), np.int16(2)], [1, 2]),
        ("collate_float_fn", [1.0, 2.0], [1.0, 2.0]),
        ("collate_int_fn", [1, 2], [1, 2]),
    ],
)
def test_the_functions_of_the_types(name, batch, expected):
    assert getattr(_utils.collate, name)(batch).tolist() == expected


def test_the_function_of_text():
    assert _utils.collate.collate_str_fn(["a"]) == ["a"]
