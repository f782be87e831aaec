import pytest

import rushlight
from rushlight import nn
from rushlight.vision.models import _utils, resnet18


@pytest.mark.parametrize(
    "value, divisor, least, expected",
    [(32, 8, None, 32), (11, 8, None, 16), (12, 8, None, 16), (3, 8, None, 8), (3, 8, 16, 16),
     (33.6, 8, None, 32), (35.9, 8, None, 40), (19, 8, None, 24)],
)  # fmt: skip
def test_make_divisible(value, divisor, least, expected):
    assert _utils._make_divisible(value, divisor, least) == expected


class TestFill:
    def model(self):
        model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 2))
        with rushlight.no_grad():
            for p in model.parameters():
                p.fill_(7)
        return model

    def values(self, model):
        return {name: p.unique().tolist() for name, p in model.named_parameters()}

    def test_all(self):
        model = self.model()
        _utils.fill(model, conv=lambda w: nn.init.constant_(w, 2), linear=nn.init.ones_)
        assert self.values(model) == {
            "0.weight": [2], "0.bias": [0], "1.weight": [1], "1.bias": [0], "2.weight": [1], "2.bias": [0],
        }  # fmt: skip

    def test_some_stay(self):
        model = self.model()
        _utils.fill(model, conv=nn.init.ones_, conv_bias=False)
        assert self.values(model) == {
            "0.weight": [1], "0.bias": [7], "1.weight": [1], "1.bias": [0], "2.weight": [7], "2.bias": [7],
        }  # fmt: skip

    def test_truncated(self):
        model = self.model()
        model[2].stddev = 1e-6
        _utils.fill_truncated(model, 0.5)
        assert 0.0 < model[0].weight.abs().max().item() <= 2
        assert 0.0 < model[2].weight.abs().max().item() < 1e-4
        assert self.values(model)["1.weight"] == [1]
        assert self.values(model)["2.bias"] == [7]


def test_from_minus_one_to_one():
    mean = rushlight.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = rushlight.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    image = rushlight.rand(2, 3, 4, 4)
    y = _utils.from_minus_one_to_one((image - mean) / std)
    assert bool(((y - (image - 0.5) / 0.5).abs() < 1e-5).all())


class TestIntermediateLayerGetter:
    def test_gives_the_layers_by_their_new_names(self):
        model = resnet18().eval()
        body = _utils.IntermediateLayerGetter(model, {"layer2": "b", "layer1": "a"})
        assert list(body) == ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2"]
        x = rushlight.randn(1, 3, 32, 32)
        found = body(x)
        assert list(found) == ["a", "b"]
        expected = model.layer1(model.maxpool(model.relu(model.bn1(model.conv1(x)))))
        assert bool((found["a"] == expected).all())
        assert body.layer1 is model.layer1

    def test_unknown_layer(self):
        with pytest.raises(ValueError, match="not present in model: layer9; it has conv1"):
            _utils.IntermediateLayerGetter(resnet18(), {"layer9": "a"})
