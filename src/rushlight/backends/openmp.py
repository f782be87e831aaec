"""What programs ask of ``torch.backends.openmp``: kernels share their work among threads by it."""


def is_available() -> bool:
    """Whether this library computes here."""
    return True
