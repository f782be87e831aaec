"""What a tensor is: attributes, conversion, copies, and its memory as the user sees it."""

import copy
import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn


def test_attributes():
    x = torch.arange(6.0).view(2, 3)
    assert (x.shape, x.size(-1), x.dim(), x.numel(), len(x)) == ((2, 3), 3, 2, 6, 2)
    assert (x.stride(), x[1].storage_offset(), x.element_size(), x.nbytes) == ((3, 1), 3, 4, 24)
    assert x.is_contiguous() and not x.t().is_contiguous()
    assert (x.dtype, str(x.device), x.layout, x.get_device()) == (
        torch.float32,
        "cpu",
        torch.strided,
        -1,
    )
    assert (
        {x: 1}[x] == 1 and x[1:].data_ptr() - x.data_ptr() == 12 and torch.empty(0).data_ptr() == 0
    )


@pytest.mark.parametrize("read", [lambda x: x.size(3), lambda x: x.stride(3)])
def test_missing_dimensions(read):
    with pytest.raises(IndexError):
        read(torch.ones(2))


def test_numpy_shares_memory():
    x = torch.ones(2)
    x.numpy()[0] = 5
    array = np.arange(3.0)
    y = torch.from_numpy(array)
    y[1] = 7
    assert x.tolist() == [5.0, 1.0] and array.tolist() == [0.0, 7.0, 2.0]
    assert np.asarray(x).dtype == np.float32 and np.add(x, x).tolist() == [10.0, 2.0]
    assert (np.ones(2) + y[:2]).tolist() == [1.0, 8.0]


def test_dlpack_both_ways():
    x = torch.arange(3)
    np.from_dlpack(x)
    array = np.arange(3)
    torch.from_dlpack(array)[0] = 9
    assert np.from_dlpack(x).tolist() == [0, 1, 2] and array[0] == 9
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(1, requires_grad=True).__dlpack__()


def test_python_numbers():
    assert (torch.tensor(3).item(), torch.tensor([[3.5]]).item(), torch.tensor(True).item()) == (
        3,
        3.5,
        True,
    )
    assert (float(torch.tensor([2])), int(torch.tensor(3.7)), complex(torch.tensor(1j))) == (
        2.0,
        3,
        1j,
    )
    assert [1, 2, 3][torch.tensor(1)] == 2 and torch.tensor(
        [1.5], dtype=torch.bfloat16
    ).tolist() == [1.5]
    assert f"{torch.tensor(3.14159):.2f}" == "3.14" and 3 in torch.tensor([1, 3])


@pytest.mark.parametrize(
    "convert, error",
    [
        (lambda: float(torch.ones(2)), ValueError), (lambda: int(torch.ones(2)), ValueError),
        (lambda: torch.ones(2).item(), RuntimeError), (lambda: bool(torch.ones(2)), RuntimeError),
        (lambda: bool(torch.ones(0)), RuntimeError), (lambda: [1, 2][torch.tensor(1.0)], TypeError),
        (lambda: float(torch.tensor(1 + 2j)), RuntimeError), (lambda: len(torch.tensor(1)), TypeError),
        (lambda: iter(torch.tensor(1)), TypeError), (lambda: "a" in torch.ones(1), RuntimeError),
        (lambda: torch.ones(1, requires_grad=True).numpy(), RuntimeError),
        (lambda: torch.ones(1, device="meta").numpy(), TypeError),
        (lambda: torch.ones(1, device="meta").item(), (RuntimeError, NotImplementedError)),
    ],
)  # fmt: skip
def test_refused_conversions(convert, error):
    with pytest.raises(error):
        convert()


def test_iteration():
    assert [x.tolist() for x in torch.arange(4).view(2, 2)] == [[0, 1], [2, 3]]


def test_deepcopy():
    x = torch.ones(2, requires_grad=True)
    x.note = [1]
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.grad.tolist() == [2.0, 2.0] and y.grad is not x.grad
    assert y.note == [1] and y.note is not x.note
    with pytest.raises(RuntimeError, match="leaves"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("order", [lambda x, v: [x, v], lambda x, v: [v, x]])
def test_deepcopy_keeps_shared_memory_shared(order):
    x = torch.arange(4.0)
    one, other = sorted(copy.deepcopy(order(x, x[1:3])), key=len)
    other[1] = 9
    assert one.tolist() == [9.0, 2.0] and x.tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "x", [torch.arange(6.0).view(2, 3).t(), torch.arange(6.0)[::2], torch.arange(3.0).expand(2, 3)]
)
def test_copies_of_strided_tensors(x):
    assert copy.deepcopy(x).tolist() == x.tolist()
    assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()


def test_pickle():
    p = pickle.loads(pickle.dumps(nn.Parameter(torch.ones(2))))
    assert type(p) is nn.Parameter and p.requires_grad
    for x in (torch.float32, torch.device("cpu"), torch.Size([1, 2]), torch.channels_last):
        assert pickle.loads(pickle.dumps(x)) == x
    p.data.add_(1)
    assert p.tolist() == [2.0, 2.0]


def test_data_takes_other_values():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.data = torch.tensor([3.0, 4.0, 5.0])
    (x * x).sum().backward()
    assert x.grad.tolist() == [6.0, 8.0, 10.0]
    with pytest.raises(RuntimeError, match="floating point"):
        x.data = torch.tensor([1, 2])


@pytest.mark.parametrize(
    "value, error",
    [(torch.ones(3), RuntimeError), (torch.ones(2).double(), RuntimeError), ([1, 2], TypeError)],
)
def test_assigned_gradients(value, error):
    with pytest.raises(error):
        torch.ones(2, requires_grad=True).grad = value


def layers():
    torch.manual_seed(0)
    return [
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2),
        nn.Sigmoid(),
    ]


def test_a_private_memory_order_is_never_seen():
    x = torch.rand(2, 3, 18, 18)
    for layer in layers():
        x = layer(x)
        y = x.detach()
        assert y.is_contiguous() and y.numpy().flags.c_contiguous
        assert y.stride() == tuple(torch.empty(y.shape).stride())
        assert y.view(2, -1).shape == (2, y.numel() // 2)
        memory = y.numpy()
        y.add_(1)
        assert memory.ravel()[0] == y.flatten()[0].item() and y.data_ptr() == memory.ctypes.data


def test_channels_last_goes_through_the_layers():
    x = torch.rand(2, 3, 18, 18).contiguous(memory_format=torch.channels_last)
    for layer in layers():
        x = layer(x)
        assert x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        assert (x + 1).is_contiguous(memory_format=torch.channels_last)


def test_both_memory_orders_give_the_same_values():
    x = torch.rand(2, 3, 18, 18)
    y = x.contiguous(memory_format=torch.channels_last)
    for layer in layers():
        x, y = layer(x), layer(y)
        assert torch.allclose(x, y, atol=1e-5)


def test_in_place_ops_views_and_saving_of_a_private_order(tmp_path):
    y = nn.Conv2d(3, 4, 3)(torch.rand(2, 3, 8, 8)).detach()
    expected = y.clone().contiguous().numpy().copy()
    y[0] = 5.0
    y.mul_(2)
    expected[0] = 5.0
    expected *= 2
    assert np.array_equal(y.numpy(), expected)
    torch.save(y, tmp_path / "y.pt")
    loaded = torch.load(tmp_path / "y.pt")
    assert loaded.stride() == y.stride() and loaded.tolist() == y.tolist()


def test_devices():
    assert torch.device("cuda:1").index == 1 and str(torch.device("cuda", 0)) == "cuda:0"
    assert torch.device("cpu") == torch.device("cpu") and torch.device("cpu") != "cpu"
    for wrong in ("foo", "cpu:-1", "cuda:x"):
        with pytest.raises(RuntimeError):
            torch.device(wrong)
    with pytest.raises(AssertionError, match="no CUDA device"):
        torch.ones(2, device="cuda")
    x = torch.ones(2, 2, device="meta")
    assert x.is_meta and (x @ x).shape == (2, 2) and x.storage_offset() == 0


def test_dtypes():
    assert (
        torch.float32 is torch.float and torch.float32.itemsize == 4 and not torch.uint8.is_signed
    )
    assert torch.promote_types(torch.uint8, torch.int8) is torch.int16
    with pytest.raises(TypeError, match="torch.dtype"):
        torch.promote_types(torch.uint8, "int8")
