"""Datasets of images under torchvision's names, in the same folders on disk, with the same samples.

- `vision`: what they share; `folder`: images in folders, one for each class.
- `mnist` with `idx`: MNIST and its kin; `cifar` with `pickles`; `svhn` with `matlab`; `stl10`; `imagenet`;
  `voc`; `coco`; `fakedata`; `digits`, which come with the package.
- `batches`: whole batches at once, for ``DataLoader``; `utils`: downloads and archives.

Files are read as they come, compressed or not. What is not there or damaged is an error that says which
file, and what to do.
"""

from .cifar import CIFAR10, CIFAR100
from .coco import CocoCaptions, CocoDetection
from .digits import Digits
from .fakedata import FakeData
from .folder import DatasetFolder, ImageFolder
from .imagenet import ImageNet
from .mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from .stl10 import STL10
from .svhn import SVHN
from .vision import StandardTransform, VisionDataset
from .voc import VOCDetection, VOCSegmentation

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "STL10",
    "SVHN",
    "CocoCaptions",
    "CocoDetection",
    "DatasetFolder",
    "Digits",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "ImageNet",
    "StandardTransform",
    "VOCDetection",
    "VOCSegmentation",
    "VisionDataset",
]
