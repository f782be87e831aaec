"""LeNet, the network of every first lesson; it is not one of torchvision's."""

from __future__ import annotations

from ... import nn
from ...nn import functional as F
from ...tensor import Tensor

__all__ = ["LeNet"]


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling.

    Args:
        num_classes: the number of classes.
        in_channels: 3 for colour images of 32x32; 1 for grey ones of 28x28, which are padded by 2.

    Shape:
        ``(N, 3, 32, 32)`` or ``(N, 1, 28, 28)`` to ``(N, num_classes)``.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".

    >>> LeNet()(rushlight.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    >>> LeNet(in_channels=1)(rushlight.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2 if in_channels == 1 else 0)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = F.relu(self.fc1(x.flatten(1)))  # (N, 120)
        x = F.relu(self.fc2(x))  # (N, 84)
        return self.fc3(x)
