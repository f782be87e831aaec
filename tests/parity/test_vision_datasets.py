"""Datasets beside torchvision's on the same files: the same attributes, samples and texts."""

import importlib
import inspect
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
import rushlight.vision  # noqa: E402
from rushlight.vision import datasets  # noqa: E402
from rushlight.vision.datasets.coco import CocoIndex  # noqa: E402

from ..vision.datasets import tiny  # noqa: E402
from .torchvision_reference import reference  # noqa: E402

theirs = reference().datasets
# Real files, where they lie beside the checkout.
SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = [name for name in datasets.__all__ if name not in ("Digits", "StandardTransform")]


def plain(value):
    """A value in terms that do not depend on the framework."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return "tensor", str(value.dtype), value.numpy().tobytes(), tuple(value.shape)
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.shape, value.tobytes()
    if hasattr(value, "getpixel"):
        return "image", value.mode, value.size, value.tobytes(), value.getpalette()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [plain(each) for each in value]
    return type(value), value


def assert_same(ours, their, *names):
    """The same samples, from the front and from behind, the same text, the same attributes."""
    assert len(ours) == len(their) > 0
    for i in (*range(min(len(ours), 12)), -1):
        assert plain(ours[i]) == plain(their[i])
    assert repr(ours) == repr(their)
    for name in ("root", "transform", "target_transform", "transforms", *names):
        assert plain(getattr(ours, name)) == plain(getattr(their, name)), name


@pytest.mark.parametrize("name", NAMES)
def test_signatures(name):
    ours, their = (
        {
            p.name: (p.kind, p.default)
            for p in inspect.signature(getattr(place, name)).parameters.values()
        }
        for place in (datasets, theirs)
    )
    their.pop("loader", None)
    ours.pop("loader", None)
    assert list(ours.items()) == list(their.items())


@pytest.mark.parametrize("name", NAMES)
def test_constants(name):
    """Addresses, sums, names: ours are theirs, with more mirrors."""
    ours, their = getattr(datasets, name), getattr(theirs, name)
    public = [n for n, value in vars(their).items() if n[0] != "_" and not callable(value)]
    for attribute in public:
        known = getattr(their, attribute)
        if isinstance(known, (property, staticmethod)):
            assert hasattr(ours, attribute)
            continue
        found = getattr(ours, attribute)
        if attribute == "mirrors":
            found = found[: len(known)]
        assert found == known, attribute


@pytest.mark.parametrize(
    "module, name", [("voc", "DATASET_YEAR_DICT"), ("imagenet", "ARCHIVE_META")]
)
def test_module_constants(module, name):
    ours = importlib.import_module(f"rushlight.vision.datasets.{module}")
    assert getattr(ours, name) == getattr(getattr(theirs, module), name)


# ---- MNIST


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_mnist(name, train, tmp_path):
    tiny.mnist(tmp_path, name)
    both = [getattr(place, name)(str(tmp_path), train=train) for place in (datasets, theirs)]
    names = (
        "data",
        "targets",
        "train",
        "classes",
        "class_to_idx",
        "raw_folder",
        "processed_folder",
    )
    assert_same(*both, *names, "training_file", "test_file")
    for name in ("train_data", "train_labels", "test_data", "test_labels"):
        with pytest.warns(UserWarning, match="renamed") as told:
            ours, their = (getattr(each, name) for each in both)
        assert plain(ours) == plain(their)
        assert str(told[0].message) == str(told[1].message)


def test_mnist_transforms(tmp_path):
    tiny.mnist(tmp_path)
    made = [
        place.MNIST(tmp_path, True, np.asarray, target_transform=str)
        for place in (datasets, theirs)
    ]
    assert [plain(ours) for ours in made[0]] == [plain(their) for their in made[1]]


def test_mnist_as_torchvision_kept_it_before(tmp_path):
    folder = tmp_path / "MNIST" / "processed"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("training.pt", "test.pt")):
        images, targets = tiny.pixels(5, 28, 28, seed=seed), tiny.labels(5, seed=seed)
        torch.save((torch.from_numpy(images), torch.from_numpy(targets)), folder / name)
    for train in (True, False):
        assert_same(
            datasets.MNIST(tmp_path, train), theirs.MNIST(tmp_path, train), "data", "targets"
        )


@pytest.mark.parametrize("train", [True, False])
def test_emnist(train, tmp_path):
    counts = {name: len(names) for name, names in theirs.EMNIST.classes_split_dict.items()}
    tiny.emnist(tmp_path, counts)
    for split in counts:
        both = [place.EMNIST(tmp_path, split, train=train) for place in (datasets, theirs)]
        names = (
            "data",
            "targets",
            "classes",
            "class_to_idx",
            "split",
            "images_file",
            "labels_file",
        )
        assert_same(*both, *names, "training_file", "test_file")


@pytest.mark.parametrize("compat", [True, False])
def test_qmnist(compat, tmp_path):
    for part in ("train", "test", "nist"):
        tiny.qmnist(tmp_path, part, n=10_004 if part == "test" else 12)
    for arguments in (
        {},
        {"train": False},
        {"what": "test10k"},
        {"what": "test50k"},
        {"what": "nist"},
    ):
        both = [place.QMNIST(tmp_path, compat=compat, **arguments) for place in (datasets, theirs)]
        assert_same(
            *both, "data", "targets", "what", "train", "classes", "images_file", "labels_file"
        )


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_real_files(name, tmp_path):
    raw = SHARED / name / "raw"
    files = list(raw.glob("*.gz")) if raw.is_dir() else pytest.skip("the files are not here")
    copy = tmp_path / name / "raw"
    copy.mkdir(parents=True)
    for file in files:
        theirs.utils.extract_archive(str(file), str(copy))
    for train in (True, False):
        their = getattr(theirs, name)(tmp_path, train)
        for root in (tmp_path, SHARED):
            ours = getattr(datasets, name)(root, train)
            ours.root = tmp_path
            assert_same(ours, their, "data", "targets")


# ---- colour images


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar(name, train, tmp_path, monkeypatch):
    tiny.cifar(tmp_path, getattr(theirs, name))
    both = [getattr(place, name) for place in (datasets, theirs)]
    for attribute, value in tiny.cifar_sums(tmp_path, both[1]).items():
        for dataset in both:
            monkeypatch.setattr(dataset, attribute, value)
    made = [dataset(str(tmp_path), train=train) for dataset in both]
    assert_same(*made, "data", "targets", "classes", "class_to_idx", "train")
    assert made[0].data.strides == made[1].data.strides


@pytest.mark.parametrize("split", ["train", "test", "extra"])
def test_svhn(split, tmp_path, monkeypatch):
    path = tiny.svhn(tmp_path, split)
    entry = [theirs.SVHN.split_list[split][0], path.name, tiny.md5(path)]
    for place in (datasets, theirs):
        monkeypatch.setitem(place.SVHN.split_list, split, entry)
    both = [place.SVHN(tmp_path, split) for place in (datasets, theirs)]
    assert_same(*both, "data", "labels", "split", "url", "filename", "file_md5")


@pytest.mark.parametrize("compressed", [True, False])
def test_matlab_files_of_scipy(compressed, tmp_path):
    """The reader agrees with SciPy on files that SciPy writes."""
    scipy_io = pytest.importorskip("scipy.io")
    from rushlight.vision.datasets import matlab

    path = str(tmp_path / "a.mat")
    kinds = ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
    arrays = {f"a{k}": (np.arange(24) * 5).reshape(2, 3, 4).astype(k) for k in kinds}
    fields = np.empty((2, 1), dtype=[("words", object), ("number", object)])
    fields[0, 0], fields[1, 0] = ("cat, kitty", 3), ("größe", 4.5)
    content = {**arrays, "text": "some text", "records": fields, "empty": np.zeros((0, 3))}
    scipy_io.savemat(path, content, do_compression=compressed)
    found = matlab.read(path, tuple(content))
    loaded = scipy_io.loadmat(path)
    for name in (*arrays, "empty"):
        assert plain(found[name]) == plain(loaded[name])
    assert found["text"] == "some text"
    assert [r["words"] for r in found["records"]] == ["cat, kitty", "größe"]
    assert [r["number"].item() for r in found["records"]] == [3, 4.5]


@pytest.mark.parametrize("split", ["train", "test", "unlabeled", "train+unlabeled"])
def test_stl10(split, tmp_path, monkeypatch):
    for attribute, value in tiny.stl10(tmp_path).items():
        for place in (datasets, theirs):
            monkeypatch.setattr(place.STL10, attribute, value)
    for folds in (None, 0, 9):
        both = [place.STL10(tmp_path, split, folds) for place in (datasets, theirs)]
        assert_same(*both, "data", "labels", "classes", "split", "folds")


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10"])
@pytest.mark.parametrize("normalized", [False, True])
def test_epochs(name, normalized, tmp_path, monkeypatch):
    """A shuffled pass through the loader: batches made at once here, image by image there."""
    tiny.mnist(tmp_path, n=100)
    tiny.cifar(tmp_path, theirs.CIFAR10, n=20)
    for attribute, value in tiny.cifar_sums(tmp_path, theirs.CIFAR10).items():
        for place in (datasets, theirs):
            monkeypatch.setattr(place.CIFAR10, attribute, value)

    def batches(framework, place, transforms):
        chain = [transforms.ToTensor()]
        if normalized:
            chain.append(transforms.Normalize((0.1307,), (0.3081,)))
        data = getattr(place, name)(tmp_path, transform=transforms.Compose(chain))
        framework.manual_seed(0)
        return [plain(b) for b in framework.utils.data.DataLoader(data, 16, shuffle=True)]

    ours = batches(rushlight, datasets, rushlight.vision.transforms)
    assert ours == batches(torch, theirs, reference().transforms)


# ---- folders


def test_image_folder(tmp_path):
    tiny.folders(tmp_path)
    both = [place.ImageFolder(str(tmp_path)) for place in (datasets, theirs)]
    assert_same(*both, "classes", "class_to_idx", "samples", "imgs", "targets", "extensions")


def test_image_folder_with_empty_class(tmp_path):
    tiny.folders(tmp_path)
    (tmp_path / "zebra").mkdir()
    both = [place.ImageFolder(tmp_path, allow_empty=True) for place in (datasets, theirs)]
    assert_same(*both, "classes", "class_to_idx", "samples")


def test_dataset_folder(tmp_path):
    tiny.folders(tmp_path)

    def read(path):
        return Path(path).name

    for options in ({"extensions": (".png", ".txt")}, {"is_valid_file": lambda p: "c" in p[-12:]}):
        both = [
            place.DatasetFolder(str(tmp_path), read, **options, allow_empty=True)
            for place in (datasets, theirs)
        ]
        assert_same(*both, "classes", "class_to_idx", "samples", "targets", "extensions")


def test_a_subclass_chooses_its_classes(tmp_path):
    tiny.folders(tmp_path)

    def made(place):
        class Some(place.ImageFolder):
            def find_classes(self, directory):
                return ["dog"], {"dog": 5}

        return Some(tmp_path)

    assert_same(made(datasets), made(theirs), "classes", "samples", "targets")


# ---- ImageNet, VOC, COCO


CLASSES = {
    "n02123045": "tabby, tabby cat",
    "n01440764": "tench, Tinca tinca",
    "n02099601": "golden",
}


@pytest.mark.parametrize("split", ["train", "val"])
def test_imagenet(split, tmp_path, monkeypatch):
    roots = [tmp_path / name for name in ("ours", "theirs")]
    for root, place in zip(roots, (datasets, theirs)):
        root.mkdir()
        for part, entry in tiny.imagenet(root, CLASSES, [2, 1, 1, 3]).items():
            known = importlib.import_module(place.ImageNet.__module__).ARCHIVE_META
            monkeypatch.setitem(known, part, entry)
    ours, their = (
        place.ImageNet(str(root), split) for root, place in zip(roots, (datasets, theirs))
    )
    for name in ("wnids", "wnid_to_idx", "classes", "class_to_idx", "targets", "split"):
        assert plain(getattr(ours, name)) == plain(getattr(their, name)), name
    assert [Path(p).relative_to(roots[0]) for p, _ in ours.imgs] == [
        Path(p).relative_to(roots[1]) for p, _ in their.imgs
    ]
    # Each reads what the other has unpacked.
    assert_same(datasets.ImageNet(str(roots[1]), split), their, "classes", "imgs")
    assert_same(ours, theirs.ImageNet(str(roots[0]), split), "classes", "imgs", "split_folder")


@pytest.mark.parametrize(
    "name, targets", [("VOCDetection", "annotations"), ("VOCSegmentation", "masks")]
)
@pytest.mark.parametrize("year, split", [("2012", "train"), ("2007", "test"), ("2011", "val")])
def test_voc(name, targets, year, split, tmp_path):
    base = theirs.voc.DATASET_YEAR_DICT[year]["base_dir"]
    tiny.voc(tmp_path, base, sets=(split,))
    both = [getattr(place, name)(str(tmp_path), year, split) for place in (datasets, theirs)]
    names = ("images", "targets", targets, "year", "image_set", "url", "filename", "md5")
    assert_same(*both, *names)
    both = [
        getattr(place, name)(tmp_path, year, split, transforms=lambda x, y: (x.size, y))
        for place in (datasets, theirs)
    ]
    assert plain(both[0][1]) == plain(both[1][1])


@pytest.mark.parametrize("name", ["CocoDetection", "CocoCaptions"])
def test_coco(name, tmp_path, monkeypatch):
    """torchvision needs pycocotools; here it is given our index under that name."""
    module = types.ModuleType("pycocotools.coco")
    module.COCO = CocoIndex
    monkeypatch.setitem(sys.modules, "pycocotools", types.ModuleType("pycocotools"))
    monkeypatch.setitem(sys.modules, "pycocotools.coco", module)
    path = str(tiny.coco(tmp_path))
    both = [getattr(place, name)(str(tmp_path), path) for place in (datasets, theirs)]
    assert_same(*both, "ids")


@pytest.mark.parametrize(
    "options", [{}, {"num_classes": 3, "random_offset": 7}, {"image_size": (1, 5, 4)}]
)
def test_fake_data(options):
    options = {"size": 20, "image_size": (3, 6, 5)} | options
    both = [place.FakeData(**options) for place in (datasets, theirs)]
    rushlight.manual_seed(3)
    torch.manual_seed(3)
    assert_same(*both, "size", "num_classes", "image_size", "random_offset")
    assert rushlight.rand(1).item() == torch.rand(1).item()


# ---- errors and helpers


def refused(call):
    with pytest.raises(Exception) as caught:
        call()
    return type(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.VisionDataset(transform=str, transforms=str),
        lambda d: d.VisionDataset()[0],
        lambda d: len(d.VisionDataset()),
        lambda d: d.MNIST("nowhere"),
        lambda d: d.EMNIST("nowhere", "letters"),
        lambda d: d.EMNIST("nowhere", "words"),
        lambda d: d.QMNIST("nowhere"),
        lambda d: d.QMNIST("nowhere", "all"),
        lambda d: d.CIFAR10("nowhere"),
        lambda d: d.SVHN("nowhere"),
        lambda d: d.SVHN("nowhere", "val"),
        lambda d: d.STL10("nowhere"),
        lambda d: d.STL10("nowhere", "train", 10),
        lambda d: d.STL10("nowhere", "train", "1"),
        lambda d: d.VOCDetection("nowhere"),
        lambda d: d.VOCDetection("nowhere", "2001"),
        lambda d: d.VOCSegmentation("nowhere", "2012", "test"),
        lambda d: d.ImageFolder("nowhere"),
        lambda d: d.ImageNet("nowhere"),
        lambda d: d.ImageNet("nowhere", "test"),
        lambda d: d.FakeData(3)[3],
        lambda d: d.folder.make_dataset(".", {}),
        lambda d: d.folder.make_dataset(".", {"nothing": 0}, ".jpg"),
        lambda d: d.folder.make_dataset(".", {"nothing": 0}),
        lambda d: d.folder.make_dataset(".", {"nothing": 0}, ".jpg", str),
        lambda d: d.DatasetFolder.make_dataset(".", None),
        lambda d: d.utils.verify_str_arg(3, "split"),
        lambda d: d.utils.verify_str_arg("x", "split", ("y",)),
        lambda d: d.utils.extract_archive("a.unknown"),
    ],
)
def test_errors(call):
    assert refused(lambda: call(datasets)) is refused(lambda: call(theirs))


def test_archives(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.txt").write_text("text")
    for kind in ("tar", "gztar", "zip", "xztar", "bztar"):
        archive = shutil.make_archive(str(tmp_path / kind), kind, tmp_path, "a")
        for place in (datasets, theirs):
            target = tmp_path / f"{kind} {place.__name__}"
            place.utils.extract_archive(archive, target)
            assert (target / "a" / "b" / "c.txt").read_text() == "text"
            assert [p.name for p in target.iterdir()] == ["a"]


def test_helpers(tmp_path):
    tiny.folders(tmp_path)
    file = tmp_path / "cat" / "2.png"
    for place in (datasets.utils, theirs.utils):
        assert place.calculate_md5(file) == tiny.md5(file)
        assert place.check_md5(file, tiny.md5(file))
        assert not place.check_integrity(file, "0" * 32)
    for name, arguments in (
        ("list_dir", (tmp_path,)),
        ("list_dir", (tmp_path, True)),
        ("list_files", (tmp_path / "cat", ".png")),
        ("list_files", (tmp_path / "cat", (".png", ".JPG"), True)),
    ):
        ours, their = (getattr(place.utils, name)(*arguments) for place in (datasets, theirs))
        assert sorted(ours) == sorted(their)
    for name in ("a.JPG", "a.txt", "webp", "x.tiff"):
        assert datasets.folder.is_image_file(name) == theirs.folder.is_image_file(name)
