"""Tables of what rooms declare, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from cerebros.errors import Internal


class Named(Protocol):
    """A declaration with a name of its own."""

    @property
    def name(self) -> str: ...


Declared = TypeVar("Declared", bound=Named)


def by_name(what: str, declared: Iterable[Declared]) -> dict[str, Declared]:
    """Return a table of declarations; `what` says in the error what they are, such as `kinds`.

    Raises:
        Internal: two of them have one name.
    """
    table: dict[str, Declared] = {}
    for one in declared:
        if table.setdefault(one.name, one) is not one:
            raise Internal(f"two {what} are named {one.name!r}; rename one")
    return table
