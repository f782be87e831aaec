"""How long is a step of ResNet-18 for 32x32 images, where convolutions are nearly everything?"""

from .training import random_batch, training_step


def resnet18(torch):
    """Returns ResNet-18 for 32x32 images and 10 classes."""
    nn, F = torch.nn, torch.nn.functional

    class BasicBlock(nn.Module):
        def __init__(self, channels_in, channels, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.shortcut = nn.Sequential()
            if stride != 1 or channels_in != channels:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(channels_in, channels, 1, stride, bias=False),
                    nn.BatchNorm2d(channels),
                )

        def forward(self, x):
            y = F.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            return F.relu(y + self.shortcut(x))

    class ResNet18(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.layer1 = self.stage(64, 64, 1)
            self.layer2 = self.stage(64, 128, 2)
            self.layer3 = self.stage(128, 256, 2)
            self.layer4 = self.stage(256, 512, 2)
            self.linear = nn.Linear(512, 10)

        def stage(self, channels_in, channels, stride):
            return nn.Sequential(
                BasicBlock(channels_in, channels, stride),
                BasicBlock(channels, channels, 1),
            )

        def forward(self, x):  # (N, 3, 32, 32)
            x = F.relu(self.bn1(self.conv1(x)))  # (N, 64, 32, 32)
            x = self.layer1(x)  # (N, 64, 32, 32)
            x = self.layer2(x)  # (N, 128, 16, 16)
            x = self.layer3(x)  # (N, 256, 8, 8)
            x = self.layer4(x)  # (N, 512, 4, 4)
            x = F.avg_pool2d(x, 4).view(x.size(0), -1)  # (N, 512)
            return self.linear(x)  # (N, 10)

    return ResNet18()


def cases(torch):
    torch.manual_seed(0)
    model = resnet18(torch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    inputs, labels = random_batch(torch, 32, 3, 32, 32)
    step = training_step(torch, model, optimizer, inputs, labels)
    return {"ResNet-18 3x32x32, batch 32, SGD momentum": step}
