"""The durable side of a run: queued, claimed under a lease, written step by step, ended once.

Every write of a worker carries the attempt of its claim (the fence) in the
statement or transaction that stores the result and its numbered event; the
event is published after the commit. Leases and deadlines are in seconds of the
service clock, which no wall clock moves.
docs/adr/0001-runs-are-rows.md says why this is not a workflow library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow

from bridge.contract.operator import SetTrainingLock, TrainingLock
from bridge.contract.runs import RunError, RunEvent
from bridge.runs.claims import Claim, Lease, Step, appended, fenced, stale, stored_event
from bridge.runs.notices import queue_topic
from bridge.store.database import Connection, Database, jsonb
from bridge.store.statements import Statements
from cerebros.errors import (
    AlreadyExists,
    Cancelled,
    CerebrosError,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    ResourceExhausted,
    StaleWorker,
)
from cerebros.metrics import Spent, TrainingMetrics
from telemetry.events import Event, RunQueued, RunStop, run_stop

# A run that loses this many workers is not unlucky, it kills them.
WORKERS_LOST_AT_MOST = 5

# A process that slept longer than this counts so much and no more: while it
# slept nobody could renew a lease, so the leases have to sleep with it.
TICK_AT_MOST_S = 2.0

SQL = Path(__file__).with_name("runs.sql")

# A claim may lose the race for a PAC or a slot; with so many losses in a row the next poll is soon enough.
CLAIM_ATTEMPTS = 3


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A run to be queued.

    Attributes:
        dataset, dataset_digest: the dataset it learns from, by name and content.
        payload: complete request, as the run's kind reads it.
        payload_digest: equal for two orders that ask for the same.
    """

    kind: str
    pac_id: str
    dataset: str
    dataset_digest: str
    payload: msgspec.Struct
    payload_digest: str
    queue: str
    priority: int
    deadline_s: float | None


class TrialCounts(NamedTuple):
    """Numbers of a run's trials: all, those trained to the end, and those that ended at a rung."""

    total: int
    ok: int
    pruned: int

    @property
    def failed(self) -> int:
        return self.total - self.ok - self.pruned


class Engine:
    """Queues, claims, leases and fenced writes on one database.

    After the commit `emit` gets the event, and `announce` the topics that it belongs to.
    """

    def __init__(self, database: Database, emit: Callable[[RunEvent], None], announce: Callable[[str], None]) -> None:
        self._database = database
        self._sql = Statements(database, SQL)
        self._emit = emit
        self._announce = announce
        self._ticks: int | None = None
        self._ticked = monotonic()

    # A caller's side

    async def enqueue(self, order: Order, event: RunQueued, queued_at_most: int) -> bool:
        """Queue a run with its first event; return False when the same run was queued before.

        Raises:
            AlreadyExists: the id belongs to a run with another payload.
            ResourceExhausted: the queue is full.
        """
        run_id, record = event.run_id, event.record()
        rows = await self._sql.rows(
            "insert_run",
            **appended(run_id, record),
            **msgspec.structs.asdict(order) | {"payload": jsonb(order.payload)},
            queued_at_most=queued_at_most,
        )
        if rows:
            self._tell(stored_event(run_id, 0, record, rows), rows[0])
            return True
        there = await self._sql.row("payload_digest", run_id=run_id)
        if there is None:
            raise ResourceExhausted(
                f"{queued_at_most} runs wait in queue {order.queue!r}, which is as many as may; "
                "try again when some have ended"
            )
        if there["payload_digest"] != order.payload_digest:
            raise AlreadyExists(
                f"run {run_id!r} was started with another payload; choose another run_id or send the same payload"
            )
        return False

    async def cancel(self, run_id: str, reason: str) -> None:
        """End a run: at once if no worker has it, else at its worker's next heartbeat."""
        await self._sql.rows("request_cancel", run_id=run_id, reason=reason)
        await self._end_orphaned(run_id)

    async def training_lock(self, pac_id: str) -> TrainingLock:
        row = await self._sql.row("training_lock", pac_id=pac_id)
        return msgspec.convert(row, TrainingLock)

    async def set_training_lock(self, wanted: SetTrainingLock) -> TrainingLock:
        """Open or close a PAC for training.

        Raises:
            FailedPrecondition: somebody has changed the lock since the caller saw `expected_revision`.
        """
        changed = await self._sql.rows("set_training_lock", **msgspec.structs.asdict(wanted))
        lock = await self.training_lock(wanted.pac_id)
        if not changed:
            raise FailedPrecondition(
                f"the training lock of PAC {wanted.pac_id!r} has revision {lock.revision}, not "
                f"{wanted.expected_revision}: {lock.holder or 'nobody'} set it to {lock.state}; "
                "look at it and decide again"
            )
        return lock

    async def limit_queue(self, name: str, running_at_most: int | None) -> None:
        """Limit the runs of a queue that run at once on all machines; None for no limit."""
        await self._sql.rows("limit_queue", name=name, running_at_most=running_at_most)

    # A worker's side

    async def claim(
        self, worker_id: str, queue: str, lease_s: float, kinds: Sequence[str], only: str | None = None
    ) -> Claim | None:
        """Claim the next run of these kinds under a new attempt; None when no run waits, or none may start.

        A run that has lost too many workers is ended here, so that it cannot
        cost one worker after another.
        """
        row = None
        for _ in range(CLAIM_ATTEMPTS):
            try:
                row = await self._sql.row(
                    "claim_run", worker_id=worker_id, queue=queue, lease_s=lease_s, kinds=list(kinds), only=only
                )
                break
            except UniqueViolation:  # another worker was faster with the same PAC or the last slot
                continue
        if row is None:
            return None
        claim = Claim(**row)
        if claim.lost_workers < WORKERS_LOST_AT_MOST:
            return claim
        error = Internal(f"run {claim.run_id!r}: {claim.lost_workers} workers were lost over it; look at their logs")
        async with self._database.transaction() as connection:
            event = await self._stop(connection, claim.run_id, claim.kind, claim.pac_id, "failed", error)
        await self.end(claim, "failed", None, RunError.of(error), event)
        return None

    async def heartbeat(self, claim: Claim, lease_s: float) -> Lease:
        """Renew the claim's lease.

        Raises:
            StaleWorker: the claim is lost.
        """
        async with self._counting_refusals(claim.run_id):
            row = await self._sql.row("renew_lease", run_id=claim.run_id, attempt=claim.attempt, lease_s=lease_s)
            if row is None:
                raise stale(claim.run_id, claim.attempt)
        return msgspec.convert(row, Lease)

    async def release(self, claim: Claim) -> None:
        """Give the run back to its queue; does nothing when the claim is lost."""
        for row in await self._sql.rows("release_run", run_id=claim.run_id, attempt=claim.attempt):
            self._announce(queue_topic(row["queue"]))

    @asynccontextmanager
    async def step(self, claim: Claim) -> AsyncIterator[Step]:
        """Open a transaction under a claim; it must append at least one event, which is the fence.

        Raises:
            StaleWorker: the claim is lost; nothing is written.
        """
        async with self._counting_refusals(claim.run_id), self._database.transaction() as connection:
            step = Step(self._sql, connection, claim)
            try:
                yield step
            except UniqueViolation:  # what a newer claim has stored already stands in the way before the fence does
                raise StaleWorker(f"run {claim.run_id!r} already has this result; drop the second one") from None
            if not step.events:
                raise Internal(f"a write to run {claim.run_id!r} without an event would pass the fence unseen")
        for event in step.events:
            self._tell(event)

    async def append(self, claim: Claim, event: Event) -> None:
        await self.write(self._sql, "append_event", claim, event)

    async def end(
        self,
        claim: Claim,
        state: str,
        metrics: TrainingMetrics | None,
        error: RunError | None,
        event: Event,
    ) -> None:
        """End the run, with its last event."""
        await self.write(
            self._sql,
            "append_end",
            claim,
            event,
            unclaimed=False,
            state=state,
            metrics_of_run=jsonb(metrics),
            error=jsonb(error),
        )

    async def write(self, sql: Statements, statement: str, claim: Claim, event: Event, **more: Any) -> None:
        """Run one statement that calls the fence with this event, and commit it by itself.

        Raises:
            StaleWorker: the claim is lost, or the same result is stored already; nothing is written.
        """
        record = event.record()
        async with self._counting_refusals(claim.run_id):
            try:
                rows = await sql.rows(statement, **fenced(claim.run_id, claim.attempt, record), **more)
            except UniqueViolation:
                raise StaleWorker(f"run {claim.run_id!r} already has this result; drop the second one") from None
            stored = stored_event(claim.run_id, claim.attempt, record, rows)
        self._tell(stored, rows[0])

    async def worker_seen(self, worker_id: str, queue: str) -> None:
        await self._sql.rows("worker_seen", worker_id=worker_id, queue=queue)

    async def worker_gone(self, worker_id: str) -> None:
        await self._sql.rows("worker_gone", worker_id=worker_id)

    # What any process does from time to time

    async def sweep(self) -> None:
        """Advance the service clock, requeue runs whose lease has lapsed, and end orphaned runs."""
        await self.tick()
        for row in await self._sql.rows("requeue_lapsed"):
            self._announce(queue_topic(row["queue"]))
        while await self._end_orphaned():
            pass

    async def forget_events(self, kept_s: float) -> None:
        """Delete the events, except the last, of runs that ended longer ago. Reads all runs, so call it seldom."""
        while await self._sql.rows("forget_events", kept_s=kept_s):
            pass

    async def forget_workers(self, unseen_s: float) -> None:
        """Delete workers that have not been seen for so long; a killed worker does not delete itself."""
        await self._sql.rows("forget_workers", unseen_s=unseen_s)

    async def tick(self) -> None:
        """Advance the service clock by the seconds since this process last saw it change, unless another one did."""
        elapsed_s = min(monotonic() - self._ticked, TICK_AT_MOST_S)
        row = None
        if self._ticks is not None:
            row = await self._sql.row("tick", seen=self._ticks, elapsed_s=elapsed_s)
        if row is None:
            row = await self._sql.row("clock_ticks")
        assert row is not None  # noqa: S101 - the migration puts the one row there
        self._ticks, self._ticked = row["ticks"], monotonic()

    async def _end_orphaned(self, run_id: str | None = None) -> bool:
        """End one run that is cancelled or overdue and held by no worker; return False when there is none."""
        async with self._database.transaction() as connection:
            rows = await self._sql.rows_on(connection, "lock_orphaned", run_id=run_id)
            if not rows:
                return False
            row = rows[0]
            state, error = _end_of_orphaned(row)
            stop = await self._stop(connection, row["run_id"], row["kind"], row["pac_id"], state, error)
            record = stop.record()
            stored = await self._sql.rows_on(
                connection,
                "append_end",
                **fenced(row["run_id"], row["attempt"], record),
                unclaimed=True,
                state=state,
                metrics_of_run=None,
                error=jsonb(RunError.of(error)),
            )
        self._tell(stored_event(row["run_id"], row["attempt"], record, stored), stored[0])
        return True

    async def _stop(
        self, connection: Connection, run_id: str, kind: str, pac_id: str, state: str, error: CerebrosError
    ) -> RunStop:
        """Return the last event of a run that no worker ends, with what earlier workers spent on it."""
        (counts,) = await self._sql.rows_on(connection, "trial_counts", run_id=run_id)
        (spent,) = await self._sql.rows_on(connection, "spending", run_id=run_id)
        trials = TrialCounts(**counts)
        return run_stop(
            run_id,
            kind,
            pac_id,
            state,
            spent=Spent(**spent),
            trials_total=trials.total,
            trials_ok=trials.ok,
            trials_failed=trials.failed,
            error=error,
        )

    def _tell(self, event: RunEvent, row: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Publish a committed event; its row names a queue if a run now waits there or may start."""
        self._emit(event)
        self._announce(event.run_id)
        if "queue" in row:
            self._announce(queue_topic(row["queue"]))

    @asynccontextmanager
    async def _counting_refusals(self, run_id: str) -> AsyncIterator[None]:
        try:
            yield
        except StaleWorker:
            await self._sql.rows("count_refused_write", run_id=run_id)
            raise


def _end_of_orphaned(row: DictRow) -> tuple[str, CerebrosError]:
    if row["cancel_reason"] is not None:
        return "cancelled", cancelled(row["run_id"], row["cancel_reason"])
    return "timed_out", DeadlineExceeded(f"run {row['run_id']!r} reached its deadline while no worker had it")


def cancelled(run_id: str, reason: str) -> Cancelled:
    return Cancelled(f"run {run_id!r} was cancelled: {reason or 'no reason given'}")
