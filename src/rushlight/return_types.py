"""The named results of functions that return several tensors, as ``torch.max(x, 0).indices``."""

from __future__ import annotations

from operator import itemgetter
from typing import Any


class _NamedResult(tuple):
    """A tuple whose items also have names; made from one sequence.

    Attributes:
        fields: the names.
    """

    __slots__ = ()
    fields: tuple[str, ...] = ()

    def __new__(cls, values: Any) -> Any:
        made = tuple.__new__(cls, values)
        if len(made) != len(cls.fields):
            raise TypeError(
                f"{cls.__module__}.{cls.__name__}() takes a {len(cls.fields)}-sequence ({len(made)}-sequence given)"
            )
        return made

    def __repr__(self) -> str:
        items = ",\n".join(f"{name}={value!r}" for name, value in zip(self.fields, self))
        return f"torch.return_types.{type(self).__name__}(\n{items})"

    def __reduce__(self) -> tuple:
        return type(self), (tuple(self),)


def named(name: str, *fields: str) -> type:
    """The class ``torch.return_types.<name>`` with the given fields, made when it is first asked for."""
    found = globals().get(name)
    if found is None:
        body: dict[str, Any] = {"__slots__": (), "fields": fields, "__module__": __name__}
        body |= {field: property(itemgetter(i)) for i, field in enumerate(fields)}
        found = globals()[name] = type(name, (_NamedResult,), body)
    return found
