import rushlight
from rushlight.vision.models import DenseNet
from rushlight.vision.models.densenet import _DenseLayer, _renamed, _Transition


def tiny(**settings):
    return DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, **settings)


def test_structure():
    model = tiny(num_classes=3)
    assert list(dict(model.features.named_children())) == [
        "conv0", "norm0", "relu0", "pool0", "denseblock1", "transition1", "denseblock2", "norm5",
    ]  # fmt: skip
    assert model.classifier.in_features == 16
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 3)
    assert bool((model.classifier.bias == 0).all())


def test_a_layer_takes_one_tensor_or_several():
    layer = _DenseLayer(6, 4, 2, 0.0).eval()
    x = rushlight.randn(1, 6, 3, 3)
    assert bool((layer(x) == layer([x[:, :2], x[:, 2:]])).all())


def test_dropout_only_while_training():
    rushlight.manual_seed(0)
    layer = _DenseLayer(4, 4, 2, 0.5)
    x = rushlight.randn(2, 4, 8, 8)
    assert 0.3 < (layer(x) == 0).float().mean().item() < 0.7
    assert not bool((layer.eval()(x) == 0).any())


def test_transition_halves_the_size():
    assert _Transition(8, 4)(rushlight.zeros(1, 8, 6, 6)).shape == (1, 4, 3, 3)


def test_names_of_published_weights():
    keys = list(tiny().state_dict())
    published = [key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.") for key in keys]
    assert published != keys
    assert list(_renamed(dict.fromkeys(published))) == keys
    assert list(_renamed(dict.fromkeys(keys))) == keys
