"""Our stream beside PyTorch's: every number to the last bit, and the state after every call."""

import warnings

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")
if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
    pytest.skip("PyTorch rounds otherwise without fused multiply-add", allow_module_level=True)

from rushlight.backend import random_streams as streams  # noqa: E402
from rushlight.backend.random_streams import Engine  # noqa: E402

NUMPY = {
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
    torch.float16: np.dtype(np.float16),
    torch.bfloat16: np.dtype(ml_dtypes.bfloat16),
    torch.int64: np.dtype(np.int64),
    torch.int32: np.dtype(np.int32),
    torch.int16: np.dtype(np.int16),
    torch.int8: np.dtype(np.int8),
    torch.uint8: np.dtype(np.uint8),
    torch.bool: np.dtype(np.bool_),
    torch.complex64: np.dtype(np.complex64),
    torch.complex128: np.dtype(np.complex128),
}
FLOATING = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGER = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
# Around a group of 16, a block of 624 words, and a buffer of 9984.
SIZES = [
    0,
    1,
    2,
    7,
    15,
    16,
    17,
    31,
    100,
    311,
    312,
    313,
    623,
    624,
    625,
    4992,
    9983,
    9984,
    9999,
    50_001,
]


def numpy_of(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def expect_same(tensor, array):
    theirs = numpy_of(tensor)
    assert theirs.dtype == array.dtype
    assert theirs.shape == array.shape
    # In one order of memory, so that the bytes can be compared.
    theirs, ours = np.ascontiguousarray(theirs), np.ascontiguousarray(array)
    np.testing.assert_array_equal(theirs.view(np.uint8), ours.view(np.uint8))


class Pair:
    """One stream twice: PyTorch's generator and our engine."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.engine = Engine(seed)

    def expect_same_state(self):
        theirs = self.generator.get_state().numpy()
        np.testing.assert_array_equal(streams.get_state(self.engine), theirs)

    def compare(self, name, dtype, size, *args):
        tensor, array = torch.empty(size, dtype=dtype), np.empty(size, NUMPY[dtype])
        getattr(tensor, name + "_")(*args, generator=self.generator)
        getattr(streams, name)(self.engine, array, *args)
        expect_same(tensor, array)
        self.expect_same_state()


@pytest.fixture(params=[0, 2**63 + 11])
def pair(request):
    return Pair(request.param)


@pytest.mark.parametrize("dtype", [*FLOATING, torch.complex64, torch.complex128])
@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_uniform_and_normal(pair, name, dtype):
    for size in SIZES:
        pair.compare(name, dtype, size)


@pytest.mark.parametrize(
    ("name", "dtype", "size", "args"),
    [
        ("uniform", torch.float32, 2_200_003, ()),
        ("uniform", torch.float64, 1_100_003, ()),
        ("uniform", torch.float16, 2_200_003, ()),
        ("normal", torch.float32, 2_200_003, ()),
        ("normal", torch.float64, 100_003, ()),
        ("normal", torch.bfloat16, 2_200_003, ()),
        ("bernoulli", torch.float32, 1_100_003, (0.3,)),
        ("bernoulli", torch.bool, 1_100_003, (0.3,)),
        ("random", torch.int64, 2_200_003, (0, 1000)),
        ("exponential", torch.float32, 100_003, ()),
    ],
)
def test_fills_long_enough_for_several_threads(pair, name, dtype, size, args):
    pair.compare(name, dtype, size, *args)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("uniform", (-0.3, 0.9)),
        ("uniform", (1000.0, 1001.0)),
        ("uniform", (-1.0, 0.0)),
        ("uniform", (2.5, 2.5)),
        ("uniform", (1.0, 1 + 2.0**-20)),
        ("uniform", (1.0, 1 + 2.0**-49)),
        ("normal", (0.3, 1.7)),
        ("normal", (-5.0, 1e-3)),
        ("normal", (2.0, 0.0)),
        ("log_normal", (0.1, 0.4)),
        ("exponential", (0.7,)),
        ("cauchy", (0.5, 2.0)),
        ("geometric", (0.3,)),
    ],
)
def test_continuous_distributions_with_parameters(pair, name, dtype, args):
    for size in (1, 15, 16, 33, 700, 10_007):
        pair.compare(name, dtype, size, *args)


@pytest.mark.parametrize("dtype", [*FLOATING, *INTEGER, torch.bool])
@pytest.mark.parametrize("p", [0.0, 0.25, 1 / 3, 0.9, 1.0])
def test_bernoulli(pair, dtype, p):
    for size in (0, 1, 100, 4992, 10_007):
        pair.compare("bernoulli", dtype, size, p)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool, torch.bfloat16])
@pytest.mark.parametrize("p_dtype", FLOATING)
def test_bernoulli_of_a_tensor_of_probabilities(pair, dtype, p_dtype):
    p = torch.linspace(0, 1, 1777, dtype=torch.float64).to(p_dtype)
    tensor, array = torch.empty(1777, dtype=dtype), np.empty(1777, NUMPY[dtype])
    tensor.bernoulli_(p, generator=pair.generator)
    streams.bernoulli_each(pair.engine, array, numpy_of(p))
    expect_same(tensor, array)
    pair.expect_same_state()


@pytest.mark.parametrize("dtype", INTEGER)
def test_geometric_of_integers(pair, dtype):
    for p in (0.01, 0.3, 0.99):
        pair.compare("geometric", dtype, 1000, p)


@pytest.mark.parametrize("dtype", [*FLOATING, *INTEGER, torch.bool])
def test_random_over_the_range_of_the_dtype(pair, dtype):
    for size in SIZES:
        pair.compare("random", dtype, size)


@pytest.mark.parametrize("dtype", [*FLOATING, *INTEGER])
def test_random_between_small_bounds(pair, dtype):
    for bounds in ((0, 1), (0, 10), (3, 90), (100, 127)):
        pair.compare("random", dtype, 1000, *bounds)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
@pytest.mark.parametrize(
    "bounds",
    [
        (-5, 2**28 - 5),
        (-5, 2**28 - 6),
        (0, 2**31),
        (0, 2**32),
        (-(2**40), 2**41),
        (-(2**62), 2**62 + 12345),
        (-(2**63), 2**63 - 1),
        (-(2**63), None),
        (-7, None),
        (2**33, None),
    ],
)
@pytest.mark.filterwarnings("ignore:.*out of bounds", "ignore:.*lies outside")
def test_random_between_large_bounds(pair, dtype, bounds):
    pair.compare("random", dtype, 1000, *bounds)


@pytest.mark.parametrize(
    ("dtype", "digits"),
    [(torch.bfloat16, 8), (torch.float16, 11), (torch.float32, 24), (torch.float64, 53)],
)
def test_random_between_bounds_that_a_floating_dtype_rounds(dtype, digits):
    choose = np.random.default_rng(0)
    compared = 0
    for _ in range(300):
        scale = 2 ** choose.uniform(digits - 2, min(digits + 8, 62))
        low = int(choose.normal() * scale)
        high = low + 1 + int(choose.exponential() * scale * choose.choice([0.01, 1]))
        tensor, array = torch.empty(50, dtype=dtype), np.empty(50, NUMPY[dtype])
        pair = Pair(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tensor.random_(low, high, generator=pair.generator)
            except RuntimeError:
                with pytest.raises(RuntimeError):
                    streams.random(pair.engine, array, low, high)
                continue
            streams.random(pair.engine, array, low, high)
        expect_same(tensor, array)
        pair.expect_same_state()
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("n", [0, 1, 2, 10, 625, 70_000])
def test_permutation(pair, n):
    expect_same(torch.randperm(n, generator=pair.generator), streams.permutation(pair.engine, n))
    pair.expect_same_state()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial(pair, dtype, replacement):
    weights = torch.rand(3, 40, generator=torch.Generator().manual_seed(1)).to(dtype)
    weights[:, ::3] = 0
    for count in (1, 2, 25):
        for rows in (weights, weights[0]):
            theirs = torch.multinomial(rows, count, replacement, generator=pair.generator)
            ours = streams.multinomial(pair.engine, rows.numpy(), count, replacement)
            expect_same(theirs, ours)
            pair.expect_same_state()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("mean", "std", "low", "high"),
    [(0.0, 1.0, -2.0, 2.0), (0.0, 0.02, -2.0, 2.0), (0.5, 1.0, 0.2, 0.7), (0.0, 1.0, -0.1, 0.1)],
)
def test_truncated_normal(pair, dtype, mean, std, low, high):
    tensor, array = torch.empty(30, 40, dtype=dtype), np.empty((30, 40), NUMPY[dtype])
    torch.nn.init.trunc_normal_(tensor, mean, std, low, high, generator=pair.generator)
    streams.truncated_normal(pair.engine, array, mean, std, low, high)
    expect_same(tensor, array)
    pair.expect_same_state()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_multinomial_of_half_precision(pair, dtype):
    weights = torch.rand(50, generator=torch.Generator().manual_seed(1)).to(dtype)
    theirs = torch.multinomial(weights, 500, True, generator=pair.generator)
    expect_same(theirs, streams.multinomial(pair.engine, numpy_of(weights), 500, True))
    pair.expect_same_state()


VIEWS = [
    lambda a: a.t(),
    lambda a: a.reshape(6, 4, 5, 1).permute(0, 3, 1, 2),
    lambda a: a[:, ::2],
    lambda a: a.reshape(4, 5, 6).permute(2, 0, 1)[::2],
    lambda a: a[:, 3],
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("uniform", ()),
        ("normal", (0.3, 1.7)),
        ("exponential", ()),
        ("log_normal", ()),
        ("bernoulli", (0.4,)),
        ("random", (0, 100)),
    ],
)
def test_tensors_that_are_not_contiguous(pair, view, name, args):
    tensor, array = torch.zeros(12, 10), np.zeros((12, 10), np.float32)
    getattr(view(tensor), name + "_")(*args, generator=pair.generator)
    strided = view(torch.from_numpy(array)).numpy()
    getattr(streams, name)(pair.engine, strided, *args, in_memory_order=True)
    expect_same(tensor, array)
    pair.expect_same_state()


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_calls(seed):
    choose = np.random.default_rng(seed)
    pair = Pair(seed)
    for _ in range(300):
        size = int(choose.choice([*SIZES[:16], *range(40)]))
        floating = FLOATING[choose.integers(4)]
        name, dtype, args = [
            ("uniform", floating, (-0.3, 0.9)),
            ("normal", floating, (0.3, 1.7)),
            ("log_normal", floating, ()),
            ("exponential", floating, ()),
            ("bernoulli", INTEGER[choose.integers(5)], (0.3,)),
            ("random", INTEGER[choose.integers(5)], ()),
            ("random", torch.int64, (0, 2**40)),
        ][choose.integers(7)]
        pair.compare(name, dtype, size, *args)


@pytest.mark.parametrize("drawn", [0, 1, 624, 1000])
def test_states_travel_both_ways(drawn):
    pair = Pair(3)
    torch.rand(drawn, generator=pair.generator)
    torch.randn(3, generator=pair.generator)
    streams.set_state(pair.engine, pair.generator.get_state().numpy())
    pair.expect_same_state()
    pair.compare("normal", torch.float32, 15)
    streams.random(pair.engine, np.empty(777, np.int64))
    streams.normal(pair.engine, np.empty(1, np.float32))
    pair.generator.set_state(torch.from_numpy(streams.get_state(pair.engine)))
    pair.compare("normal", torch.float64, 15)
    assert pair.generator.initial_seed() == pair.engine.initial_seed()


def test_default_seed():
    assert torch.Generator().initial_seed() == streams.DEFAULT_SEED


@pytest.mark.parametrize("seed", [-1, -(2**63), 2**64 - 1, 12])
def test_seeds(seed):
    theirs = torch.Generator().manual_seed(seed)
    assert theirs.initial_seed() == streams.seed_bits(seed)
    ours = streams.get_state(Engine(streams.seed_bits(seed)))
    np.testing.assert_array_equal(ours, theirs.get_state().numpy())


@pytest.mark.parametrize(
    ("name", "dtype", "args"),
    [
        ("uniform", torch.float32, (1.0, 0.0)),
        ("uniform", torch.float32, (0.0, 1e39)),
        ("uniform", torch.float32, (float("nan"), 1.0)),
        ("uniform", torch.float32, (-3e38, 3e38)),
        ("uniform", torch.int64, ()),
        ("normal", torch.float32, (0.0, -1.0)),
        ("normal", torch.float32, (0.0, float("nan"))),
        ("normal", torch.int64, ()),
        ("log_normal", torch.float32, (0.0, 0.0)),
        ("log_normal", torch.bool, ()),
        ("exponential", torch.float32, (0.0,)),
        ("exponential", torch.int64, ()),
        ("cauchy", torch.float32, (0.0, 0.0)),
        ("cauchy", torch.uint8, ()),
        ("geometric", torch.float32, (1.0,)),
        ("geometric", torch.bool, (0.5,)),
        ("bernoulli", torch.float32, (1.5,)),
        ("random", torch.uint8, (-1, 5)),
        ("random", torch.uint8, (0, 257)),
        ("random", torch.bool, (0, 3)),
        ("random", torch.int64, (5, 5)),
        ("random", torch.int64, (0, 2**64)),
        ("random", torch.float16, (0, 2**24)),
        ("random", torch.float32, (2**24, None)),
        ("random", torch.int32, (-(2**63), None)),
        ("random", torch.complex64, ()),
        ("bernoulli", torch.complex64, (0.5,)),
    ],
)
def test_errors_are_of_one_type(pair, name, dtype, args):
    tensor, array = torch.empty(4, dtype=dtype), np.empty(4, NUMPY[dtype])
    with pytest.raises(Exception) as theirs:  # noqa: B017 - its type is what the next line wants
        getattr(tensor, name + "_")(*args, generator=pair.generator)
    with pytest.raises(theirs.type):
        getattr(streams, name)(pair.engine, array, *args)
    pair.expect_same_state()
