"""Transforms by themselves: pipelines, pickling, old names, errors. What they compute is held against torchvision's."""

import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import rushlight
from rushlight.vision import transforms
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms import renamed

BILINEAR = transforms.InterpolationMode.BILINEAR


@pytest.fixture
def image():
    pixels = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(autouse=True)
def everything_is_said_again():
    renamed._said.cache_clear()


def every_transform():
    T = transforms
    return [
        T.AugMix(), T.AutoAugment(), T.CenterCrop(9), T.ColorJitter(0.1, 0.2, 0.3, 0.1), T.ElasticTransform(),
        T.FiveCrop(9), T.GaussianBlur(3), T.Grayscale(), T.Pad(2), T.RandAugment(), T.RandomAdjustSharpness(2),
        T.RandomAffine(9), T.RandomApply([T.RandomInvert()]), T.RandomAutocontrast(), T.RandomChoice([T.Pad(1)]),
        T.RandomCrop(9), T.RandomEqualize(), T.RandomGrayscale(), T.RandomHorizontalFlip(), T.RandomInvert(),
        T.RandomOrder([T.Pad(1), T.RandomCrop(9)]), T.RandomPerspective(), T.RandomPosterize(3), T.RandomResizedCrop(9),
        T.RandomRotation(9), T.RandomSolarize(9), T.RandomVerticalFlip(), T.Resize(9), T.TenCrop(9), T.ToTensor(),
        T.TrivialAugmentWide(), T.PILToTensor(), T.Lambda(F.hflip),
        T.Compose([T.ToTensor(), T.Normalize(0.5, 0.5), T.RandomErasing(1), T.ToPILImage()]),
        T.Compose([T.PILToTensor(), T.ConvertImageDtype(rushlight.float32)]),
        T.Compose([T.Resize((2, 2)), T.ToTensor(), T.LinearTransformation(rushlight.eye(12), rushlight.ones(12))]),
    ]  # fmt: skip


def values(result):
    if isinstance(result, tuple):
        return [values(r) for r in result]
    return np.asarray(result) if isinstance(result, Image.Image) else result.numpy()


@pytest.mark.parametrize("transform", every_transform(), ids=lambda t: type(t).__name__)
def test_pickled_does_the_same(transform, image):
    """As worker processes get them."""
    results = []
    for one in (transform, pickle.loads(pickle.dumps(transform))):
        rushlight.manual_seed(1)
        random.seed(1)
        results.append(values(one(image)))
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)
    for x, y in zip(*results, strict=True):
        np.testing.assert_array_equal(x, y)


def test_choices_follow_the_seed(image):
    rushlight.manual_seed(0)
    # PyTorch's stream from seed 0 begins so, whatever the machine.
    assert transforms.RandomCrop(9).get_params(image, (9, 9)) == (7, 3, 9, 9)
    rushlight.manual_seed(0)
    assert transforms.RandomRotation.get_params([-30.0, 30.0]) == pytest.approx(-0.2246, abs=1e-4)


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "1", "LA", "F", "P"])
@pytest.mark.parametrize("count", [1, None])
def test_joined_steps_change_nothing(image, mode, count):
    """`ToTensor` and `Normalize` in one pass give what they give one after the other."""
    picture = image.convert(mode)
    channels = len(picture.getbands()) if count is None else count
    normalize = transforms.Normalize(
        (0.4, 0.5, 0.6, 0.7)[:channels], [0.2, 0.3, 0.4, 0.5][:channels]
    )
    transform = transforms.Compose([transforms.ToTensor(), normalize])
    expected = normalize(transforms.ToTensor()(picture))
    np.testing.assert_array_equal(transform(picture).numpy(), expected.numpy())


def test_whole_numbers_are_not_normalized(image):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    with pytest.raises(TypeError, match="float tensor"):
        transform(image.convert("I"))


def test_joined_steps_of_arrays():
    draw = np.random.default_rng(0)
    normalize = transforms.Normalize(MEAN, STD)
    transform = transforms.Compose([transforms.ToTensor(), normalize])
    for pixels in (
        draw.integers(0, 256, (5, 2000, 3), dtype=np.uint8),
        draw.integers(0, 256, (3, 5, 6), dtype=np.uint8).transpose(1, 2, 0),
        draw.uniform(0, 1, (5, 6, 3)).astype(np.float32),
    ):
        expected = normalize(transforms.ToTensor()(pixels))
        np.testing.assert_array_equal(transform(pixels).numpy(), expected.numpy())


def test_steps_with_hooks_are_called(image):
    seen = []
    normalize = transforms.Normalize(MEAN, STD)
    normalize.register_forward_pre_hook(lambda module, args: seen.append(args[0].max() <= 1))
    transforms.Compose([transforms.ToTensor(), normalize])(image)
    assert seen == [True]


def test_wrong_numbers_of_means_are_told(image):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0, 0), (1, 1))])
    with pytest.raises(RuntimeError, match="must match"):
        transform(image)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.0)])
    with pytest.raises(ValueError, match="division by zero"):
        transform(image)


def test_planes_are_the_pixels_divided():
    pixels = np.arange(256, dtype=np.uint8).reshape(8, 8, 4)
    found = transforms.ToTensor()(pixels).numpy()
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1) / np.float32(255))


@pytest.mark.parametrize("shape", [(0, 3, 3), (3, 0, 1), (1, 1, 0)])
def test_empty_arrays(shape):
    assert transforms.ToTensor()(np.zeros(shape, np.uint8)).shape == (shape[2], *shape[:2])


def test_other_default_dtype():
    rushlight.set_default_dtype(rushlight.float64)
    try:
        transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
        found = transform(np.array([[51]], np.uint8))
    finally:
        rushlight.set_default_dtype(rushlight.float32)
    assert found.dtype is rushlight.float64
    assert found.item() == pytest.approx(-0.6, abs=1e-12)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I", "F", "LA", "CMYK"])
def test_there_and_back(image, mode):
    picture = image.convert(mode)
    back = transforms.ToPILImage(mode)(transforms.PILToTensor()(picture))
    assert (back.mode, back.size) == (mode, picture.size)
    assert back.tobytes() == picture.tobytes()


def test_old_names_warn_once_and_work(image):
    with pytest.warns(FutureWarning, match="write transforms.Resize"):
        scaled = transforms.Scale(20)(image)
    assert scaled.tobytes() == transforms.Resize(20)(image).tobytes()
    transforms.Scale(20)
    with pytest.warns(FutureWarning, match="write transforms.RandomResizedCrop"):
        crop = transforms.RandomSizedCrop(20)
    assert crop(image).size == (20, 20)


def test_old_arguments(image):
    with pytest.warns(FutureWarning, match="interpolation="):
        rotation = transforms.RandomRotation(30, resample=Image.BILINEAR)
    assert rotation.interpolation is BILINEAR
    with pytest.warns(FutureWarning, match="fill="):
        affine = transforms.RandomAffine(30, resample=Image.BILINEAR, fillcolor=7)
    assert (affine.interpolation, affine.fill) == (BILINEAR, 7)
    expected = F.rotate(image, 30, BILINEAR)
    assert F.rotate(image, 30, resample=Image.BILINEAR).tobytes() == expected.tobytes()
    expected = F.affine(image, 30, (1, 2), 1.5, 3, BILINEAR, fill=9)
    found = F.affine(image, 30, (1, 2), 1.5, 3, resample=Image.BILINEAR, fillcolor=9)
    assert found.tobytes() == expected.tobytes()


def test_pillow_constants_are_modes(image):
    expected = transforms.Resize(20, transforms.InterpolationMode.BICUBIC)
    found = transforms.Resize(20, Image.BICUBIC)
    assert repr(found) == repr(expected)
    assert found(image).tobytes() == expected(image).tobytes()


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: transforms.Lambda(3), TypeError, "callable"),
        (lambda: transforms.Resize(3.5), TypeError, "int or sequence"),
        (lambda: transforms.Resize((1, 2, 3)), ValueError, "1 or 2 values"),
        (lambda: transforms.Pad(2, padding_mode="x"), ValueError, "constant, edge, reflect"),
        (lambda: transforms.ColorJitter(-1), ValueError, "non negative"),
        (lambda: transforms.RandomRotation(-1), ValueError, "positive"),
        (lambda: transforms.RandomErasing(p=2), ValueError, "between 0 and 1"),
        (lambda: transforms.GaussianBlur(4), ValueError, "odd"),
        (lambda: transforms.AutoAugment("imagenet"), ValueError, "AutoAugmentPolicy"),
        (lambda: F.to_tensor([1]), TypeError, "PIL Image or ndarray"),
        (lambda: F.hflip(np.zeros((3, 3))), TypeError, "PIL Image or Tensor"),
        (lambda: F.normalize(rushlight.ones(3, 2, 2).int(), 0, 1), TypeError, "ToTensor"),
        (lambda: F.resize(rushlight.ones(3, 4, 4), 2, "bilinear"), TypeError, "InterpolationMode"),
        (lambda: F.rotate(rushlight.ones(3, 4, 4), 2, fill=[1, 2]), ValueError, "channels"),
        (lambda: F.five_crop(rushlight.ones(3, 4, 4), 9), ValueError, "bigger than"),
        (lambda: transforms.RandomCrop(9)(rushlight.ones(3, 4, 4)), ValueError, "pad_if_needed"),
        (lambda: transforms.RandomErasing(p=1)(Image.new("L", (2, 2))), TypeError, "ToTensor"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_gradients_flow_through_tensors():
    x = rushlight.rand(3, 6, 6).requires_grad_()
    out = F.rotate(F.adjust_contrast(F.resize(x, 9), 0.5), 20, BILINEAR)
    F.normalize(F.gaussian_blur(out, 3), [0.5], [0.5]).sum().backward()
    assert x.grad.abs().sum() > 0


def test_pillow_is_imported_by_the_first_image():
    """Not by the transforms; where it is missing, the error names the extra."""
    program = (
        "import sys, rushlight\n"
        "from rushlight.vision import transforms\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'PIL']\n"
        "transforms.RandomHorizontalFlip(1)(rushlight.ones(3, 2, 2))\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'PIL']\n"
        "sys.modules['PIL'] = sys.modules['PIL.Image'] = None\n"
        "transforms.ToPILImage()(rushlight.ones(3, 2, 2))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'pip install "rushlight[vision]"' in done.stderr.splitlines()[-1]


def test_equalize_of_one_colour_is_itself():
    flat = rushlight.full((3, 4, 4), 7, dtype=rushlight.uint8)
    np.testing.assert_array_equal(F.equalize(flat).numpy(), flat.numpy())


def test_dirichlet_shares():
    """Of many draws the means are the concentrations', and they sum to 1."""
    from rushlight.vision.transforms import draws

    rushlight.manual_seed(0)
    shares = draws.dirichlet(np.tile(np.array([0.5, 1.0, 2.5], np.float32), (4000, 1)))
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(shares.mean(0), [0.125, 0.25, 0.625], atol=0.015)


def test_three_means_for_a_grey_image():
    from rushlight.vision.transforms import v2

    grey = rushlight.ones(1, 2, 2)
    with pytest.raises(RuntimeError, match="the image has 1 channel, but mean or std has 3"):
        transforms.Normalize((0.5,) * 3, (0.5,) * 3)(grey)
    assert v2.Normalize((0.5,) * 3, (0.5,) * 3)(grey).shape == (3, 2, 2)
