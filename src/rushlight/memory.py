"""The names of memory orders: ``torch.channels_last`` and its kin, and ``torch.strided``."""

from __future__ import annotations

from typing import Any


class _Named:
    """An object that is known, printed, copied and pickled by its name."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __reduce__(self) -> str:
        return self.name


class memory_format(_Named):
    """The order in which the elements of a tensor lie in memory.

    >>> channels_last
    torch.channels_last
    """

    __slots__ = ("ndim",)

    def __init__(self, name: str, ndim: int | None = None):
        super().__init__(name)
        self.ndim = ndim


class layout(_Named):
    """The way in which a tensor stores its elements; ``torch.strided`` is the only one here.

    >>> strided
    torch.strided
    """

    __slots__ = ()


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last", 4)
channels_last_3d = memory_format("channels_last_3d", 5)
strided = layout("strided")
# What scripts compare `tensor.layout` with.
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")

NAMES = {
    n.name: n
    for n in (
        contiguous_format, preserve_format, channels_last, channels_last_3d, strided, sparse_coo, sparse_csr,
    )
}  # fmt: skip
NAMES.update(memory_format=memory_format, layout=layout)


def checked_format(value: Any) -> memory_format:
    """``value`` if it is a memory format.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, memory_format):
        raise TypeError(
            f"argument 'memory_format' must be torch.memory_format, not {type(value).__name__}; "
            "pass torch.channels_last or torch.contiguous_format"
        )
    return value
