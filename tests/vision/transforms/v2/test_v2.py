"""Transforms of samples, without another framework to compare with."""

import collections
import pickle

import numpy as np
import pytest

import rushlight
from rushlight.vision.transforms import v2
from rushlight.vision.transforms.v2 import functional as F
from rushlight.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video

SIZE = (6, 8)


def image(channels=3):
    count = channels * SIZE[0] * SIZE[1]
    return Image(rushlight.arange(count).reshape(channels, *SIZE).to(rushlight.uint8))


def boxes(*values, format="XYXY"):
    return BoundingBoxes(list(values), format=format, canvas_size=SIZE)


def test_all_parts_of_a_sample_move_together():
    x = image(1)
    mask = Mask(x[0].clone())
    place = rushlight.tensor([[5.0, 2.0]])
    at = x[0, 2, 5].item()
    for seed in range(10):
        rushlight.manual_seed(seed)
        transform = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop((4, 5))])
        sample = {"image": x, "rest": (mask, KeyPoints(place, canvas_size=SIZE))}
        out = transform(sample)
        new_mask, points = out["rest"]
        assert out["image"][0].tolist() == new_mask.tolist()
        column, row = (int(v) for v in points[0].tolist())
        inside = 0 <= row < 4 and 0 <= column < 5
        found = new_mask[row, column].item() if inside else at
        assert found == at
        assert points.canvas_size == (4, 5)


def test_what_is_not_transformed_stays_the_same_object():
    label, word = rushlight.tensor(3), object()
    out = v2.RandomHorizontalFlip(1)({"image": image(), "label": label, "word": [word, None]})
    assert out["label"] is label
    assert out["word"][0] is word
    assert out["word"][1] is None


def test_the_first_plain_tensor_is_the_image():
    first, second = rushlight.zeros(3, 4, 4), rushlight.zeros(3, 4, 4)
    cropped, rest = v2.CenterCrop(2)(first, second)
    assert cropped.shape == (3, 2, 2)
    assert rest is second
    _, untouched = v2.CenterCrop(2)(image(), first)
    assert untouched is first


def test_containers_keep_their_kind():
    Pair = collections.namedtuple("Pair", "image label")
    out = v2.CenterCrop(2)(Pair(image(), 1))
    assert isinstance(out, Pair)
    ordered = v2.CenterCrop(2)(collections.OrderedDict(a=image(), b=2))
    assert type(ordered) is collections.OrderedDict
    filled = collections.defaultdict(list, a=image())
    assert v2.CenterCrop(2)(filled)["missing"] == []
    assert v2.Identity()([(), {}, []]) == [(), {}, []]


def test_a_transform_of_ones_own():
    class Shift(v2.Transform):
        def make_params(self, flat_inputs):
            return {"by": len(flat_inputs)}

        def transform(self, inpt, params):
            return inpt + params["by"]

    out = Shift()({"a": Image([[1]]), "b": Mask([[1]]), "c": 5})
    assert (out["a"].item(), out["b"].item(), out["c"]) == (3, 3, 5)


def test_register_kernel():
    class Depth(TVTensor):
        pass

    @F.register_kernel(F.horizontal_flip, Depth)
    def flip_depth(depth):
        return Depth(depth.as_subclass(rushlight.Tensor).flip(-1) * 10)

    depth = Depth([[1, 2]])
    assert v2.RandomHorizontalFlip(1)(depth).tolist() == [[20, 10]]
    assert v2.RandomVerticalFlip(1)(depth) is depth
    with pytest.raises(TypeError, match="Functional F.vertical_flip supports"):
        F.vertical_flip(depth)
    with pytest.raises(ValueError, match="only be registered on functionals"):
        F.register_kernel(abs, Depth)


def test_boxes_move_with_the_image():
    b = boxes([1, 2, 3, 4])
    assert F.horizontal_flip(b).tolist() == [[5, 2, 7, 4]]
    assert F.vertical_flip(b).tolist() == [[1, 2, 3, 4]]
    assert F.crop(b, 3, 2, 3, 4).tolist() == [[0, 0, 1, 1]]
    assert F.crop(b, 3, 2, 3, 4).canvas_size == (3, 4)
    assert F.resize(b, [12, 16]).tolist() == [[2, 4, 6, 8]]
    assert F.pad(b, [1, 2]).tolist() == [[2, 4, 4, 6]]
    turned = F.rotate(boxes([1.0, 2.0, 3.0, 4.0]), 90, expand=True)
    assert np.allclose(turned.numpy(), [[2, 5, 4, 7]], atol=1e-5)
    assert turned.canvas_size == (8, 6)


@pytest.mark.parametrize("format", ["XYXY", "XYWH", "CXCYWH"])
def test_formats_there_and_back(format):
    b = boxes([1.0, 2.0, 4.0, 6.0])
    there = v2.ConvertBoundingBoxFormat(format)(b)
    assert there.format.name == format
    assert v2.ConvertBoundingBoxFormat("XYXY")(there).tolist() == b.tolist()


def test_rotated_boxes_have_four_corners():
    box = BoundingBoxes([[1.0, 3.0, 2.0, 1.0, 90.0]], format="XYWHR", canvas_size=SIZE)
    corners = F.convert_bounding_box_format(box, new_format="XYXYXYXY")
    assert np.allclose(corners.numpy(), [[1, 3, 1, 1, 2, 1, 2, 3]], atol=1e-6)
    with pytest.raises(ValueError, match="between rotated and unrotated"):
        F.convert_bounding_box_format(box, new_format="XYXY")


def test_sanitizing_drops_boxes_with_their_labels_and_masks():
    sample = {
        "boxes": boxes([1, 1, 5, 5], [2, 2, 2, 5], [0, 0, 20, 5]),
        "masks": Mask(rushlight.arange(3).reshape(3, 1, 1).expand(3, *SIZE).clone()),
        "labels": rushlight.tensor([7, 8, 9]),
        "scores": rushlight.tensor([0.1, 0.2, 0.3]),
    }
    out = v2.SanitizeBoundingBoxes()(sample)
    assert out["boxes"].tolist() == [[1, 1, 5, 5]]
    assert out["labels"].tolist() == [7]
    assert len(out["masks"]) == 1
    assert len(out["scores"]) == 3
    both = v2.SanitizeBoundingBoxes(labels_getter=lambda s: (s["labels"], s["scores"]))(sample)
    assert len(both["scores"]) == 1
    with pytest.raises(ValueError, match="Could not infer where the labels are"):
        v2.SanitizeBoundingBoxes()({"boxes": sample["boxes"]})
    with pytest.raises(ValueError, match="labels must match"):
        v2.SanitizeBoundingBoxes()({**sample, "labels": rushlight.tensor([1])})


@pytest.mark.parametrize("mix", [v2.MixUp, v2.CutMix])
def test_mixed_labels_sum_to_one(mix):
    images, labels = rushlight.rand(4, 3, 8, 8), rushlight.tensor([0, 1, 2, 1])
    mixed, shares = mix(num_classes=3)(images, labels)
    assert mixed.shape == images.shape
    assert np.allclose(shares.sum(1).numpy(), 1)
    by_key = mix(num_classes=3)({"x": images, "label": labels})
    assert by_key["label"].shape == (4, 3)


def test_cut_mix_takes_as_much_of_the_other_as_its_labels_say():
    images = rushlight.arange(2).reshape(2, 1, 1, 1).expand(2, 1, 8, 8).float()
    for seed in range(20):
        rushlight.manual_seed(seed)
        mixed, shares = v2.CutMix(num_classes=2)(images, rushlight.tensor([0, 1]))
        assert mixed[0].mean().item() == pytest.approx(shares[0, 1].item(), abs=1e-6)


def test_labels_before_plain_images_are_no_images():
    labels, images = rushlight.tensor([0, 1]), rushlight.arange(2.0).reshape(2, 1, 1, 1)
    rushlight.manual_seed(0)
    out = v2.MixUp(num_classes=2)({"labels": labels, "images": images})
    assert out["images"].flatten().tolist() == pytest.approx(out["labels"][:, 1].tolist())


@pytest.mark.parametrize("fmt", ["XYWHR", "CXCYWHR", "XYXYXYXY"])
@pytest.mark.parametrize("angle", [0, 30, 110, 200])
def test_rotated_boxes_are_measured_along_their_sides(fmt, angle):
    box = BoundingBoxes([[50.0, 50.0, 7.0, 3.0, angle]], format="CXCYWHR", canvas_size=(99, 99))
    box = F.convert_bounding_box_format(box, new_format=fmt)
    kept = [
        F.sanitize_bounding_boxes(box, **limit)[1].item()
        for limit in (
            {"min_size": 2.9},
            {"min_size": 3.1},
            {"min_area": 20.9},
            {"min_area": 21.1},
        )
    ]
    assert kept == [True, False, True, False]


def test_several_inputs_are_passed_on_as_several():
    def exchanged(x, y):
        return y, x

    for transform in (v2.Compose([exchanged] * 3), v2.RandomOrder([exchanged] * 3)):
        assert transform(1, 2) == (2, 1)
    assert v2.RandomApply([exchanged], p=1.0)(1, 2) == (2, 1)
    assert v2.RandomApply([exchanged], p=0.0)(1, 2) == (1, 2)
    assert v2.RandomChoice([exchanged])(1, 2) == (2, 1)
    assert v2.Compose([lambda *x: x] * 2)(1) == ((1,),)


def normalizing():
    steps = [v2.ToImage(), v2.ToDtype(rushlight.float32, scale=True)]
    return [*steps, v2.Normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.4])]


def test_joined_steps_change_nothing():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 200, 3), dtype=np.uint8)
    for inpt in (pixels, pixels.transpose(1, 0, 2), pixels / np.float32(255), image()):
        steps = normalizing()
        expected = steps[2](steps[1](steps[0](inpt)))
        for transform in (v2.Compose(steps), v2.Compose([*steps, v2.Identity()])):
            out = transform(inpt)
            assert type(out) is Image
            np.testing.assert_array_equal(out.numpy(), expected.numpy())


def test_pixels_of_arrays_are_passed_once(monkeypatch):
    steps = normalizing()
    monkeypatch.setattr(v2.ToDtype, "forward", None)
    assert v2.Compose(steps)(np.zeros((4, 5, 3), np.uint8)).shape == (3, 4, 5)


def test_joined_steps_with_hooks_are_called():
    steps, seen = normalizing(), []
    steps[1].register_forward_pre_hook(lambda module, args: seen.append(type(args[0])))
    v2.Compose(steps)(np.zeros((4, 5, 3), np.uint8))
    assert seen == [Image]


def test_dtypes():
    sample = {"image": image(), "mask": Mask([[1]]), "label": rushlight.tensor(1)}
    out = v2.ToDtype(rushlight.float32, scale=True)(sample)
    assert out["image"].max().item() == pytest.approx(143 / 255)
    assert out["mask"].dtype is rushlight.int64
    by_kind = v2.ToDtype({Image: rushlight.float32, Mask: rushlight.int32, "others": None})(sample)
    assert by_kind["image"].max().item() == 143
    assert by_kind["mask"].dtype is rushlight.int32
    with pytest.raises(ValueError, match="No dtype was specified"):
        v2.ToDtype({Image: rushlight.float32})(sample)


def test_videos_stay_videos():
    video = Video(rushlight.zeros(2, 5, 3, 6, 8))
    out = v2.Compose([v2.Resize(4), v2.RandomRotation(20), v2.UniformTemporalSubsample(3)])(video)
    assert type(out) is Video
    assert out.shape == (2, 3, 3, 4, 5)


@pytest.mark.parametrize("name", v2.__all__)
def test_every_name_says_what_it_is(name):
    assert getattr(v2, name).__doc__


@pytest.mark.parametrize(
    "transform",
    [
        v2.RandomEqualize(),
        v2.Compose([v2.RandomAffine(3, fill={Image: 3, "others": 0}), v2.Resize(3)]),
        v2.SanitizeBoundingBoxes(labels_getter=None),
        v2.MixUp(num_classes=3),
        v2.AutoAugment(),
    ],
)
def test_transforms_can_be_sent_to_workers(transform):
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)


def test_repr_shows_the_arguments():
    assert repr(v2.CenterCrop(3)) == "CenterCrop(size=(3, 3))"
    text = repr(v2.Compose([v2.RandomInvert(0.2), v2.Pad(1)]))
    assert text.splitlines()[1:3] == [
        "      RandomInvert(p=0.2)",
        "      Pad(padding=1, fill=0, padding_mode=constant)",
    ]


@pytest.mark.parametrize(
    "error, text, call",
    [
        (ValueError, "larger than padded input", lambda: v2.RandomCrop(9)(image())),
        (ValueError, "max_size must be an integer", lambda: v2.Resize(None)),
        (ValueError, "Invalid interpolation mode: 'sharp'", lambda: v2.Resize(3, "sharp")),
        (ValueError, "Found multiple HxW", lambda: v2.RandomCrop(2)([image(), Mask([[1]])])),
        (TypeError, "several", lambda: v2.FiveCrop(2)({"a": image(), "b": boxes([1, 2, 3, 4])})),
        (TypeError, "bounding boxes", lambda: v2.RandomIoUCrop()(image())),
        (TypeError, "not supported by AugMix", lambda: v2.AugMix()([image(), Mask([[1]])])),
        (
            ValueError,
            "num_classes must be passed",
            lambda: v2.MixUp()(image()[None], rushlight.ones(1)),
        ),
        (ValueError, "does not support", lambda: v2.MixUp()([image(), boxes([1, 2, 3, 4])])),
        (ValueError, "at least one", lambda: v2.Compose([])),
        (TypeError, "sequence of callables", lambda: v2.RandomOrder(3)),
        (ValueError, "Length of p", lambda: v2.RandomChoice([abs], [1, 2])),
        (ValueError, "interval", lambda: v2.RandomZoomOut(p=2)),
        (ValueError, "Invalid side range", lambda: v2.RandomZoomOut(side_range=(0.5, 1))),
        (ValueError, "1 to 100", lambda: v2.JPEG(0)),
        (
            ValueError,
            "Padding mode 'edge'",
            lambda: F.pad(boxes([1, 2, 3, 4]), 1, padding_mode="edge"),
        ),
        (TypeError, "supports inputs", lambda: F.adjust_hue(Mask([[1]]), 0.1)),
        (
            ValueError,
            "`format` and `canvas_size`",
            lambda: F.clamp_bounding_boxes(rushlight.ones(1, 4)),
        ),
    ],
)
def test_wrong_arguments(error, text, call):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 2, 1, 8, 8)])
def test_jpeg_is_what_a_file_keeps(shape):
    from rushlight.vision import io

    pytest.importorskip("PIL")
    images = rushlight.randint(0, 256, shape, dtype=rushlight.uint8)
    out = v2.JPEG(30)(images)
    first = images.reshape(-1, *shape[-3:])[0]
    expected = io.decode_jpeg(io.encode_jpeg(first, 30))
    assert out.shape == shape
    assert np.array_equal(out.reshape(-1, *shape[-3:])[0].numpy(), expected.numpy())
