"""PyTorch's name for the module of worker processes."""

from ..worker import WorkerInfo
from ..worker_info import get_worker_info

__all__ = ["WorkerInfo", "get_worker_info"]
