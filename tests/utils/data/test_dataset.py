"""Datasets, alone and joined."""

import pytest

import rushlight as torch
from rushlight.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Letters(Dataset):
    """Samples that remember whether they were asked for one by one."""

    def __init__(self, letters):
        self.letters = letters

    def __len__(self):
        return len(self.letters)

    def __getitem__(self, index):
        return self.letters[index]

    def __getitems__(self, indices):
        return [self.letters[i].upper() for i in indices]


class Numbers(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def test_a_dataset_without_getitem_says_so():
    with pytest.raises(NotImplementedError, match="__getitem__; Dataset does not"):
        Dataset()[0]


def test_an_iterable_dataset_needs_iter():
    with pytest.raises(TypeError, match="abstract"):
        IterableDataset()


def test_classes_take_type_arguments():
    class Typed(Dataset[int]):
        pass

    assert isinstance(Typed(), Dataset)


def test_tensor_dataset_gives_tuples_of_rows():
    data = TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([7, 8, 9]))
    assert len(data) == 3
    x, y = data[-1]
    assert (x.tolist(), y.tolist()) == ([4, 5], 9)
    assert [y.item() for _, y in data] == [7, 8, 9]
    assert data[0:2][1].tolist() == [7, 8]


def test_tensor_dataset_shares_memory():
    x = torch.zeros(3)
    data = TensorDataset(x)
    x[1] = 5.0
    assert data[1][0].item() == 5.0


def test_tensor_dataset_names_lengths_that_differ():
    with pytest.raises(AssertionError, match="Size mismatch between tensors: .* are 2, 3, 2"):
        TensorDataset(torch.zeros(2), torch.zeros(3), torch.zeros(2))


def test_stack_dataset_by_position():
    data = StackDataset([1, 2, 3], "abc")
    assert len(data) == 3
    assert data[1] == (2, "b")
    assert data.__getitems__([2, 0]) == [(3, "c"), (1, "a")]


def test_stack_dataset_by_name_asks_for_whole_batches_where_it_can():
    data = StackDataset(x=[1, 2], y=Letters("ab"))
    assert data[1] == {"x": 2, "y": "b"}
    assert data.__getitems__([1, 0]) == [{"x": 2, "y": "B"}, {"x": 1, "y": "A"}]


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "At least one dataset"),
        (([1],), {"a": [1]}, "but both were given"),
        (([1], [1, 2]), {}, "Size mismatch between datasets: their lengths are 1, 2"),
        ((), {"a": [1], "b": [1, 2]}, "Size mismatch between datasets: their lengths are 1, 2"),
    ],
)
def test_stack_dataset_rejects(args, kwargs, text):
    with pytest.raises(ValueError, match=text):
        StackDataset(*args, **kwargs)


def test_stack_dataset_names_a_batch_of_the_wrong_length():
    class Short(Letters):
        def __getitems__(self, indices):
            return ["x"]

    data = StackDataset([1, 2], Short("ab"))
    with pytest.raises(ValueError, match="Expected 2, got 1 from Short.__getitems__"):
        data.__getitems__([0, 1])


def test_concat_dataset_is_one_after_the_other():
    data = ConcatDataset([[1, 2], [], [3]])
    assert [data[i] for i in range(3)] == [1, 2, 3]
    assert [data[i] for i in range(-3, 0)] == [1, 2, 3]
    assert list(data) == [1, 2, 3]
    assert data.cumulative_sizes == [2, 2, 3]


def test_concat_dataset_refuses_indices_outside():
    data = ConcatDataset([[1], [2]])
    with pytest.raises(IndexError, match="index 2 is out of range for a dataset of 2 samples"):
        data[2]
    with pytest.raises(ValueError, match="absolute value of index should not exceed .*: -3 of 2"):
        data[-3]


def test_concat_dataset_rejects():
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="join those with ChainDataset"):
        ConcatDataset([[1], Numbers(2)])


def test_concat_dataset_old_spelling_warns():
    with pytest.warns(FutureWarning, match="renamed to `cumulative_sizes`"):
        assert ConcatDataset([[1]]).cummulative_sizes == [1]


def test_adding_datasets():
    both = TensorDataset(torch.zeros(2)) + TensorDataset(torch.ones(3))
    assert isinstance(both, ConcatDataset)
    assert [x.item() for (x,) in both] == [0.0, 0.0, 1.0, 1.0, 1.0]
    chained = Numbers(2) + Numbers(3)
    assert isinstance(chained, ChainDataset)
    assert list(chained) == [0, 1, 0, 1, 2]
    assert len(chained) == 5


def test_chain_dataset_rejects():
    with pytest.raises(AssertionError, match="only supports IterableDataset, but got list"):
        list(ChainDataset([[1]]))
    with pytest.raises(AssertionError, match="only supports IterableDataset, but got list"):
        len(ChainDataset([[1]]))


def test_subset_translates_indices():
    data = Subset("abcdef", [4, 0, 4])
    assert list(data) == ["e", "a", "e"]
    assert data[-1] == "e"
    assert len(data) == 3
    assert data.__getitems__([1, 0]) == ["a", "e"]
    with pytest.raises(IndexError):
        data[3]


def test_subset_passes_lists_and_batches_on():
    assert Subset(TensorDataset(torch.arange(5)), [3, 1, 2])[[0, 2]][0].tolist() == [3, 2]
    assert Subset(Letters("abc"), [2, 1]).__getitems__([0, 1]) == ["C", "B"]
    assert Subset(Subset(Letters("abc"), [2, 1]), [1]).__getitems__([0]) == ["B"]


def test_random_split_draws_one_permutation():
    torch.manual_seed(0)
    first, second = random_split(range(8), [3, 5])
    assert (first.indices, second.indices) == ([4, 0, 7], [3, 2, 5, 1, 6])
    assert all(type(i) is int for i in first.indices)
    after = torch.get_rng_state()
    torch.manual_seed(0)
    torch.randperm(8)
    assert torch.equal(after, torch.get_rng_state())


def test_random_split_by_fractions_with_a_generator():
    before = torch.get_rng_state()
    parts = random_split(range(8), [0.5, 0.5], torch.Generator().manual_seed(0))
    assert [p.indices for p in parts] == [[4, 0, 7, 3], [2, 5, 1, 6]]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("n", "fractions", "lengths"),
    [
        (10, [0.3, 0.3, 0.4], [3, 3, 4]),
        (10, [0.33, 0.33, 0.34], [4, 3, 3]),
        (3, [0.1, 0.9], [1, 2]),
        (10, [1.0], [10]),
        (5, [1, 4], [1, 4]),
    ],
)
def test_random_split_lengths(n, fractions, lengths):
    assert [len(part) for part in random_split(range(n), fractions)] == lengths


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(1), [0.5, 0.5])


@pytest.mark.parametrize(
    ("lengths", "error", "text"),
    [
        ([3, 6], ValueError, "The lengths sum to 9, the dataset has 10 samples"),
        ([0.5, 0.2], ValueError, "Sum of input lengths does not equal"),
        ([1.5, -0.5], ValueError, "Fraction at index 0 is not between 0 and 1: 1.5"),
        ([-1, 11], ValueError, "length at index 0 is negative: -1"),
        ([5, 5.0], TypeError, "length at index 1 is 5.0"),
    ],
)
def test_random_split_rejects(lengths, error, text):
    with pytest.raises(error, match=text):
        random_split(range(10), lengths)
