import numpy as np
import pytest

import rushlight
from rushlight import nn
from rushlight.vision.ops import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    Permute,
    SqueezeExcitation,
)


class TestConvNormActivation:
    def test_has_three_parts_and_keeps_the_size(self):
        layer = Conv2dNormActivation(3, 8, 5)
        assert [type(part) for part in layer] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
        assert layer[0].bias is None
        assert layer[2].inplace
        assert layer.out_channels == 8
        assert layer(rushlight.zeros(2, 3, 7, 6)).shape == (2, 8, 7, 6)

    def test_without_norm_it_has_a_bias(self):
        layer = Conv2dNormActivation(3, 8, norm_layer=None, activation_layer=None)
        assert len(layer) == 1
        assert layer[0].bias is not None

    @pytest.mark.parametrize(
        "kernel, dilation, padding",
        [(3, 2, (2, 2)), ((1, 7), 1, (0, 3)), (3, (1, 2), (1, 2)), ((5, 3), (2, 1), (4, 1))],
    )
    def test_padding_follows_kernel_and_dilation(self, kernel, dilation, padding):
        layer = Conv2dNormActivation(1, 1, kernel, dilation=dilation)
        assert layer[0].padding == padding
        assert layer(rushlight.zeros(1, 1, 9, 9)).shape == (1, 1, 9, 9)

    def test_given_padding_stays(self):
        assert Conv2dNormActivation(1, 1, 3, padding=0)[0].padding == (0, 0)

    def test_an_activation_that_takes_no_inplace(self):
        layer = Conv2dNormActivation(1, 1, activation_layer=nn.Sigmoid, inplace=None)
        assert isinstance(layer[2], nn.Sigmoid)

    def test_three_dimensions(self):
        layer = Conv3dNormActivation(1, 2, stride=2)
        assert layer(rushlight.zeros(1, 1, 4, 4, 4)).shape == (1, 2, 2, 2, 2)


class TestSqueezeExcitation:
    def test_scales_each_channel_by_its_mean(self):
        layer = SqueezeExcitation(2, 1)
        with rushlight.no_grad():
            layer.fc1.weight.fill_(1)
            layer.fc1.bias.zero_()
            layer.fc2.weight.copy_(rushlight.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            layer.fc2.bias.zero_()
        x = rushlight.tensor([1.0, 3.0, 0.0, 2.0]).view(1, 2, 1, 2)  # the means are 2 and 1
        scale = 1 / (1 + np.exp(-np.array([3.0, -3.0])))
        expected = np.array([1.0, 3.0, 0.0, 2.0]).reshape(1, 2, 1, 2) * scale.reshape(1, 2, 1, 1)
        np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-6)

    def test_names(self):
        layer = SqueezeExcitation(4, 2, activation=nn.SiLU, scale_activation=nn.Hardsigmoid)
        assert [name for name, _ in layer.named_children()] == [
            "avgpool", "fc1", "fc2", "activation", "scale_activation",
        ]  # fmt: skip
        assert isinstance(layer.scale_activation, nn.Hardsigmoid)


class TestMLP:
    def test_parts(self):
        layer = MLP(4, [8, 8, 2], norm_layer=nn.BatchNorm1d, inplace=True, dropout=0.1)
        unit = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout]
        assert [type(part) for part in layer] == unit + unit + [nn.Linear, nn.Dropout]
        assert layer[3].p == 0.1
        assert layer[3].inplace and layer[2].inplace
        assert layer(rushlight.zeros(3, 4)).shape == (3, 2)


def test_permute():
    x = rushlight.arange(6).view(1, 2, 3)
    assert Permute([2, 0, 1])(x).tolist() == [[[0, 3]], [[1, 4]], [[2, 5]]]
