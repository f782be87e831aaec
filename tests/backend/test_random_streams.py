"""Numbers and positions recorded from PyTorch 2.13, and what must hold for any stream."""

import threading

import ml_dtypes
import numpy as np
import pytest

from rushlight.backend import random_streams as streams
from rushlight.backend.native import extension
from rushlight.backend.random_streams import Engine

SEED = 2024
DTYPES = {
    name: np.dtype(name)
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32")
} | {"float64": np.dtype("float64"), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
FLOATING = ("float16", "bfloat16", "float32", "float64")

# function, dtype, arguments, elements, the first and last two, the next random_() of an int64
RECORDED = [
    ("uniform", "float32", (-0.3, 0.9), 700, [0.338059068, 0.697521567, 0.767386913, 0.807943702],
     2543841018992939455),
    ("uniform", "float64", (-0.3, 0.9), 700,
     [0.004472784320863976, 0.629645198105203, 0.23058057577591926, 0.7020091987188545],
     4736777863869428809),
    ("uniform", "float16", (0.1, 0.73), 700,
     [0.43505859375, 0.62353515625, 0.66015625, 0.681640625], 2543841018992939455),
    ("uniform", "bfloat16", (0.1, 0.73), 700, [0.435546875, 0.625, 0.66015625, 0.68359375],
     2543841018992939455),
    ("normal", "float32", (0.3, 1.7), 5, [0.231270418, 3.23418665, 2.63268328, 1.16014016],
     4191840680759550026),
    ("normal", "float32", (0.3, 1.7), 700, [-1.78460038, 0.284164816, -0.433662117, -2.50761127],
     5565926051050573642),
    ("normal", "float64", (0.3, 1.7), 5,
     [0.23127041547199675, 3.234186604390677, 2.6326832781074434, 1.1601401387292483],
     4191840680759550026),
    ("normal", "float64", (0.3, 1.7), 700,
     [-0.8968420614642713, 2.5631398415959414, 1.2228580395767645, 1.6017165682369334],
     5151392338607232456),
    ("normal", "float16", (0.3, 1.7), 5, [0.2313232421875, 3.234375, 2.6328125, 1.16015625],
     4191840680759550026),
    ("normal", "float16", (0.3, 1.7), 700,
     [-1.7841796875, 0.2841796875, -0.46923828125, -0.64599609375], 1013708820128071020),
    ("normal", "bfloat16", (0.3, 1.7), 700, [-1.78125, 0.283203125, -0.46875, -0.64453125],
     1013708820128071020),
    ("log_normal", "float64", (0.3, 0.7), 700,
     [1.3121927368786384, 4.518565084043517, 0.38983874132603646, 2.165044043541567],
     4736777863869428809),
    ("exponential", "float32", (0.7,), 700, [0.418091744, 2.12905955, 0.833808601, 2.57408047],
     4736777863869428809),
    ("exponential", "float64", (0.7,), 700,
     [0.41809174733664095, 2.1290595119068425, 0.8338086143641945, 2.574080377624005],
     4736777863869428809),
    ("cauchy", "float64", (0.5, 2.0), 700,
     [-1.453701142719308, 2.837299424994604, 0.13246533654105364, 4.006569478696349],
     4736777863869428809),
    ("geometric", "int64", (0.3,), 700, [4, 1, 3, 1], 4736777863869428809),
    ("geometric", "float32", (0.3,), 700, [4.0, 1.0, 3.0, 1.0], 4736777863869428809),
    ("bernoulli", "bool", (0.3,), 700, [True, False, False, False], 4736777863869428809),
    ("bernoulli", "float32", (0.3,), 700, [1.0, 0.0, 0.0, 0.0], 4736777863869428809),
    ("bernoulli", "bfloat16", (0.3,), 700, [1.0, 0.0, 0.0, 0.0], 4736777863869428809),
    ("random", "int64", (), 700,
     [1623581238383398394, 3672908012959206016, 6651295587471109518, 6871006912535922641],
     4736777863869428809),
    ("random", "int32", (), 700, [378019464, 1104465402, 2095297934, 1877761151],
     2543841018992939455),
    ("random", "uint8", (), 700, [136, 250, 142, 127], 2543841018992939455),
    ("random", "float32", (), 700, [8920562.0, 13946169.0, 14923026.0, 15490064.0],
     2543841018992939455),
    ("random", "float64", (), 700,
     [2285372530018630.0, 6977916279620841.0, 3982537472256684.0, 7521080423285975.0],
     4736777863869428809),
    ("random", "int64", (-5, 1099511627776), 700,
     [587318175071, 415431110281, 106326206155, 420858053172], 4736777863869428809),
    ("random", "int64", (3, 268435458), 700, [109584020, 30723593, 216249752, 267148424],
     2543841018992939455),
    ("random", "int64", (3, 268435459), 700, [30723581, 220105347, 56012177, 250939348],
     4736777863869428809),
]  # fmt: skip


def next_int64(engine):
    return engine.next64() & (2**63 - 1)


@pytest.fixture
def engine():
    return Engine(SEED)


@pytest.fixture
def threads():
    before = extension.get_num_threads()
    yield extension.set_num_threads
    extension.set_num_threads(before)


@pytest.fixture
def isa():
    before = extension.get_isa()

    def use(name):
        try:
            extension.set_isa(name)
        except ValueError as error:
            pytest.skip(str(error))

    yield use
    extension.set_isa(before)


# --- the numbers ----------------------------------------------------------------------------------


def test_words_are_those_of_the_published_generator():
    engine = Engine(5489)
    words = [engine.next32() for _ in range(10000)]
    # The C++ standard, [rand.predef]: the 10000th word of a default mt19937.
    assert words[-1] == 4123659995


@pytest.mark.parametrize(
    ("name", "dtype", "args", "n", "ends", "following"),
    RECORDED,
    ids=[f"{r[0]}-{r[1]}-{r[2]}-{r[3]}" for r in RECORDED],
)
def test_recorded_numbers(engine, name, dtype, args, n, ends, following):
    out = np.empty(n, DTYPES[dtype])
    getattr(streams, name)(engine, out, *args)
    got = out[[0, 1, -2, -1]].astype(np.float64 if dtype in FLOATING else np.int64)
    np.testing.assert_allclose(got, ends, rtol=1e-6 if dtype == "float32" else 1e-12)
    assert next_int64(engine) == following


def test_rounding_to_the_bound_of_bfloat16_is_avoided(engine):
    out = np.empty(700, ml_dtypes.bfloat16)
    with pytest.warns(UserWarning, match="outside -256 to 256"):
        streams.random(engine, out, 0, 300)
    assert out[[0, 1, -2, -1]].astype(int).tolist() == [196, 210, 36, 272]
    assert out.astype(int).max() < 300


def test_permutation(engine):
    assert streams.permutation(engine, 10).tolist() == [2, 3, 0, 8, 7, 5, 1, 9, 4, 6]
    large = streams.permutation(engine, 1000)
    assert large[:5].tolist() == [159, 570, 952, 227, 266]
    assert sorted(large) == list(range(1000))


@pytest.mark.parametrize("n", [0, 1])
def test_permutation_of_nothing_draws_nothing(engine, n):
    assert streams.permutation(engine, n).tolist() == list(range(n))
    assert engine.next64() == Engine(SEED).next64()


def test_multinomial(engine):
    weights = np.array([[0.1, 0.2, 0.3, 0.4], [4, 3, 2, 1]], np.float32)
    drawn = streams.multinomial(engine, weights, 6, replacement=True)
    assert drawn.tolist() == [[1, 3, 2, 3, 3, 1], [0, 1, 1, 0, 0, 0]]
    assert streams.multinomial(engine, weights, 3).tolist() == [[3, 2, 1], [1, 2, 0]]
    assert streams.multinomial(engine, weights, 1).tolist() == [[3], [2]]
    assert next_int64(engine) == 7059709662260932370


def test_multinomial_of_one_row_has_one_dimension(engine):
    drawn = streams.multinomial(engine, np.array([0.0, 1.0]), 3, replacement=True)
    assert drawn.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("low", "high", "first", "following"),
    [
        (-2, 2, [-1.2262355089187622, -0.009314819239079952, 1.541957974433899],
         1092301417704226117),
        (-0.1, 0.1, [0.006343174260109663, 0.06625359505414963, 0.0943676009774208],
         304148784022499335),
    ],
)  # fmt: skip
def test_truncated_normal(engine, low, high, first, following):
    out = np.empty(50, np.float32)
    streams.truncated_normal(engine, out, 0.0, 1.0, low, high)
    np.testing.assert_allclose(out[:3], first, rtol=1e-6)
    assert low <= out.min() and out.max() <= high
    assert next_int64(engine) == following


def test_complex_normal(engine):
    out = np.empty(20, np.complex64)
    streams.normal(engine, out)
    expected = [
        -0.8670794367790222 - 0.00658657168969512j,
        1.0903289318084717 - 0.3292781412601471j,
    ]
    np.testing.assert_allclose(out[:2], expected, rtol=1e-5)
    assert next_int64(engine) == 7059709662260932370


@pytest.mark.parametrize(
    ("dtype", "first", "ones", "following"),
    [
        (np.float32, [40, 63, 66, 70, 83], 352, 2543841018992939455),
        (np.float64, [53, 57, 74, 76, 85], 332, 4736777863869428809),
    ],
)
def test_bernoulli_each_draws_by_the_dtype_of_p(engine, dtype, first, ones, following):
    out = np.empty(700, np.int16)
    streams.bernoulli_each(engine, out, np.linspace(0, 1, 700).astype(dtype))
    assert np.flatnonzero(out)[:5].tolist() == first
    assert out.sum() == ones
    assert next_int64(engine) == following


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bernoulli_of_certainty(engine, p, dtype):
    out = np.empty(300, DTYPES[dtype])
    streams.bernoulli(engine, out, p)
    assert (out == p).all()


@pytest.mark.parametrize(
    ("dtype", "high"),
    [
        ("float16", 1.25),
        ("bfloat16", 1.25),
        ("float32", 1 + 2.0**-20),
        ("float64", 1 + 2.0**-49),
    ],
)
def test_uniform_never_gives_its_upper_bound(engine, dtype, high):
    out = np.empty(20_000, DTYPES[dtype])
    streams.uniform(engine, out, 1.0, high)
    assert (out >= 1).all()
    assert (out < high).all()


def test_bernoulli_is_strictly_below_p(engine):
    u = np.empty(1, np.float64)
    streams.uniform(engine, u)
    for p, expected in ((u[0], 0), (np.nextafter(u[0], 1), 1)):
        out = np.empty(1, np.float32)
        engine.seed(SEED)
        streams.bernoulli(engine, out, p)
        assert out[0] == expected


@pytest.mark.parametrize("dtype", FLOATING)
def test_a_mean_of_nan_gives_nan(engine, dtype):
    out = np.empty(40, DTYPES[dtype])
    streams.normal(engine, out, float("nan"), 1.0)
    assert np.isnan(out.astype(np.float64)).all()


def test_uniform_of_an_empty_interval_gives_its_bound(engine):
    out = np.empty(100, np.float32)
    streams.uniform(engine, out, 5.0, 5.0)
    assert (out == 5).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_to_nearest(engine, dtype):
    single, half = np.empty(50_000, np.float32), np.empty(50_000, DTYPES[dtype])
    streams.normal(engine, single, 1e-3, 100.0)
    engine.seed(SEED)
    streams.normal(engine, half, 1e-3, 100.0)
    np.testing.assert_array_equal(half, single.astype(DTYPES[dtype]))


@pytest.mark.parametrize("scale", [1e-7, 1e-5, 1e38])
def test_half_precision_at_the_ends_of_its_range(engine, scale):
    for dtype in (np.float16, ml_dtypes.bfloat16):
        single, half = np.empty(2000, np.float32), np.empty(2000, dtype)
        engine.seed(SEED)
        streams.normal(engine, single, 0.0, scale)
        engine.seed(SEED)
        streams.normal(engine, half, 0.0, scale)
        with np.errstate(over="ignore"):
            expected = single.astype(dtype)
        np.testing.assert_array_equal(half, expected)


# --- the stream -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[1, 2, 3], [623, 1, 624, 1], [9984, 1, 9983], [30000, 7]])
def test_pieces_continue_each_other(engine, pieces):
    whole = np.empty(sum(pieces), np.float32)
    streams.uniform(engine, whole)
    engine.seed(SEED)
    parts = [np.empty(n, np.float32) for n in pieces]
    for part in parts:
        streams.uniform(engine, part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def large_fills(engine):
    """One fill of each kind, long enough for several threads, and what follows them."""
    n = 2_200_003
    out = [np.empty(n, np.float32) for _ in range(3)] + [np.empty(n, np.float64) for _ in range(2)]
    streams.uniform(engine, out[0], -1.0, 0.3)
    streams.normal(engine, out[1], 0.1, 0.7)
    streams.bernoulli(engine, out[2], 0.3)
    streams.uniform(engine, out[3], -1.0, 0.3)
    streams.random(engine, out[4], 0, 1000)
    out.append(np.empty(20_001, np.float64))
    streams.normal(engine, out[5])
    return [*out, streams.get_state(engine)]


def test_thread_count_changes_nothing(engine, threads):
    threads(1)
    one = large_fills(engine)
    threads(3)
    engine.seed(SEED)
    for a, b in zip(one, large_fills(engine), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["baseline", "avx2"])
def test_instruction_set_changes_nothing(engine, isa, name):
    best = large_fills(engine)
    isa(name)
    engine.seed(SEED)
    for a, b in zip(best, large_fills(engine), strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-7)


def test_two_python_threads_share_a_stream_without_loss(engine):
    def draw():
        out = np.empty(5000, np.float32)
        for _ in range(40):
            streams.uniform(engine, out)

    workers = [threading.Thread(target=draw) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    alone = Engine(SEED)
    streams.uniform(alone, np.empty(3 * 40 * 5000, np.float32))
    assert engine.next64() == alone.next64()


def test_copy_continues_alone(engine):
    streams.normal(engine, np.empty(3, np.float32))
    other = engine.copy()
    a, b = np.empty(999, np.float64), np.empty(999, np.float64)
    streams.normal(engine, a)
    streams.normal(other, b)
    np.testing.assert_array_equal(a, b)
    assert other.initial_seed() == SEED


def test_seeding_forgets_the_cached_normal(engine):
    streams.normal(engine, np.empty(1, np.float32))
    engine.seed(SEED)
    np.testing.assert_array_equal(streams.get_state(engine), streams.get_state(Engine(SEED)))


def test_only_the_low_half_of_a_seed_counts_but_all_is_kept():
    assert Engine(2**40 + 7).next64() == Engine(7).next64()
    assert Engine(2**40 + 7).initial_seed() == 2**40 + 7


@pytest.mark.parametrize(("seed", "bits"), [(0, 0), (-1, 2**64 - 1), (2**64 - 1, 2**64 - 1)])
def test_seed_bits(seed, bits):
    assert streams.seed_bits(seed) == bits


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match="expected an integer from"):
        streams.seed_bits(seed)


def test_fresh_seeds_differ():
    assert streams.fresh_seed() != streams.fresh_seed()


# --- states ---------------------------------------------------------------------------------------


def fields(state):
    """seed, left, seeded, next, the first word; cached normal, whether there is one."""
    head = (
        state[:24].view(np.uint64)[0],
        *state[8:16].view(np.int32),
        state[16:24].view(np.uint64)[0],
    )
    words = state[24:5016].view(np.uint64)
    cached = state[5024:5032].view(np.float64)[0], state[5040:5044].view(np.int32)[0]
    return [int(x) for x in head] + [int(words[0])], float(cached[0]), int(cached[1])


@pytest.mark.parametrize(
    ("drawn", "left", "position", "word"),
    [
        (0, 1, 0, 5),
        (1, 624, 1, 4081643083),
        (623, 2, 623, 4081643083),
        (624, 1, 624, 4081643083),
        (625, 624, 1, 1991508151),
    ],
)
def test_state_has_the_layout_of_pytorch(drawn, left, position, word):
    engine = Engine(5)
    for _ in range(drawn):
        engine.next32()
    head, _, _ = fields(streams.get_state(engine))
    assert head == [5, left, 1, position, word]


def test_state_holds_the_cached_normal():
    engine = Engine(5)
    for _ in range(625):
        engine.next32()
    streams.normal(engine, np.empty(1, np.float32))
    head, cached, valid = fields(streams.get_state(engine))
    assert head == [5, 620, 1, 5, 1991508151]
    assert cached == pytest.approx(-0.4723148858938783, rel=1e-14)
    assert valid == 1


@pytest.mark.parametrize("drawn", [0, 1, 5, 623, 624, 625, 50_000])
def test_state_continues_the_stream(engine, drawn):
    streams.uniform(engine, np.empty(drawn, np.float32))
    streams.normal(engine, np.empty(1, np.float64))
    state = streams.get_state(engine)
    other = Engine(1)
    streams.set_state(other, state)
    np.testing.assert_array_equal(streams.get_state(other), state)
    a, b = np.empty(2001, np.float32), np.empty(2001, np.float32)
    streams.normal(engine, a[:5])
    streams.normal(engine, a[5:])
    streams.normal(other, b[:5])
    streams.normal(other, b[5:])
    np.testing.assert_array_equal(a, b)
    assert other.initial_seed() == SEED


@pytest.mark.parametrize("size", [0, 5048, 5055, 5057])
def test_state_of_another_size(engine, size):
    with pytest.raises(RuntimeError, match=f"expected 5056 bytes, got {size}"):
        streams.set_state(engine, np.zeros(size, np.uint8))


@pytest.mark.parametrize(
    ("left", "seeded", "position"),
    [(0, 1, 5), (625, 1, 0), (-1, 1, 626), (1, 1, 625), (10, 1, 5), (624, 0, 1), (624, 1, 2**63)],
)
def test_state_with_an_impossible_position(engine, left, seeded, position):
    state = streams.get_state(engine)
    state[8:16].view(np.int32)[:] = left, seeded
    state[16:24].view(np.uint64)[:] = position
    before = engine.copy().next64()
    with pytest.raises(RuntimeError, match="position is impossible"):
        streams.set_state(engine, state)
    assert engine.next64() == before


def test_state_of_another_dtype(engine):
    with pytest.raises(TypeError, match="uint8"):
        streams.set_state(engine, np.zeros(5056, np.float32))


# --- layout ---------------------------------------------------------------------------------------


FILLS = [
    lambda engine, out, **order: streams.uniform(engine, out, **order),
    lambda engine, out, **order: streams.random(engine, out, 0, 50, **order),
    lambda engine, out, **order: streams.bernoulli(engine, out, 0.5, **order),
    lambda engine, out, **order: streams.exponential(engine, out, **order),
]
VIEWS = [
    lambda a: a.T,
    lambda a: a.transpose(0, 3, 1, 2),
    lambda a: a[:, ::2, :, 1:],
    lambda a: a.transpose(2, 0, 3, 1)[::2],
]


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("view", VIEWS)
def test_strided_arrays_are_filled_in_logical_order(engine, fill, view):
    out = view(np.zeros((3, 4, 5, 6), np.float32))
    fill(engine, out)
    expected = np.empty(out.shape, np.float32)
    engine.seed(SEED)
    fill(engine, expected)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("view", VIEWS[:2])
def test_permuted_arrays_are_filled_in_memory_order(engine, fill, view):
    whole = np.zeros((3, 4, 5, 6), np.float32)
    fill(engine, view(whole), in_memory_order=True)
    expected = np.empty(whole.shape, np.float32)
    engine.seed(SEED)
    fill(engine, expected)
    np.testing.assert_array_equal(whole, expected)


def test_elements_between_those_of_a_slice_stay(engine):
    whole = np.full((6, 8), 7.0)
    streams.uniform(engine, whole[::2, 1::3])
    whole[::2, 1::3] = 7
    assert (whole == 7).all()


def test_normals_of_a_non_contiguous_tensor_are_drawn_singly(engine):
    whole = np.empty((5, 8), np.float32)
    streams.normal(engine, whole.T, in_memory_order=True)
    pairs = np.empty(40, np.float32)
    engine.seed(SEED)
    for start in range(0, 40, 10):
        streams.normal(engine, pairs[start : start + 10])
    np.testing.assert_array_equal(whole.ravel(), pairs)


def test_probabilities_follow_the_order_of_the_output(engine):
    p = np.linspace(0, 1, 30).reshape(5, 6)
    whole = np.empty((6, 5), np.float32)
    streams.bernoulli_each(engine, whole.T, p, in_memory_order=True)
    expected = np.empty((6, 5), np.float32)
    engine.seed(SEED)
    streams.bernoulli_each(engine, expected, np.ascontiguousarray(p.T))
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_any_shape(engine, shape, dtype):
    out = np.full(shape, 9, dtype)
    streams.uniform(engine, out)
    assert (np.abs(out) < 2).all()


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (RuntimeError, "from=1.0 and to=0.0", lambda e, a: streams.uniform(e, a, 1.0, 0.0)),
        (RuntimeError, "from=nan is out", lambda e, a: streams.uniform(e, a, float("nan"), 1.0)),
        (RuntimeError, "to=1e[+]39 is out", lambda e, a: streams.uniform(e, a, 0.0, 1e39)),
        (RuntimeError, "to - from must be", lambda e, a: streams.uniform(e, a, -3e38, 3e38)),
        (RuntimeError, "std >= 0, got -1", lambda e, a: streams.normal(e, a, 0.0, -1.0)),
        (RuntimeError, "std >= 0, got nan", lambda e, a: streams.normal(e, a, 0.0, float("nan"))),
        (RuntimeError, "std > 0, got 0", lambda e, a: streams.log_normal(e, a, 0.0, 0.0)),
        (RuntimeError, "rate > 0, got 0", lambda e, a: streams.exponential(e, a, 0.0)),
        (RuntimeError, "sigma > 0, got -1", lambda e, a: streams.cauchy(e, a, 0.0, -1.0)),
        (RuntimeError, "p between 0 and 1", lambda e, a: streams.geometric(e, a, 1.0)),
        (RuntimeError, "got 1.1", lambda e, a: streams.bernoulli(e, a, 1.1)),
        (RuntimeError, "got nan", lambda e, a: streams.bernoulli(e, a, float("nan"))),
        (RuntimeError, "every probability", lambda e, a: streams.bernoulli_each(e, a, a + 2)),
        (NotImplementedError, "int64", lambda e, a: streams.bernoulli_each(e, a, a.astype(int))),
        (RuntimeError, "from=5 and to=5", lambda e, a: streams.random(e, a, 5, 5)),
        (RuntimeError, "a <= b", lambda e, a: streams.truncated_normal(e, a, 0, 1, 2, 1)),
        (RuntimeError, "n >= 0, got -1", lambda e, a: streams.permutation(e, -1)),
        (ValueError, "int64", lambda e, a: streams.random(e, a, 0, 2**64)),
        (RuntimeError, "num_samples > 0", lambda e, a: streams.multinomial(e, a, 0)),
        (RuntimeError, "without replacement", lambda e, a: streams.multinomial(e, a, 41)),
        (RuntimeError, "positive sum", lambda e, a: streams.multinomial(e, a * 0, 1, True)),
        (RuntimeError, "finite and >= 0", lambda e, a: streams.multinomial(e, a - 5, 1)),
        (RuntimeError, "shape", lambda e, a: streams.multinomial(e, a.reshape(2, 2, 10), 1)),
    ],
)
def test_bad_parameters(engine, error, words, call):
    with pytest.raises(error, match=words):
        call(engine, np.ones(40, np.float32))


@pytest.mark.parametrize(
    ("dtype", "low", "high", "words"),
    [
        (np.uint8, -5, 5, "from=-5 is out of bounds for uint8"),
        (np.uint8, 0, 300, "to - 1=299 is out of bounds for uint8"),
        (np.int8, 0, 129, "to - 1=128"),
        (bool, 0, 3, "to - 1=2"),
        (np.float16, 0, 2**24, "to - 1=16777215"),
        (np.int32, -(2**63), None, "cannot hold all of int64"),
        (np.float32, 2**24, None, "pass to as well"),
    ],
)
def test_bounds_that_the_dtype_cannot_hold(engine, dtype, low, high, words):
    with pytest.raises(RuntimeError, match=words):
        streams.random(engine, np.empty(3, dtype), low, high)


@pytest.mark.parametrize("name", ["uniform", "normal", "log_normal", "truncated_normal"])
@pytest.mark.parametrize("dtype", [np.int64, bool])
def test_continuous_distributions_want_floating_dtypes(engine, name, dtype):
    with pytest.raises(NotImplementedError, match="expected a floating dtype"):
        getattr(streams, name)(engine, np.empty(3, dtype))


@pytest.mark.parametrize("name", ["exponential", "cauchy"])
def test_dtype_errors_of_exponential_and_cauchy(engine, name):
    with pytest.raises(RuntimeError, match="expected a floating dtype, got int64"):
        getattr(streams, name)(engine, np.empty(3, np.int64))


def test_read_only_arrays(engine):
    out = np.zeros(3, np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        streams.uniform(engine, out)
    assert (out == 0).all()


RAW = [
    ("uniform", ()),
    ("normal", ()),
    ("log_normal", ()),
    ("exponential", ()),
    ("cauchy", ()),
    ("geometric", (0.5,)),
    ("bernoulli", (0.5,)),
    ("bernoulli_each", (np.full(8, 0.5),)),
    ("integers", (0, 10, False)),
    ("permutation", ()),
]
HOSTILE = {
    "strided": lambda: np.zeros(16, np.int64)[::2],
    "read-only": lambda: np.frombuffer(bytes(64), np.int64),
    "byte-swapped": lambda: np.zeros(8, ">f4"),
    "unaligned": lambda: np.frombuffer(bytearray(65), np.uint8)[1:].view(np.float64),
    "expanded": lambda: np.lib.stride_tricks.as_strided(np.zeros(1), (8,), (0,)),
    "text": lambda: np.zeros(8, "U3"),
    "objects": lambda: np.zeros(8, object),
    "dates": lambda: np.zeros(8, "M8[s]"),
    "wide complex": lambda: np.zeros(8, np.complex128),
    "extended": lambda: np.zeros(8, np.longdouble),
}


@pytest.mark.parametrize(("name", "args"), RAW, ids=[name for name, _ in RAW])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_engine_refuses_arrays_it_cannot_fill(engine, name, args, hostile):
    with pytest.raises((TypeError, ValueError)):
        getattr(engine, name)(HOSTILE[hostile](), *args)
    assert engine.next64() == Engine(SEED).next64()


@pytest.mark.parametrize(("name", "args"), RAW, ids=[name for name, _ in RAW])
@pytest.mark.parametrize("thing", [None, 3, [1.0], b"12345678"])
def test_the_engine_refuses_what_is_no_array(engine, name, args, thing):
    with pytest.raises(TypeError):
        getattr(engine, name)(thing, *args)


def test_the_engine_refuses_sizes_that_do_not_fit(engine):
    with pytest.raises(ValueError, match="shape"):
        engine.bernoulli_each(np.empty(8, np.float32), np.full(7, 0.5))
    with pytest.raises(ValueError, match="shape"):
        engine.get_state(np.empty(10, np.uint8))
    with pytest.raises(ValueError, match="count"):
        engine.integers(np.empty(8, np.int64), 0, 2**32, False)
    with pytest.raises(ValueError, match="count"):
        engine.integers(np.empty(8, np.int64), 0, 0, False)
