"""The worker: claims runs, keeps its lease while their stages advance, and ends each run with its last event."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from time import monotonic
from typing import Any

import msgspec

from bridge.contract.runs import RunError
from bridge.process.defects import defects_answered
from bridge.process.tasks import end_tasks, to_its_end
from bridge.runs.claims import Claim
from bridge.runs.engine import cancelled
from bridge.runs.kinds import ClaimedRun, Deps
from bridge.runs.notices import queue_topic, until_woken
from bridge.runs.settings import RunSettings
from bridge.runs.stages import advance, resumed
from cerebros.errors import (
    Cancelled,
    CerebrosError,
    DeadlineExceeded,
    Internal,
    ResourceExhausted,
    StaleWorker,
    Unavailable,
)
from cerebros.metrics import TrainingMetrics
from telemetry.events import RunStart, run_stop
from telemetry.logs import log_failure

# A database in trouble is not asked more often than this.
TROUBLE_PAUSE_S = 1.0

# A lease is renewed this many times before it could run out, so one slow renewal loses nothing.
RENEWALS_PER_LEASE = 5

STATE_OF = {Cancelled: "cancelled", DeadlineExceeded: "timed_out"}


class TrainingLocked(Exception):
    """The PAC is locked for training; its run goes back to the queue with its results."""


def worker_id(pid: int) -> str:
    """Return the name of the worker in a process of this machine."""
    return f"{socket.gethostname()}-{pid}"


class Worker:
    """One worker: works on one run at a time, with as many job processes as its executor has.

    One that works `only` on a run of its own takes nothing from a queue, and is not counted among those that do.
    """

    def __init__(self, deps: Deps, only: str | None = None) -> None:
        self._deps = deps
        self._only = only
        self._queue = deps.settings[RunSettings].queue
        self.worker_id = worker_id(os.getpid())
        self._held: Claim | None = None  # the claim this worker has
        self._reached: ClaimedRun[Any] | None = None  # how far its run has come

    async def work(self, *, until_idle: bool = False) -> None:
        """Claim and finish runs until cancelled, or until none is left.

        Cancelling stores the trainings' checkpoints, gives the run back and ends.

        Raises:
            StaleWorker: this worker was suspended so long that another one
                claimed its run; its other state is as old, so it ends.
        """
        engine, notices, topic = self._deps.engine, self._deps.notices, queue_topic(self._queue)
        woken = notices.subscribe(topic)
        try:
            while True:
                try:
                    await self._release()
                    await self._show()
                    await to_its_end(self._take())
                    if self._held is not None:
                        await self._run(self._held)
                    elif until_idle:
                        return
                    else:
                        await until_woken(woken)
                except (Unavailable, ResourceExhausted) as problem:
                    log_failure("cerebros.worker.waits", reason=problem.message)
                    await asyncio.sleep(TROUBLE_PAUSE_S)
        except asyncio.CancelledError:
            # Where a defect ends the worker the claim lapses instead: that counts, and the fifth time ends the run.
            with suppress(Unavailable, ResourceExhausted):
                await to_its_end(self._release())
            raise
        finally:
            notices.unsubscribe(topic, woken)
            with suppress(Unavailable, ResourceExhausted):
                await asyncio.shield(engine.worker_gone(self.worker_id))
            await asyncio.shield(self._deps.jobs.close())

    async def _show(self) -> None:
        """Give a sign of life, as a worker of its queue."""
        if self._only is None:
            await self._deps.engine.worker_seen(self.worker_id, self._queue)

    async def _take(self) -> None:
        """Claim the next run, if there is one."""
        self._held = await self._deps.engine.claim(
            self.worker_id, self._queue, self._deps.settings[RunSettings].lease_s, tuple(self._deps.kinds), self._only
        )

    async def _release(self) -> None:
        """Give back the claimed run; if the worker ends before it can, the lease runs out."""
        if self._held is not None:
            await self._deps.engine.release(self._held)
            self._held = None

    async def _run(self, claim: Claim) -> None:
        """Work on the claimed run to its end, or until it must be given back; it is then still claimed.

        Raises:
            StaleWorker: the claim is lost; another worker may have it.
            Unavailable, ResourceExhausted: the database is in trouble; the run is given back.
        """
        started = monotonic()
        self._reached = None
        work = asyncio.create_task(self._advance(claim))
        heart = asyncio.create_task(self._keep_lease(claim, work))
        try:
            await asyncio.wait({work, heart}, return_when=asyncio.FIRST_COMPLETED)
            error = heart.result() if heart.done() else None
            if error is None:
                error = await self._outcome(claim, work)
            else:
                await end_tasks(work)
            await self._end(claim, error, claim.elapsed_s + monotonic() - started)
            self._held = None
        except StaleWorker as problem:
            self._held = None
            log_failure("cerebros.worker.stale", run_id=claim.run_id, reason=problem.message)
            raise
        except TrainingLocked:
            await to_its_end(self._keep_states(work))
        except (asyncio.CancelledError, Unavailable, ResourceExhausted):
            await to_its_end(self._keep_states(work))
            raise
        finally:
            await end_tasks(work, heart)

    async def _keep_states(self, work: asyncio.Task[None]) -> None:
        """Store checkpoints of the trainings in progress."""
        if not work.done():
            await self._deps.jobs.checkpoint_all(self._deps.settings[RunSettings].drain_s)

    async def _advance(self, claim: Claim) -> None:
        event = RunStart(
            queue_s=claim.queue_s,
            run_id=claim.run_id,
            kind=claim.kind,
            pac_id=claim.pac_id,
            attempt=claim.attempt,
            worker_id=self.worker_id,
        )
        await self._deps.engine.append(claim, event)
        self._reached = await resumed(claim, self._deps)
        async for reached in advance(self._reached, self._deps):
            self._reached = reached

    async def _keep_lease(self, claim: Claim, work: asyncio.Task[None]) -> CerebrosError | None:
        """Renew the lease until the work is done (None), or the run has to end (the reason).

        Raises:
            StaleWorker: the claim is lost.
            TrainingLocked: the PAC was locked for training.
        """
        lease_s = self._deps.settings[RunSettings].lease_s
        while not work.done():
            # The next renewal may succeed; if none does, the lease runs out.
            with suppress(Unavailable, ResourceExhausted):
                lease = await self._deps.engine.heartbeat(claim, lease_s)
                if lease.cancel_reason is not None:
                    return cancelled(claim.run_id, lease.cancel_reason)
                if lease.overdue:
                    return DeadlineExceeded(f"run {claim.run_id!r} did not end within its deadline_s; allow more")
                if lease.locked:
                    raise TrainingLocked
                await self._show()
            await asyncio.sleep(min(1.0, lease_s / RENEWALS_PER_LEASE))
        return None

    async def _outcome(self, claim: Claim, work: asyncio.Task[None]) -> CerebrosError | None:
        """Return None for a finished run, or the error that ended it.

        Raises:
            StaleWorker, Unavailable, ResourceExhausted: there is no outcome yet.
        """
        try:
            with defects_answered(f"run {claim.run_id!r}"):  # a defect ends the run, not the worker
                await work
        except (StaleWorker, Unavailable, ResourceExhausted):
            raise
        except CerebrosError as error:
            return error
        return None

    async def _end(self, claim: Claim, error: CerebrosError | None, duration_s: float) -> None:
        """Write the run's last event; a held-out score is kept even if the verdict denied promotion."""
        runs = self._deps.runs
        counts = await runs.trial_counts(claim.run_id)
        metrics = None
        try:
            with defects_answered(f"summary of run {claim.run_id!r}"):
                metrics = await self._summary(claim)
        except Internal as defect:
            error = error or defect
        if metrics is not None:
            metrics = msgspec.structs.replace(
                metrics,
                trials_total=counts.total,
                trials_ok=counts.ok,
                trials_failed=counts.failed,
                trials_pruned=counts.pruned,
            )
        state = "succeeded" if error is None else STATE_OF.get(type(error), "failed")
        event = run_stop(
            claim.run_id,
            claim.kind,
            claim.pac_id,
            state,
            duration_s=duration_s,
            metrics=metrics,
            spent=await runs.spending(claim.run_id),
            trials_total=counts.total,
            trials_ok=counts.ok,
            trials_failed=counts.failed,
            error=error,
        )
        ended_by = RunError.of(error) if error else None
        await self._deps.engine.end(claim, state, metrics, ended_by, event)

    async def _summary(self, claim: Claim) -> TrainingMetrics | None:
        reached = self._reached
        if reached is None:  # ended before its stages were read; or they cannot be, which is what ended it
            with suppress(Internal):
                reached = await resumed(claim, self._deps)
        return reached.kind.summary(reached) if reached else None
