"""What programs ask of ``torch.backends.cuda``: there are no kernels for it."""


def is_available() -> bool:
    """Whether this library computes here."""
    return False


def is_built() -> bool:
    """Whether Rushlight was built with kernels for it."""
    return False


class _MatrixProducts:
    """Switches of matrix products on CUDA; without effect."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True


matmul = _MatrixProducts()
