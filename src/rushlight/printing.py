"""The text of a tensor: pure functions from a NumPy array to the lines that PyTorch would print.

How a number is written depends on all numbers shown together, so formatting has two steps: pick the
elements to show (all of them, or the corners of a large tensor), then write these in one width.
"""

import math
from dataclasses import dataclass

import numpy as np

_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


@dataclass
class PrintOptions:
    """What ``set_printoptions`` sets; one object, `options`, holds the values in force."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed. What is not given keeps its value, except ``sci_mode``.

    Args:
        precision: digits after the point.
        threshold: number of elements above which only the edges are shown; ``inf`` shows all.
        edgeitems: how many items are shown at each edge of a summarised dimension.
        linewidth: characters in a line.
        profile: ``"default"``, ``"short"`` or ``"full"``: values for the four above, which then
            override it.
        sci_mode: True writes ``1.0000e+00``, False never does, None lets the numbers decide.

    Raises:
        TypeError: a value is not a number.
        ValueError: a value is negative, or there is no profile of that name.

    >>> import numpy as np
    >>> set_printoptions(precision=2)
    >>> print(tensor_repr(np.float32([0.5, 2.25])))
    tensor([0.50, 2.25])
    >>> set_printoptions(profile="default")
    """
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        _check_option(name, value)
    if profile is not None and profile not in _PROFILES:
        raise ValueError(
            f"set_printoptions: there is no profile {profile!r}; choose one of "
            f"{', '.join(map(repr, _PROFILES))}"
        )
    for name, value in {**_PROFILES.get(profile, {}), **given}.items():
        setattr(options, name, value)
    options.sci_mode = sci_mode


def _check_option(name, value):
    number = (int, np.integer) if name != "threshold" else (int, float, np.number)
    if not isinstance(value, number):
        kind = "a number" if name == "threshold" else "an int"
        raise TypeError(
            f"set_printoptions: {name} must be {kind}, but got {value!r} ({type(value).__name__})"
        )
    if not value >= 0:
        raise ValueError(f"set_printoptions: {name} must be 0 or more, but got {value!r}")


def tensor_repr(
    array: np.ndarray,
    dtype_name: str = "float32",
    default_dtype: str = "float32",
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    device: str | None = None,
    is_parameter: bool = False,
    meta: bool = False,
    class_name: str = "tensor",
) -> str:
    """The text of a tensor, with everything ``repr`` tells about it.

    Args:
        array: the values; of a meta tensor only the shape is looked at.
        dtype_name: the tensor's dtype, such as ``"bfloat16"``; told when it is not the dtype
            that such values would have had by default.
        default_dtype: the name of the default floating dtype.
        requires_grad: told when there is no ``grad_fn_name``.
        grad_fn_name: name of the node that made the tensor, such as ``"AddBackward0"``.
        device: told when it is not the CPU.
        is_parameter: put ``Parameter containing:`` before it.
        meta: the tensor has no values; ``device`` should be ``"meta"``.
        class_name: what stands before the bracket: ``tensor``, or the name of a subclass.

    Returns:
        One or more lines, without a newline at the end.

    >>> print(tensor_repr(np.arange(6.0).reshape(2, 3), dtype_name="float64", requires_grad=True))
    tensor([[0., 1., 2.],
            [3., 4., 5.]], dtype=torch.float64, requires_grad=True)
    """
    prefix = f"{class_name}("
    suffixes = [] if device in (None, "cpu") else [f"device='{device}'"]
    default_complex = "complex128" if default_dtype == "float64" else "complex64"
    defaults = {default_dtype, default_complex, "int64", "bool"}
    if meta:
        body = "..."
        suffixes.append(f"size={_size(array.shape)}")
        defaults = {default_dtype}
    elif array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={_size(array.shape)}")
        # No element shows what kind of numbers these would be.
        defaults = {default_dtype}
    else:
        body = format_tensor(array, dtype_name, indent=len(prefix))
        if options.edgeitems == 0:
            suffixes.append(f"size={_size(array.shape)}")
    if dtype_name not in defaults:
        suffixes.append(f"dtype=torch.{dtype_name}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    text = _with_suffixes(prefix + body, suffixes, indent=len(prefix))
    return f"Parameter containing:\n{text}" if is_parameter else text


def _size(shape):
    return str(tuple(int(n) for n in shape))


def _with_suffixes(text, suffixes, indent):
    last_line = len(text) - (text.rfind("\n") + 1) + 2
    for suffix in suffixes:
        if last_line + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            last_line = indent + len(suffix)
        else:
            text += ", " + suffix
            last_line += len(suffix) + 2
    return text + ")"


def format_tensor(array: np.ndarray, dtype_name: str, *, indent: int = 0) -> str:
    """The values alone, in nested brackets.

    Args:
        array: at least one element; bfloat16 as an ml_dtypes array.
        dtype_name: tells how elements are written: as floating, complex or exact numbers.
        indent: columns to the left of the first bracket; lines after the first start there.

    Returns:
        One line per row (more where rows are wider than ``options.linewidth``), a blank line
        between matrices.

    >>> print(format_tensor(np.array([[1.0, float("nan")], [-2.5, 0.0]]), "float64"))
    [[ 1.0000,     nan],
     [-2.5000,  0.0000]]
    """
    edge = options.edgeitems if array.size > options.threshold else None
    if edge == 0 and array.ndim:
        return "[...]"
    shown = array if edge is None else _corners(array, edge)
    texts, width = _element_texts(shown.ravel(), dtype_name)
    if array.ndim == 0:
        return texts[0]
    return _bracket(texts, array.shape, edge, width + len(", "), indent)


def _corners(array, edge):
    """The elements that a summary shows, copied out without touching the others."""
    kept = [
        range(size) if size <= 2 * edge else [*range(edge), *range(size - edge, size)]
        for size in array.shape
    ]
    return array[np.ix_(*kept)]


def _bracket(texts, shape, edge, pitch, indent):
    """Nested brackets around the flat list ``texts``, whose shape is ``shape`` cut to edges.

    ``pitch`` is the width of an element and what separates it from the next.
    """
    cut = edge is not None and shape[0] > 2 * edge
    count = 2 * edge if cut else shape[0]
    if len(shape) == 1:
        items = [*texts[:edge], " ...", *texts[count - edge :]] if cut else texts
        per_line = max(1, (options.linewidth - indent) // pitch)
        lines = [items[i : i + per_line] for i in range(0, len(items), per_line)]
        separator = ",\n" + " " * (indent + 1)
        return "[" + separator.join(", ".join(line) for line in lines) + "]"
    step = len(texts) // count
    blocks = [
        _bracket(texts[i : i + step], shape[1:], edge, pitch, indent + 1)
        for i in range(0, len(texts), step)
    ]
    if cut:
        blocks.insert(edge, "...")
    separator = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + separator.join(blocks) + "]"


def _element_texts(values, dtype_name):
    """Texts of equal width for a flat array, and the width that lines are measured by."""
    if dtype_name.startswith("complex"):
        real, real_width = _float_texts(values.real)
        imaginary, imaginary_width = _float_texts(values.imag)
        texts = [
            f"{a}{b}j" if b.startswith("-") else f"{a}+{b}j"
            for a, b in zip(real, map(str.lstrip, imaginary), strict=True)
        ]
        return texts, real_width + imaginary_width + 1
    if dtype_name.startswith(("float", "bfloat")):
        return _float_texts(values)
    texts = list(map(str, values.tolist()))
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts], width


def _float_texts(values):
    values = values.astype(np.float64)
    counted = np.isfinite(values) & (values != 0)
    sizes = np.abs(values[counted])
    whole = bool((sizes == np.ceil(sizes)).all())
    if sizes.size and _in_scientific(float(sizes.min()), float(sizes.max()), whole):
        form, point = f".{options.precision}e", ""
    elif whole:
        form, point = ".0f", "."
    else:
        form, point = f".{options.precision}f", ""
    texts = [
        format(value, form) + point if math.isfinite(value) else format(value, form)
        for value in values.tolist()
    ]
    # Zeros, infinities and nans do not count for the width, as in PyTorch: a tensor of zeros
    # therefore runs past the line width.
    counted_lengths = [
        len(text) for text, count in zip(texts, counted.tolist(), strict=True) if count
    ]
    width = max(counted_lengths, default=1)
    return [text.rjust(width) for text in texts], width


def _in_scientific(low, high, whole):
    """Whether fixed point would hide small numbers or waste columns on large ones."""
    if options.sci_mode is not None:
        return options.sci_mode
    return high / low > 1000.0 or high > 1e8 or (not whole and low < 1e-4)


def format_scalar(array: np.ndarray, spec: str, class_name: str = "Tensor") -> str:
    """What ``format(tensor, spec)`` gives: the one number of a 0-dim tensor, in that format.

    Args:
        array: the tensor's values.
        spec: a format of Python's numbers, such as ``".4f"``.
        class_name: for the error.

    Raises:
        TypeError: the tensor has dimensions, so the format has no number to act on.

    >>> format_scalar(np.array(0.12345), ".2f")
    '0.12'
    """
    if array.ndim != 0:
        raise TypeError(
            f"unsupported format string passed to {class_name}.__format__: {spec!r} formats one "
            f"number, but the tensor has shape {_size(array.shape)}; format its items, or use "
            "set_printoptions"
        )
    return format(array.item(), spec)
