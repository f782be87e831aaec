"""What several families of models share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from ... import nn
from ...tensor import Tensor


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of ``divisor`` next to ``v``, or the next larger one if that is under 90 % of ``v``.

    Args:
        v: a number of channels, times a factor.
        divisor: what the result is a multiple of.
        min_value: the smallest result; ``divisor`` if None.

    Source: Sandler et al. 2018, "MobileNetV2", the authors' program.

    >>> _make_divisible(33, 8), _make_divisible(11, 8)
    (32, 16)
    """
    nearest = max(min_value or divisor, int(v + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * v else nearest


def fill(
    model: nn.Module,
    conv: Callable[[Tensor], object],
    linear: Callable[[Tensor], object] | None = None,
    conv_bias: bool = True,
) -> None:
    """Gives a new model its first values.

    Args:
        model: the weights of its normalisations become 1.
        conv: fills the weight of each convolution.
        linear: likewise for linear layers; None leaves them, and their biases, as they are.
        conv_bias: whether the biases of convolutions become 0, as all others do.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            conv(module.weight)
            bias = module.bias if conv_bias else None
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            bias = module.bias
        elif isinstance(module, nn.Linear) and linear is not None:
            linear(module.weight)
            bias = module.bias
        else:
            continue
        if bias is not None:
            nn.init.zeros_(bias)


def fill_truncated(model: nn.Module, std: float) -> None:
    """Gives a new model of the Inception family its first values: normal ones within 2 of 0.

    Args:
        std: their standard deviation, for layers that have no attribute ``stddev``.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(module.weight, std=getattr(module, "stddev", std))
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def from_minus_one_to_one(x: Tensor) -> Tensor:
    """Images that were normalised by ImageNet's mean and deviation, as if by 0.5 and 0.5.

    Args:
        x: ``(N, 3, H, W)``.
    """
    mean = x.new_tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = x.new_tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return x * (std / 0.5) + (mean - 0.5) / 0.5


class IntermediateLayerGetter(nn.ModuleDict):
    """A model up to some of its layers, which gives what they give.

    The model must apply its own children one after the other, in the order in which they were set.

    Args:
        model: its children are used; layers within them have no name here.
        return_layers: for the name of each wanted layer, its name in the result.

    Returns:
        An ordered dict of tensors.

    Raises:
        ValueError: the model has no such layer.

    >>> from rushlight.vision.models import resnet18
    >>> body = IntermediateLayerGetter(resnet18(), {"layer1": "low", "layer3": "high"})
    >>> [(name, y.shape) for name, y in body(rushlight.zeros(1, 3, 64, 64)).items()]
    [('low', torch.Size([1, 64, 16, 16])), ('high', torch.Size([1, 256, 4, 4]))]
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: dict[str, str]):
        children = dict(model.named_children())
        missing = [name for name in return_layers if name not in children]
        if missing:
            raise ValueError(
                f"return_layers are not present in model: {', '.join(missing)}; "
                f"it has {', '.join(children)}"
            )
        names = list(children)
        last = max((names.index(name) for name in return_layers), default=-1)
        super().__init__(OrderedDict((name, children[name]) for name in names[: last + 1]))
        self.return_layers = return_layers

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        found = OrderedDict()
        for name, layer in self.items():
            x = layer(x)
            if name in self.return_layers:
                found[self.return_layers[name]] = x
        return found
