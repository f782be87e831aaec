"""Views, in-place writes and what they do to histories."""

import pytest

import rushlight as torch


def leaf(n=12):
    return torch.arange(float(n), requires_grad=True)


def test_a_write_through_a_view_reaches_base_and_other_views():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    a, b = y[:2], y[1:]
    a.mul_(3)
    (b * b).sum().backward()
    assert b.tolist() == [12.0, 6.0]
    assert x.grad.tolist() == [0.0, 144.0, 24.0]


def test_a_view_of_a_view_after_a_write_to_the_base():
    x = torch.ones(3, 4, requires_grad=True)
    y = x * 2
    w = y.view(12)[3:6]
    y.mul_(x)
    w.sum().backward()
    assert x.grad.flatten().tolist() == [0, 0, 0, 4, 4, 4, 0, 0, 0, 0, 0, 0]


def test_a_view_used_before_the_base_is_overwritten():
    x = torch.ones(4, requires_grad=True)
    y = x * 1
    z = y[:2] + 1
    y.mul_(3)
    (z.sum() + y.sum()).backward()
    assert x.grad.tolist() == [4.0, 4.0, 3.0, 3.0]


@pytest.mark.parametrize(
    "take",
    [
        lambda y: y[1],
        lambda y: y.select(1, 2),
        lambda y: y.t()[1:3],
        lambda y: y.diagonal(),
        lambda y: y.view(-1)[2:7],
        lambda y: y.unsqueeze(0).squeeze(0).transpose(0, 1),
        lambda y: y.chunk(3)[1],
        lambda y: y.split(2, 1)[0],
        lambda y: y.unfold(1, 4, 4),
    ],
)
def test_doubling_a_region_doubles_its_gradient(take):
    x = leaf()
    y = (x * 1).view(3, 4)
    take(y).mul_(2)
    y.sum().backward()
    expected = torch.ones(3, 4)
    take(expected).mul_(2)
    assert x.grad.view(3, 4).tolist() == expected.tolist()


def test_writing_a_recorded_value_into_plain_memory():
    b, x = torch.zeros(3, 4), torch.ones(4, requires_grad=True)
    row = b[1]
    b.view(-1)[2:6] = x
    assert row.requires_grad and b.requires_grad
    (row * row * 3).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 6.0, 6.0]


def test_second_gradients_through_a_written_region():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[0].pow_(2)
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert g.tolist() == [64.0, 8.0, 8.0] and h.tolist() == [192.0, 8.0, 8.0]


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.add_(1),
        lambda x: x.view(-1).add_(1),
        lambda x: x[0].fill_(1),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.uniform_(),
    ],
)
def test_leaves_and_their_views_refuse_writes(write):
    with pytest.raises(RuntimeError, match="leaf Variable"):
        write(leaf())
    with torch.no_grad():
        write(leaf())


def test_a_view_that_is_a_leaf_of_its_own_refuses_writes():
    v = torch.ones(3, 4)[0].requires_grad_()
    with pytest.raises(RuntimeError, match="leaf Variable"):
        v.add_(1)


@pytest.mark.parametrize("deeper", [False, True])
def test_views_taken_under_no_grad_refuse_recorded_writes(deeper):
    x = leaf(3)
    with torch.no_grad():
        v = x[:1]
    with pytest.raises(RuntimeError, match="no_grad mode"):
        (v.view(1) if deeper else v).mul_(2)
    plain = torch.ones(3)
    with torch.no_grad():
        w = plain[:1]
    w.mul_(5)
    assert plain.tolist() == [5.0, 1.0, 1.0]
    with pytest.raises(RuntimeError, match="no_grad mode"):
        w.mul_(torch.ones(1, requires_grad=True))


@pytest.mark.parametrize("op", ["exp", "sigmoid", "tanh", "relu", "sqrt"])
def test_a_saved_output_that_was_overwritten_is_noticed(op):
    y = getattr(leaf(3) + 1, op)()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_saved_input_that_was_overwritten_is_noticed():
    x = leaf(3)
    y = x * x
    x.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_data_is_not_watched():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    x.data.add_(1)
    y.sum().backward()
    assert x._version == 0 and x.grad.tolist() == [4.0, 6.0]


@pytest.mark.parametrize(
    "name, slope", [("exp_", 2.718282), ("relu_", 1.0), ("sigmoid_", 0.196612)]
)
def test_in_place_functions_of_their_result(name, slope):
    x = torch.ones(2, requires_grad=True)
    getattr(x * 1, name)().sum().backward()
    assert x.grad.tolist() == pytest.approx([slope, slope], rel=1e-5)


def test_random_fills_cut_the_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 2
    y[0].normal_()
    y.sum().backward()
    assert x.grad.tolist() == [[0.0] * 3, [2.0] * 3]


def test_clamping_in_place_by_a_recorded_limit():
    x, low = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0], requires_grad=True)
    x.clamp_min_(low).sum().backward()
    assert low.grad.tolist() == [1.0, 0.0]


def test_expanded_memory_refuses_writes():
    for write in (lambda v: v.add_(1), lambda v: v.uniform_()):
        with pytest.raises(RuntimeError, match="single memory location"):
            write(torch.ones(1).expand(3))
