import pytest

import rushlight
from rushlight import nn
from rushlight.vision.models import EfficientNet, efficientnet
from rushlight.vision.models.efficientnet import (
    FusedMBConv,
    FusedMBConvConfig,
    MBConv,
    MBConvConfig,
)


def test_settings_grow():
    cnf = MBConvConfig(6, 3, 2, 16, 24, 2, width_mult=2.0, depth_mult=3.1)
    assert (cnf.input_channels, cnf.out_channels, cnf.num_layers) == (32, 48, 7)
    assert cnf.block is MBConv
    assert FusedMBConvConfig(1, 3, 1, 24, 24, 2).block is FusedMBConv


def test_structure():
    setting = [FusedMBConvConfig(4, 3, 1, 8, 8, 2), MBConvConfig(6, 3, 2, 8, 16, 2)]
    model = EfficientNet(setting, dropout=0.3, stochastic_depth_prob=0.4, num_classes=3)
    blocks = [block for stage in model.features[1:3] for block in stage]
    assert [type(block) for block in blocks] == [FusedMBConv, FusedMBConv, MBConv, MBConv]
    assert [block.stochastic_depth.p for block in blocks] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [block.use_res_connect for block in blocks] == [True, True, False, True]
    assert blocks[2].block[2].fc1.out_channels == 2
    assert model.classifier[1].in_features == 64
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 3)
    assert setting[1].input_channels == 8
    assert setting[1].stride == 2


def test_larger_ones_have_another_norm():
    seen = {}

    def norm(channels):
        seen["channels"] = channels
        return nn.Identity()

    model = efficientnet.efficientnet_b0(num_classes=2, norm_layer=norm, dropout=0.5)
    assert seen["channels"] == 1280
    assert model.classifier[0].p == 0.5
    assert efficientnet._LARGE["norm_layer"](4).eps == 0.001


def test_rejects():
    with pytest.raises(ValueError, match="should not be empty"):
        EfficientNet([], 0.2)
    with pytest.raises(TypeError, match=r"List\[MBConvConfig\], got \[1\]"):
        EfficientNet([1], 0.2)
    with pytest.raises(ValueError, match="illegal stride value 3"):
        MBConv(MBConvConfig(6, 3, 3, 8, 8, 1), 0.0, nn.BatchNorm2d)
