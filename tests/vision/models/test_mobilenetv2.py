import pytest

import rushlight
from rushlight.vision.models import MobileNetV2
from rushlight.vision.models.mobilenetv2 import InvertedResidual


def test_width():
    model = MobileNetV2(num_classes=3, width_mult=0.5)
    assert model.features[0].out_channels == 16
    assert model.last_channel == 1280
    assert model.classifier[1].out_features == 3
    assert MobileNetV2(width_mult=1.4).last_channel == 1792


def test_own_setting():
    model = MobileNetV2(inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2]])
    assert len(model.features) == 5
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 1000)


def test_block_adds_its_input_where_the_shapes_are_the_same():
    assert InvertedResidual(8, 8, 1, 2).use_res_connect
    assert not InvertedResidual(8, 8, 2, 2).use_res_connect
    assert not InvertedResidual(8, 16, 1, 2).use_res_connect
    assert len(InvertedResidual(8, 8, 1, 1).conv) == 3


def test_rejects():
    with pytest.raises(ValueError, match="stride should be 1 or 2 instead of 3"):
        InvertedResidual(8, 8, 3, 1)
    with pytest.raises(ValueError, match="4-element list, got"):
        MobileNetV2(inverted_residual_setting=[[1, 2]])
    with pytest.raises(ValueError, match="non-empty"):
        MobileNetV2(inverted_residual_setting=[])
