"""How long is a step of LeNet on colour images of 32x32, the network of every first tutorial?"""

from .training import random_batch, training_step


def cases(torch):
    nn, F = torch.nn, torch.nn.functional

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x):  # (N, 3, 32, 32)
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
            x = x.view(-1, 16 * 5 * 5)
            x = F.relu(self.fc1(x))
            x = F.relu(self.fc2(x))
            return self.fc3(x)  # (N, 10)

    torch.manual_seed(0)
    model = LeNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    inputs, labels = random_batch(torch, 64, 3, 32, 32)
    step = training_step(torch, model, optimizer, inputs, labels)
    return {"LeNet 3x32x32, batch 64, SGD momentum": step}
