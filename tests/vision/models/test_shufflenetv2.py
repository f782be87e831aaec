import pytest

import rushlight
from rushlight.vision.models import ShuffleNetV2
from rushlight.vision.models.shufflenetv2 import InvertedResidual, channel_shuffle


def test_channel_shuffle():
    x = rushlight.arange(12).view(1, 6, 1, 2)
    assert channel_shuffle(x, 3)[0, :, 0, 0].tolist() == [0, 4, 8, 2, 6, 10]


def test_half_of_the_channels_pass_by():
    x = rushlight.randn(2, 4, 5, 5)
    y = InvertedResidual(4, 4, 1)(x)
    assert bool((y[:, 0] == x[:, 0]).all())
    assert bool((y[:, 2] == x[:, 1]).all())


def test_stride():
    assert InvertedResidual(4, 8, 2)(rushlight.zeros(1, 4, 6, 6)).shape == (1, 8, 3, 3)
    assert len(InvertedResidual(4, 4, 1).branch1) == 0


def test_structure():
    model = ShuffleNetV2([1, 1, 1], [8, 16, 32, 64, 128], num_classes=3)
    assert [name for name, _ in model.named_children()] == [
        "conv1", "maxpool", "stage2", "stage3", "stage4", "conv5", "fc",
    ]  # fmt: skip
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_rejects():
    with pytest.raises(ValueError, match="illegal stride value 4"):
        InvertedResidual(4, 4, 4)
    with pytest.raises(ValueError, match="inp 4 and oup 8: at stride 1, inp is 8"):
        InvertedResidual(4, 8, 1)
    with pytest.raises(ValueError, match="list of 3 ints"):
        ShuffleNetV2([1], [8, 16, 32, 64, 128])
    with pytest.raises(ValueError, match="list of 5 ints"):
        ShuffleNetV2([1, 1, 1], [8])
