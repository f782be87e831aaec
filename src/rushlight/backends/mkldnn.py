"""What programs ask of ``torch.backends.mkldnn``: oneDNN, which computes convolutions and matrix products."""

enabled = True
allow_tf32 = True


def is_available() -> bool:
    """Whether this library computes here."""
    return True
