"""The version of Rushlight, and what programs ask of ``torch.version``."""

__version__ = "0.1.0"
cuda = None
hip = None
