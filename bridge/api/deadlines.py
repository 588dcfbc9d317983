"""A caller's deadline, enforced on the work that the caller waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from bridge.contract.procedure import Caller
from cerebros.errors import DeadlineExceeded

Item = TypeVar("Item")


@asynccontextmanager
async def within(caller: Caller) -> AsyncIterator[None]:
    """End the work inside when the caller stops waiting."""
    if caller.deadline is None:
        yield
        return
    # The loop's clock and `time.monotonic` need not begin at the same moment.
    until = asyncio.get_running_loop().time() + caller.deadline - time.monotonic()
    if until <= asyncio.get_running_loop().time():  # a stream that never waits would not meet the timeout below
        raise _over()
    try:
        async with asyncio.timeout_at(until) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise _over() from None


def each_within(caller: Caller, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """Give a stream's items until the caller stops waiting; what its reader does between them is the reader's own."""
    return items if caller.deadline is None else _timed(caller, items)  # most wait without end: nothing is in their way


async def _timed(caller: Caller, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    while True:
        async with within(caller):
            item = await anext(items, None)
        if item is None:
            return
        yield item


def _over() -> DeadlineExceeded:
    return DeadlineExceeded("no answer within the time the caller gave; give more, or ask get_run what became of a run")
