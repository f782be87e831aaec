"""Autocast's op lists, for the CPU and CUDA, and GradScaler, against PyTorch's."""

from __future__ import annotations

import copy
import logging
import pickle
import re
import warnings

import numpy as np
import pytest

import rushlight
from rushlight import casting
from rushlight.primitive import listeners

from .side_by_side import outcome as seen_of

torch = pytest.importorskip("torch")

# Every op of PyTorch's lists, and others around them, on the tensors of FLOATS and INTEGERS.
OPS = """
x @ y; torch.mm(x, y); torch.bmm(b, b); torch.matmul(x, v); torch.matmul(b, y); torch.matmul(v, w); v @ x
b @ v; torch.mv(x, v); torch.dot(v, w); torch.outer(v, w); torch.addmm(x, y, z)
torch.addmm(v, y, z, beta=0.5); torch.baddbmm(b, b, b); torch.addmv(v, x, w); torch.addr(x, v, w)
torch.chain_matmul(x, y, z); x.mm(y); x.matmul(y); F.linear(x, y); F.linear(x, y, v)
F.bilinear(x, y, b.new_ones(3, 4, 4)); F.bilinear(x, y, q); F.conv1d(s, k1); F.conv2d(i, k2); F.conv3d(c, k3)
F.conv1d(s, k1, u); F.conv2d(i, k2, u, padding="same"); F.conv_transpose1d(s, k1); F.conv_transpose2d(i, k2)
F.conv_transpose3d(c, k3); F.prelu(x, v); torch.prelu(x, v); F.mse_loss(x, y); F.l1_loss(x, y)
F.huber_loss(x, y); F.smooth_l1_loss(x, y); F.kl_div(x, y); F.mse_loss(x, y, reduction="none")
F.cross_entropy(x, n); F.cross_entropy(x, y); F.nll_loss(x, n); F.cross_entropy(x, n, v); F.nll_loss(x, n, v)
F.binary_cross_entropy(x, y); F.binary_cross_entropy_with_logits(x, y)
F.binary_cross_entropy_with_logits(x, y, v); F.gaussian_nll_loss(x, y, z); F.poisson_nll_loss(x, y)
F.soft_margin_loss(x, y); F.hinge_embedding_loss(x, y); F.margin_ranking_loss(v, w, w)
F.cosine_embedding_loss(x, y, w); F.triplet_margin_loss(x, y, z); F.multi_margin_loss(x, n)
F.multilabel_margin_loss(x, n4); F.multilabel_soft_margin_loss(x, y); F.max_pool1d(s, 2); F.max_pool2d(i, 2)
F.max_pool3d(c, 2); F.avg_pool1d(s, 2); F.avg_pool2d(i, 2); F.avg_pool3d(c, 2); F.adaptive_avg_pool1d(s, 2)
F.adaptive_avg_pool2d(i, 2); F.adaptive_avg_pool3d(c, 2); F.adaptive_max_pool1d(s, 2)
F.adaptive_max_pool2d(i, 2); F.adaptive_max_pool3d(c, 2); F.lp_pool2d(i, 2, 2); F.max_unpool1d(s, p1, 2)
F.max_unpool2d(i, p2, 2); F.max_unpool3d(c, p3, 2); F.pad(s, (1, 1), "reflect")
F.pad(i, (1, 1, 1, 1), "reflect"); F.pad(c, (1, 1, 1, 1, 1, 1), "reflect"); F.pad(s, (1, 1), "replicate")
F.pad(i, (1, 1, 1, 1), "replicate"); F.pad(c, (1, 1, 1, 1, 1, 1), "replicate"); F.pad(s, (1, 1), "circular")
F.pad(i, (1, 1)); F.pad(x, (1, 1)); torch.cat([x, y]); torch.stack([x, y]); torch.hstack([x, y])
torch.index_copy(x, 0, j, y); x.index_copy(0, j, y); torch.polar(x, y); torch.complex(x, y)
torch.view_as_complex(x); torch.prod(x); x.prod(); torch.prod(x, 1); x.prod(1, keepdim=True)
torch.quantile(x, 0.5); torch.quantile(x, v); x.nanquantile(0.5, 1); torch.trace(x); x.trace()
torch.median(x); torch.cdist(x, y); torch.pdist(x); torch.dist(x, y); F.cosine_similarity(x, y)
F.pairwise_distance(x, y); F.normalize(x); x.sum(); torch.sum(x, 1); x.sum(dtype=torch.float16); x.mean()
x.var(); x.std(); x.norm(); torch.norm(x, 1); torch.norm(x, dim=1); x.norm(dtype=torch.float64)
torch.linalg.vector_norm(x); torch.linalg.norm(x); torch.linalg.matrix_norm(x); x.logsumexp(1); x.cumsum(1)
x.cumprod(1); x.logcumsumexp(1); x.softmax(1); F.softmax(x, 1); F.log_softmax(x, 1); F.softmin(x, 1)
F.softplus(x); x.log_softmax(1, dtype=torch.float16); F.softmax(x, 1, dtype=torch.float64)
F.layer_norm(x, (4,)); F.layer_norm(x, (4,), v, w); F.group_norm(i, 1); F.rms_norm(x, (4,))
F.batch_norm(x, v, w, training=False); F.batch_norm(i, None, None, training=True); F.instance_norm(i)
F.local_response_norm(i, 2); x.acos(); x.asin(); x.cosh(); x.sinh(); x.tan(); x.tanh(); x.sin(); x.exp()
x.exp2(); x.expm1(); x.log(); x.log1p(); x.log2(); x.log10(); x.erfinv(); x.erf(); x.reciprocal(); x.rsqrt()
x.sqrt(); x.pow(2); x ** 2; x ** y; 2 ** x; torch.pow(x, y); torch.pow(2, x); x.pow(2.5); x.square(); 1 / x
x / y; x.sigmoid(); F.relu(x); F.gelu(x); F.silu(x); F.elu(x); F.logsigmoid(x); F.glu(x); x + y; x * y; x - y
x + 1.5; x * v; torch.maximum(x, y); torch.where(x > 0, x, y); torch.lerp(x, y, 0.5); x.clamp(0, 1)
torch.atan2(x, y); torch.addcmul(x, y, z); torch.addcdiv(x, y, z); torch.cross(t3, t3)
torch.scatter_add(x, 0, m, y); x.scatter(0, m, y); x.index_put((j,), y); x.index_add(0, j, y)
torch.renorm(x, 2, 0, 1.0); torch.einsum("ij,jk", x, y); torch.tensordot(x, y); torch.vdot(v, w)
torch.inner(v, w); torch.kron(x, y); torch.linalg.multi_dot([x, y, z]); torch.cumulative_trapezoid(x)
F.dropout(x, 0.5); F.embedding(j, x); F.one_hot(n); x.max(); x.argmax(); x.sort(); x.topk(2); x.reshape(16)
x.t(); x[0]; x.tril(); x.double() @ y.double(); x.double().exp(); F.mse_loss(x.double(), y.double())
torch.mm(x.long(), y.long()); x.long().sum(); x.exp_(); x.mul_(y); x.add_(y); x.pow_(2); x.addmm_(y, z)
torch.exp(x, out=o); torch.sum(x, 1, out=ov); torch.addmm(x, y, z, out=o); torch.matmul(x, y, out=o)
torch.corrcoef(x); torch.cov(x); F.scaled_dot_product_attention(b, b, b); F.interpolate(i, scale_factor=2)
F.grid_sample(i, g2); F.upsample(i, scale_factor=2, mode="bilinear"); torch.std_mean(x); torch.inverse(x)
torch.linalg.inv(x); torch.linalg.svd(x); torch.linalg.solve(x, y); torch.fft.fft(x)
torch.linalg.vecdot(x, y); torch.linalg.cholesky(x @ x); torch.linalg.qr(x); torch.linalg.eigh(x)
torch.pinverse(x); torch.qr(x); torch.svd(x)
""".replace("\n", ";")
OPS = [op.strip() for op in OPS.split(";") if op.strip()]

FLOATS = {
    "x": (4, 4), "y": (4, 4), "z": (4, 4), "v": (4,), "w": (4,), "b": (2, 4, 4), "q": (3, 4, 4), "s": (1, 2, 8),
    "i": (1, 2, 8, 8), "c": (1, 2, 4, 8, 8), "k1": (2, 2, 3), "k2": (2, 2, 3, 3), "k3": (2, 2, 3, 3, 3), "u": (2,),
    "o": (4, 4), "ov": (4,), "t3": (2, 3), "g2": (1, 4, 4, 2),
}  # fmt: skip
INTEGERS = {
    "n": [0, 1, 2, 3], "j": [0, 2, 1, 3], "n4": [[0, 1, -1, -1]] * 4, "m": [[0, 1, 2, 3]] * 4,
    "p1": np.arange(16).reshape(1, 2, 8) % 8, "p2": np.arange(128).reshape(1, 2, 8, 8) % 64,
    "p3": np.arange(512).reshape(1, 2, 4, 8, 8) % 256,
}  # fmt: skip
# Which of the floating tensors come in the region's dtype.
INPUTS = {
    "float32": [], "lower": [*"xyzvwbqsicuo", "k1", "k2", "k3"], "mixed": [*"yzw", "k1", "k2", "k3"],
    "mixed the other way": [*"xvsicb"],
}  # fmt: skip


def scope(framework, lower, which, make=None):
    """The names in the expressions; ``make(values, dtype)`` makes a tensor of an array."""
    make = make or (lambda values, dtype: framework.tensor(values, dtype=dtype))
    made = {"torch": framework, "F": framework.nn.functional}
    for name, shape in FLOATS.items():
        values = (np.arange(np.prod(shape)).reshape(shape) % 7 + 1).astype(np.float32) / 10
        made[name] = make(values, lower if name in INPUTS[which] else framework.float32)
    for name, values in INTEGERS.items():
        made[name] = make(np.array(values, np.int64), framework.int64)
    return made


def dtypes_of(value):
    if hasattr(value, "dtype"):
        return str(value.dtype).removeprefix("torch.")
    if isinstance(value, (list, tuple)):
        return [dtypes_of(v) for v in value]
    return str(type(value).__name__)


def outcome(expression, names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dtypes_of(eval(expression, names))
        except Exception as error:
            return type(error).__name__


# What is not here yet is not compared; an op that comes must bring its word.
HERE = [
    op
    for op in OPS
    if outcome(op, scope(rushlight, rushlight.float32, "float32")) != "AttributeError"
]
# Where PyTorch refuses what we do, as some mixed dtypes, there is nothing to follow; complex32 is not here.
NOTHING_TO_FOLLOW = ("Error", "Exception", "complex32")
# PyTorch's tensors without values do not check what its kernels would refuse.
UNCHECKED_WITHOUT_VALUES = (
    "torch.index_copy(x, 0, j, y)", "x.index_copy(0, j, y)", "x.index_add(0, j, y)", "torch.complex(x, y)",
    "F.batch_norm(x, v, w, training=False)", "torch.matmul(x, y, out=o)",
)  # fmt: skip


def differences(theirs, ours):
    return {
        op: f"PyTorch {t}, here {o}"
        for op, t, o in zip(HERE, theirs, ours)
        if t != o and not str(t).endswith(NOTHING_TO_FOLLOW)
    }


@pytest.mark.parametrize("which", INPUTS)
@pytest.mark.parametrize("lower", ["bfloat16", "float16"])
def test_result_dtypes_on_the_cpu(lower, which):
    answers = []
    for framework in (torch, rushlight):
        dtype = getattr(framework, lower)
        with framework.autocast("cpu", dtype=dtype):
            answers.append([outcome(op, scope(framework, dtype, which)) for op in HERE])
    assert differences(*answers) == {}


@pytest.mark.parametrize("which", INPUTS)
def test_result_dtypes_on_cuda(which, monkeypatch):
    """The words for CUDA, on arrays that say they are on CUDA, against PyTorch's rules for tensors without values."""
    fake = pytest.importorskip("torch._subclasses.fake_tensor")
    logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)

    def on_cuda(values, dtype):
        return torch.empty(values.shape, dtype=dtype, device="cuda")

    with fake.FakeTensorMode(allow_non_fake_inputs=True):
        torch.set_autocast_enabled("cuda", True)
        try:
            theirs = [outcome(op, scope(torch, torch.float16, which, on_cuda)) for op in HERE]
        finally:
            torch.set_autocast_enabled("cuda", False)
    monkeypatch.setattr(casting, "device_type_of", lambda x: "cuda")
    # The quick roads are for arrays on the CPU: a listener keeps every call off them.
    listeners.append(lambda op, values, proceed: proceed(values))
    rushlight.set_autocast_enabled("cuda", True)
    try:
        ours = [outcome(op, scope(rushlight, rushlight.float16, which)) for op in HERE]
    finally:
        rushlight.set_autocast_enabled("cuda", False)
        listeners.pop()
    found = differences(theirs, ours)
    assert {op: text for op, text in found.items() if op not in UNCHECKED_WITHOUT_VALUES} == {}


TRAINING = """
torch.manual_seed(0)
nn = torch.nn
if kind == "mlp":
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))
    x = torch.randn(128, 20)
else:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3),
        nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )
    x = torch.randn(64, 3, 12, 12)
y = torch.randint(0, 5, (len(x),))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scaler = torch.amp.GradScaler(device, enabled=use_scaler, init_scale=1024.0)
losses = []
for step in range(15):
    optimizer.zero_grad()
    with torch.autocast(device, dtype=lower):
        out = model(x)
        loss = nn.functional.cross_entropy(out, y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    losses.append(loss.item())
seen = str(out.dtype), str(loss.dtype), str(model[0].weight.grad.dtype), scaler.is_enabled(), scaler.get_scale()
"""


def trained(framework, **names):
    scope = {"torch": framework, **names, "lower": getattr(framework, names["lower"])}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(TRAINING, scope)
    return scope["losses"], scope["seen"], [w.category for w in caught]


@pytest.mark.parametrize(
    "kind, device, lower, use_scaler, tolerance",
    [
        ("mlp", "cpu", "bfloat16", False, 1e-3),
        ("mlp", "cpu", "bfloat16", True, 1e-3),
        ("cnn", "cpu", "bfloat16", False, 4e-3),
        ("mlp", "cpu", "float16", True, 1e-3),
        # Without CUDA the usual loop of tutorials warns and trains in float32.
        ("mlp", "cuda", "float16", True, 1e-5),
        ("cnn", "cuda", "bfloat16", True, 1e-4),
    ],
)
def test_the_usual_loop_trains_with_the_same_losses(kind, device, lower, use_scaler, tolerance):
    runs = [
        trained(framework, kind=kind, device=device, lower=lower, use_scaler=use_scaler)
        for framework in (torch, rushlight)
    ]
    assert runs[0][1] == runs[1][1]
    assert set(runs[0][2]) == set(runs[1][2])
    np.testing.assert_allclose(runs[1][0], runs[0][0], rtol=tolerance)


SCALER_CALLS = """
s.scale(x); s.scale(x.half()); s.scale(x.bfloat16()); s.scale(x.double()); s.scale(torch.tensor([1, 2]))
s.scale([x, (x, x)]); list(s.scale(iter([x]))); s.scale(3.0); s.scale([3.0]); s.scale(None); s.get_scale()
s.scale(x), s.get_scale(), s.state_dict(); G("cpu", init_scale=1.1).get_scale()
(lambda s: (s.scale(x), s.get_scale()))(G("cpu", init_scale=1.1)); G("cpu", growth_factor=1.0)
G("cpu", backoff_factor=1.0); G("cpu", growth_factor=1.0, enabled=False).get_scale(); G().is_enabled()
G(enabled=False).is_enabled(); G("cpu").is_enabled(); G("cuda").state_dict(); G("cuda").scale(3)
s.unscale_(o); s.step(o); s.update(); s.update(3.0); s.scale(x); s.unscale_(o); s.unscale_(o)
s.scale(x), s.unscale_(o), s.unscale_(o); s.scale(x), s.step(o), s.step(o)
s.scale(x), s.step(o), s.unscale_(o); s.scale(x), s.update(); s.scale(x), o.zero_grad(), s.step(o)
s.scale(x), s.step(o, closure=lambda: 1); s.scale(x), s.step(o, lambda: torch.tensor(3.0)), p.detach(), p.grad
s.scale(x), s.unscale_(o), p.grad; s.scale(x), s.step(o), p.detach(), s.update(), s.get_scale()
s.scale(x), s.step(o), s.update(5.5), s.get_scale()
s.scale(x), s.step(o), s.update(torch.tensor(3.0)), s.get_scale()
s.scale(x), s.step(o), s.update(torch.ones(2))
s.scale(x), s.step(o), s.update(torch.ones(1, requires_grad=True)); s.load_state_dict({})
s.load_state_dict({"scale": 3.0}); s.get_growth_factor(), s.get_backoff_factor(), s.get_growth_interval()
s.set_growth_factor(3.0), s.set_backoff_factor(0.1), s.set_growth_interval(7), s.state_dict()
s.load_state_dict(other), s.state_dict(), s.scale(x), s.state_dict()
s.scale(x), s.load_state_dict(other), s.scale(x), s.state_dict()
pickle.dumps((s.scale(x), s.step(o), s)[-1]) and 0; copy.deepcopy((s.scale(x), s)[-1]).state_dict()
(s.scale(x), s.update(9.0), pickle.loads(pickle.dumps(s)).state_dict())[-1]
off.state_dict(), off.load_state_dict({}), off.scale(3), off.update(), off.unscale_(None), off.get_scale()
off.get_growth_factor(); off.step(o, lambda: 3.0)
s.scale(x), setattr(p, "grad", p.grad.double()), s.step(o); s.scale(h), s.step(oh)
s.scale(x), s.step(ob), hb.detach(), hb.grad
""".replace("\n", ";")


@pytest.mark.parametrize(
    "expression", [e.strip() for e in re.split(r";", SCALER_CALLS) if e.strip()]
)
def test_scaler_calls(expression):
    def names(framework):
        nn_parameter = framework.tensor([1.0, 2.0, 3.0], requires_grad=True)
        nn_parameter.grad = framework.tensor([1.0, 20.0, -300.0])
        half = framework.ones(2, dtype=framework.float16, requires_grad=True)
        half.grad = framework.ones(2, dtype=framework.float16)
        brief = framework.ones(3, dtype=framework.bfloat16, requires_grad=True)
        brief.grad = framework.tensor([0.3333, 7.7, 1e9], dtype=framework.bfloat16)
        SGD = framework.optim.SGD
        return {
            "off": framework.amp.GradScaler("cpu", enabled=False), "G": framework.amp.GradScaler,
            "s": framework.amp.GradScaler("cpu", init_scale=1000.0), "pickle": pickle,
            "copy": copy, "x": framework.tensor([0.5, 1.25]), "p": nn_parameter, "o": SGD([nn_parameter], lr=0.1),
            "h": half, "oh": SGD([half], lr=0.1), "hb": brief, "ob": SGD([brief], lr=0.1),
            "other": {
                "scale": 3.0, "growth_factor": 2.5, "backoff_factor": 0.25, "growth_interval": 7, "_growth_tracker": 2
            },
        }  # fmt: skip

    assert seen_of(rushlight, expression, names) == seen_of(torch, expression, names)


INFINITY = float("inf")


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(
    "gradients",
    [
        [1.0] * 9,
        [1.0, 1.0, INFINITY, 1.0, 1.0, 1.0, float("nan"), -INFINITY, 1.0, 1.0, 1.0],
        [INFINITY] * 5,
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"growth_interval": 2},
        {"init_scale": 3.3, "growth_factor": 1.7, "backoff_factor": 0.3, "growth_interval": 1},
        {"init_scale": 2.0**126, "growth_interval": 1},
    ],
)
def test_scaler_finds_the_same_scale(dtype, gradients, settings):
    runs = []
    for framework in (torch, rushlight):
        p = framework.ones(3, dtype=getattr(framework, dtype), requires_grad=True)
        q = framework.ones(2, requires_grad=True)
        optimizers = framework.optim.SGD([p], lr=0.5), framework.optim.SGD([q], lr=0.25)
        scaler = framework.amp.GradScaler("cpu", **settings)
        run = []
        for g in gradients:
            scaler.scale(p.sum() + q.sum()).backward()
            p.grad[1] = g * 3
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()
            run.append([scaler.state_dict(), p.tolist(), q.tolist(), p.grad.tolist()])
            p.grad = q.grad = None
        runs.append(run)
    assert repr(runs[0]) == repr(runs[1])
