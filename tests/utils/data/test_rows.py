"""The short road for tensors gives what reading sample by sample gives."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import (
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    rows,
)

N = 11


def slow(samples):
    return default_collate(samples)


def equal(x, y):
    return type(x) is type(y) and x.dtype is y.dtype and x.shape == y.shape and torch.equal(x, y)


TENSORS = {
    "floats": lambda: torch.arange(N * 6.0).reshape(N, 2, 3),
    "one dimension": lambda: torch.arange(N),
    "bool": lambda: torch.arange(N) % 2 == 0,
    "bfloat16": lambda: torch.arange(N).to(torch.bfloat16),
    "complex": lambda: torch.ones(N, 2, dtype=torch.complex64),
    "strided": lambda: torch.arange(N * 8.0).reshape(N, 8)[:, ::2],
    "transposed": lambda: torch.arange(N * 4.0).reshape(4, N).t(),
    "expanded": lambda: torch.ones(1, 3).expand(N, 3),
    "channels last": lambda: torch.ones(N, 3, 4, 5).to(memory_format=torch.channels_last),
    "no elements": lambda: torch.zeros(N, 0, 3),
}
ORDERS = {
    "in order": lambda d: {"batch_size": 4},
    "drop last": lambda d: {"batch_size": 4, "drop_last": True},
    "shuffle": lambda d: {"batch_size": 4, "shuffle": True},
    "replacement": lambda d: {
        "batch_size": 5, "sampler": RandomSampler(d, replacement=True, num_samples=40),
    },
    "list": lambda d: {"batch_size": 4, "sampler": [0, 0, -1, 3, 2, -11]},
    "NumPy ints": lambda d: {"batch_size": 4, "sampler": np.array([4, 1, 2, -2, 0])},
    "batches": lambda d: {"batch_sampler": [[0, 1], (2,), np.array([5, 6])]},
    "tensors": lambda d: {"batch_size": 2, "sampler": torch.tensor([4, 1, 2])},
}  # fmt: skip
DATASETS = {
    "whole": lambda *x: TensorDataset(*x),
    "subset": lambda *x: Subset(TensorDataset(*[torch.cat([t, t]) for t in x]), range(3, N + 3)),
    "listed": lambda *x: Subset(TensorDataset(*x), [3, 1, 2, *range(3, N)]),
    "negative": lambda *x: Subset(TensorDataset(*x), list(range(-N, 0))),
    "array": lambda *x: Subset(TensorDataset(*x), np.arange(N)[::-1]),
    "tensor": lambda *x: Subset(TensorDataset(*x), torch.arange(N)),
    "nested": lambda *x: Subset(Subset(TensorDataset(*x), list(range(N))[::-1]), list(range(N))),
}


@pytest.mark.parametrize("tensor", TENSORS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_batches_are_those_of_the_long_road(dataset, order, tensor):
    data = DATASETS[dataset](TENSORS[tensor](), torch.arange(N))
    options = ORDERS[order](data)
    torch.manual_seed(3)
    short = list(DataLoader(data, **options))
    torch.manual_seed(3)
    long = list(DataLoader(data, collate_fn=slow, **options))
    assert len(short) == len(long) > 0
    for a, b in zip(short, long, strict=True):
        assert type(a) is list
        assert all(equal(x, y) for x, y in zip(a, b, strict=True))
        assert all(x.is_contiguous() and x._base is None for x in a)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("index", [slice(0, 3), np.array([1, 2]), [1, 2]], ids=str)
def test_the_short_road_is_taken(dataset, index):
    data = DATASETS[dataset](torch.arange(N * 2).reshape(N, 2))
    assert rows.are_all_of(data)
    assert len(rows.taken(data, index)) == 1


@pytest.mark.parametrize("order", [{}, {"shuffle": True}, {"sampler": [1, 2]}], ids=str)
def test_the_loader_takes_the_short_road(monkeypatch, order):
    data = TensorDataset(torch.arange(N))
    monkeypatch.delattr(TensorDataset, "__getitem__")
    assert all(len(batch) == 1 for batch in DataLoader(data, batch_size=2, **order))


@pytest.mark.parametrize(
    "dataset",
    [
        [1, 2],
        type("Mine", (TensorDataset,), {})(torch.zeros(2)),
        type("Mine", (Subset,), {})(TensorDataset(torch.zeros(2)), [0]),
        Subset([1, 2], [0]),
    ],
)
def test_other_datasets_take_the_long_road(dataset):
    assert not rows.are_all_of(dataset)


@pytest.mark.parametrize(
    "index",
    [
        [True, False],
        [True, 1],
        [1.0],
        [],
        [[1]],
        [2**70],
        [N],
        [-N - 1],
        slice(N - 1, N + 1),
        [slice(0, 2)],
    ],
    ids=str,
)
def test_indices_that_are_not_plain_take_the_long_road(index):
    assert rows.taken(TensorDataset(torch.arange(N)), index) is None


@pytest.mark.parametrize("index", [[N], [-N - 1], slice(N - 1, N + 1), ["a"]], ids=str)
@pytest.mark.parametrize("indices", [list(range(N)), range(N), np.arange(N)], ids=type)
def test_indices_outside_a_subset_take_the_long_road(indices, index):
    data = Subset(TensorDataset(torch.arange(2 * N)), indices)
    assert rows.taken(data, index) is None


def test_tensors_with_history_keep_it():
    w = torch.ones(4, requires_grad=True)
    (batch,) = DataLoader(TensorDataset(w * 2), batch_size=4)
    batch[0].sum().backward()
    assert w.grad.tolist() == [2.0, 2.0, 2.0, 2.0]


def test_tensors_of_other_classes_take_the_long_road():
    data = TensorDataset(torch.nn.Parameter(torch.zeros(3), requires_grad=False))
    assert rows.taken(data, [0, 1]) is None


def test_a_batch_is_a_copy():
    x = torch.zeros(4)
    (batch,) = DataLoader(TensorDataset(x), batch_size=4)
    batch[0].add_(1)
    assert x.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_a_batch_shows_what_was_written_since_the_pass_began():
    x = torch.zeros(4)
    batches = iter(DataLoader(TensorDataset(x), batch_size=2))
    next(batches)
    x.add_(1)
    assert next(batches)[0].tolist() == [1.0, 1.0]


def test_a_sampler_that_goes_too_far_is_an_index_error():
    loader = DataLoader(TensorDataset(torch.zeros(3)), sampler=SequentialSampler(range(4)))
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        list(loader)
