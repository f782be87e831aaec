"""What programs ask of ``torch.backends``: which libraries there are, and their switches."""

from . import cuda, cudnn, mkl, mkldnn, mps, openmp

onednn = mkldnn

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "onednn", "openmp"]
