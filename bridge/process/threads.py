"""Threads of one sort of work, apart from the threads that the whole process shares.

Work that a caller can make long (reading a file that the caller names, a
proposal over 50,000 options) runs here: it can hold these few threads and no
others.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import ParamSpec, TypeVar

from cerebros.errors import Cancelled, ResourceExhausted

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Set in a thread's own context: the event that says that nobody waits for its result any more.
_left: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("left", default=None)


class Threads:
    """Up to `places` calls at the same time, each in a thread; up to `waiting_at_most` more wait for a place.

    A caller that is cancelled, as at its deadline, gives its turn up at once. Work that has begun keeps its place
    until it ends, because a thread cannot be ended from outside; long work asks `require_awaited` between two steps.
    The threads do not keep the process from ending.
    """

    def __init__(self, name: str, places: int, waiting_at_most: int = 1024) -> None:
        self._name, self._waiting_at_most = name, waiting_at_most
        self._places = asyncio.Semaphore(places)
        self._waiting = 0

    async def run(
        self, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Return what `work` returns, or raise what it raises.

        Raises:
            ResourceExhausted: too many calls wait already.
        """
        await self._turn()
        left, context = threading.Event(), contextvars.copy_context()
        context.run(_left.set, left)
        ended = self._started(lambda: context.run(work, *args, **kwargs))
        try:
            return await asyncio.wrap_future(ended)
        finally:
            left.set()

    async def _turn(self) -> None:
        if self._waiting >= self._waiting_at_most:
            raise ResourceExhausted(f"{self._waiting} calls wait for the threads of {self._name}; ask again later")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    def _started(self, work: Callable[[], Result]) -> Future[Result]:
        """Start work that has its place; the place is free again when the work has ended."""
        loop, ended = asyncio.get_running_loop(), Future[Result]()
        ended.set_running_or_notify_cancel()  # from here on nobody can cancel it, and with it free the place early

        def give_back(_ended: Future[Result]) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits for a place
                loop.call_soon_threadsafe(self._places.release)

        def body() -> None:
            try:
                ended.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
                ended.set_exception(error)

        ended.add_done_callback(give_back)
        try:
            threading.Thread(target=body, name=self._name, daemon=True).start()
        except RuntimeError:
            ended.set_exception(ResourceExhausted(f"the system has no thread left for {self._name}; ask again later"))
        return ended


def require_awaited() -> None:
    """End work in a thread of `Threads` whose caller has left; elsewhere this does nothing.

    Raises:
        Cancelled: nobody waits for the result.
    """
    left = _left.get()
    if left is not None and left.is_set():
        raise Cancelled("nobody waits for this any more")
