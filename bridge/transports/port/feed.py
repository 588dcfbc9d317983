"""A stream's items on their way to a reader that grants credit.

Credit is the number of further items that the reader will take. Items without
credit wait here, in bounded memory: of consecutive replaceable items only the
newest is kept, with the number of those that it replaced; any other item is
never dropped, and no further item is read until it is sent.
"""

from __future__ import annotations

import msgspec

from bridge.contract.words import Item
from cerebros.errors import Internal


class Feed:
    """Queue of at most one replaceable item and one other; `dropped` counts the items that were replaced."""

    def __init__(self, credit: int) -> None:
        self.credit = credit
        self._waiting: list[msgspec.Struct] = []
        self._dropped = 0

    @property
    def hungry(self) -> bool:
        """True if the next item may be offered; otherwise credit has to come first."""
        return not self._waiting or _replaceable(self._waiting[-1])

    def offer(self, item: msgspec.Struct) -> None:
        """Queue the next item.

        Raises:
            Internal: the feed is not hungry, so the item was read too early.
        """
        if not self.hungry:
            raise Internal(f"a {type(item).__name__} was read before there was credit for the one before it")
        if self._waiting and _replaceable(item):
            self._waiting[-1] = item
            self._dropped += 1
        else:
            self._waiting.append(item)

    def take(self) -> list[msgspec.Struct]:
        """Return the items that have credit, in order, each once."""
        taken = self._waiting[: self.credit]
        del self._waiting[: self.credit]
        self.credit -= len(taken)
        return [self._counted(item) for item in taken]

    def _counted(self, item: msgspec.Struct) -> msgspec.Struct:
        if not (isinstance(item, Item) and item.replaceable):
            return item
        dropped, self._dropped = self._dropped, 0
        return item.standing_for(dropped)


def _replaceable(item: msgspec.Struct) -> bool:
    return isinstance(item, Item) and item.replaceable
