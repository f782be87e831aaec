import pytest

import rushlight
from rushlight.vision.transforms import InterpolationMode
from rushlight.vision.transforms._presets import ImageClassification

Image = pytest.importorskip("PIL.Image")


def test_a_tensor_of_one_colour():
    preset = ImageClassification(crop_size=8, resize_size=10)
    image = rushlight.full((2, 3, 20, 30), 51, dtype=rushlight.uint8)
    y = preset(image)
    assert y.shape == (2, 3, 8, 8)
    expected = [(0.2 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    assert y[0, :, 0, 0].tolist() == pytest.approx(expected, rel=1e-5)


def test_the_middle_of_a_pillow_image():
    image = Image.new("RGB", (40, 20), (255, 0, 0))
    image.paste((0, 255, 0), (15, 5, 25, 15))
    preset = ImageClassification(
        crop_size=10, resize_size=20, mean=(0, 0, 0), std=(1, 1, 1),
        interpolation=InterpolationMode.NEAREST,
    )  # fmt: skip
    y = preset(image)
    assert y.mean((1, 2)).tolist() == [0, 1, 0]


def test_says_what_it_does():
    preset = ImageClassification(crop_size=224)
    assert "resize_size=[256]" in repr(preset)
    assert "cut to the middle [224]" in preset.describe()
