"""Lists in shared memory, and the lists of datasets that become such in workers."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from rushlight.utils.data import ConcatDataset, DataLoader, SharedList, StackDataset, Subset, packed
from rushlight.vision.datasets import DatasetFolder

sys.path.insert(0, str(Path(__file__).parent))
import loading  # noqa: E402

LISTS = [
    [],
    [3, -1, 2**62],
    [1, 2**70],
    [0.5, float("inf")],
    [1, 2.0, True, None],
    [True, False],
    ["a", "", "ü" * 300],
    [("a.jpg", 0), ("b.jpg", 1)],
    [{"a": [1]}, b"x", (1, (2, 3))],
]


@pytest.mark.parametrize("values", LISTS, ids=str)
def test_it_reads_like_a_list(values):
    shared = SharedList(values)
    assert list(shared) == values
    assert [type(x) for x in shared] == [type(x) for x in values]
    assert len(shared) == len(values)
    assert shared == values
    assert shared != [*values, 1]
    assert shared[1:] == values[1:]
    assert shared[::-1] == values[::-1]
    assert shared + [1] == values + [1]
    assert [1] + shared == [1] + values
    assert shared * 2 == 2 * shared == values * 2
    assert shared.copy() == values
    assert type(shared.copy()) is list
    assert repr(shared) == f"SharedList({values})"
    assert pickle.loads(pickle.dumps(shared)) == values
    assert bool(shared) is bool(values)


def test_indices():
    shared = SharedList("abc")
    assert (shared[0], shared[-1], shared[np.int64(1)]) == ("a", "c", "b")
    assert (shared.index("b"), shared.count("c"), "a" in shared, "x" in shared) == (
        1,
        1,
        True,
        False,
    )
    for index in [3, -4]:
        with pytest.raises(IndexError, match="list index out of range"):
            shared[index]
    with pytest.raises((TypeError, AttributeError)):
        shared["a"]


def test_arrays():
    assert np.array(SharedList([1, 2])).tolist() == [1, 2]
    assert np.asarray(SharedList([1.5, 2]), np.float32).dtype == np.float32
    assert np.array(SharedList(["a", "b"])).tolist() == ["a", "b"]


def test_writing_makes_it_an_ordinary_list():
    shared = SharedList([3, 1, 2])
    shared.append(0)
    shared[0] = "x"
    del shared[1]
    assert shared == ["x", 2, 0]
    assert (len(shared), shared[-1], shared[:2], list(shared)) == (3, 0, ["x", 2], ["x", 2, 0])
    shared = SharedList([3, 1, 2])
    shared.sort(reverse=True)
    shared += [7]
    assert pickle.loads(pickle.dumps(shared)) == [3, 2, 1, 7]


def test_its_values_are_shared():
    assert SharedList([1, 2])._values.is_shared()
    assert SharedList(["a"])._values.is_shared()


def entries(n):
    return [(f"data/train/{i % 1000:04}/{i:08}.jpeg", i % 1000) for i in range(n)]


@pytest.fixture
def long(monkeypatch):
    """Lists of 10 are long."""
    monkeypatch.setattr(packed, "LONG", 10)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (entries(10), ["x"]),
        (list(range(10)), ["x"]),
        ([0.5] * 10, ["x"]),
        (["a", None, ("b", 1.0)] * 4, ["x"]),
        (entries(9), []),
        ([None] * 10, []),
        ([True, False] * 5, []),
        ([[1]] * 10, []),
        ([("a", [1])] * 10, []),
        ([{}] * 10, []),
        (tuple(entries(10)), []),
        (loading.List(entries(10)), []),
    ],
    ids=range(12),
)
def test_which_lists_are_packed(long, values, expected, method):
    data = loading.Kinds(x=values)
    loader = DataLoader(data, None, num_workers=1, multiprocessing_context=method)
    assert list(loader) == [expected]
    assert data.x is values


def test_datasets_within_datasets(long):
    inner = loading.Index(entries(12))
    data = StackDataset(a=ConcatDataset([Subset(inner, list(range(10))), inner]), b=range(22))
    loader = DataLoader(data, 22, num_workers=1, collate_fn=loading.as_list)
    (batch,) = loader
    assert batch == [data[i] for i in range(22)]
    assert len(loader._packed) == 2
    assert type(inner.samples) is list


def test_a_dataset_that_is_a_list(long):
    (batch,) = DataLoader(entries(20), 20, num_workers=1, collate_fn=loading.as_list)
    assert batch == entries(20)


def test_a_list_is_packed_again_only_if_it_has_changed(long):
    data = loading.Index(entries(20))
    loader = DataLoader(data, None, num_workers=1)
    expected = [len(path) + label for path, label in data.samples]
    assert list(loader) == expected
    (first,) = loader._packed.values()
    assert list(loader) == expected
    assert list(loader._packed.values()) == [first]
    data.samples[3] = ("x", 0)
    assert list(loader)[2:5] == [expected[2], 1, expected[4]]
    assert list(loader._packed.values()) != [first]


def test_one_list_under_two_names_is_packed_once(long):
    data = loading.Index(entries(20))
    data.imgs = data.samples
    loader = DataLoader(data, None, num_workers=1)
    list(loader)
    assert len(loader._packed) == 1


def growth(data):
    loader = DataLoader(data, None, sampler=[0, 1], num_workers=2)
    return list(loader)


def test_reading_a_long_index_copies_none_of_it():
    samples = entries(300_000)
    expected = [sum(len(p) + k for p, k in samples[number::2]) for number in range(2)]
    seen = growth(loading.Growth(samples))
    assert [(kind, total) for kind, total, _ in seen] == [("SharedList", x) for x in expected]
    assert max(more for _, _, more in seen) < 4e6


def test_an_ordinary_list_would_be_copied(monkeypatch):
    monkeypatch.setattr(packed, "LONG", 10**9)
    seen = growth(loading.Growth(entries(300_000)))
    assert [kind for kind, _, _ in seen] == ["list"] * 2
    assert min(more for _, _, more in seen) > 20e6


def test_image_folders(long, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(10):
            (tmp_path / name / f"{i}.bin").touch()

    class Folder(DatasetFolder):
        def __getitem__(self, index):
            return [type(x) for x in (self.samples, self.targets)], super().__getitem__(index)

    data = Folder(str(tmp_path), os.path.basename, (".bin",))
    seen = list(DataLoader(data, None, num_workers=2))
    assert {kind for kinds, _ in seen for kind in kinds} == {SharedList}
    expected = [(f"{i}.bin", label) for label in range(2) for i in range(10)]
    assert [tuple(sample) for _, sample in seen] == expected
    assert type(data.samples) is type(data.targets) is list
