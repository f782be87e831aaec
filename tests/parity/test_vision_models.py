"""Models against torchvision's: names, first values, results, gradients and files."""

import inspect
import warnings

import numpy as np
import pytest

import rushlight
from rushlight import hub
from rushlight.vision import models, ops

from .torchvision_reference import reference

torch = pytest.importorskip("torch")
torchvision = reference()

SMALL = [
    "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3", "mnasnet0_5",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf",
    "resnet18", "resnet50", "shufflenet_v2_x0_5", "squeezenet1_0", "squeezenet1_1",
]  # fmt: skip
FAST = [
    "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small",
    "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_0",
]  # fmt: skip


def pair(name, **settings):
    """The model of both, from the same seed."""
    torch.manual_seed(7)
    with warnings.catch_warnings():
        # torchvision announces that Inception's first values may change.
        warnings.simplefilter("ignore", FutureWarning)
        theirs = torchvision.models.get_model(name, **settings)
    rushlight.manual_seed(7)
    return models.get_model(name, **settings), theirs


def in_numpy(state):
    return {name: value.detach().numpy().copy() for name, value in state.items()}


# ---- names


@pytest.mark.parametrize("name", models.list_models())
def test_weights(name):
    ours, theirs = models.get_model_weights(name), torchvision.models.get_model_weights(name)
    assert ours.__name__ == theirs.__name__
    assert list(ours.__members__) == list(theirs.__members__)
    assert ours.DEFAULT.name == theirs.DEFAULT.name
    for mine, his in zip(ours, theirs):
        assert (repr(mine), mine.url) == (repr(his), his.url)
        expected = {key: value for key, value in his.meta.items() if key != "_docs"}
        # The accuracy of features alone is NaN, which is not equal to itself.
        assert repr(sorted(mine.meta.items())) == repr(sorted(expected.items()))
        settings = dict(his.transforms.keywords)
        if "interpolation" in settings:
            settings["interpolation"] = settings["interpolation"].value
        assert mine.transforms.keywords == settings


@pytest.mark.parametrize("name", models.list_models())
def test_builders(name):
    ours, theirs = models.get_model_builder(name), torchvision.models.get_model_builder(name)
    assert ours.__name__ == theirs.__name__
    assert ours.__module__ == theirs.__module__.replace("torchvision", "rushlight.vision")
    described = [str(inspect.signature(build)).split(" -> ") for build in (theirs, ours)]
    expected = [part.replace("torchvision", "rushlight.vision") for part in described[0]]
    assert described[1] == expected


def test_all_of_these_families_are_here():
    families = ("convnext", "maxvit", "swin", "vit")
    theirs = torchvision.models.list_models(module=torchvision.models)
    assert models.list_models() == [n for n in theirs if not n.startswith(families)]


def parameters(made):
    signature = inspect.signature(made).parameters.values()
    known = (bool, int, float, str, type(None), tuple)
    return [
        (p.name, str(p.kind), p.default if isinstance(p.default, known) else "other")
        for p in signature
    ]


@pytest.mark.parametrize(
    "path",
    [
        "alexnet.AlexNet", "vgg.VGG", "vgg.make_layers", "resnet.ResNet", "resnet.BasicBlock",
        "resnet.Bottleneck", "resnet.conv3x3", "resnet.conv1x1", "squeezenet.SqueezeNet",
        "squeezenet.Fire", "densenet.DenseNet", "densenet._DenseLayer", "densenet._DenseBlock",
        "densenet._Transition", "googlenet.GoogLeNet", "googlenet.Inception",
        "googlenet.InceptionAux", "googlenet.BasicConv2d", "inception.Inception3",
        "inception.InceptionA", "inception.InceptionC", "inception.InceptionE",
        "inception.InceptionAux", "mobilenetv2.MobileNetV2", "mobilenetv2.InvertedResidual",
        "mobilenetv3.MobileNetV3", "mobilenetv3.InvertedResidualConfig", "mnasnet.MNASNet",
        "mnasnet._InvertedResidual", "shufflenetv2.ShuffleNetV2", "shufflenetv2.InvertedResidual",
        "shufflenetv2.channel_shuffle", "efficientnet.EfficientNet", "efficientnet.MBConvConfig",
        "efficientnet.FusedMBConvConfig", "efficientnet.MBConv", "efficientnet.FusedMBConv",
        "regnet.RegNet", "regnet.BlockParams", "regnet.BottleneckTransform", "regnet.AnyStage",
        "regnet.ResBottleneckBlock", "regnet.SimpleStemIN", "_utils.IntermediateLayerGetter",
        "_utils._make_divisible", "_api.get_model", "_api.get_weight", "_api.list_models",
        "_api.get_model_builder", "_api.get_model_weights", "_api.register_model",
    ],
)  # fmt: skip
def test_arguments(path):
    import importlib

    module, name = path.split(".")
    ours = getattr(importlib.import_module(f"rushlight.vision.models.{module}"), name)
    theirs = getattr(importlib.import_module(f"torchvision.models.{module}"), name)
    assert parameters(ours) == parameters(theirs)


# ---- first values, results, gradients


@pytest.mark.parametrize("name", SMALL)
def test_first_values_and_structure(name):
    ours, theirs = pair(name)
    assert str(ours) == str(theirs)
    found, expected = in_numpy(ours.state_dict()), in_numpy(theirs.state_dict())
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        np.testing.assert_array_equal(found[key], value, err_msg=key)
    assert rushlight.rand(1).item() == torch.rand(1).item()


@pytest.mark.parametrize(
    "name, settings",
    [
        ("resnet50", {"replace_stride_with_dilation": [False, True, True]}),
        ("resnet18", {"zero_init_residual": True, "num_classes": 10}),
        ("mobilenet_v2", {"width_mult": 0.35, "dropout": 0.5}),
        ("mobilenet_v3_small", {"width_mult": 0.5, "reduced_tail": True, "dilated": True}),
        ("efficientnet_b0", {"stochastic_depth_prob": 0.1, "dropout": 0.4}),
        ("googlenet", {"aux_logits": False, "init_weights": False, "transform_input": True}),
        ("densenet121", {"growth_rate": 8, "block_config": (2, 3), "drop_rate": 0.2}),
    ],
)
def test_settings(name, settings):
    fixed = {"densenet121": {"growth_rate", "block_config"}}.get(name, set())
    if fixed:
        rushlight.manual_seed(7)
        torch.manual_seed(7)
        ours, theirs = models.DenseNet(**settings), torchvision.models.DenseNet(**settings)
    else:
        ours, theirs = pair(name, **settings)
    assert str(ours) == str(theirs)
    found, expected = in_numpy(ours.state_dict()), in_numpy(theirs.state_dict())
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


def run(framework, model, images):
    """All results, the gradient of the images, those of the parameters, and the statistics."""
    x = framework.tensor(images).requires_grad_()
    framework.manual_seed(5)
    results = model(x)
    results = list(results) if isinstance(results, tuple) else [results]
    sum((y**2).sum() for y in results).backward()
    gradients = {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}
    statistics = {n: b.numpy() for n, b in model.named_buffers() if "running" in n}
    return [y.detach().numpy() for y in results], x.grad.numpy(), gradients, statistics


def assert_close(found, expected, relative, floor):
    """Equal within ``relative`` of the largest element, or within ``floor``."""
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        bound = relative * np.abs(value).max() + floor
        assert np.abs(found[key] - value).max() <= bound, key


@pytest.mark.parametrize(
    "name",
    ["efficientnet_b0", "googlenet", "mobilenet_v3_small", "regnet_y_400mf", "shufflenet_v2_x0_5"],
)
def test_training_in_double_precision(name):
    """With its dropout and statistics; single precision would be lost in batches of so few pixels."""
    ours, theirs = pair(name)
    ours, theirs = ours.double(), theirs.double()
    images = np.random.default_rng(0).standard_normal((2, 3, 64, 64))
    found, expected = run(rushlight, ours, images), run(torch, theirs, images)
    assert len(found[0]) == len(expected[0])
    for y, z in zip(found[0], expected[0]):
        np.testing.assert_allclose(y, z, rtol=1e-9, atol=1e-9 * np.abs(z).max())
    scale = max(np.abs(g).max() for g in expected[2].values())
    assert_close({"x": found[1]}, {"x": expected[1]}, 1e-7, 0)
    assert_close(found[2], expected[2], 1e-7, 1e-11 * scale)
    assert_close(found[3], expected[3], 1e-9, 1e-12)


@pytest.mark.parametrize("name", [*FAST, "densenet121", "alexnet"])
def test_eval_in_single_precision(name):
    ours, theirs = pair(name)
    ours.load_state_dict({k: rushlight.tensor(v) for k, v in in_numpy(theirs.state_dict()).items()})
    size = {"alexnet": 63}.get(name, 48)
    images = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32)
    found, expected = run(rushlight, ours.eval(), images), run(torch, theirs.eval(), images)
    np.testing.assert_allclose(
        found[0][0], expected[0][0], rtol=2e-5, atol=2e-5 * np.abs(expected[0][0]).max()
    )
    assert_close({"x": found[1]}, {"x": expected[1]}, 5e-5, 0)
    # Gradients of an untrained network may be as small as the smallest numbers.
    assert_close(found[2], expected[2], 5e-5, 1e-40)


def test_inception_in_double_precision():
    """Its untrained results are so large that single precision changes which pixel is the largest."""
    ours, theirs = (model.double().eval() for model in pair("inception_v3", transform_input=True))
    images = np.random.default_rng(0).standard_normal((1, 3, 75, 80))
    found, expected = run(rushlight, ours, images), run(torch, theirs, images)
    np.testing.assert_allclose(found[0][0], expected[0][0], rtol=1e-9)
    assert_close({"x": found[1]}, {"x": expected[1]}, 1e-9, 0)
    assert_close(found[2], expected[2], 1e-9, 0)


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_stochastic_depth(mode):
    x = np.random.default_rng(0).standard_normal((6, 3, 2)).astype(np.float32)
    for seed in range(20):
        rushlight.manual_seed(seed)
        torch.manual_seed(seed)
        found = ops.stochastic_depth(rushlight.tensor(x), 0.3, mode)
        expected = torchvision.ops.stochastic_depth(torch.tensor(x), 0.3, mode)
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_blocks():
    for make in (
        lambda nn, ops: ops.MLP(4, [8, 8, 2], norm_layer=nn.BatchNorm1d, dropout=0.2, inplace=True),
        lambda nn, ops: ops.MLP(4, [8, 2], bias=False),
        lambda nn, ops: ops.SqueezeExcitation(8, 2, activation=nn.SiLU),
        lambda nn, ops: ops.Conv2dNormActivation(3, 8, (1, 5), dilation=2, activation_layer=None),
        lambda nn, ops: ops.Conv3dNormActivation(3, 8, norm_layer=None, bias=False),
    ):
        rushlight.manual_seed(0)
        torch.manual_seed(0)
        ours, theirs = make(rushlight.nn, ops), make(torch.nn, torchvision.ops)
        assert str(ours) == str(theirs)
        found, expected = in_numpy(ours.state_dict()), in_numpy(theirs.state_dict())
        assert_close(found, expected, 0, 0)


# ---- files and images


@pytest.mark.parametrize("name", ["mnasnet0_5", "shufflenet_v2_x0_5"])
def test_files_in_both_directions(name, tmp_path):
    ours, theirs = pair(name)
    rushlight.save(ours.state_dict(), tmp_path / "ours.pth")
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    theirs.load_state_dict(torch.load(tmp_path / "ours.pth"))
    ours.load_state_dict(rushlight.load(tmp_path / "theirs.pth"))


@pytest.mark.parametrize("legacy", [False, True])
def test_published_weights_of_densenet(tmp_path, monkeypatch, legacy):
    """In the form of the published file: old names with points, and the old format of files."""
    import re

    _, theirs = pair("densenet121")
    state = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", k): v
        for k, v in theirs.state_dict().items()
    }
    weights = models.DenseNet121_Weights.DEFAULT
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    path = folder / weights.url.rpartition("/")[2]
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    monkeypatch.setattr(hub, "_dir", str(tmp_path))
    ours = models.densenet121(weights="DEFAULT", progress=False)
    assert_close(in_numpy(ours.state_dict()), in_numpy(theirs.state_dict()), 0, 0)


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "efficientnet_b0", "inception_v3", "vgg16", "regnet_y_16gf"]
)
def test_transforms(name):
    Image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 420, 3), dtype=np.uint8)
    for mine, his in zip(
        models.get_model_weights(name), torchvision.models.get_model_weights(name)
    ):
        ours, theirs = mine.transforms(), his.transforms()
        assert repr(ours) == repr(theirs)
        found = ours(Image.fromarray(pixels)).numpy()
        expected = theirs(Image.fromarray(pixels)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        planes = pixels.transpose(2, 0, 1).copy()
        found = ours(rushlight.tensor(planes)).numpy()
        expected = theirs(torch.tensor(planes)).numpy()
        # A value between two grey levels may be rounded to the other.
        assert np.mean(np.abs(found - expected) > 1e-5 * np.abs(expected).max()) < 1e-3
