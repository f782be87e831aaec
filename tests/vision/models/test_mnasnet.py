import pytest

import rushlight
from rushlight.vision.models import MNASNet
from rushlight.vision.models.mnasnet import _InvertedResidual


def test_structure():
    model = MNASNet(0.5, num_classes=3, dropout=0.4)
    assert (model.layers[0].out_channels, model.layers[6].out_channels) == (16, 8)
    assert [len(model.layers[i]) for i in range(8, 14)] == [3, 3, 3, 2, 4, 1]
    assert model.classifier[0].p == 0.4
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_statistics_move_slowly():
    assert MNASNet(0.5).layers[1].momentum == pytest.approx(0.0003)


def test_files_say_the_version_that_torchvision_takes():
    assert MNASNet(0.5).state_dict()._metadata[""]["version"] == 2


def test_rejects():
    with pytest.raises(ValueError, match="alpha should be greater than 0.0 instead of 0"):
        MNASNet(0)
    with pytest.raises(ValueError, match="stride should be 1 or 2 instead of 3"):
        _InvertedResidual(8, 8, 3, 3, 6)
    with pytest.raises(ValueError, match="kernel_size should be 3 or 5 instead of 7"):
        _InvertedResidual(8, 8, 7, 1, 6)
