"""Trials of runs: their results, their rungs and their checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bridge.contract.runs import Trial
from bridge.runs.claims import Claim, Step
from bridge.runs.engine import Engine
from bridge.store.database import Database, jsonb
from bridge.store.statements import Statements
from cerebros.metrics import Spent
from telemetry.events import TrialProgress, TrialRung, TrialStop

SQL = Path(__file__).with_name("trials.sql")


class Rung(NamedTuple):
    """Result of a trial at a rung, after `resource` epochs or steps; `trial` is as it would be if it ended there."""

    resource: int
    trial: Trial


class CheckpointRow(msgspec.Struct, frozen=True):
    """A training's state after `resource` epochs or steps, and the SHA-256 of its file."""

    resource: int
    digest: str


class TrialStore:
    """All statements about trials, rungs and checkpoints; what a worker writes goes through the engine's fence."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._sql = Statements(database, SQL)
        self._engine = engine

    async def append_trial(self, claim: Claim, trial: Trial, spent: Spent | None, event: TrialStop) -> None:
        """Store a trial's result and its event, both or neither; refuse to store them twice."""
        await self._engine.write(
            self._sql,
            "append_trial",
            claim,
            event,
            outcome=trial.outcome,
            reason=trial.reason,
            **_measured(trial),
            **_costs(spent),
        )

    async def append_rung(self, claim: Claim, rung: Rung, spent: Spent, event: TrialRung) -> None:
        """Store a trial's result at a rung and its event, both or neither; refuse to store them twice."""
        await self._engine.write(
            self._sql,
            "append_rung",
            claim,
            event,
            resource=rung.resource,
            **_measured(rung.trial),
            **_costs(spent),
        )

    async def mark_pareto_set(self, step: Step, numbers: Sequence[int]) -> None:
        """Mark the trials of a run's Pareto set."""
        await self._sql.rows_on(step.connection, "mark_pareto_set", run_id=step.run_id, numbers=list(numbers))

    async def pareto_set_of(self, run_ids: Sequence[str]) -> list[tuple[str, Trial]]:
        """Return the Pareto sets of these runs: trials, each with its run's id."""
        rows = await self._sql.rows("pareto_set_of", run_ids=list(run_ids))
        return [(row.pop("run_id"), msgspec.convert(row, Trial)) for row in rows]

    async def trials_after(self, run_id: str, after: int, limit: int) -> list[Trial]:
        rows = await self._sql.rows("trials_after", run_id=run_id, after=after, limit=limit)
        return [msgspec.convert(row, Trial) for row in rows]

    async def trials_of(self, run_id: str, numbers: Sequence[int] | None = None) -> list[Trial]:
        rows = await self._sql.rows("trials_of", run_id=run_id, numbers=None if numbers is None else list(numbers))
        return [msgspec.convert(row, Trial) for row in rows]

    async def rungs_of(self, run_id: str) -> list[Rung]:
        rows = await self._sql.rows("rungs_of", run_id=run_id)
        return [Rung(row.pop("resource"), msgspec.convert(row, Trial)) for row in rows]

    async def earlier_trials(self, run_id: str, kinds: Sequence[str], dataset_digest: str, limit: int) -> list[Trial]:
        """Return the latest finished trials of other succeeded runs on the same dataset, oldest first."""
        rows = await self._sql.rows(
            "earlier_trials", run_id=run_id, kinds=list(kinds), dataset_digest=dataset_digest, limit=limit
        )
        return [msgspec.convert(row, Trial) for row in rows]

    async def append_checkpoint(self, claim: Claim, digest: str, size_bytes: int, event: TrialProgress) -> None:
        """Store a checkpoint's row together with its event."""
        await self._engine.write(
            self._sql,
            "append_checkpoint",
            claim,
            event,
            trial=event.number,
            resource=event.resource,
            digest=digest,
            bytes=size_bytes,
        )

    async def checkpoint_rows(self, run_id: str, trial: int) -> list[CheckpointRow]:
        """Return a trial's checkpoints, newest first."""
        rows = await self._sql.rows("checkpoint_rows", run_id=run_id, trial=trial)
        return [CheckpointRow(**row) for row in rows]

    async def forget_checkpoints(self, run_id: str, trial: int, kept: int) -> list[CheckpointRow]:
        """Delete a trial's checkpoints except the newest `kept`; return the deleted ones."""
        rows = await self._sql.rows("forget_checkpoints", run_id=run_id, trial=trial, kept=kept)
        return [CheckpointRow(**row) for row in rows]

    async def forget_checkpoints_of_trials(self, run_id: str) -> set[int]:
        """Delete the checkpoints of a run's ended trials; return the numbers of the trials that had any."""
        return {row["trial"] for row in await self._sql.rows("forget_checkpoints_of_trials", run_id=run_id)}

    async def forget_checkpoints_of_runs(self) -> set[str]:
        """Delete the checkpoints of ended runs; return the ids of the runs that had any."""
        return {row["run_id"] for row in await self._sql.rows("forget_checkpoints_of_runs")}


def _measured(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "tree": jsonb(trial.tree),
        "tree_hash": trial.tree_hash,
        "metrics_of_trial": jsonb(trial.metrics),
        "curve": list(trial.curve),
    }


def _costs(spent: Spent | None) -> dict[str, float | None]:
    return dict.fromkeys(Spent.__struct_fields__) if spent is None else msgspec.structs.asdict(spent)
