"""What programs ask of ``torch.backends.cudnn``: there is no cuDNN, and its switches have no effect."""

benchmark = False
deterministic = False
enabled = True
allow_tf32 = True


def is_available() -> bool:
    """Whether this library computes here."""
    return False


def version() -> int | None:
    """The version of cuDNN; None without it."""
    return None
