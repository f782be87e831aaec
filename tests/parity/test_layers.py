"""Each layer against PyTorch's: state, initial values, text, outputs and gradients, and the strides users see."""

import warnings

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

# How a layer is made, and the shapes of its inputs.
LAYERS = [
    ("Linear(4, 3)", (2, 4)),
    ("Linear(4, 3, bias=False)", (2, 5, 4)),
    ("Linear(4, 1)", (4,)),
    ("Bilinear(3, 4, 2)", (5, 3), (5, 4)),
    ("Identity()", (2, 3)),
    ("Flatten()", (2, 3, 4)),
    ("Unflatten(1, (2, 3))", (2, 6)),
    ("Conv1d(3, 4, 3)", (2, 3, 7)),
    ("Conv1d(4, 4, 3, stride=2, padding=1, groups=2)", (2, 4, 9)),
    ("Conv2d(3, 4, 3)", (2, 3, 7, 8)),
    ("Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)", (2, 3, 7, 8)),
    ("Conv2d(4, 8, 3, groups=4, dilation=2, padding='same')", (2, 4, 7, 8)),
    ("Conv2d(3, 4, 2, padding='same')", (2, 3, 6, 6)),
    ("Conv2d(3, 4, 3, padding=1, padding_mode='reflect')", (2, 3, 6, 6)),
    ("Conv2d(3, 4, 3, padding=1, padding_mode='circular')", (3, 6, 6)),
    ("Conv3d(2, 3, 2)", (1, 2, 4, 4, 4)),
    ("Conv2d(1, 6, 5)", (2, 1, 28, 28)),
    ("Conv2d(3, 64, 7, stride=2, padding=3, bias=False)", (2, 3, 32, 32)),
    ("ConvTranspose1d(3, 4, 3, stride=2)", (2, 3, 5)),
    ("ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)", (2, 4, 5, 5)),
    ("ConvTranspose3d(2, 3, 2, stride=2)", (1, 2, 3, 3, 3)),
    ("MaxPool1d(2)", (2, 3, 7)),
    ("MaxPool2d(2)", (2, 3, 8, 6)),
    ("MaxPool2d(3, stride=2, padding=1, ceil_mode=True)", (2, 3, 8, 7)),
    ("MaxPool2d(2, dilation=2, stride=1)", (3, 8, 7)),
    ("MaxPool3d(2)", (1, 2, 4, 4, 4)),
    ("AvgPool1d(3, 2)", (2, 3, 7)),
    ("AvgPool2d(2)", (2, 3, 8, 6)),
    ("AvgPool2d(3, stride=2, padding=1, count_include_pad=False, ceil_mode=True)", (2, 3, 8, 7)),
    ("AvgPool2d(2, divisor_override=3)", (2, 3, 8, 6)),
    ("AvgPool3d(2)", (1, 2, 4, 4, 4)),
    ("AdaptiveAvgPool1d(3)", (2, 3, 7)),
    ("AdaptiveAvgPool2d((3, None))", (2, 3, 8, 7)),
    ("AdaptiveAvgPool2d(1)", (2, 3, 8, 7)),
    ("AdaptiveAvgPool3d(2)", (1, 2, 3, 4, 5)),
    ("AdaptiveMaxPool1d(3)", (2, 3, 7)),
    ("AdaptiveMaxPool2d(2)", (2, 3, 7, 5)),
    ("BatchNorm1d(3)", (4, 3)),
    ("BatchNorm1d(3, momentum=None)", (4, 3, 5)),
    ("BatchNorm2d(3, eps=1e-3)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, affine=False)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, track_running_stats=False)", (4, 3, 5, 2)),
    ("BatchNorm3d(2)", (2, 2, 3, 3, 3)),
    ("Dropout(0.4)", (20, 5)),
    ("Dropout1d(0.5)", (4, 6, 3)),
    ("Dropout2d(0.3)", (4, 6, 3, 3)),
    ("Dropout3d(0.3)", (2, 5, 2, 2, 2)),
    ("AlphaDropout(0.3)", (20, 5)),
    ("FeatureAlphaDropout(0.3)", (4, 6, 3)),
    *(
        (f"{name}()", (3, 4))
        for name in (
            "ReLU",
            "ReLU6",
            "LeakyReLU",
            "ELU",
            "SELU",
            "CELU",
            "GELU",
            "SiLU",
            "Mish",
            "Hardswish",
            "Hardsigmoid",
            "Hardtanh",
            "Sigmoid",
            "LogSigmoid",
            "Tanh",
            "Softplus",
            "Softsign",
            "Tanhshrink",
            "Softshrink",
            "Hardshrink",
            "PReLU",
        )
    ),
    ("Softmax(1)", (3, 4)),
    ("LogSoftmax(1)", (3, 4)),
    ("Softmin(0)", (3, 4)),
    ("GLU()", (3, 4)),
    ("Threshold(0.1, 2.0)", (3, 4)),
    ("GELU('tanh')", (3, 4)),
    ("LeakyReLU(0.3, inplace=False)", (3, 4)),
    ("PReLU(4)", (3, 4)),
]


def build(framework, text):
    framework.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(
            text, {n: getattr(framework.nn, n) for n in dir(framework.nn) if n[0].isupper()}
        )


def passed(framework, text, shapes, channels_last=False):
    """State before and after, output, gradients and strides of one training pass, and the output of an eval pass."""
    layer = build(framework, text)
    draw = np.random.default_rng(1)
    inputs = [framework.from_numpy(draw.normal(size=s).astype(np.float32)) for s in shapes]
    if channels_last:
        inputs = [x.contiguous(memory_format=framework.channels_last) for x in inputs]
    inputs = [x.requires_grad_() for x in inputs]
    arrays = lambda tensors: {k: v.detach().numpy().copy() for k, v in tensors}  # noqa: E731
    start = arrays(layer.state_dict().items())
    framework.manual_seed(5)
    y = layer(*inputs)
    weights = framework.arange(y.numel(), dtype=y.dtype).view(y.shape) / y.numel() + 0.5
    (y * weights).sum().backward()
    gradients = arrays((str(i), x.grad) for i, x in enumerate(inputs))
    gradients |= arrays((n, p.grad) for n, p in layer.named_parameters())
    return {
        "text": repr(layer), "start": start, "y": y.detach().numpy(), "gradients": gradients,
        "end": arrays(layer.state_dict().items()), "strides": [s for s, n in zip(y.stride(), y.shape) if n > 1],
        "eval": layer.eval()(*[x.detach() for x in inputs]).detach().numpy(),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("text, shapes", [pytest.param(t, s, id=f"{t}-{s[0]}") for t, *s in LAYERS])
def test_same_layer(text, shapes):
    ours, theirs = passed(rushlight, text, shapes), passed(torch, text, shapes)
    assert ours["text"] == theirs["text"] and ours["strides"] == theirs["strides"]
    for part in ("start", "gradients", "end"):
        assert list(ours[part]) == list(theirs[part])
        for name, expected in theirs[part].items():
            np.testing.assert_allclose(
                ours[part][name], expected, rtol=2e-4, atol=2e-4, err_msg=f"{part} {name}"
            )
    np.testing.assert_array_equal(
        [v.ravel()[:5].sum() for v in ours["start"].values()],
        [v.ravel()[:5].sum() for v in theirs["start"].values()],
    )
    for part in ("y", "eval"):
        np.testing.assert_allclose(ours[part], theirs[part], rtol=2e-4, atol=2e-5)


SPATIAL = [
    (t, s)
    for t, *s in LAYERS
    if len(s[0]) == 4
    and t.split("(")[0] in ("Conv2d", "MaxPool2d", "AvgPool2d", "BatchNorm2d", "AdaptiveAvgPool2d")
    and "mode" not in t
]


@pytest.mark.parametrize("text, shapes", [pytest.param(t, s, id=f"{t}-{s[0]}") for t, s in SPATIAL])
def test_channels_last(text, shapes):
    ours, theirs = passed(rushlight, text, shapes, True), passed(torch, text, shapes, True)
    assert ours["strides"] == theirs["strides"]
    np.testing.assert_allclose(ours["y"], theirs["y"], rtol=2e-4, atol=2e-5)
    for name, expected in theirs["gradients"].items():
        np.testing.assert_allclose(
            ours["gradients"][name], expected, rtol=2e-4, atol=2e-4, err_msg=name
        )
