"""Programs of element-wise instructions, against the same instructions one by one in float64."""

import numpy as np
import pytest

from rushlight import _native

F, X = _native.PROGRAM_FAMILIES, _native.PROGRAM_EXTRA
U, B, T = _native.UNARY, _native.BINARY, _native.TERNARY
TEMPORARY = _native.FIRST_TEMPORARY
TOLERANCES = {np.float32: dict(rtol=2e-5, atol=1e-6), np.float64: dict(rtol=1e-12, atol=1e-13)}
SHAPES = [(3,), (), (16, 3, 3, 3), (100, 17), (0, 4), (5, 4, 3), (1,), (40, 1000)]


def unary(op, out, x, a=0.0, b=0.0):
    return (F["unary"], U[op], out, x, x, x, a, b)


def binary(op, out, x, y, a=1.0):
    return (F["binary"], B[op], out, x, y, x, a, 0.0)


def scalar(op, out, x, number):
    return (F["binary_scalar"], B[op], out, x, x, x, 1.0, number)


def ternary(op, out, x, y, z, a=1.0):
    return (F["ternary"], T[op], out, x, y, z, a, 0.0)


def extra(op, out, x, y=None, z=None, a=0.0):
    return (F["extra"], X[op], out, x, x if y is None else y, x if z is None else z, a, 0.0)


# One instruction on operands 0, 1, 2 (which are positive), with its formula.
INSTRUCTIONS = [
    (unary("sqrt", 0, 1), lambda p, q, r: np.sqrt(q)),
    (unary("affine", 0, 1, 2.0, -3.0), lambda p, q, r: 2 * q - 3),
    (binary("add", 0, 1, 2, -0.5), lambda p, q, r: q - 0.5 * r),
    (binary("maximum", 0, 0, 2), lambda p, q, r: np.maximum(p, r)),
    (scalar("mul", 0, 0, 0.25), lambda p, q, r: p * 0.25),
    (scalar("rsub", 0, 1, 1.0), lambda p, q, r: 1 - q),
    (ternary("addcmul", 0, 0, 1, 2, 0.5), lambda p, q, r: p + 0.5 * q * r),
    (ternary("addcdiv", 0, 1, 1, 2, -2.0), lambda p, q, r: q - 2 * q / r),
    (extra("copy", 0, 2), lambda p, q, r: r),
    (extra("fill", 0, 1, a=7.0), lambda p, q, r: np.full_like(p, 7)),
    (extra("lerp", 0, 1, 2, a=0.2), lambda p, q, r: q + 0.2 * (r - q)),
    (extra("lerp", 0, 1, 2, a=0.8), lambda p, q, r: q + 0.8 * (r - q)),
    (extra("sign", 0, 1), lambda p, q, r: np.sign(q)),
    (extra("greater", 0, 1, a=1.0), lambda p, q, r: q > 1.0),
    (extra("less", 0, 1, a=1.0), lambda p, q, r: q < 1.0),
    (extra("equal", 0, 0, a=2.0), lambda p, q, r: p == 2.0),
]


def make(dtype, *shape, seed=0):
    return np.asarray(np.random.default_rng(seed).random(shape) + 0.5, dtype)


def rows(dtype, shapes=SHAPES):
    """Three operands over some shapes."""
    return [
        [make(dtype, *shape, seed=10 * k + i) for i, shape in enumerate(shapes)] for k in range(3)
    ]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("instruction", "formula"), INSTRUCTIONS)
def test_instructions(instruction, formula, dtype, isa):
    p, q, r = rows(dtype)
    expected = [formula(*(x.astype(np.float64) for x in row)) for row in zip(p, q, r)]
    kept = [[x.copy() for x in operand] for operand in (q, r)]
    _native.run_program([instruction], [p, q, r], 0b001, 0)
    for got, want in zip(p, expected):
        np.testing.assert_allclose(got, want, **TOLERANCES[dtype])
    assert all((a == b).all() for one, other in zip((q, r), kept) for a, b in zip(one, other))


def test_where_takes_its_second_operand_where_the_first_is_not_zero():
    p, q, r = np.zeros(4), np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 6.0, 7.0, 8.0])
    mask = np.array([0.0, 1.0, -2.0, np.nan])
    _native.run_program([extra("where", 0, 3, 1, 2)], [[p], [q], [r], [mask]], 0b0001, 0)
    assert p.tolist() == [5.0, 2.0, 3.0, 4.0]


ADAM = [
    extra("lerp", 2, 2, 1, a=0.1),
    scalar("mul", 3, 3, 0.9),
    ternary("addcmul", 3, 3, 1, 1, 0.1),
    unary("sqrt", TEMPORARY, 3),
    scalar("div", TEMPORARY + 1, TEMPORARY, 0.3),
    scalar("add", TEMPORARY + 1, TEMPORARY + 1, 1e-3),
    ternary("addcdiv", 0, 0, 2, TEMPORARY + 1, -0.01),
]


def adam(p, g, m, v):
    m = m + 0.1 * (g - m)
    v = 0.9 * v + 0.1 * g * g
    return p - 0.01 * m / (np.sqrt(v) / 0.3 + 1e-3), m, v


def plain(a):
    return a.copy()


def last_first(a):
    """The same numbers with the dimensions of memory in reverse order."""
    return np.ascontiguousarray(a.T).T if a.ndim else a.copy()


def with_gaps(a):
    return np.repeat(a, 2, axis=0)[::2] if a.ndim else a.copy()


def backwards(a):
    return np.ascontiguousarray(a[::-1])[::-1] if a.ndim else a.copy()


# How the parameters and their gradients lie in memory.
LAYOUTS = [
    (plain, plain),
    (last_first, last_first),
    (plain, last_first),
    (last_first, with_gaps),
    (with_gaps, plain),
    (backwards, plain),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_a_program_in_any_order_of_memory(dtype, layout, isa):
    of_params, of_gradients = layout
    p, g, m = (list(x) for x in rows(dtype))
    v = [make(dtype, *shape, seed=99) for shape in SHAPES]
    expected = [adam(*(x.astype(np.float64) for x in row)) for row in zip(p, g, m, v)]
    p, m = ([of_params(x) for x in operand] for operand in (p, m))
    g = [of_gradients(x) for x in g]
    _native.run_program(ADAM, [p, g, m, v], 0b1101, 2)
    for row, want in zip(zip(p, m, v), expected):
        for got, exact in zip(row, want):
            np.testing.assert_allclose(got, exact, **TOLERANCES[dtype])


def test_a_temporary_that_is_used_again_is_not_joined_away():
    # The same program, but with the divisor added to the parameter in the end.
    program = [*ADAM, binary("add", 0, 0, TEMPORARY + 1)]
    p, g, m = (list(x) for x in rows(np.float64))
    v = [make(np.float64, *shape, seed=99) for shape in SHAPES]
    expected = []
    for row in zip(p, g, m, v):
        stepped, _, square = adam(*row)
        expected.append(stepped + np.sqrt(square) / 0.3 + 1e-3)
    _native.run_program(program, [p, g, m, v], 0b1101, 2)
    for got, want in zip(p, expected):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_root_without_a_division_before_it_is_joined_rightly():
    program = [
        unary("sqrt", TEMPORARY, 2),
        scalar("add", TEMPORARY, TEMPORARY, 0.5),
        ternary("addcdiv", 0, 0, 1, TEMPORARY, -3.0),
    ]
    p, g, v = (make(np.float64, 1500, seed=i) for i in range(3))
    want = p - 3 * g / (np.sqrt(v) + 0.5)
    _native.run_program(program, [[p], [g], [v]], 0b001, 1)
    np.testing.assert_allclose(p, want, rtol=1e-12)


def test_a_product_and_a_sum_are_joined_rightly():
    program = [scalar("mul", 0, 0, 0.5), binary("add", 0, 0, 1, -3.0)]
    p, g = (make(np.float64, 1500, seed=i) for i in range(2))
    want = p * 0.5 - 3 * g
    _native.run_program(program, [[p], [g]], 0b01, 0)
    np.testing.assert_allclose(p, want, rtol=1e-12)


def test_a_product_that_is_added_to_itself_is_not_joined():
    p = make(np.float64, 1500)
    want = p * 0.5 - 3 * (p * 0.5)
    program = [scalar("mul", 0, 0, 0.5), binary("add", 0, 0, 0, -3.0)]
    _native.run_program(program, [[p]], 0b1, 0)
    np.testing.assert_allclose(p, want, rtol=1e-12)


def test_types_may_differ_between_rows():
    p = [np.ones(3, np.float32), np.ones(4, np.float64)]
    q = [np.full(3, 2, np.float32), np.full(4, 0.1, np.float64)]
    _native.run_program([binary("add", 0, 0, 1)], [p, q], 0b01, 0)
    assert p[0].tolist() == [3.0] * 3
    assert p[1].tolist() == [1.1] * 4


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_the_elements(threads):
    before = _native.get_num_threads()
    _native.set_num_threads(threads)
    try:
        sizes = [100_003, 1, 511, 512, 513, 70_000]
        p = [make(np.float64, n, seed=n) for n in sizes]
        expected = [3 * x + 1 for x in p]
        program = [scalar("mul", TEMPORARY, 0, 3.0), scalar("add", 0, TEMPORARY, 1.0)]
        _native.run_program(program, [p], 0b1, 1)
    finally:
        _native.set_num_threads(before)
    assert all((got == want).all() for got, want in zip(p, expected))


def test_no_rows_and_no_instructions():
    _native.run_program(ADAM, [[], (), [], []], 0b1101, 2)
    p = np.ones(3)
    _native.run_program([], [(p,)], 0b1, 0)
    assert p.tolist() == [1.0] * 3


ONE = np.ones(3)
GOOD = [binary("add", 0, 0, 1)]


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [
        (ValueError, "1 to 16 operands, got 0", ([], [], 0, 0)),
        (ValueError, "1 to 16 operands, got 17", ([], [[]] * 17, 0, 0)),
        (ValueError, "0 to 16 temporaries, got 17", ([], [[ONE]], 0, 17)),
        (ValueError, "0 to 16 temporaries, got -1", ([], [[ONE]], 0, -1)),
        (TypeError, "lists of arrays, got int", ([], [3], 0, 0)),
        (
            ValueError,
            "has 2 arrays, but the first operand has 1",
            (GOOD, [[ONE], [ONE, ONE]], 1, 0),
        ),
        (TypeError, "must be a numpy.ndarray, got str", (GOOD, [[ONE.copy()], ["x"]], 1, 0)),
        (TypeError, "float64", (GOOD, [[ONE.copy()], [ONE.astype(np.float32)]], 1, 0)),
        (TypeError, "float32 or float64", (GOOD, [[np.ones(3, int)], [np.ones(3, int)]], 1, 0)),
        (ValueError, "shape", (GOOD, [[ONE.copy()], [np.ones(4)]], 1, 0)),
        (ValueError, "read-only|written|writeable", (GOOD, [[read_only(ONE)], [ONE]], 1, 0)),
        (ValueError, "operand 0 may only be read", (GOOD, [[ONE.copy()], [ONE]], 2, 0)),
        (ValueError, "share memory", (GOOD, [[ONE], [ONE]], 1, 0)),
        (TypeError, "tuple of 8 numbers", ([(1, 2, 3)], [[ONE]], 1, 0)),
        (TypeError, "tuple of 8 numbers", ([[0] * 8], [[ONE]], 1, 0)),
        (ValueError, "family 9", ([(9, 0, 0, 0, 0, 0, 0.0, 0.0)], [[ONE]], 1, 0)),
        (ValueError, "opcode 999", ([(0, 999, 0, 0, 0, 0, 0.0, 0.0)], [[ONE]], 1, 0)),
        (
            ValueError,
            "register 5 of an instruction is no operand",
            ([unary("neg", 0, 5)], [[ONE]], 1, 0),
        ),
        (ValueError, "register 16", ([unary("neg", 16, 0)], [[ONE]], 1, 0)),
        (ValueError, "register -1", ([unary("neg", -1, 0)], [[ONE]], 1, 0)),
        (ValueError, "read before it is written", ([unary("neg", 0, 16)], [[ONE]], 1, 1)),
        (ValueError, "at most 256", ([unary("neg", 0, 0)] * 257, [[ONE]], 1, 0)),
        (TypeError, "int", ([(0, 0, "a", 0, 0, 0, 0.0, 0.0)], [[ONE]], 1, 0)),
        (TypeError, "real number", ([(0, 0, 0, 0, 0, 0, "a", 0.0)], [[ONE]], 1, 0)),
        (TypeError, "incompatible", ("program", [[ONE]], 1, 0)),
    ],
)
def test_rejected(error, text, arguments):
    with pytest.raises(error, match=text):
        _native.run_program(*arguments)


def test_nothing_is_changed_before_all_is_checked():
    p = [np.ones(3), np.ones(2)]
    q = [np.ones(3), np.ones(3)]
    with pytest.raises(ValueError, match="shape"):
        _native.run_program(GOOD, [p, q], 0b01, 0)
    assert p[0].tolist() == [1.0] * 3
