"""What programs ask of ``torch.backends.mps``: there are no kernels for it."""


def is_available() -> bool:
    """Whether this library computes here."""
    return False


def is_built() -> bool:
    """Whether Rushlight was built with kernels for it."""
    return False
