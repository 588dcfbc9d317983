"""A worker's claim on a run, and the writes under it.

The fence is one comparison: every write carries the attempt of its claim in
the statement, or the transaction, that stores the event of the write.
If the run has been claimed again since, nothing is stored.
"""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg.rows import DictRow

from bridge.contract.runs import RunEvent
from bridge.store.database import Connection, jsonb
from bridge.store.statements import Statements
from cerebros.errors import StaleWorker
from cerebros.metrics import Spent
from telemetry.events import Event, Record


class Claim(msgspec.Struct, frozen=True):
    """A worker's right to write to a run, valid while `attempt` is the run's own; `payload` is as stored."""

    run_id: str
    kind: str
    pac_id: str
    payload: Any
    attempt: int
    lost_workers: int
    queue_s: float
    elapsed_s: float


class Lease(msgspec.Struct, frozen=True):
    """A renewed claim, and the orders to its holder: end the run, or give it back."""

    cancel_reason: str | None
    overdue: bool
    locked: bool


class Step:
    """An open transaction under one claim. Events that are appended are published after the commit."""

    def __init__(self, sql: Statements, connection: Connection, claim: Claim) -> None:
        self._sql = sql
        self.connection = connection
        self.claim = claim
        self.events: list[RunEvent] = []

    @property
    def run_id(self) -> str:
        return self.claim.run_id

    async def append(self, event: Event) -> None:
        """Number the event under the claim's attempt and store it.

        Raises:
            StaleWorker: another worker has claimed the run since, or it has ended.
        """
        record = event.record()
        parameters = fenced(self.claim.run_id, self.claim.attempt, record)
        stored = await self._sql.rows_on(self.connection, "append_event", **parameters)
        self.events.append(stored_event(self.claim.run_id, self.claim.attempt, record, stored))

    async def insert_stage(self, name: str, result: object, spent: Spent, wall_s: float) -> None:
        await self._sql.rows_on(
            self.connection,
            "insert_stage",
            run_id=self.run_id,
            name=name,
            result=jsonb(result),
            wall_s=wall_s,
            **msgspec.structs.asdict(spent),
        )

    async def insert_artifact(self, kind: str, digest: str, size_bytes: int) -> None:
        await self._sql.rows_on(
            self.connection, "insert_artifact", run_id=self.run_id, kind=kind, digest=digest, bytes=size_bytes
        )

    async def note_promotion(self, version: int) -> None:
        await self._sql.rows_on(self.connection, "note_promotion", run_id=self.run_id, version=version)


def appended(run_id: str, record: Record) -> dict[str, Any]:
    """Return the parameters of a statement that appends an event to a run."""
    return {
        "run_id": run_id,
        "name": record.name,
        "measurements": jsonb(record.measurements),
        "metadata": jsonb(record.metadata),
    }


def fenced(run_id: str, attempt: int, record: Record) -> dict[str, Any]:
    """Return the parameters of a statement that appends an event under a claim."""
    return appended(run_id, record) | {"attempt": attempt}


def stored_event(run_id: str, attempt: int, record: Record, rows: list[DictRow]) -> RunEvent:
    """Return the event as it was stored.

    Raises:
        StaleWorker: the fence refused the write.
    """
    if not rows:
        raise stale(run_id, attempt)
    return RunEvent(
        run_id=run_id,
        seq=rows[0]["seq"],
        name=record.name,
        measurements=record.measurements,
        metadata=record.metadata,
        at=rows[0]["at"],
    )


def stale(run_id: str, attempt: int) -> StaleWorker:
    """Return the error for a worker whose claim is over."""
    return StaleWorker(f"claim {attempt} of run {run_id!r} is over; another worker has it or it has ended")
