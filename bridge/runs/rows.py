"""Reads of runs and their events: rows into types."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bridge.contract.operator import QueueStatus
from bridge.contract.runs import Artifact, Run, RunEvent, Trial
from bridge.contract.words import ENDED
from bridge.runs.engine import TrialCounts
from bridge.runs.trials import TrialStore
from bridge.store.database import WAITING_AT_MOST, Connection, Database
from bridge.store.statements import Statements
from cerebros.errors import NotFound
from cerebros.metrics import Spent

SQL = Path(__file__).with_name("runs.sql")

EVENTS_PER_READ = 500

# An event wakes all watchers of its run in the same moment. More than these at once would take the places of others
# in the queue for a connection, and be refused there themselves.
WATCHERS_AT_ONCE = WAITING_AT_MOST // 2


class RunState(NamedTuple):
    """Progress of a run: whether it has ended, and the numbers of its first stored event and of its last."""

    ended: bool
    first_seq: int
    last_seq: int


class StoredRun(NamedTuple):
    """A run's stored request, with a payload that its kind has yet to decode."""

    kind: str
    pac_id: str
    payload: Any


class RunStore:
    """All statements that read runs and their events."""

    def __init__(self, database: Database, trials: TrialStore) -> None:
        self._sql = Statements(database, SQL)
        self._trials = trials
        self._watching = asyncio.Semaphore(WATCHERS_AT_ONCE)

    async def get_run(self, run_id: str) -> Run:
        """Return the current state of a run, with its Pareto set.

        Raises:
            NotFound: there is no such run.
        """
        runs = await self._run_rows(run_id=run_id, limit=1)
        if not runs:
            raise _unknown(run_id)
        return runs[0]

    async def list_runs(self, **narrowed: Any) -> tuple[Run, ...]:
        """Return up to `limit` runs, newest first, with their Pareto sets; filter by `pac_id`, `kind` and `state`."""
        return await self._run_rows(**narrowed)

    async def _run_rows(self, **narrowed: Any) -> tuple[Run, ...]:
        rows = await self._sql.rows("run_rows", **dict.fromkeys(("run_id", "pac_id", "kind", "state")) | narrowed)
        best: defaultdict[str, list[Trial]] = defaultdict(list)
        for run_id, trial in await self._trials.pareto_set_of([row["run_id"] for row in rows]):
            best[run_id].append(trial)
        return tuple(
            msgspec.structs.replace(msgspec.convert(row, Run), pareto_set=tuple(best[row["run_id"]]) or None)
            for row in rows
        )

    async def run_state(self, run_id: str) -> RunState:
        """Return a run's progress, which tells whether more events will come.

        Raises:
            NotFound: there is no such run.
        """
        async with self._watching:
            row = await self._sql.row("run_state", run_id=run_id)
        if row is None:
            raise _unknown(run_id)
        return RunState(row["state"] in ENDED, row["first_seq"], row["last_seq"])

    async def stored_run(self, run_id: str, connection: Connection | None = None) -> StoredRun:
        """Return a run's stored request.

        Raises:
            NotFound: there is no such run.
        """
        rows = await self._sql.rows_on(connection, "stored_run", run_id=run_id)
        if not rows:
            raise _unknown(run_id)
        return StoredRun(**rows[0])

    async def events_after(self, run_id: str, after_seq: int) -> list[RunEvent]:
        async with self._watching:
            rows = await self._sql.rows("events_after", run_id=run_id, after_seq=after_seq, limit=EVENTS_PER_READ)
        return [RunEvent(**row) for row in rows]

    async def stage_results(self, run_id: str, connection: Connection | None = None) -> dict[str, Any]:
        """Return the results of a run's finished stages, by name; a resumed run continues after them."""
        rows = await self._sql.rows_on(connection, "stage_results", run_id=run_id)
        return {row["name"]: row["result"] for row in rows}

    async def spending(self, run_id: str, connection: Connection | None = None) -> Spent:
        """Return the summed costs of the run's stages and trials, without those of processes that were killed."""
        (row,) = await self._sql.rows_on(connection, "spending", run_id=run_id)
        return msgspec.convert(row, Spent)

    async def trial_counts(self, run_id: str) -> TrialCounts:
        (row,) = await self._sql.rows("trial_counts", run_id=run_id)
        return TrialCounts(**row)

    async def queue_rows(self) -> tuple[QueueStatus, ...]:
        return tuple(QueueStatus(**row) for row in await self._sql.rows("queue_rows"))

    async def note_promotion(self, connection: Connection, run_id: str, version: int) -> None:
        """Store the number of the capability version that the run's model became."""
        await self._sql.rows_on(connection, "note_promotion", run_id=run_id, version=version)

    async def artifact_rows(
        self, directory: str, *, run_id: str | None = None, digest: str | None = None
    ) -> tuple[Artifact, ...]:
        rows = await self._sql.rows("artifact_rows", run_id=run_id, digest=digest)
        return tuple(Artifact(**row, path=f"{directory}/{row['digest']}") for row in rows)


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"run {run_id!r} does not exist; list_runs shows those that do")
