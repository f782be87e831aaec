"""How long is a pass of MNIST's size through a DataLoader, from tensors and from a dataset's samples?"""

import numpy as np

IMAGES = 60_000


class Samples:
    """Images that are read one by one, each with its label."""

    def __init__(self, images, labels):
        self.images = images
        self.labels = labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


def cases(torch):
    data = torch.utils.data
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.random((IMAGES, 1, 28, 28), np.float32))
    labels = torch.from_numpy(random.integers(0, 10, IMAGES))
    tensors = data.TensorDataset(images, labels)
    few = Samples(list(images[:6400]), labels[:6400].tolist())
    return {
        "MNIST pass, TensorDataset, batch 64": one_pass(data.DataLoader(tensors, 64, shuffle=True)),
        "MNIST pass, TensorDataset, 2 workers": one_pass(
            data.DataLoader(tensors, 64, shuffle=True, num_workers=2)
        ),
        "100 batches of samples": one_pass(data.DataLoader(few, 64)),
        "100 batches of samples, 2 workers": one_pass(data.DataLoader(few, 64, num_workers=2)),
        "100 batches, 2 workers that stay": one_pass(
            data.DataLoader(few, 64, num_workers=2, persistent_workers=True)
        ),
    }


def one_pass(loader):
    def run():
        for _ in loader:
            pass

    return run
