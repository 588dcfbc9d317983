"""Studies and their trials: rows into types and back.

A study's log, the numbered list of its suggestions and reports, is written
under the lock of its row, so every process reads the same order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from psycopg.rows import DictRow

from bridge.contract.studies import Report, Study, StudyObjective, StudyTrial, Suggestion
from bridge.contract.words import StudySampler
from bridge.store.database import Connection, Database, jsonb
from bridge.store.statements import Statements
from cerebros.errors import NotFound
from cerebros.space.rose_tree import Space, Tree, tree_hash

SQL = Path(__file__).with_name("studies.sql")


class StudyPlan(msgspec.Struct, frozen=True):
    """Definition of a study: its space, objectives and sampler."""

    space: Space
    objectives: tuple[StudyObjective, ...]
    sampler: StudySampler
    seed: int
    lease_s: float


class LogEntry(msgspec.Struct, frozen=True):
    """A tree that was suggested or, where `told`, reported; `values` is None where it ended without values."""

    told: bool
    tree: Tree
    values: dict[str, float] | None


class LockedStudy:
    """A study whose row this transaction holds."""

    def __init__(
        self,
        sql: Statements,
        connection: Connection,
        study_id: str,
        *,
        study_key: int,
        plan: StudyPlan,
        last_seq: int,
        trials_total: int,
        trials_out: int,
    ) -> None:
        self._sql, self._connection, self._study_id = sql, connection, study_id
        self.study_key, self.plan, self.last_seq = study_key, plan, last_seq
        self.trials_total, self.trials_out = trials_total, trials_out

    async def log(self, after_seq: int, up_to_seq: int) -> list[LogEntry]:
        rows = await self._sql.rows_on(
            self._connection, "study_log", study_key=self.study_key, after_seq=after_seq, up_to_seq=up_to_seq
        )
        return [msgspec.convert(row, LogEntry) for row in rows]

    async def reclaim_trials(self, limit: int) -> list[Suggestion]:
        """Return trials whose lease ran out, lowest number first, with their attempts raised."""
        rows = await self._sql.rows_on(
            self._connection,
            "reclaim_trials",
            study_key=self.study_key,
            lease_s=self.plan.lease_s,
            limit=limit,
        )
        return sorted((self._suggestion(row) for row in rows), key=lambda trial: trial.number)

    async def insert_trial(self, tree: Tree) -> Suggestion:
        """Store a suggested tree under the study's next number."""
        self.last_seq += 1
        (row,) = await self._sql.rows_on(
            self._connection,
            "insert_study_trial",
            study_key=self.study_key,
            number=self.trials_total,
            document=jsonb({"tree": tree, "tree_hash": tree_hash(tree)}),
            lease_s=self.plan.lease_s,
            seq=self.last_seq,
        )
        self.trials_total += 1
        return self._suggestion(row)

    def _suggestion(self, row: DictRow) -> Suggestion:
        return msgspec.convert(row | {"study_id": self._study_id, "lease_s": self.plan.lease_s}, Suggestion)

    async def trial(self, number: int) -> StudyTrial | None:
        rows = await self._sql.rows_on(self._connection, "study_trials", study_id=self._study_id, numbers=[number])
        return msgspec.convert(rows[0], StudyTrial) if rows else None

    async def tell_trial(self, report: Report) -> None:
        self.last_seq += 1
        told = {"values": report.values or None, "reason": report.reason or None}
        await self._sql.rows_on(
            self._connection,
            "tell_study_trial",
            study_key=self.study_key,
            number=report.number,
            outcome=report.outcome,
            told=jsonb({name: value for name, value in told.items() if value is not None}),
            seq=self.last_seq,
        )

    async def advance(self) -> None:
        await self._sql.rows_on(self._connection, "advance_study", study_key=self.study_key, seq=self.last_seq)


class StudyStore:
    """All statements about studies."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Statements(database, SQL)

    async def insert_study(self, study_id: str, plan: StudyPlan) -> bool:
        """Store a study; return False when the id is taken."""
        return bool(await self._sql.rows("insert_study", study_id=study_id, plan=jsonb(plan)))

    async def study_rows(self, study_id: str | None, limit: int) -> tuple[Study, ...]:
        """Return studies, newest first."""
        rows = await self._sql.rows("study_rows", study_id=study_id, limit=limit)
        return tuple(msgspec.convert(row.pop("plan") | row, Study) for row in rows)

    async def get_study(self, study_id: str) -> Study:
        """Return the current state of a study.

        Raises:
            NotFound: there is no such study.
        """
        found = await self.study_rows(study_id, limit=1)
        if not found:
            raise _unknown(study_id)
        return found[0]

    @asynccontextmanager
    async def locked(self, study_id: str) -> AsyncIterator[LockedStudy]:
        """Open a transaction that locks out other suggestions and reports; the study's log position is saved with it.

        Raises:
            NotFound: there is no such study.
        """
        async with self._database.transaction() as connection:
            rows = await self._sql.rows_on(connection, "lock_study", study_id=study_id)
            if not rows:
                raise _unknown(study_id)
            row = rows[0] | {"plan": msgspec.convert(rows[0]["plan"], StudyPlan)}
            study = LockedStudy(self._sql, connection, study_id, **row)
            yield study
            await study.advance()

    async def study_values(self, study_id: str) -> list[tuple[int, dict[str, float]]]:
        rows = await self._sql.rows("study_values", study_id=study_id)
        return [(row["number"], msgspec.convert(row["values"], dict[str, float])) for row in rows]

    async def study_trials(self, study_id: str, numbers: Sequence[int]) -> tuple[StudyTrial, ...]:
        rows = await self._sql.rows("study_trials", study_id=study_id, numbers=list(numbers))
        return tuple(msgspec.convert(row, StudyTrial) for row in rows)

    async def delete_study(self, study_id: str) -> None:
        await self._sql.rows("delete_study", study_id=study_id)


def _unknown(study_id: str) -> NotFound:
    return NotFound(f"study {study_id!r} does not exist; list_studies shows those that do")
