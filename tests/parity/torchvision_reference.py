"""torchvision beside PyTorch, for comparisons, also where its C++ part is missing."""

import functools

import pytest


@functools.cache
def reference():
    """The module torchvision; the test that asks for it is skipped where there is none."""
    torch = pytest.importorskip("torch")
    # Its import describes two operators that only its C++ part declares.
    library = torch.library.Library("torchvision", "FRAGMENT")
    if not hasattr(torch.ops.torchvision, "nms"):
        arguments = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(f"nms{arguments}")
        library.define(f"qnms{arguments}")
    torchvision = pytest.importorskip("torchvision")
    # What a library declares lasts as long as it does.
    torchvision._rushlight_library = library
    return torchvision
