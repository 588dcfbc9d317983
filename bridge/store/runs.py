"""Runs, their claims, stages, trials and events: rows into types and back.

Every write of a worker goes through `effect`: one transaction that compares
the claim's epoch (the fence), numbers the event and stores what belongs to
it. What is told to the world is told after the commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from psycopg.rows import DictRow

from bridge.messages import ENDED, Run, RunError, RunEvent, Shortlist, StartRun, Trial
from bridge.store.database import Connection, Database, jsonb
from cerebros.errors import AlreadyExists, Cancelled, CerebrosError, DeadlineExceeded, Internal, NotFound, StaleWorker
from cerebros.manifest import Manifest
from cerebros.metrics import Spent, TrainingMetrics
from telemetry.events import Event, RunQueued, run_stop

EVENTS_PER_READ = 500

# A run that loses this many workers is not unlucky, it kills them.
WORKERS_LOST_AT_MOST = 5


class Payload(msgspec.Struct, frozen=True):
    """What a run was started with, complete: a later change of the manifest file does not reach it."""

    request: StartRun
    manifest: Manifest
    base: str


class Claim(msgspec.Struct, frozen=True):
    """A worker's right to write a run, valid while its epoch is the run's."""

    run_id: str
    kind: str
    pac_id: str
    payload: Payload
    epoch: int
    lost_workers: int
    queue_s: float
    elapsed_s: float


class Lease(msgspec.Struct, frozen=True):
    """A renewed claim, and whether the run shall end."""

    cancel_reason: str | None
    overdue: bool


class Write:
    """An open transaction under one claim. What is appended is told to the world after the commit."""

    def __init__(self, database: Database, connection: Connection, run_id: str, epoch: int) -> None:
        self._database = database
        self.connection = connection
        self.run_id = run_id
        self.epoch = epoch
        self.events: list[RunEvent] = []

    async def append(self, event: Event) -> None:
        """Number the event under the claim's epoch and store it.

        Raises:
            StaleWorker: another worker has claimed the run since, or it has ended.
        """
        record = event.record()
        stored = await self._database.rows_on(
            self.connection,
            "append_event",
            run_id=self.run_id,
            epoch=self.epoch,
            name=record.name,
            measurements=jsonb(record.measurements),
            metadata=jsonb(record.metadata),
        )
        if not stored:
            raise _stale(self.run_id, self.epoch)
        row = stored[0]
        self.events.append(
            RunEvent(
                run_id=self.run_id,
                seq=row["seq"],
                name=record.name,
                measurements=record.measurements,
                metadata=record.metadata,
                at=row["at"],
            )
        )


class RunStore:
    """All statements about runs; `emit` gets every stored event after its commit."""

    def __init__(self, database: Database, emit: Callable[[RunEvent], None]) -> None:
        self._database = database
        self._emit = emit

    # Starting and reading

    async def insert_run(self, payload: Payload, dataset_digest: str, payload_digest: str, event: RunQueued) -> bool:
        """Queue a run with its first event; False when the same run was queued before.

        Raises:
            AlreadyExists: the id belongs to a run with another payload.
        """
        request = payload.request
        async with self._database.transaction() as connection:
            created = await self._database.rows_on(
                connection,
                "insert_run",
                run_id=event.run_id,
                kind=request.kind,
                pac_id=request.pac_id,
                dataset=payload.manifest.name,
                dataset_digest=dataset_digest,
                payload=jsonb(payload),
                payload_digest=payload_digest,
                deadline_s=request.deadline_s,
            )
            write = Write(self._database, connection, event.run_id, epoch=0)
            if created:
                await write.append(event)
        if created:
            self._emit(write.events[0])
            return True
        row = (await self._run_rows(run_id=event.run_id, limit=1))[0]
        if row["payload_digest"] != payload_digest:
            raise AlreadyExists(
                f"run {event.run_id!r} was started with another payload; choose another run_id or send the same payload"
            )
        return False

    async def get_run(self, run_id: str) -> Run:
        """The run as it stands, with its front.

        Raises:
            NotFound: there is no such run.
        """
        rows = await self._run_rows(run_id=run_id, limit=1)
        if not rows:
            raise NotFound(f"run {run_id!r} does not exist; list_runs shows those that do")
        front = await self.trials_of(run_id, rows[0]["front"]) if rows[0]["front"] else ()
        return _run(rows[0], tuple(front))

    async def list_runs(self, pac_id: str | None, state: str | None, limit: int) -> tuple[Run, ...]:
        """Runs, newest first, without their fronts."""
        return tuple(_run(row, ()) for row in await self._run_rows(pac_id=pac_id, state=state, limit=limit))

    async def _run_rows(self, **narrowed: Any) -> list[DictRow]:
        return await self._database.rows("run_rows", **{"run_id": None, "pac_id": None, "state": None} | narrowed)

    async def run_state(self, run_id: str) -> tuple[bool, int]:
        """Whether the run has ended, and the number of its last event."""
        row = await self._database.row("run_state", run_id=run_id)
        if row is None:
            raise NotFound(f"run {run_id!r} does not exist; list_runs shows those that do")
        return row["state"] in ENDED, row["last_seq"]

    async def payload_of(self, run_id: str) -> Payload:
        (row,) = await self._database.rows("payload_of", run_id=run_id)
        return msgspec.convert(row["payload"], Payload)

    async def events_after(self, run_id: str, after_seq: int) -> list[RunEvent]:
        rows = await self._database.rows("events_after", run_id=run_id, after_seq=after_seq, limit=EVENTS_PER_READ)
        return [RunEvent(**row) for row in rows]

    async def trials_of(self, run_id: str, numbers: Sequence[int] | None = None) -> list[Trial]:
        rows = await self._database.rows("trials_of", run_id=run_id, numbers=None if numbers is None else list(numbers))
        return [msgspec.convert(row, Trial) for row in rows]

    async def earlier_trials(self, run_id: str, dataset_digest: str, limit: int) -> list[Trial]:
        rows = await self._database.rows("earlier_trials", run_id=run_id, dataset_digest=dataset_digest, limit=limit)
        return [msgspec.convert(row, Trial) for row in rows]

    async def shortlist_of(self, run_id: str) -> Shortlist:
        row = await self._database.row("shortlist_of", run_id=run_id)
        if row is None:
            raise NotFound(f"run {run_id!r} has no shortlist yet; it is written before the search starts")
        return msgspec.convert(row, Shortlist)

    # A worker's side

    async def claim_run(self, worker_id: str, lease_s: float, only: str | None = None) -> Claim | None:
        """The next run to work on, now under a new epoch; None when nothing waits.

        A run whose payload this version cannot read, or that has cost too
        many workers, is ended here, so that it cannot take one after the other.
        """
        row = await self._database.row("claim_run", worker_id=worker_id, lease_s=lease_s, only=only)
        if row is None:
            return None
        if row["lost_workers"] >= WORKERS_LOST_AT_MOST:
            fault = f"{row['lost_workers']} workers were lost over it; look at their logs"
        else:
            try:
                return msgspec.convert(row, Claim)
            except msgspec.ValidationError as problem:
                fault = f"its stored payload cannot be read: {problem}; start it again"
        error = Internal(f"run {row['run_id']!r}: {fault}")
        event = run_stop(row["run_id"], row["kind"], row["pac_id"], "failed", error=error)
        await self.end_run(row["run_id"], row["epoch"], "failed", None, RunError.of(error), event)
        return None

    async def renew_lease(self, claim: Claim, lease_s: float) -> Lease:
        """Keep the claim.

        Raises:
            StaleWorker: somebody else has it.
        """
        row = await self._database.row("renew_lease", run_id=claim.run_id, epoch=claim.epoch, lease_s=lease_s)
        if row is None:
            raise _stale(claim.run_id, claim.epoch)
        return msgspec.convert(row, Lease)

    async def release_run(self, claim: Claim) -> None:
        await self._database.rows("release_run", run_id=claim.run_id, epoch=claim.epoch)

    async def stage_results(self, run_id: str) -> dict[str, Any]:
        rows = await self._database.rows("stage_results", run_id=run_id)
        return {row["name"]: row["result"] for row in rows}

    @asynccontextmanager
    async def effect(self, run_id: str, epoch: int) -> AsyncIterator[Write]:
        """One transaction of a claim's holder; it must append at least one event, which is the fence.

        Raises:
            StaleWorker: the claim is lost; nothing is written.
        """
        async with self._database.transaction() as connection:
            write = Write(self._database, connection, run_id, epoch)
            yield write
            if not write.events:
                raise Internal(f"a write to run {run_id!r} without an event would pass the fence unseen")
        for event in write.events:
            self._emit(event)

    async def insert_stage(self, write: Write, name: str, result: object, duration_s: float) -> None:
        await self._database.rows_on(
            write.connection,
            "insert_stage",
            run_id=write.run_id,
            name=name,
            result=jsonb(result),
            duration_s=duration_s,
        )

    async def insert_event(self, claim: Claim, event: Event) -> None:
        async with self.effect(claim.run_id, claim.epoch) as write:
            await write.append(event)

    async def insert_trial(self, claim: Claim, trial: Trial, spent: Spent | None, event: Event) -> None:
        """A trial's result and its event, together or not at all, once."""
        async with self.effect(claim.run_id, claim.epoch) as write:
            await write.append(event)
            written = await self._database.rows_on(
                write.connection,
                "insert_trial",
                run_id=claim.run_id,
                number=trial.number,
                outcome=trial.outcome,
                tree=jsonb(trial.tree),
                tree_hash=trial.tree_hash,
                metrics=jsonb(trial.metrics),
                spent=jsonb(spent),
                reason=trial.reason,
                curve=list(trial.curve),
            )
            if not written:
                raise StaleWorker(f"trial {trial.number} of run {claim.run_id!r} already has its effect; drop this one")

    async def insert_shortlist(self, write: Write, shortlist: Shortlist) -> None:
        await self._database.rows_on(
            write.connection,
            "insert_shortlist",
            run_id=write.run_id,
            observations=shortlist.observations,
            probes=shortlist.probes,
            candidates=jsonb(shortlist.candidates),
        )

    async def spending(self, run_id: str) -> Spent:
        """What the run's probes, trials and refit took, as far as their processes lived to tell."""
        row = await self._database.row("spending", run_id=run_id)
        return msgspec.convert(row, Spent)

    async def trial_counts(self, run_id: str) -> tuple[int, int]:
        """How many trials the run has, and how many of them have figures."""
        row = await self._database.row("trial_counts", run_id=run_id)
        return (row["total"], row["ok"]) if row else (0, 0)

    async def end_run(
        self,
        run_id: str,
        epoch: int,
        state: str,
        metrics: TrainingMetrics | None,
        error: RunError | None,
        event: Event,
    ) -> None:
        async with self.effect(run_id, epoch) as write:
            await write.append(event)
            await self._end(write, state, metrics, error)

    async def _end(self, write: Write, state: str, metrics: TrainingMetrics | None, error: RunError | None) -> None:
        await self._database.rows_on(
            write.connection,
            "end_run",
            run_id=write.run_id,
            epoch=write.epoch,
            state=state,
            metrics=jsonb(metrics),
            error=jsonb(error),
        )

    # Ending runs that no worker holds

    async def request_cancel(self, run_id: str, reason: str) -> None:
        """Note that the run shall end."""
        await self._database.rows("request_cancel", run_id=run_id, reason=reason)

    async def end_forsaken(self, run_id: str | None = None) -> bool:
        """End one run that is cancelled or overdue and that no worker holds; False when there is none."""
        async with self._database.transaction() as connection:
            rows = await self._database.rows_on(connection, "lock_forsaken", run_id=run_id)
            if not rows:
                return False
            row = rows[0]
            state, error = _end_of_forsaken(row)
            (counts,) = await self._database.rows_on(connection, "trial_counts", run_id=row["run_id"])
            write = Write(self._database, connection, row["run_id"], row["epoch"])
            await write.append(
                run_stop(
                    row["run_id"],
                    row["kind"],
                    row["pac_id"],
                    state,
                    trials_total=counts["total"],
                    trials_ok=counts["ok"],
                    error=error,
                )
            )
            await self._end(write, state, None, RunError.of(error))
        self._emit(write.events[0])
        return True

    async def worker_seen(self, worker_id: str) -> None:
        await self._database.rows("worker_seen", worker_id=worker_id)

    async def worker_gone(self, worker_id: str) -> None:
        await self._database.rows("worker_gone", worker_id=worker_id)


def _end_of_forsaken(row: DictRow) -> tuple[str, CerebrosError]:
    if row["cancel_reason"] is not None:
        return "cancelled", cancelled(row["run_id"], row["cancel_reason"])
    return "timed_out", DeadlineExceeded(f"run {row['run_id']!r} reached its deadline while no worker had it")


def cancelled(run_id: str, reason: str) -> Cancelled:
    return Cancelled(f"run {run_id!r} was cancelled: {reason or 'no reason given'}")


def _stale(run_id: str, epoch: int) -> StaleWorker:
    return StaleWorker(f"claim {epoch} of run {run_id!r} is over; another worker has it or it has ended")


def _run(row: DictRow, front: tuple[Trial, ...]) -> Run:
    fields = {name: row[name] for name in Run.__struct_fields__ if name != "front"}
    return msgspec.structs.replace(msgspec.convert(fields, Run), front=front)
