import pytest

import rushlight
from rushlight import nn
from rushlight.vision.models import VGG16_Weights, vgg
from rushlight.vision.models.vgg import cfgs, make_layers


@pytest.mark.parametrize("letter, layers", [("A", 8), ("B", 10), ("D", 13), ("E", 16)])
def test_number_of_convolutions(letter, layers):
    features = make_layers(cfgs[letter], batch_norm=True)
    kinds = [type(layer) for layer in features]
    assert kinds.count(nn.Conv2d) == kinds.count(nn.BatchNorm2d) == layers
    assert kinds.count(nn.MaxPool2d) == 5
    assert features(rushlight.zeros(1, 3, 32, 32)).shape == (1, 512, 1, 1)


class SmallLinear(nn.Linear):
    """The three linear layers are most of a VGG; these tests are not about them."""

    def __init__(self, inputs, outputs):
        super().__init__(1, 1)


@pytest.fixture
def small_head(monkeypatch):
    monkeypatch.setattr(nn, "Linear", SmallLinear)


def test_weights_spare_the_drawing_of_first_values(small_head):
    seen = []
    vgg._pretrained(seen.append, "A", False)
    rushlight.manual_seed(0)
    left = vgg._vgg("A", False, init_weights=False)
    rushlight.manual_seed(0)
    drawn = vgg._vgg("A", False)
    assert bool((left.features[0].bias != 0).any())
    assert bool((seen[0].features[0].bias != 0).any())
    assert bool((drawn.features[0].bias == 0).all())


def test_weights_of_the_features_have_their_own_mean():
    settings = VGG16_Weights.IMAGENET1K_FEATURES.transforms.keywords
    assert settings["mean"] == (0.48235, 0.45882, 0.40784)
