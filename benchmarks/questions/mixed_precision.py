"""How much faster is a step of ResNet-18 whose convolutions run in bfloat16 under autocast?

The answer to compare is that of the same framework in float32, which stands beside it.
"""

from .resnet18 import resnet18
from .training import random_batch


def cases(torch):
    inputs, labels = random_batch(torch, 32, 3, 32, 32)
    return {
        "ResNet-18 step in float32": training_step(torch, inputs, labels, False),
        "ResNet-18 step, bfloat16 autocast": training_step(torch, inputs, labels, True),
    }


def training_step(torch, inputs, labels, lower):
    torch.manual_seed(0)
    model = resnet18(torch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=lower):
            loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()

    return step
