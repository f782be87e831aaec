"""Networks for images, with torchvision's names, state dicts, and addresses of trained weights.

Each builder takes ``weights=``; without it, the model has the values that torchvision draws from the
same seed.

>>> from rushlight.vision.models import resnet18
>>> model = resnet18(num_classes=10)
>>> model(rushlight.zeros(2, 3, 64, 64)).shape
torch.Size([2, 10])
"""

from __future__ import annotations

from ._api import (
    Weights,
    WeightsEnum,
    get_model,
    get_model_builder,
    get_model_weights,
    get_weight,
    list_models,
)
from .alexnet import *  # noqa: F403
from .densenet import *  # noqa: F403
from .efficientnet import *  # noqa: F403
from .googlenet import *  # noqa: F403
from .inception import *  # noqa: F403
from .lenet import *  # noqa: F403
from .mnasnet import *  # noqa: F403
from .mobilenet import *  # noqa: F403
from .regnet import *  # noqa: F403
from .resnet import *  # noqa: F403
from .shufflenetv2 import *  # noqa: F403
from .squeezenet import *  # noqa: F403
from .vgg import *  # noqa: F403
