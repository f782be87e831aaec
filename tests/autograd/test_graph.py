"""The recorded graph and the walk back: accumulation, hooks, memory."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import grad


def leaf(*values):
    return torch.tensor([float(v) for v in values], requires_grad=True)


def test_gradients_add_up():
    x = leaf(1, 2)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_a_value_used_twice():
    x = leaf(2)
    y = x * x
    (y * y + y).sum().backward()
    assert x.grad.tolist() == [4 * 2**3 + 2 * 2]


def test_second_backward_needs_retain_graph():
    x = leaf(1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="second time.*retain_graph"):
        y.backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_second_backward_without_saved_tensors():
    x = leaf(1, 2)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "gradient, error",
    [(None, RuntimeError), (torch.ones(3), RuntimeError), ([1.0, 2.0], TypeError)],
)
def test_refused_gradients(gradient, error):
    with pytest.raises(error):
        (leaf(1, 2) * 2).backward(gradient)


def test_grad_of_values_in_between_touches_no_leaf():
    x = leaf(1)
    y = x * 3
    found = grad((y * y).sum(), [y, x])
    assert [g.tolist() for g in found] == [[6.0], [18.0]]
    assert x.grad is None


def test_unused_inputs():
    x, unused = leaf(1), leaf(1, 2)
    y = lambda: (x * x).sum()  # noqa: E731
    assert grad(y(), [x, unused], allow_unused=True)[1] is None
    assert grad(y(), [x, unused], materialize_grads=True)[1].tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match="allow_unused"):
        grad(y(), [x, unused])
    with pytest.raises(RuntimeError, match="cannot be empty"):
        grad(y(), [])


def test_derivatives_of_any_order():
    x = torch.tensor(2.0, requires_grad=True)
    values, y = [], x**4
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        values.append(y.item())
    assert values == [32.0, 48.0, 48.0, 24.0]


def test_backward_to_chosen_inputs():
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w
    y.sum().backward(inputs=[w, y], retain_graph=True)
    assert x.grad is None and w.grad.tolist() == [1.0, 2.0]
    assert y.grad.tolist() == [1.0, 1.0] and y.grad.stride() == (1,)


def test_tensor_hooks_change_and_watch_gradients():
    x, seen = leaf(1, 2), []
    handle = x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [22.0, 22.0]
    assert seen == [[20.0, 20.0], [2.0, 2.0]]


@pytest.mark.parametrize(
    "hook, error", [(lambda g: 3, TypeError), (lambda g: g.sum(), RuntimeError)]
)
def test_hooks_that_give_something_else(hook, error):
    x = leaf(1, 2)
    x.register_hook(hook)
    with pytest.raises(error):
        (x * x).sum().backward()


def test_node_hooks():
    x, seen = leaf(1, 2), []
    y = x * 2
    y.grad_fn.register_prehook(lambda gs: (gs[0] * 7,))
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append(outputs[0].tolist()))
    y.sum().backward()
    assert x.grad.tolist() == [14.0, 14.0] and seen == [[7.0, 7.0]]


def test_hooks_after_accumulation():
    x, seen = leaf(1), []
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    x.sum().backward()
    x.sum().backward(inputs=[x])
    handle.remove()
    x.sum().backward()
    assert seen == [1.0, 2.0]


def test_retained_gradient_is_a_copy_and_follows_in_place_writes():
    x = leaf(1, 2)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]
    y.grad.add_(5)
    assert x.grad.tolist() == [6.0, 6.0]


def test_reading_grad_where_none_will_be_warns():
    y = leaf(1) * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None


def test_a_gradient_nobody_holds_is_taken_over():
    x, seen = leaf(1, 2, 3), []

    def note(inputs, outputs):
        seen.append(inputs[0]._array.ctypes.data)

    y = x * 2
    y.grad_fn.register_hook(note)
    y.exp().sum().backward()
    assert seen == [x.grad._array.ctypes.data]


def test_a_gradient_somebody_holds_is_copied():
    x, held = leaf(1, 2), []
    x.register_hook(lambda g: held.append(g))
    (x * 2).exp().sum().backward()
    x.grad.zero_()
    assert held[0].tolist() != [0.0, 0.0]


@pytest.mark.parametrize("create_graph", [False, True])
def test_two_leaves_never_share_a_gradient(create_graph):
    x, y = leaf(1, 2), leaf(3, 4)
    (x + y).sum().backward(create_graph=create_graph)
    with torch.no_grad():
        x.grad.add_(1)
    assert y.grad.tolist() == [1.0, 1.0]


def test_the_given_gradient_is_not_taken_over():
    x, g = leaf(1, 2), torch.ones(2)
    x.backward(g)
    x.grad.add_(1)
    assert g.tolist() == [1.0, 1.0]


def test_gradients_lie_in_memory_as_their_leaves():
    x = torch.rand(2, 3, requires_grad=True)
    (x.t() * torch.ones(3, 2)).sum().backward()
    turned = torch.rand(2, 3).t().requires_grad_()
    (turned * 2).sum().backward()
    assert x.grad.stride() == (3, 1) and turned.grad.stride() == (1, 3)


def test_gradients_have_shape_and_dtype_of_their_leaves():
    x = torch.ones(3, requires_grad=True)
    y = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    (x + y).sum().backward()
    assert x.grad.dtype is torch.float32 and x.grad.tolist() == [2.0] * 3
    assert y.grad.dtype is torch.float64 and tuple(y.grad.shape) == (2, 3)


def test_conversion_to_integers_ends_the_graph():
    assert not torch.ones(2, requires_grad=True).long().requires_grad


def test_a_linear_layer_keeps_only_what_its_gradients_need():
    x, w = torch.ones(2, 3), torch.ones(4, 3, requires_grad=True)
    y = torch.nn.functional.linear(x, w)
    with torch.no_grad():
        w.add_(1)
    y.sum().backward()
    assert w.grad.tolist() == [[2.0] * 3] * 4


def test_a_graph_is_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = (x * x).exp()
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()


def test_long_chains():
    x = leaf(1)
    y = x
    for _ in range(5000):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0]


def test_a_training_step_leaves_no_cycles_and_memory_is_steady():
    code = """
import gc, tracemalloc
import rushlight as torch
from rushlight import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
    nn.Flatten(), nn.Linear(36, 5))
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
def step():
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
for _ in range(20):
    step()
gc.collect()
step()
print(gc.collect())
tracemalloc.start()
for _ in range(50):
    step()
gc.collect()  # Python keeps freed tuples for reuse; the collector gives them back.
before = tracemalloc.get_traced_memory()[0]
for _ in range(300):
    step()
gc.collect()
print(tracemalloc.get_traced_memory()[0] - before)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unreachable, growth = map(int, out.stdout.split())
    assert unreachable == 0
    assert growth < 20_000


def test_gradients_match_finite_differences_through_many_ops():
    x = torch.tensor(np.linspace(0.5, 1.5, 6).reshape(2, 3), requires_grad=True)
    f = lambda x: (x.t() @ x).exp().sum(0).log() * x[0]  # noqa: E731
    assert torch.autograd.gradcheck(f, x) and torch.autograd.gradgradcheck(f, x)
