"""The loader: which batches come, in which order, and what it says about its options."""

import multiprocessing
import sys
import traceback

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
    iterators,
)


class Squares(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        if index == 3:
            raise ValueError("three")
        return index**2


class Numbers(IterableDataset):
    def __init__(self, n, told=None):
        self.n = n
        self.told = told

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.told


@pytest.fixture
def nothing_told(monkeypatch):
    monkeypatch.setattr(iterators, "_told", set())


def listed(loader):
    return [batch.tolist() for batch in loader]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[0], [1], [2], [3], [4]]),
        ({"batch_size": 2}, [[0, 1], [2, 3], [4]]),
        ({"batch_size": 2, "drop_last": True}, [[0, 1], [2, 3]]),
        ({"batch_size": 9}, [[0, 1, 2, 3, 4]]),
        ({"batch_size": 9, "drop_last": True}, []),
        ({"sampler": [4, 4, 0], "batch_size": 2}, [[4, 4], [0]]),
        ({"batch_sampler": [[1], [2, 3]]}, [[1], [2, 3]]),
        ({"batch_sampler": [(1, 0), np.array([2])]}, [[1, 0], [2]]),
    ],
)
def test_batches_in_the_samplers_order(options, expected):
    loader = DataLoader(range(5), **options)
    assert listed(loader) == expected
    assert listed(loader) == expected
    assert len(loader) == len(expected)


def test_shuffle_draws_pytorchs_orders():
    torch.manual_seed(0)
    loader = DataLoader(range(6), batch_size=4, shuffle=True)
    assert listed(loader) == [[0, 4, 3, 5], [2, 1]]
    assert listed(loader) == [[2, 3, 1, 5], [4, 0]]
    assert torch.rand(1).item() == pytest.approx(0.455627977848053)


@pytest.mark.parametrize(
    ("dataset", "read"),
    [(range(6), listed), (TensorDataset(torch.arange(6)), lambda x: listed(b for (b,) in x))],
    ids=["samples", "rows"],
)
def test_shuffle_draws_from_the_generator_given(dataset, read):
    default = torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(dataset, batch_size=4, shuffle=True, generator=generator)
    assert read(loader) == [[5, 1, 0, 3], [2, 4]]
    assert read(loader) == [[4, 2, 1, 3], [0, 5]]
    assert torch.rand(1, generator=generator).item() == pytest.approx(0.41940832138061523)
    assert torch.equal(default, torch.get_rng_state())


def test_a_pass_left_early_draws_less():
    generator = torch.Generator().manual_seed(0)
    next(iter(DataLoader(range(6), batch_size=4, shuffle=True, generator=generator)))
    assert torch.rand(1, generator=generator).item() == pytest.approx(0.8964447379112244)


def test_a_pass_draws_a_seed_even_without_random_order():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    loader = DataLoader(range(6), generator=generator)
    assert torch.equal(before, generator.get_state())
    iter(loader)
    assert torch.rand(1, generator=generator).item() == pytest.approx(0.08847743272781372)


def test_without_batches_each_sample_is_converted():
    samples = list(DataLoader([np.ones(2), 1, "a"], batch_size=None))
    assert samples[0].tolist() == [1.0, 1.0]
    assert samples[1:] == [1, "a"]
    loader = DataLoader(range(5), batch_size=None)
    assert loader.batch_sampler is None
    assert loader.collate_fn is default_convert
    assert len(loader) == 5


def test_without_batches_the_sampler_may_yield_lists():
    data = TensorDataset(torch.arange(5))
    assert [x.tolist() for (x,) in DataLoader(data, batch_size=None, sampler=[[0, 1], [4]])] == [
        [0, 1],
        [4],
    ]


def test_collate_fn_gets_the_list_of_samples():
    assert list(DataLoader(range(5), batch_size=2, collate_fn=tuple)) == [(0, 1), (2, 3), (4,)]
    data = TensorDataset(torch.arange(3))
    assert list(DataLoader(data, batch_size=2, collate_fn=len)) == [2, 1]


def test_a_dataset_may_give_whole_batches():
    class Batched(Dataset):
        def __len__(self):
            return 5

        def __getitems__(self, indices):
            return [10 * i for i in indices]

    assert listed(DataLoader(Batched(), batch_size=2)) == [[0, 10], [20, 30], [40]]


def test_attributes():
    loader = DataLoader(range(5), batch_size=2, shuffle=True)
    assert (loader.batch_size, loader.drop_last, loader.num_workers) == (2, False, 0)
    assert loader.prefetch_factor is None
    assert loader.collate_fn is default_collate
    assert type(loader.sampler) is RandomSampler
    assert type(loader.batch_sampler) is BatchSampler
    assert type(DataLoader(range(5)).sampler) is SequentialSampler
    own = DataLoader(range(5), batch_sampler=[[0]])
    assert (own.batch_size, own.drop_last, own.batch_sampler) == (None, False, [[0]])


@pytest.mark.parametrize(
    "name",
    ["batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"],
)
def test_what_cannot_be_set_afterwards(name):
    with pytest.raises(ValueError, match=f"{name} attribute should not be set after DataLoader"):
        setattr(DataLoader(range(5)), name, None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiproc"),
        ({"num_workers": 1, "prefetch_factor": -1}, "prefetch_factor option should be non-neg"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"multiprocessing_context": "spawn"}, "can only be used with multi-process loading"),
        (
            {"num_workers": 1, "multiprocessing_context": "none"},
            "should specify a valid start method in .*'spawn'.* got multiprocessing_context='none'",
        ),
        ({"batch_size": 0}, "positive integer value, but got batch_size=0"),
        ({"batch_size": 2.0}, "positive integer value, but got batch_size=2.0"),
        ({"drop_last": 1}, "drop_last should be a boolean value"),
        ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "sampler": [0]}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler option is mutually excl"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
    ],
)
def test_options_that_exclude_each_other(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(range(5), **options)


def test_the_context_must_be_one():
    with pytest.raises(TypeError, match="a valid context object or a string .*, but got .*=3"):
        DataLoader(range(5), num_workers=1, multiprocessing_context=3)


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "expected"),
    [
        (2, False, [[0, 1], [2, 3], [4]]),
        (2, True, [[0, 1], [2, 3]]),
        (5, False, [[0, 1, 2, 3, 4]]),
        (5, True, [[0, 1, 2, 3, 4]]),
    ],
)
def test_iterable_datasets(batch_size, drop_last, expected):
    loader = DataLoader(Numbers(5, 5), batch_size=batch_size, drop_last=drop_last)
    assert listed(loader) == expected
    assert len(loader) == len(expected)
    assert listed(loader) == expected


def test_iterable_datasets_without_batches():
    loader = DataLoader(Numbers(3, 3), batch_size=None)
    assert list(loader) == [0, 1, 2]
    assert len(loader) == 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shuffle": True}, "expected unspecified shuffle option, but got shuffle=True"),
        ({"sampler": [0]}, r"expected unspecified sampler option, but got sampler=\[0\]"),
        ({"batch_sampler": [[0]]}, "expected unspecified batch_sampler option, but got"),
    ],
)
def test_iterable_datasets_have_their_own_order(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Numbers(5), **options)


def test_iterable_datasets_allow_shuffle_false():
    assert len(listed(DataLoader(Numbers(2), shuffle=False))) == 2


def test_a_length_that_was_too_small_is_told():
    loader = DataLoader(Numbers(8, told=3), batch_size=2)
    assert len(list(loader)) == 4
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to make 2 batches") as caught:
        assert len(list(loader)) == 4
    assert [w.filename for w in caught] == [__file__]


def test_a_length_that_is_right_is_not_told():
    loader = DataLoader(Numbers(7, told=7), batch_size=2)
    assert len(loader) == len(list(loader)) == 4


def test_an_exhausted_pass_stays_exhausted():
    batches = iter(DataLoader(Numbers(3), batch_size=2))
    assert len(list(batches)) == 2
    with pytest.raises(StopIteration):
        next(batches)
    batches = iter(DataLoader(range(3)))
    assert len(batches) == 3
    assert len(list(batches)) == 3
    with pytest.raises(StopIteration):
        next(batches)


def test_two_passes_at_once_do_not_mix():
    loader = DataLoader(range(3))
    pairs = [(a.item(), b.item()) for a in loader for b in loader]
    assert pairs == [(a, b) for a in range(3) for b in range(3)]


def test_an_error_in_a_dataset_comes_as_it_is():
    batches = iter(DataLoader(Squares(), batch_size=2))
    assert next(batches).tolist() == [0, 1]
    with pytest.raises(ValueError) as caught:
        next(batches)
    assert caught.value.args == ("three",)
    assert "in __getitem__" in "".join(traceback.format_exception(caught.value))
    assert next(batches).tolist() == [16]


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="exceptions have no notes before Python 3.11"
)
@pytest.mark.parametrize(
    ("dataset", "options", "note"),
    [
        (Squares(), {"batch_size": 2}, "while sample 3 of Squares was read"),
        (Squares(), {"batch_size": None}, "while sample 3 of Squares was read"),
        (Subset(Squares(), [3]), {}, "while the samples [0] of Subset were read"),
        (
            [torch.zeros(1), torch.zeros(1), torch.zeros(1), torch.zeros(2)],
            {"batch_size": 2},
            "while the samples [2, 3] of the dataset were made into a batch",
        ),
        (
            TensorDataset(torch.zeros(3)),
            {"sampler": [0, 5], "batch_size": 2},
            "while sample 5 of TensorDataset was read",
        ),
    ],
)
def test_an_error_says_at_which_sample(dataset, options, note):
    with pytest.raises((ValueError, RuntimeError, IndexError)) as caught:
        list(DataLoader(dataset, **options))
    assert caught.value.__notes__ == [note]


def test_worker_options_are_kept():
    context = multiprocessing.get_context("spawn")
    loader = DataLoader(
        Numbers(5),
        num_workers=2,
        multiprocessing_context=context,
        prefetch_factor=3,
        persistent_workers=True,
    )
    assert loader.multiprocessing_context is context
    assert (loader.num_workers, loader.prefetch_factor) == (2, 3)
    assert DataLoader(range(5), num_workers=1).prefetch_factor == 2


def test_pinned_memory_is_told_once_not_to_exist(nothing_told):
    loader = DataLoader(range(2), pin_memory=True)
    with pytest.warns(UserWarning, match="no accelerator is found") as caught:
        assert listed(loader) == [[0], [1]]
        assert listed(loader) == [[0], [1]]
    assert [w.filename for w in caught] == [__file__]
