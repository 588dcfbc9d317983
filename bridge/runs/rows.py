"""What is known about runs: rows into types."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from psycopg.rows import DictRow

from bridge.contract.replies import Run, RunEvent, Shortlist, Trial
from bridge.contract.words import ENDED
from bridge.runs.claims import Payload, Rung
from bridge.store.database import WAITING_AT_MOST, Database
from cerebros.errors import NotFound
from cerebros.metrics import Spent

EVENTS_PER_READ = 500

# An event wakes all watchers of its run in the same moment. More than these at once would take the places of others
# in the queue for a connection, and be refused there themselves.
WATCHERS_AT_ONCE = WAITING_AT_MOST // 2


class RunState(NamedTuple):
    """Whether a run has ended, and the numbers of its first event that is kept and of its last."""

    ended: bool
    first_seq: int
    last_seq: int


class TrialCounts(NamedTuple):
    """How many trials a run has; of them, how many were trained to the end, and how many to a rung."""

    total: int
    ok: int
    pruned: int

    @property
    def failed(self) -> int:
        return self.total - self.ok - self.pruned


class RunStore:
    """Everything that reads runs, their trials and their events."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watching = asyncio.Semaphore(WATCHERS_AT_ONCE)

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

    async def run_state(self, run_id: str) -> RunState:
        """Whether more events will come.

        Raises:
            NotFound: there is no such run.
        """
        async with self._watching:
            row = await self._database.row("run_state", run_id=run_id)
        if row is None:
            raise NotFound(f"run {run_id!r} does not exist; list_runs shows those that do")
        return RunState(row["state"] in ENDED, row["first_seq"], row["last_seq"])

    async def payload_of(self, run_id: str) -> Payload:
        (row,) = await self._database.rows("payload_of", run_id=run_id)
        return msgspec.convert(row["payload"], Payload)

    async def events_after(self, run_id: str, after_seq: int) -> list[RunEvent]:
        async with self._watching:
            rows = await self._database.rows("events_after", run_id=run_id, after_seq=after_seq, limit=EVENTS_PER_READ)
        return [RunEvent(**row) for row in rows]

    async def trials_after(self, run_id: str, after: int, limit: int) -> list[Trial]:
        rows = await self._database.rows("trials_after", run_id=run_id, after=after, limit=limit)
        return [msgspec.convert(row, Trial) for row in rows]

    async def trials_of(self, run_id: str, numbers: Sequence[int] | None = None) -> list[Trial]:
        rows = await self._database.rows("trials_of", run_id=run_id, numbers=None if numbers is None else list(numbers))
        return [msgspec.convert(row, Trial) for row in rows]

    async def rungs_of(self, run_id: str) -> list[Rung]:
        rows = await self._database.rows("rungs_of", run_id=run_id)
        return [Rung(row.pop("epochs"), msgspec.convert(row, Trial)) for row in rows]

    async def earlier_trials(self, run_id: str, dataset_digest: str, limit: int) -> list[Trial]:
        rows = await self._database.rows("earlier_trials", run_id=run_id, dataset_digest=dataset_digest, limit=limit)
        return [msgspec.convert(row, Trial) for row in rows]

    async def shortlist_of(self, run_id: str) -> Shortlist:
        row = await self._database.row("shortlist_of", run_id=run_id)
        if row is None:
            raise NotFound(f"run {run_id!r} has no shortlist yet; it is written before the search starts")
        return msgspec.convert(row, Shortlist)

    async def stage_results(self, run_id: str) -> dict[str, Any]:
        """Results of the stages a run has finished, which is where a resumed run goes on."""
        rows = await self._database.rows("stage_results", run_id=run_id)
        return {row["name"]: row["result"] for row in rows}

    async def spending(self, run_id: str) -> Spent:
        """What the run's probes, trials and refit took, as far as their processes lived to tell."""
        row = await self._database.row("spending", run_id=run_id)
        return msgspec.convert(row, Spent)

    async def trial_counts(self, run_id: str) -> TrialCounts:
        (row,) = await self._database.rows("trial_counts", run_id=run_id)
        return TrialCounts(**row)


def _run(row: DictRow, front: tuple[Trial, ...]) -> Run:
    fields = {name: row[name] for name in Run.__struct_fields__ if name != "front"}
    return msgspec.structs.replace(msgspec.convert(fields, Run), front=front)
