import pytest

import rushlight
from rushlight import nn
from rushlight.vision.models import ResNet, resnet18, resnet50, resnext50_32x4d, wide_resnet50_2
from rushlight.vision.models.resnet import BasicBlock, Bottleneck, conv1x1


def test_structure():
    model = resnet18(num_classes=10)
    assert [name for name, _ in model.named_children()] == [
        "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc",
    ]  # fmt: skip
    assert model.fc.out_features == 10
    assert model.layer1[0].downsample is None
    assert model.layer2[0].downsample[0].stride == (2, 2)


def test_a_new_head_and_a_new_first_layer():
    model = resnet18()
    model.fc = nn.Linear(model.fc.in_features, 3)
    model.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    assert model(rushlight.zeros(2, 1, 32, 32)).shape == (2, 3)


def test_widths():
    assert resnext50_32x4d().layer1[0].conv2.weight.shape == (128, 4, 3, 3)
    assert wide_resnet50_2().layer1[0].conv2.weight.shape == (128, 128, 3, 3)


def test_zero_init_residual():
    for block, norm in ((BasicBlock, "bn2"), (Bottleneck, "bn3")):
        model = ResNet(block, [1, 1, 1, 1], zero_init_residual=True)
        assert model.layer3[0].get_submodule(norm).weight.abs().sum().item() == 0
        assert model.layer3[0].bn1.weight.sum().item() > 0


def test_dilation_keeps_the_size():
    model = resnet50(replace_stride_with_dilation=[False, True, True])
    x = rushlight.zeros(1, 512, 8, 8)
    assert model.layer4(model.layer3(x)).shape == (1, 2048, 8, 8)
    assert model.layer3[0].conv2.dilation == (1, 1)
    assert model.layer3[1].conv2.dilation == (2, 2)
    assert model.layer4[1].conv2.dilation == (4, 4)


def test_another_norm():
    model = ResNet(BasicBlock, [1, 1, 1, 1], norm_layer=nn.Identity)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_a_block_adds_its_input():
    block = BasicBlock(4, 4).eval()
    nn.init.zeros_(block.bn2.weight)
    x = rushlight.randn(1, 4, 5, 5)
    assert bool((block(x) == x.relu()).all())
    block = BasicBlock(4, 6, stride=2, downsample=conv1x1(4, 6, 2))
    assert block(x).shape == (1, 6, 3, 3)


def test_rejects():
    with pytest.raises(ValueError, match=r"3-element tuple, got \[True\]"):
        resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="groups=1 and base_width=64"):
        resnet18(groups=2)
    with pytest.raises(NotImplementedError, match="Dilation > 1"):
        resnet18(replace_stride_with_dilation=[False, False, True])
