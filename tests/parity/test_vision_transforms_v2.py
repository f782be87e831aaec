"""Transforms of samples against torchvision's v2: from the same seed the same choices and the same results."""

import importlib
import warnings

import numpy as np
import pytest

import rushlight
from rushlight.vision import tv_tensors
from rushlight.vision.transforms import v2

from .torchvision_reference import reference

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")
reference()
their_tensors = importlib.import_module("torchvision.tv_tensors")
their_v2 = importlib.import_module("torchvision.transforms.v2")
random = np.random.default_rng(0)
H, W = 33, 41
SMOOTH = np.kron(random.integers(0, 256, (5, 6, 3)), np.ones((7, 7, 1)))[:H, :W].astype(np.uint8)
PIXELS = np.ascontiguousarray(SMOOTH.transpose(2, 0, 1)) // 2 + random.integers(
    0, 100, (3, H, W), dtype=np.uint8
)
MASK = random.integers(0, 9, (H, W), dtype=np.uint8)
BOXES = np.array([[3, 4, 20, 18], [10, 2, 38, 30], [0, 0, 6, 8]], dtype=np.float32)
POINTS = random.random((5, 2)).astype(np.float32) * 33
SIDES = {"ours": (rushlight, v2, tv_tensors), "theirs": (torch, their_v2, their_tensors)}


def tensor(t, array):
    return t.from_numpy(array.copy())


SAMPLES = {
    "bytes": lambda t, tv: tensor(t, PIXELS),
    "floats": lambda t, tv: tensor(t, (PIXELS / 255).astype(np.float32)),
    "picture": lambda t, tv: Image.fromarray(PIXELS.transpose(1, 2, 0)),
    "batch": lambda t, tv: tensor(t, np.stack([PIXELS, PIXELS[:, ::-1]])),
    "video": lambda t, tv: tv.Video(tensor(t, np.stack([[PIXELS, PIXELS[:, ::-1]]]))),
    "dict": lambda t, tv: {
        "image": tv.Image(tensor(t, PIXELS)),
        "target": [
            tv.Mask(tensor(t, MASK)),
            tv.BoundingBoxes(tensor(t, BOXES), format="XYXY", canvas_size=(H, W)),
            (tv.KeyPoints(tensor(t, POINTS), canvas_size=(H, W)), "a cat", None),
        ],
        "labels": tensor(t, np.array([3, 1, 2])),
    },
}


def plain(x):
    """What a user can see of a result, as arrays and words."""
    if isinstance(x, (list, tuple)):
        return [type(x).__name__, *map(plain, x)]
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, Image.Image):
        return ["picture", x.mode, np.array(x)]
    if hasattr(x, "numpy"):
        about = [getattr(x, name, None) for name in ("canvas_size", "clamping_mode")]
        form = getattr(getattr(x, "format", None), "name", None)
        size, mode = about
        kind = type(x).__name__
        return [kind, str(x.dtype), form, size and tuple(size), mode, x.detach().numpy()]
    return x


def agree(ours, reference, atol, share=0.0):
    """Equal, but for ``share`` of the numbers, which may be a pixel that a rounding puts elsewhere."""
    assert type(ours) is type(reference)
    if isinstance(ours, dict):
        assert list(ours) == list(reference)
        ours, reference = list(ours.values()), list(reference.values())
    if isinstance(ours, list):
        assert len(ours) == len(reference)
        for x, y in zip(ours, reference):
            agree(x, y, atol, share)
    elif isinstance(ours, np.ndarray):
        assert ours.shape == reference.shape
        whole = ours.dtype.kind in "iu"
        far = abs(ours.astype(float) - reference.astype(float)) > (
            atol if whole else 2e-3 * atol + 3e-5
        )
        assert far.sum() <= share * far.size, (far.sum(), far.size)
    else:
        assert ours == reference


def run(side, make, sample, seed):
    t, module, kinds = SIDES[side]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transform = make(module, t)
        t.manual_seed(seed)
        out = transform(SAMPLES[sample](t, kinds))
    return [plain(out), float(t.rand(1))]


ALL = tuple(SAMPLES)
IMAGES = ("bytes", "floats", "picture", "batch", "video")
# For each transform: how it is made, which samples it takes, how far bytes may be off, and how many of them more.
CASES = {
    "horizontal flip": (lambda v, t: v.RandomHorizontalFlip(), ALL, 0, 0),
    "vertical flip": (lambda v, t: v.RandomVerticalFlip(0.3), ALL, 0, 0),
    "resize": (lambda v, t: v.Resize((20, 30)), ALL, 1, 0),
    "resize smaller edge": (lambda v, t: v.Resize(50, max_size=60), ALL, 1, 0),
    "resize longer edge": (lambda v, t: v.Resize(None, max_size=25), ALL, 1, 0),
    "resize nearest": (lambda v, t: v.Resize([17], "nearest"), ALL, 0, 0),
    "resize bicubic": (lambda v, t: v.Resize(20, "bicubic"), ALL, 1, 0),
    "center crop": (lambda v, t: v.CenterCrop(21), ALL, 0, 0),
    "center crop larger": (lambda v, t: v.CenterCrop((50, 30)), ALL, 0, 0),
    "random crop": (lambda v, t: v.RandomCrop(20), ALL, 0, 0),
    "random crop one way": (lambda v, t: v.RandomCrop((H, 20)), ALL, 0, 0),
    "random crop padded": (
        lambda v, t: v.RandomCrop((40, 60), [1, 2], pad_if_needed=True, fill=7),
        ALL,
        0,
        0,
    ),
    "random resized crop": (lambda v, t: v.RandomResizedCrop(16), ALL, 1, 0),
    "random resized crop wide": (
        lambda v, t: v.RandomResizedCrop((16, 9), (0.9, 1.0), (3, 4)),
        ALL,
        1,
        0,
    ),
    "five crop": (lambda v, t: v.FiveCrop(12), IMAGES, 0, 0),
    "ten crop": (lambda v, t: v.TenCrop((12, 9), True), IMAGES, 0, 0),
    "pad": (lambda v, t: v.Pad([1, 2, 3, 4], fill=9), ALL, 0, 0),
    "pad colours": (lambda v, t: v.Pad(3, fill=[1, 20, 30]), IMAGES, 0, 0),
    "pad reflect": (lambda v, t: v.Pad(3, padding_mode="reflect"), IMAGES, 0, 0),
    "pad edge": (lambda v, t: v.Pad(3, padding_mode="edge"), IMAGES, 0, 0),
    "rotation": (lambda v, t: v.RandomRotation(30), ALL, 0, 0.02),
    "rotation expand": (
        lambda v, t: v.RandomRotation((10, 80), "bilinear", expand=True),
        ALL,
        1,
        0.02,
    ),
    "rotation fill": (
        lambda v, t: v.RandomRotation(45, fill=[9, 8, 7], center=[3, 4]),
        IMAGES,
        0,
        0.02,
    ),
    "quarter": (lambda v, t: v.RandomRotation((90, 90), expand=True), ALL, 0, 0),
    "affine": (
        lambda v, t: v.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), (-5, 5, -3, 3), fill=3),
        ALL,
        0,
        0.02,
    ),
    "affine bilinear": (
        lambda v, t: v.RandomAffine(20, shear=4, interpolation="bilinear"),
        ALL,
        1,
        0.02,
    ),
    "perspective": (lambda v, t: v.RandomPerspective(), ALL, 1, 0.02),
    "elastic": (lambda v, t: v.ElasticTransform(), ALL, 1, 0.02),
    "elastic two": (lambda v, t: v.ElasticTransform([20.0, 70.0], [2.0, 5.0]), ALL, 1, 0.02),
    "zoom out": (lambda v, t: v.RandomZoomOut(5, (1.0, 2.5)), ALL, 0, 0),
    "iou crop": (lambda v, t: v.RandomIoUCrop(), ("dict",), 0, 0),
    "scale jitter": (lambda v, t: v.ScaleJitter((40, 50)), ALL, 1, 0),
    "random resize": (lambda v, t: v.RandomResize(20, 40), ALL, 1, 0),
    "random shortest size": (lambda v, t: v.RandomShortestSize([20, 30, 25], 33), ALL, 1, 0),
    "grayscale": (lambda v, t: v.Grayscale(3), ALL, 0, 0),
    "random grayscale": (lambda v, t: v.RandomGrayscale(0.5), ALL, 0, 0),
    "rgb": (lambda v, t: v.Compose([v.Grayscale(), v.RGB()]), ALL, 0, 0),
    "color jitter": (lambda v, t: v.ColorJitter(0.4, 0.3, (0.5, 1.5), 0.1), ALL, 2, 0.001),
    "photometric distort": (lambda v, t: v.RandomPhotometricDistort(), ALL, 2, 0.001),
    "channel permutation": (lambda v, t: v.RandomChannelPermutation(), ALL, 0, 0),
    "equalize": (lambda v, t: v.RandomEqualize(), ALL, 0, 0),
    "invert": (lambda v, t: v.RandomInvert(), ALL, 0, 0),
    "autocontrast": (lambda v, t: v.RandomAutocontrast(), ALL, 1, 0),
    "posterize": (lambda v, t: v.RandomPosterize(3), ALL, 0, 0),
    "solarize": (lambda v, t: v.RandomSolarize(0.5), ALL, 0, 0),
    "sharpness": (lambda v, t: v.RandomAdjustSharpness(2.5), ALL, 1, 0),
    "gaussian blur": (lambda v, t: v.GaussianBlur((3, 5)), ALL, 1, 0),
    "gaussian noise": (lambda v, t: v.GaussianNoise(0.1, 0.2), ("bytes", "floats", "dict"), 0, 0),
    "erasing": (lambda v, t: v.RandomErasing(), ALL, 0, 0),
    "erasing random": (
        lambda v, t: v.RandomErasing(0.9, value="random"),
        ("floats",),
        0,
        0,
    ),
    "erasing colours": (lambda v, t: v.RandomErasing(0.9, value=(1, 2, 3)), ALL, 0, 0),
    "normalize": (
        lambda v, t: v.Compose(
            [v.ToImage(), v.ToDtype(t.float32, scale=True), v.Normalize([0.4, 0.5, 0.6], [0.2] * 3)]
        ),
        ALL,
        0,
        0,
    ),
    "dtypes": (
        lambda v, t: v.ToDtype({t.Tensor: t.float32, "others": None}, scale=False),
        ("bytes", "batch"),
        0,
        0,
    ),
    "convert image dtype": (lambda v, t: v.ConvertImageDtype(t.float32), ("bytes", "dict"), 0, 0),
    "to tensor": (lambda v, t: v.ToTensor(), ALL, 0, 0),
    "to image": (lambda v, t: v.ToImage(), ALL, 0, 0),
    "pil to tensor": (lambda v, t: v.PILToTensor(), ALL, 0, 0),
    "to pil image": (lambda v, t: v.ToPILImage(), ("bytes", "floats", "dict"), 0, 0),
    "to pure tensor": (lambda v, t: v.ToPureTensor(), ALL, 0, 0),
    "identity": (lambda v, t: v.Identity(), ALL, 0, 0),
    "lambda": (lambda v, t: v.Lambda(lambda x: x + 1, t.Tensor), ("bytes",), 0, 0),
    "random choice": (
        lambda v, t: v.RandomChoice([v.Pad(1), v.CenterCrop(9), v.Grayscale()], [1, 2, 3]),
        ALL,
        0,
        0,
    ),
    "random apply": (lambda v, t: v.RandomApply([v.Pad(1), v.RandomCrop(9)], 0.4), ALL, 0, 0),
    "random order": (
        lambda v, t: v.RandomOrder([v.Pad(1), v.RandomCrop(9), v.RandomInvert()]),
        ALL,
        0,
        0,
    ),
    "temporal": (lambda v, t: v.UniformTemporalSubsample(5), ("video",), 0, 0),
    "auto augment": (lambda v, t: v.AutoAugment(), ("bytes", "picture", "video", "batch"), 2, 0.03),
    "auto augment cifar": (
        lambda v, t: v.AutoAugment(v.AutoAugmentPolicy.CIFAR10, fill=5),
        ("bytes", "picture"),
        2,
        0.03,
    ),
    "auto augment svhn": (
        lambda v, t: v.AutoAugment(v.AutoAugmentPolicy.SVHN),
        ("bytes",),
        2,
        0.03,
    ),
    "rand augment": (lambda v, t: v.RandAugment(), IMAGES, 2, 0.03),
    "trivial augment": (lambda v, t: v.TrivialAugmentWide(), IMAGES, 2, 0.03),
    "aug mix": (lambda v, t: v.AugMix(), ("bytes", "picture", "batch", "video"), 3, 0.05),
    "convert format": (lambda v, t: v.ConvertBoundingBoxFormat("CXCYWH"), ALL, 0, 0),
    "clamp boxes": (lambda v, t: v.ClampBoundingBoxes(), ALL, 0, 0),
    "clamp points": (lambda v, t: v.ClampKeyPoints(), ALL, 0, 0),
    "clamping mode": (
        lambda v, t: v.Compose([v.SetClampingMode(None), v.RandomCrop(9)]),
        ALL,
        0,
        0,
    ),
    "sanitize boxes": (
        lambda v, t: v.Compose([v.RandomCrop(12), v.SanitizeBoundingBoxes(4)]),
        ("dict",),
        0,
        0,
    ),
    "sanitize after iou crop": (
        lambda v, t: v.Compose([v.RandomIoUCrop(), v.SanitizeBoundingBoxes()]),
        ("dict",),
        0,
        0,
    ),
    "sanitize points": (
        lambda v, t: v.Compose([v.RandomCrop(12), v.SanitizeKeyPoints()]),
        ("dict",),
        0,
        0,
    ),
    "fills by type": (
        lambda v, t: v.RandomRotation((15, 20), fill={t.Tensor: 9, "others": 3}),
        ("bytes", "picture"),
        0,
        0.02,
    ),
}


@pytest.mark.parametrize(
    "case, sample", [(case, sample) for case in CASES for sample in CASES[case][1]]
)
def test_transforms(case, sample):
    make, _, atol, share = CASES[case]
    for seed in range(6):
        ours, reference = run("ours", make, sample, seed), run("theirs", make, sample, seed)
        agree(ours, reference, atol, share)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
@pytest.mark.parametrize("alpha", [0.3, 1.0, 5.0])
def test_mixing_batches(name, alpha):
    images = random.random((4, 3, 8, 9)).astype(np.float32)
    for labels in (np.array([0, 2, 1, 2]), np.eye(5, dtype=np.float32)[:4]):
        for seed in range(10):
            results = []
            for t, module, kinds in SIDES.values():
                classes = 5
                mix = getattr(module, name)(alpha=alpha, num_classes=classes)
                t.manual_seed(seed)
                out = mix({"images": kinds.Image(tensor(t, images)), "labels": tensor(t, labels)})
                results.append([plain(out), float(t.rand(1))])
            agree(*results, 0)


@pytest.mark.parametrize(
    "draw",
    [
        "RandomResizedCrop(9)",
        "RandomAffine(9, (.1, .1), (.5, 2), 3)",
        "RandomPerspective(p=1)",
        "RandomCrop(8)",
        "ColorJitter(.1, .2, .3, .4)",
        "RandomErasing(p=1)",
        "RandomZoomOut(p=1)",
        "ScaleJitter((30, 40))",
        "RandomPhotometricDistort()",
        "GaussianBlur(3)",
    ],
)
def test_make_params_over_many_seeds(draw):
    def params(side, seed):
        t, module, kinds = SIDES[side]
        transform = eval("module." + draw)
        t.manual_seed(seed)
        return plain(transform.make_params([SAMPLES["bytes"](t, kinds)])), float(t.rand(1))

    for seed in range(200):
        ours, reference = params("ours", seed), params("theirs", seed)
        assert sorted(ours[0]) == sorted(reference[0])
        assert str(ours) == str(reference) or near(ours, reference)


def near(ours, reference):
    def numbers(x):
        if isinstance(x, dict):
            return [n for key in sorted(x) for n in numbers(x[key])]
        if isinstance(x, (list, tuple)):
            return [n for y in x for n in numbers(y)]
        if isinstance(x, np.ndarray):
            return x.ravel().tolist()
        return [x] if isinstance(x, (int, float)) else []

    return np.allclose(numbers(ours), numbers(reference), rtol=1e-5, atol=1e-6)


CORNERS = [[0, 0], [W - 1, 0], [W - 1, H - 1], [0, H - 1]]
MOVES = {
    "horizontal flip": lambda F, x, t: F.horizontal_flip(x),
    "vertical flip": lambda F, x, t: F.vertical_flip(x),
    "resize": lambda F, x, t: F.resize(x, [17, 50]),
    "resize longer": lambda F, x, t: F.resize(x, None, max_size=20),
    "crop": lambda F, x, t: F.crop(x, 2, -1, 16, 25),
    "center crop": lambda F, x, t: F.center_crop(x, [18, 60]),
    "resized crop": lambda F, x, t: F.resized_crop(x, 2, 1, 16, 25, [40, 40]),
    "pad": lambda F, x, t: F.pad(x, [1, 2, 3, 4]),
    "affine": lambda F, x, t: F.affine(x, 30, [1, 2], 1.2, [3, 4]),
    "affine around": lambda F, x, t: F.affine(x, -70, [1, 2], 0.7, 8.0, center=[3, 4]),
    "rotate": lambda F, x, t: F.rotate(x, 30),
    "rotate expand": lambda F, x, t: F.rotate(x, -100, expand=True),
    "rotate around": lambda F, x, t: F.rotate(x, 30, center=[3, 4]),
    "perspective": lambda F, x, t: F.perspective(
        x, CORNERS, [[1, 2], [W - 5, 1], [W - 3, H - 4], [2, H - 5]]
    ),
    "elastic": lambda F, x, t: F.elastic(x, t.full((1, H, W, 2), 0.1)),
}


def both_ways(call):
    return [plain(call(module.functional, t, kinds)) for t, module, kinds in SIDES.values()]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("form", ["XYXY", "XYWH", "CXCYWH"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("clamping", ["soft", "hard", None])
def test_boxes_of_each_format(move, form, dtype, clamping):
    def call(F, t, kinds):
        boxes = tensor(t, (BOXES + 0.4).astype(dtype))
        about = {"format": form, "canvas_size": (H, W), "clamping_mode": clamping}
        return MOVES[move](F, kinds.BoundingBoxes(boxes, **about), t)

    agree(*both_ways(call), 1 if dtype is np.int64 else 0)


ANGLES = np.array([[20, 15, 9, 5, 30], [12, 22, 6, 8, -75], [30, 8, 5, 5, 140]], np.float32)


@pytest.mark.parametrize("old", ["XYWHR", "CXCYWHR", "XYXYXYXY", "XYXY", "XYWH", "CXCYWH"])
@pytest.mark.parametrize("new", ["XYWHR", "CXCYWHR", "XYXYXYXY", "XYXY", "XYWH", "CXCYWH"])
def test_formats_of_boxes(old, new):
    def call(F, t, kinds):
        boxes = tensor(t, ANGLES if "R" in old else BOXES)
        if old == "XYXYXYXY":
            boxes = F.convert_bounding_box_format(
                tensor(t, ANGLES), kinds.BoundingBoxFormat["XYWHR"], kinds.BoundingBoxFormat[old]
            )
        formats = [kinds.BoundingBoxFormat[name] for name in (old, new)]
        try:
            return F.convert_bounding_box_format(boxes, *formats)
        except ValueError:
            return "cannot be"

    agree(*both_ways(call), 0.1)


@pytest.mark.parametrize(
    "move", ["horizontal flip", "vertical flip", "rotate", "rotate expand", "rotate around"]
)
@pytest.mark.parametrize("form", ["XYWHR", "CXCYWHR", "XYXYXYXY"])
def test_rotated_boxes(move, form):
    def call(F, t, kinds):
        formats = [kinds.BoundingBoxFormat[name] for name in ("CXCYWHR", form)]
        boxes = F.convert_bounding_box_format(tensor(t, ANGLES), *formats)
        out = MOVES[move](
            F,
            kinds.BoundingBoxes(boxes, format=form, canvas_size=(H, W), clamping_mode=None),
            t,
        )
        return F.convert_bounding_box_format(out, new_format=kinds.BoundingBoxFormat.XYXYXYXY)

    agree(*both_ways(call), 0.1)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_points(move, dtype):
    def call(F, t, kinds):
        points = kinds.KeyPoints(tensor(t, POINTS.astype(dtype)), canvas_size=(H, W))
        return MOVES[move](F, points, t)

    agree(*both_ways(call), 1 if dtype is np.int64 else 0)


def test_every_name_is_there():
    assert [n for n in dir(their_v2) if n[0].isupper() and not hasattr(v2, n)] == []
    # Kernels of boxes and points are called through the functions, with tensors that know what they are.
    inner = ("_bounding_boxes", "_keypoints")
    ours = (
        "clamp_bounding_boxes",
        "clamp_keypoints",
        "sanitize_bounding_boxes",
        "sanitize_keypoints",
    )
    functions = [n for n in dir(their_v2.functional) if n[0] != "_"]
    missing = [n for n in functions if not hasattr(v2.functional, n)]
    assert [n for n in missing if not n.endswith(inner)] == []
    assert [n for n in ours if n in missing] == []
