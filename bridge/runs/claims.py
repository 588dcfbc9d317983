"""A worker's claim on a run, and what it may write under it.

The fence is one comparison: every write carries the epoch of its claim in
the statement, or the transaction, that numbers the event which tells of it.
Where the run has another epoch since, nothing is stored.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from psycopg.rows import DictRow

from bridge.contract.replies import RunEvent, Shortlist, Trial
from bridge.contract.requests import StartRun
from bridge.store.database import Connection, Database, jsonb
from cerebros.data.manifest import Manifest
from cerebros.errors import StaleWorker
from cerebros.search.objectives import ObjectiveSet
from telemetry.events import Event, Record


class Payload(msgspec.Struct, frozen=True):
    """What a run was started with, complete: a later change of a file that it names does not reach it."""

    request: StartRun
    manifest: Manifest
    base: str
    goals: ObjectiveSet


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
    """A renewed claim, and what its holder has to obey: end the run, or give it back."""

    cancel_reason: str | None
    overdue: bool
    locked: bool


class Rung(NamedTuple):
    """How a trial stood after `epochs` epochs, where it had to wait; the trial as it would end here."""

    epochs: int
    trial: Trial


class CheckpointRow(msgspec.Struct, frozen=True):
    """A training's state after `epoch` epochs, and the SHA-256 of its file."""

    epoch: int
    digest: str


class Step:
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
        parameters = fenced(self.run_id, self.epoch, record)
        stored = await self._database.rows_on(self.connection, "append_event", **parameters)
        self.events.append(stored_event(self.run_id, self.epoch, record, stored))

    async def insert_stage(self, name: str, result: object, duration_s: float) -> None:
        await self._database.rows_on(
            self.connection,
            "insert_stage",
            run_id=self.run_id,
            name=name,
            result=jsonb(result),
            duration_s=duration_s,
        )

    async def insert_shortlist(self, shortlist: Shortlist) -> None:
        await self._database.rows_on(
            self.connection,
            "insert_shortlist",
            run_id=self.run_id,
            observations=shortlist.observations,
            probes=shortlist.probes,
            candidates=jsonb(shortlist.candidates),
        )


def appended(run_id: str, record: Record) -> dict[str, Any]:
    """Parameters of a statement that appends an event to a run."""
    return {
        "run_id": run_id,
        "name": record.name,
        "measurements": jsonb(record.measurements),
        "metadata": jsonb(record.metadata),
    }


def fenced(run_id: str, epoch: int, record: Record) -> dict[str, Any]:
    """Parameters of a statement that appends an event under a claim."""
    return appended(run_id, record) | {"epoch": epoch}


def stored_event(run_id: str, epoch: int, record: Record, rows: list[DictRow]) -> RunEvent:
    """The event as it was stored.

    Raises:
        StaleWorker: the fence let nothing through.
    """
    if not rows:
        raise stale(run_id, epoch)
    return RunEvent(
        run_id=run_id,
        seq=rows[0]["seq"],
        name=record.name,
        measurements=record.measurements,
        metadata=record.metadata,
        at=rows[0]["at"],
    )


def stale(run_id: str, epoch: int) -> StaleWorker:
    """What a worker is told whose claim is over."""
    return StaleWorker(f"claim {epoch} of run {run_id!r} is over; another worker has it or it has ended")
