"""The text of tensors, stated literally; tests/parity compares generated ones with PyTorch."""

import math

import ml_dtypes
import numpy as np
import pytest

from rushlight import printing
from rushlight.printing import format_scalar, format_tensor, set_printoptions, tensor_repr


@pytest.fixture(autouse=True)
def default_options():
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


def f32(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    "values, text",
    [
        (f32(1, 2, 3), "tensor([1., 2., 3.])"),
        (f32(-1, 20, 0), "tensor([-1., 20.,  0.])"),
        (f32(0.5, -1.25), "tensor([ 0.5000, -1.2500])"),
        (f32(0, -0.0), "tensor([0., -0.])"),
        (f32(1, math.inf, -math.inf, math.nan), "tensor([1., inf, -inf, nan])"),
        (f32(1.5, math.inf, math.nan), "tensor([1.5000,    inf,    nan])"),
        (np.float32(3), "tensor(3.)"),
        (np.float32(-0.1), "tensor(-0.1000)"),
        (f32(), "tensor([])"),
        (np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
        (np.zeros((2, 0, 1), np.float32), "tensor([], size=(2, 0, 1))"),
    ],
)
def test_floats(values, text):
    assert tensor_repr(np.asarray(values)) == text


@pytest.mark.parametrize(
    "values, text",
    [
        (f32(1000, 1), "tensor([1000.,    1.])"),
        (f32(1001, 1), "tensor([1.0010e+03, 1.0000e+00])"),
        (f32(1e8), "tensor([100000000.])"),
        (f32(1.1e8), "tensor([1.1000e+08])"),
        (f32(0.00011), "tensor([0.0001])"),
        (f32(0.00009), "tensor([9.0000e-05])"),
        (f32(0.5, 600), "tensor([5.0000e-01, 6.0000e+02])"),
        (f32(0.5, 0.0, 500), "tensor([  0.5000,   0.0000, 500.0000])"),
        (f32(1e-10, math.nan), "tensor([1.0000e-10,        nan])"),
    ],
)
def test_switch_to_scientific_notation(values, text):
    assert tensor_repr(values) == text


@pytest.mark.parametrize(
    "values, name, text",
    [
        (np.array([True, False]), "bool", "tensor([ True, False])"),
        (np.array([1, -10, 100]), "int64", "tensor([  1, -10, 100])"),
        (np.array([1, 255], np.uint8), "uint8", "tensor([  1, 255], dtype=torch.uint8)"),
        (np.array(-7, np.int32), "int32", "tensor(-7, dtype=torch.int32)"),
        (np.float64([0.1]), "float64", "tensor([0.1000], dtype=torch.float64)"),
        (np.float16([0.1, 2]), "float16", "tensor([0.1000, 2.0000], dtype=torch.float16)"),
        (
            np.array([0.1, 300], ml_dtypes.bfloat16),
            "bfloat16",
            "tensor([1.0010e-01, 3.0000e+02], dtype=torch.bfloat16)",
        ),
        (np.complex64([1 + 2j, -0.5j]), "complex64", "tensor([1.+2.0000j, -0.-0.5000j])"),
        (
            np.complex128([1.5 - 20j, -3 + 1j]),
            "complex128",
            "tensor([ 1.5000-20.j, -3.0000+1.j], dtype=torch.complex128)",
        ),
        (np.array([], np.int64), "int64", "tensor([], dtype=torch.int64)"),
        (np.array([], np.complex64), "complex64", "tensor([], dtype=torch.complex64)"),
    ],
)
def test_dtypes(values, name, text):
    assert tensor_repr(values, name) == text


@pytest.mark.parametrize(
    "name, default, suffix",
    [
        ("float64", "float64", ""),
        ("float32", "float64", ", dtype=torch.float32"),
        ("float32", "bfloat16", ", dtype=torch.float32"),
    ],
)
def test_dtype_is_told_unless_it_is_the_default(name, default, suffix):
    assert tensor_repr(np.zeros(1, name), name, default) == f"tensor([0.]{suffix})"


@pytest.mark.parametrize(
    "name, default, suffix",
    [
        ("complex64", "float32", ""),
        ("complex128", "float32", ", dtype=torch.complex128"),
        ("complex64", "float64", ", dtype=torch.complex64"),
        ("complex128", "float64", ""),
        ("complex64", "float16", ""),
    ],
)
def test_default_complex_dtype_follows_the_floating_one(name, default, suffix):
    assert tensor_repr(np.zeros(1, name), name, default) == f"tensor([0.+0.j]{suffix})"


def test_nested_dimensions():
    assert tensor_repr(np.arange(12).reshape(2, 2, 3), "int64") == (
        "tensor([[[ 0,  1,  2],\n"
        "         [ 3,  4,  5]],\n"
        "\n"
        "        [[ 6,  7,  8],\n"
        "         [ 9, 10, 11]]])"
    )


def test_two_blank_lines_between_blocks_of_matrices():
    assert tensor_repr(np.arange(4).reshape(2, 1, 1, 2), "int64") == (
        "tensor([[[[0, 1]]],\n\n\n        [[[2, 3]]]])"
    )


def test_lines_wrap_at_the_line_width():
    assert tensor_repr(np.arange(10, 30) / 4, "float64") == (
        "tensor([2.5000, 2.7500, 3.0000, 3.2500, 3.5000, 3.7500, 4.0000, 4.2500, 4.5000,\n"
        "        4.7500, 5.0000, 5.2500, 5.5000, 5.7500, 6.0000, 6.2500, 6.5000, 6.7500,\n"
        "        7.0000, 7.2500], dtype=torch.float64)"
    )


def test_a_row_fits_fewer_items_the_deeper_it_stands():
    set_printoptions(linewidth=20)
    assert tensor_repr(np.arange(4), "int64") == "tensor([0, 1, 2, 3])"
    assert tensor_repr(np.arange(4)[None], "int64") == "tensor([[0, 1, 2, 3]])"
    assert tensor_repr(np.arange(4)[None, None], "int64") == "tensor([[[0, 1, 2,\n          3]]])"


def test_suffixes_that_do_not_fit_go_to_the_next_line():
    values = np.arange(10) / 4
    assert tensor_repr(values, "float64", grad_fn_name="AddBackward0") == (
        "tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000, 1.2500, 1.5000, 1.7500, 2.0000,\n"
        "        2.2500], dtype=torch.float64, grad_fn=<AddBackward0>)"
    )
    assert tensor_repr(values[:8], "float64", requires_grad=True) == (
        "tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000, 1.2500, 1.5000, 1.7500],\n"
        "       dtype=torch.float64, requires_grad=True)"
    )


def test_large_tensors_are_summarised():
    assert tensor_repr(np.arange(1000), "int64").count("...") == 0
    assert tensor_repr(np.arange(1001), "int64") == (
        "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    )
    assert tensor_repr(np.arange(2000.0).reshape(2, 1000)) == (
        "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 9.9700e+02, 9.9800e+02,\n"
        "         9.9900e+02],\n"
        "        [1.0000e+03, 1.0010e+03, 1.0020e+03,  ..., 1.9970e+03, 1.9980e+03,\n"
        "         1.9990e+03]])"
    )
    assert tensor_repr(np.arange(2000).reshape(1000, 2), "int64") == (
        "tensor([[   0,    1],\n"
        "        [   2,    3],\n"
        "        [   4,    5],\n"
        "        ...,\n"
        "        [1994, 1995],\n"
        "        [1996, 1997],\n"
        "        [1998, 1999]])"
    )


def test_only_what_is_shown_decides_the_format():
    values = np.ones(2000, np.float32)
    values[1000] = 1e30
    assert tensor_repr(values) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_a_summary_reads_only_the_corners():
    # Copying all of these 4 TB could not work.
    values = np.broadcast_to(np.float32(1), (10**6, 10**6))
    assert tensor_repr(values).splitlines()[0] == "tensor([[1., 1., 1.,  ..., 1., 1., 1.],"


def test_gradient_suffixes():
    assert tensor_repr(f32(1), requires_grad=True) == "tensor([1.], requires_grad=True)"
    assert tensor_repr(f32(1), requires_grad=True, grad_fn_name="MulBackward0") == (
        "tensor([1.], grad_fn=<MulBackward0>)"
    )


def test_parameters_devices_and_classes():
    assert tensor_repr(f32(1), requires_grad=True, is_parameter=True) == (
        "Parameter containing:\ntensor([1.], requires_grad=True)"
    )
    assert tensor_repr(f32(1), device="cpu") == "tensor([1.])"
    assert tensor_repr(f32(1), device="cuda:0") == "tensor([1.], device='cuda:0')"
    assert tensor_repr(np.ones((2, 1)), class_name="Mask") == "Mask([[1.],\n      [1.]])"


def test_meta_tensors_show_their_shape():
    values = np.zeros((2, 3), np.int64)
    assert tensor_repr(values, "int64", device="meta", meta=True) == (
        "tensor(..., device='meta', size=(2, 3), dtype=torch.int64)"
    )
    assert tensor_repr(values, "float32", device="meta", meta=True) == (
        "tensor(..., device='meta', size=(2, 3))"
    )


def test_format_tensor_gives_the_values_alone():
    assert format_tensor(f32(1, 2)[:, None], "float32", indent=2) == "[[1.],\n   [2.]]"


@pytest.mark.parametrize(
    "given, text",
    [
        ({"precision": 2}, "tensor([0.12, 2.00])"),
        ({"precision": 0}, "tensor([0, 2])"),
        ({"sci_mode": True}, "tensor([1.2346e-01, 2.0000e+00])"),
        ({"profile": "short"}, "tensor([0.12, 2.00])"),
        ({"profile": "short", "precision": 3}, "tensor([0.123, 2.000])"),
        ({"profile": "full"}, "tensor([0.1235, 2.0000])"),
    ],
)
def test_options(given, text):
    set_printoptions(**given)
    assert tensor_repr(f32(0.123456, 2)) == text


def test_sci_mode_false_never_writes_exponents():
    set_printoptions(sci_mode=False)
    assert tensor_repr(f32(1e-10, 2000.5)) == "tensor([   0.0000, 2000.5000])"


def test_threshold_and_edgeitems():
    set_printoptions(threshold=5, edgeitems=1)
    assert tensor_repr(np.arange(6), "int64") == "tensor([0,  ..., 5])"
    set_printoptions(edgeitems=0)
    assert tensor_repr(np.arange(6), "int64") == "tensor([...], size=(6,))"


def test_the_full_profile_shows_everything():
    set_printoptions(profile="full")
    assert "..." not in tensor_repr(np.arange(5000), "int64")


def test_options_stay_until_set_again_except_sci_mode():
    set_printoptions(precision=3, sci_mode=True)
    set_printoptions(linewidth=60)
    assert (printing.options.precision, printing.options.linewidth) == (3, 60)
    assert printing.options.sci_mode is None


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({"precision": 2.5}, TypeError, "precision must be an int, but got 2.5"),
        ({"threshold": "all"}, TypeError, "threshold must be a number, but got 'all'"),
        ({"edgeitems": -1}, ValueError, "edgeitems must be 0 or more, but got -1"),
        ({"threshold": math.nan}, ValueError, "threshold must be 0 or more, but got nan"),
        ({"profile": "long"}, ValueError, "no profile 'long'; choose one of 'default', 'short'"),
    ],
)
def test_wrong_options_are_refused_and_change_nothing(given, error, message):
    with pytest.raises(error, match=message):
        set_printoptions(linewidth=11, **given)
    assert printing.options == printing.PrintOptions()


def test_format_of_one_value():
    assert format_scalar(np.array(0.12345), ".2f") == "0.12"
    assert format_scalar(np.array(7), "4d") == "   7"
    assert format_scalar(np.array(True), "") == "True"
    assert format_scalar(np.array(1.5, ml_dtypes.bfloat16), ".3f") == "1.500"


def test_format_of_many_values_is_refused():
    with pytest.raises(TypeError, match=r"unsupported format string .* shape \(2,\)"):
        format_scalar(np.ones(2), ".2f")
