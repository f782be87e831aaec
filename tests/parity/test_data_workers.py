"""Worker processes beside PyTorch's: the same batches in the same order, and the same random numbers."""

import hashlib
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.utils.data  # noqa: E402, F811

import rushlight  # noqa: E402
import rushlight.utils.data  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def plain(value):
    if type(value).__name__ == "Tensor":
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(v) for v in value]
    return value


def state(framework, generator):
    states = [framework.get_rng_state()] + ([generator.get_state()] if generator else [])
    return [hashlib.sha256(s.numpy().tobytes()).hexdigest()[:12] for s in states]


def draws(framework):
    info = framework.utils.data.get_worker_info()
    mine = (-1, 0, 0) if info is None else (info.id, info.num_workers, info.seed)
    return *mine, framework.rand(2), random.random(), random.randrange(99), np.random.rand()


def map_style(framework, n):
    class Draws(framework.utils.data.Dataset):
        def __len__(self):
            return n

        def __getitem__(self, index):
            return index, *draws(framework)

    return Draws()


def iterable(framework, n):
    class Draws(framework.utils.data.IterableDataset):
        def __iter__(self):
            info = framework.utils.data.get_worker_info()
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            # Shares of different lengths, one of them empty.
            for i in range(first, n if first != 1 else n // 3, step):
                yield i, *draws(framework)

    return Draws()


def copies(framework, n):
    class Copies(framework.utils.data.IterableDataset):
        def __iter__(self):
            return ((i, *draws(framework)) for i in range(n))

    return Copies()


def passes(framework, make, count, own, leave_after, **options):
    """Three passes, of which the second is left early: every batch and the streams after it."""
    random.seed(1)
    np.random.seed(2)
    framework.manual_seed(7)
    generator = framework.Generator().manual_seed(11) if own else None
    loader = framework.utils.data.DataLoader(make(framework, count), generator=generator, **options)
    seen = []
    for left_after in [10**9, leave_after, 10**9]:
        for number, batch in enumerate(loader):
            seen.append((plain(batch), state(framework, generator)))
            if number == left_after:
                break
        seen.append(("end", state(framework, generator)))
        # Of a pass that is left early, the batches that were read ahead are PyTorch's as well.
        del batch
    return seen


@pytest.mark.parametrize("own", [False, True], ids=["default stream", "own stream"])
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 3, "shuffle": True},
        {"batch_size": 4, "shuffle": True, "drop_last": True},
        {"batch_size": None},
    ],
    ids=["shuffle", "drop last", "no batches"],
)
def test_map_style_datasets(options, workers, persistent, own):
    options = dict(options, num_workers=workers, persistent_workers=persistent and workers > 0)
    ours = passes(rushlight, map_style, 17, own, 2, **options)
    theirs = passes(torch, map_style, 17, own, 2, **options)
    assert ours == theirs


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("make", [iterable, copies])
@pytest.mark.parametrize("batch_size, drop_last", [(2, False), (3, True), (None, False)])
def test_iterable_datasets(make, batch_size, drop_last, workers, persistent):
    options = {
        "batch_size": batch_size,
        "drop_last": drop_last,
        "num_workers": workers,
        "persistent_workers": persistent and workers > 0,
    }
    # How far workers that stay have read when a pass is left early is a matter of chance.
    leave_after = 10**9 if persistent else 2
    ours = passes(rushlight, make, 13, False, leave_after, **options)
    theirs = passes(torch, make, 13, False, leave_after, **options)
    assert ours == theirs


@pytest.mark.parametrize("prefetch", [1, 2, 5])
def test_prefetching(prefetch):
    options = {"num_workers": 2, "prefetch_factor": prefetch, "batch_size": 2, "shuffle": True}
    ours = passes(rushlight, map_style, 20, True, 3, **options)
    theirs = passes(torch, map_style, 20, True, 3, **options)
    assert ours == theirs


@pytest.mark.parametrize("sampler", ["weighted", "subset", "replacement"])
def test_samplers(sampler):
    def made(framework):
        data = framework.utils.data
        chosen = {
            "weighted": data.WeightedRandomSampler([i % 3 for i in range(12)], 20),
            "subset": data.SubsetRandomSampler(range(1, 12, 2)),
            "replacement": data.RandomSampler(range(12), replacement=True, num_samples=70),
        }[sampler]
        return passes(
            framework, map_style, 12, False, 2, sampler=chosen, batch_size=2, num_workers=2
        )

    assert made(rushlight) == made(torch)


def failing(framework, kind):
    class Fails:
        def __len__(self):
            return 6

        def __getitem__(self, index):
            if index == 3:
                raise KINDS[kind]()
            return index

    loader = framework.utils.data.DataLoader(Fails(), num_workers=2)
    seen, batches = [], iter(loader)
    for _ in range(7):
        try:
            seen.append(next(batches).item())
        except Exception as error:
            first = str(error).split("\n")[:2]
            seen.append((type(error), first))
    return seen


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


KINDS = {
    "ValueError": lambda: ValueError("x"),
    "KeyError": lambda: KeyError("x"),
    "IndexError": lambda: IndexError("x"),
    "OSError": lambda: FileNotFoundError(2, "x", "y"),
    "two arguments": lambda: TwoArguments(1, 2),
    "five arguments": lambda: UnicodeDecodeError("utf8", b"x", 0, 1, "x"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_errors(kind):
    assert failing(rushlight, kind) == failing(torch, kind)


@pytest.mark.parametrize("n", [1, 5, 8, 13])
@pytest.mark.parametrize("replicas", [1, 2, 3, 7])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_distributed_samplers(n, replicas, drop_last, shuffle):
    def shares(framework):
        seen = []
        for rank in range(replicas):
            sampler = framework.utils.data.DistributedSampler(
                range(n), replicas, rank, shuffle, 3, drop_last
            )
            for epoch in range(3):
                sampler.set_epoch(epoch)
                seen.append((list(sampler), len(sampler), sampler.total_size))
        return seen

    assert shares(rushlight) == shares(torch)


def test_the_registry_has_pytorchs_types():
    def names(framework):
        return [
            "Tensor" if key is framework.Tensor else key
            for key in framework.utils.data._utils.collate.default_collate_fn_map
        ]

    assert names(rushlight) == names(torch)
