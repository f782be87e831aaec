"""Sharing a dataset out to several training processes."""

import pytest

from rushlight.utils.data import DataLoader, DistributedSampler


@pytest.mark.parametrize(
    ("n", "replicas", "drop_last", "expected"),
    [
        (6, 2, False, [[0, 2, 4], [1, 3, 5]]),
        (7, 3, False, [[0, 3, 6], [1, 4, 0], [2, 5, 1]]),
        (7, 3, True, [[0, 3], [1, 4], [2, 5]]),
        (6, 3, True, [[0, 3], [1, 4], [2, 5]]),
        (2, 5, False, [[0], [1], [0], [1], [0]]),
        (2, 3, True, [[], [], []]),
        (0, 2, False, [[], []]),
    ],
)
def test_shares(n, replicas, drop_last, expected):
    samplers = [
        DistributedSampler(range(n), replicas, rank, shuffle=False, drop_last=drop_last)
        for rank in range(replicas)
    ]
    assert [list(sampler) for sampler in samplers] == expected
    assert [len(sampler) for sampler in samplers] == [len(share) for share in expected]


def test_random_shares_are_one_order():
    samplers = [DistributedSampler(range(8), 2, rank, seed=3) for rank in range(2)]
    first = [list(sampler) for sampler in samplers]
    assert sorted(sum(first, [])) == list(range(8))
    assert [list(sampler) for sampler in samplers] == first
    samplers[0].set_epoch(1)
    assert list(samplers[0]) != first[0]


def test_in_a_loader():
    sampler = DistributedSampler(range(6), 2, 1, shuffle=False)
    assert [x.tolist() for x in DataLoader(range(6), 2, sampler=sampler)] == [[1, 3], [5]]


@pytest.mark.parametrize("rank", [-1, 2])
def test_ranks_out_of_range(rank):
    with pytest.raises(ValueError, match=rf"Invalid rank {rank}, .* interval \[0, 1\]"):
        DistributedSampler(range(3), 2, rank)


@pytest.mark.parametrize(("options", "name"), [({}, "num_replicas"), ({"num_replicas": 2}, "rank")])
def test_without_a_distributed_package(options, name):
    with pytest.raises(RuntimeError, match=f"Requires distributed package .* was given no {name}"):
        DistributedSampler(range(3), **options)
