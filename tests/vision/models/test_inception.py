import pytest

import rushlight
from rushlight.vision.models import Inception3, InceptionOutputs, inception
from rushlight.vision.models.inception import (
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)


@pytest.mark.parametrize(
    "block, channels, size",
    [
        (InceptionA(8, 3), 227, 9),
        (InceptionB(8), 488, 4),
        (InceptionC(8, 16), 768, 9),
        (InceptionD(8), 520, 4),
        (InceptionE(8), 2048, 9),
    ],
)
def test_blocks(block, channels, size):
    assert block(rushlight.zeros(1, 8, 9, 9)).shape == (1, channels, size, size)


def test_results():
    model = Inception3(num_classes=4)
    results = model(rushlight.zeros(2, 3, 299, 299))
    assert type(results) is InceptionOutputs
    assert [y.shape for y in results] == [(2, 4)] * 2
    model.eval()
    assert model(rushlight.zeros(1, 3, 75, 75)).shape == (1, 4)
    model.AuxLogits, model.aux_logits = None, False
    model.train()
    assert model(rushlight.zeros(2, 3, 75, 80)).shape == (2, 4)


def test_images_that_are_too_small():
    model = Inception3(num_classes=4)
    with pytest.raises(RuntimeError, match="299x299 while training with aux_logits, but got"):
        model(rushlight.zeros(2, 3, 224, 224))
    with pytest.raises(RuntimeError, match=r"75x75, but got \(2, 3, 74, 80\)"):
        model.eval()(rushlight.zeros(2, 3, 74, 80))


def test_with_weights_the_classifier_half_way_stays_unless_refused():
    model = inception._pretrained(lambda model: model, num_classes=4)
    assert model.aux_logits
    assert model.transform_input
    model = inception._pretrained(lambda model: model, num_classes=4, aux_logits=False)
    assert model.AuxLogits is None
    assert not model.aux_logits


def test_own_blocks():
    with pytest.raises(ValueError, match="should be 7 instead of 1"):
        Inception3(inception_blocks=[InceptionA])
