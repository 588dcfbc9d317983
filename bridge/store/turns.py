"""Places lent in turn: no asker holds more than its share of them, and none waits behind all that another wants.

An asker is whoever has set `ASKER`, such as one request with all that it asks for; else the task itself.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from contextvars import ContextVar

from cerebros.errors import CerebrosError, ResourceExhausted

ASKER: ContextVar[object] = ContextVar("ASKER")


class Turns:
    """Lends places to askers, one each in turn.

    Args:
        places: number that can be lent at a time.
        share: number that one asker can hold at a time.
        waiting_at_most: number that may wait; one more is refused at once.
        patience_s: seconds after which one who waits is refused.
    """

    def __init__(self, *, places: int, share: int, waiting_at_most: int, patience_s: float) -> None:
        self._free = places
        self._share = share
        self._waiting_at_most = waiting_at_most
        self._patience_s = patience_s
        self._held: defaultdict[int, int] = defaultdict(int)
        # Askers by identity, in the order of their next turns; each stays alive while it waits or holds.
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    async def take(self) -> int:
        """Wait for a place; return the asker, who gives it back.

        Raises:
            ResourceExhausted: too many wait, or no place came free in time.
            CerebrosError: what `refuse_all` was told meanwhile.
        """
        asker = id(ASKER.get(None) or asyncio.current_task())
        if self._free and not self._waiting and self._held.get(asker, 0) < self._share:
            self._grant(asker)
            return asker
        if sum(map(len, self._waiting.values())) >= self._waiting_at_most:
            raise ResourceExhausted(f"{self._waiting_at_most} calls wait for the database already; retry later")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asker, deque()).append(turn)
        self._lend()
        if not turn.done():
            await self._wait(asker, turn)
        turn.result()
        return asker

    async def _wait(self, asker: int, turn: asyncio.Future[None]) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await asyncio.wait({turn})
        except BaseException as left:
            if turn.done() and turn.exception() is None:  # the place came as its asker left
                self.give(asker)
            elif not turn.done():
                self._leave(asker, turn)
            if isinstance(left, TimeoutError):
                raise ResourceExhausted(
                    f"all database connections were in use for {self._patience_s:.0f} s; retry later"
                ) from None
            raise

    def give(self, asker: int) -> None:
        """Give a place back."""
        self._held[asker] -= 1
        if not self._held[asker]:
            del self._held[asker]  # the next object may be given its identity
        self._free += 1
        self._lend()

    def refuse_all(self, error: CerebrosError) -> None:
        """Refuse everybody who waits now: there is nothing to wait for."""
        for turn in [turn for queue in self._waiting.values() for turn in queue]:
            turn.set_exception(type(error)(error.message))
        self._waiting.clear()

    def _lend(self) -> None:
        while self._free and (asker := self._next()) is not None:
            queue = self._waiting.pop(asker)
            queue.popleft().set_result(None)
            if queue:
                self._waiting[asker] = queue  # behind the others
            self._grant(asker)

    def _grant(self, asker: int) -> None:
        self._held[asker] += 1
        self._free -= 1

    def _next(self) -> int | None:
        return next((asker for asker in self._waiting if self._held.get(asker, 0) < self._share), None)

    def _leave(self, asker: int, turn: asyncio.Future[None]) -> None:
        queue = self._waiting[asker]
        queue.remove(turn)
        if not queue:
            del self._waiting[asker]
