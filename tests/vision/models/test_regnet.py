import pytest

import rushlight
from rushlight import nn
from rushlight.vision.models.regnet import BlockParams, RegNet, ResBottleneckBlock


@pytest.mark.parametrize(
    "settings, depths, widths, groups",
    [
        # The paper's tables of X-400MF, Y-8GF and X-32GF.
        ((22, 24, 24.48, 2.54, 16), [1, 2, 7, 12], [32, 64, 160, 400], [16] * 4),
        ((17, 192, 76.82, 2.19, 56), [2, 4, 10, 1], [224, 448, 896, 2016], [56] * 4),
        ((23, 320, 69.86, 2.0, 168), [2, 7, 13, 1], [336, 672, 1344, 2520], [168] * 4),
    ],
)
def test_widths_by_the_paper(settings, depths, widths, groups):
    params = BlockParams.from_init_params(*settings)
    assert params.depths == depths
    assert params.widths == widths
    assert params.group_widths == groups
    assert params.strides == [2, 2, 2, 2]


def test_structure():
    params = BlockParams([1, 2], [8, 16], [4, 8], [1.0, 1.0], [2, 2], se_ratio=0.25)
    model = RegNet(params, num_classes=3, stem_width=8)
    assert list(dict(model.trunk_output.block2.named_children())) == ["block2-0", "block2-1"]
    block = model.trunk_output.block2[0]
    assert list(dict(block.f.named_children())) == ["a", "b", "se", "c"]
    assert block.f.se.fc1.out_channels == 2
    assert block.f.b[0].groups == 2
    assert model.trunk_output.block2[1].proj is None
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_without_squeeze():
    block = ResBottleneckBlock(8, 8, 1, nn.BatchNorm2d, nn.ReLU, group_width=4)
    assert list(dict(block.named_children())) == ["f", "activation"]
    assert "se" not in dict(block.f.named_children())


@pytest.mark.parametrize("settings", [(8, 24, -1, 2, 8), (8, 20, 1, 2, 8), (8, 24, 1, 1, 8)])
def test_rejects(settings):
    with pytest.raises(ValueError, match="Invalid RegNet settings"):
        BlockParams.from_init_params(*settings)
