"""Tensors that know what they hold: what keeps the kind, and what does not."""

import copy
import pickle

import numpy as np
import pytest

import rushlight
from rushlight.vision import tv_tensors
from rushlight.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video


def boxes(values=((1, 2, 3, 4),), **about):
    return BoundingBoxes(values, **{"format": "XYXY", "canvas_size": (10, 20), **about})


def test_an_image_is_a_tensor():
    image = Image(np.arange(4).reshape(1, 2, 2))
    assert isinstance(image, rushlight.Tensor)
    assert image.shape == (1, 2, 2)
    assert image.sum().item() == 6


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + 1,
        lambda x: 1 - x,
        lambda x: x.flip(-1),
        lambda x: x[0],
        lambda x: x == x,
        lambda x: rushlight.cat([x, x]),
        lambda x: rushlight.add(x, 1),
        lambda x: x.as_subclass(rushlight.Tensor),
        lambda x: x.data,
    ],
)
def test_operations_give_plain_tensors(call):
    assert type(call(Image([[1, 2]]))) is rushlight.Tensor


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.clone(),
        lambda x: x.to(rushlight.float32),
        lambda x: x.detach(),
        lambda x: x.to(rushlight.float32).requires_grad_(),
        copy.copy,
        copy.deepcopy,
        lambda x: pickle.loads(pickle.dumps(x)),
    ],
)
def test_what_keeps_the_kind(call):
    out = call(boxes(clamping_mode=None))
    assert type(out) is BoundingBoxes
    assert (out.format.name, out.canvas_size, out.clamping_mode) == ("XYXY", (10, 20), None)
    assert out.tolist() == [[1, 2, 3, 4]]


def test_writing_in_place_keeps_the_kind():
    image = Image([[1, 2]])
    same = image
    same += 1
    same[0, 0, 0] = 9
    assert same is image
    assert image.tolist() == [[[9, 3]]]


def test_set_return_type():
    image = Image([[1, 2]])
    with tv_tensors.set_return_type("TVTensor"):
        assert type(image + 1) is Image
        assert (boxes() * 2).canvas_size == (10, 20)
        assert [type(x) for x in boxes().unbind(0)] == [BoundingBoxes]
        with tv_tensors.set_return_type("Tensor"):
            assert type(image + 1) is rushlight.Tensor
        assert type(image.mul(2)) is Image
    assert type(image + 1) is rushlight.Tensor
    with pytest.raises(ValueError, match="'TVTensor' or 'Tensor'"):
        tv_tensors.set_return_type("Image")


def test_gradients_reach_through():
    image = Image([[1.0, 2.0]], requires_grad=True)
    (image * 3).sum().backward()
    assert image.grad.tolist() == [[[3, 3]]]


def test_pictures_become_tensors():
    pictures = pytest.importorskip("PIL.Image")
    assert Image(pictures.new("RGB", (3, 2))).shape == (3, 2, 3)
    assert Mask(pictures.new("L", (3, 2))).shape == (1, 2, 3)


def test_wrap():
    out = tv_tensors.wrap(rushlight.zeros(1, 4), like=boxes(), format="CXCYWH")
    assert (out.format.name, out.canvas_size) == ("CXCYWH", (10, 20))
    assert type(tv_tensors.wrap(rushlight.zeros(2), like=rushlight.ones(1))) is rushlight.Tensor


def test_repr_says_what_it_is():
    assert (
        repr(KeyPoints([[1, 2]], canvas_size=(3, 4))) == "KeyPoints([[1, 2]], canvas_size=(3, 4))"
    )
    assert repr(Mask([[1]])) == "Mask([[1]])"


@pytest.mark.parametrize(
    "error, text, call",
    [
        (ValueError, "2D or higher", lambda: Image([1])),
        (ValueError, "4D or higher", lambda: Video([[[1]]])),
        (ValueError, "1D or 2D", lambda: boxes([[[1, 2, 3, 4]]])),
        (ValueError, "None, hard or soft", lambda: boxes(clamping_mode="weak")),
        (ValueError, "floating point", lambda: boxes(format="XYWHR")),
        (KeyError, "there is no box format 'LTRB'", lambda: boxes(format="LTRB")),
        (ValueError, r"\(..., 2\)", lambda: KeyPoints([[1, 2, 3]], canvas_size=(3, 4))),
    ],
)
def test_wrong_arguments(error, text, call):
    with pytest.raises(error, match=text):
        call()
