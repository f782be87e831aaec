"""Tensors from values, in memory, and copied: what shares memory, what the errors say."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import rushlight as torch


@pytest.mark.parametrize(
    "data, dtype, values",
    [
        (3, torch.int64, 3),
        (2.5, torch.float32, 2.5),
        (True, torch.bool, True),
        (1j, torch.complex64, 1j),
        ([1, 2.5, True], torch.float32, [1, 2.5, 1]),
        ([True, 2], torch.int64, [1, 2]),
        ([], torch.float32, []),
        ([[], []], torch.float32, [[], []]),
        (range(3), torch.int64, [0, 1, 2]),
        (((1, 2), [3, 4]), torch.int64, [[1, 2], [3, 4]]),
        (np.float64(2), torch.float64, 2),
        ([np.float32(2), 1], torch.float32, [2, 1]),
        ([np.int8(2)], torch.int8, [2]),
        ([np.ones(2), [1, 2]], torch.float64, [[1, 1], [1, 2]]),
        ([torch.tensor(1.0), 2], torch.float32, [1, 2]),
        ([torch.tensor([[1]])], torch.int64, [1]),
        (np.zeros((2, 0)), torch.float64, [[], []]),
    ],
    ids=str,
)
def test_dtype_of_data(data, dtype, values):
    made = torch.tensor(data)
    assert made.dtype is dtype
    assert made.tolist() == values


@pytest.mark.parametrize(
    "data, dtype, values",
    [
        ([1.9, -1.9], torch.int64, [1, -1]),
        ([-1], torch.uint8, [255]),
        ([0.0, 2.0], torch.bool, [False, True]),
        ([1e300], torch.float16, [float("inf")]),
        ([2], torch.complex64, [2]),
        (np.array([300.0]), torch.uint8, [44]),
    ],
    ids=str,
)
def test_data_in_a_dtype(data, dtype, values):
    assert torch.tensor(data, dtype=dtype).tolist() == values


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: torch.tensor([[1, 2], [3]]),
            ValueError,
            "expected sequence of length 2 at dim 1 (got 1)",
        ),
        (lambda: torch.tensor([[1, 2], 3]), TypeError, "not a sequence"),
        (lambda: torch.tensor([1, [2]]), TypeError, "'list' object found among numbers"),
        (lambda: torch.tensor("a"), TypeError, "invalid data type 'str'"),
        (lambda: torch.tensor(["a"]), ValueError, "too many dimensions 'str'"),
        (lambda: torch.tensor([1, "a"]), TypeError, "'a' is text"),
        (lambda: torch.tensor(None), RuntimeError, "Could not infer dtype of NoneType"),
        (lambda: torch.tensor({1: 2}), RuntimeError, "Could not infer dtype of dict"),
        (lambda: torch.tensor([2**63]), ValueError, "does not fit into int64"),
        (lambda: torch.tensor([300], dtype=torch.uint8), RuntimeError, "without overflow: 300"),
        (
            lambda: torch.tensor([float("nan")], dtype=torch.int8),
            RuntimeError,
            "without overflow: nan",
        ),
        (
            lambda: torch.tensor([float("inf")], dtype=torch.int8),
            RuntimeError,
            "without overflow: inf",
        ),
        (
            lambda: torch.tensor([1j], dtype=torch.float32),
            TypeError,
            "complex numbers cannot become",
        ),
        (lambda: torch.tensor([torch.ones(2)]), ValueError, "only one element tensors"),
        (
            lambda: torch.tensor([np.ones(2), np.ones(3)]),
            ValueError,
            "expected sequence of length 2",
        ),
        (lambda: torch.zeros(-1), RuntimeError, "negative dimension -1"),
        (lambda: torch.zeros(2.5), TypeError, "must be a tuple of ints"),
        (
            lambda: torch.zeros(10**15),
            RuntimeError,
            "not enough memory: you tried to allocate 4000000000000000 bytes",
        ),
        (lambda: torch.full(2, 3), TypeError, "must be tuple of ints, not int"),
        (lambda: torch.full((2,), "a"), TypeError, "must be Number, not str"),
        (lambda: torch.full((2,), 300, dtype=torch.uint8), RuntimeError, "without overflow"),
        (lambda: torch.zeros_like([1]), TypeError, "must be Tensor, not list"),
        (lambda: torch.arange(3, 0), RuntimeError, "inconsistent with step sign"),
        (lambda: torch.arange(0, 3, 0), RuntimeError, "step must be nonzero"),
        (lambda: torch.linspace(0, 1, -1), RuntimeError, "must be non-negative, got -1"),
        (lambda: torch.from_numpy([1]), TypeError, "expected np.ndarray (got list)"),
        (lambda: torch.from_numpy(np.arange(3)[::-1]), ValueError, "negative"),
        (lambda: torch.from_numpy(np.array(["a"])), TypeError, "can't convert np.ndarray"),
        (lambda: torch.from_numpy(np.array([1], ">i4")), ValueError, "byte order"),
        (lambda: torch.frombuffer(bytearray(0), dtype=torch.uint8), ValueError, "must not be 0"),
        (
            lambda: torch.FloatTensor(torch.ones(2, dtype=torch.float64)),
            TypeError,
            "expected a tensor of torch.float32",
        ),
        (lambda: torch.Tensor(2.5), TypeError, "data must be a sequence (got float)"),
        (lambda: torch.zeros(2, dtype="float32"), TypeError, "torch.dtype"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_what_shares_memory():
    array = np.zeros(2)
    for share in (torch.from_numpy, torch.as_tensor, torch.asarray, torch.from_dlpack):
        share(array).add_(1)
    for copied in (
        torch.tensor,
        lambda a: torch.asarray(a, copy=True),
        lambda a: torch.as_tensor(a, dtype=torch.float32),
    ):
        copied(array).add_(1)
    assert array.tolist() == [4, 4]


def test_a_read_only_array_is_shared_with_a_warning_and_not_written_to():
    array = np.zeros(2)
    array.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        x = torch.from_numpy(array)
    assert x.data_ptr() == array.__array_interface__["data"][0]
    with pytest.raises(RuntimeError, match="read-only"):
        x.add_(1)
    assert array.tolist() == [0, 0]


def test_copying_a_tensor_by_its_constructor_warns():
    with pytest.warns(UserWarning, match="clone"):
        torch.tensor(torch.ones(2))


def test_deepcopy_keeps_shared_memory_shared():
    base = torch.arange(6.0)
    view = base[2:]
    for order in ((base, view), (view, base)):
        copies = copy.deepcopy(order)
        copies[0].fill_(-1)
        assert (copies[1][-4:] == -1).all()
    assert base.tolist() == [0, 1, 2, 3, 4, 5]
    assert copy.deepcopy(view).storage_offset() == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(6.0).reshape(2, 3).t(),
        lambda: torch.zeros(3).expand(2, 3),
        lambda: torch.arange(8.0)[::2],
        lambda: torch.tensor(2.0),
        lambda: torch.zeros(0, 3),
        lambda: torch.arange(4, dtype=torch.bfloat16)[1:],
        lambda: torch.arange(4, dtype=torch.int64).view(torch.int32)[1::2],
    ],
)
def test_deepcopy_and_pickle_keep_values_and_strides(make):
    x = make()
    for made in (copy.deepcopy(x), copy.copy(x)):
        assert torch.equal(made, x) and made.dtype is x.dtype and made.stride() == x.stride()
    assert torch.equal(pickle.loads(pickle.dumps(x)), x)


def test_deepcopy_copies_the_gradient_and_attributes():
    x = torch.ones(2, requires_grad=True)
    x.grad, x.note = torch.zeros(2), [1]
    made = copy.deepcopy(x)
    assert made.requires_grad and made.is_leaf and made.grad.tolist() == [0, 0]
    assert made.grad is not x.grad and made.note == [1] and made.note is not x.note
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)


def test_copy_shares_memory_and_pickle_does_not():
    x = torch.zeros(2)
    copy.copy(x)[0] = 1
    pickle.loads(pickle.dumps(x))[1] = 1
    assert x.tolist() == [1, 0]


def test_pickling_what_was_computed_keeps_only_that_it_requires_a_gradient():
    made = pickle.loads(pickle.dumps(torch.ones(2, requires_grad=True) * 2))
    assert made.requires_grad and made.is_leaf and made.tolist() == [2, 2]


def test_storage_is_the_memory_of_all_views():
    x = torch.arange(6.0).reshape(2, 3)
    storage = x[1].untyped_storage()
    assert storage.data_ptr() == x.data_ptr() and storage.nbytes() == len(storage) == 24
    assert x.t().storage().tolist() == [0, 1, 2, 3, 4, 5]
    x.storage()[0] = 9
    assert x[0, 0] == 9
    assert torch.is_storage(storage) and not torch.is_storage(x)
    assert torch.zeros(2).expand(3, 2).untyped_storage().nbytes() == 8


def test_set_and_resize():
    x = torch.arange(6.0)
    assert torch.zeros(0).set_(x.storage(), 1, (2, 2), (1, 2)).tolist() == [[1, 3], [2, 4]]
    assert torch.zeros(0).set_(x)[0].data_ptr() == x.data_ptr()
    assert x[2:].resize_(2, 2).tolist() == [[2, 3], [4, 5]]
    assert x.resize_(7)[:6].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        torch.zeros(0).set_(x.storage(), 5, (3,))
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        torch.zeros(2, requires_grad=True).resize_(3)


def test_as_strided_reaches_no_foreign_memory():
    x = torch.arange(6.0)[1:4]
    assert x.as_strided((2,), (4,), 1).tolist() == [1, 5]
    for size, stride, offset in (
        ((2,), (6,), 0),
        ((7,), (1,), 0),
        ((1,), (1,), 6),
        ((2, 2), (3, 3), 0),
    ):
        with pytest.raises(RuntimeError, match="out of bounds for storage of 6 elements"):
            x.as_strided(size, stride, offset)


def test_memory_formats():
    x = torch.zeros(2, 3, 4, 5)
    y = x.to(memory_format=torch.channels_last)
    assert y.stride() == (60, 1, 15, 3) and y.is_contiguous(memory_format=torch.channels_last)
    assert torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride() == y.stride()
    assert torch.zeros_like(y).stride() == y.stride()
    assert torch.zeros_like(y, memory_format=torch.contiguous_format).is_contiguous()
    assert str(torch.channels_last) == "torch.channels_last" and x.layout is torch.strided
    assert copy.deepcopy(torch.channels_last) is torch.channels_last
    assert pickle.loads(pickle.dumps(torch.strided)) is torch.strided
    with pytest.raises(RuntimeError, match="required rank 4"):
        torch.zeros(2).contiguous(memory_format=torch.channels_last)
    with pytest.raises(TypeError, match="must be torch.memory_format, not str"):
        x.is_contiguous(memory_format="channels_last")


@pytest.fixture
def default_dtype():
    yield
    torch.set_default_dtype(torch.float32)


def test_default_tensor_type(default_dtype):
    with pytest.warns(UserWarning, match="deprecated"):
        torch.set_default_tensor_type(torch.DoubleTensor)
    assert torch.tensor([1.5]).dtype is torch.zeros(1).dtype is torch.float64


def test_legacy_types():
    assert isinstance(torch.ones(1), torch.FloatTensor) and not isinstance(
        torch.ones(1), torch.LongTensor
    )
    assert torch.LongTensor([1.7]).tolist() == [1] and torch.FloatTensor(2, 3).shape == (2, 3)
    assert torch.ones(2).new([1, 2]).dtype is torch.float32
    assert torch.Tensor([[1, 2]]).dtype is torch.float32 and torch.Tensor().shape == (0,)


def test_out_is_resized_with_a_warning():
    out = torch.zeros(1)
    with pytest.warns(UserWarning, match="was resized"):
        torch.cat([torch.ones(2), torch.ones(1)], out=out)
    assert out.tolist() == [1, 1, 1]
    with pytest.raises(TypeError, match="desired output type Long"):
        torch.cat([torch.ones(2)], out=torch.zeros(2, dtype=torch.int64))


def test_a_subclass_of_tensor():
    class Named(torch.Tensor):
        pass

    x = torch.ones(2).as_subclass(Named)
    assert type(x) is Named and x._base is not None
    assert type(Named([1.0, 2.0])) is Named
    with pytest.raises(TypeError, match="must be a subclass"):
        torch.ones(2).as_subclass(int)


@pytest.mark.parametrize("change, shape", [
    (lambda x: x.squeeze_(), (2, 3)), (lambda x: x.unsqueeze_(0), (1, 1, 2, 3)),
    (lambda x: x.transpose_(1, 2), (1, 3, 2)), (lambda x: x.swapaxes_(0, 1), (2, 1, 3)),
])  # fmt: skip
def test_changes_of_shape_in_place(change, shape):
    w = torch.arange(6.0).reshape(1, 2, 3).requires_grad_()
    x = w * 2
    assert change(x) is x and x.shape == shape
    (x * x).sum().backward()
    assert w.grad.tolist() == (w * 8).tolist()
    with pytest.raises(RuntimeError, match="leaf Variable"):
        change(w)
