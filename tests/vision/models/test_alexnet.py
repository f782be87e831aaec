import rushlight
from rushlight.vision.models import AlexNet


def test_structure():
    model = AlexNet(num_classes=5, dropout=0.1)
    assert [name for name, _ in model.named_children()] == ["features", "avgpool", "classifier"]
    assert model.classifier[0].p == 0.1
    assert model.classifier[6].out_features == 5
    assert model.features[10].weight.shape == (256, 256, 3, 3)
    assert model.features(rushlight.zeros(1, 3, 63, 63)).shape == (1, 256, 1, 1)
