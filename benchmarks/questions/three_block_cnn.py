"""How long is a step of three blocks of convolution, ReLU and pooling, under Adam?"""

from .training import random_batch, training_step


def cases(torch):
    nn = torch.nn

    def block(channels_in, channels_out):
        return nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, 1, 1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    class ThreeBlocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = block(3, 32)
            self.conv2 = block(32, 64)
            self.conv3 = block(64, 64)
            self.dense = nn.Sequential(
                nn.Linear(64 * 3 * 3, 128),
                nn.ReLU(),
                nn.Linear(128, 10),
            )

        def forward(self, x):  # (N, 3, 28, 28)
            x = self.conv1(x)  # (N, 32, 14, 14)
            x = self.conv2(x)  # (N, 64, 7, 7)
            x = self.conv3(x)  # (N, 64, 3, 3)
            return self.dense(x.view(x.size(0), -1))  # (N, 10)

    torch.manual_seed(0)
    model = ThreeBlocks()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    inputs, labels = random_batch(torch, 64, 3, 28, 28)
    step = training_step(torch, model, optimizer, inputs, labels)
    return {"three-block CNN 3x28x28, batch 64, Adam": step}
