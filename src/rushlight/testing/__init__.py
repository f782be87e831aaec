"""Helpers for tests of programs and of ops: making tensors, comparing them, checking a declared op."""

from .comparison import assert_allclose, assert_close
from .creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
