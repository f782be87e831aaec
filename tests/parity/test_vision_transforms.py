"""Transforms against torchvision's: the same seed gives the same choices and results, on PIL images and tensors."""

import random
import warnings

import numpy as np
import pytest

import rushlight
from rushlight.vision import transforms

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from .torchvision_reference import reference  # noqa: E402

torchvision = reference()


def picture(seed, height=41, width=53):
    """Smooth colours with noise, ``(H, W, 3)``."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    smooth = np.array(coarse.resize((width, height), 3)).astype(int)
    return np.clip(smooth + draw.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)


def as_input(framework, kind, pixels):
    if kind == "pil":
        return Image.fromarray(pixels)
    tensor = framework.from_numpy(pixels.transpose(2, 0, 1).copy())
    return tensor.float() / 255 if kind == "float32" else tensor


def as_array(result):
    return np.asarray(result) if isinstance(result, Image.Image) else result.numpy()


def both(text, image_kind, seed, pixels):
    """What a transform gives under torchvision and here, and the next number of either stream."""
    found = []
    for framework, T in (
        (torch, torchvision.transforms),
        (rushlight, transforms),
    ):
        transform = eval(text, {"T": T, "I": T.InterpolationMode})
        random.seed(seed)
        framework.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = transform(as_input(framework, image_kind, pixels))
        results = result if isinstance(result, tuple) else (result,)
        found.append(([as_array(r) for r in results], framework.rand(1).item()))
    return found


# Those that move or recolour pixels one by one.
EXACT = [
    "T.CenterCrop(20)",
    "T.CenterCrop((60, 20))",
    "T.Pad((1, 2, 3, 4), 7)",
    "T.Pad(3, padding_mode='edge')",
    "T.Pad(3, padding_mode='reflect')",
    "T.Pad((3, -2), padding_mode='symmetric')",
    "T.FiveCrop(20)",
    "T.TenCrop((20, 10), vertical_flip=True)",
    "T.Grayscale()",
    "T.Grayscale(3)",
    "T.RandomCrop(20)",
    "T.RandomCrop((20, 30), padding=4)",
    "T.RandomCrop(60, pad_if_needed=True, padding_mode='reflect')",
    "T.RandomHorizontalFlip()",
    "T.RandomVerticalFlip(0.3)",
    "T.RandomRotation(30)",
    "T.RandomRotation(30, center=(3, 4))",
    "T.RandomRotation(180, expand=True)",
    "T.RandomRotation((10, 80), I.BILINEAR, expand=True, fill=7)",
    "T.RandomAffine(20, (0.1, 0.2), (0.5, 1.5), 10)",
    "T.RandomAffine(20, (0.1, 0.2), (0.5, 1.5), (1, 2, 3, 4), I.BILINEAR, fill=(1, 2, 3))",
    "T.RandomAffine(0, shear=20, center=(3, 4))",
    "T.RandomPerspective()",
    "T.RandomPerspective(0.8, 1, fill=3)",
    "T.RandomPerspective(0.8, 1, I.NEAREST)",
    "T.ColorJitter(0.4, 0.4, 0.4, 0.1)",
    "T.ColorJitter(hue=0.5)",
    "T.ColorJitter((0.5, 0.8), 0, (0.1, 3))",
    "T.RandomGrayscale(0.5)",
    "T.RandomInvert()",
    "T.RandomSolarize(1)",
    "T.RandomAdjustSharpness(2.5)",
    "T.RandomAutocontrast()",
    "T.RandomApply([T.RandomRotation(30), T.ColorJitter(0.3)])",
    "T.RandomOrder([T.RandomRotation(30), T.ColorJitter(0.3), T.RandomCrop(20)])",
    "T.RandomChoice([T.RandomRotation(30), T.ColorJitter(0.3), T.RandomCrop(20)], p=[0.2, 0.5, 0.3])",
]
BYTES = [
    "T.RandomPosterize(3)",
    "T.RandomEqualize()",
    "T.AutoAugment()",
    "T.AutoAugment(T.AutoAugmentPolicy.CIFAR10, I.BILINEAR, [1, 2, 3])",
    "T.AutoAugment(T.AutoAugmentPolicy.SVHN)",
    "T.RandAugment()",
    "T.RandAugment(3, 12, interpolation=I.BILINEAR, fill=[9, 8, 7])",
    "T.TrivialAugmentWide()",
]
RESIZED = [
    "T.Resize(20)",
    "T.Resize((20, 80), I.BICUBIC)",
    "T.Resize(30, max_size=35)",
    "T.Resize(60, I.NEAREST)",
    "T.Resize(24, I.NEAREST_EXACT)",
    "T.RandomResizedCrop(24)",
    "T.RandomResizedCrop(24, ratio=(3.0, 4.0))",
    "T.RandomResizedCrop((24, 30), interpolation=I.BICUBIC)",
]
# These pass through floats in both.
BLURRED = [
    "T.GaussianBlur(5)",
    "T.GaussianBlur((5, 9), (0.5, 3))",
    "T.ElasticTransform()",
    "T.ElasticTransform([200.0, 100.0], [4.0, 2.0], I.NEAREST, fill=9)",
    "T.AugMix()",
    "T.AugMix(5, 2, 2, 0.5, False)",
]


@pytest.mark.parametrize("text", EXACT + BYTES + RESIZED)
def test_pil(text):
    """PIL images: byte for byte."""
    for seed in range(20):
        expected, found = both(text, "pil", seed, picture(seed))
        assert found[1] == expected[1]
        for x, y in zip(found[0], expected[0], strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("text", EXACT + BYTES + RESIZED)
def test_bytes(text):
    """uint8 tensors: equal but for roundings of interpolated values, of which later steps may make more."""
    for seed in range(10):
        expected, found = both(text, "uint8", seed, picture(seed))
        assert found[1] == expected[1]
        for x, y in zip(found[0], expected[0], strict=True):
            assert x.dtype == y.dtype
            assert np.abs(x.astype(int) - y).max() <= 1


@pytest.mark.parametrize("kind", ["pil", "uint8"])
@pytest.mark.parametrize("text", BLURRED)
def test_blurred(text, kind):
    for seed in range(10):
        expected, found = both(text, kind, seed, picture(seed))
        assert found[1] == expected[1]
        difference = np.abs(found[0][0].astype(int) - expected[0][0])
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("text", EXACT + RESIZED + BLURRED[:4])
def test_floats(text):
    for seed in range(10):
        expected, found = both(text, "float32", seed, picture(seed))
        assert found[1] == expected[1]
        for x, y in zip(found[0], expected[0], strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    "text",
    [
        "T.Compose([T.RandomResizedCrop(24), T.RandomHorizontalFlip(), T.ToTensor(),"
        " T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])",
        "T.Compose([T.Grayscale(), T.ToTensor(), T.Normalize(0.5, [0.5])])",
        "T.Compose([T.ToTensor(), T.RandomErasing(0.9)])",
        "T.Compose([T.ToTensor(), T.RandomErasing(0.9, value='random')])",
        "T.Compose([T.ToTensor(), T.RandomErasing(0.9, value=(1, 2, 3), ratio=(0.5, 2))])",
    ],
)
def test_pipeline_is_equal(text):
    """To the last bit: scaling and normalising in one pass change nothing."""
    for seed in range(20):
        expected, found = both(text, "pil", seed, picture(seed))
        assert found[1] == expected[1]
        np.testing.assert_array_equal(found[0][0], expected[0][0])


@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"])
def test_tables_of_magnitudes(name):
    sizes = (10,) if name == "TrivialAugmentWide" else (10, (41, 53))
    expected = getattr(torchvision.transforms, name)()._augmentation_space(*sizes)
    found = getattr(transforms, name)()._augmentation_space(*sizes)
    assert list(found) == list(expected)
    for change, (magnitudes, signed) in expected.items():
        assert found[change][1] == signed
        np.testing.assert_array_equal(found[change][0].numpy(), magnitudes.numpy())


@pytest.mark.parametrize("policy", ["IMAGENET", "CIFAR10", "SVHN"])
def test_policies(policy):
    found, expected = [
        T.AutoAugment(T.AutoAugmentPolicy[policy]).policies
        for T in (transforms, torchvision.transforms)
    ]
    assert found == expected


REPRS = [
    *EXACT, *BYTES, *RESIZED, *BLURRED, "T.ToTensor()", "T.PILToTensor()", "T.ToPILImage()", "T.ToPILImage('L')",
    "T.Normalize((0.5,), (0.5,), True)", "T.Lambda(abs)", "T.RandomErasing()", "T.ColorJitter()",
    "T.Compose([T.ToTensor(), T.Normalize(0.5, 0.5)])", "T.RandomApply([T.ToTensor()], 0.3)",
    "T.RandomChoice([T.ToTensor()], p=[1])", "T.RandomAffine(3)", "T.RandomRotation(3, fill=None)",
]  # fmt: skip


@pytest.mark.parametrize("text", REPRS)
def test_text(text):
    found, expected = [
        repr(eval(text, {"T": T, "I": T.InterpolationMode}))
        for T in (transforms, torchvision.transforms)
    ]
    assert found == expected
