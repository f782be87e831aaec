"""What programs ask of ``torch.backends.mkl``: matrix products are oneDNN's and NumPy's."""


def is_available() -> bool:
    """Whether this library computes here."""
    return False
