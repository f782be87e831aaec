"""What the tests load in worker processes: classes and functions that a new interpreter finds."""

import faulthandler
import os
import random
import signal
import time

import numpy as np

import rushlight as torch
from rushlight.utils.data import DataLoader, Dataset, IterableDataset, SharedList, get_worker_info


class Images(Dataset):
    """Images full of their index, with labels."""

    def __init__(self, n=12, shape=(3, 40, 40)):
        self.n = n
        self.shape = shape

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return torch.full(self.shape, float(index)), index


class Draws(Images):
    """What each worker draws at random."""

    def __getitem__(self, index):
        info = get_worker_info()
        drawn = torch.rand(1).item(), random.random(), np.random.random()
        return index, info.id, info.num_workers, info.seed, *drawn


class Processes(Images):
    """Who loads each sample."""

    def __getitem__(self, index):
        return os.getpid(), get_worker_info().id, torch.get_num_threads()


class Dies(Images):
    """Ends its process at sample 5."""

    def __init__(self, how, n=12):
        super().__init__(n)
        self.how = how

    def __getitem__(self, index):
        if index == 5:
            self.how()
        return index


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def crash():
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


def leave():
    os._exit(3)


class Fails(Images):
    """Raises at sample 5."""

    def __init__(self, make, n=12):
        super().__init__(n)
        self.make = make

    def __getitem__(self, index):
        if index == 5:
            raise self.make()
        return index


class Waits(Images):
    """Waits for an event at sample 0."""

    def __init__(self, event, n=12):
        super().__init__(n)
        self.event = event

    def __getitem__(self, index):
        if index == 0:
            self.event.wait()
        return index


class Hangs(Images):
    """Says which process it is, and never comes back from sample 5."""

    def __init__(self, outlet):
        super().__init__(40)
        self.outlet = outlet

    def __getitem__(self, index):
        if index >= 5:
            os.write(self.outlet, f"{os.getpid()}\n".encode())
            while True:
                time.sleep(1000)
        return torch.zeros(100, 100)


class Share(IterableDataset):
    """The numbers below n, of which each worker gives its share."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))

    def __len__(self):
        return self.n


class BreaksOff(IterableDataset):
    """Raises after two samples."""

    def __iter__(self):
        yield 0
        yield 1
        raise ValueError("broken off")


class Index(Dataset):
    """A long index, of which every sample is an entry."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, label = self.samples[index]
        return len(path) + label


class List(list):
    """A class of lists."""


class Kinds(Index):
    """Which attributes are shared lists in a worker."""

    def __init__(self, **attributes):
        super().__init__([0])
        self.__dict__.update(attributes)

    def __getitem__(self, index):
        return sorted(name for name, x in vars(self).items() if type(x) is SharedList)


class Nested(Images):
    """Loads from within a worker."""

    def __init__(self, workers):
        super().__init__(4)
        self.workers = workers

    def __getitem__(self, index):
        return sum(x.item() for x in DataLoader(range(4), num_workers=self.workers))


def as_list(batch):
    return batch


def note_worker(number):
    get_worker_info().dataset.n = 100 + number


def refuse(number):
    raise ValueError(f"worker {number} refuses")


def private_bytes():
    """The memory of this process that it shares with no other."""
    with open("/proc/self/smaps_rollup") as file:
        fields = [line.split() for line in file]
    return sum(int(f[1]) for f in fields if f[0] in ("Private_Clean:", "Private_Dirty:")) * 1024


class Growth(Index):
    """How much more memory of its own a worker has when it has read its share of the index."""

    def __getitem__(self, number):
        before = private_bytes()
        total = sum(super(Growth, self).__getitem__(i) for i in range(number, len(self.samples), 2))
        return type(self.samples).__name__, total, private_bytes() - before
