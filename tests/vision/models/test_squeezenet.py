import pytest

import rushlight
from rushlight.vision.models import SqueezeNet
from rushlight.vision.models.squeezenet import Fire


def test_fire_joins_two_sizes():
    assert Fire(8, 2, 3, 4)(rushlight.zeros(1, 8, 5, 5)).shape == (1, 7, 5, 5)


@pytest.mark.parametrize("version, size", [("1_0", 21), ("1_1", 17)])
def test_smallest_image(version, size):
    model = SqueezeNet(version, num_classes=4)
    assert model(rushlight.zeros(1, 3, size, size)).shape == (1, 4)


def test_first_values_of_the_last_layer_are_small():
    rushlight.manual_seed(0)
    model = SqueezeNet()
    assert model.classifier[1].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert model.features[0].bias.abs().max().item() == 0


def test_unknown_version():
    with pytest.raises(ValueError, match="Unsupported SqueezeNet version 2_0: 1_0 or 1_1 expected"):
        SqueezeNet("2_0")
