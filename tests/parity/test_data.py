"""The loader beside PyTorch's: the same batches, and generators in the same state after every one."""

import array
import collections
import hashlib
import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.utils.data  # noqa: E402, F811

import rushlight  # noqa: E402

Point = collections.namedtuple("Point", "x y")


class OurList(list):
    pass


class OurDict(dict):
    pass


class OurSequence(collections.abc.Sequence):
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index]


def plain(value):
    """A value in terms that do not depend on the framework: types, dtypes, shapes, numbers."""
    if type(value).__name__ == "Tensor":
        dtype = str(value.dtype).split(".")[-1]
        contiguous = value.is_contiguous()
        return (
            "tensor",
            dtype,
            tuple(value.shape),
            contiguous,
            value.requires_grad,
            value.tolist(),
        )
    if isinstance(value, collections.abc.Mapping):
        return (type(value).__name__, [(key, plain(value[key])) for key in value])
    if isinstance(value, collections.abc.Sequence) and not isinstance(value, (str, bytes)):
        return (type(value).__name__, [plain(v) for v in value])
    return (type(value).__name__, value)


def state(framework, generator=None):
    """A digest of where a stream stands (of the default one without a generator)."""
    bytes_of = framework.get_rng_state() if generator is None else generator.get_state()
    return hashlib.sha256(bytes_of.numpy().tobytes()).hexdigest()[:12]


def tensors(framework, n):
    return framework.utils.data.TensorDataset(
        framework.arange(n * 6, dtype=framework.float32).reshape(n, 2, 3), framework.arange(n)
    )


def listed(framework, n):
    return list(range(n))


def subset(framework, n):
    return framework.utils.data.Subset(tensors(framework, 2 * n), list(range(2 * n - 1, n - 1, -1)))


ORDERS = {
    "in order": lambda data, d, g: {},
    "shuffle": lambda data, d, g: {"shuffle": True},
    "shuffle, drop last": lambda data, d, g: {"shuffle": True, "drop_last": True},
    "random": lambda data, d, g: {"sampler": data.RandomSampler(d, generator=g)},
    "random, fewer": lambda data, d, g: {
        "sampler": data.RandomSampler(d, num_samples=5, generator=g)
    },
    "random, twice": lambda data, d, g: {
        "sampler": data.RandomSampler(d, num_samples=2 * len(d), generator=g)
    },
    "random, more": lambda data, d, g: {
        "sampler": data.RandomSampler(d, num_samples=37, generator=g)
    },
    "replacement": lambda data, d, g: {
        "sampler": data.RandomSampler(d, replacement=True, num_samples=70, generator=g)
    },
    "replacement, whole blocks": lambda data, d, g: {
        "sampler": data.RandomSampler(d, replacement=True, num_samples=64, generator=g)
    },
    "subset": lambda data, d, g: {
        "sampler": data.SubsetRandomSampler(range(1, len(d), 2), generator=g)
    },
    "weighted": lambda data, d, g: {
        "sampler": data.WeightedRandomSampler([i % 3 for i in range(len(d))], 20, generator=g)
    },
    "weighted, each once": lambda data, d, g: {
        "sampler": data.WeightedRandomSampler(
            [i % 3 + 0.5 for i in range(len(d))], len(d) // 2, replacement=False, generator=g
        )
    },
    "list": lambda data, d, g: {"sampler": [0, 3, 3, -1, 2]},
    "batches": lambda data, d, g: {
        "batch_sampler": data.BatchSampler(data.RandomSampler(d, generator=g), 3, True)
    },
}


def history_of_pass(framework, make, order, own, batch_size, count, **options):
    """Two passes, the first of ``count`` batches: every batch, and the streams after each."""
    data = framework.utils.data
    framework.manual_seed(7)
    generator = framework.Generator().manual_seed(11) if own else None
    dataset = make(framework, 10)
    chosen = ORDERS[order](data, dataset, generator)
    if "batch_sampler" not in chosen:
        chosen["batch_size"] = batch_size
    loader = data.DataLoader(dataset, generator=generator, **chosen, **options)
    seen = [len(loader)]

    def note(value):
        where = state(framework, generator) if own else None
        seen.append((value, state(framework), where))

    note("made")
    batches = iter(loader)
    note("iter")
    for _ in range(count):
        note(plain(next(batches, "end")))
    for batch in loader:
        note(plain(batch))
    note("end")
    return seen


@pytest.mark.parametrize("count", [0, 2, 40])
@pytest.mark.parametrize("batch_size", [1, 4, 5, 32])
@pytest.mark.parametrize("own", [False, True], ids=["default stream", "own stream"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("make", [tensors, listed, subset])
def test_batches_and_streams_are_pytorchs(make, order, own, batch_size, count):
    ours = history_of_pass(rushlight, make, order, own, batch_size, count)
    theirs = history_of_pass(torch, make, order, own, batch_size, count)
    assert ours == theirs


@pytest.mark.parametrize("own", [False, True], ids=["default stream", "own stream"])
@pytest.mark.parametrize("order", ["in order", "shuffle", "replacement"])
def test_single_samples_are_pytorchs(order, own):
    ours = history_of_pass(rushlight, tensors, order, own, None, 3)
    theirs = history_of_pass(torch, tensors, order, own, None, 3)
    assert ours == theirs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}, {"prefetch_factor": 1}])
@pytest.mark.parametrize("own", [False, True], ids=["default stream", "own stream"])
def test_streams_with_workers_are_pytorchs(own, options):
    ours = history_of_pass(rushlight, listed, "shuffle", own, 3, 1, num_workers=2, **options)
    theirs = history_of_pass(torch, listed, "shuffle", own, 3, 1, num_workers=2, **options)
    assert ours == theirs


@pytest.mark.parametrize("batch_size", [None, 1, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_iterable_datasets_are_read_as_pytorch_does(batch_size, drop_last):
    def passes(framework):
        class Numbers(framework.utils.data.IterableDataset):
            def __iter__(self):
                for i in range(7):
                    yield i, framework.rand(2)

        framework.manual_seed(3)
        loader = framework.utils.data.DataLoader(
            Numbers(), batch_size=batch_size, drop_last=drop_last and batch_size is not None
        )
        seen = []
        for _ in range(2):
            for batch in loader:
                seen.append((plain(batch), state(framework)))
        return seen

    assert passes(rushlight) == passes(torch)


@pytest.mark.parametrize(
    "lengths",
    [[10], [3, 7], [0, 10], [0.3, 0.7], [0.25, 0.25, 0.5], [0.33, 0.33, 0.34], [1.0], [1, 9, 0]],
    ids=str,
)
@pytest.mark.parametrize("own", [False, True], ids=["default stream", "own stream"])
def test_splits_are_pytorchs(lengths, own):
    def parts(framework):
        framework.manual_seed(5)
        generator = framework.Generator().manual_seed(6) if own else None
        split = framework.utils.data.random_split(range(10), lengths, generator)
        return [part.indices for part in split], [list(p) for p in split], state(framework)

    assert parts(rushlight) == parts(torch)


BATCHES = {
    "tensors": lambda t: [t.tensor([1.0, 2.0]), t.tensor([3.0, 4.0])],
    "0-dim tensors": lambda t: [t.tensor(1), t.tensor(2)],
    "two dtypes": lambda t: [t.tensor([1.0]), t.tensor([1])],
    "bfloat16": lambda t: [t.ones(2, dtype=t.bfloat16)] * 2,
    "gradients": lambda t: [t.ones(2, requires_grad=True), t.zeros(2)],
    "permuted": lambda t: [t.arange(24).reshape(2, 3, 4).permute(2, 0, 1)] * 2,
    "empty tensors": lambda t: [t.zeros(0, 3)] * 2,
    "ints": lambda t: [1, 2],
    "bools": lambda t: [True, False],
    "int then float": lambda t: [1, 2.5],
    "float then int": lambda t: [1.5, 2],
    "bool then int": lambda t: [True, 2],
    "text": lambda t: ["a", "b"],
    "bytes": lambda t: [b"a", b"b"],
    "NumPy float32": lambda t: [np.float32(1), np.float32(2)],
    "NumPy float64": lambda t: [np.float64(1), np.float64(2)],
    "NumPy int16": lambda t: [np.int16(1), np.int16(2)],
    "NumPy bool": lambda t: [np.bool_(True)] * 2,
    "NumPy text": lambda t: [np.str_("a"), np.str_("b")],
    "arrays": lambda t: [np.ones((2, 2)), np.zeros((2, 2))],
    "0-dim arrays": lambda t: [np.array(1.5), np.array(2.5)],
    "tuples": lambda t: [(1, t.tensor([1])), (2, t.tensor([2]))],
    "lists": lambda t: [[1, 2], [3, 4]],
    "empty tuples": lambda t: [(), ()],
    "dicts": lambda t: [{"a": 1, "b": "x"}, {"b": "y", "a": 2}],
    "one more key": lambda t: [{"a": 1}, {"a": 2, "b": 3}],
    "named tuples": lambda t: [Point(1, 2.0), Point(3, 4.0)],
    "list subclass": lambda t: [OurList([1, 2]), OurList([3, 4])],
    "dict subclass": lambda t: [OurDict(a=1), OurDict(a=2)],
    "OrderedDict": lambda t: [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "defaultdict": lambda t: [collections.defaultdict(int, a=1)] * 2,
    "UserDict": lambda t: [collections.UserDict(a=1)] * 2,
    "deque": lambda t: [collections.deque([1, 2])] * 2,
    "sequence": lambda t: [OurSequence([1, 2])] * 2,
    "range": lambda t: [range(2), range(2)],
    "array.array": lambda t: [array.array("i", [1, 2])] * 2,
    "bytearray": lambda t: [bytearray(b"ab")] * 2,
    "nested": lambda t: [{"a": [t.tensor([1]), (1, "s")], "p": Point(np.ones(1), 2)}] * 3,
}


@pytest.mark.parametrize("name", BATCHES)
def test_collation_is_pytorchs(name):
    ours = rushlight.utils.data.default_collate(BATCHES[name](rushlight))
    theirs = torch.utils.data.default_collate(BATCHES[name](torch))
    assert plain(ours) == plain(theirs)


@pytest.mark.parametrize("name", BATCHES)
def test_conversion_is_pytorchs(name):
    ours = rushlight.utils.data.default_convert(BATCHES[name](rushlight))
    theirs = torch.utils.data.default_convert(BATCHES[name](torch))
    assert plain(ours) == plain(theirs)


def error_of(run, *args, **kwargs):
    with pytest.raises(Exception) as caught:
        run(*args, **kwargs)
    return caught.type


BAD_BATCHES = {
    "empty": lambda t: [],
    "shapes": lambda t: [t.zeros(2), t.zeros(3)],
    "array shapes": lambda t: [np.ones(2), np.ones(3)],
    "lengths": lambda t: [[1, 2], [3]],
    "longer": lambda t: [[1], [2, 3]],
    "key": lambda t: [{"a": 1, "b": 2}, {"a": 2}],
    "None": lambda t: [None, None],
    "object": lambda t: [object()],
    "set": lambda t: [{1}, {2}],
    "complex": lambda t: [1j, 2j],
    "text array": lambda t: [np.array(["a"])],
    "object array": lambda t: [np.array([None])],
    "date": lambda t: [np.datetime64("2020")],
    "tensor, then int": lambda t: [t.zeros(1), 3],
    "dict, then int": lambda t: [{"a": 1}, 3],
    "int, then text": lambda t: [1, "a"],
    "byte order": lambda t: [np.array([1], dtype=">i4")],
    "a tensor": lambda t: t.zeros(2),
    "a number": lambda t: 3,
    "deep": lambda t: [{"a": (t.zeros(1), 1)}, {"a": (t.zeros(2), 1)}],
}


@pytest.mark.parametrize("name", BAD_BATCHES)
def test_collation_errors_have_pytorchs_type(name):
    ours = error_of(rushlight.utils.data.default_collate, BAD_BATCHES[name](rushlight))
    theirs = error_of(torch.utils.data.default_collate, BAD_BATCHES[name](torch))
    assert ours is theirs


class Stream:
    def __iter__(self):
        return iter(range(3))


def stream(framework):
    return type("Numbers", (Stream, framework.utils.data.IterableDataset), {})()


BAD_CALLS = [
    *[
        f"d.DataLoader(range(5), {options})"
        for options in [
            "num_workers=-1", "num_workers='a'", "timeout=-1", "prefetch_factor=2",
            "num_workers=2, prefetch_factor=-1", "persistent_workers=True", "batch_size=0",
            "batch_size=-1", "batch_size=2.5", "batch_size=True", "batch_size='a'",
            "batch_size=np.int64(2)", "drop_last=2", "sampler=[0], shuffle=True",
            "batch_sampler=[[0]], batch_size=2", "batch_sampler=[[0]], shuffle=True",
            "batch_sampler=[[0]], sampler=[0]", "batch_sampler=[[0]], drop_last=True",
            "batch_size=None, batch_sampler=[[0]]", "batch_size=None, drop_last=True",
            "multiprocessing_context='fork'", "num_workers=2, multiprocessing_context='none'",
            "num_workers=2, multiprocessing_context=3", "2, True, [0]", "workers=1",
        ]
    ],
    "d.DataLoader([], shuffle=True)",
    "d.DataLoader(stream, shuffle=True)",
    "d.DataLoader(stream, sampler=[0])",
    "d.DataLoader(stream, batch_sampler=[[0]])",
    "len(d.DataLoader(stream))",
    "len(d.DataLoader(range(5), sampler=iter([1])))",
    "list(d.DataLoader(3))",
    "list(d.DataLoader({'a': 1}))",
    "list(d.DataLoader(range(5), sampler=[9]))",
    "list(d.DataLoader(range(5), batch_sampler=[[]]))",
    "list(d.DataLoader(range(5), batch_sampler=[1]))",
    "list(d.DataLoader(d.TensorDataset(t.arange(5)), sampler=[9]))",
    "list(d.DataLoader(d.TensorDataset(t.arange(5)), sampler=range(9)))",
    "list(d.DataLoader(d.TensorDataset(t.arange(5)), sampler=d.SequentialSampler(range(9))))",
    "list(d.DataLoader(d.TensorDataset(t.arange(5)), sampler=[-6]))",
    "list(d.DataLoader(d.TensorDataset(t.arange(5)), batch_sampler=[[1.5, 0]]))",
    "list(d.DataLoader(d.TensorDataset(t.arange(5)), batch_sampler=[[]]))",
    "list(d.DataLoader(d.Subset(d.TensorDataset(t.arange(5)), [1, 7])))",
    "list(d.DataLoader(d.Subset(d.TensorDataset(t.arange(5)), [1]), sampler=[1]))",
    "setattr(d.DataLoader(range(5)), 'batch_size', 2)",
    "setattr(d.DataLoader(range(5)), 'dataset', [])",
    "setattr(d.DataLoader(range(5)), 'multiprocessing_context', 'fork')",
    "d.RandomSampler([1], replacement=3)",
    "d.RandomSampler([1], num_samples=0)",
    "d.RandomSampler([1], num_samples=2.0)",
    "d.RandomSampler([])",
    "d.WeightedRandomSampler([1], 0)",
    "d.WeightedRandomSampler([1], 2.0)",
    "d.WeightedRandomSampler([1], True)",
    "d.WeightedRandomSampler([1], 2, 3)",
    "d.WeightedRandomSampler([[1, 2]], 2)",
    "list(d.WeightedRandomSampler([1, 2], 3, False))",
    "list(d.WeightedRandomSampler([-1, 2], 1))",
    "d.BatchSampler([1], 0, False)",
    "d.BatchSampler([1], True, False)",
    "d.BatchSampler([1], 2, 3)",
    "iter(d.Sampler())",
    "len(d.Sampler())",
    "d.TensorDataset(t.ones(2), t.ones(3))",
    "d.TensorDataset([1, 2])",
    "d.TensorDataset(t.ones(2))[5]",
    "d.ConcatDataset([])",
    "d.ConcatDataset([stream])",
    "d.ConcatDataset([[1], [2]])[2]",
    "d.ConcatDataset([[1], [2]])[-3]",
    "list(d.ChainDataset([[1]]))",
    "len(d.ChainDataset([stream]))",
    "d.Dataset()[0]",
    "len(d.Dataset())",
    "d.IterableDataset()",
    "stream[0]",
    "d.Subset([1, 2, 3], [0, 1])[2]",
    "d.StackDataset()",
    "d.StackDataset([1], a=[1])",
    "d.StackDataset([1], [1, 2])",
    "d.StackDataset(a=[1], b=[1, 2])",
    "d.random_split(range(10), [3, 6])",
    "d.random_split(range(10), [0.5, 0.6])",
    "d.random_split(range(10), [1.5, -0.5])",
    "d.random_split(range(2), [2.0])",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", BAD_CALLS)
def test_errors_have_pytorchs_type(call):
    def error_in(framework):
        names = {"t": framework, "d": framework.utils.data, "np": np, "stream": stream(framework)}
        return error_of(eval, call, names)

    assert error_in(rushlight) is error_in(torch)


def test_a_loader_has_pytorchs_attributes():
    def attributes(framework):
        loader = framework.utils.data.DataLoader(range(5), 2)
        return {
            name: value
            for name, value in vars(loader).items()
            if isinstance(value, (int, str, float, type(None), range)) and not name.startswith("_")
        }

    assert attributes(rushlight) == attributes(torch)


def test_a_loaders_parameters_are_pytorchs():
    def parameters(framework):
        signature = inspect.signature(framework.utils.data.DataLoader)
        return [(p.name, p.default, p.kind) for p in signature.parameters.values()]

    assert parameters(rushlight) == parameters(torch)


def test_every_name_is_pytorchs():
    ours = set(rushlight.utils.data.__all__)
    assert ours - set(torch.utils.data.__all__) == {"SharedList"}
