"""The short road for images gives what reading image by image gives, to the last bit."""

import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader, Subset, default_collate, rows
from rushlight.vision import transforms
from rushlight.vision.datasets import CIFAR10, EMNIST, MNIST, QMNIST, STL10, SVHN, Digits, batches
from rushlight.vision.transforms import Compose, Normalize, ToTensor, v2

from . import tiny


@pytest.fixture(params=["MNIST", "EMNIST", "QMNIST", "CIFAR10", "SVHN", "STL10", "Digits"])
def dataset(request, tmp_path, monkeypatch):
    """Makes a dataset of gray or colour images with a transform."""
    if request.param == "MNIST":
        tiny.mnist(tmp_path)
        return lambda transform: MNIST(tmp_path, transform=transform)
    if request.param == "EMNIST":
        tiny.emnist(tmp_path, {"letters": 27})
        return lambda transform: EMNIST(tmp_path, "letters", transform=transform)
    if request.param == "QMNIST":
        tiny.qmnist(tmp_path)
        return lambda transform: QMNIST(tmp_path, transform=transform)
    if request.param == "CIFAR10":
        tiny.cifar(tmp_path, CIFAR10)
        for name, value in tiny.cifar_sums(tmp_path, CIFAR10).items():
            monkeypatch.setattr(CIFAR10, name, value)
        return lambda transform: CIFAR10(tmp_path, transform=transform)
    if request.param == "SVHN":
        path = tiny.svhn(tmp_path)
        monkeypatch.setitem(SVHN.split_list, "train", ["", path.name, tiny.md5(path)])
        return lambda transform: SVHN(tmp_path, transform=transform)
    if request.param == "STL10":
        for name, value in tiny.stl10(tmp_path).items():
            monkeypatch.setattr(STL10, name, value)
        return lambda transform: STL10(tmp_path, transform=transform)
    return lambda transform: Digits(transform=transform)


@pytest.fixture
def mnist(tmp_path):
    return MNIST(tiny.mnist(tmp_path), transform=ToTensor())


def slow(dataset, index):
    return default_collate([dataset[i] for i in index])


def assert_same(found, expected):
    assert type(found) is type(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        assert one.dtype is other.dtype and one.shape == other.shape
        assert one.is_contiguous()
        assert one.numpy().tobytes() == other.numpy().tobytes()


def statistics(channels):
    return [0.1307, 0.4, 0.25][:channels], [0.3081, 0.2, 0.125][:channels]


CHAINS = {
    "ToTensor": lambda n: ToTensor(),
    "Compose": lambda n: Compose([ToTensor()]),
    "Normalize": lambda n: Compose([ToTensor(), Normalize(*statistics(n))]),
    "in place": lambda n: Compose([ToTensor(), Compose([Normalize(*statistics(n), inplace=True)])]),
    "one value for all": lambda n: Compose([ToTensor(), Normalize(0.5, 0.5)]),
    "PILToTensor": lambda n: transforms.PILToTensor(),
    "to float64": lambda n: Compose(
        [transforms.PILToTensor(), transforms.ConvertImageDtype(torch.float64)]
    ),
    "v2": lambda n: v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*statistics(n))]
    ),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=list(CHAINS))
def test_batches(dataset, chain):
    data = dataset(chain(3 if dataset(None)[0][0].mode == "RGB" else 1))
    index = [3, 0, -1, 3, 2]
    found = rows.taken(data, index)
    assert_same(found, slow(data, index))
    assert_same(rows.taken(data, slice(1, 5)), slow(data, range(1, 5)))
    assert_same(rows.taken(Subset(data, [2, 0, 1]), [2, 0]), slow(data, [1, 2]))
    assert_same(rows.taken(Subset(data, range(2, 6)), slice(1, 3)), slow(data, [3, 4]))


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"drop_last": True}])
def test_loader(dataset, options):
    data = dataset(ToTensor())
    torch.manual_seed(0)
    fast = list(DataLoader(data, batch_size=5, **options))
    data.target_transform = int  # does nothing, but nobody knows
    torch.manual_seed(0)
    for batch, expected in zip(fast, DataLoader(data, batch_size=5, **options), strict=True):
        assert_same(batch, expected)


def test_what_changes_is_seen(mnist):
    """Transforms, data and labels of a dataset may change while it is in use."""
    before = rows.taken(mnist, [1, 2])[0].clone()
    mnist.transform = Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    assert_same(rows.taken(mnist, [1, 2]), slow(mnist, [1, 2]))
    mnist.transform.transforms[1].mean = (0.25,)
    assert_same(rows.taken(mnist, [1, 2]), slow(mnist, [1, 2]))
    mnist.transform = ToTensor()
    assert torch.equal(rows.taken(mnist, [1, 2])[0], before)
    mnist.data[1] = 7
    mnist.targets = [9] * 12
    assert_same(rows.taken(mnist, [1, 2]), slow(mnist, [1, 2]))
    mnist.data = mnist.data[:3]
    assert rows.taken(mnist, [3]) is None
    torch.set_default_dtype(torch.float64)
    try:
        assert_same(rows.taken(mnist, [1, 2]), slow(mnist, [1, 2]))
    finally:
        torch.set_default_dtype(torch.float32)


class OwnToTensor(ToTensor):
    pass


class Noted(MNIST):
    def __getitem__(self, index):
        return (*super().__getitem__(index), index)


OTHERS = {
    "nothing": None,
    "a function": lambda image: ToTensor()(image),
    "a class of one's own": OwnToTensor(),
    "random": Compose([transforms.RandomCrop(20), ToTensor()]),
    "other pixels": Compose([transforms.Resize(14), ToTensor()]),
    "a function between": Compose([ToTensor(), lambda x: x * 2]),
    "an empty chain": Compose([]),
    "wrong channels": Compose([ToTensor(), Normalize((0.5, 0.5), (0.5, 0.5))]),
}


@pytest.mark.parametrize("transform", OTHERS.values(), ids=list(OTHERS))
def test_other_transforms_go_image_by_image(transform, mnist):
    mnist.transform = transform
    assert rows.taken(mnist, [0, 1]) is None


def test_other_datasets_go_image_by_image(mnist, tmp_path):
    mnist.target_transform = str
    assert rows.taken(mnist, [0]) is None
    tiny.mnist(tmp_path, "Noted")
    noted = Noted(tmp_path, transform=ToTensor())
    assert rows.taken(noted, [0]) is None
    assert next(iter(DataLoader(noted, batch_size=2)))[2].tolist() == [0, 1]


def test_data_of_other_kinds_goes_image_by_image(mnist):
    assert rows.taken(mnist, [0, 12]) is None
    assert rows.taken(mnist, slice(10, 14)) is None
    for labels in (mnist.targets.float(), ["a"] * 12, mnist.targets[:3], [1.5] * 12):
        mnist.targets = labels
        assert rows.taken(mnist, [0, 11]) is None
    mnist.targets, images = list(range(12)), mnist.data
    for data in (images.float(), images.numpy(), images[:, None]):
        mnist.data = data
        assert rows.taken(mnist, [0]) is None


def test_errors_name_the_sample(mnist):
    mnist.transform = Compose([ToTensor(), Normalize((0.5,), (0.0,))])
    with pytest.raises(ValueError, match="std"):
        next(iter(DataLoader(mnist, batch_size=2)))
    mnist.transform = ToTensor()
    with pytest.raises(IndexError, match="index 12 is out of range for MNIST"):
        list(DataLoader(mnist, batch_size=2, sampler=[0, 12]))


def test_hooks_are_called(mnist):
    normalize = Normalize((0.5,), (0.5,))
    mnist.transform = Compose([ToTensor(), normalize])
    assert rows.taken(mnist, [0]) is not None
    seen = []
    normalize.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    assert len(next(iter(DataLoader(mnist, batch_size=3)))[0]) == 3
    assert len(seen) == 3


def test_the_table_is_made_once(mnist):
    batches._table.cache_clear()
    for index in ([0], [1, 2], slice(0, 5)):
        assert rows.taken(mnist, index) is not None
    assert batches._table.cache_info().misses == 1


def test_a_subclass_that_makes_its_data_itself():
    class Own(MNIST):
        def __init__(self):
            self.data = torch.zeros(3, 28, 28, dtype=torch.uint8)
            self.targets = torch.arange(3)
            self.transform, self.target_transform = ToTensor(), None

    assert_same(rows.taken(Own(), [2, 0]), slow(Own(), [2, 0]))
