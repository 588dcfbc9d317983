"""The worker: claims runs, keeps its lease while a cycle advances, and ends each run with its last event."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from time import monotonic

import msgspec

from bridge.contract.replies import RunError
from bridge.nas.cycle import CycleRun, advance, resume
from bridge.process.defects import defects_answered
from bridge.process.tasks import end_tasks, to_its_end
from bridge.runs.claims import Claim
from bridge.runs.deps import Deps
from bridge.runs.engine import cancelled
from bridge.runs.notices import queue_topic, until_woken
from cerebros.errors import (
    Cancelled,
    CerebrosError,
    DeadlineExceeded,
    ResourceExhausted,
    StaleWorker,
    Unavailable,
)
from telemetry.events import RunStart, run_stop
from telemetry.logs import log_failure

# A database in trouble is not asked more often than this.
TROUBLE_PAUSE_S = 1.0

# A lease is renewed this many times before it could run out, so one slow renewal loses nothing.
RENEWALS_PER_LEASE = 5

STATE_OF = {Cancelled: "cancelled", DeadlineExceeded: "timed_out"}


class TrainingLocked(Exception):
    """Somebody locked the PAC; its run goes back to the queue as it stands."""


class Runner:
    """One worker: works on one run at a time, with as many job processes as it was given."""

    def __init__(self, deps: Deps, only: str | None = None) -> None:
        self._deps = deps
        self._only = only
        self._queue = deps.settings.queue
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}"
        self._held: Claim | None = None  # the claim this worker has

    async def work(self, *, until_idle: bool = False) -> None:
        """Claim and finish runs until cancelled, or until none is left.

        Cancelling keeps the trainings' states, gives the run back and ends.

        Raises:
            StaleWorker: this worker was away so long that its run was given
                to another; what else it holds is as old, so it ends.
        """
        engine, notices, topic = self._deps.engine, self._deps.notices, queue_topic(self._queue)
        woken = notices.subscribe(topic)
        try:
            while True:
                try:
                    await self._release()
                    await engine.worker_seen(self.worker_id, self._queue)
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

    async def _take(self) -> None:
        """Claim the next run, where there is one."""
        self._held = await self._deps.engine.claim(self.worker_id, self._queue, self._deps.settings.lease_s, self._only)

    async def _release(self) -> None:
        """Give back what is held; where the worker ends before it can, the lease runs out."""
        if self._held is not None:
            await self._deps.engine.release(self._held)
            self._held = None

    async def _run(self, claim: Claim) -> None:
        """Work on the claimed run to its end, or until it has to be given back: then it is still held.

        Raises:
            StaleWorker: the claim is lost; whoever has it now goes on.
            Unavailable, ResourceExhausted: the database's trouble is not the run's; it is given back.
        """
        started = monotonic()
        cycle = asyncio.create_task(self._advance(claim))
        heart = asyncio.create_task(self._keep_lease(claim, cycle))
        try:
            await asyncio.wait({cycle, heart}, return_when=asyncio.FIRST_COMPLETED)
            error = heart.result() if heart.done() else None
            if error is None:
                error = await self._outcome(claim, cycle)
            else:
                await end_tasks(cycle)
            await self._end(claim, error, claim.elapsed_s + monotonic() - started)
            self._held = None
        except StaleWorker as problem:
            self._held = None
            log_failure("cerebros.worker.stale", run_id=claim.run_id, reason=problem.message)
            raise
        except TrainingLocked:
            await to_its_end(self._keep_states(cycle))
        except (asyncio.CancelledError, Unavailable, ResourceExhausted):
            await to_its_end(self._keep_states(cycle))
            raise
        finally:
            await end_tasks(cycle, heart)

    async def _keep_states(self, cycle: asyncio.Task[CycleRun]) -> None:
        """Keep what the trainings have reached."""
        if not cycle.done():
            await self._deps.jobs.checkpoint_all(self._deps.settings.drain_s)

    async def _advance(self, claim: Claim) -> CycleRun:
        event = RunStart(
            queue_s=claim.queue_s,
            run_id=claim.run_id,
            kind=claim.kind,
            pac_id=claim.pac_id,
            epoch=claim.epoch,
            worker_id=self.worker_id,
        )
        await self._deps.engine.append(claim, event)
        return await advance(await resume(claim, self._deps), self._deps)

    async def _keep_lease(self, claim: Claim, cycle: asyncio.Task[CycleRun]) -> CerebrosError | None:
        """Renew until the cycle is done (None), or somebody wants the run ended (the reason).

        Raises:
            StaleWorker: the run is not ours any more.
            TrainingLocked: it shall not go on now.
        """
        lease_s = self._deps.settings.lease_s
        while not cycle.done():
            # The next renewal may succeed; if none does, the lease runs out.
            with suppress(Unavailable, ResourceExhausted):
                lease = await self._deps.engine.heartbeat(claim, lease_s)
                if lease.cancel_reason is not None:
                    return cancelled(claim.run_id, lease.cancel_reason)
                if lease.overdue:
                    limit = claim.payload.request.deadline_s
                    return DeadlineExceeded(f"run {claim.run_id!r} did not end within its {limit} s; allow more")
                if lease.locked:
                    raise TrainingLocked
                await self._deps.engine.worker_seen(self.worker_id, self._queue)
            await asyncio.sleep(min(1.0, lease_s / RENEWALS_PER_LEASE))
        return None

    async def _outcome(self, claim: Claim, cycle: asyncio.Task[CycleRun]) -> CerebrosError | None:
        """None for a finished cycle, or the error that ended it.

        Raises:
            StaleWorker, Unavailable, ResourceExhausted: there is no outcome yet.
        """
        try:
            with defects_answered(f"run {claim.run_id!r}"):  # a defect ends the run, not the worker
                await cycle
        except (StaleWorker, Unavailable, ResourceExhausted):
            raise
        except CerebrosError as error:
            return error
        return None

    async def _end(self, claim: Claim, error: CerebrosError | None, duration_s: float) -> None:
        """Write the run's last event; a score that was reached is kept, also when the verdict denied."""
        runs = self._deps.runs
        try:
            reached = await resume(claim, self._deps)
        except (msgspec.ValidationError, KeyError):  # results of another version, which is what ended the run
            reached = CycleRun(claim)
        counts = await runs.trial_counts(claim.run_id)
        metrics = None
        if reached.score is not None:
            metrics = msgspec.structs.replace(
                reached.score.metrics,
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
            error=error,
        )
        ended_by = RunError.of(error) if error else None
        await self._deps.engine.end(claim.run_id, claim.epoch, state, metrics, ended_by, event)
