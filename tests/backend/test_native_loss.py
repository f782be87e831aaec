"""Cross entropy and negative log-likelihood against float64."""

import numpy as np
import pytest

from rushlight import _native

IGNORE = -100
SHAPES = [
    (100, 10),
    (7, 3),
    (1, 1),
    (33, 16),
    (35, 17),
    (33, 33),
    (5, 1000),
    (3, 5001),
    (300, 17),
    (2, 5, 7),
    (3, 4, 5, 6),
    (2, 21, 300),
    (2, 40, 33, 3),
    (6,),
]
TOLERANCES = [(np.float32, 3e-6), (np.float64, 1e-13)]


def plain(a):
    return np.ascontiguousarray(a)


def classes_last(a):
    """The memory of channels-last images; (N, C) in Fortran order; (C) itself."""
    if a.ndim < 3:
        return np.asfortranarray(a)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def rows_of(a):
    """(items, classes), items in the order of the labels."""
    return a[None] if a.ndim == 1 else np.moveaxis(a, 1, -1).reshape(-1, a.shape[1])


def case(shape, dtype, weighted=False, ignored=0.2):
    rng = np.random.default_rng(sum(shape))
    logits = (3 * rng.standard_normal(shape)).astype(dtype)
    classes = shape[min(1, len(shape) - 1)]
    labels_shape = shape[:1] + shape[2:] if len(shape) > 1 else ()
    labels = np.asarray(rng.integers(0, classes, labels_shape))
    labels[rng.random(labels_shape) < ignored] = IGNORE
    weight = rng.uniform(0.5, 2, classes).astype(dtype) if weighted else None
    return logits, labels, weight, classes


def expected_cross_entropy(logits, labels, weight, smoothing):
    """Losses, weights of the labels, probabilities and gradients, by the definition."""
    x = rows_of(logits).astype(np.float64)
    classes = x.shape[1]
    labels = labels.reshape(-1)
    kept = labels != IGNORE
    w = np.ones(classes) if weight is None else weight.astype(np.float64)
    z = x - x.max(1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    one_hot = np.eye(classes)[np.where(kept, labels, 0)]
    target = ((1 - smoothing) * one_hot + smoothing / classes) * w * kept[:, None]
    losses = -(target * log_p).sum(1)
    gradients = np.exp(log_p) * target.sum(1, keepdims=True) - target
    return losses, (one_hot @ w) * kept, np.exp(log_p), gradients


@pytest.mark.parametrize("layout", [plain, classes_last])
@pytest.mark.parametrize("dtype, tolerance", TOLERANCES)
@pytest.mark.parametrize(
    "weighted, smoothing", [(False, 0.0), (True, 0.0), (False, 0.1), (True, 0.3), (True, 1.0)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy(shape, weighted, smoothing, dtype, tolerance, layout, isa):
    logits, labels, weight, _ = case(shape, dtype, weighted)
    logits = layout(logits)
    losses, label_weights, probs, gradients = expected_cross_entropy(
        logits, labels, weight, smoothing
    )

    out_losses, out_probs = np.full(labels.shape, 77, dtype), np.full_like(logits, 77)
    loss_sum, weight_sum = _native.cross_entropy(
        logits, labels, weight, IGNORE, smoothing, out_probs, out_losses
    )
    np.testing.assert_allclose(out_losses.reshape(-1), losses, rtol=5 * tolerance, atol=tolerance)
    np.testing.assert_allclose(rows_of(out_probs), probs, rtol=10 * tolerance, atol=tolerance)
    np.testing.assert_allclose(loss_sum, losses.sum(), rtol=5 * tolerance, atol=tolerance)
    np.testing.assert_allclose(weight_sum, label_weights.sum(), rtol=1e-6)
    sums = _native.cross_entropy(logits, labels, weight, IGNORE, smoothing, None, None)
    np.testing.assert_allclose(sums, (loss_sum, weight_sum), rtol=tolerance)

    gx = np.full_like(logits, 77)
    args = (labels, weight, IGNORE, smoothing, 0.5)
    _native.cross_entropy_backward(out_probs, *args, None, gx)
    np.testing.assert_allclose(rows_of(gx), 0.5 * gradients, atol=2 * tolerance)
    g = np.random.default_rng(1).standard_normal(labels.shape).astype(dtype).reshape(labels.shape)
    g = np.asarray(g, dtype)
    _native.cross_entropy_backward(out_probs, *args, g, gx)
    np.testing.assert_allclose(rows_of(gx), 0.5 * gradients * g.reshape(-1, 1), atol=6 * tolerance)
    _native.cross_entropy_backward(out_probs, *args, g, out_probs)
    np.testing.assert_array_equal(out_probs, gx)


@pytest.mark.parametrize("layout", [plain, classes_last])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_nll(shape, weighted, layout, isa):
    log_probs, labels, weight, classes = case(shape, np.float32, weighted)
    log_probs = layout(log_probs)
    flat = labels.reshape(-1)
    kept = flat != IGNORE
    chosen = np.where(kept, flat, 0)
    w = (np.ones(classes, np.float32) if weight is None else weight)[chosen] * kept
    losses = np.full(labels.shape, 77, np.float32)
    sums = _native.nll_loss(log_probs, labels, weight, IGNORE, losses)
    expected = -w * rows_of(log_probs)[np.arange(len(chosen)), chosen]
    np.testing.assert_allclose(losses.reshape(-1), expected, rtol=1e-6)
    np.testing.assert_allclose(sums, (expected.sum(), w.sum()), rtol=1e-5, atol=1e-5)

    gx = np.full_like(log_probs, 77)
    g = np.asarray(np.random.default_rng(2).standard_normal(labels.shape), np.float32)
    _native.nll_loss_backward(labels, weight, IGNORE, 0.5, g, gx)
    expected = -0.5 * np.eye(classes)[chosen] * (w * g.reshape(-1))[:, None]
    np.testing.assert_allclose(rows_of(gx), expected, rtol=1e-6)
    _native.nll_loss_backward(labels, weight, IGNORE, 0.5, None, gx)
    np.testing.assert_allclose(rows_of(gx), -0.5 * np.eye(classes)[chosen] * w[:, None], rtol=1e-6)


@pytest.mark.parametrize("shape", [(5000, 10), (1000, 100), (8, 6000), (4, 21, 40, 40)])
def test_sums_do_not_depend_on_threads(shape, threads):
    logits, labels, weight, _ = case(shape, np.float32, True)
    losses, label_weights, probs, gradients = expected_cross_entropy(logits, labels, weight, 0.1)
    out = np.empty_like(logits)
    sums = _native.cross_entropy(logits, labels, weight, IGNORE, 0.1, out, None)
    np.testing.assert_allclose(sums, (losses.sum(), label_weights.sum()), rtol=1e-6)
    _native.cross_entropy_backward(out, labels, weight, IGNORE, 0.1, 1.0, None, out)
    np.testing.assert_allclose(rows_of(out), gradients, atol=3e-6)
    before = _native.get_num_threads()
    _native.set_num_threads(2)
    again = _native.cross_entropy(logits, labels, weight, IGNORE, 0.1, None, None)
    _native.set_num_threads(before)
    np.testing.assert_allclose(again, sums, rtol=1e-7)


@pytest.mark.parametrize("shape", [(40, 10), (40, 100), (2, 5, 30)])
def test_ignored_items_are_zero_whatever_their_logits(shape, isa):
    logits, labels, _, _ = case(shape, np.float32, ignored=0)
    labels[1] = IGNORE
    logits[1] = np.nan
    probs, losses, gx = (
        np.empty_like(logits),
        np.empty(labels.shape, np.float32),
        np.empty_like(logits),
    )
    total, weight_sum = _native.cross_entropy(logits, labels, None, IGNORE, 0.0, probs, losses)
    assert np.isfinite(total)
    assert weight_sum == (labels != IGNORE).sum()
    np.testing.assert_array_equal(losses[1], np.zeros_like(losses[1]))
    for g in (None, np.ones(labels.shape, np.float32)):
        _native.cross_entropy_backward(probs, labels, None, IGNORE, 0.0, 1.0, g, gx)
        np.testing.assert_array_equal(gx[1], np.zeros_like(gx[1]))
        assert np.isfinite(gx).all()


def test_an_ignore_index_that_is_a_class():
    logits = np.zeros((4, 3), np.float32)
    labels = np.array([0, 1, 2, 1])
    losses = np.empty(4, np.float32)
    sums = _native.cross_entropy(logits, labels, None, 1, 0.0, None, losses)
    np.testing.assert_allclose(sums, (2 * np.log(3), 2), rtol=1e-6)
    np.testing.assert_allclose(losses, np.log(3) * np.array([1, 0, 1, 0]), rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 10, 40, 2000])
def test_logits_far_apart(classes, isa):
    logits = np.full((5, classes), -1e4, np.float32)
    logits[:, 0] = 1e4
    losses = np.empty(5, np.float32)
    _native.cross_entropy(logits, np.array([0, 1, 0, 1, 0]), None, IGNORE, 0.0, None, losses)
    np.testing.assert_allclose(losses, [0, 2e4, 0, 2e4, 0], rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (0, 100), (2, 3, 0)])
def test_nothing_to_do(shape):
    logits = np.empty(shape, np.float32)
    labels = np.empty(shape[:1] + shape[2:], np.int64)
    assert _native.cross_entropy(logits, labels, None, IGNORE, 0.1, logits.copy(), None) == (0, 0)
    _native.cross_entropy_backward(logits, labels, None, IGNORE, 0.1, 1.0, None, logits.copy())
    assert _native.nll_loss(logits, labels, None, IGNORE, None) == (0, 0)
    _native.nll_loss_backward(labels, None, IGNORE, 1.0, None, logits.copy())


BAD_LABELS = [
    (
        (4, 10),
        3,
        10,
        "target 10 at position 3 is out of bounds for 10 classes; targets must lie in 0 to 9",
    ),
    ((4, 10), 1, -1, "target -1 at position 1 is out of bounds"),
    ((400, 100), 399, 2**62, "target 4611686018427387904 at position 399"),
    ((400, 100), 0, -(2**63), "target -9223372036854775808 at position 0"),
    (
        (2, 3, 4, 5),
        (1, 2, 3),
        3,
        r"target 3 at position \(1, 2, 3\) is out of bounds for 3 classes",
    ),
]


@pytest.mark.parametrize("shape, position, label, message", BAD_LABELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_that_are_no_class(shape, position, label, message, weighted):
    logits, labels, weight, _ = case(shape, np.float32, weighted)
    labels[position] = label
    probs = np.ones_like(logits)
    with pytest.raises(IndexError, match="cross_entropy: " + message):
        _native.cross_entropy(logits, labels, weight, IGNORE, 0.0, probs, None)
    with pytest.raises(IndexError, match="cross_entropy_backward: " + message):
        _native.cross_entropy_backward(probs, labels, weight, IGNORE, 0.0, 1.0, None, probs)
    with pytest.raises(IndexError, match="nll_loss: " + message):
        _native.nll_loss(logits, labels, weight, IGNORE, None)
    with pytest.raises(IndexError, match="nll_loss_backward: " + message):
        _native.nll_loss_backward(labels, weight, IGNORE, 1.0, None, probs)


def test_the_first_bad_label_is_named():
    logits = np.zeros((5000, 10), np.float32)
    labels = np.zeros(5000, np.int64)
    labels[[1234, 4321]] = 11
    with pytest.raises(IndexError, match="position 1234 .* or be ignore_index"):
        _native.cross_entropy(logits, labels, None, IGNORE, 0.0, None, None)


def run(logits=None, labels=None, weight=None, smoothing=0.0, probs=None, losses=None):
    logits = np.zeros((4, 3), np.float32) if logits is None else logits
    labels = np.zeros(4, np.int64) if labels is None else labels
    _native.cross_entropy(logits, labels, weight, IGNORE, smoothing, probs, losses)


def test_rejected():
    zeros = np.zeros
    with pytest.raises(TypeError, match="logits must be float32 or float64, got int64"):
        run(logits=zeros((4, 3), np.int64))
    with pytest.raises(TypeError, match="labels must be int64, got int32"):
        run(labels=zeros(4, np.int32))
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\), got \(5,\)"):
        run(labels=zeros(5, np.int64))
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\), got \(4, 1\)"):
        run(labels=zeros((4, 1), np.int64))
    with pytest.raises(ValueError, match="must be contiguous"):
        run(labels=zeros(8, np.int64)[::2])
    with pytest.raises(ValueError, match="dimension of classes"):
        run(logits=zeros((), np.float32))
    with pytest.raises(ValueError, match=r"has no classes: shape \(4, 0\)"):
        run(logits=zeros((4, 0), np.float32))
    with pytest.raises(ValueError, match="classes innermost in memory"):
        run(logits=zeros((4, 6), np.float32)[:, ::2])
    with pytest.raises(ValueError, match=r"weight must have shape \(3,\), got \(4,\)"):
        run(weight=zeros(4, np.float32))
    with pytest.raises(TypeError, match="weight must be float32, got float64"):
        run(weight=zeros(3))
    with pytest.raises(ValueError, match="label_smoothing must lie between 0 and 1, got 1.5"):
        run(smoothing=1.5)
    with pytest.raises(ValueError, match="label_smoothing"):
        run(smoothing=float("nan"))
    with pytest.raises(ValueError, match=r"losses must have shape \(4,\)"):
        run(losses=zeros(3, np.float32))
    with pytest.raises(ValueError, match=r"probs must have shape \(4, 3\)"):
        run(probs=zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match="in the order of the other arrays"):
        run(probs=zeros((4, 3), np.float32, order="F"))
    logits = zeros((4, 3), np.float32)
    with pytest.raises(ValueError, match="must not share memory"):
        run(logits=logits, probs=logits)
    with pytest.raises(ValueError, match="must not share memory"):
        run(logits=logits, losses=logits.reshape(-1)[:4])
    labels = zeros(4, np.int64)
    with pytest.raises(ValueError, match="must not share memory"):
        _native.nll_loss_backward(
            labels, None, IGNORE, 1.0, None, labels.view(np.float32).reshape(4, 2)
        )
    with pytest.raises(ValueError, match=r"g must have shape \(4,\)"):
        _native.cross_entropy_backward(
            logits, labels, None, IGNORE, 0.0, 1.0, zeros(3, np.float32), logits
        )
    with pytest.raises(TypeError):
        _native.cross_entropy(None, labels, None, IGNORE, 0.0, None, None)
