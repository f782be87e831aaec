"""Operations whose gradient the user writes."""

import pytest

import rushlight as torch
from rushlight.autograd import Function, grad, gradcheck, gradgradcheck
from rushlight.autograd.function import once_differentiable


def make(forward, backward, **more):
    """A Function class from its two rules."""
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Made", (Function,), body | {k: staticmethod(v) for k, v in more.items()})


def leaf(*values):
    return torch.tensor([float(v) for v in values], requires_grad=True)


def test_arguments_that_are_no_tensors():
    def forward(ctx, x, k, words):
        ctx.k = k
        assert ctx.needs_input_grad == (True, False, False)
        return x * k

    x = leaf(1, 2)
    y = make(forward, lambda ctx, g: (g * ctx.k, None, None)).apply(x, 3.0, {"a": 1})
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and y.grad_fn.name() == "MadeBackward"


def test_several_outputs_and_missing_gradients():
    seen = []

    def backward(ctx, a, b, number):
        seen.append((a.tolist(), b.tolist(), number))
        return a * 2 + b * 3

    x = leaf(1, 2)
    y, _, number = make(lambda ctx, x: (x * 2, x * 3, 7), backward).apply(x)
    y.sum().backward()
    assert number == 7 and seen == [([1.0, 1.0], [0.0, 0.0], None)]


def test_without_materialized_gradients():
    seen = []

    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    y, _ = make(forward, lambda ctx, a, b: seen.append(b) or a * 2).apply(leaf(1))
    y.sum().backward()
    assert seen == [None]


def test_outputs_without_gradient():
    def forward(ctx, x):
        y, z = x * 2, x * 3
        ctx.mark_non_differentiable(z)
        return y, z

    y, z = make(forward, lambda ctx, a, b: a * 2).apply(leaf(1))
    assert y.requires_grad and not z.requires_grad


def _doubled_in_place(ctx, x):
    x.mul_(2)
    ctx.mark_dirty(x)
    return x


def test_inputs_written_in_place():
    double = make(_doubled_in_place, lambda ctx, g: g * 2)
    x = leaf(1, 3)
    w = x * 1
    y = double.apply(w)
    assert y is w
    (y * w).sum().backward()
    assert x.grad.tolist() == [8.0, 24.0]
    with pytest.raises(RuntimeError, match="leaf Variable"):
        double.apply(leaf(1))


def test_written_inputs_must_be_returned():
    forward = lambda ctx, x: (ctx.mark_dirty(x), x * 2)[1]  # noqa: E731
    with pytest.raises(RuntimeError, match="not returned as output"):
        make(forward, lambda ctx, g: g).apply(leaf(1) * 1)


def test_a_saved_output_and_gradients_of_gradients():
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    exp = make(forward, lambda ctx, g: g * ctx.saved_tensors[0])
    x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(exp.apply, x) and gradgradcheck(exp.apply, x)
    y = exp.apply(x)
    y.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.sum().backward()


def test_a_setup_of_its_own():
    def setup(ctx, inputs, output):
        ctx.k = inputs[1]

    x = leaf(1)
    made = make(lambda x, k: x * k, lambda ctx, g: (g * ctx.k, None), setup_context=setup)
    made.apply(x, 4.0).sum().backward()
    assert x.grad.tolist() == [4.0]


def test_once_differentiable():
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    square = make(forward, once_differentiable(lambda ctx, g: g * 2 * ctx.saved_tensors[0]))
    x = leaf(3)
    (g,) = grad((square.apply(x) * x).sum(), x, create_graph=True)
    assert g.tolist() == [27.0]
    with pytest.raises(RuntimeError, match="differentiate twice"):
        g.sum().backward()


@pytest.mark.parametrize(
    "backward, text",
    [
        (lambda ctx, g: (g, g), "incorrect number of gradients"),
        (lambda ctx, g: torch.ones(5), "invalid gradient at index 0"),
        (lambda ctx, g: 3.0, "expected Variable or None"),
    ],
)
def test_wrong_gradients(backward, text):
    x = leaf(1, 2)
    y = make(lambda ctx, x: x * 2, backward).apply(x)
    with pytest.raises(RuntimeError, match=text):
        y.sum().backward()


def test_a_second_backward_and_wrong_saves():
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    y = make(forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(leaf(1)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    with pytest.raises(TypeError, match="can only save variables"):
        make(lambda ctx, x: ctx.save_for_backward(3), None).apply(leaf(1))
