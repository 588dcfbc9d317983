"""Cancellation that waits for tasks to end, work that cannot be cancelled midway, and duties that never end."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any

from telemetry.logs import log_failure

# Until Python 3.12 `asyncio.wait_for` swallows a cancel that arrives together
# with the result it waits for, and the connection pool uses it. A task that
# is still there after so long has lost its cancel and gets another.
SWALLOWED_AFTER_S = 1.0


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when all of them are done; what they raise is dropped.

    They are cancelled repeatedly until then; work in them that must not be cut short runs `to_its_end`, as this does.
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
    """Cancel tasks once and return when all of them are done: for tasks that need time to end cleanly."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Complete the work even if the caller is cancelled meanwhile; the last cancellation is raised afterwards.

    It replaces the work's own error, which a cancelled caller does not handle any more.
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


# A duty that ends is not started again faster than this.
RESTART_PAUSE_S = 1.0

# A duty that has lasted so long had a good start; the pauses before the next begin with the shortest again.
GOOD_START_S = 60.0


async def tireless(duty: Callable[[], Awaitable[None]], pause_at_most_s: float = RESTART_PAUSE_S) -> None:
    """Do a duty again and again, also after a defect: without its sweep the service would stall silently.

    Args:
        pause_at_most_s: the pause between two times doubles up to this while the duty ends soon after its start.
    """
    pause_s = RESTART_PAUSE_S
    while True:
        began = monotonic()
        try:
            await duty()
        except Exception:  # noqa: BLE001 - the outermost frame of a duty
            log_failure("cerebros.service.defect", traceback=traceback.format_exc())
        if monotonic() - began >= GOOD_START_S:
            pause_s = RESTART_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, pause_at_most_s)
