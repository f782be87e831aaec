"""Tiny datasets in the official formats, written as those who made the formats wrote them."""

import gzip
import hashlib
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from PIL import Image

TYPES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def labels(n, classes=10, seed=0):
    return np.random.default_rng(seed).integers(0, classes, n)


# ---- IDX


def idx(array, kind="u1"):
    """The bytes of an IDX file."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, TYPES[kind], array.ndim, *array.shape)
    return head + array.astype(kind).tobytes()


def packed(content, ending):
    return {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[ending](content)


def mnist(root, name="MNIST", n=12, classes=10, ending=""):
    """Both parts of a dataset like MNIST; the second has half as many images."""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for seed, (part, count) in enumerate({"train": n, "t10k": n // 2}.items()):
        images, targets = pixels(count, 28, 28, seed=seed), labels(count, classes, seed)
        (raw / f"{part}-images-idx3-ubyte{ending}").write_bytes(packed(idx(images), ending))
        (raw / f"{part}-labels-idx1-ubyte{ending}").write_bytes(packed(idx(targets), ending))
    return root


def emnist_files(split, classes):
    for seed, part in enumerate(("train", "test")):
        first = 1 if split == "letters" else 0
        targets = labels(6, classes - first, seed) + first
        yield f"emnist-{split}-{part}-images-idx3-ubyte", idx(pixels(6, 28, 28, seed=seed))
        yield f"emnist-{split}-{part}-labels-idx1-ubyte", idx(targets)


def emnist(root, splits, zipped=False):
    raw = root / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    files = dict(file for split, n in splits.items() for file in emnist_files(split, n))
    if not zipped:
        for name, content in files.items():
            (raw / name).write_bytes(content)
        return root
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content))
    return root


def qmnist(root, part="train", n=12, ending=""):
    raw = root / "QMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    start = "xnist" if part == "nist" else f"qmnist-{part}"
    rows = np.stack([labels(n), *(labels(n, 1000, seed) for seed in range(1, 8))], 1)
    images = packed(idx(pixels(n, 28, 28)), ending)
    (raw / f"{start}-images-idx3-ubyte{ending}").write_bytes(images)
    (raw / f"{start}-labels-idx2-int{ending}").write_bytes(packed(idx(rows, ">i4"), ending))
    return root


# ---- CIFAR


class Python2Pickler(pickle._Pickler):
    """Writes bytes as the strings of Python 2."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, text):
        self.write(b"T" + struct.pack("<i", len(text)) + text)
        self.memoize(text)

    dispatch[bytes] = save_string


def python2_pickle(**fields):
    """What Python 2 made of a dict of arrays and lists: NumPy has its old name."""
    file = io.BytesIO()
    fields = {key.encode(): value for key, value in fields.items()}
    Python2Pickler(file, protocol=2).dump(fields)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def cifar(root, dataset, n=4):
    """The files of a dataset class, whose sums are changed to theirs."""
    folder = root / dataset.base_folder
    folder.mkdir(parents=True)
    fine = dataset.base_folder == "cifar-100-python"
    for entries in (dataset.train_list, dataset.test_list):
        for seed, entry in enumerate(entries):
            targets = labels(n, 100 if fine else 10, seed).tolist()
            fields = {"data": pixels(n, 3072, seed=seed)}
            fields |= (
                {"fine_labels": targets, "coarse_labels": targets} if fine else {"labels": targets}
            )
            (folder / entry[0]).write_bytes(python2_pickle(**fields))
    names = [f"class {i}".encode() for i in range(100 if fine else 10)]
    (folder / dataset.meta["filename"]).write_bytes(python2_pickle(**{dataset.meta["key"]: names}))
    return root


def cifar_sums(root, dataset):
    """The attributes of a dataset class in which the sums are those of the files of `cifar`."""
    folder = root / dataset.base_folder
    return {
        "train_list": [[name, md5(folder / name)] for name, _ in dataset.train_list],
        "test_list": [[name, md5(folder / name)] for name, _ in dataset.test_list],
        "meta": dataset.meta | {"md5": md5(folder / dataset.meta["filename"])},
    }


def tar(path, folder, *names):
    """An archive of ``names`` in ``folder``."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name in names:
            archive.add(folder / name, name)
    return path


def tar_of(path, **members):
    """An archive of files, or of what ``members`` say: a TarInfo."""
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


# ---- MATLAB


def mat_element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def mat_variable(name, array, kind=9):
    """A uint8 array as a variable."""
    head = mat_element(6, struct.pack("<II", kind, 0))
    shape = mat_element(5, struct.pack(f"<{array.ndim}i", *array.shape))
    body = mat_element(2, array.astype(np.uint8).tobytes("F"))
    return mat_element(14, head + shape + mat_element(1, name.encode()) + body)


def mat(*variables, compressed=True):
    """The bytes of a MATLAB 5 file."""
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    if not compressed:
        return start + b"".join(variables)
    packed = [zlib.compress(variable) for variable in variables]
    return start + b"".join(struct.pack("<II", 15, len(p)) + p for p in packed)


def svhn(root, split="train", n=12):
    digits = (labels(n) + 1).reshape(n, 1)  # 10 stands for 0
    content = mat(mat_variable("X", pixels(32, 32, 3, n)), mat_variable("y", digits))
    path = root / f"{split}_32x32.mat"
    path.write_bytes(content)
    return path


# ---- STL-10


def stl10(root, n=12):
    """Returns the attributes of the class in which the sums are those of these files."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for seed, part in enumerate(("train", "test", "unlabeled")):
        (folder / f"{part}_X.bin").write_bytes(pixels(n, 3, 96, 96, seed=seed).tobytes())
    for part in ("train", "test"):
        (folder / f"{part}_y.bin").write_bytes((labels(n) + 1).astype(np.uint8).tobytes())
    folds = [" ".join(str((3 * fold + i) % n) for i in range(4)) + " " for fold in range(10)]
    (folder / "fold_indices.txt").write_text("\n".join(folds) + "\n")
    (folder / "class_names.txt").write_text("".join(f"class{i}\n" for i in range(10)))
    lists = {
        "train_list": ("train_X.bin", "train_y.bin", "unlabeled_X.bin"),
        "test_list": ("test_X.bin", "test_y.bin"),
    }
    return {key: [[name, md5(folder / name)] for name in names] for key, names in lists.items()}


# ---- images in folders


def image(path, seed=0, size=(8, 6), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "L": (), "P": (), "RGBA": (4,)}[mode]
    made = Image.fromarray(pixels(size[1], size[0], *channels, seed=seed))
    if mode == "P":
        made = made.convert("P")
    made.save(path)
    return path


def folders(root):
    for seed, name in enumerate(
        ("cat/2.png", "cat/1.JPG", "cat/deep/3.bmp", "dog/a.jpeg", "Ant/x.png", "cat/notes.txt")
    ):
        if name.endswith("txt"):
            (root / name).write_text("no image")
        else:
            image(root / name, seed, mode=("RGB", "L", "RGB")[seed % 3])
    return root


# ---- VOC and COCO


def voc(root, base="VOCdevkit/VOC2012", names=("2007_000027", "2007_000032"), sets=("train",)):
    folder = root / base
    for split in sets:
        for kind in ("Main", "Segmentation"):
            listed = folder / "ImageSets" / kind / f"{split}.txt"
            listed.parent.mkdir(parents=True, exist_ok=True)
            listed.write_text("".join(f"{name}\n" for name in names))
    for seed, name in enumerate(names):
        image(folder / "JPEGImages" / f"{name}.jpg", seed)
        image(folder / "SegmentationClass" / f"{name}.png", seed, mode="P")
        boxes = "".join(
            f"<object><name>cat</name><bndbox><xmin>{i}</xmin></bndbox></object>"
            for i in range(seed + 1)
        )
        xml = folder / "Annotations" / f"{name}.xml"
        xml.parent.mkdir(exist_ok=True)
        xml.write_text(f"<annotation><filename>{name}.jpg</filename>{boxes}</annotation>")
    return root


def coco(root):
    images = [{"id": i, "file_name": f"{i}.png", "width": 8, "height": 6} for i in (7, 3, 5)]
    for entry in images:
        image(root / entry["file_name"], entry["id"])
    objects = [
        {"id": 10 + k, "image_id": i, "category_id": 1 + k % 2, "area": 10.0 * k, "iscrowd": k % 2}
        | {"bbox": [0, 0, k, k], "caption": f"caption {k}"}
        for k, i in enumerate((7, 3, 7, 5, 7))
    ]
    categories = [
        {"id": 1, "name": "cat", "supercategory": "animal"},
        {"id": 2, "name": "car", "supercategory": "vehicle"},
    ]
    path = root / "annotations.json"
    content = {"images": images, "annotations": objects, "categories": categories}
    path.write_text(json.dumps(content))
    return path


# ---- ImageNet


def jpeg(seed):
    file = io.BytesIO()
    Image.fromarray(pixels(6, 8, 3, seed=seed)).save(file, "JPEG")
    return file.getvalue()


def mat_matrix(kind, shape, body, name=b""):
    head = mat_element(6, struct.pack("<II", kind, 0)) + mat_element(5, struct.pack("<2i", *shape))
    return mat_element(14, head + mat_element(1, name) + body)


def mat_string(text):
    return mat_matrix(4, (1, len(text)), mat_element(16, text.encode()))


def mat_number(value):
    return mat_matrix(6, (1, 1), mat_element(9, struct.pack("<d", value)))


def imagenet_meta(classes):
    """``synsets`` as in the development kit: numbers and texts of each class, and of what is above."""
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    entries = [(i + 1, wnid, words, 0) for i, (wnid, words) in enumerate(classes.items())]
    entries.append((len(entries) + 1, "n00000000", "everything", len(entries)))
    names = b"".join(field.encode().ljust(16, b"\0") for field in fields)
    # The length of a name is a short element, as MATLAB writes it.
    body = struct.pack("<HHi", 5, 4, 16) + mat_element(1, names)
    for number, wnid, words, children in entries:
        body += mat_number(number) + mat_string(wnid) + mat_string(words)
        body += mat_string("what it is") + mat_number(children)
    return mat(mat_matrix(2, (len(entries), 1), body, b"synsets"))


def imagenet(root, classes, truth):
    """The three archives; returns their sums by torchvision's names of them."""
    kit = "ILSVRC2012_devkit_t12/data"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in (
            ("meta.mat", imagenet_meta(classes)),
            ("ILSVRC2012_validation_ground_truth.txt", "".join(f"{i}\n" for i in truth).encode()),
        ):
            info = tarfile.TarInfo(f"{kit}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    devkit = root / "ILSVRC2012_devkit_t12.tar.gz"
    devkit.write_bytes(content.getvalue())
    inner = {}
    for seed, wnid in enumerate(classes):
        each = tar_of(
            root / "inner.tar", **{f"{wnid}_{i}.JPEG": jpeg(seed * 10 + i) for i in range(2)}
        )
        inner[f"{wnid}.tar"] = each.read_bytes()
        each.unlink()
    train = tar_of(root / "ILSVRC2012_img_train.tar", **inner)
    images = {f"ILSVRC2012_val_{i + 1:08}.JPEG": jpeg(100 + i) for i in range(len(truth))}
    val = tar_of(root / "ILSVRC2012_img_val.tar", **images)
    return {
        part: (p.name, md5(p)) for part, p in zip(("devkit", "train", "val"), (devkit, train, val))
    }
