import pytest

import rushlight
from rushlight import nn
from rushlight.vision.models import MobileNetV3, mobilenet, mobilenet_v3_small, mobilenetv3
from rushlight.vision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig


def test_settings_of_the_tail():
    setting, last = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_large")
    assert (setting[-1].expanded_channels, setting[-1].out_channels, last) == (960, 160, 1280)
    setting, last = mobilenetv3._mobilenet_v3_conf(
        "mobilenet_v3_large", reduced_tail=True, dilated=True
    )
    assert (setting[-1].expanded_channels, setting[-1].out_channels, last) == (480, 80, 640)
    assert (setting[-3].expanded_channels, setting[-3].out_channels) == (672, 80)
    assert [cnf.dilation for cnf in setting[-4:]] == [1, 2, 2, 2]


def test_builder_takes_the_settings():
    model = mobilenet_v3_small(num_classes=4, width_mult=0.5, reduced_tail=True, dilated=True)
    assert model.classifier[3].out_features == 4
    assert model.features(rushlight.zeros(1, 3, 32, 32)).shape[2:] == (2, 2)
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_block():
    cnf = InvertedResidualConfig(16, 5, 64, 16, True, "HS", 1, 1, 1.0)
    block = InvertedResidual(cnf, nn.BatchNorm2d)
    assert block.use_res_connect
    assert isinstance(block.block[0][2], nn.Hardswish)
    assert block.block[2].fc1.out_channels == 16
    assert block(rushlight.zeros(2, 16, 4, 4)).shape == (2, 16, 4, 4)


def test_both_versions_in_one_module():
    assert mobilenet.MobileNetV3 is MobileNetV3
    assert "mobilenet_v2" in mobilenet.__all__


def test_rejects():
    with pytest.raises(ValueError, match="illegal stride value 4"):
        InvertedResidual(InvertedResidualConfig(8, 3, 8, 8, False, "RE", 4, 1, 1.0), nn.BatchNorm2d)
    with pytest.raises(ValueError, match="should not be empty"):
        MobileNetV3([], 10)
    with pytest.raises(TypeError, match="got int"):
        MobileNetV3([1, 2], 10)
