"""How long is a step of the smallest model, where the framework's own cost counts most?"""

from .training import random_batch, training_step


def cases(torch):
    torch.manual_seed(0)
    model = torch.nn.Linear(784, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, labels = random_batch(torch, 100, 784)
    step = training_step(torch, model, optimizer, inputs, labels)
    return {"softmax regression 784-10, batch 100, SGD": step}
