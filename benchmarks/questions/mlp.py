"""How long is a step of a small multilayer perceptron under Adam, with its six parameters?"""

from .training import random_batch, training_step


def cases(torch):
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    inputs, labels = random_batch(torch, 128, 784)
    step = training_step(torch, model, optimizer, inputs, labels)
    return {"MLP 784-256-256-10, batch 128, Adam": step}
