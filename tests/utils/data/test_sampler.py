"""The orders in which datasets are read."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from rushlight.utils.data.sampler import index_arrays


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_sequential_sampler_counts_up():
    sampler = SequentialSampler("abcd")
    assert list(sampler) == [0, 1, 2, 3]
    assert len(sampler) == 4
    assert sampler.data_source == "abcd"


def test_random_sampler_draws_a_permutation_from_its_generator():
    generator = seeded()
    sampler = RandomSampler(range(6), generator=generator)
    assert len(sampler) == sampler.num_samples == 6
    assert list(sampler) == [2, 5, 3, 0, 1, 4]
    assert all(type(i) is int for i in sampler)


def test_random_sampler_seeds_a_stream_of_its_own_from_the_default_one():
    torch.manual_seed(0)
    assert list(RandomSampler(range(6))) == [0, 1, 2, 3, 5, 4]
    after = torch.get_rng_state()
    torch.manual_seed(0)
    torch.empty((), dtype=torch.int64).random_()
    assert torch.equal(after, torch.get_rng_state())


def test_random_sampler_repeats_whole_permutations():
    sampler = RandomSampler(range(3), num_samples=8, generator=seeded())
    assert list(sampler) == [2, 0, 1, 2, 1, 0, 1, 2]
    assert len(sampler) == 8


def test_random_sampler_with_replacement_draws_blocks_of_32():
    expected = [
        *[2, 0, 2, 0, 1, 0, 1, 1, 1, 0, 2, 2, 0, 0, 1, 2],
        *[0, 0, 2, 0, 2, 2, 2, 2, 2, 2, 1, 2, 0, 0, 1, 0],
        *[2, 0, 1, 0, 1, 2, 2, 1],
    ]
    sampler = RandomSampler(range(3), replacement=True, num_samples=40, generator=seeded())
    assert list(sampler) == expected


def test_a_pass_with_replacement_left_early_has_drawn_32():
    generator, other = seeded(), seeded()
    next(iter(RandomSampler(range(3), replacement=True, num_samples=64, generator=generator)))
    torch.randint(3, (32,), generator=other)
    assert torch.equal(generator.get_state(), other.get_state())


def test_random_sampler_draws_nothing_before_the_first_index():
    generator = seeded()
    before = generator.get_state()
    indices = iter(RandomSampler(range(3), generator=generator))
    assert torch.equal(generator.get_state(), before)
    next(indices)
    assert not torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"replacement": 1},
            TypeError,
            "replacement should be a boolean value, but got replacement=1",
        ),
        ({"num_samples": 0}, ValueError, "positive integer value, but got num_samples=0"),
        ({"num_samples": -1}, ValueError, "positive integer value, but got num_samples=-1"),
        ({"num_samples": 1.5}, ValueError, "positive integer value, but got num_samples=1.5"),
    ],
)
def test_random_sampler_rejects(arguments, error, text):
    with pytest.raises(error, match=text):
        RandomSampler([1, 2], **arguments)


def test_random_sampler_says_that_the_dataset_is_empty():
    with pytest.raises(ValueError, match="num_samples=0; the dataset is empty"):
        RandomSampler([])


def test_random_sampler_rejects_what_is_no_generator():
    with pytest.raises(TypeError, match="generator must be a torch.Generator or None, not int"):
        next(iter(RandomSampler([1, 2], generator=3)))


def test_subset_random_sampler_permutes_its_indices_with_the_default_stream():
    torch.manual_seed(0)
    sampler = SubsetRandomSampler([5, 6, 7, 8])
    assert list(sampler) == [5, 6, 8, 7]
    assert len(sampler) == 4


def test_weighted_random_sampler_draws_as_multinomial():
    weights = [1, 2, 3, 4.0]
    torch.manual_seed(0)
    sampler = WeightedRandomSampler(weights, 8)
    drawn = list(sampler)
    torch.manual_seed(0)
    direct = torch.multinomial(torch.tensor(weights, dtype=torch.float64), 8, True)
    assert drawn == direct.tolist()
    assert len(sampler) == 8
    assert sampler.weights.dtype is torch.float64


def test_weighted_random_sampler_never_draws_weight_zero():
    sampler = WeightedRandomSampler([0.0, 1.0, 0.0, 1.0], 50, generator=seeded())
    assert set(sampler) == {1, 3}


def test_weighted_random_sampler_without_replacement_draws_each_once():
    sampler = WeightedRandomSampler([1.0] * 5, 5, replacement=False, generator=seeded())
    assert sorted(sampler) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([1], 0), "num_samples=0"),
        (([1], True), "num_samples=True"),
        (([1], 1.0), "num_samples=1.0"),
        (([1], 1, 2), "replacement=2"),
        (([[1, 2]], 1), r"given weights have shape \(1, 2\)"),
    ],
)
def test_weighted_random_sampler_rejects(arguments, text):
    with pytest.raises(ValueError, match=text):
        WeightedRandomSampler(*arguments)


@pytest.mark.parametrize(
    ("n", "drop_last", "expected"),
    [
        (5, False, [[0, 1], [2, 3], [4]]),
        (5, True, [[0, 1], [2, 3]]),
        (4, False, [[0, 1], [2, 3]]),
        (4, True, [[0, 1], [2, 3]]),
        (1, True, []),
        (0, False, []),
    ],
)
def test_batch_sampler_makes_lists(n, drop_last, expected):
    sampler = BatchSampler(SequentialSampler(range(n)), 2, drop_last)
    assert list(sampler) == expected
    assert len(sampler) == len(expected)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, "a", None])
def test_batch_sampler_rejects_batch_sizes(batch_size):
    with pytest.raises(ValueError, match=f"but got batch_size={batch_size}"):
        BatchSampler([1], batch_size, False)


def test_batch_sampler_rejects_other_than_bool():
    with pytest.raises(
        ValueError, match="drop_last should be a boolean value, but got drop_last=1"
    ):
        BatchSampler([1], 1, 1)


def test_a_sampler_without_iter_says_so():
    with pytest.raises(NotImplementedError, match="Sampler must define __iter__"):
        iter(Sampler())


def test_a_sampler_given_a_data_source_warns():
    with pytest.warns(FutureWarning, match="takes no data_source"):
        Sampler([1, 2])


@pytest.mark.parametrize("n", [1, 31, 32, 33, 64, 70])
@pytest.mark.parametrize("batch_size", [1, 5, 32, 64, 100])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda n, g: SequentialSampler(range(n)),
        lambda n, g: RandomSampler(range(n), generator=g),
        lambda n, g: RandomSampler(range(7), num_samples=n, generator=g),
        lambda n, g: RandomSampler(range(7), replacement=True, num_samples=n, generator=g),
        lambda n, g: WeightedRandomSampler([1.0, 2.0], n, generator=g),
    ],
    ids=["sequential", "random", "repeated", "replacement", "weighted"],
)
def test_arrays_hold_what_the_lists_hold_and_draw_when_they_draw(make, drop_last, batch_size, n):
    one, two = seeded(), seeded()
    lists = iter(BatchSampler(make(n, one), batch_size, drop_last))
    arrays = index_arrays(BatchSampler(make(n, two), batch_size, drop_last))
    for batch in lists:
        assert np.arange(100)[next(arrays)].tolist() == batch
        assert torch.equal(one.get_state(), two.get_state())
    assert next(arrays, None) is None
    assert torch.equal(one.get_state(), two.get_state())


@pytest.mark.parametrize(
    "batches",
    [
        [[1, 2]],
        BatchSampler([1, 2], 2, False),
        BatchSampler(SubsetRandomSampler([1, 2]), 2, False),
        BatchSampler(type("Mine", (RandomSampler,), {})([1, 2]), 2, False),
        type("Mine", (BatchSampler,), {})(SequentialSampler([1, 2]), 2, False),
    ],
)
def test_other_samplers_are_read_index_by_index(batches):
    assert index_arrays(batches) is None
