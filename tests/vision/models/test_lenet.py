import pytest

import rushlight
from rushlight.vision.models import LeNet


@pytest.mark.parametrize("channels, size", [(1, 28), (3, 32)])
def test_shapes(channels, size):
    model = LeNet(num_classes=7, in_channels=channels)
    assert model(rushlight.zeros(2, channels, size, size)).shape == (2, 7)


def test_keys():
    assert [name for name, _ in LeNet().named_children()] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    assert sum(p.numel() for p in LeNet().parameters()) == 62006


def test_learns_to_tell_bright_from_dark():
    rushlight.manual_seed(0)
    labels = rushlight.arange(32) % 2
    images = rushlight.randn(32, 1, 28, 28) + labels.view(-1, 1, 1, 1)
    model = LeNet(2, in_channels=1)
    optimizer = rushlight.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        rushlight.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert (model(images).argmax(1) == labels).float().mean().item() == 1.0
