"""Ending asyncio tasks so that they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

# Until Python 3.12 `asyncio.wait_for` swallows a cancel that arrives together
# with the result it waits for, and the connection pool uses it. A task that
# is still there after so long has lost its cancel and gets another.
SWALLOWED_AFTER_S = 1.0


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when all of them are done; what they raise is dropped.

    Not for tasks that answer a cancel with work of their own: they would be cancelled again in it.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=SWALLOWED_AFTER_S)
    await asyncio.gather(*tasks, return_exceptions=True)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do work that a cancel of its caller does not cut short; the cancel goes on afterwards."""
    working = asyncio.create_task(work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await working
        raise
