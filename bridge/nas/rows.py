"""Shortlists and the costs of earlier searches: rows into types."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bridge.contract.nas import Shortlist
from bridge.runs.claims import Step
from bridge.runs.kinds import Deps
from bridge.store.database import jsonb
from bridge.store.statements import Statements
from cerebros.errors import NotFound
from cerebros.metrics import Spent

SQL = Path(__file__).with_name("nas.sql")


class MeasuredRun(msgspec.Struct, frozen=True):
    """Costs of a succeeded run, and the number of epochs that its trials, probes and refit were allowed."""

    epochs_allowed: int
    spent: Spent


class SearchRows:
    """All statements of architecture searches alone."""

    def __init__(self, deps: Deps) -> None:
        self._sql = Statements(deps.database, SQL)

    async def insert_shortlist(self, step: Step, shortlist: Shortlist) -> None:
        await self._sql.rows_on(
            step.connection,
            "insert_shortlist",
            run_id=step.run_id,
            observations=shortlist.observations,
            probes=shortlist.probes,
            candidates=jsonb(shortlist.candidates),
        )

    async def shortlist_of(self, run_id: str) -> Shortlist:
        """Return the stored shortlist of a run.

        Raises:
            NotFound: it has none yet.
        """
        row = await self._sql.row("shortlist_of", run_id=run_id)
        if row is None:
            raise NotFound(f"run {run_id!r} has no shortlist yet; it is written before the search starts")
        return msgspec.convert(row, Shortlist)

    async def measured_runs(self, dataset_digest: str, kind: str, limit: int) -> tuple[MeasuredRun, ...]:
        rows = await self._sql.rows("measured_runs", dataset_digest=dataset_digest, kind=kind, limit=limit)
        return tuple(MeasuredRun(row.pop("epochs_allowed"), Spent(**row)) for row in rows)
