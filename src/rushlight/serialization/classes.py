"""PyTorch's names of classes and functions in the files of whole objects, in both directions.

Files here are divided otherwise, so the table gives the modules in which PyTorch keeps what is in `nn`,
`optim` and `utils`. What of it is here is asked when a file is written or read.
"""

from __future__ import annotations

import functools
import importlib
import types
from contextlib import suppress
from typing import Any

_MODULES = {
    "torch.amp.grad_scaler": "GradScaler",
    "torch.nn.modules.activation": "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh "
    "LeakyReLU LogSigmoid LogSoftmax Mish MultiheadAttention PReLU RReLU ReLU ReLU6 SELU SiLU "
    "Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold",
    "torch.nn.modules.adaptive": "AdaptiveLogSoftmaxWithLoss",
    "torch.nn.modules.batchnorm": "BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d "
    "LazyBatchNorm2d LazyBatchNorm3d SyncBatchNorm",
    "torch.nn.modules.channelshuffle": "ChannelShuffle",
    "torch.nn.modules.container": "Container ModuleDict ModuleList ParameterDict ParameterList "
    "Sequential",
    "torch.nn.modules.conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d "
    "LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
    "torch.nn.modules.distance": "CosineSimilarity PairwiseDistance",
    "torch.nn.modules.dropout": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d "
    "FeatureAlphaDropout",
    "torch.nn.modules.flatten": "Flatten Unflatten",
    "torch.nn.modules.fold": "Fold Unfold",
    "torch.nn.modules.instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d "
    "LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
    "torch.nn.modules.linear": "Bilinear Identity LazyLinear Linear",
    "torch.nn.modules.loss": "BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss "
    "CrossEntropyLoss GaussianNLLLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss "
    "MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss "
    "NLLLoss2d PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss "
    "TripletMarginWithDistanceLoss",
    "torch.nn.modules.module": "Module",
    "torch.nn.modules.normalization": "CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "torch.nn.modules.padding": "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d "
    "ConstantPad2d ConstantPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d "
    "ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d",
    "torch.nn.modules.pixelshuffle": "PixelShuffle PixelUnshuffle",
    "torch.nn.modules.pooling": "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d "
    "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d "
    "FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d LPPool3d MaxPool1d MaxPool2d "
    "MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d",
    "torch.nn.modules.rnn": "GRU GRUCell LSTM LSTMCell RNN RNNBase RNNCell RNNCellBase",
    "torch.nn.modules.sparse": "Embedding EmbeddingBag",
    "torch.nn.modules.transformer": "Transformer TransformerDecoder TransformerDecoderLayer "
    "TransformerEncoder TransformerEncoderLayer",
    "torch.nn.modules.upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
    "torch.nn.parallel.data_parallel": "DataParallel",
    "torch.nn.parameter": "Buffer Parameter UninitializedBuffer UninitializedParameter",
    "torch.nn.utils.parametrizations": "_Orthogonal _SpectralNorm _WeightNorm",
    "torch.nn.utils.parametrize": "ParametrizationList",
    "torch.optim._adafactor": "Adafactor",
    "torch.optim._muon": "Muon",
    "torch.optim.adadelta": "Adadelta",
    "torch.optim.adagrad": "Adagrad",
    "torch.optim.adam": "Adam",
    "torch.optim.adamax": "Adamax",
    "torch.optim.adamw": "AdamW",
    "torch.optim.asgd": "ASGD",
    "torch.optim.lbfgs": "LBFGS",
    "torch.optim.lr_scheduler": "ChainedScheduler ConstantLR CosineAnnealingLR "
    "CosineAnnealingWarmRestarts CyclicLR ExponentialLR LRScheduler LambdaLR LinearLR MultiStepLR "
    "MultiplicativeLR OneCycleLR PolynomialLR ReduceLROnPlateau SequentialLR StepLR",
    "torch.optim.nadam": "NAdam",
    "torch.optim.optimizer": "Optimizer",
    "torch.optim.radam": "RAdam",
    "torch.optim.rmsprop": "RMSprop",
    "torch.optim.rprop": "Rprop",
    "torch.optim.sgd": "SGD",
    "torch.optim.sparse_adam": "SparseAdam",
    "torch.optim.swa_utils": "AveragedModel SWALR",
    "torch.utils.data.dataset": "ChainDataset ConcatDataset Dataset IterableDataset StackDataset "
    "Subset TensorDataset",
    "torch.utils.data.distributed": "DistributedSampler",
    "torch.utils.data.sampler": "BatchSampler RandomSampler Sampler SequentialSampler "
    "SubsetRandomSampler WeightedRandomSampler",
    "torch.utils.hooks": "RemovableHandle",
}

# The packages whose names have counterparts here, and where these are.
ROOTS = {"torch": "rushlight", "torchvision": "rushlight.vision"}

_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}
# Where the functions are that layers keep as attributes, such as their activation.
_FUNCTIONS = {
    "torch.nn.functional": "rushlight.nn.functional",
    "torch.nn.init": "rushlight.nn.init",
    "torch": "rushlight",
}
# Modules of PyTorch's extension, which has the same functions as its public ones.
_EXTENSION = {"torch._C": "rushlight", "torch._C._nn": "rushlight.nn.functional"}


@functools.lru_cache(4096)
def torch_name(obj: Any) -> tuple[str, str] | None:
    """Module and name by which PyTorch knows a class or function of Rushlight; None if it does not.

    >>> torch_name(rushlight.nn.Linear)
    ('torch.nn.modules.linear', 'Linear')
    """
    name = obj.__qualname__
    if isinstance(obj, type):
        module = _MODULE_OF.get(name)
        return (module, name) if module and counterpart(module, name) is obj else None
    for module, own in _FUNCTIONS.items():
        if getattr(importlib.import_module(own), name, None) is obj:
            return module, name
    return None


def counterpart(module: str, name: str) -> Any:
    """What stands here for a global of PyTorch's; None if nothing does.

    >>> counterpart("torch.nn.modules.conv", "Conv2d") is rushlight.nn.Conv2d
    True
    """
    if (module, name) in (("torch._C", "_VariableFunctionsClass"), ("torch._C", "TensorBase")):
        rushlight = importlib.import_module("rushlight")
        return rushlight.Tensor if name == "TensorBase" else _Functions(rushlight)
    root, dot, rest = module.partition(".")
    path = _EXTENSION.get(module, ROOTS[root] + dot + rest)
    while path:
        with suppress(ImportError, AttributeError):
            found = getattr(importlib.import_module(path), name)
            # torch.optim.adam is a module there, and torch.optim.Adam a class.
            if not isinstance(found, types.ModuleType):
                return found
        path = path.rpartition(".")[0]
    return None


class _Functions:
    """PyTorch pickles ``torch.tanh`` as an attribute of a class; here it is one of the package."""

    def __init__(self, package: Any):
        self._package = package

    def __getattr__(self, name: str) -> Any:
        return getattr(self._package, name)
