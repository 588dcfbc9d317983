"""Periodic duties of every process that works with runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bridge.process.tasks import end_tasks, tireless
from bridge.runs.kinds import Deps
from bridge.runs.settings import RunSettings
from cerebros.errors import ResourceExhausted, Unavailable

# The service clock moves, lapsed leases are noticed and overdue runs ended at most this much later.
SWEEP_PAUSE_S = 0.5

# Events are kept for days; looking for old ones reads every run.
FORGET_PAUSE_S = 3600.0

# A worker shows itself every few seconds; one unseen for a day of the service clock was killed, or lost its machine.
WORKER_KEPT_S = 86400.0


@asynccontextmanager
async def duties(deps: Deps) -> AsyncIterator[None]:
    """Listen, send notices, sweep and forget while the context is open."""
    work = (deps.notices.listen, deps.notices.send, lambda: _sweep(deps), lambda: _forget(deps))
    tasks = [asyncio.create_task(tireless(duty)) for duty in work]
    try:
        yield
    finally:
        await end_tasks(*tasks)


async def _forget(deps: Deps) -> None:
    """Delete old events, checkpoints of ended runs and workers that are gone, until cancelled.

    It pauses first, so that a command that asks one question and ends does none of it.
    """
    while True:
        await asyncio.sleep(FORGET_PAUSE_S)
        with suppress(Unavailable, ResourceExhausted):
            await deps.engine.forget_events(deps.settings[RunSettings].events_kept_days * 86400)
            await deps.checkpoints.forget_ended_runs()
            await deps.engine.forget_workers(WORKER_KEPT_S)


async def _sweep(deps: Deps) -> None:
    """Sweep the engine's runs at intervals, until cancelled."""
    while True:
        with suppress(Unavailable, ResourceExhausted):
            await deps.engine.sweep()
        # Not all processes at once: the first to come moves the clock for all.
        await asyncio.sleep(SWEEP_PAUSE_S * random.uniform(0.8, 1.2))  # noqa: S311
