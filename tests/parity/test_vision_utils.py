"""Grids and drawings against torchvision's, pixel for pixel."""

import io

import numpy as np
import pytest

import rushlight
from rushlight.vision import utils

from .torchvision_reference import reference

torch = pytest.importorskip("torch")
theirs = reference().utils
random = np.random.default_rng(0)
UINT8 = random.integers(0, 256, (7, 3, 45, 60), dtype=np.uint8)
FLOAT = random.random((7, 3, 45, 60), dtype=np.float32) * 2 - 0.5
BOXES = np.array([[2.6, 3.4, 20.5, 30.7], [10, 5, 50, 40], [30, 20, 58, 44]], dtype=np.float32)
ROTATED = np.array([[10, 4, 50, 9, 44, 40, 4, 33], [20, 20, 40, 10, 45, 20, 25, 30]], np.float32)
MASKS = random.random((3, 45, 60)) < 0.3
POINTS = random.random((2, 4, 2)).astype(np.float32) * 44
SEEN = np.array([[1, 1, 0, 1], [1, 0, 1, 1]])


def same(name, *arrays, **arguments):
    """One function of both, with arrays as tensors; the results must be equal."""

    def on(framework, module):
        def convert(x):
            if isinstance(x, list):
                return [convert(y) for y in x]
            return framework.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x

        call = getattr(module, name)
        return call(*map(convert, arrays), **{k: convert(v) for k, v in arguments.items()})

    ours, reference = on(rushlight, utils), on(torch, theirs)
    assert str(ours.dtype) == str(reference.dtype)
    np.testing.assert_allclose(ours.numpy(), reference.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"nrow": 3},
        {"nrow": 50, "padding": 0},
        {"nrow": 4, "padding": 5, "pad_value": 0.5},
        {"normalize": True},
        {"normalize": True, "value_range": (-0.2, 0.7)},
        {"normalize": True, "scale_each": True},
        {"normalize": True, "scale_each": True, "value_range": (0, 1)},
        {"normalize": True, "value_range": (0.5, 0.5)},
        {"scale_each": True, "value_range": (0, 1)},
    ],
)
@pytest.mark.parametrize(
    "images", [FLOAT, FLOAT[:, :1], FLOAT[:1], FLOAT[0], FLOAT[0, 0], list(FLOAT)]
)
def test_make_grid(images, arguments):
    same("make_grid", images, **arguments)


def test_make_grid_of_integers_and_four_channels():
    same("make_grid", UINT8, nrow=3, pad_value=200)
    same("make_grid", FLOAT.reshape(1, -1, 45, 60)[:, :20].reshape(5, 4, 45, 60), nrow=2)


@pytest.mark.parametrize("arguments", [{}, {"nrow": 2, "padding": 7, "normalize": True}])
@pytest.mark.parametrize("images", [FLOAT, FLOAT[0], FLOAT[:3, :1]])
def test_save_image_writes_the_same_file(images, arguments):
    ours, reference = io.BytesIO(), io.BytesIO()
    utils.save_image(rushlight.from_numpy(images), ours, format="PNG", **arguments)
    theirs.save_image(torch.from_numpy(images), reference, format="PNG", **arguments)
    assert ours.getvalue() == reference.getvalue()


COLORS = [
    None,
    "red",
    (10, 200, 30),
    ["red", "#00FF7f", (1, 2, 3)],
    ["red", "blue", "green", "white"],
]


@pytest.mark.parametrize(
    "image", [UINT8[0], UINT8[0, :1], np.clip(FLOAT[0], 0, 1).astype(np.float64)]
)
@pytest.mark.parametrize("colors", COLORS)
@pytest.mark.parametrize("fill", [False, True])
def test_draw_bounding_boxes(image, colors, fill):
    labels = ["cat", None, "dog"]
    same("draw_bounding_boxes", image, BOXES, labels=labels, colors=colors, fill=fill, width=2)


@pytest.mark.parametrize(
    "arguments",
    [
        {"fill_labels": True},
        {"fill_labels": True, "width": 4, "label_colors": "white"},
        {"fill_labels": True, "label_background_colors": ["blue", "red", "gray"], "fill": True},
        {"label_colors": ["white", "black", (9, 9, 250)], "label_background_colors": "red"},
    ],
)
def test_draw_bounding_boxes_labels(arguments):
    same("draw_bounding_boxes", UINT8[0], BOXES, labels=["cat", "dog", "a bird"], **arguments)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("fill", [False, True])
def test_draw_bounding_boxes_rotated(width, fill):
    same("draw_bounding_boxes", UINT8[0], ROTATED + 0.7, colors="red", width=width, fill=fill)


@pytest.mark.parametrize("image", [UINT8[0], FLOAT[0], FLOAT[0].astype(np.float64)])
@pytest.mark.parametrize("colors", COLORS)
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.8, 1.0])
def test_draw_segmentation_masks(image, colors, alpha):
    same("draw_segmentation_masks", image, MASKS, alpha=alpha, colors=colors)
    same("draw_segmentation_masks", image, MASKS[0], alpha=alpha)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"colors": "red", "radius": 3},
        {"colors": (1, 250, 3), "connectivity": [(0, 1), (1, 2), (3, 0)], "width": 2},
        {"colors": "blue", "connectivity": [(0, 1), (1, 2), (3, 0)], "visibility": SEEN},
        {"colors": "blue", "visibility": SEEN[..., None]},
    ],
)
@pytest.mark.parametrize("image", [UINT8[0], np.clip(FLOAT[0], 0, 1)])
def test_draw_keypoints(image, arguments):
    same("draw_keypoints", image, POINTS, **arguments)


@pytest.mark.parametrize("shape", [(2, 30, 40), (3, 2, 30, 40), (2, 1, 1)])
def test_flow_to_image(shape):
    flow = random.standard_normal(shape, dtype=np.float32) * 5
    ours = utils.flow_to_image(rushlight.from_numpy(flow)).numpy().astype(int)
    reference = theirs.flow_to_image(torch.from_numpy(flow)).numpy().astype(int)
    # A value that lies on a whole number may be cut off to the one below.
    assert abs(ours - reference).max() <= 1
    assert (ours != reference).mean() < 1e-3
    same("flow_to_image", np.zeros(shape, dtype=np.float32))


ERRORS = {
    "a list of numbers": lambda u, t: u.make_grid([1, 2]),
    "a tuple": lambda u, t: u.make_grid((t.zeros(3, 2, 2),)),
    "a range that is no tuple": lambda u, t: u.make_grid(
        t.zeros(3, 2, 2), normalize=True, value_range=[0, 1]
    ),
    "normalized integers": lambda u, t: u.make_grid(
        t.zeros(3, 2, 2, dtype=t.uint8), normalize=True
    ),
    "no images": lambda u, t: u.make_grid([]),
    "another ending": lambda u, t: u.save_image(t.zeros(3, 2, 2), "image.nothing"),
    "no such folder": lambda u, t: u.save_image(t.zeros(3, 2, 2), "no/such/image.png"),
    "an int": lambda u, t: u.draw_bounding_boxes(3, t.zeros(1, 4)),
    "int32": lambda u, t: u.draw_bounding_boxes(t.zeros(3, 2, 2).int(), t.zeros(1, 4)),
    "a batch": lambda u, t: u.draw_bounding_boxes(t.zeros(1, 3, 2, 2), t.zeros(1, 4)),
    "two channels": lambda u, t: u.draw_bounding_boxes(t.zeros(2, 2, 2), t.zeros(1, 4)),
    "corners exchanged": lambda u, t: u.draw_bounding_boxes(
        t.zeros(3, 9, 9), t.tensor([[5, 1, 2, 2]])
    ),
    "three coordinates": lambda u, t: u.draw_bounding_boxes(t.zeros(3, 9, 9), t.zeros(1, 3)),
    "few labels": lambda u, t: u.draw_bounding_boxes(t.zeros(3, 9, 9), t.zeros(2, 4), ["a"]),
    "few colours": lambda u, t: u.draw_bounding_boxes(
        t.zeros(3, 9, 9), t.zeros(2, 4), colors=["red"]
    ),
    "no colour": lambda u, t: u.draw_bounding_boxes(
        t.zeros(3, 9, 9), t.zeros(2, 4), colors="reddest"
    ),
    "a number as colour": lambda u, t: u.draw_bounding_boxes(
        t.zeros(3, 9, 9), t.zeros(2, 4), colors=3
    ),
    "masks of integers": lambda u, t: u.draw_segmentation_masks(
        t.zeros(3, 9, 9), t.zeros(1, 9, 9).int()
    ),
    "masks of another size": lambda u, t: u.draw_segmentation_masks(
        t.zeros(3, 9, 9), t.zeros(1, 9, 8, dtype=t.bool)
    ),
    "masks of four dimensions": lambda u, t: u.draw_segmentation_masks(
        t.zeros(3, 9, 9), t.zeros(1, 1, 9, 9, dtype=t.bool)
    ),
    "masks on gray": lambda u, t: u.draw_segmentation_masks(
        t.zeros(1, 9, 9), t.zeros(1, 9, 9, dtype=t.bool)
    ),
    "flat points": lambda u, t: u.draw_keypoints(t.zeros(3, 9, 9), t.zeros(3, 2)),
    "points on gray": lambda u, t: u.draw_keypoints(t.zeros(1, 9, 9), t.zeros(1, 3, 2)),
    "visibility of others": lambda u, t: u.draw_keypoints(
        t.zeros(3, 9, 9), t.zeros(1, 3, 2), visibility=t.ones(1, 2)
    ),
    "flat visibility": lambda u, t: u.draw_keypoints(
        t.zeros(3, 9, 9), t.zeros(1, 3, 2), visibility=t.ones(3)
    ),
    "a flow of doubles": lambda u, t: u.flow_to_image(t.zeros(2, 3, 3).double()),
    "a flow of three": lambda u, t: u.flow_to_image(t.zeros(3, 3, 3)),
}


@pytest.mark.parametrize("case", ERRORS)
def test_the_same_errors(case):
    with pytest.raises(Exception) as reference:  # noqa: B017, PT011 - the type is what is asked for
        ERRORS[case](theirs, torch)
    with pytest.raises(reference.type):
        ERRORS[case](utils, rushlight)
