import pytest

import rushlight
from rushlight.vision.models import GoogLeNet, GoogLeNetOutputs
from rushlight.vision.models.googlenet import Inception, _pretrained


def test_block_joins_four_branches():
    assert Inception(8, 1, 2, 3, 4, 5, 6)(rushlight.zeros(1, 8, 4, 4)).shape == (1, 15, 4, 4)


def test_three_results_while_training():
    model = GoogLeNet(num_classes=4)
    results = model(rushlight.zeros(2, 3, 32, 32))
    assert type(results) is GoogLeNetOutputs
    assert results._fields == ("logits", "aux_logits2", "aux_logits1")
    assert [y.shape for y in results] == [(2, 4)] * 3
    assert model.eval()(rushlight.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_one_result_without_aux_logits():
    model = GoogLeNet(num_classes=4, aux_logits=False)
    assert model.aux1 is None
    assert model(rushlight.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_transform_input_changes_the_images():
    rushlight.manual_seed(0)
    model = GoogLeNet(num_classes=4, aux_logits=False).eval()
    x = rushlight.randn(1, 3, 32, 32)
    seen = []
    model.conv1.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(x)
    model.transform_input = True
    model(x)
    assert bool((seen[0] == x).all())
    expected = (x[:, 1] * 0.224 + 0.456 - 0.5) / 0.5
    assert bool(((seen[1][:, 1] - expected).abs() < 1e-5).all())


def test_with_weights_the_classifiers_half_way_are_left_out():
    loaded = []

    def load(model):
        loaded.append(list(dict(model.named_children())))
        return model

    model = _pretrained(load, num_classes=4)
    assert "aux1" in loaded[0]
    assert "aux1" not in dict(model.named_children())
    assert (model.aux_logits, model.aux2, model.transform_input) == (False, None, True)


def test_with_weights_the_classifiers_half_way_stay_if_asked_for():
    with pytest.warns(UserWarning, match="not trained yet"):
        model = _pretrained(lambda model: model, aux_logits=True, transform_input=False)
    assert model.aux_logits
    assert model.aux2 is not None
    assert not model.transform_input


def test_own_blocks():
    with pytest.raises(ValueError, match="blocks length should be 3 instead of 1"):
        GoogLeNet(blocks=[Inception])
