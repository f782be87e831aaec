"""Gradient accumulation: the gradient of a large batch from several small ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

__all__ = ["accumulate"]


class accumulate:
    """Groups the batches of a loader, each with the weight that its loss has in its group.

    A loop over the groups makes the steps, a loop inside adds up the gradients. What belongs to a step
    (clearing gradients, clipping them, the optimizer, a schedule) stands in the outer loop, so it happens
    once for each group. The loss of each batch is a mean over the batch; times its weight, all of a group
    add up to the mean over the group. The weights are right where batches differ in size and where the
    last group is not full: they are each batch's part of the samples in its group, and sum to 1.

    Batch norm still sees small batches: its means and variances are not those of a large one.

    Args:
        loader: gives batches, once for each loop over the groups, as a ``DataLoader`` does.
        steps: how many batches make a group; the last group has what is left.
        size: how much a batch counts; by default the length of its first tensor. Where the loss is a mean
            over something else, this says over what: ``lambda batch: (batch["labels"] != -100).sum()`` for
            the tokens that a language model predicts, ``lambda batch: weight[batch[1]].sum()`` for a cross
            entropy with ``weight``.

    Raises:
        TypeError: a batch has no tensor, and no ``size`` was given.
        ValueError: ``steps`` is less than 1, or a size is negative, or all sizes of a group are 0.

    >>> data = rushlight.utils.data.TensorDataset(rushlight.arange(10.0), rushlight.ones(10))
    >>> loader = rushlight.utils.data.DataLoader(data, batch_size=4)      # batches of 4, 4 and 2 samples
    >>> w = rushlight.zeros(1, requires_grad=True)
    >>> optimizer = rushlight.optim.SGD([w], lr=0.1)
    >>> for group in accumulate(loader, steps=3):
    ...     optimizer.zero_grad()
    ...     for (x, y), weight in group:
    ...         loss = ((w * x - y) ** 2).mean()
    ...         (loss * weight).backward()
    ...     optimizer.step()
    >>> w.grad                                        # as of one batch of all ten: -2 * mean(x * y)
    tensor([-9.])
    >>> [weight for _, weight in group]
    [0.4, 0.4, 0.2]
    """

    def __init__(
        self, loader: Iterable[Any], steps: int, *, size: Callable[[Any], Any] | None = None
    ):
        if steps < 1:
            raise ValueError(f"accumulate: steps must be at least 1, not {steps}")
        self.loader = loader
        self.steps = steps
        self.size = size or _samples_in

    def __len__(self) -> int:
        """How many groups there are, and thus steps of the optimizer."""
        return -(-len(self.loader) // self.steps)

    def __iter__(self) -> Iterator[list[tuple[Any, float]]]:
        batches = iter(self.loader)
        while group := list(islice(batches, self.steps)):
            sizes = [float(self.size(batch)) for batch in group]
            total = sum(sizes)
            if not total > 0 or min(sizes) < 0:
                raise ValueError(
                    f"accumulate: the batches of a group have sizes {sizes}; their loss is a mean "
                    "over something, of which there must be some"
                )
            yield [(batch, size / total) for batch, size in zip(group, sizes)]


def _samples_in(batch: Any) -> int:
    tensor = _first_tensor(batch)
    if tensor is None:
        raise TypeError(
            f"accumulate: no tensor was found in a batch of type {type(batch).__name__}; "
            "pass size=, a function that says how many samples a batch has"
        )
    return tensor.shape[0]


def _first_tensor(batch: Any) -> Any:
    # By what it has, so that batches of NumPy arrays and of PyTorch have a size, too.
    if len(getattr(batch, "shape", ())) > 0:
        return batch
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)):
        return next((t for t in map(_first_tensor, batch) if t is not None), None)
    return None
