"""Square brackets: what is a view, what writes do to views and gradients, and what the errors say."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import rushlight as torch

SHAPE = (3, 4, 2)
KEYS = [
    0, -1, slice(1, 3), slice(None, None, 2), None, ..., (1, 2), (slice(None), 1), (..., 0), (0, ..., None),
    (slice(0, 2), None, slice(1, 9, 2)), (), (slice(5, 2),),
]  # fmt: skip
COPYING = [
    [0, 2], ([0, 2], [1, -1]), (slice(None), [3, 0, 0]), ([[0], [1]], [2, 3]), ([0, 1], slice(None), [1, 0]),
    (slice(1, 3), [0, 1], None), (None, [0, 1], slice(0, 1)),
]  # fmt: skip


def numbers(shape=SHAPE):
    return np.arange(float(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_basic_keys_give_views(key):
    array = numbers()
    x = torch.from_numpy(array)
    taken = x[key]
    np.testing.assert_array_equal(taken.numpy(), array[key])
    assert taken._base is x
    taken.fill_(-1)
    np.testing.assert_array_equal(array[key], np.full(array[key].shape, -1.0))


@pytest.mark.parametrize("key", COPYING, ids=str)
def test_index_lists_copy_as_in_numpy(key):
    array = numbers()
    x = torch.from_numpy(array)
    taken = x[key]
    np.testing.assert_array_equal(taken.numpy(), array[key])
    taken.fill_(-1)
    assert (array >= 0).all()


@pytest.mark.parametrize("key", COPYING, ids=str)
def test_writing_at_index_lists(key):
    array = numbers()
    x = torch.from_numpy(array.copy())
    x[key] = torch.full(array[key].shape, -2.0, dtype=torch.float64)
    array[key] = -2
    np.testing.assert_array_equal(x.numpy(), array)


def test_an_int_beside_an_index_selects_first():
    """Unlike NumPy, which broadcasts the int with the indices."""
    x = torch.from_numpy(numbers())
    assert x[0, :, [1, 0]].shape == (4, 2)
    np.testing.assert_array_equal(x[0, :, [1, 0]].numpy(), numbers()[0][:, [1, 0]])


@pytest.mark.parametrize("dims", [(0,), (1,), (0, 1), (1, 2), (0, 1, 2)])
def test_masks(dims):
    array = numbers()
    mask = np.arange(np.prod([SHAPE[d] for d in dims])).reshape([SHAPE[d] for d in dims]) % 3 == 0
    key = (slice(None),) * dims[0] + (mask,)
    x = torch.from_numpy(array.copy())
    own_key = (slice(None),) * dims[0] + (torch.from_numpy(mask),)
    np.testing.assert_array_equal(x[own_key].numpy(), array[key])
    x[own_key] = -1.0
    array[key] = -1
    np.testing.assert_array_equal(x.numpy(), array)


def test_zero_dim_bool_and_int_tensors():
    x = torch.from_numpy(numbers())
    assert x[torch.tensor(True)].shape == (1, *SHAPE)
    assert x[torch.tensor(False)].shape == (0, *SHAPE)
    assert x[torch.tensor(1)]._base is x


@pytest.mark.parametrize(
    "key, error, message",
    [
        (3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, -5), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
        ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3: 4 were given"),
        (1.5, IndexError, "(got float)"),
        ({1}, IndexError, "(got set)"),
        ("a", TypeError, "(got str)"),
        (slice(None, None, -1), ValueError, "step must be greater than zero, not -1; use torch.flip"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (slice("a", None), TypeError, "not str"),
        ([0, 3], IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((slice(None), [4]), IndexError, "index 4 is out of bounds for dimension 1 with size 4"),
        (([0], [9]), IndexError, "index 9 is out of bounds for dimension 1 with size 4"),
        (([0, 1], [0, 1, 2]), IndexError, "could not be broadcast together with shapes [2], [3]"),
        ([0.5], IndexError, "must be long, int, byte or bool tensors, not torch.float32"),
        ([True, False], IndexError, "The shape of the mask [2] at index 0 does not match"),
        ((slice(None), [True] * 3), IndexError, "the indexed tensor [3, 4, 2] at index 1"),
    ],
    ids=str,
)  # fmt: skip
def test_errors(key, error, message):
    x = torch.zeros(SHAPE)
    with pytest.raises(error) as reading:
        x[key]
    with pytest.raises(error) as writing:
        x[key] = 1.0
    assert message in str(reading.value)
    assert message in str(writing.value)


def test_errors_of_a_tensor_without_dimensions():
    x = torch.tensor(1.0)
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        x[0]
    with pytest.raises(IndexError, match="too many indices for tensor of dimension 0"):
        x[torch.tensor([0])]


@pytest.mark.parametrize(
    "key, value, error, message",
    [
        (0, [1.0] * 8, TypeError, "can't assign a list to a torch.FloatTensor"),
        (0, np.zeros((4, 2)), TypeError, "can't assign a numpy.ndarray"),
        (0, "a", TypeError, "can't assign a str"),
        (0, torch.zeros(3), RuntimeError, "The size of tensor a (2) must match the size of tensor b (3)"),
        ([0, 1], torch.zeros(3), RuntimeError, "cannot be broadcast to indexing result of shape [2, 4, 2]"),
        ([0], torch.zeros(2, dtype=torch.float64), RuntimeError, "got Float for the destination and Double"),
        (0, 1j, RuntimeError, "without overflow"),
        (0, 1e300, RuntimeError, "1e+300 is not in its range"),
    ],
    ids=str,
)  # fmt: skip
def test_errors_of_values(key, value, error, message):
    x = torch.zeros(SHAPE)
    with pytest.raises(error) as caught:
        x[key] = value
    assert message in str(caught.value)
    assert not x.any()


def test_deleting_is_refused():
    x = torch.zeros(2)
    with pytest.raises(TypeError, match="does not support deleting"):
        del x[0]


def test_a_list_of_lists_stands_for_a_tuple_and_warns():
    x = torch.from_numpy(numbers())
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        taken = x[[[0, 1], [1, 0]]]
    np.testing.assert_array_equal(taken.numpy(), numbers()[[0, 1], [1, 0]])


def test_a_mask_of_bytes_warns():
    with pytest.warns(UserWarning, match="torch.uint8 is now deprecated"):
        taken = torch.arange(3)[torch.tensor([1, 0, 1], dtype=torch.uint8)]
    assert taken.tolist() == [0, 2]


# ---- gradients --------------------------------------------------------------------------------------


def test_duplicates_add_up():
    w = torch.zeros(3, 2, requires_grad=True)
    w[[2, 0, 2]].sum().backward()
    assert w.grad.tolist() == [[1, 1], [0, 0], [2, 2]]


def test_a_written_region_takes_its_own_gradient():
    x, v = torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)
    y = x * 2
    y[1:] = v * 3
    y.sum().backward()
    assert x.grad.tolist() == [2, 0, 0]
    assert v.grad.tolist() == [3, 3]


@pytest.mark.parametrize(
    "key", [0, slice(0, 1), [0], (torch.tensor([True, False, False]),)], ids=str
)
def test_writing_a_number_cuts_the_gradient_there(key):
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[key] = 5.0
    y.sum().backward()
    assert x.grad.tolist() == [0, 2, 2]


def test_an_in_place_product_keeps_the_old_value_for_the_gradient():
    """The gradient of the factor is what was in the tensor before."""
    x, s = torch.tensor([2.0, 3.0]), torch.tensor(4.0, requires_grad=True)
    y = x * 1
    y.mul_(s)
    y.sum().backward()
    assert s.grad.item() == 5.0


def test_a_view_of_a_view_sees_a_later_write():
    x, s = torch.ones(2, 3, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    y = x * 1
    row = y[0]
    row[1] = s
    (row * 3).sum().backward()
    assert x.grad.tolist() == [[3, 0, 3], [0, 0, 0]]
    assert s.grad.item() == 3.0


def test_writing_to_a_leaf_is_refused_unless_gradients_are_off():
    x = torch.zeros(3, requires_grad=True)
    for key in (0, [0], slice(None)):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            x[key] = 1.0
    with torch.no_grad():
        x[0] = 1.0
    assert x.tolist() == [1, 0, 0] and x.is_leaf


def test_indices_changed_after_the_read_do_not_change_the_gradient():
    """Either the change is seen, or it has no effect: never a silently wrong gradient."""
    x = torch.zeros(3, requires_grad=True)
    rows, columns = torch.tensor([0, 1]), torch.tensor([0, 0])
    y = (x.reshape(3, 1) * 1)[rows, columns]
    rows[0] = 2
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 0]
    index = torch.tensor([0, 1])
    z = (x * 1)[index]
    index[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_second_gradient_through_an_index():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (g,) = torch.autograd.grad((x[[0, 2, 2]] ** 3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(g.sum(), x)
    assert second.tolist() == [6, 0, 36]


def test_names_of_nodes():
    x = torch.zeros(2, 3, requires_grad=True)
    names = [x[k].grad_fn.name() for k in (0, slice(1), None, ..., (0, slice(1)), [0], x > 0)]
    assert names == [
        "SelectBackward0", "SliceBackward0", "UnsqueezeBackward0", "AliasBackward0", "SliceBackward0",
        "IndexBackward0", "IndexBackward0",
    ]  # fmt: skip


# ---- dtypes and memory ------------------------------------------------------------------------------

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64, torch.complex64, torch.complex128,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype):
    x = torch.tensor([[0, 1], [1, 0], [1, 1]]).to(dtype)
    for key in (0, [2, 0], ([0, 1], [1, 1]), torch.tensor([True, False, True]), (slice(None), 1)):
        assert x[key].dtype is dtype
        y = torch.zeros(3, 2, dtype=dtype)
        y[key] = x[key]
        assert torch.equal(y[key], x[key])
        y[key] = 1
        assert (y[key] == 1).all()


@pytest.mark.parametrize(
    "source, target", list(itertools.product(DTYPES[:10], DTYPES[:10])), ids=str
)
def test_writing_casts(source, target):
    x = torch.zeros(2, dtype=target)
    x[0] = torch.tensor(1, dtype=source)
    assert x.tolist() == [1, 0]


@pytest.mark.parametrize(
    "value, dtype, stored", [(-1, torch.uint8, 255), (1.9, torch.int32, 1), (2.5, torch.bool, True)]
)
def test_numbers_fit_as_in_pytorch(value, dtype, stored):
    x = torch.zeros(1, dtype=dtype)
    x[0] = value
    assert x.item() == stored


@pytest.mark.parametrize(
    "value, dtype", [(256, torch.uint8), (128, torch.int8), (float("nan"), torch.int64)]
)
def test_numbers_out_of_range_are_refused(value, dtype):
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.zeros(1, dtype=dtype)[0] = value


def test_a_hidden_memory_order_stays_hidden():
    torch.manual_seed(0)
    image = torch.nn.functional.conv2d(torch.randn(2, 3, 5, 5), torch.randn(4, 3, 3, 3))
    plain = image.clone().contiguous()
    index = torch.tensor([1, 0])
    for key in (
        0,
        (slice(None), 1),
        index,
        (slice(None), index),
        (index, index),
        plain > 0,
        (..., 0),
    ):
        assert torch.equal(image[key], plain[key])
        assert image[key].stride() == plain[key].stride()
    image[:, 1] = 0.0
    plain[:, 1] = 0.0
    image[index, index] = 7.0
    plain[index, index] = 7.0
    assert torch.equal(image, plain)


def test_reading_and_writing_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = torch.zeros(2, 2)
        x[0] = float("inf")
        x.int()[0] = 3.7
        x[x > 0] = -1.0
