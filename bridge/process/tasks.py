"""Ending asyncio tasks so that they have ended, and work that no cancel cuts short."""

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

    They are cancelled again until they are: what must not be cut short in them runs `to_its_end`, as this does itself.
    """
    await to_its_end(_cancel_until_done(tasks))


async def _cancel_until_done(tasks: tuple[asyncio.Task[Any], ...]) -> None:
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=SWALLOWED_AFTER_S)
    await asyncio.gather(*tasks, return_exceptions=True)


async def ask_to_end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks once and return when all of them are done: for those that take their time to end well."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do work that no cancel of its caller cuts short, however many come; the last one goes on afterwards.

    It goes on in place of the work's own error too: who is being ended does not act on that any more.
    """
    working = asyncio.create_task(work)
    cancel: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError as came:
            cancel = came
    try:
        working.result()
    finally:
        if cancel is not None:
            raise cancel
