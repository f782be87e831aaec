"""Ops on bfloat16 and float16: computed in float32, rounded once, and by which kernel."""

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.config import KERNELS
from rushlight.primitive import PRIMITIVES
from rushlight.tensor import wrap

HALVES = [torch.bfloat16, torch.float16]
SHAPE = (4, 24, 16, 16)  # Large enough for the loops.
fast = pytest.mark.skipif(KERNELS.read() == "plain", reason="without the fast kernels by request")


@pytest.fixture(params=HALVES, ids=str)
def dtype(request):
    return request.param


def drawn(*shape, dtype, low=-2.0, high=2.0, seed=0, order="contiguous"):
    made = np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)
    x = torch.tensor(made).to(dtype)
    if order == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    elif order == "every_second":
        wide = torch.zeros(*shape[:-1], 2 * shape[-1], dtype=dtype)
        wide[..., ::2] = x
        x = wide[..., ::2]
    return x


def assert_rounded(found, exact, dtype):
    """That ``found`` is ``exact``, a float32 tensor, rounded to ``dtype``."""
    assert found.dtype is dtype
    np.testing.assert_array_equal(found.float().numpy(), exact.to(dtype).float().numpy())


ONE = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "hardtanh": lambda x: F.hardtanh(x, -0.7, 0.9),
    "relu6": F.relu6,
    "gelu": F.gelu,
    "silu": F.silu,
    "elu": F.elu,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "square": torch.square,
    "abs": torch.abs,
    "neg": torch.neg,
    "sin": torch.sin,
    "floor": torch.floor,
    "frac": torch.frac,
    "clamp": lambda x: x.clamp(-0.5, 0.25),
    "add": lambda x: x + 0.125,
    "mul": lambda x: 0.3 * x,
    "div": lambda x: x / 3,
    "rsub": lambda x: 1 - x,
    "softmax": lambda x: torch.softmax(x, 1),
    "log_softmax": lambda x: torch.log_softmax(x, 1),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "max_pool2d overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 1),
}


@pytest.mark.parametrize("order", ["contiguous", "channels_last", "every_second"])
@pytest.mark.parametrize("name", ONE)
def test_one_tensor(name, order, dtype):
    x = drawn(*SHAPE, dtype=dtype, order=order)
    assert_rounded(ONE[name](x), ONE[name](x.float()), dtype)


@pytest.mark.parametrize("name", ONE)
def test_one_small_tensor(name, dtype):
    x = drawn(2, 3, 4, 4, dtype=dtype)
    found, exact = ONE[name](x).float().numpy(), ONE[name](x.float()).numpy()
    step = {torch.bfloat16: 2**-7, torch.float16: 2**-10}[dtype]
    np.testing.assert_allclose(found, exact, rtol=step, atol=1e-6)


TWO = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "add scaled": lambda x, y: torch.add(x, y, alpha=0.25),
    "greater": lambda x, y: (x > y).to(x.dtype),
    "lerp": lambda x, y: torch.addcmul(x, y, y, value=0.3),
}


@pytest.mark.parametrize(
    "orders", [("contiguous",) * 2, ("channels_last",) * 2, ("contiguous", "channels_last")]
)
@pytest.mark.parametrize("name", TWO)
def test_two_tensors(name, orders, dtype):
    x = drawn(*SHAPE, dtype=dtype, order=orders[0])
    y = drawn(*SHAPE, dtype=dtype, order=orders[1], low=0.5, seed=1)
    assert_rounded(TWO[name](x, y), TWO[name](x.float(), y.float()), dtype)


@pytest.mark.parametrize("other", [(24, 1, 1), (16,), (), (4, 1, 16, 1)])
def test_broadcasting(other, dtype):
    x, y = drawn(*SHAPE, dtype=dtype), drawn(*other, dtype=dtype, seed=1)
    assert_rounded(x * y, x.float() * y.float(), dtype)
    assert_rounded(x + y, x.float() + y.float(), dtype)


@pytest.mark.parametrize("order", ["contiguous", "channels_last", "every_second"])
def test_in_place(order, dtype):
    x = drawn(*SHAPE, dtype=dtype, order=order)
    y = drawn(*SHAPE, dtype=dtype, order=order, seed=1)
    for change in (
        lambda t, u: t.add_(u),
        lambda t, u: t.mul_(0.7),
        lambda t, u: t.add_(u, alpha=0.5),
        lambda t, u: F.relu_(t),
        lambda t, u: t.sub_(u),
        lambda t, u: t.div_(3),
        lambda t, u: t.exp_(),
    ):
        exact = change(x.float(), y.float())
        address = x.data_ptr()
        assert change(x, y) is x
        assert x.data_ptr() == address
        assert_rounded(x, exact, dtype)


@pytest.mark.parametrize("n", [5, 30000])
def test_numbers_are_rounded_in_sums_but_not_in_products(n, dtype):
    x = drawn(n, dtype=dtype)
    tenth = float(torch.tensor(0.1).to(dtype))
    assert_rounded(x + 0.1, x.float() + tenth, dtype)
    assert_rounded(0.1 - x, tenth - x.float(), dtype)
    assert_rounded(torch.add(x, x, alpha=0.1), x.float() + x.float() * tenth, dtype)
    large = drawn(30000, dtype=dtype)
    assert_rounded(large * 0.1, large.float() * 0.1, dtype)


def test_dtypes_of_mixed_operands():
    x = torch.ones(200, 200, dtype=torch.bfloat16)
    assert (x + torch.ones(200, 200)).dtype is torch.float32
    assert (x + torch.ones(())).dtype is torch.bfloat16
    assert (x + torch.ones(200, 200, dtype=torch.float16)).dtype is torch.float32
    assert (x * 2).dtype is torch.bfloat16
    assert (x > 0).dtype is torch.bool
    assert x.add_(torch.full((200, 200), 0.001)).dtype is torch.bfloat16


def test_special_values(dtype):
    row = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-40, 6e-8])
    x = row.repeat(4000).to(dtype)
    for function in (F.relu, torch.exp, torch.neg, lambda t: t * 2, lambda t: t + t, torch.tanh):
        assert_rounded(function(x), function(x.float()), dtype)
    assert bool(torch.signbit(x.neg()[1]))
    assert F.relu(x)[0].isnan()


def test_the_smallest_numbers_are_kept():
    # bfloat16 reaches down as far as float32 does.
    x = torch.full((20000,), 1e-40, dtype=torch.bfloat16)
    assert float(F.relu(x)[0]) == float(x[0]) > 0
    assert float((x + x)[0]) == 2 * float(x[0])


def test_no_elements(dtype):
    x = torch.ones(0, 3, dtype=dtype)
    for made in (F.relu(x), x + x, x * 2, torch.exp(x), torch.sin(x), torch.softmax(x, 1)):
        assert made.shape == (0, 3)
        assert made.dtype is dtype
    assert float(x.sum()) == 0
    assert x.mean().isnan()


@pytest.mark.parametrize("dims", [None, (0,), (1,), (2, 3), (0, 2, 3)])
@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin"])
def test_reductions(name, order, dims, dtype):
    x = drawn(*SHAPE, dtype=dtype, order=order)
    reduce = lambda t: getattr(t, name)() if dims is None else getattr(t, name)(dims)  # noqa: E731
    exact = reduce(x.double())
    found = reduce(x)
    assert found.dtype is dtype
    step = {torch.bfloat16: 2**-8, torch.float16: 2**-11}[dtype]
    np.testing.assert_allclose(found.double().numpy(), exact.numpy(), rtol=1.01 * step, atol=1e-6)


def test_a_long_sum_is_added_up_in_float32(dtype):
    assert float(torch.ones(30000, dtype=dtype).sum()) == float(torch.tensor(30000.0).to(dtype))


@pytest.mark.parametrize("name", ONE)
def test_gradients(name, dtype):
    x = drawn(*SHAPE, dtype=dtype).requires_grad_()
    y = ONE[name](x)
    g = drawn(*y.shape, dtype=dtype, seed=2)
    (found,) = torch.autograd.grad(y, x, g)
    wide = x.detach().float().requires_grad_()
    (exact,) = torch.autograd.grad(ONE[name](wide), wide, g.float())
    assert found.dtype is dtype
    # What is saved is rounded, too.
    tolerance = {torch.bfloat16: 2**-5, torch.float16: 2**-8}[dtype]
    np.testing.assert_allclose(
        found.float().numpy(), exact.numpy(), rtol=tolerance, atol=2 * tolerance
    )


def test_gradients_add_up_in_bfloat16():
    x = drawn(*SHAPE, dtype=torch.bfloat16).requires_grad_()
    (3 * x + x * x + F.relu(x)).sum().backward()
    assert x.grad.dtype is torch.bfloat16
    exact = 3 + 2 * x.detach().float() + (x.detach() > 0).float()
    np.testing.assert_allclose(x.grad.float().numpy(), exact.numpy(), rtol=2**-6, atol=2**-6)
    before = x.grad.float()
    (2 * x).sum().backward()
    assert_rounded(x.grad, before + 2, torch.bfloat16)


def test_nextafter_steps_on_the_grid_of_its_own_dtype():
    x = torch.ones(20000, dtype=torch.bfloat16)
    assert float(torch.nextafter(x, 2 * x)[0]) == 1 + 2**-7


# --- normalisation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [torch.float32, "same", None], ids=str)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(16, 24, 9, 7), (16, 24)])
def test_batch_norm(shape, training, weights, dtype):
    x = drawn(*shape, dtype=dtype).requires_grad_()
    g = drawn(*shape, dtype=dtype, seed=1)
    kind = torch.float32 if weights is None else dtype if weights == "same" else weights
    mean, var = torch.zeros(24, dtype=kind), torch.ones(24, dtype=kind)
    vectors = [None, None]
    if weights is not None:
        vectors = [drawn(24, dtype=kind, low=0.5, seed=s).requires_grad_() for s in (2, 3)]
    found = F.batch_norm(x, mean, var, *vectors, training=training)
    found.backward(g)

    wide = x.detach().float().requires_grad_()
    wide_vectors = [v if v is None else v.detach().float().requires_grad_() for v in vectors]
    wide_mean, wide_var = torch.zeros(24), torch.ones(24)
    exact = F.batch_norm(wide, wide_mean, wide_var, *wide_vectors, training=training)
    exact.backward(g.float())

    assert found.dtype is x.grad.dtype is dtype
    assert mean.dtype is var.dtype is kind
    step = {torch.bfloat16: 2**-8, torch.float16: 2**-11}[dtype]
    close = {"rtol": 2 * step, "atol": 2 * step}
    np.testing.assert_allclose(found.detach().float().numpy(), exact.detach().numpy(), **close)
    np.testing.assert_allclose(x.grad.float().numpy(), wide.grad.numpy(), **close)
    np.testing.assert_allclose(mean.float().numpy(), wide_mean.numpy(), **close)
    np.testing.assert_allclose(var.float().numpy(), wide_var.numpy(), **close)
    for v, w in zip(vectors, wide_vectors):
        assert v is None or v.grad.dtype is kind
        assert v is None or np.allclose(
            v.grad.float().numpy(), w.grad.numpy(), rtol=0.02, atol=0.02
        )


def test_batch_norm_keeps_what_it_saves_in_float32(dtype):
    _, mean, var = PRIMITIVES["batch_norm_train"].function(
        drawn(4, 3, 5, 5, dtype=dtype), None, None, 1e-5
    )
    assert mean.dtype is var.dtype is torch.float32


# --- dropout ----------------------------------------------------------------------------------------


def test_dropout_scales_by_a_number_of_the_dtype():
    x = drawn(40000, dtype=torch.bfloat16, low=0.5)
    torch.manual_seed(0)
    found = F.dropout(x, 0.1)
    kept = found != 0
    # 1 / 0.9, rounded.
    assert_rounded(found, x.float() * kept * 1.109375, torch.bfloat16)
    assert float(kept.float().mean()) == pytest.approx(0.9, abs=0.01)


# --- which kernels run -------------------------------------------------------------------------------

LARGE = torch.ones(*SHAPE, dtype=torch.bfloat16)
CHANNEL = torch.ones(24)


@fast
@pytest.mark.parametrize(
    "name, arguments, kernel",
    [
        ("relu", (LARGE,), "native_relu"),
        ("_relu_gradient", (LARGE, LARGE), "native_relu_backward"),
        ("_add", (LARGE, LARGE), "native_add"),
        ("_add", (LARGE, 2.0), "native_add"),
        ("mul", (LARGE, CHANNEL.to(torch.bfloat16)[:, None, None]), "native_mul"),
        ("exp", (LARGE,), "native_exp"),
        ("_gelu", (LARGE,), "native_gelu"),
        ("sin", (LARGE,), "wide_sin"),
        ("gt", (LARGE, LARGE), "wide_gt"),
        ("_sum", (LARGE, None, False), "native_sum"),
        ("_mean", (LARGE, (2, 3), False), "native_mean"),
        ("mask_scale", (LARGE, LARGE, 2.0), "mask_scale_native"),
        ("batch_norm_train", (LARGE, CHANNEL, CHANNEL, 1e-5), "batch_norm_train_native"),
        (
            "batch_norm_eval",
            (LARGE, CHANNEL, CHANNEL, CHANNEL, CHANNEL, 1e-5),
            "batch_norm_eval_native",
        ),
        (
            "batch_norm_gradient",
            (LARGE, LARGE, CHANNEL, CHANNEL, CHANNEL, 1e-5, True),
            "batch_norm_gradient_native",
        ),
        ("adaptive_avg_pool", (LARGE, (1, 1)), "adaptive_avg_pool_native"),
        ("_softmax", (LARGE, 1), "wide_softmax"),
    ],
)
def test_large_half_precision_does_not_go_element_by_element(name, arguments, kernel):
    assert PRIMITIVES[name].kernel_for(*arguments) == kernel


@fast
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_small_tensors_stay_with_numpy(dtype):
    x = torch.ones(10, dtype=dtype)
    assert PRIMITIVES["_add"].kernel_for(x, x) == "add"
    assert PRIMITIVES["sin"].kernel_for(x) == "sin"


def test_read_only_memory_is_not_written(dtype):
    x = wrap(np.broadcast_to(np.ones(1, dtype.numpy), (20000,)))
    assert_rounded(F.relu(x) + x, torch.full((20000,), 2.0), dtype)
