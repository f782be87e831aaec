"""Resizing and reading between elements against PyTorch's."""

import itertools
import warnings

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

ALIGNABLE = ("linear", "bilinear", "bicubic", "trilinear")


def settings(mode, dims, draw, count):
    """Sizes, factors and switches drawn for a mode."""
    for _ in range(count):
        shape = (2, 3, *draw.integers(6, 40, dims).tolist())
        options = {"mode": mode, "antialias": mode == "lanczos"}
        if mode in ALIGNABLE and draw.random() < 0.5:
            options["align_corners"] = True
        if mode in ("bilinear", "bicubic") and draw.random() < 0.5:
            options["antialias"] = True
        # Two things are left out, as PyTorch has them wrong: a width of 1 with antialias, which mixes up columns, and
        # factors that keep or double a size, of which the gradients do not belong to the values.
        if draw.random() < 0.5:
            options["size"] = draw.integers(2, 40, dims).tolist()
        else:
            options["scale_factor"] = draw.uniform(1.2, 1.9, dims).tolist()
        yield shape, options


def interpolated(framework, x, options):
    return framework.nn.functional.interpolate(framework.from_numpy(x.copy()), **options)


CASES = [
    ("nearest", 1), ("nearest", 2), ("nearest", 3), ("nearest-exact", 2), ("linear", 1), ("bilinear", 2),
    ("bicubic", 2), ("lanczos", 2), ("trilinear", 3), ("area", 2),
]  # fmt: skip


@pytest.mark.parametrize("dtype, tolerance", [("float32", 5e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("mode, dims", CASES)
def test_values_and_gradients(mode, dims, dtype, tolerance):
    draw = np.random.default_rng(dims)
    for shape, options in settings(mode, dims, draw, 15):
        x = draw.standard_normal(shape).astype(dtype)
        leaves = [f.from_numpy(x.copy()).requires_grad_() for f in (torch, rushlight)]
        expected, found = [
            f.nn.functional.interpolate(leaf, **options)
            for f, leaf in zip((torch, rushlight), leaves)
        ]
        np.testing.assert_allclose(
            found.detach().numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance
        )
        weights = draw.standard_normal(expected.shape).astype(dtype)
        (expected * torch.from_numpy(weights)).sum().backward()
        (found * rushlight.from_numpy(weights)).sum().backward()
        np.testing.assert_allclose(
            leaves[1].grad.numpy(), leaves[0].grad.numpy(), rtol=10 * tolerance, atol=10 * tolerance
        )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos"])
def test_bytes_are_equal(mode):
    draw = np.random.default_rng(1)
    for shape, options in settings(mode, 2, draw, 30):
        x = draw.integers(0, 256, shape, dtype=np.uint8)
        expected, found = [interpolated(f, x, options).numpy() for f in (torch, rushlight)]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_memory_format(mode, antialias):
    options = {"size": 7, "mode": mode, "antialias": antialias and mode != "nearest"}
    strides = [
        f.nn.functional.interpolate(
            f.zeros(2, 3, 4, 5).contiguous(memory_format=f.channels_last), **options
        ).stride()
        for f in (torch, rushlight)
    ]
    assert strides[0] == strides[1]


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_memory_format_of_reading(mode):
    draw = np.random.default_rng(0)
    x = draw.standard_normal((2, 3, 4, 5)).astype(np.float32)
    grid = draw.uniform(-1, 1, (2, 6, 7, 2)).astype(np.float32)
    found = []
    for f in (torch, rushlight):
        last = f.from_numpy(x).contiguous(memory_format=f.channels_last)
        out = f.nn.functional.grid_sample(last, f.from_numpy(grid), mode, align_corners=False)
        found.append((out.stride(), out.numpy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-4, atol=1e-5)


ERRORS = [
    "F.interpolate(x)", "F.interpolate(x, 2, 2)", "F.interpolate(x, (2, 3, 4))",
    "F.interpolate(x, scale_factor=(2, 3, 4))", "F.interpolate(x, 2, mode='foo')",
    "F.interpolate(x, 2, mode='linear')", "F.interpolate(x[0], 2, mode='bilinear')",
    "F.interpolate(x[0, 0], 2, mode='bilinear')", "F.interpolate(x, 2, align_corners=True)",
    "F.interpolate(x, 2, mode='area', align_corners=True)", "F.interpolate(x, 2, antialias=True)",
    "F.interpolate(x, 2, recompute_scale_factor=True)", "F.interpolate(x, scale_factor=.1)", "F.interpolate(x, 0)",
    "F.interpolate(x, -1)", "F.interpolate(x, 2.5)", "F.interpolate(x, 2, mode='lanczos')",
    "F.interpolate(x[:, :0], 2, mode='bilinear')", "F.interpolate(x[:, :, :0], 2)",
    "F.interpolate(x.int(), 2, mode='bilinear')", "F.grid_sample(x, torch.zeros(1, 2, 2, 3))",
    "F.grid_sample(x, torch.zeros(2, 2, 2, 2))", "F.grid_sample(x, torch.zeros(1, 2, 2, 2).double())",
    "F.grid_sample(x, torch.zeros(1, 2, 2, 2), mode='foo')",
    "F.grid_sample(x, torch.zeros(1, 2, 2, 2), padding_mode='foo')",
    "F.grid_sample(x[None], torch.zeros(1, 2, 2, 2, 3), mode='bicubic')", "F.grid_sample(x[0], torch.zeros(1, 2, 2))",
    "F.grid_sample(x[:, :, :0], torch.zeros(1, 2, 2, 2))", "F.affine_grid(torch.zeros(1, 3, 4), (1, 3, 4, 5))",
    "F.affine_grid(torch.zeros(2, 2, 3), (1, 3, 4, 5))", "F.affine_grid(torch.zeros(1, 2, 3).int(), (1, 3, 4, 5))",
    "F.affine_grid(torch.zeros(1, 2, 3), (1, 3, 4))", "F.affine_grid(torch.zeros(1, 2, 3), (1, 3, 0, 4))",
]  # fmt: skip


def error_of(framework, expression):
    scope = {"torch": framework, "F": framework.nn.functional, "x": framework.zeros(1, 1, 4, 4)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as caught:
            eval(expression, scope)
    return caught.type.__name__


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression):
    assert error_of(rushlight, expression) == error_of(torch, expression)


@pytest.mark.parametrize("old", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_old_names(old):
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    results = []
    for framework in (torch, rushlight):
        with pytest.warns(UserWarning, match="interpolate"):
            results.append(getattr(framework.nn.functional, old)(framework.from_numpy(x), (5, 6)))
    np.testing.assert_allclose(results[1].numpy(), results[0].numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        "Upsample(2)", "Upsample(scale_factor=2)", "Upsample(scale_factor=(2, 3), mode='bilinear', align_corners=True)",
        "UpsamplingNearest2d(scale_factor=2)", "UpsamplingBilinear2d((2, 3))", "Upsample((3, 3), mode='bicubic')",
    ],
)  # fmt: skip
def test_layers(layer):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    expected, found = [eval(f"nn.{layer}", {"nn": f.nn}) for f in (torch, rushlight)]
    assert repr(found) == repr(expected)
    np.testing.assert_allclose(
        found(rushlight.from_numpy(x)).numpy(), expected(torch.from_numpy(x)).numpy(), atol=1e-5
    )


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(
    "dims, mode", [(2, "bilinear"), (2, "nearest"), (2, "bicubic"), (3, "bilinear"), (3, "nearest")]
)
def test_grid_sample(dims, mode, padding):
    draw = np.random.default_rng(dims)
    for align_corners, whole in itertools.product((False, True), (False, True)):
        x = draw.standard_normal((2, 3, *draw.integers(1, 7, dims))).astype(np.float32)
        grid = draw.uniform(-2.5, 2.5, (2, *draw.integers(1, 6, dims), dims)).astype(np.float32)
        # Halves lie on borders between elements.
        grid = np.round(grid * 2) / 2 if whole else grid
        found = []
        for framework in (torch, rushlight):
            leaves = [framework.from_numpy(a.copy()).requires_grad_() for a in (x, grid)]
            out = framework.nn.functional.grid_sample(*leaves, mode, padding, align_corners)
            weights = np.cos(np.arange(out.numel(), dtype=np.float32)).reshape(out.shape)
            (out * framework.from_numpy(weights)).sum().backward()
            found.append([a.detach().numpy() for a in (out, leaves[0].grad, leaves[1].grad)])
        for a, b in zip(*found):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4)


def test_bilinear_reading_is_equal():
    """To the last bit, so that rotated images are."""
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (1, 3, 41, 53)).astype(np.float32)
    grid = draw.uniform(-1.1, 1.1, (1, 37, 45, 2)).astype(np.float32)
    expected, found = [
        f.nn.functional.grid_sample(f.from_numpy(x), f.from_numpy(grid), align_corners=False)
        for f in (torch, rushlight)
    ]
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
def test_affine_grid(dims, align_corners):
    theta = np.random.default_rng(0).standard_normal((2, dims, dims + 1)).astype(np.float32)
    size = (2, 3, 4, 5, 6)[: dims + 2]
    expected, found = [
        f.nn.functional.affine_grid(f.from_numpy(theta), size, align_corners=align_corners)
        for f in (torch, rushlight)
    ]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
