"""Optimizer steps over lists of arrays, against the published formulas in float64."""

import itertools

import numpy as np
import pytest

from rushlight import _native

SHAPES = [(3,), (), (16, 3, 3, 3), (100, 17), (0, 4), (5, 4, 3), (1,), (40, 1000)]
TOLERANCES = {np.float32: dict(rtol=1e-5, atol=1e-6), np.float64: dict(rtol=1e-12, atol=1e-13)}
LR = 0.05

SGD = [
    dict(),
    dict(weight_decay=0.1),
    dict(weight_decay=0.1, maximize=True),
    dict(momentum=0.9),
    dict(momentum=0.9, dampening=0.3),
    dict(momentum=0.9, nesterov=True, weight_decay=0.1),
    dict(momentum=0.9, maximize=True),
]
ADAM = [
    dict(),
    dict(weight_decay=0.1),
    dict(weight_decay=0.1, decoupled=True),
    dict(amsgrad=True),
    dict(amsgrad=True, weight_decay=0.1, maximize=True),
    dict(betas=(0.3, 0.9)),
    dict(betas=(0.0, 0.5), maximize=True, decoupled=True, weight_decay=0.2),
]


def plain(a):
    return a.copy()


def last_first(a):
    """The same numbers with the dimensions of memory in reverse order."""
    return np.ascontiguousarray(a.T).T if a.ndim else a.copy()


def with_gaps(a):
    return np.repeat(a, 2, axis=0)[::2] if a.ndim else a.copy()


def backwards(a):
    return np.ascontiguousarray(a[::-1])[::-1] if a.ndim else a.copy()


# How parameters (and their state) and gradients lie in memory.
LAYOUTS = [
    (plain, plain),
    (last_first, last_first),
    (plain, last_first),
    (last_first, with_gaps),
    (backwards, plain),
]


def sgd_reference(
    p, g, buffer, step, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False
):
    d = (-g if maximize else g) + weight_decay * p
    if momentum:
        buffer = d if step == 1 else momentum * buffer + (1 - dampening) * d
        d = d + momentum * buffer if nesterov else buffer
    return p - LR * d, buffer


def adam_reference(
    p,
    g,
    state,
    step,
    betas=(0.9, 0.999),
    weight_decay=0,
    decoupled=False,
    amsgrad=False,
    maximize=False,
):
    mean, square, largest = state
    d = -g if maximize else g
    p, d = (p * (1 - LR * weight_decay), d) if decoupled else (p, d + weight_decay * p)
    mean = betas[0] * mean + (1 - betas[0]) * d
    square = betas[1] * square + (1 - betas[1]) * d * d
    largest = np.maximum(largest, square)
    chosen = largest if amsgrad else square
    denominator = np.sqrt(chosen) / np.sqrt(1 - betas[1] ** step) + 1e-8
    return p - LR / (1 - betas[0] ** step) * mean / denominator, (mean, square, largest)


def case(dtype, shapes=SHAPES):
    rng = np.random.default_rng(1)
    values = [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]
    gradients = [
        [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes] for _ in range(4)
    ]
    return values, gradients


def sgd_step(
    params,
    grads,
    buffers,
    step,
    momentum=0,
    dampening=0,
    weight_decay=0,
    nesterov=False,
    maximize=False,
):
    _native.sgd_step(
        params, grads, buffers, LR, momentum, dampening, weight_decay, nesterov, maximize, step == 1
    )


def adam_step(
    params,
    grads,
    state,
    steps,
    betas=(0.9, 0.999),
    weight_decay=0,
    decoupled=False,
    amsgrad=False,
    maximize=False,
):
    largest = state[2] if amsgrad else None
    _native.adam_step(
        params,
        grads,
        state[0],
        state[1],
        largest,
        steps,
        LR,
        *betas,
        1e-8,
        weight_decay,
        decoupled,
        maximize,
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("options", SGD)
def test_sgd(options, dtype, layout, isa):
    values, gradients = case(dtype)
    params = [layout[0](v) for v in values]
    buffers = (
        [layout[0](np.full_like(v, np.nan)) for v in values] if options.get("momentum") else None
    )
    expected = [(v.astype(np.float64), None) for v in values]
    for step, grads in enumerate(gradients, 1):
        sgd_step(params, [layout[1](g) for g in grads], buffers, step, **options)
        expected = [
            sgd_reference(p, g.astype(np.float64), b, step, **options)
            for (p, b), g in zip(expected, grads, strict=True)
        ]
    for actual, (p, _) in zip(params, expected, strict=True):
        np.testing.assert_allclose(actual, p, **TOLERANCES[dtype])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("options", ADAM)
def test_adam(options, dtype, layout, isa):
    values, gradients = case(dtype)
    params = [layout[0](v) for v in values]
    state = [[layout[0](np.zeros_like(v)) for v in values] for _ in range(3)]
    expected = [(v.astype(np.float64), (0.0, 0.0, 0.0)) for v in values]
    for step, grads in enumerate(gradients, 1):
        adam_step(params, [layout[1](g) for g in grads], state, step, **options)
        expected = [
            adam_reference(p, g.astype(np.float64), s, step, **options)
            for (p, s), g in zip(expected, grads, strict=True)
        ]
    for i, (p, (mean, square, _)) in enumerate(expected):
        np.testing.assert_allclose(params[i], p, **TOLERANCES[dtype])
        np.testing.assert_allclose(state[0][i], np.broadcast_to(mean, p.shape), **TOLERANCES[dtype])
        np.testing.assert_allclose(
            state[1][i], np.broadcast_to(square, p.shape), **TOLERANCES[dtype]
        )


def test_adam_with_a_step_count_for_each_parameter():
    values, gradients = case(np.float64, [(4,), (5,)])
    params, state = (
        [v.copy() for v in values],
        [[np.zeros_like(v) for v in values] for _ in range(3)],
    )
    adam_step(params, gradients[0], state, [1, 7])
    for p, v, g, step in zip(params, values, gradients[0], (1, 7), strict=True):
        np.testing.assert_allclose(p, adam_reference(v, g, (0.0, 0.0, 0.0), step)[0], rtol=1e-12)


def test_types_may_differ_between_parameters():
    values, gradients = case(np.float64, [(40,), (50,), (60,)])
    types = (np.float32, np.float64, np.float32)
    params = [v.astype(t) for v, t in zip(values, types, strict=True)]
    grads = [g.astype(t) for g, t in zip(gradients[0], types, strict=True)]
    sgd_step(params, grads, None, 1)
    for p, v, g in zip(params, values, gradients[0], strict=True):
        np.testing.assert_allclose(p, v - LR * g, rtol=1e-5)


@pytest.mark.parametrize("sizes", [[100_000], [7] * 9000, [1, 70_000, 3, 0, 40_001, 5]])
def test_threads_share_the_elements(sizes, threads):
    values, gradients = case(np.float32, [(n,) for n in sizes])
    params, state = (
        [v.copy() for v in values],
        [[np.zeros_like(v) for v in values] for _ in range(3)],
    )
    adam_step(params, gradients[0], state, 1)
    flat, g = np.concatenate(values).astype(np.float64), np.concatenate(gradients[0])
    expected = adam_reference(flat, g, (0.0, 0.0, 0.0), 1)[0]
    np.testing.assert_allclose(np.concatenate(params), expected, rtol=1e-5, atol=1e-6)


def test_threads_share_strided_elements(threads):
    values, gradients = case(np.float32, [(40, 1000), (3, 5, 7, 300)])
    params = [v.copy() for v in values]
    sgd_step(params, [last_first(g) for g in gradients[0]], None, 1)
    for p, v, g in zip(params, values, gradients[0], strict=True):
        np.testing.assert_allclose(p, v - LR * g, rtol=1e-5, atol=1e-6)


def test_an_infinite_parameter_without_decay():
    p, g = np.array([np.inf, 1.0], np.float32), np.ones(2, np.float32)
    sgd_step([p], [g], None, 1)
    np.testing.assert_allclose(p, [np.inf, 1 - LR])


def test_empty_lists_and_tuples():
    sgd_step([], [], None, 1)
    adam_step((), (), ((), (), ()), 1)
    adam_step([], [], ([], [], []), [])


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def test_rejected():
    x, y = ones(3), ones(3)
    with pytest.raises(ValueError, match="sgd_step: grads has 1 arrays for 2 parameters"):
        sgd_step([x, y], [x], None, 1)
    with pytest.raises(ValueError, match="momentum_buffers has 0 arrays for 1 parameters"):
        sgd_step([x], [y], [], 1)
    with pytest.raises(
        TypeError, match=r"sgd_step: grads\[1\] must be a numpy.ndarray, got NoneType"
    ):
        sgd_step([x, y], [ones(3), None], None, 1)
    with pytest.raises(
        TypeError, match="params must be a list or tuple of arrays, got numpy.ndarray"
    ):
        sgd_step(x, [y], None, 1)
    with pytest.raises(TypeError):
        sgd_step(None, [y], None, 1)
    with pytest.raises(TypeError, match="grads must be float32, got float64"):
        sgd_step([x], [ones(3, dtype=np.float64)], None, 1)
    with pytest.raises(TypeError, match="params must be float32 or float64, got int32"):
        sgd_step([ones(3, dtype=np.int32)], [y], None, 1)
    with pytest.raises(ValueError, match=r"grads must have shape \(3,\), got \(1,\)"):
        sgd_step([x], [ones(1)], None, 1)
    read_only = ones(3)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="params is read-only"):
        sgd_step([read_only], [y], None, 1)
    sgd_step([x], [read_only], None, 1)
    with pytest.raises(ValueError, match="stride of 0"):
        sgd_step([np.lib.stride_tricks.as_strided(ones(1), (3,), (0,))], [y], None, 1)
    with pytest.raises(ValueError, match="must not share memory"):
        sgd_step([x], [x], None, 1)
    memory = ones(8)
    with pytest.raises(ValueError, match="must not share memory"):
        sgd_step([memory[:5]], [ones(5)], [memory[2:7]], 1, momentum=0.9)
    with pytest.raises(ValueError, match="steps has 1 numbers for 2 parameters"):
        adam_step([x, y], [ones(3), ones(3)], [[ones(3), ones(3)] for _ in range(3)], [1])
    for bad in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="steps must be a finite number of at least 1"):
            adam_step([x], [y], [[ones(3)] for _ in range(3)], bad)


def test_nothing_is_changed_before_all_is_checked():
    params = [ones(4), ones(5)]
    with pytest.raises(ValueError):
        sgd_step(params, [ones(4), ones(6)], None, 1)
    for p, n in zip(params, (4, 5), strict=True):
        np.testing.assert_array_equal(p, ones(n))


@pytest.mark.parametrize("options", ADAM)
def test_instruction_sets_agree(options):
    values, gradients = case(np.float32, [(1001,)])
    results = []
    before = _native.get_isa()
    for isa in ("baseline", before):
        _native.set_isa(isa)
        params, state = (
            [v.copy() for v in values],
            [[np.zeros_like(v) for v in values] for _ in range(3)],
        )
        for step, grads in enumerate(gradients, 1):
            adam_step(params, grads, state, step, **options)
        results.append(params[0])
    for a, b in itertools.pairwise(results):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
