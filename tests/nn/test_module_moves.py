"""Changing all tensors of a module at once."""

import pytest

import rushlight
from rushlight import nn


def layer():
    net = nn.Linear(2, 2)
    net.register_buffer("mean", rushlight.ones(1))
    net.register_buffer("count", rushlight.ones(1, dtype=rushlight.int64))
    return net


def dtypes(net):
    return [net.weight.dtype, net.mean.dtype, net.count.dtype]


@pytest.mark.parametrize(
    "move, dtype",
    [
        (lambda m: m.double(), rushlight.float64),
        (lambda m: m.half(), rushlight.float16),
        (lambda m: m.bfloat16(), rushlight.bfloat16),
        (lambda m: m.double().float(), rushlight.float32),
        (lambda m: m.cpu(), rushlight.float32),
        (lambda m: m.to(), rushlight.float32),
        (lambda m: m.to(None), rushlight.float32),
        (lambda m: m.to("cpu"), rushlight.float32),
        (lambda m: m.to(rushlight.float64), rushlight.float64),
        (lambda m: m.to("cpu", rushlight.float64, True), rushlight.float64),
        (
            lambda m: m.to(device="cpu", dtype=rushlight.float64, non_blocking=True),
            rushlight.float64,
        ),
        (lambda m: m.to(rushlight.ones(1).double()), rushlight.float64),
        (lambda m: m.to(tensor=rushlight.ones(1).double()), rushlight.float64),
    ],
)
def test_floating_tensors_change(move, dtype):
    net = layer()
    assert move(net) is net
    assert dtypes(net) == [dtype, dtype, rushlight.int64]


def test_type_changes_everything():
    assert dtypes(layer().type(rushlight.float64)) == [rushlight.float64] * 3
    assert dtypes(layer().type("torch.HalfTensor")) == [rushlight.float16] * 3


def test_parameters_stay_the_same_objects():
    net = nn.Sequential(layer())
    weight = net[0].weight
    net(rushlight.ones(1, 2)).sum().backward()
    gradient = weight.grad
    optimizer = rushlight.optim.SGD(net.parameters(), lr=1.0)
    net.double()
    assert net[0].weight is weight
    assert weight.grad is gradient
    assert (weight.dtype, gradient.dtype) == (rushlight.float64, rushlight.float64)
    assert weight.is_leaf
    assert weight.requires_grad
    before = weight.detach().clone()
    optimizer.step()
    assert weight.detach().sub(before).neg().tolist() == gradient.tolist()


def test_ties_stay():
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = nn.Linear(2, 2)
    net.b.weight = net.a.weight
    net.double()
    assert net.b.weight is net.a.weight
    assert net.a.weight.dtype is rushlight.float64


def test_meta_and_back():
    net = layer().to("meta")
    assert net.weight.is_meta
    assert net.count.is_meta
    with pytest.raises(NotImplementedError, match="meta tensor"):
        net.to("cpu")
    net.to_empty(device="cpu")
    assert (net.weight.device.type, net.weight.shape) == ("cpu", (2, 2))
    assert net.weight.requires_grad


def test_to_empty_without_children():
    net = nn.Sequential(layer()).to("meta")
    net.to_empty(device="cpu", recurse=False)
    assert net[0].weight.is_meta


def test_memory_format():
    net = nn.Conv2d(3, 4, 2).to(memory_format=rushlight.channels_last)
    assert net.weight.is_contiguous(memory_format=rushlight.channels_last)
    assert net.bias.is_contiguous()


@pytest.mark.parametrize(
    "args, kwargs, message",
    [
        ((rushlight.int32,), {}, "only accepts floating point or complex dtypes"),
        ((3.5,), {}, "got 3.5"),
        ((), {"foo": 1}, "the keyword 'foo'"),
        (("cpu", rushlight.float32, True, False, 3), {}, "5 positional arguments"),
    ],
)
def test_wrong_arguments(args, kwargs, message):
    with pytest.raises(TypeError, match=message):
        layer().to(*args, **kwargs)


def test_devices_that_are_not_there():
    with pytest.raises(RuntimeError, match="Expected one of"):
        layer().to("foo")
    with pytest.raises(AssertionError, match="CUDA"):
        layer().cuda()
    with pytest.raises(AssertionError, match="CUDA"):
        layer().to("cuda")
