"""Grids, files of images, drawings: what stands where, without another framework to compare with."""

import os

import numpy as np
import pytest

import rushlight
from rushlight.vision import io, utils

pytest.importorskip("PIL")
uint8 = rushlight.uint8


def counted(n, channels=3, height=2, width=2):
    """Images whose values are all their number, from 1 on."""
    numbers = rushlight.arange(1, n + 1).reshape(n, 1, 1, 1)
    return (numbers * rushlight.ones(n, channels, height, width)).float()


def test_make_grid_puts_images_in_rows():
    grid = utils.make_grid(counted(3, height=1, width=2), nrow=2, padding=1, pad_value=-1)
    expected = [
        [-1, -1, -1, -1, -1, -1, -1],
        [-1, 1, 1, -1, 2, 2, -1],
        [-1, -1, -1, -1, -1, -1, -1],
        [-1, 3, 3, -1, -1, -1, -1],
        [-1, -1, -1, -1, -1, -1, -1],
    ]
    assert grid.tolist() == [expected] * 3


def test_make_grid_normalizes_all_images_or_each():
    images = counted(3, height=1, width=1)
    images[:, 0] = 0
    together = utils.make_grid(images, padding=0, normalize=True)
    assert np.allclose(together[1].numpy(), [[1 / 3, 2 / 3, 1]])
    each = utils.make_grid(images, padding=0, normalize=True, scale_each=True)
    assert each[1].tolist() == [[1, 1, 1]]
    between = utils.make_grid(images, padding=0, normalize=True, value_range=(1, 2))
    assert between[1].tolist() == [[0, 1, 1]]
    assert images[:, 1, 0, 0].tolist() == [1, 2, 3]


def test_make_grid_keeps_no_history():
    images = counted(2).requires_grad_()
    assert not utils.make_grid(images, normalize=True).requires_grad


def test_make_grid_of_one_image_is_the_image():
    image = counted(1, channels=1)[0, 0]
    assert utils.make_grid(image).tolist() == [image.tolist()] * 3


@pytest.mark.parametrize("name", ["image.png", "image.PNG", "image.bmp"])
def test_save_image(tmp_path, name):
    image = rushlight.tensor([[0.0, 0.5], [1.0, 7.0]])
    utils.save_image(image, tmp_path / name)
    from PIL import Image

    with Image.open(tmp_path / name) as read:
        assert np.array(read)[..., 0].tolist() == [[0, 128], [255, 255]]
    assert os.listdir(tmp_path) == [name]


def test_save_image_in_a_format_that_is_said(tmp_path):
    utils.save_image(counted(4), tmp_path / "image", format="JPEG", nrow=2)
    assert io.decode_jpeg(io.read_file(tmp_path / "image")).shape == (3, 10, 10)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="cannot write mode RGBA as JPEG"):
        utils.save_image(rushlight.zeros(4, 2, 2), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["image.jpg"]
    with pytest.raises(ValueError, match="unknown file extension: .picture"):
        utils.save_image(counted(1), tmp_path / "image.picture")
    with pytest.raises(FileNotFoundError, match="make it with os.makedirs"):
        utils.save_image(counted(1), tmp_path / "no" / "image.png")


def test_draw_bounding_boxes_draws_the_edges():
    image = rushlight.zeros(3, 8, 8, dtype=uint8)
    drawn = utils.draw_bounding_boxes(image, rushlight.tensor([[1, 2, 5, 6]]), colors=(7, 8, 9))
    edges = np.zeros((8, 8), dtype=bool)
    edges[2:7, 1:6] = True
    edges[3:6, 2:5] = False
    assert np.array_equal(drawn.numpy(), edges * np.array([7, 8, 9])[:, None, None])
    assert not image.any()


def test_nothing_to_draw_warns():
    image = rushlight.zeros(3, 8, 8, dtype=uint8)
    with pytest.warns(UserWarning, match="any box"):
        assert utils.draw_bounding_boxes(image, rushlight.zeros(0, 4)) is image
    with pytest.warns(UserWarning, match="any mask"):
        masks = rushlight.zeros(0, 8, 8, dtype=rushlight.bool)
        assert utils.draw_segmentation_masks(image, masks) is image
    with pytest.warns(UserWarning, match="font_size"):
        utils.draw_bounding_boxes(image, rushlight.zeros(1, 4), labels=["a"], font_size=3)


def test_draw_segmentation_masks_mixes():
    image = rushlight.full((3, 1, 3), 100, dtype=uint8)
    masks = rushlight.tensor([[[True, True, False]], [[False, True, False]]])
    drawn = utils.draw_segmentation_masks(image, masks, alpha=0.25, colors=[(200, 0, 40), "red"])
    # One mask; two of them, which is black; none.
    assert drawn[:, 0].T.tolist() == [[125, 75, 85], [75, 75, 75], [100, 100, 100]]


def test_draw_keypoints_leaves_out_what_is_not_seen():
    points = rushlight.tensor([[[1, 1], [6, 1], [1, 6]]])
    image = rushlight.zeros(3, 8, 8)
    seen = rushlight.tensor([[True, False, True]])
    drawn = utils.draw_keypoints(
        image, points, [(0, 1), (0, 2)], "red", radius=0, width=1, visibility=seen
    )
    red, green = drawn[0], drawn[1]
    assert red.nonzero().tolist() == [[y, 1] for y in range(1, 7)]
    # The lines are white, over the points.
    assert green.nonzero().tolist() == [[y, 1] for y in range(1, 7)]
    points_alone = utils.draw_keypoints(image, points, colors="red", radius=1, visibility=seen)
    assert points_alone[0, 1].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert not points_alone[:, :, 4:].any()


def test_flow_to_image_goes_around_the_wheel():
    flow = rushlight.tensor([[[1.0, 0.0, -1.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]]])
    right, down, left, none = utils.flow_to_image(flow)[:, 0].T.tolist()
    assert right == [255, 0, 0]
    assert left[0] == 0
    assert down[2] == 0
    assert none == [255, 255, 255]
