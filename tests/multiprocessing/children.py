"""What the processes of the tests do: functions that a new interpreter finds by their module."""

import os
import signal
import sys
import threading

import rushlight
from rushlight import nn
from rushlight.nn import functional as F


def set_own(index, x):
    x[index] = index + 10


def double(inbox, outbox):
    for x in iter(inbox.get, None):
        outbox.put((x * 2, x.is_shared(), os.getpid()))
        del x


def twice(x):
    return x * 2


def write(inbox, outbox, value):
    x = inbox.get()
    x.fill_(value)
    outbox.put("done")


def put_and_end(queue, shape):
    queue.put([rushlight.full(shape, 3.0), rushlight.arange(5)])


def put_and_wait(queue, event):
    queue.put(rushlight.full((100, 100), 3.0))
    event.wait(60)


def put_again_and_again(queue, count):
    for number in range(count):
        queue.put(rushlight.full((50, 1000), float(number)))


def take_and_die(queue, outbox):
    x = queue.get()
    outbox.put(float(x.sum()))
    outbox.close()
    outbox.join_thread()
    os.kill(os.getpid(), signal.SIGKILL)


def keep_until(queue, event, outbox):
    x = queue.get()
    outbox.put("taken")
    event.wait(60)
    outbox.put(x.tolist())


def train(index, model, steps):
    """Hogwild: every process steps the same parameters."""
    rushlight.manual_seed(index)
    optimizer = rushlight.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        x = rushlight.randn(16, 4)
        loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def compute(index, outbox=None, threads=None):
    """Everything that uses threads: convolution, matrix product, loops of our own."""
    if threads is not None:
        rushlight.set_num_threads(threads)
    rushlight.manual_seed(0)
    x, w = rushlight.randn(8, 16, 32, 32), rushlight.randn(32, 16, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, padding=1)
    y.relu().sum().backward()
    a = rushlight.randn(256, 256)
    total = [
        float(w.grad.sum()),
        float((a @ a).sum()),
        float(rushlight.randn(300000).exp().sum()),
        float(F.softmax(rushlight.randn(500, 500), 1).max()),
        float(nn.BatchNorm2d(16)(x).sum()),
    ]
    if outbox is not None:
        outbox.put((total, rushlight.get_num_threads()))
    return total


def raise_in(index, which):
    if index == which:
        raise ValueError(f"no good: {index}")
    threading.Event().wait(60)


def exit_with(index, code):
    sys.exit(code)


def die(index):
    os.kill(os.getpid(), signal.SIGKILL)


def ignore_the_end(index):
    if index == 0:
        raise ValueError("first")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Event().wait(60)


def interrupt(index):
    raise KeyboardInterrupt


def nothing(index):
    pass


def wait_for(index, event):
    event.wait(60)
