"""Parameters and buffers."""

import copy
import pickle

import pytest

import rushlight
from rushlight.nn import Buffer, Parameter


def test_it_shares_memory_but_not_history():
    x = rushlight.ones(2, requires_grad=True) * 2
    p = Parameter(x)
    assert p.is_leaf
    assert p.requires_grad
    with rushlight.no_grad():
        p.zero_()
    assert x.tolist() == [0.0, 0.0]


def test_a_write_is_seen_by_whoever_saved_the_values():
    x = rushlight.ones(2)
    p = Parameter(x)
    loss = (p * p).sum()
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_without_data():
    p = Parameter()
    assert (p.shape, p.dtype, p.requires_grad) == ((0,), rushlight.float32, True)


def test_repr():
    assert repr(Parameter(rushlight.ones(2))) == (
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    )
    assert repr(Parameter(rushlight.ones(2), False)) == "Parameter containing:\ntensor([1., 1.])"


@pytest.mark.parametrize("data", [[1, 2], 3.0, "text"])
def test_wrong_data(data):
    with pytest.raises(TypeError, match="Parameter: data must be a Tensor, not"):
        Parameter(data)
    with pytest.raises(TypeError, match="Buffer: data must be a Tensor, not"):
        Buffer(data)


def test_integers_need_no_gradient():
    with pytest.raises(RuntimeError, match="can require gradients"):
        Parameter(rushlight.ones(2, dtype=rushlight.int64))
    assert not Parameter(
        rushlight.ones(2, dtype=rushlight.int64), requires_grad=False
    ).requires_grad


@pytest.mark.parametrize(
    "op", [lambda p: p + 1, lambda p: p.detach(), lambda p: p.data, lambda p: p[:1]]
)
def test_results_are_plain_tensors(op):
    assert type(op(Parameter(rushlight.ones(2)))) is rushlight.Tensor


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies(requires_grad, duplicate):
    p = Parameter(rushlight.ones(2), requires_grad)
    q = duplicate(p)
    assert (type(q), q.requires_grad, q.tolist()) == (Parameter, requires_grad, [1.0, 1.0])
    with rushlight.no_grad():
        q.zero_()
    assert p.tolist() == [1.0, 1.0]


def test_deepcopy_keeps_ties():
    p = Parameter(rushlight.ones(2))
    a, b = copy.deepcopy([p, p])
    assert a is b


def test_attributes_of_the_users():
    p = Parameter(rushlight.ones(2))
    p.no_decay = True
    assert p.no_decay


def test_subclasses():
    class Special(Parameter):
        pass

    assert type(Special(rushlight.ones(1))) is Special
    assert type(copy.deepcopy(Special(rushlight.ones(1)))) is Special


def test_buffers():
    b = Buffer(rushlight.ones(2), persistent=False)
    assert (b.persistent, b.requires_grad, repr(b)) == (False, False, "tensor([1., 1.])")
    assert copy.deepcopy(b).persistent is False
