"""The share of a dataset that one of several training processes reads."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from typing import Any, TypeVar

from ...backend import random_streams as streams
from ...random import Generator
from .dataset import Dataset
from .sampler import Sampler

T_co = TypeVar("T_co", covariant=True)


class DistributedSampler(Sampler[T_co]):
    """The indices of one process out of several; together, they read the whole dataset.

    All processes get equally many: indices are repeated from the beginning for that, or left out.

    Args:
        dataset: anything with a length.
        num_replicas: how many processes there are; by default, as many as ``torch.distributed`` says.
        rank: which of them this is, from 0; by default, likewise.
        shuffle: whether the order is random. Call `set_epoch` before each pass for another one.
        seed: of the random order; the same in all processes.
        drop_last: leave out what is too much, in place of repeating.

    Raises:
        RuntimeError: ``num_replicas`` or ``rank`` is not given, and there is no ``torch.distributed``.
        ValueError: ``rank`` is out of range.

    >>> list(DistributedSampler("abcdefg", num_replicas=3, rank=1, shuffle=False))
    [1, 4, 0]
    >>> list(DistributedSampler("abcdefg", num_replicas=3, rank=1, shuffle=False, drop_last=True))
    [1, 4]
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        if num_replicas is None:
            num_replicas = _distributed("num_replicas").get_world_size()
        if rank is None:
            rank = _distributed("rank").get_rank()
        if rank >= num_replicas or rank < 0:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        length = len(dataset)
        if drop_last and length % num_replicas:
            self.num_samples = math.ceil((length - num_replicas) / num_replicas)
        else:
            self.num_samples = math.ceil(length / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[T_co]:
        length = len(self.dataset)
        if self.shuffle:
            engine = Generator().manual_seed(self.seed + self.epoch).engine
            indices = streams.permutation(engine, length).tolist()
        else:
            indices = list(range(length))
        if not self.drop_last and indices:
            indices *= math.ceil(self.total_size / length)
        indices = indices[: self.total_size]
        if len(indices) != self.total_size:
            raise AssertionError(
                f"DistributedSampler: {self.total_size} indices are needed, but the dataset has "
                f"{len(indices)}; has it become shorter?"
            )
        return iter(indices[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Says which pass comes next, so that it gets an order of its own, the same in all processes."""
        self.epoch = epoch


def _distributed(name: str) -> Any:
    try:
        module = importlib.import_module("rushlight.distributed")
    except ModuleNotFoundError:
        module = None
    if module is None or not module.is_available():
        raise RuntimeError(
            f"Requires distributed package to be available: DistributedSampler was given no {name}, "
            "and there is no torch.distributed to ask; pass num_replicas and rank"
        )
    return module
